import BackendKit

/// Questions about numbers, and about how close two tensors are.
extension Ops {
    static let isposinf = Unary("isposinf", .compare) { x in
        x.isFloat ? x .== Expr(.infinity, x.type ?? .f32) : x .!= x
    }
    static let isneginf = Unary("isneginf", .compare) { x in
        x.isFloat ? x .== Expr(-Double.infinity, x.type ?? .f32) : x .!= x
    }

    static let predicates: [Operator] = [NaNToNum.declaration, Closeness.isclose] + Closeness.reduced
}

/// NaN and infinities replaced by numbers.
enum NaNToNum {
    private static let kernel = Pointwise(
        "aten::nan_to_num", .promote,
        // Of the branches: a NaN that is replaced would still come in by 0·NaN.
        derivative: { _, c in
            let x = c.inputs[0]
            return select(abs(x) .< Expr(.infinity, c.type), c.grad, Expr(0, c.type))
        },
        complex: .value { c in
            let numbers = c.scalars.map(\.re)
            return ComplexExpr(replaced(c.inputs[0].re, numbers), replaced(c.inputs[0].im, numbers))
        }
    ) { replaced($0.inputs[0], $0.scalars) }

    private static func replaced(_ x: Expr, _ numbers: [Expr]) -> Expr {
        guard x.isFloat else { return x }
        let infinity = Expr(.infinity, x.type ?? .f32)
        return select(
            isNaN(x), numbers[0], select(x .== infinity, numbers[1], select(x .== -infinity, numbers[2], x)))
    }

    /// Without a number for them the infinities become the largest the dtype has.
    static func numbers(_ x: Tensor, _ nan: Double?, _ high: Double?, _ low: Double?) -> [Scalar] {
        let most: Double =
            switch x.dtype.toReal {
            case .float16: 65504
            case .bfloat16: 0x1.FEp127
            case .float64: .greatestFiniteMagnitude
            default: Double(Float.greatestFiniteMagnitude)
            }
        return [.double(nan ?? 0), .double(high ?? most), .double(low ?? -most)]
    }

    static func callAsFunction(_ x: Tensor, _ nan: Double?, _ high: Double?, _ low: Double?) throws(CressetError)
        -> Tensor
    {
        try kernel.run([x], numbers(x, nan, high, low), promoting: [])
    }

    static func inPlace(_ x: Tensor, _ nan: Double?, _ high: Double?, _ low: Double?) -> Tensor {
        x.inPlace("aten::nan_to_num_", kernel, [], numbers(x, nan, high, low), promoting: [])
    }

    static let declaration = Operator(
        "nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor", dtypes: .all,
        composition: ["pointwise"],
        samples: { g in
            let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]
            return shapes.map { Sample([.tensor(g.tensor($0)), .none, .none, .none]) }
                + [Sample([.tensor(g.tensor([9])), 1.5, 2.5, .none])]
        },
        errors: { g in [ErrorSample([.tensor(g.tensor([2])), "none"], "argument nan must be a number")] },
        call: { (a) throws(CressetError) in
            [
                .tensor(
                    try callAsFunction(
                        try a.tensor("self"), try a.optionalScalar("nan")?.doubleValue,
                        try a.optionalScalar("posinf")?.doubleValue, try a.optionalScalar("neginf")?.doubleValue))
            ]
        })
}

/// |x - y| <= atol + rtol·|y|, and equality of tensors.
enum Closeness {
    /// Scalars: rtol, atol and whether NaN equals NaN. Integers differ as float32, as in PyTorch.
    private static let kernel = Pointwise(
        "aten::isclose", .compare, scalarType: { _, t in t.hasGradient ? t.arithmetic : .f32 },
        complex: .real { c in
            // Distances are those of the plane; a number is NaN if a part of it is.
            let (x, y) = (c.inputs[0], c.inputs[1])
            let (rtol, atol) = (c.scalars[0].re, c.scalars[1].re)
            let error = (x - y).magnitude
            let near =
                ((rtol .!= 0) | (atol .!= 0)) & (error .< Expr(.infinity, x.type))
                & (error .<= atol + rtol * y.magnitude)
            let both = (c.scalars[2].re .!= 0) & (isNaN(x.re) | isNaN(x.im)) & (isNaN(y.re) | isNaN(y.im))
            return ((x.re .== y.re) & (x.im .== y.im)) | near | both
        },
        schema: { x, s in x.map(Value.tensor) + s[0..<2].map(Value.scalar) + [.scalar(.bool(s[2].doubleValue != 0))] }
    ) { c in
        let (x, y) = (c.inputs[0], c.inputs[1])
        let type: ArithmeticType = c.dtype.isFloatingPoint ? c.type : .f32
        let (a, b) = (x.cast(to: type), y.cast(to: type))
        let error = abs(a - b)
        let allowed = c.scalars[1] + abs(c.scalars[0] * b)
        // Without tolerances only equality counts, also of integers that float32 cannot tell apart.
        let tolerant = (c.scalars[0] .!= 0) | (c.scalars[1] .!= 0)
        let near = tolerant & (error .< Expr(.infinity, type)) & (error .<= allowed)
        let both = (c.scalars[2] .!= 0) & isNaN(a) & isNaN(b)
        return (x .== y) | near | both
    }

    static func isclose(
        _ x: Tensor, _ y: Tensor, rtol: Double, atol: Double, equalNaN: Bool, op: String = "aten::isclose"
    ) throws(CressetError) -> Tensor {
        try x.checkValid(op)
        try y.checkValid(op)
        guard x.dtype == y.dtype else {
            throw CressetError(.dtype, op: op, "the dtypes must be equal: \(x.summary), \(y.summary)")
        }
        guard rtol >= 0, atol >= 0 else {
            throw CressetError(.argument, op: op, "rtol and atol must not be negative, got \(rtol) and \(atol)")
        }
        return try kernel.run([x, y], [.double(rtol), .double(atol), .double(equalNaN ? 1 : 0)], promoting: [])
    }

