import BackendKit
import CPUKernels
import Synchronization

/// An error on its way to the host: the queue and its events share it, and one of them throws it.
final class Failure: Sendable {
    private let error: BackendError
    private let isReported = Atomic(false)

    init(_ error: BackendError) { self.error = error }

    func report() throws {
        if !isReported.exchange(true, ordering: .relaxed) { throw error }
    }
}

/// A queue of the processor. Work is done when its launch returns, so all it has to keep is the
/// handle under which the kernels remember index errors.
final class ProcessorQueue: BackendQueue {
    private var handle: OpaquePointer?
    private var failure: Failure?

    func adopt(handle: OpaquePointer) { self.handle = handle }

    deinit { collect() }

    /// Takes over what the kernels remembered, if anything.
    private func collect() {
        if let error = BackendError(consuming: cpu_take_error(handle)) { failure = Failure(error) }
    }

    private func block(_ buffer: any BackendBuffer) throws -> Block {
        guard let block = buffer as? Block else { throw BackendError(.invalid, "a buffer of another backend") }
        return block
    }

    func copyIn(_ source: UnsafeRawBufferPointer, to buffer: any BackendBuffer, at offset: Int) throws {
        let target = try block(buffer).range(offset, source.count)
        if let base = source.baseAddress { cpu_copy(target, base, UInt64(source.count)) }
    }

    func copyOut(_ buffer: any BackendBuffer, at offset: Int, to target: UnsafeMutableRawBufferPointer) throws {
        try synchronize()
        let source = try block(buffer).range(offset, target.count)
        if let base = target.baseAddress { cpu_copy(base, source, UInt64(target.count)) }
    }

    func copyWithin(
        from source: any BackendBuffer, at sourceOffset: Int, to target: any BackendBuffer, at targetOffset: Int,
        count: Int
    ) throws {
        let from = try block(source).range(sourceOffset, count)
        let to = try block(target).range(targetOffset, count)
        cpu_copy(to, from, UInt64(count))
    }

    func synchronize() throws {
        collect()
        guard let failure else { return }
        self.failure = nil
        try failure.report()
    }

    /// Everything before it is done; errors so far may arrive with it.
    func record() throws -> any BackendEvent {
        collect()
        return ProcessorEvent(failure: failure)
    }

    func wait(for event: any BackendEvent) throws {}
}

/// A point that was passed before it was recorded.
final class ProcessorEvent: BackendEvent {
    private let failure: Failure?

    init(failure: Failure?) { self.failure = failure }

    func wait() throws { try failure?.report() }
}
