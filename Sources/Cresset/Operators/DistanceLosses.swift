import BackendKit

/// What is made of distances and angles.
enum DistanceLosses {
    /// x₁·x₂ over the norms, of which none is taken below eps.
    static let cosine = Composed(
        "cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor", of: ["pointwise", "reduce"],
        samples: { g in
            Distances.pairs(&g, [([5, 7], [5, 7]), ([3, 1, 5], [4, 5]), ([0, 3], [0, 3])], [[1, 1e-8]])
                + Distances.pairs(&g, [([6], [6]), ([], [])], [[0, 1e-8]])
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([4]))], "do not broadcast"),
                ErrorSample([.tensor(g.tensor([2])), .tensor(g.tensor([2])), 3], "dim", "3"),
            ]
        },
        type: { (a) throws(CressetError) in
            let inputs = [try a.tensor("x1"), try a.tensor("x2")]
            let shape = try Ops.mul.kernel.broadcastShape(inputs)
            let dims = shape.isEmpty ? [] : [try dim(a, shape)]
            return ResultType(shape.reduced(dims, keepdim: false), Promotion.result(inputs))
        },
        body: { (a) throws(CressetError) in
            let (x, y) = (try a.tensor("x1"), try a.tensor("x2"))
            let shape = try Ops.mul.kernel.broadcastShape([x, y])
            let dims = shape.isEmpty ? [] : [try dim(a, shape)]
            let eps = try a.scalar("eps")
            func unit(_ x: Tensor) throws(CressetError) -> Tensor {
                let x = try x.expanded(shape, op: "aten::cosine_similarity")
                let norm = try Distances.norm(x, 2, dims: dims, keepdim: true)
                // Held at eps without the gradient's seeing it, as in PyTorch.
                let held = try Ops.sub(try Ops.clampMinScalar(norm.detach(), numbers: eps), norm.detach())
                return try Ops.div(x, try Ops.add(norm, held))
            }
            return try Reductions.sum(try Ops.mul(try unit(x), try unit(y)), dims: dims, keepdim: false)
        })

    private static func dim(_ a: Arguments, _ shape: Shape) throws(CressetError) -> Int {
        let d = try a.int("dim")
        guard (-shape.count..<shape.count).contains(d) else {
            throw CressetError(.argument, op: a.op, "dim \(d) is out of range for the shape \(shape)")
        }
        return d < 0 ? d + shape.count : d
    }

    static let tripletMargin = Composed(
        "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1., float p=2., float eps=1e-06, bool swap=False, int reduction=1) -> Tensor",
        .numeric, of: ["aten::pairwise_distance", "pointwise", "reduce"],
        samples: { g in
            let shapes: [Shape] = [[5, 7], [3, 4, 5], [6], [0, 3], []]
            return [(2.0, false), (1.0, true), (3.0, true)].flatMap { p, swap in
                shapes.enumerated().map { i, shape in
                    let three = (0..<3).map { _ in Value.tensor(g.tensor(shape)) }
                    return Sample(three + [1.0, Value(p), 1e-6, .scalar(.bool(swap)), Value(i % 3)])
                }
            }
        },
        errors: { g in
            let uneven = [Shape([2, 3]), [4], [4]].map { Value.tensor(g.tensor($0)) }
            let even = (0..<3).map { _ in Value.tensor(g.tensor([2, 3])) }
            return [
                ErrorSample(uneven, "do not broadcast"),
                ErrorSample(even + [-1.0], "margin must be positive", "-1"),
            ]
        },
        type: { (a) throws(CressetError) in
            let margin = try a.double("margin")
            guard margin > 0 else { throw a.wrong("margin must be positive, got \(margin)") }
            let inputs = [try a.tensor("anchor"), try a.tensor("positive"), try a.tensor("negative")]
            let shape = try Ops.mul.kernel.broadcastShape(inputs)
            let reduction = try a.reduction()
            return ResultType(
                reduction == .none ? shape.reduced(shape.isEmpty ? [] : [shape.count - 1], keepdim: false) : [],
                Promotion.float(Promotion.result(inputs)).toReal)
        },
        body: { (a) throws(CressetError) in
            let (p, eps) = (Value(try a.double("p")), Value(try a.double("eps")))
            let (anchor, positive, negative) = (
                Value.tensor(try a.tensor("anchor")), Value.tensor(try a.tensor("positive")),
                Value.tensor(try a.tensor("negative"))
            )
            let near = try Distances.pairwise(anchor, positive, p, eps, false)
            var far = try Distances.pairwise(anchor, negative, p, eps, false)
            if try a.bool("swap") {
                far = try Ops.minimum(far, try Distances.pairwise(positive, negative, p, eps, false))
            }
            let losses = try Ops.clampMinScalar(
                try Ops.add(try Ops.sub(near, far), try a.scalar("margin")), numbers: 0)
            return Losses.reduce(losses, try a.reduction())
        })

    /// 1 - cos for y = 1, max(0, cos - margin) for y = -1, 0 for other y.
    private static let embedding = Pointwise("aten::cosine_embedding_loss", .promote, schema: nil) { c in
        let (cosine, y, zero) = (c.inputs[0], c.inputs[1], Expr(0, c.type))
        let above = cosine - c.scalars[0]
        return select(y .== 1, 1 - cosine, zero) + select(y .== -1, select(above .< 0, zero, above), zero)
    }
    /// p/√((s₁ + ε)(s₂ + ε))
    private static let quotient = Pointwise("aten::cosine_embedding_loss", .promote, schema: nil) { c in
        c.inputs[0] / sqrt((c.inputs[1] + 1e-12) * (c.inputs[2] + 1e-12))
    }

    static let cosineEmbedding = Composed(
        "cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor",
        of: ["pointwise", "reduce"],
        samples: { g in
            let shapes: [(Shape, Shape)] = [([5, 7], [5]), ([6], []), ([0, 3], [0]), ([4, 2], [4])]
            return [0.0, 0.25].flatMap { margin in
                shapes.enumerated().map { i, shapes in
                    let target = ElementLosses.Target.signs.tensor(&g, shapes.1)
                    return Sample([
                        .tensor(g.tensor(shapes.0)), .tensor(g.tensor(shapes.0)), .tensor(target), Value(margin),
                        Value(i % 3),
                    ])
                }
            }
        },
        errors: { g in
            let x = Value.tensor(g.tensor([2, 3]))
            return [
                ErrorSample([x, x, x], "one dim less", "[2, 3]"),
                ErrorSample([x, .tensor(g.tensor([4])), .tensor(g.tensor([2]))], "do not broadcast"),
            ]
        },
        type: { (a) throws(CressetError) in
            let inputs = [try a.tensor("input1"), try a.tensor("input2")]
            let target = try a.tensor("target")
            let shape = try Ops.mul.kernel.broadcastShape(inputs)
            guard (1...2).contains(shape.count), target.ndim == shape.count - 1 else {
                throw CressetError(
                    .shape, op: a.op,
                    "the inputs need 1 or 2 dims and the target one dim less, got \(shape) and \(target.shape)")
            }
            let losses = try Ops.mul.kernel.broadcastShape([target, inputs[0].select(-1, 0)])
            return ResultType(try a.reduction() == .none ? losses : [], Promotion.result(inputs + [target]))
        },
        body: { (a) throws(CressetError) in
            let (x, y) = (try a.tensor("input1"), try a.tensor("input2"))
            func sum(_ x: Tensor) throws(CressetError) -> Tensor {
                try Reductions.sum(x, dims: [x.ndim - 1], keepdim: false)
            }
            let cosine = try quotient(
                try sum(try Ops.mul(x, y)), try sum(try Ops.square(x)), try sum(try Ops.square(y)))
            let losses = try embedding.run([cosine, try a.tensor("target")], [try a.scalar("margin")], promoting: [])
            return Losses.reduce(losses, try a.reduction())
        })

    static let operators: [Operator] = [cosine, tripletMargin, cosineEmbedding].map(\.declaration)
}
