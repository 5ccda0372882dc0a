import BackendKit

/// Sorting along a dim.
///
/// The family's default, over pointwise launches: a bitonic network (Batcher 1968) of ½m(m+1) launches
/// for 2ᵐ elements. Ties are broken by the place, so it is stable; what is added to fill up to a power
/// of two has places behind all others and stays at the end.
enum Sorting {
    private static let sortName = OperatorName("aten::sort.stable")
    private static let topkName = OperatorName("aten::topk")

    /// One exchange: the elements `stride` apart, in blocks of `block` that are sorted up and down in turn.
    ///
    /// Inputs are the values and places of the lower and the upper partners, over [rows, pairs, stride];
    /// scalars are stride, block, pairs · stride and the number of places that are real.
    private static func exchange(descending: Bool) -> PointwiseGroup {
        PointwiseGroup("aten::sort.stable") { x, s in
            let (a, i, b, j) = (x[0], x[1], x[2], x[3])
            let (stride, block, half, count) = (s[0], s[1], s[2], s[3])
            let position = elementIndex() % half
            let lower = position / stride * stride * Expr(integer: 2, .i64) + position % stride
            let ascends = (lower & block) .== Expr(integer: 0, .i64)
            let (u, v) = a.type == .bool ? (a.cast(to: .i32), b.cast(to: .i32)) : (a, b)
            // Does b belong before a? NaN is above everything.
            var less = descending ? u .< v : v .< u
            var equal = u .== v
            if a.type == .f32 || a.type == .f64 {
                let (isA, isB) = (isNaN(a), isNaN(b))
                less = less | (descending ? !isA & isB : isA & !isB)
                equal = equal | (isA & isB)
            }
            let (padA, padB) = (count .<= i, count .<= j)
            let before = (padA & !padB) | (!padA & !padB & (less | (equal & (j .< i)))) | (padA & padB & (j .< i))
            let swaps = before .== ascends
            return [select(swaps, b, a), select(swaps, j, i), select(swaps, a, b), select(swaps, i, j)]
        }
    }
    private static let ascending = exchange(descending: false)
    private static let descendingExchange = exchange(descending: true)

    /// Values and places of a tensor of at least one dim, sorted along `d`.
    private static func sorted(_ x: Tensor, _ d: Int, descending: Bool) throws(CressetError) -> [Tensor] {
        let op = sortName.text
        let n = x.shape[d]
        var padded = 1
        while padded < n { padded *= 2 }
        // The dim goes last; rows of a power of two.
        var shape = x.shape
        shape.remove(at: d)
        shape.append(padded)
        let values = try Tensor.filled(shape, 0, dtype: x.dtype, on: x.runtime, op: op)
        let places = try Tensor.empty(shape, .int64, on: x.runtime, op: op)
        try Scans.positions.run([], [1, .int(Int64(padded))], into: [places])
        try Copy.run(
            from: x.movedToEnd(d), to: values.narrow(-1, 0, n), op: sortName)
        let rows = shape.dropLast().reduce(1, *)
        let kernel = descending ? descendingExchange : ascending
        var block = 2
        while block <= padded {
            var stride = block / 2
            while stride >= 1 {
                let paired: Shape = [rows, padded / (2 * stride), 2, stride]
                let v = try values.reshaped(paired, op: op)
                let p = try places.reshaped(paired, op: op)
                let planes = [v.select(2, 0), p.select(2, 0), v.select(2, 1), p.select(2, 1)]
                try kernel.run(
                    planes,
                    [.int(Int64(stride)), .int(Int64(block)), .int(Int64(padded / 2)), .int(Int64(n))], into: planes)
                stride /= 2
            }
            block *= 2
        }
        return try [values, places].map { (t) throws(CressetError) in
            try Copy.clone(t.narrow(-1, 0, n).movedFromEnd(d), op: op)
        }
    }

    static func sort(
        _ x: Tensor, dim: Int, descending: Bool
    ) throws(CressetError) -> (values: Tensor, indices: Tensor) {
        let op = sortName.text
        try x.checkValid(op)
        try x.checkDType(.real, op: op)
        let d = try x.dim(dim, op: op)
        let results = try Override.resolve(
            sortName, on: x, x.dtype, [.tensor(x), true, .scalar(Scalar(dim)), .scalar(.bool(descending))],
            types: [ResultType(x.shape, x.dtype), ResultType(x.shape, .int64)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                guard x.ndim > 0, x.numel > 0 else {
                    return [
                        try Copy.clone(x.detach(), op: op),
                        try Tensor.filled(x.shape, 0, dtype: .int64, on: x.runtime, op: op),
                    ]
                }
                return try sorted(x.detach(), d, descending: descending)
            }
        }
        return (record(results[0], results[1], of: x, d, op: op), results[1])
    }

