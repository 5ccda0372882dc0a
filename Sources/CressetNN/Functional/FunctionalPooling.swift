import Cresset

/// Pooling.
extension F {
    /// Means of windows over the last dim.
    public static func avgPool1d(
        _ input: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, ceilMode: Bool = false,
        countIncludePad: Bool = true
    ) -> Tensor {
        input.avgPool1d(
            kernelSize, stride: stride, padding: padding, ceilMode: ceilMode, countIncludePad: countIncludePad)
    }

    /// Means of windows over the last 2 dims.
    public static func avgPool2d(
        _ input: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, ceilMode: Bool = false,
        countIncludePad: Bool = true, divisorOverride: Int? = nil
    ) -> Tensor {
        input.avgPool2d(
            kernelSize, stride: stride, padding: padding, ceilMode: ceilMode, countIncludePad: countIncludePad,
            divisorOverride: divisorOverride)
    }

    /// Means of windows over the last 3 dims.
    public static func avgPool3d(
        _ input: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, ceilMode: Bool = false,
        countIncludePad: Bool = true, divisorOverride: Int? = nil
    ) -> Tensor {
        input.avgPool3d(
            kernelSize, stride: stride, padding: padding, ceilMode: ceilMode, countIncludePad: countIncludePad,
            divisorOverride: divisorOverride)
    }

    /// Maxima of windows over the last 1 dim.
    public static func maxPool1d(
        _ input: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1,
        ceilMode: Bool = false
    ) -> Tensor {
        input.maxPool1d(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
    }

    /// Maxima of windows over the last 2 dims.
    public static func maxPool2d(
        _ input: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1,
        ceilMode: Bool = false
    ) -> Tensor {
        input.maxPool2d(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
    }

    /// Maxima of windows over the last 3 dims.
    public static func maxPool3d(
        _ input: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1,
        ceilMode: Bool = false
    ) -> Tensor {
        input.maxPool3d(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
    }

    /// Maxima of windows over the last 1 dim, and their row-major indices within those.
    public static func maxPool1dWithIndices(
        _ input: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1,
        ceilMode: Bool = false
    ) -> (values: Tensor, indices: Tensor) {
        input.maxPool1dWithIndices(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
    }

    /// Maxima of windows over the last 2 dims, and their row-major indices within those.
    public static func maxPool2dWithIndices(
        _ input: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1,
        ceilMode: Bool = false
    ) -> (values: Tensor, indices: Tensor) {
        input.maxPool2dWithIndices(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
    }

    /// Maxima of windows over the last 3 dims, and their row-major indices within those.
    public static func maxPool3dWithIndices(
        _ input: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1,
        ceilMode: Bool = false
    ) -> (values: Tensor, indices: Tensor) {
        input.maxPool3dWithIndices(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
    }

    /// Maxima put back to where `maxPool1dWithIndices` found them, among zeros.
    public static func maxUnpool1d(
        _ input: Tensor, _ indices: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0,
        outputSize: [Int]? = nil
    ) -> Tensor {
        input.maxUnpool1d(indices, kernelSize, stride: stride, padding: padding, outputSize: outputSize)
    }

    /// Maxima put back to where `maxPool2dWithIndices` found them, among zeros.
    public static func maxUnpool2d(
        _ input: Tensor, _ indices: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0,
        outputSize: [Int]? = nil
    ) -> Tensor {
        input.maxUnpool2d(indices, kernelSize, stride: stride, padding: padding, outputSize: outputSize)
    }

    /// Maxima put back to where `maxPool3dWithIndices` found them, among zeros.
    public static func maxUnpool3d(
        _ input: Tensor, _ indices: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0,
        outputSize: [Int]? = nil
    ) -> Tensor {
        input.maxUnpool3d(indices, kernelSize, stride: stride, padding: padding, outputSize: outputSize)
    }

    /// The p-norm of each window of the last dim.
    public static func lpPool1d(
        _ input: Tensor, _ normType: Double, _ kernelSize: PerDim, stride: PerDim? = nil, ceilMode: Bool = false
    ) -> Tensor {
        input.lpPool1d(normType, kernelSize, stride: stride, ceilMode: ceilMode)
    }

    /// The p-norm of each window of the last 2 dims.
    public static func lpPool2d(
        _ input: Tensor, _ normType: Double, _ kernelSize: PerDim, stride: PerDim? = nil, ceilMode: Bool = false
    ) -> Tensor {
        input.lpPool2d(normType, kernelSize, stride: stride, ceilMode: ceilMode)
    }

    /// The p-norm of each window of the last 3 dims.
    public static func lpPool3d(
        _ input: Tensor, _ normType: Double, _ kernelSize: PerDim, stride: PerDim? = nil, ceilMode: Bool = false
    ) -> Tensor {
        input.lpPool3d(normType, kernelSize, stride: stride, ceilMode: ceilMode)
    }

    /// Means of as many windows over the last 1 dim as `outputSize` says.
    public static func adaptiveAvgPool1d(_ input: Tensor, _ outputSize: PerDim) -> Tensor {
        input.adaptiveAvgPool1d(outputSize)
    }

    /// Means of as many windows over the last 2 dims as `outputSize` says.
    public static func adaptiveAvgPool2d(_ input: Tensor, _ outputSize: PerDim) -> Tensor {
        input.adaptiveAvgPool2d(outputSize)
    }

    /// Means of as many windows over the last 3 dims as `outputSize` says.
    public static func adaptiveAvgPool3d(_ input: Tensor, _ outputSize: PerDim) -> Tensor {
        input.adaptiveAvgPool3d(outputSize)
    }

    /// Maxima of as many windows over the last 1 dim as `outputSize` says, and their indices within those.
    public static func adaptiveMaxPool1d(_ input: Tensor, _ outputSize: PerDim) -> (values: Tensor, indices: Tensor) {
        input.adaptiveMaxPool1d(outputSize)
    }

    /// Maxima of as many windows over the last 2 dims as `outputSize` says, and their indices within those.
    public static func adaptiveMaxPool2d(_ input: Tensor, _ outputSize: PerDim) -> (values: Tensor, indices: Tensor) {
        input.adaptiveMaxPool2d(outputSize)
    }

    /// Maxima of as many windows over the last 3 dims as `outputSize` says, and their indices within those.
    public static func adaptiveMaxPool3d(_ input: Tensor, _ outputSize: PerDim) -> (values: Tensor, indices: Tensor) {
        input.adaptiveMaxPool3d(outputSize)
    }

    /// Maxima of windows at random distances, and their row-major places in each image.
    public static func fractionalMaxPool2d(
        _ input: Tensor, _ kernelSize: PerDim, outputSize: PerDim? = nil, outputRatio: [Double]? = nil,
        randomSamples: Tensor? = nil, stream: RandomStream = .default
    ) -> (values: Tensor, indices: Tensor) {
        input.fractionalMaxPool2d(
            kernelSize, outputSize: outputSize, outputRatio: outputRatio, randomSamples: randomSamples, stream: stream)
    }

    /// `fractionalMaxPool2d` of volumes.
    public static func fractionalMaxPool3d(
        _ input: Tensor, _ kernelSize: PerDim, outputSize: PerDim? = nil, outputRatio: [Double]? = nil,
        randomSamples: Tensor? = nil, stream: RandomStream = .default
    ) -> (values: Tensor, indices: Tensor) {
        input.fractionalMaxPool3d(
            kernelSize, outputSize: outputSize, outputRatio: outputRatio, randomSamples: randomSamples, stream: stream)
    }
}
