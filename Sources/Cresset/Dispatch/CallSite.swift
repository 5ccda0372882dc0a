import Runtime

/// Where in the user's code an operation was called: "file.swift:12".
///
/// Keeps the call stack as addresses; names and lines are looked up only when a message is shown, as that
/// reads debug information and may take a tenth of a second.
package struct CallSite: Sendable {
    private let trace: Backtrace?

    /// The call stack of this moment.
    static func here() -> CallSite { CallSite(trace: try? Backtrace.capture(limit: 64, top: 4)) }

    /// The first line that is not the library's own.
    var location: String? {
        guard let trace else { return nil }
        let addresses = trace.frames.map(\.originalProgramCounter)
        Self.lines.withLock { known in
            if addresses.allSatisfy({ known[$0] != nil }) { return }
            // (All at once, as each look-up reads the debug information anew.)
            for address in addresses { known[address] = .some(nil) }
            for frame in trace.symbolicated()?.frames ?? [] {
                guard let source = frame.symbol?.sourceLocation, source.line > 0, !Self.isLibrary(source.path) else {
                    continue
                }
                let address = frame.captured.originalProgramCounter
                // Of functions inlined into one another, the innermost comes first.
                if known[address] == .some(nil) {
                    let file = source.path.split(separator: "/").last.map(String.init) ?? source.path
                    known[address] = "\(file):\(source.line)"
                }
            }
        }
        let known = Self.lines.withLock { $0 }
        return addresses.lazy.compactMap { known[$0] ?? nil }.first
    }

    /// What was looked up so far, by return address: a line of the user's, or nil for code of the library's.
    private static let lines = Lock([Backtrace.Address: String?]())

    private static func isLibrary(_ path: String) -> Bool {
        // Code in a macro's arguments has a buffer of its own, which nobody can open; the frame around it has
        // the line.
        if path.contains("@__swiftmacro") { return true }
        // Some paths are relative to the package, some absolute.
        return libraryFolders.contains { path.hasPrefix($0) || path.contains("/" + $0) } || path.contains("<")
    }

    private static let libraryFolders = [
        "Sources/Cresset/", "Sources/CressetNN/", "Sources/CressetOptim/", "Sources/CressetData/",
        "Sources/CressetIO/", "Sources/BackendKit/", "swift/stdlib/",
    ]
}
