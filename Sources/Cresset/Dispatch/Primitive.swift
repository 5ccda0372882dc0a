import BackendKit
import CBackend
import CCresset
import Synchronization

/// A program together with the devices it is known to run on.
final class KernelProgram: Sendable {
    let program: Program
    /// Bit i: the device of id i can run every instruction. Bits are only ever set.
    private let admitted = Atomic<UInt64>(0)

    init(_ program: Program) { self.program = program }

    /// Throws where the device says it cannot run an instruction.
    @inline(__always)
    func check(on runtime: DeviceRuntime, op: OperatorName) throws(CressetError) {
        if !isAdmitted(on: runtime) { try admit(runtime, op) }
    }

    @inline(__always)
    func isAdmitted(on runtime: DeviceRuntime) -> Bool {
        admitted.load(ordering: .relaxed) & (1 << UInt64(runtime.device.id)) != 0
    }

    private func admit(_ runtime: DeviceRuntime, _ op: OperatorName) throws(CressetError) {
        for i in 0..<program.count {
            let instruction = program[i]
            if let why = runtime.inability(instruction) {
                throw CressetError(.unsupported, op: op.text, "\(runtime.name) cannot run it: \(why)")
            }
        }
        admitted.bitwiseOr(1 << UInt64(runtime.device.id), ordering: .relaxed)
    }
}

extension DeviceRuntime {
    /// Why an instruction cannot run here, nil if it can.
    func inability(_ instruction: Instruction) -> String? {
        switch instruction.opcode {
        case .load, .store, .narrow:
            if instruction.opcode != .narrow && !holds(instruction.dtype) && instruction.dtype != .int64
                && instruction.dtype != .bool
            {
                return "it does not hold \(instruction.dtype)"
            }
        default: break
        }
        if instruction.type == .f64 && !holds(.float64) { return "it has no float64 arithmetic" }
        if let table = info.instruction_types, Int(instruction.raw.opcode) < Int(info.instruction_count),
            table[Int(instruction.raw.opcode)] & (1 << instruction.type.rawValue) == 0
        {
            return "it has no \(instruction.opcode) for \(instruction.type)"
        }
        return nil
    }
}

/// One tensor argument of a primitive.
struct Operand {
    var storage: Storage
    var dtype: DType
    /// In elements from the start of the storage.
    var offset: Int
    var shape: Shape
    var strides: Shape

    init(_ t: Tensor) {
        storage = t.impl.storage
        dtype = t.impl.dtype
        offset = t.impl.offset
        shape = t.impl.shape
        strides = t.impl.strides
    }

    /// The tensor as seen over a larger shape: strides of 0 where it is broadcast.
    init(_ t: Tensor, broadcastTo target: Shape) {
        self.init(t)
        strides = t.impl.shape.broadcastStrides(t.impl.strides, to: target)
        shape = target
    }

    var tensor: Tensor { Tensor(storage: storage, shape: shape, strides: strides, offset: offset, dtype: dtype) }
}

extension Shape {
    /// Strides that repeat this shape over `target`, which it must broadcast to.
    func broadcastStrides(_ strides: Shape, to target: Shape) -> Shape {
        var result = Shape(repeating: 0, count: target.count)
        let lead = target.count - count
        for d in 0..<count { result[lead + d] = self[d] == 1 && target[lead + d] != 1 ? 0 : strides[d] }
        return result
    }
}

/// One launch of a primitive family, before a kernel is chosen.
struct Primitive {
    enum Attributes {
        case none
        case reduce(CressetReduceAttributes)
        case index(CressetIndexAttributes)
    }

    var family: Family
    var op: OperatorName
    var program: KernelProgram?
    var epilogue: KernelProgram?
    var params: [CressetScalar] = []
    var inputs: [Operand]
    var outputs: [Operand]
    var attributes: Attributes = .none

    /// The dtype the registry is asked for.
    var keyDType: DType { family == .scatter ? inputs[0].dtype : outputs[0].dtype }

