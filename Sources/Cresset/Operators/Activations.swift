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
    static let silu = Unary(
        "silu", .promoteFloat, .floating, complex: .function { $0 * Cresset.sigmoid($0) }
    ) { x in x / (1 + Cresset.exp(-x)) }
    static let logSigmoid = Unary(
        "log_sigmoid", .promoteFloat, .floating,
        // One quotient; the symbolic one is the difference of a tie and a quotient.
        derivative: { c in
            c.grad / (1 + Cresset.exp(c.inputs[0]))
        }
    ) { x in
        Cresset.minimum(x, 0) - Cresset.log1p(Cresset.exp(-Cresset.abs(x)))
    }
    /// x·tanh(softplus(x))
    static let mish = Unary("mish", .promoteFloat, .floating) { x in
        x * Cresset.tanh(Cresset.maximum(x, 0) + Cresset.log1p(Cresset.exp(-Cresset.abs(x))))
    }
    static let activations: [Unary] = [relu, silu, logSigmoid, mish]

    /// x·Φ(x) with the exact normal distribution function.
    static let gelu = Pointwise("aten::gelu", .promoteFloat, schema: { x, _ in [.tensor(x[0]), "none"] }) { c in
        let x = c.inputs[0]
        return x * 0.5 * (1 + Cresset.erf(x * Expr(0.5.squareRoot())))
    }
    /// x·Φ(x) with Φ(x) ≈ ½(1 + tanh(√(2/π)·(x + 0.044715·x³))).
    static let geluTanh = Pointwise("aten::gelu", .promoteFloat, schema: { x, _ in [.tensor(x[0]), "tanh"] }) { c in
        let x = c.inputs[0]
        return x * 0.5 * (1 + Cresset.tanh(Expr((2 / Double.pi).squareRoot()) * (x + 0.044715 * (x * x * x))))
    }
    /// ln(1 + eᵇˣ)/b, as x + ln(1 + e⁻ᵇˣ)/b for positive x so that nothing overflows; x itself where
    /// bx is above the threshold.
    static let softplus = Pointwise(
        "aten::softplus", .promoteFloat,
        // One quotient for both signs, without the tie at 0.
        derivative: { _, c in
            let bx = c.inputs[0] * c.scalars[0]
            return select(c.scalars[1] .< bx, c.grad, c.grad / (1 + Cresset.exp(-bx)))
        }
    ) { c in
        let (x, b) = (c.inputs[0], c.scalars[0])
        let bx = x * b
        return select(
            c.scalars[1] .< bx, x, (Cresset.maximum(bx, 0) + Cresset.log1p(Cresset.exp(-Cresset.abs(bx)))) / b)
    }
    static let leakyReluKernel = Pointwise("aten::leaky_relu", .promote) { c in
        select(Expr(0, c.type) .< c.inputs[0], c.inputs[0], c.inputs[0] * c.scalars[0])
    }

    static func softplus(_ x: Tensor, _ beta: Scalar, _ threshold: Scalar) throws(CressetError) -> Tensor {
        try x.checkDType(.floating, op: "aten::softplus")
        return try softplus.run([x], [beta, threshold], promoting: [])
    }
    static func leakyRelu(_ x: Tensor, _ slope: Scalar) throws(CressetError) -> Tensor {
        try x.checkDType(.floating, op: "aten::leaky_relu")
        return try leakyReluKernel.run([x], [slope], promoting: [])
    }
    static func gelu(_ x: Tensor, _ approximate: String) throws(CressetError) -> Tensor {
        try x.checkDType(.floating, op: "aten::gelu")
        return try geluKernel(approximate)(x)
    }
    static func geluKernel(_ approximate: String) throws(CressetError) -> Pointwise {
        switch approximate {
        case "none": return gelu
        case "tanh": return geluTanh
        default:
            throw CressetError(
                .argument, op: "aten::gelu", "approximate must be \"none\" or \"tanh\", not \"\(approximate)\"")
        }
    }

    /// The activations that take more than a tensor.
    static let parametricActivations: [Operator] = [
        activation("gelu(Tensor self, *, str approximate='none') -> Tensor", [["none"], ["tanh"]]) {
            (x, a) throws(CressetError) in try gelu(x, try a.string("approximate"))
        },
        activation(
            "softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor",
            [[1, 20], [.scalar(.double(2.5)), 4]]
        ) { (x, a) throws(CressetError) in
            try softplus(x, try a.scalar("beta"), try a.scalar("threshold"))
        },
        activation("leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor", [[0.25]]) {
            (x, a) throws(CressetError) in try leakyRelu(x, try a.scalar("negative_slope"))
        },
    ]

    private static func activation(
        _ schema: String, _ arguments: [[Value]],
        _ body: @escaping @Sendable (Tensor, Arguments) throws(CressetError) -> Tensor
    ) -> Operator {
        Operator(
            schema, dtypes: .floating, composition: ["pointwise"],
            samples: { g in
                let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]
                return arguments.flatMap { extra in shapes.map { Sample([.tensor(g.tensor($0))] + extra) } }
            },
            call: { (a) throws(CressetError) in [.tensor(try body(try a.tensor("self"), a))] })
    }
}

extension Tensor {
    /// max(x, 0)
    public func relu() -> Tensor { trapping { () throws(CressetError) in try Ops.relu(self) } }
    /// x·sigmoid(x), the sigmoid linear unit.
    public func silu() -> Tensor { trapping { () throws(CressetError) in try Ops.silu(self) } }
    /// x·Φ(x), exactly or (approximate: "tanh") by a formula with tanh.
    public func gelu(approximate: String = "none") -> Tensor {
        trapping { () throws(CressetError) in try Ops.gelu(self, approximate) }
    }
    /// ln(1 + e^(beta·x))/beta, and x itself where beta·x is above the threshold.
    public func softplus(beta: Double = 1, threshold: Double = 20) -> Tensor {
        trapping { () throws(CressetError) in
            try Ops.softplus(self, .double(beta), .double(threshold))
        }
    }
    /// ln sigmoid(x)
    public func logSigmoid() -> Tensor { trapping { () throws(CressetError) in try Ops.logSigmoid(self) } }
    /// x·tanh(ln(1 + eˣ))
    public func mish() -> Tensor { trapping { () throws(CressetError) in try Ops.mish(self) } }
    /// x for positive x, slope·x otherwise.
    public func leakyRelu(_ slope: Double = 0.01) -> Tensor {
        trapping { () throws(CressetError) in try Ops.leakyRelu(self, .double(slope)) }
    }
    /// The same as `silu`, in place.
    @discardableResult public func silu_() -> Tensor { inPlace(Ops.silu) }
    /// The same as `mish`, in place.
    @discardableResult public func mish_() -> Tensor { inPlace(Ops.mish) }
    /// The same as `leakyRelu`, in place.
    @discardableResult public func leakyRelu_(_ slope: Double = 0.01) -> Tensor {
        inPlace("aten::leaky_relu_", Ops.leakyReluKernel, [], [.double(slope)], promoting: [])
    }
}
