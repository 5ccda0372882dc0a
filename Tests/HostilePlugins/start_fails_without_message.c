/* start fails with neither a message nor a release. */
#define NAME "start_fails_without_message"
#include "hostile.h"

static CressetStatus *start(void *context, const CressetServices *services) {
  static CressetStatus status = {sizeof status, CRESSET_ERROR, NULL, NULL, 0, NULL};
  return &status;
}

ENTRY {
  table.start = start;
  return &table;
}
