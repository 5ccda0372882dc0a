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

    init(_ x: TensorImpl) { self.init(shape: x.shape, strides: x.strides, offset: x.offset) }

    init(shape: Shape, strides: Shape, offset: Int) {
        self.shape = shape
        self.strides = strides
        self.offset = offset
    }

    /// Behind the last element.
    var end: Int { offset + shape.span(strides: strides) }
    var hasOverlap: Bool { strides.hasOverlap(shape) }

    /// For each element its place behind `start`, as a vector.
    func places(from start: Int, on runtime: DeviceRuntime) throws(CressetError) -> Tensor {
        let op = "aten::as_strided"
        return try noGrad { () throws(CressetError) in
            var sum = try Tensor.filled([], .int(Int64(offset - start)), dtype: .int64, on: runtime, op: op)
            for d in shape.indices {
                let along = try Tensor.empty([shape[d]], .int64, on: runtime, op: op)
                try Generators.arange.generate([0, .int(Int64(strides[d]))], into: along)
                sum = try Ops.add(sum.unsqueeze(-1), along)
            }
            return try sum.reshaped([shape.elementCount], op: op)
        }
    }
}

/// A view as a part of its base, as functions of gradients.
///
/// A view may show the numbers of complex elements, or pairs of numbers as complex ones: it then counts in
/// other elements than its base.
struct ViewPart: Sendable {
    let base: Geometry
    let view: Geometry
    private let baseIsComplex: Bool
    private let viewIsComplex: Bool
    /// The first element of either, and how many lie from there to the last of either, in the base's elements.
    private let start: Int
    private let count: Int
    private static let name = "aten::as_strided"

    init(of view: TensorImpl, in base: TensorImpl) {
        self.init(
            Geometry(view), in: Geometry(base), viewIsComplex: view.dtype.isComplex, baseIsComplex: base.dtype.isComplex
        )
    }

    init(_ view: Geometry, in base: Geometry, viewIsComplex: Bool, baseIsComplex: Bool) {
        self.base = base
        self.view = view
        self.baseIsComplex = baseIsComplex
        self.viewIsComplex = viewIsComplex
        var shown = [(base.offset, base.end)].filter { _ in base.shape.elementCount > 0 }
        if view.shape.elementCount > 0 {
            switch (baseIsComplex, viewIsComplex) {
            case (true, false): shown.append((view.offset / 2, (view.end + 1) / 2))
            case (false, true): shown.append((2 * view.offset, 2 * view.end))
            default: shown.append((view.offset, view.end))
            }
        }
        // Begins at an even place, so that pairs stay pairs.
        let first = (shown.map(\.0).min() ?? 0) & ~1
        start = first
        count = (shown.map(\.1).max() ?? first) - first
    }

    private var isMixed: Bool { baseIsComplex != viewIsComplex }

    /// Memory for both, seen as the base.
    private func asBase(_ flat: Tensor) -> Tensor {
        let offset = base.shape.elementCount == 0 ? 0 : flat.impl.offset + base.offset - start
        return Tensor(
            storage: flat.impl.storage, shape: base.shape, strides: base.strides, offset: offset, dtype: flat.dtype)
    }

    /// Memory for both, seen as the view, of which repeated elements may be left out.
    private func asView(_ flat: Tensor, shape: Shape? = nil) -> Tensor {
        let from = flat.impl.offset - start
        let offset: Int
        switch (baseIsComplex, viewIsComplex) {
        case (true, false): offset = 2 * from + view.offset
        case (false, true): offset = from / 2 + view.offset
        default: offset = from + view.offset
        }
        return Tensor(
            storage: flat.impl.storage, shape: shape ?? view.shape, strides: view.strides,
            offset: view.shape.elementCount == 0 ? 0 : offset,
            dtype: viewIsComplex ? flat.dtype.toComplex : flat.dtype.toReal)
    }

    /// Memory for both, all zeros.
    private func zeros(like x: Tensor) throws(CressetError) -> Tensor {
        try .filled(
            [count], 0, dtype: baseIsComplex ? x.dtype.toComplex : x.dtype.toReal, on: x.runtime, op: Self.name)
    }

