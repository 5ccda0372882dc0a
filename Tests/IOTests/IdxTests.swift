import Cresset
import CressetIO
import Testing

@Suite struct IdxTests {
    static let image: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]

    func parse(_ bytes: [UInt8], limit: Int = 1 << 20) throws -> IdxArray {
        try IdxArray(parsing: bytes, limit: limit)
    }

    @Test func readsPlainAndGzip() throws {
        for bytes in [Self.image, gzip(Self.image), gzip(Array(Self.image[..<7])) + gzip(Array(Self.image[7...]))] {
            let array = try parse(bytes)
            #expect(array.dtype == .uint8)
            #expect(array.shape == [2, 1, 3])
            #expect(array.bytes == [1, 2, 3, 4, 5, 6])
        }
        #expect(try parse([0, 0, 8, 1, 0, 0, 0, 0]).bytes == [])
    }

    @Test func swapsBytes() throws {
        let array = try parse([0, 0, 0x0C, 1, 0, 0, 0, 2, 1, 2, 3, 4, 0xFF, 0xFF, 0xFF, 0xFE])
        #expect(array.dtype == .int32)
        #expect(array.bytes == [4, 3, 2, 1, 0xFE, 0xFF, 0xFF, 0xFF])
    }

    @Test func readsAFile() throws {
        let folder = TemporaryFolder()
        let array = try IdxArray.load(folder.file("image.gz", gzip(Self.image)))
        #expect(try array.tensor(device: .reference).shape == [2, 1, 3])
        let long = folder.file("long", [UInt8](repeating: 0, count: 10_000))
        #expect(throws: CressetError.self) { try IdxArray.load(long, limit: 100) }
        #expect(throws: CressetError.self) { try IdxArray.load(folder.path) }
    }

    static let damaged: [(String, [UInt8])] = [
        ("empty", []),
        ("short magic", [0, 0, 8]),
        ("wrong magic", [1, 0, 8, 1, 0, 0, 0, 0]),
        ("unknown dtype", [0, 0, 7, 1, 0, 0, 0, 0]),
        ("rank 0", [0, 0, 8, 0, 1]),
        ("rank 5", [0, 0, 8, 5] + [UInt8](repeating: 0, count: 20)),
        ("short sizes", [0, 0, 8, 2, 0, 0, 0, 1, 0, 0]),
        ("negative size", [0, 0, 8, 1, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("above the limit", [0, 0, 8, 1, 0x7F, 0xFF, 0xFF, 0xFF]),
        ("overflow", [0, 0, 14, 4] + [UInt8](repeating: 0x7F, count: 16)),
        ("overflow beside a zero", [0, 0, 14, 4, 0, 0, 0, 0] + [UInt8](repeating: 0x7F, count: 12)),
        ("truncated", image.dropLast()),
        ("too long", image + [7]),
    ]

    @Test(arguments: damaged.indices)
    func refuses(_ i: Int) {
        let (what, bytes) = Self.damaged[i]
        #expect(throws: FormatError.self, "\(what)") { try parse(bytes) }
        #expect(throws: FormatError.self, "\(what), gzipped") { try parse(gzip(bytes)) }
    }

    @Test func refusesDamagedGzip() throws {
        let whole = gzip(Self.image)
        for count in 2..<whole.count {
            #expect(throws: FormatError.self) { try parse(Array(whole[..<count])) }
        }
        // The checksum finds a changed element.
        var changed = whole
        changed[whole.count - 5] ^= 1
        #expect(throws: FormatError.self) { try parse(changed) }
        #expect(throws: FormatError.self) { try parse(whole + [0]) }
    }

    @Test func stopsABomb() throws {
        // Declares 4 bytes and delivers 64 MB; and the other way round.
        let bomb = gzip([0, 0, 8, 1, 0, 0, 0, 4] + [UInt8](repeating: 0, count: 1 << 26))
        #expect(throws: FormatError.self) { try parse(bomb) }
        #expect(throws: FormatError.self) { try parse(gzip([0, 0, 8, 1, 0, 0xF, 0, 0])) }
        #expect(throws: CressetError.self) { try Gzip.inflate(bomb, limit: 1 << 20) }
    }
}
