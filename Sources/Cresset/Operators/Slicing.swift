import BackendKit

/// Views of a part along one dim.
extension Tensor {
    /// Elements start, start + step, … below end along one dim, PyTorch's clamping rules.
    public func slice(_ dim: Int = 0, from start: Int = 0, to end: Int = .max, step: Int = 1) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::slice.Tensor"
            try checkValid(op)
            let d = try self.dim(dim, op: op)
            guard ndim > 0 else { throw CressetError(.shape, op: op, "a 0-d tensor has nothing to slice") }
            guard step > 0 else { throw CressetError(.argument, op: op, "step must be positive, got \(step)") }
            let size = impl.shape[d]
            let from = Swift.min(Swift.max(start < 0 ? start + size : start, 0), size)
            let upTo = Swift.min(Swift.max(end < 0 ? end + size : end, from), size)
            var (shape, strides) = (self.shape, self.strides)
            shape[d] = (upTo - from) / step + ((upTo - from) % step == 0 ? 0 : 1)
            // (A step beyond the dim leads nowhere.)
            strides[d] *= Swift.min(step, Swift.max(size, 1))
            let offset = impl.offset + from * impl.strides[d]
            if let plain = plainView(shape, strides, offset: offset) { return plain }
            let original = self.shape
            return view(op, shape, strides, offset: offset) { (g) throws(CressetError) in
                let full = try Tensor.filled(original, 0, dtype: g.dtype, on: g.runtime, op: op)
                return try full.pasting(g) { $0.slice(d, from: from, to: upTo, step: step) }
            }
        }
    }

    /// Index `index` of one dim, without the dim.
    public func select(_ dim: Int, _ index: Int) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::select.int"
            try checkValid(op)
            let d = try self.dim(dim, op: op)
            guard ndim > 0 else { throw CressetError(.shape, op: op, "a 0-d tensor has nothing to select") }
            let size = shape[d]
            guard index >= -size && index < size else {
                throw CressetError(
                    .index, op: op, "index \(index) is out of range for dim \(d) of \(summary): size \(size)")
            }
            let i = index < 0 ? index + size : index
            var (shape, strides) = (self.shape, self.strides)
            shape.remove(at: d)
            strides.remove(at: d)
            let offset = impl.offset + i * impl.strides[d]
            if let plain = plainView(shape, strides, offset: offset) { return plain }
            let original = self.shape
            return view(op, shape, strides, offset: offset) { (g) throws(CressetError) in
                let full = try Tensor.filled(original, 0, dtype: g.dtype, on: g.runtime, op: op)
                return try full.pasting(g) { $0.select(d, i) }
            }
        }
    }

    /// `length` elements from `start` along one dim.
    public func narrow(_ dim: Int, _ start: Int, _ length: Int) -> Tensor {
        trapping { () throws(CressetError) in
            let d = try self.dim(dim, op: "aten::narrow")
            let size = ndim > 0 ? shape[d] : 0
            let from = start < 0 ? start + size : start
            guard length >= 0, from >= 0, from <= size, length <= size - from else {
                throw CressetError(
                    .index, op: "aten::narrow",
                    "\(length) elements from \(start) do not lie within dim \(d) of \(summary)")
            }
            return slice(d, from: from, to: from + length)
        }
    }

    /// A copy of this tensor with `source` written to a part of it; differentiable in `source`.
    func pasting(_ source: Tensor, at part: @Sendable @escaping (Tensor) -> Tensor) throws(CressetError)
        -> Tensor
    {
        let target = self
        try noGrad { () throws(CressetError) in
            try Copy.run(from: source.detach(), to: part(target), op: OperatorName("aten::slice_backward"))
        }
        return Tape.record("aten::slice_backward", target, inputs: [source]) { (gradients, _) in
            [gradients[0].map(part)]
        }
    }

    /// Summed over the dims that broadcasting to this shape from `target` added or repeated.
    func summed(to target: Shape) throws(CressetError) -> Tensor {
        if shape == target { return self }
        let lead = ndim - target.count
        var dims: [Int] = []
        for d in 0..<ndim where d < lead || (target[d - lead] == 1 && shape[d] != 1) { dims.append(d) }
        let summed = try Reductions.sum(self, dims: dims, keepdim: true, dtype: dtype)
        return try summed.reshaped(target, op: "aten::sum_to_size")
    }
}

extension Tensor {
    /// `length` elements from the one that a 0-d integer tensor names; waits for it.
    public func narrow(_ dim: Int, _ start: Tensor, _ length: Int) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::narrow.Tensor"
            try checkValid(op)
            try start.checkValid(op)
            guard start.ndim == 0, start.dtype.isInteger else {
                throw CressetError(.argument, op: op, "start must be a 0-d integer tensor, got \(start.summary)")
            }
            return narrow(dim, start.isMeta ? 0 : start.itemInt(), length)
        }
    }
    /// A copy of `length` elements from `start` along one dim.
    public func narrowCopy(_ dim: Int, _ start: Int, _ length: Int) -> Tensor {
        trapping(as: "aten::narrow_copy") { narrow(dim, start, length).clone() }
    }
}

// MARK: Declarations

extension Operators {
    static let slicings: [Operator] = {
        let select = Operator.view(
            "select.int(Tensor self, int dim, SymInt index) -> Tensor",
            [([4, 3, 5], [0, 2]), ([4, 3, 5], [-1, -2]), ([0, 3], [1, 1])]
        ) { (x, a) throws(CressetError) in [x.select(try a.int("dim"), try a.int("index"))] }
        let slice = Operator.view(
            "slice.Tensor(Tensor self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor",
            [([4, 3, 5], [0, 1, 3, 1]), ([4, 3, 5], [2, .none, .none, 2]), ([0, 3], [1, 1, 3, 1])]
        ) { (x, a) throws(CressetError) in
            [
                x.slice(
                    try a.int("dim"), from: try a.optionalInt("start") ?? 0, to: try a.optionalInt("end") ?? .max,
                    step: try a.int("step"))
            ]
        }
        let narrow = Operator.view(
            "narrow(Tensor self, int dim, SymInt start, SymInt length) -> Tensor",
            [([4, 3, 5], [0, 1, 2]), ([4, 3], [-1, -2, 2]), ([0, 3], [1, 1, 0])]
        ) { (x, a) throws(CressetError) in [x.narrow(try a.int("dim"), try a.int("start"), try a.int("length"))] }
        return [
            select, select.copied, slice, slice.copied, narrow, narrow.copied,
            Operator(
                "narrow.Tensor(Tensor self, int dim, Tensor start, SymInt length) -> Tensor", dtypes: .all,
                composition: [],
                samples: { g in
                    let cases: [(Shape, Int, Int, Int)] = [
                        ([4, 3], 0, 1, 2), ([4, 3], -1, -1, 1), ([0, 3], 1, 0, 2),
                    ]
                    return cases.map { shape, dim, start, length in
                        Sample(
                            [
                                .tensor(g.tensor(shape)), .scalar(Scalar(dim)),
                                .tensor(Tensor([start], shape: [], device: .reference)), .scalar(Scalar(length)),
                            ], keeping: ["start"])
                    }
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensor(
                            try a.tensor("self").narrow(
                                try a.int("dim"), try a.tensor("start"), try a.int("length")))
                    ]
                }),
        ]
    }()
}
