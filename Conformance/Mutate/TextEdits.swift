/// One small edit of a text: what a slip of the pen makes of right code.
struct TextEdit {
    /// The kind of slip, as the table names it.
    var kind: String
    var range: Range<Int>
    var replacement: String
    /// From 1.
    var line: Int
}

/// All edits of a text that may compile.
struct TextEdits {
    private let text: TokenizedText
    private(set) var edits: [TextEdit] = []

    private static let relations: [String: [String]] = [
        "<": ["<=", ">"], "<=": ["<", ">"], ">": [">=", "<"], ">=": [">", "<"], "==": ["!="], "!=": ["=="],
    ]
    private static let arithmetic: [String: [String]] = [
        "+": ["-"], "-": ["+"], "*": ["+"], "/": ["*"], "%": ["/"], "<<": [">>"], ">>": ["<<"],
        "&": ["|"], "|": ["&"], "^": ["|"], "++": ["--"], "--": ["++"],
    ]
    private static let assignments: [String: [String]] = [
        "+=": ["-=", "="], "-=": ["+="], "*=": ["+="], "/=": ["*="], "|=": ["="], "&=": ["|="], "^=": ["="],
        "<<=": [">>="], ">>=": ["<<="],
    ]
    private static let logic: [String: [String]] = ["&&": ["||"], "||": ["&&"]]
    /// What a statement that is left out may not begin with.
    private static let keywords: Set<String> = [
        "return", "goto", "case", "default", "if", "for", "while", "do", "switch", "else", "typedef", "struct", "union",
        "enum", "static", "const", "extern", "barrier",
    ]

    init(_ source: String) {
        text = TokenizedText(source)
        for i in text.tokens.indices {
            switch text.tokens[i].kind {
            case .sign: sign(i)
            case .number: number(i)
            case .name: name(i)
            case .literal: break
            }
            statement(from: i)
        }
        let unseen = text.tokens.indices.compactMap { refusal($0) ?? message($0) }
        edits.removeAll { edit in
            unseen.contains { $0.lowerBound <= edit.range.lowerBound && edit.range.upperBound <= $0.upperBound }
        }
    }

    /// What words an error, and gives it back.
    private static let failing: Set<String> = ["fail", "cpu_fail", "cpu_out_of_memory"]
    private static let wording: Set<String> = failing.union(["cpu_remember", "snprintf"])

    /// `if (…) return fail(…);`: the guard against a call that the host never makes, or against the end of memory.
    private func refusal(_ i: Int) -> Range<Int>? {
        guard token(i) == "if", token(i + 1) == "(", let end = text.closing(i + 1), token(end + 1) == "return" else {
            return nil
        }
        let isNoMemory = token(end + 2) == "&" && token(end + 3) == "no_memory"
        guard isNoMemory || Self.failing.contains(token(end + 2)) else { return nil }
        let last = text.tokens[end...].firstIndex { $0.text == ";" } ?? end
        return text.tokens[i].range.lowerBound..<text.tokens[last].range.upperBound
    }

    /// The arguments of what words an error: no two backends use the same words.
    private func message(_ i: Int) -> Range<Int>? {
        guard Self.wording.contains(token(i)), token(i + 1) == "(", let end = text.closing(i + 1) else { return nil }
        return text.tokens[i + 1].range.lowerBound..<text.tokens[end].range.upperBound
    }

    private func token(_ i: Int) -> String { text.tokens.indices.contains(i) ? text.tokens[i].text : "" }

    /// True between the brackets of `T name[…]`, where room for more changes nothing.
    private func isArraySize(_ i: Int) -> Bool {
        var open = i
        while open > 0 && ![";", "[", "]", "{"].contains(token(open)) { open -= 1 }
        return token(open) == "[" && isDeclarator(open)
    }

    /// True if the bracket at `open` follows a name that is being declared.
    private func isDeclarator(_ open: Int) -> Bool {
        if open > 0, token(open - 1) == "]" {
            // The second size of a table.
            let first = text.tokens[..<open].lastIndex { $0.text == "[" }
            return first.map { isDeclarator($0) } ?? false
        }
        // T *name[…];  and  …, name[…] = {…}
        if open > 3, token(open - 2) == "*", [";", "{", "}", "const", "static"].contains(token(open - 4)) {
            return true
        }
        if let end = text.closing(open), token(end + 1) == "=", token(end + 2) == "{" { return true }
        guard open > 1, text.tokens[open - 1].kind == .name, text.tokens[open - 2].kind == .name else { return false }
        return !["return", "else", "sizeof", "case"].contains(token(open - 2))
    }

    private mutating func add(_ kind: String, _ range: Range<Int>, _ replacement: String, at i: Int) {
        edits.append(TextEdit(kind: kind, range: range, replacement: replacement, line: text.tokens[i].line))
    }

    /// True where a sign that stands here has an operand to its left.
    private func isBinary(_ i: Int) -> Bool {
        guard i > 0 else { return false }
        let before = text.tokens[i - 1]
        return before.kind == .number || before.text == ")" || before.text == "]"
            || (before.kind == .name && !["return", "case"].contains(before.text))
    }

