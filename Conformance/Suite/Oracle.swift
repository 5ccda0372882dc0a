import Cresset

/// What right devices give for one result.
package struct Expected: Sendable {
    /// With what the oracle's memory holds: the nearest of what it knows.
    package var stored: HostTensor
    /// Where it is known only within bounds; nil if every element is exact.
    package var bounds: Bounds?

    /// Of complex results, for each part.
    package struct Bounds: Sendable {
        package var values: [Double]
        package var bounds: [Double]
        package var flags: [UInt8]

        package init(values: [Double], bounds: [Double], flags: [UInt8]) {
            self.values = values
            self.bounds = bounds
            self.flags = flags
        }
    }

    package init(exact stored: HostTensor) {
        self.stored = stored
        bounds = nil
    }

    /// Asks the oracle about one of its tensors.
    init(_ tensor: Tensor) throws(CressetError) {
        stored = try HostTensor(tensor)
        guard stored.count > 0 else { return }
        // The oracle knows the numbers that are stored: of a complex element, both parts.
        let tensor = tensor.isComplex ? tensor.viewAsReal() : tensor
        let known = try Override.call("cresset::error_bound", tensor, output: .float64).doubles()
        if known.allSatisfy({ $0 == 0 }) { return }
        bounds = Bounds(
            values: try Override.call("cresset::oracle_value", tensor, output: .float64).doubles(), bounds: known,
            flags: try Override.call("cresset::oracle_flags", tensor, output: .uint8).rawBytes())
    }

    /// True if some element says something about right and wrong.
    var judges: Bool { stored.count == 0 || bounds?.bounds.contains { $0.isFinite } ?? true }
}

/// The oracle: the reference backend's device that knows how far rounding may lead.
package enum OracleDevice {
    package static var device: Device {
        get throws(CressetError) { try Device("reference:1") }
    }
}

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
