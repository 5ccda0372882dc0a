import Cresset

/// What the convolution layers have in common: weight, bias and the numbers of the call.
public class ConvolutionLayer: Module {
    /// [out, in / groups, kernel…]; of a transposed layer [in, out / groups, kernel…].
    public let weight: Tensor
    /// [out], unless the layer has none.
    public let bias: Tensor?
    public let stride: PerDim
    public let dilation: PerDim
    public let groups: Int

    /// Weights and bias uniform within 1/√fan_in, as PyTorch makes them.
    init(
        _ dims: Int, _ inChannels: Int, _ outChannels: Int, _ kernelSize: PerDim, _ stride: PerDim,
        _ dilation: PerDim, _ groups: Int, bias: Bool, isTransposed: Bool, _ dtype: DType, _ device: Device?
    ) {
        precondition(
            groups > 0 && inChannels % groups == 0 && outChannels % groups == 0,
            "\(inChannels) and \(outChannels) channels cannot be divided into \(groups) groups")
        let kernel = kernelSize.values
        precondition(
            kernel.count == dims || kernel.count == 1, "kernelSize must be one number or \(dims), got \(kernel)")
        let sizes = kernel.count == dims ? kernel : Array(repeating: kernel[0], count: dims)
        let channels = isTransposed ? [inChannels, outChannels / groups] : [outChannels, inChannels / groups]
        weight = Tensor.empty(Shape(channels + sizes), dtype: dtype, device: device)
        // Kaiming with a = √5 has the bound 1/√fan_in.
        Init.kaimingUniform_(weight, a: 5.0.squareRoot())
        weight.requiresGrad_()
        if bias {
            let fanIn = sizes.reduce(channels[1], *)
            let bound = fanIn > 0 ? 1 / Double(fanIn).squareRoot() : 0
            let values = Tensor.empty([outChannels], dtype: dtype, device: device)
            Init.uniform_(values, -bound, bound)
            self.bias = values.requiresGrad_()
        } else {
            self.bias = nil
        }
        self.stride = stride
        self.dilation = dilation
        self.groups = groups
        super.init()
    }
}

/// A convolution of [batch, in, length], with or without the batch.
public final class Conv1d: ConvolutionLayer {
    public let padding: ConvolutionPadding

    public init(
        _ inChannels: Int, _ outChannels: Int, _ kernelSize: PerDim, stride: PerDim = 1,
        padding: ConvolutionPadding = 0, dilation: PerDim = 1, groups: Int = 1, bias: Bool = true,
        dtype: DType = .float32, device: Device? = nil
    ) {
        self.padding = padding
        super.init(
            1, inChannels, outChannels, kernelSize, stride, dilation, groups, bias: bias, isTransposed: false, dtype,
            device)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.conv1d(weight, bias: bias, stride: stride, padding: padding, dilation: dilation, groups: groups)
    }
}

/// A convolution of [batch, in, height, width], with or without the batch.
public final class Conv2d: ConvolutionLayer {
    public let padding: ConvolutionPadding

    public init(
        _ inChannels: Int, _ outChannels: Int, _ kernelSize: PerDim, stride: PerDim = 1,
        padding: ConvolutionPadding = 0, dilation: PerDim = 1, groups: Int = 1, bias: Bool = true,
        dtype: DType = .float32, device: Device? = nil
    ) {
        self.padding = padding
        super.init(
            2, inChannels, outChannels, kernelSize, stride, dilation, groups, bias: bias, isTransposed: false, dtype,
            device)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.conv2d(weight, bias: bias, stride: stride, padding: padding, dilation: dilation, groups: groups)
    }
}

/// A convolution of [batch, in, depth, height, width], with or without the batch.
public final class Conv3d: ConvolutionLayer {
    public let padding: ConvolutionPadding

    public init(
        _ inChannels: Int, _ outChannels: Int, _ kernelSize: PerDim, stride: PerDim = 1,
        padding: ConvolutionPadding = 0, dilation: PerDim = 1, groups: Int = 1, bias: Bool = true,
        dtype: DType = .float32, device: Device? = nil
    ) {
        self.padding = padding
        super.init(
            3, inChannels, outChannels, kernelSize, stride, dilation, groups, bias: bias, isTransposed: false, dtype,
            device)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.conv3d(weight, bias: bias, stride: stride, padding: padding, dilation: dilation, groups: groups)
    }
}
