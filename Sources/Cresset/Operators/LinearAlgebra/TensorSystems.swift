import BackendKit

/// Systems over several dims, products over one, and views: what is reshaping around other operations.
extension LinearAlgebra {
    /// X with tensordot(A, X, its dims) = B.
    static func tensorSolve(_ a: Tensor, _ b: Tensor, dims: [Int]?) throws(CressetError) -> Tensor {
        let op = "aten::linalg_tensorsolve"
        try a.checkFactored(op)
        try a.checkPartner(b, op)
        var moved = a
        if let dims {
            let list = try dims.map { (d) throws(CressetError) in try a.dim(d, op: op) }
            moved = a.permute((0..<a.ndim).filter { !list.contains($0) } + list)
        }
        guard b.ndim <= moved.ndim else {
            throw CressetError(.shape, op: op, "B has more dims than A: \(a.summary), \(b.summary)")
        }
        let shape = Shape(moved.shape.dropFirst(b.ndim))
        let n = shape.elementCount
        guard b.numel == n else {
            throw CressetError(
                .shape, op: op,
                "A, with its dims moved, is no square of \(b.numel) equations in \(n) numbers: \(a.summary), \(b.summary)"
            )
        }
        return try solve(moved.reshape([b.numel, n]), b.reshape([b.numel]), left: true, op: op).reshaped(shape, op: op)
    }

    /// The inverse of tensordot with A over the dims from `ind` on.
    static func tensorInverse(_ a: Tensor, ind: Int) throws(CressetError) -> Tensor {
        let op = "aten::linalg_tensorinv"
        try a.checkFactored(op)
        guard ind > 0, ind <= a.ndim else {
            throw CressetError(.argument, op: op, "ind = \(ind) must lie in 1 ... \(a.ndim) for \(a.summary)")
        }
        let (first, last) = (Array(a.shape.prefix(ind)), Array(a.shape.dropFirst(ind)))
        let (m, n) = (first.reduce(1, *), last.reduce(1, *))
        guard m == n else {
            throw CressetError(
                .shape, op: op,
                "the first \(ind) dims have \(m) elements and the others \(n); they must be as many: \(a.summary)")
        }
        return try inverse(a.reshape([m, n]), op: op).reshaped(Shape(last + first), op: op)
    }

    /// a × b of vectors of three along `dim`.
    static func cross(_ a: Tensor, _ b: Tensor, dim: Int, op: String) throws(CressetError) -> Tensor {
        try a.checkValid(op)
        try b.checkValid(op)
        guard a.ndim == b.ndim else {
            throw CressetError(.shape, op: op, "both tensors must have as many dims: \(a.summary), \(b.summary)")
        }
        let d = try a.dim(dim, op: op)
        guard a.ndim > 0, a.shape[d] == 3, b.shape[d] == 3 else {
            throw CressetError(.shape, op: op, "dim \(dim) must have size 3 in both: \(a.summary), \(b.summary)")
        }
        func turned(_ x: Tensor, _ by: Int) -> Tensor {
            .cat([x.narrow(d, by, 3 - by), x.narrow(d, 0, by)], dim: d)
        }
        return try Ops.sub(try Ops.mul(turned(a, 1), turned(b, 2)), try Ops.mul(turned(a, 2), turned(b, 1)))
    }

    /// Σ x̄·y along `dim`.
    static func vecdot(_ x: Tensor, _ y: Tensor, dim: Int) throws(CressetError) -> Tensor {
        let op = "aten::linalg_vecdot"
        try x.checkValid(op)
        try x.checkPartner(y, op)
        guard x.dtype.hasGradient, x.ndim > 0, y.ndim > 0, let shape = x.shape.broadcast(with: y.shape) else {
            throw CressetError(
                .shape, op: op, "needs floating or complex vectors whose shapes broadcast: \(x.summary), \(y.summary)")
        }
        let (a, b) = (x.expand(shape), y.expand(shape))
        let d = try a.dim(dim, op: op)
        let order = (0..<shape.count).filter { $0 != d } + [d]
        let left = a.conj().permute(order).unsqueeze(-2)
        return try Matrix.product(left, b.permute(order).unsqueeze(-1)).squeeze(-1).squeeze(-1)
    }

