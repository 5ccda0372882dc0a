/* routines.c: calls of LAPACK, with their workspaces. */
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef const int *in;
/* The hidden length of a character argument. */
#define ONE ((size_t)1)

static int at_least_1(int n) { return n > 1 ? n : 1; }
static int least(int a, int b) { return a < b ? a : b; }
static int greatest(int a, int b) { return a > b ? a : b; }
static bool is_complex(clapack_type t) { return t == CLAPACK_C64 || t == CLAPACK_C128; }
static size_t real_size(clapack_type t) { return t == CLAPACK_F32 || t == CLAPACK_C64 ? 4 : 8; }
static size_t size_of(clapack_type t) { return is_complex(t) ? 2 * real_size(t) : real_size(t); }

/* A workspace of `count` numbers: never of no bytes. */
static void *work_of(size_t count, size_t size) { return malloc((count > 0 ? count : 1) * size); }

/* The size that a workspace query left in the first element, rounded up: floats hold it inexactly. */
static int queried(clapack_type t, const void *answer) {
  double x = real_size(t) == 4 ? (double)*(const float *)answer : *(const double *)answer;
  return at_least_1((int)(real_size(t) == 4 ? x * (1 + 0x1p-22) + 1 : x));
}

/* The answer of a query, of any type. */
typedef union { float f; double d; double z[2]; } answer;

bool clapack_all_finite(clapack_type type, size_t count, const void *a) {
  if (is_complex(type)) count *= 2;
  if (real_size(type) == 4) {
    const float *x = a;
    for (size_t i = 0; i < count; i++)
      if (!isfinite(x[i])) return false;
  } else {
    const double *x = a;
    for (size_t i = 0; i < count; i++)
      if (!isfinite(x[i])) return false;
  }
  return true;
}

int clapack_getrf(clapack_type t, int m, int n, void *a, int *pivots) {
  int lda = at_least_1(m), info = 0;
  ((void (*)(in, in, void *, in, int *, int *))clapack.getrf[t])(&m, &n, a, &lda, pivots, &info);
  return info;
}

int clapack_getrs(clapack_type t, char transpose, int n, int nrhs, const void *lu, const int *pivots, void *b) {
  int ld = at_least_1(n), info = 0;
  ((void (*)(const char *, in, in, const void *, in, in, void *, in, int *, size_t))clapack.getrs[t])(
      &transpose, &n, &nrhs, lu, &ld, pivots, b, &ld, &info, ONE);
  return info;
}

int clapack_potrf(clapack_type t, bool upper, int n, void *a) {
  char uplo = upper ? 'U' : 'L';
  int lda = at_least_1(n), info = 0;
  ((void (*)(const char *, in, void *, in, int *, size_t))clapack.potrf[t])(&uplo, &n, a, &lda, &info, ONE);
  return info;
}

int clapack_ldl_factor(clapack_type t, bool hermitian, int n, void *a, int *pivots) {
  typedef void routine(const char *, in, void *, in, int *, void *, in, int *, size_t);
  routine *call = (routine *)(hermitian ? clapack.hetrf[t] : clapack.sytrf[t]);
  char uplo = 'L';
  int lda = at_least_1(n), info = 0, size = -1;
  answer best = {0};
  call(&uplo, &n, a, &lda, pivots, &best, &size, &info, ONE);
  if (info) return info;
  size = queried(t, &best);
  void *work = work_of((size_t)size, size_of(t));
  if (!work) return CLAPACK_NO_MEMORY;
  call(&uplo, &n, a, &lda, pivots, work, &size, &info, ONE);
  free(work);
  return info;
}

int clapack_ldl_solve(clapack_type t, bool hermitian, int n, int nrhs, const void *ld, const int *pivots, void *b) {
  char uplo = 'L';
  int lda = at_least_1(n), info = 0;
  ((void (*)(const char *, in, in, const void *, in, in, void *, in, int *, size_t))(
      hermitian ? clapack.hetrs[t] : clapack.sytrs[t]))(&uplo, &n, &nrhs, ld, &lda, pivots, b, &lda, &info, ONE);
  return info;
}

int clapack_geqrf(clapack_type t, int m, int n, void *a, void *tau) {
  typedef void routine(in, in, void *, in, void *, void *, in, int *);
  routine *call = (routine *)clapack.geqrf[t];
  int lda = at_least_1(m), info = 0, size = -1;
  answer best = {0};
  call(&m, &n, a, &lda, tau, &best, &size, &info);
  if (info) return info;
  size = greatest(queried(t, &best), n);
  void *work = work_of((size_t)size, size_of(t));
  if (!work) return CLAPACK_NO_MEMORY;
  call(&m, &n, a, &lda, tau, work, &size, &info);
  free(work);
  return info;
}

