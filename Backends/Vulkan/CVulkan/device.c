#include "cvk.h"

#include <stdio.h>
#include <string.h>

static bool has_extension(const CvkInstance *vk, VkPhysicalDevice physical, const char *name) {
  VkExtensionProperties extensions[512];
  uint32_t count = 512;
  if (vk->vkEnumerateDeviceExtensionProperties(physical, NULL, &count, extensions) < 0) return false;
  for (uint32_t i = 0; i < count; i++)
    if (!strcmp(extensions[i].extensionName, name)) return true;
  return false;
}

/* Prefers a family that computes and does not draw: it does not wait behind a desktop. */
static bool find_queue(const CvkInstance *vk, VkPhysicalDevice physical, uint32_t *family) {
  VkQueueFamilyProperties families[32];
  uint32_t count = 32;
  vk->vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
  bool found = false;
  for (uint32_t i = 0; i < count; i++) {
    if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || !families[i].queueCount) continue;
    bool draws = families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT;
    if (!found || !draws) *family = i;
    found = true;
    if (!draws) break;
  }
  return found;
}

void cvk_describe(const CvkInstance *vk, VkPhysicalDevice physical, CvkDescription *d) {
  memset(d, 0, sizeof *d);
  VkPhysicalDeviceFloatControlsProperties floats = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES};
  VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
                                             .pNext = &floats};
  VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES, .pNext = &driver};
  VkPhysicalDeviceMaintenance3Properties maintenance3 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, .pNext = &id};
  VkPhysicalDeviceMaintenance4Properties maintenance4 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES};
  if (has_extension(vk, physical, VK_KHR_MAINTENANCE_4_EXTENSION_NAME)) floats.pNext = &maintenance4;
  VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                            .pNext = &maintenance3};
  vk->vkGetPhysicalDeviceProperties2(physical, &properties);
  const VkPhysicalDeviceProperties *p = &properties.properties;
  snprintf(d->name, sizeof d->name, "%s", p->deviceName);
  d->api_version = p->apiVersion;
  d->vendor = p->vendorID;
  d->device = p->deviceID;
  d->driver_version = p->driverVersion;
  d->software = p->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
  memcpy(d->pipeline_cache_uuid, p->pipelineCacheUUID, 16);
  memcpy(d->max_groups, p->limits.maxComputeWorkGroupCount, sizeof d->max_groups);
  d->max_group_size = p->limits.maxComputeWorkGroupInvocations < p->limits.maxComputeWorkGroupSize[0]
                          ? p->limits.maxComputeWorkGroupInvocations
                          : p->limits.maxComputeWorkGroupSize[0];
  d->max_shared_bytes = p->limits.maxComputeSharedMemorySize;
  if (p->apiVersion < VK_API_VERSION_1_2) return; /* the chained structs are not known to it */
  snprintf(d->driver, sizeof d->driver, "%s %s", driver.driverName, driver.driverInfo);
  memcpy(d->uuid, id.deviceUUID, 16);
  d->max_allocation = maintenance3.maxMemoryAllocationSize;
  d->max_buffer = maintenance4.maxBufferSize ? maintenance4.maxBufferSize : d->max_allocation;
  d->preserve_denormals = (floats.shaderDenormPreserveFloat16 ? 1u : 0) |
                          (floats.shaderDenormPreserveFloat32 ? 2u : 0) | (floats.shaderDenormPreserveFloat64 ? 4u : 0);
  d->preserve_specials = (floats.shaderSignedZeroInfNanPreserveFloat16 ? 1u : 0) |
                         (floats.shaderSignedZeroInfNanPreserveFloat32 ? 2u : 0) |
                         (floats.shaderSignedZeroInfNanPreserveFloat64 ? 4u : 0);
  d->round_to_even = (floats.shaderRoundingModeRTEFloat16 ? 1u : 0) | (floats.shaderRoundingModeRTEFloat32 ? 2u : 0) |
                     (floats.shaderRoundingModeRTEFloat64 ? 4u : 0);
  /* Where the widths are not independent, all or none may be asked for. */
  if (floats.denormBehaviorIndependence != VK_SHADER_FLOAT_CONTROLS_INDEPENDENCE_ALL && d->preserve_denormals != 7)
    d->preserve_denormals &= floats.denormBehaviorIndependence == VK_SHADER_FLOAT_CONTROLS_INDEPENDENCE_32_BIT_ONLY
                                 ? 2u : 0;
  if (floats.roundingModeIndependence != VK_SHADER_FLOAT_CONTROLS_INDEPENDENCE_ALL && d->round_to_even != 7)
    d->round_to_even &= floats.roundingModeIndependence == VK_SHADER_FLOAT_CONTROLS_INDEPENDENCE_32_BIT_ONLY ? 2u : 0;

  VkPhysicalDeviceVulkan12Features f12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
  VkPhysicalDeviceVulkan11Features f11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
                                          .pNext = &f12};
  VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f11};
  vk->vkGetPhysicalDeviceFeatures2(physical, &features);
  d->int64 = features.features.shaderInt64;
  d->int16 = features.features.shaderInt16;
  d->float64 = features.features.shaderFloat64;
  d->int8 = f12.shaderInt8;
  d->storage8 = f12.storageBuffer8BitAccess;
  d->storage16 = f11.storageBuffer16BitAccess;
  d->address = f12.bufferDeviceAddress;
  d->timeline = f12.timelineSemaphore;
  d->scalar_layout = f12.scalarBlockLayout;
  d->has_queue = find_queue(vk, physical, &d->queue_family);

  VkPhysicalDeviceMemoryProperties memory;
  vk->vkGetPhysicalDeviceMemoryProperties(physical, &memory);
  for (uint32_t i = 0; i < memory.memoryHeapCount; i++)
    if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT && memory.memoryHeaps[i].size > d->heap_bytes)
      d->heap_bytes = memory.memoryHeaps[i].size;
  /* Unified: the largest device-local heap can be written by the host, and there is no other. */
  const VkMemoryPropertyFlags both =
      VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  bool integrated = d->software || p->deviceType == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
  for (uint32_t i = 0; i < memory.memoryTypeCount; i++)
    if (integrated && (memory.memoryTypes[i].propertyFlags & both) == both &&
        memory.memoryHeaps[memory.memoryTypes[i].heapIndex].size == d->heap_bytes)
      d->unified = true;
}

