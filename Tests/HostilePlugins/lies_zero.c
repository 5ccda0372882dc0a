/* The table says its size is 0, so even abi_version is not there. */
#define NAME "lies_zero"
#include "hostile.h"

ENTRY {
  table.struct_size = 0;
  return &table;
}
