import BackendKit
import CBackend

/// The regularised incomplete gamma functions P(a, x) and Q(a, x) = 1 - P(a, x).
///
/// Below x = 1 by P's power series. From there on by an integral with a positive integrand, P's for x <= a
/// and Q's beyond:
///
///     P = xᵃe⁻ˣ/Γ(a)·∫ exp(-a·u - x·(e⁻ᵘ - 1)) du        Q = xᵃe⁻ˣ/Γ(a)·∫ (1 + u)ᵃ⁻¹·e^(-x·u) du
///
/// over u > 0 (DLMF 8.2 with t = x·e⁻ᵘ and t = x·(1 + u)). The integrand falls from 1, and its width w is
/// known from its first two derivatives, so that the double exponential rule with u = w·exp(t - e⁻ᵗ)
/// (Takahasi and Mori 1974) takes so few nodes for all arguments. They are summed some a launch.
enum IncompleteGamma {
    private struct Rule {
        var step: Double
        var start: Double
        var count: Int
    }
    // Relative errors found: 2e-7 and 3e-12 where the integrand is a bell, 1e-14 where it is exponential.
    private static let single = Rule(step: 0.25, start: -2.9, count: 27)
    private static let double = Rule(step: 0.14, start: -3.6, count: 54)
    /// Nodes of one launch: a divisor of both counts.
    private static let nodes = 9

    /// Inputs: a, x, the sum so far. Scalars: u/w and its weight by node.
    private static let integral = PointwiseGroup("aten::igamma", scalars: .f64) { inputs, scalars in
        let type = inputs[2].type ?? .f32
        let (a, x) = (inputs[0].cast(to: type), inputs[1].cast(to: type))
        let below = x .<= a
        let slope = abs(a - x) + select(below, Expr(0, type), 1)
        let width = 2 / (slope + sqrt(slope * slope + 4 * select(below, x, a)))
        var sum = inputs[2]
        for k in 0..<nodes {
            let u = width * scalars[2 * k].cast(to: type)
            let bend = select(below, expm1(-u), log1p(u))
            let fall = select(below, a, x) * u + select(below, x, 1 - a) * bend
            sum = sum + scalars[2 * k + 1].cast(to: type) * exp(-fall)
        }
        return [sum]
    }

    private static func result(_ name: String, upper: Bool) -> Pointwise {
        Pointwise(name, .promoteFloat, schema: nil) { c in
            let (a, x, sum) = (c.inputs[0], c.inputs[1], c.inputs[2])
            let type = c.type
            let below = x .<= a
            let slope = abs(a - x) + select(below, Expr(0, type), 1)
            let width = 2 / (slope + sqrt(slope * slope + 4 * select(below, x, a)))
            let part = density(a, x) * width * sum
            // Rounding must not lead out of [0, 1].
            let tail = minimum(part, 1)
            let large = select(upper ? !below : below, tail, 1 - tail)
            let small = series(a, x, upper: upper)
            return ends(a, x, select(x .< 1, small, large), upper: upper)
        }
    }
    private static let lower = result("aten::igamma", upper: false)
    private static let upper = result("aten::igammac", upper: true)

    /// xᵃe⁻ˣ/Γ(a). From a = 10 on with Stirling's series: √(a/2π)·exp(a·(ln(1 + μ) - μ) - …), μ = (x - a)/a,
    /// where xᵃ and Γ(a) would each have lost as many digits as a has.
    private static func density(_ a: Expr, _ x: Expr) -> Expr {
        let type = a.type ?? .f32
        let large = Expr(10, type) .<= a
        let c = select(large, a, Expr(10, type))
        let mu = (x - c) / c
        let inverse = 1 / c
        let z = inverse * inverse
        // Σ B₂ₖ/(2k(2k-1)) a^(1-2k), k = 7 … 1 (Abramowitz & Stegun 6.1.41)
        let coefficients: [Double] = [
            1.0 / 156, -691.0 / 360360, 1.0 / 1188, -1.0 / 1680, 1.0 / 1260, -1.0 / 360, 1.0 / 12,
        ]
        var stirling = Expr(0, type)
        for coefficient in coefficients { stirling = stirling * z + Expr(coefficient) }
        let bell = sqrt(c * Expr(0.5 / Double.pi)) * exp(c * (log1p(mu) - mu) - stirling * inverse)
        let small = select(large, Expr(1, type), a)
        let direct = exp(small * log(x) - x - .call(.lgamma, small))
        return select(large, bell, direct)
    }

    /// P = xᵃ/Γ(a + 1)·(1 + s) with s = Σ (-x)ᵏ·a/(k!·(a + k)); Q without the difference of near numbers.
    private static func series(_ a: Expr, _ x: Expr, upper: Bool) -> Expr {
        let type = a.type ?? .f32
        let y = select((0 .< x) & (x .< 1), x, Expr(0.5, type))
        var sum = Expr(0, type)
        for k in stride(from: type == .f64 ? 18 : 11, through: 1, by: -1) {
            let factorial = (1...k).reduce(1.0) { $0 * Double($1) }
            sum = sum * -y + a / (a + Expr(Double(k))) * Expr(1 / factorial)
        }
        sum = sum * -y
        let exponent = a * log(y) - .call(.lgamma, a + 1)
        let power = exp(exponent)
        return upper ? -expm1(exponent) - power * sum : power + power * sum
    }

