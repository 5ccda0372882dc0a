import BackendKit
import Synchronization

/// The caching allocator of one device: blocks in size classes, reused in queue order.
///
/// A block given back may be handed out at once, because all work of a device goes through one
/// in-order queue: whatever used it before runs before.
final class Memory: @unchecked Sendable {
    /// A block of the backend's.
    struct Block {
        var buffer: OpaquePointer
        var host: UnsafeMutableRawPointer?
        var bytes: Int
    }

    /// Devices are never closed, so no count is kept. Set once, before anybody else knows the device.
    @exclusivity(unchecked) private unowned(unsafe) var runtime: DeviceRuntime!
    private let mutex = Mutex(())
    /// Free blocks by size class. All below is guarded by `mutex`.
    @exclusivity(unchecked) private var free: [[Block]] = Array(repeating: [], count: classCount)
    @exclusivity(unchecked) private var liveBytes = 0
    @exclusivity(unchecked) private var cachedBytes = 0
    @exclusivity(unchecked) private var peakBytes = 0

    func attach(_ runtime: DeviceRuntime) { self.runtime = runtime }

    // MARK: Size classes

    /// Four classes to each power of two, from 256 bytes: at most a quarter of a block is waste.
    static let classCount = 4 * 48

    @inline(__always)
    static func sizeClass(_ bytes: Int) -> (index: Int, bytes: Int) {
        if bytes <= 256 { return (0, 256) }
        // 256 = 2^8. For 2^(8+e) < bytes <= 2^(9+e) the steps are 2^(6+e) wide.
        let exponent = Int.bitWidth - 1 - (bytes - 1).leadingZeroBitCount - 8
        let shift = exponent + 6
        let step = (bytes - 1) >> shift &- 4
        return (1 + 4 * exponent + step, (step + 5) << shift)
    }

    // MARK: Taking and giving back

    func take(_ bytes: Int, op: @autoclosure () -> String) throws(CressetError) -> Block {
        guard bytes <= 1 << 55 else {
            throw CressetError(.memory, op: op(), "\(bytes) bytes are more than any device can hold")
        }
        let (index, size) = Self.sizeClass(bytes)
        mutex._unsafeLock()
        // (A block cut at the device's limit may be smaller than its class.)
        if let last = free[index].last, last.bytes >= bytes {
            let block = free[index].removeLast()
            cachedBytes -= block.bytes
            account(block.bytes)
            mutex._unsafeUnlock()
            return block
        }
        mutex._unsafeUnlock()
        return try allocate(bytes, size, op: op())
    }

    @inline(__always)
    private func account(_ bytes: Int) {
        liveBytes += bytes
        if liveBytes > peakBytes { peakBytes = liveBytes }
    }

    private func allocate(_ bytes: Int, _ size: Int, op: String) throws(CressetError) -> Block {
        let limit = runtime.info.max_allocation_bytes
        if limit > 0 && UInt64(bytes) > limit {
            throw CressetError(
                .memory, op: op,
                "\(bytes) bytes are more than \(runtime.name) can hold in one tensor (limit \(limit) bytes)")
        }
        // A class's round-up must not push a block that fits over the limit.
        let size = limit > 0 && UInt64(size) > limit ? bytes : size
        var buffer: OpaquePointer?
        var error = runtime.allocateBlock(size, &buffer)
        if error != nil {
            trim()
            error = runtime.allocateBlock(size, &buffer)
        }
        guard error == nil, let buffer else {
            let stats = statistics
            throw CressetError(
                .memory, op: op,
                "\(runtime.name) could not allocate \(bytes) bytes: \(error?.message ?? "no buffer was given"); "
                    + "\(stats.liveBytes) bytes are live, \(stats.cachedBytes) cached, the peak was \(stats.peakBytes)")
        }
        let host: UnsafeMutableRawPointer?
        do throws(CressetError) {
            host = try runtime.map(buffer)
        } catch {
            runtime.deallocateBlock(buffer)
            throw error
        }
        mutex._unsafeLock()
        account(size)
        mutex._unsafeUnlock()
        return Block(buffer: buffer, host: host, bytes: size)
    }

    func give(_ block: Block) {
        let index = Self.sizeClass(block.bytes).index
        mutex._unsafeLock()
        liveBytes -= block.bytes
        // Beyond a quarter more than the peak of live memory, a cache is only a leak.
        if liveBytes + cachedBytes + block.bytes > peakBytes + peakBytes / 4 + (64 << 20) {
            mutex._unsafeUnlock()
            try? runtime.synchronize(op: "free")
            runtime.deallocateBlock(block.buffer)
            return
        }
        free[index].append(block)
        cachedBytes += block.bytes
        mutex._unsafeUnlock()
    }

    /// Gives the cached blocks back to the backend.
    func trim() {
        try? runtime.synchronize(op: "trim")
        mutex._unsafeLock()
        let blocks = free.flatMap { $0 }
        for i in free.indices { free[i].removeAll() }
        cachedBytes = 0
        mutex._unsafeUnlock()
        for block in blocks { runtime.deallocateBlock(block.buffer) }
    }

    var statistics: MemoryStatistics {
        mutex._unsafeLock()
        defer { mutex._unsafeUnlock() }
        return MemoryStatistics(liveBytes: liveBytes, cachedBytes: cachedBytes, peakBytes: peakBytes)
    }
}

/// What a device's allocator holds, in bytes.
public struct MemoryStatistics: Sendable {
    /// In tensors.
    public var liveBytes: Int
    /// Free, kept for reuse.
    public var cachedBytes: Int
    /// The most that was ever live at once.
    public var peakBytes: Int
}

extension Device {
    /// What the device's allocator holds.
    public var memoryStatistics: MemoryStatistics {
        get throws(CressetError) { try runtime(for: "memoryStatistics").memory.statistics }
    }

    /// Gives cached blocks back to the device.
    public func trimMemory() throws(CressetError) { try runtime(for: "trimMemory").memory.trim() }
}
