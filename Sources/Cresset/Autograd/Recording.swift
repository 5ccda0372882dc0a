import CCresset

extension Tensor {
    /// True when the tape must see what is done with this tensor.
    @inline(__always)
    var isTracked: Bool {
        if let state = impl.autograd { return state.requiresGrad }
        // A view follows a base that has come to require grad since.
        guard let base = impl.base else { return false }
        return base.autograd?.requiresGrad ?? false
    }

    /// Where the gradient of this tensor goes.
    @inline(__always)
    var edge: Edge? { impl.base == nil ? impl.autograd?.edge(of: impl) : impl.viewEdge }
}

/// The tape.
enum Tape {
    /// True when an operation on these must be recorded.
    @inline(__always)
    static func isOn(_ inputs: [Tensor]) -> Bool {
        threadState.pointee.layers & Layer.noGrad == 0 && inputs.contains { $0.isTracked }
    }

    /// Records that `result` came from `inputs`; `body` turns its gradient into theirs, given the
    /// saved tensors in order (the result last, if it was saved).
    ///
    /// A gradient may have the broadcast shape or another floating dtype: it is summed and converted
    /// to the input's.
    static func record(
        _ name: String, _ result: Tensor, inputs: [Tensor], saving saved: [Tensor] = [], savingResult: Bool = false,
        _ body: @escaping ClosureNode.Body
    ) -> Tensor {
        guard result.dtype.hasGradient, isOn(inputs) else { return result }
        let node = node(name, inputs: inputs, saving: saved.map { SavedTensor($0) }, body)
        // (A view would take part in its base's history.)
        let isOwn = result.impl.autograd == nil && result.impl.base == nil
        let target = isOwn ? result : Tensor(result.detachedImpl)
        if savingResult { node.save(SavedTensor(result: target)) }
        target.impl.autograd = AutogradState(requiresGrad: true, node: node)
        return target
    }

    /// The same for an operation of several results: those of `differentiable` places are recorded.
    ///
    /// - Parameter savingResults: places of results that follow the saved tensors, in this order.
    static func record(
        _ name: String, _ results: [Tensor], differentiable: [Int], inputs: [Tensor], saving saved: [Tensor] = [],
        savingResults: [Int] = [], _ body: @escaping ClosureNode.Body
    ) -> [Tensor] {
        guard isOn(inputs) else { return results }
        let node = node(
            name, inputs: inputs, saving: saved.map { SavedTensor($0) }, outputCount: results.count, body)
        var recorded = results
        for i in differentiable {
            // (What a kernel or the host computed has no history and is no view.)
            recorded[i] = Tensor(results[i].detachedImpl)
            let state = AutogradState(requiresGrad: true, node: node)
            state.outputIndex = i
            recorded[i].impl.autograd = state
        }
        for i in savingResults { node.save(SavedTensor(result: recorded[i], index: i)) }
        return recorded
    }

    /// The node of an operation on `inputs`; gradients are summed and converted to the inputs'.
    static func node(
        _ name: String, inputs: [Tensor], saving saved: [SavedTensor], outputCount: Int = 1,
        _ body: @escaping ClosureNode.Body
    ) -> ClosureNode {
        let shapes = inputs.map(\.shape)
        let dtypes = inputs.map(\.dtype)
        let wanted = inputs.map(\.isTracked)
        return ClosureNode(
            name, edges: inputs.map { $0.isTracked && $0.dtype.hasGradient ? $0.edge : nil },
            outputCount: outputCount, saved: saved
        ) { (gradients, saved) throws(CressetError) in
            let raw = try body(gradients, saved)
            var results: [Tensor?] = []
            for (i, gradient) in raw.enumerated() {
                guard wanted[i], let gradient else {
                    results.append(nil)
                    continue
                }
                results.append(try gradient.summed(to: shapes[i]).converted(to: dtypes[i]))
            }
            return results
        }
    }
}

// MARK: The user's face of it

extension Tensor {
    /// True when gradients are computed for this tensor.
    public var requiresGrad: Bool {
        get { isTracked }
        nonmutating set { requiresGrad_(newValue) }
    }

    /// Asks for gradients of this leaf (or stops asking).
    @discardableResult
    public func requiresGrad_(_ on: Bool = true) -> Tensor {
        trapping { () throws(CressetError) in
            if impl.isInvalid { return self }
            guard !on || dtype.hasGradient else {
                throw CressetError(
                    .dtype, op: "requires_grad_",
                    "only floating-point and complex tensors have gradients; this one is \(dtype)")
            }
            if let state = impl.autograd {
                guard on || state.node == nil else {
                    throw CressetError(
                        .autograd, op: "requires_grad_",
                        "this tensor is the result of \(state.node?.name ?? "an operation"); use detach() to cut it off"
                    )
                }
                state.requiresGrad = on
            } else if isTracked {
                guard on else {
                    throw CressetError(
                        .autograd, op: "requires_grad_",
                        "this tensor is a view of one that requires grad; use detach() to cut it off")
                }
            } else if on {
                impl.autograd = AutogradState(requiresGrad: true)
            }
            return self
        }
    }

    /// The accumulated gradient of a leaf.
    public var grad: Tensor? {
        get { impl.autograd?.grad }
        nonmutating set {
            _ = trapping { () throws(CressetError) in
                if let newValue {
                    try newValue.checkValid("grad")
                    guard newValue.shape == shape, newValue.dtype == dtype, newValue.runtime === runtime else {
                        throw CressetError(
                            .autograd, op: "grad",
                            "the gradient of \(summary) must have its shape, dtype and device; got \(newValue.summary)")
                    }
                }
                if impl.autograd == nil { impl.autograd = AutogradState(requiresGrad: false) }
                impl.autograd?.grad = newValue
                return self
            }
        }
    }

    /// True for tensors no recorded operation made.
    public var isLeaf: Bool { !isTracked || !(edge.map { !($0.node is AccumulateGrad) } ?? false) }

    /// The same elements without history.
    public func detach() -> Tensor { Tensor(detachedImpl) }
}
