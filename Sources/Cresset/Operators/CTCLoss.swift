import BackendKit

/// Connectionist temporal classification (Graves et al. 2006): the probability that a sequence of classes, with
/// blanks and repetitions anywhere, comes to the target.
///
/// The forward variables of all targets and batches take one step together for each of time; what they are made
/// of, a sum of three exponentials in logarithms, has a derivative of its own that is 0 where nothing is possible.
enum CTC {
    /// ln(eᵃ + eᵇ + [may skip]·eᶜ) + e, and its derivative by the share of each term.
    private static let step = Pointwise(
        "aten::_ctc_loss", .promote,
        // By shares of the sum: the symbolic one is ∞ − ∞ where nothing is possible.
        derivative: { i, c in
            guard i < 4 else { return Expr(0, c.type) }
            if i == 3 { return c.grad }
            let nothing = Expr(-.infinity, c.type)
            let sum = select(nothing .< c.result, c.result - c.inputs[3], nothing)
            var isPossible = nothing .< sum
            if i == 2 { isPossible = isPossible & (c.inputs[4] .!= 0) }
            let share = exp(select(isPossible, c.inputs[i], nothing) - select(isPossible, sum, Expr(0, c.type)))
            return c.grad * share
        }, schema: nil
    ) { c in
        let nothing = Expr(-.infinity, c.type)
        let (a, b) = (c.inputs[0], c.inputs[1])
        let skip = select(c.inputs[4] .== 0, nothing, c.inputs[2])
        let most = maximum(maximum(a, b), skip)
        let isPossible = nothing .< most
        let base = select(isPossible, most, Expr(0, c.type))
        let sum = exp(a - base) + exp(b - base) + exp(skip - base)
        return select(isPossible, log(select(isPossible, sum, Expr(1, c.type))) + base + c.inputs[3], nothing)
    }

    struct Problem {
        /// [T, N, C]
        var logProbs: Tensor
        var targets: Tensor
        var inputLengths: [Int]
        var targetLengths: [Int]
        var blank: Int
        var isBatched: Bool
        var op: String

        var times: Int { logProbs.shape[0] }
        var batch: Int { logProbs.shape[1] }
        var longest: Int { targetLengths.max() ?? 0 }
    }

    static func problem(
        _ logProbs: Tensor, _ targets: Tensor, _ inputLengths: [Int], _ targetLengths: [Int], blank: Int, op: String
    ) throws(CressetError) -> Problem {
        try logProbs.checkValid(op)
        try targets.checkValid(op)
        guard logProbs.ndim == 2 || logProbs.ndim == 3, logProbs.dtype.isFloatingPoint, logProbs.shape[0] > 0 else {
            throw CressetError(
                .shape, op: op,
                "needs logarithms of probabilities, [time, batch, classes] or without a batch, for at least 1 time: "
                    + logProbs.summary)
        }
        let x = logProbs.ndim == 2 ? logProbs.unsqueeze(1) : logProbs
        let (times, batch, classes) = (x.shape[0], x.shape[1], x.shape[2])
        guard (0..<classes).contains(blank) else {
            throw CressetError(.argument, op: op, "blank must be one of \(classes) classes, got \(blank)")
        }
        guard inputLengths.count == batch, targetLengths.count == batch,
            inputLengths.allSatisfy({ (0...times).contains($0) }),
            targetLengths.allSatisfy({ (0...targets.numel).contains($0) })
        else {
            throw CressetError(
                .argument, op: op,
                "needs \(batch) input_lengths in 0 ... \(times) and as many target_lengths in 0 ... \(targets.numel); got "
                    + "\(inputLengths) and \(targetLengths)")
        }
        guard targets.dtype == .int64 || targets.dtype == .int32 else {
            throw CressetError(.dtype, op: op, "targets must be int64 or int32, got \(targets.summary)")
        }
        let longest = targetLengths.max() ?? 0
        let isFlat = targets.ndim == 1
        guard
            isFlat
                // (Each is looked at first, so that the sum does not overflow.)
                ? longest <= targets.numel && targets.numel == targetLengths.reduce(0, +)
                : targets.ndim == 2 && targets.shape[0] == batch && targets.shape[1] >= longest
        else {
            throw CressetError(
                .shape, op: op,
                "targets must be all in a row, as many as \(targetLengths) are together, or [\(batch), at least \(longest)]: "
                    + targets.summary)
        }
        return Problem(
            logProbs: x, targets: targets, inputLengths: inputLengths, targetLengths: targetLengths, blank: blank,
            isBatched: logProbs.ndim == 3, op: op)
    }

