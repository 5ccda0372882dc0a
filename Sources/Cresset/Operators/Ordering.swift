import BackendKit

/// Values of a certain rank or frequency: median, quantile, mode.
enum Ordering {
    /// The value along a dim at a place that is known for each row, recorded; both without the dim if wanted.
    private static func pick(
        _ x: Tensor, _ d: Int, _ places: Tensor, keepdim: Bool
    ) throws(CressetError) -> (values: Tensor, indices: Tensor) {
        let values = try Indexing.gather(x, d, places)
        return keepdim ? (values, places) : (values.squeeze(d), places.squeeze(d))
    }

    private static func checkedDim(_ x: Tensor, _ dim: Int, op: String) throws(CressetError) -> Int {
        try x.checkValid(op)
        let d = try x.dim(dim, op: op)
        guard x.ndim == 0 || x.shape[d] > 0 else {
            throw CressetError(.shape, op: op, "\(x.summary) has no elements along dim \(d)")
        }
        return d
    }

    /// The most frequent value along a dim, the smallest of several, and where it is.
    static func mode(_ x: Tensor, dim: Int, keepdim: Bool) throws(CressetError) -> (values: Tensor, indices: Tensor) {
        let op = "aten::mode"
        let d = try checkedDim(x, dim, op: op)
        if x.ndim == 0 { return (x.clone(), try .filled([], 0, dtype: .int64, on: x.runtime, op: op)) }
        if x.numel == 0 {
            let places = try Tensor.filled(x.shape.reduced([d], keepdim: true), 0, dtype: .int64, on: x.runtime, op: op)
            return try pick(x, d, places, keepdim: keepdim)
        }
        let places = try noGrad { () throws(CressetError) -> Tensor in
            let n = x.shape[d]
            let (sorted, order) = try Sorting.sort(x.detach(), dim: d, descending: false)
            // A run of equal values begins where one differs from the one before; its length so far is the
            // distance to there, and the first to be longest is the smallest value that is most frequent.
            let differs = try Ops.ne(sorted.narrow(d, 1, n - 1), sorted.narrow(d, 0, n - 1))
            let first = try Tensor.filled(
                x.shape.reduced([d], keepdim: true), true, dtype: .bool, on: x.runtime, op: op)
            let begins = try Joining.cat([first, differs], dim: d)
            let position = try Tensor.empty(x.shape, .int64, on: x.runtime, op: op)
            try Scans.positions.run([], [.int(Int64(x.innerCount(d))), .int(Int64(n))], into: [position])
            let starts = try Ops.mul(position, begins.converted(to: .int64)).cummax(dim: d).values
            let longest = try Ops.sub(position, starts).argmax(dim: d, keepdim: true)
            return try Indexing.gather(order, d, longest)
        }
        return try pick(x, d, places, keepdim: keepdim)
    }

    /// The lower median along a dim and where it is; a NaN wins, or is left out.
    static func median(
        _ x: Tensor, dim: Int, keepdim: Bool, ignoresNaN: Bool
    ) throws(CressetError) -> (values: Tensor, indices: Tensor) {
        let op = ignoresNaN ? "aten::nanmedian.dim" : "aten::median.dim"
        try x.checkDType(.number, op: op)
        let d = try checkedDim(x, dim, op: op)
        if x.ndim == 0 { return (x.clone(), try .filled([], 0, dtype: .int64, on: x.runtime, op: op)) }
        let places = try noGrad { () throws(CressetError) -> Tensor in
            let n = x.shape[d]
            let (sorted, order) = try Sorting.sort(x.detach(), dim: d, descending: false)
            let row = x.shape.reduced([d], keepdim: true)
            var rank = try Tensor.filled(row, .int(Int64((n - 1) / 2)), dtype: .int64, on: x.runtime, op: op)
            if x.dtype.isFloatingPoint && x.numel > 0 {
                // NaN are at the end.
                let numbers = try Ops.sub(
                    Scalar(n), try Reductions.sum(try Ops.isnan(sorted), dims: [d], keepdim: true))
                if ignoresNaN {
                    rank = try Ops.floorDivide(try Ops.sub(numbers, .int(1)).clamp(min: 0), .int(2))
                } else {
                    rank = try Selection.whereSelf(try Ops.lt(numbers, Scalar(n)), numbers, rank)
                }
            }
            return try Indexing.gather(order, d, rank)
        }
        return try pick(x, d, places, keepdim: keepdim)
    }

