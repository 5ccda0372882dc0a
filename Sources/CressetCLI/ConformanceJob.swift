import ConformanceSuite
import Cresset
import CressetIO

/// What `cresset conformance` may be asked to do with a device.
enum ConformanceMode: String, CaseIterable {
    /// Run what is claimed and judge it.
    case test
    /// Judge gradients alone, first and second, by the oracle and by differences.
    case grad
    /// Make the calls that must be refused, and nothing else.
    case refused
    /// List what is claimed; nothing is run.
    case support
    /// Time each operation; nothing is judged.
    case perf
}

/// What is to be done with each device, in a worker or in this process.
struct ConformanceJob {
    var mode = ConformanceMode.test
    var selection: Selection
    /// Files of cases, which take the place of the suite's own.
    var files: [String] = []
    /// Random work, which takes the place of cases.
    var fuzz: FuzzPlan?

    func run(on device: Device, _ context: RunContext) throws -> Report {
        // (What a self-test would find belongs into the report.)
        SelfTest.exempt(device)
        if !files.isEmpty { return try CaseFile.run(files, on: device, selection, context) }
        if let fuzz { return try Fuzz(fuzz, on: device, context).run() }
        switch mode {
        case .test, .grad, .refused:
            var selection = selection
            if mode == .grad { selection.direction = .gradient }
            selection.isOfRefusals = mode == .refused
            let suite = try Suite(selection)
            suite.context = context
            suite.checksDifferences = mode == .grad
            return try suite.run(on: device)
        case .support: return try Support.run(on: device, selection, context)
        case .perf: return try Performance.run(on: device, selection, context)
        }
    }

    /// True where every case of the suite is run.
    var isExhaustive: Bool { files.isEmpty && fuzz == nil && mode == .test && selection.isExhaustive }

    /// True for a whole run of the suite, which several processes may share.
    var canBeShared: Bool { files.isEmpty && fuzz == nil && mode == .test && selection.isWhole }

    /// What the report comes to as text.
    func text(_ report: Report) -> String {
        var text = report.details()
        if fuzz == nil && files.isEmpty {
            if mode == .support { text += Support.text(report) }
            if mode == .perf { text += Performance.text(report) }
        }
        return text + (isProof ? report.summary : "\(report.device) (\(report.driver)): \(closing(report))") + "\n"
    }

    /// False where nothing that is run is judged.
    var isProof: Bool { fuzz != nil || !files.isEmpty || [.test, .grad, .refused].contains(mode) }

    private func closing(_ report: Report) -> String {
        mode == .support
            ? "claims only; nothing was run, so nothing was proved"
            : "\(report.findings.count) times in \(Int(report.seconds.rounded())) s; no result was judged, so nothing was proved"
    }

    /// Whether the command ends well. Claims are no proof, so to list them never does.
    func exitCode(_ reports: [Report]) -> Int32 {
        if isProof { return reports.allSatisfy(\.isGood) ? 0 : 1 }
        if reports.contains(where: { $0.failed > 0 }) { return 1 }
        if mode == .support { return Self.nothingProved }
        return reports.allSatisfy { !$0.findings.isEmpty } ? 0 : 1
    }

    /// The exit code of a command that did what it was asked and has proved nothing by it.
    static let nothingProved: Int32 = 3
}
