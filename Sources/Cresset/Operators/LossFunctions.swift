/// The losses as `torch.nn.functional` has them.
extension Losses {
    private static func call(_ loss: Composed, _ values: Value...) -> Tensor {
        trapping { () throws(CressetError) in try loss(values) }
    }

    /// |x - y| (`l1_loss`).
    public static func l1Loss(_ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean) -> Tensor {
        call(ElementLosses.l1, .tensor(x), .tensor(y), reduction.value)
    }
    /// (x - y)²/(2·beta) where |x - y| < beta, |x - y| - beta/2 beyond (`smooth_l1_loss`).
    public static func smoothL1Loss(
        _ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean, beta: Double = 1
    ) -> Tensor { call(ElementLosses.smoothL1, .tensor(x), .tensor(y), reduction.value, Value(beta)) }
    /// (x - y)²/2 where |x - y| <= delta, delta·(|x - y| - delta/2) beyond (`huber_loss`).
    public static func huberLoss(_ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean, delta: Double = 1)
        -> Tensor
    { call(ElementLosses.huber, .tensor(x), .tensor(y), reduction.value, Value(delta)) }
    /// The cross entropy of probabilities x and y, logarithms held at -100 (`binary_cross_entropy`).
    public static func binaryCrossEntropy(
        _ x: Tensor, _ y: Tensor, weight: Tensor? = nil, reduction: LossReduction = .mean
    ) -> Tensor { call(ElementLosses.binaryCrossEntropy, .tensor(x), .tensor(y), Value(weight), reduction.value) }
    /// The cross entropy of logits x and probabilities y, without overflow (`binary_cross_entropy_with_logits`).
    public static func binaryCrossEntropyWithLogits(
        _ x: Tensor, _ y: Tensor, weight: Tensor? = nil, posWeight: Tensor? = nil, reduction: LossReduction = .mean
    ) -> Tensor {
        call(
            ElementLosses.binaryCrossEntropyWithLogits, .tensor(x), .tensor(y), Value(weight), Value(posWeight),
            reduction.value)
    }
    /// ln(1 + e^(-y·x)) (`soft_margin_loss`).
    public static func softMarginLoss(_ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean) -> Tensor {
        call(ElementLosses.softMargin, .tensor(x), .tensor(y), reduction.value)
    }
    /// x where y is 1, max(0, margin - x) where it is -1 (`hinge_embedding_loss`).
    public static func hingeEmbeddingLoss(
        _ x: Tensor, _ y: Tensor, margin: Double = 1, reduction: LossReduction = .mean
    ) -> Tensor { call(ElementLosses.hingeEmbedding, .tensor(x), .tensor(y), Value(margin), reduction.value) }
    /// max(0, margin - y·(x₁ - x₂)) (`margin_ranking_loss`).
    public static func marginRankingLoss(
        _ x1: Tensor, _ x2: Tensor, _ y: Tensor, margin: Double = 0, reduction: LossReduction = .mean
    ) -> Tensor {
        call(ElementLosses.marginRanking, .tensor(x1), .tensor(x2), .tensor(y), Value(margin), reduction.value)
    }
    /// y·(ln y - x), or eʸ·(y - x) of logarithms y (`kl_div`).
    public static func klDiv(
        _ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean, logTarget: Bool = false
    ) -> Tensor { call(ElementLosses.klDiv, .tensor(x), .tensor(y), reduction.value, .scalar(.bool(logTarget))) }
    /// `kl_div` with reduction "batchmean": the sum over the size of the first dim.
    public static func klDivBatchMean(_ x: Tensor, _ y: Tensor, logTarget: Bool = false) -> Tensor {
        klDiv(x, y, reduction: .sum, logTarget: logTarget) / Scalar(x.ndim > 0 ? x.shape[0] : 1)
    }
    /// The negative logarithm of Poisson's probability of y, but for constants (`poisson_nll_loss`).
    public static func poissonNLLLoss(
        _ x: Tensor, _ y: Tensor, logInput: Bool = true, full: Bool = false, eps: Double = 1e-8,
        reduction: LossReduction = .mean
    ) -> Tensor {
        call(
            ElementLosses.poissonNLL, .tensor(x), .tensor(y), .scalar(.bool(logInput)), .scalar(.bool(full)),
            Value(eps), reduction.value)
    }
    /// The negative logarithm of the normal density of y around x, of variances not below eps (`gaussian_nll_loss`).
    public static func gaussianNLLLoss(
        _ x: Tensor, _ y: Tensor, variance: Tensor, full: Bool = false, eps: Double = 1e-6,
        reduction: LossReduction = .mean
    ) -> Tensor {
        // The gradient does not see that small variances are held, as in PyTorch.
        let held = variance + (variance.detach().clampMin(.double(eps)) - variance.detach())
        let losses = (held.log() + (x - y).square() / held) * 0.5
        return reduce(full ? losses + Scalar(0.918938533204672741780) : losses, reduction)
    }
    /// Means over the last dim of the cross entropy of logits and 0 or 1 (`multilabel_soft_margin_loss`).
    public static func multilabelSoftMarginLoss(
        _ x: Tensor, _ y: Tensor, weight: Tensor? = nil, reduction: LossReduction = .mean
    ) -> Tensor {
        let losses = binaryCrossEntropyWithLogits(x, y, weight: weight, reduction: .none)
        return reduce(losses.mean(dim: [-1]), reduction)
    }
    /// Hinge losses of all classes against the target's (`multi_margin_loss`).
    public static func multiMarginLoss(
        _ x: Tensor, _ target: Tensor, p: Int = 1, margin: Double = 1, weight: Tensor? = nil,
        reduction: LossReduction = .mean
    ) -> Tensor {
        call(
            ClassLosses.multiMargin, .tensor(x), .tensor(target), Value(p), Value(margin), Value(weight),
            reduction.value)
    }
    /// Hinge losses of all classes against each of the target's, which end at a -1 (`multilabel_margin_loss`).
    public static func multilabelMarginLoss(_ x: Tensor, _ target: Tensor, reduction: LossReduction = .mean) -> Tensor {
        call(ClassLosses.multilabelMargin, .tensor(x), .tensor(target), reduction.value)
    }
    /// max(0, margin + d(a, p) - d(a, n)) with the p-norm of differences (`triplet_margin_loss`).
    public static func tripletMarginLoss(
        anchor: Tensor, positive: Tensor, negative: Tensor, margin: Double = 1, p: Double = 2, eps: Double = 1e-6,
        swap: Bool = false, reduction: LossReduction = .mean
    ) -> Tensor {
        call(
            DistanceLosses.tripletMargin, .tensor(anchor), .tensor(positive), .tensor(negative), Value(margin),
            Value(p), Value(eps), .scalar(.bool(swap)), reduction.value)
    }
    /// 1 - cos(x₁, x₂) where y is 1, max(0, cos - margin) where it is -1 (`cosine_embedding_loss`).
    public static func cosineEmbeddingLoss(
        _ x1: Tensor, _ x2: Tensor, _ y: Tensor, margin: Double = 0, reduction: LossReduction = .mean
    ) -> Tensor {
        call(
            DistanceLosses.cosineEmbedding, .tensor(x1), .tensor(x2), .tensor(y), Value(margin), reduction.value)
    }
}
