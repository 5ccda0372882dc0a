import BackendKit

/// Counting: how often numbers occur, and how many values lie between edges.
enum Histograms {
    /// How often each of 0 ..< count occurs, or the sum of its weights; places beyond are left out.
    private static func count(
        _ places: Tensor, _ count: Int, weights: Tensor?, op: String
    ) throws(CressetError) -> Tensor {
        guard count < 1 << 48 else { throw CressetError(.argument, op: op, "\(count) bins are too many") }
        let flat = try places.reshaped([places.numel], op: op)
        let dtype = weights?.dtype ?? .int64
        let ones = try Tensor.filled(flat.shape, 1, dtype: dtype, on: flat.runtime, op: op)
        // (One place more, for what is left out.)
        let sums = try Tensor.filled([count + 1], 0, dtype: dtype, on: flat.runtime, op: op)
        let source = try weights?.reshaped([places.numel], op: op) ?? ones
        return try Indexing.scatter(sums, 0, flat, source, .add).narrow(0, 0, count)
    }

    static func bincount(_ x: Tensor, weights: Tensor?, least: Int) throws(CressetError) -> Tensor {
        let op = "aten::bincount"
        try x.checkValid(op)
        guard x.ndim == 1, x.dtype.isInteger, least >= 0 else {
            throw CressetError(
                .argument, op: op, "needs a vector of integers and minlength >= 0, got \(x.summary), \(least)")
        }
        if let weights, weights.shape != x.shape {
            throw CressetError(.shape, op: op, "the weights \(weights.summary) must have the shape of \(x.summary)")
        }
        return try noGrad { () throws(CressetError) -> Tensor in
            var size = least
            if x.numel > 0 {
                try x.checkHasData(op)
                let (low, high) = (x.amin().itemInt(), x.amax().itemInt())
                guard low >= 0 else { throw CressetError(.argument, op: op, "counts numbers from 0 on, got \(low)") }
                size = Swift.max(least, high == .max ? high : high + 1)
            }
            let wide = try weights.map { (w) throws(CressetError) in
                try w.detach().converted(to: w.dtype == .float32 ? .float32 : .float64)
            }
            return try count(try x.converted(to: .int64), size, weights: wide, op: op).clone()
        }
    }

    /// The bin of each value between edges, from 0; `beyond` for values outside and NaN.
    private static func bins(_ x: Tensor, _ edges: Tensor, beyond: Int, op: String) throws(CressetError) -> Tensor {
        let last = edges.numel - 2
        let places = try Ops.sub(
            try Searching.search(edges, x, right: true, op: op), .int(1)
        ).clamp(min: 0, max: .int(Int64(last)))
        let inside = try Ops.logicalAnd(try Ops.le(edges.select(0, 0), x), try Ops.le(x, edges.select(0, last + 1)))
        return try Selection.fill(places, inside.logicalNot(), .int(Int64(beyond)))
    }

    /// The ends of a histogram: as given, or the least and greatest value, moved apart where they are one.
    private static func range(
        _ x: Tensor, _ given: (Double, Double)?, empty: (Double, Double), apart: Double, op: String
    ) throws(CressetError) -> (Double, Double) {
        var ends = given ?? (x.numel == 0 || x.isMeta ? empty : (x.amin().item(), x.amax().item()))
        guard ends.0.isFinite, ends.1.isFinite, ends.0 <= ends.1 else {
            throw CressetError(.argument, op: op, "the range \(ends.0) ... \(ends.1) must be finite and not fall")
        }
        if ends.0 == ends.1 { ends = (ends.0 - apart, ends.1 + apart) }
        return ends
    }

    private static func edges(
        _ x: Tensor, _ bins: Int, _ ends: (Double, Double), op: String
    ) throws(CressetError) -> Tensor {
        guard bins > 0, bins < 1 << 48 else {
            throw CressetError(.argument, op: op, "the number of bins must be positive and below 2⁴⁸, got \(bins)")
        }
        return Tensor.linspace(ends.0, ends.1, steps: bins + 1, dtype: x.dtype, device: x.device)
    }

