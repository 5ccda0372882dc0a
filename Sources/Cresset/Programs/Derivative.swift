import BackendKit

/// Reverse-mode differentiation of expressions.
///
/// Given the adjoint g of an expression f(x₀, x₁, …), gives the adjoints g·∂f/∂xᵢ as expressions
/// again, so they can be lowered, printed and differentiated like any other.
enum Derivative {
    /// g·∂root/∂xᵢ for every input i in `wanted`; nil where the derivative is zero everywhere.
    static func adjoints(of root: Expr, seed g: Expr, inputs wanted: [Int]) -> [Int: Expr] {
        adjoints(of: [(root, g)], inputs: wanted)
    }

    /// The same of several expressions at once, each with its adjoint: Σ gₖ·∂rootₖ/∂xᵢ.
    static func adjoints(of roots: [(root: Expr, seed: Expr)], inputs wanted: [Int]) -> [Int: Expr] {
        // Which subexpressions depend on a wanted input through something differentiable.
        var depends: [ObjectIdentifier: Bool] = [:]
        func reaches(_ x: Expr) -> Bool {
            let id = ObjectIdentifier(x.box)
            if let known = depends[id] { return known }
            let answer: Bool
            if case .input(let k, _) = x.node {
                answer = wanted.contains(k)
            } else {
                answer = (x.type?.isFloat ?? false) && x.operands.contains(where: reaches)
            }
            depends[id] = answer
            return answer
        }

        // Operands before what uses them; walked backwards below.
        var order: [Expr] = []
        var seen: Set<ObjectIdentifier> = []
        func visit(_ x: Expr) {
            guard reaches(x), seen.insert(ObjectIdentifier(x.box)).inserted else { return }
            x.operands.forEach(visit)
            order.append(x)
        }
        for (root, _) in roots { visit(root) }

        var adjoint: [ObjectIdentifier: Expr] = [:]
        for (root, g) in roots where reaches(root) {
            let id = ObjectIdentifier(root.box)
            adjoint[id] = adjoint[id].map { $0 + g } ?? g
        }
        var result: [Int: Expr] = [:]
        for x in order.reversed() {
            guard let g = adjoint[ObjectIdentifier(x.box)] else { continue }
            if case .input(let k, _) = x.node {
                result[k] = result[k].map { $0 + g } ?? g
                continue
            }
            for (operand, contribution) in rule(x, g) where reaches(operand) {
                let id = ObjectIdentifier(operand.box)
                adjoint[id] = adjoint[id].map { $0 + contribution } ?? contribution
            }
        }
        return result
    }

    /// For y = op(a, b, …) with adjoint g: what each operand's adjoint gains.
    private static func rule(_ y: Expr, _ g: Expr) -> [(Expr, Expr)] {
        switch y.node {
        case .unary(let opcode, let x):
            switch opcode {
            case .neg: return [(x, -g)]
            case .abs: return [(x, g * sign(x))]
            case .sqrt: return [(x, g / (2 * y))]
            // floor, ceil, trunc, round: zero almost everywhere, and PyTorch says zero.
            default: return [(x, zero(x))]
            }
        case .binary(let opcode, let a, let b):
            switch opcode {
            case .add: return [(a, g), (b, g)]
            case .sub: return [(a, g), (b, -g)]
            case .mul: return [(a, g * b), (b, g * a)]
            case .div: return [(a, g / b), (b, -(g * y / b))]
            // a % b = a - b·trunc(a / b)
            case .rem: return [(a, g), (b, -(g * trunc(a / b)))]
            // At a tie each gets half, as in PyTorch.
            case .max: return [(a, split(g, b .< a, a .== b)), (b, split(g, a .< b, a .== b))]
            case .min: return [(a, split(g, a .< b, a .== b)), (b, split(g, b .< a, a .== b))]
            default: return []
            }
        case .select(let c, let a, let b):
            return [(a, select(c, g, zero(a))), (b, select(c, zero(b), g))]
        case .cast(let x, _): return x.type.map { $0.isFloat ? [(x, g.cast(to: $0))] : [] } ?? []
        case .narrow(let x, _): return [(x, g)]
        case .call(let function, let x, let second): return callRule(function, x, second, y, g)
        default: return []
        }
    }

    private static func zero(_ x: Expr) -> Expr { Expr(0, x.type ?? .f64) }

    private static func sign(_ x: Expr) -> Expr {
        select(0 .< x, 1, select(x .< 0, -1, Expr(0, x.type ?? .f64)))
    }