    private static let schema = "Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False"

    private static func samples(_ g: inout SampleMaker) -> [Sample] {
        let shapes: [(Shape, Shape)] = [
            ([5, 7], [5, 7]), ([3, 1, 5], [4, 1]), ([], []), ([0, 3], [3]), ([2, 3, 4], [4]),
        ]
        return shapes.flatMap { x, y in
            [(1e-5, 1e-8, false), (0.25, 0.5, true)].map { rtol, atol, equal in
                Sample([
                    .tensor(g.tensor(x, 0, 3)), .tensor(g.tensor(y, 0, 3)), .scalar(.double(rtol)),
                    .scalar(.double(atol)), .scalar(.bool(equal)),
                ])
            }
        }
    }

    private static func errors(_ g: inout SampleMaker) -> [ErrorSample] {
        let x = Value.tensor(g.tensor([2]))
        let other = Value.tensor(g.tensor([2], dtype: g.dtype == .bool ? .float32 : .bool))
        return [
            ErrorSample([x, x, .scalar(.double(-1))], "must not be negative", "-1"),
            ErrorSample([x, other], "the dtypes must be equal"),
        ]
    }

    static let isclose = Operator(
        "isclose(\(schema)) -> Tensor", dtypes: .all, composition: ["pointwise"], isDifferentiable: false,
        samples: { samples(&$0) }, errors: { errors(&$0) },
        call: { (a) throws(CressetError) in
            [
                .tensor(
                    try isclose(
                        try a.tensor("self"), try a.tensor("other"), rtol: try a.double("rtol"),
                        atol: try a.double("atol"), equalNaN: try a.bool("equal_nan")))
            ]
        })

    /// By name these give a bool of no dims that stays on its device.
    static let allclose = Composed(
        "allclose(\(schema)) -> bool", .all, of: ["pointwise", "reduce"], differentiable: false,
        samples: { samples(&$0) }, errors: { errors(&$0) },
        type: { _ in ResultType([], .bool) },
        body: { (a) throws(CressetError) in
            try isclose(
                try a.tensor("self"), try a.tensor("other"), rtol: try a.double("rtol"), atol: try a.double("atol"),
                equalNaN: try a.bool("equal_nan"), op: "aten::allclose"
            ).all()
        })
    static let equal = Composed(
        "equal(Tensor self, Tensor other) -> bool", .all, of: ["pointwise", "reduce"], differentiable: false,
        samples: { g in
            let pairs: [(Shape, Shape)] = [([5, 7], [5, 7]), ([3, 4], [4, 3]), ([], []), ([0, 3], [0, 3])]
            return pairs.map { x, y in Sample([.tensor(g.tensor(x)), .tensor(g.tensor(y))]) }
                + [Shape([4, 6]), [2, 3, 4]].map { Sample([.tensor(g.tensor($0, 1, 1)), .tensor(g.tensor($0, 1, 1))]) }
        },
        errors: { g in [ErrorSample([.tensor(g.tensor([2])), 3], "argument other must be a tensor")] },
        type: { _ in ResultType([], .bool) },
        body: { (a) throws(CressetError) in
            let (x, y) = (try a.tensor("self"), try a.tensor("other"))
            guard x.shape == y.shape else {
                return try .filled([], false, dtype: .bool, on: x.runtime, op: "aten::equal")
            }
            return try Ops.eq(x, y).all()
        })
    static let reduced: [Operator] = [allclose.declaration, equal.declaration]
}

extension Tensor {
    /// True where the element is +infinity (`torch.isposinf`).
    public func isposinf() -> Tensor { trapping { () throws(CressetError) in try Ops.isposinf(self) } }
    /// True where the element is -infinity (`torch.isneginf`).
    public func isneginf() -> Tensor { trapping { () throws(CressetError) in try Ops.isneginf(self) } }
    /// NaN and infinities replaced; infinities by the largest numbers unless others are given (`torch.nan_to_num`).
    public func nanToNum(nan: Double? = nil, posinf: Double? = nil, neginf: Double? = nil) -> Tensor {
        trapping { () throws(CressetError) in try NaNToNum.callAsFunction(self, nan, posinf, neginf) }
    }
    /// The same as `nanToNum`, in place.
    @discardableResult public func nanToNum_(nan: Double? = nil, posinf: Double? = nil, neginf: Double? = nil) -> Tensor
    {
        NaNToNum.inPlace(self, nan, posinf, neginf)
    }
    /// True where |self - other| <= atol + rtol·|other| (`torch.isclose`).
    public func isclose(_ other: Tensor, rtol: Double = 1e-5, atol: Double = 1e-8, equalNaN: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try Closeness.isclose(self, other, rtol: rtol, atol: atol, equalNaN: equalNaN)
        }
    }
    /// True if all elements are close; waits for the answer (`torch.allclose`).
    public func allclose(_ other: Tensor, rtol: Double = 1e-5, atol: Double = 1e-8, equalNaN: Bool = false) -> Bool {
        isclose(other, rtol: rtol, atol: atol, equalNaN: equalNaN).all().item() != 0
    }
    /// True if shapes and all elements are equal; waits for the answer (`torch.equal`).
    public func equal(_ other: Tensor) -> Bool {
        trapping { () throws(CressetError) in try Closeness.equal(.tensor(self), .tensor(other)) }.item() != 0
    }
}
