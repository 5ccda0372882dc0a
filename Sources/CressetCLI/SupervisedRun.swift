import ConformanceSuite
import Cresset
import Dispatch

/// A run of the suite in a worker process, which is started again after a crash or a hang.
struct SupervisedRun: Sendable {
    /// Arguments of `cresset conformance` that make a worker do what is wanted.
    let arguments: [String]
    let device: String
    /// Seconds that one case may take.
    let timeout: Int
    let stopsAtFirstFailure: Bool
    /// True where nothing is left out.
    let isWhole: Bool
    /// Looks for smaller cases that a worker dies of.
    let minimisesLost: Bool
    /// Workers that share the run, side by side.
    let processes: Int
    /// Called by one thread at a time.
    let progress: @Sendable (_ done: Int, _ total: Int) -> Void

    /// Workers that are lost before the run is given up.
    private static let limit = 20
    /// Working out what is right and compiling, for many cases together, may take so many times the
    /// time of one.
    private static let patience = 20

    /// How a worker came to be lost.
    private struct Loss {
        var entry: RunEvent.Entry?
        /// While a smaller case was looked for that fails as this one did.
        var minimising: RunEvent.Entry?
        /// A plugin's function that was called outside of any case.
        var step: String?
        /// While many cases were prepared together.
        var isPreparing = false
        /// After all was done.
        var isAtEnd = false
        var how: String
    }

    func run() throws -> Report {
        let start = ContinuousClock.now
        let shared = Shared(Report(device: device, driver: ""), parts: processes)
        if processes > 1 {
            let shares = Part.shares(processes)
            DispatchQueue.concurrentPerform(iterations: processes) { i in
                shared.attempt { () throws(CressetError) in try supervise(shares[i], i, shared, since: start) }
            }
            try shared.check()
            if !shared.isGivenUp { try supervise(.rest, 0, shared, since: start) }
        } else {
            try supervise(.whole, 0, shared, since: start)
        }
        var report = shared.report.withLock { $0 }
        // (They compiled side by side.)
        report.compiling /= Double(processes)
        report.sortFailures()
        report.settleExpectations(wasWhole: isWhole && !(stopsAtFirstFailure && report.failed > 0))
        report.seconds = (ContinuousClock.now - start) / .milliseconds(100) / 10
        return report
    }

    /// Has one part done, by as many workers one after another as it takes.
    private func supervise(
        _ part: Part, _ index: Int, _ shared: Shared, since start: ContinuousClock.Instant
    ) throws(CressetError) {
        let report = shared.report
        var resumption = Resumption()
        if part == .rest { resumption.ran = shared.ran.withLock { $0 } }
        var compilesAhead = true
        var looksForSmaller = true
        var minimised: Set<String> = []
        while true {
            resumption.seconds = Int((ContinuousClock.now - start) / .seconds(1))
            var arguments = arguments + ["--worker", resumption.text]
            if let part = part.text { arguments += ["--part", part] }
            if !compilesAhead { arguments.append("--no-compiling-ahead") }
            if !looksForSmaller { arguments.append("--no-minimise") }
            guard let worker = WorkerProcess(arguments: arguments) else {
                throw CressetError(.io, op: "conformance", "no worker process can be started; try --in-process")
            }
            guard let loss = try follow(worker, index, shared, &resumption) else { return }
            let lost = shared.lost.withLock {
                $0 += 1
                return $0
            }
            if let entry = loss.entry {
                report.withLock {
                    $0.add(
                        .failed("the worker process \(loss.how) in this case"), id: entry.id, op: entry.op,
                        dtype: entry.dtype, cell: entry.cell, command: entry.command, evidence: Evidence(kind: .lost))
                }
                if minimises(entry, loss.how, of: &minimised), let smaller = minimise(entry, loss.how) {
                    report.withLock { $0.minimise(entry.id, smaller) }
                }
            } else if let entry = loss.minimising {
                // It has been reported. The next one could be the end of the worker too.
                looksForSmaller = false
                let message = "the worker process \(loss.how) while a smaller case was looked for"
                report.withLock { $0.minimise(entry.id, MinimisedCase(call: "", message: message, command: "")) }
            } else if loss.isPreparing && compilesAhead {
                // Which case it is that cannot be compiled is seen when each is compiled for itself.
                compilesAhead = false
            } else {
                // It would be lost again at the same place.
                let place = loss.isAtEnd ? "after its last case" : loss.step.map { "in \($0)" } ?? "outside of any case"
                shared.giveUp("the worker process \(loss.how) \(place)", on: device)
                return
            }
            if stopsAtFirstFailure && report.withLock({ $0.failed > 0 }) { return }
            if lost == Self.limit { shared.giveUp("given up after \(lost) lost worker processes", on: device) }
            if shared.isGivenUp { return }
        }
    }

