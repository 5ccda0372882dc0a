import BackendKit
import CBackend

/// A call that keeps the header's rules, so that nothing after this has to look again.
///
/// The reference is where a mistake in the host is named, so it checks more than another backend
/// would: counts, shapes, that every element lies within its buffer, and every instruction.
struct CheckedCall {
    let call: Call
    let inputs: [Operand]
    let outputs: [Operand]
    let program: Program?
    let epilogue: Program?

    init(_ call: Call) throws {
        self.call = call
        program = call.program
        epilogue = call.epilogue
        do {
            try require(call.inputCount <= Int(CRESSET_MAX_INPUTS), "\(call.inputCount) inputs")
            try require((1...Int(CRESSET_MAX_OUTPUTS)).contains(call.outputCount), "\(call.outputCount) outputs")
            inputs = try (0..<call.inputCount).map { try Operand(checking: call.input($0), "input \($0)") }
            outputs = try (0..<call.outputCount).map { try Operand(checking: call.output($0), "output \($0)") }
            switch call.family {
            case .pointwise: try checkPointwise()
            case .reduce: try checkReduce()
            case .matmul: try checkMatmul()
            case .gather, .scatter: try checkIndexing()
            case .override: break
            }
        } catch let error as BackendError {
            throw BackendError(error.kind, error.message, op: call.op, site: call.site)
        }
    }

    private func checkPointwise() throws {
        let program = try require(program, "pointwise without a program")
        for operand in inputs + outputs { try requireShape(operand, outputs[0].layout.shape) }
        try program.check(
            call, inputs: inputs.map(\.dtype), outputs: outputs.map(\.dtype), allowsIndex: true)
    }

    private func checkReduce() throws {
        let program = try require(program, "reduce without a program")
        let epilogue = try require(epilogue, "reduce without an epilogue")
        let shape = outputs[0].layout.shape
        for operand in inputs + outputs { try requireShape(operand, shape) }
        try require(call.raw.pointee.attributes, "reduce without attributes")
        let attributes = call.reduction
        let count = Int(attributes.accumulator_count)
        try require(count <= Int(CRESSET_MAX_OUTPUTS), "\(count) accumulators")
        try require(program.outputCount == count, "\(program.outputCount) stores feed \(count) accumulators")
        try program.check(
            call, inputs: inputs.map(\.dtype), outputs: program.outputTypes.map(\.dtype), allowsIndex: true)
        let results = try (0..<count).map { k in
            let (kind, type) = (attributes.kind(k), program.outputTypes[k])
            let elements = shape.indices.filter(attributes.isReduced).reduce(1) { $0 * shape[$1] }
            try require(
                !kind.isArgument || elements > 0 || outputs[0].layout.along { !attributes.isReduced($0) }.count == 0,
                "\(kind) of no elements")
            try require(
                kind != .any && kind != .all || type == .bool, "\(kind) of \(type)")
            return kind.isArgument ? DType.int64 : type.dtype
        }
        try epilogue.check(call, inputs: results, outputs: outputs.map(\.dtype), allowsIndex: false)
        for d in shape.indices where attributes.isReduced(d) {
            for output in outputs {
                try require(
                    shape[d] <= 1 || output.layout.steps[d] == 0, "an output has a stride along reduced dim \(d)")
            }
        }
    }

    private func checkMatmul() throws {
        try require(inputs.count >= 2 && outputs.count == 1, "matmul of \(inputs.count) inputs")
        let dtype = outputs[0].dtype
        let (a, b, c) = (inputs[0].layout.shape, inputs[1].layout.shape, outputs[0].layout.shape)
        let rank = c.count
        try require(rank >= 2 && a.count == rank && b.count == rank, "matmul of ranks \(a.count) and \(b.count)")
        try require(
            a.dropLast(2) == c.dropLast(2) && b.dropLast(2) == c.dropLast(2) && a[rank - 1] == b[rank - 2]
                && a[rank - 2] == c[rank - 2] && b[rank - 1] == c[rank - 1],
            "matmul of \(a) and \(b) to \(c)")
        try require(
            dtype != .bool && inputs[0].dtype == inputs[1].dtype
                && (program != nil || inputs[0].dtype == dtype),
            "matmul of \(inputs[0].dtype) and \(inputs[1].dtype) to \(dtype)")
        guard let program else { return }
        for operand in inputs.dropFirst(2) { try requireShape(operand, c) }
        let accumulated = inputs[0].dtype.arithmetic.dtype
        try program.check(
            call, inputs: [accumulated] + inputs.dropFirst(2).map(\.dtype), outputs: [dtype], allowsIndex: true)
    }

