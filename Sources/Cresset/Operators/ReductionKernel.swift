import BackendKit
import CBackend

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
