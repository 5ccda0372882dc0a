import BackendKit
import CBackend
import CCresset

/// A reduction kernel: a prologue for each element, accumulators, an epilogue for each result.
final class ReductionKernel: Sendable {
    typealias Prologue = @Sendable (_ inputs: [Expr], _ params: [Expr]) -> [Expr]
    typealias Epilogue = @Sendable (_ accumulators: [Expr], _ params: [Expr]) -> [Expr]

    let name: OperatorName
    let kinds: [Reduction]
    /// Params are of the first accumulator's type.
    private let prologue: Prologue
    private let epilogue: Epilogue
    private let complex: ComplexForm?

    /// How complex numbers are reduced.
    enum ComplexForm: Sendable {
        /// Each part as real numbers are: sums.
        case parts
        /// To real results, by a prologue over the parts.
        case real(@Sendable (_ inputs: [ComplexExpr], _ params: [Expr]) -> [Expr])
    }

    private struct Key: Hashable {
        var inputs: [DType]
        var accumulators: [ArithmeticType]
        var outputs: [DType]
        var params: Int
    }
    private let programs = Lock([Key: (KernelProgram, KernelProgram)]())
    private let prepared = PreparedLaunches()

    init(
        _ name: String, _ kinds: [Reduction], prologue: @escaping Prologue = { x, _ in [x[0]] },
        epilogue: @escaping Epilogue = { a, _ in a }, complex: ComplexForm? = nil
    ) {
        self.name = OperatorName(name)
        self.complex = complex
        self.kinds = kinds
        self.prologue = prologue
        self.epilogue = epilogue
    }

    /// Reduces `dims` of the inputs, which have one shape; results keep the dims with size 1.
    ///
    /// - Parameters:
    ///   - accumulators: the arithmetic type of each accumulator.
    ///   - outputs: dtype of each result.
    func run(
        _ inputs: [Tensor], dims: [Int], accumulators: [ArithmeticType], outputs: [DType], scalars: [Scalar] = []
    ) throws(CressetError) -> [Tensor] {
        if inputs[0].dtype.isComplex {
            switch complex {
            case .real: break
            case .parts:
                return try ComplexNumbers.asPairs(inputs) { (parts) throws(CressetError) in
                    try run(
                        parts, dims: dims, accumulators: accumulators, outputs: outputs.map(\.toReal),
                        scalars: scalars)
                }
            case nil:
                throw CressetError(
                    .dtype, op: name.text, "is not defined for complex numbers: \(inputs[0].summary)")
            }
        }
        let shape = inputs[0].shape
        var reduced = shape
        for d in dims { reduced[d] = 1 }
        let results = try outputs.map { (dtype) throws(CressetError) -> Tensor in
            try Tensor.empty(reduced, dtype, on: inputs[0].runtime, op: name.text)
        }
        guard results[0].numel > 0 else { return results }
        let (before, after) = programs(
            Key(inputs: inputs.map(\.dtype), accumulators: accumulators, outputs: outputs, params: scalars.count))
        var attributes = CressetReduceAttributes()
        attributes.struct_size = UInt32(MemoryLayout<CressetReduceAttributes>.size)
        attributes.accumulator_count = UInt32(kinds.count)
        for d in dims { attributes.reduced_dims |= 1 << UInt32(d) }
        withUnsafeMutableBytes(of: &attributes.kinds) { bytes in
            for (k, kind) in kinds.enumerated() {
                bytes.storeBytes(of: kind.rawValue, toByteOffset: 4 * k, as: UInt32.self)
            }
        }
        try Primitive(
            family: .reduce, op: name, program: before, epilogue: after,
            params: scalars.map { $0.param(accumulators[0]) }, inputs: inputs.map { Operand($0) }.asParts,
            outputs: results.map { Operand($0, broadcastTo: shape) }, attributes: .reduce(attributes)
        ).run()
        return results
    }

    /// What is accumulated of each element.
    private func terms(_ dtypes: [DType], _ params: [Expr]) -> [Expr] {
        guard case .real(let prologue) = complex, dtypes[0].isComplex else {
            return self.prologue(dtypes.enumerated().map { Expr(.input($0, $1), $1.arithmetic) }, params)
        }
        return prologue(
            dtypes.enumerated().map { k, dtype in
                let part = dtype.toReal
                return ComplexExpr(
                    Expr(.input(2 * k, part), part.arithmetic), Expr(.input(2 * k + 1, part), part.arithmetic))
            }, params)
    }

    private func programs(_ key: Key) -> (KernelProgram, KernelProgram) {
        programs.withLock { known in
            if let programs = known[key] { return programs }
            let params = (0..<key.params).map { Expr(.param($0, key.accumulators[0]), key.accumulators[0]) }
            let values = zip(terms(key.inputs, params), key.accumulators).map { value, type in
                (value.cast(to: type), type.dtype)
            }
            // What an argument reduction hands to the epilogue is an index.
            let accumulated = zip(kinds, key.accumulators).enumerated().map { k, pair -> Expr in
                let type = pair.0.isArgument ? ArithmeticType.i64 : pair.1
                return Expr(.input(k, type.dtype), type)
            }
            let results = zip(epilogue(accumulated, params), key.outputs).map { value, dtype in
                (value.cast(to: dtype.arithmetic), dtype)
            }
            let programs = (KernelProgram(Expr.program(values)), KernelProgram(Expr.program(results)))
            known[key] = programs
            return programs
        }
    }
}

