/* pointwise.c: the pointwise family. */
#include "internal.h"

/* ---------------------------------------------------------------- one loop -- */

/* One operation from memory to memory. */
typedef struct Stretch {
  CpuOp run;
  char *r;
  const char *a, *b, *c;
  int64_t r_step, a_step, b_step, c_step; /* bytes of an element; 0 for a scalar */
  bool past_caches;
} Stretch;

static void run_stretch(void *context, int64_t begin, int64_t end) {
  const Stretch *s = context;
  if (s->past_caches) {
    _Alignas(64) char block[CPU_BLOCK * 8];
    for (int64_t i = begin, n; i < end; i += n) {
      n = cpu_min(end - i, CPU_BLOCK);
      s->run(n, block, s->a + i * s->a_step, s->b + i * s->b_step, s->c + i * s->c_step);
      cpu_loops->stream(n * s->r_step, s->r + i * s->r_step, block);
    }
    atomic_thread_fence(memory_order_seq_cst);
    return;
  }
  s->run(end - begin, s->r + begin * s->r_step, s->a + begin * s->a_step, s->b + begin * s->b_step,
         s->c + begin * s->c_step);
}

/* Elements from which on several threads pay. */
static int64_t grain_of(int64_t bytes_per_element) { return CPU_PARALLEL_BYTES / cpu_max(bytes_per_element, 1); }

typedef struct Fill {
  char *r;
  const char *value;
  uint32_t size;
} Fill;

static void fill(void *context, int64_t begin, int64_t end) {
  const Fill *f = context;
  /* A copy from a column stride of 0 fills. */
  cpu_loops->copy[f->size](1, end - begin, f->r + begin * f->size, f->value, 0, 0);
}

static void fill_stretch(char *r, int64_t count, CressetScalar value, uint32_t dtype) {
  _Alignas(8) char bits[8];
  uint32_t size = cpu_dtype_size[dtype];
  cpu_loops->store[dtype](1, 1, bits, 0, size, &value);
  cpu_parallel(count, grain_of(size), fill, &(Fill){r, bits, size});
}

/* A value that is a scalar of the launch: a param, the literal, or an input that stands still. */
static const void *uniform_operand(const CpuDirect *direct, int o, const CressetScalar *params) {
  return direct->param[o] >= 0 ? (const void *)&params[(int)direct->param[o]] : &direct->literal[o];
}

/* How an operand moves as the output moves on by one: its stride in bytes, or -1 if it is laid
 * out differently. */
static int64_t step_of(const CressetTensor *tensor, const CressetTensor *output, int64_t element) {
  const int64_t *shape = output->dl.shape, *strides = tensor->dl.strides;
  bool contiguous = true, still = true;
  int64_t expected = 1;
  for (int d = output->dl.ndim - 1; d >= 0; d--) {
    if (shape[d] == 1) continue;
    contiguous &= strides[d] == expected;
    still &= strides[d] == 0;
    expected *= shape[d];
  }
  return contiguous ? element : still ? 0 : -1;
}

