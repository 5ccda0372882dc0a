import BackendKit

/// Number theory and shifts.
extension Ops {
    /// The greatest common divisor, by Euclid's algorithm unrolled as far as the dtype can need.
    static let gcd = Binary("gcd", .promote, .integer, overloads: ("", nil), samples: (-60...60, -40...40)) { a, b, t in
        divisor(a, b, t)
    }
    /// The least common multiple, |a / gcd(a, b)·b|; 0 where either is.
    static let lcm = Binary("lcm", .promote, .integer, overloads: ("", nil), samples: (-60...60, -40...40)) { a, b, t in
        // (x / 0 is 0 in a program.) What is rounded to a narrow dtype is rounded before the sign goes.
        Cresset.abs((a / divisor(a, b, t) * b).narrow(to: t))
    }

    private static func divisor(_ a: Expr, _ b: Expr, _ dtype: DType) -> Expr {
        // Lamé: each step but the last goes down in Fibonacci's sequence at least.
        let steps =
            switch dtype {
            case .uint8, .int8: 13
            case .int16: 24
            case .int32: 47
            default: 92
            }
        let zero = Expr(0, dtype.arithmetic)
        var (x, y) = (Cresset.abs(a), Cresset.abs(b))
        for _ in 0..<steps {
            // Once y is 0 both stay: in a program x % 0 is 0.
            (x, y) = (select(y .== zero, x, y), x % y)
        }
        return Cresset.abs(x)
    }

    /// a·2ᵇ without the bits that leave the dtype; 0 for counts outside of it.
    static let leftShift = Binary(
        "bitwise_left_shift", .promote, .integer, overloads: ("Tensor", "Tensor_Scalar"),
        firstOverload: "Scalar_Tensor", samples: (-9...9, 0...7), differentiable: false
    ) { a, b, t in
        let zero = Expr(0, t.arithmetic)
        let inside = (zero .<= b) & (b .< Expr(Double(8 * t.size), t.arithmetic))
        return select(inside, .binary(.shl, a, b), zero)
    }
    /// ⌊a/2ᵇ⌋; counts outside of the dtype leave its sign.
    static let rightShift = Binary(
        "bitwise_right_shift", .promote, .integer, overloads: ("Tensor", "Tensor_Scalar"),
        firstOverload: "Scalar_Tensor", samples: (-99...99, 0...7), differentiable: false
    ) { a, b, t in .binary(.shr, a, b) }
}

extension Tensor {
    /// The greatest common divisor (`torch.gcd`).
    public func gcd(_ other: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.gcd(self, other) } }
    /// The least common multiple (`torch.lcm`).
    public func lcm(_ other: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.lcm(self, other) } }
    /// The same as `gcd`, in place.
    @discardableResult public func gcd_(_ other: Tensor) -> Tensor { inPlace("aten::gcd_", Ops.gcd, other) }
    /// The same as `lcm`, in place.
    @discardableResult public func lcm_(_ other: Tensor) -> Tensor { inPlace("aten::lcm_", Ops.lcm, other) }
    /// Bits moved up (`torch.bitwise_left_shift`).
    public func bitwiseLeftShift(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.leftShift(self, other) }
    }
    /// The same as `bitwiseLeftShift` of a tensor, with a number.
    public func bitwiseLeftShift(_ other: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.leftShift(self, other) }
    }
    /// Bits moved down, the sign kept (`torch.bitwise_right_shift`).
    public func bitwiseRightShift(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.rightShift(self, other) }
    }
    /// The same as `bitwiseRightShift` of a tensor, with a number.
    public func bitwiseRightShift(_ other: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.rightShift(self, other) }
    }
    /// The same as `bitwiseLeftShift`, in place.
    @discardableResult public func bitwiseLeftShift_(_ other: Tensor) -> Tensor {
        inPlace("aten::bitwise_left_shift_.Tensor", Ops.leftShift, other)
    }
    /// The same as `bitwiseLeftShift`, in place; with a number.
    @discardableResult public func bitwiseLeftShift_(_ other: Scalar) -> Tensor {
        inPlace("aten::bitwise_left_shift_.Tensor_Scalar", Ops.leftShift, other)
    }
    /// The same as `bitwiseRightShift`, in place.
    @discardableResult public func bitwiseRightShift_(_ other: Tensor) -> Tensor {
        inPlace("aten::bitwise_right_shift_.Tensor", Ops.rightShift, other)
    }
    /// The same as `bitwiseRightShift`, in place; with a number.
    @discardableResult public func bitwiseRightShift_(_ other: Scalar) -> Tensor {
        inPlace("aten::bitwise_right_shift_.Tensor_Scalar", Ops.rightShift, other)
    }
    /// The same as `bitwiseLeftShift`.
    public static func << (x: Tensor, y: Tensor) -> Tensor { x.bitwiseLeftShift(y) }
    /// The same as `bitwiseLeftShift`; one of the two is a number.
    public static func << (x: Tensor, y: Scalar) -> Tensor { x.bitwiseLeftShift(y) }
    /// The same as `bitwiseRightShift`.
    public static func >> (x: Tensor, y: Tensor) -> Tensor { x.bitwiseRightShift(y) }
    /// The same as `bitwiseRightShift`; one of the two is a number.
    public static func >> (x: Tensor, y: Scalar) -> Tensor { x.bitwiseRightShift(y) }
    /// Bitwise and, or, exclusive or with a number (`torch.bitwise_and` …), and the same in place.
    public func bitwiseAnd(_ other: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.bitwiseAnd(self, other) }
    }
    /// The same as `bitwiseOr` of a tensor, with a number.
    public func bitwiseOr(_ other: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.bitwiseOr(self, other) }
    }
    /// The same as `bitwiseXor` of a tensor, with a number.
    public func bitwiseXor(_ other: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.bitwiseXor(self, other) }
    }
    /// The same as `bitwiseAnd`, in place.
    @discardableResult public func bitwiseAnd_(_ other: Tensor) -> Tensor {
        inPlace("aten::bitwise_and_.Tensor", Ops.bitwiseAnd, other)
    }
    /// The same as `bitwiseOr`, in place.
    @discardableResult public func bitwiseOr_(_ other: Tensor) -> Tensor {
        inPlace("aten::bitwise_or_.Tensor", Ops.bitwiseOr, other)
    }
    /// The same as `bitwiseXor`, in place.
    @discardableResult public func bitwiseXor_(_ other: Tensor) -> Tensor {
        inPlace("aten::bitwise_xor_.Tensor", Ops.bitwiseXor, other)
    }
}
