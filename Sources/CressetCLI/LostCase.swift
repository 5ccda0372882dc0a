import ConformanceSuite
import Cresset

extension SupervisedRun {
    /// Workers that are spent on one case, and for how long.
    private static let lostWorkers = 24
    private static let lostPatience = Duration.seconds(20)

    /// Cases of a run that are made smaller.
    private static let minimisedLimit = 3

    /// True for the first crash of an operation, dtype and direction, of few; a hang would take too long.
    func minimises(_ lost: RunEvent.Entry, _ how: String, of known: inout Set<String>) -> Bool {
        guard minimisesLost, how.hasPrefix(WorkerProcess.died), !lost.id.contains("@"), let cell = lost.cell,
            known.count < Self.minimisedLimit
        else { return false }
        return known.insert("\(cell.op) \(cell.dtype) \(cell.direction)").inserted
    }

    /// Makes a case smaller that a worker died of; nil where that shows nothing.
    ///
    /// Each worker goes on behind the step that the last one died of, and so died in the same way.
    func minimise(_ lost: RunEvent.Entry, _ how: String) -> MinimisedCase? {
        guard let dtype = lost.dtype else { return nil }
        let chosen = ["--op", "^\(lost.op.escapedPattern)$", "--dtype", dtype.name, "--case", lost.id]
        let clock = ContinuousClock()
        let end = clock.now + Self.lostPatience
        var known = LostReduction()
        for round in 0... {
            if round == Self.lostWorkers || clock.now > end { known.finish() }
            let work = ["--worker", Resumption().text, "--reduce", known.text]
            guard let worker = WorkerProcess(arguments: arguments + chosen + work) else { return nil }
            switch follow(worker) {
            case .found(var smaller):
                smaller.message = "the worker process \(how)"
                return smaller
            case .lost(let step):
                guard known.lost(at: step) else { return nil }
            case .nothing: return nil
            }
        }
        return nil
    }

    private enum Outcome {
        case found(MinimisedCase)
        case lost(at: Int)
        case nothing
    }

    private func follow(_ worker: WorkerProcess) -> Outcome {
        var step: Int?
        while true {
            switch worker.line(seconds: timeout) {
            case .timedOut:
                worker.kill()
                return .nothing
            case .ended: return step.map { .lost(at: $0) } ?? .nothing
            case .text(let line):
                switch RunEvent(line: line) {
                case .trying(let tried): step = tried
                case .minimised(_, let smaller):
                    worker.kill()
                    return .found(smaller)
                default: break
                }
            }
        }
    }
}
