/* Memory, command buffers, submission, pipelines. */
#include "cvk.h"

#include <string.h>

/* The first memory type of `allowed` with all of `flags`. */
static bool find_memory(const CvkDevice *d, uint32_t allowed, VkMemoryPropertyFlags flags, uint32_t *type) {
  for (uint32_t i = 0; i < d->memory.memoryTypeCount; i++)
    if (allowed >> i & 1 && (d->memory.memoryTypes[i].propertyFlags & flags) == flags) {
      *type = i;
      return true;
    }
  return false;
}

VkResult cvk_allocate(const CvkDevice *d, uint64_t bytes, int kind, CvkBuffer *buffer) {
  enum {
    LOCAL = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
    HOST = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    CACHED = VK_MEMORY_PROPERTY_HOST_CACHED_BIT
  };
  /* In order of preference. */
  static const VkMemoryPropertyFlags wishes[][3] = {[CVK_DEVICE_MEMORY] = {LOCAL, 0, 0},
                                                    [CVK_DEVICE_MAPPED] = {LOCAL | HOST | CACHED, LOCAL | HOST, HOST},
                                                    [CVK_UPLOAD_MEMORY] = {HOST, HOST, HOST},
                                                    [CVK_READBACK_MEMORY] = {HOST | CACHED, HOST, HOST}};
  memset(buffer, 0, sizeof *buffer);
  buffer->bytes = bytes;
  VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                             .size = bytes,
                             .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                      VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT};
  VkResult result = d->vkCreateBuffer(d->handle, &info, NULL, &buffer->buffer);
  if (result != VK_SUCCESS) return result;
  VkMemoryRequirements needs;
  d->vkGetBufferMemoryRequirements(d->handle, buffer->buffer, &needs);
  VkMemoryAllocateFlagsInfo flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                     .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
  VkMemoryAllocateInfo allocation = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .pNext = &flags, .allocationSize = needs.size};
  result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
  for (int i = 0; i < 3 && result != VK_SUCCESS; i++) {
    if (i > 0 && wishes[kind][i] == wishes[kind][i - 1]) continue;
    if (find_memory(d, needs.memoryTypeBits, wishes[kind][i], &allocation.memoryTypeIndex))
      result = d->vkAllocateMemory(d->handle, &allocation, NULL, &buffer->memory);
  }
  if (result == VK_SUCCESS) result = d->vkBindBufferMemory(d->handle, buffer->buffer, buffer->memory, 0);
  if (result == VK_SUCCESS && kind != CVK_DEVICE_MEMORY)
    result = d->vkMapMemory(d->handle, buffer->memory, 0, VK_WHOLE_SIZE, 0, &buffer->mapped);
  if (result != VK_SUCCESS) {
    cvk_free(d, buffer);
    return result;
  }
  VkBufferDeviceAddressInfo address = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                       .buffer = buffer->buffer};
  buffer->address = d->vkGetBufferDeviceAddress(d->handle, &address);
  return VK_SUCCESS;
}

void cvk_free(const CvkDevice *d, CvkBuffer *buffer) {
  if (buffer->buffer) d->vkDestroyBuffer(d->handle, buffer->buffer, NULL);
  if (buffer->memory) d->vkFreeMemory(d->handle, buffer->memory, NULL); /* unmaps */
  memset(buffer, 0, sizeof *buffer);
}

VkResult cvk_create_pool(const CvkDevice *d, VkCommandPool *pool) {
  VkCommandPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                  .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                  .queueFamilyIndex = d->queue_family};
  return d->vkCreateCommandPool(d->handle, &info, NULL, pool);
}

VkResult cvk_create_commands(const CvkDevice *d, VkCommandPool pool, VkCommandBuffer *commands) {
  VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                      .commandPool = pool,
                                      .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                      .commandBufferCount = 1};
  return d->vkAllocateCommandBuffers(d->handle, &info, commands);
}

VkResult cvk_begin(const CvkDevice *d, VkCommandBuffer commands) {
  VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                   .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
  return d->vkBeginCommandBuffer(commands, &info);
}

