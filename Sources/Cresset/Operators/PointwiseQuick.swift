import BackendKit
import CBackend
import CCresset

/// The shortest way from a pointwise call to its kernel.
///
/// It serves what most calls are: one or two tensors of one dtype on one device, no conversion, no
/// kernel registered by name, one kernel of the family that takes everything. It makes the result and
/// nothing else on the heap; all that is not so takes the general way, with the same result.
extension Pointwise {
    /// The largest tensor whose dims are not worth merging before the launch.
    private static let largestStrided = 4096

    func callAsFunction(_ x: Tensor) throws(CressetError) -> Tensor {
        guard let result = try quick(x.impl, nil, nil, into: nil) else { return try run([x]) }
        return x.isTracked ? record(result, [x], [], x.dtype) : result
    }

    func callAsFunction(_ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor {
        guard let result = try quick(x.impl, y.impl, nil, into: nil) else { return try run([x, y]) }
        return x.isTracked || y.isTracked ? record(result, [x, y], [], x.dtype) : result
    }

    func callAsFunction(_ x: Tensor, scalars scalar: Scalar) throws(CressetError) -> Tensor {
        guard let result = try quick(x.impl, nil, scalar, into: nil) else { return try run([x], [scalar]) }
        return x.isTracked ? record(result, [x], [scalar], x.dtype) : result
    }

    /// Writes the result for `target` and the other operand into `target`; false where the general way
    /// must be taken, as always when there is a history to change.
    @inline(__always)
    func quick(inPlaceOf target: Tensor, _ other: Tensor?, _ scalar: Scalar?) throws(CressetError) -> Bool {
        if threadState.pointee.layers & Layer.noGrad == 0 {
            if target.isTracked || other?.isTracked ?? false { return false }
        }
        guard rule != .compare else { return false }
        if let other {
            guard other.shape == target.shape,
                other.impl.storage !== target.impl.storage || other.isSameView(as: target)
            else { return false }
        }
        guard target.impl.isContiguous,
            try quick(target.impl, other?.impl, scalar, into: target.impl) != nil
        else { return false }
        target.impl.storage.version += 1
        return true
    }

    /// The gradient that this kernel of a derivative makes of one or two tensors of the dtype it computes
    /// in; nil where the general way must be taken.
    func quickGradient(_ x: Tensor, _ y: Tensor?, _ scalar: Scalar?, _ compute: DType) throws(CressetError) -> Tensor? {
        guard x.dtype == compute, let result = try quick(x.impl, y?.impl, scalar, into: nil, isGradient: true) else {
            return nil
        }
        guard threadState.pointee.layers & Layer.noGrad == 0, x.isTracked || y?.isTracked ?? false else {
            return result
        }
        return record(result, y.map { [x, $0] } ?? [x], scalar.map { [$0] } ?? [], compute)
    }

    /// The result without history; nil where the general way must be taken.
    private func quick(
        _ a: TensorImpl, _ b: TensorImpl?, _ scalar: Scalar?, into target: TensorImpl?, isGradient: Bool = false
    ) throws(CressetError) -> Tensor? {
        let dtype = a.dtype
        let runtime = a.storage.runtime
        guard !a.isInvalid, threadState.pointee.layers & Layer.watched == 0 else { return nil }
        if let b {
            guard b.dtype == dtype, b.storage.runtime === runtime, !b.isInvalid, promotesAll else { return nil }
        }
        if let scalar, !isGradient, Promotion.category(scalar.dtype) > Promotion.category(dtype) { return nil }
        let output: DType
        switch rule {
        case .promote: output = dtype
        case .promoteFloat:
            guard dtype.isFloatingPoint else { return nil }
            output = dtype
        case .compare:
            guard !dtype.isComplex else { return nil }
            output = .bool
        case .explicit:
            guard isGradient else { return nil }
            output = dtype
        }
        guard !runtime.kernels.has(.override(name), dtype),
            let record = runtime.kernels.simple(.family(.pointwise), output)
        else { return nil }
        var bits = UInt64(dtype.rawValue)
        if b != nil { bits |= UInt64(dtype.rawValue) << 4 }
        let key = Self.key(bits, count: b == nil ? 1 : 2, dtype, output, scalar == nil ? 0 : 1)
        guard let compiled = lookUp(key), compiled.program.isAdmitted(on: runtime) else { return nil }

        // Operands in row-major order are one run of elements, whatever their dims.
        var shape = a.shape
        var isFlat = a.isContiguous
        if let b {
            if b.shape == shape {
                isFlat = isFlat && b.isContiguous
            } else {
                guard let common = shape.broadcast(with: b.shape) else { return nil }
                shape = common
                isFlat = false
            }
        }
        let count = shape.elementCount
        guard count > 0, isFlat || count <= Self.largestStrided else { return nil }
        let result: TensorImpl
        if let target {
            result = target
        } else {
            result = try Tensor.empty(shape, output, on: runtime, op: name.text).impl
        }
        var param = CressetScalar()
        if let scalar { param = scalar.param(compiled.scalarTypes[0]) }

        let rank = isFlat ? 1 : shape.count
        // Scratch for the sizes and the strides of the three operands: the numbers of one follow
        // those of the other, and all live as long as the call.
        let status = withUnsafeTemporaryAllocation(of: Int64.self, capacity: 4 * rank) { numbers in
            let sizes = numbers.baseAddress.unsafelyUnwrapped
            let (first, second, last) = (sizes + rank, sizes + 2 * rank, sizes + 3 * rank)
            if isFlat {
                sizes[0] = Int64(count)
                first[0] = 1
                second[0] = 1
                last[0] = 1
            } else {
                Self.fill(first, a, shape)
                if let b { Self.fill(second, b, shape) }
                for d in 0..<rank {
                    sizes[d] = Int64(shape[d])
                    last[d] = Int64(result.strides[d])
                }
            }
            return withUnsafeTemporaryAllocation(of: CressetTensor.self, capacity: 3) { tensors in
                let base = tensors.baseAddress.unsafelyUnwrapped
                base.initialize(to: a.raw(rank, sizes, first))
                (base + 1).initialize(to: (b ?? a).raw(rank, sizes, b == nil ? first : second))
                (base + 2).initialize(to: result.raw(rank, sizes, last))
                return withUnsafePointer(to: param) { param in
                    var call = CressetCall()
                    call.struct_size = UInt32(MemoryLayout<CressetCall>.size)
                    call.family = Family.pointwise.rawValue
                    // (As in the general way, an input that is not read is not passed: one kernel serves both.)
                    call.input_count = UInt32(Swift.min(b == nil ? 1 : 2, compiled.program.program.inputCount))
                    call.output_count = 1
                    call.inputs = UnsafePointer(base)
                    call.outputs = UnsafePointer(base + 2)
                    call.program = compiled.program.program.raw
                    call.params = param
                    call.param_count = scalar == nil ? 0 : 1
                    call.op = name.cString
                    return withUnsafePointer(to: &call) { runtime.launch(record, $0) }
                }
            }
        }
        if status != nil { try runtime.fail(status, op: name.text) }
        return Tensor(result)
    }

    /// The strides of `x` seen over `shape`.
    @inline(__always)
    private static func fill(_ strides: UnsafeMutablePointer<Int64>, _ x: TensorImpl, _ shape: Shape) {
        let lead = shape.count - x.shape.count
        for d in 0..<shape.count {
            let k = d - lead
            strides[d] = k < 0 || (x.shape[k] == 1 && shape[d] != 1) ? 0 : Int64(x.strides[k])
        }
    }
}

extension TensorImpl {
    /// The ABI's form over scratch memory for sizes and strides, which the caller fills.
    @inline(__always)
    fileprivate func raw(
        _ rank: Int, _ sizes: UnsafePointer<Int64>, _ strides: UnsafePointer<Int64>
    ) -> CressetTensor {
        CressetTensor(
            struct_size: UInt32(MemoryLayout<CressetTensor>.size), dtype: UInt32(dtype.rawValue),
            dl: CressetDLTensor(
                data: storage.host, device: CressetDLDevice(device_type: 0, device_id: 0), ndim: Int32(rank),
                dtype: dtype.dlpack, shape: sizes, strides: strides, byte_offset: UInt64(offset * dtype.size)),
            buffer: storage.buffer, buffer_bytes: UInt64(storage.bytes))
    }
}
