/* index.c: gather and scatter.
 *
 * Both resolve index tensors to byte offsets a stretch at a time, then move elements.
 * Operands of the space: the indexed tensor, the plain one, the index tensors, and the
 * row-major number of the element, for messages. */
#include "internal.h"

#include <pthread.h>

enum { STRETCH = 512, INDEXED = 0, PLAIN = 1, INDICES = 2 };
#define SKIPPED INT64_MIN

typedef struct Indexing {
  CpuSpace space;
  uint32_t count; /* of index tensors */
  int64_t size[CRESSET_MAX_INDICES], stride[CRESSET_MAX_INDICES]; /* strides in bytes */
  uint32_t dtype, element;
  CpuLoad copy;

  /* The innermost dim is taken in stretches of `columns`; indices do not vary along it if `whole_rows`. */
  int64_t columns, column_boxes;
  bool whole_rows, past_caches;

  /* Scatter. */
  CpuScatter scatter;
  CpuScatterRun scatter_run;
  int outer;                /* dims before this are independent of each other */
  int64_t low, range;       /* destinations divided among threads: offsets from `low`, `range` bytes each */
  bool by_destination;

  pthread_mutex_t lock;
  bool failed;
  int64_t failed_element, failed_index; /* the first in row-major order */
  uint32_t failed_tensor;
} Indexing;

static int64_t index_at(const CpuOperand *operand, int64_t offset) {
  const char *p = operand->base + offset;
  if (operand->dtype == CRESSET_INT64) {
    int64_t x;
    memcpy(&x, p, 8);
    return x;
  }
  int32_t x;
  memcpy(&x, p, 4);
  return x;
}

static int64_t last_stride(const CpuSpace *space, int operand) {
  return space->rank > 0 ? space->operand[operand].stride[space->rank - 1] : 0;
}

static void note_failure(Indexing *job, int64_t element, int64_t index, uint32_t tensor) {
  pthread_mutex_lock(&job->lock);
  if (!job->failed || element < job->failed_element) {
    job->failed = true;
    job->failed_element = element;
    job->failed_index = index;
    job->failed_tensor = tensor;
  }
  pthread_mutex_unlock(&job->lock);
}

/* The same for one int64 tensor of indices, none of which is wrong; false if one is. */
static bool resolve_quickly(const Indexing *job, const CpuWalk *walk, int64_t column, int64_t n, int64_t *offset) {
  const CpuSpace *space = &job->space;
  const CpuOperand *operand = &space->operand[INDICES];
  int64_t step = last_stride(space, INDICES);
  if (job->count != 1 || operand->dtype != CRESSET_INT64 || step != 8) return false;
  const char *index = operand->base + walk->offset[INDICES] + column * step;
  return (uintptr_t)index % 8 == 0 &&
         cpu_loops->offsets(n, offset, (const int64_t *)(const void *)index, job->size[0], job->stride[0]);
}

/* offset[i] = what the indices of n elements along the innermost dim add to the address, or SKIPPED. */
static void resolve(Indexing *job, const CpuWalk *walk, int64_t column, int64_t n, int64_t *offset) {
  const CpuSpace *space = &job->space;
  int last = space->rank - 1;
  if (resolve_quickly(job, walk, column, n, offset)) return;
  for (int64_t i = 0; i < n; i++) offset[i] = 0;
  for (uint32_t j = 0; j < job->count; j++) {
    const CpuOperand *operand = &space->operand[INDICES + j];
    int64_t step = last >= 0 ? operand->stride[last] : 0, at = walk->offset[INDICES + j] + column * step;
    int64_t size = job->size[j], stride = job->stride[j];
    for (int64_t i = 0; i < n; i++, at += step) {
      int64_t index = index_at(operand, at), wrapped = index < 0 ? index + size : index;
      if (__builtin_expect(index < -size || index >= size, 0)) {
        const CpuOperand *number = &space->operand[INDICES + job->count];
        if (offset[i] != SKIPPED)
          note_failure(job, walk->offset[INDICES + job->count] + (last >= 0 ? (column + i) * number->stride[last] : 0),
                       index, j);
        offset[i] = SKIPPED;
      } else if (offset[i] != SKIPPED) offset[i] += wrapped * stride;
    }
  }
}

