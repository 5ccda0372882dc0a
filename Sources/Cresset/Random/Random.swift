import BackendKit

/// Runs `body` with `stream` as this thread's default stream of random numbers.
public func withRandomStream<Result, Failure: Error>(
    _ stream: RandomStream, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let state = threadState
    let outer = state.pointee.stream
    state.pointee.stream = Unmanaged.passUnretained(stream).toOpaque()
    defer {
        state.pointee.stream = outer
        // (The pointer above does not keep it.)
        withExtendedLifetime(stream) {}
    }
    return try body()
}

/// Sets the seed of the default stream of random numbers and starts it anew.
public func manualSeed(_ seed: UInt64) { RandomStream.default.reset(seed) }

/// A stream of random numbers: a Philox4x32-10 key and a counter that moves by one for each element
/// drawn, on every device alike. The same seed gives the same bits everywhere.
public final class RandomStream: Sendable {
    /// The stream that draws unless another is named: this thread's inside `withRandomStream`, else the program's.
    public static var `default`: RandomStream {
        guard let own = threadState.pointee.stream else { return program }
        return Unmanaged<RandomStream>.fromOpaque(own).takeUnretainedValue()
    }
    private static let program = RandomStream(seed: 0)

    /// Where a stream stands.
    public struct State: Sendable, Hashable {
        public var seed: UInt64
        /// Elements drawn since.
        public var counter: UInt64
    }
    private let current: Lock<State>
    /// Where the stream stands; set it to draw the same numbers again.
    public var state: State {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    public init(seed: UInt64) { current = Lock(State(seed: seed, counter: 0)) }

    /// A stream that stands where another stood.
    public init(state: State) { current = Lock(state) }

    public func reset(_ seed: UInt64) { current.withLock { $0 = State(seed: seed, counter: 0) } }

    /// As if so many elements had been drawn.
    func move(to counter: UInt64) { current.withLock { $0.counter = counter } }

    /// Key and first counter for `count` elements.
    func take(_ count: Int) -> [Scalar] {
        current.withLock { state in
            defer { state.counter &+= UInt64(count) }
            return [.int(Int64(bitPattern: state.seed)), .int(Int64(bitPattern: state.counter))]
        }
    }
}

/// The programs that draw one element.
enum Draw {
    static func words(_ c: Pointwise.Context, _ word: Int) -> Expr {
        .philox(key: c.scalars[0], counter: c.scalars[1] + elementIndex(), word: word)
    }

    static func wrapped(
        _ name: String, _ body: @escaping @Sendable (Pointwise.Context) -> Expr
    ) -> Pointwise {
        Pointwise(name, .explicit, scalarType: { i, dtype in i < 2 ? .i64 : dtype.arithmetic }, body: body)
    }

    /// The top `bits` bits of a word as an integer, in [0, 2^bits).
    static func top(_ word: Expr, _ bits: Int) -> Expr {
        .binary(.ushr, word, Expr(integer: Int64(32 - bits), .i32))
    }

    /// k·2^-b for a uniform b-bit integer k, with b the precision of the dtype: exact, so never 1.
    static func unit(_ c: Pointwise.Context) -> Expr {
        switch c.dtype {
        case .float64:
            let high = top(words(c, 0), 26).cast(to: .f64)
            let low = top(words(c, 1), 27).cast(to: .f64)
            return (high * Expr(0x1p27) + low) * Expr(0x1p-53)
        case .float16: return top(words(c, 0), 11).cast(to: .f32) * Expr(0x1p-11)
        case .bfloat16: return top(words(c, 0), 8).cast(to: .f32) * Expr(0x1p-8)
        default: return top(words(c, 0), 24).cast(to: .f32) * Expr(0x1p-24)
        }
    }

    static let uniform = wrapped("aten::uniform_") { c in
        c.scalars[2] + unit(c) * (c.scalars[3] - c.scalars[2])
    }

    /// A uniform number strictly inside (0, 1).
    static func inside(_ c: Pointwise.Context) -> Expr {
        guard c.dtype == .float64 else { return (top(words(c, 0), 23).cast(to: .f32) + 0.5) * Expr(0x1p-23) }
        let high = top(words(c, 0), 26).cast(to: .f64)
        let low = top(words(c, 1), 26).cast(to: .f64)
        return (high * Expr(0x1p26) + low + 0.5) * Expr(0x1p-52)
    }

    /// The normal quantile of a uniform number strictly inside (0, 1).
    static let normal = wrapped("aten::normal_") { c in
        .call(.normal, inside(c)) * c.scalars[3] + c.scalars[2]
    }

    /// 1 with probability p.
    static let bernoulli = wrapped("aten::bernoulli_.float") { c in
        let u = top(words(c, 0), 24).cast(to: .f32) * Expr(0x1p-24)
        return (u.cast(to: c.type.isFloat ? c.type : .f32) .< c.scalars[2].cast(to: c.type.isFloat ? c.type : .f32))
            .cast(to: c.type)
    }

    /// low + k mod (high - low) for a 62-bit k: the bias is below 2^-30 for ranges below 2^32.
    static let integers = Pointwise("aten::random_.from", .explicit, scalarType: { _, _ in .i64 }) { c in
        let high = top(words(c, 0), 31).cast(to: .i64)
        let low = top(words(c, 1), 31).cast(to: .i64)
        let k = high * Expr(integer: 1 << 31, .i64) + low
        return (c.scalars[2] + k % (c.scalars[3] - c.scalars[2])).cast(to: c.type)
    }

