import BackendKit

/// The text of a reduction's kernel.
struct ReduceSource {
    private typealias Word = Reduce.Word
    typealias Accumulator = Reduce.Accumulator

    var prologue: Program
    var epilogue: Program
    var accumulators: [Accumulator]
    var group: Int
    var paramCount: Int
    var outputCount: Int
    var inputCount: Int

    private var operands: Int { Word.params + paramCount }
    private func operand(_ k: Int) -> Int { operands + k * Word.step }
    private func each(_ line: (Accumulator) -> String) -> String { accumulators.map(line).joined() }
    private func name(_ type: ArithmeticType) -> String { GLSL.dialect.name(type) }
    private func literal(_ bits: UInt64, _ type: ArithmeticType) -> String { GLSL.dialect.literal(bits, type) }

    /// Where a reduction starts.
    private func identity(_ a: Accumulator) -> String {
        switch (a.kind, a.type) {
        case (.sum, _), (.any, _): return literal(0, a.type)
        case (.prod, .f32): return literal(0x3f80_0000, .f32)
        case (.prod, .f64): return literal(0x3ff0_0000_0000_0000, .f64)
        case (.prod, _), (.all, _): return literal(1, a.type)
        case (.max, .f32), (.argmax, .f32): return literal(0xff80_0000, .f32)
        case (.max, .f64), (.argmax, .f64): return literal(0xfff0_0000_0000_0000, .f64)
        case (.max, .i32), (.argmax, .i32): return literal(0x8000_0000, .i32)
        case (.max, .i64), (.argmax, .i64): return literal(1 << 63, .i64)
        case (.max, .bool), (.argmax, .bool): return literal(0, .bool)
        case (.min, .f32), (.argmin, .f32): return literal(0x7f80_0000, .f32)
        case (.min, .f64), (.argmin, .f64): return literal(0x7ff0_0000_0000_0000, .f64)
        case (.min, .i32), (.argmin, .i32): return literal(0x7fff_ffff, .i32)
        case (.min, .i64), (.argmin, .i64): return literal((1 << 63) - 1, .i64)
        case (.min, .bool), (.argmin, .bool): return literal(1, .bool)
        }
    }

    /// A function that takes a value, or another state, into a state.
    private func combine(_ a: Accumulator) -> String {
        let type = name(a.type)
        let k = a.index
        guard let second = a.second else {
            let expression =
                switch a.kind {
                case .sum, .any: GLSL.sum("a", "x", a.type)
                case .prod, .all: GLSL.product("a", "x", a.type)
                case .max, .argmax: GLSL.extremum("a", "x", a.type, isMin: false)
                case .min, .argmin: GLSL.extremum("a", "x", a.type, isMin: true)
                }
            return "void combine\(k)(inout \(type) a, \(type) x) { a = \(expression); }\n"
        }
        let head = "void combine\(k)(inout \(type) a, inout \(name(second)) b, \(type) x, \(name(second)) y) {\n"
        if a.kind == .sum {
            // The sum's rounding error, exactly (Knuth).
            return head + """
                    \(type) t = a + x;
                    \(type) z = t - a;
                    \(type) e = (a - (t - z)) + (x - z);
                    a = t;
                    b = b + (e + y);
                }

                """
        }
        let isMin = a.kind == .argmin
        let (beats, equals): (String, String) =
            switch a.type {
            case .f32, .f64:
                (
                    "cresset_isnan_\(a.type)(x) ? !cresset_isnan_\(a.type)(a) : x \(isMin ? "<" : ">") a",
                    "cresset_isnan_\(a.type)(x) ? cresset_isnan_\(a.type)(a) : x == a"
                )
            case .bool: (isMin ? "!x && a" : "x && !a", "x == a")
            case .i32, .i64: ("x \(isMin ? "<" : ">") a", "x == a")
            }
        // Of equals the first; a place of -1 is none.
        return head + """
                bool beats = \(beats);
                bool equals = \(equals);
                if (y >= 0L && (b < 0L || beats || (equals && y < b))) {
                    a = x;
                    b = y;
                }
            }

            """
    }

