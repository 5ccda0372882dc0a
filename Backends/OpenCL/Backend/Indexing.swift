import BackendKit
import CBackend
import COpenCL

/// What GATHER and SCATTER share: the address an index gives, and what happens to one out of range.
///
/// Own words of the blob: the template's, then the launch's number, then per index tensor the size it
/// must lie in and the stride it steps by.
struct IndexText {
    let own: Int
    let count: Int
    let dtypes: [DType]

    static func words(_ own: Int, _ count: Int) -> Int { own + 1 + 2 * count }

    static func fill(_ blob: Blob, _ attributes: CressetIndexAttributes, _ count: Int, number: Int) {
        blob.append(number)
        for j in 0..<count {
            blob.append(attributes.indexSize(j))
            blob.append(attributes.indexStride(j))
        }
    }

    static let reporting = """
        #ifndef OPENCL_REPORT
        #define OPENCL_REPORT
        // By halves: Mesa 22.3 (rusticl) gets comparisons of sign-extended values wrong.
        static long opencl_widened(int x) { return (long)((ulong)(uint)(x >> 31) << 32 | (uint)x); }
        static void opencl_report(__global long *errors, long number, long index, long size, long which, long element) {
            if (atomic_cmpxchg((volatile __global int *)errors, 0, 1) == 0) {
                errors[1] = number;
                errors[2] = index;
                errors[3] = size;
                errors[4] = which;
                errors[5] = element;
            }
        }
        #endif

        """

    /// Types of the memory of a gather or scatter: source, indices, target and errors.
    static func memory(_ type: String, _ indices: [DType]) -> [String] {
        ["__global const \(type) *"] + indices.map { "__global const \($0 == .int64 ? "long" : "int") *" }
            + ["__global \(type) *", "__global long *"]
    }

    /// Statements that set `valid` and `shift` from the elements of the index tensors.
    func statements(_ text: KernelText, element: (Int) -> String, number: String, indent: String) -> String {
        var lines = "\(indent)bool valid = true;\n\(indent)long shift = 0;\n"
        for j in 0..<count {
            let size = text.word(own + 1 + 2 * j)
            let stride = text.word(own + 2 + 2 * j)
            lines += """
                \(indent)if (valid) {
                \(indent)    const long index = \(dtypes[j] == .int64 ? "" : "opencl_widened")(\(element(j)));
                \(indent)    const long size = \(size);
                \(indent)    valid = index >= -size && index < size;
                \(indent)    if (valid) shift += (index < 0 ? index + size : index) * \(stride);
                \(indent)    else opencl_report(errors, \(text.word(own)), index, size, \(j), \(number));
                \(indent)}

                """
        }
        return lines
    }

    static func check(_ call: Call) throws -> Int {
        let count = Int(call.indexing.index_count)
        guard count >= 1, count <= Int(CRESSET_MAX_INDICES), call.inputCount == count + 1, call.outputCount == 1 else {
            throw BackendError(.invalid, "a gather or scatter with \(count) indices and \(call.inputCount) inputs")
        }
        return count
    }

    /// A bit an index tensor: set for int64.
    static func widths(_ call: Call, _ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | (call.input($1 + 1).dtype == .int64 ? 1 << UInt64($1) : 0) }
    }
}

/// GATHER: rows as in `Pointwise`.
enum Gather {
    static func launch(_ call: Call, on queue: OpenCLQueue) throws {
        let count = try IndexText.check(call)
        let layout = queue.layout
        arrange(call, count, layout)
        if layout.count(0) == 0 { return }
        let device = queue.device
        let key = key(call, count, layout, device)
        let kernel = try device.library.kernel(key) { request(call, count, key, device) }
        let (errors, number) = queue.indexErrors.register(call)
        let inner = layout.innerSize(0)
        let rows = layout.count(0) / inner
        let blob = queue.blob
        blob.removeAll()
        blob.append(rows)
        IndexText.fill(blob, call.indexing, count, number: number)
        words(count, key).fill(blob, layout, call)
        let loop = RowLoop(device, flat: key.shape & 15 == 1, steps: 0)
        try queue.enqueue(
            kernel, Array(BufferList(call)) + [errors], blob, loop.items(inner, rows: rows), call)
    }

    static func requests(_ call: Call, _ device: OpenCLDevice, _ layout: Layout) throws -> [KernelRequest] {
        let count = try IndexText.check(call)
        arrange(call, count, layout)
        return [request(call, count, key(call, count, layout, device), device)]
    }

    private static func arrange(_ call: Call, _ count: Int, _ layout: Layout) {
        layout.begin(call.output(0))
        for i in 0...count { layout.add(call.input(i)) }
        layout.add(call.output(0))
        layout.addIndex()
        layout.sort(0, by: count + 1)
        layout.coalesce()
    }

