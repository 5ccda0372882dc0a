import BackendKit
import CVulkan
import Synchronization

/// An in-order stream: commands are recorded into batches, which are submitted when they are long enough
/// or when somebody waits.
final class VulkanQueue: BackendQueue, @unchecked Sendable {
    // One thread at a time uses a queue; what events read from other threads is in `progress`.
    let device: VulkanDevice
    private let pool: VkCommandPool?
    private let timeline: VkSemaphore?
    /// Being recorded.
    private var open: Batch?
    private var hazards = Hazards()
    /// Events of other queues that the next batch waits for.
    private var waits: [(event: VulkanEvent, semaphore: VkSemaphore?, value: UInt64)] = []
    /// Value of the batch submitted last.
    private var submitted: UInt64 = 0
    private let progress: Mutex<Progress>
    var staging: Staging
    let launchData = LaunchData()
    private var scratch: VulkanBuffer?
    private var retiredScratch: [VulkanBuffer] = []

    /// What is known of submitted batches.
    private struct Progress {
        /// In order of submission.
        var running: [Batch] = []
        var free: [Batch] = []
        /// Unreported errors and the batches they came from.
        var failures: [(value: UInt64, error: BackendError)] = []
        var completed: UInt64 = 0
    }

    /// Commands in a batch before it is submitted unasked.
    private static let batchLength = 64
    /// Batches on their way before recording waits for the oldest.
    private static let batchesInFlight = 8

    init(_ device: VulkanDevice) throws {
        self.device = device
        progress = Mutex(Progress())
        staging = Staging(device)
        var pool: VkCommandPool?
        try check(cvk_create_pool(device.vk, &pool), "making a command pool")
        self.pool = pool
        var timeline: VkSemaphore?
        let made = cvk_create_timeline(device.vk, &timeline)
        guard made == VK_SUCCESS else {
            device.vk.pointee.vkDestroyCommandPool(device.vk.pointee.handle, pool, nil)
            throw BackendError(made.kind, "making a timeline semaphore failed: \(made.name)")
        }
        self.timeline = timeline
    }

    deinit {
        // Commands must have run before what they use is freed; a lost device runs none.
        if submitted > 0 { _ = cvk_wait(device.vk, timeline, submitted) }
        let vk = device.vk.pointee
        vk.vkDestroyCommandPool(vk.handle, pool, nil)
        vk.vkDestroySemaphore(vk.handle, timeline, nil)
    }

    // MARK: Recording

    /// The batch being recorded, with room for `bytes` of launch data.
    func batch(_ bytes: Int) throws -> Batch {
        if let open {
            if open.commandCount < Self.batchLength && open.hasRoom(bytes) { return open }
            try flush()
        }
        retire(upTo: try completedValue())
        var found = progress.withLock { $0.free.popLast() }
        if found == nil {
            let oldest = progress.withLock { $0.running.count >= Self.batchesInFlight ? $0.running[0].value : 0 }
            try waitFor(oldest)
            found = progress.withLock { $0.free.popLast() }
        }
        let batch = try found ?? Batch(device, pool)
        try batch.begin()
        open = batch
        return batch
    }

    /// Takes note that the command about to be recorded reads or writes device memory.
    func uses(_ address: UInt64, _ bytes: UInt64, writes: Bool) {
        hazards.add(address, bytes, writes: writes)
    }

    /// Takes note that the command about to be recorded uses the elements of a tensor.
    func uses(_ tensor: TensorView, writes: Bool) {
        var low = 0
        var high = tensor.dtype.size
        for d in 0..<tensor.rank {
            let size = tensor.size(d)
            if size == 0 { return }
            let reach = (size - 1) * tensor.stride(d) * tensor.dtype.size
            if reach < 0 { low += reach } else { high += reach }
        }
        hazards.add(UInt64(address(tensor)) &+ UInt64(bitPattern: Int64(low)), UInt64(high - low), writes: writes)
    }

    /// Takes note that the command may use any element of a tensor's buffer.
    func usesAll(_ tensor: TensorView, writes: Bool) {
        guard let buffer = VulkanBuffer.of(tensor) else { return }
        hazards.add(buffer.raw.address, UInt64(buffer.bytes), writes: writes)
    }

    /// Device address of the first element.
    func address(_ tensor: TensorView) -> UInt {
        guard let buffer = VulkanBuffer.of(tensor) else { return 0 }
        return UInt(buffer.raw.address) + UInt(tensor.byteOffset)
    }

