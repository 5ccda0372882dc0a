/* status.c: failures, at once and remembered. */
#include "internal.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

typedef struct Failure {
  CressetStatus status; /* first, so that a CressetStatus * is a Failure * */
  char message[320];
} Failure;

static void release(CressetStatus *status) { free(status); }
static void release_nothing(CressetStatus *status) { (void)status; }

static CressetStatus no_memory = {sizeof(CressetStatus), CRESSET_ERROR_OUT_OF_MEMORY, "out of host memory", NULL, 0,
                                  release_nothing};

__attribute__((format(printf, 4, 0))) static CressetStatus *make(int32_t code, const char *op, uint64_t site,
                                                                 const char *format, va_list arguments) {
  Failure *failure = malloc(sizeof *failure);
  if (!failure) return &no_memory;
  vsnprintf(failure->message, sizeof failure->message, format, arguments);
  failure->status = (CressetStatus){sizeof(CressetStatus), code, failure->message, op, site, release};
  return &failure->status;
}

CressetStatus *cpu_fail(int32_t code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  CressetStatus *status = make(code, NULL, 0, format, arguments);
  va_end(arguments);
  return status;
}

CressetStatus *cpu_out_of_memory(uint64_t bytes) {
  return cpu_fail(CRESSET_ERROR_OUT_OF_MEMORY, "no memory for %llu bytes", (unsigned long long)bytes);
}

/* ------------------------------------------------------ remembered errors -- */

/* Errors are rare, so one list serves all queues; `remembered_count` keeps those that
 * have none, which is to say all synchronisations, from taking the lock. */
typedef struct Remembered {
  struct Remembered *next;
  CressetQueue *queue;
  CressetStatus *status;
} Remembered;

static pthread_mutex_t remembered_lock = PTHREAD_MUTEX_INITIALIZER;
static Remembered *remembered;
static _Atomic int remembered_count;

void cpu_remember(CressetQueue *queue, const CressetCall *call, const char *format, ...) {
  pthread_mutex_lock(&remembered_lock);
  Remembered *entry = remembered;
  while (entry && entry->queue != queue) entry = entry->next;
  if (!entry && (entry = malloc(sizeof *entry))) {
    va_list arguments;
    va_start(arguments, format);
    *entry = (Remembered){remembered, queue, make(CRESSET_ERROR_INDEX, call->op, call->site, format, arguments)};
    va_end(arguments);
    remembered = entry;
    remembered_count++;
  }
  pthread_mutex_unlock(&remembered_lock);
}

CressetStatus *cpu_take_error(CressetQueue *queue) {
  if (remembered_count == 0) return NULL;
  CressetStatus *status = NULL;
  pthread_mutex_lock(&remembered_lock);
  for (Remembered **link = &remembered; *link; link = &(*link)->next) {
    if ((*link)->queue != queue) continue;
    Remembered *entry = *link;
    *link = entry->next;
    status = entry->status;
    free(entry);
    remembered_count--;
    break;
  }
  pthread_mutex_unlock(&remembered_lock);
  return status;
}
