/* layouts.c: mutants that mistake where elements are, how many there are, or what memory is theirs. */
#include "mutants.h"

#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------- helpers -- */
/* Changes a tensor, and takes that back where it would leave the buffer: the bugs are wrong results, not crashes. */
typedef void (*Change)(Launch *l, CressetTensor *t);
static void try_change(Launch *l, CressetTensor *t, Change change) {
  int64_t strides[CRESSET_MAX_RANK];
  uint64_t offset = t->dl.byte_offset;
  memcpy(strides, strides_of(l, t), sizeof strides);
  change(l, t);
  if (fits(t)) return;
  memcpy(strides_of(l, t), strides, sizeof strides);
  t->dl.byte_offset = offset;
}
static CressetStatus *with_inputs(Launch *l, Change change) {
  for (uint32_t t = 0; t < l->call.input_count; t++) try_change(l, input(l, t), change);
  return run_right(l);
}
static CressetStatus *with_outputs(Launch *l, Change change) {
  for (uint32_t t = 0; t < l->call.output_count; t++) try_change(l, output(l, t), change);
  return run_right(l);
}
static void no_offset(Launch *l, CressetTensor *t) {
  (void)l;
  t->dl.byte_offset = 0;
}
static bool has_zero_stride(const CressetTensor *t) {
  for (int d = 0; d < t->dl.ndim; d++)
    if (t->dl.strides[d] == 0 && t->dl.shape[d] > 1) return true;
  return false;
}
static void row_major(Launch *l, CressetTensor *t) {
  if (has_zero_stride(t)) return;
  int64_t step = 1;
  for (int d = t->dl.ndim - 1; d >= 0; d--) strides_of(l, t)[d] = step, step *= t->dl.shape[d];
}

/* -------------------------------------------------------------- layouts -- */
CressetStatus *launch_offset_ignored(Launch *l) { return with_inputs(l, no_offset); }
CressetStatus *launch_output_offset_ignored(Launch *l) { return with_outputs(l, no_offset); }

static void zero_as_one(Launch *l, CressetTensor *t) {
  for (int d = 0; d < t->dl.ndim; d++)
    if (t->dl.strides[d] == 0) strides_of(l, t)[d] = 1;
}
CressetStatus *launch_stride0_as_1(Launch *l) {
  return l->call.family == CRESSET_FAMILY_POINTWISE ? with_inputs(l, zero_as_one) : run_right(l);
}
CressetStatus *launch_strides_ignored(Launch *l) {
  return l->call.family == CRESSET_FAMILY_POINTWISE ? with_inputs(l, row_major) : run_right(l);
}
CressetStatus *launch_output_strides_ignored(Launch *l) {
  return l->call.family == CRESSET_FAMILY_POINTWISE ? with_outputs(l, row_major) : run_right(l);
}
static void inner_one(Launch *l, CressetTensor *t) {
  if (t->dl.ndim > 0 && strides_of(l, t)[t->dl.ndim - 1] > 1) strides_of(l, t)[t->dl.ndim - 1] = 1;
}
CressetStatus *launch_inner_step_ignored(Launch *l) {
  return l->call.family == CRESSET_FAMILY_REDUCE ? with_inputs(l, inner_one) : run_right(l);
}
static void rank_four(Launch *l, CressetTensor *t) {
  for (int d = 0; d < t->dl.ndim - 4; d++) strides_of(l, t)[d] = 0;
}
CressetStatus *launch_rank_above_4(Launch *l) {
  return l->call.family == CRESSET_FAMILY_POINTWISE ? with_inputs(l, rank_four) : run_right(l);
}

