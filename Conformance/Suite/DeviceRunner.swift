import Cresset

/// Runs cases on one device.
struct DeviceRunner {
    private let device: Device
    private let book: OracleBook
    /// What shows a case again.
    let command: (Case) -> String
    private var prepared: Set<LaunchKind> = []
    /// Entries of the registry that did some of the work.
    var kernels: Set<KernelID> = []
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

    /// Runs the case and reports it; how it failed, if it did.
    mutating func run(_ item: Case, _ report: inout Report) -> FailureKind? {
        let (verdict, evidence): (Verdict, Evidence)
        switch book.answer(to: item) {
        case .failure(let error):
            (verdict, evidence) = (
                .failed("it fails on the oracle itself: \(error.told)"), Evidence(kind: .judge)
            )
        case .success(let expected):
            if Self.isSilent(item, expected) {
                // Of extremes that is so now and then; another sample of the cell says more.
                if item.cell.layout.isVariant {
                    silent.insert(item.cell)
                    return nil
                }
                (verdict, evidence) = (
                    .failed("the oracle cannot say of any element what is right"), Evidence(kind: .judge)
                )
            } else {
                for answer in expected.compactMap({ $0 }) {
                    let open = answer.bounds?.bounds.count { $0 == .infinity } ?? 0
                    report.elements.open += open
                    report.elements.judged += answer.stored.count - open
                }
                let ran: Set<KernelID>
                (verdict, evidence, ran) = judge(item, expected, zeros: book.definesZeros(item))
                kernels.formUnion(ran)
            }
        }
        report.add(
            verdict, id: item.id, op: item.cell.op, dtype: item.cell.dtype, cell: item.cell,
            command: verdict == .passed ? nil : command(item), evidence: evidence)
        return evidence.kind
    }

    /// How a case comes out that nobody reports; nil where the oracle does not take it or says nothing.
    func trial(_ item: Case) -> (Verdict, Evidence)? {
        let (answer, zeros) = book.trial(item)
        guard case .success(let expected) = answer, !Self.isSilent(item, expected) else { return nil }
        let (verdict, evidence, _) = judge(item, expected, zeros: zeros)
        return (verdict, evidence)
    }

    /// True if the oracle takes the case.
    func isTaken(_ item: Case) -> Bool {
        if case .success = book.trial(item).answer { true } else { false }
    }

    /// True where neither the oracle nor a property of the results says what is right.
    private static func isSilent(_ item: Case, _ expected: [Expected?]) -> Bool {
        !expected.isEmpty && !expected.contains { $0?.judges ?? true } && item.declaration.judgement == nil
    }

    private func judge(
        _ item: Case, _ expected: [Expected?], zeros: Bool
    ) -> (Verdict, Evidence, Set<KernelID>) {
        do {
            let ((verdict, evidence), ran) = try recordingKernels { try compare(item, expected, zeros: zeros) }
            return (verdict, evidence, ran)
        } catch {
            guard let error = error as? CressetError, error.kind == .unsupported || error.kind == .dtype else {
                return (.failed(error.told), Evidence(kind: .error), [])
            }
            let refusal = Evidence(kind: .refusal)
            if let why = book.inability(of: item, on: device) { return (.unsupported(why), refusal, []) }
            return (.failed(error.told), refusal, [])
        }
    }

    /// Runs the case twice and looks at everything it leaves behind.
    private func compare(_ item: Case, _ expected: [Expected?], zeros: Bool) throws -> (Verdict, Evidence) {
        if let judge = LooseJudge.chosen {
            let verdict = try judge.compare(item, expected, on: device)
            return (verdict, Evidence(kind: verdict == .passed ? nil : .mismatch))
        }
        let memory = MemoryGuard(device, front: item.guardBytes)
        let (arguments, got, again) = try memory.run {
            let arguments = try PlacedArguments(item.arguments, on: device)
            let first = try item.run(arguments, on: device)
            let second = try item.run(arguments, on: device)
            return (arguments, try first.hosted(), try second.hosted())
        }
        guard got.tensors.count == expected.count else {
            return (
                .failed("it gave \(got.tensors.count) results, right are \(expected.count)"), Evidence(kind: .mismatch)
            )
        }
        let worst = zip(got.tensors, expected).reduce(nil) { WorstError.larger($0, WorstError($1.0, $1.1)) }
        func failed(_ kind: FailureKind, _ text: String) -> (Verdict, Evidence) {
            (.failed(text), Evidence(worst: worst, kind: kind))
        }
        for (i, (tensor, right)) in zip(got.tensors, expected).enumerated() {
            guard let mismatch = Judgement.compare(tensor, right, zeros: zeros) else { continue }
            let which =
                expected.count > 1 ? (item.cell.direction == .gradient ? "gradient \(i): " : "result \(i): ") : ""
            let operands = tensor.flatMap { item.operands(at: mismatch.places, of: $0) }.map { "\n  \($0.indented)" }
            return failed(.mismatch, which + mismatch.text + (operands ?? ""))
        }
        if let judgement = item.declaration.judgement, item.cell.direction == .forward,
            let wrong = try FactorJudge.failure(
                judgement, arguments.values, got.tensors.compactMap { $0 }, item.cell.dtype)
        {
            return failed(.mismatch, wrong)
        }
        if let i = got.tensors.indices.first(where: { got.tensors[$0] != again.tensors[$0] }) {
            return failed(.unstable, "two runs gave different bits in result \(i)")
        }
        if let i = try arguments.changed() {
            return failed(.memory, "the memory of tensor argument \(i) was changed")
        }
        if let damage = try memory.damage() { return failed(.memory, damage) }
        return (.passed, Evidence(worst: worst))
    }
}
