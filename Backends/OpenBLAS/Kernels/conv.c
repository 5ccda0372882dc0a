/* conv.c: convolutions and transposed convolutions.
 *
 * Both are sums over (channel, tap) of weights times images. A transposed one is a convolution for each place of the
 * result within a stride, with the taps that reach it: a pass. A task copies the part of the images that a block of
 * windows sees into a slab, in which a tap of a window lies a fixed distance from its first element; tiles of windows
 * times vectors of result channels go through the register-blocked kernel of loops_conv.h. Groups that make few
 * channels have their vectors along the windows instead. The order in which an element is summed depends on the sizes
 * of the weight alone. */
#include "conv.h"

enum {
  DEPTH = 144,            /* of a kernel call, about: the weights it reads stay in the nearest cache */
  SLAB_BYTES = 256 << 10, /* stays in the next one */
  TILE_WINDOWS = 1024,    /* of a block, with sums for all channels of a tile */
  LINE_WINDOWS = 8192,    /* of a block, with sums for one channel */
  LINE_CHANNELS = 4,      /* up to so many channels that a group makes, vectors go along the windows */
  TASK_STEPS = 1 << 17,   /* multiplications worth waking a thread for */
};

typedef struct Tap {
  int64_t kernel, at; /* its index in the weight, and in the window */
} Tap;

/* The taps that make the elements of the result at place, place + stride, ... */
typedef struct Phase {
  const Tap *taps;
  int64_t count, place, windows;
} Phase;

typedef struct Pass {
  Phase phase[2];
  int64_t taps, depth; /* of one channel, of all */
  int64_t chunk;       /* channels of a kernel call */
  char *weight;        /* packed: [group][block of channels][channel][row][column][lane]; transposed: [row][channel] */
  int32_t *offset;     /* [channel of a chunk][tap] in the slab; transposed, by tiles: taps of the first row alone */
} Pass;

typedef struct Job {
  CpuImages x, y;
  CpuSlab slab;
  bool is_transposed, by_line;
  const CpuConvLoops *loops;
  int64_t size;                       /* of a number, as it is summed */
  int64_t batch, groups, taken, made; /* channels of a group */
  int64_t kernel[2], place_step[2];
  const char *weight, *bias; /* dense numbers; bias may be NULL */
  int64_t lanes, blocks;     /* channels of a full block */
  int64_t windows[2], block[2], block_count[2], parts;
  int64_t pass_count;
  Pass *passes;
  _Atomic int failed, special;
} Job;

/* ---------------------------------------------------------------- the weight -- */

/* Whether there is an infinity or NaN among n numbers. */
static bool is_special(const void *p, int64_t n, int64_t size) {
  if (size == 8) {
    const uint64_t *u = p;
    uint64_t most = 0;
    for (int64_t i = 0; i < n; i++) most = (u[i] << 1) > most ? u[i] << 1 : most;
    return most >= (uint64_t)0x7ff << 53;
  }
  const uint32_t *u = p;
  uint32_t most = 0;
  for (int64_t i = 0; i < n; i++) most = (u[i] << 1) > most ? u[i] << 1 : most;
  return most >= (uint32_t)0xff << 24;
}

/* Lanes of a block: one, one vector or two. */
static int64_t block_width(const Job *job, int64_t block) {
  if (job->by_line) return 1;
  return job->made - block * job->lanes > job->loops->lanes ? job->lanes : job->loops->lanes;
}

static char *packed_weight(const Job *job, const Pass *pass, int64_t group, int64_t block) {
  int64_t group_width = (job->blocks - 1) * job->lanes + block_width(job, job->blocks - 1);
  return pass->weight + (group * group_width + block * job->lanes) * pass->depth * job->size;
}

#define PACK_TAP(T)                                                                                                    \
  for (int64_t lane = 0; lane < there; lane++)                                                                         \
    ((T *)(void *)to)[lane] = ((const T *)(const void *)from)[lane * taps]

