import Cresset
import Testing

import ConformanceSuite

/// Where PyTorch leaves open which of several equal values is named, any may be, and nothing else.
@Suite struct FreeIndicesTests {
    private func agree(_ got: [Int], _ right: [Int], op: String = "aten::topk") throws -> Bool {
        let declaration = try #require(Operators.find(op))
        let values = Tensor([3, 7, 7, 1, 7, Float.nan] as [Float], device: .reference)
        return try FreeIndices(declaration, [.tensor(values), 2], ["dim": 0]).agree(
            Tensor(got, device: .reference), Tensor(right, device: .reference))
    }

    @Test func equalValuesMayBeExchanged() throws {
        #expect(try agree([1, 2], [2, 1]))
        #expect(try agree([4, 5], [1, 5]), "NaN is NaN")
    }

    @Test func nothingElseMay() throws {
        #expect(try !agree([1, 0], [1, 2]), "another value")
        #expect(try !agree([1, 1], [1, 2]), "one place twice")
        #expect(try !agree([1, 6], [1, 2]), "beyond the end")
        #expect(try !agree([1, -2], [1, 4]), "before the start")
        #expect(try !agree([1], [1, 2]), "another shape")
    }

    @Test func itIsDeclaredWhereItHolds() {
        #expect(Operators.find("aten::topk")?.freeIndices == [1])
        #expect(Operators.find("aten::sort.stable")?.freeIndices == [], "a stable sort has one right answer")
        #expect(Operators.find("aten::max.dim")?.freeIndices == [])
    }
}
