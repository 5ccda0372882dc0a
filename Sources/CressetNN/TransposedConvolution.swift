import Cresset

/// The transposed convolution of [batch, in, length], with or without the batch.
public final class ConvTranspose1d: ConvolutionLayer {
    public let padding: PerDim
    public let outputPadding: PerDim

    public init(
        _ inChannels: Int, _ outChannels: Int, _ kernelSize: PerDim, stride: PerDim = 1, padding: PerDim = 0,
        outputPadding: PerDim = 0, groups: Int = 1, bias: Bool = true, dilation: PerDim = 1,
        dtype: DType = .float32, device: Device? = nil
    ) {
        self.padding = padding
        self.outputPadding = outputPadding
        super.init(
            1, inChannels, outChannels, kernelSize, stride, dilation, groups, bias: bias, isTransposed: true, dtype,
            device)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.convTranspose1d(
            weight, bias: bias, stride: stride, padding: padding, outputPadding: outputPadding, groups: groups,
            dilation: dilation)
    }
}

/// The transposed convolution of [batch, in, height, width], with or without the batch.
public final class ConvTranspose2d: ConvolutionLayer {
    public let padding: PerDim
    public let outputPadding: PerDim

    public init(
        _ inChannels: Int, _ outChannels: Int, _ kernelSize: PerDim, stride: PerDim = 1, padding: PerDim = 0,
        outputPadding: PerDim = 0, groups: Int = 1, bias: Bool = true, dilation: PerDim = 1,
        dtype: DType = .float32, device: Device? = nil
    ) {
        self.padding = padding
        self.outputPadding = outputPadding
        super.init(
            2, inChannels, outChannels, kernelSize, stride, dilation, groups, bias: bias, isTransposed: true, dtype,
            device)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.convTranspose2d(
            weight, bias: bias, stride: stride, padding: padding, outputPadding: outputPadding, groups: groups,
            dilation: dilation)
    }
}

/// The transposed convolution of [batch, in, depth, height, width], with or without the batch.
public final class ConvTranspose3d: ConvolutionLayer {
    public let padding: PerDim
    public let outputPadding: PerDim

    public init(
        _ inChannels: Int, _ outChannels: Int, _ kernelSize: PerDim, stride: PerDim = 1, padding: PerDim = 0,
        outputPadding: PerDim = 0, groups: Int = 1, bias: Bool = true, dilation: PerDim = 1,
        dtype: DType = .float32, device: Device? = nil
    ) {
        self.padding = padding
        self.outputPadding = outputPadding
        super.init(
            3, inChannels, outChannels, kernelSize, stride, dilation, groups, bias: bias, isTransposed: true, dtype,
            device)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.convTranspose3d(
            weight, bias: bias, stride: stride, padding: padding, outputPadding: outputPadding, groups: groups,
            dilation: dilation)
    }
}