int clapack_orgqr(clapack_type t, int m, int n, int k, void *a, const void *tau) {
  typedef void routine(in, in, in, void *, in, const void *, void *, in, int *);
  routine *call = (routine *)clapack.orgqr[t];
  int lda = at_least_1(m), info = 0, size = -1;
  answer best = {0};
  call(&m, &n, &k, a, &lda, tau, &best, &size, &info);
  if (info) return info;
  size = greatest(queried(t, &best), n);
  void *work = work_of((size_t)size, size_of(t));
  if (!work) return CLAPACK_NO_MEMORY;
  call(&m, &n, &k, a, &lda, tau, work, &size, &info);
  free(work);
  return info;
}

int clapack_ormqr(clapack_type t, bool left, bool adjoint, int m, int n, int k, const void *a, const void *tau,
                  void *c) {
  typedef void routine(const char *, const char *, in, in, in, const void *, in, const void *, void *, in, void *, in,
                       int *, size_t, size_t);
  routine *call = (routine *)clapack.ormqr[t];
  char side = left ? 'L' : 'R', transpose = adjoint ? (is_complex(t) ? 'C' : 'T') : 'N';
  int lda = at_least_1(left ? m : n), ldc = at_least_1(m), info = 0, size = -1;
  answer best = {0};
  call(&side, &transpose, &m, &n, &k, a, &lda, tau, c, &ldc, &best, &size, &info, ONE, ONE);
  if (info) return info;
  size = greatest(queried(t, &best), left ? n : m);
  void *work = work_of((size_t)size, size_of(t));
  if (!work) return CLAPACK_NO_MEMORY;
  call(&side, &transpose, &m, &n, &k, a, &lda, tau, c, &ldc, work, &size, &info, ONE, ONE);
  free(work);
  return info;
}

void clapack_trsm(clapack_type t, bool left, bool upper, char transpose, bool unit, int m, int n, const void *a,
                  void *b) {
  static const float one_f[2] = {1, 0};
  static const double one_d[2] = {1, 0};
  char side = left ? 'L' : 'R', uplo = upper ? 'U' : 'L', diagonal = unit ? 'U' : 'N';
  int lda = at_least_1(left ? m : n), ldb = at_least_1(m);
  const void *one = real_size(t) == 4 ? (const void *)one_f : one_d;
  ((void (*)(const char *, const char *, const char *, const char *, in, in, const void *, const void *, in, void *,
             in, size_t, size_t, size_t, size_t))clapack.trsm[t])(
      &side, &uplo, &transpose, &diagonal, &m, &n, one, a, &lda, b, &ldb, ONE, ONE, ONE, ONE);
}

int clapack_heevd(clapack_type t, bool vectors, bool upper, int n, void *a, void *w) {
  typedef void real(const char *, const char *, in, void *, in, void *, void *, in, int *, in, int *, size_t, size_t);
  typedef void complex(const char *, const char *, in, void *, in, void *, void *, in, void *, in, int *, in, int *,
                       size_t, size_t);
  char job = vectors ? 'V' : 'N', uplo = upper ? 'U' : 'L';
  int lda = at_least_1(n), info = 0, query = -1, integers = 0;
  answer best = {0}, best_real = {0};
  if (is_complex(t))
    ((complex *)clapack.heevd[t])(&job, &uplo, &n, a, &lda, w, &best, &query, &best_real, &query, &integers, &query,
                                  &info, ONE, ONE);
  else
    ((real *)clapack.heevd[t])(&job, &uplo, &n, a, &lda, w, &best, &query, &integers, &query, &info, ONE, ONE);
  if (info) return info;
  int size = queried(t, &best), reals = is_complex(t) ? queried(t, &best_real) : 1;
  integers = at_least_1(integers);
  void *work = work_of((size_t)size, size_of(t)), *rwork = work_of((size_t)reals, real_size(t));
  int *iwork = work_of((size_t)integers, sizeof(int));
  if (!work || !rwork || !iwork) info = CLAPACK_NO_MEMORY;
  else if (is_complex(t))
    ((complex *)clapack.heevd[t])(&job, &uplo, &n, a, &lda, w, work, &size, rwork, &reals, iwork, &integers, &info,
                                  ONE, ONE);
  else
    ((real *)clapack.heevd[t])(&job, &uplo, &n, a, &lda, w, work, &size, iwork, &integers, &info, ONE, ONE);
  free(work);
  free(rwork);
  free(iwork);
  return info;
}

