/* loops_gemm.h: the register-blocked kernel of the own matrix product. Part of loops_table.h. */

/* A tile of GEMM_ROWS x (GEMM_VECTORS vectors) stays in registers over the whole depth.
 * Here a product and a sum may be one FMA. */
#if HAS_FMA
#define GEMM_STEP_FLOAT(c, a, b) __builtin_elementwise_fma(a, b, c)
#else
#define GEMM_STEP_FLOAT(c, a, b) ((c) + (a) * (b))
#endif
#define GEMM_STEP_INT(c, a, b) ((c) + (a) * (b))

#define GEMM(S, T, STEP)                                                                                               \
  typedef T gemm_vector_##S __attribute__((ext_vector_type(VECTOR_BYTES / sizeof(T))));                                \
  typedef T gemm_memory_##S __attribute__((ext_vector_type(VECTOR_BYTES / sizeof(T)), aligned(sizeof(T))));            \
  static void gemm_##S(int64_t row_tiles, int64_t column_tiles, int64_t depth, const void *ap, const void *bp,         \
                       void *cp, int64_t ldc) {                                                                        \
    enum { W = VECTOR_BYTES / sizeof(T), M = GEMM_ROWS, V = GEMM_VECTORS, N = V * W };                                 \
    for (int64_t j = 0; j < column_tiles; j++)                                                                         \
      for (int64_t i = 0; i < row_tiles; i++) {                                                                        \
        const T *a = (const T *)ap + i * depth * M, *b = (const T *)bp + j * depth * N;                                \
        T *c = (T *)cp + i * M * ldc + j * N;                                                                          \
        gemm_vector_##S acc[M][V];                                                                                     \
        for (int r = 0; r < M; r++)                                                                                    \
          for (int v = 0; v < V; v++) acc[r][v] = (gemm_vector_##S)0;                                                  \
        for (int64_t k = 0; k < depth; k++, a += M, b += N) {                                                          \
          gemm_vector_##S row[V];                                                                                      \
          for (int v = 0; v < V; v++) row[v] = *(const gemm_memory_##S *)(b + v * W);                                  \
          for (int r = 0; r < M; r++) {                                                                                \
            gemm_vector_##S x = (gemm_vector_##S)a[r];                                                                 \
            for (int v = 0; v < V; v++) acc[r][v] = STEP(acc[r][v], x, row[v]);                                        \
          }                                                                                                            \
        }                                                                                                              \
        for (int r = 0; r < M; r++)                                                                                    \
          for (int v = 0; v < V; v++) *(gemm_memory_##S *)(c + r * ldc + v * W) += acc[r][v];                          \
      }                                                                                                                \
  }
GEMM(f32, float, GEMM_STEP_FLOAT)
GEMM(f64, double, GEMM_STEP_FLOAT)
GEMM(i32, uint32_t, GEMM_STEP_INT)
GEMM(i64, uint64_t, GEMM_STEP_INT)
