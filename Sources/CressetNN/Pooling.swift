import Cresset

/// What the layers of sliding windows have in common.
public class PoolingLayer: Module {
    public let kernelSize: PerDim
    /// The kernel's size if none was given.
    public let stride: PerDim
    public let padding: PerDim
    public let ceilMode: Bool

    init(_ kernelSize: PerDim, _ stride: PerDim?, _ padding: PerDim, _ ceilMode: Bool) {
        self.kernelSize = kernelSize
        self.stride = stride ?? kernelSize
        self.padding = padding
        self.ceilMode = ceilMode
        super.init()
    }
}

/// Maxima of windows over the last dim.
public final class MaxPool1d: PoolingLayer {
    public let dilation: PerDim

    public init(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1, ceilMode: Bool = false
    ) {
        self.dilation = dilation
        super.init(kernelSize, stride, padding, ceilMode)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.maxPool1d(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
    }
}

/// Means of windows over the last dim.
public final class AvgPool1d: PoolingLayer {
    public let countIncludePad: Bool

    public init(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, ceilMode: Bool = false,
        countIncludePad: Bool = true
    ) {
        self.countIncludePad = countIncludePad
        super.init(kernelSize, stride, padding, ceilMode)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.avgPool1d(
            kernelSize, stride: stride, padding: padding, ceilMode: ceilMode, countIncludePad: countIncludePad)
    }
}

/// Maxima of windows over the last 2 dims.
public final class MaxPool2d: PoolingLayer {
    public let dilation: PerDim

    public init(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1, ceilMode: Bool = false
    ) {
        self.dilation = dilation
        super.init(kernelSize, stride, padding, ceilMode)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.maxPool2d(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
    }
}

/// Means of windows over the last 2 dims.
public final class AvgPool2d: PoolingLayer {
    public let countIncludePad: Bool
    public let divisorOverride: Int?

    public init(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, ceilMode: Bool = false,
        countIncludePad: Bool = true, divisorOverride: Int? = nil
    ) {
        self.countIncludePad = countIncludePad
        self.divisorOverride = divisorOverride
        super.init(kernelSize, stride, padding, ceilMode)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.avgPool2d(
            kernelSize, stride: stride, padding: padding, ceilMode: ceilMode, countIncludePad: countIncludePad,
            divisorOverride: divisorOverride)
    }
}

/// Maxima of windows over the last 3 dims.
public final class MaxPool3d: PoolingLayer {
    public let dilation: PerDim

    public init(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1, ceilMode: Bool = false
    ) {
        self.dilation = dilation
        super.init(kernelSize, stride, padding, ceilMode)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.maxPool3d(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
    }
}

/// Means of windows over the last 3 dims.
public final class AvgPool3d: PoolingLayer {
    public let countIncludePad: Bool
    public let divisorOverride: Int?

    public init(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, ceilMode: Bool = false,
        countIncludePad: Bool = true, divisorOverride: Int? = nil
    ) {
        self.countIncludePad = countIncludePad
        self.divisorOverride = divisorOverride
        super.init(kernelSize, stride, padding, ceilMode)
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.avgPool3d(
            kernelSize, stride: stride, padding: padding, ceilMode: ceilMode, countIncludePad: countIncludePad,
            divisorOverride: divisorOverride)
    }
}
