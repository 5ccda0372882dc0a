/* internal.h: what the files of the cpu kernels share. */
#ifndef CPU_INTERNAL_H
#define CPU_INTERNAL_H

#include "cpu_kernels.h"
#include "loops.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ types -- */

static const uint8_t cpu_dtype_size[CRESSET_DTYPE_COUNT] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
static const uint8_t cpu_type_size[CRESSET_TYPE_COUNT] = {1, 4, 8, 4, 8};
/* The type a dtype widens to. */
static const uint8_t cpu_widened[CRESSET_FLOAT64 + 1] = {
    CRESSET_TYPE_BOOL, CRESSET_TYPE_I32, CRESSET_TYPE_I32, CRESSET_TYPE_I32, CRESSET_TYPE_I32,
    CRESSET_TYPE_I64,  CRESSET_TYPE_F32, CRESSET_TYPE_F32, CRESSET_TYPE_F32, CRESSET_TYPE_F64};
/* The dtype whose storage is a type's own form in a block. */
static const uint8_t cpu_native_dtype[CRESSET_TYPE_COUNT] = {CRESSET_BOOL, CRESSET_INT32, CRESSET_INT64,
                                                             CRESSET_FLOAT32, CRESSET_FLOAT64};

static inline bool cpu_is_native(uint32_t dtype) { return cpu_native_dtype[cpu_widened[dtype]] == dtype; }

static inline int64_t cpu_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t cpu_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t cpu_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* ----------------------------------------------------------------- status -- */

__attribute__((format(printf, 2, 3))) CressetStatus *cpu_fail(int32_t code, const char *format, ...);
CressetStatus *cpu_out_of_memory(uint64_t bytes);
/* Remembers an error of `call` for the queue's next synchronisation, unless one is waiting already. */
__attribute__((format(printf, 3, 4))) void cpu_remember(CressetQueue *queue, const CressetCall *call,
                                                        const char *format, ...);

/* ---------------------------------------------------------------- threads -- */

/* Runs `body` over [0, count) in ranges of at least `grain`, on several threads
 * if that makes more than one range and nobody else is using them. Any thread
 * may call it, also from inside a body. */
typedef void (*CpuBody)(void *context, int64_t begin, int64_t end);
void cpu_parallel(int64_t count, int64_t grain, CpuBody body, void *context);
int cpu_thread_count(void);
void cpu_set_thread_count(uint32_t threads);

/* Work, in bytes moved or their equivalent, below which a thread is not woken. */
#ifndef CPU_PARALLEL_BYTES /* tests make it small */
#define CPU_PARALLEL_BYTES (256 << 10)
#endif

/* Bytes read and written from which on a result is stored past the caches, which could not hold it anyway. */
#ifndef CPU_STREAM_BYTES
#define CPU_STREAM_BYTES (48 << 20)
#endif

/* This thread's scratch memory, at least `bytes` of it, 64-byte aligned; NULL if
 * there is none. The next call for the same purpose may move it: a body given to
 * cpu_parallel asks once, and so does a launch for itself. */
enum { CPU_SCRATCH_BODY, CPU_SCRATCH_LAUNCH, CPU_SCRATCH_COUNT };
void *cpu_scratch(int purpose, size_t bytes);

/* ----------------------------------------------------------------- tensors -- */

/* A tensor argument, as the loops want it: address of the first element and
 * strides in bytes, dims in the order of a space. */
typedef struct CpuOperand {
  char *base;
  uint32_t dtype;
  int64_t stride[CRESSET_MAX_RANK];
} CpuOperand;

enum { CPU_MAX_OPERANDS = CRESSET_MAX_INPUTS + CRESSET_MAX_OUTPUTS + 2 };

/* An iteration space and its operands. */
typedef struct CpuSpace {
  int rank, operands;
  int64_t count;
  int64_t size[CRESSET_MAX_RANK];
  CpuOperand operand[CPU_MAX_OPERANDS];
} CpuSpace;

/* The host steps through tensors by their struct_size, which a later version may enlarge. */
static inline const CressetTensor *cpu_tensor(const CressetTensor *tensors, uint32_t k) {
  return (const CressetTensor *)(const void *)((const char *)tensors + (size_t)k * tensors->struct_size);
}
static inline const CressetTensor *cpu_input(const CressetCall *call, uint32_t k) {
  return cpu_tensor(call->inputs, k);
}
static inline const CressetTensor *cpu_output(const CressetCall *call, uint32_t k) {
  return cpu_tensor(call->outputs, k);
}
static inline char *cpu_address(const CressetTensor *tensor) {
  return (char *)tensor->dl.data + tensor->dl.byte_offset;
}

