import BackendKit

/// How elements that meet at one place are combined.
public enum ScatterReduce: String, Sendable, CaseIterable {
    case sum, prod, mean, amax, amin
}

/// Scattering with every reduction, and their gradients.
enum ScatterReductions {
    private static let name = OperatorName("aten::scatter_reduce.two")

    /// What a place starts from where its own element does not count.
    private static func identity(_ reduce: ScatterReduce, _ dtype: DType) -> Scalar {
        switch reduce {
        case .sum, .mean: return 0
        case .prod: return 1
        case .amax: return dtype.isFloatingPoint ? .double(-.infinity) : .int(dtype.least)
        case .amin: return dtype.isFloatingPoint ? .double(.infinity) : .int(dtype.greatest)
        }
    }

    /// A copy of `x` whose places along `dim` are combined with the elements of `source` that name them.
    static func reduce(
        _ x: Tensor, _ dim: Int, _ index: Tensor, _ source: Tensor, _ reduce: ScatterReduce, includeSelf: Bool,
        op: String
    ) throws(CressetError) -> Tensor {
        try Indexing.check(index, on: x, op: op)
        try Indexing.checkScatter(x, dim, index, source, op: op)
        let d = try x.dim(dim, op: op)
        if x.ndim == 0 {
            return try self.reduce(
                x.reshaped([1], op: op), 0, index.reshaped([index.numel], op: op),
                source.reshaped([source.numel], op: op), reduce, includeSelf: includeSelf, op: op
            ).reshaped([], op: op)
        }
        // Elements of the source beyond the index have no part.
        let source = try source.leading(index.shape, op: op)
        let computed = try noGrad { () throws(CressetError) in
            try compute(x.detach(), d, index, source.detach(), reduce, includeSelf, op: op)
        }
        return Tape.record(op, computed, inputs: [x, source], saving: [x, source, index], savingResult: true) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil, nil] }
            return try gradient(g, saved[0], d, saved[2], saved[1], saved[3], reduce, includeSelf, op: op)
        }
    }

    private static func compute(
        _ x: Tensor, _ d: Int, _ index: Tensor, _ source: Tensor, _ reduce: ScatterReduce, _ includeSelf: Bool,
        op: String
    ) throws(CressetError) -> Tensor {
        if index.numel == 0 { return try Copy.clone(x, op: op) }
        var start = x
        if !includeSelf {
            let neutral = try Tensor.filled(
                index.shape, identity(reduce, x.dtype), dtype: x.dtype, on: x.runtime, op: op)
            start = try Indexing.scatter(x, d, index, neutral, .set, for: op)
        }
        switch reduce {
        case .sum: return try Indexing.scatter(start, d, index, source, .add, for: op)
        case .prod: return try Indexing.scatter(start, d, index, source, .mul, for: op)
        case .amax: return try Indexing.scatter(start, d, index, source, .max, for: op)
        case .amin: return try Indexing.scatter(start, d, index, source, .min, for: op)
        case .mean:
            let sums = try Indexing.scatter(start, d, index, source, .add, for: op)
            let counts = try counts(x, d, index, includeSelf, op: op)
            return x.dtype.isFloatingPoint || x.dtype.isComplex
                ? try Ops.div(sums, counts) : try Ops.floorDivide(sums, counts)
        }
    }

    /// How many elements each place is the mean of, at least 1, in the dtype of `x`.
    private static func counts(
        _ x: Tensor, _ d: Int, _ index: Tensor, _ includeSelf: Bool, op: String
    ) throws(CressetError) -> Tensor {
        // (Counted in float32 where the dtype itself cannot count on: 257 is no bfloat16.)
        let dtype: DType = x.dtype.size < 4 ? (x.dtype.isFloatingPoint ? .float32 : .int32) : x.dtype
        let start = try Tensor.filled(x.shape, includeSelf ? 1 : 0, dtype: dtype, on: x.runtime, op: op)
        let ones = try Tensor.filled(index.shape, 1, dtype: dtype, on: x.runtime, op: op)
        let counted = try Indexing.scatter(start, d, index, ones, .add)
        return try Selection.fill(counted, try Ops.eq(counted, .int(0)), 1).converted(to: x.dtype)
    }

    /// Gradients of the tensor and of the source.
    private static func gradient(
        _ g: Tensor, _ x: Tensor, _ d: Int, _ index: Tensor, _ source: Tensor, _ result: Tensor,
        _ reduce: ScatterReduce, _ includeSelf: Bool, op: String
    ) throws(CressetError) -> [Tensor?] {
        let zeros = try Tensor.filled(index.shape, 0, dtype: g.dtype, on: g.runtime, op: op)
        /// Where its own element does not count nothing flows to it.
        func own(_ gradient: Tensor) throws(CressetError) -> Tensor {
            includeSelf || index.numel == 0 ? gradient : try Indexing.scatter(gradient, d, index, zeros, .set)
        }
        func picked(_ y: Tensor) throws(CressetError) -> Tensor { try Indexing.gather(y, d, index) }
        switch reduce {
        case .sum: return [try own(g), try picked(g)]
        case .mean:
            let share = try Ops.div(g, try counts(x, d, index, includeSelf, op: op))
            return [try own(share), try picked(share)]
        case .amax, .amin:
            // Shared evenly among all that are the extreme.
            let mine = try Ops.eq(x, result).converted(to: g.dtype)
            let theirs = try Ops.eq(source, try picked(result)).converted(to: g.dtype)
            let holders = try Indexing.scatter(try own(mine), d, index, theirs, .add)
            let share = try Ops.div(g, try Selection.fill(holders, try Ops.eq(holders, .int(0)), 1))
            return [try own(try Ops.mul(share, mine)), try Ops.mul(theirs, try picked(share))]
        case .prod:
            // Each factor's gradient is the product of the others: without a zero the result over it, with one
            // zero the product without that for it alone.
            let rest = try products(without: x, d, index, source, includeSelf, op: op)
            return [
                try own(try Ops.mul(g, rest.own)), try Ops.mul(try picked(g), rest.source),
            ]
        }
    }

    /// For each factor of a place's product, the product of the others: a quotient of what is not zero, times the
    /// one zero beside it if there is one, so that its own derivative is right. (That of its derivative is not where
    /// there are two beside it: PyTorch refuses to differentiate twice where a place has two.)
    private static func products(
        without x: Tensor, _ d: Int, _ index: Tensor, _ source: Tensor, _ includeSelf: Bool, op: String
    ) throws(CressetError) -> (own: Tensor, source: Tensor) {
        func nonzero(_ y: Tensor, _ isZero: Tensor) throws(CressetError) -> Tensor { try Selection.fill(y, isZero, 1) }
        func cleared(_ y: Tensor, with value: Int) throws(CressetError) -> Tensor {
            if includeSelf || index.numel == 0 { return y }
            let fill = try Tensor.filled(index.shape, Scalar(value), dtype: y.dtype, on: y.runtime, op: op)
            return try Indexing.scatter(y, d, index, fill, .set)
        }
        let (mineZero, theirsZero) = (try Ops.eq(x, .int(0)), try Ops.eq(source, .int(0)))
        let (mine, theirs) = (try nonzero(x, mineZero), try nonzero(source, theirsZero))
        // The product of what is not zero, and how many zeros there are beside it.
        let product = try reduce(mine, d, index, theirs, .prod, includeSelf: includeSelf, op: op)
        let count = try Indexing.scatter(
            try cleared(mineZero.converted(to: .int32), with: 0), d, index, theirsZero.converted(to: .int32), .add)
        // The zeros as numbers, that is as functions of what they come from.
        func left(_ y: Tensor, _ isZero: Tensor) throws(CressetError) -> Tensor {
            try Selection.fill(y, try Ops.logicalNot(isZero), 0)
        }
        let (mineLeft, theirsLeft) = (try left(x, mineZero), try left(source, theirsZero))
        let sum = try Indexing.scatter(try cleared(mineLeft, with: 0), d, index, theirsLeft, .add)
        func others(
            _ product: Tensor, _ count: Tensor, _ sum: Tensor, _ factor: Tensor, _ isZero: Tensor, _ zero: Tensor
        ) throws(CressetError) -> Tensor {
            let rest = try Ops.sub(count, isZero.converted(to: .int32))
            let quotient = try Ops.div(product, factor)
            let withOne = try Ops.mul(quotient, try Ops.sub(sum, zero))
            let most = try Selection.whereSelf(try Ops.eq(rest, .int(0)), quotient, withOne)
            return try Selection.fill(most, try Ops.gt(rest, .int(1)), 0)
        }
        func picked(_ y: Tensor) throws(CressetError) -> Tensor { try Indexing.gather(y, d, index) }
        return (
            try others(product, count, sum, mine, mineZero, mineLeft),
            try others(try picked(product), try picked(count), try picked(sum), theirs, theirsZero, theirsLeft)
        )
    }
}

