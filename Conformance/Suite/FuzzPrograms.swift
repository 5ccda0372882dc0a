import Cresset

/// Random typed SSA.
struct RandomSketch {
    var sketch = ProgramSketch()
    private let dtypes: [DType]
    /// Values that may be operands, by type.
    private var values: [DType: [Int]] = [:]

    /// dtypes: those that the device holds.
    init(_ dtypes: [DType]) { self.dtypes = dtypes }

    /// The types that the device computes in.
    private var types: [DType] {
        var types: [DType] = [.bool, .int32, .int64, .float32]
        if dtypes.contains(.float64) { types.append(.float64) }
        return types
    }

    @discardableResult
    mutating func add(_ step: ProgramSketch.Step) -> Int {
        let value = sketch.add(step)
        values[sketch.types[value], default: []].append(value)
        return value
    }

    private static let integers: Set<DType> = [.int32, .int64]

    /// So many steps of random instructions on random values.
    mutating func grow(_ count: Int, _ g: inout SampleMaker, usesIndex: Bool = true) {
        for _ in 0..<count { step(&g, usesIndex: usesIndex) }
    }

    private mutating func step(_ g: inout SampleMaker, usesIndex: Bool) {
        // One of the values there are, the later ones more often.
        let all = values.values.flatMap { $0 }.sorted()
        let x = g.chance(60) ? g.one(of: Array(all.suffix(4))) : g.one(of: all)
        let type = sketch.types[x]
        func other(_ g: inout SampleMaker) -> Int { g.one(of: values[type] ?? [x]) }
        let y = other(&g)
        switch g.int(0..<100) {
        case 0..<8: add(.cast(x, g.one(of: types)))
        case 8..<16:
            let stored = dtypes.filter { ProgramSketch.type(of: $0) == type }
            add(.narrow(x, stored.isEmpty ? type : g.one(of: stored)))
        case 16..<24: literal(type, &g)
        case 24..<28 where usesIndex: add(.index)
        case 28..<36: add(.apply(g.one(of: ["eq", "ne", "lt", "le"].filter { type != .bool || $0 < "l" }), [x, y]))
        case 36..<44:
            guard let condition = values[.bool].map({ g.one(of: $0) }) else { return }
            add(.apply("select", [condition, x, y]))
        case 44..<48:
            guard let long = values[.int64] else { return }
            add(.philox(key: g.one(of: long), counter: g.one(of: long), word: g.int(0..<4)))
        default: arithmetic(x, y, other(&g), type, &g)
        }
    }

    private mutating func literal(_ type: DType, _ g: inout SampleMaker) {
        if type.isFloatingPoint {
            add(.number(g.one(of: [0, 1, -1, 0.5, 2, 3.25, -7, 1e-3, 100, 1e10]), type))
        } else {
            add(.integer(Int64(g.one(of: [0, 1, -1, 2, 3, 7, -8, 31, 100, 1 << 20])), type))
        }
    }

    private mutating func arithmetic(_ x: Int, _ y: Int, _ z: Int, _ type: DType, _ g: inout SampleMaker) {
        if type == .bool {
            add(.apply(g.one(of: ["and", "or", "xor"]), [x, y]))
        } else if Self.integers.contains(type) {
            if g.chance(20) {
                add(.apply(g.one(of: ["neg", "abs", "not"]), [x]))
            } else {
                let names = ["add", "sub", "mul", "div", "rem", "min", "max", "and", "or", "xor", "shl", "shr", "ushr"]
                add(.apply(g.one(of: names), [x, y]))
            }
        } else if g.chance(25) {
            let function = g.one(of: ProgramSketch.functions)
            add(.call(function.name, function.arguments == 2 ? [x, y] : [x]))
        } else if g.chance(25) {
            add(.apply(g.one(of: ["neg", "abs", "sqrt", "floor", "ceil", "trunc", "round"]), [x]))
        } else if g.chance(10) {
            add(.apply("fma", [x, y, z]))
        } else {
            let name = g.one(of: ["add", "sub", "mul", "div", "rem", "min", "max"])
            let value = add(.apply(name, [x, y]))
            if name == "min" || name == "max" { zeroed(value, type) }
        }
    }

    /// Which zero MIN, MAX and sums give is nobody's promise, so the sign of one must lead to nothing: the
    /// value itself is no operand any more, but it and 0 added are, which has one sign.
    mutating func zeroed(_ value: Int, _ type: DType) {
        values[type]?.removeAll { $0 == value }
        add(.apply("add", [value, add(.number(0, type))]))
    }

    /// A value of the type to store: a late one, cast if need be.
    mutating func result(_ type: DType, _ g: inout SampleMaker) -> Int {
        if let made = values[type], !made.isEmpty { return g.chance(80) ? made[made.count - 1] : g.one(of: made) }
        return add(.cast(g.one(of: values.values.flatMap { $0 }.sorted()), type))
    }
}

/// A random program with everything that one launch of it needs.
struct RandomProgram {
    private let sketch: ProgramSketch
    private let shape: Shape
    private let inputs: [Placed]
    private let params: [(Scalar, DType)]
    private let outputs: [DType]

    init(_ g: inout SampleMaker, _ dtypes: [DType]) throws {
        shape = g.chance(3) ? [g.one(of: [65_537, 66_000])] : g.shape()
        var program = RandomSketch(dtypes)
        (inputs, params) = try Self.sources(&program, shape, &g, dtypes)
        program.grow(g.int(1..<24), &g)
        outputs = (0..<g.int(1..<4)).map { _ in g.one(of: dtypes) }
        for (k, dtype) in outputs.enumerated() {
            let value = program.result(ProgramSketch.type(of: dtype), &g)
            program.sketch.add(.store(value, to: k, dtype))
        }
        sketch = program.sketch
    }