    private func checkIndexing() throws {
        try require(call.raw.pointee.attributes, "\(call.family) without attributes")
        let attributes = call.indexing
        let count = Int(attributes.index_count)
        try require(count >= 1 && count <= Int(CRESSET_MAX_INDICES), "\(count) index tensors")
        try require(inputs.count == 1 + count && outputs.count == 1, "\(inputs.count) inputs")
        try require(inputs[0].dtype == outputs[0].dtype, "\(inputs[0].dtype) to \(outputs[0].dtype)")
        for operand in inputs + outputs { try requireShape(operand, outputs[0].layout.shape) }
        for index in inputs.dropFirst() {
            try require(index.dtype == .int32 || index.dtype == .int64, "indices of \(index.dtype)")
        }
        try require(ScatterReduction(rawValue: attributes.reduce) != nil, "scatter reduction \(attributes.reduce)")
        // What the indices can reach beyond the view itself.
        var indexed = call.family == .gather ? inputs[0] : outputs[0]
        if indexed.layout.count == 0 { return }
        for j in 0..<count {
            let size = attributes.indexSize(j)
            if size <= 0 { return }  // every index is out of range
            indexed.layout.shape.append(size)
            indexed.layout.steps.append(try scaled(attributes.indexStride(j), by: indexed.dtype.size))
        }
        try indexed.checkBounds("what the indices address")
    }

    private func requireShape(_ operand: Operand, _ shape: [Int]) throws {
        try require(operand.layout.shape == shape, "shapes \(operand.layout.shape) and \(shape)")
    }
}

extension Operand {
    init(checking view: TensorView, _ name: String) throws {
        guard let handle = view.raw.pointee.buffer as OpaquePointer? else {
            throw BackendError(.invalid, "\(name) has no buffer")
        }
        guard let dtype = DType(rawValue: UInt8(clamping: view.raw.pointee.dtype)), !dtype.isComplex else {
            throw BackendError(.unsupported, "\(name) has dtype \(view.raw.pointee.dtype)")
        }
        try require((0...Int(CRESSET_MAX_RANK)).contains(view.rank), "\(name) has rank \(view.rank)")
        let steps = try view.strides.map { try scaled($0, by: dtype.size) }
        self.init(
            buffer: try ReferenceBuffer.of(BufferHandle.buffer(handle)), dtype: dtype,
            layout: Layout(shape: view.shape, steps: steps, origin: Int(clamping: view.raw.pointee.dl.byte_offset)))
        try checkBounds(name)
    }

    /// Every element lies within the buffer.
    func checkBounds(_ name: String) throws {
        try require(layout.shape.allSatisfy { $0 >= 0 }, "\(name) has shape \(layout.shape)")
        if layout.shape.contains(0) { return }
        var (first, last) = (layout.origin, layout.origin)
        for (size, step) in zip(layout.shape, layout.steps) {
            let reach = try scaled(size - 1, by: step)
            if reach < 0 { first = try sum(first, reach) } else { last = try sum(last, reach) }
        }
        try require(
            first >= 0 && last <= buffer.bytes.count - dtype.size,
            "\(name): bytes \(first)...\(last) of a buffer of \(buffer.bytes.count) bytes")
    }
}

/// a · b, unless it overflows.
private func scaled(_ a: Int, by b: Int) throws -> Int {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    try require(!overflow, "a stride of \(a) is too large")
    return product
}

private func sum(_ a: Int, _ b: Int) throws -> Int {
    let (sum, overflow) = a.addingReportingOverflow(b)
    try require(!overflow, "an element lies beyond all memory")
    return sum
}

/// The call broke the rule that `condition` states.
func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw BackendError(.invalid, message()) }
}

@discardableResult
func require<T>(_ value: T?, _ message: @autoclosure () -> String) throws -> T {
    guard let value else { throw BackendError(.invalid, message()) }
    return value
}
