/* loss.c: the cross entropy of logits and class indices, and its gradient: one pass over the
 * logits for the loss, a second one from cache for the gradient. */
#include "fused.h"

#include <math.h>

enum { NONE, MEAN, SUM }; /* reductions, by PyTorch's numbers */

typedef struct CrossEntropy {
  CpuRows rows; /* operands: logits, and their gradient; a row holds the classes */
  const int64_t *target;
  const char *weight; /* by classes, in the type of the rows; or NULL */
  int64_t ignored;
  double *loss;                     /* by rows */
  const char *gradient;             /* by rows, in their type; or NULL */
  double common;                    /* otherwise: each row's */
  _Atomic int64_t wrong;            /* the first row with a class there is not, or the number of rows */
} CrossEntropy;

static double weight_of(const CrossEntropy *job, int64_t class) {
  return job->weight ? cpu_number(job->rows.type, job->weight, class) : 1;
}

/* The row's class, or -1 if it does not count. */
static int64_t class_of(CrossEntropy *job, int64_t row) {
  int64_t class = job->target[row];
  if (class == job->ignored) return -1;
  if (class >= 0 && class < job->rows.n) return class;
  int64_t first = job->wrong;
  while (row < first && !atomic_compare_exchange_weak(&job->wrong, &first, row)) {}
  return -1;
}

static void run_forward(void *context, int64_t begin, int64_t end) {
  CrossEntropy *job = context;
  CpuRows *rows = &job->rows;
  CpuRowPass pass;
  if (!cpu_pass_begin(&pass, rows, begin, end, cpu_rows_bytes(rows))) return;
  while (cpu_pass_next(&pass)) {
    int64_t step;
    const char *x = cpu_rows_read(rows, 0, &pass.walk, pass.count, pass.scratch, &step);
    for (int64_t j = 0; j < pass.count; j++, x += step) {
      int64_t class = class_of(job, pass.row + j);
      double m, s;
      job->loss[pass.row + j] = 0;
      if (class < 0) continue;
      cpu_exp_statistics(rows->type, rows->n, x, &m, &s);
      job->loss[pass.row + j] = -((cpu_number(rows->type, x, class) - m) - log(s)) * weight_of(job, class);
    }
  }
}

/* ∂x = g w (softmax(x) - one at the class) */
static void run_backward(void *context, int64_t begin, int64_t end) {
  CrossEntropy *job = context;
  CpuRows *rows = &job->rows;
  const CpuRowLoops *loops = &cpu_loops->row[rows->type];
  size_t bytes = cpu_rows_bytes(rows), size = cpu_type_size[rows->type];
  CpuRowPass pass;
  if (!cpu_pass_begin(&pass, rows, begin, end, 2 * bytes)) return;
  while (cpu_pass_next(&pass)) {
    int64_t x_step, r_step;
    const char *x = cpu_rows_read(rows, 0, &pass.walk, pass.count, pass.scratch, &x_step);
    char *target = pass.scratch + bytes, *first = cpu_rows_target(rows, 1, &pass.walk, target, &r_step), *r = first;
    for (int64_t j = 0; j < pass.count; j++, x += x_step, r += r_step) {
      int64_t row = pass.row + j, class = class_of(job, row);
      if (class < 0) {
        memset(r, 0, (size_t)rows->n * size);
        continue;
      }
      double g = job->gradient ? cpu_number(rows->type, job->gradient, row) : job->common;
      g = cpu_rounded(rows->type, g * weight_of(job, class));
      double m, s;
      cpu_exp_statistics(rows->type, rows->n, x, &m, &s);
      double there = g * (exp(cpu_number(rows->type, x, class) - m) / s) - g;
      loops->exp_scale(rows->n, r, x, m, g / s);
      if (rows->type == CRESSET_TYPE_F64) memcpy(r + class * 8, &there, 8);
      else {
        float narrow = (float)there;
        memcpy(r + class * 4, &narrow, 4);
      }
    }
    cpu_rows_write(rows, 1, &pass.walk, pass.count, first, target);
  }
}

/* The classes as int64 in row-major order. */
static void read_targets(const CressetTensor *tensor, int64_t *r) {
  CpuSpace space;
  cpu_space_begin(&space, tensor);
  cpu_space_add(&space, tensor);
  if (space.count == 0) return;
  CpuWalk walk;
  cpu_walk_begin(&walk, &space, 0, space.rank, 0);
  for (int64_t i = 0; i < space.count; i++, cpu_walk_next(&walk, &space)) {
    const char *p = space.operand[0].base + walk.offset[0];
    int32_t narrow;
    if (tensor->dtype == CRESSET_INT64) memcpy(r + i, p, 8);
    else if (tensor->dtype == CRESSET_INT32) memcpy(&narrow, p, 4), r[i] = narrow;
    else r[i] = *(const uint8_t *)p;
  }
}

