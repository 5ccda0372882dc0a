import BackendKit

/// Standard deviation, variance and mean together, sums and means without NaN.
enum Statistics {
    /// √x whose gradient at 0 is 0: elements that are all equal have none.
    private static let root = Pointwise(
        "aten::std.sqrt", .promote,
        // The symbolic one is infinite at 0.
        derivative: { _, c in select(c.result .== 0, Expr(0, c.type), c.grad / (2 * c.result)) }, schema: nil
    ) { Cresset.sqrt($0.inputs[0]) }

    static func deviation(_ x: Tensor, dims: [Int]?, correction: Double, keepdim: Bool) throws(CressetError) -> Tensor {
        try root.run([try Reductions.variance(x, dims: dims, correction: correction, keepdim: keepdim)])
    }

    /// The elements with 0 for NaN.
    static func withoutNaN(_ x: Tensor, op: String) throws(CressetError) -> Tensor {
        try x.checkValid(op)
        try x.checkDType(.real, op: op)
        return x.dtype.isFloatingPoint ? try Selection.fill(x, try Ops.isnan(x.detach()), 0) : x
    }
}

extension Tensor {
    /// Variance, divided by N - 1, or by N if not `unbiased`.
    public func `var`(unbiased: Bool, dim: [Int]? = nil, keepdim: Bool = false) -> Tensor {
        `var`(dim: dim, correction: unbiased ? 1 : 0, keepdim: keepdim)
    }
    /// Standard deviation: the root of the variance, which is divided by N - correction.
    public func std(dim: [Int]? = nil, correction: Double = 1, keepdim: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try naming("aten::std.correction") {
                try Statistics.deviation(self, dims: dim, correction: correction, keepdim: keepdim)
            }
        }
    }
    /// Variance and mean.
    public func varMean(
        dim: [Int]? = nil, correction: Double = 1, keepdim: Bool = false
    ) -> (variance: Tensor, mean: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in
            try naming("aten::var_mean.correction") {
                (`var`(dim: dim, correction: correction, keepdim: keepdim), mean(dim: dim, keepdim: keepdim))
            }
        }
    }
    /// Standard deviation and mean.
    public func stdMean(
        dim: [Int]? = nil, correction: Double = 1, keepdim: Bool = false
    ) -> (deviation: Tensor, mean: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in
            try naming("aten::std_mean.correction") {
                (std(dim: dim, correction: correction, keepdim: keepdim), mean(dim: dim, keepdim: keepdim))
            }
        }
    }
    /// The sum of the elements that are not NaN.
    public func nansum(dim: [Int]? = nil, keepdim: Bool = false, dtype: DType? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            let x = try Statistics.withoutNaN(self, op: "aten::nansum")
            return try Reductions.sum(x, dims: dim.flatMap { $0.isEmpty ? nil : $0 }, keepdim: keepdim, dtype: dtype)
        }
    }
    /// The mean of the elements that are not NaN.
    public func nanmean(dim: [Int]? = nil, keepdim: Bool = false, dtype: DType? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::nanmean"
            try checkValid(op)
            guard self.dtype.isFloatingPoint else {
                throw CressetError(.dtype, op: op, "is defined for floating dtypes, got \(summary)")
            }
            let dims = dim.flatMap { $0.isEmpty ? nil : $0 }
            let counted = try Ops.logicalNot(try Ops.isnan(detach()))
            let count = try Reductions.sum(counted, dims: dims, keepdim: keepdim)
            return try Ops.div(nansum(dim: dim, keepdim: keepdim, dtype: dtype), count)
        }
    }
    /// The smallest and the largest elements, over all or along a dim; NaN wins.
    public func aminmax(dim: Int? = nil, keepdim: Bool = false) -> (min: Tensor, max: Tensor) {
        let dims = dim.map { [$0] }
        return trapping(default: (self, self)) { () throws(CressetError) in
            try naming("aten::aminmax") { (amin(dim: dims, keepdim: keepdim), amax(dim: dims, keepdim: keepdim)) }
        }
    }
    /// True if any element along `dim` is not 0.
    public func any(dim: Int, keepdim: Bool = false) -> Tensor { any(dim: [dim], keepdim: keepdim) }
    /// True if no element along `dim` is 0.
    public func all(dim: Int, keepdim: Bool = false) -> Tensor { all(dim: [dim], keepdim: keepdim) }

    /// The covariance of variables, one a row, whose observations are the columns.
    public func cov(correction: Int = 1, fweights: Tensor? = nil, aweights: Tensor? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::cov"
            try checkValid(op)
            guard ndim <= 2, dtype != .bool else {
                throw CressetError(.argument, op: op, "needs at most 2 dims of numbers, got \(summary)")
            }
            let observed = ndim < 2 ? try reshaped([1, numel], op: op) : self
            let n = observed.shape[1]
            let x = try observed.converted(to: Promotion.float(dtype))
            for (what, weights) in [("fweights", fweights), ("aweights", aweights)] {
                guard let weights else { continue }
                try weights.checkValid(op)
                guard weights.ndim <= 1, weights.numel == n,
                    what == "fweights" ? weights.dtype.isInteger : weights.dtype.isFloatingPoint
                else {
                    throw CressetError(
                        .argument, op: op,
                        "\(what) must be a vector of \(n) \(what == "fweights" ? "integers" : "floats"), got "
                            + weights.summary)
                }
            }
            var weights = fweights?.converted(op: op)
            if let aweights {
                weights = try weights.map { (w) throws(CressetError) in try Ops.mul(w, aweights) } ?? aweights
            }
            let total = weights?.sum()
            let mean =
                weights.flatMap { w in total.map { (x * w).sum(dim: 1, keepdim: true) / $0 } }
                ?? x.mean(dim: 1, keepdim: true)
            let centred = x - mean
            let right = weights.map { centred * $0 } ?? centred
            // What the squares are divided by: N - correction, in weights.
            let product = centred.matmul(right.t().conj())
            let result: Tensor
            if let weights, let total {
                var norm = total
                if correction != 0 {
                    norm =
                        aweights.map { norm - Scalar(correction) * (weights * $0).sum() / total } ?? norm
                        - Scalar(correction)
                }
                result = product / norm.clamp(min: 0).converted(like: product)
            } else {
                result = product / Scalar(Swift.max(0, Double(n) - Double(correction)))
            }
            return ndim < 2 ? result.squeeze() : result.squeezeIfSingle()
        }
    }

    /// The correlation coefficients of variables, one a row.
    public func corrcoef() -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid("aten::corrcoef")
            guard ndim <= 2 else {
                throw CressetError(.shape, op: "aten::corrcoef", "needs at most 2 dims, got \(summary)")
            }
            let covariance = cov()
            if covariance.ndim == 0 { return covariance / covariance }
            let deviation = covariance.diagonal().real.sqrt()
            let ratio = covariance / deviation.unsqueeze(1) / deviation.unsqueeze(0)
            guard ratio.dtype.isComplex else { return ratio.clamp(min: -1, max: 1) }
            return .complex(ratio.real.clamp(min: -1, max: 1), ratio.imag.clamp(min: -1, max: 1))
        }
    }

    private func converted(op: String) -> Tensor { dtype.isFloatingPoint ? self : to(.int64) }
    fileprivate func converted(like x: Tensor) -> Tensor { to(x.dtype) }
    fileprivate func squeezeIfSingle() -> Tensor { shape == [1, 1] ? squeeze() : self }
}

