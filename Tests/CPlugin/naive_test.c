/* naive_test.c: loads a backend by path and holds the five kernel families to known answers.
 *
 *   cc -std=c11 -o naive_test naive_test.c -I<directory of cresset_backend.h> -ldl -lm
 *   ./naive_test path/to/libcresset_backend_naive.so
 *
 * It stands alone: no host, no library of the project. The backend must have host-visible memory. */
#define _POSIX_C_SOURCE 200809L
#include "cresset_backend.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int passed, failed;
static const CressetBackend *backend;
static CressetDevice *device;
static CressetQueue *queue;
static CressetKernel kernels[256];
static uint32_t kernel_count;

static void check(int condition, const char *what) {
  if (condition) { passed++; return; }
  failed++;
  printf("FAILED: %s\n", what);
}
static void expect_ok(CressetStatus *status, const char *what) {
  if (status) printf("  %s: error %d: %s\n", what, status->code, status->message ? status->message : "(no message)");
  check(!status, what);
  if (status && status->release) status->release(status);
}
static void expect_error(CressetStatus *status, int32_t code, const char *what) {
  check(status && status->code == code && status->message && status->message[0], what);
  if (status && status->release) status->release(status);
}

/* ---------------------------------------------------------------- tensors -- */

typedef struct T { CressetTensor t; int64_t shape[8], strides[8]; } T;

static const uint32_t sizes[CRESSET_DTYPE_COUNT] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};

/* A contiguous tensor with the given bytes (or zeros); it is freed by drop(). */
static void make(T *x, uint32_t dtype, int rank, const int64_t *shape, const void *bytes) {
  memset(x, 0, sizeof *x);
  int64_t count = 1;
  for (int d = rank - 1; d >= 0; d--) x->shape[d] = shape[d], x->strides[d] = count, count *= shape[d];
  uint64_t total = (uint64_t)count * sizes[dtype];
  x->t.struct_size = sizeof x->t, x->t.dtype = dtype, x->t.buffer_bytes = total;
  x->t.dl.ndim = rank, x->t.dl.shape = x->shape, x->t.dl.strides = x->strides;
  CressetStatus *status = backend->allocate(device, total, &x->t.buffer);
  if (status) { printf("allocate: %s\n", status->message); exit(2); }
  void *data = NULL;
  status = backend->map(device, x->t.buffer, &data);
  if (status) { printf("map: %s\n", status->message); exit(2); }
  x->t.dl.data = data;
  if (bytes) memcpy(data, bytes, (size_t)total); else memset(data, 0, (size_t)total);
}
#define SHAPE(...) (int)(sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}
static void drop(T *x) { backend->deallocate(device, x->t.buffer); }

/* The strides of a view are set by hand; copies of a T must point at their own arrays. */
static T view(const T *x, int rank, const int64_t *shape, const int64_t *strides, int64_t offset) {
  T v = *x;
  for (int d = 0; d < rank; d++) v.shape[d] = shape[d], v.strides[d] = strides[d];
  v.t.dl.ndim = rank, v.t.dl.byte_offset += (uint64_t)offset * sizes[x->t.dtype];
  return v;
}

static CressetStatus *launch(uint32_t family, uint32_t dtype, const CressetProgram *program,
                             const CressetProgram *epilogue, const CressetScalar *params, const void *attributes,
                             uint32_t inputs, const T *const *in, uint32_t outputs, const T *const *out) {
  CressetTensor a[CRESSET_MAX_INPUTS], b[CRESSET_MAX_OUTPUTS];
  for (uint32_t k = 0; k < inputs; k++) a[k] = in[k]->t, a[k].dl.shape = in[k]->shape, a[k].dl.strides = in[k]->strides;
  for (uint32_t k = 0; k < outputs; k++) b[k] = out[k]->t, b[k].dl.shape = out[k]->shape, b[k].dl.strides = out[k]->strides;
  uint32_t param_count = program ? program->param_count : 0; /* of both programs, which see the same params */
  if (epilogue && epilogue->param_count > param_count) param_count = epilogue->param_count;
  CressetCall call = {.struct_size = sizeof call, .family = family, .input_count = inputs, .output_count = outputs,
                      .inputs = a, .outputs = b, .program = program, .epilogue = epilogue, .params = params,
                      .param_count = param_count, .attributes = attributes,
                      .op = "test::op", .site = 4242};
  for (uint32_t k = 0; k < kernel_count; k++)
    if (kernels[k].family == family && kernels[k].dtype == dtype) {
      const char *reason = kernels[k].supports ? kernels[k].supports(kernels[k].context, device, &call) : NULL;
      if (reason) { printf("  unsupported: %s\n", reason); exit(2); }
      return kernels[k].launch(kernels[k].context, queue, &call);
    }
  printf("  no kernel for family %u, dtype %u\n", family, dtype);
  exit(2);
}

