/* loops_pack.h: matrices into the order in which the product's kernels read them. Part of loops_table.h. */

/* The four-by-four corners of lines that are contiguous along the depth, turned over in registers. */
typedef uint32_t pack_quad __attribute__((ext_vector_type(4)));
typedef uint32_t pack_quad_memory __attribute__((ext_vector_type(4), aligned(4), may_alias));
typedef uint64_t pack_pair __attribute__((ext_vector_type(2)));
typedef uint64_t pack_pair_memory __attribute__((ext_vector_type(2), aligned(8), may_alias));

static inline __attribute__((always_inline)) void pack_turn_4(uint32_t *r, int64_t strip, const uint32_t *p,
                                                              int64_t line) {
  pack_quad a = *(const pack_quad_memory *)p, b = *(const pack_quad_memory *)(p + line);
  pack_quad c = *(const pack_quad_memory *)(p + 2 * line), d = *(const pack_quad_memory *)(p + 3 * line);
  pack_quad x = __builtin_shufflevector(a, b, 0, 4, 1, 5), y = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  pack_quad z = __builtin_shufflevector(a, b, 2, 6, 3, 7), w = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  *(pack_quad_memory *)r = __builtin_shufflevector(x, y, 0, 1, 4, 5);
  *(pack_quad_memory *)(r + strip) = __builtin_shufflevector(x, y, 2, 3, 6, 7);
  *(pack_quad_memory *)(r + 2 * strip) = __builtin_shufflevector(z, w, 0, 1, 4, 5);
  *(pack_quad_memory *)(r + 3 * strip) = __builtin_shufflevector(z, w, 2, 3, 6, 7);
}
static inline __attribute__((always_inline)) void pack_turn_8(uint64_t *r, int64_t strip, const uint64_t *p,
                                                              int64_t line) {
  pack_pair a = *(const pack_pair_memory *)p, b = *(const pack_pair_memory *)(p + line);
  *(pack_pair_memory *)r = __builtin_shufflevector(a, b, 0, 2);
  *(pack_pair_memory *)(r + strip) = __builtin_shufflevector(a, b, 1, 3);
}

/* See CpuPack. Q: lines and depth that are turned over at a time. Memory is read in long runs, some lines at a time,
 * and ahead of the runs that come next. */
#define PACK(size, T, Q)                                                                                               \
  static inline __attribute__((always_inline)) void pack_rows_##size(int64_t lines, const int64_t strip, int64_t depth,\
                                                                     T *r, const T *p, int64_t deep) {                 \
    for (int64_t d = 0; d < depth; d += 8, r += 8 * strip, p += 8 * deep) {                                            \
      int64_t rows = depth - d < 8 ? depth - d : 8, l = 0;                                                             \
      T *to = r;                                                                                                       \
      for (; l + strip <= lines; l += strip, to += strip * depth)                                                      \
        for (int64_t e = 0; e < rows; e++) memcpy(to + e * strip, p + e * deep + l, (size_t)strip * sizeof(T));        \
      for (int64_t e = 0; l < lines && e < rows; e++) {                                                                \
        for (int64_t i = l; i < lines; i++) to[e * strip + i - l] = p[e * deep + i];                                   \
        for (int64_t i = lines - l; i < strip; i++) to[e * strip + i] = 0;                                             \
      }                                                                                                                \
    }                                                                                                                  \
  }                                                                                                                    \
  static void pack_strip_##size(int64_t lines, int64_t strip, int64_t depth, T *r, const T *p, int64_t line,           \
                                int64_t deep, int64_t later) {                                                         \
    int64_t l = 0;                                                                                                     \
    if (deep == 1) {                                                                                                   \
      /* (The last lines may be turned over twice.) */                                                                 \
      for (; l < lines && lines >= Q; l += Q) {                                                                        \
        if (l + Q > lines) l = lines - Q;                                                                              \
        int64_t d = 0;                                                                                                 \
        for (; d + Q <= depth; d += Q) {                                                                               \
          if (d % (64 / size) == 0 && l + 2 * Q <= later)                                                              \
            for (int64_t i = 0; i < Q; i++) __builtin_prefetch(p + (l + Q + i) * line + d);                            \
          pack_turn_##size(r + d * strip + l, strip, p + l * line + d, line);                                          \
        }                                                                                                              \
        for (; d < depth; d++)                                                                                         \
          for (int64_t i = 0; i < Q; i++) r[d * strip + l + i] = p[(l + i) * line + d];                                \
      }                                                                                                                \
    }                                                                                                                  \
    for (int64_t d = 0; d < depth && l < strip; d++) {                                                                 \
      for (int64_t i = l; i < lines; i++) r[d * strip + i] = p[i * line + d * deep];                                   \
      for (int64_t i = lines; i < strip; i++) r[d * strip + i] = 0;                                                    \
    }                                                                                                                  \
  }                                                                                                                    \
  static __attribute__((unused)) void pack_##size(int64_t lines, int64_t strip, int64_t depth, void *rp, const char *p,\
                                                  int64_t line, int64_t deep) {                                        \
    T *r = rp;                                                                                                         \
    line /= size, deep /= size;                                                                                        \
    if (line == 1 && deep != 1) {                                                                                      \
      enum { N = GEMM_VECTORS * VECTOR_BYTES / size };                                                                 \
      const T *a = (const T *)(const void *)p;                                                                         \
      if (strip == N) pack_rows_##size(lines, N, depth, r, a, deep);                                                   \
      else if (strip == GEMM_ROWS) pack_rows_##size(lines, GEMM_ROWS, depth, r, a, deep);                              \
      else pack_rows_##size(lines, strip, depth, r, a, deep);                                                          \
      return;                                                                                                          \
    }                                                                                                                  \
    for (; lines > 0; lines -= strip, r += strip * depth, p += strip * line * size)                                    \
      pack_strip_##size(lines < strip ? lines : strip, strip, depth, r, (const T *)(const void *)p, line, deep, lines);\
  }
