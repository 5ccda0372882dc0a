import BackendKit
import CLapack

/// A = U·S·Vᴴ.
extension LinearAlgebra {
    private static let svdName = OperatorName("aten::linalg_svd")
    private static let valuesName = OperatorName("aten::linalg_svdvals")

    /// U, S and Vᴴ of matrices; S alone unless `vectors`.
    private static func decomposed(
        _ a: Tensor, full: Bool, vectors: Bool, op: String
    ) throws(CressetError) -> [Tensor] {
        let type = try Lapack.type(of: a.dtype, op: op)
        let (m, n) = (try Lapack.int(a.size(-2), op: op), try Lapack.int(a.size(-1), op: op))
        let k = Int(min(m, n))
        let matrices = try HostMatrices(a.detach(), op: op)
        try checkFinite(matrices, type, a, op: op)
        let s = HostMatrices(a.dtype.toReal, matrices.batch, count: k)
        let width = vectors ? (full ? Int(m) : k) : 0
        let u = HostMatrices(a.dtype, matrices.batch, rows: Int(m), columns: width)
        let vh = HostMatrices(a.dtype, matrices.batch, rows: vectors ? (full ? Int(n) : k) : 0, columns: Int(n))
        if k == 0 {
            // LAPACK leaves the vectors of a matrix without elements alone: any orthonormal ones are right.
            return try empty(u, s, vh, on: a.runtime, op: op)
        }
        let job = CChar(UInt8(ascii: vectors ? (full ? "A" : "S") : "N"))
        try matrices.each(with: [u, s, vh]) { (i) throws(CressetError) in
            let info = clapack_gesdd(type, job, m, n, matrices[i], s[i], u[i], vh[i])
            try Lapack.check(info, op: op)
            if info > 0 { throw notConverged(i, a, op: op, "the bidiagonal matrix has \(info) values left") }
        }
        return [
            try u.tensor(on: a.runtime, op: op), try s.tensor(on: a.runtime, op: op),
            try vh.tensor(on: a.runtime, op: op),
        ]
    }

    private static func empty(
        _ u: HostMatrices, _ s: HostMatrices, _ vh: HostMatrices, on runtime: DeviceRuntime, op: String
    ) throws(CressetError) -> [Tensor] {
        func identity(_ x: HostMatrices) -> Tensor {
            Tensor.eye(x.rows, x.columns, dtype: x.dtype, device: runtime.device)
                .expand(Shape(x.batch + [x.rows, x.columns])).clone()
        }
        return [identity(u), try s.tensor(on: runtime, op: op), identity(vh)]
    }

    static func svd(
        _ a: Tensor, fullMatrices full: Bool, driver: String? = nil, op: String = svdName.text
    ) throws(CressetError) -> (u: Tensor, s: Tensor, vh: Tensor) {
        try a.checkMatrices(op)
        try checkDriver(driver, op: op)
        let (m, n) = (a.size(-2), a.size(-1))
        let k = min(m, n)
        func shape(_ sizes: Int...) -> Shape { Shape(a.batchShape + sizes) }
        let results = try Override.resolve(
            svdName, on: a, a.dtype, [.tensor(a), .scalar(.bool(full)), .none],
            types: [
                ResultType(shape(m, full ? m : k), a.dtype), ResultType(shape(k), a.dtype.toReal),
                ResultType(shape(full ? n : k, n), a.dtype),
            ]
        ) { () throws(CressetError) in try decomposed(a, full: full, vectors: true, op: op) }
        let recorded = Tape.record(
            svdName.text, results, differentiable: [0, 1, 2], inputs: [a], savingResults: [0, 1, 2]
        ) { (gradients, saved) throws(CressetError) in
            // Of U and V only the columns that belong to singular values are determined.
            let (u, s, vh) = (saved[0].narrow(-1, 0, k), saved[1], saved[2].narrow(-2, 0, k))
            return [
                svdGradient(
                    gradients[0].map { $0.narrow(-1, 0, k) }, gradients[1], gradients[2].map { $0.narrow(-2, 0, k) },
                    u, s, vh)
            ]
        }
        return (recorded[0], recorded[1], recorded[2])
    }

