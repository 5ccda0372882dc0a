import BackendKit

/// What `torch.nn.functional` makes of a few other operations and ATen has no operation of its own for.
extension Tensor {
    /// softmax(-x)
    public func softmin(dim: Int, dtype: DType? = nil) -> Tensor { (-self).softmax(dim: dim, dtype: dtype) }

    /// x/(1 + |x|)
    public func softsign() -> Tensor { self / (abs() + 1) }

    /// x - tanh(x)
    public func tanhshrink() -> Tensor { self - tanh() }

    /// The tensor over its p-norm along a dim, which is not taken below eps.
    public func normalize(p: Double = 2, dim: Int = 1, eps: Double = 1e-12) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid("normalize")
            let d = try self.dim(dim, op: "normalize")
            let norm = try Distances.norm(self, p, dims: ndim == 0 ? [] : [d], keepdim: true)
            return try Ops.div(self, try Ops.clampMinScalar(norm, numbers: .double(eps)))
        }
    }

    /// A softmax of logits with Gumbel noise: a sample of one class each, softened by tau.
    ///
    /// - Parameter hard: one-hot samples, with the gradient of the soft ones.
    public func gumbelSoftmax(
        tau: Double = 1, hard: Bool = false, dim: Int = -1, stream: RandomStream = .default
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "gumbel_softmax"
            try DrawChecks.floating(self, op)
            try DrawChecks.positive(tau, "tau", op)
            let d = try self.dim(dim, op: op)
            let noise = noGrad { -fresh(op) { $0.exponential_(stream: stream) }.log() }
            let soft = ((self + noise) / Scalar(tau)).softmax(dim: d)
            guard hard, ndim > 0 else { return soft }
            let exact = try noGrad { () throws(CressetError) -> Tensor in
                let place = soft.detach().argmax(dim: d, keepdim: true)
                return try Indexing.scatter(
                    .zerosLike(soft.detach()), d, place, .onesLike(place, dtype: soft.dtype), .set)
            }
            return exact - soft.detach() + soft
        }
    }

    /// Columns added up to an image, where they overlap; `torch.nn.functional.fold`.
    public func fold(
        _ outputSize: PerDim, _ kernelSize: PerDim, dilation: PerDim = 1, padding: PerDim = 0, stride: PerDim = 1
    ) -> Tensor { col2im(outputSize, kernelSize, dilation: dilation, padding: padding, stride: stride) }
}

extension Losses {
    /// max(0, margin + d(a, p) - d(a, n)) with any distance, by default the Euclidean (`triplet_margin_with_distance_loss`).
    ///
    /// - Parameter swap: the negative's distance is that to the positive where this is less.
    public static func tripletMarginWithDistanceLoss(
        anchor: Tensor, positive: Tensor, negative: Tensor,
        distance: (Tensor, Tensor) -> Tensor = { Tensor.pairwiseDistance($0, $1) }, margin: Double = 1,
        swap: Bool = false,
        reduction: LossReduction = .mean
    ) -> Tensor {
        guard margin > 0 else {
            return failed(
                CressetError(
                    .argument, op: "triplet_margin_with_distance_loss", "margin must be positive, got \(margin)"))
        }
        let near = distance(anchor, positive)
        var far = distance(anchor, negative)
        if swap { far = far.minimum(distance(positive, negative)) }
        return reduce((near - far + Scalar(margin)).clampMin(0), reduction)
    }
}
