/* naive_backend.c: a complete Cresset backend in one file of C.
 *   cc -O2 -shared -fPIC -o libcresset_backend_naive.so naive_backend.c -I<directory of cresset_backend.h> -lm
 * Its "device" is this computer's processor, used in the plainest way: one element at a time, no threads, no compiler.
 * Copy it and replace the pieces your chip does better. The header says what each function must do; the comments here
 * say why it is done so. */
#define _POSIX_C_SOURCE 200809L /* sysconf */
#include "cresset_backend.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-parameter" /* functions get more than this simple backend needs */
#ifndef BACKEND_NAME
#define BACKEND_NAME "naive"
#endif

/* ---------------------------------------------------------------- errors -- */
static void release_status(CressetStatus *status) { free(status); }
static CressetStatus no_memory = {sizeof no_memory, CRESSET_ERROR_OUT_OF_MEMORY, "no host memory", 0, 0, NULL};

/* `format` prints up to four numbers. `call` is given for asynchronous failures only: the launch that was at fault. */
static CressetStatus *fail(int32_t code, const CressetCall *call, const char *format, const long long *n) {
  struct { CressetStatus status; char message[256]; } *failure = malloc(sizeof *failure);
  if (!failure) return &no_memory;
  snprintf(failure->message, sizeof failure->message, format, n[0], n[1], n[2], n[3]);
  failure->status = (CressetStatus){sizeof failure->status, code, failure->message, call ? call->op : NULL,
                                    call ? call->site : 0, release_status};
  return &failure->status;
}

/* -------------------------------------------------------------- elements -- */
/* Programs see five arithmetic types. BOOL, I32 and I64 values all live in `i` (I32 sign-extended), so that one 64-bit
 * code path serves them; F32 lives in `f`, F64 in `d`. The low bytes are shared (little-endian), hence BITCAST. */
typedef CressetScalar Scalar;
enum { BOOL = CRESSET_TYPE_BOOL, I32 = CRESSET_TYPE_I32, I64 = CRESSET_TYPE_I64, F32 = CRESSET_TYPE_F32,
       F64 = CRESSET_TYPE_F64 };
static const uint8_t element_size[CRESSET_DTYPE_COUNT] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
static const uint8_t widened[CRESSET_FLOAT64 + 1] = {BOOL, I32, I32, I32, I32, I64, F32, F32, F32, F64};
static const uint8_t dtype_of_type[] = {CRESSET_BOOL, CRESSET_INT32, CRESSET_INT64, CRESSET_FLOAT32, CRESSET_FLOAT64};
static bool is_float(uint32_t type) { return type >= F32; }
static double as_double(uint32_t type, Scalar value) { return type == F32 ? value.f : type == F64 ? value.d : 0; }
static Scalar from_double(uint32_t type, double x) { return type == F32 ? (Scalar){.f = (float)x} : (Scalar){.d = x}; }

/* Wraps to the type. Integers come as uint64_t because signed overflow is undefined in C. */
static Scalar from_integer(uint32_t type, uint64_t x) {
  return (Scalar){type == I32 ? (int32_t)(uint32_t)x : type == BOOL ? x != 0 : (int64_t)x};
}

/* float16 has 10 fraction bits and the least denormal 2^-24, bfloat16 7 and 2^-133: `least` is that exponent. Rounded
 * to nearest even, |x| is a multiple of 2^unit; that multiple plus the steps below its binade gives the bits, denormals
 * included, and a carry out of the fraction lands in the exponent by itself. */
static uint16_t round_narrow(double x, int fraction_bits, int least) {
  uint16_t sign = signbit(x) ? 0x8000 : 0, infinity = fraction_bits == 10 ? 0x7c00 : 0x7f80;
  if (x == 0 || isnan(x) || isinf(x)) return sign | (x == 0 ? 0 : isnan(x) ? 0x7fc0 : infinity);
  int unit = ilogb(x) - fraction_bits < least ? least : ilogb(x) - fraction_bits;
  int64_t bits = ((int64_t)(unit - least) << fraction_bits) + (int64_t)rint(ldexp(fabs(x), -unit));
  return sign | (bits > infinity ? infinity : (uint16_t)bits);
}
static float widen_narrow(uint16_t bits, int fraction_bits) {
  uint32_t magnitude = bits & 0x7fff, infinity = fraction_bits == 10 ? 0x7c00 : 0x7f80;
  union { uint32_t word; float x; } moved = {magnitude << (23 - fraction_bits)}; /* right but for the exponent's bias */
  float x = ldexpf(moved.x, fraction_bits == 10 ? 112 : 0);
  if (magnitude >= infinity) x = magnitude > infinity ? NAN : INFINITY;
  return bits & 0x8000 ? -x : x;
}

