import BackendKit

/// The declarations that are not one-liners, and the list of all.
extension Operators {
    /// Every declared operation.
    public static let all: [Operator] = families.flatMap { $0 }

    /// The lists of the files beside this one.
    private static let families: [[Operator]] = [
        (Ops.unary + Ops.activations).map(\.declaration),
        Ops.parametricActivations,
        Ops.binary.flatMap(\.declarations),
        attention,
        batchNormalization,
        compaction,
        complexNumbers,
        conversions,
        convolutions,
        einsums,
        elementwise,
        fourier,
        indexing,
        linearAlgebra,
        matrices,
        normalization,
        padding,
        pooling,
        reductions,
        scaledProducts,
        scans,
        selection,
        shortTime,
        softmaxes,
        sorting,
        tensorProducts,
        unfolding,
        upsampling,
        vectorProducts,
        views,
    ]

    /// Pointwise operations that are more than a line, each list in the file of its family.
    private static let elementwise: [Operator] =
        Division.operators + Ops.rounding + Ops.floatParts + Ops.extremes + Ops.predicates + Ops.logarithms
        + Ops.blending + Ops.piecewiseActivations + ElementLosses.operators + Distances.operators
        + ClassLosses.operators + Zeta.operators + Polynomial.operators
        + IncompleteGamma.operators

    private static func tensor(_ x: Tensor) -> [Value] { [.tensor(x)] }

    // MARK: Reductions

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

