/* cresset_backend.h: the boundary between Cresset and a compute backend.
 *
 * This header stands alone. A backend is a shared library that exports one
 * function, `cresset_backend_query`, and may be written in any language that can
 * fill a C table. The host (Cresset) calls it; it never calls the host except
 * through the services it was handed.
 *
 * Rules that hold for every declaration below
 *  - `struct_size` is the first field of every struct and is set by whoever fills
 *    the struct. A reader never touches a field beyond it. Fields are only ever
 *    appended.
 *  - A function that can fail returns a status: NULL is success; otherwise the
 *    receiver reads it and calls its `release` once.
 *  - Lists are read count-then-fill: called with `items == NULL` the function
 *    stores the count; called again it stores at most `*count` items and the
 *    number stored. The host sets every item's `struct_size`: the filler steps
 *    by `items[0].struct_size` bytes and writes no more than that of each, so
 *    that host and backend may know different lengths of the struct.
 *  - CressetTensor, CressetInstruction, CressetScalar and CressetArgument, which
 *    come in arrays on the hot path, never grow.
 *  - A slot marked "optional" may be NULL; the host then does without, as its
 *    comment says.
 *  - Threads: "any" means any thread at any time; "queue" means calls for one
 *    queue are never concurrent, calls for different queues may be.
 *  - Pointers in a call (shapes, strides, programs, params, attributes) are valid
 *    until the function returns. Buffers stay allocated until every queue that
 *    was given work on them has been synchronised.
 */
#ifndef CRESSET_BACKEND_H
#define CRESSET_BACKEND_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version this header describes, and the oldest one hosts built with it accept. */
#define CRESSET_ABI_VERSION 1u
#define CRESSET_ABI_OLDEST 1u

/* Largest rank of any tensor in a call. */
#define CRESSET_MAX_RANK 12
/* Largest counts in one call. */
#define CRESSET_MAX_INPUTS 16
#define CRESSET_MAX_OUTPUTS 8
#define CRESSET_MAX_INDICES 12

/* ---------------------------------------------------------------- dtypes -- */

/* Storage types of elements. Values are fixed for good. */
enum {
  CRESSET_BOOL = 0, /* one byte, 0 or 1 */
  CRESSET_UINT8 = 1,
  CRESSET_INT8 = 2,
  CRESSET_INT16 = 3,
  CRESSET_INT32 = 4,
  CRESSET_INT64 = 5,
  CRESSET_FLOAT16 = 6,
  CRESSET_BFLOAT16 = 7,
  CRESSET_FLOAT32 = 8,
  CRESSET_FLOAT64 = 9,
  CRESSET_COMPLEX64 = 10, /* two float32; never in programs, which are lowered to pairs */
  CRESSET_COMPLEX128 = 11,
  CRESSET_DTYPE_COUNT = 12
};

/* Types programs compute in. Narrower storage types are widened on load:
 * bool -> BOOL; uint8, int8, int16, int32 -> I32; int64 -> I64;
 * float16, bfloat16, float32 -> F32; float64 -> F64. */
enum {
  CRESSET_TYPE_BOOL = 0,
  CRESSET_TYPE_I32 = 1,
  CRESSET_TYPE_I64 = 2,
  CRESSET_TYPE_F32 = 3,
  CRESSET_TYPE_F64 = 4,
  CRESSET_TYPE_COUNT = 5
};

/* -------------------------------------------------------------- programs -- */

/* Instructions. X(NAME, value, operands). The result of instruction i is value i.
 * The payload and sign of a NaN are nobody's promise, nor which zero MIN and MAX
 * give for zeros of both signs.
 * `a`, `b`, `c` name operands by value; operands always come earlier. Unless
 * said otherwise the operands have the instruction's own `type`. Integer
 * arithmetic wraps. Nothing is contracted: MUL then ADD rounds twice. */