/* Packs blocks of channels, counted over passes and groups. */
static void pack_weight(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  int64_t size = job->size, taps = job->kernel[0] * job->kernel[1];
  for (int64_t task = begin; task < end; task++) {
    int64_t block = task % job->blocks, group = task / job->blocks % job->groups;
    const Pass *pass = &job->passes[task / job->blocks / job->groups];
    int64_t width = block_width(job, block), there = cpu_min(job->made - block * job->lanes, width);
    char *to = packed_weight(job, pass, group, block);
    if (there < width) memset(to, 0, (size_t)(width * pass->depth * size));
    if (!job->is_transposed) {
      int64_t line = job->taken * taps;
      const char *from = job->weight + (group * job->made + block * job->lanes) * line * size;
      job->loops->transpose(there, line, from, line, to, width);
      continue;
    }
    for (int64_t i = 0; i < pass->phase[0].count; i++)
      for (int64_t c = 0; c < job->taken; c++) {
        const char *base = job->weight + ((group * job->taken + c) * job->made + block * job->lanes) * taps * size;
        if (i == 0 && is_special(base, there * taps, size)) job->special = 1;
        for (int64_t j = 0; j < pass->phase[1].count; j++, to += width * size) {
          int64_t tap = pass->phase[0].taps[i].kernel * job->kernel[1] + pass->phase[1].taps[j].kernel;
          const char *from = base + tap * size;
          if (size == 4) PACK_TAP(uint32_t);
          else PACK_TAP(uint64_t);
        }
      }
  }
}

/* ------------------------------------------------------------------ a block -- */

typedef struct Block {
  int64_t sample, group, from[2];
} Block;

/* Whether the sums of tiles begin with the bias. */
static bool adds_bias_first(const Job *job) {
  return job->bias && (cpu_is_native(job->y.dtype) || job->is_transposed);
}

/* What a run of (channel, tap) gives to rows x columns windows, [window][lane]. */
static void sum_tiles(const Job *job, int64_t depth, const int32_t *offset, const char *x, const char *w, int64_t width,
                      int64_t rows, int64_t columns, char *sums, bool add) {
  const CpuConvLoops *loops = job->loops;
  const CpuConvTile(*tiles)[CPU_CONV_MOST + 1] = loops->tile[width / loops->lanes - 1];
  int64_t size = job->size, most = loops->most, below = job->slab.step[0] * job->slab.pitch;
  int64_t strips = cpu_ceil_div(columns, most);
  for (int64_t r = 0, here; r < rows; r += here) {
    here = cpu_min(cpu_max(most / columns, 1), rows - r);
    for (int64_t s = 0; s < strips; s++) {
      int64_t q = columns * s / strips, q_end = columns * (s + 1) / strips;
      while (!tiles[here][q_end - q]) here--; /* a single row there always is */
      tiles[here][q_end - q](depth, offset, x + (r * below + q) * size, below, w,
                             sums + (r * columns + q) * width * size, columns * width, width, add);
    }
  }
}

/* All of one pass and one block of channels; where there is a bias the sums have it already. */
static void sum_block(const Job *job, const Pass *pass, const Block *block, const char *slab, const char *w,
                      int64_t width, int64_t rows, int64_t columns, char *sums) {
  int64_t size = job->size;
  if (!job->is_transposed) {
    for (int64_t c = 0; c < job->taken; c += pass->chunk) {
      int64_t depth = cpu_min(pass->chunk, job->taken - c) * pass->taps;
      sum_tiles(job, depth, pass->offset, slab + c * job->slab.plane * size, w + c * pass->taps * width * size, width,
                rows, columns, sums, c > 0 || adds_bias_first(job));
    }
    return;
  }
  /* Line after line of the weight, for the windows that see something there. */
  if (!adds_bias_first(job)) memset(sums, 0, (size_t)(rows * columns * width * size));
  int64_t taps = pass->phase[1].count;
  for (int64_t i = 0; i < pass->phase[0].count; i++) {
    int64_t at = pass->phase[0].taps[i].at, top = block->from[0] + at + job->slab.low[0];
    int64_t first = cpu_max(-top, 0), last = cpu_min(rows, job->x.rows - top);
    if (first >= last) continue;
    const char *x = slab + (first + at) * job->slab.pitch * size;
    for (int64_t c = 0; c < job->taken; c += pass->chunk)
      sum_tiles(job, cpu_min(pass->chunk, job->taken - c) * taps, pass->offset, x + c * job->slab.plane * size,
                w + (i * job->taken + c) * taps * width * size, width, last - first, columns,
                sums + first * columns * width * size, true);
  }
}

