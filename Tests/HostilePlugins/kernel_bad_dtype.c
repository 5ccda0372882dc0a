/* One right kernel among wrong ones: a dtype and a family that do not exist, no launch, an override without
 * an operation and one of an unknown operation, a struct_size of 0. */
#define NAME "kernel_bad_dtype"
#include "hostile.h"

static CressetStatus *kernels(CressetDevice *device, uint32_t *count, CressetKernel *items) {
  enum { COUNT = 7 };
  CressetKernel all[COUNT];
  for (int k = 0; k < COUNT; k++) all[k] = good_kernel(CRESSET_FAMILY_POINTWISE, CRESSET_FLOAT32);
  all[1].dtype = 77;
  all[2].family = 4242;
  all[3].launch = NULL, all[3].dtype = CRESSET_INT32;
  all[4].family = CRESSET_FAMILY_OVERRIDE, all[4].op = NULL;
  all[5].family = CRESSET_FAMILY_OVERRIDE, all[5].op = "aten::no_such_operation";
  all[6].struct_size = 0, all[6].dtype = CRESSET_INT64;
  if (items && *count > COUNT) *count = COUNT;
  if (items) memcpy(items, all, *count * sizeof *all);
  else *count = COUNT;
  return NULL;
}

ENTRY {
  table.kernels = kernels;
  return &table;
}
