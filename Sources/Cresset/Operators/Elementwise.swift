/// Declarations of operations on each element of one or two tensors.
///
/// One line declares the operation: its schema, type rule, meaning and the range its samples come
/// from. Kernel, derivative, call by name, in-place form and samples follow.
final class Unary: Sendable {
    let kernel: Pointwise
    /// Bit d: it is meant for the dtype of raw value d.
    private let dtypeMask: UInt32
    private let boolAs: DType?
    let declaration: Operator

    /// - Parameters:
    ///   - name: without "aten::".
    ///   - dtypes: what it is meant for.
    ///   - argument: PyTorch's name of the tensor.
    ///   - boolAs: what bool is converted to first, where it is not among those.
    ///   - samples: range of the sample values, as wide as is interesting.
    ///   - complex: the meaning for a complex element; without one it has none for complex dtypes.
    ///   - body: the meaning for one element.
    init(
        _ name: String, _ rule: TypeRule, _ dtypes: Set<DType> = .real, boolAs: DType? = nil,
        argument: String = "self", samples: ClosedRange<Double> = -4...4,
        differentiable: Bool = true, derivative: (@Sendable (Pointwise.Context) -> Expr)? = nil,
        complex: ComplexMeaning? = nil, body: @escaping @Sendable (Expr) -> Expr
    ) {
        let dtypes = complex == nil ? dtypes : dtypes.union(Set<DType>.complex)
        var explicit: (@Sendable (Int, Pointwise.Context) -> Expr?)?
        if let derivative { explicit = { _, context in derivative(context) } }
        let kernel = Pointwise("aten::" + name, rule, derivative: explicit, complex: complex) { body($0.inputs[0]) }
        self.kernel = kernel
        let mask = dtypes.mask
        dtypeMask = mask
        self.boolAs = boolAs
        declaration = Operator(
            "\(name)(Tensor \(argument)) -> Tensor", dtypes: dtypes, composition: ["pointwise"],
            isDifferentiable: differentiable && rule != .compare,
            samples: { g in
                let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3], [33]]
                return shapes.map { shape in
                    Sample([Value.tensor(g.tensor(shape, samples.lowerBound, samples.upperBound))])
                }
            },
            errors: { g in Self.errors(&g, boolAs == nil ? dtypes : dtypes.union([.bool]), argument) },
            call: { (a) throws(CressetError) in [.tensor(try Self.call(kernel, mask, boolAs, try a.tensor(argument)))] }
        )
    }

    /// What is no tensor, and a dtype that the operation is not meant for.
    private static func errors(
        _ g: inout SampleMaker, _ dtypes: Set<DType>, _ argument: String
    ) -> [ErrorSample] {
        let foreign = [DType.bool, .int64, .float32].first { !dtypes.contains($0) }
        return [ErrorSample([3], "argument \(argument) must be a tensor")]
            + (foreign.map { [ErrorSample([.tensor(g.tensor([2], dtype: $0))], "is not defined for", "\($0)")] } ?? [])
    }

    func callAsFunction(_ x: Tensor) throws(CressetError) -> Tensor { try Self.call(kernel, dtypeMask, boolAs, x) }

    /// Throws where the operation is not meant for the tensor's dtype.
    func check(_ x: Tensor) throws(CressetError) { try Self.check(kernel, dtypeMask, x) }

    @inline(__always)
    private static func call(
        _ kernel: Pointwise, _ mask: UInt32, _ boolAs: DType?, _ x: Tensor
    ) throws(CressetError) -> Tensor {
        if let boolAs, x.dtype == .bool { return try kernel(try x.converted(to: boolAs)) }
        try check(kernel, mask, x)
        return try kernel(x)
    }

    @inline(__always)
    private static func check(_ kernel: Pointwise, _ mask: UInt32, _ x: Tensor) throws(CressetError) {
        guard mask & 1 << UInt32(x.dtype.rawValue) != 0 || x.isInvalid else {
            throw CressetError(.dtype, op: kernel.name.text, "is not defined for \(x.summary)")
        }
    }
}

