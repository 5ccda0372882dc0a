import BackendKit
import CBackend
import Glibc

/// The services table every backend is started with.
enum HostServices {
    /// Lives as long as the process, as the ABI promises.
    nonisolated(unsafe) static let table: UnsafePointer<CressetServices> = {
        let table = UnsafeMutablePointer<CressetServices>.allocate(capacity: 1)
        table.initialize(
            to: CressetServices(
                struct_size: UInt32(MemoryLayout<CressetServices>.size), abi_version: UInt32(CRESSET_ABI_VERSION),
                log: { level, message in
                    guard let message, level >= Log.threshold else { return }
                    Log.write(level, String(cString: message))
                },
                option: { name in
                    guard let name else { return nil }
                    // Backends' options are environment variables: "opencl.special" is CRESSET_OPENCL_SPECIAL.
                    let key = "CRESSET_" + String(cString: name).uppercased().map { $0 == "." ? "_" : $0 }
                    return getenv(key).map { UnsafePointer($0) }
                },
                cache_directory: cacheDirectory.map { UnsafePointer($0.allocatedCString) },
                maths_source: cresset_maths_source_text(), maths_bytes: cresset_maths_bytes,
                thread_count: UInt32(threadCount), reserved: 0))
        return UnsafePointer(table)
    }()

    /// CRESSET_NUM_THREADS, else the processors this process may use.
    static let threadCount: Int = {
        if let text = Environment["CRESSET_NUM_THREADS"], let n = Int(text), n > 0 { return min(n, 1024) }
        return max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    }()

    /// CRESSET_CACHE, else the user's cache folder; nil when it is "off" or cannot be made.
    static let cacheDirectory: String? = {
        let path: String
        if let set = Environment["CRESSET_CACHE"] {
            if set == "off" || set.isEmpty { return nil }
            path = set
        } else if let base = Environment["XDG_CACHE_HOME"] {
            path = base + "/cresset"
        } else if let home = Environment["HOME"] {
            path = home + "/.cache/cresset"
        } else {
            return nil
        }
        // Each missing folder of the path, from the root on.
        for (i, c) in path.enumerated() where c == "/" && i > 0 { mkdir(String(path.prefix(i)), 0o755) }
        mkdir(path, 0o755)
        return access(path, W_OK) == 0 ? path : nil
    }()
}

/// The process's environment.
enum Environment {
    static subscript(name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// Notices to the user, on standard error.
enum Log {
    /// CRESSET_LOG: debug, notice, warning (default), error, off.
    static let threshold: Int32 =
        switch Environment["CRESSET_LOG"] {
        case "debug": 0
        case "notice": 1
        case "error": 3
        case "off": 4
        default: 2
        }

    static func write(_ level: Int32, _ message: String) {
        let name = ["debug", "notice", "warning", "error"][Int(max(0, min(3, level)))]
        // One write, so that lines of several threads do not mix.
        let line = Array("cresset: \(name): \(message)\n".utf8)
        _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    static func notice(_ message: String) { if threshold <= 1 { write(1, message) } }
    static func warning(_ message: String) { if threshold <= 2 { write(2, message) } }
}