/* --------------------------------------------------------------- programs -- */

#define I(op, ty, x, ...) {.opcode = CRESSET_OP_##op, .type = CRESSET_TYPE_##ty, .aux = x, __VA_ARGS__}
#define PROGRAM(list) program_of(list, sizeof(list) / sizeof(list[0]))
/* Programs live as long as the process and are never changed, so that a backend may keep what it made of them: the
 * instructions are copied, and the copies kept. */
static const CressetProgram *program_of(const CressetInstruction *list, size_t count) {
  static struct Kept { struct Kept *next; CressetProgram program; CressetInstruction instructions[]; } *programs;
  struct Kept *kept = calloc(1, sizeof *kept + count * sizeof *list);
  if (!kept) exit(2);
  memcpy(kept->instructions, list, count * sizeof *list);
  CressetProgram *p = &kept->program;
  uint32_t id = programs ? programs->program.id + 1 : 0;
  uint64_t hash = 0xcbf29ce484222325; /* FNV-1a of the instructions, which have no padding */
  for (size_t k = 0; k < count * sizeof *list; k++) hash = (hash ^ ((const uint8_t *)list)[k]) * 0x100000001b3;
  *p = (CressetProgram){.struct_size = sizeof *p, .instruction_count = (uint32_t)count,
                        .instructions = kept->instructions, .hash = hash, .id = id};
  for (size_t k = 0; k < count; k++) {
    if (list[k].opcode == CRESSET_OP_LOAD && list[k].a >= p->input_count) p->input_count = list[k].a + 1;
    if (list[k].opcode == CRESSET_OP_PARAM && list[k].a >= p->param_count) p->param_count = list[k].a + 1;
    if (list[k].opcode == CRESSET_OP_STORE && list[k].b >= p->output_count) p->output_count = list[k].b + 1;
    if (list[k].opcode == CRESSET_OP_INDEX) p->uses_index = 1;
  }
  kept->next = programs, programs = kept;
  return p;
}

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

static void test_pointwise(void) {
  /* out0 = a * p + b (a transposed, b a row broadcast); out1 = index as int64 */
  CressetInstruction list[] = {
      I(LOAD, F32, CRESSET_FLOAT32, .a = 0), I(LOAD, F32, CRESSET_FLOAT32, .a = 1), I(PARAM, F32, 0, .a = 0),
      I(MUL, F32, 0, .a = 0, .b = 2), I(ADD, F32, 0, .a = 3, .b = 1), I(STORE, F32, CRESSET_FLOAT32, .a = 4, .b = 0),
      I(INDEX, I64, 0, .a = 0), I(STORE, I64, CRESSET_INT64, .a = 6, .b = 1)};
  const CressetProgram *p = PROGRAM(list);
  T a, b, c, n;
  make(&a, CRESSET_FLOAT32, SHAPE(3, 2), (float[]){1, 2, 3, 4, 5, 6});
  make(&b, CRESSET_FLOAT32, SHAPE(3), (float[]){10, 20, 30});
  make(&c, CRESSET_FLOAT32, SHAPE(2, 3), NULL), make(&n, CRESSET_INT64, SHAPE(2, 3), NULL);
  T at = view(&a, 2, (int64_t[]){2, 3}, (int64_t[]){1, 2}, 0), bb = view(&b, 2, (int64_t[]){2, 3}, (int64_t[]){0, 1}, 0);
  CressetScalar params[] = {{.f = 2}};
  const T *in[] = {&at, &bb}, *out[] = {&c, &n};
  expect_ok(launch(CRESSET_FAMILY_POINTWISE, CRESSET_FLOAT32, p, NULL, params, NULL, 2, in, 2, out), "pointwise");
  check(!memcmp(c.t.dl.data, (float[]){12, 26, 40, 14, 28, 42}, 24), "transposed and broadcast inputs, a param");
  check(!memcmp(n.t.dl.data, (int64_t[]){0, 1, 2, 3, 4, 5}, 48), "INDEX and a second output");
  T reversed = view(&b, 1, (int64_t[]){3}, (int64_t[]){-1}, 2), row = view(&c, 1, (int64_t[]){3}, (int64_t[]){1}, 0);
  CressetInstruction copy[] = {I(LOAD, F32, CRESSET_FLOAT32, .a = 0), I(STORE, F32, CRESSET_FLOAT32, .a = 0, .b = 0)};
  const CressetProgram *q = PROGRAM(copy);
  const T *in2[] = {&reversed}, *out2[] = {&row};
  expect_ok(launch(CRESSET_FAMILY_POINTWISE, CRESSET_FLOAT32, q, NULL, NULL, NULL, 1, in2, 1, out2), "pointwise copy");
  check(!memcmp(c.t.dl.data, (float[]){30, 20, 10}, 12), "negative stride");
  T e = view(&c, 2, (int64_t[]){0, 3}, (int64_t[]){3, 1}, 0);
  const T *empty[] = {&e};
  expect_ok(launch(CRESSET_FAMILY_POINTWISE, CRESSET_FLOAT32, q, NULL, NULL, NULL, 1, empty, 1, empty), "zero elements");
  T s = view(&c, 0, NULL, NULL, 1), s0 = view(&b, 0, NULL, NULL, 0);
  const T *in3[] = {&s0}, *out3[] = {&s};
  expect_ok(launch(CRESSET_FAMILY_POINTWISE, CRESSET_FLOAT32, q, NULL, NULL, NULL, 1, in3, 1, out3), "rank 0");
  check(((float *)c.t.dl.data)[1] == 10, "rank 0 at an offset");
  /* SELECT, and FMA, which differs from MUL then ADD in the last bit */
  CressetInstruction fused[] = {
      I(LOAD, F32, CRESSET_FLOAT32, .a = 0), I(CONST, F32, 0, .imm = {.f = -1}),
      I(FMA, F32, 0, .a = 0, .b = 0, .c = 1), I(MUL, F32, 0, .a = 0, .b = 0), I(ADD, F32, 0, .a = 3, .b = 1),
      I(EQ, F32, 0, .a = 2, .b = 4), I(SELECT, F32, 0, .a = 5, .b = 1, .c = 2), I(STORE, F32, CRESSET_FLOAT32, .a = 6, .b = 0)};
  const CressetProgram *r = PROGRAM(fused);
  float x = 1 + 0x1p-12f;
  memcpy(b.t.dl.data, &x, 4);
  expect_ok(launch(CRESSET_FAMILY_POINTWISE, CRESSET_FLOAT32, r, NULL, NULL, NULL, 1, in3, 1, out3), "fma and select");
  check(((float *)c.t.dl.data)[1] == 0x1p-11f + 0x1p-24f, "FMA rounds once");
  drop(&a), drop(&b), drop(&c), drop(&n);
}

