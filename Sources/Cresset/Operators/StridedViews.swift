import BackendKit

/// Views that sizes, strides and an offset describe: any part of a tensor's memory.
extension Tensor {
    /// A view of the storage by sizes, strides and an offset in elements, counted from the storage's start.
    ///
    /// Without an offset it begins where this tensor begins.
    public func asStrided(_ size: Shape, _ stride: Shape, storageOffset: Int? = nil) -> Tensor {
        trapping { () throws(CressetError) in try stridedView(size, stride, storageOffset, op: "aten::as_strided") }
    }

    func stridedView(
        _ size: Shape, _ stride: Shape, _ offset: Int?, op: String
    ) throws(CressetError) -> Tensor {
        try checkValid(op)
        let start = impl.storage.start / dtype.size
        // (What wraps round is below the start or far behind the end.)
        let from = offset.map { start &+ $0 } ?? impl.offset
        guard size.count == stride.count, stride.allSatisfy({ $0 >= 0 }), from >= start, let reach = size.reach(stride)
        else {
            throw CressetError(
                .argument, op: op,
                "needs as many sizes as strides and nothing negative, got sizes \(size), strides \(stride) and offset "
                    + "\(offset ?? from &- start)")
        }
        let extent = impl.storage.extent / dtype.size
        guard reach == 0 || (from <= start + extent && reach <= start + extent - from) else {
            throw CressetError(
                .index, op: op,
                "sizes \(size), strides \(stride) and offset \(from - start) reach element \((from - start) &+ (reach - 1)), "
                    + "but the storage of \(summary) has \(extent)")
        }
        return part(size, stride, offset: from, op: op)
    }

    /// A view of that geometry, recorded; the gradient goes back by geometry, too.
    private func part(_ shape: Shape, _ strides: Shape, offset: Int, op: String) -> Tensor {
        let source = Geometry(impl)
        let target = Geometry(shape: shape, strides: strides, offset: offset)
        let isComplex = dtype.isComplex
        return view(op, shape, strides, offset: offset) { (g) throws(CressetError) in
            try ViewPart(target, in: source, viewIsComplex: isComplex, baseIsComplex: isComplex).embed(g)
        }
    }

    /// A view whose elements are those of some indices, wherever they lie: the gradient goes to the indices.
    private func picked(_ op: String, _ pick: (Geometry) -> Geometry) -> Tensor {
        let seen = pick(Geometry(impl))
        let plain = Geometry(shape: shape, strides: shape.contiguousStrides, offset: 0)
        let part = ViewPart(pick(plain), in: plain, viewIsComplex: dtype.isComplex, baseIsComplex: dtype.isComplex)
        return view(op, seen.shape, seen.strides, offset: seen.offset) { (g) throws(CressetError) in
            try part.embed(g)
        }
    }

    /// The elements (i, i + offset) of two dims, as a new last dim.
    public func diagonal(offset: Int = 0, dim1: Int = 0, dim2: Int = 1) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::diagonal"
            try checkValid(op)
            let (a, b) = (try dim(dim1, op: op), try dim(dim2, op: op))
            guard a != b, ndim >= 2 else {
                throw CressetError(
                    .index, op: op, "needs two different dims, got \(dim1) and \(dim2) for \(summary)")
            }
            let (rows, columns) = (shape[a], shape[b])
            let length = Swift.max(
                0, offset >= 0 ? Swift.min(rows, columns - offset) : Swift.min(rows + offset, columns))
            let keep = (0..<ndim).filter { $0 != a && $0 != b }
            return picked(op) { x in
                let first = length == 0 ? 0 : offset >= 0 ? offset * x.strides[b] : -offset * x.strides[a]
                return Geometry(
                    shape: Shape(keep.map { x.shape[$0] } + [length]),
                    strides: Shape(keep.map { x.strides[$0] } + [x.strides[a] + x.strides[b]]),
                    offset: x.offset + first)
            }
        }
    }

    /// Windows of `size` elements along a dim, `step` apart; the window is a new last dim.
    public func unfold(_ dimension: Int, _ size: Int, _ step: Int) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::unfold"
            try checkValid(op)
            let d = try dim(dimension, op: op)
            let n = ndim == 0 ? 1 : shape[d]
            guard size >= 0, size <= n, step > 0, ndim < maxRank else {
                throw CressetError(
                    .argument, op: op,
                    "windows of \(size) elements, \(step) apart, do not lie in dim \(d) of \(summary): the size must "
                        + "be 0 ... \(n) and the step positive, the rank below \(maxRank)")
            }
            return picked(op) { x in
                if x.shape.isEmpty { return Geometry(shape: [size], strides: [1], offset: x.offset) }
                var windows = x
                windows.shape[d] = (n - size) / step + 1
                windows.shape.append(size)
                windows.strides.append(x.strides[d])
                // (A step beyond the dim leads nowhere.)
                windows.strides[d] *= Swift.min(step, Swift.max(n, 1))
                return windows
            }
        }
    }
}

