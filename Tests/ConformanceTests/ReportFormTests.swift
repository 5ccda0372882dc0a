import Cresset
import CressetIO
import Foundation
import Testing

import ConformanceSuite

/// The forms in which reports are written.
@Suite struct ReportFormTests {
    private let hostile = "a < b & \"c\" \u{1B}[31m </script>\nsecond line"

    private func report() -> Report {
        var report = Report(device: "x:0", driver: "driver \"1\" <beta>")
        report.abi = 1
        let worst = WorstError(share: 0.25, absolute: 1e-7, ulps: 1.5)
        report.add(.passed, id: "p0", op: "aten::exp", dtype: .float32, evidence: Evidence(worst: worst))
        report.add(
            .passed, id: "p1", op: "aten::exp", dtype: .float32,
            evidence: Evidence(worst: WorstError(share: 0.125, absolute: 3, ulps: 1)))
        report.add(
            .failed(hostile), id: "f0", op: "aten::exp", dtype: .float64, command: "cresset conformance --case f0",
            evidence: Evidence(worst: WorstError(share: .infinity, absolute: 2, ulps: .infinity), kind: .mismatch))
        report.minimise(
            "f0", MinimisedCase(call: "aten::exp(self: float64 [] = [1.0])", message: "wrong", command: "c"))
        report.add(.unsupported("no float16"), id: "u0", op: "aten::exp", dtype: .float16)
        report.add(.failed("idle"), id: "claims/scan", op: "claims")
        return report
    }

    @Test func theWorstErrorOfPassedCasesIsKept() throws {
        let json = try JSON.parse(report().json.serialized())
        let exp = json["matrix"]?["aten::exp"]
        #expect(exp?["float32"]?["worst"]?["share"]?.doubleValue == 0.25)
        #expect(WorstError(exp?["float32"]?["worst"])?.ulps == 1.5)
        // JSON knows no infinity.
        #expect(WorstError(exp?["float64"]?["worst"]) == WorstError(share: .infinity, absolute: 2, ulps: .infinity))
        #expect(json["failures"]?[0]?["minimised"]?["call"] == "aten::exp(self: float64 [] = [1.0])")
        #expect(json["abi"] == 1)
    }

    @Test func errorsAreSharesOfTheBound() throws {
        let got = try HostTensor(Tensor([1.5, 2, .infinity] as [Float], device: .reference))
        var right = Expected(exact: got)
        #expect(WorstError(got, right) == WorstError(share: 0, absolute: 0, ulps: 0))
        // The last may be anything, or is so large that infinity is right.
        for flags in [[0, 0, 1], [0, 0, 2]] as [[UInt8]] {
            right.bounds = .init(values: [1, 2, 3e38], bounds: [1, 1, 0.5], flags: flags)
            #expect(WorstError(got, right) == WorstError(share: 0.5, absolute: 0.5, ulps: 0.5 / 0x1p-23))
        }
        right.bounds = .init(values: [1, 2, .nan], bounds: [1, 1, 0.5], flags: [0, 0, 0])
        #expect(WorstError(got, right)?.share == .infinity)
        #expect(WorstError(nil, right) == nil)
    }

    @Test func aReportIsToldWithItsEvidence() throws {
        let cell = Cell(op: "aten::exp", dtype: .float32, layout: .sliced, direction: .gradient)
        let evidence = Evidence(worst: WorstError(share: 2, absolute: 1, ulps: 3), kind: .unstable)
        let entry = RunEvent.Entry(
            id: "i", op: cell.op, dtype: cell.dtype, cell: cell, command: "c", evidence: evidence)
        let smaller = MinimisedCase(call: "f()", message: "m\nn", command: "c@1.2")
        var told = Report(device: "", driver: "")
        for event in [RunEvent.found(entry, .failed("no")), .minimising(entry), .minimised(entry, smaller)] {
            told.take(try #require(RunEvent(line: event.line)))
        }
        #expect(told.worst["aten::exp"]?[.float32] == evidence.worst)
        #expect(told.failures.first?.minimised == smaller && told.failures.first?.dtype == .float32)
        #expect(told.details().contains("  minimised: f()\n  m\n  n\n  c@1.2\n"))
    }

    @Test func junitIsXMLWithATestForEachOperationAndDType() throws {
        let text = Report.junit([report(), Report(device: "y:0", driver: "")])
        let reader = XMLReader()
        #expect(reader.read(text), "\(text)")
        let suites = reader.elements.filter { $0.name == "testsuite" }
        #expect(suites.map { $0.attributes["name"] } == ["x:0", "y:0"])
        #expect(suites.first?.attributes["tests"] == "4" && suites.first?.attributes["failures"] == "2")
        #expect(suites.first?.attributes["skipped"] == "1")
        let tests = reader.elements.filter { $0.name == "testcase" }
        #expect(
            Set(tests.map { "\($0.attributes["classname"] ?? "") \($0.attributes["name"] ?? "")" }) == [
                "x:0.aten::exp float32", "x:0.aten::exp float64", "x:0.aten::exp float16", "x:0.claims all",
            ])
        let failure = try #require(reader.elements.first { $0.name == "failure" })
        #expect(failure.attributes["message"] == "1 of 1 cases failed: a < b & \"c\" \u{FFFD}[31m </script>")
        #expect(failure.text.contains("second line") && failure.text.contains("cresset conformance --case f0"))
        let skipped = try #require(reader.elements.first { $0.name == "skipped" })
        #expect(skipped.attributes["message"] == "unsupported: no float16")
    }