/* Runs a program with one operation over operands that are contiguous or scalars; false if they are not. */
static bool run_direct(const CpuDirect *direct, const CressetCall *call) {
  const CressetTensor *output = cpu_output(call, 0);
  int64_t count = 1;
  for (int d = 0; d < output->dl.ndim; d++) count *= output->dl.shape[d];
  if (step_of(output, output, 1) != 1 && count > 0) return false;
  char *r = cpu_address(output);
  if (direct->kind == CPU_DIRECT_FILL) {
    fill_stretch(r, count, *(const CressetScalar *)uniform_operand(direct, 0, call->params), direct->dtype);
    return true;
  }
  const char *p[3] = {NULL, NULL, NULL};
  int64_t step[3] = {0, 0, 0};
  for (int o = 0; o < direct->arity; o++) {
    if (direct->input[o] < 0) {
      p[o] = uniform_operand(direct, o, call->params);
      continue;
    }
    const CressetTensor *tensor = cpu_input(call, (uint32_t)direct->input[o]);
    p[o] = cpu_address(tensor);
    if ((step[o] = step_of(tensor, output, direct->element[o])) < 0) return false;
  }
  if (count == 0) return true;
  if (direct->kind == CPU_DIRECT_COPY) {
    if (step[0] == 0 && count > 1) return false;
    if (p[0] != r) cpu_copy(r, p[0], (uint64_t)count * direct->result_element);
    return true;
  }
  CpuOp run = direct->vv;
  if (count > 1) {
    bool scalar[3] = {step[0] == 0, direct->arity > 1 && step[1] == 0, direct->arity > 2 && step[2] == 0};
    if (scalar[0] | scalar[1] | scalar[2]) {
      run = scalar[0] ? direct->sv : direct->vs;
      if (!run || scalar[2] || (scalar[0] && scalar[1])) return false;
    }
  }
  int64_t bytes = direct->result_element + step[0] + step[1] + step[2];
  Stretch stretch = {run,     r,       p[0],    p[1], p[2], direct->result_element, step[0],
                     step[1], step[2], count * bytes >= CPU_STREAM_BYTES && r != p[0] && r != p[1] && r != p[2]};
  if (count * bytes <= CPU_PARALLEL_BYTES / 8) run_stretch(&stretch, 0, count);
  else cpu_parallel(count, grain_of(bytes), run_stretch, &stretch);
  return true;
}

/* Rows of a matrix, each a stretch. */
typedef struct Rows {
  CpuOp run;
  char *r;
  const char *p[3];
  int64_t n, r_row, row[3];
} Rows;

static void run_rows(void *context, int64_t begin, int64_t end) {
  const Rows *job = context;
  const char *p[3] = {job->p[0] + begin * job->row[0], job->p[1] + begin * job->row[1], job->p[2] + begin * job->row[2]};
  char *r = job->r + begin * job->r_row;
  for (int64_t i = begin; i < end; i++, r += job->r_row) {
    job->run(job->n, r, p[0], p[1], p[2]);
    for (int o = 0; o < 3; o++) p[o] += job->row[o];
  }
}

/* The same for a matrix, row by row: an operand may be a row or a column that is repeated, or have gaps between its
 * rows. Results too large for the caches are left to the blocks, which store past them. */
static bool run_direct_rows(const CpuDirect *direct, const CressetCall *call) {
  const CressetTensor *output = cpu_output(call, 0);
  if (direct->kind != CPU_DIRECT_OPERATION || output->dl.ndim != 2) return false;
  int64_t rows = output->dl.shape[0], n = output->dl.shape[1];
  if (rows < 1 || n < 2 || output->dl.strides[1] != 1 || (n < 256 && rows * n > CPU_BLOCK * 4)) return false;
  char *r = cpu_address(output);
  Rows job = {.r = r, .p = {r, r, r}, .n = n, .r_row = output->dl.strides[0] * direct->result_element};
  bool scalar[3] = {false, false, false};
  int64_t bytes = direct->result_element;
  for (int o = 0; o < direct->arity; o++) {
    if (direct->input[o] < 0) {
      job.p[o] = uniform_operand(direct, o, call->params);
      scalar[o] = true;
      continue;
    }
    const CressetTensor *tensor = cpu_input(call, (uint32_t)direct->input[o]);
    if (tensor->dl.strides[1] != 0 && tensor->dl.strides[1] != 1) return false;
    job.p[o] = cpu_address(tensor);
    scalar[o] = tensor->dl.strides[1] == 0;
    job.row[o] = tensor->dl.strides[0] * direct->element[o];
    if (!scalar[o]) bytes += direct->element[o];
  }
  if (bytes * rows * n >= CPU_STREAM_BYTES) return false;
  job.run = direct->vv;
  if (scalar[0] | scalar[1] | scalar[2]) {
    job.run = scalar[0] ? direct->sv : direct->vs;
    if (!job.run || scalar[2] || (scalar[0] && scalar[1])) return false;
  }
  if (bytes * rows * n <= CPU_PARALLEL_BYTES / 8) run_rows(&job, 0, rows);
  else cpu_parallel(rows, cpu_ceil_div(grain_of(bytes), n), run_rows, &job);
  return true;
}

