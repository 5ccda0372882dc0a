import BackendKit

/// Arithmetic, comparison and logic of two tensors.
extension Ops {
    static let add = Binary("add", .promote, scaled: addScaled, complex: .parts) { a, b, t in t == .bool ? a | b : a + b
    }
    static let sub = Binary("sub", .promote, .number, strict: true, scaled: subScaled, complex: .parts) { a, b, _ in
        a - b
    }
    static let mul = Binary("mul", .promote, complex: .value(*)) { a, b, t in t == .bool ? a & b : a * b }
    static let div = Binary(
        "div", .promoteFloat, samples: (-4...4, 0.5...4),
        complex: .value(slope: { i, _, b, y in (i == 0 ? ComplexExpr(Expr(1, b.type)) : -y) / b }, /)
    ) { a, b, _ in a / b }

    /// The largest integer not above a/b.
    static let floorDivide = Binary(
        "floor_divide", .promote, .number, overloads: ("", "Scalar"), samples: (-9...9, 1...4), differentiable: false
    ) { a, b, _ in floorQuotient(a, b) }

    /// a - b·floor(a/b): the sign of the divisor.
    static let remainder = Binary(
        "remainder", .promote, .number, firstOverload: "Scalar_Tensor", samples: (-9...9, 1...4)
    ) { a, b, _ in
        let mod = a % b
        let zero = Expr(0, a.type ?? b.type ?? .f32)
        return select((mod .!= zero) & ((mod .< zero) ^ (b .< zero)), mod + b, mod)
    }

    /// C's remainder: the sign of the dividend.
    static let fmod = Binary("fmod", .promote, .number, samples: (-9...9, 1...4)) { a, b, _ in a % b }

    static let pow = Binary(
        "pow", .promote, .number, overloads: ("Tensor_Tensor", "Tensor_Scalar"), firstOverload: "Scalar",
        second: "exponent", samples: (0.2...3, 0...3),
        complex: .value(slope: powerSlope) { Cresset.pow($0, $1) }
    ) { a, b, t in t.isFloatingPoint ? Cresset.pow(a, b) : integerPower(a, b) }

    static let maximum = Binary("maximum", .promote, overloads: ("", nil)) { a, b, t in
        t == .bool ? a | b : Cresset.maximum(a, b)
    }
    static let minimum = Binary("minimum", .promote, overloads: ("", nil)) { a, b, t in
        t == .bool ? a & b : Cresset.minimum(a, b)
    }
    static let atan2 = Binary("atan2", .promoteFloat, overloads: ("", nil)) { a, b, _ in .call(.atan2, a, b) }

    static let eq = Binary(
        "eq", .compare, samples: (0...3, 0...3), complex: .real { ($0.re .== $1.re) & ($0.im .== $1.im) }
    ) { a, b, _ in a .== b }
    static let ne = Binary(
        "ne", .compare, samples: (0...3, 0...3), complex: .real { ($0.re .!= $1.re) | ($0.im .!= $1.im) }
    ) { a, b, _ in a .!= b }
    static let lt = Binary("lt", .compare) { a, b, _ in a .< b }
    static let le = Binary("le", .compare) { a, b, _ in a .<= b }
    static let gt = Binary("gt", .compare) { a, b, _ in a .> b }
    static let ge = Binary("ge", .compare) { a, b, _ in a .>= b }

