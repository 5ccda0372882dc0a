/* attention.c: scaled dot-product attention, softmax(q kᵀ scale + mask) v, and its gradients.
 *
 * The matrix of all scores is never in memory. Forward, a block of queries meets one block of keys after another; the
 * sums so far are scaled whenever a greater score comes (Milakov, Gimelshein 2018; Dao et al. 2022). Backward, the
 * scores of a block of queries over all keys are computed again (Rabe, Staats 2021). */
#include "internal.h"

enum {
  KEYS = 256,             /* of a block */
  QUERIES = 112,          /* at most, of a block */
  PACKED_KEYS = 8192,     /* keys that are packed once for all queries of a task */
  SCORES = 1 << 17,       /* of a block of queries backward, about */
  FEW_QUERIES = 3,        /* for which keys and values are read once, as they lie */
  TASK_WORK = 1 << 21,
};

/* A tensor [..., rows, columns] of a batch. */
typedef struct Batch {
  const CressetTensor *tensor;
  int64_t rows, columns, row, column, size; /* strides in bytes; of an element */
  char *base;
} Batch;

static Batch batch_of(const CressetTensor *tensor) {
  int r = tensor->dl.ndim;
  int64_t size = cpu_dtype_size[tensor->dtype];
  return (Batch){tensor, tensor->dl.shape[r - 2], tensor->dl.shape[r - 1], tensor->dl.strides[r - 2] * size,
                 tensor->dl.strides[r - 1] * size, size, cpu_address(tensor)};
}

/* The matrix number `item` of a batch of `shape`; `shared` matrices of the last batch dim stand for one of it. */
static char *matrix_at(const Batch *x, const CressetTensor *shape, int64_t item, int64_t shared) {
  char *p = x->base;
  int skipped = shape->dl.ndim - x->tensor->dl.ndim;
  for (int d = shape->dl.ndim - 3; d >= 0; d--) {
    int64_t at = item % shape->dl.shape[d];
    item /= shape->dl.shape[d];
    if (d == shape->dl.ndim - 3) at /= shared;
    int own = d - skipped;
    if (own >= 0 && x->tensor->dl.shape[own] != 1) p += at * x->tensor->dl.strides[own] * x->size;
  }
  return p;
}

typedef struct Job {
  Batch q, k, v, mask, out; /* mask.tensor: NULL if there is none */
  /* Backward. */
  Batch g, gradients[3];
  bool wanted[3];
  const CressetTensor *shape;
  bool causal;
  double scale;
  uint32_t type;
  int64_t size, shared, queries, keys, features, values, heads;
  int64_t groups, block;
  _Atomic int failed;
} Job;

static int64_t round_up(int64_t n, int64_t step) { return cpu_ceil_div(n, step) * step; }

/* Rows [from, to) of a matrix as dense rows of the computing type: where they lie if they are that, else copied to r. */
static const char *dense(const Job *job, const Batch *x, const char *p, int64_t from, int64_t to, char *r,
                         int64_t *pitch) {
  p += from * x->row;
  if (cpu_is_native(x->tensor->dtype) && x->column == job->size && x->row % 4096 != 0 && x->row % job->size == 0) {
    *pitch = x->row / job->size;
    return p;
  }
  cpu_loops->load[x->tensor->dtype](to - from, x->columns, r, p, x->row, x->column);
  *pitch = x->columns;
  return r;
}

/* c (+)= a b over packed b. */
static void multiply(const Job *job, int64_t rows, int64_t columns, int64_t depth, const void *a, int64_t a_row,
                     int64_t a_deep, const void *packed, void *c, int64_t c_row) {
  int64_t strip = cpu_loops->gemm_columns[job->type];
  cpu_loops->gemm[job->type](&(CpuTiles){.rows = rows, .columns = columns, .depth = depth, .a = a, .b = packed, .c = c,
                                         .a_row = a_row, .a_deep = a_deep, .a_strip = cpu_loops->gemm_rows * a_row,
                                         .b_deep = strip, .b_strip = strip * depth, .c_row = c_row});
}

static void multiply_plain(const Job *job, int64_t rows, int64_t columns, int64_t depth, const void *a, int64_t a_row,
                           int64_t a_deep, const void *b, int64_t b_row, void *c, int64_t c_row, bool add) {
  cpu_loops->gemm[job->type](&(CpuTiles){.rows = rows, .columns = columns, .depth = depth, .a = a, .b = b, .c = c,
                                         .a_row = a_row, .a_deep = a_deep, .a_strip = cpu_loops->gemm_rows * a_row,
                                         .b_deep = b_row, .b_strip = cpu_loops->gemm_columns[job->type],
                                         .c_row = c_row, .add = add});
}

