import Cresset

/// Matrix products, and the groups whose operations are still to come.
extension Workload {
    private static func product(_ name: String, _ a: [Int], _ b: [Int], _ dtype: DType = .float32) -> Workload {
        binary(
            "matmul/\(name)", (Tensor.randn(Shape(a)).to(dtype), Tensor.randn(Shape(b)).to(dtype))
        ) { $0.matmul($1) }
    }

    static let products: [Workload] =
        [64, 128, 256, 512, 1024, 2048].map { product("f32_\($0)", [$0, $0], [$0, $0]) } + [
            binary("matmul/f32_1024_nt", (normal(1024, 1024), normal(1024, 1024))) { $0.matmul($1.t()) },
            product("f64_512", [512, 512], [512, 512], .float64),
            product("bf16_512", [512, 512], [512, 512], .bfloat16),
            product("f16_512", [512, 512], [512, 512], .float16),
            product("bmm_96x128x64x128", [96, 128, 64], [96, 64, 128]),
            product("bmm_tiny_4096x8x8x8", [4096, 8, 8], [4096, 8, 8]),
            Workload("matmul/linear_bias_gelu_512x768x3072") {
                let (x, weight, bias) = (normal(512, 768), normal(3072, 768), normal(3072))
                return { _ = (x.matmul(weight.t()) + bias).gelu() }
            },
            product("gemv_4096", [4096, 4096], [4096]),
            Workload("matmul/einsum_bhqk", missing: "einsum"),
        ]

    /// Named so that `--list --all` tells how far the table is from whole.
    static let later: [Workload] =
        [
            ("linalg/solve_512", "linalg.solve"), ("linalg/svd_256", "linalg.svd"), ("linalg/eigh_256", "linalg.eigh"),
            ("fft/rfft_64x16k", "fft.rfft"),
            ("conv/resnet_stem_4x3x224_64k7s2", "conv2d"), ("conv/3x3_8x64x56", "conv2d"),
            ("conv/3x3_8x256x14", "conv2d"), ("conv/1x1_8x256x14_1024", "conv2d"),
            ("conv/depthwise_8x96x56_k3", "conv2d"), ("conv/lenet_64x1x28_32k5", "conv2d"),
            ("conv/3x3_8x64x56_fwd_bwd", "conv2d"), ("conv/transpose_4x64x28_k4s2", "conv_transpose2d"),
            ("conv/maxpool_16x64x112_k3s2", "max_pool2d"), ("conv/avgpool_16x64x56_k2", "avg_pool2d"),
            ("conv/upsample_bilinear_8x64x56_x2", "interpolate"),
            ("attention/prefill_1x12x512x64_causal", "scaled_dot_product_attention"),
            ("attention/prefill_1x8x2048x64_causal", "scaled_dot_product_attention"),
            ("attention/decode_1x32x1x2048x128", "scaled_dot_product_attention"),
            ("attention/train_4x8x256x64_causal", "scaled_dot_product_attention"),
        ].map { Workload($0.0, missing: $0.1) }
}
