import BackendKit

/// Running mean and variance of channels, which training writes and evaluation reads.
struct RunningStatistics {
    var mean: Tensor?
    var variance: Tensor?

    /// Throws unless both are there or none, one number for each channel of `x`.
    func check(_ x: Tensor, isNeeded: Bool, op: String) throws(CressetError) {
        guard (mean == nil) == (variance == nil), mean != nil || !isNeeded else {
            throw CressetError(
                .argument, op: op,
                isNeeded
                    ? "running_mean and running_var are what it normalises by; give both, or the input's own are wanted"
                    : "running_mean and running_var come together")
        }
        try Normalization.check(mean, "running_mean", channels: x.shape[1], of: x, op: op)
        try Normalization.check(variance, "running_var", channels: x.shape[1], of: x, op: op)
    }

    /// running = (1 - momentum)·running + momentum·new, in place; nothing is recorded.
    func follow(
        momentum: Double, op: String, _ new: () throws(CressetError) -> (mean: Tensor, variance: Tensor)
    ) throws(CressetError) {
        guard let mean, let variance else { return }
        try noGrad { () throws(CressetError) in
            let fresh = try new()
            for (running, value) in [(mean, fresh.mean), (variance, fresh.variance)] {
                try running.checkWritable(op)
                let mixed = try Ops.add(
                    try Ops.mul(running.converted(to: value.dtype), .double(1 - momentum)),
                    try Ops.mul(value, .double(momentum)))
                try Copy.run(from: mixed, to: running, op: OperatorName(op))
                running.impl.storage.version += 1
            }
        }
    }
}

/// Normalisation of each channel over a batch (Ioffe, Szegedy 2015).
enum BatchNormalization {
    private static let name = OperatorName("aten::batch_norm")

    /// The result, with the mean and 1/deviation of the batch (empty where running ones were used).
    static func run(
        _ x: Tensor, _ weight: Tensor?, _ bias: Tensor?, running: RunningStatistics, training: Bool, momentum: Double,
        eps: Double, op: String
    ) throws(CressetError) -> [Tensor] {
        try Normalization.checkFloating(x, [weight, bias, running.mean, running.variance], op: op)
        guard x.ndim >= 2 else {
            throw CressetError(.shape, op: op, "needs [batch, channels, …], got \(x.summary)")
        }
        try Normalization.check(weight, "weight", channels: x.shape[1], of: x, op: op)
        try Normalization.check(bias, "bias", channels: x.shape[1], of: x, op: op)
        try running.check(x, isNeeded: !training, op: op)
        let placed = try Tensor.onOneDevice(
            [x] + [weight, bias, running.mean, running.variance].compactMap { $0 }, op: op)
        guard placed.allSatisfy({ $0.runtime === x.runtime }) else {
            throw CressetError(
                .device, op: op,
                "all tensors must live where the input does: \(placed.map(\.summary).joined(separator: ", "))")
        }

        guard training else {
            let none = try Tensor.empty([0], x.dtype, on: x.runtime, op: op)
            return [try evaluated(x, weight, bias, running, eps: eps), none, none]
        }
        // (A kernel's statistics have no history.)
        let isTraced = op != name.text && Tape.isOn([x])
        let results = try batch(x, weight, bias, eps: eps, isTraced: isTraced)
        let count = x.shape[1] == 0 ? 0 : x.numel / x.shape[1]
        try running.follow(momentum: momentum, op: op) { () throws(CressetError) in
            // The running variance is the unbiased one: of N - 1.
            let bessel = count > 1 ? Double(count) / Double(count - 1) : 1
            return (results[1].detach(), try Ops.mul(results[2].detach(), .double(bessel)))
        }
        let rstd = try Normalization.reciprocalDeviation(results[2], eps)
        return [results[0], try results[1].converted(to: x.dtype), try rstd.converted(to: x.dtype)]
    }

