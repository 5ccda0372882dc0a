/* plugin.c: the backend "mutant": a right one with the bug that CRESSET_MUTANT names, or none.
 *
 * The right one is the plugin that CRESSET_MUTANT_OF names, or else the C example, which is linked in under another
 * name of its entry. */
#include "mutants.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const CressetBackend *right_backend_query(uint32_t oldest, uint32_t newest);

static const Mutant mutants[] = {
#define PROGRAM(name, imitates) {#name, imitates, program_##name, NULL, NULL},
#define LAUNCH(name, imitates) {#name, imitates, NULL, launch_##name, NULL},
#define TABLE(name, imitates) {#name, imitates, NULL, NULL, table_##name},
#define BOTH(name, imitates) {#name, imitates, NULL, launch_##name, table_##name},
#include "table.h"
#undef BOTH
#undef PROGRAM
#undef LAUNCH
#undef TABLE
    {"edit", "what CRESSET_MUTANT_EDIT describes", program_edit, NULL, NULL},
    {"survey", "nothing: it writes down programs", program_survey, NULL, NULL},
};

static const Mutant *chosen; /* NULL: the right backend as it is */
static const CressetBackend *right;

/* ------------------------------------------------------------- launches -- */
static CressetStatus *launch(void *context, CressetQueue *queue, const CressetCall *call) {
  const CressetKernel *kernel = context;
  static _Thread_local Launch copy;
  if (!chosen || !(chosen->launch || chosen->program) || !copy_launch(&copy, call, kernel, queue))
    return kernel->launch(kernel->context, queue, call);
  return chosen->launch ? chosen->launch(&copy) : run_rewritten(&copy, chosen->program);
}

static const char *supports(void *context, CressetDevice *device, const CressetCall *call) {
  const CressetKernel *kernel = context;
  return kernel->supports ? kernel->supports(kernel->context, device, call) : NULL;
}

/* The right backend's kernels, each with a launch that goes through the mutant. Kept for good, as contexts. */
static CressetStatus *kernels(CressetDevice *device, uint32_t *count, CressetKernel *items) {
  if (!items) return right->kernels(device, count, NULL);
  CressetKernel *list = calloc(*count + 1, sizeof *list);
  if (!list) abort();
  for (uint32_t k = 0; k < *count; k++) list[k].struct_size = sizeof *list;
  CressetStatus *status = right->kernels(device, count, list);
  for (uint32_t k = 0; !status && k < *count; k++) {
    CressetKernel wrapped = list[k];
    wrapped.context = &list[k], wrapped.launch = launch, wrapped.supports = supports;
    uint32_t size = items[0].struct_size < sizeof wrapped ? items[0].struct_size : (uint32_t)sizeof wrapped;
    char *place = (char *)items + (size_t)k * items[0].struct_size;
    memcpy(place, &wrapped, size), memcpy(place, &size, sizeof size);
  }
  return status;
}

/* ---------------------------------------------------------------- the table -- */
static CressetBackend table;

static const CressetBackend *right_table(uint32_t oldest, uint32_t newest) {
  const char *path = getenv("CRESSET_MUTANT_OF");
  if (!path || !*path) return right_backend_query(oldest, newest);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  CressetBackendQuery query = library ? (CressetBackendQuery)dlsym(library, CRESSET_BACKEND_ENTRY) : NULL;
  if (!query) fprintf(stderr, "mutants: %s: %s\n", path, dlerror());
  return query ? query(oldest, newest) : NULL;
}

const CressetBackend *cresset_backend_query(uint32_t oldest, uint32_t newest) {
  right = right_table(oldest, newest);
  if (!right) return NULL;
  const char *name = getenv("CRESSET_MUTANT");
  for (size_t m = 0; name && m < sizeof mutants / sizeof *mutants; m++)
    if (strcmp(mutants[m].name, name) == 0) chosen = &mutants[m];
  if (name && *name && strcmp(name, "none") != 0 && !chosen) {
    fprintf(stderr, "mutants: there is no mutant %s\n", name);
    return NULL;
  }
  memcpy(&table, right, right->struct_size < sizeof table ? right->struct_size : sizeof table);
  table.struct_size = sizeof table, table.name = "mutant", table.kernels = kernels;
  table.prepare = NULL; /* it would compile what is never launched */
  if (chosen && chosen->table) chosen->table(&table, right);
  return &table;
}

/* For the runner: "name<tab>what it imitates", one line each. */
CRESSET_EXPORT void cresset_list_mutants(void);
void cresset_list_mutants(void) {
  for (size_t m = 0; m < sizeof mutants / sizeof *mutants; m++)
    printf("%s\t%s\n", mutants[m].name, mutants[m].imitates);
}