/* Where the windows from (row, column) on have their results in a channel. */
static char *result_of(const Job *job, const Pass *pass, const Block *block, int64_t channel) {
  const CpuImages *y = &job->y;
  return y->base + block->sample * y->sample + (block->group * job->made + channel) * y->channel +
         (pass->phase[0].place + block->from[0] * job->place_step[0]) * y->row +
         (pass->phase[1].place + block->from[1] * job->place_step[1]) * y->column;
}

/* Adds the bias to one channel's sums. The composition rounds narrow floats before, unless transposed, and so do we. */
static void add_bias(const Job *job, const Block *block, int64_t channel, int64_t count, char *sums) {
  if (!job->bias) return;
  const char *number = job->bias + (block->group * job->made + channel) * job->size;
  uint32_t dtype = job->y.dtype;
  if (!cpu_is_native(dtype) && !job->is_transposed) cpu_loops->narrow[dtype](count, sums, sums, NULL, NULL);
  cpu_loops->op_vs[CRESSET_OP_ADD][cpu_widened[dtype]](count, sums, sums, number, NULL);
}

static void write_tiles(const Job *job, const Pass *pass, const Block *block, int64_t channel, int64_t channels,
                        int64_t width, int64_t rows, int64_t columns, const char *sums, char *stage) {
  const CpuImages *y = &job->y;
  char *to = result_of(job, pass, block, channel);
  int64_t line = job->place_step[0] * y->row, step = job->place_step[1] * y->column;
  if (cpu_is_native(y->dtype) && step == job->size) {
    if (line == columns * job->size) columns *= rows, rows = 1; /* lines follow one another */
    for (int64_t r = 0; r < rows; r++)
      job->loops->transpose(columns, channels, sums + r * columns * width * job->size, width, to + r * line,
                            y->channel / job->size);
    return;
  }
  job->loops->transpose(rows * columns, channels, sums, width, stage, rows * columns);
  for (int64_t c = 0; c < channels; c++, stage += rows * columns * job->size) {
    if (!adds_bias_first(job)) add_bias(job, block, channel + c, rows * columns, stage);
    cpu_loops->store[y->dtype](rows, columns, to + c * y->channel, line, step, stage);
  }
}

static void fill_with_bias(const Job *job, const Block *block, int64_t channel, int64_t channels, int64_t width,
                           int64_t count, char *sums) {
  size_t bytes = (size_t)(width * job->size), there = (size_t)(channels * job->size);
  memcpy(sums, job->bias + (block->group * job->made + channel) * job->size, there);
  memset(sums + there, 0, bytes - there);
  for (int64_t i = 1; i < count; i++) memcpy(sums + (size_t)i * bytes, sums, bytes);
}

/* One channel's sums, its vectors along the windows. */
static void run_lines(const Job *job, const Pass *pass, const Block *block, int64_t channel, const char *slab,
                      int64_t rows, int64_t columns, char *sums) {
  const CpuImages *y = &job->y;
  const CpuSlab *from = &job->slab;
  const char *w = packed_weight(job, pass, block->group, channel);
  int64_t pitch = columns, count = rows * columns;
  if (from->step[0] == 1 && from->slots == 1) {
    /* The windows of all rows lie in one line, with some between that nobody wants. */
    pitch = from->pitch;
    count = (rows - 1) * pitch + columns;
    job->loops->line(count, pass->depth, pass->offset, slab, w, sums);
  } else {
    for (int64_t r = 0; r < rows; r++)
      job->loops->line(columns, pass->depth, pass->offset, slab + r * from->step[0] * from->pitch * job->size, w,
                       sums + r * columns * job->size);
  }
  add_bias(job, block, channel, count, sums);
  char *to = result_of(job, pass, block, channel);
  for (int64_t r = 0; r < rows; r++)
    cpu_loops->store[y->dtype](1, columns, to + r * job->place_step[0] * y->row, 0, job->place_step[1] * y->column,
                               sums + r * pitch * job->size);
}

static size_t slab_bytes(const Job *job) {
  return (size_t)cpu_round_up((job->taken * job->slab.plane + 2 * CPU_CONV_SLACK) * job->size, 64);
}
static size_t sum_bytes(const Job *job) {
  int64_t count = job->by_line ? job->block[0] * cpu_max(job->block[1], job->slab.pitch) + CPU_CONV_SLACK
                               : job->block[0] * job->block[1] * job->lanes;
  return (size_t)cpu_round_up(count * job->size, 64);
}

