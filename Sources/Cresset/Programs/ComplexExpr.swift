import BackendKit

/// A complex scalar expression: a pair of real ones.
///
/// Reads like mathematics, as `Expr` does. Programs, devices and the oracle see the pair only; so does
/// differentiation, which gives ∂L/∂re + i·∂L/∂im, PyTorch's gradient of a complex number.
package struct ComplexExpr: Sendable {
    package var re: Expr
    package var im: Expr

    package init(_ re: Expr, _ im: Expr) {
        self.re = re
        self.im = im
    }

    /// A real number.
    package init(_ re: Expr) { self.init(re, Expr(0, re.type ?? .f64)) }

    var type: ArithmeticType { re.type ?? im.type ?? .f64 }

    package var conjugate: ComplexExpr { ComplexExpr(re, -im) }

    /// i·z
    package var timesI: ComplexExpr { ComplexExpr(-im, re) }

    /// -i·z
    package var timesMinusI: ComplexExpr { ComplexExpr(im, -re) }

    func cast(to type: ArithmeticType) -> ComplexExpr { ComplexExpr(re.cast(to: type), im.cast(to: type)) }

    /// True where either part is not 0; NaN is not.
    package var isNonzero: Expr { re.cast(to: .bool) | im.cast(to: .bool) }
}

// MARK: Arithmetic

extension ComplexExpr {
    package static func + (x: ComplexExpr, y: ComplexExpr) -> ComplexExpr { ComplexExpr(x.re + y.re, x.im + y.im) }
    package static func - (x: ComplexExpr, y: ComplexExpr) -> ComplexExpr { ComplexExpr(x.re - y.re, x.im - y.im) }
    package static prefix func - (x: ComplexExpr) -> ComplexExpr { ComplexExpr(-x.re, -x.im) }

    package static func * (x: ComplexExpr, y: ComplexExpr) -> ComplexExpr {
        ComplexExpr(x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re)
    }
    package static func * (x: ComplexExpr, y: Expr) -> ComplexExpr { ComplexExpr(x.re * y, x.im * y) }
    package static func * (x: Expr, y: ComplexExpr) -> ComplexExpr { ComplexExpr(x * y.re, x * y.im) }
    package static func / (x: ComplexExpr, y: Expr) -> ComplexExpr { ComplexExpr(x.re / y, x.im / y) }
    package static func + (x: Expr, y: ComplexExpr) -> ComplexExpr { ComplexExpr(x + y.re, y.im) }
    /// The imaginary part changes sign even where it is 0, so that branch cuts stay where they are (Kahan 1987).
    package static func - (x: Expr, y: ComplexExpr) -> ComplexExpr { ComplexExpr(x - y.re, -y.im) }
    package static func - (x: ComplexExpr, y: Expr) -> ComplexExpr { ComplexExpr(x.re - y, x.im) }

    /// By the ratio of the divisor's parts, so that no square overflows (Smith 1962); of the largest divisors
    /// by their halves, so that no sum does.
    package static func / (x: ComplexExpr, y: ComplexExpr) -> ComplexExpr {
        let most = Expr(y.type == .f64 ? 0x1p1022 : 0x1p126, y.type)
        let isHuge = (most .< abs(y.re)) | (most .< abs(y.im))
        let half = Cresset.select(isHuge, Expr(0.5, y.type), Expr(1, y.type))
        let (x, y) = (x * half, y * half)
        let (c, d) = (y.re, y.im)
        let isWide = abs(d) .<= abs(c)
        let isZero = (c .== 0) & (d .== 0)
        let (big, small) = (Cresset.select(isWide, c, d), Cresset.select(isWide, d, c))
        let ratio = Cresset.select(isZero, Expr(0, y.type), small / big)
        let denominator = big + small * ratio
        let (a, b) = (x.re, x.im)
        return ComplexExpr(
            Cresset.select(isWide, a + b * ratio, a * ratio + b) / Cresset.select(isZero, abs(c), denominator),
            Cresset.select(isWide, b - a * ratio, b * ratio - a) / Cresset.select(isZero, abs(c), denominator))
    }
}

package func select(_ condition: Expr, _ x: ComplexExpr, _ y: ComplexExpr) -> ComplexExpr {
    ComplexExpr(select(condition, x.re, y.re), select(condition, x.im, y.im))
}

