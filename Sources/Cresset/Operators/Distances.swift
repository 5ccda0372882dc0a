import BackendKit

/// Norms of differences.
enum Distances {
    /// |x|ᵖ; at 0 the gradient is 0 for every p, as in PyTorch.
    private static let power = Pointwise(
        "aten::_norm_power", .promote,
        // The symbolic one is infinite or no number at 0, where PyTorch says 0.
        derivative: { _, c in
            let (x, p) = (c.inputs[0], c.scalars[0])
            let size = abs(x)
            let slope = p * pow(select(x .== 0, Expr(1, c.type), size), p - 1)
            return select(x .== 0, Expr(0, c.type), c.grad * select(x .< 0, -slope, slope))
        }
    ) { pow(abs($0.inputs[0]), $0.scalars[0]) }

    /// s^(1/p), whose infinite slope at 0 meets what is 0: the gradient there is 0.
    private static let root = Pointwise(
        "aten::_norm_root", .promote,
        // The symbolic one is infinite at 0, where PyTorch says 0.
        derivative: { _, c in
            let (s, inverse) = (c.inputs[0], c.scalars[0])
            let safe = select(s .== 0, Expr(1, c.type), s)
            return select(s .== 0, Expr(0, c.type), c.grad * inverse * c.result / safe)
        }
    ) { pow($0.inputs[0], $0.scalars[0]) }
    private static let squareRoot = Pointwise(
        "aten::_norm_root", .promote,
        // The same.
        derivative: { _, c in
            let safe = select(c.result .== 0, Expr(1, c.type), c.result)
            return select(c.result .== 0, Expr(0, c.type), c.grad * 0.5 / safe)
        }
    ) { sqrt($0.inputs[0]) }

    /// (Σ |x|ᵖ)^(1/p) over the dims: the number of elements that are not 0 for p = 0, the largest for infinity.
    static func norm(_ x: Tensor, _ p: Double, dims: [Int], keepdim: Bool) throws(CressetError) -> Tensor {
        // Powers and sums of narrow floats leave their range where the norm does not.
        let wide = x.dtype.arithmetic.dtype
        if x.dtype.isFloatingPoint && wide != x.dtype {
            return try norm(try x.converted(to: wide), p, dims: dims, keepdim: keepdim).converted(to: x.dtype)
        }
        func sum(_ x: Tensor) throws(CressetError) -> Tensor { try Reductions.sum(x, dims: dims, keepdim: keepdim) }
        switch p {
        case 0: return try sum(try (x .!= 0).converted(to: x.dtype))
        case 1: return try sum(try Ops.abs(x))
        case 2: return try squareRoot(try sum(try Ops.square(x)))
        case .infinity:
            // The largest of nothing is 0.
            if dims.contains(where: { x.shape[$0] == 0 }) { return try sum(x) }
            return try Reductions.extremum(Reductions.maxKernel, try Ops.abs(x), dims: dims, keepdim: keepdim)
        default: return try root(try sum(try power(x, scalars: .double(p))), scalars: .double(1 / p))
        }
    }

    static func checked(_ p: Double, op: String) throws(CressetError) -> Double {
        guard p >= 0 else { throw CressetError(.argument, op: op, "p must not be negative, got \(p)") }
        return p
    }

    private static let orders: [Double] = [2, 1, 3, .infinity]

    static func pairs(_ g: inout SampleMaker, _ shapes: [(Shape, Shape)], _ extra: [[Value]]) -> [Sample] {
        extra.flatMap { extra in
            shapes.map { x, y in Sample([.tensor(g.tensor(x)), .tensor(g.tensor(y))] + extra) }
        }
    }

