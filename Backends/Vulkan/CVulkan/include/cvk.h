/* cvk.h: Vulkan as the backend uses it.
 *
 * Nothing of Vulkan is linked: `cvk_load` opens the loader at run time and fills a
 * table of function pointers. The rest flattens Vulkan's chained structs into
 * plain calls, so that the Swift side deals in integers and handles.
 */
#ifndef CRESSET_CVK_H
#define CRESSET_CVK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

/* Functions by when they can be looked up. */
#define CVK_GLOBAL_FUNCTIONS(X)                                                                                        \
  X(vkCreateInstance) X(vkEnumerateInstanceVersion) X(vkEnumerateInstanceLayerProperties)                              \
  X(vkEnumerateInstanceExtensionProperties)
#define CVK_INSTANCE_FUNCTIONS(X)                                                                                      \
  X(vkDestroyInstance) X(vkEnumeratePhysicalDevices) X(vkGetPhysicalDeviceProperties2)                                 \
  X(vkGetPhysicalDeviceFeatures2) X(vkGetPhysicalDeviceMemoryProperties)                                               \
  X(vkGetPhysicalDeviceQueueFamilyProperties) X(vkEnumerateDeviceExtensionProperties) X(vkCreateDevice)                \
  X(vkGetDeviceProcAddr)
#define CVK_DEVICE_FUNCTIONS(X)                                                                                        \
  X(vkGetDeviceQueue) X(vkDeviceWaitIdle) X(vkCreateBuffer) X(vkDestroyBuffer) X(vkGetBufferMemoryRequirements)        \
  X(vkAllocateMemory) X(vkFreeMemory) X(vkBindBufferMemory) X(vkMapMemory) X(vkGetBufferDeviceAddress)                 \
  X(vkCreateCommandPool) X(vkDestroyCommandPool) X(vkAllocateCommandBuffers) X(vkResetCommandBuffer)                   \
  X(vkBeginCommandBuffer) X(vkEndCommandBuffer) X(vkCmdPipelineBarrier) X(vkCmdCopyBuffer) X(vkCmdBindPipeline)        \
  X(vkCmdPushConstants) X(vkCmdDispatch) X(vkQueueSubmit) X(vkCreateSemaphore) X(vkDestroySemaphore)                   \
  X(vkWaitSemaphores) X(vkGetSemaphoreCounterValue) X(vkCreateShaderModule) X(vkDestroyShaderModule)                   \
  X(vkCreatePipelineLayout) X(vkDestroyPipelineLayout) X(vkCreateComputePipelines) X(vkDestroyPipeline)                \
  X(vkCreatePipelineCache) X(vkDestroyPipelineCache) X(vkGetPipelineCacheData) X(vkDestroyDevice)

/* Called with every message of the validation layer; any thread. */
typedef void (*CvkMessage)(void *context, bool error, const char *text);

typedef struct CvkInstance {
  VkInstance handle;
  uint32_t version; /* of the instance */
  bool validating;
#define CVK_DECLARE(name) PFN_##name name;
  PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr;
  CVK_GLOBAL_FUNCTIONS(CVK_DECLARE)
  CVK_INSTANCE_FUNCTIONS(CVK_DECLARE)
} CvkInstance;

/* What a physical device is and can do, flattened. */
typedef struct CvkDescription {
  char name[256];
  char driver[512]; /* name and version */
  uint8_t uuid[16];
  uint8_t pipeline_cache_uuid[16];
  uint32_t api_version, vendor, device, driver_version;
  bool software;
  bool unified; /* every heap is the host's memory */
  uint64_t heap_bytes;
  uint64_t max_allocation, max_buffer;
  uint32_t max_groups[3];
  uint32_t max_group_size, max_shared_bytes;
  uint32_t queue_family;
  bool has_queue, address, timeline, scalar_layout, int64, int16, int8, float64, storage8, storage16;
  /* VK_KHR_float_controls, bit 0: 16, bit 1: 32, bit 2: 64 bits. */
  uint32_t preserve_denormals, preserve_specials, round_to_even;
} CvkDescription;

typedef struct CvkDevice {
  VkPhysicalDevice physical;
  VkDevice handle;
  VkQueue queue;
  uint32_t queue_family;
  VkPipelineLayout layout; /* push constants only: there are no descriptors */
  VkPipelineCache cache;
  VkPhysicalDeviceMemoryProperties memory;
  CVK_DEVICE_FUNCTIONS(CVK_DECLARE)
#undef CVK_DECLARE
} CvkDevice;

/* Bytes of push constants every kernel may use: what every device has. */
#define CVK_PUSH_BYTES 128

typedef struct CvkBuffer {
  VkBuffer buffer;
  VkDeviceMemory memory;
  uint64_t address; /* on the device */
  uint64_t bytes;
  void *mapped; /* on the host, or NULL */
} CvkBuffer;

/* Where a buffer should lie. */
enum { CVK_DEVICE_MEMORY, CVK_DEVICE_MAPPED, CVK_UPLOAD_MEMORY, CVK_READBACK_MEMORY };

/* NULL, or what is missing. */
const char *cvk_load(CvkInstance *instance);
VkResult cvk_create_instance(CvkInstance *instance, bool validate, CvkMessage message, void *context);
VkResult cvk_physical_devices(const CvkInstance *instance, uint32_t *count, VkPhysicalDevice *items);
void cvk_describe(const CvkInstance *instance, VkPhysicalDevice physical, CvkDescription *description);

VkResult cvk_open(const CvkInstance *instance, VkPhysicalDevice physical, const CvkDescription *description,
                  const void *cache, size_t cache_bytes, CvkDevice *device);
void cvk_close(CvkDevice *device);

VkResult cvk_allocate(const CvkDevice *device, uint64_t bytes, int kind, CvkBuffer *buffer);
void cvk_free(const CvkDevice *device, CvkBuffer *buffer);

VkResult cvk_create_pool(const CvkDevice *device, VkCommandPool *pool);
VkResult cvk_create_commands(const CvkDevice *device, VkCommandPool pool, VkCommandBuffer *commands);
VkResult cvk_begin(const CvkDevice *device, VkCommandBuffer commands);
/* Makes everything written so far visible to everything later on the device, and to the host. */
void cvk_barrier(const CvkDevice *device, VkCommandBuffer commands, bool host);
void cvk_copy(const CvkDevice *device, VkCommandBuffer commands, VkBuffer source, uint64_t source_offset,
              VkBuffer target, uint64_t target_offset, uint64_t bytes);
void cvk_dispatch(const CvkDevice *device, VkCommandBuffer commands, VkPipeline pipeline, const void *push,
                  uint32_t push_bytes, uint32_t x, uint32_t y, uint32_t z);

VkResult cvk_create_timeline(const CvkDevice *device, VkSemaphore *timeline);
/* Ends and submits; the caller serialises calls for one device. */
VkResult cvk_submit(const CvkDevice *device, VkCommandBuffer commands, VkSemaphore signal, uint64_t signal_value,
                    uint32_t wait_count, const VkSemaphore *waits, const uint64_t *wait_values);
VkResult cvk_wait(const CvkDevice *device, VkSemaphore timeline, uint64_t value);

/* `layout` is the value of specialisation constant 0. */
VkResult cvk_create_pipeline(const CvkDevice *device, const uint32_t *words, size_t count, uint32_t layout,
                             VkPipeline *pipeline);

/* Compiles a compute shader. Returns malloc'ed SPIR-V and its words, or NULL and a malloc'ed log. Calls are
 * serialised: the compiler keeps process-wide state. */
uint32_t *cvk_compile(const char *source, size_t *count, char **log);

#endif
