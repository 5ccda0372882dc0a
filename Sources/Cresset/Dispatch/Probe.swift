import BackendKit
import CBackend

/// Launches that no operation makes today and that the boundary promises all the same: the
/// conformance suite asks for them by name.
package enum Probe {
    /// One instruction over tensors of one shape; its payload, where it has one, is `aux` or `word`.
    package static func instruction(
        _ opcode: String, _ inputs: [Tensor], to output: DType, function: String? = nil, word: Int = 0
    ) throws(CressetError) -> Tensor {
        guard !inputs.isEmpty, let code = Opcode.allCases.first(where: { "\($0)" == opcode }) else {
            throw CressetError(.argument, op: "probe", "there is no instruction \(opcode)")
        }
        var b = ProgramBuilder()
        let x = inputs.enumerated().map { b.load($0, $1.dtype) }
        let value: ProgramBuilder.Value
        switch code {
        case .select: value = b.select(x[0], x[1], x[2])
        case .fma: value = b.fma(x[0], x[1], x[2])
        case .cast: value = b.cast(x[0], to: output.arithmetic)
        case .bitcast: value = b.bitcast(x[0], to: output.arithmetic)
        case .philox: value = b.philox(key: x[0], counter: x[1], word: word)
        case .call:
            guard let function, let known = Function.allCases.first(where: { "\($0)" == function }) else {
                throw CressetError(.argument, op: "probe", "there is no function \(function ?? "")")
            }
            value = b.call(known, x[0], x.count > 1 ? x[1] : nil)
        case _ where code.operandCount == 1: value = b.unary(code, x[0])
        case _ where code.operandCount == 2: value = b.binary(code, x[0], x[1])
        default: throw CressetError(.argument, op: "probe", "\(opcode) cannot be asked for alone")
        }
        b.store(value, to: 0, as: output)
        return try pointwise(b.finish(), inputs, output, op: "probe::\(opcode)")
    }

    /// What x is after it was held as a narrower dtype of the same kind.
    package static func narrow(_ x: Tensor, to dtype: DType) throws(CressetError) -> Tensor {
        var b = ProgramBuilder()
        b.store(b.narrow(b.load(0, x.dtype), to: dtype), to: 0, as: x.dtype)
        return try pointwise(b.finish(), [x], x.dtype, op: "probe::narrow")
    }

    /// x times a literal of the program: programs that differ in nothing else.
    package static func times(_ x: Tensor, literal: Int) throws(CressetError) -> Tensor {
        var b = ProgramBuilder()
        let value = b.load(0, x.dtype)
        b.store(b.narrow(b.binary(.mul, value, b.const(Int64(literal), value.type)), to: x.dtype), to: 0, as: x.dtype)
        return try pointwise(b.finish(), [x], x.dtype, op: "probe::times")
    }

    private static func pointwise(
        _ program: Program, _ inputs: [Tensor], _ dtype: DType, op: String
    ) throws(CressetError) -> Tensor {
        let result = try Tensor.empty(inputs[0].shape, dtype, on: inputs[0].runtime, op: op)
        guard result.numel > 0 else { return result }
        try Primitive(
            family: .pointwise, op: OperatorName(op), program: KernelProgram(program),
            inputs: inputs.map { Operand($0) }, outputs: [Operand(result)]
        ).run()
        return result
    }

    /// a·b + c by one launch: a product with an epilogue that reads another tensor.
    package static func matmul(_ a: Tensor, _ b: Tensor, plus c: Tensor) throws(CressetError) -> Tensor {
        var program = ProgramBuilder()
        let sum = program.load(0, a.dtype.arithmetic.dtype)
        let value = program.binary(.add, sum, program.load(1, c.dtype))
        program.store(program.narrow(value, to: a.dtype), to: 0, as: a.dtype)
        let result = try Tensor.empty(c.shape, a.dtype, on: a.runtime, op: "probe::matmul")
        try Primitive(
            family: .matmul, op: OperatorName("probe::matmul"), program: KernelProgram(program.finish()),
            inputs: [Operand(a), Operand(b), Operand(c)], outputs: [Operand(result)]
        ).run()
        return result
    }

    /// x[i, j] for two index tensors that address all dims of a matrix.
    package static func gather(_ x: Tensor, _ i: Tensor, _ j: Tensor) throws(CressetError) -> Tensor {
        let result = try Tensor.empty(i.shape, x.dtype, on: x.runtime, op: "probe::gather")
        try Primitive(
            family: .gather, op: OperatorName("probe::gather"),
            inputs: [standing(x, i.shape), Operand(i), Operand(j)], outputs: [Operand(result)],
            attributes: .index(attributes(x, .set))
        ).run()
        return result
    }

    /// A copy of the matrix with values combined into x[i, j].
    package static func scatter(
        _ x: Tensor, _ i: Tensor, _ j: Tensor, _ values: Tensor, _ reduce: String
    ) throws(CressetError) -> Tensor {
        guard let reduction = ScatterReduction.allCases.first(where: { "\($0)" == reduce }) else {
            throw CressetError(.argument, op: "probe", "there is no reduction \(reduce)")
        }
        let result = try Copy.clone(x, op: "probe::scatter")
        try Primitive(
            family: .scatter, op: OperatorName("probe::scatter"), inputs: [Operand(values), Operand(i), Operand(j)],
            outputs: [standing(result, values.shape)], attributes: .index(attributes(result, reduction))
        ).run()
        return result
    }

    private static func standing(_ x: Tensor, _ shape: Shape) -> Operand {
        var operand = Operand(x)
        operand.shape = shape
        operand.strides = Shape(repeating: 0, count: shape.count)
        return operand
    }

    private static func attributes(_ x: Tensor, _ reduce: ScatterReduction) -> CressetIndexAttributes {
        var attributes = CressetIndexAttributes()
        attributes.struct_size = UInt32(MemoryLayout<CressetIndexAttributes>.size)
        attributes.index_count = 2
        attributes.reduce = reduce.rawValue
        attributes.index_sizes.0 = Int64(x.shape[0])
        attributes.index_sizes.1 = Int64(x.shape[1])
        attributes.index_strides.0 = Int64(x.strides[0])
        attributes.index_strides.1 = Int64(x.strides[1])
        return attributes
    }

    /// x + x in the memory of x: an output that is also the input.
    package static func doubleInPlace(_ x: Tensor) throws(CressetError) {
        var b = ProgramBuilder()
        let value = b.load(0, x.dtype)
        let sum = value.type == .bool ? b.binary(.or, value, value) : b.binary(.add, value, value)
        b.store(b.narrow(sum, to: x.dtype), to: 0, as: x.dtype)
        guard x.numel > 0 else { return }
        try Primitive(
            family: .pointwise, op: OperatorName("probe::doubleInPlace"), program: KernelProgram(b.finish()),
            inputs: [Operand(x)], outputs: [Operand(x)]
        ).run()
        x.impl.storage.version += 1
    }
}

extension Tensor {
    /// The same memory by other sizes and strides, which the caller knows to lie within it.
    package func strided(_ shape: Shape, _ strides: Shape, from offset: Int = 0) -> Tensor {
        Tensor(
            storage: impl.storage, shape: shape, strides: strides, offset: impl.offset + offset, dtype: dtype)
    }
}

extension RandomStream {
    /// A stream that has given `counter` elements.
    package convenience init(seed: UInt64, from counter: UInt64) {
        self.init(seed: seed)
        move(to: counter)
    }
}

extension Operator {
    /// Calls it with the values of a sample, by the schema; it need not be one that is found by name.
    package func run(_ values: [Value]) throws(CressetError) -> [Value] { try invoke(try schema.bind(values)) }
}
