import BackendKit

/// Activation functions.
extension Ops {
    static let relu = Unary(
        "relu", .promote, .number,
        // From the result, so that the input may be overwritten: conv(x).relu_().
        derivative: { c in select(Expr(0, c.type) .< c.result, c.grad, Expr(0, c.type)) }
    ) { x in
        let zero = Expr(0, x.type ?? .f32)
        return Cresset.maximum(x, zero)
    }
    static let silu = Unary("silu", .promoteFloat, .floating) { x in x / (1 + Cresset.exp(-x)) }
    /// x·Φ(x) with the exact normal distribution function.
    static let gelu = Unary("gelu", .promoteFloat, .floating) { x in
        x * 0.5 * (1 + Cresset.erf(x * Expr(0.5.squareRoot())))
    }
    /// ln(1 + eˣ), as x + ln(1 + e⁻ˣ) for positive x so that nothing overflows.
    static let softplus = Unary("softplus", .promoteFloat, .floating, derivative: { c in
        c.grad / (1 + Cresset.exp(-c.inputs[0]))
    }) { x in
        Cresset.maximum(x, 0) + Cresset.log1p(Cresset.exp(-Cresset.abs(x)))
    }
    static let logSigmoid = Unary("log_sigmoid", .promoteFloat, .floating, derivative: { c in
        c.grad / (1 + Cresset.exp(c.inputs[0]))
    }) { x in
        Cresset.minimum(x, 0) - Cresset.log1p(Cresset.exp(-Cresset.abs(x)))
    }
    static let activations: [Unary] = [relu, silu, gelu, softplus, logSigmoid]

    static let leakyReluKernel = Pointwise("aten::leaky_relu", .promote) { c in
        select(Expr(0, c.type) .< c.inputs[0], c.inputs[0], c.inputs[0] * c.scalars[0])
    }
    static let eluKernel = Pointwise("aten::elu", .promote) { c in
        select(Expr(0, c.type) .< c.inputs[0], c.inputs[0], c.scalars[0] * Cresset.expm1(c.inputs[0]))
    }
}

extension Tensor {
    /// max(x, 0)
    public func relu() -> Tensor { trapping { () throws(CressetError) in try Ops.relu(self) } }
    /// x·sigmoid(x)
    public func silu() -> Tensor { trapping { () throws(CressetError) in try Ops.silu(self) } }
    /// x·Φ(x)
    public func gelu() -> Tensor { trapping { () throws(CressetError) in try Ops.gelu(self) } }
    /// ln(1 + eˣ)
    public func softplus() -> Tensor { trapping { () throws(CressetError) in try Ops.softplus(self) } }
    /// ln sigmoid(x)
    public func logSigmoid() -> Tensor { trapping { () throws(CressetError) in try Ops.logSigmoid(self) } }
    /// x for positive x, slope·x otherwise.
    public func leakyRelu(_ slope: Double = 0.01) -> Tensor {
        trapping { () throws(CressetError) in try Ops.leakyReluKernel.run([self], [.double(slope)]) }
    }
    /// x for positive x, α(eˣ - 1) otherwise.
    public func elu(alpha: Double = 1) -> Tensor {
        trapping { () throws(CressetError) in try Ops.eluKernel.run([self], [.double(alpha)]) }
    }
}
