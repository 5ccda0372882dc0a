/* loops_elementwise.h: the instructions, over blocks. Part of loops_table.h. */

typedef uint8_t type_bool;
typedef int32_t type_i32;
typedef int64_t type_i64;
typedef float type_f32;
typedef double type_f64;

#define UNARY(name, S, value)                                                                                          \
  static void name##_##S(OP_ARGUMENTS) {                                                                               \
    UNUSED_OPERANDS;                                                                                                   \
    type_##S *r = rp;                                                                                                  \
    const type_##S *a = ap;                                                                                            \
    EACH {                                                                                                             \
      type_##S x = a[i];                                                                                               \
      r[i] = (type_##S)(value);                                                                                        \
    }                                                                                                                  \
  }

/* Three forms each: block and block, block and scalar, scalar and block. */
#define BINARY_AS(LOOP, name, S, R, value)                                                                             \
  static void vv_##name##_##S(OP_ARGUMENTS) {                                                                          \
    UNUSED_OPERANDS;                                                                                                   \
    R *r = rp;                                                                                                         \
    const type_##S *a = ap, *b = bp;                                                                                   \
    LOOP {                                                                                                             \
      type_##S x = a[i], y = b[i];                                                                                     \
      r[i] = (R)(value);                                                                                               \
    }                                                                                                                  \
  }                                                                                                                    \
  static void vs_##name##_##S(OP_ARGUMENTS) {                                                                          \
    UNUSED_OPERANDS;                                                                                                   \
    R *r = rp;                                                                                                         \
    const type_##S *a = ap, y = *(const type_##S *)bp;                                                                 \
    LOOP {                                                                                                             \
      type_##S x = a[i];                                                                                               \
      r[i] = (R)(value);                                                                                               \
    }                                                                                                                  \
  }                                                                                                                    \
  static void sv_##name##_##S(OP_ARGUMENTS) {                                                                          \
    UNUSED_OPERANDS;                                                                                                   \
    R *r = rp;                                                                                                         \
    const type_##S x = *(const type_##S *)ap, *b = bp;                                                                 \
    LOOP {                                                                                                             \
      type_##S y = b[i];                                                                                               \
      r[i] = (R)(value);                                                                                               \
    }                                                                                                                  \
  }
#define BINARY(name, S, value) BINARY_AS(EACH, name, S, type_##S, value)
#define COMPARE(name, S, value) BINARY_AS(EACH, name, S, uint8_t, value)

/* ------------------------------------------------------------------ floats -- */

