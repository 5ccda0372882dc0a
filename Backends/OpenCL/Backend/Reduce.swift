import BackendKit
import CBackend
import COpenCL

/// REDUCE: how a launch is cut into work items. The kernels' text is in `ReduceText`.
///
/// A work item goes through a slice of the reduced elements for one output, with several lanes side
/// by side: along the reduced dim (mode row, where memory is contiguous that way), or for as many
/// neighbouring outputs (mode column). Where there are few outputs the reduced elements are cut into
/// several slices, and a second kernel combines their results. Sizes alone decide about slices and
/// the order within is fixed, so results are the same in every run.
enum Reduce {
    static func launch(_ call: Call, on queue: OpenCLQueue) throws {
        guard call.outputCount > 0, let prologue = call.program, let epilogue = call.epilogue else {
            throw BackendError(.invalid, "a reduce call without outputs, program or epilogue")
        }
        let layout = queue.layout
        let shape = try arrange(call, prologue, layout)
        try launch(
            call, form(call, prologue, epilogue, shape, layout, queue.device), key(prologue, epilogue, shape, layout),
            on: queue)
    }

    static func requests(_ call: Call, _ device: OpenCLDevice, _ layout: Layout) throws -> [KernelRequest] {
        guard call.outputCount > 0, let prologue = call.program, let epilogue = call.epilogue else { return [] }
        let shape = try arrange(call, prologue, layout)
        let form = form(call, prologue, epilogue, shape, layout, device)()
        return [request(form, key(prologue, epilogue, shape, layout), device)]
    }

    /// Bits of `KernelKey.shape`.
    struct Shape {
        var kinds: UInt64
        var column: Bool
        var capacity0: Int
        var capacity1: Int

        var bits: UInt64 {
            kinds | (column ? 1 << 40 : 0) | UInt64(capacity0) << 44 | UInt64(capacity1) << 50
        }
    }

    private static func arrange(_ call: Call, _ prologue: Program, _ layout: Layout) throws -> Shape {
        let attributes = call.reduction
        layout.begin(call.output(0), second: attributes.reduced_dims)
        for i in 0..<call.inputCount { layout.add(call.input(i)) }
        for i in 0..<call.outputCount { layout.add(call.output(i)) }
        if prologue.usesIndex { layout.addIndex() }
        var kinds: UInt64 = UInt64(attributes.accumulator_count)
        var ordered = false
        for k in 0..<Int(attributes.accumulator_count) {
            let kind = attributes.kind(k)
            kinds |= UInt64(kind.rawValue) << UInt64(4 + 4 * k)
            ordered = ordered || kind.isArgument
        }
        // argmax counts in row-major order; nothing else minds the order of dims.
        layout.sort(0, by: 0)
        if !ordered { layout.sort(1, by: 0) }
        layout.coalesce()
        return shape(kinds: kinds, inputs: call.inputCount, layout)
    }

    /// The mode in which fewer inputs are read with gaps.
    static func shape(kinds: UInt64, inputs: Int, _ layout: Layout) -> Shape {
        var gaps = (0, 0)
        for t in 0..<inputs {
            if layout.step(0, t) == .strided { gaps.0 += 1 }
            if layout.step(1, t) == .strided { gaps.1 += 1 }
        }
        let column =
            layout.rank(0) > 0
            && (gaps.0 < gaps.1 || (gaps.0 == gaps.1 && layout.innerSize(1) < 16 && layout.innerSize(0) >= 16))
        return Shape(
            kinds: kinds, column: column, capacity0: Words.bucket(layout.rank(0)),
            capacity1: Words.bucket(layout.rank(1)))
    }

    static func key(_ prologue: Program, _ epilogue: Program, _ shape: Shape, _ layout: Layout) -> KernelKey {
        KernelKey(
            family: .reduce, program: prologue.id, epilogue: epilogue.id, steps: layout.steps(0),
            moreSteps: layout.steps(1), shape: shape.bits)
    }

    /// Everything the text depends on; made only when something is to be compiled.
    private static func form(
        _ call: Call, _ prologue: Program, _ epilogue: Program, _ shape: Shape, _ layout: Layout,
        _ device: OpenCLDevice
    ) -> () -> ReduceText.Form {
        {
            let attributes = call.reduction
            return ReduceText.Form(
                prologue: prologue, epilogue: epilogue,
                kinds: (0..<Int(attributes.accumulator_count)).map(attributes.kind),
                inputs: (0..<call.inputCount).map { call.input($0).dtype },
                outputs: (0..<call.outputCount).map { call.output($0).dtype },
                params: call.paramCount, prologueInputs: call.inputCount, epilogueInput: { _ in nil },
                hasIndex: prologue.usesIndex, steps: [layout.steps(0), layout.steps(1)], column: shape.column,
                capacity: [shape.capacity0, shape.capacity1], lanes: device.lanes(column: shape.column),
                group: device.itemGroup)
        }
    }

    static func request(_ form: ReduceText.Form, _ key: KernelKey, _ device: OpenCLDevice) -> KernelRequest {
        let dialect = device.library.dialect
        return KernelRequest(key, programs: [form.prologue, form.epilogue]) {
            ReduceText(form, dialect).source(named: $0)
        }
    }

    // MARK: Launching

    /// Launches what `layout` of the queue describes.
    static func launch(
        _ call: Call, _ form: () -> ReduceText.Form, _ key: KernelKey, on queue: OpenCLQueue
    ) throws {
        let layout = queue.layout
        let outputs = layout.count(0)
        if outputs == 0 { return }
        let device = queue.device
        let kernels = try device.library.kernels(key) { request(form(), key, device) }
        let column = key.shape >> 40 & 1 == 1
        let accumulators = Int(key.shape & 15)

        // Slices: enough work items for a large device, each long enough to be worth its start.
        let reduced = layout.count(1)
        let length = sliceLength(reduced, outputs: outputs, column: column)
        let slices = max(1, (reduced + length - 1) / length)
        let items: Int
        if column {
            let inner = layout.innerSize(0)
            let lanes = device.lanes(column: true)
            items = outputs / inner * ((inner + lanes - 1) / lanes) * slices
        } else {
            items = outputs * slices
        }
        let scratch = try queue.scratch(slices > 1 ? outputs * slices * accumulators * 16 : 16)

        let blob = queue.blob
        blob.removeAll()
        blob.append(slices)
        blob.append(length)
        blob.append(items)
        words(layout, key, params: call.paramCount).fill(blob, layout, call)

        let buffers = Array(BufferList(call)) + [scratch]
        try queue.enqueue(kernels[0], buffers, blob, .line(items), call)
        if slices > 1 { try queue.enqueue(kernels[1], buffers, blob, .line(outputs), call) }
    }

    static func words(_ layout: Layout, _ key: KernelKey, params: Int) -> Words {
        Words(
            own: 3, tensors: layout.tensors, capacity: [Int(key.shape >> 44 & 63), Int(key.shape >> 50 & 63)],
            params: params)
    }

    private static func sliceLength(_ reduced: Int, outputs: Int, column: Bool) -> Int {
        // Down columns a slice also keeps the pages it walks through few.
        if column { return max(256, min(reduced / 32, 1 << 16)) }
        if reduced <= 4096 || (outputs >= 4096 && reduced <= 1 << 20) { return max(reduced, 1) }
        let wanted = reduced / max(1, 16384 / outputs)
        return min(max(wanted, 2048), 1 << 16)
    }
}
