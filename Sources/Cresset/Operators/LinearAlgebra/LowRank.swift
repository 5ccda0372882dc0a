/// Approximations of low rank (Halko, Martinsson, Tropp 2011).
extension linalg {
    /// An orthonormal basis of what `niter` steps of subspace iteration make of q random directions.
    private static func range(_ a: Tensor, _ q: Int, _ niter: Int, _ stream: RandomStream) -> Tensor {
        let random = Tensor.randn([a.size(-1), q], dtype: a.dtype, device: a.device, stream: stream)
        var basis = qr(a.matmul(random)).q
        for _ in 0..<niter {
            basis = qr(a.mH.matmul(basis)).q
            basis = qr(a.matmul(basis)).q
        }
        return basis
    }

    private static func check(_ a: Tensor, _ q: Int, _ niter: Int, _ op: String) throws(CressetError) {
        try a.checkValid(op)
        guard a.ndim >= 2, a.dtype.hasGradient else {
            throw CressetError(.shape, op: op, "needs floating-point or complex matrices: \(a.summary)")
        }
        guard q >= 0, q <= Swift.min(a.size(-1), a.size(-2)), niter >= 0 else {
            throw CressetError(
                .argument, op: op,
                "q must be in 0 ... \(Swift.min(a.size(-1), a.size(-2))) and niter not below 0, got \(q) and \(niter): "
                    + a.summary)
        }
    }

    /// The q largest singular values, nearly, and their vectors: a ≈ u·diag(s)·vᴴ (`torch.svd_lowrank`).
    ///
    /// - Parameter m: what is taken off the matrices before, such as the means of their columns.
    public static func svdLowrank(
        _ a: Tensor, q: Int = 6, niter: Int = 2, m: Tensor? = nil, stream: RandomStream = .default
    ) -> (u: Tensor, s: Tensor, v: Tensor) {
        trapping(default: (a, a, a)) { () throws(CressetError) -> (u: Tensor, s: Tensor, v: Tensor) in
            try check(a, q, niter, "svd_lowrank")
            let x = m.map { a - $0 } ?? a
            // The basis is that of the longer side.
            let isWide = x.size(-2) < x.size(-1)
            let tall = isWide ? x.mH : x
            let basis = range(tall, q, niter, stream)
            let (u, s, vh) = svd(basis.mH.matmul(tall), fullMatrices: false)
            let (left, right) = (basis.matmul(u), vh.mH)
            return isWide ? (right, s, left) : (left, s, right)
        }
    }

    /// `svdLowrank` of the rows less their means: principal components (`torch.pca_lowrank`).
    public static func pcaLowrank(
        _ a: Tensor, q: Int? = nil, center: Bool = true, niter: Int = 2, stream: RandomStream = .default
    ) -> (u: Tensor, s: Tensor, v: Tensor) {
        trapping(default: (a, a, a)) { () throws(CressetError) -> (u: Tensor, s: Tensor, v: Tensor) in
            try a.checkValid("pca_lowrank")
            guard a.ndim >= 2 else {
                throw CressetError(.shape, op: "pca_lowrank", "needs matrices: \(a.summary)")
            }
            let rank = q ?? Swift.min(6, Swift.min(a.size(-1), a.size(-2)))
            let centred = center ? a - a.mean(dim: [-2], keepdim: true) : a
            return svdLowrank(centred, q: rank, niter: niter, stream: stream)
        }
    }
}
