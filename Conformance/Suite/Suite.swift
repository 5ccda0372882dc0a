import Cresset

/// Proves devices: runs every cell that a device claims and judges the results by the oracle.
///
/// One suite serves several devices in turn: what the oracle said once is not asked again.
package final class Suite {
    package let selection: Selection
    /// What whoever began the run wants to know of it.
    package var context = RunContext()
    /// Compares gradients with differences on the device too.
    package var checksDifferences = false

    private let book: OracleBook
    private var groups: [GroupKey: CaseGroup] = [:]
    /// By the dtypes that a device holds.
    private var orders: [[DType]: [Case]] = [:]

    private struct GroupKey: Hashable {
        var op: String
        var dtype: DType
    }

    /// Cases whose kernels are compiled together.
    private static let chunk = 2400
    /// The same where most of a run may not be needed.
    private static let smallChunk = 150

    /// What is run: the declared operations, then what the boundary promises beside them.
    package static func operators(of tier: Tier) -> [Operator] { Operators.all + Probes.all(of: tier) }

    package init(_ selection: Selection = Selection()) throws(CressetError) {
        self.selection = selection
        book = try OracleBook()
    }

    /// Runs what the device claims.
    package func run(on device: Device) throws -> Report {
        // (What a self-test would find belongs into the report.)
        SelfTest.exempt(device)
        let properties = try device.properties
        let start = ContinuousClock.now
        var report = try context.open(device)
        report.tier = selection.tier
        if selection.isWhole { report.budget = selection.tier.budget }
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

        context.listen(&report)
        if selection.isOfRefusals {
            try refuse(on: device, &report)
            report.compiled = try device.compileCount - compiled
            if report.total == 0 {
                report.add(.failed("no case was executed"), id: "conformance", op: "conformance")
            }
            context.finish(&report, since: start)
            return report
        }
        for (key, group) in groups(for: properties.dtypes, context.part) where context.resumption.done == 0 {
            if let failure = group.failure {
                report.add(
                    .failed("its samples cannot be made: \(failure.told)"), id: "\(key.op)/\(key.dtype)", op: key.op,
                    dtype: key.dtype)
            }
        }
        var cases = order(for: properties.dtypes)
        if let first = context.first { cases = beginning(with: first, cases, for: properties.dtypes) }
        let runner = try run(cases, on: device, holding: properties.dtypes, &report)
        if selection.isWhole && !(context.stopsAtFirstFailure && report.failed > 0) && LooseJudge.chosen == nil {
            let judged = cases.dropFirst(context.resumption.done).filter { !runner.silent.contains($0.cell) }
            Claims.check(cells: Set(judged.map(\.cell)), &report)
            if context.part.isLast { try Claims.check(device, ran: runner.kernels, &report) }
        }
        if !(context.stopsAtFirstFailure && report.failed > 0) && selection.direction != .gradient {
            try refuse(on: device, &report)
        }
        if device == .reference && selection.id == nil && selection.direction == nil && context.part.isLast {
            try ReferenceJudges.run(
                selection, &report, progress: { [self] in context.progress(cases.count, cases.count) })
        }
        if checksDifferences {
            try checkDifferences(on: device, holding: properties.dtypes, after: cases.count, &report)
        }
        context.progress(cases.count, cases.count)
        if report.total == 0 && context.resumption.done == 0 && context.part == .whole {
            report.add(.failed("no case was executed"), id: "conformance", op: "conformance")
        }
        report.compiled = try device.compileCount - compiled
        context.finish(&report, since: start)
        report.settleExpectations(
            wasWhole: selection.isExhaustive && !(context.stopsAtFirstFailure && report.failed > 0))
        return report
    }

    /// Makes the calls that must be refused.
    private func refuse(on device: Device, _ report: inout Report) throws {
        for (i, op) in Operators.all.enumerated() where context.part.has(i) && selection.matches(op.name) {
            try ErrorCases.run(op, on: device, selection, &report)
        }
    }

    /// Asks the oracle about every case at once, for runs in processes that are forked from this one. How many they are.
    package func learn(for dtypes: [DType]) -> Int {
        let cases = order(for: dtypes)
        book.learn(cases)
        return cases.count
    }

    /// First and second derivatives by differences in float64.
    private func checkDifferences(on device: Device, holding dtypes: [DType], after count: Int, _ report: inout Report)
        throws
    {
        guard (selection.dtype ?? .float64).toReal == .float64, !(context.stopsAtFirstFailure && report.failed > 0)
        else {
            return
        }
        guard dtypes.contains(.float64) else {
            report.add(
                .unsupported("\(device) does not hold float64, in which differences are taken"),
                id: "finite-differences", op: "conformance")
            return
        }
        try FiniteDifferences(selection, on: device, orders: FiniteDifferences.Order.allCases)
            .run(&report, after: count, context)
    }

    /// Cases in the order in which they are run.
    private func order(for dtypes: [DType]) -> [Case] {
        if let known = orders[dtypes] { return known }
        let chosen = groups(for: dtypes, context.part).map { isChoice ? $0.1.smoke : $0.1.cases }
        let order = context.stopsAtFirstFailure ? Self.mixed(chosen) : chosen.flatMap { $0 }
        orders[dtypes] = order
        return order
    }

    /// True where some cases stand for all.
    private var isChoice: Bool { selection.tier == .smoke && selection.id == nil }

    /// Cases that a smoke run leaves out.
    private func spare(for dtypes: [DType]) -> [Case] {
        groups(for: dtypes, .whole).flatMap { _, group in
            let chosen = Set(group.smoke.map(\.id))
            return group.cases.filter { !chosen.contains($0.id) }
        }
    }

    /// The cases from where the run is resumed, in chunks whose kernels are compiled together.
    private func run(
        _ cases: [Case], on device: Device, holding dtypes: [DType], _ report: inout Report
    ) throws -> DeviceRunner {
        var runner = runner(on: device)
        runner.kernels = context.resumption.ran
        var done = min(context.resumption.done, cases.count)
        while done < cases.count {
            let chunk = context.stopsAtFirstFailure ? Self.smallChunk : Self.chunk
            let next = Array(cases[done..<min(done + chunk, cases.count)])
            prepare(next, total: cases.count, &runner, &report)
            for item in next {
                run(item, at: done, &runner, &report)
                done += 1
                if context.stopsAtFirstFailure && report.failed > 0 { return runner }
                if done % 50 == 0 { context.progress(done, cases.count) }
            }
        }
        if isChoice && selection.isWhole && context.part.isLast {
            try runIdle(after: cases.count, on: device, holding: dtypes, &runner, &report)
        }
        return runner
    }

    /// Kernels that no chosen case came to get one that is not.
    private func runIdle(
        after count: Int, on device: Device, holding dtypes: [DType], _ runner: inout DeviceRunner,
        _ report: inout Report
    ) throws {
        var idle = try Claims.idle(on: device, ran: runner.kernels)
        if idle.isEmpty { return }
        for (i, item) in spare(for: dtypes).enumerated().dropFirst(max(context.resumption.done - count, 0)) {
            guard idle.contains(where: { $0.mayServe(item) }) else { continue }
            let known = runner.kernels.count
            run(item, at: count + i, &runner, &report)
            if runner.kernels.count > known { idle = try Claims.idle(on: device, ran: runner.kernels) }
            if idle.isEmpty || context.stopsAtFirstFailure && report.failed > 0 { return }
        }
    }

    /// Works out what is right for these cases, and compiles what they need.
    private func prepare(_ cases: [Case], total: Int, _ runner: inout DeviceRunner, _ report: inout Report) {
        context.events?(.preparing(total: total))
        book.learn(cases)
        if !context.compilesAhead { return }
        let clock = ContinuousClock()
        let start = clock.now
        runner.prepare(cases)
        report.compiling += Double((clock.now - start) / .milliseconds(1)) / 1000
    }

    private func run(_ item: Case, at index: Int, _ runner: inout DeviceRunner, _ report: inout Report) {
        context.events?(.starting(index: index, runner.entry(for: item)))
        let known = runner.kernels
        let kind = runner.run(item, &report)
        if let events = context.events, runner.kernels.count > known.count {
            events(.ran(Array(runner.kernels.subtracting(known))))
        }
        if let kind, kind != .judge, kind != .refusal { minimise(item, kind, runner, &report) }
    }

    /// All of one operation and dtype, also where the tier chooses, then the others.
    private func beginning(with first: String, _ cases: [Case], for dtypes: [DType]) -> [Case] {
        let group = groups(for: dtypes, .whole).first { "\($0.0.op)/\($0.0.dtype)" == first }
        guard let group else { return cases }
        return group.1.cases + cases.filter { $0.cell.op != group.0.op || $0.cell.dtype != group.0.dtype }
    }

    /// A case of each group, then the next of each.
    private static func mixed(_ groups: [[Case]]) -> [Case] {
        let rounds = groups.map(\.count).max() ?? 0
        return (0..<rounds).flatMap { i in groups.compactMap { i < $0.count ? $0[i] : nil } }
    }

    private func groups(for dtypes: [DType], _ part: Part) -> [(GroupKey, CaseGroup)] {
        var result: [(GroupKey, CaseGroup)] = []
        var count = 0
        for op in Self.operators(of: selection.tier) where selection.matches(op.name) {
            for dtype in dtypes where op.dtypes.contains(dtype) && (selection.dtype ?? dtype) == dtype {
                count += 1
                guard part.has(count - 1) else { continue }
                let key = GroupKey(op: op.name, dtype: dtype)
                let group = groups[key] ?? CaseGroup(op, dtype, selection)
                groups[key] = group
                result.append((key, group))
            }
        }
        return result
    }

    // MARK: Smaller cases

    /// One of a kind is made smaller.
    private struct MinimisedKind: Hashable {
        var op: String
        var dtype: DType
        var direction: Direction
    }

    private var minimised: Set<MinimisedKind> = []
    /// What is left of the time that a run may spend on it.
    private var patience = Duration.seconds(60)

    private func minimise(_ item: Case, _ kind: FailureKind, _ runner: DeviceRunner, _ report: inout Report) {
        let cell = item.cell
        guard context.minimises, item.reduction.isEmpty, patience > .zero, report.failures.last?.status == "failed",
            minimised.insert(MinimisedKind(op: cell.op, dtype: cell.dtype, direction: cell.direction)).inserted
        else { return }
        let clock = ContinuousClock()
        let start = clock.now
        let entry = runner.entry(for: item)
        context.events?(.minimising(entry))
        let smaller = Minimiser(runner).run(item, kind)
        context.events?(.minimised(entry, smaller))
        report.minimise(item.id, smaller)
        patience -= clock.now - start
    }

    /// The cases that are selected.
    func cases(for device: Device) throws -> [Case] {
        groups(for: try device.properties.dtypes, .whole).flatMap(\.1.cases)
    }

    func runner(on device: Device) -> DeviceRunner {
        DeviceRunner(device, book: book, command: { [self] in command(for: $0, on: device) })
    }

    private func command(for item: Case, on device: Device) -> String {
        return
            "cresset conformance \(context.spelling ?? "--device \(device)") --op '^\(item.cell.op.escapedPattern)$' --dtype \(item.cell.dtype) "
            + (selection.tier == .deep ? "--tier deep " : "") + "--seed \(selection.seed) --case \(item.id)"
    }
}

