import BackendKit

/// Activations made of straight pieces, and exponential ones.
///
/// At the corners of a straight piece PyTorch decides on one side, where the symbolic derivative of max
/// and min would give half of each: hence their explicit derivatives.
extension Ops {
    static let hardtanh = Parametric(
        "hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor", .promote, .number,
        numbers: [[-1, 1], [1, 3]],
        errors: { g in [ErrorSample([.tensor(g.tensor([2])), 2, 1], "min_val", "max_val", "2", "1")] },
        check: { $0[0].doubleValue > $0[1].doubleValue ? "min_val \($0[0]) is above max_val \($0[1])" : nil },
        // At the ends PyTorch's slope is 0; the symbolic one shares the gradient of a tie.
        derivative: { _, c in
            let x = c.inputs[0]
            return select((c.scalars[0] .< x) & (x .< c.scalars[1]), c.grad, Expr(0, c.type))
        }
    ) { Cresset.minimum(Cresset.maximum($0.inputs[0], $0.scalars[0]), $0.scalars[1]) }

    static let relu6 = Unary(
        "relu6", .promote, .number, samples: -8...12,
        // At the ends PyTorch's slope is 0; the symbolic one shares the gradient of a tie.
        derivative: { c in select((0 .< c.inputs[0]) & (c.inputs[0] .< 6), c.grad, Expr(0, c.type)) }
    ) { x in
        let type = x.type ?? .f32
        return Cresset.minimum(Cresset.maximum(x, Expr(0, type)), Expr(6, type))
    }

    /// x·min(max(x + 3, 0), 6)/6
    static let hardswish = Unary(
        "hardswish", .promote, .floating, samples: -6...6,
        // PyTorch's slopes at the ends; and beyond 3 the product rule's terms would cancel.
        derivative: { c in
            let x = c.inputs[0]
            return select(x .<= -3, Expr(0, c.type), select(x .< 3, c.grad * (x / 3 + 0.5), c.grad))
        }
    ) { x in x * Cresset.minimum(Cresset.maximum(x + 3, 0), 6) / 6 }

    /// min(max(x + 3, 0), 6)/6
    static let hardsigmoid = Unary(
        "hardsigmoid", .promote, .floating, samples: -6...6,
        // At the ends PyTorch's slope is 0; the symbolic one shares the gradient of a tie.
        derivative: { c in
            select((Expr(-3, c.type) .< c.inputs[0]) & (c.inputs[0] .< 3), c.grad / 6, Expr(0, c.type))
        }
    ) { x in Cresset.minimum(Cresset.maximum(x + 3, 0), 6) / 6 }

    /// 0 within ±λ.
    static let hardshrink = Parametric(
        "hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor", .promote, numbers: [[.double(0.5)], [2]]
    ) { c in
        let (x, l) = (c.inputs[0], c.scalars[0])
        return select((-l .<= x) & (x .<= l), Expr(0, c.type), x)
    }

    /// Nearer to 0 by λ, 0 within ±λ.
    static let softshrink = Parametric(
        "softshrink(Tensor self, Scalar lambd=0.5) -> Tensor", .promote, numbers: [[.double(0.5)], [2]],
        errors: { g in [ErrorSample([.tensor(g.tensor([2])), -1], "lambd must not be negative", "-1")] },
        check: { $0[0].doubleValue < 0 ? "lambd must not be negative, got \($0[0].doubleValue)" : nil }
    ) { c in
        let (x, l) = (c.inputs[0], c.scalars[0])
        // (A NaN stays one; x·0 would say so too, but not on devices that make 0 of it.)
        return select(l .< x, x - l, select(x .< -l, x + l, select(isNaN(x), x, 0)))
    }

    /// `value` where x is not above the threshold.
    static let threshold = Parametric(
        "threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor", .promote, .number, numbers: [[1, 3]]
    ) { c in select(c.inputs[0] .<= c.scalars[0], c.scalars[1], c.inputs[0]) }

