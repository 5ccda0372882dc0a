import BackendKit

/// Bessel functions of orders 0 and 1, the spherical one and Airy's.
///
/// Up to 8 by expansions of what is left when the logarithm is taken off, beyond by modulus and phase,
/// (P cos χ - Q sin χ)·√(2/πx) with χ = x - π/4 or x - 3π/4 (DLMF 10.17), whose sine and cosine are sums of
/// those of x itself, so that no digit of a large x is lost.
enum Bessel {
    /// x in its two ranges, each held where it is not meant.
    private struct Ranges {
        let near: Expr
        /// At most 8, and its t of the expansions.
        let low: Expr
        let t: Expr
        /// 8 at least, its t, and 1/√(πx)·(sin + cos), 1/√(πx)·(sin - cos).
        let high: Expr
        let phase: Expr
        let sum: Expr
        let difference: Expr

        init(_ x: Expr) {
            let type = x.type ?? .f32
            near = x .<= 8
            low = select(near, x, Expr(8, type))
            t = low * low * Expr(1.0 / 32) - 1
            // (The sine of infinity is NaN; the functions are 0 there.)
            high = select(near, Expr(8, type), minimum(x, type == .f64 ? 1e300 : 1e30))
            phase = 128 / (high * high) - 1
            let scale = 1 / (sqrt(high) * Expr(Double.pi.squareRoot()))
            let (s, c) = (sin(high), cos(high))
            sum = scale * (s + c)
            difference = scale * (s - c)
        }

        var p0: Expr { Fit.p0(phase) }
        var q0: Expr { Fit.q0(phase) / high }
        var p1: Expr { Fit.p1(phase) }
        var q1: Expr { Fit.q1(phase) / high }
    }

    private static func atInfinity(_ x: Expr, _ value: Expr) -> Expr {
        select(x .== Expr(.infinity, x.type ?? .f32), Expr(0, x.type ?? .f32), value)
    }

    static func j0(_ x: Expr) -> Expr {
        let a = abs(x)
        let r = Ranges(a)
        return atInfinity(a, select(r.near, Fit.j0Small(r.t), r.p0 * r.sum - r.q0 * r.difference))
    }

    /// J₁(x)/x, ½ at 0.
    static func j1Ratio(_ x: Expr) -> Expr {
        let a = abs(x)
        let r = Ranges(a)
        return select(r.near, Fit.j1Small(r.t), (r.p1 * r.difference + r.q1 * r.sum) / a)
    }

    static func j1(_ x: Expr) -> Expr { atInfinity(abs(x), x * j1Ratio(x)) }

    static func y0(_ x: Expr) -> Expr {
        let r = Ranges(x)
        let small = Expr(2 / Double.pi) * log(r.low * 0.5) * Fit.j0Small(r.t) + Fit.y0Small(r.t)
        return ends(x, atInfinity(x, select(r.near, small, r.p0 * r.difference + r.q0 * r.sum)))
    }

    static func y1(_ x: Expr) -> Expr {
        let r = Ranges(x)
        let inside = select(0 .< r.low, r.low, Expr(1, x.type ?? .f32))
        let first = Expr(2 / Double.pi) * (log(inside * 0.5) * (inside * Fit.j1Small(r.t)) - 1 / inside)
        let small = first + inside * Fit.y1Small(r.t)
        return ends(x, atInfinity(x, select(r.near, small, r.q1 * r.difference - r.p1 * r.sum)))
    }

    /// -∞ at 0, NaN below.
    private static func ends(_ x: Expr, _ value: Expr) -> Expr {
        let type = x.type ?? .f32
        return select(x .== 0, Expr(-Double.infinity, type), select(x .< 0, Expr(.nan, type), value))
    }

    /// sin x / x; below 1 by its series, so that the derivative does not cancel.
    static func sphericalJ0(_ x: Expr) -> Expr {
        let type = x.type ?? .f32
        let small = abs(x) .< 1
        let z = select(small, x * x, Expr(0, type))
        var series = Expr(0, type)
        // Σ (-z)ᵏ/(2k+1)!, k = 9 … 0
        for k in stride(from: 9, through: 0, by: -1) {
            let factorial = (1...(2 * k + 1)).reduce(1.0) { $0 * Double($1) }
            series = series * z + Expr((k % 2 == 0 ? 1 : -1) / factorial)
        }
        let safe = select(small, Expr(1, type), x)
        return select(abs(x) .== Expr(.infinity, type), Expr(0, type), select(small, series, sin(safe) / safe))
    }

