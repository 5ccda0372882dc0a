/* The error of every portable function, and its values at the edges of its domain.
 *
 * Built once per precision: -DPRECISION=32 judges f32 by long double, -DPRECISION=64 f64 by
 * __float128 (gcc, -lquadmath). Arguments: number of points per function (default 4 million and
 * 200 thousand), then names of functions (default all). Prints the worst error and where; exit code
 * 1 if a function is worse than cresset_ulp.h says.
 */
#include <math.h>
#include <quadmath.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cresset_backend.h"
#include "cresset_maths_host.h"
#include "cresset_ulp.h"

#if PRECISION == 32
typedef float T;
typedef uint32_t Bits;
typedef long double R;
#define M(name) name##l
#define CALL cresset_call_f32
#define LEAST (-149)
#define DIGITS 24
#define TOP 128
#define POINTS 4000000
#else
typedef double T;
typedef uint64_t Bits;
typedef __float128 R;
#define M(name) name##q
#define CALL cresset_call_f64
#define LEAST (-1074)
#define DIGITS 53
#define TOP 1024
#define POINTS 200000
#endif

static T from_bits(Bits b) {
  T x;
  memcpy(&x, &b, sizeof x);
  return x;
}

static Bits to_bits(T x) {
  Bits b;
  memcpy(&b, &x, sizeof b);
  return b;
}

static uint64_t state = 88172645463325252ull;
static uint64_t next(void) { /* Marsaglia's xorshift */
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 0x2545f4914f6cdd1dull;
}
static double uniform(void) { return (double)(next() >> 11) * 0x1p-53; }

/* ---------------------------------------------------- references that libm has not */

#define R_PI M_PIq

static R reference_digamma(R x) {
  if (x <= 0) {
    R d = x - M(rint)(x);
    return reference_digamma(1 - x) - (R)R_PI / M(tan)((R)R_PI * d);
  }
  R sum = 0;
  while (x < 40) {
    sum -= 1 / x;
    x += 1;
  }
  static const int numerator[] = {1, -1, 1, -1, 1, -691, 1, -3617, 43867, -174611, 854513, -236364091};
  static const int denominator[] = {6, 30, 42, 30, 66, 2730, 6, 510, 798, 330, 138, 2730};
  R z = 1 / (x * x), power = z, tail = 0;
  for (int k = 0; k < 12; k++) {
    tail += (R)numerator[k] / denominator[k] / (2 * (k + 1)) * power;
    power *= z;
  }
  return sum + M(log)(x) - 1 / (2 * x) - tail;
}

/* Newton's method from the value under test. */
static R reference_erfinv(R x, T start) {
  R a = M(fabs)(x), y = M(fabs)((R)start);
  for (int i = 0; i < 3; i++) {
    R f = a < 0.5 ? M(erf)(y) - a : (1 - a) - M(erfc)(y);
    y -= f / (2 / M(sqrt)((R)R_PI) * M(exp)(-y * y));
  }
  return x < 0 ? -y : y;
}

static R reference_normal(R u, T start) {
  if (u == (R)0.5) return 0;
  bool upper = u > (R)0.5;
  R p = upper ? 1 - u : u, z = M(fabs)((R)start);
  for (int i = 0; i < 3; i++) {
    R q = M(erfc)(z / M(sqrt)((R)2)) / 2;
    z += (q - p) / (M(exp)(-z * z / 2) / M(sqrt)(2 * (R)R_PI));
  }
  return upper ? z : -z;
}

static R reference(int function, T ta, T tb, T result) {
  R a = ta, b = tb;
  switch (function) {
  case CRESSET_FUNCTION_exp: return M(exp)(a);
  case CRESSET_FUNCTION_exp2: return M(exp2)(a);
  case CRESSET_FUNCTION_expm1: return M(expm1)(a);
  case CRESSET_FUNCTION_log: return M(log)(a);
  case CRESSET_FUNCTION_log2: return M(log2)(a);
  case CRESSET_FUNCTION_log10: return M(log10)(a);
  case CRESSET_FUNCTION_log1p: return M(log1p)(a);
  case CRESSET_FUNCTION_sin: return M(sin)(a);
  case CRESSET_FUNCTION_cos: return M(cos)(a);
  case CRESSET_FUNCTION_tan: return M(tan)(a);
  case CRESSET_FUNCTION_asin: return M(asin)(a);
  case CRESSET_FUNCTION_acos: return M(acos)(a);
  case CRESSET_FUNCTION_atan: return M(atan)(a);
  case CRESSET_FUNCTION_atan2: return M(atan2)(a, b);
  case CRESSET_FUNCTION_sinh: return M(sinh)(a);
  case CRESSET_FUNCTION_cosh: return M(cosh)(a);
  case CRESSET_FUNCTION_tanh: return M(tanh)(a);
  case CRESSET_FUNCTION_asinh: return M(asinh)(a);
  case CRESSET_FUNCTION_acosh: return M(acosh)(a);
  case CRESSET_FUNCTION_atanh: return M(atanh)(a);
  case CRESSET_FUNCTION_erf: return M(erf)(a);
  case CRESSET_FUNCTION_erfc: return M(erfc)(a);
  case CRESSET_FUNCTION_erfinv: return reference_erfinv(a, result);
  case CRESSET_FUNCTION_lgamma: return M(lgamma)(a);
  case CRESSET_FUNCTION_digamma: return reference_digamma(a);
  case CRESSET_FUNCTION_pow: return M(pow)(a, b);
  default: return reference_normal(a, result);
  }
}

