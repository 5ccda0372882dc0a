/// Arithmetic and elementary functions of one tensor.
extension Ops {
    static let neg = Unary("neg", .promote, .number, complex: .parts) { -$0 }
    static let abs = Unary(
        "abs", .promote, .number,
        complex: .real(derivative: { _, c in c.grad * c.inputs[0].unit }) { $0.inputs[0].magnitude }
    ) { Cresset.abs($0) }
    static let sign = Unary("sign", .promote, .real) { signOf($0) }
    static func signOf(_ x: Expr) -> Expr {
        let t = x.type ?? .f32
        if t == .bool { return x }
        // PyTorch's formula: NaN gives 0. In integers, as some shader compilers make -0 of a select of -1 and 0.
        let (positive, negative) = (Expr(0, t) .< x, x .< Expr(0, t))
        return (positive.cast(to: .i32) - negative.cast(to: .i32)).cast(to: t)
    }
    static let square = Unary("square", .promote, .number, boolAs: .int64, complex: .function { Cresset.square($0) }) {
        $0 * $0
    }
    static let reciprocal = Unary(
        "reciprocal", .promoteFloat, samples: 0.2...4,
        complex: .function({ one($0) / $0 }, slope: { -($1 * $1) })
    ) { 1 / $0 }
    static let sqrt = Unary(
        "sqrt", .promoteFloat, samples: 0...9,
        complex: .function({ Cresset.sqrt($0) }, slope: { ComplexExpr(Expr(0.5, $0.type)) / $1 })
    ) { Cresset.sqrt($0) }
    static let rsqrt = Unary(
        "rsqrt", .promoteFloat, samples: 0.1...9,
        complex: .function({ one($0) / Cresset.sqrt($0) }, slope: { z, y in Expr(-0.5, z.type) * y / z })
    ) { 1 / Cresset.sqrt($0) }
    static let exp = Unary("exp", .promoteFloat, complex: .function({ Cresset.exp($0) }, slope: { $1 })) {
        Cresset.exp($0)
    }
    static let exp2 = Unary(
        "exp2", .promoteFloat, complex: .function { Cresset.exp2($0) }
    ) { .call(.exp2, $0) }
    static let expm1 = Unary(
        "expm1", .promoteFloat, complex: .function({ Cresset.expm1($0) }, slope: { 1 + $1 })
    ) { Cresset.expm1($0) }
    static let log = Unary(
        "log", .promoteFloat, samples: 0.01...9,
        complex: .function({ Cresset.log($0) }, slope: { z, _ in one(z) / z })
    ) { Cresset.log($0) }
    static let log2 = Unary("log2", .promoteFloat, samples: 0.01...9, complex: logarithm(0.693147180559945309417)) {
        .call(.log2, $0)
    }
    static let log10 = Unary("log10", .promoteFloat, samples: 0.01...9, complex: logarithm(2.30258509299404568402)) {
        .call(.log10, $0)
    }
    static let log1p = Unary(
        "log1p", .promoteFloat, samples: -0.9...9,
        complex: .function({ Cresset.log1p($0) }, slope: { z, _ in one(z) / (1 + z) })
    ) { Cresset.log1p($0) }
    static let sin = Unary("sin", .promoteFloat, samples: -12...12, complex: .function { Cresset.sin($0) }) {
        Cresset.sin($0)
    }
    static let cos = Unary("cos", .promoteFloat, samples: -12...12, complex: .function { Cresset.cos($0) }) {
        Cresset.cos($0)
    }
    static let tan = Unary(
        "tan", .promoteFloat, samples: -1.4...1.4,
        complex: .function({ Cresset.tan($0) }, slope: { 1 + $1 * $1 })
    ) { .call(.tan, $0) }
    static let asin = Unary(
        "asin", .promoteFloat, samples: -0.95...0.95,
        complex: .function({ Cresset.asin($0) }, slope: { z, _ in one(z) / Cresset.sqrt(1 - z * z) })
    ) { .call(.asin, $0) }
    static let acos = Unary(
        "acos", .promoteFloat, samples: -0.95...0.95,
        complex: .function({ Cresset.acos($0) }, slope: { z, _ in -(one(z) / Cresset.sqrt(1 - z * z)) })
    ) { .call(.acos, $0) }
    static let atan = Unary(
        "atan", .promoteFloat, complex: .function({ Cresset.atan($0) }, slope: { z, _ in one(z) / (1 + z * z) })
    ) { .call(.atan, $0) }
    static let sinh = Unary("sinh", .promoteFloat, complex: .function { Cresset.sinh($0) }) { .call(.sinh, $0) }
    static let cosh = Unary("cosh", .promoteFloat, complex: .function { Cresset.cosh($0) }) { .call(.cosh, $0) }
    static let tanh = Unary(
        "tanh", .promoteFloat, complex: .function({ Cresset.tanh($0) }, slope: { 1 - $1 * $1 })
    ) { Cresset.tanh($0) }
    static let asinh = Unary(
        "asinh", .promoteFloat,
        complex: .function({ Cresset.asinh($0) }, slope: { z, _ in one(z) / Cresset.sqrt(1 + z * z) })
    ) { .call(.asinh, $0) }
    static let acosh = Unary(
        "acosh", .promoteFloat, samples: 1.1...9,
        complex: .function(
            { Cresset.acosh($0) }, slope: { z, _ in one(z) / (Cresset.sqrt(z - 1) * Cresset.sqrt(1 + z)) })
    ) { .call(.acosh, $0) }
    static let atanh = Unary(
        "atanh", .promoteFloat, samples: -0.9...0.9,
        complex: .function({ Cresset.atanh($0) }, slope: { z, _ in one(z) / (1 - z * z) })
    ) { .call(.atanh, $0) }
    static let erf = Unary("erf", .promoteFloat) { Cresset.erf($0) }
    static let erfc = Unary("erfc", .promoteFloat) { .call(.erfc, $0) }
    static let erfinv = Unary("erfinv", .promoteFloat, samples: -0.9...0.9) { .call(.erfinv, $0) }
    static let lgamma = Unary("lgamma", .promoteFloat, samples: 0.2...9) { .call(.lgamma, $0) }
    static let digamma = Unary("digamma", .promoteFloat, samples: 0.5...9) { .call(.digamma, $0) }
    static let floor = Unary("floor", .promote, .number, differentiable: false) { $0.isFloat ? Cresset.floor($0) : $0 }
    static let ceil = Unary("ceil", .promote, .number, differentiable: false) { $0.isFloat ? Cresset.ceil($0) : $0 }
    static let trunc = Unary("trunc", .promote, .number, differentiable: false) { $0.isFloat ? Cresset.trunc($0) : $0 }
    static let round = Unary("round", .promote, .number, differentiable: false) { $0.isFloat ? Cresset.round($0) : $0 }
    static let isnan = Unary("isnan", .compare, complex: .property { isNaN($0.re) | isNaN($0.im) }) { isNaN($0) }
    static let isinf = Unary("isinf", .compare, complex: .property { $0.isInfinite }) { x in
        x.isFloat ? Cresset.abs(x) .== Expr(.infinity, x.type ?? .f32) : x .!= x
    }
    static let isfinite = Unary(
        "isfinite", .compare,
        complex: .property { z in
            let infinity = Expr(.infinity, z.type)
            return (Cresset.abs(z.re) .< infinity) & (Cresset.abs(z.im) .< infinity)
        }
    ) { x in
        x.isFloat ? Cresset.abs(x) .< Expr(.infinity, x.type ?? .f32) : x .== x
    }
    static let logicalNot = Unary("logical_not", .compare, complex: .property { !$0.isNonzero }) { !$0.cast(to: .bool) }
    static let bitwiseNot = Unary(
        "bitwise_not", .promote, Set<DType>.integer.union(Set<DType>.boolean), differentiable: false
    ) { !$0 }
    static let sigmoid = Unary(
        "sigmoid", .promoteFloat,
        // From the result; the symbolic one is ∞/∞ far below 0.
        derivative: { c in c.grad * (c.result * (1 - c.result)) },
        complex: .function({ Cresset.sigmoid($0) }, slope: { $1 * (1 - $1) })
    ) { 1 / (1 + Cresset.exp(-$0)) }

