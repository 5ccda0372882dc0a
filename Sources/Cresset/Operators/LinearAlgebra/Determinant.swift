import BackendKit

/// Determinants, by the diagonal of U.
extension LinearAlgebra {
    private static let detName = OperatorName("aten::linalg_det")
    private static let slogdetName = OperatorName("aten::linalg_slogdet")

    /// 1 or −1: the sign of the exchanges of rows.
    private static func exchangeSign(_ pivots: Tensor, _ dtype: DType) -> Tensor {
        let places = Tensor.arange(1, .init(pivots.size(-1) + 1), step: 1, dtype: .int32, device: pivots.device)
        let odd = (pivots .!= places).sum(dim: -1) % 2
        return (1 - 2 * odd).to(dtype)
    }

    static func det(_ a: Tensor, op: String) throws(CressetError) -> Tensor {
        try a.checkMatrices(op, square: true)
        let result = try Override.resolve(
            detName, on: a, a.dtype, [.tensor(a)], types: [ResultType(a.batchShape, a.dtype)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let (lu, pivots, _) = try luFactorEx(a.detach(), pivot: true, op: op)
                return [det(lu, pivots)]
            }
        }[0]
        return Tape.record(detName.text, result, inputs: [a], saving: [a]) { (gradients, saved) throws(CressetError) in
            [try gradients[0].map { (g) throws(CressetError) in try detGradient(g, saved[0]) }]
        }
    }

    private static func det(_ lu: Tensor, _ pivots: Tensor) -> Tensor {
        lu.diagonalVector().prod(dim: -1) * exchangeSign(pivots, lu.dtype)
    }

    /// ∂A = g·det·A⁻ᴴ (Giles 2008, 2.2.4), both from one LU, so that of nearly singular matrices it is exact for a
    /// matrix near by; of singular ones by the adjugate, which their singular values give:
    /// det(U)·det(V)·U·diag(Π of the other s)·Vᴴ.
    private static func detGradient(_ g: Tensor, _ a: Tensor) throws(CressetError) -> Tensor {
        if Tape.isOn([a]) { return try recordedDetGradient(g, a) }
        let n = a.size(-1)
        let (lu, pivots, info) = try luFactorEx(a, pivot: true, op: detName.text)
        guard !info.isMeta, info.any().itemInt() != 0 else {
            let diagonal = (g * det(lu, pivots).conj()).unsqueeze(-1).expand(Shape(a.shape.dropLast())).diagonalMatrix()
            return try luSolve(lu, pivots, diagonal, adjoint: true, op: detName.text)
        }
        let (u, s, vh) = try svd(a, fullMatrices: false, op: detName.text)
        // Row i of the matrix has 1 in place of s[i].
        let isOwn = Tensor.eye(n, dtype: .bool, device: a.device)
        let one = Tensor.ones([], dtype: a.dtype, device: a.device)
        let others = Tensor.where(isOwn, one, s.unsqueeze(-2)).prod(dim: -1)
        let sign = try (Self.det(u, op: detName.text) * Self.det(vh, op: detName.text)).conj()
        return (u * others.unsqueeze(-2)).matmul(vh) * (g * sign).unsqueeze(-1).unsqueeze(-1)
    }

    /// The same to be differentiated again. What the inverse changes by is as large as its square, and cancels down to
    /// what the adjugate does: matrices that are nearly singular have it as the polynomial that it is.
    private static func recordedDetGradient(_ g: Tensor, _ a: Tensor) throws(CressetError) -> Tensor {
        func spread(_ x: Tensor) -> Tensor { x.unsqueeze(-1).unsqueeze(-1) }
        let eye = Tensor.eye(a.size(-1), dtype: a.dtype, device: a.device)
        let isSingular = try noGrad { () throws(CressetError) in
            let size = try luFactorEx(a.detach(), pivot: true, op: detName.text).lu.diagonalVector().abs()
            if a.numel == 0 { return Tensor.zeros(a.batchShape, dtype: .bool, device: a.device) }
            let bound: Double = a.dtype.toReal == .float64 ? 0x1p-26 : 0x1p-12
            return size.amin(dim: [-1]) .<= size.amax(dim: [-1]) * .double(bound)
        }
        let regular = Tensor.where(spread(isSingular), eye, a)
        let (lu, pivots, _) = try luFactorEx(regular, pivot: true, op: detName.text)
        let diagonal = (g * det(lu, pivots).conj()).unsqueeze(-1).expand(Shape(a.shape.dropLast())).diagonalMatrix()
        let byInverse = try luSolve(lu, pivots, diagonal, adjoint: true, op: detName.text)
        guard !isSingular.isMeta, isSingular.any().itemInt() != 0 else { return byInverse }
        return Tensor.where(spread(isSingular), adjugate(a).adjoint * spread(g), byInverse)
    }

    /// det(A)·A⁻¹ by sums and products alone (Faddeev and LeVerrier): Mₖ = A·Mₖ₋₁ + cₖ₋₁·I with M₁ = I and
    /// cₖ = −tr(A·Mₖ)/k; the adjugate is ±Mₙ.
    private static func adjugate(_ a: Tensor) -> Tensor {
        let n = a.size(-1)
        let eye = Tensor.eye(n, dtype: a.dtype, device: a.device)
        var m = eye.expand(a.shape)
        for k in 1..<Swift.max(n, 1) {
            let product = a.matmul(m)
            let trace = product.diagonalVector().sum(dim: -1).unsqueeze(-1).unsqueeze(-1)
            m = product - eye * (trace / .int(Int64(k)))
        }
        return n % 2 == 0 ? -m : m
    }

