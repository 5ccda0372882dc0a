import BackendKit

/// Writing where a mask is true.
enum Masking {
    static func check(_ mask: Tensor, _ x: Tensor, op: String) throws(CressetError) {
        try x.checkValid(op)
        try mask.checkValid(op)
        guard mask.dtype == .bool else {
            throw CressetError(.dtype, op: op, "the mask must be bool, got \(mask.summary)")
        }
        guard x.shape.broadcast(with: mask.shape) != nil else {
            throw CressetError(.shape, op: op, "the shapes do not broadcast: \(x.summary), \(mask.summary)")
        }
    }

    /// The element of a 0-d tensor where the mask is true.
    static func fill(_ x: Tensor, _ mask: Tensor, _ value: Tensor) throws(CressetError) -> Tensor {
        let op = "aten::masked_fill.Tensor"
        try check(mask, x, op: op)
        try value.checkValid(op)
        guard value.ndim == 0 else {
            throw CressetError(.shape, op: op, "the value must be 0-d, got \(value.summary)")
        }
        let inputs = try Tensor.onOneDevice([x, mask, value], op: op)
        return try Selection.whereSelf(inputs[1], inputs[2].converted(to: x.dtype), inputs[0])
    }

    private static let chosen = PointwiseGroup("aten::masked_scatter") { x, _ in
        [select(x[0], x[1] - Expr(integer: 1, .i64), Expr(integer: 0, .i64))]
    }

    /// The elements of `source`, in order, where the mask is true.
    static func scatter(_ x: Tensor, _ mask: Tensor, _ source: Tensor) throws(CressetError) -> Tensor {
        let op = "aten::masked_scatter"
        try check(mask, x, op: op)
        try source.checkValid(op)
        guard source.dtype == x.dtype else {
            throw CressetError(.dtype, op: op, "tensor and source must have one dtype: \(x.summary), \(source.summary)")
        }
        guard let shape = x.shape.broadcast(with: mask.shape) else { return x }
        let inputs = try Tensor.onOneDevice([x, mask, source], op: op)
        let wide = try inputs[0].expanded(shape, op: op)
        let where_ = try inputs[1].expanded(shape, op: op)
        if shape.elementCount == 0 { return wide.clone() }
        let counts = try Scans.cumsum(
            try where_.detach().reshaped([shape.elementCount], op: op), dim: 0, dtype: .int64
        ).reshaped(shape, op: op)
        let wanted = x.isMeta ? 0 : counts.reshape([-1]).narrow(0, shape.elementCount - 1, 1).itemInt()
        guard wanted <= source.numel else {
            throw CressetError(
                .shape, op: op, "the mask is true \(wanted) times, the source \(source.summary) has fewer elements")
        }
        if source.numel == 0 { return wide.clone() }
        let places = try Tensor.empty(shape, .int64, on: x.runtime, op: op)
        try chosen.run([where_.detach(), counts], into: [places])
        return try Selection.whereSelf(where_, inputs[2].take(places), wide)
    }
}

extension Tensor {
    /// A copy with a 0-d tensor's element where the mask is true.
    public func maskedFill(_ mask: Tensor, _ value: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Masking.fill(self, mask, value) }
    }
    /// A copy with the elements of `source`, in order, where the mask is true.
    public func maskedScatter(_ mask: Tensor, _ source: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Masking.scatter(self, mask, source) }
    }
    /// The elements of `source` are written, in order, where the mask is true.
    @discardableResult
    public func maskedScatter_(_ mask: Tensor, _ source: Tensor) -> Tensor {
        inPlace("aten::masked_scatter_") { $0.maskedScatter(mask, source) }
    }
    /// x where the condition is true, a number elsewhere.
    public static func `where`(_ condition: Tensor, _ x: Tensor, _ y: Scalar) -> Tensor {
        Tensor.where(condition, x, number(y, beside: x))
    }
    /// A number where the condition is true, y elsewhere.
    public static func `where`(_ condition: Tensor, _ x: Scalar, _ y: Tensor) -> Tensor {
        Tensor.where(condition, number(x, beside: y), y)
    }
    /// One number where the condition is true, another elsewhere.
    public static func `where`(_ condition: Tensor, _ x: Scalar, _ y: Scalar) -> Tensor {
        Tensor.where(condition, Tensor(x, device: condition.device), Tensor(y, device: condition.device))
    }
    /// Coordinates of the elements that are not zero, a vector for each dim.
    public static func `where`(_ condition: Tensor) -> [Tensor] { condition.atleast1d().nonzero().unbind(dim: 1) }

    /// A number as a 0-d tensor that promotes as the number does.
    private static func number(_ value: Scalar, beside x: Tensor) -> Tensor {
        let dtype = Promotion.result([x], [value])
        return .full([], value, dtype: dtype, device: x.device)
    }
}

