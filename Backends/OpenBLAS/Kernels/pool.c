/* pool.c: the threads, and each thread's scratch memory. */
#include "internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { MAX_THREADS = 256 };

/* One job at a time. Whoever finds the pool in use, be it another thread or a body
 * of the job itself, does its work alone. */
static struct {
  atomic_bool busy;
  pthread_mutex_t lock;
  pthread_cond_t posted, finished;
  uint64_t generation; /* of jobs; under the lock, as all below */
  _Atomic int wanted;
  int started, working;
  /* The job. */
  CpuBody body;
  void *context;
  int64_t count, chunk;
  _Atomic int64_t next;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .posted = PTHREAD_COND_INITIALIZER,
          .finished = PTHREAD_COND_INITIALIZER,
          .wanted = 1};

static void work(void) {
  for (;;) {
    int64_t begin = atomic_fetch_add_explicit(&pool.next, pool.chunk, memory_order_relaxed);
    if (begin >= pool.count) return;
    pool.body(pool.context, begin, cpu_min(begin + pool.chunk, pool.count));
  }
}

static void *worker(void *seen_at_start) {
  uint64_t seen = (uint64_t)(uintptr_t)seen_at_start;
  pthread_mutex_lock(&pool.lock);
  for (;;) {
    while (pool.generation == seen) pthread_cond_wait(&pool.posted, &pool.lock);
    seen = pool.generation;
    /* A worker that wakes after the job is done must not look at it. */
    if (atomic_load_explicit(&pool.next, memory_order_relaxed) >= pool.count) continue;
    pool.working++;
    pthread_mutex_unlock(&pool.lock);
    work();
    pthread_mutex_lock(&pool.lock);
    if (--pool.working == 0) pthread_cond_signal(&pool.finished);
  }
  return NULL;
}

/* A forked child has none of the threads. */
static void forget_threads(void) {
  pool.started = pool.working = 0;
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
    if (pthread_create(&thread, &attributes, worker, (void *)(uintptr_t)pool.generation)) {
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
  pthread_mutex_lock(&pool.lock);
  if (pool.started < pool.wanted - 1) start_threads();
  pool.body = body;
  pool.context = context;
  pool.count = count;
  /* A few ranges a thread, so that one that was kept waiting holds up little. */
  pool.chunk = cpu_max(cpu_max(grain, 1), cpu_ceil_div(count, (int64_t)pool.wanted * 4));
  atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
  pool.generation++;
  pthread_cond_broadcast(&pool.posted);
  pthread_mutex_unlock(&pool.lock);
  work();
  pthread_mutex_lock(&pool.lock);
  while (pool.working > 0) pthread_cond_wait(&pool.finished, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
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