/* X(dtype, C type, the Scalar's field it is loaded into, how, what is stored). */
#define STORAGE(X)                                                                              \
  X(BOOL, uint8_t, i, x != 0, v.i != 0)                 X(UINT8, uint8_t, i, x, v.i)            \
  X(INT8, int8_t, i, x, v.i)                            X(INT16, int16_t, i, x, v.i)            \
  X(INT32, int32_t, i, x, v.i)                          X(INT64, int64_t, i, x, v.i)            \
  X(FLOAT16, uint16_t, f, widen_narrow(x, 10), round_narrow(as_double(type, v), 10, -24))       \
  X(BFLOAT16, uint16_t, f, widen_narrow(x, 7), round_narrow(as_double(type, v), 7, -133))      \
  X(FLOAT32, float, f, x, as_double(type, v))           X(FLOAT64, double, d, x, as_double(type, v))
static Scalar load(uint32_t dtype, const char *p) { /* memcpy is how C reads bytes as some type; it costs nothing */
#define LOAD(DTYPE, c_type, field, loaded, stored) \
  case CRESSET_##DTYPE: { c_type x; memcpy(&x, p, sizeof x); return (Scalar){.field = loaded}; }
  switch (dtype) { STORAGE(LOAD) }
  return (Scalar){0};
}
static void store(uint32_t dtype, char *p, uint32_t type, Scalar v) {
#define STORE(DTYPE, c_type, field, loaded, stored) \
  case CRESSET_##DTYPE: { c_type x = (c_type)(stored); memcpy(p, &x, sizeof x); return; }
  switch (dtype) { STORAGE(STORE) }
}

/* -------------------------------------------------------------- functions -- */
/* A backend with a compiler compiles services->maths_source and has the same bits as every other device. This one calls
 * the C library in double precision: CALLs, and so normal random numbers, agree only up to rounding. C lacks three: */
/* z >= 0 with erf(z) = y and erfc(z) = q, where q = 1 - y; both are given because each is exact only where it is small.
 * Winitzki's formula gives three digits, each step of Halley's method triples them; in erfc's tail its series goes on. */
static double solve_erf(double y, double q) {
  if (!(y > 0 && q > 0)) return y == 0 ? 0 : q == 0 ? INFINITY : NAN;
  double l = y < 0.5 ? log1p(-y * y) : log(q) + log(2 - q), t = 4.330746750799873 + l / 2;
  double z = sqrt(fmax(sqrt(t * t - l / 0.147) - t, 0));
  for (int i = 0; i < 4; i++) {
    double step = (y < 0.5 ? erf(z) - y : q - erfc(z)) / (1.1283791670955126 * exp(-z * z)); /* 2 / sqrt(pi) */
    double w = 0.5 / (z * z), tail = log1p(-w * (1 - 3 * w * (1 - 5 * w * (1 - 7 * w)))) - log(1.772453850905516 * z);
    z = q < 1e-290 ? sqrt(tail - log(q)) : z - step / (1 + z * step);
  }
  return z;
}
static double erfinv(double x) { return copysign(solve_erf(fabs(x), 1 - fabs(x)), x); }
static double normal(double u) { /* the quantile: sqrt(2) * erfinv(2u - 1), without losing the tails */
  double q = u < 0.5 ? 2 * u : 2 * (1 - u);
  return copysign(1.4142135623730951 * solve_erf(1 - q, q), u - 0.5);
}
static double digamma(double x) {
  if (x == 0) return copysign(INFINITY, -x);
  if (x < 0) return x == floor(x) ? NAN : digamma(1 - x) - 3.141592653589793 / tan(3.141592653589793 * (x - rint(x)));
  double r = 0;
  for (; x < 10; x++) r -= 1 / x; /* up to where the asymptotic series holds to the last bit */
  double s = 1 / (x * x), tail = s * (1. / 240 - s * (1. / 132 - s * (691. / 32760 - s / 12)));
  return r + log(x) - 0.5 / x - s * (1. / 12 - s * (1. / 120 - s * (1. / 252 - tail)));
}
static double call_function(uint32_t id, double x, double y) {
#define tanh(x) ((double)tanhl(x)) /* in double, the C library misses the ULP table by half a unit */
#define APPLY_1(name) name(x)
#define APPLY_2(name) name(x, y)
#define CASE(name, value, arguments) case value: return APPLY_##arguments(name);
  switch (id) { CRESSET_FUNCTIONS(CASE) } /* the header's own list makes the cases */
  return NAN;
}