    static let logicalAnd = Binary(
        "logical_and", .compare, overloads: ("", nil), complex: .real { $0.isNonzero & $1.isNonzero }
    ) { a, b, _ in
        a.cast(to: .bool) & b.cast(to: .bool)
    }
    static let logicalOr = Binary(
        "logical_or", .compare, overloads: ("", nil), complex: .real { $0.isNonzero | $1.isNonzero }
    ) { a, b, _ in
        a.cast(to: .bool) | b.cast(to: .bool)
    }
    static let logicalXor = Binary(
        "logical_xor", .compare, overloads: ("", nil), complex: .real { $0.isNonzero ^ $1.isNonzero }
    ) { a, b, _ in
        a.cast(to: .bool) ^ b.cast(to: .bool)
    }
    static let bitwiseAnd = Binary(
        "bitwise_and", .promote, bits, firstOverload: "Scalar_Tensor", samples: (-9...9, 0...9), differentiable: false
    ) { a, b, _ in a & b }
    static let bitwiseOr = Binary(
        "bitwise_or", .promote, bits, firstOverload: "Scalar_Tensor", samples: (-9...9, 0...9), differentiable: false
    ) { a, b, _ in a | b }
    static let bitwiseXor = Binary(
        "bitwise_xor", .promote, bits, firstOverload: "Scalar_Tensor", samples: (-9...9, 0...9), differentiable: false
    ) { a, b, _ in a ^ b }

    static let binary: [Binary] = [
        add, sub, mul, div, floorDivide, remainder, fmod, pow, maximum, minimum, atan2, eq, ne, lt, le, gt, ge,
        logicalAnd, logicalOr, logicalXor, bitwiseAnd, bitwiseOr, bitwiseXor, rsub, fmax, fmin, heaviside, copysign,
        nextafter, gcd, lcm, leftShift, rightShift, logaddexp, logaddexp2, xlogy, xlog1py, hypot, zeta,
    ]

    static let bits = Set<DType>.integer.union(Set<DType>.boolean)

    /// b·aᵇ⁻¹, which is 0 for b = 0; aᵇ·ln a, which is 0 at a = 0 where aᵇ is 0 or 1.
    private static let powerSlope: ComplexBinary.Slope = { i, a, b, y in
        let zero = ComplexExpr(Expr(0, a.type))
        if i == 0 { return select((b.re .== 0) & (b.im .== 0), zero, b * Cresset.pow(a, b - Expr(1, b.type))) }
        return select((a.re .== 0) & (a.im .== 0) & (0 .<= b.re), zero, y * Cresset.log(a))
    }

    /// Division rounded down.
    static func floorQuotient(_ a: Expr, _ b: Expr) -> Expr {
        if a.isFloat {
            // floor((a - a mod b) / b): exact where a/b rounds up to an integer.
            let mod = a % b
            let quotient = (a - mod) / b
            let adjusted = select((mod .!= 0) & ((mod .< 0) ^ (b .< 0)), quotient - 1, quotient)
            let nearest = Cresset.floor(adjusted)
            let rounded = select(Expr(0.5) .< adjusted - nearest, nearest + 1, nearest)
            return select(b .== 0, a / b, rounded)
        }
        let type = a.type ?? b.type ?? .i64
        let (zero, one) = (Expr(0, type), Expr(1, type))
        let quotient = a / b
        let inexact = (a % b) .!= zero
        return select(inexact & ((a .< zero) ^ (b .< zero)), quotient - one, quotient)
    }

    /// aᵇ by squaring, wrapping; a negative exponent gives 0 except for bases 1 and -1.
    private static func integerPower(_ a: Expr, _ b: Expr) -> Expr {
        let type = a.type ?? b.type ?? .i64
        let (zero, one, two) = (Expr(0, type), Expr(1, type), Expr(2, type))
        var result = one
        var base = a.typed(type)
        var rest = b.typed(type)
        // Exponents of 64 and more only matter for bases 0, ±1 and, modulo 2ʷ, odd ones: all bits count.
        for _ in 0..<(type == .i32 ? 31 : 63) {
            result = select((rest & one) .== one, result * base, result)
            base = base * base
            rest = .binary(.shr, rest, one)
        }
        let even = (b & one) .== zero
        let negative = select(a .== one, one, select(a .== -one, select(even, one, -one), zero))
        _ = two
        return select(b .< zero, negative, result)
    }
}

extension Ops {
    /// a + alpha·b, for alpha other than 1.
    static let addScaled = Pointwise(
        "aten::add.Tensor", .promote, complex: .value { $0.inputs[0] + $0.scalars[0] * $0.inputs[1] }
    ) { $0.inputs[0] + $0.scalars[0] * $0.inputs[1] }
    static let subScaled = Pointwise(
        "aten::sub.Tensor", .promote, complex: .value { $0.inputs[0] - $0.scalars[0] * $0.inputs[1] }
    ) { $0.inputs[0] - $0.scalars[0] * $0.inputs[1] }
}

