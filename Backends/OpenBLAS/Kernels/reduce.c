/* reduce.c: the reduce family.
 *
 * The outputs are worked on in groups, the elements that go into a group in
 * leaves: boxes of a size that depends on the shape alone. A leaf gives one value
 * per output of the group, and these are combined in pairs, pairs of pairs and so
 * on. The tree is the same whoever computes which part of it, so the result does
 * not depend on the number of threads, and rounding errors grow with its depth only.
 *
 * Where the reduced dims are innermost in memory, a group is a few rows and a
 * leaf folds each; otherwise a group is a stretch of columns and a leaf adds up
 * rows of it. */
#include "internal.h"

enum {
  LEAF_ROWS = 16,         /* rows a leaf of columns adds up, one after the other */
  PLAIN_LEAF = 1 << 14,   /* elements of a row that a leaf takes, where they are read where they lie */
  PLAIN_COLUMNS = 1 << 12 /* columns of a group, likewise */
};

typedef struct Accumulator {
  uint32_t kind;
  uint8_t type;   /* of the values */
  bool is_argument;
  CpuOp combine;
} Accumulator;

typedef struct Reduce {
  const CpuProgram *prologue, *epilogue;
  const CressetScalar *params;
  CpuSpace space; /* operands: inputs, outputs, the index; dims: kept, then reduced */
  uint32_t inputs, outputs;
  int kept;
  Accumulator accumulator[CRESSET_MAX_OUTPUTS];
  uint32_t accumulators;

  bool by_columns, plain; /* plain: elements are read where they lie, without running the prologue */
  int64_t group;          /* outputs of a group: a stretch of the last kept dim */
  int64_t groups_a_row, groups;
  int leaf_dim;           /* the dim that leaves cut; those inside it are whole */
  int64_t leaf_size, leaf_inner, leaves_a_row, leaves;
  int64_t chunk, chunks;  /* leaves of a task, a power of two; tasks of a group */
  int levels;
  size_t cell;            /* bytes of one accumulator's values and positions of a group */
  char *partial;          /* [group][chunk][accumulator]: cells, if chunks > 1 */
  _Atomic int failed;
} Reduce;

/* A cell: the values, then the positions. */
static int64_t *positions(const Reduce *job, char *cell) { return (int64_t *)(void *)(cell + job->group * 8); }

static CressetScalar identity(const Accumulator *a) {
  CressetScalar r = {0};
  bool least = a->kind == CRESSET_REDUCE_MAX, greatest = a->kind == CRESSET_REDUCE_MIN;
  bool one = a->kind == CRESSET_REDUCE_PROD || a->kind == CRESSET_REDUCE_ALL;
  switch (a->type) {
    case CRESSET_TYPE_BOOL: r.i = one || greatest; break;
    case CRESSET_TYPE_I32: r.i = least ? INT32_MIN : greatest ? INT32_MAX : one; break;
    case CRESSET_TYPE_I64: r.i = least ? INT64_MIN : greatest ? INT64_MAX : one; break;
    case CRESSET_TYPE_F32: r.f = least ? -__builtin_inff() : greatest ? __builtin_inff() : (float)one; break;
    case CRESSET_TYPE_F64: r.d = least ? -__builtin_inf() : greatest ? __builtin_inf() : (double)one; break;
  }
  return r;
}

/* a = the better, or the sum, of a and b, which comes later. */
static void combine(const Reduce *job, const Accumulator *acc, int64_t n, char *a, char *b) {
  if (acc->is_argument)
    cpu_loops->better[acc->kind == CRESSET_REDUCE_ARGMIN][acc->type](n, a, positions(job, a), b, positions(job, b), 1);
  else acc->combine(n, a, a, b, NULL);
}

/* One thread's part of the work. */
typedef struct Worker {
  Reduce *job;
  CpuFrame prologue, epilogue;
  char *stack; /* [level][accumulator]: cells */
} Worker;

static char *stack_cell(const Worker *w, int64_t level, uint32_t k) {
  return w->stack + ((size_t)level * w->job->accumulators + k) * w->job->cell;
}

static bool begin_worker(Worker *w, Reduce *job) {
  size_t prologue = cpu_frame_bytes(job->prologue), epilogue = cpu_frame_bytes(job->epilogue);
  char *memory = cpu_scratch(CPU_SCRATCH_BODY, prologue + epilogue + (size_t)(job->levels + 1) * job->accumulators * job->cell);
  if (!memory) {
    job->failed = 1;
    return false;
  }
  *w = (Worker){.job = job, .stack = memory + prologue + epilogue};
  cpu_frame_begin(&w->prologue, job->prologue, job->params, memory, CPU_BLOCK);
  cpu_frame_begin(&w->epilogue, job->epilogue, job->params, memory + prologue, cpu_min(job->group, CPU_BLOCK));
  return true;
}

