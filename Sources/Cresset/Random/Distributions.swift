import BackendKit

/// The programs of the distributions beyond uniform and normal, each a function of one uniform number.
extension Draw {
    /// -ln(u)/λ
    static let exponential = wrapped("aten::exponential_") { c in -log(inside(c)) / c.scalars[2] }
    /// The quantile median + σ·tan(π·(u - 1/2)).
    static let cauchy = wrapped("aten::cauchy_") { c in
        c.scalars[2] + c.scalars[3] * .call(.tan, (inside(c) - 0.5) * Expr(Double.pi))
    }
    /// e^x of normal x.
    static let logNormal = wrapped("aten::log_normal_") { c in
        exp(.call(.normal, inside(c)) * c.scalars[3] + c.scalars[2])
    }
    /// Trials until the first success, itself counted: ⌈ln u / ln(1 - p)⌉.
    static let geometric = wrapped("aten::geometric_") { c in
        maximum(ceil(log(inside(c)) / log1p(-c.scalars[2])), 1)
    }

    /// 1 with the probability at the same place of a tensor.
    static let bernoulliOfTensor = wrapped("aten::bernoulli_.Tensor") { c in
        let u = c.dtype == .float64 ? unit(c) : top(words(c, 0), 24).cast(to: .f32) * Expr(0x1p-24)
        return (u .< c.inputs[0]).cast(to: c.type)
    }

    /// Normal numbers whose mean, standard deviation or both are tensors, in this order; else they are scalars.
    private static func normal(mean: Bool, std: Bool) -> Pointwise {
        wrapped("aten::normal") { c in
            let m = mean ? c.inputs[0] : c.scalars[2]
            let s = std ? c.inputs[mean ? 1 : 0] : c.scalars[mean ? 2 : 3]
            return .call(.normal, inside(c)) * s + m
        }
    }
    static let normalOfMean = normal(mean: true, std: false)
    static let normalOfStd = normal(mean: false, std: true)
    static let normalOfBoth = normal(mean: true, std: true)

    /// low + k mod range for a 64-bit k; a range of 0 stands for 2⁶⁴. Numbers are compared without their signs.
    static let wideIntegers = Pointwise("aten::random_", .explicit, scalarType: { _, _ in .i64 }) { c in
        func word(_ i: Int) -> Expr { words(c, i).cast(to: .i64) & Expr(integer: 0xFFFF_FFFF, .i64) }
        let k = Expr.binary(.shl, word(0), Expr(integer: 32, .i64)) | word(1)
        let (low, range) = (c.scalars[2], c.scalars[3])
        let (zero, sign) = (Expr(integer: 0, .i64), Expr(integer: .min, .i64))
        // A range below 2⁶³ takes 63 bits; above it a k that is too large has the range taken off once.
        let small = Expr.binary(.ushr, k, Expr(integer: 1, .i64)) % select(zero .< range, range, Expr(integer: 1, .i64))
        let large = select((k ^ sign) .< (range ^ sign), k, k - range)
        return (low + select(zero .< range, small, select(range .== zero, k, large))).cast(to: c.type)
    }

    /// Draws for each element of `shape`, to which the inputs broadcast.
    static func draw(
        _ kernel: Pointwise, _ inputs: [Tensor], _ shape: Shape, _ dtype: DType, computing: DType? = nil,
        _ stream: RandomStream, _ scalars: [Scalar] = []
    ) throws(CressetError) -> Tensor {
        let result = try Tensor.empty(shape, dtype, on: inputs[0].runtime, op: kernel.text)
        try kernel.run(
            inputs.map { $0.detach() }, stream.take(shape.elementCount) + scalars, compute: computing ?? dtype,
            into: result)
        return result
    }

    /// Numbers that need not be floats, of a tensor's shape and dtype, computed in floats.
    static func fresh(
        _ kernel: Pointwise, _ x: Tensor, _ stream: RandomStream, _ scalars: [Scalar]
    ) throws(CressetError) -> Tensor {
        guard !x.dtype.isComplex else {
            throw CressetError(.dtype, op: kernel.text, "draws real numbers: \(x.summary)")
        }
        let result = try Tensor.empty(x.shape, x.dtype, on: x.runtime, op: kernel.text)
        try kernel.run(
            [], stream.take(x.numel) + scalars, compute: x.dtype == .float64 ? .float64 : .float32, into: result)
        return result
    }
}

/// What may be asked of a distribution.
enum DrawChecks {
    static func positive(_ x: Double, _ name: String, _ op: String) throws(CressetError) {
        guard x > 0 else { throw CressetError(.argument, op: op, "\(name) must be above 0, got \(x)") }
    }

    static func probability(_ p: Double, _ op: String) throws(CressetError) {
        guard p >= 0, p <= 1 else { throw CressetError(.argument, op: op, "p must be in 0 ... 1, got \(p)") }
    }

