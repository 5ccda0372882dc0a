import Cresset
import CressetIO

/// What a backend says of itself that is not as it should be: data that lies beside it.
///
/// An entry excuses nothing for good: what it says must be so, its reason is shown, and what it
/// covers is never counted as passed.
package struct Expectations: Sendable {
    /// The file, nil where there is none.
    package private(set) var path: String?
    private(set) var entries: [Entry] = []
    /// By entry: cases that it covered.
    private var covered: [Int] = []

    /// One statement about some cases.
    struct Entry: Sendable {
        enum Kind: Sendable {
            /// The device does not offer it and never will.
            case unsupported
            /// It is wrong and will be mended by then.
            case expectedFailure(until: Day)
        }
        var kind: Kind
        /// Patterns, nil for all: "aten::sin", "aten::linalg_*".
        var op: String?
        var cases: [String]?
        var dtypes: Set<DType>?
        var directions: Set<Direction>?
        var layouts: Set<Layout>?
        /// A part of the driver's name that it is true of.
        var driver: String?
        var reason: String
        /// Of the file.
        var line: Int

        func covers(_ item: RunEvent.Entry) -> Bool {
            func allows<Value: Hashable>(_ set: Set<Value>?, _ value: Value?) -> Bool {
                guard let set else { return true }
                return value.map(set.contains) ?? false
            }
            return allows(dtypes, item.dtype) && allows(directions, item.cell?.direction)
                && allows(layouts, item.cell?.layout) && (op.map { item.op.matches(glob: $0) } ?? true)
                && (cases?.contains { item.id.matches(glob: $0) } ?? true)
        }
    }

    package init() {}

    /// The file's entries that are true of this driver; throws where it is malformed, with the place.
    package init(path: String, driver: String, today: Day = .today) throws(CressetError) {
        try self.init(text: FileSystem.text(of: path), path: path, driver: driver, today: today)
    }

    package init(text: String, path: String, driver: String, today: Day = .today) throws(CressetError) {
        do throws(JSONError) {
            entries = try Self.read(text).filter { entry in
                entry.driver.map { driver.contains(part: $0) } ?? true
            }
        } catch {
            throw CressetError(.invalidFile, op: "expectations", "\(path): \(error)", site: nil)
        }
        self.path = path
        self.today = today
        covered = Array(repeating: 0, count: entries.count)
    }

    private var today = Day.today

    private func isExpired(_ entry: Entry) -> Bool {
        if case .expectedFailure(let until) = entry.kind { today > until } else { false }
    }

    private func place(_ entry: Entry) -> String { "\(path ?? "expectations"):\(entry.line)" }

    // MARK: Judging

    /// What becomes of a verdict under what is expected.
    mutating func judge(_ item: RunEvent.Entry, _ verdict: Verdict) -> Verdict {
        guard let i = entries.firstIndex(where: { $0.covers(item) }) else { return verdict }
        covered[i] += 1
        let entry = entries[i]
        if isExpired(entry) { return verdict }
        switch (entry.kind, verdict) {
        case (.unsupported, .unsupported): return .unsupported(entry.reason)
        case (.unsupported, .failed) where item.evidence.kind == .refusal: return .unsupported(entry.reason)
        case (.unsupported, .passed): return .failed("it passes, and \(place(entry)) says that it is unsupported")
        case (.expectedFailure(let until), .failed(let text)):
            return .expected("\(entry.reason) (\(place(entry)), until \(until))\n\(text)")
        case (.expectedFailure, .passed): return .failed("it passes, and \(place(entry)) expects it to fail")
        case (.expectedFailure, .unsupported(let why)):
            return .failed("it is unsupported (\(why)), and \(place(entry)) expects it to fail")
        default: return verdict
        }
    }

    /// What is wrong with the entries themselves. What they did not cover counts only where everything ran.
    func failures(wasWhole: Bool) -> [(id: String, text: String)] {
        zip(entries, covered).compactMap { entry, count in
            let id = "expectations/line \(entry.line)"
            if count == 0 {
                return wasWhole ? (id, "\(place(entry)) covers no case: \(entry.reason)") : nil
            }
            guard case .expectedFailure(let until) = entry.kind, isExpired(entry) else { return nil }
            return (id, "\(place(entry)) expired on \(until), and nobody has looked at it since: \(entry.reason)")
        }
    }
}

extension Report {
    /// Holds the entries of the backend's file to account, at the end of a run.
    package mutating func settleExpectations(wasWhole: Bool) {
        for failure in expectations.failures(wasWhole: wasWhole) {
            add(.failed(failure.text), id: failure.id, op: "expectations")
        }
    }
}

// MARK: - Finding the file

extension Expectations {
    /// The file of the backend that came from `origin`: beside a plugin, or with the sources of a backend
    /// that was built here.
    ///
    /// - Parameter origin: the plugin's path, or "linked in".
    package static func path(ofBackendFrom origin: String) -> String? {
        let isLinkedIn = !origin.contains("/") && !origin.hasSuffix(".so")
        let library = isLinkedIn ? FileSystem.executable : origin
        var candidates: [String] = []
        if !isLinkedIn, library.hasSuffix(".so") { candidates.append(library.dropLast(3) + ".conformance.json") }
        // What lies in a package's .build has its sources in the package.
        if let build = library.firstRange(of: "/.build/")
            ?? (library.hasPrefix(".build/") ? library.firstRange(of: ".build/") : nil)
        {
            let root = library[..<build.lowerBound]
            let file = library.split(separator: "/").last.map(String.init) ?? ""
            let name = isLinkedIn ? "Reference" : file.dropping(prefix: "libCressetBackend").dropping(suffix: ".so")
            candidates.append((root.isEmpty ? "" : root + "/") + "Backends/\(name)/conformance.json")
        }
        return candidates.first(where: FileSystem.exists)
    }
}

// MARK: - Text

extension String {
    /// True if it is `glob`, in which * stands for any characters.
    func matches(glob: String) -> Bool {
        let (text, pattern) = (Array(utf8), Array(glob.utf8))
        var (t, p) = (0, 0)
        // Where the last * stood, and how far it reached: more of the text can only be taken by it.
        var star: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                star = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                p = last.pattern + 1
                t = last.text + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    fileprivate func contains(part: String) -> Bool { firstRange(of: part) != nil }

    fileprivate func dropping(prefix: String) -> String { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self }
    fileprivate func dropping(suffix: String) -> String { hasSuffix(suffix) ? String(dropLast(suffix.count)) : self }
}
