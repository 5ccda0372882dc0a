/* program.c: programs compiled to steps, once each. */
#include "internal.h"

#include <pthread.h>

_Atomic(CpuProgramCell *) cpu_program_pages[CPU_PROGRAM_PAGES];
static pthread_mutex_t compile_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t compile_count;

uint64_t cpu_compile_count(void) { return compile_count; }

static const uint8_t operand_count[CRESSET_OP_COUNT] = {
#define CRESSET_X(name, value, operands) [value] = operands,
    CRESSET_OPCODES(CRESSET_X)
#undef CRESSET_X
};
static const uint8_t argument_count[CRESSET_FUNCTION_COUNT] = {
#define CRESSET_X(name, value, arguments) [value] = arguments,
    CRESSET_FUNCTIONS(CRESSET_X)
#undef CRESSET_X
};

enum { NONE = UINT32_MAX };

/* What is known of a value while compiling. */
typedef struct Value {
  uint8_t type;    /* of the value itself: BOOL for comparisons */
  bool is_load, is_uniform, is_splat, is_store;
  uint32_t last_use; /* instruction; NONE: never */
  uint32_t uses;
} Value;

static int operands_of(const CressetInstruction *i) {
  return i->opcode == CRESSET_OP_CALL ? argument_count[i->aux] : operand_count[i->opcode];
}
static uint32_t operand(const CressetInstruction *i, int k) { return k == 0 ? i->a : k == 1 ? i->b : i->c; }

/* The loop of an instruction that computes; NULL if there is none. `from` is its first operand's type. */
static CpuOp loop_of(const CressetInstruction *i, uint8_t from) {
  const CpuLoops *loops = cpu_loops;
  switch (i->opcode) {
    case CRESSET_OP_NARROW: return i->aux <= CRESSET_FLOAT64 && cpu_widened[i->aux] == i->type ? loops->narrow[i->aux] : NULL;
    case CRESSET_OP_CAST: return loops->cast[from][i->type];
    case CRESSET_OP_CALL: return i->type >= CRESSET_TYPE_F32 ? loops->call[i->aux][i->type - CRESSET_TYPE_F32] : NULL;
    case CRESSET_OP_PHILOX: return loops->philox[i->imm.i & 3];
    case CRESSET_OP_EQ: case CRESSET_OP_NE: case CRESSET_OP_LT: case CRESSET_OP_LE: return loops->op[i->opcode][from];
    default: return loops->op[i->opcode][i->type];
  }
}

/* Bytes moved that an instruction's time is worth, to judge how many threads a launch deserves. */
static uint32_t cost_of(const CressetInstruction *i) {
  switch (i->opcode) {
    case CRESSET_OP_CALL: return i->type == CRESSET_TYPE_F64 ? 128 : 48;
    case CRESSET_OP_PHILOX: return 64;
    case CRESSET_OP_DIV: case CRESSET_OP_REM: case CRESSET_OP_SQRT: return 16;
    default: return 4;
  }
}

/* Whether a type can be stored as a dtype: bools as bool, integers as integers, floats as floats. */
static bool stores_as(uint8_t type, uint8_t dtype) {
  if (dtype > CRESSET_FLOAT64) return false;
  uint8_t to = cpu_widened[dtype];
  return (type == CRESSET_TYPE_BOOL) == (to == CRESSET_TYPE_BOOL) && (type >= CRESSET_TYPE_F32) == (to >= CRESSET_TYPE_F32);
}

