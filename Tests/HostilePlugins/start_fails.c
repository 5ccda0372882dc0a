/* start fails and says what is missing. Its text must reach the user; release must be called once. */
#define NAME "start_fails"
#include "hostile.h"

static void release(CressetStatus *status) { free(status); } /* a second call is a double free */

static CressetStatus *start(void *context, const CressetServices *services) {
  CressetStatus *status = malloc(sizeof *status);
  *status = (CressetStatus){sizeof *status, CRESSET_ERROR,
                            "needs libfoo; install it with: apt-get install libfoo", NULL, 0, release};
  return status;
}

ENTRY {
  table.start = start;
  return &table;
}
