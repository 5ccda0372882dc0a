import BackendKit

/// Reading and writing by places in row-major order, and along a dim with broadcasting.
extension Tensor {
    /// The elements at places counted in row-major order, in the shape of the index.
    public func take(_ index: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::take"
            try checkValid(op)
            let flat = try reshaped([numel], op: op)
            return try Indexing.select(flat, 0, try index.reshaped([index.numel], op: op), for: op)
                .reshaped(index.shape, op: op)
        }
    }

    /// A copy with `source` at places counted in row-major order; of duplicates the last wins, or all are added.
    public func put(_ index: Tensor, _ source: Tensor, accumulate: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::put"
            try checkValid(op)
            try source.checkValid(op)
            guard source.dtype == dtype, source.numel == index.numel else {
                throw CressetError(
                    .argument, op: op,
                    "needs a source of the tensor's dtype with as many elements as the index: \(summary), "
                        + "\(index.summary), \(source.summary)")
            }
            let flat = try reshaped([numel], op: op)
            return try Indexing.scatter(
                flat, 0, try index.reshaped([index.numel], op: op), try source.reshaped([source.numel], op: op),
                accumulate ? .add : .set, for: op
            ).reshaped(shape, op: op)
        }
    }

    /// The elements along `dim` at indices that broadcast with the tensor but for that dim; without a dim in
    /// row-major order.
    public func takeAlongDim(_ indices: Tensor, dim: Int? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::take_along_dim"
            try checkValid(op)
            try indices.checkValid(op)
            guard indices.dtype == .int64 || indices.dtype == .int32 else {
                throw CressetError(.dtype, op: op, "the indices must be int64 or int32, got \(indices.summary)")
            }
            guard let dim else {
                return try Indexing.gather(
                    reshaped([numel], op: op), 0, indices.reshaped([indices.numel], op: op), for: op)
            }
            let d = try self.dim(dim, op: op)
            guard indices.ndim == ndim else {
                throw CressetError(
                    .shape, op: op, "needs indices of the tensor's rank: \(summary), \(indices.summary)")
            }
            if ndim == 0 { return try Indexing.gather(self, 0, indices, for: op) }
            var (mine, others) = (shape, indices.shape)
            mine[d] = 1
            others[d] = 1
            guard let common = mine.broadcast(with: others) else {
                throw CressetError(
                    .shape, op: op, "the shapes do not broadcast but for dim \(d): \(summary), \(indices.summary)")
            }
            var (wide, places) = (common, common)
            wide[d] = shape[d]
            places[d] = indices.shape[d]
            return try Indexing.gather(try expanded(wide, op: op), d, try indices.expanded(places, op: op), for: op)
        }
    }
}

// MARK: Declarations

extension Operators {
    static let flatIndexing: [Operator] = [
        .composed(
            "take(Tensor self, Tensor index) -> Tensor", of: ["aten::index_select"],
            samples: { g in
                let cases: [(Shape, Shape)] = [([3, 4], [2, 5]), ([], [1]), ([3, 2], [0]), ([5], [])]
                return cases.map { shape, index in
                    Sample([.tensor(g.tensor(shape)), .tensor(g.indices(index, below: shape.elementCount))])
                }
            },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").take(try a.tensor("index")))] }),
        .composed(
            "put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor",
            of: ["aten::scatter.src", "aten::scatter_add"],
            samples: { g in
                let cases: [(Shape, Shape, Bool)] = [
                    ([3, 4], [2, 5], true), ([], [1], false), ([3, 2], [0], false), ([5], [], true),
                ]
                return cases.map { shape, index, accumulate in
                    Sample([
                        .tensor(g.tensor(shape)), .tensor(g.indices(index, below: shape.elementCount)),
                        .tensor(g.tensor(index)), .scalar(.bool(accumulate)),
                    ])
                } + [
                    Sample(
                        [.tensor(g.tensor([4])), .tensor(g.indices([9], below: 4)), .tensor(g.tensor([9])), false],
                        checksGradient: false)
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").put(
                            try a.tensor("index"), try a.tensor("source"), accumulate: try a.bool("accumulate")))
                ]
            }),
        .composed(
            "take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor", of: ["aten::gather"],
            samples: { g in
                let cases: [(Shape, Shape, Int?)] = [
                    ([3, 4], [3, 2], 1), ([1, 4], [5, 2], -1), ([3, 4], [2, 1], 0), ([3, 2], [4], nil), ([], [1], nil),
                    ([3, 2], [0, 2], 0),
                ]
                return cases.map { shape, index, dim in
                    let size = dim.map { shape[$0 < 0 ? $0 + shape.count : $0] } ?? shape.elementCount
                    return Sample([
                        .tensor(g.tensor(shape)), .tensor(g.indices(index, below: size)),
                        dim.map { .scalar(Scalar($0)) } ?? .none,
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").takeAlongDim(try a.tensor("indices"), dim: try a.optionalInt("dim")))]
            }),
    ]
}
