/* conv_weight.c: the gradient of a convolution by its weight.
 *
 * An element is the sum over samples and windows of the result's gradient times what the tap sees of the images. The
 * kernel is that of the convolution with the roles changed: it runs along the windows, its numbers are taps of
 * images in a slab, its vectors channels of the gradient, transposed so that they are neighbours. A task has a block
 * of channels of the gradient and a range of those of the images; where that gives few tasks, the samples are dealt
 * out too, to as many parts as the sizes say, whose sums are added in order. */
#include "conv.h"

enum {
  DEPTH = 160,            /* windows of a kernel call, about */
  SLAB_BYTES = 256 << 10, /* stays in a core's cache */
  SUM_BYTES = 128 << 10,  /* likewise */
  BLOCK_WINDOWS = 1024,
  TASKS = 16, /* for which samples are dealt out */
  TASK_STEPS = 1 << 17,
};

typedef struct Job {
  CpuImages x, u; /* images and gradient */
  CpuSlab slab;
  const CpuConvLoops *loops;
  int64_t size, batch, groups, taken, made; /* channels of a group of the images, of the gradient */
  int64_t kernel[2], dilation[2], taps;
  int64_t lanes, blocks, ranges, parts;
  int64_t windows[2], block[2];
  char *result;
  uint32_t dtype;
  char *sums; /* of all tasks, where there are parts: [group][block][part][channel][tap][lane]; else NULL */
  _Atomic int failed;
} Job;

static int64_t block_width(const Job *job, int64_t block) {
  return job->made - block * job->lanes > job->loops->lanes ? job->lanes : job->loops->lanes;
}

/* The sums of a block: those of a part lie behind those of the one before. */
static char *block_sums(const Job *job, int64_t group, int64_t block) {
  return job->sums + (group * job->blocks + block) * job->parts * job->taken * job->taps * job->lanes * job->size;
}

/* Writes sums [channel][tap][lane] of `channels` channels, through `stage` unless they are stored as they are. */
static void write_sums(const Job *job, int64_t group, int64_t block, int64_t channel, int64_t channels,
                       const char *sums, char *stage) {
  int64_t width = block_width(job, block), there = cpu_min(width, job->made - block * job->lanes);
  int64_t rows = channels * job->taps, line = job->taken * job->taps, size = cpu_dtype_size[job->dtype];
  char *to = job->result + ((group * job->made + block * job->lanes) * line + channel * job->taps) * size;
  if (cpu_is_native(job->dtype)) {
    job->loops->transpose(rows, there, sums, width, to, line);
    return;
  }
  job->loops->transpose(rows, there, sums, width, stage, rows);
  cpu_loops->store[job->dtype](there, rows, to, line * size, size, stage);
}

/* Copies the gradient of rows x columns windows as [window][lane]. */
static void pack_gradient(const Job *job, const char *from, int64_t width, int64_t there, int64_t rows, int64_t columns,
                          char *to, char *stage) {
  const CpuImages *u = &job->u;
  int64_t size = job->size;
  if (there < width) memset(to, 0, (size_t)(rows * columns * width * size));
  if (cpu_is_native(u->dtype) && u->column == size) {
    if (u->row == columns * size) columns *= rows, rows = 1;
    for (int64_t r = 0; r < rows; r++)
      job->loops->transpose(there, columns, from + r * u->row, u->channel / size, to + r * columns * width * size,
                            width);
    return;
  }
  for (int64_t c = 0; c < there; c++)
    cpu_loops->load[u->dtype](rows, columns, stage + c * rows * columns * size, from + c * u->channel, u->row,
                              u->column);
  job->loops->transpose(there, rows * columns, stage, rows * columns, to, width);
}

/* Adds what `depth` windows give to all taps of all channels. Taps in a line of the kernel that are `step` apart are
 * neighbours in the slab, and columns of a tile. */