#define CRESSET_OPCODES(X)                                                                                             \
  X(LOAD, 0, 0)      /* element of input `a`; aux: its dtype; type: the widened type */                                 \
  X(PARAM, 1, 0)     /* launch parameter `a` */                                                                         \
  X(CONST, 2, 0)     /* literal: `imm`, encoded as a CressetScalar of `type` */                                         \
  X(INDEX, 3, 0)     /* I64: row-major linear index of the element in the iteration space */                            \
  X(STORE, 4, 1)     /* output `b` <- a, narrowed to dtype aux, which widens to `type` (nearest even; integers wrap) */      \
  X(NEG, 5, 1)                                                                                                          \
  X(ABS, 6, 1)                                                                                                          \
  X(NOT, 7, 1)       /* BOOL: logical; I32, I64: bitwise complement */                                                  \
  X(SQRT, 8, 1)      /* SQRT ... ROUND: F32, F64; SQRT correctly rounded where the device can */                        \
  X(FLOOR, 9, 1)                                                                                                        \
  X(CEIL, 10, 1)                                                                                                        \
  X(TRUNC, 11, 1)                                                                                                       \
  X(ROUND, 12, 1)    /* to nearest, ties to even */                                                                     \
  X(NARROW, 13, 1)   /* round or wrap to the storage dtype aux and widen again */                                       \
  X(CAST, 14, 1)     /* from the type of `a` to `type`, see below */                                                    \
  X(BITCAST, 15, 1)  /* same width: I32 <-> F32, I64 <-> F64 */                                                         \
  X(ADD, 16, 2)                                                                                                         \
  X(SUB, 17, 2)                                                                                                         \
  X(MUL, 18, 2)                                                                                                         \
  X(DIV, 19, 2)      /* floats: IEEE; ints: truncated, x/0 = 0, MIN/-1 = MIN */                                         \
  X(REM, 20, 2)      /* sign of the dividend (C fmod, %); ints: x%0 = 0, MIN%-1 = 0 */                                  \
  X(MIN, 21, 2)      /* NaN if either operand is NaN */                                                                 \
  X(MAX, 22, 2)                                                                                                         \
  X(AND, 23, 2)      /* BOOL, I32, I64 */                                                                               \
  X(OR, 24, 2)                                                                                                          \
  X(XOR, 25, 2)                                                                                                         \
  X(SHL, 26, 2)      /* I32, I64; a count outside 0..<width gives 0 */                                                  \
  X(SHR, 27, 2)      /* arithmetic; a count outside 0..<width gives the sign fill */                                    \
  X(USHR, 28, 2)     /* logical; a count outside 0..<width gives 0 */                                                   \
  X(EQ, 29, 2)       /* result BOOL; operands share the type of `a`; comparisons with NaN are false, NE true */         \
  X(NE, 30, 2)                                                                                                          \
  X(LT, 31, 2)                                                                                                          \
  X(LE, 32, 2)                                                                                                          \
  X(SELECT, 33, 3)   /* a (BOOL) ? b : c */                                                                             \
  X(FMA, 34, 3)      /* a * b + c rounded once */                                                                       \
  X(CALL, 35, 2)     /* portable function `aux` of a (and b) */                                                         \
  X(PHILOX, 36, 2)   /* I32: word imm (0..3) of Philox4x32-10 with key a (I64) and counter b (I64, high half 0) */

enum {
#define CRESSET_X(name, value, operands) CRESSET_OP_##name = value,
  CRESSET_OPCODES(CRESSET_X)
#undef CRESSET_X
  CRESSET_OP_COUNT = 37
};

/* CAST: int -> narrower int wraps; anything -> BOOL is `x != 0` (NaN is true);
 * BOOL -> number is 0 or 1; int -> float rounds to nearest even; F64 -> F32
 * likewise; float -> I32 truncates, and gives INT32_MIN for NaN and for values
 * whose truncation does not fit; float -> I64 likewise with INT64_MIN. */

/* Portable functions: X(name, id, arguments). Each exists for F32 and F64 as
 * `cresset_NAME_f32` and `cresset_NAME_f64` in the maths source the host hands
 * over, in a subset common to C, OpenCL C and GLSL, and gives the same bits
 * wherever IEEE +, -, *, / and sqrt do. */
