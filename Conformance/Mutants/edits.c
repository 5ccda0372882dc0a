/* edits.c: mutants that are generated: one small edit of the programs, which CRESSET_MUTANT_EDIT describes.
 *
 *   class OPCODE FROM TYPE AUX  EDIT ARGUMENT   every instruction of that kind, in every program (AUX -1: any)
 *   place HASH NUMBER           EDIT ARGUMENT   one instruction of one program
 *
 * The mutant "survey" changes nothing and writes each program that it sees behind the file that CRESSET_MUTANT_SURVEY
 * names, for Conformance/Mutate to make edits of. */
#include "mutants.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_operand(const CressetInstruction *i) { return i->opcode >= CRESSET_OP_STORE; }
static bool is_comparison(uint32_t opcode) { return opcode >= CRESSET_OP_EQ && opcode <= CRESSET_OP_LE; }
static uint32_t type_in(const CressetInstruction *list, uint32_t value) {
  return is_comparison(list[value].opcode) ? CRESSET_TYPE_BOOL : list[value].type;
}

/* ---------------------------------------------------------------- surveys -- */
uint32_t program_survey(Edit *e, CressetInstruction i) {
  static FILE *file;
  if (!file) {
    const char *path = getenv("CRESSET_MUTANT_SURVEY");
    file = path ? fopen(path, "a") : NULL;
  }
  if (file && e->at == 0) {
    const CressetProgram *p = e->old;
    fprintf(file, "program %" PRIu64 " %" PRIu32 " %" PRIu32 "\n", p->hash, p->input_count, p->param_count);
    for (uint32_t k = 0; k < p->instruction_count; k++) {
      const CressetInstruction *x = &p->instructions[k];
      uint32_t from = has_operand(x) ? type_in(p->instructions, x->a) : x->type;
      fprintf(file, "%u %u %u %u %u %u %u %" PRId64 "\n", x->opcode, from, x->type, x->aux, x->a, x->b, x->c, x->imm.i);
    }
    fflush(file);
  }
  if (e->count < MAX_INSTRUCTIONS) e->made[e->count++] = i;
  return e->count - 1;
}

/* ------------------------------------------------------------------ edits -- */
static struct {
  bool is_place;
  uint64_t hash, number;
  long opcode, from, type, aux, argument;
  char edit[24];
} wanted;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_wanted(void) {
  const char *text = getenv("CRESSET_MUTANT_EDIT");
  int read = 0;
  if (text && strncmp(text, "class ", 6) == 0)
    read = sscanf(text, "class %ld %ld %ld %ld %23s %ld", &wanted.opcode, &wanted.from, &wanted.type, &wanted.aux,
                  wanted.edit, &wanted.argument);
  else if (text && (wanted.is_place = strncmp(text, "place ", 6) == 0))
    read = 2 + sscanf(text, "place %" SCNu64 " %" SCNu64 " %23s %ld", &wanted.hash, &wanted.number, wanted.edit,
                      &wanted.argument);
  if (read != 6) {
    fprintf(stderr, "mutants: CRESSET_MUTANT_EDIT is no edit: %s\n", text ? text : "");
    exit(2);
  }
}

static bool is_wanted(const Edit *e, const CressetInstruction *i) {
  if (wanted.is_place) return e->old->hash == wanted.hash && e->at == wanted.number;
  uint32_t from = has_operand(i) ? type_in(e->made, i->a) : i->type;
  return i->opcode == wanted.opcode && from == wanted.from && i->type == wanted.type &&
         (wanted.aux < 0 || i->aux == wanted.aux);
}

static uint32_t put(Edit *e, CressetInstruction i) {
  if (e->count < MAX_INSTRUCTIONS) e->made[e->count++] = i;
  return e->count - 1;
}

/* `value` moved by so many units of the last place, or by so much if it is an integer; a bool is turned round. */
static uint32_t moved(Edit *e, uint32_t value, long by) {
  uint32_t type = type_in(e->made, value);
  if (type == CRESSET_TYPE_BOOL)
    return put(e, (CressetInstruction){.opcode = CRESSET_OP_NOT, .type = CRESSET_TYPE_BOOL, .a = value});
  bool is_float = type >= CRESSET_TYPE_F32;
  uint8_t bits = type == CRESSET_TYPE_F32 || type == CRESSET_TYPE_I32 ? CRESSET_TYPE_I32 : CRESSET_TYPE_I64;
  if (is_float) value = put(e, (CressetInstruction){.opcode = CRESSET_OP_BITCAST, .type = bits, .a = value});
  uint32_t step = put(e, (CressetInstruction){.opcode = CRESSET_OP_CONST, .type = bits, .imm = {.i = by}});
  value = put(e, (CressetInstruction){.opcode = CRESSET_OP_ADD, .type = bits, .a = value, .b = step});
  if (is_float)
    value = put(e, (CressetInstruction){.opcode = CRESSET_OP_BITCAST, .type = (uint8_t)type, .a = value});
  return value;
}

uint32_t program_edit(Edit *e, CressetInstruction i) {
  pthread_once(&once, read_wanted);
  if (!is_wanted(e, &i)) return put(e, i);
  const char *edit = wanted.edit;
#define IS(name) (strcmp(edit, #name) == 0)
  if (IS(opcode)) i.opcode = (uint16_t)wanted.argument;
  else if (IS(aux)) i.aux = (uint8_t)wanted.argument;
  else if (IS(input)) i.a = (uint32_t)wanted.argument;                             /* of LOAD and PARAM */
  else if (IS(word)) i.imm.i = wanted.argument;                                    /* of PHILOX */
  else if (IS(exchange)) { uint32_t a = i.a; i.a = i.b, i.b = a; }                 /* f(b, a) */
  else if (IS(arms)) { uint32_t b = i.b; i.b = i.c, i.c = b; }                     /* of SELECT */
  else if (IS(first)) i.b = i.a;                                                   /* f(a, a) */
  else if (IS(second)) i.a = i.b;                                                  /* f(b, b) */
  else if (IS(then)) return i.b;                                                   /* of SELECT, whatever it says */
  else if (IS(otherwise)) return i.c;
  else if (IS(drop)) return i.a;                                                   /* f(a) = a */
  else if (IS(operand)) i.a = moved(e, i.a, wanted.argument);                      /* f(a ± ulps) */
  else if (IS(move)) return moved(e, put(e, i), wanted.argument);                  /* f(a) ± ulps */
  else if (IS(negate)) return put(e, (CressetInstruction){.opcode = CRESSET_OP_NEG, .type = i.type, .a = put(e, i)});
  else if (IS(literal)) i.imm.i = wanted.argument;
  else { fprintf(stderr, "mutants: there is no edit %s\n", edit); exit(2); }
  return put(e, i);
}