/* Reduces in over `dims` by one kind; the epilogue only stores. */
static CressetStatus *reduce1(uint32_t kind, uint32_t dims, const T *in, const T *out) {
  uint8_t type = widened[in->t.dtype], result = kind >= CRESSET_REDUCE_ARGMAX ? CRESSET_TYPE_I64 : type;
  static const uint8_t dtype_of[] = {CRESSET_BOOL, CRESSET_INT32, CRESSET_INT64, CRESSET_FLOAT32, CRESSET_FLOAT64};
  CressetInstruction pro[] = {
      {.opcode = CRESSET_OP_LOAD, .type = type, .aux = (uint8_t)in->t.dtype},
      {.opcode = CRESSET_OP_STORE, .type = type, .aux = dtype_of[type], .a = 0, .b = 0}};
  CressetInstruction epi[] = {
      {.opcode = CRESSET_OP_LOAD, .type = result, .aux = dtype_of[result]},
      {.opcode = CRESSET_OP_STORE, .type = result, .aux = (uint8_t)out->t.dtype, .a = 0, .b = 0}};
  const CressetProgram *p = PROGRAM(pro), *e = PROGRAM(epi);
  CressetReduceAttributes attributes = {.struct_size = sizeof attributes, .reduced_dims = dims, .accumulator_count = 1,
                                        .kinds = {kind}};
  return launch(CRESSET_FAMILY_REDUCE, out->t.dtype, p, e, NULL, &attributes, 1, &in, 1, &out);
}