/* Tasks are counted over samples, groups, blocks of windows and parts of the channels. */
static void run_tasks(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  char *slab = cpu_scratch(CPU_SCRATCH_BODY, slab_bytes(job) + (job->by_line ? 1 : 2) * sum_bytes(job));
  if (!slab) {
    job->failed = 1;
    return;
  }
  char *sums = slab + slab_bytes(job), *stage = sums + sum_bytes(job);
  int64_t filled = -1;
  for (int64_t task = begin; task < end; task++) {
    int64_t part = task % job->parts, place = task / job->parts;
    Block block = {.from = {place / job->block_count[1] % job->block_count[0] * job->block[0],
                            place % job->block_count[1] * job->block[1]}};
    block.group = place / job->block_count[1] / job->block_count[0] % job->groups;
    block.sample = place / job->block_count[1] / job->block_count[0] / job->groups;
    int64_t rows = cpu_min(job->block[0], job->windows[0] - block.from[0]);
    int64_t columns = cpu_min(job->block[1], job->windows[1] - block.from[1]);
    if (place != filled)
      cpu_slab_fill(&job->slab, &job->x,
                    job->x.base + block.sample * job->x.sample + block.group * job->taken * job->x.channel,
                    job->taken, block.from[0], rows, block.from[1], columns, slab);
    filled = place;
    for (int64_t p = 0; p < job->pass_count; p++) {
      const Pass *pass = &job->passes[p];
      int64_t rows_here = cpu_min(rows, pass->phase[0].windows - block.from[0]);
      int64_t columns_here = cpu_min(columns, pass->phase[1].windows - block.from[1]);
      if (rows_here <= 0 || columns_here <= 0) continue;
      for (int64_t b = job->blocks * part / job->parts; b < job->blocks * (part + 1) / job->parts; b++) {
        if (job->by_line) {
          run_lines(job, pass, &block, b, slab, rows_here, columns_here, sums);
          continue;
        }
        int64_t channel = b * job->lanes, width = block_width(job, b), channels = cpu_min(width, job->made - channel);
        if (adds_bias_first(job)) fill_with_bias(job, &block, channel, channels, width, rows_here * columns_here, sums);
        sum_block(job, pass, &block, slab, packed_weight(job, pass, block.group, b), width, rows_here, columns_here,
                  sums);
        write_tiles(job, pass, &block, channel, channels, width, rows_here, columns_here, sums, stage);
      }
    }
  }
}

/* ------------------------------------------- transposed, with special weights -- */

/* Where a window reaches over the edge, the zeros around the images must not meet an infinite weight: element by
 * element, over what is there. Tasks are counted over samples and channels of the result. */
#define RUN_PLAINLY(T)                                                                                                 \
  for (int64_t task = begin; task < end; task++) {                                                                     \
    int64_t all = job->groups * job->made, channel = task % all, group = channel / job->made, sample = task / all;     \
    for (int64_t p = 0; p < job->pass_count; p++) {                                                                    \
      const Pass *pass = &job->passes[p];                                                                              \
      for (int64_t jy = 0; jy < pass->phase[0].windows; jy++)                                                          \
        for (int64_t jx = 0; jx < pass->phase[1].windows; jx++) {                                                      \
          T sum = job->bias ? ((const T *)(const void *)job->bias)[channel] : 0;                                       \
          for (int64_t c = 0; c < job->taken; c++)                                                                     \
            for (int64_t i = 0; i < pass->phase[0].count; i++)                                                         \
              for (int64_t j = 0; j < pass->phase[1].count; j++) {                                                     \
                const Tap *tap_y = &pass->phase[0].taps[i], *tap_x = &pass->phase[1].taps[j];                          \
                int64_t oy = jy + tap_y->at + job->slab.low[0], ox = jx + tap_x->at + job->slab.low[1];                \
                if (oy < 0 || oy >= x->rows || ox < 0 || ox >= x->columns) continue;                                   \
                T number;                                                                                              \
                cpu_loops->load[x->dtype](1, 1, &number,                                                               \
                                          x->base + sample * x->sample + (group * job->taken + c) * x->channel +       \
                                              oy * x->row + ox * x->column, 0, 0);                                     \
                sum += number * ((const T *)(const void *)job->weight)[                                                \
                                    ((group * job->taken + c) * job->made + channel % job->made) * taps +              \
                                    tap_y->kernel * job->kernel[1] + tap_x->kernel];                                   \
              }                                                                                                        \
          char *to = job->y.base + sample * job->y.sample + channel * job->y.channel +                                 \
                     (pass->phase[0].place + jy * job->place_step[0]) * job->y.row +                                   \
                     (pass->phase[1].place + jx * job->place_step[1]) * job->y.column;                                 \
          cpu_loops->store[job->y.dtype](1, 1, to, 0, 0, &sum);                                                        \
        }                                                                                                              \
    }                                                                                                                  \
  }