/* Starts a space with the dims of `tensor`; operands are added after. */
void cpu_space_begin(CpuSpace *space, const CressetTensor *tensor);
void cpu_space_add(CpuSpace *space, const CressetTensor *tensor);
/* An operand that is not memory: its "address" counts elements in row-major order. */
void cpu_space_add_index(CpuSpace *space);
/* Reorders dims [from, to) so that the last has the smallest strides, `preferred` operand first. */
void cpu_space_sort(CpuSpace *space, int from, int to, int preferred);
/* Drops dims of size 1 and merges neighbours within [from, to); returns where they end now. */
int cpu_space_merge(CpuSpace *space, int from, int to);
void cpu_space_swap_dims(CpuSpace *space, int a, int b);

/* Checks what every family relies on; NULL if the call is sound. */
CressetStatus *cpu_check(const CressetCall *call);

/* ---------------------------------------------------------------- programs -- */

typedef struct CpuStep {
  CpuOp run;
  uint32_t result, a, b, c;
} CpuStep;

typedef struct CpuLoadStep {
  uint32_t value, input;
  uint8_t dtype, copies; /* copies: never read through a pointer into the input */
} CpuLoadStep;

typedef struct CpuStoreStep {
  uint32_t value, output;
  uint8_t dtype, direct; /* direct: the value may be computed in the output's memory */
} CpuStoreStep;

/* A uniform value is the same for every element: it is computed once a launch. */
typedef struct CpuUniformStep {
  CpuOp run;       /* NULL: a param or a constant */
  uint32_t result; /* value */
  uint32_t a, b, c;
  bool is_param;
  CressetScalar literal;
  uint32_t param;
} CpuUniformStep;

/* A program with one instruction that computes, straight from memory to memory. */
typedef struct CpuDirect {
  enum { CPU_NOT_DIRECT, CPU_DIRECT_OPERATION, CPU_DIRECT_FILL, CPU_DIRECT_COPY } kind;
  CpuOp vv, vs, sv; /* the last two are NULL where the operation has no such form */
  int arity;
  int8_t input[3];  /* of each operand; -1: it is a param or the literal */
  int8_t param[3];  /* -1: it is the literal */
  CressetScalar literal[3];
  uint8_t element[3], result_element, dtype;
} CpuDirect;

typedef struct CpuProgram {
  uint32_t input_count, param_count;
  uint32_t value_count, slot_count, step_count, load_count, store_count, uniform_count, splat_count;
  uint32_t index_value; /* the value of INDEX, or UINT32_MAX */
  CpuStep *steps;
  CpuLoadStep *loads;
  CpuStoreStep *stores; /* by output */
  CpuUniformStep *uniforms;
  uint32_t *splats;   /* uniform values that some step wants as a whole block */
  uint32_t *slot;     /* of each value: where in scratch its block lies, or UINT32_MAX */
  uint8_t *type;      /* of each value */
  uint32_t cost;      /* of an element, in bytes moved or their equivalent, without loads and stores */
  CpuDirect direct;
  bool has_phrase, has_scaling; /* some step stands for several instructions */
} CpuProgram;

/* The compiled form of a program; compiles it the first time. */
const CpuProgram *cpu_program_slow(const CressetProgram *program, CressetStatus **status);

enum { CPU_PROGRAM_PAGE = 1024, CPU_PROGRAM_PAGES = 4096 };
typedef _Atomic(CpuProgram *) CpuProgramCell;
extern _Atomic(CpuProgramCell *) cpu_program_pages[CPU_PROGRAM_PAGES];

static inline const CpuProgram *cpu_program(const CressetProgram *program, CressetStatus **status) {
  uint32_t page = program->id / CPU_PROGRAM_PAGE;
  if (page < CPU_PROGRAM_PAGES) {
    CpuProgramCell *cells = atomic_load_explicit(&cpu_program_pages[page], memory_order_acquire);
    if (cells) {
      CpuProgram *found = atomic_load_explicit(&cells[program->id % CPU_PROGRAM_PAGE], memory_order_acquire);
      if (found) return found;
    }
  }
  return cpu_program_slow(program, status);
}

/* --------------------------------------------------------------- execution -- */

/* Elements of a block: what one pass of a program's steps works on. */
enum { CPU_BLOCK = 1024 };
/* Slots lie apart by a block of the widest type and a bit, lest they share cache sets. */
enum { CPU_SLOT_BYTES = CPU_BLOCK * 8 + 320 };

