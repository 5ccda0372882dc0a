import BackendKit

/// What is declared of `Reductions.swift`.
extension Operators {
    /// Rows with one zero, with two, with three and with none.
    static func withZeros(_ g: inout SampleMaker) -> Tensor {
        let places: [Float] = [1, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1]
        let mask = Tensor(places, shape: [4, 4], device: .reference).to(g.dtype)
        return g.tensor([4, 4], 0.5, 2) * mask
    }

    private static func tensor(_ x: Tensor) -> [Value] { [.tensor(x)] }

    private static func dimSamples(_ g: inout SampleMaker, _ extra: [Value], low: Double = -4, high: Double = 4)
        -> [Sample]
    {
        let cases: [(Shape, [Int])] = [
            ([4, 5], [0]), ([4, 5], [1]), ([3, 4, 5], [0, 2]), ([3, 4, 5], [-2]), ([70], [0]),
        ]
        return cases.map { shape, dims in Sample([.tensor(g.tensor(shape, low, high)), .ints(dims), false] + extra) }
            + [
                Sample([.tensor(g.tensor([2, 3], low, high)), .ints([0, 1]), true] + extra),
                Sample([.tensor(g.tensor([0, 3])), .ints([0]), false] + extra),
                Sample([.tensor(g.tensor([])), .ints([]), false] + extra),
            ]
    }

    static let reductions: [Operator] =
        single + [
            Operator(
                "sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
                dtypes: .all, composition: ["reduce"], samples: { g in dimSamples(&g, [.none]) },
                call: { (a) throws(CressetError) in
                    tensor(
                        try a.tensor("self").sum(
                            dim: try a.optionalInts("dim"), keepdim: try a.bool("keepdim"),
                            dtype: try a.optionalDType("dtype")))
                }),
            Operator(
                "sum(Tensor self, *, ScalarType? dtype=None) -> Tensor", dtypes: .all, composition: ["reduce"],
                samples: { g in [[5, 7], [], [0], [400]].map { Sample([.tensor(g.tensor($0)), .none]) } },
                call: { (a) throws(CressetError) in
                    tensor(try a.tensor("self").sum(dtype: try a.optionalDType("dtype")))
                }),
            Operator(
                "mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
                dtypes: .continuous, composition: ["reduce"], samples: { g in dimSamples(&g, [.none]) },
                call: { (a) throws(CressetError) in
                    tensor(
                        try a.tensor("self").mean(
                            dim: try a.optionalInts("dim"), keepdim: try a.bool("keepdim"),
                            dtype: try a.optionalDType("dtype")))
                }),
            Operator(
                "mean(Tensor self, *, ScalarType? dtype=None) -> Tensor", dtypes: .continuous, composition: ["reduce"],
                samples: { g in [[5, 7], [], [300], [0]].map { Sample([.tensor(g.tensor($0)), .none]) } },
                call: { (a) throws(CressetError) in
                    tensor(try a.tensor("self").mean(dtype: try a.optionalDType("dtype")))
                }
            ),
            Operator(
                "prod(Tensor self, *, ScalarType? dtype=None) -> Tensor", dtypes: .all, composition: ["reduce"],
                samples: { g in
                    [[3, 4], [], [0]].map { Sample([.tensor(g.tensor($0, 0.5, 2)), .none]) }
                        + [Sample([.tensor(withZeros(&g)), .none])]
                },
                call: { (a) throws(CressetError) in
                    tensor(try a.tensor("self").prod(dtype: try a.optionalDType("dtype")))
                }
            ),
            Operator(
                "prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
                dtypes: .all, composition: ["reduce"],
                samples: { g in
                    [([4, 5], 0), ([4, 5], 1), ([], 0), ([0, 3], 0)].map {
                        Sample([.tensor(g.tensor($0, 0.5, 2)), .scalar(Scalar($1)), false, .none])
                    } + [Sample([.tensor(withZeros(&g)), 1, false, .none])]
                },
                call: { (a) throws(CressetError) in
                    tensor(
                        try a.tensor("self").prod(
                            dim: try a.int("dim"), keepdim: try a.bool("keepdim"), dtype: try a.optionalDType("dtype")))
                }),
            extremum("amax") { $0.amax(dim: $1, keepdim: $2) },
            extremum("amin") { $0.amin(dim: $1, keepdim: $2) },
            pair("max.dim") { $0.max(dim: $1, keepdim: $2) },
            pair("min.dim") { $0.min(dim: $1, keepdim: $2) },
            argument("argmax") { $0.argmax(dim: $1, keepdim: $2) },
            argument("argmin") { $0.argmin(dim: $1, keepdim: $2) },
            truth("any.dims") { $0.any(dim: $1, keepdim: $2) },
            truth("all.dims") { $0.all(dim: $1, keepdim: $2) },
            Operator(
                "var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
                dtypes: .continuous, composition: ["reduce"],
                samples: { g in
                    [[0], [1], [0, 1]].map { Sample([.tensor(g.tensor([6, 5])), .ints($0), 1, false]) } + [
                        Sample([.tensor(g.tensor([])), .ints([]), 0, false]),
                        Sample([.tensor(g.tensor([0, 3])), .ints([1]), 1, false]),
                        Sample([.tensor(g.tensor([0, 3])), .ints([0]), 1, true], checksGradient: false),
                    ]
                },
                call: { (a) throws(CressetError) in
                    let correction = try a.optionalScalar("correction")?.doubleValue ?? 1
                    return tensor(
                        try a.tensor("self").var(
                            dim: try a.optionalInts("dim"), correction: correction, keepdim: try a.bool("keepdim")))
                }),
            whole("max", ["aten::amax"]) { $0.max() },
            whole("min", ["aten::amin"]) { $0.min() },
            Operator(
                "logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", dtypes: .continuous,
                composition: ["reduce", "pointwise"],
                samples: { g in
                    [([4, 6], [0]), ([4, 6], [1]), ([], [0]), ([0, 3], [1])].map {
                        Sample([.tensor(g.tensor($0)), .ints($1), false])
                    }
                },
                call: { (a) throws(CressetError) in
                    tensor(try a.tensor("self").logsumexp(dim: try a.ints("dim"), keepdim: try a.bool("keepdim")))
                }),
        ]

