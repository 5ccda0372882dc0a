import Glibc

/// Time in seconds, from an arbitrary start.
enum Clock {
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

/// Small files, whole.
enum File {
    /// The contents, or nil if it cannot be read.
    static func read(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_size > 0, status.st_size < 1 << 28 else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var done = 0
        while done < bytes.count {
            // Within the array: `done` bytes of `count` are read.
            let n = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress.map { $0 + done }, $0.count - done) }
            if n <= 0 { return nil }
            done += n
        }
        return bytes
    }

    /// Writes beside and renames, so that readers see the old file or the new one.
    static func replace(_ path: String, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max))"
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        var rest = bytes[...]
        while !rest.isEmpty {
            let n = UnsafeRawBufferPointer(rebasing: rest).baseAddress.map { write(file, $0, rest.count) } ?? -1
            if n <= 0 { break }
            rest = rest.dropFirst(n)
        }
        let written = close(file) == 0 && rest.isEmpty
        if !written || rename(temporary, path) != 0 {
            unlink(temporary)
            return false
        }
        return true
    }

    /// FNV-1a.
    static func checksum(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

/// A few threads for a moment.
enum Threads {
    private final class Work {
        let body: (Int) -> Void
        let index: Int
        init(_ index: Int, _ body: @escaping (Int) -> Void) {
            self.index = index
            self.body = body
        }
    }

    /// Calls `body` with 0..<count, each on a thread of its own, and waits for all of them.
    static func run(_ count: Int, _ body: (Int) -> Void) {
        // The threads have ended when this returns, so `body` does not outlive it.
        withoutActuallyEscaping(body) { body in
            var threads: [pthread_t] = []
            for i in 1..<max(count, 1) {
                let work = Unmanaged.passRetained(Work(i, body))
                var thread = pthread_t()
                let failed = pthread_create(
                    &thread, nil,
                    { argument in
                        guard let argument else { return nil }
                        let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
                        work.body(work.index)
                        return nil
                    }, work.toOpaque())
                if failed == 0 {
                    threads.append(thread)
                } else {
                    work.takeRetainedValue().body(i)
                }
            }
            body(0)
            for thread in threads { pthread_join(thread, nil) }
        }
    }
}
