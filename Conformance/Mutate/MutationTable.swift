import ConformanceSuite

/// The table of a run: what was made, caught, and why the rest was not.
struct MutationTable {
    private let rows: [(Mutant, Outcome)]
    private let survivors: [(mutant: Mutant, tier: Tier, reason: Reason?)]

    init(_ rows: [(Mutant, Outcome)]) {
        self.rows = rows
        let reasons = Reasons()
        survivors = rows.compactMap { mutant, outcome in
            guard case .survived(let tier) = outcome else { return nil }
            return (mutant, tier, reasons[mutant])
        }
    }

    private struct Count {
        var made = 0
        var survived = 0
    }

    private func counts(_ key: (Mutant) -> String) -> [(key: String, value: Count)] {
        var counts: [String: Count] = [:]
        for (mutant, outcome) in rows {
            counts[key(mutant), default: Count()].made += 1
            if outcome.isSurvival { counts[key(mutant), default: Count()].survived += 1 }
        }
        return counts.sorted { $0.key < $1.key }
    }

    private var caught: Int { rows.count - survivors.count }
    private var equivalent: Int { survivors.count { $0.reason?.isEquivalent == true } }

    private static func share(_ part: Int, of all: Int) -> String {
        let tenths = all == 0 ? 0 : part * 1000 / all
        return "\(part) of \(all) (\(tenths / 10).\(tenths % 10) %)"
    }

    private var percent: String {
        "\(Self.share(caught, of: rows.count)) mutants are caught; "
            + "\(Self.share(caught, of: rows.count - equivalent)) of those that are not equivalent to the original"
    }

    /// At least 95 in 100 of those that differ from the original are caught, and it is known why the others are not.
    var isGood: Bool {
        caught * 100 >= (rows.count - equivalent) * 95 && survivors.allSatisfy { $0.reason != nil }
    }

    var summary: String {
        let open = survivors.filter { $0.reason == nil }
        return percent + (open.isEmpty ? "" : "; \(open.count) survivors are not explained")
    }

    var document: String {
        var text = """
            # Generated mutants

            Small edits of programs on their way to a backend and of the sources of backends, each run through the conformance
            suite (`make mutate`). What does not compile, and what the compiler turns into the same code as the original, is
            not counted. \(percent).

            Each was run at tier smoke; edits of one program or kernel text first on all cases of the operation where it was
            first seen. What gets through and is not equivalent is to be run at tier full too: the list of survivors, with
            the reasons, says which was.


            """
        text += table("By what is edited", "edited") { $0.subject }
        text += table("By place", "place") { "\($0.subject): \($0.place)" }
        text += table("By the kind of edit", "edit") { $0.kind }
        text += "## Survivors\n\n"
        for (subject, list) in Dictionary(grouping: survivors, by: \.mutant.subject).sorted(by: { $0.key < $1.key }) {
            text += "### \(subject)\n\n| where | edit | got through | why it is not caught |\n|---|---|---|---|\n"
            for (mutant, tier, reason) in list.sorted(by: { $0.mutant.key < $1.mutant.key }) {
                let code = mutant.text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
                text += "| \(mutant.place) | `\(code)` | \(tier) | \(reason?.told ?? "**not explained**") |\n"
            }
            text += "\n"
        }
        return text
    }

    private func table(_ title: String, _ head: String, _ key: (Mutant) -> String) -> String {
        var text = "## \(title)\n\n| \(head) | made | caught | survived |\n|---|--:|--:|--:|\n"
        for (key, count) in counts(key) {
            text += "| \(key) | \(count.made) | \(count.made - count.survived) | \(count.survived) |\n"
        }
        return text + "\n"
    }
}

/// Why a mutant survives.
struct Reason {
    /// True where nothing that anyone could look at is another; else a case is missing.
    var isEquivalent: Bool
    var text: String

    var told: String { "\(isEquivalent ? "equivalent" : "a case is missing"): \(text)" }
}

/// Why mutants survive: Conformance/Mutate/survivors.txt, which people write.
struct Reasons {
    private var rules: [(subject: String, place: String, text: String, reason: Reason)] = []

    /// Lines of "subject, place, part of the edit, verdict, reason", with tabs between; * stands for any place.
    init() {
        for line in (try? Files.text("Conformance/Mutate/survivors.txt"))?.split(separator: "\n") ?? [] {
            let fields = line.split(separator: "\t").map(String.init)
            guard fields.count == 5, !line.hasPrefix("#"), ["equivalent", "missing"].contains(fields[3]) else {
                continue
            }
            rules.append(
                (fields[0], fields[1], fields[2], Reason(isEquivalent: fields[3] == "equivalent", text: fields[4])))
        }
    }

    subscript(_ mutant: Mutant) -> Reason? {
        rules.first {
            $0.subject == mutant.subject && ($0.place == "*" || $0.place == mutant.place)
                && mutant.text.has($0.text)
        }?.reason
    }
}

extension String {
    /// True if `part` is somewhere in it.
    fileprivate func has(_ part: String) -> Bool {
        let (all, wanted) = (Array(utf8), Array(part.utf8))
        guard all.count >= wanted.count else { return false }
        return (0...all.count - wanted.count).contains { all[$0...].starts(with: wanted) }
    }

    func replacing(_ mark: Character, with text: String) -> String {
        map { $0 == mark ? text : "\($0)" }.joined()
    }
}
