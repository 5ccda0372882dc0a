/// Other names that PyTorch has for methods, and comparisons by name.
extension Tensor {
    /// The same as `abs`.
    public func absolute() -> Tensor { abs() }
    /// The same as `abs_`.
    @discardableResult public func absolute_() -> Tensor { abs_() }
    /// The same as `neg`.
    public func negative() -> Tensor { neg() }
    /// The same as `neg_`.
    @discardableResult public func negative_() -> Tensor { neg_() }
    /// The same as `trunc`.
    public func fix() -> Tensor { trunc() }
    /// The same as `trunc_`.
    @discardableResult public func fix_() -> Tensor { trunc_() }
    /// The same as `acos`.
    public func arccos() -> Tensor { acos() }
    /// The same as `acos_`.
    @discardableResult public func arccos_() -> Tensor { acos_() }
    /// The same as `acosh`.
    public func arccosh() -> Tensor { acosh() }
    /// The same as `acosh_`.
    @discardableResult public func arccosh_() -> Tensor { acosh_() }
    /// The same as `asin`.
    public func arcsin() -> Tensor { asin() }
    /// The same as `asin_`.
    @discardableResult public func arcsin_() -> Tensor { asin_() }
    /// The same as `asinh`.
    public func arcsinh() -> Tensor { asinh() }
    /// The same as `asinh_`.
    @discardableResult public func arcsinh_() -> Tensor { asinh_() }
    /// The same as `atan`.
    public func arctan() -> Tensor { atan() }
    /// The same as `atan_`.
    @discardableResult public func arctan_() -> Tensor { atan_() }
    /// The same as `atanh`.
    public func arctanh() -> Tensor { atanh() }
    /// The same as `atanh_`.
    @discardableResult public func arctanh_() -> Tensor { atanh_() }
    /// The same as `atan2`.
    public func arctan2(_ other: Tensor) -> Tensor { atan2(other) }
    /// The same as `atan2_`.
    @discardableResult public func arctan2_(_ other: Tensor) -> Tensor { atan2_(other) }
    /// The same as `clamp`.
    public func clip(min: Scalar? = nil, max: Scalar? = nil) -> Tensor { clamp(min: min, max: max) }
    /// The same as `clamp_`.
    @discardableResult public func clip_(min: Scalar? = nil, max: Scalar? = nil) -> Tensor {
        clamp_(min: min, max: max)
    }
    /// The same as `sub`.
    public func subtract(_ other: Tensor, alpha: Scalar = 1) -> Tensor { sub(other, alpha: alpha) }
    /// The same as `sub`.
    public func subtract(_ other: Scalar) -> Tensor { self - other }
    /// The same as `sub_`.
    @discardableResult public func subtract_(_ other: Tensor, alpha: Scalar = 1) -> Tensor { sub_(other, alpha: alpha) }
    /// The same as `sub_`.
    @discardableResult public func subtract_(_ other: Scalar) -> Tensor { sub_(other) }
    /// The same as `mul`.
    public func multiply(_ other: Tensor) -> Tensor { self * other }
    /// The same as `mul_`.
    @discardableResult public func multiply_(_ other: Tensor) -> Tensor { mul_(other) }
    /// The same as `mul`.
    public func multiply(_ other: Scalar) -> Tensor { self * other }
    /// The same as `mul_`.
    @discardableResult public func multiply_(_ other: Scalar) -> Tensor { mul_(other) }
    /// The same as `div`.
    public func divide(_ other: Tensor) -> Tensor { self / other }
    /// The same as `div_`.
    @discardableResult public func divide_(_ other: Tensor) -> Tensor { div_(other) }
    /// The same as `div`.
    public func divide(_ other: Scalar) -> Tensor { self / other }
    /// The same as `div_`.
    @discardableResult public func divide_(_ other: Scalar) -> Tensor { div_(other) }
    /// The same as `div_`.
    @discardableResult public func trueDivide_(_ other: Tensor) -> Tensor { div_(other) }
    /// The same as `div_`.
    @discardableResult public func trueDivide_(_ other: Scalar) -> Tensor { div_(other) }
}

