import BackendKit
import CBackend
import CCresset

/// One launch that updates several tensors in place: what an optimizer step is made of.
///
/// Outputs are the targets themselves, with identical layout, which the ABI allows; numbers that
/// change from step to step are parameters, so no step compiles anything new.
package final class FusedUpdate: Sendable {
    package typealias Body = @Sendable (_ targets: [Expr], _ reading: [Expr], _ scalars: [Expr]) -> [Expr]

    private let name: OperatorName
    private let body: Body
    private struct Key: Hashable {
        var targets: [DType]
        var reading: [DType]
        var scalars: Int
    }
    private let programs = Lock([Key: KernelProgram]())
    private let prepared = PreparedLaunches()

    /// - Parameter body: new values of the targets from their old ones, the tensors read and the
    ///   scalars; computed in float64 if the first target is, else in float32.
    package init(_ name: String, body: @escaping Body) {
        self.name = OperatorName(name)
        self.body = body
    }

    /// Updates `targets`, which have one shape and layout; nothing is recorded, versions are bumped.
    package func run(targets: [Tensor], reading: [Tensor], scalars: [Double]) throws(CressetError) {
        if try quick(targets, reading, scalars) { return }
        let shape = targets[0].shape
        for tensor in targets + reading where tensor.shape != shape {
            throw CressetError(.shape, op: name.text, "shapes differ: \(shape), \(tensor.shape)")
        }
        let type: ArithmeticType = targets[0].dtype == .float64 ? .f64 : .f32
        let program = program(targets, reading, scalars.count, type)
        guard targets[0].numel > 0 else { return }
        try Primitive(
            family: .pointwise, op: name, program: program, params: scalars.map { Scalar.double($0).param(type) },
            inputs: (targets + reading).map { Operand($0) }, outputs: targets.map { Operand($0) }
        ).run()
        for target in targets { target.impl.storage.version += 1 }
    }

    private func program(
        _ targets: [Tensor], _ reading: [Tensor], _ scalars: Int, _ type: ArithmeticType
    ) -> KernelProgram {
        programs.withLock { known in
            let key = Key(targets: targets.map(\.dtype), reading: reading.map(\.dtype), scalars: scalars)
            if let program = known[key] { return program }
            let inputs = (targets + reading).enumerated().map { i, tensor in
                Expr(.input(i, tensor.dtype), tensor.dtype.arithmetic).cast(to: type)
            }
            let parameters = (0..<scalars).map { Expr(.param($0, type), type) }
            let values = body(Array(inputs.prefix(targets.count)), Array(inputs.dropFirst(targets.count)), parameters)
            let program = KernelProgram(
                Expr.program(zip(values, targets).map { ($0.cast(to: $1.dtype.arithmetic), $1.dtype) }))
            known[key] = program
            return program
        }
    }

    // MARK: The shortest way

    /// Most tensors and numbers of an update that takes it.
    private static let most = 8
    private static let mostScalars = 16

    /// The update of contiguous tensors of one dtype on one device; false where the general way must be taken.
    private func quick(_ targets: [Tensor], _ reading: [Tensor], _ scalars: [Double]) throws(CressetError) -> Bool {
        let state = threadState
        let first = targets[0].impl
        let (dtype, device, count) = (first.dtype, first.storage.device, targets.count + reading.count)
        guard count <= Self.most, scalars.count <= Self.mostScalars, state.pointee.layers & Layer.watched == 0,
            targets.allSatisfy({ isAlike($0.impl, first) }), reading.allSatisfy({ isAlike($0.impl, first) })
        else { return false }
        let key = PreparedLaunch.key(device, dtype, name, inputs: targets.count & 3)
        guard let launch = prepared.find(key) ?? prepare(key, device, targets, reading, scalars.count) else {
            return false
        }
        let elements = first.shape.elementCount
        if elements == 0 { return true }
        // Size and stride of a run, which all operands share; this and the rest live as long as the call.
        let layout: (Int64, Int64) = (Int64(elements), 1)
        let status = withUnsafeBytes(of: layout) { raw in
            let numbers = raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int64.self)
            return withUnsafeTemporaryAllocation(of: CressetTensor.self, capacity: 2 * Self.most) { tensors in
                withUnsafeTemporaryAllocation(of: CressetScalar.self, capacity: Self.mostScalars) { params in
                    for (i, target) in targets.enumerated() {
                        let raw = target.impl.raw(1, numbers, numbers + 1)
                        tensors.initializeElement(at: i, to: raw)
                        tensors.initializeElement(at: count + i, to: raw)
                    }
                    for (i, tensor) in reading.enumerated() {
                        tensors.initializeElement(
                            at: targets.count + i, to: tensor.impl.raw(1, numbers, numbers + 1))
                    }
                    for (i, scalar) in scalars.enumerated() {
                        params.initializeElement(at: i, to: Scalar.double(scalar).param(launch.pointee.scalarType))
                    }
                    var call = CressetCall()
                    call.struct_size = UInt32(MemoryLayout<CressetCall>.size)
                    call.family = Family.pointwise.rawValue
                    call.input_count = launch.pointee.inputCount
                    call.output_count = UInt32(targets.count)
                    call.inputs = UnsafePointer(tensors.baseAddress)
                    call.outputs = tensors.baseAddress.map { UnsafePointer($0 + count) }
                    call.program = launch.pointee.program
                    call.params = UnsafePointer(params.baseAddress)
                    call.param_count = UInt32(scalars.count)
                    call.op = name.cString
                    return withUnsafePointer(to: &call) { call in
                        device._withUnsafeGuaranteedRef {
                            $0.launch(launch.pointee.launch, launch.pointee.context, call, state)
                        }
                    }
                }
            }
        }
        if status != nil { try device.takeUnretainedValue().fail(status, op: name.text) }
        for target in targets { target.impl.storage.version += 1 }
        return true
    }

    @inline(__always)
    private func isAlike(_ x: TensorImpl, _ y: TensorImpl) -> Bool {
        x.dtype == y.dtype && x.isContiguous && !x.isInvalid && x.shape == y.shape
            && x.storage.device.toOpaque() == y.storage.device.toOpaque()
    }

    @inline(never)
    private func prepare(
        _ key: UInt64, _ device: Unmanaged<DeviceRuntime>, _ targets: [Tensor], _ reading: [Tensor], _ scalars: Int
    ) -> UnsafePointer<PreparedLaunch>? {
        let registrations = cresset_registrations()
        let (runtime, dtype) = (device.takeUnretainedValue(), targets[0].dtype)
        guard let record = runtime.kernels.simple(.family(.pointwise), dtype) else { return nil }
        let type: ArithmeticType = dtype == .float64 ? .f64 : .f32
        let program = program(targets, reading, scalars, type)
        do throws(CressetError) {
            try program.check(on: runtime, op: name)
        } catch {
            return nil
        }
        return prepared.enter(
            PreparedLaunch(
                key: key, registrations: registrations, launch: record.launch, context: record.context,
                program: program.program.raw,
                inputCount: UInt32(Swift.min(targets.count + reading.count, program.program.inputCount)),
                output: dtype, scalarType: type))
    }
}
