import BackendKit

/// What is asked of tensors and dtypes by name, and tensors that are given their strides.
enum Inspection {
    private static func question(
        _ schema: String, samples: @escaping @Sendable (inout SampleMaker) -> [Sample],
        wrong: [Value] = [], _ words: String = "",
        _ body: @escaping @Sendable (Arguments) throws(CressetError) -> Value
    ) -> Operator {
        Operator(
            schema, dtypes: .all, composition: [], isDifferentiable: false, samples: samples,
            errors: { _ in wrong.isEmpty ? [] : [ErrorSample(wrong, words)] },
            call: { (a) throws(CressetError) in
                for tensor in a.values.compactMap(\.tensor) { try tensor.checkValid(a.op) }
                return [try body(a)]
            })
    }

    private static func dtype(_ a: Arguments, _ name: String) throws(CressetError) -> DType {
        guard let dtype = try a.optionalDType(name) else { throw a.wrong("\(name) must be a dtype") }
        return dtype
    }

    private static let shapes: [(Shape, [Value])] = [([2, 3], []), ([], []), ([0, 2], [])]

    static let questions: [Operator] = [
        question("is_signed(Tensor self) -> bool", samples: { $0.samples(shapes) }) {
            (a) throws(CressetError) in .scalar(.bool(try a.tensor("self").isSigned))
        },
        question("is_complex(Tensor self) -> bool", samples: { $0.samples(shapes) }) {
            (a) throws(CressetError) in .scalar(.bool(try a.tensor("self").isComplex))
        },
        question("is_floating_point(Tensor self) -> bool", samples: { $0.samples(shapes) }) {
            (a) throws(CressetError) in .scalar(.bool(try a.tensor("self").isFloatingPoint))
        },
        question(
            "is_same_size(Tensor self, Tensor other) -> bool",
            samples: { g in
                [
                    Sample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([2, 3]))]),
                    Sample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([3, 2]))]),
                    Sample([.tensor(g.tensor([])), .tensor(g.tensor([]))]),
                    Sample([.tensor(g.tensor([0, 3])), .tensor(g.tensor([0, 3]))]),
                ]
            }
        ) { (a) throws(CressetError) in
            .scalar(.bool(try a.tensor("self").isSameSize(try a.tensor("other"))))
        },
        question("numel(Tensor self) -> int", samples: { $0.samples(shapes) }) {
            (a) throws(CressetError) in .scalar(Scalar(try a.tensor("self").numel))
        },
        question("dim(Tensor self) -> int", samples: { $0.samples(shapes) }) {
            (a) throws(CressetError) in .scalar(Scalar(try a.tensor("self").ndim))
        },
        question("size.int(Tensor self, int dim) -> int", samples: { $0.samples([([2, 3], [-1]), ([0, 3], [0])]) }) {
            (a) throws(CressetError) in
            let x = try a.tensor("self")
            let d = try x.dim(try a.int("dim"), op: a.op)
            guard x.ndim > 0 else { throw CressetError(.index, op: a.op, "\(x.summary) has no dims") }
            return .scalar(Scalar(x.shape[d]))
        },
        question(
            "result_type.Tensor(Tensor tensor, Tensor other) -> ScalarType",
            samples: { g in
                shapes.map { shape, _ in Sample([.tensor(g.tensor(shape)), .tensor(g.tensor([], dtype: .float32))]) }
            }
        ) { (a) throws(CressetError) in .dtype(Tensor.resultType(try a.tensor("tensor"), try a.tensor("other"))) },
        question(
            "result_type.Scalar(Tensor tensor, Scalar other) -> ScalarType",
            samples: { g in
                shapes.flatMap { [Sample([.tensor(g.tensor($0.0)), 1.5]), Sample([.tensor(g.tensor($0.0)), 2])] }
            }
        ) { (a) throws(CressetError) in .dtype(Tensor.resultType(try a.tensor("tensor"), try a.scalar("other"))) },
        question(
            "result_type.Scalar_Tensor(Scalar scalar, Tensor tensor) -> ScalarType",
            samples: { g in shapes.map { Sample([1.5, .tensor(g.tensor($0.0))]) } }
        ) { (a) throws(CressetError) in .dtype(Tensor.resultType(try a.scalar("scalar"), try a.tensor("tensor"))) },
        question(
            "result_type.Scalar_Scalar(Scalar scalar1, Scalar scalar2) -> ScalarType",
            samples: { _ in [Sample([1.5, 2]), Sample([true, 2])] },
            wrong: ["x", 2], "scalar1 must be a number"
        ) { (a) throws(CressetError) in .dtype(Tensor.resultType(try a.scalar("scalar1"), try a.scalar("scalar2"))) },
        question(
            "promote_types(ScalarType type1, ScalarType type2) -> ScalarType",
            samples: { g in
                let own = g.dtype
                return [DType.int16, .float16, .complex64].map { Sample([.dtype(own), .dtype($0)]) }
            }, wrong: [3, 4], "type1 must be a dtype"
        ) { (a) throws(CressetError) in .dtype(.promote(try dtype(a, "type1"), try dtype(a, "type2"))) },
        question(
            "can_cast(ScalarType from_, ScalarType to) -> bool",
            samples: { g in
                let own = g.dtype
                return [DType.bool, .int64, .float16].map { Sample([.dtype(own), .dtype($0)]) }
            }, wrong: [3, 4], "from_ must be a dtype"
        ) { (a) throws(CressetError) in .scalar(.bool(try dtype(a, "from_").canCast(to: try dtype(a, "to")))) },
    ]

    // MARK: Strides

    /// Strides of memory in which the dims lie in that order, the outermost first.
    fileprivate static func strides(_ size: Shape, order: [Int], op: String) throws(CressetError) -> Shape {
        guard order.sorted() == Array(0..<size.count) else {
            throw CressetError(
                .argument, op: op, "physical_layout must name each of \(size.count) dims once, got \(order)")
        }
        guard size.allSatisfy({ $0 >= 0 }), size.extent(1) != nil else {
            throw CressetError(.shape, op: op, "sizes must not be negative, nor too large, got \(size)")
        }
        var (strides, step) = (size, 1)
        for d in order.reversed() {
            strides[d] = step
            step *= Swift.max(size[d], 1)
        }
        return strides
    }

    fileprivate static func empty(
        _ size: Shape, _ strides: Shape, _ dtype: DType?, _ device: Device?, op: String
    ) throws(CressetError) -> Tensor {
        let runtime = try (device ?? .default).runtime(for: op)
        guard strides.count == size.count, size.allSatisfy({ $0 >= 0 && $0 < 1 << 40 }),
            strides.allSatisfy({ $0 >= 0 && $0 < 1 << 40 }), size.extent(1) != nil
        else {
            throw CressetError(
                .shape, op: op,
                "needs a stride for each size, and none may be negative: sizes \(size), strides \(strides)")
        }
        var reach = size.contains(0) ? 0 : 1
        for (n, step) in zip(size, strides) where n > 1 {
            let (far, overflows) = (n - 1).multipliedReportingOverflow(by: step)
            guard !overflows, far < 1 << 50, reach < 1 << 50 else {
                throw CressetError(.shape, op: op, "the strides \(strides) of \(size) reach too far")
            }
            reach += far
        }
        let memory = try Tensor.empty([reach], dtype ?? .float32, on: runtime, op: op)
        return Tensor(
            storage: memory.impl.storage, shape: size, strides: strides, offset: memory.impl.offset,
            dtype: memory.dtype)
    }

    private static let options =
        "*, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None"

    private static func creation(
        _ schema: String, _ cases: [[Value]], wrong: ([Value], String), isUninitialized: Bool = true,
        _ dtypes: Set<DType> = .all,
        _ body: @escaping @Sendable (Arguments) throws(CressetError) -> Tensor
    ) -> Operator {
        Operator(
            "\(schema), \(options)) -> Tensor", dtypes: dtypes, composition: ["pointwise"], isDifferentiable: false,
            notOverridable: "it is made of pointwise programs", isUninitialized: isUninitialized,
            samples: { g in
                let dtype = g.dtype
                return cases.map { Sample($0 + [.dtype(dtype), .none, .device(.reference), .none]) }
            },
            errors: { _ in [ErrorSample(wrong.0, wrong.1)] },
            call: { (a) throws(CressetError) in [.tensor(try body(a))] })
    }

    static let creations: [Operator] = [
        creation(
            "empty_strided(SymInt[] size, SymInt[] stride",
            [[[2, 3], [1, 2]], [[0, 2], [4, 1]], [.ints([]), .ints([])]],
            wrong: ([[2, 3], [1]], "a stride for each size")
        ) { (a) throws(CressetError) in
            try empty(
                Shape(try a.ints("size")), Shape(try a.ints("stride")), try a.optionalDType("dtype"),
                try a.optionalDevice("device"), op: a.op)
        },
        creation(
            "empty_permuted(SymInt[] size, int[] physical_layout", [[[2, 3, 4], [2, 0, 1]], [[0, 2], [1, 0]]],
            wrong: ([[2, 3], [0, 0]], "must name each of 2 dims once")
        ) { (a) throws(CressetError) in
            let size = Shape(try a.ints("size"))
            return try empty(
                size, try strides(size, order: try a.ints("physical_layout"), op: a.op), try a.optionalDType("dtype"),
                try a.optionalDevice("device"), op: a.op)
        },
        creation(
            "range(Scalar start, Scalar end", [[0, 4], [2.0, 5.0]], wrong: ([3, 1], "lead towards the end"),
            isUninitialized: false, .number
        ) { (a) throws(CressetError) in
            .range(
                try a.scalar("start"), try a.scalar("end"), dtype: try a.optionalDType("dtype") ?? .float32,
                device: try a.optionalDevice("device"))
        },
        creation(
            "range.step(Scalar start, Scalar end, Scalar step=1", [[0, 7, 2], [7, 1, -3], [1.0, 1.0, 0.5]],
            wrong: ([1, 3, -1], "lead towards the end"), isUninitialized: false, .number
        ) { (a) throws(CressetError) in
            .range(
                try a.scalar("start"), try a.scalar("end"), step: try a.scalar("step"),
                dtype: try a.optionalDType("dtype") ?? .float32, device: try a.optionalDevice("device"))
        },
    ]
}

