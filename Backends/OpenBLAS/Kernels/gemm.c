/* gemm.c: the own matrix product.
 *
 * A task is a tile of one output matrix. It packs its rows of a and columns of b,
 * converting as it goes, multiplies them into an accumulator tile, and writes that
 * out through the epilogue. Tiles share nothing, and the order in which an element
 * is summed does not depend on their size. */
#include "internal.h"

enum { TILE_ROWS = 96, TILE_COLUMNS = 384, DEPTH = 256 };

typedef struct Job {
  const CpuProduct *product;
  int64_t tile_rows, tile_columns, row_tiles, column_tiles;
  _Atomic int failed;
} Job;

static int64_t round_up(int64_t n, int64_t step) { return cpu_ceil_div(n, step) * step; }

/* Packs `width` lines by strips of `strip`: packed[strip][depth][strip], zeros where there is no line.
 * `line` is the stride from line to line, `deep` along the depth. */
static void pack(uint32_t dtype, char *packed, const char *p, int64_t width, int64_t strip, int64_t depth, int64_t line,
                 int64_t deep) {
  CpuLoad load = cpu_loops->load[dtype];
  int64_t size = cpu_type_size[cpu_widened[dtype]];
  for (int64_t first = 0; first < width; first += strip, p += strip * line, packed += strip * depth * size) {
    int64_t there = cpu_min(strip, width - first);
    if (there == strip) {
      load(depth, strip, packed, p, deep, line);
      continue;
    }
    memset(packed, 0, (size_t)(strip * depth * size));
    for (int64_t d = 0; d < depth; d++) load(1, there, packed + d * strip * size, p + d * deep, 0, line);
  }
}

static void run_tiles(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  const CpuProduct *product = job->product;
  uint32_t type = product->type;
  int64_t size = cpu_type_size[type], strip_a = cpu_loops->gemm_rows[type], strip_b = cpu_loops->gemm_columns[type];
  int64_t rows_full = round_up(job->tile_rows, strip_a), columns_full = round_up(job->tile_columns, strip_b);
  int64_t depth_full = cpu_min(product->k, DEPTH);
  size_t frame_bytes = product->epilogue ? cpu_frame_bytes(product->epilogue) : 0;
  size_t a_bytes = (size_t)round_up(rows_full * depth_full * size, 64);
  size_t b_bytes = (size_t)round_up(columns_full * depth_full * size, 64);
  size_t c_bytes = (size_t)round_up(rows_full * columns_full * size, 64);
  char *memory = cpu_scratch(CPU_SCRATCH_BODY, frame_bytes + a_bytes + b_bytes + c_bytes);
  if (!memory) {
    job->failed = 1;
    return;
  }
  char *packed_a = memory + frame_bytes, *packed_b = packed_a + a_bytes, *tile = packed_b + b_bytes;
  CpuFrame frame;
  if (product->epilogue) cpu_frame_begin(&frame, product->epilogue, product->params, memory, CPU_BLOCK);

  for (int64_t task = begin; task < end; task++) {
    int64_t within = task % (job->row_tiles * job->column_tiles);
    int64_t row = within / job->column_tiles * job->tile_rows, column = within % job->column_tiles * job->tile_columns;
    int64_t rows = cpu_min(job->tile_rows, product->m - row), columns = cpu_min(job->tile_columns, product->n - column);
    CpuWalk walk;
    cpu_walk_begin(&walk, &product->space, 0, product->space.rank, task / (job->row_tiles * job->column_tiles));
    const char *a = product->a.base + walk.offset[0] + row * product->a.row;
    const char *b = product->b.base + walk.offset[1] + column * product->b.column;
    char *c = product->c.base + walk.offset[2] + row * product->c.row + column * product->c.column;

    int64_t pitch = round_up(columns, strip_b);
    memset(tile, 0, (size_t)(round_up(rows, strip_a) * pitch * size));
    for (int64_t k = 0; k < product->k; k += DEPTH) {
      int64_t depth = cpu_min(DEPTH, product->k - k);
      pack(product->a.dtype, packed_a, a + k * product->a.column, rows, strip_a, depth, product->a.row,
           product->a.column);
      pack(product->b.dtype, packed_b, b + k * product->b.row, columns, strip_b, depth, product->b.column,
           product->b.row);
      cpu_loops->gemm[type](cpu_ceil_div(rows, strip_a), pitch / strip_b, depth, packed_a, packed_b, tile, pitch);
    }

    CpuStore store = cpu_loops->store[product->c.dtype];
    for (int64_t r = 0; r < rows; r++, c += product->c.row) {
      char *line = tile + r * pitch * size;
      if (!product->epilogue) {
        store(1, columns, c, 0, product->c.column, line);
        continue;
      }
      CpuBox box = {.rank = 1, .count = columns, .size = {columns}};
      CpuPlace output = {.base = c, .stride = {product->c.column}}, inputs[CRESSET_MAX_INPUTS];
      inputs[0] = (CpuPlace){.base = line, .stride = {size}};
      for (uint32_t e = 0; e < product->extras; e++)
        inputs[e + 1] = (CpuPlace){.base = product->space.operand[e + 3].base + walk.offset[e + 3] +
                                           (row + r) * product->extra_row[e] + column * product->extra_column[e],
                                   .stride = {product->extra_column[e]}};
      cpu_frame_run(&frame, &box, inputs, &output, NULL);
    }
  }
}

CressetStatus *cpu_own_gemm(const CpuProduct *product) {
  uint32_t type = product->type;
  Job job = {.product = product, .tile_rows = cpu_min(TILE_ROWS, product->m),
             .tile_columns = cpu_min(TILE_COLUMNS, product->n)};
  double work = 2. * (double)product->m * (double)product->n * (double)cpu_max(product->k, 1);
  for (;;) {
    job.row_tiles = cpu_ceil_div(product->m, job.tile_rows);
    job.column_tiles = cpu_ceil_div(product->n, job.tile_columns);
    /* Smaller tiles if there are too few for the threads, and enough to do. */
    if (product->batch * job.row_tiles * job.column_tiles >= 2 * cpu_thread_count() || work < 1 << 20) break;
    if (job.tile_columns > 96) job.tile_columns = round_up(job.tile_columns / 2, cpu_loops->gemm_columns[type]);
    else if (job.tile_rows > 24) job.tile_rows = round_up(job.tile_rows / 2, cpu_loops->gemm_rows[type]);
    else break;
  }
  int64_t tile_work = 2 * job.tile_rows * job.tile_columns * cpu_max(product->k, 1);
  cpu_parallel(product->batch * job.row_tiles * job.column_tiles, cpu_ceil_div(1 << 20, tile_work), run_tiles, &job);
  return job.failed ? cpu_out_of_memory(TILE_COLUMNS * DEPTH * 8) : NULL;
}