/* Philox4x32-10 (Salmon et al., 2011), the counter-based random number generator. */
static uint32_t philox(uint64_t key, uint64_t counter, int64_t word) {
  uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0}, k[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
  for (int round = 0; round < 10; round++, k[0] += 0x9E3779B9u, k[1] += 0xBB67AE85u) {
    uint64_t p = (uint64_t)0xD2511F53u * c[0], q = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t next[4] = {(uint32_t)(q >> 32) ^ c[1] ^ k[0], (uint32_t)q, (uint32_t)(p >> 32) ^ c[3] ^ k[1], (uint32_t)p};
    memcpy(c, next, sizeof c);
  }
  return c[word & 3];
}

/* --------------------------------------------------------- the interpreter -- */
/* One arithmetic instruction; `type` is that of its operands. F32 is computed in double and rounded once more, which is
 * harmless: 53 bits are more than twice 24 plus 2, so + - * / and sqrt come out as if rounded once. (FMA would not.) */
static Scalar operation(uint32_t opcode, uint32_t type, Scalar a, Scalar b) {
#define OP(name, value) case CRESSET_OP_##name: return value;
#define REAL(name, value) OP(name, from_double(type, value))
#define INT(name, value) OP(name, from_integer(type, value))
#define FLAG(name, condition) OP(name, (Scalar){condition})
  if (is_float(type)) {
    double x = as_double(type, a), y = as_double(type, b);
    switch (opcode) {
      REAL(NEG, -x)           REAL(ABS, fabs(x))   REAL(SQRT, sqrt(x))    REAL(FLOOR, floor(x))
      REAL(CEIL, ceil(x))     REAL(TRUNC, trunc(x)) REAL(ROUND, rint(x))  REAL(REM, fmod(x, y))
      REAL(ADD, x + y)        REAL(SUB, x - y)     REAL(MUL, x * y)       REAL(DIV, x / y)
      FLAG(EQ, x == y)        FLAG(NE, x != y)     FLAG(LT, x < y)        FLAG(LE, x <= y)
      OP(MIN, isnan(x) || x < y ? a : b)           OP(MAX, isnan(x) || x > y ? a : b) /* if y is NaN: b */
    }
  } else {
    uint64_t x = (uint64_t)a.i, y = (uint64_t)b.i;
    unsigned width = type == I32 ? 32 : 64;
    bool shifts = y < width; /* false for negative counts too */
    switch (opcode) {
      INT(NEG, 0 - x)         INT(ABS, a.i < 0 ? 0 - x : x)               INT(NOT, type == BOOL ? !x : ~x)
      INT(ADD, x + y)         INT(SUB, x - y)      INT(MUL, x * y)
      INT(AND, x & y)         INT(OR, x | y)       INT(XOR, x ^ y)
      INT(DIV, y == 0 ? 0 : b.i == -1 ? 0 - x : (uint64_t)(a.i / b.i)) /* in C, MIN / -1 traps */
      INT(REM, y == 0 || b.i == -1 ? 0 : (uint64_t)(a.i % b.i))
      INT(SHL, shifts ? x << y : 0)                INT(SHR, (uint64_t)(a.i >> (shifts ? y : 63)))
      INT(USHR, shifts ? (width == 32 ? (uint32_t)x : x) >> y : 0)
      FLAG(EQ, x == y)        FLAG(NE, x != y)     FLAG(LT, a.i < b.i)    FLAG(LE, a.i <= b.i)
      OP(MIN, a.i < b.i ? a : b)                   OP(MAX, a.i > b.i ? a : b)
    }
  }
  return a; /* FLOOR, CEIL, TRUNC, ROUND of integers */
}
static Scalar cast(uint32_t from, uint32_t to, Scalar v) {
  double x = as_double(from, v), t = trunc(x);
  if (!is_float(from)) /* to F32 not by way of double, which would round twice */
    return to == F32 ? (Scalar){.f = (float)v.i} : to == F64 ? (Scalar){.d = (double)v.i}
                                                      : from_integer(to, (uint64_t)v.i);
  if (is_float(to)) return from_double(to, x);
  if (to == BOOL) return (Scalar){x != 0};
  if (to == I32) return (Scalar){t >= -0x1p31 && t < 0x1p31 ? (int32_t)t : INT32_MIN};
  return (Scalar){t >= -0x1p63 && t < 0x1p63 ? (int64_t)t : INT64_MIN};
}