    private static func words(_ count: Int, _ key: KernelKey) -> Words {
        Words(
            own: IndexText.words(1, count), tensors: count + 3, capacity: [Int(key.shape & 15)], params: 0)
    }

    private static func key(
        _ call: Call, _ count: Int, _ layout: Layout, _ device: OpenCLDevice
    ) -> KernelKey {
        // Elements are copied as bits, so only their size matters.
        let size = UInt64(call.output(0).dtype.size)
        let shape = UInt64(count) << 4 | size << 8 | IndexText.widths(call, count) << 16
        let rank = layout.rank(0)
        return device.library.choose(
            KernelKey(family: .gather, steps: layout.steps(0), shape: shape | UInt64(Words.bucket(rank))),
            or: KernelKey(family: .gather, steps: layout.anySteps, shape: shape | UInt64(Words.generalBucket(rank))),
            layout)
    }

    private static func request(_ call: Call, _ count: Int, _ key: KernelKey, _ device: OpenCLDevice) -> KernelRequest {
        let dtypes = (1...count).map { call.input($0).dtype }
        let size = call.output(0).dtype.size
        let words = words(count, key)
        let loop = RowLoop(device, flat: key.shape & 15 == 1, steps: 0)
        return KernelRequest(key) { name in
            let text = KernelText(words, buffers: count + 3)
            let type = [1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"][size] ?? "ulong2"
            func place(_ t: Int) -> String {
                switch Step(key.steps, t) {
                case .unit: "b\(t) + x"
                case .zero: "b\(t)"
                case .strided: "b\(t) + x * \(text.word(words.stride(0, t, 0)))"
                }
            }
            let out = count + 1
            let bases = (0..<count + 3).map { (tensor: $0, name: "b\($0)") }
            let memory = IndexText.memory(type, dtypes)
            let arguments = memory.enumerated().map { "\($1)\($0 == out + 1 ? "errors" : "t\($0)")" }
            let index = IndexText(own: 1, count: count, dtypes: dtypes)
            let head =
                bases.map { "    long \($0.name) = \(text.word(words.offset($0.tensor)));\n" }.joined()
                + text.locate(space: 0, from: 1, position: "y", bases: bases, indent: "    ")
            let body =
                index.statements(
                    text, element: { "t\($0 + 1)[\(place($0 + 1))]" }, number: place(count + 2), indent: "        ")
                + "        if (valid) t\(out)[\(place(out))] = t0[\(place(0)) + shift];\n"
            let rows = loop.text(
                inner: text.word(words.size(0, 0)), rows: text.word(0), head: head, body: body)
            let source = """
                \(KernelText.divide)\(IndexText.reporting)\
                static void \(name)(\((arguments + [text.argument]).joined(separator: ", "))) {
                \(rows)\
                }

                """
            return KernelSource(text: source, body: text.body(name, memory: memory, loop.group))
        }
    }
}

/// SCATTER: dims along which the output moves by itself are done in parallel, the others in order by
/// one work item, so that elements that meet are applied in row-major order. Where that leaves too few
/// items, each goes through all of its elements but applies only those of its part of the memory.
enum Scatter {
    static func launch(_ call: Call, on queue: OpenCLQueue) throws {
        let count = try IndexText.check(call)
        let layout = queue.layout
        arrange(call, count, layout)
        if layout.count(0) == 0 || layout.count(1) == 0 { return }
        let device = queue.device
        let key = key(call, count, layout, device)
        let kernel = try device.library.kernel(key) { request(call, count, key, device) }
        let (errors, number) = queue.indexErrors.register(call)
        let parallel = layout.count(0)
        // A power of two of parts; indices are read once for each.
        let wanted = device.likesVectors ? device.info.computeUnits : 4096
        var parts = 1
        while parts * parallel < wanted && layout.count(1) >= 64 * parts { parts *= 2 }
        let blob = queue.blob
        blob.removeAll()
        blob.append(parallel * parts)
        blob.append(parts)
        IndexText.fill(blob, call.indexing, count, number: number)
        words(count, key).fill(blob, layout, call)
        try queue.enqueue(kernel, Array(BufferList(call)) + [errors], blob, .line(parallel * parts), call)
    }

    static func requests(_ call: Call, _ device: OpenCLDevice, _ layout: Layout) throws -> [KernelRequest] {
        let count = try IndexText.check(call)
        arrange(call, count, layout)
        return [request(call, count, key(call, count, layout, device), device)]
    }

