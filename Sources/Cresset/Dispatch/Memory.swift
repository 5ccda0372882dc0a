import BackendKit
import Synchronization

/// What the allocators of devices hold, and how much they may.
public enum Memory {
    /// What the device's allocator holds.
    public static func stats(_ device: Device) throws(CressetError) -> MemoryStatistics {
        try device.runtime(for: "Memory.stats").memory.statistics
    }

    /// Gives cached blocks back to the device.
    public static func trim(_ device: Device) throws(CressetError) {
        try device.runtime(for: "Memory.trim").memory.trim()
    }

    /// Lets tensors on the device, with what is cached, take at most `bytes`; nil for as much as there is.
    ///
    /// What would go beyond is an out-of-memory error, after the cache has been freed.
    public static func setLimit(_ device: Device, bytes: Int?) throws(CressetError) {
        try device.runtime(for: "Memory.setLimit").memory.setLimit(bytes)
    }

    /// Begins a new measurement of the peak.
    public static func resetPeak(_ device: Device) throws(CressetError) {
        try device.runtime(for: "Memory.resetPeak").memory.resetPeak()
    }

    /// Notes the source line of every block, not only of large ones, for out-of-memory errors; costs time.
    public static func noteOwners(_ device: Device, _ on: Bool = true) throws(CressetError) {
        try device.runtime(for: "Memory.noteOwners").memory.noteOwners(on)
    }
}

/// What a device's allocator holds, in bytes.
public struct MemoryStatistics: Sendable {
    /// In tensors.
    public var liveBytes = 0
    /// Free, kept for reuse.
    public var cachedBytes = 0
    /// The most that was ever live at once, or since `Memory.resetPeak`.
    public var peakBytes = 0
    /// The largest block that is kept for reuse.
    public var largestFreeBytes = 0
    /// What `Memory.setLimit` said; nil: as much as there is.
    public var limitBytes: Int?
    /// Blocks that the device was asked for, and blocks that were taken from the cache instead.
    public var allocations = 0
    public var reuses = 0
}

/// The caching allocator of one device: blocks in size classes, reused in queue order.
///
/// A block given back may be handed out at once, because all work of a device goes through one
/// in-order queue: whatever used it before runs before.
final class BlockCache: @unchecked Sendable {
    // `mutex` guards all that changes.

    /// A block of the backend's.
    struct Block {
        var buffer: OpaquePointer
        var host: UnsafeMutableRawPointer?
        var bytes: Int
    }

    /// Free blocks of one size class, the last given back on top.
    private struct FreeList {
        /// Room for `capacity` blocks, of which the first `count` are initialised.
        var blocks: UnsafeMutablePointer<Block>?
        var count = 0
        var capacity = 0
        /// When the class was last asked for: the longest unused is given up first.
        var lastUse = 0

        mutating func push(_ block: Block) {
            if count == capacity { grow() }
            blocks.unsafelyUnwrapped[count] = block
            count += 1
        }

        private mutating func grow() {
            let larger = UnsafeMutablePointer<Block>.allocate(capacity: Swift.max(4, 2 * capacity))
            if let blocks {
                larger.moveInitialize(from: blocks, count: count)
                blocks.deallocate()
            }
            blocks = larger
            capacity = Swift.max(4, 2 * capacity)
        }
    }

    /// Blocks of this size and more always note where they were asked for; it takes up to a millisecond.
    private static let noted = 256 << 20

    /// Devices are never closed, so no count is kept. Set once, before anybody else knows the device.
    @exclusivity(unchecked) private unowned(unsafe) var runtime: DeviceRuntime!
    private let mutex = Mutex(())
    /// By size class; never freed, as devices are not.
    private let free: UnsafeMutablePointer<FreeList>
    @exclusivity(unchecked) private var figures = MemoryStatistics()
    @exclusivity(unchecked) private var notesAll = false
    /// Blocks of any size may have an owner noted.
    @exclusivity(unchecked) private var hasNotedAll = false
    /// Where live blocks were asked for, of those that note it.
    @exclusivity(unchecked) private var owners: [OpaquePointer: (bytes: Int, op: String, site: CallSite)] = [:]

    init() {
        free = .allocate(capacity: Self.classCount)
        free.initialize(repeating: FreeList(), count: Self.classCount)
    }

    func attach(_ runtime: DeviceRuntime) { self.runtime = runtime }

    // MARK: Size classes

    /// Four classes to each power of two, from 256 bytes: at most a quarter of a block is waste.
    static let classCount = 4 * 48

