/* cpu_kernels.h: what the Swift half of the cpu backend sees of its C half. */
#ifndef CPU_KERNELS_H
#define CPU_KERNELS_H

#include "cresset_backend.h"

#include <stdbool.h>

/* Chooses loops and libraries. `isa` is a level by name ("scalar", "avx2",
 * "avx512", "neon") or NULL for the best there is, `blas` is "own" or NULL.
 * Returns NULL, or what the user should be told: a string that lives for good. */
const char *cpu_start(const char *isa, const char *blas, uint32_t threads);

/* From the next launch on: at most so many threads. */
void cpu_set_thread_count(uint32_t threads);

/* The level in use: "avx2". */
const char *cpu_isa_name(void);
/* The matrix library in use: "OpenBLAS 0.3.21", "own GEMM". */
const char *cpu_blas_name(void);

/* A block of memory aligned to 256 bytes; NULL if there is none. Never zeroed on purpose. */
void *cpu_allocate(uint64_t bytes);
void cpu_deallocate(void *block, uint64_t bytes);
uint64_t cpu_physical_memory(void);

/* Copies with several threads where that helps. The ranges may overlap. */
void cpu_copy(void *target, const void *source, uint64_t bytes);

/* The launches of the five families; see cresset_backend.h. */
CressetStatus *cpu_pointwise(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_reduce(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_matmul(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_gather(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_scatter(void *context, CressetQueue *queue, const CressetCall *call);

/* Operations under their own names: softmax.c, norm.c, batch_norm.c, loss.c, scan.c, sort.c. */
CressetStatus *cpu_softmax(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_softmax_backward(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_log_softmax(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_log_softmax_backward(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_logsumexp(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_layer_norm(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_layer_norm_backward(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_rms_norm(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_rms_norm_backward(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_group_norm(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_group_norm_backward(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_batch_norm(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_batch_norm_backward(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_cross_entropy(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_cross_entropy_backward(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_cumsum(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_sort(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_topk(void *context, CressetQueue *queue, const CressetCall *call);
/* Operations with kernels of their own, by the names and arguments that ConvolutionKernels.swift gives. */
CressetStatus *cpu_convolution(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_convolution_weight(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_max_pool(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_max_pool_backward(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_avg_pool(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_avg_pool_backward(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_upsample_bilinear(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_upsample_bilinear_backward(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_upsample_nearest(void *context, CressetQueue *queue, const CressetCall *call);
/* Overrides; see cresset_backend.h. Whether a call is one that the launch of the same name takes. */
CressetStatus *cpu_attention(void *context, CressetQueue *queue, const CressetCall *call);
bool cpu_attention_takes(const CressetCall *call);
CressetStatus *cpu_attention_backward(void *context, CressetQueue *queue, const CressetCall *call);
bool cpu_attention_backward_takes(const CressetCall *call);
CressetStatus *cpu_fft_real(void *context, CressetQueue *queue, const CressetCall *call);
bool cpu_fft_real_takes(const CressetCall *call);
CressetStatus *cpu_lstm_pass(void *context, CressetQueue *queue, const CressetCall *call);
CressetStatus *cpu_lstm_pass_backward(void *context, CressetQueue *queue, const CressetCall *call);
bool cpu_lstm_pass_takes(const CressetCall *call); /* and its gradients */

/* Compiles a program if it is not yet; what prepare does. */
CressetStatus *cpu_prepare(const CressetProgram *program);
/* Programs compiled since start. */
uint64_t cpu_compile_count(void);

/* The first index error remembered for `queue` (NULL if none), which is forgotten. */
CressetStatus *cpu_take_error(CressetQueue *queue);

#endif
