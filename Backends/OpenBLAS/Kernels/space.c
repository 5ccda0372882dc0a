/* space.c: iteration spaces: reading them from calls, reordering and merging dims. */
#include "internal.h"

void cpu_space_begin(CpuSpace *space, const CressetTensor *tensor) {
  space->rank = tensor->dl.ndim;
  space->operands = 0;
  space->count = 1;
  for (int d = 0; d < space->rank; d++) {
    space->size[d] = tensor->dl.shape[d];
    space->count *= space->size[d];
  }
}

void cpu_space_add(CpuSpace *space, const CressetTensor *tensor) {
  CpuOperand *operand = &space->operand[space->operands++];
  int64_t size = cpu_dtype_size[tensor->dtype];
  operand->base = cpu_address(tensor);
  operand->dtype = tensor->dtype;
  for (int d = 0; d < space->rank; d++) operand->stride[d] = tensor->dl.strides[d] * size;
}

void cpu_space_add_index(CpuSpace *space) {
  CpuOperand *operand = &space->operand[space->operands++];
  operand->base = NULL;
  operand->dtype = CRESSET_INT64;
  int64_t stride = 1;
  for (int d = space->rank - 1; d >= 0; d--) {
    operand->stride[d] = stride;
    stride *= space->size[d];
  }
}

void cpu_space_swap_dims(CpuSpace *space, int a, int b) {
  int64_t size = space->size[a];
  space->size[a] = space->size[b];
  space->size[b] = size;
  for (int k = 0; k < space->operands; k++) {
    int64_t *stride = space->operand[k].stride, s = stride[a];
    stride[a] = stride[b];
    stride[b] = s;
  }
}

/* Whether dim a should lie outside dim b: the first operand that tells them apart decides. */
static bool goes_outside(const CpuSpace *space, int preferred, int a, int b) {
  for (int k = -1; k < space->operands; k++) {
    if (k == preferred) continue;
    const int64_t *stride = space->operand[k < 0 ? preferred : k].stride;
    int64_t x = stride[a] < 0 ? -stride[a] : stride[a], y = stride[b] < 0 ? -stride[b] : stride[b];
    if (x != y && x != 0 && y != 0) return x > y;
  }
  return a < b;
}

void cpu_space_sort(CpuSpace *space, int from, int to, int preferred) {
  /* By insertion: stable, and most spaces are sorted already. */
  for (int i = from + 1; i < to; i++)
    for (int j = i; j > from && !goes_outside(space, preferred, j - 1, j); j--) cpu_space_swap_dims(space, j - 1, j);
}

static void move_dim(CpuSpace *space, int target, int source) {
  space->size[target] = space->size[source];
  for (int k = 0; k < space->operands; k++)
    space->operand[k].stride[target] = space->operand[k].stride[source];
}

int cpu_space_merge(CpuSpace *space, int from, int to) {
  int kept = from;
  for (int d = from; d < to; d++) {
    if (space->size[d] == 1) continue;
    bool merges = kept > from;
    for (int k = 0; merges && k < space->operands; k++) {
      const int64_t *stride = space->operand[k].stride;
      merges = stride[kept - 1] == stride[d] * space->size[d];
    }
    int64_t outer = merges ? space->size[kept - 1] : 1;
    if (!merges) kept++;
    move_dim(space, kept - 1, d);
    space->size[kept - 1] *= outer;
  }
  int end = kept;
  for (int d = to; d < space->rank; d++) move_dim(space, kept++, d);
  space->rank = kept;
  return end;
}

CressetStatus *cpu_check(const CressetCall *call) {
  if (call->input_count > CRESSET_MAX_INPUTS || call->output_count > CRESSET_MAX_OUTPUTS || call->output_count == 0)
    return cpu_fail(CRESSET_ERROR_INVALID, "%s: %u inputs and %u outputs", call->op ? call->op : "a call",
                    call->input_count, call->output_count);
  for (uint32_t k = 0; k < call->input_count + call->output_count; k++) {
    const CressetTensor *tensor =
        k < call->input_count ? cpu_input(call, k) : cpu_output(call, k - call->input_count);
    if (tensor->dtype > CRESSET_FLOAT64)
      return cpu_fail(CRESSET_ERROR_UNSUPPORTED, "%s: the cpu computes no complex or newer dtypes",
                      call->op ? call->op : "a call");
    if (tensor->dl.ndim < 0 || tensor->dl.ndim > CRESSET_MAX_RANK)
      return cpu_fail(CRESSET_ERROR_INVALID, "%s: a tensor of rank %d", call->op ? call->op : "a call",
                      tensor->dl.ndim);
  }
  return NULL;
}

void cpu_walk_begin(CpuWalk *walk, const CpuSpace *space, int from, int to, int64_t linear) {
  walk->from = from;
  walk->to = to;
  for (int k = 0; k < space->operands; k++) walk->offset[k] = 0;
  for (int d = to - 1; d >= from; d--) {
    int64_t position = linear % space->size[d];
    linear /= space->size[d];
    walk->position[d] = position;
    for (int k = 0; k < space->operands; k++) walk->offset[k] += position * space->operand[k].stride[d];
  }
}

void cpu_walk_next(CpuWalk *walk, const CpuSpace *space) {
  for (int d = walk->to - 1; d >= walk->from; d--) {
    bool wraps = ++walk->position[d] == space->size[d];
    int64_t steps = wraps ? 1 - space->size[d] : 1;
    for (int k = 0; k < space->operands; k++) walk->offset[k] += steps * space->operand[k].stride[d];
    if (!wraps) return;
    walk->position[d] = 0;
  }
}