/* The stretch number `n` of the space: moves the walk, gives where the stretch starts and how long it is. */
static int64_t stretch(const Indexing *job, int64_t box, int64_t *column) {
  *column = box * job->columns;
  return job->space.rank > 0 ? cpu_min(job->columns, job->space.size[job->space.rank - 1] - *column) : 1;
}

/* Asks for the next row before this one is copied: rows lie where no processor foresees them. */
static void prefetch_row(const Indexing *job, CpuWalk next, int64_t bytes) {
  const CpuSpace *space = &job->space;
  const CpuOperand *operand = &space->operand[INDICES];
  if (job->count != 1) return;
  cpu_walk_next(&next, space);
  int64_t index = index_at(operand, next.offset[INDICES]);
  if (index < 0) index += job->size[0];
  const char *row = space->operand[INDEXED].base + next.offset[INDEXED] + index * job->stride[0];
  if (index >= 0 && index < job->size[0])
    for (int64_t i = 0; i < cpu_min(bytes, 8192); i += 64) __builtin_prefetch(row + i);
}

static void gather_stretches(void *context, int64_t begin, int64_t end) {
  Indexing *job = context;
  const CpuSpace *space = &job->space;
  int64_t source_step = last_stride(space, INDEXED), target_step = last_stride(space, PLAIN), element = job->element;
  int64_t offset[STRETCH], box = begin % job->column_boxes;
  CpuWalk walk;
  cpu_walk_begin(&walk, space, 0, cpu_max(space->rank - 1, 0), begin / job->column_boxes);
  for (int64_t s = begin; s < end; s++) {
    int64_t column, n = stretch(job, box, &column);
    char *target = space->operand[PLAIN].base + walk.offset[PLAIN] + column * target_step;
    const char *source = space->operand[INDEXED].base + walk.offset[INDEXED] + column * source_step;
    if (job->whole_rows) {
      resolve(job, &walk, column, 1, offset);
      if (offset[0] != SKIPPED) {
        if (s + 1 < end && job->column_boxes == 1) prefetch_row(job, walk, n * element);
        if (target_step == element && source_step == element) {
          if (job->past_caches) cpu_loops->stream(n * element, target, source + offset[0]);
          else memcpy(target, source + offset[0], (size_t)(n * element));
        }
        else if (target_step == element) job->copy(1, n, target, source + offset[0], 0, source_step);
        else
          for (int64_t i = 0; i < n; i++) memcpy(target + i * target_step, source + offset[0] + i * source_step, (size_t)element);
      }
    } else {
      resolve(job, &walk, column, n, offset);
#define MOVE(T)                                                                                                        \
  for (int64_t i = 0; i < n; i++)                                                                                      \
    if (offset[i] != SKIPPED)                                                                                          \
      *(T *)(void *)(target + i * target_step) = *(const T *)(const void *)(source + i * source_step + offset[i]);
      switch (element) {
        case 1: MOVE(uint8_t) break;
        case 2: MOVE(uint16_t) break;
        case 4: MOVE(uint32_t) break;
        default: MOVE(uint64_t)
      }
    }
    if (++box < job->column_boxes) continue;
    box = 0;
    cpu_walk_next(&walk, space);
  }
  if (job->past_caches) atomic_thread_fence(memory_order_seq_cst);
}

/* Applies the elements of dims [outer, rank) in order, for one position of the dims before and, if
 * the innermost dim is independent too, for columns [first, first + width) of it. Only destinations
 * in [low, high) bytes from the start of the indexed tensor, if those are divided. */
