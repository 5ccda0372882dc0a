/* queues.c: mutants of order, of copies and of errors. */
#include "mutants.h"

#include <stdlib.h>
#include <string.h>

static const CressetBackend *right;

/* ---------------------------------------------------------------- order -- */
/* A launch that is put off, as a device does. Memory is only ever given back after a synchronisation, so that what is
 * put off still has its own. */
static Launch waiting;
static bool is_waiting;
static CressetStatus *catch_up(void) {
  if (!is_waiting) return NULL;
  is_waiting = false;
  return run_right(&waiting);
}
static void put_off(Launch *l) { copy_launch(&waiting, &l->call, l->right, l->queue), is_waiting = true; }

static CressetStatus *prompt_synchronize(CressetQueue *queue) {
  CressetStatus *status = catch_up();
  return status ? status : right->synchronize(queue);
}
static CressetStatus *prompt_copy_in(CressetQueue *queue, const void *source, CressetBuffer *buffer, uint64_t offset,
                                     uint64_t bytes) {
  CressetStatus *status = catch_up();
  return status ? status : right->copy_in(queue, source, buffer, offset, bytes);
}
static CressetStatus *prompt_copy_out(CressetQueue *queue, CressetBuffer *buffer, uint64_t offset, void *target,
                                      uint64_t bytes) {
  CressetStatus *status = catch_up();
  return status ? status : right->copy_out(queue, buffer, offset, target, bytes);
}
static CressetStatus *hasty_copy_out(CressetQueue *queue, CressetBuffer *buffer, uint64_t offset, void *target,
                                     uint64_t bytes) {
  CressetStatus *status = right->copy_out(queue, buffer, offset, target, bytes);
  return status ? status : catch_up();
}

CressetStatus *launch_copy_out_does_not_wait(Launch *l) {
  CressetStatus *status = catch_up();
  put_off(l);
  return status;
}
void table_copy_out_does_not_wait(CressetBackend *table, const CressetBackend *of) {
  right = of;
  table->synchronize = prompt_synchronize, table->copy_in = prompt_copy_in, table->copy_out = hasty_copy_out;
}

/* Of two launches the second runs first. */
CressetStatus *launch_queue_out_of_order(Launch *l) {
  if (!is_waiting) return put_off(l), NULL;
  CressetStatus *status = run_right(l);
  return status ? status : catch_up();
}
void table_queue_out_of_order(CressetBackend *table, const CressetBackend *of) {
  right = of;
  table->synchronize = prompt_synchronize, table->copy_in = prompt_copy_in, table->copy_out = prompt_copy_out;
}

/* ------------------------------------------------------------ two queues -- */
/* Scratch memory for params, one for the whole device: a launch finds those of another queue's launch of the same
 * program, unless that queue was synchronised since. */
static struct Scratch { CressetQueue *queue; const CressetProgram *program; CressetScalar params[64]; } scratch;
CressetStatus *launch_queues_race(Launch *l) {
  bool races = scratch.queue && scratch.queue != l->queue && scratch.program == l->call.program;
  if (races) memcpy(l->params, scratch.params, l->call.param_count * sizeof *l->params);
  else if (!scratch.queue || scratch.queue == l->queue)
    scratch.queue = l->queue, scratch.program = l->call.program, memcpy(scratch.params, l->params, sizeof l->params);
  return run_right(l);
}
static CressetStatus *race_ends(CressetQueue *queue) {
  if (scratch.queue == queue) scratch.queue = NULL;
  return right->synchronize(queue);
}
static CressetStatus *race_ends_in_copy(CressetQueue *queue, CressetBuffer *buffer, uint64_t offset, void *target,
                                        uint64_t bytes) {
  if (scratch.queue == queue) scratch.queue = NULL;
  return right->copy_out(queue, buffer, offset, target, bytes);
}
void table_queues_race(CressetBackend *table, const CressetBackend *of) {
  right = of, table->synchronize = race_ends, table->copy_out = race_ends_in_copy;
}