extension Operators {
    static let inspection: [Operator] = Inspection.questions + Inspection.creations
}

extension Tensor {
    /// Uninitialised elements that lie in memory by these strides.
    public static func emptyStrided(_ size: Shape, _ stride: Shape, dtype: DType = .float32, device: Device? = nil)
        -> Tensor
    {
        trapping { () throws(CressetError) in
            try Inspection.empty(size, stride, dtype, device, op: "aten::empty_strided")
        }
    }
    /// Uninitialised elements whose dims lie in memory in the order of `physicalLayout`, the outermost first.
    public static func emptyPermuted(
        _ size: Shape, _ physicalLayout: [Int], dtype: DType = .float32, device: Device? = nil
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::empty_permuted"
            return try Inspection.empty(
                size, try Inspection.strides(size, order: physicalLayout, op: op), dtype, device, op: op)
        }
    }
    /// start, start + step, … up to end, which may be the last; `arange` leaves the end out.
    public static func range(
        _ start: Scalar, _ end: Scalar, step: Scalar = 1, dtype: DType = .float32, device: Device? = nil
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::range"
            let (a, b, s) = (start.doubleValue, end.doubleValue, step.doubleValue)
            guard s != 0, (b - a) / s >= 0, a.isFinite, b.isFinite, (b - a) / s < 0x1p40 else {
                throw CressetError(
                    .argument, op: op,
                    "from \(a) to \(b) with step \(s): the step must be nonzero and lead towards the end")
            }
            let result = try Tensor.empty(
                [Int((b - a) / s) + 1], dtype, on: try (device ?? .default).runtime(for: op), op: op)
            try Generators.arange.generate([start, step], into: result)
            return result
        }
    }
    /// The elements as uint8.
    public func byte() -> Tensor { to(.uint8) }
    /// The elements as int8.
    public func char() -> Tensor { to(.int8) }
    /// The elements as int16.
    public func short() -> Tensor { to(.int16) }
    /// The elements as complex64.
    public func cfloat() -> Tensor { to(.complex64) }
    /// The elements as complex128.
    public func cdouble() -> Tensor { to(.complex128) }
    /// A copy of complex numbers as pairs of real ones in a last dim of size 2.
    public func viewAsRealCopy() -> Tensor { viewAsReal().clone() }
    /// A copy of pairs in a last dim of size 2 as complex numbers.
    public func viewAsComplexCopy() -> Tensor { viewAsComplex().clone() }
}
