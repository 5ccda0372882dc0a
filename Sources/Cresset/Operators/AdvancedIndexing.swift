import BackendKit
import CBackend

/// Reading and writing by several index tensors at once, one for each of some dims.
///
/// The indices broadcast together to a shape B. Where the indexed dims are neighbours B takes their place in
/// the result, else it comes first: NumPy's rule. A bool (or uint8) index stands for the coordinates of its
/// true elements.
struct AdvancedIndex: Sendable {
    /// One for each indexed dim, of the shape B.
    private let indices: [Tensor]
    private let indexed: [Int]
    /// Dims of the tensor that come before B and behind it in the result.
    private let before: [Int]
    private let behind: [Int]
    private let places: Shape
    private let source: Shape

    /// - Parameter list: an index for each dim from the first on, nil for all of the dim.
    init(_ list: [Tensor?], on x: Tensor, op: String) throws(CressetError) {
        try x.checkValid(op)
        var all: [Tensor?] = []
        for index in list {
            guard let index else {
                all.append(nil)
                continue
            }
            try index.checkValid(op)
            switch index.dtype {
            case .int64, .int32: all.append(index.detach())
            case .bool, .uint8:
                let dims = index.ndim
                guard all.count + dims <= x.ndim, index.shape.elementsEqual(x.shape[all.count..<all.count + dims])
                else {
                    throw CressetError(
                        .index, op: op,
                        "the mask \(index.summary) does not fit dim \(all.count) and the next of \(x.summary)")
                }
                // (A mask without dims chooses all or nothing of what is there.)
                let coordinates = try Compaction.nonzero(dims == 0 ? index.reshaped([1], op: op) : index)
                if dims == 0 { throw CressetError(.index, op: op, "a mask needs at least 1 dim") }
                for d in 0..<dims { all.append(coordinates.select(1, d)) }
            default:
                if index.numel == 0 {
                    all.append(try index.detach().converted(to: .int64))
                    continue
                }
                throw CressetError(
                    .dtype, op: op, "an index must be int64, int32, bool or uint8, got \(index.summary)")
            }
        }
        guard all.count <= x.ndim else {
            throw CressetError(.index, op: op, "\(all.count) indices are too many for \(x.summary)")
        }
        let present = try Tensor.onOneDevice([x] + all.compactMap(\.self), op: op).dropFirst()
        var shape = Shape()
        for index in present {
            guard let common = shape.broadcast(with: index.shape) else {
                throw CressetError(
                    .shape, op: op,
                    "the indices do not broadcast: \(present.map { "\($0.shape)" }.joined(separator: ", "))")
            }
            shape = common
        }
        let dims = all.indices.filter { all[$0] != nil }
        indexed = dims
        let rest = (0..<x.ndim).filter { !dims.contains($0) }
        let areNeighbours = zip(dims, dims.dropFirst()).allSatisfy { $1 == $0 + 1 }
        let first = areNeighbours ? dims.first ?? 0 : 0
        let leading = areNeighbours ? rest.filter { $0 < first } : []
        before = leading
        behind = rest.filter { !leading.contains($0) }
        places = shape
        source = x.shape
        guard rest.count + shape.count <= maxRank else {
            throw CressetError(.shape, op: op, "ranks above \(maxRank) are not supported")
        }
        let common = shape
        indices = try present.map { (index) throws(CressetError) in try index.expanded(common, op: op) }
    }

    /// What reading gives, and writing takes.
    var shape: Shape { Shape(before.map { source[$0] } + Array(places) + behind.map { source[$0] }) }

    /// `x` over the result's shape, standing still where only the indices move.
    private func base(_ x: Tensor) -> Operand {
        var operand = Operand(x)
        operand.shape = shape
        operand.strides = Shape(
            before.map { x.strides[$0] } + [Int](repeating: 0, count: places.count) + behind.map { x.strides[$0] })
        return operand
    }

    private func index(_ j: Int) -> Operand {
        var operand = Operand(indices[j])
        operand.shape = shape
        operand.strides = Shape(
            [Int](repeating: 0, count: before.count) + Array(indices[j].strides)
                + [Int](repeating: 0, count: behind.count))
        return operand
    }

    private func attributes(_ x: Tensor, _ reduce: ScatterReduction) -> Primitive.Attributes {
        var attributes = CressetIndexAttributes()
        attributes.struct_size = UInt32(MemoryLayout<CressetIndexAttributes>.size)
        attributes.index_count = UInt32(indexed.count)
        attributes.reduce = reduce.rawValue
        withUnsafeMutableBytes(of: &attributes.index_sizes) { sizes in
            for (j, d) in indexed.enumerated() {
                sizes.storeBytes(of: Int64(x.shape[d]), toByteOffset: 8 * j, as: Int64.self)
            }
        }
        withUnsafeMutableBytes(of: &attributes.index_strides) { strides in
            for (j, d) in indexed.enumerated() {
                strides.storeBytes(of: Int64(x.strides[d]), toByteOffset: 8 * j, as: Int64.self)
            }
        }
        return .index(attributes)
    }

