import ArgumentParser
import ConformanceSuite
import Cresset
import CressetIO

/// `cresset conformance`
struct ConformanceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conformance", abstract: "Prove that a device computes what it claims to.",
        discussion: """
            Every operation is run for every dtype, layout and direction that the device claims, and each element is \
            compared with what the oracle says is right. The exit code is 0 only if something was run and all of it is \
            right.
            """)

    @Option(help: "The device to prove; may be repeated. Default: the default device.")
    var device: [String] = []

    @Option(help: ArgumentHelp("Prove the devices of this backend.", valueName: "path"))
    var plugin: String?

    @Option(help: ArgumentHelp("Only operations whose name this regular expression matches.", valueName: "regex"))
    var op: String?

    @Option(help: "Only this dtype.")
    var dtype: String?

    @Option(help: "Seed of the samples' numbers.")
    var seed: UInt64 = 0

    @Option(help: ArgumentHelp("Only the case of this name.", valueName: "id"))
    var `case`: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Run these files of cases instead of the suite's own.", valueName: "file"))
    var cases: [String] = []

    @Option(help: ArgumentHelp("Write the report as JSON to this file; - is the standard output.", valueName: "path"))
    var json: String?

    @Flag(help: "Stop at the first case that fails.")
    var failFast = false

    @Flag(help: "Run in this process, for a debugger, not in a worker that may crash or hang.")
    var inProcess = false

    @Option(help: ArgumentHelp("Seconds after which a case counts as hung.", valueName: "seconds"))
    var timeout = 60

    @Flag(help: "Only the quick check that each device passes at its first use; what it finds is remembered.")
    var selftest = false

    @Option(help: .hidden)
    var worker: String?

    @Option(help: .hidden)
    var workerDevice: Int?

    @Flag(help: "Print one line for each device, and failures.")
    var quiet = false

    func run() throws {
        let selection = try selection()
        let devices = try devices()
        if selftest { return try SelfTestRun(json: json).run(on: devices) }
        if let worker { return try work(worker, selection, devices) }
        let isSupervised = cases.isEmpty && !inProcess
        let suite = cases.isEmpty && !isSupervised ? try Suite(selection) : nil
        var reports: [Report] = []
        for (i, device) in devices.enumerated() {
            let bar = ProgressLine("\(device)", isOn: !quiet)
            let report: Report
            if isSupervised {
                report = try SupervisedRun(
                    arguments: workerArguments(i), device: "\(device)", timeout: max(timeout, 1),
                    stopsAtFirstFailure: failFast, progress: { bar.show($0, of: $1) }
                ).run()
            } else if let suite {
                suite.spelling = plugin.map { "--plugin \($0)" }
                suite.stopsAtFirstFailure = failFast
                suite.progress = { bar.show($0, of: $1) }
                report = try suite.run(on: device)
            } else {
                report = try CaseFile.run(cases, on: device, selection) { bar.show($0, of: $1) }
            }
            bar.clear()
            reports.append(report)
            if json != "-" { show(report) }
        }
        try write(reports)
        if !reports.allSatisfy(\.isGood) { throw ExitCode.failure }
    }

    /// The same run of one of the devices, as a worker does it.
    private func workerArguments(_ device: Int) -> [String] {
        var arguments = ["conformance", "--seed", "\(seed)", "--worker-device", "\(device)"]
        for name in self.device { arguments += ["--device", name] }
        if let plugin { arguments += ["--plugin", plugin] }
        if let op { arguments += ["--op", op] }
        if let dtype { arguments += ["--dtype", dtype] }
        if let `case` { arguments += ["--case", `case`] }
        if failFast { arguments.append("--fail-fast") }
        return arguments
    }

    /// As a worker: tells its parent what it does and finds.
    private func work(_ resumption: String, _ selection: Selection, _ devices: [Device]) throws {
        guard let resumption = Resumption(resumption), let i = workerDevice, devices.indices.contains(i) else {
            throw ValidationError("--worker is for the command's own use.")
        }
        let suite = try Suite(selection)
        suite.resumption = resumption
        suite.spelling = plugin.map { "--plugin \($0)" }
        suite.stopsAtFirstFailure = failFast
        suite.events = { WorkerProcess.write($0.line) }
        _ = try suite.run(on: devices[i])
    }

    private func selection() throws -> Selection {
        var chosen: DType?
        if let dtype {
            guard let known = DType(name: dtype) else {
                throw ValidationError(
                    "There is no dtype \(dtype). Known: \(DType.allCases.map(\.name).joined(separator: ", ")).")
            }
            chosen = known
        }
        guard let op else { return Selection(dtype: chosen, id: `case`, seed: seed) }
        let pattern: Pattern
        do {
            pattern = try Pattern(op)
        } catch {
            throw ValidationError("--op \(op) is no regular expression: \(error)")
        }
        if cases.isEmpty && !Suite.operators.contains(where: { pattern.matches($0.name) }) {
            throw ValidationError("No operation matches \(op); `cresset ops` lists them all.")
        }
        return Selection(op: { pattern.matches($0) }, dtype: chosen, id: `case`, seed: seed)
    }

    private func devices() throws -> [Device] {
        if let plugin {
            guard device.isEmpty else { throw ValidationError("Give --device or --plugin, not both.") }
            let type = try Registry.load(path: plugin)
            let brought = Device.all.filter { $0.type == type }
            guard !brought.isEmpty else {
                let failure = Backends.loaded.first { $0.name == type }?.failure ?? "it has no device"
                throw CressetError(.plugin, op: "conformance", "\(plugin): \(failure)")
            }
            return brought
        }
        return device.isEmpty ? [.default] : try device.map { try Device($0) }
    }

    private func show(_ report: Report) {
        let details = report.details()
        if !details.isEmpty { print(details, terminator: "") }
        print(report.summary)
    }

    /// One report as an object, several as a list.
    private func write(_ reports: [Report]) throws {
        guard let json else { return }
        let value = reports.count == 1 ? reports[0].json : .array(reports.map(\.json))
        let text = value.serialized(pretty: true) + "\n"
        if json == "-" {
            print(text, terminator: "")
        } else {
            try FileSystem.replace(json, with: text)
        }
    }
}

/// A regular expression that threads may share.
private struct Pattern: @unchecked Sendable {
    // A Regex is an immutable value; the standard library has just not said so.
    private let regex: Regex<AnyRegexOutput>

    init(_ text: String) throws { regex = try Regex(text) }

    func matches(_ text: String) -> Bool { (try? regex.firstMatch(in: text)) != nil }
}