static void run_plainly(void *context, int64_t begin, int64_t end) {
  const Job *job = context;
  const CpuImages *x = &job->x;
  int64_t taps = job->kernel[0] * job->kernel[1];
  if (job->size == 4) RUN_PLAINLY(float)
  else RUN_PLAINLY(double)
}

/* ----------------------------------------------------------------- the launch -- */

/* The phases of one dim, their taps in `taps`; at: from the window's first element, which lies at slab.low. */
static void plan_dim(Job *job, int d, const CpuConvDim *dim, int64_t phases, Phase *phase, Tap *taps) {
  int64_t low = INT64_MAX, high = INT64_MIN;
  Tap *next = taps;
  job->kernel[d] = dim->kernel;
  job->slab.step[d] = job->is_transposed ? 1 : dim->stride;
  job->place_step[d] = job->is_transposed ? dim->stride : 1;
  for (int64_t f = 0; f < phases; f++) {
    phase[f] = (Phase){.taps = next, .place = f, .windows = dim->output};
    if (job->is_transposed) phase[f].windows = cpu_ceil_div(dim->input - f, dim->stride);
    for (int64_t k = 0; k < dim->kernel; k++) {
      int64_t at = k * dim->dilation - dim->padding;
      if (job->is_transposed) {
        if ((f - at) % dim->stride) continue;
        at = (f - at) / dim->stride;
      }
      *next++ = (Tap){k, at};
      low = cpu_min(low, at), high = cpu_max(high, at);
    }
    phase[f].count = next - phase[f].taps;
  }
  if (low > high) low = high = 0; /* no tap reaches the result */
  for (Tap *tap = taps; tap < next; tap++) tap->at -= low;
  job->slab.low[d] = low;
  job->slab.reach[d] = high - low + 1;
  job->windows[d] = phase[0].windows;
}

/* How many windows a task takes at once. */
static void plan_blocks(Job *job) {
  int64_t most = job->by_line ? LINE_WINDOWS : TILE_WINDOWS, threads = cpu_thread_count();
  int64_t *block = job->block;
  const CpuSlab *slab = &job->slab;
  int64_t line = SLAB_BYTES / (job->taken * job->size * cpu_min(slab->slots, 4)); /* elements of a channel */
  block[1] = cpu_min(job->windows[1], most);
  int64_t narrow = cpu_max(line / slab->reach[0] - slab->reach[1], 2 * CPU_CONV_MOST);
  if (block[1] > narrow) block[1] = cpu_ceil_div(job->windows[1], cpu_ceil_div(job->windows[1], narrow));
  block[0] = cpu_min(job->windows[0], cpu_max(most / block[1], 1));
  int64_t low = cpu_max((line / (block[1] + slab->reach[1]) - slab->reach[0]) / slab->step[0] + 1, 1);
  block[0] = cpu_min(block[0], low);
  job->parts = 1;
  for (;;) {
    for (int d = 0; d < 2; d++) {
      job->block_count[d] = cpu_ceil_div(job->windows[d], block[d]);
      block[d] = cpu_ceil_div(job->windows[d], job->block_count[d]);
    }
    int64_t tasks = job->batch * job->groups * job->block_count[0] * job->block_count[1] * job->parts;
    if (threads == 1 || tasks >= 4 * threads) return;
    /* Smaller blocks for more threads, unless they would mostly copy what their neighbours copy too. */
    if (block[0] >= 2 * slab->reach[0] && block[0] * block[1] >= 128) block[0] = cpu_ceil_div(block[0], 2);
    else if (block[0] == 1 && block[1] >= 128) block[1] = cpu_ceil_div(block[1], 2);
    else if (job->parts < job->blocks) job->parts = cpu_min(job->parts * 2, job->blocks);
    else return;
  }
}

