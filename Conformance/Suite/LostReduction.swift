import Cresset

/// How far a case that ends its process has been made smaller, by one process after the other.
package struct LostReduction: Sendable {
    /// Steps to cases that ended a process too.
    private var taken: [Int] = []
    /// The first step that nobody tried; nil to try no more.
    private var next: Int? = 0

    package init() {}

    /// The case of this step ended its process; nothing is learned where it was one that is known.
    package mutating func lost(at step: Int) -> Bool {
        guard let first = next, step >= first else { return false }
        taken.append(step)
        next = step + 1
        return true
    }

    package mutating func finish() { next = nil }

    /// "7:3.4.6"; "-:3.4.6" where no more is to be tried.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "-" || Int(parts[0]) != nil else { return nil }
        next = Int(parts[0])
        for part in parts[1].split(separator: ".") {
            guard let step = Int(part) else { return nil }
            taken.append(step)
        }
    }

    package var text: String {
        (next.map(String.init) ?? "-") + ":" + taken.map(String.init).joined(separator: ".")
    }

    /// The case as small as it is known to be, with the steps to it.
    fileprivate func smallest(of item: Case) -> Case { taken.isEmpty ? item : Reduction(item).apply(taken) }

    /// Whether the step is taken, for what is known; nil for one to be tried.
    fileprivate func isTaken(_ step: Int) -> Bool? {
        guard let next, step >= next else { return taken.contains(step) }
        return nil
    }

    fileprivate var isFinished: Bool { next == nil }
}

extension Suite {
    /// Makes the selected case smaller, in a process that each try may end.
    package func reduce(_ known: LostReduction, on device: Device) throws {
        guard let item = try cases(for: device).first else { return }
        let policy = Fallback.policy
        Fallback.policy = .refuse
        defer { Fallback.policy = policy }
        let runner = runner(on: device)
        let entry = runner.entry(for: item)
        context.events?(.minimising(entry))
        if !known.isFinished {
            Reduction(item).walk { [context] step, candidate in
                if step >= Minimiser.tries { return nil }
                if let isTaken = known.isTaken(step) { return isTaken }
                guard runner.isTaken(candidate) else { return false }
                context.events?(.trying(step))
                _ = runner.trial(candidate)
                return false
            }
        }
        let smallest = known.smallest(of: item)
        context.events?(
            .minimised(
                entry, MinimisedCase(call: smallest.description, message: "", command: runner.command(smallest))))
    }
}
