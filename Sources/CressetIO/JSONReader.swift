/// Why a text is not JSON, and where.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    public let message: String
    /// Byte of the text, from 0.
    public let offset: Int
    /// Line and column (in bytes), from 1.
    public let line: Int
    public let column: Int

    public var description: String { "\(message) at line \(line), column \(column) (byte \(offset))" }
}

/// Reads a JSON text value by value, so that a caller who knows what should come keeps only that.
///
/// Nothing it does recurses or allocates beyond its limits, whatever the text says.
public struct JSONReader {
    /// What a text may ask for.
    public struct Limits: Sendable {
        /// Arrays and objects within each other.
        public var depth: Int
        /// Values in the whole text: a value costs up to 24 bytes where the text spent two.
        public var values: Int

        public init(depth: Int = 128, values: Int = 16_000_000) {
            self.depth = depth
            self.values = values
        }
    }

    /// What comes next.
    public enum Kind: Sendable { case null, bool, number, string, array, object }

    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    private var values = 0
    private let limits: Limits

    /// A reader at the start of `bytes`, UTF-8 text.
    public init(_ bytes: [UInt8], limits: Limits = .init()) {
        self.bytes = bytes
        self.limits = limits
    }

    /// An error at the present place.
    public func error(_ message: String) -> JSONError {
        let before = bytes[..<position]
        let lineStart = before.lastIndex(of: ascii("\n")).map { $0 + 1 } ?? 0
        return JSONError(
            message: message, offset: position, line: before.count { $0 == ascii("\n") } + 1,
            column: position - lineStart + 1)
    }

    /// Refuses anything but white space after the last value.
    public mutating func finish() throws(JSONError) {
        skipSpace()
        if position < bytes.count { throw error("text after the end of the value") }
    }

    /// The kind of the next value, by its first character.
    public mutating func peek() throws(JSONError) -> Kind {
        skipSpace()
        switch current {
        case ascii("n"): return .null
        case ascii("t"), ascii("f"): return .bool
        case ascii("\""): return .string
        case ascii("["): return .array
        case ascii("{"): return .object
        case ascii("-"), .some(ascii("0")...ascii("9")): return .number
        case nil: throw error("the text ends where a value should begin")
        default: throw error("no value begins so")
        }
    }

    public mutating func readNull() throws(JSONError) {
        try begin(.null, "null")
        try expect(word: "null")
    }

    public mutating func readBool() throws(JSONError) -> Bool {
        try begin(.bool, "true or false")
        let value = current == ascii("t")
        try expect(word: value ? "true" : "false")
        return value
    }

    /// An integer that an Int can hold, written without fraction and exponent.
    public mutating func readInteger() throws(JSONError) -> Int {
        guard case .integer(let value) = try readNumber() else { throw error("an integer should stand here") }
        return value
    }

    /// An array, one call of `element` for each of its elements; it must read exactly that one.
    public mutating func readArray(
        _ element: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        try begin(.array, "an array")
        try readList(closedBy: ascii("]")) { (reader) throws(JSONError) in try element(&reader) }
    }

    /// An object, one call of `member` for each name; it must read exactly that member's value.
    public mutating func readObject(
        _ member: (inout JSONReader, String) throws(JSONError) -> Void
    ) throws(JSONError) {
        try begin(.object, "an object")
        try readList(closedBy: ascii("}")) { (reader) throws(JSONError) in
            reader.skipSpace()
            guard reader.current == ascii("\"") else { throw reader.error("a name in quotes should stand here") }
            let name = try reader.readQuoted()
            reader.skipSpace()
            guard reader.take(ascii(":")) else { throw reader.error("':' should follow the name") }
            try member(&reader, name)
        }
    }

    public mutating func readString() throws(JSONError) -> String {
        try begin(.string, "a string")
        return try readQuoted()
    }
}

// MARK: - Characters

