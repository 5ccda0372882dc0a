import Cresset
import Glibc

/// The few things that are done with files and commands.
enum Files {
    static func bytes(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw failure(path) }
        defer { fclose(file) }
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { return all }
            all += chunk[..<count]
        }
    }

    static func text(_ path: String) throws -> String { String(decoding: try bytes(path), as: UTF8.self) }

    static func write(_ bytes: [UInt8], to path: String) throws { try put(bytes, path, "w") }
    static func append(_ text: String, to path: String) throws { try put(Array(text.utf8), path, "a") }

    private static func put(_ bytes: [UInt8], _ path: String, _ mode: String) throws {
        guard let file = fopen(path, mode) else { throw failure(path) }
        let count = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, count == bytes.count else { throw failure(path) }
    }

    private static func failure(_ path: String) -> CressetError {
        CressetError(.io, op: "mutate", "\(path): \(String(cString: strerror(errno)))")
    }

    /// Prints a line at once, also where the output is a file.
    static func say(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = Glibc.write(STDOUT_FILENO, bytes, bytes.count)
    }

    /// Runs a command of the shell and says whether it ended well.
    static func shell(_ command: String) -> Bool {
        var process: pid_t = 0
        let words: [String] = ["sh", "-c", command]
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for text in argv { free(text) } }
        guard posix_spawn(&process, "/bin/sh", nil, nil, &argv, environ) == 0 else { return false }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        return status == 0
    }
}

/// The same sequence in every process that starts from the same seed (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
