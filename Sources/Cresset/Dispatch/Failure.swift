import CCresset

/// Runs `body`; a failing operation inside it throws here instead of trapping.
///
/// The operation that failed gives an invalid tensor (rank 0, reads as zero), which later operations
/// pass through untouched; at the end the devices that this thread used are synchronised and the first
/// error is thrown, so that nothing of what was done here is told to anybody later.
public func catching<Result>(_ body: () throws -> Result) throws -> Result {
    let state = threadState
    let outer = state.pointee.used_devices
    state.pointee.used_devices = 0
    defer { state.pointee.used_devices |= outer }
    return try catchingFirst {
        let result = Swift.Result { try body() }
        var late: CressetError?
        for device in DeviceTable.shared.opened where state.pointee.used_devices & device.bit != 0 {
            do throws(CressetError) {
                try device.synchronize(op: "catching")
            } catch {
                late = late ?? error
            }
        }
        let value = try result.get()
        if let late { throw late }
        return value
    }
}

/// `catching` without the synchronisation at the end: errors of work that is still under way come later.
package func catchingNow<Result>(_ body: () throws -> Result) throws -> Result { try catchingFirst(body) }

/// `catching` without the synchronisation at the end.
func catchingFirst<Result>(_ body: () throws -> Result) throws -> Result {
    let state = threadState
    let outer = state.pointee.first_error
    state.pointee.first_error = nil
    state.pointee.catching_depth += 1
    func close() -> CressetError? {
        state.pointee.catching_depth -= 1
        let box = state.pointee.first_error
        state.pointee.first_error = outer
        return box.map { Unmanaged<ErrorBox>.fromOpaque($0).takeRetainedValue().error }
    }
    let result: Result
    do {
        result = try body()
    } catch {
        // What failed first is the cause; what was thrown on top of it is not.
        if let first = close() { throw first }
        throw error
    }
    if let first = close() { throw first }
    return result
}

/// An error behind the thread state's untyped pointer.
final class ErrorBox {
    let error: CressetError
    init(_ error: CressetError) { self.error = error }
}

/// Runs the body of an operation: a thrown error traps with its message, or is kept for the
/// enclosing `catching`, with an invalid tensor as the result.
@inline(__always)
func trapping(_ body: () throws(CressetError) -> Tensor) -> Tensor {
    do throws(CressetError) {
        return try body()
    } catch {
        return failed(error)
    }
}

/// The same for operations with other results.
@inline(__always)
func trapping<Result>(default value: @autoclosure () -> Result, _ body: () throws(CressetError) -> Result) -> Result {
    do throws(CressetError) {
        return try body()
    } catch {
        _ = failed(error)
        return value()
    }
}

/// Runs what `op` is made of: an error in a part is told as one of `op`, which was called.
func naming<Result>(_ op: String, _ body: () throws -> Result) throws(CressetError) -> Result {
    do {
        return try catchingFirst(body)
    } catch let error as CressetError {
        throw error.seen(from: op)
    } catch {
        throw CressetError(.internal, op: op, "\(error)")
    }
}

/// `trapping` for an operation that is made of others.
func trapping(as op: String, _ body: () throws -> Tensor) -> Tensor {
    trapping { () throws(CressetError) in try naming(op, body) }
}

/// An argument error of `op` unless `holds`: a trap, or thrown where errors are caught.
package func checkArgument(_ op: String, _ holds: Bool, _ message: () -> String) {
    if !holds { _ = failed(CressetError(.argument, op: op, message())) }
}

/// The result of an operation that failed with `error`.
@inline(never)
func failed(_ error: CressetError) -> Tensor {
    let state = threadState
    guard state.pointee.catching_depth > 0 else { fatalError("\n\(error)") }
    if state.pointee.first_error == nil && error.kind != .passedThrough {
        state.pointee.first_error = Unmanaged.passRetained(ErrorBox(error)).toOpaque()
    }
    return Tensor.invalid
}

extension Tensor {
    /// True for the result of a call that failed inside `catching { }`.
    public var isInvalid: Bool { impl.isInvalid }

    /// A rank-0 zero on the reference device.
    static var invalid: Tensor {
        do throws(CressetError) {
            let runtime = try Device.reference.runtime(for: "catching")
            let tensor = try Tensor.empty([], .float32, on: runtime, op: "catching")
            tensor.impl.storage.host?.storeBytes(of: 0, toByteOffset: 4 * tensor.impl.offset, as: Float.self)
            tensor.impl.isInvalid = true
            return tensor
        } catch {
            fatalError("the reference device is not available: \(error)")
        }
    }

    /// Throws the pass-through error when an operand is invalid, so that its operation does nothing.
    @inline(__always)
    func checkValid(_ op: @autoclosure () -> String) throws(CressetError) {
        if impl.isInvalid { throw CressetError(.passedThrough, op: op(), "an operand is invalid", site: nil) }
    }
}