    /// 1, x, x², … in columns.
    static func vander(_ x: Tensor, columns: Int?) throws(CressetError) -> Tensor {
        let op = "aten::linalg_vander"
        try x.checkValid(op)
        guard x.dtype != .bool else {
            throw CressetError(.dtype, op: op, "is not defined for bool, got \(x.summary)")
        }
        let x = x.ndim == 0 ? x.unsqueeze(0) : x
        let n = columns ?? x.size(-1)
        guard n > 1 else {
            throw CressetError(.argument, op: op, "N = \(n) must be greater than 1: \(x.summary)")
        }
        try Tensor.checkFits(Shape(Array(x.shape) + [n]), .float64, on: x.runtime, op: op)
        // (Products of integers are int64, as in PyTorch.)
        let base = x.dtype.hasGradient ? x : x.to(.int64)
        var powers = [Tensor.onesLike(base)]
        for k in 1..<n { powers.append(powers[k - 1] * base) }
        return .stack(powers, dim: -1)
    }

    static func diagonal(_ a: Tensor, _ offset: Int, _ dim1: Int, _ dim2: Int) throws(CressetError) -> Tensor {
        let op = "aten::linalg_diagonal"
        try a.checkValid(op)
        let (i, j) = (try a.dim(dim1, op: op), try a.dim(dim2, op: op))
        guard i != j, a.ndim >= 2 else {
            throw CressetError(.argument, op: op, "needs two different dims, got \(dim1) and \(dim2) of \(a.summary)")
        }
        return a.permute((0..<a.ndim).filter { $0 != i && $0 != j } + [i, j]).diagonalVector(offset)
    }
}

extension linalg {
    /// X with tensordot(A, X) = B, where `dims` of A are moved to its end first.
    public static func tensorsolve(_ a: Tensor, _ b: Tensor, dims: [Int]? = nil) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.tensorSolve(a, b, dims: dims) }
    }

    /// The inverse of tensordot with A over the dims from `ind` on.
    public static func tensorinv(_ a: Tensor, ind: Int = 2) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.tensorInverse(a, ind: ind) }
    }

    /// The cross product of vectors of three along `dim`.
    public static func cross(_ a: Tensor, _ b: Tensor, dim: Int = -1) -> Tensor {
        trapping(as: "aten::linalg_cross") {
            try LinearAlgebra.cross(a, b, dim: dim, op: "aten::linalg_cross")
        }
    }

    /// Inner products along `dim`, the first factors conjugated.
    public static func vecdot(_ x: Tensor, _ y: Tensor, dim: Int = -1) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.vecdot(x, y, dim: dim) }
    }

    /// 1, x, x², … in columns: N of them, or as many as x has elements in its last dim.
    public static func vander(_ x: Tensor, n: Int? = nil) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.vander(x, columns: n) }
    }

    /// A diagonal of the matrices in two dims, as a view.
    public static func diagonal(_ a: Tensor, offset: Int = 0, dim1: Int = -2, dim2: Int = -1) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.diagonal(a, offset, dim1, dim2) }
    }
}

