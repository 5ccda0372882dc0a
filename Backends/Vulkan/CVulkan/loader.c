#include "cvk.h"

#include <dlfcn.h>
#include <string.h>

const char *cvk_load(CvkInstance *vk) {
  memset(vk, 0, sizeof *vk);
  void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) library = dlopen("libvulkan.so", RTLD_NOW | RTLD_LOCAL);
  if (!library) return "libvulkan.so.1, the Vulkan loader, is not installed";
  vk->vkGetInstanceProcAddr = (PFN_vkGetInstanceProcAddr)dlsym(library, "vkGetInstanceProcAddr");
  if (!vk->vkGetInstanceProcAddr) return "libvulkan.so.1 has no vkGetInstanceProcAddr";
#define LOAD(name) vk->name = (PFN_##name)vk->vkGetInstanceProcAddr(NULL, #name);
  CVK_GLOBAL_FUNCTIONS(LOAD)
#undef LOAD
  if (!vk->vkCreateInstance || !vk->vkEnumerateInstanceVersion) return "the Vulkan loader is older than Vulkan 1.1";
  if (vk->vkEnumerateInstanceVersion(&vk->version) != VK_SUCCESS || vk->version < VK_API_VERSION_1_2)
    return "the Vulkan loader is older than Vulkan 1.2";
  return NULL;
}

/* The layer reports through one messenger that lives as long as the instance. */
typedef struct Messenger {
  CvkMessage message;
  void *context;
} Messenger;
static Messenger the_messenger;

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user) {
  (void)types;
  Messenger *messenger = user;
  messenger->message(messenger->context, severity >= VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT, data->pMessage);
  return VK_FALSE;
}

static bool has_layer(const CvkInstance *vk, const char *name) {
  VkLayerProperties layers[64];
  uint32_t count = 64;
  if (vk->vkEnumerateInstanceLayerProperties(&count, layers) < 0) return false;
  for (uint32_t i = 0; i < count; i++)
    if (!strcmp(layers[i].layerName, name)) return true;
  return false;
}

VkResult cvk_create_instance(CvkInstance *vk, bool validate, CvkMessage message, void *context) {
  static const char *const layer = "VK_LAYER_KHRONOS_validation";
  static const char *const debug = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  vk->validating = validate && has_layer(vk, layer);
  the_messenger = (Messenger){message, context};
  VkDebugUtilsMessengerCreateInfoEXT messenger = {
      .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
      .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
      .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
      .pfnUserCallback = on_message,
      .pUserData = &the_messenger};
  VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                   .pApplicationName = "cresset",
                                   .pEngineName = "cresset",
                                   .apiVersion = VK_API_VERSION_1_2};
  VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                               .pNext = vk->validating ? &messenger : NULL,
                               .pApplicationInfo = &application,
                               .enabledLayerCount = vk->validating,
                               .ppEnabledLayerNames = &layer,
                               .enabledExtensionCount = vk->validating,
                               .ppEnabledExtensionNames = &debug};
  VkResult result = vk->vkCreateInstance(&info, NULL, &vk->handle);
  if (result != VK_SUCCESS) return result;
#define LOAD(name)                                                                                                     \
  vk->name = (PFN_##name)vk->vkGetInstanceProcAddr(vk->handle, #name);                                                 \
  if (!vk->name) return VK_ERROR_INCOMPATIBLE_DRIVER;
  CVK_INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
  if (vk->validating) {
    PFN_vkCreateDebugUtilsMessengerEXT create =
        (PFN_vkCreateDebugUtilsMessengerEXT)vk->vkGetInstanceProcAddr(vk->handle, "vkCreateDebugUtilsMessengerEXT");
    VkDebugUtilsMessengerEXT made;
    if (create) create(vk->handle, &messenger, NULL, &made);
  }
  return VK_SUCCESS;
}

VkResult cvk_physical_devices(const CvkInstance *vk, uint32_t *count, VkPhysicalDevice *items) {
  return vk->vkEnumeratePhysicalDevices(vk->handle, count, items);
}
