/* loops_rows.h: loops of fused operations, see row_loops.h. Part of loops_table.h.
 *
 * Sums go over a fixed number of lanes in stretches of ROW_STRETCH elements, whatever
 * the width of the vectors; the lanes are folded in a tree and stretches added in double. */

enum { ROW_STRETCH = 4096, ROW_VECTORS = 4 };

/* Elements i ... of a row that ends at n, what is missing filled up. */
#define ROW_PART(S)                                                                                                    \
  static inline __attribute__((always_inline)) void part_##S(type_##S *lane, const type_##S *a, int64_t left,          \
                                                             type_##S filler) {                                        \
    for (int64_t j = 0; j < lanes_of_##S; j++) lane[j] = j < left ? a[j] : filler;                                     \
  }                                                                                                                    \
  static inline __attribute__((always_inline)) type_##S fold_lanes_##S(const vector_##S *v) {                          \
    vector_##S sum = (v[0] + v[1]) + (v[2] + v[3]);                                                                    \
    type_##S lane[lanes_of_##S];                                                                                       \
    memcpy(lane, &sum, sizeof lane);                                                                                   \
    for (int64_t half = lanes_of_##S / 2; half > 0; half /= 2)                                                         \
      for (int64_t j = 0; j < half; j++) lane[j] += lane[j + half];                                                    \
    return lane[0];                                                                                                    \
  }
ROW_PART(f32)
ROW_PART(f64)

#define AT(S, p) (*(const lanes_##S *)(p))

/* Σ of `term` in x = a[i], y = b[i], z = c[i], which is 0 for x = `fill`, y = z = 0. */
#define ROW_SUM(name, S, fill, term)                                                                                   \
  static inline __attribute__((always_inline)) double name##_##S(int64_t n, const type_##S *a, const type_##S *b,      \
                                                                 const type_##S *c, type_##S m) {                      \
    enum { L = lanes_of_##S };                                                                                         \
    double total = 0;                                                                                                  \
    (void)b, (void)c, (void)m;                                                                                         \
    for (int64_t i = 0; i < n;) {                                                                                      \
      int64_t end = i + ROW_STRETCH < n ? i + ROW_STRETCH : n;                                                         \
      vector_##S sum[ROW_VECTORS] = {0};                                                                               \
      for (; i + ROW_VECTORS * L <= end; i += ROW_VECTORS * L)                                                         \
        for (int k = 0; k < ROW_VECTORS; k++) {                                                                        \
          vector_##S x = AT(S, a + i + k * L), y = b ? AT(S, b + i + k * L) : x, z = c ? AT(S, c + i + k * L) : x;     \
          (void)y, (void)z;                                                                                            \
          sum[k] += term;                                                                                              \
        }                                                                                                              \
      for (int k = 0; i < end; i += L, k++) {                                                                          \
        int64_t left = end - i;                                                                                        \
        type_##S part[3][L];                                                                                           \
        part_##S(part[0], a + i, left, fill);                                                                          \
        if (b) part_##S(part[1], b + i, left, 0);                                                                      \
        if (c) part_##S(part[2], c + i, left, 0);                                                                      \
        vector_##S x = AT(S, part[0]), y = b ? AT(S, part[1]) : x, z = c ? AT(S, part[2]) : x;                         \
        (void)y, (void)z;                                                                                              \
        sum[k] += term;                                                                                                \
      }                                                                                                                \
      i = end;                                                                                                         \
      total += fold_lanes_##S(sum);                                                                                    \
    }                                                                                                                  \
    return total;                                                                                                      \
  }

/* Blocks of exponentials are made by a loop that vectorises and added up from cache. */
enum { EXP_BLOCK = 256 };

