extension Shadow {
    /// Runs a kernel that is registered by an operation's name, lets the second device compute the same
    /// operation, and compares.
    func check(
        _ op: OperatorName, _ values: [Value],
        _ attempt: () throws(CressetError) -> (results: [Tensor], record: KernelRecord)?
    ) throws(CressetError) -> (results: [Tensor], record: KernelRecord)? {
        guard let operation = Operators.find(op.text) else { return try attempt() }
        // Copied first: the kernel must not have a chance to change what the second device sees.
        let copies = try ifAble(op) { () throws(CressetError) in
            try values.map { (value) throws(CressetError) in try value.copied(to: second, op: op.text) }
        }
        guard let taken = try attempt() else { return nil }
        guard let copies else { return taken }
        try runtime.synchronize(op: op.text)
        try unwatched { () throws(CressetError) in
            guard let repeated = try answer(operation, copies, of: second.device),
                repeated.count == taken.results.count
            else { return }
            var right: [Tensor]?
            for (k, result) in taken.results.enumerated() {
                let mismatch = try judge(HostTensor(result), repeated[k], zeros: false) {
                    () throws(CressetError) in
                    if right == nil { right = try answer(operation, copies, of: OracleDevice.device) }
                    // What the oracle cannot say anything of has to be equal.
                    guard let right else { return try Expected(exact: HostTensor(repeated[k])) }
                    return try Expected(right[k])
                }
                guard let mismatch else { continue }
                throw disagreement(
                    op, "the kernel of \(taken.record.owner)",
                    mismatch.text + Self.operands(values, at: mismatch.places.first, of: result))
            }
        }
        return taken
    }

    /// What the operation gives on another device; nil where that cannot do it.
    private func answer(
        _ operation: Operator, _ arguments: [Value], of device: Device
    ) throws(CressetError) -> [Tensor]? {
        try ifAble(OperatorName(operation.name)) { () throws(CressetError) in
            let runtime = try device.runtime(for: operation.name)
            let moved = try arguments.map { (value) throws(CressetError) in
                try value.copied(to: runtime, op: operation.name)
            }
            return try operation.invoke(try operation.schema.bind(moved)).flatMap(\.tensors)
        }
    }

    /// nil where the second device cannot do it.
    private func ifAble<Result>(
        _ op: OperatorName, _ body: () throws(CressetError) -> Result
    ) throws(CressetError) -> Result? {
        do throws(CressetError) {
            return try unwatched(body)
        } catch {
            guard isInability(error) else { throw error }
            skip(op, error.message)
            return nil
        }
    }

    /// A line for each tensor, with its value at the worst element where it has one there.
    private static func operands(_ values: [Value], at worst: Int?, of result: Tensor) -> String {
        var text = ""
        for (i, tensor) in values.flatMap(\.tensors).enumerated() {
            text += "\n  input \(i): \(tensor.summary) strides \(tensor.strides) offset \(tensor.storageOffset)"
            // (Of complex results, the place is one of a part.)
            guard let worst, !result.isComplex, !tensor.isComplex,
                tensor.shape.broadcast(with: result.shape) == result.shape
            else { continue }
            // Its elements on the host lie in row-major order.
            var flat = Operand(tensor)
            flat.strides = tensor.shape.broadcastStrides(tensor.shape.contiguousStrides, to: result.shape)
            flat.shape = result.shape
            flat.offset = 0
            if let host = try? HostTensor(tensor) {
                text += ", there " + host.double(flat.place(worst)).short(host.dtype)
            }
        }
        return text
    }

    /// The error that ends a program in shadow mode.
    func disagreement(_ op: OperatorName, _ what: String, _ text: String) -> CressetError {
        let pass = Node.current.map { ", in the backward pass of \($0)" } ?? ""
        return CressetError(
            .disagreement, op: op.text, "\(runtime.name) and \(second.name) disagree on \(what)\(pass):\n  \(text)")
    }
}

extension Value {
    /// The tensors in it.
    fileprivate var tensors: [Tensor] {
        switch self {
        case .tensor(let x): [x]
        case .tensors(let list): list
        default: []
        }
    }

    fileprivate func copied(to runtime: DeviceRuntime, op: String) throws(CressetError) -> Value {
        switch self {
        case .tensor(let x): .tensor(try x.copied(to: runtime, op: op))
        case .tensors(let list):
            .tensors(try list.map { (x) throws(CressetError) in try x.copied(to: runtime, op: op) })
        default: self
        }
    }
}
