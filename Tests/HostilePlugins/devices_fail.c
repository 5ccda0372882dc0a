/* Starts, and cannot list its devices. -DVARIANT=1: lists one and cannot open it; 2: opens it as NULL. */
#define NAME "devices_fail"
#include "hostile.h"

#ifndef VARIANT
#define VARIANT 0
#endif

static CressetStatus lost = {sizeof lost, CRESSET_ERROR_DEVICE_LOST, "the device fell off the bus", NULL, 0, NULL};
static CressetStatus *devices(void *context, uint32_t *count, CressetDeviceInfo *items) { return &lost; }
static CressetStatus *open_device(void *context, uint32_t index, CressetDevice **device) {
  if (VARIANT == 1) return &lost;
  *device = NULL;
  return NULL;
}

ENTRY {
  if (VARIANT == 0) table.devices = devices;
  else table.open_device = open_device;
  return &table;
}
