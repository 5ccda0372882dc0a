/// How in-place changes of a view become part of its base's history, and changes of the base part of its
/// views'.
///
/// A view of a base shares its storage and so its version. A write through the view makes the base the
/// result of a node that cuts the written part out of the gradient; other views see by the version that
/// what they know of the base is old, and find their place in its new history by geometry alone.
struct Geometry: Sendable {
    var shape: Shape
    var strides: Shape
    var offset: Int

    init(_ x: TensorImpl) {
        shape = x.shape
        strides = x.strides
        offset = x.offset
    }
}

/// A view as a part of its base, as functions of gradients.
struct ViewPart: Sendable {
    let base: Geometry
    let view: Geometry
    private let baseDType: DType
    private let viewDType: DType
    private static let name = "aten::as_strided"

    init(of view: TensorImpl, in base: TensorImpl) {
        self.base = Geometry(base)
        self.view = Geometry(view)
        baseDType = base.dtype
        viewDType = view.dtype
    }

    /// Shows a tensor of the base's shape, whose elements are laid out as the base's, at the view's.
    ///
    /// A view may show the numbers of complex elements, or pairs of numbers as complex ones.
    private func part(of x: Tensor) -> Tensor {
        let offset: Int
        switch (baseDType.isComplex, viewDType.isComplex) {
        case (true, false): offset = 2 * (x.impl.offset - base.offset) + view.offset
        case (false, true): offset = (x.impl.offset - base.offset) / 2 + view.offset
        default: offset = x.impl.offset - base.offset + view.offset
        }
        return Tensor(
            storage: x.impl.storage, shape: view.shape, strides: view.strides, offset: offset,
            dtype: viewDType.isComplex ? x.dtype.toComplex : x.dtype.toReal)
    }

    /// A new tensor laid out as the base, uninitialised.
    private func room(like x: Tensor) throws(CressetError) -> Tensor {
        let dtype = baseDType.isComplex ? x.dtype.toComplex : x.dtype.toReal
        // Begins at an even place if the base does, so that pairs stay pairs.
        let start = base.offset % 2
        let flat = try Tensor.empty(
            [start + base.shape.span(strides: base.strides)], dtype, on: x.runtime, op: Self.name)
        return Tensor(
            storage: flat.impl.storage, shape: base.shape, strides: base.strides, offset: flat.impl.offset + start,
            dtype: dtype)
    }

    private func copy(_ x: Tensor) throws(CressetError) -> Tensor {
        let result = try room(like: x)
        if x.numel > 0 { try Copy.run(from: x.detach(), to: result, op: Copy.kernel.name) }
        return result
    }

    /// The view's part of a tensor of the base's shape, as a copy.
    func extract(_ g: Tensor) throws(CressetError) -> Tensor {
        let result = try Copy.clone(part(of: try copy(g)), op: Self.name)
        return Tape.record(Self.name, result, inputs: [g]) { (gradients, _) throws(CressetError) in
            [try gradients[0].map { (h) throws(CressetError) in try embed(h) }]
        }
    }

    /// Zeros of the base's shape with `h` at the view's place; what several of its elements share is summed.
    func embed(_ h: Tensor) throws(CressetError) -> Tensor {
        let result = try room(like: h)
        try Generators.fill.generate([0], into: result)
        if h.numel > 0 {
            var target = part(of: result)
            var source = h.detach()
            let repeated = (0..<view.shape.count).filter { view.strides[$0] == 0 && view.shape[$0] != 1 }
            if !repeated.isEmpty {
                source = try Reductions.sum(source, dims: repeated, keepdim: true, dtype: h.dtype)
                target = Tensor(
                    storage: target.impl.storage, shape: source.shape, strides: view.strides,
                    offset: target.impl.offset, dtype: target.dtype)
            }
            try Copy.run(from: source, to: target, op: Copy.kernel.name)
        }
        return Tape.record(Self.name, result, inputs: [h]) { (gradients, _) throws(CressetError) in
            [try gradients[0].map { (g) throws(CressetError) in try extract(g) }]
        }
    }

    /// A tensor of the base's shape with zeros at the view's place.
    func clear(_ g: Tensor) throws(CressetError) -> Tensor {
        let result = try copy(g)
        if g.numel > 0 { try Generators.fill.generate([0], into: part(of: result)) }
        return Tape.record(Self.name, result, inputs: [g]) { (gradients, _) throws(CressetError) in
            [try gradients[0].map { (h) throws(CressetError) in try clear(h) }]
        }
    }
}

extension TensorImpl {
    /// Nodes of views that were made after their base's history changed, by whoever needed one first.
    private static let regenerated = Lock(())

    /// Where the gradient of a view goes.
    var viewEdge: Edge? {
        if let state = autograd, !state.isView || state.version == storage.version { return state.edge(of: self) }
        return Self.regenerated.withLock { _ in
            if let known = regeneratedNode, known.version == storage.version { return Edge(node: known.node, index: 0) }
            guard let base, let state = base.autograd, state.requiresGrad, let edge = state.edge(of: base) else {
                return autograd?.edge(of: self)
            }
            let part = ViewPart(of: self, in: base)
            let node = ClosureNode("aten::as_strided", edges: [edge], saved: []) {
                (gradients, _) throws(CressetError) in
                [try gradients[0].map { (g) throws(CressetError) in try part.embed(g) }]
            }
            regeneratedNode = (node, storage.version)
            return Edge(node: node, index: 0)
        }
    }

    /// True for views that share their base's history; a view that was made a leaf has its own.
    var followsBase: Bool { base != nil && autograd.map(\.isView) ?? true }
}

extension Tensor {
    /// Throws where PyTorch's rules forbid to record a change of this tensor in place.
    func checkHistory(_ op: String) throws(CressetError) {
        if impl.followsBase {
            guard !impl.isViewWithoutGrad else {
                throw CressetError(
                    .autograd, op: op,
                    "this view was made inside noGrad { }, so a change of it cannot become part of the history of its "
                        + "base; make the view outside, or change it inside noGrad { }")
            }
            guard let state = impl.base?.autograd, state.requiresGrad, state.node == nil else { return }
            throw CressetError(
                .autograd, op: op,
                "a view of a leaf that requires grad cannot be changed in place; do it inside noGrad { }, or on a copy")
        }
        guard isTracked && impl.autograd?.node == nil else { return }
        throw CressetError(
            .autograd, op: op,
            "a leaf that requires grad cannot be changed in place; do it inside noGrad { }, or on a copy")
    }

    /// Makes this tensor, which was just written to, the result of `edge`; for a view its base changes history.
    func setHistory(_ edge: Edge) {
        guard impl.followsBase, let base = impl.base else {
            impl.autograd = AutogradState(requiresGrad: true, node: edge.node, outputIndex: edge.index)
            return
        }
        let part = ViewPart(of: impl, in: base)
        let old = base.autograd.flatMap { $0.requiresGrad ? $0.edge(of: base) : nil }
        let node = ClosureNode("CopySlices", edges: [old, edge], saved: []) { (gradients, _) throws(CressetError) in
            guard let g = gradients[0] else { return [nil, nil] }
            return [old == nil ? nil : try part.clear(g), try part.extract(g)]
        }
        base.autograd = AutogradState(requiresGrad: true, node: node)
    }
}