/* ------------------------------------------------------------------ blocks -- */

typedef struct Blocks {
  const CpuProgram *program;
  const CpuSpace *space; /* its operands: inputs, outputs, the index */
  const CressetScalar *params;
  uint32_t inputs, outputs;
  /* The two innermost dims are cut into boxes of rows x columns. */
  int64_t rows, columns, row_boxes, column_boxes;
  int inner; /* how many dims a box has: 0, 1 or 2 */
  bool past_caches;
  bool ahead; /* the next box's inputs are fetched while this one is worked on */
  _Atomic int failed;
} Blocks;

/* Asks for the elements of the next columns, which are neighbours along rows, or along columns where an operand is
 * transposed. */
static void fetch_ahead(const Blocks *job, const CpuBox *box, const CpuPlace *place) {
  const CpuSpace *space = job->space;
  int last = job->inner - 1;
  for (uint32_t k = 0; k < job->inputs; k++) {
    int64_t element = cpu_dtype_size[space->operand[k].dtype], stride = place[k].stride[last];
    const char *next = place[k].base + box->size[last] * stride;
    if (stride == element && job->rows == 1)
      for (int64_t i = 0; i < box->size[last] * element; i += 64) __builtin_prefetch(next + i, 0, 2);
    else if (last > 0 && place[k].stride[0] == element && stride != 0)
      for (int64_t j = 0; j < box->size[last]; j++)
        for (int64_t i = 0; i < box->size[0] * element; i += 64) __builtin_prefetch(next + j * stride + i);
  }
}

static void run_blocks(void *context, int64_t begin, int64_t end) {
  Blocks *job = context;
  const CpuSpace *space = job->space;
  void *memory = cpu_scratch(CPU_SCRATCH_BODY, cpu_frame_bytes(job->program));
  if (!memory) {
    job->failed = 1;
    return;
  }
  CpuFrame frame;
  cpu_frame_begin(&frame, job->program, job->params, memory, cpu_min(job->rows * job->columns, space->count));
  frame.past_caches = job->past_caches;

  int outer = space->rank - job->inner;
  int64_t boxes = job->row_boxes * job->column_boxes;
  CpuPlace place[CPU_MAX_OPERANDS];
  for (int k = 0; k < space->operands; k++)
    for (int d = 0; d < job->inner; d++) place[k].stride[d] = space->operand[k].stride[outer + d];
  CpuWalk walk;
  cpu_walk_begin(&walk, space, 0, outer, begin / boxes);
  int64_t row_box = begin % boxes / job->column_boxes, column_box = begin % job->column_boxes;
  for (int64_t n = begin; n < end; n++) {
    CpuBox box = {.rank = job->inner, .count = 1};
    int64_t row = row_box * job->rows, column = column_box * job->columns;
    if (job->inner > 0)
      box.count *= box.size[job->inner - 1] = cpu_min(job->columns, space->size[space->rank - 1] - column);
    if (job->inner > 1) box.count *= box.size[0] = cpu_min(job->rows, space->size[outer] - row);
    for (int k = 0; k < space->operands; k++) {
      const CpuOperand *operand = &space->operand[k];
      int64_t offset = walk.offset[k];
      if (job->inner > 0) offset += column * operand->stride[space->rank - 1];
      if (job->inner > 1) offset += row * operand->stride[outer];
      place[k].base = (char *)((uintptr_t)operand->base + (uintptr_t)offset);
    }
    if (job->ahead) fetch_ahead(job, &box, place);
    cpu_frame_run(&frame, &box, place, place + job->inputs, place + job->inputs + job->outputs);
    if (++column_box < job->column_boxes) continue;
    column_box = 0;
    if (++row_box < job->row_boxes) continue;
    row_box = 0;
    cpu_walk_next(&walk, space);
  }
  if (job->past_caches) atomic_thread_fence(memory_order_seq_cst);
}

