import BackendKit
import CBackend
import CCresset
import Synchronization

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
        return x.isTracked ? recordQuick(result, x, nil, nil) : Tensor(result)
    }

    func callAsFunction(_ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor {
        guard let result = try quick(x.impl, y.impl, nil, into: nil) else { return try run([x, y]) }
        return x.isTracked || y.isTracked ? recordQuick(result, x, y, nil) : Tensor(result)
    }

    func callAsFunction(_ x: Tensor, scalars scalar: Scalar) throws(CressetError) -> Tensor {
        guard let result = try quick(x.impl, nil, scalar, into: nil) else { return try run([x], [scalar]) }
        return x.isTracked ? recordQuick(result, x, nil, scalar) : Tensor(result)
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
            guard other.impl.shape == target.impl.shape,
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
            return Tensor(result)
        }
        return record(Tensor(result), y.map { [x, $0] } ?? [x], scalar.map { [$0] } ?? [], compute)
    }

    /// The result without history; nil where the general way must be taken.
    private func quick(
        _ a: TensorImpl, _ b: TensorImpl?, _ scalar: Scalar?, into target: TensorImpl?, isGradient: Bool = false
    ) throws(CressetError) -> TensorImpl? {
        let state = threadState
        let dtype = a.dtype
        let device = a.storage.device
        guard !a.isInvalid, state.pointee.layers & Layer.watched == 0 else { return nil }
        if let b {
            guard b.dtype == dtype, b.storage.device.toOpaque() == device.toOpaque(), !b.isInvalid else { return nil }
        }
        if let scalar, !isGradient, Promotion.category(scalar.dtype) > Promotion.category(dtype) { return nil }
        let key = PreparedLaunch.key(
            device, dtype, name, inputs: b == nil ? 1 : 2, scalars: scalar == nil ? 0 : 1, isGradient: isGradient)
        guard let prepared = prepared.find(key) ?? prepare(key, device, dtype, b != nil, scalar != nil, isGradient)
        else { return nil }

        // Operands in row-major order are one run of elements, whatever their dims.
        if a.isContiguous, b == nil || b.unsafelyUnwrapped.isContiguous && b.unsafelyUnwrapped.shape == a.shape {
            let count = a.shape.elementCount
            guard count > 0 else { return nil }
            let result =
                if let target { target } else {
                    try TensorImpl.make(a.shape, count, prepared.pointee.output, device, state, name)
                }
            // Size and stride of a run, which all operands share and which live as long as the call.
            let layout: (Int64, Int64) = (Int64(count), 1)
            let status = withUnsafeBytes(of: layout) { raw in
                let numbers = raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int64.self)
                return launch(
                    prepared, a.raw(1, numbers, numbers + 1), (b ?? a).raw(1, numbers, numbers + 1),
                    result.raw(1, numbers, numbers + 1), scalar, device, state)
            }
            if status != nil { try device.takeUnretainedValue().fail(status, op: name.text) }
            return result
        }
        return try quickStrided(a, b, scalar, into: target, prepared, device, state)
    }

    /// The same where an operand is broadcast or its elements lie apart.
    private func quickStrided(
        _ a: TensorImpl, _ b: TensorImpl?, _ scalar: Scalar?, into target: TensorImpl?,
        _ prepared: UnsafePointer<PreparedLaunch>, _ device: Unmanaged<DeviceRuntime>,
        _ state: UnsafeMutablePointer<CressetThreadState>
    ) throws(CressetError) -> TensorImpl? {
        var shape = a.shape
        if let b, b.shape != shape {
            guard let common = shape.broadcast(with: b.shape) else { return nil }
            shape = common
        }
        let count = shape.elementCount
        guard count > 0, count <= Self.largestStrided else { return nil }
        let result =
            if let target { target } else {
                try TensorImpl.make(shape, count, prepared.pointee.output, device, state, name)
            }
        let rank = shape.count
        // Scratch for the sizes and the strides of the three operands: the numbers of one follow
        // those of the other, and all live as long as the call.
        var numbers = InlineArray<48, Int64>(repeating: 0)
        let status = withUnsafeMutableBytes(of: &numbers) { raw in
            let sizes = raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int64.self)
            let (first, second, last) = (sizes + rank, sizes + 2 * rank, sizes + 3 * rank)
            Self.fill(first, a, shape)
            if let b { Self.fill(second, b, shape) }
            for d in 0..<rank {
                sizes[d] = Int64(shape[d])
                last[d] = Int64(result.strides[d])
            }
            return launch(
                prepared, a.raw(rank, sizes, first), (b ?? a).raw(rank, sizes, b == nil ? first : second),
                result.raw(rank, sizes, last), scalar, device, state)
        }
        if status != nil { try device.takeUnretainedValue().fail(status, op: name.text) }
        return result
    }

    @inline(__always)
    private func launch(
        _ prepared: UnsafePointer<PreparedLaunch>, _ a: CressetTensor, _ b: CressetTensor, _ result: CressetTensor,
        _ scalar: Scalar?, _ device: Unmanaged<DeviceRuntime>, _ state: UnsafeMutablePointer<CressetThreadState>
    ) -> UnsafeMutablePointer<CressetStatus>? {
        var param = CressetScalar()
        if let scalar { param = scalar.param(prepared.pointee.scalarType) }
        let tensors = (a, b, result)
        // Both tuples live until the launch returns, which is all that the ABI asks for.
        return withUnsafePointer(to: tensors) { tensors in
            withUnsafePointer(to: param) { param in
                let first = UnsafeRawPointer(tensors).assumingMemoryBound(to: CressetTensor.self)
                var call = CressetCall()
                call.struct_size = UInt32(MemoryLayout<CressetCall>.size)
                call.family = Family.pointwise.rawValue
                call.input_count = prepared.pointee.inputCount
                call.output_count = 1
                call.inputs = first
                call.outputs = first + 2
                call.program = prepared.pointee.program
                call.params = param
                call.param_count = scalar == nil ? 0 : 1
                call.op = name.cString
                return withUnsafePointer(to: &call) { call in
                    device._withUnsafeGuaranteedRef {
                        $0.launch(prepared.pointee.launch, prepared.pointee.context, call, state)
                    }
                }
            }
        }
    }

    /// What a launch needs, entered for the next time; nil where the quick way does not serve.
    @inline(never)
    private func prepare(
        _ key: UInt64, _ device: Unmanaged<DeviceRuntime>, _ dtype: DType, _ hasTwo: Bool, _ hasScalar: Bool,
        _ isGradient: Bool
    ) -> UnsafePointer<PreparedLaunch>? {
        let registrations = cresset_registrations()
        let runtime = device.takeUnretainedValue()
        if hasTwo && !promotesAll { return nil }
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
        if hasTwo { bits |= UInt64(dtype.rawValue) << 4 }
        let (count, scalars) = (hasTwo ? 2 : 1, hasScalar ? 1 : 0)
        guard let compiled = lookUp(Self.key(bits, count: count, dtype, output, scalars)),
            compiled.program.isAdmitted(on: runtime)
        else { return nil }
        return prepared.enter(
            PreparedLaunch(
                key: key, registrations: registrations, launch: record.launch, context: record.context,
                program: compiled.program.program.raw,
                // (As in the general way, an input that is not read is not passed: one kernel serves both.)
                inputCount: UInt32(Swift.min(count, compiled.program.program.inputCount)), output: output,
                scalarType: compiled.scalarTypes.first ?? .f32))
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
    func raw(_ rank: Int, _ sizes: UnsafePointer<Int64>, _ strides: UnsafePointer<Int64>) -> CressetTensor {
        CressetTensor(
            struct_size: UInt32(MemoryLayout<CressetTensor>.size), dtype: UInt32(dtype.rawValue),
            dl: CressetDLTensor(
                data: storage.host, device: CressetDLDevice(device_type: 0, device_id: 0), ndim: Int32(rank),
                dtype: dtype.dlpack, shape: sizes, strides: strides, byte_offset: UInt64(offset &* dtype.size)),
            buffer: storage.buffer, buffer_bytes: UInt64(storage.bytes))
    }

    /// A new contiguous tensor of `count` elements on a device that holds the dtype.
    @inline(__always)
    static func make(
        _ shape: Shape, _ count: Int, _ dtype: DType, _ device: Unmanaged<DeviceRuntime>,
        _ state: UnsafeMutablePointer<CressetThreadState>, _ op: OperatorName
    ) throws(CressetError) -> TensorImpl {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: dtype.size)
        if state.pointee.layers & Layer.guarding != 0 || overflow {
            return try Tensor.empty(shape, dtype, on: device.takeUnretainedValue(), op: op.text).impl
        }
        let found = device._withUnsafeGuaranteedRef { $0.memory.takeCached(bytes) }
        let block = if let found { found } else { try device.takeUnretainedValue().memory.take(bytes, op: op.text) }
        return TensorImpl(contiguous: Storage(cached: block, bytes: bytes, device), shape, dtype)
    }
}
