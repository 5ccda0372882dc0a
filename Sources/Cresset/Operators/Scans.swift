import BackendKit

/// Running sums, products and extrema along a dim.
///
/// The family's default, over pointwise launches: after step s each element holds what the last 2ˢ up
/// to it combine to, so ⌈log₂ n⌉ steps do (Hillis and Steele 1986). Errors grow with log n, as those of
/// a pairwise sum do.
enum Scans {
    static let cumsumName = OperatorName("aten::cumsum")
    private static let cumprodName = OperatorName("aten::cumprod")
    private static let logName = OperatorName("aten::logcumsumexp")

    private static let add = PointwiseGroup("aten::cumsum", actsOnParts: true) { x, _ in [x[0] + x[1]] }
    /// (value, index) pairs, the earlier first: the later wins a tie, and a NaN always, as in PyTorch.
    private static let cummax = pairs("aten::cummax") { $0 .<= $1 }
    private static let cummin = pairs("aten::cummin") { $1 .<= $0 }

    private static func pairs(_ name: String, _ later: @escaping @Sendable (Expr, Expr) -> Expr) -> PointwiseGroup {
        PointwiseGroup(name) { x, _ in
            let (a, i, b, j) = (x[0], x[1], x[2], x[3])
            let comparable = a.type == .bool ? (a.cast(to: .i32), b.cast(to: .i32)) : (a, b)
            var takesLater = later(comparable.0, comparable.1)
            if a.type == .f32 || a.type == .f64 { takesLater = isNaN(b) | (!isNaN(a) & takesLater) }
            return [select(takesLater, b, a), select(takesLater, j, i)]
        }
    }

    /// Combines each element with the one `distance` before it (after it, if `reversed`), until all of a
    /// run are combined. `planes` are scanned together, and not changed.
    private static func scan(
        _ planes: [Tensor], _ d: Int, reversed: Bool = false, with kernel: PointwiseGroup, op: String
    ) throws(CressetError) -> [Tensor] {
        let n = planes[0].shape[d]
        var from = planes
        var spare: [Tensor]?
        var distance = 1
        while distance < n {
            var to = spare ?? []
            if to.isEmpty {
                to = try planes.map { (x) throws(CressetError) -> Tensor in
                    try .empty(x.shape, x.dtype, on: x.runtime, op: op)
                }
            }
            let near = n - distance
            // Where nothing lies `distance` away the run is complete.
            let (done, open, other) = reversed ? (near, 0, distance) : (0, distance, 0)
            for (x, y) in zip(from, to) {
                try Copy.run(
                    from: x.narrow(d, done, distance), to: y.narrow(d, done, distance), op: OperatorName(op))
            }
            try kernel.run(
                from.map { $0.narrow(d, other, near) } + from.map { $0.narrow(d, open, near) },
                into: to.map { $0.narrow(d, open, near) })
            spare = distance == 1 ? nil : from
            from = to
            distance *= 2
        }
        return from
    }

    /// The tensor as a new one in another dtype, at least one dim, and the dim from the front.
    private static func prepare(
        _ x: Tensor, _ dim: Int, _ dtype: DType, op: String
    ) throws(CressetError) -> (Tensor, Int) {
        let d = try x.dim(dim, op: op)
        let flat = x.ndim == 0 ? try x.detach().reshaped([1], op: op) : x.detach()
        return (try flat.converted(to: dtype), d)
    }

    static func cumsum(
        _ x: Tensor, dim: Int, dtype: DType? = nil, reversed: Bool = false
    ) throws(CressetError) -> Tensor {
        let op = cumsumName.text
        try x.checkValid(op)
        let output = dtype ?? Reductions.sumDType(x.dtype)
        let d = try x.dim(dim, op: op)
        func composition() throws(CressetError) -> [Tensor] {
            try noGrad { () throws(CressetError) in
                // float16 and bfloat16 add up in float32 and round once.
                let (start, d) = try prepare(
                    x, d, output.accumulator, op: op)
                if x.numel == 0 { return [try start.clone().reshaped(x.shape, op: op).converted(to: output)] }
                let sums = try scan([start], d, reversed: reversed, with: add, op: op)[0]
                let result = try sums.converted(to: output).reshaped(x.shape, op: op)
                return [result.impl.storage === x.impl.storage ? try Copy.clone(result, op: op) : result]
            }
        }
        let result =
            reversed
            ? try composition()[0]
            : try Override.resolve(
                cumsumName, on: x, output, [.tensor(x), .scalar(Scalar(dim)), dtype.map(Value.dtype) ?? .none],
                types: [ResultType(x.shape, output)], composition: composition)[0]
        // yᵢ = Σⱼ≤ᵢ xⱼ: ∂xⱼ = Σᵢ≥ⱼ gᵢ
        return Tape.record(op, result, inputs: [x]) { (gradients, _) throws(CressetError) in
            [try gradients[0].map { (g) throws(CressetError) in try cumsum(g, dim: d, reversed: !reversed) }]
        }
    }