/* Packs `rows` dense rows as the columns of a second factor: strips of them, along their elements. */
static void pack_rows(const Job *job, const char *p, int64_t rows, int64_t columns, int64_t pitch, char *r) {
  cpu_loops->pack[job->size](rows, cpu_loops->gemm_columns[job->type], columns, r, p, pitch * job->size, job->size);
}

/* Adds the mask to (or, if it is bool, takes away by it) the scores of one query from key `key` on. */
static void apply_mask(const Job *job, const char *mask, int64_t query, int64_t key, int64_t n, char *s, char *spare) {
  const Batch *x = &job->mask;
  const char *p = mask + (x->rows == 1 ? 0 : query * x->row) + (x->columns == 1 ? 0 : key * x->column);
  cpu_loops->load[x->tensor->dtype](1, n, spare, p, 0, x->columns == 1 ? 0 : x->column);
  if (x->tensor->dtype != CRESSET_BOOL) {
    cpu_loops->op[CRESSET_OP_ADD][job->type](n, s, s, spare, NULL);
  } else if (job->type == CRESSET_TYPE_F32) {
    for (int64_t i = 0; i < n; i++) ((float *)(void *)s)[i] = spare[i] ? ((float *)(void *)s)[i] : -__builtin_inff();
  } else {
    for (int64_t i = 0; i < n; i++) ((double *)(void *)s)[i] = spare[i] ? ((double *)(void *)s)[i] : -__builtin_inf();
  }
}

static double number(const Job *job, const char *p, int64_t i) {
  return job->type == CRESSET_TYPE_F32 ? (double)((const float *)(const void *)p)[i]
                                       : ((const double *)(const void *)p)[i];
}
static void set_number(const Job *job, char *p, int64_t i, double x) {
  if (job->type == CRESSET_TYPE_F32) ((float *)(void *)p)[i] = (float)x;
  else ((double *)(void *)p)[i] = x;
}

/* What a row of weighted values is divided by. A query that sees nothing by its mask has no weights, not 0/0. */
static double inverse(const Job *job, double sum) {
  if (sum == 0 && (job->mask.tensor || job->keys == 0)) return 0;
  return 1 / sum;
}

/* ------------------------------------------------------------------ forward -- */

/* One query: keys and values are read once. */
static void attend_few(const Job *job, const char *q, const char *k, const char *v, const char *mask, char *out,
                       char *memory) {
  const CpuLoops *loops = cpu_loops;
  int64_t size = job->size, wide = cpu_max(job->features, job->values);
  char *row = memory, *copied = row + round_up(job->features * size, 64);
  char *scores = copied + round_up(KEYS * wide * size, 64), *spare = scores + round_up(job->keys * size, 64);
  char *sum = spare + round_up(job->keys * size, 64);
  for (int64_t i = 0; i < job->queries; i++) {
    int64_t keys = job->causal ? cpu_min(job->keys, i + 1) : job->keys, pitch;
    loops->load[job->q.tensor->dtype](1, job->features, row, q + i * job->q.row, 0, job->q.column);
    loops->attention[job->type].scale(job->features, row, row, job->scale);
    for (int64_t key = 0; key < keys; key += KEYS) {
      int64_t count = cpu_min(KEYS, keys - key);
      const char *lines = dense(job, &job->k, k, key, key + count, copied, &pitch);
      loops->gemv[job->type](count, job->features, lines, pitch, row, scores + key * size);
    }
    if (mask) apply_mask(job, mask, i, 0, keys, scores, spare);
    double most, total, factor;
    set_number(job, (char *)&most, 0, -__builtin_inf());
    set_number(job, (char *)&total, 0, 0);
    loops->attention[job->type].softmax(keys, scores, &most, &total, &factor);
    memset(sum, 0, (size_t)(job->values * size));
    for (int64_t key = 0; key < keys; key += KEYS) {
      int64_t count = cpu_min(KEYS, keys - key);
      const char *lines = dense(job, &job->v, v, key, key + count, copied, &pitch);
      loops->gevm[job->type](job->values, count, lines, pitch, scores + key * size, sum, key > 0);
    }
    loops->attention[job->type].scale(job->values, sum, sum, inverse(job, number(job, (char *)&total, 0)));
    loops->store[job->out.tensor->dtype](1, job->values, out + i * job->out.row, 0, job->out.column, sum);
  }
}

