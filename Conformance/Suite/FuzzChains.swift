import Cresset

/// A random sequence of operations, views and writes in place on memories that they share.
///
/// The device runs all of it without waiting. Then each step is judged for itself: the oracle does it with
/// what the device held before it, so that no error of an earlier step widens what is right.
struct RandomChain {
    /// One row-major memory on the device.
    private struct Memory {
        var tensor: Tensor
        /// A copy of what it holds now.
        var copy: Tensor
        var dtype: DType { tensor.dtype }
        var count: Int { tensor.numel }
    }

    /// Some elements of a memory.
    private struct View {
        var memory: Int
        var shape: Shape
        var strides: Shape
        var offset: Int

        func of(_ tensor: Tensor) -> Tensor { tensor.strided(shape, strides, from: offset) }

        var told: String { "m\(memory)\(shape)(strides \(strides), from \(offset))" }
    }

    private enum Argument {
        case plain(Value)
        case fixed(HostTensor)
        case view(View)
        case list([Argument])

        var views: [View] {
            switch self {
            case .plain, .fixed: []
            case .view(let view): [view]
            case .list(let list): list.flatMap(\.views)
            }
        }

        var told: String {
            switch self {
            case .plain(let x): x.told
            case .fixed(let x): "\(x.dtype)\(x.shape)"
            case .view(let view): view.told
            case .list(let list): "[\(list.map(\.told).joined(separator: ", "))]"
            }
        }
    }

    private struct Step {
        var told: String
        /// What the memories that it reads or writes held before, by number.
        var before: [Int: Tensor]
        /// What it gave on the device: results, or the memory that was written to.
        var after: [Tensor]
        /// How the device refused it.
        var refusal: CressetError?
        /// The same with memories of another device.
        var run: ([Int: Tensor], Device) throws -> [Tensor]
    }

    private let device: Device
    private let oracle: Device
    private let dtypes: [DType]
    private let guarded: MemoryGuard
    private var memories: [Memory] = []
    private var steps: [Step] = []

    init(_ g: inout SampleMaker, _ dtypes: [DType], _ device: Device, _ oracle: Device) throws {
        self.device = device
        self.oracle = oracle
        self.dtypes = dtypes
        let memory = MemoryGuard(device, front: 80)
        guarded = memory
        let preferred = g.one(of: dtypes)
        for dtype in [preferred, preferred, g.one(of: dtypes)] {
            let values = try HostTensor(g.tensor([g.int(20..<300)], dtype == .uint8 ? 0 : -4, 4, dtype: dtype))
            try memory.run { try remember(values.tensor(on: device)) }
        }
        let count = g.int(2..<12)
        for _ in 0..<count where steps.last?.refusal == nil {
            try memory.run {
                try noGrad { if g.chance(25) { try write(&g) } else { try operate(&g, preferred) } }
            }
        }
    }

    private mutating func remember(_ tensor: Tensor) throws {
        // Numbers stay of a size whose sums overflow nowhere.
        var kept = tensor.contiguous().reshape([-1])
        if tensor.dtype.isFloatingPoint { kept = kept.clamp(min: -100, max: 100) }
        let own = kept.clone()
        memories.append(Memory(tensor: own, copy: own.clone()))
    }

    // MARK: Choosing

