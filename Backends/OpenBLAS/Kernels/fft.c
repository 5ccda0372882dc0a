/* fft.c: the transform of rows of float32 whose count is a power of two: in float64, rounded once. */
#include "internal.h"

#include <math.h>
#include <pthread.h>

enum { LEAST = 512, MOST_BITS = 24 };

/* By the logarithm of the count: made once, never freed. */
static CpuFft *_Atomic plans[MOST_BITS + 1];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* exp(-2 pi i k / n), the angle brought into an eighth of the circle, where both are exact to the last bit or so. */
static void root_of(uint64_t k, uint64_t n, double *re, double *im) {
  k %= n;
  uint64_t eighth = 8 * k / n, rest = k - eighth / 2 * (n / 4);
  bool late = eighth & 1;
  double angle = 2 * M_PI * (double)(late ? n / 4 - rest : rest) / (double)n;
  double c = late ? sin(angle) : cos(angle), s = late ? cos(angle) : sin(angle);
  switch (eighth / 2) {
    case 0: *re = c, *im = -s; break;
    case 1: *re = -s, *im = -c; break;
    case 2: *re = -c, *im = s; break;
    default: *re = s, *im = c; break;
  }
}

static CpuFft *make_plan(int bits) {
  int64_t half = (int64_t)1 << (bits - 1), width = cpu_loops->gemm_vector_bytes / 8;
  CpuFft *plan = malloc(sizeof *plan);
  double *tables = plan ? aligned_alloc(64, (size_t)(5 * half + 64) * 8) : NULL;
  if (!tables) {
    free(plan);
    return NULL;
  }
  int64_t n1 = (int64_t)1 << (bits / 2), n2 = half / n1;
  *plan = (CpuFft){n1, n2, tables, tables + 2 * half, tables + 4 * half};
  for (int64_t k = 0; k < half; k++) root_of((uint64_t)k, (uint64_t)half, &tables[2 * k], &tables[2 * k + 1]);
  /* Of row k, column j: vectors of real parts and of imaginary parts in turn. */
  for (int64_t k = 0; k < n1; k++)
    for (int64_t j = 0; j < n2; j++) {
      double *at = tables + 2 * half + 2 * (k * n2 + j / width * width) + j % width;
      root_of((uint64_t)(k * j), (uint64_t)half, at, at + width);
    }
  double *ends = tables + 4 * half;
  for (int64_t k = 0; k <= half / 2; k++)
    root_of((uint64_t)k, (uint64_t)(2 * half), &ends[k], &ends[half / 2 + 1 + k]);
  return plan;
}

static const CpuFft *plan_of(int bits) {
  CpuFft *plan = atomic_load_explicit(&plans[bits], memory_order_acquire);
  if (plan) return plan;
  pthread_mutex_lock(&lock);
  plan = atomic_load_explicit(&plans[bits], memory_order_relaxed);
  if (!plan) {
    plan = make_plan(bits);
    atomic_store_explicit(&plans[bits], plan, memory_order_release);
  }
  pthread_mutex_unlock(&lock);
  return plan;
}

typedef struct Job {
  const CpuFft *plan;
  CpuSpace space; /* the other dims; operands: x, result */
  int64_t n, x_step, step; /* bytes from element to element */
  uint32_t dtype;
  double factor;
  _Atomic int failed;
} Job;

static void run_rows(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  int64_t size = cpu_dtype_size[job->dtype], n = job->n;
  size_t work = (size_t)(n * 8) + (size_t)(8 * cpu_max(job->plan->n1, job->plan->n2) * cpu_loops->gemm_vector_bytes);
  char *memory = cpu_scratch(CPU_SCRATCH_BODY, work + (size_t)((2 * n + 2) * size) + 128);
  if (!memory) {
    job->failed = 1;
    return;
  }
  char *row = memory + work, *result = row + n * size;
  CpuWalk walk;
  cpu_walk_begin(&walk, &job->space, 0, job->space.rank, begin);
  for (int64_t i = begin; i < end; i++, cpu_walk_next(&walk, &job->space)) {
    const char *x = job->space.operand[0].base + walk.offset[0];
    char *to = job->space.operand[1].base + walk.offset[1];
    bool is_dense = job->step == 2 * size;
    if (job->x_step != size) cpu_loops->load[job->dtype](1, n, row, x, 0, job->x_step), x = row;
    cpu_loops->fft_real(job->plan, x, is_dense ? to : result, memory, job->factor);
    for (int64_t k = 0; !is_dense && k <= n / 2; k++) memcpy(to + k * job->step, result + 2 * k * size, (size_t)(2 * size));
  }
}

static const CressetArgument *argument(const CressetCall *call, uint32_t i) {
  return (const CressetArgument *)(const void *)((const char *)call->arguments +
                                                 (size_t)i * call->arguments->struct_size);
}

/* The logarithm of the count along the one dim, which is stored; 0 if that is not for these loops. */
static int bits_of(const CressetCall *call, int *dim) {
  if (call->argument_count != 4 || call->input_count != 1 || call->output_count != 1) return 0;
  const CressetTensor *x = cpu_input(call, 0);
  const CressetArgument *dims = argument(call, 1);
  if (dims->kind != CRESSET_ARGUMENT_INTS || dims->count != 1 || !argument(call, 3)->integer) return 0;
  if (x->dtype != CRESSET_FLOAT32) return 0;
  *dim = (int)dims->ints[0];
  int64_t n = x->dl.shape[*dim];
  if (n < LEAST || n > (int64_t)1 << MOST_BITS || (n & (n - 1)) != 0) return 0;
  return __builtin_ctzll((uint64_t)n);
}

bool cpu_fft_real_takes(const CressetCall *call) {
  int dim;
  return bits_of(call, &dim) != 0;
}

CressetStatus *cpu_fft_real(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  int dim, bits = bits_of(call, &dim);
  if (!bits) return cpu_fail(CRESSET_ERROR_INVALID, "%s: arguments that do not fit", call->op);
  const CressetTensor *x = cpu_input(call, 0), *y = cpu_output(call, 0);
  int64_t n = x->dl.shape[dim], size = cpu_dtype_size[x->dtype];
  int64_t by = argument(call, 2)->integer;
  Job job = {.n = n, .dtype = x->dtype, .x_step = x->dl.strides[dim] * size, .step = y->dl.strides[dim] * 2 * size,
             .factor = by == 1 ? 1 / sqrt((double)n) : by == 2 ? 1 / (double)n : 1};
  job.plan = plan_of(bits);
  if (!job.plan) return cpu_out_of_memory((uint64_t)(5 * n * size));
  CpuSpace *space = &job.space;
  *space = (CpuSpace){.operands = 2, .count = 1};
  space->operand[0].base = cpu_address(x);
  space->operand[1].base = cpu_address(y);
  for (int d = 0; d < x->dl.ndim; d++) {
    if (d == dim) continue;
    space->size[space->rank] = x->dl.shape[d];
    space->operand[0].stride[space->rank] = x->dl.strides[d] * size;
    space->operand[1].stride[space->rank++] = y->dl.strides[d] * 2 * size;
    space->count *= x->dl.shape[d];
  }
  cpu_parallel(space->count, cpu_ceil_div(CPU_PARALLEL_BYTES, 4 * n * size), run_rows, &job);
  return job.failed ? cpu_out_of_memory((uint64_t)(5 * n * size)) : NULL;
}
