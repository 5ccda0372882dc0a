import CressetIO
import Testing

/// Damaged input gives a value or an error, never a trap; whatever traps here ends the run.
@Suite struct FuzzTests {
    static let time = Duration.milliseconds(700)

    /// Runs `body` on mutations of `seeds` for a bounded time; says how many it ran.
    func fuzz(_ seeds: [[UInt8]], seed: UInt64, _ body: ([UInt8]) -> Void) {
        var random = TestRandom(state: seed)
        var corpus = seeds
        let end = ContinuousClock.now + Self.time
        var runs = 0
        while ContinuousClock.now < end {
            let input = (corpus.randomElement(using: &random) ?? []).mutated(by: &random)
            body(input)
            // Mutations of mutations go further, as long as they stay small.
            if runs % 8 == 0 && input.count < 512 {
                if corpus.count < 64 {
                    corpus.append(input)
                } else {
                    corpus[Int.random(in: seeds.count..<64, using: &random)] = input
                }
            }
            runs += 1
        }
        #expect(runs > 1000)
    }

    @Test func json() {
        let seeds = [
            #"{"a":[1,-2.5e3,true,false,null],"b":{"c":"\u00e9\n😀"}}"#, #"[[[[[]]]],{},"",0,1e-5]"#, #""\ud83d\ude00""#,
        ]
        fuzz(seeds.map { Array($0.utf8) }, seed: 1) { input in
            guard let value = try? JSON.parse(bytes: input, limits: .init(depth: 16)) else { return }
            #expect((try? JSON.parse(value.serialized())) == value)
        }
    }

    @Test func safetensors() {
        let seeds = [
            #"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"U8","shape":[],"data_offsets":[24,25]}}"#,
            #"{"__metadata__":{"format":"pt"},"empty":{"dtype":"I64","shape":[0,4],"data_offsets":[0,0]}}"#,
        ]
        fuzz(seeds.map { SafetensorsTests.bytes($0, data: $0.hasPrefix("{\"a") ? 25 : 0) }, seed: 2) { input in
            guard let count = try? SafetensorsHeader.jsonByteCount(Array(input.prefix(8)), fileSize: input.count),
                let header = try? SafetensorsHeader(
                    json: Array(input[8..<(8 + count)]), dataByteCount: input.count - 8 - count)
            else { return }
            let data = input.count - 8 - count
            #expect(header.entries.values.allSatisfy { $0.bytes.upperBound <= data && $0.shape.allSatisfy { $0 >= 0 } })
            #expect(header.entries.values.reduce(0) { $0 + $1.bytes.count } == data)
        }
    }

    @Test func idx() {
        fuzz([IdxTests.image, gzip(IdxTests.image)], seed: 3) { input in
            guard let array = try? IdxArray(parsing: input, limit: 1 << 16) else { return }
            #expect(array.bytes.count == array.shape.reduce(array.dtype.size, *))
        }
    }
}
