import ConformanceSuite
import Cresset

/// A run of the suite in a worker process, which is started again after a crash or a hang.
struct SupervisedRun {
    /// Arguments of `cresset conformance` that make a worker do what is wanted.
    let arguments: [String]
    let device: String
    /// Seconds that one case may take.
    let timeout: Int
    let stopsAtFirstFailure: Bool
    /// True where nothing was left out.
    let isWhole: Bool
    /// Looks for smaller cases that a worker dies of.
    let minimisesLost: Bool
    let progress: (_ done: Int, _ total: Int) -> Void

    /// Workers that are lost before the run is given up.
    private static let limit = 20
    /// Working out what is right and compiling, for many cases together, may take so many times the
    /// time of one.
    private static let patience = 20

    func run() throws -> Report {
        let clock = ContinuousClock()
        let start = clock.now
        var report = Report(device: device, driver: "")
        var resumption = Resumption()
        var lost = 0
        var looksForSmaller = true
        var minimised: Set<String> = []
        while true {
            let more = ["--worker", resumption.text] + (looksForSmaller ? [] : ["--no-minimise"])
            guard let worker = WorkerProcess(arguments: arguments + more) else {
                throw CressetError(.io, op: "conformance", "no worker process can be started; try --in-process")
            }
            guard let (place, how) = try follow(worker, &report, &resumption) else { break }
            lost += 1
            switch place {
            case .inCase(let lastCase):
                report.add(
                    .failed("the worker process \(how) in this case"), id: lastCase.id, op: lastCase.op,
                    dtype: lastCase.dtype, cell: lastCase.cell, command: lastCase.command,
                    evidence: Evidence(kind: .lost))
                if minimises(lastCase, how, of: &minimised), let smaller = minimise(lastCase, how) {
                    report.minimise(lastCase.id, smaller)
                }
            case .minimising(let failed):
                // It has been reported. The next one could be the end of the worker too.
                looksForSmaller = false
                report.minimise(
                    failed.id,
                    MinimisedCase(
                        call: "", message: "the worker process \(how) while a smaller case was looked for", command: "")
                )
            case .elsewhere:
                // It would be lost again at the same place.
                report.add(
                    .failed("the worker process \(how) outside of any case"), id: "worker/\(device)", op: "conformance")
                lost = Self.limit
            }
            if stopsAtFirstFailure && report.failed > 0 { break }
            if lost == Self.limit {
                report.add(
                    .failed("given up after \(lost) lost worker processes"), id: "worker/\(device)", op: "conformance")
                break
            }
        }
        report.settleExpectations(wasWhole: isWhole && !(stopsAtFirstFailure && report.failed > 0))
        report.seconds = Double((clock.now - start) / .milliseconds(100)) / 10
        return report
    }

    /// What a worker was doing when it was lost.
    private enum Place {
        case inCase(RunEvent.Entry)
        case minimising(RunEvent.Entry)
        case elsewhere
    }

    /// Takes what a worker tells until it is done (nil) or lost: where, and how.
    private func follow(
        _ worker: WorkerProcess, _ report: inout Report, _ resumption: inout Resumption
    ) throws -> (Place, how: String)? {
        var current = Place.elsewhere
        var isDone = false
        var total = 0
        while true {
            let seconds = if case .elsewhere = current { Self.patience * timeout } else { timeout }
            switch worker.line(seconds: seconds) {
            case .timedOut:
                worker.kill()
                return (current, "gave no answer for \(seconds) s")
            case .ended(let how): return isDone ? nil : (current, how)
            case .text(let line):
                guard let event = RunEvent(line: line) else { continue }
                report.take(event)
                switch event {
                case .preparing(let count):
                    total = count
                    current = .elsewhere
                case .opened(let driver, _, let path):
                    // (What the first worker's cases were held against goes on to count.)
                    if let path, report.expectations.path == nil {
                        do {
                            report.expectations = try Expectations(path: path, driver: driver)
                        } catch {
                            worker.kill()
                            throw error
                        }
                    }
                case .starting(let index, let entry):
                    current = .inCase(entry)
                    // What is lost in this case goes on behind it.
                    resumption.done = index + 1
                    if index % 50 == 0 { progress(index, total) }
                case .found(let entry, _):
                    if case .inCase(let running) = current, running.id == entry.id { current = .elsewhere }
                case .minimising(let entry): current = .minimising(entry)
                case .minimised, .trying: current = .elsewhere
                case .ran(let kernels): resumption.ran.formUnion(kernels)
                case .finished: isDone = true
                }
            }
        }
    }
}