    /// Runs it on the device of its outputs, or where the fallback policy says.
    func run() throws(CressetError) {
        if let parts = try lowered() {
            for part in parts { try part.run() }
            return
        }
        if threadState.pointee.layers & Layer.watched == 0 { return try runUnwatched() }
        LaunchRecorder.current?.note(self)
        guard let shadow = try Shadow(besides: outputs[0].storage.runtime) else { return try runUnwatched() }
        try shadow.check(self)
    }

    /// The same where nobody compares the results.
    func runUnwatched() throws(CressetError) {
        let runtime = outputs[0].storage.runtime
        if let refusals = try attempt(on: runtime) { try refuse(refusals, on: runtime) }
    }

    /// Tries the registered kernels in order. nil: done; else why each refused.
    func attempt(on runtime: DeviceRuntime) throws(CressetError) -> [String]? {
        do throws(CressetError) {
            try program?.check(on: runtime, op: op)
            try epilogue?.check(on: runtime, op: op)
        } catch {
            return [error.message]
        }
        guard let chain = runtime.kernels.chain(.family(family), keyDType) else { return [] }
        let prepared = coalesced()
        var refusals: [String] = []
        for record in chain.records {
            var failure: CressetError?
            let refusal: String? = prepared.withCall { call in
                if let why = runtime.refusal(of: record, call) { return "\(record.owner): \(why)" }
                do throws(CressetError) {
                    try runtime.launch(record, call, op: op.text)
                } catch {
                    failure = error
                }
                return nil
            }
            if let failure { throw failure }
            guard let refusal else {
                LaunchRecorder.current?.note(record)
                return nil
            }
            refusals.append(refusal)
        }
        return refusals
    }

    private func refuse(_ refusals: [String], on runtime: DeviceRuntime) throws(CressetError) {
        if let target = try Fallback.target(for: runtime) {
            Fallback.note(op: op.text, from: runtime.name, to: target.name)
            try runElsewhere(target)
            return
        }
        throw Registry.missing(
            "\(family)", .family(family), keyDType, on: runtime, op: op.text, refusals: refusals)
    }

    /// Copies the operands to `target`, runs there, and copies the outputs back.
    private func runElsewhere(_ target: DeviceRuntime) throws(CressetError) {
        var moved = self
        for i in inputs.indices { moved.inputs[i] = Operand(try inputs[i].tensor.copied(to: target, op: op.text)) }
        for i in outputs.indices { moved.outputs[i] = Operand(try outputs[i].tensor.copied(to: target, op: op.text)) }
        try moved.run()
        for i in outputs.indices {
            let back = try moved.outputs[i].tensor.copied(to: outputs[i].storage.runtime, op: op.text)
            try Copy.run(from: back, to: outputs[i].tensor, op: OperatorName("aten::copy_"))
        }
    }

    // MARK: Coalescing

    /// Dims of size 1 dropped and neighbours merged where every operand allows; only for families
    /// whose meaning does not depend on the dims themselves.
    func coalesced() -> Primitive {
        guard family == .pointwise || family == .gather || family == .scatter || family == .reduce else { return self }
        let shape = family == .scatter ? inputs[0].shape : family == .reduce ? inputs[0].shape : outputs[0].shape
        if shape.count <= 1 && shape.first != 1 { return self }
        var reduced: UInt32 = 0
        if case .reduce(let attributes) = attributes { reduced = attributes.reduced_dims }

        var result = self
        let all = inputs.count + outputs.count
        func strides(_ k: Int) -> Shape { k < inputs.count ? inputs[k].strides : outputs[k - inputs.count].strides }
        var newShape = Shape()
        var newStrides = [Shape](repeating: Shape(), count: all)
        var newReduced: UInt32 = 0
        var lastReduced = false
        for d in 0..<shape.count where shape[d] != 1 {
            let isReduced = reduced & (1 << UInt32(d)) != 0
            let last = newShape.count - 1
            var mergeable = last >= 0 && isReduced == lastReduced
            if mergeable {
                for k in 0..<all where newStrides[k][last] != strides(k)[d] * shape[d] {
                    mergeable = false
                    break
                }
            }
            if mergeable {
                newShape[last] *= shape[d]
                for k in 0..<all { newStrides[k][last] = strides(k)[d] }
            } else {
                newShape.append(shape[d])
                for k in 0..<all { newStrides[k].append(strides(k)[d]) }
                if isReduced { newReduced |= 1 << UInt32(newShape.count - 1) }
                lastReduced = isReduced
            }
        }
        for i in inputs.indices {
            result.inputs[i].shape = newShape
            result.inputs[i].strides = newStrides[i]
        }
        for i in outputs.indices {
            result.outputs[i].shape = newShape
            result.outputs[i].strides = newStrides[inputs.count + i]
        }
        if case .reduce(var attributes) = attributes {
            attributes.reduced_dims = newReduced
            result.attributes = .reduce(attributes)
        }
        return result
    }

