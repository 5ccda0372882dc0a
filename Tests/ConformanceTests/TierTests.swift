import Cresset
import Testing

import ConformanceSuite

/// What tiers leave out, and what they may not.
@Suite struct TierTests {
    private func group(_ op: Operator, _ dtype: DType, _ tier: Tier = .full) -> CaseGroup {
        CaseGroup(op, dtype, Selection(tier: tier))
    }

    @Test func smokeHasEveryOperationDTypeAndDirection() {
        var layouts: Set<Layout> = []
        for op in Suite.operators(of: .smoke) {
            for dtype in op.dtypes {
                let group = group(op, dtype)
                let cells = { (cases: [Case]) in Set(cases.map(\.cell.direction)) }
                #expect(cells(group.smoke) == cells(group.cases), "\(op.name) \(dtype)")
                #expect(Set(group.smoke.map(\.id)).count == group.smoke.count, "\(op.name) \(dtype)")
                layouts.formUnion(group.smoke.map(\.cell.layout))
            }
        }
        #expect(layouts == Set(Layout.allCases))
    }

    @Test func smokeIsASmallPartOfFull() {
        var (smoke, full) = (0, 0)
        for op in Operators.all {
            guard let dtype = op.dtypes.min(by: { $0.rawValue > $1.rawValue }) else { continue }
            let group = group(op, dtype)
            (smoke, full) = (smoke + group.smoke.count, full + group.cases.count)
        }
        #expect(smoke > 0 && 3 * smoke < full)
    }

    @Test func theChoiceIsTheSameEveryTime() throws {
        let op = try #require(Operators.find("aten::add.Tensor"))
        let first = group(op, .float32)
        #expect(first.smoke.map(\.id) == group(op, .float32).smoke.map(\.id))
        let other = CaseGroup(op, .float32, Selection(seed: 1))
        #expect(first.smoke.map(\.id) != other.smoke.map(\.id))
    }

    @Test func deepHasAllOfFullAndMore() throws {
        for name in ["aten::softmax.int", "aten::add.Tensor", "aten::gather"] {
            let op = try #require(Operators.find(name))
            let (full, deep) = (group(op, .float32), group(op, .float32, .deep))
            let ids = Set(deep.cases.map(\.id))
            #expect(ids.count == deep.cases.count)
            #expect(ids.isSuperset(of: full.cases.map(\.id)) && ids.count > 3 * full.cases.count)
        }
    }

    /// Processes that share a run do each case once, and what is asked of the whole at the end.
    @Test func sharesAreTheWhole() throws {
        func run(_ part: Part) throws -> Report {
            let suite = try Suite(Selection(op: { $0.hasPrefix("aten::logical_") }, tier: .smoke))
            suite.context.part = part
            return try suite.run(on: .reference)
        }
        let whole = try run(.whole)
        let shares = try Part.shares(3).map(run)
        let rest = try run(.rest)
        #expect(whole.isGood && shares.allSatisfy { $0.isGood && $0.passed < whole.passed })
        #expect(rest.failed == 0)
        #expect(shares.reduce(rest.passed) { $0 + $1.passed } == whole.passed)
        #expect(shares.reduce(Set(rest.cells.keys)) { $0.union($1.cells.keys) } == Set(whole.cells.keys))
        #expect(Part.shares(2).map(\.text) == ["1/2", "2/2"] && Part("2/3") == .share(index: 1, count: 3))
        for text in ["", "0/2", "3/2", "1", "1/2/3", "x/y"] { #expect(Part(text) == nil, "\(text)") }
    }

    @Test func largeProbesAreRightOnTheReference() throws {
        let names = ["probe::sizes", "probe::broadcast", "probe::ranks", "probe::ranks_reduced"]
        let suite = try Suite(Selection(op: { names.contains($0) }, dtype: .int32, tier: .deep))
        let report = try suite.run(on: .reference)
        #expect(report.isGood && report.ops.count == names.count, "\(report.details())")
    }

    @Test func aRunBeyondItsBudgetSaysSo() {
        var report = Report(device: "x:0", driver: "")
        (report.tier, report.budget, report.seconds) = (.smoke, 60, 59)
        #expect(report.overrun == nil && !report.summary.contains("BUDGET"))
        report.seconds = 75
        #expect(report.overrun == 15 && report.summary.contains("OVER THE BUDGET of 60 s for tier smoke by 15.0 s"))
        // Kernels that had to be compiled are no part of it.
        (report.compiling, report.compiled) = (20, 3)
        #expect(report.overrun == nil && report.summary.contains("20.0 s of it to get kernels ready"))
    }
}

/// Modes besides the test, and random work.
@Suite(.serialized) struct ModeTests {
    private func selection(_ op: String, _ dtype: DType? = nil) -> Selection {
        Selection(op: { $0 == op }, dtype: dtype)
    }

