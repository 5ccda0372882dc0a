/* loops_fast.h: better loops for the functions that are called most. Part of loops_table.h.
 *
 * The portable functions compute every case of their definition and select. Where one case is rare or
 * costly, these loops keep it apart. Every element gets the bits of the portable function. */

enum { FAST_CHUNK = 512 };

/* Cuts a function over any number of elements into chunks; the body sees n, r and a. */
#define IN_CHUNKS(name, S, ...)                                                                                        \
  static void fast_##name##_##S(int64_t count, void *rp, const void *ap, const void *bp, const void *cp) {             \
    for (int64_t done = 0, n; done < count; done += n) {                                                               \
      type_##S *r = (type_##S *)rp + done;                                                                             \
      const type_##S *a = (const type_##S *)ap + done;                                                                 \
      n = count - done < FAST_CHUNK ? count - done : FAST_CHUNK;                                                       \
      __VA_ARGS__                                                                                                      \
    }                                                                                                                  \
    UNUSED_OPERANDS;                                                                                                   \
  }

/* ------------------------------------------------------------------ angles -- */

/* Whether every |a[i]| is below the limit (none is NaN). */
#define ALL_WITHIN(S, U, mask)                                                                                         \
  static inline __attribute__((always_inline)) bool all_within_##S(int64_t n, const type_##S *a, type_##S limit) {     \
    U most = 0, bound;                                                                                                 \
    memcpy(&bound, &limit, sizeof bound);                                                                              \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
      U bits;                                                                                                          \
      memcpy(&bits, &a[i], sizeof bits);                                                                               \
      bits &= mask;                                                                                                    \
      most = bits > most ? bits : most;                                                                                \
    }                                                                                                                  \
    return most < bound;                                                                                               \
  }
ALL_WITHIN(f32, uint32_t, 0x7fffffffu)
ALL_WITHIN(f64, uint64_t, 0x7fffffffffffffffull)

/* Angles that are not huge need no more of 1 / (2 pi) than its first words (f32), and no turns at all (f64). */
#define QUARTER_f32(x, quarter) cresset_quarter_from_f32(x, quarter, 0)
#define QUARTER_f64(x, quarter) cresset_quarter_near_f64(x, quarter)
#define HUGE_f32 0x1p31f
#define HUGE_f64 500000.0
#define SIN(S, x) ((x) == 0 ? (x) : QUARTER_##S(x, 0))
#define COS(S, x) QUARTER_##S(x, 1)
#define TAN(S, x) ((x) == 0 ? (x) : QUARTER_##S(x, 0) / QUARTER_##S(x, 1))
#define ANGLE(name, S, VALUE)                                                                                          \
  IN_CHUNKS(name, S, {                                                                                                 \
    if (!all_within_##S(n, a, HUGE_##S)) {                                                                             \
      call_##name##_##S(n, r, a, a, a);                                                                                \
      continue;                                                                                                        \
    }                                                                                                                  \
    EACH_TWICE {                                                                                                       \
      type_##S x = a[i];                                                                                               \
      r[i] = VALUE(S, x);                                                                                              \
    }                                                                                                                  \
  })
ANGLE(sin, f32, SIN)
ANGLE(sin, f64, SIN)
ANGLE(cos, f32, COS)
ANGLE(cos, f64, COS)
ANGLE(tan, f32, TAN)
ANGLE(tan, f64, TAN)

/* -------------------------------------------------- one case among the rest -- */

/* Copies those elements for which |a[i] scale - center| < limit does not hold, and their places; returns how many there
 * are. */
#define PICK(S, ABS)                                                                                                   \
  static inline __attribute__((always_inline)) int64_t pick_##S(                                                       \
      int64_t n, const type_##S *a, type_##S scale, type_##S center, type_##S limit, type_##S *picked,                 \
      int32_t *place) {                                                                                                \
    int64_t count = 0;                                                                                                 \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
      type_##S x = a[i];                                                                                               \
      picked[count] = x;                                                                                               \
      place[count] = (int32_t)i;                                                                                       \
      count += !(ABS(x * scale - center) < limit);                                                                     \
    }                                                                                                                  \
    return count;                                                                                                      \
  }
