import BackendKit

/// How far a convolution's input is filled up with zeros.
public enum ConvolutionPadding: Sendable, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral {
    /// On both sides of each dim.
    case sizes(PerDim)
    /// As much as gives a result of the input's size; needs a stride of 1.
    case same
    /// Not at all.
    case valid

    public init(integerLiteral value: Int) { self = .sizes(PerDim(value)) }
    public init(arrayLiteral elements: Int...) { self = .sizes(PerDim(elements)) }

    /// "same" or "valid"
    init(named text: String, op: String) throws(CressetError) {
        switch text {
        case "same": self = .same
        case "valid": self = .valid
        default: throw CressetError(.argument, op: op, "padding must be \"same\" or \"valid\", got \"\(text)\"")
        }
    }
}

/// The numbers of a call.
struct ConvolutionOptions {
    var stride: PerDim = 1
    var padding: ConvolutionPadding = 0
    var dilation: PerDim = 1
    var groups = 1
    var transposed = false
    var outputPadding: PerDim = 0
}

extension Convolution {
    /// Any convolution, checked.
    ///
    /// - Parameter dims: dims that windows slide over, where a batch may be missing; nil for as many as
    ///   the weight has, with a batch.
    static func run(
        _ x: Tensor, _ w: Tensor, _ bias: Tensor?, _ options: ConvolutionOptions, dims: Int?, op: String
    ) throws(CressetError) -> Tensor {
        for tensor in [x, w] + (bias.map { [$0] } ?? []) { try tensor.checkValid(op) }
        let placed = try Tensor.onOneDevice([x, w] + (bias.map { [$0] } ?? []), op: op)
        var x = placed[0]
        let (w, bias) = (placed[1], bias == nil ? nil : placed[2])
        let rank = dims ?? w.ndim - 2
        guard rank >= 1, w.ndim == rank + 2, x.ndim == rank + 2 || (dims != nil && x.ndim == rank + 1) else {
            throw CressetError(
                .shape, op: op,
                "needs an input of \(dims == nil ? "the weight's rank" : "\(rank + 2) dims, or \(rank + 1) without a batch,") "
                    + "and a weight of \(dims == nil ? "at least 3" : "\(rank + 2)") dims: \(x.summary), \(w.summary)")
        }
        guard placed.allSatisfy({ $0.dtype == x.dtype }), x.dtype != .bool else {
            throw CressetError(
                .dtype, op: op,
                "input, weight and bias must have one dtype, which is not bool: "
                    + placed.map(\.summary).joined(separator: ", "))
        }
        let isBatched = x.ndim == rank + 2
        if !isBatched { x = x.unsqueeze(0) }
        var options = options
        if case .same = options.padding { (x, options.padding) = try same(x, w, options, rank, op: op) }
        let plan = try plan(x, w, bias, options, rank, op: op)
        try plan.windows.checkSizes([x.shape[0], Swift.max(plan.inputChannels, plan.outputChannels)], op: op)
        let y = options.transposed ? try spread(x, w, bias, plan) : try convolve(x, w, bias, plan)
        return isBatched ? y : y.squeezed([0], op: op)
    }

    /// The padding that keeps the size. Where it is odd, one element more is added behind, before the
    /// convolution.
    private static func same(
        _ x: Tensor, _ w: Tensor, _ options: ConvolutionOptions, _ rank: Int, op: String
    ) throws(CressetError) -> (Tensor, ConvolutionPadding) {
        let stride = try options.stride.list(rank, "stride", atLeast: 1, op: op)
        guard stride.allSatisfy({ $0 == 1 }) else {
            throw CressetError(.argument, op: op, "padding \"same\" needs a stride of 1, got \(stride)")
        }
        let dilation = try options.dilation.list(rank, "dilation", atLeast: 1, op: op)
        let total = (0..<rank).map { dilation[$0] * Swift.max(w.shape[$0 + 2] - 1, 0) }
        // (constant_pad_nd counts dims from the last.)
        let behind = total.reversed().flatMap { [0, $0 % 2] }
        let filled = behind.contains(1) ? try Padding.constant(x, behind, 0) : x
        return (filled, .sizes(PerDim(total.map { $0 / 2 })))
    }

