import ArgumentParser
import ConformanceSuite
import Cresset
import Glibc

/// `cresset-mutate`: what `make mutate` and `make kill-table` run.
@main
struct MutateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cresset-mutate", abstract: "Prove the conformance suite by wrong backends.",
        subcommands: [Generated.self, KillTable.self])

    /// A suite with all its answers, to be forked.
    ///
    /// - Parameters:
    ///   - few: operations that are run; empty: all.
    ///   - except: operations that are left out.
    static func prepared(_ few: [String] = [], except: [String], tier: Tier = .full) throws -> Suite {
        let wanted = Set(few.flatMap { ["aten::\($0)", "probe::\($0)"] })
        let unwanted = Set(except.map { "aten::\($0)" })
        let isWhole = few.isEmpty && except.isEmpty
        let suite = try Suite(
            isWhole
                ? Selection(tier: tier)
                : Selection(op: { (few.isEmpty || wanted.contains($0)) && !unwanted.contains($0) }, tier: tier))
        suite.context.stopsAtFirstFailure = true
        // Each kernel where it is wanted: most of a run is not needed.
        suite.context.compilesAhead = false
        let clock = ContinuousClock()
        let start = clock.now
        let count = suite.learn(for: DType.allCases)
        Files.say("\(count) cases of tier \(tier) prepared in \((clock.now - start) / .milliseconds(1) / 1000) s")
        return suite
    }
}

