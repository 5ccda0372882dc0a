/* norm.c: layer and root-mean-square norm along rows, group norm, and their gradients.
 *
 * With x̂ = (x - mean) rstd and y = x̂ w + b over rows of n:
 *   ∂x = rstd (g w - E[g w] - x̂ E[g w x̂])   (without E[g w] for the root mean square, whose mean is 0)
 *   ∂w = Σ g x̂ over rows, ∂b = Σ g
 * The sums over rows go by blocks whose number depends on the shape alone. */
#include "fused.h"

#include <math.h>

enum {
  BLOCKS = 32,          /* of rows, for sums over rows */
  FLUSH = 32,           /* rows added up in the type of the rows before they go to a sum in double */
  PARTIAL_BYTES = 8 << 20,
};

typedef struct Norm {
  CpuRows rows; /* operands: x, result; or x, gradient, result (any place if ∂x is not wanted) */
  bool is_root_mean_square, wants_input, wants_weights;
  double eps;
  const char *weight, *bias; /* of an element of a row; group norm: of a channel */
  int64_t segment, groups;   /* group norm: elements of a channel, groups of a sample */
  int64_t blocks, block;     /* rows of a block */
  double *partial;           /* [block][2][n]; group norm: [row][2][channel of the group] */
} Norm;

typedef struct Statistics {
  double mean, rstd;
} Statistics;

static Statistics statistics(const Norm *job, const char *x) {
  const CpuRowLoops *loops = &cpu_loops->row[job->rows.type];
  int64_t n = job->rows.n;
  double mean = job->is_root_mean_square ? 0 : loops->sum(n, x) / (double)n;
  /* The mean is used as the loops see it. */
  if (job->rows.type == CRESSET_TYPE_F32) mean = (float)mean;
  return (Statistics){mean, 1 / sqrt(loops->squares(n, x, mean) / (double)n + job->eps)};
}

static void forward_row(const Norm *job, int64_t row, char *r, const char *x) {
  const CpuRowLoops *loops = &cpu_loops->row[job->rows.type];
  Statistics s = statistics(job, x);
  if (job->segment == 0) {
    loops->normalize(job->rows.n, r, x, s.mean, s.rstd, job->weight, job->bias);
    return;
  }
  uint32_t type = job->rows.type;
  int64_t channels = job->rows.n / job->segment, first = row % job->groups * channels;
  int64_t bytes = job->segment * cpu_type_size[type];
  for (int64_t c = 0; c < channels; c++)
    loops->affine(job->segment, r + c * bytes, x + c * bytes, s.mean, s.rstd * cpu_number(type, job->weight, first + c),
                  cpu_number(type, job->bias, first + c));
}

static void run_forward(void *context, int64_t begin, int64_t end) {
  Norm *job = context;
  CpuRows *rows = &job->rows;
  size_t bytes = cpu_rows_bytes(rows);
  CpuRowPass pass;
  if (!cpu_pass_begin(&pass, rows, begin, end, 2 * bytes)) return;
  while (cpu_pass_next(&pass)) {
    int64_t x_step, r_step;
    const char *x = cpu_rows_read(rows, 0, &pass.walk, pass.count, pass.scratch, &x_step);
    char *target = pass.scratch + bytes, *r = cpu_rows_target(rows, 1, &pass.walk, target, &r_step);
    for (int64_t j = 0; j < pass.count; j++) forward_row(job, pass.row + j, r + j * r_step, x + j * x_step);
    cpu_rows_write(rows, 1, &pass.walk, pass.count, r, target);
  }
}

/* Weight and bias as arrays in the type of the rows; NULL if there is no memory. */
static char *read_weights(Norm *job, const CressetTensor *weight, const CressetTensor *bias, int64_t count,
                          size_t extra) {
  size_t bytes = ((size_t)count * 8 + 63) / 64 * 64;
  char *memory = cpu_scratch(CPU_SCRATCH_LAUNCH, 2 * bytes + extra);
  if (!memory) return NULL;
  cpu_read_all(weight, job->rows.type, count, 1, memory);
  cpu_read_all(bias, job->rows.type, count, 0, memory + bytes);
  job->weight = memory;
  job->bias = memory + bytes;
  return memory + 2 * bytes;
}

