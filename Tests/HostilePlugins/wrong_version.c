/* Speaks no version of the host's: the query returns NULL. */
#define NAME "wrong_version"
#include "hostile.h"

ENTRY {
  (void)&table;
  return NULL;
}
