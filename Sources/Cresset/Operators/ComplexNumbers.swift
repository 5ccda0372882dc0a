import BackendKit

/// Complex numbers and their parts.
extension Ops {
    static let conj = Unary("conj_physical", .promote, .real, complex: .function { $0.conjugate }) { $0 }
    /// z/|z|, and 0 at 0; of real numbers the sign.
    static let sgn = Unary("sgn", .promote, .real, complex: .function { $0.unit }) { signOf($0) }
    /// The angle to the positive real axis: 0 or π of real numbers.
    static let angle = Unary("angle", .promoteFloat, complex: .property { $0.angle }) { x in
        let t = x.type ?? .f32
        return select(isNaN(x), x, select(x .< 0, Expr(Double.pi, t), Expr(0, t)))
    }
    static let isreal = Unary("isreal", .compare, complex: .property { $0.im .== 0 }) { x in
        Expr(integer: 1, .bool) | (x .== x)
    }

    static let complexUnary: [Unary] = [conj, sgn, angle, isreal]
}

enum ComplexNumbers {
    /// Of two real tensors the complex one that has them as parts.
    private static let join = Pointwise(
        "aten::complex", .promote, complex: .value { c in ComplexExpr(c.inputs[0].re, c.inputs[1].re) }
    ) { $0.inputs[0] }
    private static let polarKernel = Pointwise(
        "aten::polar", .promote,
        complex: .value { c in
            let (size, angle) = (c.inputs[0].re, c.inputs[1].re)
            return ComplexExpr(size * cos(angle), size * sin(angle))
        }
    ) { $0.inputs[0] }

    static func make(_ re: Tensor, _ im: Tensor) throws(CressetError) -> Tensor { try pair(join, re, im) }
    static func polar(_ abs: Tensor, _ angle: Tensor) throws(CressetError) -> Tensor {
        try pair(polarKernel, abs, angle)
    }

