import Cresset

/// Elementwise work, small enough for a cache and far beyond it, and random numbers.
extension Workload {
    private static let sizes: [(count: Int, tag: String)] = [(1 << 12, "4k"), (1 << 20, "1m"), (1 << 24, "16m")]
    private static let twoOperands: [(String, @Sendable (Tensor, Tensor) -> Tensor)] = [
        ("add", { $0 + $1 }), ("mul", { $0 * $1 }), ("div", { $0 / $1 }),
    ]
    private static let oneOperand: [(String, @Sendable (Tensor) -> Tensor)] = [
        ("exp", { $0.exp() }), ("tanh", { $0.tanh() }), ("sigmoid", { $0.sigmoid() }), ("relu", { $0.relu() }),
        ("sqrt", { $0.sqrt() }), ("sin", { $0.sin() }),
    ]

    private static let bySize: [Workload] = sizes.flatMap { n, tag -> [Workload] in
        twoOperands.map { op, body in
            binary("pointwise/\(op)_\(tag)", (normal(n), normal(n).abs() + 1), body)
                .moving(12 * n)
        }
            + oneOperand.map { op, body in unary("pointwise/\(op)_\(tag)", normal(n).abs(), body).moving(8 * n) }
            + [
                unary("pointwise/gelu_\(tag)", normal(n)) { $0.gelu() }.moving(8 * n),
                unary("pointwise/silu_\(tag)", normal(n)) { $0.silu() }.moving(8 * n),
                binary("pointwise/where_\(tag)", (normal(n), normal(n))) { Tensor.where($0 .> 0, $0, $1) }
                    .moving(12 * n),
            ]
    }

    private static let square = 2048

    private static let layoutsAndTypes: [Workload] = [
        binary("pointwise/add_bf16_1m", (normal(1 << 20, dtype: .bfloat16), normal(1 << 20, dtype: .bfloat16))) {
            $0 + $1
        }.moving(6 << 20),
        unary("pointwise/add_i64_1m", Tensor.arange(.int(1 << 20))) { $0 + $0 }.moving(16 << 20),
        unary("pointwise/cast_f32_f16_1m", normal(1 << 20)) { $0.to(.float16) }.moving(6 << 20),
        unary("pointwise/cast_f32_i64_1m", normal(1 << 20)) { $0.to(.int64) }.moving(12 << 20),
        binary("pointwise/broadcast_row_2kx2k", (normal(square, square), normal(square))) { $0 + $1 }
            .moving(8 * square * square),
        binary("pointwise/broadcast_col_2kx2k", (normal(square, square), normal(square, 1))) { $0 + $1 }
            .moving(8 * square * square),
        binary("pointwise/add_transposed_2kx2k", (normal(square, square), normal(square, square))) { $0 + $1.t() }
            .moving(12 * square * square),
        unary("pointwise/copy_transposed_2kx2k", normal(square, square)) { $0.t().contiguous() }
            .moving(8 * square * square),
        unary("pointwise/permute_nchw_nhwc", normal(16, 64, 56, 56)) { $0.permute([0, 2, 3, 1]).contiguous() }
            .moving(8 * 16 * 64 * 56 * 56),
        binary("pointwise/chain10_1m", (normal(1 << 20), normal(1 << 20))) { a, b in
            let s = (((a + b) * 0.5).tanh() * a).sigmoid()
            return (s + b.exp() * 1e-3 - a).clamp(min: -3, max: 3)
        },
    ]

    static let pointwise = bySize + layoutsAndTypes

    static let random: [Workload] = [
        unary("random/normal_1m", normal(1 << 20)) { $0.normal_() }.moving(4 << 20),
        unary("random/uniform_1m", normal(1 << 20)) { $0.uniform_() }.moving(4 << 20),
        unary("random/dropout_1m", normal(1 << 20)) { $0.dropout(0.1) }.moving(8 << 20),
    ]
}
