/* vulkan_text.c: takes the place of the plugin's compiler of shaders and edits what it is given.
 * CRESSET_TEXT_PLUGIN names the plugin. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include "text.h"

uint32_t *cvk_compile(const char *source, size_t *count, char **log) {
  const char *path = getenv("CRESSET_TEXT_PLUGIN");
  void *plugin = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
  uint32_t *(*compile)(const char *, size_t *, char **) = plugin ? dlsym(plugin, "cvk_compile") : NULL;
  if (!compile) abort();
  char *text = edited(source);
  uint32_t *words = compile(text, count, log);
  free(text);
  return words;
}
