import BackendKit

/// Maxima of windows whose distances vary, so that any ratio of sizes can be had (Graham 2014).
///
/// One random number for each plane and dim says where along a dim the windows begin; they are gathered, and the
/// rest is a maximum over a dim.
enum FractionalPooling {
    /// Where window i begins: ⌊(i + u)·step⌋ - ⌊u·step⌋, and the last as far behind as it can.
    private static let starts = Pointwise("aten::fractional_max_pool2d", .explicit, schema: nil) { c in
        let (i, u) = (c.inputs[0], c.inputs[1])
        let (step, most) = (c.scalars[0], c.scalars[1])
        return select(i .== c.scalars[2], most, trunc((i + u) * step) - trunc(u * step))
    }

    /// [planes, output, kernel] places along one dim.
    private static func places(
        _ u: Tensor, input: Int, output: Int, kernel: Int, op: String
    ) throws(CressetError) -> Tensor {
        let step = output > 1 ? Double(input - kernel) / Double(output - 1) : 0
        let counts = try Tensor.empty([output], u.dtype, on: u.runtime, op: op)
        try Generators.arange.generate([0, 1], into: counts)
        let numbers = [step, Double(input - kernel), Double(output - 1)].map(Scalar.double)
        let first = try starts.run([counts, u], numbers, types: (u.dtype, .int64), promoting: [])
        let window = try Tensor.empty([kernel], .int64, on: u.runtime, op: op)
        try Generators.arange.generate([0, 1], into: window)
        return try Ops.add(first.unsqueeze(-1), window)
    }

    private static func pool(
        _ x: Tensor, kernel: [Int], output: [Int], samples: Tensor, op: String
    ) throws(CressetError) -> (values: Tensor, indices: Tensor) {
        let rank = kernel.count
        let (lead, sizes) = (Array(x.shape.dropLast(rank)), Array(x.shape.suffix(rank)))
        let planes = lead.reduce(1, *)
        let shape = Shape(lead + output)
        if planes == 0 {
            return (
                try x.reshaped([0], op: op).reshaped(shape, op: op),
                try Tensor.empty(shape, .int64, on: x.runtime, op: op)
            )
        }
        // [planes, outputs…, kernels…], a dim at a time.
        let index = try noGrad { () throws(CressetError) -> Tensor in
            let u = try samples.detach().converted(to: samples.dtype.arithmetic.dtype)
                .reshaped([planes, rank], op: op)
            var index: Tensor?
            for d in 0..<rank {
                // (PyTorch's order: of images the first number is the width's.)
                let column = u.narrow(1, rank == 2 ? 1 - d : d, 1)
                let own = try places(column, input: sizes[d], output: output[d], kernel: kernel[d], op: op)
                var shape = Shape(repeating: 1, count: 1 + 2 * rank)
                shape[0] = planes
                shape[1 + d] = output[d]
                shape[1 + rank + d] = kernel[d]
                let along = try own.reshaped(shape, op: op)
                if let before = index {
                    index = try Ops.add(try Ops.mul(before, Scalar(sizes[d])), along)
                } else {
                    index = along
                }
            }
            guard let index else { throw CressetError(.internal, op: op, "no dims") }
            return try index.reshaped([planes, output.reduce(1, *), kernel.reduce(1, *)], op: op)
        }
        let flat = try x.reshaped([planes, sizes.reduce(1, *)], op: op)
        let windows = try Indexing.gather(flat, 1, try index.reshaped([planes, -1], op: op))
            .reshaped(index.shape, op: op)
        let (values, which) = windows.max(dim: -1)
        let indices = try Indexing.gather(index, 2, which.unsqueeze(-1))
        return (try values.reshaped(shape, op: op), try indices.reshaped(shape, op: op))
    }

    private static func check(
        _ x: Tensor, _ kernel: [Int], _ output: [Int], _ samples: Tensor, op: String
    ) throws(CressetError) {
        let rank = kernel.count
        try x.checkValid(op)
        try samples.checkValid(op)
        try Unpooling.checkImages(x, rank, op: op)
        for d in 0..<rank {
            let size = x.shape[x.ndim - rank + d]
            guard output[d] > 0, kernel[d] > 0, output[d] + kernel[d] - 1 <= size else {
                throw CressetError(
                    .argument, op: op,
                    "\(output[d]) windows of \(kernel[d]) do not fit into the \(size) elements of a dim: \(x.summary)")
            }
        }
        let (n, channels) = (x.ndim == rank + 2 ? x.shape[0] : 1, x.shape[x.ndim - rank - 1])
        guard samples.shape == [n, channels, rank], samples.dtype == x.dtype else {
            throw CressetError(
                .argument, op: op,
                "random_samples must be \(x.dtype) [\(n), \(channels), \(rank)], got \(samples.summary)")
        }
    }

    fileprivate static func call(
        _ x: Tensor, _ rank: Int, _ kernel: [Int], _ output: [Int], _ samples: Tensor
    ) throws(CressetError) -> (values: Tensor, indices: Tensor) {
        let op = "aten::fractional_max_pool\(rank)d"
        try x.checkDType(.floating, op: op)
        let kernel = try PerDim(kernel).list(rank, "kernel_size", atLeast: 1, op: op)
        let output = try PerDim(output).list(rank, "output_size", atLeast: 1, op: op)
        try check(x, kernel, output, samples, op: op)
        return try pool(x, kernel: kernel, output: output, samples: samples, op: op)
    }