    private static func one(_ z: ComplexExpr) -> ComplexExpr { ComplexExpr(Expr(1, z.type)) }
    /// ln z over the logarithm of the base.
    private static func logarithm(_ base: Double) -> ComplexMeaning {
        .function({ Cresset.log($0) / Expr(base, $0.type) }, slope: { z, _ in one(z) / (z * Expr(base, z.type)) })
    }

    static let unary: [Unary] =
        [
            neg, abs, sign, square, reciprocal, sqrt, rsqrt, exp, exp2, expm1, log, log2, log10, log1p, sin, cos, tan,
            asin,
            acos, atan, sinh, cosh, tanh, asinh, acosh, atanh, erf, erfc, erfinv, lgamma, digamma, floor, ceil, trunc,
            round, isnan, isinf, isfinite, logicalNot, bitwiseNot, sigmoid, frac, deg2rad, rad2deg, sinc,
            signbit, isposinf, isneginf,
        ] + normalFunctions + ModifiedBessel.operations + Bessel.operations
}

extension Expr {
    var isFloat: Bool { type?.isFloat ?? true }
}

extension Tensor {
    /// Each element with the opposite sign.
    public func neg() -> Tensor { trapping { () throws(CressetError) in try Ops.neg(self) } }
    /// The absolute value of each element; of a complex number its modulus.
    public func abs() -> Tensor { trapping { () throws(CressetError) in try Ops.abs(self) } }
    /// -1, 0 or 1.
    public func sign() -> Tensor { trapping { () throws(CressetError) in try Ops.sign(self) } }
    /// Each element times itself.
    public func square() -> Tensor { trapping { () throws(CressetError) in try Ops.square(self) } }
    /// 1 divided by each element.
    public func reciprocal() -> Tensor { trapping { () throws(CressetError) in try Ops.reciprocal(self) } }
    /// The square root of each element.
    public func sqrt() -> Tensor { trapping { () throws(CressetError) in try Ops.sqrt(self) } }
    /// 1 divided by the square root of each element.
    public func rsqrt() -> Tensor { trapping { () throws(CressetError) in try Ops.rsqrt(self) } }
    /// e to the power of each element.
    public func exp() -> Tensor { trapping { () throws(CressetError) in try Ops.exp(self) } }
    /// 2 to the power of each element.
    public func exp2() -> Tensor { trapping { () throws(CressetError) in try Ops.exp2(self) } }
    /// eˣ - 1, exact near 0.
    public func expm1() -> Tensor { trapping { () throws(CressetError) in try Ops.expm1(self) } }
    /// The natural logarithm of each element.
    public func log() -> Tensor { trapping { () throws(CressetError) in try Ops.log(self) } }
    /// The logarithm of each element to base 2.
    public func log2() -> Tensor { trapping { () throws(CressetError) in try Ops.log2(self) } }
    /// The logarithm of each element to base 10.
    public func log10() -> Tensor { trapping { () throws(CressetError) in try Ops.log10(self) } }
    /// ln(1 + x), exact near 0.
    public func log1p() -> Tensor { trapping { () throws(CressetError) in try Ops.log1p(self) } }
    /// The sine of each element.
    public func sin() -> Tensor { trapping { () throws(CressetError) in try Ops.sin(self) } }
    /// The cosine of each element.
    public func cos() -> Tensor { trapping { () throws(CressetError) in try Ops.cos(self) } }
    /// The tangent of each element.
    public func tan() -> Tensor { trapping { () throws(CressetError) in try Ops.tan(self) } }
    /// The angle in -π/2 … π/2 whose sine each element is.
    public func asin() -> Tensor { trapping { () throws(CressetError) in try Ops.asin(self) } }
    /// The angle in 0 … π whose cosine each element is.
    public func acos() -> Tensor { trapping { () throws(CressetError) in try Ops.acos(self) } }
    /// The angle in -π/2 … π/2 whose tangent each element is.
    public func atan() -> Tensor { trapping { () throws(CressetError) in try Ops.atan(self) } }
    /// The hyperbolic sine of each element.
    public func sinh() -> Tensor { trapping { () throws(CressetError) in try Ops.sinh(self) } }
    /// The hyperbolic cosine of each element.
    public func cosh() -> Tensor { trapping { () throws(CressetError) in try Ops.cosh(self) } }
    /// The hyperbolic tangent of each element.
    public func tanh() -> Tensor { trapping { () throws(CressetError) in try Ops.tanh(self) } }
    /// The inverse of the hyperbolic sine.
    public func asinh() -> Tensor { trapping { () throws(CressetError) in try Ops.asinh(self) } }
    /// The inverse of the hyperbolic cosine, for elements of at least 1.
    public func acosh() -> Tensor { trapping { () throws(CressetError) in try Ops.acosh(self) } }
    /// The inverse of the hyperbolic tangent, for elements between -1 and 1.
    public func atanh() -> Tensor { trapping { () throws(CressetError) in try Ops.atanh(self) } }
    /// The error function.
    public func erf() -> Tensor { trapping { () throws(CressetError) in try Ops.erf(self) } }
    /// 1 - erf x, exact for large x.
    public func erfc() -> Tensor { trapping { () throws(CressetError) in try Ops.erfc(self) } }
    /// The inverse of the error function.
    public func erfinv() -> Tensor { trapping { () throws(CressetError) in try Ops.erfinv(self) } }
    /// ln |Γ(x)|
    public func lgamma() -> Tensor { trapping { () throws(CressetError) in try Ops.lgamma(self) } }
    /// The logarithmic derivative of Γ.
    public func digamma() -> Tensor { trapping { () throws(CressetError) in try Ops.digamma(self) } }
    /// The largest integer that is not above each element.
    public func floor() -> Tensor { trapping { () throws(CressetError) in try Ops.floor(self) } }
    /// The smallest integer that is not below each element.
    public func ceil() -> Tensor { trapping { () throws(CressetError) in try Ops.ceil(self) } }
    /// Each element without its fraction.
    public func trunc() -> Tensor { trapping { () throws(CressetError) in try Ops.trunc(self) } }
    /// To the nearest integer, ties to even.
    public func round() -> Tensor { trapping { () throws(CressetError) in try Ops.round(self) } }
    /// True where an element is NaN.
    public func isnan() -> Tensor { trapping { () throws(CressetError) in try Ops.isnan(self) } }
    /// True where an element is infinite.
    public func isinf() -> Tensor { trapping { () throws(CressetError) in try Ops.isinf(self) } }
    /// True where an element is neither infinite nor NaN.
    public func isfinite() -> Tensor { trapping { () throws(CressetError) in try Ops.isfinite(self) } }
    /// True where an element is 0.
    public func logicalNot() -> Tensor { trapping { () throws(CressetError) in try Ops.logicalNot(self) } }
    /// Every bit inverted; of bool the opposite.
    public func bitwiseNot() -> Tensor { trapping { () throws(CressetError) in try Ops.bitwiseNot(self) } }
    /// 1 / (1 + e⁻ˣ)
    public func sigmoid() -> Tensor { trapping { () throws(CressetError) in try Ops.sigmoid(self) } }

    /// Each element with the opposite sign, as `neg`.
    public static prefix func - (x: Tensor) -> Tensor { x.neg() }
}