#define ROW_EXP(S)                                                                                                     \
  static inline __attribute__((always_inline)) void exp_block_##S(int64_t n, type_##S *r, const type_##S *a,           \
                                                                  type_##S m) {                                        \
    enum { L = lanes_of_##S };                                                                                         \
    int64_t whole = n / L * L;                                                                                         \
    _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < whole; i++) r[i] =                          \
        cresset_exp_##S(a[i] - m);                                                                                     \
    if (whole == n) return;                                                                                            \
    type_##S part[L];                                                                                                  \
    for (int64_t j = 0; j < L; j++) part[j] = whole + j < n ? a[whole + j] - m : 0;                                    \
    _Pragma("clang loop vectorize(assume_safety)") for (int64_t j = 0; j < L; j++) part[j] =                           \
        cresset_exp_##S(part[j]);                                                                                      \
    for (int64_t j = 0; whole + j < n; j++) r[whole + j] = part[j];                                                    \
  }                                                                                                                    \
  static double row_exp_##S(int64_t n, void *rp, const void *ap, double m) {                                           \
    double total = 0;                                                                                                  \
    type_##S *r = rp;                                                                                                  \
    const type_##S *a = ap;                                                                                            \
    for (int64_t i = 0; i < n; i += EXP_BLOCK) {                                                                       \
      int64_t count = n - i < EXP_BLOCK ? n - i : EXP_BLOCK;                                                           \
      exp_block_##S(count, r + i, a + i, (type_##S)m);                                                                 \
      total += sum_##S(count, r + i, NULL, NULL, 0);                                                                   \
    }                                                                                                                  \
    return total;                                                                                                      \
  }                                                                                                                    \
  static double row_exp_sum_##S(int64_t n, const void *ap, double m) {                                                 \
    double total = 0;                                                                                                  \
    const type_##S *a = ap;                                                                                            \
    type_##S r[EXP_BLOCK];                                                                                             \
    for (int64_t i = 0; i < n; i += EXP_BLOCK) {                                                                       \
      int64_t count = n - i < EXP_BLOCK ? n - i : EXP_BLOCK;                                                           \
      exp_block_##S(count, r, a + i, (type_##S)m);                                                                     \
      total += sum_##S(count, r, NULL, NULL, 0);                                                                       \
    }                                                                                                                  \
    return total;                                                                                                      \
  }                                                                                                                    \
  static void row_exp_scale_##S(int64_t n, void *rp, const void *ap, double md, double scale) {                        \
    type_##S *r = rp, m = (type_##S)md, s = (type_##S)scale;                                                           \
    const type_##S *a = ap;                                                                                            \
    EACH r[i] = cresset_exp_##S(a[i] - m) * s;                                                                         \
  }                                                                                                                    \
  static void row_log_softmax_backward_##S(int64_t n, void *rp, const void *yp, const void *gp, double sd) {           \
    type_##S *r = rp, s = (type_##S)sd;                                                                                \
    const type_##S *y = yp, *g = gp;                                                                                   \
    EACH r[i] = g[i] - cresset_exp_##S(y[i]) * s;                                                                      \
  }