// MARK: The shortest way

extension ReductionKernel {
    /// The reduction of one tensor of a real dtype by one accumulator of its own type, to a result of its dtype,
    /// without history; nil where the general way must be taken.
    ///
    /// - Parameters:
    ///   - mask: bit d: dim d is reduced.
    ///   - op: what was called, one of several that this kernel may serve.
    func quick(
        _ x: TensorImpl, mask: UInt32, keepdim: Bool, scalar: Scalar?, _ op: OperatorName
    ) throws(CressetError) -> TensorImpl? {
        let state = threadState
        let (dtype, device) = (x.dtype, x.storage.device)
        guard !x.isInvalid, state.pointee.layers & Layer.watched == 0 else { return nil }
        let key = PreparedLaunch.key(device, dtype, op, inputs: 1, scalars: scalar == nil ? 0 : 1)
        guard let launch = prepared.find(key) ?? prepare(key, device, dtype, hasScalar: scalar != nil, op) else {
            return nil
        }
        // The result's shape; and dims merged where neighbours lie after one another and share a fate.
        var shape = Shape()
        var (count, total) = (1, 1)
        var sizes = Shape()
        var strides = Shape()
        var reduced: UInt32 = 0
        var last = false
        for d in 0..<x.shape.count {
            let size = x.shape[d]
            let isReduced = mask &>> UInt32(d) & 1 != 0
            total &*= size
            if !isReduced {
                shape.append(size)
                count &*= size
            } else if keepdim {
                shape.append(1)
            }
            if size == 1 { continue }
            let k = sizes.count - 1
            if k >= 0, isReduced == last, strides[k] == x.strides[d] &* size {
                sizes[k] &*= size
                strides[k] = x.strides[d]
            } else {
                sizes.append(size)
                strides.append(x.strides[d])
                if isReduced { reduced |= 1 &<< UInt32(k + 1) }
                last = isReduced
            }
        }
        guard total > 0 else { return nil }
        let result = try TensorImpl.make(shape, count, dtype, device, state, op)
        let rank = sizes.count
        var attributes = CressetReduceAttributes()
        attributes.struct_size = UInt32(MemoryLayout<CressetReduceAttributes>.size)
        attributes.accumulator_count = 1
        attributes.reduced_dims = reduced
        attributes.kinds.0 = kinds[0].rawValue
        var param = CressetScalar()
        if let scalar { param = scalar.param(launch.pointee.scalarType) }
        // Sizes, strides of the input, strides of the result, 12 each; all live as long as the call.
        var numbers = InlineArray<36, Int64>(repeating: 0)
        var step: Int64 = 1
        for d in (0..<rank).reversed() {
            numbers[d] = Int64(sizes[d])
            numbers[12 + d] = Int64(strides[d])
            if reduced &>> UInt32(d) & 1 == 0 {
                numbers[24 + d] = step
                step &*= Int64(sizes[d])
            }
        }
        let status = withUnsafeBytes(of: numbers) { raw in
            let numbers = raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int64.self)
            let tensors = (x.raw(rank, numbers, numbers + 12), result.raw(rank, numbers, numbers + 24))
            return withUnsafePointer(to: tensors) { tensors in
                withUnsafeBytes(of: attributes) { attributes in
                    withUnsafePointer(to: param) { param in
                        let first = UnsafeRawPointer(tensors).assumingMemoryBound(to: CressetTensor.self)
                        var call = CressetCall()
                        call.struct_size = UInt32(MemoryLayout<CressetCall>.size)
                        call.family = Family.reduce.rawValue
                        call.input_count = 1
                        call.output_count = 1
                        call.inputs = first
                        call.outputs = first + 1
                        call.program = launch.pointee.program
                        call.epilogue = launch.pointee.epilogue
                        call.params = param
                        call.param_count = scalar == nil ? 0 : 1
                        call.attributes = attributes.baseAddress
                        call.op = op.cString
                        return withUnsafePointer(to: &call) { call in
                            device._withUnsafeGuaranteedRef {
                                $0.launch(launch.pointee.launch, launch.pointee.context, call, state)
                            }
                        }
                    }
                }
            }
        }
        if status != nil { try device.takeUnretainedValue().fail(status, op: op.text) }
        return result
    }

    @inline(never)
    private func prepare(
        _ key: UInt64, _ device: Unmanaged<DeviceRuntime>, _ dtype: DType, hasScalar: Bool, _ op: OperatorName
    ) -> UnsafePointer<PreparedLaunch>? {
        let registrations = cresset_registrations()
        let runtime = device.takeUnretainedValue()
        guard kinds.count == 1, !kinds[0].isArgument, !dtype.isComplex, runtime.holds(dtype),
            !runtime.kernels.has(.override(op), dtype), let record = runtime.kernels.simple(.family(.reduce), dtype)
        else { return nil }
        let type = dtype.arithmetic
        let (before, after) = programs(
            Key(inputs: [dtype], accumulators: [type], outputs: [dtype], params: hasScalar ? 1 : 0))
        do throws(CressetError) {
            try before.check(on: runtime, op: op)
            try after.check(on: runtime, op: op)
        } catch {
            return nil
        }
        return prepared.enter(
            PreparedLaunch(
                key: key, registrations: registrations, launch: record.launch, context: record.context,
                program: before.program.raw, epilogue: after.program.raw, inputCount: 1, output: dtype,
                scalarType: type))
    }
}
