import BackendKit
import CBackend

extension Program {
    /// Throws unless every instruction keeps the header's rules.
    ///
    /// `inputs` and `outputs` are the dtypes the loads and stores must name.
    func check(_ call: Call, inputs: [DType], outputs: [DType], allowsIndex: Bool) throws {
        try require(inputCount <= inputs.count, "a program of \(inputCount) inputs for \(inputs.count)")
        try require(outputCount == outputs.count, "a program of \(outputCount) outputs for \(outputs.count)")
        try require(paramCount <= call.paramCount, "a program of \(paramCount) params for \(call.paramCount)")
        var stored = Set<Int>()
        for i in 0..<count {
            do {
                try check(instruction: i, inputs: inputs, outputs: outputs, allowsIndex: allowsIndex)
                if self[i].opcode == .store {
                    try require(stored.insert(self[i].b).inserted, "output \(self[i].b) is stored twice")
                }
            } catch let error as BackendError {
                throw BackendError(error.kind, "instruction \(i): \(error.message)")
            }
        }
        try require(stored.count == outputs.count, "\(stored.count) of \(outputs.count) outputs are stored")
    }

    private func check(instruction i: Int, inputs: [DType], outputs: [DType], allowsIndex: Bool) throws {
        let ins = self[i]
        let raw = ins.raw
        let opcode = try require(Opcode(rawValue: raw.opcode), "opcode \(raw.opcode) is not known")
        let type = try require(ArithmeticType(rawValue: raw.type), "type \(raw.type) is not known")
        switch opcode {
        case .load, .store, .narrow:
            let dtype = try require(DType(rawValue: raw.aux), "dtype \(raw.aux) is not known")
            try require(!dtype.isComplex && dtype.arithmetic == type, "\(opcode).\(dtype) of type \(type)")
        case .call: try require(Function(rawValue: raw.aux), "function \(raw.aux) is not known")
        default: break
        }
        for operand in ins.operands {
            try require(operand < i && self[operand].opcode != .store, "\(opcode) reads value \(operand)")
        }
        let types = ins.operands.map(valueType)
        switch opcode {
        case .load:
            try require(ins.a < inputs.count && inputs[ins.a] == ins.dtype, "load.\(ins.dtype) of input \(ins.a)")
        case .store:
            try require(
                ins.b < outputs.count && outputs[ins.b] == ins.dtype && types == [type],
                "store.\(ins.dtype) of \(types) to output \(ins.b)")
        case .param: try require(ins.a < paramCount, "param \(ins.a)")
        case .const: break
        case .index: try require(allowsIndex && type == .i64, "index here, or not of type i64")
        case .cast: break
        case .bitcast:
            let pairs: [ArithmeticType: ArithmeticType] = [.i32: .f32, .f32: .i32, .i64: .f64, .f64: .i64]
            try require(pairs[types[0]] == type || types[0] == type, "bitcast of \(types[0]) to \(type)")
        case .eq, .ne, .lt, .le: try require(types[0] == types[1], "\(opcode) of \(types)")
        case .select: try require(types == [.bool, type, type], "select.\(type) of \(types)")
        case .philox:
            try require(types == [.i64, .i64] && type == .i32 && (0...3).contains(raw.imm.i), "philox of \(types)")
        default:
            try require(types.allSatisfy { $0 == type }, "\(opcode).\(type) of \(types)")
            try require(opcode.isDefined(for: type), "\(opcode) is not defined for \(type)")
        }
    }
}

extension Opcode {
    /// Whether an instruction whose operands have its own type means something for `type`.
    func isDefined(for type: ArithmeticType) -> Bool {
        switch self {
        case .sqrt, .fma, .call: type.isFloat
        case .not, .and, .or, .xor: !type.isFloat
        case .shl, .shr, .ushr: type.isInteger
        case .div, .rem: type != .bool
        default: true
        }
    }
}
