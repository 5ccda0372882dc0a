import BackendKit

/// Windows as a dim of their own: views of one dim, and the columns of a convolution.
enum Unfolding {
    private static let columnsName = OperatorName("aten::im2col")
    private static let imageName = OperatorName("aten::col2im")

    /// A view with dim `dim` replaced by windows of it, whose elements are a new last dim.
    static func unfold(_ x: Tensor, _ dim: Int, _ size: Int, _ step: Int) throws(CressetError) -> Tensor {
        let op = "aten::unfold"
        try x.checkValid(op)
        let d = try x.dim(dim, op: op)
        let n = x.ndim == 0 ? 1 : x.shape[d]
        guard size >= 0, size <= n, step > 0 else {
            throw CressetError(
                .argument, op: op,
                "size (\(size)) must be in 0 ... \(n), the size of dim \(d) of \(x.summary), and step (\(step)) positive"
            )
        }
        // A 0-d tensor has one window, and keeps no dim for it.
        if x.ndim == 0 {
            return x.view(op, [size], [1]) { (g) throws(CressetError) in
                size == 1
                    ? try g.reshaped([], op: op) : try .filled([], 0, dtype: g.dtype, on: g.runtime, op: op)
            }
        }
        guard x.ndim < maxRank else {
            throw CressetError(.shape, op: op, "ranks above \(maxRank) are not supported")
        }
        var (shape, strides) = (x.shape, x.strides)
        let count = (n - size) / step + 1
        shape[d] = count
        // (One window has no next one, however large the step.)
        strides[d] = count == 1 ? x.strides[d] : x.strides[d] * step
        shape.append(size)
        strides.append(x.strides[d])
        let windows = Windows(
            input: [n], kernel: [size], output: [count], stride: [count == 1 ? 1 : step], padding: [0], dilation: [1])
        let rank = x.ndim
        return x.view(op, shape, strides) { (g) throws(CressetError) in
            let others = (0..<rank).filter { $0 != d }
            let folded = try windows.fold(g.permute(others + [rank, d]), op: "aten::unfold_backward")
            var order = Array(0..<(rank - 1))
            order.insert(rank - 1, at: d)
            return folded.permute(order)
        }
    }

    private static func windows(
        _ lead: [Int], _ input: [Int], _ kernel: PerDim, _ dilation: PerDim, _ padding: PerDim, _ stride: PerDim,
        op: String
    ) throws(CressetError) -> Windows {
        let kernel = try kernel.list(2, "kernel_size", atLeast: 1, op: op)
        let dilation = try dilation.list(2, "dilation", atLeast: 1, op: op)
        let padding = try padding.list(2, "padding", atLeast: 0, op: op)
        let stride = try stride.list(2, "stride", atLeast: 1, op: op)
        var output: [Int] = []
        for i in 0..<2 {
            let space = input[i] + 2 * padding[i] - Windows.extent(kernel[i], dilation[i])
            guard space >= 0 else {
                throw CressetError(
                    .shape, op: op,
                    "there is no window: kernel \(kernel), dilation \(dilation), padding \(padding) over \(input)")
            }
            output.append(space / stride[i] + 1)
        }
        let windows = Windows(
            input: input, kernel: kernel, output: output, stride: stride, padding: padding, dilation: dilation)
        try windows.checkSizes(lead, op: op)
        return windows
    }

    /// [N, C, H, W] as the columns of its windows, [N, C·kernel, windows].
    static func columns(
        _ x: Tensor, _ kernel: PerDim, dilation: PerDim, padding: PerDim, stride: PerDim
    ) throws(CressetError) -> Tensor {
        let op = columnsName.text
        try x.checkValid(op)
        guard x.ndim == 3 || x.ndim == 4, x.shape.suffix(3).allSatisfy({ $0 > 0 && $0 < 1 << 40 }) else {
            throw CressetError(
                .shape, op: op,
                "needs 4 dims, or 3 without a batch, of which only the batch may have no elements: \(x.summary)")
        }
        let w = try windows(
            Array(x.shape.dropLast(2)), Array(x.shape.suffix(2)), kernel, dilation, padding, stride, op: op)
        let shape = Shape(x.shape.dropLast(3) + [x.shape[x.ndim - 3] * w.kernelCount, w.outputCount])
        return try Override.resolve(
            columnsName, inputs: [x], x.dtype,
            [.tensor(x), .ints(w.kernel), .ints(w.dilation), .ints(w.padding), .ints(w.stride)],
            type: ResultType(shape, x.dtype)
        ) { (inputs) throws(CressetError) in try w.unfold(inputs[0], op: op).reshaped(shape, op: op) }
    }

    /// The adjoint: columns added up to an image of the given size.
    static func image(
        _ x: Tensor, _ size: PerDim, _ kernel: PerDim, dilation: PerDim, padding: PerDim, stride: PerDim
    ) throws(CressetError) -> Tensor {
        let op = imageName.text
        try x.checkValid(op)
        let size = try size.list(2, "output_size", atLeast: 1, op: op)
        let w = try windows(Array(x.shape.dropLast(2).prefix(2)), size, kernel, dilation, padding, stride, op: op)
        guard x.ndim == 2 || x.ndim == 3, x.shape[x.ndim - 2] > 0, x.shape[x.ndim - 2] % w.kernelCount == 0,
            x.shape[x.ndim - 1] == w.outputCount
        else {
            throw CressetError(
                .shape, op: op,
                "needs [N, C·\(w.kernelCount), \(w.outputCount)], or that without N, for a result of \(size), kernel "
                    + "\(w.kernel), stride \(w.stride), padding \(w.padding) and dilation \(w.dilation): \(x.summary)")
        }
        let lead = Array(x.shape.dropLast(2)) + [x.shape[x.ndim - 2] / w.kernelCount]
        return try Override.resolve(
            imageName, inputs: [x], x.dtype,
            [.tensor(x), .ints(size), .ints(w.kernel), .ints(w.dilation), .ints(w.padding), .ints(w.stride)],
            type: ResultType(Shape(lead + size), x.dtype)
        ) { (inputs) throws(CressetError) in
            try w.fold(try inputs[0].reshaped(Shape(lead + w.kernel + w.output), op: op), op: op)
        }
    }
}

