/* loops_fft.h: the transform of real numbers whose count is a power of two. Part of loops_table.h. */

/* Half as many complex numbers, z[j] = x[2j] + i x[2j+1], are transformed as a matrix of n1 x n2: down its columns, a
 * vector of columns at a time, then times the roots, turned over, and down the columns again (Bailey 1990, "FFTs in
 * external or hierarchical memory"). Columns go by Stockham's radix 4, which needs no reordering. All is computed in
 * float64; X is what is in memory. */
#if HAS_FMA
#define FFT_RE(a, b, c, d) __builtin_elementwise_fma(a, c, -((b) * (d)))
#define FFT_IM(a, b, c, d) __builtin_elementwise_fma(a, d, (b) * (c))
#else
#define FFT_RE(a, b, c, d) ((a) * (c) - (b) * (d))
#define FFT_IM(a, b, c, d) ((a) * (d) + (b) * (c))
#endif
#define FFT_COLUMNS(S, T)                                                                                              \
  /* Of n vectors, in `x`; `y` is as large. Returns where the result is. */                                            \
  static gemm_vector_##S *fft_columns_##S(int64_t n, gemm_vector_##S *x, gemm_vector_##S *y, const T *roots,           \
                                          int64_t step) {                                                              \
    int64_t s = 1;                                                                                                     \
    for (; n >= 4; n /= 4, s *= 4, step *= 4) {                                                                        \
      int64_t quarter = n / 4;                                                                                         \
      for (int64_t p = 0; p < quarter; p++) {                                                                          \
        const T *w1 = roots + 2 * p * step, *w2 = roots + 4 * p * step, *w3 = roots + 6 * p * step;                    \
        gemm_vector_##S r1 = (gemm_vector_##S)w1[0], i1 = (gemm_vector_##S)w1[1], r2 = (gemm_vector_##S)w2[0];         \
        gemm_vector_##S i2 = (gemm_vector_##S)w2[1], r3 = (gemm_vector_##S)w3[0], i3 = (gemm_vector_##S)w3[1];         \
        const gemm_vector_##S *a = x + 2 * s * p, *b = a + 2 * s * quarter, *c = b + 2 * s * quarter;                  \
        const gemm_vector_##S *d = c + 2 * s * quarter;                                                                \
        gemm_vector_##S *to = y + 8 * s * p;                                                                           \
        for (int64_t q = 0; q < 2 * s; q += 2) {                                                                       \
          gemm_vector_##S pr = a[q] + c[q], pi = a[q + 1] + c[q + 1], mr = a[q] - c[q], mi = a[q + 1] - c[q + 1];      \
          gemm_vector_##S sr = b[q] + d[q], si = b[q + 1] + d[q + 1], tr = b[q] - d[q], ti = b[q + 1] - d[q + 1];      \
          gemm_vector_##S ur = mr + ti, ui = mi - tr, vr = pr - sr, vi = pi - si, wr = mr - ti, wi = mi + tr;          \
          to[q] = pr + sr;                                                                                             \
          to[q + 1] = pi + si;                                                                                         \
          to[q + 2 * s] = FFT_RE(ur, ui, r1, i1);                                                                      \
          to[q + 2 * s + 1] = FFT_IM(ur, ui, r1, i1);                                                                  \
          to[q + 4 * s] = FFT_RE(vr, vi, r2, i2);                                                                      \
          to[q + 4 * s + 1] = FFT_IM(vr, vi, r2, i2);                                                                  \
          to[q + 6 * s] = FFT_RE(wr, wi, r3, i3);                                                                      \
          to[q + 6 * s + 1] = FFT_IM(wr, wi, r3, i3);                                                                  \
        }                                                                                                              \
      }                                                                                                                \
      gemm_vector_##S *t = x;                                                                                          \
      x = y;                                                                                                           \
      y = t;                                                                                                           \
    }                                                                                                                  \
    if (n == 1) return x;                                                                                              \
    for (int64_t q = 0; q < 2 * s; q++) {                                                                              \
      gemm_vector_##S a = x[q], b = x[q + 2 * s];                                                                      \
      y[q] = a + b;                                                                                                    \
      y[q + 2 * s] = a - b;                                                                                            \
    }                                                                                                                  \
    return y;                                                                                                          \
  }

