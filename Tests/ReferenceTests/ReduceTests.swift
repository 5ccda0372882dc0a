import BackendKit
import CBackend
import Testing

@Suite struct ReduceTests {
    @Test(arguments: bothDevices)
    func kinds(index: Int) throws {
        let device = try Driver.device(index)
        let x: [Float] = [1, 5, -2, 5, 0.5, -8]
        func reduce(_ kind: Reduction) throws -> [Float] {
            try device.reduce(kind, x, .float32, [2, 3], dims: [1], to: .float32)
        }
        #expect(try reduce(.sum) == [4, -2.5])
        #expect(try reduce(.prod) == [-10, -20])
        #expect(try reduce(.max) == [5, 5])
        #expect(try reduce(.min) == [-2, -8])
        #expect(try device.reduce(.argmax, x, .float32, [2, 3], dims: [1], to: .int64) == [1, 0] as [Int64])
        #expect(try device.reduce(.argmin, x, .float32, [2, 3], dims: [1], to: .int64) == [2, 2] as [Int64])
        #expect(try device.reduce(.sum, x, .float32, [2, 3], dims: [0], to: .float32) == [6, 5.5, -10] as [Float])
        #expect(try device.reduce(.argmax, x, .float32, [2, 3], dims: [0, 1], to: .int64) == [1] as [Int64])
        let bools: [UInt8] = [0, 0, 1, 1, 0, 1]
        #expect(try device.reduce(.any, bools, .bool, [3, 2], dims: [1], to: .bool) == [0, 1, 1] as [UInt8])
        #expect(try device.reduce(.all, bools, .bool, [3, 2], dims: [1], to: .bool) == [0, 1, 0] as [UInt8])
    }

    @Test(arguments: bothDevices)
    func integersWrap(index: Int) throws {
        let device = try Driver.device(index)
        #expect(try device.reduce(.sum, [.max, 1] as [Int32], .int32, [2], dims: [0], to: .int32) == [.min] as [Int32])
        #expect(
            try device.reduce(.prod, [1 << 40, 1 << 30] as [Int64], .int64, [2], dims: [0], to: .int64) == [0]
                as [Int64])
        // uint8 accumulates in i32.
        #expect(try device.reduce(.sum, [200, 100] as [UInt8], .uint8, [2], dims: [0], to: .int32) == [300] as [Int32])
    }

    @Test(arguments: bothDevices)
    func nanAndTies(index: Int) throws {
        let device = try Driver.device(index)
        let x: [Float] = [1, .nan, 7, .nan, 3, 3, 3, 1]
        let maximum: [Float] = try device.reduce(.max, x, .float32, [2, 4], dims: [1], to: .float32)
        #expect(maximum[0].isNaN && maximum[1] == 3)
        #expect(try device.reduce(.argmax, x, .float32, [2, 4], dims: [1], to: .int64) == [1, 0] as [Int64])
        #expect(try device.reduce(.argmin, x, .float32, [2, 4], dims: [1], to: .int64) == [1, 3] as [Int64])
        let infinities: [Float] = try device.reduce(
            .sum, [.infinity, -.infinity, .infinity, 1] as [Float], .float32, [2, 2], dims: [1], to: .float32)
        #expect(infinities[0].isNaN && infinities[1] == .infinity)
    }

    @Test(arguments: bothDevices)
    func empty(index: Int) throws {
        let device = try Driver.device(index)
        func reduce<T: BitwiseCopyable>(_ kind: Reduction, _ dtype: DType, _: T.Type) throws -> [T] {
            try device.reduce(kind, [] as [T], dtype, [2, 0], dims: [1], to: dtype)
        }
        #expect(try reduce(.sum, .float32, Float.self) == [0, 0])
        #expect(try reduce(.prod, .float32, Float.self) == [1, 1])
        #expect(try reduce(.max, .float32, Float.self) == [-.infinity, -.infinity])
        #expect(try reduce(.min, .int64, Int64.self) == [.max, .max])
        #expect(try reduce(.max, .int32, Int32.self) == [.min, .min])
        #expect(try reduce(.any, .bool, UInt8.self) == [0, 0])
        #expect(try reduce(.all, .bool, UInt8.self) == [1, 1])
        #expect(throws: BackendError.self) {
            let _: [Int64] = try device.reduce(.argmax, [] as [Float], .float32, [2, 0], dims: [1], to: .int64)
        }
    }

    /// Prologue, INDEX, two accumulators and an epilogue in one launch, over a transposed input.
    @Test(arguments: bothDevices)
    func programs(index: Int) throws {
        let device = try Driver.device(index)
        var prologue = ProgramBuilder()
        let x = prologue.load(0, .float32)
        prologue.store(prologue.binary(.mul, x, x), to: 0, as: .float32)
        prologue.store(prologue.index(), to: 1, as: .int64)
        var epilogue = ProgramBuilder()
        let squares = epilogue.load(0, .float32)
        epilogue.store(epilogue.unary(.sqrt, squares), to: 0, as: .float32)
        epilogue.store(epilogue.binary(.add, squares, epilogue.param(0, .f32)), to: 1, as: .float16)
        epilogue.store(epilogue.load(1, .int64), to: 2, as: .int64)
        let input = try device.tensor([3, 1, 4, 2, 0, 2] as [Float], .float32).view([2, 3], strides: [1, 2])
        let (root, half, last) = (
            try device.empty(.float32, [2]), try device.empty(.float16, [2]), try device.empty(.int64, [2])
        )
        var attributes = CressetReduceAttributes(dims: [1], [.sum, .max])
        try device.launch(
            .reduce, [input], [root, half, last].map { $0.view([2, 3], strides: [1, 0]) },
            program: prologue.finish(), epilogue: epilogue.finish(), params: [CressetScalar(0.5 as Float)],
            attributes: &attributes)
        #expect(try root.read() == [5, 3] as [Float])
        #expect(try half.read() == [25.5, 9.5] as [Float16])
        #expect(try last.read() == [2, 5] as [Int64])
    }

    /// One after the other, ten million times 0.1 would be off by a tenth; halves first, it is not.
    @Test func longSums() throws {
        let device = try Driver.reference()
        let n = 1 << 20
        let sum: [Float] = try device.reduce(
            .sum, [Float](repeating: 0.1, count: n), .float32, [n], dims: [0], to: .float32)
        #expect(abs(Double(sum[0]) / (Double(Float(0.1)) * Double(n)) - 1) < 1e-6)
    }
}