extension Tensor {
    /// The first elements along every dim, as many as `shape` says.
    fileprivate func leading(_ shape: Shape, op: String) throws(CressetError) -> Tensor {
        var result = self
        for d in 0..<Swift.min(ndim, shape.count) where self.shape[d] != shape[d] {
            result = result.narrow(d, 0, shape[d])
        }
        return result
    }

    /// A copy whose places along `dim` are combined with the elements of `source` that name them.
    public func scatterReduce(
        _ dim: Int, _ index: Tensor, _ source: Tensor, _ reduce: ScatterReduce, includeSelf: Bool = true
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try ScatterReductions.reduce(
                self, dim, index, source, reduce, includeSelf: includeSelf, op: "aten::scatter_reduce.two")
        }
    }
    /// Places along `dim` are combined with the elements of `source` that name them.
    @discardableResult
    public func scatterReduce_(
        _ dim: Int, _ index: Tensor, _ source: Tensor, _ reduce: ScatterReduce, includeSelf: Bool = true
    ) -> Tensor {
        inPlace("aten::scatter_reduce_.two") {
            $0.scatterReduce(dim, index, source, reduce, includeSelf: includeSelf)
        }
    }
    /// A copy whose slices along `dim` are combined with those of `source`, by a 1-d index.
    public func indexReduce(
        _ dim: Int, _ index: Tensor, _ source: Tensor, _ reduce: ScatterReduce, includeSelf: Bool = true
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::index_reduce"
            let (d, along) = try Indexing.slices(self, dim, index, source, op: op)
            return try ScatterReductions.reduce(
                self, d, along, source, reduce, includeSelf: includeSelf, op: op)
        }
    }
}

