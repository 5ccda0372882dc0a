/// Runs `body` with every operation of this thread repeated on a second device, and stops at the first one
/// whose results disagree: with an error that names the operation, its operands, the error and your line.
///
///     try catching { withShadow(.reference) { loss.backward() } }
///
/// `CRESSET_SHADOW=reference` does so for all threads of a program from its start. nil switches it off.
/// The reference judges by the error bounds of exact arithmetic, and so says who is right; another device is
/// compared bit by bit, and where the bits differ the bounds decide. docs/debugging.md tells what is not seen.
public func withShadow<Result, Failure: Error>(
    _ device: Device? = .reference, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let state = threadState
    let previous = state.pointee.shadow_device
    state.pointee.shadow_device = device?.id ?? -1
    defer { state.pointee.shadow_device = previous }
    // (Inside, this call's wish counts and not the environment's.)
    return try withLayer(Layer.fresh, false) { () throws(Failure) in
        try withLayer(Layer.shadow, device != nil, body)
    }
}

/// The second device of this thread's launches, and who judges.
struct Shadow {
    /// The device that launches are run on.
    let runtime: DeviceRuntime
    /// The device that repeats them.
    let second: DeviceRuntime

    /// nil if this thread's launches on `runtime` are not to be repeated.
    init?(besides runtime: DeviceRuntime) throws(CressetError) {
        let state = threadState
        if state.pointee.layers & Layer.fresh != 0 {
            let wish = try Self.environment.get()
            state.pointee.layers &= ~Layer.fresh
            if let wish {
                state.pointee.shadow_device = wish.id
                state.pointee.layers |= Layer.shadow
            }
        }
        guard state.pointee.layers & Layer.shadow != 0, state.pointee.shadow_device >= 0 else { return nil }
        // What is on the oracle is known better than its bytes say, so a copy has other results.
        if runtime.device == .meta { return nil }
        if try runtime.device == OracleDevice.device { return nil }
        let device = Device(id: state.pointee.shadow_device)
        // The reference that knows how far rounding may lead.
        let second = try (device == .reference ? OracleDevice.device : device).runtime(for: "withShadow")
        if second === runtime { return nil }
        self.runtime = runtime
        self.second = second
    }

    /// What CRESSET_SHADOW says; an error of every call where it names no device.
    private static let environment: Result<Device?, CressetError> = {
        guard let text = Environment["CRESSET_SHADOW"], text != "off" else { return .success(nil) }
        do throws(CressetError) {
            return .success(try Device(text))
        } catch {
            return .failure(
                CressetError(
                    .device, op: "CRESSET_SHADOW=\(text)", "must be \"off\" or name a device: \(error.message)"))
        }
    }()

    /// Runs `body` with nobody watching: the launches of the comparison itself.
    func unwatched<Result>(_ body: () throws(CressetError) -> Result) throws(CressetError) -> Result {
        try withLayer(Layer.shadow | Layer.record | Layer.guarding, false) { () throws(CressetError) in
            try noGrad(body)
        }
    }

    /// nil if results agree. `right` is asked for the oracle's answer, which takes long, only where it is needed.
    func judge(
        _ got: HostTensor, _ repeated: Tensor, zeros: Bool, oracle: () throws(CressetError) -> Expected
    ) throws(CressetError) -> Mismatch? {
        if try second.device == OracleDevice.device {
            return Judgement.compare(got, try Expected(repeated), zeros: zeros)
        }
        let other = try HostTensor(repeated)
        if got == other { return nil }
        let right = try oracle()
        if let wrong = Judgement.compare(got, right, zeros: zeros) { return wrong }
        guard var wrong = Judgement.compare(other, right, zeros: zeros) else { return nil }
        wrong.text = "\(runtime.name) is right, and on \(second.name), its shadow, \(wrong.text)"
        return wrong
    }

    // MARK: What is not compared

    /// True for errors that say that the second device cannot do what the first one does.
    func isInability(_ error: CressetError) -> Bool { error.kind == .unsupported || error.kind == .dtype }

    /// Notes, once an operation, that it was not compared.
    func skip(_ op: OperatorName, _ why: String) {
        let isFirst = Self.skipped.withLock { $0.insert("\(op.text) \(second.name)").inserted }
        if isFirst { Log.notice("\(op.text) is not compared with \(second.name): \(why)") }
    }
    private static let skipped = Lock(Set<String>())
}
