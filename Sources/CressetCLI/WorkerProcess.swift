import Glibc

/// A process that runs this program again and writes lines to a pipe of its own.
final class WorkerProcess {
    /// The descriptor at which a worker finds its pipe.
    static let descriptor: Int32 = 3

    /// How it is told that a signal ended one.
    static let died = "died"

    /// How a wait for a line came to its end.
    enum Line {
        case text(String)
        /// The process has ended: by itself with a status, or by a signal; whether it says that all went well.
        case ended(String, isOrderly: Bool)
        case timedOut
    }

    private let process: pid_t
    private let pipe: Int32
    private var buffer: [UInt8] = []
    private var next = 0

    /// nil where no process can be started; `errno` says why.
    init?(arguments: [String]) {
        var ends: [Int32] = [0, 0]
        guard Glibc.pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // What a plugin prints must not end up in a report: its standard output is the error output.
        posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)
        // (Onto itself too, as then it stays open.)
        posix_spawn_file_actions_adddup2(&actions, ends[1], Self.descriptor)
        var argv: [UnsafeMutablePointer<CChar>?] = (["cresset"] + arguments).map { strdup($0) } + [nil]
        defer { for text in argv { free(text) } }
        var variables = Self.environment
        defer { for text in variables { free(text) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, "/proc/self/exe", &actions, nil, &argv, &variables)
        close(ends[1])
        guard status == 0 else {
            close(ends[0])
            errno = status
            return nil
        }
        self.process = process
        pipe = ends[0]
    }

    deinit { close(pipe) }

    /// This process's variables. A crash is told by the parent, in one line; Swift's own account of it, which
    /// takes seconds, is given where it is asked for.
    private static var environment: [UnsafeMutablePointer<CChar>?] {
        var variables: [UnsafeMutablePointer<CChar>?] = []
        var next = environ
        while let text = next.pointee {
            variables.append(strdup(text))
            next += 1
        }
        if getenv("SWIFT_BACKTRACE") == nil { variables.append(strdup("SWIFT_BACKTRACE=enable=no")) }
        return variables + [nil]
    }

    /// The next line, waited for at most so long.
    func line(seconds: Int) -> Line {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(seconds)
        while true {
            if let end = buffer[next...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { next = end + 1 }
                return .text(String(decoding: buffer[next..<end], as: UTF8.self))
            }
            buffer.removeFirst(next)
            next = 0
            let left = Int((deadline - clock.now) / .milliseconds(1))
            if left <= 0 { return .timedOut }
            var wanted = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
            guard poll(&wanted, 1, Int32(clamping: left)) > 0 else { continue }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = chunk.withUnsafeMutableBytes { read(pipe, $0.baseAddress, $0.count) }
            if count <= 0 {
                let (how, isOrderly) = wait()
                return .ended(how, isOrderly: isOrderly)
            }
            buffer += chunk[..<count]
        }
    }

    /// Ends it, whatever it does, and forgets it.
    func kill() {
        Glibc.kill(process, SIGKILL)
        _ = wait()
    }

    private func wait() -> (String, isOrderly: Bool) {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7F
        if signal == 0 { return ("ended with status \(status >> 8 & 0xFF)", isOrderly: status == 0) }
        let name = strsignal(signal).map { String(cString: $0) } ?? "unknown"
        return ("\(Self.died) of signal \(signal) (\(name))", isOrderly: false)
    }

    /// In the worker: writes one line in one piece; without a reader there is nothing left to do.
    static func write(_ line: String) {
        let bytes = Array(line.utf8)
        bytes.withUnsafeBytes { raw in
            var sent = 0
            while sent < raw.count {
                let count = Glibc.write(descriptor, raw.baseAddress.map { $0 + sent }, raw.count - sent)
                if count < 0 && errno == EINTR { continue }
                if count <= 0 { exit(1) }
                sent += count
            }
        }
    }
}
