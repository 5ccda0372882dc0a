import BackendKit

/// The larger, the smaller, what lies between, and steps.
extension Ops {
    /// The larger of two, and of a number and NaN the number. At a tie all of the gradient is the first's,
    /// as in PyTorch.
    static let fmax = Binary("fmax", .promote, overloads: ("", nil)) { a, b, t in
        if t == .bool { return a | b }
        return a.isFloat ? select((b .<= a) | isNaN(b), a, b) : Cresset.maximum(a, b)
    }
    static let fmin = Binary("fmin", .promote, overloads: ("", nil)) { a, b, t in
        if t == .bool { return a & b }
        return a.isFloat ? select((a .<= b) | isNaN(b), a, b) : Cresset.minimum(a, b)
    }
    /// 0 below 0, 1 above, the second operand at 0.
    static let heaviside = Binary(
        "heaviside", .promote, overloads: ("", nil), second: "values", samples: (-2...2, -4...4), differentiable: false
    ) { a, b, t in
        let zero = Expr(0, t.arithmetic)
        if t == .bool { return a | b }
        return select(a .== zero, b, (zero .< a).cast(to: t.arithmetic))
    }

    /// At a tie all of the gradient is the tensor's, as in PyTorch.
    static let clampMinTensor = Parametric(
        "clamp_min.Tensor(Tensor self, Tensor min) -> Tensor", .promote, .real,
        // At an end all of the gradient passes, as in PyTorch; the symbolic one shares that of a tie.
        derivative: { i, c in
            let inside = c.inputs[1] .<= c.inputs[0]
            let zero = Expr(0, c.type)
            return i == 0 ? select(inside, c.grad, zero) : select(c.inputs[0] .< c.inputs[1], c.grad, zero)
        }
    ) { larger($0.inputs[0], $0.inputs[1]) }
    static let clampMaxTensor = Parametric(
        "clamp_max.Tensor(Tensor self, Tensor max) -> Tensor", .promote, .real,
        // At an end all of the gradient passes, as in PyTorch; the symbolic one shares that of a tie.
        derivative: { i, c in
            let inside = c.inputs[0] .<= c.inputs[1]
            let zero = Expr(0, c.type)
            return i == 0 ? select(inside, c.grad, zero) : select(c.inputs[1] .< c.inputs[0], c.grad, zero)
        }
    ) { smaller($0.inputs[0], $0.inputs[1]) }
    static let clampMinScalar = Parametric(
        "clamp_min(Tensor self, Scalar min) -> Tensor", .promote, .real, types: .tensorsAndNumbers, numbers: [[1]],
        // At an end all of the gradient passes, as in PyTorch; the symbolic one shares that of a tie.
        derivative: { _, c in select(c.scalars[0] .<= c.inputs[0], c.grad, Expr(0, c.type)) }
    ) { larger($0.inputs[0], $0.scalars[0]) }
    static let clampMaxScalar = Parametric(
        "clamp_max(Tensor self, Scalar max) -> Tensor", .promote, .real, types: .tensorsAndNumbers, numbers: [[1]],
        // At an end all of the gradient passes, as in PyTorch; the symbolic one shares that of a tie.
        derivative: { _, c in select(c.inputs[0] .<= c.scalars[0], c.grad, Expr(0, c.type)) }
    ) { smaller($0.inputs[0], $0.scalars[0]) }

    private static func larger(_ a: Expr, _ b: Expr) -> Expr { a.type == .bool ? a | b : Cresset.maximum(a, b) }
    private static func smaller(_ a: Expr, _ b: Expr) -> Expr { a.type == .bool ? a & b : Cresset.minimum(a, b) }

    static let extremes: [Operator] =
        [clampMinTensor, clampMaxTensor, clampMinScalar, clampMaxScalar].map(\.declaration) + [TensorClamp.declaration]
}

/// clamp between tensors, either of which may be absent.
enum TensorClamp {
    private static func kernel(
        _ schema: @escaping Pointwise.Schema, _ derivative: @escaping @Sendable (Int, Pointwise.Context) -> Expr?,
        _ body: @escaping Pointwise.Body
    ) -> Pointwise { Pointwise("aten::clamp.Tensor", .promote, derivative: derivative, schema: schema, body: body) }

    /// min(max(x, low), high), so that high wins where low is above it.
    private static let both = kernel({ x, _ in x.map(Value.tensor) }) { i, c in
        let (x, low, high) = (c.inputs[0], c.inputs[1], c.inputs[2])
        let passes =
            switch i {
            case 0: (low .<= x) & (x .<= high)
            case 1: (low .< high) & (x .< low)
            default: (high .< low) | (high .< x)
            }
        return select(passes, c.grad, Expr(0, c.type))
    } _: { c in
        let (x, low, high) = (c.inputs[0], c.inputs[1], c.inputs[2])
        return c.type == .bool ? (x | low) & high : minimum(maximum(x, low), high)
    }
    private static let below = kernel({ x, _ in [.tensor(x[0]), .tensor(x[1]), .none] }) { i, c in
        Ops.clampMinTensor.kernel.derivative?(i, c)
    } _: {
        Ops.clampMinTensor.kernel.body($0)
    }
    private static let above = kernel({ x, _ in [.tensor(x[0]), .none, .tensor(x[1])] }) { i, c in
        Ops.clampMaxTensor.kernel.derivative?(i, c)
    } _: {
        Ops.clampMaxTensor.kernel.body($0)
    }

