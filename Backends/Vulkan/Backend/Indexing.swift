import BackendKit
import CBackend
import CVulkan

/// What GATHER and SCATTER share: index tensors, and the report of indices out of range.
enum Indexing {
    /// Words, at the start of the family's own: address of the record, number of the launch, then size and
    /// stride of each index.
    static let record = 0
    static let number = 1
    static let indices = 2
    static let words = indices + 2 * Int(CRESSET_MAX_INDICES)

    /// Dtypes of the index tensors, checked.
    static func dtypes(_ call: Call) throws -> [DType] {
        try call.validate(inputs: 2...Int(CRESSET_MAX_INPUTS), outputs: 1...1)
        let count = Int(call.indexing.index_count)
        guard (1...Int(CRESSET_MAX_INDICES)).contains(count), count < call.inputCount else {
            throw BackendError(.invalid, "\(count) index tensors", op: call.op)
        }
        return try (1...count).map { j in
            let dtype = call.input(j).dtype
            guard dtype == .int64 || dtype == .int32 else {
                throw BackendError(.invalid, "an index tensor of \(dtype)", op: call.op)
            }
            return dtype
        }
    }

    /// The dtype as which an element of that size is moved unchanged.
    static func mover(_ dtype: DType) -> DType {
        switch dtype.size {
        case 1: .uint8
        case 2: .int16
        case 4: .int32
        case 8: .int64
        default: dtype
        }
    }

    static func write(_ call: Call, _ data: LaunchData, at: Int) {
        let attributes = call.indexing
        for j in 0..<Int(attributes.index_count) {
            data[at + indices + 2 * j] = attributes.indexSize(j)
            data[at + indices + 2 * j + 1] = attributes.indexStride(j)
        }
    }

    /// Tells the kernel where and as whom to report.
    static func enter(_ call: Call, _ batch: Batch, _ data: LaunchData, at: Int) {
        let (record, number) = batch.enter(op: call.op, site: call.site)
        data[at + Indexing.record] = Int(bitPattern: UInt(record))
        data[at + Indexing.number] = number
    }

    /// Part of a kernel's key: which index tensors are of 32 bits, and how many there are.
    static func variant(_ dtypes: [DType]) -> UInt64 {
        dtypes.enumerated().reduce(UInt64(dtypes.count)) { $0 | ($1.element == .int32 ? 16 << UInt64($1.offset) : 0) }
    }

    /// `report`: keeps the first index out of range of a batch.
    static func declarations(at: Int) -> String {
        """
        layout(buffer_reference, scalar, buffer_reference_align = 8) buffer Record {
            uint number;
            uint tensor;
            int64_t index;
            int64_t size;
        };
        void report(uint tensor, int64_t index, int64_t size) {
            Record record = Record(uint64_t(\(GLSL.word(at + record))));
            if (atomicCompSwap(record.number, 0u, uint(\(GLSL.word(at + number)))) == 0u) {
                record.tensor = tensor;
                record.index = index;
                record.size = size;
            }
        }

        """
    }

    /// Statements that add the places the indices name to `p` and clear `inside` if one is out of range.
    static func statements(_ dtypes: [DType], at: Int, address: (Int) -> String) -> String {
        dtypes.enumerated().map { j, dtype in
            """
                if (inside) {
                    int64_t n = \(dtype == .int32 ? "cresset_i32_to_i64" : "")(\(GLSL.load(dtype, address(j))));
                    int64_t size = \(GLSL.word(at + indices + 2 * j));
                    inside = n >= -size && n < size;
                    if (!inside) report(\(j)u, n, size);
                    p += (n < 0L ? n + size : n) * \(GLSL.word(at + indices + 2 * j + 1));
                }

            """
        }.joined()
    }
}

/// GATHER: one invocation for each element of the output.
enum Gather {
    private static func layout(_ indexCount: Int) -> Pointwise.Layout {
        Pointwise.Layout(operandCount: 2 + indexCount, extraCount: Indexing.words)
    }

    static func launch(_ queue: any BackendQueue, _ call: Call) throws {
        let queue = try own(queue)
        let dtypes = try Indexing.dtypes(call)
        guard call.input(0).dtype == call.output(0).dtype else {
            throw BackendError(.invalid, "gather of \(call.input(0).dtype) to \(call.output(0).dtype)", op: call.op)
        }
        let layout = layout(dtypes.count)
        let data = queue.launchData
        data.begin(layout.end)
        Indexing.write(call, data, at: layout.extra)
        try queue.launchElements(
            key(call, dtypes), { request(call, dtypes) }, call, layout,
            operand: { $0 == 0 ? call.output(0) : call.input($0 - 1) },
            report: { batch in
                // What is read through indices lies beyond the tensor's own range.
                queue.usesAll(call.input(0), writes: false)
                Indexing.enter(call, batch, data, at: layout.extra)
            })
    }

    private static func key(_ call: Call, _ dtypes: [DType]) -> KernelKey {
        let mover = Indexing.mover(call.output(0).dtype)
        return KernelKey(family: .gather, variant: Indexing.variant(dtypes) | UInt64(mover.rawValue) << 32)
    }

    static func request(_ call: Call, _ dtypes: [DType]) -> KernelRequest {
        let mover = Indexing.mover(call.output(0).dtype)
        return KernelRequest(key: key(call, dtypes), op: call.op) { source(mover, dtypes) }
    }

    private static func source(_ mover: DType, _ dtypes: [DType]) -> String {
        let layout = layout(dtypes.count)
        return """
            layout(local_size_x = \(GLSL.groupSize)) in;
            \(Indexing.declarations(at: layout.extra))
            void main() {
            \(layout.position)    int64_t p = o1;
                bool inside = true;
            \(Indexing.statements(dtypes, at: layout.extra) { layout.address(2 + $0, dtypes[$0]) })
                if (inside) \(GLSL.element(mover, layout.address(0, mover))) = \
            \(GLSL.element(mover, layout.address(1, mover, "p")));
            }

            """
    }
}
