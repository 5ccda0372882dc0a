import BackendKit

/// How `div` rounds its quotients.
public enum RoundingMode: String, Sendable {
    /// Towards zero.
    case trunc
    /// Down.
    case floor
}

/// Division with a rounding mode, and subtraction the other way round.
enum Division {
    /// The kernels of one rounding mode: with a tensor and with a number.
    struct Kernels: Sendable {
        let tensor: Pointwise
        let scalar: Pointwise

        init(
            _ mode: String?, _ rule: TypeRule, derivative: (@Sendable (Int, Pointwise.Context) -> Expr?)? = nil,
            _ body: @escaping @Sendable (Expr, Expr, DType) -> Expr
        ) {
            let last: Value = mode.map(Value.string) ?? .none
            tensor = Pointwise(
                "aten::div.Tensor_mode", rule, derivative: derivative,
                schema: { x, _ in [.tensor(x[0]), .tensor(x[1]), last] }
            ) { body($0.inputs[0], $0.inputs[1], $0.dtype) }
            scalar = Pointwise(
                "aten::div.Scalar_mode", rule, derivative: derivative,
                schema: { x, s in [.tensor(x[0]), .scalar(s[0]), last] }
            ) { body($0.inputs[0], $0.scalars[0], $0.dtype) }
        }
    }

    private static let exact = Kernels(nil, .promoteFloat) { a, b, _ in a / b }
    private static let trunc = Kernels(
        "trunc", .promote,
        // Zero almost everywhere, and PyTorch says zero also where b is 0.
        derivative: { _, c in Expr(0, c.type) }
    ) { a, b, t in
        // The quotient is rounded to the dtype first, as it is in PyTorch.
        a.isFloat ? Cresset.trunc((a / b).narrow(to: t)) : a / b
    }
    private static let floor = Kernels(
        "floor", .promote,
        // The same.
        derivative: { _, c in Expr(0, c.type) }
    ) { a, b, _ in
        Ops.floorQuotient(a, b)
    }

    static func kernels(_ mode: String?) throws(CressetError) -> Kernels {
        switch mode {
        case nil: return exact
        case "trunc": return trunc
        case "floor": return floor
        case let mode?:
            throw CressetError(
                .argument, op: "aten::div", "rounding_mode must be None, \"trunc\" or \"floor\", not \"\(mode)\"")
        }
    }

    static func check(_ dtype: DType, _ mode: String?, op: String, _ x: Tensor) throws(CressetError) {
        guard dtype != .bool || mode == nil || x.isInvalid else {
            throw CressetError(.dtype, op: op, "a rounded quotient is not defined for bool: \(x.summary)")
        }
    }

    static func divide(_ x: Tensor, _ y: Tensor, _ mode: String?) throws(CressetError) -> Tensor {
        let kernel = try kernels(mode).tensor
        try check(Promotion.result([x, y]), mode, op: kernel.text, x)
        return try kernel(x, y)
    }

    static func divide(_ x: Tensor, _ y: Scalar, _ mode: String?) throws(CressetError) -> Tensor {
        let kernel = try kernels(mode).scalar
        try check(Promotion.result([x], [y]), mode, op: kernel.text, x)
        return try kernel(x, scalars: y)
    }

    private static let modes: [Value] = [.none, "trunc", "floor"]

    private static func declaration(
        _ overload: String, _ other: String, _ second: @escaping Second, _ call: @escaping Call
    )
        -> Operator
    {
        Operator(
            "div.\(overload)(Tensor self, \(other) other, *, str? rounding_mode) -> Tensor", dtypes: .number,
            composition: ["pointwise"],
            samples: { g in
                let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]
                return modes.flatMap { mode in
                    shapes.map { Sample([.tensor(g.tensor($0, -9, 9)), second(&g, $0), mode]) }
                }
            },
            errors: { g in
                let x = g.tensor([2])
                let bool = Value.tensor(g.tensor([2], dtype: .bool))
                return [
                    ErrorSample([.tensor(x), second(&g, [2]), "up"], "rounding_mode must be", "up"),
                    ErrorSample(
                        [bool, overload == "Tensor_mode" ? bool : true, "floor"], "is not defined for bool"),
                ]
            },
            call: { (a) throws(CressetError) in
                let mode = try a.optionalString("rounding_mode")
                return [.tensor(try call(try a.tensor("self"), a, mode))]
            })
    }
    private typealias Second = @Sendable (inout SampleMaker, Shape) -> Value
    private typealias Call = @Sendable (Tensor, Arguments, String?) throws(CressetError) -> Tensor

    static let operators: [Operator] = [
        declaration("Tensor_mode", "Tensor", { g, shape in .tensor(g.tensor(shape, 1, 5)) }) {
            (x, a, mode) throws(CressetError) in try divide(x, try a.tensor("other"), mode)
        },
        declaration("Scalar_mode", "Scalar", { _, _ in 2 }) { (x, a, mode) throws(CressetError) in
            try divide(x, try a.scalar("other"), mode)
        },
    ]
}

