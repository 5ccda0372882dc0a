/* gemm.c: the matrix product.
 *
 * A task is a tile of one output matrix. What the register kernels cannot read as it lies (narrow dtypes, columns of b
 * that are no neighbours) or not fast (large matrices) is packed first, block of depth by block of depth: rows of a by
 * the task, columns of b by the task too, or before all tasks if many share them. Where the output is not of the
 * accumulators' type, or there is an epilogue, a tile is summed in scratch memory and written from there while it is
 * in cache. The order in which an element is summed depends on the depth alone. */
#include "internal.h"

enum {
  DEPTH = 256,         /* of a block: a strip of b stays in the nearest cache */
  TILE_ROWS = 112,     /* rows of a block of a: with its depth they stay in the second cache */
  TILE_COLUMNS = 512, /* of a tile in scratch memory */
  WIDE_COLUMNS = 2048, /* of a tile in the output */
  SHARED_BYTES = 16 << 20, /* of packed b at a time */
  PLAIN_COLUMNS = 256, /* columns for which packing a does not pay */
  PLAIN_BYTES = 512 << 10, /* of b for which packing it does not pay */
  TASK_WORK = 1 << 21, /* operations below which a task is not cut */
};

typedef struct Plan {
  const CpuProduct *product;
  bool pairs;                 /* pairs of bfloat16 are multiplied */
  bool plain_a, plain_b, plain_c; /* read (written) where they lie */
  bool shared;                /* b is packed before the tasks */
  uint32_t type;
  int64_t size, strip_rows, strip_columns; /* of an element, of the tiles in registers */
  int64_t depth;
  int64_t tile_rows, tile_columns, row_tiles, column_tiles;
  size_t frame_bytes, a_bytes, b_bytes, c_bytes; /* of a task's scratch memory */
  /* The part of b that is packed, and where: of one matrix of the batch. */
  int64_t item, column, columns, from, to;
  char *packed_b;
  CpuWalk walk;
  _Atomic int failed;
} Plan;

static int64_t round_up(int64_t n, int64_t step) { return cpu_ceil_div(n, step) * step; }

/* Elements of packed depth: pairs count once. */
static int64_t packed_depth(const Plan *plan, int64_t depth) { return plan->pairs ? (depth + 1) / 2 : depth; }

static void pack(const Plan *plan, const CpuMatrix *x, char *r, const char *p, int64_t lines, int64_t strip,
                 int64_t depth, int64_t line, int64_t deep) {
  const CpuLoops *loops = cpu_loops;
  if (plan->pairs) {
    loops->pack_pairs(lines, strip, depth, r, p, line, deep);
    return;
  }
  if (cpu_is_native(x->dtype)) {
    loops->pack[plan->size](lines, strip, depth, r, p, line, deep);
    return;
  }
  _Alignas(64) char turned[64 * DEPTH * 4];
  CpuLoad load = loops->load[x->dtype];
  for (; lines > 0; lines -= strip, p += strip * line, r += strip * depth * plan->size) {
    int64_t there = cpu_min(strip, lines);
    if (deep == cpu_dtype_size[x->dtype] && there * depth * plan->size <= (int64_t)sizeof turned) {
      load(there, depth, turned, p, line, deep);
      loops->pack[plan->size](there, strip, depth, r, turned, depth * plan->size, plan->size);
    } else if (there == strip) {
      load(depth, strip, r, p, deep, line);
    } else {
      memset(r, 0, (size_t)(strip * depth * plan->size));
      for (int64_t d = 0; d < depth; d++) load(1, there, r + d * strip * plan->size, p + d * deep, 0, line);
    }
  }
}