static void sum_taps(const Job *job, int64_t channels, int64_t depth, const int32_t *offset, const char *slab,
                     const char *gradient, int64_t width, char *sums, bool add) {
  const CpuSlab *from = &job->slab;
  const CpuConvTile(*tiles)[CPU_CONV_MOST + 1] = job->loops->tile[width / job->loops->lanes - 1];
  int64_t most = job->loops->most, size = job->size, number = width * size;
  int64_t stride = from->step[1], step = stride % job->dilation[1] == 0 ? stride / job->dilation[1] : job->kernel[1];
  for (int64_t first = 0; first < cpu_min(step, job->kernel[1]); first++) {
    int64_t run = cpu_ceil_div(job->kernel[1] - first, step), pieces = cpu_ceil_div(run, most);
    for (int64_t piece = 0; piece < pieces; piece++) {
      int64_t q = run * piece / pieces, q_count = run * (piece + 1) / pieces - q, column = first + q * step;
      /* Rows of a tile are channels, or lines of the kernel where those are more. */
      bool down = channels < cpu_min(most / q_count, job->kernel[0]);
      int64_t inner = down ? job->kernel[0] : channels, outer = down ? channels : job->kernel[0];
      int64_t row = down ? job->dilation[0] * from->pitch : from->plane, out_row = down ? job->kernel[1] : job->taps;
      for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0, here; i < inner; i += here) {
          int64_t c = down ? o : i, line = down ? i : o;
          here = cpu_min(most / q_count, inner - i);
          while (!tiles[here][q_count]) here--;
          int64_t at = c * from->plane + cpu_slab_offset(from, line * job->dilation[0], column * job->dilation[1]);
          int64_t sum = c * job->taps + line * job->kernel[1] + column;
          tiles[here][q_count](depth, offset, slab + at * size, row, gradient, sums + sum * number, out_row * width,
                               step * width, add);
        }
    }
  }
}

static void run_tasks(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  int64_t size = job->size, range = cpu_ceil_div(job->taken, job->ranges), windows = job->block[0] * job->block[1];
  int64_t slab_bytes = cpu_round_up(range * job->slab.plane * size, 64);
  int64_t gradient_bytes = windows * job->lanes * size, offset_bytes = cpu_round_up(windows * 4, 64);
  int64_t sum_bytes = range * job->taps * job->lanes * size;
  int64_t stage_bytes = cpu_max(gradient_bytes, sum_bytes);
  char *slab = cpu_scratch(CPU_SCRATCH_BODY,
                           (size_t)(slab_bytes + gradient_bytes + offset_bytes + sum_bytes + stage_bytes));
  if (!slab) {
    job->failed = 1;
    return;
  }
  char *gradient = slab + slab_bytes, *sums = gradient + gradient_bytes, *stage = sums + sum_bytes;
  int32_t *offset = (int32_t *)(void *)(stage + stage_bytes);

  for (int64_t task = begin; task < end; task++) {
    int64_t part = task % job->parts, r = task / job->parts % job->ranges;
    int64_t place = task / job->parts / job->ranges, block = place % job->blocks, group = place / job->blocks;
    int64_t width = block_width(job, block), there = cpu_min(width, job->made - block * job->lanes);
    int64_t channel = job->taken * r / job->ranges, channels = job->taken * (r + 1) / job->ranges - channel;
    if (job->sums)
      sums = block_sums(job, group, block) + (part * job->taken + channel) * job->taps * width * size;
    bool add = false;
    for (int64_t sample = job->batch * part / job->parts; sample < job->batch * (part + 1) / job->parts; sample++)
      for (int64_t row = 0; row < job->windows[0]; row += job->block[0])
        for (int64_t column = 0; column < job->windows[1]; column += job->block[1]) {
          int64_t rows = cpu_min(job->block[0], job->windows[0] - row);
          int64_t columns = cpu_min(job->block[1], job->windows[1] - column);
          cpu_slab_fill(&job->slab, &job->x,
                        job->x.base + sample * job->x.sample + (group * job->taken + channel) * job->x.channel,
                        channels, row, rows, column, columns, slab);
          pack_gradient(job,
                        job->u.base + sample * job->u.sample +
                            (group * job->made + block * job->lanes) * job->u.channel + row * job->u.row +
                            column * job->u.column,
                        width, there, rows, columns, gradient, stage);
          for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++)
              offset[i * columns + j] = (int32_t)(i * job->slab.step[0] * job->slab.pitch + j);
          int64_t count = rows * columns, chunks = cpu_ceil_div(count, DEPTH);
          for (int64_t chunk = 0; chunk < chunks; chunk++, add = true) {
            int64_t first = count * chunk / chunks, depth = count * (chunk + 1) / chunks - first;
            sum_taps(job, channels, depth, offset + first, slab, gradient + first * width * size, width, sums, add);
          }
        }
    if (!job->sums) write_sums(job, group, block, channel, channels, sums, stage);
  }
}

#define ADD_PART(T)                                                                                                    \
  for (int64_t i = 0; i < count; i++)                                                                                  \
    ((T *)(void *)sums)[i] += ((const T *)(const void *)(sums + part * count * size))[i]