/* A program ready to run blocks on this thread. Lives in scratch memory. */
typedef struct CpuFrame {
  const CpuProgram *program;
  char *slots;
  void **pointer; /* of each value: its block, or its scalar if uniform */
  bool past_caches; /* results are, where that can be */
} CpuFrame;

/* Scratch bytes a frame needs for blocks of up to `block` elements. */
size_t cpu_frame_bytes(const CpuProgram *program);
/* Lays a frame into `memory` (64-byte aligned) and computes the uniform values. */
void cpu_frame_begin(CpuFrame *frame, const CpuProgram *program, const CressetScalar *params, void *memory,
                     int64_t block);

/* A block of elements: a box of `rank` dims in row-major order. */
typedef struct CpuBox {
  int rank;
  int64_t count;
  int64_t size[CRESSET_MAX_RANK + 1];
} CpuBox;

/* Where one operand's elements of a box lie: strides in bytes. */
typedef struct CpuPlace {
  char *base;
  int64_t stride[CRESSET_MAX_RANK + 1];
} CpuPlace;

/* Runs the program on one box. `outputs` is NULL if the stored values are to be
 * left in their blocks (see cpu_frame_stored). `index` is the place of the
 * row-major index, its base being the number, if the program has one. */
void cpu_frame_run(CpuFrame *frame, const CpuBox *box, const CpuPlace *inputs, const CpuPlace *outputs,
                   const CpuPlace *index);

/* The block of the value stored to output k by the last run. */
static inline void *cpu_frame_stored(const CpuFrame *frame, uint32_t k) {
  return frame->pointer[frame->program->stores[k].value];
}

bool cpu_box_is_contiguous(const CpuBox *box, const int64_t *strides, int64_t element);

/* A whole pointwise launch over a space whose operands are the program's inputs,
 * then its outputs. The space is changed. */
CressetStatus *cpu_run_pointwise(const CpuProgram *program, CpuSpace *space, uint32_t inputs, uint32_t outputs,
                                 const CressetScalar *params);

/* Walks through dims [from, to) of a space in row-major order: `offset` is each
 * operand's, in bytes, from its base. */
typedef struct CpuWalk {
  int from, to;
  int64_t position[CRESSET_MAX_RANK];
  int64_t offset[CPU_MAX_OPERANDS];
} CpuWalk;
void cpu_walk_begin(CpuWalk *walk, const CpuSpace *space, int from, int to, int64_t linear);
void cpu_walk_next(CpuWalk *walk, const CpuSpace *space);

/* -------------------------------------------------------------------- BLAS -- */

/* Finds the BLAS where it is `choice` ("openblas"), or none is and the own kernels are not the faster ones. */
const char *cpu_blas_load(const char *choice);
bool cpu_blas_present(void);
/* Row-major c (+)= a b, both operands possibly transposed; type F32 or F64. */
void cpu_blas_gemm(uint32_t type, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const void *a,
                   int64_t lda, const void *b, int64_t ldb, bool add, void *c, int64_t ldc);
/* y = a x, or of the transpose; a is row-major, rows x columns. */
void cpu_blas_gemv(uint32_t type, bool transpose, int64_t rows, int64_t columns, const void *a, int64_t lda,
                   const void *x, int64_t x_step, void *y, int64_t y_step);

/* ----------------------------------------------------------- matrix product -- */

/* A matrix anywhere in memory: strides in bytes. */
typedef struct CpuMatrix {
  char *base;
  int64_t rows, columns, row, column;
  uint32_t dtype;
} CpuMatrix;

/* One batched product. */
typedef struct CpuProduct {
  CpuMatrix a, b, c;
  int64_t m, n, k, batch;
  uint32_t type;  /* of the accumulators */
  CpuSpace space; /* the batch dims; operands: a, b, c, then what the epilogue loads */
  uint32_t extras;
  int64_t extra_row[CRESSET_MAX_INPUTS], extra_column[CRESSET_MAX_INPUTS];
  const CpuProgram *epilogue; /* or NULL */
  const CressetScalar *params;
} CpuProduct;

/* Multiplies with the own kernels: any dtype, any strides, epilogue included. The product may be turned into that of
 * the transposes. */
CressetStatus *cpu_own_gemm(CpuProduct *product);
/* Whether this processor multiplies pairs of bfloat16 (and its level has the loops for it). */
extern bool cpu_has_pairs;

#endif
