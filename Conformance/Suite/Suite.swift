import Cresset

/// Proves devices: runs every cell that a device claims and judges the results by the oracle.
///
/// One suite serves several devices in turn: what the oracle said once is not asked again.
package final class Suite {
    package let selection: Selection
    /// Called after each step with how many cases are done, of how many.
    package var progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    /// Ends a run with the first case that fails; cases then come in an order that finds one soon.
    package var stopsAtFirstFailure = false
    /// Told of everything while the run goes on.
    package var events: (@Sendable (RunEvent) -> Void)?
    /// Where to go on, if another process began.
    package var resumption = Resumption()
    /// How the device is spelled in the commands that reproduce a failure.
    package var spelling: String?

    private let book: OracleBook
    private var groups: [GroupKey: CaseGroup] = [:]

    private struct GroupKey: Hashable {
        var op: String
        var dtype: DType
    }

    /// Cases whose kernels are compiled together.
    private static let chunk = 2400
    /// The same where most of a run may not be needed.
    private static let smallChunk = 150

    /// What is run: the declared operations, then what the boundary promises beside them.
    package static let operators = Operators.all + Probes.all

    package init(_ selection: Selection = Selection()) throws(CressetError) {
        self.selection = selection
        book = try OracleBook()
    }

    /// Runs what the device claims.
    package func run(on device: Device) throws -> Report {
        // (What a self-test would find belongs into the report.)
        SelfTest.exempt(device)
        let properties = try device.properties
        let clock = ContinuousClock()
        let start = clock.now
        var report = Report(device: "\(device)", driver: properties.driver)
        let compiled = try device.compileCount
        let isOracle = try device == OracleDevice.device
        guard !isOracle else {
            throw CressetError(
                .argument, op: "conformance",
                "\(device) is the oracle, which is not judged by itself; judge reference:0")
        }
        // A device that hands work to another proves nothing.
        let policy = Fallback.policy
        Fallback.policy = .refuse
        defer { Fallback.policy = policy }

        if let events { report.listener = { entry, verdict in events(.found(entry, verdict)) } }
        let groups = groups(for: properties.dtypes)
        for (key, group) in groups where resumption.done == 0 {
            if let failure = group.failure {
                report.add(
                    .failed("its samples cannot be made: \(failure.told)"), id: "\(key.op)/\(key.dtype)", op: key.op,
                    dtype: key.dtype)
            }
        }
        let cases = stopsAtFirstFailure ? Self.mixed(groups.map(\.1)) : groups.flatMap(\.1.cases)
        let runner = try run(cases, on: device, &report)
        if selection.isWhole && !(stopsAtFirstFailure && report.failed > 0) {
            let judged = cases.dropFirst(resumption.done).filter { !runner.silent.contains($0.cell) }
            try Claims.check(device, ran: runner.kernels, Array(judged), &report)
        }
        if device == .reference && selection.id == nil {
            try ReferenceJudges.run(selection, &report, progress: { [self] in progress(cases.count, cases.count) })
        }
        progress(cases.count, cases.count)
        if report.total == 0 && resumption.done == 0 {
            report.add(.failed("no case was executed"), id: "conformance", op: "conformance")
        }
        report.listener = nil
        report.seconds = Double((clock.now - start) / .milliseconds(1)) / 1000
        report.compiled = try device.compileCount - compiled
        events?(.finished(report))
        return report
    }

    /// The cases from where the run is resumed, in chunks whose kernels are compiled together.
    private func run(_ cases: [Case], on device: Device, _ report: inout Report) throws -> DeviceRunner {
        var runner = DeviceRunner(device, book: book, command: { [self] in command(for: $0, on: device) })
        runner.kernels = resumption.ran
        var done = min(resumption.done, cases.count)
        while done < cases.count {
            let chunk = stopsAtFirstFailure ? Self.smallChunk : Self.chunk
            let next = Array(cases[done..<min(done + chunk, cases.count)])
            events?(.preparing(total: cases.count))
            book.learn(next)
            runner.prepare(next)
            for item in next {
                events?(.starting(index: done, runner.entry(for: item)))
                let known = runner.kernels
                runner.run(item, &report)
                if let events, runner.kernels.count > known.count {
                    events(.ran(Array(runner.kernels.subtracting(known))))
                }
                done += 1
                if stopsAtFirstFailure && report.failed > 0 { return runner }
                if done % 50 == 0 { progress(done, cases.count) }
            }
        }
        return runner
    }

    /// A case of each group, then the next of each.
    private static func mixed(_ groups: [CaseGroup]) -> [Case] {
        let rounds = groups.map(\.cases.count).max() ?? 0
        return (0..<rounds).flatMap { i in groups.compactMap { i < $0.cases.count ? $0.cases[i] : nil } }
    }

    private func groups(for dtypes: [DType]) -> [(GroupKey, CaseGroup)] {
        var result: [(GroupKey, CaseGroup)] = []
        for op in Self.operators where selection.matches(op.name) {
            for dtype in dtypes where op.dtypes.contains(dtype) && (selection.dtype ?? dtype) == dtype {
                let key = GroupKey(op: op.name, dtype: dtype)
                let group = groups[key] ?? CaseGroup(op, dtype, selection)
                groups[key] = group
                result.append((key, group))
            }
        }
        return result
    }

    private func command(for item: Case, on device: Device) -> String {
        let pattern = item.cell.op.map { $0 == "." ? "\\." : "\($0)" }.joined()
        return "cresset conformance \(spelling ?? "--device \(device)") --op '^\(pattern)$' --dtype \(item.cell.dtype) "
            + "--seed \(selection.seed) --case \(item.id)"
    }
}

