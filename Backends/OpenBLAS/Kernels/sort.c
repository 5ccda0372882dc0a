/* sort.c: sorting along a dim, and the first k of it.
 *
 * Elements become keys in unsigned order, and a key with its place one number, so that a sort
 * by radix, lowest digit first, is stable and needs no comparison of pairs. */
#include "fused.h"

enum { FEW = 32, KEYS = 1024 /* made at a time */, SPARE = 256 /* candidates beyond twice k */ };

/* Of elements of up to four bytes, and of eight. */
typedef uint64_t Narrow;
typedef unsigned __int128 Wide;
#define PLACE(E) ((E)1 << (sizeof(E) * 4))

/* Sorts a (or b, with the other as room); returns where the result is. */
#define SORTED(E)                                                                                                      \
  static E *sorted_##E(E *a, E *b, int64_t n) {                                                                        \
    enum { DIGITS = sizeof(E) / 2 };                                                                                   \
    if (n <= FEW) {                                                                                                    \
      for (int64_t i = 1; i < n; i++) {                                                                                \
        E x = a[i];                                                                                                    \
        int64_t j = i;                                                                                                 \
        for (; j > 0 && a[j - 1] > x; j--) a[j] = a[j - 1];                                                            \
        a[j] = x;                                                                                                      \
      }                                                                                                                \
      return a;                                                                                                        \
    }                                                                                                                  \
    uint32_t count[DIGITS][256] = {0};                                                                                 \
    for (int64_t i = 0; i < n; i++)                                                                                    \
      for (int d = 0; d < DIGITS; d++) count[d][(uint8_t)(a[i] >> (sizeof(E) * 4 + (size_t)d * 8))]++;                 \
    for (int d = 0; d < DIGITS; d++) {                                                                                 \
      size_t shift = sizeof(E) * 4 + (size_t)d * 8;                                                                    \
      if (count[d][(uint8_t)(a[0] >> shift)] == n) continue; /* all alike */                                           \
      uint32_t start = 0;                                                                                              \
      for (int k = 0; k < 256; k++) {                                                                                  \
        uint32_t own = count[d][k];                                                                                    \
        count[d][k] = start;                                                                                           \
        start += own;                                                                                                  \
      }                                                                                                                \
      for (int64_t i = 0; i < n; i++) b[count[d][(uint8_t)(a[i] >> shift)]++] = a[i];                                  \
      E *other = a;                                                                                                    \
      a = b;                                                                                                           \
      b = other;                                                                                                       \
    }                                                                                                                  \
    return a;                                                                                                          \
  }
SORTED(Narrow)
SORTED(Wide)

typedef struct Sort {
  CpuRows rows;     /* operands: x, values, places; a row is the sorted dim */
  int64_t k;        /* how many are wanted */
  uint64_t flip;
  int64_t x_stride, value_stride, place_stride; /* along the dim */
  int64_t room;     /* entries of a row's two buffers, each */
} Sort;

static int64_t along(const CpuRows *rows, int operand) {
  return rows->space.rank > rows->kept ? rows->space.operand[operand].stride[rows->kept] : 0;
}

/* The elements [i, i + count) one after the other: where they lie or in `copy`. */
static const char *elements(const Sort *job, const char *x, int64_t i, int64_t count, char *copy) {
  int64_t size = cpu_dtype_size[job->rows.space.operand[0].dtype];
  const char *p = x + i * job->x_stride;
  if (job->x_stride == size || count == 1) return p;
  cpu_loops->copy[size](1, count, copy, p, 0, job->x_stride);
  return copy;
}

/* Makes entries of all elements that can be among the first k; returns how many, and where they are,
 * sorted. While there is room all are taken; then those that beat the k-th so far. */