// MARK: Declarations

extension Operators {
    private static let maskShapes: [(Shape, Shape)] = [([4, 3], [4, 3]), ([3], [2, 1]), ([], []), ([0, 3], [3])]
    private static let conditions: [(Shape, Shape)] = [([4, 3], [3]), ([], []), ([0, 3], [3])]

    static let masking: [Operator] = [
        .composed(
            "masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor", of: ["aten::where.self"],
            samples: { g in
                maskShapes.map {
                    Sample([.tensor(g.tensor($0)), .tensor(g.tensor($1, dtype: .bool)), .tensor(g.tensor([]))])
                }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").maskedFill(try a.tensor("mask"), try a.tensor("value")))]
            }
        ).refusing { g in
            let (x, mask) = (Value.tensor(g.tensor([2, 3])), Value.tensor(g.tensor([2, 3], dtype: .bool)))
            return [
                ErrorSample([x, mask, .tensor(g.tensor([2]))], "[2]"),
                ErrorSample([x, .tensor(g.tensor([4], dtype: .bool)), .tensor(g.tensor([]))], "[4]", "[2, 3]"),
                ErrorSample(
                    [x, .tensor(g.tensor([2, 3], dtype: .float32)), .tensor(g.tensor([]))], "bool", "float32"),
            ]
        },
        .composed(
            "masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor",
            of: ["aten::cumsum", "aten::take", "aten::where.self"],
            samples: { g in
                maskShapes.map {
                    Sample([.tensor(g.tensor($0)), .tensor(g.tensor($1, dtype: .bool)), .tensor(g.tensor([14]))])
                }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").maskedScatter(try a.tensor("mask"), try a.tensor("source")))]
            }
        ).refusing { g in
            let (x, source) = (Value.tensor(g.tensor([2, 3])), Value.tensor(g.tensor([6])))
            let all = Value.tensor(Tensor.ones([2, 3], dtype: .bool, device: .reference))
            return [
                ErrorSample([x, .tensor(g.tensor([4], dtype: .bool)), source], "[4]", "[2, 3]"),
                ErrorSample([x, .tensor(g.tensor([2, 3], dtype: .float32)), source], "bool", "float32"),
                ErrorSample([x, all, .tensor(g.tensor([5]))], "6", "5"),
            ]
        },
        .composed(
            "where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor", of: ["aten::where.self"],
            samples: { g in
                conditions.map { Sample([.tensor(g.tensor($0, dtype: .bool)), .tensor(g.tensor($1)), 2]) }
            },
            call: { (a) throws(CressetError) in
                [.tensor(Tensor.where(try a.tensor("condition"), try a.tensor("self"), try a.scalar("other")))]
            }
        ).refusing { g in
            let x = Value.tensor(g.tensor([2, 3]))
            return [
                ErrorSample([.tensor(g.tensor([4], dtype: .bool)), x, 1], "broadcast", "[4]", "[2, 3]"),
                ErrorSample([.tensor(g.tensor([2, 3], dtype: .float32)), x, 1], "bool", "float32"),
            ]
        },
        .composed(
            "where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor", of: ["aten::where.self"],
            samples: { g in
                conditions.map { Sample([.tensor(g.tensor($0, dtype: .bool)), 2, .tensor(g.tensor($1))]) }
            },
            call: { (a) throws(CressetError) in
                [.tensor(Tensor.where(try a.tensor("condition"), try a.scalar("self"), try a.tensor("other")))]
            }
        ).refusing { g in
            [
                ErrorSample(
                    [.tensor(g.tensor([4], dtype: .bool)), 1, .tensor(g.tensor([2, 3]))], "broadcast", "[4]", "[2, 3]")
            ]
        },
        .composed(
            "where.Scalar(Tensor condition, Scalar self, Scalar other) -> Tensor", [.bool], of: ["aten::where.self"],
            isDifferentiable: false,
            samples: { g in conditions.map { Sample([.tensor(g.tensor($0.0, dtype: .bool)), 2, 1.5]) } },
            call: { (a) throws(CressetError) in
                [.tensor(Tensor.where(try a.tensor("condition"), try a.scalar("self"), try a.scalar("other")))]
            }),
        .composed(
            "where(Tensor condition) -> Tensor[]", of: ["aten::nonzero"], isDifferentiable: false,
            samples: { $0.samples([([4, 3], []), ([], []), ([0, 3], [])]) },
            call: { (a) throws(CressetError) in [.tensors(Tensor.where(try a.tensor("condition")))] }),
    ]
}