/* Real geev gives a pair of conjugate vectors as two columns of real and imaginary parts. */
#define SPREAD(real)                                                        \
  do {                                                                      \
    const real *re = wr, *im = wi, *packed = vr;                            \
    real *values = w, *vectors = v;                                         \
    for (int j = 0; j < n; j++) {                                           \
      values[2 * j] = re[j];                                                \
      values[2 * j + 1] = im[j];                                            \
    }                                                                       \
    for (int j = 0; vectors && j < n; j++) {                                \
      bool pair = im[j] != 0 && j + 1 < n;                                  \
      for (size_t i = 0; i < (size_t)n; i++) {                              \
        size_t here = i + (size_t)j * n, next = here + n;                   \
        vectors[2 * here] = packed[here];                                   \
        vectors[2 * here + 1] = pair ? packed[next] : 0;                    \
        if (pair) {                                                         \
          vectors[2 * next] = packed[here];                                 \
          vectors[2 * next + 1] = -packed[next];                            \
        }                                                                   \
      }                                                                     \
      if (pair) j++;                                                        \
    }                                                                       \
  } while (0)

int clapack_geev(clapack_type t, int n, void *a, void *w, void *v) {
  typedef void real(const char *, const char *, in, void *, in, void *, void *, void *, in, void *, in, void *, in,
                    int *, size_t, size_t);
  typedef void complex(const char *, const char *, in, void *, in, void *, void *, in, void *, in, void *, in, void *,
                       int *, size_t, size_t);
  char none = 'N', right = v ? 'V' : 'N';
  int ld = at_least_1(n), one = 1, info = 0, query = -1;
  answer best = {0}, unused = {0};
  size_t square = (size_t)n * (size_t)n;
  if (is_complex(t)) {
    complex *call = (complex *)clapack.geev[t];
    void *rwork = work_of(2 * (size_t)n, real_size(t));
    if (!rwork) return CLAPACK_NO_MEMORY;
    call(&none, &right, &n, a, &ld, w, &unused, &one, v ? v : &unused, &ld, &best, &query, rwork, &info, ONE, ONE);
    int size = queried(t, &best);
    void *work = info ? NULL : work_of((size_t)size, size_of(t));
    if (!info && !work) info = CLAPACK_NO_MEMORY;
    if (!info)
      call(&none, &right, &n, a, &ld, w, &unused, &one, v ? v : &unused, &ld, work, &size, rwork, &info, ONE, ONE);
    free(work);
    free(rwork);
    return info;
  }
  real *call = (real *)clapack.geev[t];
  void *wr = work_of((size_t)n, real_size(t)), *wi = work_of((size_t)n, real_size(t));
  void *vr = work_of(v ? square : 1, real_size(t)), *work = NULL;
  if (!wr || !wi || !vr) info = CLAPACK_NO_MEMORY;
  if (!info) call(&none, &right, &n, a, &ld, wr, wi, &unused, &one, vr, &ld, &best, &query, &info, ONE, ONE);
  int size = queried(t, &best);
  if (!info && !(work = work_of((size_t)size, real_size(t)))) info = CLAPACK_NO_MEMORY;
  if (!info) call(&none, &right, &n, a, &ld, wr, wi, &unused, &one, vr, &ld, work, &size, &info, ONE, ONE);
  if (!info) {
    if (t == CLAPACK_F32) SPREAD(float);
    else SPREAD(double);
  }
  free(wr);
  free(wi);
  free(vr);
  free(work);
  return info;
}

int clapack_gesdd(clapack_type t, char job, int m, int n, void *a, void *s, void *u, void *vh) {
  typedef void real(const char *, in, in, void *, in, void *, void *, in, void *, in, void *, in, int *, int *, size_t);
  typedef void complex(const char *, in, in, void *, in, void *, void *, in, void *, in, void *, in, void *, int *,
                       int *, size_t);
  int small = least(m, n), large = greatest(m, n), info = 0, query = -1;
  int lda = at_least_1(m), ldu = at_least_1(m), ldv = at_least_1(job == 'A' ? n : small);
  /* LAPACK's documentation of rwork, for every job. */
  size_t mn = (size_t)small, mx = (size_t)large;
  size_t first = 5 * mn * mn + 7 * mn, second = 2 * mx * mn + 2 * mn * mn + mn;
  void *rwork = is_complex(t) ? work_of(first > second ? first : second, real_size(t)) : NULL;
  int *iwork = work_of(8 * mn, sizeof(int));
  void *work = NULL;
  answer best = {0};
  if (!iwork || (is_complex(t) && !rwork)) info = CLAPACK_NO_MEMORY;
  for (int size = query; !info; size = queried(t, &best)) {
    if (size != query && !(work = work_of((size_t)size, size_of(t)))) info = CLAPACK_NO_MEMORY;
    else if (is_complex(t))
      ((complex *)clapack.gesdd[t])(&job, &m, &n, a, &lda, s, u, &ldu, vh, &ldv, work ? work : &best, &size, rwork,
                                    iwork, &info, ONE);
    else
      ((real *)clapack.gesdd[t])(&job, &m, &n, a, &lda, s, u, &ldu, vh, &ldv, work ? work : &best, &size, iwork,
                                 &info, ONE);
    if (size != query) break;
  }
  free(work);
  free(rwork);
  free(iwork);
  return info;
}