/* Everything a later stage relies on; NULL if the instruction is sound. */
static const char *flaw(const CressetProgram *program, const Value *values, uint32_t k) {
  const CressetInstruction *i = &program->instructions[k];
  if (i->opcode >= CRESSET_OP_COUNT) return "has an instruction newer than this backend";
  if (i->opcode == CRESSET_OP_CALL && i->aux >= CRESSET_FUNCTION_COUNT) return "calls a function newer than this backend";
  if (i->type >= CRESSET_TYPE_COUNT) return "has a type newer than this backend";
  for (int o = 0; o < operands_of(i); o++)
    if (operand(i, o) >= k || values[operand(i, o)].is_store) return "names a value that is not there";
  switch (i->opcode) {
    case CRESSET_OP_LOAD:
      if (i->a >= CRESSET_MAX_INPUTS || i->a >= program->input_count) return "loads an input that is not there";
      if (i->aux > CRESSET_FLOAT64 || cpu_widened[i->aux] != i->type) return "loads a dtype that does not widen so";
      return NULL;
    case CRESSET_OP_STORE:
      if (i->b >= CRESSET_MAX_OUTPUTS || i->b >= program->output_count) return "stores an output that is not there";
      return stores_as(values[i->a].type, i->aux) ? NULL : "stores a type in a dtype of another kind";
    case CRESSET_OP_PARAM: return i->a < program->param_count ? NULL : "names a param that is not there";
    case CRESSET_OP_CONST: case CRESSET_OP_INDEX: return NULL;
    case CRESSET_OP_BITCAST:
      return cpu_type_size[values[i->a].type] == cpu_type_size[i->type] ? NULL : "casts bits to another width";
    default: return loop_of(i, values[i->a].type) ? NULL : "has an instruction of a type it does not exist for";
  }
}

/* ----------------------------------------------------------------- phrases -- */

static bool is_literal(const CressetProgram *program, uint32_t value, float x) {
  const CressetInstruction *i = &program->instructions[value];
  return i->opcode == CRESSET_OP_CONST && i->type == CRESSET_TYPE_F32 && i->imm.f == x;
}

/* The other operand of a commutative `opcode` that has a literal for one; NONE if the instruction is not that. */
static uint32_t with_literal(const CressetProgram *program, uint32_t value, uint32_t opcode, float x) {
  const CressetInstruction *i = &program->instructions[value];
  if (i->opcode != opcode || i->type != CRESSET_TYPE_F32) return NONE;
  return is_literal(program, i->b, x) ? i->a : is_literal(program, i->a, x) ? i->b : NONE;
}

/* The operand of a call of `function` or, if that is negative, of NEG. */
static uint32_t called(const CressetProgram *program, uint32_t value, int function) {
  const CressetInstruction *i = &program->instructions[value];
  bool fits = function < 0 ? i->opcode == CRESSET_OP_NEG : i->opcode == CRESSET_OP_CALL && i->aux == function;
  return fits && i->type == CRESSET_TYPE_F32 ? i->a : NONE;
}

/* A phrase that ends with instruction `k`: its number, or -1. `x` is what it is of, inner[] what it computes on the way,
 * at most four values. */
static int phrase_at(const CressetProgram *program, uint32_t k, uint32_t *x, uint32_t *inner) {
  const CressetInstruction *i = &program->instructions[k];
  for (int v = 0; v < 4; v++) inner[v] = NONE;
  if (i->opcode == CRESSET_OP_DIV && i->type == CRESSET_TYPE_F32) {
    inner[0] = i->b;
    if ((inner[1] = with_literal(program, i->b, CRESSET_OP_ADD, 1)) == NONE) return -1;
    if ((inner[2] = called(program, inner[1], CRESSET_FUNCTION_exp)) == NONE) return -1;
    if ((*x = called(program, inner[2], -1)) == NONE) return -1;
    return i->a == *x ? CPU_PHRASE_SILU : is_literal(program, i->a, 1) ? CPU_PHRASE_SIGMOID : -1;
  }
  if (i->opcode == CRESSET_OP_MUL && i->type == CRESSET_TYPE_F32)
    for (int o = 0; o < 2; o++) {
      inner[0] = operand(i, o);
      inner[1] = operand(i, 1 - o);
      if ((*x = with_literal(program, inner[0], CRESSET_OP_MUL, 0.5f)) == NONE) continue;
      if ((inner[2] = with_literal(program, inner[1], CRESSET_OP_ADD, 1)) == NONE) continue;
      if ((inner[3] = called(program, inner[2], CRESSET_FUNCTION_erf)) == NONE) continue;
      if (with_literal(program, inner[3], CRESSET_OP_MUL, 0.707106781186547524f) == *x) return CPU_PHRASE_GELU;
    }
  return -1;
}

