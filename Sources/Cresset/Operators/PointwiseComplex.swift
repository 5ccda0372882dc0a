import BackendKit
import CBackend

/// What a pointwise operation means for complex numbers, beside its meaning for real ones.
///
/// A complex launch is one program over the parts: two real inputs for a complex one, two results. So
/// every backend has it, and the derivative is that of the pair, found as for real numbers.
struct ComplexMeaning: Sendable {
    /// What the expression is made from, as `Pointwise.Context` for real numbers.
    struct Context {
        /// Real ones have an imaginary part of 0.
        var inputs: [ComplexExpr]
        var scalars: [ComplexExpr]
        /// After promotion; real where complex numbers are converted to it.
        var dtype: DType
        /// Stands for the operation's own result, in explicit derivatives.
        var result: ComplexExpr
        /// The incoming gradient, in explicit derivatives.
        var grad: ComplexExpr
    }

    enum Body: Sendable {
        case parts
        case value(@Sendable (Context) -> ComplexExpr)
        case real(@Sendable (Context) -> Expr)
    }

    let body: Body
    /// An explicit derivative by input, where that of the pair is worse.
    private(set) var derivative: (@Sendable (Int, Context) -> ComplexExpr?)?

    /// The real meaning, for the real and for the imaginary parts: sums, copies, choices.
    static let parts = ComplexMeaning(body: .parts)

    /// A complex result.
    static func value(
        derivative: (@Sendable (Int, Context) -> ComplexExpr?)? = nil,
        _ body: @escaping @Sendable (Context) -> ComplexExpr
    ) -> ComplexMeaning {
        ComplexMeaning(body: .value(body), derivative: derivative)
    }

    /// A real result, of the dtype of the parts (or bool, of a comparison).
    static func real(
        derivative: (@Sendable (Int, Context) -> ComplexExpr?)? = nil, _ body: @escaping @Sendable (Context) -> Expr
    ) -> ComplexMeaning {
        ComplexMeaning(body: .real(body), derivative: derivative)
    }

    /// A function of one number.
    ///
    /// - Parameter slope: its complex derivative f′, where the pair's own goes through forms made for the
    ///   value's accuracy: the gradient is g·conj(f′).
    static func function(
        _ body: @escaping @Sendable (ComplexExpr) -> ComplexExpr,
        slope: (@Sendable (_ z: ComplexExpr, _ result: ComplexExpr) -> ComplexExpr)? = nil
    ) -> ComplexMeaning {
        guard let slope else { return .value { body($0.inputs[0]) } }
        return .value(
            derivative: { _, c in c.grad * slope(c.inputs[0], c.result).conjugate },
            { body($0.inputs[0]) })
    }

    /// A real property of one number.
    static func property(_ body: @escaping @Sendable (ComplexExpr) -> Expr) -> ComplexMeaning {
        .real { body($0.inputs[0]) }
    }

    var isReal: Bool { if case .real = body { true } else { false } }

    /// The expression; that of a real result has no imaginary part.
    func callAsFunction(_ context: Context, of kernel: Pointwise) -> ComplexExpr {
        switch body {
        case .value(let value): return value(context)
        case .real(let value): return ComplexExpr(value(context))
        case .parts:
            let dtype = context.dtype.toReal
            // Conditions, sizes and the like are the same for both parts.
            func part(_ path: (ComplexExpr) -> Expr) -> Expr {
                kernel.body(
                    Pointwise.Context(
                        inputs: context.inputs.enumerated().map { kernel.promotes($0) ? path($1) : $1.re },
                        scalars: context.scalars.map { kernel.hasOwnScalarTypes ? $0.re : path($0) }, dtype: dtype))
            }
            return ComplexExpr(part { $0.re }, part { $0.im })
        }
    }
}

/// What an operation on two numbers means for complex ones.
struct ComplexBinary: Sendable {
    enum Body: Sendable {
        case parts
        case value(@Sendable (ComplexExpr, ComplexExpr) -> ComplexExpr)
        case real(@Sendable (ComplexExpr, ComplexExpr) -> Expr)
    }
    typealias Slope = @Sendable (_ i: Int, _ a: ComplexExpr, _ b: ComplexExpr, _ result: ComplexExpr) -> ComplexExpr
    private let body: Body
    /// The complex derivative by operand i, as in `ComplexMeaning.function`.
    private var slope: Slope?

