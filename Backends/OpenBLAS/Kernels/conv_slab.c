/* conv_slab.c: the numbers of a convolution, and its input copied to where its kernels read it. */
#include "conv.h"

CpuImages cpu_images(const CressetTensor *tensor) {
  const CressetDLTensor *dl = &tensor->dl;
  int64_t size = cpu_dtype_size[tensor->dtype];
  bool has_rows = dl->ndim == 4;
  return (CpuImages){
      .base = cpu_address(tensor),
      .dtype = tensor->dtype,
      .channels = dl->shape[1],
      .sample = dl->strides[0] * size,
      .channel = dl->strides[1] * size,
      .row = has_rows ? dl->strides[2] * size : 0,
      .column = dl->strides[dl->ndim - 1] * size,
      .rows = has_rows ? dl->shape[2] : 1,
      .columns = dl->shape[dl->ndim - 1],
  };
}

void cpu_conv_dims(CpuConvDim dims[2], const CressetCall *call, uint32_t first, const CpuImages *input,
                   const CpuImages *output, const CressetTensor *weight) {
  const CressetArgument *stride = &call->arguments[first], *padding = stride + 1, *dilation = stride + 2;
  dims[0] = (CpuConvDim){1, 1, 1, 1, 0, 1};
  for (int d = weight->dl.ndim == 4 ? 0 : 1; d < 2; d++) {
    int last = d - 2; /* from the end */
    dims[d].kernel = weight->dl.shape[weight->dl.ndim + last];
    dims[d].stride = stride->ints[(int64_t)stride->count + last];
    dims[d].padding = padding->ints[(int64_t)padding->count + last];
    dims[d].dilation = dilation->ints[(int64_t)dilation->count + last];
  }
  dims[0].input = input->rows, dims[0].output = output->rows;
  dims[1].input = input->columns, dims[1].output = output->columns;
}

void cpu_slab_plan(CpuSlab *slab, int64_t rows, int64_t columns, int64_t size) {
  slab->slots = cpu_min(slab->step[1], slab->reach[1]);
  slab->width = columns + (slab->reach[1] - 1) / slab->step[1];
  slab->pitch = slab->slots * slab->width;
  /* An odd number of cache lines: planes one above the other do not compete for the same ones. */
  int64_t lines = ((rows - 1) * slab->step[0] + slab->reach[0]) * slab->pitch * size / 64 + 1;
  slab->plane = (lines | 1) * 64 / size;
}

static void pad(const CpuSlab *slab, char *to, int64_t count, int64_t size) {
  if (count <= 0) return;
  if (!slab->around) memset(to, 0, (size_t)(count * size));
  else
    for (int64_t i = 0; i < count; i++) memcpy(to + i * size, slab->around, (size_t)size);
}

void cpu_slab_fill(const CpuSlab *slab, const CpuImages *x, const char *base, int64_t channels, int64_t row,
                   int64_t rows, int64_t column, int64_t columns, void *to) {
  CpuLoad load = cpu_loops->load[x->dtype];
  int64_t size = cpu_type_size[cpu_widened[x->dtype]], step = slab->step[1];
  int64_t lines = (rows - 1) * slab->step[0] + slab->reach[0];
  int64_t top = row * slab->step[0] + slab->low[0], left = column * step + slab->low[1];
  int64_t width = columns + (slab->reach[1] - 1) / step;
  for (int64_t c = 0; c < channels; c++, base += x->channel)
    for (int64_t r = 0; r < lines; r++) {
      if (r % slab->step[0] >= slab->reach[0]) continue; /* between the windows */
      char *line = (char *)to + (c * slab->plane + r * slab->pitch) * size;
      int64_t y = top + r;
      if (y < 0 || y >= x->rows) {
        pad(slab, line, slab->pitch, size);
        continue;
      }
      for (int64_t slot = 0; slot < slab->slots; slot++, line += slab->width * size) {
        /* Columns first + j * step, of which [begin, end) lie within the image. */
        int64_t first = left + slot;
        int64_t begin = cpu_min(first < 0 ? cpu_ceil_div(-first, step) : 0, width);
        int64_t end = cpu_max(cpu_min(first < x->columns ? cpu_ceil_div(x->columns - first, step) : 0, width), begin);
        const char *from = base + y * x->row + (first + begin * step) * x->column;
        pad(slab, line, begin, size);
        if (step == 2 && x->column == size && cpu_is_native(x->dtype))
          cpu_loops->conv[size == 8].halve(end - begin, line + begin * size, from);
        else load(1, end - begin, line + begin * size, from, 0, step * x->column);
        pad(slab, line + end * size, width - end, size);
      }
    }
}