extension Ops {
    /// b - alpha·a
    static let rsub = Binary(
        "rsub", .promote, .number, strict: true, scaled: rsubScaled, complex: .value { $1 - $0 }
    ) { a, b, _ in
        b - a
    }
    private static let rsubScaled = Pointwise(
        "aten::rsub.Tensor", .promote, complex: .value { $0.inputs[1] - $0.scalars[0] * $0.inputs[0] }
    ) { $0.inputs[1] - $0.scalars[0] * $0.inputs[0] }
}

extension Tensor {
    /// Division rounded as the mode says; integers stay integers (`torch.div`).
    public func div(_ other: Tensor, roundingMode: RoundingMode) -> Tensor {
        trapping { () throws(CressetError) in try Division.divide(self, other, roundingMode.rawValue) }
    }
    /// The same as `div` of a tensor, with a number.
    public func div(_ other: Scalar, roundingMode: RoundingMode) -> Tensor {
        trapping { () throws(CressetError) in try Division.divide(self, other, roundingMode.rawValue) }
    }
    /// Division rounded as the mode says, in place (`Tensor.div_`).
    @discardableResult public func div_(_ other: Tensor, roundingMode: RoundingMode) -> Tensor {
        trapping { () throws(CressetError) in
            let kernel = try Division.kernels(roundingMode.rawValue).tensor
            try Division.check(Promotion.result([self, other]), roundingMode.rawValue, op: kernel.text, self)
            return inPlace("aten::div_.Tensor_mode", kernel, [other])
        }
    }
    /// The same as `div`, in place; with a number.
    @discardableResult public func div_(_ other: Scalar, roundingMode: RoundingMode) -> Tensor {
        trapping { () throws(CressetError) in
            let kernel = try Division.kernels(roundingMode.rawValue).scalar
            try Division.check(Promotion.result([self], [other]), roundingMode.rawValue, op: kernel.text, self)
            return inPlace("aten::div_.Scalar_mode", kernel, [], [other])
        }
    }
    /// Division rounded down, in place (`Tensor.floor_divide_`).
    @discardableResult public func floorDivide_(_ other: Tensor) -> Tensor {
        inPlace("aten::floor_divide_.Tensor", Ops.floorDivide, other)
    }
    /// The same as `floorDivide`, in place; with a number.
    @discardableResult public func floorDivide_(_ other: Scalar) -> Tensor {
        inPlace("aten::floor_divide_.Scalar", Ops.floorDivide, other)
    }
    /// True division, as `div` (`torch.true_divide`).
    public func trueDivide(_ other: Tensor) -> Tensor { div(other) }
    /// The same as `trueDivide` of a tensor, with a number.
    public func trueDivide(_ other: Scalar) -> Tensor { div(other) }
    /// other - alpha·self (`torch.rsub`).
    public func rsub(_ other: Tensor, alpha: Scalar = 1) -> Tensor { other.sub(self, alpha: alpha) }
    /// The same as `rsub` of a tensor, with a number.
    public func rsub(_ other: Scalar, alpha: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in
            try Ops.rsub(alpha.isOne ? self : try Ops.mul(self, alpha), other)
        }
    }
    /// The same as `remainder`, in place.
    @discardableResult public func remainder_(_ other: Tensor) -> Tensor {
        inPlace("aten::remainder_.Tensor", Ops.remainder, other)
    }
    /// The same as `remainder`, in place; with a number.
    @discardableResult public func remainder_(_ other: Scalar) -> Tensor {
        inPlace("aten::remainder_.Scalar", Ops.remainder, other)
    }
    /// The same as `fmod`, in place.
    @discardableResult public func fmod_(_ other: Tensor) -> Tensor { inPlace("aten::fmod_.Tensor", Ops.fmod, other) }
    /// The same as `fmod`, in place; with a number.
    @discardableResult public func fmod_(_ other: Scalar) -> Tensor { inPlace("aten::fmod_.Scalar", Ops.fmod, other) }
    /// The same as `pow`, in place.
    @discardableResult public func pow_(_ exponent: Tensor) -> Tensor {
        inPlace("aten::pow_.Tensor", Ops.pow, exponent)
    }
    /// The same as `pow`, in place; with a number.
    @discardableResult public func pow_(_ exponent: Scalar) -> Tensor {
        inPlace("aten::pow_.Scalar", Ops.pow, exponent)
    }
    /// The same as `atan2`, in place.
    @discardableResult public func atan2_(_ other: Tensor) -> Tensor { inPlace("aten::atan2_", Ops.atan2, other) }
}
