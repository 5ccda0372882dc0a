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
    /// True where nothing is left out.
    let isWhole: Bool
    /// Looks for smaller cases that a worker dies of.
    let minimisesLost: Bool
    let progress: (_ done: Int, _ total: Int) -> Void

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
        var report = Report(device: device, driver: "")
        var resumption = Resumption()
        var lost = 0
        var compilesAhead = true
        var looksForSmaller = true
        var minimised: Set<String> = []
        while true {
            resumption.seconds = Int((ContinuousClock.now - start) / .seconds(1))
            var arguments = arguments + ["--worker", resumption.text]
            if !compilesAhead { arguments.append("--no-compiling-ahead") }
            if !looksForSmaller { arguments.append("--no-minimise") }
            guard let worker = WorkerProcess(arguments: arguments) else {
                throw CressetError(.io, op: "conformance", "no worker process can be started; try --in-process")
            }
            guard let loss = try follow(worker, &report, &resumption) else { break }
            lost += 1
            if let entry = loss.entry {
                report.add(
                    .failed("the worker process \(loss.how) in this case"), id: entry.id, op: entry.op,
                    dtype: entry.dtype, cell: entry.cell, command: entry.command, evidence: Evidence(kind: .lost))
                if minimises(entry, loss.how, of: &minimised), let smaller = minimise(entry, loss.how) {
                    report.minimise(entry.id, smaller)
                }
            } else if let entry = loss.minimising {
                // It has been reported. The next one could be the end of the worker too.
                looksForSmaller = false
                report.minimise(
                    entry.id,
                    MinimisedCase(
                        call: "", message: "the worker process \(loss.how) while a smaller case was looked for",
                        command: ""))
            } else if loss.isPreparing && compilesAhead {
                // Which case it is that cannot be compiled is seen when each is compiled for itself.
                compilesAhead = false
            } else {
                // It would be lost again at the same place.
                let place = loss.isAtEnd ? "after its last case" : loss.step.map { "in \($0)" } ?? "outside of any case"
                report.add(
                    .failed("the worker process \(loss.how) \(place)"), id: "worker/\(device)", op: "conformance")
                break
            }
            if stopsAtFirstFailure && report.failed > 0 { break }
            if lost == Self.limit {
                report.add(
                    .failed("given up after \(lost) lost worker processes"), id: "worker/\(device)", op: "conformance")
                break
            }
        }
        report.settleExpectations(wasWhole: isWhole && !(stopsAtFirstFailure && report.failed > 0))
        report.seconds = (ContinuousClock.now - start) / .milliseconds(100) / 10
        return report
    }

    /// Takes what a worker tells until it is done (nil) or lost.
    private func follow(
        _ worker: WorkerProcess, _ report: inout Report, _ resumption: inout Resumption
    ) throws -> Loss? {
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
                report.take(event)
                switch event {
                case .calling(let step): loss.step = step
                case .preparing(let count):
                    total = count
                    loss.entry = nil
                    loss.isPreparing = true
                case .starting(let index, let entry):
                    loss.entry = entry
                    (loss.isPreparing, loss.minimising) = (false, nil)
                    // What is lost in this case goes on behind it.
                    resumption.done = index + 1
                    if index % 50 == 0 || total < 50 { progress(index, total) }
                case .found(let entry, _): if entry.id == loss.entry?.id { loss.entry = nil }
                case .minimising(let entry): loss.minimising = entry
                case .minimised: loss.minimising = nil
                case .opened(let driver, _, let path):
                    // (What the first worker's cases were held against goes on to count.)
                    guard let path, report.expectations.path == nil else { break }
                    do {
                        report.expectations = try Expectations(path: path, driver: driver)
                    } catch {
                        worker.kill()
                        throw error
                    }
                case .ran(let kernels): resumption.ran.formUnion(kernels)
                case .finished: (loss.entry, loss.isPreparing, loss.isAtEnd) = (nil, false, true)
                case .refused(let why):
                    (loss.entry, loss.isPreparing, loss.isAtEnd) = (nil, false, true)
                    report.add(.failed(why), id: "device/\(device)", op: "conformance")
                case .devices, .learned, .trying: break
                }
            }
        }
    }
}
