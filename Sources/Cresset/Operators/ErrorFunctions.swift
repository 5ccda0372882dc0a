import BackendKit

/// The normal distribution and what belongs to it.
extension Ops {
    /// e^(x²)·erfc(x): (1 + 2x) times it varies little over x >= 0 (Shepherd and Laframboise 1981); below 0
    /// it is 2e^(x²) - erfcx(-x).
    static let erfcx = Unary(
        "special_erfcx", .promoteFloat, samples: -2...9,
        // By its equation, as a polynomial's derivative has fewer digits than the polynomial.
        derivative: { c in c.grad * (2 * c.inputs[0] * c.result - Expr(2 / Double.pi.squareRoot())) }
    ) { scaledErfc($0) }

    static func scaledErfc(_ x: Expr) -> Expr {
        let type = x.type ?? .f32
        let a = Cresset.abs(x)
        // (∞ - 3.75)/(∞ + 3.75) would be NaN, where 1e30 gives 1.
        let held = Cresset.minimum(a, 1e30)
        let right = Fit.erfcx((held - 3.75) / (held + 3.75)) / (1 + 2 * a)
        let low = Cresset.maximum(Cresset.minimum(x, 0), type == .f64 ? -27 : -10)
        return select(x .< 0, 2 * expOfSquare(low, sign: 1) - right, right)
    }

    /// The normal distribution function, erfc(-x/√2)/2.
    static let ndtr = Unary("special_ndtr", .promoteFloat) { 0.5 * .call(.erfc, $0 * Expr(-0.5.squareRoot())) }
    /// Its inverse.
    static let ndtri = Unary("special_ndtri", .promoteFloat, samples: 0.02...0.98) { .call(.normal, $0) }

    /// Its logarithm: below -1 through erfcx, which does not underflow.
    static let logNdtr = Unary(
        "special_log_ndtr", .promoteFloat, samples: -9...4,
        // φ/Φ through erfcx: the quotient of the symbolic one is 0/0 far below 0.
        derivative: { c in
            c.grad * Expr((2 / Double.pi).squareRoot()) / scaledErfc(c.inputs[0] * Expr(-0.5.squareRoot()))
        }
    ) { x in
        let t = x * Expr(0.5.squareRoot())
        let below = Cresset.log(0.5 * scaledErfc(-Cresset.minimum(t, 0))) - t * t
        return select(x .< -1, below, Cresset.log1p(-0.5 * .call(.erfc, t)))
    }

    /// -x·ln x; 0 at 0, -∞ below.
    static let entr = Unary(
        "special_entr", .promoteFloat, samples: 0.05...4,
        // Of the branches: the symbolic one has 0·∞ at 0.
        derivative: { c in c.grad * (-Cresset.log(c.inputs[0]) - 1) }
    ) { x in
        let type = x.type ?? .f32
        let inside = -x * Cresset.log(select(0 .< x, x, Expr(1, type)))
        return select(isNaN(x) | (0 .< x), inside, select(x .== 0, Expr(0, type), Expr(-Double.infinity, type)))
    }

    static let normalFunctions: [Unary] = [erfcx, ndtr, ndtri, logNdtr, entr]
}

extension Tensor {
    /// e^(x²)·erfc(x) (`torch.special.erfcx`).
    public func erfcx() -> Tensor { trapping { () throws(CressetError) in try Ops.erfcx(self) } }
    /// The normal distribution function (`torch.special.ndtr`).
    public func ndtr() -> Tensor { trapping { () throws(CressetError) in try Ops.ndtr(self) } }
    /// The inverse of the normal distribution function (`torch.special.ndtri`).
    public func ndtri() -> Tensor { trapping { () throws(CressetError) in try Ops.ndtri(self) } }
    /// The logarithm of the normal distribution function (`torch.special.log_ndtr`).
    public func logNdtr() -> Tensor { trapping { () throws(CressetError) in try Ops.logNdtr(self) } }
    /// -x·ln x (`torch.special.entr`).
    public func entr() -> Tensor { trapping { () throws(CressetError) in try Ops.entr(self) } }
}
