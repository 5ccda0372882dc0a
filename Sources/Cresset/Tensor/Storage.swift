import BackendKit

/// A block of device memory that tensors share.
final class Storage: @unchecked Sendable {
    /// Devices are never closed, so no count is kept.
    let device: Unmanaged<DeviceRuntime>
    let buffer: OpaquePointer
    /// Where the host can reach the bytes, on host-visible devices.
    let host: UnsafeMutableRawPointer?
    /// Bytes of the block; all offsets stay below.
    let bytes: Int
    /// The bytes of the tensor it was made for, which views may reach: `start ..< start + extent`.
    let start: Int
    let extent: Int
    /// Counts in-place changes; autograd compares it. Concurrent in-place writes are the user's race.
    @exclusivity(unchecked) var version = 0
    /// Some leaf's `grad` or a caller's gradient lies here, so it is not another leaf's to keep.
    @exclusivity(unchecked) var isGradient = false

    /// At least `bytes` bytes of uninitialised memory, with `front` more before and `back` behind them.
    init(
        _ runtime: DeviceRuntime, bytes: Int, front: Int = 0, back: Int = 0, op: @autoclosure () -> String
    ) throws(CressetError) {
        start = front
        extent = bytes
        let bytes = front + bytes + back
        let block = try runtime.memory.take(Swift.max(bytes, 1), op: op())
        device = .passUnretained(runtime)
        buffer = block.buffer
        host = block.host
        self.bytes = block.bytes
    }

    /// The same over a block that was taken already.
    @inline(__always)
    init(cached block: BlockCache.Block, bytes: Int, _ device: Unmanaged<DeviceRuntime>) {
        start = 0
        extent = bytes
        self.device = device
        buffer = block.buffer
        host = block.host
        self.bytes = block.bytes
    }

    deinit {
        let block = BlockCache.Block(buffer: buffer, host: host, bytes: bytes)
        device._withUnsafeGuaranteedRef { $0.memory.give(block) }
    }

    var runtime: DeviceRuntime {
        @inline(__always) get { device._withUnsafeGuaranteedRef { $0 } }
    }
}

extension Storage {
    /// The bytes in a range of the block, after everything before has been done.
    func bytes(in range: Range<Int>, op: String) throws(CressetError) -> [UInt8] {
        var failure: CressetError?
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            do throws(CressetError) {
                // (The buffer may have more room than was asked for.)
                try runtime.copyOut(
                    self, at: range.lowerBound,
                    to: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<range.count]),
                    op: op)
                count = range.count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Copies bytes into the block.
    func write(_ bytes: [UInt8], at offset: Int, op: String) throws(CressetError) {
        var failure: CressetError?
        bytes.withUnsafeBytes { raw in
            do throws(CressetError) {
                try runtime.copyIn(raw, to: self, at: offset, op: op)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
