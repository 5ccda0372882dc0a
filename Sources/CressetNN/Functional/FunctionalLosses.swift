import Cresset

/// Losses.
extension F {
    /// |x - y| (`l1_loss`).
    public static func l1Loss(_ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean) -> Tensor {
        Losses.l1Loss(x, y, reduction: reduction)
    }

    /// (x - y)²
    public static func mseLoss(_ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean) -> Tensor {
        Losses.mseLoss(x, y, reduction: reduction)
    }

    /// (x - y)²/(2·beta) where |x - y| < beta, |x - y| - beta/2 beyond (`smooth_l1_loss`).
    public static func smoothL1Loss(_ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean, beta: Double = 1)
        -> Tensor
    {
        Losses.smoothL1Loss(x, y, reduction: reduction, beta: beta)
    }

    /// (x - y)²/2 where |x - y| <= delta, delta·(|x - y| - delta/2) beyond (`huber_loss`).
    public static func huberLoss(_ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean, delta: Double = 1)
        -> Tensor
    {
        Losses.huberLoss(x, y, reduction: reduction, delta: delta)
    }

    /// The cross entropy of logits and class indices, or of logits and class probabilities.
    public static func crossEntropy(
        _ input: Tensor, _ target: Tensor, weight: Tensor? = nil, ignoreIndex: Int = -100,
        reduction: LossReduction = .mean, labelSmoothing: Double = 0
    ) -> Tensor {
        Losses.crossEntropy(
            input, target, weight: weight, ignoreIndex: ignoreIndex, reduction: reduction,
            labelSmoothing: labelSmoothing)
    }

    /// The cross entropy of the logits x·Wᵀ + b (`linear_cross_entropy`).
    public static func linearCrossEntropy(
        _ x: Tensor, _ weight: Tensor, _ target: Tensor, bias: Tensor? = nil, classWeight: Tensor? = nil,
        ignoreIndex: Int = -100, reduction: LossReduction = .mean, labelSmoothing: Double = 0
    ) -> Tensor {
        Losses.linearCrossEntropy(
            x, weight, target, bias: bias, classWeight: classWeight, ignoreIndex: ignoreIndex, reduction: reduction,
            labelSmoothing: labelSmoothing)
    }

    /// -log p of the target class; `input` holds log-probabilities [N, C] or [C] or [N, C, d…].
    public static func nllLoss(
        _ input: Tensor, _ target: Tensor, weight: Tensor? = nil, ignoreIndex: Int = -100,
        reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.nllLoss(input, target, weight: weight, ignoreIndex: ignoreIndex, reduction: reduction)
    }

    /// The cross entropy of probabilities x and y, logarithms held at -100 (`binary_cross_entropy`).
    public static func binaryCrossEntropy(
        _ x: Tensor, _ y: Tensor, weight: Tensor? = nil, reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.binaryCrossEntropy(x, y, weight: weight, reduction: reduction)
    }

    /// The cross entropy of logits x and probabilities y, without overflow (`binary_cross_entropy_with_logits`).
    public static func binaryCrossEntropyWithLogits(
        _ x: Tensor, _ y: Tensor, weight: Tensor? = nil, posWeight: Tensor? = nil, reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.binaryCrossEntropyWithLogits(x, y, weight: weight, posWeight: posWeight, reduction: reduction)
    }

    /// ln(1 + e^(-y·x)) (`soft_margin_loss`).
    public static func softMarginLoss(_ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean) -> Tensor {
        Losses.softMarginLoss(x, y, reduction: reduction)
    }

    /// x where y is 1, max(0, margin - x) where it is -1 (`hinge_embedding_loss`).
    public static func hingeEmbeddingLoss(
        _ x: Tensor, _ y: Tensor, margin: Double = 1, reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.hingeEmbeddingLoss(x, y, margin: margin, reduction: reduction)
    }

    /// max(0, margin - y·(x₁ - x₂)) (`margin_ranking_loss`).
    public static func marginRankingLoss(
        _ x1: Tensor, _ x2: Tensor, _ y: Tensor, margin: Double = 0, reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.marginRankingLoss(x1, x2, y, margin: margin, reduction: reduction)
    }

