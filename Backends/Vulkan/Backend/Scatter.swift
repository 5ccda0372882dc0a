import BackendKit
import CBackend
import CVulkan

/// SCATTER: one invocation for each position along the dims that the output addresses by itself, which
/// goes through the others in row-major order, so that elements that meet are applied in theirs.
///
/// Long sequences are cut into several launches.
///
/// Words: number of invocations, first and last step, ranks of both, sizes of both, what is of the indices,
/// then for the output, the values and each index tensor an address and both kinds of strides.
enum Scatter {
    private static let count = 0
    private static let first = 1
    private static let last = 2
    private static let keptRank = 3
    private static let serialRank = 4
    private static let keptSizes = 5
    private static let serialSizes = keptSizes + Int(CRESSET_MAX_RANK)
    private static let indexing = serialSizes + Int(CRESSET_MAX_RANK)
    private static let operands = indexing + Indexing.words
    private static let step = 1 + 2 * Int(CRESSET_MAX_RANK)
    private static let kept = 1
    private static let serial = 1 + Int(CRESSET_MAX_RANK)

    static func launch(_ queue: any BackendQueue, _ call: Call) throws {
        let queue = try own(queue)
        let dtypes = try Indexing.dtypes(call)
        let values = call.input(0)
        let target = call.output(0)
        guard values.dtype == target.dtype, values.rank == target.rank else {
            throw BackendError(.invalid, "scatter of \(values.dtype) to \(target.dtype)", op: call.op)
        }
        let pipeline = try queue.device.pipelines.pipeline(key(call, dtypes)) { request(call, dtypes) }
        let operandCount = 2 + dtypes.count
        let data = queue.launchData
        data.begin(operands + operandCount * step)
        func operand(_ k: Int) -> TensorView { k == 0 ? target : call.input(k - 1) }
        for k in 0..<operandCount { data[operands + k * step] = Int(bitPattern: queue.address(operand(k))) }
        var kept = Space(sizes: keptSizes, strides: operands + Self.kept, step: step, operandCount: operandCount)
        var serial = Space(sizes: serialSizes, strides: operands + Self.serial, step: step, operandCount: operandCount)
        let separate = isSeparate(call)
        for d in 0..<values.rank {
            if separate && target.stride(d) != 0 {
                kept.append(data, size: values.size(d)) { operand($0).stride(d) }
            } else {
                serial.append(data, size: values.size(d)) { operand($0).stride(d) }
            }
        }
        if kept.count * serial.count == 0 { return }
        guard kept.count < 1 << 31 && serial.count < 1 << 32 else {
            throw BackendError(.unsupported, "a scatter of \(kept.count) × \(serial.count) elements", op: call.op)
        }
        data[count] = kept.count
        data[keptRank] = kept.rank
        data[serialRank] = serial.rank
        Indexing.write(call, data, at: indexing)
        let most = queue.device.loopBudget / (2 + serial.rank)
        for start in stride(from: 0, to: serial.count, by: most) {
            data[first] = start
            data[last] = min(start + most, serial.count)
            let batch = try queue.batch(data.count * 8)
            for k in 0..<call.inputCount { queue.uses(call.input(k), writes: false) }
            queue.usesAll(target, writes: true)
            Indexing.enter(call, batch, data, at: indexing)
            queue.record(pipeline, batch, groups: (kept.count + 63) / 64)
        }
    }

    /// True if two positions along the output's own dims never share an element, whatever the indices:
    /// each step is longer than all shorter ones together reach.
    private static func isSeparate(_ call: Call) -> Bool {
        let target = call.output(0)
        let attributes = call.indexing
        var dims: [(stride: Int, size: Int, isOwn: Bool)] = []
        for d in 0..<target.rank where target.size(d) > 1 && target.stride(d) != 0 {
            dims.append((abs(target.stride(d)), target.size(d), true))
        }
        for j in 0..<Int(attributes.index_count) where attributes.indexSize(j) > 1 {
            dims.append((abs(attributes.indexStride(j)), attributes.indexSize(j), false))
        }
        dims.sort { $0.stride < $1.stride }
        var reach = 0
        var reachOfOwn = 0
        for dim in dims {
            // Index dims may overlap one another: that is a meeting like any other.
            if dim.stride <= (dim.isOwn ? reach : reachOfOwn) { return false }
            reach += dim.stride * (dim.size - 1)
            if dim.isOwn { reachOfOwn = reach }
        }
        return true
    }

