/* -DVARIANT=0: says 3 devices, then fills 1; 1: says 2^31; 2: says 1, then claims to have filled 7. */
#define NAME "device_count_lies"
#include "hostile.h"

#ifndef VARIANT
#define VARIANT 0
#endif

static CressetStatus *devices(void *context, uint32_t *count, CressetDeviceInfo *items) {
  static const uint32_t said[] = {3, 1u << 31, 1}, filled[] = {1, 1, 7};
  if (items && *count > 0) fill_device(items);
  *count = items ? filled[VARIANT] : said[VARIANT];
  return NULL;
}

ENTRY {
  table.devices = devices;
  return &table;
}
