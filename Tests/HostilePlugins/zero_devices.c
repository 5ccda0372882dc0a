/* Nothing wrong: the driver is there, and no card. */
#define NAME "zero_devices"
#include "hostile.h"

static CressetStatus *devices(void *context, uint32_t *count, CressetDeviceInfo *items) {
  *count = 0;
  return NULL;
}

ENTRY {
  table.devices = devices;
  return &table;
}