/* Leaf number `leaf` of a group whose operands start at `base`: its values go to the cells of `level`. */
static void run_leaf(Worker *w, int64_t leaf, const CpuPlace *group, int64_t n, int64_t level) {
  Reduce *job = w->job;
  const CpuSpace *space = &job->space;
  int reduced = space->rank - job->leaf_dim; /* dims of a leaf */
  CpuBox box = {.rank = reduced, .count = n};
  CpuPlace place[CPU_MAX_OPERANDS];
  CpuWalk walk;
  int64_t cut = leaf % job->leaves_a_row * job->leaf_size, rows = job->leaf_inner;
  int shift = job->by_columns ? 0 : 1; /* where the reduced dims start in the box */
  cpu_walk_begin(&walk, space, job->kept, cpu_max(job->leaf_dim, job->kept), leaf / job->leaves_a_row);
  for (int d = 0; d < reduced; d++) box.size[d + shift] = space->size[job->leaf_dim + d];
  if (reduced > 0) rows *= box.size[shift] = cpu_min(job->leaf_size, space->size[job->leaf_dim] - cut);
  box.size[job->by_columns ? reduced : 0] = n;
  box.rank = reduced + 1;
  box.count = n * rows;
  for (int k = 0; k < space->operands; k++) {
    const CpuOperand *operand = &space->operand[k];
    int64_t offset = walk.offset[k] + (reduced > 0 ? cut * operand->stride[job->leaf_dim] : 0);
    place[k].base = (char *)((uintptr_t)group[k].base + (uintptr_t)offset);
    for (int d = 0; d < reduced; d++) place[k].stride[d + shift] = operand->stride[job->leaf_dim + d];
    place[k].stride[job->by_columns ? reduced : 0] = group[k].stride[0];
  }
  if (!job->plain)
    cpu_frame_run(&w->prologue, &box, place, NULL, place + job->inputs + job->outputs);
  int64_t first = (leaf / job->leaves_a_row * (reduced > 0 ? space->size[job->leaf_dim] : 1) + cut) * job->leaf_inner;
  for (uint32_t k = 0; k < job->accumulators; k++) {
    const Accumulator *acc = &job->accumulator[k];
    int64_t size = cpu_type_size[acc->type], row = n * size;
    int64_t apart = rows * size; /* from a row's start to the next one's, where rows are folded */
    char *result = stack_cell(w, level, k), *values;
    if (job->plain) {
      const CpuPlace *source = &place[job->prologue->loads[0].input];
      for (uint32_t l = 0; l < job->prologue->load_count; l++)
        if (job->prologue->loads[l].value == job->prologue->stores[k].value)
          source = &place[job->prologue->loads[l].input];
      values = source->base;
      row = reduced > 0 ? source->stride[0] : 0;
      apart = source->stride[0];
    } else values = cpu_frame_stored(&w->prologue, k);
    if (!job->by_columns) {
      uint32_t kind = acc->kind == CRESSET_REDUCE_ARGMAX   ? CRESSET_REDUCE_MAX
                      : acc->kind == CRESSET_REDUCE_ARGMIN ? CRESSET_REDUCE_MIN
                                                           : acc->kind;
      if (apart == rows * size && !acc->is_argument) {
        cpu_loops->fold[kind][acc->type](n, rows, result, values);
        continue;
      }
      for (int64_t i = 0; i < n; i++) {
        cpu_loops->fold[kind][acc->type](1, rows, result + i * size, values + i * apart);
        if (acc->is_argument)
          positions(job, result)[i] = first + cpu_loops->find[acc->type](rows, values + i * apart, result + i * size);
      }
      continue;
    }
    if (!acc->is_argument) {
      cpu_loops->fold_columns[acc->kind][acc->type](rows, n, result, values, row);
      continue;
    }
    memcpy(result, values, (size_t)(n * size));
    for (int64_t i = 0; i < n; i++) positions(job, result)[i] = first;
    for (int64_t i = 1; i < rows; i++) {
      int64_t position = first + i;
      cpu_loops->better[acc->kind == CRESSET_REDUCE_ARGMIN][acc->type](n, result, positions(job, result),
                                                                       values + i * row, &position, 0);
    }
  }
}