#define FLOAT_OPERATIONS(S, fmod_function)                                                                             \
  UNARY(neg, S, -x)                                                                                                    \
  UNARY(abs, S, __builtin_elementwise_abs(x))                                                                          \
  UNARY(sqrt, S, __builtin_elementwise_sqrt(x))                                                                        \
  UNARY(floor, S, __builtin_elementwise_floor(x))                                                                      \
  UNARY(ceil, S, __builtin_elementwise_ceil(x))                                                                        \
  UNARY(trunc, S, __builtin_elementwise_trunc(x))                                                                      \
  UNARY(round, S, __builtin_elementwise_rint(x))                                                                       \
  BINARY(add, S, x + y)                                                                                                \
  BINARY(sub, S, x - y)                                                                                                \
  BINARY(mul, S, x *y)                                                                                                 \
  BINARY(div, S, x / y)                                                                                                \
  BINARY_AS(EACH_PLAIN, rem, S, type_##S, fmod_function(x, y))                                                         \
  BINARY(min, S, (x < y || x != x) ? x : y)                                                                            \
  BINARY(max, S, (x > y || x != x) ? x : y)
FLOAT_OPERATIONS(f32, fmodf)
FLOAT_OPERATIONS(f64, fmod)

/* -------------------------------------------------------------------- ints -- */

/* Unsigned arithmetic wraps, signed must not overflow in C. */
#define INT_OPERATIONS(S, U, width)                                                                                    \
  UNARY(neg, S, (U)0 - (U)x)                                                                                           \
  UNARY(abs, S, x < 0 ? (U)0 - (U)x : (U)x)                                                                            \
  UNARY(not, S, ~x)                                                                                                    \
  UNARY(copy, S, x)                                                                                                    \
  BINARY(add, S, (U)x + (U)y)                                                                                          \
  BINARY(sub, S, (U)x - (U)y)                                                                                          \
  BINARY(mul, S, (U)x * (U)y)                                                                                          \
  BINARY_AS(EACH_PLAIN, div, S, type_##S, y == 0 ? 0 : y == -1 ? (type_##S)((U)0 - (U)x) : x / y)                      \
  BINARY_AS(EACH_PLAIN, rem, S, type_##S, (y == 0 || y == -1) ? 0 : x % y)                                             \
  BINARY(min, S, x < y ? x : y)                                                                                        \
  BINARY(max, S, x > y ? x : y)                                                                                        \
  BINARY(and, S, x &y)                                                                                                 \
  BINARY(or, S, x | y)                                                                                                 \
  BINARY(xor, S, x ^ y)                                                                                                \
  BINARY(shl, S, (U)y < width ? (U)x << ((U)y & (width - 1)) : 0)                                                      \
  BINARY(shr, S, x >> ((U)y < width ? y : width - 1))                                                                  \
  BINARY(ushr, S, (U)y < width ? (U)x >> ((U)y & (width - 1)) : 0)
INT_OPERATIONS(i32, uint32_t, 32)
INT_OPERATIONS(i64, uint64_t, 64)

UNARY(copy, bool, x)
UNARY(not, bool, x ^ 1)
BINARY(add, bool, x | y)
BINARY(sub, bool, x ^ y)
BINARY(mul, bool, x &y)
BINARY(min, bool, x &y)
BINARY(max, bool, x | y)
BINARY(and, bool, x &y)
BINARY(or, bool, x | y)
BINARY(xor, bool, x ^ y)

#define COMPARISONS(S)                                                                                                 \
  COMPARE(eq, S, x == y)                                                                                               \
  COMPARE(ne, S, x != y)                                                                                               \
  COMPARE(lt, S, x < y)                                                                                                \
  COMPARE(le, S, x <= y)
COMPARISONS(bool)
COMPARISONS(i32)
COMPARISONS(i64)
COMPARISONS(f32)
COMPARISONS(f64)

/* ----------------------------------------------------------------- ternary -- */

#define SELECT(S)                                                                                                      \
  static void select_##S(OP_ARGUMENTS) {                                                                               \
    type_##S *r = rp;                                                                                                  \
    const uint8_t *a = ap;                                                                                             \
    const type_##S *b = bp, *c = cp;                                                                                   \
    EACH {                                                                                                             \
      type_##S x = b[i], y = c[i];                                                                                     \
      r[i] = a[i] ? x : y;                                                                                             \
    }                                                                                                                  \
  }
SELECT(bool)
SELECT(i32)
SELECT(i64)
SELECT(f32)
SELECT(f64)

#define FMA(S, value)                                                                                                  \
  static void fma_##S(OP_ARGUMENTS) {                                                                                  \
    type_##S *r = rp;                                                                                                  \
    const type_##S *a = ap, *b = bp, *c = cp;                                                                          \
    EACH r[i] = (type_##S)(value);                                                                                     \
  }
FMA(f32, __builtin_elementwise_fma(a[i], b[i], c[i]))
FMA(f64, __builtin_elementwise_fma(a[i], b[i], c[i]))

/* A product with a scalar, and a sum or difference of it and another block: two roundings. */
#define SCALED(name, S, value)                                                                                         \
  static void name##_##S(OP_ARGUMENTS) {                                                                               \
    type_##S *r = rp;                                                                                                  \
    const type_##S *a = ap, s = *(const type_##S *)bp, *c = cp;                                                        \
    EACH {                                                                                                             \
      type_##S x = a[i] * s, y = c[i];                                                                                 \
      r[i] = value;                                                                                                    \
    }                                                                                                                  \
  }
#define SCALINGS(S) SCALED(scaled_add, S, x + y) SCALED(scaled_sub, S, x - y) SCALED(sub_scaled, S, y - x)
SCALINGS(f32)
SCALINGS(f64)

/* ------------------------------------------------------------------- casts -- */

#define CAST(from, to, value)                                                                                          \
  static void cast_##from##_##to(OP_ARGUMENTS) {                                                                       \
    UNUSED_OPERANDS;                                                                                                   \
    type_##to *r = rp;                                                                                                 \
    const type_##from *a = ap;                                                                                         \
    EACH {                                                                                                             \
      type_##from x = a[i];                                                                                            \
      r[i] = (type_##to)(value);                                                                                       \
    }                                                                                                                  \
  }
CAST(bool, i32, x)
CAST(bool, i64, x)
CAST(bool, f32, x)
CAST(bool, f64, x)
CAST(i32, bool, x != 0)
CAST(i32, i64, x)
CAST(i32, f32, x)
CAST(i32, f64, x)
CAST(i64, bool, x != 0)
CAST(i64, i32, (uint32_t)x)
CAST(i64, f32, x)
CAST(i64, f64, x)
CAST(f32, bool, x != 0)
CAST(f32, i32, x >= -0x1p31f && x < 0x1p31f ? (int32_t)x : INT32_MIN)
CAST(f32, i64, x >= -0x1p63f && x < 0x1p63f ? (int64_t)x : INT64_MIN)
CAST(f32, f64, x)
CAST(f64, bool, x != 0)
CAST(f64, i32, x > -0x1.00000002p31 && x < 0x1p31 ? (int32_t)x : INT32_MIN)
CAST(f64, i64, x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN)
CAST(f64, f32, x)

/* ------------------------------------------------------------------ philox -- */

/* Philox4x32-10 (Salmon et al., 2011): one word of the ten rounds. */
static inline __attribute__((always_inline)) int32_t philox_word(uint64_t key, uint64_t counter, int word) {
  uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    uint64_t p = (uint64_t)0xD2511F53u * c0, q = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)q;
    c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p;
  }
  return (int32_t)(word == 0 ? c0 : word == 1 ? c1 : word == 2 ? c2 : c3);
}
#define PHILOX(word)                                                                                                   \
  static void philox_##word(OP_ARGUMENTS) {                                                                            \
    (void)cp;                                                                                                          \
    int32_t *r = rp;                                                                                                   \
    const int64_t *a = ap, *b = bp;                                                                                    \
    EACH r[i] = philox_word((uint64_t)a[i], (uint64_t)b[i], word);                                                     \
  }
PHILOX(0)
PHILOX(1)
PHILOX(2)
PHILOX(3)
