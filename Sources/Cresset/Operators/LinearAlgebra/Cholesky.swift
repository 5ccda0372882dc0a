import BackendKit
import CLapack

/// Cholesky factors of positive definite matrices, and what is solved with them.
extension LinearAlgebra {
    private static let choleskyName = OperatorName("aten::linalg_cholesky_ex")

    /// L, lower, with A = L·Lᴴ (or its adjoint), and by matrix the order of the first minor that is not positive.
    static func choleskyEx(_ a: Tensor, upper: Bool) throws(CressetError) -> (l: Tensor, info: Tensor) {
        let op = choleskyName.text
        try a.checkMatrices(op, square: true)
        let results = try Override.resolve(
            choleskyName, on: a, a.dtype, [.tensor(a), .scalar(.bool(upper)), false],
            types: [ResultType(a.shape, a.dtype), ResultType(a.batchShape, .int32)]
        ) { () throws(CressetError) in
            let type = try Lapack.type(of: a.dtype, op: op)
            let n = try Lapack.int(a.size(-1), op: op)
            let factors = try HostMatrices(a, op: op)
            let info = HostMatrices(.int32, factors.batch, count: 1)
            try factors.each(with: [info]) { (i) throws(CressetError) in
                info[integers: i][0] = clapack_potrf(type, upper, n, factors[i])
                try Lapack.check(info[integers: i][0], op: op)
            }
            let l = try factors.tensor(on: a.runtime, op: op)
            return [upper ? l.triu() : l.tril(), try info.tensor(on: a.runtime, op: op).squeeze(-1).contiguous()]
        }
        let recorded = Tape.record(op, results, differentiable: [0], inputs: [a], savingResults: [0]) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            // Murray 2016: S = L⁻ᴴ·Φ(Lᴴ·∂L)·L⁻¹, and ∂A is its hermitian part.
            let (l, g1) = upper ? (saved[0].adjoint, g.adjoint) : (saved[0], g)
            let phi = l.adjoint.matmul(g1).lowerHalf
            let left = try solveTriangular(l.adjoint, phi, upper: true, left: true)
            let s = try solveTriangular(l, left, upper: false, left: false)
            return [(s + s.adjoint) * 0.5]
        }
        return (recorded[0], recorded[1])
    }

    /// The factor; an error that names the matrix and the minor where there is none.
    static func cholesky(_ a: Tensor, upper: Bool, op: String) throws(CressetError) -> Tensor {
        try a.checkMatrices(op, square: true)
        let (l, info) = try choleskyEx(a, upper: upper)
        try checkCholesky(info, of: a, op: op)
        return l
    }

    static func checkCholesky(_ info: Tensor, of a: Tensor, op: String) throws(CressetError) {
        try check(info, of: a, op: op) {
            "the matrix is not positive definite: its leading minor of order \($0) is not"
        }
    }

    /// Throws for the first matrix whose `info` is not 0.
    static func check(
        _ info: Tensor, of a: Tensor, op: String, _ reason: (Int32) -> String
    ) throws(CressetError) {
        if info.isMeta { return }
        let codes = try info.elements(Int32.self)
        guard let i = codes.firstIndex(where: { $0 != 0 }) else { return }
        throw CressetError(.argument, op: op, "\(element(i, of: a.batchShape))\(reason(codes[i])); \(a.summary)")
    }

    /// X of A·X = B, where L (or its adjoint, U) is the Cholesky factor of A.
    static func choleskySolve(_ b: Tensor, _ factor: Tensor, upper: Bool, op: String) throws(CressetError) -> Tensor {
        try factor.checkMatrices(op, square: true)
        try b.checkMatrices(op)
        try factor.checkPartner(b, op)
        guard b.size(-2) == factor.size(-1) else {
            throw CressetError(
                .shape, op: op, "B must have as many rows as the factor: \(b.summary), \(factor.summary)")
        }
        @Sendable func solved(_ factor: Tensor, _ b: Tensor) throws(CressetError) -> Tensor {
            let l = upper ? factor.adjoint : factor
            let y = try solveTriangular(l, b, upper: false, left: true)
            return try solveTriangular(l.adjoint, y, upper: true, left: true)
        }
        let result = try noGrad { () throws(CressetError) in try solved(factor, b) }
        return Tape.record(op, result, inputs: [b, factor], saving: [factor], savingResult: true) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil, nil] }
            // ∂B = A⁻¹·∂X and ∂A = −∂B·Xᴴ (Giles 2008), and A = L·Lᴴ makes ∂L = (∂A + ∂Aᴴ)·L of it: of all of
            // L, as in PyTorch, though only a triangle is read.
            let gB = try solved(saved[0], g)
            let half = gB.matmul(saved[1].adjoint)
            let gA = -(half + half.adjoint)
            return [gB, upper ? saved[0].matmul(gA) : gA.matmul(saved[0])]
        }
    }

    static func choleskyInverse(_ factor: Tensor, upper: Bool) throws(CressetError) -> Tensor {
        let op = "aten::cholesky_inverse"
        try factor.checkMatrices(op, square: true)
        let one = Tensor.eye(factor.size(-1), dtype: factor.dtype, device: factor.device).expand(factor.shape)
        return try choleskySolve(one, factor, upper: upper, op: op)
    }
}