    /// scale·x for positive x, scale·alpha·(e^(input_scale·x) - 1) otherwise.
    static let elu = Parametric(
        "elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor", .promote,
        numbers: [[1, 1, 1], [.double(1.5), 2, .double(0.5)]]
    ) { c in
        exponentialUnit(c.inputs[0], slope: c.scalars[1], alpha: c.scalars[0] * c.scalars[1], inputScale: c.scalars[2])
    }
    /// x for positive x, alpha·(e^(x/alpha) - 1) otherwise.
    static let celu = Parametric(
        "celu(Tensor self, Scalar alpha=1.0) -> Tensor", .promote, numbers: [[1], [.double(1.5)]],
        errors: { g in [ErrorSample([.tensor(g.tensor([2])), 0], "alpha must not be 0")] },
        check: { $0[0].doubleValue == 0 ? "alpha must not be 0, as x is divided by it" : nil }
    ) { c in
        exponentialUnit(c.inputs[0], slope: 1, alpha: c.scalars[0], inputScale: 1 / c.scalars[0])
    }
    /// elu with the alpha and the scale of Klambauer et al. (2017), which keep mean 0 and variance 1.
    static let selu = Unary("selu", .promote, .floating) { x in
        let scale = 1.0507009873554804934193349852946
        return exponentialUnit(
            x, slope: Expr(scale), alpha: Expr(scale * 1.6732632423543772848170429916717), inputScale: 1)
    }

    private static func exponentialUnit(_ x: Expr, slope: Expr, alpha: Expr, inputScale: Expr) -> Expr {
        // The exponential of what is not chosen must not be infinite: its derivative would be 0·∞.
        let negative = select(0 .< x, Expr(0, x.type ?? .f32), x)
        return select(0 .< x, x * slope, Cresset.expm1(negative * inputScale) * alpha)
    }

    private static let preluKernel = Pointwise("aten::_prelu_kernel", .promote) { c in
        select(0 .< c.inputs[0], c.inputs[0], c.inputs[1] * c.inputs[0])
    }
    /// x for positive x, weight·x otherwise, with one weight or one for each of the second dim.
    static let prelu = Composed(
        "prelu(Tensor self, Tensor weight) -> Tensor", of: ["pointwise"],
        samples: { g in
            let cases: [(Shape, Shape)] = [
                ([5, 7], [7]), ([3, 4, 5], [4]), ([3, 4], [1]), ([], []), ([0, 3], [3]), ([6], [1]),
            ]
            return cases.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor($1, 0.1, 0.9))]) }
        },
        errors: { g in
            [ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([2]))], "3 channels", "2 weights")]
        },
        type: { (a) throws(CressetError) in
            let (x, weight) = (try a.tensor("self"), try a.tensor("weight"))
            let channels = x.ndim > 1 ? x.shape[1] : 1
            guard weight.ndim <= 1, weight.numel == 1 || weight.numel == channels else {
                throw CressetError(
                    .shape, op: "aten::prelu",
                    "\(x.summary) has \(channels) channels, which does not fit \(weight.numel) weights of shape "
                        + "\(weight.shape)")
            }
            guard weight.dtype == x.dtype else {
                throw CressetError(
                    .dtype, op: "aten::prelu", "the dtypes must be equal: \(x.summary), \(weight.summary)")
            }
            return ResultType(x.shape, x.dtype)
        },
        body: { (a) throws(CressetError) in
            let (x, weight) = (try a.tensor("self"), try a.tensor("weight"))
            var shape = Shape(repeating: 1, count: x.ndim)
            if x.ndim > 1 { shape[1] = weight.numel }
            return try preluKernel(x, weight.reshape(shape))
        })

    /// The first half of a dim times the sigmoid of the second.
    static let glu = Composed(
        "glu(Tensor self, int dim=-1) -> Tensor", of: ["pointwise"],
        samples: { g in
            let cases: [(Shape, Int)] = [([5, 6], -1), ([4, 5], 0), ([3, 4, 5], 1), ([0, 4], 1), ([6], 0)]
            return cases.map { Sample([.tensor(g.tensor($0)), Value($1)]) }
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([2, 3])), -1], "must be even", "3"),
                ErrorSample([.tensor(g.tensor([])), 0], "at least 1 dim"),
            ]
        },
        type: { (a) throws(CressetError) in
            let x = try a.tensor("self")
            guard x.ndim > 0 else {
                throw CressetError(.shape, op: "aten::glu", "needs at least 1 dim, got \(x.summary)")
            }
            let d = try x.dim(try a.int("dim"), op: "aten::glu")
            var shape = x.shape
            guard shape[d] % 2 == 0 else {
                throw CressetError(
                    .shape, op: "aten::glu", "dim \(d) is halved, so its size must be even, got \(x.summary)")
            }
            shape[d] /= 2
            return ResultType(shape, x.dtype)
        },
        body: { (a) throws(CressetError) in
            let x = try a.tensor("self")
            let d = try x.dim(try a.int("dim"), op: "aten::glu")
            let half = x.shape[d] / 2
            return try mul(x.narrow(d, 0, half), try sigmoid(x.narrow(d, half, half)))
        })

    static let piecewiseActivations: [Operator] =
        [relu6, hardswish, hardsigmoid, selu].map(\.declaration)
        + [hardtanh, hardshrink, softshrink, threshold, elu, celu].map(\.declaration)
        + [prelu, glu].map(\.declaration)
}

