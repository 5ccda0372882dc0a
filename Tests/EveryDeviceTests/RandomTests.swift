import Cresset
import Testing

/// The devices there should be; a missing one fails these tests.
let everyDevice: [Device] = [.reference, .cpu, .opencl, .vulkan]

/// What is promised for all devices alike; in one suite, as compile counts are of a whole device.
@Suite(.serialized) struct EveryDevice {
    enum Kind: String, CaseIterable { case uniform, normal, uniformBetween, bernoulli, integers }

    private static func draw(
        _ kind: Kind, _ count: Int, _ dtype: DType, _ device: Device, _ stream: RandomStream
    ) throws -> [UInt8] {
        try catching {
            switch kind {
            case .uniform: try Tensor.rand([count], dtype: dtype, device: device, stream: stream).rawBytes()
            case .normal: try Tensor.randn([count], dtype: dtype, device: device, stream: stream).rawBytes()
            case .uniformBetween:
                try Tensor.empty([count], dtype: dtype, device: device).uniform_(-0.3, 1.7, stream: stream).rawBytes()
            case .bernoulli:
                try Tensor.empty([count], dtype: dtype, device: device).bernoulli_(0.3, stream: stream).rawBytes()
            case .integers:
                try Tensor.randint(-5, 1000, [count], device: device, stream: stream).rawBytes()
            }
        }
    }

    /// One million and an odd count, drawn at once and in pieces, are the same bits on every device.
    @Test(arguments: Kind.allCases, [DType.float32, .float64])
    func drawsTheSameBits(_ kind: Kind, _ dtype: DType) throws {
        let counts = [1, 331_777, 2, 4095, 664_126, 1_000_003 - 1_000_001]
        let count = counts.reduce(0, +)
        #expect(count == 1_000_003)
        let right = try Self.draw(kind, count, dtype, .reference, RandomStream(seed: 2024))
        #expect(right.count == count * (kind == .integers ? 8 : dtype.size))
        for device in everyDevice {
            #expect(try device.properties.dtypes.contains(dtype), "\(device)")
            let whole = try Self.draw(kind, count, dtype, device, RandomStream(seed: 2024))
            #expect(whole == right, "\(device)")
            let stream = RandomStream(seed: 2024)
            let pieces = try counts.map { try Self.draw(kind, $0, dtype, device, stream) }
            #expect(Array(pieces.joined()) == right, "\(device), in pieces")
        }
        #expect(try Self.draw(kind, count, dtype, .reference, RandomStream(seed: 2025)) != right)
    }

    /// Narrow dtypes have fewer bits, but the same on every device.
    @Test(arguments: [DType.float16, .bfloat16])
    func narrowDrawsAreTheSameBits(_ dtype: DType) throws {
        for kind in [Kind.uniform, .normal] {
            let right = try Self.draw(kind, 100_001, dtype, .reference, RandomStream(seed: 7))
            for device in everyDevice where try device.properties.dtypes.contains(dtype) {
                #expect(try Self.draw(kind, 100_001, dtype, device, RandomStream(seed: 7)) == right, "\(device)")
            }
        }
    }

    /// That the equal bits are random ones: moments, and Philox4x32-10 itself at its first counter.
    @Test func drawsAreRandom() throws {
        let n = 1_000_000
        let uniform = [Float](Tensor.rand([n], device: .cpu, stream: RandomStream(seed: 1)))
        let normal = [Float](Tensor.randn([n], device: .cpu, stream: RandomStream(seed: 1)))
        func mean(_ x: [Float], _ power: Int) -> Double {
            x.reduce(0.0) { sum, x in sum + (0..<power).reduce(1.0) { product, _ in product * Double(x) } } / Double(n)
        }
        // Five standard deviations of each mean.
        let root = Double(n).squareRoot()
        #expect(uniform.allSatisfy { $0 >= 0 && $0 < 1 })
        #expect(abs(mean(uniform, 1) - 0.5) < 5 * 0.2887 / root)
        #expect(abs(mean(uniform, 2) - 1.0 / 3) < 5 * 0.2982 / root)
        #expect(abs(mean(normal, 1)) < 5 / root)
        #expect(abs(mean(normal, 2) - 1) < 5 * 1.4143 / root)
        #expect(abs(mean(normal, 3)) < 5 * 3.873 / root)
        #expect(abs(mean(normal, 4) - 3) < 5 * 9.798 / root)
        // The published test vector for key 0 and counter 0 begins with 6627e8d5.
        let first = [Double](Tensor.rand([1], dtype: .float32, device: .cpu, stream: RandomStream(seed: 0)).double())
        #expect(first == [Double(0x6627_e8d5 >> 8) * 0x1p-24])
    }
}