extension Expr {
    /// True below 0 and for -0.
    fileprivate var isMinus: Expr { (self .< 0) | ((self .== 0) & (1 / self .< 0)) }
    /// |x| with the sign of `y`, which may be -0.
    fileprivate func withSign(of y: Expr) -> Expr {
        let size = abs(self)
        return select(y.isMinus, -size, size)
    }
    /// The product with a bounded number, which is 0 where that is 0: also beside an infinity.
    fileprivate func timesBounded(_ y: Expr) -> Expr {
        select(y .== 0, Expr(1, type ?? .f64).withSign(of: self) * y, self * y)
    }

    fileprivate var sinh: Expr { .call(.sinh, self) }
    fileprivate var cosh: Expr { .call(.cosh, self) }
    fileprivate var asinh: Expr { .call(.asinh, self) }
}

// MARK: Magnitude

extension ComplexExpr {
    /// A power of two by which both parts can be multiplied so that neither the square of the larger
    /// nor that of any smaller one that counts leaves the range; its inverse; the root of that.
    fileprivate var scale: (by: Expr, back: Expr, root: Expr) {
        // The exponents are even, so that the root is exact.
        let isWide = type == .f64
        let (high, low): (Double, Double) = isWide ? (0x1p500, 0x1p-400) : (0x1p60, 0x1p-40)
        let (down, up): (Double, Double) = isWide ? (0x1p-600, 0x1p700) : (0x1p-70, 0x1p100)
        let big = maximum(abs(re), abs(im))
        let (isHigh, isLow) = (big .> Expr(high), big .< Expr(low))
        func choose(_ high: Double, _ low: Double) -> Expr {
            Cresset.select(isHigh, Expr(high, type), Cresset.select(isLow, Expr(low, type), Expr(1, type)))
        }
        return (choose(down, up), choose(1 / down, 1 / up), choose(1 / down.squareRoot(), 1 / up.squareRoot()))
    }

    /// True where a part is infinite.
    package var isInfinite: Expr { (abs(re) .== Expr(.infinity, type)) | (abs(im) .== Expr(.infinity, type)) }

    /// |z|: infinite if a part is, even beside a NaN.
    package var magnitude: Expr {
        let (by, back, _) = scale
        let (x, y) = (re * by, im * by)
        return Cresset.select(isInfinite, Expr(.infinity, type), Cresset.sqrt(x * x + y * y) * back)
    }

    package var angle: Expr { .call(.atan2, im, re) }

    /// z/|z|, and 0 at 0.
    package var unit: ComplexExpr {
        let isZero = (re .== 0) & (im .== 0)
        // 1 in the place of 0: nothing becomes NaN, in the derivative either.
        let by = scale.by
        let (x, y) = (Cresset.select(isZero, Expr(1, type), re) * by, im * by)
        let size = Cresset.sqrt(x * x + y * y)
        return Cresset.select(
            isZero, ComplexExpr(Expr(0, type), Expr(0, type)), ComplexExpr(x / size, y / size))
    }
}

// MARK: Functions

package func exp(_ z: ComplexExpr) -> ComplexExpr {
    // Near the end of the range by halves: a part may be far smaller than the size.
    let isLarge = Expr(z.type == .f64 ? 700 : 80, z.type) .< z.re
    let size = exp(select(isLarge, z.re * 0.5, z.re))
    return turned(size, select(isLarge, size, Expr(1, z.type)), by: angle(z.im, ofSize: z.re))
}

/// 2^z
package func exp2(_ z: ComplexExpr) -> ComplexExpr {
    let turns = angle(z.im * Expr(0.693147180559945309417, z.type), ofSize: z.re)
    return turned(.call(.exp2, z.re), Expr(1, z.type), by: turns)
}

/// The angle of e^z, which does not matter where e^x is 0.
private func angle(_ y: Expr, ofSize x: Expr) -> Expr {
    let type = x.type ?? .f64
    return select(x .== Expr(-.infinity, type), Expr(0, type), y)
}

/// first·second·e^iy: 0 where sin y is, also beside an infinity.
private func turned(_ first: Expr, _ second: Expr, by y: Expr) -> ComplexExpr {
    let (c, s) = (cos(y), sin(y))
    return ComplexExpr(first * c * second, select(s .== 0, s, first * s * second))
}

/// z², by a difference of the parts rather than of their squares.
package func square(_ z: ComplexExpr) -> ComplexExpr {
    let product = z.re * z.im
    return ComplexExpr((z.re - z.im) * (z.re + z.im), product + product)
}