    /// SET moves bits, whatever they mean.
    private static func dtype(_ call: Call) -> DType {
        call.indexing.scatterReduction == .set ? Indexing.mover(call.output(0).dtype) : call.output(0).dtype
    }

    private static func key(_ call: Call, _ dtypes: [DType]) -> KernelKey {
        KernelKey(
            family: .scatter,
            variant: Indexing.variant(dtypes) | UInt64(dtype(call).rawValue) << 32
                | UInt64(call.indexing.scatterReduction.rawValue) << 40)
    }

    static func request(_ call: Call, _ dtypes: [DType]) -> KernelRequest {
        let reduction = call.indexing.scatterReduction
        let dtype = dtype(call)
        return KernelRequest(key: key(call, dtypes), op: call.op) { source(dtype, dtypes, reduction) }
    }

    private static func walk(_ from: String, _ to: String, rank: Int, sizes: Int, strides: Int, operands count: Int)
        -> String
    {
        let steps = (0..<count).map { "\(to)\($0) += int64_t(x) * W(\(operands + $0 * step + strides) + d);" }
        return """
            {
                uint rest = \(from);
                for (int d = int(H(\(rank))) - 1; d >= 0; d--) {
                    uint x = rest;
                    if (d > 0) {
                        uint size = uint(W(\(sizes) + d));
                        rest = x / size;
                        x -= rest * size;
                    }
                    \(steps.joined(separator: " "))
                }
            }

            """
    }

    private static func source(_ dtype: DType, _ dtypes: [DType], _ reduction: ScatterReduction) -> String {
        let n = 2 + dtypes.count
        func address(_ k: Int, _ offset: String, _ dtype: DType) -> String {
            "a\(k) + \(offset) * \(dtype.size)L"
        }
        let place = address(0, "p", dtype)
        let value = address(1, "s1", dtype)
        let type = dtype.arithmetic
        let combined: String? =
            switch reduction {
            case .set: nil
            case .add: GLSL.sum("a", "b", type)
            case .mul: GLSL.product("a", "b", type)
            case .max: GLSL.extremum("a", "b", type, isMin: false)
            case .min: GLSL.extremum("a", "b", type, isMin: true)
            }
        let name = GLSL.dialect.name(type)
        let apply =
            combined.map { combined in
                """
                \(name) a = \(GLSL.load(dtype, place));
                            \(name) b = \(GLSL.load(dtype, value));
                            \(name) c = \(combined);
                            \(GLSL.store(dtype, place, "c"))
                """
            } ?? "\(GLSL.element(dtype, place)) = \(GLSL.element(dtype, value));"
        return """
            layout(local_size_x = 64) in;
            \(Indexing.declarations(at: indexing))
            void main() {
                uint i = \(GLSL.group) * 64u + gl_LocalInvocationID.x;
                if (i >= uint(H(\(count)))) return;
                int64_t \((0..<n).map { "k\($0) = 0L" }.joined(separator: ", "));
                \(walk("i", "k", rank: keptRank, sizes: keptSizes, strides: kept, operands: n))
                int64_t \((0..<n).map { "a\($0) = W(\(operands + $0 * step))" }.joined(separator: ", "));
                int64_t last = H(\(last));
                for (int64_t s = H(\(first)); s < last; s++) {
                    int64_t \((0..<n).map { "s\($0) = k\($0)" }.joined(separator: ", "));
                    \(walk("uint(s)", "s", rank: serialRank, sizes: serialSizes, strides: serial, operands: n))
                    int64_t p = s0;
                    bool inside = true;
            \(Indexing.statements(dtypes, at: indexing) { address(2 + $0, "s\(2 + $0)", dtypes[$0]) })
                    if (inside) {
                        \(apply)
                    }
                }
            }

            """
    }
}
