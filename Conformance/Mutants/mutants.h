/* mutants.h: what the files of the mutants share.
 *
 * A mutant is a right backend with one bug. It is made by changing what the right backend is told (a launch, a program,
 * a copy) or what it left in memory, so that it may wrap any backend whose memory the host sees. The list is table.h. */
#ifndef MUTANTS_H
#define MUTANTS_H

#include "cresset_backend.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ------------------------------------------------------------- launches -- */
/* A call that may be changed: everything that it points to lies in it. */
typedef struct Launch {
  CressetCall call;
  CressetTensor tensors[CRESSET_MAX_INPUTS + CRESSET_MAX_OUTPUTS];
  int64_t shapes[CRESSET_MAX_INPUTS + CRESSET_MAX_OUTPUTS][CRESSET_MAX_RANK];
  int64_t strides[CRESSET_MAX_INPUTS + CRESSET_MAX_OUTPUTS][CRESSET_MAX_RANK];
  CressetScalar params[64];
  CressetReduceAttributes reduce;
  CressetIndexAttributes index;
  const CressetKernel *right; /* of the wrapped backend */
  CressetQueue *queue;
} Launch;

typedef CressetStatus *(*LaunchMutant)(Launch *launch);

/* Fills `to`; false where the call is of a kind that cannot be copied. */
bool copy_launch(Launch *to, const CressetCall *call, const CressetKernel *right, CressetQueue *queue);
/* Runs it on the wrapped backend. */
CressetStatus *run_right(Launch *launch);

static inline CressetTensor *input(Launch *l, uint32_t i) { return &l->tensors[i]; }
static inline CressetTensor *output(Launch *l, uint32_t i) { return &l->tensors[l->call.input_count + i]; }
/* The arrays that the tensor's shape and strides are. */
static inline int64_t *shape_of(Launch *l, const CressetTensor *t) { return l->shapes[t - l->tensors]; }
static inline int64_t *strides_of(Launch *l, const CressetTensor *t) { return l->strides[t - l->tensors]; }

/* The dims of every tensor: all families but MATMUL have one shape. */
void set_size(Launch *launch, int dim, int64_t size);
int64_t count_of(const CressetTensor *tensor);
uint32_t size_of(const CressetTensor *tensor);
/* Where element [0, ..., 0] is; NULL where the host does not see the memory. */
char *start_of(const CressetTensor *tensor);
/* True if every element lies in the buffer. */
bool fits(const CressetTensor *tensor);
/* Calls `visit` with the address of each element in row-major order. */
void visit(const CressetTensor *tensor, void (*visit)(char *at, int64_t index, void *with), void *with);

/* ------------------------------------------------------------- programs -- */
enum { MAX_INSTRUCTIONS = 8192 };

/* A program being written from another. */
typedef struct Edit {
  CressetInstruction made[MAX_INSTRUCTIONS];
  uint32_t count, at; /* at: of the old program, the instruction that is being written */
  uint32_t value_of[MAX_INSTRUCTIONS]; /* by instruction of the old program */
  const CressetProgram *old;
  const Launch *launch;
  bool is_epilogue;
} Edit;

/* Writes something for `i`, whose operands are values of the new program, and returns the value that stands for it. */
typedef uint32_t (*ProgramMutant)(Edit *edit, CressetInstruction i);

CressetStatus *run_rewritten(Launch *launch, ProgramMutant mutant);

/* --------------------------------------------------------------- the rest -- */
typedef void (*TableMutant)(CressetBackend *table, const CressetBackend *right);
/* Of a status that nobody is to see. */
void drop(CressetStatus *status);

/* ---------------------------------------------------------------- the list -- */
typedef struct Mutant {
  const char *name, *imitates;
  ProgramMutant program;
  LaunchMutant launch;
  TableMutant table;
} Mutant;

#define PROGRAM(name, imitates) uint32_t program_##name(Edit *e, CressetInstruction i);
#define LAUNCH(name, imitates) CressetStatus *launch_##name(Launch *l);
#define TABLE(name, imitates) void table_##name(CressetBackend *table, const CressetBackend *right);
#define BOTH(name, imitates) LAUNCH(name, imitates) TABLE(name, imitates)
#include "table.h"
#undef BOTH
#undef PROGRAM
#undef LAUNCH
#undef TABLE
/* Generated ones, and what they are made of. */
uint32_t program_edit(Edit *e, CressetInstruction i);
uint32_t program_survey(Edit *e, CressetInstruction i);

#endif