    /// y·(ln y - x), or eʸ·(y - x) of logarithms y (`kl_div`).
    public static func klDiv(_ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean, logTarget: Bool = false)
        -> Tensor
    {
        Losses.klDiv(x, y, reduction: reduction, logTarget: logTarget)
    }

    /// The negative logarithm of Poisson's probability of y, but for constants (`poisson_nll_loss`).
    public static func poissonNLLLoss(
        _ x: Tensor, _ y: Tensor, logInput: Bool = true, full: Bool = false, eps: Double = 1e-8,
        reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.poissonNLLLoss(x, y, logInput: logInput, full: full, eps: eps, reduction: reduction)
    }

    /// The negative logarithm of the normal density of y around x, of variances not below eps (`gaussian_nll_loss`).
    public static func gaussianNLLLoss(
        _ x: Tensor, _ y: Tensor, variance: Tensor, full: Bool = false, eps: Double = 1e-6,
        reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.gaussianNLLLoss(x, y, variance: variance, full: full, eps: eps, reduction: reduction)
    }

    /// Hinge losses of all classes against the target's (`multi_margin_loss`).
    public static func multiMarginLoss(
        _ x: Tensor, _ target: Tensor, p: Int = 1, margin: Double = 1, weight: Tensor? = nil,
        reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.multiMarginLoss(x, target, p: p, margin: margin, weight: weight, reduction: reduction)
    }

    /// Hinge losses of all classes against each of the target's, which end at a -1 (`multilabel_margin_loss`).
    public static func multilabelMarginLoss(_ x: Tensor, _ target: Tensor, reduction: LossReduction = .mean) -> Tensor {
        Losses.multilabelMarginLoss(x, target, reduction: reduction)
    }

    /// Means over the last dim of the cross entropy of logits and 0 or 1 (`multilabel_soft_margin_loss`).
    public static func multilabelSoftMarginLoss(
        _ x: Tensor, _ y: Tensor, weight: Tensor? = nil, reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.multilabelSoftMarginLoss(x, y, weight: weight, reduction: reduction)
    }

    /// max(0, margin + d(a, p) - d(a, n)) with the p-norm of differences (`triplet_margin_loss`).
    public static func tripletMarginLoss(
        anchor: Tensor, positive: Tensor, negative: Tensor, margin: Double = 1, p: Double = 2, eps: Double = 1e-6,
        swap: Bool = false, reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.tripletMarginLoss(
            anchor: anchor, positive: positive, negative: negative, margin: margin, p: p, eps: eps, swap: swap,
            reduction: reduction)
    }

    /// max(0, margin + d(a, p) - d(a, n)) with any distance, by default the Euclidean (`triplet_margin_with_distance_loss`).
    public static func tripletMarginWithDistanceLoss(
        anchor: Tensor, positive: Tensor, negative: Tensor,
        distance: (Tensor, Tensor) -> Tensor = { Tensor.pairwiseDistance($0, $1) }, margin: Double = 1,
        swap: Bool = false, reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.tripletMarginWithDistanceLoss(
            anchor: anchor, positive: positive, negative: negative, distance: distance, margin: margin, swap: swap,
            reduction: reduction)
    }

    /// 1 - cos(x₁, x₂) where y is 1, max(0, cos - margin) where it is -1 (`cosine_embedding_loss`).
    public static func cosineEmbeddingLoss(
        _ x1: Tensor, _ x2: Tensor, _ y: Tensor, margin: Double = 0, reduction: LossReduction = .mean
    ) -> Tensor {
        Losses.cosineEmbeddingLoss(x1, x2, y, margin: margin, reduction: reduction)
    }

    /// -ln of the probability that classes over time, [time, batch, classes], come to the targets (`ctc_loss`).
    public static func ctcLoss(
        _ logProbs: Tensor, _ targets: Tensor, inputLengths: [Int], targetLengths: [Int], blank: Int = 0,
        reduction: LossReduction = .mean, zeroInfinity: Bool = false
    ) -> Tensor {
        Losses.ctcLoss(
            logProbs, targets, inputLengths: inputLengths, targetLengths: targetLengths, blank: blank,
            reduction: reduction, zeroInfinity: zeroInfinity)
    }
}
