import BackendKit

/// Losses of scores of classes against indices of classes.
enum ClassLosses {
    /// Throws where scores are not [N, C] or [C], or classes not int64; gives N and C, 0 for no batch dim.
    private static func sizes(_ x: Tensor, _ op: String) throws(CressetError) -> (batch: [Int], classes: Int) {
        // (A tensor without dims is one class of no batch.)
        if x.ndim == 0 { return ([], 1) }
        guard x.ndim <= 2, x.size(-1) > 0 else {
            throw CressetError(
                .shape, op: op, "the scores must be [N, C] or [C] with at least one class, got \(x.summary)")
        }
        return (Array(x.shape.dropLast()), x.size(-1))
    }

    private static func check(_ target: Tensor, _ op: String) throws(CressetError) {
        guard target.dtype == .int64 else {
            throw CressetError(.dtype, op: op, "the target must hold class indices in int64, got \(target.summary)")
        }
    }

    /// max(0, margin - x_y + x_j)ᵖ, 0 for the target's own class; p is 1 or 2.
    private static func hinge(isSquare: Bool) -> Pointwise {
        // (The classes keep their dtype.)
        Pointwise("aten::multi_margin_loss", .promote, promotes: { $0 < 2 }, schema: nil) { c in
            let z = c.scalars[0] - c.inputs[1] + c.inputs[0]
            let loss = select(0 .< z, isSquare ? z * z : z, Expr(0, c.type))
            return select(c.inputs[2] .== c.inputs[3], Expr(0, c.type), loss)
        }
    }
    private static let (straight, squared) = (hinge(isSquare: false), hinge(isSquare: true))

    static let multiMargin = Composed(
        "multi_margin_loss(Tensor self, Tensor target, Scalar p=1, Scalar margin=1, Tensor? weight=None, int reduction=1) -> Tensor",
        of: ["gather", "pointwise", "reduce"],
        samples: { g in
            let shapes: [(Shape, Shape)] = [([5, 7], [5]), ([6], []), ([0, 3], [0]), ([], [])]
            return [1, 2].flatMap { p in
                shapes.enumerated().map { i, shapes in
                    let target = g.indices(shapes.1, below: Swift.min(3, shapes.0.last ?? 1))
                    let weight: Value = p == 2 ? .tensor(g.tensor([shapes.0.last ?? 1], 0.5, 2)) : .none
                    return Sample([
                        .tensor(g.tensor(shapes.0)), .tensor(target), Value(p), .scalar(.double(0.75)), weight,
                        Value(i % 3),
                    ])
                }
            }
        },
        errors: { g in
            let (x, y) = (Value.tensor(g.tensor([2, 3])), Value.tensor(g.indices([2], below: 3)))
            return [
                ErrorSample([x, y, 3], "p must be 1 or 2", "3"),
                ErrorSample([x, .tensor(g.indices([4], below: 3))], "target", "[4]"),
                ErrorSample([x, .tensor(g.tensor([2], dtype: .float32))], "int64"),
            ]
        },
        type: { (a) throws(CressetError) in
            let (x, target) = (try a.tensor("self"), try a.tensor("target"))
            let (batch, classes) = try sizes(x, a.op)
            try check(target, a.op)
            let p = try a.double("p")
            guard p == 1 || p == 2 else { throw a.wrong("p must be 1 or 2, got \(p)") }
            guard Array(target.shape) == batch || batch.isEmpty && target.shape == [1] else {
                throw CressetError(
                    .shape, op: a.op, "the target \(target.shape) must have the shape \(batch) of the batch")
            }
            if let weight = try a.optionalTensor("weight"), weight.shape != [classes] {
                throw CressetError(
                    .shape, op: a.op, "the weights \(weight.shape) must be one for each of \(classes) classes")
            }
            return ResultType(try a.reduction() == .none ? Shape(batch) : [], x.dtype)
        },
        body: { (a) throws(CressetError) in
            var x = try a.tensor("self")
            if x.ndim == 0 { x = x.unsqueeze(0) }
            let target = try a.tensor("target").reshape(Shape(Array(x.shape.dropLast()) + [1]))
            let own = try Indexing.gather(x, x.ndim - 1, target, for: a.op)
            let classes = Tensor.arange(Scalar(x.size(-1)), device: x.device)
            let kernel = try a.double("p") == 1 ? straight : squared
            var losses = try kernel.run([x, own, classes, target], [try a.scalar("margin")], promoting: [])
            if let weight = try a.optionalTensor("weight") {
                losses = losses * weight.indexSelect(dim: 0, index: target.flatten()).reshape(target.shape)
            }
            let each = try Reductions.sum(losses, dims: [x.ndim - 1], keepdim: false) / Scalar(x.size(-1))
            return Losses.reduce(each, try a.reduction())
        })

