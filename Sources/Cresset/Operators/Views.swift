import BackendKit

/// Views: other shapes, strides and offsets over the same storage. Nothing is computed.
extension Tensor {
    /// A view with the given geometry, recorded; `backward` maps its gradient to this tensor's.
    func view(
        _ op: String, _ shape: Shape, _ strides: Shape, offset: Int? = nil, dtype: DType? = nil,
        backward: @escaping @Sendable (Tensor) throws(CressetError) -> Tensor
    ) -> Tensor {
        let result = Tensor(
            storage: impl.storage, shape: shape, strides: strides, offset: offset ?? impl.offset,
            dtype: dtype ?? self.dtype)
        result.impl.base = impl.base ?? impl
        guard isGradEnabled else {
            result.impl.isViewWithoutGrad = true
            return result
        }
        if impl.isViewWithoutGrad { result.impl.isViewWithoutGrad = true }
        guard isTracked, self.dtype.hasGradient, let edge else { return result }
        let node = ClosureNode(op, edges: [edge], saved: []) { (gradients, _) throws(CressetError) in
            [try gradients[0].map(backward)]
        }
        let state = AutogradState(requiresGrad: true, node: node)
        state.isView = true
        state.version = impl.storage.version
        result.impl.autograd = state
        return result
    }

    /// A dim counted from the front; an error that names the range if there is none.
    func dim(_ d: Int, op: String, rank: Int? = nil) throws(CressetError) -> Int {
        let rank = rank ?? ndim
        let range = Swift.max(rank, 1)
        guard d >= -range && d < range else {
            throw CressetError(
                .index, op: op, "dim \(d) is out of range for \(summary): it must be in \(-range) ... \(range - 1)")
        }
        return d < 0 ? d + range : d
    }

    /// Distinct dims counted from the front; all of them for an empty or missing list.
    func dims(_ list: [Int]?, op: String) throws(CressetError) -> [Int] {
        guard let list, !list.isEmpty else { return Array(0..<ndim) }
        var seen: [Int] = []
        for d in list {
            let dim = try dim(d, op: op)
            guard !seen.contains(dim) else {
                throw CressetError(.index, op: op, "dim \(d) appears twice in \(list) for \(summary)")
            }
            seen.append(dim)
        }
        return ndim == 0 ? [] : seen.sorted()
    }

