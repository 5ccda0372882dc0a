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
        let key = key(call, .reduce, prologue.id, epilogue.id, shape, layout, queue.device)
        try launch(call, form(call, prologue, epilogue, key, queue.device), key, on: queue)
    }

    static func requests(_ call: Call, _ device: OpenCLDevice, _ layout: Layout) throws -> [KernelRequest] {
        guard call.outputCount > 0, let prologue = call.program, let epilogue = call.epilogue else { return [] }
        let shape = try arrange(call, prologue, layout)
        let key = key(call, .reduce, prologue.id, epilogue.id, shape, layout, device)
        return requests(form(call, prologue, epilogue, key, device)(), key, layout, device)
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
        static func column(_ bits: UInt64) -> Bool { bits >> 40 & 1 == 1 }
        static func capacity(_ bits: UInt64) -> [Int] { [Int(bits >> 44 & 63), Int(bits >> 50 & 63)] }
        /// Of the kernel that combines slices.
        static let combines: UInt64 = 1 << 56
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

    static func key(
        _ call: Call, _ family: Family, _ prologue: Int, _ epilogue: Int, _ shape: Shape, _ layout: Layout,
        _ device: OpenCLDevice
    ) -> KernelKey {
        // Which way it goes through the memory is the same, so that the sums have the same bits.
        var general = shape
        general.capacity0 = Words.generalBucket(layout.rank(0))
        general.capacity1 = Words.generalBucket(layout.rank(1))
        return device.library.choose(
            KernelKey(
                family: family, program: prologue, epilogue: epilogue, operands: call, steps: layout.steps(0),
                moreSteps: layout.steps(1), shape: shape.bits),
            or: KernelKey(
                family: family, program: prologue, epilogue: epilogue, operands: call, steps: layout.anySteps,
                moreSteps: layout.anySteps, shape: general.bits),
            layout)
    }

    /// Everything the text depends on; made only when something is to be compiled.
    private static func form(
        _ call: Call, _ prologue: Program, _ epilogue: Program, _ key: KernelKey, _ device: OpenCLDevice
    ) -> () -> ReduceText.Form {
        {
            let attributes = call.reduction
            return ReduceText.Form(
                prologue: prologue, epilogue: epilogue,
                kinds: (0..<Int(attributes.accumulator_count)).map(attributes.kind),
                inputs: (0..<call.inputCount).map { call.input($0).dtype },
                outputs: (0..<call.outputCount).map { call.output($0).dtype },
                params: call.paramCount, prologueInputs: call.inputCount, epilogueInput: { _ in nil },
                hasIndex: prologue.usesIndex, key: key, device)
        }
    }

    /// What the launch of what `layout` describes needs.
    static func requests(
        _ form: ReduceText.Form, _ key: KernelKey, _ layout: Layout, _ device: OpenCLDevice
    ) -> [KernelRequest] {
        let slices = request(form, key, device)
        return cut(layout, key).slices > 1 ? [slices, request(form, combining(key), device)] : [slices]
    }

    private static func combining(_ key: KernelKey) -> KernelKey {
        var key = key
        key.shape |= Shape.combines
        return key
    }

    private static func request(_ form: ReduceText.Form, _ key: KernelKey, _ device: OpenCLDevice) -> KernelRequest {
        let dialect = device.library.dialect
        var form = form
        form.combines = key.shape & Shape.combines != 0
        return KernelRequest(key, programs: [form.prologue, form.epilogue]) { [form] in
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
        let kernel = try device.library.kernel(key) { request(form(), key, device) }
        let column = Shape.column(key.shape)
        let accumulators = Int(key.shape & 15)
        let (length, slices) = cut(layout, key)
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
        try queue.enqueue(kernel, buffers, blob, .line(items), call)
        if slices > 1 {
            let key = combining(key)
            let kernel = try device.library.kernel(key) { request(form(), key, device) }
            try queue.enqueue(kernel, buffers, blob, .line(outputs), call)
        }
    }

    static func words(_ layout: Layout, _ key: KernelKey, params: Int) -> Words {
        Words(
            own: 3, tensors: layout.tensors, capacity: Shape.capacity(key.shape), params: params)
    }

    /// Slices: enough work items for a large device, each long enough to be worth its start.
    private static func cut(_ layout: Layout, _ key: KernelKey) -> (length: Int, slices: Int) {
        let reduced = layout.count(1)
        let length = sliceLength(reduced, outputs: layout.count(0), column: Shape.column(key.shape))
        return (length, max(1, (reduced + length - 1) / length))
    }

    private static func sliceLength(_ reduced: Int, outputs: Int, column: Bool) -> Int {
        // Down columns a slice also keeps the pages it walks through few.
        if column { return max(256, min(reduced / 32, 1 << 16)) }
        if reduced <= 4096 || (outputs >= 4096 && reduced <= 1 << 20) { return max(reduced, 1) }
        let wanted = reduced / max(1, 16384 / outputs)
        return min(max(wanted, 2048), 1 << 16)
    }
}
