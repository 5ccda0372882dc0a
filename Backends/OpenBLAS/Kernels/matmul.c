/* matmul.c: the matmul family: which product goes to BLAS, and how. */
#include "internal.h"

#include <limits.h>

/* A matrix as BLAS takes it: row-major, perhaps transposed, lines `ld` elements apart. */
typedef struct Form {
  bool fits, transposed;
  int64_t ld;
} Form;

static Form form_of(const CpuMatrix *x) {
  int64_t size = cpu_dtype_size[x->dtype];
  for (int t = 0; t < 2; t++) {
    int64_t lines = t ? x->columns : x->rows, length = t ? x->rows : x->columns;
    int64_t line = t ? x->column : x->row, step = t ? x->row : x->column;
    if (length > 1 && step != size) continue;
    if (lines > 1 && line < length * size) continue;
    int64_t ld = lines > 1 ? line / size : cpu_max(length, 1);
    if (line % size == 0 && ld <= INT_MAX) return (Form){true, t, ld};
  }
  return (Form){0};
}

/* Copies a matrix, widened, into dense rows; several threads. */
typedef struct Gathering {
  CpuMatrix from;
  char *to;
} Gathering;

static void gather_rows(void *context, int64_t begin, int64_t end) {
  const Gathering *job = context;
  const CpuMatrix *x = &job->from;
  int64_t line = x->columns * cpu_type_size[cpu_widened[x->dtype]];
  cpu_loops->load[x->dtype](end - begin, x->columns, job->to + begin * line, x->base + begin * x->row, x->row,
                            x->column);
}

static void gather_matrix(const CpuMatrix *from, char *to) {
  cpu_parallel(from->rows, cpu_ceil_div(CPU_PARALLEL_BYTES, from->columns * 8), gather_rows, &(Gathering){*from, to});
}

static void scatter_rows(void *context, int64_t begin, int64_t end) {
  const Gathering *job = context;
  const CpuMatrix *x = &job->from;
  int64_t line = x->columns * cpu_type_size[cpu_widened[x->dtype]];
  cpu_loops->store[x->dtype](end - begin, x->columns, x->base + begin * x->row, x->row, x->column,
                             job->to + begin * line);
}

/* Runs the epilogue over rows x columns accumulators, dense lines `pitch` bytes apart at `acc`
 * (which may be the output itself), of the matrix whose corner is (row, column). */
static CressetStatus *run_epilogue(const CpuProduct *product, const CpuWalk *walk, char *acc, int64_t acc_row,
                                   int64_t acc_column, int64_t row, int64_t column, int64_t rows, int64_t columns) {
  CpuSpace space = {.rank = 2, .operands = 0, .count = rows * columns, .size = {rows, columns}};
  space.operand[space.operands++] = (CpuOperand){acc, cpu_native_dtype[product->type], {acc_row, acc_column}};
  for (uint32_t e = 0; e < product->extras; e++) {
    const CpuOperand *extra = &product->space.operand[e + 3];
    char *base = extra->base + walk->offset[e + 3] + row * product->extra_row[e] + column * product->extra_column[e];
    space.operand[space.operands++] =
        (CpuOperand){base, extra->dtype, {product->extra_row[e], product->extra_column[e]}};
  }
  const CpuMatrix *c = &product->c;
  space.operand[space.operands++] = (CpuOperand){c->base + walk->offset[2] + row * c->row + column * c->column,
                                                 c->dtype, {c->row, c->column}};
  return cpu_run_pointwise(product->epilogue, &space, product->extras + 1, 1, product->params);
}

/* The product of one pair of matrices straight in memory; false if a layout does not allow it. */
static bool multiply_in_place(const CpuProduct *product, const CpuMatrix *a, const CpuMatrix *b, const CpuMatrix *c) {
  if (cpu_widened[c->dtype] != product->type || !cpu_is_native(c->dtype)) return false;
  int64_t size = cpu_dtype_size[c->dtype], m = product->m, n = product->n, k = product->k;
  if (m > INT_MAX || n > INT_MAX || k > INT_MAX) return false;
  Form fa = form_of(a), fb = form_of(b), fc = form_of(c);
  if ((n == 1 || m == 1) && k > 1) {
    /* y = A x with A the matrix, or its transpose. */
    const CpuMatrix *matrix = n == 1 ? a : b;
    Form f = n == 1 ? fa : fb;
    int64_t x_step = n == 1 ? b->row / size : a->column / size, y_step = n == 1 ? c->row / size : c->column / size;
    bool single = n == 1 && m == 1;
    if (single) y_step = 1;
    if (f.fits && x_step > 0 && x_step <= INT_MAX && y_step > 0 && y_step <= INT_MAX) {
      bool transpose = (n == 1) == f.transposed;
      int64_t rows = f.transposed ? matrix->columns : matrix->rows;
      int64_t columns = f.transposed ? matrix->rows : matrix->columns;
      cpu_blas_gemv(product->type, transpose, rows, columns, matrix->base, f.ld, n == 1 ? b->base : a->base, x_step,
                    c->base, y_step);
      return true;
    }
  }
  if (!fa.fits || !fb.fits || !fc.fits) return false;
  if (!fc.transposed)
    cpu_blas_gemm(product->type, fa.transposed, fb.transposed, m, n, k, a->base, fa.ld, b->base, fb.ld, false, c->base,
                  fc.ld);
  else /* the transpose of c is the transpose of b times that of a */
    cpu_blas_gemm(product->type, !fb.transposed, !fa.transposed, n, m, k, b->base, fb.ld, a->base, fa.ld, false,
                  c->base, fc.ld);
  return true;
}

