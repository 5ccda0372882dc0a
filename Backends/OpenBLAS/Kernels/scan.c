/* scan.c: running sums along a dim, of floats and int64. */
#include "fused.h"

static void sums_of_ints(int64_t n, char *r, const char *x) {
  uint64_t sum = 0, next;
  for (int64_t i = 0; i < n; i++) {
    memcpy(&next, x + i * 8, 8);
    sum += next;
    memcpy(r + i * 8, &sum, 8);
  }
}

static void run(void *context, int64_t begin, int64_t end) {
  CpuRows *rows = context;
  size_t bytes = cpu_rows_bytes(rows);
  CpuRowPass pass;
  if (!cpu_pass_begin(&pass, rows, begin, end, 2 * bytes)) return;
  while (cpu_pass_next(&pass)) {
    int64_t x_step, r_step;
    const char *x = cpu_rows_read(rows, 0, &pass.walk, pass.count, pass.scratch, &x_step);
    char *target = pass.scratch + bytes, *r = cpu_rows_target(rows, 1, &pass.walk, target, &r_step);
    for (int64_t j = 0; j < pass.count; j++) {
      if (rows->type == CRESSET_TYPE_I64) sums_of_ints(rows->n, r + j * r_step, x + j * x_step);
      else cpu_loops->row[rows->type].scan(rows->n, r + j * r_step, x + j * x_step);
    }
    cpu_rows_write(rows, 1, &pass.walk, pass.count, r, target);
  }
}

/* Columns of floats that lie side by side, some at a time: as many as stay in near cache. */
enum { TILE_BYTES = 256 << 10, TILE_COLUMNS = 64 };

typedef struct Columns {
  CpuRows *rows;
  int64_t width, tiles; /* columns of a tile; tiles of a stretch of the last kept dim */
} Columns;

static void run_columns(void *context, int64_t begin, int64_t end) {
  Columns *job = context;
  CpuRows *rows = job->rows;
  const CpuSpace *space = &rows->space;
  const CpuOperand *x = &space->operand[0], *r = &space->operand[1];
  int last = rows->kept - 1;
  int64_t size = cpu_type_size[rows->type], n = rows->n;
  char *tile = cpu_scratch(CPU_SCRATCH_BODY, (size_t)(n * job->width * size));
  if (!tile) {
    rows->failed = 1;
    return;
  }
  CpuLoad load = cpu_loops->load[x->dtype];
  CpuStore store = cpu_loops->store[r->dtype];
  for (int64_t t = begin; t < end; t++) {
    CpuWalk walk;
    cpu_walk_begin(&walk, space, 0, last, t / job->tiles);
    int64_t first = t % job->tiles * job->width, width = cpu_min(job->width, space->size[last] - first);
    load(n, width, tile, x->base + walk.offset[0] + first * x->stride[last], x->stride[rows->kept], x->stride[last]);
    cpu_loops->row[rows->type].scan_columns(n, width, tile, width * size);
    store(n, width, r->base + walk.offset[1] + first * r->stride[last], r->stride[rows->kept], r->stride[last], tile);
  }
}

/* Whether neighbours in memory are columns rather than elements of a row. */
static bool is_by_columns(const CpuRows *rows) {
  if (rows->kept == 0 || rows->space.rank != rows->kept + 1 || rows->type == CRESSET_TYPE_I64) return false;
  for (int k = 0; k < 2; k++) {
    const CpuOperand *o = &rows->space.operand[k];
    if (o->stride[rows->kept - 1] != cpu_dtype_size[o->dtype]) return false;
  }
  return rows->space.size[rows->kept - 1] >= 8;
}

CressetStatus *cpu_cumsum(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  const CressetTensor *x = cpu_tensor_argument(call, 0);
  if (!x) return cpu_malformed(call);
  CpuRows rows = {.type = cpu_widened[x->dtype]};
  cpu_space_begin(&rows.space, x);
  cpu_space_add(&rows.space, x);
  cpu_space_add(&rows.space, cpu_output(call, 0));
  cpu_rows_arrange(&rows, 1u << cpu_dim(x, cpu_int_argument(call, 1)));
  if (is_by_columns(&rows)) {
    int64_t last = rows.space.size[rows.kept - 1], size = cpu_type_size[rows.type];
    Columns job = {.rows = &rows, .width = cpu_min(last, cpu_max(TILE_BYTES / cpu_max(rows.n * size, 1), TILE_COLUMNS))};
    job.tiles = cpu_ceil_div(last, job.width);
    cpu_parallel(rows.rows / last * job.tiles, cpu_ceil_div(CPU_PARALLEL_BYTES, cpu_max(rows.n, 1) * job.width * size * 2), run_columns, &job);
  } else cpu_rows_run(&rows, 16, run, &rows);
  return cpu_rows_status(&rows);
}
