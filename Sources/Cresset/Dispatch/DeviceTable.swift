import BackendKit
import CBackend
import Synchronization

/// Every device that has been named, and those that have been opened.
final class DeviceTable: @unchecked Sendable {
    static let shared = DeviceTable()
    static let capacity = 64

    struct Entry {
        var type: String
        var index: Int
    }
    private struct State {
        var entries: [Entry] = []
        var defaultDevice: Device?
        var openErrors: [Int32: CressetError] = [:]
        /// All that were opened, admitted or not.
        var untested: [Int32: DeviceRuntime] = [:]
        /// Those that a thread tests, which holds `opening`.
        var underTest: Set<Int32> = []
    }
    private let state = Lock(State())
    /// Opened devices by id, read without a lock; each is written once, under `opening`, and lives on.
    private let runtimes: UnsafeMutablePointer<Atomic<UnsafeRawPointer?>>
    /// (Whoever opens a device tests it, and may need others for that.)
    private let opening = RecursiveLock()

    private init() {
        runtimes = .allocate(capacity: Self.capacity)
        for i in 0..<Self.capacity { (runtimes + i).initialize(to: Atomic(nil)) }
        // The named ones come first, so that no crowd of other devices can take their places.
        for type in Self.named { _ = find(type, 0) }
    }

    /// The devices that are names in the language.
    private static let named = ["cpu", "opencl", "vulkan", "reference", "meta"]

    /// The number of one of the `named` devices.
    func number(_ type: String) -> Int32 { find(type, 0) ?? 0 }

    /// The number of a device, a new one the first time; nil when all are taken.
    private func find(_ type: String, _ index: Int) -> Int32? {
        state.withLock { state in
            if let i = state.entries.firstIndex(where: { $0.type == type && $0.index == index }) { return Int32(i) }
            guard state.entries.count < Self.capacity else { return nil }
            state.entries.append(Entry(type: type, index: index))
            return Int32(state.entries.count - 1)
        }
    }

    func intern(_ type: String, _ index: Int) throws(CressetError) -> Int32 {
        guard let id = find(type, index) else {
            throw CressetError(
                .device, op: "Device(\"\(type):\(index)\")",
                "\(Self.capacity) devices have been named, which is the limit")
        }
        return id
    }

    func entry(_ id: Int32) -> Entry { state.withLock { $0.entries[Int(id)] } }

    var defaultDevice: Device {
        get {
            if let set = state.withLock({ $0.defaultDevice }) { return set }
            let found: Device
            if let named = Environment["CRESSET_DEVICE"] {
                do throws(CressetError) {
                    found = try resolve(named)
                } catch {
                    found = broken(named, error)
                }
            } else if PluginLoader.shared.backends.contains(where: { $0.name == "cpu" }) {
                found = .cpu
            } else {
                Log.warning(
                    "no cpu backend was found, the slow reference is the default; see `cresset devices --explain`")
                found = .reference
            }
            state.withLock { if $0.defaultDevice == nil { $0.defaultDevice = found } }
            return found
        }
        set { state.withLock { $0.defaultDevice = newValue } }
    }

    /// A device that fails with the reason wherever it is used: what a wrong CRESSET_DEVICE names.
    private func broken(_ spelling: String, _ error: CressetError) -> Device {
        guard let id = find(spelling, 0) else { return .reference }
        let told = CressetError(error.kind, op: "CRESSET_DEVICE=\(spelling)", error.message)
        state.withLock { $0.openErrors[id] = told }
        return Device(id: id)
    }

    // MARK: Finding

    /// The devices of one backend in the order of their indices: real ones before software ones.
    private func ordered(_ backend: LoadedBackend) throws(CressetError) -> [(ordinal: Int, info: CressetDeviceInfo)] {
        let software = UInt32((CRESSET_DEVICE_SOFTWARE))
        let infos = try backend.devices().enumerated().map { (ordinal: $0.offset, info: $0.element) }
        return infos.filter { $0.info.flags & software == 0 } + infos.filter { $0.info.flags & software != 0 }
    }

    /// (The meta device computes nothing, so it is none to choose from.)
    var all: [Device] {
        PluginLoader.shared.backends.filter { $0.name != "meta" }.flatMap { backend -> [Device] in
            guard let infos = try? ordered(backend) else { return [] }
            return infos.indices.compactMap { find(backend.name, $0).map(Device.init(id:)) }
        }
    }

    /// The devices of one backend, which is started.
    func devices(of type: String) throws(CressetError) -> [Device] {
        guard let backend = PluginLoader.shared.backends.first(where: { $0.name == type }) else {
            throw unknown(type, "no backend of that name is loaded")
        }
        return try ordered(backend).indices.compactMap { find(type, $0).map(Device.init(id:)) }
    }

    /// The device of a spelling, checked to exist.
    func resolve(_ spelling: String) throws(CressetError) -> Device {
        let parts = spelling.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if let backend = PluginLoader.shared.backends.first(where: { $0.name == parts[0] }) {
            let infos = try ordered(backend)
            guard parts.count == 2 else { return Device(id: try intern(backend.name, 0)) }
            if let index = Int(parts[1]) {
                guard infos.indices.contains(index) else {
                    throw unknown(spelling, "\(backend.name) has \(infos.count) device(s), 0 to \(infos.count - 1)")
                }
                return Device(id: try intern(backend.name, index))
            }
            if let i = infos.firstIndex(where: { Self.name($0.info).lowercased().contains(parts[1].lowercased()) }) {
                return Device(id: try intern(backend.name, i))
            }
            throw unknown(spelling, "no device of \(backend.name) has \"\(parts[1])\" in its name")
        }
        let wanted = spelling.lowercased().filter { $0 != "-" }
        if wanted.count == 32, wanted.allSatisfy(\.isHexDigit) {
            for backend in PluginLoader.shared.backends {
                guard let infos = try? ordered(backend) else { continue }
                if let i = infos.firstIndex(where: { Self.uuid($0.info) == wanted }) {
                    return Device(id: try intern(backend.name, i))
                }
            }
        }
        throw unknown(spelling, "no backend of that name is loaded")
    }

