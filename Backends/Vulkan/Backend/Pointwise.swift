import BackendKit
import CBackend
import CVulkan

/// POINTWISE: one invocation for each element.
///
/// Words: count, index of the first element, rank, sizes[12], params, then for each operand (outputs,
/// then inputs) its address and strides[12].
enum Pointwise {
    private static let sizes = 3
    private static let params = sizes + Int(CRESSET_MAX_RANK)
    static let step = 1 + Int(CRESSET_MAX_RANK)
    /// Elements in one launch at most: numbers of elements are 32-bit in the kernel.
    private static let most = 1 << 30

    static func launch(_ queue: any BackendQueue, _ call: Call) throws {
        let queue = try own(queue)
        try call.validate(inputs: 0...Int(CRESSET_MAX_INPUTS), outputs: 1...Int(CRESSET_MAX_OUTPUTS))
        let pipeline = try queue.device.pipelines.pipeline(try request(call))
        let operandCount = call.outputCount + call.inputCount
        let operands = params + call.paramCount
        let data = queue.launchData
        data.begin(operands + operandCount * step)
        var space = Space(sizes: sizes, operands: operands, operandCount: operandCount, step: step, strides: 1)
        func operand(_ k: Int) -> TensorView { k < call.outputCount ? call.output(k) : call.input(k - call.outputCount) }
        for k in 0..<operandCount { data[space.operands + k * step] = Int(bitPattern: queue.address(operand(k))) }
        let shape = call.output(0)
        for d in 0..<shape.rank {
            space.append(data, size: shape.size(d)) { operand($0).stride(d) }
        }
        if space.count == 0 { return }
        data[1] = 0
        data[2] = space.rank
        queue.write(params: call, at: params)
        try queue.launchInParts(pipeline, call, space, elementSize: { operand($0).dtype.size })
    }

    static func request(_ call: Call) throws -> KernelRequest {
        guard let program = call.program else { throw BackendError(.invalid, "a pointwise call has no program", op: call.op) }
        guard program.inputCount <= call.inputCount, program.outputCount <= call.outputCount,
            program.paramCount <= call.paramCount
        else { throw BackendError(.invalid, "the program names operands that are not there", op: call.op) }
        // Word positions depend on these counts, which may be larger than what the program uses.
        let variant = UInt64(call.paramCount) | UInt64(call.inputCount) << 16 | UInt64(call.outputCount) << 24
        let key = KernelKey(family: .pointwise, program: program.id, variant: variant)
        let (paramCount, outputCount, inputCount) = (call.paramCount, call.outputCount, call.inputCount)
        return KernelRequest(key: key, op: call.op) {
            source(program, paramCount: paramCount, outputCount: outputCount, inputCount: inputCount)
        }
    }

    /// Text that declares `i`, the element's number, and its offset `o0`, `o1`, … in every operand.
    static func position(operands: Int, count: Int) -> String {
        let names = (0..<count).map { "o\($0) = 0L" }.joined(separator: ", ")
        let steps = (0..<count).map { "o\($0) += int64_t(x) * W(\(operands + $0 * step + 1) + d);" }
        return """
                uint i = \(GLSL.group) * \(GLSL.groupSize)u + gl_LocalInvocationID.x;
                if (i >= uint(W(0))) return;
                int64_t \(names);
                uint rest = i;
                for (int d = int(W(2)) - 1; d >= 0; d--) {
                    uint x = rest;
                    if (d > 0) {
                        uint size = uint(W(\(sizes) + d));
                        rest = x / size;
                        x -= rest * size;
                    }
                    \(steps.joined(separator: "\n        "))
                }

            """
    }

    private static func source(_ program: Program, paramCount: Int, outputCount: Int, inputCount: Int) -> String {
        let operands = params + paramCount
        func address(_ k: Int, _ dtype: DType) -> String { "W(\(operands + k * step)) + o\(k) * \(dtype.size)L" }
        var stores = ""
        let statements = ProgramRenderer(GLSL.dialect).statements(
            program,
            .init(
                load: { GLSL.load($1, address(outputCount + $0, $1)) },
                param: { GLSL.param(params + $0, $1) },
                store: { output, dtype, value in
                    // After all loads: an output may be the memory of an input.
                    stores += "    " + GLSL.store(dtype, address(output, dtype), value) + "\n"
                    return ""
                }))
        return """
            layout(local_size_x = \(GLSL.groupSize)) in;
            void main() {
            \(position(operands: operands, count: outputCount + inputCount))    int64_t index = W(1) + int64_t(i);
            \(statements)\(stores)}

            """
    }
}

extension VulkanQueue {
    /// Launches a kernel of one invocation per element, halving spaces that are too large for it.
    /// The launch data is complete but for the count.
    func launchInParts(
        _ pipeline: VkPipeline?, _ call: Call, _ space: Space, elementSize: (Int) -> Int,
        report: ((Batch) -> Void)? = nil
    ) throws {
        let data = launchData
        if space.count <= 1 << 30 {
            let batch = try batch(data.count * 8)
            report?(batch)
            for k in 0..<call.inputCount { uses(call.input(k), writes: false) }
            for k in 0..<call.outputCount { uses(call.output(k), writes: true) }
            data[0] = space.count
            record(pipeline, batch, groups: (space.count + GLSL.groupSize - 1) / GLSL.groupSize)
            return
        }
        // Dimensions before the first of more than one element are done with.
        var d = 0
        while data[space.sizes + d] == 1 { d += 1 }
        let size = data[space.sizes + d]
        let first = size / 2
        let firstIndex = data[1]
        var part = space
        part.count = space.count / size * first
        data[space.sizes + d] = first
        try launchInParts(pipeline, call, part, elementSize: elementSize, report: report)
        for k in 0..<space.operandCount {
            data[space.operands + k * space.step] += first * data[space.stride(k, d)] * elementSize(k)
        }
        data[1] = firstIndex + part.count
        part.count = space.count - part.count
        data[space.sizes + d] = size - first
        try launchInParts(pipeline, call, part, elementSize: elementSize, report: report)
        for k in 0..<space.operandCount {
            data[space.operands + k * space.step] -= first * data[space.stride(k, d)] * elementSize(k)
        }
        data[1] = firstIndex
        data[space.sizes + d] = size
    }
}