/* Combines what the levels above `bottom` hold into level `bottom`. */
static void collapse(Worker *w, int64_t bottom, int64_t top, int64_t n) {
  for (int64_t level = top - 1; level > bottom; level--)
    for (uint32_t k = 0; k < w->job->accumulators; k++)
      combine(w->job, &w->job->accumulator[k], n, stack_cell(w, level - 1, k), stack_cell(w, level, k));
}

/* Runs the epilogue on the values at the bottom of the stack. */
static void finish_group(Worker *w, const CpuPlace *group, int64_t n) {
  Reduce *job = w->job;
  CpuPlace results[CRESSET_MAX_INPUTS] = {0}, outputs[CRESSET_MAX_OUTPUTS];
  for (uint32_t k = 0; k < job->accumulators; k++) {
    const Accumulator *acc = &job->accumulator[k];
    char *cell = stack_cell(w, 0, k);
    results[k].base = acc->is_argument ? (char *)positions(job, cell) : cell;
    results[k].stride[0] = acc->is_argument ? 8 : cpu_type_size[acc->type];
  }
  for (uint32_t k = 0; k < job->outputs; k++) outputs[k] = group[job->inputs + k];
  for (int64_t done = 0; done < n; done += CPU_BLOCK) {
    CpuBox box = {.rank = 1, .count = cpu_min(n - done, CPU_BLOCK), .size = {cpu_min(n - done, CPU_BLOCK)}};
    cpu_frame_run(&w->epilogue, &box, results, outputs, NULL);
    for (uint32_t k = 0; k < job->accumulators; k++) results[k].base += CPU_BLOCK * results[k].stride[0];
    for (uint32_t k = 0; k < job->outputs; k++) outputs[k].base += CPU_BLOCK * outputs[k].stride[0];
  }
}

/* The operands of group number `g`: base and the stride along its outputs. Returns how many there are. */
static int64_t place_group(const Reduce *job, int64_t g, CpuPlace *place) {
  const CpuSpace *space = &job->space;
  int outer = cpu_max(job->kept - 1, 0);
  CpuWalk walk;
  cpu_walk_begin(&walk, space, 0, outer, g / job->groups_a_row);
  int64_t first = g % job->groups_a_row * job->group;
  for (int k = 0; k < space->operands; k++) {
    const CpuOperand *operand = &space->operand[k];
    int64_t stride = job->kept > 0 ? operand->stride[job->kept - 1] : 0;
    place[k].base = (char *)((uintptr_t)operand->base + (uintptr_t)(walk.offset[k] + first * stride));
    place[k].stride[0] = stride;
  }
  return job->kept > 0 ? cpu_min(job->group, space->size[job->kept - 1] - first) : 1;
}

static void run_tasks(void *context, int64_t begin, int64_t end) {
  Worker w;
  if (!begin_worker(&w, context)) return;
  Reduce *job = w.job;
  for (int64_t task = begin; task < end; task++) {
    CpuPlace group[CPU_MAX_OPERANDS];
    int64_t g = task / job->chunks, chunk = task % job->chunks, n = place_group(job, g, group);
    int64_t first = chunk * job->chunk, count = cpu_min(job->chunk, job->leaves - first), top = 0;
    /* Level l holds what 2^(bits of the count) leaves gave: a binary counter. */
    for (int64_t i = 0; i < count; i++) {
      run_leaf(&w, first + i, group, n, top++);
      for (int64_t done = i + 1; !(done & 1); done >>= 1) {
        collapse(&w, top - 2, top, n);
        top--;
      }
    }
    if (count == 0)
      for (uint32_t k = 0; k < job->accumulators; k++) { /* never an argument, says the header */
        CressetScalar value = identity(&job->accumulator[k]);
        cpu_loops->copy[cpu_type_size[job->accumulator[k].type]](1, n, stack_cell(&w, 0, k), (char *)&value, 0, 0);
      }
    else collapse(&w, 0, top, n);
    if (job->chunks == 1) finish_group(&w, group, n);
    else memcpy(job->partial + (size_t)task * job->accumulators * job->cell, w.stack, job->accumulators * job->cell);
  }
}