    /// One step after the other under the tape: the gradient is right where elements are zero, too.
    private static func recorded(
        _ x: Tensor, _ d: Int, _ combine: (_ earlier: Tensor, _ later: Tensor) throws(CressetError) -> Tensor
    ) throws(CressetError) -> Tensor {
        var x = x
        let n = x.shape[d]
        var distance = 1
        while distance < n {
            let rest = try combine(x.narrow(d, 0, n - distance), x.narrow(d, distance, n - distance))
            x = try Joining.cat([x.narrow(d, 0, distance), rest], dim: d)
            distance *= 2
        }
        return x
    }

    private static func scanned(
        _ name: OperatorName, _ x: Tensor, _ dim: Int, _ dtype: DType?, output: DType,
        _ combine: @escaping @Sendable (Tensor, Tensor) throws(CressetError) -> Tensor
    ) throws(CressetError) -> Tensor {
        let op = name.text
        let d = try x.dim(dim, op: op)
        let last: [Value] = name.text == logName.text ? [] : [dtype.map(Value.dtype) ?? .none]
        return try Override.resolve(
            name, inputs: [x], output, [.tensor(x), .scalar(Scalar(dim))] + last,
            type: ResultType(x.shape, output)
        ) { (inputs) throws(CressetError) in
            let flat = inputs[0].ndim == 0 ? try inputs[0].reshaped([1], op: op) : inputs[0]
            let wide = try flat.converted(to: output.accumulator)
            let result = wide.numel == 0 ? wide.clone() : try recorded(wide, d, combine)
            let shaped = try result.converted(to: output).reshaped(inputs[0].shape, op: op)
            return shaped.impl.storage === inputs[0].impl.storage ? shaped.clone() : shaped
        }
    }

    static func cumprod(_ x: Tensor, dim: Int, dtype: DType? = nil) throws(CressetError) -> Tensor {
        try x.checkValid(cumprodName.text)
        return try scanned(cumprodName, x, dim, dtype, output: dtype ?? Reductions.sumDType(x.dtype)) {
            (a, b) throws(CressetError) in try Ops.mul(a, b)
        }
    }

    /// ln Σ eˣ so far: max + ln(1 + e^(min - max)), which is ∞ without a difference of infinities.
    static func logcumsumexp(_ x: Tensor, dim: Int) throws(CressetError) -> Tensor {
        try x.checkValid(logName.text)
        guard x.dtype.hasGradient else {
            throw CressetError(.dtype, op: logName.text, "is defined for floating and complex dtypes, got \(x.summary)")
        }
        return try scanned(logName, x, dim, nil, output: x.dtype) { (a, b) throws(CressetError) in
            try logAddExp(a, b)
        }
    }

    private static let logAddExp = Pointwise(
        "aten::logaddexp", .promote, complex: .value { Cresset.logaddexp($0.inputs[0], $0.inputs[1]) }
    ) { c in
        let (a, b) = (c.inputs[0], c.inputs[1])
        let (high, low) = (maximum(a, b), minimum(a, b))
        // Equal infinities: their difference would be NaN, and either of them is the answer.
        return select((a .== b) & (abs(a) .== Expr(.infinity, c.type)), a, high + log1p(exp(low - high)))
    }

    /// Running maxima or minima and where they were last met.
    static func extremum(
        _ x: Tensor, dim: Int, isMax: Bool
    ) throws(CressetError) -> (values: Tensor, indices: Tensor) {
        let name = OperatorName(isMax ? "aten::cummax" : "aten::cummin")
        let op = name.text
        try x.checkValid(op)
        let d = try x.dim(dim, op: op)
        let results = try Override.resolve(
            name, on: x, x.dtype, [.tensor(x), .scalar(Scalar(dim))],
            types: [ResultType(x.shape, x.dtype), ResultType(x.shape, .int64)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let (start, d) = try prepare(x, d, x.dtype, op: op)
                let places = try Tensor.empty(start.shape, .int64, on: x.runtime, op: op)
                try positions.run([], [.int(Int64(start.innerCount(d))), .int(Int64(start.shape[d]))], into: [places])
                if x.numel == 0 { return [Tensor.zerosLike(x), places] }
                let found = try scan([start, places], d, with: isMax ? cummax : cummin, op: op)
                return try found.map { (y) throws(CressetError) in
                    try (y.impl.storage === x.impl.storage ? Copy.clone(y, op: op) : y).reshaped(x.shape, op: op)
                }
            }
        }
        let shape = x.shape
        let values = Tape.record(op, results[0], inputs: [x], saving: [results[1]]) {
            (gradients, saved) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    if shape.count == 0 { return g }
                    let zeros = try Tensor.filled(shape, 0, dtype: g.dtype, on: g.runtime, op: op)
                    return try Indexing.scatter(zeros, d, saved[0], g, .add)
                }
            ]
        }
        return (values, results[1])
    }

    /// Each element's place along a dim, from the count of elements behind the dim and its size.
    static let positions = PointwiseGroup("aten::arange") { _, s in [(elementIndex() / s[0]) % s[1]] }
}

