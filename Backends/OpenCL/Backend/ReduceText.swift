import BackendKit

/// The text of a reduction: the kernel of the slices and the kernel that combines them.
struct ReduceText {
    struct Form {
        var prologue: Program
        var epilogue: Program
        var kinds: [Reduction]
        var inputs: [DType]
        var outputs: [DType]
        var params: Int
        /// The first of the inputs belong to the prologue, others to the epilogue alone.
        var prologueInputs: Int
        /// Which input a LOAD of the epilogue reads; nil: the accumulator of that number.
        var epilogueInput: (Int) -> Int?
        /// The index is a tensor without memory after all others, for the prologue or the epilogue.
        var hasIndex: Bool
        /// By space; see `Layout.steps`.
        var steps: [UInt64]
        var column: Bool
        var capacity: [Int]
        var lanes: Int
        var group: Group
        /// The kernel that combines slices, or else the one of the slices.
        var combines = false

        init(
            prologue: Program, epilogue: Program, kinds: [Reduction], inputs: [DType], outputs: [DType], params: Int,
            prologueInputs: Int, epilogueInput: @escaping (Int) -> Int?, hasIndex: Bool, key: KernelKey,
            _ device: OpenCLDevice
        ) {
            self.prologue = prologue
            self.epilogue = epilogue
            self.kinds = kinds
            self.inputs = inputs
            self.outputs = outputs
            self.params = params
            self.prologueInputs = prologueInputs
            self.epilogueInput = epilogueInput
            self.hasIndex = hasIndex
            steps = [key.steps, key.moreSteps]
            column = Reduce.Shape.column(key.shape)
            capacity = Reduce.Shape.capacity(key.shape)
            lanes = device.lanes(column: column)
            group = device.itemGroup
        }

        var buffers: Int { inputs.count + outputs.count }
        var tensors: Int { buffers + (hasIndex ? 1 : 0) }
        var words: Words { Words(own: 3, tensors: tensors, capacity: capacity, params: params) }
    }

    /// Steps of a lane after which its sum is put aside: rounding errors grow with this number and
    /// with the number of sums put aside, not with their product.
    private static let blockSteps = 64

    private let form: Form
    private let dialect: Dialect
    private let text: KernelText
    private let words: Words
    /// Types of the accumulated values, by accumulator.
    private let types: [ArithmeticType]

    init(_ form: Form, _ dialect: Dialect) {
        self.form = form
        self.dialect = dialect
        words = form.words
        text = KernelText(form.words, buffers: form.buffers + 1)
        var types = [ArithmeticType](repeating: .f32, count: form.kinds.count)
        for i in 0..<form.prologue.count {
            let ins = form.prologue[i]
            if ins.opcode == .store && ins.b < types.count { types[ins.b] = ins.type }
        }
        self.types = types
    }

    func source(named name: String) -> KernelSource {
        KernelSource(
            text: KernelText.divide + (form.combines ? combine(name) : slices(name)),
            body: text.body(name, memory: memory, form.group))
    }

    private var memory: [String] {
        (form.inputs + form.outputs).enumerated().map { t, dtype in
            "__global \(t < form.inputs.count ? "const " : "")\(dialect.storage(dtype)) *"
        } + ["__global long *"]
    }

    private var arguments: String {
        let names = memory.enumerated().map { "\($1)\($0 == form.buffers ? "partials" : "t\($0)")" }
        return (names + [text.argument]).joined(separator: ", ")
    }

    // MARK: Accumulators

    // Accumulator k has lanes a{k}[], for long float sums and products put aside in s{k}[], for
    // arguments i{k}[] beside them.

    /// Whether accumulator k puts sums aside.
    private func isBlocked(_ k: Int) -> Bool {
        types[k].isFloat && (form.kinds[k] == .sum || form.kinds[k] == .prod)
    }

    private func identity(_ k: Int) -> String {
        let type = types[k]
        let bits: UInt64
        switch (form.kinds[k], type) {
        case (.sum, _), (.any, _): bits = 0
        case (.prod, .f32): bits = 0x3f80_0000
        case (.prod, .f64): bits = 0x3ff0_0000_0000_0000
        case (.prod, _), (.all, _): bits = 1
        case (.max, .f32), (.argmax, .f32): bits = 0xff80_0000
        case (.max, .f64), (.argmax, .f64): bits = 0xfff0_0000_0000_0000
        case (.max, .bool), (.argmax, .bool): bits = 0
        case (.max, .i32), (.argmax, .i32): bits = 0x8000_0000
        case (.max, .i64), (.argmax, .i64): bits = 1 << 63
        case (.min, .f32), (.argmin, .f32): bits = 0x7f80_0000
        case (.min, .f64), (.argmin, .f64): bits = 0x7ff0_0000_0000_0000
        case (.min, .bool), (.argmin, .bool): bits = 1
        case (.min, .i32), (.argmin, .i32): bits = 0x7fff_ffff
        case (.min, .i64), (.argmin, .i64): bits = 1 << 63 - 1
        }
        return dialect.literal(bits, type)
    }

