import BackendKit

/// Norms of windows: (Σ xᵖ)^(1/p), `torch.nn.functional.lp_pool1d` and its like.
extension Tensor {
    private func lpPool(
        _ rank: Int, _ p: Double, _ kernel: PerDim, _ stride: PerDim?, _ ceilMode: Bool
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "lp_pool\(rank)d"
            guard p != 0, !p.isNaN else {
                throw CressetError(.argument, op: op, "the norm's exponent must not be 0, got \(p)")
            }
            let sizes = try kernel.list(rank, "kernel_size", atLeast: 1, op: op)
            let windows = try Pooling.windows(
                self, rank, kernel: kernel, stride: stride, padding: 0, ceilMode: ceilMode, op: op)
            let means = try Pooling.average(
                pow(.double(p)), windows, ceilMode: ceilMode, countsPadding: true, divisor: nil)
            // (sign·|x| has no slope at 0, as PyTorch's. What odd powers add up to below 0 has no root: NaN.)
            let sums = means.sign() * means.abs().relu() * Scalar(sizes.reduce(1, *))
            return sums.pow(.double(1 / p))
        }
    }

    /// The p-norm of each window of the last dim.
    public func lpPool1d(_ normType: Double, _ kernelSize: PerDim, stride: PerDim? = nil, ceilMode: Bool = false)
        -> Tensor
    { lpPool(1, normType, kernelSize, stride, ceilMode) }
    /// The p-norm of each window of the last 2 dims.
    public func lpPool2d(_ normType: Double, _ kernelSize: PerDim, stride: PerDim? = nil, ceilMode: Bool = false)
        -> Tensor
    { lpPool(2, normType, kernelSize, stride, ceilMode) }
    /// The p-norm of each window of the last 3 dims.
    public func lpPool3d(_ normType: Double, _ kernelSize: PerDim, stride: PerDim? = nil, ceilMode: Bool = false)
        -> Tensor
    { lpPool(3, normType, kernelSize, stride, ceilMode) }
}
