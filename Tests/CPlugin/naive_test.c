/* naive_test.c: loads a backend by path and holds the five kernel families to known answers.
 *
 *   cc -std=c11 -o naive_test naive_test.c -I<directory of cresset_backend.h> -ldl -lm
 *   ./naive_test path/to/libcresset_backend_naive.so
 *
 * It stands alone: no host, no library of the project. The backend must have host-visible memory. */
#include "harness.h"

#include "instructions.h"

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
