import BackendKit

/// Recurrent layers: cells that are applied to one step of time after another.
///
/// The products with the inputs of all steps are one matrix product before the first step; a step multiplies the
/// hidden state alone. Layers are stacked, and may run through time in both directions; dropout acts between layers.
enum Recurrent {
    enum Kind: String, Sendable, CaseIterable {
        case lstm, gru
        case tanh = "rnn_tanh"
        case relu = "rnn_relu"

        /// Rows of the weights for each element of the hidden state.
        var gates: Int {
            switch self {
            case .lstm: 4
            case .gru: 3
            case .tanh, .relu: 1
            }
        }
    }

    /// The weights of one direction of a layer.
    struct Weights: Sendable {
        var input: Tensor
        var hidden: Tensor
        var inputBias: Tensor?
        var hiddenBias: Tensor?
        /// [out, hidden], of an LSTM whose result is a projection of the hidden state.
        var projection: Tensor?
    }

    typealias State = (hidden: Tensor, cell: Tensor?)

    static func linear(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?) throws(CressetError) -> Tensor {
        let product = x.matmul(weight.t())
        return try bias.map { (b) throws(CressetError) in try Ops.add(product, b) } ?? product
    }

    /// The state after a step, from what the input comes to by its weights, [batch, gates·hidden].
    private static func step(
        _ kind: Kind, _ fromInput: Tensor, _ state: State, _ w: Weights
    ) throws(CressetError) -> State {
        let fromHidden = try linear(state.hidden, w.hidden, w.hiddenBias)
        switch kind {
        case .tanh: return (try Ops.tanh(try Ops.add(fromInput, fromHidden)), nil)
        case .relu: return (try Ops.relu(try Ops.add(fromInput, fromHidden)), nil)
        case .gru:
            // Reset, update and new; the reset gate acts on the hidden state's share of the new one.
            let (x, h) = (fromInput.chunk(3, dim: -1), fromHidden.chunk(3, dim: -1))
            let reset = try Ops.sigmoid(try Ops.add(x[0], h[0]))
            let update = try Ops.sigmoid(try Ops.add(x[1], h[1]))
            let new = try Ops.tanh(try Ops.add(x[2], try Ops.mul(reset, h[2])))
            return (try Ops.add(try Ops.mul(try Ops.sub(state.hidden, new), update), new), nil)
        case .lstm:
            // Input, forget, cell and output.
            let gates = try Ops.add(fromInput, fromHidden).chunk(4, dim: -1)
            guard let cell = state.cell else { throw CressetError(.internal, op: "lstm", "there is no cell state") }
            let kept = try Ops.mul(try Ops.sigmoid(gates[1]), cell)
            let added = try Ops.mul(try Ops.sigmoid(gates[0]), try Ops.tanh(gates[2]))
            let next = try Ops.add(kept, added)
            let out = try Ops.mul(try Ops.sigmoid(gates[3]), try Ops.tanh(next))
            return (try w.projection.map { (p) throws(CressetError) in try linear(out, p, nil) } ?? out, next)
        }
    }

    static func cell(_ kind: Kind, _ x: Tensor, _ state: State, _ w: Weights, op: String) throws(CressetError) -> State
    {
        guard x.ndim == state.hidden.ndim, x.ndim == 1 || x.ndim == 2 else {
            throw CressetError(
                .shape, op: op,
                "needs [batch, features] and a state of [batch, hidden]: \(x.summary), "
                    + state.hidden.summary)
        }
        try check(kind, w, features: x.shape[x.ndim - 1], state: state, dtype: x.dtype, op: op)
        return try step(kind, try linear(x, w.input, w.inputBias), state, w)
    }

    private static func check(
        _ kind: Kind, _ w: Weights, features: Int, state: State, dtype: DType, op: String
    ) throws(CressetError) {
        let hidden = w.hidden.ndim == 2 ? w.hidden.shape[0] / kind.gates : 0
        let out = w.projection?.shape[0] ?? hidden
        let rows = kind.gates * hidden
        guard w.input.shape == [rows, features], w.hidden.shape == [rows, out],
            (w.projection?.shape ?? [out, hidden]) == [out, hidden],
            [w.inputBias, w.hiddenBias].allSatisfy({ $0 == nil || $0?.shape == [rows] })
        else {
            let list = [w.input, w.hidden, w.inputBias, w.hiddenBias, w.projection].compactMap { $0?.summary }
            throw CressetError(
                .shape, op: op,
                "needs weights of [\(kind.gates)·hidden, \(features)] and [\(kind.gates)·hidden, hidden], and biases of "
                    + "as many rows: \(list.joined(separator: ", "))")
        }
        guard state.hidden.size(-1) == out, (state.cell ?? state.hidden).size(-1) == (state.cell == nil ? out : hidden)
        else {
            throw CressetError(
                .shape, op: op,
                "needs a state of \(out) hidden elements: \(state.hidden.summary)\(state.cell.map { ", " + $0.summary } ?? "")"
            )
        }
        guard dtype.isFloatingPoint, w.input.dtype == dtype, w.hidden.dtype == dtype, state.hidden.dtype == dtype else {
            throw CressetError(
                .dtype, op: op,
                "input, state and weights must have one floating dtype: \(dtype), \(state.hidden.summary), \(w.input.summary)"
            )
        }
    }

    struct Layers: Sendable {
        var kind: Kind
        var hasBiases: Bool
        var count: Int
        var dropout: Double
        var isTraining: Bool
        var isBidirectional: Bool
        var batchFirst: Bool
        var op: String

        var directions: Int { isBidirectional ? 2 : 1 }