extension Tensor {
    /// A view of windows of `size` elements along `dim`, `step` apart; their elements are the last dim.
    public func unfold(_ dim: Int, size: Int, step: Int) -> Tensor {
        trapping { () throws(CressetError) in try Unfolding.unfold(self, dim, size, step) }
    }
    /// The windows of an image, [N, C, H, W], as columns, [N, C·kernel, windows]; PyTorch's F.unfold.
    public func im2col(_ kernelSize: PerDim, dilation: PerDim = 1, padding: PerDim = 0, stride: PerDim = 1) -> Tensor {
        trapping { () throws(CressetError) in
            try Unfolding.columns(self, kernelSize, dilation: dilation, padding: padding, stride: stride)
        }
    }
    /// Columns added up to an image, where they overlap; PyTorch's F.fold.
    public func col2im(
        _ outputSize: PerDim, _ kernelSize: PerDim, dilation: PerDim = 1, padding: PerDim = 0, stride: PerDim = 1
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try Unfolding.image(self, outputSize, kernelSize, dilation: dilation, padding: padding, stride: stride)
        }
    }
}

// MARK: Declarations

extension Operators {
    private static func unfold(_ name: String, isView: Bool) -> Operator {
        let cases: [(Shape, Int, Int, Int)] = [
            ([2, 7, 3], 1, 3, 2), ([9], -1, 4, 1), ([5, 4], 0, 2, 3), ([4], 0, 4, 1), ([0, 3], 1, 2, 1), ([3], 0, 0, 1),
            ([], 0, 1, 1),
        ]
        return Operator(
            isView
                ? "unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)"
                : "unfold_copy(Tensor self, int dimension, int size, int step) -> Tensor",
            dtypes: .all, composition: isView ? [] : ["aten::clone"],
            notOverridable: isView ? nil : "it is made of aten::clone, which can be",
            samples: { g in
                cases.map {
                    Sample([.tensor(g.tensor($0)), .scalar(Scalar($1)), .scalar(Scalar($2)), .scalar(Scalar($3))])
                }
            },
            call: { (a) throws(CressetError) in
                let view = try Unfolding.unfold(
                    try a.tensor("self"), try a.int("dimension"), try a.int("size"), try a.int("step"))
                return [.tensor(isView ? view : view.clone())]
            }
        ).refusing(windowErrors)
    }

    static let unfolding: [Operator] = [
        unfold("unfold", isView: true), unfold("unfold_copy", isView: false),
        Operator(
            "im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor",
            dtypes: .all, composition: ["pointwise"],
            samples: { g in
                let cases: [(Shape, [Value])] = [
                    ([2, 3, 4, 5], [[2, 3], 1, 0, 1]), ([2, 5, 4], [2, [2, 1], [1, 0], [1, 2]]),
                    ([0, 3, 4, 5], [2, 1, 0, 1]),
                ]
                return cases.map { Sample([.tensor(g.tensor($0))] + $1) }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try Unfolding.columns(
                            try a.tensor("self"), PerDim(try a.ints("kernel_size")),
                            dilation: PerDim(try a.ints("dilation")), padding: PerDim(try a.ints("padding")),
                            stride: PerDim(try a.ints("stride"))))
                ]
            }
        ).refusing([
            ([1, 3, 4, 5], [[5, 2], 1, 0, 1], ["[5, 2]"]), ([4, 5], [2, 1, 0, 1], ["[4, 5]"]),
            ([1, 3, 4, 5], [2, 1, 0, 0], ["0"]), ([1, 3, 4, 5], [0, 1, 0, 1], ["0"]),
            ([1, 3, 4, 5], [2, 1, -1, 1], ["-1"]),
        ]),
        Operator(
            "col2im(Tensor self, SymInt[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor",
            dtypes: .numeric, composition: ["pointwise"],
            samples: { g in
                let cases: [(Shape, [Value])] = [
                    ([2, 6, 9], [[4, 5], [2, 3], 1, 0, 1]), ([8, 10], [[5, 4], 2, [2, 1], [1, 0], [1, 2]]),
                    ([0, 8, 12], [[4, 5], 2, 1, 0, 1]),
                ]
                return cases.map { Sample([.tensor(g.tensor($0, -2, 2))] + $1) }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try Unfolding.image(
                            try a.tensor("self"), PerDim(try a.ints("output_size")), PerDim(try a.ints("kernel_size")),
                            dilation: PerDim(try a.ints("dilation")), padding: PerDim(try a.ints("padding")),
                            stride: PerDim(try a.ints("stride"))))
                ]
            }
        ).refusing([
            ([2, 5, 9], [[4, 5], [2, 3], 1, 0, 1], ["5"]), ([2, 6, 8], [[4, 5], [2, 3], 1, 0, 1], ["8", "9"]),
            ([6], [[4, 5], [2, 3], 1, 0, 1], ["[6]"]), ([2, 6, 9], [[4, 5], [2, 3], 1, 0, 0], ["0"]),
        ]),
    ]
}
