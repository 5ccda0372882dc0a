/* instructions.h: each instruction of a program, on numbers whose results are known. */
static const uint8_t widened[] = {0, 1, 1, 1, 1, 2, 3, 3, 3, 4};

/* Runs `out = op(a, b)` for single elements; b may be NULL. `type` is that of the instruction: of the result, but of the
 * operands for comparisons, which give BOOL. What the result does not store as is CAST first. */
static void one(uint16_t opcode, uint8_t aux, uint8_t type, uint32_t in_dtype, const void *a, const void *b,
                uint32_t out_dtype, void *result) {
  uint8_t operand = widened[in_dtype], stored = widened[out_dtype];
  uint8_t produced = opcode >= CRESSET_OP_EQ && opcode <= CRESSET_OP_LE ? CRESSET_TYPE_BOOL : type;
  CressetInstruction list[5] = {
      {.opcode = CRESSET_OP_LOAD, .type = operand, .aux = (uint8_t)in_dtype, .a = 0},
      {.opcode = CRESSET_OP_LOAD, .type = operand, .aux = (uint8_t)in_dtype, .a = 1},
      {.opcode = opcode, .type = type, .aux = aux, .a = 0, .b = 1}};
  uint32_t count = 3;
  if (produced != stored) list[count++] = (CressetInstruction){.opcode = CRESSET_OP_CAST, .type = stored, .a = 2};
  list[count] = (CressetInstruction){.opcode = CRESSET_OP_STORE, .type = stored, .aux = (uint8_t)out_dtype,
                                     .a = count - 1, .b = 0};
  const CressetProgram *p = program_of(list, count + 1);
  T x, y, z;
  make(&x, in_dtype, SHAPE(1), a), make(&y, in_dtype, SHAPE(1), b), make(&z, out_dtype, SHAPE(1), NULL);
  const T *in[] = {&x, &y}, *out[] = {&z};
  CressetStatus *status = launch(CRESSET_FAMILY_POINTWISE, out_dtype, p, NULL, NULL, NULL, 2, in, 1, out);
  if (status) printf("  launch: %s\n", status->message), exit(2);
  memcpy(result, z.t.dl.data, sizes[out_dtype]);
  drop(&x), drop(&y), drop(&z);
}

static int32_t int32_op(uint16_t opcode, int32_t a, int32_t b) {
  int32_t r;
  one(opcode, 0, CRESSET_TYPE_I32, CRESSET_INT32, &a, &b, CRESSET_INT32, &r);
  return r;
}
static int64_t int64_op(uint16_t opcode, int64_t a, int64_t b) {
  int64_t r;
  one(opcode, 0, CRESSET_TYPE_I64, CRESSET_INT64, &a, &b, CRESSET_INT64, &r);
  return r;
}
static float float_op(uint16_t opcode, float a, float b) {
  float r;
  one(opcode, 0, CRESSET_TYPE_F32, CRESSET_FLOAT32, &a, &b, CRESSET_FLOAT32, &r);
  return r;
}
static double call_op(uint8_t function, double a, double b) {
  double r;
  one(CRESSET_OP_CALL, function, CRESSET_TYPE_F64, CRESSET_FLOAT64, &a, &b, CRESSET_FLOAT64, &r);
  return r;
}
static uint8_t flag_op(uint16_t opcode, float a, float b) {
  uint8_t r;
  one(opcode, 0, CRESSET_TYPE_F32, CRESSET_FLOAT32, &a, &b, CRESSET_BOOL, &r);
  return r;
}
/* float64 -> float32 -> narrow storage, or straight from float64. */
static uint16_t narrow(uint32_t dtype, double x) {
  uint16_t r;
  one(CRESSET_OP_CAST, 0, CRESSET_TYPE_F32, CRESSET_FLOAT64, &x, &x, dtype, &r);
  return r;
}
static float widen(uint32_t dtype, uint16_t bits) {
  float r;
  one(CRESSET_OP_ABS, 0, CRESSET_TYPE_F32, dtype, &bits, &bits, CRESSET_FLOAT32, &r);
  return r;
}
static int64_t float_to_int(uint8_t type, double x) {
  int64_t r = 0;
  one(CRESSET_OP_CAST, 0, type, CRESSET_FLOAT64, &x, &x, CRESSET_INT64, &r);
  return r;
}

