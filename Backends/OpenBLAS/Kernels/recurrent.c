/* recurrent.c: a pass of an LSTM through time, forward and backward.
 *
 * Rows of the batch do not meet before the gradient of the weights, so a task takes some rows through all steps. The
 * hidden state's weights are packed once. Backward, the gates are computed again from the states, which were kept. */
#include "internal.h"

enum { ROWS = 112, TASK_WORK = 1 << 21 };

typedef struct Step {
  char *base;
  int64_t time, row, column; /* strides in bytes */
} Step;

typedef struct Job {
  Step inputs, hidden, cell, states, g; /* of hidden and cell: the first; time is 0 */
  Step g_inputs, g_hidden, g_cell;
  int64_t steps, batch, n;
  uint32_t type;
  int64_t size;
  bool reversed;
  const char *forth, *back; /* the weights, packed: hidden to gates, gates to hidden */
  _Atomic int failed;
} Job;

static Step step_of(const CressetTensor *x) {
  int r = x->dl.ndim;
  int64_t size = cpu_dtype_size[x->dtype];
  return (Step){cpu_address(x), r > 2 ? x->dl.strides[0] * size : 0, x->dl.strides[r - 2] * size,
                x->dl.strides[r - 1] * size};
}

static int64_t round_up(int64_t n, int64_t step) { return cpu_ceil_div(n, step) * step; }

/* c = a b or c += a b, of dense rows a and packed b, by blocks of depth that stay in cache. */
static void multiply(const Job *job, int64_t rows, int64_t columns, int64_t depth, const char *a, int64_t a_row,
                     const char *b, char *c, int64_t c_row, bool add) {
  int64_t strip = cpu_loops->gemm_columns[job->type];
  cpu_loops->gemm[job->type](&(CpuTiles){.rows = rows, .columns = columns, .depth = depth, .a = a, .b = b, .c = c,
                                         .a_row = a_row, .a_deep = 1, .a_strip = cpu_loops->gemm_rows * a_row,
                                         .b_deep = strip, .b_strip = strip * depth, .c_row = c_row, .add = add});
}

/* Copies rows x columns from anywhere to dense rows, or back. */
static void take(const Job *job, const Step *x, int64_t t, int64_t row, int64_t rows, int64_t column, int64_t columns,
                 char *r) {
  cpu_loops->copy[job->size](rows, columns, r, x->base + t * x->time + row * x->row + column * x->column, x->row,
                             x->column);
}
static void give(const Job *job, const Step *x, int64_t t, int64_t row, int64_t rows, int64_t columns, const char *r) {
  cpu_loops->store[cpu_native_dtype[job->type]](rows, columns, x->base + t * x->time + row * x->row, x->row, x->column, r);
}

/* The time of step s of the pass. */
static int64_t time_of(const Job *job, int64_t s) { return job->reversed ? job->steps - 1 - s : s; }

static void run_forward(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  int64_t n = job->n, size = job->size, line = n * size;
  char *memory = cpu_scratch(CPU_SCRATCH_BODY, (size_t)(ROWS * 6 * line));
  if (!memory) {
    job->failed = 1;
    return;
  }
  char *gates = memory, *hidden = gates + ROWS * 4 * line, *cell = hidden + ROWS * line;
  for (int64_t row = begin; row < end; row += ROWS) {
    int64_t rows = cpu_min(ROWS, end - row);
    take(job, &job->hidden, 0, row, rows, 0, n, hidden);
    take(job, &job->cell, 0, row, rows, 0, n, cell);
    for (int64_t s = 0; s < job->steps; s++) {
      int64_t t = time_of(job, s);
      take(job, &job->inputs, t, row, rows, 0, 4 * n, gates);
      multiply(job, rows, 4 * n, n, hidden, n, job->forth, gates, 4 * n, true);
      for (int64_t r = 0; r < rows; r++) {
        char *state = job->states.base + t * job->states.time + (row + r) * job->states.row;
        cpu_loops->lstm_gates[job->type](n, gates + r * 4 * line, cell + r * line, state, state + line);
        memcpy(hidden + r * line, state, (size_t)line);
        memcpy(cell + r * line, state + line, (size_t)line);
      }
    }
  }
}

