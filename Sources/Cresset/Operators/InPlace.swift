import BackendKit

/// Operations that write their result into the tensor they are called on.
extension Tensor {
    /// Throws where this tensor cannot be written to, whatever is written.
    @inline(__always)
    func checkWritable(_ op: @autoclosure () -> String) throws(CressetError) {
        if impl.isContiguous { return }
        guard !strides.hasOverlap(shape) else {
            throw CressetError(
                .shape, op: op(),
                "several elements of \(summary) share one place (strides \(strides)); use clone() first")
        }
    }

    /// Throws where a result of that shape and dtype cannot be written into this tensor.
    @inline(__always)
    func checkFits(_ shape: Shape, _ dtype: DType, op: @autoclosure () -> String) throws(CressetError) {
        guard shape == self.shape else {
            throw CressetError(
                .shape, op: op(), "the result has shape \(shape), which does not fit in place into \(summary)")
        }
        guard dtype == self.dtype || Promotion.category(dtype) <= Promotion.category(self.dtype) else {
            throw CressetError(.dtype, op: op(), "a result of \(dtype) cannot be written into \(summary)")
        }
    }

    /// Replaces the elements by `compute(self)`'s, keeping shape and dtype, and hands the history over.
    ///
    /// The version is bumped, so that a backward that needs the old elements is an error.
    @discardableResult
    func inPlace(_ op: String, _ compute: (Tensor) throws(CressetError) -> Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid(op)
            try checkWritable(op)
            if isTracked && isGradEnabled { try checkHistory(op) }
            // The operation's derivative sees an alias with the history so far.
            let before = Tensor(detachedImpl)
            let old = isTracked ? edge : nil
            if let old {
                before.impl.autograd = AutogradState(requiresGrad: true, node: old.node, outputIndex: old.index)
            }
            let result = try compute(before)
            try checkFits(result.shape, result.dtype, op: op)
            let records = isGradEnabled && (old != nil || result.isTracked) && dtype.hasGradient
            if records { try checkHistory(op) }
            let new = records && result.isTracked ? result.edge : nil
            try Copy.run(from: result.detach(), to: self, op: OperatorName(op))
            impl.storage.version += 1
            if let new { setHistory(new) } else if records { endHistory(op, old) }
            return self
        }
    }

    /// The elements no longer depend on what they were: gradients that arrive are zeros for `old`.
    private func endHistory(_ op: String, _ old: Edge?) {
        let node = ClosureNode(op, edges: [old], saved: []) { (gradients, _) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    try .filled(g.shape, 0, dtype: g.dtype, on: g.runtime, op: op)
                }
            ]
        }
        setHistory(Edge(node: node, index: 0))
    }

    /// A pointwise operation with this tensor as its first input, written straight into it where its
    /// dtype is the result's.
    @discardableResult
    func inPlace(
        _ op: @autoclosure () -> String, _ kernel: Pointwise, _ others: [Tensor] = [], _ scalars: [Scalar] = [],
        promoting: [Scalar]? = nil
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try kernel.run(inPlaceOf: self, op(), others, scalars, promoting: promoting)
            return self
        }
    }

    /// The same with one tensor or number beside this tensor, by the shortest way there is.
    @inline(__always)
    func inPlace(_ op: @autoclosure () -> String, _ binary: Binary, _ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            try binary.check(self, other)
            if try !binary.kernel.quick(inPlaceOf: self, other, nil) {
                try binary.kernel.run(inPlaceOf: self, op(), [other], [], promoting: nil)
            }
            return self
        }
    }

    @inline(__always)
    func inPlace(_ op: @autoclosure () -> String, _ binary: Binary, _ other: Scalar) -> Tensor {
        trapping { () throws(CressetError) in
            try binary.check(self, other)
            if try !binary.scalarSecond.quick(inPlaceOf: self, nil, other) {
                try binary.scalarSecond.run(inPlaceOf: self, op(), [], [other], promoting: nil)
            }
            return self
        }
    }

    func inPlace(_ unary: Unary) -> Tensor {
        trapping { () throws(CressetError) in
            try unary.check(self)
            if try !unary.kernel.quick(inPlaceOf: self, nil, nil) {
                try unary.kernel.run(inPlaceOf: self, unary.kernel.name.text + "_", [], [], promoting: nil)
            }
            return self
        }
    }

    /// The same as `add`, in place; with a number.
    @discardableResult public func add_(_ other: Tensor, alpha: Scalar = 1) -> Tensor {
        alpha.isOne
            ? inPlace("aten::add_.Tensor", Ops.add, other)
            : inPlace("aten::add_.Tensor", Ops.addScaled, [other], [alpha], promoting: [])
    }
    /// The same as `add`, in place; with a number.
    @discardableResult public func add_(_ other: Scalar) -> Tensor {
        inPlace("aten::add_.Scalar", Ops.add, other)
    }
    /// The same as `sub`, in place; with a number.
    @discardableResult public func sub_(_ other: Tensor, alpha: Scalar = 1) -> Tensor {
        alpha.isOne
            ? inPlace("aten::sub_.Tensor", Ops.sub, other)
            : inPlace("aten::sub_.Tensor", Ops.subScaled, [other], [alpha], promoting: [])
    }
    /// The same as `sub`, in place; with a number.
    @discardableResult public func sub_(_ other: Scalar) -> Tensor {
        inPlace("aten::sub_.Scalar", Ops.sub, other)
    }
    /// The same as `mul`, in place.
    @discardableResult public func mul_(_ other: Tensor) -> Tensor {
        inPlace("aten::mul_.Tensor", Ops.mul, other)
    }
    /// The same as `mul`, in place; with a number.
    @discardableResult public func mul_(_ other: Scalar) -> Tensor {
        inPlace("aten::mul_.Scalar", Ops.mul, other)
    }
    /// The same as `div`, in place.
    @discardableResult public func div_(_ other: Tensor) -> Tensor {
        inPlace("aten::div_.Tensor", Ops.div, other)
    }
    /// The same as `div`, in place; with a number.
    @discardableResult public func div_(_ other: Scalar) -> Tensor {
        inPlace("aten::div_.Scalar", Ops.div, other)
    }
    /// The same as `relu`, in place.
    @discardableResult public func relu_() -> Tensor { inPlace(Ops.relu) }
    /// The same as `exp`, in place.
    @discardableResult public func exp_() -> Tensor { inPlace(Ops.exp) }
    /// The same as `tanh`, in place.
    @discardableResult public func tanh_() -> Tensor { inPlace(Ops.tanh) }
    /// The same as `sigmoid`, in place.
    @discardableResult public func sigmoid_() -> Tensor { inPlace(Ops.sigmoid) }
    /// The same as `neg`, in place.
    @discardableResult public func neg_() -> Tensor { inPlace(Ops.neg) }
    /// The same as `sqrt`, in place.
    @discardableResult public func sqrt_() -> Tensor { inPlace(Ops.sqrt) }
    /// The same as `clamp`, in place; with a number.
    @discardableResult public func clamp_(min: Scalar? = nil, max: Scalar? = nil) -> Tensor {
        switch (min, max) {
        case (let min?, let max?): inPlace("aten::clamp_", Selection.clampKernel, [], [min, max])
        case (let min?, nil): inPlace("aten::clamp_", Selection.clampMin, [], [min])
        case (nil, let max?): inPlace("aten::clamp_", Selection.clampMax, [], [max])
        case (nil, nil): inPlace("aten::clamp_") { $0.clamp(min: nil as Scalar?, max: nil) }
        }
    }
    /// The same as `maskedFill`, in place; with a number.
    @discardableResult public func maskedFill_(_ mask: Tensor, _ value: Scalar) -> Tensor {
        inPlace("aten::masked_fill_.Scalar") { $0.maskedFill(mask, value) }
    }
    /// self = source, converted and broadcast.
    @discardableResult public func copy_(_ source: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::copy_"
            try checkValid(op)
            try source.checkValid(op)
            if source.impl === impl { return self }
            try checkWritable(op)
            let records = isGradEnabled && dtype.hasGradient && (isTracked || source.isTracked)
            if records { try checkHistory(op) }
            let moved = try source.moved(to: runtime, op: op)
            let node = records ? Tape.node(op, inputs: [moved], saving: []) { g, _ in g } : nil
            let safe = moved.mayOverlap(self) ? try Copy.clone(moved, op: op) : moved
            try Copy.run(from: safe.detach(), to: self, op: Copy.kernel.name)
            impl.storage.version += 1
            if let node { setHistory(Edge(node: node, index: 0)) }
            return self
        }
    }
    /// Every element becomes `value`.
    @discardableResult public func fill_(_ value: Scalar) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::fill_.Scalar"
            try checkValid(op)
            try checkWritable(op)
            try value.checkFits(dtype, op: op)
            let old = isTracked && isGradEnabled ? edge : nil
            if old != nil { try checkHistory(op) }
            try Generators.fill.generate([value], into: self)
            impl.storage.version += 1
            if old != nil { endHistory(op, old) }
            return self
        }
    }
    /// The same as `zero`, in place.
    @discardableResult public func zero_() -> Tensor { fill_(0) }
    /// `source` is written where the index says; of duplicates the last wins.
    @discardableResult public func scatter_(_ dim: Int, _ index: Tensor, _ source: Tensor) -> Tensor {
        inPlace("aten::scatter_.src") { $0.scatter(dim, index, source) }
    }
    /// The same as `scatterAdd`, in place.
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

extension Tensor {
    /// True when both reach into one storage at places that are not the same for the same element.
    func mayOverlap(_ other: Tensor) -> Bool {
        let (x, y) = (impl, other.impl)
        guard x.storage === y.storage, x !== y else { return false }
        if x.offset == y.offset && x.strides == y.strides && x.shape == y.shape { return x.dtype != y.dtype }
        // In bytes, as one may show the numbers of the other's complex elements.
        let (xBytes, yBytes) = (x.dtype.size, y.dtype.size)
        return x.offset * xBytes < (y.offset + y.shape.span(strides: y.strides)) * yBytes
            && y.offset * yBytes < (x.offset + x.shape.span(strides: x.strides)) * xBytes
    }
}