/* ----------------------------------------------------------------------- errors */

/* |y - t| in units of the gap around t, after taking off `slack`. Infinity counts as 2^TOP. */
static double error_in_ulps(T y, R t, R slack) {
  if (isnan(y) || t != t) return isnan(y) && t != t ? 0 : INFINITY;
  R top = M(ldexp)((R)1, TOP);
  R value = isinf(y) ? (y < 0 ? -top : top) : (R)y;
  if (t > top) t = top;
  if (t < -top) t = -top;
  R distance = M(fabs)(value - t) - slack;
  if (distance <= 0) return 0;
  int exponent = LEAST;
  if (t != 0) {
    M(frexp)(t, &exponent);
    exponent -= DIGITS;
    if (exponent < LEAST) exponent = LEAST;
    if (exponent > TOP - DIGITS) exponent = TOP - DIGITS;
  }
  return (double)M(ldexp)(distance, -exponent);
}

/* --------------------------------------------------------------------- sampling */

static T step(T x, int by) { /* `by` numbers away from x */
  return from_bits(to_bits(x) + (Bits)by);
}

static T any_bits(void) { return from_bits((Bits)next()); }

static T sign_of(T x) { return next() & 1 ? -x : x; }

static T sample(void) {
  static const double places[] = {0.5, 1, 2, 0.25, 0.75, 0.41421356, 0.70710678, 1.4142135, 0.29289322, 0.6, 0.35,
                                  0.7, 1.35, 2.6, 5, 9.7, 4, 8, 1.4616321, 0.34657359, 0.69314718, 88.72, 709.78,
                                  103.97, 745.1, 87.33, 10, 3.75, 9.19, 26.5, 89.4, 710.4, 16777216, 40};
  switch (next() % 10) {
  case 0:
  case 1:
  case 2: return any_bits();
  case 3: return sign_of((T)exp((uniform() * 2 - 1) * 12));
  case 4: return sign_of((T)uniform());
  case 5: return sign_of((T)(uniform() * 10));
  case 6: return sign_of((T)(uniform() * (PRECISION == 32 ? 110 : 760)));
  case 7: { /* next to a multiple of pi/2 */
    double k = floor(exp(uniform() * (PRECISION == 32 ? 16 : 30)));
    return sign_of(step((T)(k * (R)R_PI / 2), (int)(next() % 5) - 2));
  }
  case 8: /* next to an integer */
    return sign_of(step((T)floor(exp(uniform() * 6)), (int)(next() % 41) - 20));
  default:
    return sign_of(step((T)places[next() % (sizeof places / sizeof *places)], (int)(next() % 201) - 100));
  }
}

static void arguments(int function, T *a, T *b) {
  *a = sample();
  *b = 0;
  switch (function) {
  case CRESSET_FUNCTION_atan2:
    *b = next() % 4 ? sample() : (T)(*a * (uniform() * 4 - 2));
    break;
  case CRESSET_FUNCTION_pow:
    if (next() % 8) *a = (T)fabs((double)*a);
    if (next() % 4 == 0) {
      *b = sample();
    } else { /* so that the result is neither 0 nor infinity */
      double l = log2(fabs((double)*a));
      *b = (T)((uniform() * 2 - 1) * (PRECISION == 32 ? 152 : 1076) / (l == 0 ? 1 : l));
      if (next() % 8 == 0) *b = (T)rint((double)*b);
    }
    break;
  case CRESSET_FUNCTION_erfinv:
    if (next() % 2) *a = (T)(1 - exp(-uniform() * 40)) * (next() & 1 ? -1 : 1);
    break;
  case CRESSET_FUNCTION_normal:
    *a = (T)fabs((double)*a);
    if (next() % 4 == 0) *a = (T)exp(-uniform() * (PRECISION == 32 ? 104 : 745));
    if (next() % 8 == 0) *a = step((T)0.5, (int)(next() % 2001) - 1000);
    break;
  case CRESSET_FUNCTION_acosh:
    if (next() % 2) *a = 1 + (T)exp(-uniform() * 20);
    break;
  default: break;
  }
}

