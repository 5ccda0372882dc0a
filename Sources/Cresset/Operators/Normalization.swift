import BackendKit

/// Normalisation of a tensor by its own mean and spread: layer, group, instance and root-mean-square.
///
/// All are (x - E[x])·(Var[x] + ε)^(-1/2), with the statistics over different dims, then scaled and
/// shifted. Narrow floats are computed in float32 and rounded once.
enum Normalization {
    private static let layerName = OperatorName("aten::layer_norm")
    private static let groupName = OperatorName("aten::group_norm")
    private static let instanceName = OperatorName("aten::instance_norm")
    private static let rmsName = OperatorName("aten::rms_norm")

    private static let centred = Pointwise("aten::native_layer_norm", .promote, schema: nil) { c in
        (c.inputs[0] - c.inputs[1]) * c.inputs[2]
    }
    private static let affine = Pointwise("aten::native_layer_norm", .promote, schema: nil) { c in
        c.inputs[0] * c.inputs[1] + c.inputs[2]
    }
    private static let centredAffine = Pointwise("aten::native_layer_norm", .promote, schema: nil) { c in
        (c.inputs[0] - c.inputs[1]) * c.inputs[2] * c.inputs[3] + c.inputs[4]
    }
    private static let reciprocalRoot = Pointwise(
        "aten::native_layer_norm", .promote,
        complex: .value { c in ComplexExpr(Expr(1, c.dtype.arithmetic)) / sqrt(c.inputs[0] + c.scalars[0]) },
        schema: nil
    ) { c in 1 / sqrt(c.inputs[0] + c.scalars[0]) }

    // MARK: What they share

    /// The dtype that statistics are computed in.
    static func wide(_ dtype: DType) -> DType { dtype.isComplex ? dtype : dtype.arithmetic.dtype }

    static func checkFloating(
        _ x: Tensor, _ others: [Tensor?], orComplex: Bool = false, op: String
    ) throws(CressetError) {
        try x.checkValid(op)
        for other in others.compactMap({ $0 }) { try other.checkValid(op) }
        guard x.dtype.isFloatingPoint || orComplex && x.isComplex else {
            throw CressetError(.dtype, op: op, "is defined for floating dtypes, got \(x.summary)")
        }
    }

    /// Throws unless a tensor that goes with each channel has `count` elements in one dim.
    static func check(
        _ tensor: Tensor?, _ what: String, channels count: Int, of x: Tensor, op: String
    ) throws(CressetError) {
        guard let tensor, tensor.ndim != 1 || tensor.numel != count else { return }
        throw CressetError(
            .shape, op: op,
            "the \(what) must have shape [\(count)], as \(x.summary) has \(count) channels; it is "
                + tensor.summary)
    }

    /// 1/√(variance + ε)
    static func reciprocalDeviation(_ variance: Tensor, _ eps: Double) throws(CressetError) -> Tensor {
        try reciprocalRoot.run([variance], [.double(eps)])
    }

    /// (x - mean)·rstd, for statistics that broadcast.
    static func standardized(_ x: Tensor, _ mean: Tensor, _ rstd: Tensor) throws(CressetError) -> Tensor {
        try centred(x, mean, rstd)
    }

    /// The standardised tensor and its statistics over `dims`, which are kept.
    static func standardized(
        _ x: Tensor, dims: [Int], eps: Double
    ) throws(CressetError) -> (y: Tensor, mean: Tensor, rstd: Tensor) {
        let mean = try Reductions.mean(x, dims: dims, keepdim: true)
        let variance = try Reductions.variance(x, dims: dims, correction: 0, keepdim: true)
        let rstd = try reciprocalDeviation(variance, eps)
        return (try standardized(x, mean, rstd), mean, rstd)
    }

    /// x·weight + bias, where they are given; they broadcast.
    static func scaled(_ x: Tensor, _ weight: Tensor?, _ bias: Tensor?) throws(CressetError) -> Tensor {
        let (weight, bias) = (try weight?.converted(to: x.dtype), try bias?.converted(to: x.dtype))
        switch (weight, bias) {
        case (let weight?, let bias?): return try affine(x, weight, bias)
        case (let weight?, nil): return try Ops.mul(x, weight)
        case (nil, let bias?): return try Ops.add(x, bias)
        case (nil, nil): return x
        }
    }

