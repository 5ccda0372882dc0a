import BackendKit
import CBackend
import COpenCL

/// A product of matrices by tiles. Both operands are first copied to panels: of as many rows of A (or
/// columns of B) as a tile has, one k after the other, widened and padded with zeros. So any strides
/// and dtypes are read once, and the loop of the tile reads memory in order.
enum PackedMatmul {
    /// A tile: `rows` × (2 vectors).
    struct Tile {
        let rows: Int
        let vector: Int
        var columns: Int { 2 * vector }
        /// Arithmetic type the panels hold; integers multiply unsigned, which wraps.
        let scalar: String
        let bytes: Int

        init(_ dtype: DType, _ device: OpenCLDevice) {
            switch dtype.arithmetic {
            case .f64: (scalar, bytes) = ("double", 8)
            case .i64: (scalar, bytes) = ("ulong", 8)
            case .f32: (scalar, bytes) = ("float", 4)
            default: (scalar, bytes) = ("uint", 4)
            }
            let width = device.likesVectors ? min(max(device.info.floatWidth, 4), 16) : 4
            vector = max(2, width * 4 / bytes)
            // 32 registers of 64 bytes hold 24 sums; 16 registers hold 12.
            rows = device.likesVectors ? (width == 16 ? 12 : 6) : 4
        }

        var vectorName: String { "\(scalar)\(vector)" }
    }

    /// Bytes of panels at a time.
    private static let budget = 256 << 20

    private static func panels(_ lines: Int, _ width: Int) -> Int { (lines + width - 1) / width }

    // MARK: Launching

    static func requests(_ problem: Matmul.Problem, _ device: OpenCLDevice, _ layout: Layout) -> [KernelRequest] {
        let tile = Tile(problem.dtype, device)
        var requests: [KernelRequest] = []
        for (operand, width) in [(problem.a, tile.rows), (problem.b, tile.columns)] {
            arrangeOperand(operand, problem, layout)
            requests.append(packRequest(packKey(problem.dtype, width, layout), problem.dtype, width, tile, device))
        }
        arrangeProduct(problem, layout)
        requests.append(tileRequest(problem, tileKey(problem, layout), tile, device))
        return requests
    }

    static func launch(_ problem: Matmul.Problem, on queue: OpenCLQueue) throws {
        let (layout, device, call) = (queue.layout, queue.device, problem.call)
        let tile = Tile(problem.dtype, device)
        let (m, n, k, rank) = (problem.m, problem.n, problem.k, problem.rank)
        let batch = (0..<rank - 2).reduce(1) { $0 * problem.c.size($1) }
        if batch == 0 { return }
        // An operand that is the same in all of the batch is packed once.
        let sharesA = (0..<rank - 2).allSatisfy { problem.a.stride($0) == 0 || problem.c.size($0) == 1 }
        let sharesB = (0..<rank - 2).allSatisfy { problem.b.stride($0) == 0 || problem.c.size($0) == 1 }

        // Blocks of the batch, of columns and of rows whose panels fit the budget.
        let line = k * tile.bytes
        let blockN = min(panels(n, tile.columns), max(1, budget / 2 / (line * tile.columns))) * tile.columns
        let blockM = min(panels(m, tile.rows), max(1, budget / 2 / (line * tile.rows))) * tile.rows
        let bytesA = blockM * line
        let bytesB = blockN * line
        let blockBatch = min(batch, max(1, budget / (bytesA + bytesB)))
        let wordsA = blockM * k * (sharesA ? 1 : blockBatch)
        let scratch = try queue.scratch((wordsA + blockN * k * (sharesB ? 1 : blockBatch)) * tile.bytes)

        var batch0 = 0
        while batch0 < batch {
            let batches = min(blockBatch, batch - batch0)
            var column0 = 0
            while column0 < n {
                let columns = min(blockN, n - column0)
                try pack(
                    problem.b, along: rank - 1, first: column0, lines: columns, width: tile.columns, at: wordsA,
                    batch: sharesB ? 0..<1 : batch0..<batch0 + batches, problem, tile, scratch, queue)
                var row0 = 0
                while row0 < m {
                    let rows = min(blockM, m - row0)
                    try pack(
                        problem.a, along: rank - 2, first: row0, lines: rows, width: tile.rows, at: 0,
                        batch: sharesA ? 0..<1 : batch0..<batch0 + batches, problem, tile, scratch, queue)
                    arrangeProduct(problem, layout)
                    let key = tileKey(problem, layout)
                    let kernel = try device.library.kernel(key) { tileRequest(problem, key, tile, device) }
                    let (panelsM, panelsN) = (panels(rows, tile.rows), panels(columns, tile.columns))
                    let blob = queue.blob
                    blob.removeAll()
                    for word in [
                        rows, columns, k, row0, column0, batch0, batches, panelsM, panelsN,
                        sharesA ? 0 : panelsM * tile.rows * k, sharesB ? 0 : panelsN * tile.columns * k, wordsA,
                    ] { blob.append(word) }
                    for i in 2..<call.inputCount { appendStrides(call.input(i), blob) }
                    appendStrides(problem.c, blob)
                    blob.append(n)
                    blob.append(1)
                    tileWords(problem, layout).fill(blob, layout, call)
                    let buffers = Array(BufferList(call))[2...] + [scratch]
                    try queue.enqueue(kernel, buffers, blob, .line(panelsM * panelsN * batches), call)
                    row0 += rows
                }
                column0 += columns
            }
            batch0 += batches
        }
    }