    static func fill(
        _ kernel: Pointwise, _ target: Tensor, _ stream: RandomStream, _ scalars: [Scalar]
    ) throws(CressetError) {
        guard target.dtype.isComplex, kernel === uniform || kernel === normal else {
            return try kernel.generate(stream.take(target.numel) + scalars, into: target)
        }
        // Both parts; those of normal numbers share the variance.
        var scalars = scalars
        if kernel === normal { scalars[1] = .double(scalars[1].doubleValue * 0.5.squareRoot()) }
        try fill(kernel, try ComplexNumbers.asReal(target.detach()), stream, scalars)
    }
}

extension Tensor {
    static func draw(
        _ kernel: Pointwise, _ shape: Shape, _ dtype: DType, _ device: Device?, _ stream: RandomStream,
        _ scalars: [Scalar]
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = kernel.name.text
            guard kernel === Draw.integers || dtype.hasGradient else {
                throw CressetError(.dtype, op: op, "draws floating-point and complex numbers, not \(dtype)")
            }
            let result = try Tensor.empty(shape, dtype, on: try (device ?? .default).runtime(for: op), op: op)
            try Draw.fill(kernel, result, stream, scalars)
            return result
        }
    }

    /// Uniform in [0, 1).
    public static func rand(
        _ shape: Shape, dtype: DType = .float32, device: Device? = nil, stream: RandomStream = .default
    ) -> Tensor {
        draw(Draw.uniform, shape, dtype, device, stream, [.double(0), .double(1)])
    }

    /// Normal with mean 0 and variance 1.
    public static func randn(
        _ shape: Shape, dtype: DType = .float32, device: Device? = nil, stream: RandomStream = .default
    ) -> Tensor {
        draw(Draw.normal, shape, dtype, device, stream, [.double(0), .double(1)])
    }

    /// Integers from 0 to below high.
    public static func randint(
        _ high: Int, _ shape: Shape, dtype: DType = .int64, device: Device? = nil, stream: RandomStream = .default
    ) -> Tensor {
        randint(0, high, shape, dtype: dtype, device: device, stream: stream)
    }

    /// Integers from low to below high.
    public static func randint(
        _ low: Int, _ high: Int, _ shape: Shape, dtype: DType = .int64, device: Device? = nil,
        stream: RandomStream = .default
    ) -> Tensor {
        guard low < high else {
            return failed(CressetError(.argument, op: "aten::randint", "low (\(low)) must be below high (\(high))"))
        }
        let (least, most) = DrawChecks.bounds(dtype)
        guard dtype.hasGradient || low >= least && high - 1 <= most else {
            return failed(
                CressetError(
                    .argument, op: "aten::randint",
                    "\(low) to \(high - 1) goes beyond what \(dtype) holds, \(least) to \(most)"))
        }
        return draw(Draw.integers, shape, dtype, device, stream, [Scalar(low), Scalar(high)])
    }

    /// The numbers 0 ..< n in random order.
    public static func randperm(
        _ n: Int, dtype: DType = .int64, device: Device? = nil, stream: RandomStream = .default
    ) -> Tensor {
        // (The order is made on the host.)
        guard n >= 0, n < 1 << 31 else {
            return failed(
                CressetError(.argument, op: "aten::randperm", "n must not be negative and below 2³¹, got \(n)"))
        }
        do throws(CressetError) {
            // (It is shuffled on the host first.)
            try Tensor.checkFits([n], .int64, on: Device.reference.runtime(for: "aten::randperm"), op: "aten::randperm")
        } catch {
            return failed(error)
        }
        let draws = [Int64](
            rand([Swift.max(n, 1)], dtype: .float64, device: .reference, stream: stream)
                .mul(.double(0x1p53)).to(.int64))
        var order = Array(0..<Int64(n))
        // Fisher-Yates from the back.
        for i in order.indices.reversed() where i > 0 { order.swapAt(i, Int(draws[i] % Int64(i + 1))) }
        return Tensor(order, dtype: dtype, device: device)
    }

    func refill(
        _ kernel: Pointwise, _ stream: RandomStream, _ scalars: [Scalar],
        check: () throws(CressetError) -> Void = { () throws(CressetError) in }
    ) -> Tensor {
        inPlace(kernel.name.text) { (x) throws(CressetError) in
            try check()
            guard x.dtype.hasGradient else {
                throw CressetError(.dtype, op: kernel.text, "draws floating-point and complex numbers: \(x.summary)")
            }
            let fresh = try Tensor.empty(x.shape, x.dtype, on: x.runtime, op: kernel.name.text)
            try Draw.fill(kernel, fresh, stream, scalars)
            return fresh
        }
    }

    /// Every element uniform in [from, to).
    @discardableResult
    public func uniform_(_ from: Double = 0, _ to: Double = 1, stream: RandomStream = .default) -> Tensor {
        refill(Draw.uniform, stream, [.double(from), .double(to)]) { () throws(CressetError) in
            guard from <= to else {
                throw CressetError(.argument, op: "aten::uniform_", "from (\(from)) must not be above to (\(to))")
            }
        }
    }

    /// Every element normal.
    @discardableResult
    public func normal_(_ mean: Double = 0, _ std: Double = 1, stream: RandomStream = .default) -> Tensor {
        refill(Draw.normal, stream, [.double(mean), .double(std)]) { () throws(CressetError) in
            guard std >= 0 else {
                throw CressetError(.argument, op: "aten::normal_", "std must not be below 0, got \(std)")
            }
        }
    }
}
