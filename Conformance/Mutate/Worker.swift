import ConformanceSuite
import Cresset
import Glibc

/// A forked process that runs the suite on one mutant. It inherits what the oracle said of every case, so that all that
/// is left to do is to load the mutant and to judge it.
struct Worker {
    let mutant: Mutant
    let process: pid_t
    /// Where it tells of itself, line by line.
    let pipe: Int32
    /// "name %" has the worker's own folder for "%".
    let folder: String
    private let tier: Tier
    private var buffer: [UInt8] = []
    private var current = "load"
    private var result: Outcome?
    /// When `current` began, in seconds of this process's clock; and of the worker's work, if that was looked at.
    private var since: (wall: Double, work: Double?) = (0, nil)

    /// Seconds without work after which a case counts as hung.
    private static let idleLimit = 30.0
    /// What a worker may hold, in bytes beyond what it inherits.
    private static let memoryLimit: UInt = 16 << 30

    /// Swift does not offer fork, as a process with threads must not go on after it; this one has a single thread.
    private static let fork: @convention(c) () -> pid_t = {
        unsafeBitCast(dlsym(UnsafeMutableRawPointer(bitPattern: 0), "fork"), to: (@convention(c) () -> pid_t).self)
    }()

    /// nil where no process can be started.
    init?(_ mutant: Mutant, _ suite: Suite, folder: String) {
        var ends: [Int32] = [0, 0]
        guard Glibc.pipe(&ends) == 0 else { return nil }
        let process = Self.fork()
        if process < 0 { return nil }
        if process == 0 {
            close(ends[0])
            Self.work(mutant, suite, folder: folder, to: ends[1])
        }
        close(ends[1])
        self.mutant = mutant
        self.process = process
        self.folder = folder
        tier = suite.selection.tier
        pipe = ends[0]
        since.wall = Self.now
    }

    // MARK: In the worker