extension linalg {
    /// The Cholesky factor of positive definite matrices: lower, or with `upper` its adjoint.
    public static func cholesky(_ a: Tensor, upper: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.cholesky(a, upper: upper, op: "aten::linalg_cholesky")
        }
    }

    /// The Cholesky factor, and for each matrix 0 or the order of the first minor that is not positive.
    public static func choleskyEx(
        _ a: Tensor, upper: Bool = false, checkErrors: Bool = false
    ) -> (l: Tensor, info: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in
            let (l, info) = try LinearAlgebra.choleskyEx(a, upper: upper)
            if checkErrors { try LinearAlgebra.checkCholesky(info, of: a, op: "aten::linalg_cholesky_ex") }
            return (l, info)
        }
    }
}

extension Tensor {
    /// The Cholesky factor of positive definite matrices.
    public func cholesky(upper: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.cholesky(self, upper: upper, op: "aten::cholesky")
        }
    }

    /// The inverse of the matrix whose Cholesky factor this is.
    public func choleskyInverse(upper: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.choleskyInverse(self, upper: upper) }
    }

    /// X of A·X = this, by the Cholesky factor of A.
    public func choleskySolve(_ factor: Tensor, upper: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.choleskySolve(self, factor, upper: upper, op: "aten::cholesky_solve")
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let ofCholesky = "it is made of aten::linalg_cholesky_ex, which can be"
    private static let ofTriangular = "it is made of aten::linalg_solve_triangular, which can be"

    private static func positive(_ g: inout SampleMaker) -> [(Tensor, Bool)] {
        let shapes: [Shape] = [[4, 4], [2, 3, 3], [1, 1], [0, 3, 3], [0, 0], [2, 0, 0]]
        return shapes.enumerated().map { i, shape in (g.positiveDefinite(shape), i % 2 == 1) }
    }

    /// A − L·Lᴴ.
    private static let factorJudgement = FactorJudgement(hermitian: ["self"]) { values, results in
        guard let a = values[0].tensor, case .scalar(.bool(let upper)) = values[1] else { return [] }
        let l = upper ? results[0].adjoint : results[0]
        let whole = a.hermitian(upper: upper)
        return [
            Residual("A - L·Lᴴ", whole - l.matmul(l.adjoint), size: a), Residual("L above its diagonal", l.triu(1)),
        ]
    }

    static let cholesky: [Operator] = [
        Operator(
            "linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)",
            dtypes: .factored, composition: ["factor", "pointwise"], judgement: factorJudgement,
            samples: { g in positive(&g).map { Sample([.tensor($0), .scalar(.bool($1)), false]) } },
            call: { (a) throws(CressetError) in
                let (l, info) = linalg.choleskyEx(
                    try a.tensor("self"), upper: try a.bool("upper"), checkErrors: try a.bool("check_errors"))
                return [.tensor(l), .tensor(info)]
            }),
        Operator(
            "linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor", dtypes: .factored,
            composition: ["aten::linalg_cholesky_ex"], notOverridable: ofCholesky, judgement: factorJudgement,
            samples: { g in positive(&g).map { Sample([.tensor($0), .scalar(.bool($1))]) } },
            call: { (a) throws(CressetError) in
                [.tensor(linalg.cholesky(try a.tensor("self"), upper: try a.bool("upper")))]
            }),
        Operator(
            "cholesky(Tensor self, bool upper=False) -> Tensor", dtypes: .factored,
            composition: ["aten::linalg_cholesky_ex"], notOverridable: ofCholesky, judgement: factorJudgement,
            samples: { g in positive(&g).map { Sample([.tensor($0), .scalar(.bool($1))]) } },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").cholesky(upper: try a.bool("upper")))]
            }),
        Operator(
            "cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor", dtypes: .factored,
            composition: ["aten::linalg_solve_triangular"], notOverridable: ofTriangular,
            judgement: FactorJudgement(triangular: ["input2"]),
            samples: { g in
                [([4, 2], [4, 4]), ([2, 3, 1], [3, 3]), ([0, 3, 2], [0, 3, 3]), ([0, 2], [0, 0])].enumerated().map {
                    (i: Int, shapes: (Shape, Shape)) in
                    Sample([
                        .tensor(g.tensor(shapes.0)), .tensor(g.triangular(shapes.1, upper: i % 2 == 1)),
                        .scalar(.bool(i % 2 == 1)),
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").choleskySolve(try a.tensor("input2"), upper: try a.bool("upper")))]
            }),
        Operator(
            "cholesky_inverse(Tensor self, bool upper=False) -> Tensor", dtypes: .factored,
            composition: ["aten::linalg_solve_triangular"], notOverridable: ofTriangular,
            judgement: FactorJudgement(triangular: ["self"]),
            samples: { g in
                [[4, 4], [2, 3, 3], [0, 3, 3], [0, 0]].enumerated().map { (i: Int, shape: Shape) in
                    Sample([.tensor(g.triangular(shape, upper: i % 2 == 1)), .scalar(.bool(i % 2 == 1))])
                }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").choleskyInverse(upper: try a.bool("upper")))]
            }),
    ]
}