    /// Takes what a worker tells until it is done (nil) or lost.
    private func follow(
        _ worker: WorkerProcess, _ index: Int, _ shared: Shared, _ resumption: inout Resumption
    ) throws(CressetError) -> Loss? {
        var loss = Loss(how: "")
        var total = 0
        while true {
            let seconds = loss.isPreparing ? Self.patience * timeout : timeout
            switch worker.line(seconds: seconds) {
            case .timedOut:
                worker.kill()
                loss.how = "gave no answer for \(seconds) s"
                return loss
            case .ended(let how, let isOrderly):
                if loss.isAtEnd && isOrderly { return nil }
                loss.how = how
                return loss
            case .text(let line):
                guard let event = RunEvent(line: line) else { continue }
                shared.report.withLock { $0.take(event) }
                switch event {
                case .calling(let step): loss.step = step
                case .preparing(let count):
                    total = count
                    loss.entry = nil
                    loss.isPreparing = true
                case .starting(let number, let entry):
                    loss.entry = entry
                    (loss.isPreparing, loss.minimising) = (false, nil)
                    // What is lost in this case goes on behind it.
                    resumption.done = number + 1
                    if number % 50 == 0 || total < 50 { shared.show(number, of: total, by: index, progress) }
                case .found(let entry, _): if entry.id == loss.entry?.id { loss.entry = nil }
                case .minimising(let entry): loss.minimising = entry
                case .minimised: loss.minimising = nil
                case .opened(let driver, _, let path):
                    // (What the first worker's cases were held against goes on to count.)
                    guard let path else { break }
                    do throws(CressetError) {
                        try shared.report.withLock { (report) throws(CressetError) in
                            guard report.expectations.path == nil else { return }
                            report.expectations = try Expectations(path: path, driver: driver)
                        }
                    } catch {
                        worker.kill()
                        throw error
                    }
                case .ran(let kernels):
                    resumption.ran.formUnion(kernels)
                    shared.ran.withLock { $0.formUnion(kernels) }
                case .finished: (loss.entry, loss.isPreparing, loss.isAtEnd) = (nil, false, true)
                case .refused(let why):
                    (loss.entry, loss.isPreparing, loss.isAtEnd) = (nil, false, true)
                    shared.giveUp(why, id: "device/\(device)")
                case .devices, .learned, .trying: break
                }
            }
        }
    }
}

/// What is known of a run to those who follow its workers.
private final class Shared: Sendable {
    let report: Lock<Report>
    /// Registry entries that did some of the work of any part.
    let ran = Lock(Set<KernelID>())
    /// Workers that were lost.
    let lost = Lock(0)
    private let error = Lock(CressetError?.none)
    private let givenUp = Lock(false)
    /// Of each part, how many cases are done, and of how many.
    private let done: Lock<[(Int, Int)]>

    init(_ report: Report, parts: Int) {
        self.report = Lock(report)
        done = Lock(Array(repeating: (0, 0), count: parts))
    }

    var isGivenUp: Bool { givenUp.withLock { $0 } }

    /// Nothing more is to be done, for this reason; said once.
    func giveUp(_ why: String, on device: String) { giveUp(why, id: "worker/\(device)") }

    func giveUp(_ why: String, id: String) {
        let isFirst = givenUp.withLock { known in
            defer { known = true }
            return !known
        }
        if isFirst { report.withLock { $0.add(.failed(why), id: id, op: "conformance") } }
    }

    /// Keeps the first error.
    func attempt(_ body: () throws(CressetError) -> Void) {
        do throws(CressetError) {
            try body()
        } catch {
            self.error.withLock { $0 = $0 ?? error }
        }
    }

    func check() throws(CressetError) {
        if let error = error.withLock({ $0 }) { throw error }
    }

    func show(_ count: Int, of total: Int, by part: Int, _ progress: (Int, Int) -> Void) {
        done.withLock {
            $0[part] = (count, total)
            progress($0.reduce(0) { $0 + $1.0 }, $0.reduce(0) { $0 + $1.1 })
        }
    }
}
