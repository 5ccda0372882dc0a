import Cresset

/// What the layers that keep running statistics of channels have in common.
public class RunningNorm: Module {
    /// By channel; nil without an affine map.
    public let weight: Tensor?
    public let bias: Tensor?
    /// Running statistics, which training writes and evaluation reads; nil where the input's own are always used.
    public let runningMean: Tensor?
    public let runningVar: Tensor?
    /// How many batches a batch norm has seen, an int64 of no dims.
    public let numBatchesTracked: Tensor?
    public let eps: Double
    /// The share of a batch in the running statistics; nil: all batches count the same.
    public let momentum: Double?
    private let ranks: ClosedRange<Int>

    init(
        _ features: Int, eps: Double, momentum: Double?, affine: Bool, tracks: Bool, ranks: ClosedRange<Int>,
        dtype: DType, device: Device?
    ) {
        weight = affine ? Tensor.ones([features], dtype: dtype, device: device).requiresGrad_() : nil
        bias = affine ? Tensor.zeros([features], dtype: dtype, device: device).requiresGrad_() : nil
        runningMean = tracks ? Tensor.zeros([features], dtype: dtype, device: device) : nil
        runningVar = tracks ? Tensor.ones([features], dtype: dtype, device: device) : nil
        numBatchesTracked = tracks ? Tensor.zeros([], dtype: .int64, device: device) : nil
        self.eps = eps
        self.momentum = momentum
        self.ranks = ranks
        super.init()
    }

    /// Under PyTorch's names.
    public override var tensors: [(name: String, tensor: Tensor)] {
        let all = [
            ("weight", weight), ("bias", bias), ("running_mean", runningMean), ("running_var", runningVar),
            ("num_batches_tracked", numBatchesTracked),
        ]
        return all.compactMap { name, tensor in tensor.map { (name, $0) } }
    }

    final func checkRank(_ x: Tensor) {
        checkArgument("\(type(of: self))", ranks.contains(x.ndim)) {
            "needs an input of \(ranks.lowerBound) to \(ranks.upperBound) dims, got \(x.shape)"
        }
    }
}

/// [batch, channels, …] normalised by channel over the batch.
public class BatchNorm: RunningNorm {
    /// The dims that an input may have.
    class var ranks: ClosedRange<Int> { 2...maxRank }

    public init(
        _ features: Int, eps: Double = 1e-5, momentum: Double? = 0.1, affine: Bool = true,
        trackRunningStats: Bool = true, dtype: DType = .float32, device: Device? = nil
    ) {
        super.init(
            features, eps: eps, momentum: momentum, affine: affine, tracks: trackRunningStats, ranks: Self.ranks,
            dtype: dtype, device: device)
    }

    /// Counts a batch, and gives its share in the running statistics.
    private func momentumOfNextBatch() -> Double {
        guard isTraining, let numBatchesTracked else { return momentum ?? 0 }
        noGrad { _ = numBatchesTracked.add_(1) }
        return momentum ?? 1 / numBatchesTracked.item()
    }

    public override func forward(_ x: Tensor) -> Tensor {
        checkRank(x)
        let momentum = momentumOfNextBatch()
        return x.batchNorm(
            runningMean: runningMean, runningVar: runningVar, weight: weight, bias: bias,
            training: isTraining || runningMean == nil, momentum: momentum, eps: eps)
    }
}

/// A batch norm of [batch, channels] or [batch, channels, length].
public final class BatchNorm1d: BatchNorm {
    override class var ranks: ClosedRange<Int> { 2...3 }
}

/// A batch norm of [batch, channels, height, width].
public final class BatchNorm2d: BatchNorm {
    override class var ranks: ClosedRange<Int> { 4...4 }
}

/// A batch norm of [batch, channels, depth, height, width].
public final class BatchNorm3d: BatchNorm {
    override class var ranks: ClosedRange<Int> { 5...5 }
}

