import BackendKit
import CBackend

extension Shadow {
    /// Runs a launch, repeats it on the second device with what its operands held before, and compares.
    func check(_ launch: Primitive) throws(CressetError) {
        let watched = try WatchedLaunch(launch, by: self)
        try withLayer(Layer.shadow, false) { () throws(CressetError) in
            try launch.runUnwatched()
            try runtime.synchronize(op: launch.op.text)
        }
        try unwatched(watched.compare)
    }
}

/// A launch with what it found in memory.
private struct WatchedLaunch {
    let launch: Primitive
    let shadow: Shadow
    let memory: ShadowMemory

    init(_ launch: Primitive, by shadow: Shadow) throws(CressetError) {
        self.launch = launch
        self.shadow = shadow
        memory = try ShadowMemory(
            launch.inputs.enumerated().map { ($1, addressed: launch.addressed(input: $0)) }
                + launch.outputs.map { ($0, addressed: launch.addressedOutput) })
    }

    func compare() throws(CressetError) {
        let repeated: [Tensor]
        do throws(CressetError) {
            guard let results = try results(on: shadow.second) else { return }
            repeated = results
        } catch {
            if shadow.isInability(error) { return shadow.skip(launch.op, error.message) }
            throw disagreement("\(shadow.runtime.name) took it, and \(shadow.second.name) says: \(error.message)")
        }
        let after = try memory.regions.map { (region) throws(CressetError) in try region.read() }
        var oracle: [Tensor]?
        for (k, output) in launch.outputs.enumerated() {
            let view = output.written(launch.addressedOutput)
            guard let r = memory.region(of: output, launch.addressedOutput) else { continue }
            let got = elements(view, in: after[r], of: r)
            let mismatch = try shadow.judge(got, repeated[k], zeros: launch.definesZeros) {
                () throws(CressetError) in
                if oracle == nil { oracle = try results(on: try OracleDevice.device.runtime(for: "withShadow")) }
                // What the oracle cannot say anything of has to be equal.
                guard let oracle else { return try Expected(exact: HostTensor(repeated[k])) }
                return try Expected(oracle[k])
            }
            guard let mismatch else { continue }
            let which = launch.outputs.count > 1 ? "result \(k): " : ""
            throw disagreement(which + mismatch.text + operands(at: mismatch.places.first, of: view))
        }
        try checkSurroundings(after)
    }

    /// What the launch gives on another device; nil where that has no kernel for it.
    private func results(on runtime: DeviceRuntime) throws(CressetError) -> [Tensor]? {
        for operand in launch.inputs + launch.outputs where !runtime.holds(operand.dtype) {
            shadow.skip(launch.op, "\(runtime.name) cannot hold \(operand.dtype)")
            return nil
        }
        let copies = try memory.copies(on: runtime)
        let empty = try Storage(runtime, bytes: 1, op: "withShadow")
        func moved(_ operand: Operand, _ addressed: [Operand.Addressed]) -> Operand {
            var moved = operand
            if let r = memory.region(of: operand, addressed) {
                moved.storage = copies[r]
                moved.offset -= memory.regions[r].base / operand.dtype.size
            } else {
                moved.storage = empty
                moved.offset = 0
            }
            return moved
        }
        var again = launch
        for i in launch.inputs.indices { again.inputs[i] = moved(launch.inputs[i], launch.addressed(input: i)) }
        for i in launch.outputs.indices { again.outputs[i] = moved(launch.outputs[i], launch.addressedOutput) }
        if let refusals = try again.attempt(on: runtime) {
            shadow.skip(launch.op, refusals.first ?? "\(runtime.name) has no kernel for it")
            return nil
        }
        try runtime.synchronize(op: launch.op.text)
        return again.outputs.map { $0.written(launch.addressedOutput).tensor }
    }

    private func elements(_ view: Operand, in bytes: [UInt8], of region: Int) -> HostTensor {
        elements(view.places, view.dtype, shape: view.shape, in: bytes, of: region)
    }

    private func elements(
        _ places: [Int], _ dtype: DType, shape: Shape, in bytes: [UInt8], of region: Int
    ) -> HostTensor {
        // Every place is one of an operand's, and the region holds all of its elements.
        var picked: [UInt8] = []
        picked.reserveCapacity(places.count * dtype.size)
        for place in places {
            let start = place * dtype.size - memory.regions[region].range.lowerBound
            picked += bytes[start..<start + dtype.size]
        }
        return HostTensor(dtype: dtype, shape: shape, bytes: picked)
    }

    /// Nothing beside the elements of the outputs may have changed.
    private func checkSurroundings(_ after: [[UInt8]]) throws(CressetError) {
        for (r, region) in memory.regions.enumerated() {
            var due = region.before
            for output in launch.outputs where memory.region(of: output, launch.addressedOutput) == r {
                let size = output.dtype.size
                for place in output.written(launch.addressedOutput).places {
                    let start = place * size - region.range.lowerBound
                    for i in start..<start + size { due[i] = after[r][i] }
                }
            }
            guard let i = due.indices.first(where: { due[$0] != after[r][$0] }) else { continue }
            let operand = launch.inputs.enumerated().first {
                memory.region(of: $1, launch.addressed(input: $0)) == r
            }
            throw disagreement(
                "byte \(i + region.range.lowerBound) of the memory of "
                    + (operand.map { "input \($0.offset)" } ?? "its output")
                    + " was changed, which is in no element of its outputs" + operands(at: nil, of: nil))
        }
    }

    // MARK: Telling

    private func disagreement(_ text: String) -> CressetError {
        shadow.disagreement(launch.op, "this \(launch.family)", text)
    }

