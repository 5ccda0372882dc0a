/* loops.h: the table of inner loops, one per instruction set. */
#ifndef CPU_LOOPS_H
#define CPU_LOOPS_H

#include "cresset_backend.h"
#include "row_loops.h"
#include <stdbool.h>
#include <stdint.h>

/* r[i] = op(a[i], b[i], c[i]) over contiguous blocks. `r` may be an operand. */
typedef void (*CpuOp)(int64_t n, void *r, const void *a, const void *b, const void *c);

/* Reads (writes) rows x columns elements with strides in bytes into (from) a dense block,
 * widening (narrowing) on the way. */
typedef void (*CpuLoad)(int64_t rows, int64_t columns, void *r, const char *p, int64_t row, int64_t column);
typedef void (*CpuStore)(int64_t rows, int64_t columns, char *p, int64_t row, int64_t column, const void *a);

/* Element (j, i) of rows x columns elements r, rows r_row bytes apart, = that of p, whose columns lie p_column bytes apart
 * and whose rows are neighbours. Past the caches if what is written is far more than they hold. */
typedef void (*CpuTurn)(int64_t rows, int64_t columns, char *r, int64_t r_row, const char *p, int64_t p_column,
                        bool past_caches);

/* Folds each of `rows` rows of n elements into r[row]. */
typedef void (*CpuFold)(int64_t rows, int64_t n, void *r, const void *a);
/* r[i] = the fold of element i of `rows` rows that lie `row` bytes apart, one after the other. */
typedef void (*CpuFoldColumns)(int64_t rows, int64_t n, void *r, const char *a, int64_t row);
/* The position of the first element equal to *value, which is there. */
typedef int64_t (*CpuFind)(int64_t n, const void *a, const void *value);
/* best, where = the better of it and (a, b), elementwise; b is one position for all
 * if b_step is 0. The new wins only if strictly better. */
typedef void (*CpuBetter)(int64_t n, void *best, int64_t *where, const void *a, const int64_t *b, int64_t b_step);

/* offset[i] = stride times index[i], a negative index counted from `size`; false if one is outside of the size. */
typedef bool (*CpuOffsets)(int64_t n, int64_t *offset, const int64_t *index, int64_t size, int64_t stride);
/* Applies n values to targets at p + offset[i] bytes (a negative offset is skipped), in order. */
typedef void (*CpuScatter)(int64_t n, char *p, const int64_t *offset, const char *a, int64_t a_stride);
/* Applies a run of n values to n distinct targets. */
typedef void (*CpuScatterRun)(int64_t n, char *p, int64_t p_stride, const char *a, int64_t a_stride);

/* A product of matrices or parts of them, by tiles of gemm_rows x gemm_columns; strides in elements. Element
 * (i, d) of a lies i % gemm_rows * a_row + d * a_deep from strip i / gemm_rows, which lies that times a_strip from
 * `a`; of b, (d, j) at d * b_deep + j % gemm_columns likewise. c is rows x columns, neighbours in a row; it is set,
 * or added to. Packed operands (see CpuPack) and plain matrices are both of this form. */
typedef struct CpuTiles {
  int64_t rows, columns, depth;
  const void *a, *b;
  void *c;
  int64_t a_row, a_deep, a_strip, b_deep, b_strip, c_row;
  bool add;
} CpuTiles;
typedef void (*CpuGemm)(const CpuTiles *tiles);

/* Packs lines (rows of a, columns of b) by strips: r[strip][depth][lines of a strip], zeros where there is no line.
 * Strides in bytes: from line to line, and along the depth. */
typedef void (*CpuPack)(int64_t lines, int64_t strip, int64_t depth, void *r, const char *p, int64_t line,
                        int64_t deep);

/* y[i] = sum over k of a[i][k] x[k], for rows of a that are `row` elements apart. */
typedef void (*CpuGemv)(int64_t rows, int64_t depth, const void *a, int64_t row, const void *x, void *y);
/* y[j] (+)= sum over k of x[k] a[k][j]. */
typedef void (*CpuGevm)(int64_t columns, int64_t depth, const void *a, int64_t row, const void *x, void *y, bool add);

/* Rows of attention scores, of the floating type; numbers by pointer are of that type too. */
typedef struct CpuAttentionLoops {
  /* s = exp(s - most), of `most` over the row and what it was before; the sum so far is scaled to the new `most` by
   * *factor, and that of the row added. */
  void (*softmax)(int64_t n, void *s, void *most, void *sum, void *factor);
  /* r = a factor. */
  void (*scale)(int64_t n, void *r, const void *a, double factor);
  /* Softmax's derivative: g = p (g - sum of p g) factor. */
  void (*gradient)(int64_t n, const void *p, void *g, double factor);
} CpuAttentionLoops;

/* The kernels of convolutions, see loops_conv.h: a tile of rows x columns numbers (at most CPU_CONV_MOST), each times
 * a few vectors; a line of windows; the transpose of a matrix of elements. */
typedef void (*CpuConvTile)(int64_t depth, const int32_t *offset, const void *x, int64_t row, const void *w, void *out,
                            int64_t out_row, int64_t out_column, bool add);
typedef void (*CpuConvLine)(int64_t n, int64_t depth, const int32_t *offset, const void *x, const void *w, void *out);
typedef void (*CpuConvTranspose)(int64_t rows, int64_t columns, const void *from, int64_t from_row, void *to,
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
  CpuConvTranspose transpose;
  int32_t lanes, most; /* of a vector; numbers in the largest tile */
  CpuWindowMax max;
  CpuHalve halve;
  CpuBlend blend;
  CpuMix mix;
} CpuConvLoops;