static void test_reduce(void) {
  T x, out, index, flags, flag;
  make(&x, CRESSET_FLOAT32, SHAPE(2, 3), (float[]){1, 5, 5, -2, 7, 7});
  make(&out, CRESSET_FLOAT32, SHAPE(8), NULL), make(&index, CRESSET_INT64, SHAPE(8), NULL);
  T rows = view(&out, 2, (int64_t[]){2, 3}, (int64_t[]){1, 0}, 0), columns = view(&out, 2, (int64_t[]){2, 3}, (int64_t[]){0, 1}, 0);
  T row_index = view(&index, 2, (int64_t[]){2, 3}, (int64_t[]){1, 0}, 0), whole = view(&index, 2, (int64_t[]){2, 3}, (int64_t[]){0, 0}, 0);
  float *f = out.t.dl.data;
  int64_t *i = index.t.dl.data;
  expect_ok(reduce1(CRESSET_REDUCE_SUM, 2, &x, &rows), "sum");
  check(f[0] == 11 && f[1] == 12, "sum over the last dim");
  expect_ok(reduce1(CRESSET_REDUCE_PROD, 1, &x, &columns), "prod");
  check(f[0] == -2 && f[1] == 35 && f[2] == 35, "prod over the first dim");
  expect_ok(reduce1(CRESSET_REDUCE_MIN, 2, &x, &rows), "min");
  check(f[0] == 1 && f[1] == -2, "min");
  expect_ok(reduce1(CRESSET_REDUCE_ARGMAX, 2, &x, &row_index), "argmax");
  check(i[0] == 1 && i[1] == 1, "argmax: the first of equals wins");
  expect_ok(reduce1(CRESSET_REDUCE_ARGMIN, 3, &x, &whole), "argmin");
  check(i[0] == 3, "argmin over all dims is a linear index");
  ((float *)x.t.dl.data)[2] = NAN, ((float *)x.t.dl.data)[4] = NAN;
  expect_ok(reduce1(CRESSET_REDUCE_ARGMAX, 3, &x, &whole), "argmax with NaN");
  check(i[0] == 2, "the first NaN wins in argmax");
  expect_ok(reduce1(CRESSET_REDUCE_MAX, 2, &x, &rows), "max with NaN");
  check(isnan(f[0]) && isnan(f[1]), "NaN wins in max");
  /* nothing reduced away but a dim of size 0 */
  T none = view(&x, 3, (int64_t[]){2, 0, 5}, (int64_t[]){3, 1, 1}, 0), to = view(&out, 3, (int64_t[]){2, 0, 5}, (int64_t[]){1, 0, 0}, 0);
  f[0] = f[1] = 9;
  expect_ok(reduce1(CRESSET_REDUCE_SUM, 6, &none, &to), "empty sum");
  check(f[0] == 0 && f[1] == 0, "an empty sum is 0");
  expect_ok(reduce1(CRESSET_REDUCE_PROD, 6, &none, &to), "empty prod");
  check(f[0] == 1 && f[1] == 1, "an empty product is 1");
  expect_ok(reduce1(CRESSET_REDUCE_MAX, 6, &none, &to), "empty max");
  check(f[0] == -INFINITY && f[1] == -INFINITY, "an empty max is -inf");
  make(&flags, CRESSET_BOOL, SHAPE(2, 2), (uint8_t[]){1, 0, 1, 1}), make(&flag, CRESSET_BOOL, SHAPE(2), NULL);
  T kept = view(&flag, 2, (int64_t[]){2, 2}, (int64_t[]){1, 0}, 0);
  expect_ok(reduce1(CRESSET_REDUCE_ALL, 2, &flags, &kept), "all");
  check(!memcmp(flag.t.dl.data, (uint8_t[]){0, 1}, 2), "all");
  expect_ok(reduce1(CRESSET_REDUCE_ANY, 2, &flags, &kept), "any");
  check(!memcmp(flag.t.dl.data, (uint8_t[]){1, 1}, 2), "any");
  drop(&flags), drop(&flag), drop(&index), drop(&out);

  int32_t ints[] = {INT32_MAX, 2};
  T n, r;
  make(&n, CRESSET_INT32, SHAPE(2), ints), make(&r, CRESSET_INT32, SHAPE(1), NULL);
  T scalar = view(&r, 1, (int64_t[]){2}, (int64_t[]){0}, 0);
  expect_ok(reduce1(CRESSET_REDUCE_SUM, 1, &n, &scalar), "int32 sum");
  check(*(int32_t *)r.t.dl.data == INT32_MIN + 1, "an int32 sum wraps");
  n.shape[0] = scalar.shape[0] = 0;
  expect_ok(reduce1(CRESSET_REDUCE_MIN, 1, &n, &scalar), "empty int32 min");
  check(*(int32_t *)r.t.dl.data == INT32_MAX, "an empty int32 min is the greatest integer");
  drop(&n), drop(&r);

  /* mean and mean of squares in one launch: two accumulators, a prologue, an epilogue with a param, float16 in */
  uint16_t halves[] = {0x3c00, 0x4000, 0x4200, 0x4400}; /* 1 2 3 4 */
  T h, mean, square;
  make(&h, CRESSET_FLOAT16, SHAPE(4), halves), make(&mean, CRESSET_FLOAT16, SHAPE(1), NULL), make(&square, CRESSET_FLOAT32, SHAPE(1), NULL);
  T m0 = view(&mean, 1, (int64_t[]){4}, (int64_t[]){0}, 0), s0 = view(&square, 1, (int64_t[]){4}, (int64_t[]){0}, 0);
  CressetInstruction pro[] = {I(LOAD, F32, CRESSET_FLOAT16, .a = 0), I(MUL, F32, 0, .a = 0, .b = 0),
                              I(STORE, F32, CRESSET_FLOAT32, .a = 0, .b = 0), I(STORE, F32, CRESSET_FLOAT32, .a = 1, .b = 1)};
  CressetInstruction epi[] = {I(LOAD, F32, CRESSET_FLOAT32, .a = 0), I(LOAD, F32, CRESSET_FLOAT32, .a = 1), I(PARAM, F32, 0, .a = 0),
                              I(DIV, F32, 0, .a = 0, .b = 2), I(DIV, F32, 0, .a = 1, .b = 2),
                              I(STORE, F32, CRESSET_FLOAT16, .a = 3, .b = 0), I(STORE, F32, CRESSET_FLOAT32, .a = 4, .b = 1)};
  const CressetProgram *p = PROGRAM(pro), *e = PROGRAM(epi);
  CressetReduceAttributes attributes = {.struct_size = sizeof attributes, .reduced_dims = 1, .accumulator_count = 2};
  CressetScalar params[] = {{.f = 4}};
  const T *in[] = {&h}, *outs[] = {&m0, &s0};
  expect_ok(launch(CRESSET_FAMILY_REDUCE, CRESSET_FLOAT16, p, e, params, &attributes, 1, in, 2, outs), "moments");
  check(*(uint16_t *)mean.t.dl.data == 0x4100 && *(float *)square.t.dl.data == 7.5f, "two accumulators and an epilogue");
  drop(&h), drop(&mean), drop(&square);

  enum { MANY = 1 << 24 };
  T big, total;
  make(&big, CRESSET_FLOAT32, SHAPE(1), (float[]){0.1f}), make(&total, CRESSET_FLOAT32, SHAPE(1), NULL);
  T repeated = view(&big, 1, (int64_t[]){MANY}, (int64_t[]){0}, 0), t = view(&total, 1, (int64_t[]){MANY}, (int64_t[]){0}, 0);
  expect_ok(reduce1(CRESSET_REDUCE_SUM, 1, &repeated, &t), "a sum of 2^24");
  check(fabs(*(float *)total.t.dl.data - 0.1f * 16777216.0) < 0.2, "a float32 sum of 2^24 elements is accurate");
  drop(&big), drop(&total), drop(&x);
}

