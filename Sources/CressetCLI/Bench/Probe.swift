import CProbe
import Cresset

/// What the processor can do at most, on as many threads as the backends may use.
enum Probe {
    /// One JSON object each: bytes a second of copies within the caches and far beyond them, and operations a second.
    static func lines() -> [String] {
        let threads = Int32(numThreads)
        let copies: [(name: String, bytes: UInt)] = [
            ("copy_4k", 16 << 10), ("copy_1m", 4 << 20), ("copy_16m", 64 << 20),
        ]
        return copies.map { copy in
            "{\"name\": \"probe/\(copy.name)\", \"rate\": \(Int(cprobe_copy(threads, copy.bytes, 0.3)))}"
        } + ["{\"name\": \"probe/fma_f32\", \"rate\": \(Int(cprobe_fma(threads, 0.3)))}"]
    }
}
