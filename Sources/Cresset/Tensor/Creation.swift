import BackendKit
import CBackend

/// The programs behind fill and arange, which are no operations on tensors.
enum Generators {
    static let fill = Pointwise("aten::fill_.Scalar", .explicit, complex: .parts) { $0.scalars[0] }
    /// start + index·step, in the arithmetic of the dtype.
    static let arange = Pointwise("aten::arange.start_step", .explicit) { c in
        c.scalars[0] + elementIndex().cast(to: c.type) * c.scalars[1]
    }
    /// From both ends, so that the last element is exactly `end`, as in PyTorch.
    static let linspace = Pointwise(
        "aten::linspace", .explicit, scalarType: { i, dtype in i == 3 ? .i64 : dtype.arithmetic }
    ) { c in
        let i = elementIndex()
        let (start, end, step, steps) = (c.scalars[0], c.scalars[1], c.scalars[2], c.scalars[3])
        let two = Expr(integer: 2, .i64)
        let back = (steps - Expr(integer: 1, .i64) - i).cast(to: c.type)
        return select(i .< steps / two, start + step * i.cast(to: c.type), end - step * back)
    }
    static let eye = Pointwise(
        "aten::eye.m", .explicit, scalarType: { _, _ in .i64 },
        complex: .value { c in ComplexExpr(isDiagonal(c.scalars[0].re).cast(to: c.dtype.arithmetic)) }
    ) { c in isDiagonal(c.scalars[0]).cast(to: c.type) }
    private static func isDiagonal(_ columns: Expr) -> Expr {
        elementIndex() / columns .== elementIndex() % columns
    }
}

extension Pointwise {
    /// Fills `target` with an expression of the scalars and the index.
    func generate(_ scalars: [Scalar], into target: Tensor) throws(CressetError) {
        try run([], scalars, compute: target.dtype, into: target)
    }
}

extension Tensor {
    static func filled(
        _ shape: Shape, _ value: Scalar, dtype: DType, on runtime: DeviceRuntime, op: String
    ) throws(CressetError) -> Tensor {
        try value.checkFits(dtype, op: op)
        let result = try Tensor.empty(shape, dtype, on: runtime, op: op)
        try Generators.fill.generate([value], into: result)
        return result
    }

    private static func make(
        _ op: String, _ device: Device?, _ body: (DeviceRuntime) throws(CressetError) -> Tensor
    ) -> Tensor {
        trapping { () throws(CressetError) in try body(try (device ?? .default).runtime(for: op)) }
    }

    /// Uninitialised elements.
    public static func empty(_ shape: Shape, dtype: DType = .float32, device: Device? = nil) -> Tensor {
        make("aten::empty", device) { (r) throws(CressetError) in try .empty(shape, dtype, on: r, op: "aten::empty") }
    }

    /// Every element 0.
    public static func zeros(_ shape: Shape, dtype: DType = .float32, device: Device? = nil) -> Tensor {
        full("aten::zeros", shape, 0, dtype, device)
    }

    /// Every element 1.
    public static func ones(_ shape: Shape, dtype: DType = .float32, device: Device? = nil) -> Tensor {
        full("aten::ones", shape, 1, dtype, device)
    }

    /// Every element `value`; the dtype is the value's if none is given.
    public static func full(_ shape: Shape, _ value: Scalar, dtype: DType? = nil, device: Device? = nil) -> Tensor {
        full("aten::full", shape, value, dtype ?? value.dtype, device)
    }

    private static func full(_ op: String, _ shape: Shape, _ value: Scalar, _ dtype: DType, _ device: Device?) -> Tensor
    {
        make(op, device) { (r) throws(CressetError) in try .filled(shape, value, dtype: dtype, on: r, op: op) }
    }

    /// 0, 1, … below end.
    public static func arange(_ end: Scalar, dtype: DType? = nil, device: Device? = nil) -> Tensor {
        arange(0, end, dtype: dtype, device: device)
    }

    /// start, start + step, … below (above, for a negative step) end.
    public static func arange(
        _ start: Scalar, _ end: Scalar, step: Scalar = 1, dtype: DType? = nil, device: Device? = nil
    ) -> Tensor {
        make("aten::arange", device) { (r) throws(CressetError) in
            let integers = [start, end, step].allSatisfy { $0.dtype != .float32 }
            let (a, b, s) = (start.doubleValue, end.doubleValue, step.doubleValue)
            guard s != 0, (b - a) / s >= 0, a.isFinite, b.isFinite else {
                throw CressetError(
                    .argument, op: "aten::arange",
                    "from \(start) to \(end) with step \(step): the step must be nonzero and lead towards "
                        + "the end")
            }
            // (With room for the rounding of the quotient.)
            guard (b - a) / s < 0x1p62 else {
                throw CressetError(
                    .argument, op: "aten::arange",
                    "from \(start) to \(end) with step \(step) are too many elements")
            }
            let count: Int
            if integers {
                // (The distance may be more than Int64 holds, the number of steps is not.)
                let (from, to, stride) = (Int128(start.intValue), Int128(end.intValue), Int128(step.intValue))
                count = Int((to - from + stride - stride.signum()) / stride)
            } else {
                count = Int(((b - a) / s).rounded(.up))
            }
            let dtype = dtype ?? (integers ? .int64 : .float32)
            let result = try Tensor.empty([count], dtype, on: r, op: "aten::arange")
            try Generators.arange.generate([start, step], into: result)
            return result
        }
    }

