import BackendKit

/// Elements chosen by a condition: results whose size the data decide.
///
/// The family's default, over a scan and a scatter: the running count of chosen elements is where each
/// goes. The count comes to the host, as the shape of a result must.
enum Compaction {
    private static let nonzeroName = OperatorName("aten::nonzero")

    /// Where a chosen element goes; all others to the place behind the last.
    private static let target = PointwiseGroup("aten::nonzero") { x, s in
        [select(x[0], x[1] - Expr(integer: 1, .i64), s[0])]
    }
    private static let index = PointwiseGroup("aten::arange") { _, _ in [elementIndex()] }
    /// The coordinate along one dim of a row-major index.
    private static let coordinate = PointwiseGroup("aten::nonzero") { x, s in [(x[0] / s[0]) % s[1]] }

    /// Row-major indices of the elements that are not zero, in order.
    ///
    /// - Parameter known: how many they are, where that is known; else the host waits to see it.
    static func flatIndices(_ x: Tensor, count known: Int? = nil, op: String) throws(CressetError) -> Tensor {
        try noGrad { () throws(CressetError) in
            let n = x.numel
            guard n > 0 else { return try Tensor.empty([0], .int64, on: x.runtime, op: op) }
            if known == nil { try x.checkHasData(op) }
            let flat = try Ops.ne(x.detach(), .int(0)).reshaped([n], op: op)
            let counts = try Scans.cumsum(try flat.converted(to: .int64), dim: 0)
            let count = Int64(known ?? counts.narrow(0, n - 1, 1).itemInt())
            let targets = try Tensor.empty([n], .int64, on: x.runtime, op: op)
            try target.run([flat, counts], [.int(count)], into: [targets])
            let indices = try Tensor.empty([n], .int64, on: x.runtime, op: op)
            try index.run([], into: [indices])
            let result = try Tensor.filled([Int(count) + 1], 0, dtype: .int64, on: x.runtime, op: op)
            return try Indexing.scatter(result, 0, targets, indices, .set).narrow(0, 0, Int(count))
        }
    }

    /// Coordinates of the elements that are not zero: one row each, in row-major order.
    static func nonzero(_ x: Tensor, count: Int? = nil) throws(CressetError) -> Tensor {
        let op = nonzeroName.text
        try x.checkValid(op)
        let flat = try flatIndices(x, count: count, op: op)
        let result = try Tensor.empty([flat.numel, x.ndim], .int64, on: x.runtime, op: op)
        try noGrad { () throws(CressetError) in
            for d in 0..<x.ndim {
                try coordinate.run(
                    [flat], [.int(Int64(x.innerCount(d))), .int(Int64(x.shape[d]))], into: [result.select(1, d)])
            }
        }
        return result
    }

    /// The elements where a mask is true, as a vector.
    static func maskedSelect(_ x: Tensor, _ mask: Tensor) throws(CressetError) -> Tensor {
        let op = "aten::masked_select"
        try x.checkValid(op)
        try mask.checkValid(op)
        guard mask.dtype == .bool else {
            throw CressetError(.dtype, op: op, "the mask must be bool, got \(mask.summary)")
        }
        guard let shape = x.shape.broadcast(with: mask.shape) else {
            throw CressetError(.shape, op: op, "the shapes do not broadcast: \(x.summary), \(mask.summary)")
        }
        let flat = try flatIndices(try mask.expanded(shape, op: op), op: op)
        return try Indexing.select(try x.expanded(shape, op: op).reshaped([-1], op: op), 0, flat)
    }
}

extension Tensor {
    /// Coordinates of the elements that are not zero: shape [count, rank], in row-major order.
    public func nonzero() -> Tensor {
        trapping { () throws(CressetError) in try Compaction.nonzero(self) }
    }
    /// The elements where `mask`, which broadcasts with this tensor, is true: a vector.
    public func maskedSelect(_ mask: Tensor) -> Tensor {
        trapping(as: "aten::masked_select") { try Compaction.maskedSelect(self, mask) }
    }
    /// Coordinates of the elements that are not zero, as `nonzero`.
    public func argwhere() -> Tensor { nonzero() }
    /// Coordinates of the first `size` elements that are not zero; missing ones are `fillValue`.
    public func nonzeroStatic(size: Int, fillValue: Int = -1) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::nonzero_static"
            try checkValid(op)
            guard size >= 0 else { throw CressetError(.argument, op: op, "the size must not be negative, got \(size)") }
            if isMeta { return try .empty([size, ndim], .int64, on: runtime, op: op) }
            let found = try Compaction.nonzero(self)
            if found.shape[0] >= size { return found.narrow(0, 0, size).clone() }
            return try Padding.constant(found, [0, 0, 0, size - found.shape[0]], Scalar(fillValue))
        }
    }
    /// The number of elements that are not zero, over all dims or some.
    public func countNonzero(dim: [Int]? = nil) -> Tensor {
        trapping(as: "aten::count_nonzero.dim_IntList") {
            try checkValid("aten::count_nonzero")
            return try Reductions.sum(try Ops.ne(self, .int(0)), dims: dim, keepdim: false)
        }
    }
}