/* Writes a tile in scratch memory to the output: rows `pitch` elements apart. */
static void write_tile(const CpuProduct *product, const CpuWalk *walk, CpuFrame *frame, const char *tile,
                       int64_t pitch, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  int64_t size = cpu_type_size[product->type];
  CpuStore store = cpu_loops->store[product->c.dtype];
  for (int64_t r = row; r < row + rows; r++, tile += pitch * size)
    for (int64_t at = 0; at < columns; at += CPU_BLOCK) {
      int64_t count = cpu_min(CPU_BLOCK, columns - at);
      char *line = (char *)tile + at * size;
      char *c = product->c.base + walk->offset[2] + r * product->c.row + (column + at) * product->c.column;
      if (!product->epilogue) {
        store(1, count, c, 0, product->c.column, line);
        continue;
      }
      CpuBox box = {.rank = 1, .count = count, .size = {count}};
      CpuPlace output = {.base = c, .stride = {product->c.column}}, inputs[CRESSET_MAX_INPUTS];
      inputs[0] = (CpuPlace){.base = line, .stride = {size}};
      for (uint32_t e = 0; e < product->extras; e++)
        inputs[e + 1] = (CpuPlace){.base = product->space.operand[e + 3].base + walk->offset[e + 3] +
                                           r * product->extra_row[e] + (column + at) * product->extra_column[e],
                                   .stride = {product->extra_column[e]}};
      cpu_frame_run(frame, &box, inputs, &output, NULL);
    }
}

/* Where the strips of a block of shared b start: blocks one after another, all of them of `columns`. */
static char *shared_block(const Plan *plan, int64_t k) {
  return plan->packed_b +
         packed_depth(plan, k - plan->from) * round_up(plan->columns, plan->strip_columns) * plan->size;
}

/* One tile over depth [from, to). */
static void run_tile(const Plan *plan, const CpuWalk *walk, char *memory, CpuFrame *frame, int64_t row, int64_t rows,
                     int64_t column, int64_t columns, int64_t from, int64_t to) {
  const CpuProduct *product = plan->product;
  const CpuMatrix *ma = &product->a, *mb = &product->b, *mc = &product->c;
  int64_t size = plan->size, strip_a = plan->strip_rows, strip_b = plan->strip_columns;
  char *packed_a = memory + plan->frame_bytes, *packed_b = packed_a + plan->a_bytes, *tile = packed_b + plan->b_bytes;
  const char *a = ma->base + walk->offset[0] + row * ma->row, *b = mb->base + walk->offset[1] + column * mb->column;
  int64_t pitch = round_up(columns, strip_b);
  CpuGemm gemm = plan->pairs ? cpu_loops->gemm_pairs : cpu_loops->gemm[plan->type];
  if (to == from) memset(tile, 0, (size_t)(rows * pitch * size)); /* an empty sum */
  for (int64_t k = from; k < to; k += plan->depth) {
    int64_t depth = cpu_min(plan->depth, to - k), deep = packed_depth(plan, depth);
    CpuTiles tiles = {.columns = columns, .depth = deep, .add = k > 0};
    if (plan->plain_b) {
      tiles.b = b + k * mb->row;
      tiles.b_deep = mb->row / size;
      tiles.b_strip = strip_b;
    } else {
      tiles.b_deep = strip_b;
      tiles.b_strip = strip_b * deep;
      if (plan->shared) {
        tiles.b = shared_block(plan, k) + (column - plan->column) * deep * size;
      } else {
        pack(plan, mb, packed_b, b + k * mb->row, columns, strip_b, depth, mb->column, mb->row);
        tiles.b = packed_b;
      }
    }
    for (int64_t r = 0; r < rows; r += TILE_ROWS / strip_a * strip_a) {
      tiles.rows = cpu_min(TILE_ROWS / strip_a * strip_a, rows - r);
      const char *lines = a + r * ma->row + k * ma->column;
      if (plan->plain_a) {
        tiles.a = lines;
        tiles.a_row = ma->row / size;
        tiles.a_deep = ma->column / size;
        tiles.a_strip = strip_a * tiles.a_row;
      } else {
        pack(plan, ma, packed_a, lines, tiles.rows, strip_a, depth, ma->row, ma->column);
        tiles.a = packed_a;
        tiles.a_row = 1;
        tiles.a_deep = strip_a;
        tiles.a_strip = strip_a * deep;
      }
      tiles.c = plan->plain_c ? mc->base + walk->offset[2] + (row + r) * mc->row + column * mc->column
                              : tile + r * pitch * size;
      tiles.c_row = plan->plain_c ? mc->row / size : pitch;
      gemm(&tiles);
    }
  }
  if (!plan->plain_c) write_tile(product, walk, frame, tile, pitch, row, rows, column, columns);
}

