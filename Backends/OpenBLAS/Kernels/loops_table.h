/* loops_table.h: every loop, compiled for the level the includer chose, and the
 * table of them. The includer defines LEVEL, HAS_HALF, HAS_FMA, VECTOR_BYTES,
 * GEMM_ROWS, GEMM_VECTORS and TABLE, and GEMM_IS_FAST where no BLAS is better than
 * these loops. */

/* A loop whose iterations may touch the same element of an operand and the result,
 * never different ones: outputs either are an input, with the same layout, or are disjoint. */
#define EACH _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < n; i++)
/* The same with two (four) vectors under way at a time, for bodies whose operations wait for each other. */
#define EACH_TWICE                                                                                                     \
  _Pragma("clang loop vectorize(assume_safety) interleave_count(2)") for (int64_t i = 0; i < n; i++)
#define EACH_FOUR_TIMES                                                                                                \
  _Pragma("clang loop vectorize(assume_safety) interleave_count(4)") for (int64_t i = 0; i < n; i++)
#define EACH_PLAIN for (int64_t i = 0; i < n; i++)
#define OP_ARGUMENTS int64_t n, void *rp, const void *ap, const void *bp, const void *cp
#define UNUSED_OPERANDS (void)ap, (void)bp, (void)cp

#include "loops_elementwise.h"
#include "loops_transpose.h"
#include "loops_convert.h"
#include "loops_fold.h"
#include "loops_scatter.h"
#include "loops_gemm.h"
#include "loops_conv.h"
#include "loops_window.h"
#include "loops_call.h"
#include "loops_fast.h"
#include "loops_rows.h"
#include "loops_order.h"
#include "loops_pack.h"
#include "loops_attention.h"
#include "loops_fft.h"
#include "loops_recurrent.h"

/* clang-format off */
#define FLOATS(name) [CRESSET_TYPE_F32] = name##_f32, [CRESSET_TYPE_F64] = name##_f64
#define INTS(name) [CRESSET_TYPE_I32] = name##_i32, [CRESSET_TYPE_I64] = name##_i64
#define NUMBERS(name) INTS(name), FLOATS(name)
#define BOOLEAN(name) [CRESSET_TYPE_BOOL] = name##_bool
#define ALL(name) BOOLEAN(name), NUMBERS(name)

