/* copencl.h: OpenCL found at run time, so that nothing links against its loader. */
#ifndef COPENCL_H
#define COPENCL_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

/* What the backend calls. */
#define COPENCL_FUNCTIONS(X)                                                                                           \
  X(clGetPlatformIDs)                                                                                                  \
  X(clGetPlatformInfo)                                                                                                 \
  X(clGetDeviceIDs)                                                                                                    \
  X(clGetDeviceInfo)                                                                                                   \
  X(clCreateContext)                                                                                                   \
  X(clReleaseContext)                                                                                                  \
  X(clCreateCommandQueue)                                                                                              \
  X(clReleaseCommandQueue)                                                                                             \
  X(clCreateBuffer)                                                                                                    \
  X(clReleaseMemObject)                                                                                                \
  X(clCreateProgramWithSource)                                                                                         \
  X(clCreateProgramWithBinary)                                                                                         \
  X(clBuildProgram)                                                                                                    \
  X(clCompileProgram)                                                                                                  \
  X(clLinkProgram)                                                                                                     \
  X(clGetProgramInfo)                                                                                                  \
  X(clGetProgramBuildInfo)                                                                                             \
  X(clReleaseProgram)                                                                                                  \
  X(clCreateKernel)                                                                                                    \
  X(clReleaseKernel)                                                                                                   \
  X(clSetKernelArg)                                                                                                    \
  X(clEnqueueNDRangeKernel)                                                                                            \
  X(clEnqueueReadBuffer)                                                                                               \
  X(clEnqueueWriteBuffer)                                                                                              \
  X(clEnqueueCopyBuffer)                                                                                               \
  X(clEnqueueMarkerWithWaitList)                                                                                       \
  X(clEnqueueBarrierWithWaitList)                                                                                      \
  X(clWaitForEvents)                                                                                                   \
  X(clReleaseEvent)                                                                                                    \
  X(clFlush)                                                                                                           \
  X(clFinish)

/* Filled as a whole or not at all. */
typedef struct COpenCL {
#define COPENCL_X(name) __typeof__(&name) _Nonnull name;
  COPENCL_FUNCTIONS(COPENCL_X)
#undef COPENCL_X
} COpenCL;

/* Loads libOpenCL.so.1 the first time; any thread. NULL if it is missing or lacks a function, and then
 * *reason says which; it lives as long as the process. */
const COpenCL *_Nullable copencl_load(const char *_Nullable *_Nonnull reason);

#endif
