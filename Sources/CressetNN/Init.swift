import Cresset

/// Initial values of parameters; each fills the tensor in place, from the library's random stream.
public enum Init {
    @discardableResult
    public static func uniform_(_ x: Tensor, _ low: Double = 0, _ high: Double = 1) -> Tensor {
        noGrad { x.uniform_(low, high) }
    }

    @discardableResult
    public static func normal_(_ x: Tensor, mean: Double = 0, std: Double = 1) -> Tensor {
        noGrad { x.normal_(mean, std) }
    }

    @discardableResult
    public static func constant_(_ x: Tensor, _ value: Double) -> Tensor { noGrad { x.fill_(Scalar(value)) } }

    /// Inputs and outputs of one unit: weights are [out, in, …].
    private static func fans(_ x: Tensor) -> (input: Double, output: Double) {
        let receptive = x.shape.dropFirst(2).reduce(1, *)
        return (Double((x.ndim > 1 ? x.size(1) : 1) * receptive), Double(x.size(0) * receptive))
    }

    /// He et al. 2015: uniform within √(6 / ((1 + a²)·fan_in)).
    @discardableResult
    public static func kaimingUniform_(_ x: Tensor, a: Double = 0) -> Tensor {
        let bound = (6 / ((1 + a * a) * fans(x).input)).squareRoot()
        return uniform_(x, -bound, bound)
    }

    /// Glorot and Bengio 2010: uniform within gain·√(6 / (fan_in + fan_out)).
    @discardableResult
    public static func xavierUniform_(_ x: Tensor, gain: Double = 1) -> Tensor {
        let (input, output) = fans(x)
        let bound = gain * (6 / (input + output)).squareRoot()
        return uniform_(x, -bound, bound)
    }
}
