import CCresset

/// Gives the tensors that are made while it is on room on both sides, filled with what no right
/// kernel writes, and tells whether it was written to.
///
/// New tensors hold the same filler, so that an element that nobody wrote is seen too.
package final class MemoryGuard {
    /// Bytes in front of a tensor; a multiple of every element's size.
    private let front: Int
    private let device: Device
    /// Behind every tensor, at least.
    private static let back = 64
    /// Bytes behind a tensor that are looked at.
    private static let most = 512

    private struct Region {
        var storage: Storage
        var bytes: Int
        var filler: UInt8
    }
    private var regions: [Region] = []

    package init(_ device: Device, front: Int) {
        self.device = device
        self.front = front
    }

    /// Runs `body` with guarded memory on the device, on this thread.
    package func run<Result>(_ body: () throws -> Result) rethrows -> Result {
        let state = threadState
        let previous = state.pointee.guard
        state.pointee.guard = Unmanaged.passUnretained(self).toOpaque()
        defer { state.pointee.guard = previous }
        return try withExtendedLifetime(self) { try withLayer(Layer.guarding, true, body) }
    }

    /// The guard of this thread, while one is on.
    @inline(__always)
    static var current: MemoryGuard? {
        let state = threadState
        guard state.pointee.layers & Layer.guarding != 0, let memory = state.pointee.guard else { return nil }
        return Unmanaged<MemoryGuard>.fromOpaque(memory).takeUnretainedValue()
    }

    func guards(_ runtime: DeviceRuntime) -> Bool { runtime.device == device }

    func empty(
        _ shape: Shape, _ dtype: DType, _ bytes: Int, on runtime: DeviceRuntime, op: String
    ) throws(CressetError) -> Tensor {
        let storage = try Storage(runtime, bytes: bytes, front: front, back: Self.back, op: op)
        // NaN for floats; for integers a number that no index may be.
        let region = Region(storage: storage, bytes: bytes, filler: dtype.hasGradient ? 0xFF : 0x5B)
        let filler = [UInt8](repeating: region.filler, count: end(of: region))
        try storage.write(filler, at: 0, op: op)
        regions.append(region)
        return Tensor(
            storage: storage, shape: shape, strides: shape.contiguousStrides, offset: front / dtype.size, dtype: dtype)
    }

    private func end(of region: Region) -> Int {
        min(region.storage.bytes, front + region.bytes + Self.most)
    }

    /// What was written beside a tensor, in words; nil if nothing was.
    package func damage() throws(CressetError) -> String? {
        for region in regions {
            for (range, place) in [
                (0..<front, "before the first"), (front + region.bytes..<end(of: region), "behind the last"),
            ] {
                let seen = try region.storage.bytes(in: range, op: "guard")
                guard let i = seen.firstIndex(where: { $0 != region.filler }) else { continue }
                let distance = range.lowerBound == 0 ? front - i : i
                return "\(distance) bytes \(place) element of a tensor of \(region.bytes) bytes were written to"
            }
        }
        return nil
    }
}