/// Runs cases on one device.
struct DeviceRunner {
    private let device: Device
    private let book: OracleBook
    private let command: (Case) -> String
    private var prepared: Set<LaunchKind> = []
    /// Entries of the registry that did some of the work.
    fileprivate(set) var kernels: Set<KernelID> = []
    /// Cells with cases of which the oracle can say nothing.
    private(set) var silent: Set<Cell> = []

    init(_ device: Device, book: OracleBook, command: @escaping (Case) -> String) {
        self.device = device
        self.book = book
        self.command = command
    }

    /// Compiles what the cases need, together. A failure comes again, and is reported, where the
    /// kernel is wanted.
    mutating func prepare(_ cases: [Case]) {
        let new = book.kinds(of: cases).filter { prepared.insert($0).inserted }
        try? book.prepare(new, on: device)
    }

    /// What a failure of the case is told by.
    func entry(for item: Case) -> RunEvent.Entry {
        RunEvent.Entry(
            id: item.id, op: item.cell.op, dtype: item.cell.dtype, cell: item.cell, command: command(item))
    }

    mutating func run(_ item: Case, _ report: inout Report) {
        let verdict: Verdict
        switch book.answer(to: item) {
        case .failure(let error): verdict = .failed("it fails on the oracle itself: \(error.told)")
        case .success(let expected):
            if !expected.contains(where: { $0?.judges ?? true }) && !expected.isEmpty
                && item.declaration.judgement == nil
            {
                // Of extremes that is so now and then; another sample of the cell says more.
                if item.cell.layout.isVariant {
                    silent.insert(item.cell)
                    return
                }
                verdict = .failed("the oracle cannot say of any element what is right")
            } else {
                for answer in expected.compactMap({ $0 }) {
                    let open = answer.bounds?.bounds.count { $0 == .infinity } ?? 0
                    report.elements.open += open
                    report.elements.judged += answer.stored.count - open
                }
                verdict = judge(item, expected)
            }
        }
        report.add(
            verdict, id: item.id, op: item.cell.op, dtype: item.cell.dtype, cell: item.cell,
            command: verdict == .passed ? nil : command(item))
    }

