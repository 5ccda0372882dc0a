import Cresset

/// Products, normalisation, dropout, embedding, attention and distances.
extension F {
    /// This times a weight of [out, in], transposed, plus a bias.
    public static func linear(_ input: Tensor, _ weight: Tensor, bias: Tensor? = nil) -> Tensor {
        input.linear(weight, bias: bias)
    }

    /// Σ xᵢ·wₖᵢⱼ·yⱼ over the last dims of this and another tensor, for a weight of [out, in1, in2], plus a bias.
    public static func bilinear(_ input: Tensor, _ other: Tensor, _ weight: Tensor, bias: Tensor? = nil) -> Tensor {
        input.bilinear(other, weight, bias: bias)
    }

    /// [batch, channels, …] normalised by channel over the batch; scaled and shifted by channel.
    public static func batchNorm(
        _ input: Tensor, runningMean: Tensor? = nil, runningVar: Tensor? = nil, weight: Tensor? = nil,
        bias: Tensor? = nil, training: Bool = false, momentum: Double = 0.1, eps: Double = 1e-5
    ) -> Tensor {
        input.batchNorm(
            runningMean: runningMean, runningVar: runningVar, weight: weight, bias: bias, training: training,
            momentum: momentum, eps: eps)
    }

    /// [batch, channels, …] normalised within groups of channels; scaled and shifted by channel.
    public static func groupNorm(
        _ input: Tensor, _ groups: Int, weight: Tensor? = nil, bias: Tensor? = nil, eps: Double = 1e-5
    ) -> Tensor {
        input.groupNorm(groups, weight: weight, bias: bias, eps: eps)
    }

    /// [batch, channels, …] normalised channel by channel and sample by sample.
    public static func instanceNorm(
        _ input: Tensor, runningMean: Tensor? = nil, runningVar: Tensor? = nil, weight: Tensor? = nil,
        bias: Tensor? = nil, useInputStats: Bool = true, momentum: Double = 0.1, eps: Double = 1e-5
    ) -> Tensor {
        input.instanceNorm(
            runningMean: runningMean, runningVar: runningVar, weight: weight, bias: bias, useInputStats: useInputStats,
            momentum: momentum, eps: eps)
    }

    /// (x - mean)/√(variance + ε) over the last dims, which are `shape`; scaled and shifted.
    public static func layerNorm(
        _ input: Tensor, _ shape: Shape, weight: Tensor? = nil, bias: Tensor? = nil, eps: Double = 1e-5
    ) -> Tensor {
        input.layerNorm(shape, weight: weight, bias: bias, eps: eps)
    }

    /// x/√(mean of x² + ε) over the last dims, which are `shape`; scaled.
    public static func rmsNorm(_ input: Tensor, _ shape: Shape, weight: Tensor? = nil, eps: Double? = nil) -> Tensor {
        input.rmsNorm(shape, weight: weight, eps: eps)
    }

    /// x/(k + α·mean of x² over `size` neighbouring channels)^β (Krizhevsky, Sutskever, Hinton 2012).
    public static func localResponseNorm(
        _ input: Tensor, _ size: Int, alpha: Double = 1e-4, beta: Double = 0.75, k: Double = 1
    ) -> Tensor {
        input.localResponseNorm(size, alpha: alpha, beta: beta, k: k)
    }

    /// The tensor over its p-norm along a dim, which is not taken below eps.
    public static func normalize(_ input: Tensor, p: Double = 2, dim: Int = 1, eps: Double = 1e-12) -> Tensor {
        input.normalize(p: p, dim: dim, eps: eps)
    }

    /// Elements zeroed with probability p and the rest scaled by 1/(1 - p).
    public static func dropout(
        _ input: Tensor, _ p: Double = 0.5, training: Bool = true, stream: RandomStream = .default
    ) -> Tensor {
        input.dropout(p, training: training, stream: stream)
    }

    /// Elements set to selu's lower bound with probability p, and all scaled so that mean 0 and variance 1 stay.
    public static func alphaDropout(
        _ input: Tensor, _ p: Double = 0.5, training: Bool = true, stream: RandomStream = .default
    ) -> Tensor {
        input.alphaDropout(p, training: training, stream: stream)
    }

    /// `alphaDropout` of whole features, [batch, channels].
    public static func featureAlphaDropout(
        _ input: Tensor, _ p: Double = 0.5, training: Bool = true, stream: RandomStream = .default
    ) -> Tensor {
        input.featureAlphaDropout(p, training: training, stream: stream)
    }

    /// Rows of `weight` by number; the row `paddingIndex` gets no gradient.
    public static func embedding(
        _ input: Tensor, _ weight: Tensor, paddingIndex: Int? = nil, scaleGradByFreq: Bool = false
    ) -> Tensor {
        Embeddings.embedding(weight, input, paddingIndex: paddingIndex, scaleGradByFreq: scaleGradByFreq)
    }

    /// Rows of `weight` by number, those of each bag combined: bags begin at `offsets`, or are rows of a matrix of indices.
    public static func embeddingBag(
        _ input: Tensor, _ weight: Tensor, offsets: Tensor? = nil, mode: Embeddings.BagMode = .mean,
        scaleGradByFreq: Bool = false, perSampleWeights: Tensor? = nil, includeLastOffset: Bool = false,
        paddingIndex: Int? = nil
    ) -> Tensor {
        Embeddings.embeddingBag(
            weight, input, offsets: offsets, mode: mode, scaleGradByFreq: scaleGradByFreq,
            perSampleWeights: perSampleWeights, includeLastOffset: includeLastOffset, paddingIndex: paddingIndex)
    }

    /// A row of zeros with a one at its class for every element.
    public static func oneHot(_ input: Tensor, numClasses: Int = -1) -> Tensor {
        input.oneHot(numClasses: numClasses)
    }

    /// softmax(q·kᵀ·scale + mask)·v, for queries [..., L, E], keys [..., S, E] and values [..., S, V].
    public static func scaledDotProductAttention(
        _ query: Tensor, _ key: Tensor, _ value: Tensor, attnMask: Tensor? = nil, dropoutP: Double = 0,
        isCausal: Bool = false, scale: Double? = nil, enableGQA: Bool = false
    ) -> Tensor {
        Tensor.scaledDotProductAttention(
            query, key, value, attnMask: attnMask, dropoutP: dropoutP, isCausal: isCausal, scale: scale,
            enableGQA: enableGQA)
    }

    /// The p-norms of x₁ - x₂ + eps over the last dim (`torch.nn.functional.pairwise_distance`).
    public static func pairwiseDistance(
        _ x1: Tensor, _ x2: Tensor, p: Double = 2, eps: Double = 1e-6, keepdim: Bool = false
    ) -> Tensor {
        Tensor.pairwiseDistance(x1, x2, p: p, eps: eps, keepdim: keepdim)
    }

    /// x₁·x₂/(‖x₁‖·‖x₂‖) over a dim, of norms not below eps (`torch.nn.functional.cosine_similarity`).
    public static func cosineSimilarity(_ x1: Tensor, _ x2: Tensor, dim: Int = 1, eps: Double = 1e-8) -> Tensor {
        Tensor.cosineSimilarity(x1, x2, dim: dim, eps: eps)
    }

    /// The p-norms of the differences of the rows, each pair once (`torch.nn.functional.pdist`).
    public static func pdist(_ input: Tensor, p: Double = 2) -> Tensor {
        input.pdist(p: p)
    }
}