    /// The largest (or smallest) `k` along a dim, in order.
    static func topk(
        _ x: Tensor, _ k: Int, dim: Int, largest: Bool, sorted: Bool
    ) throws(CressetError) -> (values: Tensor, indices: Tensor) {
        let op = topkName.text
        try x.checkValid(op)
        try x.checkDType(.number, op: op)
        let d = try x.dim(dim, op: op)
        let size = x.ndim > 0 ? x.shape[d] : 1
        guard k >= 0, k <= size else {
            throw CressetError(
                .argument, op: op, "k = \(k) must lie in 0 ... \(size), the size of dim \(d) of \(x.summary)")
        }
        var shape = x.shape
        if x.ndim > 0 { shape[d] = k }
        let results = try Override.resolve(
            topkName, on: x, x.dtype,
            [.tensor(x), .scalar(Scalar(k)), .scalar(Scalar(dim)), .scalar(.bool(largest)), .scalar(.bool(sorted))],
            types: [ResultType(shape, x.dtype), ResultType(shape, .int64)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let (values, indices) = try sort(x.detach(), dim: d, descending: largest)
                guard x.ndim > 0 else { return [values, indices] }
                return try [values, indices].map { (t) throws(CressetError) in
                    try Copy.clone(t.narrow(d, 0, k), op: op)
                }
            }
        }
        return (record(results[0], results[1], of: x, d, op: op), results[1])
    }

    /// The `k`-th smallest along a dim (counted from 1) and its place.
    static func kthvalue(
        _ x: Tensor, _ k: Int, dim: Int, keepdim: Bool
    ) throws(CressetError) -> (values: Tensor, indices: Tensor) {
        let op = "aten::kthvalue"
        try x.checkValid(op)
        try x.checkDType(.number, op: op)
        let d = try x.dim(dim, op: op)
        let size = x.ndim > 0 ? x.shape[d] : 1
        guard k >= 1, k <= size else {
            throw CressetError(
                .argument, op: op, "k = \(k) must lie in 1 ... \(size), the size of dim \(d) of \(x.summary)")
        }
        let (values, indices) = try sort(x, dim: d, descending: false)
        guard x.ndim > 0 else { return (values, indices) }
        let (v, i) = (values.narrow(d, k - 1, 1), indices.narrow(d, k - 1, 1))
        return keepdim ? (v, i) : (v.squeeze(d), i.squeeze(d))
    }

    /// yᵢ = x at place pᵢ: ∂x gets g there and 0 elsewhere.
    private static func record(_ values: Tensor, _ places: Tensor, of x: Tensor, _ d: Int, op: String) -> Tensor {
        let shape = x.shape
        return Tape.record(op, values, inputs: [x], saving: [places]) { (gradients, saved) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    if shape.count == 0 { return g }
                    let zeros = try Tensor.filled(shape, 0, dtype: g.dtype, on: g.runtime, op: op)
                    return try Indexing.scatter(zeros, d, saved[0], g, .add)
                }
            ]
        }
    }
}

extension Tensor {
    fileprivate func movedToEnd(_ d: Int) -> Tensor {
        permute((0..<ndim).filter { $0 != d } + [d])
    }
    fileprivate func movedFromEnd(_ d: Int) -> Tensor {
        var order = Array(0..<(ndim - 1))
        order.insert(ndim - 1, at: d)
        return permute(order)
    }

