/* The table says it is 8 bytes long: nothing behind struct_size and abi_version may be read. The rest is
 * poison, so a host that reads on jumps to address 1. */
#define NAME "small_struct_size"
#include "hostile.h"

ENTRY {
  memset(&table, 0x01, sizeof table);
  table.struct_size = 8;
  table.abi_version = CRESSET_ABI_VERSION;
  return &table;
}
