import BackendKit

/// Where the numbers of one or two iteration spaces lie in a kernel's blob, and the statements that
/// find elements with them. The same description writes the text and fills the blob.
///
///     own words · per space: rank, count, sizes · offsets · per space and tensor: strides · params
struct Words {
    /// Words of the kernel's own before everything else.
    let own: Int
    let tensors: Int
    /// Most dims a space can have, by space.
    let capacity: [Int]
    let params: Int

    private func space(_ s: Int) -> Int { own + capacity[..<s].reduce(0) { $0 + 2 + $1 } }
    func rank(_ s: Int) -> Int { space(s) }
    func count(_ s: Int) -> Int { space(s) + 1 }
    func size(_ s: Int, _ dim: Int) -> Int { space(s) + 2 + dim }
    func offset(_ t: Int) -> Int { space(capacity.count) + t }
    func stride(_ s: Int, _ t: Int, _ dim: Int) -> Int {
        space(capacity.count) + tensors + (capacity[..<s].reduce(0, +) * tensors) + t * capacity[s] + dim
    }
    func param(_ k: Int) -> Int { space(capacity.count) + tensors + capacity.reduce(0, +) * tensors + k }
    var total: Int { param(params) }

    /// Whether the blob goes by value: OpenCL promises 1024 bytes for all arguments together.
    func goesByValue(buffers: Int) -> Bool { total * 8 + buffers * 8 + 16 <= 1024 }

    /// Capacity for a rank: few, so that few kernels are made.
    static func bucket(_ rank: Int) -> Int { rank <= 1 ? 1 : generalBucket(rank) }
    /// The same, of a kernel that serves many layouts.
    static func generalBucket(_ rank: Int) -> Int { rank <= 4 ? 4 : Layout.maxRank }

    /// Appends everything but the own words, which are there already.
    func fill(_ blob: Blob, _ layout: Layout, _ call: Call, params: Bool = true) {
        for s in capacity.indices {
            blob.append(layout.rank(s))
            blob.append(layout.count(s))
            for d in 0..<capacity[s] { blob.append(d < layout.rank(s) ? layout.size(s, d) : 1) }
        }
        for t in 0..<tensors { blob.append(layout.offset(t)) }
        for s in capacity.indices {
            for t in 0..<tensors {
                for d in 0..<capacity[s] { blob.append(d < layout.rank(s) ? layout.stride(s, d, t) : 0) }
            }
        }
        if params { blob.append(paramsOf: call) }
    }
}

/// Pieces of OpenCL C that all templates share.
struct KernelText {
    let words: Words
    /// See `Words.goesByValue`.
    let byValue: Bool

    init(_ words: Words, buffers: Int) {
        self.words = words
        byValue = words.goesByValue(buffers: buffers)
    }

    /// Word `i` of the blob.
    func word(_ i: Int) -> String { "m[\(i)]" }
    func word(_ i: Int, plus d: String) -> String { "m[\(i) + \(d)]" }

    /// The last argument of a function: the blob, wherever it is.
    var argument: String { byValue ? "const long *m" : "__global const long *m" }

    /// The kernel that `function` is: its memory arguments as they are declared there, and its group.
    func body(_ function: String, memory: [String], _ group: Group) -> KernelSource.Body {
        KernelSource.Body(
            name: function, memory: memory, blobWords: words.total, blobIsByValue: byValue, group: group)
    }

    /// A launch parameter as a value of its type.
    func param(_ k: Int, _ type: ArithmeticType) -> String {
        let w = word(words.param(k))
        switch type {
        case .bool: return "(\(w) != 0)"
        case .i32: return "((int)\(w))"
        case .i64: return w
        case .f32: return "as_float((uint)\(w))"
        case .f64: return "as_double(\(w))"
        }
    }

