import ArgumentParser
import ConformanceSuite
import Cresset

/// The hand-written mutants, judged by the suite and by tolerances like others'.
struct KillTable: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say which wrong backends would have been caught by whose tolerances.")

    @Option(parsing: .upToNextOption, help: "Operations that are left out: those that are wrong without a bug too.")
    var except: [String] = []

    @Option(help: "Mutants at a time.")
    var jobs = 2

    @Option(help: "Where the plugin of the mutants is.")
    var folder = ".build/mutate"

    @Option(help: "Write the table to this file.")
    var table: String?

    private static let list = "Conformance/Mutants/table.h"
    /// nil: the suite's own judge.
    private static let judges: [LooseJudge?] = [nil, .pytorch, .ggml]

    func run() throws {
        let mutants = try Self.mutants()
        let suite = try MutateCommand.prepared(except: except)
        // By judge, then by name.
        var outcomes: [[String: Outcome]] = []
        for judge in Self.judges {
            var found: [String: Outcome] = [:]
            let all = ([("none", "")] + mutants).map { mutant($0.0, judge) }
            try Runner(suite: suite, folder: folder, jobs: jobs).run(all) { mutant, outcome in
                if case .broken(let why) = outcome { throw CressetError(.internal, op: "mutate", why) }
                found[mutant.text] = outcome
            }
            guard found["none"]?.isSurvival == true else {
                throw CressetError(
                    .internal, op: "mutate",
                    "the backend without a bug should pass: \(judge?.rawValue ?? "the suite"): \(found["none"].map { "\($0)" } ?? "")"
                )
            }
            outcomes.append(found)
            Files.say(
                "\(judge?.rawValue ?? "the suite"): \(mutants.count { Self.isCaught(found[$0.0]) }) of \(mutants.count)"
            )
        }
        if let table { try Files.write(Array(document(mutants, outcomes).utf8), to: table) }
        guard mutants.allSatisfy({ Self.isCaught(outcomes[0][$0.0]) }) else { throw ExitCode.failure }
    }

    private static func isCaught(_ outcome: Outcome?) -> Bool {
        if case .caught = outcome { return true }
        return false
    }

    private func mutant(_ name: String, _ judge: LooseJudge?) -> Mutant {
        Mutant(
            subject: "hand-written", place: Self.list, kind: "", text: name,
            plugin: "\(folder)/libcresset_backend_mutant.so",
            environment: [("CRESSET_MUTANT", name)] + (judge.map { [("CRESSET_JUDGE", $0.rawValue)] } ?? []))
    }

    /// Names, and what they imitate: lines `KIND(name, "what")`.
    private static func mutants() throws -> [(String, String)] {
        try Files.text(list).split(separator: "\n").compactMap { line in
            guard ["PROGRAM(", "LAUNCH(", "TABLE(", "BOTH("].contains(where: { line.hasPrefix($0) }),
                let open = line.firstIndex(of: "("), let comma = line.firstIndex(of: ","),
                let quote = line.firstIndex(of: "\""), let end = line.lastIndex(of: "\""), quote < end
            else { return nil }
            return (
                String(line[line.index(after: open)..<comma]), String(line[line.index(after: quote)..<end])
            )
        }
    }

    private func document(_ mutants: [(String, String)], _ outcomes: [[String: Outcome]]) -> String {
        let totals = outcomes.map { found in mutants.count { Self.isCaught(found[$0.0]) } }
        var text = """
            # Who would have caught what

            The hand-written mutants (`Conformance/Mutants`), each run through the suite's cases and judged in three ways
            (`make kill-table`): by the suite, with PyTorch's tolerances, and with ggml's.

            - **Cresset**: derived bounds, guards, poisoned outputs, two runs, inputs looked at afterwards, claims.
            - **PyTorch's**: `torch.testing.assert_close` with its defaults: float16 1e-3, bfloat16 1.6e-2, float32 1.3e-6
              with 1e-5 absolute, float64 1e-7 with 1e-7; everything else must be equal; NaN equals NaN.
            - **ggml's**: the normalised mean squared error of a result is at most 5e-4, its limit for matrix products,
              convolutions and attention (others are stricter); NaN and infinities must be where they are. It has no inputs
              that must fail, so cases of errors count as passed.

            What was modelled is the judgement of values alone. Both are given this suite's inputs (layouts, special values,
            empty tensors, duplicates), most of which they do not have, so they catch more here than at home. Neither is given
            credit for what it does beside: ggml's sentinels behind tensors, PyTorch's checks of claimed dtypes. An element
            within the derived bound passes with all three. A crash or a hang is noticed by all.

            | | caught | of |
            |---|--:|--:|
            | Cresset | \(totals[0]) | \(mutants.count) |
            | PyTorch's tolerances | \(totals[1]) | \(mutants.count) |
            | ggml's tolerance | \(totals[2]) | \(mutants.count) |

            | mutant | imitates | Cresset | PyTorch's | ggml's |
            |---|---|---|---|---|

            """
        for (name, imitates) in mutants {
            let marks = outcomes.map { Self.isCaught($0[name]) ? "caught" : "–" }
            text += "| `\(name)` | \(imitates) | \(marks.joined(separator: " | ")) |\n"
        }
        return text
    }
}
