import BackendKit
import CBackend
import CPUKernels

/// Convolutions, pooling, resizing and their gradients, under their operations' names.
enum ConvolutionKernels {
    private static let floats: Set<DType> = [.float16, .bfloat16, .float32, .float64]

    static let all: [Kernel] = [
        Kernel(
            .override, op: "aten::convolution", dtypes: floats,
            supports: { call in
                let arguments = call.raw.pointee.arguments
                return refusal(call.input(0), call.input(1), dilation: arguments?[5])
            }, rawLaunch: cpu_convolution),
        Kernel(
            .override, op: "aten::convolution_backward", dtypes: floats,
            supports: { call in
                // The result's gradient, nothing, then the convolution's own arguments; last which gradients are wanted.
                guard let arguments = call.raw.pointee.arguments, call.raw.pointee.argument_count == 12 else {
                    return "is no gradient of a convolution"
                }
                let wanted = arguments[11]
                guard wanted.count == 2, wanted.ints[0] == 0, wanted.ints[1] != 0, arguments[8].integer == 0 else {
                    return "only the gradient by the weight is a kernel of its own"
                }
                return refusal(call.input(1), call.output(0), dilation: arguments[7])
            }, rawLaunch: cpu_convolution_weight),
        Kernel(
            .override, op: "aten::max_pool2d_with_indices", dtypes: floats,
            supports: { windowRefusal($0.input(0), $0) }, rawLaunch: cpu_max_pool),
        // (Narrow floats are rounded at each addition.)
        Kernel(
            .override, op: "aten::max_pool2d_with_indices_backward", dtypes: [.float32, .float64],
            supports: { $0.input(1).isContiguous ? nil : "the places do not lie in order" },
            rawLaunch: cpu_max_pool_backward),
        Kernel(
            .override, op: "aten::avg_pool2d", dtypes: floats, supports: { windowRefusal($0.input(0), $0) },
            rawLaunch: cpu_avg_pool),
        // (Narrow floats are rounded when divided, and again when added up.)
        Kernel(
            .override, op: "aten::avg_pool2d_backward", dtypes: [.float32, .float64], rawLaunch: cpu_avg_pool_backward),
        Kernel(
            .override, op: "aten::upsample_bilinear2d", dtypes: floats, supports: { sizeRefusal($0.input(0)) },
            rawLaunch: cpu_upsample_bilinear),
        Kernel(
            .override, op: "aten::upsample_bilinear2d_backward", dtypes: floats,
            supports: { sizeRefusal($0.output(0)) }, rawLaunch: cpu_upsample_bilinear_backward),
        Kernel(
            .override, op: "aten::upsample_nearest2d", dtypes: floats, supports: { sizeRefusal($0.input(0)) },
            rawLaunch: cpu_upsample_nearest),
    ]

    /// Of pooling, whose arguments are the input and the sizes of its windows.
    private static func windowRefusal(_ input: TensorView, _ call: Call) -> StaticString? {
        guard let kernel = call.raw.pointee.arguments?[1], kernel.count == 2 else { return "is no pooling" }
        // Wide windows are rows to reduce.
        if kernel.ints[0] > 64 || kernel.ints[1] > 15 { return "the windows are large" }
        return sizeRefusal(input)
    }

    /// Places within a plane are counted in 32 bits.
    private static func sizeRefusal(_ input: TensorView) -> StaticString? {
        let (rows, columns) = (input.size(input.rank - 2), input.size(input.rank - 1))
        return rows < 1 << 14 && columns < 1 << 14 ? nil : "the images are large"
    }

    private static func refusal(
        _ input: TensorView, _ weight: TensorView, dilation: CressetArgument?
    ) -> StaticString? {
        guard let dilation, input.rank == weight.rank, input.rank == 3 || input.rank == 4 else {
            return "only windows of one or two dims"
        }
        guard input.count > 0, weight.count > 0 else { return "there is nothing to add up" }
        // Places within what the windows of all channels reach over are counted in 32 bits.
        var reach = input.size(1)
        for d in 2..<input.rank {
            let (extent, isHuge) = Int(dilation.ints[d - 2]).multipliedReportingOverflow(by: weight.size(d))
            let (product, isHuger) = reach.multipliedReportingOverflow(by: extent)
            if isHuge || isHuger || product > 1 << 28 { return "the windows reach over too much" }
            reach = product
        }
        return nil
    }
}
