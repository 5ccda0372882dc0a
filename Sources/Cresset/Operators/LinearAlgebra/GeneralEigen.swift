import BackendKit
import CLapack

/// Eigenvalues and eigenvectors of any square matrices: complex, also of real ones.
extension LinearAlgebra {
    private static let eigName = OperatorName("aten::linalg_eig")
    private static let valuesName = OperatorName("aten::linalg_eigvals")

    private static func general(_ a: Tensor, vectors: Bool, op: String) throws(CressetError) -> [Tensor] {
        let type = try Lapack.type(of: a.dtype, op: op)
        let n = try Lapack.int(a.size(-1), op: op)
        let matrices = try HostMatrices(a.detach(), op: op)
        try checkFinite(matrices, type, a, op: op)
        let complex = a.dtype.toComplex
        let values = HostMatrices(complex, matrices.batch, count: Int(n))
        let v = HostMatrices(complex, matrices.batch, rows: Int(n), columns: vectors ? Int(n) : 0)
        try matrices.each(with: [values, v]) { (i) throws(CressetError) in
            let info = clapack_geev(type, n, matrices[i], values[i], vectors ? v[i] : nil)
            try Lapack.check(info, op: op)
            if info > 0 { throw notConverged(i, a, op: op, "\(info) eigenvalues were not found") }
        }
        let w = try values.tensor(on: a.runtime, op: op)
        return vectors ? [w, try v.tensor(on: a.runtime, op: op)] : [w]
    }

    static func eig(_ a: Tensor, op: String = eigName.text) throws(CressetError) -> (
        eigenvalues: Tensor, eigenvectors: Tensor
    ) {
        try a.checkMatrices(op, square: true)
        let complex = a.dtype.toComplex
        let results = try Override.resolve(
            eigName, on: a, a.dtype, [.tensor(a)],
            types: [ResultType(Shape(a.shape.dropLast()), complex), ResultType(a.shape, complex)]
        ) { () throws(CressetError) in try general(a, vectors: true, op: op) }
        let isReal = !a.isComplex
        let recorded = Tape.record(
            eigName.text, results, differentiable: [0, 1], inputs: [a], savingResults: [0, 1]
        ) { (gradients, saved) throws(CressetError) in
            let (w, v) = (saved[0], saved[1])
            // Boeddeker, Hanebrink, Drude, Heymann, Haeb-Umbach 2017, for vectors of length 1:
            // ∂A = V⁻ᴴ·[diag(∂λ) + (Vᴴ·∂V − Vᴴ·V·diag(Re Vᴴ·∂V))/(λⱼ − λᵢ)̄]·Vᴴ, the quotient off the diagonal.
            var inner = gradients[0].map { $0.diagonalMatrix() }
            if let gV = gradients[1] {
                let turned = v.adjoint.matmul(gV)
                let raw = turned - v.adjoint.matmul(v) * turned.diagonalVector().real.unsqueeze(-2)
                let one = Tensor.eye(v.size(-1), dtype: w.dtype, device: v.device)
                let gaps = (w.unsqueeze(-2) - w.unsqueeze(-1)).conj() + one
                let vectors = (raw - raw.diagonalVector().diagonalMatrix()) / gaps
                inner = inner.map { $0 + vectors } ?? vectors
            }
            guard let inner else { return [nil] }
            let g = try solveEx(v.adjoint, inner.matmul(v.adjoint), left: true, op: op).x
            return [isReal ? g.real : g]
        }
        return (recorded[0], recorded[1])
    }

    static func eigvals(_ a: Tensor) throws(CressetError) -> Tensor {
        let op = valuesName.text
        try a.checkMatrices(op, square: true)
        let result = try Override.resolve(
            valuesName, on: a, a.dtype, [.tensor(a)],
            types: [ResultType(Shape(a.shape.dropLast()), a.dtype.toComplex)]
        ) { () throws(CressetError) in try general(a, vectors: false, op: op) }[0]
        let wanted = [a.isTracked]
        return Tape.record(op, result, inputs: [a], saving: [a]) { (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            return try Engine.gradients(
                of: { (x) throws(CressetError) in try eig(x[0], op: op).eigenvalues }, at: saved, wanted, g)
        }
    }
}

extension linalg {
    /// Eigenvalues and eigenvectors, of length 1, of square matrices; complex, also of real ones.
    public static func eig(_ a: Tensor) -> (eigenvalues: Tensor, eigenvectors: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in try LinearAlgebra.eig(a) }
    }

    /// Eigenvalues of square matrices; complex, also of real ones.
    public static func eigvals(_ a: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.eigvals(a) }
    }
}

// MARK: Declarations

extension Operators {
    private static let shapes: [Shape] = [[4, 4], [2, 3, 3], [1, 1], [0, 3, 3], [0, 0]]

    /// The order of eigenvalues is the algorithm's affair; their powers' sums are the traces of A, A² and A³.
    private static func sums(_ a: Tensor, _ w: Tensor) -> [Residual] {
        let a = a.to(w.dtype)
        let (a2, w2) = (a.matmul(a), w * w)
        let sizes = a.abs().matmul(a.abs()).matmul(a.abs())
        return [(a, w), (a2, w2), (a2.matmul(a), w2 * w)].enumerated().map { k, pair in
            Residual(
                "Σλ^\(k + 1) - tr A^\(k + 1)", pair.1.sum(dim: -1) - pair.0.diagonalVector().sum(dim: -1),
                size: k == 0
                    ? a.abs().sum(dim: [-2, -1])
                    : k == 1 ? a.abs().matmul(a.abs()).sum(dim: [-2, -1]) : sizes.sum(dim: [-2, -1]))
        }
    }

    static let generalEigen: [Operator] = [
        Operator(
            "linalg_eig(Tensor self) -> (Tensor eigenvalues, Tensor eigenvectors)", dtypes: .factored,
            composition: ["factor"],
            judgement: FactorJudgement(free: [0: .residuals, 1: .residuals]) { values, results in
                guard let a = values[0].tensor else { return [] }
                let (w, v) = (results[0], results[1])
                let lengths = v.abs().square().sum(dim: -2)
                return [
                    Residual("A·V - V·Λ", a.to(v.dtype).matmul(v) - v * w.unsqueeze(-2), size: a),
                    Residual("lengths of V", lengths - 1, size: Tensor.onesLike(lengths)),
                ] + sums(a, w)
            },
            samples: { g in shapes.map { Sample([.tensor(g.symmetric($0) + 0.5 * g.regular($0))]) } },
            call: { (a) throws(CressetError) in
                let (w, v) = linalg.eig(try a.tensor("self"))
                return [.tensor(w), .tensor(v)]
            }),
        Operator(
            "linalg_eigvals(Tensor self) -> Tensor", dtypes: .factored, composition: ["factor"],
            judgement: FactorJudgement(free: [0: .residuals]) { values, results in
                guard let a = values[0].tensor else { return [] }
                return sums(a, results[0])
            },
            samples: { g in shapes.map { Sample([.tensor(g.symmetric($0) + 0.5 * g.regular($0))]) } },
            call: { (a) throws(CressetError) in [.tensor(linalg.eigvals(try a.tensor("self")))] }),
    ]
}
