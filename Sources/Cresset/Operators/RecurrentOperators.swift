import BackendKit

/// The declarations of recurrent layers and cells.
extension Operators {
    static let recurrent: [Operator] = Recurrent.Kind.allCases.flatMap { [layers($0), cell($0)] }

    private static let why = "it is made of aten::matmul and pointwise operations, which can be"

    private static func parameters(
        _ g: inout SampleMaker, _ kind: Recurrent.Kind, features: Int, hidden: Int, layers: Int, directions: Int,
        biases: Bool
    ) -> [Tensor] {
        var list: [Tensor] = []
        for layer in 0..<layers {
            for _ in 0..<directions {
                let size = layer == 0 ? features : hidden * directions
                list.append(g.tensor([kind.gates * hidden, size], -1, 1))
                list.append(g.tensor([kind.gates * hidden, hidden], -1, 1))
                if biases { for _ in 0..<2 { list.append(g.tensor([kind.gates * hidden], -1, 1)) } }
            }
        }
        return list
    }

    private static func layers(_ kind: Recurrent.Kind) -> Operator {
        let isLSTM = kind == .lstm
        return Operator(
            "\(kind.rawValue).input(Tensor input, \(isLSTM ? "Tensor[]" : "Tensor") hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> "
                + (isLSTM ? "(Tensor, Tensor, Tensor)" : "(Tensor, Tensor)"),
            dtypes: .floating, composition: ["matmul", "pointwise"], notOverridable: why,
            samples: { g in
                let cases: [(batch: Int, layers: Int, both: Bool, batchFirst: Bool, biases: Bool)] = [
                    (2, 1, false, false, true), (2, 2, true, true, true), (2, 1, true, false, false),
                    (0, 1, false, false, true),
                ]
                return cases.map { c in
                    let d = c.both ? 2 : 1
                    let state = (0..<(isLSTM ? 2 : 1)).map { _ in g.tensor([c.layers * d, c.batch, 2], -1, 1) }
                    let list = parameters(
                        &g, kind, features: 3, hidden: 2, layers: c.layers, directions: d, biases: c.biases)
                    return Sample(
                        [
                            .tensor(g.tensor(c.batchFirst ? [c.batch, 3, 3] : [3, c.batch, 3], -1, 1)),
                            isLSTM ? .tensors(state) : .tensor(state[0]), .tensors(list),
                            .scalar(.bool(c.biases)), Value(c.layers), c.layers > 1 ? 0.25 : 0.0, true,
                            .scalar(.bool(c.both)), .scalar(.bool(c.batchFirst)),
                        ])
                }
            },
            errors: { g in
                let list = parameters(&g, kind, features: 3, hidden: 2, layers: 1, directions: 1, biases: true)
                let x = Value.tensor(g.tensor([3, 2, 3]))
                func state(_ shape: Shape) -> Value {
                    let h = g.tensor(shape)
                    return isLSTM ? .tensors([h, h]) : .tensor(h)
                }
                let options: [Value] = [1, 0.0, false, false, false]
                return [
                    ErrorSample(
                        [x, state([1, 2, 2]), .tensors(Array(list.prefix(3))), true] + options,
                        words: ["need 4 parameters each", "3"]),
                    ErrorSample([x, state([1, 5, 2]), .tensors(list), true] + options, words: ["a batch of 2"]),
                    ErrorSample([x, state([1, 2, 4]), .tensors(list), true] + options, words: ["2 hidden elements"]),
                    ErrorSample(
                        [.tensor(g.tensor([3, 2, 7])), state([1, 2, 2]), .tensors(list), true] + options,
                        words: ["needs weights of", "7"]),
                ]
            },
            call: { (a) throws(CressetError) in
                let states = isLSTM ? try a.tensors("hx") : [try a.tensor("hx")]
                guard states.count == (isLSTM ? 2 : 1) else {
                    throw a.wrong("hx must be the hidden state and the cell's, got \(states.count) tensors")
                }
                let layers = Recurrent.Layers(
                    kind: kind, hasBiases: try a.bool("has_biases"), count: try a.int("num_layers"),
                    dropout: try a.double("dropout"), isTraining: try a.bool("train"),
                    isBidirectional: try a.bool("bidirectional"), batchFirst: try a.bool("batch_first"), op: a.op)
                let (out, state) = try Recurrent.run(
                    try a.tensor("input"), states[0], isLSTM ? states[1] : nil, try a.tensors("params"), layers)
                return [.tensor(out), .tensor(state.hidden)] + [state.cell].compactMap { $0.map(Value.tensor) }
            })
    }

