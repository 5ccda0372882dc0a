/* Nothing wrong: a plugin built with a later header, whose table has slots this host does not know. */
#define NAME "larger_struct"
#include "hostile.h"

static struct { CressetBackend known; void *unknown[64]; } larger;

ENTRY {
  larger.known = table;
  larger.known.struct_size = sizeof larger;
  for (int k = 0; k < 64; k++) larger.unknown[k] = (void *)(uintptr_t)0xdead;
  return &larger.known;
}
