/* softmax.c: softmax, log-softmax and log-sum-exp along rows, and their gradients. */
#include "fused.h"

#include <math.h>

/* Rows up to this many bytes are read twice from near cache, longer ones in blocks. */
enum { NEAR_BYTES = 256 << 10, NEAR_BLOCK = 2048 };

void cpu_exp_statistics(uint32_t type, int64_t n, const char *a, double *largest, double *sum) {
  const CpuRowLoops *loops = &cpu_loops->row[type];
  double m = -INFINITY, s = 0;
  for (int64_t i = 0; i < n; i += NEAR_BLOCK) {
    int64_t count = cpu_min(NEAR_BLOCK, n - i);
    const char *block = a + i * cpu_type_size[type];
    double best = loops->max(count, block);
    if (best > m) {
      s *= exp(m - best);
      m = best;
    }
    /* Nothing but -inf so far adds nothing, unless there is a NaN. */
    if (m == -INFINITY) s += isnan(loops->sum(count, block)) ? NAN : 0;
    else s += loops->exp_sum(count, block, m);
  }
  *largest = m;
  *sum = isinf(m) ? NAN : s;
}

static void softmax_row(const CpuRows *rows, char *r, const char *x) {
  const CpuRowLoops *loops = &cpu_loops->row[rows->type];
  int64_t n = rows->n;
  double m, s;
  if (n * cpu_type_size[rows->type] <= NEAR_BYTES) {
    s = loops->exp(n, r, x, loops->max(n, x));
    loops->scale(n, r, r, 1 / s);
    return;
  }
  cpu_exp_statistics(rows->type, n, x, &m, &s);
  loops->exp_scale(n, r, x, m, 1 / s);
}

static void log_softmax_row(const CpuRows *rows, char *r, const char *x) {
  const CpuRowLoops *loops = &cpu_loops->row[rows->type];
  double m, s;
  cpu_exp_statistics(rows->type, rows->n, x, &m, &s);
  loops->shift(rows->n, r, x, m, log(s));
}

typedef struct Softmax {
  CpuRows rows; /* operands: x, result; or y, gradient, result */
  void (*forward)(const CpuRows *rows, char *r, const char *x);
  bool is_log;
} Softmax;

static void run_forward(void *context, int64_t begin, int64_t end) {
  Softmax *job = context;
  CpuRows *rows = &job->rows;
  size_t bytes = cpu_rows_bytes(rows);
  CpuRowPass pass;
  if (!cpu_pass_begin(&pass, rows, begin, end, 2 * bytes)) return;
  while (cpu_pass_next(&pass)) {
    int64_t x_step, r_step;
    const char *x = cpu_rows_read(rows, 0, &pass.walk, pass.count, pass.scratch, &x_step);
    char *target = pass.scratch + bytes, *r = cpu_rows_target(rows, 1, &pass.walk, target, &r_step);
    for (int64_t j = 0; j < pass.count; j++) job->forward(rows, r + j * r_step, x + j * x_step);
    cpu_rows_write(rows, 1, &pass.walk, pass.count, r, target);
  }
}

static void run_backward(void *context, int64_t begin, int64_t end) {
  Softmax *job = context;
  CpuRows *rows = &job->rows;
  const CpuRowLoops *loops = &cpu_loops->row[rows->type];
  size_t bytes = cpu_rows_bytes(rows);
  CpuRowPass pass;
  if (!cpu_pass_begin(&pass, rows, begin, end, 3 * bytes)) return;
  while (cpu_pass_next(&pass)) {
    int64_t y_step, g_step, r_step;
    const char *y = cpu_rows_read(rows, 0, &pass.walk, pass.count, pass.scratch, &y_step);
    const char *g = cpu_rows_read(rows, 1, &pass.walk, pass.count, pass.scratch + bytes, &g_step);
    char *target = pass.scratch + 2 * bytes, *r = cpu_rows_target(rows, 2, &pass.walk, target, &r_step);
    for (int64_t j = 0; j < pass.count; j++, y += y_step, g += g_step)
      if (job->is_log) loops->log_softmax_backward(rows->n, r + j * r_step, y, g, loops->sum(rows->n, g));
      else loops->softmax_backward(rows->n, r + j * r_step, y, g, loops->product(rows->n, y, g));
    cpu_rows_write(rows, 2, &pass.walk, pass.count, r, target);
  }
}

