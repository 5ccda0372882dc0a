/// A library of functions as text, from which a kernel takes the ones it needs.
///
/// A function starts with `FN ` in the first column and ends with the next `}` there; callees come
/// before callers. Comments and blank lines between functions are left out.
public struct FunctionLibrary: Sendable {
    private struct Function: Sendable {
        var text: String
        /// Indices of the functions it calls itself, all smaller than its own.
        var callees: [Int]
    }
    private var functions: [Function] = []
    private var indices: [String: Int] = [:]

    public init() {}

    /// Adds the functions of a source.
    public mutating func add(_ source: String) {
        let bytes = Array(source.utf8)
        var start: Int?
        var line = 0
        while line < bytes.count {
            let end = bytes[line...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            if start == nil && bytes[line..<end].starts(with: "FN ".utf8) { start = line }
            if let first = start, bytes[line] == UInt8(ascii: "}") {
                add(bytes[first..<end])
                start = nil
            }
            line = end + 1
        }
    }

    private mutating func add(_ body: ArraySlice<UInt8>) {
        // FN type name(…: the name is the identifier before the first parenthesis.
        let head = body[..<(body.firstIndex(of: UInt8(ascii: "(")) ?? body.endIndex)]
        guard let name = Self.identifiers(head).last else { return }
        indices[name] = functions.count
        let callees = Set(Self.identifiers(body).compactMap { indices[$0] }).subtracting([functions.count])
        functions.append(Function(text: String(decoding: body, as: UTF8.self) + "\n", callees: callees.sorted()))
    }

    public func contains(_ name: String) -> Bool { indices[name] != nil }

    /// The functions that `text` calls and those that they call, in order of definition.
    public func functions(neededBy text: String) -> String {
        var needed = Set<Int>()
        var open = Self.identifiers(Array(text.utf8)[...]).compactMap { indices[$0] }
        while let next = open.popLast() {
            if needed.insert(next).inserted { open += functions[next].callees }
        }
        return needed.sorted().map { functions[$0].text }.joined(separator: "\n")
    }

    /// All identifiers that begin as functions of the kit do.
    private static func identifiers(_ text: ArraySlice<UInt8>) -> [String] {
        func isPart(_ c: UInt8) -> Bool {
            switch c {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        let prefix = Array("cresset_".utf8)
        var found: [String] = []
        var i = text.startIndex
        while i < text.endIndex {
            guard isPart(text[i]) else {
                i += 1
                continue
            }
            let start = i
            while i < text.endIndex && isPart(text[i]) { i += 1 }
            if text[start..<i].starts(with: prefix) { found.append(String(decoding: text[start..<i], as: UTF8.self)) }
        }
        return found
    }
}

/// The functions kernels may call in one dialect: the portable maths and the renderer's helpers.
public struct MathsSource: Sendable {
    public let dialect: Dialect
    private let library: FunctionLibrary

    /// `mathsSource` is what the host's services hand over.
    public init(_ mathsSource: String, dialect: Dialect) {
        self.dialect = dialect
        var library = FunctionLibrary()
        library.add(HelperSource.text(dialect))
        library.add(dialect.language == .glsl ? Self.suffixedLiterals(mathsSource) : mathsSource)
        self.library = library
    }

    /// What the kernels in `text` need before them, without the dialect's preamble.
    public func functions(neededBy text: String) -> String { library.functions(neededBy: text) }

    /// `text` with everything it needs before it. In GLSL `#version` and the kernel's own extensions go
    /// before this.
    public func complete(_ text: String, hasF64: Bool = true) -> String {
        dialect.preamble(hasF64: hasF64) + functions(neededBy: text) + "\n" + text
    }

    /// `D(1.5)` as `1.5lf` and `U64(5)` as `5ul`: GLSL has no macros that could.
    static func suffixedLiterals(_ source: String) -> String {
        let bytes = Array(source.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var i = 0
        while i < bytes.count {
            var replaced = false
            for (macro, suffix) in [("D(", "lf"), ("U64(", "ul")] {
                let startsName = i == 0 || !isNamePart(bytes[i - 1])
                guard startsName && bytes[i...].starts(with: macro.utf8) else { continue }
                let first = i + macro.utf8.count
                guard let end = bytes[first...].firstIndex(of: UInt8(ascii: ")")) else { continue }
                result += bytes[first..<end]
                result += Array(suffix.utf8)
                i = end + 1
                replaced = true
                break
            }
            if !replaced {
                result.append(bytes[i])
                i += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func isNamePart(_ c: UInt8) -> Bool {
        c == UInt8(ascii: "_") || (c | 32 >= UInt8(ascii: "a") && c | 32 <= UInt8(ascii: "z"))
            || (c >= UInt8(ascii: "0") && c <= UInt8(ascii: "9"))
    }
}