static void scatter_slice(Indexing *job, CpuWalk *start, int64_t first, int64_t width, int64_t low, int64_t high) {
  const CpuSpace *space = &job->space;
  int64_t target_step = last_stride(space, INDEXED), source_step = last_stride(space, PLAIN), rows = 1;
  int inner = cpu_max(space->rank - 1, job->outer);
  for (int d = job->outer; d < inner; d++) rows *= space->size[d];
  CpuWalk walk = *start, inside;
  cpu_walk_begin(&inside, space, job->outer, inner, 0);
  int64_t offset[STRETCH];
  for (int64_t r = 0; r < rows; r++, cpu_walk_next(&inside, space)) {
    for (int k = 0; k < space->operands; k++) walk.offset[k] = start->offset[k] + inside.offset[k];
    for (int64_t column = first; column < first + width; column += job->columns) {
      int64_t n = cpu_min(job->columns, first + width - column), base = walk.offset[INDEXED] + column * target_step;
      const char *source = space->operand[PLAIN].base + walk.offset[PLAIN] + column * source_step;
      if (job->whole_rows) {
        resolve(job, &walk, column, 1, offset);
        if (offset[0] != SKIPPED)
          job->scatter_run(n, space->operand[INDEXED].base + base + offset[0], target_step, source, source_step);
        continue;
      }
      resolve(job, &walk, column, n, offset);
      if (target_step != 0 || base != 0)
        for (int64_t i = 0; i < n; i++) offset[i] = offset[i] == SKIPPED ? SKIPPED : offset[i] + base + i * target_step;
      if (!job->by_destination) {
        job->scatter(n, space->operand[INDEXED].base, offset, source, source_step);
        continue;
      }
      /* Which ones are in the range cannot be foreseen: without a branch. */
      _Alignas(8) char values[STRETCH * 8];
      int64_t kept[STRETCH], taken = 0;
#define TAKE(T)                                                                                                        \
  for (int64_t i = 0; i < n; i++) {                                                                                    \
    int64_t o = offset[i];                                                                                             \
    ((T *)(void *)values)[taken] = *(const T *)(const void *)(source + i * source_step);                               \
    kept[taken] = o;                                                                                                   \
    taken += (o >= low) & (o < high);                                                                                  \
  }
      switch (job->element) {
        case 1: TAKE(uint8_t) break;
        case 2: TAKE(uint16_t) break;
        case 4: TAKE(uint32_t) break;
        default: TAKE(uint64_t)
      }
      job->scatter(taken, space->operand[INDEXED].base, kept, values, job->element);
    }
  }
}

/* Units: positions of the outer dims times stretches of an independent innermost dim, or ranges of
 * destinations. */
static void scatter_units(void *context, int64_t begin, int64_t end) {
  Indexing *job = context;
  const CpuSpace *space = &job->space;
  int64_t last = space->rank > 0 ? space->size[space->rank - 1] : 1;
  for (int64_t unit = begin; unit < end; unit++) {
    CpuWalk walk;
    if (job->by_destination) {
      cpu_walk_begin(&walk, space, 0, 0, 0);
      int64_t low = job->low + unit * job->range;
      scatter_slice(job, &walk, 0, last, low, low + job->range);
      continue;
    }
    cpu_walk_begin(&walk, space, 0, job->outer, unit / job->column_boxes);
    int64_t share = job->column_boxes > 1 ? cpu_ceil_div(last, job->column_boxes) : last;
    int64_t first = unit % job->column_boxes * share;
    if (job->column_boxes > 1)
      scatter_slice(job, &walk, first, cpu_max(cpu_min(share, last - first), 0), 0, 0);
    else scatter_slice(job, &walk, 0, last, 0, 0);
  }
}

