/* rows.c: reading and writing rows, see rows.h and fused.h. */
#include "fused.h"

enum { TOGETHER = 16, BATCH_BYTES = 512 << 10 };

static bool lies_along(const CpuRows *rows, int operand) {
  const CpuSpace *space = &rows->space;
  int last = space->rank - 1;
  return last < rows->kept || space->operand[operand].stride[last] == cpu_dtype_size[space->operand[operand].dtype] ||
         space->operand[operand].stride[last] == 0;
}

/* Whether rows can be used where they lie. */
static bool is_direct(const CpuRows *rows, int operand) {
  const CpuSpace *space = &rows->space;
  const CpuOperand *o = &space->operand[operand];
  return cpu_is_native(o->dtype) && cpu_widened[o->dtype] == rows->type &&
         (space->rank == rows->kept ||
          (space->rank == rows->kept + 1 && o->stride[rows->kept] == cpu_dtype_size[o->dtype]));
}

void cpu_rows_arrange(CpuRows *rows, uint32_t mask) {
  CpuSpace *space = &rows->space;
  int kept = 0;
  rows->n = rows->rows = 1;
  rows->failed = 0;
  for (int d = 0; d < space->rank; d++) {
    if (mask >> d & 1) {
      rows->n *= space->size[d];
      continue;
    }
    rows->rows *= space->size[d];
    for (int e = d; e > kept; e--) cpu_space_swap_dims(space, e - 1, e); /* dims behind d stay where they are */
    kept++;
  }
  rows->kept = cpu_space_merge(space, 0, kept);
  cpu_space_merge(space, rows->kept, space->rank);
  bool along = true;
  for (int k = 0; k < space->operands; k++) along = along && lies_along(rows, k);
  rows->batch = along ? 1 : TOGETHER;
  while (rows->batch > 1 && rows->batch * rows->n * cpu_type_size[rows->type] > BATCH_BYTES) rows->batch /= 2;
}

void cpu_rows_run(const CpuRows *rows, int64_t bytes, CpuBody body, void *context) {
  int64_t grain = cpu_max(cpu_ceil_div(CPU_PARALLEL_BYTES, cpu_max(rows->n, 1) * bytes), rows->batch);
  cpu_parallel(rows->rows, grain, body, context);
}

size_t cpu_rows_bytes(const CpuRows *rows) {
  return ((size_t)(rows->batch * rows->n) * cpu_type_size[rows->type] + 127) / 64 * 64;
}

int64_t cpu_rows_batch(const CpuRows *rows, int64_t row, int64_t end) {
  int64_t last = rows->kept > 0 ? rows->space.size[rows->kept - 1] : 1;
  return cpu_min(cpu_min(rows->batch, end - row), last - row % last);
}

static int64_t row_stride(const CpuRows *rows, int operand) {
  return rows->kept > 0 ? rows->space.operand[operand].stride[rows->kept - 1] : 0;
}

/* Calls for each box of two dims of `count` rows: the operand's address, and that in a dense block. */
#define EACH_BOX(rows, operand, walk, count, p, q, CALL)                                                               \
  do {                                                                                                                 \
    const CpuSpace *space = &(rows)->space;                                                                            \
    const CpuOperand *o = &space->operand[operand];                                                                    \
    int inside = space->rank - (rows)->kept, last = space->rank - 1;                                                   \
    int64_t size = cpu_dtype_size[o->dtype], cell = cpu_type_size[(rows)->type], n = (rows)->n;                        \
    if (inside < 2) {                                                                                                  \
      int64_t columns = n, row = row_stride(rows, operand), column = inside ? o->stride[last] : size, r = count;       \
      CALL;                                                                                                            \
    } else {                                                                                                           \
      int64_t step = row_stride(rows, operand);                                                                        \
      int64_t r = space->size[last - 1], columns = space->size[last], row = o->stride[last - 1];                       \
      int64_t column = o->stride[last], boxes = n / (r * columns);                                                     \
      char *first = p;                                                                                                 \
      for (int64_t j = 0; j < count; j++) {                                                                            \
        CpuWalk inner;                                                                                                 \
        cpu_walk_begin(&inner, space, (rows)->kept, last - 1, 0);                                                      \
        for (int64_t b = 0; b < boxes; b++, cpu_walk_next(&inner, space)) {                                            \
          p = first + j * step + inner.offset[operand];                                                                \
          CALL;                                                                                                        \
          q += r * columns * cell;                                                                                     \
        }                                                                                                              \
      }                                                                                                                \
    }                                                                                                                  \
  } while (0)

