import BackendKit

/// Windows as a dim of their own: views of one dim, and the columns of a convolution.
enum Unfolding {
    private static let columnsName = OperatorName("aten::im2col")
    private static let imageName = OperatorName("aten::col2im")

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
        unfold(dim, size, step)
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
    static let unfolding: [Operator] = [
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
