import BackendKit

/// The way back from maxima of windows: each goes to where it was, and all else is 0.
enum Unpooling {
    /// Throws unless x is [batch, channels, …] with `rank` more dims, or that without a batch.
    static func checkImages(_ x: Tensor, _ rank: Int, op: String) throws(CressetError) {
        guard x.ndim == rank + 1 || x.ndim == rank + 2, x.shape.dropFirst(x.ndim - rank - 1).allSatisfy({ $0 > 0 })
        else {
            throw CressetError(
                .shape, op: op,
                "needs \(rank + 2) dims, or \(rank + 1) without a batch, of which only the batch may have no elements: "
                    + x.summary)
        }
    }

    /// Throws where `indices` do not belong to `x`, or the result has no such sizes.
    private static func check(
        _ x: Tensor, _ indices: Tensor, _ sizes: [Int], op: String
    ) throws(CressetError) {
        let rank = sizes.count
        try x.checkValid(op)
        try indices.checkValid(op)
        try checkImages(x, rank, op: op)
        guard indices.dtype == .int64, indices.shape == x.shape else {
            throw CressetError(
                .argument, op: op, "needs int64 indices of the input's shape: \(x.summary), \(indices.summary)")
        }
        guard sizes.allSatisfy({ $0 > 0 }), Shape(x.shape.dropLast(rank) + sizes).extent(8) != nil else {
            throw CressetError(.argument, op: op, "output_size must be \(rank) sizes above 0, got \(sizes)")
        }
    }

    /// Zeros of `sizes` behind batch and channels, with the elements of x at row-major places within those.
    static func unpool(
        _ x: Tensor, _ indices: Tensor, _ sizes: [Int], op: String
    ) throws(CressetError) -> Tensor {
        let rank = sizes.count
        let (lead, plane) = (x.shape.dropLast(rank).reduce(1, *), x.shape.suffix(rank).reduce(1, *))
        let zeros = try Tensor.filled(
            [lead, sizes.reduce(1, *)], 0, dtype: x.dtype, on: x.runtime, op: op)
        return try Indexing.scatter(
            zeros, 1, try indices.reshaped([lead, plane], op: op), try x.reshaped([lead, plane], op: op), .set,
            for: op
        ).reshaped(Shape(x.shape.dropLast(rank) + sizes), op: op)
    }

    private static func operation(_ rank: Int) -> Composed {
        let last = rank == 3 ? ", int[3] stride, int[3] padding" : ""
        @Sendable func sizes(_ a: Arguments) throws(CressetError) -> [Int] {
            let list = try a.ints("output_size")
            guard list.count == rank else { throw a.wrong("output_size must be \(rank) numbers, got \(list)") }
            return list
        }
        return Composed(
            "max_unpool\(rank)d(Tensor self, Tensor indices, SymInt[\(rank)] output_size\(last)) -> Tensor", .number,
            of: ["scatter"],
            samples: { g in
                let options: [Value] = rank == 3 ? [[2, 2, 2], [0, 0, 0]] : []
                let shapes: [(Shape, [Int])] =
                    rank == 2
                    ? [([2, 3, 2, 3], [4, 6]), ([3, 2, 2], [5, 4]), ([0, 2, 2, 2], [4, 4])]
                    : [([1, 2, 2, 1, 3], [3, 2, 6]), ([2, 2, 2, 1], [4, 3, 2]), ([0, 1, 2, 2, 2], [4, 4, 4])]
                return shapes.map { shape, size in
                    // Places that are all different, as those of windows apart are.
                    let plane = shape.suffix(rank).reduce(1, *)
                    var places: [Int64] = []
                    for _ in 0..<shape.dropLast(rank).reduce(1, *) {
                        var all = Array(0..<Int64(size.reduce(1, *)))
                        for i in 0..<plane { all.swapAt(i, i + g.int(0..<(all.count - i))) }
                        places += all.prefix(plane)
                    }
                    let indices = Tensor(places, shape: shape, device: .reference)
                    return Sample(
                        [.tensor(g.tensor(shape)), .tensor(indices), .ints(size)] + options, keeping: ["indices"])
                }
            },
            errors: { g in
                let shape = Shape([1, 1] + Array(repeating: 2, count: rank))
                let (x, options): (Value, [Value]) = (
                    .tensor(g.tensor(shape)), rank == 3 ? [[2, 2, 2], [0, 0, 0]] : []
                )
                let indices = Value.tensor(g.indices(shape, below: 4))
                let size = Value.ints(Array(repeating: 4, count: rank))
                return [
                    ErrorSample(
                        [x, .tensor(g.indices([2], below: 4)), size] + options, words: ["indices of the input's shape"]),
                    ErrorSample([x, indices, [4]] + options, words: ["output_size must be \(rank) numbers", "[4]"]),
                    ErrorSample(
                        [.tensor(g.tensor([2])), .tensor(g.indices([2], below: 4)), size] + options,
                        words: ["needs \(rank + 2) dims", "[2]"]),
                ]
            },
            type: { (a) throws(CressetError) in
                let (x, list) = (try a.tensor("self"), try sizes(a))
                try check(x, try a.tensor("indices"), list, op: a.op)
                return ResultType(Shape(x.shape.dropLast(rank) + list), x.dtype)
            },
            body: { (a) throws(CressetError) in
                try unpool(try a.tensor("self"), try a.tensor("indices"), try sizes(a), op: a.op)
            })
    }