    /// Strides along the rows and the columns of the product.
    private static func appendStrides(_ tensor: TensorView, _ blob: Blob) {
        blob.append(tensor.stride(tensor.rank - 2))
        blob.append(tensor.stride(tensor.rank - 1))
    }

    // MARK: Packing

    private static func arrangeOperand(_ operand: TensorView, _ problem: Matmul.Problem, _ layout: Layout) {
        layout.begin(rank: problem.rank - 2) { problem.c.size($0) }
        layout.add(offset: operand.byteOffset / operand.dtype.size) { operand.stride($0) }
        layout.coalesce()
    }

    private static func packKey(_ dtype: DType, _ width: Int, _ layout: Layout) -> KernelKey {
        KernelKey(
            family: .matmul, program: -100,
            shape: UInt64(dtype.rawValue) | UInt64(width) << 8
                | UInt64(Words.bucket(layout.rank(0))) << 24)
    }

    private static func packWords(_ capacity: Int) -> Words {
        Words(own: 9, tensors: 1, capacity: [capacity], params: 0)
    }

    private static func pack(
        _ operand: TensorView, along dim: Int, first: Int, lines: Int, width: Int, at target: Int, batch: Range<Int>,
        _ problem: Matmul.Problem, _ tile: Tile, _ scratch: cl_mem, _ queue: OpenCLQueue
    ) throws {
        let device = queue.device
        arrangeOperand(operand, problem, queue.layout)
        let key = packKey(problem.dtype, width, queue.layout)
        let kernel = try device.library.kernel(key) { packRequest(key, problem.dtype, width, tile, device) }
        let count = panels(lines, width)
        let other = dim == problem.rank - 1 ? problem.rank - 2 : problem.rank - 1
        let blob = queue.blob
        blob.removeAll()
        for word in [
            problem.k, count, lines, first, operand.stride(dim), operand.stride(other), batch.lowerBound, batch.count,
            target,
        ] { blob.append(word) }
        let words = packWords(Int(key.shape >> 24))
        words.fill(blob, queue.layout, problem.call, params: false)
        let buffers = [BufferList(problem.call)[dim == problem.rank - 2 ? 0 : 1], scratch]
        try queue.enqueue(
            kernel, buffers, blob, .init(width: problem.k, rows: count * batch.count), problem.call)
    }

    private static func packRequest(
        _ key: KernelKey, _ dtype: DType, _ width: Int, _ tile: Tile, _ device: OpenCLDevice
    ) -> KernelRequest {
        let words = packWords(Int(key.shape >> 24))
        let dialect = device.library.dialect
        let group = Group(x: min(64, device.info.maxGroup))
        return KernelRequest(key) { name in
            let text = KernelText(words, buffers: 2)
            let memory = ["__global const \(dialect.storage(dtype)) *", "__global \(tile.scalar) *"]
            func load(_ place: String) -> String { "(\(tile.scalar))\(dialect.widened("source[\(place)]", dtype))" }
            let bases = [(tensor: 0, name: "base")]
            let source = """
                \(KernelText.divide)\
                static void \(name)(\(memory[0])source, \(memory[1])target,
                    \(text.argument)) {
                    const long k = get_global_id(0);
                    const long y = get_global_id(1) + get_global_id(2) * get_global_size(1);
                    const long depth = \(text.word(0));
                    const long panels = \(text.word(1));
                    if (k >= depth || y >= panels * \(text.word(7))) return;
                    const long batch = opencl_divide(y, panels);
                    const long line = (y - batch * panels) * \(width);
                    const long step = \(text.word(4));
                    long base = \(text.word(words.offset(0)));
                \(text.locate(
                    space: 0, from: 0, position: "batch + \(text.word(6))", bases: bases, indent: "    "))\
                    base += (line + \(text.word(3))) * step + k * \(text.word(5));
                    __global \(tile.scalar) *panel = target + \(text.word(8)) + (y * depth + k) * \(width);
                    const int used = (int)min((long)\(width), \(text.word(2)) - line);
                    if (used == \(width) && step == 1) {
                        for (int j = 0; j < \(width); ++j) panel[j] = \(load("base + j"));
                    } else {
                        for (int j = 0; j < \(width); ++j) panel[j] = j < used ? \(load("base + (j < used ? j : 0) * step")) : 0;
                    }
                }

                """
            return KernelSource(text: source, body: text.body(name, memory: memory, group))
        }
    }