    /// The plan for checked tensors, or what is wrong with the call.
    private static func plan(
        _ x: Tensor, _ w: Tensor, _ bias: Tensor?, _ options: ConvolutionOptions, _ rank: Int, op: String
    ) throws(CressetError) -> Plan {
        var sizes: PerDim = 0
        if case .sizes(let given) = options.padding { sizes = given }
        let stride = try options.stride.list(rank, "stride", atLeast: 1, op: op)
        let padding = try sizes.list(rank, "padding", atLeast: 0, op: op)
        let dilation = try options.dilation.list(rank, "dilation", atLeast: 1, op: op)
        let extra = try options.outputPadding.list(rank, "output_padding", atLeast: 0, op: op)
        let groups = options.groups
        let (kernel, spatial) = (Array(w.shape.dropFirst(2)), Array(x.shape.dropFirst(2)))
        guard groups > 0, w.shape[0] >= groups, w.shape[0] % groups == 0 else {
            throw CressetError(
                .shape, op: op,
                "groups (\(groups)) must be positive and divide the first size of the weight: \(w.summary)")
        }
        guard kernel.allSatisfy({ $0 > 0 && $0 <= Int(Int32.max) }), spatial.allSatisfy({ $0 > 0 && $0 < 1 << 40 })
        else {
            throw CressetError(
                .shape, op: op,
                "only the batch and the channels may have no elements, and sizes must be below 2³¹ (weight) and 2⁴⁰: "
                    + "\(x.summary), \(w.summary)")
        }
        // The x side of the weight: channels that the transposed convolution makes.
        let (other, own) = (w.shape[1].multipliedReportingOverflow(by: groups), w.shape[0])
        let (taken, made) = options.transposed ? (own, other.partialValue) : (other.partialValue, own)
        guard !other.overflow, x.shape[1] == taken else {
            throw CressetError(
                .shape, op: op,
                "the weight \(w.shape) with groups \(groups) takes \(taken) channels, the input \(x.shape) has "
                    + "\(x.shape[1])")
        }
        if let bias, !(bias.ndim == 1 && bias.numel == made) {
            throw CressetError(.shape, op: op, "the bias must have \(made) elements in 1 dim, got \(bias.summary)")
        }
        var result: [Int] = []
        for i in 0..<rank {
            let extent = Windows.extent(kernel[i], dilation[i])
            if options.transposed {
                guard extra[i] < Swift.max(stride[i], dilation[i]) else {
                    throw CressetError(
                        .argument, op: op,
                        "output_padding must be smaller than stride or dilation: \(extra), \(stride), \(dilation)")
                }
                let (step, overflow) = (spatial[i] - 1).multipliedReportingOverflow(by: stride[i])
                guard !overflow, step < 1 << 61, step + extent + extra[i] > 2 * padding[i] else {
                    throw CressetError(
                        .shape, op: op,
                        "the result's dim \(i + 2) would have \(step) + \(extent) - 2·\(padding[i]) + \(extra[i]) "
                            + "elements: \(x.summary), \(w.summary)")
                }
                result.append(step + extent + extra[i] - 2 * padding[i])
            } else {
                let space = spatial[i] + 2 * padding[i] - extent
                guard space >= 0 else {
                    throw CressetError(
                        .shape, op: op,
                        "the kernel reaches over \(extent) elements of dim \(i + 2), and with padding there are "
                            + "\(spatial[i] + 2 * padding[i]): \(x.summary), \(w.summary)")
                }
                result.append(space / stride[i] + 1)
            }
        }
        return Plan(
            windows: Windows(
                input: options.transposed ? result : spatial, kernel: kernel,
                output: options.transposed ? spatial : result, stride: stride, padding: padding, dilation: dilation),
            groups: groups, inputChannels: other.partialValue, outputChannels: own)
    }
}