#define CRESSET_FUNCTIONS(X)                                                                                           \
  X(exp, 0, 1)                                                                                                          \
  X(exp2, 1, 1)                                                                                                         \
  X(expm1, 2, 1)                                                                                                        \
  X(log, 3, 1)                                                                                                          \
  X(log2, 4, 1)                                                                                                         \
  X(log10, 5, 1)                                                                                                        \
  X(log1p, 6, 1)                                                                                                        \
  X(sin, 7, 1)                                                                                                          \
  X(cos, 8, 1)                                                                                                          \
  X(tan, 9, 1)                                                                                                          \
  X(asin, 10, 1)                                                                                                        \
  X(acos, 11, 1)                                                                                                        \
  X(atan, 12, 1)                                                                                                        \
  X(atan2, 13, 2)                                                                                                       \
  X(sinh, 14, 1)                                                                                                        \
  X(cosh, 15, 1)                                                                                                        \
  X(tanh, 16, 1)                                                                                                        \
  X(asinh, 17, 1)                                                                                                       \
  X(acosh, 18, 1)                                                                                                       \
  X(atanh, 19, 1)                                                                                                       \
  X(erf, 20, 1)                                                                                                         \
  X(erfc, 21, 1)                                                                                                        \
  X(erfinv, 22, 1)                                                                                                      \
  X(lgamma, 23, 1)                                                                                                      \
  X(digamma, 24, 1)                                                                                                     \
  X(pow, 25, 2)                                                                                                         \
  X(normal, 26, 1) /* standard normal quantile of u in (0, 1) */

enum {
#define CRESSET_X(name, value, arguments) CRESSET_FUNCTION_##name = value,
  CRESSET_FUNCTIONS(CRESSET_X)
#undef CRESSET_X
  CRESSET_FUNCTION_COUNT = 27
};

/* One value of an arithmetic type: BOOL and I32 in the low 32 bits of `i`
 * (sign-extended), I64 in `i`, F32 in `f`, F64 in `d`. */
typedef union CressetScalar {
  int64_t i;
  float f;
  double d;
} CressetScalar;

typedef struct CressetInstruction {
  uint16_t opcode;
  uint8_t type; /* of the result; STORE: of the operand */
  uint8_t aux;  /* dtype or function id, by opcode */
  uint32_t a, b, c;
  CressetScalar imm;
} CressetInstruction;

/* Straight-line typed SSA. Programs are immutable and live as long as the
 * process, so a backend may key what it compiled by `id`. */
typedef struct CressetProgram {
  uint32_t struct_size;
  uint32_t instruction_count;
  const CressetInstruction *instructions;
  uint64_t hash;         /* of the instructions; equal in every process: the key of caches on disk */
  uint32_t id;           /* small, dense, unique in this process: the key of caches in memory */
  uint32_t input_count;  /* LOADs name inputs below this */
  uint32_t output_count; /* STOREs name outputs below this, each exactly once */
  uint32_t param_count;  /* PARAMs name params below this */
  uint32_t uses_index;   /* 1 if it has INDEX */
  uint32_t reserved;
} CressetProgram;

/* --------------------------------------------------------------- tensors -- */

/* The layout of DLPack's DLTensor (v1.0), so that tensors can be shared with
 * others without a copy. Lanes are always 1. */
typedef struct CressetDLDevice {
  int32_t device_type;
  int32_t device_id;
} CressetDLDevice;

typedef struct CressetDLDataType {
  uint8_t code; /* 0 int, 1 uint, 2 float, 4 bfloat, 5 complex, 6 bool */
  uint8_t bits;
  uint16_t lanes;
} CressetDLDataType;

typedef struct CressetDLTensor {
  void *data; /* host-visible memory: the start of the buffer; otherwise NULL */
  CressetDLDevice device;
  int32_t ndim;
  CressetDLDataType dtype;
  const int64_t *shape;   /* ndim sizes, each >= 0 */
  const int64_t *strides; /* ndim strides in elements; 0 for broadcast; never NULL unless ndim is 0 */
  uint64_t byte_offset;   /* of element [0, ..., 0] from the start of the buffer */
} CressetDLTensor;

