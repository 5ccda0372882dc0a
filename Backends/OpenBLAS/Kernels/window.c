/* window.c: pooling: maxima and means of windows, and their gradients.
 *
 * A task takes planes. A plane is copied, in blocks of rows, to where neighbouring windows find neighbours (see
 * conv.h), and a line of results is made at once, vectors along it. */
#include "conv.h"

#include <math.h>

enum {
  BLOCK_BYTES = 64 << 10, /* of a part of a plane: stays in a core's cache */
};

/* A call's images as planes, with or without a batch. */
typedef struct Job {
  CpuImages x, y; /* the images, the windows' results */
  CpuConvDim dim[2];
  CpuSlab slab;
  int64_t samples, size, rows; /* rows: of results in a block */
  const CpuConvLoops *loops;
  /* Maxima. */
  char *indices;
  uint32_t index_dtype;
  /* Means. */
  bool counts_padding;
  int64_t divisor; /* 0: the elements of each window */
  _Atomic int failed;
} Job;

/* As cpu_images, where the batch may be missing: images of one sample then. */
static CpuImages images_of(const CressetTensor *tensor, int64_t *samples) {
  const CressetDLTensor *dl = &tensor->dl;
  int64_t size = cpu_dtype_size[tensor->dtype];
  int n = dl->ndim;
  *samples = n == 4 ? dl->shape[0] : 1;
  return (CpuImages){.base = cpu_address(tensor),
                     .dtype = tensor->dtype,
                     .channels = dl->shape[n - 3],
                     .sample = n == 4 ? dl->strides[0] * size : 0,
                     .channel = dl->strides[n - 3] * size,
                     .row = dl->strides[n - 2] * size,
                     .column = dl->strides[n - 1] * size,
                     .rows = dl->shape[n - 2],
                     .columns = dl->shape[n - 1]};
}

/* Arguments from `first` on: kernel, stride, padding and, for maxima, dilation. */
static void read_windows(Job *job, const CressetCall *call, uint32_t first, bool has_dilation) {
  const CressetArgument *numbers = &call->arguments[first];
  int64_t inputs[2] = {job->x.rows, job->x.columns}, outputs[2] = {job->y.rows, job->y.columns};
  for (int d = 0; d < 2; d++) {
    job->dim[d] = (CpuConvDim){inputs[d], outputs[d], numbers[0].ints[d], numbers[1].ints[d], numbers[2].ints[d],
                               has_dilation ? numbers[3].ints[d] : 1};
    job->slab.step[d] = job->dim[d].stride;
    job->slab.low[d] = -job->dim[d].padding;
    job->slab.reach[d] = (job->dim[d].kernel - 1) * job->dim[d].dilation + 1;
  }
}

/* Rows of results in a block, and the slab for it. */
static void plan_slab(Job *job) {
  job->rows = job->dim[0].output;
  for (;;) {
    cpu_slab_plan(&job->slab, job->rows, job->dim[1].output, job->size);
    if (job->rows == 1 || job->slab.plane * job->size <= BLOCK_BYTES) return;
    job->rows = cpu_ceil_div(job->rows, 2);
  }
}

/* Numbers that a line of windows may be written with. */
static int64_t line_bytes(const Job *job) {
  return cpu_round_up((job->dim[1].output + CPU_CONV_SLACK) * job->size, 64);
}
static int64_t slab_bytes(const Job *job) {
  return cpu_round_up((job->slab.plane + 2 * CPU_CONV_SLACK) * job->size, 64);
}

/* ------------------------------------------------------------------ maxima -- */

static void write_places(uint32_t size, int64_t n, const void *at, int64_t *to) {
  if (size == 8) {
    memcpy(to, at, (size_t)n * 8);
    return;
  }
  const int32_t *narrow = at;
  for (int64_t i = 0; i < n; i++) to[i] = narrow[i];
}