    /// The elements in order along `dim`, and where each came from; equal ones keep their order, NaN is
    /// above everything.
    public func sort(dim: Int = -1, descending: Bool = false, stable: Bool = true) -> (values: Tensor, indices: Tensor)
    {
        trapping(default: (self, self)) { () throws(CressetError) in
            try Sorting.sort(self, dim: dim, descending: descending)
        }
    }
    /// Places of the elements in order along `dim`.
    public func argsort(dim: Int = -1, descending: Bool = false, stable: Bool = true) -> Tensor {
        trapping(as: "aten::argsort") { sort(dim: dim, descending: descending).indices }
    }
    /// The elements in order along the first dim.
    public func msort() -> Tensor { sort(dim: 0).values }
    /// The `k` largest (or smallest) along `dim` in order, and where they are.
    public func topk(
        _ k: Int, dim: Int = -1, largest: Bool = true, sorted: Bool = true
    ) -> (values: Tensor, indices: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in
            try Sorting.topk(self, k, dim: dim, largest: largest, sorted: sorted)
        }
    }
    /// The `k`-th smallest along `dim`, counted from 1, and where it is.
    public func kthvalue(_ k: Int, dim: Int = -1, keepdim: Bool = false) -> (values: Tensor, indices: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in
            try Sorting.kthvalue(self, k, dim: dim, keepdim: keepdim)
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let shapes: [(Shape, Int)] = [
        ([5, 7], 0), ([5, 7], -1), ([2, 3, 4], 1), ([33], 0), ([16], 0), ([1], 0), ([], 0), ([0, 3], 0), ([3, 0], 1),
    ]

    private static let ofSort = "it is made of aten::sort.stable, which can be"

    private static func pair(_ result: (values: Tensor, indices: Tensor)) -> [Value] {
        [.tensor(result.values), .tensor(result.indices)]
    }

    static let sorting: [Operator] = [
        Operator(
            "sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
            dtypes: .real, composition: ["pointwise"],
            samples: { g in
                shapes.flatMap { shape, dim in
                    [false, true].map {
                        Sample([.tensor(g.distinct(shape)), true, .scalar(Scalar(dim)), .scalar(.bool($0))])
                    }
                } + [Sample([.tensor(g.tensor([40], -2, 2)), true, 0, false], checksGradient: false)]
            },
            call: { (a) throws(CressetError) in
                pair(try a.tensor("self").sort(dim: try a.int("dim"), descending: try a.bool("descending")))
            }),
        Operator(
            "sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
            dtypes: .real, composition: ["aten::sort.stable"],
            notOverridable: ofSort,
            freeIndices: [1],
            samples: { g in shapes.map { Sample([.tensor(g.distinct($0)), .scalar(Scalar($1)), false]) } },
            call: { (a) throws(CressetError) in
                pair(try a.tensor("self").sort(dim: try a.int("dim"), descending: try a.bool("descending")))
            }),
        Operator(
            "argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor",
            dtypes: .real, composition: ["aten::sort.stable"], isDifferentiable: false,
            notOverridable: ofSort,
            freeIndices: [0],
            samples: { g in shapes.map { Sample([.tensor(g.distinct($0)), .scalar(Scalar($1)), true]) } },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").argsort(dim: try a.int("dim"), descending: try a.bool("descending")))]
            }),
        Operator(
            "argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor",
            dtypes: .real, composition: ["aten::sort.stable"], isDifferentiable: false,
            notOverridable: ofSort,
            samples: { g in shapes.map { Sample([.tensor(g.tensor($0)), true, .scalar(Scalar($1)), true]) } },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").argsort(dim: try a.int("dim"), descending: try a.bool("descending")))]
            }),
        Operator(
            "msort(Tensor self) -> Tensor", dtypes: .real, composition: ["aten::sort.stable"],
            notOverridable: ofSort,
            samples: { g in shapes.map { shape, _ in Sample([.tensor(g.distinct(shape))]) } },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").msort())] }),
        Operator(
            "topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)",
            dtypes: .number, composition: ["aten::sort.stable"],
            freeIndices: [1],
            samples: { g in
                let cases: [(Shape, Int, Int)] = [
                    ([5, 7], 3, 0), ([5, 7], 2, -1), ([20], 20, 0), ([4], 0, 0), ([], 1, 0), ([0, 3], 2, 1),
                ]
                return cases.flatMap { shape, k, dim in
                    [true, false].map {
                        Sample([
                            .tensor(g.distinct(shape)), .scalar(Scalar(k)), .scalar(Scalar(dim)), .scalar(.bool($0)),
                            true,
                        ])
                    }
                }
            },
            call: { (a) throws(CressetError) in
                pair(
                    try a.tensor("self").topk(
                        try a.int("k"), dim: try a.int("dim"), largest: try a.bool("largest"),
                        sorted: try a.bool("sorted")))
            }),
        Operator(
            "kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)",
            dtypes: .number, composition: ["aten::sort.stable"],
            notOverridable: ofSort,
            freeIndices: [1],
            samples: { g in
                let cases: [(Shape, Int, Int)] = [
                    ([5, 7], 3, 0), ([5, 7], 2, -1), ([9], 9, 0), ([], 1, 0), ([0, 3], 2, 1),
                ]
                return cases.map { shape, k, dim in
                    Sample([.tensor(g.distinct(shape)), .scalar(Scalar(k)), .scalar(Scalar(dim)), false])
                }
            },
            call: { (a) throws(CressetError) in
                pair(
                    try a.tensor("self").kthvalue(
                        try a.int("k"), dim: try a.int("dim"), keepdim: try a.bool("keepdim")))
            }),
    ]
}