    /// The targets with blanks around each class, [N, 2·longest + 1], and 1 where a blank before may be left out.
    private static func extended(_ p: Problem) throws(CressetError) -> (classes: Tensor, skips: Tensor) {
        let (n, longest, runtime) = (p.batch, p.longest, p.logProbs.runtime)
        func onDevice(_ x: Tensor) throws(CressetError) -> Tensor { try x.moved(to: runtime, op: p.op) }
        // Where each class of a target lies among all; behind its end any does, and is taken for a blank.
        var (places, real): ([Int64], [Bool]) = ([], [])
        var start = 0
        for i in 0..<n {
            for s in 0..<longest {
                let isReal = s < p.targetLengths[i]
                real.append(isReal)
                places.append(!isReal ? 0 : Int64(p.targets.ndim == 1 ? start + s : i * p.targets.shape[1] + s))
            }
            start += p.targetLengths[i]
        }
        let blanks = try Tensor.filled([n, 1], .int(Int64(p.blank)), dtype: .int64, on: runtime, op: p.op)
        var classes = blanks
        if longest > 0 {
            let index = try onDevice(Tensor(places, shape: [n * longest], device: .reference))
            let flat = try p.targets.reshaped([p.targets.numel], op: p.op).converted(to: .int64)
            let named = try Indexing.select(flat, 0, index).reshaped([n, longest], op: p.op)
            let isReal = try onDevice(Tensor(real, shape: [n, longest], device: .reference))
            let own = try Selection.whereSelf(isReal, named, blanks)
            let pairs = try Joining.stack([own, try blanks.expanded([n, longest], op: p.op)], dim: 2)
            classes = try Joining.cat([blanks, try pairs.reshaped([n, 2 * longest], op: p.op)], dim: 1)
        }
        var skips = try Tensor.filled(
            [n, 2 * longest + 1], 0, dtype: p.logProbs.dtype.arithmetic.dtype, on: runtime, op: p.op)
        if longest > 1 {
            let (later, earlier) = (classes.narrow(1, 2, 2 * longest - 1), classes.narrow(1, 0, 2 * longest - 1))
            let may = try Ops.logicalAnd(try Ops.ne(later, earlier), try Ops.ne(later, blanks))
            let first = skips.narrow(1, 0, 2)
            skips = try Joining.cat([first, try may.converted(to: skips.dtype)], dim: 1)
        }
        return (classes, skips)
    }

    /// -ln of each target's probability, [N], and the forward variables, [N, T, 2·longest + 1].
    static func losses(_ p: Problem) throws(CressetError) -> (losses: Tensor, alphas: Tensor) {
        let (n, width, runtime) = (p.batch, 2 * p.longest + 1, p.logProbs.runtime)
        let wide = p.logProbs.dtype.arithmetic.dtype
        let (classes, skips) = try noGrad { () throws(CressetError) in try extended(p) }
        if n == 0 {
            let x = try p.logProbs.reshaped([0], op: p.op)
            return (x, try x.reshaped([0, p.times, width], op: p.op))
        }
        let index = try classes.unsqueeze(0).expanded([p.times, n, width], op: p.op)
        let emissions = try Indexing.gather(try p.logProbs.converted(to: wide), 2, index)
        func nothing(_ shape: Shape) throws(CressetError) -> Tensor {
            try .filled(shape, .double(-.infinity), dtype: wide, on: runtime, op: p.op)
        }
        // The first class or the blank before it, of which the former needs a target.
        let ends = try Tensor(
            p.targetLengths.flatMap { length in (0..<width).map { $0 == 0 || $0 == 1 && length > 0 } },
            shape: [n, width], device: .reference
        ).moved(to: runtime, op: p.op)
        var alpha = try Selection.whereSelf(ends, emissions.select(0, 0), try nothing([]))
        var alphas = [alpha]
        let margin = try nothing([n, 2])
        for t in 1..<Swift.max(p.times, 1) {
            let padded = try Joining.cat([margin, alpha], dim: 1)
            alpha = try step.run([
                alpha, padded.narrow(1, 1, width), padded.narrow(1, 0, width), emissions.select(0, t), skips,
            ])
            alphas.append(alpha)
        }
        // The two places that end a target, at its last time.
        let all = try Joining.stack(alphas, dim: 1)
        func at(_ place: (Int) -> Int?) throws(CressetError) -> Tensor {
            let places = (0..<n).map { i -> Int64 in
                Int64((Swift.max(p.inputLengths[i], 1) - 1) * width + (place(p.targetLengths[i]) ?? 0))
            }
            let isThere = (0..<n).map { place(p.targetLengths[$0]) != nil && p.inputLengths[$0] > 0 }
            let index = try Tensor(places, shape: [n, 1], device: .reference).moved(to: runtime, op: p.op)
            let mask = try Tensor(isThere, shape: [n, 1], device: .reference).moved(to: runtime, op: p.op)
            let found = try Indexing.gather(try all.reshaped([n, p.times * width], op: p.op), 1, index)
            return try Selection.whereSelf(mask, found, try nothing([]))
        }
        let none = try Tensor.filled([n, 1], 0, dtype: wide, on: runtime, op: p.op)
        let ended = try step.run([
            try at { $0 > 0 ? 2 * $0 - 1 : nil }, try at { 2 * $0 }, none, none, none,
        ]).reshaped([n], op: p.op)
        var losses = try Ops.neg(ended)
        // Nothing comes to an empty target for certain.
        if p.inputLengths.contains(0) {
            let empty = try Tensor(
                (0..<n).map { p.inputLengths[$0] == 0 && p.targetLengths[$0] == 0 }, device: .reference
            ).moved(to: runtime, op: p.op)
            losses = try Selection.whereSelf(empty, try .filled([], 0, dtype: wide, on: runtime, op: p.op), losses)
        }
        return (
            try seeingLogits(losses, p).converted(to: p.logProbs.dtype),
            try all.converted(to: p.logProbs.dtype)
        )
    }