    private static func split(_ g: Expr, _ wins: Expr, _ ties: Expr) -> Expr {
        select(wins, g, select(ties, g * 0.5, zero(g)))
    }

    /// dy/dx of the portable functions, with y itself used where that is cheaper or more exact.
    private static func callRule(
        _ function: Function, _ x: Expr, _ second: Expr?, _ y: Expr, _ g: Expr
    ) -> [(Expr, Expr)] {
        let ln2 = 0.693147180559945309417
        let ln10 = 2.30258509299404568402
        let twoOverSqrtPi = 1.12837916709551257390
        let sqrtTwoPi = 2.50662827463100050242
        switch function {
        case .exp: return [(x, g * y)]
        case .exp2: return [(x, g * y * Expr(ln2))]
        case .expm1: return [(x, g * (y + 1))]
        case .log: return [(x, g / x)]
        case .log2: return [(x, g / (x * Expr(ln2)))]
        case .log10: return [(x, g / (x * Expr(ln10)))]
        case .log1p: return [(x, g / (x + 1))]
        case .sin: return [(x, g * cos(x))]
        case .cos: return [(x, -(g * sin(x)))]
        case .tan: return [(x, g * (1 + y * y))]
        case .asin: return [(x, g / sqrt(1 - x * x))]
        case .acos: return [(x, -(g / sqrt(1 - x * x)))]
        case .atan: return [(x, g / (1 + x * x))]
        case .sinh: return [(x, g * .call(.cosh, x))]
        case .cosh: return [(x, g * .call(.sinh, x))]
        case .tanh: return [(x, g * (1 - y * y))]
        case .asinh: return [(x, g / sqrt(x * x + 1))]
        case .acosh: return [(x, g / (sqrt(x - 1) * sqrt(x + 1)))]
        case .atanh: return [(x, g / (1 - x * x))]
        case .erf: return [(x, g * Expr(twoOverSqrtPi) * exp(-(x * x)))]
        case .erfc: return [(x, -(g * Expr(twoOverSqrtPi) * exp(-(x * x))))]
        case .erfinv: return [(x, g * Expr(1 / twoOverSqrtPi) * exp(y * y))]
        case .lgamma: return [(x, g * .call(.digamma, x))]
        case .normal: return [(x, g * Expr(sqrtTwoPi) * exp(0.5 * y * y))]
        case .digamma: return [(x, g * trigamma(x))]
        case .pow:
            guard let b = second else { return [] }
            return [
                // b·xᵇ⁻¹, and 0 for b = 0 also where xᵇ⁻¹ is infinite.
                (x, select(b .== 0, zero(x), g * (b * pow(x, b - 1)))),
                // xᵇ·ln x, and 0 at x = 0 for b ≥ 0.
                (b, select((x .== 0) & (0 .<= b), zero(b), g * (y * log(x)))),
            ]
        case .atan2:
            guard let b = second else { return [] }
            // atan2(x, b): ∂x = b/(x²+b²), ∂b = -x/(x²+b²); 0 at the origin, as in PyTorch.
            let square = x * x + b * b
            let scale = select(square .== 0, zero(x), g / square)
            return [(x, scale * b), (b, -(scale * x))]
        }
    }

    /// ψ₁(x) by recurrence to x ≥ 10 and the asymptotic series (Abramowitz & Stegun 6.4.12), by
    /// reflection for x < 1/2: ψ₁(1-x) + ψ₁(x) = π²/sin²(πx) (6.4.7).
    private static func trigamma(_ x: Expr) -> Expr {
        let reflect = x .< 0.5
        var z = select(reflect, 1 - x, x)
        var sum = zero(x)
        for _ in 0..<10 {
            sum = sum + 1 / (z * z)
            z = z + 1
        }
        let w = 1 / (z * z)
        // Bernoulli's numbers from B₁₄ down to B₂.
        let bernoulli: [Double] = [7.0 / 6, -691.0 / 2730, 5.0 / 66, -1.0 / 30, 1.0 / 42, -1.0 / 30, 1.0 / 6]
        var tail = zero(x)
        for number in bernoulli { tail = tail * w + Expr(number) }
        let series = 1 / z + w * 0.5 + w / z * tail
        let value = sum + series
        // The sine of the part beyond the nearest integer.
        let s = sin(Expr(Double.pi) * (x - round(x)))
        return select(reflect, Expr(Double.pi * Double.pi) / (s * s) - value, value)
    }
}
