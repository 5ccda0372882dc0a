import BackendKit
import CBackend
import Testing

@Suite struct PointwiseTests {
    @Test(arguments: bothDevices)
    func integers32(index: Int) throws {
        let device = try Driver.device(index)
        let x: [Int32] = [.max, .min, 7, -7, 7, -7, 5, .min, 1, -1]
        let y: [Int32] = [1, -1, 2, 2, -2, -2, 0, 0, 31, 32]
        func check(_ opcode: Opcode, _ expected: [Int32]) throws {
            #expect(try device.binary(opcode, x, y, .int32) == expected, "\(opcode)")
        }
        try check(.add, [.min, .max, 9, -5, 5, -9, 5, .min, 32, 31])
        try check(.sub, [.max - 1, .min + 1, 5, -9, 9, -5, 5, .min, -30, -33])
        try check(.mul, [.max, .min, 14, -14, -14, 14, 0, 0, 31, -32])
        try check(.div, [.max, .min, 3, -3, -3, 3, 0, 0, 0, 0])
        try check(.rem, [0, 0, 1, -1, 1, -1, 0, 0, 1, -1])
        try check(.min, [1, .min, 2, -7, -2, -7, 0, .min, 1, -1])
        try check(.max, [.max, -1, 7, 2, 7, -2, 5, 0, 31, 32])
        try check(.and, [1, .min, 2, 0, 6, -8, 0, 0, 1, 32])
        try check(.or, [.max, -1, 7, -5, -1, -1, 5, .min, 31, -1])
        try check(.xor, [.max - 1, .max, 5, -5, -7, 7, 5, .min, 30, -33])
        try check(.shl, [-2, 0, 28, -28, 0, 0, 5, .min, .min, 0])
        try check(.shr, [.max >> 1, -1, 1, -2, 0, -1, 5, .min, 0, -1])
        try check(.ushr, [.max >> 1, 0, 1, 0x3fff_fffe, 0, 0, 5, .min, 0, 0])
        #expect(try device.unary(.neg, [.min, 1, 0] as [Int32], .int32) == [.min, -1, 0])
        #expect(try device.unary(.abs, [.min, -1, 0] as [Int32], .int32) == [.min, 1, 0])
        #expect(try device.unary(.not, [0, -1, 5] as [Int32], .int32) == [-1, 0, -6])
        #expect(try device.unary(.floor, [3, -3] as [Int32], .int32) == [3, -3])
    }

    @Test(arguments: bothDevices)
    func integers64(index: Int) throws {
        let device = try Driver.device(index)
        let x: [Int64] = [.max, .min, -7, .min, 1, -1, 1, 1]
        let y: [Int64] = [1, -1, 2, 0, 63, 64, -1, 40]
        func check(_ opcode: Opcode, _ expected: [Int64]) throws {
            #expect(try device.binary(opcode, x, y, .int64) == expected, "\(opcode)")
        }
        try check(.add, [.min, .max, -5, .min, 64, 63, 0, 41])
        try check(.mul, [.max, .min, -14, 0, 63, -64, -1, 40])
        try check(.div, [.max, .min, -3, 0, 0, 0, -1, 0])
        try check(.rem, [0, 0, -1, 0, 1, -1, 0, 1])
        try check(.shl, [-2, 0, -28, .min, .min, 0, 0, 1 << 40])
        try check(.shr, [.max >> 1, -1, -2, .min, 0, -1, 0, 0])
        try check(.ushr, [.max >> 1, 0, 0x3fff_ffff_ffff_fffe, .min, 0, 0, 0, 0])
        // Beyond what a double can tell apart.
        #expect(try device.compare(.lt, [.max - 1], [.max] as [Int64], .int64) == [true])
        #expect(try device.compare(.eq, [.max - 1], [.max] as [Int64], .int64) == [false])
    }

    @Test(arguments: bothDevices)
    func bools(index: Int) throws {
        let device = try Driver.device(index)
        let (x, y): ([UInt8], [UInt8]) = ([0, 0, 1, 1], [0, 1, 0, 1])
        for (opcode, expected) in [
            (Opcode.and, [0, 0, 0, 1]), (.or, [0, 1, 1, 1]), (.xor, [0, 1, 1, 0]), (.min, [0, 0, 0, 1]),
            (.max, [0, 1, 1, 1]), (.add, [0, 1, 1, 1]), (.mul, [0, 0, 0, 1]),
        ] as [(Opcode, [UInt8])] {
            #expect(try device.binary(opcode, x, y, .bool) == expected, "\(opcode)")
        }
        #expect(try device.unary(.not, x, .bool) == [1, 1, 0, 0])
        #expect(try device.compare(.lt, x, y, .bool) == [false, true, false, false])
        #expect(try device.compare(.eq, x, y, .bool) == [true, false, false, true])
    }

