/* abi_offsets.c: prints the layout of every struct of cresset_backend.h and the value of every constant, in the order
 * of the header. check.sh compares the output with abi_v1.golden: whatever moves there breaks every plugin built before.
 * A field appended to a struct, or a constant added, is a new line here and in the golden file; no line may change but
 * the sizeof of a struct that grew. */
#include "cresset_backend.h"

#include <stddef.h>
#include <stdio.h>

/* The layouts that others rely on most: DLPack's, and arrays that are stepped through. */
_Static_assert(sizeof(void *) == 8, "the golden file is for 64-bit targets");
_Static_assert(sizeof(CressetScalar) == 8, "CressetScalar");
_Static_assert(sizeof(CressetInstruction) == 24, "CressetInstruction");
_Static_assert(sizeof(CressetProgram) == 48, "CressetProgram");
_Static_assert(sizeof(CressetDLDataType) == 4, "DLDataType");
_Static_assert(sizeof(CressetDLTensor) == 48, "DLTensor of DLPack 1.0");
_Static_assert(offsetof(CressetDLTensor, byte_offset) == 40, "DLTensor of DLPack 1.0");
_Static_assert(sizeof(CressetTensor) == 72, "CressetTensor");
_Static_assert(offsetof(CressetStatus, release) == 32, "CressetStatus");

