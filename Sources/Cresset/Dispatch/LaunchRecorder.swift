import BackendKit
import CBackend
import CCresset

/// One entry of a device's registry.
package struct KernelID: Hashable, Sendable {
    /// "pointwise", or the operation of an override.
    package var key: String
    package var dtype: DType
    package var priority: Int

    package init(key: String, dtype: DType, priority: Int) {
        self.key = key
        self.dtype = dtype
        self.priority = priority
    }
}

/// What launches have in common that one compiled kernel can serve.
package struct LaunchKind: Hashable, Sendable {
    fileprivate var numbers: [Int]
}

/// Listens to the launches of one thread.
final class LaunchRecorder {
    fileprivate var launches = RecordedLaunches()
    /// False to hear of kernels only: a launch that is kept keeps its tensors' memory.
    private let keepsLaunches: Bool

    fileprivate init(keepsLaunches: Bool) { self.keepsLaunches = keepsLaunches }

    /// The recorder of this thread, while one listens.
    @inline(__always)
    static var current: LaunchRecorder? {
        let state = threadState
        guard state.pointee.layers & Layer.record != 0, let recorder = state.pointee.recorder else { return nil }
        return Unmanaged<LaunchRecorder>.fromOpaque(recorder).takeUnretainedValue()
    }

    /// A launch that is wanted.
    func note(_ primitive: Primitive) {
        launches.work.add(primitive)
        if keepsLaunches { launches.insert(primitive.coalesced()) }
    }

    /// The kernel that took it.
    func note(_ record: KernelRecord) {
        launches.kernels.insert(
            KernelID(key: record.key.description, dtype: record.dtype, priority: record.priority))
    }
}

/// What `body` launches; it runs as usual.
package func recordingLaunches<Result>(_ body: () throws -> Result) rethrows -> (Result, RecordedLaunches) {
    try recording(LaunchRecorder(keepsLaunches: true), body)
}

/// The kernels that `body` runs.
package func recordingKernels<Result>(_ body: () throws -> Result) rethrows -> (Result, Set<KernelID>) {
    let (result, launches) = try recording(LaunchRecorder(keepsLaunches: false), body)
    return (result, launches.kernels)
}

/// How much work `body` launches by primitives.
package func recordingWork<Result>(_ body: () throws -> Result) rethrows -> (Result, LaunchWork) {
    let (result, launches) = try recording(LaunchRecorder(keepsLaunches: false), body)
    return (result, launches.work)
}

private func recording<Result>(
    _ recorder: LaunchRecorder, _ body: () throws -> Result
) rethrows -> (Result, RecordedLaunches) {
    let state = threadState
    let previous = state.pointee.recorder
    state.pointee.recorder = Unmanaged.passUnretained(recorder).toOpaque()
    defer { state.pointee.recorder = previous }
    let result = try withExtendedLifetime(recorder) { try withLayer(Layer.record, true, body) }
    return (result, recorder.launches)
}

/// Launches that were recorded on one device and can be compiled ahead for another: one of each kind.
package struct RecordedLaunches {
    /// In the order in which the kinds were first seen.
    package private(set) var kinds: [LaunchKind] = []
    private var primitives: [LaunchKind: Primitive] = [:]
    fileprivate var work = LaunchWork()
    /// The kernels that did the work.
    package fileprivate(set) var kernels: Set<KernelID> = []

    package init() {}

    package var isEmpty: Bool { kinds.isEmpty }

    fileprivate mutating func insert(_ primitive: Primitive) {
        let kind = primitive.kind
        if primitives.updateValue(primitive, forKey: kind) == nil { kinds.append(kind) }
    }

    package mutating func formUnion(_ other: RecordedLaunches) {
        for kind in other.kinds where primitives[kind] == nil {
            primitives[kind] = other.primitives[kind]
            kinds.append(kind)
        }
        kernels.formUnion(other.kernels)
    }

    /// Compiles on `device` the kernels that launches of these kinds will need, together; kinds it
    /// cannot run are left out.
    package func prepare(_ kinds: [LaunchKind], on device: Device) throws(CressetError) {
        let runtime = try device.runtime(for: "prepare")
        let wanted = kinds.compactMap { primitives[$0] }.filter { $0.inability(on: runtime) == nil }
        let copies = CallCopies()
        for primitive in wanted { primitive.withCall(copies.append) }
        try copies.withCalls { calls throws(CressetError) in try runtime.prepare(calls, op: "prepare") }
    }

    /// Why `device` cannot run launches of these kinds, by what it publishes of itself: its dtypes,
    /// its instructions and what it registers; nil if nothing speaks against it.
    package func inability(_ kinds: [LaunchKind], on device: Device) -> String? {
        guard let runtime = try? device.runtime(for: "inability") else { return nil }
        return kinds.lazy.compactMap { primitives[$0]?.inability(on: runtime) }.first
    }
}

