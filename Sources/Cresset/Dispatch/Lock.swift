import Glibc
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

/// A mutex that the thread which holds it may take again.
final class RecursiveLock: @unchecked Sendable {
    // The pointer is never changed, and what it points to is for any thread.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init() {
        mutex = .allocate(capacity: 1)
        var attributes = pthread_mutexattr_t()
        pthread_mutexattr_init(&attributes)
        pthread_mutexattr_settype(&attributes, Int32(PTHREAD_MUTEX_RECURSIVE))
        pthread_mutex_init(mutex, &attributes)
        pthread_mutexattr_destroy(&attributes)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    func withLock<Result>(_ body: () throws(CressetError) -> Result) throws(CressetError) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }
}