    // MARK: The C form

    /// Calls `body` with the C structs, which are valid during it.
    func withCall<Result>(_ body: (UnsafePointer<CressetCall>) -> Result) -> Result {
        let count = inputs.count + outputs.count
        return withUnsafeTemporaryAllocation(of: CressetTensor.self, capacity: max(count, 1)) { tensors in
            withUnsafeTemporaryAllocation(of: Int64.self, capacity: max(count, 1) * 2 * maxRank) { numbers in
                for k in 0..<count {
                    let operand = k < inputs.count ? inputs[k] : outputs[k - inputs.count]
                    // Each operand owns 2·maxRank numbers of the scratch: sizes, then strides.
                    let sizes = numbers.baseAddress.unsafelyUnwrapped + k * 2 * maxRank
                    let strides = sizes + maxRank
                    for d in 0..<operand.shape.count {
                        sizes[d] = Int64(operand.shape[d])
                        strides[d] = Int64(operand.strides[d])
                    }
                    (tensors.baseAddress.unsafelyUnwrapped + k).initialize(to: operand.raw(sizes, strides))
                }
                return withAttributes { attributes in
                    params.withUnsafeBufferPointer { params in
                        var call = CressetCall()
                        call.struct_size = UInt32(MemoryLayout<CressetCall>.size)
                        call.family = family.rawValue
                        call.input_count = UInt32(inputs.count)
                        call.output_count = UInt32(outputs.count)
                        call.inputs = UnsafePointer(tensors.baseAddress)
                        call.outputs = tensors.baseAddress.map { UnsafePointer($0 + inputs.count) }
                        call.program = program?.program.raw
                        call.epilogue = epilogue?.program.raw
                        call.params = params.baseAddress
                        call.param_count = UInt32(params.count)
                        call.attributes = attributes
                        call.op = op.cString
                        return withUnsafePointer(to: &call, body)
                    }
                }
            }
        }
    }

    private func withAttributes<Result>(_ body: (UnsafeRawPointer?) -> Result) -> Result {
        switch attributes {
        case .none: body(nil)
        case .reduce(let value): withUnsafeBytes(of: value) { body($0.baseAddress) }
        case .index(let value): withUnsafeBytes(of: value) { body($0.baseAddress) }
        }
    }
}

extension Operand {
    /// The ABI's form over scratch memory for sizes and strides.
    @inline(__always)
    func raw(_ sizes: UnsafePointer<Int64>, _ strides: UnsafePointer<Int64>) -> CressetTensor {
        CressetTensor(
            struct_size: UInt32(MemoryLayout<CressetTensor>.size), dtype: UInt32(dtype.rawValue),
            dl: CressetDLTensor(
                data: storage.host, device: CressetDLDevice(device_type: 0, device_id: 0),
                ndim: Int32(shape.count), dtype: dtype.dlpack, shape: sizes, strides: strides,
                byte_offset: UInt64(offset * dtype.size)),
            buffer: storage.buffer, buffer_bytes: UInt64(storage.bytes))
    }
}