/* An error is kept by the device: whichever queue asks first is told. */
enum { MOST_QUEUES = 64 };
static CressetQueue *queues[MOST_QUEUES];
static CressetStatus *note_queue(CressetDevice *device, CressetQueue **queue) {
  CressetStatus *status = right->create_queue(device, queue);
  for (int q = 0; !status && q < MOST_QUEUES; q++)
    if (!queues[q]) return queues[q] = *queue, NULL;
  return status;
}
static void forget_queue(CressetQueue *queue) {
  for (int q = 0; q < MOST_QUEUES; q++)
    if (queues[q] == queue) queues[q] = NULL;
  right->destroy_queue(queue);
}
static CressetStatus *any_error(CressetQueue *queue) {
  CressetStatus *status = NULL;
  for (int q = 0; q < MOST_QUEUES && !status; q++)
    if (queues[q]) status = right->synchronize(queues[q]);
  return status ? status : right->synchronize(queue);
}
static CressetStatus *any_error_in_copy(CressetQueue *queue, CressetBuffer *buffer, uint64_t offset, void *target,
                                        uint64_t bytes) {
  CressetStatus *status = any_error(queue);
  return status ? status : right->copy_out(queue, buffer, offset, target, bytes);
}
void table_queues_share_error(CressetBackend *table, const CressetBackend *of) {
  right = of, table->create_queue = note_queue, table->destroy_queue = forget_queue;
  table->synchronize = any_error, table->copy_out = any_error_in_copy;
}

/* --------------------------------------------------------------- copies -- */
static CressetStatus *from_start(CressetQueue *queue, CressetBuffer *buffer, uint64_t offset, void *target,
                                 uint64_t bytes) {
  (void)offset;
  return right->copy_out(queue, buffer, 0, target, bytes);
}
void table_copy_out_offset_ignored(CressetBackend *table, const CressetBackend *of) {
  right = of, table->copy_out = from_start;
}
static CressetStatus *by_words(CressetQueue *queue, const void *source, CressetBuffer *buffer, uint64_t offset,
                               uint64_t bytes) {
  return right->copy_in(queue, source, buffer, offset, bytes / 4 * 4);
}
void table_copy_in_tail_lost(CressetBackend *table, const CressetBackend *of) { right = of, table->copy_in = by_words; }

/* --------------------------------------------------------------- errors -- */
static CressetStatus *swallow(CressetStatus *status) {
  if (!status || status->code != CRESSET_ERROR_INDEX) return status;
  drop(status);
  return NULL;
}
static CressetStatus *silent_copy_out(CressetQueue *queue, CressetBuffer *buffer, uint64_t offset, void *target,
                                      uint64_t bytes) {
  return swallow(right->copy_out(queue, buffer, offset, target, bytes));
}
static CressetStatus *silent_synchronize(CressetQueue *queue) { return swallow(right->synchronize(queue)); }
void table_index_error_swallowed(CressetBackend *table, const CressetBackend *of) {
  right = of, table->copy_out = silent_copy_out, table->synchronize = silent_synchronize;
}

static CressetStatus stuck = {sizeof stuck, CRESSET_ERROR_INDEX, "an index was out of range", NULL, 0, NULL};
static bool is_stuck;
static CressetStatus *stick(CressetStatus *status) {
  if (!status && is_stuck) return &stuck;
  if (status && status->code == CRESSET_ERROR_INDEX) is_stuck = true, stuck.op = status->op, stuck.site = status->site;
  return status;
}
static CressetStatus *stuck_copy_out(CressetQueue *queue, CressetBuffer *buffer, uint64_t offset, void *target,
                                     uint64_t bytes) {
  return stick(right->copy_out(queue, buffer, offset, target, bytes));
}
static CressetStatus *stuck_synchronize(CressetQueue *queue) { return stick(right->synchronize(queue)); }
void table_index_error_sticks(CressetBackend *table, const CressetBackend *of) {
  right = of, table->copy_out = stuck_copy_out, table->synchronize = stuck_synchronize;
}

static CressetStatus *unname(CressetStatus *status) {
  if (status) status->op = NULL, status->site = 0;
  return status;
}
static CressetStatus *unnamed_copy_out(CressetQueue *queue, CressetBuffer *buffer, uint64_t offset, void *target,
                                       uint64_t bytes) {
  return unname(right->copy_out(queue, buffer, offset, target, bytes));
}
static CressetStatus *unnamed_synchronize(CressetQueue *queue) { return unname(right->synchronize(queue)); }
void table_index_error_unnamed(CressetBackend *table, const CressetBackend *of) {
  right = of, table->copy_out = unnamed_copy_out, table->synchronize = unnamed_synchronize;
}