    static func histc(_ x: Tensor, bins: Int, low: Double, high: Double) throws(CressetError) -> Tensor {
        let op = "aten::histc"
        try x.checkValid(op)
        guard x.dtype.isFloatingPoint else {
            throw CressetError(.dtype, op: op, "is defined for floating dtypes, got \(x.summary)")
        }
        return try noGrad { () throws(CressetError) -> Tensor in
            let x = x.detach()
            let ends = try range(x, low == high ? nil : (low, high), empty: (0, 0), apart: 1, op: op)
            let places = try self.bins(x, try edges(x, bins, ends, op: op), beyond: bins, op: op)
            return try count(places, bins, weights: nil, op: op).converted(to: x.dtype)
        }
    }

    /// A histogram over the last dim's coordinates; edges are made from numbers of bins or given.
    static func histogramdd(
        _ x: Tensor, bins: [Int], edges given: [Tensor]?, range ends: [Double]?, weight: Tensor?, density: Bool,
        op: String
    ) throws(CressetError) -> (counts: Tensor, edges: [Tensor]) {
        try x.checkValid(op)
        let axes = given?.count ?? bins.count
        guard x.ndim >= 2, x.size(-1) == axes, axes <= maxRank - 1, x.dtype == .float32 || x.dtype == .float64 else {
            throw CressetError(
                .argument, op: op,
                "needs points of \(axes) float32 or float64 coordinates along the last dim, got \(x.summary)")
        }
        guard ends.map({ $0.count == 2 * axes }) ?? true else {
            throw CressetError(.argument, op: op, "the range needs two numbers for each of \(axes) dims")
        }
        let points = Shape(x.shape.dropLast())
        if let weight {
            try weight.checkValid(op)
            guard weight.shape == points, weight.dtype == x.dtype else {
                throw CressetError(
                    .argument, op: op, "the weight must be \(x.dtype) \(points), got \(weight.summary)")
            }
        }
        return try noGrad { () throws(CressetError) -> (counts: Tensor, edges: [Tensor]) in
            let x = x.detach()
            var edges: [Tensor] = []
            for k in 0..<axes {
                let values = x.select(-1, k)
                if let given {
                    guard given[k].ndim == 1, given[k].numel >= 2, given[k].dtype == x.dtype else {
                        throw CressetError(
                            .argument, op: op,
                            "edges must be a vector of two or more \(x.dtype), got \(given[k].summary)")
                    }
                    edges.append(given[k].detach())
                } else {
                    let pair = ends.map { ($0[2 * k], $0[2 * k + 1]) }
                    let limits = try range(values, pair, empty: (0, 1), apart: 0.5, op: op)
                    edges.append(try Self.edges(x, bins[k], limits, op: op))
                }
            }
            let sizes = Shape(edges.map { $0.numel - 1 })
            let total = sizes.elementCount
            var place = try Tensor.filled(points, 0, dtype: .int64, on: x.runtime, op: op)
            for k in 0..<axes {
                // Anything outside along one dim is outside: it stays beyond all.
                let along = try Self.bins(x.select(-1, k), edges[k], beyond: total, op: op)
                place = try Ops.add(try Ops.mul(place, Scalar(sizes[k])), along)
                place = try Selection.fill(place, try Ops.le(Scalar(total), along), .int(Int64(total)))
            }
            place = place.clamp(max: .int(Int64(total)))
            var counts = try count(place, total, weights: weight?.detach(), op: op).converted(to: x.dtype)
                .reshaped(sizes, op: op)
            if density {
                counts = try Ops.div(counts, counts.sum())
                for k in 0..<axes {
                    let widths = try Ops.sub(edges[k].slice(0, from: 1), edges[k].slice(0, from: 0, to: -1))
                    var column = Shape(repeating: 1, count: axes)
                    column[k] = sizes[k]
                    counts = try Ops.div(counts, widths.reshaped(column, op: op))
                }
            }
            return (counts.clone(), edges)
        }
    }

    /// Which class each element is, as a row of zeros and a one.
    static func oneHot(_ x: Tensor, classes: Int) throws(CressetError) -> Tensor {
        let op = "aten::one_hot"
        try x.checkValid(op)
        guard x.dtype == .int64 else {
            throw CressetError(.dtype, op: op, "the classes must be int64, got \(x.summary)")
        }
        guard x.numel > 0 || classes > 0 else {
            throw CressetError(.argument, op: op, "of no elements the number of classes is not known; give it")
        }
        var count = classes
        if x.numel > 0, classes == -1 || !x.isMeta {
            try x.checkHasData(op)
            let (low, high) = (x.amin().itemInt(), x.amax().itemInt())
            if classes == -1 { count = high + 1 }
            guard low >= 0, high < count else {
                throw CressetError(.index, op: op, "the classes \(low) ... \(high) do not lie in 0 ..< \(count)")
            }
        }
        let places = try Tensor.empty([count], .int64, on: x.runtime, op: op)
        try Generators.arange.generate([0, 1], into: places)
        return try Ops.eq(x.unsqueeze(-1), places).converted(to: .int64)
    }
}