    static func select(_ low: Tensor?, _ high: Tensor?) throws(CressetError) -> (Pointwise, [Tensor]) {
        switch (low, high) {
        case (let low?, let high?): return (both, [low, high])
        case (let low?, nil): return (below, [low])
        case (nil, let high?): return (above, [high])
        case (nil, nil):
            throw CressetError(.argument, op: "aten::clamp.Tensor", "at least one of min and max must be given")
        }
    }

    static func clamp(_ x: Tensor, _ low: Tensor?, _ high: Tensor?) throws(CressetError) -> Tensor {
        let (kernel, others) = try select(low, high)
        return try kernel.run([x] + others)
    }

    private static func select(_ passes: Expr, _ x: Expr, _ y: Expr) -> Expr { Cresset.select(passes, x, y) }

    static let declaration = Operator(
        "clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor", dtypes: .real,
        composition: ["pointwise"],
        samples: { g in
            let shapes: [(Shape, Shape)] = [([5, 7], [7]), ([3, 1, 5], [4, 1]), ([], []), ([0, 3], [3])]
            return shapes.flatMap { x, y in
                [
                    Sample([.tensor(g.tensor(x)), .tensor(g.tensor(y, -2, 0)), .tensor(g.tensor(y, 0, 2))]),
                    Sample([.tensor(g.tensor(x)), .tensor(g.tensor(y)), .none]),
                    Sample([.tensor(g.tensor(x)), .none, .tensor(g.tensor(y))]),
                ]
            }
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([2])), .none, .none], "at least one of min and max"),
                ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([4])), .none], "do not broadcast"),
            ]
        },
        call: { (a) throws(CressetError) in
            let (low, high) = (try a.optionalTensor("min"), try a.optionalTensor("max"))
            return [.tensor(try clamp(try a.tensor("self"), low, high))]
        })
}

extension Tensor {
    /// The larger of two; of a number and NaN the number (`torch.fmax`).
    public func fmax(_ other: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.fmax(self, other) } }
    /// The smaller of two; of a number and NaN the number (`torch.fmin`).
    public func fmin(_ other: Tensor) -> Tensor { trapping { () throws(CressetError) in try Ops.fmin(self, other) } }
    /// The larger of two, as `maximum` (`torch.max`).
    public func max(_ other: Tensor) -> Tensor { maximum(other) }
    /// The smaller of two, as `minimum` (`torch.min`).
    public func min(_ other: Tensor) -> Tensor { minimum(other) }
    /// 0 below 0, 1 above, `values` at 0 (`torch.heaviside`).
    public func heaviside(_ values: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            guard dtype == values.dtype || isInvalid || values.isInvalid else {
                throw CressetError(
                    .dtype, op: "aten::heaviside", "the dtypes must be equal: \(summary), \(values.summary)")
            }
            return try Ops.heaviside(self, values)
        }
    }
    /// The same as `heaviside`, in place.
    @discardableResult public func heaviside_(_ values: Tensor) -> Tensor {
        inPlace("aten::heaviside_", Ops.heaviside, values)
    }
    /// min where less, max where more (`torch.clamp`).
    public func clamp(min: Tensor? = nil, max: Tensor? = nil) -> Tensor {
        trapping { () throws(CressetError) in try TensorClamp.clamp(self, min, max) }
    }
    /// The same as `clamp`, in place.
    @discardableResult public func clamp_(min: Tensor? = nil, max: Tensor? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            let (kernel, others) = try TensorClamp.select(min, max)
            return inPlace("aten::clamp_.Tensor", kernel, others)
        }
    }
    /// The larger of the element and `min` (`torch.clamp_min`).
    public func clampMin(_ min: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.clampMinTensor(self, min) }
    }
    /// The same as `clampMin` of a tensor, with a number.
    public func clampMin(_ min: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.clampMinScalar(self, numbers: min) }
    }
    /// The same as `clampMin`, in place.
    @discardableResult public func clampMin_(_ min: Tensor) -> Tensor { inPlace(Ops.clampMinTensor, min) }
    /// The same as `clampMin`, in place; with a number.
    @discardableResult public func clampMin_(_ min: Scalar) -> Tensor { inPlace(Ops.clampMinScalar, numbers: min) }
    /// The smaller of the element and `max` (`torch.clamp_max`).
    public func clampMax(_ max: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.clampMaxTensor(self, max) }
    }
    /// The same as `clampMax` of a tensor, with a number.
    public func clampMax(_ max: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.clampMaxScalar(self, numbers: max) }
    }
    /// The same as `clampMax`, in place.
    @discardableResult public func clampMax_(_ max: Tensor) -> Tensor { inPlace(Ops.clampMaxTensor, max) }
    /// The same as `clampMax`, in place; with a number.
    @discardableResult public func clampMax_(_ max: Scalar) -> Tensor { inPlace(Ops.clampMaxScalar, numbers: max) }
}
