/// Functions that see (and may replace) gradients as they pass an operation or a leaf in the backward pass.
final class Hooks: Sendable {
    private enum Body: Sendable {
        /// On the gradient of one result.
        case tensor(result: Int, @Sendable (Tensor) -> Tensor?)
        case before(@Sendable ([Tensor?]) -> [Tensor?]?)
        case after(@Sendable ([Tensor?], [Tensor?]) -> [Tensor?]?)
        /// On the leaf, when its `grad` is up to date.
        case accumulated(@Sendable (Tensor) -> Void)
    }

    /// In order of registration.
    private let entries = Lock([(id: Int, body: Body)]())
    /// Tensors that keep their gradient though they are no leaves.
    private let keepers = Lock([(result: Int, state: WeakState)]())

    private struct WeakState { weak var state: AutogradState? }

    private func add(_ body: Body) -> HookHandle {
        let id = HookNumbers.next()
        entries.withLock { $0.append((id, body)) }
        return HookHandle(id: id, hooks: self)
    }

    func add(result: Int, _ body: @escaping @Sendable (Tensor) -> Tensor?) -> HookHandle {
        add(.tensor(result: result, body))
    }
    func addBefore(_ body: @escaping @Sendable ([Tensor?]) -> [Tensor?]?) -> HookHandle { add(.before(body)) }
    func addAfter(_ body: @escaping @Sendable ([Tensor?], [Tensor?]) -> [Tensor?]?) -> HookHandle { add(.after(body)) }
    func addAccumulated(_ body: @escaping @Sendable (Tensor) -> Void) -> HookHandle { add(.accumulated(body)) }

    func remove(_ id: Int) { entries.withLock { $0.removeAll { $0.id == id } } }
    func keep(_ result: Int, in state: AutogradState) {
        keepers.withLock { $0.append((result, WeakState(state: state))) }
    }

    /// The gradients as hooks leave what another must replace in kind.
    private static func checked(
        _ changed: [Tensor?], _ old: [Tensor?], _ what: String
    ) throws(CressetError) -> [Tensor?] {
        guard changed.count == old.count else {
            throw CressetError(
                .autograd, op: "register_hook",
                "a hook gave \(changed.count) gradients where there are \(old.count) \(what)")
        }
        for case (let changed?, let old?) in zip(changed, old)
        where changed.shape != old.shape || changed.device != old.device {
            throw CressetError(
                .autograd, op: "register_hook",
                "a hook must return a gradient of the same shape and device: got \(changed.summary) for \(old.summary)")
        }
        return changed
    }

    /// The gradients of the results as the hooks leave them, before the operation's own backward.
    func apply(to gradients: [Tensor?]) throws(CressetError) -> [Tensor?] {
        var gradients = gradients
        let entries = entries.withLock { $0 }
        for case (_, .tensor(let result, let body)) in entries {
            guard let gradient = gradients[result] else { continue }
            // (Whoever saw it may keep it, so that no leaf may.)
            gradient.impl.storage.isGradient = true
            guard let changed = body(gradient) else { continue }
            gradients[result] = try Self.checked([changed], [gradient], "")[0]
        }
        for (result, weak) in keepers.withLock({ $0 }) {
            guard let state = weak.state, let gradient = gradients[result] else { continue }
            gradient.impl.storage.isGradient = true
            state.grad = try state.grad.map { (old) throws(CressetError) in try Ops.add(old, gradient) } ?? gradient
        }
        for case (_, .before(let body)) in entries {
            for gradient in gradients { gradient?.impl.storage.isGradient = true }
            guard let changed = body(gradients) else { continue }
            gradients = try Self.checked(changed, gradients, "results")
        }
        return gradients
    }

    /// The gradients of the inputs as the hooks leave them, after the operation's own backward.
    func apply(after outgoing: [Tensor?], of incoming: [Tensor?]) throws(CressetError) -> [Tensor?] {
        var outgoing = outgoing
        for case (_, .after(let body)) in entries.withLock({ $0 }) {
            for gradient in outgoing + incoming { gradient?.impl.storage.isGradient = true }
            guard let changed = body(outgoing, incoming) else { continue }
            outgoing = try Self.checked(changed, outgoing, "inputs")
        }
        return outgoing
    }

    /// Tells that a leaf's `grad` is up to date.
    func tell(accumulated leaf: TensorImpl) {
        for case (_, .accumulated(let body)) in entries.withLock({ $0 }) { body(Tensor(leaf)) }
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
            return hooks.add(result: result, hook)
        }
    }

    /// Calls `hook` with this leaf in each backward pass, once its `grad` is up to date: to use the gradient and
    /// free it before the pass is over.
    @discardableResult
    public func registerPostAccumulateGradHook(_ hook: @escaping @Sendable (Tensor) -> Void) -> HookHandle {
        let unused = HookHandle(id: 0, hooks: Hooks())
        return trapping(default: unused) { () throws(CressetError) in
            guard isTracked, isLeaf, let (hooks, _) = hooks() else {
                throw CressetError(
                    .autograd, op: "register_post_accumulate_grad_hook",
                    "\(summary) is no leaf that requires grad, so nothing is accumulated in it")
            }
            return hooks.addAccumulated(hook)
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
        return (edge.node.ownHooks, edge.index)
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
