import ConformanceSuite
import Cresset
import Foundation
import Testing

/// Every operation has a Swift spelling with a comment, samples, and calls that must be refused.
@Suite struct SpellingTests {
    @Test(arguments: Operators.builtIn.map(\.name)) func everyOperationHasASpellingWithAComment(name: String) throws {
        let op = try #require(Operators.find(name))
        let lines = Sources.shared.declarations[op.spelling] ?? []
        #expect(!lines.isEmpty, "\(op.name): Sources declares no public \(op.spelling)")
        // Each of its forms, in a sentence: two words at least.
        for line in lines {
            #expect(line.comment?.contains(" ") == true, "\(op.spelling) has no comment at \(line)")
        }
    }

    @Test(arguments: Operators.builtIn.map(\.name)) func everyOperationHasSamplesAndErrors(name: String) throws {
        let op = try #require(Operators.find(name))
        let dtype = try #require(Coverage.dtypes.first(where: op.dtypes.contains))
        var maker = SampleMaker(dtype: dtype, seed: 1)
        #expect(!op.samples(&maker).isEmpty, "\(op.name) has no samples for \(dtype)")
        #expect(!DerivedErrors.all(of: op, &maker).isEmpty, "nothing is said to be refused by \(op.name)")
    }

    @Test func spellingsFollowPyTorchsNames() {
        func spelling(_ name: String) -> String? { Operators.find(name)?.spelling }
        #expect(spelling("aten::log_softmax.int") == "Tensor.logSoftmax")
        #expect(spelling("aten::linalg_ldl_factor_ex") == "linalg.ldlFactorEx")
        #expect(spelling("aten::fft_rfft2") == "fft.rfft2")
        #expect(spelling("aten::special_xlog1py") == "Tensor.xlog1py")
        #expect(spelling("aten::eq.Tensor") == ".==")
        #expect(spelling("aten::nll_loss_nd") == "Losses.nllLoss")
    }

    /// The reader of sources sees what is there and what is not.
    @Test func theReaderSeesCommentsAndPlaces() {
        let text = """
            extension Tensor {
                /// Twice as much.
                @discardableResult
                public func twice() -> Tensor { self + self }
                public func bare() {
                    enum Inner { public static func hidden() {} }
                }
                public static func .< (x: Tensor, y: Tensor) -> Tensor { x }
                func inside() {}
            }
            /// A function of nobody.
            public func free<T>(_ x: T) {}
            """
        let found = Sources.read(text, file: "x.swift")
        #expect(found["Tensor.twice"]?.map(\.comment) == ["Twice as much."])
        #expect(found["Tensor.bare"]?.map(\.comment) == [nil])
        #expect(found["free"]?.map(\.comment) == ["A function of nobody."])
        #expect(found[".<"] != nil && found["Tensor.inside"] == nil && found["Tensor.hidden"] == nil)
    }
}

/// The public functions and properties that the sources declare, with their comments.
private struct Sources {
    struct Declaration: CustomStringConvertible {
        var place: String
        /// The comment directly above.
        var comment: String?
        var description: String { place }
    }
    static let shared = Sources()
    /// By spelling: "Tensor.softmax", "einsum", ".==".
    let declarations: [String: [Declaration]]

    init() {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/Cresset")
        var all: [String: [Declaration]] = [:]
        for case let file as URL in FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil) ?? .init()
        where file.pathExtension == "swift" {
            guard let text = try? String(contentsOf: file, encoding: .utf8) else { continue }
            all.merge(Self.read(text, file: file.lastPathComponent)) { $0 + $1 }
        }
        declarations = all
    }

    static func read(_ text: String, file: String) -> [String: [Declaration]] {
        var found: [String: [Declaration]] = [:]
        /// The types and functions that are open, and the depth of braces at which each began.
        var open: [(name: String, depth: Int)] = []
        var depth = 0
        var comment: String?
        for (i, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let trimmed = line.trimmingCharacters(in: .whitespaces)
            if trimmed.hasPrefix("///") {
                comment = (comment.map { $0 + " " } ?? "") + trimmed.dropFirst(3).drop { $0 == " " }
                continue
            }
            let code = trimmed.replacing(/"(\\.|[^"\\])*"/, with: "")
            if let match = code.firstMatch(of: /^(?:\w+ )*?(?:extension|enum|struct|class) (\w+)/) {
                open.append((String(match.1), depth))
            } else if open.isEmpty || depth == open.last.map({ $0.depth + 1 }),
                let match = code.firstMatch(
                    of: /^(?:@\w+ )*public (?:static |prefix )*(?:func|var) (`?\w+`?|[^\s\w(]+(?=[ (]))/)
            {
                let name = match.1.filter { $0 != "`" }
                let isOperator = name.first.map { !$0.isLetter } ?? true
                let place = open.map(\.name).joined(separator: ".")
                // (Those of tensors are spelled alone.)
                let isAlone = open.isEmpty || (isOperator && place == "Tensor")
                let key = isAlone ? name : "\(place).\(name)"
                found[key, default: []].append(Declaration(place: "\(file):\(i + 1)", comment: comment))
            }
            // (An attribute stands between a comment and what it is about.)
            if !trimmed.hasPrefix("@") || trimmed.contains("func ") { comment = nil }
            for character in code.replacing(/\/\/.*/, with: "") {
                if character == "{" { depth += 1 }
                if character == "}" { depth -= 1 }
            }
            while let last = open.last, depth <= last.depth, code.contains("}") { open.removeLast() }
        }
        return found
    }
}
