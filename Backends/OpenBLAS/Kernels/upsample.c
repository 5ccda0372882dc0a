/* upsample.c: images resized, [samples, channels, rows, columns]: bilinear and nearest.
 *
 * An element of the result is a weighted sum of two elements along each dim, worked out once a call. Columns come
 * first, line by line of the input; of those lines the last two are kept, from which a line of the result is mixed. */
#include "conv.h"

enum { ROWS, COLUMNS, DIMS };

typedef struct Job {
  CpuImages x, y;
  int64_t samples, size; /* size: of a number, as it is computed */
  uint32_t type;
  /* By dim and element of the result: its two places, all first ones before all second ones, and their weights. */
  int32_t *at[DIMS];
  char *weight[DIMS];
  _Atomic int failed;
} Job;

/* Elements of the input for one of the result. `scale` is an argument: result over input, if it was given. */
static double step_of(const CressetArgument *scale, int64_t from, int64_t to, bool aligns_corners) {
  if (aligns_corners) return to > 1 ? (double)(from - 1) / (double)(to - 1) : 0;
  if (scale->kind == CRESSET_ARGUMENT_DOUBLE && scale->number > 0) return 1 / scale->number;
  return (double)from / (double)to;
}

static void plan_linear(Job *job, int d, int64_t from, int64_t to, double step, bool aligns_corners) {
  for (int64_t i = 0; i < to; i++) {
    double place = aligns_corners ? step * (double)i : step * ((double)i + 0.5) - 0.5;
    place = place > 0 ? place : 0;
    int64_t first = place < (double)(from - 1) ? (int64_t)place : from - 1;
    double part = place - (double)first;
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    job->at[d][i] = (int32_t)first;
    job->at[d][to + i] = (int32_t)cpu_min(first + 1, from - 1);
    /* Along the columns as for the blend, along the rows in pairs as for the mix. */
    int64_t one = d == COLUMNS ? i : 2 * i, other = d == COLUMNS ? to + i : 2 * i + 1;
    if (job->size == 4) {
      ((float *)(void *)job->weight[d])[one] = (float)(1 - part);
      ((float *)(void *)job->weight[d])[other] = (float)part;
    } else {
      ((double *)(void *)job->weight[d])[one] = 1 - part;
      ((double *)(void *)job->weight[d])[other] = part;
    }
  }
}

/* The tables of both dims for images resized, in scratch memory. */
static bool plan(Job *job, const CpuImages *from, const CpuImages *to, const CressetArgument *scales,
                 bool aligns_corners) {
  int64_t sizes[DIMS] = {to->rows, to->columns}, inputs[DIMS] = {from->rows, from->columns};
  size_t bytes[DIMS] = {(size_t)cpu_round_up(sizes[0] * 8, 64), (size_t)cpu_round_up(sizes[1] * 8, 64)};
  char *memory = cpu_scratch(CPU_SCRATCH_LAUNCH, 3 * (bytes[0] + bytes[1]));
  if (!memory) return false;
  for (int d = 0; d < DIMS; memory += 3 * bytes[d], d++) {
    job->at[d] = (int32_t *)(void *)memory;
    job->weight[d] = memory + bytes[d];
    plan_linear(job, d, inputs[d], sizes[d], step_of(&scales[d], inputs[d], sizes[d], aligns_corners), aligns_corners);
  }
  return true;
}

static int64_t plane_grain(const Job *job) {
  int64_t bytes = (job->x.rows * job->x.columns + job->y.rows * job->y.columns) * job->size;
  return cpu_ceil_div(CPU_PARALLEL_BYTES, cpu_max(bytes, 1));
}

