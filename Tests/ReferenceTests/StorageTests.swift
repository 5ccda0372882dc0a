import BackendKit
import Testing

@Suite struct StorageTests {
    /// Widening and narrowing again gives back every pattern of 16 bits (a NaN stays one).
    @Test(arguments: bothDevices)
    func float16RoundTrips(index: Int) throws {
        let device = try Driver.device(index)
        let patterns = (0...UInt16.max).map { $0 }
        let back: [UInt16] = try device.pointwise([device.tensor(patterns, .float16)], to: .float16) { $1[0] }
        let wide: [Float] = try device.cast(patterns, .float16, to: .float32)
        for (i, pattern) in patterns.enumerated() {
            if Float16(bitPattern: pattern).isNaN {
                #expect(Float16(bitPattern: back[i]).isNaN && wide[i].isNaN)
            } else {
                #expect(back[i] == pattern && wide[i] == halfValue(pattern))
            }
        }
    }

    @Test(arguments: bothDevices)
    func bfloat16RoundTrips(index: Int) throws {
        let device = try Driver.device(index)
        let patterns = (0...UInt16.max).map { $0 }
        let back: [UInt16] = try device.pointwise([device.tensor(patterns, .bfloat16)], to: .bfloat16) { $1[0] }
        let wide: [UInt32] = try device.cast(patterns, .bfloat16, to: .float32)
        for (i, pattern) in patterns.enumerated() {
            let isNaN = pattern & 0x7fff > 0x7f80
            #expect(isNaN ? back[i] & 0x7fff > 0x7f80 : back[i] == pattern)
            #expect(isNaN || wide[i] == UInt32(pattern) << 16)
        }
    }

    /// Halfway between neighbours goes to the even one; a little more or less to the nearer.
    @Test(arguments: bothDevices)
    func roundingToFloat16(index: Int) throws {
        let device = try Driver.device(index)
        let cases: [(Float, UInt16)] = [
            (1, 0x3c00), (1 + 0x1p-11, 0x3c00), (1 + 0x1.8p-10, 0x3c02), (1 + 0x1p-11 + 0x1p-20, 0x3c01),
            (65504, 0x7bff), (65519.996, 0x7bff), (65520, 0x7c00), (-65520, 0xfc00),
            (0x1p-24, 0x0001), (0x1p-25, 0x0000), (0x1.8p-25, 0x0001), (-0x1p-25, 0x8000),
            (0x1.8p-24, 0x0002), (0x1.ff8p-15, 0x03ff), (0x1.ffcp-15, 0x0400), (0x1p-14, 0x0400), (-0.0, 0x8000),
            (.infinity, 0x7c00), (0x1p-149, 0),
        ]
        let result: [UInt16] = try device.pointwise([device.tensor(cases.map(\.0), .float32)], to: .float16) {
            $0.cast($1[0], to: .f32)
        }
        #expect(result == cases.map(\.1))
    }

    @Test(arguments: bothDevices)
    func roundingToBFloat16(index: Int) throws {
        let device = try Driver.device(index)
        let cases: [(Float, UInt16)] = [
            (1, 0x3f80), (1 + 0x1p-8, 0x3f80), (1 + 0x1.8p-7, 0x3f82), (1 + 0x1.0002p-8, 0x3f81),
            (.greatestFiniteMagnitude, 0x7f80), (0x1.fep127, 0x7f7f), (0x1.fefp127, 0x7f7f), (0x1.ffp127, 0x7f80),
            (0x1p-133, 0x0001), (0x1p-134, 0x0000), (0x1.8p-134, 0x0001), (-0x1p-134, 0x8000), (0x1.8p-133, 0x0002),
            (-.infinity, 0xff80), (-0.0, 0x8000),
        ]
        let result: [UInt16] = try device.pointwise([device.tensor(cases.map(\.0), .float32)], to: .bfloat16) { $1[0] }
        #expect(result == cases.map(\.1))
    }

    @Test(arguments: bothDevices)
    func integersWrapAndBoolsAreOneOrZero(index: Int) throws {
        let device = try Driver.device(index)
        let x: [Int32] = [0, 1, -1, 127, 128, 255, 256, 65_535, -129, .min]
        #expect(try device.cast(x, .int32, to: .int8) == x.map { Int8(truncatingIfNeeded: $0) })
        #expect(try device.cast(x, .int32, to: .uint8) == x.map { UInt8(truncatingIfNeeded: $0) })
        #expect(try device.cast(x, .int32, to: .int16) == x.map { Int16(truncatingIfNeeded: $0) })
        #expect(try device.cast([0, 1, 2, 255] as [UInt8], .bool, to: .int32) == [0, 1, 1, 1] as [Int32])
        #expect(
            try device.pointwise([device.tensor([0, 7] as [UInt8], .bool)], to: .bool) { $1[0] } == [0, 1] as [UInt8])
    }

    /// A float16 by its definition.
    private func halfValue(_ bits: UInt16) -> Float {
        let (exponent, fraction) = (Int(bits >> 10 & 31), Float(bits & 1023))
        let magnitude: Float =
            switch exponent {
            case 0: fraction * 0x1p-24
            case 31: .infinity
            default: (1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
            }
        return bits & 0x8000 == 0 ? magnitude : -magnitude
    }
}
