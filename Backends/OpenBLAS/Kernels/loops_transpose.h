/* loops_transpose.h: tiles of a matrix turned over in registers, and stores past the caches. Part of loops_table.h. */

#define LOW_2 0, 2
#define HIGH_2 1, 3
#define LOW_4 0, 4, 1, 5
#define HIGH_4 2, 6, 3, 7
#define LOW_8 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_8 4, 12, 5, 13, 6, 14, 7, 15
#define LOW_16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31

/* Interleaving line i with line i + N / 2, log2 N times over, turns a tile of N x N. */
#define TURN(size, T, N, steps)                                                                                   \
  typedef T tile_line_##size __attribute__((ext_vector_type(N)));                                                      \
  typedef T tile_memory_##size __attribute__((ext_vector_type(N), aligned(1)));                                        \
  static inline __attribute__((always_inline)) void turn_##size(char *r, int64_t r_row, const char *p,                 \
                                                                int64_t p_column, bool past_caches) {                  \
    tile_line_##size a[N], b[N];                                                                                       \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < N; i++) a[i] =                                              \
        *(const tile_memory_##size *)(const void *)(p + i * p_column);                                                 \
    _Pragma("clang loop unroll(full)") for (int s = 0; s < steps; s++) {                                               \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < N / 2; i++) {                                             \
        b[2 * i] = __builtin_shufflevector(a[i], a[i + N / 2], LOW_##N);                                               \
        b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + N / 2], HIGH_##N);                                          \
      }                                                                                                                \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < N; i++) a[i] = b[i];                                      \
    }                                                                                                                  \
    if (past_caches) {                                                                                                 \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < N; i++)                                                   \
          __builtin_nontemporal_store(a[i], (tile_line_##size *)(void *)(r + i * r_row));                              \
    } else {                                                                                                           \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < N; i++) *(tile_memory_##size *)(void *)(r + i * r_row) =  \
          a[i];                                                                                                        \
    }                                                                                                                  \
  }                                                                                                                    \
  static void transpose_##size(int64_t rows, int64_t columns, char *r, int64_t r_row, const char *p,                   \
                               int64_t p_column, bool past_caches) {                                                   \
    int64_t whole_rows = rows - rows % N, whole_columns = columns - columns % N, S = sizeof(T);                        \
    past_caches = past_caches && ((uintptr_t)r | (uintptr_t)r_row) % sizeof(tile_line_##size) == 0;                    \
    for (int64_t i = 0; i < whole_columns; i += N) {                                                                   \
      if (i + 2 * N <= columns)                                                                                        \
        for (int64_t k = 0; k < N; k++)                                                                                \
          for (int64_t j = 0; j < rows; j += 64 / (int64_t)sizeof(T))                                                  \
            __builtin_prefetch(p + (i + N + k) * p_column + j * S);                                                    \
      for (int64_t j = 0; j < whole_rows; j += N)                                                                      \
        turn_##size(r + j * r_row + i * S, r_row, p + i * p_column + j * S, p_column, past_caches);                    \
    }                                                                                                                  \
    for (int64_t j = 0; j < rows; j++)                                                                                 \
      for (int64_t i = j < whole_rows ? whole_columns : 0; i < columns; i++)                                           \
        *(T *)(void *)(r + j * r_row + i * S) = *(const T *)(const void *)(p + i * p_column + j * S);                  \
  }
TURN(1, uint8_t, 16, 4)
TURN(2, uint16_t, 16, 4)
#if VECTOR_BYTES == 64
TURN(4, uint32_t, 16, 4)
TURN(8, uint64_t, 8, 3)
#elif VECTOR_BYTES == 32
TURN(4, uint32_t, 8, 3)
TURN(8, uint64_t, 4, 2)
#else
TURN(4, uint32_t, 4, 2)
TURN(8, uint64_t, 2, 1)
#endif

/* A copy that leaves the caches alone. */
static void stream(int64_t bytes, char *r, const char *a) {
  typedef uint8_t line __attribute__((ext_vector_type(VECTOR_BYTES)));
  typedef uint8_t memory __attribute__((ext_vector_type(VECTOR_BYTES), aligned(1)));
  int64_t head = -(intptr_t)r & 63;
  if (head > bytes) head = bytes;
  memcpy(r, a, (size_t)head);
  for (; head + 64 <= bytes; head += 64)
    for (int64_t part = head; part < head + 64; part += VECTOR_BYTES)
      __builtin_nontemporal_store(*(const memory *)(const void *)(a + part), (line *)(void *)(r + part));
  memcpy(r + head, a + head, (size_t)(bytes - head));
}
