import BackendKit

extension Families {
    /// For every element of the kept dims: the prologue for all its elements along the reduced dims,
    /// each accumulator's values made one, and the epilogue on those.
    @Sendable
    static func reduce(_ call: CheckedCall, _ queue: ReferenceQueue) {
        guard let program = call.program, let epilogue = call.epilogue else { return }
        let attributes = call.call.reduction
        let space = call.outputs[0].layout.shape
        let isKept = { !attributes.isReduced($0) }
        let prologue = Interpreter<S>(program, call.call)
        let types = program.outputTypes

        // Places of element (o, r), o along the kept dims and r along the reduced ones, are sums.
        let kept = call.inputs.map { $0.layout.along(isKept) }
        let reduced = call.inputs.map { $0.layout.along(attributes.isReduced) }
        let index = Layout.rowMajor(space)
        let keptIndex = index.along(isKept)
        let reducedIndex = index.along(attributes.isReduced)
        let outputs = call.outputs.map { $0.layout.along(isKept) }

        for range in blocks(of: keptIndex.count) {
            let keptPlaces = kept.map { $0.places(range) }
            let keptIndices = keptIndex.places(range)
            var results = [[S.Lanes]](repeating: [], count: types.count)
            for o in range.indices.map({ $0 - range.lowerBound }) {
                var values = [[S.Lanes]](repeating: [], count: types.count)
                for inner in blocks(of: reducedIndex.count) {
                    let stored = prologue.run(
                        count: inner.count,
                        load: { k, dtype in
                            // `reduced` starts at the operand's origin, which the kept place has too.
                            let base = keptPlaces[k][o] - reduced[k].origin
                            return S.read(
                                dtype, from: call.inputs[k].buffer, at: reduced[k].places(inner).map { $0 + base })
                        },
                        index: { S.integers(reducedIndex.places(inner).map { $0 + keptIndices[o] }) })
                    for result in stored { values[result.output].append(result.lanes) }
                }
                for k in types.indices {
                    results[k].append(S.reduce(attributes.kind(k), types[k], S.joined(values[k], types[k])))
                }
            }
            let accumulated = types.indices.map { k in
                S.joined(results[k], attributes.kind(k).isArgument ? .i64 : types[k])
            }
            let stored = Interpreter<S>(epilogue, call.call).run(
                count: range.count, load: { k, _ in accumulated[k] }, index: { S.integers(Array(range)) })
            for result in stored {
                let output = call.outputs[result.output]
                S.write(result.lanes, as: result.dtype, to: output.buffer, at: outputs[result.output].places(range))
            }
        }
    }
}