#if HAS_AVX512
static inline __attribute__((always_inline)) int64_t pick_f32(int64_t n, const float *a, float scale, float center,
                                                              float limit, float *picked, int32_t *place) {
  int64_t count = 0;
  __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (int64_t i = 0; i < n; i += 16, at = _mm512_add_epi32(at, _mm512_set1_epi32(16))) {
    __mmask16 there = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : (__mmask16)0xffff;
    __m512 x = _mm512_maskz_loadu_ps(there, a + i);
    __m512 d = _mm512_abs_ps(x * _mm512_set1_ps(scale) - _mm512_set1_ps(center));
    __mmask16 far = _mm512_mask_cmp_ps_mask(there, d, _mm512_set1_ps(limit), _CMP_NLT_UQ);
    _mm512_storeu_ps(picked + count, _mm512_maskz_compress_ps(far, x));
    _mm512_storeu_si512(place + count, _mm512_maskz_compress_epi32(far, at));
    count += __builtin_popcount(far);
  }
  return count;
}
#else
PICK(f32, cresset_abs_f32)
#endif
PICK(f64, cresset_abs_f64)

/* r[i] = MOST of x, but REST of it where x scale lies as far from `center` as `limit`. The rest is computed in whole
 * vectors, for which the numbers are filled up with zeros. */
#define PICKED(name, S, scale, center, limit, MOST, REST)                                                              \
  IN_CHUNKS(name, S, {                                                                                                 \
    type_##S picked[FAST_CHUNK + 32];                                                                                  \
    int32_t place[FAST_CHUNK + 32];                                                                                    \
    int64_t count = pick_##S(n, a, scale, center, limit, picked, place), whole = (count + 31) & -32;                   \
    EACH_TWICE {                                                                                                       \
      type_##S x = a[i];                                                                                               \
      r[i] = MOST(S, x);                                                                                               \
    }                                                                                                                  \
    for (int64_t i = count; i < whole; i++) picked[i] = 0;                                                             \
    _Pragma("clang loop vectorize(assume_safety) interleave_count(2)") for (int64_t i = 0; i < whole; i++) {           \
      type_##S x = picked[i];                                                                                          \
      picked[i] = REST(S, x);                                                                                          \
    }                                                                                                                  \
    for (int64_t i = 0; i < count; i++) r[place[i]] = picked[i];                                                       \
  })

#define ERF_HEAD(S, x) cresset_with_sign_##S(cresset_erf_head_##S(cresset_abs_##S(x)), x)
#define ERF_TAIL(S, x) ((x) == (x) ? cresset_with_sign_##S(1 - cresset_erfc_tail_##S(cresset_abs_##S(x)), x) : (x))
PICKED(erf, f32, 1, 0, 1, ERF_HEAD, ERF_TAIL)
PICKED(erf, f64, 1, 0, 1, ERF_HEAD, ERF_TAIL)

/* Where 1 - x^2, or 4 u (1 - u), is above exp(-5), the quantile is in the first piece of cresset_normal_ratio. */
#define ERFINV_MIDDLE(S, x) cresset_with_sign_##S(cresset_erfinv_core_##S(cresset_abs_##S(x), true), x)
#define ERFINV(S, x) cresset_erfinv_##S(x)
PICKED(erfinv, f32, 1, 0, 0.996f, ERFINV_MIDDLE, ERFINV)
PICKED(erfinv, f64, 1, 0, 0.996, ERFINV_MIDDLE, ERFINV)
#define NORMAL_MIDDLE(S, u) cresset_normal_core_##S(u, true)
#define NORMAL(S, u) cresset_normal_##S(u)
PICKED(normal, f32, 1, 0.5f, 0.498f, NORMAL_MIDDLE, NORMAL)
PICKED(normal, f64, 1, 0.5, 0.498, NORMAL_MIDDLE, NORMAL)

/* ----------------------------------------------------------- exponentials -- */

#define SIGMOID(x) (1 / (1 + cresset_exp_f32(-(x))))
#define SILU(x) ((x) / (1 + cresset_exp_f32(-(x))))
#if HAS_AVX512
/* cresset_exp_f32, four vectors side by side. Scaling by 2^n is one instruction that rounds once, as
 * cresset_scale_f32 does, and so is rounding to an integer. */