/* ------------------------------------------------------- transposed copies -- */

/* Outer dims, then rows of the result's tiles, then its columns. */
typedef struct Turning {
  const CpuSpace *space; /* operands: source, target */
  int64_t rows, row_boxes;
  CpuTurn run;
  bool past_caches;
} Turning;

static void run_turning(void *context, int64_t begin, int64_t end) {
  const Turning *job = context;
  const CpuSpace *space = job->space;
  const CpuOperand *source = &space->operand[0], *target = &space->operand[1];
  int row = space->rank - 2, column = space->rank - 1;
  CpuWalk walk;
  cpu_walk_begin(&walk, space, 0, row, begin / job->row_boxes);
  int64_t box = begin % job->row_boxes;
  for (int64_t n = begin; n < end; n++) {
    int64_t first = box * job->rows;
    job->run(cpu_min(job->rows, space->size[row] - first), space->size[column],
             target->base + walk.offset[1] + first * target->stride[row], target->stride[row],
             source->base + walk.offset[0] + first * source->stride[row], source->stride[column], job->past_caches);
    if (++box < job->row_boxes) continue;
    box = 0;
    cpu_walk_next(&walk, space);
  }
  if (job->past_caches) atomic_thread_fence(memory_order_seq_cst);
}

/* The dim along which some operand's elements are neighbours though the innermost is not it; -1 if none. */
static int transposed_dim(const CpuSpace *space, uint32_t operands) {
  int last = space->rank - 1;
  for (uint32_t k = 0; k < operands; k++) {
    const CpuOperand *operand = &space->operand[k];
    int64_t element = cpu_dtype_size[operand->dtype];
    if (operand->stride[last] == element || operand->stride[last] == 0) continue;
    for (int d = last - 1; d >= 0; d--)
      if (operand->stride[d] == element && space->size[d] >= 8) return d;
  }
  return -1;
}

CressetStatus *cpu_run_pointwise(const CpuProgram *program, CpuSpace *space, uint32_t inputs, uint32_t outputs,
                                 const CressetScalar *params) {
  if (space->count == 0) return NULL;
  cpu_space_sort(space, 0, space->rank, (int)inputs);
  cpu_space_merge(space, 0, space->rank);
  Blocks job = {.program = program, .space = space, .params = params, .inputs = inputs, .outputs = outputs,
                .rows = 1, .columns = 1, .row_boxes = 1, .column_boxes = 1,
                .inner = space->rank < 2 ? space->rank : 2};
  bool turned = false;
  if (job.inner > 0) {
    int64_t size = space->size[space->rank - 1];
    int transposed = transposed_dim(space, inputs + outputs);
    if (transposed >= 0) {
      turned = true;
      cpu_space_swap_dims(space, transposed, space->rank - 2);
      int64_t element = cpu_dtype_size[space->operand[0].dtype];
      if (program->direct.kind == CPU_DIRECT_COPY && space->operands == 2 &&
          space->operand[0].stride[space->rank - 2] == element && space->operand[1].stride[space->rank - 1] == element) {
        Turning turning = {.space = space, .rows = 256 / element, .run = cpu_loops->turn[element],
                           .past_caches = 2 * element * space->count >= CPU_STREAM_BYTES};
        turning.row_boxes = cpu_ceil_div(space->size[space->rank - 2], turning.rows);
        int64_t stripes = turning.row_boxes;
        for (int d = 0; d < space->rank - 2; d++) stripes *= space->size[d];
        cpu_parallel(stripes, cpu_ceil_div(grain_of(2 * element), turning.rows * size), run_turning, &turning);
        return NULL;
      }
      job.columns = cpu_min(size, 32);
    } else job.columns = cpu_min(size, CPU_BLOCK);
    if (job.inner > 1) {
      job.rows = cpu_min(space->size[space->rank - 2], CPU_BLOCK / job.columns);
      job.row_boxes = cpu_ceil_div(space->size[space->rank - 2], job.rows);
    }
    job.column_boxes = cpu_ceil_div(size, job.columns);
  }
  int64_t bytes = program->cost, boxes = job.row_boxes * job.column_boxes;
  for (uint32_t k = 0; k < inputs + outputs; k++) bytes += cpu_dtype_size[space->operand[k].dtype];
  for (int d = 0; d < space->rank - job.inner; d++) boxes *= space->size[d];
  job.past_caches = (bytes - program->cost) * space->count >= CPU_STREAM_BYTES;
  for (uint32_t i = 0; i < inputs; i++)
    for (uint32_t o = 0; o < outputs; o++)
      if (space->operand[i].base == space->operand[inputs + o].base) job.past_caches = false;
  job.ahead = job.inner > 0 && (turned || program->cost >= 16) && bytes * space->count > (1 << 18);
  cpu_parallel(boxes, cpu_ceil_div(grain_of(bytes), job.rows * job.columns), run_blocks, &job);
  return job.failed ? cpu_out_of_memory(cpu_frame_bytes(program)) : NULL;
}

