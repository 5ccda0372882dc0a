/// Runs `function` and keeps none of what its operations save for backward: the backward pass computes it anew.
///
/// Memory of the order of the inputs and results instead of all between them, for one more forward pass. The
/// function must do the same each time; random numbers are drawn anew from where the stream stood, unless
/// `preserveRandomState` is false. It may use tensors beside its inputs (the parameters of a model), whose
/// gradients come as without it. It runs on the thread of the backward pass.
///
/// T. Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016.
public func checkpoint(
    _ inputs: [Tensor], preserveRandomState: Bool = true, _ function: @escaping ([Tensor]) -> [Tensor]
) -> [Tensor] {
    guard isGradEnabled else { return function(inputs) }
    let frame = CheckpointFrame(inputs, preserveRandomState ? RandomStream.default.state : nil, function)
    return frame.packing.use { function(inputs) }
}

/// The same for a function of one tensor.
public func checkpoint(
    _ input: Tensor, preserveRandomState: Bool = true, _ function: @escaping (Tensor) -> Tensor
) -> Tensor {
    checkpoint([input], preserveRandomState: preserveRandomState) { [function($0[0])] }[0]
}

/// Runs the parts of a chain, each but the last one as a checkpoint: PyTorch's `checkpoint_sequential`.
///
/// - Parameter segments: how many parts the functions are divided into.
public func checkpoint(
    chain functions: [(Tensor) -> Tensor], segments: Int, _ input: Tensor, preserveRandomState: Bool = true
) -> Tensor {
    checkArgument("checkpoint", segments > 0) { "segments must be positive, got \(segments)" }
    let length = max(functions.count / max(segments, 1), 1)
    var x = input
    var start = 0
    while functions.count - start > length {
        let part = functions[start..<start + length]
        x = checkpoint(x, preserveRandomState: preserveRandomState) { x in part.reduce(x) { $1($0) } }
        start += length
    }
    return functions[start...].reduce(x) { $1($0) }
}

/// One checkpointed call: what it needs to compute what was saved, and what it has computed.
private final class CheckpointFrame: @unchecked Sendable {
    // The function and its inputs are never changed; the rest is behind the lock. That the function may run on the
    // backward pass's thread is its writer's to know, as the documentation says.
    private let function: ([Tensor]) -> [Tensor]
    private let inputs: [Tensor]
    private let random: RandomStream.State?
    private let state = Lock(State())
    private let turn = RecursiveLock()

    private struct State {
        /// What was saved in the forward pass, in order.
        var forms: [Form] = []
        /// What is wanted still: a node that was freed needs its tensors no more.
        var wanted: Set<Int> = []
        var computed: [Int: Tensor] = [:]
    }

    private struct Form: Equatable {
        var shape: Shape
        var dtype: DType
    }

    /// Held by the graph in a tensor's stead.
    private final class Ticket: Sendable {
        let index: Int
        let frame: CheckpointFrame
        init(_ index: Int, _ frame: CheckpointFrame) {
            self.index = index
            self.frame = frame
        }
        deinit { frame.forget(index) }
    }

    init(_ inputs: [Tensor], _ random: RandomStream.State?, _ function: @escaping ([Tensor]) -> [Tensor]) {
        self.inputs = inputs
        self.random = random
        self.function = function
    }

    /// Keeps a ticket for each tensor.
    var packing: SavedTensorHooks {
        SavedTensorHooks { [self] tensor in
            let index = state.withLock { state in
                state.forms.append(Form(shape: tensor.shape, dtype: tensor.dtype))
                state.wanted.insert(state.forms.count - 1)
                return state.forms.count - 1
            }
            let ticket = Ticket(index, self)
            return { () throws(CressetError) in try ticket.frame.tensor(ticket.index) }
        }
    }

    private func forget(_ index: Int) {
        // (What is freed here may hold other tickets of this frame: not inside the lock.)
        let freed = state.withLock { state in
            state.wanted.remove(index)
            return state.computed.removeValue(forKey: index)
        }
        withExtendedLifetime(freed) {}
    }

    private func tensor(_ index: Int) throws(CressetError) -> Tensor {
        try turn.withLock { () throws(CressetError) in
            if let known = state.withLock({ $0.computed[index] }) { return known }
            try compute()
            guard let tensor = state.withLock({ $0.computed[index] }) else {
                throw CressetError(.internal, op: "checkpoint", "tensor \(index) was not computed")
            }
            return tensor
        }
    }

    /// Runs the function again and keeps what its operations save, in the order of the forward pass.
    private func compute() throws(CressetError) {
        let found = Lock([Tensor]())
        let keeping = SavedTensorHooks { tensor in
            found.withLock { $0.append(tensor) }
            return { () throws(CressetError) in
                throw CressetError(.internal, op: "checkpoint", "the second forward pass has no backward pass")
            }
        }
        // (A stream of its own, so that nobody else's draws are disturbed.)
        let stream = random.map(RandomStream.init(state:)) ?? .default
        withRandomStream(stream) { runAgain(keeping) }
        let tensors = found.withLock { $0 }
        let forms = state.withLock { $0.forms }
        let again = tensors.map { Form(shape: $0.shape, dtype: $0.dtype) }
        guard again == forms else {
            let place = zip(again, forms).enumerated().first { $1.0 != $1.1 }
            let what =
                place.map { "saved tensor \($0) was \($1.1.dtype) \($1.1.shape) and is \($1.0.dtype) \($1.0.shape)" }
                ?? "\(forms.count) tensors were saved, and \(again.count) are"
            throw CressetError(
                .autograd, op: "checkpoint",
                "the function did something else when it was run again for the backward pass: \(what)")
        }
        state.withLock { state in
            for (i, tensor) in tensors.enumerated() where state.wanted.contains(i) { state.computed[i] = tensor }
        }
    }

    private func runAgain(_ keeping: SavedTensorHooks) {
        enableGrad {
            let again = inputs.map { input -> Tensor in
                let copy = Tensor(input.detachedImpl)
                if input.isTracked { copy.impl.autograd = AutogradState(requiresGrad: true) }
                return copy
            }
            keeping.use { _ = function(again) }
        }
    }
}
