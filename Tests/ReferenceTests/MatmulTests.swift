import BackendKit
import CBackend
import Testing

@Suite struct MatmulTests {
    @Test(arguments: bothDevices)
    func batchesAndStrides(index: Int) throws {
        let device = try Driver.device(index)
        // [2, 2, 3] · [2, 3, 2], the first transposed in memory, the second the same for both batches.
        let a = try device.tensor((1...12).map { Float($0) }, .float32).view([2, 2, 3], strides: [6, 1, 2])
        let b = try device.tensor((1...6).map { Float($0) }, .float32).view([2, 3, 2], strides: [0, 2, 1])
        let c = try device.empty(.float32, [2, 2, 2])
        try device.launch(.matmul, [a, b], [c])
        // a = [[1 3 5], [2 4 6]], [[7 9 11], [8 10 12]]; b = [[1 2], [3 4], [5 6]]
        #expect(try c.read() == [35, 44, 44, 56, 89, 116, 98, 128] as [Float])
    }

    @Test(arguments: bothDevices)
    func typesAndEmptySums(index: Int) throws {
        let device = try Driver.device(index)
        let big = try device.tensor([Int32.max, 2], .int32, [1, 2])
        let two = try device.tensor([2, 1] as [Int32], .int32, [2, 1])
        let integer = try device.empty(.int32, [1, 1])
        try device.launch(.matmul, [big, two], [integer])
        #expect(try integer.read() == [0] as [Int32])
        // 2048 + 1 + 1 is 2048 in float16 step by step; in float32 it is 2050.
        let row = try device.tensor([2048, 1, 1] as [Float16], .float16, [1, 3])
        let ones = try device.tensor([1, 1, 1] as [Float16], .float16, [3, 1])
        let half = try device.empty(.float16, [1, 1])
        try device.launch(.matmul, [row, ones], [half])
        #expect(try half.read() == [2050] as [Float16])
        let zero = try device.tensor([7, 7] as [Double], .float64, [2, 1])
        let (tall, flat) = (try device.empty(.float64, [2, 0]), try device.empty(.float64, [0, 1]))
        try device.launch(.matmul, [tall, flat], [zero])
        #expect(try zero.read() == [0, 0] as [Double])
    }

    @Test(arguments: bothDevices)
    func epilogue(index: Int) throws {
        let device = try Driver.device(index)
        var b = ProgramBuilder()
        let sum = b.binary(.add, b.load(0, .float32), b.load(1, .float16))
        b.store(b.binary(.max, sum, b.const(0.0, .f32)), to: 0, as: .float16)
        let x = try device.tensor([1, -2] as [Float16], .float16, [2, 1])
        let y = try device.tensor([3, 4] as [Float16], .float16, [1, 2])
        let bias = try device.tensor([0.5, 10] as [Float16], .float16).view([2, 2], strides: [0, 1])
        let output = try device.empty(.float16, [2, 2])
        try device.launch(.matmul, [x, y, bias], [output], program: b.finish())
        #expect(try output.read() == [3.5, 14, 0, 2] as [Float16])
    }

    /// The first layer of a network for 28×28 images.
    @Test func aLayerOfANetwork() throws {
        let device = try Driver.reference()
        let a = try device.tensor([Float](repeating: 1, count: 64 * 784), .float32, [64, 784])
        let b = try device.tensor([Float](repeating: 2, count: 784 * 128), .float32, [784, 128])
        let c = try device.empty(.float32, [64, 128])
        try device.launch(.matmul, [a, b], [c])
        #expect(try c.read().allSatisfy { $0 == 1568 as Float })
    }
}