extension DType {
    /// The least and greatest number of an integer dtype; false and true for bool.
    var least: Int64 {
        switch self {
        case .int8: Int64(Int8.min)
        case .int16: Int64(Int16.min)
        case .int32: Int64(Int32.min)
        case .int64: Int64.min
        default: 0
        }
    }
    var greatest: Int64 {
        switch self {
        case .bool: 1
        case .uint8: 255
        case .int8: Int64(Int8.max)
        case .int16: Int64(Int16.max)
        case .int32: Int64(Int32.max)
        default: Int64.max
        }
    }
}

// MARK: Declarations

extension Operators {
    private static func reduction(_ a: Arguments) throws(CressetError) -> ScatterReduce {
        let text = try a.string("reduce")
        guard let reduce = ScatterReduce(rawValue: text), a.op != "aten::index_reduce" || reduce != .sum else {
            throw CressetError(
                .argument, op: a.op,
                "reduce must be \(a.op == "aten::index_reduce" ? "" : "sum, ")prod, mean, amax or amin, got \"\(text)\""
            )
        }
        return reduce
    }

    static let scatterReductions: [Operator] = [
        .composed(
            "scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor",
            .real, of: ["scatter"],
            samples: { g in
                var samples: [Sample] = []
                for (i, reduce) in ScatterReduce.allCases.enumerated() where g.dtype != .bool || reduce != .mean {
                    let shape: Shape = i % 2 == 0 ? [2, 6] : [5, 4]
                    for includeSelf in [true, false] {
                        samples.append(
                            Sample([
                                .tensor(g.distinct([3, 6])), .scalar(Scalar(0)),
                                .tensor(g.indices(shape, below: 3)), .tensor(g.tensor([6, 6])),
                                .string(reduce.rawValue), .scalar(.bool(includeSelf)),
                            ]))
                    }
                }
                samples.append(
                    Sample([
                        .tensor(g.tensor([])), 0, .tensor(g.indices([], below: 1)), .tensor(g.tensor([])), "prod", true,
                    ]))
                // Places whose product has one zero, or two, of either tensor's.
                let index = Tensor(
                    [0, 1, 2, 0, 1, 2, 0, 0, 1, 1, 2, 2, 0, 1, 0, 3], shape: [4, 4], device: .reference)
                for includeSelf in [true, false] {
                    samples.append(
                        Sample([
                            .tensor(withZeros(&g)), 1, .tensor(index), .tensor(withZeros(&g)), "prod",
                            .scalar(.bool(includeSelf)),
                        ]))
                }
                samples.append(
                    Sample([
                        .tensor(g.tensor([2, 3])), 1, .tensor(g.indices([2, 0], below: 3)), .tensor(g.tensor([2, 0])),
                        "amax", false,
                    ]))
                return samples
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").scatterReduce(
                            try a.int("dim"), try a.tensor("index"), try a.tensor("src"), try reduction(a),
                            includeSelf: try a.bool("include_self")))
                ]
            }),
        .composed(
            "index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor",
            .number, of: ["aten::scatter_reduce.two"],
            samples: { g in
                [("prod", true), ("mean", false), ("amax", true), ("amin", false)].map { reduce, includeSelf in
                    Sample([
                        .tensor(g.distinct([4, 3])), 0, .tensor(g.indices([5], below: 4)), .tensor(g.tensor([5, 3])),
                        .string(reduce), .scalar(.bool(includeSelf)),
                    ])
                } + [
                    Sample([
                        .tensor(g.tensor([])), 0, .tensor(g.indices([1], below: 1)), .tensor(g.tensor([])), "mean",
                        true,
                    ]),
                    Sample([
                        .tensor(g.tensor([2, 3])), 1, .tensor(g.indices([0], below: 3)), .tensor(g.tensor([2, 0])),
                        "amax", false,
                    ]),
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").indexReduce(
                            try a.int("dim"), try a.tensor("index"), try a.tensor("source"), try reduction(a),
                            includeSelf: try a.bool("include_self")))
                ]
            }),
    ]
}