    /// ‖x₁ - x₂ + eps‖ over the last dim.
    static let pairwise = Composed(
        "pairwise_distance(Tensor x1, Tensor x2, float p=2., float eps=1e-06, bool keepdim=False) -> Tensor",
        .numeric, of: ["aten::linalg_vector_norm", "pointwise"],
        samples: { g in
            pairs(
                &g, [([5, 7], [5, 7]), ([3, 1, 5], [4, 5]), ([6], [6]), ([], []), ([0, 3], [0, 3])],
                (orders + [-1]).map { [Value($0), 1e-6, .scalar(.bool($0 == 1))] })
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([4]))], "do not broadcast"),
                ErrorSample([.tensor(g.tensor([2, 0])), .tensor(g.tensor([2, 0])), -1.0], "of no elements", "-1"),
            ]
        },
        type: { (a) throws(CressetError) in
            let inputs = [try a.tensor("x1"), try a.tensor("x2")]
            let shape = try Ops.sub.kernel.broadcastShape(inputs)
            let dims = shape.isEmpty ? [] : [shape.count - 1]
            let dtype = Promotion.float(Promotion.result(inputs)).toReal
            return ResultType(shape.reduced(dims, keepdim: try a.bool("keepdim")), dtype)
        },
        body: { (a) throws(CressetError) in
            let d = try Ops.add(try Ops.sub(try a.tensor("x1"), try a.tensor("x2")), try a.scalar("eps"))
            let dims = d.ndim == 0 ? [] : [d.ndim - 1]
            return try LinearAlgebra.vectorNorm(
                d, try a.double("p"), dims: dims, keepdim: try a.bool("keepdim"), op: a.op)
        })

    /// ‖self - other‖ over all elements.
    static let dist = Composed(
        "dist(Tensor self, Tensor other, Scalar p=2) -> Tensor", .continuous,
        of: ["aten::linalg_vector_norm", "pointwise"],
        samples: { g in
            pairs(
                &g, [([5, 7], [5, 7]), ([3, 1, 5], [4, 1]), ([], [])],
                (orders + [-1]).map { [.scalar(.double($0))] }) + pairs(&g, [([0, 3], [3])], [[2], [1]])
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([4]))], "do not broadcast"),
                ErrorSample([.tensor(g.tensor([0, 3])), .tensor(g.tensor([3])), -1], "of no elements", "-1"),
            ]
        },
        type: { (a) throws(CressetError) in
            let inputs = [try a.tensor("self"), try a.tensor("other")]
            _ = try Ops.sub.kernel.broadcastShape(inputs)
            return ResultType([], Promotion.result(inputs).toReal)
        },
        body: { (a) throws(CressetError) in
            let d = try Ops.sub(try a.tensor("self"), try a.tensor("other"))
            return try LinearAlgebra.vectorNorm(d, try a.double("p"), dims: nil, keepdim: false, op: a.op)
        })

    /// ‖row i of x₁ - row j of x₂‖ for all i and j.
    static let cdist = Composed(
        "cdist(Tensor x1, Tensor x2, float p=2., int? compute_mode=None) -> Tensor", of: ["pointwise", "reduce"],
        samples: { g in
            pairs(
                &g,
                [
                    ([5, 3], [4, 3]), ([2, 3, 4], [2, 5, 4]), ([2, 1, 3, 2], [3, 4, 2]), ([0, 3], [2, 3]),
                    ([2, 0], [3, 0]),
                ],
                orders.map { [Value($0), .none] })
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([2, 4]))], "columns", "[2, 3]", "[2, 4]"),
                ErrorSample([.tensor(g.tensor([3])), .tensor(g.tensor([2, 3]))], "at least 2 dims"),
            ]
        },
        type: { (a) throws(CressetError) in
            let op = "aten::cdist"
            _ = try checked(try a.double("p"), op: op)
            let (x, y) = (try a.tensor("x1"), try a.tensor("x2"))
            guard x.ndim >= 2, y.ndim >= 2 else {
                throw CressetError(.shape, op: op, "needs at least 2 dims, got \(x.summary), \(y.summary)")
            }
            guard x.size(-1) == y.size(-1) else {
                throw CressetError(.shape, op: op, "the numbers of columns differ: \(x.summary), \(y.summary)")
            }
            guard let lead = Shape(x.shape.dropLast(2)).broadcast(with: Shape(y.shape.dropLast(2))) else {
                throw CressetError(.shape, op: op, "the leading dims do not broadcast: \(x.summary), \(y.summary)")
            }
            return ResultType(Shape(Array(lead) + [x.size(-2), y.size(-2)]), Promotion.result([x, y]))
        },
        body: { (a) throws(CressetError) in
            // Differences of all pairs. (The expansion x² - 2xy + y² needs less memory and cancels.)
            let d = try Ops.sub(try a.tensor("x1").unsqueeze(-2), try a.tensor("x2").unsqueeze(-3))
            return try norm(d, try a.double("p"), dims: [d.ndim - 1], keepdim: false)
        })

    /// ‖row i - row j‖ for i < j, in rows' order.
    static let pdist = Composed(
        "pdist(Tensor self, float p=2.) -> Tensor", of: ["gather", "pointwise", "reduce"],
        samples: { g in
            let shapes: [Shape] = [[5, 3], [2, 4], [1, 3], [0, 3], [9, 5]]
            return orders.flatMap { p in shapes.map { Sample([.tensor(g.tensor($0)), Value(p)]) } }
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([3]))], "2 dims", "[3]"),
                ErrorSample([.tensor(g.tensor([3, 2])), -1.0], "p must not be negative"),
            ]
        },
        type: { (a) throws(CressetError) in
            _ = try checked(try a.double("p"), op: "aten::pdist")
            let x = try a.tensor("self")
            guard x.ndim == 2 else { throw CressetError(.shape, op: "aten::pdist", "needs 2 dims, got \(x.summary)") }
            let n = x.shape[0]
            return ResultType([n * Swift.max(n - 1, 0) / 2], x.dtype)
        },
        body: { (a) throws(CressetError) in
            let x = try a.tensor("self")
            let n = x.shape[0]
            var (first, second): ([Int64], [Int64]) = ([], [])
            for i in 0..<n {
                for j in (i + 1)..<Swift.max(n, i + 1) { (first, second) = (first + [Int64(i)], second + [Int64(j)]) }
            }
            let d = try Ops.sub(
                x.indexSelect(dim: 0, index: Tensor(first, device: x.device)),
                x.indexSelect(dim: 0, index: Tensor(second, device: x.device)))
            return try norm(d, try a.double("p"), dims: [1], keepdim: false)
        })

    static let operators: [Operator] =
        [pairwise, dist, cdist, pdist].map(\.declaration) + DistanceLosses.operators
}

