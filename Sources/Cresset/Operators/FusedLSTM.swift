import BackendKit

/// One direction of a layer of an LSTM by a device's own kernel, where it has one: all steps in one launch.
///
/// The kernel `cresset::lstm_pass` takes the inputs by their weights with all biases, [time, batch, 4·hidden] in the
/// order input, forget, cell, output; the hidden state and the cell's before the first step, [batch, hidden]; the
/// hidden state's weights, [4·hidden, hidden]; and whether time runs backwards. It gives the states after each step,
/// [time, batch, 2·hidden]: the hidden one, then the cell's. `cresset::lstm_pass_backward` takes the gradient of
/// those, those, and the same arguments; it gives the gradients of the four tensors.
enum FusedLSTM {
    private static let forward = OperatorName("cresset::lstm_pass")
    private static let backward = OperatorName("cresset::lstm_pass_backward")

    /// nil where the device has no kernel for it.
    static func pass(
        _ x: Tensor, _ hidden: Tensor, _ cell: Tensor, _ w: Recurrent.Weights, reversed: Bool
    ) throws(CressetError) -> (results: Tensor, hidden: Tensor, cell: Tensor)? {
        guard x.shape[0] > 0, x.numel > 0, hidden.numel > 0, x.runtime.kernels.chain(.override(forward), x.dtype) != nil
        else { return nil }
        let n = hidden.size(-1)
        var bias = w.inputBias
        if let other = w.hiddenBias {
            bias = try bias.map { (b) throws(CressetError) in try Ops.add(b, other) } ?? other
        }
        let inputs = [try Recurrent.linear(x, w.input, bias), hidden, cell, w.hidden]
        guard let chain = x.runtime.kernels.chain(.override(forward), x.dtype),
            let made = try Override.run(
                chain, op: forward, on: x.runtime, inputs.map(Value.tensor) + [.scalar(.bool(reversed))],
                [ResultType([x.shape[0], x.shape[1], 2 * n], x.dtype)])?.first
        else { return nil }
        let wanted = inputs.map(\.isTracked)
        let states = Tape.record(forward.text, made, inputs: inputs, saving: inputs, savingResult: true) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return wanted.map { _ in nil } }
            return try self.gradients(g, saved[4], Array(saved.prefix(4)), wanted, reversed: reversed)
        }
        let last = states.select(0, reversed ? 0 : x.shape[0] - 1)
        return (states.narrow(2, 0, n), last.narrow(1, 0, n), last.narrow(1, n, n))
    }

    private static func gradients(
        _ g: Tensor, _ states: Tensor, _ inputs: [Tensor], _ wanted: [Bool], reversed: Bool
    ) throws(CressetError) -> [Tensor?] {
        // (Gradients that are differentiated themselves are the composition's.)
        if threadState.pointee.layers & Layer.noGrad != 0,
            let chain = g.runtime.kernels.chain(.override(backward), g.dtype),
            let made = try Override.run(
                chain, op: backward, on: g.runtime,
                ([g, states] + inputs).map(Value.tensor) + [.scalar(.bool(reversed))],
                inputs.map { ResultType($0.shape, $0.dtype) })
        {
            return zip(made, wanted).map { $1 ? $0 : nil }
        }
        return try Engine.gradients(
            of: { (t) throws(CressetError) in
                let w = Recurrent.Weights(input: t[3], hidden: t[3])
                let all = try Recurrent.states(.lstm, t[0], (t[1], t[2]), w, reversed: reversed).0
                let rows = try all.map { (s) throws(CressetError) in
                    try Joining.cat([s.hidden, s.cell ?? s.hidden], dim: 1)
                }
                return try Joining.stack(rows, dim: 0)
            }, at: inputs, wanted, g)
    }
}
