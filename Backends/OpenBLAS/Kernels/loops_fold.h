/* loops_fold.h: rows of a block folded to one value each. Part of loops_table.h.
 *
 * A row is dealt out over a fixed number of lanes, whatever the width of the
 * vectors, and the lanes are folded in a tree: every level gives the same bits. */

#define VECTOR_TYPE(S, lanes)                                                                                          \
  typedef type_##S vector_##S __attribute__((ext_vector_type(lanes)));                                                 \
  typedef type_##S lanes_##S __attribute__((ext_vector_type(lanes), aligned(1)));                                      \
  enum { lanes_of_##S = lanes };
VECTOR_TYPE(i32, 16)
VECTOR_TYPE(i64, 8)
VECTOR_TYPE(f32, 16)
VECTOR_TYPE(f64, 8)

#define FOLD(name, S, identity, VALUE)                                                                                 \
  static void name##_##S(int64_t rows, int64_t n, void *rp, const void *ap) {                                          \
    type_##S *r = rp;                                                                                                  \
    const type_##S *a = ap;                                                                                            \
    enum { L = lanes_of_##S };                                                                                         \
    for (int64_t row = 0; row < rows; row++, a += n) {                                                                 \
      type_##S lane[2 * L];                                                                                            \
      if (n >= 2 * L) {                                                                                                \
        vector_##S low = *(const lanes_##S *)a, high = *(const lanes_##S *)(a + L);                                    \
        int64_t i = 2 * L;                                                                                             \
        if (n >= 8 * L) { /* comparing takes a while: eight vectors under way */                                       \
          vector_##S x[8];                                                                                             \
          for (int v = 0; v < 8; v++) x[v] = *(const lanes_##S *)(a + v * L);                                          \
          for (i = 8 * L; i + 8 * L <= n; i += 8 * L)                                                                  \
            for (int v = 0; v < 8; v++) {                                                                              \
              vector_##S u = *(const lanes_##S *)(a + i + v * L);                                                      \
              x[v] = VALUE(x[v], u);                                                                                   \
            }                                                                                                          \
          for (int h = 4; h > 1; h /= 2)                                                                               \
            for (int v = 0; v < h; v++) x[v] = VALUE(x[v], x[v + h]);                                                  \
          low = x[0];                                                                                                  \
          high = x[1];                                                                                                 \
        }                                                                                                              \
        for (; i + 2 * L <= n; i += 2 * L) {                                                                           \
          vector_##S u = *(const lanes_##S *)(a + i), v = *(const lanes_##S *)(a + i + L);                             \
          low = VALUE(low, u);                                                                                         \
          high = VALUE(high, v);                                                                                       \
        }                                                                                                              \
        memcpy(lane, &low, sizeof low);                                                                                \
        memcpy(lane + L, &high, sizeof high);                                                                          \
        for (int64_t j = 0; i + j < n; j++) lane[j] = (type_##S)VALUE(lane[j], a[i + j]);                              \
      } else {                                                                                                         \
        for (int64_t j = 0; j < 2 * L; j++) lane[j] = j < n ? a[j] : (type_##S)(identity);                             \
      }                                                                                                                \
      for (int64_t half = L; half > 0; half /= 2)                                                                      \
        for (int64_t j = 0; j < half; j++) lane[j] = (type_##S)VALUE(lane[j], lane[j + half]);                         \
      r[row] = lane[0];                                                                                                \
    }                                                                                                                  \
  }

/* Vectors wrap as scalars would in unsigned arithmetic, hence the types. */
#define VALUE_ADD(x, y) ((x) + (y))
#define VALUE_MUL(x, y) ((x) * (y))
#define VALUE_MAX(x, y) (((x) > (y)) ? (x) : (y))
#define VALUE_MIN(x, y) (((x) < (y)) ? (x) : (y))
#define VALUE_FLOAT_MAX(x, y) ((((x) > (y)) | ((x) != (x))) ? (x) : (y))
#define VALUE_FLOAT_MIN(x, y) ((((x) < (y)) | ((x) != (x))) ? (x) : (y))

/* Sums and products that round: eight vectors at a time as a tree, and these again in
 * pairs, as a binary counter counts. */
#define FOLD_TREE(name, S, identity, VALUE)                                                                            \
  static void name##_##S(int64_t rows, int64_t n, void *rp, const void *ap) {                                          \
    type_##S *r = rp;                                                                                                  \
    const type_##S *a = ap;                                                                                            \
    enum { L = lanes_of_##S };                                                                                         \
    for (int64_t row = 0; row < rows; row++, a += n) {                                                                 \
      type_##S lane[2 * L];                                                                                            \
      vector_##S stack[16][2];                                                                                         \
      int top = 0;                                                                                                     \
      int64_t i = 0;                                                                                                   \
      for (int64_t group = 1; i + 16 * L <= n; i += 16 * L, group++) {                                                 \
        for (int h = 0; h < 2; h++) {                                                                                  \
          const type_##S *p = a + i + h * L;                                                                           \
          vector_##S v0 = VALUE(FOLD_AT(S, p, 0), FOLD_AT(S, p, 1)), v1 = VALUE(FOLD_AT(S, p, 2), FOLD_AT(S, p, 3));   \
          vector_##S v2 = VALUE(FOLD_AT(S, p, 4), FOLD_AT(S, p, 5)), v3 = VALUE(FOLD_AT(S, p, 6), FOLD_AT(S, p, 7));   \
          v0 = VALUE(v0, v1);                                                                                          \
          v2 = VALUE(v2, v3);                                                                                          \
          stack[top][h] = VALUE(v0, v2);                                                                               \
        }                                                                                                              \
        top++;                                                                                                         \
        for (int64_t done = group; !(done & 1); done >>= 1, top--)                                                     \
          for (int h = 0; h < 2; h++) stack[top - 2][h] = VALUE(stack[top - 2][h], stack[top - 1][h]);                 \
      }                                                                                                                \
      if (i + 2 * L <= n) {                                                                                            \
        for (int h = 0; h < 2; h++) stack[top][h] = *(const lanes_##S *)(a + i + h * L);                               \
        for (i += 2 * L; i + 2 * L <= n; i += 2 * L)                                                                   \
          for (int h = 0; h < 2; h++) stack[top][h] = VALUE(stack[top][h], *(const lanes_##S *)(a + i + h * L));       \
        top++;                                                                                                         \
      }                                                                                                                \
      for (; top > 1; top--)                                                                                           \
        for (int h = 0; h < 2; h++) stack[top - 2][h] = VALUE(stack[top - 2][h], stack[top - 1][h]);                   \
      if (top == 1) {                                                                                                  \
        memcpy(lane, stack[0], sizeof lane);                                                                           \
        for (int64_t j = 0; i + j < n; j++) lane[j] = VALUE(lane[j], a[i + j]);                                        \
      } else {                                                                                                         \
        for (int64_t j = 0; j < 2 * L; j++) lane[j] = j < n ? a[j] : (identity);                                       \
      }                                                                                                                \
      for (int64_t half = L; half > 0; half /= 2)                                                                      \
        for (int64_t j = 0; j < half; j++) lane[j] = VALUE(lane[j], lane[j + half]);                                   \
      r[row] = lane[0];                                                                                                \
    }                                                                                                                  \
  }
#define FOLD_AT(S, p, k) (*(const lanes_##S *)((p) + (k) * 2 * L))
FOLD_TREE(fold_sum, f32, 0, VALUE_ADD)
FOLD_TREE(fold_sum, f64, 0, VALUE_ADD)
FOLD_TREE(fold_prod, f32, 1, VALUE_MUL)
FOLD_TREE(fold_prod, f64, 1, VALUE_MUL)
FOLD(fold_max, f32, -INFINITY, VALUE_FLOAT_MAX)
FOLD(fold_max, f64, -INFINITY, VALUE_FLOAT_MAX)
FOLD(fold_min, f32, INFINITY, VALUE_FLOAT_MIN)
FOLD(fold_min, f64, INFINITY, VALUE_FLOAT_MIN)
FOLD(fold_max, i32, INT32_MIN, VALUE_MAX)
FOLD(fold_max, i64, INT64_MIN, VALUE_MAX)
FOLD(fold_min, i32, INT32_MAX, VALUE_MIN)
FOLD(fold_min, i64, INT64_MAX, VALUE_MIN)

/* Wrapping makes the order of integer sums and products irrelevant. */
#define FOLD_PLAIN(name, S, U, identity, operation)                                                                    \
  static void name##_##S(int64_t rows, int64_t n, void *rp, const void *ap) {                                          \
    U *r = rp;                                                                                                         \
    const U *a = ap;                                                                                                   \
    for (int64_t row = 0; row < rows; row++, a += n) {                                                                 \
      U x = identity;                                                                                                  \
      for (int64_t i = 0; i < n; i++) x = (U)(x operation a[i]);                                                       \
      r[row] = x;                                                                                                      \
    }                                                                                                                  \
  }
FOLD_PLAIN(fold_sum, i32, uint32_t, 0, +)
FOLD_PLAIN(fold_sum, i64, uint64_t, 0, +)
FOLD_PLAIN(fold_prod, i32, uint32_t, 1, *)
FOLD_PLAIN(fold_prod, i64, uint64_t, 1, *)
FOLD_PLAIN(fold_sum, bool, uint8_t, 0, |)
FOLD_PLAIN(fold_max, bool, uint8_t, 0, |)
FOLD_PLAIN(fold_prod, bool, uint8_t, 1, &)
FOLD_PLAIN(fold_min, bool, uint8_t, 1, &)

/* Columns: a few vectors at a time stay in registers while the rows go by. */
#define COLUMNS(name, S, U, VALUE)                                                                                     \
  static void name##_##S(int64_t rows, int64_t n, void *rp, const char *ap, int64_t row) {                             \
    typedef U vector_in_columns __attribute__((ext_vector_type(64 / sizeof(U)), aligned(1)));                          \
    enum { L = 64 / sizeof(U) };                                                                                       \
    U *r = rp;                                                                                                         \
    int64_t i = 0;                                                                                                     \
    for (; i + 4 * L <= n; i += 4 * L) {                                                                               \
      const vector_in_columns *a = (const void *)(ap + i * (int64_t)sizeof(U));                                        \
      vector_in_columns x0 = a[0], x1 = a[1], x2 = a[2], x3 = a[3];                                                    \
      for (int64_t j = 1; j < rows; j++) {                                                                             \
        a = (const void *)((const char *)a + row);                                                                     \
        x0 = VALUE(x0, a[0]), x1 = VALUE(x1, a[1]), x2 = VALUE(x2, a[2]), x3 = VALUE(x3, a[3]);                        \
      }                                                                                                                \
      vector_in_columns *to = (void *)(r + i);                                                                         \
      to[0] = x0, to[1] = x1, to[2] = x2, to[3] = x3;                                                                  \
    }                                                                                                                  \
    for (; i < n; i++) {                                                                                               \
      U x = *(const U *)(const void *)(ap + i * (int64_t)sizeof(U));                                                   \
      for (int64_t j = 1; j < rows; j++)                                                                               \
        x = (U)VALUE(x, *(const U *)(const void *)(ap + j * row + i * (int64_t)sizeof(U)));                            \
      r[i] = x;                                                                                                        \
    }                                                                                                                  \
  }
#define VALUE_OR(x, y) ((x) | (y))
#define VALUE_AND(x, y) ((x) & (y))
#define COLUMNS_OF_FLOATS(S)                                                                                           \
  COLUMNS(columns_sum, S, type_##S, VALUE_ADD)                                                                         \
  COLUMNS(columns_prod, S, type_##S, VALUE_MUL)                                                                        \
  COLUMNS(columns_max, S, type_##S, VALUE_FLOAT_MAX)                                                                   \
  COLUMNS(columns_min, S, type_##S, VALUE_FLOAT_MIN)
#define COLUMNS_OF_INTS(S, U)                                                                                          \
  COLUMNS(columns_sum, S, U, VALUE_ADD)                                                                                \
  COLUMNS(columns_prod, S, U, VALUE_MUL)                                                                               \
  COLUMNS(columns_max, S, type_##S, VALUE_MAX)                                                                         \
  COLUMNS(columns_min, S, type_##S, VALUE_MIN)
COLUMNS_OF_FLOATS(f32)
COLUMNS_OF_FLOATS(f64)
COLUMNS_OF_INTS(i32, uint32_t)
COLUMNS_OF_INTS(i64, uint64_t)
COLUMNS(columns_sum, bool, uint8_t, VALUE_OR)
COLUMNS(columns_prod, bool, uint8_t, VALUE_AND)
COLUMNS(columns_max, bool, uint8_t, VALUE_OR)
COLUMNS(columns_min, bool, uint8_t, VALUE_AND)

/* Sixty-four at a time without a branch, then within them. */
#define FIND(S)                                                                                                        \
  static int64_t find_##S(int64_t n, const void *ap, const void *value) {                                              \
    const type_##S *a = ap, v = *(const type_##S *)value;                                                              \
    int64_t i = 0;                                                                                                     \
    for (; i + 64 <= n; i += 64) {                                                                                     \
      int found = 0;                                                                                                   \
      for (int64_t j = 0; j < 64; j++) found |= a[i + j] == v || (v != v && a[i + j] != a[i + j]);                     \
      if (found) break;                                                                                                \
    }                                                                                                                  \
    for (; i < n - 1; i++)                                                                                             \
      if (a[i] == v || (v != v && a[i] != a[i])) break;                                                                \
    return i;                                                                                                          \
  }
FIND(bool)
FIND(i32)
FIND(i64)
FIND(f32)
FIND(f64)

/* The first NaN beats everything after it. */
#define BETTER(name, S, operation)                                                                                     \
  static void name##_##S(int64_t n, void *bestp, int64_t *where, const void *ap, const int64_t *b, int64_t b_step) {   \
    type_##S *best = bestp;                                                                                            \
    const type_##S *a = ap;                                                                                            \
    EACH {                                                                                                             \
      type_##S x = a[i], y = best[i];                                                                                  \
      int64_t p = b[i * b_step], q = where[i];                                                                         \
      bool better = x operation y || (x != x && y == y);                                                               \
      best[i] = better ? x : y;                                                                                        \
      where[i] = better ? p : q;                                                                                       \
    }                                                                                                                  \
  }
#define BETTERS(S) BETTER(greater, S, >) BETTER(less, S, <)
BETTERS(bool)
BETTERS(i32)
BETTERS(i64)
BETTERS(f32)
BETTERS(f64)
