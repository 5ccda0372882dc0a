import BackendKit
import CVulkan
import Synchronization

/// An opened device: its memory, its one hardware queue, its kernels.
final class VulkanDevice: BackendDevice, @unchecked Sendable {
    // `vk` is filled once, here, and only read afterwards; the Vulkan functions called through it may be
    // called from any thread except submission, which `submission` serialises.
    let vk: UnsafePointer<CvkDevice>
    let physical: PhysicalDevice
    let services: Services
    let pipelines: PipelineStore
    private let submission = Mutex<Void>(())

    init(_ physical: PhysicalDevice, _ instance: UnsafePointer<CvkInstance>, _ services: Services) throws {
        self.physical = physical
        self.services = services
        let device = UnsafeMutablePointer<CvkDevice>.allocate(capacity: 1)
        device.initialize(to: CvkDevice())
        let saved = PipelineStore.savedPipelines(physical, services)
        let result = withUnsafePointer(to: physical.raw) { raw in
            saved.withUnsafeBytes { cvk_open(instance, physical.handle, raw, $0.baseAddress, $0.count, device) }
        }
        guard result == VK_SUCCESS else {
            cvk_close(device)
            device.deallocate()
            throw BackendError(result.kind, "opening \(physical.name) failed: \(result.name)")
        }
        vk = UnsafePointer(device)
        pipelines = PipelineStore(vk, physical, services)
    }

    /// True where the processor itself runs the kernels: threads are no cheaper than loops.
    var isSoftware: Bool { physical.raw.software }

    /// Iterations of loops that one invocation may go through, all loops together. Mesa's processor driver
    /// leaves loops, silently, after 65,535; elsewhere a launch must end before a watchdog ends it.
    var loopBudget: Int { isSoftware ? 48 << 10 : 1 << 20 }

    var kernels: [Kernel] {
        let all = physical.dtypes
        return [
            Kernel(.pointwise, dtypes: all, launch: Pointwise.launch),
            Kernel(.reduce, dtypes: all, launch: Reduce.launch),
            Kernel(.matmul, dtypes: all.subtracting([.bool]), launch: Matmul.launch),
            Kernel(.gather, dtypes: all, launch: Gather.launch),
            Kernel(.scatter, dtypes: all, launch: Scatter.launch),
        ]
    }

    var compileCount: Int { pipelines.compileCount }

    func prepare(_ calls: [Call]) throws {
        try pipelines.prepare(
            calls.compactMap { call in
                switch call.family {
                case .pointwise: try Pointwise.request(call)
                case .reduce: try Reduce.request(call)
                case .matmul: try Matmul.request(call, self)
                case .gather: Gather.request(call, try Indexing.dtypes(call))
                case .scatter: Scatter.request(call, try Indexing.dtypes(call))
                case .override: nil
                }
            })
    }

    func allocate(_ bytes: Int) throws -> any BackendBuffer {
        try VulkanBuffer(self, bytes, physical.raw.unified ? CVK_DEVICE_MAPPED : CVK_DEVICE_MEMORY)
    }

    func makeQueue() throws -> any BackendQueue { try VulkanQueue(self) }

    /// Ends and submits a command buffer; the hardware queue takes one caller at a time.
    func submit(
        _ commands: VkCommandBuffer?, signal: VkSemaphore?, value: UInt64, waits: [(VkSemaphore?, UInt64)]
    ) throws {
        let semaphores = waits.map(\.0)
        let values = waits.map(\.1)
        let result = submission.withLock { _ in
            cvk_submit(vk, commands, signal, value, UInt32(waits.count), semaphores, values)
        }
        try check(result, "submitting work to \(physical.name)")
    }
}

/// A block of memory of a device.
final class VulkanBuffer: BackendBuffer {
    let device: VulkanDevice
    private(set) var raw = CvkBuffer()
    let bytes: Int

    init(_ device: VulkanDevice, _ bytes: Int, _ kind: some BinaryInteger) throws {
        self.device = device
        self.bytes = bytes
        let limit = device.physical.maxAllocation
        guard UInt64(bytes) <= limit else {
            throw BackendError(
                .outOfMemory,
                "\(bytes) bytes asked for in one block, but the largest that \(device.physical.name) allows "
                    + "(maxMemoryAllocationSize, maxBufferSize and the heap) is \(limit)")
        }
        // Some drivers' buffers must not be empty, and reads of a last partial word must stay inside.
        let rounded = (UInt64(max(bytes, 1)) + 255) & ~255
        try check(
            cvk_allocate(device.vk, min(rounded, limit), Int32(kind), &raw),
            "allocating \(bytes) bytes on \(device.physical.name)")
    }

    deinit { cvk_free(device.vk, &raw) }

    /// The flag HOST_VISIBLE is not set: work is asynchronous, so the host goes through copies.
    var hostAddress: UnsafeMutableRawPointer? { nil }

    /// The buffer of a tensor; nil if it is another backend's.
    @inline(__always)
    static func of(_ tensor: TensorView) -> VulkanBuffer? {
        let buffer = BufferHandle.buffer(tensor.buffer)
        // The comparison makes the cast safe, and is much cheaper than `as?`.
        return type(of: buffer) == VulkanBuffer.self ? unsafeDowncast(buffer, to: VulkanBuffer.self) : nil
    }

    /// Throws unless `range` lies within the block.
    func checkRange(_ offset: Int, _ count: Int) throws {
        guard offset >= 0 && count >= 0 && offset <= bytes && count <= bytes - offset else {
            throw BackendError(.invalid, "copy of \(count) bytes at offset \(offset) of a buffer of \(bytes)")
        }
    }
}
