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

private func recording<Result>(
    _ recorder: LaunchRecorder, _ body: () throws -> Result
) rethrows -> (Result, RecordedLaunches) {
    let state = threadState
    let previous = (layers: state.pointee.layers, recorder: state.pointee.recorder)
    state.pointee.recorder = Unmanaged.passUnretained(recorder).toOpaque()
    state.pointee.layers |= Layer.record
    defer {
        state.pointee.recorder = previous.recorder
        state.pointee.layers = previous.layers
    }
    let result = try withExtendedLifetime(recorder) { try body() }
    return (result, recorder.launches)
}

/// Launches that were recorded on one device and can be compiled ahead for another: one of each kind.
package struct RecordedLaunches {
    /// In the order in which the kinds were first seen.
    package private(set) var kinds: [LaunchKind] = []
    private var primitives: [LaunchKind: Primitive] = [:]
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
        try Self.withCalls(wanted[...], []) { calls in runtime.prepareQuietly(calls) }
    }

    /// Why `device` cannot run launches of these kinds, by what it publishes of itself: its dtypes,
    /// its instructions and what it registers; nil if nothing speaks against it.
    package func inability(_ kinds: [LaunchKind], on device: Device) -> String? {
        guard let runtime = try? device.runtime(for: "inability") else { return nil }
        return kinds.lazy.compactMap { primitives[$0]?.inability(on: runtime) }.first
    }

    /// Nests `withCall` so that all C forms are alive together.
    private static func withCalls(
        _ rest: ArraySlice<Primitive>, _ calls: [CressetCall],
        _ body: (UnsafeBufferPointer<CressetCall>) -> CressetError?
    ) throws(CressetError) {
        var failure: CressetError?
        func nest(_ rest: ArraySlice<Primitive>, _ calls: [CressetCall]) {
            guard let first = rest.first else {
                failure = calls.withUnsafeBufferPointer(body)
                return
            }
            first.withCall { nest(rest.dropFirst(), calls + [$0.pointee]) }
        }
        // Bounded nesting: each level holds a few kilobytes of stack.
        var rest = rest
        while !rest.isEmpty && failure == nil {
            nest(rest.prefix(48), [])
            rest = rest.dropFirst(48)
        }
        if let failure { throw failure }
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

extension DeviceRuntime {
    fileprivate func prepareQuietly(_ calls: UnsafeBufferPointer<CressetCall>) -> CressetError? {
        do throws(CressetError) {
            try prepare(calls, op: "prepare")
            return nil
        } catch {
            return error
        }
    }
}