/// [batch, channels, …] normalised by channel, each sample by itself.
public final class InstanceNorm: RunningNorm {
    /// - Parameter dims: dims behind the channels: 1, 2 or 3, as in InstanceNorm1d, 2d and 3d.
    public init(
        _ features: Int, dims: Int, eps: Double = 1e-5, momentum: Double = 0.1, affine: Bool = false,
        trackRunningStats: Bool = false, dtype: DType = .float32, device: Device? = nil
    ) {
        super.init(
            features, eps: eps, momentum: momentum, affine: affine, tracks: trackRunningStats,
            ranks: (dims + 1)...(dims + 2), dtype: dtype, device: device)
        self.dims = dims
    }
    private var dims = 1

    public override func forward(_ x: Tensor) -> Tensor {
        checkRank(x)
        let isBatched = x.ndim == dims + 2
        let y = (isBatched ? x : x.unsqueeze(0)).instanceNorm(
            runningMean: runningMean, runningVar: runningVar, weight: weight, bias: bias,
            useInputStats: isTraining || runningMean == nil, momentum: momentum ?? 0, eps: eps)
        return isBatched ? y : y.squeeze(0)
    }
}

/// (x - mean)/√(variance + ε) over the last dims, scaled and shifted.
public final class LayerNorm: Module {
    public let weight: Tensor?
    public let bias: Tensor?
    public let eps: Double
    private let shape: Shape

    public init(
        _ shape: Shape, eps: Double = 1e-5, elementwiseAffine: Bool = true, bias: Bool = true, dtype: DType = .float32,
        device: Device? = nil
    ) {
        weight = elementwiseAffine ? Tensor.ones(shape, dtype: dtype, device: device).requiresGrad_() : nil
        self.bias = elementwiseAffine && bias ? Tensor.zeros(shape, dtype: dtype, device: device).requiresGrad_() : nil
        self.eps = eps
        self.shape = shape
        super.init()
    }

    public override func forward(_ x: Tensor) -> Tensor { x.layerNorm(shape, weight: weight, bias: bias, eps: eps) }
}

/// x/√(mean of x² + ε) over the last dims, scaled.
public final class RMSNorm: Module {
    public let weight: Tensor?
    /// The dtype's own if none was given.
    public let eps: Double?
    private let shape: Shape

    public init(
        _ shape: Shape, eps: Double? = nil, elementwiseAffine: Bool = true, dtype: DType = .float32,
        device: Device? = nil
    ) {
        weight = elementwiseAffine ? Tensor.ones(shape, dtype: dtype, device: device).requiresGrad_() : nil
        self.eps = eps
        self.shape = shape
        super.init()
    }

    public override func forward(_ x: Tensor) -> Tensor { x.rmsNorm(shape, weight: weight, eps: eps) }
}

/// [batch, channels, …] normalised within groups of channels, scaled and shifted by channel.
public final class GroupNorm: Module {
    public let weight: Tensor?
    public let bias: Tensor?
    public let groups: Int
    public let eps: Double

    public init(
        _ groups: Int, _ channels: Int, eps: Double = 1e-5, affine: Bool = true, dtype: DType = .float32,
        device: Device? = nil
    ) {
        weight = affine ? Tensor.ones([channels], dtype: dtype, device: device).requiresGrad_() : nil
        bias = affine ? Tensor.zeros([channels], dtype: dtype, device: device).requiresGrad_() : nil
        self.groups = groups
        self.eps = eps
        super.init()
    }

    public override func forward(_ x: Tensor) -> Tensor {
        x.groupNorm(groups, weight: weight, bias: bias, eps: eps)
    }
}

/// x/(k + α·mean of x² over neighbouring channels)^β.
public final class LocalResponseNorm: Module {
    public let size: Int
    public let alpha: Double
    public let beta: Double
    public let k: Double

    public init(_ size: Int, alpha: Double = 1e-4, beta: Double = 0.75, k: Double = 1) {
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k
        super.init()
    }

    public override func forward(_ x: Tensor) -> Tensor { x.localResponseNorm(size, alpha: alpha, beta: beta, k: k) }
}
