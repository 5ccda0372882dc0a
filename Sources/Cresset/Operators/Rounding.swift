import BackendKit

/// Parts of numbers, rounding to places, and angles.
extension Ops {
    /// What is behind the point, with the sign of x.
    static let frac = Unary(
        "frac", .promote, .floating,
        // trunc is constant almost everywhere; PyTorch says 1 at the steps too.
        derivative: { $0.grad }
    ) { $0 - Cresset.trunc($0) }
    static let deg2rad = Unary("deg2rad", .promoteFloat, samples: -360...360) { $0 * Expr(Double.pi / 180) }
    static let rad2deg = Unary("rad2deg", .promoteFloat) { $0 * Expr(180 / Double.pi) }
    /// sin(πx)/(πx), with the sine of the rest of x modulo 2, so that it is 0 at every integer but 0.
    static let sinc = Unary(
        "sinc", .promoteFloat,
        // (cos πx - sinc x)/x cancels near 0: there the series of sin t/t, with t = πx.
        derivative: { c in
            let x = c.inputs[0]
            let r = x - 2 * Cresset.round(x * 0.5)
            let t = Expr(Double.pi) * x
            let z = select(Cresset.abs(t) .< 1, t * t, Expr(0, c.type))
            var series = Expr(0, c.type)
            for k in stride(from: 9, through: 1, by: -1) { series = series * z + Expr(sincTerm(k)) }
            let safe = select(x .== 0, Expr(1, c.type), x)
            let direct =
                (Cresset.cos(Expr(Double.pi) * r) - Cresset.sin(Expr(Double.pi) * r) / (Expr(Double.pi) * safe)) / safe
            return c.grad * select(Cresset.abs(t) .< 1, Expr(Double.pi) * t * series, direct)
        }, complex: .function(sinc, slope: sincSlope)
    ) { x in
        let r = x - 2 * Cresset.round(x * 0.5)
        return select(x .== 0, 1 + x, Cresset.sin(Expr(Double.pi) * r) / (Expr(Double.pi) * x))
    }
    /// (-1)ᵏ·2k/(2k+1)!: coefficients of the derivative of sin t/t, by t²ᵏ⁻¹.
    private static func sincTerm(_ k: Int) -> Double {
        let factorial = (1...(2 * k + 1)).reduce(1.0) { $0 * Double($1) }
        return (k % 2 == 0 ? 2.0 : -2.0) * Double(k) / factorial
    }
    /// πz with the real part of z modulo 2.
    private static func turn(_ z: ComplexExpr) -> ComplexExpr {
        ComplexExpr(z.re - 2 * Cresset.round(z.re * 0.5), z.im) * Expr(Double.pi, z.type)
    }
    private static func sinc(_ z: ComplexExpr) -> ComplexExpr {
        let isZero = (z.re .== 0) & (z.im .== 0)
        let one = ComplexExpr(Expr(1, z.type))
        let safe = select(isZero, one, z)
        return select(isZero, one, Cresset.sin(turn(safe)) / (safe * Expr(Double.pi, z.type)))
    }
    private static func sincSlope(_ z: ComplexExpr, _ y: ComplexExpr) -> ComplexExpr {
        let t = z * Expr(Double.pi, z.type)
        let isSmall = t.re * t.re + t.im * t.im .< 1
        let square = select(isSmall, t * t, ComplexExpr(Expr(0, z.type)))
        var series = ComplexExpr(Expr(0, z.type))
        for k in stride(from: 9, through: 1, by: -1) { series = Expr(sincTerm(k), z.type) + series * square }
        let safe = select(isSmall, ComplexExpr(Expr(1, z.type)), z)
        return select(isSmall, Expr(Double.pi, z.type) * t * series, (Cresset.cos(turn(z)) - y) / safe)
    }

    /// The tensor itself.
    static let positive = Operator(
        "positive(Tensor(a) self) -> Tensor(a)", dtypes: .numeric, composition: [],
        samples: { g in
            let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]
            return shapes.map { Sample([.tensor(g.tensor($0))]) }
        },
        errors: { g in [ErrorSample([.tensor(g.tensor([2], dtype: .bool))], "is not defined for", "bool")] },
        call: { (a) throws(CressetError) in [.tensor(try positive(try a.tensor("self")))] })

    static func positive(_ x: Tensor) throws(CressetError) -> Tensor {
        try x.checkValid("aten::positive")
        guard x.dtype != .bool else {
            throw CressetError(.dtype, op: "aten::positive", "is not defined for \(x.summary)")
        }
        return x
    }

    static let rounding: [Operator] = [positive, RoundDecimals.declaration]
}

