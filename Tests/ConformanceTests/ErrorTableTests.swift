import Cresset
import CressetIO
import Foundation
import Testing

/// docs/errors.md: wrong calls with what PyTorch and Cresset say of them.
///
/// What PyTorch says was recorded by Tests/errors/messages.py; what Cresset says is said anew each time. To write the page
/// anew, run this test with CRESSET_WRITE_DOCS=1.
@Suite struct ErrorTableTests {
    private static let root = ExpectationsTests.package
    private static let page = root + "/docs/errors.md"

    @Test func thePageOfErrorsIsTrue() throws {
        let recorded = try JSON.parse(FileSystem.text(of: Self.root + "/Tests/errors/torch.json"))
        let source = try String(contentsOfFile: Self.file, encoding: .utf8).components(separatedBy: "\n")
        var text = """
            # What is said of wrong calls

            Wrong calls, with the messages of PyTorch \(recorded["version"]?.stringValue ?? "") and of Cresset. A row is the same \
            call in both; Cresset's messages begin with the operation and end, where a program has debug information, with the \
            line of the call, which is left out here. A test makes the calls and compares; `Tests/errors/messages.py` recorded \
            what PyTorch says.

            | rule | PyTorch | PyTorch says | Swift | Cresset says |
            | --- | --- | --- | --- | --- |

            """
        for row in ErrorRow.all {
            let torch = try #require(recorded["messages"]?[row.torch]?.stringValue, "run Tests/errors/messages.py")
            let message = try #require(try Self.message(row), "it is not refused: \(row.torch)")
            let cells = [row.rule, "`\(row.torch)`", torch, "`\(try Self.code(of: row, in: source))`", message]
            text += "| " + cells.map(Self.cell).joined(separator: " | ") + " |\n"
        }
        if ProcessInfo.processInfo.environment["CRESSET_WRITE_DOCS"] == "1" {
            try text.write(toFile: Self.page, atomically: true, encoding: .utf8)
        }
        let written = try FileSystem.text(of: Self.page)
        for (now, then) in zip(text.components(separatedBy: "\n"), written.components(separatedBy: "\n")) {
            #expect(now == then)
        }
        #expect(text == written, "docs/errors.md is not what is said; write it anew")
        #expect(ErrorRow.all.count >= 40)
    }

    private static let file = #filePath.replacing("ErrorTableTests.swift", with: "ErrorTableRows.swift")

    /// What the call is refused with; nil if it is not.
    private static func message(_ row: ErrorRow) throws -> String? {
        do {
            _ = try withDevice(.reference) { try catching { try row.body() } }
            return nil
        } catch let error as CressetError {
            return "\(error.op): \(error.message)"
        }
    }

    /// The body of a row's closure, statements separated by semicolons.
    private static func code(of row: ErrorRow, in source: [String]) throws -> String {
        let start = try #require(source[(row.line - 1)...].firstIndex { $0.hasSuffix("{") })
        let body = source[(start + 1)...].prefix { $0 != "        }," }
        return body.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.hasPrefix("return ") }
            .joined(separator: "; ")
    }

    /// A cell of a table: its first line, without what would end it.
    private static func cell(_ text: String) -> String {
        String(text.prefix { $0 != "\n" }).replacing("|", with: "\\|").replacing("<", with: "&lt;")
    }
}
