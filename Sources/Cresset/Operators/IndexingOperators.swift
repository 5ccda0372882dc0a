import BackendKit

/// What is declared of `Indexing.swift`.
extension Operators {
    private static func tensor(_ x: Tensor) -> [Value] { [.tensor(x)] }

    static let indexing: [Operator] = [
        Operator(
            "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor", dtypes: .all,
            composition: ["gather"],
            samples: { g in
                [
                    Sample([.tensor(g.tensor([4, 5])), 0, .tensor(g.indices([3, 5], below: 4)), false]),
                    Sample([.tensor(g.tensor([4, 5])), -1, .tensor(g.indices([4, 7], below: 5)), false]),
                    Sample([.tensor(g.tensor([3, 4, 2])), 1, .tensor(g.indices([2, 6, 2], below: 4)), false]),
                    Sample([.tensor(g.tensor([])), 0, .tensor(g.indices([], below: 1)), false]),
                    Sample([.tensor(g.tensor([4, 5])), 0, .tensor(g.indices([0, 5], below: 4)), false]),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(try a.tensor("self").gather(try a.int("dim"), try a.tensor("index")))
            }),
        Operator(
            "scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", dtypes: .all,
            composition: ["scatter"],
            samples: { g in
                // Distinct indices: with duplicates the gradient of the losers is not defined.
                let index = Tensor([2, 0, 1, 3, 1, 2], shape: [2, 3], device: .reference)
                return [
                    Sample([.tensor(g.tensor([2, 4])), 1, .tensor(index), .tensor(g.tensor([2, 3]))]),
                    Sample(
                        [.tensor(g.tensor([5])), 0, .tensor(g.indices([9], below: 5)), .tensor(g.tensor([9]))],
                        checksGradient: false),
                    Sample([.tensor(g.tensor([])), 0, .tensor(g.indices([], below: 1)), .tensor(g.tensor([]))]),
                    Sample([
                        .tensor(g.tensor([4, 5])), 0, .tensor(g.indices([0, 5], below: 4)), .tensor(g.tensor([0, 5])),
                    ]),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(try a.tensor("self").scatter(try a.int("dim"), try a.tensor("index"), try a.tensor("src")))
            }),
        Operator(
            "scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", dtypes: .all,
            composition: ["scatter"],
            samples: { g in
                [
                    Sample([
                        .tensor(g.tensor([4, 5])), 0, .tensor(g.indices([6, 5], below: 4)), .tensor(g.tensor([6, 5])),
                    ]),
                    Sample([.tensor(g.tensor([3])), 0, .tensor(g.indices([12], below: 3)), .tensor(g.tensor([12]))]),
                    Sample([.tensor(g.tensor([])), 0, .tensor(g.indices([], below: 1)), .tensor(g.tensor([]))]),
                    Sample([
                        .tensor(g.tensor([4, 5])), 0, .tensor(g.indices([0, 5], below: 4)), .tensor(g.tensor([0, 5])),
                    ]),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(try a.tensor("self").scatterAdd(try a.int("dim"), try a.tensor("index"), try a.tensor("src")))
            }),
        Operator(
            "index_select(Tensor self, int dim, Tensor index) -> Tensor", dtypes: .all, composition: ["gather"],
            samples: { g in
                [
                    Sample([.tensor(g.tensor([6, 4])), 0, .tensor(g.indices([9], below: 6))]),
                    Sample([.tensor(g.tensor([6, 4])), 1, .tensor(g.indices([2], below: 4))]),
                    Sample([.tensor(g.tensor([])), 0, .tensor(g.indices([1], below: 1))]),
                    Sample([.tensor(g.tensor([6, 4])), 0, .tensor(g.indices([0], below: 6))]),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(try a.tensor("self").indexSelect(dim: try a.int("dim"), index: try a.tensor("index")))
            }),
    ]

    /// Operations that write slices by a 1-d index.
    static let indexedWrites: [Operator] = [
        .composed(
            "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
            of: ["aten::scatter_add"], samples: { g in sliceSamples(&g, [2]) + sliceSamples(&g, [1]) },
            call: { (a) throws(CressetError) in
                tensor(
                    try a.tensor("self").indexAdd(
                        try a.int("dim"), try a.tensor("index"), try a.tensor("source"), alpha: try a.scalar("alpha")))
            }),
        .composed(
            "index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor", of: ["aten::scatter.src"],
            samples: { g in
                // (Of duplicates one wins, and differences see no gradient of the others.)
                sliceSamples(&g, []).map { Sample($0.values, checksGradient: false) } + [
                    Sample([
                        .tensor(g.tensor([2, 4])), 1, .tensor(Tensor([2, 0, 3], device: .reference)),
                        .tensor(g.tensor([2, 3])),
                    ])
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(
                    try a.tensor("self").indexCopy(try a.int("dim"), try a.tensor("index"), try a.tensor("source")))
            }),
        .composed(
            "index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
            of: ["aten::scatter.src", "aten::where.self"],
            samples: { g in
                [
                    Sample([.tensor(g.tensor([4, 3])), 0, .tensor(g.indices([2], below: 4)), 1]),
                    Sample([.tensor(g.tensor([])), 0, .tensor(g.indices([1], below: 1)), 1]),
                    Sample([.tensor(g.tensor([4, 3])), -1, .tensor(g.indices([0], below: 3)), 1]),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(try a.tensor("self").indexFill(try a.int("dim"), try a.tensor("index"), try a.scalar("value")))
            }),
        .composed(
            "index_fill.int_Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
            of: ["aten::scatter.src", "aten::where.self"],
            samples: { g in
                [
                    Sample([
                        .tensor(g.tensor([4, 3])), 0, .tensor(Tensor([3, 1], device: .reference)),
                        .tensor(g.tensor([])),
                    ]),
                    Sample([.tensor(g.tensor([])), 0, .tensor(g.indices([1], below: 1)), .tensor(g.tensor([]))]),
                    Sample([.tensor(g.tensor([2, 3])), -1, .tensor(g.indices([0], below: 3)), .tensor(g.tensor([]))]),
                    // (The value is there once, however often its place is named.)
                    Sample([
                        .tensor(g.tensor([2, 3])), 1, .tensor(Tensor([2, 0, 2], device: .reference)),
                        .tensor(g.tensor([])),
                    ]),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(try a.tensor("self").indexFill(try a.int("dim"), try a.tensor("index"), try a.tensor("value")))
            }),
        .composed(
            "scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor", of: ["aten::scatter.src"],
            samples: { g in
                [
                    Sample([.tensor(g.tensor([4, 3])), 0, .tensor(g.indices([2, 3], below: 4)), 1]),
                    Sample([.tensor(g.tensor([])), 0, .tensor(g.indices([], below: 1)), 1]),
                    Sample([.tensor(g.tensor([2, 3])), 0, .tensor(g.indices([0, 3], below: 2)), 1]),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(try a.tensor("self").scatter(try a.int("dim"), try a.tensor("index"), try a.scalar("value")))
            }),
        .composed(
            "scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor",
            of: ["aten::scatter_add", "aten::scatter_reduce.two"],
            samples: { g in
                combinations(g.dtype).map { shape, index, reduce in
                    Sample([
                        .tensor(g.tensor(shape)), 0, .tensor(g.indices(index, below: shape.first ?? 1)),
                        .tensor(g.tensor(index)), .string(reduce),
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                tensor(
                    try combined(
                        try a.tensor("self"), try a.int("dim"), try a.tensor("index"), try a.tensor("src"),
                        try a.string("reduce"), op: a.op))
            }),
        .composed(
            "scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor",
            of: ["aten::scatter_add", "aten::scatter_reduce.two"],
            samples: { g in
                combinations(g.dtype).map { shape, index, reduce in
                    Sample([
                        .tensor(g.tensor(shape)), 0, .tensor(g.indices(index, below: shape.first ?? 1)), 2,
                        .string(reduce),
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                let (x, index) = (try a.tensor("self"), try a.tensor("index"))
                let source = Tensor.full(index.shape, try a.scalar("value"), dtype: x.dtype, device: x.device)
                return tensor(
                    try combined(x, try a.int("dim"), index, source, try a.string("reduce"), op: a.op))
            }),
    ]

    /// Shapes of a tensor and an index, and how what is there and what comes are combined.
    private static func combinations(_ dtype: DType) -> [(Shape, Shape, String)] {
        let other = dtype.isComplex ? "add" : "multiply"
        return [([4, 3], [5, 3], "add"), ([4, 3], [5, 3], other), ([], [], other), ([2, 3], [0, 3], "add")]
    }

    private static func combined(
        _ x: Tensor, _ dim: Int, _ index: Tensor, _ source: Tensor, _ reduce: String, op: String
    ) throws(CressetError) -> Tensor {
        switch reduce {
        case "add": return try Indexing.scatter(x, dim, index, source, .add, for: op)
        case "multiply": return try ScatterReductions.reduce(x, dim, index, source, .prod, includeSelf: true, op: op)
        default: throw CressetError(.argument, op: op, "reduce must be add or multiply, got \"\(reduce)\"")
        }
    }

    private static func sliceSamples(_ g: inout SampleMaker, _ extra: [Value]) -> [Sample] {
        let cases: [(Shape, Int, Int, Shape)] = [
            ([4, 3], 0, 6, [6, 3]), ([2, 3, 4], -2, 2, [2, 2, 4]), ([], 0, 1, []), ([4, 3], 1, 0, [4, 0]),
        ]
        return cases.map { shape, dim, count, source in
            let size = shape.isEmpty ? 1 : shape[dim < 0 ? dim + shape.count : dim]
            return Sample(
                [
                    .tensor(g.tensor(shape)), .scalar(Scalar(dim)), .tensor(g.indices([count], below: size)),
                    .tensor(g.tensor(source)),
                ] + extra)
        }
    }
}