static void run_backward(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  int64_t n = job->n, size = job->size, line = n * size;
  char *memory = cpu_scratch(CPU_SCRATCH_BODY, (size_t)(ROWS * 11 * line));
  if (!memory) {
    job->failed = 1;
    return;
  }
  char *gates = memory, *hidden = gates + ROWS * 4 * line, *cell = hidden + ROWS * line, *next = cell + ROWS * line;
  char *g = next + ROWS * line, *gh = g + 2 * ROWS * line, *gc = gh + ROWS * line;
  CpuOp add = cpu_loops->op[CRESSET_OP_ADD][job->type];
  for (int64_t row = begin; row < end; row += ROWS) {
    int64_t rows = cpu_min(ROWS, end - row);
    memset(gh, 0, (size_t)(rows * line));
    memset(gc, 0, (size_t)(rows * line));
    take(job, &job->states, time_of(job, job->steps - 1), row, rows, n, n, next);
    for (int64_t s = job->steps - 1; s >= 0; s--) {
      int64_t t = time_of(job, s);
      if (s > 0) {
        int64_t before = time_of(job, s - 1);
        take(job, &job->states, before, row, rows, 0, n, hidden);
        take(job, &job->states, before, row, rows, n, n, cell);
      } else {
        take(job, &job->hidden, 0, row, rows, 0, n, hidden);
        take(job, &job->cell, 0, row, rows, 0, n, cell);
      }
      take(job, &job->inputs, t, row, rows, 0, 4 * n, gates);
      multiply(job, rows, 4 * n, n, hidden, n, job->forth, gates, 4 * n, true);
      take(job, &job->g, t, row, rows, 0, 2 * n, g);
      for (int64_t r = 0; r < rows; r++) {
        char *h = gh + r * line, *c = gc + r * line;
        add(n, h, h, g + 2 * r * line, NULL);
        add(n, c, c, g + (2 * r + 1) * line, NULL);
        cpu_loops->lstm_gradient[job->type](n, gates + r * 4 * line, cell + r * line, next + r * line, h, c);
      }
      give(job, &job->g_inputs, t, row, rows, 4 * n, gates);
      multiply(job, rows, n, 4 * n, gates, 4 * n, job->back, gh, n, false);
      char *swap = next;
      next = cell;
      cell = swap;
    }
    give(job, &job->g_hidden, 0, row, rows, n, gh);
    give(job, &job->g_cell, 0, row, rows, n, gc);
  }
}

/* Rows for a thread: enough work, and full tiles. */
static int64_t grain_of(const Job *job) {
  int64_t work = 8 * job->n * job->n * job->steps + 1;
  int64_t least = cpu_max(cpu_ceil_div(TASK_WORK, work), cpu_ceil_div(job->batch, cpu_thread_count()));
  return cpu_min(round_up(least, 2), job->batch);
}

/* weights [4n, n]: packed as the second factor of hidden weightsᵀ, and of gates weights. */
static CressetStatus *pack_weights(Job *job, const CressetTensor *w, bool backward) {
  int64_t n = job->n, size = job->size, strip = cpu_loops->gemm_columns[job->type];
  size_t forth = (size_t)(round_up(round_up(4 * n, strip) * n * size, 64));
  size_t back = backward ? (size_t)(round_up(n, strip) * 4 * n * size) : 0;
  char *memory = cpu_scratch(CPU_SCRATCH_LAUNCH, forth + back);
  if (!memory) return cpu_out_of_memory(forth + back);
  int64_t row = w->dl.strides[0] * size, column = w->dl.strides[1] * size;
  cpu_loops->pack[size](4 * n, strip, n, memory, cpu_address(w), row, column);
  if (backward) cpu_loops->pack[size](n, strip, 4 * n, memory + forth, cpu_address(w), column, row);
  job->forth = memory;
  job->back = memory + forth;
  return NULL;
}

static bool is_reversed(const CressetCall *call, uint32_t i) {
  if (call->argument_count <= i) return false;
  return ((const CressetArgument *)(const void *)((const char *)call->arguments +
                                                  (size_t)i * call->arguments->struct_size))
             ->integer != 0;
}

