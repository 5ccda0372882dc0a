import ConformanceSuite

/// A wrong backend: what is edited, how it is built, and how it is loaded.
struct Mutant {
    /// What the table lists together: "programs", "naive", "cpu", "opencl", "vulkan".
    var subject: String
    /// The file that is edited, or the family of programs.
    var place: String
    /// The kind of slip.
    var kind: String
    /// The edit, readable: a line before and after.
    var text: String
    /// Makes what `preload` or `plugin` names, in a folder of the worker's own.
    var build: (@Sendable (_ folder: String) throws -> BuildOutcome)?
    /// A library whose functions replace those of the plugin, "%" standing for the worker's folder.
    var preload: String?
    /// "%" stands for the worker's folder.
    var plugin: String
    var environment: [(String, String)] = []
    /// The case where what is edited was first seen: its operation's cases are run before others.
    var first: String?
    /// Each case that begins is noted at the end of this file, behind the mark.
    var diary: (path: String, mark: String)?
    /// What a failure says where the device's compiler refused the edit, which then makes no mutant.
    var refusals: [String] = []
    /// Seconds of work after which a case counts as hung.
    var patience = 5.0

    /// The same in every run, as long as the edited text is.
    var key: String { "\(subject)\t\(place)\t\(kind)\t\(text)" }

    /// Decides which are drawn. A new mutant moves no other.
    func lot(_ seed: UInt64) -> UInt64 {
        var numbers = SeededNumbers(state: key.stableHash ^ seed)
        return numbers.next()
    }
}

enum BuildOutcome: UInt8 {
    case built = 0
    /// It does not compile.
    case invalid
    /// The compiler makes the same code of it as of the original, so it is equivalent.
    case same
}

/// What became of a mutant.
enum Outcome: Equatable {
    /// By this case, in this way.
    case caught(by: String, how: String)
    /// All cases of this tier.
    case survived(Tier)
    /// No mutant: it does not compile, or is proved equivalent by the compiler.
    case invalid
    case same
    /// The machinery failed.
    case broken(String)

    var line: String {
        switch self {
        case .caught(let by, let how): "caught\t\(by)\t\(how)"
        case .survived(let tier): "survived\t\(tier)\t"
        case .invalid: "invalid\t\t"
        case .same: "same\t\t"
        case .broken(let why): "broken\t\t\(why)"
        }
    }

    var isSurvival: Bool {
        if case .survived = self { true } else { false }
    }

    init?(_ fields: [Substring]) {
        guard fields.count >= 3 else { return nil }
        switch fields[0] {
        case "caught": self = .caught(by: String(fields[1]), how: String(fields[2]))
        case "survived": self = .survived(Tier(rawValue: String(fields[1])) ?? .smoke)
        case "invalid": self = .invalid
        case "same": self = .same
        default: return nil
        }
    }
}

/// What is known from runs before: one line for each mutant, the last one counts.
struct Results {
    private(set) var known: [String: Outcome] = [:]
    private let path: String

    init(_ path: String) {
        self.path = path
        for line in (try? Files.text(path))?.split(separator: "\n") ?? [] {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard fields.count == 7, let outcome = Outcome(Array(fields[4...])) else { continue }
            known[fields[..<4].joined(separator: "\t")] = outcome
        }
    }

    mutating func add(_ mutant: Mutant, _ outcome: Outcome) throws {
        if case .broken = outcome { return }
        known[mutant.key] = outcome
        try Files.append("\(mutant.key)\t\(outcome.line)\n", to: path)
    }
}
