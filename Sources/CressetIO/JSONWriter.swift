extension JSON: CustomStringConvertible {
    /// The value on one line.
    public var description: String { serialized() }

    /// The value as JSON text; `pretty` gives each member and element a line of its own.
    ///
    /// JSON has no NaN and no infinities: they are written as null.
    public func serialized(pretty: Bool = false) -> String {
        var text = ""
        write(to: &text, indent: pretty ? 0 : nil)
        return text
    }

    private func write(to text: inout String, indent: Int?) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += String(value)
        case .number(let value): text += value.isFinite ? "\(value)" : "null"
        case .string(let value): JSON.quote(value, to: &text)
        case .array(let elements):
            JSON.writeList(elements, "[", "]", to: &text, indent: indent) { $0.write(to: &$1, indent: $2) }
        case .object(let object):
            JSON.writeList(object, "{", "}", to: &text, indent: indent) { member, text, indent in
                JSON.quote(member.key, to: &text)
                text += indent == nil ? ":" : ": "
                member.value.write(to: &text, indent: indent)
            }
        }
    }

    private static func writeList<List: Sequence>(
        _ list: List, _ open: String, _ close: String, to text: inout String, indent: Int?,
        _ item: (List.Element, inout String, Int?) -> Void
    ) {
        func newLine(_ depth: Int?) {
            if let depth { text += "\n" + String(repeating: " ", count: 2 * depth) }
        }
        let inner = indent.map { $0 + 1 }
        var isEmpty = true
        text += open
        for element in list {
            if !isEmpty { text += "," }
            isEmpty = false
            newLine(inner)
            item(element, &text, inner)
        }
        if !isEmpty { newLine(indent) }
        text += close
    }

    private static func quote(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\0"..<" ":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
