import Cresset
import CressetIO
import Glibc
import Synchronization
import Testing

import ConformanceSuite

/// The suite against devices that are wrong and the one that is right.
@Suite(.serialized) struct SuiteTests {
    private func selection(_ op: String, _ dtype: DType? = nil) -> Selection {
        Selection(op: { $0 == op }, dtype: dtype)
    }

    @Test func aRightOperationPasses() throws {
        let report = try Suite(selection("aten::softmax.int", .float32)).run(on: .reference)
        #expect(report.isGood, "\(report.details())")
        let layouts = Set(report.cells.keys.map(\.layout))
        // It has one tensor, so none that shares memory with another.
        #expect(layouts == Set(Layout.allCases).subtracting([.aliased]))
        #expect(Set(report.cells.keys.map(\.direction)) == Set(Direction.allCases))
    }

    @Test func aWrongKernelIsReported() throws {
        // For this thread and while this test lasts: a kernel stays registered, and others test the same device.
        let thread = Mutex<pthread_t?>(pthread_self())
        defer { thread.withLock { $0 = nil } }
        // Right but for numbers above 3.
        try Registry.register(
            "aten::relu", on: .reference, dtypes: [.float32], priority: 7, name: "wrong relu",
            accepts: { _ in thread.withLock { $0 == pthread_self() } }
        ) { arguments in
            guard let x = arguments[0].tensor else { return [] }
            return [x.clamp(min: 0, max: 3)]
        }
        let report = try Suite(selection("aten::relu", .float32)).run(on: .reference)
        #expect(report.failed > 0)
        let failure = try #require(report.failures.first)
        #expect(failure.op == "aten::relu" && failure.message.contains("elements are wrong"))
        let command = try #require(failure.command)
        #expect(command.contains("--op '^aten::relu$' --dtype float32 --seed 0 --case aten::relu/float32/"))
        // The command's case alone fails again.
        let again = try Suite(Selection(op: { $0 == "aten::relu" }, dtype: .float32, id: failure.id)).run(
            on: .reference)
        #expect(again.total == 1 && again.failed == 1)
        // So does the smaller case that was made of it: one element above 3.
        let smaller = try #require(failure.minimised)
        #expect(smaller.call.contains("aten::relu(self: float32 [] = ["))
        #expect(smaller.message.contains("1 of 1 elements are wrong"))
        let id = try #require(smaller.command.split(separator: " ").last.map(String.init))
        #expect(id.hasPrefix(failure.id + "@"))
        let alone = try Suite(Selection(op: { $0 == "aten::relu" }, dtype: .float32, id: id)).run(on: .reference)
        #expect(alone.total == 1 && alone.failed == 1)
        // One of a direction is made smaller, and none where that is not wanted.
        #expect(
            report.failures.count { $0.minimised != nil }
                == Set(report.failures.map { $0.id.contains("gradient") }).count)
        let plain = try Suite(selection("aten::relu", .float32))
        plain.context.minimises = false
        #expect(try plain.run(on: .reference).failures.allSatisfy { $0.minimised == nil })
    }

    @Test func aKernelThatIsNeverAskedIsReported() throws {
        try Registry.register("aten::asinh", on: .reference, dtypes: [.float32], accepts: { _ in false }) { _ in [] }
        var report = Report(device: "reference:0", driver: "")
        try Claims.check(.reference, ran: [], &report)
        #expect(
            report.failures.contains {
                $0.message.contains("aten::asinh") && $0.message.contains("no case ran it")
            })
        #expect(report.failures.contains { $0.message.contains("the family matmul for float32") })
    }

    @Test func aCellThatDidNotRunIsReported() throws {
        let op = try #require(Operators.find("aten::neg"))
        let group = CaseGroup(op, .float32, Selection())
        #expect(!group.cases.isEmpty)
        var report = Report(device: "reference:0", driver: "")
        Claims.check(cells: Set(group.cases.map(\.cell)), &report)
        #expect(report.failures.contains { $0.message == "the cell was not run" && $0.op == "aten::neg" })
    }

    @Test func noCaseIsAFailure() throws {
        let report = try Suite(selection("aten::nothing")).run(on: .reference)
        #expect(!report.isGood)
        #expect(report.failures.contains { $0.message == "no case was executed" })
    }

    @Test func theOracleIsNotJudgedByItself() throws {
        #expect(throws: CressetError.self) { try Suite(selection("aten::neg")).run(on: try OracleDevice.device) }
    }

    @Test func argumentsThatShareMemoryAreShifted() throws {
        var maker = SampleMaker(dtype: .float32, seed: 3)
        let values = try HostTensor(maker.tensor([2, 3]))
        let (first, second) = Placed.aliased(values)
        let (memory, x) = try first.place(on: .reference)
        let (_, y) = try second.place(on: .reference, in: memory)
        #expect(try HostTensor(x) == values)
        #expect(x.sharesStorage(with: y) && y.storageOffset == x.storageOffset + 1)
        #expect(
            try Set(
                CaseGroup(#require(Operators.find("aten::add.Tensor")), .float32, Selection()).cases.map(\.cell.layout))
                == Set(Layout.allCases))
    }

    @Test func memoryBesideATensorIsGuarded() throws {
        let memory = MemoryGuard(.reference, front: 80)
        let tensor = memory.run { Tensor.ones([3], dtype: .int32, device: .reference) }
        #expect(tensor.storageOffset == 20)
        #expect(try memory.damage() == nil)
        // One element further than it goes.
        try Probe.doubleInPlace(tensor.strided([3], [1], from: 1))
        #expect(try memory.damage()?.contains("behind the last") == true)
    }

    @Test func aRunIsToldLineByLine() throws {
        let lines = Lines()
        let suite = try Suite(selection("aten::neg", .float32))
        suite.context.events = { lines.add($0.line) }
        let report = try suite.run(on: .reference)
        var told = Report(device: "", driver: "")
        for line in lines.all { told.take(try #require(RunEvent(line: line))) }
        #expect(told.passed == report.passed && told.cells == report.cells && told.driver == report.driver)
        // Another process may go on in the middle.
        let rest = try Suite(selection("aten::neg", .float32))
        var resumption = Resumption()
        resumption.done = 3
        rest.context.resumption = try #require(Resumption(resumption.text))
        #expect(
            try rest.run(on: .reference).cells.values.reduce(0) { $0 + $1.passed }
                == report.cells.values.reduce(-3) { $0 + $1.passed })
    }

    @Test func layoutsShowTheSameValues() throws {
        var maker = SampleMaker(dtype: .float32, seed: 3)
        for shape in [[5], [3, 4], [2, 3, 4], []] as [Shape] {
            let values = try HostTensor(maker.tensor(shape))
            for layout in [Layout.contiguous, .transposed, .sliced] {
                guard let placed = Placed(values, layout, position: 0) else { continue }
                let (memory, view) = try placed.place(on: .reference)
                #expect(try HostTensor(view) == values)
                #expect(view.sharesStorage(with: memory))
                if layout == .transposed { #expect(!view.isContiguous) }
                if layout == .sliced { #expect(view.storageOffset > 0) }
            }
        }
    }
}

/// Lines that were told, one after another.
private final class Lines: @unchecked Sendable {
    // Only the thread that runs the suite tells.
    private(set) var all: [String] = []
    func add(_ line: String) { all.append(line) }
}

/// What judges the reference.
@Suite struct ReferenceJudgeTests {
    @Test func goldensPass() throws {
        let file = try CaseFile.embedded()
        #expect(file.cases.count > 1000)
        for item in file.cases {
            let verdict = file.run(item, on: .reference)
            #expect(verdict == .passed, "\(item.id): \(verdict)")
        }
    }

    @Test func identitiesHold() {
        var report = Report(device: "reference:0", driver: "")
        Identities.run(on: .reference, &report)
        #expect(report.isGood, "\(report.details())")
        #expect(report.ops.count >= 15)
    }

    @Test func differencesAgree() throws {
        var report = Report(device: "reference:0", driver: "")
        try FiniteDifferences(Selection()).run(&report)
        #expect(report.isGood, "\(report.details())")
    }
}