    static let parts = ComplexBinary(body: .parts)
    static func value(
        slope: Slope? = nil, _ body: @escaping @Sendable (ComplexExpr, ComplexExpr) -> ComplexExpr
    ) -> ComplexBinary {
        ComplexBinary(body: .value(body), slope: slope)
    }
    static func real(_ body: @escaping @Sendable (ComplexExpr, ComplexExpr) -> Expr) -> ComplexBinary {
        ComplexBinary(body: .real(body))
    }

    /// Which operands are tensors; the other is a number.
    enum Form { case tensors, scalarSecond, scalarFirst }

    func meaning(_ form: Form) -> ComplexMeaning {
        let operands: @Sendable (ComplexMeaning.Context) -> (ComplexExpr, ComplexExpr) = { c in
            switch form {
            case .tensors: (c.inputs[0], c.inputs[1])
            case .scalarSecond: (c.inputs[0], c.scalars[0])
            case .scalarFirst: (c.scalars[0], c.inputs[0])
            }
        }
        switch body {
        case .parts: return .parts
        case .real(let body):
            return .real { c in
                let (a, b) = operands(c)
                return body(a, b)
            }
        case .value(let body):
            var derivative: (@Sendable (Int, ComplexMeaning.Context) -> ComplexExpr?)?
            if let slope {
                derivative = { i, c in
                    let (a, b) = operands(c)
                    return c.grad * slope(form == .scalarFirst ? 1 : i, a, b, c.result).conjugate
                }
            }
            return .value(derivative: derivative) { c in
                let (a, b) = operands(c)
                return body(a, b)
            }
        }
    }
}

// MARK: Programs

extension Pointwise {
    /// True where a launch is one of pairs.
    static func isComplex(_ inputs: [DType], _ compute: DType) -> Bool {
        compute.isComplex || inputs.contains(where: \.isComplex)
    }

    /// Throws where complex numbers take part and the operation is not defined for them.
    func checkComplex(_ inputs: [Tensor], _ compute: DType) throws(CressetError) {
        guard complex == nil, compute.isComplex || inputs.contains(where: \.dtype.isComplex) else { return }
        throw CressetError(
            .dtype, op: text, "is not defined for complex numbers: \(inputs.map(\.summary).joined(separator: ", "))")
    }

    /// The program over the parts of the inputs; a complex result is two outputs.
    func complexProgram(
        _ meaning: ComplexMeaning, inputs: [DType], compute: DType, output: DType, scalars: Int
    ) -> Program {
        var slot = 0
        let loaded = inputs.enumerated().map { i, dtype -> ComplexExpr in
            func load(_ part: DType) -> Expr {
                defer { slot += 1 }
                return Expr(.input(slot, part), part.arithmetic)
            }
            let re = load(dtype.toReal)
            let z = dtype.isComplex ? ComplexExpr(re, load(dtype.toReal)) : ComplexExpr(re)
            guard promotes(i) && dtype != compute else { return z }
            // A complex number is true where any part is not 0; as another real number it is its real part.
            if compute == .bool { return ComplexExpr(z.isNonzero) }
            let narrowed = z.cast(to: compute.arithmetic)
            return compute.isComplex ? narrowed : ComplexExpr(narrowed.re.narrow(to: compute))
        }
        let context = ComplexMeaning.Context(
            inputs: loaded, scalars: complexScalars(scalars, compute), dtype: compute,
            result: Self.pair(-1, compute.toReal), grad: Self.pair(-2, compute.toReal))
        let value = meaning(context, of: self)
        let part = output.toReal
        return Expr.program(output.isComplex ? [(value.re, part), (value.im, part)] : [(value.re, part)])
    }

    /// Parameters: those of the computation's type are pairs where that is complex.
    private func complexScalars(_ count: Int, _ compute: DType) -> [ComplexExpr] {
        var slot = 0
        return (0..<count).map { i in
            func param() -> Expr {
                defer { slot += 1 }
                let type = scalarType(i, compute)
                return Expr(.param(slot, type), type)
            }
            let re = param()
            return isPair(i, compute) ? ComplexExpr(re, param()) : ComplexExpr(re)
        }
    }

    /// True where scalar `i` is given by two parameters.
    private func isPair(_ i: Int, _ compute: DType) -> Bool { compute.isComplex && !hasOwnScalarTypes }

