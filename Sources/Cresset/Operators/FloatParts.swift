import BackendKit

/// Operations on the sign, the exponent and the last digit of floating-point numbers.
extension Ops {
    /// 1 for a set sign bit, which -0 and some NaN have too.
    static let signbit = Unary("signbit", .compare) { x in
        if x.isFloat { return signBit(x) }
        return x.type == .bool ? x .!= x : x .< Expr(0, x.type ?? .i64)
    }

    /// |a| with the sign of b.
    static let copysign = Binary(
        "copysign", .promoteFloat,
        // Bits are no smooth function; a constant for each pair of signs is, and PyTorch says 0 at 0.
        derivative: { i, c in
            let (a, b) = (c.inputs[0], c.inputs[1])
            let flips = signBit(a) ^ signBit(b)
            return i == 1
                ? Expr(0, c.type) : select(a .== 0, Expr(0, c.type), select(flips, -c.grad, c.grad))
        }
    ) { a, b, t in
        let (a, b) = (Cresset.abs(a.typed(t.arithmetic)), b.typed(t.arithmetic))
        return select(signBit(b), -a, a)
    }

    /// The next number of the dtype from a towards b.
    static let nextafter = Binary(
        "nextafter", .promote, .floating, overloads: ("", nil),
        // It is made of bits, through which no slope is found.
        derivative: { i, c in i == 0 ? c.grad : Expr(0, c.type) }
    ) { a, b, t in
        let (type, bits) = (a.type ?? .f32, signed(a))
        // One in the last place of what the dtype stores; a narrow type's numbers are exact in f32.
        let leap: Expr
        let least: Expr
        switch t {
        case .bfloat16: (leap, least) = (Expr(integer: 1 << 16, .i32), Expr(0x1p-133, .f32))
        case .float16: return halfAfter(a, b)
        case .float32: (leap, least) = (Expr(integer: 1, .i32), Expr(0x1p-149, .f32))
        default: (leap, least) = (Expr(integer: 1, .i64), Expr(Double.leastNonzeroMagnitude, .f64))
        }
        let outward = (a .< b) .== (Expr(0, type) .< a)
        let stepped = select(outward, bits + leap, bits - leap).bitcast(to: type)
        let fromZero = select(signBit(b), -least, least)
        return unlessEqual(a, b, select(a .== 0, fromZero, stepped))
    }

    /// float16 is computed in f32, where its step is 2⁻¹⁰ of the power of two at or below |a|, and 2⁻²⁴ at
    /// least. From infinity the way leads to the largest number, and from that to infinity.
    private static func halfAfter(_ a: Expr, _ b: Expr) -> Expr {
        let size = Cresset.abs(a)
        let power = (signed(size) & Expr(integer: 0x7F80_0000, .i32)).bitcast(to: .f32)
        // Towards zero from a power of two the step is half as long.
        let inward = (b .< a) .== (Expr(0, .f32) .< a)
        let step = Cresset.maximum(
            select(inward & (size .== power), power * 0x1p-11, power * 0x1p-10), Expr(0x1p-24, .f32))
        let moved = select(a .< b, a + step, a - step)
        let edge = select(
            Cresset.abs(moved) .> 65504, select(moved .< 0, Expr(-Double.infinity, .f32), .init(.infinity, .f32)), moved
        )
        let fromInfinity = select(a .< 0, Expr(-65504, .f32), 65504)
        return unlessEqual(a, b, select(size .== Expr(.infinity, .f32), fromInfinity, edge))
    }

    private static func unlessEqual(_ a: Expr, _ b: Expr, _ next: Expr) -> Expr {
        select(isNaN(a) | isNaN(b), a + b, select(a .== b, b, next))
    }

    /// The bits as a signed integer of the same width.
    static func signed(_ x: Expr) -> Expr { x.bitcast(to: x.type == .f64 ? .i64 : .i32) }

    static func signBit(_ x: Expr) -> Expr { signed(x) .< Expr(0, x.type == .f64 ? .i64 : .i32) }

    /// x·2ⁿ for integers n: as the exponent is moved in steps, no power leaves the range before the result does, and
    /// one that is subnormal is rounded once.
    private static let scaled = Pointwise(
        "aten::ldexp.Tensor", .promote, promotes: { $0 == 0 },
        // Steps of the exponent again, so that it leaves the range no sooner than the result.
        derivative: { i, c in i == 0 ? timesPower(c.grad, c.inputs[1]) : nil }, schema: nil
    ) { c in timesPower(c.inputs[0], c.inputs[1]) }