    static func floating(_ x: Tensor, _ op: String) throws(CressetError) {
        try x.checkValid(op)
        guard x.dtype.isFloatingPoint else {
            throw CressetError(.dtype, op: op, "draws floating-point numbers: \(x.summary)")
        }
    }

    /// Throws where a standard deviation is below 0.
    static func deviations(_ std: Tensor, _ op: String) throws(CressetError) {
        guard std.numel > 0, !std.isMeta else { return }
        let least = noGrad { std.detach().min().item() }
        guard !(least < 0) else {
            throw CressetError(
                .argument, op: op, "std must not be below 0, and the least of \(std.summary) is \(least)")
        }
    }

    /// The least and the largest number that `random_` gives to a dtype: all of an integer's above 0, and as many as
    /// a float counts without gaps.
    static func bounds(_ dtype: DType) -> (least: Int64, most: Int64) {
        switch dtype {
        case .bool: (0, 1)
        case .uint8: (0, 255)
        case .int8: (-128, 127)
        case .int16: (-0x8000, 0x7FFF)
        case .int32: (Int64(Int32.min), Int64(Int32.max))
        case .int64: (.min, .max)
        case .bfloat16: (-(1 << 8), 1 << 8)
        case .float16: (-(1 << 11), 1 << 11)
        case .float32: (-(1 << 24), 1 << 24)
        default: (-(1 << 53), 1 << 53)
        }
    }
}

extension Tensor {
    /// 0 or 1, the latter with the probability that the tensor holds at the place.
    public func bernoulli(stream: RandomStream = .default) -> Tensor {
        trapping { () throws(CressetError) in
            try DrawChecks.floating(self, "aten::bernoulli")
            return try Draw.draw(Draw.bernoulliOfTensor, [self], shape, dtype, stream)
        }
    }

    /// 0 or 1 for each element, the latter with probability p.
    public func bernoulli(_ p: Double, stream: RandomStream = .default) -> Tensor {
        fresh("aten::bernoulli.p") { $0.bernoulli_(p, stream: stream) }
    }

    /// 0 or 1 in place of each element, the latter with the probability at the place of `p`, which broadcasts.
    @discardableResult
    public func bernoulli_(_ p: Tensor, stream: RandomStream = .default) -> Tensor {
        inPlace("aten::bernoulli_.Tensor") { (x) throws(CressetError) in
            let op = "aten::bernoulli_.Tensor"
            try DrawChecks.floating(p, op)
            try x.checkDType(.real, op: op)
            guard x.shape.broadcast(with: p.shape) == x.shape else {
                throw CressetError(
                    .shape, op: op, "the probabilities do not broadcast to the tensor: \(p.summary), \(x.summary)")
            }
            let p = try Tensor.onOneDevice([x, p], op: op)[1]
            return try Draw.draw(Draw.bernoulliOfTensor, [p], x.shape, x.dtype, computing: p.dtype, stream)
        }
    }

    /// Every element 1 with probability p, else 0.
    @discardableResult
    public func bernoulli_(_ p: Double = 0.5, stream: RandomStream = .default) -> Tensor {
        inPlace("aten::bernoulli_.float") { (x) throws(CressetError) in
            try DrawChecks.probability(p, "aten::bernoulli_.float")
            return try Draw.fresh(Draw.bernoulli, x, stream, [.double(p)])
        }
    }

    /// Every element drawn from λ·e^(-λx).
    @discardableResult
    public func exponential_(_ lambd: Double = 1, stream: RandomStream = .default) -> Tensor {
        refill(Draw.exponential, stream, [.double(lambd)]) { () throws(CressetError) in
            try DrawChecks.floating(self, "aten::exponential_")
            try DrawChecks.positive(lambd, "lambd", "aten::exponential_")
        }
    }

    /// Every element from Cauchy's distribution.
    @discardableResult
    public func cauchy_(_ median: Double = 0, _ sigma: Double = 1, stream: RandomStream = .default) -> Tensor {
        refill(Draw.cauchy, stream, [.double(median), .double(sigma)]) { () throws(CressetError) in
            try DrawChecks.floating(self, "aten::cauchy_")
            try DrawChecks.positive(sigma, "sigma", "aten::cauchy_")
        }
    }

    /// Every element e^x of a normal x.
    @discardableResult
    public func logNormal_(_ mean: Double = 1, _ std: Double = 2, stream: RandomStream = .default) -> Tensor {
        refill(Draw.logNormal, stream, [.double(mean), .double(std)]) { () throws(CressetError) in
            try DrawChecks.floating(self, "aten::log_normal_")
            try DrawChecks.positive(std, "std", "aten::log_normal_")
        }
    }