/* Adds the parts of blocks of channels, counted over groups. */
static void add_parts(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  for (int64_t task = begin; task < end; task++) {
    int64_t group = task / job->blocks, block = task % job->blocks, size = job->size;
    int64_t count = job->taken * job->taps * block_width(job, block);
    char *sums = block_sums(job, group, block), *stage = cpu_scratch(CPU_SCRATCH_BODY, (size_t)(count * size));
    if (!stage) {
      job->failed = 1;
      return;
    }
    for (int64_t part = 1; part < job->parts; part++) {
      if (size == 4) ADD_PART(float);
      else ADD_PART(double);
    }
    write_sums(job, group, block, 0, job->taken, sums, stage);
  }
}

static void plan_blocks(Job *job) {
  int64_t number = job->taps * job->lanes * job->size, plane;
  job->ranges = cpu_min(cpu_ceil_div(job->taken * number, SUM_BYTES), job->taken);
  int64_t range = cpu_ceil_div(job->taken, job->ranges);
  int64_t *block = job->block;
  block[0] = cpu_min(job->windows[0], BLOCK_WINDOWS), block[1] = cpu_min(job->windows[1], BLOCK_WINDOWS);
  for (;;) {
    cpu_slab_plan(&job->slab, block[0], block[1], job->size);
    plane = range * job->slab.plane * job->size;
    if (block[0] * block[1] <= BLOCK_WINDOWS && plane <= SLAB_BYTES) break;
    if (block[0] > 1) block[0] = cpu_ceil_div(block[0], 2);
    else if (block[1] > 2 * CPU_CONV_MOST) block[1] = cpu_ceil_div(block[1], 2);
    else break;
  }
  int64_t tasks = job->groups * job->blocks * job->ranges;
  job->parts = tasks < TASKS ? cpu_max(cpu_min(job->batch, TASKS / tasks), 1) : 1;
}

/* Arguments: the result's gradient, nothing, then the convolution's own: input, nothing, nothing, stride, padding,
 * dilation, transposed (false), output_padding, groups; last that the weight's gradient is wanted. */
CressetStatus *cpu_convolution_weight(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  const CressetTensor *weight = cpu_output(call, 0);
  Job job = {.u = cpu_images(cpu_input(call, (uint32_t)call->arguments[0].integer)),
             .x = cpu_images(cpu_input(call, (uint32_t)call->arguments[2].integer)),
             .groups = call->arguments[10].integer,
             .batch = cpu_input(call, (uint32_t)call->arguments[2].integer)->dl.shape[0],
             .result = cpu_address(weight),
             .dtype = weight->dtype};
  uint32_t type = cpu_widened[job.dtype];
  job.size = cpu_type_size[type];
  job.loops = &cpu_loops->conv[type == CRESSET_TYPE_F64];
  job.taken = job.x.channels / job.groups, job.made = job.u.channels / job.groups;
  job.lanes = 2 * job.loops->lanes;
  job.blocks = cpu_ceil_div(job.made, job.lanes);

  CpuConvDim dims[2];
  cpu_conv_dims(dims, call, 5, &job.x, &job.u, weight);
  if (dims[0].kernel * dims[1].kernel == 1 && dims[0].stride == 1 && dims[1].stride == 1 && dims[0].padding == 0 &&
      dims[1].padding == 0 && job.x.row == job.x.columns * job.x.column && job.u.row == job.u.columns * job.u.column) {
    /* Every window is one element: all rows are one. */
    dims[1].output = job.x.columns = job.u.columns = job.x.rows * job.x.columns;
    dims[0].output = job.x.rows = job.u.rows = 1;
  }
  for (int d = 0; d < 2; d++) {
    job.kernel[d] = dims[d].kernel, job.dilation[d] = dims[d].dilation;
    job.slab.step[d] = dims[d].stride;
    job.slab.low[d] = -dims[d].padding;
    job.slab.reach[d] = (dims[d].kernel - 1) * dims[d].dilation + 1;
    job.windows[d] = dims[d].output;
  }
  job.taps = job.kernel[0] * job.kernel[1];
  plan_blocks(&job);
  if (job.parts > 1) {
    size_t bytes = (size_t)(job.groups * job.blocks * job.parts * job.taken * job.taps * job.lanes * job.size);
    if (!(job.sums = cpu_scratch(CPU_SCRATCH_LAUNCH, bytes))) return cpu_out_of_memory(bytes);
  }
  int64_t tasks = job.groups * job.blocks * job.ranges * job.parts;
  double steps = (double)(job.batch * job.windows[0] * job.windows[1]) * (double)(job.taken * job.taps * job.made);
  cpu_parallel(tasks, steps < TASK_STEPS ? tasks : 1, run_tasks, &job);
  if (job.sums && !job.failed) cpu_parallel(job.groups * job.blocks, 1, add_parts, &job);
  return job.failed ? cpu_out_of_memory(SLAB_BYTES) : NULL;
}
