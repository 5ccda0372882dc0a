import CBackend

/// An instruction's operation; the meanings are in `cresset_backend.h`.
public enum Opcode: UInt16, CaseIterable, Sendable {
    case load, param, const, index, store
    case neg, abs, not, sqrt, floor, ceil, trunc, round, narrow, cast, bitcast
    case add, sub, mul, div, rem, min, max, and, or, xor, shl, shr, ushr
    case eq, ne, lt, le
    case select, fma, call, philox

    /// Values the instruction reads.
    public var operandCount: Int {
        switch self {
        case .load, .param, .const, .index: 0
        case .store, .neg, .abs, .not, .sqrt, .floor, .ceil, .trunc, .round, .narrow, .cast, .bitcast: 1
        case .add, .sub, .mul, .div, .rem, .min, .max, .and, .or, .xor, .shl, .shr, .ushr: 2
        case .eq, .ne, .lt, .le, .call, .philox: 2
        case .select, .fma: 3
        }
    }

    public var isComparison: Bool {
        switch self {
        case .eq, .ne, .lt, .le: true
        default: false
        }
    }
}

/// A portable function a program may call; each exists for f32 and f64.
public enum Function: UInt8, CaseIterable, Sendable {
    case exp, exp2, expm1, log, log2, log10, log1p, sin, cos, tan
    case asin, acos, atan, atan2, sinh, cosh, tanh, asinh, acosh, atanh
    case erf, erfc, erfinv, lgamma, digamma, pow, normal

    public var argumentCount: Int { self == .atan2 || self == .pow ? 2 : 1 }
}

/// One instruction, read.
public struct Instruction {
    public let raw: CressetInstruction

    public init(raw: CressetInstruction) { self.raw = raw }

    public var opcode: Opcode { Opcode(rawValue: raw.opcode) ?? .const }
    /// The result's type; for `store` the operand's.
    public var type: ArithmeticType { ArithmeticType(rawValue: raw.type) ?? .f32 }
    /// The dtype of a `load`, `store` or `narrow`.
    public var dtype: DType { DType(rawValue: raw.aux) ?? .float32 }
    /// The function of a `call`.
    public var function: Function { Function(rawValue: raw.aux) ?? .exp }
    public var a: Int { Int(raw.a) }
    public var b: Int { Int(raw.b) }
    public var c: Int { Int(raw.c) }
    /// The literal of a `const`, as an integer.
    public var integer: Int64 { raw.imm.i }
    /// The literal of a `const`, as a float of its own type.
    public var float: Double { type == .f32 ? Double(raw.imm.f) : raw.imm.d }
}

/// A straight-line typed SSA program, as the ABI carries it.
///
/// The instructions are immutable and live as long as the process, which is what makes the pointer
/// safe to keep and to share between threads.
public struct Program: @unchecked Sendable, Equatable {
    public let raw: UnsafePointer<CressetProgram>

    public init(raw: UnsafePointer<CressetProgram>) { self.raw = raw }

    public var count: Int { Int(raw.pointee.instruction_count) }
    public var id: Int { Int(raw.pointee.id) }
    public var hash: UInt64 { raw.pointee.hash }
    public var inputCount: Int { Int(raw.pointee.input_count) }
    public var outputCount: Int { Int(raw.pointee.output_count) }
    public var paramCount: Int { Int(raw.pointee.param_count) }
    public var usesIndex: Bool { raw.pointee.uses_index != 0 }

    public subscript(i: Int) -> Instruction {
        precondition(i >= 0 && i < count, "instruction out of range")
        return Instruction(raw: raw.pointee.instructions[i])
    }

    public static func == (x: Program, y: Program) -> Bool { x.raw == y.raw }
}

extension Program: CustomStringConvertible {
    /// One instruction a line: `%3 = add.f32 %0 %2`.
    public var description: String {
        (0..<count).map { i in
            let ins = self[i]
            let operands = [ins.a, ins.b, ins.c].prefix(operandCount(ins)).map { "%\($0)" }.joined(separator: " ")
            switch ins.opcode {
            case .load: return "%\(i) = load.\(ins.dtype) input\(ins.a)"
            case .param: return "%\(i) = param.\(ins.type) \(ins.a)"
            case .const: return "%\(i) = const.\(ins.type) \(ins.type.isFloat ? "\(ins.float)" : "\(ins.integer)")"
            case .store: return "store.\(ins.dtype) output\(ins.b) \(operands)"
            case .narrow: return "%\(i) = narrow.\(ins.dtype) \(operands)"
            case .call: return "%\(i) = \(ins.function).\(ins.type) \(operands)"
            case .philox: return "%\(i) = philox.\(ins.raw.imm.i) \(operands)"
            default: return "%\(i) = \(ins.opcode).\(ins.type) \(operands)"
            }
        }.joined(separator: "\n")
    }

    private func operandCount(_ ins: Instruction) -> Int {
        ins.opcode == .call ? ins.function.argumentCount : ins.opcode.operandCount
    }
}
