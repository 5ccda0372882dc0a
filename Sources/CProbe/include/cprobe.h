/* cprobe.h: what a processor can do at most, measured. */
#ifndef CPROBE_H
#define CPROBE_H

/* Floating-point operations a second (a fused multiplication and addition is two) of float32 vectors on so many
 * threads at once: the best of some rounds that take about `seconds` together. 0 where it cannot be measured. */
double cprobe_fma(int threads, double seconds);

/* Bytes a second that so many threads copy between blocks of `bytes` bytes, read and written together: the best of
 * some rounds. */
double cprobe_copy(int threads, unsigned long bytes, double seconds);

#endif
