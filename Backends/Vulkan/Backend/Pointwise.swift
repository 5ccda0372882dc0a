import BackendKit
import CBackend
import CVulkan

/// POINTWISE: one invocation for each element.
enum Pointwise {
    /// The words of a launch, which GATHER shares: the ones read most come first.
    struct Layout {
        static let count = 0
        /// Of the first element.
        static let index = 1
        /// Rank of the space, or -1: every operand has stride 1 or, if its bit in `mask` is 0, 0.
        static let rank = 2
        static let mask = 3
        static let addresses = 4
        var operandCount: Int
        /// Words of the family's own.
        var extraCount: Int

        var extra: Int { Self.addresses + operandCount }
        var sizes: Int { extra + extraCount }
        var strides: Int { sizes + Int(CRESSET_MAX_RANK) }
        var end: Int { strides + operandCount * Int(CRESSET_MAX_RANK) }
        var space: Space {
            Space(sizes: sizes, strides: strides, step: Int(CRESSET_MAX_RANK), operandCount: operandCount)
        }

        /// Text that declares `i`, the element's number, and its offset `o0`, `o1`, … in every operand.
        var position: String {
            let operands = 0..<operandCount
            let names = operands.map { "o\($0) = 0L" }.joined(separator: ", ")
            let flat = operands.map { "o\($0) = (mask & \(1 << $0)u) != 0u ? int64_t(i) : 0L;" }
            let steps = operands.map { "o\($0) += int64_t(x) * W(\(strides + $0 * Int(CRESSET_MAX_RANK)) + d);" }
            return """
                    uint i = \(GLSL.group) * \(GLSL.groupSize)u + gl_LocalInvocationID.x;
                    if (i >= uint(H(\(Self.count)))) return;
                    int rank = int(H(\(Self.rank)));
                    int64_t \(names);
                    if (shape == 1 || (shape == 0 && rank < 0)) {
                        uint mask = uint(H(\(Self.mask)));
                        \(flat.joined(separator: "\n            "))
                    } else {
                        uint rest = i;
                        for (int d = rank - 1; d >= 0; d--) {
                            uint x = rest;
                            if (d > 0) {
                                uint size = uint(W(\(sizes) + d));
                                rest = x / size;
                                x -= rest * size;
                            }
                            \(steps.joined(separator: "\n                "))
                        }
                    }

                """
        }

        /// Address of the element of operand k.
        func address(_ k: Int, _ dtype: DType, _ offset: String? = nil) -> String {
            "\(GLSL.word(Self.addresses + k)) + \(offset ?? "o\(k)") * \(dtype.size)L"
        }
    }

    static func launch(_ queue: any BackendQueue, _ call: Call) throws {
        let queue = try own(queue)
        try call.validate(inputs: 0...Int(CRESSET_MAX_INPUTS), outputs: 1...Int(CRESSET_MAX_OUTPUTS))
        let program = try program(call)
        let layout = Layout(operandCount: call.outputCount + call.inputCount, extraCount: call.paramCount)
        let data = queue.launchData
        data.begin(layout.end)
        queue.write(params: call, at: layout.extra)
        func operand(_ k: Int) -> TensorView {
            k < call.outputCount ? call.output(k) : call.input(k - call.outputCount)
        }
        try queue.launchElements(
            key(call, program), { request(call, program) }, call, layout, operand: operand, report: { _ in })
    }

    private static func program(_ call: Call) throws -> Program {
        guard let program = call.program else {
            throw BackendError(.invalid, "a pointwise call has no program", op: call.op)
        }
        guard program.inputCount <= call.inputCount, program.outputCount <= call.outputCount,
            program.paramCount <= call.paramCount
        else { throw BackendError(.invalid, "the program names operands that are not there", op: call.op) }
        return program
    }

    /// Positions of words depend on the call's counts, which may be larger than what the program uses.
    private static func key(_ call: Call, _ program: Program) -> KernelKey {
        KernelKey(
            family: .pointwise, program: program.id,
            variant: UInt64(call.paramCount) | UInt64(call.inputCount) << 16 | UInt64(call.outputCount) << 24)
    }

    static func request(_ call: Call) throws -> KernelRequest { request(call, try program(call)) }