    /// `steps` evenly spaced values from start to end, both included.
    public static func linspace(
        _ start: Double, _ end: Double, steps: Int, dtype: DType = .float32, device: Device? = nil
    ) -> Tensor {
        make("aten::linspace", device) { (r) throws(CressetError) in
            guard steps >= 0 else {
                throw CressetError(.argument, op: "aten::linspace", "steps must not be negative, got \(steps)")
            }
            let result = try Tensor.empty([steps], dtype, on: r, op: "aten::linspace")
            if !dtype.isFloatingPoint && !dtype.isComplex {
                // Integers are the evenly spaced values between the integer ends, truncated.
                return try linspace(
                    start.rounded(.towardZero), end.rounded(.towardZero), steps: steps, dtype: wideFloat(on: r),
                    device: device
                ).converted(to: dtype)
            }
            let step = steps > 1 ? (end - start) / Double(steps - 1) : 0
            try Generators.linspace.generate(
                [.double(start), .double(steps == 1 ? start : end), .double(step), .int(Int64(steps))], into: result)
            return result
        }
    }

    /// The identity matrix, n by m.
    public static func eye(_ n: Int, _ m: Int? = nil, dtype: DType = .float32, device: Device? = nil) -> Tensor {
        make("aten::eye", device) { (r) throws(CressetError) in
            let result = try Tensor.empty([n, m ?? n], dtype, on: r, op: "aten::eye")
            try Generators.eye.generate([.int(Int64(Swift.max(m ?? n, 1)))], into: result)
            return result
        }
    }

    /// Zeros of a tensor's shape, dtype and device.
    public static func zerosLike(_ x: Tensor, dtype: DType? = nil) -> Tensor { fullLike(x, 0, dtype: dtype) }
    /// Ones of a tensor's shape, dtype and device.
    public static func onesLike(_ x: Tensor, dtype: DType? = nil) -> Tensor { fullLike(x, 1, dtype: dtype) }

    /// A tensor of x's shape, dtype and device with every element `value`.
    public static func fullLike(_ x: Tensor, _ value: Scalar, dtype: DType? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            try x.checkValid("aten::full_like")
            return try .filled(x.shape, value, dtype: dtype ?? x.dtype, on: x.runtime, op: "aten::full_like")
        }
    }
}

// MARK: From Swift values

/// Swift types that are elements of tensors.
public protocol TensorElement: BitwiseCopyable, Sendable {
    static var dtype: DType { get }
}
extension Float: TensorElement { public static var dtype: DType { .float32 } }
extension Double: TensorElement { public static var dtype: DType { .float64 } }
extension Int64: TensorElement { public static var dtype: DType { .int64 } }
extension Int: TensorElement { public static var dtype: DType { .int64 } }
extension Int32: TensorElement { public static var dtype: DType { .int32 } }
extension Int16: TensorElement { public static var dtype: DType { .int16 } }
extension Int8: TensorElement { public static var dtype: DType { .int8 } }
extension UInt8: TensorElement { public static var dtype: DType { .uint8 } }
extension Bool: TensorElement { public static var dtype: DType { .bool } }

extension Tensor {
    /// Copies host elements over this new, contiguous tensor.
    func write<Element: BitwiseCopyable>(_ elements: [Element], op: String) throws(CressetError) {
        var failure: CressetError?
        elements.withUnsafeBytes { bytes in
            do throws(CressetError) {
                try runtime.copyIn(bytes, to: impl.storage, at: impl.offset * impl.dtype.size, op: op)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// A tensor of the given elements in row-major order; one-dimensional if no shape is given.
    public init<Element: TensorElement>(
        _ elements: [Element], shape: Shape? = nil, dtype: DType? = nil, device: Device? = nil
    ) {
        self = trapping { () throws(CressetError) in
            let shape = shape ?? [elements.count]
            guard shape.elementCount == elements.count else {
                throw CressetError(
                    .shape, op: "Tensor",
                    "\(elements.count) elements do not fill the shape \(shape) of "
                        + "\(shape.elementCount)")
            }
            let runtime = try (device ?? .default).runtime(for: "Tensor")
            // Converted on the host where the device cannot hold the elements' own dtype.
            let target = dtype ?? Element.dtype
            let home = runtime.holds(Element.dtype) ? runtime : try Device.reference.runtime(for: "Tensor")
            let made = try Tensor.empty(shape, Element.dtype, on: home, op: "Tensor")
            try made.write(elements, op: "Tensor")
            return try made.converted(to: target).copied(to: runtime, op: "Tensor")
        }
    }

    /// A 0-d tensor.
    public init(_ value: Scalar, dtype: DType? = nil, device: Device? = nil) {
        self = .full([], value, dtype: dtype, device: device)
    }

    /// A tensor from elements in row-major order, as bytes.
    public init(
        rawBytes bytes: UnsafeRawBufferPointer, shape: Shape, dtype: DType, device: Device = .default
    ) throws(CressetError) {
        let runtime = try device.runtime(for: "Tensor")
        let made = try Tensor.empty(shape, dtype, on: runtime, op: "Tensor")
        guard bytes.count == made.numel * dtype.size else {
            throw CressetError(
                .shape, op: "Tensor",
                "\(bytes.count) bytes do not fill the shape \(shape) of \(dtype), \(made.numel * dtype.size) bytes")
        }
        try runtime.copyIn(bytes, to: made.impl.storage, at: made.impl.offset * dtype.size, op: "Tensor")
        self = made
    }
}