/* Of the value of instruction k. A comparison makes a BOOL, whether its `type` says so or names its operands'. */
static uint32_t type_of(const CressetProgram *program, uint32_t k) {
  const CressetInstruction *i = &program->instructions[k];
  return i->opcode >= CRESSET_OP_EQ && i->opcode <= CRESSET_OP_LE ? BOOL : i->type;
}

/* Runs a program for one element. `v` has room for the value of every instruction. */
static void run(const CressetProgram *program, const Scalar *params, Scalar *v, char *const *inputs,
                char *const *outputs, int64_t index) {
  for (uint32_t k = 0; k < program->instruction_count; k++) {
    const CressetInstruction *i = &program->instructions[k];
    uint32_t a = i->a;
    Scalar second = i->b < k ? v[i->b] : (Scalar){0}; /* what `b` holds is only an operand where there are two */
    char cell[8];
    switch (i->opcode) {
      case CRESSET_OP_LOAD: v[k] = load(i->aux, inputs[a]); break;
      case CRESSET_OP_PARAM: v[k] = params[a]; break;
      case CRESSET_OP_CONST: v[k] = i->imm; break;
      case CRESSET_OP_INDEX: v[k].i = index; break;
      case CRESSET_OP_STORE: store(i->aux, outputs[i->b], i->type, v[a]); break;
      case CRESSET_OP_NARROW: /* by way of memory, where elements are narrow */
        store(i->aux, cell, i->type, v[a]), v[k] = load(i->aux, cell); break;
      case CRESSET_OP_CAST: v[k] = cast(type_of(program, a), i->type, v[a]); break;
      case CRESSET_OP_BITCAST: v[k] = i->type == I32 ? from_integer(I32, (uint64_t)v[a].i) : v[a]; break;
      case CRESSET_OP_SELECT: v[k] = v[a].i ? second : v[i->c]; break;
      case CRESSET_OP_FMA:
        if (i->type == F32) v[k].f = fmaf(v[a].f, second.f, v[i->c].f);
        else v[k].d = fma(v[a].d, second.d, v[i->c].d);
        break;
      case CRESSET_OP_CALL: /* in double, rounded to the type */
        v[k] = from_double(i->type, call_function(i->aux, as_double(i->type, v[a]), as_double(i->type, second))); break;
      case CRESSET_OP_PHILOX: v[k] = from_integer(I32, philox((uint64_t)v[a].i, (uint64_t)second.i, i->imm.i)); break;
      default: v[k] = operation(i->opcode, type_of(program, a), v[a], second);
    }
  }
}

/* --------------------------------------------------------------- walking -- */
struct CressetDevice { uint64_t memory; };
struct CressetBuffer { char *data; uint64_t bytes; };
struct CressetQueue { CressetStatus *failure; }; /* the first that nobody has asked for yet */

/* Visits the elements of a call's iteration space. at[c] points at the current element of the c-th tensor, inputs
 * before outputs. The dims a REDUCE reduces, `inner`, vary fastest; among each other dims keep their order. */