/* Puts the loop of a phrase in place of its last step, and takes out the others. */
static void find_phrases(CpuProgram *compiled, const CressetProgram *program, Value *values, uint32_t *last_load_read) {
  for (uint32_t s = 0; s < compiled->step_count; s++) {
    uint32_t k = compiled->steps[s].result, x, inner[4];
    if (k >= program->instruction_count) continue;
    int phrase = phrase_at(program, k, &x, inner);
    if (phrase < 0 || values[x].is_uniform) continue;
    bool alone = true; /* nobody else wants what is left out */
    for (int v = 0; v < 4; v++) alone = alone && (inner[v] == NONE || values[inner[v]].uses == 1);
    if (!alone) continue;
    compiled->steps[s] = (CpuStep){cpu_loops->phrase[phrase], k, x, x, x};
    uint32_t kept = 0;
    for (uint32_t t = 0; t < compiled->step_count; t++) {
      uint32_t r = compiled->steps[t].result;
      bool left_out = r == inner[0] || r == inner[1] || r == inner[2] || r == inner[3];
      if (t == s) s = kept;
      if (!left_out) compiled->steps[kept++] = compiled->steps[t];
    }
    compiled->step_count = kept;
    if (values[x].last_use < k) values[x].last_use = k;
    if (values[x].is_load && *last_load_read < k) *last_load_read = k;
    compiled->has_phrase = true;
  }
}

/* Takes a product with a uniform value together with the one sum or difference it goes into. */
static void find_scalings(CpuProgram *compiled, const CressetProgram *program, Value *values, uint32_t *last_load_read) {
  for (uint32_t s = 0; s < compiled->step_count; s++) {
    CpuStep *sum = &compiled->steps[s];
    if (sum->result >= program->instruction_count) continue;
    const CressetInstruction *i = &program->instructions[sum->result];
    if ((i->opcode != CRESSET_OP_ADD && i->opcode != CRESSET_OP_SUB) ||
        sum->run != cpu_loops->op[i->opcode][i->type] || !cpu_loops->scaled_add[i->type])
      continue;
    for (uint32_t p = 0; p < s; p++) {
      const CpuStep product = compiled->steps[p];
      bool first = product.result == sum->a, second = product.result == sum->b, right = false;
      if (first == second || product.result >= program->instruction_count || values[product.result].uses != 1) continue;
      if (product.run == cpu_loops->op_vs[CRESSET_OP_MUL][i->type]) right = true;
      else if (product.run != cpu_loops->op_sv[CRESSET_OP_MUL][i->type]) continue;
      uint32_t block = right ? product.a : product.b, scalar = right ? product.b : product.a;
      CpuOp run = i->opcode == CRESSET_OP_ADD ? cpu_loops->scaled_add[i->type]
                  : first                     ? cpu_loops->scaled_sub[i->type]
                                              : cpu_loops->sub_scaled[i->type];
      *sum = (CpuStep){run, sum->result, block, scalar, first ? sum->b : sum->a};
      if (values[block].last_use < sum->result) values[block].last_use = sum->result;
      if (values[block].is_load && *last_load_read < sum->result) *last_load_read = sum->result;
      memmove(compiled->steps + p, compiled->steps + p + 1, (compiled->step_count - p - 1) * sizeof *compiled->steps);
      compiled->step_count--;
      compiled->has_scaling = true;
      s--;
      break;
    }
  }
}

