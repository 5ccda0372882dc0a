import BackendKit

/// Declarations of MatrixNorm.swift.
extension Operators {
    private static let norms = ["factor", "reduce", "pointwise"]
    private static let ofSVD = "it is made of aten::linalg_svdvals and aten::linalg_vector_norm, which can be"

    private static func order(_ scalar: Scalar?) -> MatrixNorm? { scalar.map { .order($0.doubleValue) } }

    /// The norms that need no factorisation are there for narrow floats too.
    private static func orders(_ g: SampleMaker) -> [Double] {
        Set<DType>.factored.contains(g.dtype) ? [1, -1, 2, -2, .infinity, -.infinity] : [1, -1, .infinity, -.infinity]
    }

    static let matrixNorms: [Operator] =
        [
            Operator(
                "linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
                dtypes: .continuous, composition: norms, notOverridable: ofSVD, judgement: FactorJudgement(),
                samples: { g in
                    orders(g).map {
                        Sample([.tensor(g.tensor([2, 4, 3])), .scalar(.double($0)), .ints([-2, -1]), false, .none])
                    } + [
                        Sample([.tensor(g.tensor([3, 2, 4])), 1, .ints([2, 0]), true, .none]),
                        Sample([.tensor(g.tensor([0, 4, 3])), 1, .ints([-2, -1]), false, .none]),
                    ]
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensor(
                            try LinearAlgebra.matrixNorm(
                                try a.tensor("self"), .order(try a.double("ord")), dims: try a.ints("dim"),
                                keepdim: try a.bool("keepdim"), dtype: try a.optionalDType("dtype"),
                                op: "aten::linalg_matrix_norm"))
                    ]
                }),
            Operator(
                "linalg_matrix_norm.str_ord(Tensor self, str ord=\"fro\", int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
                dtypes: .continuous, composition: norms, notOverridable: ofSVD, judgement: FactorJudgement(),
                samples: { g in
                    let names: [Value] = Set<DType>.factored.contains(g.dtype) ? ["fro", "nuc"] : ["fro"]
                    return names.map { Sample([.tensor(g.tensor([2, 4, 3])), $0, .ints([-2, -1]), true, .none]) }
                        + [Sample([.tensor(g.tensor([0, 4, 3])), "fro", .ints([-2, -1]), true, .none])]
                },
                call: { (a) throws(CressetError) in
                    let op = "aten::linalg_matrix_norm.str_ord"
                    return [
                        .tensor(
                            try LinearAlgebra.matrixNorm(
                                try a.tensor("self"), try MatrixNorm(name: try a.string("ord"), op: op),
                                dims: try a.ints("dim"), keepdim: try a.bool("keepdim"),
                                dtype: try a.optionalDType("dtype"), op: op))
                    ]
                }),
            Operator(
                "linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
                dtypes: .continuous, composition: norms, notOverridable: ofSVD, judgement: FactorJudgement(),
                samples: { g in
                    [
                        Sample([.tensor(g.tensor([4, 3])), .none, .none, false, .none]),
                        Sample([.tensor(g.tensor([4, 3])), 1, .none, true, .none]),
                        Sample([.tensor(g.tensor([2, 4, 3])), 3, .ints([1]), false, .none]),
                        Sample([.tensor(g.tensor([2, 4, 3])), .none, .none, false, .none]),
                        Sample([.tensor(g.tensor([])), .none, .none, false, .none]),
                        Sample([.tensor(g.tensor([0, 3])), .none, .none, false, .none]),
                    ]
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensor(
                            linalg.norm(
                                try a.tensor("self"), ord: order(try a.optionalScalar("ord")),
                                dim: try a.optionalInts("dim"),
                                keepdim: try a.bool("keepdim"), dtype: try a.optionalDType("dtype")))
                    ]
                }),
            Operator(
                "linalg_norm.ord_str(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
                dtypes: .continuous, composition: norms, notOverridable: ofSVD, judgement: FactorJudgement(),
                samples: { g in
                    let names: [Value] = Set<DType>.factored.contains(g.dtype) ? ["fro", "nuc"] : ["fro"]
                    return names.map { Sample([.tensor(g.tensor([4, 3])), $0, .none, false, .none]) }
                        + [Sample([.tensor(g.tensor([0, 3])), "fro", .none, false, .none])]
                },
                call: { (a) throws(CressetError) in
                    let order = try MatrixNorm(name: try a.string("ord"), op: "aten::linalg_norm.ord_str")
                    return [
                        .tensor(
                            linalg.norm(
                                try a.tensor("self"), ord: order, dim: try a.optionalInts("dim"),
                                keepdim: try a.bool("keepdim"), dtype: try a.optionalDType("dtype")))
                    ]
                }),
            nuclear("nuclear_norm(Tensor self, bool keepdim=False) -> Tensor", [.scalar(true)]),
            nuclear("nuclear_norm.dim(Tensor self, int[2] dim, bool keepdim=False) -> Tensor", [.ints([1, 0]), true]),
            cond(
                "linalg_cond(Tensor self, Scalar? p=None) -> Tensor",
                [.none, 2, -2, 1, -1, .scalar(.double(.infinity))]),
            cond("linalg_cond.p_str(Tensor self, str p) -> Tensor", ["fro", "nuc"]),
        ] + ranks

    private static func nuclear(_ schema: String, _ extra: [Value]) -> Operator {
        Operator(
            schema, dtypes: .factored, composition: ["aten::linalg_svdvals", "reduce"], notOverridable: ofSVD,
            judgement: FactorJudgement(),
            samples: { g in [[4, 3], [0, 3]].map { Sample([.tensor(g.tensor($0))] + extra) } },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        linalg.matrixNorm(
                            try a.tensor("self"), ord: .nuclear, dim: extra.count == 2 ? try a.ints("dim") : [-2, -1],
                            keepdim: try a.bool("keepdim")))
                ]
            })
    }

    private static func cond(_ schema: String, _ orders: [Value]) -> Operator {
        Operator(
            schema, dtypes: .factored, composition: norms, notOverridable: ofSVD, judgement: FactorJudgement(),
            samples: { g in
                orders.map { Sample([.tensor(g.regular([2, 3, 3])), $0]) } + [
                    Sample([.tensor(g.regular([0, 0])), orders[0]])
                ]
            },
            call: { (a) throws(CressetError) in
                let order: MatrixNorm? =
                    if case .string(let name) = a.values[1] {
                        try MatrixNorm(name: name, op: "aten::linalg_cond.p_str")
                    } else {
                        Self.order(try a.optionalScalar("p"))
                    }
                return [.tensor(linalg.cond(try a.tensor("self"), p: order))]
            })
    }

    private static func rank(
        _ schema: String, _ extra: @escaping @Sendable (_ matrices: Tensor) -> [Value],
        _ tolerances: @escaping @Sendable (Tensor, Arguments) throws(CressetError) -> (atol: Tensor?, rtol: Tensor?)
    ) -> Operator {
        Operator(
            schema, dtypes: .factored, composition: norms, isDifferentiable: false, notOverridable: ofSVD,
            judgement: FactorJudgement(),
            samples: { g in
                let matrices = [
                    (g.singular([4, 4], rank: 2), false), (g.singular([2, 3, 5], rank: 1), false),
                    (g.symmetric([2, 3, 3]), true), (g.regular([0, 3]), false),
                ]
                return matrices.map { x, hermitian in
                    Sample([.tensor(x)] + extra(x) + [.scalar(.bool(hermitian))])
                }
            },
            call: { (a) throws(CressetError) in
                let x = try a.tensor(a.schema.arguments[0].name)
                let (atol, rtol) = try tolerances(x, a)
                return [
                    .tensor(
                        try LinearAlgebra.matrixRank(x, atol: atol, rtol: rtol, hermitian: try a.bool("hermitian")))
                ]
            })
    }

    private static let ranks: [Operator] = [
        rank(
            "linalg_matrix_rank(Tensor self, float tol, bool hermitian=False) -> Tensor", { _ in [1e-3] }
        ) { (x, a) throws(CressetError) in (x.number(try a.double("tol")), x.number(0)) },
        rank(
            "linalg_matrix_rank.tol_tensor(Tensor input, Tensor tol, bool hermitian=False) -> Tensor",
            { x in [.tensor(.full(x.batchShape, 1e-3, dtype: x.dtype.toReal, device: .reference))] }
        ) { (x, a) throws(CressetError) in (try a.tensor("tol"), x.number(0)) },
        rank(
            "linalg_matrix_rank.atol_rtol_tensor(Tensor input, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> Tensor",
            { x in [.none, .tensor(.full(x.batchShape, 1e-3, dtype: x.dtype.toReal, device: .reference))] }
        ) { (_, a) throws(CressetError) in (try a.optionalTensor("atol"), try a.optionalTensor("rtol")) },
        rank(
            "linalg_matrix_rank.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor",
            { _ in [1e-3, 1e-3] }
        ) { (x, a) throws(CressetError) in
            (
                x.number(try a.optionalScalar("atol")?.doubleValue), x.number(try a.optionalScalar("rtol")?.doubleValue)
            )
        },
    ]
}