/* Reads the call, whose own arguments start at `from`; `output` is the gradient of the logits or NULL. */
static CressetStatus *begin(CrossEntropy *job, const CressetCall *call, uint32_t from, const CressetTensor *output) {
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  const CressetTensor *x = cpu_tensor_argument(call, from), *target = cpu_tensor_argument(call, from + 1);
  const CressetTensor *weight = cpu_tensor_argument(call, from + 2);
  if (!x || !target || call->argument_count < from + 6 || x->dl.ndim < 1) return cpu_malformed(call);
  *job = (CrossEntropy){.ignored = cpu_int_argument(call, from + 4), .common = 1};
  CpuRows *rows = &job->rows;
  rows->type = cpu_widened[x->dtype];
  cpu_space_begin(&rows->space, x);
  cpu_space_add(&rows->space, x);
  if (output) cpu_space_add(&rows->space, output);
  cpu_rows_arrange(rows, x->dl.ndim == 1 ? 1 : 2);
  job->wrong = rows->rows;
  size_t words = (size_t)rows->rows * 3 + (size_t)rows->n;
  char *memory = cpu_scratch(CPU_SCRATCH_LAUNCH, words * 8 + 64);
  if (!memory) return cpu_out_of_memory(words * 8);
  job->target = (int64_t *)(void *)memory;
  job->loss = (double *)(void *)(memory + rows->rows * 8);
  read_targets(target, (int64_t *)(void *)memory);
  if (weight) {
    char *weights = memory + rows->rows * 24;
    cpu_read_all(weight, rows->type, rows->n, 1, weights);
    job->weight = weights;
  }
  return NULL;
}

/* Σ of the weights of the rows that count. */
static double total_weight(CrossEntropy *job) {
  double sum = 0;
  for (int64_t row = 0; row < job->rows.rows; row++) {
    int64_t class = class_of(job, row);
    if (class >= 0) sum += weight_of(job, class);
  }
  return sum;
}

static CressetStatus *finish(CrossEntropy *job, CressetQueue *queue, const CressetCall *call) {
  if (job->wrong < job->rows.rows)
    cpu_remember(queue, call,
                 "index %lld is out of range for a dimension of size %lld (target %lld in row-major order)",
                 (long long)job->target[job->wrong], (long long)job->rows.n, (long long)job->wrong);
  return cpu_rows_status(&job->rows);
}

CressetStatus *cpu_cross_entropy(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context;
  CrossEntropy job;
  CressetStatus *status = begin(&job, call, 0, NULL);
  if (status) return status;
  int64_t reduction = cpu_int_argument(call, 3), count = job.rows.rows;
  cpu_rows_run(&job.rows, 12, run_forward, &job);
  if (job.rows.failed) return cpu_rows_status(&job.rows);
  const CressetTensor *result = cpu_output(call, 0);
  char *r = cpu_address(result);
  if (reduction == NONE)
    for (int64_t i = 0; i < count; i++, r += cpu_dtype_size[result->dtype])
      cpu_store_float(result->dtype, r, job.loss[i]);
  else {
    double sum = cpu_loops->row[CRESSET_TYPE_F64].sum(count, job.loss);
    cpu_store_float(result->dtype, r, reduction == MEAN ? sum / total_weight(&job) : sum);
  }
  return finish(&job, queue, call);
}

CressetStatus *cpu_cross_entropy_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context;
  CrossEntropy job;
  const CressetTensor *g = cpu_tensor_argument(call, 0);
  if (!g || call->output_count != 1) return cpu_malformed(call);
  CressetStatus *status = begin(&job, call, 2, cpu_output(call, 0));
  if (status) return status;
  int64_t reduction = cpu_int_argument(call, 5);
  char *gradient = (char *)job.loss; /* room for two numbers a row */
  cpu_read_all(g, job.rows.type, reduction == NONE ? job.rows.rows : 1, 0, gradient);
  if (reduction == NONE) job.gradient = gradient;
  else {
    double g = cpu_number(job.rows.type, gradient, 0);
    job.common = cpu_rounded(job.rows.type, reduction == MEAN ? g / cpu_rounded(job.rows.type, total_weight(&job)) : g);
  }
  cpu_rows_run(&job.rows, 24, run_backward, &job);
  return finish(&job, queue, call);
}
