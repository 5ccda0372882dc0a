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
        var placements: [Placement: Int] = [:]
    }
    private static let state = Lock(State())

    /// `CRESSET_FALLBACK=cpu` (any device) sets it from outside; `refuse` is the default.
    public static var policy: FallbackPolicy {
        get {
            if let set = state.withLock({ $0.policy }) { return set }
            var found = FallbackPolicy.refuse
            if let named = Environment["CRESSET_FALLBACK"], named != "refuse" {
                do throws(CressetError) {
                    found = .run(on: try Device(named))
                } catch {
                    fatalError("CRESSET_FALLBACK=\(named): \(error.message)")
                }
            }
            let policy = found
            state.withLock { $0.policy = policy }
            return policy
        }
        set { state.withLock { $0.policy = newValue } }
    }

    /// Every operation that ran on another device than its tensors', with how often.
    public static var placements: [Placement: Int] { state.withLock { $0.placements } }

    static func target(for runtime: DeviceRuntime) -> DeviceRuntime? {
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