static void find_direct(CpuProgram *compiled, const CressetProgram *program, const Value *values) {
  CpuDirect *direct = &compiled->direct;
  if (compiled->store_count != 1 || compiled->index_value != NONE ||
      compiled->stores[0].value >= program->instruction_count)
    return;
  const CpuStoreStep *store = &compiled->stores[0];
  uint32_t operands[3] = {store->value};
  if (compiled->step_count == 0) {
    direct->arity = 1;
    direct->kind = values[store->value].is_load ? CPU_DIRECT_COPY : CPU_DIRECT_FILL;
    if (direct->kind == CPU_DIRECT_COPY && program->instructions[store->value].aux != store->dtype) goto no;
  } else {
    const CressetInstruction *i = &program->instructions[store->value];
    if (compiled->step_count != 1 || compiled->steps[0].result != store->value || !cpu_is_native(store->dtype)) goto no;
    if (compiled->has_scaling) goto no; /* three operands, one of them a scalar: not among the forms below */
    direct->kind = CPU_DIRECT_OPERATION;
    if (compiled->has_phrase) {
      direct->arity = 1;
      operands[0] = compiled->steps[0].a;
      direct->vv = compiled->steps[0].run;
    } else {
      direct->arity = operands_of(i);
      for (int o = 0; o < direct->arity; o++) operands[o] = operand(i, o);
      uint8_t type = values[operands[0]].type;
      direct->vv = loop_of(i, type);
      direct->vs = cpu_loops->op_vs[i->opcode][type];
      direct->sv = cpu_loops->op_sv[i->opcode][type];
    }
  }
  int uniform = 0;
  for (int o = 0; o < direct->arity; o++) {
    const CressetInstruction *i = &program->instructions[operands[o]];
    direct->element[o] = cpu_type_size[values[operands[o]].type];
    direct->input[o] = direct->param[o] = -1;
    if (i->opcode == CRESSET_OP_LOAD) {
      if (direct->kind == CPU_DIRECT_COPY) direct->element[o] = cpu_dtype_size[i->aux];
      else if (!cpu_is_native(i->aux)) goto no;
      direct->input[o] = (int8_t)i->a;
    } else if (i->opcode == CRESSET_OP_CONST) {
      direct->literal[o] = i->imm;
      uniform++;
    } else if (i->opcode == CRESSET_OP_PARAM && i->a < 127) {
      direct->param[o] = (int8_t)i->a;
      uniform++;
    } else goto no;
  }
  if (direct->kind == CPU_DIRECT_OPERATION && uniform > 0 && (uniform > 1 || direct->arity != 2 || !direct->vs)) goto no;
  direct->dtype = store->dtype;
  direct->result_element = cpu_dtype_size[store->dtype];
  return;
no:
  direct->kind = CPU_NOT_DIRECT;
}

static void free_program(CpuProgram *p) {
  free(p->steps), free(p->loads), free(p->stores), free(p->uniforms), free(p->splats), free(p->slot), free(p->type);
  free(p);
}

/* Gives each value that needs one a block of scratch; a block is free again after its last reader. */
static bool assign_slots(CpuProgram *compiled, const CressetProgram *program, const Value *values) {
  uint32_t n = program->instruction_count, free_count = 0;
  uint32_t *free_slots = calloc(n ? n : 1, sizeof *free_slots);
  if (!free_slots) return false;
  /* Loads and the index are filled before the first step, so they share no block with what comes before them. */
  for (uint32_t k = 0; k < n; k++)
    if (values[k].is_load || k == compiled->index_value) compiled->slot[k] = compiled->slot_count++;
  for (uint32_t k = 0; k < n; k++) {
    const CressetInstruction *i = &program->instructions[k];
    const Value *value = &values[k];
    if (value->is_store || (value->is_uniform && !value->is_splat)) compiled->slot[k] = NONE;
    else if (!value->is_load && k != compiled->index_value)
      compiled->slot[k] = free_count && !value->is_uniform ? free_slots[--free_count] : compiled->slot_count++;
    for (int o = 0; o < operands_of(i); o++) {
      uint32_t a = operand(i, o);
      bool again = false;
      for (int e = 0; e < o; e++) again = again || operand(i, e) == a;
      if (!again && values[a].last_use == k && !values[a].is_uniform)
        free_slots[free_count++] = compiled->slot[a];
    }
  }
  for (uint32_t k = n; k < compiled->value_count; k++) compiled->slot[k] = compiled->slot_count++;
  free(free_slots);
  return true;
}