    /// Normalised by running statistics, which are there.
    private static func evaluated(
        _ x: Tensor, _ weight: Tensor?, _ bias: Tensor?, _ running: RunningStatistics, eps: Double
    ) throws(CressetError) -> Tensor {
        guard let mean = running.mean, let variance = running.variance else { return x }
        let rank = x.ndim
        let (hasWeight, hasBias) = (weight != nil, bias != nil)
        return try Override.resolve(
            name, inputs: [x] + [weight, bias].compactMap { $0 } + [mean, variance], x.dtype,
            [
                .tensor(x), .init(weight), .init(bias), .tensor(mean), .tensor(variance), false, .none,
                .scalar(.double(eps)), .none,
            ], type: ResultType(x.shape, x.dtype)
        ) { (t) throws(CressetError) in
            func broad(_ tensor: Tensor?) throws(CressetError) -> Tensor? {
                try Normalization.overChannels(tensor, rank: rank, op: name.text)
            }
            let wide = try t[0].converted(to: Normalization.wide(t[0].dtype))
            guard let mean = try broad(t[t.count - 2].converted(to: wide.dtype)),
                let variance = try broad(t[t.count - 1].converted(to: wide.dtype))
            else { return wide }
            return try Normalization.standardized(
                wide, mean, try Normalization.reciprocalDeviation(variance, eps), try broad(hasWeight ? t[1] : nil),
                try broad(hasBias ? t[t.count - 3] : nil)
            ).converted(to: t[0].dtype)
        }
    }

    /// Normalised by the batch's own statistics, with its mean and biased variance in the type computed in.
    ///
    /// This is what a kernel registered as aten::batch_norm computes while training, with no running statistics among
    /// its arguments: these three results. In evaluation it has the running ones and gives one result.
    ///
    /// - Parameter isTraced: the statistics are differentiated, too.
    private static func batch(
        _ x: Tensor, _ weight: Tensor?, _ bias: Tensor?, eps: Double, isTraced: Bool
    ) throws(CressetError) -> [Tensor] {
        let (rank, channels) = (x.ndim, x.shape[1])
        let dims = (0..<rank).filter { $0 != 1 }
        let wide = Normalization.wide(x.dtype)
        let (hasWeight, hasBias) = (weight != nil, bias != nil)
        @Sendable func composition(_ t: [Tensor]) throws(CressetError) -> [Tensor] {
            let (w, b) = (hasWeight ? t[1] : nil, hasBias ? t[t.count - 1] : nil)
            let x = try t[0].converted(to: wide)
            let mean = try Reductions.mean(x, dims: dims, keepdim: true)
            let variance = try Reductions.variance(x, dims: dims, correction: 0, keepdim: true)
            let y = try Normalization.standardized(
                x, mean, try Normalization.reciprocalDeviation(variance, eps),
                try Normalization.overChannels(w, rank: rank, op: name.text),
                try Normalization.overChannels(b, rank: rank, op: name.text))
            return [
                try y.converted(to: t[0].dtype), mean.squeezed(dims, op: name.text),
                variance.squeezed(dims, op: name.text),
            ]
        }
        let inputs = [x] + [weight, bias].compactMap { $0 }
        if isTraced { return try composition(inputs) }
        return try Override.resolve(
            name, inputs: inputs, x.dtype,
            [
                .tensor(x), .init(weight), .init(bias), .none, .none, true, .none, .scalar(.double(eps)), .none,
            ], types: [ResultType(x.shape, x.dtype), ResultType([channels], wide), ResultType([channels], wide)],
            composition: composition)
    }
}

