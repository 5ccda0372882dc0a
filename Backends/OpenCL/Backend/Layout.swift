import BackendKit

/// The numbers a kernel is given: one array of 64-bit words.
final class Blob {
    let words: UnsafeMutablePointer<Int>
    private(set) var count = 0
    static let capacity = 4096

    init() {
        words = .allocate(capacity: Self.capacity)
        words.initialize(repeating: 0, count: Self.capacity)
    }
    deinit { words.deallocate() }

    func removeAll() { count = 0 }

    func append(_ word: Int) {
        precondition(count < Self.capacity, "a launch has too many numbers")
        words[count] = word
        count += 1
    }

    /// Params as their bits.
    func append(paramsOf call: Call) {
        for k in 0..<call.paramCount { append(Int(call.param(k).i)) }
    }

    func pad(to size: Int) {
        while count < size { append(0) }
    }
}

/// The iteration space of a launch, without what does not matter: dims of size 1 are dropped, and dims
/// that every tensor steps through as one are one.
///
/// It is split into two: space 0 (of the outputs) and space 1 (what is reduced, or must be done in
/// order). In each, dim 0 is the innermost.
final class Layout {
    /// One more than tensors have: a product of matrices has the dim that is summed besides.
    static let maxRank = 13
    /// Inputs, outputs and the linear index.
    static let maxTensors = 16 + 8 + 1

    private(set) var tensors = 0
    private(set) var rank = (0, 0)
    private(set) var count = (1, 1)
    private let storage: UnsafeMutablePointer<Int>

    // storage: offsets, then per space the sizes and per tensor the strides, then the shape.
    private static let spaceWords = maxRank * (1 + maxTensors)

    init() {
        let words = Self.maxTensors + 2 * Self.spaceWords + 2 * Self.maxRank
        storage = .allocate(capacity: words)
        storage.initialize(repeating: 0, count: words)
    }
    deinit { storage.deallocate() }

    /// In elements, from the start of the buffer.
    func offset(_ tensor: Int) -> Int { storage[tensor] }
    func size(_ space: Int, _ dim: Int) -> Int { storage[place(space, dim)] }
    func stride(_ space: Int, _ dim: Int, _ tensor: Int) -> Int { storage[place(space, dim) + 1 + tensor] }
    func rank(_ space: Int) -> Int { space == 0 ? rank.0 : rank.1 }
    func count(_ space: Int) -> Int { space == 0 ? count.0 : count.1 }

    /// Size of the innermost dim; 1 if there is none.
    func innerSize(_ space: Int) -> Int { rank(space) > 0 ? size(space, 0) : min(count(space), 1) }
    /// Stride of the innermost dim; 1 if there is none, which is what kernels like best.
    func innerStride(_ space: Int, _ tensor: Int) -> Int { rank(space) > 0 ? stride(space, 0, tensor) : 1 }

    private func place(_ space: Int, _ dim: Int) -> Int {
        Self.maxTensors + space * Self.spaceWords + dim * (1 + Self.maxTensors)
    }

    // MARK: Building

    /// Begins with the shape of `space`; dims whose bit is set in `second` go to space 1.
    private var shapeRank = 0
    private var second: UInt32 = 0
    private var shape: UnsafeMutablePointer<Int> { storage + Self.maxTensors + 2 * Self.spaceWords }

    func begin(_ space: TensorView, second: UInt32 = 0) {
        begin(rank: space.rank, second: second, space.size)
    }

    func begin(rank spaceRank: Int, second: UInt32 = 0, _ size: (Int) -> Int) {
        precondition(spaceRank <= Self.maxRank, "a tensor has too many dims")
        tensors = 0
        shapeRank = spaceRank
        self.second = second
        for d in 0..<shapeRank { shape[d] = size(d) }
        rank = (0, 0)
        count = (1, 1)
        // Raw dims, innermost first.
        for d in (0..<shapeRank).reversed() {
            let s = Int(second >> UInt32(d) & 1)
            if s == 0 { count.0 *= shape[d] } else { count.1 *= shape[d] }
            if shape[d] == 1 { continue }
            storage[place(s, rank(s))] = shape[d]
            if s == 0 { rank.0 += 1 } else { rank.1 += 1 }
        }
    }

