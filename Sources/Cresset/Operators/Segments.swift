import BackendKit

/// Elements repeated, and runs of elements combined, by their lengths.
enum Segments {
    /// For places 0 ..< n of each row which segment of given lengths they are in; the number of segments where
    /// they are beyond all.
    private static func segments(_ lengths: Tensor, _ n: Int, op: String) throws(CressetError) -> Tensor {
        let ends = try Scans.cumsum(lengths, dim: -1, dtype: .int64)
        let places = try Tensor.empty([n], .int64, on: lengths.runtime, op: op)
        try Generators.arange.generate([0, 1], into: places)
        var shape = lengths.shape
        shape[shape.count - 1] = n
        return try Searching.search(ends, try places.expanded(shape, op: op), right: true, op: op)
    }

    /// Place i as often as element i says.
    static func repeated(_ repeats: Tensor, size: Int?, op: String) throws(CressetError) -> Tensor {
        try repeats.checkValid(op)
        guard repeats.ndim == 1, repeats.dtype == .int64 || repeats.dtype == .int32 else {
            throw CressetError(.argument, op: op, "repeats must be a vector of int64 or int32, got \(repeats.summary)")
        }
        return try noGrad { () throws(CressetError) -> Tensor in
            if repeats.numel == 0 { return try .empty([0], repeats.dtype, on: repeats.runtime, op: op) }
            if repeats.isMeta, let size { return try .empty([size], repeats.dtype, on: repeats.runtime, op: op) }
            try repeats.checkHasData(op)
            let counted = repeats.sum().itemInt()
            guard repeats.amin().itemInt() >= 0, size ?? counted == counted else {
                throw CressetError(
                    .argument, op: op,
                    "repeats must not be negative and sum up to the output size: \(counted), \(size ?? counted)")
            }
            return try segments(repeats, counted, op: op).converted(to: repeats.dtype)
        }
    }

    static func reduce(
        _ x: Tensor, _ reduction: String, lengths: Tensor?, offsets: Tensor?, axis: Int, initial: Scalar?,
        unsafe: Bool
    ) throws(CressetError) -> Tensor {
        let op = "aten::segment_reduce"
        try x.checkValid(op)
        let names: [String: ScatterReduce] = ["sum": .sum, "mean": .mean, "max": .amax, "min": .amin, "prod": .prod]
        guard let kind = names[reduction] else {
            throw CressetError(.argument, op: op, "reduce must be sum, mean, max, min or prod, got \"\(reduction)\"")
        }
        let d = try x.dim(axis, op: op)
        guard let given = lengths ?? offsets, x.ndim > 0, x.dtype.isFloatingPoint else {
            throw CressetError(
                .argument, op: op, "needs lengths or offsets, and floats of at least 1 dim: \(x.summary)")
        }
        try given.checkValid(op)
        guard given.ndim == d + 1, given.shape.dropLast().elementsEqual(x.shape.prefix(d)),
            given.dtype == .int64 || given.dtype == .int32, lengths != nil || given.size(-1) > 0
        else {
            throw CressetError(
                .argument, op: op,
                "lengths or offsets must be integers with the sizes before dim \(d): \(given.summary), \(x.summary)")
        }
        let n = x.shape[d]
        let sizes = try noGrad { () throws(CressetError) in
            lengths != nil
                ? given.detach()
                : try Differences.diff(given.detach(), n: 1, dim: -1, prepend: nil, append: nil)
        }
        if !unsafe, sizes.numel > 0, !sizes.isMeta {
            let sums = try sizes.sum(dim: -1).doubles()
            guard sizes.amin().itemInt() >= 0, sums.allSatisfy({ $0 == Double(n) }) else {
                throw CressetError(
                    .argument, op: op, "the lengths of each row must sum up to \(n), the size of dim \(d)")
            }
        }
        let count = sizes.size(-1)
        // One segment more, for what is beyond all.
        var shape = x.shape
        shape[d] = count + 1
        let start: Scalar =
            switch kind {
            case .sum, .mean: initial ?? 0
            case .prod: initial ?? 1
            case .amax: initial ?? .double(-.infinity)
            case .amin: initial ?? .double(.infinity)
            }
        let target = try Tensor.filled(shape, start, dtype: x.dtype, on: x.runtime, op: op)
        if x.numel == 0 || count == 0 {
            return try target.narrow(d, 0, count).clone().dependent(
                on: x, isMean: kind == .mean && initial == nil, op: op)
        }
        let rest = [Int](repeating: 1, count: x.ndim - d - 1)
        let index = try noGrad { () throws(CressetError) in
            try segments(sizes, n, op: op).reshaped(Shape(Array(x.shape.prefix(d + 1)) + rest), op: op).expanded(
                x.shape, op: op)
        }
        let combined = try ScatterReductions.reduce(
            target, d, index, x, kind == .mean ? .sum : kind, includeSelf: true, op: "aten::scatter_reduce.two"
        ).narrow(d, 0, count)
        guard kind == .mean else { return combined }
        let divisor = try sizes.reshaped(Shape(Array(sizes.shape) + rest), op: op).converted(to: x.dtype)
        let mean = try Ops.div(combined, divisor.clamp(min: 1))
        return initial != nil ? mean : try Selection.fill(mean, try Ops.eq(divisor, .int(0)), .double(.nan))
    }
}

