/* cresset_maths_host.h: the portable functions by number, and their text for compilers of kernels. */
#ifndef CRESSET_MATHS_HOST_H
#define CRESSET_MATHS_HOST_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The f32 functions, then the f64 ones; every function, and nothing else, starts with "FN " at the
 * start of a line and ends with the next "}" at the start of a line. Callees come before callers.
 * Ends with a zero byte that cresset_maths_bytes does not count. */
extern const char cresset_maths_source[];
extern const uint64_t cresset_maths_bytes;

/* What goes before the functions in an OpenCL C program or a shader. In a shader D(x) and U64(x)
 * must first be rewritten as literals with the suffixes lf and ul: GLSL's macros cannot. */
extern const char cresset_maths_opencl_preamble[];
extern const char cresset_maths_glsl_preamble[];

/* The same for Swift, which cannot see arrays of unstated length. */
static inline const char *cresset_maths_source_text(void) { return cresset_maths_source; }
static inline const char *cresset_maths_opencl_preamble_text(void) { return cresset_maths_opencl_preamble; }
static inline const char *cresset_maths_glsl_preamble_text(void) { return cresset_maths_glsl_preamble; }

/* Function `function` (CRESSET_FUNCTION_exp, ...) of a, and of b where it takes two. NaN for a
 * number that is no function. */
float cresset_call_f32(int function, float a, float b);
double cresset_call_f64(int function, double a, double b);

/* "exp", ...; NULL for a number that is no function. */
const char *cresset_function_name(int function);

#ifdef __cplusplus
}
#endif
#endif
