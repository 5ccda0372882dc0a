import BackendKit
import CVulkan

/// Commands that are recorded together and submitted at once, with the memory their launches read.
///
/// The memory is mapped: at its start lies the record where kernels report bad indices, then the launch
/// data and small copies, one after another.
final class Batch: @unchecked Sendable {
    // The queue's thread records; then whoever sees that the batch has run reads the record, under the
    // queue's lock; then the queue's thread has it again.
    let commands: VkCommandBuffer
    private let device: VulkanDevice
    private var memory = CvkBuffer()
    private let base: UnsafeMutableRawPointer
    private var cursor = 0
    /// What the queue's timeline shows when it has run.
    var value: UInt64 = 0
    var commandCount = 0
    /// Launches that may report, in order; the record holds a position in here.
    private var checked: [(op: String, site: UInt64)] = []

    static let capacity = 256 << 10
    static let recordBytes = 64

    init(_ device: VulkanDevice, _ pool: VkCommandPool?) throws {
        self.device = device
        var commands: VkCommandBuffer?
        try check(cvk_create_commands(device.vk, pool, &commands), "making a command buffer")
        guard let commands else { throw BackendError(.other, "Vulkan made no command buffer") }
        self.commands = commands
        try check(
            cvk_allocate(device.vk, UInt64(Self.capacity), Int32(CVK_UPLOAD_MEMORY), &memory),
            "allocating memory for launches")
        guard let mapped = memory.mapped else {
            cvk_free(device.vk, &memory)
            throw BackendError(.other, "memory for launches could not be mapped")
        }
        base = mapped
    }

    deinit { cvk_free(device.vk, &memory) }

    /// Empties the batch and begins recording.
    func begin() throws {
        try check(cvk_begin(device.vk, commands), "recording commands")
        // The record, of no error. The device has finished with this batch.
        base.initializeMemory(as: UInt8.self, repeating: 0, count: Self.recordBytes)
        cursor = Self.recordBytes
        commandCount = 0
        checked.removeAll(keepingCapacity: true)
    }

    /// True if `bytes` more fit.
    func hasRoom(_ bytes: Int) -> Bool { cursor + bytes + 64 <= Self.capacity }

    /// Takes `bytes` of the memory, which must fit.
    func take(_ bytes: Int) -> (pointer: UnsafeMutableRawPointer, address: UInt64, offset: Int) {
        precondition(hasRoom(bytes), "a launch has more data than a batch holds")
        let offset = cursor
        cursor = (cursor + bytes + 63) & ~63
        // Within the mapping, by the precondition.
        return (base + offset, memory.address + UInt64(offset), offset)
    }

    var buffer: VkBuffer? { memory.buffer }

    /// Where kernels report, and the number a launch reports itself by.
    func enter(op: String, site: UInt64) -> (record: UInt64, number: Int) {
        checked.append((op, site))
        return (memory.address, checked.count)
    }

    /// The first error that a kernel of this batch reported. Read when the batch has run.
    var failure: BackendError? {
        // Layout of the record, as `Indexing` writes it: u32 number, u32 index tensor, i64 index, i64 size.
        let number = Int(base.load(as: UInt32.self))
        guard number > 0 else { return nil }
        let tensor = base.load(fromByteOffset: 4, as: UInt32.self)
        let index = base.load(fromByteOffset: 8, as: Int64.self)
        let size = base.load(fromByteOffset: 16, as: Int64.self)
        let launch = number <= checked.count ? checked[number - 1] : ("", 0)
        return BackendError(
            .index, "index \(index) is out of range for a dimension of size \(size) (index tensor \(tensor))",
            op: launch.0, site: launch.1)
    }
}