static void test_matmul(void) {
  T a, b, c;
  make(&a, CRESSET_FLOAT32, SHAPE(2, 2, 3), (float[]){1, 2, 3, 4, 5, 6, 1, 0, 0, 0, 1, 0});
  make(&b, CRESSET_FLOAT32, SHAPE(3, 2), (float[]){1, 2, 3, 4, 5, 6});
  make(&c, CRESSET_FLOAT32, SHAPE(2, 2, 2), NULL);
  T bb = view(&b, 3, (int64_t[]){2, 3, 2}, (int64_t[]){0, 2, 1}, 0);
  const T *in[] = {&a, &bb, NULL}, *out[] = {&c};
  expect_ok(launch(CRESSET_FAMILY_MATMUL, CRESSET_FLOAT32, NULL, NULL, NULL, NULL, 2, in, 1, out), "matmul");
  check(!memcmp(c.t.dl.data, (float[]){22, 28, 49, 64, 1, 2, 3, 4}, 32), "batched matmul with a broadcast operand");
  /* a transposed as a view: (3x2 of b)^T is 2x3, with b: b^T b */
  T bt = view(&b, 2, (int64_t[]){2, 3}, (int64_t[]){1, 2}, 0), b2 = view(&b, 2, (int64_t[]){3, 2}, (int64_t[]){2, 1}, 0);
  T c2 = view(&c, 2, (int64_t[]){2, 2}, (int64_t[]){2, 1}, 0), bias;
  make(&bias, CRESSET_FLOAT32, SHAPE(2), (float[]){-100, 1});
  T biases = view(&bias, 2, (int64_t[]){2, 2}, (int64_t[]){0, 1}, 0);
  CressetInstruction relu[] = {
      I(LOAD, F32, CRESSET_FLOAT32, .a = 0), I(LOAD, F32, CRESSET_FLOAT32, .a = 1), I(ADD, F32, 0, .a = 0, .b = 1),
      I(CONST, F32, 0, .imm = {.f = 0}), I(MAX, F32, 0, .a = 2, .b = 3), I(STORE, F32, CRESSET_FLOAT32, .a = 4, .b = 0)};
  const CressetProgram *p = PROGRAM(relu);
  const T *in2[] = {&bt, &b2, &biases}, *out2[] = {&c2};
  expect_ok(launch(CRESSET_FAMILY_MATMUL, CRESSET_FLOAT32, p, NULL, NULL, NULL, 3, in2, 1, out2), "matmul with epilogue");
  check(!memcmp(c.t.dl.data, (float[]){0, 45, 0, 57}, 16), "transposed matmul with bias and relu");
  T a0 = view(&a, 2, (int64_t[]){2, 0}, (int64_t[]){1, 1}, 0), b0 = view(&b, 2, (int64_t[]){0, 2}, (int64_t[]){1, 1}, 0);
  const T *in3[] = {&a0, &b0};
  expect_ok(launch(CRESSET_FAMILY_MATMUL, CRESSET_FLOAT32, NULL, NULL, NULL, NULL, 2, in3, 1, out2), "matmul with k = 0");
  check(!memcmp(c.t.dl.data, (float[]){0, 0, 0, 0}, 16), "k = 0 gives 0");
  drop(&a), drop(&b), drop(&c), drop(&bias);

  T x, y, z;
  make(&x, CRESSET_INT8, SHAPE(1, 2), (int8_t[]){100, 100}), make(&y, CRESSET_INT8, SHAPE(2, 1), (int8_t[]){2, 1});
  make(&z, CRESSET_INT8, SHAPE(1, 1), NULL);
  const T *in4[] = {&x, &y}, *out4[] = {&z};
  expect_ok(launch(CRESSET_FAMILY_MATMUL, CRESSET_INT8, NULL, NULL, NULL, NULL, 2, in4, 1, out4), "int8 matmul");
  check(*(int8_t *)z.t.dl.data == 44, "int8 matmul wraps");
  drop(&x), drop(&y), drop(&z);
  /* 2048 + 1 + 1: float16 would lose the ones, one by one */
  make(&x, CRESSET_FLOAT16, SHAPE(1, 3), (uint16_t[]){0x6800, 0x3c00, 0x3c00});
  make(&y, CRESSET_FLOAT16, SHAPE(3, 1), (uint16_t[]){0x3c00, 0x3c00, 0x3c00}), make(&z, CRESSET_FLOAT16, SHAPE(1, 1), NULL);
  expect_ok(launch(CRESSET_FAMILY_MATMUL, CRESSET_FLOAT16, NULL, NULL, NULL, NULL, 2, in4, 1, out4), "float16 matmul");
  check(*(uint16_t *)z.t.dl.data == 0x6801, "float16 matmul accumulates in float32");
  drop(&x), drop(&y), drop(&z);
}

