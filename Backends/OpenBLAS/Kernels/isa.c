/* isa.c: which loops to use. */
#include "internal.h"

#include <stdio.h>

const CpuLoops *cpu_loops = &cpu_loops_scalar;
bool cpu_has_pairs;

/* The best level this processor has, at most `wanted` if that names one. */
static const CpuLoops *choose(const char *wanted, bool *found) {
  const CpuLoops *levels[3] = {&cpu_loops_scalar};
  int count = 1;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt")) {
    levels[count++] = &cpu_loops_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      levels[count++] = &cpu_loops_avx512;
  }
#endif
  *found = !wanted;
  for (int i = 0; wanted && i < count; i++)
    if (strcmp(levels[i]->name, wanted) == 0) return *found = true, levels[i];
  return levels[count - 1];
}

const char *cpu_start(const char *isa, const char *blas, uint32_t threads) {
  static char notice[512];
  bool found;
  cpu_loops = choose(isa, &found);
#if defined(__x86_64__)
  cpu_has_pairs = cpu_loops->gemm_pairs && __builtin_cpu_supports("avx512bf16");
#endif
  cpu_set_thread_count(threads);
  const char *missing = cpu_blas_load(blas);
  snprintf(notice, sizeof notice, "%s%s%s%s%s%s", found ? "" : "cpu_isa=", found ? "" : isa,
           found ? "" : " is not a level of this processor, using ", found ? "" : cpu_loops->name,
           !found && missing ? "; " : "", missing ? missing : "");
  return notice[0] ? notice : NULL;
}

const char *cpu_isa_name(void) { return cpu_loops->name; }
