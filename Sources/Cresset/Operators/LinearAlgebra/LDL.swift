import BackendKit
import CLapack

/// A = L·D·Lᵀ (or L·D·Lᴴ) of symmetric matrices that need not be positive definite.
extension LinearAlgebra {
    private static let factorName = OperatorName("aten::linalg_ldl_factor_ex")
    private static let solveName = OperatorName("aten::linalg_ldl_solve")

    /// L and D packed into the lower triangle, the exchanges, and 0 or the place of the first 0 of D.
    static func ldlFactorEx(
        _ a: Tensor, hermitian: Bool, op: String = factorName.text
    ) throws(CressetError) -> (ld: Tensor, pivots: Tensor, info: Tensor) {
        try a.checkMatrices(op, square: true)
        let results = try Override.resolve(
            factorName, on: a, a.dtype, [.tensor(a), .scalar(.bool(hermitian)), false],
            types: [
                ResultType(a.shape, a.dtype), ResultType(Shape(a.shape.dropLast()), .int32),
                ResultType(a.batchShape, .int32),
            ]
        ) { () throws(CressetError) in
            let type = try Lapack.type(of: a.dtype, op: op)
            let n = try Lapack.int(a.size(-1), op: op)
            let factors = try HostMatrices(a.detach(), op: op)
            let pivots = HostMatrices(.int32, factors.batch, count: Int(n))
            let info = HostMatrices(.int32, factors.batch, count: 1)
            try factors.each(with: [pivots, info]) { (i) throws(CressetError) in
                info[integers: i][0] = clapack_ldl_factor(type, hermitian, n, factors[i], pivots[integers: i])
                try Lapack.check(info[integers: i][0], op: op)
            }
            return [
                try factors.tensor(on: a.runtime, op: op).tril(), try pivots.tensor(on: a.runtime, op: op),
                try info.tensor(on: a.runtime, op: op).squeeze(-1).contiguous(),
            ]
        }
        return (results[0], results[1], results[2])
    }

    static func checkLDL(_ info: Tensor, of a: Tensor, op: String) throws(CressetError) {
        try check(info, of: a, op: op) { "D's element (\($0), \($0)) is 0, so that nothing can be solved with it" }
    }

    /// X of A·X = B by the factors.
    static func ldlSolve(
        _ ld: Tensor, _ pivots: Tensor, _ b: Tensor, hermitian: Bool
    ) throws(CressetError) -> Tensor {
        let op = solveName.text
        try ld.checkMatrices(op, square: true)
        try b.checkMatrices(op)
        try ld.checkPartner(b, op)
        try pivots.checkValid(op)
        let (n, batchRank) = (ld.size(-1), ld.ndim - 2)
        guard pivots.dtype == .int32, pivots.shape == Shape(ld.shape.dropLast()) else {
            throw CressetError(
                .shape, op: op, "the pivots must be int32 of shape \(Shape(ld.shape.dropLast())), got \(pivots.summary)"
            )
        }
        // (LAPACK trusts them: a pivot beyond the matrix would be a wild read.)
        let exchanges = try pivots.isMeta ? [] : pivots.elements(Int32.self)
        for (i, pivot) in exchanges.enumerated() where pivot == 0 || Int(pivot.magnitude) > n {
            throw CressetError(
                .argument, op: op,
                "\(element(i / n, of: Shape(pivots.shape.prefix(batchRank))))pivot \(i % n) is \(pivot); "
                    + "its magnitude must lie in 1 ... \(n)")
        }
        let (shapeA, shapeB) = try broadcastBatches(ld, b, left: true, op: op)
        return try Override.resolve(
            solveName, on: ld, ld.dtype,
            [.tensor(ld), .tensor(pivots), .tensor(b), .scalar(.bool(hermitian))],
            types: [ResultType(shapeB, b.dtype)]
        ) { () throws(CressetError) in
            let type = try Lapack.type(of: ld.dtype, op: op)
            let factors = try HostMatrices(ld.detach().expand(shapeA), op: op)
            let exchanges = try HostMatrices(pivots.expand(Shape(shapeA.dropLast())), vectors: true, op: op)
            let solutions = try HostMatrices(b.detach().expand(shapeB), op: op)
            let (rows, columns) = (try Lapack.int(n, op: op), try Lapack.int(b.size(-1), op: op))
            try solutions.each(with: [factors, exchanges]) { (i) throws(CressetError) in
                try Lapack.check(
                    clapack_ldl_solve(type, hermitian, rows, columns, factors[i], exchanges[integers: i], solutions[i]),
                    op: op)
            }
            return [try solutions.tensor(on: ld.runtime, op: op)]
        }[0]
    }
}