    /// (x - mean)·rstd·weight + bias, all that is given in one launch.
    static func standardized(
        _ x: Tensor, _ mean: Tensor, _ rstd: Tensor, _ weight: Tensor?, _ bias: Tensor?
    ) throws(CressetError) -> Tensor {
        guard let weight, let bias else { return try scaled(try standardized(x, mean, rstd), weight, bias) }
        return try centredAffine.run([x, mean, rstd, weight.converted(to: x.dtype), bias.converted(to: x.dtype)])
    }

    /// The tensor of one number a channel, seen so that it broadcasts over [batch, channels, …] of a rank.
    static func overChannels(_ tensor: Tensor?, rank: Int, op: String) throws(CressetError) -> Tensor? {
        guard let tensor else { return nil }
        var shape = Shape(repeating: 1, count: rank)
        shape[1] = tensor.numel
        return try tensor.reshaped(shape, op: op)
    }

    // MARK: Layer

    /// The number of trailing dims that `shape` is.
    private static func trailing(
        _ x: Tensor, _ shape: Shape, _ weight: Tensor?, _ bias: Tensor?, orComplex: Bool = false, op: String
    ) throws(CressetError) -> [Int] {
        try checkFloating(x, [weight, bias], orComplex: orComplex, op: op)
        guard shape.count > 0, x.ndim >= shape.count, Shape(x.shape.dropFirst(x.ndim - shape.count)) == shape else {
            throw CressetError(
                .shape, op: op,
                "the last dims of \(x.summary) must be normalized_shape, which is \(shape) and must have one dim at least"
            )
        }
        for (tensor, what) in [(weight, "weight"), (bias, "bias")] {
            guard let tensor, tensor.shape != shape else { continue }
            throw CressetError(.shape, op: op, "the \(what) must have shape \(shape), it is \(tensor.summary)")
        }
        return Array((x.ndim - shape.count)..<x.ndim)
    }

    static func layerNorm(
        _ x: Tensor, _ shape: Shape, _ weight: Tensor?, _ bias: Tensor?, eps: Double
    ) throws(CressetError) -> Tensor {
        let dims = try trailing(x, shape, weight, bias, op: layerName.text)
        return try resolved(
            layerName, x, weight, bias,
            [.tensor(x), .ints(Array(shape)), .init(weight), .init(bias), .scalar(.double(eps)), true]
        ) { (x, weight, bias) throws(CressetError) in
            let x32 = try x.converted(to: wide(x.dtype))
            let mean = try Reductions.mean(x32, dims: dims, keepdim: true)
            let variance = try Reductions.variance(x32, dims: dims, correction: 0, keepdim: true)
            return try standardized(x32, mean, try reciprocalDeviation(variance, eps), weight, bias)
                .converted(to: x.dtype)
        }
    }

    /// The layer norm, with the mean and 1/deviation that it used.
    static func nativeLayerNorm(
        _ x: Tensor, _ shape: Shape, _ weight: Tensor?, _ bias: Tensor?, eps: Double
    ) throws(CressetError) -> [Tensor] {
        let dims = try trailing(x, shape, weight, bias, op: "aten::native_layer_norm")
        let (y, mean, rstd) = try standardized(try x.converted(to: wide(x.dtype)), dims: dims, eps: eps)
        return try [try scaled(y, weight, bias), mean, rstd].map { (t) throws(CressetError) in
            try t.converted(to: x.dtype)
        }
    }

    /// x·(E[x²] + ε)^(-1/2)·weight (Zhang, Sennrich 2019); ε is the dtype's own if none is given.
    static func rmsNorm(_ x: Tensor, _ shape: Shape, _ weight: Tensor?, eps: Double?) throws(CressetError) -> Tensor {
        let dims = try trailing(x, shape, weight, nil, orComplex: true, op: rmsName.text)
        let eps = eps ?? wide(x.dtype).toReal.epsilon
        return try resolved(
            rmsName, x, weight, nil,
            [.tensor(x), .ints(Array(shape)), .init(weight), .scalar(.double(eps))]
        ) { (x, weight, _) throws(CressetError) in
            let y = try x.converted(to: wide(x.dtype))
            let square = try Reductions.mean(try Ops.mul(y, y), dims: dims, keepdim: true)
            return try scaled(try Ops.mul(y, try reciprocalDeviation(square, eps)), weight, nil).converted(to: x.dtype)
        }
    }

    // MARK: Group and instance

