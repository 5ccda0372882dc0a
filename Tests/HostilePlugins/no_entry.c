/* A shared library that is no backend: it exports something else. */
int some_other_library(void);
int some_other_library(void) { return 42; }
