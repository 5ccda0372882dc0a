import BackendKit
import COpenCL
import Synchronization

/// Out-of-range indices of a queue's gathers and scatters: kernels write the first one they meet to a
/// small device buffer, and whoever waits for them reads it.
///
/// Words of the buffer: 0 is nonzero once there is an error; 1 the number of the launch, 2 the index,
/// 3 the size, 4 which index tensor, 5 the element, as `text` in `Gather` writes them.
final class IndexErrors {
    static let words = 6

    /// What launches are called, by number, and which errors were thrown already. Shared with events,
    /// which other threads wait for.
    final class Ledger: Sendable {
        struct Launch: @unchecked Sendable {
            var op: UnsafePointer<CChar>?
            var site: UInt64
        }
        struct State {
            var first = 1
            /// The names live as long as the process.
            var launches: [Launch] = []
            var reported = 0
        }
        let state = Mutex(State())

        /// The error in these words, unless there is none or it was thrown before.
        func error(_ words: UnsafeMutablePointer<Int>) -> BackendError? {
            guard words[0] != 0 else { return nil }
            let number = words[1]
            return state.withLock { state in
                guard number > state.reported else { return nil }
                state.reported = number
                let place = number - state.first
                let known = state.launches.indices.contains(place)
                return BackendError(
                    .index,
                    "index \(words[2]) is out of range for a dimension of size \(words[3]) "
                        + "(index tensor \(words[4]), element \(words[5]) in row-major order)",
                    op: known ? state.launches[place].op.map { String(cString: $0) } : nil,
                    site: known ? state.launches[place].site : 0)
            }
        }
    }

    private let cl: OpenCL
    private let queue: cl_command_queue
    private let buffer: OpenCLBuffer
    private let ledger = Ledger()
    private let host: UnsafeMutablePointer<Int>
    /// Launches that may have written since the buffer was last read.
    private var unread = 0

    init(_ device: OpenCLDevice, _ queue: cl_command_queue) throws {
        cl = device.cl
        self.queue = queue
        buffer = try OpenCLBuffer(device, bytes: Self.words * 8)
        host = .allocate(capacity: Self.words)
        host.initialize(repeating: 0, count: Self.words)
        do { try clear() } catch {
            host.deallocate()
            throw error
        }
    }

    deinit { host.deallocate() }

    private func clear() throws {
        host.update(repeating: 0, count: Self.words)
        try cl.check(
            cl.api.clEnqueueWriteBuffer(
                queue, buffer.memory, cl_bool(CL_TRUE), 0, Self.words * 8, host, 0, nil, nil),
            "clEnqueueWriteBuffer")
    }

    /// Announces a launch that checks indices; its number goes into the blob.
    func register(_ call: Call) -> (memory: cl_mem, number: Int) {
        unread += 1
        let launch = Ledger.Launch(op: call.raw.pointee.op, site: call.site)
        let number = ledger.state.withLock { state in
            state.launches.append(launch)
            return state.first + state.launches.count - 1
        }
        return (buffer.memory, number)
    }

    /// Waits for the launches so far and throws what they found, once.
    func throwAndClear() throws {
        guard unread > 0 else { return }
        try cl.check(
            cl.api.clEnqueueReadBuffer(queue, buffer.memory, cl_bool(CL_TRUE), 0, Self.words * 8, host, 0, nil, nil),
            "clEnqueueReadBuffer")
        unread = 0
        let found = host[0] != 0
        let error = ledger.error(host)
        ledger.state.withLock { state in
            // Later ones than the first error are not told apart from it.
            state.reported = max(state.reported, state.first + state.launches.count - 1)
            state.first += state.launches.count
            state.launches.removeAll(keepingCapacity: true)
        }
        if found { try clear() }
        if let error { throw error }
    }

    /// The state of the checks at a point of the queue.
    final class Snapshot: @unchecked Sendable {
        // Written by the device before the event that goes with it; read after.
        let words: UnsafeMutablePointer<Int>
        let ledger: Ledger

        init(_ ledger: Ledger) {
            self.ledger = ledger
            words = .allocate(capacity: IndexErrors.words)
            words.initialize(repeating: 0, count: IndexErrors.words)
        }
        deinit { words.deallocate() }

        func throwIfNew() throws {
            if let error = ledger.error(words) { throw error }
        }
    }

    /// Enqueues a read of the state, whose event is stored; nil if nothing was launched that checks.
    func snapshot(_ event: inout cl_event?) throws -> Snapshot? {
        guard unread > 0 else { return nil }
        let snapshot = Snapshot(ledger)
        try cl.check(
            cl.api.clEnqueueReadBuffer(
                queue, buffer.memory, cl_bool(CL_FALSE), 0, Self.words * 8, snapshot.words, 0, nil, &event),
            "clEnqueueReadBuffer")
        return snapshot
    }
}
