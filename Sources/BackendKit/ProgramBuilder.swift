import CBackend
import Synchronization

/// Builds programs instruction by instruction; equal instructions become one value.
///
///     var b = ProgramBuilder()
///     let x = b.load(0, .float32)
///     b.store(b.binary(.add, x, b.param(0, .f32)), to: 0, as: .float32)
///     let program = b.finish()
public struct ProgramBuilder {
    /// A value of the program being built.
    public struct Value: Hashable, Sendable {
        package let index: UInt32
        public let type: ArithmeticType
    }

    private struct Key: Hashable {
        var opcode: UInt16
        var type: UInt8
        var aux: UInt8
        var a: UInt32
        var b: UInt32
        var c: UInt32
        var imm: UInt64
    }

    private var keys: [Key] = []
    private var known: [Key: UInt32] = [:]

    public init() {}

    private mutating func emit(
        _ opcode: Opcode, _ type: ArithmeticType, aux: UInt8 = 0, _ a: UInt32 = 0, _ b: UInt32 = 0, _ c: UInt32 = 0,
        imm: UInt64 = 0
    ) -> Value {
        let key = Key(opcode: opcode.rawValue, type: type.rawValue, aux: aux, a: a, b: b, c: c, imm: imm)
        let result: ArithmeticType = opcode.isComparison ? .bool : type
        if opcode != .store, let index = known[key] { return Value(index: index, type: result) }
        let index = UInt32(keys.count)
        keys.append(key)
        known[key] = index
        return Value(index: index, type: result)
    }

    /// The element of input `k`, stored as `dtype`, widened to its arithmetic type.
    public mutating func load(_ k: Int, _ dtype: DType) -> Value {
        emit(.load, dtype.arithmetic, aux: dtype.rawValue, UInt32(k))
    }

    public mutating func param(_ k: Int, _ type: ArithmeticType) -> Value { emit(.param, type, UInt32(k)) }

    /// A literal of the declaration; a caller's number is a param.
    public mutating func const(_ value: Double, _ type: ArithmeticType) -> Value {
        var scalar = CressetScalar(i: 0)
        switch type {
        case .f64: scalar.d = value
        case .f32: scalar.f = Float(value)
        case .bool: scalar.i = value != 0 ? 1 : 0
        case .i32, .i64: scalar.i = Int64(exactly: value.rounded(.towardZero)) ?? (value < 0 ? .min : .max)
        }
        return emit(.const, type, imm: UInt64(bitPattern: scalar.i))
    }

    /// An integer (or bool) literal, exact over the whole range.
    public mutating func const(_ value: Int64, _ type: ArithmeticType) -> Value {
        if type.isFloat { return const(Double(value), type) }
        let wrapped: Int64 =
            switch type {
            case .i32: Int64(Int32(truncatingIfNeeded: value))
            case .bool: value != 0 ? 1 : 0
            default: value
            }
        return emit(.const, type, imm: UInt64(bitPattern: wrapped))
    }

    /// Row-major linear index of the element.
    public mutating func index() -> Value { emit(.index, .i64) }

    public mutating func unary(_ opcode: Opcode, _ x: Value) -> Value { emit(opcode, x.type, x.index) }

    public mutating func binary(_ opcode: Opcode, _ x: Value, _ y: Value) -> Value {
        precondition(x.type == y.type, "\(opcode) of \(x.type) and \(y.type)")
        return emit(opcode, x.type, x.index, y.index)
    }

    public mutating func select(_ condition: Value, _ x: Value, _ y: Value) -> Value {
        precondition(condition.type == .bool && x.type == y.type, "select of \(condition.type), \(x.type), \(y.type)")
        return emit(.select, x.type, condition.index, x.index, y.index)
    }

    public mutating func fma(_ x: Value, _ y: Value, _ z: Value) -> Value {
        precondition(x.type == y.type && y.type == z.type, "fma of \(x.type), \(y.type), \(z.type)")
        return emit(.fma, x.type, x.index, y.index, z.index)
    }