    private static func cell(_ kind: Recurrent.Kind) -> Operator {
        let isLSTM = kind == .lstm
        return Operator(
            "\(kind.rawValue)_cell(Tensor input, \(isLSTM ? "Tensor[]" : "Tensor") hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> "
                + (isLSTM ? "(Tensor, Tensor)" : "Tensor"),
            dtypes: .floating, composition: ["matmul", "pointwise"], notOverridable: why,
            samples: { g in
                [(2, true), (2, false), (0, true)].map { batch, biases in
                    let state = (0..<(isLSTM ? 2 : 1)).map { _ in g.tensor([batch, 4], -1, 1) }
                    let bias = (0..<2).map { _ in biases ? Value.tensor(g.tensor([kind.gates * 4], -1, 1)) : .none }
                    return Sample(
                        [
                            .tensor(g.tensor([batch, 3], -1, 1)), isLSTM ? .tensors(state) : .tensor(state[0]),
                            .tensor(g.tensor([kind.gates * 4, 3], -1, 1)),
                            .tensor(g.tensor([kind.gates * 4, 4], -1, 1)),
                        ] + bias)
                }
            },
            errors: { g in
                let (x, h) = (Value.tensor(g.tensor([2, 3])), g.tensor([2, 4]))
                let state: Value = isLSTM ? .tensors([h, h]) : .tensor(h)
                let hidden = Value.tensor(g.tensor([kind.gates * 4, 4]))
                return [
                    ErrorSample([x, state, .tensor(g.tensor([kind.gates * 4, 5])), hidden], "needs weights of"),
                    ErrorSample([.tensor(g.tensor([3])), state, hidden, hidden], "needs [batch, features]"),
                ]
            },
            call: { (a) throws(CressetError) in
                let states = isLSTM ? try a.tensors("hx") : [try a.tensor("hx")]
                guard states.count == (isLSTM ? 2 : 1) else {
                    throw a.wrong("hx must be the hidden state and the cell's, got \(states.count) tensors")
                }
                let x = try a.tensor("input")
                for tensor in [x] + states { try tensor.checkValid(a.op) }
                let weights = Recurrent.Weights(
                    input: try a.tensor("w_ih"), hidden: try a.tensor("w_hh"),
                    inputBias: try a.optionalTensor("b_ih"), hiddenBias: try a.optionalTensor("b_hh"))
                let state = try Recurrent.cell(kind, x, (states[0], isLSTM ? states[1] : nil), weights, op: a.op)
                return [.tensor(state.hidden)] + [state.cell].compactMap { $0.map(Value.tensor) }
            })
    }
}

/// Layers and cells as `torch.lstm`, `torch.gru_cell` and their like have them.
extension Tensor {
    private func layers(
        _ kind: Recurrent.Kind, _ hidden: Tensor, _ cell: Tensor?, _ params: [Tensor], _ options: RecurrentOptions
    ) -> (Tensor, Recurrent.State) {
        let none: Recurrent.State = (hidden, cell)
        return trapping(default: (self, none)) { () throws(CressetError) -> (Tensor, Recurrent.State) in
            let layers = Recurrent.Layers(
                kind: kind, hasBiases: options.hasBiases, count: options.numLayers, dropout: options.dropout,
                isTraining: options.training, isBidirectional: options.bidirectional, batchFirst: options.batchFirst,
                op: "aten::\(kind.rawValue).input")
            let (out, state) = try Recurrent.run(self, hidden, cell, params, layers)
            return (out, state)
        }
    }

