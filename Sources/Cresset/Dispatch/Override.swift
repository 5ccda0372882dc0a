import BackendKit
import CBackend

/// Calls of kernels that are registered for an operation by name.
package enum Override {
    /// What the kernel registered as `name` on the device of `x` makes of it: for names that are no
    /// operations, such as those by which the oracle tells its error bounds.
    package static func call(
        _ name: String, _ x: Tensor, output: DType
    ) throws(CressetError) -> Tensor {
        let op = OperatorName(name)
        guard let chain = x.runtime.kernels.chain(.override(op), x.dtype),
            let result = try run(
                chain, op: op, [.tensor(x)],
                outputs: { () throws(CressetError) in
                    [try .empty(x.shape, output, on: x.runtime, op: name)]
                })?.first
        else { throw Registry.missing("such", .override(op), x.dtype, on: x.runtime, op: name, refusals: []) }
        return result
    }

    /// Tries the chain's kernels in order; nil if all decline.
    ///
    /// - Parameter outputs: allocates the results, for kernels that cross the ABI.
    static func run(
        _ chain: KernelChain, op: OperatorName, _ values: [Value], outputs: () throws(CressetError) -> [Tensor]
    ) throws(CressetError) -> [Tensor]? {
        for record in chain.records {
            if let swift = record.swiftKernel {
                if let accepts = swift.accepts, !accepts(values) { continue }
                do {
                    // The kernel's own tensor calls are its business, not the tape's.
                    let results = try noGrad { try swift.kernel(values) }
                    LaunchRecorder.current?.note(record)
                    return results
                } catch let error as CressetError {
                    throw error
                } catch {
                    throw CressetError(.backend, op: op.text, "\(record.owner): \(error)")
                }
            }
            if let results = try launch(record, op, values, outputs) {
                LaunchRecorder.current?.note(record)
                return results
            }
        }
        return nil
    }

    private static func launch(
        _ record: KernelRecord, _ op: OperatorName, _ values: [Value], _ outputs: () throws(CressetError) -> [Tensor]
    ) throws(CressetError) -> [Tensor]? {
        let results = try outputs()
        guard let runtime = results.first?.runtime else { return nil }
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
            case .scalar(.double(let x)):
                argument.kind = UInt32(CRESSET_ARGUMENT_DOUBLE)
                argument.number = x
            case .ints(let list):
                argument.kind = UInt32(CRESSET_ARGUMENT_INTS)
                argument.count = UInt64(list.count)
                lists[i] = numbers.count
                numbers += list.map(Int64.init)
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
