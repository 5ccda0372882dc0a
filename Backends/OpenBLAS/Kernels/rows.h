/* rows.h: tensors as rows for fused operations. A row is all elements along some dims,
 * in row-major order; rows are counted in row-major order of the other dims. */
#ifndef CPU_ROWS_H
#define CPU_ROWS_H

#include "internal.h"

typedef struct CpuRows {
  CpuSpace space; /* dims: kept ones, then those of a row */
  int kept;
  int64_t rows, n;
  uint32_t type;  /* computed in: F32 or F64 */
  int64_t batch;  /* rows that are read together, where that helps */
  _Atomic int failed; /* set by a body that found no memory */
} CpuRows;

/* Makes rows of a space (all its operands added) along the dims of `mask`; bit d is dim d. */
void cpu_rows_arrange(CpuRows *rows, uint32_t mask);

/* Runs `body` over all rows, `context` being its own. `bytes` is what an element of a row costs. */
void cpu_rows_run(const CpuRows *rows, int64_t bytes, CpuBody body, void *context);

/* What one body needs of scratch memory for a batch of one operand's rows, in bytes. */
size_t cpu_rows_bytes(const CpuRows *rows);

/* The next rows of a range: steps from `row` to at most `end`, within one stretch of the last kept dim. */
int64_t cpu_rows_batch(const CpuRows *rows, int64_t row, int64_t end);

/* `count` rows of an operand from `walk` on: where they lie if they need no conversion, else
 * copies in `scratch`. `*step` is the distance of rows, in bytes. */
const char *cpu_rows_read(const CpuRows *rows, int operand, const CpuWalk *walk, int64_t count, char *scratch,
                          int64_t *step);
/* Where to compute `count` rows of an operand, and what stores them if that was in `scratch`. */
char *cpu_rows_target(const CpuRows *rows, int operand, const CpuWalk *walk, char *scratch, int64_t *step);
void cpu_rows_write(const CpuRows *rows, int operand, const CpuWalk *walk, int64_t count, const char *computed,
                    const char *scratch);

/* A place for one number a row, of any floating dtype. */
static inline void cpu_store_float(uint32_t dtype, char *p, double value) {
  if (dtype == CRESSET_FLOAT64) {
    memcpy(p, &value, 8);
    return;
  }
  float x = (float)value;
  cpu_loops->store[dtype](1, 1, p, 0, cpu_dtype_size[dtype], &x);
}
static inline double cpu_load_float(uint32_t dtype, const char *p) {
  double value;
  float x;
  if (dtype == CRESSET_FLOAT64) memcpy(&value, p, 8);
  else {
    cpu_loops->load[dtype](1, 1, &x, p, 0, cpu_dtype_size[dtype]);
    value = x;
  }
  return value;
}

/* ---------------------------------------------------- arguments of overrides -- */

static inline const CressetArgument *cpu_argument(const CressetCall *call, uint32_t k) {
  return (const CressetArgument *)(const void *)((const char *)call->arguments +
                                                 (size_t)k * call->arguments->struct_size);
}
/* The tensor given as argument k, or NULL. */
static inline const CressetTensor *cpu_tensor_argument(const CressetCall *call, uint32_t k) {
  if (k >= call->argument_count) return NULL;
  const CressetArgument *argument = cpu_argument(call, k);
  return argument->kind == CRESSET_ARGUMENT_TENSOR ? cpu_input(call, (uint32_t)argument->integer) : NULL;
}
static inline int64_t cpu_int_argument(const CressetCall *call, uint32_t k) {
  return k < call->argument_count ? cpu_argument(call, k)->integer : 0;
}
static inline double cpu_double_argument(const CressetCall *call, uint32_t k) {
  if (k >= call->argument_count) return 0;
  const CressetArgument *argument = cpu_argument(call, k);
  return argument->kind == CRESSET_ARGUMENT_DOUBLE ? argument->number : (double)argument->integer;
}
/* A dim counted from the end where negative; 0 for tensors of rank 0. */
static inline int cpu_dim(const CressetTensor *tensor, int64_t dim) {
  return (int)(dim < 0 ? dim + (tensor->dl.ndim ? tensor->dl.ndim : 1) : dim);
}

/* The elements of a tensor in row-major order as F32 or F64, in `memory`, which has room for as many
 * F64; all `filler` if it is NULL. */
void cpu_read_all(const CressetTensor *tensor, uint32_t type, int64_t count, double filler, void *memory);

#endif