static CressetStatus *forward(Norm *job, const CressetCall *call, const CressetTensor *x, const CressetTensor *weight,
                              const CressetTensor *bias, uint64_t row_dims) {
  if (!x) return cpu_malformed(call);
  job->rows.type = cpu_widened[x->dtype];
  cpu_space_begin(&job->rows.space, x);
  cpu_space_add(&job->rows.space, x);
  cpu_space_add(&job->rows.space, cpu_output(call, 0));
  uint32_t all = (1u << x->dl.ndim) - 1;
  cpu_rows_arrange(&job->rows, all & ~(all >> row_dims));
  if (!read_weights(job, weight, bias, job->rows.n, 0)) return cpu_out_of_memory((uint64_t)job->rows.n * 16);
  cpu_rows_run(&job->rows, 12, run_forward, job);
  return cpu_rows_status(&job->rows);
}

CressetStatus *cpu_layer_norm(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  if (call->argument_count < 5) return cpu_malformed(call);
  Norm job = {.eps = cpu_double_argument(call, 4)};
  return forward(&job, call, cpu_tensor_argument(call, 0), cpu_tensor_argument(call, 2), cpu_tensor_argument(call, 3),
                 cpu_argument(call, 1)->count);
}

CressetStatus *cpu_rms_norm(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  if (call->argument_count < 4) return cpu_malformed(call);
  Norm job = {.eps = cpu_double_argument(call, 3), .is_root_mean_square = true};
  return forward(&job, call, cpu_tensor_argument(call, 0), cpu_tensor_argument(call, 2), NULL,
                 cpu_argument(call, 1)->count);
}

/* ---------------------------------------------------------------- gradients -- */

/* Rows [begin, end): ∂x, and the sums of a block if `sums` is not NULL. */
static bool backward_rows(Norm *job, int64_t begin, int64_t end, double *sums) {
  CpuRows *rows = &job->rows;
  const CpuRowLoops *loops = &cpu_loops->row[rows->type];
  size_t bytes = cpu_rows_bytes(rows), line = ((size_t)rows->n * cpu_type_size[rows->type] + 63) / 64 * 64;
  int64_t n = rows->n, summed = 0;
  CpuRowPass pass;
  if (!cpu_pass_begin(&pass, rows, begin, end, 3 * bytes + 2 * line)) return false;
  char *near = pass.scratch + 3 * bytes;
  if (sums) memset(near, 0, 2 * line), memset(sums, 0, (size_t)n * 16);
  while (cpu_pass_next(&pass)) {
    int64_t x_step, g_step, r_step;
    const char *x = cpu_rows_read(rows, 0, &pass.walk, pass.count, pass.scratch, &x_step);
    const char *g = cpu_rows_read(rows, 1, &pass.walk, pass.count, pass.scratch + bytes, &g_step);
    char *target = pass.scratch + 2 * bytes, *r = NULL;
    if (job->wants_input) r = cpu_rows_target(rows, 2, &pass.walk, target, &r_step);
    for (int64_t j = 0; j < pass.count; j++, x += x_step, g += g_step) {
      Statistics s = statistics(job, x);
      if (sums) {
        loops->accumulate(n, near, near + line, g, x, s.mean, s.rstd);
        if (++summed % FLUSH == 0) loops->flush(n, sums, near), loops->flush(n, sums + n, near + line);
      }
      if (!r) continue;
      double moment[2];
      loops->weighted_moments(n, g, job->weight, x, s.mean, moment);
      double shift = job->is_root_mean_square ? 0 : moment[0] / (double)n;
      loops->normalize_backward(n, r + j * r_step, g, job->weight, x, s.mean, shift,
                                s.rstd * s.rstd * moment[1] / (double)n, s.rstd);
    }
    if (r) cpu_rows_write(rows, 2, &pass.walk, pass.count, r, target);
  }
  if (sums) loops->flush(n, sums, near), loops->flush(n, sums + n, near + line);
  return true;
}

static void run_backward(void *context, int64_t begin, int64_t end) { backward_rows(context, begin, end, NULL); }

static void run_blocks(void *context, int64_t begin, int64_t end) {
  Norm *job = context;
  for (int64_t b = begin; b < end; b++)
    if (!backward_rows(job, b * job->block, cpu_min((b + 1) * job->block, job->rows.rows),
                       job->partial + b * 2 * job->rows.n))
      return;
}

/* Sums over blocks of what lies `stride` apart, stored as a contiguous tensor. */
static void store_sums(const CressetTensor *tensor, int64_t count, int64_t blocks, int64_t stride,
                       const double *partial) {
  char *r = cpu_address(tensor);
  int64_t size = cpu_dtype_size[tensor->dtype];
  for (int64_t i = 0; i < count; i++) {
    double sum = 0;
    for (int64_t b = 0; b < blocks; b++) sum += partial[b * stride + i];
    cpu_store_float(tensor->dtype, r + i * size, sum);
  }
}

