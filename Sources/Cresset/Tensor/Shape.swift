import CBackend

/// Largest rank of a tensor.
public let maxRank = Int(CRESSET_MAX_RANK)

/// A short list of integers held inline: a tensor's sizes or strides.
///
/// Reads like an array; never allocates. At most `maxRank` (12) elements.
public struct Shape: RandomAccessCollection, MutableCollection, ExpressibleByArrayLiteral, Sendable {
    @usableFromInline var storage: InlineArray<12, Int>
    @usableFromInline var rank: Int

    @inlinable
    public init() {
        storage = InlineArray(repeating: 0)
        rank = 0
    }

    /// `count` equal elements.
    @inlinable
    public init(repeating value: Int, count: Int) {
        precondition(count >= 0 && count <= 12, "rank above 12")
        storage = InlineArray(repeating: value)
        rank = count
    }

    /// The elements of `values`, at most 12.
    @inlinable
    public init(_ values: some Collection<Int>) {
        self.init()
        for value in values { append(value) }
    }

    @inlinable
    public init(arrayLiteral elements: Int...) {
        self.init(elements)
    }

    @inlinable public var startIndex: Int { 0 }
    @inlinable public var endIndex: Int { rank }

    @inlinable
    public subscript(i: Int) -> Int {
        get {
            precondition(i >= 0 && i < rank, "dimension out of range")
            return storage[i]
        }
        set {
            precondition(i >= 0 && i < rank, "dimension out of range")
            storage[i] = newValue
        }
    }

    @inlinable
    public mutating func append(_ value: Int) {
        precondition(rank < 12, "rank above 12")
        storage[rank] = value
        rank += 1
    }

    @inlinable
    public mutating func insert(_ value: Int, at i: Int) {
        append(value)
        var k = rank - 1
        while k > i {
            storage[k] = storage[k - 1]
            k -= 1
        }
        storage[i] = value
    }

    @inlinable
    @discardableResult
    public mutating func remove(at i: Int) -> Int {
        let value = self[i]
        var k = i
        while k + 1 < rank {
            storage[k] = storage[k + 1]
            k += 1
        }
        rank -= 1
        return value
    }

    /// The list with one element more.
    func inserting(_ value: Int, at i: Int) -> Shape {
        var result = self
        result.insert(value, at: i)
        return result
    }

    /// Product of the sizes; 1 for rank 0. Of sizes that no tensor can have, the largest integer.
    @inlinable
    public var elementCount: Int {
        var n = 1
        var overflows = false
        for i in 0..<rank {
            let size = storage[i]
            if size == 0 { return 0 }
            let (product, overflow) = n.multipliedReportingOverflow(by: size)
            overflows = overflows || overflow
            n = product
        }
        return overflows ? .max : n
    }

    /// The product of the sizes, with 1 for 0, and `bytes`: what strides and addresses must be able to
    /// tell apart, also in a tensor of no elements; nil if an integer cannot, or a size is negative.
    @inlinable
    func extent(_ bytes: Int) -> Int? {
        var n = bytes
        for i in 0..<rank {
            let size = storage[i]
            let (product, overflow) = n.multipliedReportingOverflow(by: Swift.max(size, 1))
            if overflow || size < 0 { return nil }
            n = product
        }
        return n
    }

    /// Strides of a row-major tensor of this shape, whose extent an integer can hold.
    @inlinable
    public var contiguousStrides: Shape {
        var strides = Shape(repeating: 1, count: rank)
        if rank <= 1 { return strides }
        var step = 1
        var i = rank - 1
        while i >= 0 {
            strides.storage[i] = step
            step &*= Swift.max(storage[i], 1)
            i -= 1
        }
        return strides
    }
}

extension Shape: Equatable, Hashable {
    @inlinable
    public static func == (x: Shape, y: Shape) -> Bool {
        guard x.rank == y.rank else { return false }
        for i in 0..<x.rank where x.storage[i] != y.storage[i] { return false }
        return true
    }

    public func hash(into hasher: inout Hasher) {
        for value in self { hasher.combine(value) }
    }

    public static func == (x: Shape, y: [Int]) -> Bool { x.elementsEqual(y) }
}

extension Shape: CustomStringConvertible {
    public var description: String { "[" + map(String.init).joined(separator: ", ") + "]" }
}

extension Shape {
    /// Elements from `offset`'s first address to the last that a tensor of these sizes and strides
    /// touches, in elements; 0 if it has none.
    func span(strides: Shape) -> Int {
        var last = 0
        for i in 0..<rank {
            if storage[i] == 0 { return 0 }
            last += (storage[i] - 1) * strides.storage[i]
        }
        return last + 1
    }

    /// True when `strides` are row-major for this shape (dims of size 1 do not matter).
    @inlinable
    func isContiguous(_ strides: Shape) -> Bool {
        var expected = 1
        var i = rank - 1
        while i >= 0 {
            let size = storage[i]
            if size == 0 { return true }
            if size != 1 {
                if strides.storage[i] != expected { return false }
                expected *= size
            }
            i -= 1
        }
        return true
    }
}
