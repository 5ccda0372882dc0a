import Cresset

/// y = x·Wᵀ + b
public final class Linear: Module {
    /// [out, in]
    public let weight: Tensor
    /// [out], unless the layer has none.
    public let bias: Tensor?

    /// Weights and bias uniform within 1/√in, as PyTorch makes them.
    public init(
        _ inFeatures: Int, _ outFeatures: Int, bias: Bool = true, dtype: DType = .float32, device: Device? = nil
    ) {
        weight = Tensor.empty([outFeatures, inFeatures], dtype: dtype, device: device)
        // Kaiming with a = √5 has the bound 1/√fan_in.
        Init.kaimingUniform_(weight, a: 5.0.squareRoot())
        weight.requiresGrad_()
        if bias {
            let bound = inFeatures > 0 ? 1 / Double(inFeatures).squareRoot() : 0
            let values = Tensor.empty([outFeatures], dtype: dtype, device: device)
            Init.uniform_(values, -bound, bound)
            self.bias = values.requiresGrad_()
        } else {
            self.bias = nil
        }
        super.init()
    }

    public override func forward(_ x: Tensor) -> Tensor { x.linear(weight, bias: bias) }
}

/// Modules one after another.
public final class Sequential: Module {
    public let layers: [Module]

    public init(_ layers: Module...) {
        self.layers = layers
        super.init()
    }

    public init(_ layers: [Module]) {
        self.layers = layers
        super.init()
    }

    /// Named by position: "0.weight".
    public override var children: [(name: String, module: Module)] {
        layers.enumerated().map { ("\($0.offset)", $0.element) }
    }

    public override func forward(_ x: Tensor) -> Tensor { layers.reduce(x) { $1($0) } }
}

/// A row of a table for each index.
public final class Embedding: Module {
    /// [count, size]
    public let weight: Tensor

    public init(_ count: Int, _ size: Int, dtype: DType = .float32, device: Device? = nil) {
        weight = Tensor.empty([count, size], dtype: dtype, device: device)
        Init.normal_(weight)
        weight.requiresGrad_()
        super.init()
    }

    public override func forward(_ index: Tensor) -> Tensor { F.embedding(index, weight) }
}

/// Zeroes elements with probability p while training.
public final class Dropout: Module {
    public let p: Double
    public init(_ p: Double = 0.5) {
        self.p = p
        super.init()
    }
    public override func forward(_ x: Tensor) -> Tensor { x.dropout(p, training: isTraining) }
}

/// All dims but the first merged into one.
public final class Flatten: Module {
    public override func forward(_ x: Tensor) -> Tensor { x.flatten(1) }
}

/// x
public final class Identity: Module {}

/// max(x, 0)
public final class ReLU: Module {
    public override func forward(_ x: Tensor) -> Tensor { x.relu() }
}
/// x·Φ(x)
public final class GELU: Module {
    public override func forward(_ x: Tensor) -> Tensor { x.gelu() }
}
/// x·sigmoid(x)
public final class SiLU: Module {
    public override func forward(_ x: Tensor) -> Tensor { x.silu() }
}
/// The hyperbolic tangent.
public final class Tanh: Module {
    public override func forward(_ x: Tensor) -> Tensor { x.tanh() }
}
/// 1/(1 + e⁻ˣ)
public final class Sigmoid: Module {
    public override func forward(_ x: Tensor) -> Tensor { x.sigmoid() }
}
/// exp(x) over its sum along a dim.
public final class Softmax: Module {
    public let dim: Int
    public init(dim: Int) {
        self.dim = dim
        super.init()
    }
    public override func forward(_ x: Tensor) -> Tensor { x.softmax(dim: dim) }
}
/// ln softmax
public final class LogSoftmax: Module {
    public let dim: Int
    public init(dim: Int) {
        self.dim = dim
        super.init()
    }
    public override func forward(_ x: Tensor) -> Tensor { x.logSoftmax(dim: dim) }
}
