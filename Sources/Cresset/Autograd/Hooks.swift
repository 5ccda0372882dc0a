/// Functions that see (and may replace) a gradient as it passes a tensor in the backward pass.
final class Hooks: Sendable {
    typealias Body = @Sendable (Tensor) -> Tensor?

    /// By result of the node, in order of registration.
    private let entries = Lock([(id: Int, result: Int, body: Body)]())
    /// Tensors that keep their gradient though they are no leaves.
    private let keepers = Lock([(result: Int, state: WeakState)]())

    private struct WeakState { weak var state: AutogradState? }

    func add(_ id: Int, _ result: Int, _ body: @escaping Body) { entries.withLock { $0.append((id, result, body)) } }
    func remove(_ id: Int) { entries.withLock { $0.removeAll { $0.id == id } } }
    func keep(_ result: Int, in state: AutogradState) {
        keepers.withLock { $0.append((result, WeakState(state: state))) }
    }

    /// The gradients as the hooks leave them.
    func apply(to gradients: [Tensor?]) throws(CressetError) -> [Tensor?] {
        var gradients = gradients
        for (_, result, body) in entries.withLock({ $0 }) {
            guard let gradient = gradients[result], let changed = body(gradient) else { continue }
            guard changed.shape == gradient.shape, changed.device == gradient.device else {
                throw CressetError(
                    .autograd, op: "register_hook",
                    "a hook must return a gradient of the same shape and device: got \(changed.summary) for "
                        + gradient.summary)
            }
            gradients[result] = changed
        }
        for (result, weak) in keepers.withLock({ $0 }) {
            guard let state = weak.state, let gradient = gradients[result] else { continue }
            state.grad = try state.grad.map { (old) throws(CressetError) in try Ops.add(old, gradient) } ?? gradient
        }
        return gradients
    }
}

/// A registered hook.
public struct HookHandle: Sendable {
    fileprivate let id: Int
    fileprivate let hooks: Hooks

    /// From now on the hook is not called.
    public func remove() { hooks.remove(id) }
}

extension Tensor {
    /// Calls `hook` with this tensor's gradient in each backward pass; what it returns, if not nil,
    /// replaces the gradient.
    @discardableResult
    public func registerHook(_ hook: @escaping @Sendable (Tensor) -> Tensor?) -> HookHandle {
        let unused = HookHandle(id: 0, hooks: Hooks())
        return trapping(default: unused) { () throws(CressetError) in
            guard let (hooks, result) = hooks() else {
                throw CressetError(
                    .autograd, op: "register_hook", "\(summary) requires no grad, so no gradient comes by")
            }
            let id = HookNumbers.next()
            hooks.add(id, result, hook)
            return HookHandle(id: id, hooks: hooks)
        }
    }

    /// Keeps the gradient of a tensor that is no leaf in `grad`.
    public func retainGrad() {
        _ = trapping { () throws(CressetError) in
            guard isTracked, let state = impl.autograd else {
                throw CressetError(.autograd, op: "retain_grad", "\(summary) requires no grad")
            }
            guard !isLeaf, !state.retainsGrad, let (hooks, result) = hooks() else { return self }
            state.retainsGrad = true
            hooks.keep(result, in: state)
            return self
        }
    }

    /// Where hooks on this tensor's gradient belong: the operation that made it, or the leaf itself.
    private func hooks() -> (Hooks, result: Int)? {
        guard isTracked, let edge else { return nil }
        if edge.node is AccumulateGrad {
            guard let state = impl.autograd else { return nil }
            let hooks = state.hooks ?? Hooks()
            state.hooks = hooks
            return (hooks, 0)
        }
        let hooks = edge.node.hooks ?? Hooks()
        edge.node.hooks = hooks
        return (hooks, edge.index)
    }
}

private enum HookNumbers {
    private static let last = Lock(0)
    static func next() -> Int {
        last.withLock {
            $0 += 1
            return $0
        }
    }
}