/* Outside of these the edge cases below speak. */
static bool usable(int function, T a, T b) {
  if (!isfinite(a) || !isfinite(b)) return false;
  switch (function) {
  case CRESSET_FUNCTION_log:
  case CRESSET_FUNCTION_log2:
  case CRESSET_FUNCTION_log10: return a > 0;
  case CRESSET_FUNCTION_log1p: return a > -1;
  case CRESSET_FUNCTION_asin:
  case CRESSET_FUNCTION_acos: return fabs((double)a) <= 1;
  case CRESSET_FUNCTION_atanh:
  case CRESSET_FUNCTION_erfinv: return fabs((double)a) < 1;
  case CRESSET_FUNCTION_acosh: return a >= 1;
  case CRESSET_FUNCTION_normal: return a > 0 && a < 1;
  case CRESSET_FUNCTION_lgamma:
  case CRESSET_FUNCTION_digamma: return a > 0 || (a < 0 && a != (T)floor((double)a));
  case CRESSET_FUNCTION_pow: return a != 0 && (a > 0 || b == (T)rint((double)b));
  default: return true;
  }
}

/* ------------------------------------------------------------------- edge cases */

static int failures;

static void expect(int function, T a, T b, T want) {
  T got = CALL(function, a, b);
  if ((isnan(got) && isnan(want)) || (got == want && signbit(got) == signbit(want))) return;
  printf("  %s(%.17g, %.17g) is %.17g, should be %.17g\n", cresset_function_name(function), (double)a, (double)b,
         (double)got, (double)want);
  failures++;
}

