import BackendKit

/// Logarithms of sums and products, powers in float64, roots of squares.
extension Ops {
    /// ln(eᵃ + eᵇ) as max + ln(1 + e^-|a - b|), which does not overflow; equal infinities are their own.
    static let logaddexp = Binary(
        "logaddexp", .promote, .floating, overloads: ("", nil),
        // From the difference: the symbolic one is 0·∞ where the difference is infinite.
        derivative: { i, c in
            let d = i == 0 ? c.inputs[1] - c.inputs[0] : c.inputs[0] - c.inputs[1]
            return c.grad / (1 + Cresset.exp(d))
        }, complex: .value(slope: { i, a, b, y in Cresset.exp((i == 0 ? a : b) - y) }, Cresset.logaddexp)
    ) { a, b, _ in
        let sum = Cresset.maximum(a, b) + Cresset.log1p(Cresset.exp(-Cresset.abs(a - b)))
        return select(areSameInfinity(a, b), a, sum)
    }
    /// log₂(2ᵃ + 2ᵇ)
    static let logaddexp2 = Binary(
        "logaddexp2", .promote, .floating, overloads: ("", nil),
        // From the difference, as that of logaddexp.
        derivative: { i, c in
            let d = i == 0 ? c.inputs[1] - c.inputs[0] : c.inputs[0] - c.inputs[1]
            return c.grad / (1 + .call(.exp2, d))
        }
    ) { a, b, _ in
        let rest = Cresset.log1p(.call(.exp2, -Cresset.abs(a - b))) * Expr(1.44269504088896340736)
        return select(areSameInfinity(a, b), a, Cresset.maximum(a, b) + rest)
    }

    private static func areSameInfinity(_ a: Expr, _ b: Expr) -> Expr {
        (a .== b) & (Cresset.abs(a) .== Expr(.infinity, a.type ?? .f32))
    }

    /// a·ln b, 0 where a is 0 whatever b is but NaN.
    static let xlogy = Binary(
        "xlogy", .promoteFloat, overloads: ("Tensor", "Scalar_Other"), firstOverload: "Scalar_Self",
        samples: (-4...4, 0.2...4),
        // PyTorch's logarithm where a is 0, and not the 0 of the branch.
        derivative: { i, c in xlogDerivative(i, c, Cresset.log, shift: 0) }
    ) { a, b, _ in timesLogarithm(a, b, Cresset.log(b)) }
    /// a·ln(1 + b), 0 where a is 0 whatever b is but NaN.
    static let xlog1py = Binary(
        "special_xlog1py", .promoteFloat, overloads: ("", "other_scalar"), firstOverload: "self_scalar",
        samples: (-4...4, -0.8...4),
        // The same.
        derivative: { i, c in xlogDerivative(i, c, Cresset.log1p, shift: 1) }
    ) { a, b, _ in timesLogarithm(a, b, Cresset.log1p(b)) }

    private static func timesLogarithm(_ a: Expr, _ b: Expr, _ logarithm: Expr) -> Expr {
        select(isNaN(b), b, select(a .== 0, 0 * a, a * logarithm))
    }

    /// At a = 0 the symbolic one is 0, that of the branch; the function's is the logarithm.
    private static func xlogDerivative(
        _ i: Int, _ c: Pointwise.Context, _ log: (Expr) -> Expr, shift: Double
    ) -> Expr {
        let (a, b) = (c.inputs[0], c.inputs[1])
        if i == 1 { return c.grad * a / (b + Expr(shift)) }
        return select((a .== 0) & (b .<= Expr(-shift)), Expr(0, c.type), timesLogarithm(c.grad, b, log(b)))
    }

    /// √(a² + b²) by the quotient of the smaller and the larger, which does not overflow.
    static let hypot = Binary(
        "hypot", .promote, .floating, overloads: ("", nil),
        // A quotient by the result; the symbolic one has twice the terms, and a tie.
        derivative: { i, c in c.grad * (c.inputs[i] / c.result) }
    ) { a, b, t in
        let (x, y) = (Cresset.abs(a), Cresset.abs(b))
        let (large, small) = (Cresset.maximum(x, y), Cresset.minimum(x, y))
        let infinity = Expr(.infinity, t.arithmetic)
        let quotient = select(large .== 0, Expr(0, t.arithmetic), small / large)
        let root = large * Cresset.sqrt(1 + quotient * quotient)
        return select((x .== infinity) | (y .== infinity), infinity, root)
    }

