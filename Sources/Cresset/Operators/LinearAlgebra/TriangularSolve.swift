import BackendKit
import CLapack

/// Systems with a triangular matrix.
extension LinearAlgebra {
    private static let name = OperatorName("aten::linalg_solve_triangular")

    /// The shape of B when the batches of A and B are broadcast; an error where they do not match.
    static func broadcastBatches(_ a: Tensor, _ b: Tensor, left: Bool, op: String) throws(CressetError) -> (
        Shape, Shape
    ) {
        guard b.size(left ? -2 : -1) == a.size(-1) else {
            throw CressetError(
                .shape, op: op,
                "A has \(a.size(-1)) \(left ? "columns" : "rows") and B \(b.size(left ? -2 : -1)) "
                    + "\(left ? "rows" : "columns"): \(a.summary), \(b.summary)")
        }
        guard let batch = a.batchShape.broadcast(with: b.batchShape) else {
            throw CressetError(
                .shape, op: op,
                "batch sizes \(a.batchShape) and \(b.batchShape) do not broadcast: \(a.summary), \(b.summary)")
        }
        return (Shape(batch + a.shape.suffix(2)), Shape(batch + b.shape.suffix(2)))
    }

    /// X of A·X = B, or X·A = B unless `left`.
    static func solveTriangular(
        _ a: Tensor, _ b: Tensor, upper: Bool, left: Bool = true, unitriangular: Bool = false
    ) throws(CressetError) -> Tensor {
        let op = name.text
        try a.checkMatrices(op, square: true)
        try b.checkMatrices(op)
        try a.checkPartner(b, op)
        let (shapeA, shapeB) = try broadcastBatches(a, b, left: left, op: op)
        let result = try Override.resolve(
            name, on: a, a.dtype,
            [.tensor(a), .tensor(b), .scalar(.bool(upper)), .scalar(.bool(left)), .scalar(.bool(unitriangular))],
            types: [ResultType(shapeB, b.dtype)]
        ) { () throws(CressetError) in
            let type = try Lapack.type(of: a.dtype, op: op)
            let (m, n) = (try Lapack.int(b.size(-2), op: op), try Lapack.int(b.size(-1), op: op))
            let (matrices, solutions) = try noGrad { () throws(CressetError) in
                (
                    try HostMatrices(a.detach().expanded(shapeA, op: op), op: op),
                    try HostMatrices(b.detach().expanded(shapeB, op: op), op: op)
                )
            }
            try solutions.each(with: [matrices]) { (i) throws(CressetError) in
                clapack_trsm(
                    type, left, upper, CChar(UInt8(ascii: "N")), unitriangular, m, n, matrices[i], solutions[i])
            }
            return [try solutions.tensor(on: a.runtime, op: op)]
        }[0]
        let (wantsA, wantsB) = (a.isTracked, b.isTracked)
        return Tape.record(op, result, inputs: [a, b], saving: [a], savingResult: true) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil, nil] }
            // ∂B = A⁻ᴴ·∂X and ∂A = −∂B·Xᴴ (Giles 2008), of which A's triangle is there.
            let gB = try solveTriangular(
                saved[0].adjoint, g, upper: !upper, left: left, unitriangular: unitriangular)
            guard wantsA else { return [nil, gB] }
            let full = -(left ? gB.matmul(saved[1].adjoint) : saved[1].adjoint.matmul(gB))
            let gA = upper ? full.triu(unitriangular ? 1 : 0) : full.tril(unitriangular ? -1 : 0)
            return [gA, wantsB ? gB : nil]
        }
    }
}

extension linalg {
    /// X of A·X = B for triangular A; with `left` false of X·A = B.
    public static func solveTriangular(
        _ a: Tensor, _ b: Tensor, upper: Bool, left: Bool = true, unitriangular: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.solveTriangular(a, b, upper: upper, left: left, unitriangular: unitriangular)
        }
    }
}

extension Tensor {
    /// X of A·X = this (or Aᵀ·X with `transpose`) for triangular A, and a copy of A.
    public func triangularSolve(
        _ a: Tensor, upper: Bool = true, transpose: Bool = false, unitriangular: Bool = false
    ) -> (solution: Tensor, clonedCoefficient: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in
            try a.checkMatrices("aten::triangular_solve", square: true)
            let x = try LinearAlgebra.solveTriangular(
                transpose ? a.mT : a, self, upper: upper != transpose, unitriangular: unitriangular)
            return (x, a.clone())
        }
    }
}

// MARK: Declarations

extension Operators {
    static let triangularSolves: [Operator] = [
        Operator(
            "linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor",
            dtypes: .factored, composition: ["factor"], judgement: FactorJudgement(),
            samples: { g in
                let cases: [(Shape, Shape, upper: Bool, left: Bool, unit: Bool)] = [
                    ([4, 4], [4, 3], true, true, false), ([4, 4], [3, 4], false, false, false),
                    ([2, 3, 3], [3, 2], false, true, true), ([3, 3], [2, 2, 3], true, false, true),
                    ([1, 1], [1, 1], true, true, false), ([0, 0], [0, 3], true, true, false),
                    ([0, 3, 3], [0, 3, 2], false, true, false), ([2, 0, 0], [2, 0, 2], false, true, false),
                ]
                return cases.map { a, b, upper, left, unit in
                    Sample([
                        .tensor(g.triangular(a, upper: upper)), .tensor(g.tensor(b)), .scalar(.bool(upper)),
                        .scalar(.bool(left)), .scalar(.bool(unit)),
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        linalg.solveTriangular(
                            try a.tensor("self"), try a.tensor("B"), upper: try a.bool("upper"),
                            left: try a.bool("left"), unitriangular: try a.bool("unitriangular")))
                ]
            }),
        Operator(
            "triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)",
            dtypes: .factored, composition: ["aten::linalg_solve_triangular", "aten::clone"],
            notOverridable: "it is made of aten::linalg_solve_triangular, which can be", judgement: FactorJudgement(),
            samples: { g in
                let cases: [(Shape, Shape, upper: Bool, transpose: Bool)] = [
                    ([4, 3], [4, 4], true, false), ([4, 1], [2, 4, 4], false, true), ([0, 2], [0, 0], true, false),
                ]
                return cases.map { b, a, upper, transpose in
                    Sample([
                        .tensor(g.tensor(b)), .tensor(g.triangular(a, upper: upper)), .scalar(.bool(upper)),
                        .scalar(.bool(transpose)), false,
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                let (x, copy) = try a.tensor("self").triangularSolve(
                    try a.tensor("A"), upper: try a.bool("upper"), transpose: try a.bool("transpose"),
                    unitriangular: try a.bool("unitriangular"))
                return [.tensor(x), .tensor(copy)]
            }),
    ]
}