final class Binary: Sendable {
    let kernel: Pointwise
    /// The second (first) operand is a number.
    let scalarSecond: Pointwise
    let scalarFirst: Pointwise
    /// Bit d: it computes in the dtype of raw value d. The last bit: it takes no operand of another dtype either.
    private let dtypeMask: UInt32
    private static let strictBit: UInt32 = 1 << 31
    let declarations: [Operator]

    /// - Parameters:
    ///   - name: without overload; `overloads` are those of the tensor and the scalar form, nil if
    ///     there is none.
    ///   - firstOverload: that of the form whose first operand is a number, if there is one.
    ///   - second: PyTorch's name of the second operand.
    ///   - strict: each operand's dtype must be among `dtypes`, not only what they promote to.
    ///   - scaled: the same with the second operand times a number, where PyTorch has an `alpha`.
    ///   - body: the meaning for two elements, which knows the computation dtype.
    init(
        _ name: String, _ rule: TypeRule, _ dtypes: Set<DType> = .real,
        overloads: (tensor: String, scalar: String?) = ("Tensor", "Scalar"), firstOverload: String? = nil,
        second secondName: String = "other", strict: Bool = false,
        scaled: Pointwise? = nil,
        samples: (ClosedRange<Double>, ClosedRange<Double>) = (-4...4, -4...4), differentiable: Bool = true,
        derivative: (@Sendable (Int, Pointwise.Context) -> Expr?)? = nil, complex: ComplexBinary? = nil,
        body: @escaping @Sendable (Expr, Expr, DType) -> Expr
    ) {
        let dtypes = complex == nil ? dtypes : dtypes.union(Set<DType>.complex)
        let tensorName = overloads.tensor.isEmpty ? name : name + "." + overloads.tensor
        let hasAlpha = scaled != nil
        let kernel = Pointwise(
            "aten::" + tensorName, rule, derivative: derivative, complex: complex?.meaning(.tensors),
            schema: { x, _ in x.map(Value.tensor) + (hasAlpha ? [1] : []) }
        ) { body($0.inputs[0], $0.inputs[1], $0.dtype) }
        let scalarName = overloads.scalar.map { name + "." + $0 } ?? tensorName
        // An explicit derivative sees a number as it would a second tensor.
        var toFirst: (@Sendable (Int, Pointwise.Context) -> Expr?)?
        var toSecond: (@Sendable (Int, Pointwise.Context) -> Expr?)?
        if let derivative {
            toFirst = { _, c in derivative(0, Self.between(c.inputs[0], c.scalars[0], c)) }
            toSecond = { _, c in derivative(1, Self.between(c.scalars[0], c.inputs[0], c)) }
        }
        let second = Pointwise(
            "aten::" + scalarName, rule,
            derivative: toFirst, complex: complex?.meaning(.scalarSecond),
            schema: { x, s in [.tensor(x[0]), .scalar(s[0])] + (hasAlpha ? [1] : []) }
        ) { body($0.inputs[0], $0.scalars[0], $0.dtype) }
        let scaledSecond = scaled.map { scaled in
            Pointwise("aten::" + scalarName, rule) { c in
                scaled.body(
                    Pointwise.Context(inputs: [c.inputs[0], c.scalars[0]], scalars: [c.scalars[1]], dtype: c.dtype))
            }
        }
        // Without such an overload the call is not one of the schema's.
        let firstSchema: Pointwise.Schema = { x, s in [.scalar(s[0]), .tensor(x[0])] }
        let firstName = firstOverload.map { name + "." + $0 }
        let first = Pointwise(
            "aten::" + (firstName ?? scalarName), rule,
            derivative: toSecond, complex: complex?.meaning(.scalarFirst),
            schema: firstName == nil ? nil : firstSchema
        ) { body($0.scalars[0], $0.inputs[0], $0.dtype) }
        let mask = dtypes.mask | (strict ? Self.strictBit : 0)
        self.kernel = kernel
        scalarSecond = second
        scalarFirst = first
        dtypeMask = mask
        let (a, b) = samples
        var declared = [
            Operator(
                "\(tensorName)(Tensor self, Tensor \(secondName)\(scaled == nil ? "" : ", *, Scalar alpha=1")) -> Tensor",
                dtypes: dtypes, composition: ["pointwise"],
                isDifferentiable: differentiable && rule != .compare,
                samples: { g in
                    let pairs: [(Shape, Shape)] = [
                        ([5, 7], [5, 7]), ([3, 1, 5], [4, 1]), ([6], []), ([], []), ([0, 4], [1, 4]), ([2, 3, 4], [4]),
                    ]
                    func sample(_ x: Shape, _ y: Shape) -> [Value] {
                        [
                            .tensor(g.tensor(x, a.lowerBound, a.upperBound)),
                            .tensor(g.tensor(y, b.lowerBound, b.upperBound)),
                        ]
                    }
                    let samples = pairs.map { Sample(sample($0, $1)) }
                    return scaled == nil ? samples : samples + [Sample(sample([4, 6], [6]) + [2])]
                },
                errors: { g in Self.errors(&g, dtypes) },
                call: { (arguments) throws(CressetError) in
                    let (x, y) = (try arguments.tensor("self"), try arguments.tensor(secondName))
                    try Self.check(kernel, mask, x, y)
                    if let scaled {
                        let alpha = try arguments.scalar("alpha")
                        if !alpha.isOne { return [.tensor(try scaled.run([x, y], [alpha], promoting: []))] }
                    }
                    return [.tensor(try kernel(x, y))]
                })
        ]
        if overloads.scalar != nil {
            declared.append(
                Operator(
                    "\(scalarName)(Tensor self, Scalar \(secondName)\(scaled == nil ? "" : ", Scalar alpha=1")) -> Tensor",
                    dtypes: dtypes,
                    composition: ["pointwise"],
                    isDifferentiable: differentiable && rule != .compare,
                    samples: { g in
                        // A fraction makes integers floats, which not every operation takes.
                        let fractions: [Scalar] = dtypes.contains(.float32) ? [.double(b.upperBound / 2)] : []
                        let scalars: [Scalar] = [.int(3), .int(1)] + fractions
                        let shapes: [Shape] = [[], [0, 3]]
                        return scalars.map { scalar in
                            Sample([.tensor(g.tensor([4, 6], a.lowerBound, a.upperBound)), .scalar(scalar)])
                        }
                            + shapes.map { shape in
                                Sample([.tensor(g.tensor(shape, a.lowerBound, a.upperBound)), 2])
                            }
                    },
                    errors: { g in
                        [ErrorSample([.tensor(g.tensor([2])), "two"], "argument \(secondName) must be a number")]
                    },
                    call: { (arguments) throws(CressetError) in
                        let (x, y) = (try arguments.tensor("self"), try arguments.scalar(secondName))
                        try Self.check(second, mask, x, y)
                        guard let scaledSecond else { return [.tensor(try second(x, scalars: y))] }
                        let alpha = try arguments.scalar("alpha")
                        let dtype = Promotion.result([x], [y])
                        if let scaled, dtype.isComplex {
                            let number = try Tensor.filled([], y, dtype: dtype, on: x.runtime, op: scalarName)
                            return [.tensor(try scaled.run([x, number], [alpha], promoting: []))]
                        }
                        return [
                            .tensor(
                                alpha.isOne
                                    ? try second(x, scalars: y)
                                    : try scaledSecond.run([x], [y, alpha], promoting: [y]))
                        ]
                    }))
        }
        if let firstName {
            declared.append(
                Operator(
                    "\(firstName)(Scalar self, Tensor \(secondName)) -> Tensor", dtypes: dtypes,
                    composition: ["pointwise"], isDifferentiable: differentiable && rule != .compare,
                    samples: { g in
                        let shapes: [Shape] = [[4, 6], [], [0, 3]]
                        return shapes.map { Sample([2, .tensor(g.tensor($0, b.lowerBound, b.upperBound))]) }
                    },
                    errors: { _ in [ErrorSample([2, 3], "argument \(secondName) must be a tensor")] },
                    call: { (arguments) throws(CressetError) in
                        let (x, y) = (try arguments.scalar("self"), try arguments.tensor(secondName))
                        try Self.check(first, mask, y, x)
                        return [.tensor(try first(y, scalars: x))]
                    }))
        }
        declarations = declared
    }