    /// Beyond [ε, 1-ε] the ends' values, if ε is given; else NaN beyond [0, 1].
    static let logit = Pointwise(
        "aten::logit", .promoteFloat,
        // 1/(x(1 − x)), which the two forms of the body hide.
        derivative: { _, c in logitDerivative(c, Expr(0, c.type), Expr(1, c.type), .nan) },
        schema: { x, _ in [.tensor(x[0]), .none] }
    ) { logOdds($0.inputs[0]) }
    static let clampedLogit = Pointwise(
        "aten::logit", .promoteFloat,
        // The same.
        derivative: { _, c in logitDerivative(c, c.scalars[0], 1 - c.scalars[0], 0) }
    ) { c in
        let low = c.scalars[0]
        let x = c.inputs[0]
        return logOdds(select(x .< low, low, select((1 - low) .< x, 1 - low, x)))
    }

    /// ln(x/(1-x)); around ½, where that cancels, 2·artanh(2x-1) with 2x-1 exact.
    private static func logOdds(_ x: Expr) -> Expr {
        let centred = (Expr(0.25) .< x) & (x .< 0.75)
        let near = 2 * Expr.call(.atanh, select(centred, 2 * x - 1, Expr(0, x.type ?? .f32)))
        return select(centred, near, Cresset.log(x / (1 - x)))
    }

    private static func logitDerivative(_ c: Pointwise.Context, _ low: Expr, _ high: Expr, _ outside: Double) -> Expr {
        let x = c.inputs[0]
        return select((low .<= x) & (x .<= high), c.grad / (x * (1 - x)), Expr(outside, c.type))
    }

    static func logit(_ x: Tensor, _ eps: Double?) throws(CressetError) -> Tensor {
        // PyTorch takes a negative ε for none.
        guard let eps, eps >= 0 else { return try logit(x) }
        return try clampedLogit.run([x], [.double(eps)], promoting: [])
    }

    static let logarithms: [Operator] =
        [
            Operator(
                "logit(Tensor self, float? eps=None) -> Tensor", dtypes: .real, composition: ["pointwise"],
                samples: { g in
                    let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]
                    return shapes.map { Sample([.tensor(g.tensor($0, 0.05, 0.95)), .none]) }
                        + [Sample([.tensor(g.tensor([9], -0.5, 1.5)), 0.125])]
                },
                errors: { g in [ErrorSample([.tensor(g.tensor([2])), "small"], "argument eps must be a number")] },
                call: { (a) throws(CressetError) in
                    [.tensor(try logit(try a.tensor("self"), try a.optionalScalar("eps")?.doubleValue))]
                })
        ] + FloatPower.operators
}

/// xʸ in float64, whatever the dtypes.
enum FloatPower {
    private static let tensors = Pointwise("aten::float_power.Tensor_Tensor", .promote) {
        Cresset.pow($0.inputs[0], $0.inputs[1])
    }
    private static let exponent = Pointwise("aten::float_power.Tensor_Scalar", .promote) {
        Cresset.pow($0.inputs[0], $0.scalars[0])
    }
    private static let base = Pointwise(
        "aten::float_power.Scalar", .promote, schema: { x, s in [.scalar(s[0]), .tensor(x[0])] }
    ) { Cresset.pow($0.scalars[0], $0.inputs[0]) }

    static func power(_ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor {
        try tensors.run([x, y], [], types: (.float64, .float64))
    }
    static func power(_ x: Tensor, _ y: Scalar) throws(CressetError) -> Tensor {
        try exponent.run([x], [y], types: (.float64, .float64))
    }
    static func power(_ x: Scalar, _ y: Tensor) throws(CressetError) -> Tensor {
        try base.run([y], [x], types: (.float64, .float64))
    }

    private static let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]
    // Of int8, which float64 still squares exactly, to float64.
    private static let dtypes = Set<DType>.real