static void plan_pass(Job *job, Pass *pass) {
  pass->taps = pass->phase[0].count * pass->phase[1].count;
  pass->depth = pass->taps * job->taken;
  int64_t taps = job->is_transposed ? pass->phase[1].count : pass->taps;
  int64_t most = job->by_line ? job->taken : cpu_min(cpu_max(DEPTH / cpu_max(taps, 1), 1), job->taken);
  pass->chunk = cpu_ceil_div(job->taken, cpu_ceil_div(job->taken, most));
}

/* Returns the place behind the pass's offsets. */
static int32_t *fill_offsets(const Job *job, const Pass *pass) {
  const Phase *down = &pass->phase[0], *along = &pass->phase[1];
  int32_t *offset = pass->offset;
  /* Transposed, rows of the weight come first; tiles have offsets for one of them. */
  bool by_rows = job->is_transposed;
  int64_t outer = by_rows ? job->by_line ? down->count : 1 : 1, inner = by_rows ? 1 : down->count;
  for (int64_t o = 0; o < outer; o++)
    for (int64_t c = 0; c < pass->chunk; c++)
      for (int64_t i = 0; i < inner; i++)
        for (int64_t j = 0; j < along->count; j++) {
          int64_t row = !by_rows ? down->taps[i].at : job->by_line ? down->taps[o].at : 0;
          *offset++ = (int32_t)(c * job->slab.plane + cpu_slab_offset(&job->slab, row, along->taps[j].at));
        }
  return offset;
}

/* Whether the numbers of a tensor lie as the sums read them. */
static bool is_dense(const CressetTensor *tensor) {
  int64_t step = 1;
  for (int d = tensor->dl.ndim - 1; d >= 0; step *= tensor->dl.shape[d], d--)
    if (tensor->dl.shape[d] > 1 && tensor->dl.strides[d] != step) return false;
  return cpu_is_native(tensor->dtype);
}

/* Copies a tensor's elements in row-major order, widened. */
static void gather(const CressetTensor *tensor, char *to) {
  CpuSpace space;
  cpu_space_begin(&space, tensor);
  cpu_space_add(&space, tensor);
  if (space.rank == 0) space.size[space.rank++] = 1, space.operand[0].stride[0] = 0;
  int64_t columns = space.size[space.rank - 1], size = cpu_type_size[cpu_widened[tensor->dtype]];
  CpuWalk walk;
  cpu_walk_begin(&walk, &space, 0, space.rank - 1, 0);
  for (int64_t done = 0; done < space.count; done += columns, cpu_walk_next(&walk, &space))
    cpu_loops->load[tensor->dtype](1, columns, to + done * size, space.operand[0].base + walk.offset[0], 0,
                                   space.operand[0].stride[space.rank - 1]);
}

/* One block of scratch memory, given out in pieces; without memory it only counts. */
static void *piece(char *memory, size_t *used, int64_t bytes) {
  char *place = memory ? memory + *used : NULL;
  *used += (size_t)cpu_round_up(bytes, 64);
  return place;
}