    func callAsFunction(_ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor {
        try Self.check(kernel, dtypeMask, x, y)
        return try kernel(x, y)
    }
    func callAsFunction(_ x: Tensor, _ y: Scalar) throws(CressetError) -> Tensor {
        try Self.check(scalarSecond, dtypeMask, x, y)
        return try scalarSecond(x, scalars: y)
    }
    func callAsFunction(_ x: Scalar, _ y: Tensor) throws(CressetError) -> Tensor {
        try Self.check(scalarFirst, dtypeMask, y, x)
        return try scalarFirst(y, scalars: x)
    }

    /// The two operands as they were two inputs, for a derivative.
    private static func between(_ a: Expr, _ b: Expr, _ c: Pointwise.Context) -> Pointwise.Context {
        Pointwise.Context(inputs: [a, b], scalars: [], dtype: c.dtype)
    }

    /// Shapes that do not broadcast, and a dtype that the operation is not meant for.
    private static func errors(_ g: inout SampleMaker, _ dtypes: Set<DType>) -> [ErrorSample] {
        let (x, y) = (Value.tensor(g.tensor([2, 3])), Value.tensor(g.tensor([4])))
        let shapes = ErrorSample([x, y], "the shapes do not broadcast", "[2, 3]")
        let foreign = [DType.bool, .float32].first { !dtypes.contains($0) }
        guard let foreign else { return [shapes] }
        let z = Value.tensor(g.tensor([2], dtype: foreign))
        return [shapes, ErrorSample([z, z], "is not defined for", "\(foreign)")]
    }

    /// Throws where the operation does not compute in the dtype that the operands promote to.
    @inline(__always)
    func check(_ x: Tensor, _ y: Tensor) throws(CressetError) { try Self.check(kernel, dtypeMask, x, y) }
    @inline(__always)
    func check(_ x: Tensor, _ y: Scalar) throws(CressetError) { try Self.check(scalarSecond, dtypeMask, x, y) }

    @inline(__always)
    private static func check(_ kernel: Pointwise, _ mask: UInt32, _ x: Tensor, _ y: Tensor) throws(CressetError) {
        if x.dtype == y.dtype && mask & 1 << UInt32(x.dtype.rawValue) != 0 || x.isInvalid || y.isInvalid { return }
        if mask & strictBit != 0 {
            for operand in [x, y] { try operand.checkDType(mask, op: kernel.name.text) }
        }
        try check(kernel, mask, Promotion.result([x, y]), "\(x.summary), \(y.summary)")
    }

    @inline(__always)
    private static func check(_ kernel: Pointwise, _ mask: UInt32, _ x: Tensor, _ y: Scalar) throws(CressetError) {
        if x.isInvalid { return }
        if mask & strictBit != 0 { try x.checkDType(mask, op: kernel.name.text) }
        try check(kernel, mask, Promotion.result([x], [y]), "\(x.summary) and the number \(y)")
    }

    @inline(__always)
    private static func check(
        _ kernel: Pointwise, _ mask: UInt32, _ dtype: DType, _ operands: @autoclosure () -> String
    ) throws(CressetError) {
        // (Complex numbers are refused, or taken, by the kernel itself.)
        guard mask & 1 << UInt32(dtype.rawValue) != 0 || dtype.isComplex else {
            throw CressetError(.dtype, op: kernel.name.text, "is not defined for \(dtype): \(operands())")
        }
    }
}

extension Set<DType> {
    /// Bit d: the dtype of raw value d is among them.
    var mask: UInt32 { reduce(0) { $0 | 1 << UInt32($1.rawValue) } }
}

/// The declared elementwise operations; each is in the file of its family.
enum Ops {}
