import CBackend

/// Renders a program as straight-line statements of a dialect, `i32 v3 = …;` for instruction 3.
///
/// Functions that the statements call are found by name with `FunctionLibrary`; the template says how
/// a kernel loads, stores and finds params.
public struct ProgramRenderer {
    /// Where a kernel gets values from and puts them.
    public struct Template {
        /// Expression for the element of an input, already widened (`Dialect.widened`).
        public var load: (_ input: Int, _ dtype: DType) -> String
        /// Expression for a launch parameter of that type.
        public var param: (_ k: Int, _ type: ArithmeticType) -> String
        /// Expression of type i64 for the linear index of the element.
        public var index: String
        /// Statement that stores a value, which is not yet narrowed (`Dialect.narrowed`).
        public var store: (_ output: Int, _ dtype: DType, _ value: String) -> String

        public init(
            load: @escaping (_ input: Int, _ dtype: DType) -> String,
            param: @escaping (_ k: Int, _ type: ArithmeticType) -> String,
            index: String = "index",
            store: @escaping (_ output: Int, _ dtype: DType, _ value: String) -> String
        ) {
            self.load = load
            self.param = param
            self.index = index
            self.store = store
        }
    }

    public var dialect: Dialect
    /// Names of values begin with this; two programs in one function need two.
    public var prefix: String
    /// Begins every line.
    public var indent: String

    public init(_ dialect: Dialect, prefix: String = "v", indent: String = "    ") {
        self.dialect = dialect
        self.prefix = prefix
        self.indent = indent
    }

    /// The statements of `program`, a line each.
    public func statements(_ program: Program, _ template: Template) -> String {
        var text = ""
        var types: [ArithmeticType] = []
        var blocks: [BlockKey: Int] = [:]
        types.reserveCapacity(program.count)
        for i in 0..<program.count {
            let ins = program[i]
            types.append(ins.opcode.isComparison ? .bool : ins.type)
            switch ins.opcode {
            case .store:
                text += indent + template.store(ins.b, ins.dtype, value(ins.a)) + "\n"
            case .philox:
                // The four words of one block are computed once.
                let key = BlockKey(key: ins.a, counter: ins.b)
                let block = blocks[key] ?? i
                if blocks.updateValue(block, forKey: key) == nil {
                    text += "\(indent)u32x4 \(prefix)b\(i) = cresset_philox(\(value(ins.a)), \(value(ins.b)));\n"
                }
                let word = ["x", "y", "z", "w"][Int(ins.integer & 3)]
                text += "\(indent)i32 \(value(i)) = TO_I32(\(prefix)b\(block).\(word));\n"
            default:
                let expression = expression(ins, template, operandType: ins.a < i ? types[ins.a] : ins.type)
                text += "\(indent)\(dialect.name(types[i])) \(value(i)) = \(expression);\n"
            }
        }
        return text
    }

    private struct BlockKey: Hashable {
        var key: Int
        var counter: Int
    }

    private func value(_ i: Int) -> String { "\(prefix)\(i)" }

    private func expression(_ ins: Instruction, _ template: Template, operandType: ArithmeticType) -> String {
        let type = ins.type
        let a = value(ins.a)
        let b = value(ins.b)
        let c = value(ins.c)
        func helper(_ name: String, _ arguments: String...) -> String {
            "cresset_\(name)_\(type)(" + arguments.joined(separator: ", ") + ")"
        }
        switch ins.opcode {
        case .load: return template.load(ins.a, ins.dtype)
        case .param: return template.param(ins.a, type)
        case .const: return dialect.constant(UInt64(bitPattern: ins.integer), type)
        case .index: return template.index
        case .neg: return negation(a, type)
        case .abs: return absolute(a, type)
        case .not: return type == .bool ? "!\(a)" : "~\(a)"
        case .sqrt: return type == .f32 && dialect.widensDivision ? "TO_F32(sqrt(TO_F64(\(a))))" : "sqrt(\(a))"
        case .floor, .ceil, .trunc, .round: return rounding(ins.opcode, a, type)
        case .narrow: return dialect.rounded(a, ins.dtype)
        case .cast: return cast(a, from: operandType, to: type)
        case .bitcast: return bitcast(a, from: operandType, to: type)
        case .add, .sub, .mul: return arithmetic(ins.opcode, a, b, type)
        case .div:
            switch type {
            case .bool: return "\(a) && \(b)"
            case .f32 where dialect.widensDivision: return "TO_F32(TO_F64(\(a)) / TO_F64(\(b)))"
            case .f32, .f64: return "\(a) / \(b)"
            default: return helper("div", a, b)
            }
        case .rem: return type == .bool ? "false" : helper("rem", a, b)
        case .min, .max: return extremum(ins.opcode, a, b, type)
        case .and: return type == .bool ? "\(a) && \(b)" : "\(a) & \(b)"
        case .or: return type == .bool ? "\(a) || \(b)" : "\(a) | \(b)"
        case .xor: return type == .bool ? "\(a) != \(b)" : "\(a) ^ \(b)"
        case .shl: return helper("shl", a, b)
        case .shr: return helper("shr", a, b)
        case .ushr: return helper("ushr", a, b)
        case .eq: return "\(a) == \(b)"
        case .ne: return "!(\(a) == \(b))"
        case .lt: return operandType == .bool ? "!\(a) && \(b)" : "\(a) < \(b)"
        case .le: return operandType == .bool ? "!\(a) || \(b)" : "\(a) <= \(b)"
        case .select: return "\(a) ? \(b) : \(c)"
        case .fma: return fma(a, b, c, type)
        case .call:
            return ins.function.argumentCount == 2
                ? helper("\(ins.function)", a, b) : helper("\(ins.function)", a)
        case .philox, .store: return a
        }
    }

