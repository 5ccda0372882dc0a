/* loops_conv.h: the register-blocked kernels of convolutions. Part of loops_table.h.
 *
 * One kernel serves the convolution and both its gradients. Its tile is R x Q numbers of x, each of which is
 * multiplied into V vectors of w: out[r][q][lane] (+)= sum over k of x[offset[k] + r * row + q] * w[k][lane]. R, Q
 * and V are constants, so that the tile stays in registers over the whole depth. */

#define CONV_LANES(T) (int)(VECTOR_BYTES / sizeof(T))
#define CONV_FULLY _Pragma("clang loop unroll(full)")

#define CONV_BODY(S, T)                                                                                                \
  static inline __attribute__((always_inline)) void conv_body_##S(                                                     \
      int64_t depth, const int32_t *offset, const T *x, int64_t row, const T *w, T *out, int64_t out_row,              \
      int64_t out_column, bool add, const int R, const int Q, const int V) {                                           \
    const int W = CONV_LANES(T);                                                                                       \
    gemm_vector_##S sum[CPU_CONV_MOST][2];                                                                             \
    CONV_FULLY for (int i = 0; i < R * Q; i++)                                                                         \
      CONV_FULLY for (int v = 0; v < V; v++) sum[i][v] = (gemm_vector_##S)0;                                           \
    for (int64_t k = 0; k < depth; k++, w += V * W) {                                                                  \
      const T *from = x + offset[k];                                                                                   \
      gemm_vector_##S line[2];                                                                                         \
      CONV_FULLY for (int v = 0; v < V; v++) line[v] = *(const gemm_memory_##S *)(w + v * W);                          \
      CONV_FULLY for (int r = 0; r < R; r++)                                                                           \
        CONV_FULLY for (int q = 0; q < Q; q++) {                                                                       \
          gemm_vector_##S number = (gemm_vector_##S)from[r * row + q];                                                 \
          CONV_FULLY for (int v = 0; v < V; v++)                                                                       \
            sum[r * Q + q][v] = GEMM_STEP_FLOAT(sum[r * Q + q][v], number, line[v]);                                   \
        }                                                                                                              \
    }                                                                                                                  \
    CONV_FULLY for (int r = 0; r < R; r++)                                                                             \
      CONV_FULLY for (int q = 0; q < Q; q++)                                                                           \
        CONV_FULLY for (int v = 0; v < V; v++) {                                                                       \
          gemm_memory_##S *p = (gemm_memory_##S *)(out + r * out_row + q * out_column + v * W);                        \
          *p = add ? *p + sum[r * Q + q][v] : sum[r * Q + q][v];                                                       \
        }                                                                                                              \
  }
CONV_BODY(f32, float)
CONV_BODY(f64, double)

/* The tiles there are: as many accumulators as leave registers for w, and no more rows than compilers find addresses
 * for. */
#if VECTOR_BYTES == 64
#define CONV_TILES(X, ...)                                                                                             \
  X(1, 1, __VA_ARGS__) X(1, 2, __VA_ARGS__) X(1, 3, __VA_ARGS__) X(1, 4, __VA_ARGS__) X(1, 5, __VA_ARGS__)             \
  X(1, 6, __VA_ARGS__) X(1, 7, __VA_ARGS__) X(1, 8, __VA_ARGS__) X(1, 9, __VA_ARGS__) X(1, 10, __VA_ARGS__)            \
  X(1, 11, __VA_ARGS__) X(1, 12, __VA_ARGS__) X(1, 13, __VA_ARGS__) X(1, 14, __VA_ARGS__)                              \
  X(2, 1, __VA_ARGS__) X(2, 2, __VA_ARGS__) X(2, 3, __VA_ARGS__) X(2, 4, __VA_ARGS__) X(2, 5, __VA_ARGS__)             \
  X(2, 6, __VA_ARGS__) X(2, 7, __VA_ARGS__) X(3, 1, __VA_ARGS__) X(3, 2, __VA_ARGS__) X(3, 3, __VA_ARGS__)             \
  X(3, 4, __VA_ARGS__) X(4, 1, __VA_ARGS__) X(4, 2, __VA_ARGS__) X(4, 3, __VA_ARGS__) X(7, 1, __VA_ARGS__)             \
  X(7, 2, __VA_ARGS__)
#else
#define CONV_TILES(X, ...)                                                                                             \
  X(1, 1, __VA_ARGS__) X(1, 2, __VA_ARGS__) X(1, 3, __VA_ARGS__) X(1, 4, __VA_ARGS__) X(1, 5, __VA_ARGS__)             \
  X(1, 6, __VA_ARGS__) X(2, 1, __VA_ARGS__) X(2, 2, __VA_ARGS__) X(2, 3, __VA_ARGS__) X(3, 1, __VA_ARGS__)             \
  X(3, 2, __VA_ARGS__) X(6, 1, __VA_ARGS__)
#endif
#define CONV_TILE(R, Q, S, T, V)                                                                                       \
  static void conv_##S##_##V##_##R##_##Q(int64_t depth, const int32_t *offset, const void *x, int64_t row,             \
                                         const void *w, void *out, int64_t out_row, int64_t out_column, bool add) {    \
    conv_body_##S(depth, offset, x, row, w, out, out_row, out_column, add, R, Q, V);                                   \
  }
CONV_TILES(CONV_TILE, f32, float, 1)
CONV_TILES(CONV_TILE, f32, float, 2)
CONV_TILES(CONV_TILE, f64, double, 1)
CONV_TILES(CONV_TILE, f64, double, 2)
#define CONV_ENTRY(R, Q, S, T, V) [R][Q] = conv_##S##_##V##_##R##_##Q,
#define CONV_KERNELS(S, T) {{CONV_TILES(CONV_ENTRY, S, T, 1)}, {CONV_TILES(CONV_ENTRY, S, T, 2)}}

/* A line of one channel's windows, vectors along it: out[i] (+)= sum over k of w[k] * x[offset[k] + i]. Reads and
 * writes up to CPU_CONV_SLACK elements behind n. */
#define CONV_LINE(S, T)                                                                                                \
  static void conv_line_##S(int64_t n, int64_t depth, const int32_t *offset, const void *xp, const void *wp,           \
                            void *outp) {                                                                              \
    enum { W = VECTOR_BYTES / sizeof(T), V = 4 };                                                                      \
    const T *x = xp, *w = wp;                                                                                          \
    T *out = outp;                                                                                                     \
    for (int64_t i = 0; i < n; i += V * W) {                                                                           \
      gemm_vector_##S sum[V] = {0};                                                                                    \
      for (int64_t k = 0; k < depth; k++)                                                                              \
        CONV_FULLY for (int v = 0; v < V; v++)                                                                         \
          sum[v] = GEMM_STEP_FLOAT(sum[v], (gemm_vector_##S)w[k],                                                      \
                                   *(const gemm_memory_##S *)(x + offset[k] + i + v * W));                             \
      CONV_FULLY for (int v = 0; v < V; v++) *(gemm_memory_##S *)(out + i + v * W) = sum[v];                           \
    }                                                                                                                  \
  }
CONV_LINE(f32, float)
CONV_LINE(f64, double)

/* to[c * to_row + r] = from[r * from_row + c]: squares of vectors in registers, the last overlapping those before. */
#define ZIP_LOW_2(a, b) __builtin_shufflevector(a, b, 0, 2)
#define ZIP_HIGH_2(a, b) __builtin_shufflevector(a, b, 1, 3)
#define ZIP_LOW_4(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_HIGH_4(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define ZIP_LOW_8(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH_8(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define ZIP_LOW_16(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH_16(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

#define CONV_TRANSPOSE(S, T, LANES)                                                                                         \
  static inline __attribute__((always_inline)) void transpose_square_##S(const T *from, int64_t from_row, T *to,       \
                                                                         int64_t to_row) {                             \
    gemm_vector_##S a[LANES], b[LANES];                                                                                \
    CONV_FULLY for (int i = 0; i < LANES; i++) a[i] = *(const gemm_memory_##S *)(from + i * from_row);                 \
    CONV_FULLY for (int step = 1; step < LANES; step *= 2) {                                                           \
      CONV_FULLY for (int i = 0; i < LANES / 2; i++) {                                                                 \
        b[2 * i] = ZIP_LOW_##LANES(a[i], a[i + LANES / 2]);                                                            \
        b[2 * i + 1] = ZIP_HIGH_##LANES(a[i], a[i + LANES / 2]);                                                       \
      }                                                                                                                \
      CONV_FULLY for (int i = 0; i < LANES; i++) a[i] = b[i];                                                          \
    }                                                                                                                  \
    CONV_FULLY for (int i = 0; i < LANES; i++) *(gemm_memory_##S *)(to + i * to_row) = a[i];                           \
  }                                                                                                                    \
  static void transpose_##S(int64_t rows, int64_t columns, const void *fromp, int64_t from_row, void *top,             \
                            int64_t to_row) {                                                                          \
    const T *from = fromp;                                                                                             \
    T *to = top;                                                                                                       \
    if (rows < LANES || columns < LANES) {                                                                             \
      for (int64_t c = 0; c < columns; c++)                                                                            \
        for (int64_t r = 0; r < rows; r++) to[c * to_row + r] = from[r * from_row + c];                                \
      return;                                                                                                          \
    }                                                                                                                  \
    for (int64_t c = 0; c < columns; c += LANES)                                                                       \
      for (int64_t r = 0; r < rows; r += LANES) {                                                                      \
        int64_t column = c + LANES > columns ? columns - LANES : c, line = r + LANES > rows ? rows - LANES : r;        \
        transpose_square_##S(from + line * from_row + column, from_row, to + column * to_row + line, to_row);          \
      }                                                                                                                \
  }
#if VECTOR_BYTES == 64
CONV_TRANSPOSE(f32, float, 16)
CONV_TRANSPOSE(f64, double, 8)
#elif VECTOR_BYTES == 32
CONV_TRANSPOSE(f32, float, 8)
CONV_TRANSPOSE(f64, double, 4)
#else
CONV_TRANSPOSE(f32, float, 4)
CONV_TRANSPOSE(f64, double, 2)
#endif