#define SIZE(type) printf("%s sizeof %zu\n", #type, sizeof(type))
#define FIELD(type, field) \
  printf("%s %s %zu %zu\n", #type, #field, offsetof(type, field), sizeof(((type *)0)->field))
#define CONSTANT(name) printf("%s = %lld\n", #name, (long long)(name))
#define OPCODE(name, value, operands) \
  printf("CRESSET_OP_%s = %d, operands %d\n", #name, (int)CRESSET_OP_##name, operands);
#define FUNCTION(name, value, arguments) \
  printf("CRESSET_FUNCTION_%s = %d, arguments %d\n", #name, (int)CRESSET_FUNCTION_##name, arguments);

int main(void) {
  CONSTANT(CRESSET_ABI_VERSION);
  CONSTANT(CRESSET_ABI_OLDEST);
  CONSTANT(CRESSET_MAX_RANK);
  CONSTANT(CRESSET_MAX_INPUTS);
  CONSTANT(CRESSET_MAX_OUTPUTS);
  CONSTANT(CRESSET_MAX_INDICES);
  CONSTANT(CRESSET_BOOL);
  CONSTANT(CRESSET_UINT8);
  CONSTANT(CRESSET_INT8);
  CONSTANT(CRESSET_INT16);
  CONSTANT(CRESSET_INT32);
  CONSTANT(CRESSET_INT64);
  CONSTANT(CRESSET_FLOAT16);
  CONSTANT(CRESSET_BFLOAT16);
  CONSTANT(CRESSET_FLOAT32);
  CONSTANT(CRESSET_FLOAT64);
  CONSTANT(CRESSET_COMPLEX64);
  CONSTANT(CRESSET_COMPLEX128);
  CONSTANT(CRESSET_DTYPE_COUNT);
  CONSTANT(CRESSET_TYPE_BOOL);
  CONSTANT(CRESSET_TYPE_I32);
  CONSTANT(CRESSET_TYPE_I64);
  CONSTANT(CRESSET_TYPE_F32);
  CONSTANT(CRESSET_TYPE_F64);
  CONSTANT(CRESSET_TYPE_COUNT);
  CRESSET_OPCODES(OPCODE)
  CONSTANT(CRESSET_OP_COUNT);
  CRESSET_FUNCTIONS(FUNCTION)
  CONSTANT(CRESSET_FUNCTION_COUNT);
  CONSTANT(CRESSET_ERROR);
  CONSTANT(CRESSET_ERROR_UNSUPPORTED);
  CONSTANT(CRESSET_ERROR_OUT_OF_MEMORY);
  CONSTANT(CRESSET_ERROR_INDEX);
  CONSTANT(CRESSET_ERROR_COMPILE);
  CONSTANT(CRESSET_ERROR_DEVICE_LOST);
  CONSTANT(CRESSET_ERROR_INVALID);
  CONSTANT(CRESSET_FAMILY_POINTWISE);
  CONSTANT(CRESSET_FAMILY_REDUCE);
  CONSTANT(CRESSET_FAMILY_MATMUL);
  CONSTANT(CRESSET_FAMILY_GATHER);
  CONSTANT(CRESSET_FAMILY_SCATTER);
  CONSTANT(CRESSET_FAMILY_COUNT);
  CONSTANT(CRESSET_FAMILY_OVERRIDE);
  CONSTANT(CRESSET_REDUCE_SUM);
  CONSTANT(CRESSET_REDUCE_PROD);
  CONSTANT(CRESSET_REDUCE_MAX);
  CONSTANT(CRESSET_REDUCE_MIN);
  CONSTANT(CRESSET_REDUCE_ANY);
  CONSTANT(CRESSET_REDUCE_ALL);
  CONSTANT(CRESSET_REDUCE_ARGMAX);
  CONSTANT(CRESSET_REDUCE_ARGMIN);
  CONSTANT(CRESSET_REDUCE_COUNT);
  CONSTANT(CRESSET_SCATTER_SET);
  CONSTANT(CRESSET_SCATTER_ADD);
  CONSTANT(CRESSET_SCATTER_MUL);
  CONSTANT(CRESSET_SCATTER_MAX);
  CONSTANT(CRESSET_SCATTER_MIN);
  CONSTANT(CRESSET_SCATTER_COUNT);
  CONSTANT(CRESSET_ARGUMENT_NONE);
  CONSTANT(CRESSET_ARGUMENT_TENSOR);
  CONSTANT(CRESSET_ARGUMENT_BOOL);
  CONSTANT(CRESSET_ARGUMENT_INT);
  CONSTANT(CRESSET_ARGUMENT_DOUBLE);
  CONSTANT(CRESSET_ARGUMENT_INTS);
  CONSTANT(CRESSET_ARGUMENT_DTYPE);
  CONSTANT(CRESSET_ARGUMENT_STRING);
  CONSTANT(CRESSET_ARGUMENT_TENSORS);
  CONSTANT(CRESSET_DEVICE_SOFTWARE);
  CONSTANT(CRESSET_DEVICE_UNIFIED_MEMORY);
  CONSTANT(CRESSET_DEVICE_HOST_VISIBLE);
  CONSTANT(CRESSET_DEVICE_SYNCHRONOUS);
  printf("CRESSET_BACKEND_ENTRY = %s\n", CRESSET_BACKEND_ENTRY);

  SIZE(CressetScalar);
  FIELD(CressetScalar, i);
  FIELD(CressetScalar, f);
  FIELD(CressetScalar, d);

  SIZE(CressetInstruction);
  FIELD(CressetInstruction, opcode);
  FIELD(CressetInstruction, type);
  FIELD(CressetInstruction, aux);
  FIELD(CressetInstruction, a);
  FIELD(CressetInstruction, b);
  FIELD(CressetInstruction, c);
  FIELD(CressetInstruction, imm);

  SIZE(CressetProgram);
  FIELD(CressetProgram, struct_size);
  FIELD(CressetProgram, instruction_count);
  FIELD(CressetProgram, instructions);
  FIELD(CressetProgram, hash);
  FIELD(CressetProgram, id);
  FIELD(CressetProgram, input_count);
  FIELD(CressetProgram, output_count);
  FIELD(CressetProgram, param_count);
  FIELD(CressetProgram, uses_index);
  FIELD(CressetProgram, reserved);

  SIZE(CressetDLDevice);
  FIELD(CressetDLDevice, device_type);
  FIELD(CressetDLDevice, device_id);

  SIZE(CressetDLDataType);
  FIELD(CressetDLDataType, code);
  FIELD(CressetDLDataType, bits);
  FIELD(CressetDLDataType, lanes);

  SIZE(CressetDLTensor);
  FIELD(CressetDLTensor, data);
  FIELD(CressetDLTensor, device);
  FIELD(CressetDLTensor, ndim);
  FIELD(CressetDLTensor, dtype);
  FIELD(CressetDLTensor, shape);
  FIELD(CressetDLTensor, strides);
  FIELD(CressetDLTensor, byte_offset);

  SIZE(CressetTensor);
  FIELD(CressetTensor, struct_size);
  FIELD(CressetTensor, dtype);
  FIELD(CressetTensor, dl);
  FIELD(CressetTensor, buffer);
  FIELD(CressetTensor, buffer_bytes);

  SIZE(CressetStatus);
  FIELD(CressetStatus, struct_size);
  FIELD(CressetStatus, code);
  FIELD(CressetStatus, message);
  FIELD(CressetStatus, op);
  FIELD(CressetStatus, site);
  FIELD(CressetStatus, release);

  SIZE(CressetReduceAttributes);
  FIELD(CressetReduceAttributes, struct_size);
  FIELD(CressetReduceAttributes, reduced_dims);
  FIELD(CressetReduceAttributes, accumulator_count);
  FIELD(CressetReduceAttributes, kinds);

  SIZE(CressetIndexAttributes);
  FIELD(CressetIndexAttributes, struct_size);
  FIELD(CressetIndexAttributes, index_count);
  FIELD(CressetIndexAttributes, reduce);
  FIELD(CressetIndexAttributes, reserved);
  FIELD(CressetIndexAttributes, index_sizes);
  FIELD(CressetIndexAttributes, index_strides);

  SIZE(CressetArgument);
  FIELD(CressetArgument, struct_size);
  FIELD(CressetArgument, kind);
  FIELD(CressetArgument, integer);
  FIELD(CressetArgument, number);
  FIELD(CressetArgument, ints);
  FIELD(CressetArgument, string);
  FIELD(CressetArgument, count);

  SIZE(CressetCall);
  FIELD(CressetCall, struct_size);
  FIELD(CressetCall, family);
  FIELD(CressetCall, input_count);
  FIELD(CressetCall, output_count);
  FIELD(CressetCall, inputs);
  FIELD(CressetCall, outputs);
  FIELD(CressetCall, program);
  FIELD(CressetCall, epilogue);
  FIELD(CressetCall, params);
  FIELD(CressetCall, param_count);
  FIELD(CressetCall, argument_count);
  FIELD(CressetCall, attributes);
  FIELD(CressetCall, arguments);
  FIELD(CressetCall, op);
  FIELD(CressetCall, site);

  SIZE(CressetKernel);
  FIELD(CressetKernel, struct_size);
  FIELD(CressetKernel, family);
  FIELD(CressetKernel, op);
  FIELD(CressetKernel, dtype);
  FIELD(CressetKernel, priority);
  FIELD(CressetKernel, context);
  FIELD(CressetKernel, supports);
  FIELD(CressetKernel, launch);

  SIZE(CressetDeviceInfo);
  FIELD(CressetDeviceInfo, struct_size);
  FIELD(CressetDeviceInfo, flags);
  FIELD(CressetDeviceInfo, name);
  FIELD(CressetDeviceInfo, driver);
  FIELD(CressetDeviceInfo, uuid);
  FIELD(CressetDeviceInfo, memory_bytes);
  FIELD(CressetDeviceInfo, max_allocation_bytes);
  FIELD(CressetDeviceInfo, dtypes);
  FIELD(CressetDeviceInfo, instruction_count);
  FIELD(CressetDeviceInfo, instruction_types);

  SIZE(CressetServices);
  FIELD(CressetServices, struct_size);
  FIELD(CressetServices, abi_version);
  FIELD(CressetServices, log);
  FIELD(CressetServices, option);
  FIELD(CressetServices, cache_directory);
  FIELD(CressetServices, maths_source);
  FIELD(CressetServices, maths_bytes);
  FIELD(CressetServices, thread_count);
  FIELD(CressetServices, reserved);

  /* (CressetBackend's size is nobody's promise: fields are appended.) */
  FIELD(CressetBackend, struct_size);
  FIELD(CressetBackend, abi_version);
  FIELD(CressetBackend, name);
  FIELD(CressetBackend, version);
  FIELD(CressetBackend, context);
  FIELD(CressetBackend, start);
  FIELD(CressetBackend, devices);
  FIELD(CressetBackend, open_device);
  FIELD(CressetBackend, kernels);
  FIELD(CressetBackend, allocate);
  FIELD(CressetBackend, deallocate);
  FIELD(CressetBackend, map);
  FIELD(CressetBackend, create_queue);
  FIELD(CressetBackend, destroy_queue);
  FIELD(CressetBackend, copy_in);
  FIELD(CressetBackend, copy_out);
  FIELD(CressetBackend, copy_within);
  FIELD(CressetBackend, synchronize);
  FIELD(CressetBackend, record);
  FIELD(CressetBackend, queue_wait);
  FIELD(CressetBackend, event_wait);
  FIELD(CressetBackend, event_release);
  FIELD(CressetBackend, prepare);
  FIELD(CressetBackend, compile_count);
  return 0;
}