typedef struct CressetBuffer CressetBuffer; /* a block of device memory; the backend's own */
typedef struct CressetQueue CressetQueue;   /* in-order stream of work; the backend's own */
typedef struct CressetEvent CressetEvent;   /* a point in a queue; the backend's own */
typedef struct CressetDevice CressetDevice; /* an opened device; the backend's own */

typedef struct CressetTensor {
  uint32_t struct_size;
  uint32_t dtype; /* CRESSET_FLOAT32, ...: says the same as dl.dtype */
  CressetDLTensor dl;
  CressetBuffer *buffer; /* never NULL */
  uint64_t buffer_bytes; /* every element lies within [0, buffer_bytes) */
} CressetTensor;

/* --------------------------------------------------------------- status --- */

enum {
  CRESSET_ERROR = 1,             /* anything without a code of its own */
  CRESSET_ERROR_UNSUPPORTED = 2, /* this device can never do it */
  CRESSET_ERROR_OUT_OF_MEMORY = 3,
  CRESSET_ERROR_INDEX = 4, /* an index tensor held a value out of range */
  CRESSET_ERROR_COMPILE = 5,
  CRESSET_ERROR_DEVICE_LOST = 6,
  CRESSET_ERROR_INVALID = 7 /* the call broke a rule of this header */
};

typedef struct CressetStatus CressetStatus;
struct CressetStatus {
  uint32_t struct_size;
  int32_t code;
  const char *message;
  const char *op; /* of an asynchronous error: the op of the call that failed, or NULL */
  uint64_t site;  /* of an asynchronous error: the `site` of that call, or 0 */
  void (*release)(CressetStatus *); /* NULL: nothing to free */
};

/* -------------------------------------------------------------- families -- */

enum {
  CRESSET_FAMILY_POINTWISE = 0,
  CRESSET_FAMILY_REDUCE = 1,
  CRESSET_FAMILY_MATMUL = 2,
  CRESSET_FAMILY_GATHER = 3,
  CRESSET_FAMILY_SCATTER = 4,
  CRESSET_FAMILY_COUNT = 5,
  CRESSET_FAMILY_OVERRIDE = 0x10000 /* an operation under its own name */
};

