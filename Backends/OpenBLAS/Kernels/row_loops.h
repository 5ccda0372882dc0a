/* row_loops.h: inner loops over rows that lie one element after another: what fused
 * operations are made of. One set a type, F32 and F64, and instruction set. */
#ifndef CPU_ROW_LOOPS_H
#define CPU_ROW_LOOPS_H

#include <stdint.h>

/* Scalars come and go as double, which holds every float; sums over stretches of a row
 * are added up in double, within a stretch over a fixed number of lanes: the same bits
 * whoever sums. */
typedef struct CpuRowLoops {
  /* The largest; NaN is passed over. -inf of nothing. */
  double (*max)(int64_t n, const void *a);
  double (*sum)(int64_t n, const void *a);
  /* Σ (a - mean)² */
  double (*squares)(int64_t n, const void *a, double mean);
  /* Σ a b */
  double (*product)(int64_t n, const void *a, const void *b);
  /* sums[0] = Σ g, sums[1] = Σ g (a - mean) */
  void (*moments)(int64_t n, const void *g, const void *a, double mean, double *sums);
  /* The same of g w. */
  void (*weighted_moments)(int64_t n, const void *g, const void *w, const void *a, double mean, double *sums);

  /* r = exp(a - m); its sum */
  double (*exp)(int64_t n, void *r, const void *a, double m);
  /* Σ exp(a - m) */
  double (*exp_sum)(int64_t n, const void *a, double m);
  /* r = exp(a - m) scale */
  void (*exp_scale)(int64_t n, void *r, const void *a, double m, double scale);
  /* r = a scale */
  void (*scale)(int64_t n, void *r, const void *a, double scale);
  /* r = (a - m) - l */
  void (*shift)(int64_t n, void *r, const void *a, double m, double l);
  /* r = y (g - s) */
  void (*softmax_backward)(int64_t n, void *r, const void *y, const void *g, double s);
  /* r = g - exp(y) s */
  void (*log_softmax_backward)(int64_t n, void *r, const void *y, const void *g, double s);

  /* r = (a - mean) rstd w + b */
  void (*normalize)(int64_t n, void *r, const void *a, double mean, double rstd, const void *w, const void *b);
  /* r = (a - mean) scale + shift */
  void (*affine)(int64_t n, void *r, const void *a, double mean, double scale, double shift);
  /* r = ((g w - c) - (a - mean) q) p */
  void (*normalize_backward)(int64_t n, void *r, const void *g, const void *w, const void *a, double mean, double c,
                             double q, double p);
  /* r = ((g w - c) - (a - mean) q) p */
  void (*affine_backward)(int64_t n, void *r, const void *g, const void *a, double mean, double w, double c, double q,
                          double p);
  /* w += g (a - mean) rstd, b += g */
  void (*accumulate)(int64_t n, void *w, void *b, const void *g, const void *a, double mean, double rstd);
  /* total += a, in double; a = 0 */
  void (*flush)(int64_t n, double *total, void *a);

  /* r[i] = a[0] + ... + a[i] */
  void (*scan)(int64_t n, void *r, const void *a);
  /* Of each column of `rows` rows of n, `step` bytes apart, in place. */
  void (*scan_columns)(int64_t rows, int64_t n, char *r, int64_t step);
} CpuRowLoops;

/* keys[i], uint32_t for elements of up to four bytes and uint64_t else, are ordered as the elements
 * (see loops_order.h); the least of them. `flip` reverses the order where it is all ones. */
typedef uint64_t (*CpuKeys)(int64_t n, const void *a, void *keys, uint64_t flip);

#endif
