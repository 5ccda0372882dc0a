import BackendKit

/// Modified Bessel functions of orders 0 and 1.
///
/// I by two expansions of e^-|x|·I that meet at 8, K by one of K + ln(x/2)·I up to 2 and one of √x·eˣ·K
/// beyond (the pieces of Cephes; the coefficients are ours). Derivatives are the functions' equations
/// (DLMF 10.29), as a polynomial's derivative has fewer digits than the polynomial.
enum ModifiedBessel {
    /// e^-|x|·I₀(x)
    static func i0e(_ x: Expr) -> Expr {
        let a = abs(x)
        let (near, small, large) = pieces(a)
        return Fit.choose(near, (.i0Small, small), (.i0Large, large)) / select(near, Expr(1, x.type ?? .f32), sqrt(a))
    }

    /// e^-|x|·I₁(x)/|x|
    static func i1eRatio(_ x: Expr) -> Expr {
        let a = abs(x)
        let (near, small, large) = pieces(a)
        let value = Fit.choose(near, (.i1Small, small), (.i1Large, large))
        return value / select(near, Expr(1, x.type ?? .f32), sqrt(a) * a)
    }

    static func i1e(_ x: Expr) -> Expr { select(isInfinite(x), Expr(0, x.type ?? .f32), x * i1eRatio(x)) }

    private static func pieces(_ a: Expr) -> (near: Expr, small: Expr, large: Expr) {
        let near = a .<= 8
        return (near, minimum(a, 8) * 0.25 - 1, 16 / maximum(a, 8) - 1)
    }

    /// e^|x|·scaled in two halves: e^|x| alone leaves the dtype before the product does.
    private static func grown(_ x: Expr, _ scaled: Expr) -> Expr {
        let half = exp(abs(x) * 0.5)
        return scaled * half * half
    }

    static func i0(_ x: Expr) -> Expr {
        select(isInfinite(x), abs(x), grown(x, i0e(x)))
    }
    static func i1(_ x: Expr) -> Expr { select(isInfinite(x), x, grown(x, i1e(x))) }
    /// I₁(x)/x, ½ at 0.
    static func i1Ratio(_ x: Expr) -> Expr { grown(x, i1eRatio(x)) }

    private static func isInfinite(_ x: Expr) -> Expr { abs(x) .== Expr(.infinity, x.type ?? .f32) }

    /// eˣ·K₀(x), or K₀(x): ∞ at 0, NaN below.
    static func k0(_ x: Expr, scaled: Bool) -> Expr {
        let type = x.type ?? .f32
        let near = x .<= 2
        let low = select(near, x, Expr(2, type))
        let small = Fit.k0Small(low * low * 0.5 - 1) - log(low * 0.5) * i0(low)
        let high = maximum(x, 2)
        let large = Fit.k0Large(4 / high - 1) / sqrt(high)
        let value =
            scaled ? select(near, small * exp(low), large) : select(near, small, large * exp(-high))
        return ends(x, value)
    }

    /// eˣ·K₁(x), or K₁(x): ∞ at 0, NaN below.
    static func k1(_ x: Expr, scaled: Bool) -> Expr {
        let type = x.type ?? .f32
        let near = x .<= 2
        let low = select(near & (0 .< x), x, Expr(2, type))
        let small = Fit.k1Small(low * low * 0.5 - 1) / low + log(low * 0.5) * i1(low)
        let high = maximum(x, 2)
        let large = Fit.k1Large(4 / high - 1) / sqrt(high)
        let value =
            scaled ? select(near, small * exp(low), large) : select(near, small, large * exp(-high))
        return ends(x, value)
    }

    private static func ends(_ x: Expr, _ value: Expr) -> Expr {
        let type = x.type ?? .f32
        return select(x .== 0, Expr(.infinity, type), select(x .< 0, Expr(.nan, type), value))
    }

