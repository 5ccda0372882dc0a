/// Functions of one tensor, in place: `x.sin_()` is PyTorch's `x.sin_()`.
extension Tensor {
    /// The same as `abs`, in place.
    @discardableResult public func abs_() -> Tensor { inPlace(Ops.abs) }
    /// The same as `sign`, in place.
    @discardableResult public func sign_() -> Tensor { inPlace(Ops.sign) }
    /// The same as `sgn`, in place.
    @discardableResult public func sgn_() -> Tensor { inPlace(Ops.sgn) }
    /// The same as `square`, in place.
    @discardableResult public func square_() -> Tensor { inPlace(Ops.square) }
    /// The same as `reciprocal`, in place.
    @discardableResult public func reciprocal_() -> Tensor { inPlace(Ops.reciprocal) }
    /// The same as `rsqrt`, in place.
    @discardableResult public func rsqrt_() -> Tensor { inPlace(Ops.rsqrt) }
    /// The same as `exp2`, in place.
    @discardableResult public func exp2_() -> Tensor { inPlace(Ops.exp2) }
    /// The same as `expm1`, in place.
    @discardableResult public func expm1_() -> Tensor { inPlace(Ops.expm1) }
    /// The same as `log`, in place.
    @discardableResult public func log_() -> Tensor { inPlace(Ops.log) }
    /// The same as `log2`, in place.
    @discardableResult public func log2_() -> Tensor { inPlace(Ops.log2) }
    /// The same as `log10`, in place.
    @discardableResult public func log10_() -> Tensor { inPlace(Ops.log10) }
    /// The same as `log1p`, in place.
    @discardableResult public func log1p_() -> Tensor { inPlace(Ops.log1p) }
    /// The same as `sin`, in place.
    @discardableResult public func sin_() -> Tensor { inPlace(Ops.sin) }
    /// The same as `cos`, in place.
    @discardableResult public func cos_() -> Tensor { inPlace(Ops.cos) }
    /// The same as `tan`, in place.
    @discardableResult public func tan_() -> Tensor { inPlace(Ops.tan) }
    /// The same as `asin`, in place.
    @discardableResult public func asin_() -> Tensor { inPlace(Ops.asin) }
    /// The same as `acos`, in place.
    @discardableResult public func acos_() -> Tensor { inPlace(Ops.acos) }
    /// The same as `atan`, in place.
    @discardableResult public func atan_() -> Tensor { inPlace(Ops.atan) }
    /// The same as `sinh`, in place.
    @discardableResult public func sinh_() -> Tensor { inPlace(Ops.sinh) }
    /// The same as `cosh`, in place.
    @discardableResult public func cosh_() -> Tensor { inPlace(Ops.cosh) }
    /// The same as `asinh`, in place.
    @discardableResult public func asinh_() -> Tensor { inPlace(Ops.asinh) }
    /// The same as `acosh`, in place.
    @discardableResult public func acosh_() -> Tensor { inPlace(Ops.acosh) }
    /// The same as `atanh`, in place.
    @discardableResult public func atanh_() -> Tensor { inPlace(Ops.atanh) }
    /// The same as `erf`, in place.
    @discardableResult public func erf_() -> Tensor { inPlace(Ops.erf) }
    /// The same as `erfc`, in place.
    @discardableResult public func erfc_() -> Tensor { inPlace(Ops.erfc) }
    /// The same as `erfinv`, in place.
    @discardableResult public func erfinv_() -> Tensor { inPlace(Ops.erfinv) }
    /// The same as `lgamma`, in place.
    @discardableResult public func lgamma_() -> Tensor { inPlace(Ops.lgamma) }
    /// The same as `digamma`, in place.
    @discardableResult public func digamma_() -> Tensor { inPlace(Ops.digamma) }
    /// The same as `floor`, in place.
    @discardableResult public func floor_() -> Tensor { inPlace(Ops.floor) }
    /// The same as `ceil`, in place.
    @discardableResult public func ceil_() -> Tensor { inPlace(Ops.ceil) }
    /// The same as `trunc`, in place.
    @discardableResult public func trunc_() -> Tensor { inPlace(Ops.trunc) }
    /// The same as `round`, in place.
    @discardableResult public func round_() -> Tensor { inPlace(Ops.round) }
    /// The same as `frac`, in place.
    @discardableResult public func frac_() -> Tensor { inPlace(Ops.frac) }
    /// The same as `deg2rad`, in place.
    @discardableResult public func deg2rad_() -> Tensor { inPlace(Ops.deg2rad) }
    /// The same as `rad2deg`, in place.
    @discardableResult public func rad2deg_() -> Tensor { inPlace(Ops.rad2deg) }
    /// The same as `sinc`, in place.
    @discardableResult public func sinc_() -> Tensor { inPlace(Ops.sinc) }
    /// The same as `bitwiseNot`, in place.
    @discardableResult public func bitwiseNot_() -> Tensor { inPlace(Ops.bitwiseNot) }
    /// True or false as the dtype has it.
    @discardableResult public func logicalNot_() -> Tensor { inPlace(Ops.logicalNot) }
    @discardableResult public func logicalAnd_(_ other: Tensor) -> Tensor {
        inPlace("aten::logical_and_", Ops.logicalAnd, other)
    }
    /// The same as `logicalOr`, in place.
    @discardableResult public func logicalOr_(_ other: Tensor) -> Tensor {
        inPlace("aten::logical_or_", Ops.logicalOr, other)
    }
    /// The same as `logicalXor`, in place.
    @discardableResult public func logicalXor_(_ other: Tensor) -> Tensor {
        inPlace("aten::logical_xor_", Ops.logicalXor, other)
    }
}