    private static func timesPower(_ x: Expr, _ n: Expr) -> Expr {
        let isWide = x.type == .f64
        let (type, integer): (ArithmeticType, ArithmeticType) = isWide ? (.f64, .i64) : (.f32, .i32)
        func literal(_ value: Int64) -> Expr { Expr(integer: value, integer) }
        func power(_ n: Expr) -> Expr {
            let bits = Expr.binary(.shl, n + literal(isWide ? 1023 : 127), literal(isWide ? 52 : 23))
            return bits.bitcast(to: type)
        }
        let most: Int64 = isWide ? 1023 : 127
        // So much less than the least exponent that the last step does all the rounding.
        let least: Int64 = isWide ? -969 : -102
        let bound = Expr(integer: isWide ? 5000 : 600, n.type ?? .i64)
        var (value, rest) = (x, Cresset.maximum(Cresset.minimum(n, bound), -bound).cast(to: integer))
        for _ in 0..<2 {
            let step = Cresset.maximum(Cresset.minimum(rest, literal(most)), literal(least))
            let isFar = (rest .< literal(1 - most)) | (literal(most) .< rest)
            let taken = select(isFar, step, literal(0))
            (value, rest) = (value * power(taken), rest - taken)
        }
        return value * power(Cresset.maximum(Cresset.minimum(rest, literal(most)), literal(1 - most)))
    }

    /// self·2ᵒᵗʰᵉʳ: exact for a float and an integer; else the power is a number of its own, by PyTorch's definition,
    /// of the default float type where other is an integer.
    static let ldexp = Composed(
        "ldexp.Tensor(Tensor self, Tensor other) -> Tensor", .all, of: ["pointwise"],
        samples: { g in
            let shapes: [(Shape, Shape)] = [
                ([5, 7], [5, 7]), ([3, 1, 5], [4, 1]), ([], []), ([0, 3], [3]), ([2, 3, 4], [4]),
            ]
            let exponents: [[Int64]] = [[-2, -1, 0, 1, 3], [-150, -128, -24, 16, 130], [-1100, -280, 0, 280, 2100]]
            return shapes.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor($1))]) }
                + exponents.map {
                    Sample(
                        [.tensor(g.tensor([3, 5])), .tensor(Tensor($0, device: .reference))],
                        checksGradient: $0[0] == -2, keeping: ["other"])
                }
        },
        errors: { g in [ErrorSample([.tensor(g.tensor([2, 3])), .tensor(g.tensor([4]))], "do not broadcast")] },
        type: { (a) throws(CressetError) in
            let (x, n) = (try a.tensor("self"), try a.tensor("other"))
            if isScaling(x, n) { return ResultType(try mul.kernel.broadcastShape([x, n]), x.dtype) }
            let power = Promotion.result([n], [.double(2)])
            return ResultType(
                try mul.kernel.broadcastShape([x, n]), Promotion.result([x, try n.stub(power)]))
        },
        body: { (a) throws(CressetError) in
            let (x, n) = (try a.tensor("self"), try a.tensor("other"))
            return isScaling(x, n) ? try scaled.run([x, n]) : try mul(x, try pow(.double(2), n))
        })

    private static func isScaling(_ x: Tensor, _ n: Tensor) -> Bool {
        x.dtype.isFloatingPoint && Set<DType>.integer.contains(n.dtype)
    }

    static let floatParts: [Operator] = [ldexp.declaration, Frexp.declaration]
}

extension Tensor {
    /// A tensor of the same rank and of `dtype`, for promotion alone.
    fileprivate func stub(_ dtype: DType) throws(CressetError) -> Tensor {
        try .empty(Shape(repeating: 1, count: ndim), dtype, on: runtime, op: "aten::ldexp.Tensor")
    }
}

/// x = mantissa·2ᵉˣᵖᵒⁿᵉⁿᵗ with the mantissa in ±[½, 1).
enum Frexp {
    private static let name = OperatorName("aten::frexp.Tensor")

