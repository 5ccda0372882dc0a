/* -DVARIANT=0: says 100 kernels, then fills 1; 1: says 2^31; 2: says 1, then claims to have filled 7. */
#define NAME "kernel_count_lies"
#include "hostile.h"

#ifndef VARIANT
#define VARIANT 0
#endif

static CressetStatus *kernels(CressetDevice *device, uint32_t *count, CressetKernel *items) {
  static const uint32_t said[] = {100, 1u << 31, 1}, filled[] = {1, 1, 7};
  if (items && *count > 0) items[0] = good_kernel(CRESSET_FAMILY_POINTWISE, CRESSET_FLOAT32);
  *count = items ? filled[VARIANT] : said[VARIANT];
  return NULL;
}

ENTRY {
  table.kernels = kernels;
  return &table;
}
