/* The device's name and driver fill their 128 bytes without a NUL, and are no UTF-8 either. */
#define NAME "unterminated_device_name"
#include "hostile.h"

static CressetStatus *devices(void *context, uint32_t *count, CressetDeviceInfo *items) {
  if (items && *count > 0) {
    fill_device(items);
    memset(items->name, 0xff, sizeof items->name);
    memset(items->driver, 'x', sizeof items->driver);
  }
  if (!items || *count > 1) *count = 1;
  return NULL;
}

ENTRY {
  table.devices = devices;
  return &table;
}
