import Cresset
import Glibc
import Testing

/// Tensors beyond what 32 bits can count, which need some 10 GiB of memory: with CRESSET_LARGE=1 only.
@Suite(.serialized, .enabled(if: getenv("CRESSET_LARGE") != nil)) struct LargeTests {
    private static let gib = 1 << 30

    /// Waits, gives back what the device's allocator kept, and says what is live there.
    private func free(_ device: Device) throws -> Int {
        try device.trimMemory()
        return try device.memoryStatistics.liveBytes
    }

    /// Places where an index of 30, 31 or 32 bits, of elements or of bytes, would go wrong, and the ends.
    private func places(_ count: Int, size: Int) -> [Int] {
        var found: Set<Int> = [0, 1, count - 1, count / 2, count / 3]
        for bits in [24, 30, 31, 32] {
            for place in [1 << bits, (1 << bits) / size] { found.formUnion([place - 1, place, place + 1]) }
        }
        return found.filter { $0 < count }.sorted()
    }

    /// Filled, added and summed, with marks to tell places from each other.
    private func floats(_ bytes: Int, on device: Device) throws {
        let count = bytes / 4
        try catching {
            let x = Tensor.full([count], 1, dtype: .float32, device: device)
            let marks = places(count, size: 4)
            for (i, place) in marks.enumerated() { x[place].fill_(Scalar(Double(i + 2))) }
            let y = x + x
            for (i, place) in marks.enumerated() {
                #expect(y[place].item() == Double(2 * (i + 2)), "element \(place)")
            }
            // Each mark adds 2(i + 1) to a sum of twos.
            let right = 2 * count + marks.indices.reduce(0) { $0 + 2 * ($1 + 1) }
            // All terms are positive integers: in pairs or with compensation there is little to round.
            let sum = y.sum().item()
            #expect(abs(sum - Double(right)) <= Double(right) * 0x1p-22, "\(sum), not \(right)")
            #expect(y.max().item() == Double(2 * (marks.count + 1)))
            #expect(y.argmax().itemInt() == marks[marks.count - 1])
            // Every part of it, so that no error hides in a long sum.
            let parts = y.reshape([count >> 20, 1 << 20]).sum(dim: 1)
            var expected = [Double](repeating: Double(2 << 20), count: count >> 20)
            for (i, place) in marks.enumerated() { expected[place >> 20] += Double(2 * (i + 1)) }
            let sums = try parts.doubles()
            #expect(sums == expected)
        }
        #expect(try free(device) == 0)
    }

    @Test func floatsOnOpenCL() throws { try floats(3 * Self.gib, on: .opencl) }
    @Test func floatsOnVulkan() throws { try floats(3 * Self.gib / 2, on: .vulkan) }

    @Test(arguments: [Device.cpu, .opencl]) func bytes(on device: Device) throws {
        try bytes(1 << 31, 1000, on: device)
    }

    /// One launch there has at most 2³⁰ elements, so this one is made of parts.
    @Test func bytesOnVulkan() throws { try bytes(1 << 30, 1000, on: .vulkan) }

    /// 0, 1, … 255, 0, …, doubled, which wraps; the sums are exact.
    private func bytes(_ edge: Int, _ rest: Int, on device: Device) throws {
        let count = edge + rest
        try catching {
            let x = Tensor.arange(Scalar(count), dtype: .uint8, device: device)
            let y = x + x
            for place in places(count, size: 1) {
                #expect(x[place].itemInt() == place & 255, "element \(place)")
                #expect(y[place].itemInt() == 2 * place & 255, "element \(place), doubled")
            }
            func sum(_ count: Int, _ step: Int) -> Int {
                let period = (0..<256).map { step * $0 & 255 }
                return count / 256 * period.reduce(0, +) + period.prefix(count % 256).reduce(0, +)
            }
            #expect(x.sum().itemInt() == sum(count, 1))
            #expect(y.sum().itemInt() == sum(count, 2))
            // A view that begins at the edge, and one that ends there.
            #expect(x[edge...].sum().itemInt() == sum(rest, 1))
            #expect(y[..<edge].sum().itemInt() == sum(edge, 2))
            x[count - 1].fill_(7)
            #expect(x.sum().itemInt() == sum(count - 1, 1) + 7)
        }
        #expect(try free(device) == 0)
    }

    @Test(arguments: [Device.cpu, .opencl, .vulkan]) func aboveTheLimit(on device: Device) throws {
        let limit = Int(try device.properties.maxAllocationBytes)
        #expect(limit > Self.gib, "the limit is \(limit)")
        for asked in [limit + 1, 4 * limit] {
            let error = #expect(throws: CressetError.self) {
                try catching { _ = Tensor.empty([asked], dtype: .uint8, device: device) }
            }
            let message = error?.message ?? ""
            #expect(error?.kind == .memory)
            #expect(message.contains("limit \(limit) bytes") && message.contains("\(asked) bytes"), "\(message)")
        }
        // More than an Int of bytes, or of elements.
        for shape in [[1 << 61], [1 << 40, 1 << 40]] as [Shape] {
            #expect(throws: CressetError.self) {
                try catching { _ = Tensor.empty(shape, dtype: .float64, device: device) }
            }
        }
        #expect(try catching { Tensor.ones([10], device: device).sum().item() } == 10)
        #expect(try free(device) == 0)
    }
}