static void attend(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  const CpuLoops *loops = cpu_loops;
  const CpuAttentionLoops *rows = &loops->attention[job->type];
  int64_t size = job->size, wide = cpu_max(job->features, job->values), strip = loops->gemm_columns[job->type];
  bool few = job->queries <= FEW_QUERIES, whole = job->keys <= PACKED_KEYS;
  int64_t pitch = round_up(cpu_min(job->keys, KEYS), strip) + strip;
  size_t q_bytes = (size_t)round_up(job->block * job->features * size, 64);
  size_t k_bytes = (size_t)round_up(round_up(whole ? job->keys : KEYS, strip) * job->features * size, 64);
  size_t wide_bytes = (size_t)round_up(KEYS * wide * size, 64);
  size_t s_bytes = (size_t)round_up(job->block * pitch * size, 64);
  size_t o_bytes = (size_t)round_up(job->block * job->values * size, 64);
  size_t bytes = q_bytes + k_bytes + wide_bytes + s_bytes + o_bytes + (size_t)(round_up(KEYS * size, 64) + 4 * QUERIES * 8);
  if (few) bytes = wide_bytes + (size_t)((2 * job->keys + job->features + job->values) * size + 1024);
  char *memory = cpu_scratch(CPU_SCRATCH_BODY, bytes);
  if (!memory) {
    job->failed = 1;
    return;
  }
  char *q = memory, *packed = q + q_bytes, *copied = packed + k_bytes, *scores = copied + wide_bytes;
  char *sums = scores + s_bytes, *spare = sums + o_bytes, *most = spare + round_up(KEYS * size, 64);
  char *total = most + QUERIES * 8, *factor = total + QUERIES * 8;

  for (int64_t task = begin; task < end; task++) {
    int64_t item = task / job->groups, group = task % job->groups;
    const char *mq = matrix_at(&job->q, job->shape, item, 1), *mk = matrix_at(&job->k, job->shape, item, job->shared);
    const char *mv = matrix_at(&job->v, job->shape, item, job->shared);
    const char *mask = job->mask.tensor ? matrix_at(&job->mask, job->shape, item, 1) : NULL;
    char *out = matrix_at(&job->out, job->shape, item, 1);
    if (few) {
      attend_few(job, mq, mk, mv, mask, out, memory);
      continue;
    }
    int64_t blocks = cpu_ceil_div(job->queries, job->block);
    int64_t first = blocks * group / job->groups * job->block;
    int64_t last = cpu_min(blocks * (group + 1) / job->groups * job->block, job->queries), lines;
    int64_t visible = job->causal ? cpu_min(job->keys, last) : job->keys;
    for (int64_t key = 0; whole && key < visible; key += KEYS) {
      int64_t count = cpu_min(KEYS, visible - key);
      const char *dense_k = dense(job, &job->k, mk, key, key + count, copied, &lines);
      pack_rows(job, dense_k, count, job->features, lines, packed + key * job->features * size);
    }
    for (int64_t query = first; query < last; query += job->block) {
      int64_t count = cpu_min(job->block, last - query);
      loops->load[job->q.tensor->dtype](count, job->features, q, mq + query * job->q.row, job->q.row, job->q.column);
      rows->scale(count * job->features, q, q, job->scale);
      memset(sums, 0, (size_t)(count * job->values * size));
      for (int64_t i = 0; i < count; i++) {
        set_number(job, most, i, -__builtin_inf());
        set_number(job, total, i, 0);
      }
      int64_t seen = job->causal ? cpu_min(job->keys, query + count) : job->keys;
      for (int64_t key = 0; key < seen; key += KEYS) {
        int64_t keys = cpu_min(KEYS, seen - key);
        if (!whole) pack_rows(job, dense(job, &job->k, mk, key, key + keys, copied, &lines), keys, job->features, lines, packed);
        multiply(job, count, keys, job->features, q, job->features, 1,
                 whole ? packed + key * job->features * size : packed, scores, pitch);
        for (int64_t i = 0; i < count; i++) {
          char *s = scores + i * pitch * size;
          int64_t there = job->causal ? cpu_max(cpu_min(keys, query + i + 1 - key), 0) : keys;
          if (there < keys) memset(s + there * size, 0, (size_t)((keys - there) * size));
          if (there == 0) continue;
          if (mask) apply_mask(job, mask, query + i, key, there, s, spare);
          rows->softmax(there, s, most + i * size, total + i * size, factor);
          if (key > 0 && number(job, factor, 0) != 1)
            rows->scale(job->values, sums + i * job->values * size, sums + i * job->values * size, number(job, factor, 0));
        }
        const char *dense_v = dense(job, &job->v, mv, key, key + keys, copied, &lines);
        multiply_plain(job, count, job->values, keys, scores, pitch, 1, dense_v, lines, sums, job->values, key > 0);
      }
      for (int64_t i = 0; i < count; i++) {
        char *sum = sums + i * job->values * size;
        rows->scale(job->values, sum, sum, inverse(job, number(job, total, i)));
      }
      loops->store[job->out.tensor->dtype](count, job->values, out + query * job->out.row, job->out.row,
                                           job->out.column, sums);
    }
  }
}