extension Tensor {
    /// self + alpha·other
    public func add(_ other: Tensor, alpha: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in
            alpha.isOne ? try Ops.add(self, other) : try Ops.addScaled.run([self, other], [alpha], promoting: [])
        }
    }
    /// self - alpha·other
    public func sub(_ other: Tensor, alpha: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in
            if alpha.isOne { return try Ops.sub(self, other) }
            try Ops.sub.check(self, other)
            return try Ops.subScaled.run([self, other], [alpha], promoting: [])
        }
    }
    /// The same as `add` of a tensor, with a number.
    public func add(_ other: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.add(self, other) } }
    /// The same as `sub` of a tensor, with a number.
    public func sub(_ other: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.sub(self, other) } }
    /// Each element times that of another tensor; of bool "and".
    public func mul(_ other: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.mul(self, other) } }
    /// The same as `mul` of a tensor, with a number.
    public func mul(_ other: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.mul(self, other) } }
    /// True division: integers give float32.
    public func div(_ other: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.div(self, other) } }
    /// The same as `div` of a tensor, with a number.
    public func div(_ other: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.div(self, other) } }
    /// Division rounded down. An integer divided by 0 gives 0.
    public func floorDivide(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.floorDivide(self, other) }
    }
    /// The same as `floorDivide` of a tensor, with a number.
    public func floorDivide(_ other: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.floorDivide(self, other) }
    }
    /// The remainder with the sign of the divisor, as Python's %.
    public func remainder(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.remainder(self, other) }
    }
    /// The same as `remainder` of a tensor, with a number.
    public func remainder(_ other: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.remainder(self, other) }
    }
    /// The remainder with the sign of the dividend, as C's fmod.
    public func fmod(_ other: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.fmod(self, other) } }
    /// The same as `fmod` of a tensor, with a number.
    public func fmod(_ other: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.fmod(self, other) } }
    /// Each element to the power of that of another tensor.
    public func pow(_ exponent: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.pow(self, exponent) }
    }
    /// xᵇ; the exponents 2, 3, 0.5, -0.5, -1 and -2 by products and roots.
    public func pow(_ exponent: Scalar) -> Tensor {
        trapping { () throws(CressetError) in
            guard dtype.hasGradient, exponent.imaginaryValue == 0 else { return try Ops.pow(self, exponent) }
            switch exponent.doubleValue {
            case 2: return try Ops.square(self)
            case 3: return try Ops.mul(try Ops.square(self), self)
            case 0.5: return try Ops.sqrt(self)
            case -0.5: return try Ops.rsqrt(self)
            case -1: return try Ops.reciprocal(self)
            case -2: return try Ops.reciprocal(try Ops.square(self))
            default: return try Ops.pow(self, exponent)
            }
        }
    }
    /// The larger of two; NaN if either is.
    public func maximum(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.maximum(self, other) }
    }
    /// The smaller of two; NaN if either is.
    public func minimum(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.minimum(self, other) }
    }
    /// The angle of the point (other, self), between -π and π.
    public func atan2(_ other: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.atan2(self, other) } }
    /// True where both are not 0.
    public func logicalAnd(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.logicalAnd(self, other) }
    }
    /// True where either is not 0.
    public func logicalOr(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.logicalOr(self, other) }
    }
    /// True where one is 0 and the other is not.
    public func logicalXor(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.logicalXor(self, other) }
    }
}

// MARK: Operators