    private static func checkGroups(
        _ x: Tensor, _ groups: Int, _ weight: Tensor?, _ bias: Tensor?, op: String
    ) throws(CressetError) {
        try checkFloating(x, [weight, bias], op: op)
        guard x.ndim >= 2, groups > 0, x.shape[1] % groups == 0 else {
            throw CressetError(
                .shape, op: op,
                "needs [batch, channels, …] and a positive number of groups that divides the channels: \(x.summary), "
                    + "\(groups) groups")
        }
        try check(weight, "weight", channels: x.shape[1], of: x, op: op)
        try check(bias, "bias", channels: x.shape[1], of: x, op: op)
    }

    /// [batch, channels, …] standardised over groups of channels; the statistics are [batch, groups, 1].
    private static func grouped(
        _ x: Tensor, _ groups: Int, eps: Double, op: String
    ) throws(CressetError) -> (y: Tensor, mean: Tensor, rstd: Tensor) {
        let size = x.shape.dropFirst().reduce(1, *) / groups
        let flat = try x.converted(to: wide(x.dtype)).reshaped([x.shape[0], groups, size], op: op)
        let (y, mean, rstd) = try standardized(flat, dims: [2], eps: eps)
        return (try y.reshaped(x.shape, op: op), mean, rstd)
    }

    static func groupNorm(
        _ x: Tensor, _ groups: Int, _ weight: Tensor?, _ bias: Tensor?, eps: Double
    ) throws(CressetError) -> Tensor {
        let op = groupName.text
        try checkGroups(x, groups, weight, bias, op: op)
        return try resolved(
            groupName, x, weight, bias,
            [.tensor(x), .scalar(Scalar(groups)), .init(weight), .init(bias), .scalar(.double(eps)), true]
        ) { (x, weight, bias) throws(CressetError) in
            let y = try grouped(x, groups, eps: eps, op: op).y
            return try scaled(
                y, try overChannels(weight, rank: x.ndim, op: op), try overChannels(bias, rank: x.ndim, op: op)
            ).converted(to: x.dtype)
        }
    }

    /// The group norm, with the mean and 1/deviation of each group: [batch, groups].
    static func nativeGroupNorm(
        _ x: Tensor, _ groups: Int, _ weight: Tensor?, _ bias: Tensor?, eps: Double
    ) throws(CressetError) -> [Tensor] {
        let op = "aten::native_group_norm"
        try checkGroups(x, groups, weight, bias, op: op)
        let (y, mean, rstd) = try grouped(x, groups, eps: eps, op: op)
        let result = try scaled(
            y, try overChannels(weight, rank: x.ndim, op: op), try overChannels(bias, rank: x.ndim, op: op))
        return [
            try result.converted(to: x.dtype), try mean.squeezed([2], op: op).converted(to: x.dtype),
            try rstd.squeezed([2], op: op).converted(to: x.dtype),
        ]
    }

    /// Each channel of each sample by itself, by its own statistics or by running ones, which follow the
    /// batch's where the own ones are used.
    static func instanceNorm(
        _ x: Tensor, _ weight: Tensor?, _ bias: Tensor?, running: RunningStatistics, usesInput: Bool, momentum: Double,
        eps: Double
    ) throws(CressetError) -> Tensor {
        let op = instanceName.text
        try checkFloating(x, [weight, bias, running.mean, running.variance], op: op)
        guard x.ndim >= 2 else {
            throw CressetError(.shape, op: op, "needs [batch, channels, …], got \(x.summary)")
        }
        try check(weight, "weight", channels: x.shape[1], of: x, op: op)
        try check(bias, "bias", channels: x.shape[1], of: x, op: op)
        try running.check(x, isNeeded: !usesInput, op: op)
        guard usesInput else {
            return try BatchNormalization.run(
                x, weight, bias, running: running, training: false, momentum: momentum, eps: eps, op: op
            )[0]
        }
        if running.mean != nil {
            let spatial = Array(2..<x.ndim)
            try running.follow(momentum: momentum, op: op) { () throws(CressetError) in
                let wide = try x.detach().converted(to: wide(x.dtype))
                return (
                    try Reductions.mean(
                        try Reductions.mean(wide, dims: spatial, keepdim: false), dims: [0], keepdim: false),
                    try Reductions.mean(
                        try Reductions.variance(wide, dims: spatial, correction: 1, keepdim: false), dims: [0],
                        keepdim: false)
                )
            }
        }
        return try groupNorm(x, Swift.max(x.shape[1], 1), weight, bias, eps: eps)
    }

