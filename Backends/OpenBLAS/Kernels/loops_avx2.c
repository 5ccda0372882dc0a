/* The loops for x86-64 with AVX2, FMA and F16C. */
#include "loops.h"
#if defined(__x86_64__)
#include "loops_begin.h"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt"))), apply_to = function)
#define LEVEL "avx2"
#define HAS_AVX512 0
#define HAS_HALF 1
#define HAS_FMA 1
#define VECTOR_BYTES 32
#define GEMM_ROWS 6
#define GEMM_VECTORS 2
#define GEMM_IS_FAST 1
#define TABLE cpu_loops_avx2
#include "loops_table.h"
#pragma clang attribute pop
#endif