static void run_tiles(void *context, int64_t begin, int64_t end) {
  Plan *plan = context;
  const CpuProduct *product = plan->product;
  char *memory = NULL;
  size_t bytes = plan->frame_bytes + plan->a_bytes + plan->b_bytes + plan->c_bytes;
  if (bytes && !(memory = cpu_scratch(CPU_SCRATCH_BODY, bytes))) {
    plan->failed = 1;
    return;
  }
  CpuFrame frame;
  if (product->epilogue) cpu_frame_begin(&frame, product->epilogue, product->params, memory, CPU_BLOCK);
  int64_t tiles = plan->row_tiles * plan->column_tiles, item = -1;
  CpuWalk walk;
  for (int64_t task = begin; task < end; task++) {
    /* Down the columns first: neighbours in time share their part of b. */
    int64_t within = task % tiles, row = within % plan->row_tiles * plan->tile_rows;
    int64_t column = within / plan->row_tiles * plan->tile_columns;
    if (!plan->shared && task / tiles != item) {
      if (item < 0) cpu_walk_begin(&walk, &product->space, 0, product->space.rank, task / tiles);
      else cpu_walk_next(&walk, &product->space);
      item = task / tiles;
    }
    int64_t width = plan->shared ? plan->columns : product->n;
    run_tile(plan, plan->shared ? &plan->walk : &walk, memory, &frame, row, cpu_min(plan->tile_rows, product->m - row),
             (plan->shared ? plan->column : 0) + column, cpu_min(plan->tile_columns, width - column),
             plan->shared ? plan->from : 0, plan->shared ? plan->to : product->k);
  }
}

/* Packs strips of shared b, counted through the blocks of depth. */
static void pack_shared(void *context, int64_t begin, int64_t end) {
  const Plan *plan = context;
  const CpuMatrix *mb = &plan->product->b;
  int64_t strips = cpu_ceil_div(plan->columns, plan->strip_columns);
  while (begin < end) {
    int64_t k = plan->from + begin / strips * plan->depth, strip = begin % strips;
    int64_t count = cpu_min(strips - strip, end - begin), depth = cpu_min(plan->depth, plan->to - k);
    int64_t column = strip * plan->strip_columns;
    int64_t lines = cpu_min(count * plan->strip_columns, plan->columns - column);
    const char *p = mb->base + plan->walk.offset[1] + k * mb->row + (plan->column + column) * mb->column;
    pack(plan, mb, shared_block(plan, k) + column * packed_depth(plan, depth) * plan->size, p, lines,
         plan->strip_columns, depth, mb->column, mb->row);
    begin += count;
  }
}

/* How many of the smallest tasks are worth a thread. */
static int64_t grain(const Plan *plan, int64_t k) {
  int64_t rows = cpu_min(plan->tile_rows, plan->product->m), columns = cpu_min(plan->tile_columns, plan->product->n);
  return cpu_ceil_div(TASK_WORK, 2 * rows * columns * cpu_max(k, 1));
}

static CressetStatus *run_shared(Plan *plan) {
  const CpuProduct *product = plan->product;
  int64_t span = plan->plain_c ? cpu_min(product->k, 8 * plan->depth) : product->k;
  int64_t width = SHARED_BYTES / (span * plan->size) / plan->tile_columns * plan->tile_columns;
  width = cpu_min(cpu_max(width, plan->tile_columns), product->n);
  size_t bytes = (size_t)((span + plan->depth) * round_up(width, plan->strip_columns) * plan->size);
  if (!(plan->packed_b = cpu_scratch(CPU_SCRATCH_LAUNCH, bytes))) return cpu_out_of_memory(bytes);
  cpu_walk_begin(&plan->walk, &product->space, 0, product->space.rank, 0);
  for (int64_t i = 0; i < product->batch; i++, cpu_walk_next(&plan->walk, &product->space))
    for (plan->column = 0; plan->column < product->n; plan->column += width)
      for (plan->from = 0; plan->from < product->k; plan->from += span) {
        plan->columns = cpu_min(width, product->n - plan->column);
        plan->to = cpu_min(plan->from + span, product->k);
        plan->column_tiles = cpu_ceil_div(plan->columns, plan->tile_columns);
        int64_t blocks = cpu_ceil_div(plan->to - plan->from, plan->depth);
        cpu_parallel(blocks * cpu_ceil_div(plan->columns, plan->strip_columns),
                     cpu_ceil_div(CPU_PARALLEL_BYTES, plan->depth * plan->strip_columns * plan->size), pack_shared, plan);
        cpu_parallel(plan->row_tiles * plan->column_tiles, grain(plan, plan->to - plan->from), run_tiles, plan);
        if (plan->failed) return cpu_out_of_memory(plan->a_bytes + plan->c_bytes);
      }
  return NULL;
}

