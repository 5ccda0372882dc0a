/* loops.h: the table of inner loops, one per instruction set. */
#ifndef CPU_LOOPS_H
#define CPU_LOOPS_H

#include "cresset_backend.h"
#include <stdbool.h>
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

/* The kernels of convolutions, see loops_conv.h: a tile of rows x columns numbers (at most CPU_CONV_MOST), each times
 * a few vectors; a line of windows; the transpose of a matrix of elements. */
typedef void (*CpuConvTile)(int64_t depth, const int32_t *offset, const void *x, int64_t row, const void *w, void *out,
                            int64_t out_row, int64_t out_column, bool add);
typedef void (*CpuConvLine)(int64_t n, int64_t depth, const int32_t *offset, const void *x, const void *w, void *out);
typedef void (*CpuTranspose)(int64_t rows, int64_t columns, const void *from, int64_t from_row, void *to,
                             int64_t to_row);
enum { CPU_CONV_MOST = 14, CPU_CONV_SLACK = 64 };
/* Of windows and of what is resized, see loops_window.h: maxima and their places; every second element; a weighted
 * sum of two elements for each of the result, and of two lines. */
typedef void (*CpuWindowMax)(int64_t n, int64_t taps, const int32_t *offset, const int64_t *place, int64_t step,
                             const void *x, const void *first, void *best, void *at);
typedef void (*CpuHalve)(int64_t n, void *r, const void *a);
typedef void (*CpuBlend)(int64_t n, void *r, const void *a, const int32_t *at, const void *w);
typedef void (*CpuMix)(int64_t n, void *r, const void *a, const void *b, const void *w);

typedef struct CpuConvLoops {
  CpuConvTile tile[2][CPU_CONV_MOST + 1][CPU_CONV_MOST + 1]; /* by vectors less one, rows, columns; NULL: not made */
  CpuConvLine line;
  CpuTranspose transpose;
  int32_t lanes, most; /* of a vector; numbers in the largest tile */
  CpuWindowMax max;
  CpuHalve halve;
  CpuBlend blend;
  CpuMix mix;
} CpuConvLoops;

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
  CpuConvLoops conv[2]; /* f32, f64 */
} CpuLoops;

extern const CpuLoops cpu_loops_scalar;
#if defined(__x86_64__)
extern const CpuLoops cpu_loops_avx2, cpu_loops_avx512;
#endif

/* The one in use; set by cpu_start, before any launch. */
extern const CpuLoops *cpu_loops;

#endif
