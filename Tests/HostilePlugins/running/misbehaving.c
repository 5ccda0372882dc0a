/* The C example with one way of going wrong while it is used, named by CRESSET_MISBEHAVES:
 *
 *   crash:FUNCTION, hang:FUNCTION   in start, devices, open_device, create_queue, kernels, prepare or exit
 *   crash:kernel, hang:kernel       in every call of aten::relu's program
 *   crash:once                      in the first call of it, if there is no file CRESSET_MISBEHAVED yet, which is made
 *   garbage                         launches succeed and compute nothing
 *   idle                            a kernel is registered that never takes a call
 *
 * Linked with naive_backend.c, whose entry is renamed right_backend_query. */
#include "cresset_backend.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const CressetBackend *right_backend_query(uint32_t oldest, uint32_t newest);

static const CressetBackend *right;
static CressetBackend table;

static const char *wish(void) {
  const char *text = getenv("CRESSET_MISBEHAVES");
  return text ? text : "";
}

/* Goes wrong if that is wanted of the function of this name. */
static void perhaps(const char *function) {
  char text[64];
  snprintf(text, sizeof text, "crash:%s", function);
  if (!strcmp(wish(), text)) raise(SIGSEGV);
  snprintf(text, sizeof text, "hang:%s", function);
  while (!strcmp(wish(), text)) sleep(1);
}

static CressetStatus *start(void *context, const CressetServices *services) {
  perhaps("start");
  return right->start(context, services);
}
static CressetStatus *devices(void *context, uint32_t *count, CressetDeviceInfo *items) {
  perhaps("devices");
  return right->devices(context, count, items);
}
static CressetStatus *open_device(void *context, uint32_t index, CressetDevice **device) {
  perhaps("open_device");
  return right->open_device(context, index, device);
}
static CressetStatus *create_queue(CressetDevice *device, CressetQueue **queue) {
  perhaps("create_queue");
  return right->create_queue(device, queue);
}

/* The kernels of the example, by their place in its list, behind one launch that looks first. */
enum { MOST = 256 };
static CressetStatus *(*launches[MOST])(void *, CressetQueue *, const CressetCall *);
static void *contexts[MOST];

static CressetStatus *launch(void *context, CressetQueue *queue, const CressetCall *call) {
  size_t k = (size_t)context;
  if (call->op && !strcmp(call->op, "aten::relu")) {
    perhaps("kernel");
    const char *mark = getenv("CRESSET_MISBEHAVED");
    if (!strcmp(wish(), "crash:once") && mark && access(mark, F_OK) != 0) {
      FILE *file = fopen(mark, "w");
      if (file) fclose(file);
      raise(SIGSEGV);
    }
  }
  if (!strcmp(wish(), "garbage")) return NULL;
  return launches[k](contexts[k], queue, call);
}

static const char *never(void *context, CressetDevice *device, const CressetCall *call) {
  (void)context, (void)device, (void)call;
  return "it never does";
}

static CressetStatus *kernels(CressetDevice *device, uint32_t *count, CressetKernel *items) {
  perhaps("kernels");
  uint32_t room = *count, extra = !strcmp(wish(), "idle");
  CressetStatus *status = right->kernels(device, count, items);
  if (status) return status;
  if (!items) {
    *count += extra;
    return NULL;
  }
  for (uint32_t k = 0; k < *count && k < MOST; k++) {
    launches[k] = items[k].launch, contexts[k] = items[k].context;
    items[k].launch = launch, items[k].context = (void *)(size_t)k;
  }
  if (extra && *count < room) {
    CressetKernel idle = {0};
    idle.struct_size = sizeof idle, idle.family = CRESSET_FAMILY_OVERRIDE, idle.op = "aten::asinh";
    idle.dtype = CRESSET_FLOAT32, idle.priority = 3, idle.supports = never, idle.launch = launch;
    items[(*count)++] = idle;
  }
  return NULL;
}

static CressetStatus *prepare(CressetDevice *device, uint32_t count, const CressetCall *calls) {
  (void)device, (void)calls, (void)count;
  perhaps("prepare");
  return NULL;
}

__attribute__((destructor)) static void leave(void) { perhaps("exit"); }

const CressetBackend *cresset_backend_query(uint32_t oldest, uint32_t newest) {
  right = right_backend_query(oldest, newest);
  if (!right) return NULL;
  table = *right;
  table.struct_size = sizeof table, table.name = "misbehaving";
  table.start = start, table.devices = devices, table.open_device = open_device;
  table.create_queue = create_queue, table.kernels = kernels, table.prepare = prepare;
  return &table;
}
