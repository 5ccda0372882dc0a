/// The backward pass.
enum Engine {
    /// Runs backward from `roots`; gives the gradients that arrive at `captured` tensors.
    static func run(
        roots: [Tensor], gradients: [Tensor], retainGraph: Bool, createGraph: Bool, captured: [Tensor] = [],
        accumulate: Bool = true, stopsAtCaptured: Bool = false
    ) throws(CressetError) -> [Tensor?] {
        var capturedEdges: [(Edge, Int)] = []
        for (k, tensor) in captured.enumerated() {
            if let edge = tensor.edge { capturedEdges.append((edge, k)) }
        }
        var results = [Tensor?](repeating: nil, count: captured.count)

        var arrivals = Arrivals()
        for (root, gradient) in zip(roots, gradients) {
            if let edge = root.edge { try arrivals.add(gradient, at: edge) }
        }
        return try withLayer(Layer.noGrad, !createGraph) { () throws(CressetError) -> [Tensor?] in
            while let (node, arrived) = arrivals.next() {
                var incoming = arrived
                let accumulator = node.isLast ? node as? AccumulateGrad : nil
                let leaf = accumulator?.leaf.autograd
                if let hooks = leaf?.hooks { incoming = try hooks.apply(to: incoming) }
                if let hooks = node.hooks { incoming = try hooks.apply(to: incoming) }
                for (edge, k) in capturedEdges where edge.node === node { results[k] = incoming[edge.index] }
                if accumulator != nil && !accumulate { continue }
                if stopsAtCaptured && capturedEdges.contains(where: { $0.0.node === node }) { continue }
                var outgoing = try node.run(incoming, andRelease: !retainGraph && leaf == nil)
                if let accumulator { leaf?.hooks?.tell(accumulated: accumulator.leaf) }
                if let hooks = node.hooks { outgoing = try hooks.apply(after: outgoing, of: incoming) }
                try node.checkAnomaly(outgoing)
                for i in 0..<Swift.min(node.edges.count, outgoing.count) {
                    guard let edge = node.edges[i], let gradient = outgoing[i] else { continue }
                    try arrivals.add(gradient, at: edge)
                }
            }
            return results
        }
    }

    /// Gradients of `body` at `inputs` for a gradient `g` of its result: runs it under the tape and backward.
    ///
    /// Differentiable in turn where the tape is on.
    static func gradients(
        of body: @Sendable ([Tensor]) throws(CressetError) -> Tensor, at inputs: [Tensor], _ wanted: [Bool], _ g: Tensor
    ) throws(CressetError) -> [Tensor?] {
        let createGraph = isGradEnabled
        return try enableGrad { () throws(CressetError) in
            // Aliases, so that the pass ends at the inputs, whatever they have for histories.
            let aliases = zip(inputs, wanted).map { input, wanted -> Tensor in
                let alias = Tensor(input.detachedImpl)
                guard wanted, input.dtype.hasGradient else { return alias }
                let node = ClosureNode("alias", edges: [input.isTracked ? input.edge : nil], saved: []) { g, _ in g }
                alias.impl.autograd = AutogradState(requiresGrad: true, node: node)
                return alias
            }
            let result = try body(aliases)
            guard result.isTracked else { return wanted.map { _ in nil } }
            return try run(
                roots: [result], gradients: [g], retainGraph: createGraph, createGraph: createGraph,
                captured: aliases, accumulate: false, stopsAtCaptured: true)
        }
    }
}

extension Tensor {
    /// Computes gradients of this tensor with respect to the leaves it came from, and adds them to
    /// their `grad`.
    ///
    /// - Parameters:
    ///   - gradient: of the same shape; ones if the tensor has a single element.
    ///   - retainGraph: keeps what was saved, for another backward.
    ///   - createGraph: records the backward pass itself, for gradients of gradients.
    ///   - inputs: tensors, leaves or not, whose `grad` alone is added to; nil means every leaf's.
    public func backward(
        gradient: Tensor? = nil, retainGraph: Bool? = nil, createGraph: Bool = false, inputs: [Tensor]? = nil
    ) {
        _ = trapping { () throws(CressetError) in
            try Cresset.backward(
                [self], gradients: [gradient], retainGraph: retainGraph, createGraph: createGraph, inputs: inputs)
            return self
        }
    }