    /// Nothing is recorded.
    func read(_ x: Tensor, op: OperatorName) throws(CressetError) -> Tensor {
        if indexed.isEmpty { return try Copy.clone(x.detach(), op: op.text) }
        let result = try Tensor.empty(shape, x.dtype, on: x.runtime, op: op.text)
        guard result.numel > 0 else { return result }
        try Primitive(
            family: .gather, op: op, inputs: [base(x)] + indices.indices.map(index), outputs: [Operand(result)],
            attributes: attributes(x, .set)
        ).run()
        return result
    }

    /// Writes into `x`; nothing is recorded.
    func write(_ values: Tensor, into x: Tensor, _ reduce: ScatterReduction, op: OperatorName) throws(CressetError) {
        guard shape.elementCount > 0 else { return }
        if indexed.isEmpty {
            let values = try values.expanded(x.shape, op: op.text)
            try Copy.run(from: reduce == .add ? try Ops.add(x, values) : values, to: x, op: op)
            return
        }
        try Primitive(
            family: .scatter, op: op, inputs: [Operand(values, broadcastTo: shape)] + indices.indices.map(index),
            outputs: [base(x)], attributes: attributes(x, reduce)
        ).run()
    }
}

extension AdvancedIndex {
    private static let indexName = OperatorName("aten::index.Tensor")
    private static let putName = OperatorName("aten::index_put")

    /// x[indices], recorded.
    static func index(_ x: Tensor, _ indices: [Tensor?]) throws(CressetError) -> Tensor {
        let index = try AdvancedIndex(indices, on: x, op: indexName.text)
        return try index.index(x)
    }

    private func index(_ x: Tensor) throws(CressetError) -> Tensor {
        let result = try read(x, op: Self.indexName)
        return Tape.record(Self.indexName.text, result, inputs: [x]) { (gradients, _) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    let zeros = try Tensor.filled(source, 0, dtype: g.dtype, on: g.runtime, op: Self.putName.text)
                    return try put(zeros, g, accumulate: true)
                }
            ]
        }
    }

    /// A copy of `x` with `values` at its indices, recorded; of duplicates the last wins, or all are added.
    static func put(
        _ x: Tensor, _ indices: [Tensor?], _ values: Tensor, accumulate: Bool
    ) throws(CressetError) -> Tensor {
        let op = putName.text
        let index = try AdvancedIndex(indices, on: x, op: op)
        try values.checkValid(op)
        guard values.dtype == x.dtype else {
            throw CressetError(.dtype, op: op, "tensor and values must have one dtype: \(x.summary), \(values.summary)")
        }
        let values = try Tensor.onOneDevice([x, values], op: op)[1]
        guard values.shape.broadcast(with: index.shape) == index.shape else {
            throw CressetError(
                .shape, op: op, "the values \(values.summary) do not broadcast to the indexed shape \(index.shape)")
        }
        return try index.put(x, values, accumulate: accumulate)
    }

    private func put(_ x: Tensor, _ values: Tensor, accumulate: Bool) throws(CressetError) -> Tensor {
        let result = try Copy.clone(x.detach(), op: Self.putName.text)
        try noGrad { () throws(CressetError) in
            try write(values.detach(), into: result, accumulate ? .add : .set, op: Self.putName)
        }
        return Tape.record(Self.putName.text, result, inputs: [x, values]) { (gradients, _) throws(CressetError) in
            guard let g = gradients[0] else { return [nil, nil] }
            if accumulate { return [g, try index(g)] }
            let zero = try Tensor.filled([], 0, dtype: g.dtype, on: g.runtime, op: Self.putName.text)
            return [try put(g, zero, accumulate: false), try index(g)]
        }
    }
}

extension Tensor {
    /// The elements at several index tensors, which broadcast together; nil takes all of a dim.
    public func index(_ indices: [Tensor?]) -> Tensor {
        trapping { () throws(CressetError) in try AdvancedIndex.index(self, indices) }
    }
    /// A copy with `values` at several index tensors; of duplicates the last wins, or all are added.
    public func indexPut(_ indices: [Tensor?], _ values: Tensor, accumulate: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try AdvancedIndex.put(self, indices, values, accumulate: accumulate)
        }
    }
    /// `values` are written at several index tensors; of duplicates the last wins, or all are added.
    @discardableResult
    public func indexPut_(_ indices: [Tensor?], _ values: Tensor, accumulate: Bool = false) -> Tensor {
        inPlace("aten::index_put_") { $0.indexPut(indices, values, accumulate: accumulate) }
    }

    /// The elements at several index tensors where the mask is true, `fill` elsewhere; indices count only there.
    public func unsafeMaskedIndex(_ mask: Tensor, _ indices: [Tensor?], fill: Scalar) -> Tensor {
        let safe = clamped(indices)
        return index(safe).maskedFill(mask.logicalNot(), fill)
    }
    /// A copy with `values` added at several index tensors where the mask is true.
    public func unsafeMaskedIndexPutAccumulate(_ mask: Tensor, _ indices: [Tensor?], _ values: Tensor) -> Tensor {
        indexPut(clamped(indices), values.maskedFill(mask.logicalNot(), 0), accumulate: true)
    }

    /// What the mask rules out may lie outside.
    private func clamped(_ indices: [Tensor?]) -> [Tensor?] {
        indices.enumerated().map { d, index in
            guard let index, index.dtype == .int64 || index.dtype == .int32, d < ndim else { return index }
            return index.clamp(min: .int(Int64(-shape[d])), max: .int(Int64(shape[d] - 1)))
        }
    }
}

