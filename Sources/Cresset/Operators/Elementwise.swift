/// Declarations of operations on each element of one or two tensors.
///
/// One line declares the operation: its schema, type rule, meaning and the range its samples come
/// from. Kernel, derivative, call by name, in-place form and samples follow.
final class Unary: Sendable {
    let kernel: Pointwise
    /// Bit d: it is meant for the dtype of raw value d.
    private let dtypeMask: UInt32
    let declaration: Operator

    /// - Parameters:
    ///   - name: without "aten::".
    ///   - dtypes: what it is meant for.
    ///   - samples: range of the sample values, as wide as is interesting.
    ///   - complex: the meaning for a complex element; without one it has none for complex dtypes.
    ///   - body: the meaning for one element.
    init(
        _ name: String, _ rule: TypeRule, _ dtypes: Set<DType> = .real, samples: ClosedRange<Double> = -4...4,
        differentiable: Bool = true, derivative: (@Sendable (Pointwise.Context) -> Expr)? = nil,
        complex: ComplexMeaning? = nil, body: @escaping @Sendable (Expr) -> Expr
    ) {
        let dtypes = complex == nil ? dtypes : dtypes.union(Set<DType>.complex)
        var explicit: (@Sendable (Int, Pointwise.Context) -> Expr?)?
        if let derivative { explicit = { _, context in derivative(context) } }
        let kernel = Pointwise("aten::" + name, rule, derivative: explicit, complex: complex) { body($0.inputs[0]) }
        self.kernel = kernel
        let mask = dtypes.reduce(UInt32(0)) { $0 | 1 << UInt32($1.rawValue) }
        dtypeMask = mask
        declaration = Operator(
            "\(name)(Tensor self) -> Tensor", dtypes: dtypes, composition: ["pointwise"],
            isDifferentiable: differentiable && rule != .compare,
            samples: { g in
                let shapes: [Shape] = [[5, 7], [3, 4, 5], [], [0, 3], [33]]
                return shapes.map { shape in
                    Sample([Value.tensor(g.tensor(shape, samples.lowerBound, samples.upperBound))])
                }
            },
            call: { (a) throws(CressetError) in [.tensor(try Self.call(kernel, mask, try a.tensor("self")))] })
    }

    func callAsFunction(_ x: Tensor) throws(CressetError) -> Tensor { try Self.call(kernel, dtypeMask, x) }

    /// Throws where the operation is not meant for the tensor's dtype.
    func check(_ x: Tensor) throws(CressetError) { try Self.check(kernel, dtypeMask, x) }

    @inline(__always)
    private static func call(_ kernel: Pointwise, _ mask: UInt32, _ x: Tensor) throws(CressetError) -> Tensor {
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
    let declarations: [Operator]

    /// - Parameters:
    ///   - name: without overload; `overloads` are those of the tensor and the scalar form, nil if
    ///     there is none.
    ///   - second: PyTorch's name of the second operand.
    ///   - scaled: the same with the second operand times a number, where PyTorch has an `alpha`.
    ///   - body: the meaning for two elements, which knows the computation dtype.
    init(
        _ name: String, _ rule: TypeRule, _ dtypes: Set<DType> = .real,
        overloads: (tensor: String, scalar: String?) = ("Tensor", "Scalar"), second secondName: String = "other",
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
        let second = Pointwise("aten::" + scalarName, rule, complex: complex?.meaning(.scalarSecond)) {
            body($0.inputs[0], $0.scalars[0], $0.dtype)
        }
        let first = Pointwise(
            "aten::" + scalarName, rule, complex: complex?.meaning(.scalarFirst), schema: nil
        ) { body($0.scalars[0], $0.inputs[0], $0.dtype) }
        self.kernel = kernel
        scalarSecond = second
        scalarFirst = first
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
                call: { (arguments) throws(CressetError) in
                    let (x, y) = (try arguments.tensor("self"), try arguments.tensor(secondName))
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
                    "\(scalarName)(Tensor self, Scalar \(secondName)) -> Tensor", dtypes: dtypes,
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
                    call: { (arguments) throws(CressetError) in
                        let scalar = try arguments.scalar(secondName)
                        return [.tensor(try second(try arguments.tensor("self"), scalars: scalar))]
                    }))
        }
        declarations = declared
    }

    func callAsFunction(_ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor { try kernel(x, y) }
    func callAsFunction(_ x: Tensor, _ y: Scalar) throws(CressetError) -> Tensor { try scalarSecond(x, scalars: y) }
    func callAsFunction(_ x: Scalar, _ y: Tensor) throws(CressetError) -> Tensor { try scalarFirst(y, scalars: x) }
}

/// The declared elementwise operations; each is in the file of its family.
enum Ops {}