extension RecordedLaunches {
    /// True where launches of these kinds say of every zero that they give which sign it has: sums
    /// may begin with either, and MIN and MAX of both may give either.
    package func defineZeros(_ kinds: [LaunchKind]) -> Bool {
        kinds.allSatisfy { primitives[$0]?.definesZeros ?? false }
    }
}

extension Primitive {
    /// True where it says of every zero that it gives which sign that has.
    var definesZeros: Bool {
        if family == .gather { return true }
        guard family == .pointwise, let program = program?.program else { return false }
        return (0..<program.count).allSatisfy { program[$0].opcode != .min && program[$0].opcode != .max }
    }
}

/// C forms of many calls that are alive together.
private final class CallCopies {
    private var calls: [CressetCall] = []
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit { for block in blocks { block.deallocate() } }

    func withCalls(_ body: (UnsafeBufferPointer<CressetCall>) throws(CressetError) -> Void) throws(CressetError) {
        let result = calls.withUnsafeBufferPointer { calls in
            Swift.Result { () throws(CressetError) in try body(calls) }
        }
        try result.get()
    }

    /// Copies what a call points to; buffers, programs and names outlive it anyway.
    func append(_ call: UnsafePointer<CressetCall>) {
        var copy = call.pointee
        copy.inputs = tensors(copy.inputs, copy.input_count)
        copy.outputs = tensors(copy.outputs, copy.output_count)
        copy.params = copied(copy.params, Int(copy.param_count))
        if let attributes = copy.attributes {
            // Every struct of attributes begins with its size.
            let size = Int(attributes.load(as: UInt32.self))
            copy.attributes = UnsafeRawPointer(
                copied(attributes.assumingMemoryBound(to: UInt8.self), size))
        }
        calls.append(copy)
    }

    private func tensors(_ source: UnsafePointer<CressetTensor>?, _ count: UInt32) -> UnsafePointer<CressetTensor>? {
        guard let source, count > 0 else { return nil }
        let block = UnsafeMutablePointer<CressetTensor>.allocate(capacity: Int(count))
        blocks.append(UnsafeMutableRawPointer(block))
        for i in 0..<Int(count) {
            var tensor = source[i]
            tensor.dl.shape = copied(tensor.dl.shape, Int(tensor.dl.ndim))
            tensor.dl.strides = copied(tensor.dl.strides, Int(tensor.dl.ndim))
            (block + i).initialize(to: tensor)
        }
        return UnsafePointer(block)
    }

    private func copied<Word>(_ source: UnsafePointer<Word>?, _ count: Int) -> UnsafePointer<Word>? {
        guard let source, count > 0 else { return nil }
        // C structs and numbers, so their bytes are all there is to copy; aligned for the widest word.
        let block = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Word>.stride, alignment: 16)
        block.copyMemory(from: source, byteCount: count * MemoryLayout<Word>.stride)
        blocks.append(block)
        return UnsafePointer(block.bindMemory(to: Word.self, capacity: count))
    }
}

extension Primitive {
    /// Programs, dtypes, and of the geometry what kernels are chosen by.
    fileprivate var kind: LaunchKind {
        var numbers = [Int(family.rawValue), program?.program.id ?? -1, epilogue?.program.id ?? -1]
        for operand in inputs + outputs {
            var layout = operand.shape.isContiguous(operand.strides) ? 1 : 0
            for (d, stride) in operand.strides.enumerated() where stride == 0 { layout |= 2 << d }
            numbers += [Int(operand.dtype.rawValue), operand.shape.count, layout]
        }
        switch attributes {
        case .none: if family == .matmul { numbers += Array(inputs[0].shape) + Array(outputs[0].shape) }
        case .reduce(let a):
            numbers += [Int(a.reduced_dims), Int(a.kinds.0)]
            numbers += inputs[0].shape
        case .index(let a): numbers += [Int(a.index_count), Int(a.reduce)]
        }
        return LaunchKind(numbers: numbers)
    }

    /// Why the device cannot run it, by what it publishes; nil if nothing speaks against it.
    fileprivate func inability(on runtime: DeviceRuntime) -> String? {
        for operand in inputs + outputs where !runtime.holds(operand.dtype) {
            return "\(runtime.name) does not hold \(operand.dtype)"
        }
        do throws(CressetError) {
            try program?.check(on: runtime, op: op)
            try epilogue?.check(on: runtime, op: op)
        } catch {
            return error.message
        }
        if runtime.kernels.chain(.family(family), keyDType) == nil {
            return "\(runtime.name) registers no \(family) for \(keyDType)"
        }
        return nil
    }
}
