/* Registers the same family and dtype twice with equal priority, and another kernel that is right. */
#define NAME "duplicate_kernels"
#include "hostile.h"

static CressetStatus *kernels(CressetDevice *device, uint32_t *count, CressetKernel *items) {
  static const uint32_t dtypes[] = {CRESSET_FLOAT32, CRESSET_FLOAT32, CRESSET_INT32};
  if (!items || *count > 3) *count = 3;
  for (uint32_t k = 0; items && k < *count; k++) items[k] = good_kernel(CRESSET_FAMILY_POINTWISE, dtypes[k]);
  return NULL;
}

ENTRY {
  table.kernels = kernels;
  return &table;
}