#define FFT_REAL(K, S, T, X)                                                                                           \
  static void fft_real_##K(const CpuFft *plan, const void *xp, void *outp, void *memory, double factor) {              \
    enum { W = VECTOR_BYTES / sizeof(T) };                                                                             \
    int64_t n1 = plan->n1, n2 = plan->n2, half = n1 * n2;                                                              \
    const X *x = xp;                                                                                                   \
    const T *roots = plan->roots, *middle = plan->middle;                                                              \
    X *out = outp;                                                                                                     \
    T *re = memory, *im = re + half;                                                                                   \
    gemm_vector_##S *one = (gemm_vector_##S *)(void *)(im + half), *two = one + 2 * (n1 > n2 ? n1 : n2);               \
    for (int64_t j = 0; j < n2; j += W) {                                                                              \
      const X *a = x + 2 * j;                                                                                          \
      for (int64_t r = 0; r < n1; r++, a += 2 * n2) {                                                                  \
        T *to = (T *)(one + 2 * r);                                                                                    \
        for (int i = 0; i < W; i++) {                                                                                  \
          to[i] = a[2 * i];                                                                                            \
          to[W + i] = a[2 * i + 1];                                                                                    \
        }                                                                                                              \
      }                                                                                                                \
      const gemm_vector_##S *z = fft_columns_##S(n1, one, two, roots, n2);                                             \
      /* Times the roots of the middle, and turned over: lines of n1. */                                               \
      for (int64_t k = 0; k < n1; k += W) {                                                                            \
        T turned[2][W][W];                                                                                             \
        for (int64_t e = 0; e < W; e++) {                                                                              \
          const T *w = middle + 2 * ((k + e) * n2 + j);                                                                \
          gemm_vector_##S wr = *(const gemm_memory_##S *)w, wi = *(const gemm_memory_##S *)(w + W);                    \
          gemm_vector_##S zr = z[2 * (k + e)], zi = z[2 * (k + e) + 1];                                                \
          *(gemm_memory_##S *)turned[0][e] = FFT_RE(zr, zi, wr, wi);                                                   \
          *(gemm_memory_##S *)turned[1][e] = FFT_IM(zr, zi, wr, wi);                                                   \
        }                                                                                                              \
        fft_turn_##S(re + j * n1 + k, n1, turned[0][0]);                                                               \
        fft_turn_##S(im + j * n1 + k, n1, turned[1][0]);                                                               \
      }                                                                                                                \
    }                                                                                                                  \
    for (int64_t k = 0; k < n1; k += W) {                                                                              \
      for (int64_t r = 0; r < n2; r++) {                                                                               \
        one[2 * r] = *(const gemm_memory_##S *)(re + r * n1 + k);                                                      \
        one[2 * r + 1] = *(const gemm_memory_##S *)(im + r * n1 + k);                                                  \
      }                                                                                                                \
      const gemm_vector_##S *z = fft_columns_##S(n2, one, two, roots, n1);                                             \
      for (int64_t r = 0; r < n2; r++) {                                                                               \
        *(gemm_memory_##S *)(re + r * n1 + k) = z[2 * r];                                                              \
        *(gemm_memory_##S *)(im + r * n1 + k) = z[2 * r + 1];                                                          \
      }                                                                                                                \
    }                                                                                                                  \
    /* X[k] = (Z[k] + conj Z[-k]) / 2 - i w^k (Z[k] - conj Z[-k]) / 2, and X[half - k] from the same two. */           \
    T f = (T)factor, g = (T)(factor / 2);                                                                              \
    const T *ends = plan->ends;                                                                                        \
    out[0] = (X)((re[0] + im[0]) * f);                                                                                 \
    out[1] = 0;                                                                                                        \
    out[2 * half] = (X)((re[0] - im[0]) * f);                                                                          \
    out[2 * half + 1] = 0;                                                                                             \
    X *low = out, *high = out + 2 * half;                                                                              \
    const T *er = ends, *ei = ends + half / 2 + 1;                                                                     \
    _Pragma("clang loop vectorize(assume_safety)") for (int64_t k = 1; k <= half / 2; k++) {                           \
      T ar = re[k] + re[half - k], ai = im[k] - im[half - k], br = re[k] - re[half - k], bi = im[k] + im[half - k];    \
      T cr = br * ei[k] + bi * er[k], ci = bi * ei[k] - br * er[k];                                                    \
      low[2 * k] = (X)((ar + cr) * g);                                                                                 \
      low[2 * k + 1] = (X)((ai + ci) * g);                                                                             \
      high[-2 * k] = (X)((ar - cr) * g);                                                                               \
      high[-2 * k + 1] = (X)((ci - ai) * g);                                                                           \
    }                                                                                                                  \
  }

/* r[i][j] = a[j][i] for a vector by a vector of them, lines of r `line` apart. */
static inline __attribute__((always_inline)) void fft_turn_f64(double *r, int64_t line, const double *a) {
  enum { W = VECTOR_BYTES / 8 };
  for (int64_t i = 0; i < W; i += 2)
    for (int64_t j = 0; j < W; j += 2)
      pack_turn_8((uint64_t *)(void *)(r + i * line + j), line, (const uint64_t *)(const void *)(a + j * W + i), W);
}
FFT_COLUMNS(f64, double)
FFT_REAL(f32, f64, double, float)
