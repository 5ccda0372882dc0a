import Cresset

/// Matrix products.
extension Workload {
    private static func product(_ name: String, _ a: [Int], _ b: [Int], _ dtype: DType = .float32) -> Workload {
        binary(
            "matmul/\(name)", (Tensor.randn(Shape(a)).to(dtype), Tensor.randn(Shape(b)).to(dtype))
        ) { $0.matmul($1) }
        // (Every element of the first matrix meets every column of the second.)
        .computing(2 * a.reduce(1, *) * (b.count > 1 ? b[b.count - 1] : 1))
    }

    static let products: [Workload] =
        [64, 128, 256, 512, 1024, 2048].map { product("f32_\($0)", [$0, $0], [$0, $0]) } + [
            binary("matmul/f32_1024_nt", (normal(1024, 1024), normal(1024, 1024))) { $0.matmul($1.t()) }
                .computing(2 << 30),
            product("f64_512", [512, 512], [512, 512], .float64),
            product("bf16_512", [512, 512], [512, 512], .bfloat16),
            product("f16_512", [512, 512], [512, 512], .float16),
            product("bmm_96x128x64x128", [96, 128, 64], [96, 64, 128]),
            product("bmm_tiny_4096x8x8x8", [4096, 8, 8], [4096, 8, 8]),
            Workload("matmul/linear_bias_gelu_512x768x3072") {
                let (x, weight, bias) = (normal(512, 768), normal(3072, 768), normal(3072))
                return { [x.linear(weight, bias: bias).gelu()] }
            }.computing(2 * 512 * 768 * 3072),
            product("gemv_4096", [4096, 4096], [4096]).moving(4 << 24),
            binary("matmul/einsum_bhqk", (normal(4, 8, 128, 64), normal(4, 8, 128, 64))) {
                einsum("bhqd,bhkd->bhqk", $0, $1)
            }.computing(2 * 32 * 128 * 128 * 64),
        ]

    // Of factors, those are compared that are the same for everyone: signs of vectors are not.
    static let linearAlgebra: [Workload] = [
        binary("linalg/solve_512", (normal(512, 512), normal(512, 8))) { linalg.solve($0, $1) },
        unary("linalg/svd_256", normal(256, 256)) { linalg.svd($0).s },
        unary("linalg/eigh_256", normal(256, 256)) { linalg.eigh($0 + $0.t()).eigenvalues },
        unary("fft/rfft_64x16k", normal(64, 16384)) { fft.rfft($0) },
    ]
}
