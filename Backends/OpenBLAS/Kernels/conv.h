/* conv.h: what the convolution and its gradient by the weight share. */
#ifndef CPU_CONV_H
#define CPU_CONV_H

#include "internal.h"

/* Windows along one dim: element k of window o lies at o * stride + k * dilation - padding of the input. A transposed
 * convolution goes from the windows to what they cover. */
typedef struct CpuConvDim {
  int64_t input, output, kernel, stride, padding, dilation;
} CpuConvDim;

/* Images, with strides in bytes; what has one dim less has one row. */
typedef struct CpuImages {
  char *base;
  uint32_t dtype;
  int64_t channels, sample, channel, row, column, rows, columns;
} CpuImages;
CpuImages cpu_images(const CressetTensor *tensor);
/* Planes are counted over samples and channels. */
static inline char *cpu_plane(const CpuImages *images, int64_t plane) {
  return images->base + plane / images->channels * images->sample + plane % images->channels * images->channel;
}

/* Rows (0) and columns (1) of a call whose arguments [first, first + 3) are stride, padding and dilation. */
void cpu_conv_dims(CpuConvDim dims[2], const CressetCall *call, uint32_t first, const CpuImages *input,
                   const CpuImages *output, const CressetTensor *weight);

/* A part of the images, copied with zeros (or another number) around: channels, one plane behind the other. The
 * columns of a line are sorted by their place within a step, so that neighbouring windows find neighbours. */
typedef struct CpuSlab {
  int64_t step[2];  /* elements of the input from window to window */
  int64_t low[2];   /* where the first window begins */
  int64_t reach[2]; /* elements that a window reaches over */
  const void *around; /* the number around the images; NULL: zero */
  /* By cpu_slab_plan; in elements. */
  int64_t slots, width, pitch, plane;
} CpuSlab;

/* Sizes for blocks of rows x columns windows and elements of `size` bytes. */
void cpu_slab_plan(CpuSlab *slab, int64_t rows, int64_t columns, int64_t size);
/* Where the element (row, column) of the first window lies in its plane. */
static inline int64_t cpu_slab_offset(const CpuSlab *slab, int64_t row, int64_t column) {
  return row * slab->pitch + column % slab->step[1] * slab->width + column / slab->step[1];
}
/* Copies what the windows [row, row + rows) x [column, column + columns) of `channels` channels see. */
void cpu_slab_fill(const CpuSlab *slab, const CpuImages *x, const char *base, int64_t channels, int64_t row,
                   int64_t rows, int64_t column, int64_t columns, void *to);

static inline int64_t cpu_round_up(int64_t n, int64_t step) { return cpu_ceil_div(n, step) * step; }

#endif