extension Tensor {
    /// How often each number from 0 on occurs, or the sum of its weights.
    public func bincount(weights: Tensor? = nil, minlength: Int = 0) -> Tensor {
        trapping { () throws(CressetError) in try Histograms.bincount(self, weights: weights, least: minlength) }
    }
    /// How many elements lie in each of `bins` equal bins between `min` and `max` (of the data, if they are equal).
    public func histc(bins: Int = 100, min: Double = 0, max: Double = 0) -> Tensor {
        trapping { () throws(CressetError) in try Histograms.histc(self, bins: bins, low: min, high: max) }
    }
    /// How many elements lie in each of `bins` equal bins, and the bins' edges.
    public func histogram(
        bins: Int = 100, range: [Double]? = nil, weight: Tensor? = nil, density: Bool = false
    ) -> (hist: Tensor, binEdges: Tensor) {
        let (hist, edges) = reshape([numel, 1]).histogramdd(
            [bins], range: range, weight: weight?.flatten(), density: density)
        return (hist, edges.first ?? hist)
    }
    /// How many elements lie between the edges `bins`, and the edges.
    public func histogram(
        bins: Tensor, weight: Tensor? = nil, density: Bool = false
    ) -> (hist: Tensor, binEdges: Tensor) {
        let (hist, edges) = reshape([numel, 1]).histogramdd([bins], weight: weight?.flatten(), density: density)
        return (hist, edges.first ?? hist)
    }
    /// How many points lie in each cell of a grid; the coordinates lie along the last dim.
    public func histogramdd(
        _ bins: [Int], range: [Double]? = nil, weight: Tensor? = nil, density: Bool = false
    ) -> (hist: Tensor, binEdges: [Tensor]) {
        trapping(default: (self, [])) { () throws(CressetError) in
            try Histograms.histogramdd(
                self, bins: bins, edges: nil, range: range, weight: weight, density: density, op: "aten::histogramdd")
        }
    }
    /// How many points lie in each cell between the edges along each dim.
    public func histogramdd(
        _ bins: [Tensor], weight: Tensor? = nil, density: Bool = false
    ) -> (hist: Tensor, binEdges: [Tensor]) {
        trapping(default: (self, [])) { () throws(CressetError) in
            try Histograms.histogramdd(
                self, bins: [], edges: bins, range: nil, weight: weight, density: density,
                op: "aten::histogramdd.TensorList_bins")
        }
    }
    /// A row of zeros with a one at its class for every element.
    public func oneHot(numClasses: Int = -1) -> Tensor {
        trapping { () throws(CressetError) in try Histograms.oneHot(self, classes: numClasses) }
    }
}

// MARK: Declarations

extension Operators {
    private static func histogram(_ hist: Tensor, _ edges: Tensor) -> [Value] { [.tensor(hist), .tensor(edges)] }

