/* cresset_ulp_bound.h: the table of cresset_ulp.h by number, for languages without macros. */
#ifndef CRESSET_ULP_BOUND_H
#define CRESSET_ULP_BOUND_H

#include "cresset_backend.h"
#include "cresset_ulp.h"

/* |error| <= ulps * ulp(true value) + units * u. */
typedef struct CressetUlpBound {
  double ulps;
  double units;
} CressetUlpBound;

/* Of function CRESSET_FUNCTION_...; `wide` is 1 for f64 and 0 for f32. */
static inline CressetUlpBound cresset_ulp_bound(int function, int wide) {
  switch (function) {
#define CRESSET_X(name, ulp32, ulp64, abs32, abs64)                                                                    \
  case CRESSET_FUNCTION_##name:                                                                                        \
    return wide ? (CressetUlpBound){ulp64, abs64} : (CressetUlpBound){ulp32, abs32};
    CRESSET_ULP(CRESSET_X)
#undef CRESSET_X
  }
  return (CressetUlpBound){0, 0};
}

#endif