static void test_index(void) {
  /* gather rows of a 3x2 table: outputs [4, 2] */
  T table, rows, out;
  make(&table, CRESSET_INT16, SHAPE(3, 2), (int16_t[]){10, 11, 20, 21, 30, 31});
  make(&rows, CRESSET_INT64, SHAPE(4), (int64_t[]){2, 0, -1, -3}), make(&out, CRESSET_INT16, SHAPE(4, 2), NULL);
  T from = view(&table, 2, (int64_t[]){4, 2}, (int64_t[]){0, 1}, 0), index = view(&rows, 2, (int64_t[]){4, 2}, (int64_t[]){1, 0}, 0);
  CressetIndexAttributes attributes = {.struct_size = sizeof attributes, .index_count = 1, .index_sizes = {3}, .index_strides = {2}};
  const T *in[] = {&from, &index}, *outs[] = {&out};
  expect_ok(launch(CRESSET_FAMILY_GATHER, CRESSET_INT16, NULL, NULL, NULL, &attributes, 2, in, 1, outs), "gather");
  check(!memcmp(out.t.dl.data, (int16_t[]){30, 31, 10, 11, 30, 31, 10, 11}, 16), "gather with negative indices");
  expect_ok(backend->synchronize(queue), "no error is pending");

  const char *ways[] = {"synchronize", "copy_out", "event_wait"};
  for (int way = 0; way < (backend->record ? 3 : 2); way++) { /* events are optional */
    ((int64_t *)rows.t.dl.data)[1] = 3, ((int64_t *)rows.t.dl.data)[2] = -4;
    expect_ok(launch(CRESSET_FAMILY_GATHER, CRESSET_INT16, NULL, NULL, NULL, &attributes, 2, in, 1, outs), "bad gather launches");
    CressetEvent *event = NULL;
    uint8_t byte;
    CressetStatus *status;
    if (way == 2) expect_ok(backend->record(queue, &event), "record");
    status = way == 0 ? backend->synchronize(queue) : way == 1 ? backend->copy_out(queue, out.t.buffer, 0, &byte, 1)
                                                               : backend->event_wait(event);
    check(status && status->op && !strcmp(status->op, "test::op") && status->site == 4242, ways[way]);
    check(status && strstr(status->message, "3") && strstr(status->message, "2"), "message names index, size, position");
    if (way == 0 && status) printf("  as expected: %s\n", status->message);
    expect_error(status, CRESSET_ERROR_INDEX, ways[way]);
    expect_ok(backend->synchronize(queue), "reported once");
    if (event) backend->event_release(event);
  }
  ((int64_t *)rows.t.dl.data)[1] = 0, ((int64_t *)rows.t.dl.data)[2] = -1;
  drop(&table), drop(&rows), drop(&out);

  /* gather by two int32 index tensors */
  T grid, i, j, r;
  make(&grid, CRESSET_FLOAT64, SHAPE(2, 3), (double[]){0, 1, 2, 3, 4, 5}), make(&r, CRESSET_FLOAT64, SHAPE(2), NULL);
  make(&i, CRESSET_INT32, SHAPE(2), (int32_t[]){1, 0}), make(&j, CRESSET_INT32, SHAPE(2), (int32_t[]){-1, 1});
  T fixed = view(&grid, 1, (int64_t[]){2}, (int64_t[]){0}, 0);
  CressetIndexAttributes two = {.struct_size = sizeof two, .index_count = 2, .index_sizes = {2, 3}, .index_strides = {3, 1}};
  const T *in2[] = {&fixed, &i, &j}, *out2[] = {&r};
  expect_ok(launch(CRESSET_FAMILY_GATHER, CRESSET_FLOAT64, NULL, NULL, NULL, &two, 3, in2, 1, out2), "gather by two");
  check(!memcmp(r.t.dl.data, (double[]){5, 1}, 16), "two index tensors");
  drop(&grid), drop(&i), drop(&j), drop(&r);

  T values, where, target;
  make(&values, CRESSET_UINT8, SHAPE(4), (uint8_t[]){200, 100, 7, 9});
  make(&where, CRESSET_INT64, SHAPE(4), (int64_t[]){0, 0, -1, 2});
  make(&target, CRESSET_UINT8, SHAPE(3), (uint8_t[]){1, 5, 8});
  T updated = view(&target, 1, (int64_t[]){4}, (int64_t[]){0}, 0);
  const T *in3[] = {&values, &where}, *out3[] = {&updated};
  CressetIndexAttributes one_dim = {.struct_size = sizeof one_dim, .index_count = 1, .index_sizes = {3}, .index_strides = {1}};
  static const uint8_t expected[CRESSET_SCATTER_COUNT][3] = {{100, 5, 9}, {45, 5, 24}, {32, 5, 248}, {200, 5, 9}, {1, 5, 7}};
  for (uint32_t kind = 0; kind < CRESSET_SCATTER_COUNT; kind++) {
    memcpy(target.t.dl.data, (uint8_t[]){1, 5, 8}, 3);
    one_dim.reduce = kind;
    expect_ok(launch(CRESSET_FAMILY_SCATTER, CRESSET_UINT8, NULL, NULL, NULL, &one_dim, 2, in3, 1, out3), "scatter");
    char what[32];
    snprintf(what, sizeof what, "scatter, reduce %u", kind);
    check(!memcmp(target.t.dl.data, expected[kind], 3), what);
  }
  ((int64_t *)where.t.dl.data)[0] = 5;
  memcpy(target.t.dl.data, (uint8_t[]){1, 5, 8}, 3);
  one_dim.reduce = CRESSET_SCATTER_SET;
  expect_ok(launch(CRESSET_FAMILY_SCATTER, CRESSET_UINT8, NULL, NULL, NULL, &one_dim, 2, in3, 1, out3), "bad scatter launches");
  check(!memcmp(target.t.dl.data, (uint8_t[]){100, 5, 9}, 3), "a bad index is skipped, the rest is done");
  expect_error(backend->synchronize(queue), CRESSET_ERROR_INDEX, "scatter reports the bad index");
  drop(&values), drop(&where), drop(&target);

  /* bool ADD is "or"; bfloat16 ADD rounds after every element: 256 + 1 + 1 stays 256 */
  make(&values, CRESSET_BFLOAT16, SHAPE(2), (uint16_t[]){0x3f80, 0x3f80}), make(&where, CRESSET_INT64, SHAPE(2), NULL);
  make(&target, CRESSET_BFLOAT16, SHAPE(1), (uint16_t[]){0x4380});
  updated = view(&target, 1, (int64_t[]){2}, (int64_t[]){0}, 0);
  one_dim.reduce = CRESSET_SCATTER_ADD, one_dim.index_sizes[0] = 1;
  expect_ok(launch(CRESSET_FAMILY_SCATTER, CRESSET_BFLOAT16, NULL, NULL, NULL, &one_dim, 2, in3, 1, out3), "bfloat16 scatter");
  check(*(uint16_t *)target.t.dl.data == 0x4380, "each step is rounded to bfloat16");
  drop(&values), drop(&target);
  make(&values, CRESSET_BOOL, SHAPE(2), (uint8_t[]){1, 1}), make(&target, CRESSET_BOOL, SHAPE(1), (uint8_t[]){1});
  updated = view(&target, 1, (int64_t[]){2}, (int64_t[]){0}, 0);
  expect_ok(launch(CRESSET_FAMILY_SCATTER, CRESSET_BOOL, NULL, NULL, NULL, &one_dim, 2, in3, 1, out3), "bool scatter");
  check(*(uint8_t *)target.t.dl.data == 1, "bool add is or");
  drop(&values), drop(&target), drop(&where);
}

