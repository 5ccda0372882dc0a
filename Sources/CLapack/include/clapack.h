/* clapack.h: the system's LAPACK, found at run time.
 *
 * Invariants of every function but the first two:
 * - clapack_load has returned NULL before; it is called once, and nothing is unloaded.
 * - `type` is one of clapack_type; `a`, `b`, … are arrays of that type, `w`, `s` of its real type.
 * - Matrices lie column by column without gaps: the leading dimension is the number of rows (at least 1).
 * - Sizes are >= 0 and have been checked to fit; arrays hold all that the sizes say and overlap nowhere.
 * - The result is LAPACK's info, or CLAPACK_NO_MEMORY.
 * - Any thread may call; workspaces are the call's own.
 */
#ifndef CLAPACK_H
#define CLAPACK_H

#include <stdbool.h>
#include <stddef.h>

typedef enum { CLAPACK_F32, CLAPACK_F64, CLAPACK_C64, CLAPACK_C128 } clapack_type;
enum { CLAPACK_NO_MEMORY = -1000 };

/* Opens the library `choice` (a name or a path), or the first of the usual ones if it is NULL; "none" finds none.
 * NULL if all routines were found, else what is missing and what installs it. */
const char *clapack_load(const char *choice);
/* The library that was found. */
const char *clapack_name(void);

/* True if no element is infinite or NaN. */
bool clapack_all_finite(clapack_type type, size_t count, const void *a);

/* A = P·L·U; pivots[i] is the row (from 1) that row i was exchanged with. */
int clapack_getrf(clapack_type type, int m, int n, void *a, int *pivots);
/* X of op(A)·X = B by getrf's factors; transpose is 'N', 'T' or 'C'. */
int clapack_getrs(clapack_type type, char transpose, int n, int nrhs, const void *lu, const int *pivots, void *b);
/* The Cholesky factor; the other triangle is not touched. */
int clapack_potrf(clapack_type type, bool upper, int n, void *a);
/* A = L·D·Lᵀ, or L·D·Lᴴ if hermitian. */
int clapack_ldl_factor(clapack_type type, bool hermitian, int n, void *a, int *pivots);
int clapack_ldl_solve(clapack_type type, bool hermitian, int n, int nrhs, const void *ld, const int *pivots, void *b);
/* Householder reflectors below R. */
int clapack_geqrf(clapack_type type, int m, int n, void *a, void *tau);
/* The first n columns of the product of k reflectors. */
int clapack_orgqr(clapack_type type, int m, int n, int k, void *a, const void *tau);
/* Q·C, Qᴴ·C, C·Q or C·Qᴴ for an m×n C and k reflectors. */
int clapack_ormqr(clapack_type type, bool left, bool adjoint, int m, int n, int k, const void *a, const void *tau,
                  void *c);
/* Solves op(A)·X = B or X·op(A) = B for the m×n B. */
void clapack_trsm(clapack_type type, bool left, bool upper, char transpose, bool unit, int m, int n, const void *a,
                  void *b);
/* Eigenvalues w, ascending, of a hermitian matrix; eigenvectors into a. */
int clapack_heevd(clapack_type type, bool vectors, bool upper, int n, void *a, void *w);
/* Eigenvalues w and eigenvectors v (or NULL), both complex, of any matrix; a is destroyed. */
int clapack_geev(clapack_type type, int n, void *a, void *w, void *v);
/* Singular values s, descending; job is 'A' (all of U and Vᴴ), 'S' (min(m, n) of them) or 'N'; a is destroyed. */
int clapack_gesdd(clapack_type type, char job, int m, int n, void *a, void *s, void *u, void *vh);

/* The least squares solution in the first n rows of b, which has max(m, n). */
typedef enum { CLAPACK_GELS, CLAPACK_GELSY, CLAPACK_GELSD, CLAPACK_GELSS } clapack_driver;
int clapack_lstsq(clapack_type type, clapack_driver driver, int m, int n, int nrhs, void *a, void *b, double rcond,
                  void *s, int *rank);

#endif