    private static func extremum(_ name: String, _ body: @escaping @Sendable (Tensor, [Int], Bool) -> Tensor)
        -> Operator
    {
        Operator(
            "\(name)(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", dtypes: .real, composition: ["reduce"],
            samples: { g in
                let cases: [(Shape, [Int])] = [
                    ([4, 5], [0]), ([4, 5], [1]), ([3, 4, 5], [0, 2]), ([], []), ([90], [0]), ([0, 3], [1]),
                ]
                return cases.map { Sample([.tensor(g.distinct($0)), .ints($1), false]) }
            },
            call: { (a) throws(CressetError) in
                tensor(body(try a.tensor("self"), try a.ints("dim"), try a.bool("keepdim")))
            })
    }

    private static func pair(
        _ name: String, _ body: @escaping @Sendable (Tensor, Int, Bool) -> (values: Tensor, indices: Tensor)
    ) -> Operator {
        Operator(
            "\(name)(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", dtypes: .real,
            composition: ["reduce"],
            samples: { g in
                [([4, 5], 0), ([4, 5], -1), ([3, 4, 5], 1), ([], 0), ([0, 3], 1)].map {
                    Sample([.tensor(g.distinct($0)), .scalar(Scalar($1)), false])
                }
            },
            call: { (a) throws(CressetError) in
                let (values, indices) = body(try a.tensor("self"), try a.int("dim"), try a.bool("keepdim"))
                return [.tensor(values), .tensor(indices)]
            })
    }

    private static func argument(_ name: String, _ body: @escaping @Sendable (Tensor, Int?, Bool) -> Tensor) -> Operator
    {
        Operator(
            "\(name)(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", dtypes: .number,
            composition: ["reduce"],
            isDifferentiable: false,
            samples: { g in
                [
                    Sample([.tensor(g.distinct([4, 5])), .none, false]),
                    Sample([.tensor(g.distinct([4, 5])), 0, true]),
                    Sample([.tensor(g.distinct([3, 70])), 1, false]), Sample([.tensor(g.distinct([])), .none, false]),
                    Sample([.tensor(g.distinct([0, 3])), 1, false]),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(body(try a.tensor("self"), try a.optionalInt("dim"), try a.bool("keepdim")))
            })
    }

    private static func truth(_ name: String, _ body: @escaping @Sendable (Tensor, [Int]?, Bool) -> Tensor) -> Operator
    {
        Operator(
            "\(name)(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor", dtypes: .all,
            composition: ["reduce"],
            isDifferentiable: false,
            samples: { g in
                [
                    Sample([.tensor(g.tensor([4, 5], 0, 2)), .none, false]),
                    Sample([.tensor(g.tensor([4, 5], 0, 2)), [1], false]),
                    Sample([.tensor(g.tensor([0, 3])), [0], true]),
                    Sample([.tensor(g.tensor([], 0, 2)), .none, false]),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(body(try a.tensor("self"), try a.optionalInts("dim"), try a.bool("keepdim")))
            })
    }

    private static let single: [Operator] =
        truths("any", { $0.any() }, { $0.any(dim: $1, keepdim: $2) })
        + truths("all", { $0.all() }, { $0.all(dim: $1, keepdim: $2) })

    /// The overloads of any and all without dims and with one.
    private static func truths(
        _ name: String, _ whole: @escaping @Sendable (Tensor) -> Tensor,
        _ along: @escaping @Sendable (Tensor, Int, Bool) -> Tensor
    ) -> [Operator] {
        [
            .composed(
                "\(name)(Tensor self) -> Tensor", .real, of: ["aten::\(name).dims"], isDifferentiable: false,
                samples: { $0.samples([([4, 3], []), ([], []), ([0], [])]) },
                call: { (a) throws(CressetError) in tensor(whole(try a.tensor("self"))) }),
            .composed(
                "\(name).dim(Tensor self, int dim, bool keepdim=False) -> Tensor", .real, of: ["aten::\(name).dims"],
                isDifferentiable: false,
                samples: {
                    $0.samples([
                        ([4, 3], [0, true]), ([2, 3, 2], [-2, false]), ([], [0, false]), ([0, 3], [0, false]),
                    ])
                },
                call: { (a) throws(CressetError) in
                    tensor(along(try a.tensor("self"), try a.int("dim"), try a.bool("keepdim")))
                }),
        ]
    }

    private static func whole(
        _ name: String, _ parts: [String], _ body: @escaping @Sendable (Tensor) -> Tensor
    ) -> Operator {
        .composed(
            "\(name)(Tensor self) -> Tensor", .real, of: parts,
            samples: { g in
                let shapes: [Shape] = [[4, 3], [], [40]]
                return shapes.map { Sample([.tensor(g.distinct($0))]) }
            },
            call: { (a) throws(CressetError) in tensor(body(try a.tensor("self"))) })
    }
}