    private mutating func judge(_ item: Case, _ expected: [Expected?]) -> Verdict {
        do {
            let (verdict, ran) = try recordingKernels { try compare(item, expected) }
            kernels.formUnion(ran)
            return verdict
        } catch {
            if let error = error as? CressetError, error.kind == .unsupported || error.kind == .dtype,
                let why = book.inability(of: item, on: device)
            {
                return .unsupported(why)
            }
            return .failed(error.told)
        }
    }

    /// Runs the case twice and looks at everything it leaves behind.
    private func compare(_ item: Case, _ expected: [Expected?]) throws -> Verdict {
        let memory = MemoryGuard(device, front: item.guardBytes)
        let (arguments, got, again) = try memory.run {
            let arguments = try PlacedArguments(item.arguments, on: device)
            let first = try item.run(arguments, on: device)
            let second = try item.run(arguments, on: device)
            return (arguments, try first.hosted(), try second.hosted())
        }
        guard got.tensors.count == expected.count else {
            return .failed("it gave \(got.tensors.count) results, right are \(expected.count)")
        }
        for (i, (tensor, right)) in zip(got.tensors, expected).enumerated() {
            guard let mismatch = Judgement.compare(tensor, right, zeros: book.definesZeros(item)) else { continue }
            let which =
                expected.count > 1 ? (item.cell.direction == .gradient ? "gradient \(i): " : "result \(i): ") : ""
            return .failed(which + mismatch.text)
        }
        if let judgement = item.declaration.judgement, item.cell.direction == .forward,
            let wrong = try FactorJudge.failure(
                judgement, arguments.values, got.tensors.compactMap { $0 }, item.cell.dtype)
        {
            return .failed(wrong)
        }
        if let i = got.tensors.indices.first(where: { got.tensors[$0] != again.tensors[$0] }) {
            return .failed("two runs gave different bits in result \(i)")
        }
        if let i = try arguments.changed() { return .failed("the memory of tensor argument \(i) was changed") }
        if let damage = try memory.damage() { return .failed(damage) }
        return .passed
    }
}

/// What a device claims against what was run.
package enum Claims {
    package static func check(
        _ device: Device, ran: Set<KernelID>, _ cases: [Case], _ report: inout Report
    ) throws {
        let entries = try Registry.entries(on: device)
        report.kernels = (entries.count, 0)
        for entry in entries {
            if ran.contains(KernelID(key: entry.key, dtype: entry.dtype, priority: entry.priority)) {
                report.kernels.run += 1
                continue
            }
            let kind = entry.isOverride ? "the override of \(entry.key)" : "the family \(entry.key)"
            report.add(
                .failed("\(kind) for \(entry.dtype) is registered by \(entry.owner), and no case ran it"),
                id: "claims/\(entry.key)/\(entry.dtype)", op: entry.isOverride ? entry.key : "claims")
        }
        for (i, refusal) in try Registry.refusals(on: device).enumerated() {
            report.add(.failed("a registration was refused: \(refusal)"), id: "claims/refused/\(i)", op: "claims")
        }
        let wanted = Set(cases.map(\.cell))
        for cell in wanted where report.cells[cell] == nil {
            report.add(
                .failed("the cell was not run"),
                id: "claims/\(cell.op)/\(cell.dtype)/\(cell.layout.rawValue)/\(cell.direction.rawValue)", op: cell.op)
        }
        // A dtype that a device holds and has no kernel for is a claim too small to be one; one it
        // registers for but does not hold is one that cannot be kept.
        let held = Set(try device.properties.dtypes)
        for entry in entries where !held.contains(entry.dtype) {
            report.add(
                .failed("\(entry.key) is registered for \(entry.dtype), which the device does not hold"),
                id: "claims/\(entry.key)/\(entry.dtype)/held", op: "claims")
        }
    }
}
