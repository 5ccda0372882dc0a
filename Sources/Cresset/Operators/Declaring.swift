import BackendKit

/// An operation that is declared outside of the library: one declaration, from which follow its kernel on every
/// backend, its derivative, the call by name, its row of the coverage matrix and its conformance cases.
///
///     /// cap·tanh(x / cap), as in Gemma 2.
///     let softcapOperator = DeclaredOperator(
///         pointwise: "mylibrary::softcap(Tensor self, Scalar cap) -> Tensor", numbers: [[30], [0.5]]
///     ) { c in
///         c.scalars[0] * tanh(c.inputs[0] / c.scalars[0])
///     }
///     extension Tensor {
///         func softcap(_ cap: Double) -> Tensor { softcapOperator(.tensor(self), .scalar(.double(cap))) }
///     }
///
/// A global constant is declared when it is first used. What cannot be declared is an error of each of its calls.
public struct DeclaredOperator: Sendable {
    /// What was declared, or why it was refused.
    private let state: Result<Operator, CressetError>

    /// Everything that is known of it; nil if the declaration was refused.
    public var declaration: Operator? { try? state.get() }

    /// A function of single elements: the schema's tensors are the inputs of the expression and its numbers the
    /// scalars, both in order.
    ///
    /// - Parameters:
    ///   - schema: PyTorch's notation, with a namespace of your own.
    ///   - rule: how dtypes are promoted.
    ///   - dtypes: what it computes in.
    ///   - ranges: from which the samples' values are drawn, by tensor; −4 … 4 for those that are missing.
    ///   - numbers: values of the numbers in samples, each set tried with all shapes.
    ///   - errors: calls that must be refused, beyond wrong shapes and dtypes.
    ///   - check: what is wrong with the numbers of a call; nil if nothing is.
    ///   - derivative: by input, where the symbolic derivative of the body is numerically worse; nil takes that.
    ///   - body: the meaning for one element.
    public init(
        pointwise schema: String, rule: TypeRule = .promoteFloat, dtypes: Set<DType> = .floating,
        ranges: [ClosedRange<Double>] = [], numbers: [[Scalar]] = [[]],
        errors: @escaping @Sendable (inout SampleMaker) -> [ErrorSample] = { _ in [] },
        check: @escaping @Sendable ([Scalar]) -> String? = { _ in nil },
        derivative: (@Sendable (Int, PointwiseContext) -> Expr?)? = nil,
        body: @escaping @Sendable (PointwiseContext) -> Expr
    ) {
        state = Self.declare(schema) { schema in
            let arguments = Schema(schema).arguments
            let tensors = arguments.filter(\.isTensor).count
            guard (1...3).contains(tensors) else {
                return .failure(Self.refusal(schema, "a pointwise operation has 1 to 3 tensors, not \(tensors)"))
            }
            guard !numbers.isEmpty, numbers.allSatisfy({ $0.count == arguments.count - tensors }) else {
                return .failure(
                    Self.refusal(
                        schema, "each set of numbers must have \(arguments.count - tensors), as the schema has"))
            }
            return .success(
                Parametric(
                    schema, rule, dtypes, samples: ranges, numbers: numbers, errors: errors, check: check,
                    derivative: derivative, body: body
                ).declaration)
        }
    }

    /// An operation of one result that is made of others; its derivative is that of its parts.
    ///
    /// - Parameters:
    ///   - schema: PyTorch's notation, with a namespace of your own.
    ///   - dtypes: of the first tensor.
    ///   - parts: the operations it is made of, for the coverage matrix.
    ///   - samples: calls the conformance suite makes.
    ///   - errors: calls that must be refused.
    ///   - result: checks the arguments, and says what shape and dtype the result has.
    ///   - body: the result for arguments that are right.
    public init(
        composed schema: String, dtypes: Set<DType> = .floating, of parts: [String],
        samples: @escaping @Sendable (inout SampleMaker) -> [Sample],
        errors: @escaping @Sendable (inout SampleMaker) -> [ErrorSample],
        result: @escaping @Sendable (Arguments) throws(CressetError) -> (shape: Shape, dtype: DType),
        body: @escaping @Sendable (Arguments) throws(CressetError) -> Tensor
    ) {
        state = Self.declare(schema) { schema in
            guard !parts.isEmpty else {
                return .failure(Self.refusal(schema, "it says of no operation that it is made of it"))
            }
            return .success(
                Composed(schema, dtypes, of: parts, samples: samples, errors: errors) { (a) throws(CressetError) in
                    let (shape, dtype) = try result(a)
                    return ResultType(shape, dtype)
                } body: { (a) throws(CressetError) in
                    try body(a)
                }.declaration)
        }
    }

    /// Calls it with the schema's arguments, of which the last may be left to their defaults.
    public func callAsFunction(_ values: Value...) -> Tensor {
        trapping { () throws(CressetError) in
            let operation = try state.get()
            let results = try operation.call(try operation.schema.bind(values))
            guard case .tensor(let tensor)? = results.first else {
                throw CressetError(.internal, op: operation.name, "it gave no tensor")
            }
            return tensor
        }
    }

    // MARK: The list

    private static let declared = Lock([Operator]())

    /// Those that were declared so far.
    static var all: [Operator] { declared.withLock { $0 } }

    static func find(_ name: String) -> Operator? { declared.withLock { $0.first { $0.name == name } } }

    private static func refusal(_ schema: String, _ why: String) -> CressetError {
        CressetError(.argument, op: "DeclaredOperator", "\"\(schema)\" cannot be declared: \(why)")
    }

    private static func declare(
        _ schema: String, _ make: (String) -> Result<Operator, CressetError>
    ) -> Result<Operator, CressetError> {
        if let why = Schema.problem(with: schema) { return .failure(refusal(schema, why)) }
        return make(schema).flatMap { operation in
            declared.withLock { all in
                guard !all.contains(where: { $0.name == operation.name }) else {
                    return .failure(refusal(schema, "an operation of that name was declared before"))
                }
                all.append(operation)
                return .success(operation)
            }
        }
    }
}
