import BackendKit
import CBackend
import CCresset

/// A backend whose table passed the handshake; started when a device of it is first asked for.
final class LoadedBackend: @unchecked Sendable {
    /// Of the device type: "opencl".
    let name: String
    let version: String
    /// Where it came from: a path, or "linked in".
    let origin: String
    // A copy of the plugin's table: only the bytes both sides know, the rest zero. Immutable.
    let table: CressetBackend

    /// Checks everything about a table that can be checked without calling into it.
    init(table raw: UnsafePointer<CressetBackend>, origin: String) throws(CressetError) {
        func refuse(_ why: String) -> CressetError { CressetError(.plugin, op: "load \(origin)", why, site: nil) }

        let size = Int(UnsafeRawPointer(raw).load(as: UInt32.self))
        let needed = MemoryLayout<CressetBackend>.offset(of: \.record) ?? 0
        guard size >= needed else {
            throw refuse(
                "its table says struct_size \(size), but version 1 has \(needed) bytes before the first "
                    + "optional slot")
        }
        var copy = CressetBackend()
        withUnsafeMutableBytes(of: &copy) { target in
            target.copyMemory(
                from: UnsafeRawBufferPointer(start: raw, count: Swift.min(size, target.count)))
        }
        let oldest = UInt32(CRESSET_ABI_OLDEST)
        let newest = UInt32(CRESSET_ABI_VERSION)
        guard copy.abi_version >= oldest && copy.abi_version <= newest else {
            throw refuse(
                "its table follows ABI version \(copy.abi_version); this Cresset speaks \(oldest) to \(newest)")
        }
        guard let name = Self.text(copy.name, limit: 31), Self.isValid(name: name) else {
            throw refuse("its name is missing or not of the form [a-z][a-z0-9_]*, at most 31 characters")
        }
        let required: [(String, Bool)] = [
            ("start", copy.start == nil), ("devices", copy.devices == nil), ("open_device", copy.open_device == nil),
            ("kernels", copy.kernels == nil), ("allocate", copy.allocate == nil),
            ("deallocate", copy.deallocate == nil), ("create_queue", copy.create_queue == nil),
            ("destroy_queue", copy.destroy_queue == nil), ("copy_in", copy.copy_in == nil),
            ("copy_out", copy.copy_out == nil), ("copy_within", copy.copy_within == nil),
            ("synchronize", copy.synchronize == nil),
        ]
        let missing = required.filter(\.1).map(\.0)
        guard missing.isEmpty else { throw refuse("required slots are NULL: \(missing.joined(separator: ", "))") }

        self.name = name
        self.version = Self.text(copy.version, limit: 127) ?? "unknown"
        self.origin = origin
        self.table = copy
    }

    /// At most `limit` bytes of a C string, nil if there is no NUL within them.
    private static func text(_ pointer: UnsafePointer<CChar>?, limit: Int) -> String? {
        guard let pointer else { return nil }
        for i in 0...limit where pointer[i] == 0 { return String(cString: pointer) }
        return nil
    }

    private static func isValid(name: String) -> Bool {
        guard let first = name.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first) else { return false }
        return name.utf8.allSatisfy { c in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(c) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(c)
                || c == UInt8(ascii: "_")
        }
    }

    // MARK: Starting

    /// What `start` led to; decided once.
    private enum State {
        case untouched
        case started([CressetDeviceInfo])
        case failed(CressetError)
    }
    private let state = Lock(State.untouched)

    /// From the next launch on, uses at most so many threads, once it is started.
    func setThreadCount(_ count: Int) {
        state.withLock { state in
            if case .started = state { table.set_thread_count?(table.context, UInt32(count)) }
        }
    }

    /// The devices, after starting the backend if that has not happened.
    func devices() throws(CressetError) -> [CressetDeviceInfo] {
        let result = state.withLock { state -> Result<[CressetDeviceInfo], CressetError> in
            switch state {
            case .started(let infos): return .success(infos)
            case .failed(let error): return .failure(error)
            case .untouched:
                do throws(CressetError) {
                    let infos = try start()
                    state = .started(infos)
                    return .success(infos)
                } catch {
                    state = .failed(error)
                    return .failure(error)
                }
            }
        }
        return try result.get()
    }

    private func start() throws(CressetError) -> [CressetDeviceInfo] {
        func refuse(_ why: String) -> CressetError {
            CressetError(.plugin, op: "start \(name) (\(origin))", why, site: nil)
        }
        PluginSteps.note("start of \(name) (\(origin))")
        if let error = BackendError(consuming: table.start(table.context, HostServices.table)) {
            throw refuse(error.message)
        }
        if let count = Threads.wished { table.set_thread_count?(table.context, UInt32(count)) }
        PluginSteps.note("devices of \(name) (\(origin))")
        var count: UInt32 = 0
        if let error = BackendError(consuming: table.devices(table.context, &count, nil)) {
            throw refuse(error.message)
        }
        guard count > 0 else { throw refuse("it has no device") }
        guard count <= 64 else { throw refuse("it says it has \(count) devices; the limit is 64") }
        var infos = [CressetDeviceInfo](repeating: CressetDeviceInfo(), count: Int(count))
        for i in infos.indices { infos[i].struct_size = UInt32(MemoryLayout<CressetDeviceInfo>.size) }
        var filled = count
        let status = infos.withUnsafeMutableBufferPointer { table.devices(table.context, &filled, $0.baseAddress) }
        if let error = BackendError(consuming: status) { throw refuse(error.message) }
        guard filled <= count else { throw refuse("it filled \(filled) devices where there was room for \(count)") }
        guard filled > 0 else { throw refuse("it has no device") }
        return Array(infos.prefix(Int(filled)))
    }
}
