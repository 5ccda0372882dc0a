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
            backend registers. view: it needs no kernel. missing: it is not to be had there.
            """)

    @Option(help: "Only this device.")
    var device: String?

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Print a table in Markdown.")
    var markdown = false

    func run() throws {
        let devices = try device.map { [try Device($0)] } ?? Device.all.filter { "\($0)" != "reference:1" }
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
            print("\(counts.override) override, \(counts.composed) composed, \(counts.missing) missing\n")
        }
    }
}