/* One launch. What the fields mean, family by family:
 *
 * POINTWISE. All tensors have one common shape, the iteration space (inputs are
 *   broadcast by strides of 0). `program` loads inputs and stores outputs. An
 *   output may be the same memory as an input only with identical layout.
 *   `program` is never NULL, and the call has the program's `input_count` inputs.
 *   No attributes.
 *
 * REDUCE. All inputs have one common shape, the iteration space; outputs have
 *   the same shape with stride 0 along every reduced dim (write each once).
 *   `program` (the prologue) runs per element; its STORE k, whose aux is the
 *   dtype of the same name as the operand's type (BOOL, INT32, INT64, FLOAT32,
 *   FLOAT64), feeds accumulator k. `epilogue` runs once per output element: its
 *   LOAD k is the result of accumulator k (ARGMAX, ARGMIN: I64), its STORE k
 *   goes to output k. Both see the same params. The INDEX of the prologue is
 *   over the iteration space; the epilogue has none. Neither is NULL. On BOOL,
 *   SUM and MAX mean "or", PROD and MIN "and". Sums are pairwise or blocked:
 *   their error stays within 4 sqrt(k) u sum|x|. Attributes:
 *   CressetReduceAttributes. An empty reduction gives the identity (sum 0,
 *   prod 1, any false, all true, max -inf or the least integer, ...); argmax
 *   and argmin are never asked of one.
 *
 * MATMUL. inputs[0] is [..., m, k], inputs[1] is [..., k, n], outputs[0] is
 *   [..., m, n], equal batch dims, any strides. All of one dtype (not bool).
 *   float16 and bfloat16 accumulate in float32 and round once. k = 0 gives 0.
 *   If `program` is not NULL it is an epilogue: LOAD 0 is the accumulated
 *   value widened (dtype FLOAT32, FLOAT64, INT32 or INT64), LOAD 1+j is an
 *   element of inputs[2 + j], which have the output's shape; STORE 0 is the
 *   output. No attributes.
 *
 * GATHER. Iteration space: the shape of outputs[0]. inputs[0] has that shape
 *   too and strides that are 0 along dims that only indices address; inputs
 *   [1 ... index_count] are int64 or int32 index tensors of that shape. With p the
 *   address inputs[0] gives for an element, the value read is at
 *   p + sum_j wrap(index_j) * index_strides[j] (in elements), where wrap adds
 *   index_sizes[j] to a negative index. An index outside
 *   -size ..< size is error INDEX: nothing is read through it, the element of
 *   the output is unspecified, and the error arrives with the queue's next
 *   event or synchronisation at the latest. dtypes of value and output are equal.
 *   Attributes: CressetIndexAttributes.
 *
 * SCATTER. The reverse: iteration space is the shape of inputs[0] (the values);
 *   inputs[1 ... index_count] are the indices; outputs[0] has that shape with
 *   strides that are 0 along dims that only indices address, and is updated in place at p + sum_j wrap(index_j) *
 *   index_strides[j] by `reduce`. Elements that meet at one place are applied
 *   in row-major order of the iteration space, each rounded to the dtype, so
 *   the result is defined: for SET the last wins. An index out of range is
 *   skipped and reported as for GATHER. Attributes: CressetIndexAttributes.
 *   Bool: ADD and MAX are "or", MUL and MIN are "and".
 *
 * OVERRIDE. The operation named by `op`; `arguments` holds its schema's
 *   arguments in order; outputs are allocated with the shapes and dtypes its
 *   declaration gives.
 */
enum {
  CRESSET_REDUCE_SUM = 0,
  CRESSET_REDUCE_PROD = 1,
  CRESSET_REDUCE_MAX = 2, /* NaN wins */
  CRESSET_REDUCE_MIN = 3,
  CRESSET_REDUCE_ANY = 4, /* BOOL */
  CRESSET_REDUCE_ALL = 5,
  CRESSET_REDUCE_ARGMAX = 6, /* row-major linear index over the reduced dims; the first wins; NaN wins */
  CRESSET_REDUCE_ARGMIN = 7,
  CRESSET_REDUCE_COUNT = 8
};

typedef struct CressetReduceAttributes {
  uint32_t struct_size;
  uint32_t reduced_dims;      /* bit d: dim d is reduced */
  uint32_t accumulator_count; /* at most CRESSET_MAX_OUTPUTS */
  uint32_t kinds[CRESSET_MAX_OUTPUTS];
} CressetReduceAttributes;

enum {
  CRESSET_SCATTER_SET = 0,
  CRESSET_SCATTER_ADD = 1,
  CRESSET_SCATTER_MUL = 2,
  CRESSET_SCATTER_MAX = 3,
  CRESSET_SCATTER_MIN = 4,
  CRESSET_SCATTER_COUNT = 5
};

typedef struct CressetIndexAttributes {
  uint32_t struct_size;
  uint32_t index_count; /* at least 1 */
  uint32_t reduce;      /* SCATTER only */
  uint32_t reserved;
  int64_t index_sizes[CRESSET_MAX_INDICES];
  int64_t index_strides[CRESSET_MAX_INDICES]; /* in elements */
} CressetIndexAttributes;

/* An argument of an override. */
enum {
  CRESSET_ARGUMENT_NONE = 0,
  CRESSET_ARGUMENT_TENSOR = 1, /* index: into inputs */
  CRESSET_ARGUMENT_BOOL = 2,
  CRESSET_ARGUMENT_INT = 3,
  CRESSET_ARGUMENT_DOUBLE = 4,
  CRESSET_ARGUMENT_INTS = 5,   /* ints[0 ..< count] */
  CRESSET_ARGUMENT_DTYPE = 6,  /* integer */
  CRESSET_ARGUMENT_STRING = 7,
  CRESSET_ARGUMENT_TENSORS = 8 /* count inputs from `integer` on */
};

