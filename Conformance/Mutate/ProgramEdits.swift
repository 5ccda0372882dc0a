import CBackend

/// Makes mutants of the programs that a run of the suite sees.
struct ProgramEdits {
    /// An instruction as the survey writes it down.
    private struct Instruction {
        var opcode, from, type, aux, a, b, c, imm: Int

        init?(_ fields: [Int]) {
            guard fields.count == 8 else { return nil }
            (opcode, from, type, aux) = (fields[0], fields[1], fields[2], fields[3])
            (a, b, c, imm) = (fields[4], fields[5], fields[6], fields[7])
        }
    }

    private struct Program {
        var hash: String
        var inputs, params: Int
        /// The case that it was first seen in.
        var first: String?
        var instructions: [Instruction] = []
    }

    /// One edit of an instruction, as the plugin is told it.
    private struct Edit {
        var kind: String
        var order: String
    }

    private var programs: [Program] = []

    private static let opcodes = Names(
        "LOAD PARAM CONST INDEX STORE NEG ABS NOT SQRT FLOOR CEIL TRUNC ROUND NARROW CAST BITCAST ADD SUB MUL DIV REM MIN "
            + "MAX AND OR XOR SHL SHR USHR EQ NE LT LE SELECT FMA CALL PHILOX")
    private static let functions = Names(
        "exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh erf erfc "
            + "erfinv lgamma digamma pow normal")
    private static let dtypes = Names(
        "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128")
    private static let types = Names("BOOL I32 I64 F32 F64")

    /// Numbers from 0 on and their names.
    private struct Names {
        private let names: [String]

        init(_ names: String) { self.names = names.split(separator: " ").map(String.init) }

        subscript(_ i: Int) -> String { names.indices.contains(i) ? names[i] : "\(i)" }
        subscript(_ name: String) -> Int? { names.firstIndex(of: name) }
    }

    private static let related: [String: String] = [
        "NEG": "ABS", "ABS": "NEG", "FLOOR": "TRUNC CEIL", "CEIL": "FLOOR", "TRUNC": "FLOOR ROUND", "ROUND": "TRUNC",
        "ADD": "SUB MUL", "SUB": "ADD", "MUL": "ADD DIV", "DIV": "MUL REM", "REM": "DIV", "MIN": "MAX", "MAX": "MIN",
        "AND": "OR XOR", "OR": "AND", "XOR": "OR", "SHL": "SHR", "SHR": "SHL USHR", "USHR": "SHL SHR", "EQ": "NE LE",
        "NE": "EQ LT", "LT": "LE EQ", "LE": "LT EQ", "FMA": "ADD MUL",
    ]
    private static let relatedFunctions: [String: String] = [
        "exp": "exp2 expm1", "exp2": "exp", "expm1": "exp", "log": "log2 log1p", "log2": "log", "log10": "log2",
        "log1p": "log", "sin": "cos sinh", "cos": "sin", "tan": "tanh", "asin": "acos", "acos": "asin", "atan": "asinh",
        "sinh": "cosh", "cosh": "sinh", "tanh": "erf", "asinh": "acosh", "acosh": "asinh", "atanh": "tanh",
        "erf": "erfc",
        "erfc": "erf", "erfinv": "erf", "lgamma": "digamma", "digamma": "lgamma", "pow": "atan2", "atan2": "pow",
        "normal": "erfinv",
    ]
    private static let commutes: Set<String> = ["ADD", "MUL", "MIN", "MAX", "AND", "OR", "XOR", "EQ", "NE", "FMA"]

