import ArgumentParser
import Cresset
import CressetIO

/// `cresset devices`
struct DevicesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "devices", abstract: "List the devices there are, and what is missing for others.")

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Print every path that was searched for backends and why each was taken or not.")
    var explain = false

    @Option(help: ArgumentHelp("Load this backend first.", valueName: "path"))
    var plugin: [String] = []

    func run() throws {
        for path in plugin { try Registry.load(path: path) }
        if json {
            print(document.serialized(pretty: true))
            return
        }
        for backend in Backends.loaded {
            for device in backend.devices { describe(device) }
            if let failure = backend.failure { print("\(backend.name): not available: \(failure)") }
        }
        let names = Set(Backends.loaded.map(\.name))
        for known in Backends.known where !names.contains(known.name) {
            print(
                "\(known.name): no backend found; add the product \(known.product), or see `cresset devices --explain`")
        }
        if explain { printAttempts() }
    }

    private func describe(_ device: Device) {
        let properties: DeviceProperties
        do {
            properties = try device.properties
        } catch {
            print("\(device): cannot be opened: \(error)")
            return
        }
        var traits: [String] = []
        if properties.isSoftware { traits.append("software") }
        if properties.hasUnifiedMemory { traits.append("unified memory") }
        if device == Device.default { traits.append("default") }
        print("\(device)  \(properties.name)" + (traits.isEmpty ? "" : "  (\(traits.joined(separator: ", ")))"))
        print("    driver: \(properties.driver)")
        print(
            "    memory: \(Self.size(properties.memoryBytes)), one tensor at most \(Self.size(properties.maxAllocationBytes))"
                + (properties.uuid.isEmpty ? "" : "; uuid \(properties.uuid)"))
        print("    dtypes: \(properties.dtypes.map(\.name).joined(separator: " "))")
        if let state = try? device.selfTest, state != .exempt { print("    self-test: \(state)") }
    }

    private func printAttempts() {
        print("\nSearched, in this order:")
        for attempt in Backends.attempts {
            let mark =
                switch attempt.outcome {
                case .loaded: "+"
                case .skipped: " "
                case .failed: "!"
                }
            let why = attempt.reason == attempt.path ? "" : " (\(attempt.reason))"
            print("  \(mark) \(attempt.path)\(why): \(attempt.detail)")
        }
        print("\nCRESSET_BACKEND_PATH names more files and folders, separated by colons.")
    }

    /// Everything as JSON, for scripts.
    private var document: JSON {
        let devices = Backends.loaded.flatMap(\.devices).map { device -> JSON in
            do {
                let p = try device.properties
                return [
                    "device": .string("\(device)"), "type": .string(device.type), "index": .integer(device.index),
                    "name": .string(p.name), "driver": .string(p.driver), "uuid": .string(p.uuid),
                    "software": .bool(p.isSoftware), "unified_memory": .bool(p.hasUnifiedMemory),
                    "memory_bytes": .integer(Int(clamping: p.memoryBytes)),
                    "max_allocation_bytes": .integer(Int(clamping: p.maxAllocationBytes)),
                    "dtypes": .array(p.dtypes.map { .string($0.name) }), "backend_version": .string(p.backendVersion),
                    "origin": .string(p.origin), "self_test": .string("\(try device.selfTest)"),
                ]
            } catch {
                return ["device": .string("\(device)"), "error": .string("\(error)")]
            }
        }
        let backends = Backends.loaded.map { backend -> JSON in
            [
                "name": .string(backend.name), "version": .string(backend.version), "origin": .string(backend.origin),
                "failure": backend.failure.map { .string($0) } ?? .null,
            ]
        }
        var members = JSON.Object()
        members["devices"] = .array(devices)
        members["backends"] = .array(backends)
        if explain {
            members["searched"] = .array(
                Backends.attempts.map {
                    [
                        "path": .string($0.path), "reason": .string($0.reason), "outcome": .string($0.outcome.rawValue),
                        "detail": .string($0.detail),
                    ]
                })
        }
        return .object(members)
    }

    /// "23.4 GiB"
    static func size(_ bytes: UInt64) -> String {
        var value = Double(bytes)
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1024 && unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        return "\((value * 10).rounded() / 10) \(units[unit])"
    }
}