    static let operators: [Operator] = [
        Operator(
            "float_power.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor", dtypes: dtypes,
            composition: ["pointwise"],
            samples: { g in
                shapes.map { Sample([.tensor(g.tensor($0, 0.2, 3)), .tensor(g.tensor($0, -2, 3))]) }
                    + [Sample([.tensor(g.tensor([2, 3, 4], 0.2, 3)), .tensor(g.tensor([4], -2, 3))])]
            },
            errors: { g in [ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([4]))], "do not broadcast")] },
            call: { (a) throws(CressetError) in
                [.tensor(try power(try a.tensor("self"), try a.tensor("exponent")))]
            }),
        Operator(
            "float_power.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor", dtypes: dtypes,
            composition: ["pointwise"],
            samples: { g in shapes.map { Sample([.tensor(g.tensor($0, 0.2, 3)), 2.5]) } },
            errors: { g in [ErrorSample([.tensor(g.tensor([2])), "two"], "argument exponent must be a number")] },
            call: { (a) throws(CressetError) in
                [.tensor(try power(try a.tensor("self"), try a.scalar("exponent")))]
            }),
        Operator(
            "float_power.Scalar(Scalar self, Tensor exponent) -> Tensor", dtypes: dtypes, composition: ["pointwise"],
            samples: { g in shapes.map { Sample([1.5, .tensor(g.tensor($0))]) } },
            errors: { g in [ErrorSample([1, 2], "argument exponent must be a tensor")] },
            call: { (a) throws(CressetError) in
                [.tensor(try power(try a.scalar("self"), try a.tensor("exponent")))]
            }),
    ]
}

extension Tensor {
    /// ln(e^self + e^other) without overflow (`torch.logaddexp`).
    public func logaddexp(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.logaddexp(self, other) }
    }
    /// log₂(2^self + 2^other) without overflow (`torch.logaddexp2`).
    public func logaddexp2(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.logaddexp2(self, other) }
    }
    /// self·ln other, 0 where self is 0 (`torch.xlogy`).
    public func xlogy(_ other: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.xlogy(self, other) } }
    /// The same as `xlogy` of a tensor, with a number.
    public func xlogy(_ other: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.xlogy(self, other) } }
    /// The same as `xlogy`, in place.
    @discardableResult public func xlogy_(_ other: Tensor) -> Tensor {
        inPlace("aten::xlogy_.Tensor", Ops.xlogy, other)
    }
    /// The same as `xlogy`, in place; with a number.
    @discardableResult public func xlogy_(_ other: Scalar) -> Tensor {
        inPlace("aten::xlogy_.Scalar_Other", Ops.xlogy, other)
    }
    /// self·ln(1 + other), 0 where self is 0 (`torch.special.xlog1py`).
    public func xlog1py(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.xlog1py(self, other) }
    }
    /// The same as `xlog1py` of a tensor, with a number.
    public func xlog1py(_ other: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.xlog1py(self, other) }
    }
    /// √(self² + other²) without overflow (`torch.hypot`).
    public func hypot(_ other: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.hypot(self, other) } }
    /// The same as `hypot`, in place.
    @discardableResult public func hypot_(_ other: Tensor) -> Tensor { inPlace("aten::hypot_", Ops.hypot, other) }
    /// ln(x/(1-x)), of x held within eps and 1-eps if eps is given (`torch.logit`).
    public func logit(eps: Double? = nil) -> Tensor { trapping { () throws(CressetError) in try Ops.logit(self, eps) } }
    /// The same as `logit`, in place.
    @discardableResult public func logit_(eps: Double? = nil) -> Tensor {
        guard let eps, eps >= 0 else { return inPlace("aten::logit_", Ops.logit) }
        return inPlace("aten::logit_", Ops.clampedLogit, [], [.double(eps)], promoting: [])
    }
    /// The power in float64 (`torch.float_power`).
    public func floatPower(_ exponent: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try FloatPower.power(self, exponent) }
    }
    /// The same as `floatPower` of a tensor, with a number.
    public func floatPower(_ exponent: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try FloatPower.power(self, exponent) }
    }
    /// The same as `floatPower`, in place.
    @discardableResult public func floatPower_(_ exponent: Tensor) -> Tensor {
        inPlace("aten::float_power_.Tensor") { (x) throws(CressetError) in try FloatPower.power(x, exponent) }
    }
    /// The same as `floatPower`, in place; with a number.
    @discardableResult public func floatPower_(_ exponent: Scalar) -> Tensor {
        inPlace("aten::float_power_.Scalar") { (x) throws(CressetError) in try FloatPower.power(x, exponent) }
    }
}
