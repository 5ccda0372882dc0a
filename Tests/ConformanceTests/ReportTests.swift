import Cresset
import CressetIO
import Testing

import ConformanceSuite

/// What a report says, and when it is good.
@Suite struct ReportTests {
    @Test func nothingExecutedIsNoPass() {
        let report = Report(device: "x:0", driver: "")
        #expect(report.total == 0)
        #expect(!report.isGood)
    }

    @Test func unsupportedIsNoPass() {
        var report = Report(device: "x:0", driver: "")
        report.add(.unsupported("cannot"), id: "a", op: "aten::relu")
        #expect(!report.isGood)
        report.add(.passed, id: "b", op: "aten::relu")
        #expect(report.isGood)
        report.unsupportedFails = true
        #expect(!report.isGood)
    }

    @Test func theJSONHasTheFormOfTheCaseFiles() throws {
        var report = Report(device: "vulkan:0", driver: "lavapipe")
        report.add(.passed, id: "a", op: "aten::relu", dtype: .float32)
        report.add(.failed("wrong"), id: "b", op: "aten::relu", dtype: .float32, command: "cresset …")
        report.add(.unsupported("cannot"), id: "c", op: "aten::exp")
        let json = try JSON.parse(report.json.serialized(pretty: true))
        #expect(json["device"] == "vulkan:0" && json["driver"] == "lavapipe")
        #expect(json["total"] == 3 && json["passed"] == 1 && json["failed"] == 1 && json["unsupported"] == 1)
        #expect(json["ops"]?["aten::relu"] == ["passed": 1, "failed": 1, "unsupported": 0])
        #expect(json["failures"]?.arrayValue?.count == 2)
        let failure = json["failures"]?[0]
        #expect(failure?["id"] == "b" && failure?["op"] == "aten::relu" && failure?["status"] == "failed")
        #expect(failure?["message"] == "wrong")
        #expect(json["failures"]?[1]?["status"] == "unsupported")
        #expect(json["matrix"]?["aten::relu"]?["float32"]?["failed"] == 1)
    }
}

/// How results are compared.
@Suite struct JudgementTests {
    private func tensor(_ values: [Float]) throws -> HostTensor {
        try HostTensor(Tensor(values, device: .reference))
    }

    @Test func exactResultsMustBeMet() throws {
        let right = Expected(exact: try tensor([1, .nan, .infinity, 0]))
        #expect(Judgement.compare(try tensor([1, .nan, .infinity, -0.0]), right) == nil)
        #expect(Judgement.compare(try tensor([1, 1, .infinity, 0]), right) != nil)
        #expect(Judgement.compare(try tensor([1, .nan, -.infinity, 0]), right) != nil)
        #expect(Judgement.compare(try tensor([Float(1).nextUp, .nan, .infinity, 0]), right) != nil)
        #expect(Judgement.compare(try tensor([.nan, .nan, .infinity, 0]), right) != nil)
        #expect(Judgement.compare(nil, right) != nil)
    }

    @Test func integersAreComparedAsIntegers() throws {
        let big = Int64(1) << 60
        let right = Expected(exact: try HostTensor(Tensor([big], device: .reference)))
        let mismatch = Judgement.compare(try HostTensor(Tensor([big + 1], device: .reference)), right)
        #expect(mismatch != nil)
    }

    @Test func theBoundIsTheTolerance() throws {
        var right = Expected(exact: try tensor([1, 2, 3, 4]))
        right.bounds = .init(
            values: [1, 2, 3, 3e38], bounds: [1e-6, 0, .infinity, 1e38], flags: [0, 0, 1, 2])
        #expect(Judgement.compare(try tensor([1.0000009, 2, -77, .infinity]), right) == nil)
        #expect(Judgement.compare(try tensor([1.000002, 2, 3, 3e38]), right) != nil)
        #expect(Judgement.compare(try tensor([1, 2.0000002, 3, 3e38]), right) != nil)
        #expect(Judgement.compare(try tensor([1, 2, 3, -.infinity]), right) != nil)
    }

    @Test func mismatchesAreToldWithPlaceAndSize() throws {
        let right = Expected(exact: try tensor([1, 2, 4, 8]))
        let mismatch = try #require(Judgement.compare(try tensor([1, 2.5, 4, 9]), right))
        #expect(mismatch.text.contains("2 of 4 elements are wrong (50.0 %)"))
        #expect(mismatch.text.contains("worst absolute error 1.0 at [3]: got 9.0, right is 8.0"))
        #expect(mismatch.text.contains("worst relative error 0.25 at [1]"))
        #expect(mismatch.text.contains("worst ulp error"))
    }
}
