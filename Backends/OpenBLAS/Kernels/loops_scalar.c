/* The loops for what every processor of this architecture has: SSE2 or NEON. */
#include "loops.h"
#include "loops_begin.h"

#if defined(__aarch64__)
#define LEVEL "neon"
#define HAS_HALF 1
#define HAS_FMA 1
#define GEMM_ROWS 12
#else
#define LEVEL "scalar"
#define HAS_HALF 0
#define HAS_FMA 0
#define GEMM_ROWS 4
#endif
#define HAS_AVX512 0
#define VECTOR_BYTES 16
#define GEMM_VECTORS 2
#define TABLE cpu_loops_scalar
#include "loops_table.h"