    /// Airy's function: its expansion from -4.5 to 2, modulus and phase below, e^-ζ·x^(-1/4) times one beyond,
    /// ζ = ⅔|x|^(3/2) (DLMF 9.7).
    static func airyAi(_ x: Expr) -> Expr {
        let type = x.type ?? .f32
        let (left, right) = (x .< -4.5, Expr(2, type) .< x)
        let middle = select(left | right, Expr(0, type), x)
        let size = select(left | right, abs(x), Expr(4.5, type))
        let root = sqrt(size)
        let zeta = Expr(2.0 / 3) * size * root
        let quarter = sqrt(root)
        let start = 2.0 / 3 * 4.5 * 4.5.squareRoot()
        let ratio = Expr(start) / select(left, zeta, Expr(start, type))
        let t = 2 * ratio * ratio - 1
        let (s, c) = (sin(zeta), cos(zeta))
        let phase =
            (Fit.airyCosine(t) * (c + s) + Fit.airySine(t) / zeta * (s - c)) * Expr(1 / (2 * Double.pi).squareRoot())
        let other = 2.0 / 3 * 2 * 2.0.squareRoot()
        let decay = exp(-zeta) * Expr(0.5 / Double.pi.squareRoot())
        let beyond = decay * Fit.airyRight(Expr(2 * other) / select(right, zeta, Expr(other, type)) - 1)
        let far = select(left, phase, beyond) / quarter
        return select(
            left | right, atInfinity(abs(x), far), Fit.airyMiddle((middle + 1.25) * Expr(1 / 3.25)))
    }

    private static func declared(
        _ name: String, samples: ClosedRange<Double>, _ derivative: (@Sendable (Expr) -> Expr)? = nil,
        _ body: @escaping @Sendable (Expr) -> Expr
    ) -> Unary {
        // By the functions' equations (DLMF 10.6): a polynomial's derivative has fewer digits.
        var explicit: (@Sendable (Pointwise.Context) -> Expr)?
        if let derivative { explicit = { $0.grad * derivative($0.inputs[0]) } }
        return Unary(name, .promoteFloat, samples: samples, derivative: explicit, body: body)
    }

    static let j0Op = declared("special_bessel_j0", samples: -20...20, { -j1($0) }) { j0($0) }
    static let j1Op = declared("special_bessel_j1", samples: -20...20, { j0($0) - j1Ratio($0) }) { j1($0) }
    static let y0Op = declared("special_bessel_y0", samples: 0.2...20, { -y1($0) }) { y0($0) }
    static let y1Op = declared("special_bessel_y1", samples: 0.2...20, { y0($0) - y1($0) / $0 }) { y1($0) }
    static let sphericalJ0Op = Unary(
        "special_spherical_bessel_j0", .promoteFloat, argument: "x", samples: -9...9, body: { sphericalJ0($0) })
    static let airyAiOp = Unary("special_airy_ai", .promoteFloat, argument: "x", samples: -9...6, body: { airyAi($0) })

    static let operations: [Unary] = [j0Op, j1Op, y0Op, y1Op, sphericalJ0Op, airyAiOp]
}

extension Tensor {
    /// The Bessel function of the first kind of order 0 (`torch.special.bessel_j0`).
    public func besselJ0() -> Tensor { trapping { () throws(CressetError) in try Bessel.j0Op(self) } }
    /// The Bessel function of the first kind of order 1 (`torch.special.bessel_j1`).
    public func besselJ1() -> Tensor { trapping { () throws(CressetError) in try Bessel.j1Op(self) } }
    /// The Bessel function of the second kind of order 0 (`torch.special.bessel_y0`).
    public func besselY0() -> Tensor { trapping { () throws(CressetError) in try Bessel.y0Op(self) } }
    /// The Bessel function of the second kind of order 1 (`torch.special.bessel_y1`).
    public func besselY1() -> Tensor { trapping { () throws(CressetError) in try Bessel.y1Op(self) } }
    /// sin x / x (`torch.special.spherical_bessel_j0`).
    public func sphericalBesselJ0() -> Tensor { trapping { () throws(CressetError) in try Bessel.sphericalJ0Op(self) } }
    /// Airy's function Ai (`torch.special.airy_ai`).
    public func airyAi() -> Tensor { trapping { () throws(CressetError) in try Bessel.airyAiOp(self) } }
}
