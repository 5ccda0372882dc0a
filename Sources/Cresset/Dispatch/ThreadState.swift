import CCresset

/// This thread's switches. The pointer is valid on this thread only, for as long as it runs.
@inline(__always)
var threadState: UnsafeMutablePointer<CressetThreadState> { cresset_thread_state() }

/// The switches between a call and its kernel.
enum Layer {
    static let noGrad = UInt32(CRESSET_LAYER_NO_GRAD)
    static let record = UInt32((CRESSET_LAYER_RECORD))
    static let guarding = UInt32(CRESSET_LAYER_GUARD)
    static let shadow = UInt32(CRESSET_LAYER_SHADOW)
    static let fresh = UInt32(CRESSET_LAYER_FRESH)
    /// Nodes note where they come from; and gradients are looked at.
    static let anomaly = UInt32(CRESSET_LAYER_ANOMALY)
    static let anomalyNaN = UInt32(CRESSET_LAYER_ANOMALY_NAN)
    /// Hooks keep what is saved for backward.
    static let savedHooks = UInt32(CRESSET_LAYER_SAVED_HOOKS)
    /// Launches that somebody watches, or may want to, take the general way.
    static let watched = record | shadow | fresh
}

/// Runs `body` with the bits of some layers set to `on`, and restores them.
@inline(__always)
func withLayer<Result, Failure: Error>(
    _ bits: UInt32, _ on: Bool, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let state = threadState
    let previous = state.pointee.layers & bits
    if on { state.pointee.layers |= bits } else { state.pointee.layers &= ~bits }
    defer { state.pointee.layers = state.pointee.layers & ~bits | previous }
    return try body()
}

/// Runs `body` without recording a tape.
public func noGrad<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    try withLayer(Layer.noGrad, true, body)
}

/// Runs `body` with the tape on, also inside `noGrad`.
public func enableGrad<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    try withLayer(Layer.noGrad, false, body)
}

/// True when operations on tensors that require grad are recorded.
public var isGradEnabled: Bool { threadState.pointee.layers & Layer.noGrad == 0 }