/* The elements below `limit`, by as much of the outermost dim as has them. */
static void clip(Launch *l, int64_t limit) {
  CressetTensor *space = output(l, 0);
  if (space->dl.ndim == 0 || count_of(space) <= limit) return;
  int64_t rest = count_of(space) / space->dl.shape[0];
  set_size(l, 0, limit / rest > 0 ? limit / rest : 1);
}
CressetStatus *launch_beyond_65535(Launch *l) {
  if (l->call.family == CRESSET_FAMILY_POINTWISE) clip(l, 65535);
  return run_right(l);
}
CressetStatus *launch_reduce_beyond_65535(Launch *l) {
  CressetTensor *space = input(l, 0);
  if (l->call.family == CRESSET_FAMILY_REDUCE && space->dl.ndim == 1 && space->dl.shape[0] > 65535)
    set_size(l, 0, 65535);
  return run_right(l);
}
CressetStatus *launch_last_tile_short(Launch *l) {
  int last = output(l, 0)->dl.ndim - 1;
  if (l->call.family == CRESSET_FAMILY_POINTWISE && last >= 0 && output(l, 0)->dl.shape[last] > 8)
    set_size(l, last, output(l, 0)->dl.shape[last] / 8 * 8);
  return run_right(l);
}
CressetStatus *launch_aliased_inputs(Launch *l) {
  for (uint32_t t = 1; l->call.family == CRESSET_FAMILY_POINTWISE && t < l->call.input_count; t++) {
    CressetTensor *a = input(l, 0), *b = input(l, t);
    if (a->buffer != b->buffer || a->dtype != b->dtype) continue;
    b->dl.byte_offset = a->dl.byte_offset;
    memcpy(strides_of(l, b), strides_of(l, a), sizeof l->strides[0]);
  }
  return run_right(l);
}
static void clear(char *at, int64_t n, void *with) {
  (void)n;
  memset(at, 0, *(uint32_t *)with);
}
CressetStatus *launch_in_place_cleared(Launch *l) {
  for (uint32_t t = 0; l->call.family == CRESSET_FAMILY_POINTWISE && t < l->call.output_count; t++) {
    uint32_t size = size_of(output(l, t));
    visit(output(l, t), clear, &size);
  }
  return run_right(l);
}

/* --------------------------------------------------------------- memory -- */
CressetStatus *launch_reads_past_end(Launch *l) {
  if (l->call.family != CRESSET_FAMILY_REDUCE || !l->call.input_count) return run_right(l);
  int last = input(l, 0)->dl.ndim - 1;
  if (last < 0 || !(l->reduce.reduced_dims >> last & 1)) return run_right(l);
  int64_t size = input(l, 0)->dl.shape[last];
  set_size(l, last, size + 1);
  for (uint32_t t = 0; t < l->call.input_count; t++)
    if (!fits(input(l, t))) set_size(l, last, size);
  return run_right(l);
}

typedef struct Ends { char *low, *high; } Ends;
static void widen(char *at, int64_t n, void *with) {
  Ends *ends = with;
  if (n == 0 || at < ends->low) ends->low = at;
  if (n == 0 || at > ends->high) ends->high = at;
}
CressetStatus *launch_writes_past_end(Launch *l) {
  CressetTensor *t = output(l, 0);
  Ends ends = {0};
  visit(t, widen, &ends);
  CressetStatus *status = run_right(l);
  char *past = ends.high ? ends.high + size_of(t) : NULL;
  if (past && past + size_of(t) <= (char *)t->dl.data + t->buffer_bytes) memset(past, 0x2A, size_of(t));
  return status;
}
CressetStatus *launch_writes_before_start(Launch *l) {
  CressetTensor *t = output(l, 0);
  CressetStatus *status = run_right(l);
  if (start_of(t) && t->dl.byte_offset > 0) start_of(t)[-1] ^= 0x2A;
  return status;
}
CressetStatus *launch_input_modified(Launch *l) {
  bool reads = l->call.family == CRESSET_FAMILY_REDUCE && l->call.input_count && count_of(input(l, 0)) > 0;
  CressetStatus *status = run_right(l);
  if (reads && start_of(input(l, 0))) *start_of(input(l, 0)) ^= 1;
  return status;
}
CressetStatus *launch_nothing_for_one(Launch *l) {
  return l->call.family == CRESSET_FAMILY_POINTWISE && count_of(output(l, 0)) == 1 ? NULL : run_right(l);
}
static void two(char *at, int64_t n, void *with) {
  (void)n, (void)with;
  if (*at == 1) *at = 2;
}
CressetStatus *launch_bool_as_two(Launch *l) {
  CressetStatus *status = run_right(l);
  for (uint32_t t = 0; t < l->call.output_count; t++)
    if (output(l, t)->dtype == CRESSET_BOOL && l->call.family == CRESSET_FAMILY_POINTWISE)
      visit(output(l, t), two, NULL);
  return status;
}

/* ---------------------------------------------------------------- state -- */
/* What the first launch of a kind left behind, kept for good. */
typedef struct Kept {
  struct Kept *next;
  const CressetProgram *program;
  Launch launch;
} Kept;

