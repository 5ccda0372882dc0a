/* library.c: opening LAPACK and finding its routines. */
#include "table.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

struct clapack_table clapack;
static char name[256];
static char failure[512];

const char *clapack_name(void) { return name; }

#define INSTALL "install OpenBLAS (Debian, Ubuntu: apt install libopenblas0) or set CRESSET_LAPACK to a LAPACK library"

/* The routines by the names of their four types; NULL where there is none. */
static const struct {
  const char *names[4];
  void (**slots)(void);
} routines[] = {
#define ROUTINE(r, s, d, c, z) {{s, d, c, z}, clapack.r},
    CLAPACK_ROUTINES(ROUTINE)
#undef ROUTINE
};

/* The first routine that is missing; NULL if none is. */
static const char *find_all(void *library) {
  for (size_t i = 0; i < sizeof routines / sizeof *routines; i++)
    for (int t = 0; t < 4; t++) {
      const char *wanted = routines[i].names[t];
      if (!wanted) continue;
      void *symbol = dlsym(library, wanted);
      if (!symbol) return wanted;
      /* dlsym's objects are functions by POSIX; memcpy says so without a cast C forbids. */
      memcpy(&routines[i].slots[t], &symbol, sizeof symbol);
    }
  return NULL;
}

const char *clapack_load(const char *choice) {
  static const char *const usual[] = {"libopenblas.so.0", "libopenblas.so", "libopenblas.0.dylib", "liblapack.so.3",
                                      "liblapack.so"};
  if (choice && strcmp(choice, "none") == 0)
    return "LAPACK is switched off (CRESSET_LAPACK=none), and factorisations need it";
  for (size_t i = 0; i < (choice ? 1 : sizeof usual / sizeof *usual); i++) {
    const char *candidate = choice ? choice : usual[i];
    void *library = dlopen(candidate, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      if (choice) {
        const char *why = dlerror();
        snprintf(failure, sizeof failure, "LAPACK cannot be opened (CRESSET_LAPACK): %s; " INSTALL, why ? why : choice);
        return failure;
      }
      continue;
    }
    const char *missing = find_all(library);
    if (!missing) {
      snprintf(name, sizeof name, "%s", candidate);
      return NULL;
    }
    snprintf(failure, sizeof failure, "%s has no %s; " INSTALL, candidate, missing);
    dlclose(library);
  }
  return failure[0] ? failure : "no LAPACK library was found; " INSTALL;
}
