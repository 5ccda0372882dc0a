import BackendKit
import CBackend
import CVulkan

/// MATMUL: a workgroup makes a tile of the output from tiles of the inputs in shared memory; each of its
/// 16 × 16 invocations keeps a block of the tile in registers.
enum Matmul {
    enum Word {
        static let m = 0
        static let n = 1
        static let k = 2
        static let tilesM = 3
        static let tilesN = 4
        static let batchRank = 5
        static let aAlongK = 6
        static let bAlongK = 7
        /// Of k, the part that this launch adds.
        static let first = 8
        static let last = 9
        /// Addresses of partial sums to begin with and to leave, or 0.
        static let from = 10
        static let to = 11
        static let batchSizes = 12
        static let params = batchSizes + Int(CRESSET_MAX_RANK)
        /// Of an operand: address, row stride, column stride, batch strides.
        static let step = 3 + Int(CRESSET_MAX_RANK)
        static let batch = 3
    }

    static func launch(_ queue: any BackendQueue, _ call: Call) throws {
        let queue = try own(queue)
        try call.validate(inputs: 2...Int(CRESSET_MAX_INPUTS), outputs: 1...1)
        let output = call.output(0)
        let rank = output.rank
        guard rank >= 2, call.input(0).rank == rank, call.input(1).rank == rank else {
            throw BackendError(.invalid, "matmul of ranks \(call.input(0).rank) and \(call.input(1).rank)", op: call.op)
        }
        let m = output.size(rank - 2)
        let n = output.size(rank - 1)
        let (key, block) = try key(call)
        let tile = 16 * block
        let pipeline = try queue.device.pipelines.pipeline(key) { try request(call, queue.device) }
        let operands = Word.params + call.paramCount
        let operandCount = 1 + call.inputCount
        let data = queue.launchData
        data.begin(operands + operandCount * Word.step)
        var space = Space(
            sizes: Word.batchSizes, strides: operands + Word.batch, step: Word.step, operandCount: operandCount)
        func operand(_ k: Int) -> TensorView { k == 0 ? output : call.input(k - 1) }
        for k in 0..<operandCount {
            let at = operands + k * Word.step
            data[at] = Int(bitPattern: queue.address(operand(k)))
            data[at + 1] = operand(k).stride(rank - 2)
            data[at + 2] = operand(k).stride(rank - 1)
        }
        for d in 0..<rank - 2 { space.append(data, size: output.size(d)) { operand($0).stride(d) } }
        if space.count * m * n == 0 { return }
        let tilesM = (m + tile - 1) / tile
        let tilesN = (n + tile - 1) / tile
        guard tilesM * tilesN * space.count < 1 << 32 else {
            throw BackendError(.unsupported, "a product of \(space.count) × \(m) × \(n) elements", op: call.op)
        }
        data[Word.m] = m
        data[Word.n] = n
        let k = call.input(0).size(rank - 1)
        data[Word.k] = k
        data[Word.tilesM] = tilesM
        data[Word.tilesN] = tilesN
        data[Word.batchRank] = space.rank
        // Neighbouring invocations read along the shorter step.
        let (a, b) = (call.input(0), call.input(1))
        data[Word.aAlongK] = a.stride(rank - 1).magnitude <= a.stride(rank - 2).magnitude ? 1 : 0
        data[Word.bAlongK] = b.stride(rank - 2).magnitude < b.stride(rank - 1).magnitude ? 1 : 0
        queue.write(params: call, at: Word.params)
        // Very long sums are made in several launches that hand on what they have. For each 8 of k an invocation
        // goes through the tile's own loop, those that load, and the products.
        let most = queue.device.loopBudget / (9 + 2 * block) * 8
        let bytes = k > most ? space.count * m * n * output.dtype.arithmetic.dtype.size : 0
        let scratch = try bytes > 0 ? queue.scratch(bytes) : nil
        let partial = scratch.map { Int(bitPattern: UInt($0.raw.address)) } ?? 0
        for start in stride(from: 0, to: max(k, 1), by: most) {
            data[Word.first] = start
            data[Word.last] = min(start + most, k)
            data[Word.from] = start > 0 ? partial : 0
            data[Word.to] = start + most < k ? partial : 0
            let batch = try queue.batch(data.count * 8)
            for k in 0..<call.inputCount { queue.uses(call.input(k), writes: false) }
            queue.uses(output, writes: true)
            if let scratch { queue.uses(scratch.raw.address, UInt64(bytes), writes: true) }
            queue.record(pipeline, batch, groups: tilesM * tilesN * space.count)
        }
    }

    private static func key(_ call: Call) throws -> (key: KernelKey, block: Int) {
        let output = call.output(0)
        let dtype = output.dtype
        guard call.input(0).dtype == dtype, call.input(1).dtype == dtype else {
            throw BackendError(.invalid, "matmul of \(call.input(0).dtype) and \(call.input(1).dtype)", op: call.op)
        }
        let m = output.size(output.rank - 2)
        let n = output.size(output.rank - 1)
        // Large tiles where both sides fill at least two.
        let block = min(m, n) >= 96 ? 4 : 1
        let variant =
            UInt64(dtype.rawValue) | UInt64(block) << 8 | UInt64(call.paramCount) << 12 | UInt64(call.inputCount) << 24
        return (KernelKey(family: .matmul, program: call.program?.id ?? -1, variant: variant), block)
    }

