/// A function with a derivative of its own: PyTorch's `autograd.Function`.
///
///     let cube = AutogradFunction("cube") { context, inputs in
///         context.save(inputs[0])
///         return [inputs[0].pow(3)]
///     } backward: { context, gradients in
///         [3 * context.saved[0] * context.saved[0] * gradients[0]]
///     }
///     let y = cube(x)
///
/// `forward` runs without the tape. `backward` is handed one gradient for each result (zeros for a result that
/// nothing depends on) and gives one for each input, nil for an input that needs none. It is written with tensor
/// operations, so that gradients of gradients are found as they are of any function.
public struct AutogradFunction: Sendable {
    public typealias Forward = @Sendable (Context, [Tensor]) -> [Tensor]
    public typealias Backward = @Sendable (Context, [Tensor]) -> [Tensor?]

    /// What a call's `forward` leaves for its `backward`.
    public final class Context: @unchecked Sendable {
        // Written by `forward` alone, on the thread of the call; `backward` is given a copy of its own.
        /// In `backward`: what `forward` saved, in order.
        public fileprivate(set) var saved: [Tensor] = []
        /// Which inputs want a gradient.
        public let needsInputGrad: [Bool]
        /// Anything else that `backward` needs, which is no tensor.
        public var state: (any Sendable)?
        fileprivate var nonDifferentiable: [Tensor] = []
        fileprivate var dirty: [Tensor] = []

        fileprivate init(needsInputGrad: [Bool]) { self.needsInputGrad = needsInputGrad }

        /// Keeps tensors for `backward`: inputs, results or others.
        public func save(_ tensors: Tensor...) { saved += tensors }
        /// Says that no gradient flows from these results.
        public func markNonDifferentiable(_ results: Tensor...) { nonDifferentiable += results }
        /// Says that `forward` changed these inputs in place, and gives them back as results.
        public func markDirty(_ inputs: Tensor...) { dirty += inputs }
    }

    public let name: String
    private let isOnceDifferentiable: Bool
    private let forward: Forward
    private let derivative: Backward

    /// - Parameters:
    ///   - name: for messages and `gradFn`.
    ///   - onceDifferentiable: true if `backward` is not written with tensor operations; gradients of gradients
    ///     are then an error.
    public init(
        _ name: String, onceDifferentiable: Bool = false, forward: @escaping Forward, backward: @escaping Backward
    ) {
        self.name = name
        isOnceDifferentiable = onceDifferentiable
        self.forward = forward
        derivative = backward
    }

    /// Calls a function of one result.
    public func callAsFunction(_ inputs: Tensor...) -> Tensor {
        trapping { () throws(CressetError) in
            let results = try apply(inputs)
            guard results.count == 1 else {
                throw CressetError(
                    .argument, op: name, "it gave \(results.count) results; call(…) is for functions of several")
            }
            return results[0]
        }
    }

    /// Calls a function of any number of results.
    public func call(_ inputs: [Tensor]) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in try apply(inputs) }
    }

    private func apply(_ inputs: [Tensor]) throws(CressetError) -> [Tensor] {
        for input in inputs { try input.checkValid(name) }
        let isRecorded = Tape.isOn(inputs)
        let context = Context(needsInputGrad: inputs.map { isRecorded && $0.isTracked && $0.dtype.hasGradient })
        let results = noGrad { forward(context, inputs) }
        for result in results { try result.checkValid(name) }
        guard isRecorded else { return results }
        for input in context.dirty {
            guard results.contains(where: { $0.impl === input.impl }) else {
                throw CressetError(
                    .autograd, op: name, "an input that is marked dirty must be given back as a result")
            }
            try input.checkHistory(name)
        }
        return record(results, of: inputs, context)
    }

    /// The results with this function as their history.
    private func record(_ results: [Tensor], of inputs: [Tensor], _ context: Context) -> [Tensor] {
        // Saved results are given their place in the graph once the node is there.
        let kept = context.saved
        let node = Tape.node(name, inputs: inputs, saving: [], outputCount: results.count) {
            [
                self, forms = results.map(ResultForm.init), inputCount = inputs.count, needs = context.needsInputGrad,
                state = context.state
            ] (gradients, saved) throws(CressetError) in
            let passed = Context(needsInputGrad: needs)
            passed.state = state
            passed.saved = saved
            return try self.gradients(of: forms, gradients, inputCount, passed)
        }
        func isSame(_ x: Tensor) -> (Tensor) -> Bool { { $0.impl === x.impl } }
        let recorded = results.enumerated().map { i, result -> Tensor in
            let isDirty = context.dirty.contains(where: isSame(result))
            guard result.dtype.hasGradient, !context.nonDifferentiable.contains(where: isSame(result)) else {
                return result
            }
            if isDirty {
                result.setHistory(Edge(node: node, index: i))
                return result
            }
            let target = Tensor(result.detachedImpl)
            let state = AutogradState(requiresGrad: true, node: node)
            state.outputIndex = i
            target.impl.autograd = state
            return target
        }
        for tensor in kept {
            let place = inputs.contains(where: isSame(tensor)) ? nil : results.firstIndex(where: isSame(tensor))
            node.save(place.map { SavedTensor(result: recorded[$0], index: $0) } ?? SavedTensor(tensor))
        }
        return recorded
    }

    /// What zeros for a result must look like.
    private struct ResultForm: Sendable {
        let shape: Shape
        let dtype: DType
        let runtime: DeviceRuntime

        init(_ x: Tensor) {
            shape = x.shape
            dtype = x.dtype
            runtime = x.runtime
        }
    }

    private func gradients(
        of results: [ResultForm], _ arrived: [Tensor?], _ inputCount: Int, _ context: Context
    ) throws(CressetError) -> [Tensor?] {
        var incoming: [Tensor] = []
        for (i, form) in results.enumerated() {
            if let gradient = arrived[i] {
                incoming.append(gradient)
            } else {
                incoming.append(try .filled(form.shape, 0, dtype: form.dtype, on: form.runtime, op: name))
            }
        }
        let outgoing = withLayer(Layer.noGrad, isOnceDifferentiable || !isGradEnabled) {
            derivative(context, incoming)
        }
        guard outgoing.count == inputCount else {
            throw CressetError(
                .autograd, op: name, "its backward gave \(outgoing.count) gradients for \(inputCount) inputs")
        }
        for case let gradient? in outgoing {
            try gradient.checkValid(name)
            // (It may be something that was saved, which no leaf may take for its own.)
            gradient.impl.storage.isGradient = true
        }
        return isOnceDifferentiable && isGradEnabled ? refusing(outgoing, of: incoming + context.saved) : outgoing
    }

    /// Gradients that have none of their own: to ask for one is an error.
    private func refusing(_ gradients: [Tensor?], of sources: [Tensor]) -> [Tensor?] {
        let refuse: ClosureNode.Body = { [name] (_, _) throws(CressetError) in
            throw CressetError(
                .autograd, op: name, "it is once differentiable: its backward has no gradient of its own")
        }
        let dead = ClosureNode(name, edges: sources.map(\.edge), saved: [], body: refuse)
        return gradients.map { gradient in
            guard let gradient else { return nil }
            let result = Tensor(gradient.detachedImpl)
            result.impl.autograd = AutogradState(requiresGrad: true, node: dead)
            return result
        }
    }
}