extension Tensor {
    /// The same as `add`.
    public static func + (x: Tensor, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.add(x, y) } }
    /// The same as `add`; one of the two is a number.
    public static func + (x: Tensor, y: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.add(x, y) } }
    /// The same as `add`; one of the two is a number.
    public static func + (x: Scalar, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.add(x, y) } }
    /// The same as `sub`.
    public static func - (x: Tensor, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.sub(x, y) } }
    /// The same as `sub`; one of the two is a number.
    public static func - (x: Tensor, y: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.sub(x, y) } }
    /// The same as `sub`; one of the two is a number.
    public static func - (x: Scalar, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.sub(x, y) } }
    /// The same as `mul`.
    public static func * (x: Tensor, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.mul(x, y) } }
    /// The same as `mul`; one of the two is a number.
    public static func * (x: Tensor, y: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.mul(x, y) } }
    /// The same as `mul`; one of the two is a number.
    public static func * (x: Scalar, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.mul(x, y) } }
    /// The same as `div`.
    public static func / (x: Tensor, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.div(x, y) } }
    /// The same as `div`; one of the two is a number.
    public static func / (x: Tensor, y: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.div(x, y) } }
    /// The same as `div`; one of the two is a number.
    public static func / (x: Scalar, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.div(x, y) } }
    /// The same as `remainder`.
    public static func % (x: Tensor, y: Tensor) -> Tensor { x.remainder(y) }
    /// The same as `remainder`; one of the two is a number.
    public static func % (x: Tensor, y: Scalar) -> Tensor { x.remainder(y) }

    /// Rebinds: no other holder of the tensor sees it. In place is `add_`.
    public static func += (x: inout Tensor, y: Tensor) { x = x + y }
    /// As `+=`, with `sub`.
    public static func -= (x: inout Tensor, y: Tensor) { x = x - y }
    /// As `+=`, with `mul`.
    public static func *= (x: inout Tensor, y: Tensor) { x = x * y }
    /// As `+=`, with `div`.
    public static func /= (x: inout Tensor, y: Tensor) { x = x / y }
    /// As `+=` of a tensor, with a number.
    public static func += (x: inout Tensor, y: Scalar) { x = x + y }
    /// As `+=`, with `sub`.
    public static func -= (x: inout Tensor, y: Scalar) { x = x - y }
    /// As `+=`, with `mul`.
    public static func *= (x: inout Tensor, y: Scalar) { x = x * y }
    /// As `+=`, with `div`.
    public static func /= (x: inout Tensor, y: Scalar) { x = x / y }

    /// True where the two are equal.
    public static func .== (x: Tensor, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.eq(x, y) } }
    /// True where the two are equal; y is a number.
    public static func .== (x: Tensor, y: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.eq(x, y) } }
    /// True where the two differ.
    public static func .!= (x: Tensor, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.ne(x, y) } }
    /// True where the two differ; y is a number.
    public static func .!= (x: Tensor, y: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.ne(x, y) } }
    /// True where x is below y.
    public static func .< (x: Tensor, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.lt(x, y) } }
    /// True where x is below y; y is a number.
    public static func .< (x: Tensor, y: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.lt(x, y) } }
    /// True where x is not above y.
    public static func .<= (x: Tensor, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.le(x, y) } }
    /// True where x is not above y; y is a number.
    public static func .<= (x: Tensor, y: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.le(x, y) } }
    /// True where x is above y.
    public static func .> (x: Tensor, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.gt(x, y) } }
    /// True where x is above y; y is a number.
    public static func .> (x: Tensor, y: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.gt(x, y) } }
    /// True where x is not below y.
    public static func .>= (x: Tensor, y: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.ge(x, y) } }
    /// True where x is not below y; y is a number.
    public static func .>= (x: Tensor, y: Scalar) -> Tensor { trapping { () throws(CressetError) in try Ops.ge(x, y) } }
    /// The same as `bitwiseAnd`.
    public static func & (x: Tensor, y: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.bitwiseAnd(x, y) }
    }
    /// The same as `bitwiseOr`.
    public static func | (x: Tensor, y: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.bitwiseOr(x, y) }
    }
    /// The same as `bitwiseXor`.
    public static func ^ (x: Tensor, y: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.bitwiseXor(x, y) }
    }
    /// Every bit inverted, as `bitwiseNot`.
    public static prefix func ~ (x: Tensor) -> Tensor { x.bitwiseNot() }
}
