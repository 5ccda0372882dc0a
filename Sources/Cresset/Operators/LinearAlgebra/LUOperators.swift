import BackendKit

/// Declarations of LU.swift.
extension Operators {
    private static let ofLU = "it is made of aten::linalg_lu_factor_ex, which can be"

    private static let luShapes: [Shape] = [
        [4, 4], [2, 3, 3], [5, 3], [3, 5], [1, 1], [0, 3, 3], [0, 0], [2, 0, 3],
    ]

    private static func factored(_ g: inout SampleMaker, _ shape: Shape) -> (Tensor, Tensor) {
        linalg.luFactor(g.regular(shape))
    }

    /// A − P·L·U of packed factors.
    private static let packed = FactorJudgement { values, results in
        guard let a = values[0].tensor, results.count >= 2 else { return [] }
        let (p, l, u) = Tensor.luUnpack(results[0], results[1])
        return [Residual("A - P·L·U", a - p.matmul(l).matmul(u), size: a)]
    }

    static let lu: [Operator] = [
        Operator(
            "linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, Tensor info)",
            dtypes: .factored, composition: ["factor"], judgement: packed,
            samples: { g in luShapes.map { Sample([.tensor(g.regular($0)), true, false]) } },
            call: { (a) throws(CressetError) in
                let (lu, pivots, info) = linalg.luFactorEx(
                    try a.tensor("A"), pivot: try a.bool("pivot"), checkErrors: try a.bool("check_errors"))
                return [.tensor(lu), .tensor(pivots), .tensor(info)]
            }),
        Operator(
            "linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)", dtypes: .factored,
            composition: ["aten::linalg_lu_factor_ex"], notOverridable: ofLU, judgement: packed,
            samples: { g in luShapes.map { Sample([.tensor(g.regular($0)), true]) } },
            call: { (a) throws(CressetError) in
                let (lu, pivots) = linalg.luFactor(try a.tensor("A"), pivot: try a.bool("pivot"))
                return [.tensor(lu), .tensor(pivots)]
            }),
        Operator(
            "linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)", dtypes: .factored,
            composition: ["aten::linalg_lu_factor_ex", "aten::lu_unpack"], notOverridable: ofLU,
            judgement: FactorJudgement(constant: [0]) { values, results in
                guard let a = values[0].tensor else { return [] }
                return [
                    Residual("A - P·L·U", a - results[0].matmul(results[1]).matmul(results[2]), size: a),
                    Residual("L above its diagonal", results[1].triu(1)),
                    Residual("U below its diagonal", results[2].tril(-1)),
                ]
            },
            samples: { g in luShapes.map { Sample([.tensor(g.regular($0)), true]) } },
            call: { (a) throws(CressetError) in
                let (p, l, u) = linalg.lu(try a.tensor("A"), pivot: try a.bool("pivot"))
                return [.tensor(p), .tensor(l), .tensor(u)]
            }),
        Operator(
            "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True) -> (Tensor P, Tensor L, Tensor U)",
            dtypes: .factored, composition: ["pointwise", "factor"],
            notOverridable: "it rearranges what aten::linalg_lu_factor_ex gives, which can be",
            judgement: FactorJudgement(constant: [0]),
            samples: { g in
                luShapes.map { shape in
                    let (lu, pivots) = factored(&g, shape)
                    return Sample([.tensor(lu), .tensor(pivots), true, true])
                }
            },
            call: { (a) throws(CressetError) in
                let (p, l, u) = Tensor.luUnpack(
                    try a.tensor("LU_data"), try a.tensor("LU_pivots"), unpackData: try a.bool("unpack_data"),
                    unpackPivots: try a.bool("unpack_pivots"))
                return [.tensor(p), .tensor(l), .tensor(u)]
            }),
        Operator(
            "linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor",
            dtypes: .factored, composition: ["factor"], judgement: FactorJudgement(),
            samples: { g in
                let cases: [(Shape, Shape, left: Bool, adjoint: Bool)] = [
                    ([4, 4], [4, 2], true, false), ([4, 4], [2, 4], false, false), ([2, 3, 3], [2, 3, 1], true, true),
                    ([3, 3], [2, 2, 3], false, true), ([0, 0], [0, 2], true, false),
                    ([0, 3, 3], [0, 3, 1], true, false),
                ]
                return cases.map { shape, b, left, adjoint in
                    let (lu, pivots) = factored(&g, shape)
                    return Sample([
                        .tensor(lu), .tensor(pivots), .tensor(g.tensor(b)), .scalar(.bool(left)),
                        .scalar(.bool(adjoint)),
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        linalg.luSolve(
                            try a.tensor("LU"), try a.tensor("pivots"), try a.tensor("B"), left: try a.bool("left"),
                            adjoint: try a.bool("adjoint")))
                ]
            }),
        Operator(
            "lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots) -> Tensor", dtypes: .factored,
            composition: ["aten::linalg_lu_solve"], notOverridable: "it is aten::linalg_lu_solve, which can be",
            judgement: FactorJudgement(),
            samples: { g in
                [([4, 4], [4, 2]), ([2, 3, 3], [2, 3, 1]), ([0, 0], [0, 2])].map { (shape: Shape, b: Shape) in
                    let (lu, pivots) = factored(&g, shape)
                    return Sample([.tensor(g.tensor(b)), .tensor(lu), .tensor(pivots)])
                }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").luSolve(try a.tensor("LU_data"), try a.tensor("LU_pivots")))]
            }),
    ]
}