#define FIRST(E, K)                                                                                                    \
  static E *first_##E(const Sort *job, const char *x, E *a, E *b, int64_t *found) {                                    \
    int64_t n = job->rows.n, count = 0;                                                                                \
    uint64_t limit = 0;                                                                                                \
    bool limited = false;                                                                                              \
    K keys[KEYS];                                                                                                      \
    uint64_t copy[KEYS];                                                                                               \
    CpuKeys make = cpu_loops->keys[job->rows.space.operand[0].dtype];                                                  \
    for (int64_t i = 0; i < n; i += KEYS) {                                                                            \
      int64_t m = cpu_min(KEYS, n - i);                                                                                \
      uint64_t least = make(m, elements(job, x, i, m, (char *)copy), keys, job->flip);                                 \
      if (!limited && count + m <= job->room) {                                                                        \
        for (int64_t j = 0; j < m; j++) a[count + j] = keys[j] * PLACE(E) + (E)(i + j);                                \
        count += m;                                                                                                    \
        continue;                                                                                                      \
      }                                                                                                                \
      if (limited && least >= limit) continue;                                                                         \
      for (int64_t j = 0; j < m; j++) {                                                                                \
        if (limited && keys[j] >= limit) continue;                                                                     \
        if (count == job->room) {                                                                                      \
          E *s = sorted_##E(a, b, count);                                                                              \
          if (s != a) b = a, a = s;                                                                                    \
          count = job->k;                                                                                              \
          limit = (uint64_t)(a[count - 1] / PLACE(E));                                                                 \
          limited = true;                                                                                              \
          if (keys[j] >= limit) continue;                                                                              \
        }                                                                                                              \
        a[count++] = keys[j] * PLACE(E) + (E)(i + j);                                                                  \
      }                                                                                                                \
    }                                                                                                                  \
    *found = count;                                                                                                    \
    return sorted_##E(a, b, count);                                                                                    \
  }
FIRST(Narrow, uint32_t)
FIRST(Wide, uint64_t)

#define STORE(E, T)                                                                                                    \
  for (int64_t i = 0; i < job->k; i++) {                                                                               \
    int64_t place = (int64_t)(s[i] % PLACE(E));                                                                        \
    *(int64_t *)(void *)(places + i * job->place_stride) = place;                                                      \
    *(T *)(void *)(values + i * job->value_stride) = *(const T *)(const void *)(x + place * job->x_stride);            \
  }

static void run(void *context, int64_t begin, int64_t end) {
  Sort *job = context;
  CpuRows *rows = &job->rows;
  int64_t size = cpu_dtype_size[rows->space.operand[0].dtype];
  CpuRowPass pass;
  size_t bytes = (size_t)job->room * (size == 8 ? sizeof(Wide) : sizeof(Narrow));
  if (!cpu_pass_begin(&pass, rows, begin, end, 2 * bytes)) return;
  while (cpu_pass_next(&pass)) {
    const char *x = rows->space.operand[0].base + pass.walk.offset[0];
    char *values = rows->space.operand[1].base + pass.walk.offset[1];
    char *places = rows->space.operand[2].base + pass.walk.offset[2];
    int64_t found;
    if (size == 8) {
      Wide *s = first_Wide(job, x, (Wide *)(void *)pass.scratch, (Wide *)(void *)(pass.scratch + bytes), &found);
      STORE(Wide, uint64_t)
      continue;
    }
    Narrow *s = first_Narrow(job, x, (Narrow *)(void *)pass.scratch, (Narrow *)(void *)(pass.scratch + bytes), &found);
    if (size == 4) STORE(Narrow, uint32_t)
    else if (size == 2) STORE(Narrow, uint16_t)
    else STORE(Narrow, uint8_t)
  }
}

static CressetStatus *sort(const CressetCall *call, int64_t dim, int64_t k, bool descending) {
  CressetStatus *status = cpu_check(call);
  if (status) return status;
  const CressetTensor *x = cpu_tensor_argument(call, 0);
  if (!x || call->output_count != 2) return cpu_malformed(call);
  int d = cpu_dim(x, dim);
  int64_t n = x->dl.ndim > 0 ? x->dl.shape[d] : 1;
  k = k < 0 ? n : k;
  if (k == 0 || n == 0) return NULL;
  Sort job = {.k = k, .flip = descending ? UINT64_MAX : 0};
  CpuRows *rows = &job.rows;
  cpu_space_begin(&rows->space, x);
  cpu_space_add(&rows->space, x);
  cpu_space_add(&rows->space, cpu_output(call, 0));
  cpu_space_add(&rows->space, cpu_output(call, 1));
  cpu_rows_arrange(rows, 1u << d);
  rows->batch = 1;
  job.x_stride = along(rows, 0);
  job.value_stride = along(rows, 1);
  job.place_stride = along(rows, 2);
  job.room = cpu_min(n, cpu_max(2 * k + SPARE, KEYS));
  cpu_rows_run(rows, k < n / 8 ? 8 : 64, run, &job);
  return rows->failed ? cpu_out_of_memory((uint64_t)job.room * 32) : NULL;
}

CressetStatus *cpu_sort(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  return sort(call, cpu_int_argument(call, 2), -1, cpu_int_argument(call, 3) != 0);
}

CressetStatus *cpu_topk(void *context, CressetQueue *queue, const CressetCall *call) {
  (void)context, (void)queue;
  return sort(call, cpu_int_argument(call, 2), cpu_int_argument(call, 1), cpu_int_argument(call, 3) != 0);
}