/* The transform of 2 n1 n2 real numbers, n1 and n2 powers of two and at least a vector of elements each. Tables of
 * float64: exp(-2 pi i k / (n1 n2)) for all k; the same of k j for row k < n1 and column j < n2, a
 * vector of real parts and one of imaginary parts in turn; real parts, then imaginary parts, of
 * exp(-pi i k / (n1 n2)) for k up to n1 n2 / 2. */
typedef struct CpuFft {
  int64_t n1, n2;
  const void *roots, *middle, *ends;
} CpuFft;
/* out: n1 n2 + 1 complex numbers, times `factor`. `memory`: as many float64 as x and 8 max(n1, n2) vectors, aligned to those. */
typedef void (*CpuFftReal)(const CpuFft *plan, const void *x, void *out, void *memory, double factor);

/* A row of an LSTM: from gates[4][n] before their functions (input, forget, cell, output) and the cell's state, the
 * states after the step. */
typedef void (*CpuLstmGates)(int64_t n, void *gates, const void *cell, void *hidden, void *next);
/* Replaces the gates by their gradients, and the gradient of the cell's state after the step by that of the one before
 * it; g_hidden is the gradient of the hidden state after the step. */
typedef void (*CpuLstmGradient)(int64_t n, void *gates, const void *cell, const void *next, const void *g_hidden,
                                void *g_cell);
/* Instructions that are often seen together, as one loop with the same roundings:
 * 1 / (1 + exp(-x)), x / (1 + exp(-x)), (x * 0.5) * (1 + erf(x * sqrt(1/2))). */
enum { CPU_PHRASE_SIGMOID, CPU_PHRASE_SILU, CPU_PHRASE_GELU, CPU_PHRASE_COUNT };

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
  CpuOp phrase[CPU_PHRASE_COUNT]; /* f32 */
  /* a times the scalar b, and c: their sum; c off it; it off c. */
  CpuOp scaled_add[CRESSET_TYPE_COUNT], scaled_sub[CRESSET_TYPE_COUNT], sub_scaled[CRESSET_TYPE_COUNT];
  CpuOp philox[4];
  CpuLoad load[CRESSET_FLOAT64 + 1];
  CpuStore store[CRESSET_FLOAT64 + 1];
  CpuLoad copy[9]; /* by element size: no conversion */
  CpuTurn turn[9];
  void (*stream)(int64_t bytes, char *r, const char *a); /* a copy past the caches */
  CpuFold fold[CRESSET_REDUCE_ALL + 1][CRESSET_TYPE_COUNT];
  CpuFoldColumns fold_columns[CRESSET_REDUCE_ALL + 1][CRESSET_TYPE_COUNT];
  CpuFind find[CRESSET_TYPE_COUNT];
  CpuBetter better[2][CRESSET_TYPE_COUNT]; /* greater, less */
  CpuOffsets offsets;
  CpuScatter scatter[CRESSET_SCATTER_COUNT][CRESSET_FLOAT64 + 1];
  CpuScatterRun scatter_run[CRESSET_SCATTER_COUNT][CRESSET_FLOAT64 + 1];
  CpuGemm gemm[CRESSET_TYPE_COUNT];
  CpuRowLoops row[CRESSET_TYPE_COUNT]; /* F32 and F64 */
  CpuKeys keys[CRESSET_FLOAT64 + 1];
  CpuConvLoops conv[2]; /* f32, f64 */
  int64_t gemm_rows, gemm_columns[CRESSET_TYPE_COUNT];
  bool gemm_is_fast; /* no BLAS is faster */
  CpuPack pack[9]; /* by element size */
  /* Pairs of bfloat16 as elements, into float32; NULL where the level has no such instruction. */
  CpuGemm gemm_pairs;
  CpuPack pack_pairs;
  uint32_t (*scan_pairs)(int64_t n, const uint16_t *a); /* 0: all elements are in the range it is right for */
  CpuAttentionLoops attention[CRESSET_TYPE_COUNT]; /* floats */
  int64_t gemm_vector_bytes;
  CpuFftReal fft_real; /* of float32, computed in float64 */
  CpuLstmGates lstm_gates[CRESSET_TYPE_COUNT]; /* floats */
  CpuLstmGradient lstm_gradient[CRESSET_TYPE_COUNT];
  CpuGemv gemv[CRESSET_TYPE_COUNT]; /* floats */
  CpuGevm gevm[CRESSET_TYPE_COUNT];
} CpuLoops;

extern const CpuLoops cpu_loops_scalar;
#if defined(__x86_64__)
extern const CpuLoops cpu_loops_avx2, cpu_loops_avx512;
/* The tiles of AVX-512, which those of pairs of bfloat16 share. */
enum { CPU_PAIRS_ROWS = 14, CPU_PAIRS_VECTORS = 2 };
void cpu_gemm_pairs(const CpuTiles *tiles);
void cpu_pack_pairs(int64_t lines, int64_t strip, int64_t depth, void *r, const char *p, int64_t line, int64_t deep);
uint32_t cpu_scan_pairs(int64_t n, const uint16_t *a);
#endif

/* The one in use; set by cpu_start, before any launch. */
extern const CpuLoops *cpu_loops;

#endif