enum { MAX_TENSORS = CRESSET_MAX_INPUTS + CRESSET_MAX_OUTPUTS };
typedef struct Walk {
  int rank, tensors;
  int64_t outer, inner, index; /* counts of elements; the current one's row-major index */
  int64_t shape[CRESSET_MAX_RANK], position[CRESSET_MAX_RANK], weight[CRESSET_MAX_RANK]; /* weight: steps of index */
  int64_t step[MAX_TENSORS][CRESSET_MAX_RANK];
  char *at[MAX_TENSORS];
} Walk;
static void walk_start(Walk *walk, const CressetCall *call) {
  const CressetTensor *space = call->family == CRESSET_FAMILY_SCATTER ? call->inputs : call->outputs;
  const CressetReduceAttributes *reduction = call->family == CRESSET_FAMILY_REDUCE ? call->attributes : NULL;
  uint32_t inner_dims = reduction ? reduction->reduced_dims : 0;
  int dims[CRESSET_MAX_RANK], outer_rank = 0;
  *walk = (Walk){.outer = 1, .inner = 1, .tensors = (int)(call->input_count + call->output_count)};
  for (int d = 0; d < space->dl.ndim; d++)
    if (!(inner_dims >> d & 1)) dims[outer_rank++] = d, walk->outer *= space->dl.shape[d];
  walk->rank = outer_rank;
  for (int d = 0; d < space->dl.ndim; d++)
    if (inner_dims >> d & 1) dims[walk->rank++] = d, walk->inner *= space->dl.shape[d];
  if (walk->inner == 0) walk->rank = outer_rank; /* an empty reduction: there is nothing to walk but the outputs */
  for (int r = 0; r < walk->rank; r++) {
    walk->shape[r] = space->dl.shape[dims[r]], walk->weight[r] = 1;
    for (int d = dims[r] + 1; d < space->dl.ndim; d++) walk->weight[r] *= space->dl.shape[d];
  }
  for (uint32_t c = 0; c < call->input_count + call->output_count; c++) {
    const CressetTensor *tensor = c < call->input_count ? &call->inputs[c] : &call->outputs[c - call->input_count];
    walk->at[c] = tensor->buffer->data + tensor->dl.byte_offset;
    for (int r = 0; r < walk->rank; r++) walk->step[c][r] = tensor->dl.strides[dims[r]] * element_size[tensor->dtype];
  }
}
static void walk_next(Walk *walk) {
  for (int d = walk->rank - 1; d >= 0; d--) {
    bool wraps = walk->position[d] + 1 >= walk->shape[d];
    int64_t change = wraps ? -walk->position[d] : 1;
    for (int c = 0; c < walk->tensors; c++) walk->at[c] += change * walk->step[c][d];
    walk->index += change * walk->weight[d], walk->position[d] += change;
    if (!wraps) return;
  }
}

/* -------------------------------------------------------------- families -- */
static void pointwise(CressetQueue *queue, const CressetCall *call, Walk *walk, Scalar *values) {
  for (int64_t n = 0; n < walk->outer; n++, walk_next(walk))
    run(call->program, call->params, values, walk->at, walk->at + call->input_count, walk->index);
}