static void resize_planes(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  const CpuConvLoops *loops = &cpu_loops->conv[job->type == CRESSET_TYPE_F64];
  int64_t rows = job->y.rows, columns = job->y.columns, size = job->size;
  int64_t line_bytes = cpu_round_up(columns * size, 64), input_bytes = cpu_round_up(job->x.columns * size, 64);
  char *memory = cpu_scratch(CPU_SCRATCH_BODY, (size_t)(3 * line_bytes + input_bytes));
  if (!memory) {
    job->failed = 1;
    return;
  }
  bool in_place = cpu_is_native(job->x.dtype) && job->x.column == size;
  bool straight = cpu_is_native(job->y.dtype);
  char *input = memory + 3 * line_bytes, *mixed = memory + 2 * line_bytes;
  for (int64_t plane = begin; plane < end; plane++) {
    char *line[2] = {memory, memory + line_bytes};
    int64_t held[2] = {-1, -1};
    const char *x = cpu_plane(&job->x, plane);
    char *y = cpu_plane(&job->y, plane);
    for (int64_t r = 0; r < rows; r++, y += job->y.row) {
      int32_t need[2] = {job->at[ROWS][r], job->at[ROWS][rows + r]};
      if (held[0] != need[0] && held[1] == need[0]) {
        char *other = line[0];
        line[0] = line[1], line[1] = other;
        held[1] = held[0], held[0] = need[0];
      }
      for (int k = 0; k < 2; k++) {
        if (held[k] == need[k] || (k == 1 && need[1] == need[0])) continue;
        const char *from = x + need[k] * job->x.row;
        if (!in_place) {
          cpu_loops->load[job->x.dtype](1, job->x.columns, input, from, 0, job->x.column);
          from = input;
        }
        loops->blend(columns, line[k], from, job->at[COLUMNS], job->weight[COLUMNS]);
        held[k] = need[k];
      }
      loops->mix(columns, straight ? y : mixed, line[0], need[1] == need[0] ? line[0] : line[1],
                 job->weight[ROWS] + 2 * r * size);
      if (!straight) cpu_loops->store[job->y.dtype](1, columns, y, 0, job->y.column, mixed);
    }
  }
}

/* Arguments: input, output_size, align_corners, scales_h, scales_w. */
CressetStatus *cpu_upsample_bilinear(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  Job job = {.x = cpu_images(cpu_input(call, 0)), .y = cpu_images(cpu_output(call, 0)),
             .samples = cpu_output(call, 0)->dl.shape[0]};
  job.type = cpu_widened[job.x.dtype];
  job.size = cpu_type_size[job.type];
  if (!plan(&job, &job.x, &job.y, call->arguments + 3, call->arguments[2].integer != 0)) return cpu_out_of_memory(0);
  cpu_parallel(job.samples * job.x.channels, plane_grain(&job), resize_planes, &job);
  return job.failed ? cpu_out_of_memory((uint64_t)(job.y.columns * job.size * 4)) : NULL;
}

/* The adjoint: a line of the gradient goes to two lines of the result, weighted, and of those each element to two.
 * (In the order of the composition's additions, which are judged one by one.) */
#define SPREAD_PLANE(T)                                                                                                \
  do {                                                                                                                 \
    T *line = (T *)(void *)memory, *sums = (T *)(void *)(memory + line_bytes);                                         \
    const T *along = (const T *)(void *)job->weight[COLUMNS], *down = (const T *)(void *)job->weight[ROWS];            \
    memset(sums, 0, (size_t)(job->x.rows * columns * size));                                                           \
    for (int64_t r = 0; r < rows; r++) {                                                                               \
      cpu_loops->load[job->y.dtype](1, columns, line, g + r * job->y.row, 0, job->y.column);                           \
      for (int k = 0; k < 2; k++) {                                                                                    \
        T *to = sums + job->at[ROWS][k * rows + r] * columns, weight = down[2 * r + k];                                \
        for (int64_t i = 0; i < columns; i++) to[i] += weight * line[i];                                               \
      }                                                                                                                \
    }                                                                                                                  \
    for (int64_t r = 0; r < job->x.rows; r++, sums += columns) {                                                       \
      T *to = (T *)(void *)memory; /* the line's place; it is longer than both */                                      \
      memset(to, 0, (size_t)(job->x.columns * size));                                                                  \
      for (int64_t i = 0; i < columns; i++) {                                                                          \
        to[job->at[COLUMNS][i]] += along[i] * sums[i];                                                                 \
        to[job->at[COLUMNS][columns + i]] += along[columns + i] * sums[i];                                             \
      }                                                                                                                \
      cpu_loops->store[job->x.dtype](1, job->x.columns, cpu_plane(&job->x, plane) + r * job->x.row, 0, job->x.column,  \
                                     to);                                                                              \
    }                                                                                                                  \
  } while (0)