    static func request(_ call: Call, _ device: VulkanDevice) throws -> KernelRequest {
        let (key, block) = try key(call)
        let dtype = call.output(0).dtype
        let (program, paramCount, inputCount) = (call.program, call.paramCount, call.inputCount)
        if let program, program.inputCount > call.inputCount - 1 || program.paramCount > paramCount {
            throw BackendError(.invalid, "the epilogue names operands that are not there", op: call.op)
        }
        let fused = !device.isSoftware && dtype.isFloatingPoint
        return KernelRequest(key: key, op: call.op) {
            MatmulSource(
                dtype: dtype, block: block, fused: fused, program: program, paramCount: paramCount,
                inputCount: inputCount
            ).text
        }
    }
}

/// The text of a matrix product's kernel.
private struct MatmulSource {
    private typealias Word = Matmul.Word
    var dtype: DType
    /// Rows and columns of the output that one invocation makes.
    var block: Int
    /// Multiply and add with one rounding: as fast as one of them on a GPU.
    var fused: Bool
    var program: Program?
    var paramCount: Int
    var inputCount: Int

    private var type: ArithmeticType { dtype.arithmetic }
    private var tile: Int { 16 * block }
    /// Of k in shared memory at a time.
    private var depth: Int { type.dtype.size == 8 ? 8 : 16 }
    /// Tiles between additions to the total: the error of a sum of k terms grows with this length
    /// and k over it, not with k.
    private static let tilesPerPart = 16

    private func operand(_ k: Int) -> Int { Word.params + paramCount + k * Word.step }

    private var blocks: [(Int, Int)] { (0..<block).flatMap { y in (0..<block).map { (y, $0) } } }
    private func each(_ line: (String, Int, Int) -> String) -> String {
        blocks.map { line("\($0.0)_\($0.1)", $0.0, $0.1) }.joined(separator: " ")
    }

    private func load(_ matrix: String, _ shared: String, alongK: Int, rows: String, isA: Bool) -> String {
        // Position in the tile: `across` along m or n, `deep` along k.
        return """
                for (uint e = lane; e < \(tile * depth)u; e += 256u) {
                    bool along = H(\(alongK)) != 0L;
                    uint deep = along ? e % \(depth)u : e / \(tile)u;
                    uint across = along ? e / \(depth)u : e % \(tile)u;
                    \(GLSL.dialect.name(type)) x = \(GLSL.zero(type));
                    if (\(rows)0 + int64_t(across) < H(\(isA ? Word.m : Word.n)) && k0 + int64_t(deep) < H(\(Word.last))) {
                        int64_t p = \(matrix) + (\(rows)0 + int64_t(across)) * \(matrix)_across
                            + (k0 + int64_t(deep)) * \(matrix)_deep;
                        x = \(GLSL.load(dtype, "p"));
                    }
                    \(shared)[deep * \(tile)u + across] = x;
                }

            """
    }

    /// Declares the address and the steps, in bytes, of one of the two matrices.
    private func declare(_ matrix: String, _ operand: Int, isA: Bool) -> String {
        let (across, deep) = isA ? (1, 2) : (2, 1)
        let k = isA ? 1 : 2
        return """
                int64_t \(matrix) = W(\(operand)) + z\(k) * \(dtype.size)L;
                int64_t \(matrix)_across = W(\(operand + across)) * \(dtype.size)L;
                int64_t \(matrix)_deep = W(\(operand + deep)) * \(dtype.size)L;

            """
    }

