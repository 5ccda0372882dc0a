import BackendKit

/// Copies: between strides, dtypes and devices.
enum Copy {
    /// One element to another of any dtype.
    static let conversion = OperatorName("aten::to.dtype")
    static let cloning = OperatorName("aten::clone")
    static let kernel = Pointwise("aten::copy_", .explicit, complex: .parts) { $0.inputs[0] }

    /// target[…] = source[…], converting and broadcasting; both on one device.
    static func run(from source: Tensor, to target: Tensor, op: OperatorName) throws(CressetError) {
        guard source.shape.broadcast(with: target.shape) == target.shape else {
            throw CressetError(
                .shape, op: op.text, "a tensor of shape \(source.shape) cannot be copied into one of \(target.shape)")
        }
        try kernel.run([source], [], compute: target.dtype, into: target)
    }

    /// A contiguous copy with an own storage.
    static func clone(_ x: Tensor, op: String) throws(CressetError) -> Tensor {
        let result = try Tensor.empty(x.shape, x.dtype, on: x.runtime, op: op)
        if x.numel > 0 { try run(from: x, to: result, op: kernel.name) }
        return result
    }
}

extension Tensor {
    /// The elements on another device; nothing is recorded.
    func copied(to target: DeviceRuntime, op: String) throws(CressetError) -> Tensor {
        if runtime === target { return self }
        if target.device == .meta { return try Tensor.empty(shape, dtype, on: target, op: op) }
        let bytes = try rawBytes()
        let result = try Tensor.empty(shape, dtype, on: target, op: op)
        try result.write(bytes, op: op)
        return result
    }

    /// The elements on another device, recorded.
    func moved(to target: DeviceRuntime, op: String) throws(CressetError) -> Tensor {
        if runtime === target { return self }
        let source = runtime
        return Tape.record("aten::_to_copy", try copied(to: target, op: op), inputs: [self]) {
            (gradients, _) throws(CressetError) in
            [try gradients[0].map { (g) throws(CressetError) in try g.moved(to: source, op: "aten::_to_copy") }]
        }
    }

    /// The elements as another dtype, recorded; the tensor itself if it has that dtype.
    func converted(to target: DType) throws(CressetError) -> Tensor {
        if dtype == target { return self }
        try checkValid("aten::_to_copy")
        let result = try Override.resolve(
            Copy.conversion, on: self, target, [.tensor(self), .dtype(target), false, false, .none],
            types: [ResultType(shape, target)]
        ) { () throws(CressetError) in [try Copy.kernel.launch([self], [], target, target, into: nil)] }[0]
        return Tape.record("aten::_to_copy", result, inputs: [self]) { (gradients, _) in [gradients[0]] }
    }

    /// The tensor on another device (itself if it lives there).
    public func to(_ device: Device) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid("aten::to")
            return try moved(to: try device.runtime(for: "aten::to"), op: "aten::to.device")
        }
    }

    /// The tensor with another dtype (itself if it has that one).
    public func to(_ dtype: DType) -> Tensor { trapping { () throws(CressetError) in try converted(to: dtype) } }

    /// A copy with its own storage.
    public func clone() -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid("aten::clone")
            let result = try Override.resolve(
                Copy.cloning, on: self, dtype, [.tensor(self), .none], types: [ResultType(shape, dtype)]
            ) { () throws(CressetError) in [try Copy.clone(self, op: "aten::clone")] }[0]
            return Tape.record("aten::clone", result, inputs: [self]) { (g, _) in g }
        }
    }

    /// The tensor itself if its elements lie in row-major order, else a copy that does.
    public func contiguous() -> Tensor { isContiguous ? self : clone() }

    /// The elements as float32.
    public func float() -> Tensor { to(.float32) }
    /// The elements as float64.
    public func double() -> Tensor { to(.float64) }
    /// The elements as float16.
    public func half() -> Tensor { to(.float16) }
    /// The elements as bfloat16.
    public func bfloat16() -> Tensor { to(.bfloat16) }
    /// The elements as int64.
    public func long() -> Tensor { to(.int64) }
    /// The elements as int32.
    public func int() -> Tensor { to(.int32) }
    /// True where an element is not 0.
    public func bool() -> Tensor { to(.bool) }
    /// The tensor on the cpu device.
    public func cpu() -> Tensor { to(.cpu) }
}
