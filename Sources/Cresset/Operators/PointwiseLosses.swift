import BackendKit

/// Losses that are a function of each pair of elements, then reduced: `torch.nn.functional`'s.
enum ElementLosses {
    /// Losses of each element, reduced.
    ///
    /// - Parameters:
    ///   - numbers: samples of the numbers between the tensors and `reduction`.
    ///   - input, target: what the samples' values are drawn from.
    ///   - each: the loss of each element.
    static func loss(
        _ schema: String, _ dtypes: Set<DType> = .floating, input: ClosedRange<Double> = -4...4,
        target: Target = .range(-4...4), numbers: [[Value]] = [[]],
        wrong: [([Value], String)] = [], differentiable: Bool = true,
        each: @escaping @Sendable (Arguments) throws(CressetError) -> Tensor
    ) -> Composed {
        let parsed = Schema(schema)
        let tensors = parsed.arguments.filter { $0.type == "Tensor" }
        let isTriple = tensors.count == 3
        return Composed(
            schema, dtypes, of: ["pointwise", "reduce"],
            samples: { g in
                let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]
                return numbers.flatMap { numbers in
                    shapes.enumerated().map { i, shape in
                        var values = [Value.tensor(g.tensor(shape, input.lowerBound, input.upperBound))]
                        if isTriple { values.append(.tensor(g.tensor(shape, input.lowerBound, input.upperBound))) }
                        values.append(.tensor(target.tensor(&g, shape)))
                        return Sample(Self.arguments(parsed, values + numbers, reduction: i % 3))
                    }
                }
            },
            errors: { g in
                let good = (0..<tensors.count).map { _ in Value.tensor(g.tensor([2])) }
                let uneven = [Value.tensor(g.tensor([2, 3]))] + (1..<tensors.count).map { _ in .tensor(g.tensor([4])) }
                return [
                    ErrorSample(Self.arguments(parsed, uneven + numbers[0], reduction: 1), words: ["do not broadcast"]),
                    ErrorSample(
                        Self.arguments(parsed, good + numbers[0], reduction: 7), words: ["reduction must be", "7"]),
                ]
                    + wrong.map { numbers, words in
                        ErrorSample(Self.arguments(parsed, good + numbers, reduction: 1), words: [words])
                    }
            },
            type: { (a) throws(CressetError) in
                let reduction = try a.reduction()
                let inputs = try tensors.map { (x) throws(CressetError) in try a.tensor(x.name) }
                let shape = try Ops.mul.kernel.broadcastShape(inputs)
                let dtype = Promotion.result(inputs)
                // (What is not differentiable is not checked: the expression is defined for any real number.)
                // A loss is real.
                return ResultType(reduction == .none ? shape : [], dtype.toReal)
            },
            body: { (a) throws(CressetError) in Losses.reduce(try each(a), try a.reduction()) })
    }

    /// Values in the order of the schema's required arguments, with `reduction` in its place.
    private static func arguments(_ schema: Schema, _ values: [Value], reduction: Int) -> [Value] {
        var rest = values[...]
        return schema.arguments.map { argument in
            if argument.name == "reduction" { return Value(reduction) }
            if argument.type == "Tensor?" { return .none }
            return rest.popFirst() ?? argument.defaultValue ?? .none
        }
    }

    /// What targets are like.
    enum Target: Sendable {
        case range(ClosedRange<Double>)
        /// -1 or 1.
        case signs

        func tensor(_ g: inout SampleMaker, _ shape: Shape) -> Tensor {
            switch self {
            case .range(let range): return g.tensor(shape, range.lowerBound, range.upperBound)
            case .signs:
                let values = (0..<shape.elementCount).map { _ in g.unit() < 0.5 ? -1.0 : 1.0 }
                return Tensor(values, shape: shape, dtype: g.dtype, device: .reference)
            }
        }
    }

    // MARK: The losses of one element

    // (Without schemas: a kernel registered by the operation's name is asked before these are.)

    private static let absolute = Pointwise(
        "aten::l1_loss", .promote,
        complex: .real(
            // The unit of 0 is 0; the symbolic one divides by the magnitude.
            derivative: { i, c in
                let unit = (c.inputs[0] - c.inputs[1]).unit
                return c.grad * (i == 0 ? unit : -unit)
            }, { ($0.inputs[0] - $0.inputs[1]).magnitude }), schema: nil
    ) { abs($0.inputs[0] - $0.inputs[1]) }

    private static let smooth = Pointwise("aten::smooth_l1_loss", .promote, schema: nil) { c in
        let z = abs(c.inputs[0] - c.inputs[1])
        let b = c.scalars[0]
        return select(z .< b, 0.5 * z * z / b, z - 0.5 * b)
    }

    private static let huberKernel = Pointwise("aten::huber_loss", .promote, schema: nil) { c in
        let z = abs(c.inputs[0] - c.inputs[1])
        let d = c.scalars[0]
        return select(z .<= d, 0.5 * z * z, d * (z - 0.5 * d))
    }

    /// -(y·ln x + (1-y)·ln(1-x)), each logarithm -100 at least.
    private static let crossEntropy = Pointwise(
        "aten::binary_cross_entropy", .promote,
        // The symbolic one has y/x - (1-y)/(1-x), whose terms are infinite at the ends.
        derivative: { i, c in
            let (x, y) = (c.inputs[0], c.inputs[1])
            if i == 0 { return c.grad * (x - y) / maximum((1 - x) * x, 1e-12) }
            return c.grad * (maximum(log1p(-x), -100) - maximum(log(x), -100))
        }, schema: nil
    ) { c in
        let (x, y) = (c.inputs[0], c.inputs[1])
        return (y - 1) * maximum(log1p(-x), -100) - y * maximum(log(x), -100)
    }

    /// (1-y)·x - (1 + (w-1)·y)·ln sigmoid(x)
    private static let logits = Pointwise("aten::binary_cross_entropy_with_logits", .promote, schema: nil) { c in
        let (x, y, w) = (c.inputs[0], c.inputs[1], c.inputs[2])
        return (1 - y) * x - (1 + (w - 1) * y) * (minimum(x, 0) - log1p(exp(-abs(x))))
    }
    private static let plainLogits = Pointwise("aten::binary_cross_entropy_with_logits", .promote, schema: nil) { c in
        let (x, y) = (c.inputs[0], c.inputs[1])
        return (1 - y) * x - (minimum(x, 0) - log1p(exp(-abs(x))))
    }

    /// ln(1 + e^(-y·x)), without overflow.
    private static let softMarginKernel = Pointwise("aten::soft_margin_loss", .promote, schema: nil) { c in
        let z = -(c.inputs[0] * c.inputs[1])
        return maximum(z, 0) + log1p(exp(-abs(z)))
    }

    /// x for y = 1, max(0, margin - x) for y = -1, their sum for any other y, as PyTorch has it.
    private static let hinge = Pointwise("aten::hinge_embedding_loss", .promote, schema: nil) { c in
        let (x, y, zero) = (c.inputs[0], c.inputs[1], Expr(0, c.type))
        let rest = c.scalars[0] - x
        return select(y .== 1, zero, select(rest .< 0, zero, rest)) + select(y .== -1, zero, x)
    }

    /// max(0, margin - y·(x₁ - x₂)); at the corner the gradient passes, as in PyTorch.
    private static let ranking = Pointwise("aten::margin_ranking_loss", .promote, schema: nil) { c in
        let z = c.scalars[0] - c.inputs[2] * (c.inputs[0] - c.inputs[1])
        return select(z .< 0, Expr(0, c.type), z)
    }

    private static let divergence = Pointwise("aten::kl_div", .promote, schema: nil) { c in
        let (x, y) = (c.inputs[0], c.inputs[1])
        let safe = select(y .== 0, Expr(1, c.type), y)
        return select(y .== 0, Expr(0, c.type), y * log(safe)) - y * x
    }
    private static let logDivergence = Pointwise("aten::kl_div", .promote, schema: nil) {
        exp($0.inputs[1]) * ($0.inputs[1] - $0.inputs[0])
    }

    /// eˣ - y·x, or x - y·ln(x + ε); with Stirling's ln y! for y above 1 if that is asked for.
    private static func poisson(isLog: Bool, isFull: Bool) -> Pointwise {
        Pointwise("aten::poisson_nll_loss", .promote, schema: nil) { c in
            let (x, y) = (c.inputs[0], c.inputs[1])
            let loss = isLog ? exp(x) - y * x : x - y * log(x + c.scalars[0])
            guard isFull else { return loss }
            let safe = select(y .<= 1, Expr(1, c.type), y)
            let stirling = safe * log(safe) - safe + 0.5 * log(Expr(2 * Double.pi) * safe)
            return loss + select(y .<= 1, Expr(0, c.type), stirling)
        }
    }
    private static let poissons = [
        poisson(isLog: false, isFull: false), poisson(isLog: false, isFull: true),
        poisson(isLog: true, isFull: false), poisson(isLog: true, isFull: true),
    ]

    // MARK: Declarations

    private static func pair(_ a: Arguments) throws(CressetError) -> [Tensor] {
        [try a.tensor("self"), try a.tensor("target")]
    }

    static let l1 = loss("l1_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", .continuous) {
        (a) throws(CressetError) in try absolute.run(try pair(a))
    }
    static let smoothL1 = loss(
        "smooth_l1_loss(Tensor self, Tensor target, int reduction=1, float beta=1.) -> Tensor",
        numbers: [[1.0], [2.5], [0.0]], wrong: [([-1.0], "beta must not be negative")]
    ) { (a) throws(CressetError) in
        let beta = try a.double("beta")
        guard beta >= 0 else { throw a.wrong("beta must not be negative, got \(beta)") }
        return beta == 0 ? try absolute.run(try pair(a)) : try smooth.run(try pair(a), [.double(beta)], promoting: [])
    }
    static let huber = loss(
        "huber_loss(Tensor self, Tensor target, int reduction=1, float delta=1.) -> Tensor", numbers: [[1.0], [2.5]],
        wrong: [([0.0], "delta must be positive")]
    ) { (a) throws(CressetError) in
        let delta = try a.double("delta")
        guard delta > 0 else { throw a.wrong("delta must be positive, got \(delta)") }
        return try huberKernel.run(try pair(a), [.double(delta)], promoting: [])
    }
    static let binaryCrossEntropy = loss(
        "binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor",
        input: 0.05...0.95, target: .range(0...1)
    ) { (a) throws(CressetError) in
        let losses = try crossEntropy.run(try pair(a))
        guard let weight = try a.optionalTensor("weight") else { return losses }
        return try Ops.mul(losses, weight)
    }
    static let binaryCrossEntropyWithLogits = loss(
        "binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, int reduction=1) -> Tensor",
        target: .range(0...1)
    ) { (a) throws(CressetError) in
        let positive = try a.optionalTensor("pos_weight")
        let losses =
            try positive == nil ? plainLogits.run(try pair(a)) : logits.run(try pair(a) + [positive].compactMap { $0 })
        guard let weight = try a.optionalTensor("weight") else { return losses }
        return try Ops.mul(losses, weight)
    }
    static let softMargin = loss(
        "soft_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", target: .signs
    ) { (a) throws(CressetError) in try softMarginKernel.run(try pair(a)) }
    static let hingeEmbedding = loss(
        "hinge_embedding_loss(Tensor self, Tensor target, float margin=1., int reduction=1) -> Tensor",
        target: .signs, numbers: [[1.0], [0.5]]
    ) { (a) throws(CressetError) in try hinge.run(try pair(a), [try a.scalar("margin")], promoting: []) }
    static let marginRanking = loss(
        "margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor",
        target: .signs, numbers: [[0.0], [0.5]]
    ) { (a) throws(CressetError) in
        let inputs = [try a.tensor("input1"), try a.tensor("input2"), try a.tensor("target")]
        return try ranking.run(inputs, [try a.scalar("margin")], promoting: [])
    }
    static let klDiv = loss(
        "kl_div(Tensor self, Tensor target, int reduction=1, *, bool log_target=False) -> Tensor",
        target: .range(0.05...2), numbers: [[false], [true]]
    ) { (a) throws(CressetError) in
        try (try a.bool("log_target") ? logDivergence : divergence).run(try pair(a))
    }
    static let poissonNLL = loss(
        "poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor",
        input: 0.1...3, target: .range(0.2...4),
        numbers: [[true, false, 1e-8], [true, true, 1e-8], [false, false, 1e-8], [false, true, 1e-8]]
    ) { (a) throws(CressetError) in
        let kind = (try a.bool("log_input") ? 2 : 0) + (try a.bool("full") ? 1 : 0)
        return try poissons[kind].run(
            [try a.tensor("input"), try a.tensor("target")], [try a.scalar("eps")], promoting: [])
    }

    static let operators: [Operator] = [
        l1, smoothL1, huber, binaryCrossEntropy, binaryCrossEntropyWithLogits, softMargin, hingeEmbedding,
        marginRanking, klDiv, poissonNLL,
    ].map(\.declaration)
}

extension Arguments {
    /// The argument `reduction`: 0 (none), 1 (mean) or 2 (sum).
    func reduction() throws(CressetError) -> LossReduction {
        let index = try int("reduction")
        let reductions: [LossReduction] = [.none, .mean, .sum]
        guard reductions.indices.contains(index) else {
            throw wrong("reduction must be 0 (none), 1 (mean) or 2 (sum), got \(index)")
        }
        return reductions[index]
    }

    func wrong(_ message: String) -> CressetError { CressetError(.argument, op: op, message) }
}
