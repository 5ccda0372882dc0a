import BackendKit

/// Differences, slopes and areas of samples along a dim, and limited norms.
enum Differences {
    /// x[i + 1] - x[i], for bool whether they differ.
    private static func step(_ x: Tensor, _ d: Int) throws(CressetError) -> Tensor {
        let n = x.shape[d]
        let (later, earlier) = (x.narrow(d, Swift.min(1, n), Swift.max(0, n - 1)), x.narrow(d, 0, Swift.max(0, n - 1)))
        return x.dtype == .bool ? try Ops.logicalXor(later, earlier) : try Ops.sub(later, earlier)
    }

    static func diff(
        _ x: Tensor, n: Int, dim: Int, prepend: Tensor?, append: Tensor?
    ) throws(CressetError) -> Tensor {
        let op = "aten::diff"
        try x.checkValid(op)
        guard x.ndim > 0, n >= 0 else {
            throw CressetError(.argument, op: op, "needs at least 1 dim and n >= 0, got \(x.summary) and n = \(n)")
        }
        let d = try x.dim(dim, op: op)
        if n == 0 { return x.clone() }
        var result = x
        let parts = [prepend, x, append].compactMap(\.self)
        if parts.count > 1 { result = try Joining.cat(parts, dim: d) }
        for _ in 0..<Swift.min(n, result.shape[d]) { result = try step(result, d) }
        return result
    }

    /// The slope along one dim from the neighbours on both sides, at the ends from as many points as
    /// `edgeOrder` and one more say: the derivative of the polynomial through them.
    static func slope(
        _ f: Tensor, _ d: Int, spacing: Double?, at places: Tensor?, edgeOrder: Int, op: String
    ) throws(CressetError) -> Tensor {
        let n = f.shape[d]
        guard edgeOrder == 1 || edgeOrder == 2, n > edgeOrder else {
            throw CressetError(
                .shape, op: op,
                "edge_order must be 1 or 2, and each dim have more elements than that: dim \(d) of \(f.summary), "
                    + "\(edgeOrder)")
        }
        let f = try f.converted(to: Promotion.float(f.dtype))
        func part(_ start: Int, _ count: Int) -> Tensor { f.narrow(d, start, count) }
        func at(_ i: Int) -> Tensor { f.narrow(d, i < 0 ? n + i : i, 1) }
        guard let places else {
            let h = spacing ?? 1
            let middle = (part(2, n - 2) - part(0, n - 2)) / Scalar(2 * h)
            let ends: (Tensor, Tensor)
            if edgeOrder == 1 {
                ends = ((at(1) - at(0)) / Scalar(h), (at(-1) - at(-2)) / Scalar(h))
            } else {
                ends = (
                    (at(0) * -1.5 + at(1) * 2 - at(2) * 0.5) / Scalar(h),
                    (at(-1) * 1.5 - at(-2) * 2 + at(-3) * 0.5) / Scalar(h)
                )
            }
            return try Joining.cat([ends.0, middle, ends.1], dim: d)
        }
        guard places.ndim == 1, places.numel == n else {
            throw CressetError(
                .shape, op: op, "the coordinates of dim \(d) must be a vector of \(n), got \(places.summary)")
        }
        var column = Shape(repeating: 1, count: f.ndim)
        column[d] = n - 1
        let steps = try step(places, 0).converted(to: f.dtype).reshaped(column, op: op)
        func gap(_ i: Int) -> Tensor { steps.narrow(d, i < 0 ? n - 1 + i : i, 1) }
        let (a, b) = (steps.narrow(d, 0, n - 2), steps.narrow(d, 1, n - 2))
        let sum = a + b
        let middle =
            part(0, n - 2) * (-b / (a * sum)) + part(1, n - 2) * ((b - a) / (a * b)) + part(2, n - 2) * (a / (b * sum))
        func edge(_ x: Tensor, _ y: Tensor, _ z: Tensor, _ p: Tensor, _ q: Tensor) -> Tensor {
            y * ((p + q) / (p * q)) - x * ((p * 2 + q) / (p * (p + q))) - z * (p / (q * (p + q)))
        }
        let ends: (Tensor, Tensor) =
            edgeOrder == 1
            ? ((at(1) - at(0)) / gap(0), (at(-1) - at(-2)) / gap(-1))
            : (edge(at(0), at(1), at(2), gap(0), gap(1)), -edge(at(-1), at(-2), at(-3), gap(-1), gap(-2)))
        return try Joining.cat([ends.0, middle, ends.1], dim: d)
    }

