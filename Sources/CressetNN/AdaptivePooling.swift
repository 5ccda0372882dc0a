import Cresset

/// Means of as many windows over the last dim as the size says.
public final class AdaptiveAvgPool1d: Module {
    public let outputSize: PerDim

    public init(_ outputSize: PerDim) {
        self.outputSize = outputSize
        super.init()
    }

    public override func forward(_ x: Tensor) -> Tensor { x.adaptiveAvgPool1d(outputSize) }
}

/// Maxima of as many windows over the last dim as the size says.
public final class AdaptiveMaxPool1d: Module {
    public let outputSize: PerDim

    public init(_ outputSize: PerDim) {
        self.outputSize = outputSize
        super.init()
    }

    public override func forward(_ x: Tensor) -> Tensor { x.adaptiveMaxPool1d(outputSize).values }
}

/// Means of as many windows over the last 2 dims as the size says.
public final class AdaptiveAvgPool2d: Module {
    public let outputSize: PerDim

    public init(_ outputSize: PerDim) {
        self.outputSize = outputSize
        super.init()
    }

    public override func forward(_ x: Tensor) -> Tensor { x.adaptiveAvgPool2d(outputSize) }
}

/// Maxima of as many windows over the last 2 dims as the size says.
public final class AdaptiveMaxPool2d: Module {
    public let outputSize: PerDim

    public init(_ outputSize: PerDim) {
        self.outputSize = outputSize
        super.init()
    }

    public override func forward(_ x: Tensor) -> Tensor { x.adaptiveMaxPool2d(outputSize).values }
}

/// Means of as many windows over the last 3 dims as the size says.
public final class AdaptiveAvgPool3d: Module {
    public let outputSize: PerDim

    public init(_ outputSize: PerDim) {
        self.outputSize = outputSize
        super.init()
    }

    public override func forward(_ x: Tensor) -> Tensor { x.adaptiveAvgPool3d(outputSize) }
}

/// Maxima of as many windows over the last 3 dims as the size says.
public final class AdaptiveMaxPool3d: Module {
    public let outputSize: PerDim

    public init(_ outputSize: PerDim) {
        self.outputSize = outputSize
        super.init()
    }

    public override func forward(_ x: Tensor) -> Tensor { x.adaptiveMaxPool3d(outputSize).values }
}
