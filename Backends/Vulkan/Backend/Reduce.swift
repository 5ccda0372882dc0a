import BackendKit
import CBackend
import CVulkan

/// REDUCE: some invocations of a workgroup share an output; a long reduction with few outputs is split
/// among workgroups, whose partial states a second launch of the same kernel combines.
///
/// The order is fixed by the sizes alone, and float sums carry what rounding dropped, so the result is
/// the same each time and accurate at any length.
enum Reduce {
    /// The words of a launch.
    enum Word {
        static let outputs = 0
        static let length = 1
        static let keptRank = 2
        static let reducedRank = 3
        static let threads = 4
        static let outputGroups = 5
        static let splits = 6
        static let splitLength = 7
        static let lanesAlong = 8
        static let from = 9
        static let to = 10
        static let wide = 11
        static let keptSizes = 12
        static let reducedSizes = keptSizes + Int(CRESSET_MAX_RANK)
        static let params = reducedSizes + Int(CRESSET_MAX_RANK)
        /// Of an operand: address, strides of kept dims, strides of reduced dims.
        static let step = 1 + 2 * Int(CRESSET_MAX_RANK)
        static let kept = 1
        static let reduced = 1 + Int(CRESSET_MAX_RANK)
    }

    static func launch(_ queue: any BackendQueue, _ call: Call) throws {
        let queue = try own(queue)
        try call.validate(inputs: 0...Int(CRESSET_MAX_INPUTS), outputs: 1...Int(CRESSET_MAX_OUTPUTS))
        let accumulators = try accumulators(call)
        var key = try key(call, accumulators)
        let attributes = call.reduction
        let data = queue.launchData
        // Operands: outputs, inputs, and the index as if it had an address of 0.
        let operandCount = call.outputCount + call.inputCount + 1
        let operands = Word.params + call.paramCount
        data.begin(operands + operandCount * Word.step)
        func operand(_ k: Int) -> TensorView {
            k < call.outputCount ? call.output(k) : call.input(k - call.outputCount)
        }
        for k in 0..<operandCount - 1 { data[operands + k * Word.step] = Int(bitPattern: queue.address(operand(k))) }
        data[operands + (operandCount - 1) * Word.step] = 0
        var kept = Space(
            sizes: Word.keptSizes, strides: operands + Word.kept, step: Word.step, operandCount: operandCount)
        var reduced = Space(
            sizes: Word.reducedSizes, strides: operands + Word.reduced, step: Word.step, operandCount: operandCount)
        let shape = call.inputCount > 0 ? call.input(0) : call.output(0)
        var inner = 1
        for d in 0..<shape.rank { inner *= max(shape.size(d), 1) }
        for d in 0..<shape.rank {
            inner /= max(shape.size(d), 1)
            let stride = { (k: Int) in k == operandCount - 1 ? inner : operand(k).stride(d) }
            if attributes.isReduced(d) {
                reduced.append(data, size: shape.size(d), stride: stride)
            } else {
                kept.append(data, size: shape.size(d), stride: stride)
            }
        }
        if kept.count == 0 { return }
        if queue.device.isSoftware { key.shape = reduced.rank <= 1 ? .flat : .strided }
        let pipeline = try queue.device.pipelines.pipeline(key) { try request(call) }
        queue.write(params: call, at: Word.params)
        data[Word.outputs] = kept.count
        data[Word.keptRank] = kept.rank
        data[Word.reducedRank] = reduced.rank
        data[Word.wide] = kept.count >> 32 != 0 || reduced.count >> 32 != 0 ? 1 : 0

        let group = groupSize(accumulators)
        // Neighbouring invocations read neighbouring elements: along the reduction where its step is the shorter.
        let along = data[operands + call.outputCount * Word.step + Word.reduced + max(reduced.rank - 1, 0)]
        let across = data[operands + call.outputCount * Word.step + Word.kept + max(kept.rank - 1, 0)]
        let lanesAlong =
            call.inputCount == 0 || kept.rank == 0 || (reduced.rank > 0 && along.magnitude <= across.magnitude)
        let plan = Plan(
            outputs: kept.count, length: reduced.count, group: group, lanesAlong: lanesAlong, queue.device,
            // Programs may loop too, remainders for instance.
            longest: queue.device.loopBudget / (4 + reduced.rank) / 4)
        data[Word.lanesAlong] = lanesAlong ? 1 : 0
        data[Word.from] = 0
        data[Word.to] = 0

        let scratchBytes = plan.splits > 1 ? kept.count * plan.splits * accumulators.count * 16 : 0
        let scratch = try scratchBytes > 0 ? queue.scratch(scratchBytes) : nil
        func record(_ threads: Int, _ splits: Int, _ length: Int) throws {
            let outputGroups = (kept.count + group / threads - 1) / (group / threads)
            guard outputGroups * splits < 1 << 32 else {
                throw BackendError(.unsupported, "a reduction with \(kept.count) outputs", op: call.op)
            }
            data[Word.length] = length
            data[Word.threads] = threads
            data[Word.outputGroups] = outputGroups
            data[Word.splits] = splits
            data[Word.splitLength] = max((length + splits - 1) / splits, 1)
            let batch = try queue.batch(data.count * 8)
            for k in 0..<call.inputCount { queue.uses(call.input(k), writes: false) }
            for k in 0..<call.outputCount { queue.uses(call.output(k), writes: true) }
            if let scratch { queue.uses(scratch.raw.address, UInt64(scratchBytes), writes: data[Word.to] != 0) }
            queue.record(pipeline, batch, groups: outputGroups * splits)
        }
        if let scratch {
            data[Word.to] = Int(bitPattern: UInt(scratch.raw.address))
            try record(plan.threads, plan.splits, reduced.count)
            data[Word.from] = data[Word.to]
            data[Word.to] = 0
            data[Word.lanesAlong] = 1
            var threads = 1
            while threads < group && threads * 4 < plan.splits { threads *= 2 }
            try record(threads, 1, plan.splits)
        } else {
            try record(plan.threads, 1, reduced.count)
        }
    }