    /// Twice the mean height over each step, times its width.
    private static func strips(
        _ y: Tensor, _ x: Tensor?, dx: Double, dim: Int, op: String
    ) throws(CressetError) -> (areas: Tensor, dim: Int) {
        try y.checkValid(op)
        guard y.ndim > 0, y.dtype != .bool else {
            throw CressetError(.argument, op: op, "needs at least 1 dim of numbers, got \(y.summary)")
        }
        let d = try y.dim(dim, op: op)
        let n = y.shape[d]
        let count = Swift.max(0, n - 1)
        let heights = try Ops.add(y.narrow(d, n - count, count), y.narrow(d, 0, count))
        guard let x else { return (try Ops.mul(heights.converted(to: Promotion.float(y.dtype)), .double(dx / 2)), d) }
        try x.checkValid(op)
        guard x.dtype != .bool else { throw CressetError(.dtype, op: op, "x must be numbers, got \(x.summary)") }
        // A vector lies along the dim; other shapes broadcast from the last dim on.
        var places = x
        if x.ndim == 1 && n > 0 {
            guard x.numel == n else {
                throw CressetError(.shape, op: op, "x must have the \(n) elements of dim \(d): \(x.summary)")
            }
            var column = Shape(repeating: 1, count: y.ndim)
            column[d] = n
            places = try x.reshaped(column, op: op)
        } else {
            guard x.ndim >= 1, x.ndim <= y.ndim else {
                throw CressetError(.shape, op: op, "x must broadcast to y: \(x.summary), \(y.summary)")
            }
            let lead = [Int](repeating: 1, count: y.ndim - x.ndim)
            places = try x.reshaped(Shape(lead + Array(x.shape)), op: op)
        }
        let areas = try Ops.mul(heights, try step(places, d))
        return (try Ops.div(areas, .int(2)), d)
    }

    static func trapezoid(_ y: Tensor, _ x: Tensor?, dx: Double, dim: Int, op: String) throws(CressetError) -> Tensor {
        let (areas, d) = try strips(y, x, dx: dx, dim: dim, op: op)
        return try Reductions.sum(areas, dims: [d], keepdim: false)
    }

    static func cumulativeTrapezoid(
        _ y: Tensor, _ x: Tensor?, dx: Double, dim: Int, op: String
    ) throws(CressetError) -> Tensor {
        let (areas, d) = try strips(y, x, dx: dx, dim: dim, op: op)
        return try Scans.cumsum(areas, dim: d)
    }

    /// √x with the gradient 0 at 0.
    private static let root = Pointwise(
        "aten::renorm.sqrt", .promote,
        // The symbolic one is infinite at 0.
        derivative: { _, c in select(c.result .== 0, Expr(0, c.type), c.grad / (2 * c.result)) }, schema: nil
    ) { Cresset.sqrt($0.inputs[0]) }

    /// The tensor whose slices along a dim have at most a norm.
    static func renorm(_ x: Tensor, p: Double, dim: Int, most: Double) throws(CressetError) -> Tensor {
        let op = "aten::renorm"
        try x.checkValid(op)
        guard x.ndim >= 2, p > 0, most >= 0, x.dtype.hasGradient else {
            throw CressetError(
                .argument, op: op,
                "needs floats of at least 2 dims, p > 0 and maxnorm >= 0, got \(x.summary), p = \(p), maxnorm = \(most)"
            )
        }
        let d = try x.dim(dim, op: op)
        let others = (0..<x.ndim).filter { $0 != d }
        // Narrow floats are summed and multiplied in float32.
        let wide = x.dtype.isComplex ? x : try x.converted(to: x.dtype.arithmetic.dtype)
        let size = wide.abs()
        let norm: Tensor
        switch p {
        case .infinity: norm = size.amax(dim: others, keepdim: true)
        case 1: norm = size.sum(dim: others, keepdim: true)
        case 2: norm = try root.run([size.square().sum(dim: others, keepdim: true)])
        default: norm = size.pow(.double(p)).sum(dim: others, keepdim: true).pow(.double(1 / p))
        }
        let factor = Tensor.where(norm .> Scalar(most), Scalar(most) / (norm + 1e-7), Tensor.onesLike(norm))
        return try Ops.mul(wide, factor).converted(to: x.dtype)
    }
}

