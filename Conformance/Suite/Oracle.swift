import Cresset

/// What the oracle says of every case that was asked for so far.
final class OracleBook {
    /// By case: what is right, or how the oracle itself failed.
    private var answers: [String: Result<[Expected?], CressetError>] = [:]
    /// The launches of the cases, one of each kind.
    private var launches = RecordedLaunches()
    private var kinds: [String: [LaunchKind]] = [:]
    private let device: Device

    init() throws(CressetError) { device = try OracleDevice.device }

    /// Runs the cases that are not in the book yet.
    func learn(_ cases: [Case]) {
        for item in cases where answers[item.id] == nil {
            let (answer, seen) = ask(item)
            answers[item.id] = answer
            kinds[item.id] = seen.kinds
            launches.formUnion(seen)
        }
    }

    private func ask(_ item: Case) -> (Result<[Expected?], CressetError>, RecordedLaunches) {
        let (answer, seen) = recordingLaunches { self.answer(item) }
        guard let judgement = item.declaration.judgement else { return (answer, seen) }
        // (Of a factorisation the oracle knows the launches around it, and float64 what is right.)
        return (answer.flatMap { _ in Self.expected(of: item, judgement) }, seen)
    }

    private func answer(_ item: Case) -> Result<[Expected?], CressetError> {
        do {
            let results = try item.run(try PlacedArguments(item.arguments, on: device), on: device)
            var expected: [Expected?] = []
            for tensor in results.tensors {
                if let tensor { expected.append(try Expected(tensor)) } else { expected.append(nil) }
            }
            return .success(expected)
        } catch {
            return .failure(error as? CressetError ?? CressetError(.internal, op: item.cell.op, "\(error)"))
        }
    }

    private static func expected(
        of item: Case, _ judgement: FactorJudgement
    ) -> Result<[Expected?], CressetError> {
        do {
            return .success(try FactorJudge.expected(of: item, judgement))
        } catch {
            return .failure(error as? CressetError ?? CressetError(.internal, op: item.cell.op, "\(error)"))
        }
    }

    func answer(to item: Case) -> Result<[Expected?], CressetError> {
        learn([item])
        return answers[item.id] ?? .failure(CressetError(.internal, op: item.cell.op, "the oracle has no answer"))
    }

    /// What is right for a case that is asked about once, and whether the sign of a zero is part of it.
    func trial(_ item: Case) -> (answer: Result<[Expected?], CressetError>, definesZeros: Bool) {
        let (answer, seen) = ask(item)
        return (answer, Self.hasZeros(item) && seen.defineZeros(seen.kinds))
    }

    /// The kinds of launches that these cases make.
    func kinds(of cases: [Case]) -> [LaunchKind] { cases.flatMap { kinds[$0.id] ?? [] } }

    /// True where the sign of a zero is part of what is right.
    func definesZeros(_ item: Case) -> Bool {
        Self.hasZeros(item) && launches.defineZeros(kinds[item.id] ?? [])
    }

    private static func hasZeros(_ item: Case) -> Bool {
        item.cell.direction == .forward && item.declaration.judgement == nil
    }

    /// Compiles kernels of these kinds on a device, in batches.
    func prepare(_ kinds: [LaunchKind], on device: Device) throws(CressetError) {
        try launches.prepare(kinds, on: device)
    }

    /// Why the device cannot run the case, by what it publishes of itself; nil if nothing says so.
    func inability(of item: Case, on device: Device) -> String? {
        launches.inability(kinds[item.id] ?? [], on: device)
    }
}
