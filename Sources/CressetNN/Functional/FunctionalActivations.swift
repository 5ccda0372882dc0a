import Cresset

/// The functional forms of `torch.nn.functional`, under its names: `F.relu(x)` is `x.relu()`.
public enum F {}

/// Activations.
extension F {
    /// `value` where x is not above the threshold (`torch.nn.functional.threshold`).
    public static func threshold(_ input: Tensor, _ threshold: Scalar, _ value: Scalar) -> Tensor {
        input.threshold(threshold, value)
    }

    /// max(x, 0)
    public static func relu(_ input: Tensor) -> Tensor {
        input.relu()
    }

    /// x held within the two numbers (`torch.nn.functional.hardtanh`).
    public static func hardtanh(_ input: Tensor, minVal: Scalar = -1, maxVal: Scalar = 1) -> Tensor {
        input.hardtanh(minVal: minVal, maxVal: maxVal)
    }

    /// x·hardsigmoid(x) (`torch.nn.functional.hardswish`).
    public static func hardswish(_ input: Tensor) -> Tensor {
        input.hardswish()
    }

    /// x held within 0 and 6 (`torch.nn.functional.relu6`).
    public static func relu6(_ input: Tensor) -> Tensor {
        input.relu6()
    }

    /// x for positive x, alpha(eˣ - 1) otherwise (`torch.nn.functional.elu`).
    public static func elu(_ input: Tensor, alpha: Double = 1) -> Tensor {
        input.elu(alpha: alpha)
    }

    /// The self-normalising elu (`torch.nn.functional.selu`).
    public static func selu(_ input: Tensor) -> Tensor {
        input.selu()
    }

    /// x for positive x, alpha(e^(x/alpha) - 1) otherwise (`torch.nn.functional.celu`).
    public static func celu(_ input: Tensor, alpha: Double = 1) -> Tensor {
        input.celu(alpha: alpha)
    }

    /// x for positive x, slope·x otherwise.
    public static func leakyRelu(_ input: Tensor, _ slope: Double = 0.01) -> Tensor {
        input.leakyRelu(slope)
    }

    /// x for positive x, weight·x otherwise (`torch.nn.functional.prelu`).
    public static func prelu(_ input: Tensor, _ weight: Tensor) -> Tensor {
        input.prelu(weight)
    }

    /// max(x, 0) + slope·min(x, 0) with slopes drawn from lower … upper while training, else of their mean.
    public static func rrelu(
        _ input: Tensor, lower: Double = 1.0 / 8, upper: Double = 1.0 / 3, training: Bool = false,
        stream: RandomStream = .default
    ) -> Tensor {
        input.rrelu(lower: lower, upper: upper, training: training, stream: stream)
    }

    /// The first half of a dim times the sigmoid of the second (`torch.nn.functional.glu`).
    public static func glu(_ input: Tensor, dim: Int = -1) -> Tensor {
        input.glu(dim: dim)
    }

    /// x·Φ(x), exactly or (approximate: "tanh") by a formula with tanh.
    public static func gelu(_ input: Tensor, approximate: String = "none") -> Tensor {
        input.gelu(approximate: approximate)
    }

    /// ln sigmoid(x)
    public static func logSigmoid(_ input: Tensor) -> Tensor {
        input.logSigmoid()
    }

    /// 0 within ±lambd, x beyond (`torch.nn.functional.hardshrink`).
    public static func hardshrink(_ input: Tensor, _ lambd: Double = 0.5) -> Tensor {
        input.hardshrink(lambd)
    }

    /// x - tanh(x)
    public static func tanhshrink(_ input: Tensor) -> Tensor {
        input.tanhshrink()
    }

    /// x/(1 + |x|)
    public static func softsign(_ input: Tensor) -> Tensor {
        input.softsign()
    }

    /// ln(1 + e^(beta·x))/beta, and x itself where beta·x is above the threshold.
    public static func softplus(_ input: Tensor, beta: Double = 1, threshold: Double = 20) -> Tensor {
        input.softplus(beta: beta, threshold: threshold)
    }

    /// softmax(-x)
    public static func softmin(_ input: Tensor, dim: Int, dtype: DType? = nil) -> Tensor {
        input.softmin(dim: dim, dtype: dtype)
    }

    /// exp(x) over its sum along a dim.
    public static func softmax(_ input: Tensor, dim: Int, dtype: DType? = nil) -> Tensor {
        input.softmax(dim: dim, dtype: dtype)
    }

    /// Nearer to 0 by lambd, 0 within ±lambd (`torch.nn.functional.softshrink`).
    public static func softshrink(_ input: Tensor, _ lambd: Double = 0.5) -> Tensor {
        input.softshrink(lambd)
    }

    /// A softmax of logits with Gumbel noise: a sample of one class each, softened by tau.
    public static func gumbelSoftmax(
        _ input: Tensor, tau: Double = 1, hard: Bool = false, dim: Int = -1, stream: RandomStream = .default
    ) -> Tensor {
        input.gumbelSoftmax(tau: tau, hard: hard, dim: dim, stream: stream)
    }

    /// ln softmax(x), without overflow or cancellation.
    public static func logSoftmax(_ input: Tensor, dim: Int, dtype: DType? = nil) -> Tensor {
        input.logSoftmax(dim: dim, dtype: dtype)
    }

    /// The hyperbolic tangent of each element.
    public static func tanh(_ input: Tensor) -> Tensor {
        input.tanh()
    }

    /// 1 / (1 + e⁻ˣ)
    public static func sigmoid(_ input: Tensor) -> Tensor {
        input.sigmoid()
    }

    /// 0 up to -3, 1 from 3 on, straight between (`torch.nn.functional.hardsigmoid`).
    public static func hardsigmoid(_ input: Tensor) -> Tensor {
        input.hardsigmoid()
    }

    /// x·sigmoid(x), the sigmoid linear unit.
    public static func silu(_ input: Tensor) -> Tensor {
        input.silu()
    }

    /// x·tanh(ln(1 + eˣ))
    public static func mish(_ input: Tensor) -> Tensor {
        input.mish()
    }
}
