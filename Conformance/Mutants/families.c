/* families.c: mutants of reductions, matrix products, gather and scatter. */
#include "mutants.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define IS(name) (l->call.family == CRESSET_FAMILY_##name)

/* ----------------------------------------------------------- reductions -- */
/* Before each STORE to an accumulator of these kinds, `change` is applied to the operand. */
static uint32_t emit(Edit *e, uint16_t opcode, uint32_t type, uint32_t a, uint32_t b, uint32_t c, CressetScalar imm) {
  if (e->count < MAX_INSTRUCTIONS)
    e->made[e->count++] = (CressetInstruction){.opcode = opcode, .type = (uint8_t)type, .a = a, .b = b, .c = c,
                                               .imm = imm};
  return e->count - 1;
}
static uint32_t keep(Edit *e, CressetInstruction i) {
  if (e->count < MAX_INSTRUCTIONS) e->made[e->count++] = i;
  return e->count - 1;
}
static CressetScalar real(uint32_t type, double x) {
  return type == CRESSET_TYPE_F32 ? (CressetScalar){.f = (float)x} : (CressetScalar){.d = x};
}
static uint32_t kind_fed(const Edit *e, CressetInstruction i) {
  bool feeds = i.opcode == CRESSET_OP_STORE && !e->is_epilogue && i.type >= CRESSET_TYPE_F32;
  return feeds ? e->launch->reduce.kinds[i.b] : CRESSET_REDUCE_COUNT;
}
static uint32_t nan_replaced(Edit *e, CressetInstruction i, bool is_max) {
  const CressetScalar none = {0};
  uint32_t least = emit(e, CRESSET_OP_CONST, i.type, 0, 0, 0, real(i.type, is_max ? -INFINITY : INFINITY));
  uint32_t number = emit(e, CRESSET_OP_EQ, CRESSET_TYPE_BOOL, i.a, i.a, 0, none);
  return emit(e, CRESSET_OP_SELECT, i.type, number, i.a, least, none);
}
static uint32_t drop_nan(Edit *e, CressetInstruction i) {
  uint32_t kind = kind_fed(e, i);
  if (kind == CRESSET_REDUCE_MAX || kind == CRESSET_REDUCE_MIN) i.a = nan_replaced(e, i, kind == CRESSET_REDUCE_MAX);
  return keep(e, i);
}
static uint32_t skip_nan(Edit *e, CressetInstruction i) {
  uint32_t kind = kind_fed(e, i);
  if (kind == CRESSET_REDUCE_ARGMAX || kind == CRESSET_REDUCE_ARGMIN)
    i.a = nan_replaced(e, i, kind == CRESSET_REDUCE_ARGMAX);
  return keep(e, i);
}
static uint32_t from_finite(Edit *e, CressetInstruction i) {
  const CressetScalar none = {0};
  if (kind_fed(e, i) == CRESSET_REDUCE_MAX) {
    double least = i.type == CRESSET_TYPE_F32 ? -FLT_MAX : -DBL_MAX;
    i.a = emit(e, CRESSET_OP_MAX, i.type, i.a, emit(e, CRESSET_OP_CONST, i.type, 0, 0, 0, real(i.type, least)), 0,
               none);
  }
  return keep(e, i);
}
static uint32_t half(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  if (e->is_epilogue && i.opcode == CRESSET_OP_LOAD && i.type == CRESSET_TYPE_F32) {
    value = keep(e, (CressetInstruction){
      .opcode = CRESSET_OP_NARROW, .type = CRESSET_TYPE_F32, .aux = CRESSET_BFLOAT16, .a = value});
  }
  return value;
}
static CressetStatus *reduce_rewritten(Launch *l, ProgramMutant mutant) {
  return IS(REDUCE) ? run_rewritten(l, mutant) : run_right(l);
}
CressetStatus *launch_reduce_max_drops_nan(Launch *l) { return reduce_rewritten(l, drop_nan); }
CressetStatus *launch_argmax_skips_nan(Launch *l) { return reduce_rewritten(l, skip_nan); }
CressetStatus *launch_max_identity_finite(Launch *l) { return reduce_rewritten(l, from_finite); }
CressetStatus *launch_sum_in_half(Launch *l) {
  bool narrow = IS(REDUCE) && l->call.input_count && l->reduce.kinds[0] == CRESSET_REDUCE_SUM &&
                (input(l, 0)->dtype == CRESSET_FLOAT16 || input(l, 0)->dtype == CRESSET_BFLOAT16);
  return narrow ? run_rewritten(l, half) : run_right(l);
}