static void run_maxima(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  const CpuConvDim *down = &job->dim[0], *along = &job->dim[1];
  int64_t taps = down->kernel * along->kernel, columns = along->output, size = job->size;
  int64_t slab_size = slab_bytes(job), line = line_bytes(job);
  char *slab = cpu_scratch(CPU_SCRATCH_BODY, (size_t)(slab_size + 4 * line + cpu_round_up(taps * 12, 64)));
  if (!slab) {
    job->failed = 1;
    return;
  }
  char *best = slab + slab_size, *at = best + line, *start = at + line, *first = start + line;
  int64_t *place = (int64_t *)(void *)(first + line);
  int32_t *offset = (int32_t *)(place + taps);
  /* Where the first element of each window lies that is within the line. */
  for (int64_t i = 0; i < columns; i++) {
    int64_t from = i * along->stride - along->padding;
    if (from < 0) from += cpu_ceil_div(-from, along->dilation) * along->dilation;
    if (size == 4) ((int32_t *)(void *)start)[i] = (int32_t)from;
    else ((int64_t *)(void *)start)[i] = from;
  }
  for (int64_t plane = begin; plane < end; plane++)
    for (int64_t row = 0; row < down->output; row += job->rows) {
      int64_t rows = cpu_min(job->rows, down->output - row);
      cpu_slab_fill(&job->slab, &job->x, cpu_plane(&job->x, plane), 1, row, rows, 0, columns, slab);
      for (int64_t r = 0; r < rows; r++) {
        int64_t top = (row + r) * down->stride - down->padding, count = 0;
        int64_t top_row = top < 0 ? top + cpu_ceil_div(-top, down->dilation) * down->dilation : top;
        for (int64_t i = 0; i < down->kernel; i++) {
          int64_t y = top + i * down->dilation;
          if (y < 0 || y >= down->input) continue;
          for (int64_t j = 0; j < along->kernel; j++, count++) {
            offset[count] = (int32_t)(r * down->stride * job->slab.pitch +
                                      cpu_slab_offset(&job->slab, i * down->dilation, j * along->dilation));
            place[count] = y * along->input + j * along->dilation - along->padding;
          }
        }
        for (int64_t i = 0; i < columns; i++) {
          int64_t above = top_row * along->input;
          if (size == 4) ((int32_t *)(void *)first)[i] = ((int32_t *)(void *)start)[i] + (int32_t)above;
          else ((int64_t *)(void *)first)[i] = ((int64_t *)(void *)start)[i] + above;
        }
        job->loops->max(columns, count, offset, place, along->stride, slab, first, best, at);
        cpu_loops->store[job->y.dtype](1, columns, cpu_plane(&job->y, plane) + (row + r) * job->y.row, 0, job->y.column,
                                       best);
        write_places((uint32_t)size, columns, at,
                     (int64_t *)(void *)job->indices + (plane * down->output + row + r) * columns);
      }
    }
}

static int64_t plane_grain(const Job *job) {
  int64_t bytes = (job->x.rows * job->x.columns + job->y.rows * job->y.columns) * job->size;
  return cpu_ceil_div(CPU_PARALLEL_BYTES, cpu_max(bytes, 1));
}

/* Arguments: input, kernel_size, stride, padding, dilation, ceil_mode. Results: maxima, their places. */
CressetStatus *cpu_max_pool(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  Job job = {.indices = cpu_address(cpu_output(call, 1))};
  job.x = images_of(cpu_input(call, 0), &job.samples);
  job.y = images_of(cpu_output(call, 0), &job.samples);
  uint32_t type = cpu_widened[job.x.dtype];
  job.size = cpu_type_size[type];
  job.loops = &cpu_loops->conv[type == CRESSET_TYPE_F64];
  read_windows(&job, call, 1, true);
  static const float least = -INFINITY;
  static const double least_wide = -INFINITY;
  job.slab.around = job.size == 4 ? (const void *)&least : (const void *)&least_wide;
  plan_slab(&job);
  cpu_parallel(job.samples * job.x.channels, plane_grain(&job), run_maxima, &job);
  return job.failed ? cpu_out_of_memory((uint64_t)slab_bytes(&job)) : NULL;
}