    @inline(__always)
    static func sizeClass(_ bytes: Int) -> (index: Int, bytes: Int) {
        if bytes <= 256 { return (0, 256) }
        // 256 = 2^8. For 2^(8+e) < bytes <= 2^(9+e) the steps are 2^(6+e) wide.
        let exponent = Int.bitWidth - 1 - (bytes &- 1).leadingZeroBitCount &- 8
        let shift = exponent &+ 6
        let step = (bytes &- 1) &>> shift &- 4
        return (1 &+ 4 &* exponent &+ step, (step &+ 5) &<< shift)
    }

    // MARK: Taking and giving back

    @inline(__always)
    func take(_ bytes: Int, op: @autoclosure () -> String) throws(CressetError) -> Block {
        if let block = takeCached(bytes) { return block }
        return try takeSlowly(bytes, op: op())
    }

    /// A free block of the size's class, nil if there is none or more is to be done than to hand it out.
    @inline(__always)
    func takeCached(_ bytes: Int) -> Block? {
        guard bytes < Self.noted else { return nil }
        let index = Self.sizeClass(bytes).index
        mutex._unsafeLock()
        defer { mutex._unsafeUnlock() }
        let count = free[index].count
        // (A block cut at the device's limit may be smaller than its class.)
        guard count > 0, !notesAll, let block = free[index].blocks?[count &- 1], block.bytes >= bytes else {
            return nil
        }
        free[index].count = count &- 1
        free[index].lastUse = now
        hand(out: block)
        return block
    }

    /// Grows with every block handed out.
    private var now: Int { figures.reuses &+ figures.allocations }

    /// Counts a block from the cache as live.
    @inline(__always)
    private func hand(out block: Block) {
        figures.cachedBytes &-= block.bytes
        figures.reuses &+= 1
        account(block.bytes)
    }

    @inline(__always)
    private func account(_ bytes: Int) {
        figures.liveBytes &+= bytes
        if figures.liveBytes > figures.peakBytes { figures.peakBytes = figures.liveBytes }
    }

    @inline(never)
    private func takeSlowly(_ bytes: Int, op: String) throws(CressetError) -> Block {
        guard bytes <= 1 << 55 else {
            throw CressetError(.memory, op: op, "\(bytes) bytes are more than any device can hold")
        }
        let block = if let found = cached(bytes) { found } else { try allocate(bytes, op: op) }
        mutex._unsafeLock()
        let notes = notesAll || bytes >= Self.noted
        mutex._unsafeUnlock()
        if notes {
            let site = CallSite.here()
            mutex._unsafeLock()
            owners[block.buffer] = (block.bytes, op, site)
            mutex._unsafeUnlock()
        }
        return block
    }

    /// A free block of the size's class or the next, nil if there is none.
    private func cached(_ bytes: Int) -> Block? {
        let index = Self.sizeClass(bytes).index
        mutex._unsafeLock()
        defer { mutex._unsafeUnlock() }
        for i in index...Swift.min(index + 1, Self.classCount - 1) where free[i].count > 0 {
            guard let block = free[i].blocks?[free[i].count - 1], block.bytes >= bytes else { continue }
            free[i].count -= 1
            free[i].lastUse = now
            hand(out: block)
            return block
        }
        return nil
    }

    private func allocate(_ bytes: Int, op: String) throws(CressetError) -> Block {
        let most = runtime.info.max_allocation_bytes
        if most > 0 && UInt64(bytes) > most {
            throw CressetError(
                .memory, op: op,
                "\(bytes) bytes are more than \(runtime.name) can hold in one tensor (limit \(most) bytes)")
        }
        // A class's round-up must not push a block that fits over the limit.
        let whole = Self.sizeClass(bytes).bytes
        let size = most > 0 && UInt64(whole) > most ? bytes : whole
        if wouldExceedLimit(size, counting: \.cachedBytes) { trim() }
        if wouldExceedLimit(size, counting: nil) {
            throw outOfMemory(bytes, op: op, "the limit that was set would be exceeded")
        }
        var buffer: OpaquePointer?
        var error = runtime.allocateBlock(size, &buffer)
        if error != nil {
            trim()
            error = runtime.allocateBlock(size, &buffer)
        }
        guard error == nil, let buffer else {
            throw outOfMemory(bytes, op: op, error?.message ?? "no buffer was given")
        }
        let host: UnsafeMutableRawPointer?
        do throws(CressetError) {
            host = try runtime.map(buffer)
        } catch {
            runtime.deallocateBlock(buffer)
            throw error
        }
        mutex._unsafeLock()
        figures.allocations += 1
        account(size)
        mutex._unsafeUnlock()
        return Block(buffer: buffer, host: host, bytes: size)
    }

    private func wouldExceedLimit(_ bytes: Int, counting other: KeyPath<MemoryStatistics, Int>?) -> Bool {
        mutex._unsafeLock()
        defer { mutex._unsafeUnlock() }
        guard let limit = figures.limitBytes else { return false }
        return figures.liveBytes + (other.map { figures[keyPath: $0] } ?? 0) + bytes > limit
    }

