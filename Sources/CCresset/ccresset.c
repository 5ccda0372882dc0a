#include "ccresset.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Thread_local CressetThreadState state = {.layers = CRESSET_LAYER_FRESH, .default_device = -1};

CressetThreadState *cresset_thread_state(void) { return &state; }

static _Atomic uint64_t registrations;

uint64_t cresset_registrations(void) { return atomic_load_explicit(&registrations, memory_order_acquire); }
void cresset_count_registration(void) { atomic_fetch_add_explicit(&registrations, 1, memory_order_release); }

void *cresset_dlopen(const char *path, char *error, size_t error_capacity) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL && error_capacity > 0) {
    const char *reason = dlerror();
    snprintf(error, error_capacity, "%s", reason != NULL ? reason : "unknown reason");
  }
  return library;
}

void *cresset_dlsym(void *library, const char *name) { return dlsym(library, name); }

int cresset_executable_folder(char *path, size_t capacity) {
  ssize_t length = readlink("/proc/self/exe", path, capacity - 1);
  if (length <= 0) return 0;
  path[length] = '\0';
  char *slash = strrchr(path, '/');
  if (slash == NULL) return 0;
  *slash = '\0';
  return 1;
}