extension Tensor {
    /// The cross product of vectors of three along `dim`, or along the first dim of size 3.
    public func cross(_ other: Tensor, dim: Int? = nil) -> Tensor {
        trapping(as: "aten::cross") {
            let op = "aten::cross"
            try checkValid(op)
            guard let d = dim ?? shape.firstIndex(of: 3) else {
                throw CressetError(.shape, op: op, "no dim has size 3: \(summary)")
            }
            return try LinearAlgebra.cross(self, other, dim: d, op: op)
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let ofProducts = "it is made of products and sums, which can be"

    static let tensorSystems: [Operator] = [
        Operator(
            "linalg_tensorsolve(Tensor self, Tensor other, int[]? dims=None) -> Tensor", dtypes: .factored,
            composition: ["aten::linalg_solve_ex"], notOverridable: "it is made of aten::linalg_solve_ex, which can be",
            judgement: FactorJudgement(),
            samples: { g in
                [
                    Sample([.tensor(g.regular([6, 6]).reshape([2, 3, 6])), .tensor(g.tensor([2, 3])), .none]),
                    Sample([.tensor(g.regular([4, 4]).reshape([4, 2, 2])), .tensor(g.tensor([4])), .none]),
                    Sample([
                        .tensor(g.regular([4, 4]).reshape([2, 2, 4]).permute([2, 0, 1]).contiguous()),
                        .tensor(g.tensor([2, 2])), .ints([0]),
                    ]),
                    Sample([.tensor(g.tensor([0, 0])), .tensor(g.tensor([0])), .none]),
                    Sample([.tensor(g.tensor([], 1, 2)), .tensor(g.tensor([])), .none]),
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        linalg.tensorsolve(
                            try a.tensor("self"), try a.tensor("other"), dims: try a.optionalInts("dims")))
                ]
            }),
        Operator(
            "linalg_tensorinv(Tensor self, int ind=2) -> Tensor", dtypes: .factored,
            composition: ["aten::linalg_solve_ex"], notOverridable: "it is made of aten::linalg_solve_ex, which can be",
            judgement: FactorJudgement(),
            samples: { g in
                [
                    Sample([.tensor(g.regular([6, 6]).reshape([2, 3, 6])), 2]),
                    Sample([.tensor(g.regular([4, 4]).reshape([4, 2, 2])), 1]),
                    Sample([.tensor(g.tensor([0, 0])), 1]),
                ]
            },
            call: { (a) throws(CressetError) in
                [.tensor(linalg.tensorinv(try a.tensor("self"), ind: try a.int("ind")))]
            }),
        Operator(
            "linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor", dtypes: products,
            composition: ["pointwise"], notOverridable: ofProducts,
            samples: { g in
                [([4, 3], [4, 3]), ([4, 3], [1, 3]), ([0, 3], [0, 3])].map { (x: Shape, y: Shape) in
                    Sample([.tensor(g.tensor(x)), .tensor(g.tensor(y)), -1])
                } + [Sample([.tensor(g.tensor([3, 2])), .tensor(g.tensor([3, 2])), 0])]
            },
            call: { (a) throws(CressetError) in
                [.tensor(linalg.cross(try a.tensor("self"), try a.tensor("other"), dim: try a.int("dim")))]
            }),
        Operator(
            "cross(Tensor self, Tensor other, int? dim=None) -> Tensor", dtypes: products, composition: ["pointwise"],
            notOverridable: ofProducts,
            samples: { g in
                [Value.none, 1].map { Sample([.tensor(g.tensor([4, 3])), .tensor(g.tensor([4, 3])), $0]) }
                    + [Sample([.tensor(g.tensor([0, 3])), .tensor(g.tensor([0, 3])), 1])]
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").cross(try a.tensor("other"), dim: try a.optionalInt("dim")))]
            }),
        Operator(
            "linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor", dtypes: .continuous, composition: ["matmul"],
            notOverridable: "it is made of aten::matmul, which can be",
            samples: { g in
                [([4, 5], [4, 5]), ([5], [5]), ([2, 1, 5], [4, 5]), ([0, 3], [0, 3])].map { (x: Shape, y: Shape) in
                    Sample([.tensor(g.tensor(x, -2, 2)), .tensor(g.tensor(y, -2, 2)), -1])
                } + [Sample([.tensor(g.tensor([3, 2], -2, 2)), .tensor(g.tensor([3, 2], -2, 2)), 0])]
            },
            call: { (a) throws(CressetError) in
                [.tensor(linalg.vecdot(try a.tensor("x"), try a.tensor("y"), dim: try a.int("dim")))]
            }),
        Operator(
            "linalg_vander(Tensor x, *, SymInt? N=None) -> Tensor",
            dtypes: products.subtracting([.float16, .bfloat16]),
            composition: ["pointwise"], notOverridable: ofProducts,
            samples: { g in
                [
                    Sample([.tensor(g.tensor([4], -2, 2)), .none]), Sample([.tensor(g.tensor([2, 3], -2, 2)), 5]),
                    Sample([.tensor(g.tensor([0, 3])), 2]), Sample([.tensor(g.tensor([], -2, 2)), 4]),
                ]
            },
            call: { (a) throws(CressetError) in
                [.tensor(linalg.vander(try a.tensor("x"), n: try a.optionalInt("N")))]
            }),
        Operator(
            "linalg_diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)", dtypes: .all,
            composition: [],
            samples: { g in
                let cases: [(Shape, Int, Int, Int)] = [
                    ([4, 5], 0, -2, -1), ([3, 4, 5], 1, 0, 2), ([5, 3], -2, -2, -1), ([2, 2], 5, 0, 1),
                    ([0, 3], 0, 0, 1),
                ]
                return cases.map { shape, offset, i, j in
                    Sample([.tensor(g.tensor(shape)), .scalar(Scalar(offset)), .scalar(Scalar(i)), .scalar(Scalar(j))])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        linalg.diagonal(
                            try a.tensor("A"), offset: try a.int("offset"), dim1: try a.int("dim1"),
                            dim2: try a.int("dim2")))
                ]
            }),
    ]
}