#define FOUR _Pragma("clang loop unroll(full)") for (int k = 0; k < 4; k++)
static inline __attribute__((always_inline)) void exp_of_four(__m512 *x) {
  __m512 n[4], r[4], p[4];
  FOUR x[k] = _mm512_max_ps(_mm512_set1_ps(-106), _mm512_min_ps(_mm512_set1_ps(91), x[k]));
  FOUR n[k] = _mm512_roundscale_ps(x[k] * _mm512_set1_ps(1.44269502f), 8);
  FOUR r[k] = (x[k] - n[k] * _mm512_set1_ps(0.693145752f)) - n[k] * _mm512_set1_ps(1.42860677e-6f);
  FOUR p[k] = _mm512_set1_ps(0.000198919806f) * r[k] + _mm512_set1_ps(0.00139345415f);
  FOUR p[k] = p[k] * r[k] + _mm512_set1_ps(0.00833331048f);
  FOUR p[k] = p[k] * r[k] + _mm512_set1_ps(0.0416664556f);
  FOUR p[k] = p[k] * r[k] + _mm512_set1_ps(0.166666672f);
  FOUR p[k] = p[k] * r[k] + _mm512_set1_ps(0.5f);
  FOUR x[k] = _mm512_scalef_ps(_mm512_set1_ps(1) + (r[k] + r[k] * r[k] * p[k]), n[k]);
}
#define EXPONENTIAL(name, PORTABLE, before, after)                                                                     \
  static void fast_##name##_f32(OP_ARGUMENTS) {                                                                        \
    UNUSED_OPERANDS;                                                                                                   \
    for (int64_t i = 0; i < n; i += 64) {                                                                              \
      __m512 x[4], e[4];                                                                                               \
      __mmask16 there[4];                                                                                              \
      FOUR there[k] = n - i >= 16 * k + 16 ? (__mmask16)0xffff                                                         \
                      : n - i > 16 * k             ? (__mmask16)((1u << (n - i - 16 * k)) - 1)                         \
                                                   : (__mmask16)0;                                                     \
      FOUR x[k] = _mm512_maskz_loadu_ps(there[k], (const float *)ap + i + 16 * k);                                     \
      FOUR e[k] = before;                                                                                              \
      exp_of_four(e);                                                                                                  \
      FOUR _mm512_mask_storeu_ps((float *)rp + i + 16 * k, there[k], after);                                           \
    }                                                                                                                  \
  }
#define MINUS_X _mm512_xor_ps(x[k], _mm512_set1_ps(-0.f))
EXPONENTIAL(exp, cresset_exp_f32, x[k], e[k])
EXPONENTIAL(sigmoid, SIGMOID, MINUS_X, _mm512_set1_ps(1) / (_mm512_set1_ps(1) + e[k]))
EXPONENTIAL(silu, SILU, MINUS_X, x[k] / (_mm512_set1_ps(1) + e[k]))
#else
#define EXPONENTIAL(name, PORTABLE, before, after)                                                                     \
  static void fast_##name##_f32(OP_ARGUMENTS) {                                                                        \
    UNUSED_OPERANDS;                                                                                                   \
    float *r = rp;                                                                                                     \
    const float *a = ap;                                                                                               \
    EACH_TWICE {                                                                                                       \
      float x = a[i];                                                                                                  \
      r[i] = PORTABLE(x);                                                                                              \
    }                                                                                                                  \
  }
EXPONENTIAL(exp, cresset_exp_f32, , )
EXPONENTIAL(sigmoid, SIGMOID, , )
EXPONENTIAL(silu, SILU, , )
#endif
#define fast_exp_f64 call_exp_f64

/* x 0.5 (1 + erf(x / sqrt 2)), rounded step by step. */
#define ROOT_HALF 0.707106781186547524f
#define GELU_HEAD(S, x) ((x)*0.5f * (1 + ERF_HEAD(S, (x)*ROOT_HALF)))
#define GELU_TAIL(S, x) ((x)*0.5f * (1 + ERF_TAIL(S, (x)*ROOT_HALF)))
PICKED(gelu, f32, ROOT_HALF, 0, 1, GELU_HEAD, GELU_TAIL)

#define FAST_FUNCTIONS(X) X(exp) X(sin) X(cos) X(tan) X(erf) X(erfinv) X(normal)
