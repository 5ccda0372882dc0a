/* The portable functions on every OpenCL device against the same text compiled as C: the bits must
 * agree, NaNs among themselves. Link with maths.o and -lOpenCL. Arguments: points (default 100000).
 * Exit code 1 if a function differs on a device that rounds as IEEE asks; 77 without a device. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cresset_backend.h"
#include "cresset_maths_host.h"

static uint64_t state = 88172645463325252ull;
static uint64_t next(void) { /* Marsaglia's xorshift */
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 0x2545f4914f6cdd1dull;
}

static const int arguments[] = {
#define X(name, id, count) [id] = count,
    CRESSET_FUNCTIONS(X)
#undef X
};

static void check(cl_int code, const char *what) {
  if (code == CL_SUCCESS) return;
  fprintf(stderr, "%s: OpenCL error %d\n", what, code);
  exit(1);
}

/* Half any bit patterns, half moderate numbers. */
static void fill(size_t points, float *f, double *d) {
  for (size_t i = 0; i < points; i++) {
    if (i & 1) {
      uint64_t u = next();
      uint32_t v = (uint32_t)(next() >> 32);
      memcpy(d + i, &u, 8);
      memcpy(f + i, &v, 4);
    } else {
      d[i] = ((double)(next() >> 11) * 0x1p-52 - 1) * (i % 4 ? 1 : 60);
      f[i] = (float)d[i];
    }
  }
}

static int judge(cl_device_id device, size_t points, float *f[2], double *d[2]) {
  char name[256] = "", extensions[8192] = "";
  clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof name, name, NULL);
  clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, sizeof extensions, extensions, NULL);
  bool doubles = strstr(extensions, "cl_khr_fp64") != NULL;
  cl_device_fp_config config = 0;
  clGetDeviceInfo(device, CL_DEVICE_SINGLE_FP_CONFIG, sizeof config, &config, NULL);
  bool exact = config & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT;
  printf("%s%s%s\n", name, exact ? "" : " (does not promise exact f32 division and sqrt)",
         config & CL_FP_DENORM ? "" : " (flushes f32 subnormals)");

  size_t size = cresset_maths_bytes + 65536;
  char *source = malloc(size), *end = source;
  end += snprintf(end, size, "%s\n%s\n", cresset_maths_opencl_preamble, cresset_maths_source);
  for (int i = 0; i < CRESSET_FUNCTION_COUNT; i++)
    for (int p = 32; p <= 64; p += 32)
      end += sprintf(end,
                     "kernel void run_%s_%d(global f%d *a, global f%d *b, global f%d *y) {\n"
                     "  size_t i = get_global_id(0);\n  y[i] = cresset_%s_f%d(a[i]%s);\n}\n",
                     cresset_function_name(i), p, p, p, p, cresset_function_name(i), p,
                     arguments[i] == 2 ? ", b[i]" : "");
  cl_int code;
  cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
  check(code, "context");
  cl_command_queue queue = clCreateCommandQueue(context, device, 0, &code);
  check(code, "queue");
  cl_program program = clCreateProgramWithSource(context, 1, (const char **)&source, NULL, &code);
  check(code, "program");
  code = clBuildProgram(program, 1, &device, exact ? "-cl-std=CL1.2 -cl-fp32-correctly-rounded-divide-sqrt" : "-cl-std=CL1.2", NULL, NULL);
  if (code != CL_SUCCESS) {
    static char log[65536];
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
    fprintf(stderr, "%.4000s\n", log);
    check(code, "build");
  }
  int differing = 0;
  for (int p = 32; p <= (doubles ? 64 : 32); p += 32) {
    size_t width = p / 8;
    cl_mem buffers[3];
    for (int k = 0; k < 3; k++) {
      void *data = p == 32 ? (void *)f[k & 1] : (void *)d[k & 1];
      buffers[k] = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, points * width, data, &code);
      check(code, "buffer");
    }
    float *got32 = malloc(points * width);
    double *got64 = (double *)(void *)got32;
    for (int i = 0; i < CRESSET_FUNCTION_COUNT; i++) {
      char kernel_name[64];
      snprintf(kernel_name, sizeof kernel_name, "run_%s_%d", cresset_function_name(i), p);
      cl_kernel kernel = clCreateKernel(program, kernel_name, &code);
      check(code, kernel_name);
      for (cl_uint k = 0; k < 3; k++) check(clSetKernelArg(kernel, k, sizeof(cl_mem), buffers + k), "argument");
      check(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &points, NULL, 0, NULL, NULL), "launch");
      check(clEnqueueReadBuffer(queue, buffers[2], CL_TRUE, 0, points * width, got32, 0, NULL, NULL), "read");
      size_t wrong = 0, first = 0;
      for (size_t j = 0; j < points; j++) {
        bool same;
        if (p == 32) {
          float want = cresset_call_f32(i, f[0][j], f[1][j]);
          same = isnan(want) ? isnan(got32[j]) != 0 : memcmp(&want, got32 + j, 4) == 0;
        } else {
          double want = cresset_call_f64(i, d[0][j], d[1][j]);
          same = isnan(want) ? isnan(got64[j]) != 0 : memcmp(&want, got64 + j, 8) == 0;
        }
        if (!same && !wrong++) first = j;
      }
      if (wrong) {
        double a = p == 32 ? f[0][first] : d[0][first], b = p == 32 ? f[1][first] : d[1][first];
        double got = p == 32 ? got32[first] : got64[first];
        double want = p == 32 ? cresset_call_f32(i, (float)a, (float)b) : cresset_call_f64(i, a, b);
        printf("  %s f%d: %zu of %zu differ, first at (%.17g, %.17g): %.17g, C has %.17g\n", cresset_function_name(i), p,
               wrong, points, a, b, got, want);
        differing++;
      }
      clReleaseKernel(kernel);
    }
    free(got32);
    for (int k = 0; k < 3; k++) clReleaseMemObject(buffers[k]);
  }
  printf("  %d functions differ\n", differing);
  clReleaseProgram(program);
  clReleaseCommandQueue(queue);
  clReleaseContext(context);
  free(source);
  return differing;
}

int main(int argc, char **argv) {
  size_t points = argc > 1 ? (size_t)atol(argv[1]) : 100000;
  float *f[2];
  double *d[2];
  for (int k = 0; k < 2; k++) {
    f[k] = malloc(points * sizeof(float));
    d[k] = malloc(points * sizeof(double));
    fill(points, f[k], d[k]);
  }
  cl_platform_id platforms[16];
  cl_uint platform_count = 0, seen = 0;
  int differing = 0;
  clGetPlatformIDs(16, platforms, &platform_count);
  for (cl_uint i = 0; i < platform_count; i++) {
    cl_device_id devices[16];
    cl_uint count = 0;
    clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 16, devices, &count);
    for (cl_uint j = 0; j < count; j++, seen++) differing += judge(devices[j], points, f, d);
  }
  if (!seen) {
    printf("no OpenCL device\n");
    return 77;
  }
  return differing != 0;
}