int clapack_lstsq(clapack_type t, clapack_driver driver, int m, int n, int nrhs, void *a, void *b, double rcond,
                  void *s, int *rank) {
  typedef void gels(const char *, in, in, in, void *, in, void *, in, void *, in, int *, size_t);
  typedef void gelsy(in, in, in, void *, in, void *, in, int *, const void *, int *, void *, in, int *);
  typedef void gelsy_c(in, in, in, void *, in, void *, in, int *, const void *, int *, void *, in, void *, int *);
  typedef void gelsd(in, in, in, void *, in, void *, in, void *, const void *, int *, void *, in, int *, int *);
  typedef void gelsd_c(in, in, in, void *, in, void *, in, void *, const void *, int *, void *, in, void *, int *,
                       int *);
  typedef void gelss(in, in, in, void *, in, void *, in, void *, const void *, int *, void *, in, int *);
  typedef void gelss_c(in, in, in, void *, in, void *, in, void *, const void *, int *, void *, in, void *, int *);
  char plain = 'N';
  int lda = at_least_1(m), ldb = at_least_1(greatest(m, n)), info = 0, query = -1;
  float limit_f = (float)rcond;
  const void *limit = real_size(t) == 4 ? (const void *)&limit_f : &rcond;
  answer best = {0}, best_real = {0};
  int best_integers = 0;
  /* gelsy's and gelss's documentation; gelsd tells by its query. */
  size_t reals = driver == CLAPACK_GELSS ? 5 * (size_t)least(m, n) : 2 * (size_t)n;
  void *work = NULL, *rwork = NULL;
  int *iwork = NULL;
  for (int size = query;; size = queried(t, &best)) {
    bool asks = size == query;
    if (!asks) {
      if (driver == CLAPACK_GELSD && is_complex(t)) reals = (size_t)queried(t, &best_real);
      size_t integers = driver == CLAPACK_GELSY ? (size_t)n : (size_t)best_integers;
      work = work_of((size_t)size, size_of(t));
      rwork = work_of(reals, real_size(t));
      iwork = work_of(integers, sizeof(int));
      if (!work || !rwork || !iwork) {
        info = CLAPACK_NO_MEMORY;
        break;
      }
      /* gelsy: every column may be exchanged. */
      if (driver == CLAPACK_GELSY) memset(iwork, 0, integers * sizeof(int));
    }
    void *space = asks ? (void *)&best : work, *rspace = asks ? (void *)&best_real : rwork;
    int *ispace = asks ? &best_integers : iwork;
    switch (driver) {
    case CLAPACK_GELS:
      ((gels *)clapack.gels[t])(&plain, &m, &n, &nrhs, a, &lda, b, &ldb, space, &size, &info, ONE);
      break;
    case CLAPACK_GELSY:
      if (is_complex(t))
        ((gelsy_c *)clapack.gelsy[t])(&m, &n, &nrhs, a, &lda, b, &ldb, ispace, limit, rank, space, &size, rspace,
                                      &info);
      else
        ((gelsy *)clapack.gelsy[t])(&m, &n, &nrhs, a, &lda, b, &ldb, ispace, limit, rank, space, &size, &info);
      break;
    case CLAPACK_GELSD:
      if (is_complex(t))
        ((gelsd_c *)clapack.gelsd[t])(&m, &n, &nrhs, a, &lda, b, &ldb, s, limit, rank, space, &size, rspace, ispace,
                                      &info);
      else
        ((gelsd *)clapack.gelsd[t])(&m, &n, &nrhs, a, &lda, b, &ldb, s, limit, rank, space, &size, ispace, &info);
      break;
    case CLAPACK_GELSS:
      if (is_complex(t))
        ((gelss_c *)clapack.gelss[t])(&m, &n, &nrhs, a, &lda, b, &ldb, s, limit, rank, space, &size, rspace, &info);
      else
        ((gelss *)clapack.gelss[t])(&m, &n, &nrhs, a, &lda, b, &ldb, s, limit, rank, space, &size, &info);
      break;
    }
    if (!asks || info) break;
  }
  free(work);
  free(rwork);
  free(iwork);
  return info;
}
