import BackendKit

/// Tensors made of numbers and sizes, beyond those in `Tensor/Creation.swift`.
extension Tensor {
    /// `steps` values from base^start to base^end, whose exponents are evenly spaced.
    public static func logspace(
        _ start: Double, _ end: Double, steps: Int, base: Double = 10, dtype: DType = .float32, device: Device? = nil
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::logspace"
            let runtime = try (device ?? .default).runtime(for: op)
            // Of integers the ends are truncated first, and the powers after.
            let ends = dtype.hasGradient ? (start, end) : (start.rounded(.towardZero), end.rounded(.towardZero))
            let wide = dtype.hasGradient ? dtype.toReal : Tensor.wideFloat(on: runtime)
            let exponents = linspace(ends.0, ends.1, steps: steps, dtype: wide, device: device)
            return try Ops.pow(.double(base), exponents).converted(to: dtype)
        }
    }

    /// Evenly spaced values, or powers of `base` with such exponents, between complex ends.
    static func complexSpace(
        _ start: Scalar, _ end: Scalar, steps: Int, base: Double?, dtype: DType, device: Device?
    ) -> Tensor {
        let re = linspace(start.doubleValue, end.doubleValue, steps: steps, dtype: dtype.toReal, device: device)
        let im = linspace(start.imaginaryValue, end.imaginaryValue, steps: steps, dtype: dtype.toReal, device: device)
        guard let base else { return .complex(re, im) }
        // base^z = e^(z·ln base), for a base above 0.
        let logarithm = Scalar(Tensor([base], shape: [], device: .reference).log().item())
        return .polar((re * logarithm).exp(), im * logarithm)
    }

    /// float64, where the device has it.
    static func wideFloat(on runtime: DeviceRuntime) -> DType { runtime.holds(.float64) ? .float64 : .float32 }

    /// Every element 0, with this tensor's dtype and device where nothing else is said.
    public func newZeros(_ size: Shape, dtype: DType? = nil, device: Device? = nil) -> Tensor {
        newFull(size, 0, dtype: dtype, device: device)
    }
    /// Every element 1, with this tensor's dtype and device where nothing else is said.
    public func newOnes(_ size: Shape, dtype: DType? = nil, device: Device? = nil) -> Tensor {
        newFull(size, 1, dtype: dtype, device: device)
    }
    /// Every element `value`, with this tensor's dtype and device where nothing else is said.
    public func newFull(_ size: Shape, _ value: Scalar, dtype: DType? = nil, device: Device? = nil) -> Tensor {
        .full(size, value, dtype: dtype ?? self.dtype, device: device ?? self.device)
    }
    /// Uninitialised elements, with this tensor's dtype and device where nothing else is said.
    public func newEmpty(_ size: Shape, dtype: DType? = nil, device: Device? = nil) -> Tensor {
        .empty(size, dtype: dtype ?? self.dtype, device: device ?? self.device)
    }
    /// Uninitialised elements of a tensor's shape, dtype and device.
    public static func emptyLike(_ x: Tensor, dtype: DType? = nil, device: Device? = nil) -> Tensor {
        x.newEmpty(x.shape, dtype: dtype, device: device)
    }
    /// A 0-d tensor of a number.
    public static func scalarTensor(_ value: Scalar, dtype: DType = .float32, device: Device? = nil) -> Tensor {
        .full([], value, dtype: dtype, device: device)
    }

    /// Powers of a vector's elements as columns, falling from n - 1 to 0 or rising.
    public func vander(n: Int? = nil, increasing: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid("aten::vander")
            guard ndim == 1 else { throw CressetError(.shape, op: "aten::vander", "needs a vector, got \(summary)") }
            let count = n ?? numel
            guard count >= 0 else {
                throw CressetError(.argument, op: "aten::vander", "n must not be negative, got \(count)")
            }
            // (Products of integers are int64.)
            let x = try converted(to: Reductions.sumDType(dtype)).unsqueeze(-1)
            if count == 0 { return x.narrow(-1, 0, 0).clone() }
            let rest = x.expand([numel, count - 1]).cumprod(dim: -1)
            let powers = try Joining.cat([Tensor.onesLike(x), rest], dim: -1)
            return increasing ? powers : powers.flip([1])
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let options =
        "*, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None"
    private static let made = ["pointwise"]

    /// What the last arguments of creating operations say.
    private static func dtype(_ a: Arguments) throws(CressetError) -> DType? { try a.optionalDType("dtype") }
    private static func device(_ a: Arguments) throws(CressetError) -> Device? { try a.optionalDevice("device") }
    private static func shape(_ a: Arguments) throws(CressetError) -> Shape { Shape(try a.ints("size")) }

    /// An operation without tensors; samples are made on the device that is tested.
    private static func creation(
        _ schema: String, dtypes: Set<DType> = .all, isUninitialized: Bool = false, format: Bool = false,
        _ cases: [[Value]], refused: [ErrorSample] = [],
        _ body: @escaping @Sendable (Arguments) throws(CressetError) -> Tensor
    ) -> Operator {
        .composed(
            "\(schema.dropLast()), \(options)\(format ? ", MemoryFormat? memory_format=None" : "")) -> Tensor", dtypes,
            of: made, isDifferentiable: false, isUninitialized: isUninitialized,
            samples: { g in
                let dtype = g.dtype
                return cases.map { Sample($0 + [.dtype(dtype), .none, .device(.reference), .none]) }
            },
            errors: { _ in refused },
            call: { (a) throws(CressetError) in [.tensor(try body(a))] })
    }

    /// x_like and new_x.
    private static func like(
        _ schema: String, _ cases: [(Shape, [Value])], isUninitialized: Bool = false, format: Bool = false,
        _ body: @escaping @Sendable (Tensor, Arguments) throws(CressetError) -> Tensor
    ) -> Operator {
        .composed(
            "\(schema.dropLast()), \(options)\(format ? ", MemoryFormat? memory_format=None" : "")) -> Tensor",
            of: made, isDifferentiable: false, isUninitialized: isUninitialized, samples: { $0.samples(cases) },
            call: { (a) throws(CressetError) in [.tensor(try body(try a.tensor("self"), a))] })
    }

    static let creations: [Operator] =
        [
            creation("zeros(SymInt[] size)", [[[2, 3]], [.ints([])], [[0, 2]]]) { (a) throws(CressetError) in
                .zeros(try shape(a), dtype: try dtype(a) ?? .float32, device: try device(a))
            },
            creation("ones(SymInt[] size)", [[[2, 3]], [.ints([])], [[0, 2]]]) { (a) throws(CressetError) in
                .ones(try shape(a), dtype: try dtype(a) ?? .float32, device: try device(a))
            },
            creation("full(SymInt[] size, Scalar fill_value)", [[[2, 3], 2], [.ints([]), true], [[0, 2], 1]]) {
                (a) throws(CressetError) in
                .full(try shape(a), try a.scalar("fill_value"), dtype: try dtype(a), device: try device(a))
            },
            creation("scalar_tensor(Scalar s)", [[2]], refused: [ErrorSample(["x"], "argument s must be a number")]) {
                (a) throws(CressetError) in
                .scalarTensor(try a.scalar("s"), dtype: try dtype(a) ?? .float32, device: try device(a))
            },
            creation("eye(SymInt n)", [[3], [0]], refused: [ErrorSample([-3], "-3", "negative")]) {
                (a) throws(CressetError) in
                .eye(try a.int("n"), dtype: try dtype(a) ?? .float32, device: try device(a))
            },
            creation(
                "eye.m(SymInt n, SymInt m)", [[3, 2], [2, 5], [0, 2]],
                refused: [ErrorSample([2, -3], "[2, -3]", "negative"), ErrorSample([-1, 3], "[-1, 3]", "negative")]
            ) { (a) throws(CressetError) in
                .eye(try a.int("n"), try a.int("m"), dtype: try dtype(a) ?? .float32, device: try device(a))
            },
            creation(
                "arange(Scalar end)", dtypes: .number, [[5], [0]],
                refused: [
                    ErrorSample([-3], "from 0 to -3", "towards the end"), ErrorSample([1e30], "1e+30", "too many"),
                ]
            ) { (a) throws(CressetError) in
                .arange(try a.scalar("end"), dtype: try dtype(a), device: try device(a))
            },
            creation(
                "arange.start(Scalar start, Scalar end)", dtypes: .number, [[2, 7], [2, 2]],
                refused: [
                    ErrorSample([7, 2], "from 7 to 2", "towards the end"),
                    ErrorSample([.scalar(.int(.min)), .scalar(.int(.max))], "too many"),
                    ErrorSample([0.5, .scalar(.double(.nan))], "nan"),
                ]
            ) { (a) throws(CressetError) in
                .arange(try a.scalar("start"), try a.scalar("end"), dtype: try dtype(a), device: try device(a))
            },
            creation(
                "arange.start_step(Scalar start, Scalar end, Scalar step=1)", dtypes: .number,
                [[0, 9, 2], [7, 1, -3], [1, 1, -1], [0.5, 3, 0.75]],
                refused: [
                    ErrorSample([0, 9, 0], "step 0", "nonzero"), ErrorSample([0, 9, -2], "step -2", "towards the end"),
                    ErrorSample([0, 9, .scalar(.double(.nan))], "step nan"),
                ]
            ) { (a) throws(CressetError) in
                .arange(
                    try a.scalar("start"), try a.scalar("end"), step: try a.scalar("step"), dtype: try dtype(a),
                    device: try device(a))
            },
            creation("empty.memory_format(SymInt[] size)", isUninitialized: true, format: true, [[[2, 3]], [[0, 3]]]) {
                (a) throws(CressetError) in
                .empty(try shape(a), dtype: try dtype(a) ?? .float32, device: try device(a))
            },
            like("zeros_like(Tensor self)", [([2, 3], []), ([], []), ([0, 2], [])], format: true) {
                (x, a) throws(CressetError) in x.newZeros(x.shape, dtype: try dtype(a), device: try device(a))
            },
            like("ones_like(Tensor self)", [([2, 3], []), ([], []), ([0, 2], [])], format: true) {
                (x, a) throws(CressetError) in x.newOnes(x.shape, dtype: try dtype(a), device: try device(a))
            },
            like(
                "full_like(Tensor self, Scalar fill_value)", [([2, 3], [2]), ([], [1]), ([0, 2], [1])], format: true
            ) {
                (x, a) throws(CressetError) in
                x.newFull(x.shape, try a.scalar("fill_value"), dtype: try dtype(a), device: try device(a))
            },
            like(
                "empty_like(Tensor self)", [([2, 3], []), ([], []), ([0, 2], [])], isUninitialized: true, format: true
            ) {
                (x, a) throws(CressetError) in
                .emptyLike(x, dtype: try dtype(a), device: try device(a))
            },
            like("new_zeros(Tensor self, SymInt[] size)", [([2, 3], [[3, 2]]), ([], [.ints([])]), ([0], [[2]])]) {
                (x, a) throws(CressetError) in x.newZeros(try shape(a), dtype: try dtype(a), device: try device(a))
            },
            like("new_ones(Tensor self, SymInt[] size)", [([2, 3], [[3, 2]]), ([], [[0]]), ([0], [[2]])]) {
                (x, a) throws(CressetError) in x.newOnes(try shape(a), dtype: try dtype(a), device: try device(a))
            },
            like(
                "new_full(Tensor self, SymInt[] size, Scalar fill_value)",
                [([2, 3], [[3, 2], 2]), ([], [[0], 1]), ([0], [[2], 1])]
            ) {
                (x, a) throws(CressetError) in
                x.newFull(try shape(a), try a.scalar("fill_value"), dtype: try dtype(a), device: try device(a))
            },
            like(
                "new_empty(Tensor self, SymInt[] size)", [([2, 3], [[3, 2]]), ([], [[0, 3]]), ([0], [[2]])],
                isUninitialized: true
            ) { (x, a) throws(CressetError) in
                x.newEmpty(try shape(a), dtype: try dtype(a), device: try device(a))
            },
            .composed(
                "vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", .number,
                of: ["aten::cumprod", "aten::cat"],
                samples: { g in
                    [
                        Sample([.tensor(g.tensor([4], -2, 2)), .none, false]),
                        Sample([.tensor(g.tensor([3], -2, 2)), 5, true]), Sample([.tensor(g.tensor([0])), 2, false]),
                    ]
                },
                call: { (a) throws(CressetError) in
                    [.tensor(try a.tensor("x").vander(n: try a.optionalInt("N"), increasing: try a.bool("increasing")))]
                }
            ).refusing([([2, 3], [.none], ["a vector", "[2, 3]"]), ([3], [-1], ["-1"])]),
        ] + spaces("linspace") + spaces("logspace")

    /// The four overloads of linspace and logspace: each end a number or a 0-d tensor.
    private static func spaces(_ name: String) -> [Operator] {
        let isLog = name == "logspace"
        @Sendable func number(_ a: Arguments, _ name: String) throws(CressetError) -> Scalar {
            guard let tensor = a[name]?.tensor else { return try a.scalar(name) }
            try tensor.checkValid(a.op)
            guard tensor.ndim == 0 else {
                throw CressetError(.shape, op: a.op, "\(name) must be a number or a 0-d tensor, got \(tensor.summary)")
            }
            if tensor.isMeta { return 1 }
            return tensor.dtype.isComplex ? .complex(tensor.itemComplex()) : .double(tensor.item())
        }
        return [
            ("", false, false), (".Tensor_Tensor", true, true), (".Tensor_Scalar", true, false),
            (".Scalar_Tensor", false, true),
        ]
        .map { overload, first, second in
            let cases: [(Double, Double, Int)] =
                first || second ? [(1, 4, 3)] : [(0, 3, 6), (4, -2, 3), (2.5, 3, 1), (1, 2, 0)]
            let types = [first, second].map { $0 ? "Tensor" : "Scalar" }
            return .composed(
                "\(name)\(overload)(\(types[0]) start, \(types[1]) end, int steps\(isLog ? ", float base=10." : ""), \(options)) -> Tensor",
                .numeric, of: made + (isLog ? ["aten::pow.Scalar"] : []),
                isDifferentiable: false,
                samples: { g in
                    let dtype = g.dtype
                    func end(_ x: Double, _ isTensor: Bool) -> Value {
                        isTensor ? .tensor(Tensor([Float(x)], shape: [], device: .reference)) : .scalar(.double(x))
                    }
                    return cases.map { a, b, steps in
                        Sample(
                            [end(a, first), end(b, second), .scalar(Scalar(steps))] + (isLog ? [2.0] : [])
                                + [.dtype(dtype), .none, .device(.reference), .none], takesOtherValues: false)
                    }
                },
                errors: { g in
                    let one = Value.tensor(g.tensor([], 1, 2, dtype: .float32))
                    let vector = Value.tensor(g.tensor([2], 1, 2, dtype: .float32))
                    let ends: [Value] = [first ? one : 0, second ? one : 1]
                    let wide: [Value] = [first ? vector : 0, second ? vector : 1]
                    return [ErrorSample(ends + [-2], "steps must not be negative", "-2")]
                        + (first || second ? [ErrorSample(wide + [3], "0-d tensor", "[2]")] : [])
                },
                call: { (a) throws(CressetError) in
                    let (start, end) = (try number(a, "start"), try number(a, "end"))
                    let (steps, dtype) = (try a.int("steps"), try dtype(a) ?? .float32)
                    let (base, device) = (isLog ? try a.double("base") : nil, try device(a))
                    let (x, y) = (start.doubleValue, end.doubleValue)
                    let tensor: Tensor
                    if dtype.isComplex || start.isComplex || end.isComplex {
                        tensor = .complexSpace(
                            start, end, steps: steps, base: base, dtype: dtype.toComplex, device: device)
                    } else if let base {
                        tensor = .logspace(x, y, steps: steps, base: base, dtype: dtype, device: device)
                    } else {
                        tensor = .linspace(x, y, steps: steps, dtype: dtype, device: device)
                    }
                    return [.tensor(tensor)]
                })
        }
    }
}
