import BackendKit

/// A pointwise operation of any tensors and numbers, declared by its schema.
///
/// The schema's tensors are the inputs of the expression and its numbers the scalars, both in order.
final class Parametric: Sendable {
    let kernel: Pointwise
    let declaration: Operator
    private let types: Types
    private let mask: UInt32
    private let check: @Sendable ([Scalar]) -> String?

    /// Whether the numbers of the schema take part in type promotion.
    enum Types: Sendable { case tensors, tensorsAndNumbers }

    /// - Parameters:
    ///   - dtypes: what it computes in.
    ///   - samples: range of the values of each tensor.
    ///   - numbers: values of the numbers, each set tried with all shapes.
    ///   - errors: what is wrong beyond shapes and dtypes.
    ///   - check: throws where the numbers break a rule.
    ///   - complex: the meaning for complex elements; without one it has none for complex dtypes.
    ///   - body: the meaning for one element.
    init(
        _ schema: String, _ rule: TypeRule, _ dtypes: Set<DType> = .floating, types: Types = .tensors,
        scalarType: (@Sendable (Int, DType) -> ArithmeticType)? = nil,
        samples: [ClosedRange<Double>] = [], numbers: [[Scalar]] = [[]], differentiable: Bool = true,
        errors: @escaping @Sendable (inout SampleMaker) -> [ErrorSample] = { _ in [] },
        check: @escaping @Sendable ([Scalar]) -> String? = { _ in nil },
        derivative: (@Sendable (Int, Pointwise.Context) -> Expr?)? = nil, complex: ComplexMeaning? = nil,
        body: @escaping @Sendable (Pointwise.Context) -> Expr
    ) {
        let dtypes = complex == nil ? dtypes : dtypes.union(Set<DType>.complex)
        let parsed = Schema(schema)
        let tensors = parsed.arguments.filter(\.isTensor)
        let scalars = parsed.arguments.filter { !$0.isTensor }
        let kernel = Pointwise(
            parsed.name, rule, scalarType: scalarType, derivative: derivative, complex: complex, body: body)
        let mask = dtypes.mask
        let ranges = tensors.indices.map { samples.indices.contains($0) ? samples[$0] : -4...4 }
        self.kernel = kernel
        self.types = types
        self.mask = mask
        self.check = check
        declaration = Operator(
            schema, dtypes: dtypes, composition: ["pointwise"], isDifferentiable: differentiable && rule != .compare,
            samples: { g in
                let shapes = Self.shapes[Swift.min(tensors.count, Self.shapes.count) - 1]
                return numbers.flatMap { numbers in
                    shapes.map { shapes in
                        Sample(
                            tensors.indices.map {
                                .tensor(g.tensor(shapes[$0], ranges[$0].lowerBound, ranges[$0].upperBound))
                            }
                                + numbers.map(Value.scalar))
                    }
                }
            },
            errors: { g in
                let rest = numbers[0].map(Value.scalar)
                var wrong = errors(&g)
                if tensors.count == 1 {
                    wrong.append(ErrorSample([3] + rest, "argument \(tensors[0].name) must be a tensor"))
                } else {
                    let first = Value.tensor(g.tensor([2, 3]))
                    let others = tensors.dropFirst().map { _ in Value.tensor(g.tensor([4])) }
                    wrong.append(ErrorSample([first] + others + rest, "the shapes do not broadcast", "[2, 3]"))
                }
                if let dtype = [DType.bool, .int64].first(where: { !dtypes.contains($0) }) {
                    let same = tensors.map { _ in Value.tensor(g.tensor([2], dtype: dtype)) }
                    wrong.append(ErrorSample(same + rest, "is not defined for", "\(dtype)"))
                }
                return wrong
            },
            call: { (a) throws(CressetError) in
                var inputs: [Tensor] = []
                for argument in tensors { inputs.append(try a.tensor(argument.name)) }
                var values: [Scalar] = []
                for argument in scalars { values.append(try a.scalar(argument.name)) }
                return [.tensor(try Self.call(kernel, mask, types, check, inputs, values))]
            })
    }

    /// Calls it with the schema's arguments in their order among tensors and among numbers.
    func callAsFunction(_ inputs: Tensor..., numbers: Scalar...) throws(CressetError) -> Tensor {
        try Self.call(kernel, mask, types, check, inputs, numbers)
    }

    /// Writes the result into `target`, the first of the inputs.
    fileprivate func replace(_ target: Tensor, _ others: [Tensor], _ numbers: [Scalar]) throws(CressetError) {
        try Self.check(kernel, mask, types, check, [target] + others, numbers)
        let (head, tail) = Self.inPlaceName(kernel.text)
        try kernel.run(
            inPlaceOf: target, head + "_" + tail, others, numbers, promoting: types == .tensors ? [] : numbers)
    }

    /// "aten::lerp", ".Scalar": what comes before and behind the underscore of the name in place.
    private static func inPlaceName(_ name: String) -> (Substring, Substring) {
        let dot = name.firstIndex(of: ".") ?? name.endIndex
        return (name[..<dot], name[dot...])
    }

    private static func call(
        _ kernel: Pointwise, _ mask: UInt32, _ types: Types, _ check: ([Scalar]) -> String?, _ inputs: [Tensor],
        _ numbers: [Scalar]
    ) throws(CressetError) -> Tensor {
        try Self.check(kernel, mask, types, check, inputs, numbers)
        return try kernel.run(inputs, numbers, promoting: types == .tensors ? [] : numbers)
    }

    private static func check(
        _ kernel: Pointwise, _ mask: UInt32, _ types: Types, _ check: ([Scalar]) -> String?, _ inputs: [Tensor],
        _ numbers: [Scalar]
    ) throws(CressetError) {
        for input in inputs { try input.checkValid(kernel.text) }
        let dtype = Promotion.result(inputs, types == .tensors ? [] : numbers)
        guard mask & 1 << UInt32(dtype.rawValue) != 0 || dtype.isComplex else {
            throw CressetError(
                .dtype, op: kernel.text,
                "is not defined for \(dtype): \(inputs.map(\.summary).joined(separator: ", "))")
        }
        if let wrong = check(numbers) { throw CressetError(.argument, op: kernel.text, wrong) }
    }

    /// Shapes of one, two, three tensors: equal, broadcast, without dims, without elements.
    private static let shapes: [[[Shape]]] = [
        [[[5, 7]], [[3, 4, 5]], [[]], [[0, 3]]],
        [[[5, 7], [5, 7]], [[3, 1, 5], [4, 1]], [[], []], [[0, 4], [1, 4]], [[2, 3, 4], [4]]],
        [
            [[5, 7], [5, 7], [5, 7]], [[3, 1, 5], [4, 1], [5]], [[], [], []], [[0, 4], [1, 4], [4]],
            [[2, 3, 4], [], [3, 1]],
        ],
    ]
}

extension Tensor {
    /// The result of an operation in place of this tensor's elements.
    @discardableResult
    func inPlace(_ operation: Parametric, _ others: Tensor..., numbers: Scalar...) -> Tensor {
        trapping { () throws(CressetError) in
            try operation.replace(self, others, numbers)
            return self
        }
    }
}
