import BackendKit

extension Families {
    /// output[i] = input[place i + Σ index · stride].
    @Sendable
    static func gather(_ call: CheckedCall, _ queue: ReferenceQueue) {
        let (source, target) = (call.inputs[0], call.outputs[0])
        for range in blocks(of: target.layout.count) {
            let (places, valid) = indexedPlaces(call, source, range, queue)
            let targets = target.layout.places(range)
            S.scatter(
                .set, target.dtype, from: source.buffer, at: valid.map { places[$0] },
                to: target.buffer, at: valid.map { targets[$0] })
        }
    }

    /// output[place i + Σ index · stride] becomes itself combined with input[i], i in row-major order.
    @Sendable
    static func scatter(_ call: CheckedCall, _ queue: ReferenceQueue) {
        let (source, target) = (call.inputs[0], call.outputs[0])
        for range in blocks(of: source.layout.count) {
            let (places, valid) = indexedPlaces(call, target, range, queue)
            let sources = source.layout.places(range)
            S.scatter(
                call.call.indexing.scatterReduction, source.dtype, from: source.buffer,
                at: valid.map { sources[$0] }, to: target.buffer, at: valid.map { places[$0] })
        }
    }

    /// The places in `operand` that the index tensors address for the elements `range`, and which of
    /// them exist. An index that is out of range is remembered on the queue.
    private static func indexedPlaces(
        _ call: CheckedCall, _ operand: Operand, _ range: Range<Int>, _ queue: ReferenceQueue
    ) -> (places: [Int], valid: [Int]) {
        let attributes = call.call.indexing
        var places = operand.layout.places(range)
        var isValid = [Bool](repeating: true, count: places.count)
        for j in 0..<Int(attributes.index_count) {
            let size = attributes.indexSize(j)
            let step = attributes.indexStride(j) * operand.dtype.size
            for (i, index) in call.inputs[1 + j].integers(range).enumerated() where isValid[i] {
                if -size <= index && index < size {
                    places[i] += (index < 0 ? index + size : index) * step
                } else {
                    isValid[i] = false
                    queue.remember(
                        BackendError(
                            .index,
                            "index \(index) is out of range for size \(size) "
                                + "(element \(range.lowerBound + i) of the index tensor)",
                            op: call.call.op, site: call.call.site))
                }
            }
        }
        return (places, isValid.indices.filter { isValid[$0] })
    }
}

extension Operand {
    /// The elements of an index tensor.
    fileprivate func integers(_ range: Range<Int>) -> [Int] {
        switch Exact.read(dtype, from: buffer, at: layout.places(range)) {
        case .i32(let values): values.map { Int($0) }
        case .i64(let values): values.map { Int($0) }
        default: preconditionFailure("index tensors are checked to be int32 or int64")
        }
    }
}
