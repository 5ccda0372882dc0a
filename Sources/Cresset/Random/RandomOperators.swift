import BackendKit

/// The declarations of what draws random numbers.
///
/// The argument `generator` is a `RandomStream`; none stands for the default stream. What in-place operations
/// write is what the operations of the same names here give.
enum RandomOperators {
    private static let why = "it draws random numbers, whose bits are the same on every device"
    private static let options =
        "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None"
    private static let wide: [Shape] = [[5, 7], [], [0, 3]]

    /// Numbers of a tensor's shape: `cases` are the arguments between it and the generator.
    private static func fill(
        _ schema: String, _ dtypes: Set<DType>, _ cases: [[Value]], wrong: [([Value], [String])] = [],
        _ body: @escaping @Sendable (Tensor, Arguments, RandomStream) throws(CressetError) -> Tensor
    ) -> Operator {
        Operator(
            "\(schema.dropLast()), *, Generator? generator=None) -> Tensor", dtypes: dtypes,
            composition: ["pointwise"], isDifferentiable: false, notOverridable: why,
            samples: { g in
                let dtype = g.dtype
                let limit = dtype.isFloatingPoint ? 1.0 : 0
                return cases.flatMap { rest in
                    wide.map { Sample([.tensor(g.tensor($0, 0, Swift.max(limit, 1)))] + rest) }
                }
            },
            errors: { g in
                let x = Value.tensor(g.tensor([2, 3]))
                let dtype = [DType.complex64, .int64].first { !dtypes.contains($0) }
                return wrong.map { ErrorSample([x] + $0, words: $1) }
                    + [dtype].compactMap { dtype in
                        dtype.map { ErrorSample([.tensor(g.tensor([2], dtype: $0))] + cases[0], "draws", $0.name) }
                    }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try body(try a.tensor("self").detach(), a, try a.stream()))]
            })
    }

    /// A tensor of the same kind that a method fills.
    private static func filled(_ x: Tensor, _ a: Arguments, _ fill: (Tensor) throws(CressetError) -> Tensor)
        throws(CressetError) -> Tensor
    {
        try x.checkValid(a.op)
        return try fill(try .empty(x.shape, x.dtype, on: x.runtime, op: a.op))
    }

    private static let fills: [Operator] = [
        fill("bernoulli(Tensor self)", .floating, [[]]) { (x, _, stream) throws(CressetError) in
            x.bernoulli(stream: stream)
        },
        fill(
            "bernoulli.p(Tensor self, float p)", .real, [[0.3], [0.0], [1.0]],
            wrong: [([1.5], ["p must be in 0 ... 1", "1.5"])]
        ) { (x, a, stream) throws(CressetError) in x.bernoulli(try a.double("p"), stream: stream) },
        Operator(
            "bernoulli.Tensor(Tensor self, Tensor p, *, Generator? generator=None) -> Tensor", dtypes: .real,
            composition: ["pointwise"], isDifferentiable: false, notOverridable: why,
            samples: { g in
                [([5, 7], [5, 7]), ([3, 4], [4]), ([], []), ([0, 3], [3])].map { (shape: Shape, p: Shape) in
                    Sample([.tensor(g.tensor(shape)), .tensor(g.tensor(p, 0, 1, dtype: .float32))])
                }
            },
            errors: { g in
                [
                    ErrorSample(
                        [.tensor(g.tensor([2])), .tensor(g.tensor([2], dtype: .int64))], "draws floating-point", "int64"
                    ),
                    ErrorSample(
                        [.tensor(g.tensor([2])), .tensor(g.tensor([3], 0, 1, dtype: .float32))], "broadcast", "[3]"),
                ]
            },
            call: { (a) throws(CressetError) in
                let (x, p, stream) = (try a.tensor("self"), try a.tensor("p"), try a.stream())
                return [.tensor(try filled(x, a) { (y) throws(CressetError) in y.bernoulli_(p, stream: stream) })]
            }),
        fill(
            "uniform(Tensor self, float from=0., float to=1.)", .continuous, [[], [-0.3, 1.7]],
            wrong: [([2.0, 1.0], ["must not be above"])]
        ) {
            (x, a, stream) throws(CressetError) in
            let (from, to) = (try a.double("from"), try a.double("to"))
            return try filled(x, a) { $0.uniform_(from, to, stream: stream) }
        },
        fill(
            "normal_functional(Tensor self, float mean=0., float std=1.)", .continuous, [[], [2.0, 0.5]],
            wrong: [([0.0, -1.0], ["std must not be below 0"])]
        ) {
            (x, a, stream) throws(CressetError) in
            let (mean, std) = (try a.double("mean"), try a.double("std"))
            return try filled(x, a) { $0.normal_(mean, std, stream: stream) }
        },
        fill(
            "exponential(Tensor self, float lambd=1.)", .floating, [[], [2.5]],
            wrong: [([0.0], ["lambd must be above 0"])]
        ) {
            (x, a, stream) throws(CressetError) in
            let lambd = try a.double("lambd")
            return try filled(x, a) { $0.exponential_(lambd, stream: stream) }
        },
        fill(
            "cauchy(Tensor self, float median=0., float sigma=1.)", .floating, [[], [1.0, 0.5]],
            wrong: [([0.0, 0.0], ["sigma must be above 0"])]
        ) {
            (x, a, stream) throws(CressetError) in
            let (median, sigma) = (try a.double("median"), try a.double("sigma"))
            return try filled(x, a) { $0.cauchy_(median, sigma, stream: stream) }
        },
        fill(
            "log_normal(Tensor self, float mean=1., float std=2.)", .floating, [[0.0, 0.5]],
            wrong: [([0.0, 0.0], ["std must be above 0"])]
        ) {
            (x, a, stream) throws(CressetError) in
            let (mean, std) = (try a.double("mean"), try a.double("std"))
            return try filled(x, a) { $0.logNormal_(mean, std, stream: stream) }
        },
        fill("geometric(Tensor self, float p)", .number, [[0.4]], wrong: [([1.0], ["p must be inside (0, 1)"])]) {
            (x, a, stream) throws(CressetError) in
            let p = try a.double("p")
            return try filled(x, a) { $0.geometric_(p, stream: stream) }
        },
        fill("random(Tensor self)", .real, [[]]) { (x, a, stream) throws(CressetError) in
            try filled(x, a) { $0.random_(stream: stream) }
        },
        fill("random.to(Tensor self, int to)", .number, [[7], [100]], wrong: [([0], ["must be below to"])]) {
            (x, a, stream) throws(CressetError) in
            let to = try a.int("to")
            return try filled(x, a) { $0.random_(0, to, stream: stream) }
        },
        fill(
            "random.from(Tensor self, int from, int? to)", .number, [[3, 9], [5, .none]],
            wrong: [([3, 3], ["must be below to"])]
        ) { (x, a, stream) throws(CressetError) in
            let (from, to) = (try a.int("from"), try a.optionalInt("to"))
            return try filled(x, a) { $0.random_(from, to, stream: stream) }
        },
    ]

    // MARK: Normal numbers of tensors

    private static let normals: [Operator] = [
        Operator(
            "normal.Tensor_float(Tensor mean, float std=1., *, Generator? generator=None) -> Tensor",
            dtypes: .floating, composition: ["pointwise"], isDifferentiable: false, notOverridable: why,
            samples: { g in wide.map { Sample([.tensor(g.tensor($0)), 0.5]) } },
            errors: { g in
                [
                    ErrorSample([.tensor(g.tensor([2])), -1.0], "std must not be below 0"),
                    ErrorSample([.tensor(g.tensor([2], dtype: .int64)), 1.0], "draws floating-point", "int64"),
                ]
            },
            call: { (a) throws(CressetError) in
                [.tensor(.normal(try a.tensor("mean"), try a.double("std"), stream: try a.stream()))]
            }),
        Operator(
            "normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None) -> Tensor",
            dtypes: .floating, composition: ["pointwise"], isDifferentiable: false, notOverridable: why,
            samples: { g in wide.map { Sample([0.5, .tensor(g.tensor($0, 0, 2))], takesOtherValues: false) } },
            errors: { g in [ErrorSample([0.5, .tensor(g.tensor([2], -2, -1))], "std must not be below 0")] },
            call: { (a) throws(CressetError) in
                [.tensor(.normal(try a.double("mean"), try a.tensor("std"), stream: try a.stream()))]
            }),
        Operator(
            "normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor",
            dtypes: .floating, composition: ["pointwise"], isDifferentiable: false, notOverridable: why,
            samples: { g in
                [([5, 7], [5, 7]), ([3, 1], [4]), ([], []), ([0, 3], [3])].map { (mean: Shape, std: Shape) in
                    Sample([.tensor(g.tensor(mean)), .tensor(g.tensor(std, 0, 2))], keeping: ["std"])
                }
            },
            errors: { g in
                [
                    ErrorSample([.tensor(g.tensor([2])), .tensor(g.tensor([3]))], "do not broadcast"),
                    ErrorSample([.tensor(g.tensor([2])), .tensor(g.tensor([2], -2, -1))], "std must not be below 0"),
                ]
            },
            call: { (a) throws(CressetError) in
                [.tensor(.normal(try a.tensor("mean"), try a.tensor("std"), stream: try a.stream()))]
            }),
        creation(
            "normal.float_float(float mean, float std, SymInt[] size, *, Generator? generator=None",
            .floating, [[1.0, 2.0, [2, 3], .none], [0.0, 1.0, .ints([]), .none]],
            wrong: ([0.0, -1.0, [2, 3]], "std must not be below 0")
        ) { (a) throws(CressetError) in
            .normal(
                try a.double("mean"), try a.double("std"), size: try size(a), dtype: try dtype(a) ?? .float32,
                device: try device(a), stream: try a.stream())
        },
    ]

    // MARK: New tensors

    private static func dtype(_ a: Arguments) throws(CressetError) -> DType? { try a.optionalDType("dtype") }
    private static func device(_ a: Arguments) throws(CressetError) -> Device? { try a.optionalDevice("device") }
    private static func size(_ a: Arguments) throws(CressetError) -> Shape {
        let list = try a.ints("size")
        guard list.allSatisfy({ $0 >= 0 }) else {
            throw CressetError(.shape, op: a.op, "sizes must not be negative, got \(list)")
        }
        return Shape(list)
    }
    /// The stream, of the overloads that have such an argument.
    private static func stream(_ a: Arguments) throws(CressetError) -> RandomStream {
        a["generator"] == nil ? .default : try a.stream()
    }

    /// - Parameter schema: without the options at the end.
    private static func creation(
        _ schema: String, _ dtypes: Set<DType>, _ cases: [[Value]], wrong: ([Value], String),
        _ body: @escaping @Sendable (Arguments) throws(CressetError) -> Tensor
    ) -> Operator {
        Operator(
            "\(schema), \(options)) -> Tensor", dtypes: dtypes, composition: ["pointwise"], isDifferentiable: false,
            notOverridable: why,
            samples: { g in
                let dtype = g.dtype
                return cases.map { Sample($0 + [.dtype(dtype), .none, .device(.reference), .none]) }
            },
            errors: { _ in [ErrorSample(wrong.0, wrong.1)] },
            call: { (a) throws(CressetError) in [.tensor(try body(a))] })
    }

    /// An operation as it is and with a generator: names, arguments and samples of the first.
    private static func both(
        _ names: (String, String), _ arguments: String, _ dtypes: Set<DType>, _ cases: [[Value]],
        wrong: ([Value], String), _ body: @escaping @Sendable (Arguments) throws(CressetError) -> Tensor
    ) -> [Operator] {
        [
            creation("\(names.0)(\(arguments), *", dtypes, cases, wrong: wrong, body),
            creation(
                "\(names.1)(\(arguments), *, Generator? generator", dtypes, cases.map { $0 + [.none] },
                wrong: (wrong.0 + [.none], wrong.1), body),
        ]
    }

    private static let creations: [Operator] =
        both(
            ("rand", "rand.generator"), "SymInt[] size", .continuous, [[[2, 3]], [.ints([])], [[0, 2]]],
            wrong: ([[-1, 2]], "must not be negative")
        ) { (a) throws(CressetError) in
            .rand(try size(a), dtype: try dtype(a) ?? .float32, device: try device(a), stream: try stream(a))
        }
        + both(
            ("randn", "randn.generator"), "SymInt[] size", .continuous, [[[2, 3]], [.ints([])], [[0, 2]]],
            wrong: ([[-1, 2]], "must not be negative")
        ) { (a) throws(CressetError) in
            .randn(try size(a), dtype: try dtype(a) ?? .float32, device: try device(a), stream: try stream(a))
        }
        + both(
            ("randint", "randint.generator"), "SymInt high, SymInt[] size", .number, [[5, [2, 3]], [1, [0, 2]]],
            wrong: ([0, [2]], "must be below high")
        ) { (a) throws(CressetError) in
            .randint(
                0, try a.int("high"), try size(a), dtype: try dtype(a) ?? .int64, device: try device(a),
                stream: try stream(a))
        }
        + both(
            ("randint.low", "randint.low_generator"), "SymInt low, SymInt high, SymInt[] size", .number,
            [[2, 9, [2, 3]], [0, 1, [0, 2]]], wrong: ([3, 3, [2]], "must be below high")
        ) { (a) throws(CressetError) in
            .randint(
                try a.int("low"), try a.int("high"), try size(a), dtype: try dtype(a) ?? .int64,
                device: try device(a), stream: try stream(a))
        }
        + both(
            ("randperm", "randperm.generator"), "SymInt n", .number, [[7], [0], [1]],
            wrong: ([-1], "must not be negative")
        ) { (a) throws(CressetError) in
            .randperm(
                try a.int("n"), dtype: try dtype(a) ?? .int64, device: try device(a), stream: try stream(a))
        }

    /// x_like as it is and with a generator.
    private static func like(
        _ names: (String, String), _ arguments: String, _ dtypes: Set<DType>, _ rest: [Value] = [],
        wrong: ([Value], String)? = nil,
        _ body: @escaping @Sendable (Tensor, Arguments) throws(CressetError) -> Tensor
    ) -> [Operator] {
        [(names.0, ""), (names.1, ", Generator? generator")].map { name, generator in
            Operator(
                "\(name)(Tensor self\(arguments), *\(generator), \(options), MemoryFormat? memory_format=None) -> Tensor",
                dtypes: dtypes, composition: ["pointwise"], isDifferentiable: false, notOverridable: why,
                samples: { g in
                    wide.map {
                        Sample([.tensor(g.tensor($0))] + rest + (generator.isEmpty ? [] : [.none]), keeping: ["high"])
                    }
                },
                errors: { g in
                    let last: [Value] = generator.isEmpty ? [] : [.none]
                    if let wrong { return [ErrorSample([.tensor(g.tensor([2]))] + wrong.0 + last, wrong.1)] }
                    return [ErrorSample([.tensor(g.tensor([2], dtype: .int64))] + last, "draws", "int64")]
                },
                call: { (a) throws(CressetError) in
                    let x = try a.tensor("self")
                    try x.checkValid(a.op)
                    return [.tensor(try body(x, a))]
                })
        }
    }

    private static func integers(_ x: Tensor, _ low: Int, _ a: Arguments) throws(CressetError) -> Tensor {
        var high = 0
        if case .tensor(let tensor)? = a["high"] {
            high = tensor.isMeta ? low + 1 : tensor.itemInt()
        } else {
            high = try a.int("high")
        }
        return .randintLike(x, low, high, dtype: try dtype(a), device: try device(a), stream: try stream(a))
    }

    private static let likes: [Operator] =
        like(("rand_like", "rand_like.generator"), "", .continuous) { (x, a) throws(CressetError) in
            .randLike(x, dtype: try dtype(a), device: try device(a), stream: try stream(a))
        }
        + like(("randn_like", "randn_like.generator"), "", .continuous) { (x, a) throws(CressetError) in
            .randnLike(x, dtype: try dtype(a), device: try device(a), stream: try stream(a))
        }
        + like(
            ("randint_like", "randint_like.generator"), ", SymInt high", .number, [9],
            wrong: ([0], "must be below high")
        ) { (x, a) throws(CressetError) in try integers(x, 0, a) }
        + like(
            ("randint_like.low_dtype", "randint_like.low_generator_dtype"), ", SymInt low, SymInt high", .number,
            [2, 9], wrong: ([3, 3], "must be below high")
        ) { (x, a) throws(CressetError) in try integers(x, try a.int("low"), a) }
        + like(
            ("randint_like.Tensor", "randint_like.Tensor_generator"), ", Tensor high", .number,
            [.tensor(Tensor([9] as [Int64], shape: [], device: .reference))],
            wrong: ([.tensor(Tensor([0] as [Int64], shape: [], device: .reference))], "must be below high")
        ) { (x, a) throws(CressetError) in try integers(x, 0, a) }

    static let all: [Operator] = fills + normals + creations + likes + Counts.operators + Multinomial.operators
}

extension Operators {
    static let random: [Operator] = RandomOperators.all
    static let dropouts: [Operator] = Dropout.operators()
}
