/* -DVARIANT=0: no name; 1: empty; 2: characters that are not allowed; 3: 1000 characters;
 * 4: starts with a digit; 5: the name of the host's own device; 6: 32 characters, one too many. */
#define NAME "bad_name"
#include "hostile.h"

#ifndef VARIANT
#define VARIANT 0
#endif

ENTRY {
  static char long_name[1001];
  memset(long_name, 'a', VARIANT == 6 ? 32 : 1000);
  static const char *const names[] = {NULL, "", "Bad Name!", long_name, "3d", "cpu", long_name};
  table.name = names[VARIANT];
  return &table;
}
