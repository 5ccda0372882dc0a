/* loops.h: the table of inner loops, one per instruction set. */
#ifndef CPU_LOOPS_H
#define CPU_LOOPS_H

#include "cresset_backend.h"
#include "row_loops.h"
#include <stdint.h>

/* r[i] = op(a[i], b[i], c[i]) over contiguous blocks. `r` may be an operand. */
typedef void (*CpuOp)(int64_t n, void *r, const void *a, const void *b, const void *c);

/* Reads (writes) rows x columns elements with strides in bytes into (from) a dense block,
 * widening (narrowing) on the way. */
typedef void (*CpuLoad)(int64_t rows, int64_t columns, void *r, const char *p, int64_t row, int64_t column);
typedef void (*CpuStore)(int64_t rows, int64_t columns, char *p, int64_t row, int64_t column, const void *a);

/* Folds each of `rows` rows of n elements into r[row]. */
typedef void (*CpuFold)(int64_t rows, int64_t n, void *r, const void *a);
/* The position of the first element equal to *value, which is there. */
typedef int64_t (*CpuFind)(int64_t n, const void *a, const void *value);
/* best, where = the better of it and (a, b), elementwise; b is one position for all
 * if b_step is 0. The new wins only if strictly better. */
typedef void (*CpuBetter)(int64_t n, void *best, int64_t *where, const void *a, const int64_t *b, int64_t b_step);

/* Applies n values to targets at p + offset[i] bytes (a negative offset is skipped), in order. */
typedef void (*CpuScatter)(int64_t n, char *p, const int64_t *offset, const char *a, int64_t a_stride);
/* Applies a run of n values to n distinct targets. */
typedef void (*CpuScatterRun)(int64_t n, char *p, int64_t p_stride, const char *a, int64_t a_stride);

/* c[rows][columns] += a b over `depth`, where a and b are packed: a by tiles of
 * `gemm_rows` rows, b by tiles of `gemm_columns` columns. c has full tiles. */
typedef void (*CpuGemm)(int64_t row_tiles, int64_t column_tiles, int64_t depth, const void *a, const void *b, void *c,
                        int64_t ldc);

typedef struct CpuLoops {
  const char *name;
  /* By opcode and type (of the operands for comparisons, of the result for the rest):
   * all operands blocks; the second a scalar; the first a scalar. NULL: there is none. */
  CpuOp op[CRESSET_OP_COUNT][CRESSET_TYPE_COUNT];
  CpuOp op_vs[CRESSET_OP_COUNT][CRESSET_TYPE_COUNT];
  CpuOp op_sv[CRESSET_OP_COUNT][CRESSET_TYPE_COUNT];
  CpuOp cast[CRESSET_TYPE_COUNT][CRESSET_TYPE_COUNT]; /* from, to */
  CpuOp narrow[CRESSET_FLOAT64 + 1];
  CpuOp call[CRESSET_FUNCTION_COUNT][2]; /* f32, f64 */
  CpuOp philox[4];
  CpuLoad load[CRESSET_FLOAT64 + 1];
  CpuStore store[CRESSET_FLOAT64 + 1];
  CpuLoad copy[9]; /* by element size: no conversion */
  CpuFold fold[CRESSET_REDUCE_ALL + 1][CRESSET_TYPE_COUNT];
  CpuFind find[CRESSET_TYPE_COUNT];
  CpuBetter better[2][CRESSET_TYPE_COUNT]; /* greater, less */
  CpuScatter scatter[CRESSET_SCATTER_COUNT][CRESSET_FLOAT64 + 1];
  CpuScatterRun scatter_run[CRESSET_SCATTER_COUNT][CRESSET_FLOAT64 + 1];
  CpuGemm gemm[CRESSET_TYPE_COUNT];
  int64_t gemm_rows[CRESSET_TYPE_COUNT], gemm_columns[CRESSET_TYPE_COUNT];
  CpuRowLoops row[CRESSET_TYPE_COUNT]; /* F32 and F64 */
  CpuKeys keys[CRESSET_FLOAT64 + 1];
} CpuLoops;

extern const CpuLoops cpu_loops_scalar;
#if defined(__x86_64__)
extern const CpuLoops cpu_loops_avx2, cpu_loops_avx512;
#endif

/* The one in use; set by cpu_start, before any launch. */
extern const CpuLoops *cpu_loops;

#endif