    /// A line for each operand, with the values that the worst element was made of.
    private func operands(at worst: Int?, of view: Operand?) -> String {
        var text = ""
        for (i, operand) in launch.inputs.enumerated() {
            text += "\n  input \(i): \(operand.summary)"
            guard let worst, let view, let r = memory.region(of: operand, launch.addressed(input: i)) else { continue }
            let (places, count) = launch.places(input: i, for: worst, of: view, memory)
            guard !places.isEmpty else { continue }
            let values = elements(places, operand.dtype, shape: [places.count], in: memory.regions[r].before, of: r)
            text += ", there " + values.listed + (count > places.count ? " … (\(count) in all)" : "")
        }
        for (i, operand) in launch.outputs.enumerated() { text += "\n  output \(i): \(operand.summary)" }
        return text
    }
}

extension Operand {
    /// "float32 [2, 3] strides [3, 1] offset 0 on cpu:0"
    fileprivate var summary: String {
        "\(dtype) \(shape) strides \(strides) offset \(offset) on \(storage.runtime.name)"
    }
}

extension HostTensor {
    /// The elements, one after another.
    var listed: String { (0..<count).map { double($0).short(dtype) }.joined(separator: ", ") }
}

extension Primitive {
    /// The dims of an input that only indices address.
    func addressed(input: Int) -> [Operand.Addressed] { family == .gather && input == 0 ? indexDims : [] }

    /// The dims of the output that only indices address.
    var addressedOutput: [Operand.Addressed] { family == .scatter ? indexDims : [] }

    private var indexDims: [Operand.Addressed] {
        guard case .index(var a) = attributes else { return [] }
        return withUnsafeBytes(of: &a.index_sizes) { sizes in
            withUnsafeBytes(of: &a.index_strides) { strides in
                // (Both are arrays of CRESSET_MAX_INDICES int64.)
                (0..<Int(min(a.index_count, UInt32(CRESSET_MAX_INDICES)))).map { j in
                    Operand.Addressed(
                        size: Int(sizes.load(fromByteOffset: 8 * j, as: Int64.self)),
                        stride: Int(strides.load(fromByteOffset: 8 * j, as: Int64.self)))
                }
            }
        }
    }

    /// Most values that a message shows of one operand.
    private static var shown: Int { 8 }

    /// Where the values lie in an input that element `i` of the written elements of the output is made of: the first
    /// few, and how many there are.
    fileprivate func places(
        input k: Int, for i: Int, of view: Operand, _ memory: ShadowMemory
    ) -> (places: [Int], count: Int) {
        let input = inputs[k]
        /// All elements of an input that `fixed` leaves free.
        func along(_ free: [Int]) -> (places: [Int], count: Int) {
            var line = input
            for (d, k) in view.indices(of: i).enumerated() where !free.contains(d) {
                line.offset += k * input.strides[d]
            }
            line.shape = Shape(free.map { input.shape[$0] })
            line.strides = Shape(free.map { input.strides[$0] })
            let count = line.shape.elementCount
            return ((0..<min(count, Self.shown)).map(line.place), count)
        }
        switch family {
        case .reduce:
            guard case .reduce(let a) = attributes else { return ([], 0) }
            return along(input.shape.indices.filter { a.reduced_dims & (1 << UInt32($0)) != 0 })
        case .matmul:
            let rank = input.shape.count
            return along(k == 0 ? [rank - 1] : k == 1 ? [rank - 2] : [])
        case .gather:
            if k > 0 { return along([]) }
            return address(view.indices(of: i), memory, from: inputs[0]).map { ([$0], 1) } ?? ([], 0)
        case .scatter:
            // The values that land there, or the indices that lead them.
            let target = view.place(i)
            var (found, count) = ([Int](), 0)
            for e in 0..<input.shape.elementCount {
                let index = input.indices(of: e)
                guard address(index, memory, from: outputs[0]) == target else { continue }
                count += 1
                if found.count < Self.shown { found.append(input.place(e)) }
            }
            return (found, count)
        default: return along([])
        }
    }

    /// Where in `base` the index tensors lead at `index`; nil where out of range.
    private func address(_ index: [Int], _ memory: ShadowMemory, from base: Operand) -> Int? {
        var place = zip(base.strides, index).reduce(base.offset) { $0 + $1.0 * $1.1 }
        for (j, dim) in indexDims.enumerated() where j + 1 < inputs.count {
            let tensor = inputs[j + 1]
            guard let r = memory.region(of: tensor, []) else { return nil }
            let at = zip(tensor.strides, index).reduce(tensor.offset) { $0 + $1.0 * $1.1 }
            let bytes = memory.regions[r].before
            let start = at * tensor.dtype.size - memory.regions[r].range.lowerBound
            var value = bytes.withUnsafeBytes { raw in
                tensor.dtype == .int64
                    ? Int(raw.loadUnaligned(fromByteOffset: start, as: Int64.self))
                    : Int(raw.loadUnaligned(fromByteOffset: start, as: Int32.self))
            }
            if value < 0 { value += dim.size }
            guard (0..<dim.size).contains(value) else { return nil }
            place += value * dim.stride
        }
        return place
    }
}

extension Operand {
    /// The index along each dim of element `i` in row-major order.
    fileprivate func indices(of i: Int) -> [Int] {
        var rest = i
        var index = [Int](repeating: 0, count: shape.count)
        for d in shape.indices.reversed() {
            index[d] = rest % max(shape[d], 1)
            rest /= max(shape[d], 1)
        }
        return index
    }
}
