/* The files that `cresset new-backend` writes, as text. */
#ifndef CRESSET_TEMPLATES_H
#define CRESSET_TEMPLATES_H

#include <stddef.h>

typedef struct CressetTemplate {
  const char *language; /* "c" or "swift" */
  const char *path;     /* below the new folder; @NAME@ stands for the backend's name, as in the text */
  const char *text;     /* NUL-terminated */
} CressetTemplate;

/* The k-th template; a language of NULL is the end of the list. */
CressetTemplate cresset_template(size_t k);

#endif