extension Tensor {
    private func convolved(
        _ w: Tensor, _ bias: Tensor?, _ options: ConvolutionOptions, _ dims: Int, _ op: String
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try Convolution.run(self, w, bias, options, dims: dims, op: op)
        }
    }

    /// The convolution of [batch, channels, length] with a weight [out, channels / groups, kernel].
    public func conv1d(
        _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: ConvolutionPadding = 0,
        dilation: PerDim = 1, groups: Int = 1
    ) -> Tensor {
        convolved(
            weight, bias, .init(stride: stride, padding: padding, dilation: dilation, groups: groups), 1,
            "aten::conv1d")
    }
    /// The convolution of [batch, channels, height, width] with a weight [out, channels / groups, …].
    public func conv2d(
        _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: ConvolutionPadding = 0,
        dilation: PerDim = 1, groups: Int = 1
    ) -> Tensor {
        convolved(
            weight, bias, .init(stride: stride, padding: padding, dilation: dilation, groups: groups), 2,
            "aten::conv2d")
    }
    /// The convolution of [batch, channels, depth, height, width] with a weight [out, channels / groups, …].
    public func conv3d(
        _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: ConvolutionPadding = 0,
        dilation: PerDim = 1, groups: Int = 1
    ) -> Tensor {
        convolved(
            weight, bias, .init(stride: stride, padding: padding, dilation: dilation, groups: groups), 3,
            "aten::conv3d")
    }
    /// The transposed convolution of [batch, channels, length] with a weight [channels, out / groups, kernel].
    public func convTranspose1d(
        _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: PerDim = 0, outputPadding: PerDim = 0,
        groups: Int = 1, dilation: PerDim = 1
    ) -> Tensor {
        convolved(
            weight, bias,
            .init(
                stride: stride, padding: .sizes(padding), dilation: dilation, groups: groups, transposed: true,
                outputPadding: outputPadding), 1, "aten::conv_transpose1d")
    }
    /// The transposed convolution of [batch, channels, height, width].
    public func convTranspose2d(
        _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: PerDim = 0, outputPadding: PerDim = 0,
        groups: Int = 1, dilation: PerDim = 1
    ) -> Tensor {
        convolved(
            weight, bias,
            .init(
                stride: stride, padding: .sizes(padding), dilation: dilation, groups: groups, transposed: true,
                outputPadding: outputPadding), 2, "aten::conv_transpose2d.input")
    }
    /// The transposed convolution of [batch, channels, depth, height, width].
    public func convTranspose3d(
        _ weight: Tensor, bias: Tensor? = nil, stride: PerDim = 1, padding: PerDim = 0, outputPadding: PerDim = 0,
        groups: Int = 1, dilation: PerDim = 1
    ) -> Tensor {
        convolved(
            weight, bias,
            .init(
                stride: stride, padding: .sizes(padding), dilation: dilation, groups: groups, transposed: true,
                outputPadding: outputPadding), 3, "aten::conv_transpose3d.input")
    }
}

// MARK: Declarations

extension Operators {
    private static let ofConvolution = "it is made of aten::convolution, which can be"
    private static let families = ["pointwise", "matmul"]

    /// A case by sizes: input, weight, whether there is a bias, then the arguments behind it.
    private typealias Layout = (x: Shape, w: Shape, bias: Int?, rest: [Value])

    private static func samples(_ g: inout SampleMaker, _ layouts: [Layout]) -> [Sample] {
        layouts.map { layout in
            // (Narrow values: integers stay exact in float16 too.)
            let bias = layout.bias.map { Value.tensor(g.tensor([$0], -2, 2)) } ?? .none
            return Sample(
                [.tensor(g.tensor(layout.x, -2, 2)), .tensor(g.tensor(layout.w, -2, 2)), bias] + layout.rest)
        }
    }

