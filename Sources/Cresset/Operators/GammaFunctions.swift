import BackendKit

/// Hurwitz's zeta function and what is made of it.
extension Ops {
    /// Σ (q + k)^-s over k >= 0.
    static let zeta = Binary(
        "special_zeta", .promoteFloat, overloads: ("", "other_scalar"), firstOverload: "self_scalar",
        samples: (1.2...6, 0.2...9),
        // By q: ∂ζ(s, q) = -s·ζ(s + 1, q), of half the size of the symbolic one.
        derivative: { i, c in i == 1 ? -(c.grad * c.inputs[0] * Zeta.hurwitz(c.inputs[0] + 1, c.inputs[1])) : nil }
    ) { Zeta.hurwitz($0.typed($2.arithmetic), $1.typed($2.arithmetic)) }
}

enum Zeta {
    /// ζ(s, q): ∞ at s = 1 and where q is an integer not above 0; NaN for s < 1, and for q < 0 unless s is
    /// an integer. There, the terms on both sides of 0 make three functions of positive arguments.
    static func hurwitz(_ s: Expr, _ q: Expr) -> Expr {
        let type = q.type ?? .f32
        let negative = q .<= 0
        let whole = q .== floor(q)
        let part = q - floor(q)
        let one = Expr(1, type)
        let sum = positive(s, select(negative, select(whole, one, part), q))
        let mirrored = select(negative & !whole, one - part, one)
        let left = positive(s, mirrored) - positive(s, select(negative, one - q, one))
        let odd = s - 2 * floor(s * 0.5)
        let value = sum + select(negative, select(odd .== 0, left, -left), Expr(0, type))
        let infinite = (s .== 1) | (negative & whole)
        let undefined = (s .< 1) | (negative & !whole & (s .!= floor(s)))
        return select(
            s .< 1, Expr(.nan, type),
            select(infinite, Expr(.infinity, type), select(undefined, Expr(.nan, type), value)))
    }

    /// For q > 0: the first terms, and the rest by Euler's and Maclaurin's formula (DLMF 25.11.28).
    private static func positive(_ s: Expr, _ q: Expr) -> Expr {
        let type = q.type ?? .f32
        let (count, terms) = type == .f64 ? (10, 10) : (5, 4)
        let w = q + Expr(Double(count))
        // B₂ₖ/(2k)!
        let bernoulli: [(Double, Double)] = [
            (1, 12), (-1, 720), (1, 30240), (-1, 1_209_600), (1, 47_900_160), (-691, 1_307_674_368_000),
            (1, 74_724_249_600), (-3617, 10_670_622_842_880_000), (43867, 5_109_094_217_170_944_000),
            (-174611, 802_857_662_698_291_200_000),
        ]
        let power = pow(w, -s)
        let square = 1 / (w * w)
        var factor = s * power / w
        var rest = power * 0.5 + w * power / (s - 1)
        for k in 0..<terms {
            rest = rest + Expr(bernoulli[k].0 / bernoulli[k].1) * factor
            let n = Double(2 * k + 1)
            factor = factor * ((s + Expr(n)) * (s + Expr(n + 1))) * square
        }
        for k in stride(from: count - 1, through: 0, by: -1) { rest = rest + pow(q + Expr(Double(k)), -s) }
        return rest
    }

    // MARK: Derivatives of digamma

    /// ψ⁽ⁿ⁾(x) = (-1)ⁿ⁺¹·n!·ζ(n + 1, x); scalars: n + 1 and the factor before ζ.
    private static let kernel = Pointwise(
        "aten::polygamma", .promoteFloat,
        // The next polygamma; the symbolic one is twice as long, and has fewer digits.
        derivative: { _, c in -(c.grad * c.scalars[0] * c.scalars[1] * hurwitz(c.scalars[0] + 1, c.inputs[0])) },
        schema: { x, s in [.scalar(.int(s[0].intValue - 1)), .tensor(x[0])] }
    ) { c in c.scalars[1] * hurwitz(c.scalars[0], c.inputs[0]) }
    private static let digamma = Pointwise(
        "aten::polygamma", .promoteFloat, schema: { x, _ in [0, .tensor(x[0])] }
    ) { .call(.digamma, $0.inputs[0]) }