    /// Every element the number of trials up to the first success of probability p.
    @discardableResult
    public func geometric_(_ p: Double, stream: RandomStream = .default) -> Tensor {
        inPlace("aten::geometric_") { (x) throws(CressetError) in
            guard p > 0, p < 1 else {
                throw CressetError(.argument, op: "aten::geometric_", "p must be inside (0, 1), got \(p)")
            }
            try x.checkDType(Set<DType>.number.union(Set<DType>.complex), op: "aten::geometric_")
            return try Draw.fresh(Draw.geometric, x, stream, [.double(p)])
        }
    }

    /// Every element an integer from `from` to below `to`; without bounds any that the dtype holds and is not below 0.
    @discardableResult
    public func random_(_ from: Int? = nil, _ to: Int? = nil, stream: RandomStream = .default) -> Tensor {
        inPlace("aten::random_") { (x) throws(CressetError) in
            let op = "aten::random_"
            let (least, most) = DrawChecks.bounds(x.dtype)
            guard !x.dtype.isComplex else { throw CressetError(.dtype, op: op, "draws real numbers: \(x.summary)") }
            let low = from.map(Int64.init) ?? 0
            let high = to.map { Int64($0) &- 1 } ?? most
            guard to == nil || low <= high, to != .min else {
                throw CressetError(.argument, op: op, "from (\(low)) must be below to (\(to ?? 0))")
            }
            guard low >= least, low <= most, high <= most else {
                throw CressetError(
                    .argument, op: op, "\(low) to \(high) goes beyond what \(x.dtype) holds, \(least) to \(most)")
            }
            let result = try Tensor.empty(x.shape, x.dtype, on: x.runtime, op: op)
            // (Wraps to 0 where the range is all of an int64.)
            let range = high &- low &+ 1
            try Draw.wideIntegers.run(
                [], stream.take(x.numel) + [.int(low), .int(range)], compute: x.dtype, into: result)
            return result
        }
    }

    /// A tensor of this one's shape and dtype, drawn by `fill`.
    func fresh(_ op: String, _ fill: (Tensor) -> Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid(op)
            return fill(try .empty(shape, dtype, on: runtime, op: op))
        }
    }

    /// Normal numbers around `mean` of the standard deviation at the same place of `std`; the two broadcast.
    public static func normal(_ mean: Tensor, _ std: Tensor, stream: RandomStream = .default) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::normal.Tensor_Tensor"
            try DrawChecks.floating(mean, op)
            try DrawChecks.floating(std, op)
            let inputs = try Tensor.onOneDevice([mean, std], op: op)
            let shape = try Draw.normalOfBoth.broadcastShape(inputs)
            try DrawChecks.deviations(std, op)
            return try Draw.draw(Draw.normalOfBoth, inputs, shape, mean.dtype, stream)
        }
    }
    /// Normal numbers around the elements of a tensor.
    public static func normal(_ mean: Tensor, _ std: Double = 1, stream: RandomStream = .default) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::normal.Tensor_float"
            try DrawChecks.floating(mean, op)
            guard std >= 0 else { throw CressetError(.argument, op: op, "std must not be below 0, got \(std)") }
            return try Draw.draw(Draw.normalOfMean, [mean], mean.shape, mean.dtype, stream, [.double(std)])
        }
    }
    /// Normal numbers around `mean` of the standard deviations that a tensor holds.
    public static func normal(_ mean: Double, _ std: Tensor, stream: RandomStream = .default) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::normal.float_Tensor"
            try DrawChecks.floating(std, op)
            try DrawChecks.deviations(std, op)
            return try Draw.draw(Draw.normalOfStd, [std], std.shape, std.dtype, stream, [.double(mean)])
        }
    }
    /// Normal numbers, as many as `size` says.
    public static func normal(
        _ mean: Double, _ std: Double, size: Shape, dtype: DType = .float32, device: Device? = nil,
        stream: RandomStream = .default
    ) -> Tensor { Tensor.empty(size, dtype: dtype, device: device).normal_(mean, std, stream: stream) }

    /// Uniform in [0, 1), of a tensor's shape, dtype and device.
    public static func randLike(
        _ x: Tensor, dtype: DType? = nil, device: Device? = nil, stream: RandomStream = .default
    ) -> Tensor { rand(x.shape, dtype: dtype ?? x.dtype, device: device ?? x.device, stream: stream) }
    /// Normal with mean 0 and variance 1, of a tensor's shape, dtype and device.
    public static func randnLike(
        _ x: Tensor, dtype: DType? = nil, device: Device? = nil, stream: RandomStream = .default
    ) -> Tensor { randn(x.shape, dtype: dtype ?? x.dtype, device: device ?? x.device, stream: stream) }
    /// Integers from low to below high, of a tensor's shape, dtype and device.
    public static func randintLike(
        _ x: Tensor, _ low: Int = 0, _ high: Int, dtype: DType? = nil, device: Device? = nil,
        stream: RandomStream = .default
    ) -> Tensor { randint(low, high, x.shape, dtype: dtype ?? x.dtype, device: device ?? x.device, stream: stream) }
}