#define ROW_MAX(S)                                                                                                     \
  static double row_max_##S(int64_t n, const void *ap) {                                                               \
    enum { L = lanes_of_##S };                                                                                         \
    const type_##S *a = ap;                                                                                            \
    vector_##S best[ROW_VECTORS];                                                                                      \
    for (int k = 0; k < ROW_VECTORS; k++) best[k] = (vector_##S)((type_##S) - INFINITY);                               \
    int64_t i = 0;                                                                                                     \
    for (; i + ROW_VECTORS * L <= n; i += ROW_VECTORS * L)                                                             \
      for (int k = 0; k < ROW_VECTORS; k++) {                                                                          \
        vector_##S x = AT(S, a + i + k * L);                                                                           \
        best[k] = x > best[k] ? x : best[k];                                                                           \
      }                                                                                                                \
    for (int k = 0; i < n; i += L, k++) {                                                                              \
      type_##S part[L];                                                                                                \
      part_##S(part, a + i, n - i, (type_##S) - INFINITY);                                                             \
      vector_##S x = AT(S, part);                                                                                      \
      best[k] = x > best[k] ? x : best[k];                                                                             \
    }                                                                                                                  \
    for (int k = 1; k < ROW_VECTORS; k++) best[0] = best[k] > best[0] ? best[k] : best[0];                             \
    type_##S lane[L], found = (type_##S) - INFINITY;                                                                   \
    memcpy(lane, &best[0], sizeof lane);                                                                               \
    for (int j = 0; j < L; j++) found = lane[j] > found ? lane[j] : found;                                             \
    return found;                                                                                                      \
  }

#define ROW_SUMS(S)                                                                                                    \
  ROW_SUM(sum, S, 0, x)                                                                                                \
  ROW_SUM(squares, S, m, (x - m) * (x - m))                                                                            \
  ROW_SUM(product, S, 0, x *y)                                                                                         \
  ROW_SUM(centred, S, 0, x *(y - m))                                                                                   \
  ROW_SUM(weighted_centred, S, 0, x *z *(y - m))                                                                       \
  static double row_sum_##S(int64_t n, const void *a) { return sum_##S(n, a, NULL, NULL, 0); }                         \
  static double row_squares_##S(int64_t n, const void *a, double mean) {                                               \
    return squares_##S(n, a, NULL, NULL, (type_##S)mean);                                                              \
  }                                                                                                                    \
  static double row_product_##S(int64_t n, const void *a, const void *b) { return product_##S(n, a, b, NULL, 0); }     \
  static void row_moments_##S(int64_t n, const void *gp, const void *ap, double mean, double *sums) {                  \
    const type_##S *g = gp, *a = ap;                                                                                   \
    double sum = 0, centred = 0;                                                                                       \
    for (int64_t i = 0; i < n; i += ROW_STRETCH) {                                                                     \
      int64_t count = n - i < ROW_STRETCH ? n - i : ROW_STRETCH;                                                       \
      sum += sum_##S(count, g + i, NULL, NULL, 0);                                                                     \
      centred += centred_##S(count, g + i, a + i, NULL, (type_##S)mean);                                               \
    }                                                                                                                  \
    sums[0] = sum;                                                                                                     \
    sums[1] = centred;                                                                                                 \
  }                                                                                                                    \
  static void row_weighted_moments_##S(int64_t n, const void *gp, const void *wp, const void *ap, double mean,         \
                                       double *sums) {                                                                 \
    const type_##S *g = gp, *w = wp, *a = ap;                                                                          \
    double sum = 0, centred = 0;                                                                                       \
    for (int64_t i = 0; i < n; i += ROW_STRETCH) {                                                                     \
      int64_t count = n - i < ROW_STRETCH ? n - i : ROW_STRETCH;                                                       \
      sum += product_##S(count, g + i, w + i, NULL, 0);                                                                \
      centred += weighted_centred_##S(count, g + i, a + i, w + i, (type_##S)mean);                                     \
    }                                                                                                                  \
    sums[0] = sum;                                                                                                     \
    sums[1] = centred;                                                                                                 \
  }

