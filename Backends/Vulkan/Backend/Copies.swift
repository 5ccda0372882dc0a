import BackendKit
import CVulkan

/// Mapped memory that copies between host and device pass through, in two halves so that one is filled
/// while the other is on its way.
struct Staging {
    private let device: VulkanDevice
    private var up: [VulkanBuffer] = []
    private var down: [VulkanBuffer] = []
    /// Value of the queue's timeline after which each half may be reused.
    var busy: [UInt64] = [0, 0]

    static let half = 8 << 20

    init(_ device: VulkanDevice) { self.device = device }

    mutating func upload(_ half: Int) throws -> VulkanBuffer {
        while up.count < 2 { up.append(try VulkanBuffer(device, Self.half, CVK_UPLOAD_MEMORY)) }
        return up[half]
    }

    mutating func readback(_ half: Int) throws -> VulkanBuffer {
        while down.count < 2 { down.append(try VulkanBuffer(device, Self.half, CVK_READBACK_MEMORY)) }
        return down[half]
    }
}

extension VulkanQueue {
    /// Copies up to this long travel with the launch data.
    private static let smallCopy = 32 << 10

    private func own(_ buffer: any BackendBuffer) throws -> VulkanBuffer {
        guard let buffer = buffer as? VulkanBuffer else { throw BackendError(.invalid, "a buffer of another backend") }
        return buffer
    }

    func copyIn(_ source: UnsafeRawBufferPointer, to buffer: any BackendBuffer, at offset: Int) throws {
        let target = try own(buffer)
        try target.checkRange(offset, source.count)
        guard let from = source.baseAddress, source.count > 0 else { return }
        let address = target.raw.address + UInt64(offset)
        if source.count <= Self.smallCopy {
            let batch = try batch(source.count)
            let room = batch.take(source.count)
            room.pointer.copyMemory(from: from, byteCount: source.count)
            uses(address, UInt64(source.count), writes: true)
            recordCopy(batch, batch.buffer, room.offset, target.raw.buffer, offset, source.count)
        } else if let mapped = target.raw.mapped {
            // Earlier work of this queue may still use the block.
            try drain()
            (mapped + offset).copyMemory(from: from, byteCount: source.count)
        } else {
            for (i, start) in stride(from: 0, to: source.count, by: Staging.half).enumerated() {
                let count = min(Staging.half, source.count - start)
                let half = try staging.upload(i & 1)
                try waitFor(staging.busy[i & 1])
                guard let mapped = half.raw.mapped else { throw BackendError(.other, "staging is not mapped") }
                mapped.copyMemory(from: from + start, byteCount: count)
                let batch = try batch(0)
                uses(address + UInt64(start), UInt64(count), writes: true)
                recordCopy(batch, half.raw.buffer, 0, target.raw.buffer, offset + start, count)
                staging.busy[i & 1] = try flush()
            }
        }
    }

    func copyOut(_ buffer: any BackendBuffer, at offset: Int, to target: UnsafeMutableRawBufferPointer) throws {
        let source = try own(buffer)
        try source.checkRange(offset, target.count)
        if let to = target.baseAddress, target.count > 0 {
            if let mapped = source.raw.mapped {
                try drain()
                to.copyMemory(from: mapped + offset, byteCount: target.count)
            } else {
                try download(source, offset, to, target.count)
            }
        } else {
            try drain()
        }
        device.pipelines.save()
        try throwFailure()
    }

    private func download(_ source: VulkanBuffer, _ offset: Int, _ to: UnsafeMutableRawPointer, _ total: Int) throws {
        let chunks = (total + Staging.half - 1) / Staging.half
        var ready: [UInt64] = [0, 0]
        // Chunk i is enqueued while chunk i - 1 is read.
        for i in 0...chunks {
            if i < chunks {
                let start = i * Staging.half
                let count = min(Staging.half, total - start)
                let half = try staging.readback(i & 1)
                let batch = try batch(0)
                uses(source.raw.address + UInt64(offset + start), UInt64(count), writes: false)
                uses(half.raw.address, UInt64(count), writes: true)
                recordCopy(batch, source.raw.buffer, offset + start, half.raw.buffer, 0, count)
                ready[i & 1] = try flush()
            }
            if i > 0 {
                let start = (i - 1) * Staging.half
                let half = try staging.readback((i - 1) & 1)
                try waitFor(ready[(i - 1) & 1])
                guard let mapped = half.raw.mapped else { throw BackendError(.other, "staging is not mapped") }
                (to + start).copyMemory(from: mapped, byteCount: min(Staging.half, total - start))
            }
        }
    }

    func copyWithin(
        from source: any BackendBuffer, at sourceOffset: Int, to target: any BackendBuffer, at targetOffset: Int,
        count: Int
    ) throws {
        let source = try own(source)
        let target = try own(target)
        try source.checkRange(sourceOffset, count)
        try target.checkRange(targetOffset, count)
        guard count > 0 else { return }
        let from = source.raw.address + UInt64(sourceOffset)
        let to = target.raw.address + UInt64(targetOffset)
        if source === target && abs(sourceOffset - targetOffset) < count {
            // Vulkan copies between overlapping regions of a buffer are undefined.
            if sourceOffset == targetOffset { return }
            let between = try scratch(count)
            try copy(source, sourceOffset, between, 0, count)
            try copy(between, 0, target, targetOffset, count)
        } else {
            let batch = try batch(0)
            uses(from, UInt64(count), writes: false)
            uses(to, UInt64(count), writes: true)
            recordCopy(batch, source.raw.buffer, sourceOffset, target.raw.buffer, targetOffset, count)
        }
    }

    private func copy(
        _ source: VulkanBuffer, _ sourceOffset: Int, _ target: VulkanBuffer, _ targetOffset: Int, _ count: Int
    ) throws {
        let batch = try batch(0)
        uses(source.raw.address + UInt64(sourceOffset), UInt64(count), writes: false)
        uses(target.raw.address + UInt64(targetOffset), UInt64(count), writes: true)
        recordCopy(batch, source.raw.buffer, sourceOffset, target.raw.buffer, targetOffset, count)
    }
}
