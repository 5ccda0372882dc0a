import BackendKit
import CBackend

/// Reading and writing by index tensors.
enum Indexing {
    private static let gatherName = OperatorName("aten::gather")
    private static let scatterName = OperatorName("aten::scatter.src")
    private static let scatterAddName = OperatorName("aten::scatter_add")
    private static let selectName = OperatorName("aten::index_select")

    static func check(_ index: Tensor, on x: Tensor, op: String) throws(CressetError) {
        try x.checkValid(op)
        try index.checkValid(op)
        // (As in PyTorch, no indices at all may be of any dtype.)
        guard index.dtype == .int64 || index.dtype == .int32 || index.numel == 0 else {
            throw CressetError(.dtype, op: op, "the index must be int64 or int32, got \(index.summary)")
        }
        guard index.runtime === x.runtime else {
            throw CressetError(
                .device, op: op, "index and tensor must live on one device: \(x.summary), \(index.summary)")
        }
    }

    private static func attributes(size: Int, stride: Int, reduce: ScatterReduction = .set) -> CressetIndexAttributes {
        var attributes = CressetIndexAttributes()
        attributes.struct_size = UInt32(MemoryLayout<CressetIndexAttributes>.size)
        attributes.index_count = 1
        attributes.reduce = reduce.rawValue
        attributes.index_sizes.0 = Int64(size)
        attributes.index_strides.0 = Int64(stride)
        return attributes
    }

    /// `x` seen over the iteration space `shape`, standing still along `dim`, which the index addresses.
    private static func base(_ x: Tensor, dim: Int, over shape: Shape) -> Operand {
        var operand = Operand(x)
        operand.shape = shape
        operand.strides[dim] = 0
        return operand
    }