typedef struct CressetArgument {
  uint32_t struct_size;
  uint32_t kind;
  int64_t integer; /* bool, int, dtype, index of a tensor */
  double number;
  const int64_t *ints;
  const char *string;
  uint64_t count;
} CressetArgument;

typedef struct CressetCall {
  uint32_t struct_size;
  uint32_t family;
  uint32_t input_count;
  uint32_t output_count;
  const CressetTensor *inputs;
  const CressetTensor *outputs;
  const CressetProgram *program;
  const CressetProgram *epilogue;
  const CressetScalar *params; /* typed by the PARAM instructions */
  uint32_t param_count;
  uint32_t argument_count;
  const void *attributes;
  const CressetArgument *arguments;
  const char *op; /* the operation being carried out, for messages: "aten::add.Tensor"; lives as long as the process */
  uint64_t site;  /* where the user called it; opaque, returned with asynchronous errors */
} CressetCall;

/* A kernel a backend registers for one family (or operation) and dtype. The
 * dtype is that of outputs[0] (SCATTER: of the values; REDUCE: of the first
 * output); for overrides the computation dtype after promotion. */
typedef struct CressetKernel {
  uint32_t struct_size;
  uint32_t family;
  const char *op; /* OVERRIDE: the operation, "aten::softmax.int"; else NULL */
  uint32_t dtype;
  int32_t priority; /* higher is asked first; 0 is usual */
  void *context;
  /* Optional; any thread; quick. NULL: this call can be launched. Otherwise why
   * not, a string that lives as long as the process. */
  const char *(*supports)(void *context, CressetDevice *device, const CressetCall *call);
  /* Queue thread. Enqueues the work and may return before it is done. */
  CressetStatus *(*launch)(void *context, CressetQueue *queue, const CressetCall *call);
} CressetKernel;

/* --------------------------------------------------------------- devices -- */

enum {
  CRESSET_DEVICE_SOFTWARE = 1,       /* a CPU posing as a device: never preferred over a real one */
  CRESSET_DEVICE_UNIFIED_MEMORY = 2, /* shares the host's memory */
  CRESSET_DEVICE_HOST_VISIBLE = 4,   /* buffers can be mapped: dl.data is set in calls */
  CRESSET_DEVICE_SYNCHRONOUS = 8,    /* launches have finished when they return */
  CRESSET_DEVICE_CONCURRENT = 16     /* and several threads may launch on one queue at a time */
};

typedef struct CressetDeviceInfo {
  uint32_t struct_size;
  uint32_t flags;
  char name[128];   /* "NVIDIA H200" */
  char driver[128]; /* name and version: part of cache keys and reports */
  uint8_t uuid[16]; /* equal for one card through two APIs; zero if unknown */
  uint64_t memory_bytes;
  uint64_t max_allocation_bytes; /* of one buffer */
  uint32_t dtypes;               /* bit d: can hold and compute CressetDType d */
  uint32_t instruction_count;    /* entries of instruction_types */
  /* Per opcode, bit t: can run it with `type` t (comparisons, casts: operand
   * type). NULL: every instruction and function of the table's abi_version, in
   * the types its dtypes widen to. */
  const uint8_t *instruction_types;
} CressetDeviceInfo;

/* What the host offers. Valid until the process ends. */
typedef struct CressetServices {
  uint32_t struct_size;
  uint32_t abi_version;
  void (*log)(int32_t level, const char *message); /* 0 debug, 1 notice, 2 warning, 3 error; any thread */
  const char *(*option)(const char *name);         /* the user's setting of a backend option, or NULL; any thread */
  const char *cache_directory;                     /* for compiled kernels; exists; NULL if caching is off */
  const char *maths_source;                        /* text of the portable functions, see docs/portable-maths.md */
  uint64_t maths_bytes;
  uint32_t thread_count;                           /* threads the host wants used at most */
  uint32_t reserved;
} CressetServices;

/* ------------------------------------------------------------ the backend -- */

