import CBackend

/// A primitive family, or an operation under its own name.
public enum Family: UInt32, CaseIterable, Sendable, Hashable {
    case pointwise = 0
    case reduce, matmul, gather, scatter
    case override = 0x10000

    /// The families of the contract, without overrides.
    public static let primitives: [Family] = [.pointwise, .reduce, .matmul, .gather, .scatter]
}

/// How an accumulator combines values.
public enum Reduction: UInt32, CaseIterable, Sendable {
    case sum = 0
    case prod, max, min, any, all, argmax, argmin

    public var isArgument: Bool { self == .argmax || self == .argmin }
}

/// How a scatter combines a value with what is there.
public enum ScatterReduction: UInt32, CaseIterable, Sendable {
    case set = 0
    case add, mul, max, min
}

/// A tensor argument of a call. Valid until the launch returns.
public struct TensorView {
    public let raw: UnsafePointer<CressetTensor>

    public init(raw: UnsafePointer<CressetTensor>) { self.raw = raw }

    @inlinable public var dtype: DType { DType(rawValue: UInt8(truncatingIfNeeded: raw.pointee.dtype)) ?? .uint8 }
    @inlinable public var rank: Int { Int(raw.pointee.dl.ndim) }
    @inlinable public func size(_ dim: Int) -> Int { Int(raw.pointee.dl.shape[dim]) }
    @inlinable public func stride(_ dim: Int) -> Int { Int(raw.pointee.dl.strides[dim]) }
    @inlinable public var shape: [Int] { (0..<rank).map(size) }
    @inlinable public var strides: [Int] { (0..<rank).map(stride) }
    @inlinable public var byteOffset: Int { Int(raw.pointee.dl.byte_offset) }
    @inlinable public var buffer: OpaquePointer { raw.pointee.buffer }
    @inlinable public var bufferBytes: Int { Int(raw.pointee.buffer_bytes) }
    /// Address of the first element where the device is host-visible.
    @inlinable
    public var address: UnsafeMutableRawPointer? { raw.pointee.dl.data.map { $0 + byteOffset } }

    /// Number of elements of the shape.
    @inlinable
    public var count: Int {
        var n = 1
        for d in 0..<rank { n *= size(d) }
        return n
    }

    /// True when the elements lie one after another in row-major order.
    public var isContiguous: Bool {
        var expected = 1
        for d in stride(from: rank - 1, through: 0, by: -1) {
            if size(d) == 0 { return true }
            if size(d) != 1 && stride(d) != expected { return false }
            expected *= size(d)
        }
        return true
    }

    private func stride(from: Int, through: Int, by: Int) -> StrideThrough<Int> {
        Swift.stride(from: from, through: through, by: by)
    }
}

/// One launch, read. Valid until the launch returns.
public struct Call {
    public let raw: UnsafePointer<CressetCall>

    public init(raw: UnsafePointer<CressetCall>) { self.raw = raw }

    public var family: Family { Family(rawValue: raw.pointee.family) ?? .override }
    public var op: String { raw.pointee.op.map { String(cString: $0) } ?? "" }
    public var site: UInt64 { raw.pointee.site }
    public var inputCount: Int { Int(raw.pointee.input_count) }
    public var outputCount: Int { Int(raw.pointee.output_count) }
    public func input(_ i: Int) -> TensorView { TensorView(raw: raw.pointee.inputs + i) }
    public func output(_ i: Int) -> TensorView { TensorView(raw: raw.pointee.outputs + i) }
    public var program: Program? { raw.pointee.program.map(Program.init(raw:)) }
    public var epilogue: Program? { raw.pointee.epilogue.map(Program.init(raw:)) }
    public var paramCount: Int { Int(raw.pointee.param_count) }
    public func param(_ i: Int) -> CressetScalar { raw.pointee.params[i] }

    /// The attributes of a reduce.
    public var reduction: CressetReduceAttributes {
        raw.pointee.attributes.load(as: CressetReduceAttributes.self)
    }
    /// The attributes of a gather or scatter.
    public var indexing: CressetIndexAttributes {
        raw.pointee.attributes.load(as: CressetIndexAttributes.self)
    }
}

extension CressetReduceAttributes {
    public func isReduced(_ dim: Int) -> Bool { reduced_dims & (1 << UInt32(dim)) != 0 }

    /// What accumulator `k` does.
    public func kind(_ k: Int) -> Reduction {
        withUnsafeBytes(of: kinds) {
            Reduction(rawValue: $0.load(fromByteOffset: k * 4, as: UInt32.self)) ?? .sum
        }
    }
}

extension CressetIndexAttributes {
    public func indexSize(_ j: Int) -> Int {
        withUnsafeBytes(of: index_sizes) { Int($0.load(fromByteOffset: j * 8, as: Int64.self)) }
    }
    public func indexStride(_ j: Int) -> Int {
        withUnsafeBytes(of: index_strides) { Int($0.load(fromByteOffset: j * 8, as: Int64.self)) }
    }
    public var scatterReduction: ScatterReduction { ScatterReduction(rawValue: reduce) ?? .set }
}