#define SCATTER(T)                                                                                                     \
  do {                                                                                                                 \
    T *to = (T *)(void *)result;                                                                                       \
    for (int64_t r = 0; r < job->y.rows; r++, at += job->y.columns)                                                    \
      for (int64_t i = 0; i < job->y.columns; i++) {                                                                   \
        const T *number = (const T *)(const void *)(g + r * job->y.row + i * job->y.column);                           \
        if (at[i] >= 0 && at[i] < elements) to[at[i]] += *number;                                                      \
      }                                                                                                                \
  } while (0)

static void scatter_planes(void *context, int64_t begin, int64_t end) {
  const Job *job = context;
  int64_t elements = job->x.rows * job->x.columns;
  for (int64_t plane = begin; plane < end; plane++) {
    const int64_t *at = (const int64_t *)(const void *)job->indices + plane * job->y.rows * job->y.columns;
    const char *g = cpu_plane(&job->y, plane);
    char *result = job->x.base + plane * elements * job->size;
    memset(result, 0, (size_t)(elements * job->size));
    if (job->size == 4) SCATTER(float);
    else SCATTER(double);
  }
}

/* Arguments: the result's gradient, nothing, the places. */
CressetStatus *cpu_max_pool_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  Job job = {.indices = cpu_address(cpu_input(call, 1))};
  job.y = images_of(cpu_input(call, 0), &job.samples);
  job.x = images_of(cpu_output(call, 0), &job.samples);
  job.size = cpu_dtype_size[job.x.dtype];
  cpu_parallel(job.samples * job.x.channels, plane_grain(&job), scatter_planes, &job);
  return NULL;
}

/* ------------------------------------------------------------------- means -- */

/* Elements of window o along a dim: those within, or within the padding too. */
static int64_t window_count(const Job *job, const CpuConvDim *dim, int64_t o) {
  int64_t start = o * dim->stride - dim->padding, end = cpu_min(start + dim->kernel, dim->input + dim->padding);
  return job->counts_padding ? end - start : cpu_min(end, dim->input) - cpu_max(start, 0);
}

#define FILL_DIVISORS(T)                                                                                               \
  for (int64_t i = 0; i < columns; i++)                                                                                \
    ((T *)(void *)divisors)[i] =                                                                                       \
        (T)(job->divisor ? job->divisor : window_count(job, &job->dim[0], row) * window_count(job, &job->dim[1], i))

/* Divides a line of sums, those of row `row` of the windows. */
static void divide_line(const Job *job, int64_t row, int64_t columns, char *sums, char *divisors) {
  if (job->size == 4) FILL_DIVISORS(float);
  else FILL_DIVISORS(double);
  cpu_loops->op[CRESSET_OP_DIV][job->size == 4 ? CRESSET_TYPE_F32 : CRESSET_TYPE_F64](columns, sums, sums, divisors,
                                                                                     NULL);
}

static void run_means(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  const CpuConvDim *down = &job->dim[0], *along = &job->dim[1];
  int64_t taps = down->kernel * along->kernel, columns = along->output, size = job->size;
  int64_t slab_size = slab_bytes(job), line = line_bytes(job);
  char *slab = cpu_scratch(CPU_SCRATCH_BODY, (size_t)(slab_size + 2 * line + cpu_round_up(taps * 12, 64)));
  if (!slab) {
    job->failed = 1;
    return;
  }
  char *sums = slab + slab_size, *divisors = sums + line, *ones = divisors + line;
  int32_t *offset = (int32_t *)(void *)(ones + taps * 8);
  for (int64_t k = 0; k < taps; k++) {
    if (size == 4) ((float *)(void *)ones)[k] = 1;
    else ((double *)(void *)ones)[k] = 1;
    offset[k] = (int32_t)cpu_slab_offset(&job->slab, k / along->kernel, k % along->kernel);
  }
  for (int64_t plane = begin; plane < end; plane++)
    for (int64_t row = 0; row < down->output; row += job->rows) {
      int64_t rows = cpu_min(job->rows, down->output - row);
      cpu_slab_fill(&job->slab, &job->x, cpu_plane(&job->x, plane), 1, row, rows, 0, columns, slab);
      for (int64_t r = 0; r < rows; r++) {
        job->loops->line(columns, taps, offset, slab + r * down->stride * job->slab.pitch * size, ones, sums);
        divide_line(job, row + r, columns, sums, divisors);
        cpu_loops->store[job->y.dtype](1, columns, cpu_plane(&job->y, plane) + (row + r) * job->y.row, 0, job->y.column,
                                       sums);
      }
    }
}

