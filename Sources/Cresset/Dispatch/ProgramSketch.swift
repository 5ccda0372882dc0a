import BackendKit
import CBackend

/// A program as the conformance suite writes it down: typed SSA that no operation has.
///
/// Types are named by the dtype that is stored in them: bool, int32, int64, float32, float64.
package struct ProgramSketch: Sendable {
    package enum Step: Sendable {
        case load(Int, DType)
        case param(Int, DType)
        case number(Double, DType)
        case integer(Int64, DType)
        case index
        /// An instruction of the boundary by its name, of values.
        case apply(String, [Int])
        /// A portable function by its name.
        case call(String, [Int])
        case cast(Int, DType)
        /// Rounded or wrapped to a storage dtype.
        case narrow(Int, DType)
        case philox(key: Int, counter: Int, word: Int)
        case store(Int, to: Int, DType)
    }

    package private(set) var steps: [Step] = []
    /// The type of each value.
    package private(set) var types: [DType] = []

    package init() {}

    /// Appends a step, and names its value.
    @discardableResult
    package mutating func add(_ step: Step) -> Int {
        let type: DType =
            switch step {
            case .load(_, let dtype), .narrow(_, let dtype): dtype.arithmetic.dtype
            case .param(_, let type), .number(_, let type), .integer(_, let type), .cast(_, let type): type
            case .index: .int64
            case .apply("eq", _), .apply("ne", _), .apply("lt", _), .apply("le", _): .bool
            case .apply("select", let x): types[x[1]]
            case .apply(_, let x), .call(_, let x): types[x[0]]
            case .philox: .int32
            case .store(let x, _, _): types[x]
            }
        steps.append(step)
        types.append(type)
        return steps.count - 1
    }

    /// The portable functions, by name and number of arguments.
    package static let functions: [(name: String, arguments: Int)] = Function.allCases.map {
        ("\($0)", $0.argumentCount)
    }

    /// The type in which elements of a dtype are computed.
    package static func type(of dtype: DType) -> DType { dtype.arithmetic.dtype }

    /// The program; a step that names nothing known is an error of whoever wrote it.
    func program() throws(CressetError) -> Program {
        var b = ProgramBuilder()
        var values: [ProgramBuilder.Value] = []
        for step in steps {
            switch step {
            case .load(let k, let dtype): values.append(b.load(k, dtype))
            case .param(let k, let type): values.append(b.param(k, type.arithmetic))
            case .number(let x, let type): values.append(b.const(x, type.arithmetic))
            case .integer(let x, let type): values.append(b.const(x, type.arithmetic))
            case .index: values.append(b.index())
            case .apply(let name, let x): values.append(try Self.apply(name, x.map { values[$0] }, &b))
            case .call(let name, let x):
                guard let function = Function.allCases.first(where: { "\($0)" == name }) else {
                    throw CressetError(.argument, op: "probe", "there is no function \(name)")
                }
                values.append(b.call(function, values[x[0]], x.count > 1 ? values[x[1]] : nil))
            case .cast(let x, let type): values.append(b.cast(values[x], to: type.arithmetic))
            case .narrow(let x, let dtype): values.append(b.narrow(values[x], to: dtype))
            case .philox(let key, let counter, let word):
                values.append(b.philox(key: values[key], counter: values[counter], word: word))
            case .store(let x, let k, let dtype):
                b.store(values[x], to: k, as: dtype)
                values.append(values[x])
            }
        }
        return b.finish()
    }

    private static func apply(
        _ name: String, _ x: [ProgramBuilder.Value], _ b: inout ProgramBuilder
    ) throws(CressetError) -> ProgramBuilder.Value {
        guard let opcode = Opcode.allCases.first(where: { "\($0)" == name }), opcode.operandCount == x.count else {
            throw CressetError(.argument, op: "probe", "there is no instruction \(name) of \(x.count) values")
        }
        return switch opcode {
        case .select: b.select(x[0], x[1], x[2])
        case .fma: b.fma(x[0], x[1], x[2])
        case _ where x.count == 1: b.unary(opcode, x[0])
        default: b.binary(opcode, x[0], x[1])
        }
    }
}

