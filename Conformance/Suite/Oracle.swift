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
            let (answer, seen) = recordingLaunches { self.answer(item) }
            // (Of a factorisation the oracle knows the launches around it, and float64 what is right.)
            if let judgement = item.declaration.judgement {
                answers[item.id] = answer.flatMap { _ in Self.expected(of: item, judgement) }
            } else {
                answers[item.id] = answer
            }
            kinds[item.id] = seen.kinds
            launches.formUnion(seen)
        }
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

    /// The kinds of launches that these cases make.
    func kinds(of cases: [Case]) -> [LaunchKind] { cases.flatMap { kinds[$0.id] ?? [] } }

    /// True where the sign of a zero is part of what is right.
    func definesZeros(_ item: Case) -> Bool {
        item.cell.direction == .forward && item.declaration.judgement == nil
            && launches.defineZeros(kinds[item.id] ?? [])
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
