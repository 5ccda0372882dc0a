import CCresset

/// This thread's switches. The pointer is valid on this thread only, for as long as it runs.
@inline(__always)
var threadState: UnsafeMutablePointer<CressetThreadState> { cresset_thread_state() }

/// The switches between a call and its kernel.
enum Layer {
    static let noGrad = UInt32(CRESSET_LAYER_NO_GRAD)
    static let record = UInt32((CRESSET_LAYER_RECORD))
    static let guarding = UInt32(CRESSET_LAYER_GUARD)
}

/// Runs `body` with a layer's bit set to `on`, and restores it.
@inline(__always)
func withLayer<Result, Failure: Error>(
    _ bit: UInt32, _ on: Bool, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let state = threadState
    let previous = state.pointee.layers
    state.pointee.layers = on ? previous | bit : previous & ~bit
    defer { state.pointee.layers = previous }
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