    private static func arrange(_ call: Call, _ count: Int, _ layout: Layout) {
        let output = call.output(0)
        var ordered: UInt32 = 0
        for d in 0..<output.rank where output.stride(d) == 0 { ordered |= 1 << UInt32(d) }
        layout.begin(call.input(0), second: ordered)
        for i in 0...count { layout.add(call.input(i)) }
        layout.add(output)
        layout.addIndex()
        layout.sort(0, by: count + 1)
        layout.coalesce()
    }

    private static func words(_ count: Int, _ key: KernelKey) -> Words {
        Words(
            own: IndexText.words(2, count), tensors: count + 3,
            capacity: [Int(key.shape & 15), Int(key.shape >> 4 & 15)], params: 0)
    }

    private static func key(
        _ call: Call, _ count: Int, _ layout: Layout, _ device: OpenCLDevice
    ) -> KernelKey {
        let dtype = UInt64(call.output(0).dtype.rawValue)
        let shape =
            UInt64(count) << 8 | dtype << 12 | UInt64(call.indexing.reduce) << 16
            | IndexText.widths(call, count) << 20
        func key(_ bucket: (Int) -> Int) -> KernelKey {
            KernelKey(
                family: .scatter,
                shape: shape | UInt64(bucket(layout.rank(0))) | UInt64(bucket(layout.rank(1))) << 4)
        }
        return device.library.choose(key(Words.bucket), or: key(Words.generalBucket), layout)
    }

    private static func request(_ call: Call, _ count: Int, _ key: KernelKey, _ device: OpenCLDevice) -> KernelRequest {
        let dtypes = (1...count).map { call.input($0).dtype }
        let dtype = call.output(0).dtype
        let reduction = call.indexing.scatterReduction
        let words = words(count, key)
        let dialect = device.library.dialect
        let group = device.itemGroup
        return KernelRequest(key) { name in
            let text = KernelText(words, buffers: count + 3)
            let out = count + 1
            let tensors = 0..<count + 3
            let bases = tensors.map { (tensor: $0, name: "b\($0)") }
            let moving = tensors.map { (tensor: $0, name: "c\($0)") }
            let storage = dialect.storage(dtype)
            let memory = IndexText.memory(storage, dtypes)
            let arguments = memory.enumerated().map { "\($1)\($0 == out + 1 ? "errors" : "t\($0)")" }
            func place(_ t: Int) -> String { "c\(t) + i * \(text.word(words.stride(1, t, 0)))" }
            let index = IndexText(own: 2, count: count, dtypes: dtypes)
            let source = """
                \(KernelText.divide)\(IndexText.reporting)\
                static void \(name)(\((arguments + [text.argument]).joined(separator: ", "))) {
                    const long id = \(KernelText.position);
                    if (id >= \(text.word(0))) return;
                    const long parts = \(text.word(1));
                    const long item = opencl_divide(id, parts);
                    const long part = id - item * parts;
                \(bases.map { "    long \($0.name) = \(text.word(words.offset($0.tensor)));\n" }.joined())\
                \(text.locate(space: 0, from: 0, position: "item", bases: bases, indent: "    "))\
                    const long end = \(text.word(words.count(1)));
                    const long size1 = \(text.word(words.size(1, 0)));
                    for (long row = 0; row * size1 < end; ++row) {
                \(moving.map { "        long \($0.name) = b\($0.tensor);\n" }.joined())\
                \(text.locate(space: 1, from: 1, position: "row", bases: moving, indent: "        "))\
                        for (long i = 0; i < size1; ++i) {
                \(index.statements(
                    text, element: { "t\($0 + 1)[\(place($0 + 1))]" }, number: place(count + 2), indent: "            "
                ))\
                            const long target = \(place(out)) + shift;
                            if (valid && ((target >> 4) & (parts - 1)) == part) {
                \(update(reduction, dtype, dialect, value: "t0[\(place(0))]", target: "t\(out)[target]"))\
                            }
                        }
                    }
                }

                """
            return KernelSource(text: source, body: text.body(name, memory: memory, group))
        }
    }

    private static func update(
        _ reduction: ScatterReduction, _ dtype: DType, _ dialect: Dialect, value: String, target: String
    ) -> String {
        let kind: Reduction
        switch reduction {
        case .set: return "                \(target) = \(value);\n"
        case .add: kind = .sum
        case .mul: kind = .prod
        case .max: kind = .max
        case .min: kind = .min
        }
        let type = dtype.arithmetic
        let name = dialect.name(type)
        return """
                            const \(name) v = \(dialect.widened(value, dtype));
                            const \(name) old = \(dialect.widened(target, dtype));
                            const \(name) made = \(kind.expression("old", "v", type));
                            \(target) = \(dialect.narrowed("made", dtype));

            """
    }
}
