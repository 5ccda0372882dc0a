/* loops_window.h: maxima of windows, vectors along a line of them. Part of loops_table.h. */

/* best[i], at[i] = the greatest of x[offset[k] + i] over k and the place place[k] + i * step it has; a NaN is above
 * all, the first of equals wins, and where nothing is above -inf the place is first[i]. Reads and writes up to
 * CPU_CONV_SLACK elements behind n. Places are integers as wide as the elements. */
#define WINDOW_MAX(S, T, I)                                                                                            \
  typedef I window_index_##S __attribute__((ext_vector_type(VECTOR_BYTES / sizeof(T))));                               \
  typedef I window_places_##S __attribute__((ext_vector_type(VECTOR_BYTES / sizeof(T)), aligned(sizeof(T))));          \
  static void window_max_##S(int64_t n, int64_t taps, const int32_t *offset, const int64_t *place, int64_t step,       \
                             const void *xp, const void *firstp, void *bestp, void *atp) {                             \
    enum { W = VECTOR_BYTES / sizeof(T) };                                                                             \
    const T *x = xp;                                                                                                   \
    const I *first = firstp;                                                                                           \
    window_index_##S lane;                                                                                             \
    for (int l = 0; l < W; l++) lane[l] = (I)(l * step);                                                               \
    for (int64_t i = 0; i < n; i += W) {                                                                               \
      gemm_vector_##S best = (gemm_vector_##S)(T)-INFINITY;                                                            \
      window_index_##S at = *(const window_places_##S *)(first + i), here = lane + (I)(i * step);                      \
      for (int64_t k = 0; k < taps; k++) {                                                                             \
        gemm_vector_##S number = *(const gemm_memory_##S *)(x + offset[k] + i);                                        \
        window_index_##S wins = ~(number <= best) & (best == best);                                                    \
        best = (gemm_vector_##S)(((window_index_##S)number & wins) | ((window_index_##S)best & ~wins));                \
        at = ((here + (I)place[k]) & wins) | (at & ~wins);                                                             \
      }                                                                                                                \
      *(gemm_memory_##S *)((T *)bestp + i) = best;                                                                     \
      *(window_places_##S *)((I *)atp + i) = at;                                                                       \
    }                                                                                                                  \
  }
WINDOW_MAX(f32, float, int32_t)
WINDOW_MAX(f64, double, int64_t)

/* Every second element. */
#define WINDOW_HALVE(S, T)                                                                                             \
  static void window_halve_##S(int64_t n, void *rp, const void *ap) {                                                  \
    T *r = rp;                                                                                                         \
    const T *a = ap;                                                                                                   \
    EACH r[i] = a[2 * i];                                                                                              \
  }
WINDOW_HALVE(f32, uint32_t)
WINDOW_HALVE(f64, uint64_t)

/* Weighted sums of two elements, whose places and weights for all first ones come before those for the second ones;
 * and of two lines. */
#define WINDOW_BLEND(S, T)                                                                                             \
  static void window_blend_##S(int64_t n, void *rp, const void *ap, const int32_t *at, const void *wp) {               \
    T *r = rp;                                                                                                         \
    const T *a = ap, *w = wp;                                                                                          \
    EACH r[i] = a[at[i]] * w[i] + a[at[n + i]] * w[n + i];                                                             \
  }                                                                                                                    \
  static void window_mix_##S(int64_t n, void *rp, const void *ap, const void *bp, const void *wp) {                    \
    T *r = rp;                                                                                                         \
    const T *a = ap, *b = bp, *w = wp;                                                                                 \
    EACH r[i] = a[i] * w[0] + b[i] * w[1];                                                                             \
  }
WINDOW_BLEND(f32, float)
WINDOW_BLEND(f64, double)
