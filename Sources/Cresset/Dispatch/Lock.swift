import Synchronization

/// A value behind a mutex, usable as a `let` of a class.
package final class Lock<Value>: @unchecked Sendable {
    // The mutex guards every access to `value`.
    private let mutex = Mutex(())
    private var value: Value

    package init(_ value: Value) { self.value = value }

    @inline(__always)
    package func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        mutex._unsafeLock()
        defer { mutex._unsafeUnlock() }
        return body(&value)
    }

    @inline(__always)
    package func withLock<Result>(_ body: (inout Value) throws(CressetError) -> Result) throws(CressetError) -> Result {
        mutex._unsafeLock()
        defer { mutex._unsafeUnlock() }
        return try body(&value)
    }
}
