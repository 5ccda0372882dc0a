import BackendKit
import COpenCL

/// POINTWISE: rows of the innermost dim along x, the other dims along y; see `RowLoop`.
enum Pointwise {
    /// What the template bakes in: see `key`.
    struct Form {
        let program: Program
        /// Inputs, then outputs, then the index if there is one.
        let dtypes: [DType]
        let inputs: Int
        let outputs: Int
        let params: Int
        let steps: UInt64
        let capacity: Int
        var tensors: Int { dtypes.count + (program.usesIndex ? 1 : 0) }
        var words: Words { Words(own: 1, tensors: tensors, capacity: [capacity], params: params) }
    }

    static func launch(_ call: Call, on queue: OpenCLQueue) throws {
        let layout = queue.layout
        try arrange(call, layout)
        if layout.count(0) == 0 { return }
        guard let program = call.program else { throw BackendError(.invalid, "a pointwise call without program") }
        let device = queue.device
        let key = key(call, program, layout, device)
        let kernel = try device.library.kernel(key) { request(call, program, key, device) }

        let inner = layout.innerSize(0)
        let rows = layout.count(0) / inner
        let blob = queue.blob
        blob.removeAll()
        blob.append(rows)
        let tensors = call.inputCount + call.outputCount + (program.usesIndex ? 1 : 0)
        Words(own: 1, tensors: tensors, capacity: [capacity(key)], params: call.paramCount)
            .fill(blob, layout, call)
        let loop = loop(key, device)
        try queue.enqueue(kernel, BufferList(call), blob, loop.items(inner, rows: rows), call)
    }

    static func requests(_ call: Call, _ device: OpenCLDevice, _ layout: Layout) throws -> [KernelRequest] {
        guard let program = call.program, call.outputCount > 0 else { return [] }
        try arrange(call, layout)
        return [request(call, program, key(call, program, layout, device), device)]
    }

    private static func arrange(_ call: Call, _ layout: Layout) throws {
        guard call.outputCount > 0 else { throw BackendError(.invalid, "a pointwise call without outputs") }
        layout.begin(call.output(0))
        for i in 0..<call.inputCount { layout.add(call.input(i)) }
        for i in 0..<call.outputCount { layout.add(call.output(i)) }
        if call.program?.usesIndex == true { layout.addIndex() }
        // No element depends on another, so dims may be walked in the order of the output's memory.
        layout.sort(0, by: call.inputCount)
        layout.coalesce()
    }

    private static func key(
        _ call: Call, _ program: Program, _ layout: Layout, _ device: OpenCLDevice
    ) -> KernelKey {
        let rank = layout.rank(0)
        let special = KernelKey(
            family: .pointwise, program: program.id, operands: call, steps: layout.steps(0),
            shape: UInt64(Words.bucket(rank)))
        // Elements that follow each other everywhere are what most calls have.
        if rank <= 1 && special.steps == 0 { return special }
        let general = KernelKey(
            family: .pointwise, program: program.id, operands: call, steps: layout.anySteps,
            shape: UInt64(Words.generalBucket(rank)) | generalBit)
        return device.library.choose(special, or: general, layout)
    }

    // Of `KernelKey.shape`: the capacity for dims, and a bit for the kernel that serves any steps.
    private static let generalBit: UInt64 = 1 << 8
    private static func capacity(_ key: KernelKey) -> Int { Int(key.shape & 255) }

    private static func loop(_ key: KernelKey, _ device: OpenCLDevice) -> RowLoop {
        RowLoop(device, flat: capacity(key) == 1, steps: key.steps, scalar: key.shape & generalBit != 0)
    }

    private static func request(
        _ call: Call, _ program: Program, _ key: KernelKey, _ device: OpenCLDevice
    ) -> KernelRequest {
        let form = Form(
            program: program,
            dtypes: (0..<call.inputCount).map { call.input($0).dtype }
                + (0..<call.outputCount).map { call.output($0).dtype },
            inputs: call.inputCount, outputs: call.outputCount, params: call.paramCount, steps: key.steps,
            capacity: capacity(key))
        let dialect = device.library.dialect
        let loop = loop(key, device)
        return KernelRequest(key, programs: [program]) { source(form, named: $0, loop, dialect) }
    }

    private static func source(
        _ form: Form, named name: String, _ loop: RowLoop, _ dialect: Dialect
    ) -> KernelSource {
        let buffers = form.dtypes.count
        let text = KernelText(form.words, buffers: buffers)
        func place(_ t: Int) -> String {
            switch Step(form.steps, t) {
            case .unit: "b\(t) + x"
            case .zero: "b\(t)"
            case .strided: "b\(t) + x * \(text.word(form.words.stride(0, t, 0)))"
            }
        }
        let template = ProgramRenderer.Template(
            load: { k, dtype in dialect.widened("t\(k)[\(place(k))]", dtype) },
            param: text.param, index: place(form.dtypes.count),
            store: { k, dtype, value in
                "t\(form.inputs + k)[\(place(form.inputs + k))] = \(dialect.narrowed(value, dtype));"
            })
        let memory = form.dtypes.enumerated().map { t, dtype in
            "__global \(t < form.inputs ? "const " : "")\(dialect.storage(dtype)) *"
        }
        let arguments = memory.enumerated().map { "\($1)t\($0)" }
        let bases = (0..<form.tensors).map { (tensor: $0, name: "b\($0)") }
        let head =
            bases.map { "    long \($0.name) = \(text.word(form.words.offset($0.tensor)));\n" }.joined()
            + text.locate(space: 0, from: 1, position: "y", bases: bases, indent: "    ")
        let rows = loop.text(
            inner: text.word(form.words.size(0, 0)), rows: text.word(0), head: head,
            body: ProgramRenderer(dialect, indent: "        ").statements(form.program, template))
        let body = """
            \(KernelText.divide)\
            static void \(name)(\((arguments + [text.argument]).joined(separator: ", "))) {
            \(rows)\
            }

            """
        return KernelSource(text: body, body: text.body(name, memory: memory, loop.group))
    }
}

/// The memory objects of a call's tensors, inputs first.
struct BufferList: Collection {
    private let call: Call
    private let first: Int
    let endIndex: Int
    var startIndex: Int { 0 }

    init(_ call: Call) {
        self.call = call
        first = 0
        endIndex = call.inputCount + call.outputCount
    }

    func index(after i: Int) -> Int { i + 1 }

    subscript(i: Int) -> cl_mem {
        let tensor = i < call.inputCount ? call.input(i) : call.output(i - call.inputCount)
        // The host only passes buffers of the device it calls.
        return unsafeDowncast(BufferHandle.buffer(tensor.buffer) as AnyObject, to: OpenCLBuffer.self).memory
    }
}