// MARK: Declarations

extension Operators {
    private static func spread(_ name: String) -> [Operator] {
        let isStd = name == "std"
        let dtypes = Set<DType>.continuous
        let parts = isStd ? ["aten::var.correction", "pointwise"] : ["aten::var.correction"]
        @Sendable func value(_ x: Tensor, _ dims: [Int]?, _ correction: Double, _ keepdim: Bool, _ withMean: Bool)
            -> [Value]
        {
            let first =
                isStd
                ? x.std(dim: dims, correction: correction, keepdim: keepdim)
                : x.var(dim: dims, correction: correction, keepdim: keepdim)
            return withMean ? [.tensor(first), .tensor(x.mean(dim: dims, keepdim: keepdim))] : [.tensor(first)]
        }
        func overloads(_ name: String, _ result: String, withMean: Bool) -> [Operator] {
            let parts = withMean ? parts + ["aten::mean.dim"] : parts
            let dimShapes: [(Shape, [Value])] = [([3, 4], [[1]]), ([2, 5], [[0, 1]]), ([0, 3], [[1]]), ([], [[0]])]
            // (The root has no slope at 0, where a single number lies, nor has the NaN of none.)
            @Sendable func smooth(_ g: inout SampleMaker, _ cases: [(Shape, [Value])]) -> [Sample] {
                cases.map { Sample([.tensor(g.tensor($0))] + $1, checksGradient: !$0.isEmpty && $0 != [0, 3]) }
            }
            return [
                .composed(
                    "\(name)(Tensor self, bool unbiased=True) -> \(result)", dtypes, of: parts,
                    samples: {
                        smooth(&$0, [([4, 3], [true]), ([2, 5], [false]), ([], [false]), ([0, 3], [true])])
                    },
                    call: { (a) throws(CressetError) in
                        value(try a.tensor("self"), nil, try a.bool("unbiased") ? 1 : 0, false, withMean)
                    }),
                .composed(
                    "\(name).dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> \(result)",
                    dtypes,
                    of: parts,
                    samples: { smooth(&$0, dimShapes.map { ($0, $1 + [.scalar(.bool(!$0.isEmpty)), true]) }) },
                    call: { (a) throws(CressetError) in
                        value(
                            try a.tensor("self"), try a.optionalInts("dim"), try a.bool("unbiased") ? 1 : 0,
                            try a.bool("keepdim"), withMean)
                    }),
                .composed(
                    "\(name).correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> \(result)",
                    dtypes, of: parts, samples: { smooth(&$0, dimShapes.map { ($0, $1 + [0.5, false]) }) },
                    call: { (a) throws(CressetError) in
                        value(
                            try a.tensor("self"), try a.optionalInts("dim"),
                            try a.optionalScalar("correction")?.doubleValue ?? 1, try a.bool("keepdim"), withMean)
                    }),
            ]
        }
        // (var.correction itself is declared with the reductions.)
        let plain = overloads(name, "Tensor", withMean: false).filter { $0.name != "aten::var.correction" }
        return plain + overloads("\(name)_mean", "(Tensor, Tensor)", withMean: true)
    }