static int close_to(double x, double y) { return fabs(x - y) <= 4e-16 * fabs(y) + 1e-300; }

static void test_instructions(void) {
  check(int32_op(CRESSET_OP_ADD, INT32_MAX, 1) == INT32_MIN, "int32 add wraps");
  check(int32_op(CRESSET_OP_MUL, 65537, 65537) == 131073, "int32 mul wraps");
  check(int64_op(CRESSET_OP_SUB, INT64_MIN, 1) == INT64_MAX, "int64 sub wraps");
  check(int64_op(CRESSET_OP_NEG, INT64_MIN, 0) == INT64_MIN, "int64 neg of MIN");
  check(int32_op(CRESSET_OP_ABS, INT32_MIN, 0) == INT32_MIN, "int32 abs of MIN");
  check(int32_op(CRESSET_OP_DIV, -7, 2) == -3, "int div truncates");
  check(int32_op(CRESSET_OP_REM, -7, 2) == -1, "int rem has the dividend's sign");
  check(int32_op(CRESSET_OP_DIV, 5, 0) == 0 && int32_op(CRESSET_OP_REM, 5, 0) == 0, "int x/0 and x%0");
  check(int32_op(CRESSET_OP_DIV, INT32_MIN, -1) == INT32_MIN, "int32 MIN/-1");
  check(int64_op(CRESSET_OP_DIV, INT64_MIN, -1) == INT64_MIN, "int64 MIN/-1");
  check(int64_op(CRESSET_OP_REM, INT64_MIN, -1) == 0, "int64 MIN%-1");
  check(int32_op(CRESSET_OP_NOT, 5, 0) == -6, "int not");
  check(int32_op(CRESSET_OP_SHL, 3, 31) == INT32_MIN, "shl into the sign");
  check(int32_op(CRESSET_OP_SHL, 1, 32) == 0 && int32_op(CRESSET_OP_SHL, 1, -1) == 0, "shl out of range");
  check(int32_op(CRESSET_OP_SHR, -8, 1) == -4 && int32_op(CRESSET_OP_SHR, -8, 99) == -1, "shr, also out of range");
  check(int32_op(CRESSET_OP_SHR, 8, -1) == 0, "shr by a negative count");
  check(int32_op(CRESSET_OP_USHR, -1, 28) == 15 && int32_op(CRESSET_OP_USHR, -1, 32) == 0, "ushr of int32");
  check(int64_op(CRESSET_OP_USHR, -1, 60) == 15 && int64_op(CRESSET_OP_SHL, 1, 63) == INT64_MIN, "shifts of int64");
  uint8_t a8 = 200, b8 = 100, r8;
  one(CRESSET_OP_ADD, 0, CRESSET_TYPE_I32, CRESSET_UINT8, &a8, &b8, CRESSET_UINT8, &r8);
  check(r8 == 44, "uint8 store wraps");
  int32_t n = 300, m;
  one(CRESSET_OP_NARROW, CRESSET_INT8, CRESSET_TYPE_I32, CRESSET_INT32, &n, &n, CRESSET_INT32, &m);
  check(m == 44, "NARROW to int8");

  check(float_op(CRESSET_OP_DIV, 1, 3) == 1.0f / 3.0f, "float div rounds once");
  check(float_op(CRESSET_OP_SQRT, 2, 0) == sqrtf(2), "float sqrt");
  check(float_op(CRESSET_OP_REM, -7, 2) == -1 && float_op(CRESSET_OP_REM, 5.5f, -2) == 1.5f, "float rem as fmod");
  check(float_op(CRESSET_OP_ROUND, 2.5f, 0) == 2 && float_op(CRESSET_OP_ROUND, -3.5f, 0) == -4, "round ties to even");
  check(float_op(CRESSET_OP_FLOOR, -1.5f, 0) == -2 && float_op(CRESSET_OP_CEIL, -1.5f, 0) == -1, "floor and ceil");
  check(signbit(float_op(CRESSET_OP_NEG, 0, 0)), "neg of zero");
  check(isnan(float_op(CRESSET_OP_MIN, NAN, 1)) && isnan(float_op(CRESSET_OP_MIN, 1, NAN)), "min with NaN");
  check(isnan(float_op(CRESSET_OP_MAX, NAN, 1)) && isnan(float_op(CRESSET_OP_MAX, 1, NAN)), "max with NaN");
  check(!flag_op(CRESSET_OP_EQ, NAN, NAN) && flag_op(CRESSET_OP_NE, NAN, NAN), "EQ and NE of NaN");
  check(!flag_op(CRESSET_OP_LT, NAN, 1) && !flag_op(CRESSET_OP_LE, 1, NAN), "LT and LE of NaN");
  check(flag_op(CRESSET_OP_LE, 2, 2) && flag_op(CRESSET_OP_EQ, 0.0f, -0.0f), "LE and EQ");

  check(narrow(CRESSET_FLOAT16, 1) == 0x3c00 && narrow(CRESSET_FLOAT16, -2) == 0xc000, "float16 of 1 and -2");
  check(narrow(CRESSET_FLOAT16, 1 + 0x1p-11) == 0x3c00, "float16 tie goes to even, down");
  check(narrow(CRESSET_FLOAT16, 1 + 3 * 0x1p-11) == 0x3c02, "float16 tie goes to even, up");
  check(narrow(CRESSET_FLOAT16, 65504) == 0x7bff && narrow(CRESSET_FLOAT16, 65519) == 0x7bff, "float16 largest");
  check(narrow(CRESSET_FLOAT16, 65520) == 0x7c00 && narrow(CRESSET_FLOAT16, 1e30) == 0x7c00, "float16 overflows");
  check(narrow(CRESSET_FLOAT16, 0x1p-24) == 1 && narrow(CRESSET_FLOAT16, 0x1p-25) == 0, "float16 least denormal");
  check(narrow(CRESSET_FLOAT16, 3 * 0x1p-25) == 2, "float16 denormal tie");
  check(narrow(CRESSET_FLOAT16, 0x1p-14 - 0x1p-26) == 0x0400, "float16 denormal rounds up to normal");
  check((narrow(CRESSET_FLOAT16, NAN) & 0x7fff) > 0x7c00 && narrow(CRESSET_FLOAT16, -0.0) == 0x8000, "float16 NaN, -0");
  check(narrow(CRESSET_BFLOAT16, 1 + 0x1p-8) == 0x3f80 && narrow(CRESSET_BFLOAT16, 1 + 3 * 0x1p-8) == 0x3f82,
        "bfloat16 ties");
  check(narrow(CRESSET_BFLOAT16, 3.4e38) == 0x7f80 && narrow(CRESSET_BFLOAT16, -INFINITY) == 0xff80, "bfloat16 overflow");
  check(narrow(CRESSET_BFLOAT16, 0x1p-133) == 1 && narrow(CRESSET_BFLOAT16, 0x1p-134) == 0, "bfloat16 denormals");
  check(widen(CRESSET_FLOAT16, 0x0001) == 0x1p-24f && widen(CRESSET_FLOAT16, 0x3555) == 0x1.554p-2f, "float16 widens");
  check(widen(CRESSET_BFLOAT16, 0x3f82) == 1.015625f && isinf(widen(CRESSET_FLOAT16, 0xfc00)), "bfloat16 widens");
  int round_trips = 1;
  for (uint32_t bits = 0; bits < 0x7c00; bits += 37)
    round_trips &= narrow(CRESSET_FLOAT16, widen(CRESSET_FLOAT16, (uint16_t)bits)) == bits;
  check(round_trips, "float16 round trips");

  check(float_to_int(CRESSET_TYPE_I32, -2.9) == -2, "cast truncates");
  check(float_to_int(CRESSET_TYPE_I64, NAN) == INT64_MIN && float_to_int(CRESSET_TYPE_I64, 0x1p63) == INT64_MIN,
        "float -> I64 out of range");
  check(float_to_int(CRESSET_TYPE_I64, -0x1p63) == INT64_MIN && float_to_int(CRESSET_TYPE_I64, 0x1p62) == (int64_t)1 << 62,
        "float -> I64 at the limits");
  double d = 2147483647.9, nan = NAN;
  int32_t i32;
  one(CRESSET_OP_CAST, 0, CRESSET_TYPE_I32, CRESSET_FLOAT64, &d, &d, CRESSET_INT32, &i32);
  check(i32 == INT32_MAX, "float -> I32 whose truncation fits");
  one(CRESSET_OP_CAST, 0, CRESSET_TYPE_I32, CRESSET_FLOAT64, &nan, &d, CRESSET_INT32, &i32);
  check(i32 == INT32_MIN, "NaN -> I32");
  one(CRESSET_OP_CAST, 0, CRESSET_TYPE_BOOL, CRESSET_FLOAT64, &nan, &d, CRESSET_BOOL, &r8);
  check(r8 == 1, "NaN -> BOOL is true");
  int64_t big = ((int64_t)1 << 60) + ((int64_t)1 << 36) + 1, wide = (int64_t)5 << 32 | 7;
  float f;
  one(CRESSET_OP_CAST, 0, CRESSET_TYPE_F32, CRESSET_INT64, &big, &big, CRESSET_FLOAT32, &f);
  check(f == 0x1.000002p60f, "int64 -> float32 rounds once");
  one(CRESSET_OP_CAST, 0, CRESSET_TYPE_I32, CRESSET_INT64, &wide, &wide, CRESSET_INT32, &i32);
  check(i32 == 7, "int64 -> int32 wraps");
  one(CRESSET_OP_CAST, 0, CRESSET_TYPE_BOOL, CRESSET_INT64, &wide, &wide, CRESSET_BOOL, &r8);
  check(r8 == 1, "int64 -> bool");
  wide = (int64_t)1 << 32;
  one(CRESSET_OP_CAST, 0, CRESSET_TYPE_BOOL, CRESSET_INT64, &wide, &wide, CRESSET_BOOL, &r8);
  check(r8 == 1, "int64 with low half zero -> bool");
  f = -1.5f;
  one(CRESSET_OP_BITCAST, 0, CRESSET_TYPE_I32, CRESSET_FLOAT32, &f, &f, CRESSET_INT32, &i32);
  check(i32 == (int32_t)0xbfc00000, "bitcast");
  int64_t zero = 0;
  one(CRESSET_OP_PHILOX, 0, CRESSET_TYPE_I32, CRESSET_INT64, &zero, &zero, CRESSET_INT32, &i32);
  check((uint32_t)i32 == 0x6627e8d5u, "Philox4x32-10 of key 0, counter 0"); /* Random123's known answer */

  check(close_to(call_op(CRESSET_FUNCTION_exp, 1, 0), 2.718281828459045), "exp");
  check(close_to(call_op(CRESSET_FUNCTION_atan2, 1, -1), 2.356194490192345), "atan2");
  check(close_to(call_op(CRESSET_FUNCTION_pow, 2, 0.5), 1.4142135623730951), "pow");
  check(close_to(call_op(CRESSET_FUNCTION_erfinv, 0.5, 0), 0.4769362762044699), "erfinv(0.5)");
  check(close_to(call_op(CRESSET_FUNCTION_erfinv, -1e-10, 0), -8.862269254527580e-11), "erfinv(-1e-10)");
  check(close_to(call_op(CRESSET_FUNCTION_erfinv, 0.999, 0), 2.326753765513525), "erfinv(0.999)");
  check(isinf(call_op(CRESSET_FUNCTION_erfinv, 1, 0)) && isnan(call_op(CRESSET_FUNCTION_erfinv, 2, 0)), "erfinv(1), (2)");
  check(fabs(call_op(CRESSET_FUNCTION_digamma, 1, 0) + 0.5772156649015329) < 2e-15, "digamma(1)");
  check(fabs(call_op(CRESSET_FUNCTION_digamma, -0.5, 0) - 0.03648997397857652) < 1e-15, "digamma(-0.5)");
  check(close_to(call_op(CRESSET_FUNCTION_normal, 0.975, 0), 1.959963984540054), "normal(0.975)");
  check(call_op(CRESSET_FUNCTION_normal, 0.5, 0) == 0, "normal(0.5)");
  check(fabs(call_op(CRESSET_FUNCTION_normal, 1e-9, 0) + 5.997807015007686) < 1e-14, "normal(1e-9)");
}