CressetStatus *launch_reduce_first_dim_only(Launch *l) {
  uint32_t dims = l->reduce.reduced_dims;
  if (IS(REDUCE) && (dims & (dims - 1))) l->reduce.reduced_dims = dims & (dims - 1);
  return run_right(l);
}
CressetStatus *launch_empty_reduce_skipped(Launch *l) {
  return IS(REDUCE) && l->call.input_count && count_of(input(l, 0)) == 0 ? NULL : run_right(l);
}

static void mirror(char *at, int64_t n, void *with) {
  int64_t found;
  (void)n;
  memcpy(&found, at, sizeof found);
  found = *(int64_t *)with - 1 - found;
  memcpy(at, &found, sizeof found);
}
/* The reduced elements in the opposite order, and what was found counted from the other end. */
CressetStatus *launch_argmax_last_tie(Launch *l) {
  bool finds = false;
  for (uint32_t k = 0; IS(REDUCE) && k < l->reduce.accumulator_count; k++)
    finds |= l->reduce.kinds[k] >= CRESSET_REDUCE_ARGMAX;
  if (!finds) return run_right(l);
  int64_t inner = 1;
  for (int d = 0; d < input(l, 0)->dl.ndim; d++) {
    if (!(l->reduce.reduced_dims >> d & 1)) continue;
    int64_t size = input(l, 0)->dl.shape[d];
    inner *= size;
    for (uint32_t t = 0; t < l->call.input_count; t++) {
      input(l, t)->dl.byte_offset += (uint64_t)((size - 1) * l->strides[t][d] * (int64_t)size_of(input(l, t)));
      l->strides[t][d] = -l->strides[t][d];
    }
  }
  CressetStatus *status = run_right(l);
  for (uint32_t k = 0; k < l->call.output_count; k++) {
    CressetTensor once = *output(l, k);
    int64_t shape[CRESSET_MAX_RANK]; /* each output once */
    for (int d = 0; d < once.dl.ndim; d++) shape[d] = l->reduce.reduced_dims >> d & 1 ? 1 : once.dl.shape[d];
    once.dl.shape = shape;
    if (once.dtype == CRESSET_INT64 && l->reduce.kinds[k] >= CRESSET_REDUCE_ARGMAX) visit(&once, mirror, &inner);
  }
  return status;
}
CressetStatus *launch_second_output_missing(Launch *l) {
  if (l->call.output_count < 2 || !output(l, 1)->dl.data) return run_right(l);
  CressetTensor *t = output(l, 1);
  char *before = malloc(t->buffer_bytes);
  if (!before) abort();
  memcpy(before, t->dl.data, t->buffer_bytes);
  CressetStatus *status = run_right(l);
  memcpy(t->dl.data, before, t->buffer_bytes);
  free(before);
  return status;
}
static uint32_t no_params(Edit *e, CressetInstruction i) {
  if (!e->is_epilogue || i.opcode != CRESSET_OP_PARAM) return keep(e, i);
  return emit(e, CRESSET_OP_CONST, i.type, 0, 0, 0, real(i.type, 1));
}
CressetStatus *launch_reduce_epilogue_param(Launch *l) { return reduce_rewritten(l, no_params); }
CressetStatus *launch_sum_not_repeatable(Launch *l) {
  static bool odd;
  CressetStatus *status = run_right(l);
  CressetTensor *t = output(l, 0);
  bool sums = IS(REDUCE) && l->reduce.kinds[0] == CRESSET_REDUCE_SUM && t->dtype == CRESSET_FLOAT32 &&
              l->call.input_count && count_of(input(l, 0)) > 4;
  if (sums && start_of(t) && (odd = !odd)) *start_of(t) ^= 1;
  return status;
}

/* ------------------------------------------------------------- products -- */
typedef double (*Term)(double sum, double a, double b);
static double in_half(double sum, double a, double b) {
  return (double)(_Float16)((_Float16)sum + (_Float16)((_Float16)a * (_Float16)b));
}
static double in_float(double sum, double a, double b) { return (float)sum + (float)a * (float)b; }

