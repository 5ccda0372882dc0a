import BackendKit

/// Kernels for the gradients of operations that can be overridden.
///
/// A kernel registered as "aten::layer_norm_backward" is asked for the gradients of aten::layer_norm, of whatever
/// overload, where nothing is recorded (gradients of gradients come of the composition). Its arguments are
///
/// 0. the gradient of the first result,
/// 1. the first result, where the operation saves it, else none,
/// 2. the operation's own arguments in order; of tensors that the operation does not save, none,
/// 3. last a list with 1 for each tensor argument, in order, whose gradient is wanted, and 0 for the others.
///
/// Its results are the gradients that are wanted, in order, of the arguments' shapes and dtypes.
struct GradientKernel: Sendable {
    static let suffix = "_backward"

    /// The operations that a kernel of this name gives gradients for.
    static func operations(named name: String) -> [Operator] {
        guard name.hasSuffix(suffix) else { return [] }
        return byBase[String(name.dropLast(suffix.count))] ?? []
    }

    /// The operations that can be overridden, by name without the overload.
    private static let byBase = Dictionary(grouping: Operators.builtIn.filter(\.isOverridable)) { operation in
        String(operation.name.utf8.prefix { $0 != UInt8(ascii: ".") }) ?? operation.name
    }

    private let op: OperatorName
    private let dtype: DType
    /// The operation's arguments, each tensor replaced by its place among the saved ones.
    private let arguments: [Argument]

    private enum Argument: Sendable {
        case value(Value)
        case saved(Int)
        case list(Range<Int>)
    }

    /// - Parameters:
    ///   - arguments: the operation's; their tensors are saved in this order, unless `savesTensors` is false.
    init(_ op: OperatorName, _ dtype: DType, _ arguments: [Value], savesTensors: Bool = true) {
        self.op = op
        self.dtype = dtype
        var count = 0
        self.arguments = arguments.map { value in
            switch value {
            case .tensor:
                defer { count += 1 }
                return savesTensors ? .saved(count) : .value(.none)
            case .tensors(let list):
                defer { count += list.count }
                return savesTensors ? .list(count..<count + list.count) : .value(.none)
            default: return .value(value)
            }
        }
    }

    /// True where a kernel is registered.
    @inline(__always)
    static func isRegistered(_ op: OperatorName, _ dtype: DType, on runtime: DeviceRuntime) -> Bool {
        runtime.kernels.has(.backward(op), dtype)
    }

    /// The gradients of the wanted tensor arguments, nil for the others; nil where no kernel takes the call.
    ///
    /// - Parameter types: of the tensor arguments.
    func run(
        _ g: Tensor, result: Tensor?, saved: [Tensor], types: [ResultType], wanted: [Bool]
    ) throws(CressetError) -> [Tensor?]? {
        let layers = threadState.pointee.layers
        // (What is compared launch by launch is the composition's.)
        guard layers & Layer.noGrad != 0, layers & (Layer.shadow | Layer.fresh) == 0,
            let chain = g.runtime.kernels.chain(.backward(op), dtype)
        else { return nil }
        var values: [Value] = [.tensor(g), .init(result)]
        for argument in arguments {
            switch argument {
            case .value(let value): values.append(value)
            case .saved(let i): values.append(.tensor(saved[i]))
            case .list(let range): values.append(.tensors(Array(saved[range])))
            }
        }
        values.append(.ints(wanted.map { $0 ? 1 : 0 }))
        let due = zip(types, wanted).filter(\.1).map(\.0)
        guard var found = try Override.run(chain, op: op, on: g.runtime, values, due)?.makeIterator() else {
            return nil
        }
        return wanted.map { $0 ? found.next() : nil }
    }
}
