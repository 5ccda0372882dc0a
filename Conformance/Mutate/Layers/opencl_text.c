/* opencl_text.c: an OpenCL layer (OPENCL_LAYERS) that edits the source of programs. */
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl_layer.h>

#include <stdbool.h>
#include "text.h"

static struct _cl_icd_dispatch table;
static const struct _cl_icd_dispatch *next;

static cl_program CL_API_CALL create(cl_context context, cl_uint count, const char **strings, const size_t *lengths,
                                     cl_int *code) {
  if (count != 1 || (lengths && lengths[0])) return next->clCreateProgramWithSource(context, count, strings, lengths, code);
  char *text = edited(strings[0]);
  const char *source = text;
  cl_program program = next->clCreateProgramWithSource(context, 1, &source, NULL, code);
  free(text);
  return program;
}

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info name, size_t size, void *value, size_t *size_ret) {
  if (name != CL_LAYER_API_VERSION) return CL_INVALID_VALUE;
  if (size_ret) *size_ret = sizeof(cl_layer_api_version);
  if (value && size >= sizeof(cl_layer_api_version)) *(cl_layer_api_version *)value = CL_LAYER_API_VERSION_100;
  return CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint entries, const struct _cl_icd_dispatch *target,
                                            cl_uint *entries_ret, const struct _cl_icd_dispatch **dispatch) {
  if (entries < sizeof table / sizeof(void *)) return CL_INVALID_VALUE;
  next = target;
  table.clCreateProgramWithSource = create; /* what is NULL goes to the next */
  *dispatch = &table;
  *entries_ret = sizeof table / sizeof(void *);
  return CL_SUCCESS;
}
