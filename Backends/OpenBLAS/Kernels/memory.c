/* memory.c: blocks of memory and plain copies. */
#include "internal.h"

#include <sys/mman.h>
#include <unistd.h>

/* Blocks from here on are mapped by themselves: they go back to the system when freed,
 * and huge pages spare the TLB. */
enum { MAPPED_BYTES = 2 << 20 };

uint64_t cpu_physical_memory(void) { return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE); }

void *cpu_allocate(uint64_t bytes) {
  /* Linux hands out more than there is and kills those who use it; this much it cannot mean. */
  if (bytes > cpu_physical_memory()) return NULL;
  if (bytes < MAPPED_BYTES) return aligned_alloc(256, (size_t)(bytes / 256 + 1) * 256); /* never of size 0 */
  char *block = mmap(NULL, (size_t)bytes + MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) return NULL;
  /* Keep the part that starts on a huge page. */
  size_t page = (size_t)sysconf(_SC_PAGESIZE), length = ((size_t)bytes + page - 1) / page * page;
  size_t before = (size_t)(-(uintptr_t)block & (MAPPED_BYTES - 1)), mapped = (size_t)bytes + MAPPED_BYTES;
  mapped = (mapped + page - 1) / page * page;
  if (before) munmap(block, before);
  if (mapped > before + length) munmap(block + before + length, mapped - before - length);
#ifdef MADV_HUGEPAGE
  madvise(block + before, length, MADV_HUGEPAGE);
#endif
  return block + before;
}

void cpu_deallocate(void *block, uint64_t bytes) {
  if (bytes < MAPPED_BYTES) {
    free(block);
    return;
  }
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  munmap(block, ((size_t)bytes + page - 1) / page * page);
}

typedef struct Copy {
  char *target;
  const char *source;
} Copy;

static void copy(void *context, int64_t begin, int64_t end) {
  const Copy *job = context;
  memcpy(job->target + begin, job->source + begin, (size_t)(end - begin));
}

void cpu_copy(void *target, const void *source, uint64_t bytes) {
  if (bytes == 0) return;
  Copy job = {target, source};
  uintptr_t t = (uintptr_t)target, s = (uintptr_t)source;
  if (t < s + bytes && s < t + bytes) memmove(target, source, (size_t)bytes);
  else cpu_parallel((int64_t)bytes, CPU_PARALLEL_BYTES, copy, &job);
}