static CressetStatus *forward(const CressetCall *call, void (*row)(const CpuRows *, char *, const char *)) {
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  const CressetTensor *x = cpu_tensor_argument(call, 0);
  if (!x) return cpu_malformed(call);
  Softmax job = {.forward = row};
  job.rows.type = cpu_widened[x->dtype];
  cpu_space_begin(&job.rows.space, x);
  cpu_space_add(&job.rows.space, x);
  cpu_space_add(&job.rows.space, cpu_output(call, 0));
  cpu_rows_arrange(&job.rows, 1u << cpu_dim(x, cpu_int_argument(call, 1)));
  cpu_rows_run(&job.rows, 16, run_forward, &job);
  return cpu_rows_status(&job.rows);
}

CressetStatus *cpu_softmax(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  return forward(call, softmax_row);
}

CressetStatus *cpu_log_softmax(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  return forward(call, log_softmax_row);
}

static CressetStatus *backward(const CressetCall *call, bool is_log) {
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  const CressetTensor *g = cpu_tensor_argument(call, 0), *y = cpu_tensor_argument(call, 1);
  if (!g || !y) return cpu_malformed(call);
  Softmax job = {.is_log = is_log};
  job.rows.type = cpu_widened[y->dtype];
  cpu_space_begin(&job.rows.space, y);
  cpu_space_add(&job.rows.space, y);
  cpu_space_add(&job.rows.space, g);
  cpu_space_add(&job.rows.space, cpu_output(call, 0));
  cpu_rows_arrange(&job.rows, 1u << cpu_dim(y, cpu_int_argument(call, 3)));
  cpu_rows_run(&job.rows, is_log ? 20 : 16, run_backward, &job);
  return cpu_rows_status(&job.rows);
}

CressetStatus *cpu_softmax_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  return backward(call, false);
}

CressetStatus *cpu_log_softmax_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  return backward(call, true);
}

/* ------------------------------------------------------------- log-sum-exp -- */

typedef struct LogSumExp {
  CpuRows rows; /* operand: x */
  char *result; /* by rows */
  uint32_t dtype;
} LogSumExp;

/* (An infinite maximum would give inf - inf.) */
static double shifted_sum(uint32_t type, int64_t n, const char *x, double *shift) {
  double s;
  cpu_exp_statistics(type, n, x, shift, &s);
  if (!isinf(*shift)) return s;
  bool infinite = *shift > 0;
  *shift = 0;
  s = cpu_loops->row[type].exp_sum(n, x, 0); /* 0, unless infinite or NaN */
  return infinite && !isnan(s) ? INFINITY : s;
}

static void run_logsumexp(void *context, int64_t begin, int64_t end) {
  LogSumExp *job = context;
  CpuRows *rows = &job->rows;
  CpuRowPass pass;
  if (!cpu_pass_begin(&pass, rows, begin, end, cpu_rows_bytes(rows))) return;
  while (cpu_pass_next(&pass)) {
    int64_t step;
    const char *x = cpu_rows_read(rows, 0, &pass.walk, pass.count, pass.scratch, &step);
    for (int64_t j = 0; j < pass.count; j++) {
      double m, s = shifted_sum(rows->type, rows->n, x + j * step, &m);
      cpu_store_float(job->dtype, job->result + (pass.row + j) * cpu_dtype_size[job->dtype], log(s) + m);
    }
  }
}

/* The dims of a list, all of them for an empty one. */
static uint32_t dims_mask(const CressetCall *call, uint32_t k, const CressetTensor *x) {
  const CressetArgument *dims = cpu_argument(call, k);
  uint32_t mask = 0;
  for (uint64_t i = 0; i < dims->count; i++) mask |= 1u << cpu_dim(x, dims->ints[i]);
  return dims->count ? mask : (1u << x->dl.ndim) - 1;
}

CressetStatus *cpu_logsumexp(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  const CressetTensor *x = cpu_tensor_argument(call, 0), *result = cpu_output(call, 0);
  if (!x || call->argument_count < 2) return cpu_malformed(call);
  LogSumExp job = {.result = cpu_address(result), .dtype = result->dtype};
  job.rows.type = cpu_widened[x->dtype];
  cpu_space_begin(&job.rows.space, x);
  cpu_space_add(&job.rows.space, x);
  cpu_rows_arrange(&job.rows, dims_mask(call, 1, x));
  cpu_rows_run(&job.rows, 12, run_logsumexp, &job);
  return cpu_rows_status(&job.rows);
}
