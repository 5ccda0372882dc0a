/* loops_gemm.h: the register-blocked kernels of the matrix product. Part of loops_table.h. */

/* A tile of up to GEMM_ROWS x (GEMM_VECTORS vectors) stays in registers over the whole depth. An element is
 * summed in the order of the depth whatever the tile, so its bits do not depend on how a matrix is cut.
 * Here a product and a sum may be one FMA. */
#if HAS_FMA
#define GEMM_STEP_FLOAT(c, a, b) __builtin_elementwise_fma(a, b, c)
#else
#define GEMM_STEP_FLOAT(c, a, b) ((c) + (a) * (b))
#endif
#define GEMM_STEP_INT(c, a, b) ((c) + (a) * (b))
#define GEMM_UNROLL _Pragma("clang loop unroll(full)")

/* The first `there` lanes of a vector, in memory; the rest is neither read nor written. */
#define GEMM_PART_PLAIN(S, T)                                                                                          \
  static inline __attribute__((always_inline)) gemm_vector_##S gemm_read_##S(const T *p, int there) {                  \
    gemm_vector_##S v = (gemm_vector_##S)0;                                                                            \
    for (int i = 0; i < there; i++) v[i] = p[i];                                                                       \
    return v;                                                                                                          \
  }                                                                                                                    \
  static inline __attribute__((always_inline)) void gemm_write_##S(T *p, int there, gemm_vector_##S v) {               \
    for (int i = 0; i < there; i++) p[i] = v[i];                                                                       \
  }
#if VECTOR_BYTES == 64
#define GEMM_PART(S, T, bits, type, to)                                                                                \
  static inline __attribute__((always_inline)) gemm_vector_##S gemm_read_##S(const T *p, int there) {                  \
    return (gemm_vector_##S)_mm512_maskz_loadu_epi##bits((__mmask##type)((1u << there) - 1), p);                       \
  }                                                                                                                    \
  static inline __attribute__((always_inline)) void gemm_write_##S(T *p, int there, gemm_vector_##S v) {               \
    _mm512_mask_storeu_epi##bits(p, (__mmask##type)((1u << there) - 1), (__m512i)v);                                   \
  }
#elif VECTOR_BYTES == 32
static const int32_t gemm_lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
#define GEMM_PART(S, T, bits, type, to)                                                                                \
  static inline __attribute__((always_inline)) gemm_vector_##S gemm_read_##S(const T *p, int there) {                  \
    __m256i mask = _mm256_loadu_si256((const void *)(gemm_lanes + 8 - there * (bits / 32)));                           \
    return (gemm_vector_##S)_mm256_maskload_epi##bits((const to *)(const void *)p, mask);                              \
  }                                                                                                                    \
  static inline __attribute__((always_inline)) void gemm_write_##S(T *p, int there, gemm_vector_##S v) {               \
    __m256i mask = _mm256_loadu_si256((const void *)(gemm_lanes + 8 - there * (bits / 32)));                           \
    _mm256_maskstore_epi##bits((to *)(void *)p, mask, (__m256i)v);                                                     \
  }
#else
#define GEMM_PART(S, T, bits, type, to) GEMM_PART_PLAIN(S, T)
#endif

#define GEMM_TYPES(S, T)                                                                                               \
  typedef T gemm_vector_##S __attribute__((ext_vector_type(VECTOR_BYTES / sizeof(T))));                                \
  typedef T gemm_memory_##S __attribute__((ext_vector_type(VECTOR_BYTES / sizeof(T)), aligned(sizeof(T)), may_alias));
GEMM_TYPES(f32, float)
GEMM_TYPES(f64, double)
GEMM_TYPES(i32, uint32_t)
GEMM_TYPES(i64, uint64_t)
GEMM_PART(f32, float, 32, 16, int)
GEMM_PART(f64, double, 64, 8, long long)
GEMM_PART(i32, uint32_t, 32, 16, int)
GEMM_PART(i64, uint64_t, 64, 8, long long)