    // MARK: Tiles

    /// The dims of the batch, for the epilogue's inputs, the output and the index.
    private static func arrangeProduct(_ problem: Matmul.Problem, _ layout: Layout) {
        let (call, rank, c) = (problem.call, problem.rank, problem.c)
        layout.begin(rank: rank - 2) { c.size($0) }
        for i in 2..<call.inputCount {
            let extra = call.input(i)
            layout.add(offset: extra.byteOffset / extra.dtype.size) { extra.stride($0) }
        }
        layout.add(offset: c.byteOffset / c.dtype.size) { c.stride($0) }
        // The linear index of the result's elements.
        layout.add(offset: 0) { d in (d + 1..<rank).reduce(1) { $0 * c.size($1) } }
        layout.coalesce()
    }

    private static func tileKey(_ problem: Matmul.Problem, _ layout: Layout) -> KernelKey {
        let rank = problem.rank
        // How the epilogue's tensors are stepped through along a row.
        var steps: UInt64 = 0
        for t in 0...problem.extras {
            let tensor = t < problem.extras ? problem.call.input(2 + t) : problem.c
            let stride = tensor.stride(rank - 1)
            let step: Step = stride == 1 ? .unit : stride == 0 ? .zero : .strided
            steps |= UInt64(step.rawValue) << UInt64(2 * t)
        }
        return KernelKey(
            family: .matmul, program: -101, epilogue: problem.call.program?.id ?? -1, operands: problem.call,
            steps: steps,
            shape: UInt64(problem.dtype.rawValue) | UInt64(Words.bucket(layout.rank(0))) << 24)
    }

    private static func tileWords(_ problem: Matmul.Problem, _ layout: Layout) -> Words {
        Words(
            own: 12 + 2 * (problem.extras + 2), tensors: problem.extras + 2,
            capacity: [Words.bucket(layout.rank(0))], params: problem.call.paramCount)
    }

    private static func tileRequest(
        _ problem: Matmul.Problem, _ key: KernelKey, _ tile: Tile, _ device: OpenCLDevice
    ) -> KernelRequest {
        let dtype = problem.dtype
        let epilogue = problem.call.program ?? Matmul.plainStore(dtype)
        let extras = (0..<problem.extras).map { problem.call.input(2 + $0).dtype }
        let words = Words(
            own: 12 + 2 * (extras.count + 2), tensors: extras.count + 2, capacity: [Int(key.shape >> 24)],
            params: problem.call.paramCount)
        let dialect = device.library.dialect
        // On a processor a tile is work enough for a group.
        let group = Group(x: device.likesVectors ? 1 : min(64, device.info.maxGroup))
        return KernelRequest(key, programs: [problem.call.program]) { name in
            TileText(
                tile: tile, group: group, dtype: dtype, extras: extras, epilogue: epilogue, steps: key.steps,
                words: words,
                dialect: dialect
            ).source(named: name)
        }
    }
}

/// The text of the kernel that multiplies panels.
struct TileText {
    let tile: PackedMatmul.Tile
    let group: Group
    let dtype: DType
    let extras: [DType]
    let epilogue: Program
    let steps: UInt64
    let words: Words
    let dialect: Dialect

    /// Products summed before the sum is put aside, so that errors of long sums stay small.
    private static let block = 256