    private func call(_ a: Accumulator, _ x: String, _ y: String) -> String {
        let k = a.index
        return a.second == nil ? "combine\(k)(a\(k), \(x));" : "combine\(k)(a\(k), b\(k), \(x), \(y));"
    }

    /// Statements that add to `o0`, `o1`, … what `x` elements along each dimension make.
    private func walk(_ count: String, rank: Int, sizes: Int, strides: Int, _ named: [(String, Int)]) -> String {
        if named.isEmpty { return "" }
        let steps = named.map { "\($0.0) += x * W(\(operand($0.1) + strides) + d);" }.joined(separator: " ")
        return """
            {
                int64_t rest = \(count);
                for (int d = int(H(\(rank))) - 1; d >= 0; d--) {
                    int64_t x = rest;
                    if (d > 0) {
                        int64_t size = W(\(sizes) + d);
                        rest = wide ? x / size : int64_t(uint(x) / uint(size));
                        x -= rest * size;
                    }
                    \(steps)
                }
            }

            """
    }

    /// The inputs that the prologue loads.
    private var inputDTypes: [Int: DType] {
        var found: [Int: DType] = [:]
        for i in 0..<prologue.count where prologue[i].opcode == .load { found[prologue[i].a] = prologue[i].dtype }
        return found
    }