    var text: String {
        let name = GLSL.dialect.name(type)
        let isFloat = type.isFloat
        func product(_ y: Int, _ x: Int) -> String {
            fused
                ? "p\(y)_\(x) = fma(a\(y), b\(x), p\(y)_\(x));"
                : "p\(y)_\(x) = \(GLSL.sum("p\(y)_\(x)", GLSL.product("a\(y)", "b\(x)", type), type));"
        }
        let offsets = (0...inputCount).map { "z\($0) = 0L" }.joined(separator: ", ")
        let steps = (0...inputCount).map { "z\($0) += x * W(\(operand($0) + Word.batch) + d);" }.joined(separator: " ")
        return """
            layout(local_size_x = 256) in;
            shared \(name) sa[\(tile * depth)];
            shared \(name) sb[\(tile * depth)];
            \(finish)
            void main() {
                uint lane = gl_LocalInvocationID.x;
                uint tiles_n = uint(H(\(Word.tilesN)));
                uint tiles = tiles_n * uint(H(\(Word.tilesM)));
                uint batch = \(GLSL.group) / tiles;
                uint within = \(GLSL.group) - batch * tiles;
                int64_t row0 = int64_t(within / tiles_n) * \(tile)L;
                int64_t column0 = int64_t(within % tiles_n) * \(tile)L;
                if (row0 >= H(\(Word.m))) return;
                int64_t \(offsets);
                uint rest = batch;
                for (int d = int(H(\(Word.batchRank))) - 1; d >= 0; d--) {
                    uint size = uint(W(\(Word.batchSizes) + d));
                    int64_t x = int64_t(d > 0 ? rest % size : rest);
                    rest /= size;
                    \(steps)
                }
                if (rest > 0u && H(\(Word.batchRank)) > 0L) return;
                uint ty = lane / 16u;
                uint tx = lane % 16u;
            \(declare("a", operand(1), isA: true))\(declare("b", operand(2), isA: false))\
                \(each { id, _, _ in "\(name) p\(id) = \(GLSL.zero(type));" })
                \(isFloat ? each { id, _, _ in "\(name) t\(id) = \(GLSL.zero(type));" } : "")
                uint part = 0u;
                if (H(\(Word.from)) != 0L) {
                    \(blocks.map { y, x in restore(y, x) }.joined(separator: "\n        "))
                }
                for (int64_t k0 = H(\(Word.first)); k0 < H(\(Word.last)); k0 += \(depth)L) {
            \(load("a", "sa", alongK: Word.aAlongK, rows: "row", isA: true))\
            \(load("b", "sb", alongK: Word.bAlongK, rows: "column", isA: false))\
                    barrier();
                    for (uint k = 0u; k < \(depth)u; k++) {
                        \((0..<block).map { "\(name) a\($0) = sa[k * \(tile)u + ty + \(16 * $0)u];" }.joined(separator: " "))
                        \((0..<block).map { "\(name) b\($0) = sb[k * \(tile)u + tx + \(16 * $0)u];" }.joined(separator: " "))
                        \(each { _, y, x in product(y, x) })
                    }
                    barrier();
                    \(isFloat ? flush : "")
                }
                \(isFloat ? each { id, _, _ in "p\(id) = t\(id) + p\(id);" } : "")
                \(blocks.map { y, x in call(y, x) }.joined(separator: "\n    "))
            }

            """
    }

    private var flush: String {
        "if (++part == \(Self.tilesPerPart)u) { part = 0u; "
            + each { id, _, _ in "t\(id) = t\(id) + p\(id); p\(id) = \(GLSL.zero(type));" } + " }"
    }

    private var batchNames: [String] { [0].map { "z\($0)" } + (3..<max(inputCount + 1, 3)).map { "z\($0)" } }

    /// A function that stores one element, through the epilogue if there is one.
    private var finish: String {
        func address(_ k: Int, _ dtype: DType) -> String {
            "W(\(operand(k))) + (z\(k) + row * W(\(operand(k) + 1)) + column * W(\(operand(k) + 2))) * \(dtype.size)L"
        }
        var stores = ""
        var statements = ""
        if let program {
            statements = ProgramRenderer(GLSL.dialect).statements(
                program,
                .init(
                    load: { k, dtype in k == 0 ? "value" : GLSL.load(dtype, address(k + 2, dtype)) },
                    param: { GLSL.param(Word.params + $0, $1) },
                    store: { _, dtype, value in
                        stores += "    " + GLSL.store(dtype, address(0, dtype), value) + "\n"
                        return ""
                    }))
        } else {
            stores = "    " + GLSL.store(dtype, address(0, dtype), "value") + "\n"
        }
        let names = batchNames.map { "int64_t \($0)" }.joined(separator: ", ")
        return """
            void finish(\(GLSL.dialect.name(type)) value, int64_t row, int64_t column, int64_t batch, \(names)) {
                if (row >= H(\(Word.m)) || column >= H(\(Word.n))) return;
                int64_t index = (batch * H(\(Word.m)) + row) * H(\(Word.n)) + column;
                if (H(\(Word.to)) != 0L) {
                    \(GLSL.store(type.dtype, "H(\(Word.to)) + index * \(type.dtype.size)L", "value"))
                    return;
                }
            \(statements)\(stores)}
            """
    }

    /// Takes up a partial sum.
    private func restore(_ y: Int, _ x: Int) -> String {
        let row = "row0 + int64_t(ty + \(16 * y)u)"
        let column = "column0 + int64_t(tx + \(16 * x)u)"
        let index = "((int64_t(batch) * H(\(Word.m)) + \(row)) * H(\(Word.n)) + \(column))"
        let element = GLSL.load(type.dtype, "H(\(Word.from)) + \(index) * \(type.dtype.size)L")
        let sum = type.isFloat ? "t" : "p"
        return "if (\(row) < H(\(Word.m)) && \(column) < H(\(Word.n))) \(sum)\(y)_\(x) = \(element);"
    }

    private func call(_ y: Int, _ x: Int) -> String {
        "finish(p\(y)_\(x), row0 + int64_t(ty + \(16 * y)u), column0 + int64_t(tx + \(16 * x)u), int64_t(batch), "
            + batchNames.joined(separator: ", ") + ");"
    }
}
