/* The loops for x86-64 with AVX-512 F, BW, CD, DQ and VL. */
#include "loops.h"
#if defined(__x86_64__)
#include "loops_begin.h"
#pragma clang attribute push(                                                                                          \
    __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt"))),        \
    apply_to = function)
#define LEVEL "avx512"
#define HAS_HALF 1
#define HAS_AVX512 1
#define HAS_FMA 1
#define VECTOR_BYTES 64
#define GEMM_ROWS CPU_PAIRS_ROWS
#define GEMM_VECTORS CPU_PAIRS_VECTORS
#define GEMM_HAS_PAIRS 1
#define GEMM_IS_FAST 1
#define TABLE cpu_loops_avx512
#include "loops_table.h"
#pragma clang attribute pop
#endif