static void test_memory(void) {
  CressetBuffer *a = NULL, *b = NULL, *huge = NULL;
  expect_ok(backend->allocate(device, 16, &a), "allocate"), expect_ok(backend->allocate(device, 0, &b), "allocate nothing");
  void *p = NULL;
  expect_ok(backend->map(device, a, &p), "map");
  check(p && (uintptr_t)p % 256 == 0, "blocks are aligned to 256 bytes");
  char text[17] = "0123456789abcdef", back[17] = "";
  expect_ok(backend->copy_in(queue, text, a, 0, 16), "copy_in");
  expect_ok(backend->copy_within(queue, a, 0, a, 4, 8), "copy_within, overlapping");
  expect_ok(backend->copy_out(queue, a, 0, back, 16), "copy_out");
  check(!strcmp(back, "012301234567cdef"), "the bytes come back");
  expect_error(backend->copy_in(queue, text, a, 9, 8), CRESSET_ERROR_INVALID, "copy_in past the end");
  expect_error(backend->copy_out(queue, a, UINT64_MAX, back, 8), CRESSET_ERROR_INVALID, "copy_out with an overflowing range");
  expect_error(backend->copy_within(queue, a, 0, b, 0, 16), CRESSET_ERROR_INVALID, "copy_within past the end");
  expect_error(backend->allocate(device, UINT64_MAX - 5, &huge), CRESSET_ERROR_OUT_OF_MEMORY, "allocate too much");
  expect_error(backend->allocate(device, (uint64_t)1 << 60, &huge), CRESSET_ERROR_OUT_OF_MEMORY, "allocate an exbibyte");
  backend->deallocate(device, a), backend->deallocate(device, b);
}