extension linalg {
    /// L and D of symmetric (or hermitian) matrices, packed, and the exchanges.
    public static func ldlFactor(_ a: Tensor, hermitian: Bool = false) -> (ld: Tensor, pivots: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in
            let op = "aten::linalg_ldl_factor"
            let (ld, pivots, info) = try LinearAlgebra.ldlFactorEx(a, hermitian: hermitian, op: op)
            try LinearAlgebra.checkLDL(info, of: a, op: op)
            return (ld, pivots)
        }
    }

    /// `ldlFactor`, and for each matrix 0 or the place of the first 0 of D.
    public static func ldlFactorEx(
        _ a: Tensor, hermitian: Bool = false, checkErrors: Bool = false
    ) -> (ld: Tensor, pivots: Tensor, info: Tensor) {
        trapping(default: (.invalid, .invalid, .invalid)) { () throws(CressetError) in
            let (ld, pivots, info) = try LinearAlgebra.ldlFactorEx(a, hermitian: hermitian)
            if checkErrors { try LinearAlgebra.checkLDL(info, of: a, op: "aten::linalg_ldl_factor_ex") }
            return (ld, pivots, info)
        }
    }

    /// X of A·X = B by the factors of `ldlFactor(A)`.
    public static func ldlSolve(_ ld: Tensor, _ pivots: Tensor, _ b: Tensor, hermitian: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.ldlSolve(ld, pivots, b, hermitian: hermitian)
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let shapes: [Shape] = [[4, 4], [2, 3, 3], [1, 1], [0, 3, 3], [0, 0]]

    /// A·(the solution with the factors) − 1.
    private static let judgement = FactorJudgement(free: [0: .residuals, 1: .residuals]) { values, results in
        guard let a = values[0].tensor, case .scalar(.bool(let hermitian)) = values[1] else { return [] }
        let whole = hermitian ? a.hermitian(upper: false) : a.tril() + a.tril(-1).mT
        let one = Tensor.eye(a.size(-1), dtype: a.dtype, device: a.device).expand(a.shape)
        let inverse = linalg.ldlSolve(results[0], results[1], one, hermitian: hermitian)
        return [Residual("A·A⁻¹ - 1", whole.matmul(inverse) - one, size: whole.abs().matmul(inverse.abs()))]
    }

    private static func samples(_ g: inout SampleMaker, _ extra: [Value] = []) -> [Sample] {
        shapes.enumerated().map { i, shape in
            Sample([.tensor(g.symmetric(shape) - 1.5 * g.eye(shape)), .scalar(.bool(i % 2 == 0))] + extra)
        }
    }

    static let ldl: [Operator] = [
        Operator(
            "linalg_ldl_factor_ex(Tensor self, *, bool hermitian=False, bool check_errors=False) -> (Tensor LD, Tensor pivots, Tensor info)",
            dtypes: .factored, composition: ["factor"], isDifferentiable: false, judgement: judgement,
            samples: { g in samples(&g, [false]) },
            call: { (a) throws(CressetError) in
                let (ld, pivots, info) = linalg.ldlFactorEx(
                    try a.tensor("self"), hermitian: try a.bool("hermitian"), checkErrors: try a.bool("check_errors"))
                return [.tensor(ld), .tensor(pivots), .tensor(info)]
            }),
        Operator(
            "linalg_ldl_factor(Tensor self, *, bool hermitian=False) -> (Tensor LD, Tensor pivots)", dtypes: .factored,
            composition: ["aten::linalg_ldl_factor_ex"], isDifferentiable: false,
            notOverridable: "it is made of aten::linalg_ldl_factor_ex, which can be", judgement: judgement,
            samples: { g in samples(&g) },
            call: { (a) throws(CressetError) in
                let (ld, pivots) = linalg.ldlFactor(try a.tensor("self"), hermitian: try a.bool("hermitian"))
                return [.tensor(ld), .tensor(pivots)]
            }),
        Operator(
            "linalg_ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor",
            dtypes: .factored, composition: ["factor"], isDifferentiable: false, judgement: FactorJudgement(),
            samples: { g in
                shapes.map { shape in
                    let (ld, pivots) = linalg.ldlFactor(g.symmetric(shape) - 1.5 * g.eye(shape), hermitian: true)
                    return Sample([
                        .tensor(ld.contiguous()), .tensor(pivots), .tensor(g.tensor(Shape(shape.dropLast() + [2]))),
                        true,
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        linalg.ldlSolve(
                            try a.tensor("LD"), try a.tensor("pivots"), try a.tensor("B"),
                            hermitian: try a.bool("hermitian")))
                ]
            }),
    ]
}

extension SampleMaker {
    /// The identity beside samples of a shape.
    fileprivate func eye(_ shape: Shape) -> Tensor {
        Tensor.eye(shape[shape.count - 1], dtype: dtype, device: .reference)
    }
}