    /// Memory for both with `x` at the base's place, and zeros where that has none.
    private func room(for x: Tensor) throws(CressetError) -> Tensor {
        let isFull = base.shape.elementCount == count && !base.hasOverlap
        let flat = isFull ? try Tensor.empty([count], x.dtype, on: x.runtime, op: Self.name) : try zeros(like: x)
        if x.numel > 0 { try Copy.run(from: x.detach(), to: asBase(flat), op: Copy.kernel.name) }
        return flat
    }

    /// The view's part of a tensor of the base's shape, as a copy.
    func extract(_ g: Tensor) throws(CressetError) -> Tensor {
        if base.hasOverlap && !isMixed { return try share(g, from: base, to: view, dividing: base) }
        let result = try Copy.clone(asView(try room(for: g)), op: Self.name)
        return Tape.record(Self.name, result, inputs: [g]) { (gradients, _) throws(CressetError) in
            [try gradients[0].map { (h) throws(CressetError) in try embed(h) }]
        }
    }

    /// Zeros of the base's shape with `h` at the view's place; what several of its elements share is summed,
    /// and what several of the base's share is divided among them.
    func embed(_ h: Tensor) throws(CressetError) -> Tensor {
        if base.hasOverlap && !isMixed { return try share(h, from: view, to: base, dividing: base) }
        var source = h
        var target = view
        let repeated = (0..<view.shape.count).filter { view.strides[$0] == 0 && view.shape[$0] != 1 }
        if !repeated.isEmpty && h.numel > 0 {
            source = try Reductions.sum(h.detach(), dims: repeated, keepdim: true, dtype: h.dtype)
            target.shape = source.shape
        }
        if target.hasOverlap && !isMixed { return try share(h, from: view, to: base, dividing: nil) }
        let flat = try zeros(like: h)
        if h.numel > 0 {
            try Copy.run(from: source.detach(), to: asView(flat, shape: target.shape), op: Copy.kernel.name)
        }
        return Tape.record(Self.name, asBase(flat), inputs: [h]) { (gradients, _) throws(CressetError) in
            [try gradients[0].map { (g) throws(CressetError) in try extract(g) }]
        }
    }

    /// What `x` adds up to in memory by one geometry, seen by the other; places that several elements of
    /// `dividing` share are divided by their number. Differentiable by its parts.
    private func share(
        _ x: Tensor, from: Geometry, to: Geometry, dividing: Geometry?
    ) throws(CressetError) -> Tensor {
        if count == 0 { return try .filled(to.shape, 0, dtype: x.dtype, on: x.runtime, op: Self.name) }
        func added(_ x: Tensor, by geometry: Geometry) throws(CressetError) -> Tensor {
            let places = try geometry.places(from: start, on: x.runtime)
            let zeros = try Tensor.filled([count], 0, dtype: x.dtype, on: x.runtime, op: Self.name)
            return try Indexing.scatter(zeros, 0, places, try x.reshaped([places.numel], op: Self.name), .add)
        }
        var flat = try added(x, by: from)
        if let dividing {
            let ones = try Tensor.filled(dividing.shape, 1, dtype: x.dtype.toReal, on: x.runtime, op: Self.name)
            flat = try Ops.div(flat, try added(ones, by: dividing).clamp(min: 1))
        }
        return try Indexing.gather(flat, 0, try to.places(from: start, on: x.runtime)).reshaped(to.shape, op: Self.name)
    }

    /// A tensor of the base's shape with zeros at the view's place.
    func clear(_ g: Tensor) throws(CressetError) -> Tensor {
        try replace(g, nil)
    }

    /// A tensor of the base's shape with `source` (zeros, if there is none) at the view's place.
    func replace(_ x: Tensor, _ source: Tensor?) throws(CressetError) -> Tensor {
        let flat = try room(for: x)
        if view.shape.elementCount > 0 {
            let place = asView(flat)
            if let source {
                try Copy.run(from: source.detach(), to: place, op: Copy.kernel.name)
            } else {
                try Generators.fill.generate([0], into: place)
            }
        }
        let result = asBase(flat)
        return Tape.record(Self.name, result, inputs: [x] + (source.map { [$0] } ?? [])) {
            (gradients, _) throws(CressetError) in
            let ofBase = try gradients[0].map { (g) throws(CressetError) in try clear(g) }
            if source == nil { return [ofBase] }
            return [ofBase, try gradients[0].map { (g) throws(CressetError) in try extract(g) }]
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
