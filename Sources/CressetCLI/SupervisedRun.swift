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
        while true {
            guard let worker = WorkerProcess(arguments: arguments + ["--worker", resumption.text]) else {
                throw CressetError(.io, op: "conformance", "no worker process can be started; try --in-process")
            }
            guard let (case: lastCase, how: how) = follow(worker, &report, &resumption) else { break }
            lost += 1
            if let lastCase {
                report.add(
                    .failed("the worker process \(how) in this case"), id: lastCase.id, op: lastCase.op,
                    dtype: lastCase.dtype, cell: lastCase.cell, command: lastCase.command)
            } else {
                // It would be lost again at the same place.
                report.add(
                    .failed("the worker process \(how) outside of any case"), id: "worker/\(device)", op: "conformance")
                break
            }
            if stopsAtFirstFailure { break }
            if lost == Self.limit {
                report.add(
                    .failed("given up after \(lost) lost worker processes"), id: "worker/\(device)", op: "conformance")
                break
            }
        }
        report.seconds = Double((clock.now - start) / .milliseconds(100)) / 10
        return report
    }

    /// Takes what a worker tells until it is done (nil) or lost: in which case, and how.
    private func follow(
        _ worker: WorkerProcess, _ report: inout Report, _ resumption: inout Resumption
    ) -> (case: RunEvent.Entry?, how: String)? {
        var current: RunEvent.Entry?
        var isDone = false
        var total = 0
        while true {
            let seconds = current == nil ? Self.patience * timeout : timeout
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
                    current = nil
                case .starting(let index, let entry):
                    current = entry
                    // What is lost in this case goes on behind it.
                    resumption.done = index + 1
                    if index % 50 == 0 { progress(index, total) }
                case .found(let entry, _): if entry.id == current?.id { current = nil }
                case .ran(let kernels): resumption.ran.formUnion(kernels)
                case .finished: isDone = true
                }
            }
        }
    }
}