/* The same product of the transposes, for what is a row or has its columns in a row. */
static void transpose(CpuProduct *product) {
  CpuMatrix *c = &product->c, a = product->a, b = product->b;
  product->a = (CpuMatrix){b.base, b.columns, b.rows, b.column, b.row, b.dtype};
  product->b = (CpuMatrix){a.base, a.columns, a.rows, a.column, a.row, a.dtype};
  *c = (CpuMatrix){c->base, c->columns, c->rows, c->column, c->row, c->dtype};
  int64_t m = product->m;
  product->m = product->n;
  product->n = m;
  for (uint32_t e = 0; e < product->extras; e++) {
    int64_t row = product->extra_row[e];
    product->extra_row[e] = product->extra_column[e];
    product->extra_column[e] = row;
  }
  CpuOperand operand = product->space.operand[0];
  product->space.operand[0] = product->space.operand[1];
  product->space.operand[1] = operand;
}

/* ---------------------------------------------------------- vector and matrix -- */

enum { VECTOR_COLUMNS = 2048, VECTOR_DEPTH = 2048 };

typedef struct VectorJob {
  CpuProduct *product;
  const char *x; /* widened, dense */
  CpuWalk walk;
  _Atomic int failed;
} VectorJob;

/* Columns [begin, end) of a row times a matrix. */
static void run_vector(void *context, int64_t begin, int64_t end) {
  VectorJob *job = context;
  const CpuProduct *product = job->product;
  const CpuMatrix *b = &product->b;
  const CpuLoops *loops = cpu_loops;
  uint32_t type = product->type;
  int64_t size = cpu_type_size[type], k = product->k;
  bool native = cpu_is_native(b->dtype), down = b->row == cpu_dtype_size[b->dtype];
  size_t frame_bytes = product->epilogue ? cpu_frame_bytes(product->epilogue) : 0;
  size_t wide_bytes = native ? 0 : (size_t)(8 * VECTOR_COLUMNS * size);
  char *memory = cpu_scratch(CPU_SCRATCH_BODY, frame_bytes + wide_bytes + (size_t)(VECTOR_COLUMNS * size));
  if (!memory) {
    job->failed = 1;
    return;
  }
  char *wide = memory + frame_bytes, *y = wide + wide_bytes;
  CpuFrame frame;
  if (product->epilogue) cpu_frame_begin(&frame, product->epilogue, product->params, memory, CPU_BLOCK);
  for (int64_t column = begin; column < end; column += VECTOR_COLUMNS) {
    int64_t columns = cpu_min(VECTOR_COLUMNS, end - column);
    const char *p = b->base + job->walk.offset[1] + column * b->column;
    if (native && down) loops->gemv[type](columns, k, p, b->column / size, job->x, y);
    else if (native) loops->gevm[type](columns, k, p, b->row / size, job->x, y, false);
    else if (down) {
      for (int64_t j = 0; j < columns; j++) {
        float sum = 0; /* narrow floats alone come here */
        for (int64_t d = 0; d < k; d += VECTOR_DEPTH) {
          int64_t depth = cpu_min(VECTOR_DEPTH, k - d);
          float part;
          loops->load[b->dtype](1, depth, wide, p + j * b->column + d * b->row, 0, b->row);
          loops->gemv[type](1, depth, wide, depth, job->x + d * size, &part);
          sum += part;
        }
        ((float *)(void *)y)[j] = sum;
      }
    } else {
      for (int64_t d = 0; d < k; d += 8) {
        int64_t depth = cpu_min(8, k - d);
        loops->load[b->dtype](depth, columns, wide, p + d * b->row, b->row, b->column);
        loops->gevm[type](columns, depth, wide, columns, job->x + d * size, y, d > 0);
      }
    }
    write_tile(product, &job->walk, &frame, y, columns, 0, 1, column, columns);
  }
}

