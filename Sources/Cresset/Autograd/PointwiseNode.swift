import BackendKit
import Synchronization

/// What a node of a pointwise operation saves, and what it does with that: the same for every call with
/// the same dtypes and the same inputs that want gradients.
final class PointwisePlan: Sendable {
    let key: UInt64
    /// Bit i: input i wants a gradient.
    let mask: UInt64
    let compute: DType
    /// By input; nil where it is zero or not wanted.
    let gradients: [Pointwise.Gradient?]
    /// The inputs that are saved, in order.
    let order: [Int]
    /// Where an input is among the saved.
    let place: [Int]
    let savesResult: Bool

    init(key: UInt64, mask: UInt64, compute: DType, gradients: [Pointwise.Gradient?]) {
        self.key = key
        self.mask = mask
        self.compute = compute
        self.gradients = gradients
        var used: Set<Int> = []
        for case let gradient? in gradients { used.formUnion(gradient.usesInput) }
        let order = used.sorted()
        self.order = order
        place = gradients.indices.map { order.firstIndex(of: $0) ?? 0 }
        savesResult = gradients.contains { $0?.usesResult ?? false }
    }
}

/// A pointwise operation on the tape.
final class PointwiseNode: Node, @unchecked Sendable {
    // `saved` is changed by `release` alone, at the end of this node's part in a backward pass; two passes through
    // one graph at a time are the user's race, as in PyTorch. All else is immutable.
    private let plan: PointwisePlan
    private let scalars: [Scalar]
    private var saved: [SavedTensor]
    private let shapes: [Shape]
    private let dtypes: [DType]

    /// - Parameter saved: of the plan's inputs, in order.
    init(_ name: String, _ plan: PointwisePlan, _ inputs: [Tensor], _ scalars: [Scalar], saved: [SavedTensor]) {
        self.plan = plan
        self.scalars = scalars
        self.saved = saved
        shapes = inputs.map(\.shape)
        dtypes = inputs.map(\.dtype)
        var edges: [Edge?] = []
        edges.reserveCapacity(inputs.count)
        for (i, input) in inputs.enumerated() { edges.append(plan.mask & 1 << UInt64(i) != 0 ? input.edge : nil) }
        super.init(name, edges: edges)
    }

    override func backward(_ incoming: [Tensor?]) throws(CressetError) -> [Tensor?] {
        guard !isReleased else { throw releasedError }
        guard let g = incoming[0] else { return shapes.map { _ in nil } }
        var results: [Tensor?] = []
        results.reserveCapacity(shapes.count)
        for (i, gradient) in plan.gradients.enumerated() {
            guard let gradient else {
                results.append(nil)
                continue
            }
            if gradient.operandCount <= 2 && scalars.count <= 1 {
                var other: Tensor?
                if let k = gradient.usesInput.first { other = try saved[plan.place[k]].unpack(for: self) }
                if gradient.usesResult { other = try saved[plan.order.count].unpack(for: self) }
                if let quick = try gradient.kernel.quickGradient(g, other, scalars.first, plan.compute) {
                    results.append(try quick.summed(to: shapes[i]).converted(to: dtypes[i]))
                    continue
                }
            }
            var operands = [g]
            for k in gradient.usesInput { operands.append(try saved[plan.place[k]].unpack(for: self)) }
            if gradient.usesResult { operands.append(try saved[plan.order.count].unpack(for: self)) }
            let raw = try gradient.kernel.run(operands, scalars, types: (plan.compute, plan.compute))
            results.append(try raw.summed(to: shapes[i]).converted(to: dtypes[i]))
        }
        return results
    }

    override func release() {
        super.release()
        saved = []
    }

    /// The result of this node, saved after the node was made.
    func save(result: SavedTensor) { saved.append(result) }
}

extension Pointwise {
    private final class PlanList: Sendable {
        let items: [PointwisePlan]
        init(_ items: [PointwisePlan]) { self.items = items }
    }

    /// Puts a node for this call on the tape, if it must be there.
    func record(_ result: Tensor, _ inputs: [Tensor], _ scalars: [Scalar], _ compute: DType) -> Tensor {
        guard rule != .compare, result.dtype.hasGradient, Tape.isOn(inputs) else { return result }
        let plan = plan(inputs, scalars.count, compute)
        let node = PointwiseNode(
            text, plan, inputs, scalars,
            saved: plan.order.isEmpty ? [] : plan.order.map { SavedTensor(inputs[$0]) })
        if plan.savesResult { node.save(result: SavedTensor(result: result)) }
        result.impl.autograd = AutogradState(requiresGrad: true, node: node)
        return result
    }

    func plan(_ inputs: [Tensor], _ scalars: Int, _ compute: DType) -> PointwisePlan {
        var bits: UInt64 = 0
        var mask: UInt64 = 0
        for (i, input) in inputs.enumerated() {
            bits |= UInt64(input.dtype.rawValue) << UInt64(4 * i)
            if input.isTracked && input.dtype.hasGradient { mask |= 1 << UInt64(i) }
        }
        let key = Self.key(bits, count: inputs.count, compute, compute, scalars)
        if let known = knownPlan(key, mask) { return known }
        return planning.withLock { _ in
            if let known = knownPlan(key, mask) { return known }
            let dtypes = inputs.map(\.dtype)
            let gradients = inputs.indices.map { i in
                mask & 1 << UInt64(i) == 0
                    ? nil : cachedGradient(of: i, inputs: dtypes, compute: compute, scalars: scalars)
            }
            let made = PointwisePlan(key: key, mask: mask, compute: compute, gradients: gradients)
            var items = [made]
            if let pointer = plans.load(ordering: .acquiring) {
                items += Unmanaged<PlanList>.fromOpaque(pointer).takeUnretainedValue().items
            }
            plans.store(UnsafeRawPointer(Unmanaged.passRetained(PlanList(items)).toOpaque()), ordering: .releasing)
            return made
        }
    }

    private func knownPlan(_ key: UInt64, _ mask: UInt64) -> PointwisePlan? {
        guard let pointer = plans.load(ordering: .acquiring) else { return nil }
        return Unmanaged<PlanList>.fromOpaque(pointer)._withUnsafeGuaranteedRef { list in
            for item in list.items where item.key == key && item.mask == mask { return item }
            return nil
        }
    }
}