// MARK: Declarations

extension Operators {
    static let compaction: [Operator] = [
        Operator(
            "nonzero(Tensor self) -> Tensor", dtypes: .all, composition: ["pointwise", "scatter"],
            isDifferentiable: false,
            notOverridable: "the size of its result depends on the elements",
            samples: { g in
                [[40], [5, 7], [2, 3, 4], [], [0, 3], [1]].map { Sample([.tensor(g.tensor($0, -1.5, 1.5))]) }
            },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").nonzero())] }),
        Operator(
            "masked_select(Tensor self, Tensor mask) -> Tensor", dtypes: .all,
            composition: ["pointwise", "scatter", "gather"],
            notOverridable: "the size of its result depends on the elements",
            samples: { g in
                let shapes: [(Shape, Shape)] = [
                    ([5, 7], [5, 7]), ([5, 7], [7]), ([7], [5, 1]), ([], []), ([0, 3], [3]),
                ]
                return shapes.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor($1, dtype: .bool))]) }
            },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").maskedSelect(try a.tensor("mask")))] }
        ).refusing { g in
            let x = Value.tensor(g.tensor([2, 3]))
            return [
                ErrorSample([x, .tensor(g.tensor([4], dtype: .bool))], "broadcast", "[4]", "[2, 3]"),
                ErrorSample([x, .tensor(g.tensor([2, 3], dtype: .float32))], "bool", "float32"),
            ]
        },
        Operator(
            "count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor", dtypes: .all,
            composition: ["pointwise", "reduce"], isDifferentiable: false,
            notOverridable: "it is made of aten::sum.dim_IntList, which can be",
            samples: { g in
                let cases: [(Shape, [Int])] = [
                    ([5, 7], [0]), ([5, 7], [1]), ([5, 7], [0, 1]), ([], []), ([0, 3], [0]),
                ]
                return cases.map { Sample([.tensor(g.tensor($0, -1.5, 1.5)), .ints($1)]) }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").countNonzero(dim: try a.ints("dim")))]
            }),
        Operator(
            "count_nonzero(Tensor self, int? dim=None) -> Tensor", dtypes: .all,
            composition: ["pointwise", "reduce"], isDifferentiable: false,
            notOverridable: "it is made of aten::sum.dim_IntList, which can be",
            samples: { g in [[5, 7], [], [0]].map { Sample([.tensor(g.tensor($0, -1.5, 1.5)), .none]) } },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").countNonzero(dim: try a.optionalInt("dim").map { [$0] }))]
            }),
        .composed(
            "argwhere(Tensor self) -> Tensor", .all, of: ["aten::nonzero"], isDifferentiable: false,
            samples: { g in [[5, 7], [], [0]].map { Sample([.tensor(g.tensor($0, -1.5, 1.5))]) } },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").argwhere())] }),
        .composed(
            "nonzero_static(Tensor self, *, SymInt size, int fill_value=-1) -> Tensor", .all,
            of: ["aten::nonzero", "aten::constant_pad_nd"], isDifferentiable: false,
            samples: { g in
                [[5, 7], [2, 2], [3], [], [0, 2]].map { Sample([.tensor(g.tensor($0, -1.5, 1.5)), 4, -1]) }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").nonzeroStatic(
                            size: try a.int("size"), fillValue: try a.int("fill_value")))
                ]
            }
        ).refusing([([3], [-2], ["-2"])]),
        .composed(
            "nonzero_numpy(Tensor self) -> Tensor[]", .all, of: ["aten::nonzero"], isDifferentiable: false,
            samples: { g in [[5, 3], [], [0, 3]].map { Sample([.tensor(g.tensor($0, -1.5, 1.5))]) } },
            call: { (a) throws(CressetError) in [.tensors(Tensor.where(try a.tensor("self")))] }),
    ]
}
