#include "copencl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

static COpenCL api;
static const COpenCL *loaded;
static char problem[256];

static void load(void) {
  void *library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    snprintf(problem, sizeof problem, "%s", why ? why : "libOpenCL.so.1 cannot be loaded");
    return;
  }
  static const struct {
    const char *name;
    size_t offset;
  } functions[] = {
#define COPENCL_X(name) {#name, offsetof(COpenCL, name)},
      COPENCL_FUNCTIONS(COPENCL_X)
#undef COPENCL_X
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void *symbol = dlsym(library, functions[i].name);
    if (!symbol) {
      snprintf(problem, sizeof problem, "libOpenCL.so.1 has no function %s", functions[i].name);
      return;
    }
    *(void **)((char *)&api + functions[i].offset) = symbol;
  }
  loaded = &api;
}

const COpenCL *copencl_load(const char **reason) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  *reason = problem;
  return loaded;
}