VkResult cvk_open(const CvkInstance *vk, VkPhysicalDevice physical, const CvkDescription *d, const void *cache,
                  size_t cache_bytes, CvkDevice *device) {
  memset(device, 0, sizeof *device);
  device->physical = physical;
  device->queue_family = d->queue_family;
  vk->vkGetPhysicalDeviceMemoryProperties(physical, &device->memory);
  VkPhysicalDeviceVulkan12Features f12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                          .shaderInt8 = d->int8,
                                          .storageBuffer8BitAccess = d->storage8,
                                          .bufferDeviceAddress = VK_TRUE,
                                          .timelineSemaphore = VK_TRUE,
                                          .scalarBlockLayout = d->scalar_layout};
  VkPhysicalDeviceVulkan11Features f11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
                                          .pNext = &f12,
                                          .storageBuffer16BitAccess = d->storage16};
  VkPhysicalDeviceFeatures2 features = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
      .pNext = &f11,
      .features = {.shaderInt64 = d->int64, .shaderInt16 = d->int16, .shaderFloat64 = d->float64}};
  float priority = 1;
  VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                   .queueFamilyIndex = d->queue_family,
                                   .queueCount = 1,
                                   .pQueuePriorities = &priority};
  VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                             .pNext = &features,
                             .queueCreateInfoCount = 1,
                             .pQueueCreateInfos = &queue};
  VkResult result = vk->vkCreateDevice(physical, &info, NULL, &device->handle);
  if (result != VK_SUCCESS) return result;
#define LOAD(name)                                                                                                     \
  device->name = (PFN_##name)vk->vkGetDeviceProcAddr(device->handle, #name);                                           \
  if (!device->name) return VK_ERROR_INCOMPATIBLE_DRIVER;
  CVK_DEVICE_FUNCTIONS(LOAD)
#undef LOAD
  device->vkGetDeviceQueue(device->handle, d->queue_family, 0, &device->queue);
  VkPushConstantRange range = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = CVK_PUSH_BYTES};
  VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                       .pushConstantRangeCount = 1,
                                       .pPushConstantRanges = &range};
  result = device->vkCreatePipelineLayout(device->handle, &layout, NULL, &device->layout);
  if (result != VK_SUCCESS) return result;
  /* A driver ignores data that is not its own; one that fails on it gets none. */
  VkPipelineCacheCreateInfo pipelines = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                         .initialDataSize = cache_bytes,
                                         .pInitialData = cache_bytes ? cache : NULL};
  result = device->vkCreatePipelineCache(device->handle, &pipelines, NULL, &device->cache);
  if (result != VK_SUCCESS && cache_bytes) {
    pipelines.initialDataSize = 0;
    pipelines.pInitialData = NULL;
    result = device->vkCreatePipelineCache(device->handle, &pipelines, NULL, &device->cache);
  }
  return result;
}

void cvk_close(CvkDevice *device) {
  if (!device->handle) return;
  if (device->cache) device->vkDestroyPipelineCache(device->handle, device->cache, NULL);
  if (device->layout) device->vkDestroyPipelineLayout(device->handle, device->layout, NULL);
  if (device->vkDestroyDevice) device->vkDestroyDevice(device->handle, NULL);
  memset(device, 0, sizeof *device);
}
