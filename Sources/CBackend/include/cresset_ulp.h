/* cresset_ulp.h: how far the portable functions may be from the true value.
 *
 * X(name, ulp32, ulp64, abs32, abs64): |error| <= ulp * ulp(true value) + abs * u with u = 2^-24 or
 * 2^-53, and ulp(t) the gap between the numbers around t (the least subnormal at least). The second
 * term is for functions whose roots no formula in one precision can follow. Measured by
 * Tests/maths/ulp_test.c and rounded up to the next half.
 */
#ifndef CRESSET_ULP_H
#define CRESSET_ULP_H

#define CRESSET_ULP(X)                                                                                                 \
  X(exp, 4, 4, 0, 0)                                                                                                   \
  X(exp2, 4, 4, 0, 0)                                                                                                  \
  X(expm1, 4, 4, 0, 0)                                                                                                 \
  X(log, 4, 4, 0, 0)                                                                                                   \
  X(log2, 4, 4, 0, 0)                                                                                                  \
  X(log10, 4, 4, 0, 0)                                                                                                 \
  X(log1p, 4, 4, 0, 0)                                                                                                 \
  X(sin, 4, 4, 0, 0)                                                                                                   \
  X(cos, 4, 4, 0, 0)                                                                                                   \
  X(tan, 4, 4, 0, 0)                                                                                                   \
  X(asin, 4, 4, 0, 0)                                                                                                  \
  X(acos, 4, 4, 0, 0)                                                                                                  \
  X(atan, 4, 4, 0, 0)                                                                                                  \
  X(atan2, 4, 4, 0, 0)                                                                                                 \
  X(sinh, 4, 4, 0, 0)                                                                                                  \
  X(cosh, 4, 4, 0, 0)                                                                                                  \
  X(tanh, 4, 4, 0, 0)                                                                                                  \
  X(asinh, 4, 4, 0, 0)                                                                                                 \
  X(acosh, 4, 4, 0, 0)                                                                                                 \
  X(atanh, 4, 4, 0, 0)                                                                                                 \
  X(erf, 4, 4, 0, 0)                                                                                                   \
  X(erfc, 4, 4, 0, 0)                                                                                                  \
  X(erfinv, 4, 4, 0, 0)                                                                                                \
  X(lgamma, 4, 4, 64, 300)                                                                                              \
  X(digamma, 4, 4, 64, 150)                                                                                             \
  X(pow, 4, 4, 0, 0)                                                                                                   \
  X(normal, 4, 4, 0, 0)

#endif