    /// The lower median of all elements; its gradient is shared by all that are equal to it.
    static func median(_ x: Tensor, ignoresNaN: Bool) throws(CressetError) -> Tensor {
        let op = ignoresNaN ? "aten::nanmedian" : "aten::median"
        try x.checkValid(op)
        try x.checkDType(.number, op: op)
        if x.numel == 0 {
            guard x.dtype.isFloatingPoint else {
                throw CressetError(.shape, op: op, "\(x.summary) has no elements")
            }
            let empty = try Tensor.filled([], .double(.nan), dtype: x.dtype, on: x.runtime, op: op)
            return Tape.record(op, empty, inputs: [x]) { (g, _) throws(CressetError) in
                [
                    try g[0].map { (g) throws(CressetError) in
                        try .filled(x.shape, 0, dtype: g.dtype, on: g.runtime, op: op)
                    }
                ]
            }
        }
        let flat = try x.detach().reshaped([x.numel], op: op)
        let result = try median(flat, dim: 0, keepdim: false, ignoresNaN: ignoresNaN).values
        return Tape.record(op, result, inputs: [x], saving: [x], savingResult: true) {
            (gradients, saved) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    let (x, median) = (saved[0].detach(), saved[1].detach())
                    let bothNaN = try Ops.logicalAnd(try Ops.isnan(x), try Ops.isnan(median))
                    let holds = try Ops.logicalOr(try Ops.eq(x, median), bothNaN).converted(to: g.dtype)
                    return try Ops.mul(holds, try Ops.div(g, try Reductions.sum(holds, dims: nil, keepdim: false)))
                }
            ]
        }
    }

    /// a + w·(b - a), from the nearer end, so that it is exact at both.
    private static let between = Pointwise("aten::quantile.lerp", .promote, schema: nil) { c in
        let (a, b, w) = (c.inputs[0], c.inputs[1], c.inputs[2])
        return select(w .< Expr(0.5, c.type), a + w * (b - a), b - (b - a) * (1 - w))
    }

    static func quantile(
        _ x: Tensor, _ q: Tensor, dim: Int?, keepdim: Bool, interpolation: String, ignoresNaN: Bool
    ) throws(CressetError) -> Tensor {
        let op = ignoresNaN ? "aten::nanquantile" : "aten::quantile"
        try x.checkValid(op)
        try q.checkValid(op)
        guard ["linear", "lower", "higher", "midpoint", "nearest"].contains(interpolation) else {
            throw CressetError(
                .argument, op: op,
                "interpolation must be linear, lower, higher, midpoint or nearest, got \"\(interpolation)\"")
        }
        guard x.dtype.isFloatingPoint, q.dtype == x.dtype, q.ndim <= 1, x.numel > 0 else {
            throw CressetError(
                .argument, op: op,
                "needs floating elements and a number or vector q of their dtype, got \(x.summary) and \(q.summary)")
        }
        let fractions = try q.isMeta ? [] : q.doubles()
        guard fractions.allSatisfy({ $0 >= 0 && $0 <= 1 }) else {
            throw CressetError(.argument, op: op, "every q must lie in 0 ... 1")
        }
        let d = try dim.map { (d) throws(CressetError) in try x.dim(d, op: op) }
        // The dim goes last; ranks take its place.
        let rows =
            d == nil || x.ndim == 0 ? try x.reshaped([x.numel], op: op) : x.movedim(d ?? 0, -1)
        let n = rows.size(-1)
        let sorted = try Sorting.sort(rows, dim: -1, descending: false).values
        let isNaN = try Ops.isnan(sorted.detach())
        let last = rows.ndim - 1
        var ranks: Tensor
        let levels = try q.detach().reshaped([q.numel], op: op)
        if ignoresNaN {
            let numbers = try Ops.sub(
                Scalar(n), try Reductions.sum(isNaN, dims: [last], keepdim: true)
            ).converted(to: x.dtype)
            ranks = try Ops.mul(levels, try Ops.sub(numbers, .int(1))).clamp(min: 0)
        } else {
            ranks = try Ops.mul(levels, .int(Int64(n - 1)))
            let anyNaN = try Reductions.truth(Reductions.anyKernel, isNaN, dims: [last], keepdim: true)
            ranks = try Selection.fill(ranks, anyNaN, .int(Int64(n - 1)))
        }
        var shape = rows.shape
        shape[last] = q.numel
        ranks = try ranks.expanded(shape, op: op)
        switch interpolation {
        case "lower": ranks = ranks.floor()
        case "higher": ranks = ranks.ceil()
        case "nearest": ranks = ranks.round()
        default: break
        }
        let below = ranks.floor()
        var result = try Indexing.gather(sorted, last, below.converted(to: .int64))
        if interpolation == "linear" || interpolation == "midpoint" {
            let above = try Indexing.gather(sorted, last, ranks.ceil().converted(to: .int64))
            let weight =
                interpolation == "midpoint"
                ? try Tensor.filled([], 0.5, dtype: x.dtype, on: x.runtime, op: op) : try Ops.sub(ranks, below)
            result = try between(result, above, weight)
        }
        if keepdim {
            // Without a dim all of them are kept.
            var kept =
                d == nil
                ? Shape(repeating: 1, count: x.ndim) : x.shape.reduced(x.ndim == 0 ? [] : [d ?? 0], keepdim: true)
            if q.ndim == 1 { kept.insert(q.numel, at: 0) }
            return try (q.ndim == 1 ? result.movedim(-1, 0) : result.squeeze(-1)).reshaped(kept, op: op)
        }
        return q.ndim == 1 ? result.movedim(-1, 0) : result.squeeze(-1)
    }
}