/* Arguments: input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override. */
CressetStatus *cpu_avg_pool(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  Job job = {.counts_padding = call->arguments[5].integer != 0, .divisor = call->arguments[6].integer};
  job.x = images_of(cpu_input(call, 0), &job.samples);
  job.y = images_of(cpu_output(call, 0), &job.samples);
  uint32_t type = cpu_widened[job.x.dtype];
  job.size = cpu_type_size[type];
  job.loops = &cpu_loops->conv[type == CRESSET_TYPE_F64];
  read_windows(&job, call, 1, false);
  plan_slab(&job);
  cpu_parallel(job.samples * job.x.channels, plane_grain(&job), run_means, &job);
  return job.failed ? cpu_out_of_memory((uint64_t)slab_bytes(&job)) : NULL;
}

/* Place after place of the window, as the composition adds: each addition is judged by itself. */
#define SPREAD(T)                                                                                                      \
  for (int64_t i = 0; i < down->kernel; i++)                                                                           \
    for (int64_t j = 0; j < along->kernel; j++) {                                                                      \
      int64_t first = cpu_ceil_div(cpu_max(along->padding - j, 0), along->stride);                                     \
      int64_t last = cpu_min(columns, cpu_ceil_div(cpu_max(along->input + along->padding - j, 0), along->stride));     \
      for (int64_t row = 0; row < down->output; row++) {                                                               \
        int64_t y = row * down->stride - down->padding + i;                                                            \
        if (y < 0 || y >= down->input) continue;                                                                       \
        T *to = (T *)(void *)result + y * along->input - along->padding + j;                                           \
        const T *share = (const T *)(void *)(shares + row * line);                                                     \
        for (int64_t o = first; o < last; o++) to[o * along->stride] += share[o];                                      \
      }                                                                                                                \
    }

static void spread_planes(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  const CpuConvDim *down = &job->dim[0], *along = &job->dim[1];
  int64_t columns = along->output, line = line_bytes(job), bytes = down->input * along->input * job->size;
  char *shares = cpu_scratch(CPU_SCRATCH_BODY, (size_t)((down->output + 1) * line));
  if (!shares) {
    job->failed = 1;
    return;
  }
  char *divisors = shares + down->output * line;
  for (int64_t plane = begin; plane < end; plane++) {
    char *result = memset(job->x.base + plane * bytes, 0, (size_t)bytes);
    for (int64_t row = 0; row < down->output; row++) {
      char *share = shares + row * line;
      cpu_loops->load[job->y.dtype](1, columns, share, cpu_plane(&job->y, plane) + row * job->y.row, 0, job->y.column);
      divide_line(job, row, columns, share, divisors);
    }
    if (job->size == 4) SPREAD(float)
    else SPREAD(double)
  }
}

/* Arguments: the result's gradient, nothing, nothing, then those of the means from kernel_size on. */
CressetStatus *cpu_avg_pool_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  Job job = {.counts_padding = call->arguments[7].integer != 0, .divisor = call->arguments[8].integer};
  job.y = images_of(cpu_input(call, 0), &job.samples);
  job.x = images_of(cpu_output(call, 0), &job.samples);
  job.size = cpu_dtype_size[job.x.dtype];
  read_windows(&job, call, 3, false);
  cpu_parallel(job.samples * job.x.channels, plane_grain(&job), spread_planes, &job);
  return job.failed ? cpu_out_of_memory((uint64_t)line_bytes(&job)) : NULL;
}
