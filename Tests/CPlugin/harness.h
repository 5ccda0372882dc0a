/* harness.h: tensors, programs and launches for tests of a backend that no host is there for. */
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