    @Test func gradientsAreComparedTwice() throws {
        var selection = selection("aten::mul.Tensor", .float64)
        selection.direction = .gradient
        let suite = try Suite(selection)
        suite.checksDifferences = true
        let report = try suite.run(on: .reference)
        #expect(report.isGood, "\(report.details())")
        #expect(report.cells.keys.allSatisfy { $0.direction == .gradient })
        let begun = Lock([String]())
        suite.context.events = { keepID(of: $0, in: begun) }
        _ = try suite.run(on: .reference)
        let ids = begun.withLock { $0 }
        for order in FiniteDifferences.Order.allCases { #expect(ids.contains { $0.hasSuffix(order.rawValue) }) }
    }

    @Test func aWrongSecondDerivativeIsFound() throws {
        // Right values and first gradients; the gradient of the gradient is lost.
        let op = Operator(
            "conformance_test::square(Tensor self) -> Tensor", dtypes: [.float64], composition: ["pointwise"],
            samples: { g in [Sample([.tensor(g.tensor([5]))])] },
            call: { (a) throws(CressetError) in
                let x = try a.tensor("self")
                return [.tensor(x * x.detach() * 2 - (x * x).detach())]
            })
        var maker = SampleMaker(dtype: .float64, seed: 1)
        let call = try VariableCall(op, op.samples(&maker)[0].values, on: .reference)
        let differences = FiniteDifferences(Selection())
        let (first, second) = (
            differences.item(call, .first), differences.item(call, .second)
        )
        #expect(differences.verdict(on: first) == .passed)
        guard case .failed(let message) = differences.verdict(on: second) else {
            Issue.record("a second derivative of 0 should be found")
            return
        }
        #expect(message.contains("second gradient by argument 0"))
    }

    @Test func claimsAreNoVerdicts() throws {
        let report = try Support.run(on: .reference, selection("aten::softmax.int"), RunContext())
        #expect(report.total == 0 && !report.isGood)
        #expect(Support.text(report).contains("aten::softmax.int"))
        #expect(report.findings.first?["claims"]?["reference:0"]?["aten::softmax.int"]?["float32"] != nil)
    }

    @Test func timesComeWithRates() throws {
        let report = try Performance.run(on: .reference, selection("aten::relu", .float32), RunContext())
        let finding = try #require(report.findings.first)
        #expect((finding["seconds"]?.doubleValue ?? 0) > 0 && (finding["bytes"]?.intValue ?? 0) > 1 << 20)
        #expect((finding["flops_per_second"]?.doubleValue ?? 0) > 0)
        #expect(Performance.text(report).contains("aten::relu"))
    }

    @Test func randomWorkIsTheSameForOneSeed() throws {
        func run(_ plan: FuzzPlan) throws -> [String] {
            let begun = Lock([String]())
            var context = RunContext()
            context.events = { keepID(of: $0, in: begun) }
            let report = try Fuzz(plan, on: .reference, context).run()
            #expect(report.isGood, "\(report.details())")
            return begun.withLock { $0 }
        }
        let first = try run(FuzzPlan(seconds: 0.2, seed: 4))
        let again = try run(FuzzPlan(seconds: 0.2, seed: 4))
        #expect(first.count >= 16 && Array(first.prefix(16)) == Array(again.prefix(16)))
        #expect(try run(FuzzPlan(seconds: 0.2, seed: 5)).first != first.first)
        let seed = try #require(first[3].split(separator: "/").last.flatMap { UInt64($0) })
        #expect(try run(FuzzPlan(seconds: 0, seed: 0, only: seed)) == [first[3]])
    }
}

/// Keeps the name of a case that begins.
private func keepID(of event: RunEvent, in begun: Lock<[String]>) {
    if case .starting(_, let entry) = event { begun.withLock { $0.append(entry.id) } }
}
