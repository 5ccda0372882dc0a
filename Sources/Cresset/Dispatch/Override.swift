import BackendKit
import CBackend

/// What an operation's declaration says of one of its results.
struct ResultType {
    var shape: Shape
    var dtype: DType

    init(_ shape: Shape, _ dtype: DType) {
        self.shape = shape
        self.dtype = dtype
    }
}

/// Calls of kernels that are registered for an operation by name.
package enum Override {
    /// What the kernel registered as `name` on the device of `x` makes of it: for names that are no
    /// operations, such as those by which the oracle tells its error bounds.
    package static func call(
        _ name: String, _ x: Tensor, output: DType
    ) throws(CressetError) -> Tensor {
        let op = OperatorName(name)
        guard let chain = x.runtime.kernels.chain(.override(op), x.dtype),
            let result = try run(chain, op: op, on: x.runtime, [.tensor(x)], [ResultType(x.shape, output)])?.first
        else { throw Registry.missing("such", .override(op), x.dtype, on: x.runtime, op: name, refusals: []) }
        return result
    }

    /// What the operation `op` gives: the results of the first kernel registered by its name that takes
    /// the call, else those of its composition.
    ///
    /// Every operation that can be overridden comes through here, once its arguments are checked and
    /// before anything is computed; with no kernel registered that is one load and one branch. What
    /// comes back has no history: the caller records its own derivative, whoever computed the result.
    ///
    /// - Parameters:
    ///   - x: an argument; the device it lives on is asked.
    ///   - dtype: the dtype computed in, after promotion.
    ///   - arguments: the schema's, in order.
    ///   - types: what the declaration says the results are.
    @inline(__always)
    static func resolve(
        _ op: OperatorName, on x: Tensor, _ dtype: DType, _ arguments: @autoclosure () -> [Value],
        types: @autoclosure () throws(CressetError) -> [ResultType],
        composition: () throws(CressetError) -> [Tensor]
    ) throws(CressetError) -> [Tensor] {
        if let chain = x.runtime.kernels.chain(.override(op), dtype),
            let found = try run(chain, op: op, on: x.runtime, arguments(), types())
        {
            return found
        }
        return try composition()
    }

    /// The same for an operation whose derivative is that of its composition: where a kernel took the
    /// call, the backward pass asks the operation's gradient kernel, or runs the composition again under the tape.
    ///
    /// - Parameters:
    ///   - inputs: the tensors among the arguments, in their order.
    ///   - savingResult: the gradient kernel is handed the result.
    static func resolve(
        _ op: OperatorName, inputs: [Tensor], _ dtype: DType, _ arguments: @autoclosure () -> [Value],
        type: @autoclosure () throws(CressetError) -> ResultType, savingResult: Bool = false,
        composition: @escaping @Sendable ([Tensor]) throws(CressetError) -> Tensor
    ) throws(CressetError) -> Tensor {
        try resolve(
            op, inputs: inputs, dtype, arguments(), types: [type()], savingResult: savingResult
        ) { (x) throws(CressetError) in [try composition(x)] }[0]
    }

    /// The same for an operation of several results, of which the first is differentiable.
    static func resolve(
        _ op: OperatorName, inputs: [Tensor], _ dtype: DType, _ arguments: @autoclosure () -> [Value],
        types: @autoclosure () throws(CressetError) -> [ResultType], savingResult: Bool = false,
        composition: @escaping @Sendable ([Tensor]) throws(CressetError) -> [Tensor]
    ) throws(CressetError) -> [Tensor] {
        guard let runtime = inputs.first?.runtime, let chain = runtime.kernels.chain(.override(op), dtype) else {
            return try naming(op.text) { try composition(inputs) }
        }
        let arguments = arguments()
        guard let found = try run(chain, op: op, on: runtime, arguments, types()) else {
            return try naming(op.text) { try composition(inputs) }
        }
        guard Tape.isOn(inputs) else { return found }
        let wanted = inputs.map(\.isTracked)
        let kernel = GradientKernel(op, dtype, arguments)
        let savesResult = savingResult && GradientKernel.isRegistered(op, dtype, on: runtime)
        let count = inputs.count
        let first = Tape.record(op.text, found[0], inputs: inputs, saving: inputs, savingResult: savesResult) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return wanted.map { _ in nil } }
            let inputs = Array(saved.prefix(count))
            let types = inputs.map { ResultType($0.shape, $0.dtype) }
            let result = savesResult ? saved[count] : nil
            if let own = try kernel.run(g, result: result, saved: inputs, types: types, wanted: wanted) { return own }
            return try Engine.gradients(
                of: { (x) throws(CressetError) in try composition(x)[0] }, at: inputs, wanted, g)
        }
        return [first] + found.dropFirst()
    }

    /// Tries the chain's kernels in order; nil if all decline.
    static func run(
        _ chain: KernelChain, op: OperatorName, on runtime: DeviceRuntime, _ values: [Value], _ types: [ResultType]
    ) throws(CressetError) -> [Tensor]? {
        // (Arguments that live elsewhere are the composition's to move or to refuse.)
        for value in values {
            switch value {
            case .tensor(let x): if x.runtime !== runtime { return nil }
            case .tensors(let list): if list.contains(where: { $0.runtime !== runtime }) { return nil }
            case .optionalTensors(let list):
                if list.contains(where: { $0 != nil && $0?.runtime !== runtime }) { return nil }
            default: break
            }
        }
        if threadState.pointee.layers & Layer.watched != 0, let shadow = try Shadow(besides: runtime) {
            return try shadow.check(op, values) { () throws(CressetError) in
                try attempt(chain, op: op, on: runtime, values, types)
            }?.results
        }
        return try attempt(chain, op: op, on: runtime, values, types)?.results
    }

    /// What the first kernel that takes the call makes of it; nil if none does.
    private static func attempt(
        _ chain: KernelChain, op: OperatorName, on runtime: DeviceRuntime, _ values: [Value], _ types: [ResultType]
    ) throws(CressetError) -> (results: [Tensor], record: KernelRecord)? {
        for record in chain.records {
            if let swift = record.swiftKernel {
                if let accepts = swift.accepts, !accepts(values) { continue }
                do {
                    // The kernel's own tensor calls are its business, not the tape's.
                    let results = try noGrad { try swift.kernel(values) }
                    try check(results, types, of: record, op, on: runtime)
                    LaunchRecorder.current?.note(record)
                    return (results.map { $0.detach() }, record)
                } catch let error as CressetError {
                    throw error
                } catch {
                    throw CressetError(.backend, op: op.text, "\(record.owner): \(error)")
                }
            }
            if let results = try launch(record, op, on: runtime, values, types) {
                LaunchRecorder.current?.note(record)
                return (results, record)
            }
        }
        return nil
    }

    /// A kernel written in Swift may return anything: what is not what the declaration says is refused.
    private static func check(
        _ results: [Tensor], _ types: [ResultType], of record: KernelRecord, _ op: OperatorName,
        on runtime: DeviceRuntime
    ) throws(CressetError) {
        func refuse(_ got: String, _ due: String) -> CressetError {
            CressetError(.backend, op: op.text, "\(record.owner) gave \(got) where \(due) is due")
        }
        guard results.count == types.count else {
            throw refuse("\(results.count) tensors", "\(types.count)")
        }
        for (result, type) in zip(results, types) {
            try result.checkValid(op.text)
            guard result.shape == type.shape, result.dtype == type.dtype, result.runtime === runtime else {
                throw refuse(result.summary, "\(type.dtype) \(type.shape) on \(runtime.name)")
            }
        }
    }

    private static func launch(
        _ record: KernelRecord, _ op: OperatorName, on runtime: DeviceRuntime, _ values: [Value],
        _ types: [ResultType]
    ) throws(CressetError) -> [Tensor]? {
        let results = try types.map { (type) throws(CressetError) in
            try Tensor.empty(type.shape, type.dtype, on: runtime, op: op.text)
        }
        var tensors: [Tensor] = []
        // Integer lists of all arguments, one after another: (start, count) by argument.
        var numbers: [Int64] = []
        var lists: [Int: Int] = [:]
        var arguments: [CressetArgument] = []
        for (i, value) in values.enumerated() {
            var argument = CressetArgument()
            argument.struct_size = UInt32(MemoryLayout<CressetArgument>.size)
            switch value {
            case .none: argument.kind = UInt32(CRESSET_ARGUMENT_NONE)
            case .tensor(let tensor):
                argument.kind = UInt32(CRESSET_ARGUMENT_TENSOR)
                argument.integer = Int64(tensors.count)
                tensors.append(tensor)
            case .tensors(let list):
                argument.kind = UInt32(CRESSET_ARGUMENT_TENSORS)
                argument.integer = Int64(tensors.count)
                argument.count = UInt64(list.count)
                tensors += list
            case .scalar(.bool(let x)):
                argument.kind = UInt32(CRESSET_ARGUMENT_BOOL)
                argument.integer = x ? 1 : 0
            case .scalar(.int(let x)):
                argument.kind = UInt32(CRESSET_ARGUMENT_INT)
                argument.integer = x
            case .scalar(.complex):
                throw CressetError(
                    .dtype, op: op.text, "\(record.owner) cannot take a complex number: the boundary has none")
            case .scalar(.double(let x)):
                argument.kind = UInt32(CRESSET_ARGUMENT_DOUBLE)
                argument.number = x
            case .ints(let list):
                argument.kind = UInt32(CRESSET_ARGUMENT_INTS)
                argument.count = UInt64(list.count)
                lists[i] = numbers.count
                numbers += list.map(Int64.init)
            // (The boundary has no form for these.)
            case .doubles, .optionalTensors, .stream: return nil
            case .device(let device):
                argument.kind = UInt32(CRESSET_ARGUMENT_STRING)
                argument.string = OperatorName("\(device)").cString
            case .dtype(let dtype):
                argument.kind = UInt32(CRESSET_ARGUMENT_DTYPE)
                argument.integer = Int64(dtype.rawValue)
            case .string(let text):
                argument.kind = UInt32(CRESSET_ARGUMENT_STRING)
                argument.string = OperatorName(text).cString
            }
            arguments.append(argument)
        }
        let call = Primitive(
            family: .override, op: op, inputs: tensors.map { Operand($0) }, outputs: results.map { Operand($0) })
        var failure: CressetError?
        let declined = numbers.withUnsafeBufferPointer { numbers in
            for (i, start) in lists { arguments[i].ints = numbers.baseAddress.map { $0 + start } }
            return arguments.withUnsafeBufferPointer { arguments in
                call.withCall { raw in
                    var raw = raw.pointee
                    raw.arguments = arguments.baseAddress
                    raw.argument_count = UInt32(arguments.count)
                    return withUnsafePointer(to: &raw) { raw in
                        if runtime.refusal(of: record, raw) != nil { return true }
                        do throws(CressetError) {
                            try runtime.launch(record, raw, op: op.text)
                        } catch {
                            failure = error
                        }
                        return false
                    }
                }
            }
        }
        if let failure { throw failure }
        return declined ? nil : results
    }
}
