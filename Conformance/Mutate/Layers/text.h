/* text.h: one line of the kernels' texts is exchanged for another: CRESSET_TEXT_FROM for CRESSET_TEXT_TO. With
 * CRESSET_TEXT_LOG the texts are written to that file, each after a line of a single form feed. */
#ifndef TEXT_H
#define TEXT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `text`, edited; to be freed. */
static char *edited(const char *text) {
  const char *log = getenv("CRESSET_TEXT_LOG"), *from = getenv("CRESSET_TEXT_FROM"), *to = getenv("CRESSET_TEXT_TO");
  FILE *file = log ? fopen(log, "a") : NULL;
  if (file) fprintf(file, "\f\n%s\n", text), fclose(file);
  if (!from || !to) return strdup(text);
  size_t length = strlen(from), new_length = strlen(to), lines = 1;
  for (const char *at = text; *at; at++) lines += *at == '\n';
  char *made = malloc(strlen(text) + lines * (new_length + 1) + 1), *out = made;
  if (!made) abort();
  while (*text) {
    const char *end = strchr(text, '\n');
    size_t line = end ? (size_t)(end - text) : strlen(text);
    bool is_it = line == length && memcmp(text, from, length) == 0;
    memcpy(out, is_it ? to : text, is_it ? new_length : line);
    out += is_it ? new_length : line;
    text += line;
    if (end) *out++ = '\n', text++;
  }
  *out = 0;
  return made;
}

#endif