    private static func pair(_ kernel: Pointwise, _ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor {
        for z in [x, y] { try z.checkValid(kernel.text) }
        guard x.dtype == y.dtype, x.dtype.isFloatingPoint, x.dtype.toComplex.toReal == x.dtype else {
            throw CressetError(
                .dtype, op: kernel.text,
                "both parts must be float32 or both float64: \(x.summary), \(y.summary)")
        }
        return try kernel.run([x, y], types: (x.dtype.toComplex, x.dtype.toComplex))
    }

    /// The elements as pairs of real numbers in a last dim of size 2, in the same memory.
    static func asReal(_ x: Tensor) throws(CressetError) -> Tensor {
        let op = "aten::view_as_real"
        try x.checkValid(op)
        guard x.dtype.isComplex else {
            throw CressetError(.dtype, op: op, "only complex tensors consist of pairs; this is \(x.summary)")
        }
        guard x.ndim < maxRank else {
            throw CressetError(.shape, op: op, "\(x.summary) has no room for another dim: ranks end at \(maxRank)")
        }
        let pairs = Operand(x).pairs
        return x.view(op, pairs.shape, pairs.strides, offset: pairs.offset, dtype: pairs.dtype) {
            (g) throws(CressetError) in try fromReal(g)
        }
    }

    /// Pairs of real numbers in a last dim of size 2 as complex numbers, in the same memory.
    static func asComplex(_ x: Tensor) throws(CressetError) -> Tensor {
        let op = "aten::view_as_complex"
        try x.checkValid(op)
        func refuse(_ kind: CressetError.Kind, _ why: String) -> CressetError {
            CressetError(kind, op: op, "\(why): \(x.summary) with strides \(x.strides) from \(x.storageOffset)")
        }
        guard x.dtype == .float32 || x.dtype == .float64 else {
            throw refuse(.dtype, "only float32 and float64 can be parts of complex numbers")
        }
        guard x.ndim > 0, x.shape[x.ndim - 1] == 2 else { throw refuse(.shape, "the last dim must have size 2") }
        guard x.strides[x.ndim - 1] == 1 else {
            throw refuse(.shape, "the numbers of a pair must be neighbours (a stride of 1 along the last dim)")
        }
        guard x.strides.dropLast().allSatisfy({ $0 % 2 == 0 }), x.storageOffset % 2 == 0 else {
            throw refuse(.shape, "pairs must begin at even places: all other strides and the offset must be even")
        }
        let strides = Shape(x.strides.dropLast().map { $0 / 2 })
        return x.view(
            op, Shape(x.shape.dropLast()), strides, offset: x.storageOffset / 2, dtype: x.dtype.toComplex
        ) { (g) throws(CressetError) in try asReal(g) }
    }

    /// What `body` gives for the numbers of complex tensors, as complex tensors again: for what treats both
    /// parts alike, and leaves their dim, the last, as it is. Nothing is recorded.
    static func asPairs(
        _ inputs: [Tensor], _ body: ([Tensor]) throws(CressetError) -> [Tensor]
    ) throws(CressetError) -> [Tensor] {
        if inputs.allSatisfy({ $0.ndim < maxRank }) {
            return try body(inputs.map { Operand($0).pairs.tensor }).map { (x) throws(CressetError) in
                try asComplex(x).detach()
            }
        }
        // No room for the dim: one part after the other.
        let (re, im) = (
            try body(inputs.map { Operand($0).parts[0].tensor }), try body(inputs.map { Operand($0).parts[1].tensor })
        )
        return try zip(re, im).map { (pair) throws(CressetError) in try make(pair.0, pair.1) }
    }

    /// `asComplex` of a copy, where the strides do not allow a view.
    private static func fromReal(_ g: Tensor) throws(CressetError) -> Tensor {
        let d = g.ndim - 1
        let isPaired =
            g.strides[d] == 1 && g.storageOffset % 2 == 0 && g.strides.dropLast().allSatisfy { $0 % 2 == 0 }
        return try asComplex(isPaired ? g : g.clone())
    }

    /// The real (imaginary) parts, in the same memory.
    static func part(_ x: Tensor, _ k: Int) throws(CressetError) -> Tensor {
        let op = k == 0 ? "aten::real" : "aten::imag"
        try x.checkValid(op)
        guard x.dtype.isComplex else {
            if k == 0 { return x }
            throw CressetError(.dtype, op: op, "only complex tensors have imaginary parts; this is \(x.summary)")
        }
        let part = Operand(x).parts[k]
        return x.view(op, part.shape, part.strides, offset: part.offset, dtype: part.dtype) {
            (g) throws(CressetError) in
            let zeros = try Tensor.filled(g.shape, 0, dtype: g.dtype, on: g.runtime, op: op)
            return try k == 0 ? make(g, zeros) : make(zeros, g)
        }
    }

    /// The conjugates; real numbers are their own, and come back as they are.
    static func conjugate(_ x: Tensor) throws(CressetError) -> Tensor { x.dtype.isComplex ? try Ops.conj(x) : x }
}

extension Tensor {
    /// True for complex64 and complex128.
    public var isComplex: Bool { dtype.isComplex }
    /// True for the floating-point dtypes, which complex ones are not.
    public var isFloatingPoint: Bool { dtype.isFloatingPoint }

