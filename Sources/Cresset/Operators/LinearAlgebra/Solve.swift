import BackendKit

/// Systems of linear equations, and inverses.
extension LinearAlgebra {
    private static let name = OperatorName("aten::linalg_solve_ex")

    /// True if B is a vector, or a batch of vectors, one for each matrix of A.
    private static func isVectors(_ b: Tensor, _ a: Tensor) -> Bool {
        b.ndim == 1 || (b.ndim == a.ndim - 1 && b.shape == Shape(a.shape.dropLast()))
    }

    /// X of A·X = B, or of X·A = B unless `left`, and LU's info.
    static func solveEx(
        _ a: Tensor, _ b: Tensor, left: Bool, op: String = name.text
    ) throws(CressetError) -> (x: Tensor, info: Tensor) {
        try a.checkMatrices(op, square: true)
        try b.checkFactored(op)
        try a.checkPartner(b, op)
        guard b.ndim >= 1 else {
            throw CressetError(.shape, op: op, "B needs at least 1 dim: \(a.summary), \(b.summary)")
        }
        let vectors = isVectors(b, a)
        guard left || !vectors else {
            throw CressetError(.shape, op: op, "with left = false B must be matrices: \(a.summary), \(b.summary)")
        }
        let (shapeA, shapeB) = try broadcastBatches(a, vectors ? b.unsqueeze(-1) : b, left: left, op: op)
        let shape = vectors ? Shape(shapeB.dropLast()) : shapeB
        let results = try Override.resolve(
            name, on: a, a.dtype, [.tensor(a), .tensor(b), .scalar(.bool(left)), false],
            types: [ResultType(shape, a.dtype), ResultType(a.batchShape, .int32)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let (lu, pivots, info) = try luFactorEx(a.detach(), pivot: true, op: op)
                let right = vectors ? b.detach().unsqueeze(-1) : b.detach()
                let x = try luSolve(
                    lu.expand(shapeA), pivots.expand(Shape(shapeA.dropLast())), right, left: left, op: op)
                return [vectors ? try Copy.clone(x.squeeze(-1), op: op) : x, info]
            }
        }
        let recorded = Tape.record(
            name.text, results, differentiable: [0], inputs: [a, b], saving: [a], savingResults: [0]
        ) { (gradients, saved) throws(CressetError) in
            guard var g = gradients[0] else { return [nil, nil] }
            var x = saved[1]
            if vectors { (g, x) = (g.unsqueeze(-1), x.unsqueeze(-1)) }
            // ∂B = A⁻ᴴ·∂X, ∂A = −∂B·Xᴴ (Giles 2008, 2.3.1).
            let gB = try solveEx(saved[0].adjoint, g, left: left, op: op).x
            let gA = left ? -gB.matmul(x.adjoint) : -x.adjoint.matmul(gB)
            return [gA, vectors ? gB.squeeze(-1) : gB]
        }
        return (recorded[0], recorded[1])
    }

    static func solve(_ a: Tensor, _ b: Tensor, left: Bool, op: String) throws(CressetError) -> Tensor {
        let (x, info) = try solveEx(a, b, left: left, op: op)
        try checkLU(info, of: a, op: op)
        return x
    }

    static func inverseEx(_ a: Tensor, op: String) throws(CressetError) -> (inverse: Tensor, info: Tensor) {
        try a.checkMatrices(op, square: true)
        let one = Tensor.eye(a.size(-1), dtype: a.dtype, device: a.device).expand(a.shape)
        let (x, info) = try solveEx(a, one, left: true, op: op)
        return (x, info)
    }

    static func inverse(_ a: Tensor, op: String) throws(CressetError) -> Tensor {
        let (x, info) = try inverseEx(a, op: op)
        try checkLU(info, of: a, op: op)
        return x
    }
}

extension linalg {
    /// X of A·X = B; with `left` false of X·A = B. B is matrices, or a vector for each matrix of A.
    public static func solve(_ a: Tensor, _ b: Tensor, left: Bool = true) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.solve(a, b, left: left, op: "aten::linalg_solve")
        }
    }

    /// `solve`, and for each matrix 0 or the place of the first 0 on the diagonal of its U.
    public static func solveEx(
        _ a: Tensor, _ b: Tensor, left: Bool = true, checkErrors: Bool = false
    ) -> (result: Tensor, info: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in
            let (x, info) = try LinearAlgebra.solveEx(a, b, left: left)
            if checkErrors { try LinearAlgebra.checkLU(info, of: a, op: "aten::linalg_solve_ex") }
            return (x, info)
        }
    }

    /// The inverse of square matrices.
    public static func inv(_ a: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.inverse(a, op: "aten::linalg_inv") }
    }

    /// `inv`, and for each matrix 0 or the place of the first 0 on the diagonal of its U.
    public static func invEx(_ a: Tensor, checkErrors: Bool = false) -> (inverse: Tensor, info: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in
            let op = "aten::linalg_inv_ex"
            let (x, info) = try LinearAlgebra.inverseEx(a, op: op)
            if checkErrors { try LinearAlgebra.checkLU(info, of: a, op: op) }
            return (x, info)
        }
    }
}