static CressetStatus *backward(const CressetCall *call, bool is_root_mean_square) {
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  if (call->argument_count < 7) return cpu_malformed(call);
  const CressetTensor *g = cpu_tensor_argument(call, 0), *x = cpu_tensor_argument(call, 2), *output[3];
  const CressetTensor *weight = cpu_tensor_argument(call, 4);
  const CressetTensor *bias = is_root_mean_square ? NULL : cpu_tensor_argument(call, 5);
  if (!x || !g || !cpu_wanted(call, weight, bias, output)) return cpu_malformed(call);
  Norm job = {.eps = cpu_double_argument(call, is_root_mean_square ? 5 : 6), .is_root_mean_square = is_root_mean_square,
              .wants_input = output[0], .wants_weights = output[1] || output[2]};
  CpuRows *rows = &job.rows;
  rows->type = cpu_widened[x->dtype];
  cpu_space_begin(&rows->space, x);
  cpu_space_add(&rows->space, x);
  cpu_space_add(&rows->space, g);
  cpu_space_add(&rows->space, output[0] ? output[0] : x);
  uint32_t all = (1u << x->dl.ndim) - 1;
  cpu_rows_arrange(rows, all & ~(all >> cpu_argument(call, 3)->count));
  int64_t n = rows->n;
  if (job.wants_weights) {
    job.blocks = cpu_max(cpu_min(cpu_min(BLOCKS, PARTIAL_BYTES / cpu_max(n * 16, 1)), rows->rows), 1);
    job.block = cpu_max(cpu_ceil_div(rows->rows, job.blocks), 1);
    job.blocks = cpu_ceil_div(rows->rows, job.block);
  }
  size_t partial = (size_t)job.blocks * (size_t)n * 16;
  job.partial = (double *)(void *)read_weights(&job, weight, NULL, n, partial);
  if (!job.partial) return cpu_out_of_memory(partial);
  int64_t grain = cpu_ceil_div(CPU_PARALLEL_BYTES, cpu_max(job.block * n, 1) * 24);
  if (job.wants_weights) cpu_parallel(job.blocks, grain, run_blocks, &job);
  else cpu_rows_run(rows, 24, run_backward, &job);
  if (rows->failed) return cpu_rows_status(rows);
  if (output[1]) store_sums(output[1], n, job.blocks, 2 * n, job.partial);
  if (output[2]) store_sums(output[2], n, job.blocks, 2 * n, job.partial + n);
  return NULL;
}

CressetStatus *cpu_layer_norm_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  return backward(call, false);
}

CressetStatus *cpu_rms_norm_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  return backward(call, true);
}

/* --------------------------------------------------------------- group norm -- */

/* Adds a tensor [batch, channels, …] as an operand of [batch, groups, channels of a group, …]. */
static void add_grouped(CpuSpace *space, const CressetTensor *tensor, int64_t groups) {
  int64_t size = cpu_dtype_size[tensor->dtype], shape[CRESSET_MAX_RANK], strides[CRESSET_MAX_RANK];
  const CressetDLTensor *dl = &tensor->dl;
  for (int d = 0; d <= dl->ndim; d++) {
    int e = d < 2 ? d : d - 1;
    shape[d] = d == 1 ? groups : d == 2 ? dl->shape[1] / groups : dl->shape[e];
    strides[d] = d == 1 ? dl->strides[1] * (dl->shape[1] / groups) : dl->strides[e];
  }
  space->rank = dl->ndim + 1;
  CpuOperand *operand = &space->operand[space->operands++];
  operand->base = cpu_address(tensor);
  operand->dtype = tensor->dtype;
  for (int d = 0; d < space->rank; d++) {
    space->size[d] = shape[d];
    operand->stride[d] = strides[d] * size;
  }
}

static void arrange_groups(Norm *job, const CressetTensor *x, int64_t groups) {
  job->groups = groups;
  cpu_rows_arrange(&job->rows, ((1u << (x->dl.ndim + 1)) - 1) & ~3u);
  job->segment = cpu_max(job->rows.n / cpu_max(x->dl.shape[1] / groups, 1), 1);
}

