import Cresset
import Glibc

/// What is wrong with a file's content; becomes a `CressetError` where the file's name is known.
package struct FormatError: Error {
    package let message: String
    init(_ message: String) { self.message = message }
}

extension CressetError {
    /// Runs `body`; what it finds wrong is an error of `op` about the file at `path`.
    static func about<Result>(
        _ path: String, op: String, _ body: () throws(FormatError) -> Result
    ) throws(CressetError) -> Result {
        do throws(FormatError) {
            return try body()
        } catch {
            throw CressetError(.invalidFile, op: op, "\(path): \(error.message)")
        }
    }

    /// The system's last error, while doing `what` with the file at `path`.
    static func system(_ what: String, _ path: String, op: String, _ code: Int32 = errno) -> CressetError {
        CressetError(.io, op: op, "cannot \(what) \(path): \(String(cString: strerror(code)))")
    }
}

/// An open regular file that is read by position.
final class FileReader: Sendable {
    let path: String
    /// Size when it was opened; a file that shrinks later is found by a short read.
    let size: Int
    private let op: String
    private let descriptor: Int32

    /// Opens the file at `path` for the function `op`.
    init(path: String, op: String) throws(CressetError) {
        // Without O_NONBLOCK a pipe would be waited for before it can be refused.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .system("open", path, op: op) }
        self.path = path
        self.op = op
        self.descriptor = descriptor
        var info = stat()
        let status = fstat(descriptor, &info)
        size = status == 0 ? Int(info.st_size) : 0
        guard status == 0 else { throw .system("examine", path, op: op) }
        guard info.st_mode & S_IFMT == S_IFREG else {
            throw CressetError(.io, op: op, "\(path) is not a regular file")
        }
    }

    deinit { close(descriptor) }

    /// Fills `buffer` with the bytes from `offset` on.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(CressetError) {
        var done = 0
        while done < buffer.count {
            // `done < count`, so the pointer stays inside the buffer and the length is what remains of it.
            let n = pread(
                descriptor, buffer.baseAddress.map { $0 + done }, min(buffer.count - done, 1 << 30), offset + done)
            if n < 0 && errno == EINTR { continue }
            guard n >= 0 else { throw .system("read", path, op: op) }
            guard n > 0 else {
                throw CressetError(
                    .invalidFile, op: op,
                    "\(path) ends at byte \(offset + done), \(offset + buffer.count) are needed")
            }
            done += n
        }
    }

    /// `count` bytes from `offset` on; the caller has checked `count` against `size`.
    func bytes(at offset: Int, count: Int) throws(CressetError) -> [UInt8] {
        let memory = try RawMemory(byteCount: count, op: op)
        try read(at: offset, into: memory.bytes)
        return Array(memory.bytes)
    }
}

/// Memory from the system that may be refused without ending the program.
final class RawMemory {
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int, op: String) throws(CressetError) {
        guard let start = malloc(max(byteCount, 1)) else {
            throw CressetError(.memory, op: op, "no host memory for \(byteCount) bytes")
        }
        // malloc gave at least `byteCount` bytes; they live until deinit.
        bytes = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
    }

    deinit { free(bytes.baseAddress) }
}

/// What there is on the disk.
package enum FileSystem {
    /// True where `path` names something that can be read.
    package static func exists(_ path: String) -> Bool { access(path, R_OK) == 0 }

    /// The program that runs, without links on the way; empty where the system does not tell.
    package static let executable: String = {
        guard let pointer = realpath("/proc/self/exe", nil) else { return "" }
        defer { free(pointer) }
        return String(cString: pointer)
    }()

    /// Makes the folder if it is not there; its parent must be.
    package static func makeFolder(_ path: String) throws {
        guard mkdir(path, 0o755) != 0, errno != EEXIST else { return }
        throw CressetError(.io, op: "make folder \(path)", String(cString: strerror(errno)))
    }

    /// What the file at `path` says, of at most `limit` bytes; what is no UTF-8 is replaced.
    package static func text(of path: String, limit: Int = 1 << 26) throws(CressetError) -> String {
        let op = "read \(path)"
        let file = try FileReader(path: path, op: op)
        guard file.size <= limit else {
            throw CressetError(.invalidFile, op: op, "\(path) has \(file.size) bytes, at most \(limit) are read")
        }
        return String(decoding: try file.bytes(at: 0, count: file.size), as: UTF8.self)
    }

    /// Gives the file at `path` this content, at once.
    package static func replace(_ path: String, with text: String) throws {
        try FileWriter.replace(path, op: "write \(path)") { file in try file.write(Array(text.utf8)) }
    }
}
