import BackendKit

/// The declarations that are not one-liners, and the list of all.
extension Operators {
    /// Every declared operation: the library's, then those that were declared outside of it.
    public static var all: [Operator] { builtIn + DeclaredOperator.all }

    /// The library's own.
    package static let builtIn: [Operator] = families.flatMap { $0 }

    /// The lists of the files beside this one.
    private static let families: [[Operator]] = [
        (Ops.unary + Ops.activations).map(\.declaration),
        Ops.parametricActivations,
        Ops.binary.flatMap(\.declarations),
        advancedIndexing,
        attention,
        batchNormalization,
        compaction,
        complexNumbers,
        conversions,
        convolutions,
        creations,
        ctc,
        diagonals,
        dropouts,
        differences,
        einsums,
        elementwise,
        embeddings,
        flatIndexing,
        fourier,
        fractionalPooling,
        gridSampling,
        histograms,
        indexedWrites,
        indexing,
        inspection,
        joinings,
        linearAlgebra,
        masking,
        matrices,
        normalization,
        ordering,
        padding,
        pooling,
        random,
        rearrangings,
        recurrent,
        reductions,
        reshapings,
        scaledProducts,
        scans,
        scatterReductions,
        searching,
        segments,
        selection,
        shortTime,
        slicings,
        softmaxGradients,
        softmaxes,
        sorting,
        splittings,
        statistics,
        stridedViews,
        tensorProducts,
        timeConvolution,
        transpositions,
        unfolding,
        uniqueness,
        unpooling,
        upsampling,
        vectorProducts,
        viewScatters,
        weightNormalization,
    ]

    /// Pointwise operations that are more than a line, each list in the file of its family.
    private static let elementwise: [Operator] =
        Division.operators + Ops.rounding + Ops.floatParts + Ops.extremes + Ops.predicates + Ops.logarithms
        + Ops.blending + Ops.piecewiseActivations + ElementLosses.operators + Distances.operators
        + ClassLosses.operators + Zeta.operators + Polynomial.operators
        + IncompleteGamma.operators

