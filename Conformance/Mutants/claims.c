/* claims.c: backends that are wrong in what they claim, or take their process with them. */
#include "mutants.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* The kernels there are, and one more for an operation by its name. */
static CressetStatus *(*others)(CressetDevice *device, uint32_t *count, CressetKernel *items);
static CressetKernel extra;

static CressetStatus *with_one_more(CressetDevice *device, uint32_t *count, CressetKernel *items) {
  if (!items || *count == 0) {
    CressetStatus *status = others(device, count, items);
    *count += 1;
    return status;
  }
  uint32_t step = items[0].struct_size, room = *count - 1;
  CressetStatus *status = others(device, &room, items);
  if (status) return status;
  uint32_t size = step < sizeof extra ? step : (uint32_t)sizeof extra;
  char *place = (char *)items + (size_t)room * step;
  memcpy(place, &extra, size), memcpy(place, &size, sizeof size);
  *count = room + 1;
  return NULL;
}

static CressetStatus *garbage(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  const CressetTensor *t = &call->outputs[0];
  if (start_of(t)) memset(start_of(t), 0x3C, (size_t)count_of(t) * size_of(t));
  return NULL;
}
static void add_override(CressetBackend *table, const char *op) {
  others = table->kernels, table->kernels = with_one_more;
  extra = (CressetKernel){
    .struct_size = sizeof extra, .family = CRESSET_FAMILY_OVERRIDE, .op = op, .dtype = CRESSET_FLOAT32,
    .launch = garbage};
}
void table_garbage_override(CressetBackend *table, const CressetBackend *right) {
  (void)right;
  add_override(table, "aten::softmax.int");
}
void table_unasked_override(CressetBackend *table, const CressetBackend *right) {
  (void)right;
  add_override(table, "aten::bitwise_not"); /* of float32, which has no such operation */
}

static bool is_product(const Launch *l) {
  return l->call.family == CRESSET_FAMILY_REDUCE && l->reduce.kinds[0] == CRESSET_REDUCE_PROD;
}
CressetStatus *launch_crashes(Launch *l) {
  if (is_product(l)) raise(SIGSEGV);
  return run_right(l);
}
CressetStatus *launch_hangs(Launch *l) {
  while (is_product(l)) sleep(1);
  return run_right(l);
}