    /// PyTorch's values at 0 and infinity; NaN for negative arguments.
    private static func ends(_ a: Expr, _ x: Expr, _ value: Expr, upper: Bool) -> Expr {
        let type = a.type ?? .f32
        let (none, all) = (Expr(upper ? 1 : 0, type), Expr(upper ? 0 : 1, type))
        let infinity = Expr(.infinity, type)
        let nan = Expr(.nan, type)
        let finite = select(a .== infinity, none, select(x .== infinity, all, value))
        let inside = select(a .== 0, all, select(x .== 0, none, finite))
        let undefined =
            !((0 .<= a) & (0 .<= x)) | ((a .== 0) & (x .== 0)) | ((a .== infinity) & (x .== infinity))
        return select(undefined, nan, inside)
    }

    private static let slope = Pointwise("aten::igamma.grad1", .promoteFloat) { c in
        let (g, a, x) = (c.inputs[0], c.inputs[1], c.inputs[2])
        return g * density(a, x) / x
    }

    static func function(_ a: Tensor, _ x: Tensor, upper isUpper: Bool) throws(CressetError) -> Tensor {
        let kernel = isUpper ? upper : lower
        let op = kernel.text
        for tensor in [a, x] { try tensor.checkValid(op) }
        let pair = try Tensor.onOneDevice([a, x], op: op)
        let dtype = Promotion.result(pair)
        guard dtype.isFloatingPoint else {
            throw CressetError(.dtype, op: op, "is not defined for \(dtype): \(a.summary), \(x.summary)")
        }
        let shape = try kernel.broadcastShape(pair)
        let result = try Override.resolve(
            kernel.name, on: pair[0], dtype, pair.map(Value.tensor), types: [ResultType(shape, dtype)]
        ) { () throws(CressetError) in [try composed(pair.map { $0.detach() }, shape, dtype, kernel)] }[0]
        return Tape.record(op, result, inputs: pair, saving: pair) { (gradients, saved) throws(CressetError) in
            if pair[0].isTracked {
                throw CressetError(
                    .autograd, op: op, "the derivative by the first argument is not implemented; detach() it")
            }
            return [
                nil,
                try gradients[0].map { (g) throws(CressetError) in
                    try slope(isUpper ? try Ops.neg(g) : g, saved[0], saved[1])
                },
            ]
        }
    }

    private static func composed(
        _ pair: [Tensor], _ shape: Shape, _ dtype: DType, _ kernel: Pointwise
    ) throws(CressetError) -> Tensor {
        let type = dtype.arithmetic.dtype
        let rule = type == .float64 ? double : single
        let sum = try Tensor.filled(shape, 0, dtype: type, on: pair[0].runtime, op: kernel.text)
        let wide = try pair.map { (x) throws(CressetError) in try x.converted(to: dtype).converted(to: type) }
        var first = 0
        while first < rule.count {
            let scalars = (first..<first + nodes).flatMap { k -> [Scalar] in
                let t = rule.start + rule.step * Double(k)
                let u = exponential(t - exponential(-t))
                return [.double(u), .double(u * (1 + exponential(-t)) * rule.step)]
            }
            try integral.run([wide[0], wide[1], sum], scalars, into: [sum])
            first += nodes
        }
        return try kernel.run([wide[0], wide[1], sum], [], types: (type, dtype))
    }

    /// eˣ on the host, by the portable function.
    private static func exponential(_ x: Double) -> Double {
        cresset_call_f64(Int32(Function.exp.rawValue), x, 0)
    }

    private static func declaration(_ name: String, upper: Bool) -> Operator {
        Operator(
            "\(name)(Tensor self, Tensor other) -> Tensor", dtypes: .floating, composition: ["pointwise"],
            isDifferentiable: false,
            samples: { g in
                let shapes: [(Shape, Shape)] = [
                    ([5, 7], [5, 7]), ([3, 1, 5], [4, 1]), ([], []), ([0, 4], [4]), ([2, 3, 4], [4]),
                ]
                return shapes.map { Sample([.tensor(g.tensor($0, 0.1, 9)), .tensor(g.tensor($1, 0.1, 12))]) }
                    + [Sample([.tensor(g.tensor([30], 10, 60)), .tensor(g.tensor([30], 5, 80))])]
            },
            errors: { g in
                let integers = Value.tensor(g.tensor([2], dtype: .int64))
                return [
                    ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([4]))], "do not broadcast"),
                    ErrorSample([integers, integers], "is not defined for", "int64"),
                ]
            },
            call: { (a) throws(CressetError) in
                [.tensor(try function(try a.tensor("self"), try a.tensor("other"), upper: upper))]
            })
    }

    static let operators: [Operator] = [declaration("igamma", upper: false), declaration("igammac", upper: true)]
}

extension Tensor {
    /// The lower regularised incomplete gamma function P(self, other) (`torch.special.gammainc`).
    public func igamma(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try IncompleteGamma.function(self, other, upper: false) }
    }
    /// The upper regularised incomplete gamma function Q(self, other) (`torch.special.gammaincc`).
    public func igammac(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try IncompleteGamma.function(self, other, upper: true) }
    }
    /// The same as `igamma`, in place.
    @discardableResult public func igamma_(_ other: Tensor) -> Tensor { inPlace("aten::igamma_") { $0.igamma(other) } }
    /// The same as `igammac`, in place.
    @discardableResult public func igammac_(_ other: Tensor) -> Tensor {
        inPlace("aten::igammac_") { $0.igammac(other) }
    }
}
