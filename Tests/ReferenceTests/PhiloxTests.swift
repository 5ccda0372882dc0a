import BackendKit
import ReferenceBackend
import Testing

@Suite struct PhiloxTests {
    /// The known answers published with Random123 (kat_vectors, philox4x32 10).
    @Test func publishedAnswers() {
        let ones = UInt32.max
        #expect(
            Philox.words(key: (0, 0), counter: (0, 0, 0, 0)) == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        #expect(
            Philox.words(key: (ones, ones), counter: (ones, ones, ones, ones))
                == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        #expect(
            Philox.words(
                key: (0xa409_3822, 0x299f_31d0), counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344))
                == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test(arguments: bothDevices)
    func instruction(index: Int) throws {
        let device = try Driver.device(index)
        for word in 0..<4 {
            let key = try device.tensor([0, 0x299f_31d0_a409_3822] as [Int64], .int64)
            let counter = try device.tensor([0, 0x0000_0001_0000_0002] as [Int64], .int64)
            let result: [Int32] = try device.pointwise([key, counter], to: .int32) {
                $0.philox(key: $1[0], counter: $1[1], word: word)
            }
            let other = Philox.words(key: (0xa409_3822, 0x299f_31d0), counter: (2, 1, 0, 0))
            let expected: [UInt32] = [
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8][word],
                [other.0, other.1, other.2, other.3][word],
            ]
            #expect(result.map { UInt32(bitPattern: $0) } == expected)
        }
    }
}
