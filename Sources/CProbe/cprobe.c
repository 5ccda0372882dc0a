/* cprobe.c: the roofs of the roofline: the peak of fused multiply-adds and the bandwidth of copies. */
#include "cprobe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Each level: enough independent chains of multiply-adds to fill two pipes of latency 4 to 5. */
enum { CHAINS = 16, STEPS = 20000 };
#define FMA_LOOP(name, lanes, attributes)                                                                              \
  typedef float vector_##name __attribute__((vector_size(lanes * 4)));                                                \
  attributes static double name(void) {                                                                                \
    vector_##name x[CHAINS], a, b;                                                                                     \
    for (int i = 0; i < lanes; i++) a[i] = 0.999f, b[i] = 1e-3f;                                                       \
    for (int k = 0; k < CHAINS; k++) x[k] = a * (float)(k + 1);                                                        \
    for (int s = 0; s < STEPS; s++)                                                                                    \
      for (int k = 0; k < CHAINS; k++) x[k] = x[k] * a + b;                                                            \
    for (int k = 1; k < CHAINS; k++) x[0] += x[k];                                                                     \
    volatile float keep = x[0][0];                                                                                     \
    (void)keep;                                                                                                        \
    return 2.0 * CHAINS * STEPS * lanes;                                                                               \
  }
#pragma STDC FP_CONTRACT ON
#if defined(__x86_64__)
FMA_LOOP(fma_avx512, 16, __attribute__((target("avx512f"))))
FMA_LOOP(fma_avx2, 8, __attribute__((target("avx2,fma"))))
#endif
FMA_LOOP(fma_plain, 4, )

static double (*best_loop(void))(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return fma_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return fma_avx2;
#endif
  return fma_plain;
}

typedef struct Work {
  double (*loop)(void);
  char *to;
  const char *from;
  size_t bytes;
  int repeats;
} Work;

static void *run(void *argument) {
  Work *work = argument;
  for (int i = 0; i < work->repeats; i++) {
    if (work->loop) work->loop();
    else memcpy(work->to, work->from, work->bytes);
  }
  return NULL;
}

/* Seconds that all the work takes on threads of its own. */
static double timed(Work *work, int threads) {
  pthread_t thread[64];
  double start = now();
  int started = 1;
  for (; started < threads; started++)
    if (pthread_create(&thread[started], NULL, run, &work[started])) break;
  run(&work[0]);
  for (int t = 1; t < started; t++) pthread_join(thread[t], NULL);
  double taken = now() - start;
  /* What found no thread is done here, and timed: the figure is then that of fewer. */
  for (int t = started; t < threads; t++) run(&work[t]);
  return started == threads ? taken : now() - start;
}

static int clamped(int threads) { return threads < 1 ? 1 : threads > 64 ? 64 : threads; }

double cprobe_fma(int threads, double seconds) {
  threads = clamped(threads);
  Work work[64];
  double (*loop)(void) = best_loop(), each = loop(), best = 0;
  for (int t = 0; t < threads; t++) work[t] = (Work){.loop = loop, .repeats = 100};
  for (double end = now() + seconds; now() < end || best == 0;) {
    double rate = each * 100 * threads / timed(work, threads);
    if (rate > best) best = rate;
  }
  return best;
}

double cprobe_copy(int threads, unsigned long bytes, double seconds) {
  threads = clamped(threads);
  size_t share = bytes / (size_t)threads / 64 * 64;
  char *from = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096), *to = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  double best = 0;
  if (from && to && share > 0) {
    memset(from, 1, bytes);
    memset(to, 2, bytes);
    Work work[64];
    /* Some milliseconds a round, beside which starting threads is little. */
    int repeats = bytes < (64u << 20) ? (int)((64u << 20) / bytes) : 1;
    for (int t = 0; t < threads; t++)
      work[t] = (Work){.to = to + t * share, .from = from + t * share, .bytes = share, .repeats = repeats};
    for (double end = now() + seconds; now() < end || best == 0;) {
      double rate = 2.0 * (double)share * threads * repeats / timed(work, threads);
      if (rate > best) best = rate;
    }
  }
  free(from);
  free(to);
  return best;
}