    /// Two dims exchanged.
    public func transpose(_ dim0: Int, _ dim1: Int) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::transpose.int"
            try checkValid(op)
            let (a, b) = (try dim(dim0, op: op), try dim(dim1, op: op))
            guard ndim > 0 else { return self }
            var (shape, strides) = (self.shape, self.strides)
            shape.swapAt(a, b)
            strides.swapAt(a, b)
            return view(op, shape, strides) { g in g.transpose(a, b) }
        }
    }

    /// Rows and columns of a matrix exchanged; a vector stays.
    public func t() -> Tensor {
        trapping { () throws(CressetError) in
            guard ndim <= 2 else {
                throw CressetError(.shape, op: "aten::t", "needs at most 2 dims, got \(summary)")
            }
            return ndim < 2 ? self : transpose(0, 1)
        }
    }

    /// The last two dims exchanged.
    public var mT: Tensor { transpose(-2, -1) }

    /// The dims in another order.
    public func permute(_ order: [Int]) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::permute"
            try checkValid(op)
            guard order.count == ndim else {
                throw CressetError(.index, op: op, "needs \(ndim) dims for \(summary), got \(order)")
            }
            var front: [Int] = []
            for d in order { front.append(try dim(d, op: op)) }
            guard Set(front).count == ndim else {
                throw CressetError(.index, op: op, "each dim must appear once, got \(order)")
            }
            var inverse = Array(0..<ndim)
            for (i, d) in front.enumerated() { inverse[d] = i }
            return view(op, Shape(front.map { shape[$0] }), Shape(front.map { strides[$0] })) { [inverse] g in
                g.permute(inverse)
            }
        }
    }

    /// Dims of size 1 repeated without copying; -1 keeps a size.
    public func expand(_ sizes: Shape) -> Tensor {
        trapping { () throws(CressetError) in try expanded(sizes, op: "aten::expand") }
    }

    func expanded(_ sizes: Shape, op: String) throws(CressetError) -> Tensor {
        try checkValid(op)
        var target = sizes
        let lead = sizes.count - ndim
        for d in 0..<sizes.count where sizes[d] == -1 {
            guard d >= lead else {
                throw CressetError(.shape, op: op, "-1 at dim \(d) of \(sizes) has no size to keep in \(summary)")
            }
            target[d] = shape[d - lead]
        }
        guard lead >= 0, target.extent(dtype.size) != nil, shape.broadcast(with: target) == target else {
            throw CressetError(
                .shape, op: op,
                "\(summary) cannot be expanded to \(sizes): counted from the last dim, sizes must be equal or 1 here, "
                    + "and the product of all within 2⁶³ bytes")
        }
        if target == shape { return self }
        let original = shape
        return view(op, target, shape.broadcastStrides(strides, to: target)) { (g) throws(CressetError) in
            try g.summed(to: original)
        }
    }

    /// Repeated without copying to a shape it broadcasts to.
    public func broadcastTo(_ shape: Shape) -> Tensor { expand(shape) }

    /// Dims of size 1 removed: all, or the given one if it is of size 1.
    public func squeeze(_ dim: Int? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            let op = dim == nil ? "aten::squeeze" : "aten::squeeze.dim"
            try checkValid(op)
            let drop: [Int]
            if let dim {
                let d = try self.dim(dim, op: op)
                drop = ndim > 0 && shape[d] == 1 ? [d] : []
            } else {
                drop = (0..<ndim).filter { shape[$0] == 1 }
            }
            return squeezed(drop, op: op)
        }
    }

    /// Without the given dims, which are of size 1.
    func squeezed(_ drop: [Int], op: String) -> Tensor {
        if drop.isEmpty { return self }
        let keep = (0..<ndim).filter { !drop.contains($0) }
        let original = shape
        return view(op, Shape(keep.map { shape[$0] }), Shape(keep.map { strides[$0] })) { (g) throws(CressetError) in
            try g.reshaped(original, op: op)
        }
    }

    /// A new dim of size 1 at `dim`.
    public func unsqueeze(_ dim: Int) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::unsqueeze"
            try checkValid(op)
            let d = try self.dim(dim, op: op, rank: ndim + 1)
            guard ndim < maxRank else { throw CressetError(.shape, op: op, "ranks above \(maxRank) are not supported") }
            var (shape, strides) = (self.shape, self.strides)
            let stride = d < ndim ? self.strides[d] * self.shape[d] : 1
            shape.insert(1, at: d)
            strides.insert(stride, at: d)
            return view(op, shape, strides) { g in g.squeezed([d], op: op) }
        }
    }

    /// Another shape with the same elements in row-major order; a view where strides allow, else a
    /// copy. One size may be -1.
    public func reshape(_ shape: Shape) -> Tensor {
        trapping { () throws(CressetError) in try reshaped(shape, op: "aten::reshape") }
    }

    /// Another shape over the same storage; an error where strides do not allow it.
    public func view(_ shape: Shape) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid("aten::view")
            let target = try inferred(shape, op: "aten::view")
            guard let strides = viewStrides(target) else {
                throw CressetError(
                    .shape, op: "aten::view",
                    "\(summary) with strides \(strides) cannot be seen as \(target) without a copy; use reshape")
            }
            return reshapeView(target, strides, op: "aten::view")
        }
    }

    func reshaped(_ shape: Shape, op: String) throws(CressetError) -> Tensor {
        try checkValid(op)
        let target = try inferred(shape, op: op)
        if target == self.shape { return self }
        if let strides = viewStrides(target) { return reshapeView(target, strides, op: op) }
        return try clone().reshaped(target, op: op)
    }

    private func reshapeView(_ target: Shape, _ strides: Shape, op: String) -> Tensor {
        let original = shape
        return view(op, target, strides) { (g) throws(CressetError) in try g.reshaped(original, op: op) }
    }

    private func inferred(_ shape: Shape, op: String) throws(CressetError) -> Shape {
        var target = shape
        let unknown = shape.indices.filter { shape[$0] == -1 }
        let known = Shape(shape.filter { $0 != -1 }).elementCount
        if unknown.count == 1, known > 0, numel % known == 0 { target[unknown[0]] = numel / known }
        guard unknown.count <= 1, target.extent(dtype.size) != nil, target.elementCount == numel else {
            throw CressetError(
                .shape, op: op,
                "\(numel) elements of \(summary) do not fill the shape \(shape)"
                    + (unknown.count > 1 ? ": only one size may be -1" : ""))
        }
        return target
    }

    /// Strides that show these elements in the shape `target`, nil if there are none.
    private func viewStrides(_ target: Shape) -> Shape? {
        if numel == 0 || isContiguous { return target.contiguousStrides }
        // Walk both shapes from the back: each run of target dims must fill a run of source dims that
        // is contiguous in itself.
        var result = Shape(repeating: 1, count: target.count)
        var t = target.count - 1
        var runSize = 1
        var baseStride = 1
        var source = ndim - 1
        var first = true
        while source >= 0 {
            if first {
                baseStride = strides[source]
                first = false
            }
            runSize *= shape[source]
            let endsRun = source == 0 || (shape[source - 1] != 1 && strides[source - 1] != runSize * baseStride)
            if endsRun {
                var filled = 1
                while t >= 0 && (filled < runSize || target[t] == 1) {
                    result[t] = baseStride * filled
                    filled *= target[t]
                    t -= 1
                }
                guard filled == runSize else { return nil }
                runSize = 1
                first = true
            }
            source -= 1
        }
        return t == -1 ? result : nil
    }

    /// Dims `start` to `end` merged into one.
    public func flatten(_ start: Int = 0, _ end: Int = -1) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::flatten.using_ints"
            try checkValid(op)
            let (a, b) = (try dim(start, op: op), try dim(end, op: op))
            guard a <= b else { throw CressetError(.index, op: op, "start dim \(start) lies behind end dim \(end)") }
            if ndim == 0 { return try reshaped([1], op: op) }
            var target = Shape()
            for d in 0..<a { target.append(shape[d]) }
            target.append((a...b).reduce(1) { $0 * shape[$1] })
            for d in (b + 1)..<Swift.max(ndim, b + 1) { target.append(shape[d]) }
            return try reshaped(target, op: op)
        }
    }

    /// Elements start, start + step, … below end along one dim, PyTorch's clamping rules.
    public func slice(_ dim: Int = 0, from start: Int = 0, to end: Int = .max, step: Int = 1) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::slice.Tensor"
            try checkValid(op)
            let d = try self.dim(dim, op: op)
            guard ndim > 0 else { throw CressetError(.shape, op: op, "a 0-d tensor has nothing to slice") }
            guard step > 0 else { throw CressetError(.argument, op: op, "step must be positive, got \(step)") }
            let size = shape[d]
            let from = Swift.min(Swift.max(start < 0 ? start + size : start, 0), size)
            let upTo = Swift.min(Swift.max(end < 0 ? end + size : end, from), size)
            var (shape, strides) = (self.shape, self.strides)
            shape[d] = (upTo - from + step - 1) / step
            strides[d] *= step
            let original = self.shape
            return view(op, shape, strides, offset: impl.offset + from * self.strides[d]) { (g) throws(CressetError) in
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
            let original = self.shape
            return view(op, shape, strides, offset: impl.offset + i * self.strides[d]) { (g) throws(CressetError) in
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
            guard length >= 0, from >= 0, from + length <= size else {
                throw CressetError(
                    .index, op: "aten::narrow",
                    "\(length) elements from \(start) do not lie within dim \(d) of \(summary)")
            }
            return slice(d, from: from, to: from + length)
        }
    }

    /// Pieces of at most `size` along one dim.
    public func split(_ size: Int, dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let d = try self.dim(dim, op: "aten::split.Tensor")
            guard size > 0 else { throw CressetError(.argument, op: "aten::split.Tensor", "size must be positive") }
            return Swift.stride(from: 0, to: shape[d], by: size).map {
                narrow(d, $0, Swift.min(size, shape[d] - $0))
            }
        }
    }

    /// At most `count` pieces of equal size (the last may be smaller) along one dim.
    public func chunk(_ count: Int, dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let d = try self.dim(dim, op: "aten::chunk")
            guard count > 0 else { throw CressetError(.argument, op: "aten::chunk", "count must be positive") }
            return split(Swift.max(1, (shape[d] + count - 1) / count), dim: d)
        }
    }

    /// A copy of this tensor with `source` written to a part of it; differentiable in `source`.
    private func pasting(_ source: Tensor, at part: @Sendable @escaping (Tensor) -> Tensor) throws(CressetError)
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