typedef bool (*Same)(const Launch *a, const Launch *b);
static Launch *first_alike(Launch *l, Same same) {
  static Kept *kept[256];
  if (!l->call.program) return NULL;
  uint32_t bucket = (l->call.program->instruction_count * 31 + (uint32_t)output(l, 0)->dl.ndim) % 256;
  for (Kept *k = kept[bucket]; k; k = k->next)
    if (k->launch.call.input_count == l->call.input_count && k->launch.call.output_count == l->call.output_count &&
        k->launch.call.family == l->call.family && same(&k->launch, l))
      return &k->launch;
  Kept *added = malloc(sizeof *added);
  if (!added) abort();
  added->next = kept[bucket], added->program = l->call.program, added->launch = *l;
  kept[bucket] = added;
  return NULL;
}
static bool same_program_and_shape(const Launch *a, const Launch *b) {
  const CressetTensor *x = &a->tensors[a->call.input_count], *y = &b->tensors[b->call.input_count];
  return a->call.program == b->call.program && x->dl.ndim == y->dl.ndim &&
         memcmp(a->shapes[a->call.input_count], b->shapes[b->call.input_count],
                (size_t)x->dl.ndim * sizeof(int64_t)) == 0;
}
CressetStatus *launch_stale_layout(Launch *l) {
  if (l->call.family != CRESSET_FAMILY_POINTWISE) return run_right(l);
  Launch *first = first_alike(l, same_program_and_shape);
  for (uint32_t t = 0; first && t < l->call.input_count; t++) {
    int64_t own[CRESSET_MAX_RANK];
    memcpy(own, l->strides[t], sizeof own);
    memcpy(l->strides[t], first->strides[t], sizeof own);
    if (!fits(input(l, t))) memcpy(l->strides[t], own, sizeof own);
  }
  return run_right(l);
}
static bool same_but_literals(const Launch *a, const Launch *b) {
  const CressetProgram *p = a->call.program, *q = b->call.program;
  if (p->instruction_count != q->instruction_count) return false;
  for (uint32_t k = 0; k < p->instruction_count; k++) {
    CressetInstruction i = p->instructions[k], j = q->instructions[k];
    if (i.opcode == CRESSET_OP_CONST) i.imm = j.imm;
    if (i.opcode != j.opcode || i.type != j.type || i.aux != j.aux || i.a != j.a || i.b != j.b || i.c != j.c ||
        i.imm.i != j.imm.i)
      return false;
  }
  return true;
}
CressetStatus *launch_stale_constant(Launch *l) {
  if (l->call.family != CRESSET_FAMILY_POINTWISE) return run_right(l);
  Launch *first = first_alike(l, same_but_literals);
  if (first) l->call.program = first->call.program;
  return run_right(l);
}
static bool same_prologue(const Launch *a, const Launch *b) {
  return a->call.program == b->call.program && a->call.epilogue == b->call.epilogue &&
         a->reduce.accumulator_count == b->reduce.accumulator_count;
}
CressetStatus *launch_stale_reduction(Launch *l) {
  if (l->call.family != CRESSET_FAMILY_REDUCE) return run_right(l);
  Launch *first = first_alike(l, same_prologue);
  if (first) memcpy(l->reduce.kinds, first->reduce.kinds, sizeof l->reduce.kinds);
  return run_right(l);
}
CressetStatus *launch_params_of_previous(Launch *l) {
  static const CressetProgram *program;
  static CressetScalar params[64];
  CressetScalar own[64];
  memcpy(own, l->params, sizeof own);
  if (program == l->call.program) memcpy(l->params, params, l->call.param_count * sizeof *params);
  program = l->call.program;
  memcpy(params, own, sizeof own);
  return run_right(l);
}
CressetStatus *launch_after_another(Launch *l) {
  static bool left_on;
  bool skips = left_on && l->call.family == CRESSET_FAMILY_POINTWISE && output(l, 0)->dl.ndim == 1 &&
               output(l, 0)->dl.shape[0] > 1;
  left_on = l->call.family == CRESSET_FAMILY_MATMUL;
  if (skips) {
    set_size(l, 0, output(l, 0)->dl.shape[0] - 1);
    for (uint32_t t = 0; t < l->call.input_count + l->call.output_count; t++)
      l->tensors[t].dl.byte_offset += (uint64_t)(l->strides[t][0] * (int64_t)size_of(&l->tensors[t]));
  }
  return run_right(l);
}