    static let convolutions: [Operator] =
        [
            Operator(
                "convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor",
                dtypes: .numeric, composition: families,
                samples: { g in
                    samples(
                        &g,
                        [
                            ([2, 3, 7], [4, 3, 3], 4, [[2], [1], [1], false, [0], 1]),
                            ([2, 4, 5, 6], [6, 2, 3, 2], nil, [[1, 2], [1, 0], [1, 2], false, [0, 0], 2]),
                            ([1, 2, 4, 4, 3], [2, 2, 2, 3, 2], 2, [[2], [1], [1], false, [0], 1]),
                            ([2, 4, 3], [4, 1, 3], 2, [[2], [1], [1], true, [1], 2]),
                            // More output padding than stride, which only dilation allows.
                            ([1, 2, 3, 2], [2, 3, 2, 2], 3, [[1, 2], [0, 1], [3, 1], true, [2, 0], 1]),
                            // A kernel of one element, all of whose windows are the input.
                            ([2, 3, 4, 2], [5, 3, 1, 1], 5, [[1, 1], [0, 0], [1, 1], false, [0, 0], 1]),
                            ([0, 3, 7], [4, 3, 3], 4, [[1], [0], [1], false, [0], 1]),
                            ([2, 0, 7], [4, 0, 3], 4, [[1], [0], [1], false, [0], 1]),
                            ([0, 4, 7], [4, 3, 3], 3, [[1], [0], [1], true, [0], 1]),
                        ])
                },
                call: { (a) throws(CressetError) in
                    let options = ConvolutionOptions(
                        stride: PerDim(try a.ints("stride")), padding: .sizes(PerDim(try a.ints("padding"))),
                        dilation: PerDim(try a.ints("dilation")), groups: try a.int("groups"),
                        transposed: try a.bool("transposed"), outputPadding: PerDim(try a.ints("output_padding")))
                    return [
                        .tensor(
                            try Convolution.run(
                                try a.tensor("input"), try a.tensor("weight"), try a.optionalTensor("bias"), options,
                                dims: nil, op: "aten::convolution"))
                    ]
                })
        ]
        + [
            forward(
                1,
                [
                    ([2, 3, 9], [4, 3, 3], 4, [1, 0, 1, 1]), ([4, 8], [4, 2, 2], nil, [[2], [1], [2], 2]),
                    ([2, 3, 5], [6, 1, 3], 6, [1, 1, 1, 3]), ([0, 2, 5], [3, 2, 2], 3, [1, 0, 1, 1]),
                ]),
            forward(
                2,
                [
                    ([2, 3, 6, 5], [4, 3, 3, 3], 4, [1, 1, 1, 1]),
                    ([2, 5, 7], [3, 2, 3, 2], nil, [2, [1, 0], 1, 1]),
                    ([1, 4, 6, 6], [2, 2, 2, 2], 2, [[2, 1], 0, [2, 3], 2]),
                    // Fewer windows than channels, so the weight's gradient is one product.
                    ([3, 2, 3, 3], [5, 2, 3, 3], 5, [1, 0, 1, 1]),
                    ([0, 3, 6, 5], [4, 3, 3, 3], 4, [1, 1, 1, 1]),
                ]),
            forward(
                3,
                [
                    ([2, 2, 4, 3, 5], [3, 2, 2, 2, 3], 3, [1, 0, 1, 1]),
                    ([2, 4, 4, 3], [2, 1, 2, 1, 2], nil, [[2, 1, 1], [1, 0, 1], 1, 2]),
                    ([0, 2, 4, 3, 5], [3, 2, 2, 2, 3], 3, [1, 0, 1, 1]),
                ]),
            named(
                1,
                [
                    ([2, 3, 6], [4, 3, 4], 4, [1, "same", 1, 1]), ([3, 6], [4, 3, 2], nil, [2, "valid", 1, 1]),
                    ([0, 3, 6], [4, 3, 4], 4, [1, "same", 1, 1]),
                ]),
            named(
                2,
                [
                    ([2, 2, 5, 4], [3, 2, 2, 3], 3, [1, "same", [1, 2], 1]),
                    ([2, 2, 5, 4], [2, 1, 2, 3], nil, [[1, 2], "valid", 1, 2]),
                    ([0, 2, 5, 4], [3, 2, 2, 3], 3, [1, "same", 1, 1]),
                ]),
            named(
                3,
                [
                    ([1, 2, 3, 4, 3], [2, 2, 2, 3, 2], 2, [1, "same", 1, 1]),
                    ([1, 2, 3, 4, 3], [2, 2, 2, 3, 2], nil, [1, "valid", 1, 1]),
                    ([0, 2, 3, 4, 3], [2, 2, 2, 3, 2], 2, [1, "same", 1, 1]),
                ]),
            backward(
                1, "conv_transpose1d",
                [
                    ([2, 3, 4], [3, 4, 3], 4, [1, 0, 0, 1, 1]), ([4, 5], [4, 2, 2], nil, [[3], [1], [2], 2, [2]]),
                    ([0, 3, 4], [3, 4, 3], 4, [1, 0, 0, 1, 1]),
                ]),
            backward(
                2, "conv_transpose2d.input",
                [
                    ([2, 3, 3, 4], [3, 2, 3, 3], 2, [2, 1, 1, 1, 1]),
                    ([4, 3, 2], [4, 1, 2, 3], nil, [[1, 2], 0, [0, 1], 2, [2, 1]]),
                    ([0, 3, 3, 4], [3, 2, 3, 3], 2, [2, 1, 1, 1, 1]),
                ]),
            backward(
                3, "conv_transpose3d.input",
                [
                    ([2, 2, 2, 3, 2], [2, 3, 2, 2, 3], 3, [1, 0, 0, 1, 1]),
                    ([2, 2, 2, 3], [2, 1, 2, 3, 2], nil, [2, 1, [1, 0, 1], 2, 1]),
                    ([0, 2, 2, 3, 2], [2, 3, 2, 2, 3], 3, [1, 0, 0, 1, 1]),
                ]),
        ]

