import Synchronization

/// How many threads backends may use.
enum Threads {
    private static let count = Atomic(0)

    /// What `setNumThreads` said, nil if it was not called.
    static var wished: Int? {
        let count = count.load(ordering: .relaxed)
        return count > 0 ? count : nil
    }

    static func set(_ n: Int) {
        count.store(n, ordering: .relaxed)
        for backend in PluginLoader.shared.backends { backend.setThreadCount(n) }
    }
}

/// Lets backends that compute on the processor use at most `n` threads, from the next call on (`torch.set_num_threads`).
///
/// Results are the same bits for the same number of threads. CRESSET_NUM_THREADS says it from outside.
public func setNumThreads(_ n: Int) {
    checkArgument("setNumThreads", n > 0 && n <= 1024) { "needs a number from 1 to 1024, got \(n)" }
    if n > 0 && n <= 1024 { Threads.set(n) }
}

/// How many threads backends may use (`torch.get_num_threads`).
public var numThreads: Int { Threads.wished ?? HostServices.threadCount }