/// Small edits of programs and sources, made by rule.
struct Generated: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the suite on generated mutants.")

    @Option(help: "How many mutants in all; shared out among programs and sources.")
    var sample = 1200

    @Option(help: "Which of all possible ones are drawn.")
    var seed: UInt64 = 1

    @Option(parsing: .upToNextOption, help: "Only these: programs, naive, cpu, opencl, vulkan.")
    var only: [String] = []

    @Option(parsing: .upToNextOption, help: "Operations that are left out: those that are wrong without an edit too.")
    var except: [String] = []

    @Option(help: "Mutants at a time.")
    var jobs = 2

    @Option(help: "Where results are kept.")
    var folder = ".build/mutate"

    @Option(help: "The folder of the built plugins.")
    var plugins = ".build/release"

    @Option(help: "Write the table to this file.")
    var table: String?

    @Option(help: "smoke: what gets through that tier is not run at tier full.")
    var tier = "full"

    @Flag(help: "Run those that survived before again.")
    var survivors = false

    /// The share of each subject, of 100.
    private static let shares = [("programs", 52), ("naive", 25), ("cpu", 11), ("opencl", 6), ("vulkan", 4)]

    /// What the devices that compile slowly are run on: each family in several dtypes.
    private static let few = [
        "add.Tensor", "div.Tensor", "remainder.Tensor", "where.self", "to_float16", "to_uint8", "exp",
        "sum.dim_IntList",
        "amax", "argmax", "prod", "any", "var_mean.correction", "mm", "bmm", "gather", "scatter.src", "scatter_add",
        "index_select", "index_add", "rand", "cat", "cumsum", "two_indices_int64", "gather_by_int32", "matmul_plus",
        "batches", "scatter_max", "many_dims", "shl",
    ]

    func run() throws {
        var results = Results("\(folder)/results.tsv")
        let suites = Suites(except: except)
        var drawn: [Mutant] = []
        var report = MutationTable([])
        for (subject, share) in Self.shares where only.isEmpty || only.contains(subject) {
            let few = Self.isSlow(subject) ? Self.few : []
            let smoke = try suites.prepared(few, .smoke)
            let (unedited, all) = try mutants(subject, smoke)
            guard !all.isEmpty else {
                throw CressetError(.internal, op: "mutate", "\(subject): nothing was seen that could be edited")
            }
            let chosen = try draw(all, max(1, sample * share / 100), smoke, &results)
            drawn += chosen
            try runAgain(chosen, unedited, { try suites.prepared(few, .full) }, &results)
            // (After each, as the next may take an hour.)
            report = MutationTable(drawn.compactMap { m in results.known[m.key].map { (m, $0) } })
            Files.say(report.summary)
            if let table { try Files.write(Array(report.document.utf8), to: table) }
        }
        if !report.isGood { throw ExitCode.failure }
    }

    private static func isSlow(_ subject: String) -> Bool { subject == "opencl" || subject == "vulkan" }

    // MARK: What there is

    /// All mutants, and what they are mutants of, which passes.
    private func mutants(_ subject: String, _ suite: Suite) throws -> (unedited: Mutant, [Mutant]) {
        switch subject {
        case "programs": return try programs(suite)
        case "naive", "cpu":
            let sources = try SourceMutants(compiler: Self.compiler, folder: "\(folder)/right")
            let (unedited, all) =
                try subject == "naive"
                ? sources.naive() : sources.cpu(plugin: "\(plugins)/libCressetBackendOpenBLAS.so")
            try runUnedited(unedited, suite)
            return (unedited, all)
        case "opencl":
            return try texts(
                subject, suite, plugin: "\(plugins)/libCressetBackendOpenCL.so", preload: nil,
                [("OPENCL_LAYERS", "\(folder)/libopencl_text.so")])
        default:
            let plugin = "\(plugins)/libCressetBackendVulkan.so"
            return try texts(
                subject, suite, plugin: plugin, preload: "\(folder)/libvulkan_text.so",
                [("CRESSET_TEXT_PLUGIN", plugin)])
        }
    }

    private static var compiler: String {
        if let chosen = getenv("CC") { return String(cString: chosen) }
        return Files.shell("command -v clang >/dev/null") ? "clang" : "cc"
    }

    private var mutantPlugin: String { "\(folder)/libcresset_backend_mutant.so" }

    private func programs(_ suite: Suite) throws -> (unedited: Mutant, [Mutant]) {
        let path = "\(folder)/programs.txt"
        unlink(path)
        let survey = Mutant(
            subject: "programs", place: "", kind: "", text: "unedited", plugin: mutantPlugin,
            environment: [("CRESSET_MUTANT", "survey"), ("CRESSET_MUTANT_SURVEY", path)],
            diary: (path, "case "))
        try runUnedited(survey, suite)
        let edits = ProgramEdits(survey: try Files.text(path))
        let plugin = mutantPlugin
        func make(_ place: String, _ kind: String, _ text: String, _ order: String, _ first: String?) -> Mutant {
            Mutant(
                subject: "programs", place: place, kind: kind, text: text, plugin: plugin,
                environment: [("CRESSET_MUTANT", "edit"), ("CRESSET_MUTANT_EDIT", order)],
                first: first)
        }
        return (survey, edits.everywhere(make) + edits.single(make))
    }

    private func texts(
        _ subject: String, _ suite: Suite, plugin: String, preload: String?, _ environment: [(String, String)]
    ) throws -> (unedited: Mutant, [Mutant]) {
        let path = "\(folder)/\(subject).txt"
        unlink(path)
        let survey = Mutant(
            subject: subject, place: "", kind: "", text: "unedited", preload: preload, plugin: plugin,
            environment: environment + [("CRESSET_TEXT_LOG", path)], diary: (path, KernelTexts.mark), patience: 600)
        try runUnedited(survey, suite)
        let maths = try ["f32", "f64", "opencl", "glsl"].map {
            try Files.text("\(SourceMutants.headers)/cresset_maths_\($0).inc")
        }
        let texts = KernelTexts(log: try Files.text(path), maths: maths.joined(separator: "\n"))
        return (survey, texts.mutants(subject, plugin: plugin, preload: preload, environment: environment))
    }

    /// Runs what should be right: where that fails, it would be said of every edit that it is caught.
    private func runUnedited(_ mutant: Mutant, _ suite: Suite) throws {
        try Runner(suite: suite, folder: folder, jobs: 1).run([mutant]) { mutant, outcome in
            let tier = suite.selection.tier
            guard outcome.isSurvival else {
                throw CressetError(
                    .internal, op: "mutate", "\(mutant.subject) without an edit should pass tier \(tier): \(outcome)")
            }
            Files.say("\(mutant.subject), unedited: passes tier \(tier)")
        }
    }

    // MARK: Running

    /// As many as wanted, of all files and kinds alike, at tier smoke; those known from before are not run again.
    private func draw(_ all: [Mutant], _ wanted: Int, _ suite: Suite, _ results: inout Results) throws -> [Mutant] {
        var chosen: [Mutant] = []
        var waiting = queue(all)[...]
        // What is no mutant makes room for another.
        while chosen.count < wanted && !waiting.isEmpty {
            let next = Array(waiting.prefix(wanted - chosen.count))
            waiting = waiting.dropFirst(next.count)
            try run(next.filter { results.known[$0.key] == nil }, suite, &results)
            chosen += next.filter { mutant in
                switch results.known[mutant.key] {
                case .caught, .survived: true
                default: false
                }
            }
        }
        return chosen
    }

    /// All, in the order in which they are drawn: one of each file and kind, then the next of each.
    private func queue(_ all: [Mutant]) -> [Mutant] {
        var strata: [String: [Mutant]] = [:]
        for mutant in all.map({ ($0, $0.lot(seed)) }).sorted(by: { $0.1 < $1.1 }).map(\.0) {
            // Of programs, first what concerns all of them.
            strata[mutant.place == "every program" ? "" : "\(mutant.place) \(mutant.kind)", default: []].append(mutant)
        }
        var queue = strata.removeValue(forKey: "") ?? []
        for round in 0..<(strata.values.map(\.count).max() ?? 0) {
            for (_, list) in strata.sorted(by: { $0.key < $1.key }) where round < list.count {
                queue.append(list[round])
            }
        }
        var keys: Set<String> = []
        return queue.filter { keys.insert($0.key).inserted }
    }

    /// At tier full those that got through smoke, unless it is known that nothing can tell them from the original.
    private func runAgain(
        _ chosen: [Mutant], _ unedited: Mutant, _ suite: () throws -> Suite, _ results: inout Results
    ) throws {
        let reasons = Reasons()
        let left = chosen.filter { mutant in
            guard case .survived(let tier) = results.known[mutant.key] else { return false }
            return survivors || tier == .smoke && reasons[mutant]?.isEquivalent != true
        }
        if left.isEmpty || tier == "smoke" { return }
        let full = try suite()
        try runUnedited(unedited, full)
        try run(left, full, &results)
    }

    private func run(_ mutants: [Mutant], _ suite: Suite, _ results: inout Results) throws {
        try Runner(suite: suite, folder: folder, jobs: jobs).run(mutants) { mutant, outcome in
            try results.add(mutant, outcome)
            if outcome != .invalid && outcome != .same { Files.say(Self.told(mutant, outcome)) }
        }
    }

    private static func told(_ mutant: Mutant, _ outcome: Outcome) -> String {
        let what = "\(mutant.subject) \(mutant.place): \(mutant.kind): \(mutant.text)"
        switch outcome {
        case .caught(let by, _): return "caught    \(what)   [\(by)]"
        case .survived(let tier): return "SURVIVED \(tier) \(what)"
        default: return "\(outcome)   \(what)"
        }
    }
}

/// Suites with all their answers, each prepared when it is first wanted.
private final class Suites {
    private let except: [String]
    private var known: [String: Suite] = [:]

    init(except: [String]) { self.except = except }

    func prepared(_ few: [String], _ tier: Tier) throws -> Suite {
        let name = "\(few.count) \(tier)"
        if let suite = known[name] { return suite }
        let suite = try MutateCommand.prepared(few, except: except, tier: tier)
        known[name] = suite
        return suite
    }
}