#define BINARY_ROWS(form)                                                                                             \
  [CRESSET_OP_ADD] = {ALL(form##_add)}, [CRESSET_OP_SUB] = {ALL(form##_sub)}, [CRESSET_OP_MUL] = {ALL(form##_mul)},   \
  [CRESSET_OP_DIV] = {NUMBERS(form##_div)}, [CRESSET_OP_REM] = {NUMBERS(form##_rem)},                                 \
  [CRESSET_OP_MIN] = {ALL(form##_min)}, [CRESSET_OP_MAX] = {ALL(form##_max)},                                         \
  [CRESSET_OP_AND] = {BOOLEAN(form##_and), INTS(form##_and)}, [CRESSET_OP_OR] = {BOOLEAN(form##_or), INTS(form##_or)}, \
  [CRESSET_OP_XOR] = {BOOLEAN(form##_xor), INTS(form##_xor)},                                                         \
  [CRESSET_OP_SHL] = {INTS(form##_shl)}, [CRESSET_OP_SHR] = {INTS(form##_shr)}, [CRESSET_OP_USHR] = {INTS(form##_ushr)}, \
  [CRESSET_OP_EQ] = {ALL(form##_eq)}, [CRESSET_OP_NE] = {ALL(form##_ne)},                                             \
  [CRESSET_OP_LT] = {ALL(form##_lt)}, [CRESSET_OP_LE] = {ALL(form##_le)}

#define BY_DTYPE(name)                                                                                                \
  {name##_bool, name##_uint8, name##_int8, name##_int16, name##_int32, name##_int64,                                   \
   name##_float16, name##_bfloat16, name##_float32, name##_float64}

const CpuLoops TABLE = {
    .name = LEVEL,
    .op = {
        BINARY_ROWS(vv),
        [CRESSET_OP_NEG] = {NUMBERS(neg)}, [CRESSET_OP_ABS] = {NUMBERS(abs)},
        [CRESSET_OP_NOT] = {BOOLEAN(not), INTS(not)}, [CRESSET_OP_SQRT] = {FLOATS(sqrt)},
        [CRESSET_OP_FLOOR] = {NULL, copy_i32, copy_i64, FLOATS(floor)},
        [CRESSET_OP_CEIL] = {NULL, copy_i32, copy_i64, FLOATS(ceil)},
        [CRESSET_OP_TRUNC] = {NULL, copy_i32, copy_i64, FLOATS(trunc)},
        [CRESSET_OP_ROUND] = {NULL, copy_i32, copy_i64, FLOATS(round)},
        [CRESSET_OP_BITCAST] = {NULL, copy_i32, copy_i64, copy_i32, copy_i64},
        [CRESSET_OP_SELECT] = {ALL(select)}, [CRESSET_OP_FMA] = {FLOATS(fma)},
    },
    .op_vs = {BINARY_ROWS(vs)},
    .op_sv = {BINARY_ROWS(sv)},
    .cast = {
        {copy_bool, cast_bool_i32, cast_bool_i64, cast_bool_f32, cast_bool_f64},
        {cast_i32_bool, copy_i32, cast_i32_i64, cast_i32_f32, cast_i32_f64},
        {cast_i64_bool, cast_i64_i32, copy_i64, cast_i64_f32, cast_i64_f64},
        {cast_f32_bool, cast_f32_i32, cast_f32_i64, copy_i32, cast_f32_f64},
        {cast_f64_bool, cast_f64_i32, cast_f64_i64, cast_f64_f32, copy_i64},
    },
    .narrow = {copy_bool, narrow_uint8, narrow_int8, narrow_int16, copy_i32, copy_i64,
               narrow_float16, narrow_bfloat16, copy_i32, copy_i64},
    .call = {
#define CRESSET_X(name, value, arguments) {call_##name##_f32, call_##name##_f64},
        CRESSET_FUNCTIONS(CRESSET_X)
#undef CRESSET_X
#define CRESSET_X(name) [CRESSET_FUNCTION_##name] = {fast_##name##_f32, fast_##name##_f64},
        FAST_FUNCTIONS(CRESSET_X)
#undef CRESSET_X
    },
    .scaled_add = {FLOATS(scaled_add)},
    .scaled_sub = {FLOATS(scaled_sub)},
    .sub_scaled = {FLOATS(sub_scaled)},
    .phrase = {[CPU_PHRASE_SIGMOID] = fast_sigmoid_f32, [CPU_PHRASE_SILU] = fast_silu_f32,
               [CPU_PHRASE_GELU] = fast_gelu_f32},
    .philox = {philox_0, philox_1, philox_2, philox_3},
    .load = {load_1, load_uint8, load_int8, load_int16, load_4, load_8, load_float16, load_bfloat16, load_4, load_8},
    .store = {store_1, store_uint8, store_int8, store_int16, store_4, store_8, store_float16, store_bfloat16,
              store_4, store_8},
    .turn = {[1] = transpose_1, [2] = transpose_2, [4] = transpose_4, [8] = transpose_8},
    .stream = stream,
    .copy = {[1] = load_1, [2] = load_2, [4] = load_4, [8] = load_8},
#define FOLD_ROWS(form)                                                                                               \
  [CRESSET_REDUCE_SUM] = {ALL(form##_sum)}, [CRESSET_REDUCE_PROD] = {ALL(form##_prod)},                               \
  [CRESSET_REDUCE_MAX] = {ALL(form##_max)}, [CRESSET_REDUCE_MIN] = {ALL(form##_min)},                                 \
  [CRESSET_REDUCE_ANY] = {form##_max_bool}, [CRESSET_REDUCE_ALL] = {form##_min_bool}
    .fold = {FOLD_ROWS(fold)},
    .fold_columns = {FOLD_ROWS(columns)},
    .row = {[CRESSET_TYPE_F32] = ROW_LOOPS(f32), [CRESSET_TYPE_F64] = ROW_LOOPS(f64)},
    .keys = BY_DTYPE(keys),
    .find = {ALL(find)},
    .better = {{ALL(greater)}, {ALL(less)}},
    .offsets = offsets,
    .scatter = {BY_DTYPE(scatter_set), BY_DTYPE(scatter_add), BY_DTYPE(scatter_mul), BY_DTYPE(scatter_max),
                BY_DTYPE(scatter_min)},
    .scatter_run = {BY_DTYPE(scatter_run_set), BY_DTYPE(scatter_run_add), BY_DTYPE(scatter_run_mul),
                    BY_DTYPE(scatter_run_max), BY_DTYPE(scatter_run_min)},
    .gemm = {NUMBERS(gemm)},
#if GEMM_IS_FAST
    .gemm_is_fast = true,
#endif
    .gemm_rows = GEMM_ROWS,
    .gemm_columns = {0, GEMM_VECTORS * VECTOR_BYTES / 4, GEMM_VECTORS * VECTOR_BYTES / 8,
                     GEMM_VECTORS * VECTOR_BYTES / 4, GEMM_VECTORS * VECTOR_BYTES / 8},
    .conv = {{CONV_KERNELS(f32, float), conv_line_f32, transpose_f32, VECTOR_BYTES / 4, VECTOR_BYTES == 64 ? 14 : 6,
              window_max_f32, window_halve_f32, window_blend_f32, window_mix_f32},
             {CONV_KERNELS(f64, double), conv_line_f64, transpose_f64, VECTOR_BYTES / 8, VECTOR_BYTES == 64 ? 14 : 6,
              window_max_f64, window_halve_f64, window_blend_f64, window_mix_f64}},
    .pack = {[4] = pack_4, [8] = pack_8},
#if GEMM_HAS_PAIRS
    .gemm_pairs = cpu_gemm_pairs,
    .pack_pairs = cpu_pack_pairs,
    .scan_pairs = cpu_scan_pairs,
#endif
    .attention = {[CRESSET_TYPE_F32] = {score_softmax_f32, score_scale_f32, score_gradient_f32},
                  [CRESSET_TYPE_F64] = {score_softmax_f64, score_scale_f64, score_gradient_f64}},
    .gemm_vector_bytes = VECTOR_BYTES,
    .fft_real = fft_real_f32,
    .lstm_gates = {[CRESSET_TYPE_F32] = lstm_gates_f32, [CRESSET_TYPE_F64] = lstm_gates_f64},
    .lstm_gradient = {[CRESSET_TYPE_F32] = lstm_gradient_f32, [CRESSET_TYPE_F64] = lstm_gradient_f64},
    .gemv = {[CRESSET_TYPE_F32] = gemv_f32, [CRESSET_TYPE_F64] = gemv_f64},
    .gevm = {[CRESSET_TYPE_F32] = gevm_f32, [CRESSET_TYPE_F64] = gevm_f64},
};
/* clang-format on */