// MARK: Declarations

extension Operators {
    /// Indices for a tensor of shape [4, 3, 5]: neighbours, apart, all dims, one, a mask.
    private static func indexLists(_ g: inout SampleMaker) -> [(indices: [Tensor?], shape: Shape)] {
        let mask = Tensor([1, 0, 1, 1, 0, 0, 0, 1, 0, 1, 0, 0], shape: [4, 3], dtype: .bool, device: .reference)
        return [
            ([g.indices([2, 1], below: 4), g.indices([3], below: 3)], [2, 3, 5]),
            ([g.indices([2], below: 4), nil, g.indices([2], below: 5)], [2, 3]),
            ([g.indices([6], below: 4), g.indices([6], below: 3), g.indices([6], below: 5)], [6]),
            ([nil, g.indices([2, 2], below: 3)], [4, 2, 2, 5]), ([mask], [5, 5]),
            ([g.indices([0], below: 4)], [0, 3, 5]),
        ]
    }

    static let advancedIndexing: [Operator] = [
        .composed(
            "index.Tensor(Tensor self, Tensor?[] indices) -> Tensor", of: ["gather"],
            samples: { g in
                indexLists(&g).map { Sample([.tensor(g.tensor([4, 3, 5])), .optionalTensors($0.indices)]) }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").index(try a.optionalTensors("indices")))]
            }),
        .composed(
            "index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
            of: ["scatter"],
            samples: { g in
                indexLists(&g).enumerated().map { i, list in
                    // (Of duplicates that are set one wins, so that differences see no gradient of the others.)
                    let values = i == 1 ? g.tensor([]) : g.tensor(list.shape)
                    return Sample([
                        .tensor(g.tensor([4, 3, 5])), .optionalTensors(list.indices), .tensor(values),
                        .scalar(.bool(i != 4)),
                    ])
                } + [
                    Sample(
                        [
                            .tensor(g.tensor([3, 2])), .tensors([g.indices([7], below: 3)]), .tensor(g.tensor([7, 2])),
                            false,
                        ], checksGradient: false)
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").indexPut(
                            try a.optionalTensors("indices"), try a.tensor("values"),
                            accumulate: try a.bool("accumulate")))
                ]
            }),
        .composed(
            "_unsafe_masked_index(Tensor self, Tensor mask, Tensor?[] indices, Scalar fill) -> Tensor",
            of: ["aten::index.Tensor", "aten::masked_fill.Scalar"],
            samples: { g in
                [
                    Sample([
                        .tensor(g.tensor([3, 4])), .tensor(g.tensor([2, 5], dtype: .bool)),
                        .tensors([g.indices([2, 1], below: 3), g.indices([5], below: 4)]), 1,
                    ]),
                    Sample([
                        .tensor(g.tensor([3, 4])), .tensor(g.tensor([0, 2], dtype: .bool)),
                        .tensors([g.indices([0, 1], below: 3), g.indices([2], below: 4)]), 1,
                    ]),
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").unsafeMaskedIndex(
                            try a.tensor("mask"), try a.optionalTensors("indices"), fill: try a.scalar("fill")))
                ]
            }),
        .composed(
            "_unsafe_masked_index_put_accumulate(Tensor self, Tensor mask, Tensor?[] indices, Tensor values) -> Tensor",
            of: ["aten::index_put", "aten::masked_fill.Scalar"],
            samples: { g in
                [
                    Sample([
                        .tensor(g.tensor([3, 4])), .tensor(g.tensor([2, 5], dtype: .bool)),
                        .tensors([g.indices([2, 1], below: 3), g.indices([5], below: 4)]), .tensor(g.tensor([2, 5])),
                    ]),
                    Sample([
                        .tensor(g.tensor([3, 4])), .tensor(g.tensor([0, 2], dtype: .bool)),
                        .tensors([g.indices([0, 1], below: 3), g.indices([2], below: 4)]), .tensor(g.tensor([0, 2])),
                    ]),
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").unsafeMaskedIndexPutAccumulate(
                            try a.tensor("mask"), try a.optionalTensors("indices"), try a.tensor("values")))
                ]
            }),
    ]
}