static double load(uint32_t dtype, const char *at) {
  _Float16 half_value;
  int64_t whole;
  int32_t word;
  switch (dtype) {
    case CRESSET_FLOAT16: memcpy(&half_value, at, sizeof half_value); return (double)half_value;
    case CRESSET_INT32: memcpy(&word, at, sizeof word); return word;
    default: memcpy(&whole, at, sizeof whole); return (double)whole;
  }
}
static void store(uint32_t dtype, char *at, double x) {
  _Float16 half_value = (_Float16)x;
  int64_t whole = fabs(x) < 0x1p63 ? (int64_t)x : INT64_MIN;
  int32_t word = (int32_t)(uint32_t)whole;
  switch (dtype) {
    case CRESSET_FLOAT16: memcpy(at, &half_value, sizeof half_value); return;
    case CRESSET_INT32: memcpy(at, &word, sizeof word); return;
    default: memcpy(at, &whole, sizeof whole);
  }
}

typedef struct Product { Launch *l; Term term; } Product;
static void dot(char *at, int64_t n, void *with) {
  Launch *l = ((Product *)with)->l;
  CressetTensor *a = input(l, 0), *b = input(l, 1), *c = output(l, 0);
  int last = c->dl.ndim - 1;
  char *x = start_of(a), *y = start_of(b);
  for (int d = last; d >= 0; d--) {
    int64_t place = n % c->dl.shape[d];
    n /= c->dl.shape[d];
    if (d != last) x += place * a->dl.strides[d] * (int64_t)size_of(a);
    if (d != last - 1) y += place * b->dl.strides[d] * (int64_t)size_of(b);
  }
  double sum = 0;
  for (int64_t k = 0; k < a->dl.shape[last]; k++) {
    sum = ((Product *)with)->term(sum, load(a->dtype, x), load(b->dtype, y));
    x += a->dl.strides[last] * (int64_t)size_of(a), y += b->dl.strides[last - 1] * (int64_t)size_of(b);
  }
  store(c->dtype, at, sum);
}
static CressetStatus *multiply(Launch *l, Term term) {
  visit(output(l, 0), dot, &(Product){l, term});
  return NULL;
}
CressetStatus *launch_matmul_half_accumulator(Launch *l) {
  bool narrow = IS(MATMUL) && output(l, 0)->dtype == CRESSET_FLOAT16 && !l->call.program;
  return narrow ? multiply(l, in_half) : run_right(l);
}
CressetStatus *launch_matmul_int_as_float(Launch *l) {
  uint32_t dtype = output(l, 0)->dtype;
  bool whole = IS(MATMUL) && (dtype == CRESSET_INT32 || dtype == CRESSET_INT64) && !l->call.program;
  return whole ? multiply(l, in_float) : run_right(l);
}
CressetStatus *launch_matmul_k0_skipped(Launch *l) {
  return IS(MATMUL) && input(l, 0)->dl.shape[input(l, 0)->dl.ndim - 1] == 0 ? NULL : run_right(l);
}
CressetStatus *launch_matmul_batch_ignored(Launch *l) {
  for (uint32_t t = 0; IS(MATMUL) && t < 2; t++)
    for (int d = 0; d < input(l, t)->dl.ndim - 2; d++) l->strides[t][d] = 0;
  return run_right(l);
}
CressetStatus *launch_matmul_transposed_ignored(Launch *l) {
  CressetTensor *b = input(l, 1);
  int last = b->dl.ndim - 1;
  if (IS(MATMUL) && b->dl.strides[last] != 1 && b->dl.strides[last - 1] == 1)
    l->strides[1][last] = 1, l->strides[1][last - 1] = b->dl.shape[last];
  return run_right(l);
}
CressetStatus *launch_matmul_edge_rows(Launch *l) {
  int row = output(l, 0)->dl.ndim - 2;
  if (!IS(MATMUL) || output(l, 0)->dl.shape[row] <= 4) return run_right(l);
  int64_t rows = output(l, 0)->dl.shape[row] / 4 * 4;
  for (uint32_t t = 0; t < l->call.input_count + l->call.output_count; t++)
    if (t != 1) l->shapes[t][row] = rows;
  return run_right(l);
}
CressetStatus *launch_matmul_epilogue_skipped(Launch *l) {
  if (IS(MATMUL)) l->call.program = NULL, l->call.input_count = 2, l->tensors[2] = *output(l, 0);
  return run_right(l);
}

/* -------------------------------------------------------------- indices -- */
CressetStatus *launch_gather_wrong_dim(Launch *l) {
  if (IS(GATHER)) l->index.index_strides[0] = 1;
  return run_right(l);
}
CressetStatus *launch_index_bound_off_by_one(Launch *l) {
  if (IS(GATHER)) l->index.index_sizes[0] += 1;
  return run_right(l);
}
CressetStatus *launch_int32_index_as_int64(Launch *l) {
  for (uint32_t t = 1; (IS(GATHER) || IS(SCATTER)) && t <= l->index.index_count; t++) {
    if (input(l, t)->dtype != CRESSET_INT32) continue;
    int64_t own[CRESSET_MAX_RANK];
    memcpy(own, l->strides[t], sizeof own);
    for (int d = 0; d < input(l, t)->dl.ndim; d++) l->strides[t][d] *= 2;
    if (!fits(input(l, t))) memcpy(l->strides[t], own, sizeof own);
  }
  return run_right(l);
}