const char *cpu_rows_read(const CpuRows *rows, int operand, const CpuWalk *walk, int64_t count, char *scratch,
                          int64_t *step) {
  char *p = rows->space.operand[operand].base + walk->offset[operand], *q = scratch;
  if (is_direct(rows, operand)) {
    *step = row_stride(rows, operand);
    return p;
  }
  *step = rows->n * cpu_type_size[rows->type];
  if (rows->n == 0) return scratch;
  CpuLoad load = cpu_loops->load[rows->space.operand[operand].dtype];
  EACH_BOX(rows, operand, walk, count, p, q, load(r, columns, q, p, row, column));
  return scratch;
}

char *cpu_rows_target(const CpuRows *rows, int operand, const CpuWalk *walk, char *scratch, int64_t *step) {
  if (is_direct(rows, operand)) {
    *step = row_stride(rows, operand);
    return rows->space.operand[operand].base + walk->offset[operand];
  }
  *step = rows->n * cpu_type_size[rows->type];
  return scratch;
}

void cpu_rows_write(const CpuRows *rows, int operand, const CpuWalk *walk, int64_t count, const char *computed,
                    const char *scratch) {
  if (computed != scratch || rows->n == 0) return;
  char *p = rows->space.operand[operand].base + walk->offset[operand];
  const char *q = scratch;
  CpuStore store = cpu_loops->store[rows->space.operand[operand].dtype];
  EACH_BOX(rows, operand, walk, count, p, q, store(r, columns, p, row, column, q));
}

void cpu_read_all(const CressetTensor *tensor, uint32_t type, int64_t count, double filler, void *memory) {
  int64_t size = cpu_type_size[type];
  char *r = memory;
  if (!tensor) {
    float narrow = (float)filler;
    for (int64_t i = 0; i < count; i++)
      memcpy(r + i * size, type == CRESSET_TYPE_F32 ? (void *)&narrow : (void *)&filler, (size_t)size);
    return;
  }
  CpuRows rows = {.type = cpu_widened[tensor->dtype]};
  cpu_space_begin(&rows.space, tensor);
  cpu_space_add(&rows.space, tensor);
  cpu_rows_arrange(&rows, (1u << tensor->dl.ndim) - 1);
  CpuWalk walk;
  cpu_walk_begin(&walk, &rows.space, 0, 0, 0);
  int64_t step, own = cpu_type_size[rows.type];
  /* Read at its own width (room is for the wider), then converted in place: wider from the end on. */
  const char *p = cpu_rows_read(&rows, 0, &walk, 1, memory, &step);
  if (p != memory) memcpy(memory, p, (size_t)(count * own));
  if (rows.type == type) return;
  for (int64_t j = 0; j < count; j++) {
    int64_t i = own < size ? count - 1 - j : j;
    float narrow;
    double wide;
    if (own < size) {
      memcpy(&narrow, r + i * own, 4);
      wide = narrow;
      memcpy(r + i * size, &wide, 8);
    } else {
      memcpy(&wide, r + i * own, 8);
      narrow = (float)wide;
      memcpy(r + i * size, &narrow, 4);
    }
  }
}

bool cpu_wanted(const CressetCall *call, bool has_weight, bool has_bias, const CressetTensor *output[3]) {
  const CressetArgument *last = cpu_argument(call, call->argument_count - 1);
  uint64_t k = 0;
  uint32_t next = 0;
  bool has[3] = {true, has_weight, has_bias};
  if (last->kind != CRESSET_ARGUMENT_INTS) return false;
  for (int i = 0; i < 3; i++) {
    output[i] = NULL;
    if (has[i] && k < last->count && last->ints[k++] && next < call->output_count)
      output[i] = cpu_output(call, next++);
  }
  return true;
}