    /// out[i][j][k] = x[index[i][j][k]][j][k] for dim 0, and so on.
    ///
    /// - Parameter caller: the operation whose error a wrong index is, on the device too; nil for this one.
    static func gather(
        _ x: Tensor, _ dim: Int, _ index: Tensor, for caller: String? = nil
    ) throws(CressetError) -> Tensor {
        let name = caller.map(OperatorName.init) ?? gatherName
        let op = name.text
        try check(index, on: x, op: op)
        let d = try x.dim(dim, op: op)
        // 0-d tensors gather as if they had one dim.
        if x.ndim == 0 {
            return try gather(x.reshaped([1], op: op), 0, index.reshaped([-1], op: op), for: caller)
                .reshaped(index.shape, op: op)
        }
        // (As in PyTorch, no indices may have any shape.)
        let fits = index.ndim == x.ndim && (0..<x.ndim).allSatisfy { $0 == d || index.shape[$0] <= x.shape[$0] }
        guard fits || index.numel == 0 else {
            throw CressetError(
                .shape, op: op,
                "the index \(index.shape) must have the rank of the tensor \(x.shape) and, but for dim \(d), no larger sizes"
            )
        }
        let result = try Override.resolve(
            gatherName, on: x, x.dtype, [.tensor(x), .scalar(Scalar(d)), .tensor(index), false],
            types: [ResultType(index.shape, x.dtype)]
        ) { () throws(CressetError) in [try gathered(x, d, index, name)] }[0]
        let shape = x.shape
        return Tape.record(op, result, inputs: [x], saving: [index]) { (gradients, saved) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    let zeros = try Tensor.filled(shape, 0, dtype: g.dtype, on: g.runtime, op: op)
                    return saved[0].numel == 0 ? zeros : try scatter(zeros, d, saved[0], g, .add)
                }
            ]
        }
    }

    /// The values at an index of the result's shape; nothing is recorded.
    private static func gathered(
        _ x: Tensor, _ d: Int, _ index: Tensor, _ op: OperatorName
    ) throws(CressetError) -> Tensor {
        let result = try Tensor.empty(index.shape, x.dtype, on: x.runtime, op: op.text)
        guard result.numel > 0 else { return result }
        try Primitive(
            family: .gather, op: op, inputs: [base(x, dim: d, over: index.shape), Operand(index)],
            outputs: [Operand(result)], attributes: .index(attributes(size: x.shape[d], stride: x.strides[d]))
        ).run()
        return result
    }

    /// A copy of `x` with `source` combined into it at the places the index names.
    static func scatter(
        _ x: Tensor, _ dim: Int, _ index: Tensor, _ source: Tensor, _ reduce: ScatterReduction,
        for caller: String? = nil
    ) throws(CressetError) -> Tensor {
        let name = reduce == .add ? scatterAddName : scatterName
        let op = caller ?? name.text
        try check(index, on: x, op: op)
        let result: Tensor
        if reduce == .add || reduce == .set {
            try checkScatter(x, dim, index, source, op: op)
            result = try Override.resolve(
                name, on: x, x.dtype, [.tensor(x), .scalar(Scalar(dim)), .tensor(index), .tensor(source)],
                types: [ResultType(x.shape, x.dtype)]
            ) { () throws(CressetError) in [try scattered(x, dim, index, source, reduce, op: op)] }[0]
        } else {
            result = try scattered(x, dim, index, source, reduce, op: op)
        }
        switch reduce {
        case .add:
            return Tape.record(op, result, inputs: [x, source], saving: [index]) {
                (gradients, saved) throws(CressetError) in
                try [gradients[0], gradients[0].map { (g) throws(CressetError) in try gather(g, dim, saved[0]) }]
            }
        case .set:
            return Tape.record(op, result, inputs: [x, source], saving: [index]) {
                (gradients, saved) throws(CressetError) in
                guard let g = gradients[0] else { return [nil, nil] }
                let zeros = try Tensor.filled(saved[0].shape, 0, dtype: g.dtype, on: g.runtime, op: op)
                return [try scatter(g, dim, saved[0], zeros, .set), try gather(g, dim, saved[0])]
            }
        case .mul, .max, .min:
            guard !Tape.isOn([x, source]) else {
                throw CressetError(.autograd, op: op, "scatter with \(reduce) has no derivative here")
            }
            return result
        }
    }

    private static func scattered(
        _ x: Tensor, _ dim: Int, _ index: Tensor, _ source: Tensor, _ reduce: ScatterReduction, op: String
    ) throws(CressetError) -> Tensor {
        let result = try Copy.clone(x, op: op)
        try scatter(into: result, dim, index, source, reduce, op: op)
        return result
    }

    /// The same in place; nothing is recorded.
    private static func scatter(
        into x: Tensor, _ dim: Int, _ index: Tensor, _ source: Tensor, _ reduce: ScatterReduction, op: String
    ) throws(CressetError) {
        if x.ndim == 0 {
            try scatter(
                into: x.reshaped([1], op: op), 0, index.reshaped([-1], op: op), source.reshaped([-1], op: op), reduce,
                op: op)
            return
        }
        try checkScatter(x, dim, index, source, op: op)
        let d = try x.dim(dim, op: op)
        guard index.numel > 0 else { return }
        var values = Operand(source)
        values.shape = index.shape
        try Primitive(
            family: .scatter, op: OperatorName(op), inputs: [values, Operand(index)],
            outputs: [base(x, dim: d, over: index.shape)],
            attributes: .index(attributes(size: x.shape[d], stride: x.strides[d], reduce: reduce))
        ).run()
    }

    static func checkScatter(
        _ x: Tensor, _ dim: Int, _ index: Tensor, _ source: Tensor, op: String
    ) throws(CressetError) {
        try source.checkValid(op)
        let d = try x.dim(dim, op: op)
        guard source.dtype == x.dtype else {
            throw CressetError(.dtype, op: op, "source and tensor must have one dtype: \(x.summary), \(source.summary)")
        }
        guard source.runtime === x.runtime else {
            throw CressetError(
                .device, op: op, "source and tensor must live on one device: \(x.summary), \(source.summary)")
        }
        // (0-d tensors are taken as if they had one dim.)
        if x.ndim == 0 && index.numel <= 1 && source.numel <= 1 { return }
        guard index.ndim == x.ndim, source.ndim == x.ndim,
            (0..<x.ndim).allSatisfy({
                index.shape[$0] <= source.shape[$0] && ($0 == d || index.shape[$0] <= x.shape[$0])
            })
        else {
            throw CressetError(
                .shape, op: op,
                "the index \(index.shape) must have the rank of the tensor \(x.shape) and the source \(source.shape), no "
                    + "size above the source's, and but for dim \(d) none above the tensor's")
        }
    }

    /// Rows (or slices along `dim`) of x in the order of a 1-d index.
    static func select(
        _ x: Tensor, _ dim: Int, _ index: Tensor, for caller: String? = nil
    ) throws(CressetError) -> Tensor {
        let name = caller.map(OperatorName.init) ?? selectName
        let op = name.text
        try check(index, on: x, op: op)
        guard index.ndim <= 1 else {
            throw CressetError(.shape, op: op, "the index must have 1 dim, got \(index.summary)")
        }
        if x.ndim == 0 { return try select(x.reshaped([1], op: op), 0, index, for: caller).reshaped([], op: op) }
        let d = try x.dim(dim, op: op)
        var shape = x.shape
        shape[d] = index.numel
        let along = try alongDim(index, d, shape, op: op)
        let result = try Override.resolve(
            selectName, on: x, x.dtype, [.tensor(x), .scalar(Scalar(d)), .tensor(index)],
            types: [ResultType(shape, x.dtype)]
        ) { () throws(CressetError) in [try gathered(x, d, along, name)] }[0]
        let original = x.shape
        return Tape.record(op, result, inputs: [x], saving: [index]) { (gradients, saved) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    let zeros = try Tensor.filled(original, 0, dtype: g.dtype, on: g.runtime, op: op)
                    return try add(zeros, d, saved[0], g)
                }
            ]
        }
    }

    /// The 1-d index repeated without copying over the other dims of `shape`.
    private static func alongDim(_ index: Tensor, _ d: Int, _ shape: Shape, op: String) throws(CressetError) -> Tensor {
        var column = Shape(repeating: 1, count: shape.count)
        column[d] = index.numel
        return try index.detach().reshaped(column, op: op).expanded(shape, op: op)
    }

    /// The dim from the front and a 1-d index over the shape of `source`, whose slices along it are written.
    static func slices(
        _ x: Tensor, _ dim: Int, _ index: Tensor, _ source: Tensor, op: String
    ) throws(CressetError) -> (dim: Int, index: Tensor) {
        try check(index, on: x, op: op)
        try source.checkValid(op)
        let d = try x.dim(dim, op: op)
        if x.ndim == 0, index.numel == 1, source.numel == 1 {
            return (0, try index.detach().reshaped(source.shape, op: op))
        }
        guard index.ndim <= 1, x.ndim > 0, source.ndim == x.ndim else {
            throw CressetError(
                .shape, op: op,
                "needs a 1-d index and a source of the tensor's rank: \(x.summary), \(index.summary), "
                    + source.summary)
        }
        guard source.shape[d] == index.numel,
            (0..<x.ndim).allSatisfy({ $0 == d || source.shape[$0] == x.shape[$0] })
        else {
            throw CressetError(
                .shape, op: op,
                "\(index.numel) indices need a source of that size along dim \(d) and else of the tensor's sizes: "
                    + "\(x.summary), \(source.summary)")
        }
        return (d, try alongDim(index, d, source.shape, op: op))
    }

    /// x with slices of `source`, `alpha` times, added at the places a 1-d index names.
    static func add(
        _ x: Tensor, _ dim: Int, _ index: Tensor, _ source: Tensor, alpha: Scalar = 1
    ) throws(CressetError) -> Tensor {
        let (d, along) = try slices(x, dim, index, source, op: "aten::index_add")
        return try scatter(
            x, d, along, alpha.isOne ? source : try Ops.mul(source, alpha).converted(to: source.dtype), .add,
            for: "aten::index_add")
    }

    /// x with slices of `source` in the places a 1-d index names; of duplicates the last wins.
    static func copy(_ x: Tensor, _ dim: Int, _ index: Tensor, _ source: Tensor) throws(CressetError) -> Tensor {
        let (d, along) = try slices(x, dim, index, source, op: "aten::index_copy")
        return try scatter(x, d, along, source, .set, for: "aten::index_copy")
    }

    /// x with one value in the slices a 1-d index names.
    static func fill(_ x: Tensor, _ dim: Int, _ index: Tensor, _ value: Tensor) throws(CressetError) -> Tensor {
        let op = "aten::index_fill.int_Tensor"
        try check(index, on: x, op: op)
        try value.checkValid(op)
        guard value.ndim == 0, index.ndim <= 1 else {
            throw CressetError(
                .shape, op: op, "needs a 0-d value and a 1-d index, got \(value.summary) and \(index.summary)")
        }
        let d = try x.dim(dim, op: op)
        let fill = try Tensor.onOneDevice([x, value], op: op)[1].converted(to: x.dtype)
        // Marked first: an index that is named twice counts once in the value's gradient.
        let places = try index.detach().reshaped([index.numel], op: op)
        var size = Shape(repeating: 1, count: x.ndim)
        if x.ndim > 0 { size[d] = x.shape[d] }
        let marked = try scatter(
            .filled([size.elementCount], false, dtype: .bool, on: x.runtime, op: op), 0, places,
            .filled(places.shape, true, dtype: .bool, on: x.runtime, op: op), .set, for: op)
        return Tensor.where(try marked.reshaped(size, op: op), fill, x)
    }
}