extension Tensor {
    /// x held within the two numbers (`torch.nn.functional.hardtanh`).
    public func hardtanh(minVal: Scalar = -1, maxVal: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in try Ops.hardtanh(self, numbers: minVal, maxVal) }
    }
    /// The same as `hardtanh`, in place; with a number.
    @discardableResult public func hardtanh_(minVal: Scalar = -1, maxVal: Scalar = 1) -> Tensor {
        inPlace(Ops.hardtanh, numbers: minVal, maxVal)
    }
    /// x held within 0 and 6 (`torch.nn.functional.relu6`).
    public func relu6() -> Tensor { trapping { () throws(CressetError) in try Ops.relu6(self) } }
    /// The same as `relu6`, in place.
    @discardableResult public func relu6_() -> Tensor { inPlace(Ops.relu6) }
    /// x·hardsigmoid(x) (`torch.nn.functional.hardswish`).
    public func hardswish() -> Tensor { trapping { () throws(CressetError) in try Ops.hardswish(self) } }
    /// The same as `hardswish`, in place.
    @discardableResult public func hardswish_() -> Tensor { inPlace(Ops.hardswish) }
    /// 0 up to -3, 1 from 3 on, straight between (`torch.nn.functional.hardsigmoid`).
    public func hardsigmoid() -> Tensor { trapping { () throws(CressetError) in try Ops.hardsigmoid(self) } }
    /// The same as `hardsigmoid`, in place.
    @discardableResult public func hardsigmoid_() -> Tensor { inPlace(Ops.hardsigmoid) }
    /// 0 within ±lambd, x beyond (`torch.nn.functional.hardshrink`).
    public func hardshrink(_ lambd: Double = 0.5) -> Tensor {
        trapping { () throws(CressetError) in try Ops.hardshrink(self, numbers: .double(lambd)) }
    }
    /// Nearer to 0 by lambd, 0 within ±lambd (`torch.nn.functional.softshrink`).
    public func softshrink(_ lambd: Double = 0.5) -> Tensor {
        trapping { () throws(CressetError) in try Ops.softshrink(self, numbers: .double(lambd)) }
    }
    /// `value` where x is not above the threshold (`torch.nn.functional.threshold`).
    public func threshold(_ threshold: Scalar, _ value: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.threshold(self, numbers: threshold, value) }
    }
    /// The same as `threshold`, in place; with a number.
    @discardableResult public func threshold_(_ threshold: Scalar, _ value: Scalar) -> Tensor {
        inPlace(Ops.threshold, numbers: threshold, value)
    }
    /// x for positive x, alpha(eˣ - 1) otherwise (`torch.nn.functional.elu`).
    public func elu(alpha: Double = 1) -> Tensor {
        trapping { () throws(CressetError) in try Ops.elu(self, numbers: .double(alpha), 1, 1) }
    }
    /// The same as `elu`, in place.
    @discardableResult public func elu_(alpha: Double = 1) -> Tensor { inPlace(Ops.elu, numbers: .double(alpha), 1, 1) }
    /// x for positive x, alpha(e^(x/alpha) - 1) otherwise (`torch.nn.functional.celu`).
    public func celu(alpha: Double = 1) -> Tensor {
        trapping { () throws(CressetError) in try Ops.celu(self, numbers: .double(alpha)) }
    }
    /// The same as `celu`, in place.
    @discardableResult public func celu_(alpha: Double = 1) -> Tensor { inPlace(Ops.celu, numbers: .double(alpha)) }
    /// The self-normalising elu (`torch.nn.functional.selu`).
    public func selu() -> Tensor { trapping { () throws(CressetError) in try Ops.selu(self) } }
    /// The same as `selu`, in place.
    @discardableResult public func selu_() -> Tensor { inPlace(Ops.selu) }
    /// x for positive x, weight·x otherwise (`torch.nn.functional.prelu`).
    public func prelu(_ weight: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.prelu(.tensor(self), .tensor(weight)) }
    }
    /// The first half of a dim times the sigmoid of the second (`torch.nn.functional.glu`).
    public func glu(dim: Int = -1) -> Tensor {
        trapping { () throws(CressetError) in try Ops.glu(.tensor(self), Value(dim)) }
    }
}