    /// A view of a memory, of that shape; nil where no memory of the dtype is there.
    private func view(_ shape: Shape, _ dtype: DType, _ g: inout SampleMaker, writable: Bool = false) -> View? {
        let candidates = memories.indices.filter {
            memories[$0].dtype == dtype && memories[$0].count > 0
                && (!writable || memories[$0].count >= shape.elementCount)
        }
        guard !candidates.isEmpty else { return nil }
        let memory = g.one(of: candidates)
        let room = memories[memory].count
        // Row-major over the dims in a random order, each element one or two further.
        var order = Array(shape.indices)
        for i in order.indices.reversed() where i > 0 && g.chance(40) { order.swapAt(i, g.int(0..<(i + 1))) }
        var strides = Shape(repeating: 0, count: shape.count)
        var step = g.chance(30) && 2 * shape.elementCount <= room ? 2 : 1
        for d in order.reversed() {
            strides[d] = step
            step *= max(shape[d], 1)
        }
        if !writable, !shape.isEmpty, g.chance(25) { strides[g.int(0..<shape.count)] = 0 }
        func reach() -> Int { shape.indices.reduce(0) { $0 + max(shape[$1] - 1, 0) * strides[$1] } }
        for d in shape.indices where reach() >= room { strides[d] = 0 }
        return View(memory: memory, shape: shape, strides: strides, offset: g.int(0..<(room - reach())))
    }

    // MARK: Steps

    private mutating func operate(_ g: inout SampleMaker, _ preferred: DType) throws {
        let dtype = g.chance(80) ? preferred : g.one(of: dtypes)
        let op = g.one(of: Operators.all.filter { $0.dtypes.contains(dtype) })
        var maker = SampleMaker(dtype: dtype, seed: g.bits())
        guard let samples = try? catching({ op.samples(&maker) }), !samples.isEmpty else { return }
        let sample = g.one(of: samples)
        let hosted = try sample.values.map(HostValue.init)
        // (Other values, or others beside them in memory, need not make a valid call.)
        let isFixed = !sample.takesOtherValues || op.readsMemory
        func argument(_ x: HostTensor, _ name: String) -> Argument {
            guard !isFixed, !CaseGroup.positions.contains(name), !sample.keeping.contains(name), x.count > 0,
                g.chance(75),
                let view = view(x.shape, x.dtype, &g)
            else { return .fixed(x) }
            return .view(view)
        }
        let arguments = try hosted.enumerated().map { i, value -> Argument in
            let name = i < op.schema.arguments.count ? op.schema.arguments[i].name : ""
            switch value {
            case .plain(let x): return .plain(x)
            case .tensor(let x): return argument(x, name)
            case .tensors(let list): return .list(list.map { argument($0, name) })
            // (Indices, of which none may be another value.)
            case .optionalTensors(let list):
                return .plain(.optionalTensors(try list.map { x in try x.map { try $0.tensor(on: .reference) } }))
            case .device: return .plain(.device(.reference))
            }
        }
        perform("\(op.name)(\(arguments.map(\.told).joined(separator: ", ")))", arguments.flatMap(\.views)) {
            memories, device in
            try op.call(try arguments.map { try Self.value($0, memories, device) }).flatMap {
                try $0.tensors(of: op.name, on: device)
            }
        }
    }

    private static func value(_ argument: Argument, _ memories: [Int: Tensor], _ device: Device) throws -> Value {
        func tensor(_ argument: Argument) throws -> Tensor {
            switch argument {
            case .fixed(let x): return try x.tensor(on: device)
            case .view(let view):
                if let memory = memories[view.memory] { return view.of(memory) }
                throw CressetError(.internal, op: "fuzz", "memory \(view.memory) is not there")
            case .plain, .list: throw CressetError(.internal, op: "fuzz", "no tensor")
            }
        }
        switch argument {
        case .plain(.device): return .device(device)
        case .plain(.optionalTensors(let list)): return .optionalTensors(list.map { $0?.to(device) })
        case .plain(let x): return x
        case .fixed, .view: return .tensor(try tensor(argument))
        case .list(let list): return .tensors(try list.map(tensor))
        }
    }

    /// Runs a step that makes new tensors.
    private mutating func perform(
        _ told: String, _ views: [View], _ run: @escaping ([Int: Tensor], Device) throws -> [Tensor]
    ) {
        var step = Step(told: told, before: [:], after: [], run: run)
        var used: [Int: Tensor] = [:]
        for view in views {
            step.before[view.memory] = memories[view.memory].copy
            used[view.memory] = memories[view.memory].tensor
        }
        do {
            let results = try catchingNow { try run(used, device) }
            step.after = try catchingNow { results.map { $0.contiguous().clone() } }
            try catchingNow { for result in results { try remember(result) } }
        } catch {
            step.refusal = error as? CressetError ?? CressetError(.internal, op: "fuzz", "\(error)")
        }
        steps.append(step)
    }