void cvk_barrier(const CvkDevice *d, VkCommandBuffer commands, bool host) {
  const VkPipelineStageFlags work = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                             .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                             .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                                              VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT |
                                              (host ? VK_ACCESS_HOST_READ_BIT : 0u)};
  d->vkCmdPipelineBarrier(commands, work, work | (host ? VK_PIPELINE_STAGE_HOST_BIT : 0u), 0, 1, &barrier, 0, NULL, 0,
                          NULL);
}

void cvk_copy(const CvkDevice *d, VkCommandBuffer commands, VkBuffer source, uint64_t source_offset, VkBuffer target,
              uint64_t target_offset, uint64_t bytes) {
  VkBufferCopy region = {.srcOffset = source_offset, .dstOffset = target_offset, .size = bytes};
  d->vkCmdCopyBuffer(commands, source, target, 1, &region);
}

void cvk_dispatch(const CvkDevice *d, VkCommandBuffer commands, VkPipeline pipeline, const void *push,
                  uint32_t push_bytes, uint32_t x, uint32_t y, uint32_t z) {
  d->vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  d->vkCmdPushConstants(commands, d->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, push_bytes, push);
  d->vkCmdDispatch(commands, x, y, z);
}

VkResult cvk_create_timeline(const CvkDevice *d, VkSemaphore *timeline) {
  VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                    .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
  VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
  return d->vkCreateSemaphore(d->handle, &info, NULL, timeline);
}

VkResult cvk_submit(const CvkDevice *d, VkCommandBuffer commands, VkSemaphore signal, uint64_t signal_value,
                    uint32_t wait_count, const VkSemaphore *waits, const uint64_t *wait_values) {
  enum { MOST = 16 };
  VkPipelineStageFlags stages[MOST];
  if (wait_count > MOST) return VK_ERROR_TOO_MANY_OBJECTS;
  for (uint32_t i = 0; i < wait_count; i++)
    stages[i] = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  VkResult result = d->vkEndCommandBuffer(commands);
  if (result != VK_SUCCESS) return result;
  VkTimelineSemaphoreSubmitInfo timeline = {.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                            .waitSemaphoreValueCount = wait_count,
                                            .pWaitSemaphoreValues = wait_values,
                                            .signalSemaphoreValueCount = 1,
                                            .pSignalSemaphoreValues = &signal_value};
  VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                       .pNext = &timeline,
                       .waitSemaphoreCount = wait_count,
                       .pWaitSemaphores = waits,
                       .pWaitDstStageMask = stages,
                       .commandBufferCount = 1,
                       .pCommandBuffers = &commands,
                       .signalSemaphoreCount = 1,
                       .pSignalSemaphores = &signal};
  return d->vkQueueSubmit(d->queue, 1, &info, VK_NULL_HANDLE);
}

VkResult cvk_wait(const CvkDevice *d, VkSemaphore timeline, uint64_t value) {
  VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                              .semaphoreCount = 1,
                              .pSemaphores = &timeline,
                              .pValues = &value};
  return d->vkWaitSemaphores(d->handle, &info, UINT64_MAX);
}

VkResult cvk_create_pipeline(const CvkDevice *d, const uint32_t *words, size_t count, uint32_t layout,
                             VkPipeline *pipeline) {
  VkShaderModuleCreateInfo code = {
      .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = count * 4, .pCode = words};
  VkShaderModule module;
  VkResult result = d->vkCreateShaderModule(d->handle, &code, NULL, &module);
  if (result != VK_SUCCESS) return result;
  VkSpecializationMapEntry entry = {.constantID = 0, .offset = 0, .size = sizeof layout};
  VkSpecializationInfo constants = {
      .mapEntryCount = 1, .pMapEntries = &entry, .dataSize = sizeof layout, .pData = &layout};
  VkComputePipelineCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
      .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main",
                .pSpecializationInfo = &constants},
      .layout = d->layout};
  result = d->vkCreateComputePipelines(d->handle, d->cache, 1, &info, NULL, pipeline);
  d->vkDestroyShaderModule(d->handle, module, NULL);
  return result;
}
