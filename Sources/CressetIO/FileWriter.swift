import Cresset
import Glibc

/// A file that is being written under another name than it will have.
struct FileWriter: ~Copyable {
    private let path: String
    private let op: String
    private let descriptor: Int32

    /// Gives the file at `path` the content that `body` writes, at once, when all of it is on the disk.
    static func replace(_ path: String, op: String, _ body: (borrowing FileWriter) throws -> Void) throws {
        let temporary = "\(path).\(getpid())-\(UInt32.random(in: 0 ... .max)).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw CressetError.system("create", temporary, op: op) }
        var isOpen = true
        do {
            try body(FileWriter(path: temporary, op: op, descriptor: descriptor))
            guard fsync(descriptor) == 0 else { throw CressetError.system("write", temporary, op: op) }
            isOpen = false
            guard close(descriptor) == 0 else { throw CressetError.system("close", temporary, op: op) }
            guard rename(temporary, path) == 0 else { throw CressetError.system("replace", path, op: op) }
        } catch {
            if isOpen { close(descriptor) }
            unlink(temporary)
            throw error
        }
        syncFolder(of: path)
    }

    func write(_ bytes: [UInt8]) throws(CressetError) {
        var done = 0
        while done < bytes.count {
            // `done < count`, so the pointer stays inside the array and the length is what remains of it.
            let n = bytes.withUnsafeBytes { bytes in
                Glibc.write(descriptor, bytes.baseAddress.map { $0 + done }, min(bytes.count - done, 1 << 30))
            }
            if n < 0 && errno == EINTR { continue }
            guard n >= 0 else { throw .system("write", path, op: op) }
            done += n
        }
    }

    /// Makes the rename itself lasting; where a file system cannot, the file is whole all the same.
    private static func syncFolder(of path: String) {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = fsync(descriptor)
        close(descriptor)
    }
}