    /// Adds a tensor of that shape.
    @discardableResult
    func add(_ tensor: TensorView) -> Int {
        add(offset: tensor.byteOffset / tensor.dtype.size, tensor.stride)
    }

    /// Adds something with strides of its own.
    @discardableResult
    func add(offset: Int, _ stride: (Int) -> Int) -> Int {
        precondition(tensors < Self.maxTensors, "a call has too many tensors")
        storage[tensors] = offset
        var at = (0, 0)
        for d in (0..<shapeRank).reversed() where shape[d] != 1 {
            let s = Int(second >> UInt32(d) & 1)
            storage[place(s, s == 0 ? at.0 : at.1) + 1 + tensors] = stride(d)
            if s == 0 { at.0 += 1 } else { at.1 += 1 }
        }
        tensors += 1
        return tensors - 1
    }

    /// Adds the row-major linear index as if it were a tensor; of the shape's first `rank` dims only.
    @discardableResult
    func addIndex(rank indexRank: Int = Layout.maxRank) -> Int {
        add(offset: 0) { d in
            d >= indexRank ? 0 : (d + 1..<min(shapeRank, indexRank)).reduce(1) { $0 * shape[$1] }
        }
    }

    /// Orders the dims of a space by the stride of one tensor, the smallest innermost. Only where the
    /// order of elements means nothing.
    func sort(_ space: Int, by tensor: Int) {
        let n = rank(space)
        guard n > 1 else { return }
        for d in 1..<n {
            var i = d
            while i > 0 && abs(stride(space, i, tensor)) < abs(stride(space, i - 1, tensor)) {
                for k in 0...tensors { swap(place(space, i) + k, place(space, i - 1) + k) }
                i -= 1
            }
        }
    }

    private func swap(_ a: Int, _ b: Int) {
        let value = storage[a]
        storage[a] = storage[b]
        storage[b] = value
    }

    /// Joins neighbouring dims that all tensors step through as one.
    func coalesce() {
        rank.0 = coalesced(0)
        rank.1 = coalesced(1)
    }

    private func coalesced(_ space: Int) -> Int {
        let n = rank(space)
        guard n > 1 else { return n }
        var last = 0
        for d in 1..<n {
            let inner = place(space, last)
            let outer = place(space, d)
            let joins = (1...max(tensors, 1)).allSatisfy { storage[outer + $0] == storage[inner + $0] * storage[inner] }
            if joins {
                storage[inner] *= storage[outer]
            } else {
                last += 1
                let target = place(space, last)
                if target != outer {
                    for k in 0...tensors { storage[target + k] = storage[outer + k] }
                }
            }
        }
        return last + 1
    }

    // MARK: What kernels are made for

    /// How the elements of a tensor follow each other along the innermost dim of a space.
    func step(_ space: Int, _ tensor: Int) -> Step {
        switch innerStride(space, tensor) {
        case 1: .unit
        case 0: .zero
        default: .strided
        }
    }

    /// Steps of tensors of which nothing is assumed.
    var anySteps: UInt64 { tensors == 0 ? 0 : 0xaaaa_aaaa_aaaa_aaaa >> UInt64(64 - 2 * tensors) }

    /// Two bits a tensor.
    func steps(_ space: Int) -> UInt64 {
        var bits: UInt64 = 0
        for t in 0..<tensors { bits |= UInt64(step(space, t).rawValue) << UInt64(2 * t) }
        return bits
    }
}

enum Step: UInt8 {
    case unit = 0
    case zero, strided

    init(_ bits: UInt64, _ tensor: Int) {
        self = Step(rawValue: UInt8(truncatingIfNeeded: bits >> UInt64(2 * tensor) & 3)) ?? .strided
    }
}
