/* launch.c: launches and programs that may be changed. */
#include "mutants.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------- launches -- */
bool copy_launch(Launch *to, const CressetCall *call, const CressetKernel *right, CressetQueue *queue) {
  uint32_t count = call->input_count + call->output_count;
  if (call->family == CRESSET_FAMILY_OVERRIDE || count > CRESSET_MAX_INPUTS + CRESSET_MAX_OUTPUTS) return false;
  if (call->param_count > sizeof to->params / sizeof *to->params) return false;
  to->call = *call, to->right = right, to->queue = queue;
  for (uint32_t t = 0; t < count; t++) {
    CressetTensor *tensor = &to->tensors[t];
    *tensor = t < call->input_count ? call->inputs[t] : call->outputs[t - call->input_count];
    for (int d = 0; d < tensor->dl.ndim; d++) {
      to->shapes[t][d] = tensor->dl.shape[d], to->strides[t][d] = tensor->dl.strides[d];
    }
    tensor->dl.shape = to->shapes[t], tensor->dl.strides = to->strides[t];
  }
  to->call.inputs = to->tensors, to->call.outputs = to->tensors + call->input_count;
  if (call->params) memcpy(to->params, call->params, call->param_count * sizeof *to->params);
  to->call.params = to->params;
  if (call->family == CRESSET_FAMILY_REDUCE) {
    to->reduce = *(const CressetReduceAttributes *)call->attributes, to->call.attributes = &to->reduce;
  } else if (call->family == CRESSET_FAMILY_GATHER || call->family == CRESSET_FAMILY_SCATTER) {
    to->index = *(const CressetIndexAttributes *)call->attributes, to->call.attributes = &to->index;
  }
  return true;
}

CressetStatus *run_right(Launch *l) { return l->right->launch(l->right->context, l->queue, &l->call); }

void set_size(Launch *l, int dim, int64_t size) {
  for (uint32_t t = 0; t < l->call.input_count + l->call.output_count; t++) l->shapes[t][dim] = size;
}

int64_t count_of(const CressetTensor *tensor) {
  int64_t count = 1;
  for (int d = 0; d < tensor->dl.ndim; d++) count *= tensor->dl.shape[d];
  return count;
}

uint32_t size_of(const CressetTensor *tensor) {
  static const uint8_t sizes[CRESSET_DTYPE_COUNT] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return sizes[tensor->dtype];
}

char *start_of(const CressetTensor *tensor) {
  return tensor->dl.data ? (char *)tensor->dl.data + tensor->dl.byte_offset : NULL;
}

bool fits(const CressetTensor *tensor) {
  int64_t low = (int64_t)tensor->dl.byte_offset, high = low, size = size_of(tensor);
  for (int d = 0; d < tensor->dl.ndim; d++) {
    if (tensor->dl.shape[d] == 0) return true;
    int64_t reach = (tensor->dl.shape[d] - 1) * tensor->dl.strides[d] * size;
    if (reach < 0) low += reach;
    else high += reach;
  }
  return low >= 0 && (uint64_t)(high + size) <= tensor->buffer_bytes;
}

void visit(const CressetTensor *tensor, void (*visitor)(char *, int64_t, void *), void *with) {
  int64_t count = count_of(tensor), position[CRESSET_MAX_RANK] = {0};
  char *at = start_of(tensor);
  if (!at) return;
  for (int64_t n = 0; n < count; n++) {
    visitor(at, n, with);
    for (int d = tensor->dl.ndim - 1; d >= 0; d--) {
      int64_t step = tensor->dl.strides[d] * (int64_t)size_of(tensor);
      at += step;
      if (++position[d] < tensor->dl.shape[d]) break;
      at -= step * position[d], position[d] = 0;
    }
  }
}

/* ------------------------------------------------------------- programs -- */
/* Rewritten programs live for good, as backends may key what they compile by their ids. */
typedef struct Rewritten {
  struct Rewritten *next;
  const CressetProgram *old;
  CressetReduceAttributes reduce; /* of the launch: what is right may depend on the kinds */
  bool is_epilogue;
  CressetProgram program;
} Rewritten;

static const CressetProgram *rewritten(const CressetProgram *old, Launch *l, bool is_epilogue, ProgramMutant mutant) {
  static Rewritten *table[1024];
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static uint32_t next_id = 1 << 20;
  static Edit edit;
  if (!old) return NULL;
  bool reduces = l->call.family == CRESSET_FAMILY_REDUCE;
  pthread_mutex_lock(&mutex);
  Rewritten **bucket = &table[old->id % 1024], *found = *bucket;
  while (found && !(found->old == old && found->is_epilogue == is_epilogue &&
                    (!reduces || memcmp(found->reduce.kinds, l->reduce.kinds, sizeof l->reduce.kinds) == 0)))
    found = found->next;
  if (!found) {
    found = calloc(1, sizeof *found);
    if (!found) abort();
    edit.old = old, edit.launch = l, edit.is_epilogue = is_epilogue, edit.count = 0;
    for (uint32_t k = 0; k < old->instruction_count; k++) {
      CressetInstruction i = old->instructions[k];
      /* Operands, where they are values, become values of the new program. */
      bool a = i.opcode >= CRESSET_OP_STORE, b = i.opcode >= CRESSET_OP_ADD, c = i.opcode == CRESSET_OP_SELECT;
      if (i.opcode == CRESSET_OP_FMA) c = true;
      if (a) i.a = edit.value_of[i.a];
      if (b && i.b < k) i.b = edit.value_of[i.b];
      if (c) i.c = edit.value_of[i.c];
      edit.at = k;
      edit.value_of[k] = mutant(&edit, i);
    }
    CressetInstruction *made = malloc(edit.count * sizeof *made);
    if (!made) abort();
    memcpy(made, edit.made, edit.count * sizeof *made);
    *found = (Rewritten){.next = *bucket, .old = old, .is_epilogue = is_epilogue, .program = *old};
    if (reduces) found->reduce = l->reduce;
    found->program.instructions = made, found->program.instruction_count = edit.count;
    found->program.id = next_id++, found->program.hash = old->hash ^ 0x9E3779B97F4A7C15u * next_id;
    *bucket = found;
  }
  pthread_mutex_unlock(&mutex);
  return &found->program;
}

CressetStatus *run_rewritten(Launch *l, ProgramMutant mutant) {
  if (l->call.program) l->call.program = rewritten(l->call.program, l, false, mutant);
  if (l->call.epilogue) l->call.epilogue = rewritten(l->call.epilogue, l, true, mutant);
  return run_right(l);
}

void drop(CressetStatus *status) {
  if (status && status->release) status->release(status);
}