extension Tensor {
    /// A result that no element had a part in: constant, but in the history of `x`.
    fileprivate func dependent(on x: Tensor, isMean: Bool, op: String) throws(CressetError) -> Tensor {
        let value = isMean ? try Tensor.filled(shape, .double(.nan), dtype: dtype, on: runtime, op: op) : self
        return Tape.record(op, value, inputs: [x]) { (gradients, _) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    try .filled(x.shape, 0, dtype: g.dtype, on: g.runtime, op: op)
                }
            ]
        }
    }

    /// Every element `repeats` times in a row along `dim`; without a dim of all elements in one row.
    public func repeatInterleave(_ repeats: Int, dim: Int? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::repeat_interleave.self_int"
            try checkValid(op)
            guard repeats >= 0 else {
                throw CressetError(.argument, op: op, "repeats must not be negative, got \(repeats)")
            }
            let x = dim == nil || ndim == 0 ? try reshaped([numel], op: op) : self
            let d = try x.dim(dim ?? 0, op: op)
            let (size, overflows) = (x.ndim == 0 ? 1 : x.shape[d]).multipliedReportingOverflow(by: repeats)
            var target = x.shape
            target[d] = size
            guard !overflows, target.extent(dtype.size) != nil else {
                throw CressetError(.shape, op: op, "\(repeats) times \(summary) are too many elements")
            }
            guard x.ndim < maxRank else {
                throw CressetError(.shape, op: op, "ranks of \(maxRank) and more are not supported")
            }
            let wide = x.shape.inserting(repeats, at: d + 1)
            let result = try x.unsqueeze(d + 1).expanded(wide, op: op).reshaped(target, op: op)
            return result.impl.storage === impl.storage ? result.clone() : result
        }
    }
    /// Element i repeated repeats[i] times along `dim`; without a dim of all elements in one row.
    public func repeatInterleave(_ repeats: Tensor, dim: Int? = nil, outputSize: Int? = nil) -> Tensor {
        trapping(as: "aten::repeat_interleave.self_Tensor") {
            let op = "aten::repeat_interleave.self_Tensor"
            try checkValid(op)
            let x = dim == nil || ndim == 0 ? try reshaped([numel], op: op) : self
            let d = try x.dim(dim ?? 0, op: op)
            var counts = repeats
            if repeats.numel == 1 { counts = try repeats.reshaped([1], op: op).expanded([x.shape[d]], op: op).clone() }
            guard counts.numel == x.shape[d] else {
                throw CressetError(
                    .shape, op: op, "needs one number for each of the \(x.shape[d]) places: \(repeats.summary)")
            }
            return try Indexing.select(x, d, try Segments.repeated(counts, size: outputSize, op: op))
        }
    }
    /// Place i as often as element i of this vector says.
    public func repeatInterleave(outputSize: Int? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            try Segments.repeated(self, size: outputSize, op: "aten::repeat_interleave.Tensor")
        }
    }
    /// Runs of elements along `axis`, of given lengths or between given offsets, each combined to one.
    public func segmentReduce(
        _ reduce: String, lengths: Tensor? = nil, offsets: Tensor? = nil, axis: Int = 0, unsafe: Bool = false,
        initial: Scalar? = nil
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try Segments.reduce(
                self, reduce, lengths: lengths, offsets: offsets, axis: axis, initial: initial, unsafe: unsafe)
        }
    }
}

