import BackendKit

/// Copies of a tensor with something else in the place that a view shows.
extension Tensor {
    /// A copy with `source` where `place` shows it; gradients go to both.
    private func scattered(
        _ op: String, _ source: Tensor, _ place: @escaping @Sendable (Tensor) throws(CressetError) -> Tensor
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid(op)
            try source.checkValid(op)
            guard source.runtime === runtime else {
                throw CressetError(
                    .device, op: op, "both tensors must live on one device: \(summary), \(source.summary)")
            }
            let result = try Copy.clone(detach(), op: op)
            try noGrad { () throws(CressetError) in
                let target = try place(result)
                guard target.shape == source.shape else {
                    throw CressetError(
                        .shape, op: op, "the source \(source.summary) must have the place's shape, \(target.shape)")
                }
                if source.numel > 0 { try Copy.run(from: source.detach(), to: target, op: Copy.kernel.name) }
            }
            return Tape.record(op, result, inputs: [self, source]) { (gradients, _) throws(CressetError) in
                guard let g = gradients[0] else { return [nil, nil] }
                let zeros = try Tensor.filled(source.shape, 0, dtype: g.dtype, on: g.runtime, op: op)
                return [g.scattered(op, zeros, place), try place(g)]
            }
        }
    }

    /// A copy with `source` at one index of a dim.
    public func selectScatter(_ source: Tensor, _ dim: Int, _ index: Int) -> Tensor {
        scattered("aten::select_scatter", source) { $0.select(dim, index) }
    }
    /// A copy with `source` in a slice of a dim.
    public func sliceScatter(
        _ source: Tensor, _ dim: Int = 0, from start: Int = 0, to end: Int = .max, step: Int = 1
    ) -> Tensor {
        scattered("aten::slice_scatter", source) { $0.slice(dim, from: start, to: end, step: step) }
    }
    /// A copy with `source` on a diagonal of two dims.
    public func diagonalScatter(_ source: Tensor, offset: Int = 0, dim1: Int = 0, dim2: Int = 1) -> Tensor {
        scattered("aten::diagonal_scatter", source) { $0.diagonal(offset: offset, dim1: dim1, dim2: dim2) }
    }
    /// A copy with `source` where sizes, strides and an offset say, counted as in the storage of this tensor.
    public func asStridedScatter(
        _ source: Tensor, _ size: Shape, _ stride: Shape, storageOffset: Int? = nil
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::as_strided_scatter"
            try checkValid(op)
            try source.checkValid(op)
            let place = try detach().stridedView(size, stride, storageOffset, op: op)
            try place.checkWritable(op)
            guard place.shape == source.shape, source.runtime === runtime else {
                throw CressetError(
                    .shape, op: op,
                    "the source \(source.summary) must have the place's shape, \(place.shape), and its device")
            }
            return try ViewPart(of: place.impl, in: impl).replace(self, source).contiguous()
        }
    }
}

// MARK: Declarations

extension Operators {
    private static func scatter(
        readsMemory: Bool = false, _ schema: String, _ cases: [(Shape, Shape, [Value])],
        _ body: @escaping @Sendable (Tensor, Tensor, Arguments) throws(CressetError) -> Tensor
    ) -> Operator {
        .composed(
            schema, of: ["pointwise"], readsMemory: readsMemory,
            samples: { g in
                cases.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor($1))] + $2) }
            },
            call: { (a) throws(CressetError) in [.tensor(try body(try a.tensor("self"), try a.tensor("src"), a))] })
    }

    static let viewScatters: [Operator] = [
        scatter(
            "select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor",
            [([4, 3], [3], [0, 2]), ([2, 3], [2], [-1, -1]), ([0, 3], [0], [1, 1])]
        ) { (x, y, a) throws(CressetError) in x.selectScatter(y, try a.int("dim"), try a.int("index")) },
        scatter(
            "slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor",
            [
                ([5, 3], [2, 3], [0, 1, 4, 2]), ([2, 3], [2, 3], [1, .none, .none, 1]),
                ([2, 3], [2, 0], [1, 3, .none, 1]),
            ]
        ) { (x, y, a) throws(CressetError) in
            x.sliceScatter(
                y, try a.int("dim"), from: try a.optionalInt("start") ?? 0, to: try a.optionalInt("end") ?? .max,
                step: try a.int("step"))
        },
        scatter(
            "diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
            [([4, 3], [3], [0, 0, 1]), ([2, 3, 4], [3, 1], [1, -1, 0]), ([2, 2], [0], [5, 0, 1])]
        ) { (x, y, a) throws(CressetError) in
            x.diagonalScatter(
                y, offset: try a.int("offset"), dim1: try a.int("dim1"), dim2: try a.int("dim2"))
        },
        scatter(
            readsMemory: true,
            "as_strided_scatter(Tensor self, Tensor src, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor",
            [
                ([4, 3], [2, 2], [[2, 2], [6, 2], 1]), ([5], [2], [[2], [3], .none]), ([], [1], [[1], [1], 0]),
                ([2], [0, 2], [[0, 2], [1, 1], 0]),
            ]
        ) { (x, y, a) throws(CressetError) in
            x.asStridedScatter(
                y, Shape(try a.ints("size")), Shape(try a.ints("stride")),
                storageOffset: try a.optionalInt("storage_offset"))
        },
    ]
}