typedef struct CressetBackend {
  uint32_t struct_size;
  uint32_t abi_version; /* the version this table follows */
  const char *name;     /* of the device type: "opencl" in "opencl:0"; [a-z][a-z0-9_]*, at most 31 characters */
  const char *version;  /* of the backend */
  void *context;        /* the backend's own; passed to the three functions that have no device */

  /* Once, before anything else. A failure's message says what is missing and
   * the command that installs it. */
  CressetStatus *(*start)(void *context, const CressetServices *services);

  /* Any thread. */
  CressetStatus *(*devices)(void *context, uint32_t *count, CressetDeviceInfo *items);
  CressetStatus *(*open_device)(void *context, uint32_t index, CressetDevice **device);
  CressetStatus *(*kernels)(CressetDevice *device, uint32_t *count, CressetKernel *items);

  /* Memory; any thread. Blocks are aligned to 256 bytes at least; 0 bytes give a block too. */
  CressetStatus *(*allocate)(CressetDevice *device, uint64_t bytes, CressetBuffer **buffer);
  void (*deallocate)(CressetDevice *device, CressetBuffer *buffer); /* after synchronising its users */
  CressetStatus *(*map)(CressetDevice *device, CressetBuffer *buffer, void **pointer); /* optional: HOST_VISIBLE */

  /* Queues. create and destroy: any thread; the rest: queue thread. */
  CressetStatus *(*create_queue)(CressetDevice *device, CressetQueue **queue);
  void (*destroy_queue)(CressetQueue *queue); /* finishes its work first */
  /* Returns when `source` may be reused. */
  CressetStatus *(*copy_in)(CressetQueue *queue, const void *source, CressetBuffer *buffer, uint64_t offset,
                            uint64_t bytes);
  /* Returns when the bytes are there; reports asynchronous errors of earlier work. */
  CressetStatus *(*copy_out)(CressetQueue *queue, CressetBuffer *buffer, uint64_t offset, void *target,
                             uint64_t bytes);
  CressetStatus *(*copy_within)(CressetQueue *queue, CressetBuffer *source, uint64_t source_offset,
                                CressetBuffer *target, uint64_t target_offset, uint64_t bytes);
  CressetStatus *(*synchronize)(CressetQueue *queue); /* waits; returns the first asynchronous error, once */

  /* Events; optional as a group: without them the host synchronises. An event is
   * released before its queue is destroyed. An asynchronous error is told once,
   * to whoever asks first. */
  CressetStatus *(*record)(CressetQueue *queue, CressetEvent **event);        /* queue thread */
  CressetStatus *(*queue_wait)(CressetQueue *queue, CressetEvent *event);     /* queue thread */
  CressetStatus *(*event_wait)(CressetEvent *event);                          /* any thread; carries errors */
  void (*event_release)(CressetEvent *event);                                 /* any thread */

  /* Optional; any thread: compile what these launches need, together, before
   * they are asked for. Only programs, dtypes, shapes and strides are read. */
  CressetStatus *(*prepare)(CressetDevice *device, uint32_t count, const CressetCall *calls);
  /* Optional; any thread: kernels compiled (not read from a cache) since start. */
  uint64_t (*compile_count)(CressetDevice *device);
  /* Optional; any thread: from the next launch on use at most this many threads, 1 at least. */
  void (*set_thread_count)(void *context, uint32_t threads);
} CressetBackend;

/* The one symbol a backend exports. Returns its table if it can speak a version
 * between the two (inclusive), NULL otherwise. Called first and once; must not
 * touch devices. */
typedef const CressetBackend *(*CressetBackendQuery)(uint32_t oldest, uint32_t newest);
#define CRESSET_BACKEND_ENTRY "cresset_backend_query"

#if defined(__GNUC__)
#define CRESSET_EXPORT __attribute__((visibility("default")))
#else
#define CRESSET_EXPORT
#endif
CRESSET_EXPORT const CressetBackend *cresset_backend_query(uint32_t oldest, uint32_t newest);

#ifdef __cplusplus
}
#endif
#endif
