/* The product of matrices of bfloat16, for x86-64 with AVX-512 and its dot products of pairs: one after the
 * other is multiplied and added in float32, as elsewhere; denormal numbers would count as zero. */
#include "loops.h"
#if defined(__x86_64__)
#include "loops_begin.h"
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma"))),        \
                             apply_to = function)
#define HAS_FMA 1
#define VECTOR_BYTES 64
#define GEMM_ROWS CPU_PAIRS_ROWS
#define GEMM_VECTORS CPU_PAIRS_VECTORS
#define GEMM_PAIRS 1
#include "loops_gemm.h"
#include "loops_pack.h"
#define GEMM_STEP_PAIRS(c, a, b) ((gemm_vector_f32)_mm512_dpbf16_ps((__m512)(c), (__m512bh)(a), (__m512bh)(b)))
GEMM(pairs, f32, float, GEMM_STEP_PAIRS)
void cpu_gemm_pairs(const CpuTiles *tiles) { gemm_pairs(tiles); }
void cpu_pack_pairs(int64_t lines, int64_t strip, int64_t depth, void *r, const char *p, int64_t line, int64_t deep) {
  pack_bfloat16_pairs(lines, strip, depth, r, p, line, deep);
}
uint32_t cpu_scan_pairs(int64_t n, const uint16_t *a) { return scan_bfloat16_pairs(n, a); }
#pragma clang attribute pop
#endif
