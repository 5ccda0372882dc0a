import BackendKit

/// Views of another shape: dims repeated, removed, added, merged and split.
extension Tensor {
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
            guard a <= b else {
                throw CressetError(.index, op: op, "start dim \(start) lies behind end dim \(end) of \(summary)")
            }
            if ndim == 0 { return try reshaped([1], op: op) }
            var target = Shape()
            for d in 0..<a { target.append(shape[d]) }
            target.append((a...b).reduce(1) { $0 * shape[$1] })
            for d in (b + 1)..<Swift.max(ndim, b + 1) { target.append(shape[d]) }
            return try reshaped(target, op: op)
        }
    }

    /// One dim split into several of the given sizes, of which one may be -1.
    public func unflatten(_ dim: Int, _ sizes: Shape) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::unflatten.int"
            try checkValid(op)
            let d = try self.dim(dim, op: op)
            guard ndim > 0, !sizes.isEmpty else {
                throw CressetError(
                    .argument, op: op, "needs a dim and at least one size, got \(sizes) for \(summary)")
            }
            var inner = sizes
            let known = Shape(sizes.filter { $0 != -1 }).elementCount
            let unknown = sizes.indices.filter { sizes[$0] == -1 }
            if unknown.count == 1, known > 0, shape[d] % known == 0 { inner[unknown[0]] = shape[d] / known }
            guard unknown.count <= 1, inner.elementCount == shape[d] else {
                throw CressetError(.shape, op: op, "the sizes \(sizes) do not make up dim \(d) of \(summary)")
            }
            var target = Shape(shape.prefix(d))
            guard ndim - 1 + inner.count <= maxRank else {
                throw CressetError(.shape, op: op, "ranks above \(maxRank) are not supported")
            }
            for size in inner { target.append(size) }
            for size in shape.dropFirst(d + 1) { target.append(size) }
            return view(target)
        }
    }

    /// All elements in one dim; a view where strides allow.
    public func ravel() -> Tensor { reshape([-1]) }
    /// The shape of another tensor; a view where strides allow.
    public func reshapeAs(_ other: Tensor) -> Tensor { reshape(other.shape) }
    /// The shape of another tensor, over the same storage.
    public func viewAs(_ other: Tensor) -> Tensor { view(other.shape) }
    /// Repeated without copying to the shape of another tensor.
    public func expandAs(_ other: Tensor) -> Tensor { expand(other.shape) }
    /// Those of the given dims that are of size 1 removed.
    public func squeeze(_ dims: [Int]) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::squeeze.dims"
            try checkValid(op)
            if dims.isEmpty { return self }
            let front = try self.dims(dims, op: op)
            return squeezed(front.filter { shape[$0] == 1 }, op: op)
        }
    }

    /// At least `rank` dims: (n) becomes (1, n) and (1, n, 1), (n, m) becomes (n, m, 1).
    fileprivate func atLeast(_ rank: Int, _ op: String) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid(op)
            if ndim >= rank { return self }
            switch (ndim, rank) {
            case (1, 2): return unsqueeze(0)
            case (1, 3): return unsqueeze(0).unsqueeze(-1)
            case (2, 3): return unsqueeze(-1)
            default: return view(Shape(repeating: 1, count: rank))
            }
        }
    }
    /// At least one dim.
    public func atleast1d() -> Tensor { atLeast(1, "aten::atleast_1d") }
    /// At least two dims: a vector becomes a row.
    public func atleast2d() -> Tensor { atLeast(2, "aten::atleast_2d") }
    /// At least three dims: a vector becomes (1, n, 1), a matrix (n, m, 1).
    public func atleast3d() -> Tensor { atLeast(3, "aten::atleast_3d") }

    /// The tensors expanded to the shape that all broadcast to.
    public static func broadcastTensors(_ tensors: [Tensor]) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let op = "aten::broadcast_tensors"
            var shape = Shape()
            for tensor in tensors {
                try tensor.checkValid(op)
                guard let common = shape.broadcast(with: tensor.shape) else {
                    throw CressetError(
                        .shape, op: op,
                        "the shapes do not broadcast: \(tensors.map { "\($0.shape)" }.joined(separator: ", "))")
                }
                shape = common
            }
            let common = shape
            return try tensors.map { (x) throws(CressetError) in try x.expanded(common, op: op) }
        }
    }

    /// Summed over the dims that broadcasting `size` to this shape would add or repeat.
    public func sumToSize(_ size: Shape) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::sum_to_size"
            try checkValid(op)
            guard size.count <= ndim, size.broadcast(with: shape) == shape else {
                throw CressetError(.shape, op: op, "\(size) does not broadcast to \(summary)")
            }
            // (To no dims it is the sum of all elements, of one too: PyTorch sums integers as int64.)
            if size == shape && !size.isEmpty { return self }
            let lead = ndim - size.count
            let dims = (0..<ndim).filter { $0 < lead || (size[$0 - lead] == 1 && shape[$0] != 1) }
            return try Reductions.sum(self, dims: dims, keepdim: true).reshaped(size, op: op)
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let expansions: [(Shape, [Value], [String])] = [
        ([2, 3], [[2, 4]], ["[2, 3]", "[2, 4]"]), ([2, 3], [[3]], ["[2, 3]", "[3]"]),
        ([3], [[-1, 3]], ["[-1, 3]"]), ([1], [[-2]], ["-2"]),
        ([1], [[1 << 62, 4]], ["\(1 << 62)", "2⁶³"]),
    ]
    private static let reshapes: [(Shape, [Value], [String])] = [
        ([2, 3], [[4, 2]], ["6 elements", "[4, 2]"]), ([6], [[-1, -1]], ["only one size may be -1"]),
        ([6], [[4, -1]], ["6 elements", "[4, -1]"]), ([6], [[-2, -3]], ["[-2, -3]"]),
        ([0], [[0, -1]], ["[0, -1]"]), ([6], [[1 << 62, 1 << 62]], ["\(1 << 62)"]),
    ]

    static let reshapings: [Operator] = {
        let expand = Operator.view(
            "expand(Tensor self, SymInt[] size, *, bool implicit=False) -> Tensor",
            [([4, 1, 5], [[2, 4, 3, 5]]), ([4, 3], [[-1, 3]]), ([0, 3], [[2, 0, 3]]), ([], [[3]])]
        ) { (x, a) throws(CressetError) in [x.expand(Shape(try a.ints("size")))] }
        .refusing(expansions)
        let unsqueeze = Operator.view(
            "unsqueeze(Tensor self, int dim) -> Tensor", [([4, 3], [0]), ([4, 3], [-1]), ([0, 3], [1]), ([], [0])]
        ) { (x, a) throws(CressetError) in [x.unsqueeze(try a.int("dim"))] }
        let squeezeAll = Operator.view(
            "squeeze(Tensor self) -> Tensor", [([3, 1, 2, 1], []), ([1], []), ([], []), ([1, 0], [])]
        ) { x, _ in [x.squeeze()] }
        let squeezeDim = Operator.view(
            "squeeze.dim(Tensor self, int dim) -> Tensor",
            [([4, 3], [1]), ([0, 1], [1]), ([], [0]), ([3, 1, 2], [1])]
        ) { (x, a) throws(CressetError) in [x.squeeze(try a.int("dim"))] }
        let squeezeDims = Operator.view(
            "squeeze.dims(Tensor self, int[] dim) -> Tensor",
            [([3, 1, 2, 1], [[1, -1]]), ([3, 1, 2], [[0, 1]]), ([0, 1], [[1]]), ([], [[0]])]
        ) { (x, a) throws(CressetError) in [x.squeeze(try a.ints("dim"))] }
        // (Shapes that every layout of the suite can be seen as without a copy.)
        let view = Operator.view(
            "view(Tensor self, SymInt[] size) -> Tensor",
            [([6], [[6, 1]]), ([4, 3], [[4, 1, -1]]), ([0, 3], [[3, 0]]), ([], [[1, 1]])]
        ) { (x, a) throws(CressetError) in [x.view(Shape(try a.ints("size")))] }
        .refusing(reshapes)
        let unsafe = Operator.view(
            "_unsafe_view(Tensor self, SymInt[] size) -> Tensor",
            [([4, 3], [[4, 1, 3]]), ([0, 3], [[3, 0]]), ([], [[1]])]
        ) {
            (x, a) throws(CressetError) in [x.view(Shape(try a.ints("size")))]
        }.refusing(reshapes)
        func like(_ name: String, _ body: @escaping @Sendable (Tensor, Tensor) -> Tensor) -> Operator {
            Operator(
                "\(name)(Tensor self, Tensor other) -> Tensor", dtypes: .all, composition: [],
                samples: { g in
                    let pairs: [(Shape, Shape)] = [([2, 3], [2, 3]), ([0], [0]), ([], []), ([1, 3], [1, 3])]
                    return pairs.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor($1, dtype: .bool))]) }
                },
                call: { (a) throws(CressetError) in [.tensor(body(try a.tensor("self"), try a.tensor("other")))] })
        }
        let others: @Sendable (inout SampleMaker) -> [ErrorSample] = { g in
            [ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([4]))], "[2, 3]", "[4]")]
        }
        func atLeast(_ name: String, _ body: @escaping @Sendable (Tensor) -> Tensor) -> [Operator] {
            [
                .view("\(name)(Tensor self) -> Tensor", [([], []), ([4], []), ([4, 3], []), ([0, 2, 3], [])]) { x, _ in
                    [body(x)]
                },
                list(
                    "\(name).Sequence(Tensor[] tensors) -> Tensor[]",
                    [[[], [3], [2, 3]], [[3], []], [[0, 2], [1]]]
                ) {
                    $0.map(body)
                },
            ]
        }
        func list(
            _ schema: String, _ shapes: [[Shape]], _ body: @escaping @Sendable ([Tensor]) -> [Tensor]
        ) -> Operator {
            Operator(
                schema, dtypes: .all, composition: [],
                samples: { g in shapes.map { list in Sample([.tensors(list.map { g.tensor($0) })]) } },
                call: { (a) throws(CressetError) in [.tensors(body(try a.tensors("tensors")))] })
        }
        return [
            expand, expand.copied, unsqueeze, unsqueeze.copied, squeezeAll, squeezeAll.copied, squeezeDim,
            squeezeDim.copied, squeezeDims, squeezeDims.copied, view, view.copied, unsafe,
            .view(
                "reshape(Tensor self, SymInt[] shape) -> Tensor",
                [([4, 3, 5], [[12, 5]]), ([4, 3, 5], [[-1]]), ([0, 3], [[3, 0]]), ([], [[1, 1]])]
            ) { (x, a) throws(CressetError) in [x.reshape(Shape(try a.ints("shape")))] }
            .refusing(reshapes),
            .view(
                "flatten.using_ints(Tensor self, int start_dim=0, int end_dim=-1) -> Tensor",
                [([4, 3, 5], [0, -1]), ([4, 3, 5], [1, 2]), ([0, 3], [0, -1]), ([], [0, -1])]
            ) { (x, a) throws(CressetError) in [x.flatten(try a.int("start_dim"), try a.int("end_dim"))] }
            .refusing([([2, 3, 4], [2, 0], ["2", "0", "[2, 3, 4]"])]),
            .view(
                "unflatten.int(Tensor self, int dim, SymInt[] sizes) -> Tensor",
                [([3, 6], [1, [2, -1]]), ([4], [-1, [2, 2]]), ([0, 3], [0, [0, 2]])]
            ) { (x, a) throws(CressetError) in [x.unflatten(try a.int("dim"), Shape(try a.ints("sizes")))] }
            .refusing([
                ([3, 6], [1, [4, 2]], ["[4, 2]", "6"]), ([3, 6], [1, [4, -1]], ["[4, -1]", "6"]),
                ([3, 6], [1, .ints([])], ["[]"]), ([3, 6], [1, [-1, -1]], ["-1"]),
            ]),
            .view("ravel(Tensor self) -> Tensor", [([4, 3], []), ([], []), ([0, 3], [])]) { x, _ in [x.ravel()] },
            .view(
                "broadcast_to(Tensor self, SymInt[] size) -> Tensor",
                [([4, 3], [[2, 4, 3]]), ([4, 1], [[4, 3]]), ([], [[2]]), ([0], [[2, 0]])]
            ) { (x, a) throws(CressetError) in [x.broadcastTo(Shape(try a.ints("size")))] }
            .refusing(expansions),
            .composed(
                "sum_to_size(Tensor self, SymInt[] size) -> Tensor", of: ["aten::sum.dim_IntList"],
                samples: {
                    $0.samples([
                        ([2, 4, 3], [[4, 1]]), ([4, 3], [[4, 3]]), ([4, 3], [[]]), ([], [[]]), ([0, 3], [[1, 3]]),
                    ])
                },
                call: { (a) throws(CressetError) in
                    [.tensor(try a.tensor("self").sumToSize(Shape(try a.ints("size"))))]
                }
            ).refusing([([4, 3], [[2]], ["[2]", "[4, 3]"]), ([4], [[4, 4]], ["[4, 4]", "[4]"])]),
            like("view_as") { $0.viewAs($1) }.refusing(others),
            like("reshape_as") { $0.reshapeAs($1) }.refusing(others),
            like("expand_as") { $0.expandAs($1) }.refusing(others),
            list(
                "broadcast_tensors(Tensor[] tensors) -> Tensor[]",
                [[[3, 2], [], [2]], [[], [3, 1], [2]], [[0, 1], [2]]]
            ) { Tensor.broadcastTensors($0) }
            .refusing(lists: [([[2, 3], [4]], [], ["do not broadcast", "[2, 3]", "[4]"])]),
        ] + atLeast("atleast_1d") { $0.atleast1d() } + atLeast("atleast_2d") { $0.atleast2d() }
            + atLeast("atleast_3d") { $0.atleast3d() }
    }()
}