    private static func withoutNaN(
        _ name: String, _ dtypes: Set<DType>, _ body: @escaping @Sendable (Tensor, [Int]?, Bool, DType?) -> Tensor
    ) -> Operator {
        .composed(
            "\(name)(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", dtypes,
            of: ["aten::sum.dim_IntList", "aten::masked_fill.Scalar"],
            samples: { g in
                // (The mean of nothing is NaN, which has no slope.)
                let cases: [(Shape, [Value])] = [
                    ([4, 3], [.none, false, .none]), ([2, 5], [[1], true, .none]), ([], [.none, false, .none]),
                    ([0, 3], [[0], false, .none]),
                ]
                return cases.map {
                    Sample([.tensor(g.tensor($0))] + $1, checksGradient: name == "nansum" || $0 != [0, 3])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        body(
                            try a.tensor("self"), try a.optionalInts("dim"), try a.bool("keepdim"),
                            try a.optionalDType("dtype")))
                ]
            })
    }

    static let statistics: [Operator] =
        spread("var") + spread("std") + [
            withoutNaN("nansum", .real) { $0.nansum(dim: $1, keepdim: $2, dtype: $3) },
            withoutNaN("nanmean", .floating) { $0.nanmean(dim: $1, keepdim: $2, dtype: $3) },
            .composed(
                "aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)", .real,
                of: ["aten::amin", "aten::amax"],
                samples: { g in
                    let cases: [(Shape, Value, Bool)] = [
                        ([4, 3], .none, false), ([2, 5], -1, true), ([], 0, false), ([0, 3], 1, false),
                    ]
                    return cases.map { Sample([.tensor(g.distinct($0)), $1, .scalar(.bool($2))]) }
                },
                call: { (a) throws(CressetError) in
                    let (least, most) = try a.tensor("self").aminmax(
                        dim: try a.optionalInt("dim"), keepdim: try a.bool("keepdim"))
                    return [.tensor(least), .tensor(most)]
                }),
            .composed(
                "cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor",
                .number,
                of: ["aten::matmul", "aten::mean.dim"],
                samples: { g in
                    let counts = Tensor([1, 3, 2, 1] as [Int64], device: .reference)
                    let weights = Tensor([0.5, 1, 2, 1.5], dtype: .float32, device: .reference)
                    return [
                        Sample([.tensor(g.tensor([3, 4])), 1, .none, .none]),
                        Sample([.tensor(g.tensor([5])), 0, .none, .none]),
                        Sample([.tensor(g.tensor([])), 0, .none, .none]),
                        Sample([.tensor(g.tensor([2, 0])), 0, .none, .none], checksGradient: false),
                        Sample([.tensor(g.tensor([0, 3])), 1, .none, .none]),
                        Sample([.tensor(g.tensor([2, 4])), 1, .tensor(counts), .none], takesOtherValues: false),
                        Sample(
                            [.tensor(g.tensor([2, 4])), 1, .tensor(counts), .tensor(weights)], checksGradient: false,
                            takesOtherValues: false),
                    ]
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensor(
                            try a.tensor("self").cov(
                                correction: try a.int("correction"), fweights: try a.optionalTensor("fweights"),
                                aweights: try a.optionalTensor("aweights")))
                    ]
                }),
            .composed(
                "corrcoef(Tensor self) -> Tensor", .numeric,
                of: ["aten::cov", "pointwise"],
                samples: { g in
                    // (Of one number there is no deviation: NaN, which has no differences.)
                    [[3, 5], [], [0, 3]].map { Sample([.tensor(g.tensor($0))], checksGradient: !$0.isEmpty) }
                },
                call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").corrcoef())] }),
        ]
}