    static let operators: [Operator] = [2, 3].map { rank in
        Operator(
            "fractional_max_pool\(rank)d(Tensor self, int[\(rank)] kernel_size, int[\(rank)] output_size, Tensor random_samples) -> (Tensor, Tensor)",
            dtypes: .floating, composition: ["gather", "reduce", "pointwise"],
            notOverridable: "it is made of aten::gather and aten::max.dim, which can be",
            samples: { g in
                let cases: [(Shape, [Int], [Int])] =
                    rank == 2
                    ? [
                        ([2, 3, 7, 6], [2, 3], [4, 2]), ([3, 5, 5], [2, 2], [1, 4]), ([0, 2, 4, 4], [2, 2], [2, 2]),
                    ]
                    : [
                        ([1, 2, 5, 4, 6], [2, 2, 3], [3, 2, 2]), ([2, 4, 3, 3], [2, 1, 2], [1, 3, 2]),
                        ([0, 2, 3, 3, 3], [2, 2, 2], [2, 2, 2]),
                    ]
                return cases.map { shape, kernel, output in
                    let n = shape.count == rank + 2 ? shape[0] : 1
                    let places = g.tensor([n, shape[shape.count - rank - 1], rank], 0, 0.99)
                    return Sample(
                        [.tensor(g.distinct(shape)), .ints(kernel), .ints(output), .tensor(places)],
                        keeping: ["random_samples"])
                }
            },
            errors: { g in
                let x = Value.tensor(g.tensor(Shape([1, 2] + Array(repeating: 4, count: rank))))
                let samples = Value.tensor(g.tensor([1, 2, rank], 0, 0.9))
                return [
                    ErrorSample([x, [3], [4], samples], "4 windows of 3 do not fit"),
                    ErrorSample([x, [2], [2], .tensor(g.tensor([2, 2, rank]))], "random_samples must be"),
                    ErrorSample([.tensor(g.tensor([3])), [2], [2], samples], "needs \(rank + 2) dims"),
                ]
            },
            call: { (a) throws(CressetError) in
                let (values, indices) = try call(
                    try a.tensor("self"), rank, try a.ints("kernel_size"), try a.ints("output_size"),
                    try a.tensor("random_samples"))
                return [.tensor(values), .tensor(indices)]
            })
    }

    fileprivate static func call(
        _ x: Tensor, _ rank: Int, _ kernel: PerDim, _ size: PerDim?, _ ratio: [Double]?, _ samples: Tensor?,
        _ stream: RandomStream
    ) -> (values: Tensor, indices: Tensor) {
        trapping(default: (x, x)) { () throws(CressetError) in
            let op = "aten::fractional_max_pool\(rank)d"
            try x.checkValid(op)
            guard (size == nil) != (ratio == nil), x.ndim > rank,
                ratio.map({ $0.count == 1 || $0.count == rank }) ?? true
            else {
                throw CressetError(
                    .argument, op: op,
                    "needs either output sizes or \(rank) ratios, and \(rank + 1) or \(rank + 2) dims: \(x.summary)")
            }
            var output = size?.values ?? []
            if let ratio {
                for d in 0..<rank {
                    let r = ratio[ratio.count == 1 ? 0 : d]
                    guard r > 0, r < 1 else {
                        throw CressetError(.argument, op: op, "output ratios must be inside (0, 1), got \(ratio)")
                    }
                    output.append(Int(Double(x.shape[x.ndim - rank + d]) * r))
                }
            }
            let planes: Shape = [x.ndim == rank + 2 ? x.shape[0] : 1, x.shape[x.ndim - rank - 1], rank]
            let places = samples ?? .rand(planes, dtype: x.dtype, device: x.device, stream: stream)
            return try call(x, rank, kernel.values, output, places)
        }
    }
}

extension Tensor {
    /// Maxima of windows at random distances, and their row-major places in each image.
    ///
    /// - Parameters:
    ///   - outputSize: how many windows; or else
    ///   - outputRatio: the share of the sizes that they are.
    ///   - randomSamples: numbers in [0, 1), [batch, channels, 2], that say where windows begin; drawn if not given.
    public func fractionalMaxPool2d(
        _ kernelSize: PerDim, outputSize: PerDim? = nil, outputRatio: [Double]? = nil, randomSamples: Tensor? = nil,
        stream: RandomStream = .default
    ) -> (values: Tensor, indices: Tensor) {
        FractionalPooling.call(self, 2, kernelSize, outputSize, outputRatio, randomSamples, stream)
    }
    /// `fractionalMaxPool2d` of volumes.
    public func fractionalMaxPool3d(
        _ kernelSize: PerDim, outputSize: PerDim? = nil, outputRatio: [Double]? = nil, randomSamples: Tensor? = nil,
        stream: RandomStream = .default
    ) -> (values: Tensor, indices: Tensor) {
        FractionalPooling.call(self, 3, kernelSize, outputSize, outputRatio, randomSamples, stream)
    }
}
extension Operators {
    static let fractionalPooling: [Operator] = FractionalPooling.operators
}