    /// Of a survey's text.
    init(survey: String) {
        var known: Set<String> = []
        var current: String?
        for line in survey.split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.first == "case" {
                current = fields.last.map(String.init)
            } else if fields.first == "program", fields.count == 4 {
                programs.append(
                    Program(
                        hash: String(fields[1]), inputs: Int(fields[2]) ?? 0, params: Int(fields[3]) ?? 0,
                        first: current))
            } else if let instruction = Instruction(fields.compactMap { Int($0) }), !programs.isEmpty {
                programs[programs.count - 1].instructions.append(instruction)
            }
        }
        programs = programs.filter { known.insert($0.hash).inserted }
    }

    // MARK: What may become of an instruction

    private func edits(of i: Instruction, in program: Program, at n: Int, everywhere: Bool) -> [Edit] {
        let name = Self.opcodes[i.opcode]
        let isBool = i.from == CRESSET_TYPE_BOOL
        var made: [Edit] = []
        func add(_ kind: String, _ order: String) { made.append(Edit(kind: kind, order: order)) }
        // Far enough off for the bound of what follows, near enough to be a realistic slip. Where the instruction stands
        // alone somewhere, which is so when all of a kind are edited, less will do.
        func far(_ type: Int, _ dtype: Int = 8) -> Int {
            switch type {
            case Int(CRESSET_TYPE_F32): dtype == 6 ? 1 << 14 : dtype == 7 ? 1 << 17 : everywhere ? 1 : 1 << 14
            case Int(CRESSET_TYPE_F64): everywhere ? 1 : 1 << 40
            default: 1
            }
        }
        let dtype = ["LOAD", "STORE", "NARROW"].contains(name) ? i.aux : 8
        if name == "CALL" {
            let function = Self.functions[i.aux]
            for other in Self.relatedFunctions[function]?.split(separator: " ") ?? [] {
                if let id = Self.functions[String(other)] { add("function exchanged", "aux \(id)") }
            }
            if function == "pow" || function == "atan2" { add("operands exchanged", "exchange 0") }
            add("result moved", "move \(everywhere ? 16 : far(i.type))")
            return made
        }
        if isBool && !["AND", "OR", "XOR", "NOT", "EQ", "NE", "SELECT", "LOAD", "STORE"].contains(name) {
            return name == "CAST" ? [Edit(kind: "result moved", order: "move \(far(i.type))")] : []
        }
        for other in Self.related[name]?.split(separator: " ") ?? [] {
            let other = String(other)
            // Of bools, order says the same as logic.
            if isBool && ["LE", "LT"].contains(other) { continue }
            if other == "REM" && i.type == CRESSET_TYPE_BOOL { continue }
            if let opcode = Self.opcodes[other] { add("opcode exchanged", "opcode \(opcode)") }
        }
        switch name {
        case "LOAD":
            add("operand moved", "move \(far(i.type, dtype))")
            // Another tensor of the same dtype.
            let others = program.instructions.filter { $0.opcode == i.opcode && $0.aux == i.aux && $0.a != i.a }
            if !everywhere, let other = others.first { add("operand replaced", "input \(other.a)") }
        case "PARAM":
            add("operand moved", "move \(far(i.type))")
            let others = program.instructions.filter { $0.opcode == i.opcode && $0.type == i.type && $0.a != i.a }
            if !everywhere, let other = others.first { add("operand replaced", "input \(other.a)") }
        case "CONST":
            if everywhere { break }
            add("constant", "move \(far(i.type))")
            if i.type != CRESSET_TYPE_BOOL && i.imm != 0 { add("constant", "negate 0") }
        case "INDEX": add("result moved", "move 1")
        case "STORE": add("result moved", "operand \(far(i.type, dtype))")
        case "PHILOX":
            add("operand replaced", "word \((i.imm + 1) & 3)")
            add("operands exchanged", "exchange 0")
        case "NARROW":
            // (Within one program, bounds allow for a rounding less; that of integers is seen unless they are stored
            // as the same dtype at once.)
            let readers = program.instructions.filter { Self.reads($0, n) }
            let isStoredAtOnce = readers.allSatisfy { Self.opcodes[$0.opcode] == "STORE" && $0.aux == i.aux }
            if everywhere || (i.type == CRESSET_TYPE_I32 && !isStoredAtOnce) { add("narrow dropped", "drop 0") }
            if i.type == CRESSET_TYPE_F32 { add("operand replaced", "aux \(i.aux == 6 ? 7 : 6)") }
            if i.type == CRESSET_TYPE_I32 && i.aux < 3 { add("operand replaced", "aux \(3 - i.aux)") }
        case "SELECT":
            add("arms exchanged", "arms 0")
            add("condition", "then 0")
            add("condition", "otherwise 0")
        default:
            if ["NEG", "ABS", "NOT", "SQRT", "FLOOR", "CEIL", "TRUNC", "ROUND"].contains(name) {
                add("instruction dropped", "drop 0")
            }
            if i.opcode >= CRESSET_OP_ADD && i.opcode <= CRESSET_OP_LE {
                if !Self.commutes.contains(name) { add("operands exchanged", "exchange 0") }
                if everywhere || i.a != i.b {
                    add("operand replaced", "first 0")
                    add("operand replaced", "second 0")
                }
            }
            let isComparison = i.opcode >= CRESSET_OP_EQ && i.opcode <= CRESSET_OP_LE
            if !isComparison && i.opcode > CRESSET_OP_STORE { add("result moved", "move \(far(i.type))") }
        }
        return made
    }

    private static func reads(_ i: Instruction, _ value: Int) -> Bool {
        let name = opcodes[i.opcode]
        if ["LOAD", "PARAM", "CONST", "INDEX"].contains(name) { return false }
        if i.a == value { return true }
        if i.opcode >= CRESSET_OP_ADD && i.b == value { return true }
        return ["SELECT", "FMA"].contains(name) && i.c == value
    }

    // MARK: Mutants

    private func name(_ i: Instruction) -> String {
        let name = Self.opcodes[i.opcode]
        let type = i.from == i.type ? Self.types[i.type] : "\(Self.types[i.from])→\(Self.types[i.type])"
        switch name {
        case "CALL": return "\(name) \(Self.functions[i.aux]) \(type)"
        case "LOAD", "STORE", "NARROW": return "\(name) \(Self.dtypes[i.aux])"
        default: return "\(name) \(type)"
        }
    }

    private func readable(_ order: String) -> String {
        let words = order.split(separator: " ").map(String.init)
        guard words.count == 2, let n = Int(words[1]) else { return order }
        switch words[0] {
        case "opcode": return "to \(Self.opcodes[n])"
        case "aux": return "to \(n)"
        case "move", "operand": return "\(words[0] == "move" ? "result" : "operand") + \(n) ulp"
        case "input", "word": return "\(words[0]) \(n)"
        default: return words[0]
        }
    }

    /// What makes a mutant.
    typealias Make = (_ place: String, _ kind: String, _ text: String, _ order: String, _ first: String?) -> Mutant

    /// One edit of all instructions of a kind, in every program.
    func everywhere(_ make: Make) -> [Mutant] {
        var known: Set<String> = []
        var made: [Mutant] = []
        for program in programs {
            for (n, i) in program.instructions.enumerated() {
                let hasAux = ["CALL", "LOAD", "STORE", "NARROW"].contains(Self.opcodes[i.opcode])
                let kind = "class \(i.opcode) \(i.from) \(i.type) \(hasAux ? i.aux : -1)"
                for edit in edits(of: i, in: program, at: n, everywhere: true)
                where known.insert("\(kind) \(edit.order)").inserted {
                    made.append(
                        make(
                            "every program", edit.kind, "\(name(i)): \(readable(edit.order))", "\(kind) \(edit.order)",
                            program.first))
                }
            }
        }
        return made.sorted { $0.text < $1.text }
    }

    /// One edit of one instruction of one program.
    func single(_ make: Make) -> [Mutant] {
        var made: [Mutant] = []
        for program in programs {
            for (n, i) in program.instructions.enumerated() {
                for edit in edits(of: i, in: program, at: n, everywhere: false) {
                    made.append(
                        make(
                            "one program", edit.kind,
                            "\(program.hash) %\(n) \(name(i)): \(readable(edit.order))",
                            "place \(program.hash) \(n) \(edit.order)", program.first))
                }
            }
        }
        return made.sorted { $0.text < $1.text }
    }
}