    /// Townsend 2016: ∂A = U·[(F∘skew(Uᴴ·∂U))·S + S·(F∘skew(Vᴴ·∂V)) + diag(∂S)]·Vᴴ
    /// + (1 − U·Uᴴ)·∂U·S⁻¹·Vᴴ + U·S⁻¹·∂Vᴴ·(1 − V·Vᴴ), with Fᵢⱼ = 1/(sⱼ² − sᵢ²) off the diagonal and
    /// skew(X) = X − Xᴴ.
    private static func svdGradient(
        _ gU: Tensor?, _ gS: Tensor?, _ gVh: Tensor?, _ u: Tensor, _ s: Tensor, _ vh: Tensor
    ) -> Tensor? {
        let (m, n, k) = (u.size(-2), vh.size(-1), s.size(-1))
        let one = Tensor.eye(k, dtype: s.dtype, device: s.device)
        let squares = s * s
        let gaps = squares.unsqueeze(-2) - squares.unsqueeze(-1) + one
        var inner = gS.map { $0.diagonalMatrix() }
        var outer: Tensor?
        func add(_ x: Tensor, to sum: inout Tensor?) { sum = sum.map { $0 + x } ?? x }
        if let gU {
            let turned = u.adjoint.matmul(gU)
            add((turned - turned.adjoint) / gaps * s.unsqueeze(-2), to: &inner)
            if u.isComplex && gVh != nil {
                // What turns U and V alike is free, against each other they are not.
                let angles = (turned - turned.adjoint).diagonalVector() / (2 * s)
                add(angles.diagonalMatrix(), to: &inner)
            }
            if m > k { add(((gU - u.matmul(turned)) / s.unsqueeze(-2)).matmul(vh), to: &outer) }
        }
        if let gVh {
            let turned = vh.matmul(gVh.adjoint)
            add(s.unsqueeze(-1) * ((turned - turned.adjoint) / gaps), to: &inner)
            if n > k { add(u.matmul((gVh - turned.adjoint.matmul(vh)) / s.unsqueeze(-1)), to: &outer) }
        }
        guard let inner else { return nil }
        let within = u.matmul(inner).matmul(vh)
        return outer.map { within + $0 } ?? within
    }

    static func svdvals(_ a: Tensor, driver: String? = nil, op: String = valuesName.text) throws(CressetError) -> Tensor
    {
        try a.checkMatrices(op)
        try checkDriver(driver, op: op)
        let k = min(a.size(-1), a.size(-2))
        let result = try Override.resolve(
            valuesName, on: a, a.dtype, [.tensor(a), .none],
            types: [ResultType(Shape(a.batchShape + [k]), a.dtype.toReal)]
        ) { () throws(CressetError) in [try decomposed(a, full: false, vectors: false, op: op)[1]] }[0]
        return Tape.record(valuesName.text, result, inputs: [a], saving: [a]) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            let (u, _, vh) = try svd(saved[0], fullMatrices: false, op: op)
            return [(u * g.unsqueeze(-2)).matmul(vh)]
        }
    }

    /// PyTorch's drivers are those of a GPU's library.
    private static func checkDriver(_ driver: String?, op: String) throws(CressetError) {
        guard let driver else { return }
        throw CressetError(
            .argument, op: op, "a driver (\"\(driver)\") can be chosen only where a device has several; it has one")
    }
}

extension linalg {
    /// U, S (descending) and Vᴴ with A = U·diag(S)·Vᴴ; with `fullMatrices` U and V are square.
    public static func svd(_ a: Tensor, fullMatrices: Bool = true) -> (u: Tensor, s: Tensor, vh: Tensor) {
        trapping(default: (.invalid, .invalid, .invalid)) { () throws(CressetError) in
            try LinearAlgebra.svd(a, fullMatrices: fullMatrices)
        }
    }

