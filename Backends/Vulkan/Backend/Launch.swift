import BackendKit
import CBackend
import CVulkan

/// Launch data being put together: 64-bit words in host memory of the queue, copied where the kernel
/// reads them when the launch is recorded.
final class LaunchData {
    // Allocated once for a queue; `capacity` covers the longest layout of any family.
    private let base: UnsafeMutablePointer<Int>
    static let capacity = 2048
    private(set) var count = 0
    /// Word 0 of the data, after room for the address that is pushed before it.
    private var words: UnsafeMutablePointer<Int> { base + 1 }

    init() {
        base = .allocate(capacity: Self.capacity)
        base.initialize(repeating: 0, count: Self.capacity)
    }

    deinit { base.deallocate() }

    /// Begins anew with `count` words, of any value.
    func begin(_ count: Int) {
        precondition(count < Self.capacity, "a launch has more data than there is room for")
        self.count = count
    }

    subscript(i: Int) -> Int {
        get {
            precondition(i >= 0 && i < count, "launch data out of range")
            return words[i]
        }
        set {
            precondition(i >= 0 && i < count, "launch data out of range")
            words[i] = newValue
        }
    }

    /// Copies the words to `target`, and gives what to push when they are at `address` on the device: that
    /// address and the first words. Valid until the next launch is begun.
    func place(_ target: UnsafeMutableRawPointer, at address: UInt64) -> UnsafeRawPointer {
        target.copyMemory(from: words, byteCount: count * 8)
        base[0] = Int(bitPattern: UInt(address))
        return UnsafeRawPointer(base)
    }
}

/// Where the words of an iteration space lie: `rank` sizes at `sizes`, and for operand k as many strides at
/// `strides + k * step`.
struct Space {
    var sizes: Int
    var strides: Int
    var step: Int
    var operandCount: Int
    var rank = 0
    /// Number of elements.
    var count = 1

    func stride(_ k: Int, _ d: Int) -> Int { strides + k * step + d }

    /// Appends a dimension whose strides are `stride(k)` elements.
    mutating func append(_ data: LaunchData, size: Int, stride: (Int) -> Int) {
        count *= size
        if size == 1 { return }
        if rank > 0 {
            // The dimension before continues where this one ends, for every operand: they are one.
            var joins = true
            for k in 0..<operandCount where data[self.stride(k, rank - 1)] != stride(k) * size {
                joins = false
                break
            }
            if joins {
                data[sizes + rank - 1] *= size
                for k in 0..<operandCount { data[self.stride(k, rank - 1)] = stride(k) }
                return
            }
        }
        data[sizes + rank] = size
        for k in 0..<operandCount { data[self.stride(k, rank)] = stride(k) }
        rank += 1
    }
}

extension VulkanQueue {
    /// Copies the launch data to where the kernel reads it, and records the launch.
    func record(_ pipeline: VkPipeline?, _ batch: Batch, groups: Int) {
        let room = batch.take(launchData.count * 8)
        let push = launchData.place(room.pointer, at: room.address)
        dispatch(pipeline, batch, push: push, groups: groups)
    }

    /// Writes the params of a call from word `at` on.
    func write(params call: Call, at: Int) {
        // A scalar's bits are what the kernel reinterprets.
        for k in 0..<call.paramCount { launchData[at + k] = Int(call.param(k).i) }
    }
}

extension Call {
    /// Throws unless counts and ranks are those the header allows.
    func validate(inputs: ClosedRange<Int>, outputs: ClosedRange<Int>) throws {
        guard inputs.contains(inputCount), outputs.contains(outputCount) else {
            throw BackendError(.invalid, "\(inputCount) inputs and \(outputCount) outputs", op: op)
        }
        for i in 0..<inputCount where input(i).rank > Int(CRESSET_MAX_RANK) {
            throw BackendError(.invalid, "an input has rank \(input(i).rank)", op: op)
        }
        for i in 0..<outputCount where output(i).rank > Int(CRESSET_MAX_RANK) {
            throw BackendError(.invalid, "an output has rank \(output(i).rank)", op: op)
        }
        guard paramCount <= 256 else { throw BackendError(.invalid, "\(paramCount) params", op: op) }
    }
}

/// The device's queue and its parts, from what the kit hands a launch.
func own(_ queue: any BackendQueue) throws -> VulkanQueue {
    guard type(of: queue) == VulkanQueue.self else { throw BackendError(.invalid, "a queue of another backend") }
    // The comparison makes the cast safe, and is much cheaper than `as?`.
    return unsafeDowncast(queue, to: VulkanQueue.self)
}