    static let reductions: [Operator] = [
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
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").sum(dtype: try a.optionalDType("dtype"))) }),
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
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").mean(dtype: try a.optionalDType("dtype"))) }
        ),
        Operator(
            "prod(Tensor self, *, ScalarType? dtype=None) -> Tensor", dtypes: .all, composition: ["reduce"],
            samples: { g in [[3, 4], [], [0]].map { Sample([.tensor(g.tensor($0, 0.5, 2)), .none]) } },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").prod(dtype: try a.optionalDType("dtype"))) }
        ),
        Operator(
            "prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
            dtypes: .all, composition: ["reduce"],
            samples: { g in
                [([4, 5], 0), ([4, 5], 1), ([], 0), ([0, 3], 0)].map {
                    Sample([.tensor(g.tensor($0, 0.5, 2)), .scalar(Scalar($1)), false, .none])
                }
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

    // MARK: Softmax and losses

    static let softmaxes: [Operator] = [
        softmax("softmax.int") { $0.softmax(dim: $1, dtype: $2) },
        softmax("log_softmax.int") { $0.logSoftmax(dim: $1, dtype: $2) },
        Operator(
            "cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100, float label_smoothing=0.0) -> Tensor",
            dtypes: .floating, composition: ["reduce", "pointwise", "gather"],
            samples: { g in
                [0, 1, 2].map {
                    Sample([.tensor(g.tensor([6, 5])), .tensor(g.indices([6], below: 5)), .none, .scalar(Scalar($0))])
                }
                    + [
                        Sample([
                            .tensor(g.tensor([2, 4, 3])), .tensor(g.indices([2, 3], below: 4)),
                            .tensor(g.tensor([4], 0.5, 2)), 1, 1, 0.1,
                        ]),
                        Sample([.tensor(g.tensor([5])), .tensor(g.indices([], below: 5)), .none, 1]),
                        Sample([.tensor(g.tensor([0, 5])), .tensor(g.indices([0], below: 5)), .none, 2]),
                    ]
            },
            call: { (a) throws(CressetError) in
                let reductions: [LossReduction] = [.none, .mean, .sum]
                let index = try a.int("reduction")
                guard reductions.indices.contains(index) else {
                    throw CressetError(
                        .argument, op: "aten::cross_entropy_loss",
                        "reduction must be 0 (none), 1 (mean) or 2 (sum), got \(index)")
                }
                return tensor(
                    Losses.crossEntropy(
                        try a.tensor("self"), try a.tensor("target"), weight: try a.optionalTensor("weight"),
                        ignoreIndex: try a.int("ignore_index"), reduction: reductions[index],
                        labelSmoothing: try a.double("label_smoothing")))
            }),
        Operator(
            "mse_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", dtypes: .floating,
            composition: ["pointwise", "reduce"],
            samples: { g in
                [([4, 5], 0), ([4, 5], 1), ([4, 5], 2), ([], 1), ([0, 3], 2)].map { (shape: Shape, reduction: Int) in
                    Sample([.tensor(g.tensor(shape)), .tensor(g.tensor(shape)), .scalar(Scalar(reduction))])
                }
            },
            call: { (a) throws(CressetError) in
                let reductions: [LossReduction] = [.none, .mean, .sum]
                return tensor(
                    Losses.mseLoss(
                        try a.tensor("self"), try a.tensor("target"),
                        reduction: reductions[Swift.max(0, Swift.min(2, try a.int("reduction")))]))
            }),
    ]

    private static func softmax(_ name: String, _ body: @escaping @Sendable (Tensor, Int, DType?) -> Tensor) -> Operator
    {
        Operator(
            "\(name)(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", dtypes: .floating,
            composition: ["reduce", "pointwise"],
            samples: { g in
                [([4, 6], 1), ([4, 6], 0), ([3, 4, 5], 1), ([], 0), ([0, 3], 1)].map {
                    Sample([.tensor(g.tensor($0)), .scalar(Scalar($1)), .none])
                }
            },
            call: { (a) throws(CressetError) in
                tensor(body(try a.tensor("self"), try a.int("dim"), try a.optionalDType("dtype")))
            })
    }

    // MARK: Indexing

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

    // MARK: Selection

    static let selection: [Operator] = [
        Operator(
            "where.self(Tensor condition, Tensor self, Tensor other) -> Tensor", dtypes: .all,
            composition: ["pointwise"],
            samples: { g in
                [
                    Sample([
                        .tensor(g.tensor([4, 5], dtype: .bool)), .tensor(g.tensor([4, 5])), .tensor(g.tensor([5])),
                    ]),
                    Sample([
                        .tensor(g.tensor([3, 1], dtype: .bool)), .tensor(g.tensor([])), .tensor(g.tensor([3, 6])),
                    ]),
                    Sample([.tensor(g.tensor([], dtype: .bool)), .tensor(g.tensor([])), .tensor(g.tensor([]))]),
                    Sample([
                        .tensor(g.tensor([0, 4], dtype: .bool)), .tensor(g.tensor([4])), .tensor(g.tensor([0, 4])),
                    ]),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(Tensor.where(try a.tensor("condition"), try a.tensor("self"), try a.tensor("other")))
            }),
        Operator(
            "masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor", dtypes: .all,
            composition: ["pointwise"],
            samples: { g in
                let shapes: [Shape] = [[4, 5], [2, 3, 4], [], [0, 3]]
                return shapes.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor($0, dtype: .bool)), 1]) }
            },
            call: { (a) throws(CressetError) in
                tensor(try a.tensor("self").maskedFill(try a.tensor("mask"), try a.scalar("value")))
            }),
        Operator(
            "clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor", dtypes: .number,
            composition: ["pointwise"],
            samples: { g in
                [
                    Sample([.tensor(g.tensor([5, 6])), 1, 3]), Sample([.tensor(g.tensor([7])), 1, .none]),
                    Sample([.tensor(g.tensor([7])), .none, 2]), Sample([.tensor(g.tensor([])), 1, 3]),
                    Sample([.tensor(g.tensor([0, 3])), 1, 3]),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(try a.tensor("self").clamp(min: try a.optionalScalar("min"), max: try a.optionalScalar("max")))
            }),
        Operator(
            "cat(Tensor[] tensors, int dim=0) -> Tensor", dtypes: .all, composition: ["pointwise"],
            samples: { g in
                [
                    Sample([.tensors([g.tensor([2, 3]), g.tensor([4, 3])]), 0]),
                    Sample([.tensors([g.tensor([2, 3]), g.tensor([2, 0]), g.tensor([2, 2])]), 1]),
                ]
            },
            call: { (a) throws(CressetError) in tensor(Tensor.cat(try a.tensors("tensors"), dim: try a.int("dim"))) }),
        Operator(
            "stack(Tensor[] tensors, int dim=0) -> Tensor", dtypes: .all, composition: ["pointwise"],
            samples: { g in
                let shapes: [Shape] = [[2, 3], [], [0, 3]]
                return shapes.map { Sample([.tensors([g.tensor($0), g.tensor($0)]), 0]) }
                    + [Sample([.tensors([g.tensor([2, 3]), g.tensor([2, 3])]), 1])]
            },
            call: { (a) throws(CressetError) in tensor(Tensor.stack(try a.tensors("tensors"), dim: try a.int("dim"))) }),
        Operator(
            "triu(Tensor self, SymInt diagonal=0) -> Tensor", dtypes: .all, composition: ["pointwise"],
            samples: { g in
                [
                    Sample([.tensor(g.tensor([4, 5])), 0]), Sample([.tensor(g.tensor([2, 4, 3])), -1]),
                    Sample([.tensor(g.tensor([0, 3])), 0]),
                ]
            },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").triu(try a.int("diagonal"))) }),
        Operator(
            "tril(Tensor self, SymInt diagonal=0) -> Tensor", dtypes: .all, composition: ["pointwise"],
            samples: { g in
                [
                    Sample([.tensor(g.tensor([4, 5])), 0]), Sample([.tensor(g.tensor([2, 4, 3])), 1]),
                    Sample([.tensor(g.tensor([3, 0])), 0]),
                ]
            },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").tril(try a.int("diagonal"))) }),
    ]

    // MARK: Matrices

    static let matrices: [Operator] = [
        Operator(
            "matmul(Tensor self, Tensor other) -> Tensor", dtypes: Set<DType>.number.union(Set<DType>.complex),
            composition: ["matmul"],
            samples: { g in
                let pairs: [(Shape, Shape)] = [
                    ([4, 6], [6, 5]), ([6], [6]), ([3, 6], [6]), ([6], [6, 4]), ([2, 3, 4], [4, 5]),
                    ([2, 1, 3, 4], [3, 4, 2]), ([0, 4], [4, 3]), ([3, 0], [0, 2]),
                    ([17, 33], [33, 9]),
                ]
                return pairs.map { Sample([.tensor(g.tensor($0, -2, 2)), .tensor(g.tensor($1, -2, 2))]) }
            },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").matmul(try a.tensor("other"))) }),
        Operator(
            "mm(Tensor self, Tensor mat2) -> Tensor", dtypes: Set<DType>.number.union(Set<DType>.complex),
            composition: ["matmul"],
            samples: { g in
                [([5, 7], [7, 3]), ([0, 4], [4, 3]), ([3, 0], [0, 2])].map { (a: Shape, b: Shape) in
                    Sample([.tensor(g.tensor(a, -2, 2)), .tensor(g.tensor(b, -2, 2))])
                }
            },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").mm(try a.tensor("mat2"))) }),
        Operator(
            "bmm(Tensor self, Tensor mat2) -> Tensor", dtypes: Set<DType>.number.union(Set<DType>.complex),
            composition: ["matmul"],
            samples: { g in
                [([3, 5, 4], [3, 4, 6]), ([0, 5, 4], [0, 4, 6])].map { (a: Shape, b: Shape) in
                    Sample([.tensor(g.tensor(a, -2, 2)), .tensor(g.tensor(b, -2, 2))])
                }
            },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").bmm(try a.tensor("mat2"))) }),
    ]

    // MARK: Views and conversions

    /// - Parameters:
    ///   - arguments: for a tensor of shape [4, 3, 5].
    ///   - others: shapes of no elements and of no dims, with arguments for them.
    private static func view(
        _ schema: String, _ arguments: [[Value]], _ others: [(Shape, [Value])],
        _ body: @escaping @Sendable (Tensor, Arguments) throws(CressetError) -> Tensor
    ) -> Operator {
        Operator(
            schema, dtypes: .all, composition: [],
            samples: { g in
                arguments.map { Sample([.tensor(g.tensor([4, 3, 5]))] + $0) }
                    + others.map { shape, extra in Sample([.tensor(g.tensor(shape))] + extra) }
            },
            call: { (a) throws(CressetError) in tensor(try body(try a.tensor("self"), a)) })
    }

    static let views: [Operator] = [
        view(
            "transpose.int(Tensor self, int dim0, int dim1) -> Tensor", [[0, 1], [-1, 0]],
            [([0, 3], [0, 1]), ([], [0, 0])]
        ) { (x, a) throws(CressetError) in x.transpose(try a.int("dim0"), try a.int("dim1")) },
        view("permute(Tensor self, int[] dims) -> Tensor", [[[2, 0, 1]]], [([0, 3], [[1, 0]]), ([], [[]])]) {
            (x, a) throws(CressetError) in x.permute(try a.ints("dims"))
        },
        view(
            "reshape(Tensor self, SymInt[] shape) -> Tensor", [[[12, 5]], [[-1]]],
            [([0, 3], [[3, 0]]), ([], [[1, 1]])]
        ) { (x, a) throws(CressetError) in x.reshape(Shape(try a.ints("shape"))) },
        view(
            "expand(Tensor self, SymInt[] size, *, bool implicit=False) -> Tensor", [[[2, 4, 3, 5]]],
            [([0, 3], [[2, 0, 3]]), ([], [[3]])]
        ) { (x, a) throws(CressetError) in x.expand(Shape(try a.ints("size"))) },
        view("unsqueeze(Tensor self, int dim) -> Tensor", [[0], [-1]], [([0, 3], [1]), ([], [0])]) {
            (x, a) throws(CressetError) in x.unsqueeze(try a.int("dim"))
        },
        view("squeeze.dim(Tensor self, int dim) -> Tensor", [[1]], [([0, 1], [1]), ([], [0]), ([3, 1, 2], [1])]) {
            (x, a) throws(CressetError) in x.squeeze(try a.int("dim"))
        },
        view("select.int(Tensor self, int dim, SymInt index) -> Tensor", [[0, 2], [-1, -2]], [([0, 3], [1, 1])]) {
            (x, a) throws(CressetError) in x.select(try a.int("dim"), try a.int("index"))
        },
        view(
            "slice.Tensor(Tensor self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor",
            [[0, 1, 3, 1], [2, .none, .none, 2]], [([0, 3], [1, 1, 3, 1])]
        ) { (x, a) throws(CressetError) in
            x.slice(
                try a.int("dim"), from: try a.optionalInt("start") ?? 0, to: try a.optionalInt("end") ?? .max,
                step: try a.int("step"))
        },
        view(
            "flatten.using_ints(Tensor self, int start_dim=0, int end_dim=-1) -> Tensor", [[0, -1], [1, 2]],
            [([0, 3], [0, -1]), ([], [0, -1])]
        ) { (x, a) throws(CressetError) in x.flatten(try a.int("start_dim"), try a.int("end_dim")) },
    ]

    static let conversions: [Operator] = [
        Operator(
            "clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor", dtypes: .all,
            composition: ["pointwise"],
            samples: { g in [[4, 5], [], [0]].map { Sample([.tensor(g.tensor($0)), .none]) } },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").clone()) }),
        Operator(
            "to.dtype(Tensor self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor",
            dtypes: .all, composition: ["pointwise"],
            samples: { g in
                let source = g.dtype
                return DType.allCases
                    .filter { $0 != source }
                    .flatMap { target in
                        let shapes: [Shape] =
                            target == .int32 || target == .float32 ? [[6, 5], [], [0, 3]] : [[6, 5]]
                        return shapes.map {
                            Sample([
                                .tensor(g.tensor($0, target == .uint8 ? 0 : -100, 100)), .dtype(target), false, false,
                                .none,
                            ])
                        }
                    }
            },
            call: { (a) throws(CressetError) in
                let x = try a.tensor("self")
                return tensor(x.to(try a.optionalDType("dtype") ?? x.dtype))
            }),
    ]
}