    /// The composition, or the kernel registered for it, of a tensor with an optional weight and bias.
    private static func resolved(
        _ name: OperatorName, _ x: Tensor, _ weight: Tensor?, _ bias: Tensor?, _ arguments: @autoclosure () -> [Value],
        _ composition:
            @escaping @Sendable (_ x: Tensor, _ weight: Tensor?, _ bias: Tensor?) throws(CressetError) -> Tensor
    ) throws(CressetError) -> Tensor {
        let (hasWeight, hasBias) = (weight != nil, bias != nil)
        let inputs = try Tensor.onOneDevice([x] + [weight, bias].compactMap { $0 }, op: name.text)
        return try Override.resolve(name, inputs: inputs, x.dtype, arguments(), type: ResultType(x.shape, x.dtype)) {
            (t) throws(CressetError) in
            try composition(t[0], hasWeight ? t[1] : nil, hasBias ? t[t.count - 1] : nil)
        }
    }
}

extension Value {
    init(_ tensor: Tensor?) { self = tensor.map(Value.tensor) ?? .none }
}

extension DType {
    /// The distance from 1 to the next number.
    var epsilon: Double {
        switch self {
        case .float16: 0x1p-10
        case .bfloat16: 0x1p-7
        case .float32: 0x1p-23
        default: 0x1p-52
        }
    }
}