/* Results that are exact, from the C library, which follows C99's annex F. */
static void edges(void) {
  const T big = from_bits(to_bits((T)INFINITY) - 1), least = from_bits(1);
  const T values[] = {0,    -(T)0, 1,   -1,     2,      -2,  3,  -3,       0.5,      -0.5,         (T)INFINITY,
                      -(T)INFINITY, (T)NAN, big, -big, least, -least, 16777215, 16777216, 16777217.0, 1e10};
  const int count = sizeof values / sizeof *values;
#define EDGE1(name, f)                                                                                                 \
  for (int i = 0; i < count; i++) {                                                                                    \
    T want = (T)f((double)values[i]);                                                                                  \
    if (isnan(want) || isinf(want) || want == 0 || values[i] == 0 || isinf(values[i]))                                 \
      if (!(want == 0 && PRECISION == 32 && fabs(f((double)values[i])) > 0) || values[i] == least)                     \
        if (!isnan(want) || isnan(f((double)values[i])))                                                               \
          if (!(isinf(values[i]) && isfinite(want) && want != rint(want)))                                             \
            expect(CRESSET_FUNCTION_##name, values[i], 0, want);                                                       \
  }
  EDGE1(exp, exp) EDGE1(exp2, exp2) EDGE1(expm1, expm1) EDGE1(log, log) EDGE1(log2, log2) EDGE1(log10, log10)
  EDGE1(log1p, log1p) EDGE1(sin, sin) EDGE1(cos, cos) EDGE1(tan, tan) EDGE1(asin, asin) EDGE1(atan, atan)
  EDGE1(sinh, sinh) EDGE1(cosh, cosh) EDGE1(tanh, tanh) EDGE1(asinh, asinh) EDGE1(acosh, acosh) EDGE1(atanh, atanh)
  EDGE1(erf, erf) EDGE1(erfc, erfc) EDGE1(lgamma, lgamma)
  for (int i = 0; i < count; i++) {
    for (int j = 0; j < count; j++) {
      T a = values[i], b = values[j];
      R want = M(pow)((R)a, (R)b);
      if (want != want || isinf((double)want) || want == 0 || want == M(rint)(want))
        if (M(fabs)(want) < M(ldexp)((R)1, DIGITS)) expect(CRESSET_FUNCTION_pow, a, b, (T)want);
      if (isinf((double)want)) expect(CRESSET_FUNCTION_pow, a, b, (T)want);
      T angle = CALL(CRESSET_FUNCTION_atan2, a, b);
      R truth = M(atan2)((R)a, (R)b);
      if (error_in_ulps(angle, truth, 0) > 2 || (angle == angle && (signbit(angle) != 0) != (truth < 0 || (truth == 0 && signbit((double)truth)))))
        expect(CRESSET_FUNCTION_atan2, a, b, (T)truth);
    }
  }
  const T inf = (T)INFINITY, nan = (T)NAN;
  expect(CRESSET_FUNCTION_digamma, 0, 0, -inf);
  expect(CRESSET_FUNCTION_digamma, -(T)0, 0, inf);
  expect(CRESSET_FUNCTION_digamma, -1, 0, nan);
  expect(CRESSET_FUNCTION_digamma, -7, 0, nan);
  expect(CRESSET_FUNCTION_digamma, (T)-1e20, 0, nan);
  expect(CRESSET_FUNCTION_digamma, inf, 0, inf);
  expect(CRESSET_FUNCTION_digamma, -inf, 0, nan);
  expect(CRESSET_FUNCTION_digamma, nan, 0, nan);
  expect(CRESSET_FUNCTION_lgamma, -5, 0, inf);
  expect(CRESSET_FUNCTION_lgamma, 1, 0, 0);
  expect(CRESSET_FUNCTION_lgamma, 2, 0, 0);
  expect(CRESSET_FUNCTION_lgamma, (T)-1e20, 0, inf);
  expect(CRESSET_FUNCTION_acos, 1, 0, 0);
  expect(CRESSET_FUNCTION_acos, 2, 0, nan);
  expect(CRESSET_FUNCTION_acos, nan, 0, nan);
  expect(CRESSET_FUNCTION_atan, inf, 0, (T)M_PI_2);
  expect(CRESSET_FUNCTION_atan, -inf, 0, (T)-M_PI_2);
  expect(CRESSET_FUNCTION_erfinv, 1, 0, inf);
  expect(CRESSET_FUNCTION_erfinv, -1, 0, -inf);
  expect(CRESSET_FUNCTION_erfinv, (T)1.5, 0, nan);
  expect(CRESSET_FUNCTION_erfinv, -inf, 0, nan);
  expect(CRESSET_FUNCTION_erfinv, nan, 0, nan);
  expect(CRESSET_FUNCTION_erfinv, -(T)0, 0, -(T)0);
  expect(CRESSET_FUNCTION_normal, 0, 0, -inf);
  expect(CRESSET_FUNCTION_normal, 1, 0, inf);
  expect(CRESSET_FUNCTION_normal, (T)0.5, 0, 0);
  expect(CRESSET_FUNCTION_normal, -1, 0, nan);
  expect(CRESSET_FUNCTION_normal, 2, 0, nan);
  expect(CRESSET_FUNCTION_normal, nan, 0, nan);
}

int main(int argc, char **argv) {
  long points = argc > 1 ? atol(argv[1]) : POINTS;
  static const double allowed[][2] = {
#define X(name, ulp32, ulp64, abs32, abs64)                                                                            \
  [CRESSET_FUNCTION_##name] = {PRECISION == 32 ? ulp32 : ulp64, PRECISION == 32 ? abs32 : abs64},
      CRESSET_ULP(X)
#undef X
  };
  if (argc <= 2) edges();
  printf("f%d     worst ULP  allowed  (plus u, needed)  where\n", PRECISION);
  for (int f = 0; f < CRESSET_FUNCTION_COUNT; f++) {
    const char *name = cresset_function_name(f);
    bool chosen = argc <= 2;
    for (int i = 2; i < argc; i++) chosen |= strcmp(argv[i], name) == 0;
    if (!chosen) continue;
    double worst = -1, needed = 0;
    T at_a = 0, at_b = 0;
    R slack = (R)allowed[f][1] * M(ldexp)((R)1, -DIGITS);
    for (long i = 0; i < points;) {
      T a, b;
      arguments(f, &a, &b);
      i++;
      if (!usable(f, a, b)) continue;
      T y = CALL(f, a, b);
      R truth = reference(f, a, b, y);
      double e = error_in_ulps(y, truth, slack);
      if (slack > 0) { /* what the bound in ULPs leaves to the second term */
        double whole = error_in_ulps(y, truth, 0);
        double gap = 1 / error_in_ulps(y, truth, M(fabs)(y - truth) / 2) * (double)M(fabs)(y - truth) / 2;
        double units = (whole - allowed[f][0]) * gap / (double)M(ldexp)((R)1, -DIGITS);
        if (whole > allowed[f][0] && units > needed) needed = units;
      }
      if (!(e <= worst)) {
        worst = e;
        at_a = a;
        at_b = b;
      }
    }
    bool fine = worst <= allowed[f][0];
    failures += !fine;
    printf("%-8s %9.3f %8.1f %9.1f %6.1f  %.17g %.17g%s\n", name, worst, allowed[f][0], allowed[f][1], needed, (double)at_a,
           (double)at_b, fine ? "" : "  TOO MUCH");
    fflush(stdout);
  }
  return failures != 0;
}