    private func combined(_ k: Int, _ a: String, _ b: String) -> String {
        form.kinds[k].isArgument ? b : form.kinds[k].expression(a, b, types[k])
    }

    /// `target = target combined with value` (at reduced position `position`, for arguments).
    private func accumulate(_ k: Int, _ target: String, _ value: String, _ index: String, _ position: String) -> String
    {
        guard form.kinds[k].isArgument else { return "\(target) = \(combined(k, target, value));" }
        let type = types[k]
        let isMax = form.kinds[k] == .argmax
        let first = "\(position) < \(index)"
        let better: String
        switch type {
        case .bool:
            let wins = isMax ? "\(value) && !\(target)" : "!\(value) && \(target)"
            better = "(\(wins)) || (\(value) == \(target) && \(first))"
        case .i32, .i64:
            better = "\(value) \(isMax ? ">" : "<") \(target) || (\(value) == \(target) && \(first))"
        case .f32, .f64:
            let nan = "cresset_isnan_\(type)"
            better =
                "\(nan)(\(value)) ? !\(nan)(\(target)) || \(first) : "
                + "\(value) \(isMax ? ">" : "<") \(target) || (\(value) == \(target) && \(first))"
        }
        return "{ const bool better = \(better); \(target) = better ? \(value) : \(target); "
            + "\(index) = better ? \(position) : \(index); }"
    }

    private var declarations: String {
        form.kinds.indices.map { k in
            let type = dialect.name(types[k])
            var lines = "    \(type) a\(k)[LANES];\n"
            var start = "a\(k)[j] = \(identity(k));"
            if isBlocked(k) {
                lines += "    \(type) s\(k)[LANES];\n"
                start += " s\(k)[j] = \(identity(k));"
            }
            if form.kinds[k].isArgument {
                lines += "    long i\(k)[LANES];\n"
                start += " i\(k)[j] = LONG_MAX;"
            }
            return lines + "    for (int j = 0; j < LANES; ++j) { \(start) }\n"
        }.joined().replacingLanes(form.lanes)
    }

    /// Puts the lanes' sums aside.
    private func flush(_ indent: String) -> String {
        form.kinds.indices.filter(isBlocked).map { k in
            "\(indent)for (int j = 0; j < LANES; ++j) { s\(k)[j] = \(combined(k, "s\(k)[j]", "a\(k)[j]")); "
                + "a\(k)[j] = \(identity(k)); }\n"
        }.joined().replacingLanes(form.lanes)
    }

    private var hasBlocks: Bool { form.kinds.indices.contains(where: isBlocked) }

    /// Name of the lanes that hold the result.
    private func result(_ k: Int) -> String { isBlocked(k) ? "s\(k)" : "a\(k)" }

    /// Lane 0 becomes all lanes, pairwise.
    private var tree: String {
        var lines = ""
        for k in form.kinds.indices {
            let a = result(k)
            let step = accumulate(k, "\(a)[j]", "\(a)[j + h]", "i\(k)[j]", "i\(k)[j + h]")
            lines += "    for (int h = LANES / 2; h > 0; h /= 2) for (int j = 0; j < h; ++j) { \(step) }\n"
        }
        return lines.replacingLanes(form.lanes)
    }

    // MARK: Partial results

    // Slice s of output o has number n = o * slices + s; accumulator k keeps its value at
    // partials[2k * total + n] and an argument's position `total` words later.

    private func storePartials(lane: String, number: String, indent: String) -> String {
        form.kinds.indices.map { k in
            let value = "\(result(k))[\(lane)]"
            let bits: String
            switch types[k] {
            case .bool, .i32, .i64: bits = "(long)\(value)"
            case .f32: bits = "(long)as_uint(\(value))"
            case .f64: bits = "as_long(\(value))"
            }
            var line = "\(indent)partials[\(2 * k) * total + \(number)] = \(bits);\n"
            if form.kinds[k].isArgument {
                line += "\(indent)partials[\(2 * k + 1) * total + \(number)] = i\(k)[\(lane)];\n"
            }
            return line
        }.joined()
    }

    private func partial(_ k: Int, _ number: String) -> String {
        let word = "partials[\(2 * k) * total + \(number)]"
        switch types[k] {
        case .bool: return "(\(word) != 0)"
        case .i32: return "(int)\(word)"
        case .i64: return word
        case .f32: return "as_float((uint)\(word))"
        case .f64: return "as_double(\(word))"
        }
    }

    // MARK: Programs