/* Floats of both types accumulate as F64; sums keep apart what rounding lost (Neumaier), so long ones are accurate. */
typedef struct Accumulator { /* `type` is the program's, `wide` what is accumulated in; `best`: where ARGMAX found it */
  uint32_t kind, type, wide;
  int64_t best;
  Scalar value;
  double lost;
} Accumulator;
static void set_identity(Accumulator *acc) {
  int64_t least = acc->type == I64 ? INT64_MIN : acc->type == I32 ? INT32_MIN : 0;
  const double reals[CRESSET_REDUCE_COUNT] = {0, 1, -INFINITY, INFINITY};
  const int64_t integers[CRESSET_REDUCE_COUNT] = {0, 1, least, acc->type == BOOL ? 1 : ~least, 0, 1};
  acc->value = acc->wide == F64 ? (Scalar){.d = reals[acc->kind]} : (Scalar){integers[acc->kind]};
  acc->lost = 0, acc->best = -1;
}
static void accumulate(Accumulator *acc, const char *cell, int64_t position) {
  static const uint8_t opcodes[CRESSET_REDUCE_COUNT] = { /* by kind */
      CRESSET_OP_ADD, CRESSET_OP_MUL, CRESSET_OP_MAX, CRESSET_OP_MIN, CRESSET_OP_OR, CRESSET_OP_AND};
  Scalar old = acc->value, v = cast(acc->type, acc->wide, load(dtype_of_type[acc->type], cell));
  if (acc->kind < CRESSET_REDUCE_ARGMAX) {
    acc->value = operation(opcodes[acc->kind], acc->wide, old, v);
    if (acc->kind == CRESSET_REDUCE_SUM && acc->wide == F64) /* the smaller term is the one that was cut short */
      acc->lost += fabs(old.d) >= fabs(v.d) ? old.d - acc->value.d + v.d : v.d - acc->value.d + old.d;
  } else { /* strictly better, so the first of equals stays; the first NaN beats all */
    bool max = acc->kind == CRESSET_REDUCE_ARGMAX, nan = acc->wide == F64 && isnan(v.d) && !isnan(old.d);
    if (acc->best < 0 || nan || operation(CRESSET_OP_LT, acc->wide, max ? old : v, max ? v : old).i)
      acc->value = v, acc->best = position;
  }
}
static void reduce(CressetQueue *queue, const CressetCall *call, Walk *walk, Scalar *values) {
  const CressetReduceAttributes *attributes = call->attributes;
  uint32_t count = attributes->accumulator_count;
  Accumulator accumulators[CRESSET_MAX_OUTPUTS];
  for (uint32_t n = 0; n < call->program->instruction_count; n++) { /* STOREs say what each accumulator is given */
    const CressetInstruction *i = &call->program->instructions[n];
    if (i->opcode == CRESSET_OP_STORE)
      accumulators[i->b] = (Accumulator){
          .kind = attributes->kinds[i->b], .type = i->type, .wide = is_float(i->type) ? F64 : i->type};
  }
  char cells[CRESSET_MAX_OUTPUTS][8], *cell[CRESSET_MAX_OUTPUTS]; /* memory between prologue and epilogue */
  for (uint32_t k = 0; k < count; k++) cell[k] = cells[k];
  for (int64_t n = 0; n < walk->outer; n++) {
    char *out[CRESSET_MAX_OUTPUTS]; /* kept, as the walk is past this element when the epilogue runs */
    memcpy(out, walk->at + call->input_count, call->output_count * sizeof *out);
    for (uint32_t k = 0; k < count; k++) set_identity(&accumulators[k]);
    for (int64_t m = 0; m < walk->inner; m++, walk_next(walk)) {
      run(call->program, call->params, values, walk->at, cell, walk->index);
      for (uint32_t k = 0; k < count; k++) accumulate(&accumulators[k], cells[k], m);
    }
    if (walk->inner == 0) walk_next(walk);
    for (uint32_t k = 0; k < count; k++) {
      Accumulator *acc = &accumulators[k];
      if (acc->wide == F64 && isfinite(acc->value.d)) acc->value.d += acc->lost;
      if (acc->kind >= CRESSET_REDUCE_ARGMAX) store(CRESSET_INT64, cells[k], I64, (Scalar){acc->best});
      else store(dtype_of_type[acc->type], cells[k], acc->type, cast(acc->wide, acc->type, acc->value));
    }
    run(call->epilogue, call->params, values, cell, out, 0);
  }
}
static void matmul(CressetQueue *queue, const CressetCall *call, Walk *walk, Scalar *values) {
  const CressetTensor *a = &call->inputs[0], *c = &call->outputs[0];
  int row = c->dl.ndim - 2, column = c->dl.ndim - 1;
  uint32_t type = widened[a->dtype];
  /* Over the output's elements a stands still along columns and b along rows; those steps are the sum's. */
  int64_t a_step = walk->step[0][column], b_step = walk->step[1][row];
  walk->step[0][column] = walk->step[1][row] = 0;
  for (int64_t n = 0; n < walk->outer; n++, walk_next(walk)) {
    double real = 0; /* better than the float32 asked for */
    uint64_t integer = 0;
    for (int64_t k = 0; k < a->dl.shape[column]; k++) {
      Scalar x = load(a->dtype, walk->at[0] + k * a_step), y = load(a->dtype, walk->at[1] + k * b_step);
      if (is_float(type)) real += as_double(type, x) * as_double(type, y);
      else integer += (uint64_t)x.i * (uint64_t)y.i;
    }
    Scalar sum = is_float(type) ? from_double(type, real) : from_integer(type, integer);
    char **out = walk->at + call->input_count, *b_at = walk->at[1], cell[8];
    if (!call->program) { store(c->dtype, *out, type, sum); continue; }
    store(dtype_of_type[type], cell, type, sum);
    walk->at[1] = cell; /* the epilogue's inputs are the sum and inputs[2 ...]: `at` with the sum in b's place */
    run(call->program, call->params, values, walk->at + 1, out, walk->index);
    walk->at[1] = b_at;
  }
}

