/* blas.c: the system's BLAS, found at run time. */
#include "internal.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

static struct {
  void (*sgemm)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
  void (*dgemm)(int, int, int, int, int, int, double, const double *, int, const double *, int, double, double *, int);
  void (*sgemv)(int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
  void (*dgemv)(int, int, int, int, double, const double *, int, const double *, int, double, double *, int);
} blas;
#define OWN_GEMM "own GEMM"
#define NO_BLAS OWN_GEMM "; for more speed: apt install libopenblas0"
static char blas_name[96] = OWN_GEMM;

const char *cpu_blas_name(void) { return blas_name; }
bool cpu_blas_present(void) { return blas.sgemm != NULL; }

const char *cpu_blas_load(const char *choice) {
  blas.sgemm = NULL;
  snprintf(blas_name, sizeof blas_name, OWN_GEMM);
  bool wanted = choice && strcmp(choice, "openblas") == 0;
  if (!wanted && (choice || cpu_loops->gemm_is_fast)) return NULL;
  snprintf(blas_name, sizeof blas_name, NO_BLAS);
  static const char *const names[] = {"libopenblas.so.0", "libopenblas.so", "libopenblas.0.dylib", "libblas.so.3"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) continue;
    void *sgemm = dlsym(library, "cblas_sgemm"), *dgemm = dlsym(library, "cblas_dgemm");
    void *sgemv = dlsym(library, "cblas_sgemv"), *dgemv = dlsym(library, "cblas_dgemv");
    if (!sgemm || !dgemm || !sgemv || !dgemv) {
      dlclose(library);
      continue;
    }
    /* dlsym's objects are functions by POSIX; memcpy says so without a cast C forbids. */
    memcpy(&blas.sgemm, &sgemm, sizeof sgemm);
    memcpy(&blas.dgemm, &dgemm, sizeof dgemm);
    memcpy(&blas.sgemv, &sgemv, sizeof sgemv);
    memcpy(&blas.dgemv, &dgemv, sizeof dgemv);
    void (*set_threads)(int) = NULL;
    char *(*config)(void) = NULL;
    void *symbol = dlsym(library, "openblas_set_num_threads");
    memcpy(&set_threads, &symbol, sizeof symbol);
    symbol = dlsym(library, "openblas_get_config");
    memcpy(&config, &symbol, sizeof symbol);
    if (set_threads) set_threads(1); /* the pool's threads call it */
    if (config) {
      char word[2][40] = {"", ""};
      sscanf(config(), "%39s %39s", word[0], word[1]);
      snprintf(blas_name, sizeof blas_name, "%s %s", word[0], word[1]);
    } else snprintf(blas_name, sizeof blas_name, "%s", names[i]);
    return NULL;
  }
  return "no BLAS library was found, so matrix products use the cpu backend's own GEMM; for more speed install "
         "OpenBLAS (Debian, Ubuntu: apt install libopenblas0)";
}

typedef struct Rows {
  uint32_t type;
  bool transpose_a, transpose_b, add;
  int64_t n, k, lda, ldb, ldc;
  const char *a, *b;
  char *c;
} Rows;

static void multiply_rows(void *context, int64_t begin, int64_t end) {
  const Rows *job = context;
  int64_t size = cpu_type_size[job->type];
  const char *a = job->a + begin * (job->transpose_a ? 1 : job->lda) * size;
  char *c = job->c + begin * job->ldc * size;
  int ta = job->transpose_a ? TRANSPOSED : PLAIN, tb = job->transpose_b ? TRANSPOSED : PLAIN;
  int m = (int)(end - begin), n = (int)job->n, k = (int)job->k;
  if (job->type == CRESSET_TYPE_F32)
    blas.sgemm(ROW_MAJOR, ta, tb, m, n, k, 1, (const void *)a, (int)job->lda, (const void *)job->b, (int)job->ldb,
               (float)job->add, (void *)c, (int)job->ldc);
  else
    blas.dgemm(ROW_MAJOR, ta, tb, m, n, k, 1, (const void *)a, (int)job->lda, (const void *)job->b, (int)job->ldb,
               (double)job->add, (void *)c, (int)job->ldc);
}

void cpu_blas_gemm(uint32_t type, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const void *a,
                   int64_t lda, const void *b, int64_t ldb, bool add, void *c, int64_t ldc) {
  Rows job = {type, transpose_a, transpose_b, add, n, k, lda, ldb, ldc, a, b, c};
  int64_t share = cpu_ceil_div(m, cpu_thread_count());
  cpu_parallel(m, cpu_max(share, cpu_ceil_div(1 << 21, 2 * n * k)), multiply_rows, &job);
}

void cpu_blas_gemv(uint32_t type, bool transpose, int64_t rows, int64_t columns, const void *a, int64_t lda,
                   const void *x, int64_t x_step, void *y, int64_t y_step) {
  int t = transpose ? TRANSPOSED : PLAIN;
  if (type == CRESSET_TYPE_F32)
    blas.sgemv(ROW_MAJOR, t, (int)rows, (int)columns, 1, a, (int)lda, x, (int)x_step, 0, y, (int)y_step);
  else blas.dgemv(ROW_MAJOR, t, (int)rows, (int)columns, 1, a, (int)lda, x, (int)x_step, 0, y, (int)y_step);
}