    static let histograms: [Operator] = [
        .composed(
            "bincount(Tensor self, Tensor? weights=None, SymInt minlength=0) -> Tensor", .integer,
            of: ["aten::scatter_add"], isDifferentiable: false,
            samples: { g in
                [
                    Sample([.tensor(g.tensor([20], 0, 6)), .none, 9], takesOtherValues: false),
                    Sample([.tensor(g.tensor([0])), .none, 3], takesOtherValues: false),
                    Sample(
                        [.tensor(g.tensor([12], 0, 6)), .tensor(g.tensor([12], dtype: .float32)), 0],
                        takesOtherValues: false),
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").bincount(
                            weights: try a.optionalTensor("weights"), minlength: try a.int("minlength")))
                ]
            }),
        .composed(
            "histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", .floating,
            of: ["aten::searchsorted.Tensor", "aten::scatter_add"], isDifferentiable: false,
            samples: { g in
                [
                    Sample([.tensor(g.tensor([4, 8])), 5, -3, 3]),
                    Sample([.tensor(g.tensor([20])), 4, 0, 0], takesOtherValues: false),
                    Sample([.tensor(g.tensor([0])), 3, 0, 0]), Sample([.tensor(g.tensor([])), 5, -3, 3]),
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").histc(
                            bins: try a.int("bins"), min: try a.double("min"), max: try a.double("max")))
                ]
            }),
        .composed(
            "histogram.bin_ct(Tensor self, int bins=100, *, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)",
            [.float32, .float64], of: ["aten::histogramdd"], isDifferentiable: false,
            samples: { g in
                [
                    Sample([.tensor(g.tensor([4, 8])), 5, .doubles([-3, 3]), .none, false]),
                    Sample(
                        [.tensor(g.tensor([9])), 4, .doubles([-2, 2]), .tensor(g.tensor([9], 0.5, 2)), true],
                        takesOtherValues: false),
                    Sample([.tensor(g.tensor([])), 3, .doubles([-5, 5]), .none, false]),
                    Sample([.tensor(g.tensor([0])), 3, .none, .none, false]),
                ]
            },
            call: { (a) throws(CressetError) in
                let (hist, edges) = try a.tensor("self").histogram(
                    bins: try a.int("bins"), range: try a.optionalDoubles("range"),
                    weight: try a.optionalTensor("weight"), density: try a.bool("density"))
                return histogram(hist, edges)
            }),
        .composed(
            "histogram.bins_tensor(Tensor self, Tensor bins, *, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)",
            [.float32, .float64], of: ["aten::histogramdd"], isDifferentiable: false,
            samples: { g in
                let edges = Tensor([-3, -1, 0.5, 4], dtype: g.dtype, device: .reference)
                return [[4, 8], [], [0]].map {
                    Sample([.tensor(g.tensor($0)), .tensor(edges), .none, false], keeping: ["bins"])
                }
            },
            call: { (a) throws(CressetError) in
                let (hist, edges) = try a.tensor("self").histogram(
                    bins: try a.tensor("bins"), weight: try a.optionalTensor("weight"), density: try a.bool("density"))
                return histogram(hist, edges)
            }),
        .composed(
            "histogramdd(Tensor self, int[] bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)",
            [.float32, .float64], of: ["aten::searchsorted.Tensor", "aten::scatter_add"], isDifferentiable: false,
            samples: { g in
                [[9, 2], [0, 2]].map {
                    Sample([.tensor(g.tensor($0)), [2, 3], .doubles([-3, 3, -2, 2]), .none, false])
                }
            },
            call: { (a) throws(CressetError) in
                let (hist, edges) = try a.tensor("self").histogramdd(
                    try a.ints("bins"), range: try a.optionalDoubles("range"), weight: try a.optionalTensor("weight"),
                    density: try a.bool("density"))
                return [.tensor(hist), .tensors(edges)]
            }),
        .composed(
            "histogramdd.TensorList_bins(Tensor self, Tensor[] bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)",
            [.float32, .float64], of: ["aten::histogramdd"], isDifferentiable: false,
            samples: { g in
                let edges = Tensor([-3, -1, 0.5, 4], dtype: g.dtype, device: .reference)
                return [9, 0].map {
                    Sample(
                        [
                            .tensor(g.tensor([$0, 2])), .tensors([edges, edges]), .none,
                            .tensor(g.tensor([$0], 0.5, 2)), false,
                        ], keeping: ["bins"])
                }
            },
            call: { (a) throws(CressetError) in
                let (hist, edges) = try a.tensor("self").histogramdd(
                    try a.tensors("bins"), weight: try a.optionalTensor("weight"), density: try a.bool("density"))
                return [.tensor(hist), .tensors(edges)]
            }),
        .composed(
            "one_hot(Tensor self, int num_classes=-1) -> Tensor", [.int64], of: ["aten::eq.Tensor"],
            isDifferentiable: false,
            samples: { g in
                [([2, 3], 6), ([4], -1), ([], 5), ([0], 3)].map { (shape: Shape, count: Int) in
                    Sample([.tensor(g.indices(shape, below: 5)), .scalar(Scalar(count))], takesOtherValues: false)
                }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").oneHot(numClasses: try a.int("num_classes")))]
            }),
    ]
}
