import BackendKit
import Glibc

/// The mathematical functions in extended precision: the C library's, and three that it lacks.
enum WideFunctions {
    static func call(_ function: Function, _ x: Wide, _ y: Wide) -> Wide {
        switch function {
        case .exp: exp(x)
        case .exp2: exp2(x)
        case .expm1: expm1(x)
        case .log: log(x)
        case .log2: log2(x)
        case .log10: log10(x)
        case .log1p: log1p(x)
        case .sin: sin(x)
        case .cos: cos(x)
        case .tan: tan(x)
        case .asin: asin(x)
        case .acos: acos(x)
        case .atan: atan(x)
        case .atan2: atan2(x, y)
        case .sinh: sinh(x)
        case .cosh: cosh(x)
        case .tanh: tanh(x)
        case .asinh: asinh(x)
        case .acosh: acosh(x)
        case .atanh: atanh(x)
        case .erf: erf(x)
        case .erfc: erfc(x)
        case .erfinv: inverseErf(x)
        case .lgamma: lgamma(x).0
        case .digamma: digamma(x)
        case .pow: pow(x, y)
        case .normal: normalQuantile(x)
        }
    }

    /// z with erf(z) = x.
    private static func inverseErf(_ x: Wide) -> Wide {
        if x == 0 || x.isNaN { return x }
        let z = inverseErf(of: x.magnitude, complement: 1 - x.magnitude)
        return x < 0 ? -z : z
    }

    /// z with Φ(z) = u: √2 · inverse erf of 2u - 1.
    private static func normalQuantile(_ u: Wide) -> Wide {
        if u.isNaN { return u }
        let tail = u < 0.5 ? 2 * u : 2 * (1 - u)
        let z = Wide(2).squareRoot() * inverseErf(of: 1 - tail, complement: tail)
        return u < 0.5 ? -z : z
    }

    /// z ≥ 0 with erf(z) = y and erfc(z) = q, where y + q = 1; both are given, for each is inaccurate
    /// where it is near 1. Winitzki's approximation, then Halley's method, which triples the digits.
    private static func inverseErf(of y: Wide, complement q: Wide) -> Wide {
        if !(y >= 0 && q >= 0) { return .nan }
        if y == 0 { return 0 }
        if q == 0 { return .infinity }
        let logarithm = y < 0.5 ? log1p(-y * y) : log(q) + log(2 - q)
        let t = 2 / (Wide.pi * 0.147) + logarithm / 2
        var z = max((t * t - logarithm / 0.147).squareRoot() - t, 0).squareRoot()
        let slope = { (z: Wide) in 2 / Wide.pi.squareRoot() * exp(-z * z) }
        for _ in 0..<5 {
            let step = (y < 0.5 ? erf(z) - y : q - erfc(z)) / slope(z)
            z -= step / (1 + z * step)
        }
        return z
    }

    /// ψ(x) = d/dx log Γ(x).
    private static func digamma(_ x: Wide) -> Wide {
        if x == 0 { return x.sign == .minus ? .infinity : -.infinity }
        if x == -.infinity || (x < 0 && x == x.rounded()) { return .nan }
        if x < 0 {
            // ψ(1 - x) - ψ(x) = π cot(πx), the cotangent of the part beyond the nearest integer.
            return digamma(1 - x) - Wide.pi / tan(Wide.pi * (x - x.rounded()))
        }
        // ψ(x) = ψ(x + 1) - 1/x, up to where the asymptotic series is accurate.
        var (x, sum) = (x, Wide(0))
        while x < 24 {
            sum -= 1 / x
            x += 1
        }
        // Σ B₂ₙ / (2n x²ⁿ)
        let coefficients: [Wide] = [
            1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160, 43867 / 14364,
        ]
        let square = 1 / (x * x)
        let series = coefficients.reversed().reduce(0) { ($0 + $1) * square }
        return sum + log(x) - 1 / (2 * x) - series
    }
}
