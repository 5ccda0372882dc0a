import BackendKit

/// An operation that is made of others: its declaration and the way of its calls.
///
/// A kernel registered by its name takes a call over; its derivative is that of its parts.
final class Composed: Sendable {
    typealias Body = @Sendable (Arguments) throws(CressetError) -> Tensor
    typealias Rule = @Sendable (Arguments) throws(CressetError) -> ResultType

    let declaration: Operator
    private let perform: @Sendable (Arguments) throws(CressetError) -> Tensor

    /// - Parameters:
    ///   - dtypes: of the first tensor.
    ///   - parts: the families it is made of.
    ///   - type: checks the arguments and says what the result is.
    ///   - body: the result for arguments that are right.
    init(
        _ schema: String, _ dtypes: Set<DType> = .floating, of parts: [String], differentiable: Bool = true,
        samples: @escaping @Sendable (inout SampleMaker) -> [Sample],
        errors: @escaping @Sendable (inout SampleMaker) -> [ErrorSample], type: @escaping Rule, body: @escaping Body
    ) {
        let parsed = Schema(schema)
        let name = OperatorName(parsed.name)
        let mask = dtypes.mask
        let perform: Body = { (a) throws(CressetError) in
            let tensors = a.values.compactMap(\.tensor)
            for tensor in tensors { try tensor.checkValid(name.text) }
            let dtype = Promotion.result(tensors)
            guard tensors.isEmpty || mask & 1 << UInt32(tensors[0].dtype.rawValue) != 0 || dtype.isComplex else {
                throw CressetError(.dtype, op: name.text, "is not defined for \(tensors[0].summary)")
            }
            let type = try naming(name.text) { try type(a) }
            return try Override.resolve(
                name, inputs: try Tensor.onOneDevice(tensors, op: name.text), dtype, a.values, type: type
            ) { (tensors) throws(CressetError) in try naming(name.text) { try body(a.replacing(tensors)) } }
        }
        self.perform = perform
        declaration = Operator(
            schema, dtypes: dtypes, composition: parts, isDifferentiable: differentiable, samples: samples,
            errors: errors, call: { (a) throws(CressetError) in [.tensor(try perform(a))] })
    }

    /// Calls it with the schema's arguments, of which the last may be left to their defaults.
    func callAsFunction(_ values: Value...) throws(CressetError) -> Tensor { try callAsFunction(values) }
    func callAsFunction(_ values: [Value]) throws(CressetError) -> Tensor {
        try perform(try declaration.schema.bind(values))
    }
}

extension Arguments {
    /// The same arguments with other tensors in the places of theirs.
    fileprivate func replacing(_ tensors: [Tensor]) -> Arguments {
        var rest = tensors[...]
        return Arguments(
            op: op, schema: schema,
            values: values.map { value in
                guard case .tensor = value, let next = rest.popFirst() else { return value }
                return .tensor(next)
            })
    }
}

extension Value {
    init(_ number: Int) { self = .scalar(Scalar(number)) }
    init(_ number: Double) { self = .scalar(.double(number)) }
    init(_ number: Scalar?) { self = number.map(Value.scalar) ?? .none }
}
