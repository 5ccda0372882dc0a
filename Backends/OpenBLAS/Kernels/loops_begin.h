/* loops_begin.h: headers, before any attribute is pushed on what follows. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Nothing is contracted: a * b + c rounds twice unless FMA was asked for. */
#pragma STDC FP_CONTRACT OFF
/* A loop marked EACH that cannot be vectorised on some level is fine. */
#pragma clang diagnostic ignored "-Wpass-failed"
/* The table of functions is filled first with what is made for all of them, then with better loops. */
#pragma clang diagnostic ignored "-Winitializer-overrides"
