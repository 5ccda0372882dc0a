/* execute.c: a program's steps over one block of elements. */
#include "internal.h"

bool cpu_box_is_contiguous(const CpuBox *box, const int64_t *strides, int64_t element) {
  int64_t expected = element;
  for (int d = box->rank - 1; d >= 0; d--) {
    if (box->size[d] != 1 && strides[d] != expected) return false;
    expected *= box->size[d];
  }
  return true;
}

/* The two innermost dims of a box, as loads and stores take them; a missing one has size 1. */
typedef struct Inner {
  int64_t rows, columns, row, column;
} Inner;

static Inner inner_dims(const CpuBox *box, const int64_t *strides) {
  int r = box->rank;
  return (Inner){r > 1 ? box->size[r - 2] : 1, r > 0 ? box->size[r - 1] : 1, r > 1 ? strides[r - 2] : 0,
                 r > 0 ? strides[r - 1] : 0};
}

/* Steps through the dims before the two innermost; `offset` follows. False at the end. */
static bool next_matrix(const CpuBox *box, const int64_t *strides, int64_t *position, int64_t *offset) {
  for (int d = box->rank - 3; d >= 0; d--) {
    *offset += strides[d];
    if (++position[d] < box->size[d]) return true;
    *offset -= box->size[d] * strides[d];
    position[d] = 0;
  }
  return false;
}

static void load_box(const CpuBox *box, const CpuPlace *place, uint32_t dtype, char *block) {
  Inner in = inner_dims(box, place->stride);
  CpuLoad load = cpu_loops->load[dtype];
  int64_t position[CRESSET_MAX_RANK + 1] = {0}, offset = 0;
  int64_t bytes = in.rows * in.columns * cpu_type_size[cpu_widened[dtype]];
  do {
    load(in.rows, in.columns, block, place->base + offset, in.row, in.column);
    block += bytes;
  } while (next_matrix(box, place->stride, position, &offset));
}

static void store_box(const CpuBox *box, const CpuPlace *place, uint32_t dtype, const char *block) {
  Inner in = inner_dims(box, place->stride);
  CpuStore store = cpu_loops->store[dtype];
  int64_t position[CRESSET_MAX_RANK + 1] = {0}, offset = 0;
  int64_t bytes = in.rows * in.columns * cpu_type_size[cpu_widened[dtype]];
  do {
    store(in.rows, in.columns, place->base + offset, in.row, in.column, block);
    block += bytes;
  } while (next_matrix(box, place->stride, position, &offset));
}

static void index_box(const CpuBox *box, const CpuPlace *place, int64_t *block) {
  Inner in = inner_dims(box, place->stride);
  int64_t position[CRESSET_MAX_RANK + 1] = {0}, offset = 0, first = (int64_t)(intptr_t)place->base;
  do {
    for (int64_t i = 0; i < in.rows; i++, block += in.columns)
      for (int64_t j = 0; j < in.columns; j++) block[j] = first + offset + i * in.row + j * in.column;
  } while (next_matrix(box, place->stride, position, &offset));
}

static size_t align64(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

size_t cpu_frame_bytes(const CpuProgram *program) {
  return align64(program->value_count * (sizeof(void *) + sizeof(CressetScalar))) +
         (size_t)program->slot_count * CPU_SLOT_BYTES;
}

void cpu_frame_begin(CpuFrame *frame, const CpuProgram *program, const CressetScalar *params, void *memory,
                     int64_t block) {
  uint32_t n = program->value_count;
  frame->program = program;
  frame->pointer = memory;
  frame->past_caches = false;
  CressetScalar *scalars = (CressetScalar *)(void *)(frame->pointer + n);
  frame->slots = (char *)memory + align64(n * (sizeof(void *) + sizeof(CressetScalar)));
  for (uint32_t v = 0; v < n; v++)
    frame->pointer[v] = program->slot[v] != UINT32_MAX ? frame->slots + (size_t)program->slot[v] * CPU_SLOT_BYTES
                                                       : (char *)&scalars[v];
  for (uint32_t u = 0; u < program->uniform_count; u++) {
    const CpuUniformStep *step = &program->uniforms[u];
    void *r = frame->pointer[step->result];
    if (step->run) step->run(1, r, frame->pointer[step->a], frame->pointer[step->b], frame->pointer[step->c]);
    else memcpy(r, step->is_param ? &params[step->param] : &step->literal, sizeof(CressetScalar));
  }
  for (uint32_t s = 0; s < program->splat_count; s++) {
    uint32_t value = program->splats[s], dtype = cpu_native_dtype[program->type[value]];
    char *r = frame->pointer[value];
    if (block > 1) cpu_loops->load[dtype](1, block - 1, r + cpu_type_size[program->type[value]], r, 0, 0);
  }
}

void cpu_frame_run(CpuFrame *frame, const CpuBox *box, const CpuPlace *inputs, const CpuPlace *outputs,
                   const CpuPlace *index) {
  const CpuProgram *program = frame->program;
  void **pointer = frame->pointer;
  for (uint32_t l = 0; l < program->load_count; l++) {
    const CpuLoadStep *step = &program->loads[l];
    const CpuPlace *place = &inputs[step->input];
    char *block = frame->slots + (size_t)program->slot[step->value] * CPU_SLOT_BYTES;
    bool reads_in_place = !step->copies && cpu_is_native(step->dtype) &&
                          cpu_box_is_contiguous(box, place->stride, cpu_dtype_size[step->dtype]);
    pointer[step->value] = reads_in_place ? place->base : block;
    if (!reads_in_place) load_box(box, place, step->dtype, block);
  }
  if (program->index_value != UINT32_MAX) index_box(box, index, pointer[program->index_value]);
  for (uint32_t s = 0; outputs && s < program->store_count; s++) {
    const CpuStoreStep *step = &program->stores[s];
    if (!step->direct) continue;
    bool writes_in_place = !frame->past_caches && cpu_box_is_contiguous(box, outputs[s].stride, cpu_dtype_size[step->dtype]);
    pointer[step->value] = writes_in_place ? outputs[s].base
                                           : frame->slots + (size_t)program->slot[step->value] * CPU_SLOT_BYTES;
  }
  int64_t n = box->count;
  for (const CpuStep *step = program->steps, *end = step + program->step_count; step < end; step++)
    step->run(n, pointer[step->result], pointer[step->a], pointer[step->b], pointer[step->c]);
  for (uint32_t s = 0; outputs && s < program->store_count; s++) {
    const CpuStoreStep *step = &program->stores[s];
    if (pointer[step->value] == outputs[s].base) continue;
    int64_t element = cpu_dtype_size[step->dtype];
    if (frame->past_caches && cpu_is_native(step->dtype) && cpu_box_is_contiguous(box, outputs[s].stride, element))
      cpu_loops->stream(box->count * element, outputs[s].base, pointer[step->value]);
    else store_box(box, &outputs[s], step->dtype, pointer[step->value]);
  }
}
