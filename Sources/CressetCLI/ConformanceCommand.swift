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

    @Option(help: ArgumentHelp("Write the report as JUnit XML to this file.", valueName: "path"))
    var junit: String?

    @Option(help: ArgumentHelp("Write the report as a page to this file.", valueName: "path"))
    var html: String?

    @Option(
        help: ArgumentHelp(
            "What the backend says is unsupported or will fail; default: the file that lies with it.",
            valueName: "file"))
    var expectations: String?

    @Option(help: "How much is looked at: smoke, full or deep.")
    var tier = Tier.full

    @Option(
        help: """
            test; grad for gradients alone; refused for wrong calls alone; support to list claims; perf for times. See \
            docs/conformance.md.
            """)
    var mode = ConformanceMode.test

    @Option(help: ArgumentHelp("Run random programs and chains of operations for so long.", valueName: "seconds"))
    var fuzz: Double?

    @Option(
        help: ArgumentHelp(
            "Run one random program or chain again, by the seed it was reported with.", valueName: "seed"))
    var fuzzCase: UInt64?

    @Flag(help: "Stop at the first case that fails.")
    var failFast = false

    @Flag(help: "Look for no smaller case that fails as one did.")
    var noMinimise = false

    @Flag(help: "Run in this process, for a debugger, not in a worker that may crash or hang.")
    var inProcess = false

    @Option(help: ArgumentHelp("Seconds after which a case counts as hung.", valueName: "seconds"))
    var timeout = 60

    @Option(help: ArgumentHelp("Processes that share a whole run, side by side.", valueName: "count"))
    var processes = 2

    @Flag(help: "Only the quick check that each device passes at its first use; what it finds is remembered.")
    var selftest = false

    @Option(help: .hidden)
    var worker: String?

    @Option(help: .hidden)
    var part: String?

    @Flag(help: .hidden)
    var workerList = false

    @Option(help: .hidden)
    var reduce: String?

    @Flag(help: .hidden)
    var noCompilingAhead = false

    @Flag(help: "Print one line for each device, and failures.")
    var quiet = false

    func validate() throws {
        if let fuzz, !(fuzz > 0 && fuzz <= 1e6) { throw ValidationError("--fuzz must be a time, got \(fuzz)") }
        if !(1...64).contains(processes) { throw ValidationError("--processes must be 1 to 64, got \(processes)") }
        if plugin != nil && !device.isEmpty && worker == nil {
            throw ValidationError("Give --device or --plugin, not both.")
        }
        let ways = [fuzz != nil || fuzzCase != nil, !cases.isEmpty, mode != .test].count { $0 }
        if ways > 1 { throw ValidationError("--fuzz, --cases and --mode are different things to do; give one.") }
    }

    func run() throws {
        if workerList { return listAsWorker() }
        if selftest { return try SelfTestRun(json: json).run(on: devices()) }
        let job = try job()
        if let worker { return try work(worker, job) }
        let reports = inProcess ? try runHere(job) : try runSupervised(job)
        try write(reports)
        let code = job.exitCode(reports)
        if code != 0 { throw ExitCode(code) }
    }

    private func runHere(_ job: ConformanceJob) throws -> [Report] {
        try devices().map { device in
            let bar = ProgressLine("\(device)", isOn: !quiet)
            var context = context()
            context.progress = { bar.show($0, of: $1) }
            let report = try job.run(on: device, context)
            bar.clear()
            show(report, of: job)
            return report
        }
    }

    /// Nothing of a plugin is touched by this process: workers list its devices and run the cases.
    private func runSupervised(_ job: ConformanceJob) throws -> [Report] {
        let wanted = plugin ?? (device.isEmpty ? "the default device" : device.joined(separator: ", "))
        let names: [String]
        do throws(DeviceListing.Failure) {
            names = try DeviceListing(arguments: targets, timeout: max(timeout, 1)).devices()
        } catch {
            if error.isRefusal { throw Refusal(description: error.message) }
            var report = Report(device: wanted, driver: "")
            report.add(.failed(error.message), id: "devices/\(wanted)", op: "conformance")
            show(report, of: job)
            return [report]
        }
        return try names.map { name in
            let bar = ProgressLine(name, isOn: !quiet)
            let start = ContinuousClock.now
            var report = try SupervisedRun(
                arguments: workerArguments(name), device: name, timeout: max(timeout, 1),
                stopsAtFirstFailure: failFast, isWhole: job.isExhaustive, minimisesLost: !noMinimise,
                processes: job.canBeShared && !failFast ? processes : 1,
                progress: { done, total in
                    if let fuzz {
                        let seconds = Int((ContinuousClock.now - start) / .seconds(1))
                        bar.show(seconds, of: max(Int(fuzz), 1), "seconds, \(done) tried")
                    } else {
                        bar.show(done, of: total)
                    }
                }
            ).run()
            report.unsupportedFails = !cases.isEmpty
            bar.clear()
            show(report, of: job)
            return report
        }
    }

    private var targets: [String] {
        ["conformance"] + device.flatMap { ["--device", $0] } + (plugin.map { ["--plugin", $0] } ?? [])
    }

    /// The same run of one device, as a worker does it.
    private func workerArguments(_ name: String) -> [String] {
        var arguments = ["conformance", "--device", name, "--seed", "\(seed)", "--tier", tier.rawValue]
        arguments += ["--mode", mode.rawValue]
        if let plugin { arguments += ["--plugin", plugin] }
        if let op { arguments += ["--op", op] }
        if let dtype { arguments += ["--dtype", dtype] }
        if let `case` { arguments += ["--case", `case`] }
        if !cases.isEmpty { arguments += ["--cases"] + cases }
        if let fuzz { arguments += ["--fuzz", "\(fuzz)"] }
        if let fuzzCase { arguments += ["--fuzz-case", "\(fuzzCase)"] }
        if let expectations { arguments += ["--expectations", expectations] }
        if failFast { arguments.append("--fail-fast") }
        if noMinimise { arguments.append("--no-minimise") }
        return arguments
    }

    /// As a worker: tells its parent which devices there are.
    private func listAsWorker() {
        PluginSteps.tell { WorkerProcess.write(RunEvent.calling($0).line) }
        do {
            WorkerProcess.write(RunEvent.devices(try devices().map { "\($0)" }).line)
        } catch {
            WorkerProcess.write(RunEvent.refused("\(error)").line)
        }
    }

    /// As a worker: tells its parent what it does and finds.
    private func work(_ resumption: String, _ job: ConformanceJob) throws {
        guard let resumption = Resumption(resumption), let name = device.first else {
            throw ValidationError("--worker is for the command's own use.")
        }
        PluginSteps.tell { WorkerProcess.write(RunEvent.calling($0).line) }
        do {
            if let plugin { try Registry.load(path: plugin) }
            var context = context()
            context.resumption = resumption
            context.part = part.flatMap(Part.init) ?? .whole
            context.compilesAhead = !noCompilingAhead
            context.events = { WorkerProcess.write($0.line) }
            let device = try Device(name)
            if let reduce {
                guard let known = LostReduction(reduce) else {
                    throw ValidationError("--reduce is for the command's own use.")
                }
                let suite = try Suite(job.selection)
                suite.context = context
                try suite.reduce(known, on: device)
            } else {
                _ = try job.run(on: device, context)
            }
        } catch {
            WorkerProcess.write(RunEvent.refused("\(error)").line)
        }
    }

    private func context() -> RunContext {
        var context = RunContext()
        context.spelling = plugin.map { "--plugin \($0)" }
        context.stopsAtFirstFailure = failFast
        context.expectations = expectations
        context.minimises = !noMinimise
        return context
    }

    private func job() throws -> ConformanceJob {
        var job = ConformanceJob(mode: mode, selection: try selection(), files: cases)
        if fuzz != nil || fuzzCase != nil {
            job.fuzz = FuzzPlan(seconds: fuzz ?? 0, seed: seed, only: fuzzCase)
        }
        return job
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
        guard let op else {
            return Selection(dtype: chosen, id: `case`, seed: seed, tier: tier)
        }
        let pattern: Pattern
        do {
            pattern = try Pattern(op)
        } catch {
            throw ValidationError("--op \(op) is no regular expression: \(error)")
        }
        if cases.isEmpty && !Suite.operators(of: tier).contains(where: { pattern.matches($0.name) }) {
            throw ValidationError("No operation matches \(op); `cresset ops` lists them all.")
        }
        return Selection(op: { pattern.matches($0) }, dtype: chosen, id: `case`, seed: seed, tier: tier)
    }

    private func devices() throws -> [Device] {
        if let plugin {
            return try Device.all(of: try Registry.load(path: plugin))
        }
        return device.isEmpty ? [.default] : try device.map { try Device($0) }
    }

    private func show(_ report: Report, of job: ConformanceJob) {
        if json != "-" { print(job.text(report), terminator: "") }
    }

    /// One report as an object, several as a list.
    private func write(_ reports: [Report]) throws {
        if let junit { try FileSystem.replace(junit, with: Report.junit(reports)) }
        if let html { try FileSystem.replace(html, with: Report.page(reports)) }
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

extension Tier: ExpressibleByArgument {}
extension ConformanceMode: ExpressibleByArgument {}

/// Why nothing is run, as it was told.
private struct Refusal: Error, CustomStringConvertible {
    var description: String
}

/// A regular expression that threads may share.
private struct Pattern: @unchecked Sendable {
    // A Regex is an immutable value; the standard library has just not said so.
    private let regex: Regex<AnyRegexOutput>

    init(_ text: String) throws { regex = try Regex(text) }

    func matches(_ text: String) -> Bool { (try? regex.firstMatch(in: text)) != nil }
}