static bool read_job(const CressetCall *call, uint32_t first, Job *job) {
  if (call->input_count != first + 4) return false;
  const CressetTensor *x = cpu_input(call, first), *w = cpu_input(call, first + 3);
  if (x->dl.ndim != 3 || w->dl.ndim != 2 || (x->dtype != CRESSET_FLOAT32 && x->dtype != CRESSET_FLOAT64)) return false;
  *job = (Job){.inputs = step_of(x), .hidden = step_of(cpu_input(call, first + 1)),
               .cell = step_of(cpu_input(call, first + 2)), .steps = x->dl.shape[0], .batch = x->dl.shape[1],
               .n = w->dl.shape[1], .type = cpu_widened[x->dtype], .size = cpu_dtype_size[x->dtype],
               .reversed = is_reversed(call, first + 4)};
  return x->dl.shape[2] == 4 * job->n && w->dl.shape[0] == 4 * job->n;
}

CressetStatus *cpu_lstm_pass(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  Job job;
  if (!read_job(call, 0, &job)) return cpu_fail(CRESSET_ERROR_INVALID, "%s: arguments that do not fit", call->op);
  job.states = step_of(cpu_output(call, 0));
  if ((status = pack_weights(&job, cpu_input(call, 3), false))) return status;
  cpu_parallel(job.batch, grain_of(&job), run_forward, &job);
  return job.failed ? cpu_out_of_memory((uint64_t)(ROWS * 6 * job.n * job.size)) : NULL;
}

/* gradient of weights (+)= gatesᵀ hidden, of `count` times from `at` (gates) and `from` on. */
static CressetStatus *weight_gradient(const Job *job, const CressetTensor *to, char *out, int64_t at, const Step *hidden,
                                      int64_t from, int64_t count) {
  int64_t n = job->n, size = job->size, rows = count * job->batch;
  uint32_t dtype = to->dtype;
  CpuProduct product = {.m = 4 * n, .n = n, .k = rows, .batch = 1, .type = job->type};
  product.a = (CpuMatrix){job->g_inputs.base + at * job->g_inputs.time, 4 * n, rows, size, 4 * n * size, dtype};
  product.b = (CpuMatrix){hidden->base + from * hidden->time, rows, n, hidden->row, hidden->column, dtype};
  product.c = (CpuMatrix){out, 4 * n, n, n * size, size, dtype};
  product.space = (CpuSpace){.operands = 3, .count = 1};
  for (int o = 0; o < 3; o++) product.space.operand[o] = (CpuOperand){NULL, dtype, {0}};
  return cpu_own_gemm(&product);
}

CressetStatus *cpu_lstm_pass_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  Job job;
  if (!read_job(call, 2, &job) || call->output_count != 4)
    return cpu_fail(CRESSET_ERROR_INVALID, "%s: arguments that do not fit", call->op);
  job.g = step_of(cpu_input(call, 0));
  job.states = step_of(cpu_input(call, 1));
  job.g_inputs = step_of(cpu_output(call, 0));
  job.g_hidden = step_of(cpu_output(call, 1));
  job.g_cell = step_of(cpu_output(call, 2));
  if ((status = pack_weights(&job, cpu_input(call, 5), true))) return status;
  cpu_parallel(job.batch, grain_of(&job), run_backward, &job);
  if (job.failed) return cpu_out_of_memory((uint64_t)(ROWS * 11 * job.n * job.size));
  /* The gates of a step meet the hidden state before it: all steps but the first at once, then the first. */
  const CressetTensor *w = cpu_output(call, 3);
  int64_t others = job.steps - 1, first = time_of(&job, 0);
  size_t bytes = (size_t)(4 * job.n * job.n * job.size);
  status = weight_gradient(&job, w, cpu_address(w), first, &job.hidden, 0, 1);
  if (status || others == 0) return status;
  char *rest = malloc(bytes);
  if (!rest) return cpu_out_of_memory(bytes);
  status = weight_gradient(&job, w, rest, job.reversed ? 0 : 1, &job.states, job.reversed ? 1 : 0, others);
  if (!status) cpu_loops->op[CRESSET_OP_ADD][job.type](4 * job.n * job.n, cpu_address(w), cpu_address(w), rest, NULL);
  free(rest);
  return status;
}

bool cpu_lstm_pass_takes(const CressetCall *call) {
  Job job;
  if (!read_job(call, call->input_count == 6 ? 2 : 0, &job)) return false;
  /* States lie as the forward pass wrote them: rows of all steps one after another. */
  const CressetTensor *states = call->input_count == 6 ? cpu_input(call, 1) : cpu_output(call, 0);
  return states->dl.strides[2] == 1 && states->dl.strides[1] == 2 * job.n &&
         states->dl.strides[0] == 2 * job.n * job.batch;
}