#define ROW_MAPS(S)                                                                                                    \
  static void row_scale_##S(int64_t n, void *rp, const void *ap, double scale) {                                       \
    type_##S *r = rp, s = (type_##S)scale;                                                                             \
    const type_##S *a = ap;                                                                                            \
    EACH r[i] = a[i] * s;                                                                                              \
  }                                                                                                                    \
  static void row_shift_##S(int64_t n, void *rp, const void *ap, double md, double ld) {                               \
    type_##S *r = rp, m = (type_##S)md, l = (type_##S)ld;                                                              \
    const type_##S *a = ap;                                                                                            \
    EACH r[i] = (a[i] - m) - l;                                                                                        \
  }                                                                                                                    \
  static void row_softmax_backward_##S(int64_t n, void *rp, const void *yp, const void *gp, double sd) {               \
    type_##S *r = rp, s = (type_##S)sd;                                                                                \
    const type_##S *y = yp, *g = gp;                                                                                   \
    EACH r[i] = y[i] * (g[i] - s);                                                                                     \
  }                                                                                                                    \
  static void row_normalize_##S(int64_t n, void *rp, const void *ap, double md, double rd, const void *wp,             \
                                const void *bp) {                                                                      \
    type_##S *r = rp, m = (type_##S)md, rstd = (type_##S)rd;                                                           \
    const type_##S *a = ap, *w = wp, *b = bp;                                                                          \
    EACH r[i] = (a[i] - m) * rstd * w[i] + b[i];                                                                       \
  }                                                                                                                    \
  static void row_affine_##S(int64_t n, void *rp, const void *ap, double md, double sd, double bd) {                   \
    type_##S *r = rp, m = (type_##S)md, s = (type_##S)sd, b = (type_##S)bd;                                            \
    const type_##S *a = ap;                                                                                            \
    EACH r[i] = (a[i] - m) * s + b;                                                                                    \
  }                                                                                                                    \
  static void row_normalize_backward_##S(int64_t n, void *rp, const void *gp, const void *wp, const void *ap,          \
                                         double md, double cd, double qd, double pd) {                                 \
    type_##S *r = rp, m = (type_##S)md, c = (type_##S)cd, q = (type_##S)qd, p = (type_##S)pd;                          \
    const type_##S *g = gp, *w = wp, *a = ap;                                                                          \
    EACH r[i] = ((g[i] * w[i] - c) - (a[i] - m) * q) * p;                                                               \
  }                                                                                                                    \
  static void row_affine_backward_##S(int64_t n, void *rp, const void *gp, const void *ap, double md, double wd,       \
                                      double cd, double qd, double pd) {                                               \
    type_##S *r = rp, m = (type_##S)md, w = (type_##S)wd, c = (type_##S)cd, q = (type_##S)qd, p = (type_##S)pd;        \
    const type_##S *g = gp, *a = ap;                                                                                   \
    EACH r[i] = ((g[i] * w - c) - (a[i] - m) * q) * p;                                                                 \
  }                                                                                                                    \
  static void row_accumulate_##S(int64_t n, void *wp, void *bp, const void *gp, const void *ap, double md,             \
                                 double rd) {                                                                          \
    type_##S *w = wp, *b = bp, m = (type_##S)md, rstd = (type_##S)rd;                                                  \
    const type_##S *g = gp, *a = ap;                                                                                   \
    EACH {                                                                                                             \
      w[i] += g[i] * ((a[i] - m) * rstd);                                                                              \
      b[i] += g[i];                                                                                                    \
    }                                                                                                                  \
  }                                                                                                                    \
  static void row_flush_##S(int64_t n, double *total, void *ap) {                                                      \
    type_##S *a = ap;                                                                                                  \
    EACH {                                                                                                             \
      total[i] += a[i];                                                                                                \
      a[i] = 0;                                                                                                        \
    }                                                                                                                  \
  }

/* Running sums by doubling the distance (Hillis and Steele 1986): after the step of distance d an
 * element holds the sum of the last 2d up to it. It takes log n additions an element, and its errors
 * grow with log n only. Distances within a vector are done in one go; what is before the first
 * element is -0, which changes nothing. */
#define TAKE_16(d)                                                                                                     \
  16 - d, 17 - d, 18 - d, 19 - d, 20 - d, 21 - d, 22 - d, 23 - d, 24 - d, 25 - d, 26 - d, 27 - d, 28 - d, 29 - d,      \
      30 - d, 31 - d