/* One tile of constant size; `tail` lanes of its last vector are there. */
#define GEMM_TILE(K, S, T, STEP)                                                                                       \
  static inline __attribute__((always_inline)) void gemm_tile_##K(                                                     \
      const int rows, const int vectors, const bool whole, int tail, int64_t depth, const T *a, int64_t a_row,         \
      int64_t a_deep, const T *b, int64_t b_deep, T *c, int64_t c_row, bool add) {                                     \
    enum { W = VECTOR_BYTES / sizeof(T) };                                                                             \
    gemm_vector_##S acc[GEMM_ROWS][GEMM_VECTORS];                                                                      \
    GEMM_UNROLL for (int r = 0; r < rows; r++)                                                                         \
      GEMM_UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = (gemm_vector_##S)0;                                    \
    for (int64_t k = 0; k < depth; k++, a += a_deep, b += b_deep) {                                                    \
      gemm_vector_##S row[GEMM_VECTORS];                                                                               \
      GEMM_UNROLL for (int v = 0; v < vectors; v++)                                                                    \
        row[v] = whole || v < vectors - 1 ? *(const gemm_memory_##S *)(b + v * W) : gemm_read_##S(b + v * W, tail);    \
      GEMM_UNROLL for (int r = 0; r < rows; r++) {                                                                     \
        gemm_vector_##S x = (gemm_vector_##S)a[r * a_row];                                                             \
        GEMM_UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = STEP(acc[r][v], x, row[v]);                          \
      }                                                                                                                \
    }                                                                                                                  \
    GEMM_UNROLL for (int r = 0; r < rows; r++, c += c_row)                                                             \
      GEMM_UNROLL for (int v = 0; v < vectors; v++) {                                                                  \
        T *to = c + v * W;                                                                                             \
        if (whole || v < vectors - 1) {                                                                                \
          if (add) acc[r][v] += *(const gemm_memory_##S *)to;                                                          \
          *(gemm_memory_##S *)to = acc[r][v];                                                                          \
        } else {                                                                                                       \
          if (add) acc[r][v] += gemm_read_##S(to, tail);                                                               \
          gemm_write_##S(to, tail, acc[r][v]);                                                                         \
        }                                                                                                              \
      }                                                                                                                \
  }

/* Tiles of fewer rows, by their number. */
#define GEMM_CASE(K, n, vectors, whole)                                                                                \
  case n:                                                                                                              \
    if (n <= GEMM_ROWS) gemm_tile_##K(n < GEMM_ROWS ? n : GEMM_ROWS, vectors, whole, tail, depth, a, a_row, a_deep, b, \
                                      b_deep, c, c_row, add);                                                          \
    break;
#define GEMM_FEW(K, T, suffix, vectors, whole)                                                                         \
  static __attribute__((noinline)) void gemm_few_##K##suffix(int rows, int tail, int64_t depth, const T *a,            \
                                                             int64_t a_row, int64_t a_deep, const T *b,                \
                                                             int64_t b_deep, T *c, int64_t c_row, bool add) {          \
    switch (rows) {                                                                                                    \
      GEMM_CASE(K, 1, vectors, whole) GEMM_CASE(K, 2, vectors, whole) GEMM_CASE(K, 3, vectors, whole)                  \
      GEMM_CASE(K, 4, vectors, whole) GEMM_CASE(K, 5, vectors, whole) GEMM_CASE(K, 6, vectors, whole)                  \
      GEMM_CASE(K, 7, vectors, whole) GEMM_CASE(K, 8, vectors, whole) GEMM_CASE(K, 9, vectors, whole)                  \
      GEMM_CASE(K, 10, vectors, whole) GEMM_CASE(K, 11, vectors, whole) GEMM_CASE(K, 12, vectors, whole)               \
      GEMM_CASE(K, 13, vectors, whole) GEMM_CASE(K, 14, vectors, whole)                                                \
    }                                                                                                                  \
  }

/* See CpuGemm. Columns outside, rows inside: a strip of b stays in the nearest cache. */
#define GEMM(K, S, T, STEP)                                                                                            \
  GEMM_TILE(K, S, T, STEP)                                                                                             \
  GEMM_FEW(K, T, _whole, GEMM_VECTORS, true)                                                                           \
  GEMM_FEW(K, T, _part, GEMM_VECTORS, false)                                                                           \
  GEMM_FEW(K, T, _one, 1, false)                                                                                       \
  static __attribute__((noinline)) void gemm_packed_##K(int64_t depth, const T *a, const T *b, T *c, int64_t c_row,    \
                                                        bool add) {                                                    \
    GEMM_UNROLL for (int r = 0; r < GEMM_ROWS; r++)                                                                    \
      GEMM_UNROLL for (int v = 0; v < GEMM_VECTORS * VECTOR_BYTES; v += 64)                                            \
        __builtin_prefetch((const char *)(c + r * c_row) + v);                                                         \
    gemm_tile_##K(GEMM_ROWS, GEMM_VECTORS, true, 0, depth, a, 1, GEMM_ROWS, b,                                         \
                  GEMM_VECTORS * (int64_t)(VECTOR_BYTES / sizeof(T)), c, c_row, add);                                  \
  }                                                                                                                    \
  static void gemm_##K(const CpuTiles *t) {                                                                            \
    enum { W = VECTOR_BYTES / sizeof(T), N = GEMM_VECTORS * W };                                                       \
    const bool packed = t->a_row == 1 && t->a_deep == GEMM_ROWS && t->b_deep == N;                                     \
    for (int64_t j = 0; j < t->columns; j += N) {                                                                      \
      const T *b = (const T *)t->b + j / N * t->b_strip, *a = t->a;                                                    \
      int64_t left = t->columns - j;                                                                                   \
      T *c = (T *)t->c + j;                                                                                            \
      int64_t i = 0;                                                                                                   \
      if (packed && left >= N)                                                                                         \
        for (; i + GEMM_ROWS <= t->rows; i += GEMM_ROWS, a += t->a_strip, c += GEMM_ROWS * t->c_row)                   \
          gemm_packed_##K(t->depth, a, b, c, t->c_row, t->add);                                                        \
      for (; i < t->rows; i += GEMM_ROWS, a += t->a_strip, c += GEMM_ROWS * t->c_row) {                                \
        int few = (int)(t->rows - i < GEMM_ROWS ? t->rows - i : GEMM_ROWS);                                            \
        if (left >= N)                                                                                                 \
          gemm_few_##K##_whole(few, 0, t->depth, a, t->a_row, t->a_deep, b, t->b_deep, c, t->c_row, t->add);           \
        else if (left > W)                                                                                             \
          gemm_few_##K##_part(few, (int)(left - (GEMM_VECTORS - 1) * W), t->depth, a, t->a_row, t->a_deep, b,          \
                              t->b_deep, c, t->c_row, t->add);                                                         \
        else                                                                                                           \
          gemm_few_##K##_one(few, (int)left, t->depth, a, t->a_row, t->a_deep, b, t->b_deep, c, t->c_row, t->add);     \
      }                                                                                                                \
    }                                                                                                                  \
  }