/* Arguments: input, weight, bias, stride, padding, dilation, transposed, output_padding, groups. */
CressetStatus *cpu_convolution(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  const CressetTensor *weight = cpu_input(call, (uint32_t)call->arguments[1].integer), *bias = NULL;
  if (call->arguments[2].kind == CRESSET_ARGUMENT_TENSOR) bias = cpu_input(call, (uint32_t)call->arguments[2].integer);
  Job job = {.x = cpu_images(cpu_input(call, (uint32_t)call->arguments[0].integer)),
             .y = cpu_images(cpu_output(call, 0)),
             .is_transposed = call->arguments[6].integer != 0,
             .batch = cpu_output(call, 0)->dl.shape[0],
             .groups = call->arguments[8].integer};
  if (job.batch == 0 || job.y.channels == 0) return NULL;
  uint32_t type = cpu_widened[job.y.dtype];
  job.size = cpu_type_size[type];
  job.loops = &cpu_loops->conv[type == CRESSET_TYPE_F64];
  job.taken = job.x.channels / job.groups, job.made = job.y.channels / job.groups;
  job.by_line = job.made <= LINE_CHANNELS;
  job.lanes = job.by_line ? 1 : 2 * job.loops->lanes;
  job.blocks = cpu_ceil_div(job.made, job.lanes);

  CpuConvDim dims[2];
  cpu_conv_dims(dims, call, 3, job.is_transposed ? &job.y : &job.x, job.is_transposed ? &job.x : &job.y, weight);
  if (dims[0].kernel * dims[1].kernel == 1 && dims[0].stride == 1 && dims[1].stride == 1 && dims[0].padding == 0 &&
      dims[1].padding == 0 && job.x.row == job.x.columns * job.x.column) {
    /* Every window is one element: all rows are one. */
    dims[1].input = dims[1].output = job.x.columns = job.y.columns = job.x.rows * job.x.columns;
    dims[0].input = dims[0].output = job.x.rows = job.y.rows = 1;
  }
  int64_t phases[2] = {1, 1};
  for (int d = 0; d < 2 && job.is_transposed; d++) phases[d] = cpu_min(dims[d].stride, dims[d].input);
  job.pass_count = phases[0] * phases[1];
  int64_t taps = dims[0].kernel * dims[1].kernel, numbers = job.groups * job.taken * job.made * taps;
  int64_t width = job.groups * ((job.blocks - 1) * job.lanes + block_width(&job, job.blocks - 1));

  char *memory = NULL, *dense = NULL, *packed = NULL, *bias_numbers = NULL;
  Phase *phase = NULL;
  Tap *tap = NULL;
  int32_t *offset = NULL;
  for (int round = 0; round < 2; round++) {
    size_t used = 0;
    if (!is_dense(weight)) dense = piece(memory, &used, numbers * job.size);
    if (bias) bias_numbers = piece(memory, &used, job.y.channels * job.size);
    packed = piece(memory, &used, width * job.taken * taps * job.size);
    offset = piece(memory, &used, (job.pass_count * DEPTH + (job.by_line ? job.taken : 1) * taps) * 4);
    job.passes = piece(memory, &used, job.pass_count * (int64_t)sizeof(Pass));
    phase = piece(memory, &used, (phases[0] + phases[1]) * (int64_t)sizeof(Phase));
    tap = piece(memory, &used, (dims[0].kernel + dims[1].kernel) * (int64_t)sizeof(Tap));
    if (round == 0 && !(memory = cpu_scratch(CPU_SCRATCH_LAUNCH, used))) return cpu_out_of_memory(used);
  }
  if (dense) gather(weight, dense);
  job.weight = dense ? dense : cpu_address(weight);
  if (bias) gather(bias, bias_numbers);
  job.bias = bias_numbers;

  plan_dim(&job, 0, &dims[0], phases[0], phase, tap);
  plan_dim(&job, 1, &dims[1], phases[1], phase + phases[0], tap + dims[0].kernel);
  cpu_slab_plan(&job.slab, 1, 1, job.size); /* for the number of slots */
  plan_blocks(&job);
  cpu_slab_plan(&job.slab, job.block[0], job.block[1], job.size);
  for (int64_t p = 0; p < job.pass_count; p++) {
    Pass *pass = &job.passes[p];
    const Phase *down = &phase[p / phases[1]], *along = &phase[phases[0] + p % phases[1]];
    *pass = (Pass){.phase = {*down, *along}, .weight = packed, .offset = offset};
    plan_pass(&job, pass);
    offset = fill_offsets(&job, pass);
    packed += width * pass->depth * job.size;
  }
  int64_t share = cpu_ceil_div(numbers, job.pass_count * job.groups * job.blocks);
  cpu_parallel(job.pass_count * job.groups * job.blocks, cpu_ceil_div(TASK_STEPS / 2, share), pack_weight, &job);
  int64_t steps = cpu_ceil_div(job.taken * taps * job.made * job.block[0] * job.block[1], job.parts);
  int64_t tasks = job.batch * job.groups * job.block_count[0] * job.block_count[1] * job.parts;
  if (job.special) cpu_parallel(job.batch * job.y.channels, 1, run_plainly, &job);
  else cpu_parallel(tasks, cpu_ceil_div(TASK_STEPS, cpu_max(steps, 1)), run_tasks, &job);
  return job.failed ? cpu_out_of_memory(slab_bytes(&job) + 2 * sum_bytes(&job)) : NULL;
}
