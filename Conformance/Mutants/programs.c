/* programs.c: mutants that change instructions: wrong arithmetic, wrong casts, wrong functions. */
#include "mutants.h"

#include <float.h>
#include <math.h>

enum { BOOL = CRESSET_TYPE_BOOL, I32 = CRESSET_TYPE_I32, I64 = CRESSET_TYPE_I64, F32 = CRESSET_TYPE_F32,
       F64 = CRESSET_TYPE_F64 };

/* ------------------------------------------------------------- building -- */
static uint32_t emit(Edit *e, CressetInstruction i) {
  if (e->count < MAX_INSTRUCTIONS) e->made[e->count++] = i;
  return e->count - 1;
}
/* The instruction as it was. */
static uint32_t keep(Edit *e, CressetInstruction i) { return emit(e, i); }

static uint32_t op(Edit *e, uint16_t opcode, uint32_t type, uint32_t a, uint32_t b) {
  return emit(e, (CressetInstruction){.opcode = opcode, .type = (uint8_t)type, .a = a, .b = b});
}
#define OP(name, type, a, b) op(e, CRESSET_OP_##name, type, a, b)

static uint32_t select_value(Edit *e, uint32_t type, uint32_t condition, uint32_t a, uint32_t b) {
  return emit(e, (CressetInstruction){
    .opcode = CRESSET_OP_SELECT, .type = (uint8_t)type, .a = condition, .b = a, .c = b});
}
static uint32_t narrow(Edit *e, uint32_t type, uint32_t dtype, uint32_t a) {
  return emit(e, (CressetInstruction){
    .opcode = CRESSET_OP_NARROW, .type = (uint8_t)type, .aux = (uint8_t)dtype, .a = a});
}
static uint32_t cast(Edit *e, uint32_t type, uint32_t a) { return OP(CAST, type, a, 0); }
static uint32_t call(Edit *e, uint32_t type, uint32_t function, uint32_t a, uint32_t b) {
  return emit(e, (CressetInstruction){
    .opcode = CRESSET_OP_CALL, .type = (uint8_t)type, .aux = (uint8_t)function, .a = a, .b = b});
}
static uint32_t number(Edit *e, uint32_t type, double x) {
  CressetScalar imm = {0};
  if (type == F32) imm.f = (float)x;
  else if (type == F64) imm.d = x;
  else imm.i = (int64_t)x;
  return emit(e, (CressetInstruction){.opcode = CRESSET_OP_CONST, .type = (uint8_t)type, .imm = imm});
}
static uint32_t integer(Edit *e, uint32_t type, int64_t x) {
  return emit(e, (CressetInstruction){.opcode = CRESSET_OP_CONST, .type = (uint8_t)type, .imm = {.i = x}});
}
static bool is_comparison(uint32_t opcode) { return opcode >= CRESSET_OP_EQ && opcode <= CRESSET_OP_LE; }
/* Of a value: a comparison's is BOOL, whatever its `type` says. */
static uint32_t type_of(const Edit *e, uint32_t value) {
  return is_comparison(e->made[value].opcode) ? BOOL : e->made[value].type;
}
static bool is_float(uint32_t type) { return type >= F32; }
static bool is_int(uint32_t type) { return type == I32 || type == I64; }
#define IS(name) (i.opcode == CRESSET_OP_##name)
#define CALLS(name) (IS(CALL) && i.aux == CRESSET_FUNCTION_##name)