// MARK: Declarations

extension Operators {
    static let segments: [Operator] = [
        .composed(
            "repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor",
            of: ["aten::clone"],
            samples: {
                $0.samples([
                    ([2, 3], [2, 1, .none]), ([2, 3], [3, .none, .none]), ([], [2, .none, .none]),
                    ([3], [0, 0, .none]),
                    ([0, 2], [2, 0, .none]),
                ])
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").repeatInterleave(try a.int("repeats"), dim: try a.optionalInt("dim")))]
            }),
        .composed(
            "repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor",
            of: ["aten::cumsum", "aten::searchsorted.Tensor", "aten::index_select"],
            samples: { g in
                let counts = Tensor([2, 0, 3] as [Int64], device: .reference)
                let twos = Tensor([2, 2, 2] as [Int64], device: .reference)
                return [
                    Sample([.tensor(g.tensor([3, 2])), .tensor(counts), 0, .none]),
                    Sample([.tensor(g.tensor([3])), .tensor(twos), .none, 6]),
                    Sample([.tensor(g.tensor([2, 2])), .tensor(Tensor([2] as [Int64], device: .reference)), 1, .none]),
                    Sample([.tensor(g.tensor([])), .tensor(Tensor([2] as [Int64], device: .reference)), .none, .none]),
                    Sample([.tensor(g.tensor([0, 3])), .tensor(twos), 1, .none]),
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").repeatInterleave(
                            try a.tensor("repeats"), dim: try a.optionalInt("dim"),
                            outputSize: try a.optionalInt("output_size")))
                ]
            }),
        .composed(
            "repeat_interleave.Tensor(Tensor repeats, *, SymInt? output_size=None) -> Tensor", [.int64, .int32],
            of: ["aten::cumsum", "aten::searchsorted.Tensor"], isDifferentiable: false,
            samples: { g in
                [[5], [0]].map { Sample([.tensor(g.tensor($0, 0, 4)), .none], takesOtherValues: false) }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("repeats").repeatInterleave(outputSize: try a.optionalInt("output_size")))]
            }),
        .composed(
            "segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None, int axis=0, bool unsafe=False, Scalar? initial=None) -> Tensor",
            .floating, of: ["aten::cumsum", "aten::searchsorted.Tensor", "aten::scatter_reduce.two"],
            samples: { g in
                // (Of lengths that are laid out in another way the sum need not be right, but where all are equal.)
                let lengths = Tensor([2, 0, 3] as [Int64], device: .reference)
                let twos = Tensor([2, 2, 2] as [Int64], device: .reference)
                let offsets = Tensor([0, 1, 5] as [Int64], device: .reference)
                let rows = Tensor([1, 2, 3, 0] as [Int64], shape: [2, 2], device: .reference)
                return [
                    Sample([.tensor(g.distinct([5, 2])), "sum", .tensor(lengths), .none, .none, 0, true, 1]),
                    Sample([.tensor(g.distinct([5])), "mean", .none, .none, .tensor(offsets), 0, true, .none]),
                    Sample([.tensor(g.tensor([6, 2])), "max", .tensor(twos), .none, .none, 0, false, -9]),
                    Sample([.tensor(g.tensor([5])), "min", .none, .none, .tensor(offsets), 0, true, .none]),
                    Sample([.tensor(g.distinct([2, 3, 2])), "prod", .tensor(rows), .none, .none, 1, true, .none]),
                    Sample([
                        .tensor(withZeros(&g)), "prod", .none, .none,
                        .tensor(Tensor([0, 1, 4] as [Int64], device: .reference)), 0, true, 2,
                    ]),
                    Sample([.tensor(g.tensor([6, 0])), "max", .tensor(twos), .none, .none, 0, false, .none]),
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("data").segmentReduce(
                            try a.string("reduce"), lengths: try a.optionalTensor("lengths"),
                            offsets: try a.optionalTensor("offsets"), axis: try a.int("axis"),
                            unsafe: try a.bool("unsafe"), initial: try a.optionalScalar("initial")))
                ]
            }),
    ]
}
