@_exported import enum BackendKit.DType
import BackendKit

/// An n-dimensional array on a device.
///
/// A handle to storage plus shape, strides, offset and dtype, as in PyTorch: views alias, methods
/// that end in `_` write in place, and `a += b` rebinds `a` without touching other holders.
/// Concurrent reads are safe; concurrent in-place writes to one storage are a race of the caller's.
public struct Tensor: Sendable {
    let impl: TensorImpl

    @inline(__always)
    init(_ impl: TensorImpl) { self.impl = impl }

    /// A tensor over existing storage.
    init(storage: Storage, shape: Shape, strides: Shape, offset: Int, dtype: DType) {
        impl = TensorImpl(storage: storage, shape: shape, strides: strides, offset: offset, dtype: dtype)
    }

    /// Throws where a device cannot hold such a tensor, before anything is done towards it.
    static func checkFits(
        _ shape: Shape, _ dtype: DType, on runtime: DeviceRuntime, op: String
    ) throws(CressetError) {
        let limit = Swift.min(
            runtime.info.max_allocation_bytes == 0 ? .max : runtime.info.max_allocation_bytes, 1 << 48)
        guard let bytes = shape.extent(dtype.size), UInt64(bytes) <= limit else {
            throw CressetError(.memory, op: op, "\(dtype) \(shape) is more than \(runtime.name) can hold in one tensor")
        }
    }

    /// A new contiguous tensor with uninitialised elements.
    static func empty(
        _ shape: Shape, _ dtype: DType, on runtime: DeviceRuntime, op: @autoclosure () -> String
    ) throws(CressetError) -> Tensor {
        guard runtime.holds(dtype) else {
            let held = runtime.properties.dtypes.map(\.name).joined(separator: ", ")
            throw CressetError(.dtype, op: op(), "\(runtime.name) cannot hold \(dtype); it holds \(held)")
        }
        // (As in PyTorch, a shape whose strides would overflow is refused even if it has no elements.)
        guard let extent = shape.extent(dtype.size) else {
            let negative = shape.first { $0 < 0 }
            throw CressetError(
                .shape, op: op(),
                negative.map { "the size \($0) of the shape \(shape) is negative" }
                    ?? "the shape \(shape) is too large for \(dtype)")
        }
        let bytes = shape.elementCount == 0 ? 0 : extent
        if let memory = MemoryGuard.current, memory.guards(runtime) {
            return try memory.empty(shape, dtype, bytes, on: runtime, op: op())
        }
        let storage = try Storage(runtime, bytes: bytes, op: op())
        return Tensor(
            storage: storage, shape: shape, strides: shape.contiguousStrides, offset: 0, dtype: dtype)
    }

    // MARK: What it is

    /// The size of each dim.
    public var shape: Shape { impl.shape }
    /// Elements between neighbours along each dim.
    public var strides: Shape { impl.strides }
    /// Elements from the start of the storage to the first one.
    public var storageOffset: Int { impl.offset }
    /// What the elements are.
    public var dtype: DType { impl.dtype }
    /// Where the elements lie.
    public var device: Device { impl.runtime.device }
    /// The number of dims.
    public var ndim: Int { impl.shape.count }
    /// The number of elements.
    public var numel: Int { impl.shape.elementCount }
    /// Size of a dim, counted from the end if negative.
    public func size(_ dim: Int) -> Int {
        let d = dim < 0 ? dim + ndim : dim
        if d >= 0 && d < ndim { return impl.shape[d] }
        // (What failed before has no dims, and is told already.)
        return trapping(default: 0) { () throws(CressetError) in
            try checkValid("aten::size.int")
            throw CressetError(
                .index, op: "aten::size.int", "dim \(dim) is out of range for \(summary): it has \(ndim) dims")
        }
    }
    /// True when the elements lie one after another in row-major order.
    public var isContiguous: Bool { impl.isContiguous }

    /// True for a tensor that has no data, on the meta device.
    public var isMeta: Bool { impl.runtime.device == .meta }

    /// True when both are views of one storage.
    public func sharesStorage(with other: Tensor) -> Bool { impl.storage === other.impl.storage }
    /// Times the storage was changed in place.
    public var version: Int { impl.storage.version }
}

/// What a tensor handle points to.
final class TensorImpl: @unchecked Sendable {
    let storage: Storage
    let shape: Shape
    let strides: Shape
    let offset: Int
    let dtype: DType
    let isContiguous: Bool
    /// Results of a failed call inside `catching { }`: rank 0, passed through untouched.
    var isInvalid = false
    /// Gradient state; nil while the tensor has nothing to do with autograd.
    @exclusivity(unchecked) var autograd: AutogradState?
    /// The tensor this is a view of, which is no view itself; nil for tensors of their own.
    @exclusivity(unchecked) var base: TensorImpl?
    /// A view's node in the history its base has had since `version`; guarded by the lock of `viewEdge`.
    var regeneratedNode: (node: Node, version: Int)?
    /// A view that was made inside `noGrad`.
    var isViewWithoutGrad = false

    @inline(__always)
    init(storage: Storage, shape: Shape, strides: Shape, offset: Int, dtype: DType) {
        self.storage = storage
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.dtype = dtype
        self.isContiguous = shape.isContiguous(strides)
    }

    /// A contiguous tensor of its own.
    @inline(__always)
    init(contiguous storage: Storage, _ shape: Shape, _ dtype: DType) {
        self.storage = storage
        self.shape = shape
        strides = shape.contiguousStrides
        offset = 0
        self.dtype = dtype
        isContiguous = true
    }

    var runtime: DeviceRuntime {
        @inline(__always) get { storage.runtime }
    }
}

extension Tensor {
    /// "float32 [2, 3] on cpu:0", for messages.
    var summary: String { "\(dtype) \(shape) on \(impl.runtime.name)" }

    /// The opened device the tensor lives on.
    var runtime: DeviceRuntime { impl.runtime }
}