    private static func forward(_ dims: Int, _ layouts: [Layout]) -> Operator {
        let zeros = Array(repeating: "0", count: dims).joined(separator: ", ")
        return convolution(dims, "conv\(dims)d", "SymInt[\(dims)] padding=[\(zeros)]", layouts) {
            (a, _) throws(CressetError) in .sizes(PerDim(try a.ints("padding")))
        }
    }

    private static func named(_ dims: Int, _ layouts: [Layout]) -> Operator {
        convolution(dims, "conv\(dims)d.padding", "str padding=\"valid\"", layouts) { (a, op) throws(CressetError) in
            try ConvolutionPadding(named: try a.string("padding"), op: op)
        }
    }

    private static func convolution(
        _ dims: Int, _ name: String, _ padding: String, _ layouts: [Layout],
        _ read: @escaping @Sendable (Arguments, String) throws(CressetError) -> ConvolutionPadding
    ) -> Operator {
        let ones = Array(repeating: "1", count: dims).joined(separator: ", ")
        let op = "aten::" + name
        return Operator(
            "\(name)(Tensor input, Tensor weight, Tensor? bias=None, SymInt[\(dims)] stride=[\(ones)], \(padding), SymInt[\(dims)] dilation=[\(ones)], SymInt groups=1) -> Tensor",
            dtypes: .numeric, composition: ["aten::convolution"],
            notOverridable: ofConvolution,
            samples: { g in samples(&g, layouts) },
            call: { (a) throws(CressetError) in
                let options = ConvolutionOptions(
                    stride: PerDim(try a.ints("stride")), padding: try read(a, op),
                    dilation: PerDim(try a.ints("dilation")), groups: try a.int("groups"))
                return [
                    .tensor(
                        try Convolution.run(
                            try a.tensor("input"), try a.tensor("weight"), try a.optionalTensor("bias"), options,
                            dims: dims, op: op))
                ]
            })
    }

    private static func backward(_ dims: Int, _ name: String, _ layouts: [Layout]) -> Operator {
        func list(_ x: String) -> String { Array(repeating: x, count: dims).joined(separator: ", ") }
        let op = "aten::" + name
        return Operator(
            "\(name)(Tensor input, Tensor weight, Tensor? bias=None, SymInt[\(dims)] stride=[\(list("1"))], SymInt[\(dims)] padding=[\(list("0"))], SymInt[\(dims)] output_padding=[\(list("0"))], SymInt groups=1, SymInt[\(dims)] dilation=[\(list("1"))]) -> Tensor",
            dtypes: .numeric, composition: ["aten::convolution"],
            notOverridable: ofConvolution,
            samples: { g in samples(&g, layouts) },
            call: { (a) throws(CressetError) in
                let options = ConvolutionOptions(
                    stride: PerDim(try a.ints("stride")), padding: .sizes(PerDim(try a.ints("padding"))),
                    dilation: PerDim(try a.ints("dilation")), groups: try a.int("groups"), transposed: true,
                    outputPadding: PerDim(try a.ints("output_padding")))
                return [
                    .tensor(
                        try Convolution.run(
                            try a.tensor("input"), try a.tensor("weight"), try a.optionalTensor("bias"), options,
                            dims: dims, op: op))
                ]
            })
    }
}
