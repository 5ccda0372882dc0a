/// A token of text in C, OpenCL C or GLSL, which agree on what one is.
struct Token {
    enum Kind { case name, number, sign, literal }

    var kind: Kind
    var text: String
    /// Where it lies in the text, in bytes.
    var range: Range<Int>
    /// From 1.
    var line: Int
}

/// The tokens of a text, without comments and without directives other than #define.
struct TokenizedText {
    let bytes: [UInt8]
    private(set) var tokens: [Token] = []

    private static let signs: [[UInt8]] = [
        "<<=", ">>=", "...", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=", "/=",
        "%=", "&=", "|=", "^=", "##",
    ].map { Array($0.utf8) }

    init(_ text: String) {
        bytes = Array(text.utf8)
        var at = 0
        var line = 1
        var isLineStart = true
        func sees(_ text: [UInt8]) -> Bool { bytes[at...].starts(with: text) }
        func skip(to end: Int) {
            line += bytes[at..<end].count { $0 == UInt8(ascii: "\n") }
            at = end
        }
        while at < bytes.count {
            let c = bytes[at]
            if c == UInt8(ascii: "\n") {
                line += 1
                at += 1
                isLineStart = true
            } else if c <= UInt8(ascii: " ") || c == UInt8(ascii: "\\") {
                at += 1
                // A continued line goes on.
                if c == UInt8(ascii: "\\"), at < bytes.count, bytes[at] == UInt8(ascii: "\n") {
                    line += 1
                    at += 1
                }
            } else if sees([UInt8](ascii: "//")) {
                skip(to: bytes[at...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count)
            } else if sees([UInt8](ascii: "/*")) {
                skip(to: endOfComment(from: at))
            } else if c == UInt8(ascii: "#") && isLineStart {
                skip(to: endOfDirectiveHead(from: at))
                isLineStart = false
            } else {
                isLineStart = false
                let (kind, end) = token(at)
                tokens.append(
                    Token(
                        kind: kind, text: String(decoding: bytes[at..<end], as: UTF8.self), range: at..<end, line: line)
                )
                at = end
            }
        }
    }

    private func endOfComment(from start: Int) -> Int {
        var at = start + 2
        while at + 1 < bytes.count && !(bytes[at] == UInt8(ascii: "*") && bytes[at + 1] == UInt8(ascii: "/")) {
            at += 1
        }
        return min(at + 2, bytes.count)
    }

    /// Behind "#define NAME" or "#define NAME(…)", whose text is code; other directives are passed over whole.
    private func endOfDirectiveHead(from start: Int) -> Int {
        var end = start
        while end < bytes.count && bytes[end] != UInt8(ascii: "\n") {
            end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1
        }
        end = min(end, bytes.count)
        guard bytes[start...].starts(with: "#define ".utf8) else { return end }
        var at = start + 8
        while at < end && bytes[at].isWord { at += 1 }
        if at < end && bytes[at] == UInt8(ascii: "(") {
            while at < end && bytes[at] != UInt8(ascii: ")") { at += 1 }
            at += 1
        }
        return min(at, end)
    }

    private func token(_ at: Int) -> (Token.Kind, Int) {
        let c = bytes[at]
        if c.isDigit || (c == UInt8(ascii: ".") && at + 1 < bytes.count && bytes[at + 1].isDigit) {
            var end = at + 1
            while end < bytes.count {
                let isExponent = "eEpP".utf8.contains(bytes[end - 1]) && "+-".utf8.contains(bytes[end])
                // (In 0x1e+3 the sign is none of the number's; nobody writes that.)
                guard bytes[end].isWord || bytes[end] == UInt8(ascii: ".") || isExponent else { break }
                end += 1
            }
            return (.number, end)
        }
        if c.isWord {
            return (.name, bytes[at...].firstIndex { !$0.isWord } ?? bytes.count)
        }
        if c == UInt8(ascii: "\"") || c == UInt8(ascii: "'") {
            var end = at + 1
            while end < bytes.count && bytes[end] != c { end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1 }
            return (.literal, min(end + 1, bytes.count))
        }
        for sign in Self.signs where bytes[at...].starts(with: sign) { return (.sign, at + sign.count) }
        return (.sign, at + 1)
    }

    /// The place of the bracket that closes the one at `open`.
    func closing(_ open: Int) -> Int? {
        var depth = 0
        for i in open..<tokens.count {
            switch tokens[i].text {
            case "(", "[", "{": depth += 1
            case ")", "]", "}":
                depth -= 1
                if depth == 0 { return i }
            default: break
            }
        }
        return nil
    }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
}

extension UInt8 {
    fileprivate var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }
    fileprivate var isWord: Bool {
        isDigit || self == UInt8(ascii: "_") || (self | 32 >= UInt8(ascii: "a") && self | 32 <= UInt8(ascii: "z"))
    }
}

extension [UInt8] {
    fileprivate init(ascii text: String) { self = Array(text.utf8) }
}
