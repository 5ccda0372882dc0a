/// A pair of functions that keep what operations save for backward.
final class SavedTensorHooks: Sendable {
    typealias Unpack = @Sendable () throws(CressetError) -> Tensor

    private let body: @Sendable (Tensor) -> Unpack

    init(_ body: @escaping @Sendable (Tensor) -> Unpack) { self.body = body }

    /// Those of this thread, if any.
    @inline(__always)
    static var current: SavedTensorHooks? {
        let state = threadState
        guard state.pointee.layers & Layer.savedHooks != 0, let hooks = state.pointee.saved_hooks else { return nil }
        // `use` keeps it alive while the layer's bit is set.
        return Unmanaged<SavedTensorHooks>.fromOpaque(hooks).takeUnretainedValue()
    }

    /// Runs `body` with these hooks instead of those there were.
    func use<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        let state = threadState
        let previous = state.pointee.saved_hooks
        state.pointee.saved_hooks = Unmanaged.passUnretained(self).toOpaque()
        defer {
            state.pointee.saved_hooks = previous
            // (Until here a reference is held.)
            withExtendedLifetime(self) {}
        }
        return try withLayer(Layer.savedHooks, true, body)
    }

    /// What a hook itself computes is nobody's to keep, and not part of the graph.
    fileprivate static func suspended<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withLayer(Layer.savedHooks, false) { () throws(Failure) in try withLayer(Layer.noGrad, true, body) }
    }

    func pack(_ kept: TensorImpl) -> PackedTensor {
        let tensor = Tensor(Tensor(kept).detachedImpl)
        return PackedTensor(tensor, Self.suspended { body(tensor) })
    }
}

/// What hooks made of a saved tensor.
final class PackedTensor: Sendable {
    private let shape: Shape
    private let dtype: DType
    private let runtime: DeviceRuntime
    private let body: SavedTensorHooks.Unpack

    fileprivate init(_ tensor: Tensor, _ body: @escaping SavedTensorHooks.Unpack) {
        shape = tensor.shape
        dtype = tensor.dtype
        runtime = tensor.runtime
        self.body = body
    }

    fileprivate func checked(_ tensor: Tensor, for node: Node) throws(CressetError) -> TensorImpl {
        try tensor.checkValid(node.name)
        guard tensor.shape == shape, tensor.dtype == dtype, tensor.runtime === runtime else {
            throw CressetError(
                .autograd, op: node.name,
                "what was saved as \(dtype) \(shape) on \(runtime.name) was unpacked as \(tensor.summary); an unpack "
                    + "hook must give back a tensor of the same shape, dtype and device" + node.origin)
        }
        return tensor.detachedImpl
    }

    func unpack(for node: Node) throws(CressetError) -> TensorImpl {
        try checked(SavedTensorHooks.suspended(body), for: node)
    }
}

/// Runs `body`; what operations in it save for backward is handed to `pack`, and what that gives is kept instead
/// of the tensor until `unpack` makes it a tensor again in the backward pass.
///
/// The hooks may move the tensor elsewhere, write it to a file, or keep it in a smaller dtype; what `unpack` gives
/// must have its shape, dtype and device. Hooks inside hooks replace the outer ones.
///
///     withSavedTensorHooks(pack: { $0.to(.bfloat16) }, unpack: { $0.to(.float32) }) { model(x) }
public func withSavedTensorHooks<Packed: Sendable, Result, Failure: Error>(
    pack: @escaping @Sendable (Tensor) -> Packed, unpack: @escaping @Sendable (Packed) -> Tensor,
    _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let hooks = SavedTensorHooks { tensor in
        let packed = pack(tensor)
        return { () throws(CressetError) in unpack(packed) }
    }
    return try hooks.use(body)
}

/// Runs `body`; what operations in it save for backward is kept on `device` and brought back when it is needed.
public func saveTensors<Result, Failure: Error>(
    on device: Device, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    try withSavedTensorHooks(
        pack: { ($0.to(device), $0.device) }, unpack: { (kept: (Tensor, Device)) in kept.0.to(kept.1) }, body)
}