extension DType {
    /// What running sums and products of this dtype are kept in.
    fileprivate var accumulator: DType { self == .bool ? .int64 : isComplex ? self : arithmetic.dtype }
}

extension Tensor {
    /// Elements that one step along `d` passes over in row-major order.
    func innerCount(_ d: Int) -> Int { shape.dropFirst(d + 1).reduce(1, *) }

    /// Sums of the elements so far along `dim`; integers and bool add up in int64.
    public func cumsum(dim: Int, dtype: DType? = nil) -> Tensor {
        trapping { () throws(CressetError) in try Scans.cumsum(self, dim: dim, dtype: dtype) }
    }
    /// Products of the elements so far along `dim`; integers and bool multiply in int64.
    public func cumprod(dim: Int, dtype: DType? = nil) -> Tensor {
        trapping { () throws(CressetError) in try Scans.cumprod(self, dim: dim, dtype: dtype) }
    }
    /// ln Σ eˣ of the elements so far along `dim`.
    public func logcumsumexp(dim: Int) -> Tensor {
        trapping { () throws(CressetError) in try Scans.logcumsumexp(self, dim: dim) }
    }
    /// Maxima so far along `dim`, and where each was met last.
    public func cummax(dim: Int) -> (values: Tensor, indices: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in
            try Scans.extremum(self, dim: dim, isMax: true)
        }
    }
    /// Minima so far along `dim`, and where each was met last.
    public func cummin(dim: Int) -> (values: Tensor, indices: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in
            try Scans.extremum(self, dim: dim, isMax: false)
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let shapes: [(Shape, Int)] = [
        ([5, 7], 0), ([5, 7], -1), ([2, 3, 4], 1), ([33], 0), ([1], 0), ([], 0), ([0, 3], 0), ([3, 0], 0),
    ]

    static let scans: [Operator] = [
        Operator(
            "cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", dtypes: .all,
            composition: ["pointwise"],
            samples: { g in
                shapes.map { Sample([.tensor(g.tensor($0)), .scalar(Scalar($1)), .none]) }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").cumsum(dim: try a.int("dim"), dtype: try a.optionalDType("dtype")))]
            }),
        Operator(
            "cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", dtypes: .all,
            composition: ["pointwise"],
            samples: { g in
                // (Magnitudes near 1, so that products of many are numbers to differentiate.)
                let isComplex = g.dtype.isComplex
                return shapes.map {
                    Sample([
                        .tensor(g.tensor($0, isComplex ? 0.3 : 0.5, isComplex ? 1.1 : 1.8)), .scalar(Scalar($1)), .none,
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").cumprod(dim: try a.int("dim"), dtype: try a.optionalDType("dtype")))]
            }),
        Operator(
            "logcumsumexp(Tensor self, int dim) -> Tensor", dtypes: .continuous, composition: ["pointwise"],
            samples: { g in shapes.map { Sample([.tensor(g.tensor($0)), .scalar(Scalar($1))]) } },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").logcumsumexp(dim: try a.int("dim")))] }),
        extremum("cummax") { $0.cummax(dim: $1) },
        extremum("cummin") { $0.cummin(dim: $1) },
    ]

    private static func extremum(
        _ name: String, _ body: @escaping @Sendable (Tensor, Int) -> (values: Tensor, indices: Tensor)
    ) -> Operator {
        Operator(
            "\(name)(Tensor self, int dim) -> (Tensor values, Tensor indices)", dtypes: .real,
            composition: ["pointwise"],
            samples: { g in shapes.map { Sample([.tensor(g.distinct($0)), .scalar(Scalar($1))]) } },
            call: { (a) throws(CressetError) in
                let (values, indices) = body(try a.tensor("self"), try a.int("dim"))
                return [.tensor(values), .tensor(indices)]
            })
    }
}