extension Tensor {
    /// [batch, channels, …] normalised by channel over the batch; scaled and shifted by channel.
    ///
    /// - Parameters:
    ///   - runningMean: with `runningVar`, follows the batch while training, else is what is used.
    ///   - momentum: the share of the new statistics in the running ones.
    public func batchNorm(
        runningMean: Tensor? = nil, runningVar: Tensor? = nil, weight: Tensor? = nil, bias: Tensor? = nil,
        training: Bool = false, momentum: Double = 0.1, eps: Double = 1e-5
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::batch_norm"
            if training && ndim >= 2 && numel > 0 && numel == shape[1] {
                throw CressetError(
                    .shape, op: op, "more than one value a channel is needed to train, and the input is \(summary)")
            }
            return try BatchNormalization.run(
                self, weight, bias, running: RunningStatistics(mean: runningMean, variance: runningVar),
                training: training, momentum: momentum, eps: eps, op: op)[0]
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let writesStatistics = "it writes the running statistics it is given"

    private static func statistics(_ a: Arguments) throws(CressetError) -> RunningStatistics {
        RunningStatistics(mean: try a.optionalTensor("running_mean"), variance: try a.optionalTensor("running_var"))
    }

    static let batchNormalization: [Operator] = [
        Operator(
            "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor",
            dtypes: .floating, composition: ["reduce", "pointwise"],
            samples: { g in batchSamples(&g).map { Sample($0 + [true]) } },
            call: { (a) throws(CressetError) in
                try batchNorm(a, statistics(a)).prefix(1).map(Value.tensor)
            }),
        Operator(
            "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
            dtypes: .floating, composition: ["reduce", "pointwise"], notOverridable: writesStatistics,
            // (Evaluation has no statistics of the batch, so no gradient of them; batch_norm tries it.)
            samples: { g in batchSamples(&g).filter { $0[3].isNone }.map { Sample($0) } },
            call: { (a) throws(CressetError) in
                try batchNorm(try trainable(a), statistics(a)).map(Value.tensor)
            }),
        Operator(
            "_native_batch_norm_legit.no_stats(Tensor input, Tensor? weight, Tensor? bias, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
            dtypes: .floating, composition: ["reduce", "pointwise"],
            notOverridable: "it is aten::native_batch_norm without running statistics",
            samples: { g in
                batchSamples(&g).filter { $0[3].isNone }.map { Sample(Array($0[..<3] + $0[5...])) }
            },
            call: { (a) throws(CressetError) in
                try batchNorm(try trainable(a), RunningStatistics()).map(Value.tensor)
            }),
        Operator(
            "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
            dtypes: .floating, composition: ["reduce", "pointwise"], notOverridable: writesStatistics,
            samples: { g in batchSamples(&g).map { Sample($0 + [true]) } },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try Normalization.instanceNorm(
                            try a.tensor("input"), try a.optionalTensor("weight"), try a.optionalTensor("bias"),
                            running: try statistics(a), usesInput: try a.bool("use_input_stats"),
                            momentum: try a.double("momentum"), eps: try a.double("eps")))
                ]
            }),
    ]

    private static func batchNorm(
        _ a: Arguments, _ running: RunningStatistics
    ) throws(CressetError) -> [Tensor] {
        try BatchNormalization.run(
            try a.tensor("input"), try a.optionalTensor("weight"), try a.optionalTensor("bias"), running: running,
            training: try a.bool("training"), momentum: try a.double("momentum"), eps: try a.double("eps"), op: a.op)
    }

    /// The arguments of a call whose statistics of the batch are results: of nothing there are none.
    private static func trainable(_ a: Arguments) throws(CressetError) -> Arguments {
        let (x, trains) = (try a.tensor("input"), try a.bool("training"))
        guard x.numel > 0 || !trains else {
            throw CressetError(.shape, op: a.op, "the input needs elements to train, got \(x.summary)")
        }
        return a
    }

    /// Input, weight, bias, running mean and variance, whether to train, momentum, ε. Only evaluation is
    /// given running statistics: what training writes to them is no result.
    private static func batchSamples(_ g: inout SampleMaker) -> [[Value]] {
        let cases: [(x: Shape, isScaled: Bool, training: Bool)] = [
            ([4, 3], true, true), ([2, 3, 4], false, true), ([3, 2, 2, 3], true, true), ([4, 3], false, false),
            ([2, 3, 2, 2], true, false), ([0, 3, 2], true, false),
        ]
        return cases.map { c in
            let channels: Shape = [c.x[1]]
            let scale = c.isScaled ? [Value.tensor(g.tensor(channels)), .tensor(g.tensor(channels))] : [.none, .none]
            let running: [Value] =
                c.training ? [.none, .none] : [.tensor(g.tensor(channels)), .tensor(g.tensor(channels, 0.5, 4))]
            return [.tensor(g.tensor(c.x))] + scale + running + [.scalar(.bool(c.training)), 0.5, 0.25]
        }
    }
}
