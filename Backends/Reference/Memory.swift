import BackendKit
import Glibc
import Synchronization

/// A block of ordinary memory, with what the oracle knows about the numbers in it.
final class ReferenceBuffer: BackendBuffer {
    let bytes: UnsafeMutableRawBufferPointer
    private let isHostVisible: Bool
    private let allocation: UnsafeMutableRawPointer
    /// Error bounds of the elements; used by the oracle only.
    var shadow = Shadow()

    var hostAddress: UnsafeMutableRawPointer? { isHostVisible ? bytes.baseAddress : nil }

    init(_ count: Int, isHostVisible: Bool) throws {
        let alignment = 256
        let limit = physicalMemory
        guard count >= 0 && count <= limit - alignment, let allocation = calloc(count + alignment, 1) else {
            throw BackendError(
                .outOfMemory, "\(count) bytes were asked for; the limit of one buffer is \(limit - alignment) bytes")
        }
        self.allocation = allocation
        self.isHostVisible = isHostVisible
        bytes = UnsafeMutableRawBufferPointer(
            start: allocation.alignedUp(toMultipleOf: alignment), count: count)
    }

    deinit { free(allocation) }

    /// The start of the block. Places that are added to it come from a `CheckedCall`, which has made
    /// sure that they lie inside.
    var base: UnsafeMutableRawPointer { bytes.baseAddress ?? allocation }

    /// The bytes from `offset` on, if there are `count` of them.
    func range(_ offset: Int, _ count: Int) throws -> UnsafeMutableRawBufferPointer {
        guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
            throw BackendError(
                .invalid, "\(count) bytes at offset \(offset) do not lie in a buffer of \(bytes.count) bytes")
        }
        return UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    static func of(_ buffer: any BackendBuffer) throws -> ReferenceBuffer {
        guard let own = buffer as? ReferenceBuffer else {
            throw BackendError(.invalid, "a buffer of another backend")
        }
        return own
    }
}

/// Bytes of memory this computer has.
let physicalMemory = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))

/// A failure that a kernel met, for its queue and the events recorded after it: the first of them
/// that is asked reports it, the others do not again.
final class Failure: Sendable {
    private let error: BackendError
    private let reported = Atomic(false)

    init(_ error: BackendError) { self.error = error }

    var isReported: Bool { reported.load(ordering: .acquiring) }

    func report() throws {
        if !reported.exchange(true, ordering: .acquiringAndReleasing) { throw error }
    }
}

/// A point in a queue that has been reached already.
final class ReferenceEvent: BackendEvent {
    private let failure: Failure?
    init(_ failure: Failure?) { self.failure = failure }
    func wait() throws { try failure?.report() }
}

/// A queue of a device that has finished everything it was asked. It only keeps the first failure
/// of a kernel until the host asks.
final class ReferenceQueue: BackendQueue {
    private var failure: Failure?

    func remember(_ error: BackendError) {
        if failure?.isReported ?? true { failure = Failure(error) }
    }

    func synchronize() throws { try failure?.report() }
    func record() throws -> any BackendEvent { ReferenceEvent(failure) }
    func wait(for event: any BackendEvent) throws {}

    func copyIn(_ source: UnsafeRawBufferPointer, to buffer: any BackendBuffer, at offset: Int) throws {
        let buffer = try ReferenceBuffer.of(buffer)
        try buffer.range(offset, source.count).copyMemory(from: source)
        // What comes from the host is exact.
        buffer.shadow.clear(offset..<offset + source.count)
    }

    func copyOut(_ buffer: any BackendBuffer, at offset: Int, to target: UnsafeMutableRawBufferPointer) throws {
        target.copyMemory(from: UnsafeRawBufferPointer(try ReferenceBuffer.of(buffer).range(offset, target.count)))
        try synchronize()
    }

    func copyWithin(
        from source: any BackendBuffer, at sourceOffset: Int, to target: any BackendBuffer, at targetOffset: Int,
        count: Int
    ) throws {
        let (source, target) = (try ReferenceBuffer.of(source), try ReferenceBuffer.of(target))
        try target.range(targetOffset, count)
            .copyMemory(from: UnsafeRawBufferPointer(try source.range(sourceOffset, count)))
        target.shadow.copy(sourceOffset..<sourceOffset + count, of: source.shadow, to: targetOffset)
    }
}
