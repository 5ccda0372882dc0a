import Cresset

/// Calls that a declaration says must be refused: each is made on the device, and the message judged.
enum ErrorCases {
    static func run(_ op: Operator, on device: Device, _ selection: Selection, _ report: inout Report) throws {
        let held = try device.properties.dtypes
        guard let dtype = held.first(where: op.dtypes.contains) else { return }
        var maker = SampleMaker(dtype: dtype, seed: selection.seed &+ op.name.stableHash)
        let samples = DerivedErrors.all(of: op, &maker)
        for (i, sample) in samples.enumerated() {
            let id = "\(op.name)/\(dtype)/\(i)/refused"
            // (A device cannot be asked about a dtype it does not hold.)
            let tensors = sample.values.flatMap(\.heldTensors)
            guard (selection.dtype ?? dtype) == dtype, (selection.id ?? id) == id,
                tensors.allSatisfy({ held.contains($0.dtype) })
            else { continue }
            report.add(verdict(op, sample, on: device), id: id, op: op.name, dtype: dtype)
        }
        for (i, values) in ExtremeCalls.of(op, &maker).enumerated() {
            let id = "\(op.name)/\(dtype)/\(i)/extreme"
            guard (selection.dtype ?? dtype) == dtype, (selection.id ?? id) == id else { continue }
            // (Whether it is refused is not the question, but whether it comes back.)
            _ = try? catching { try Operators.call(op.name, values.map { $0.moved(to: device) }) }
            report.add(.passed, id: id, op: op.name, dtype: dtype)
        }
    }

    private static func verdict(_ op: Operator, _ sample: ErrorSample, on device: Device) -> Verdict {
        do {
            _ = try catching { () -> [Value] in
                try Operators.call(op.name, values(of: sample, on: device))
            }
        } catch {
            guard let error = error as? CressetError else { return .failed("it threw \(error)") }
            // (Not its whole description, for which the place of the call is looked up, which takes long.)
            let told = error.told
            if !names(op, error) { return .failed("it is refused as a call of \(error.op): \"\(error.message)\"") }
            let missing = sample.words.filter { !told.contains($0) }
            if missing.isEmpty { return .passed }
            return .failed("it is refused with \"\(error.message)\", which does not say \(missing)")
        }
        return .failed("it is not refused; the message should say \(sample.words)")
    }

    /// The arguments where they belong.
    static func values(of sample: ErrorSample, on device: Device) throws -> [Value] {
        try sample.values.enumerated().map { i, value in
            value.moved(to: i == sample.elsewhere ? try OracleDevice.device : device)
        }
    }

    /// True if the error is one of that operation, of whatever overload.
    private static func names(_ op: Operator, _ error: CressetError) -> Bool {
        func base(_ name: String) -> Substring { name.prefix { $0 != "." } }
        return base(error.op) == base(op.name)
    }
}

extension Value {
    fileprivate var heldTensors: [Tensor] {
        switch self {
        case .tensor(let x): [x]
        case .tensors(let list): list
        case .optionalTensors(let list): list.compactMap(\.self)
        default: []
        }
    }

    fileprivate func moved(to device: Device) -> Value {
        switch self {
        case .tensor(let x): .tensor(x.to(device))
        case .tensors(let list): .tensors(list.map { $0.to(device) })
        case .optionalTensors(let list): .optionalTensors(list.map { $0?.to(device) })
        default: self
        }
    }
}
