/* cresset_maths_c.h: the portable functions as C, each `static inline`.
 *
 * The text in cresset_maths_f32.inc and cresset_maths_f64.inc is common to C, OpenCL C and GLSL;
 * the macros below are what it needs to be C. Its results are the same bits everywhere only if
 * products and sums are not contracted. The pragma says so to compilers that know it (clang); gcc
 * ignores it outside of its ISO modes and needs -ffp-contract=off. -ffast-math must never be on.
 */
#ifndef CRESSET_MATHS_C_H
#define CRESSET_MATHS_C_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __FAST_MATH__
#error "the portable maths relies on IEEE arithmetic: compile without -ffast-math"
#endif

typedef float f32;
typedef double f64;
typedef int32_t i32;
typedef uint32_t u32;
typedef int64_t i64;
typedef uint64_t u64;

static inline u32 cresset_float_bits(f32 x) {
  u32 u;
  __builtin_memcpy(&u, &x, sizeof u);
  return u;
}
static inline f32 cresset_bits_float(u32 u) {
  f32 x;
  __builtin_memcpy(&x, &u, sizeof x);
  return x;
}
static inline u64 cresset_double_bits(f64 x) {
  u64 u;
  __builtin_memcpy(&u, &x, sizeof u);
  return u;
}
static inline f64 cresset_bits_double(u64 u) {
  f64 x;
  __builtin_memcpy(&x, &u, sizeof x);
  return x;
}

/* Inlined without fail: a call left in a loop keeps it from being vectorised. */
#define FN static inline __attribute__((always_inline, unused))
#define D(x) (x)
#define U64(x) ((u64)(x##ull))
#define TO_F32(x) ((f32)(x))
#define TO_F64(x) ((f64)(x))
#define TO_I32(x) ((i32)(x))
#define TO_U32(x) ((u32)(x))
#define TO_I64(x) ((i64)(x))
#define TO_U64(x) ((u64)(x))
#define BITS_F32(x) cresset_float_bits(x)
#define FROM_BITS_F32(u) cresset_bits_float(u)
#define BITS_F64(x) cresset_double_bits(x)
#define FROM_BITS_F64(u) cresset_bits_double(u)
/* The library's sqrt may set errno, which keeps loops from being vectorised. */
#if defined(__clang__) && __has_builtin(__builtin_elementwise_sqrt)
#define SQRT_F32(x) __builtin_elementwise_sqrt((f32)(x))
#define SQRT_F64(x) __builtin_elementwise_sqrt((f64)(x))
#else
#define SQRT_F32(x) __builtin_sqrtf(x)
#define SQRT_F64(x) __builtin_sqrt(x)
#endif

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#include "cresset_maths_f32.inc"
#include "cresset_maths_f64.inc"

#undef FN
#undef D
#undef U64
#undef TO_F32
#undef TO_F64
#undef TO_I32
#undef TO_U32
#undef TO_I64
#undef TO_U64
#undef BITS_F32
#undef FROM_BITS_F32
#undef BITS_F64
#undef FROM_BITS_F64
#undef SQRT_F32
#undef SQRT_F64

#endif
