/* pool.c: the threads, and each thread's scratch memory. */
#include "internal.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

enum { MAX_THREADS = 256 };

/* How long a worker that has nothing to do, or a caller whose workers are not done, looks for news before it
 * sleeps: turns of so many pauses, after each of which another thread may have the processor. Some 50 us, as calls
 * of one program follow each other faster than the system wakes a thread. */
enum { SPIN_TURNS = 60, SPIN_PAUSES = 32 };

/* One job at a time. Whoever finds the pool in use, be it another thread or a body
 * of the job itself, does its work alone. */
static struct {
  atomic_bool busy;
  /* The number of the job, the workers that are at it, and whether more may join: a worker that
   * comes late finds it closed and does not look at it. */
  _Atomic uint64_t state;
  _Atomic int sleeping, wanted;
  pthread_mutex_t lock;
  pthread_cond_t posted, finished;
  int started;
  /* The job. */
  CpuBody body;
  void *context;
  int64_t chunk;
  int shares;
  /* A stretch of the work for each thread: it begins with its own, and then helps with the others'. So of calls over
   * the same memory each thread has the same part, which is in its own caches. */
  struct {
    _Alignas(64) _Atomic int64_t next;
    int64_t end;
  } share[MAX_THREADS];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .posted = PTHREAD_COND_INITIALIZER,
          .finished = PTHREAD_COND_INITIALIZER,
          .wanted = 1};

#define OPEN ((uint64_t)1)
#define WORKER ((uint64_t)2)
#define WORKERS ((uint64_t)0xfffe)
#define JOB ((uint64_t)1 << 16)

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Looks at the state until `mask` of it differs from `value` (or, if `equal`, is the same), but not for long. */
static bool spin(uint64_t mask, uint64_t value, bool equal) {
  for (int turn = 0; turn < SPIN_TURNS; turn++) {
    for (int i = 0; i < SPIN_PAUSES; i++) {
      if (((atomic_load_explicit(&pool.state, memory_order_acquire) & mask) == value) == equal) return true;
      pause_briefly();
    }
    sched_yield();
  }
  return false;
}

static void work(int own) {
  for (int k = 0; k < pool.shares; k++) {
    int s = (own + k) % pool.shares;
    for (;;) {
      int64_t begin = atomic_fetch_add_explicit(&pool.share[s].next, pool.chunk, memory_order_relaxed);
      if (begin >= pool.share[s].end) break;
      pool.body(pool.context, begin, cpu_min(begin + pool.chunk, pool.share[s].end));
    }
  }
}

/* Whether this worker is counted among those of the job that is open. */
static bool join(void) {
  uint64_t state = pool.state;
  while ((state & OPEN) && (state & WORKERS) / WORKER < (uint64_t)pool.wanted - 1)
    if (atomic_compare_exchange_weak(&pool.state, &state, state + WORKER)) return true;
  return false;
}

/* A worker is told the number of the last job, and in the bits below its own number. */
static void *worker(void *argument) {
  uint64_t told = (uint64_t)(uintptr_t)argument, seen = told & ~(JOB - 1);
  int own = (int)(told & (JOB - 1));
  for (;;) {
    if (!spin(~(JOB - 1), seen, false)) {
      pthread_mutex_lock(&pool.lock);
      pool.sleeping++;
      while ((pool.state & ~(JOB - 1)) == seen) pthread_cond_wait(&pool.posted, &pool.lock);
      pool.sleeping--;
      pthread_mutex_unlock(&pool.lock);
    }
    seen = pool.state & ~(JOB - 1);
    if (!join()) continue;
    work(own);
    uint64_t left = atomic_fetch_sub(&pool.state, WORKER) - WORKER;
    if (!(left & (OPEN | WORKERS))) { /* the caller may sleep */
      pthread_mutex_lock(&pool.lock);
      pthread_cond_signal(&pool.finished);
      pthread_mutex_unlock(&pool.lock);
    }
  }
  return NULL;
}

/* A forked child has none of the threads. */
static void forget_threads(void) {
  pool.started = 0;
  pool.sleeping = 0;
  pool.state = 0;
  pool.busy = false;
  pool.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  pool.posted = pool.finished = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

/* Under the lock. */
static void start_threads(void) {
  static bool registered;
  if (!registered) pthread_atfork(NULL, NULL, forget_threads), registered = true;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  /* Signals are the host's threads' business. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool.started < pool.wanted - 1) {
    pthread_t thread;
    if (pthread_create(&thread, &attributes, worker,
                       (void *)(uintptr_t)((pool.state & ~(JOB - 1)) + (uint64_t)pool.started + 1))) {
      pool.wanted = pool.started + 1; /* the system gives no more: do with these */
      break;
    }
    pool.started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
}

void cpu_set_thread_count(uint32_t threads) {
  pool.wanted = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : (int)threads;
}

int cpu_thread_count(void) { return pool.wanted; }

void cpu_parallel(int64_t count, int64_t grain, CpuBody body, void *context) {
  if (count <= 0) return;
  if (count <= grain || pool.wanted == 1 || atomic_exchange_explicit(&pool.busy, true, memory_order_acquire)) {
    body(context, 0, count);
    return;
  }
  if (pool.started < pool.wanted - 1) {
    pthread_mutex_lock(&pool.lock);
    start_threads();
    pthread_mutex_unlock(&pool.lock);
  }
  pool.body = body;
  pool.context = context;
  /* A few ranges a thread, so that one that was kept waiting holds up little. */
  pool.shares = pool.wanted;
  pool.chunk = cpu_max(cpu_max(grain, 1), cpu_ceil_div(count, (int64_t)pool.shares * 4));
  for (int s = 0; s < pool.shares; s++) {
    int64_t begin = count / pool.shares * s + cpu_min(count % pool.shares, s);
    atomic_store_explicit(&pool.share[s].next, begin, memory_order_relaxed);
    pool.share[s].end = begin + count / pool.shares + (s < count % pool.shares);
  }
  pool.state = (pool.state & ~(JOB - 1)) + JOB + OPEN;
  if (pool.sleeping > 0) {
    pthread_mutex_lock(&pool.lock);
    pthread_cond_broadcast(&pool.posted);
    pthread_mutex_unlock(&pool.lock);
  }
  work(0);
  atomic_fetch_sub(&pool.state, OPEN);
  if (!spin(WORKERS, 0, true)) {
    pthread_mutex_lock(&pool.lock);
    while (pool.state & WORKERS) pthread_cond_wait(&pool.finished, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
  }
  atomic_store_explicit(&pool.busy, false, memory_order_release);
}

/* ----------------------------------------------------------------- scratch -- */

typedef struct Scratch {
  void *memory;
  size_t bytes;
} Scratch;

static _Thread_local Scratch scratch[CPU_SCRATCH_COUNT];
static pthread_key_t scratch_key[CPU_SCRATCH_COUNT];
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void make_keys(void) {
  for (int i = 0; i < CPU_SCRATCH_COUNT; i++) pthread_key_create(&scratch_key[i], free);
}

void *cpu_scratch(int purpose, size_t bytes) {
  Scratch *own = &scratch[purpose];
  if (bytes <= own->bytes) return own->memory;
  pthread_once(&scratch_once, make_keys); /* the keys' destructors free at the thread's end */
  bytes = (bytes + 0xffff) & ~(size_t)0xffff;
  free(own->memory);
  own->memory = aligned_alloc(64, bytes);
  own->bytes = own->memory ? bytes : 0;
  pthread_setspecific(scratch_key[purpose], own->memory);
  return own->memory;
}
