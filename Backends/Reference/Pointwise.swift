import BackendKit

extension Families {
    /// The program, for every element of the iteration space.
    @Sendable
    static func pointwise(_ call: CheckedCall, _ queue: ReferenceQueue) {
        guard let program = call.program else { return }
        let interpreter = Interpreter<S>(program, call.call)
        for range in blocks(of: call.outputs[0].layout.count) {
            let stored = interpreter.run(
                count: range.count,
                load: { k, _ in call.inputs[k].read(S.self, range) },
                index: { S.integers(Array(range)) })
            for result in stored { call.outputs[result.output].write(S.self, result.lanes, range) }
        }
    }
}
