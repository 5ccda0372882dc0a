import Cresset
import CressetIO
import Foundation
import Testing

import ConformanceSuite

/// What a backend's file of expectations does to a report, rule by rule.
@Suite struct ExpectationsTests {
    private let relu = Cell(op: "aten::relu", dtype: .float32, layout: .sliced, direction: .forward)
    private let today = Day("2026-06-15")

    private func report(_ text: String, driver: String = "llvmpipe 1.2") throws -> Report {
        var report = Report(device: "x:0", driver: driver)
        report.expectations = try Expectations(text: text, path: "x.json", driver: driver, today: #require(today))
        return report
    }

    private func add(_ verdict: Verdict, _ report: inout Report, _ kind: FailureKind? = nil) {
        report.add(
            verdict, id: "aten::relu/float32/0/sliced/forward", op: relu.op, dtype: relu.dtype, cell: relu,
            evidence: Evidence(kind: kind))
    }

    private func failing(_ members: String = "", until: String = "2026-12-31") -> String {
        """
        {"expected_failures": [
          {"op": "aten::relu"\(members), "reason": "the driver's fault", "expires": "\(until)"}]}
        """
    }

    @Test func anExpectedFailureIsCountedApart() throws {
        var report = try report(failing())
        add(.failed("wrong"), &report)
        #expect(report.expected == 1 && report.failed == 0 && report.passed == 0 && report.total == 1)
        // Never a pass: a run of nothing else is not good.
        #expect(!report.isGood)
        report.add(.passed, id: "other", op: "aten::exp")
        #expect(report.isGood && report.passed == 1)
        let failure = try #require(report.failures.first)
        #expect(failure.status == "expected")
        #expect(failure.message == "the driver's fault (x.json:2, until 2026-12-31)\nwrong")
        #expect(report.json["expected"] == 1)
        #expect(report.json["ops"]?["aten::relu"]?["expected"] == 1)
        #expect(report.summary.contains("1 failed as expected"))
        #expect(report.details().contains("failed as expected: 1 cases of aten::relu: the driver's fault"))
    }

    @Test func anUnexpectedPassFails() throws {
        var report = try report(failing())
        add(.passed, &report)
        #expect(report.failed == 1 && report.passed == 0)
        #expect(report.failures.first?.message == "it passes, and x.json:2 expects it to fail")
        add(.unsupported("no such instruction"), &report)
        #expect(report.failed == 2 && report.unsupported == 0)
    }

    @Test func anExpiredExpectationFails() throws {
        var report = try report(failing(until: "2026-06-14"))
        add(.failed("wrong"), &report)
        report.settleExpectations(wasWhole: false)
        #expect(report.failed == 2 && report.expected == 0)
        #expect(report.failures.last?.message.contains("x.json:2 expired on 2026-06-14") == true)
        var last = try self.report(failing(until: "2026-06-15"))
        add(.failed("wrong"), &last)
        last.settleExpectations(wasWhole: true)
        #expect(last.failed == 0 && last.expected == 1)
    }

    @Test func anEntryThatCoversNothingFails() throws {
        for members in [#", "layouts": ["transposed"]"#, #", "dtypes": ["float64"]"#, #", "directions": ["gradient"]"#]
        {
            var report = try report(failing(members))
            add(.passed, &report)
            #expect(report.passed == 1)
            report.settleExpectations(wasWhole: false)
            #expect(report.failed == 0)
            report.settleExpectations(wasWhole: true)
            #expect(report.failures.map(\.message) == ["x.json:2 covers no case: the driver's fault"])
        }
    }

    @Test func patternsAndDriversLimitAnEntry() throws {
        for (op, covers) in [("aten::*", true), ("*relu*", true), ("aten::relu_", false), ("relu", false)] {
            var report = try report(failing().replacingOccurrences(of: "\"aten::relu\"", with: "\"\(op)\""))
            add(.failed("wrong"), &report)
            #expect(report.expected == (covers ? 1 : 0), "\(op)")
        }
        for (pattern, covers) in [("aten::relu/float32/0/*", true), ("aten::relu/float32/1/*", false)] {
            var report = try report(failing(", \"cases\": [\"\(pattern)\"]"))
            add(.failed("wrong"), &report)
            #expect(report.expected == (covers ? 1 : 0), "\(pattern)")
        }
        // Another driver's entry neither excuses nor is idle.
        var report = try report(failing(#", "driver": "PoCL""#))
        add(.failed("wrong"), &report)
        report.settleExpectations(wasWhole: true)
        #expect(report.failed == 1 && report.expected == 0)
    }

    @Test func whatIsUnsupportedIsRefusedAndNothingElse() throws {
        let text = #"{"unsupported": [{"op": "aten::relu", "reason": "the chip has none"}]}"#
        var report = try report(text)
        add(.failed("cannot"), &report, .refusal)
        add(.unsupported("no instruction"), &report)
        #expect(report.unsupported == 2 && report.failed == 0)
        #expect(report.failures.allSatisfy { $0.message == "the chip has none" })
        add(.failed("wrong"), &report, .mismatch)
        #expect(report.failed == 1)
        add(.passed, &report)
        #expect(report.failed == 2 && report.passed == 0)
        #expect(report.failures.last?.message == "it passes, and x.json:1 says that it is unsupported")
    }

    @Test func aMalformedFileIsAnErrorWithItsPlace() {
        let wrong = [
            ("", "line 1, column 1"), ("{\"unsupported\": [}", "line 1, column 18"),
            ("{\"unsupportd\": []}", "there is no list \"unsupportd\""),
            ("{\"unsupported\": [\n  {\"op\": \"a\"}]}", "an entry needs a \"reason\" at line 2, column 3"),
            ("{\"unsupported\": [{\"reason\": \"r\"}]}", "an entry needs an \"op\" or \"cases\""),
            ("{\"unsupported\": [{\"op\": \"a\", \"op\": \"b\", \"reason\": \"r\"}]}", "\"op\" stands here again"),
            ("{\"unsupported\": [{\"op\": \"a\", \"reason\": \"r\", \"expires\": \"2026-01-01\"}]}", "does not expire"),
            ("{\"unsupported\": [{\"op\": 3, \"reason\": \"r\"}]}", "a string should stand here"),
            ("{\"expected_failures\": [{\"op\": \"a\", \"reason\": \"r\"}]}", "needs a day on which it \"expires\""),
            (failing(until: "2026-02-30"), "\"2026-02-30\" is not known here at line 2"),
            (failing(until: "tomorrow"), "\"tomorrow\" is not known here"),
            (failing(#", "dtypes": ["float31"]"#), "\"float31\" is not known here at line 2"),
            (failing(#", "layouts": []"#), "an empty list covers nothing"),
            (failing(#", "why": "not""#), "there is no member \"why\" of an entry"),
        ]
        for (text, message) in wrong {
            #expect {
                try Expectations(text: text, path: "x.json", driver: "")
            } throws: { error in
                "\(error)".contains(message) && "\(error)".contains("x.json: ")
            }
        }
    }

    @Test func theFileLiesWithTheBackend() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cresset-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for path in ["plugins", "package/.build/debug", "package/Backends/Chip"] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(path)", withIntermediateDirectories: true)
        }
        let plugin = "\(folder)/plugins/libmychip.so"
        #expect(Expectations.path(ofBackendFrom: plugin) == nil)
        try FileSystem.replace("\(folder)/plugins/libmychip.conformance.json", with: "{}")
        #expect(Expectations.path(ofBackendFrom: plugin) == "\(folder)/plugins/libmychip.conformance.json")
        try FileSystem.replace("\(folder)/package/Backends/Chip/conformance.json", with: "{}")
        #expect(
            Expectations.path(ofBackendFrom: "\(folder)/package/.build/debug/libCressetBackendChip.so")
                == "\(folder)/package/Backends/Chip/conformance.json")
    }

    /// The package's folder.
    static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    @Test func everyBackendHasAFile() throws {
        for name in ["Reference", "OpenBLAS", "OpenCL", "Vulkan"] {
            let path = "\(Self.package)/Backends/\(name)/conformance.json"
            _ = try Expectations(path: path, driver: "")
        }
    }

    /// A worker tells what it saw, and whoever listens has the expectations.
    @Test func expectationsAreAppliedOnceWhereItIsTold() throws {
        let told = Lock([String]())
        let suite = try ConformanceSuite.Suite(Selection(op: { $0 == "aten::neg" }, dtype: .int32))
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cresset-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        suite.context.expectations = folder + "/x.json"
        try FileSystem.replace(
            folder + "/x.json", with: #"{"unsupported": [{"op": "aten::neg", "reason": "it is told so"}]}"#)
        suite.context.events = { event in told.withLock { $0.append(event.line) } }
        let report = try suite.run(on: .reference)
        #expect(report.passed == 0 && report.failed > 0)
        var parent = Report(device: "", driver: "")
        for line in told.withLock({ $0 }) {
            let event = try #require(RunEvent(line: line))
            if case .opened(let driver, let abi, let path) = event {
                #expect(abi == 1)
                let path = try #require(path)
                parent.expectations = try Expectations(path: path, driver: driver)
            }
            if case .found(_, let verdict) = event { #expect(verdict == .passed) }
            parent.take(event)
        }
        #expect(parent.failed == report.failed && parent.passed == 0)
    }
}