/// Comparisons by name: `x.eq(y)` is `x .== y`; in place their truth is written as 1 and 0.
extension Tensor {
    private func compare_(_ op: String, _ kernel: Binary, _ other: Tensor) -> Tensor {
        inPlace("aten::\(op)_.Tensor") { (x) throws(CressetError) in try kernel(x, other) }
    }
    private func compare_(_ op: String, _ kernel: Binary, _ other: Scalar) -> Tensor {
        inPlace("aten::\(op)_.Scalar") { (x) throws(CressetError) in try kernel(x, other) }
    }
    /// True where an element is equal.
    public func eq(_ other: Tensor) -> Tensor { self .== other }
    /// 1 where an element is equal, else 0, in its place.
    @discardableResult public func eq_(_ other: Tensor) -> Tensor { compare_("eq", Ops.eq, other) }
    /// True where an element is equal.
    public func eq(_ other: Scalar) -> Tensor { self .== other }
    /// 1 where an element is equal, else 0, in its place.
    @discardableResult public func eq_(_ other: Scalar) -> Tensor { compare_("eq", Ops.eq, other) }
    /// True where an element is not equal.
    public func ne(_ other: Tensor) -> Tensor { self .!= other }
    /// 1 where an element is not equal, else 0, in its place.
    @discardableResult public func ne_(_ other: Tensor) -> Tensor { compare_("ne", Ops.ne, other) }
    /// The same as `ne`.
    public func notEqual(_ other: Tensor) -> Tensor { ne(other) }
    /// The same as `ne_`.
    @discardableResult public func notEqual_(_ other: Tensor) -> Tensor { ne_(other) }
    /// True where an element is not equal.
    public func ne(_ other: Scalar) -> Tensor { self .!= other }
    /// 1 where an element is not equal, else 0, in its place.
    @discardableResult public func ne_(_ other: Scalar) -> Tensor { compare_("ne", Ops.ne, other) }
    /// The same as `ne`.
    public func notEqual(_ other: Scalar) -> Tensor { ne(other) }
    /// The same as `ne_`.
    @discardableResult public func notEqual_(_ other: Scalar) -> Tensor { ne_(other) }
    /// True where an element is less.
    public func lt(_ other: Tensor) -> Tensor { self .< other }
    /// 1 where an element is less, else 0, in its place.
    @discardableResult public func lt_(_ other: Tensor) -> Tensor { compare_("lt", Ops.lt, other) }
    /// The same as `lt`.
    public func less(_ other: Tensor) -> Tensor { lt(other) }
    /// The same as `lt_`.
    @discardableResult public func less_(_ other: Tensor) -> Tensor { lt_(other) }
    /// True where an element is less.
    public func lt(_ other: Scalar) -> Tensor { self .< other }
    /// 1 where an element is less, else 0, in its place.
    @discardableResult public func lt_(_ other: Scalar) -> Tensor { compare_("lt", Ops.lt, other) }
    /// The same as `lt`.
    public func less(_ other: Scalar) -> Tensor { lt(other) }
    /// The same as `lt_`.
    @discardableResult public func less_(_ other: Scalar) -> Tensor { lt_(other) }
    /// True where an element is less or equal.
    public func le(_ other: Tensor) -> Tensor { self .<= other }
    /// 1 where an element is less or equal, else 0, in its place.
    @discardableResult public func le_(_ other: Tensor) -> Tensor { compare_("le", Ops.le, other) }
    /// The same as `le`.
    public func lessEqual(_ other: Tensor) -> Tensor { le(other) }
    /// The same as `le_`.
    @discardableResult public func lessEqual_(_ other: Tensor) -> Tensor { le_(other) }
    /// True where an element is less or equal.
    public func le(_ other: Scalar) -> Tensor { self .<= other }
    /// 1 where an element is less or equal, else 0, in its place.
    @discardableResult public func le_(_ other: Scalar) -> Tensor { compare_("le", Ops.le, other) }
    /// The same as `le`.
    public func lessEqual(_ other: Scalar) -> Tensor { le(other) }
    /// The same as `le_`.
    @discardableResult public func lessEqual_(_ other: Scalar) -> Tensor { le_(other) }
    /// True where an element is greater.
    public func gt(_ other: Tensor) -> Tensor { self .> other }
    /// 1 where an element is greater, else 0, in its place.
    @discardableResult public func gt_(_ other: Tensor) -> Tensor { compare_("gt", Ops.gt, other) }
    /// The same as `gt`.
    public func greater(_ other: Tensor) -> Tensor { gt(other) }
    /// The same as `gt_`.
    @discardableResult public func greater_(_ other: Tensor) -> Tensor { gt_(other) }
    /// True where an element is greater.
    public func gt(_ other: Scalar) -> Tensor { self .> other }
    /// 1 where an element is greater, else 0, in its place.
    @discardableResult public func gt_(_ other: Scalar) -> Tensor { compare_("gt", Ops.gt, other) }
    /// The same as `gt`.
    public func greater(_ other: Scalar) -> Tensor { gt(other) }
    /// The same as `gt_`.
    @discardableResult public func greater_(_ other: Scalar) -> Tensor { gt_(other) }
    /// True where an element is greater or equal.
    public func ge(_ other: Tensor) -> Tensor { self .>= other }
    /// 1 where an element is greater or equal, else 0, in its place.
    @discardableResult public func ge_(_ other: Tensor) -> Tensor { compare_("ge", Ops.ge, other) }
    /// The same as `ge`.
    public func greaterEqual(_ other: Tensor) -> Tensor { ge(other) }
    /// The same as `ge_`.
    @discardableResult public func greaterEqual_(_ other: Tensor) -> Tensor { ge_(other) }
    /// True where an element is greater or equal.
    public func ge(_ other: Scalar) -> Tensor { self .>= other }
    /// 1 where an element is greater or equal, else 0, in its place.
    @discardableResult public func ge_(_ other: Scalar) -> Tensor { compare_("ge", Ops.ge, other) }
    /// The same as `ge`.
    public func greaterEqual(_ other: Scalar) -> Tensor { ge(other) }
    /// The same as `ge_`.
    @discardableResult public func greaterEqual_(_ other: Scalar) -> Tensor { ge_(other) }
}