/* ----------------------------------------------------------------- backward -- */

/* Gradients of the heads [begin, end) of keys and values, over all heads of queries that share one. */
static void attend_backward(void *context, int64_t begin, int64_t end) {
  Job *job = context;
  const CpuLoops *loops = cpu_loops;
  const CpuAttentionLoops *rows = &loops->attention[job->type];
  int64_t size = job->size, strip = loops->gemm_columns[job->type], keys = job->keys;
  int64_t pitch = round_up(keys, strip) + strip, features = job->features, values = job->values;
  size_t q_bytes = (size_t)round_up(job->block * features * size, 64);
  size_t g_bytes = (size_t)round_up(job->block * values * size, 64);
  size_t k_bytes = (size_t)round_up(round_up(keys, strip) * features * size, 64);
  size_t v_bytes = (size_t)round_up(round_up(keys, strip) * values * size, 64);
  size_t s_bytes = (size_t)round_up(job->block * pitch * size, 64), spare_bytes = (size_t)round_up(keys * size, 64);
  char *memory = cpu_scratch(CPU_SCRATCH_BODY, 3 * q_bytes + g_bytes + 3 * k_bytes + 3 * v_bytes + 2 * s_bytes + spare_bytes);
  if (!memory) {
    job->failed = 1;
    return;
  }
  char *q = memory, *scaled = q + q_bytes, *gq = scaled + q_bytes, *g = gq + q_bytes, *packed_k = g + g_bytes;
  char *copied_k = packed_k + k_bytes, *gk = copied_k + k_bytes, *packed_v = gk + k_bytes;
  char *copied_v = packed_v + v_bytes, *gv = copied_v + v_bytes, *p = gv + v_bytes, *ds = p + s_bytes;
  char *spare = ds + s_bytes;

  for (int64_t head = begin; head < end; head++) {
    int64_t k_pitch = features, v_pitch = values;
    const char *mk = NULL, *mv = NULL;
    for (int64_t sharer = 0; sharer < job->shared; sharer++) {
      int64_t item = head * job->shared + sharer;
      if (sharer == 0) {
        mk = dense(job, &job->k, matrix_at(&job->k, job->shape, item, job->shared), 0, keys, copied_k, &k_pitch);
        mv = dense(job, &job->v, matrix_at(&job->v, job->shape, item, job->shared), 0, keys, copied_v, &v_pitch);
        pack_rows(job, mk, keys, features, k_pitch, packed_k);
        pack_rows(job, mv, keys, values, v_pitch, packed_v);
        memset(gk, 0, (size_t)(keys * features * size));
        memset(gv, 0, (size_t)(keys * values * size));
      }
      const char *mq = matrix_at(&job->q, job->shape, item, 1), *mg = matrix_at(&job->g, job->shape, item, 1);
      const char *mask = job->mask.tensor ? matrix_at(&job->mask, job->shape, item, 1) : NULL;
      for (int64_t query = 0; query < job->queries; query += job->block) {
        int64_t count = cpu_min(job->block, job->queries - query);
        int64_t seen = job->causal ? cpu_min(keys, query + count) : keys;
        loops->load[job->q.tensor->dtype](count, features, q, mq + query * job->q.row, job->q.row, job->q.column);
        loops->load[job->g.tensor->dtype](count, values, g, mg + query * job->g.row, job->g.row, job->g.column);
        rows->scale(count * features, scaled, q, job->scale);
        multiply(job, count, seen, features, scaled, features, 1, packed_k, p, pitch);
        multiply(job, count, seen, values, g, values, 1, packed_v, ds, pitch);
        for (int64_t i = 0; i < count; i++) {
          char *s = p + i * pitch * size, *d = ds + i * pitch * size;
          int64_t there = job->causal ? cpu_min(seen, query + i + 1) : seen;
          if (there < seen) {
            memset(s + there * size, 0, (size_t)((seen - there) * size));
            memset(d + there * size, 0, (size_t)((seen - there) * size));
          }
          if (mask) apply_mask(job, mask, query + i, 0, there, s, spare);
          double most, total, factor;
          set_number(job, (char *)&most, 0, -__builtin_inf());
          set_number(job, (char *)&total, 0, 0);
          rows->softmax(there, s, &most, &total, &factor);
          rows->scale(there, s, s, inverse(job, number(job, (char *)&total, 0)));
          rows->gradient(there, s, d, job->scale);
        }
        if (job->wanted[2]) multiply_plain(job, seen, values, count, p, 1, pitch, g, values, gv, values, true);
        if (job->wanted[1]) multiply_plain(job, seen, features, count, ds, 1, pitch, q, features, gk, features, true);
        if (!job->wanted[0]) continue;
        const Batch *to = &job->gradients[0];
        multiply_plain(job, count, features, seen, ds, pitch, 1, mk, k_pitch, gq, features, false);
        loops->store[to->tensor->dtype](count, features, matrix_at(to, job->shape, item, 1) + query * to->row, to->row,
                                        to->column, gq);
      }
    }
    for (int t = 1; t < 3; t++) {
      const Batch *to = &job->gradients[t];
      if (job->wanted[t])
        loops->store[to->tensor->dtype](keys, to->columns, matrix_at(to, job->shape, head * job->shared, job->shared),
                                        to->row, to->column, t == 1 ? gk : gv);
    }
  }
}