extension Tensor {
    /// Differences of neighbours along `dim`, taken `n` times, of the tensor with others joined to its ends.
    public func diff(n: Int = 1, dim: Int = -1, prepend: Tensor? = nil, append: Tensor? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            try Differences.diff(self, n: n, dim: dim, prepend: prepend, append: append)
        }
    }
    /// Slopes along dims (all, if none are given) of samples that lie `spacing` apart, one distance for all dims or for each.
    public func gradient(spacing: [Double] = [1], dim: [Int]? = nil, edgeOrder: Int = 1) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let op = "aten::gradient.scalarrayarray"
            try checkValid(op)
            try checkDType(Set<DType>.number.union(Set<DType>.complex), op: op)
            let list = try dim.map { (l) throws(CressetError) in try distinct(l, op: op) } ?? Array(0..<ndim)
            guard spacing.count == 1 || spacing.count == list.count, ndim > 0 else {
                throw CressetError(
                    .argument, op: op,
                    "needs one spacing, or one for each of \(list.count) dims: \(spacing), \(summary)")
            }
            return try list.enumerated().map { (pair) throws(CressetError) in
                try Differences.slope(
                    self, pair.element, spacing: spacing[spacing.count == 1 ? 0 : pair.offset], at: nil,
                    edgeOrder: edgeOrder, op: op)
            }
        }
    }
    /// Slopes along dims (all, if none are given) of samples at the given coordinates, a vector for each dim.
    public func gradient(spacing: [Tensor], dim: [Int]? = nil, edgeOrder: Int = 1) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let op = "aten::gradient.tensorarray"
            try checkValid(op)
            try checkDType(Set<DType>.number.union(Set<DType>.complex), op: op)
            let list = try dim.map { (l) throws(CressetError) in try distinct(l, op: op) } ?? Array(0..<ndim)
            guard spacing.count == list.count, ndim > 0 else {
                throw CressetError(
                    .argument, op: op,
                    "needs coordinates for each of the dims \(list), got \(spacing.count) vectors: \(summary)")
            }
            return try zip(list, spacing).map { (d, places) throws(CressetError) in
                try Differences.slope(self, d, spacing: nil, at: places, edgeOrder: edgeOrder, op: op)
            }
        }
    }
    /// The area under samples `dx` apart along `dim`, by the trapezoidal rule.
    public func trapezoid(dx: Double = 1, dim: Int = -1) -> Tensor {
        trapping { () throws(CressetError) in
            try Differences.trapezoid(self, nil, dx: dx, dim: dim, op: "aten::trapezoid.dx")
        }
    }
    /// The area under samples at `x` along `dim`, by the trapezoidal rule.
    public func trapezoid(_ x: Tensor, dim: Int = -1) -> Tensor {
        trapping { () throws(CressetError) in
            try Differences.trapezoid(self, x, dx: 1, dim: dim, op: "aten::trapezoid.x")
        }
    }
    /// The area under samples `dx` apart along `dim`, as `trapezoid`.
    public func trapz(dx: Double = 1, dim: Int = -1) -> Tensor { trapezoid(dx: dx, dim: dim) }
    /// The area under samples at `x` along `dim`, as `trapezoid`.
    public func trapz(_ x: Tensor, dim: Int = -1) -> Tensor { trapezoid(x, dim: dim) }
    /// The areas under samples `dx` apart so far along `dim`.
    public func cumulativeTrapezoid(dx: Double = 1, dim: Int = -1) -> Tensor {
        trapping { () throws(CressetError) in
            try Differences.cumulativeTrapezoid(self, nil, dx: dx, dim: dim, op: "aten::cumulative_trapezoid.dx")
        }
    }
    /// The areas under samples at `x` so far along `dim`.
    public func cumulativeTrapezoid(_ x: Tensor, dim: Int = -1) -> Tensor {
        trapping { () throws(CressetError) in
            try Differences.cumulativeTrapezoid(self, x, dx: 1, dim: dim, op: "aten::cumulative_trapezoid.x")
        }
    }
    /// The tensor with slices along `dim` scaled down where their p-norm is above `maxnorm`.
    public func renorm(p: Double, dim: Int, maxnorm: Double) -> Tensor {
        trapping { () throws(CressetError) in try Differences.renorm(self, p: p, dim: dim, most: maxnorm) }
    }
}
