import BackendKit
import CPUKernels

/// What is made of matrix products: attention, recurrent layers.
enum ProductKernels {
    private static let floats: Set<DType> = [.float16, .bfloat16, .float32, .float64]

    static let all: [Kernel] = [
        Kernel(
            .override, op: "aten::scaled_dot_product_attention", dtypes: floats,
            supports: { cpu_attention_takes($0.raw) ? nil : "dropout, or a batch of another form" },
            rawLaunch: cpu_attention),
        Kernel(
            .override, op: "aten::scaled_dot_product_attention_backward", dtypes: floats,
            supports: { cpu_attention_backward_takes($0.raw) ? nil : "dropout, a mask's gradient or a broadcast batch" },
            rawLaunch: cpu_attention_backward),
    ]
}