int main(int argc, char **argv) {
  if (argc != 2) { fprintf(stderr, "usage: %s PLUGIN\n", argv[0]); return 2; }
  void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) { fprintf(stderr, "%s\n", dlerror()); return 2; }
  CressetBackendQuery query;
  *(void **)&query = dlsym(library, CRESSET_BACKEND_ENTRY);
  if (!query) { fprintf(stderr, "%s exports no %s\n", argv[1], CRESSET_BACKEND_ENTRY); return 2; }
  check(!query(CRESSET_ABI_VERSION + 1, CRESSET_ABI_VERSION + 5), "refuses versions it cannot speak");
  backend = query(CRESSET_ABI_OLDEST, CRESSET_ABI_VERSION);
  check(backend && backend->struct_size == sizeof(CressetBackend) && backend->abi_version == 1, "handshake");
  if (!backend) return 1;
  CressetServices services = {.struct_size = sizeof services, .abi_version = CRESSET_ABI_VERSION, .thread_count = 1};
  expect_ok(backend->start(backend->context, &services), "start");
  uint32_t count = 0;
  CressetDeviceInfo info;
  memset(&info, 0, sizeof info);
  expect_ok(backend->devices(backend->context, &count, NULL), "devices, count");
  check(count >= 1, "there is a device");
  count = 1, info.struct_size = sizeof info;
  expect_ok(backend->devices(backend->context, &count, &info), "devices, fill");
  check(info.struct_size == sizeof info && info.name[0] && info.memory_bytes > 0, "device info is filled in");
  check(info.flags & CRESSET_DEVICE_HOST_VISIBLE, "memory is host-visible");
  expect_ok(backend->open_device(backend->context, 0, &device), "open_device");
  CressetDevice *other;
  expect_error(backend->open_device(backend->context, 99, &other), CRESSET_ERROR_INVALID, "open_device of what is not there");
  expect_ok(backend->kernels(device, &kernel_count, NULL), "kernels, count");
  check(kernel_count == 49, "49 kernels: 5 families of 10 dtypes, but matmul of bool");
  for (uint32_t k = 0; k < 256; k++) kernels[k].struct_size = sizeof kernels[k];
  uint32_t few = 3;
  expect_ok(backend->kernels(device, &few, kernels), "kernels, fewer than there are");
  check(few == 3 && !kernels[3].launch, "fills no more than asked");
  if (kernel_count > 256) kernel_count = 256;
  expect_ok(backend->kernels(device, &kernel_count, kernels), "kernels, fill");
  expect_ok(backend->create_queue(device, &queue), "create_queue");
  test_memory(), test_instructions(), test_pointwise(), test_reduce(), test_matmul(), test_index();
  check(!backend->record == !backend->queue_wait && !backend->record == !backend->event_wait &&
        !backend->record == !backend->event_release, "events are there as a group, or not at all");
  if (backend->record) {
    CressetEvent *event = NULL;
    expect_ok(backend->record(queue, &event), "record"), expect_ok(backend->queue_wait(queue, event), "queue_wait");
    expect_ok(backend->event_wait(event), "event_wait"), backend->event_release(event);
  }
  expect_ok(backend->synchronize(queue), "synchronize at the end"), backend->destroy_queue(queue);
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
