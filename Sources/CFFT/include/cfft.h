/* cfft.h: discrete Fourier transforms of any length, by KISS FFT. */
#ifndef CFFT_H
#define CFFT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Transforms `count` rows of `n` complex numbers each in place: X[k] = sum_j x[j] exp(-+2 pi i j k / n), with + where
 * `inverse` is not 0; nothing is divided by n. `pairs` holds 2 * n * count numbers, real part first; n >= 1. Returns 0,
 * or -1 where there is no memory. Any thread. */
int cfft_transform(double *pairs, int64_t n, int64_t count, int inverse);

#ifdef __cplusplus
}
#endif

#endif
