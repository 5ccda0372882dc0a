import Cresset
import Testing

import ConformanceSuite

/// How failing cases are made smaller.
@Suite struct ReductionTests {
    private func cases(_ op: String, _ dtype: DType = .float32) throws -> [Case] {
        let group = CaseGroup(try #require(Operators.find(op)), dtype, Selection())
        return group.cases.filter { $0.cell.direction == .forward }
    }

    private func runs(_ item: Case) -> Bool {
        guard let arguments = try? PlacedArguments(item.arguments, on: .reference) else { return false }
        return (try? item.run(arguments, on: .reference)) != nil
    }

    /// The smallest that the operation takes, and the steps to it.
    private func smallest(of item: Case, where holds: (Case) -> Bool = { _ in true }) -> (Case, [Int]) {
        var (smallest, steps): (Case, [Int]) = (item, [])
        Reduction(item).walk { step, candidate in
            if step >= 300 { return nil }
            guard runs(candidate) && holds(candidate) else { return false }
            steps.append(step)
            smallest = candidate
            return true
        }
        return (smallest, steps)
    }

    private func tensors(_ item: Case) throws -> [Tensor] {
        try PlacedArguments(item.arguments, on: .reference).tensors.map(\.view)
    }

    @Test func everyOperationTakesSmallerArguments() throws {
        for op in [
            "aten::add.Tensor", "aten::softmax.int", "aten::matmul", "aten::cat", "aten::gather", "aten::conv2d",
        ] {
            for layout in [Layout.contiguous, .sliced, .transposed] {
                guard let item = try cases(op).first(where: { $0.cell.layout == layout }) else { continue }
                let (small, steps) = smallest(of: item)
                let counts = (
                    try tensors(item).reduce(0) { $0 + $1.numel }, try tensors(small).reduce(0) { $0 + $1.numel }
                )
                #expect(!steps.isEmpty && counts.1 < counts.0, "\(op) \(layout): \(counts)")
                #expect(try tensors(small).allSatisfy(\.isContiguous))
            }
        }
    }

    @Test func theStepsAreANameForTheCase() throws {
        for item in try cases("aten::add.Tensor").prefix(6) + cases("aten::cat").prefix(3) {
            let (small, steps) = smallest(of: item)
            let again = Reduction(item).apply(steps)
            #expect(again.description == small.description)
            #expect(again.id == item.id + "@" + steps.map(String.init).joined(separator: "."))
            // As a command names it.
            let selection = Selection(op: { $0 == item.cell.op }, dtype: .float32, id: again.id)
            let found = CaseGroup(item.declaration, .float32, selection).cases
            #expect(found.map(\.description) == [small.description])
        }
    }

    /// What makes it fail stays.
    @Test func aLayoutOrAValueThatMattersIsKept() throws {
        let sliced = try #require(try cases("aten::add.Tensor").first { $0.cell.layout == .sliced })
        let (byLayout, _) = smallest(of: sliced) { item in
            (try? tensors(item).contains { $0.storageOffset > 0 && $0.numel > 2 }) ?? false
        }
        #expect(byLayout.description.contains("offset"))
        let special = try #require(try cases("aten::add.Tensor").first { $0.cell.layout == .special })
        let (byValue, _) = smallest(of: special) { item in
            (try? tensors(item).contains { [Float]($0.reshape([-1])).contains(where: \.isNaN) }) ?? false
        }
        #expect(byValue.description.contains("nan"))
        #expect(try tensors(byValue).allSatisfy { $0.numel == 1 })
    }

    @Test func aCaseIsToldWithItsArguments() throws {
        let item = try #require(try cases("aten::softmax.int").first { $0.cell.layout == .transposed })
        #expect(item.description.contains("aten::softmax.int(self: float32 ["))
        #expect(item.description.contains("strides [1, ") && item.description.contains("dim: "))
        let (small, _) = smallest(of: item)
        #expect(small.description.contains(" = [1.0]"))
    }

    @Test func operandsAreThoseOfThePlace() throws {
        let item = try #require(
            try cases("aten::add.Tensor").first { item in
                let shapes = (try? tensors(item).map(\.shape)) ?? []
                return item.cell.layout == .contiguous && shapes.count == 2 && shapes[0] != shapes[1]
            })
        let views = try tensors(item)
        let sum = try HostTensor(views[0] + views[1])
        let text = try #require(item.operands(at: [sum.count - 1], of: sum))
        let last = try views.map { try HostTensor($0) }.map { $0.told($0.count - 1) }
        #expect(text == "operands at \(sum.index(of: sum.count - 1)): self = \(last[0]), other = \(last[1])")
        // A sum is made of many places.
        let softmax = try #require(try cases("aten::softmax.int").first)
        #expect(softmax.operands(at: [0], of: sum) == nil)
    }
}