/* Each element of the iteration space as a launch of its own, in order, with this in between. */
static int64_t index_at(const CressetTensor *t) {
  int64_t wide;
  int32_t word;
  if (t->dtype == CRESSET_INT64) return memcpy(&wide, start_of(t), sizeof wide), wide;
  return memcpy(&word, start_of(t), sizeof word), word;
}
static CressetStatus *one_by_one(Launch *l, bool (*change)(Launch *one, int64_t n, void *with), void *with) {
  const CressetTensor *space = IS(SCATTER) ? input(l, 0) : output(l, 0);
  int64_t count = count_of(space);
  Launch *one = malloc(sizeof *one);
  if (!one) abort();
  CressetStatus *status = NULL;
  for (int64_t n = 0; n < count && !status; n++) {
    copy_launch(one, &l->call, l->right, l->queue);
    int64_t rest = n;
    for (int d = space->dl.ndim - 1; d >= 0; d--) {
      int64_t place = rest % space->dl.shape[d];
      rest /= space->dl.shape[d];
      for (uint32_t t = 0; t < l->call.input_count + l->call.output_count; t++)
        one->tensors[t].dl.byte_offset += (uint64_t)(place * l->strides[t][d] * (int64_t)size_of(&l->tensors[t]));
    }
    for (uint32_t t = 0; t < l->call.input_count + l->call.output_count; t++) one->tensors[t].dl.ndim = 0;
    if (change(one, n, with)) status = run_right(one);
  }
  free(one);
  return status;
}

static bool negative_to_zero(Launch *one, int64_t n, void *with) {
  (void)n, (void)with;
  for (uint32_t j = 0; j < one->index.index_count; j++) {
    int64_t index = index_at(input(one, 1 + j));
    /* wrap(index) + size - size·1: the address moves back to that of index 0. */
    if (index < 0 && index >= -one->index.index_sizes[j])
      input(one, 0)->dl.byte_offset -=
        (uint64_t)((index + one->index.index_sizes[j]) * one->index.index_strides[j] * (int64_t)size_of(input(one, 0)));
  }
  return true;
}
CressetStatus *launch_negative_index_unwrapped(Launch *l) {
  return IS(GATHER) ? one_by_one(l, negative_to_zero, NULL) : run_right(l);
}
CressetStatus *launch_second_index_ignored(Launch *l) {
  for (uint32_t j = 1; (IS(GATHER) || IS(SCATTER)) && j < l->index.index_count; j++) l->index.index_strides[j] = 0;
  return run_right(l);
}

typedef struct Places { int64_t count, at[4096]; } Places;
static bool first_at_its_place(Launch *one, int64_t n, void *with) {
  Places *seen = with;
  (void)n;
  int64_t place = (int64_t)output(one, 0)->dl.byte_offset;
  for (uint32_t j = 0; j < one->index.index_count; j++) {
    int64_t index = index_at(input(one, 1 + j));
    if (index < 0) index += one->index.index_sizes[j];
    place += index * one->index.index_strides[j] * (int64_t)size_of(output(one, 0));
  }
  for (int64_t k = 0; k < seen->count; k++)
    if (seen->at[k] == place) return false;
  if (seen->count < (int64_t)(sizeof seen->at / sizeof *seen->at)) seen->at[seen->count++] = place;
  return true;
}
static CressetStatus *without_duplicates(Launch *l, uint32_t reduce) {
  if (!IS(SCATTER) || l->index.reduce != reduce) return run_right(l);
  static Places seen;
  seen.count = 0;
  return one_by_one(l, first_at_its_place, &seen);
}
CressetStatus *launch_scatter_loses_duplicates(Launch *l) { return without_duplicates(l, CRESSET_SCATTER_ADD); }
CressetStatus *launch_scatter_first_wins(Launch *l) { return without_duplicates(l, CRESSET_SCATTER_SET); }
CressetStatus *launch_scatter_max_adds(Launch *l) {
  if (IS(SCATTER) && l->index.reduce == CRESSET_SCATTER_MAX) l->index.reduce = CRESSET_SCATTER_ADD;
  return run_right(l);
}