    /// max(0, 1 - x_k + x_j) where k is a target and j none.
    private static let pairHinge = Pointwise(
        "aten::multilabel_margin_loss", .promote, promotes: { $0 < 2 }, schema: nil
    ) { c in
        let z = 1 - c.inputs[0] + c.inputs[1]
        let counts = c.inputs[2].cast(to: .bool) & !c.inputs[3].cast(to: .bool)
        return select(counts & (0 .< z), z, Expr(0, c.type))
    }

    static let multilabelMargin = Composed(
        "multilabel_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor",
        of: ["scan", "scatter", "gather", "pointwise", "reduce"],
        samples: { g in
            let shapes: [Shape] = [[5, 7], [6], [0, 3], [3, 4], []]
            return shapes.enumerated().map { i, shape in
                let values = (0..<shape.elementCount).map { _ in Int64(g.int(-1..<(shape.last ?? 1))) }
                return Sample([
                    .tensor(g.tensor(shape)), .tensor(Tensor(values, shape: shape, device: .reference)), Value(i % 3),
                ])
            }
        },
        errors: { g in
            let x = Value.tensor(g.tensor([2, 3]))
            return [
                ErrorSample([x, .tensor(g.indices([2], below: 3))], "target", "[2]"),
                ErrorSample([x, .tensor(g.tensor([2, 3], dtype: .float32))], "int64"),
                ErrorSample(
                    [x, .tensor(Tensor([2, 77, -1, 0, 1, -1], shape: [2, 3], device: .reference))], "77", "out of range"
                ),
            ]
        },
        type: { (a) throws(CressetError) in
            let (x, target) = (try a.tensor("self"), try a.tensor("target"))
            let (batch, _) = try sizes(x, a.op)
            try check(target, a.op)
            guard target.shape == x.shape else {
                throw CressetError(.shape, op: a.op, "the target \(target.shape) must have the shape of \(x.summary)")
            }
            return ResultType(try a.reduction() == .none ? Shape(batch) : [], x.dtype)
        },
        body: { (a) throws(CressetError) in
            var (x, target) = (try a.tensor("self"), try a.tensor("target"))
            if x.ndim == 0 { (x, target) = (x.unsqueeze(0), target.unsqueeze(0)) }
            let d = x.ndim - 1
            // The targets of a row end before its first negative one.
            let listed = (target .< 0).to(.int32).cumsum(dim: d) .== 0
            let safe = Tensor.where(listed, target, Tensor.zerosLike(target))
            let marks =
                try Indexing.scatter(Tensor.zerosLike(target), d, safe, listed.to(.int64), .add, for: a.op) .!= 0
            let own = try Indexing.gather(x, d, safe, for: a.op)
            // [.., k, j]
            let losses = try pairHinge.run([
                own.unsqueeze(-1), x.unsqueeze(-2), listed.unsqueeze(-1), marks.unsqueeze(-2),
            ])
            let each = try Reductions.sum(losses, dims: [d, d + 1], keepdim: false) / Scalar(x.size(-1))
            return Losses.reduce(each, try a.reduction())
        })

    // MARK: The negative logarithm of a class's probability

    private static func nll(_ name: String, _ shapes: [(Shape, Shape)]) -> Composed {
        Composed(
            "\(name)(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100) -> Tensor",
            of: ["gather", "pointwise", "reduce"],
            samples: { g in
                (0..<3).flatMap { reduction in
                    shapes.map { shape, target in
                        let classes = shape[shape.count == 1 ? 0 : 1]
                        let weight: Value = reduction == 2 ? .tensor(g.tensor([classes], 0.5, 2)) : .none
                        return Sample([
                            .tensor(g.tensor(shape)), .tensor(g.indices(target, below: classes)), weight,
                            Value(reduction), reduction == 0 ? 1 : -100,
                        ])
                    }
                }
            },
            errors: { g in
                [
                    ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.indices([4], below: 3))], "target", "[4]"),
                    ErrorSample(
                        [.tensor(g.tensor([2, 3])), .tensor(g.indices([2], below: 3)), .none, 5], "reduction must be"),
                ]
            },
            type: { (a) throws(CressetError) in
                let (x, target) = (try a.tensor("self"), try a.tensor("target"))
                return ResultType(try a.reduction() == .none ? target.shape : [], x.dtype)
            },
            body: { (a) throws(CressetError) in
                Losses.nllLoss(
                    a.op, try a.tensor("self"), try a.tensor("target"), try a.optionalTensor("weight"),
                    try a.int("ignore_index"), try a.reduction())
            })
    }

    static let operators: [Operator] = [
        multiMargin, multilabelMargin, nll("nll_loss", [([5, 7], [5]), ([6], []), ([0, 3], [0])]),
        nll("nll_loss_nd", [([5, 7], [5]), ([6], []), ([2, 4, 3], [2, 3]), ([0, 3], [0])]),
        nll("nll_loss2d", [([2, 4, 3, 5], [2, 3, 5]), ([0, 3, 2, 2], [0, 2, 2])]),
    ].map(\.declaration)
}