/* ----------------------------------------------------------------- launches -- */

/* The arguments from number `first` on: query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa. */
static const CressetArgument *argument(const CressetCall *call, uint32_t i) {
  return (const CressetArgument *)(const void *)((const char *)call->arguments +
                                                 (size_t)i * call->arguments->struct_size);
}

static const CressetTensor *tensor_argument(const CressetCall *call, uint32_t i) {
  const CressetArgument *x = argument(call, i);
  return x->kind == CRESSET_ARGUMENT_TENSOR ? cpu_input(call, (uint32_t)x->integer) : NULL;
}

/* Whether the batch dims of x are those of `shape`, or 1 where it may be broadcast. */
static bool fits(const CressetTensor *x, const CressetTensor *shape, int64_t shared, bool broadcasts) {
  int skipped = shape->dl.ndim - x->dl.ndim;
  if (skipped < 0 || (skipped > 0 && !broadcasts)) return false;
  for (int d = 0; d < x->dl.ndim - 2; d++) {
    int64_t due = shape->dl.shape[d + skipped] / (d == x->dl.ndim - 3 ? shared : 1);
    if (x->dl.shape[d] != due && !(broadcasts && x->dl.shape[d] == 1)) return false;
  }
  return true;
}

static bool read_job(const CressetCall *call, uint32_t first, const CressetTensor *shape, Job *job) {
  if (call->argument_count < first + 8) return false;
  const CressetTensor *q = tensor_argument(call, first), *k = tensor_argument(call, first + 1);
  const CressetTensor *v = tensor_argument(call, first + 2), *mask = tensor_argument(call, first + 3);
  if (!q || !k || !v || argument(call, first + 4)->number != 0) return false;
  bool shares = argument(call, first + 7)->integer != 0, backward = first > 0;
  *job = (Job){.q = batch_of(q), .k = batch_of(k), .v = batch_of(v), .shape = shape, .shared = 1,
               .causal = argument(call, first + 5)->integer != 0, .type = cpu_widened[q->dtype]};
  if (mask && mask->dl.ndim < 2) return false;
  if (mask) job->mask = batch_of(mask);
  if (shares) {
    int64_t heads = k->dl.shape[k->dl.ndim - 3], all = shape->dl.shape[shape->dl.ndim - 3];
    if (shape->dl.ndim < 3 || heads < 1 || all % heads != 0) return false;
    job->shared = all / heads;
  }
  if (!fits(q, shape, 1, !backward) || !fits(k, shape, job->shared, !backward && !shares) ||
      !fits(v, shape, job->shared, !backward && !shares) || (mask && !fits(mask, shape, 1, true)))
    return false;
  job->size = cpu_type_size[job->type];
  job->queries = job->q.rows;
  job->keys = job->k.rows;
  job->features = job->q.columns;
  job->values = job->v.columns;
  job->heads = 1;
  for (int d = 0; d < shape->dl.ndim - 2; d++) job->heads *= shape->dl.shape[d];
  const CressetArgument *scale = argument(call, first + 6);
  job->scale = scale->kind == CRESSET_ARGUMENT_DOUBLE ? scale->number
               : scale->kind == CRESSET_ARGUMENT_INT  ? (double)scale->integer
                                                      : 1 / __builtin_sqrt((double)cpu_max(job->features, 1));
  return true;
}