extension Tensor {
    /// (x - mean)/√(variance + ε) over the last dims, which are `shape`; scaled and shifted.
    public func layerNorm(
        _ shape: Shape, weight: Tensor? = nil, bias: Tensor? = nil, eps: Double = 1e-5
    ) -> Tensor {
        trapping { () throws(CressetError) in try Normalization.layerNorm(self, shape, weight, bias, eps: eps) }
    }
    /// x/√(mean of x² + ε) over the last dims, which are `shape`; scaled.
    public func rmsNorm(_ shape: Shape, weight: Tensor? = nil, eps: Double? = nil) -> Tensor {
        trapping { () throws(CressetError) in try Normalization.rmsNorm(self, shape, weight, eps: eps) }
    }
    /// [batch, channels, …] normalised within groups of channels; scaled and shifted by channel.
    public func groupNorm(
        _ groups: Int, weight: Tensor? = nil, bias: Tensor? = nil, eps: Double = 1e-5
    ) -> Tensor {
        trapping { () throws(CressetError) in try Normalization.groupNorm(self, groups, weight, bias, eps: eps) }
    }
    /// [batch, channels, …] normalised channel by channel and sample by sample.
    ///
    /// - Parameters:
    ///   - runningMean: with `runningVar`, follows the batch where `useInputStats`, else is what is used.
    ///   - momentum: the share of the new statistics in the running ones.
    public func instanceNorm(
        runningMean: Tensor? = nil, runningVar: Tensor? = nil, weight: Tensor? = nil, bias: Tensor? = nil,
        useInputStats: Bool = true, momentum: Double = 0.1, eps: Double = 1e-5
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try Normalization.instanceNorm(
                self, weight, bias, running: RunningStatistics(mean: runningMean, variance: runningVar),
                usesInput: useInputStats, momentum: momentum, eps: eps)
        }
    }
    /// x/(k + α·mean of x² over `size` neighbouring channels)^β (Krizhevsky, Sutskever, Hinton 2012).
    public func localResponseNorm(_ size: Int, alpha: Double = 1e-4, beta: Double = 0.75, k: Double = 1) -> Tensor {
        let op = "local_response_norm"
        return trapping { () throws(CressetError) in
            try Normalization.checkFloating(self, [], op: op)
            guard ndim >= 3, size > 0 else {
                throw CressetError(
                    .shape, op: op, "needs [batch, channels, size, …] and a positive size: \(summary), \(size)")
            }
            if numel == 0 { return self }
            // The channels as a dim of windows: [batch, 1, channels, rest].
            let squares = (self * self).reshape([shape[0], 1, shape[1], numel / (shape[0] * shape[1])])
            let padded = squares.pad([0, 0, size / 2, (size - 1) / 2])
            let means = padded.avgPool2d([size, 1], stride: 1).reshape(shape)
            return self / (means * Scalar(alpha) + Scalar(k)).pow(Scalar(beta))
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let channels = "it is a norm by its statistics, together with them; register aten::"

    static let normalization: [Operator] = [
        Operator(
            "layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True) -> Tensor",
            dtypes: .floating, composition: ["reduce", "pointwise"], samples: { g in layerSamples(&g, bias: true) },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try Normalization.layerNorm(
                            try a.tensor("input"), Shape(try a.ints("normalized_shape")),
                            try a.optionalTensor("weight"), try a.optionalTensor("bias"), eps: try a.double("eps")))
                ]
            }),
        Operator(
            "native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)",
            dtypes: .floating, composition: ["reduce", "pointwise"], notOverridable: channels + "layer_norm",
            samples: { g in layerSamples(&g, bias: true) },
            call: { (a) throws(CressetError) in
                try Normalization.nativeLayerNorm(
                    try a.tensor("input"), Shape(try a.ints("normalized_shape")), try a.optionalTensor("weight"),
                    try a.optionalTensor("bias"), eps: try a.double("eps")
                ).map(Value.tensor)
            }),
        Operator(
            "rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor",
            dtypes: .continuous, composition: ["reduce", "pointwise"], samples: { g in layerSamples(&g, bias: false) },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try Normalization.rmsNorm(
                            try a.tensor("input"), Shape(try a.ints("normalized_shape")),
                            try a.optionalTensor("weight"), eps: try a.optionalScalar("eps")?.doubleValue))
                ]
            }),
        Operator(
            "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True) -> Tensor",
            dtypes: .floating, composition: ["reduce", "pointwise"],
            samples: { g in
                groupSamples(&g).map { Sample([.tensor($0.x), .scalar(Scalar($0.groups)), $0.weight, $0.bias]) }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try Normalization.groupNorm(
                            try a.tensor("input"), try a.int("num_groups"), try a.optionalTensor("weight"),
                            try a.optionalTensor("bias"), eps: try a.double("eps")))
                ]
            }),
        Operator(
            "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, SymInt HxW, int group, float eps) -> (Tensor, Tensor, Tensor)",
            dtypes: .floating, composition: ["reduce", "pointwise"], notOverridable: channels + "group_norm",
            samples: { g in
                groupSamples(&g).map { s in
                    let (n, c) = (s.x.shape[0], s.x.shape[1])
                    let rest = s.x.shape.dropFirst(2).reduce(1, *)
                    return Sample(
                        [.tensor(s.x), s.weight, s.bias] + [n, c, rest, s.groups].map { .scalar(Scalar($0)) } + [0.25])
                }
            },
            call: { (a) throws(CressetError) in
                let x = try a.tensor("input")
                let (n, c, rest) = (try a.int("N"), try a.int("C"), try a.int("HxW"))
                guard x.ndim >= 2, x.shape[0] == n, x.shape[1] == c, x.shape.dropFirst(2).reduce(1, *) == rest else {
                    throw CressetError(
                        .shape, op: "aten::native_group_norm",
                        "N, C and HxW are \(n), \(c) and \(rest), and the input is \(x.summary)")
                }
                return try Normalization.nativeGroupNorm(
                    x, try a.int("group"), try a.optionalTensor("weight"), try a.optionalTensor("bias"),
                    eps: try a.double("eps")
                ).map(Value.tensor)
            }),
    ]

    private static func layerSamples(_ g: inout SampleMaker, bias: Bool) -> [Sample] {
        let cases: [(x: Shape, shape: Shape, hasWeight: Bool, hasBias: Bool)] = [
            ([4, 6], [6], true, true), ([2, 3, 5], [3, 5], true, false), ([7], [7], false, false),
            ([2, 1, 4], [4], false, true), ([0, 3], [3], true, true),
        ]
        return cases.map { c in
            let weight = c.hasWeight ? Value.tensor(g.tensor(c.shape)) : .none
            let shift = c.hasBias ? Value.tensor(g.tensor(c.shape)) : .none
            let start: [Value] = [.tensor(g.tensor(c.x)), .ints(Array(c.shape)), weight]
            return Sample(start + (bias ? [shift] : []) + [0.25])
        }
    }

    private static func groupSamples(
        _ g: inout SampleMaker
    ) -> [(x: Tensor, groups: Int, weight: Value, bias: Value)] {
        let cases: [(x: Shape, groups: Int, isScaled: Bool)] = [
            ([2, 6, 4], 3, true), ([3, 4, 2, 2], 1, true), ([2, 3, 5], 3, false), ([2, 4], 2, true),
            ([0, 4, 3], 2, true),
        ]
        return cases.map { c in
            let x = g.tensor(c.x)
            let weight = c.isScaled ? Value.tensor(g.tensor([c.x[1]])) : .none
            let bias = c.isScaled ? Value.tensor(g.tensor([c.x[1]])) : .none
            return (x, c.groups, weight, bias)
        }
    }
}
