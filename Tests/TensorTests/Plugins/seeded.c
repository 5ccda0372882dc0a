/* The example backend with one error that may appear late: from the matrix product of float32 on whose number stands in
 * SEEDED_LAUNCH (1 is the first; 0, never), the last element is too large by 1/8, as if the last tile were wrong.
 * SEEDED_DRIVER is the driver that the device says it has. */
#define cresset_backend_query example_query
#include "naive_backend.c"
#undef cresset_backend_query

static CressetStatus *launch_seeded(void *context, CressetQueue *queue, const CressetCall *call) {
  static _Atomic long launches;
  const char *seeded = getenv("SEEDED_LAUNCH");
  long first = seeded ? atol(seeded) : 0;
  const CressetKernel *right = context;
  CressetStatus *status = right->launch(right->context, queue, call);
  const CressetTensor *out = call->outputs;
  if (status || out->dtype != CRESSET_FLOAT32 || ++launches < first || first <= 0) return status;
  int64_t place = 0;
  for (int d = 0; d < out->dl.ndim; d++) {
    if (out->dl.shape[d] == 0) return NULL;
    place += (out->dl.shape[d] - 1) * out->dl.strides[d];
  }
  ((float *)((char *)out->dl.data + out->dl.byte_offset))[place] += 0.125f;
  return NULL;
}

static CressetStatus *wrapped_kernels(CressetDevice *device, uint32_t *count, CressetKernel *items) {
  static CressetKernel products[CRESSET_DTYPE_COUNT];
  CressetStatus *status = kernels(device, count, items);
  if (status || !items) return status;
  for (uint32_t k = 0; k < *count; k++) {
    CressetKernel *item = (CressetKernel *)((char *)items + (size_t)k * items[0].struct_size);
    if (item->family != CRESSET_FAMILY_MATMUL) continue;
    products[item->dtype] = *item;
    item->context = &products[item->dtype];
    item->launch = launch_seeded;
  }
  return NULL;
}

static CressetStatus *renamed_devices(void *context, uint32_t *count, CressetDeviceInfo *items) {
  CressetStatus *status = devices(context, count, items);
  const char *driver = getenv("SEEDED_DRIVER");
  if (!status && items && driver) snprintf(items[0].driver, sizeof items[0].driver, "%s", driver);
  return status;
}

const CressetBackend *cresset_backend_query(uint32_t oldest, uint32_t newest) {
  static CressetBackend table;
  const CressetBackend *example = example_query(oldest, newest);
  if (!example) return NULL;
  table = *example;
  table.kernels = wrapped_kernels;
  table.devices = renamed_devices;
  return &table;
}