/* A row times a matrix that lies in runs: at the speed at which the matrix is read. False if it is not of that form. */
static bool run_vectors(CpuProduct *product, CressetStatus **status) {
  if (product->n == 1 && product->m > 1) transpose(product);
  const CpuMatrix *b = &product->b;
  int64_t element = cpu_dtype_size[b->dtype], size = cpu_type_size[product->type];
  bool down = b->row == element, across = b->column == element;
  if (product->m != 1 || product->type < CRESSET_TYPE_F32 || (!down && !across)) return false;
  if (product->k * product->n < 1024 || product->n < (down ? 2 : 32)) return false;
  VectorJob job = {.product = product};
  char *x = cpu_scratch(CPU_SCRATCH_LAUNCH, (size_t)(product->k * size));
  if (!x) return *status = cpu_out_of_memory((size_t)(product->k * size)), true;
  job.x = x;
  cpu_walk_begin(&job.walk, &product->space, 0, product->space.rank, 0);
  for (int64_t i = 0; i < product->batch; i++, cpu_walk_next(&job.walk, &product->space)) {
    cpu_loops->load[product->a.dtype](1, product->k, x, product->a.base + job.walk.offset[0], 0, product->a.column);
    int64_t least = cpu_ceil_div(CPU_PARALLEL_BYTES, product->k * element);
    cpu_parallel(product->n, cpu_max(least, down ? 1 : 256), run_vector, &job);
    if (job.failed) return *status = cpu_out_of_memory(VECTOR_COLUMNS * 9 * 8), true;
  }
  return true;
}

/* ----------------------------------------------------------- pairs of bfloat16 -- */

typedef struct Scan {
  CpuMatrix x;
  _Atomic int odd;
} Scan;

static void scan_rows(void *context, int64_t begin, int64_t end) {
  Scan *scan = context;
  uint32_t odd = 0;
  for (int64_t r = begin; r < end && !odd; r++) {
    const char *row = scan->x.base + r * scan->x.row;
    odd = cpu_loops->scan_pairs(scan->x.columns, (const uint16_t *)(const void *)row);
  }
  if (odd) atomic_store_explicit(&scan->odd, 1, memory_order_relaxed);
}

/* Whether all elements are such that products of pairs and their sums neither overflow nor become denormal, which the
 * instruction would take for zero: 0, or of a magnitude from 2^-50 to 2^63. */
static bool is_ordinary(const CpuProduct *product, int operand) {
  const CpuMatrix *x = operand ? &product->b : &product->a;
  Scan scan = {.x = *x};
  if (x->row == 2) scan.x = (CpuMatrix){x->base, x->columns, x->rows, x->column, x->row, x->dtype};
  else if (x->column != 2) return false;
  CpuWalk walk;
  cpu_walk_begin(&walk, &product->space, 0, product->space.rank, 0);
  for (int64_t i = 0; i < product->batch && !scan.odd; i++, cpu_walk_next(&walk, &product->space)) {
    scan.x.base = x->base + walk.offset[operand];
    cpu_parallel(scan.x.rows, cpu_ceil_div(CPU_PARALLEL_BYTES, scan.x.columns * 2 + 1), scan_rows, &scan);
  }
  return !scan.odd;
}

