import BackendKit

/// Numbers that count events: of Poisson and of binomial distributions.
///
/// Small means are drawn by inversion: one uniform number is compared with the sums of the first probabilities.
/// Others by transformed rejection (Hörmann 1993, "The transformed rejection method for generating Poisson random
/// variables" and "The generation of binomial random variates"): each of a fixed number of launches gives those
/// elements a candidate that have none yet, so that nothing waits for the device and the stream advances by the
/// same amount everywhere. A candidate is refused with a probability of 0.3 at most; the share of elements that have
/// none after all launches, below 10⁻⁸, takes the mean.
enum Counts {
    /// Means below it are inverted.
    private static let inverted = 10.0
    /// Probabilities that inversion adds up: those left out are below 10⁻¹² in sum for a mean of 10.
    private static let terms = 40
    private static let attempts = 16

    // (Counters: word 0 and 1 of an element's Philox block are U, 2 and 3 are V.)
    private static func uniform(_ c: Pointwise.Context, _ first: Int) -> Expr {
        if c.dtype == .float64 {
            let high = Draw.top(Draw.words(c, first), 26).cast(to: .f64)
            let low = Draw.top(Draw.words(c, first + 1), 26).cast(to: .f64)
            return (high * Expr(0x1p26) + low + 0.5) * Expr(0x1p-52)
        }
        return (Draw.top(Draw.words(c, first), 23).cast(to: .f32) + 0.5) * Expr(0x1p-23)
    }

    /// How many of the first sums of probabilities lie below u. What is left of u is used, so that small
    /// probabilities are not lost in a sum near 1.
    private static func invert(_ u: Expr, first: Expr, ratio: (Int) -> Expr) -> Expr {
        var (rest, probability) = (u, first)
        var count = Expr(0, u.type ?? .f32)
        for k in 1...terms {
            // (A sum that no longer grows is complete.)
            let goesOn = (probability .< rest) & (1e-12 .< probability * Expr(Double(k)))
            count = select(goesOn, Expr(Double(k), u.type ?? .f32), count)
            rest = select(goesOn, rest - probability, Expr(-1, u.type ?? .f32))
            probability = probability * ratio(k)
        }
        return count
    }

    // MARK: Poisson

    private static let poissonInversion = Draw.wrapped("aten::poisson") { c in
        let rate = c.inputs[0]
        let zero = Expr(0, c.type)
        let isSmall = rate .< Expr(inverted)
        let small = select(isSmall & (zero .< rate), rate, zero)
        let count = invert(uniform(c, 0), first: exp(-small)) { k in small / Expr(Double(k)) }
        // -1 is for others to draw; what is no rate stays no number.
        return select(isSmall, count, select(isNaN(rate), rate, Expr(-1, c.type)))
    }

