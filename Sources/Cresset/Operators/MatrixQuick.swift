import BackendKit
import CBackend
import CCresset

/// The shortest way from a product of two matrices to its kernel, and products with a bias in one launch.
extension Matrix {
    private static let prepared = PreparedLaunches()

    /// The product of two matrices of one real dtype on one device, without history; nil where the general way
    /// must be taken.
    static func quick(_ a: TensorImpl, _ b: TensorImpl, _ op: OperatorName) throws(CressetError) -> TensorImpl? {
        guard a.shape.count == 2, b.shape.count == 2, a.shape[1] == b.shape[0] else { return nil }
        let (m, n) = (a.shape[0], b.shape[1])
        return try quick(
            a, (m, a.shape[1], a.strides[0], a.strides[1]), b, (b.shape[0], n, b.strides[0], b.strides[1]), nil, op,
            shape: [m, n])
    }

    /// x·Wᵀ + bias for x [..., k] whose rows follow one another, W [n, k] and a bias [n]; nil where the general way
    /// must be taken.
    static func quickLinear(
        _ x: TensorImpl, _ w: TensorImpl, _ bias: TensorImpl?, _ op: OperatorName
    ) throws(CressetError) -> TensorImpl? {
        guard x.shape.count >= 1, w.shape.count == 2, x.isContiguous || x.shape.count == 2 else { return nil }
        let (n, k) = (w.shape[0], w.shape[1])
        var shape = x.shape
        let rank = shape.count
        guard shape[rank - 1] == k, k > 0 else { return nil }
        shape[rank - 1] = n
        let m = x.shape.elementCount / k
        let rows = rank == 2 ? (x.strides[0], x.strides[1]) : (k, 1)
        return try quick(
            x, (m, k, rows.0, rows.1), w, (k, n, w.strides[1], w.strides[0]), bias, op, shape: shape)
    }

    /// Sizes and strides of a matrix.
    private typealias Form = (rows: Int, columns: Int, row: Int, column: Int)

    @inline(__always)
    private static func quick(
        _ a: TensorImpl, _ first: Form, _ b: TensorImpl, _ second: Form, _ bias: TensorImpl?, _ op: OperatorName,
        shape: Shape
    ) throws(CressetError) -> TensorImpl? {
        let state = threadState
        let (dtype, device) = (a.dtype, a.storage.device)
        guard !a.isInvalid, !b.isInvalid, b.dtype == dtype, b.storage.device.toOpaque() == device.toOpaque(),
            state.pointee.layers & Layer.watched == 0, first.rows > 0, first.columns > 0, second.columns > 0
        else { return nil }
        if let bias {
            guard !bias.isInvalid, bias.dtype == dtype, bias.storage.device.toOpaque() == device.toOpaque() else {
                return nil
            }
        }
        let key = PreparedLaunch.key(device, dtype, op, inputs: bias == nil ? 2 : 3)
        guard let launch = prepared.find(key) ?? prepare(key, device, dtype, hasBias: bias != nil, op) else {
            return nil
        }
        let (m, n, k) = (Int64(first.rows), Int64(second.columns), Int64(first.columns))
        let result = try TensorImpl.make(shape, first.rows * second.columns, dtype, device, state, op)
        // Sizes and strides of the four matrices, which live as long as the call.
        let numbers = (
            (m, k, Int64(first.row), Int64(first.column)), (k, n, Int64(second.row), Int64(second.column)),
            (m, n, Int64(0), Int64(bias?.strides[0] ?? 0)), (m, n, n, Int64(1))
        )
        let status = withUnsafeBytes(of: numbers) { raw in
            let numbers = raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int64.self)
            let tensors = (
                a.raw(2, numbers, numbers + 2), b.raw(2, numbers + 4, numbers + 6),
                (bias ?? b).raw(2, numbers + 8, numbers + 10), result.raw(2, numbers + 12, numbers + 14)
            )
            return withUnsafePointer(to: tensors) { tensors in
                let first = UnsafeRawPointer(tensors).assumingMemoryBound(to: CressetTensor.self)
                var call = CressetCall()
                call.struct_size = UInt32(MemoryLayout<CressetCall>.size)
                call.family = Family.matmul.rawValue
                call.input_count = bias == nil ? 2 : 3
                call.output_count = 1
                call.inputs = first
                call.outputs = first + 3
                call.program = launch.pointee.program
                call.op = op.cString
                return withUnsafePointer(to: &call) { call in
                    device._withUnsafeGuaranteedRef {
                        $0.launch(launch.pointee.launch, launch.pointee.context, call, state)
                    }
                }
            }
        }
        if status != nil { try device.takeUnretainedValue().fail(status, op: op.text) }
        return result
    }

    @inline(never)
    private static func prepare(
        _ key: UInt64, _ device: Unmanaged<DeviceRuntime>, _ dtype: DType, hasBias: Bool, _ op: OperatorName
    ) -> UnsafePointer<PreparedLaunch>? {
        let registrations = cresset_registrations()
        let runtime = device.takeUnretainedValue()
        guard !dtype.isComplex, dtype != .bool, runtime.holds(dtype), !runtime.kernels.has(.override(op), dtype),
            !runtime.kernels.has(.override(Matrix.name), dtype),
            let record = runtime.kernels.simple(.family(.matmul), dtype)
        else { return nil }
        let program = hasBias ? addsBias(dtype) : nil
        do throws(CressetError) {
            try program?.check(on: runtime, op: op)
        } catch {
            return nil
        }
        return prepared.enter(
            PreparedLaunch(
                key: key, registrations: registrations, launch: record.launch, context: record.context,
                program: program?.program.raw, inputCount: hasBias ? 3 : 2, output: dtype, scalarType: .f32))
    }

    private static let programs = Lock([DType: KernelProgram]())

    /// The epilogue that adds a bias to the accumulated product, which is rounded once.
    static func addsBias(_ dtype: DType) -> KernelProgram {
        programs.withLock { known in
            if let program = known[dtype] { return program }
            let type = dtype.arithmetic
            let sum = Expr(.input(0, type.dtype), type) + Expr(.input(1, dtype), type)
            let program = KernelProgram(Expr.program([(sum, dtype)]))
            known[dtype] = program
            return program
        }
    }
}