extension Tensor {
    /// Values along `dim` at the places `index` names, one for each element of the index.
    public func gather(_ dim: Int, _ index: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Indexing.gather(self, dim, index) }
    }
    /// A copy with `source` written where the index says; of duplicates the last wins.
    public func scatter(_ dim: Int, _ index: Tensor, _ source: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            try Indexing.scatter(self, dim, index, source, .set)
        }
    }
    /// A copy with `source` added where the index says.
    public func scatterAdd(_ dim: Int, _ index: Tensor, _ source: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            try Indexing.scatter(self, dim, index, source, .add)
        }
    }
    /// Slices along `dim` in the order of a 1-d index.
    public func indexSelect(dim: Int, index: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Indexing.select(self, dim, index) }
    }
    /// A copy with `value` written where the index says.
    public func scatter(_ dim: Int, _ index: Tensor, _ value: Scalar) -> Tensor {
        scatter(dim, index, Tensor.full(index.shape, value, dtype: dtype, device: device))
    }
    /// A copy with slices of `source`, `alpha` times, added at the places a 1-d index names.
    public func indexAdd(_ dim: Int, _ index: Tensor, _ source: Tensor, alpha: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in try Indexing.add(self, dim, index, source, alpha: alpha) }
    }
    /// A copy with slices of `source` at the places a 1-d index names; of duplicates the last wins.
    public func indexCopy(_ dim: Int, _ index: Tensor, _ source: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Indexing.copy(self, dim, index, source) }
    }
    /// A copy with a 0-d tensor's element in the slices a 1-d index names.
    public func indexFill(_ dim: Int, _ index: Tensor, _ value: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Indexing.fill(self, dim, index, value) }
    }
    /// A copy with `value` in the slices a 1-d index names.
    public func indexFill(_ dim: Int, _ index: Tensor, _ value: Scalar) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid("aten::index_fill.int_Scalar")
            let value = try Tensor.filled([], value, dtype: dtype, on: runtime, op: "aten::index_fill.int_Scalar")
            return try Indexing.fill(self, dim, index, value)
        }
    }
    /// Slices of `source`, `alpha` times, are added at the places a 1-d index names.
    @discardableResult
    public func indexAdd_(_ dim: Int, _ index: Tensor, _ source: Tensor, alpha: Scalar = 1) -> Tensor {
        inPlace("aten::index_add_") { $0.indexAdd(dim, index, source, alpha: alpha) }
    }
    /// Slices of `source` are written to the places a 1-d index names.
    @discardableResult
    public func indexCopy_(_ dim: Int, _ index: Tensor, _ source: Tensor) -> Tensor {
        inPlace("aten::index_copy_") { $0.indexCopy(dim, index, source) }
    }
    /// `value` is written to the slices a 1-d index names.
    @discardableResult
    public func indexFill_(_ dim: Int, _ index: Tensor, _ value: Scalar) -> Tensor {
        inPlace("aten::index_fill_.int_Scalar") { $0.indexFill(dim, index, value) }
    }
}
