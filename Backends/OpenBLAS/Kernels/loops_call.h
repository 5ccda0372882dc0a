/* loops_call.h: the portable functions over blocks. Part of loops_table.h. */

/* Inlined for good, so that the loops over them vectorise. */
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#include "cresset_maths_c.h"
#pragma clang attribute pop

#define CALL_1(name, S)                                                                                                \
  static void call_##name##_##S(OP_ARGUMENTS) {                                                                        \
    UNUSED_OPERANDS;                                                                                                   \
    type_##S *r = rp;                                                                                                  \
    const type_##S *a = ap;                                                                                            \
    EACH_TWICE r[i] = cresset_##name##_##S(a[i]);                                                                            \
  }
#define CALL_2(name, S)                                                                                                \
  static void call_##name##_##S(OP_ARGUMENTS) {                                                                        \
    UNUSED_OPERANDS;                                                                                                   \
    type_##S *r = rp;                                                                                                  \
    const type_##S *a = ap, *b = bp;                                                                                   \
    EACH_TWICE r[i] = cresset_##name##_##S(a[i], b[i]);                                                                      \
  }
#define CRESSET_X(name, value, arguments) CALL_##arguments(name, f32) CALL_##arguments(name, f64)
CRESSET_FUNCTIONS(CRESSET_X)
#undef CRESSET_X