    /// Singular values, descending.
    public static func svdvals(_ a: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.svdvals(a) }
    }
}

extension Tensor {
    /// U, S (descending) and V (not its adjoint) with A = U·diag(S)·Vᴴ; without `computeUV` U and V are zeros.
    public func svd(some: Bool = true, computeUV: Bool = true) -> (u: Tensor, s: Tensor, v: Tensor) {
        trapping(default: (.invalid, .invalid, .invalid)) { () throws(CressetError) in
            let op = "aten::svd"
            guard computeUV else {
                let s = try LinearAlgebra.svdvals(self, op: op)
                func zeros(_ n: Int) -> Tensor { .zeros(Shape(batchShape + [n, n]), dtype: dtype, device: device) }
                return (zeros(size(-2)), s, zeros(size(-1)))
            }
            let (u, s, vh) = try LinearAlgebra.svd(self, fullMatrices: !some, op: op)
            return (u, s, vh.adjoint)
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let shapes: [Shape] = [
        [4, 4], [5, 3], [3, 5], [2, 4, 3], [1, 1], [0, 3, 2], [0, 0], [3, 0], [0, 3],
    ]

    private static func judgement(isAdjoint: Bool) -> FactorJudgement {
        let count: @Sendable ([Shape]) -> Int = { $0[1].last ?? 0 }
        return FactorJudgement(
            free: [0: .phases(dim: -1, count: count), 2: .phases(dim: isAdjoint ? -2 : -1, count: count)]
        ) { values, results in
            guard let a = values[0].tensor else { return [] }
            let (u, s) = (results[0], results[1])
            let vh = isAdjoint ? results[2] : results[2].adjoint
            let k = s.size(-1)
            let product = (u.narrow(-1, 0, k) * s.unsqueeze(-2)).matmul(vh.narrow(-2, 0, k))
            return [Residual("A - U·S·Vᴴ", a - product, size: a), .orthonormal("U", u), .orthonormal("V", vh.adjoint)]
        }
    }

    static let singularValues: [Operator] = [
        Operator(
            "linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)",
            dtypes: .factored, composition: ["factor"], judgement: judgement(isAdjoint: true),
            samples: { g in
                shapes.map { Sample([.tensor(g.regular($0)), false, .none]) }
                    + [[5, 3], [3, 5], [2, 3, 0]].map { (shape: Shape) in
                        // (The further vectors of U or V are any that complete a basis.)
                        Sample([.tensor(g.regular(shape)), true, .none], checksGradient: false)
                    }
            },
            call: { (a) throws(CressetError) in
                let (u, s, vh) = try LinearAlgebra.svd(
                    try a.tensor("A"), fullMatrices: try a.bool("full_matrices"),
                    driver: try a.optionalString("driver"))
                return [.tensor(u), .tensor(s), .tensor(vh)]
            }),
        Operator(
            "linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor", dtypes: .factored, composition: ["factor"],
            judgement: FactorJudgement(), samples: { g in shapes.map { Sample([.tensor(g.regular($0)), .none]) } },
            call: { (a) throws(CressetError) in
                [.tensor(try LinearAlgebra.svdvals(try a.tensor("A"), driver: try a.optionalString("driver")))]
            }),
        Operator(
            "svd(Tensor self, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)",
            dtypes: .factored, composition: ["aten::linalg_svd"],
            notOverridable: "it is made of aten::linalg_svd, which can be", judgement: judgement(isAdjoint: false),
            samples: { g in shapes.map { Sample([.tensor(g.regular($0)), true, true]) } },
            call: { (a) throws(CressetError) in
                let (u, s, v) = try a.tensor("self").svd(
                    some: try a.bool("some"), computeUV: try a.bool("compute_uv"))
                return [.tensor(u), .tensor(s), .tensor(v)]
            }),
    ]
}
