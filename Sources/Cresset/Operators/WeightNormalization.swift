import BackendKit

/// Weights by direction and length (Salimans and Kingma 2016).
enum WeightNormalization {
    private static func rest(_ v: Tensor, _ dim: Int, op: String) throws(CressetError) -> [Int] {
        if dim == -1 { return Array(0..<v.ndim) }
        let d = try v.dim(dim, op: op)
        return (0..<v.ndim).filter { $0 != d }
    }

    private static func shape(_ v: Tensor, _ dim: Int, op: String) throws(CressetError) -> Shape {
        dim == -1 ? [] : v.shape.reduced(try rest(v, dim, op: op), keepdim: true)
    }

    /// The norm over all dims but one, which is -1 for the norm of all.
    static let norm = Composed(
        "norm_except_dim(Tensor v, int pow=2, int dim=0) -> Tensor", of: ["pointwise", "reduce"],
        samples: { g in
            [([4, 5], 2, 0), ([2, 3, 4], 2, 1), ([3, 4], 1, -1), ([2, 3, 4], 3, 2), ([0, 3], 2, 1), ([], 2, 0)].map {
                (shape: Shape, p: Int, dim: Int) in Sample([.tensor(g.tensor(shape)), Value(p), Value(dim)])
            }
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([2, 3])), 2, 5], "dim", "5"),
                ErrorSample([.tensor(g.tensor([2, 3])), 0, 0], "pow must be above 0"),
            ]
        },
        type: { (a) throws(CressetError) in
            let v = try a.tensor("v")
            guard try a.int("pow") > 0 else { throw a.wrong("pow must be above 0, got \(try a.int("pow"))") }
            return ResultType(try shape(v, try a.int("dim"), op: a.op), v.dtype)
        },
        body: { (a) throws(CressetError) in
            let (v, dim) = (try a.tensor("v"), try a.int("dim"))
            return try Distances.norm(
                v, try a.double("pow"), dims: try rest(v, dim, op: a.op), keepdim: dim != -1)
        })

    /// v·g/|v|, the norms over all dims but one.
    static let weight = Composed(
        "_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor", of: ["aten::norm_except_dim", "pointwise"],
        samples: { g in
            [
                ([4, 5], [4, 1], 0), ([2, 3, 4], [1, 1, 4], 2), ([3, 2], [1, 2], 1), ([], [], 0), ([0, 3], [0, 1], 0),
            ].map {
                (shape: Shape, length: Shape, dim: Int) in
                Sample([.tensor(g.tensor(shape)), .tensor(g.tensor(length)), Value(dim)])
            }
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([4, 1])), 0], "do not broadcast"),
                ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([2, 1])), 4], "dim", "4"),
            ]
        },
        type: { (a) throws(CressetError) in
            let (v, g) = (try a.tensor("v"), try a.tensor("g"))
            _ = try shape(v, try a.int("dim"), op: a.op)
            return ResultType(try Ops.mul.kernel.broadcastShape([v, g]), Promotion.result([v, g]))
        },
        body: { (a) throws(CressetError) in
            let v = try a.tensor("v")
            let length = try norm(.tensor(v), 2, Value(try a.int("dim")))
            return try Ops.mul(v, try Ops.div(try a.tensor("g"), length))
        })
}

extension Operators {
    static let weightNormalization: [Operator] = [WeightNormalization.norm, WeightNormalization.weight].map(
        \.declaration)
}

extension Tensor {
    /// The norm of a tensor's slices along a dim, of size 1 in all others; -1 for that of the whole.
    public func normExceptDim(pow: Int = 2, dim: Int = 0) -> Tensor {
        trapping { () throws(CressetError) in
            try WeightNormalization.norm(.tensor(self), Value(pow), Value(dim))
        }
    }
    /// The direction of this tensor's slices along a dim, of the lengths `g`; PyTorch's `_weight_norm`.
    public func weightNorm(_ g: Tensor, dim: Int = 0) -> Tensor {
        trapping { () throws(CressetError) in
            try WeightNormalization.weight(.tensor(self), .tensor(g), Value(dim))
        }
    }
}