    private static let group = PointwiseGroup("aten::frexp.Tensor") { inputs, _ in
        let x = inputs[0]
        let wide = x.type == .f64
        let type = wide ? ArithmeticType.f64 : .f32
        let integer = wide ? ArithmeticType.i64 : .i32
        func literal(_ value: Int64) -> Expr { Expr(integer: value, integer) }
        let fraction: Int64 = wide ? 52 : 23
        let bias: Int64 = wide ? 1022 : 126
        // Subnormal numbers are made normal first.
        let isSmall = Cresset.abs(x) .< Expr(wide ? 0x1p-1022 : 0x1p-126, type)
        let normal = Cresset.select(isSmall, x * Expr(0x1p54, type), x)
        let bits = Ops.signed(normal)
        let raised = Expr.binary(.shr, bits, literal(fraction)) & literal(wide ? 0x7FF : 0xFF)
        let exponent = raised - Cresset.select(isSmall, literal(bias + 54), literal(bias))
        let kept = literal(wide ? -0x7FF0_0000_0000_0001 : -0x7F80_0001)
        let mantissa = ((bits & kept) | literal(bias << fraction)).bitcast(to: type)
        let isPlain = (x .!= 0) & (Cresset.abs(x) .< Expr(.infinity, type))
        return [Cresset.select(isPlain, mantissa, x), Cresset.select(isPlain, exponent, literal(0)).cast(to: .i32)]
    }

    static func split(_ x: Tensor) throws(CressetError) -> (mantissa: Tensor, exponent: Tensor) {
        let op = name.text
        try x.checkValid(op)
        guard x.dtype.isFloatingPoint else {
            throw CressetError(.dtype, op: op, "is not defined for \(x.summary): it takes floating dtypes")
        }
        let results = try Override.resolve(
            name, on: x, x.dtype, [.tensor(x)], types: [ResultType(x.shape, x.dtype), ResultType(x.shape, .int32)]
        ) { () throws(CressetError) in
            let results = [
                try Tensor.empty(x.shape, x.dtype, on: x.runtime, op: op),
                try Tensor.empty(x.shape, .int32, on: x.runtime, op: op),
            ]
            try group.run([x.detach()], into: results)
            return results
        }
        let exponent = results[1]
        let mantissa = Tape.record(op, results[0], inputs: [x], saving: [exponent]) {
            (gradients, saved) throws(CressetError) in
            // mantissa = x·2⁻ᵉˣᵖᵒⁿᵉⁿᵗ
            [
                try gradients[0].map { (g) throws(CressetError) in
                    try Ops.div(g, try Ops.exp2(try saved[0].converted(to: g.dtype)))
                }
            ]
        }
        return (mantissa, exponent)
    }

    static let declaration = Operator(
        "frexp.Tensor(Tensor self) -> (Tensor mantissa, Tensor exponent)", dtypes: .floating,
        composition: ["pointwise"],
        samples: { g in
            let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]
            // (The mantissa jumps at powers of two.)
            return shapes.map { Sample([.tensor(g.tensor($0, 1.1, 1.9))]) }
                + [Sample([.tensor(g.tensor([40], -20, 20))], checksGradient: false)]
        },
        errors: { g in [ErrorSample([.tensor(g.tensor([2], dtype: .int64))], "is not defined for", "int64")] },
        call: { (a) throws(CressetError) in
            let (mantissa, exponent) = try Frexp.split(try a.tensor("self"))
            return [.tensor(mantissa), .tensor(exponent)]
        })
}

extension Tensor {
    /// True where the sign bit is set, also of -0 (`torch.signbit`).
    public func signbit() -> Tensor { trapping { () throws(CressetError) in try Ops.signbit(self) } }
    /// |self| with the sign of the other (`torch.copysign`).
    public func copysign(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.copysign(self, other) }
    }
    /// The same as `copysign` of a tensor, with a number.
    public func copysign(_ other: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.copysign(self, other) }
    }
    /// The same as `copysign`, in place.
    @discardableResult public func copysign_(_ other: Tensor) -> Tensor {
        inPlace("aten::copysign_.Tensor", Ops.copysign, other)
    }
    /// The same as `copysign`, in place; with a number.
    @discardableResult public func copysign_(_ other: Scalar) -> Tensor {
        inPlace("aten::copysign_.Scalar", Ops.copysign, other)
    }
    /// The next number of the dtype towards the other (`torch.nextafter`).
    public func nextafter(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.nextafter(self, other) }
    }
    /// The same as `nextafter`, in place.
    @discardableResult public func nextafter_(_ other: Tensor) -> Tensor {
        inPlace("aten::nextafter_", Ops.nextafter, other)
    }
    /// Mantissas in ±[½, 1) and int32 exponents (`torch.frexp`).
    public func frexp() -> (mantissa: Tensor, exponent: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in try Frexp.split(self) }
    }
    /// self·2ᵒᵗʰᵉʳ (`torch.ldexp`).
    public func ldexp(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.ldexp(.tensor(self), .tensor(other)) }
    }
    /// The same as `ldexp`, in place.
    @discardableResult public func ldexp_(_ other: Tensor) -> Tensor { inPlace("aten::ldexp_") { $0.ldexp(other) } }
}