/* A launch of at most one block over operands that are contiguous or stand still needs no plan;
 * false if it is not such a one. */
static bool run_one_block(const CpuProgram *program, const CressetCall *call) {
  const CressetTensor *shape = cpu_output(call, 0);
  int64_t count = 1;
  for (int d = 0; d < shape->dl.ndim; d++) count *= shape->dl.shape[d];
  if (count == 0 || count > CPU_BLOCK) return false;
  CpuBox box = {.rank = 1, .count = count};
  box.size[0] = count;
  CpuPlace place[CPU_MAX_OPERANDS];
  uint32_t inputs = call->input_count, operands = inputs + program->store_count;
  for (uint32_t k = 0; k < operands; k++) {
    const CressetTensor *tensor = k < inputs ? cpu_input(call, k) : cpu_output(call, k - inputs);
    int64_t step = step_of(tensor, shape, cpu_dtype_size[tensor->dtype]);
    if (step < 0 || (step == 0 && k >= inputs)) return false;
    place[k].base = cpu_address(tensor);
    place[k].stride[0] = step;
  }
  place[operands].base = NULL;
  place[operands].stride[0] = 1;
  void *memory = cpu_scratch(CPU_SCRATCH_BODY, cpu_frame_bytes(program));
  if (!memory) return false;
  CpuFrame frame;
  cpu_frame_begin(&frame, program, call->params, memory, count);
  cpu_frame_run(&frame, &box, place, place + inputs, place + operands);
  return true;
}

CressetStatus *cpu_pointwise(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  if (__builtin_expect(!call->program, 0)) return cpu_fail(CRESSET_ERROR_INVALID, "a pointwise call without a program");
  CressetStatus *status = NULL;
  const CpuProgram *program = cpu_program(call->program, &status);
  if (__builtin_expect(!program, 0)) return status;
  if (call->input_count < program->input_count || call->output_count < program->store_count ||
      call->param_count < program->param_count || call->output_count == 0)
    return cpu_fail(CRESSET_ERROR_INVALID, "%s: fewer tensors or params than its program names",
                    call->op ? call->op : "a pointwise call");
  if (program->direct.kind != CPU_NOT_DIRECT &&
      (run_direct(&program->direct, call) || run_direct_rows(&program->direct, call)))
    return NULL;
  if ((status = cpu_check(call))) return status;
  if (run_one_block(program, call)) return NULL;
  CpuSpace space;
  cpu_space_begin(&space, cpu_output(call, 0));
  for (uint32_t k = 0; k < call->input_count; k++) cpu_space_add(&space, cpu_input(call, k));
  for (uint32_t k = 0; k < program->store_count; k++) cpu_space_add(&space, cpu_output(call, k));
  if (program->index_value != UINT32_MAX) cpu_space_add_index(&space);
  return cpu_run_pointwise(program, &space, call->input_count, program->store_count, call->params);
}