    /// The tensor of complex numbers with these real and imaginary parts.
    public static func complex(_ real: Tensor, _ imag: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try ComplexNumbers.make(real, imag) }
    }
    /// The tensor of complex numbers with these magnitudes and angles.
    public static func polar(_ abs: Tensor, _ angle: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try ComplexNumbers.polar(abs, angle) }
    }
    /// A view of complex numbers as pairs of real ones in a last dim of size 2.
    public func viewAsReal() -> Tensor { trapping { () throws(CressetError) in try ComplexNumbers.asReal(self) } }
    /// A view of pairs in a last dim of size 2 as complex numbers.
    public func viewAsComplex() -> Tensor {
        trapping { () throws(CressetError) in try ComplexNumbers.asComplex(self) }
    }
    /// A view of the real parts; a real tensor is itself.
    public var real: Tensor { trapping { () throws(CressetError) in try ComplexNumbers.part(self, 0) } }
    /// A view of the imaginary parts.
    public var imag: Tensor { trapping { () throws(CressetError) in try ComplexNumbers.part(self, 1) } }
    /// The complex conjugates; a real tensor is itself.
    public func conj() -> Tensor { trapping { () throws(CressetError) in try ComplexNumbers.conjugate(self) } }
    /// The complex conjugates, always computed: as here `conj` is never put off, the same as that.
    public func conjPhysical() -> Tensor { conj() }
    /// The tensor itself: no conjugation is ever put off.
    public func resolveConj() -> Tensor { self }
    /// The tensor itself: no negation is ever put off.
    public func resolveNeg() -> Tensor { self }
    /// z/|z|, and 0 at 0: the sign of a real number.
    public func sgn() -> Tensor { trapping { () throws(CressetError) in try Ops.sgn(self) } }
    /// The angle to the positive real axis.
    public func angle() -> Tensor { trapping { () throws(CressetError) in try Ops.angle(self) } }
    /// True where the imaginary part is 0.
    public func isreal() -> Tensor { trapping { () throws(CressetError) in try Ops.isreal(self) } }
}

// MARK: Declarations

extension Operators {
    private static let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3]]

    private static func unary(
        _ schema: String, dtypes: Set<DType>, composition: [String] = [],
        _ body: @escaping @Sendable (Tensor) throws(CressetError) -> Tensor
    ) -> Operator {
        Operator(
            schema, dtypes: dtypes, composition: composition,
            samples: { g in shapes.map { Sample([.tensor(g.tensor($0))]) } },
            call: { (a) throws(CressetError) in [.tensor(try body(try a.tensor("self")))] })
    }

    private static func pair(
        _ schema: String, _ names: (String, String), low: Double,
        _ body: @escaping @Sendable (Tensor, Tensor) throws(CressetError) -> Tensor
    ) -> Operator {
        Operator(
            schema, dtypes: [.float32, .float64], composition: ["pointwise"],
            samples: { g in
                [([4, 5], [4, 5]), ([3, 1], [4]), ([], []), ([0, 3], [3])].map { (x: Shape, y: Shape) in
                    Sample([.tensor(g.tensor(x, low, 4)), .tensor(g.tensor(y))])
                }
            },
            call: { (a) throws(CressetError) in [.tensor(try body(try a.tensor(names.0), try a.tensor(names.1)))] })
    }

    static let complexNumbers: [Operator] =
        Ops.complexUnary.map(\.declaration) + [
            pair("complex(Tensor real, Tensor imag) -> Tensor", ("real", "imag"), low: -4, ComplexNumbers.make),
            pair("polar(Tensor abs, Tensor angle) -> Tensor", ("abs", "angle"), low: 0, ComplexNumbers.polar),
            unary("view_as_real(Tensor(a) self) -> Tensor(a)", dtypes: .complex, ComplexNumbers.asReal),
            Operator(
                "view_as_complex(Tensor(a) self) -> Tensor(a)", dtypes: [.float32, .float64], composition: [],
                readsMemory: true,
                samples: { g in [[4, 5, 2], [3, 2], [2], [0, 2]].map { Sample([.tensor(g.tensor($0))]) } },
                call: { (a) throws(CressetError) in [.tensor(try ComplexNumbers.asComplex(try a.tensor("self")))] }),
            unary("real(Tensor(a) self) -> Tensor(a)", dtypes: .all) { (x) throws(CressetError) in
                try ComplexNumbers.part(x, 0)
            },
            unary("imag(Tensor(a) self) -> Tensor(a)", dtypes: .complex) { (x) throws(CressetError) in
                try ComplexNumbers.part(x, 1)
            },
            unary("conj(Tensor(a) self) -> Tensor(a)", dtypes: .all, ComplexNumbers.conjugate),
            unary("resolve_conj(Tensor(a) self) -> Tensor(a)", dtypes: .all) { (x) throws(CressetError) in x },
            unary("resolve_neg(Tensor(a) self) -> Tensor(a)", dtypes: .all) { (x) throws(CressetError) in x },
        ]
}