        /// The list of parameters as weights by layer and direction.
        func weights(_ list: [Tensor], projects: Bool) throws(CressetError) -> [Weights] {
            let each = (hasBiases ? 4 : 2) + (projects ? 1 : 0)
            guard count > 0, count <= Int(Int32.max), list.count == count * directions * each else {
                throw CressetError(
                    .argument, op: op,
                    "\(count) layers of \(directions) directions need \(directions * each) parameters each, got \(list.count)"
                )
            }
            return stride(from: 0, to: list.count, by: each).map { i in
                Weights(
                    input: list[i], hidden: list[i + 1], inputBias: hasBiases ? list[i + 2] : nil,
                    hiddenBias: hasBiases ? list[i + 3] : nil, projection: projects ? list[i + each - 1] : nil)
            }
        }
    }

    /// The last layer's results of all steps, and each layer's last states, [layers·directions, batch, hidden].
    static func run(
        _ x: Tensor, _ hidden: Tensor, _ cell: Tensor?, _ parameters: [Tensor], _ layers: Layers
    ) throws(CressetError) -> (results: Tensor, state: State) {
        let op = layers.op
        for tensor in [x, hidden] + [cell].compactMap({ $0 }) + parameters { try tensor.checkValid(op) }
        // An LSTM projects where its hidden state is not as wide as its cell's.
        let projects = cell.map { $0.size(-1) != hidden.size(-1) } ?? false
        let weights = try layers.weights(parameters, projects: projects)
        guard layers.dropout >= 0, layers.dropout <= 1 else {
            throw CressetError(.argument, op: op, "dropout must be in 0 ... 1, got \(layers.dropout)")
        }
        let isBatched = x.ndim == 3
        guard x.ndim == 2 || x.ndim == 3, hidden.ndim == x.ndim, x.dtype.isFloatingPoint else {
            throw CressetError(
                .shape, op: op,
                "needs floating-point [time, batch, features] and a state of [layers, batch, hidden], both with or "
                    + "without batch: \(x.summary), \(hidden.summary)")
        }
        let states = isBatched ? hidden : hidden.unsqueeze(1)
        let cells = isBatched ? cell : cell?.unsqueeze(1)
        var sequence = isBatched ? (layers.batchFirst ? x.transpose(0, 1) : x) : x.unsqueeze(1)
        guard sequence.shape[0] > 0, states.shape[0] == weights.count, states.shape[1] == sequence.shape[1],
            cells.map({ $0.ndim == 3 && $0.shape.prefix(2).elementsEqual(states.shape.prefix(2)) }) ?? true
        else {
            throw CressetError(
                .shape, op: op,
                "needs at least one step, and states for \(weights.count) layers and directions of a batch of "
                    + "\(sequence.shape[1]): \(x.summary), \(hidden.summary)")
        }
        var last: [State] = []
        for layer in 0..<layers.count {
            var results: [Tensor] = []
            for direction in 0..<layers.directions {
                let i = layer * layers.directions + direction
                let start: State = (states.select(0, i), cells?.select(0, i))
                let (out, state) = try pass(layers.kind, sequence, start, weights[i], reversed: direction == 1, op: op)
                results.append(out)
                last.append(state)
            }
            sequence = results.count == 1 ? results[0] : try Joining.cat(results, dim: 2)
            if layer < layers.count - 1 && layers.dropout > 0 {
                sequence = sequence.dropout(layers.dropout, training: layers.isTraining)
            }
        }
        if !isBatched {
            sequence = sequence.squeeze(1)
        } else if layers.batchFirst {
            sequence = sequence.transpose(0, 1)
        }
        func stacked(_ list: [Tensor]) throws(CressetError) -> Tensor {
            let all = try Joining.stack(list, dim: 0)
            return isBatched ? all : all.squeeze(1)
        }
        let cellStates = last.compactMap(\.cell)
        return (
            sequence.contiguous(),
            (try stacked(last.map(\.hidden)), cellStates.isEmpty ? nil : try stacked(cellStates))
        )
    }

    /// One direction of a layer: its results at all steps in the order of time.
    private static func pass(
        _ kind: Kind, _ x: Tensor, _ start: State, _ w: Weights, reversed: Bool, op: String
    ) throws(CressetError) -> (Tensor, State) {
        try check(kind, w, features: x.shape[2], state: start, dtype: x.dtype, op: op)
        if kind == .lstm, w.projection == nil, let cell = start.cell,
            let found = try FusedLSTM.pass(x, start.hidden, cell, w, reversed: reversed)
        {
            return (found.results, (found.hidden, found.cell))
        }
        return try steps(kind, try linear(x, w.input, w.inputBias), start, w, reversed: reversed)
    }

    /// The steps of a pass, from what the input of all of them comes to by its weights.
    static func steps(
        _ kind: Kind, _ inputs: Tensor, _ start: State, _ w: Weights, reversed: Bool
    ) throws(CressetError) -> (Tensor, State) {
        let (results, state) = try states(kind, inputs, start, w, reversed: reversed)
        return (try Joining.stack(results.map(\.hidden), dim: 0), state)
    }

    /// The states after each step, in the order of time, and the one after the last that was taken.
    static func states(
        _ kind: Kind, _ inputs: Tensor, _ start: State, _ w: Weights, reversed: Bool
    ) throws(CressetError) -> ([State], State) {
        var (state, all) = (start, [State]())
        for t in reversed ? Array((0..<inputs.shape[0]).reversed()) : Array(0..<inputs.shape[0]) {
            state = try step(kind, inputs.select(0, t), state, w)
            all.append(state)
        }
        return (reversed ? all.reversed() : all, state)
    }
}
