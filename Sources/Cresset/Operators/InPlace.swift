import BackendKit

/// Operations that write their result into the tensor they are called on.
extension Tensor {
    /// Replaces the elements by `compute(self)`'s, keeping shape and dtype, and hands the history over.
    ///
    /// The version is bumped, so that a backward that needs the old elements is an error.
    @discardableResult
    func inPlace(_ op: String, _ compute: (Tensor) throws(CressetError) -> Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid(op)
            if isTracked && isGradEnabled {
                guard impl.autograd?.node != nil else {
                    throw CressetError(
                        .autograd, op: op,
                        "a leaf that requires grad cannot be changed in place; do it inside noGrad { }, or on a copy")
                }
            }
            if impl.autograd?.isView == true, isGradEnabled {
                throw CressetError(
                    .autograd, op: op,
                    "this view of a tensor that requires grad cannot be changed in place; write the change as a new tensor"
                )
            }
            guard !strides.hasOverlap(shape) else {
                throw CressetError(
                    .shape, op: op,
                    "several elements of \(summary) share one place (strides \(strides)); use clone() first")
            }
            // The old elements may be wanted by the operation's derivative: it sees an alias with the
            // history so far.
            let before = Tensor(detachedImpl)
            before.impl.autograd = impl.autograd
            let result = try compute(before)
            guard result.shape == shape else {
                throw CressetError(
                    .shape, op: op, "the result has shape \(result.shape), which does not fit in place into \(summary)")
            }
            guard Promotion.category(result.dtype) <= Promotion.category(dtype) else {
                throw CressetError(.dtype, op: op, "a \(result.dtype) result cannot be written into a \(dtype) tensor")
            }
            try Copy.run(from: result.detach(), to: self, op: OperatorName(op))
            impl.storage.version += 1
            if let state = result.impl.autograd, state.requiresGrad {
                impl.autograd = AutogradState(requiresGrad: true, node: state.node, outputIndex: state.outputIndex)
            }
            return self
        }
    }

    @discardableResult public func add_(_ other: Tensor, alpha: Scalar = 1) -> Tensor {
        inPlace("aten::add_.Tensor") { $0.add(other, alpha: alpha) }
    }
    @discardableResult public func add_(_ other: Scalar) -> Tensor { inPlace("aten::add_.Scalar") { $0.add(other) } }
    @discardableResult public func sub_(_ other: Tensor, alpha: Scalar = 1) -> Tensor {
        inPlace("aten::sub_.Tensor") { $0.sub(other, alpha: alpha) }
    }
    @discardableResult public func sub_(_ other: Scalar) -> Tensor { inPlace("aten::sub_.Scalar") { $0.sub(other) } }
    @discardableResult public func mul_(_ other: Tensor) -> Tensor { inPlace("aten::mul_.Tensor") { $0.mul(other) } }
    @discardableResult public func mul_(_ other: Scalar) -> Tensor { inPlace("aten::mul_.Scalar") { $0.mul(other) } }
    @discardableResult public func div_(_ other: Tensor) -> Tensor { inPlace("aten::div_.Tensor") { $0.div(other) } }
    @discardableResult public func div_(_ other: Scalar) -> Tensor { inPlace("aten::div_.Scalar") { $0.div(other) } }
    @discardableResult public func relu_() -> Tensor { inPlace("aten::relu_") { $0.relu() } }
    @discardableResult public func exp_() -> Tensor { inPlace("aten::exp_") { $0.exp() } }
    @discardableResult public func tanh_() -> Tensor { inPlace("aten::tanh_") { $0.tanh() } }
    @discardableResult public func sigmoid_() -> Tensor { inPlace("aten::sigmoid_") { $0.sigmoid() } }
    @discardableResult public func neg_() -> Tensor { inPlace("aten::neg_") { $0.neg() } }
    @discardableResult public func sqrt_() -> Tensor { inPlace("aten::sqrt_") { $0.sqrt() } }
    @discardableResult public func clamp_(min: Scalar? = nil, max: Scalar? = nil) -> Tensor {
        inPlace("aten::clamp_") { $0.clamp(min: min, max: max) }
    }
    @discardableResult public func maskedFill_(_ mask: Tensor, _ value: Scalar) -> Tensor {
        inPlace("aten::masked_fill_.Scalar") { $0.maskedFill(mask, value) }
    }
    /// self = source, converted and broadcast.
    @discardableResult public func copy_(_ source: Tensor) -> Tensor {
        inPlace("aten::copy_") { (x) throws(CressetError) in
            try source.moved(to: x.runtime, op: "aten::copy_").expanded(x.shape, op: "aten::copy_").converted(
                to: x.dtype)
        }
    }
    /// Every element becomes `value`.
    @discardableResult public func fill_(_ value: Scalar) -> Tensor {
        inPlace("aten::fill_.Scalar") { (x) throws(CressetError) in
            try .filled(x.shape, value, dtype: x.dtype, on: x.runtime, op: "aten::fill_.Scalar")
        }
    }
    @discardableResult public func zero_() -> Tensor { fill_(0) }
    /// `source` is written where the index says; of duplicates the last wins.
    @discardableResult public func scatter_(_ dim: Int, _ index: Tensor, _ source: Tensor) -> Tensor {
        inPlace("aten::scatter_.src") { $0.scatter(dim, index, source) }
    }
    @discardableResult public func scatterAdd_(_ dim: Int, _ index: Tensor, _ source: Tensor) -> Tensor {
        inPlace("aten::scatter_add_") { $0.scatterAdd(dim, index, source) }
    }
}

extension Shape {
    /// True when, seen as strides of `shape`, some element is reached twice. Exact for strides that
    /// can be sorted into nested runs, which all views but those of `as_strided` can; others count as
    /// overlapping.
    func hasOverlap(_ shape: Shape) -> Bool {
        let dims = shape.indices.filter { shape[$0] > 1 }.sorted { self[$0] < self[$1] }
        if shape.contains(0) { return false }
        var reach = 0
        for d in dims {
            if self[d] <= reach { return true }
            reach += (shape[d] - 1) * self[d]
        }
        return false
    }
}