    /// Records a kernel over `groups` workgroups, with `push` for its push constants.
    func dispatch(_ pipeline: VkPipeline?, _ batch: Batch, push: UnsafeRawPointer, groups: Int) {
        let most = Int(device.physical.raw.max_groups.0)
        let rows = (groups + most - 1) / most
        let columns = (groups + rows - 1) / rows
        separate(batch)
        cvk_dispatch(
            device.vk, batch.commands, pipeline, push, UInt32(CVK_PUSH_BYTES), UInt32(columns), UInt32(rows), 1)
        batch.commandCount += 1
    }

    private func separate(_ batch: Batch) {
        if hazards.settle() { cvk_barrier(device.vk, batch.commands, false) }
    }

    /// Records a copy between device buffers.
    func recordCopy(
        _ batch: Batch, _ source: VkBuffer?, _ sourceOffset: Int, _ target: VkBuffer?, _ targetOffset: Int, _ count: Int
    ) {
        separate(batch)
        cvk_copy(
            device.vk, batch.commands, source, UInt64(sourceOffset), target, UInt64(targetOffset), UInt64(count))
        batch.commandCount += 1
    }

    /// Device memory of at least `bytes` for between two kernels. The next call may return the same.
    func scratch(_ bytes: Int) throws -> VulkanBuffer {
        if let scratch, scratch.bytes >= bytes { return scratch }
        let grown = try VulkanBuffer(device, max(bytes, 64 << 10), CVK_DEVICE_MEMORY)
        if let scratch { retiredScratch.append(scratch) }
        scratch = grown
        return grown
    }

    // MARK: Submitting and waiting

    /// Submits what was recorded. Returns the value the timeline shows when all of it has run.
    @discardableResult
    func flush() throws -> UInt64 {
        if open == nil && !waits.isEmpty { _ = try batch(0) }
        guard let batch = open else { return submitted }
        // Later batches, and the host, see what this one wrote.
        cvk_barrier(device.vk, batch.commands, true)
        hazards.clear()
        open = nil
        try device.submit(
            batch.commands, signal: timeline, value: submitted + 1, waits: waits.map { ($0.semaphore, $0.value) })
        waits.removeAll()
        submitted += 1
        batch.value = submitted
        progress.withLock { $0.running.append(batch) }
        return submitted
    }

    private func completedValue() throws -> UInt64 {
        var value: UInt64 = 0
        let vk = device.vk.pointee
        try check(
            vk.vkGetSemaphoreCounterValue(vk.handle, timeline, &value), "asking how far \(device.physical.name) is")
        return value
    }

    /// Waits until the timeline shows `value`. Any thread.
    func waitFor(_ value: UInt64) throws {
        if value > progress.withLock({ $0.completed }) {
            try check(cvk_wait(device.vk, timeline, value), "waiting for \(device.physical.name)")
        }
        retire(upTo: value)
    }

    /// Collects the errors of batches that have run, and frees them for reuse. Any thread.
    private func retire(upTo value: UInt64) {
        progress.withLock { progress in
            progress.completed = max(progress.completed, value)
            while let batch = progress.running.first, batch.value <= progress.completed {
                if let error = batch.failure { progress.failures.append((batch.value, error)) }
                progress.running.removeFirst()
                progress.free.append(batch)
            }
        }
    }

    /// Throws the first unreported error of the batches up to `value`. Any thread.
    func throwFailure(upTo value: UInt64) throws {
        let failure = progress.withLock { progress -> BackendError? in
            guard let first = progress.failures.first, first.value <= value else { return nil }
            progress.failures.removeAll { $0.value <= value }
            return first.error
        }
        if let failure { throw failure }
    }

    /// Waits for everything and reports nothing.
    func drain() throws {
        try waitFor(try flush())
        retiredScratch.removeAll()
    }

    /// Throws the first unreported error of work that has been waited for.
    func throwFailure() throws { try throwFailure(upTo: submitted) }

    func synchronize() throws {
        try drain()
        device.pipelines.save()
        try throwFailure()
    }

    // MARK: Events

    func record() throws -> any BackendEvent { VulkanEvent(self, try flush()) }

    func wait(for event: any BackendEvent) throws {
        guard let event = event as? VulkanEvent, event.queue.device === device else { return try event.wait() }
        if event.queue === self { return }
        try flush()
        waits.append((event, event.queue.timeline, event.value))
        if waits.count >= 16 { try flush() }
    }
}

/// A batch of a queue.
final class VulkanEvent: BackendEvent {
    let queue: VulkanQueue
    let value: UInt64

    init(_ queue: VulkanQueue, _ value: UInt64) {
        self.queue = queue
        self.value = value
    }

    func wait() throws {
        try queue.waitFor(value)
        try queue.throwFailure(upTo: value)
    }
}