    var text: String {
        let dtypes = inputDTypes
        let inputs = dtypes.keys.sorted().map { ("i\($0)", outputCount + $0) }
        let used = prologue.usesIndex ? inputs + [("index", outputCount + inputCount)] : inputs
        let keptInputs = used.map { ("k\($0.0)", $0.1) }
        let outputs = (0..<outputCount).map { ("o\($0)", $0) }
        func zeros(_ names: [(String, Int)]) -> String {
            names.isEmpty ? "" : "int64_t " + names.map { "\($0.0) = 0L" }.joined(separator: ", ") + ";\n"
        }
        func start(_ names: [(String, Int)]) -> String {
            names.isEmpty ? "" : "int64_t " + names.map { "\($0.0) = k\($0.0)" }.joined(separator: ", ") + ";\n"
        }
        // Read once: the step of a single reduced dim, and addresses.
        let steps = used.map { "int64_t s\($0.0) = W(\(operand($0.1) + Word.reduced));" }.joined(separator: " ")
        let addresses = inputs.map { "int64_t a\($0.0) = W(\(operand($0.1)));" }.joined(separator: " ")
        let single = used.map { "\($0.0) += r * s\($0.0);" }.joined(separator: " ")

        let feed = ProgramRenderer(GLSL.dialect, prefix: "p").statements(
            prologue,
            .init(
                load: { GLSL.load($1, "ai\($0) + i\($0) * \($1.size)L") },
                param: { GLSL.param(Word.params + $0, $1) },
                store: { k, _, value in
                    guard k < accumulators.count else { return "" }
                    let a = accumulators[k]
                    return call(a, value, a.second == .i64 ? "r" : literal(0, a.type))
                }))
        var stores = ""
        let finish = ProgramRenderer(GLSL.dialect, prefix: "e").statements(
            epilogue,
            .init(
                load: { k, _ in "r\(k)" },
                param: { GLSL.param(Word.params + $0, $1) },
                index: "0L",
                store: { k, dtype, value in
                    stores += "    " + GLSL.store(dtype, "W(\(operand(k))) + o\(k) * \(dtype.size)L", value) + "\n"
                    return ""
                }))
        let n = accumulators.count

        return """
            layout(local_size_x = \(group)) in;
            \(each { "shared \(name($0.type)) sa\($0.index)[\(group)];\n" })\
            \(each { a in a.second.map { "shared \(name($0)) sb\(a.index)[\(group)];\n" } ?? "" })\
            \(each(combine))
            void main() {
                uint lane = gl_LocalInvocationID.x;
                uint threads = uint(H(\(Word.threads)));
                uint per = \(group)u / threads;
                uint output_groups = uint(H(\(Word.outputGroups)));
                uint split = \(GLSL.group) / output_groups;
                if (split >= uint(H(\(Word.splits)))) return;
                bool lanes_along = H(\(Word.lanesAlong)) != 0L;
                bool wide = H(\(Word.wide)) != 0L;
                uint t = lanes_along ? lane % threads : lane / per;
                uint place = lanes_along ? lane / threads : lane % per;
                int64_t o = int64_t(\(GLSL.group) - split * output_groups) * int64_t(per) + int64_t(place);
                bool live = o < H(\(Word.outputs));
            \(each { "    \(name($0.type)) a\($0.index) = \(identity($0));\n" })\
            \(each { a in a.second.map { "    \(name($0)) b\(a.index) = \($0 == .i64 ? "-1L" : literal(0, $0));\n" } ?? "" })\
                int64_t length = H(\(Word.length));
                int64_t first = int64_t(split) * H(\(Word.splitLength));
                int64_t last = min(first + H(\(Word.splitLength)), length);
                if (live && H(\(Word.from)) == 0L) {
                    \(zeros(keptInputs))
                    \(walk("o", rank: Word.keptRank, sizes: Word.keptSizes, strides: Word.kept, keptInputs))
                    \(steps)
                    \(addresses)
                    bool single = shape == 1 || (shape == 0 && H(\(Word.reducedRank)) <= 1L);
                    for (int64_t r = first + int64_t(t); r < last; r += int64_t(threads)) {
                        \(start(used))
                        if (single) { \(single) } else
                        { \(walk("r", rank: Word.reducedRank, sizes: Word.reducedSizes, strides: Word.reduced, used)) }
            \(feed)
                    }
                } else if (live) {
                    for (int64_t r = int64_t(t); r < length; r += int64_t(threads)) {
                        int64_t s = H(\(Word.from)) + (o * length + r) * \(16 * n)L;
                        \(each { a in
                            let x = GLSL.value(state(a, 0), a.type)
                            let y = a.second.map { GLSL.value(state(a, 8), $0) } ?? ""
                            return call(a, x, y) + " "
                        })
                    }
                }
                uint apart = lanes_along ? 1u : per;
                for (uint s = threads / 2u; s > 0u; s >>= 1) {
                    \(each { "sa\($0.index)[lane] = a\($0.index); " + ($0.second == nil ? "" : "sb\($0.index)[lane] = b\($0.index); ") })
                    barrier();
                    if (t < s) {
                        uint other = lane + s * apart;
                        \(each { call($0, "sa\($0.index)[other]", "sb\($0.index)[other]") + " " })
                    }
                    barrier();
                }
                if (t != 0u || !live) return;
                if (H(\(Word.to)) != 0L) {
                    int64_t s = H(\(Word.to)) + (o * H(\(Word.splits)) + int64_t(split)) * \(16 * n)L;
                    \(each { a in
                        "\(state(a, 0)) = \(GLSL.word("a\(a.index)", a.type)); "
                            + (a.second.map { "\(state(a, 8)) = \(GLSL.word("b\(a.index)", $0)); " } ?? "")
                    })
                    return;
                }
                \(zeros(outputs))
                \(walk("o", rank: Word.keptRank, sizes: Word.keptSizes, strides: Word.kept, outputs))
            \(each(result))\(finish)\(stores)}

            """
    }

    /// A word of a partial state, which begins at address `s`.
    private func state(_ a: Accumulator, _ offset: Int) -> String {
        GLSL.element(.int64, "s + \(16 * a.index + offset)L")
    }

    /// What the epilogue loads.
    private func result(_ a: Accumulator) -> String {
        let k = a.index
        switch a.second {
        case .i64?: return "    int64_t r\(k) = b\(k);\n"
        case let type?:
            // Of an infinite sum the error is not a number.
            let infinity = literal(type == .f32 ? 0x7f80_0000 : 0x7ff0_0000_0000_0000, type)
            return "    \(name(type)) r\(k) = a\(k) < \(infinity) && a\(k) > -\(infinity) ? a\(k) + b\(k) : a\(k);\n"
        case nil: return "    \(name(a.type)) r\(k) = a\(k);\n"
        }
    }
}
