import BackendKit

/// The declaration of one operation: everything that is known of it stands here.
///
/// The Swift method beside it, the call by name, the coverage matrix and the conformance cases all
/// follow from it.
public final class Operator: Sendable {
    /// PyTorch's signature.
    public let schema: Schema
    /// "aten::softmax.int"
    public var name: String { schema.name }
    /// dtypes of the first tensor it is meant for.
    public let dtypes: Set<DType>
    /// Primitive families or operations it is made of, for the matrix; nil for a view.
    public let composition: [String]
    /// True if a kernel registered by the operation's name takes its calls over. A view computes
    /// nothing, so there is nothing to take over; some operations are another's calls.
    public var isOverridable: Bool { overrideRefusal == nil }
    /// Why no kernel can be registered by its name; nil if one can.
    let overrideRefusal: String?
    /// True if gradients flow from its result to its floating-point inputs.
    public let isDifferentiable: Bool
    /// Results that are places along `dim` of the first argument. Where several values are equal PyTorch
    /// leaves open which of them is named; here it is the first.
    package let freeIndices: [Int]
    /// True where a result depends on how an argument lies in memory, as that of as_strided does.
    package let readsMemory: Bool
    /// True where the result holds what its memory happened to hold: only its shape and dtype are anybody's.
    package let isUninitialized: Bool
    /// How it is judged if it comes of a factorisation; nil if the oracle judges it.
    package let judgement: FactorJudgement?
    /// Calls the operation with checked arguments.
    package let call: @Sendable (Arguments) throws(CressetError) -> [Value]
    /// Calls the conformance suite makes, by seed.
    package let samples: @Sendable (inout SampleMaker) -> [Sample]
    /// Calls that must be refused, and by which words.
    package let errors: @Sendable (inout SampleMaker) -> [ErrorSample]

    /// - Parameter notOverridable: why its own name is not asked for a kernel: "it is …".
    package init(
        _ schema: String, dtypes: Set<DType>, composition: [String], isDifferentiable: Bool = true,
        notOverridable: String? = nil, freeIndices: [Int] = [], readsMemory: Bool = false,
        isUninitialized: Bool = false, judgement: FactorJudgement? = nil,
        samples: @escaping @Sendable (inout SampleMaker) -> [Sample],
        errors: @escaping @Sendable (inout SampleMaker) -> [ErrorSample] = { _ in [] },
        call: @escaping @Sendable (Arguments) throws(CressetError) -> [Value]
    ) {
        let parsed = Schema(schema)
        self.schema = parsed
        let why = composition.isEmpty ? "it is a view, which computes nothing" : notOverridable
        overrideRefusal = why.map { "\(parsed.name) cannot be overridden: \($0)" }
        self.dtypes = dtypes
        self.composition = composition
        self.isDifferentiable = isDifferentiable
        self.freeIndices = freeIndices
        self.readsMemory = readsMemory
        self.isUninitialized = isUninitialized
        self.judgement = judgement
        self.samples = samples
        self.errors = errors
        self.call = call
    }

    /// A copy with other calls that must be refused.
    private init(_ op: Operator, errors: @escaping @Sendable (inout SampleMaker) -> [ErrorSample]) {
        schema = op.schema
        dtypes = op.dtypes
        composition = op.composition
        overrideRefusal = op.overrideRefusal
        isDifferentiable = op.isDifferentiable
        freeIndices = op.freeIndices
        readsMemory = op.readsMemory
        isUninitialized = op.isUninitialized
        judgement = op.judgement
        samples = op.samples
        call = op.call
        self.errors = errors
    }
}

extension Operator {
    /// The same with calls that must be refused besides those that it names.
    func refusing(_ more: @escaping @Sendable (inout SampleMaker) -> [ErrorSample]) -> Operator {
        let errors = errors
        return Operator(self) { g in errors(&g) + more(&g) }
    }

    /// Wrong calls with a tensor of some shape, the other arguments, and words of the message.
    func refusing(_ calls: [(Shape, [Value], [String])]) -> Operator {
        refusing { g in calls.map { ErrorSample([.tensor(g.tensor($0))] + $1, words: $2) } }
    }

    /// Wrong calls with a list of tensors of some shapes, and words of the message.
    func refusing(lists: [([Shape], [Value], [String])]) -> Operator {
        refusing { g in
            lists.map { shapes, rest, words in
                ErrorSample([.tensors(shapes.map { g.tensor($0) })] + rest, words: words)
            }
        }
    }

    /// An operation that is made of others; kernels are registered for those.
    static func composed(
        _ schema: String, _ dtypes: Set<DType> = .all, of parts: [String], isDifferentiable: Bool = true,
        freeIndices: [Int] = [], readsMemory: Bool = false, isUninitialized: Bool = false,
        samples: @escaping @Sendable (inout SampleMaker) -> [Sample],
        errors: @escaping @Sendable (inout SampleMaker) -> [ErrorSample] = { _ in [] },
        call: @escaping @Sendable (Arguments) throws(CressetError) -> [Value]
    ) -> Operator {
        Operator(
            schema, dtypes: dtypes, composition: parts, isDifferentiable: isDifferentiable,
            notOverridable: "it is made of \(parts.joined(separator: ", ")), which can be", freeIndices: freeIndices,
            readsMemory: readsMemory, isUninitialized: isUninitialized, samples: samples, errors: errors, call: call)
    }
}

/// Every declared operation, and calls by name.
public enum Operators {
    /// Calls an operation by its PyTorch name: `Operators.call("aten::softmax.int", [.tensor(x), -1, nil])`.
    ///
    /// Arguments are checked against the schema; missing ones take its defaults.
    public static func call(
        _ name: String, _ values: [Value], named: [String: Value] = [:]
    ) throws(CressetError) -> [Value] {
        guard let op = find(name) else {
            throw CressetError(.argument, op: name, "there is no operation of that name")
        }
        let arguments = try op.schema.bind(values, named: named)
        return try op.invoke(arguments)
    }

    /// The declaration of that name, with or without "aten::"; of in-place operations it is made of the others'.
    public static func find(_ name: String) -> Operator? {
        byName[name] ?? byName["aten::" + name] ?? inPlace(name) ?? DeclaredOperator.find(name)
    }

    private static let byName: [String: Operator] = {
        var known = Dictionary(builtIn.map { ($0.name, $0) }) { first, _ in first }
        for (alias, name) in aliases { known["aten::" + alias] = known["aten::" + name] }
        return known
    }()
}

extension Operator {
    /// Calls it; an error inside is thrown, whatever the caller's surroundings.
    package func invoke(_ arguments: Arguments) throws(CressetError) -> [Value] {
        try naming(name) { try call(arguments) }
    }
}

/// dtype sets the declarations use.
extension Set<DType> {
    public static let floating: Set<DType> = [.float16, .bfloat16, .float32, .float64]
    public static let integer: Set<DType> = [.uint8, .int8, .int16, .int32, .int64]
    public static let boolean: Set<DType> = [.bool]
    public static let number: Set<DType> = floating.union(integer)
    public static let real: Set<DType> = number.union(boolean)
    public static let complex: Set<DType> = [.complex64, .complex128]
    /// What gradients are made of.
    public static let continuous: Set<DType> = floating.union(complex)
    /// All but bool.
    public static let numeric: Set<DType> = number.union(complex)
    public static let all: Set<DType> = real.union(complex)
}