    static let planes = operation(2)
    static let volumes = operation(3)

    /// The sizes that pooling by these windows came from, or the given ones, which may differ by less than a step.
    private static func sizes(
        _ x: Tensor, _ rank: Int, kernel: PerDim, stride: PerDim?, padding: PerDim, given: [Int]?, op: String
    ) throws(CressetError) -> (sizes: [Int], stride: [Int], padding: [Int]) {
        try x.checkValid(op)
        guard x.ndim == rank + 1 || x.ndim == rank + 2 else {
            throw CressetError(.shape, op: op, "needs \(rank + 1) or \(rank + 2) dims: \(x.summary)")
        }
        let kernel = try kernel.list(rank, "kernel_size", atLeast: 1, op: op)
        let stride = try (stride ?? PerDim(kernel)).list(rank, "stride", atLeast: 1, op: op)
        let padding = try padding.list(rank, "padding", atLeast: 0, op: op)
        let own = (0..<rank).map { (x.shape[x.ndim - rank + $0] - 1) * stride[$0] - 2 * padding[$0] + kernel[$0] }
        guard let given else { return (own, stride, padding) }
        let size = given.count == x.ndim ? Array(given.suffix(rank)) : given
        guard size.count == rank, (0..<rank).allSatisfy({ abs(size[$0] - own[$0]) < stride[$0] }) else {
            throw CressetError(
                .argument, op: op,
                "output_size must be \(rank) numbers that differ by less than the stride \(stride) from \(own), got \(given)"
            )
        }
        return (size, stride, padding)
    }

    fileprivate static func call(
        _ x: Tensor, _ indices: Tensor, _ rank: Int, _ kernel: PerDim, _ stride: PerDim?, _ padding: PerDim,
        _ given: [Int]?
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::max_unpool\(rank)d"
            let (size, stride, padding) = try sizes(
                x, rank, kernel: kernel, stride: stride, padding: padding, given: given, op: op)
            switch rank {
            case 1:
                try check(x, indices, size, op: op)
                return try planes(.tensor(x.unsqueeze(-1)), .tensor(indices.unsqueeze(-1)), .ints(size + [1]))
                    .squeeze(-1)
            case 2: return try planes(.tensor(x), .tensor(indices), .ints(size))
            default:
                return try volumes(.tensor(x), .tensor(indices), .ints(size), .ints(stride), .ints(padding))
            }
        }
    }
}

extension Operators {
    static let unpooling: [Operator] = [Unpooling.planes, Unpooling.volumes].map(\.declaration)
}

extension Tensor {
    /// Maxima put back to where `maxPool1dWithIndices` found them, among zeros.
    public func maxUnpool1d(
        _ indices: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, outputSize: [Int]? = nil
    ) -> Tensor { Unpooling.call(self, indices, 1, kernelSize, stride, padding, outputSize) }
    /// Maxima put back to where `maxPool2dWithIndices` found them, among zeros.
    public func maxUnpool2d(
        _ indices: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, outputSize: [Int]? = nil
    ) -> Tensor { Unpooling.call(self, indices, 2, kernelSize, stride, padding, outputSize) }
    /// Maxima put back to where `maxPool3dWithIndices` found them, among zeros.
    public func maxUnpool3d(
        _ indices: Tensor, _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, outputSize: [Int]? = nil
    ) -> Tensor { Unpooling.call(self, indices, 3, kernelSize, stride, padding, outputSize) }
}