extension KernelID {
    /// True if the case may come to this kernel, as far as declarations say.
    fileprivate func mayServe(_ item: Case) -> Bool {
        // ("aten::layer_norm backward" is the kernel of an operation's gradients.)
        let gradients = " backward"
        if key.hasSuffix(gradients) {
            return item.cell.direction == .gradient && key.dropLast(gradients.count) == item.cell.op
        }
        return key == item.cell.op || item.declaration.composition.contains { $0 == key || $0.contains("::") }
    }
}

/// What a device claims against what was run.
package enum Claims {
    /// Entries of the registry that have done nothing yet.
    static func idle(on device: Device, ran: Set<KernelID>) throws(CressetError) -> [KernelID] {
        try Registry.entries(on: device).map { KernelID(key: $0.key, dtype: $0.dtype, priority: $0.priority) }
            .filter { !ran.contains($0) }
    }

    /// Each of these cells must have come to something.
    package static func check(cells: Set<Cell>, _ report: inout Report) {
        for cell in cells where report.cells[cell] == nil {
            report.add(
                .failed("the cell was not run"),
                id: "claims/\(cell.op)/\(cell.dtype)/\(cell.layout.rawValue)/\(cell.direction.rawValue)", op: cell.op)
        }
    }

    package static func check(_ device: Device, ran: Set<KernelID>, _ report: inout Report) throws {
        let entries = try Registry.entries(on: device)
        report.kernels = (entries.count, 0)
        for entry in entries {
            if ran.contains(KernelID(key: entry.key, dtype: entry.dtype, priority: entry.priority)) {
                report.kernels.run += 1
                continue
            }
            let kind = entry.isOverride || entry.isBackward ? "the kernel of \(entry.key)" : "the family \(entry.key)"
            report.add(
                .failed("\(kind) for \(entry.dtype) is registered by \(entry.owner), and no case ran it"),
                id: "claims/\(entry.key)/\(entry.dtype)", op: entry.isOverride ? entry.key : "claims")
        }
        for (i, refusal) in try Registry.refusals(on: device).enumerated() {
            report.add(.failed("a registration was refused: \(refusal)"), id: "claims/refused/\(i)", op: "claims")
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