    func source(named name: String) -> KernelSource {
        let buffers = extras.count + 2
        let text = KernelText(words, buffers: buffers)
        let vector = tile.vectorName
        let sums = (0..<tile.rows).flatMap { r in (0..<2).map { "\(r)_\($0)" } }
        func lines(_ indent: String, _ line: (String) -> String) -> String {
            sums.map { indent + line($0) + "\n" }.joined()
        }
        let products = (0..<tile.rows).map { r in
            "                { const \(vector) x = (\(vector))(a[\(r)]); c\(r)_0 += x * y0; c\(r)_1 += x * y1; }\n"
        }.joined()
        let memory =
            extras.map { "__global const \(dialect.storage($0)) *" }
            + ["__global \(dialect.storage(dtype)) *", "__global const \(tile.scalar) *"]
        let pointers = memory.dropLast().enumerated().map { "\($1)t\($0)" }
        let arguments = pointers + ["\(memory[extras.count + 1])packed", text.argument]
        let index = extras.count + 1
        let bases = (0...index).map { (tensor: $0, name: "b\($0)") }
        let sum: String
        switch dtype.arithmetic {
        case .i64: sum = "(long)sums[i * \(tile.columns) + j]"
        case .f32, .f64: sum = "sums[i * \(tile.columns) + j]"
        default: sum = "(int)sums[i * \(tile.columns) + j]"
        }
        let body = """
            static void \(name)(\(arguments.joined(separator: ", "))) {
            #pragma OPENCL FP_CONTRACT ON
                const long id = \(KernelText.position);
                const long rows = \(text.word(0));
                const long columns = \(text.word(1));
                const long depth = \(text.word(2));
                const long panelsM = \(text.word(7));
                const long panelsN = \(text.word(8));
                if (id >= panelsM * panelsN * \(text.word(6))) return;
                const long line = opencl_divide(id, panelsM);
                const long panelM = id - line * panelsM;
                const long batch = opencl_divide(line, panelsN);
                const long panelN = line - batch * panelsN;
                __global const \(tile.scalar) *a = packed + batch * \(text.word(9)) + panelM * depth * \(tile.rows);
                __global const \(tile.scalar) *b = packed + \(text.word(11)) + batch * \(text.word(10))
                    + panelN * depth * \(tile.columns);
            \(lines("    ") { "\(vector) s\($0) = 0;" })\
                for (long k0 = 0; k0 < depth; k0 += \(Self.block)) {
                    const int stop = (int)min((long)\(Self.block), depth - k0);
            \(lines("        ") { "\(vector) c\($0) = 0;" })\
                    for (int k = 0; k < stop; ++k) {
                        const \(vector) y0 = vload\(tile.vector)(0, b);
                        const \(vector) y1 = vload\(tile.vector)(1, b);
            \(products)\
                        a += \(tile.rows);
                        b += \(tile.columns);
                    }
            \(lines("        ") { "s\($0) += c\($0);" })\
                }
                \(tile.scalar) sums[\(tile.rows * tile.columns)];
            \((0..<tile.rows).flatMap { r in
                (0..<2).map { "    vstore\(tile.vector)(s\(r)_\($0), \(2 * r + $0), sums);\n" }
            }.joined())\
                finish_\(name)(\((extras.indices.map { "t\($0)" } + ["t\(extras.count)"]).joined(separator: ", ")), sums,
                    (int)min((long)\(tile.rows), rows - panelM * \(tile.rows)),
                    (int)min((long)\(tile.columns), columns - panelN * \(tile.columns)),
                    \(text.word(3)) + panelM * \(tile.rows), \(text.word(4)) + panelN * \(tile.columns),
                    batch + \(text.word(5)), m);
            }

            """
        // The epilogue is a function of its own: nothing in it may be contracted.
        let function = """
            static void finish_\(name)(\(pointers.joined(separator: ", ")), const \(tile.scalar) *sums,
                int rows, int columns, long row0, long column0, long batch, \(text.argument)) {
            \(bases.map { "    long \($0.name) = \(text.word(words.offset($0.tensor)));\n" }.joined())\
            \(text.locate(space: 0, from: 0, position: "batch", bases: bases, indent: "    "))\
            \((0...index).map { "    b\($0) += row0 * \(text.word(12 + 2 * $0)) + column0 * \(text.word(13 + 2 * $0));\n" }.joined())\
                for (int i = 0; i < rows; ++i) {
            \((0...index).map { "        const long r\($0) = b\($0) + i * \(text.word(12 + 2 * $0));\n" }.joined())\
                    for (int j = 0; j < columns; ++j) {
            \(ProgramRenderer(dialect, indent: "            ").statements(epilogue, finishTemplate(text, sum)))\
                    }
                }
            }

            """
        return KernelSource(
            text: KernelText.divide + function + body, body: text.body(name, memory: memory, group))
    }

    private func finishTemplate(_ text: KernelText, _ sum: String) -> ProgramRenderer.Template {
        let index = extras.count + 1
        func place(_ t: Int) -> String {
            if t == index { return "r\(t) + j" }
            switch Step(steps, t) {
            case .unit: return "r\(t) + j"
            case .zero: return "r\(t)"
            case .strided: return "r\(t) + j * \(text.word(13 + 2 * t))"
            }
        }
        return ProgramRenderer.Template(
            load: { k, dtype in k == 0 ? sum : dialect.widened("t\(k - 1)[\(place(k - 1))]", dtype) },
            param: text.param, index: place(index),
            store: { _, dtype, value in "t\(extras.count)[\(place(extras.count))] = \(dialect.narrowed(value, dtype));"
            })
    }
}
