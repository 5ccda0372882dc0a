import BackendKit

extension Families {
    /// Every element is the dot product of a row and a column, in the type the dtype widens to.
    @Sendable
    static func matmul(_ call: CheckedCall, _ queue: ReferenceQueue) {
        let (a, b, output) = (call.inputs[0], call.inputs[1], call.outputs[0])
        let row = output.layout.shape.count - 2
        let column = row + 1
        let type = output.dtype.arithmetic
        let (m, k, n) = (a.layout.shape[row], a.layout.shape[column], b.layout.shape[column])
        let epilogue = call.program.map { Interpreter<S>($0, call.call) }

        let isBatch = { $0 < row }
        let batches = output.layout.along(isBatch).count
        let aPlaces = a.layout.along(isBatch).places
        let bPlaces = b.layout.along(isBatch).places

        /// The `k` elements from `place` on, widened.
        func vector(_ operand: Operand, _ place: Int, along dim: Int) -> S.Lanes {
            let places = Layout(shape: [k], steps: [operand.layout.steps[dim]], origin: place).places
            return S.read(operand.dtype, from: operand.buffer, at: places)
        }

        for batch in 0..<batches {
            let columns = (0..<n).map { j in vector(b, bPlaces[batch] + j * b.layout.steps[column], along: row) }
            for i in 0..<m {
                let x = vector(a, aPlaces[batch] + i * a.layout.steps[row], along: column)
                let sums = S.joined(columns.map { S.dot(type, x, $0) }, type)
                let range = (batch * m + i) * n..<(batch * m + i + 1) * n
                guard let epilogue else {
                    output.write(S.self, sums, range)
                    continue
                }
                let stored = epilogue.run(
                    count: n,
                    load: { input, _ in input == 0 ? sums : call.inputs[1 + input].read(S.self, range) },
                    index: { S.integers(Array(range)) })
                for result in stored { output.write(S.self, result.lanes, range) }
            }
        }
    }
}