    @Test(arguments: bothDevices)
    func floatCorners(index: Int) throws {
        let device = try Driver.device(index)
        let (inf, nan) = (Float.infinity, Float.nan)
        let x: [Float] = [nan, 1, -0.0, 1, -1, 0, inf, 5.5, -5.5, 5.5, .leastNonzeroMagnitude]
        let y: [Float] = [1, nan, 0.0, 0, 0, 0, inf, 2, 2, inf, 2]
        func check(_ opcode: Opcode, _ expected: [Float]) throws {
            let result = try device.binary(opcode, x, y, .float32)
            #expect(same(result, expected), "\(opcode): \(result)")
        }
        let tiny = Float.leastNonzeroMagnitude
        try check(.add, [nan, nan, 0, 1, -1, 0, inf, 7.5, -3.5, inf, 2])
        try check(.sub, [nan, nan, -0.0, 1, -1, 0, nan, 3.5, -7.5, -inf, -2])
        try check(.mul, [nan, nan, -0.0, 0, -0.0, 0, inf, 11, -11, inf, 2 * tiny])
        try check(.div, [nan, nan, nan, inf, -inf, nan, nan, 2.75, -2.75, 0, 0])
        try check(.rem, [nan, nan, nan, nan, nan, nan, nan, 1.5, -1.5, 5.5, tiny])
        try check(.min, [nan, nan, 0, 0, -1, 0, inf, 2, -5.5, 5.5, tiny])
        try check(.max, [nan, nan, 0, 1, 0, 0, inf, 5.5, 2, inf, 2])
        #expect(
            try device.compare(.eq, x, y, .float32)
                == [false, false, true, false, false, true, true, false, false, false, false])
        #expect(try device.compare(.ne, [nan, 1], [nan, 1], .float32) == [true, false])
        #expect(try device.compare(.lt, [nan, 1, -0.0], [1, nan, 0], .float32) == [false, false, false])
        #expect(try device.compare(.le, [nan, 1, -0.0], [1, nan, 0], .float32) == [false, false, true])
        let z: [Float] = [-0.0, 0.5, 1.5, 2.5, -0.5, -1.5, nan, -inf]
        func check(_ opcode: Opcode, of expected: [Float]) throws {
            let result = try device.unary(opcode, z, .float32)
            #expect(same(result, expected), "\(opcode): \(result)")
        }
        try check(.round, of: [-0.0, 0, 2, 2, -0.0, -2, nan, -inf])
        try check(.floor, of: [-0.0, 0, 1, 2, -1, -2, nan, -inf])
        try check(.ceil, of: [-0.0, 1, 2, 3, -0.0, -1, nan, -inf])
        try check(.trunc, of: [-0.0, 0, 1, 2, -0.0, -1, nan, -inf])
        try check(.neg, of: [0, -0.5, -1.5, -2.5, 0.5, 1.5, nan, inf])
        try check(.abs, of: [0, 0.5, 1.5, 2.5, 0.5, 1.5, nan, inf])
        try check(
            .sqrt,
            of: [-0.0, Float(0.5).squareRoot(), Float(1.5).squareRoot(), Float(2.5).squareRoot(), nan, nan, nan, nan])
    }

    @Test(arguments: bothDevices)
    func casts(index: Int) throws {
        let device = try Driver.device(index)
        let x: [Double] = [
            1.9, -1.9, .nan, .infinity, -.infinity, 2147483647.5, 2_147_483_648, -2147483648.9, 9.3e18, -0.0,
        ]
        #expect(
            try device.cast(x, .float64, to: .int32)
                == [1, -1, .min, .min, .min, .max, .min, .min, .min, 0] as [Int32])
        #expect(
            try device.cast(x, .float64, to: .int64) == [
                1, -1, .min, .min, .min, 2_147_483_647, 2_147_483_648, -2_147_483_648, .min, 0,
            ] as [Int64])
        #expect(try device.cast(x, .float64, to: .bool) == [1, 1, 1, 1, 1, 1, 1, 1, 1, 0] as [UInt8])
        // Once, to nearest even: not by way of float64.
        let large: [Int64] = [(1 << 24) + 1, (1 << 54) + (1 << 30) + 1, .max, .min]
        #expect(try device.cast(large, .int64, to: .float32) == large.map { Float($0) })
        #expect(try device.cast(large, .int64, to: .float64) == large.map { Double($0) })
        #expect(try device.cast(large, .int64, to: .int32) == large.map { Int32(truncatingIfNeeded: $0) })
        #expect(
            try device.cast([1 + 0x1p-24, 1e300, 0x1.8p-150], .float64, to: .float32) == [1, .infinity, 0x1p-149]
                as [Float])
        #expect(try device.cast([1, 0] as [UInt8], .bool, to: .float64) == [1, 0] as [Double])
    }

    @Test(arguments: bothDevices)
    func bitcastsSelectsFmaAndNarrow(index: Int) throws {
        let device = try Driver.device(index)
        let x: [Float] = [1, -0.0, .infinity]
        let bits: [Int32] = try device.pointwise([device.tensor(x, .float32)], to: .int32) {
            $0.bitcast($1[0], to: .i32)
        }
        #expect(bits == x.map { Int32(bitPattern: $0.bitPattern) })
        let doubles: [Double] = try device.pointwise(
            [device.tensor([0x3ff8_0000_0000_0000] as [Int64], .int64)], to: .float64
        ) {
            $0.bitcast($1[0], to: .f64)
        }
        #expect(doubles == [1.5])
        let picked: [Float] = try device.pointwise(
            [
                device.tensor([1, 0] as [UInt8], .bool), device.tensor([1, 2] as [Float], .float32),
                device.tensor([.nan, .nan] as [Float], .float32),
            ], to: .float32
        ) { $0.select($1[0], $1[1], $1[2]) }
        #expect(picked[0] == 1 && picked[1].isNaN)
        // (1 + e)(1 - e) - 1 = -e², which two roundings lose.
        let e: Float = 0x1p-13
        let operands = try [1 + e, 1 - e, -1].map { try device.tensor([$0] as [Float], .float32) }
        #expect(try device.pointwise(operands, to: .float32) { $0.fma($1[0], $1[1], $1[2]) } == [-e * e])
        #expect(
            try device.pointwise(operands, to: .float32) {
                $0.binary(.add, $0.binary(.mul, $1[0], $1[1]), $1[2])
            } == [0] as [Float])
        let narrow: [Float] = try device.pointwise(
            [device.tensor([1 + 0x1p-11, 1e6, 0x1p-24] as [Float], .float32)], to: .float32
        ) {
            $0.narrow($1[0], to: .float16)
        }
        #expect(narrow == [1, .infinity, 0x1p-24])
        let bytes: [Int32] = try device.pointwise([device.tensor([300, -1] as [Int32], .int32)], to: .int32) {
            $0.narrow($1[0], to: .uint8)
        }
        #expect(bytes == [44, 255])
    }

    @Test(arguments: bothDevices)
    func paramsIndexBroadcastAndStrides(index: Int) throws {
        let device = try Driver.device(index)
        // out[i, j] = column[i] · row[j] + s · (linear index), written transposed.
        var b = ProgramBuilder()
        let product = b.binary(.mul, b.load(0, .float32), b.load(1, .float32))
        let linear = b.cast(b.index(), to: .f32)
        b.store(b.binary(.add, product, b.binary(.mul, b.param(0, .f32), linear)), to: 0, as: .float32)
        let column = try device.tensor([1, 2, 3] as [Float], .float32).view([3, 2], strides: [-1, 0], offset: 2)
        let row = try device.tensor([10, 99, 20] as [Float], .float32).view([3, 2], strides: [0, 2])
        let output = try device.empty(.float32, [6])
        try device.launch(
            .pointwise, [column, row], [output.view([3, 2], strides: [1, 3])], program: b.finish(),
            params: [CressetScalar(0.5 as Float)])
        #expect(try output.read() == [30, 21, 12, 60.5, 41.5, 22.5] as [Float])
    }

    /// Loads come before stores even where an output is an input, and many elements, a 0-d tensor and
    /// none at all work alike.
    @Test(arguments: [0, 1, 255, 256, 257, 1000])
    func inPlaceAndSizes(count: Int) throws {
        let device = try Driver.reference()
        let x = try device.tensor((0..<count).map { Float($0) }, .float32)
        let y = try device.empty(.float32, [count])
        var b = ProgramBuilder()
        let one = b.const(1.0, .f32)
        b.store(b.binary(.add, b.load(0, .float32), one), to: 0, as: .float32)
        b.store(b.binary(.mul, b.load(0, .float32), b.const(2.0, .f32)), to: 1, as: .float32)
        try device.launch(.pointwise, [x], [x, y], program: b.finish())
        #expect(try x.read() == (0..<count).map { Float($0) + 1 })
        #expect(try y.read() == (0..<count).map { Float($0) * 2 })
    }

    @Test func brokenCallsAreNamed() throws {
        let device = try Driver.reference()
        let x = try device.tensor([1, 2] as [Float], .float32)
        var b = ProgramBuilder()
        b.store(b.load(0, .float32), to: 0, as: .float32)
        let program = b.finish()
        #expect(throws: BackendError.self) {
            try device.launch(.pointwise, [x.view([3], strides: [1])], [x.view([3], strides: [1])], program: program)
        }
        #expect(throws: BackendError.self) {
            try device.launch(.pointwise, [x], [x.view([1], strides: [1])], program: program)
        }
        #expect(throws: BackendError.self) { try device.launch(.pointwise, [x], [x]) }
        // Offsets and counts that no address has.
        for (offset, bytes) in [(UInt64.max, 8 as UInt64), (8, .max), (4, 8), (9, 0)] {
            var target: (UInt64, UInt64) = (0, 0)
            #expect(throws: BackendError.self) {
                try check(device.table.copy_out(device.queue, x.memory.buffer, offset, &target, bytes))
            }
        }
        #expect {
            try device.allocate(.max)
        } throws: {
            let error = $0 as? BackendError
            return error?.kind == .outOfMemory && error?.message.contains("limit") == true
        }
    }
}
