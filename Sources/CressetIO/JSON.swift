/// A JSON value.
///
/// Objects keep the order of their members. Reading is strict: RFC 8259, no duplicate names, no numbers
/// that a Double cannot hold, no lone surrogates.
public enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number written without fraction and exponent that an Int can hold.
    case integer(Int)
    /// Any other number.
    case number(Double)
    case string(String)
    case array([JSON])
    case object(Object)

    /// The members of an object, in the order in which they were written.
    public struct Object: Sendable, Equatable {
        public private(set) var keys: [String] = []
        private var values: [String: JSON] = [:]

        public init() {}

        public var count: Int { keys.count }
        public var isEmpty: Bool { keys.isEmpty }

        /// The member of that name; setting one that is not there appends it, setting nil removes it.
        public subscript(key: String) -> JSON? {
            get { values[key] }
            set {
                let old = values[key]
                values[key] = newValue
                if old == nil, newValue != nil { keys.append(key) }
                if old != nil, newValue == nil { keys.removeAll { $0 == key } }
            }
        }

        public static func == (x: Object, y: Object) -> Bool { x.values == y.values }
    }
}

extension JSON.Object: Sequence {
    public func makeIterator() -> AnyIterator<(key: String, value: JSON)> {
        var next = keys.makeIterator()
        return AnyIterator { [values] in
            guard let key = next.next(), let value = values[key] else { return nil }
            return (key, value)
        }
    }
}

extension JSON {
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var intValue: Int? { if case .integer(let value) = self { value } else { nil } }
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    public var arrayValue: [JSON]? { if case .array(let value) = self { value } else { nil } }
    public var objectValue: Object? { if case .object(let value) = self { value } else { nil } }
    public var isNull: Bool { self == .null }

    /// Any number, integers too.
    public var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// The member of that name, nil where this is no object.
    public subscript(key: String) -> JSON? { objectValue?[key] }

    /// The element at that place, nil where this is no array or it is shorter.
    public subscript(index: Int) -> JSON? {
        guard let array = arrayValue, array.indices.contains(index) else { return nil }
        return array[index]
    }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(nilLiteral: ()) { self = .null }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }

    /// The later of two equal keys counts.
    public init(dictionaryLiteral elements: (String, JSON)...) {
        var object = Object()
        for (key, value) in elements { object[key] = value }
        self = .object(object)
    }
}

extension JSON {
    /// Reads one JSON value that fills `text`.
    public static func parse(_ text: String, limits: JSONReader.Limits = .init()) throws(JSONError) -> JSON {
        try parse(bytes: Array(text.utf8), limits: limits)
    }

    /// Reads one JSON value that fills `bytes`, UTF-8.
    public static func parse(bytes: [UInt8], limits: JSONReader.Limits = .init()) throws(JSONError) -> JSON {
        var reader = JSONReader(bytes, limits: limits)
        let value = try reader.readValue()
        try reader.finish()
        return value
    }
}

extension JSONReader {
    /// The next value with all that is in it.
    public mutating func readValue() throws(JSONError) -> JSON {
        switch try peek() {
        case .null:
            try readNull()
            return .null
        case .bool: return .bool(try readBool())
        case .string: return .string(try readString())
        case .number: return try readNumber()
        case .array:
            var elements: [JSON] = []
            try readArray { (reader) throws(JSONError) in elements.append(try reader.readValue()) }
            return .array(elements)
        case .object:
            var object = JSON.Object()
            try readObject { (reader, key) throws(JSONError) in
                guard object[key] == nil else { throw reader.error("the name \(key.debugDescription) stands twice") }
                object[key] = try reader.readValue()
            }
            return .object(object)
        }
    }
}