static CpuProgram *compile(const CressetProgram *program, CressetStatus **status) {
  uint32_t n = program->instruction_count, size = n + CRESSET_MAX_OUTPUTS; /* stores may cast: a value more each */
  Value *values = calloc(size, sizeof *values);
  CpuProgram *compiled = calloc(1, sizeof *compiled);
  if (!values || !compiled) goto no_memory;
  compiled->input_count = program->input_count;
  compiled->param_count = program->param_count;
  compiled->value_count = n;
  compiled->index_value = NONE;
  compiled->steps = calloc(size, sizeof *compiled->steps);
  compiled->loads = calloc(size, sizeof *compiled->loads);
  compiled->stores = calloc(CRESSET_MAX_OUTPUTS, sizeof *compiled->stores);
  compiled->uniforms = calloc(size, sizeof *compiled->uniforms);
  compiled->splats = calloc(size, sizeof *compiled->splats);
  compiled->slot = calloc(size, sizeof *compiled->slot);
  compiled->type = calloc(size, sizeof *compiled->type);
  if (!compiled->steps || !compiled->loads || !compiled->stores || !compiled->uniforms || !compiled->splats ||
      !compiled->slot || !compiled->type)
    goto no_memory;

  uint32_t stored = 0, last_load_read = 0;
  bool stores_load = false;
  for (uint32_t k = 0; k < n; k++) {
    const CressetInstruction *i = &program->instructions[k];
    const char *why = flaw(program, values, k);
    if (why) {
      *status = cpu_fail(i->opcode < CRESSET_OP_COUNT ? CRESSET_ERROR_INVALID : CRESSET_ERROR_UNSUPPORTED,
                         "program %u %s (instruction %u, opcode %u)", program->id, why, k, i->opcode);
      goto failed;
    }
    Value *value = &values[k];
    value->last_use = NONE;
    bool compares = i->opcode >= CRESSET_OP_EQ && i->opcode <= CRESSET_OP_LE;
    value->type = compiled->type[k] = compares ? CRESSET_TYPE_BOOL : i->type;
    int operands = operands_of(i), uniform = 0;
    for (int o = 0; o < operands; o++) {
      Value *used = &values[operand(i, o)];
      if (used->last_use != n) used->last_use = i->opcode == CRESSET_OP_STORE ? n : k; /* stores come at the end */
      used->uses++;
      uniform += used->is_uniform;
      if (used->is_load && i->opcode != CRESSET_OP_STORE) last_load_read = k;
    }
    switch (i->opcode) {
      case CRESSET_OP_LOAD:
        value->is_load = true;
        compiled->loads[compiled->load_count++] = (CpuLoadStep){k, i->a, i->aux, false};
        continue;
      case CRESSET_OP_STORE:
        if (stored >> i->b & 1) {
          *status = cpu_fail(CRESSET_ERROR_INVALID, "program %u stores output %u twice", program->id, i->b);
          goto failed;
        }
        stored |= 1u << i->b;
        value->is_store = true;
        if (values[i->a].is_uniform) values[i->a].is_splat = true;
        stores_load |= values[i->a].is_load;
        compiled->stores[i->b] = (CpuStoreStep){i->a, i->b, i->aux, false};
        if (i->b >= compiled->store_count) compiled->store_count = i->b + 1;
        continue;
      case CRESSET_OP_INDEX: /* every INDEX is the same value, but need not be the same instruction */
        if (compiled->index_value != NONE) {
          compiled->steps[compiled->step_count++] =
              (CpuStep){cpu_loops->narrow[CRESSET_INT64], k, compiled->index_value, 0, 0};
        } else compiled->index_value = k;
        continue;
      case CRESSET_OP_PARAM: case CRESSET_OP_CONST:
        value->is_uniform = true;
        compiled->uniforms[compiled->uniform_count++] =
            (CpuUniformStep){NULL, k, 0, 0, 0, i->opcode == CRESSET_OP_PARAM, i->imm, i->a};
        continue;
      default: break;
    }
    uint8_t from = values[i->a].type;
    CpuOp run = loop_of(i, from);
    uint32_t a = i->a, b = operands > 1 ? i->b : i->a, c = operands > 2 ? i->c : i->a;
    compiled->cost += cost_of(i);
    if (uniform == operands) {
      value->is_uniform = true;
      compiled->uniforms[compiled->uniform_count++] = (CpuUniformStep){.run = run, .result = k, .a = a, .b = b, .c = c};
      continue;
    }
    CpuOp vs = cpu_loops->op_vs[i->opcode][from], sv = cpu_loops->op_sv[i->opcode][from];
    if (operands == 2 && uniform == 1 && vs && i->opcode != CRESSET_OP_CALL) {
      run = values[a].is_uniform ? sv : vs;
    } else {
      for (int o = 0; o < operands; o++)
        if (values[operand(i, o)].is_uniform) values[operand(i, o)].is_splat = true;
    }
    compiled->steps[compiled->step_count++] = (CpuStep){run, k, a, b, c};
  }
  if (stored != (1u << compiled->store_count) - 1) {
    *status = cpu_fail(CRESSET_ERROR_INVALID, "program %u leaves an output without a store", program->id);
    goto failed;
  }

  find_phrases(compiled, program, values, &last_load_read);
  find_scalings(compiled, program, values, &last_load_read);
  for (uint32_t s = 0; s < compiled->store_count; s++) {
    CpuStoreStep *store = &compiled->stores[s];
    uint8_t from = values[store->value].type, to = cpu_widened[store->dtype];
    if (from == to) continue;
    uint32_t cast = compiled->value_count++;
    values[cast] = (Value){.type = to, .last_use = n};
    compiled->type[cast] = to;
    compiled->steps[compiled->step_count++] =
        (CpuStep){cpu_loops->cast[from][to], cast, store->value, store->value, store->value};
    if (values[store->value].is_load) last_load_read = cast;
    store->value = cast;
  }
  for (uint32_t k = 0; k < n; k++)
    if (values[k].is_uniform && values[k].is_splat) compiled->splats[compiled->splat_count++] = k;
  if (!assign_slots(compiled, program, values)) goto no_memory;

  /* An output may be an input's memory. A value may be computed right in the output if no
   * step after it, and no store, reads an input; an input that is stored while there are
   * other outputs is copied first. */
  for (uint32_t s = 0; s < compiled->store_count; s++) {
    CpuStoreStep *store = &compiled->stores[s];
    const Value *value = &values[store->value];
    store->direct = !value->is_load && !value->is_uniform && store->value != compiled->index_value && !stores_load &&
                    store->value >= last_load_read && cpu_is_native(store->dtype);
  }
  for (uint32_t l = 0; l < compiled->load_count; l++)
    compiled->loads[l].copies = compiled->store_count > 1 && values[compiled->loads[l].value].last_use == n;
  find_direct(compiled, program, values);
  free(values);
  compile_count++;
  return compiled;

no_memory:
  *status = cpu_out_of_memory((uint64_t)n * sizeof(CpuStep));
failed:
  free(values);
  if (compiled) free_program(compiled);
  return NULL;
}

const CpuProgram *cpu_program_slow(const CressetProgram *program, CressetStatus **status) {
  uint32_t page = program->id / CPU_PROGRAM_PAGE;
  if (page >= CPU_PROGRAM_PAGES) {
    *status = cpu_fail(CRESSET_ERROR, "more than %d programs", CPU_PROGRAM_PAGE * CPU_PROGRAM_PAGES);
    return NULL;
  }
  pthread_mutex_lock(&compile_lock);
  CpuProgram *found = NULL;
  CpuProgramCell *cells = cpu_program_pages[page];
  if (!cells && (cells = calloc(CPU_PROGRAM_PAGE, sizeof *cells))) cpu_program_pages[page] = cells;
  if (!cells) {
    *status = cpu_out_of_memory(CPU_PROGRAM_PAGE * sizeof *cells);
  } else if (!(found = cells[program->id % CPU_PROGRAM_PAGE])) {
    found = compile(program, status);
    cells[program->id % CPU_PROGRAM_PAGE] = found;
  }
  pthread_mutex_unlock(&compile_lock);
  return found;
}

CressetStatus *cpu_prepare(const CressetProgram *program) {
  CressetStatus *status = NULL;
  cpu_program(program, &status);
  return status;
}
