/* cresset_ulp.h: how far the portable functions may be from the true value.
 *
 * X(name, ulp32, ulp64, abs32, abs64): |error| <= ulp * ulp(true value) + abs * u with u = 2^-24 or
 * 2^-53, and ulp(t) the gap between the numbers around t (the least subnormal at least). The second
 * term is for lgamma and digamma of negative arguments, whose roots lie where large terms cancel.
 * Measured by Tests/maths/ulp_test.c over the whole range of arguments, subnormal to huge, and
 * rounded up to the next half.
 */
#ifndef CRESSET_ULP_H
#define CRESSET_ULP_H

#define CRESSET_ULP(X)                                                                                                 \
  X(exp, 1, 1, 0, 0)                                                                                                   \
  X(exp2, 1.5, 1.5, 0, 0)                                                                                              \
  X(expm1, 1.5, 1, 0, 0)                                                                                               \
  X(log, 1, 1, 0, 0)                                                                                                   \
  X(log2, 1, 1, 0, 0)                                                                                                  \
  X(log10, 1, 1, 0, 0)                                                                                                 \
  X(log1p, 1, 1, 0, 0)                                                                                                 \
  X(sin, 1, 1, 0, 0)                                                                                                   \
  X(cos, 1, 1, 0, 0)                                                                                                   \
  X(tan, 2.5, 2.5, 0, 0)                                                                                               \
  X(asin, 1, 1, 0, 0)                                                                                                  \
  X(acos, 1.5, 1.5, 0, 0)                                                                                              \
  X(atan, 2, 2, 0, 0)                                                                                                  \
  X(atan2, 2, 2, 0, 0)                                                                                                 \
  X(sinh, 2, 2, 0, 0)                                                                                                  \
  X(cosh, 1.5, 1.5, 0, 0)                                                                                              \
  X(tanh, 1.5, 1.5, 0, 0)                                                                                              \
  X(asinh, 1, 1, 0, 0)                                                                                                 \
  X(acosh, 3, 3, 0, 0)                                                                                                 \
  X(atanh, 2.5, 2, 0, 0)                                                                                               \
  X(erf, 1.5, 1.5, 0, 0)                                                                                               \
  X(erfc, 2.5, 2.5, 0, 0)                                                                                              \
  X(erfinv, 3, 3, 0, 0)                                                                                                \
  X(lgamma, 3, 3, 48, 96)                                                                                              \
  X(digamma, 3.5, 3, 64, 128)                                                                                          \
  X(pow, 2, 2, 0, 0)                                                                                                   \
  X(normal, 4, 4, 0, 0)

#endif