    private func element(_ t: Int, _ place: String) -> String {
        dialect.widened("t\(t)[\(place)]", t < form.inputs.count ? form.inputs[t] : form.outputs[t - form.inputs.count])
    }

    /// The prologue for lane j and the accumulation of what it stores.
    private func step(place: @escaping (Int) -> String, position: String, indent: String) -> String {
        let template = ProgramRenderer.Template(
            load: { k, dtype in dialect.widened("t\(k)[\(place(k))]", dtype) }, param: text.param,
            index: place(form.tensors - 1),
            store: { k, _, value in accumulate(k, "a\(k)[j]", value, "i\(k)[j]", "(\(position))") })
        return ProgramRenderer(dialect, indent: indent).statements(form.prologue, template)
    }

    /// The epilogue for one output; `place` of a tensor at that output.
    private func finish(lane: String, place: @escaping (Int) -> String, indent: String) -> String {
        let template = ProgramRenderer.Template(
            load: { k, dtype in
                if let t = form.epilogueInput(k) { return dialect.widened("t\(t)[\(place(t))]", dtype) }
                return form.kinds[k].isArgument ? "i\(k)[\(lane)]" : "\(result(k))[\(lane)]"
            },
            param: text.param, index: place(form.tensors - 1),
            store: { k, dtype, value in
                let t = form.inputs.count + k
                return "t\(t)[\(place(t))] = \(dialect.narrowed(value, dtype));"
            })
        return ProgramRenderer(dialect, prefix: "e", indent: indent).statements(form.epilogue, template)
    }

    // MARK: Kernels

    private var bases: [(tensor: Int, name: String)] { (0..<form.tensors).map { (tensor: $0, name: "b\($0)") } }
    /// What moves along the reduced dims.
    private var moving: [(tensor: Int, name: String)] {
        (Array(0..<form.prologueInputs) + (form.hasIndex ? [form.tensors - 1] : [])).map {
            (tensor: $0, name: "c\($0)")
        }
    }

    private func offsets() -> String {
        bases.map { "    long \($0.name) = \(text.word(words.offset($0.tensor)));\n" }.joined()
    }

    /// `c + x * stride` along the innermost dim of a space.
    private func along(_ s: Int, _ t: Int, _ x: String) -> String {
        switch Step(form.steps[s], t) {
        case .unit: " + \(x)"
        case .zero: ""
        case .strided: " + (\(x)) * \(text.word(words.stride(s, t, 0)))"
        }
    }

    private func slices(_ name: String) -> String {
        let lanes = form.lanes
        let column = form.column
        // Which output(s) and which slice.
        let whichOutput: String
        if column {
            whichOutput = """
                    const long width = \(text.word(words.size(0, 0)));
                    const long groups = (width + \(lanes - 1)) / \(lanes);
                    const long lines = opencl_divide(\(text.word(2)), slices);
                    const long slice = opencl_divide(id, lines);
                    const long line = id - slice * lines;
                    const long row = opencl_divide(line, groups);
                    const long x0 = (line - row * groups) * \(lanes);
                    const int used = (int)min(width - x0, (long)\(lanes));
                    const long output = row * width + x0;

                """
                + offsets()
                + text.locate(space: 0, from: 1, position: "row", bases: bases, indent: "    ")
                + bases.map { "    \($0.name) += x0 * \(text.word(words.stride(0, $0.tensor, 0)));\n" }.joined()
        } else {
            whichOutput = """
                    const long slice = opencl_remainder(id, slices);
                    const long output = opencl_divide(id, slices);

                """
                + offsets() + text.locate(space: 0, from: 0, position: "output", bases: bases, indent: "    ")
        }

        // One step of all lanes, for the full number of lanes and for fewer.
        let position = column ? "r + i" : "r + i + j"
        func place(_ t: Int) -> String {
            column
                ? "c\(t)" + along(1, t, "i") + along(0, t, "j")
                : "c\(t)" + along(1, t, "(i + j)")
        }
        func laneLoop(_ bound: String) -> String {
            """
                            for (int j = 0; j < \(bound); ++j) {
            \(step(place: place, position: position, indent: "                    "))\
                            }

            """
        }
        let advance = column ? "1" : "\(lanes)"
        let full = column ? "used == \(lanes)" : "stop - i >= \(lanes)"
        let fewer = column ? "used" : "(int)(stop - i)"
        let flushing =
            hasBlocks
            ? """
                            if (++steps == \(Self.blockSteps)) {
                                steps = 0;
            \(flush("                    "))\
                            }

            """ : ""

        let finishing =
            column
            ? """
                if (slices == 1) {
                    for (int j = 0; j < used; ++j) {
            \(finish(lane: "j", place: { "b\($0)" + along(0, $0, "j") }, indent: "            "))\
                    }
                } else {
                    const long total = \(text.word(words.count(0))) * slices;
                    for (int j = 0; j < used; ++j) {
            \(storePartials(lane: "j", number: "((output + j) * slices + slice)", indent: "            "))\
                    }
                }

            """
            : tree + """
                    if (slices == 1) {
                \(finish(lane: "0", place: { "b\($0)" }, indent: "        "))\
                    } else {
                        const long total = \(text.word(words.count(0))) * slices;
                \(storePartials(lane: "0", number: "(output * slices + slice)", indent: "        "))\
                    }

                """
        return """
            static void \(name)(\(arguments)) {
                const long id = \(KernelText.position);
                if (id >= \(text.word(2))) return;
                const long slices = \(text.word(0));
            \(whichOutput)\
            \(declarations)\
                const long end = min((slice + 1) * \(text.word(1)), \(text.word(words.count(1))));
                int steps = 0;
                for (long r = slice * \(text.word(1)); r < end;) {
                    const long size = \(text.word(words.size(1, 0)));
                    const long row1 = opencl_divide(r, size);
                    const long first = r - row1 * size;
                    const long stop = min(size - first, end - r);
            \(moving.map { "        long \($0.name) = b\($0.tensor) + first * \(text.word(words.stride(1, $0.tensor, 0)));\n" }.joined())\
            \(text.locate(space: 1, from: 1, position: "row1", bases: moving, indent: "        "))\
                    for (long i = 0; i < stop; i += \(advance)) {
                        if (\(full)) {
            \(laneLoop("\(lanes)"))\
                        } else {
            \(laneLoop(fewer))\
                        }
            \(flushing)\
                    }
                    r += stop;
                }
            \(flush("    "))\
            \(finishing)\
            }

            """
    }