extension Tensor {
    /// The most frequent value along `dim`, the smallest of several, and where it is.
    public func mode(dim: Int = -1, keepdim: Bool = false) -> (values: Tensor, indices: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in
            try Ordering.mode(self, dim: dim, keepdim: keepdim)
        }
    }
    /// The median of all elements, the lower of two; NaN if there is one.
    public func median() -> Tensor {
        trapping { () throws(CressetError) in try Ordering.median(self, ignoresNaN: false) }
    }
    /// The median along `dim`, the lower of two, and where it is; NaN wins.
    public func median(dim: Int, keepdim: Bool = false) -> (values: Tensor, indices: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in
            try Ordering.median(self, dim: dim, keepdim: keepdim, ignoresNaN: false)
        }
    }
    /// The median of all elements that are not NaN.
    public func nanmedian() -> Tensor {
        trapping { () throws(CressetError) in try Ordering.median(self, ignoresNaN: true) }
    }
    /// The median along `dim` of the elements that are not NaN, and where it is.
    public func nanmedian(dim: Int, keepdim: Bool = false) -> (values: Tensor, indices: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in
            try Ordering.median(self, dim: dim, keepdim: keepdim, ignoresNaN: true)
        }
    }
    /// The elements at the levels `q`, between 0 and 1, of their order; several levels are a new first dim.
    public func quantile(_ q: Tensor, dim: Int? = nil, keepdim: Bool = false, interpolation: String = "linear")
        -> Tensor
    {
        trapping(as: "aten::quantile") {
            try Ordering.quantile(self, q, dim: dim, keepdim: keepdim, interpolation: interpolation, ignoresNaN: false)
        }
    }
    /// The element at the level `q`, between 0 and 1, of their order.
    public func quantile(_ q: Double, dim: Int? = nil, keepdim: Bool = false, interpolation: String = "linear")
        -> Tensor
    {
        quantile(
            .full([], .double(q), dtype: dtype, device: device), dim: dim, keepdim: keepdim,
            interpolation: interpolation)
    }
    /// `quantile` of the elements that are not NaN.
    public func nanquantile(_ q: Tensor, dim: Int? = nil, keepdim: Bool = false, interpolation: String = "linear")
        -> Tensor
    {
        trapping(as: "aten::nanquantile") {
            try Ordering.quantile(self, q, dim: dim, keepdim: keepdim, interpolation: interpolation, ignoresNaN: true)
        }
    }
    /// `quantile` of the elements that are not NaN.
    public func nanquantile(_ q: Double, dim: Int? = nil, keepdim: Bool = false, interpolation: String = "linear")
        -> Tensor
    {
        nanquantile(
            .full([], .double(q), dtype: dtype, device: device), dim: dim, keepdim: keepdim,
            interpolation: interpolation)
    }
}

// MARK: Declarations

extension Operators {
    private static func pair(
        _ schema: String, _ dtypes: Set<DType>, of parts: [String],
        _ body: @escaping @Sendable (Tensor, Int, Bool) -> (values: Tensor, indices: Tensor)
    ) -> Operator {
        .composed(
            schema, dtypes, of: parts, freeIndices: [1],
            samples: { g in
                let cases: [(Shape, Int, Bool)] = [
                    ([5, 4], 0, false), ([2, 6], -1, true), ([], 0, false), ([0, 3], 1, false),
                ]
                return cases.map { Sample([.tensor(g.distinct($0)), .scalar(Scalar($1)), .scalar(.bool($2))]) }
                    + [Sample([.tensor(g.tensor([3, 12], -2, 2)), 1, false], checksGradient: false)]
            },
            call: { (a) throws(CressetError) in
                let (values, indices) = body(try a.tensor("self"), try a.int("dim"), try a.bool("keepdim"))
                return [.tensor(values), .tensor(indices)]
            })
    }