/* -------------------------------------------------------------- numbers -- */
uint32_t program_bf16_inputs(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  return IS(LOAD) && i.aux == CRESSET_FLOAT32 ? narrow(e, F32, CRESSET_BFLOAT16, value) : value;
}
uint32_t program_f64_as_f32(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  bool computes = i.type == F64 && i.opcode >= CRESSET_OP_ADD && !is_comparison(i.opcode) && !IS(SELECT);
  return computes ? narrow(e, F64, CRESSET_FLOAT32, value) : value;
}
uint32_t program_denormals_flushed(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  if (i.type != F32 || i.opcode < CRESSET_OP_ADD || i.opcode > CRESSET_OP_DIV) return value;
  uint32_t tiny = OP(LT, BOOL, OP(ABS, F32, value, 0), number(e, F32, FLT_MIN));
  return select_value(e, F32, tiny, number(e, F32, 0), value);
}
uint32_t program_negative_zero_lost(Edit *e, CressetInstruction i) {
  if (IS(STORE) && is_float(i.type)) i.a = OP(ADD, i.type, i.a, number(e, i.type, 0));
  return keep(e, i);
}
uint32_t program_neg_by_subtraction(Edit *e, CressetInstruction i) {
  return IS(NEG) && is_float(i.type) ? OP(SUB, i.type, number(e, i.type, 0), i.a) : keep(e, i);
}
uint32_t program_fma_contracted(Edit *e, CressetInstruction i) {
  if (!IS(ADD) || !is_float(i.type)) return keep(e, i);
  const CressetInstruction *a = &e->made[i.a], *b = &e->made[i.b];
  if (a->opcode != CRESSET_OP_MUL && b->opcode != CRESSET_OP_MUL) return keep(e, i);
  bool first = a->opcode == CRESSET_OP_MUL;
  const CressetInstruction *product = first ? a : b;
  return emit(e, (CressetInstruction){.opcode = CRESSET_OP_FMA, .type = i.type, .a = product->a, .b = product->b,
                                      .c = first ? i.b : i.a});
}
uint32_t program_div_by_reciprocal(Edit *e, CressetInstruction i) {
  if (!IS(DIV) || !is_float(i.type)) return keep(e, i);
  return OP(MUL, i.type, i.a, OP(DIV, i.type, number(e, i.type, 1), i.b));
}
uint32_t program_sqrt_by_rsqrt(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  return IS(SQRT) ? OP(MUL, i.type, i.a, OP(DIV, i.type, number(e, i.type, 1), value)) : value;
}
uint32_t program_round_half_away(Edit *e, CressetInstruction i) {
  if (!IS(ROUND)) return keep(e, i);
  return OP(FLOOR, i.type, OP(ADD, i.type, i.a, number(e, i.type, 0.5)), 0);
}
uint32_t program_trunc_floors(Edit *e, CressetInstruction i) {
  if (IS(TRUNC)) i.opcode = CRESSET_OP_FLOOR;
  return keep(e, i);
}
uint32_t program_fmod_by_division(Edit *e, CressetInstruction i) {
  if (!IS(REM) || !is_float(i.type)) return keep(e, i);
  uint32_t whole = OP(TRUNC, i.type, OP(DIV, i.type, i.a, i.b), 0);
  return OP(SUB, i.type, i.a, OP(MUL, i.type, whole, i.b));
}
uint32_t program_fmod_floored(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  if (!IS(REM) || !is_float(i.type)) return value;
  uint32_t zero = number(e, i.type, 0);
  uint32_t differ = OP(LT, BOOL, OP(MUL, i.type, value, i.b), zero);
  return select_value(e, i.type, differ, OP(ADD, i.type, value, i.b), value);
}
uint32_t program_bf16_truncated(Edit *e, CressetInstruction i) {
  if (IS(STORE) && i.aux == CRESSET_BFLOAT16 && i.type == F32)
    i.a = OP(BITCAST, F32, OP(AND, I32, OP(BITCAST, I32, i.a, 0), integer(e, I32, -65536)), 0);
  return keep(e, i);
}
uint32_t program_f16_overflow_clamped(Edit *e, CressetInstruction i) {
  if (IS(STORE) && i.aux == CRESSET_FLOAT16 && i.type == F32) {
    uint32_t most = number(e, F32, 65504), finite = OP(LT, BOOL, OP(ABS, F32, i.a, 0), number(e, F32, INFINITY));
    uint32_t clamped = OP(MIN, F32, OP(MAX, F32, i.a, number(e, F32, -65504)), most);
    i.a = select_value(e, F32, finite, clamped, i.a);
  }
  return keep(e, i);
}
uint32_t program_exp_fast(Edit *e, CressetInstruction i) {
  if (!CALLS(exp)) return keep(e, i);
  return call(e, i.type, CRESSET_FUNCTION_exp2, OP(MUL, i.type, i.a, number(e, i.type, M_LOG2E)), 0);
}
uint32_t program_log1p_naive(Edit *e, CressetInstruction i) {
  if (!CALLS(log1p)) return keep(e, i);
  return call(e, i.type, CRESSET_FUNCTION_log, OP(ADD, i.type, i.a, number(e, i.type, 1)), 0);
}
uint32_t program_expm1_naive(Edit *e, CressetInstruction i) {
  if (!CALLS(expm1)) return keep(e, i);
  return OP(SUB, i.type, call(e, i.type, CRESSET_FUNCTION_exp, i.a, 0), number(e, i.type, 1));
}
uint32_t program_tanh_overflows(Edit *e, CressetInstruction i) {
  if (!CALLS(tanh)) return keep(e, i);
  /* Right within the ULP table but where e^2x overflows: expm1 keeps it so. */
  uint32_t power = call(e, F64, CRESSET_FUNCTION_expm1,
                        cast(e, F64, OP(MUL, i.type, i.a, number(e, i.type, 2))), 0);
  uint32_t limit = number(e, F64, i.type == F32 ? FLT_MAX : DBL_MAX);
  power = select_value(e, F64, OP(LE, BOOL, power, limit), power, number(e, F64, INFINITY));
  return cast(e, i.type, OP(DIV, F64, power, OP(ADD, F64, power, number(e, F64, 2))));
}
uint32_t program_sin_reduced_in_float(Edit *e, CressetInstruction i) {
  if (!CALLS(sin) && !CALLS(cos)) return keep(e, i);
  uint32_t period = number(e, i.type, 2 * M_PI);
  uint32_t turns = OP(ROUND, i.type, OP(DIV, i.type, i.a, period), 0);
  i.a = OP(SUB, i.type, i.a, OP(MUL, i.type, turns, period));
  return keep(e, i);
}
uint32_t program_pow_by_logarithm(Edit *e, CressetInstruction i) {
  if (!CALLS(pow) || i.type != F32) return keep(e, i);
  /* In double, so that only the signs are wrong. */
  uint32_t logarithm = call(e, F64, CRESSET_FUNCTION_log2, cast(e, F64, i.a), 0);
  return cast(e, F32, call(e, F64, CRESSET_FUNCTION_exp2, OP(MUL, F64, logarithm, cast(e, F64, i.b)), 0));
}
uint32_t program_atan2_as_atan(Edit *e, CressetInstruction i) {
  if (!CALLS(atan2)) return keep(e, i);
  return call(e, i.type, CRESSET_FUNCTION_atan, OP(DIV, i.type, i.a, i.b), 0);
}