    private static func request(_ call: Call, _ program: Program) -> KernelRequest {
        let layout = Layout(operandCount: call.outputCount + call.inputCount, extraCount: call.paramCount)
        let outputCount = call.outputCount
        return KernelRequest(key: key(call, program), op: call.op) { source(program, layout, outputCount) }
    }

    private static func source(_ program: Program, _ layout: Layout, _ outputCount: Int) -> String {
        var stores = ""
        let statements = ProgramRenderer(GLSL.dialect).statements(
            program,
            .init(
                load: { GLSL.load($1, layout.address(outputCount + $0, $1)) },
                param: { GLSL.param(layout.extra + $0, $1) },
                store: { output, dtype, value in
                    // After all loads: an output may be the memory of an input.
                    stores += "    " + GLSL.store(dtype, layout.address(output, dtype), value) + "\n"
                    return ""
                }))
        return """
            layout(local_size_x = \(GLSL.groupSize)) in;
            void main() {
            \(layout.position)    int64_t index = H(\(Layout.index)) + int64_t(i);
            \(statements)\(stores)}

            """
    }
}

extension VulkanQueue {
    /// Elements in one launch at most: numbers of elements are 32-bit in kernels.
    private static let mostElements = 1 << 30

    /// Launches a kernel of one invocation for each element of the shape of operand 0. Words of the family's
    /// own are written already; `report` is called for each batch that a part goes to.
    func launchElements(
        _ key: KernelKey, _ request: () -> KernelRequest, _ call: Call, _ layout: Pointwise.Layout,
        operand: (Int) -> TensorView, report: (Batch) -> Void
    ) throws {
        let data = launchData
        let operands = layout.operandCount
        var space = layout.space
        for k in 0..<operands { data[Pointwise.Layout.addresses + k] = Int(bitPattern: address(operand(k))) }
        let shape = operand(0)
        for d in 0..<shape.rank { space.append(data, size: shape.size(d)) { operand($0).stride(d) } }
        if space.count == 0 { return }
        data[Pointwise.Layout.index] = 0
        data[Pointwise.Layout.rank] = space.rank
        data[Pointwise.Layout.mask] = 0
        var isFlat = space.rank <= 1
        if isFlat {
            var mask = 0
            for k in 0..<(space.rank == 0 ? 0 : operands) {
                let stride = data[space.stride(k, 0)]
                if stride == 1 { mask |= 1 << k } else if stride != 0 { isFlat = false }
            }
            if isFlat {
                data[Pointwise.Layout.rank] = -1
                data[Pointwise.Layout.mask] = mask
            }
        }
        var key = key
        if device.isSoftware { key.shape = isFlat ? .flat : .strided }
        let pipeline = try device.pipelines.pipeline(key, request)
        try launchInParts(pipeline, call, space, elementSize: { operand($0).dtype.size }, report: report)
    }

    /// Halves spaces that are too large for one launch.
    private func launchInParts(
        _ pipeline: VkPipeline?, _ call: Call, _ space: Space, elementSize: (Int) -> Int, report: (Batch) -> Void
    ) throws {
        let data = launchData
        if space.count <= Self.mostElements {
            let batch = try batch(data.count * 8)
            report(batch)
            for k in 0..<call.inputCount { uses(call.input(k), writes: false) }
            for k in 0..<call.outputCount { uses(call.output(k), writes: true) }
            data[Pointwise.Layout.count] = space.count
            record(pipeline, batch, groups: (space.count + GLSL.groupSize - 1) / GLSL.groupSize)
            return
        }
        // Dimensions before the first of more than one element are done with.
        var d = 0
        while data[space.sizes + d] == 1 { d += 1 }
        let size = data[space.sizes + d]
        let first = size / 2
        let firstIndex = data[Pointwise.Layout.index]
        func move(_ elements: Int) {
            for k in 0..<space.operandCount {
                data[Pointwise.Layout.addresses + k] += elements * data[space.stride(k, d)] * elementSize(k)
            }
        }
        var part = space
        part.count = space.count / size * first
        data[space.sizes + d] = first
        try launchInParts(pipeline, call, part, elementSize: elementSize, report: report)
        move(first)
        data[Pointwise.Layout.index] = firstIndex + part.count
        part.count = space.count - part.count
        data[space.sizes + d] = size - first
        try launchInParts(pipeline, call, part, elementSize: elementSize, report: report)
        move(-first)
        data[Pointwise.Layout.index] = firstIndex
        data[space.sizes + d] = size
    }
}