    /// The losses with PyTorch's gradient: that of the logits of which `logProbs` are the log_softmax, e^logProbs less
    /// what each class has of the target's probability. Behind a log_softmax both lead to the same; it is had by
    /// adding Σ e^x - Σ e^x, which is 0, and of which only the first term has a gradient.
    private static func seeingLogits(_ losses: Tensor, _ p: Problem) throws(CressetError) -> Tensor {
        guard Tape.isOn([p.logProbs]) else { return losses }
        let live = try Tensor(
            (0..<p.times).flatMap { t in p.inputLengths.map { t < $0 } }, shape: [p.times, p.batch, 1],
            device: .reference
        ).moved(to: losses.runtime, op: p.op)
        let zero = try Tensor.filled([], 0, dtype: p.logProbs.dtype, on: losses.runtime, op: p.op)
        let probabilities = try Ops.exp(try Selection.whereSelf(live, p.logProbs, zero))
        let sums = try Reductions.sum(
            try Ops.sub(probabilities, probabilities.detach()), dims: [0, 2], keepdim: false)
        return try Ops.add(losses, try sums.converted(to: losses.dtype))
    }

    static func reduced(
        _ p: Problem, _ reduction: LossReduction, zeroInfinity: Bool
    ) throws(CressetError) -> Tensor {
        var losses = try losses(p).losses
        if zeroInfinity {
            let zero = try Tensor.filled([], 0, dtype: losses.dtype, on: losses.runtime, op: p.op)
            losses = try Selection.whereSelf(try Ops.eq(losses.detach(), .double(.infinity)), zero, losses)
        }
        switch reduction {
        case .none: return p.isBatched ? losses : try losses.reshaped([], op: p.op)
        case .sum: return Losses.reduce(losses, .sum)
        case .mean:
            let counts = try Tensor(
                p.targetLengths.map { Double(Swift.max($0, 1)) }, dtype: losses.dtype, device: .reference
            ).moved(to: losses.runtime, op: p.op)
            return Losses.reduce(try Ops.div(losses, counts), .mean)
        }
    }

    // MARK: Declarations

    private static func lengths(_ a: Arguments, _ name: String) throws(CressetError) -> [Int] {
        guard case .tensor(let x)? = a[name] else { return try a.ints(name) }
        try x.checkValid(a.op)
        guard x.ndim <= 1, x.dtype.isInteger else {
            throw CressetError(.dtype, op: a.op, "\(name) must be a vector of integers, got \(x.summary)")
        }
        // (Without data all have the length that shapes allow.)
        if x.isMeta {
            let (probs, targets) = (try a.tensor("log_probs"), try a.tensor("targets"))
            let most = name == "input_lengths" ? probs.shape.first ?? 0 : targets.ndim == 2 ? targets.shape[1] : 0
            return Array(repeating: most, count: x.numel)
        }
        return [Int64](x.to(.int64)).map(Int.init)
    }

    private static func problem(_ a: Arguments) throws(CressetError) -> Problem {
        try problem(
            try a.tensor("log_probs"), try a.tensor("targets"), try lengths(a, "input_lengths"),
            try lengths(a, "target_lengths"), blank: try a.int("blank"), op: a.op)
    }