    /// An operation under both of PyTorch's names for it.
    private static func declared(
        _ name: String, argument: String = "self", samples: ClosedRange<Double> = -12...12,
        _ derivative: @escaping @Sendable (Expr) -> Expr,
        _ body: @escaping @Sendable (Expr) -> Expr
    ) -> Unary {
        Unary(
            name, .promoteFloat, argument: argument, samples: samples,
            // By the functions' equations: a polynomial's derivative has fewer digits.
            derivative: { $0.grad * derivative($0.inputs[0]) }, body: body)
    }
    private static func sign(_ x: Expr) -> Expr {
        let zero = Expr(0, x.type ?? .f32)
        return select(0 .< x, Expr(1, x.type ?? .f32), select(x .< 0, -1, zero))
    }

    static let i0Op = declared("i0", { i1($0) }) { i0($0) }
    static let i0eOp = declared("special_i0e", { i1e($0) - sign($0) * i0e($0) }) { i0e($0) }
    static let i1Op = declared("special_i1", { i0($0) - i1Ratio($0) }) { i1($0) }
    static let i1eOp = declared("special_i1e", { i0e($0) - sign($0) * i1e($0) - i1eRatio($0) }) { i1e($0) }
    static let k0Op = declared("special_modified_bessel_k0", samples: 0.1...9, { -k1($0, scaled: false) }) {
        k0($0, scaled: false)
    }
    static let k1Op = declared(
        "special_modified_bessel_k1", samples: 0.1...9, { -k0($0, scaled: false) - k1($0, scaled: false) / $0 }
    ) { k1($0, scaled: false) }
    static let k0eOp = declared(
        "special_scaled_modified_bessel_k0", argument: "x", samples: 0.1...9,
        { k0($0, scaled: true) - k1($0, scaled: true) }
    ) { k0($0, scaled: true) }
    static let k1eOp = declared(
        "special_scaled_modified_bessel_k1", argument: "x", samples: 0.1...9,
        { k1($0, scaled: true) - k0($0, scaled: true) - k1($0, scaled: true) / $0 }
    ) { k1($0, scaled: true) }

    static let operations: [Unary] = [i0Op, i0eOp, i1Op, i1eOp, k0Op, k1Op, k0eOp, k1eOp]
}

extension Tensor {
    /// The modified Bessel function of the first kind of order 0 (`torch.i0`).
    public func i0() -> Tensor { trapping { () throws(CressetError) in try ModifiedBessel.i0Op(self) } }
    /// The same as `i0`, in place.
    @discardableResult public func i0_() -> Tensor { inPlace(ModifiedBessel.i0Op) }
    /// e^-|x|·I₀(x) (`torch.special.i0e`).
    public func i0e() -> Tensor { trapping { () throws(CressetError) in try ModifiedBessel.i0eOp(self) } }
    /// The modified Bessel function of the first kind of order 1 (`torch.special.i1`).
    public func i1() -> Tensor { trapping { () throws(CressetError) in try ModifiedBessel.i1Op(self) } }
    /// e^-|x|·I₁(x) (`torch.special.i1e`).
    public func i1e() -> Tensor { trapping { () throws(CressetError) in try ModifiedBessel.i1eOp(self) } }
    /// I₀ (`torch.special.modified_bessel_i0`).
    public func modifiedBesselI0() -> Tensor { i0() }
    /// I₁ (`torch.special.modified_bessel_i1`).
    public func modifiedBesselI1() -> Tensor { i1() }
    /// The modified Bessel function of the second kind of order 0 (`torch.special.modified_bessel_k0`).
    public func modifiedBesselK0() -> Tensor { trapping { () throws(CressetError) in try ModifiedBessel.k0Op(self) } }
    /// The modified Bessel function of the second kind of order 1 (`torch.special.modified_bessel_k1`).
    public func modifiedBesselK1() -> Tensor { trapping { () throws(CressetError) in try ModifiedBessel.k1Op(self) } }
    /// eˣ·K₀(x) (`torch.special.scaled_modified_bessel_k0`).
    public func scaledModifiedBesselK0() -> Tensor {
        trapping { () throws(CressetError) in try ModifiedBessel.k0eOp(self) }
    }
    /// eˣ·K₁(x) (`torch.special.scaled_modified_bessel_k1`).
    public func scaledModifiedBesselK1() -> Tensor {
        trapping { () throws(CressetError) in try ModifiedBessel.k1eOp(self) }
    }
}