    private static func tensor(_ x: Tensor) -> [Value] { [.tensor(x)] }

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
                        Sample(
                            [.tensor(g.tensor([0, 5])), .tensor(g.tensor([0, 5])), .none, 1], checksGradient: false),
                        Sample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([2, 3])), .none, 1]),
                    ]
            },
            errors: { g in
                [
                    ErrorSample([.tensor(g.tensor([])), .tensor(g.indices([], below: 1))], "needs [classes]"),
                    ErrorSample(
                        [.tensor(g.tensor([2, 3])), .tensor(g.indices([2], below: 3)), .tensor(g.tensor([1]))],
                        "one weight for each of 3 classes"),
                    ErrorSample(
                        [.tensor(g.tensor([2, 3])), .tensor(g.indices([2], below: 3)), .none, 1, 1, 2.0],
                        "label_smoothing", "2.0"),
                ]
            },
            call: { (a) throws(CressetError) in
                tensor(
                    Losses.crossEntropy(
                        try a.tensor("self"), try a.tensor("target"), weight: try a.optionalTensor("weight"),
                        ignoreIndex: try a.int("ignore_index"), reduction: try a.reduction(),
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
                tensor(
                    Losses.mseLoss(try a.tensor("self"), try a.tensor("target"), reduction: try a.reduction()))
            }
        ).refusing { g in
            let x = Value.tensor(g.tensor([2, 3]))
            return [
                ErrorSample([x, .tensor(g.tensor([4]))], "broadcast", "[2, 3]", "[4]"),
                ErrorSample([x, x, 7], "reduction must be", "7"),
            ]
        },
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
            }
        ).refusing([([2, 3], [1, .dtype(.int64)], ["int64"])])
    }

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
            }
        ).refusing { g in
            let (mask, x) = (g.tensor([2, 3], dtype: .bool), g.tensor([2, 3]))
            return [
                ErrorSample(
                    [.tensor(g.tensor([4], dtype: .bool)), .tensor(x), .tensor(x)], "broadcast", "[4]", "[2, 3]"),
                ErrorSample([.tensor(mask), .tensor(x), .tensor(g.tensor([4]))], "broadcast", "[4]", "[2, 3]"),
                ErrorSample([.tensor(mask.to(.float32)), .tensor(x), .tensor(x)], "bool", "float32"),
            ]
        },
        Operator(
            "masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor", dtypes: .all,
            composition: ["pointwise"],
            samples: { g in
                let shapes: [Shape] = [[4, 5], [2, 3, 4], [], [0, 3]]
                return shapes.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor($0, dtype: .bool)), 1]) }
            },
            call: { (a) throws(CressetError) in
                tensor(try a.tensor("self").maskedFill(try a.tensor("mask"), try a.scalar("value")))
            }
        ).refusing { g in
            let x = g.tensor([2, 3])
            return [
                ErrorSample([.tensor(x), .tensor(g.tensor([4], dtype: .bool)), 1], "broadcast", "[4]", "[2, 3]"),
                ErrorSample([.tensor(x), .tensor(g.tensor([2, 3], dtype: .float32)), 1], "bool", "float32"),
                ErrorSample(
                    [.tensor(x), .tensor(g.tensor([2, 3], dtype: .bool)), "x"], "argument value must be a number"),
            ]
        },
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
            }
        ).refusing([([2], [.none, .none], ["at least one of min and max"])]),
        Operator(
            "triu(Tensor self, SymInt diagonal=0) -> Tensor", dtypes: .all, composition: ["pointwise"],
            samples: { g in
                [
                    Sample([.tensor(g.tensor([4, 5])), 0]), Sample([.tensor(g.tensor([2, 4, 3])), -1]),
                    Sample([.tensor(g.tensor([0, 3])), 0]),
                ]
            },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").triu(try a.int("diagonal"))) }
        ).refusing([([3], [0], ["at least 2 dims", "[3]"])]),
        Operator(
            "tril(Tensor self, SymInt diagonal=0) -> Tensor", dtypes: .all, composition: ["pointwise"],
            samples: { g in
                [
                    Sample([.tensor(g.tensor([4, 5])), 0]), Sample([.tensor(g.tensor([2, 4, 3])), 1]),
                    Sample([.tensor(g.tensor([3, 0])), 0]),
                ]
            },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").tril(try a.int("diagonal"))) }
        ).refusing([([3], [0], ["at least 2 dims", "[3]"])]),
    ]

    // MARK: Matrices

    static let matrices: [Operator] = [
        Operator(
            "matmul(Tensor self, Tensor other) -> Tensor", dtypes: .numeric,
            composition: ["matmul"],
            samples: { g in
                let pairs: [(Shape, Shape)] = [
                    ([4, 6], [6, 5]), ([6], [6]), ([3, 6], [6]), ([6], [6, 4]), ([2, 3, 4], [4, 5]),
                    ([2, 1, 3, 4], [3, 4, 2]), ([0, 4], [4, 3]), ([3, 0], [0, 2]),
                    ([17, 33], [33, 9]),
                ]
                return pairs.map { Sample([.tensor(g.tensor($0, -2, 2)), .tensor(g.tensor($1, -2, 2))]) }
            },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").matmul(try a.tensor("other"))) }
        ).refusing { g in
            wrongProducts(&g, [([2, 3], [4, 5]), ([3], [4]), ([2, 3, 4], [5, 4, 6]), ([], [3]), ([2, 3], [2])])
        },
        Operator(
            "mm(Tensor self, Tensor mat2) -> Tensor", dtypes: .numeric,
            composition: ["matmul"],
            samples: { g in
                [([5, 7], [7, 3]), ([0, 4], [4, 3]), ([3, 0], [0, 2])].map { (a: Shape, b: Shape) in
                    Sample([.tensor(g.tensor(a, -2, 2)), .tensor(g.tensor(b, -2, 2))])
                }
            },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").mm(try a.tensor("mat2"))) }
        ).refusing { g in wrongProducts(&g, [([2, 3], [4, 5]), ([3], [3, 2]), ([2, 3, 4], [4, 5])]) },
        Operator(
            "bmm(Tensor self, Tensor mat2) -> Tensor", dtypes: .numeric,
            composition: ["matmul"],
            samples: { g in
                [([3, 5, 4], [3, 4, 6]), ([0, 5, 4], [0, 4, 6])].map { (a: Shape, b: Shape) in
                    Sample([.tensor(g.tensor(a, -2, 2)), .tensor(g.tensor(b, -2, 2))])
                }
            },
            call: { (a) throws(CressetError) in tensor(try a.tensor("self").bmm(try a.tensor("mat2"))) }
        ).refusing { g in wrongProducts(&g, [([2, 3, 4], [5, 4, 6]), ([2, 3, 4], [2, 5, 6]), ([3, 4], [4, 5])]) },
    ]

    /// Shapes of which there is no product, and operands of two dtypes.
    private static func wrongProducts(_ g: inout SampleMaker, _ pairs: [(Shape, Shape)]) -> [ErrorSample] {
        let shapes = pairs.map {
            ErrorSample([.tensor(g.tensor($0)), .tensor(g.tensor($1))], "\($0)", "\($1)")
        }
        let right: (Shape, Shape) = pairs[0].0.count == 3 ? ([2, 2, 2], [2, 2, 2]) : ([2, 2], [2, 2])
        let other: DType = g.dtype == .float64 ? .float32 : .float64
        let (x, y) = (g.tensor(right.0), g.tensor(right.1, dtype: other))
        return shapes + [ErrorSample([.tensor(x), .tensor(y)], "one dtype", "\(g.dtype)", "\(other)")]
    }
}
