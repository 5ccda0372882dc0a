/* hostile.h: a backend with nothing wrong in it, one device and one kernel, for the plugins here to spoil.
 * Each defines NAME, includes this, and changes `table` in its ENTRY. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "cresset_backend.h"

#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-function"

struct CressetBuffer { void *data; uint64_t bytes; };
struct CressetDevice { int unused; };
struct CressetQueue { int unused; };

static CressetStatus out_of_memory = {sizeof(CressetStatus), CRESSET_ERROR_OUT_OF_MEMORY, "out of memory", 0, 0, 0};
static CressetDevice the_device;
static CressetQueue the_queue;

static CressetStatus *good_start(void *context, const CressetServices *services) { return 0; }

static void fill_device(CressetDeviceInfo *info) {
  memset(info, 0, sizeof *info);
  info->struct_size = sizeof *info;
  info->flags = CRESSET_DEVICE_SOFTWARE | CRESSET_DEVICE_HOST_VISIBLE | CRESSET_DEVICE_SYNCHRONOUS;
  strcpy(info->name, "a device of " NAME);
  strcpy(info->driver, NAME " 1.0");
  info->memory_bytes = info->max_allocation_bytes = 1 << 30;
  info->dtypes = 1u << CRESSET_FLOAT32;
}
static CressetStatus *good_devices(void *context, uint32_t *count, CressetDeviceInfo *items) {
  if (items && *count > 0) fill_device(items);
  if (!items || *count > 1) *count = 1;
  return 0;
}
static CressetStatus *good_open_device(void *context, uint32_t index, CressetDevice **device) {
  *device = &the_device;
  return 0;
}

static CressetStatus *good_launch(void *context, CressetQueue *queue, const CressetCall *call) { return 0; }
static CressetKernel good_kernel(uint32_t family, uint32_t dtype) {
  CressetKernel kernel = {sizeof kernel, family, 0, dtype, 0, 0, 0, good_launch};
  return kernel;
}
static CressetStatus *good_kernels(CressetDevice *device, uint32_t *count, CressetKernel *items) {
  if (items && *count > 0) items[0] = good_kernel(CRESSET_FAMILY_POINTWISE, CRESSET_FLOAT32);
  if (!items || *count > 1) *count = 1;
  return 0;
}

static CressetStatus *good_allocate(CressetDevice *device, uint64_t bytes, CressetBuffer **result) {
  CressetBuffer *buffer = malloc(sizeof *buffer);
  void *data = bytes < (1 << 30) ? aligned_alloc(256, (size_t)(bytes / 256 + 1) * 256) : 0;
  if (!buffer || !data) { free(buffer); free(data); return &out_of_memory; }
  buffer->data = data, buffer->bytes = bytes, *result = buffer;
  return 0;
}
static void good_deallocate(CressetDevice *device, CressetBuffer *buffer) { free(buffer->data); free(buffer); }
static CressetStatus *good_map(CressetDevice *device, CressetBuffer *buffer, void **pointer) {
  *pointer = buffer->data;
  return 0;
}
static CressetStatus *good_create_queue(CressetDevice *device, CressetQueue **queue) { *queue = &the_queue; return 0; }
static void good_destroy_queue(CressetQueue *queue) {}
static CressetStatus *good_copy_in(CressetQueue *queue, const void *source, CressetBuffer *buffer, uint64_t offset,
                                   uint64_t bytes) {
  memcpy((char *)buffer->data + offset, source, (size_t)bytes);
  return 0;
}
static CressetStatus *good_copy_out(CressetQueue *queue, CressetBuffer *buffer, uint64_t offset, void *target,
                                    uint64_t bytes) {
  memcpy(target, (char *)buffer->data + offset, (size_t)bytes);
  return 0;
}
static CressetStatus *good_copy_within(CressetQueue *queue, CressetBuffer *source, uint64_t source_offset,
                                       CressetBuffer *target, uint64_t target_offset, uint64_t bytes) {
  memmove((char *)target->data + target_offset, (char *)source->data + source_offset, (size_t)bytes);
  return 0;
}
static CressetStatus *good_synchronize(CressetQueue *queue) { return 0; }

static CressetBackend table = {
    .struct_size = sizeof table, .abi_version = CRESSET_ABI_VERSION, .name = NAME, .version = "1.0",
    .start = good_start, .devices = good_devices, .open_device = good_open_device, .kernels = good_kernels,
    .allocate = good_allocate, .deallocate = good_deallocate, .map = good_map, .create_queue = good_create_queue,
    .destroy_queue = good_destroy_queue, .copy_in = good_copy_in, .copy_out = good_copy_out,
    .copy_within = good_copy_within, .synchronize = good_synchronize,
};

#define ENTRY                                                                    \
  const CressetBackend *cresset_backend_query(uint32_t oldest, uint32_t newest); \
  const CressetBackend *cresset_backend_query(uint32_t oldest, uint32_t newest)

#endif
