/// What happens when a device has no kernel for a call.
public enum FallbackPolicy: Sendable {
    /// The call fails, naming what is missing. The default.
    case refuse
    /// The call runs on the given device, with a notice the first time.
    case run(on: Device)
}

/// One operation that did not run where its tensors live.
public struct Placement: Hashable, Sendable {
    public var op: String
    public var from: String
    public var to: String
}

/// The fallback policy and the record of what it did.
public enum Fallback {
    private struct State {
        var policy: FallbackPolicy?
        /// Why CRESSET_FALLBACK cannot be followed; thrown by every call that wants to know the policy.
        var error: CressetError?
        var placements: [Placement: Int] = [:]
    }
    private static let state = Lock(State())

    /// `CRESSET_FALLBACK=cpu` (any device) sets it from outside; `refuse` is the default, and holds where
    /// the variable names no device, which the first call that has no kernel tells.
    public static var policy: FallbackPolicy {
        get {
            if let set = state.withLock({ $0.policy }) { return set }
            do throws(CressetError) {
                let found = try parse(Environment["CRESSET_FALLBACK"] ?? "refuse")
                state.withLock { $0.policy = found }
            } catch {
                state.withLock { state in
                    state.policy = .refuse
                    state.error = error
                }
            }
            return state.withLock { $0.policy } ?? .refuse
        }
        set {
            state.withLock { state in
                state.policy = newValue
                state.error = nil
            }
        }
    }

    /// The policy of a value of CRESSET_FALLBACK.
    package static func parse(_ text: String) throws(CressetError) -> FallbackPolicy {
        if text == "refuse" { return .refuse }
        do throws(CressetError) {
            return .run(on: try Device(text))
        } catch {
            throw CressetError(
                .device, op: "CRESSET_FALLBACK=\(text)", "must be \"refuse\" or name a device: \(error.message)")
        }
    }

    /// Every operation that ran on another device than its tensors', with how often.
    public static var placements: [Placement: Int] { state.withLock { $0.placements } }

    static func target(for runtime: DeviceRuntime) throws(CressetError) -> DeviceRuntime? {
        let policy = policy
        if let error = state.withLock({ $0.error }) { throw error }
        guard case .run(let device) = policy, device != runtime.device else { return nil }
        return try? device.runtime(for: "fallback")
    }

    static func note(op: String, from: String, to: String) {
        let placement = Placement(op: op, from: from, to: to)
        let first = state.withLock { state in
            state.placements[placement, default: 0] += 1
            return state.placements[placement] == 1
        }
        if first { Log.warning("\(op) has no kernel on \(from) and runs on \(to)") }
    }
}