CressetStatus *cpu_own_gemm(CpuProduct *product) {
  if (product->m == 1 || product->n == 1) {
    CressetStatus *status = NULL;
    if (run_vectors(product, &status)) return status;
  }
  uint32_t type = product->type;
  int64_t size = cpu_type_size[type];
  if (product->n > 1 && product->m > 1 && product->c.column != cpu_dtype_size[product->c.dtype] &&
      product->c.row == cpu_dtype_size[product->c.dtype])
    transpose(product);
  const CpuMatrix *a = &product->a, *b = &product->b, *c = &product->c;
  int64_t m = product->m, n = product->n, k = product->k;
  Plan plan = {.product = product, .type = type, .size = size, .strip_rows = cpu_loops->gemm_rows,
               .strip_columns = cpu_loops->gemm_columns[type]};
  plan.pairs = a->dtype == CRESSET_BFLOAT16 && cpu_has_pairs && is_ordinary(product, 0) && is_ordinary(product, 1);
  plan.depth = round_up(cpu_ceil_div(cpu_max(k, 1), cpu_ceil_div(cpu_max(k, 1), DEPTH)), 4);
  /* Rows that lie a multiple of a page apart fight for the same places of the nearest cache. */
  bool native = cpu_is_native(a->dtype);
  plan.plain_a = native && (m == 1 || (n <= PLAIN_COLUMNS && (a->row % 2048 != 0 || m <= 4)));
  plan.plain_b = k == 0 || (native && (b->column == size || n == 1) && (m <= TILE_ROWS || k * n * size <= PLAIN_BYTES));
  plan.plain_c = !product->epilogue && cpu_is_native(c->dtype) && (c->column == size || n == 1) && k > 0;

  int64_t most_rows = TILE_ROWS / plan.strip_rows * plan.strip_rows, most_columns = plan.plain_c ? WIDE_COLUMNS : TILE_COLUMNS;
  int threads = cpu_thread_count();
  plan.row_tiles = cpu_ceil_div(m, most_rows);
  plan.shared = !plan.plain_b && plan.row_tiles > 1 && (product->batch < 2 * threads || k * n * size > 1 << 20);
  /* Whoever packs b for itself takes all rows there are to it. */
  if (!plan.shared && plan.plain_c && product->batch * cpu_ceil_div(n, most_columns) >= 4 * threads) plan.row_tiles = 1;
  plan.tile_rows = round_up(cpu_ceil_div(m, plan.row_tiles), plan.strip_rows);
  plan.tile_columns = round_up(cpu_ceil_div(n, cpu_ceil_div(n, most_columns)), plan.strip_columns);
  for (;;) {
    plan.row_tiles = cpu_ceil_div(m, plan.tile_rows);
    plan.column_tiles = cpu_ceil_div(n, plan.tile_columns);
    int64_t work = 2 * cpu_min(plan.tile_rows, m) * cpu_min(plan.tile_columns, n) * cpu_max(k, 1);
    /* Smaller tiles if there are too few for the threads, and enough to do. */
    if (threads == 1 || product->batch * plan.row_tiles * plan.column_tiles >= 4 * threads || work < 2 * TASK_WORK) break;
    bool flat = plan.tile_columns > 8 * plan.tile_rows || plan.tile_rows <= 2 * plan.strip_rows;
    if (flat && plan.tile_columns >= 4 * plan.strip_columns)
      plan.tile_columns = round_up(plan.tile_columns / 2, plan.strip_columns);
    else if (plan.tile_rows > 2 * plan.strip_rows) plan.tile_rows = round_up(plan.tile_rows / 2, plan.strip_rows);
    else break;
  }
  int64_t rows = cpu_min(plan.tile_rows, round_up(m, plan.strip_rows));
  int64_t deep = packed_depth(&plan, cpu_min(plan.depth, round_up(k, 2)));
  plan.frame_bytes = product->epilogue ? cpu_frame_bytes(product->epilogue) : 0;
  plan.a_bytes = plan.plain_a ? 0 : (size_t)round_up(cpu_min(rows, most_rows) * deep * size, 64);
  plan.b_bytes = plan.plain_b || plan.shared ? 0 : (size_t)round_up(plan.tile_columns * deep * size, 64);
  plan.c_bytes = plan.plain_c ? 0 : (size_t)round_up(rows * plan.tile_columns * size, 64);
  if (plan.shared) return run_shared(&plan);
  cpu_parallel(product->batch * plan.row_tiles * plan.column_tiles, grain(&plan, k), run_tiles, &plan);
  return plan.failed ? cpu_out_of_memory(plan.a_bytes + plan.b_bytes + plan.c_bytes) : NULL;
}