    /// The launch parameters of these numbers.
    func parameters(_ scalars: [Scalar], _ compiled: Compiled) -> [CressetScalar] {
        var params: [CressetScalar] = []
        params.reserveCapacity(scalars.count)
        for (i, scalar) in scalars.enumerated() {
            params.append(scalar.param(compiled.scalarTypes[i]))
            if isPair(i, compiled.compute) {
                params.append(Scalar.double(scalar.imaginaryValue).param(compiled.scalarTypes[i]))
            }
        }
        return params
    }
}

// MARK: Gradients

extension Pointwise {
    /// Stands for the parts of input k while derivatives are made: inputs 2k and 2k + 1.
    private static func pair(_ k: Int, _ part: DType) -> ComplexExpr {
        ComplexExpr(
            Expr(.input(2 * k, part), part.arithmetic), Expr(.input(2 * k + 1, part), part.arithmetic))
    }

    /// The kernel of one input's gradient, ∂L/∂re + i·∂L/∂im; nil where it is zero.
    func complexGradient(
        _ meaning: ComplexMeaning, of i: Int, inputs dtypes: [DType], compute: DType, scalars: Int
    ) -> Gradient? {
        let part = compute.toReal
        let context = ComplexMeaning.Context(
            inputs: dtypes.enumerated().map { k, dtype in
                let seen = promotes(k) ? part : dtype.toReal
                return dtype.isComplex
                    ? Self.pair(k, seen) : ComplexExpr(Expr(.input(2 * k, seen), seen.arithmetic))
            },
            scalars: complexScalars(scalars, compute), dtype: compute, result: Self.pair(-1, part),
            grad: meaning.isReal ? ComplexExpr(Self.pair(-2, part).re) : Self.pair(-2, part))
        guard let gradient = pairGradient(meaning, context, of: i, isComplex: dtypes[i].isComplex) else { return nil }
        let used = Set(gradient.re.usedInputs.union(gradient.im.usedInputs).map { $0 >> 1 })
        let usesInput = dtypes.indices.filter { used.contains($0) }
        let usesResult = used.contains(-1)
        let kernel = Pointwise(
            text + ".grad\(i)", .explicit,
            promotes: { [promotes] place in
                place == 0 || place > usesInput.count ? true : promotes(usesInput[place - 1])
            },
            scalarType: hasOwnScalarTypes ? scalarType : nil,
            complex: .value { context in
                var map: [Int: Expr] = [:]
                func put(_ k: Int, _ z: ComplexExpr) { (map[2 * k], map[2 * k + 1]) = (z.re, z.im) }
                put(-2, context.inputs[0])
                for (place, k) in usesInput.enumerated() { put(k, context.inputs[place + 1]) }
                if usesResult { put(-1, context.inputs[usesInput.count + 1]) }
                return ComplexExpr(gradient.re.replacing(inputs: map), gradient.im.replacing(inputs: map))
            },
            // Only ever computed in complex numbers.
            body: { $0.inputs[0] })
        return Gradient(usesInput: usesInput, usesResult: usesResult, kernel: kernel)
    }

    private func pairGradient(
        _ meaning: ComplexMeaning, _ context: ComplexMeaning.Context, of i: Int, isComplex: Bool
    ) -> ComplexExpr? {
        if let explicit = meaning.derivative?(i, context) { return explicit }
        let type = context.dtype.arithmetic
        let value = meaning(context, of: self)
        let root = ComplexExpr(value.re.typed(type), value.im.typed(type))
        let roots =
            meaning.isReal ? [(root.re, context.grad.re)] : [(root.re, context.grad.re), (root.im, context.grad.im)]
        let adjoints = Derivative.adjoints(of: roots, inputs: isComplex ? [2 * i, 2 * i + 1] : [2 * i])
        if adjoints.isEmpty { return nil }
        // The result was saved anyway: use it rather than compute it again.
        func known(_ x: Expr?) -> Expr {
            guard let x else { return Expr(0, type) }
            let replaced = x.replacing(root.re, with: context.result.re)
            return meaning.isReal ? replaced : replaced.replacing(root.im, with: context.result.im)
        }
        return ComplexExpr(known(adjoints[2 * i]), known(adjoints[2 * i + 1]))
    }
}
