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
            print(jsonText)
            return
        }
        for backend in Backends.loaded {
            for device in backend.devices { describe(device) }
            if let failure = backend.failure { print("\(backend.name): not available: \(failure)") }
        }
        let names = Set(Backends.loaded.map(\.name))
        for known in Backends.known where !names.contains(known.name) {
            print("\(known.name): no backend found; add the product \(known.product), or see `cresset devices --explain`")
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

    /// "23.4 GiB"
    static func size(_ bytes: UInt64) -> String {
        var value = Double(bytes)
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1024 && unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        return "\((value * 10).rounded() / 10) \(units[unit])"
    }
}