bool cpu_attention_takes(const CressetCall *call) {
  Job job;
  return call->output_count == 1 && cpu_output(call, 0)->dl.ndim >= 2 && read_job(call, 0, cpu_output(call, 0), &job);
}

bool cpu_attention_backward_takes(const CressetCall *call) {
  Job job;
  const CressetTensor *gradient = call->argument_count == 11 ? tensor_argument(call, 0) : NULL;
  if (!gradient || gradient->dl.ndim < 2 || !read_job(call, 2, gradient, &job)) return false;
  const CressetArgument *wanted = argument(call, 10);
  /* The gradient of a mask is the composition's. */
  return wanted->kind == CRESSET_ARGUMENT_INTS && wanted->count >= 3 && (wanted->count == 3 || !wanted->ints[3]) &&
         job.keys <= 32 * PACKED_KEYS;
}

CressetStatus *cpu_attention(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  Job job;
  if (!cpu_attention_takes(call)) return cpu_fail(CRESSET_ERROR_INVALID, "%s: arguments that do not fit", call->op);
  read_job(call, 0, cpu_output(call, 0), &job);
  job.out = batch_of(cpu_output(call, 0));
  if (job.heads == 0 || job.queries == 0 || job.values == 0) return NULL;
  int64_t strip = cpu_loops->gemm_rows, threads = cpu_thread_count();
  /* Small blocks waste less of a causal diagonal. */
  int64_t most = job.causal && job.queries <= 1024 ? QUERIES / 2 : QUERIES;
  job.block = cpu_min(most / strip * strip, job.queries);
  int64_t blocks = cpu_ceil_div(job.queries, job.block);
  job.groups = 1;
  if (threads > 1 && job.queries > FEW_QUERIES)
    job.groups = cpu_max(cpu_min(cpu_ceil_div(4 * threads, job.heads), cpu_ceil_div(blocks, 2)), 1);
  double work = 2. * (double)job.queries * (double)job.keys * (double)(job.features + job.values) / (double)job.groups;
  int64_t grain = work >= TASK_WORK ? 1 : (int64_t)(TASK_WORK / (work + 1)) + 1;
  cpu_parallel(job.heads * job.groups, grain, attend, &job);
  return job.failed ? cpu_out_of_memory((uint64_t)(job.keys * job.features * job.size)) : NULL;
}

CressetStatus *cpu_attention_backward(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  if (!cpu_attention_backward_takes(call))
    return cpu_fail(CRESSET_ERROR_INVALID, "%s: arguments that do not fit", call->op);
  Job job;
  const CressetTensor *gradient = tensor_argument(call, 0);
  read_job(call, 2, gradient, &job);
  job.g = batch_of(gradient);
  uint32_t output = 0;
  for (int t = 0; t < 3; t++) {
    job.wanted[t] = argument(call, 10)->ints[t] != 0 && output < call->output_count;
    if (job.wanted[t]) job.gradients[t] = batch_of(cpu_output(call, output++));
  }
  int64_t strip = cpu_loops->gemm_rows, most = job.causal && job.queries <= 1024 ? QUERIES / 2 : QUERIES;
  int64_t fitting = cpu_max(SCORES / cpu_max(job.keys, 1), strip);
  job.block = cpu_max(cpu_min(cpu_min(most, fitting) / strip * strip, job.queries), 1);
  double work = 5. * (double)job.queries * (double)job.keys * (double)(job.features + job.values) * (double)job.shared;
  int64_t grain = work >= TASK_WORK ? 1 : (int64_t)(TASK_WORK / (work + 1)) + 1;
  if (job.heads > 0) cpu_parallel(job.heads / job.shared, grain, attend_backward, &job);
  return job.failed ? cpu_out_of_memory((uint64_t)(job.keys * job.features * job.size)) : NULL;
}