extension Tensor {
    /// The inverse of square matrices.
    public func inverse() -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.inverse(self, op: "aten::inverse") }
    }
}

// MARK: Declarations

extension Operators {
    private static let ofSolve = "it is made of aten::linalg_solve_ex, which can be"

    private static let systems: [(Shape, Shape, Bool)] = [
        ([4, 4], [4, 2], true), ([4, 4], [2, 4], false), ([3, 3], [3], true), ([2, 3, 3], [2, 3], true),
        ([2, 3, 3], [3, 2], true), ([3, 3], [2, 3, 2], true), ([1, 1], [1, 1], true), ([0, 0], [0, 2], true),
        ([0, 3, 3], [0, 3, 1], true),
    ]

    private static func systemSamples(_ g: inout SampleMaker, _ extra: [Value] = []) -> [Sample] {
        systems.map { a, b, left in
            Sample([.tensor(g.regular(a)), .tensor(g.tensor(b)), .scalar(.bool(left))] + extra)
        }
    }

    private static let squares: [Shape] = [[4, 4], [2, 3, 3], [1, 1], [0, 3, 3], [0, 0], [2, 0, 0]]

    /// A·A⁻¹ − 1, measured by |A|·|A⁻¹|.
    private static let inverseJudgement = FactorJudgement { values, results in
        guard let a = values[0].tensor else { return [] }
        let one = Tensor.eye(a.size(-1), dtype: a.dtype, device: a.device)
        return [Residual("A·A⁻¹ - 1", a.matmul(results[0]) - one, size: a.abs().matmul(results[0].abs()))]
    }

    private static let solveJudgement = FactorJudgement { values, results in
        guard let a = values[0].tensor, let b = values[1].tensor, case .scalar(.bool(let left)) = values[2] else {
            return []
        }
        let x = results[0]
        let isVectors = b.ndim == 1 || (b.ndim == a.ndim - 1 && b.shape == Shape(a.shape.dropLast()))
        let (x1, b1) = isVectors ? (x.unsqueeze(-1), b.unsqueeze(-1)) : (x, b)
        let (product, size) =
            left ? (a.matmul(x1), a.abs().matmul(x1.abs())) : (x1.matmul(a), x1.abs().matmul(a.abs()))
        return [Residual("A·X - B", product - b1, size: size + b1.abs())]
    }

    static let solves: [Operator] = [
        Operator(
            "linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)",
            dtypes: .factored, composition: ["aten::linalg_lu_factor_ex", "aten::linalg_lu_solve"],
            judgement: solveJudgement, samples: { g in systemSamples(&g, [false]) },
            call: { (a) throws(CressetError) in
                let (x, info) = linalg.solveEx(
                    try a.tensor("A"), try a.tensor("B"), left: try a.bool("left"),
                    checkErrors: try a.bool("check_errors"))
                return [.tensor(x), .tensor(info)]
            }),
        Operator(
            "linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor", dtypes: .factored,
            composition: ["aten::linalg_solve_ex"], notOverridable: ofSolve, judgement: solveJudgement,
            samples: { g in systemSamples(&g) },
            call: { (a) throws(CressetError) in
                [.tensor(linalg.solve(try a.tensor("A"), try a.tensor("B"), left: try a.bool("left")))]
            }),
        Operator(
            "linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)", dtypes: .factored,
            composition: ["aten::linalg_solve_ex"], notOverridable: ofSolve, judgement: inverseJudgement,
            samples: { g in squares.map { Sample([.tensor(g.regular($0)), false]) } },
            call: { (a) throws(CressetError) in
                let (x, info) = linalg.invEx(try a.tensor("A"), checkErrors: try a.bool("check_errors"))
                return [.tensor(x), .tensor(info)]
            }),
        Operator(
            "linalg_inv(Tensor A) -> Tensor", dtypes: .factored, composition: ["aten::linalg_solve_ex"],
            notOverridable: ofSolve, judgement: inverseJudgement,
            samples: { g in squares.map { Sample([.tensor(g.regular($0))]) } },
            call: { (a) throws(CressetError) in [.tensor(linalg.inv(try a.tensor("A")))] }),
        Operator(
            "inverse(Tensor self) -> Tensor", dtypes: .factored, composition: ["aten::linalg_solve_ex"],
            notOverridable: ofSolve, judgement: inverseJudgement,
            samples: { g in squares.map { Sample([.tensor(g.regular($0))]) } },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").inverse())] }),
    ]
}