/* GATHER and SCATTER: they differ in the direction of the copy. */
static void gather_or_scatter(CressetQueue *queue, const CressetCall *call, Walk *walk, Scalar *values) {
  static const uint8_t opcodes[] = {0, CRESSET_OP_ADD, CRESSET_OP_MUL, CRESSET_OP_MAX, CRESSET_OP_MIN};
  const CressetIndexAttributes *attributes = call->attributes;
  bool scatter = call->family == CRESSET_FAMILY_SCATTER;
  uint32_t dtype = call->outputs[0].dtype, type = widened[dtype], size = element_size[dtype];
  for (int64_t n = 0; n < walk->outer; n++, walk_next(walk)) {
    char *from = walk->at[0], *to = walk->at[call->input_count];
    int64_t offset = 0;
    bool valid = true;
    for (uint32_t j = 0; j < attributes->index_count && valid; j++) {
      int64_t index = load(call->inputs[j + 1].dtype, walk->at[1 + j]).i, limit = attributes->index_sizes[j];
      valid = index >= -limit && index < limit;
      if (valid) {
        offset += (index < 0 ? index + limit : index) * attributes->index_strides[j] * size;
      } else if (!queue->failure) { /* only the first is remembered */
        queue->failure = fail(CRESSET_ERROR_INDEX, call,
          "index %lld is out of range for a dimension of size %lld (index tensor %lld, row-major element %lld)",
          (long long[4]){index, limit, j, n});
      }
    }
    if (!valid) continue;
    *(scatter ? &to : &from) += offset;
    if (!scatter || attributes->reduce == CRESSET_SCATTER_SET) memcpy(to, from, size);
    else store(dtype, to, type, operation(opcodes[attributes->reduce], type, load(dtype, to), load(dtype, from)));
  }
}
static CressetStatus *launch(void *context, CressetQueue *queue, const CressetCall *call) {
  static void (*const families[])(CressetQueue *, const CressetCall *, Walk *, Scalar *) = {
      pointwise, reduce, matmul, gather_or_scatter, gather_or_scatter};
  size_t count = 1 + (call->program ? call->program->instruction_count : 0) +
                 (call->epilogue ? call->epilogue->instruction_count : 0); /* values for the longer one, and more */
  Scalar *values = calloc(count, sizeof *values);
  if (!values) return &no_memory;
  Walk walk;
  walk_start(&walk, call);
  families[call->family](queue, call, &walk, values);
  free(values);
  return NULL;
}

/* ------------------------------------------------------- devices and memory -- */
static CressetDevice the_device;
static CressetStatus *start(void *context, const CressetServices *services) {
  the_device.memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
  return NULL;
}

/* Fills item n of a list, as much of it as the host knows: the size it set is the length of an item. */
static void put_item(void *items, uint32_t n, const void *item, uint32_t size) {
  uint32_t step;
  memcpy(&step, items, sizeof step); /* struct_size is the first field of all */
  char *place = (char *)items + (size_t)n * step;
  if (size > step) size = step;
  memcpy(place, item, size), memcpy(place, &size, sizeof size);
}
static CressetStatus *devices(void *context, uint32_t *count, CressetDeviceInfo *items) {
  CressetDeviceInfo info = {
      .struct_size = sizeof info, .name = "one processor core", .driver = BACKEND_NAME " 1.0",
      .flags = CRESSET_DEVICE_SOFTWARE | CRESSET_DEVICE_UNIFIED_MEMORY | CRESSET_DEVICE_HOST_VISIBLE |
               CRESSET_DEVICE_SYNCHRONOUS,
      .memory_bytes = the_device.memory, .max_allocation_bytes = the_device.memory,
      .dtypes = (1u << CRESSET_COMPLEX64) - 1}; /* all before complex; instruction_types NULL: every instruction */
  if (items && *count > 0) put_item(items, 0, &info, sizeof info);
  if (!items || *count > 1) *count = 1;
  return NULL;
}
static CressetStatus *kernels(CressetDevice *device, uint32_t *count, CressetKernel *items) {
  uint32_t n = 0, dtypes = CRESSET_FLOAT64 + 1;
  for (uint32_t k = 0; k < CRESSET_FAMILY_COUNT * dtypes && !(items && n == *count); k++) {
    CressetKernel kernel = {.struct_size = sizeof kernel, .family = k / dtypes, .dtype = k % dtypes, .launch = launch};
    if (kernel.family == CRESSET_FAMILY_MATMUL && kernel.dtype == CRESSET_BOOL) continue;
    if (items) put_item(items, n, &kernel, sizeof kernel);
    n++;
  }
  *count = n;
  return NULL;
}
static CressetStatus *open_device(void *context, uint32_t index, CressetDevice **device) {
  if (index > 0) return fail(CRESSET_ERROR_INVALID, NULL, "no device " BACKEND_NAME ":%lld", (long long[4]){index});
  *device = &the_device;
  return NULL;
}