extension Shape {
    /// Elements from the first to the last that these sizes and strides touch; nil where an integer does not hold it.
    fileprivate func reach(_ strides: Shape) -> Int? {
        guard extent(1) != nil else { return nil }
        if contains(0) { return 0 }
        var last = 0
        for (size, stride) in zip(self, strides) {
            let (way, overflows) = (size - 1).multipliedReportingOverflow(by: stride)
            let (sum, overflowsToo) = last.addingReportingOverflow(way)
            if overflows || overflowsToo || sum == .max { return nil }
            last = sum
        }
        return last + 1
    }
}

// MARK: Declarations

extension Operators {
    static let windowErrors: [(Shape, [Value], [String])] = [
        ([5], [0, 6, 1], ["6", "[5]"]), ([5], [0, 2, 0], ["step", "0"]), ([5], [0, -1, 1], ["-1"]),
        ([5], [1, 2, 1], ["dim 1 is out of range"]),
    ]

    static let stridedViews: [Operator] = {
        let strided = Operator.view(
            "as_strided(Tensor self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor",
            readsMemory: true,
            [
                ([4, 3], [[2, 2], [1, 2], 1]), ([12], [[3, 4], [2, 1], .none]), ([3], [[2, 3], [0, 1], 0]),
                ([], [[1], [7], 0]), ([0, 3], [[0, 2], [1, 1], 0]), ([4, 3], [[], [], 5]),
            ]
        ) { (x, a) throws(CressetError) in
            [
                x.asStrided(
                    Shape(try a.ints("size")), Shape(try a.ints("stride")),
                    storageOffset: try a.optionalInt("storage_offset"))
            ]
        }.refusing([
            ([12], [[2, 2], [1], 0], ["[2, 2]", "[1]"]), ([12], [[2], [-1], 0], ["-1"]),
            ([12], [[-2], [1], 0], ["-2"]),
            ([12], [[5, 5], [5, 1], 0], ["[5, 5]", "[5, 1]"]), ([12], [[2], [1], 11], ["11"]),
            ([12], [[2], [1], -1], ["-1"]), ([12], [[3], [1 << 62], 0], ["\(1 << 62)"]),
        ])
        let diagonal = Operator.view(
            "diagonal(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor",
            [
                ([4, 5], [0, 0, 1]), ([2, 3, 4], [1, -1, 0]), ([4, 3], [-2, 0, 1]), ([3, 3], [7, 0, 1]),
                ([0, 3], [0, 0, 1]),
            ]
        ) { (x, a) throws(CressetError) in
            [x.diagonal(offset: try a.int("offset"), dim1: try a.int("dim1"), dim2: try a.int("dim2"))]
        }.refusing([
            ([4, 5], [0, 0, 0], ["dim", "0"]), ([4, 5], [0, 1, -1], ["1", "-1"]), ([4], [0, 0, 1], ["[4]"]),
            ([4, 5], [0, 0, 3], ["dim 3 is out of range"]),
        ])
        let unfold = Operator.view(
            "unfold(Tensor self, int dimension, int size, int step) -> Tensor",
            [
                ([7, 2], [0, 3, 2]), ([2, 6], [-1, 2, 3]), ([5], [0, 5, 1]), ([], [0, 1, 1]), ([0, 3], [1, 2, 1]),
                ([3], [0, 0, 1]),
            ]
        ) { (x, a) throws(CressetError) in
            [x.unfold(try a.int("dimension"), try a.int("size"), try a.int("step"))]
        }.refusing(windowErrors)
        return [
            strided, strided.copied, diagonal, diagonal.copied, unfold, unfold.copied,
        ]
    }()
}