/* Combines the tasks' results of each group. */
static void run_partials(void *context, int64_t begin, int64_t end) {
  Worker w;
  if (!begin_worker(&w, context)) return;
  Reduce *job = w.job;
  size_t bytes = job->accumulators * job->cell;
  for (int64_t g = begin; g < end; g++) {
    CpuPlace group[CPU_MAX_OPERANDS];
    int64_t n = place_group(job, g, group), top = 0;
    for (int64_t i = 0; i < job->chunks; i++) {
      memcpy(stack_cell(&w, top++, 0), job->partial + (size_t)(g * job->chunks + i) * bytes, bytes);
      for (int64_t done = i + 1; !(done & 1); done >>= 1) {
        collapse(&w, top - 2, top, n);
        top--;
      }
    }
    collapse(&w, 0, top, n);
    finish_group(&w, group, n);
  }
}

/* --------------------------------------------------------------- the plan -- */

/* Dims kept first, then those reduced, each sorted by how the inputs lie and merged. */
static void arrange(Reduce *job, uint32_t reduced_dims, bool in_order) {
  CpuSpace *space = &job->space;
  int kept = 0;
  for (int d = 0; d < space->rank; d++)
    if (!(reduced_dims >> d & 1)) {
      /* Rotated, not swapped, so that both kinds stay in order. */
      for (int e = d; e > kept; e--) cpu_space_swap_dims(space, e - 1, e);
      kept++;
    }
  int preferred = 0;
  for (uint32_t k = job->inputs; k-- > 0;)
    for (int d = 0; d < space->rank; d++)
      if (space->operand[k].stride[d] != 0) preferred = (int)k;
  cpu_space_sort(space, 0, kept, preferred);
  if (!in_order) cpu_space_sort(space, kept, space->rank, preferred);
  job->kept = cpu_space_merge(space, 0, kept);
  cpu_space_merge(space, job->kept, space->rank);

  int innermost = -1;
  int64_t least = INT64_MAX;
  for (int d = space->rank - 1; d >= 0; d--) {
    int64_t stride = job->inputs ? space->operand[preferred].stride[d] : 0;
    if (stride < 0) stride = -stride;
    if (stride > 0 && stride < least) least = stride, innermost = d;
  }
  bool columns_inside = innermost >= 0 && innermost < job->kept && space->rank > job->kept;
  if (columns_inside)
    for (int d = innermost; d + 1 < job->kept; d++) cpu_space_swap_dims(space, d, d + 1);
  job->by_columns = columns_inside && space->size[job->kept - 1] >= 32;

  int64_t reduced = 1, last = job->kept > 0 ? space->size[job->kept - 1] : 1, limit;
  for (int d = job->kept; d < space->rank; d++) reduced *= space->size[d];
  if (job->by_columns) {
    job->group = cpu_min(last, CPU_BLOCK / LEAF_ROWS);
    limit = LEAF_ROWS;
  } else if (columns_inside) {
    job->group = cpu_min(last, 32);
    limit = CPU_BLOCK / 32;
  } else {
    job->group = cpu_min(last, cpu_max(CPU_BLOCK / cpu_max(reduced, 1), 1));
    limit = CPU_BLOCK;
  }
  job->leaf_dim = space->rank;
  job->leaf_inner = job->leaf_size = job->leaves = job->leaves_a_row = 1;
  for (int d = space->rank - 1; d >= job->kept; d--) {
    job->leaf_dim = d;
    if (job->leaf_inner * space->size[d] <= limit && d > job->kept) {
      job->leaf_inner *= space->size[d];
      continue;
    }
    job->leaf_size = cpu_min(cpu_max(limit / cpu_max(job->leaf_inner, 1), 1), cpu_max(space->size[d], 1));
    job->leaves_a_row = cpu_ceil_div(space->size[d], job->leaf_size);
    break;
  }
  job->leaves = reduced == 0 ? 0 : job->leaves_a_row;
  for (int d = job->kept; d < job->leaf_dim; d++) job->leaves *= space->size[d];
}

/* Whether elements can be folded right in the inputs: nothing computed, `dim` the only one that leaves have of those
 * reduced, and neighbours along `neighbours`. */
static bool reads_plainly(const Reduce *job, int neighbours) {
  if (job->prologue->step_count > 0 || job->prologue->index_value != UINT32_MAX || neighbours < 0 ||
      job->space.rank - job->leaf_dim != 1)
    return false;
  for (uint32_t k = 0; k < job->prologue->store_count; k++) {
    uint32_t l = 0;
    while (l < job->prologue->load_count && job->prologue->loads[l].value != job->prologue->stores[k].value) l++;
    if (l == job->prologue->load_count) return false;
    const CpuLoadStep *load = &job->prologue->loads[l];
    if (!cpu_is_native(load->dtype) ||
        job->space.operand[load->input].stride[neighbours] != cpu_dtype_size[load->dtype])
      return false;
  }
  return true;
}