    @inline(__always)
    func give(_ block: Block) {
        let index = Self.sizeClass(block.bytes).index
        mutex._unsafeLock()
        figures.liveBytes &-= block.bytes
        figures.cachedBytes &+= block.bytes
        free[index].push(block)
        let isTooMuch = figures.liveBytes &+ figures.cachedBytes > bound
        let isNoted = block.bytes >= Self.noted || hasNotedAll
        mutex._unsafeUnlock()
        if isTooMuch || isNoted { settle(block) }
    }

    /// Beyond a quarter more than the peak of live memory, a cache is only a leak.
    private var bound: Int { figures.peakBytes &+ figures.peakBytes / 4 &+ (64 << 20) }

    /// Forgets who owned a block, and gives up blocks of the classes that were unused for longest.
    @inline(never)
    private func settle(_ block: Block) {
        var dropped: [Block] = []
        mutex._unsafeLock()
        owners[block.buffer] = nil
        while figures.liveBytes + figures.cachedBytes > bound {
            let used = (0..<Self.classCount).filter { free[$0].count > 0 }
            guard let oldest = used.min(by: { free[$0].lastUse < free[$1].lastUse }),
                let block = free[oldest].blocks?[free[oldest].count - 1]
            else { break }
            free[oldest].count -= 1
            figures.cachedBytes -= block.bytes
            dropped.append(block)
        }
        mutex._unsafeUnlock()
        if dropped.isEmpty { return }
        try? runtime.synchronize(op: "free")
        for block in dropped { runtime.deallocateBlock(block.buffer) }
    }

    /// Gives the cached blocks back to the backend.
    func trim() {
        try? runtime.synchronize(op: "trim")
        mutex._unsafeLock()
        var blocks: [Block] = []
        for i in 0..<Self.classCount {
            for k in 0..<free[i].count { if let block = free[i].blocks?[k] { blocks.append(block) } }
            free[i].count = 0
        }
        figures.cachedBytes = 0
        mutex._unsafeUnlock()
        for block in blocks { runtime.deallocateBlock(block.buffer) }
    }

    // MARK: Figures

    func setLimit(_ bytes: Int?) {
        mutex._unsafeLock()
        figures.limitBytes = bytes
        mutex._unsafeUnlock()
    }

    func resetPeak() {
        mutex._unsafeLock()
        figures.peakBytes = figures.liveBytes
        mutex._unsafeUnlock()
    }

    func noteOwners(_ on: Bool) {
        mutex._unsafeLock()
        notesAll = on
        hasNotedAll = hasNotedAll || on
        mutex._unsafeUnlock()
    }

    var statistics: MemoryStatistics {
        mutex._unsafeLock()
        defer { mutex._unsafeUnlock() }
        var result = figures
        for i in 0..<Self.classCount {
            for k in 0..<free[i].count {
                result.largestFreeBytes = Swift.max(result.largestFreeBytes, free[i].blocks?[k].bytes ?? 0)
            }
        }
        return result
    }

    /// The error of a block that is not to be had, with who holds the memory.
    private func outOfMemory(_ bytes: Int, op: String, _ why: String) -> CressetError {
        let figures = statistics
        mutex._unsafeLock()
        let live = Array(owners.values)
        mutex._unsafeUnlock()
        var text =
            "\(runtime.name) could not allocate \(bytes) bytes: \(why); \(figures.liveBytes) bytes are live, "
            + "\(figures.cachedBytes) cached, the largest free block has \(figures.largestFreeBytes), the peak was "
            + "\(figures.peakBytes)"
        if let limit = figures.limitBytes { text += ", the limit is \(limit)" }
        var byLine: [String: (bytes: Int, count: Int)] = [:]
        for owner in live {
            let line = "\(owner.site.location ?? "a line without debug information") (\(owner.op))"
            byLine[line, default: (0, 0)].bytes += owner.bytes
            byLine[line, default: (0, 0)].count += 1
        }
        let largest = byLine.sorted { ($0.value.bytes, $1.key) > ($1.value.bytes, $0.key) }.prefix(5)
        if largest.isEmpty {
            text += ". Memory.noteOwners tells who holds it"
        } else {
            text += ". The largest owners: "
            text += largest.map { "\($0.value.bytes) bytes in \($0.value.count) by \($0.key)" }.joined(separator: "; ")
        }
        return CressetError(.memory, op: op, text)
    }
}

extension Device {
    /// What the device's allocator holds.
    public var memoryStatistics: MemoryStatistics { get throws(CressetError) { try Memory.stats(self) } }

    /// Gives cached blocks back to the device.
    public func trimMemory() throws(CressetError) { try Memory.trim(self) }
}