enum { PANEL = 512, PANEL_DEPTH = 4096 };

/* The product of one pair of matrices by panels: packed and widened, multiplied, narrowed and written out. */
static CressetStatus *multiply_by_panels(const CpuProduct *product, const CpuWalk *walk, const CpuMatrix *a,
                                         const CpuMatrix *b, const CpuMatrix *c) {
  int64_t size = cpu_type_size[product->type], m = product->m, n = product->n, k = product->k;
  size_t a_bytes = (size_t)(cpu_min(m, PANEL) * cpu_min(k, PANEL_DEPTH) * size);
  size_t b_bytes = (size_t)(cpu_min(n, PANEL) * cpu_min(k, PANEL_DEPTH) * size);
  size_t c_bytes = (size_t)(cpu_min(m, PANEL) * cpu_min(n, PANEL) * size);
  char *memory = cpu_scratch(CPU_SCRATCH_LAUNCH, a_bytes + b_bytes + c_bytes);
  if (!memory) return cpu_out_of_memory(a_bytes + b_bytes + c_bytes);
  char *pa = memory, *pb = pa + a_bytes, *pc = pb + b_bytes;
  for (int64_t column = 0; column < n; column += PANEL)
    for (int64_t row = 0; row < m; row += PANEL) {
      int64_t rows = cpu_min(PANEL, m - row), columns = cpu_min(PANEL, n - column);
      for (int64_t d = 0; d < k; d += PANEL_DEPTH) {
        int64_t depth = cpu_min(PANEL_DEPTH, k - d);
        CpuMatrix from_a = {a->base + row * a->row + d * a->column, rows, depth, a->row, a->column, a->dtype};
        CpuMatrix from_b = {b->base + d * b->row + column * b->column, depth, columns, b->row, b->column, b->dtype};
        gather_matrix(&from_a, pa);
        if (row == 0 || k > PANEL_DEPTH) gather_matrix(&from_b, pb);
        cpu_blas_gemm(product->type, false, false, rows, columns, depth, pa, depth, pb, columns, d > 0, pc, columns);
      }
      if (product->epilogue) {
        CressetStatus *status =
            run_epilogue(product, walk, pc, columns * size, size, row, column, rows, columns);
        if (status) return status;
      } else {
        CpuMatrix to = {c->base + row * c->row + column * c->column, rows, columns, c->row, c->column, c->dtype};
        cpu_parallel(rows, cpu_ceil_div(CPU_PARALLEL_BYTES, columns * 8), scatter_rows, &(Gathering){to, pc});
      }
    }
  return NULL;
}

static CressetStatus *blas_products(const CpuProduct *product) {
  CpuWalk walk;
  cpu_walk_begin(&walk, &product->space, 0, product->space.rank, 0);
  for (int64_t i = 0; i < product->batch; i++, cpu_walk_next(&walk, &product->space)) {
    CpuMatrix a = product->a, b = product->b, c = product->c;
    a.base += walk.offset[0];
    b.base += walk.offset[1];
    c.base += walk.offset[2];
    CressetStatus *status = NULL;
    if (!multiply_in_place(product, &a, &b, &c)) status = multiply_by_panels(product, &walk, &a, &b, &c);
    else if (product->epilogue)
      status = run_epilogue(product, &walk, c.base, c.row, c.column, 0, 0, product->m, product->n);
    if (status) return status;
  }
  return NULL;
}

static CpuMatrix matrix_of(const CressetTensor *tensor) {
  int r = tensor->dl.ndim;
  int64_t size = cpu_dtype_size[tensor->dtype];
  return (CpuMatrix){cpu_address(tensor), tensor->dl.shape[r - 2], tensor->dl.shape[r - 1],
                     tensor->dl.strides[r - 2] * size, tensor->dl.strides[r - 1] * size, tensor->dtype};
}

