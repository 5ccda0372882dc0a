/// An operation's signature in PyTorch's notation: `add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor`.
public struct Schema: Sendable {
    public struct Argument: Sendable {
        /// "Tensor", "Scalar", "int[]", "ScalarType?", …
        public var type: String
        public var name: String
        /// nil if it must be given.
        public var defaultValue: Value?

        public var isTensor: Bool { type.hasPrefix("Tensor") && !type.contains("[") }
        public var isOptional: Bool { type.hasSuffix("?") }
    }

    public let text: String
    /// "aten::add.Tensor"
    public let name: String
    public var arguments: [Argument] { parts.arguments }
    public var returnCount: Int { parts.returnCount }

    /// What is behind the name, parsed when it is first asked for: a program calls few of the operations there are.
    private final class Parts: Sendable {
        private let text: String
        private let parsed = Lock((arguments: [Argument], returnCount: Int)?.none)

        init(_ text: String) { self.text = text }

        var both: (arguments: [Argument], returnCount: Int) {
            parsed.withLock { parsed in
                if let parsed { return parsed }
                let found = Schema.parse(text)
                parsed = found
                return found
            }
        }
        var arguments: [Argument] { both.arguments }
        var returnCount: Int { both.returnCount }
    }
    private let parts: Parts

    /// Why a declaration from outside cannot be parsed; nil if it can.
    static func problem(with text: String) -> String? {
        guard let open = text.firstIndex(of: "("), let arrow = text.range(of: ") -> "), open < arrow.lowerBound else {
            return "a schema reads \"mylibrary::name(Tensor self, Scalar x) -> Tensor\""
        }
        let name = text[..<open]
        let isWord = name.utf8.allSatisfy { c in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(c | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(c)
                || c == UInt8(ascii: "_") || c == UInt8(ascii: ":") || c == UInt8(ascii: ".")
        }
        guard isWord, let colons = String(name).range(of: "::"), !name.hasPrefix("::"), !name.hasSuffix("::") else {
            return "the name must be of the form \"mylibrary::name\", in letters, digits and underscores"
        }
        guard name[..<colons.lowerBound] != "aten" else { return "the namespace aten is PyTorch's" }
        return nil
    }

    /// Parses a declaration of ours; a malformed one is a programmer's error.
    init(_ text: String) {
        self.text = text
        let bare = String(text.utf8.prefix { $0 != UInt8(ascii: "(") }) ?? text
        name = bare.contains("::") ? bare : "aten::" + bare
        parts = Parts(text)
    }

    private static func parse(_ text: String) -> (arguments: [Argument], returnCount: Int) {
        guard let open = text.firstIndex(of: "("), let arrow = text.range(of: ") -> ") else {
            preconditionFailure("malformed schema: \(text)")
        }
        let returns = text[arrow.upperBound...]
        return (
            split(text[text.index(after: open)..<arrow.lowerBound]).compactMap(argument),
            returns.hasPrefix("(") ? split(returns.dropFirst().dropLast()).count : returns == "()" ? 0 : 1
        )
    }

    /// Splits at commas outside brackets.
    private static func split(_ text: Substring) -> [Substring] {
        var parts: [Substring] = []
        var depth = 0
        var start = text.startIndex
        for i in text.indices {
            switch text[i] {
            case "[", "(": depth += 1
            case "]", ")": depth -= 1
            case "," where depth == 0:
                parts.append(text[start..<i])
                start = text.index(after: i)
            default: break
            }
        }
        if start < text.endIndex { parts.append(text[start...]) }
        return parts
    }

    private static func argument(_ text: Substring) -> Argument? {
        let trimmed = text.trimmingSpaces
        guard trimmed != "*", let space = trimmed.firstIndex(of: " ") else { return nil }
        var type = String(trimmed[..<space])
        // "Tensor(a!)" marks an argument that is written to; the alias name does not matter here.
        if let paren = type.firstIndex(of: "("), let close = type.firstIndex(of: ")") {
            type.removeSubrange(paren...close)
        }
        let rest = trimmed[trimmed.index(after: space)...]
        guard let equals = rest.firstIndex(of: "=") else {
            return Argument(type: type, name: String(rest), defaultValue: nil)
        }
        return Argument(
            type: type, name: String(rest[..<equals]),
            defaultValue: value(String(rest[rest.index(after: equals)...]), type: type))
    }

    private static func value(_ text: String, type: String) -> Value {
        switch text {
        case "None": return .none
        case "True": return true
        case "False": return false
        case "inf": return .scalar(.double(.infinity))
        case "-inf": return .scalar(.double(-.infinity))
        default: break
        }
        if text.hasPrefix("[") {
            return .ints(text.dropFirst().dropLast().split(separator: ",").compactMap { Int($0.trimmingSpaces) })
        }
        if let x = Int64(text) { return type.hasPrefix("float") ? .scalar(.double(Double(x))) : .scalar(.int(x)) }
        if let x = Double(text) { return .scalar(.double(x)) }
        return .string(text.filter { $0 != "\"" && $0 != "'" })
    }

    /// The arguments with defaults filled in, checked for number and type.
    func bind(_ values: [Value], named: [String: Value] = [:]) throws(CressetError) -> Arguments {
        guard values.count <= arguments.count else {
            throw CressetError(
                .argument, op: name, "takes \(arguments.count) arguments, \(values.count) were given; schema: \(text)")
        }
        for key in named.keys where !arguments.contains(where: { $0.name == key }) {
            throw CressetError(.argument, op: name, "has no argument \(key); schema: \(text)")
        }
        var bound: [Value] = []
        for (i, argument) in arguments.enumerated() {
            if i < values.count {
                bound.append(values[i])
            } else if let value = named[argument.name] ?? argument.defaultValue {
                bound.append(value)
            } else {
                throw CressetError(.argument, op: name, "argument \(argument.name) is missing; schema: \(text)")
            }
        }
        for (argument, value) in zip(arguments, bound) { try check(value, for: argument) }
        return Arguments(op: name, schema: self, values: bound)
    }

    /// That tensors are given where tensors are meant; of what kind the others are is asked where they are read.
    private func check(_ value: Value, for argument: Argument) throws(CressetError) {
        switch (argument.type, value) {
        case ("Tensor", .tensor), ("Tensor[]", .tensors): return
        case ("Tensor", _): throw wrong(argument.name, "a tensor", value)
        case ("Tensor[]", _): throw wrong(argument.name, "a list of tensors", value)
        default: return
        }
    }

    /// The error for an argument of another kind than the schema's.
    func wrong(_ argument: String, _ wanted: String, _ got: Value) -> CressetError {
        CressetError(.argument, op: name, "argument \(argument) must be \(wanted), not \(got.kind); schema: \(text)")
    }
}

extension StringProtocol {
    var trimmingSpaces: SubSequence {
        var slice = self[...]
        while slice.first == " " { slice = slice.dropFirst() }
        while slice.last == " " { slice = slice.dropLast() }
        return slice
    }
}

extension String {
    /// The first occurrence of `text`, without Foundation.
    func range(of text: String) -> Range<Index>? {
        var i = startIndex
        while i < endIndex {
            if self[i...].hasPrefix(text) { return i..<index(i, offsetBy: text.count) }
            i = index(after: i)
        }
        return nil
    }
}
