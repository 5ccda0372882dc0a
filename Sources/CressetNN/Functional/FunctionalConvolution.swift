import Cresset

/// Convolutions, and what rearranges or resizes images.
extension F {
    /// The convolution of [batch, channels, length] with a weight [out, channels / groups, kernel].
    public static func conv1d(
        _ input: Tensor, _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: ConvolutionPadding = 0,
        dilation: PerDim = 1, groups: Int = 1
    ) -> Tensor {
        input.conv1d(weight, bias: bias, stride: stride, padding: padding, dilation: dilation, groups: groups)
    }

    /// The convolution of [batch, channels, height, width] with a weight [out, channels / groups, …].
    public static func conv2d(
        _ input: Tensor, _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: ConvolutionPadding = 0,
        dilation: PerDim = 1, groups: Int = 1
    ) -> Tensor {
        input.conv2d(weight, bias: bias, stride: stride, padding: padding, dilation: dilation, groups: groups)
    }

    /// The convolution of [batch, channels, depth, height, width] with a weight [out, channels / groups, …].
    public static func conv3d(
        _ input: Tensor, _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: ConvolutionPadding = 0,
        dilation: PerDim = 1, groups: Int = 1
    ) -> Tensor {
        input.conv3d(weight, bias: bias, stride: stride, padding: padding, dilation: dilation, groups: groups)
    }

    /// The transposed convolution of [batch, channels, length] with a weight [channels, out / groups, kernel].
    public static func convTranspose1d(
        _ input: Tensor, _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: PerDim = 0,
        outputPadding: PerDim = 0, groups: Int = 1, dilation: PerDim = 1
    ) -> Tensor {
        input.convTranspose1d(
            weight, bias: bias, stride: stride, padding: padding, outputPadding: outputPadding, groups: groups,
            dilation: dilation)
    }

    /// The transposed convolution of [batch, channels, height, width].
    public static func convTranspose2d(
        _ input: Tensor, _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: PerDim = 0,
        outputPadding: PerDim = 0, groups: Int = 1, dilation: PerDim = 1
    ) -> Tensor {
        input.convTranspose2d(
            weight, bias: bias, stride: stride, padding: padding, outputPadding: outputPadding, groups: groups,
            dilation: dilation)
    }

    /// The transposed convolution of [batch, channels, depth, height, width].
    public static func convTranspose3d(
        _ input: Tensor, _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: PerDim = 0,
        outputPadding: PerDim = 0, groups: Int = 1, dilation: PerDim = 1
    ) -> Tensor {
        input.convTranspose3d(
            weight, bias: bias, stride: stride, padding: padding, outputPadding: outputPadding, groups: groups,
            dilation: dilation)
    }

    /// The windows of an image, [N, C, H, W], as columns, [N, C·kernel, windows]; PyTorch's F.unfold.
    public static func unfold(
        _ input: Tensor, _ kernelSize: PerDim, dilation: PerDim = 1, padding: PerDim = 0, stride: PerDim = 1
    ) -> Tensor {
        input.im2col(kernelSize, dilation: dilation, padding: padding, stride: stride)
    }

    /// Columns added up to an image, where they overlap; `torch.nn.functional.fold`.
    public static func fold(
        _ input: Tensor, _ outputSize: PerDim, _ kernelSize: PerDim, dilation: PerDim = 1, padding: PerDim = 0,
        stride: PerDim = 1
    ) -> Tensor {
        input.fold(outputSize, kernelSize, dilation: dilation, padding: padding, stride: stride)
    }

    /// Channels of an image spread over `factor` × `factor` pixels: (…, c·f², h, w) to (…, c, h·f, w·f).
    public static func pixelShuffle(_ input: Tensor, _ factor: Int) -> Tensor {
        input.pixelShuffle(factor)
    }

    /// The reverse of `pixelShuffle`.
    public static func pixelUnshuffle(_ input: Tensor, _ factor: Int) -> Tensor {
        input.pixelUnshuffle(factor)
    }

    /// The channels (dim 1) of all groups by turns.
    public static func channelShuffle(_ input: Tensor, _ groups: Int) -> Tensor {
        input.channelShuffle(groups)
    }

    /// Filled up at the ends of the last dims: [left, right, top, bottom, …]; negative numbers cut.
    public static func pad(_ input: Tensor, _ pad: [Int], mode: PaddingMode = .constant, value: Double? = nil) -> Tensor
    {
        input.pad(pad, mode: mode, value: value)
    }

    /// [batch, channels, sizes…] resized, as `torch.nn.functional.interpolate` does it.
    public static func interpolate(
        _ input: Tensor, size: [Int]? = nil, scaleFactor: [Double]? = nil, mode: InterpolationMode = .nearest,
        alignCorners: Bool = false, recomputeScaleFactor: Bool = false, antialias: Bool = false
    ) -> Tensor {
        input.interpolate(
            size: size, scaleFactor: scaleFactor, mode: mode, alignCorners: alignCorners,
            recomputeScaleFactor: recomputeScaleFactor, antialias: antialias)
    }

    /// The values of an image, [N, C, H, W], or a volume at the places of a grid of numbers in -1 … 1, the last dim's first.
    public static func gridSample(
        _ input: Tensor, _ grid: Tensor, mode: GridSampleMode = .bilinear, paddingMode: GridSamplePadding = .zeros,
        alignCorners: Bool = false
    ) -> Tensor {
        input.gridSample(grid, mode: mode, paddingMode: paddingMode, alignCorners: alignCorners)
    }

    /// The grid that `gridSample` takes, of the places where matrices [N, 2, 3] or [N, 3, 4] put those of a result of `size`.
    public static func affineGrid(_ theta: Tensor, size: [Int], alignCorners: Bool = false) -> Tensor {
        Tensor.affineGrid(theta, size: size, alignCorners: alignCorners)
    }
}