extension JSONReader {
    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard current == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = current,
            byte == ascii(" ") || byte == ascii("\n") || byte == ascii("\t") || byte == ascii("\r")
        {
            position += 1
        }
    }

    private mutating func expect(word: StaticString) throws(JSONError) {
        let end = position + word.utf8CodeUnitCount
        let matches = word.withUTF8Buffer { end <= bytes.count && bytes[position..<end].elementsEqual($0) }
        guard matches else { throw error("'\(word)' should stand here") }
        position = end
    }

    /// Counts a value that must be of `kind`.
    private mutating func begin(_ kind: Kind, _ name: String) throws(JSONError) {
        guard try peek() == kind else { throw error("\(name) should stand here") }
        values += 1
        if values > limits.values { throw error("more than \(limits.values) values") }
    }

    /// `[` item, item `]` with the opening bracket next.
    private mutating func readList(
        closedBy close: UInt8, _ item: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        if depth == limits.depth { throw error("more than \(limits.depth) arrays and objects within each other") }
        depth += 1
        defer { depth -= 1 }
        position += 1
        skipSpace()
        if take(close) { return }
        while true {
            try item(&self)
            skipSpace()
            if take(close) { return }
            guard take(ascii(",")) else {
                throw error("',' or '\(Character(UnicodeScalar(close)))' should stand here")
            }
        }
    }
}

// MARK: - Numbers

extension JSONReader {
    /// `.integer` where an Int can hold it exactly, else `.number`.
    public mutating func readNumber() throws(JSONError) -> JSON {
        try begin(.number, "a number")
        let start = position
        let negative = take(ascii("-"))
        let digits = position
        guard skipDigits() > 0 else { throw error("a digit should stand here") }
        if bytes[digits] == ascii("0"), position > digits + 1 {
            throw error("a number does not begin with 0")
        }
        var isInteger = true
        if take(ascii(".")) {
            isInteger = false
            guard skipDigits() > 0 else { throw error("a digit should follow the point") }
        }
        if take(ascii("e")) || take(ascii("E")) {
            isInteger = false
            _ = take(ascii("+")) || take(ascii("-"))
            guard skipDigits() > 0 else { throw error("a digit should stand in the exponent") }
        }
        // A number longer than this says nothing more, and would be copied for its conversion.
        guard position - start <= 1024 else { throw error("a number of more than 1024 characters") }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        // -0 is the floating-point number.
        if isInteger, let value = Int(text), !(negative && value == 0) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw error("the number \(text) is out of range") }
        return .number(value)
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while let byte = current, byte >= ascii("0"), byte <= ascii("9") { position += 1 }
        return position - start
    }
}

// MARK: - Strings

extension JSONReader {
    private mutating func readQuoted() throws(JSONError) -> String {
        let opening = position
        position += 1
        var text: [UInt8] = []
        var run = position
        while let byte = current {
            switch byte {
            case ascii("\""):
                text += bytes[run..<position]
                position += 1
                guard let string = String(validating: text, as: UTF8.self) else {
                    position = opening
                    throw error("a string that is not UTF-8")
                }
                return string
            case ascii("\\"):
                text += bytes[run..<position]
                position += 1
                try readEscape(into: &text)
                run = position
            case 0..<0x20: throw error("a control character in a string")
            default: position += 1
            }
        }
        position = opening
        throw error("a string without end")
    }

    /// What follows a backslash.
    private mutating func readEscape(into text: inout [UInt8]) throws(JSONError) {
        guard let byte = current else { throw error("the text ends in a string") }
        position += 1
        switch byte {
        case ascii("\""), ascii("\\"), ascii("/"): text.append(byte)
        case ascii("b"): text.append(0x08)
        case ascii("f"): text.append(0x0C)
        case ascii("n"): text.append(0x0A)
        case ascii("r"): text.append(0x0D)
        case ascii("t"): text.append(0x09)
        case ascii("u"): text += UTF8.encode(try readScalar()).map { Array($0) } ?? []
        default: throw error("no escape is written so")
        }
    }

    /// The scalar of `\uXXXX`, or of two of them that are a surrogate pair.
    private mutating func readScalar() throws(JSONError) -> UnicodeScalar {
        var code = try readHex4()
        if (0xD800..<0xDC00).contains(code) {
            guard take(ascii("\\")), take(ascii("u")) else { throw error("half of a surrogate pair") }
            let low = try readHex4()
            guard (0xDC00..<0xE000).contains(low) else { throw error("half of a surrogate pair") }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = UnicodeScalar(code) else { throw error("half of a surrogate pair") }
        return scalar
    }

    private mutating func readHex4() throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = current, let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80 else {
                throw error("four hexadecimal digits should follow \\u")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }
}

@inline(__always)
func ascii(_ character: UnicodeScalar) -> UInt8 { UInt8(truncatingIfNeeded: character.value) }
