/// Philox4x32-10: the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random
/// numbers: as easy as 1, 2, 3" (2011), as published in Random123.
package enum Philox {
    package typealias Word = UInt32

    /// The four random words of a counter under a key.
    package static func words(
        key: (Word, Word), counter: (Word, Word, Word, Word)
    ) -> (Word, Word, Word, Word) {
        var (k0, k1) = key
        var c = counter
        for _ in 0..<10 {
            let p = (0xD251_1F53 as Word).multipliedFullWidth(by: c.0)
            let q = (0xCD9E_8D57 as Word).multipliedFullWidth(by: c.2)
            c = (q.high ^ c.1 ^ k0, q.low, p.high ^ c.3 ^ k1, p.low)
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return c
    }

    /// The PHILOX instruction: the low half of a number is its first word.
    static func word(_ word: Int, key: Int64, counter: Int64) -> Int32 {
        func halves(_ x: Int64) -> (Word, Word) {
            (Word(truncatingIfNeeded: x), Word(truncatingIfNeeded: x >> 32))
        }
        let (c0, c1) = halves(counter)
        let words = words(key: halves(key), counter: (c0, c1, 0, 0))
        return Int32(bitPattern: [words.0, words.1, words.2, words.3][word])
    }
}