/* ------------------------------------------------------------------ NaN -- */
uint32_t program_max_drops_nan(Edit *e, CressetInstruction i) {
  if (!IS(MAX) || !is_float(i.type)) return keep(e, i);
  uint32_t larger = select_value(e, i.type, OP(LT, BOOL, i.a, i.b), i.b, i.a);
  return select_value(e, i.type, OP(EQ, BOOL, i.a, i.a), larger, i.b);
}
uint32_t program_min_drops_nan(Edit *e, CressetInstruction i) {
  if (!IS(MIN) || !is_float(i.type)) return keep(e, i);
  uint32_t smaller = select_value(e, i.type, OP(LT, BOOL, i.b, i.a), i.b, i.a);
  return select_value(e, i.type, OP(EQ, BOOL, i.a, i.a), smaller, i.b);
}
uint32_t program_le_by_not_less(Edit *e, CressetInstruction i) {
  return IS(LE) && is_float(type_of(e, i.a)) ? OP(NOT, BOOL, OP(LT, BOOL, i.b, i.a), 0) : keep(e, i);
}
uint32_t program_eq_by_bits(Edit *e, CressetInstruction i) {
  uint32_t type = type_of(e, i.a);
  if (!IS(EQ) || !is_float(type)) return keep(e, i);
  uint32_t bits = type == F32 ? I32 : I64;
  return OP(EQ, BOOL, OP(BITCAST, bits, i.a, 0), OP(BITCAST, bits, i.b, 0));
}
uint32_t program_ne_by_order(Edit *e, CressetInstruction i) {
  if (!IS(NE) || !is_float(type_of(e, i.a))) return keep(e, i);
  return OP(OR, BOOL, OP(LT, BOOL, i.a, i.b), OP(LT, BOOL, i.b, i.a));
}
uint32_t program_select_by_arithmetic(Edit *e, CressetInstruction i) {
  if (!IS(SELECT) || !is_float(i.type)) return keep(e, i);
  uint32_t c = cast(e, i.type, i.a), other = OP(SUB, i.type, number(e, i.type, 1), c);
  return OP(ADD, i.type, OP(MUL, i.type, c, i.b), OP(MUL, i.type, other, i.c));
}