    /// Writes into a part of a memory.
    private mutating func write(_ g: inout SampleMaker) throws {
        let target = memories[g.int(0..<memories.count)]
        var shape = g.shape(rank: 1..<4, most: max(target.count / 2, 1))
        if shape.elementCount > target.count { shape = [target.count] }
        guard let place = view(shape, target.dtype, &g, writable: true),
            let source = view(shape, target.dtype, &g), source.memory != place.memory
        else { return }
        let names = target.dtype == .bool ? ["copy_", "fill_"] : ["copy_", "fill_", "add_", "sub_", "mul_"]
        let name = g.one(of: names)
        let run: ([Int: Tensor], Device) throws -> [Tensor] = { memories, _ in
            guard let memory = memories[place.memory], let other = memories[source.memory] else { return [] }
            let (x, y) = (place.of(memory), source.of(other))
            switch name {
            case "copy_": x.copy_(y)
            case "fill_": x.fill_(1)
            case "add_": x.add_(y)
            case "sub_": x.sub_(y)
            default: x.mul_(y)
            }
            return [memory]
        }
        var step = Step(
            told: "\(place.told).\(name)(\(source.told))",
            before: [place.memory: memories[place.memory].copy, source.memory: memories[source.memory].copy],
            after: [], run: run)
        do {
            let copy = try catchingNow {
                let written = try run(
                    [place.memory: memories[place.memory].tensor, source.memory: memories[source.memory].tensor], device
                )
                return written[0].clone()
            }
            step.after = [copy]
            memories[place.memory].copy = copy
        } catch {
            step.refusal = error as? CressetError ?? CressetError(.internal, op: "fuzz", "\(error)")
        }
        steps.append(step)
    }

    // MARK: Judging

    func verdict() throws -> Verdict {
        var told = ""
        for (i, step) in steps.enumerated() {
            told += "\(i): \(step.told)\n"
            let expected: [Expected]
            do {
                expected = try catching {
                    var memories: [Int: Tensor] = [:]
                    for (number, copy) in step.before {
                        memories[number] = try HostTensor(copy).tensor(on: oracle)
                    }
                    return try noGrad { try step.run(memories, oracle) }.map { try Expected($0.contiguous()) }
                }
            } catch {
                if step.refusal == nil { return .failed("step \(i) should be refused: \(error.told)\n\(told)") }
                return .passed
            }
            if let refusal = step.refusal {
                return refusal.kind == .unsupported || refusal.kind == .dtype
                    ? .unsupported(refusal.message) : .failed("step \(i): \(refusal.told)\n\(told)")
            }
            guard expected.count == step.after.count else {
                return .failed("step \(i) gave \(step.after.count) results, right are \(expected.count)\n\(told)")
            }
            for (tensor, right) in zip(step.after, expected) {
                guard let mismatch = Judgement.compare(try HostTensor(tensor), right) else { continue }
                return .failed("step \(i): \(mismatch.text)\n\(told)")
            }
        }
        if let damage = try guarded.damage() { return .failed("\(damage)\n\(told)") }
        return .passed
    }
}

extension Value {
    /// As in a call: "2", "[1, 0]", "float16", "nil".
    fileprivate var told: String {
        switch self {
        case .none: "nil"
        case .scalar(.int(let x)): "\(x)"
        case .scalar(.double(let x)): "\(x)"
        case .scalar(.bool(let x)): "\(x)"
        case .ints(let list): "\(list)"
        case .dtype(let dtype): "\(dtype)"
        case .string(let text): "\"\(text)\""
        default: "\(self)"
        }
    }
}
