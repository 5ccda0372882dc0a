/* GLSL to SPIR-V in process. */
#include "cvk.h"

#include <glslang/Include/glslang_c_interface.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* glslang keeps its symbol tables in process-wide state: it is set up once and compiles are serialised. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool started;

/* The limits that a compute shader can run into; the device's own are checked by the driver. */
static const glslang_resource_t limits = {
    .max_compute_work_group_count_x = 65535,
    .max_compute_work_group_count_y = 65535,
    .max_compute_work_group_count_z = 65535,
    .max_compute_work_group_size_x = 1024,
    .max_compute_work_group_size_y = 1024,
    .max_compute_work_group_size_z = 64,
    .limits = {.non_inductive_for_loops = true,
               .while_loops = true,
               .do_while_loops = true,
               .general_uniform_indexing = true,
               .general_attribute_matrix_vector_indexing = true,
               .general_varying_indexing = true,
               .general_sampler_indexing = true,
               .general_variable_indexing = true,
               .general_constant_matrix_vector_indexing = true}};

static char *copy(const char *text) { return text ? strdup(text) : NULL; }

static uint32_t *compile(const char *source, size_t *count, char **log) {
  const int messages = GLSLANG_MSG_SPV_RULES_BIT | GLSLANG_MSG_VULKAN_RULES_BIT;
  const glslang_input_t input = {.language = GLSLANG_SOURCE_GLSL,
                                 .stage = GLSLANG_STAGE_COMPUTE,
                                 .client = GLSLANG_CLIENT_VULKAN,
                                 .client_version = GLSLANG_TARGET_VULKAN_1_2,
                                 .target_language = GLSLANG_TARGET_SPV,
                                 .target_language_version = GLSLANG_TARGET_SPV_1_5,
                                 .code = source,
                                 .default_version = 460,
                                 .default_profile = GLSLANG_NO_PROFILE,
                                 .messages = messages,
                                 .resource = &limits};
  glslang_shader_t *shader = glslang_shader_create(&input);
  if (!shader) {
    *log = copy("glslang could not make a shader");
    return NULL;
  }
  uint32_t *words = NULL;
  if (!glslang_shader_preprocess(shader, &input) || !glslang_shader_parse(shader, &input)) {
    *log = copy(glslang_shader_get_info_log(shader));
  } else {
    glslang_program_t *program = glslang_program_create();
    glslang_program_add_shader(program, shader);
    if (!glslang_program_link(program, messages)) {
      *log = copy(glslang_program_get_info_log(program));
    } else {
      /* The optimiser of SPIRV-Tools is left out: drivers do it again anyway. */
      glslang_spv_options_t options = {.disable_optimizer = true};
      glslang_program_SPIRV_generate_with_options(program, GLSLANG_STAGE_COMPUTE, &options);
      size_t n = glslang_program_SPIRV_get_size(program);
      words = n ? malloc(n * sizeof *words) : NULL;
      if (words) {
        memcpy(words, glslang_program_SPIRV_get_ptr(program), n * sizeof *words);
        *count = n;
      } else {
        *log = copy("glslang gave no SPIR-V");
      }
    }
    glslang_program_delete(program);
  }
  glslang_shader_delete(shader);
  return words;
}

uint32_t *cvk_compile(const char *source, size_t *count, char **log) {
  *count = 0;
  *log = NULL;
  pthread_mutex_lock(&lock);
  if (!started) started = glslang_initialize_process();
  uint32_t *words = started ? compile(source, count, log) : NULL;
  if (!started) *log = copy("glslang could not be initialised");
  pthread_mutex_unlock(&lock);
  return words;
}
