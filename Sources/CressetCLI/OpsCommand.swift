import ArgumentParser
import ConformanceSuite
import Cresset
import CressetIO

/// `cresset ops`
struct OpsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ops", abstract: "Show what each operation comes to on each device and dtype.",
        discussion: """
            override: the backend has a kernel of its own for it. composed: it is made of primitive families that the \
            backend registers. view: it needs no kernel. host: it is computed on the host and copied back. missing: it \
            is not to be had there.
            """)

    @Option(help: "Only this device.")
    var device: String?

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Print a table in Markdown.")
    var markdown = false

    @Flag(help: "Show the primitive families instead, for each device and dtype.")
    var families = false

    @Option(help: ArgumentHelp("Only the devices of this backend.", valueName: "path"))
    var plugin: String?

    @Option(help: ArgumentHelp("With --families: fail where this file says otherwise.", valueName: "file"))
    var check: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Print what ran where instead, in Markdown, from reports that conformance --json wrote.", valueName: "file")
    )
    var ran: [String] = []

    @Flag(help: .hidden)
    var refused = false

    func run() throws {
        if refused { return print(try RefusedCalls.json { _ in true }.serialized()) }
        if !ran.isEmpty {
            print(try OpsTable(ran.map { try JSON.parse(FileSystem.text(of: $0)) }).markdown, terminator: "")
            return
        }
        if families { return try showFamilies() }
        let devices = try devices()
        var coverages: [Coverage] = []
        for device in devices {
            do {
                coverages.append(try Coverage(of: device))
            } catch {
                if self.device != nil { throw error }
                ProgressLine.write("\(device): cannot be opened: \(error)\n")
            }
        }
        if json {
            print(Coverage.json(coverages).serialized(pretty: true))
            return
        }
        for coverage in coverages {
            let counts = coverage.counts
            print(markdown ? "## \(coverage.device)\n" : coverage.device)
            print(coverage.table(markdown: markdown))
            print(
                "\(counts.override) override, \(counts.composed) composed, \(counts.host) host, "
                    + "\(counts.missing) missing\n")
        }
    }

    private func devices() throws -> [Device] {
        if let plugin {
            guard device == nil else { throw ValidationError("Give --device or --plugin, not both.") }
            let type = try Registry.load(path: plugin)
            return Device.all.filter { $0.type == type }
        }
        return try device.map { [try Device($0)] } ?? Device.all.filter { "\($0)" != "reference:1" }
    }

    private func showFamilies() throws {
        let sections = try devices().map { try FamilyTable(of: $0) }
        if let check {
            let text = try FileSystem.text(of: check)
            let differences = sections.flatMap { $0.differences(from: text) }
            differences.forEach { print($0) }
            if !differences.isEmpty { throw ExitCode.failure }
            print(sections.map { "\($0.title): as \(check) says" }.joined(separator: "\n"))
        } else {
            print(sections.map(\.markdown).joined(separator: "\n"), terminator: "")
        }
        let missing = sections.flatMap(\.missing)
        missing.forEach { ProgressLine.write("missing: \($0)\n") }
        if !missing.isEmpty { throw ExitCode.failure }
    }
}