/* A block is 256 bytes for its CressetBuffer, then the aligned data. Linux lends more memory than there is and kills
 * who uses it, so malloc alone might never say no: hence the limit. */
static CressetStatus *allocate(CressetDevice *device, uint64_t bytes, CressetBuffer **buffer) {
  *buffer = bytes <= device->memory ? aligned_alloc(256, (size_t)(bytes / 256 + 2) * 256) : NULL;
  if (!*buffer)
    return fail(CRESSET_ERROR_OUT_OF_MEMORY, NULL, "no room for %lld bytes", (long long[4]){(long long)bytes});
  **buffer = (CressetBuffer){(char *)*buffer + 256, bytes};
  return NULL;
}
static void deallocate(CressetDevice *device, CressetBuffer *buffer) { free(buffer); }
static CressetStatus *map(CressetDevice *device, CressetBuffer *buffer, void **pointer) {
  *pointer = buffer->data;
  return NULL;
}

/* ---------------------------------------------------------------- queues -- */
/* Work is done when a launch returns, so a queue is only a place to keep an error until somebody asks, once. */
static CressetStatus *create_queue(CressetDevice *device, CressetQueue **queue) {
  *queue = calloc(1, sizeof **queue);
  return *queue ? NULL : &no_memory;
}
static CressetStatus *synchronize(CressetQueue *queue) {
  CressetStatus *status = queue->failure;
  return queue->failure = NULL, status;
}
static void destroy_queue(CressetQueue *queue) {
  if (queue->failure && queue->failure->release) queue->failure->release(queue->failure);
  free(queue);
}
static CressetStatus *copy_within(CressetQueue *queue, CressetBuffer *from, uint64_t from_at, CressetBuffer *to,
                                  uint64_t to_at, uint64_t bytes) {
  if (bytes > from->bytes || from_at > from->bytes - bytes || bytes > to->bytes || to_at > to->bytes - bytes)
    return fail(CRESSET_ERROR_INVALID, NULL, "%lld bytes to copy leave their buffer", (long long[4]){(long long)bytes});
  if (bytes) memmove(to->data + to_at, from->data + from_at, (size_t)bytes);
  return NULL;
}
static CressetStatus *copy_in(CressetQueue *queue, const void *source, CressetBuffer *to, uint64_t at, uint64_t bytes) {
  return copy_within(queue, &(CressetBuffer){(char *)source, bytes}, 0, to, at, bytes); /* `source` is only read */
}
static CressetStatus *copy_out(CressetQueue *queue, CressetBuffer *from, uint64_t at, void *target, uint64_t bytes) {
  CressetStatus *status = copy_within(queue, from, at, &(CressetBuffer){target, bytes}, 0, bytes);
  return status ? status : synchronize(queue);
}

/* ------------------------------------------------------------- the backend -- */
static const CressetBackend backend = {
    .struct_size = sizeof backend, .abi_version = CRESSET_ABI_VERSION, .name = BACKEND_NAME, .version = "1.0",
    .start = start, .devices = devices, .open_device = open_device, .kernels = kernels,
    .allocate = allocate, .deallocate = deallocate, .map = map,
    .create_queue = create_queue, .destroy_queue = destroy_queue,
    .copy_in = copy_in, .copy_out = copy_out, .copy_within = copy_within, .synchronize = synchronize,
    /* The rest stays NULL: without events the host synchronises, and nothing is ever compiled. */
};

const CressetBackend *cresset_backend_query(uint32_t oldest, uint32_t newest) {
  return oldest <= CRESSET_ABI_VERSION && CRESSET_ABI_VERSION <= newest ? &backend : NULL;
}