    private func unknown(_ spelling: String, _ why: String) -> CressetError {
        let known = all.map(\.description).joined(separator: ", ")
        let failed = PluginLoader.shared.attempts.compactMap { attempt -> String? in
            if case .failed(let reason) = attempt.outcome { return "\n  \(attempt.path): \(reason)" }
            return nil
        }.joined()
        return CressetError(
            .device, op: "Device(\"\(spelling)\")",
            "\(why). Known devices: \(known). `cresset devices --explain` tells what was searched.\(failed)")
    }

    // MARK: Opening

    func runtime(_ id: Int32, op: String) throws(CressetError) -> DeviceRuntime {
        if let pointer = runtimes[Int(id)].load(ordering: .acquiring) {
            return Unmanaged<DeviceRuntime>.fromOpaque(pointer).takeUnretainedValue()
        }
        return try opening.withLock { () throws(CressetError) -> DeviceRuntime in
            if let pointer = runtimes[Int(id)].load(ordering: .acquiring) {
                return Unmanaged<DeviceRuntime>.fromOpaque(pointer).takeUnretainedValue()
            }
            if let error = state.withLock({ $0.openErrors[id] }) { throw error }
            let opened = try untested(id, op: op)
            if state.withLock({ $0.underTest.contains(id) }) { return opened }
            do throws(CressetError) {
                try SelfTest.admit(opened)
            } catch {
                state.withLock { $0.openErrors[id] = error }
                throw error
            }
            // Retained for good: a device once opened stays.
            runtimes[Int(id)].store(UnsafeRawPointer(Unmanaged.passRetained(opened).toOpaque()), ordering: .releasing)
            return opened
        }
    }

    /// The opened device, also before it has passed its self-test: to see what it says of itself.
    func untested(_ id: Int32, op: String) throws(CressetError) -> DeviceRuntime {
        try opening.withLock { () throws(CressetError) -> DeviceRuntime in
            if let known = state.withLock({ $0.untested[id] }) { return known }
            if let error = state.withLock({ $0.openErrors[id] }) { throw error }
            do throws(CressetError) {
                let opened = try open(id)
                state.withLock { $0.untested[id] = opened }
                return opened
            } catch {
                state.withLock { $0.openErrors[id] = error }
                throw error
            }
        }
    }

    /// Runs `body` while this thread, and no other, may use a device that is not admitted yet.
    func testing<Result>(
        _ runtime: DeviceRuntime, _ body: () throws(CressetError) -> Result
    ) throws(CressetError) -> Result {
        try opening.withLock { () throws(CressetError) -> Result in
            let isFirst = state.withLock { $0.underTest.insert(runtime.device.id).inserted }
            defer { if isFirst { state.withLock { _ = $0.underTest.remove(runtime.device.id) } } }
            return try body()
        }
    }

    /// Lets a device that was refused be opened again.
    func forgetRefusal(of device: Device) { state.withLock { $0.openErrors[device.id] = nil } }

    /// A second queue of an opened device, as a device of its own; the same one every time.
    func twin(of device: Device) throws(CressetError) -> Device {
        let original = try runtime(device.id, op: "twin")
        let id = try intern("\(original.backend.name)'s other queue", entry(device.id).index)
        return try opening.withLock { () throws(CressetError) -> Device in
            if runtimes[Int(id)].load(ordering: .acquiring) == nil {
                let twin = try DeviceRuntime(besides: original, as: Device(id: id))
                state.withLock { $0.untested[id] = twin }
                runtimes[Int(id)].store(UnsafeRawPointer(Unmanaged.passRetained(twin).toOpaque()), ordering: .releasing)
            }
            return Device(id: id)
        }
    }

    /// The devices that have been opened.
    var opened: [DeviceRuntime] {
        (0..<Self.capacity).compactMap { i in
            runtimes[i].load(ordering: .acquiring).map {
                Unmanaged<DeviceRuntime>.fromOpaque($0).takeUnretainedValue()
            }
        }
    }

    private func open(_ id: Int32) throws(CressetError) -> DeviceRuntime {
        let entry = entry(id)
        guard let backend = PluginLoader.shared.backends.first(where: { $0.name == entry.type }) else {
            throw unknown("\(entry.type):\(entry.index)", "no backend of that name is loaded")
        }
        let infos = try ordered(backend)
        guard infos.indices.contains(entry.index) else {
            throw unknown("\(entry.type):\(entry.index)", "\(entry.type) has \(infos.count) device(s)")
        }
        let (ordinal, info) = infos[entry.index]
        return try DeviceRuntime(device: Device(id: id), backend: backend, ordinal: ordinal, info: info)
    }

    static func name(_ info: CressetDeviceInfo) -> String { text(info.name) }
    static func driver(_ info: CressetDeviceInfo) -> String { text(info.driver) }

    /// The text up to the first NUL, or all of it where a plugin wrote none.
    private static func text<Bytes>(_ bytes: Bytes) -> String {
        withUnsafeBytes(of: bytes) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    static func uuid(_ info: CressetDeviceInfo) -> String {
        withUnsafeBytes(of: info.uuid) { bytes in
            guard bytes.contains(where: { $0 != 0 }) else { return "" }
            return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }
}