/// e^z - 1: its real part is expm1(x)·cos y - 2·sin²(y/2), without cancellation near 0.
package func expm1(_ z: ComplexExpr) -> ComplexExpr {
    let half = sin(z.im * 0.5)
    return ComplexExpr(expm1(z.re) * cos(z.im) - 2 * half * half, exp(z).im)
}

/// ln |z| + i·arg z, with log1p where |z| is near 1.
package func log(_ z: ComplexExpr) -> ComplexExpr {
    let (x, y) = (abs(z.re), abs(z.im))
    let (big, small) = (maximum(x, y), minimum(x, y))
    let isNear = (0.5 .< big) & (big .< 1.5)
    // |z|² - 1 = (big - 1)(big + 1) + small²
    let near = 0.5 * log1p(select(isNear, (big - 1) * (big + 1) + small * small, Expr(0, z.type)))
    let size = z.magnitude
    // |z| may leave the range where z does not: half of it never does.
    let isHuge = size .== Expr(.infinity, z.type)
    let halved = log((z * 0.5).magnitude) + 0.693147180559945309417
    return ComplexExpr(select(isNear, near, select(isHuge, halved, log(size))), z.angle)
}

/// ln(1 + z), exact near 0: |1 + z|² - 1 = x(2 + x) + y².
package func log1p(_ z: ComplexExpr) -> ComplexExpr {
    let whole = log(1 + z)
    let isSmall = (abs(z.re) .< 0.5) & (abs(z.im) .< 0.5)
    let near = 0.5 * log1p(select(isSmall, z.re * (2 + z.re) + z.im * z.im, Expr(0, z.type)))
    return ComplexExpr(select(isSmall, near, whole.re), whole.im)
}

/// The root with a real part not below 0; the cut is the negative axis, continuous with the sign of the
/// imaginary part's zero (Kahan 1987).
package func sqrt(_ z: ComplexExpr) -> ComplexExpr {
    let (by, _, back) = z.scale
    let (x, y) = (z.re * by, z.im * by)
    // √((|x| + |z|)/2), of numbers whose sum stays in range; 0 only for 0.
    let infinity = Expr(.infinity, z.type)
    let size = select(z.isInfinite, infinity, sqrt(x * x + y * y))
    let large = sqrt((abs(x) + size) * 0.5) * back
    let isZero = large .== 0
    let small = select(isZero, abs(z.im), abs(z.im) / (2 * select(isZero, Expr(1, z.type), large)))
    let isLeft = z.re .< 0
    let root = ComplexExpr(select(isLeft, small, large), select(isLeft, large, small).withSign(of: z.im))
    // An infinite imaginary part has an infinite root, whatever the real part is.
    return select(abs(z.im) .== infinity, ComplexExpr(infinity, z.im), root)
}

/// z^w = e^(w·ln z); 0^w is 0 for Re w > 0, 1 for w = 0 and else NaN.
package func pow(_ z: ComplexExpr, _ w: ComplexExpr) -> ComplexExpr {
    let isZero = (z.re .== 0) & (z.im .== 0)
    let safe = ComplexExpr(select(isZero, Expr(1, z.type), z.re), z.im)
    let isConstant = (w.re .== 0) & (w.im .== 0)
    let (zero, one, nan) = (Expr(0, z.type), Expr(1, z.type), Expr(.nan, z.type))
    let isFine = (0 .< w.re) | isConstant
    let atZero = ComplexExpr(select(isFine, select(isConstant, one, zero), nan), select(isFine, zero, nan))
    return select(isZero, atZero, exp(w * log(safe)))
}

/// ln(eᵃ + eᵇ) by the number with the larger real part.
package func logaddexp(_ a: ComplexExpr, _ b: ComplexExpr) -> ComplexExpr {
    let isFirst = b.re .<= a.re
    let (high, low) = (select(isFirst, a, b), select(isFirst, b, a))
    // Of equal infinities the angles alone decide, and below everything not even they.
    let isOpen = (a.re .== b.re) & (abs(a.re) .== Expr(.infinity, a.type))
    let sum = high + log1p(exp(select(isOpen, ComplexExpr(Expr(0, a.type)), low - high)))
    return select(isOpen, select(a.re .< 0, low, log(exp(low) + exp(high))), sum)
}

// MARK: Trigonometry