/* ------------------------------------------------------- integers, casts -- */
uint32_t program_int_div_floors(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  if (!IS(DIV) || !is_int(i.type)) return value;
  uint32_t zero = integer(e, i.type, 0), rest = OP(REM, i.type, i.a, i.b);
  uint32_t down = OP(AND, BOOL, OP(NE, BOOL, rest, zero), OP(LT, BOOL, OP(XOR, i.type, i.a, i.b), zero));
  return select_value(e, i.type, down, OP(SUB, i.type, value, integer(e, i.type, 1)), value);
}
uint32_t program_int_rem_floored(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  if (!IS(REM) || !is_int(i.type)) return value;
  uint32_t zero = integer(e, i.type, 0);
  uint32_t differ = OP(AND, BOOL, OP(NE, BOOL, value, zero), OP(LT, BOOL, OP(XOR, i.type, value, i.b), zero));
  return select_value(e, i.type, differ, OP(ADD, i.type, value, i.b), value);
}
uint32_t program_int_div_zero(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  if (!IS(DIV) || !is_int(i.type)) return value;
  uint32_t by_zero = OP(EQ, BOOL, i.b, integer(e, i.type, 0));
  return select_value(e, i.type, by_zero, integer(e, i.type, -1), value);
}
uint32_t program_abs_saturates(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  if (!IS(ABS) || !is_int(i.type)) return value;
  uint32_t least = OP(LT, BOOL, value, integer(e, i.type, 0));
  return select_value(e, i.type, least, integer(e, i.type, i.type == I32 ? INT32_MAX : INT64_MAX), value);
}
uint32_t program_int64_multiplied_in_int32(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  return IS(MUL) && i.type == I64 ? cast(e, I64, cast(e, I32, value)) : value;
}
uint32_t program_int64_in_double(Edit *e, CressetInstruction i) {
  if (!IS(ADD) || i.type != I64) return keep(e, i);
  return cast(e, I64, OP(ADD, F64, cast(e, F64, i.a), cast(e, F64, i.b)));
}
uint32_t program_int64_compared_low(Edit *e, CressetInstruction i) {
  if (is_comparison(i.opcode) && type_of(e, i.a) == I64) {
    i.a = cast(e, I32, i.a), i.b = cast(e, I32, i.b);
    if (i.type == I64) i.type = I32;
  }
  return keep(e, i);
}
uint32_t program_uint8_sign_extended(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  return IS(LOAD) && i.aux == CRESSET_UINT8 ? narrow(e, I32, CRESSET_INT8, value) : value;
}
uint32_t program_cast_saturates(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i), from = type_of(e, i.a);
  if (!IS(CAST) || !is_int(i.type) || !is_float(from)) return value;
  uint32_t large = OP(LE, BOOL, number(e, from, i.type == I32 ? 0x1p31 : 0x1p63), i.a);
  value = select_value(e, i.type, large, integer(e, i.type, i.type == I32 ? INT32_MAX : INT64_MAX), value);
  return select_value(e, i.type, OP(EQ, BOOL, i.a, i.a), value, integer(e, i.type, 0));
}
uint32_t program_cast_rounds(Edit *e, CressetInstruction i) {
  uint32_t from = type_of(e, i.a);
  if (IS(CAST) && is_int(i.type) && is_float(from)) i.a = OP(ROUND, from, i.a, 0);
  return keep(e, i);
}
uint32_t program_narrow_saturates(Edit *e, CressetInstruction i) {
  if ((IS(STORE) || IS(NARROW)) && i.type == I32 && (i.aux == CRESSET_INT8 || i.aux == CRESSET_UINT8)) {
    int64_t least = i.aux == CRESSET_INT8 ? -128 : 0, most = i.aux == CRESSET_INT8 ? 127 : 255;
    i.a = OP(MIN, I32, OP(MAX, I32, i.a, integer(e, I32, least)), integer(e, I32, most));
  }
  return keep(e, i);
}
uint32_t program_bool_by_int(Edit *e, CressetInstruction i) {
  if (IS(CAST) && i.type == BOOL && is_float(type_of(e, i.a))) i.a = cast(e, I64, i.a);
  return keep(e, i);
}
static uint32_t masked(Edit *e, CressetInstruction i) {
  return OP(AND, i.type, i.b, integer(e, i.type, i.type == I32 ? 31 : 63));
}
uint32_t program_shl_masks_count(Edit *e, CressetInstruction i) {
  if (IS(SHL)) i.b = masked(e, i);
  return keep(e, i);
}
uint32_t program_shr_masks_count(Edit *e, CressetInstruction i) {
  if (IS(SHR)) i.b = masked(e, i);
  return keep(e, i);
}
uint32_t program_ushr_keeps_sign(Edit *e, CressetInstruction i) {
  if (IS(USHR)) i.opcode = CRESSET_OP_SHR;
  return keep(e, i);
}
uint32_t program_not_of_bool_bitwise(Edit *e, CressetInstruction i) {
  if (!IS(NOT) || i.type != BOOL) return keep(e, i);
  return cast(e, BOOL, OP(NOT, I32, cast(e, I32, i.a), 0));
}

/* ------------------------------------------------- random numbers, params -- */
uint32_t program_philox_word_order(Edit *e, CressetInstruction i) {
  if (IS(PHILOX)) i.imm.i ^= 1;
  return keep(e, i);
}
uint32_t program_philox_offset_ignored(Edit *e, CressetInstruction i) {
  /* The counter is the stream's place plus the element's index. */
  if (IS(PHILOX)) i.b = emit(e, (CressetInstruction){.opcode = CRESSET_OP_INDEX, .type = I64});
  return keep(e, i);
}
uint32_t program_philox_short_key(Edit *e, CressetInstruction i) {
  if (IS(PHILOX)) i.a = OP(AND, I64, i.a, integer(e, I64, 0xFFFFFFFF));
  return keep(e, i);
}
uint32_t program_index_in_16_bits(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  return IS(INDEX) ? OP(AND, I64, value, integer(e, I64, 0xFFFF)) : value;
}
uint32_t program_params_as_float(Edit *e, CressetInstruction i) {
  uint32_t value = keep(e, i);
  return IS(PARAM) && i.type == F64 ? narrow(e, F64, CRESSET_FLOAT32, value) : value;
}
