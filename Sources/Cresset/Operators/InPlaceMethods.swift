/// Operations that are no function of single elements, in place: what each gives is written into the tensor.
extension Tensor {
    /// β·self + α·(mat1 · mat2)
    @discardableResult
    public func addmm_(_ mat1: Tensor, _ mat2: Tensor, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor {
        inPlace("aten::addmm_") { $0.addmm(mat1, mat2, beta: beta, alpha: alpha) }
    }
    /// β·self + α·(mat · vec)
    @discardableResult
    public func addmv_(_ mat: Tensor, _ vec: Tensor, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor {
        inPlace("aten::addmv_") { $0.addmv(mat, vec, beta: beta, alpha: alpha) }
    }
    /// β·self + α·Σ batch1[i] · batch2[i]
    @discardableResult
    public func addbmm_(_ batch1: Tensor, _ batch2: Tensor, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor {
        inPlace("aten::addbmm_") { $0.addbmm(batch1, batch2, beta: beta, alpha: alpha) }
    }
    /// β·self + α·(batch1 · batch2), matrix by matrix.
    @discardableResult
    public func baddbmm_(_ batch1: Tensor, _ batch2: Tensor, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor {
        inPlace("aten::baddbmm_") { $0.baddbmm(batch1, batch2, beta: beta, alpha: alpha) }
    }
    /// β·self + α·(vec1 ⊗ vec2)
    @discardableResult
    public func addr_(_ vec1: Tensor, _ vec2: Tensor, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor {
        inPlace("aten::addr_") { $0.addr(vec1, vec2, beta: beta, alpha: alpha) }
    }
    /// Complex conjugates in place of the elements.
    @discardableResult public func conjPhysical_() -> Tensor { inPlace("aten::conj_physical_") { $0.conjPhysical() } }
    /// Products of all elements up to each one along a dim.
    @discardableResult public func cumprod_(dim: Int) -> Tensor {
        inPlace("aten::cumprod_") { $0.cumprod(dim: dim, dtype: dtype) }
    }
    /// Sums of all elements up to each one along a dim.
    @discardableResult public func cumsum_(dim: Int) -> Tensor {
        inPlace("aten::cumsum_") { $0.cumsum(dim: dim, dtype: dtype) }
    }
    /// Zeros below a diagonal.
    @discardableResult public func triu_(_ diagonal: Int = 0) -> Tensor { inPlace("aten::triu_") { $0.triu(diagonal) } }
    /// Zeros above a diagonal.
    @discardableResult public func tril_(_ diagonal: Int = 0) -> Tensor { inPlace("aten::tril_") { $0.tril(diagonal) } }
    /// Slices along a dim whose p-norm is above the limit, scaled down to it.
    @discardableResult public func renorm_(p: Double, dim: Int, maxnorm: Double) -> Tensor {
        inPlace("aten::renorm_") { $0.renorm(p: p, dim: dim, maxnorm: maxnorm) }
    }
    /// `source` at places counted in row-major order; of duplicates the last wins, or all are added.
    @discardableResult public func put_(_ index: Tensor, _ source: Tensor, accumulate: Bool = false) -> Tensor {
        inPlace("aten::put_") { $0.put(index, source, accumulate: accumulate) }
    }
    /// Slices of `source` combined into those that the index names.
    @discardableResult
    public func indexReduce_(
        _ dim: Int, _ index: Tensor, _ source: Tensor, _ reduce: ScatterReduce, includeSelf: Bool = true
    )
        -> Tensor
    { inPlace("aten::index_reduce_") { $0.indexReduce(dim, index, source, reduce, includeSelf: includeSelf) } }
    /// x·Φ(x)
    @discardableResult public func gelu_(approximate: String = "none") -> Tensor {
        inPlace("aten::gelu_") { $0.gelu(approximate: approximate) }
    }
    /// Elements zeroed with probability p and the rest scaled by 1/(1 - p).
    @discardableResult
    public func dropout_(_ p: Double = 0.5, training: Bool = true, stream: RandomStream = .default) -> Tensor {
        inPlace("aten::dropout_") { $0.dropout(p, training: training, stream: stream) }
    }
    /// Whole features, [batch, channels], zeroed with probability p and the rest scaled.
    @discardableResult
    public func featureDropout_(_ p: Double = 0.5, training: Bool = true, stream: RandomStream = .default) -> Tensor {
        inPlace("aten::feature_dropout_") { $0.featureDropout(p, training: training, stream: stream) }
    }
    /// `alphaDropout` in place.
    @discardableResult
    public func alphaDropout_(_ p: Double = 0.5, training: Bool = true, stream: RandomStream = .default) -> Tensor {
        inPlace("aten::alpha_dropout_") { $0.alphaDropout(p, training: training, stream: stream) }
    }
    /// `featureAlphaDropout` in place.
    @discardableResult
    public func featureAlphaDropout_(_ p: Double = 0.5, training: Bool = true, stream: RandomStream = .default)
        -> Tensor
    {
        inPlace("aten::feature_alpha_dropout_") { $0.featureAlphaDropout(p, training: training, stream: stream) }
    }
    /// `rrelu` in place.
    @discardableResult
    public func rrelu_(
        lower: Double = 1.0 / 8, upper: Double = 1.0 / 3, training: Bool = false, stream: RandomStream = .default
    ) -> Tensor {
        inPlace("aten::rrelu_") { $0.rrelu(lower: lower, upper: upper, training: training, stream: stream) }
    }

    /// `value` on the main diagonal; all dims of more than two must be equal.
    ///
    /// - Parameter wrap: of a matrix with more rows than columns, the diagonal begins again one row below its end.
    @discardableResult public func fillDiagonal_(_ value: Scalar, wrap: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::fill_diagonal_"
            try checkValid(op)
            guard ndim >= 2, ndim == 2 || shape.allSatisfy({ $0 == shape[0] }) else {
                throw CressetError(.shape, op: op, "needs a matrix, or more dims of one size: \(summary)")
            }
            try value.checkFits(dtype, op: op)
            if numel == 0 { return self }
            let step = strides.reduce(0, +)
            let count = shape.min() ?? 0
            asStrided([count], [step], storageOffset: storageOffset).fill_(value)
            let (height, width) = (shape[0], shape[1])
            if wrap && ndim == 2 && height > width + 1 {
                // Every (width + 1)-th element of all, of which the first are done.
                let rest = (numel + width) / (width + 1) - count
                asStrided([rest], [step], storageOffset: storageOffset + strides[0] * (width + 1)).fill_(value)
            }
            return self
        }
    }

    /// Cuts the tensor off from the tape: it keeps its elements and forgets how they came about.
    @discardableResult public func detach_() -> Tensor {
        trapping { () throws(CressetError) in
            if impl.isInvalid { return self }
            guard impl.base == nil else {
                throw CressetError(
                    .autograd, op: "aten::detach_",
                    "a view takes part in its base's history; use detach() for \(summary)")
            }
            if let state = impl.autograd {
                state.requiresGrad = false
                state.node = nil
                state.outputIndex = 0
            }
            return self
        }
    }
}