    private static let poissonRejection = Draw.wrapped("aten::poisson") { c in
        let (rate, known) = (c.inputs[0], c.inputs[1])
        let b = 0.931 + 2.53 * sqrt(rate)
        let a = -0.059 + 0.02483 * b
        let (u, v) = (uniform(c, 0) - 0.5, uniform(c, 2))
        let us = 0.5 - abs(u)
        let k = floor((2 * a / us + b) * u + rate + 0.43)
        let surely = (0.07 .<= us) & (v .<= 0.9277 - 3.6224 / (b - 2))
        let never = (k .< 0) | ((us .< 0.013) & (us .< v))
        let density = k * log(rate) - rate - .call(.lgamma, maximum(k, 0) + 1)
        let within = log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (us * us) + b)) .<= density
        return select(known .< 0, select(surely | (!never & within), k, Expr(-1, c.type)), known)
    }

    static func poisson(_ rates: Tensor, _ stream: RandomStream) throws(CressetError) -> Tensor {
        let op = "aten::poisson"
        try DrawChecks.floating(rates, op)
        let wide = Tensor.wideFloat(on: rates.runtime)
        return try noGrad { () throws(CressetError) in
            let rate = try rates.detach().converted(to: wide)
            let shape = rate.shape
            if rate.numel > 0, !rate.isMeta {
                let least = rate.min().item()
                guard !(least < 0) else {
                    throw CressetError(.argument, op: op, "rates must not be below 0, and the least is \(least)")
                }
            }
            var result = try Draw.draw(poissonInversion, [rate], shape, wide, stream)
            for _ in 0..<attempts {
                result = try Draw.draw(poissonRejection, [rate, result], shape, wide, stream)
            }
            return try last.run([result, try Ops.floor(rate)]).converted(to: rates.dtype)
        }
    }

    /// The mean, where there is no number yet.
    private static let last = Pointwise("aten::poisson", .promote, schema: nil) { c in
        select(c.inputs[0] .< 0, c.inputs[1], c.inputs[0])
    }

    // MARK: Binomial

    /// Draws for p of at most 1/2: the successes are counted by the rarer of the two outcomes.
    private static let binomialInversion = Draw.wrapped("aten::binomial") { c in
        let (n, p) = (c.inputs[0], c.inputs[1])
        let zero = Expr(0, c.type)
        let isSmall = n * p .< Expr(inverted)
        let (m, q) = (select(isSmall, n, zero), select(isSmall, p, zero))
        let odds = q / (1 - q)
        let count = invert(uniform(c, 0), first: exp(m * log1p(-q))) { k in
            maximum(m - Expr(Double(k - 1)), 0) / Expr(Double(k)) * odds
        }
        return select(isSmall, count, Expr(-1, c.type))
    }

    private static let binomialRejection = Draw.wrapped("aten::binomial") { c in
        let (n, p, known) = (c.inputs[0], c.inputs[1], c.inputs[2])
        let q = 1 - p
        let deviation = sqrt(n * p * q)
        let b = 1.15 + 2.53 * deviation
        let a = -0.0873 + 0.0248 * b + 0.01 * p
        let (u, v) = (uniform(c, 0) - 0.5, uniform(c, 2))
        let us = 0.5 - abs(u)
        let k = floor((2 * a / us + b) * u + n * p + 0.5)
        let isCount = (0 .<= k) & (k .<= n)
        let surely = (0.07 .<= us) & (v .<= 0.92 - 4.2 / b)
        // The logarithm of the probability of k over that of the most probable number.
        func logChoices(_ k: Expr) -> Expr { -.call(.lgamma, k + 1) - .call(.lgamma, n - k + 1) }
        let (kept, mode) = (select(isCount, k, Expr(0, c.type)), floor((n + 1) * p))
        let density = logChoices(kept) - logChoices(mode) + (kept - mode) * log(p / q)
        let alpha = (2.83 + 5.1 / b) * deviation
        let within = log(v * alpha / (a / (us * us) + b)) .<= density
        return select(known .< 0, select(isCount & (surely | within), k, Expr(-1, c.type)), known)
    }

    /// Successes as failures where those are the rarer; nothing where there is no such distribution.
    private static let binomialResult = Pointwise("aten::binomial", .promote, schema: nil) { c in
        let (n, p, drawn) = (c.inputs[0], c.inputs[1], c.inputs[2])
        let rare = minimum(p, 1 - p)
        let count = select(drawn .< 0, floor(n * rare), drawn)
        return select(isNaN(n) | isNaN(p), n + p, select(0.5 .< p, n - count, count))
    }

    private static let rarer = Pointwise("aten::binomial", .promote, schema: nil) { c in
        minimum(c.inputs[0], 1 - c.inputs[0])
    }

    static func binomial(_ count: Tensor, _ probability: Tensor, _ stream: RandomStream) throws(CressetError) -> Tensor
    {
        let op = "aten::binomial"
        try DrawChecks.floating(count, op)
        try DrawChecks.floating(probability, op)
        let wide = Tensor.wideFloat(on: count.runtime)
        return try noGrad { () throws(CressetError) in
            let inputs = try Tensor.onOneDevice([count.detach(), probability.detach()], op: op)
            let shape = try last.broadcastShape(inputs)
            let (n, p) = (try Ops.floor(inputs[0].converted(to: wide)), try inputs[1].converted(to: wide))
            if shape.elementCount > 0, !n.isMeta {
                let (least, low, high) = (n.min().item(), p.min().item(), p.max().item())
                guard !(least < 0), !(low < 0), !(high > 1) else {
                    throw CressetError(
                        .argument, op: op,
                        "counts must not be below 0 and probabilities in 0 ... 1; the least count is \(least), the "
                            + "probabilities go from \(low) to \(high)")
                }
            }
            let rare = try rarer.run([p])
            var result = try Draw.draw(binomialInversion, [n, rare], shape, wide, stream)
            for _ in 0..<attempts {
                result = try Draw.draw(binomialRejection, [n, rare, result], shape, wide, stream)
            }
            return try binomialResult.run([n, p, result]).converted(to: count.dtype)
        }
    }

    // MARK: Declarations

    private static let why = "it draws random numbers, whose bits are the same on every device"

    static let operators: [Operator] = [
        Operator(
            "poisson(Tensor self, Generator? generator=None) -> Tensor", dtypes: .floating, composition: ["pointwise"],
            isDifferentiable: false, notOverridable: why,
            samples: { g in
                [([5, 7], 8), ([20], 200), ([], 20), ([0, 3], 2)].map { (shape: Shape, most: Double) in
                    Sample([.tensor(g.tensor(shape, 0, most))], takesOtherValues: false)
                }
            },
            errors: { g in
                [
                    ErrorSample([.tensor(g.tensor([2], -3, -1))], "rates must not be below 0"),
                    ErrorSample([.tensor(g.tensor([2], dtype: .int64))], "draws floating-point", "int64"),
                ]
            },
            call: { (a) throws(CressetError) in [.tensor(try poisson(try a.tensor("self"), try a.stream()))] }),
        Operator(
            "binomial(Tensor count, Tensor prob, Generator? generator=None) -> Tensor", dtypes: .floating,
            composition: ["pointwise"], isDifferentiable: false, notOverridable: why,
            samples: { g in
                let cases: [(Shape, Shape, Double)] = [
                    ([5, 7], [5, 7], 12), ([20], [20], 200), ([3, 1], [4], 60), ([], [], 9), ([0, 3], [3], 2),
                ]
                return cases.map { count, p, most in
                    Sample([.tensor(g.tensor(count, 0, most)), .tensor(g.tensor(p, 0, 1))], takesOtherValues: false)
                }
            },
            errors: { g in
                [
                    ErrorSample(
                        [.tensor(g.tensor([2], 1, 3)), .tensor(g.tensor([2], 2, 3))], "probabilities in 0 ... 1"),
                    ErrorSample([.tensor(g.tensor([2], -3, -1)), .tensor(g.tensor([2], 0, 1))], "must not be below 0"),
                    ErrorSample([.tensor(g.tensor([2], 1, 3)), .tensor(g.tensor([3], 0, 1))], "do not broadcast"),
                ]
            },
            call: { (a) throws(CressetError) in
                [.tensor(try binomial(try a.tensor("count"), try a.tensor("prob"), try a.stream()))]
            }),
    ]
}

extension Tensor {
    /// Counts of events, Poisson's, whose means the tensor holds.
    public func poisson(stream: RandomStream = .default) -> Tensor {
        trapping { () throws(CressetError) in try Counts.poisson(self, stream) }
    }
    /// Successes among so many trials of a probability that broadcasts.
    public static func binomial(_ count: Tensor, _ prob: Tensor, stream: RandomStream = .default) -> Tensor {
        trapping { () throws(CressetError) in try Counts.binomial(count, prob, stream) }
    }
}