/* Reads the call; NULL if it is sound. */
static CressetStatus *begin(Indexing *job, const CressetCall *call, bool scatter) {
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  const char *op = call->op ? call->op : "a call";
  const CressetIndexAttributes *attributes = call->attributes;
  if (!attributes || call->input_count < 1 || attributes->index_count > CRESSET_MAX_INDICES ||
      call->input_count < 1 + attributes->index_count)
    return cpu_fail(CRESSET_ERROR_INVALID, "%s: malformed indexing", op);
  const CressetTensor *plain = scatter ? cpu_input(call, 0) : cpu_output(call, 0);
  const CressetTensor *indexed = scatter ? cpu_output(call, 0) : cpu_input(call, 0);
  if (plain->dtype != indexed->dtype) return cpu_fail(CRESSET_ERROR_INVALID, "%s: values of another dtype", op);
  *job = (Indexing){.count = attributes->index_count, .dtype = plain->dtype, .element = cpu_dtype_size[plain->dtype],
                    .lock = PTHREAD_MUTEX_INITIALIZER};
  job->copy = cpu_loops->copy[job->element];
  cpu_space_begin(&job->space, plain);
  cpu_space_add(&job->space, indexed);
  cpu_space_add(&job->space, plain);
  for (uint32_t j = 0; j < job->count; j++) {
    const CressetTensor *index = cpu_input(call, j + 1);
    if (index->dtype != CRESSET_INT64 && index->dtype != CRESSET_INT32)
      return cpu_fail(CRESSET_ERROR_INVALID, "%s: indices that are neither int64 nor int32", op);
    cpu_space_add(&job->space, index);
    job->size[j] = attributes->index_sizes[j];
    job->stride[j] = attributes->index_strides[j] * job->element;
  }
  cpu_space_add_index(&job->space);
  return NULL;
}

static CressetStatus *finish(Indexing *job, CressetQueue *queue, const CressetCall *call) {
  pthread_mutex_destroy(&job->lock);
  if (job->failed)
    cpu_remember(queue, call,
                 "index %lld is out of range for a dimension of size %lld (index tensor %u, element %lld in row-major "
                 "order)",
                 (long long)job->failed_index, (long long)job->size[job->failed_tensor], job->failed_tensor,
                 (long long)job->failed_element);
  return NULL;
}

static bool indices_vary(const Indexing *job, int dim) {
  for (uint32_t j = 0; j < job->count; j++)
    if (job->space.operand[INDICES + j].stride[dim] != 0) return true;
  return false;
}

CressetStatus *cpu_gather(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context;
  Indexing job;
  CressetStatus *status = begin(&job, call, false);
  if (status) return status;
  CpuSpace *space = &job.space;
  if (space->count == 0) return NULL;
  cpu_space_sort(space, 0, space->rank, PLAIN);
  cpu_space_merge(space, 0, space->rank);
  int64_t last = space->rank > 0 ? space->size[space->rank - 1] : 1;
  job.whole_rows = space->rank > 0 && !indices_vary(&job, space->rank - 1);
  job.columns = job.whole_rows ? cpu_min(last, 1 << 16) : cpu_min(last, STRETCH);
  job.column_boxes = cpu_ceil_div(last, job.columns);
  job.past_caches = job.whole_rows && 2 * space->count * job.element >= CPU_STREAM_BYTES / 2;
  int64_t bytes = (job.element * 2 + (job.whole_rows ? 0 : 24)) * job.columns + 32;
  cpu_parallel(space->count / last * job.column_boxes, cpu_ceil_div(CPU_PARALLEL_BYTES, bytes), gather_stretches, &job);
  return finish(&job, queue, call);
}

/* Whether elements that differ in a free dim (one along which the indexed tensor moves by itself)
 * or in an index can never meet: every stride must exceed what the smaller ones can reach together. */
static bool never_meet(const Indexing *job) {
  const CpuSpace *space = &job->space;
  int64_t size[CRESSET_MAX_RANK + CRESSET_MAX_INDICES], stride[CRESSET_MAX_RANK + CRESSET_MAX_INDICES];
  int n = 0;
  for (int d = 0; d < space->rank; d++)
    if (space->operand[INDEXED].stride[d] != 0 && space->size[d] > 1)
      size[n] = space->size[d], stride[n++] = space->operand[INDEXED].stride[d];
  for (uint32_t j = 0; j < job->count; j++)
    if (job->size[j] > 1) size[n] = job->size[j], stride[n++] = job->stride[j];
  for (int i = 0; i < n; i++)
    if (stride[i] < 0) stride[i] = -stride[i];
  int64_t reach = 0;
  bool used[CRESSET_MAX_RANK + CRESSET_MAX_INDICES] = {false};
  for (int round = 0; round < n; round++) {
    int least = -1;
    for (int i = 0; i < n; i++)
      if (!used[i] && (least < 0 || stride[i] < stride[least])) least = i;
    if (stride[least] <= reach) return false;
    reach += (size[least] - 1) * stride[least];
    used[least] = true;
  }
  return true;
}