    /// Adds to `bases[t]` what the dims `first...` of a space contribute at linear position `position`.
    func locate(
        space s: Int, from first: Int, position: String, bases: [(tensor: Int, name: String)], indent: String
    ) -> String {
        if words.capacity[s] <= first { return "" }
        if words.capacity[s] == 1 {
            return bases.map { "\(indent)\($0.name) += (\(position)) * \(word(words.stride(s, $0.tensor, 0)));\n" }
                .joined()
        }
        var text = """
            \(indent){
            \(indent)    long rest = \(position);
            \(indent)    const long rank = \(word(words.rank(s)));
            \(indent)    for (long d = \(first); d < rank; ++d) {
            \(indent)        const long size = \(word(words.size(s, 0), plus: "d"));
            \(indent)        const long next = d + 1 < rank ? opencl_divide(rest, size) : 0;
            \(indent)        const long at = rest - next * size;
            \(indent)        rest = next;

            """
        for base in bases {
            text += "\(indent)        \(base.name) += at * \(word(words.stride(s, base.tensor, 0), plus: "d"));\n"
        }
        return text + "\(indent)    }\n\(indent)}\n"
    }

    /// Number of the work item of a launch without rows.
    static let position = "get_global_id(0) + get_global_id(2) * get_global_size(0)"

    /// Division of positions, mostly small ones.
    static let divide = """
        #ifndef OPENCL_DIVIDE
        #define OPENCL_DIVIDE
        static inline long opencl_divide(long x, long y) {
            return ((ulong)x | (ulong)y) >> 32 == 0 ? (long)((uint)x / (uint)y) : x / y;
        }
        static inline long opencl_remainder(long x, long y) {
            return ((ulong)x | (ulong)y) >> 32 == 0 ? (long)((uint)x % (uint)y) : x % y;
        }
        #endif

        """
}

/// How a kernel goes through the rows of a space, that is its innermost dim. On a processor a work item
/// loops over a stretch of a row, which its compiler turns into vector instructions; elsewhere a work
/// item has one element.
struct RowLoop {
    /// Elements of a work item.
    let stretch: Int
    /// There is one row only.
    let flat: Bool
    let group: Group

    /// Vector instructions are not worth the time that a compiler spends on them.
    let scalar: Bool

    /// `steps` of the tensors along the row: where one is read with gaps, short stretches of the rows
    /// of a group share its cache lines.
    init(_ device: OpenCLDevice, flat: Bool, steps: UInt64, scalar: Bool = false) {
        self.flat = flat
        self.scalar = scalar
        let hasGaps = steps & 0xaaaa_aaaa_aaaa_aaaa != 0
        let most = min(256, device.info.maxGroup)
        if device.likesVectors {
            stretch = hasGaps && !flat ? 128 : 4096
            group = flat ? Group(x: 1) : Group(x: 1, y: min(16, device.info.maxGroup))
        } else {
            stretch = 1
            group = flat || most < 64 ? Group(x: most) : Group(x: 32, y: most / 32)
        }
    }

    func items(_ inner: Int, rows: Int) -> OpenCLQueue.Items {
        .init(width: (inner + stretch - 1) / stretch, rows: rows)
    }

    /// Statements that do `body` for each element `x` of row `y`, after `head`.
    func text(inner: String, rows: String, head: String, body: String) -> String {
        let x = flat ? KernelText.position : "get_global_id(0)"
        let y = flat ? "0" : "get_global_id(1) + get_global_id(2) * get_global_size(1)"
        let beyond = flat ? "" : " || y >= \(rows)"
        if stretch == 1 {
            return """
                    const long x = \(x);
                    const long y = \(y);
                    if (x >= \(inner)\(beyond)) return;
                \(head)\(body)
                """
        }
        return """
                const long first = (\(x)) * \(stretch);
                const long last = min(first + \(stretch), \(inner));
                const long y = \(y);
                if (first >= last\(beyond)) return;
            \(head)\
            #pragma clang loop \(scalar ? "vectorize(disable) unroll(disable)" : "vectorize(assume_safety)")
                for (long x = first; x < last; ++x) {
            \(body)\
                }

            """
    }
}