#define TAKE_8(d) 8 - d, 9 - d, 10 - d, 11 - d, 12 - d, 13 - d, 14 - d, 15 - d
#define STEP(v, before, TAKE, d)                                                                                       \
  {                                                                                                                    \
    __typeof__(v) at_distance = __builtin_shufflevector(before, v, TAKE(d));                                           \
    before = v;                                                                                                        \
    v += at_distance;                                                                                                  \
  }
#define STEPS_f32(v, before)                                                                                           \
  STEP(v, before[0], TAKE_16, 1) STEP(v, before[1], TAKE_16, 2) STEP(v, before[2], TAKE_16, 4)                         \
  STEP(v, before[3], TAKE_16, 8)
#define STEPS_f64(v, before)                                                                                           \
  STEP(v, before[0], TAKE_8, 1) STEP(v, before[1], TAKE_8, 2) STEP(v, before[2], TAKE_8, 4)

#define ROW_SCAN(S)                                                                                                    \
  static void row_scan_##S(int64_t n, void *rp, const void *ap) {                                                      \
    enum { L = lanes_of_##S };                                                                                         \
    type_##S *r = rp;                                                                                                  \
    const type_##S *a = ap;                                                                                            \
    vector_##S before[4];                                                                                              \
    for (int k = 0; k < 4; k++) before[k] = (vector_##S)((type_##S)-0.0);                                              \
    int64_t i = 0;                                                                                                     \
    for (; i + L <= n; i += L) {                                                                                       \
      vector_##S v = AT(S, a + i);                                                                                     \
      STEPS_##S(v, before)                                                                                             \
      *(lanes_##S *)(r + i) = v;                                                                                       \
    }                                                                                                                  \
    if (i < n) {                                                                                                       \
      type_##S part[L];                                                                                                \
      part_##S(part, a + i, n - i, 0);                                                                                 \
      vector_##S v = AT(S, part);                                                                                      \
      STEPS_##S(v, before)                                                                                             \
      for (int64_t j = 0; i + j < n; j++) r[i + j] = v[j];                                                             \
    }                                                                                                                  \
    for (int64_t d = L; d < n; d *= 2) {                                                                               \
      for (i = n - L; i >= d; i -= L) *(lanes_##S *)(r + i) = AT(S, r + i) + AT(S, r + i - d);                         \
      for (i += L - 1; i >= d; i--) r[i] += r[i - d];                                                                  \
    }                                                                                                                  \
  }
ROW_SCAN(f32)
ROW_SCAN(f64)

/* The same of rows that lie one below the other, `step` bytes apart, column by column. */
#define ROWS_SCAN(S)                                                                                                   \
  static void row_scan_columns_##S(int64_t rows, int64_t n, char *r, int64_t step) {                                   \
    for (int64_t d = 1; d < rows; d *= 2)                                                                              \
      for (int64_t row = rows - 1; row >= d; row--) {                                                                  \
        type_##S *x = (type_##S *)(void *)(r + row * step);                                                            \
        const type_##S *y = (const type_##S *)(const void *)(r + (row - d) * step);                                    \
        EACH x[i] += y[i];                                                                                             \
      }                                                                                                                \
  }
ROWS_SCAN(f32)
ROWS_SCAN(f64)

#define ROW_ALL(S) ROW_SUMS(S) ROW_EXP(S) ROW_MAX(S) ROW_MAPS(S)
ROW_ALL(f32)
ROW_ALL(f64)

/* clang-format off */
#define ROW_LOOPS(S)                                                                                                   \
  {row_max_##S, row_sum_##S, row_squares_##S, row_product_##S, row_moments_##S, row_weighted_moments_##S,              \
   row_exp_##S, row_exp_sum_##S, row_exp_scale_##S, row_scale_##S, row_shift_##S, row_softmax_backward_##S,            \
   row_log_softmax_backward_##S, row_normalize_##S, row_affine_##S, row_normalize_backward_##S,                        \
   row_affine_backward_##S, row_accumulate_##S, row_flush_##S, row_scan_##S, row_scan_columns_##S}
/* clang-format on */