    /// The sign of the determinant and the logarithm of its magnitude.
    static func slogdet(_ a: Tensor, op: String) throws(CressetError) -> (sign: Tensor, logabsdet: Tensor) {
        try a.checkMatrices(op, square: true)
        let results = try Override.resolve(
            slogdetName, on: a, a.dtype, [.tensor(a)],
            types: [ResultType(a.batchShape, a.dtype), ResultType(a.batchShape, a.dtype.toReal)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let (lu, pivots, _) = try luFactorEx(a.detach(), pivot: true, op: op)
                let diagonal = lu.diagonalVector()
                let sign = diagonal.sgn().prod(dim: -1) * exchangeSign(pivots, a.dtype)
                return [sign, diagonal.abs().log().sum(dim: -1)]
            }
        }
        let recorded = Tape.record(
            slogdetName.text, results, differentiable: [0, 1], inputs: [a], saving: [a], savingResults: [0]
        ) { (gradients, saved) throws(CressetError) in
            // With t = tr(A⁻¹·dA), d log|det A| = Re t and d sign = i·Im t·sign: of real matrices the sign is constant.
            let (a, sign) = (saved[0], saved[1])
            var factor = gradients[1]
            if a.isComplex, let gSign = gradients[0] {
                let turn = -(gSign.conj() * sign).imag
                let real = factor ?? Tensor.zerosLike(turn)
                factor = try ComplexNumbers.make(real, turn)
            }
            guard let g = factor?.to(a.dtype) else { return [Tensor.zerosLike(a)] }
            let diagonal = g.unsqueeze(-1).expand(Shape(a.shape.dropLast())).diagonalMatrix()
            return [try solveEx(a.adjoint, diagonal, left: true, op: op).x]
        }
        return (recorded[0], recorded[1])
    }
}

extension linalg {
    /// Determinants of square matrices.
    public static func det(_ a: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.det(a, op: "aten::linalg_det") }
    }

    /// The determinant's sign and the natural logarithm of its magnitude, which neither over- nor underflow.
    public static func slogdet(_ a: Tensor) -> (sign: Tensor, logabsdet: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in
            try LinearAlgebra.slogdet(a, op: "aten::linalg_slogdet")
        }
    }
}

extension Tensor {
    /// Determinants of square matrices.
    public func det() -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.det(self, op: "aten::det") }
    }

    /// The determinant's sign and the natural logarithm of its magnitude.
    public func slogdet() -> (sign: Tensor, logabsdet: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in
            try LinearAlgebra.slogdet(self, op: "aten::slogdet")
        }
    }

    /// The natural logarithm of the determinant: −∞ where it is 0, NaN where it is negative and real.
    public func logdet() -> Tensor {
        trapping { () throws(CressetError) in
            let (sign, magnitude) = try LinearAlgebra.slogdet(self, op: "aten::logdet")
            if isComplex { return sign.log() + magnitude }
            // (log 0 of a singular matrix would make NaN of −∞ beside it.)
            let nan = Tensor.full([], .double(.nan), dtype: dtype, device: device)
            return Tensor.where(sign .== -1, nan, magnitude)
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let shapes: [Shape] = [[4, 4], [2, 3, 3], [1, 1], [0, 3, 3], [0, 0], [2, 0, 0]]

    private static func squareSamples(_ g: inout SampleMaker) -> [Sample] {
        shapes.map { Sample([.tensor(g.regular($0))]) }
    }

    static let determinants: [Operator] =
        ["linalg_det(Tensor A) -> Tensor", "det(Tensor self) -> Tensor"].map { schema in
            Operator(
                schema, dtypes: .factored, composition: ["aten::linalg_lu_factor_ex", "pointwise", "reduce"],
                notOverridable: schema.hasPrefix("det") ? "it is aten::linalg_det, which can be" : nil,
                judgement: FactorJudgement(),
                // (A gradient of a singular matrix is the adjugate; its rounding is of the whole matrix.)
                samples: { g in squareSamples(&g) + [Sample([.tensor(g.singular([3, 3], rank: 2))])] },
                call: { (a) throws(CressetError) in
                    guard let x = a.values[0].tensor else { return [.tensor(try a.tensor("self"))] }
                    return [.tensor(schema.hasPrefix("det") ? x.det() : linalg.det(x))]
                })
        }
        + [
            "linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)",
            "slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)",
        ].map { schema in
            Operator(
                schema, dtypes: .factored, composition: ["aten::linalg_lu_factor_ex", "pointwise", "reduce"],
                notOverridable: schema.hasPrefix("slogdet") ? "it is aten::linalg_slogdet, which can be" : nil,
                judgement: FactorJudgement(), samples: { g in squareSamples(&g) },
                call: { (a) throws(CressetError) in
                    guard let x = a.values[0].tensor else { return [.tensor(try a.tensor("self"))] }
                    let (sign, log) = schema.hasPrefix("slogdet") ? x.slogdet() : linalg.slogdet(x)
                    return [.tensor(sign), .tensor(log)]
                })
        }
        + [
            Operator(
                "logdet(Tensor self) -> Tensor", dtypes: .factored, composition: ["aten::linalg_slogdet", "pointwise"],
                notOverridable: "it is made of aten::linalg_slogdet, which can be", judgement: FactorJudgement(),
                samples: { g in shapes.map { Sample([.tensor(g.positiveDefinite($0))]) } },
                call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").logdet())] })
        ]
}