PACK(4, uint32_t, 4)
#ifndef GEMM_PAIRS
PACK(8, uint64_t, 2)
#endif

#ifdef GEMM_PAIRS
/* Not 0 if there is an element that is neither 0 nor of a magnitude from 2^-50 to 2^63. */
static uint32_t scan_bfloat16_pairs(int64_t n, const uint16_t *a) {
  uint16_t odd = 0;
  for (int64_t i = 0; i < n; i++) {
    uint16_t magnitude = (uint16_t)(a[i] << 1);
    odd |= (uint16_t)((magnitude != 0) & ((uint16_t)(magnitude - ((127 - 50) << 8)) > (113 << 8)));
  }
  return odd;
}

/* Pairs of bfloat16, neighbours along the depth, as one element; an odd depth ends with a zero. */
static void pack_bfloat16_pairs(int64_t lines, int64_t strip, int64_t depth, void *rp, const char *p, int64_t line,
                                int64_t deep) {
  uint32_t *r = rp;
  int64_t pairs = (depth + 1) / 2;
  for (; lines > 0; lines -= strip, r += strip * pairs, p += strip * line) {
    int64_t there = lines < strip ? lines : strip, whole = depth / 2;
    if (deep == 2 && line % 2 == 0 && whole > 0 && line != 2) {
      if (line % 4 == 0) pack_strip_4(there, strip, whole, r, (const uint32_t *)(const void *)p, line / 4, 1, lines);
      else
        for (int64_t d = 0; d < whole; d++) {
          for (int64_t i = 0; i < there; i++) memcpy(&r[d * strip + i], p + i * line + d * 4, 4);
          for (int64_t i = there; i < strip; i++) r[d * strip + i] = 0;
        }
    } else {
      for (int64_t d = 0; d < whole; d++) {
        const char *a = p + 2 * d * deep, *b = a + deep;
        if (line == 2) {
          const uint16_t *x = (const uint16_t *)(const void *)a, *y = (const uint16_t *)(const void *)b;
          for (int64_t i = 0; i < there; i++) r[d * strip + i] = x[i] | (uint32_t)y[i] << 16;
        } else {
          for (int64_t i = 0; i < there; i++) {
            uint16_t x = *(const uint16_t *)(const void *)(a + i * line);
            r[d * strip + i] = x | (uint32_t)*(const uint16_t *)(const void *)(b + i * line) << 16;
          }
        }
        for (int64_t i = there; i < strip; i++) r[d * strip + i] = 0;
      }
    }
    if (whole == pairs) continue;
    for (int64_t i = 0; i < strip; i++)
      r[whole * strip + i] = i < there ? *(const uint16_t *)(const void *)(p + i * line + 2 * whole * deep) : 0;
  }
}
#endif