    public mutating func call(_ function: Function, _ x: Value, _ y: Value? = nil) -> Value {
        precondition(x.type.isFloat && (y == nil || y?.type == x.type), "\(function) of \(x.type)")
        return emit(.call, x.type, aux: function.rawValue, x.index, y?.index ?? 0)
    }

    /// Converts; the same type is no instruction.
    public mutating func cast(_ x: Value, to type: ArithmeticType) -> Value {
        x.type == type ? x : emit(.cast, type, x.index)
    }

    public mutating func bitcast(_ x: Value, to type: ArithmeticType) -> Value { emit(.bitcast, type, x.index) }

    /// Rounds or wraps to what `dtype` can store; no instruction where that changes nothing.
    public mutating func narrow(_ x: Value, to dtype: DType) -> Value {
        precondition(dtype.arithmetic == x.type, "narrow of \(x.type) to \(dtype)")
        return dtype == x.type.dtype ? x : emit(.narrow, x.type, aux: dtype.rawValue, x.index)
    }

    /// Word `word` (0…3) of Philox4x32-10, as i32.
    public mutating func philox(key: Value, counter: Value, word: Int) -> Value {
        precondition(key.type == .i64 && counter.type == .i64, "philox of \(key.type), \(counter.type)")
        return emit(.philox, .i32, key.index, counter.index, imm: UInt64(word))
    }

    /// Output `k` becomes `x`, which is narrowed to `dtype`.
    public mutating func store(_ x: Value, to k: Int, as dtype: DType) {
        precondition(dtype.arithmetic == x.type, "store of \(x.type) as \(dtype)")
        _ = emit(.store, x.type, aux: dtype.rawValue, x.index, UInt32(k))
    }

    /// The finished program. Equal instruction lists give the same program.
    public func finish() -> Program {
        ProgramTable.shared.withLock { table in
            if let known = table.programs[keys] { return known }
            let program = Self.make(keys, id: UInt32(table.programs.count))
            table.programs[keys] = program
            return program
        }
    }

    private enum ProgramTable {
        struct State { var programs: [[Key]: Program] = [:] }
        static let shared = Mutex(State())
    }

    private static func make(_ keys: [Key], id: UInt32) -> Program {
        let instructions = UnsafeMutablePointer<CressetInstruction>.allocate(capacity: max(keys.count, 1))
        // FNV-1a over the fields: equal in every process.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ value: UInt64) {
            for shift in stride(from: 0, to: 64, by: 8) {
                hash = (hash ^ (value >> UInt64(shift) & 0xff)) &* 0x100_0000_01b3
            }
        }
        var inputs: UInt32 = 0
        var outputs: UInt32 = 0
        var params: UInt32 = 0
        var usesIndex: UInt32 = 0
        for (i, key) in keys.enumerated() {
            (instructions + i).initialize(
                to: CressetInstruction(
                    opcode: key.opcode, type: key.type, aux: key.aux, a: key.a, b: key.b, c: key.c,
                    imm: CressetScalar(i: Int64(bitPattern: key.imm))))
            mix(UInt64(key.opcode) | UInt64(key.type) << 16 | UInt64(key.aux) << 24 | UInt64(key.a) << 32)
            mix(UInt64(key.b) | UInt64(key.c) << 32)
            mix(key.imm)
            switch Opcode(rawValue: key.opcode) {
            case .load: inputs = max(inputs, key.a + 1)
            case .store: outputs = max(outputs, key.b + 1)
            case .param: params = max(params, key.a + 1)
            case .index: usesIndex = 1
            default: break
            }
        }
        let raw = UnsafeMutablePointer<CressetProgram>.allocate(capacity: 1)
        raw.initialize(
            to: CressetProgram(
                struct_size: UInt32(MemoryLayout<CressetProgram>.size), instruction_count: UInt32(keys.count),
                instructions: UnsafePointer(instructions), hash: hash, id: id, input_count: inputs,
                output_count: outputs, param_count: params, uses_index: usesIndex, reserved: 0))
        return Program(raw: UnsafePointer(raw))
    }
}