    /// The results of a long short-term memory over [time, batch, features], and its last states.
    public func lstm(
        _ hx: (hidden: Tensor, cell: Tensor), _ params: [Tensor], _ options: RecurrentOptions = RecurrentOptions()
    ) -> (output: Tensor, hidden: Tensor, cell: Tensor) {
        let (out, state) = layers(.lstm, hx.hidden, hx.cell, params, options)
        return (out, state.hidden, state.cell ?? state.hidden)
    }
    /// The results of gated recurrent units over [time, batch, features], and the last state.
    public func gru(_ hx: Tensor, _ params: [Tensor], _ options: RecurrentOptions = RecurrentOptions())
        -> (output: Tensor, hidden: Tensor)
    {
        let (out, state) = layers(.gru, hx, nil, params, options)
        return (out, state.hidden)
    }
    /// The results of a recurrent layer with tanh over [time, batch, features], and the last state.
    public func rnnTanh(_ hx: Tensor, _ params: [Tensor], _ options: RecurrentOptions = RecurrentOptions())
        -> (output: Tensor, hidden: Tensor)
    {
        let (out, state) = layers(.tanh, hx, nil, params, options)
        return (out, state.hidden)
    }
    /// The results of a recurrent layer with relu over [time, batch, features], and the last state.
    public func rnnRelu(_ hx: Tensor, _ params: [Tensor], _ options: RecurrentOptions = RecurrentOptions())
        -> (output: Tensor, hidden: Tensor)
    {
        let (out, state) = layers(.relu, hx, nil, params, options)
        return (out, state.hidden)
    }

    private func cell(
        _ kind: Recurrent.Kind, _ state: Recurrent.State, _ wIh: Tensor, _ wHh: Tensor, _ bIh: Tensor?, _ bHh: Tensor?
    ) -> Recurrent.State {
        trapping(default: state) { () throws(CressetError) in
            let op = "aten::\(kind.rawValue)_cell"
            for tensor in [self, state.hidden, wIh, wHh] { try tensor.checkValid(op) }
            let weights = Recurrent.Weights(input: wIh, hidden: wHh, inputBias: bIh, hiddenBias: bHh)
            return try Recurrent.cell(kind, self, state, weights, op: op)
        }
    }
    /// One step of a long short-term memory.
    public func lstmCell(
        _ hx: (hidden: Tensor, cell: Tensor), _ wIh: Tensor, _ wHh: Tensor, bIh: Tensor? = nil, bHh: Tensor? = nil
    ) -> (hidden: Tensor, cell: Tensor) {
        let state = cell(.lstm, (hx.hidden, hx.cell), wIh, wHh, bIh, bHh)
        return (state.hidden, state.cell ?? state.hidden)
    }
    /// One step of gated recurrent units.
    public func gruCell(_ hx: Tensor, _ wIh: Tensor, _ wHh: Tensor, bIh: Tensor? = nil, bHh: Tensor? = nil) -> Tensor {
        cell(.gru, (hx, nil), wIh, wHh, bIh, bHh).hidden
    }
    /// One step of a recurrent layer with tanh.
    public func rnnTanhCell(_ hx: Tensor, _ wIh: Tensor, _ wHh: Tensor, bIh: Tensor? = nil, bHh: Tensor? = nil)
        -> Tensor
    { cell(.tanh, (hx, nil), wIh, wHh, bIh, bHh).hidden }
    /// One step of a recurrent layer with relu.
    public func rnnReluCell(_ hx: Tensor, _ wIh: Tensor, _ wHh: Tensor, bIh: Tensor? = nil, bHh: Tensor? = nil)
        -> Tensor
    { cell(.relu, (hx, nil), wIh, wHh, bIh, bHh).hidden }
}

/// What recurrent layers are like beside their parameters.
public struct RecurrentOptions: Sendable {
    public var hasBiases: Bool
    public var numLayers: Int
    /// Share of the results that is dropped between layers while training.
    public var dropout: Double
    public var training: Bool
    public var bidirectional: Bool
    /// [batch, time, features] in and out.
    public var batchFirst: Bool

    public init(
        hasBiases: Bool = true, numLayers: Int = 1, dropout: Double = 0, training: Bool = false,
        bidirectional: Bool = false, batchFirst: Bool = false
    ) {
        (self.hasBiases, self.numLayers, self.dropout) = (hasBiases, numLayers, dropout)
        (self.training, self.bidirectional, self.batchFirst) = (training, bidirectional, batchFirst)
    }
}