package func sinh(_ z: ComplexExpr) -> ComplexExpr {
    ComplexExpr(z.re.sinh * cos(z.im), z.re.cosh.timesBounded(sin(z.im)))
}
package func cosh(_ z: ComplexExpr) -> ComplexExpr {
    ComplexExpr(z.re.cosh * cos(z.im), z.re.sinh.timesBounded(sin(z.im)))
}
package func sin(_ z: ComplexExpr) -> ComplexExpr { sinh(z.timesI).timesMinusI }
package func cos(_ z: ComplexExpr) -> ComplexExpr { cosh(z.timesI) }

/// (sinh x·cosh x + i·sin y·cos y) / (sinh² x + cos² y), and ±1 + 4i·sin y·cos y·e^(-2|x|) for large |x|.
package func tanh(_ z: ComplexExpr) -> ComplexExpr {
    let limit = z.type == .f64 ? 20.0 : 10.0
    let isLarge = abs(z.re) .> Expr(limit)
    let x = select(isLarge, Expr(0, z.type), z.re)
    let (s, c) = (sin(z.im), cos(z.im))
    let denominator = x.sinh * x.sinh + c * c
    let product = s * c
    return select(
        isLarge, ComplexExpr(Expr(1, z.type).withSign(of: z.re), 4 * product * exp(-2 * abs(z.re))),
        ComplexExpr(x.sinh * x.cosh / denominator, product / denominator))
}
package func tan(_ z: ComplexExpr) -> ComplexExpr { tanh(z.timesI).timesMinusI }

// The inverse functions: W. Kahan, "Branch cuts for complex elementary functions", 1987.

package func asin(_ z: ComplexExpr) -> ComplexExpr {
    let (down, up) = (sqrt(1 - z), sqrt(1 + z))
    return ComplexExpr(.call(.atan2, z.re, (down * up).re), (down.conjugate * up).im.asinh)
}
package func acos(_ z: ComplexExpr) -> ComplexExpr {
    let (down, up) = (sqrt(1 - z), sqrt(1 + z))
    return ComplexExpr(2 * .call(.atan2, down.re, up.re), (up.conjugate * down).im.asinh)
}
package func asinh(_ z: ComplexExpr) -> ComplexExpr { asin(z.timesI).timesMinusI }
package func acosh(_ z: ComplexExpr) -> ComplexExpr {
    let (down, up) = (sqrt(z - 1), sqrt(1 + z))
    return ComplexExpr((down.conjugate * up).re.asinh, 2 * .call(.atan2, down.im, up.re))
}

/// ¼·log1p(4x/((1-x)² + y²)) + ½i·atan2(2y, (1-x)(1+x) - y²), and 1/z ± iπ/2 for large |z|.
package func atanh(_ z: ComplexExpr) -> ComplexExpr {
    let limit = z.type == .f64 ? 0x1p54 : 0x1p26
    let isLarge = (abs(z.re) .> Expr(limit)) | (abs(z.im) .> Expr(limit))
    let zero = Expr(0, z.type)
    let (x, y) = (select(isLarge, zero, z.re), select(isLarge, zero, z.im))
    let inverse = ComplexExpr(Expr(1, z.type)) / z
    let distance = (1 - abs(x)) * (1 - abs(x)) + y * y
    // At the poles the square of the distance leaves the range before the distance does.
    let isNear = distance .< Expr(z.type == .f64 ? 0x1p-200 : 0x1p-80, z.type)
    let near = 0.5 * (0.693147180559945309417 - log(ComplexExpr(1 - abs(x), y).magnitude))
    let quarter = select(
        isNear, near, 0.25 * log1p(4 * abs(x) / select(isNear, Expr(1, z.type), distance)))
    let half = 0.5 * .call(.atan2, 2 * y, (1 - x) * (1 + x) - y * y)
    return ComplexExpr(
        select(isLarge, inverse.re, quarter.withSign(of: z.re)),
        select(isLarge, Expr(Double.pi / 2, z.type).withSign(of: z.im), half))
}
package func atan(_ z: ComplexExpr) -> ComplexExpr { atanh(z.timesI).timesMinusI }

/// 1/(1 + e^-z), by the exponential that cannot overflow.
package func sigmoid(_ z: ComplexExpr) -> ComplexExpr {
    let isLeft = z.re .< 0
    let small = exp(select(isLeft, z, -z))
    let one = ComplexExpr(Expr(1, z.type))
    return select(isLeft, small, one) / (one + small)
}