    private static func whole(_ name: String, _ body: @escaping @Sendable (Tensor) -> Tensor) -> Operator {
        .composed(
            "\(name)(Tensor self) -> Tensor", .number, of: ["aten::sort.stable", "aten::gather"],
            samples: { g in
                // (Of nothing it is NaN, which no integer is.)
                let shapes: [Shape] = [[5, 3], [4], []] + (g.dtype.isFloatingPoint ? [[0, 3]] : [])
                return shapes.map { Sample([.tensor(g.distinct($0))]) }
            },
            call: { (a) throws(CressetError) in [.tensor(body(try a.tensor("self")))] })
    }

    private static func quantiles(
        _ name: String, _ tensor: @escaping @Sendable (Tensor, Tensor, Int?, Bool, String) -> Tensor,
        _ scalar: @escaping @Sendable (Tensor, Double, Int?, Bool, String) -> Tensor
    ) -> [Operator] {
        let rest = "int? dim=None, bool keepdim=False, *, str interpolation=\"linear\""
        let parts = ["aten::sort.stable", "aten::gather", "pointwise"]
        return [
            .composed(
                "\(name).scalar(Tensor self, float q, \(rest)) -> Tensor", [.float32, .float64], of: parts,
                samples: { g in
                    [
                        Sample([.tensor(g.distinct([5, 4])), 0.3, 0, false, "linear"]),
                        Sample([.tensor(g.distinct([5, 4])), 0.75, -1, true, "midpoint"]),
                        Sample([.tensor(g.distinct([3, 3])), 0.6, .none, false, "nearest"]),
                        Sample([.tensor(g.distinct([6])), 0.5, 0, false, "lower"]),
                        Sample([.tensor(g.distinct([6])), 0.5, 0, true, "higher"]),
                        Sample([.tensor(g.distinct([])), 0.5, 0, true, "linear"]),
                    ]
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensor(
                            scalar(
                                try a.tensor("self"), try a.double("q"), try a.optionalInt("dim"),
                                try a.bool("keepdim"), try a.string("interpolation")))
                    ]
                }),
            .composed(
                "\(name)(Tensor self, Tensor q, \(rest)) -> Tensor", [.float32, .float64], of: parts,
                samples: { g in
                    let q = Tensor([0.25, 0, 1], dtype: g.dtype, device: .reference)
                    let none = Tensor([Double](), dtype: g.dtype, device: .reference)
                    let cases: [(Shape, Tensor, Int, Bool)] = [
                        ([5, 4], q, 0, false), ([5, 4], q, -1, true), ([], q, 0, false), ([2, 3], none, 1, false),
                    ]
                    return cases.map { shape, q, dim, keepdim in
                        Sample(
                            [
                                .tensor(g.distinct(shape)), .tensor(q), .scalar(Scalar(dim)), .scalar(.bool(keepdim)),
                                "linear",
                            ], checksGradient: false, keeping: ["q"])
                    }
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensor(
                            tensor(
                                try a.tensor("self"), try a.tensor("q"), try a.optionalInt("dim"),
                                try a.bool("keepdim"), try a.string("interpolation")))
                    ]
                }),
        ]
    }

    static let ordering: [Operator] =
        [
            pair(
                "mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", .real,
                of: ["aten::sort.stable", "aten::cummax", "aten::argmax", "aten::gather"]
            ) { $0.mode(dim: $1, keepdim: $2) },
            pair(
                "median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", .number,
                of: ["aten::sort.stable", "aten::gather"]
            ) { $0.median(dim: $1, keepdim: $2) },
            pair(
                "nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", .number,
                of: ["aten::sort.stable", "aten::gather"]
            ) { $0.nanmedian(dim: $1, keepdim: $2) },
            whole("median") { $0.median() }, whole("nanmedian") { $0.nanmedian() },
        ]
        + quantiles(
            "quantile", { $0.quantile($1, dim: $2, keepdim: $3, interpolation: $4) },
            { $0.quantile($1, dim: $2, keepdim: $3, interpolation: $4) })
        + quantiles(
            "nanquantile", { $0.nanquantile($1, dim: $2, keepdim: $3, interpolation: $4) },
            { $0.nanquantile($1, dim: $2, keepdim: $3, interpolation: $4) })
}