/* Two small matrices of numbers that the kernels take as they lie: nothing is set up. False for any other. */
static bool multiply_small(const CressetCall *call) {
  if (call->input_count != 2 || call->program) return false;
  const CressetTensor *a = cpu_input(call, 0), *b = cpu_input(call, 1), *c = cpu_output(call, 0);
  if (a->dl.ndim != 2 || b->dl.ndim != 2 || c->dl.ndim != 2 || a->dtype != b->dtype || a->dtype != c->dtype) return false;
  if (a->dtype != CRESSET_FLOAT32 && a->dtype != CRESSET_FLOAT64) return false;
  int64_t m = c->dl.shape[0], n = c->dl.shape[1], k = a->dl.shape[1];
  enum { LARGEST = 64 };
  if (m < 1 || n < 1 || k < 1 || m > LARGEST || n > LARGEST || k > LARGEST) return false;
  const int64_t *sa = a->dl.strides, *sb = b->dl.strides, *sc = c->dl.strides;
  if ((n > 1 && (sb[1] != 1 || sc[1] != 1)) || (a->dtype == CRESSET_FLOAT32 ? sa[0] % 512 : sa[0] % 256) == 0)
    return false;
  uint32_t type = cpu_widened[a->dtype];
  cpu_loops->gemm[type](&(CpuTiles){.rows = m, .columns = n, .depth = k, .a = cpu_address(a), .b = cpu_address(b),
                                    .c = cpu_address(c), .a_row = sa[0], .a_deep = sa[1],
                                    .a_strip = cpu_loops->gemm_rows * sa[0], .b_deep = sb[0],
                                    .b_strip = cpu_loops->gemm_columns[type], .c_row = sc[0]});
  return true;
}

CressetStatus *cpu_matmul(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  if (multiply_small(call)) return NULL;
  const char *op = call->op ? call->op : "a call";
  if (call->input_count < 2) return cpu_fail(CRESSET_ERROR_INVALID, "%s: a product of %u matrices", op, call->input_count);
  const CressetTensor *ta = cpu_input(call, 0), *tb = cpu_input(call, 1), *tc = cpu_output(call, 0);
  if (ta->dl.ndim < 2 || ta->dl.ndim != tb->dl.ndim || ta->dl.ndim != tc->dl.ndim || tc->dtype == CRESSET_BOOL ||
      ta->dtype != tb->dtype || cpu_widened[ta->dtype] != cpu_widened[tc->dtype])
    return cpu_fail(CRESSET_ERROR_INVALID, "%s: matrices that do not fit", op);
  CpuProduct product = {.a = matrix_of(ta), .b = matrix_of(tb), .c = matrix_of(tc), .params = call->params,
                        .extras = call->input_count - 2};
  product.m = product.c.rows;
  product.n = product.c.columns;
  product.k = product.a.columns;
  product.type = cpu_widened[ta->dtype];
  if (call->program) {
    if (!(product.epilogue = cpu_program(call->program, &status))) return status;
    if (product.epilogue->store_count != 1 || call->program->input_count > product.extras + 1 ||
        call->program->param_count > call->param_count)
      return cpu_fail(CRESSET_ERROR_INVALID, "%s: the epilogue of a product does not fit", op);
  }
  CpuSpace *space = &product.space;
  cpu_space_begin(space, tc);
  cpu_space_add(space, ta);
  cpu_space_add(space, tb);
  cpu_space_add(space, tc);
  int r = tc->dl.ndim;
  for (uint32_t e = 0; e < product.extras; e++) {
    cpu_space_add(space, cpu_input(call, e + 2));
    product.extra_row[e] = space->operand[e + 3].stride[r - 2];
    product.extra_column[e] = space->operand[e + 3].stride[r - 1];
  }
  if (space->count == 0) return NULL;
  space->rank = r - 2;
  product.batch = space->count = space->count / (product.m * product.n);
  cpu_space_merge(space, 0, space->rank);

  /* BLAS, if it is in use, pays where one product is work enough; it has no integers and no empty products. */
  if (!cpu_blas_present()) return cpu_own_gemm(&product);
  double work = (double)product.m * (double)product.n * (double)product.k;
  bool big = work > (product.batch > 1 ? 96. * 96 * 96 : 24. * 24 * 24);
  bool vector = (product.m == 1 || product.n == 1) && work > 1024 && cpu_is_native(product.c.dtype);
  if (product.type >= CRESSET_TYPE_F32 && product.k > 0 && (big || vector))
    return blas_products(&product);
  return cpu_own_gemm(&product);
}
