/* batch_norm.c: batch norm while training, and its gradient. A row is a channel; where it lies in
 * stretches, those are worked on in place, one after the other. */
#include "fused.h"

#include <math.h>

typedef struct BatchNorm {
  CpuRows rows; /* operands: x, result; or x, gradient, result (any place if ∂x is not wanted) */
  bool in_place[3]; /* by operand: stretches are used where they lie */
  int64_t stretch, stretches, step[3]; /* elements of a stretch; their number; their distance in bytes */
  double eps;
  const char *weight, *bias; /* of a channel, in the type of the rows */
  char *mean, *variance;     /* results, in that type */
  double *sums;              /* [channel][2]: ∂w, ∂b */
  bool wants_input;
} BatchNorm;

/* A channel of an operand: stretches that lie `step` apart. */
typedef struct Channel {
  char *base;
  int64_t step;
} Channel;

/* After the rows are arranged: whether dims of a row are (stretches, neighbours) for each operand. */
static void find_stretches(BatchNorm *job) {
  CpuRows *rows = &job->rows;
  CpuSpace *space = &rows->space;
  int dims = space->rank - rows->kept;
  job->stretch = dims > 0 ? space->size[space->rank - 1] : 1;
  job->stretches = dims > 0 && job->stretch > 0 ? rows->n / job->stretch : 1;
  bool all = dims == 1 || dims == 2;
  for (int k = 0; k < space->operands; k++) {
    const CpuOperand *o = &space->operand[k];
    bool fits = cpu_is_native(o->dtype) && all && o->stride[space->rank - 1] == cpu_dtype_size[o->dtype] &&
                job->stretch >= 16;
    job->in_place[k] = fits;
    job->step[k] = fits && dims == 2 ? o->stride[space->rank - 2] : job->stretch * cpu_type_size[rows->type];
  }
}

static Channel source(const BatchNorm *job, int k, const CpuRowPass *pass, char *scratch, int64_t *row_step) {
  if (!job->in_place[k])
    return (Channel){(char *)(uintptr_t)cpu_rows_read(&job->rows, k, &pass->walk, pass->count, scratch, row_step),
                     job->stretch * cpu_type_size[job->rows.type]};
  *row_step = job->rows.kept > 0 ? job->rows.space.operand[k].stride[job->rows.kept - 1] : 0;
  return (Channel){job->rows.space.operand[k].base + pass->walk.offset[k], job->step[k]};
}

static Channel destination(const BatchNorm *job, int k, const CpuRowPass *pass, char *scratch, int64_t *row_step) {
  if (job->in_place[k]) return source(job, k, pass, scratch, row_step);
  return (Channel){cpu_rows_target(&job->rows, k, &pass->walk, scratch, row_step),
                   job->stretch * cpu_type_size[job->rows.type]};
}

static void statistics(const BatchNorm *job, Channel x, double *mean, double *variance) {
  const CpuRowLoops *loops = &cpu_loops->row[job->rows.type];
  double n = (double)job->rows.n, sum = 0, squares = 0;
  for (int64_t i = 0; i < job->stretches; i++) sum += loops->sum(job->stretch, x.base + i * x.step);
  *mean = sum / n;
  if (job->rows.type == CRESSET_TYPE_F32) *mean = (float)*mean; /* as the loops see it */
  for (int64_t i = 0; i < job->stretches; i++) squares += loops->squares(job->stretch, x.base + i * x.step, *mean);
  *variance = squares / n;
}

static void run_forward(void *context, int64_t begin, int64_t end) {
  BatchNorm *job = context;
  CpuRows *rows = &job->rows;
  const CpuRowLoops *loops = &cpu_loops->row[rows->type];
  uint32_t type = rows->type, native = cpu_native_dtype[type];
  size_t bytes = cpu_rows_bytes(rows);
  CpuRowPass pass;
  if (!cpu_pass_begin(&pass, rows, begin, end, 2 * bytes)) return;
  while (cpu_pass_next(&pass)) {
    int64_t x_step, r_step;
    char *target = pass.scratch + bytes;
    Channel x = source(job, 0, &pass, pass.scratch, &x_step), r = destination(job, 1, &pass, target, &r_step);
    char *first = r.base;
    for (int64_t j = 0; j < pass.count; j++, x.base += x_step, r.base += r_step) {
      int64_t channel = pass.row + j;
      double mean, variance;
      statistics(job, x, &mean, &variance);
      cpu_store_float(native, job->mean + channel * cpu_type_size[type], mean);
      cpu_store_float(native, job->variance + channel * cpu_type_size[type], variance);
      double scale = cpu_number(type, job->weight, channel) / sqrt(variance + job->eps);
      for (int64_t i = 0; i < job->stretches; i++)
        loops->affine(job->stretch, r.base + i * r.step, x.base + i * x.step, mean, scale,
                      cpu_number(type, job->bias, channel));
    }
    cpu_rows_write(rows, 1, &pass.walk, pass.count, first, target);
  }
}