    private static func work(_ mutant: Mutant, _ suite: Suite, folder: String, to pipe: Int32) -> Never {
        setpgid(0, 0)
        let null = open("/dev/null", O_RDWR)
        for descriptor in Int32(0)...2 { dup2(null, descriptor) }
        @Sendable func tell(_ text: String) {
            let bytes = Array((text.map { $0 == "\n" ? " " : "\($0)" }.joined() + "\n").utf8)
            _ = Glibc.write(pipe, bytes, bytes.count)
        }
        // A mutant may ask for all there is.
        var limit = rlimit(rlim_cur: memoryLimit, rlim_max: memoryLimit)
        setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &limit)
        limit = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
        do {
            if let build = mutant.build {
                tell("at build")
                switch try build(folder) {
                case .built: break
                case .invalid:
                    tell("invalid")
                    _exit(0)
                case .same:
                    tell("same")
                    _exit(0)
                }
            }
            tell("at load")
            for (name, value) in mutant.environment { setenv(name, value, 1) }
            if let preload = mutant.preload {
                // What is loaded already calls its own functions.
                guard dlopen(mutant.plugin, RTLD_NOW | RTLD_NOLOAD) == nil else {
                    tell("broken \(mutant.plugin) was loaded before what replaces its functions")
                    _exit(0)
                }
                let path = preload.replacing("%", with: folder)
                guard dlopen(path, RTLD_NOW | RTLD_GLOBAL) != nil else {
                    tell("broken \(dlerror().map { String(cString: $0) } ?? path)")
                    _exit(0)
                }
            }
            let type = try Registry.load(path: mutant.plugin.replacing("%", with: folder))
            // (A case's name begins with its operation and dtype.)
            suite.context.first = mutant.first.map { $0.split(separator: "/").prefix(2).joined(separator: "/") }
            let diary = mutant.diary
            suite.context.events = { event in
                switch event {
                case .starting(_, let entry):
                    tell("at \(entry.id)")
                    if let diary { try? Files.append("\(diary.mark)\(entry.id)\n", to: diary.path) }
                default: break
                }
            }
            let report = try suite.run(on: try Device("\(type):0"))
            // (Events tell what was seen; the report knows what was expected.)
            if let failure = report.failures.first(where: { $0.status == "failed" }) {
                let isRefused = mutant.refusals.contains { failure.message.firstRange(of: $0) != nil }
                tell(isRefused ? "invalid" : "caught \(failure.id)\t\(failure.message.prefix(300))")
            } else if !report.isGood && report.judge == nil {
                tell("caught \(report.device)\tnothing was executed")
            }
            tell("done")
        } catch {
            tell("caught load\t\(error)")
        }
        _exit(0)
    }

    // MARK: In the parent

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Seconds that the worker's threads have run so far.
    private var workDone: Double {
        guard let text = try? Files.text("/proc/\(process)/stat"), let end = text.lastIndex(of: ")") else { return 0 }
        let fields = text[end...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Takes what has come through the pipe. True at its end.
    mutating func read() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = Glibc.read(pipe, &chunk, chunk.count)
        if count > 0 { buffer += chunk[..<count] }
        var next = 0
        while let end = buffer[next...].firstIndex(of: UInt8(ascii: "\n")) {
            take(String(decoding: buffer[next..<end], as: UTF8.self))
            next = end + 1
        }
        buffer.removeFirst(next)
        return count <= 0
    }

    private mutating func take(_ line: String) {
        guard let word = line.split(separator: " ", maxSplits: 1).first else { return }
        let rest = String(line.dropFirst(word.count + 1))
        switch word {
        case "at":
            current = rest
            since = (Self.now, nil)
        case "caught":
            if result != nil { return }
            let parts = rest.split(separator: "\t", maxSplits: 1)
            result = .caught(by: String(parts.first ?? ""), how: parts.count > 1 ? String(parts[1]) : "")
        case "invalid": result = .invalid
        case "same": result = .same
        case "broken": result = .broken(rest)
        case "done": result = result ?? .survived(tier)
        default: break
        }
    }

    mutating func isHung() -> Bool {
        let idle = Self.now - since.wall
        if idle < 1 || result != nil { return false }
        let work = workDone
        guard let before = since.work else {
            since.work = work
            return false
        }
        return work - before > mutant.patience || idle > max(Self.idleLimit, 4 * mutant.patience)
    }

    /// Ends it and what it started; what it was at is what caught it.
    mutating func kill() {
        Glibc.kill(-process, SIGKILL)
        Glibc.kill(process, SIGKILL)
        if current == "build" {
            result = .broken("the compiler hangs")
        } else {
            result = .caught(by: current, how: "it hangs")
        }
    }

    /// Waits for its end, and says what came of it.
    func outcome() -> Outcome {
        close(pipe)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        if let result { return result }
        let signal = status & 0x7F
        let how = signal == 0 ? "it exits with \(status >> 8 & 0xFF)" : "it dies of signal \(signal)"
        return current == "build" ? .broken(how) : .caught(by: current, how: how)
    }
}

/// Runs mutants, several at a time.
struct Runner {
    let suite: Suite
    let folder: String
    let jobs: Int

    func run(_ mutants: [Mutant], _ done: (Mutant, Outcome) throws -> Void) throws {
        var waiting = mutants[...]
        var workers: [Int: Worker] = [:]
        while !waiting.isEmpty || !workers.isEmpty {
            while workers.count < jobs, let mutant = waiting.popFirst() {
                let slot = (0..<jobs).first { workers[$0] == nil } ?? 0
                guard let worker = Worker(mutant, suite, folder: "\(folder)/worker\(slot)") else {
                    throw CressetError(.io, op: "mutate", "no process can be forked")
                }
                workers[slot] = worker
            }
            let slots = Array(workers.keys)
            var wanted = slots.map { pollfd(fd: workers[$0]?.pipe ?? -1, events: Int16(POLLIN), revents: 0) }
            poll(&wanted, nfds_t(wanted.count), 500)
            for (slot, descriptor) in zip(slots, wanted) {
                guard var worker = workers[slot] else { continue }
                var ended = descriptor.revents != 0 && worker.read()
                if !ended && worker.isHung() {
                    worker.kill()
                    ended = true
                }
                workers[slot] = ended ? nil : worker
                if ended { try done(worker.mutant, worker.outcome()) }
            }
        }
    }
}
