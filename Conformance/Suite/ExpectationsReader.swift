import Cresset
import CressetIO
import Glibc

/// A day of the calendar.
package struct Day: Sendable, Comparable, CustomStringConvertible {
    private var year: Int
    private var month: Int
    private var day: Int

    /// "2026-03-31"; nil for what is no day.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [4, 2, 2],
            parts.allSatisfy({ $0.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]), (1...12).contains(month)
        else { return nil }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
        guard (1...days).contains(day) else { return nil }
        (self.year, self.month, self.day) = (year, month, day)
    }

    private init(year: Int, month: Int, day: Int) { (self.year, self.month, self.day) = (year, month, day) }

    /// By universal time.
    package static var today: Day {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        return Day(year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday))
    }

    package static func < (x: Day, y: Day) -> Bool { (x.year, x.month, x.day) < (y.year, y.month, y.day) }

    package var description: String {
        func padded(_ n: Int, _ width: Int) -> String {
            let text = String(n)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    }
}

extension Expectations {
    /// The entries of a file:
    ///
    ///     {"unsupported": [{"op": "aten::linalg_*", "dtypes": ["float16"], "reason": "…"}],
    ///      "expected_failures": [{"op": "aten::sin", "directions": ["gradient"], "layouts": ["sliced"],
    ///         "cases": ["aten::sin/float32/2/*"], "driver": "llvmpipe", "reason": "…", "expires": "2026-03-31"}]}
    static func read(_ text: String) throws(JSONError) -> [Entry] {
        var reader = JSONReader(Array(text.utf8), limits: .init(depth: 4, values: 100_000))
        var entries: [Entry] = []
        var seen: Set<String> = []
        try reader.readObject { (reader, name) throws(JSONError) in
            guard name == "unsupported" || name == "expected_failures" else {
                throw reader.error("there is no list \"\(name)\"; there are \"unsupported\" and \"expected_failures\"")
            }
            guard seen.insert(name).inserted else { throw reader.error("the list \"\(name)\" stands here again") }
            try reader.readArray { (reader) throws(JSONError) in
                entries.append(try readEntry(&reader, expires: name == "expected_failures"))
            }
        }
        try reader.finish()
        return entries
    }

    private static func readEntry(_ reader: inout JSONReader, expires: Bool) throws(JSONError) -> Entry {
        _ = try reader.peek()
        let start = reader
        var entry = Entry(kind: .unsupported, reason: "", line: start.error("").line)
        var seen: Set<String> = []
        var until: Day?
        try reader.readObject { (reader, name) throws(JSONError) in
            guard seen.insert(name).inserted else { throw reader.error("\"\(name)\" stands here again") }
            switch name {
            case "op": entry.op = try readText(&reader)
            case "cases": entry.cases = try readList(&reader) { $0 }
            case "dtypes": entry.dtypes = Set(try readList(&reader, DType.init(name:)))
            case "directions": entry.directions = Set(try readList(&reader, Direction.init(rawValue:)))
            case "layouts": entry.layouts = Set(try readList(&reader, Layout.init(rawValue:)))
            case "driver": entry.driver = try readText(&reader)
            case "reason": entry.reason = try readText(&reader)
            case "expires" where expires: until = try readValue(&reader, Day.init)
            case "expires": throw reader.error("what is unsupported does not expire; what is to be mended is expected")
            default: throw reader.error("there is no member \"\(name)\" of an entry")
            }
        }
        if entry.reason.isEmpty { throw start.error("an entry needs a \"reason\"") }
        if entry.op == nil && entry.cases == nil { throw start.error("an entry needs an \"op\" or \"cases\"") }
        if expires {
            guard let until else { throw start.error("an expected failure needs a day on which it \"expires\"") }
            entry.kind = .expectedFailure(until: until)
        }
        return entry
    }

    private static func readText(_ reader: inout JSONReader) throws(JSONError) -> String {
        try readValue(&reader) { $0.isEmpty ? nil : $0 }
    }

    /// A string that means something; an error at its place where it does not.
    private static func readValue<Value>(
        _ reader: inout JSONReader, _ meaning: (String) -> Value?
    ) throws(JSONError) -> Value {
        _ = try reader.peek()
        let start = reader
        let text = try reader.readString()
        guard let value = meaning(text) else { throw start.error("\"\(text)\" is not known here") }
        return value
    }

    private static func readList<Value>(
        _ reader: inout JSONReader, _ meaning: (String) -> Value?
    ) throws(JSONError) -> [Value] {
        _ = try reader.peek()
        let start = reader
        var values: [Value] = []
        try reader.readArray { (reader) throws(JSONError) in values.append(try readValue(&reader, meaning)) }
        if values.isEmpty { throw start.error("an empty list covers nothing") }
        return values
    }
}