/* Dims that are free first, those that only indices address after, in row-major order; and last a
 * free dim, if the values lie along one. Returns whether that is so. */
static bool arrange_scatter(Indexing *job) {
  CpuSpace *space = &job->space;
  int free_dims = 0;
  for (int d = 0; d < space->rank; d++)
    if (space->operand[INDEXED].stride[d] != 0) {
      for (int e = d; e > free_dims; e--) cpu_space_swap_dims(space, e - 1, e);
      free_dims++;
    }
  cpu_space_sort(space, 0, free_dims, PLAIN);
  free_dims = cpu_space_merge(space, 0, free_dims);
  cpu_space_merge(space, free_dims, space->rank);
  job->outer = free_dims;
  int last = space->rank - 1;
  if (free_dims == 0) return false;
  int64_t free_stride = space->operand[PLAIN].stride[free_dims - 1];
  int64_t other_stride = free_dims <= last ? space->operand[PLAIN].stride[last] : INT64_MAX;
  if (free_dims <= last && (free_stride < 0 ? -free_stride : free_stride) > (other_stride < 0 ? -other_stride : other_stride))
    return false;
  for (int d = free_dims - 1; d < last; d++) cpu_space_swap_dims(space, d, d + 1);
  job->outer = free_dims - 1;
  return true;
}

CressetStatus *cpu_scatter(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context;
  Indexing job;
  CressetStatus *status = begin(&job, call, true);
  if (status) return status;
  CpuSpace *space = &job.space;
  if (space->count == 0) return NULL;
  uint32_t reduce = ((const CressetIndexAttributes *)call->attributes)->reduce;
  if (reduce >= CRESSET_SCATTER_COUNT) return cpu_fail(CRESSET_ERROR_UNSUPPORTED, "scatter by reduction %u", reduce);
  job.scatter = cpu_loops->scatter[reduce][job.dtype];
  job.scatter_run = cpu_loops->scatter_run[reduce][job.dtype];
  job.column_boxes = 1;
  bool free_innermost = false;
  if (never_meet(&job)) free_innermost = arrange_scatter(&job);
  else cpu_space_merge(space, 0, space->rank); /* all in row-major order */
  int64_t last = space->rank > 0 ? space->size[space->rank - 1] : 1, threads = cpu_thread_count();
  job.whole_rows = free_innermost && !indices_vary(&job, space->rank - 1);
  job.columns = job.whole_rows ? last : cpu_min(last, STRETCH);

  int64_t units = 1, bytes = space->count * (job.element * 3 + (job.whole_rows ? 0 : 24));
  bool parallel = bytes > CPU_PARALLEL_BYTES && threads > 1;
  for (int d = 0; d < job.outer; d++) units *= space->size[d];
  if (parallel && units < 4 * threads && free_innermost) {
    /* Shares of the innermost dim of at least a cache line. */
    job.column_boxes = cpu_min(cpu_ceil_div(4 * threads, units), cpu_max(last * job.element / 64, 1));
    units *= job.column_boxes;
  }
  if (parallel && units < threads && threads > 2 && !job.whole_rows) {
    /* Each thread looks at everything and takes what falls into its range: two would take longer than one. */
    int64_t high = job.element;
    for (int d = 0; d < space->rank; d++) {
      int64_t reach = (space->size[d] - 1) * space->operand[INDEXED].stride[d];
      *(reach < 0 ? &job.low : &high) += reach;
    }
    for (uint32_t j = 0; j < job.count; j++) {
      int64_t reach = (job.size[j] - 1) * job.stride[j];
      if (job.size[j] > 0) *(reach < 0 ? &job.low : &high) += reach;
    }
    job.by_destination = true;
    job.outer = 0;
    job.column_boxes = 1;
    job.range = cpu_ceil_div(high - job.low, threads);
    units = threads;
  }
  cpu_parallel(units, parallel ? 1 : units, scatter_units, &job);
  return finish(&job, queue, call);
}