    private static func factor(_ n: Int) -> Double {
        // (From 171 on the factorial is infinite.)
        let factorial = (0..<Swift.min(n, 200)).reduce(1.0) { $0 * Double($1 + 1) }
        return n % 2 == 0 ? -factorial : factorial
    }

    static func polygamma(_ n: Int, _ x: Tensor) throws(CressetError) -> Tensor {
        try x.checkValid("aten::polygamma")
        guard n >= 0 else { throw CressetError(.argument, op: "aten::polygamma", "n must not be negative, got \(n)") }
        if n == 0 { return try digamma.run([x]) }
        return try kernel.run([x], [.double(Double(n) + 1), .double(factor(n))], promoting: [])
    }

    static func polygammaInPlace(_ n: Int, _ x: Tensor) -> Tensor {
        x.inPlace("aten::polygamma_") { (x) throws(CressetError) in try polygamma(n, x) }
    }

    private static let polygammaOp = Operator(
        "polygamma(int n, Tensor self) -> Tensor", dtypes: .real, composition: ["pointwise"],
        samples: { g in
            let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]
            return (0...3).flatMap { n in shapes.map { Sample([Value(n), .tensor(g.tensor($0, 0.4, 9))]) } }
        },
        errors: { g in [ErrorSample([-1, .tensor(g.tensor([2]))], "n must not be negative", "-1")] },
        call: { (a) throws(CressetError) in [.tensor(try polygamma(try a.int("n"), try a.tensor("self")))] })

    /// Σ ln Γ(x - j/2) over j < p, and p(p-1)/4·ln π.
    static let mvlgamma = Composed(
        "mvlgamma(Tensor self, int p) -> Tensor", .real, of: ["pointwise", "reduce"],
        samples: { g in
            let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]
            return [1, 3].flatMap { p in shapes.map { Sample([.tensor(g.tensor($0, 2.2, 9)), Value(p)]) } }
        },
        errors: { g in [ErrorSample([.tensor(g.tensor([2])), 0], "p must be at least 1", "0")] },
        type: { (a) throws(CressetError) in
            let x = try a.tensor("self")
            guard try a.int("p") >= 1 else { throw a.wrong("p must be at least 1, got \(try a.int("p"))") }
            return ResultType(x.shape, Promotion.float(x.dtype))
        },
        body: { (a) throws(CressetError) in
            let p = try a.int("p")
            let x = try a.tensor("self")
            let wide = try x.converted(to: Promotion.float(x.dtype))
            let halves = Tensor.arange(Scalar(p), device: x.device).to(wide.dtype) * -0.5
            let sum = try Reductions.sum(
                try Ops.lgamma(try Ops.add(wide.unsqueeze(-1), halves)), dims: [x.ndim], keepdim: false)
            return try Ops.add(sum, .double(Double(p * (p - 1)) / 4 * 1.14472988584940017414))
        })

    static let operators: [Operator] = [polygammaOp, mvlgamma.declaration]
}

extension Tensor {
    /// Hurwitz's zeta function of s = self and q = other (`torch.special.zeta`).
    public func zeta(_ other: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.zeta(self, other) } }
    /// The same as `zeta` of a tensor, with a number.
    public func zeta(_ other: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.zeta(self, other) } }
    /// The n-th derivative of digamma (`torch.polygamma`).
    public func polygamma(_ n: Int) -> Tensor { trapping { () throws(CressetError) in try Zeta.polygamma(n, self) } }
    /// The same as `polygamma`, in place.
    @discardableResult public func polygamma_(_ n: Int) -> Tensor { Zeta.polygammaInPlace(n, self) }
    /// The logarithm of the multivariate gamma function (`torch.mvlgamma`).
    public func mvlgamma(p: Int) -> Tensor {
        trapping { () throws(CressetError) in try Zeta.mvlgamma(.tensor(self), Value(p)) }
    }
    /// The same as `mvlgamma`, in place.
    @discardableResult public func mvlgamma_(p: Int) -> Tensor { inPlace("aten::mvlgamma_") { $0.mvlgamma(p: p) } }
}