/* Larger leaves and groups, as what is read where it lies needs no block to hold it. */
static void enlarge(Reduce *job) {
  int64_t last = job->kept > 0 ? job->space.size[job->kept - 1] : 1;
  if (job->by_columns) {
    job->group = cpu_min(last, PLAIN_COLUMNS);
    return;
  }
  int64_t reduced = job->space.size[job->leaf_dim], outside = job->leaves / job->leaves_a_row;
  job->leaf_size = cpu_min(reduced, PLAIN_LEAF);
  job->leaves_a_row = cpu_ceil_div(reduced, job->leaf_size);
  job->leaves = outside * job->leaves_a_row;
  /* As many rows as make a leaf, but a few groups for each thread. */
  int64_t rows = cpu_max(PLAIN_LEAF * 2 / job->leaf_size, 1);
  job->group = cpu_min(cpu_min(rows, CPU_BLOCK), cpu_max(last / (8 * cpu_thread_count()), 1));
}

/* A reduction of at most one leaf, right from memory to memory: of all elements of a run, or of each of a few rows
 * that follow one another. The same leaf, so the same bits as the long way; false if the call is not such a one. */
static bool run_small(const Reduce *job, const CressetCall *call, uint32_t reduced_dims) {
  enum { MOST_ROWS = 256 };
  const CpuProgram *before = job->prologue, *after = job->epilogue;
  const Accumulator *acc = &job->accumulator[0];
  if (job->accumulators != 1 || job->inputs != 1 || job->outputs != 1 || acc->is_argument || before->step_count > 0 ||
      before->load_count != 1 || before->loads[0].value != before->stores[0].value ||
      !cpu_is_native(before->loads[0].dtype) || after->load_count != 1)
    return false;
  const CressetTensor *x = cpu_input(call, 0), *y = cpu_output(call, 0);
  int64_t rows = 1, n;
  if (x->dl.ndim == 1 && reduced_dims == 1) n = x->dl.shape[0];
  else if (x->dl.ndim == 2 && reduced_dims == 2 && x->dl.strides[0] == x->dl.shape[1] && y->dl.strides[0] == 1)
    rows = x->dl.shape[0], n = x->dl.shape[1];
  else return false;
  if (x->dl.strides[x->dl.ndim - 1] != 1 || rows < 1 || rows > MOST_ROWS || n < 1 || n > PLAIN_LEAF / rows) return false;
  CpuFold fold = cpu_loops->fold[acc->kind][acc->type];
  char *r = cpu_address(y);
  if (after->step_count == 0 && after->loads[0].value == after->stores[0].value && cpu_is_native(after->stores[0].dtype)) {
    fold(rows, n, r, cpu_address(x));
    return true;
  }
  /* One operation with a number: a mean. */
  const CpuDirect *direct = &after->direct;
  if (direct->kind != CPU_DIRECT_OPERATION || direct->arity != 2 || direct->input[0] != 0 || direct->input[1] >= 0 ||
      !direct->vs)
    return false;
  _Alignas(64) char values[MOST_ROWS * 8];
  fold(rows, n, values, cpu_address(x));
  const void *number = direct->param[1] >= 0 ? (const void *)&job->params[(int)direct->param[1]] : &direct->literal[1];
  direct->vs(rows, r, values, number, NULL);
  return true;
}

