/* Returns a table of a version the host did not offer. */
#define NAME "future_version"
#include "hostile.h"

ENTRY {
  table.abi_version = 99;
  return &table;
}
