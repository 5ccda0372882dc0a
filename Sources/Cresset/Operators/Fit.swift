import BackendKit

/// A polynomial over [-1, 1] that stands for a function there, as exact as each type can tell.
struct Fit: Sendable {
    let single: [Double]
    let double: [Double]

    private func coefficients(_ type: ArithmeticType?) -> [Double] { type == .f64 ? double : single }

    /// Horner's scheme.
    func callAsFunction(_ t: Expr) -> Expr {
        let c = coefficients(t.type)
        return c.dropLast().reversed().reduce(Expr(c[c.count - 1], t.type ?? .f32)) { $0 * t + Expr($1) }
    }

    /// The one polynomial or the other, by one scheme whose coefficients are chosen.
    static func choose(_ first: Expr, _ a: (Fit, Expr), _ b: (Fit, Expr)) -> Expr {
        let t = select(first, a.1, b.1)
        let type = t.type ?? .f32
        let (p, q) = (a.0.coefficients(type), b.0.coefficients(type))
        func coefficient(_ k: Int) -> Expr {
            select(first, Expr(k < p.count ? p[k] : 0, type), Expr(k < q.count ? q[k] : 0, type))
        }
        let top = Swift.max(p.count, q.count) - 1
        return stride(from: top - 1, through: 0, by: -1).reduce(coefficient(top)) { $0 * t + coefficient($1) }
    }
}

/// e^(x²·sign) with x² in two parts, of which the first is exact, so that no digit of a large one is lost.
func expOfSquare(_ x: Expr, sign: Double) -> Expr {
    let scale = 16.0
    let top = Cresset.round(x * Expr(scale)) * Expr(1 / scale)
    return exp(Expr(sign) * (top * top)) * exp(Expr(sign) * ((x - top) * (x + top)))
}
