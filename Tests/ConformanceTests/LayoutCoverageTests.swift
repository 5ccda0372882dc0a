import Cresset
import Testing

import ConformanceSuite

/// Whether the samples of an operation can be laid out in each way that makes a difference to it.
@Suite(.serialized) struct LayoutCoverageTests {
    /// True where each of the operation's samples is refused once its tensors have other shapes.
    ///
    /// - Parameter change: another shape, or nil for a tensor that stays.
    private func refuses(_ op: Operator, _ dtype: DType, with change: (Shape) -> Shape?) -> Bool {
        var maker = SampleMaker(dtype: dtype, seed: 0)
        return op.samples(&maker).allSatisfy { sample in
            var changes = false
            func other(_ x: Tensor) -> Tensor {
                guard let shape = change(x.shape) else { return x }
                changes = true
                // (0 is a place wherever there are any: an error of an index might be told to another test.)
                return Tensor.full(shape, x.dtype.isInteger ? 0 : 1, dtype: x.dtype, device: .reference)
            }
            let values = sample.values.map { value -> Value in
                switch value {
                case .tensor(let x): .tensor(other(x))
                case .tensors(let list): .tensors(list.map(other))
                default: value
                }
            }
            guard changes else { return true }
            return (try? catching { try Operators.call(op.name, values) }) == nil
        }
    }

    /// True where each of the operation's samples is refused once its tensors have this shape.
    private func refuses(_ op: Operator, _ dtype: DType, _ shape: Shape) -> Bool {
        refuses(op, dtype) { _ in shape }
    }

    /// True where it takes no tensor without elements: whichever size of its samples' becomes 0.
    private func refusesZeroSize(_ op: Operator, _ dtype: DType) -> Bool {
        var maker = SampleMaker(dtype: dtype, seed: 0)
        let sizes = Set(op.samples(&maker).flatMap { $0.values.flatMap(\.shapes) }.flatMap { Array($0) })
        return refuses(op, dtype, [0])
            && sizes.allSatisfy { size in
                refuses(op, dtype) { shape in
                    shape.contains(size) ? Shape(shape.map { $0 == size ? 0 : $0 }) : nil
                }
            }
    }

    /// Layouts that an operation cannot have, by what is declared of it and by which calls it refuses.
    ///
    /// - Parameter missing: those that are looked at.
    private func impossible(_ missing: Set<Layout>, _ op: Operator, _ dtype: DType) -> Set<Layout> {
        // Without tensors there is nothing to lay out.
        guard op.schema.arguments.contains(where: { $0.type.hasPrefix("Tensor") }) else {
            return Set(Layout.allCases).subtracting([.contiguous])
        }
        var maker = SampleMaker(dtype: dtype, seed: 0)
        let samples = op.samples(&maker)
        let moved: Set<Layout> = [.transposed, .sliced, .padded, .expanded, .overlapping]
        var none: Set<Layout> = [.aliased, .permuted]
        if op.readsMemory { none.formUnion(moved) }
        if samples.allSatisfy({ !$0.takesOtherValues }) { none.formUnion([.special, .extreme]) }
        // Such samples would be other matrices, of which nothing is declared.
        if op.judgement != nil { none.formUnion([.expanded, .overlapping, .special, .extreme]) }
        if !dtype.isFloatingPoint { none.insert(.special) }
        // Degrees are given no values but those of their sample.
        if op.schema.arguments.allSatisfy({ !$0.isTensor || $0.name == "n" }) {
            none.formUnion([.special, .extreme])
        }
        // A vector has but one order of its dims, and a single element nothing that can be repeated or mixed.
        if !missing.isSubset(of: none.union([.zeroDim, .zeroSize])), refuses(op, dtype, [2, 2]) {
            none.formUnion([.transposed, .overlapping])
            let isSingle = samples.allSatisfy { $0.values.flatMap(\.shapes).allSatisfy { $0.elementCount == 1 } }
            if isSingle && refuses(op, dtype, [2]) {
                none.formUnion([.expanded, .special, .extreme])
                if refuses(op, dtype, [1]) { none.formUnion([.contiguous, .padded]) }
            }
        }
        if missing.contains(.zeroDim) && refuses(op, dtype, []) { none.insert(.zeroDim) }
        if missing.contains(.zeroSize) && refusesZeroSize(op, dtype) { none.insert(.zeroSize) }
        return none
    }

    @Test func everyOperationHasEachLayoutThatItCanHave() {
        for op in Operators.all {
            guard let dtype = op.dtypes.contains(.float32) ? .float32 : op.dtypes.first else { continue }
            var group = CaseGroup(op, dtype, Selection())
            // (The failure may be that of another test on the same device.)
            if group.failure != nil { group = CaseGroup(op, dtype, Selection()) }
            #expect(group.failure == nil, "\(op.name): \(group.failure?.message ?? "")")
            let missing = Set(Layout.allCases).subtracting(group.cases.map(\.cell.layout))
            if missing.subtracting([.aliased, .permuted]).isEmpty { continue }
            let wanted = missing.subtracting(impossible(missing, op, dtype))
            #expect(wanted.isEmpty, "\(op.name) has no sample for \(wanted.map { "\($0)" }.sorted())")
        }
    }
}

extension Value {
    /// Of the tensors in it.
    fileprivate var shapes: [Shape] {
        switch self {
        case .tensor(let x): [x.shape]
        case .tensors(let list): list.map(\.shape)
        default: []
        }
    }
}
