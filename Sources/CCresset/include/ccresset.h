/* What the tensor library needs from C: thread-local state and the
 * dynamic loader with its error text. */
#ifndef CCRESSET_H
#define CCRESSET_H

#include <stddef.h>
#include <stdint.h>

/* Per-thread state of the layers between a call and its kernel. One load and one
 * branch on `layers` when nothing is switched on. */
typedef struct CressetThreadState {
  uint32_t layers;          /* bit set of CRESSET_LAYER_* */
  uint32_t catching_depth;  /* > 0 inside `catching { }` */
  int32_t default_device;   /* set by `withDevice`, or -1 */
  uint32_t backward_depth;  /* > 0 while a backward pass runs on this thread */
  void *first_error;        /* retained CressetError box of the innermost `catching` */
  void *recorder;           /* retained recorder of launches */
  void *guard;              /* retained guard of memory */
  void *node;               /* of the tape, while its gradients are computed */
  uint64_t used_devices;    /* bit set of the devices that this thread gave work to since its innermost `catching` began */
  void *stream;             /* of random numbers, inside `withRandomStream`; not retained */
  int32_t shadow_device;    /* set by `withShadow` or CRESSET_SHADOW; meant while the layer's bit is set */
  void *saved_hooks;        /* of `withSavedTensorHooks`, alive while the layer's bit is set */
} CressetThreadState;

enum {
  CRESSET_LAYER_NO_GRAD = 1,
  CRESSET_LAYER_RECORD = 2,
  CRESSET_LAYER_GUARD = 4,
  CRESSET_LAYER_SHADOW = 8,
  CRESSET_LAYER_FRESH = 16, /* the thread has not asked the environment yet which layers it wants */
  CRESSET_LAYER_ANOMALY = 32,
  CRESSET_LAYER_SAVED_HOOKS = 64,
  CRESSET_LAYER_ANOMALY_NAN = 128,
};

CressetThreadState *cresset_thread_state(void);

/* How often a kernel was registered in this process: what was looked up before may be out of date if it changed. */
uint64_t cresset_registrations(void);
void cresset_count_registration(void);

/* dlopen(path, RTLD_NOW | RTLD_LOCAL); NULL and a copy of the reason in `error`. */
void *cresset_dlopen(const char *path, char *error, size_t error_capacity);
void *cresset_dlsym(void *library, const char *name);

/* The folder of the running executable, without a trailing slash; 0 on failure. */
int cresset_executable_folder(char *path, size_t capacity);

#endif
