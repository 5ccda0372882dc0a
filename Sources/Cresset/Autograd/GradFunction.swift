/// The operation that made a tensor, as the tape knows it: PyTorch's `grad_fn`.
public struct GradFunction: Sendable, Hashable, CustomStringConvertible {
    let node: Node

    /// "aten::mul.Tensor"; "AccumulateGrad" at a leaf.
    public var name: String { node.name }
    public var description: String { name }

    /// Where the gradient of each input goes, and which result of that operation the input was; nil for an input
    /// that has no gradient.
    public var nextFunctions: [(function: GradFunction, result: Int)?] {
        node.edges.map { edge in edge.map { (GradFunction(node: $0.node), $0.index) } }
    }

    /// The leaf's tensor, at the end of the line.
    public var variable: Tensor? { (node as? AccumulateGrad).map { Tensor($0.leaf) } }

    /// "model.swift:12": where the operation was called, if that was inside `detectAnomaly`.
    public var location: String? { node.site?.location }

    public static func == (a: GradFunction, b: GradFunction) -> Bool { a.node === b.node }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(node)) }

    /// Calls `hook` with the gradients of the results in each backward pass, before the operation's own backward;
    /// what it returns, if not nil, replaces them.
    @discardableResult
    public func registerPrehook(_ hook: @escaping @Sendable ([Tensor?]) -> [Tensor?]?) -> HookHandle {
        node.ownHooks.addBefore(hook)
    }

    /// Calls `hook` with the gradients of the inputs and of the results in each backward pass, after the
    /// operation's own backward; what it returns, if not nil, replaces the gradients of the inputs.
    @discardableResult
    public func registerHook(
        _ hook: @escaping @Sendable (_ gradInputs: [Tensor?], _ gradOutputs: [Tensor?]) -> [Tensor?]?
    ) -> HookHandle {
        node.ownHooks.addAfter(hook)
    }
}

extension Node {
    /// The hooks of this node, made if there are none.
    var ownHooks: Hooks {
        if let hooks { return hooks }
        let made = Hooks()
        hooks = made
        return made
    }
}

extension Tensor {
    /// The operation that made the tensor; nil for a leaf.
    public var gradFn: GradFunction? {
        guard isTracked, let node = edge?.node, !(node is AccumulateGrad) else { return nil }
        return GradFunction(node: node)
    }
}
