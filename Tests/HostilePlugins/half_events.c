/* Events are optional as a group; this has record and no event_wait. */
#define NAME "half_events"
#include "hostile.h"

static CressetStatus *record(CressetQueue *queue, CressetEvent **event) {
  *event = (CressetEvent *)queue;
  return NULL;
}

ENTRY {
  table.record = record;
  return &table;
}