    private mutating func sign(_ i: Int) {
        let sign = text.tokens[i]
        for (kind, table) in [
            ("relation", Self.relations), ("arithmetic", Self.arithmetic), ("assignment", Self.assignments),
            ("logic", Self.logic),
        ] {
            let isStep = sign.text == "++" || sign.text == "--"
            if kind == "arithmetic" && !isStep && !isBinary(i) { continue }
            for other in table[sign.text] ?? [] { add(kind, sign.range, other, at: i) }
        }
        switch sign.text {
        case "!", "~", "-":
            if !isBinary(i) { add("sign dropped", sign.range, "", at: i) }
        case "?":
            add("condition", sign.range, "&& 0 ?", at: i)
            add("condition", sign.range, "|| 1 ?", at: i)
        case "[":
            guard let end = text.closing(i), end > i + 1, isBinary(i), !isDeclarator(i) else { return }
            let inside = text.tokens[i + 1].range.lowerBound..<text.tokens[end - 1].range.upperBound
            add("off by one", inside, "(\(text.text(inside))) + 1", at: i)
        case "(": arguments(i)
        default: break
        }
    }

    /// Functions that do not care which of the first two arguments is which.
    private static let commutative: Set<String> = [
        "fma", "fmaf", "__builtin_elementwise_fma", "fmax", "fmin", "cpu_max", "cpu_min", "calloc",
    ]

    /// f(a, b, …) → f(b, a, …)
    private mutating func arguments(_ i: Int) {
        guard i > 0, text.tokens[i - 1].kind == .name, !Self.commutative.contains(token(i - 1)),
            let end = text.closing(i)
        else { return }
        var commas: [Int] = []
        var depth = 0
        for k in i + 1..<end {
            switch token(k) {
            case "(", "[", "{": depth += 1
            case ")", "]", "}": depth -= 1
            case ",": if depth == 0 { commas.append(k) }
            default: break
            }
        }
        guard let first = commas.first else { return }
        let last = commas.count > 1 ? commas[1] : end
        guard first > i + 1, last > first + 1 else { return }
        let a = text.tokens[i + 1].range.lowerBound..<text.tokens[first - 1].range.upperBound
        let b = text.tokens[first + 1].range.lowerBound..<text.tokens[last - 1].range.upperBound
        guard text.text(a) != text.text(b) else { return }
        add(
            "operands exchanged", a.lowerBound..<b.upperBound, "\(text.text(b)), \(text.text(a))", at: i)
    }

    private mutating func number(_ i: Int) {
        let token = text.tokens[i]
        let digits = token.text.lowercased()
        let isHex = digits.hasPrefix("0x")
        let isFloat = digits.contains(".") || (isHex ? digits.contains("p") : digits.contains("e"))
        if isFloat {
            // Far enough to be seen, in float32 too.
            add("constant", token.range, "(\(token.text) * 1.0001f)", at: i)
            add("constant", token.range, "(-\(token.text))", at: i)
            return
        }
        if isArraySize(i) { return }
        add("constant", token.range, "(\(token.text) + 1)", at: i)
        if digits != "0" { add("constant", token.range, "(\(token.text) - 1)", at: i) }
    }

    private mutating func name(_ i: Int) {
        let word = text.tokens[i].text
        guard word == "if" || word == "while", token(i + 1) == "(", let end = text.closing(i + 1), end > i + 2 else {
            if word == "break" || word == "continue" { add("statement dropped", text.tokens[i].range, "", at: i) }
            return
        }
        let condition = text.tokens[i + 2].range.lowerBound..<text.tokens[end - 1].range.upperBound
        add("condition", condition, "!(\(text.text(condition)))", at: i)
        if word == "if" {
            add("condition", condition, "(\(text.text(condition))) || 1", at: i)
            add("condition", condition, "(\(text.text(condition))) && 0", at: i)
        }
    }

    /// Leaves out the expression statement that begins here, if one does.
    private mutating func statement(from i: Int) {
        guard [";", "{", "}", ")", "else"].contains(token(i - 1)) else { return }
        let first = text.tokens[i]
        guard first.kind == .name || first.text == "*" || first.text == "++", !Self.keywords.contains(first.text) else {
            return
        }
        var depth = 0
        var end = i
        while end < text.tokens.count {
            switch token(end) {
            case "(", "[": depth += 1
            case ")", "]": depth -= 1
            case "{", "}": return
            default: break
            }
            if depth < 0 { return }
            if token(end) == ";" { break }
            end += 1
        }
        guard end < text.tokens.count, end > i + 1 else { return }
        // A declaration is no step of the work, and what it declares is wanted: such an edit does not compile.
        let looksDeclared = text.tokens[i + 1].kind == .name || (token(i + 1) == "*" && first.kind == .name)
        if looksDeclared { return }
        let whole = first.range.lowerBound..<text.tokens[end - 1].range.upperBound
        add("statement dropped", whole, "(void)0", at: i)
    }
}

extension TextEdit {
    func applied(to bytes: [UInt8]) -> [UInt8] {
        Array(bytes[..<range.lowerBound]) + Array(replacement.utf8) + Array(bytes[range.upperBound...])
    }
}