    /// How a reduction is divided.
    private struct Plan {
        /// Invocations for each output, a power of two.
        var threads = 1
        var splits = 1

        /// `longest`: iterations of one invocation.
        init(outputs: Int, length: Int, group: Int, lanesAlong: Bool, _ device: VulkanDevice, longest: Int) {
            let isSoftware = device.isSoftware
            // A processor needs a few vectors of work for each core, a GPU tens of thousands of invocations.
            let wanted = isSoftware ? 512 : 1 << 17
            let shortest = isSoftware ? 64 : 4
            while threads < group && outputs * threads < wanted && length / threads >= 2 * shortest { threads *= 2 }
            // Rows of a matrix: at least a subgroup reads side by side.
            if lanesAlong && !isSoftware {
                while threads < min(group, 32) && length / threads >= 4 { threads *= 2 }
            }
            if threads == group && outputs * group < wanted {
                let useful = length / (group * (isSoftware ? 256 : 16))
                splits = max(1, min(wanted / (outputs * group), useful, 1024))
            }
            splits = max(splits, (length / threads + longest - 1) / longest)
        }
    }

    // MARK: The kernel

    /// One accumulator.
    struct Accumulator {
        var index: Int
        var kind: Reduction
        /// Of the values it is fed.
        var type: ArithmeticType
        /// Sums of floats carry their rounding error, argmax and argmin the place.
        var second: ArithmeticType? {
            if kind.isArgument { return .i64 }
            return kind == .sum && type.isFloat ? type : nil
        }
        var result: ArithmeticType { kind.isArgument ? .i64 : type }
        var bytes: Int { type.dtype.size + (second?.dtype.size ?? 0) }
    }

    static func accumulators(_ call: Call) throws -> [Accumulator] {
        guard let program = call.program, call.epilogue != nil else {
            throw BackendError(.invalid, "a reduction without its programs", op: call.op)
        }
        let attributes = call.reduction
        guard (1...UInt32(CRESSET_MAX_OUTPUTS)).contains(attributes.accumulator_count) else {
            throw BackendError(.invalid, "\(attributes.accumulator_count) accumulators", op: call.op)
        }
        var types = [ArithmeticType?](repeating: nil, count: Int(attributes.accumulator_count))
        for i in 0..<program.count where program[i].opcode == .store && program[i].b < types.count {
            types[program[i].b] = program[i].type
        }
        return try types.enumerated().map { k, type in
            guard let type else { throw BackendError(.invalid, "accumulator \(k) is never fed", op: call.op) }
            return Accumulator(index: k, kind: attributes.kind(k), type: type)
        }
    }

    /// Invocations in a workgroup, as many as have room in its shared memory.
    private static func groupSize(_ accumulators: [Accumulator]) -> Int {
        accumulators.reduce(0) { $0 + $1.bytes } > 60 ? 128 : 256
    }

    private static func key(_ call: Call, _ accumulators: [Accumulator]) throws -> KernelKey {
        guard let program = call.program, let epilogue = call.epilogue else {
            throw BackendError(.invalid, "a reduction without its programs", op: call.op)
        }
        guard program.inputCount <= call.inputCount, epilogue.outputCount <= call.outputCount,
            max(program.paramCount, epilogue.paramCount) <= call.paramCount, epilogue.inputCount <= accumulators.count
        else { throw BackendError(.invalid, "a program names operands that are not there", op: call.op) }
        var variant = UInt64(call.paramCount) | UInt64(call.inputCount) << 9 | UInt64(call.outputCount) << 14
        for accumulator in accumulators {
            variant |= UInt64(accumulator.kind.rawValue + 1) << UInt64(20 + 4 * accumulator.index)
        }
        return KernelKey(family: .reduce, program: program.id, epilogue: epilogue.id, variant: variant)
    }

    static func request(_ call: Call) throws -> KernelRequest {
        let accumulators = try accumulators(call)
        let key = try key(call, accumulators)
        guard let program = call.program, let epilogue = call.epilogue else {
            throw BackendError(.invalid, "a reduction without its programs", op: call.op)
        }
        let (paramCount, inputCount, outputCount) = (call.paramCount, call.inputCount, call.outputCount)
        return KernelRequest(key: key, op: call.op) {
            ReduceSource(
                prologue: program, epilogue: epilogue, accumulators: accumulators, group: groupSize(accumulators),
                paramCount: paramCount, outputCount: outputCount, inputCount: inputCount
            ).text
        }
    }
}
