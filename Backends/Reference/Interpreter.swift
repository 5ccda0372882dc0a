import BackendKit
import CBackend

/// Runs a program for some elements at once, instruction by instruction.
struct Interpreter<S: Semantics> {
    let program: Program
    let params: [CressetScalar]

    init(_ program: Program, _ call: Call) {
        self.program = program
        self.params = (0..<call.paramCount).map(call.param)
    }

    /// What was stored to one output.
    struct Stored {
        var output: Int
        var dtype: DType
        var lanes: S.Lanes
    }

    /// Runs for `count` elements and returns what the program stores. Nothing is written here: an
    /// output may be the memory of an input, and all loads come before all stores.
    func run(
        count: Int, load: (_ input: Int, _ dtype: DType) -> S.Lanes, index: () -> S.Lanes
    ) -> [Stored] {
        var values: [S.Lanes] = []
        var stored: [Stored] = []
        for i in 0..<program.count {
            let ins = program[i]
            switch ins.opcode {
            case .load: values.append(load(ins.a, ins.dtype))
            case .param: values.append(S.repeating(params[ins.a], ins.type, count: count))
            case .const: values.append(S.repeating(ins.raw.imm, ins.type, count: count))
            case .index: values.append(index())
            case .store:
                stored.append(Stored(output: ins.b, dtype: ins.dtype, lanes: values[ins.a]))
                values.append(values[ins.a])  // nobody reads it; it keeps value i in place i
            default:
                let operands = ins.operands.map { values[$0] }
                // Casts and comparisons act on the type of what they read.
                values.append(S.evaluate(ins, program.valueType(ins.operands.last ?? 0), operands))
            }
        }
        return stored
    }
}

extension Instruction {
    /// The values it reads.
    var operands: [Int] {
        Array([a, b, c].prefix(opcode == .call ? function.argumentCount : opcode.operandCount))
    }
}

extension Program {
    /// The type of value `i`.
    func valueType(_ i: Int) -> ArithmeticType { self[i].opcode.isComparison ? .bool : self[i].type }

    /// The type of what is stored to each output.
    var outputTypes: [ArithmeticType] {
        var types = [ArithmeticType](repeating: .bool, count: outputCount)
        for i in 0..<count where self[i].opcode == .store { types[self[i].b] = self[i].type }
        return types
    }
}