/// Rounding to so many places behind the point, before it if negative; ties to even.
enum RoundDecimals {
    private static func kernel(_ decimals: Int) -> Pointwise { decimals < 0 ? before : behind }

    // The power of ten is exact, its inverse is not: it is divided by in the one case or the other.
    private static let behind = Pointwise(
        "aten::round.decimals", .promote,
        // Constant almost everywhere; the symbolic one divides 0 by a power that may be infinite.
        derivative: { _, c in Expr(0, c.type) },
        schema: { x, s in [.tensor(x[0]), Value(places(s[0]))] }
    ) { c in Cresset.round(c.inputs[0] * c.scalars[0]) / c.scalars[0] }
    private static let before = Pointwise(
        "aten::round.decimals", .promote,
        // The same.
        derivative: { _, c in Expr(0, c.type) },
        schema: { x, s in [.tensor(x[0]), Value(-places(s[0]))] }
    ) { c in Cresset.round(c.inputs[0] / c.scalars[0]) * c.scalars[0] }

    private static func power(_ decimals: Int) -> Scalar {
        // (Beyond 400 places the power is infinite, as it is at 400.)
        .double((0..<Swift.min(decimals.magnitude, 400)).reduce(1.0) { x, _ in x * 10 })
    }

    private static func places(_ power: Scalar) -> Int {
        var (x, n) = (power.doubleValue, 0)
        while x > 5 && x.isFinite { (x, n) = (x / 10, n + 1) }
        return n
    }

    private static func check(_ x: Tensor) throws(CressetError) {
        try x.checkValid("aten::round.decimals")
        guard x.dtype.isFloatingPoint else {
            throw CressetError(
                .dtype, op: "aten::round.decimals", "is not defined for \(x.summary): it takes floating dtypes")
        }
    }

    static func round(_ x: Tensor, _ decimals: Int) throws(CressetError) -> Tensor {
        try check(x)
        return try kernel(decimals)(x, scalars: power(decimals))
    }

    static func inPlace(_ x: Tensor, _ decimals: Int) -> Tensor {
        trapping { () throws(CressetError) in
            try check(x)
            return x.inPlace("aten::round_.decimals", kernel(decimals), [], [power(decimals)])
        }
    }

    static let declaration = Operator(
        "round.decimals(Tensor self, *, int decimals) -> Tensor", dtypes: .floating, composition: ["pointwise"],
        isDifferentiable: false,
        samples: { g in
            let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]
            return [0, 2, -1].flatMap { decimals in
                shapes.map { Sample([.tensor(g.tensor($0, -40, 40)), Value(decimals)]) }
            }
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([2])), 1.5], "argument decimals must be an integer"),
                ErrorSample([.tensor(g.tensor([2], dtype: .int64)), 1], "is not defined for", "int64"),
            ]
        },
        call: { (a) throws(CressetError) in [.tensor(try round(try a.tensor("self"), try a.int("decimals")))] })
}

extension Tensor {
    /// The tensor itself (`torch.positive`).
    public func positive() -> Tensor { trapping { () throws(CressetError) in try Ops.positive(self) } }
    /// What is behind the point (`torch.frac`).
    public func frac() -> Tensor { trapping { () throws(CressetError) in try Ops.frac(self) } }
    /// Degrees in radians (`torch.deg2rad`).
    public func deg2rad() -> Tensor { trapping { () throws(CressetError) in try Ops.deg2rad(self) } }
    /// Radians in degrees (`torch.rad2deg`).
    public func rad2deg() -> Tensor { trapping { () throws(CressetError) in try Ops.rad2deg(self) } }
    /// sin(πx)/(πx), 1 at 0 (`torch.sinc`).
    public func sinc() -> Tensor { trapping { () throws(CressetError) in try Ops.sinc(self) } }
    /// To so many places behind the point, before it if negative; ties to even (`torch.round`).
    public func round(decimals: Int) -> Tensor {
        trapping { () throws(CressetError) in try RoundDecimals.round(self, decimals) }
    }
    /// The same as `round`, in place.
    @discardableResult public func round_(decimals: Int) -> Tensor { RoundDecimals.inPlace(self, decimals) }
}