CressetStatus *cpu_group_norm(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  const CressetTensor *x = cpu_tensor_argument(call, 0);
  int64_t groups = cpu_int_argument(call, 1);
  if (!x || x->dl.ndim < 2 || groups < 1) return cpu_malformed(call);
  Norm job = {.eps = cpu_double_argument(call, 4)};
  job.rows.type = cpu_widened[x->dtype];
  add_grouped(&job.rows.space, x, groups);
  add_grouped(&job.rows.space, cpu_output(call, 0), groups);
  arrange_groups(&job, x, groups);
  int64_t channels = x->dl.shape[1];
  if (!read_weights(&job, cpu_tensor_argument(call, 2), cpu_tensor_argument(call, 3), channels, 0))
    return cpu_out_of_memory((uint64_t)channels * 16);
  cpu_rows_run(&job.rows, 12, run_forward, &job);
  return cpu_rows_status(&job.rows);
}

static void run_group_backward(void *context, int64_t begin, int64_t end) {
  Norm *job = context;
  CpuRows *rows = &job->rows;
  uint32_t type = rows->type;
  const CpuRowLoops *loops = &cpu_loops->row[type];
  size_t bytes = cpu_rows_bytes(rows);
  int64_t n = rows->n, channels = n / job->segment, segment = job->segment * cpu_type_size[type];
  CpuRowPass pass;
  if (!cpu_pass_begin(&pass, rows, begin, end, 3 * bytes)) return;
  while (cpu_pass_next(&pass)) {
    int64_t x_step, g_step, r_step;
    const char *x = cpu_rows_read(rows, 0, &pass.walk, pass.count, pass.scratch, &x_step);
    const char *g = cpu_rows_read(rows, 1, &pass.walk, pass.count, pass.scratch + bytes, &g_step);
    char *target = pass.scratch + 2 * bytes, *r = NULL;
    if (job->wants_input) r = cpu_rows_target(rows, 2, &pass.walk, target, &r_step);
    for (int64_t j = 0; j < pass.count; j++, x += x_step, g += g_step) {
      int64_t row = pass.row + j, first = row % job->groups * channels;
      double *sums = job->partial + row * 2 * channels, moment[2] = {0};
      Statistics s = statistics(job, x);
      for (int64_t c = 0; c < channels; c++) {
        double part[2], w = cpu_number(type, job->weight, first + c);
        loops->moments(job->segment, g + c * segment, x + c * segment, s.mean, part);
        sums[c] = part[1] * s.rstd;
        sums[channels + c] = part[0];
        moment[0] += w * part[0];
        moment[1] += w * part[1];
      }
      double shift = moment[0] / (double)n, slope = s.rstd * s.rstd * moment[1] / (double)n;
      for (int64_t c = 0; r && c < channels; c++)
        loops->affine_backward(job->segment, r + j * r_step + c * segment, g + c * segment, x + c * segment, s.mean,
                               cpu_number(type, job->weight, first + c), shift, slope, s.rstd);
    }
    if (r) cpu_rows_write(rows, 2, &pass.walk, pass.count, r, target);
  }
}

CressetStatus *cpu_group_norm_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  if (call->argument_count < 9) return cpu_malformed(call);
  const CressetTensor *g = cpu_tensor_argument(call, 0), *x = cpu_tensor_argument(call, 2), *output[3];
  const CressetTensor *weight = cpu_tensor_argument(call, 4), *bias = cpu_tensor_argument(call, 5);
  int64_t groups = cpu_int_argument(call, 3);
  if (!x || !g || x->dl.ndim < 2 || groups < 1 || !cpu_wanted(call, weight, bias, output)) return cpu_malformed(call);
  Norm job = {.eps = cpu_double_argument(call, 6), .wants_input = output[0]};
  job.rows.type = cpu_widened[x->dtype];
  add_grouped(&job.rows.space, x, groups);
  add_grouped(&job.rows.space, g, groups);
  add_grouped(&job.rows.space, output[0] ? output[0] : x, groups);
  arrange_groups(&job, x, groups);
  int64_t channels = x->dl.shape[1], each = channels / groups, samples = x->dl.shape[0];
  size_t partial = (size_t)(samples * channels) * 16;
  job.partial = (double *)(void *)read_weights(&job, weight, NULL, channels, partial);
  if (!job.partial) return cpu_out_of_memory(partial);
  cpu_rows_run(&job.rows, 20, run_group_backward, &job);
  if (job.rows.failed) return cpu_rows_status(&job.rows);
  for (int k = 1; k < 3; k++)
    for (int64_t group = 0; output[k] && group < groups; group++) {
      CressetTensor part = *output[k];
      part.dl.byte_offset += (uint64_t)(group * each * cpu_dtype_size[part.dtype]);
      store_sums(&part, each, samples, groups * 2 * each, job.partial + group * 2 * each + (k == 2 ? each : 0));
    }
  return NULL;
}
