/// Names that PyTorch has for operations beside their own: calls by either are the same.
extension Operators {
    /// By alias, the operation's name; both without "aten::".
    static let aliases: [(String, String)] = [
        ("_local_scalar_dense", "item"), ("absolute", "abs"), ("negative", "neg"), ("fix", "trunc"),
        ("arccos", "acos"), ("arccosh", "acosh"), ("arcsin", "asin"), ("arcsinh", "asinh"), ("arctan", "atan"),
        ("arctanh", "atanh"), ("arctan2", "atan2"),
        ("subtract.Tensor", "sub.Tensor"), ("subtract.Scalar", "sub.Scalar"), ("multiply.Tensor", "mul.Tensor"),
        ("multiply.Scalar", "mul.Scalar"), ("divide.Tensor", "div.Tensor"), ("divide.Scalar", "div.Scalar"),
        ("divide.Tensor_mode", "div.Tensor_mode"), ("divide.Scalar_mode", "div.Scalar_mode"),
        ("true_divide.Tensor", "div.Tensor"), ("true_divide.Scalar", "div.Scalar"),
        ("clip", "clamp"), ("clip.Tensor", "clamp.Tensor"), ("max.other", "maximum"), ("min.other", "minimum"),
        ("greater.Tensor", "gt.Tensor"), ("greater.Scalar", "gt.Scalar"), ("greater_equal.Tensor", "ge.Tensor"),
        ("greater_equal.Scalar", "ge.Scalar"), ("less.Tensor", "lt.Tensor"), ("less.Scalar", "lt.Scalar"),
        ("less_equal.Tensor", "le.Tensor"), ("less_equal.Scalar", "le.Scalar"), ("not_equal.Tensor", "ne.Tensor"),
        ("not_equal.Scalar", "ne.Scalar"),
        ("__lshift__.Tensor", "bitwise_left_shift.Tensor"), ("__lshift__.Scalar", "bitwise_left_shift.Tensor_Scalar"),
        ("__rshift__.Tensor", "bitwise_right_shift.Tensor"), ("__rshift__.Scalar", "bitwise_right_shift.Tensor_Scalar"),
        ("__and__.Tensor", "bitwise_and.Tensor"), ("__and__.Scalar", "bitwise_and.Scalar"),
        ("__or__.Tensor", "bitwise_or.Tensor"), ("__or__.Scalar", "bitwise_or.Scalar"),
        ("__xor__.Tensor", "bitwise_xor.Tensor"), ("__xor__.Scalar", "bitwise_xor.Scalar"),
        ("special_xlogy", "xlogy.Tensor"), ("special_xlogy.other_scalar", "xlogy.Scalar_Other"),
        ("special_xlogy.self_scalar", "xlogy.Scalar_Self"), ("special_sinc", "sinc"), ("special_logit", "logit"),
        ("special_exp2", "exp2"), ("special_expm1", "expm1"), ("special_log1p", "log1p"), ("special_round", "round"),
        ("special_erf", "erf"), ("special_erfc", "erfc"), ("special_erfinv", "erfinv"), ("special_expit", "sigmoid"),
        ("special_gammaln", "lgamma"), ("special_digamma", "digamma"), ("special_psi", "digamma"),
        ("special_i0", "i0"), ("special_modified_bessel_i0", "i0"), ("special_modified_bessel_i1", "special_i1"),
        ("special_polygamma", "polygamma"), ("special_multigammaln", "mvlgamma"), ("special_gammainc", "igamma"),
        ("special_gammaincc", "igammac"),
        ("special_logsumexp", "logsumexp"), ("special_log_softmax", "log_softmax.int"),
        ("special_softmax", "softmax.int"),
    ]
}
