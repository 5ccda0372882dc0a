import CCresset

extension Tensor {
    /// True when the tape must see what is done with this tensor.
    @inline(__always)
    var isTracked: Bool { impl.autograd.map { $0.requiresGrad } ?? false }

    @inline(__always)
    var edge: Edge? { impl.autograd?.edge(of: impl) }
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
        guard result.dtype.isFloatingPoint, isOn(inputs) else { return result }
        let shapes = inputs.map(\.shape)
        let dtypes = inputs.map(\.dtype)
        let wanted = inputs.map(\.isTracked)
        let node = ClosureNode(
            name, edges: inputs.map { $0.isTracked && $0.dtype.isFloatingPoint ? $0.edge : nil },
            saved: saved.map { SavedTensor($0) }
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
        let target = result.impl.autograd == nil ? result : Tensor(result.detachedImpl)
        if savingResult { node.save(result: SavedTensor(result: target)) }
        target.impl.autograd = AutogradState(requiresGrad: true, node: node)
        return target
    }
}

extension Pointwise {
    /// Puts a node for this call on the tape, if it must be there.
    func record(_ result: Tensor, _ inputs: [Tensor], _ scalars: [Scalar], _ compute: DType) -> Tensor {
        guard rule != .compare, result.dtype.isFloatingPoint, Tape.isOn(inputs) else { return result }
        let dtypes = inputs.map(\.dtype)
        var gradients: [Gradient?] = []
        var saved: Set<Int> = []
        var savesResult = false
        for (i, input) in inputs.enumerated() {
            guard input.isTracked, input.dtype.isFloatingPoint,
                let gradient = cachedGradient(of: i, inputs: dtypes, compute: compute, scalars: scalars.count)
            else {
                gradients.append(nil)
                continue
            }
            gradients.append(gradient)
            saved.formUnion(gradient.usesInput)
            savesResult = savesResult || gradient.usesResult
        }
        let order = saved.sorted()
        let place = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
        let resultPlace = order.count
        return Tape.record(
            name.text, result, inputs: inputs, saving: order.map { inputs[$0] }, savingResult: savesResult
        ) { [gradients] (incoming, saved) throws(CressetError) in
            guard let g = incoming[0] else { return gradients.map { _ in nil } }
            return try gradients.map { (gradient) throws(CressetError) -> Tensor? in
                guard let gradient else { return nil }
                var operands = [g]
                for i in gradient.usesInput { operands.append(saved[place[i] ?? 0]) }
                if gradient.usesResult { operands.append(saved[resultPlace]) }
                return try gradient.kernel.run(operands, scalars, types: (compute, compute))
            }
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
            guard !on || dtype.isFloatingPoint else {
                throw CressetError(
                    .dtype, op: "requires_grad_", "only floating-point tensors have gradients; this one is \(dtype)")
            }
            if let state = impl.autograd {
                guard on || state.node == nil else {
                    throw CressetError(
                        .autograd, op: "requires_grad_",
                        "this tensor is the result of \(state.node?.name ?? "an operation"); use detach() to cut it off"
                    )
                }
                state.requiresGrad = on
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
            if impl.autograd == nil { impl.autograd = AutogradState(requiresGrad: false) }
            impl.autograd?.grad = newValue
        }
    }

    /// True for tensors no recorded operation made.
    public var isLeaf: Bool { impl.autograd?.node == nil }

    /// Name of the operation that made the tensor, nil for a leaf.
    public var gradFn: String? { impl.autograd?.node?.name }

    /// Keeps the gradient of a tensor that is no leaf.
    public func retainGrad() { impl.autograd?.retainsGrad = true }

    /// The same elements without history.
    public func detach() -> Tensor { Tensor(detachedImpl) }
}