    /// Signed overflow is undefined in C, so integers are added as unsigned ones.
    private func arithmetic(_ opcode: Opcode, _ a: String, _ b: String, _ type: ArithmeticType) -> String {
        let sign = opcode == .add ? "+" : opcode == .sub ? "-" : "*"
        switch type {
        case .bool: return opcode == .add ? "\(a) || \(b)" : opcode == .sub ? "\(a) != \(b)" : "\(a) && \(b)"
        case .i32: return "TO_I32(TO_U32(\(a)) \(sign) TO_U32(\(b)))"
        case .i64: return "TO_I64(TO_U64(\(a)) \(sign) TO_U64(\(b)))"
        case .f32, .f64: return "\(a) \(sign) \(b)"
        }
    }

    private func negation(_ a: String, _ type: ArithmeticType) -> String {
        switch type {
        case .bool: a
        case .i32: "TO_I32(0u - TO_U32(\(a)))"
        case .i64: "TO_I64(TO_U64(0) - TO_U64(\(a)))"
        // By bits: some shader compilers make 0 - x of a negation, which loses the sign of zero.
        case .f32: "FROM_BITS_F32(BITS_F32(\(a)) ^ 0x80000000u)"
        case .f64: "FROM_BITS_F64(BITS_F64(\(a)) ^ PACK_U64(0x80000000u, 0u))"
        }
    }

    private func absolute(_ a: String, _ type: ArithmeticType) -> String {
        switch type {
        case .bool: a
        case .i32: "(\(a) < 0 ? TO_I32(0u - TO_U32(\(a))) : \(a))"
        case .i64: "(\(a) < TO_I64(0) ? TO_I64(TO_U64(0) - TO_U64(\(a))) : \(a))"
        case .f32: "FROM_BITS_F32(BITS_F32(\(a)) & 0x7fffffffu)"
        case .f64: "FROM_BITS_F64(BITS_F64(\(a)) & PACK_U64(0x7fffffffu, 0xffffffffu))"
        }
    }

    private func fma(_ a: String, _ b: String, _ c: String, _ type: ArithmeticType) -> String {
        switch type {
        case .bool: "(\(a) && \(b)) || \(c)"
        case .i32: "TO_I32(TO_U32(\(a)) * TO_U32(\(b)) + TO_U32(\(c)))"
        case .i64: "TO_I64(TO_U64(\(a)) * TO_U64(\(b)) + TO_U64(\(c)))"
        case .f32, .f64:
            dialect.emulatesFMA ? "cresset_fma_\(type)(\(a), \(b), \(c))" : "fma(\(a), \(b), \(c))"
        }
    }

    private func extremum(_ opcode: Opcode, _ a: String, _ b: String, _ type: ArithmeticType) -> String {
        let isMin = opcode == .min
        switch type {
        case .bool: return isMin ? "\(a) && \(b)" : "\(a) || \(b)"
        case .i32, .i64: return "\(a) \(isMin ? "<" : ">") \(b) ? \(a) : \(b)"
        case .f32, .f64: return "cresset_\(isMin ? "min" : "max")_\(type)(\(a), \(b))"
        }
    }

    /// OpenCL specifies these exactly; GLSL's of doubles are done by bits.
    private func rounding(_ opcode: Opcode, _ a: String, _ type: ArithmeticType) -> String {
        guard type.isFloat else { return a }
        if dialect.language == .glsl && type == .f64 { return "cresset_\(opcode)_f64(\(a))" }
        return opcode == .round ? "ROUND_EVEN(\(a))" : "\(opcode)(\(a))"
    }

    private func cast(_ a: String, from source: ArithmeticType, to type: ArithmeticType) -> String {
        if source == type { return a }
        switch (source, type) {
        case (_, .bool): return "!(\(a) == \(conversion(source))(0))"
        case (.bool, _): return "\(a) ? \(conversion(type))(1) : \(conversion(type))(0)"
        case (.f32, .i32), (.f64, .i32), (.f32, .i64), (.f64, .i64): return "cresset_\(source)_to_\(type)(\(a))"
        // By halves: Mesa 22.3 gets comparisons of sign-extended values with constants wrong.
        case (.i32, .i64) where dialect.language == .glsl: return "cresset_i32_to_i64(\(a))"
        default: return "\(conversion(type))(\(a))"
        }
    }

    private func conversion(_ type: ArithmeticType) -> String {
        switch type {
        case .bool: "bool"
        case .i32: "TO_I32"
        case .i64: "TO_I64"
        case .f32: "TO_F32"
        case .f64: "TO_F64"
        }
    }

    private func bitcast(_ a: String, from source: ArithmeticType, to type: ArithmeticType) -> String {
        switch (source, type) {
        case (.f32, .i32): "TO_I32(BITS_F32(\(a)))"
        case (.i32, .f32): "FROM_BITS_F32(TO_U32(\(a)))"
        case (.f64, .i64): "TO_I64(BITS_F64(\(a)))"
        case (.i64, .f64): "FROM_BITS_F64(TO_U64(\(a)))"
        default: a
        }
    }
}