    private func combine(_ name: String) -> String {
        let steps = form.kinds.indices.map { k in
            "            { const \(dialect.name(types[k])) v = \(partial(k, "n")); "
                + (form.kinds[k].isArgument ? "const long p = partials[\(2 * k + 1) * total + n]; " : "")
                + accumulate(k, "a\(k)[j]", "v", "i\(k)[j]", "p") + " }\n"
        }.joined()
        let flushing =
            hasBlocks
            ? "        if (++steps == \(Self.blockSteps)) {\n            steps = 0;\n\(flush("            "))        }\n"
            : ""
        return """
            static void \(name)(\(arguments)) {
                const long output = \(KernelText.position);
                if (output >= \(text.word(words.count(0)))) return;
                const long slices = \(text.word(0));
                const long total = \(text.word(words.count(0))) * slices;
            \(offsets())\
            \(text.locate(space: 0, from: 0, position: "output", bases: bases, indent: "    "))\
            \(declarations)\
                int steps = 0;
                for (long i = 0; i < slices; i += \(form.lanes)) {
                    const int used = (int)min(slices - i, (long)\(form.lanes));
                    for (int j = 0; j < used; ++j) {
                        const long n = output * slices + i + j;
            \(steps)\
                    }
            \(flushing)\
                }
            \(flush("    "))\
            \(tree)\
            \(finish(lane: "0", place: { "b\($0)" }, indent: "    "))\
            }

            """
    }
}

extension Reduction {
    /// `a` combined with `b`, which comes after it.
    func expression(_ a: String, _ b: String, _ type: ArithmeticType) -> String {
        switch (self, type) {
        case (.sum, .bool), (.max, .bool), (.any, .bool): "\(a) || \(b)"
        case (.prod, .bool), (.min, .bool), (.all, .bool): "\(a) && \(b)"
        case (.sum, .i32): "(int)((uint)\(a) + (uint)\(b))"
        case (.sum, .i64): "(long)((ulong)\(a) + (ulong)\(b))"
        case (.prod, .i32): "(int)((uint)\(a) * (uint)\(b))"
        case (.prod, .i64): "(long)((ulong)\(a) * (ulong)\(b))"
        case (.sum, _): "\(a) + \(b)"
        case (.prod, _): "\(a) * \(b)"
        case (.max, .i32), (.max, .i64): "max(\(a), \(b))"
        case (.min, .i32), (.min, .i64): "min(\(a), \(b))"
        case (.max, _): "cresset_max_\(type)(\(a), \(b))"
        case (.min, _): "cresset_min_\(type)(\(a), \(b))"
        case (.any, _): "\(a) | \(b)"
        case (.all, _): "\(a) & \(b)"
        case (.argmax, _), (.argmin, _): b
        }
    }
}

extension String {
    /// The number of lanes in place of `LANES`.
    fileprivate func replacingLanes(_ lanes: Int) -> String {
        var result = ""
        var rest = self[...]
        while let start = rest.firstRange(of: "LANES") {
            result += rest[..<start.lowerBound]
            result += "\(lanes)"
            rest = rest[start.upperBound...]
        }
        return result + rest
    }
}
