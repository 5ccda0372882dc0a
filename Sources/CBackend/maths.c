/* The portable functions, callable by number, and their text. */
#include "cresset_maths_host.h"

#include <stddef.h>

#include "cresset_backend.h"
#include "cresset_maths_c.h"

const char cresset_maths_source[] = {
#embed "include/cresset_maths_f32.inc"
    , '\n',
#embed "include/cresset_maths_f64.inc"
    , '\0'};

const uint64_t cresset_maths_bytes = sizeof cresset_maths_source - 1;

const char cresset_maths_opencl_preamble[] = {
#embed "include/cresset_maths_opencl.inc"
    , '\0'};

const char cresset_maths_glsl_preamble[] = {
#embed "include/cresset_maths_glsl.inc"
    , '\0'};

/* CRESSET_FUNCTIONS gives the number of arguments as a token, which picks one of these. */
#define CRESSET_APPLY_1(f) f(a)
#define CRESSET_APPLY_2(f) f(a, b)

float cresset_call_f32(int function, float a, float b) {
  (void)b;
  switch (function) {
#define CRESSET_X(name, id, arguments)                                                                                 \
  case id:                                                                                                             \
    return CRESSET_APPLY_##arguments(cresset_##name##_f32);
    CRESSET_FUNCTIONS(CRESSET_X)
#undef CRESSET_X
  }
  return __builtin_nanf("");
}

double cresset_call_f64(int function, double a, double b) {
  (void)b;
  switch (function) {
#define CRESSET_X(name, id, arguments)                                                                                 \
  case id:                                                                                                             \
    return CRESSET_APPLY_##arguments(cresset_##name##_f64);
    CRESSET_FUNCTIONS(CRESSET_X)
#undef CRESSET_X
  }
  return __builtin_nan("");
}

const char *cresset_function_name(int function) {
  static const char *const names[CRESSET_FUNCTION_COUNT] = {
#define CRESSET_X(name, id, arguments) [id] = #name,
      CRESSET_FUNCTIONS(CRESSET_X)
#undef CRESSET_X
  };
  return function >= 0 && function < CRESSET_FUNCTION_COUNT ? names[function] : NULL;
}