    @Test func thePageHoldsEverythingAndNeedsNothing() throws {
        let page = Report.page([report(), Report(device: "y:0", driver: "")])
        #expect(!page.contains("http") && !page.contains("src=") && !page.contains("url("))
        #expect(page.contains("driver &quot;1&quot; &lt;beta&gt;"))
        let start = try #require(page.range(of: "id=\"data\">"))
        let end = try #require(page.range(of: "</script>", range: start.upperBound..<page.endIndex))
        let data = try JSON.parse(String(page[start.upperBound..<end.lowerBound]))
        #expect(data["ops"] == ["aten::exp", "claims"])
        #expect(data["dtypes"] == ["float64", "float32", "float16"])
        let device = data["devices"]?[0]
        #expect(device?["rows"]?[0]?[1] == [2, 0, 0, 0, 0.25, 1e-7, 1.5])
        #expect(device?["rows"]?[0]?[0] == [0, 1, 0, 0, nil, 2.0, nil])
        #expect(device?["rows"]?[1]?[3] == [0, 1, 0, 0])
        #expect(device?["failures"]?[0]?["message"]?.stringValue == hostile)
        #expect(device?["failures"]?[0]?["at"] == [0, 0])
        #expect(data["devices"]?[1]?["rows"]?[0]?[0] == 0)
    }

    @Test func theTableOfOperationsIsMadeFromReports() throws {
        var report = Report(device: "x:0", driver: "a|b")
        report.seconds = 3
        for dtype in DType.allCases where Operators.find("aten::relu")?.dtypes.contains(dtype) == true {
            report.add(.passed, id: "p", op: "aten::relu", dtype: dtype)
        }
        report.add(.passed, id: "p", op: "aten::exp", dtype: .float32)
        report.add(.failed("no"), id: "p", op: "aten::exp", dtype: .float64)
        let json = try JSON.parse(report.json.serialized())
        let table = try OpsTable([json, .array([json])]).markdown
        let count = report.matrix["aten::relu"]?.count ?? 0
        #expect(table.contains(#"| x:0 | a\|b | \#(count + 2) | \#(count + 1) | 1 | 0 | 0 |"#))
        let lines = table.split(separator: "\n")
        #expect(
            lines.contains { $0.hasPrefix("| `aten::relu` | ") && $0.hasSuffix("| all (\(count)) | all (\(count)) |") })
        #expect(lines.contains { $0.hasPrefix("| `aten::exp` | ") && $0.hasSuffix("| float32 (2) | float32 (2) |") })
        #expect(lines.contains { $0.hasPrefix("| `aten::log` | ") && $0.hasSuffix("| not run | not run |") })
        report.seconds = 4
        #expect(try OpsTable([report.json, report.json]).markdown == table)
    }

    @Test func theTableOfTheDocumentationNamesEveryOperation() throws {
        let text = try FileSystem.text(of: ExpectationsTests.package + "/docs/ops.md")
        let named = Set(text.split(separator: "\n").compactMap { $0.split(separator: "`").dropFirst().first })
        let missing = Operators.all.map(\.name).filter { !named.contains(Substring($0)) }
        #expect(missing.isEmpty, "not in docs/ops.md; run make docs ARGS=ops")
    }
}

/// The elements of an XML text.
private final class XMLReader {
    struct Element {
        var name: String
        var attributes: [String: String]
        var text = ""
    }
    private(set) var elements: [Element] = []

    /// A small strict reader, as Foundation's needs a library of its own on Linux: tags nest, attributes are quoted,
    /// entities are known, and no character stands there that XML does not allow.
    func read(_ text: String) -> Bool {
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 || $0 == "\n" }) else { return false }
        var rest = text[...]
        guard let declaration = rest.range(of: "?>"), rest.hasPrefix("<?xml ") else { return false }
        rest = rest[declaration.upperBound...]
        var open: [Int] = []
        while let start = rest.firstIndex(of: "<") {
            guard let content = decoded(rest[..<start]) else { return false }
            if let last = open.last { elements[last].text += content }
            guard let end = rest.firstIndex(of: ">") else { return false }
            var tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("/") {
                guard let last = open.popLast(), elements[last].name == tag.dropFirst() else { return false }
                continue
            }
            let isClosed = tag.hasSuffix("/")
            if isClosed { tag = tag.dropLast() }
            guard let element = element(tag) else { return false }
            elements.append(element)
            if !isClosed { open.append(elements.count - 1) }
        }
        return open.isEmpty && rest.allSatisfy(\.isWhitespace)
    }

    private func element(_ tag: Substring) -> Element? {
        let name = tag.prefix { $0 != " " }
        var element = Element(name: String(name), attributes: [:])
        var rest = tag.dropFirst(name.count)
        while let equals = rest.firstIndex(of: "=") {
            let key = rest[..<equals].trimmingCharacters(in: .whitespaces)
            rest = rest[rest.index(after: equals)...]
            guard rest.first == "\"", let end = rest.dropFirst().firstIndex(of: "\""),
                let value = decoded(rest[rest.index(after: rest.startIndex)..<end])
            else { return nil }
            element.attributes[key] = value
            rest = rest[rest.index(after: end)...]
        }
        return rest.allSatisfy(\.isWhitespace) ? element : nil
    }

    private func decoded(_ text: Substring) -> String? {
        let entities = ["lt": "<", "gt": ">", "amp": "&", "quot": "\"", "#10": "\n", "#13": "\r", "#9": "\t"]
        var result = ""
        var rest = text
        while let start = rest.firstIndex(of: "&") {
            result += rest[..<start]
            guard let end = rest[start...].firstIndex(of: ";"),
                let character = entities[String(rest[rest.index(after: start)..<end])]
            else { return nil }
            result += character
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}
