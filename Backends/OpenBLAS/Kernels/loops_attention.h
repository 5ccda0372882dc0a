/* loops_attention.h: rows of scores. Part of loops_table.h. */

#define ATTENTION(S, T)                                                                                                \
  /* The greatest of n scores and `most`; NaN is passed over, the exponentials bring it back. */                       \
  static inline __attribute__((always_inline)) T score_most_##S(int64_t n, const T *s, T most) {                       \
    enum { W = VECTOR_BYTES / sizeof(T) };                                                                             \
    gemm_vector_##S a = (gemm_vector_##S)most, b = a;                                                                  \
    int64_t i = 0;                                                                                                     \
    for (; i + 2 * W <= n; i += 2 * W) {                                                                               \
      gemm_vector_##S x = *(const gemm_memory_##S *)(s + i), y = *(const gemm_memory_##S *)(s + i + W);                \
      a = x > a ? x : a;                                                                                               \
      b = y > b ? y : b;                                                                                               \
    }                                                                                                                  \
    most = gemv_most_##S(a > b ? a : b, most);                                                                         \
    for (; i < n; i++) most = s[i] > most ? s[i] : most;                                                               \
    return most;                                                                                                       \
  }                                                                                                                    \
  static inline __attribute__((always_inline)) T score_sum_##S(int64_t n, const T *s, const T *t, const bool two) {    \
    enum { W = VECTOR_BYTES / sizeof(T) };                                                                             \
    gemm_vector_##S a = (gemm_vector_##S)0, b = a;                                                                     \
    int64_t i = 0;                                                                                                     \
    for (; i + 2 * W <= n; i += 2 * W) {                                                                               \
      gemm_vector_##S x = *(const gemm_memory_##S *)(s + i), y = *(const gemm_memory_##S *)(s + i + W);                \
      if (two) {                                                                                                       \
        x *= *(const gemm_memory_##S *)(t + i);                                                                        \
        y *= *(const gemm_memory_##S *)(t + i + W);                                                                    \
      }                                                                                                                \
      a += x;                                                                                                          \
      b += y;                                                                                                          \
    }                                                                                                                  \
    T sum = gemv_total_##S(a + b);                                                                                     \
    for (; i < n; i++) sum += two ? s[i] * t[i] : s[i];                                                                \
    return sum;                                                                                                        \
  }                                                                                                                    \
  static void score_softmax_##S(int64_t n, void *sp, void *mostp, void *sump, void *factorp) {                         \
    T *s = sp, before = *(T *)mostp, most = score_most_##S(n, s, before);                                              \
    T shift = most == (T)-INFINITY ? 0 : most;                                                                         \
    EACH s[i] = cresset_exp_##S(s[i] - shift);                                                                         \
    T factor = before == most ? 1 : cresset_exp_##S(before - shift);                                                   \
    *(T *)mostp = most;                                                                                                \
    *(T *)sump = *(T *)sump * factor + score_sum_##S(n, s, s, false);                                                  \
    *(T *)factorp = factor;                                                                                            \
  }                                                                                                                    \
  static void score_scale_##S(int64_t n, void *rp, const void *ap, double factor) {                                    \
    T *r = rp, f = (T)factor;                                                                                          \
    const T *a = ap;                                                                                                   \
    EACH r[i] = a[i] * f;                                                                                              \
  }                                                                                                                    \
  static void score_gradient_##S(int64_t n, const void *pp, void *gp, double factor) {                                 \
    const T *p = pp;                                                                                                   \
    T *g = gp, f = (T)factor, mean = score_sum_##S(n, p, g, true);                                                     \
    EACH g[i] = p[i] * (g[i] - mean) * f;                                                                              \
  }
ATTENTION(f32, float)
ATTENTION(f64, double)