    fileprivate func seed(_ gradient: Tensor?, op: String) throws(CressetError) -> Tensor {
        guard isTracked else {
            throw CressetError(
                .autograd, op: op, "this tensor does not require grad and no operation that does made it")
        }
        if let gradient {
            guard gradient.shape == shape else {
                throw CressetError(
                    .shape, op: op, "the gradient has shape \(gradient.shape), the tensor \(shape); they must be equal")
            }
            gradient.impl.storage.isGradient = true
            return try gradient.converted(to: dtype)
        }
        guard numel == 1 else {
            throw CressetError(
                .shape, op: op,
                "without a gradient argument the tensor must have one element; this one has shape \(shape)")
        }
        return try Tensor.filled(shape, 1, dtype: dtype, on: runtime, op: op)
    }
}

/// Computes the gradients of several tensors at once and adds them to the `grad` of the leaves they came from.
///
/// - Parameters:
///   - gradients: one for each tensor, of its shape; nil stands for 1 at a tensor of one element.
///   - retainGraph: keeps what was saved, for another backward.
///   - createGraph: records the backward pass itself, for gradients of gradients.
///   - inputs: tensors, leaves or not, whose `grad` alone is added to; nil means every leaf's.
public func backward(
    _ tensors: [Tensor], gradients: [Tensor?]? = nil, retainGraph: Bool? = nil, createGraph: Bool = false,
    inputs: [Tensor]? = nil
) throws(CressetError) {
    let seeds = try tensors.seeds(gradients, op: "backward")
    let found = try Engine.run(
        roots: tensors, gradients: seeds, retainGraph: retainGraph ?? createGraph, createGraph: createGraph,
        captured: inputs ?? [], accumulate: inputs == nil)
    for case (let input, let gradient?) in zip(inputs ?? [], found) {
        gradient.impl.storage.isGradient = true
        try withLayer(Layer.noGrad, !createGraph) { () throws(CressetError) in
            try input.impl.autograd?.accumulate(gradient)
        }
    }
}

extension [Tensor] {
    /// The gradients that a backward pass begins with.
    fileprivate func seeds(_ gradients: [Tensor?]?, op: String) throws(CressetError) -> [Tensor] {
        if let gradients, gradients.count != count {
            throw CressetError(.argument, op: op, "\(gradients.count) gradients are given for \(count) tensors")
        }
        var seeds: [Tensor] = []
        for (i, tensor) in enumerated() {
            try tensor.checkValid(op)
            seeds.append(try tensor.seed(gradients?[i], op: op))
        }
        return seeds
    }
}

/// Gradients of `outputs` with respect to `inputs`, without touching any `grad`.
///
/// - Returns: one gradient an input; where no output depends on it zeros with `materializeGrads`, nil with
///   `allowUnused`, else an error.
public func grad(
    _ outputs: [Tensor], _ inputs: [Tensor], gradOutputs: [Tensor?]? = nil, retainGraph: Bool? = nil,
    createGraph: Bool = false, allowUnused: Bool = false, materializeGrads: Bool = false
) throws(CressetError) -> [Tensor?] {
    let seeds = try outputs.seeds(gradOutputs, op: "grad")
    for (i, input) in inputs.enumerated() {
        try input.checkValid("grad")
        guard input.isTracked else {
            throw CressetError(.autograd, op: "grad", "input \(i), \(input.summary), does not require grad")
        }
    }
    let results = try Engine.run(
        roots: outputs, gradients: seeds, retainGraph: retainGraph ?? createGraph, createGraph: createGraph,
        captured: inputs, accumulate: false)
    if materializeGrads {
        var filled = results
        for (i, input) in inputs.enumerated() where results[i] == nil {
            filled[i] = try .filled(input.shape, 0, dtype: input.dtype, on: input.runtime, op: "grad")
        }
        return filled
    }
    if !allowUnused, let i = results.firstIndex(where: { $0 == nil }) {
        throw CressetError(
            .autograd, op: "grad", "input \(i) was not used to compute the outputs; pass allowUnused: true for nil")
    }
    return results
}
