/// A tensor kept for backward, with the version it had.
struct SavedTensor: @unchecked Sendable {
    // (TensorImpl is shared between threads as tensors are.)
    /// Without gradient state of its own, so that saving a result makes no cycle; nil where hooks keep it.
    private let alias: TensorImpl?
    private let packed: PackedTensor?
    private let edge: Edge?
    /// Which result of the node it is, if it is one.
    private let result: Int?
    private let version: Int

    /// Saves an input.
    init(_ tensor: Tensor) {
        let edge = tensor.edge
        // (A view holds its base, whose history may come to hold what is saved here.)
        self.init(
            edge == nil && tensor.impl.base == nil ? tensor.impl : tensor.detachedImpl, edge: edge, result: nil)
    }

    /// Saves a copy of an input that is about to change, whose gradient goes to `edge`.
    init(_ copy: Tensor, edge: Edge?) { self.init(copy.impl, edge: edge, result: nil) }

    /// Saves a result of the node that will hold this.
    init(result: Tensor, index: Int = 0) { self.init(result.detachedImpl, edge: nil, result: index) }

    @inline(__always)
    private init(_ kept: TensorImpl, edge: Edge?, result: Int?) {
        self.edge = edge
        self.result = result
        version = kept.storage.version
        packed = SavedTensorHooks.current?.pack(kept)
        alias = packed == nil ? kept : nil
    }

    /// The tensor, with its place in the graph where that is wanted.
    func unpack(for node: Node) throws(CressetError) -> Tensor {
        let kept: TensorImpl
        if let alias {
            guard alias.storage.version == version else {
                throw CressetError(
                    .autograd, op: node.name,
                    "a tensor it saved (\(Tensor(alias).summary)) was changed in place since: it is at version "
                        + "\(alias.storage.version), version \(version) was saved; use the operation that returns a "
                        + "new tensor" + node.origin)
            }
            kept = alias
        } else if let packed {
            kept = try packed.unpack(for: node)
        } else {
            throw CressetError(.internal, op: node.name, "a saved tensor is neither here nor packed")
        }
        guard isGradEnabled, let target = result.map({ Edge(node: node, index: $0) }) ?? edge else {
            return Tensor(kept)
        }
        let copy = Tensor(kept).detachedImpl
        copy.autograd = AutogradState(requiresGrad: true, node: target.node, outputIndex: target.index)
        return Tensor(copy)
    }
}
