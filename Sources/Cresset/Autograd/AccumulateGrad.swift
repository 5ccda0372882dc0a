/// The end of the line: adds what arrives to a leaf's `grad`.
final class AccumulateGrad: Node, @unchecked Sendable {
    // (The leaf's gradient is behind its own lock, and `run` lets one thread at a time in.)
    let leaf: TensorImpl

    init(_ leaf: TensorImpl) {
        self.leaf = leaf
        super.init(last: "AccumulateGrad")
    }

    override func backward(_ gradients: [Tensor?]) throws(CressetError) -> [Tensor?] {
        guard let gradient = gradients[0], let state = leaf.autograd else { return [] }
        try state.accumulate(gradient)
        return []
    }
}

extension AutogradState {
    /// Adds a gradient to `grad`, as PyTorch does: to the same memory, unless the pass itself is recorded.
    func accumulate(_ gradient: Tensor) throws(CressetError) {
        if let old = grad {
            grad = try isGradEnabled ? Ops.add(old, gradient) : old.detach().adding(gradient)
            return
        }
        // What a leaf keeps can be changed in place: it is dense, and no other leaf's or caller's.
        let isOwn = gradient.isContiguous && !gradient.impl.storage.isGradient
        let kept = isOwn ? gradient : gradient.clone()
        kept.impl.storage.isGradient = true
        grad = isGradEnabled ? kept : kept.detach()
    }
}

extension Tensor {
    /// This tensor, to which another was added in place.
    fileprivate func adding(_ other: Tensor) throws(CressetError) -> Tensor {
        if try !Ops.add.kernel.quick(inPlaceOf: self, other, nil) {
            try Ops.add.kernel.run(inPlaceOf: self, "aten::add_.Tensor", [other], [], promoting: nil)
        }
        return self
    }
}