    /// Random inputs and params, loaded.
    static func sources(
        _ program: inout RandomSketch, _ shape: Shape, _ g: inout SampleMaker, _ dtypes: [DType]
    ) throws -> ([Placed], [(Scalar, DType)]) {
        let kinds = (0..<g.int(1..<5)).map { _ in g.one(of: dtypes) }
        let inputs = try kinds.map { try g.operand(shape, $0) }
        for (k, dtype) in kinds.enumerated() { program.add(.load(k, dtype)) }
        var params: [(Scalar, DType)] = []
        for k in 0..<g.int(0..<3) {
            let type = ProgramSketch.type(of: g.one(of: dtypes))
            let number = g.one(of: [0, 1, -2, 3, 17, 1000])
            params.append((type.isFloatingPoint ? .double(Double(number) / 4) : .int(Int64(number)), type))
            program.add(.param(k, type))
        }
        return (inputs, params)
    }

    private func results(_ device: Device) throws -> [Tensor] {
        let placed = try PlacedArguments(inputs.map { .tensor($0) }, on: device)
        return try catching {
            try Probe.pointwise(
                sketch, placed.tensors.map(\.view), params: params, to: outputs, shape, on: device)
        }
    }

    var work: DifferentialWork {
        DifferentialWork(
            told: "shape \(shape), inputs \(inputs.map(\.told)), params \(params.map(\.0))\n\(sketch)", run: results)
    }
}

/// A random reduction: several accumulators between a prologue and an epilogue.
struct RandomReduction {
    private let reduction: Probe.Reduction
    private let shape: Shape
    private let inputs: [Placed]
    private let params: [(Scalar, DType)]

    init(_ g: inout SampleMaker, _ dtypes: [DType]) throws {
        let shape = g.shape(rank: 1..<5)
        self.shape = shape
        var before = RandomSketch(dtypes)
        (inputs, params) = try RandomProgram.sources(&before, shape, &g, dtypes)
        before.grow(g.int(0..<6), &g)
        var after = RandomSketch(dtypes)
        var kinds: [String] = []
        for k in 0..<g.int(1..<4) {
            let type = ProgramSketch.type(of: g.one(of: dtypes))
            before.sketch.add(.store(before.result(type, &g), to: k, type))
            var allowed = type == .bool ? ["any", "all"] : ["sum", "prod", "max", "min"]
            // Nothing has no largest element.
            if type != .bool && shape.elementCount > 0 { allowed += ["argmax", "argmin"] }
            let kind = g.one(of: allowed)
            kinds.append(kind)
            let loaded = kind.hasPrefix("arg") ? .int64 : type
            let value = after.add(.load(k, loaded))
            if loaded.isFloatingPoint { after.zeroed(value, loaded) }
        }
        after.grow(g.int(0..<5), &g, usesIndex: false)
        let outputs = (0..<g.int(1..<3)).map { _ in g.one(of: dtypes) }
        for (k, dtype) in outputs.enumerated() {
            after.sketch.add(.store(after.result(ProgramSketch.type(of: dtype), &g), to: k, dtype))
        }
        var dims = shape.indices.filter { _ in g.chance(50) }
        if dims.isEmpty { dims = [g.int(0..<shape.count)] }
        reduction = Probe.Reduction(
            prologue: before.sketch, epilogue: after.sketch, kinds: kinds, dims: dims, outputs: outputs)
    }

    private func results(_ device: Device) throws -> [Tensor] {
        let placed = try PlacedArguments(inputs.map { .tensor($0) }, on: device)
        return try catching {
            try Probe.reduce(reduction, placed.tensors.map(\.view), params: params, shape, on: device)
        }
    }

    var work: DifferentialWork {
        DifferentialWork(
            told: "shape \(shape), dims \(reduction.dims), inputs \(inputs.map(\.told)), params \(params.map(\.0))\n"
                + "\(reduction.prologue)\n\(reduction.kinds.joined(separator: " "))\n\(reduction.epilogue)",
            run: results)
    }
}

/// The same work on a device and on the oracle.
struct DifferentialWork {
    /// The work in words, for a failure.
    let told: String
    private let run: (Device) throws -> [Tensor]
    private var expected: Result<[Expected], any Error>?

    init(told: String, run: @escaping (Device) throws -> [Tensor]) {
        self.told = told
        self.run = run
    }

    /// Asks the oracle what is right; gives what was launched for it.
    mutating func learn(from oracle: Device) -> RecordedLaunches {
        let run = run
        let (answer, launches) = recordingLaunches {
            Result<[Expected], any Error> { try run(oracle).map { try Expected($0) } }
        }
        expected = answer
        return launches
    }

    func verdict(on device: Device) throws -> Verdict {
        guard let expected = try expected?.get() else { return .failed("the oracle was not asked") }
        let memory = MemoryGuard(device, front: 80)
        let got: [HostTensor]
        do {
            got = try memory.run { try run(device).map { try HostTensor($0) } }
        } catch let error as CressetError where error.kind == .unsupported {
            // What a device says it cannot run is no fault of its.
            return .unsupported("\(device) does not publish all that random programs are made of")
        }
        for (i, (x, right)) in zip(got, expected).enumerated() {
            guard let mismatch = Judgement.compare(x, right) else { continue }
            return .failed("output \(i): \(mismatch.text)\n\(told)")
        }
        if let damage = try memory.damage() { return .failed("\(damage)\n\(told)") }
        return .passed
    }
}
