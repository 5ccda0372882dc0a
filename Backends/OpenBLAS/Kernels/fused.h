/* fused.h: what the files of fused operations (overrides) share. */
#ifndef CPU_FUSED_H
#define CPU_FUSED_H

#include "rows.h"

/* A thread's way through a range of rows, some at a time. */
typedef struct CpuRowPass {
  CpuRows *rows;
  CpuWalk walk;
  char *scratch;
  int64_t row, count, end; /* the rows at hand: [row, row + count) */
} CpuRowPass;

/* False if there is no scratch memory, which the rows remember. */
static inline bool cpu_pass_begin(CpuRowPass *pass, CpuRows *rows, int64_t begin, int64_t end, size_t scratch) {
  pass->rows = rows;
  pass->scratch = cpu_scratch(CPU_SCRATCH_BODY, scratch);
  pass->row = begin;
  pass->count = 0;
  pass->end = end;
  if (!pass->scratch) {
    rows->failed = 1;
    return false;
  }
  cpu_walk_begin(&pass->walk, &rows->space, 0, rows->kept, begin);
  return true;
}

static inline bool cpu_pass_next(CpuRowPass *pass) {
  pass->row += pass->count;
  for (int64_t j = 0; j < pass->count; j++) cpu_walk_next(&pass->walk, &pass->rows->space);
  if (pass->row >= pass->end) return false;
  pass->count = cpu_rows_batch(pass->rows, pass->row, pass->end);
  return true;
}

static inline CressetStatus *cpu_rows_status(const CpuRows *rows) {
  return rows->failed ? cpu_out_of_memory(cpu_rows_bytes(rows)) : NULL;
}

static inline CressetStatus *cpu_malformed(const CressetCall *call) {
  return cpu_fail(CRESSET_ERROR_INVALID, "%s: malformed arguments", call->op ? call->op : "a call");
}

/* Element i of an array of F32 or F64. */
static inline double cpu_number(uint32_t type, const char *array, int64_t i) {
  double wide;
  float narrow;
  if (type == CRESSET_TYPE_F64) memcpy(&wide, array + i * 8, 8);
  else {
    memcpy(&narrow, array + i * 4, 4);
    wide = narrow;
  }
  return wide;
}

/* What a tensor of F32 or F64 would hold of it. */
static inline double cpu_rounded(uint32_t type, double x) { return type == CRESSET_TYPE_F32 ? (double)(float)x : x; }

/* Whose gradients are wanted, of x, weight and bias, as the last argument of a backward call says:
 * their outputs, or NULL. False if the call is malformed. */
bool cpu_wanted(const CressetCall *call, bool has_weight, bool has_bias, const CressetTensor *output[3]);

/* The largest of a row (NaN passed over) and Σ exp(a - largest), which is NaN if that is infinite. */
void cpu_exp_statistics(uint32_t type, int64_t n, const char *a, double *largest, double *sum);

#endif