extension ProgramSketch: CustomStringConvertible {
    /// "%2 = add %0 %1", a line for each step.
    package var description: String {
        func values(_ x: [Int]) -> String { x.map { "%\($0)" }.joined(separator: " ") }
        return steps.enumerated().map { i, step in
            switch step {
            case .load(let k, let dtype): "%\(i) = load.\(dtype) input\(k)"
            case .param(let k, let type): "%\(i) = param.\(type) \(k)"
            case .number(let x, let type): "%\(i) = const.\(type) \(x)"
            case .integer(let x, let type): "%\(i) = const.\(type) \(x)"
            case .index: "%\(i) = index"
            case .apply(let name, let x), .call(let name, let x): "%\(i) = \(name).\(types[x[0]]) \(values(x))"
            case .cast(let x, let type): "%\(i) = cast.\(type) %\(x)"
            case .narrow(let x, let dtype): "%\(i) = narrow.\(dtype) %\(x)"
            case .philox(let key, let counter, let word): "%\(i) = philox.\(word) %\(key) %\(counter)"
            case .store(let x, let k, let dtype): "store.\(dtype) output\(k) %\(x)"
            }
        }.joined(separator: "\n")
    }
}

// MARK: - Launching one

extension Probe {
    /// One launch of a program over inputs that broadcast to `shape`.
    package static func pointwise(
        _ sketch: ProgramSketch, _ inputs: [Tensor], params: [(Scalar, DType)], to outputs: [DType], _ shape: Shape,
        on device: Device
    ) throws(CressetError) -> [Tensor] {
        let runtime = try device.runtime(for: "probe::program")
        var results: [Tensor] = []
        for dtype in outputs { results.append(try Tensor.empty(shape, dtype, on: runtime, op: "probe::program")) }
        guard shape.elementCount > 0 else { return results }
        try Primitive(
            family: .pointwise, op: OperatorName("probe::program"), program: KernelProgram(try sketch.program()),
            params: params.map { $0.0.param($0.1.arithmetic) },
            inputs: inputs.map { Operand($0, broadcastTo: shape) }, outputs: results.map { Operand($0) }
        ).run()
        return results
    }

    /// What a reduction is made of.
    package struct Reduction: Sendable {
        package var prologue: ProgramSketch
        package var epilogue: ProgramSketch
        /// "sum", "argmax", … by accumulator.
        package var kinds: [String]
        package var dims: [Int]
        package var outputs: [DType]

        package init(
            prologue: ProgramSketch, epilogue: ProgramSketch, kinds: [String], dims: [Int], outputs: [DType]
        ) {
            self.prologue = prologue
            self.epilogue = epilogue
            self.kinds = kinds
            self.dims = dims
            self.outputs = outputs
        }
    }

    /// One launch of a reduction over inputs that broadcast to `shape`; reduced dims keep size 1.
    package static func reduce(
        _ reduction: Reduction, _ inputs: [Tensor], params: [(Scalar, DType)], _ shape: Shape, on device: Device
    ) throws(CressetError) -> [Tensor] {
        let runtime = try device.runtime(for: "probe::reduction")
        var kept = shape
        var attributes = CressetReduceAttributes()
        attributes.struct_size = UInt32(MemoryLayout<CressetReduceAttributes>.size)
        attributes.accumulator_count = UInt32(reduction.kinds.count)
        for d in reduction.dims {
            kept[d] = 1
            attributes.reduced_dims |= 1 << UInt32(d)
        }
        for (k, name) in reduction.kinds.enumerated() {
            guard let kind = BackendKit.Reduction.allCases.first(where: { "\($0)" == name }) else {
                throw CressetError(.argument, op: "probe", "there is no reduction \(name)")
            }
            withUnsafeMutableBytes(of: &attributes.kinds) {
                $0.storeBytes(of: kind.rawValue, toByteOffset: 4 * k, as: UInt32.self)
            }
        }
        var results: [Tensor] = []
        for dtype in reduction.outputs {
            results.append(try Tensor.empty(kept, dtype, on: runtime, op: "probe::reduction"))
        }
        guard kept.elementCount > 0 else { return results }
        try Primitive(
            family: .reduce, op: OperatorName("probe::reduction"),
            program: KernelProgram(try reduction.prologue.program()),
            epilogue: KernelProgram(try reduction.epilogue.program()),
            params: params.map { $0.0.param($0.1.arithmetic) },
            inputs: inputs.map { Operand($0, broadcastTo: shape) },
            outputs: results.map { Operand($0, broadcastTo: shape) }, attributes: .reduce(attributes)
        ).run()
        return results
    }
}
