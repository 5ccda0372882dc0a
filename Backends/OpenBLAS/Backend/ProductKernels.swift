import BackendKit
import CPUKernels

/// What is made of matrix products: attention, transforms, recurrent layers.
enum ProductKernels {
    private static let floats: Set<DType> = [.float16, .bfloat16, .float32, .float64]

    static let all: [Kernel] = [
        Kernel(
            .override, op: "aten::scaled_dot_product_attention", dtypes: floats,
            supports: { cpu_attention_takes($0.raw) ? nil : "dropout, or a batch of another form" },
            rawLaunch: cpu_attention),
        Kernel(
            .override, op: "aten::scaled_dot_product_attention_backward", dtypes: floats,
            supports: {
                cpu_attention_backward_takes($0.raw) ? nil : "dropout, a mask's gradient or a broadcast batch"
            },
            rawLaunch: cpu_attention_backward),
        Kernel(
            .override, op: "aten::_fft_r2c", dtypes: [.float32],
            supports: { cpu_fft_real_takes($0.raw) ? nil : "several dims, a whole spectrum, or no power of two" },
            rawLaunch: cpu_fft_real),
        Kernel(
            .override, op: "cresset::lstm_pass", dtypes: [.float32, .float64],
            supports: { cpu_lstm_pass_takes($0.raw) ? nil : "arguments that do not fit" }, rawLaunch: cpu_lstm_pass),
        Kernel(
            .override, op: "cresset::lstm_pass_backward", dtypes: [.float32, .float64],
            supports: { cpu_lstm_pass_takes($0.raw) ? nil : "states that lie otherwise" },
            rawLaunch: cpu_lstm_pass_backward),
    ]
}