static void spread_planes(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  int64_t rows = job->y.rows, columns = job->y.columns, size = job->size;
  int64_t line_bytes = cpu_round_up(cpu_max(columns, job->x.columns) * size, 64);
  char *memory = cpu_scratch(CPU_SCRATCH_BODY, (size_t)(line_bytes + job->x.rows * columns * size));
  if (!memory) {
    job->failed = 1;
    return;
  }
  for (int64_t plane = begin; plane < end; plane++) {
    const char *g = cpu_plane(&job->y, plane);
    if (size == 4) SPREAD_PLANE(float);
    else SPREAD_PLANE(double);
  }
}

/* Arguments: the result's gradient, nothing, then those of the resizing. */
CressetStatus *cpu_upsample_bilinear_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  Job job = {.x = cpu_images(cpu_output(call, 0)), .y = cpu_images(cpu_input(call, 0)),
             .samples = cpu_output(call, 0)->dl.shape[0]};
  job.type = cpu_widened[job.x.dtype];
  job.size = cpu_type_size[job.type];
  if (!plan(&job, &job.x, &job.y, call->arguments + 5, call->arguments[4].integer != 0)) return cpu_out_of_memory(0);
  cpu_parallel(job.samples * job.x.channels, plane_grain(&job), spread_planes, &job);
  return job.failed ? cpu_out_of_memory((uint64_t)(job.x.rows * job.y.columns * job.size)) : NULL;
}

/* ----------------------------------------------------------------- nearest -- */

#define PICK(T)                                                                                                        \
  for (int64_t i = 0; i < job->y.columns; i++)                                                                         \
    ((T *)(void *)y)[i] = *(const T *)(const void *)(line + job->at[COLUMNS][i] * job->x.column)

static void pick_planes(void *context, int64_t begin, int64_t end) {
  const Job *job = context;
  for (int64_t plane = begin; plane < end; plane++) {
    char *y = cpu_plane(&job->y, plane);
    for (int64_t r = 0; r < job->y.rows; r++, y += job->y.row) {
      const char *line = cpu_plane(&job->x, plane) + job->at[ROWS][r] * job->x.row;
      if (r > 0 && job->at[ROWS][r] == job->at[ROWS][r - 1])
        memcpy(y, y - job->y.row, (size_t)(job->y.columns * job->size));
      else if (job->size == 1) PICK(uint8_t);
      else if (job->size == 2) PICK(uint16_t);
      else if (job->size == 4) PICK(uint32_t);
      else PICK(uint64_t);
    }
  }
}

/* Arguments: input, output_size, scales_h, scales_w. */
CressetStatus *cpu_upsample_nearest(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  Job job = {.x = cpu_images(cpu_input(call, 0)), .y = cpu_images(cpu_output(call, 0)),
             .samples = cpu_output(call, 0)->dl.shape[0]};
  job.size = cpu_dtype_size[job.x.dtype];
  int64_t sizes[DIMS] = {job.y.rows, job.y.columns}, inputs[DIMS] = {job.x.rows, job.x.columns};
  int32_t *at = cpu_scratch(CPU_SCRATCH_LAUNCH, (size_t)(sizes[0] + sizes[1]) * 4);
  if (!at) return cpu_out_of_memory((uint64_t)(sizes[0] + sizes[1]) * 4);
  for (int d = 0; d < DIMS; at += sizes[d], d++) {
    /* In float, as everywhere: where a product lies near a whole number its rounding decides. */
    float step = (float)step_of(&call->arguments[2 + d], inputs[d], sizes[d], false);
    job.at[d] = at;
    for (int64_t i = 0; i < sizes[d]; i++) {
      int64_t place = inputs[d] == sizes[d] ? i : (int64_t)((float)i * step);
      at[i] = (int32_t)cpu_min(place, inputs[d] - 1);
    }
  }
  cpu_parallel(job.samples * job.x.channels, plane_grain(&job), pick_planes, &job);
  return NULL;
}
