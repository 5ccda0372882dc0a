import BackendKit
import CBackend
import CCresset
import Glibc
import MetaBackend
import ReferenceBackend

/// Finds backends, in a fixed order, and remembers what became of every path it tried.
final class PluginLoader: Sendable {
    static let shared = PluginLoader()

    /// One thing that was looked at.
    struct Attempt: Sendable {
        enum Outcome: Sendable {
            case loaded(String)
            case skipped(String)
            case failed(String)
        }
        var path: String
        var reason: String
        var outcome: Outcome
    }

    private struct State {
        var searched = false
        var attempts: [Attempt] = []
        var backends: [LoadedBackend] = []
        /// Why files were refused, by resolved path.
        var failures: [String: String] = [:]
    }
    private let state = Lock(State())

    /// Every backend found, the linked-in reference first.
    var backends: [LoadedBackend] {
        state.withLock { state in
            search(&state)
            return state.backends
        }
    }

    var attempts: [Attempt] {
        state.withLock { state in
            search(&state)
            return state.attempts
        }
    }

    /// Loads one plugin by path, for `Registry.load`.
    func load(path: String) throws(CressetError) -> LoadedBackend {
        try state.withLock { (state: inout State) throws(CressetError) -> LoadedBackend in
            search(&state)
            return try load(path, because: "named in code", &state)
        }
    }

    // MARK: Search

    private func search(_ state: inout State) {
        guard !state.searched else { return }
        state.searched = true
        for query in [cressetReferenceQuery, cressetMetaQuery] {
            guard let table = query(UInt32(CRESSET_ABI_OLDEST), UInt32(CRESSET_ABI_VERSION)) else { continue }
            do throws(CressetError) {
                let backend = try LoadedBackend(table: table, origin: "linked in")
                try admit(backend, because: "linked in", &state)
            } catch {
                state.attempts.append(Attempt(path: "linked in", reason: "", outcome: .failed(error.message)))
            }
        }
        for (place, reason) in places() { look(at: place, because: reason, &state) }
    }

    /// Files and folders in search order, each with why it is searched.
    private func places() -> [(String, String)] {
        var places: [(String, String)] = []
        if let list = Environment["CRESSET_BACKEND_PATH"] {
            for entry in list.split(separator: ":") { places.append((String(entry), "CRESSET_BACKEND_PATH")) }
        }
        var buffer = [CChar](repeating: 0, count: 4096)
        if cresset_executable_folder(&buffer, buffer.count) != 0 {
            let folder = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            places.append((folder, "the executable's folder"))
            places.append((folder + "/../lib/cresset", "beside the executable's folder"))
        }
        places.append(("/usr/local/lib/cresset", "the system's folder"))
        places.append(("/usr/lib/cresset", "the system's folder"))
        return places
    }

    private func look(at path: String, because reason: String, _ state: inout State) {
        var info = stat()
        guard stat(path, &info) == 0 else {
            state.attempts.append(Attempt(path: path, reason: reason, outcome: .skipped("not there")))
            return
        }
        guard info.st_mode & S_IFMT == S_IFDIR else {
            _ = try? load(path, because: reason, &state)
            return
        }
        let files = Self.entries(of: path).filter(Self.isPluginName).sorted()
        if files.isEmpty {
            state.attempts.append(Attempt(path: path, reason: reason, outcome: .skipped("no backend in it")))
        }
        for file in files { _ = try? load(path + "/" + file, because: reason, &state) }
    }

    private static func isPluginName(_ file: String) -> Bool {
        file.hasSuffix(".so") && (file.hasPrefix("libCressetBackend") || file.hasPrefix("libcresset_backend_"))
    }

    private static func entries(of folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            names.append(name)
        }
        return names
    }

    // MARK: Loading one

    @discardableResult
    private func load(
        _ path: String, because reason: String, _ state: inout State
    ) throws(CressetError) -> LoadedBackend {
        let resolved = Self.realPath(path)
        func fail(_ why: String) -> CressetError {
            state.attempts.append(Attempt(path: path, reason: reason, outcome: .failed(why)))
            state.failures[resolved] = why
            return CressetError(.plugin, op: "load \(path)", why, site: nil)
        }
        if let known = state.backends.first(where: { $0.origin == resolved }) {
            state.attempts.append(Attempt(path: path, reason: reason, outcome: .skipped("already loaded")))
            return known
        }
        if let before = state.failures[resolved] {
            // Its code may have run and may be left half-way: never a second time in one process.
            throw CressetError(.plugin, op: "load \(path)", "it failed before: \(before)", site: nil)
        }
        guard access(resolved, F_OK) == 0 else {
            // Not remembered: the file may yet come.
            let why = String(cString: strerror(errno))
            state.attempts.append(Attempt(path: path, reason: reason, outcome: .failed(why)))
            throw CressetError(.plugin, op: "load \(path)", why, site: nil)
        }
        if let why = ELFCheck.refusal(path: resolved) { throw fail(why) }
        PluginSteps.note("dlopen of \(resolved)")
        var message = [CChar](repeating: 0, count: 1024)
        guard let library = cresset_dlopen(resolved, &message, message.count) else {
            throw fail(String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        guard let symbol = cresset_dlsym(library, CRESSET_BACKEND_ENTRY) else {
            throw fail("it exports no \(CRESSET_BACKEND_ENTRY)")
        }
        // The header fixes the type of the symbol of this name.
        let query = unsafeBitCast(symbol, to: CressetBackendQuery.self)
        let oldest = UInt32(CRESSET_ABI_OLDEST)
        let newest = UInt32(CRESSET_ABI_VERSION)
        PluginSteps.note("\(CRESSET_BACKEND_ENTRY) of \(resolved)")
        guard let table = query(oldest, newest) else {
            throw fail("it speaks no ABI version between \(oldest) and \(newest)")
        }
        let backend: LoadedBackend
        do throws(CressetError) {
            backend = try LoadedBackend(table: table, origin: resolved)
        } catch {
            throw fail(error.message)
        }
        do throws(CressetError) {
            try admit(backend, because: reason, &state)
        } catch {
            state.failures[resolved] = error.message
            throw error
        }
        return backend
    }

    private func admit(
        _ backend: LoadedBackend, because reason: String, _ state: inout State
    ) throws(CressetError) {
        if let known = state.backends.first(where: { $0.name == backend.name }) {
            let why = "a backend named \(backend.name) is already loaded from \(known.origin); the first one is kept"
            state.attempts.append(Attempt(path: backend.origin, reason: reason, outcome: .failed(why)))
            throw CressetError(.plugin, op: "load \(backend.origin)", why, site: nil)
        }
        state.backends.append(backend)
        state.attempts.append(
            Attempt(
                path: backend.origin, reason: reason, outcome: .loaded("\(backend.name) \(backend.version)")))
    }

    private static func realPath(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
