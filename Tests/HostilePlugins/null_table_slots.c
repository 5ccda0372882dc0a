/* Leaves slots NULL that are not optional. -DVARIANT=0: start; 1: devices and open_device; 2: memory; 3: queue. */
#define NAME "null_table_slots"
#include "hostile.h"

#ifndef VARIANT
#define VARIANT 0
#endif

ENTRY {
  if (VARIANT == 0) table.start = NULL;
  if (VARIANT == 1) table.devices = NULL, table.open_device = NULL, table.kernels = NULL;
  if (VARIANT == 2) table.allocate = NULL, table.deallocate = NULL;
  if (VARIANT == 3) table.create_queue = NULL, table.copy_out = NULL, table.synchronize = NULL;
  return &table;
}
