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
    /// The only scalar, or none; more of them are rare.
    private let scalar: Scalar?
    private let moreScalars: [Scalar]
    private var saved: [SavedTensor]
    /// The inputs' shapes and dtypes; nil where all are the result's shape and the dtype computed in, so that a
    /// gradient fits as it is.
    private let forms: [ResultType]?

    /// - Parameter saved: of the plan's inputs, in order.
    init(
        _ name: String, _ plan: PointwisePlan, _ inputs: [Tensor], _ scalars: [Scalar], result: Shape,
        saved: [SavedTensor]
    ) {
        self.plan = plan
        scalar = scalars.first
        moreScalars = scalars.count > 1 ? Array(scalars.dropFirst()) : []
        self.saved = saved
        let fits = inputs.allSatisfy { $0.dtype == plan.compute && $0.impl.shape == result }
        forms = fits ? nil : inputs.map { ResultType($0.shape, $0.dtype) }
        func edge(_ i: Int) -> Edge? {
            i < inputs.count && plan.mask & 1 << UInt64(i) != 0 ? inputs[i].edge : nil
        }
        let edges =
            inputs.count <= 2
            ? EdgeList(edge(0), edge(1), count: inputs.count) : EdgeList(inputs.indices.map(edge))
        super.init(name, edges)
    }

    /// The same for a call of the quick way.
    @inline(__always)
    init(
        _ name: String, _ plan: PointwisePlan, _ x: Tensor, _ y: Tensor?, _ scalar: Scalar?, result: TensorImpl,
        saved: [SavedTensor]
    ) {
        self.plan = plan
        self.scalar = scalar
        moreScalars = []
        self.saved = saved
        // (The quick way converts nothing.)
        let fits = x.impl.shape == result.shape && y.map { $0.impl.shape == result.shape } ?? true
        forms = fits ? nil : [ResultType(x.shape, x.dtype)] + (y.map { [ResultType($0.shape, $0.dtype)] } ?? [])
        super.init(
            name,
            EdgeList(
                plan.mask & 1 != 0 ? x.edge : nil, plan.mask & 2 != 0 ? y?.edge : nil, count: y == nil ? 1 : 2))
    }

    override func backward(_ incoming: [Tensor?]) throws(CressetError) -> [Tensor?] {
        guard !isReleased else { throw releasedError }
        guard let g = incoming[0] else { return plan.gradients.map { _ in nil } }
        var results: [Tensor?] = []
        results.reserveCapacity(plan.gradients.count)
        for (i, gradient) in plan.gradients.enumerated() {
            guard let gradient else {
                results.append(nil)
                continue
            }
            var raw: Tensor?
            if gradient.operandCount <= 2 && moreScalars.isEmpty {
                var other: Tensor?
                if let k = gradient.usesInput.first { other = try saved[plan.place[k]].unpack(for: self) }
                if gradient.usesResult { other = try saved[plan.order.count].unpack(for: self) }
                raw = try gradient.kernel.quickGradient(g, other, scalar, plan.compute)
            }
            let found = if let raw { raw } else { try general(gradient, g) }
            guard let forms else {
                results.append(found)
                continue
            }
            results.append(try found.summed(to: forms[i].shape).converted(to: forms[i].dtype))
        }
        return results
    }

    private func general(_ gradient: Pointwise.Gradient, _ g: Tensor) throws(CressetError) -> Tensor {
        var operands = [g]
        for k in gradient.usesInput { operands.append(try saved[plan.place[k]].unpack(for: self)) }
        if gradient.usesResult { operands.append(try saved[plan.order.count].unpack(for: self)) }
        let scalars = (scalar.map { [$0] } ?? []) + moreScalars
        return try gradient.kernel.run(operands, scalars, types: (plan.compute, plan.compute))
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
            text, plan, inputs, scalars, result: result.shape,
            saved: plan.order.isEmpty ? [] : plan.order.map { SavedTensor(inputs[$0]) })
        if plan.savesResult { node.save(result: SavedTensor(result: result)) }
        result.impl.autograd = AutogradState(requiresGrad: true, node: node)
        return result
    }

    /// The same for a call of the quick way, of which an input is tracked.
    @inline(__always)
    func recordQuick(_ result: TensorImpl, _ x: Tensor, _ y: Tensor?, _ scalar: Scalar?) -> Tensor {
        guard rule != .compare, result.dtype.hasGradient, threadState.pointee.layers & Layer.noGrad == 0 else {
            return Tensor(result)
        }
        var (bits, mask) = (UInt64(x.dtype.rawValue), UInt64(x.isTracked ? 1 : 0))
        if let y {
            bits |= UInt64(y.dtype.rawValue) << 4
            if y.isTracked { mask |= 2 }
        }
        let scalars = scalar == nil ? 0 : 1
        let key = Self.key(bits, count: y == nil ? 1 : 2, x.dtype, x.dtype, scalars)
        let plan = knownPlan(key, mask) ?? plan(y.map { [x, $0] } ?? [x], scalars, x.dtype)
        var saved: [SavedTensor] = []
        if !plan.order.isEmpty || plan.savesResult {
            saved.reserveCapacity(plan.order.count + 1)
            for i in plan.order { saved.append(SavedTensor(i == 0 ? x : y ?? x)) }
        }
        let node = PointwiseNode(text, plan, x, y, scalar, result: result, saved: saved)
        if plan.savesResult { node.save(result: SavedTensor(result: Tensor(result))) }
        result.autograd = AutogradState(requiresGrad: true, node: node)
        return Tensor(result)
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
