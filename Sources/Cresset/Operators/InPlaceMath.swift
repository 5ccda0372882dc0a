/// Functions of one tensor, in place: `x.sin_()` is PyTorch's `x.sin_()`.
extension Tensor {
    @discardableResult public func abs_() -> Tensor { inPlace(Ops.abs) }
    @discardableResult public func sign_() -> Tensor { inPlace(Ops.sign) }
    @discardableResult public func sgn_() -> Tensor { inPlace(Ops.sgn) }
    @discardableResult public func square_() -> Tensor { inPlace(Ops.square) }
    @discardableResult public func reciprocal_() -> Tensor { inPlace(Ops.reciprocal) }
    @discardableResult public func rsqrt_() -> Tensor { inPlace(Ops.rsqrt) }
    @discardableResult public func exp2_() -> Tensor { inPlace(Ops.exp2) }
    @discardableResult public func expm1_() -> Tensor { inPlace(Ops.expm1) }
    @discardableResult public func log_() -> Tensor { inPlace(Ops.log) }
    @discardableResult public func log2_() -> Tensor { inPlace(Ops.log2) }
    @discardableResult public func log10_() -> Tensor { inPlace(Ops.log10) }
    @discardableResult public func log1p_() -> Tensor { inPlace(Ops.log1p) }
    @discardableResult public func sin_() -> Tensor { inPlace(Ops.sin) }
    @discardableResult public func cos_() -> Tensor { inPlace(Ops.cos) }
    @discardableResult public func tan_() -> Tensor { inPlace(Ops.tan) }
    @discardableResult public func asin_() -> Tensor { inPlace(Ops.asin) }
    @discardableResult public func acos_() -> Tensor { inPlace(Ops.acos) }
    @discardableResult public func atan_() -> Tensor { inPlace(Ops.atan) }
    @discardableResult public func sinh_() -> Tensor { inPlace(Ops.sinh) }
    @discardableResult public func cosh_() -> Tensor { inPlace(Ops.cosh) }
    @discardableResult public func asinh_() -> Tensor { inPlace(Ops.asinh) }
    @discardableResult public func acosh_() -> Tensor { inPlace(Ops.acosh) }
    @discardableResult public func atanh_() -> Tensor { inPlace(Ops.atanh) }
    @discardableResult public func erf_() -> Tensor { inPlace(Ops.erf) }
    @discardableResult public func erfc_() -> Tensor { inPlace(Ops.erfc) }
    @discardableResult public func erfinv_() -> Tensor { inPlace(Ops.erfinv) }
    @discardableResult public func lgamma_() -> Tensor { inPlace(Ops.lgamma) }
    @discardableResult public func digamma_() -> Tensor { inPlace(Ops.digamma) }
    @discardableResult public func floor_() -> Tensor { inPlace(Ops.floor) }
    @discardableResult public func ceil_() -> Tensor { inPlace(Ops.ceil) }
    @discardableResult public func trunc_() -> Tensor { inPlace(Ops.trunc) }
    @discardableResult public func round_() -> Tensor { inPlace(Ops.round) }
    @discardableResult public func frac_() -> Tensor { inPlace(Ops.frac) }
    @discardableResult public func deg2rad_() -> Tensor { inPlace(Ops.deg2rad) }
    @discardableResult public func rad2deg_() -> Tensor { inPlace(Ops.rad2deg) }
    @discardableResult public func sinc_() -> Tensor { inPlace(Ops.sinc) }
    @discardableResult public func bitwiseNot_() -> Tensor { inPlace(Ops.bitwiseNot) }
    /// True or false as the dtype has it.
    @discardableResult public func logicalNot_() -> Tensor { inPlace(Ops.logicalNot) }
    @discardableResult public func logicalAnd_(_ other: Tensor) -> Tensor {
        inPlace("aten::logical_and_", Ops.logicalAnd, other)
    }
    @discardableResult public func logicalOr_(_ other: Tensor) -> Tensor {
        inPlace("aten::logical_or_", Ops.logicalOr, other)
    }
    @discardableResult public func logicalXor_(_ other: Tensor) -> Tensor {
        inPlace("aten::logical_xor_", Ops.logicalXor, other)
    }
}
