/// Sizes by name, as `expect` binds them.
public struct Sizes: Sendable, Equatable, ExpressibleByDictionaryLiteral, CustomStringConvertible {
    fileprivate private(set) var names: [String] = []
    private var values: [String: Int] = [:]

    public init() {}
    public init(dictionaryLiteral elements: (String, Int)...) { for (name, size) in elements { bind(name, size) } }

    fileprivate mutating func bind(_ name: String, _ size: Int) {
        if values.updateValue(size, forKey: name) == nil { names.append(name) }
    }

    /// The size of that name; nil if none is bound.
    public func find(_ name: String) -> Int? { values[name] }

    /// The size of that name, which must be bound.
    public subscript(name: String) -> Int {
        trapping(default: 0) { () throws(CressetError) in
            guard let size = values[name] else {
                throw CressetError(.argument, op: "Sizes", "no size is called \(name); known are \(self)")
            }
            return size
        }
    }

    public static func == (a: Sizes, b: Sizes) -> Bool { a.values == b.values }

    /// "b = 2, t = 5"
    public var description: String {
        names.isEmpty ? "none" : names.map { "\($0) = \(values[$0] ?? 0)" }.joined(separator: ", ")
    }
}

extension Tensor {
    /// Checks the shape against a pattern of names, and binds the names that are new.
    ///
    ///     let s = x.expect("b t c")             // binds b, t and c
    ///     let y = attention(x)
    ///     y.expect("b t c", s)                  // the same sizes again
    ///     qkv.expect("b t 3*c", s)              // three times c
    ///
    /// - Parameters:
    ///   - pattern: one word for each dim, with spaces between: a name, a number, a product of those such as `3*c`,
    ///     of whose names one at most is new, `_` for any size, or once `...` for any number of dims.
    ///   - sizes: names that are bound already.
    /// - Returns: the names with their sizes, those of `sizes` included. A shape that does not fit is an error that
    ///   tells the names.
    @discardableResult
    public func expect(_ pattern: String, _ sizes: Sizes = [:]) -> Sizes {
        trapping(default: sizes) { () throws(CressetError) in
            try checkValid("expect")
            var bound = sizes
            try ShapePattern(pattern).match(self, &bound)
            return bound
        }
    }
}

/// A parsed pattern.
private struct ShapePattern {
    private enum Factor {
        case number(Int)
        case name(String)
    }
    private enum Word {
        case any
        /// The product of its factors.
        case size(text: String, [Factor])
    }
    private let text: String
    private let front: [Word]
    /// Behind "..."; nil without it.
    private let back: [Word]?

    init(_ text: String) throws(CressetError) {
        self.text = text
        let words = text.split(separator: " ").map(String.init)
        let parts = words.split(separator: "...", maxSplits: .max, omittingEmptySubsequences: false)
        guard parts.count <= 2 else { throw Self.malformed(text, "\"...\" may stand there once") }
        var parsed: [[Word]] = []
        for part in parts {
            var list: [Word] = []
            for word in part { list.append(try Self.parse(word, in: text)) }
            parsed.append(list)
        }
        front = parsed[0]
        back = parsed.count == 2 ? parsed[1] : nil
    }

    private static func malformed(_ text: String, _ why: String) -> CressetError {
        CressetError(.argument, op: "expect", "\"\(text)\" is no pattern: \(why)")
    }

    private static func parse(_ word: String, in text: String) throws(CressetError) -> Word {
        if word == "_" { return .any }
        var factors: [Factor] = []
        for factor in word.split(separator: "*", omittingEmptySubsequences: false) {
            if let number = Int(factor), number >= 0 {
                factors.append(.number(number))
            } else if let first = factor.first, first.isLetter,
                factor.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" })
            {
                factors.append(.name(String(factor)))
            } else {
                throw malformed(text, "\"\(word)\" is neither a name, a number, a product of those, nor _")
            }
        }
        return .size(text: word, factors)
    }

    func match(_ x: Tensor, _ sizes: inout Sizes) throws(CressetError) {
        let needed = front.count + (back?.count ?? 0)
        let before = sizes
        func refuse(_ why: String) -> CressetError {
            let known = before.names.isEmpty ? "" : "; bound before: \(before)"
            return CressetError(.shape, op: "expect", "\(x.summary) is not \"\(text)\": \(why)\(known)")
        }
        guard back == nil ? x.ndim == needed : x.ndim >= needed else {
            throw refuse("it has \(x.ndim) dims, not \(back == nil ? "" : "at least ")\(needed)")
        }
        for (d, word) in front.enumerated() { try match(word, x.shape[d], d, &sizes, refuse) }
        for (i, word) in (back ?? []).enumerated() {
            let d = x.ndim - (back?.count ?? 0) + i
            try match(word, x.shape[d], d, &sizes, refuse)
        }
    }

    private func match(
        _ word: Word, _ size: Int, _ d: Int, _ sizes: inout Sizes, _ refuse: (String) -> CressetError
    ) throws(CressetError) {
        guard case .size(let text, let factors) = word else { return }
        var known = 1
        var new: String?
        for factor in factors {
            switch factor {
            case .number(let number): known *= number
            case .name(let name):
                if let value = sizes.find(name) {
                    known *= value
                } else if new == nil {
                    new = name
                } else {
                    throw refuse("in \(text) both \(new ?? "") and \(name) are new")
                }
            }
        }
        guard let new else {
            if known == size { return }
            throw refuse(
                text == "\(known)" ? "dim \(d) is \(size), not \(text)" : "dim \(d) is \(size), and \(text) is \(known)"
            )
        }
        guard known > 0, size % known == 0 else {
            throw refuse("dim \(d) is \(size), no multiple of \(known), so there is no \(text)")
        }
        sizes.bind(new, size / known)
    }
}