/* As of layer norm, see norm.c. */
static void run_backward(void *context, int64_t begin, int64_t end) {
  BatchNorm *job = context;
  CpuRows *rows = &job->rows;
  const CpuRowLoops *loops = &cpu_loops->row[rows->type];
  size_t bytes = cpu_rows_bytes(rows);
  double n = (double)rows->n;
  CpuRowPass pass;
  if (!cpu_pass_begin(&pass, rows, begin, end, 3 * bytes)) return;
  while (cpu_pass_next(&pass)) {
    int64_t x_step, g_step, r_step = 0;
    char *target = pass.scratch + 2 * bytes;
    Channel x = source(job, 0, &pass, pass.scratch, &x_step), g = source(job, 1, &pass, pass.scratch + bytes, &g_step);
    Channel r = {0};
    if (job->wants_input) r = destination(job, 2, &pass, target, &r_step);
    char *first = r.base;
    for (int64_t j = 0; j < pass.count; j++, x.base += x_step, g.base += g_step, r.base += r_step) {
      int64_t channel = pass.row + j;
      double mean, variance, sum = 0, centred = 0, part[2];
      statistics(job, x, &mean, &variance);
      double rstd = 1 / sqrt(variance + job->eps);
      for (int64_t i = 0; i < job->stretches; i++) {
        loops->moments(job->stretch, g.base + i * g.step, x.base + i * x.step, mean, part);
        sum += part[0];
        centred += part[1];
      }
      job->sums[2 * channel] = centred * rstd;
      job->sums[2 * channel + 1] = sum;
      if (!job->wants_input) continue;
      double w = cpu_number(rows->type, job->weight, channel);
      for (int64_t i = 0; i < job->stretches; i++)
        loops->affine_backward(job->stretch, r.base + i * r.step, g.base + i * g.step, x.base + i * x.step, mean, 1,
                               sum / n, rstd * rstd * centred / n, rstd * w);
    }
    if (job->wants_input) cpu_rows_write(rows, 2, &pass.walk, pass.count, first, target);
  }
}

/* Reads weight and bias; NULL if there is no memory, else what lies behind them. */
static char *read_channels(BatchNorm *job, const CressetTensor *weight, const CressetTensor *bias, size_t extra) {
  size_t bytes = ((size_t)job->rows.rows * 8 + 63) / 64 * 64;
  char *memory = cpu_scratch(CPU_SCRATCH_LAUNCH, 2 * bytes + extra);
  if (!memory) return NULL;
  cpu_read_all(weight, job->rows.type, job->rows.rows, 1, memory);
  cpu_read_all(bias, job->rows.type, job->rows.rows, 0, memory + bytes);
  job->weight = memory;
  job->bias = memory + bytes;
  return memory + 2 * bytes;
}

CressetStatus *cpu_batch_norm(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  const CressetTensor *x = cpu_tensor_argument(call, 0);
  if (!x || x->dl.ndim < 2 || call->output_count != 3 || call->argument_count < 8) return cpu_malformed(call);
  BatchNorm job = {.eps = cpu_double_argument(call, 7), .mean = cpu_address(cpu_output(call, 1)),
                   .variance = cpu_address(cpu_output(call, 2))};
  job.rows.type = cpu_widened[x->dtype];
  cpu_space_begin(&job.rows.space, x);
  cpu_space_add(&job.rows.space, x);
  cpu_space_add(&job.rows.space, cpu_output(call, 0));
  cpu_rows_arrange(&job.rows, ((1u << x->dl.ndim) - 1) & ~2u);
  find_stretches(&job);
  if (!read_channels(&job, cpu_tensor_argument(call, 1), cpu_tensor_argument(call, 2), 0))
    return cpu_out_of_memory((uint64_t)job.rows.rows * 16);
  cpu_rows_run(&job.rows, 12, run_forward, &job);
  return cpu_rows_status(&job.rows);
}

CressetStatus *cpu_batch_norm_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  const CressetTensor *g = cpu_tensor_argument(call, 0), *x = cpu_tensor_argument(call, 2), *output[3];
  const CressetTensor *weight = cpu_tensor_argument(call, 3), *bias = cpu_tensor_argument(call, 4);
  if (!x || !g || x->dl.ndim < 2 || call->argument_count < 11 || !cpu_wanted(call, weight, bias, output))
    return cpu_malformed(call);
  BatchNorm job = {.eps = cpu_double_argument(call, 9), .wants_input = output[0]};
  job.rows.type = cpu_widened[x->dtype];
  cpu_space_begin(&job.rows.space, x);
  cpu_space_add(&job.rows.space, x);
  cpu_space_add(&job.rows.space, g);
  cpu_space_add(&job.rows.space, output[0] ? output[0] : x);
  cpu_rows_arrange(&job.rows, ((1u << x->dl.ndim) - 1) & ~2u);
  find_stretches(&job);
  int64_t channels = job.rows.rows;
  job.sums = (double *)(void *)read_channels(&job, weight, NULL, (size_t)channels * 16);
  if (!job.sums) return cpu_out_of_memory((uint64_t)channels * 32);
  cpu_rows_run(&job.rows, 20, run_backward, &job);
  if (job.rows.failed) return cpu_rows_status(&job.rows);
  for (int k = 1; k < 3; k++)
    for (int64_t c = 0; output[k] && c < channels; c++)
      cpu_store_float(output[k]->dtype, cpu_address(output[k]) + c * cpu_dtype_size[output[k]->dtype],
                      job.sums[2 * c + k - 1]);
  return NULL;
}