#ifndef GEMM_PAIRS
GEMM(f32, f32, float, GEMM_STEP_FLOAT)
GEMM(f64, f64, double, GEMM_STEP_FLOAT)
GEMM(i32, i32, uint32_t, GEMM_STEP_INT)
GEMM(i64, i64, uint64_t, GEMM_STEP_INT)

/* Products of a matrix and a vector: the matrix is read once, in long runs. */
#define GEMV(S, T)                                                                                                     \
  typedef T gemv_quarter_##S __attribute__((ext_vector_type(16 / sizeof(T))));                                         \
  /* Of all lanes, in a fixed order. */                                                                                \
  static inline __attribute__((always_inline)) T gemv_total_##S(gemm_vector_##S all) {                                 \
    gemv_quarter_##S q[VECTOR_BYTES / 16];                                                                             \
    memcpy(q, &all, sizeof q);                                                                                         \
    GEMM_UNROLL for (int h = VECTOR_BYTES / 32; h >= 1; h /= 2)                                                        \
      GEMM_UNROLL for (int i = 0; i < h; i++) q[i] += q[i + h];                                                        \
    return sizeof(T) == 4 ? (q[0][0] + q[0][2 % (16 / sizeof(T))]) + (q[0][1] + q[0][3 % (16 / sizeof(T))])            \
                          : q[0][0] + q[0][1];                                                                         \
  }                                                                                                                    \
  static inline __attribute__((always_inline)) T gemv_most_##S(gemm_vector_##S all, T most) {                          \
    gemv_quarter_##S q[VECTOR_BYTES / 16];                                                                             \
    memcpy(q, &all, sizeof q);                                                                                         \
    GEMM_UNROLL for (int h = VECTOR_BYTES / 32; h >= 1; h /= 2)                                                        \
      GEMM_UNROLL for (int i = 0; i < h; i++) q[i] = q[i] > q[i + h] ? q[i] : q[i + h];                                \
    GEMM_UNROLL for (unsigned i = 0; i < 16 / sizeof(T); i++) most = q[0][i] > most ? q[0][i] : most;                  \
    return most;                                                                                                       \
  }                                                                                                                    \
  static inline __attribute__((always_inline)) T gemv_sum_##S(const gemm_vector_##S *part) {                           \
    return gemv_total_##S((part[0] + part[1]) + (part[2] + part[3]));                                                  \
  }                                                                                                                    \
  /* Four parts a row, so that a row's bits do not depend on its neighbours. */                                        \
  static inline __attribute__((always_inline)) void gemv_rows_##S(const int rows, int64_t depth, const T *a,           \
                                                                  int64_t row, const T *x, T *y) {                     \
    enum { W = VECTOR_BYTES / sizeof(T) };                                                                             \
    gemm_vector_##S part[2][4];                                                                                        \
    GEMM_UNROLL for (int r = 0; r < rows; r++)                                                                         \
      GEMM_UNROLL for (int v = 0; v < 4; v++) part[r][v] = (gemm_vector_##S)0;                                         \
    int64_t k = 0;                                                                                                     \
    for (; k + 4 * W <= depth; k += 4 * W)                                                                             \
      GEMM_UNROLL for (int v = 0; v < 4; v++) {                                                                        \
        gemm_vector_##S b = *(const gemm_memory_##S *)(x + k + v * W);                                                 \
        GEMM_UNROLL for (int r = 0; r < rows; r++)                                                                     \
          part[r][v] = GEMM_STEP_FLOAT(part[r][v], *(const gemm_memory_##S *)(a + r * row + k + v * W), b);            \
      }                                                                                                                \
    for (; k + W <= depth; k += W)                                                                                     \
      GEMM_UNROLL for (int r = 0; r < rows; r++)                                                                       \
        part[r][0] = GEMM_STEP_FLOAT(part[r][0], *(const gemm_memory_##S *)(a + r * row + k),                          \
                                     *(const gemm_memory_##S *)(x + k));                                               \
    GEMM_UNROLL for (int r = 0; r < rows; r++) {                                                                       \
      T sum = gemv_sum_##S(part[r]);                                                                                   \
      for (int64_t d = k; d < depth; d++) sum += a[r * row + d] * x[d];                                                \
      y[r] = sum;                                                                                                      \
    }                                                                                                                  \
  }                                                                                                                    \
  static void gemv_##S(int64_t rows, int64_t depth, const void *ap, int64_t row, const void *xp, void *yp) {           \
    const T *a = ap, *x = xp;                                                                                          \
    T *y = yp;                                                                                                         \
    int64_t i = 0;                                                                                                     \
    for (; i + 2 <= rows; i += 2) gemv_rows_##S(2, depth, a + i * row, row, x, y + i);                                 \
    if (i < rows) gemv_rows_##S(1, depth, a + i * row, row, x, y + i);                                                 \
  }                                                                                                                    \
  static void gevm_##S(int64_t n, int64_t depth, const void *ap, int64_t row, const void *xp, void *yp, bool add) {    \
    const T *a = ap, *x = xp;                                                                                          \
    T *y = yp;                                                                                                         \
    if (!add) memset(y, 0, (size_t)n * sizeof(T));                                                                     \
    int64_t k = 0;                                                                                                     \
    for (; k + 8 <= depth; k += 8, a += 8 * row, x += 8) EACH {                                                        \
        T s = y[i];                                                                                                    \
        for (int64_t d = 0; d < 8; d++) s = GEMM_STEP_SCALAR_##S(s, a[d * row + i], x[d]);                             \
        y[i] = s;                                                                                                      \
      }                                                                                                                \
    for (; k < depth; k++, a += row, x++) EACH y[i] = GEMM_STEP_SCALAR_##S(y[i], a[i], *x);                            \
  }
#if HAS_FMA
#define GEMM_STEP_SCALAR_f32(s, a, x) __builtin_fmaf(a, x, s)
#define GEMM_STEP_SCALAR_f64(s, a, x) __builtin_fma(a, x, s)
#else
#define GEMM_STEP_SCALAR_f32(s, a, x) ((s) + (a) * (x))
#define GEMM_STEP_SCALAR_f64(s, a, x) ((s) + (a) * (x))
#endif
GEMV(f32, float)
GEMV(f64, double)
#endif
