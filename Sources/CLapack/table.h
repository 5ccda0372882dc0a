/* table.h: LAPACK's routines as function pointers, one a type.
 *
 * The prototypes of a routine's four types differ only in what their pointers point to, so each has one here, with
 * void pointers, which the calling conventions pass alike. Fortran passes everything by address, and for each
 * character a hidden length at the end, which is 1; functions that expect none ignore it.
 */
#ifndef CLAPACK_TABLE_H
#define CLAPACK_TABLE_H

#include "clapack.h"

#define CLAPACK_ROUTINES(X)                                        \
  X(getrf, "sgetrf_", "dgetrf_", "cgetrf_", "zgetrf_")             \
  X(getrs, "sgetrs_", "dgetrs_", "cgetrs_", "zgetrs_")             \
  X(potrf, "spotrf_", "dpotrf_", "cpotrf_", "zpotrf_")             \
  X(sytrf, "ssytrf_", "dsytrf_", "csytrf_", "zsytrf_")             \
  X(sytrs, "ssytrs_", "dsytrs_", "csytrs_", "zsytrs_")             \
  X(hetrf, "ssytrf_", "dsytrf_", "chetrf_", "zhetrf_")             \
  X(hetrs, "ssytrs_", "dsytrs_", "chetrs_", "zhetrs_")             \
  X(geqrf, "sgeqrf_", "dgeqrf_", "cgeqrf_", "zgeqrf_")             \
  X(orgqr, "sorgqr_", "dorgqr_", "cungqr_", "zungqr_")             \
  X(ormqr, "sormqr_", "dormqr_", "cunmqr_", "zunmqr_")             \
  X(trsm, "strsm_", "dtrsm_", "ctrsm_", "ztrsm_")                  \
  X(heevd, "ssyevd_", "dsyevd_", "cheevd_", "zheevd_")             \
  X(geev, "sgeev_", "dgeev_", "cgeev_", "zgeev_")                  \
  X(gesdd, "sgesdd_", "dgesdd_", "cgesdd_", "zgesdd_")             \
  X(gels, "sgels_", "dgels_", "cgels_", "zgels_")                  \
  X(gelsy, "sgelsy_", "dgelsy_", "cgelsy_", "zgelsy_")             \
  X(gelsd, "sgelsd_", "dgelsd_", "cgelsd_", "zgelsd_")             \
  X(gelss, "sgelss_", "dgelss_", "cgelss_", "zgelss_")

/* Written by clapack_load alone, before anything is called. */
struct clapack_table {
#define SLOT(r, s, d, c, z) void (*r[4])(void);
  CLAPACK_ROUTINES(SLOT)
#undef SLOT
};
extern struct clapack_table clapack;

#endif