extension Tensor {
    /// The p-norm of self - other (`torch.dist`).
    public func dist(_ other: Tensor, p: Scalar = 2) -> Tensor {
        trapping { () throws(CressetError) in try Distances.dist(.tensor(self), .tensor(other), .scalar(p)) }
    }
    /// The p-norms of x₁ - x₂ + eps over the last dim (`torch.nn.functional.pairwise_distance`).
    public static func pairwiseDistance(
        _ x1: Tensor, _ x2: Tensor, p: Double = 2, eps: Double = 1e-6, keepdim: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try Distances.pairwise(.tensor(x1), .tensor(x2), Value(p), Value(eps), .scalar(.bool(keepdim)))
        }
    }
    /// The p-norms of the differences of all rows of two tensors (`torch.cdist`).
    public static func cdist(_ x1: Tensor, _ x2: Tensor, p: Double = 2) -> Tensor {
        trapping { () throws(CressetError) in try Distances.cdist(.tensor(x1), .tensor(x2), Value(p)) }
    }
    /// The p-norms of the differences of the rows, each pair once (`torch.nn.functional.pdist`).
    public func pdist(p: Double = 2) -> Tensor {
        trapping { () throws(CressetError) in try Distances.pdist(.tensor(self), Value(p)) }
    }
    /// x₁·x₂/(‖x₁‖·‖x₂‖) over a dim, of norms not below eps (`torch.nn.functional.cosine_similarity`).
    public static func cosineSimilarity(_ x1: Tensor, _ x2: Tensor, dim: Int = 1, eps: Double = 1e-8) -> Tensor {
        trapping { () throws(CressetError) in
            try DistanceLosses.cosine(.tensor(x1), .tensor(x2), Value(dim), Value(eps))
        }
    }
}