CressetStatus *cpu_reduce(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  const CressetReduceAttributes *attributes = call->attributes;
  if (!attributes || !call->program || !call->epilogue || attributes->accumulator_count > CRESSET_MAX_OUTPUTS)
    return cpu_fail(CRESSET_ERROR_INVALID, "%s: a malformed reduction", call->op ? call->op : "a call");
  Reduce job; /* large, and a small call uses little of it: what follows is set field by field */
  memset(&job, 0, offsetof(Reduce, space));
  memset((char *)&job + offsetof(Reduce, inputs), 0, sizeof job - offsetof(Reduce, inputs));
  job.params = call->params;
  job.inputs = call->input_count;
  job.outputs = call->output_count;
  job.accumulators = attributes->accumulator_count;
  job.chunks = job.levels = 1;
  if (!(job.prologue = cpu_program(call->program, &status))) return status;
  if (!(job.epilogue = cpu_program(call->epilogue, &status))) return status;
  if (job.prologue->store_count != job.accumulators || call->epilogue->input_count > job.accumulators ||
      call->program->input_count > call->input_count || job.epilogue->store_count > call->output_count ||
      call->program->param_count > call->param_count || call->epilogue->param_count > call->param_count)
    return cpu_fail(CRESSET_ERROR_INVALID, "%s: programs and tensors of a reduction do not fit",
                    call->op ? call->op : "a call");
  bool in_order = false;
  static const uint8_t operation[] = {CRESSET_OP_ADD, CRESSET_OP_MUL, CRESSET_OP_MAX, CRESSET_OP_MIN,
                                      CRESSET_OP_OR,  CRESSET_OP_AND, CRESSET_OP_MAX, CRESSET_OP_MIN};
  for (uint32_t k = 0; k < job.accumulators; k++) {
    Accumulator *acc = &job.accumulator[k];
    acc->kind = attributes->kinds[k];
    acc->type = cpu_widened[job.prologue->stores[k].dtype];
    acc->is_argument = acc->kind == CRESSET_REDUCE_ARGMAX || acc->kind == CRESSET_REDUCE_ARGMIN;
    in_order |= acc->is_argument;
    if (acc->kind >= CRESSET_REDUCE_COUNT || !cpu_is_native(job.prologue->stores[k].dtype) ||
        (!acc->is_argument && !cpu_loops->fold[acc->kind][acc->type]))
      return cpu_fail(CRESSET_ERROR_UNSUPPORTED, "%s: a reduction of kind %u of such values",
                      call->op ? call->op : "a call", acc->kind);
    acc->combine = cpu_loops->op[operation[acc->kind]][acc->type];
  }
  if (run_small(&job, call, attributes->reduced_dims)) return NULL;
  cpu_space_begin(&job.space, cpu_output(call, 0));
  for (uint32_t k = 0; k < call->input_count; k++) cpu_space_add(&job.space, cpu_input(call, k));
  for (uint32_t k = 0; k < call->output_count; k++) cpu_space_add(&job.space, cpu_output(call, k));
  if (job.prologue->index_value != UINT32_MAX) cpu_space_add_index(&job.space);
  job.groups = 1;
  for (int d = 0; d < job.space.rank; d++)
    if (!(attributes->reduced_dims >> d & 1)) job.groups *= job.space.size[d];
  if (job.groups == 0) return NULL;

  arrange(&job, attributes->reduced_dims, in_order);
  job.plain = job.leaves > 0 && reads_plainly(&job, job.by_columns ? job.kept - 1 : job.space.rank - 1);
  if (job.plain) enlarge(&job);
  job.groups_a_row = job.kept > 0 ? cpu_ceil_div(job.space.size[job.kept - 1], job.group) : 1;
  job.groups = job.groups_a_row;
  for (int d = 0; d + 1 < job.kept; d++) job.groups *= job.space.size[d];
  job.cell = (size_t)job.group * (in_order ? 16 : 8);
  job.cell = (job.cell + 63) & ~(size_t)63;
  for (int64_t n = job.leaves; n > 0; n >>= 1) job.levels++;

  int64_t bytes = job.prologue->cost + 1;
  for (uint32_t k = 0; k < job.inputs; k++) bytes += cpu_dtype_size[job.space.operand[k].dtype];
  int64_t leaf_bytes = bytes * job.group * job.leaf_size * job.leaf_inner + 64;
  job.chunk = cpu_max(job.leaves, 1);
  int64_t tasks = 4 * (int64_t)cpu_thread_count();
  if (job.groups < tasks && job.leaves > 1 && tasks > 4) {
    int64_t wanted = cpu_max(cpu_ceil_div(job.leaves * job.groups, tasks), CPU_PARALLEL_BYTES / leaf_bytes);
    for (job.chunk = 1; job.chunk < wanted; job.chunk *= 2) {}
    job.chunks = cpu_ceil_div(job.leaves, job.chunk);
  }
  if (job.chunks > 1) {
    size_t needed = (size_t)(job.groups * job.chunks) * job.accumulators * job.cell;
    if (!(job.partial = aligned_alloc(64, needed))) return cpu_out_of_memory(needed);
  }
  int64_t task_bytes = leaf_bytes * cpu_max(cpu_min(job.chunk, job.leaves), 1);
  cpu_parallel(job.groups * job.chunks, CPU_PARALLEL_BYTES / task_bytes, run_tasks, &job);
  if (job.chunks > 1 && !job.failed) cpu_parallel(job.groups, 64, run_partials, &job);
  free(job.partial);
  return job.failed ? cpu_out_of_memory(cpu_frame_bytes(job.prologue)) : NULL;
}