    private static func operation(
        _ name: String, lengths: String, _ rest: String, _ result: String, reductions: [[Value]],
        _ body: @escaping @Sendable (Arguments) throws(CressetError) -> [Value]
    ) -> Operator {
        @Sendable func list(_ values: [Int]) -> Value {
            lengths == "Tensor"
                ? .tensor(Tensor(values, shape: [values.count], device: .reference)) : .ints(values)
        }
        return Operator(
            "\(name)(Tensor log_probs, Tensor targets, \(lengths) input_lengths, \(lengths) target_lengths, int blank=0\(rest)) -> \(result)",
            dtypes: .floating, composition: ["gather", "pointwise", "reduce"],
            notOverridable: "it is made of aten::gather, aten::cat and pointwise operations",
            samples: { g in
                // Repeated classes, a target as long as its time, one that is too long, none.
                let targets = Tensor(
                    [1, 2, 2, 3, 1, 0, 0, 0, 3, 2, 2, 1] as [Int64], shape: [3, 4], device: .reference)
                let row = Tensor([1, 2, 2, 3] as [Int64], shape: [4], device: .reference)
                let nobody = Tensor([Int64](), shape: [0, 2], device: .reference)
                return reductions.flatMap { rest in
                    let padded =
                        Sample(
                            [
                                .tensor(g.tensor([6, 3, 4], -3, 0)), .tensor(targets), list([6, 5, 6]),
                                list([3, 1, 4]), 0,
                            ] + rest, checksGradient: false, takesOtherValues: false)
                    // (Of lengths that lie in memory a layout may make others, which do not add up to the row's.)
                    let none = Sample(
                        [.tensor(g.tensor([4, 0, 3], -3, 0)), .tensor(nobody), list([]), list([]), 0] + rest,
                        checksGradient: false, takesOtherValues: false)
                    if lengths == "Tensor" { return [padded, none] }
                    return [
                        padded, none,
                        Sample(
                            [.tensor(g.tensor([5, 2, 4], -3, 0)), .tensor(row), list([5, 3]), list([3, 1]), 0] + rest,
                            checksGradient: false, takesOtherValues: false),
                    ]
                }
            },
            errors: { g in
                let x = Value.tensor(g.tensor([4, 2, 3], -3, 0))
                let targets = Value.tensor(g.indices([2, 2], below: 3))
                return [
                    ErrorSample([x, targets, list([4, 4]), list([2, 2]), 5], "blank must be one of 3", "5"),
                    ErrorSample([x, targets, list([4, 9]), list([2, 2]), 0], "input_lengths in 0 ... 4"),
                    ErrorSample([x, targets, list([4, 4]), list([2, 3]), 0], "targets must be"),
                    ErrorSample([x, x, list([4, 4]), list([2, 2]), 0], "targets must be int64"),
                ]
            }, call: body)
    }

    static let operators: [Operator] = ["int[]", "Tensor"].flatMap { lengths in
        [
            operation(
                "ctc_loss.\(lengths == "Tensor" ? "Tensor" : "IntList")", lengths: lengths,
                ", int reduction=1, bool zero_infinity=False", "Tensor",
                reductions: [[0, false], [1, true], [2, false]]
            ) { (a) throws(CressetError) in
                [
                    .tensor(
                        try reduced(
                            try problem(a), try a.reduction(), zeroInfinity: try a.bool("zero_infinity")))
                ]
            },
            operation(
                "_ctc_loss\(lengths == "Tensor" ? ".Tensor" : "")", lengths: lengths, ", bool zero_infinity=False",
                "(Tensor, Tensor)", reductions: [[false]]
            ) { (a) throws(CressetError) in
                let (losses, alphas) = try losses(try problem(a))
                return [.tensor(losses), .tensor(alphas)]
            },
        ]
    }
}

extension Operators {
    static let ctc: [Operator] = CTC.operators
}

extension Losses {
    /// -ln of the probability that classes over time, [time, batch, classes], come to the targets (`ctc_loss`).
    ///
    /// - Parameters:
    ///   - targets: [batch, longest], or all in a row.
    ///   - zeroInfinity: targets that are too long for their time count 0, not ∞.
    public static func ctcLoss(
        _ logProbs: Tensor, _ targets: Tensor, inputLengths: [Int], targetLengths: [Int], blank: Int = 0,
        reduction: LossReduction = .mean, zeroInfinity: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let problem = try CTC.problem(
                logProbs, targets, inputLengths, targetLengths, blank: blank, op: "aten::ctc_loss.IntList")
            return try CTC.reduced(problem, reduction, zeroInfinity: zeroInfinity)
        }
    }
}
