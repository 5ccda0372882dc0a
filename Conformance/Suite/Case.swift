import Cresset

/// Which way a case runs its operation.
package enum Direction: String, CaseIterable, Sendable {
    case forward
    case gradient
}

/// One thing that a device that claims an operation must get right.
package struct Cell: Hashable, Sendable {
    package var op: String
    package var dtype: DType
    package var layout: Layout
    package var direction: Direction

    package init(op: String, dtype: DType, layout: Layout, direction: Direction) {
        (self.op, self.dtype, self.layout, self.direction) = (op, dtype, layout, direction)
    }
}

/// One call, with everything that makes it the same on every device.
package struct Case: Sendable {
    package let cell: Cell
    package let declaration: Operator
    /// Which of the declaration's samples it is.
    let sample: Int
    package let arguments: [CaseValue]
    /// For the gradients handed to backward.
    let seed: UInt64
    /// Arguments that keep their values where others are tried.
    var keeping: Set<String> = []
    /// The steps by which it was made smaller.
    var reduction: [Int] = []

    /// "aten::add.Tensor/float32/2/sliced/gradient", with the steps of a smaller one "…/gradient@3.17"
    package var id: String {
        reduction.isEmpty ? wholeID : wholeID + "@" + reduction.map(String.init).joined(separator: ".")
    }

    /// Of the case that it was made from.
    var wholeID: String {
        "\(cell.op)/\(cell.dtype)/\(sample)/\(cell.layout.rawValue)/\(cell.direction.rawValue)"
    }
}

/// What is to be run.
package struct Selection: Sendable {
    /// True for the operations that are wanted.
    package var matches: @Sendable (String) -> Bool
    package var dtype: DType?
    package var id: String?
    /// The steps by which the case of that name is made smaller.
    private(set) var reduction: [Int] = []
    package var seed: UInt64
    package var tier: Tier
    /// Only cases that run in this direction.
    package var direction: Direction?
    /// Only calls that must be refused.
    package var isOfRefusals = false
    /// False where only some operations, dtypes or cases were asked for.
    private let isOpen: Bool
    /// False where only a part was asked for: then nothing can be said of what was not run.
    package var isWhole: Bool { isOpen && direction == nil && !isOfRefusals }

    package init(
        op: (@Sendable (String) -> Bool)? = nil, dtype: DType? = nil, id: String? = nil, seed: UInt64 = 0,
        tier: Tier = .full, direction: Direction? = nil
    ) {
        matches = op ?? { _ in true }
        self.dtype = dtype
        let parts = id?.split(separator: "@", maxSplits: 1).map(String.init) ?? []
        self.id = parts.first ?? id
        if parts.count == 2 { reduction = parts[1].split(separator: ".").compactMap { Int($0) } }
        self.seed = seed
        self.tier = tier
        self.direction = direction
        isOpen = op == nil && dtype == nil && id == nil
    }

    /// True where every case there is, but of more seeds, is run.
    package var isExhaustive: Bool { isWhole && tier != .smoke }

    func contains(_ item: Case) -> Bool {
        matches(item.cell.op) && (dtype ?? item.cell.dtype) == item.cell.dtype && (id ?? item.id) == item.id
            && (direction ?? item.cell.direction) == item.cell.direction
    }
}

/// The cases of one operation for one dtype, in order.
package struct CaseGroup {
    package let cases: [Case]
    /// Samples that the declaration could not make.
    package private(set) var failure: CressetError?

    /// What a smoke run takes of them.
    package let smoke: [Case]

    package init(_ op: Operator, _ dtype: DType, _ selection: Selection) {
        var made: [Case] = []
        do {
            for seed in selection.tier.seeds(from: selection.seed) {
                made += try Self.cases(op, dtype, selection, seed: seed, number: made.last.map { $0.sample + 1 } ?? 0)
            }
        } catch {
            cases = []
            smoke = []
            failure = error as? CressetError ?? CressetError(.internal, op: op.name, "\(error)")
            return
        }
        var choice = SmokeChoice(op.name, dtype, seed: selection.seed)
        smoke = choice.choose(made, isProbe: op.isProbe).filter(selection.contains)
        let wanted = made.filter(selection.contains)
        cases = selection.reduction.isEmpty ? wanted : wanted.map { Reduction($0).apply(selection.reduction) }
    }

    /// The cases of one seed, whose samples are numbered from `number` on.
    private static func cases(
        _ op: Operator, _ dtype: DType, _ selection: Selection, seed: UInt64, number: Int
    ) throws -> [Case] {
        var maker = SampleMaker(dtype: dtype, seed: seed &+ op.name.stableHash)
        let samples = try catching { op.samples(&maker) }
        var made: [Case] = []
        var used: [Layout: Int] = [:]
        for (i, sample) in samples.enumerated() {
            let hosted = try sample.values.map(HostValue.init)
            let variants =
                sample.takesOtherValues
                ? variants(
                    of: hosted, op, keeping: sample.keeping, &maker, &used, limit: selection.tier.variantLimit) : []
            for (layout, arguments) in layouts(of: hosted) + variants {
                if op.readsMemory && (layout.isMoved || layout == .aliased) { continue }
                // (Repeated rows or extremes would make another matrix: a singular one, for which nothing is declared.)
                if op.judgement != nil && (layout.isVariant || layout == .expanded || layout == .overlapping) {
                    continue
                }
                if layout.isMoved {
                    if used[layout, default: 0] == selection.tier.layoutLimit { continue }
                    used[layout, default: 0] += 1
                }
                for direction in Direction.allCases {
                    if direction == .gradient {
                        guard !layout.isVariant else { continue }
                        guard op.isDifferentiable && dtype.hasGradient else { continue }
                    }
                    made.append(
                        Case(
                            cell: Cell(op: op.name, dtype: dtype, layout: layout, direction: direction),
                            declaration: op, sample: number + i, arguments: arguments, seed: seed &+ UInt64(i),
                            keeping: sample.keeping))
                }
            }
        }
        return made
    }

    /// The sample in a layout; nil where that makes no difference to it.
    static func placed(_ values: [HostValue], _ layout: Layout) -> [CaseValue]? {
        var position = 0
        var changes = false
        func place(_ x: HostTensor) -> Placed {
            defer { position += 1 }
            guard let placed = Placed(x, layout, position: position) else { return Placed(x) }
            changes = true
            return placed
        }
        let arguments = values.map { value -> CaseValue in
            switch value {
            case .plain(let x): .plain(x)
            case .tensor(let x): .tensor(place(x))
            case .tensors(let list): .tensors(list.map(place))
            case .optionalTensors(let list): .optionalTensors(list.map { $0.map(place) })
            case .device: .device
            }
        }
        return changes ? arguments : nil
    }

    /// The sample as it is, and in every layout that makes a difference to it.
    private static func layouts(of values: [HostValue]) -> [(Layout, [CaseValue])] {
        let tensors = values.flatMap(\.tensors)
        let special: Layout? =
            tensors.contains { $0.count == 0 } ? .zeroSize : tensors.first?.shape.isEmpty == true ? .zeroDim : nil
        var result = [(special ?? .contiguous, values.map(\.placed))]
        if special == .zeroSize { return result }
        // What is there for its size is not copied about.
        if tensors.contains(where: { $0.count > 1 << 20 }) { return result }
        for layout in Layout.allCases where layout.isMoved {
            if let arguments = placed(values, layout) { result.append((layout, arguments)) }
        }
        return result
    }
}

/// An argument of a sample, on the host.
enum HostValue {
    case plain(Value)
    case tensor(HostTensor)
    case tensors([HostTensor])
    case optionalTensors([HostTensor?])
    /// The device that is tested.
    case device

    init(_ value: Value) throws {
        switch value {
        case .tensor(let x): self = .tensor(try HostTensor(x))
        case .tensors(let list): self = .tensors(try list.map { try HostTensor($0) })
        case .optionalTensors(let list):
            self = .optionalTensors(try list.map { x in try x.map { try HostTensor($0) } })
        case .device: self = .device
        default: self = .plain(value)
        }
    }

    var tensors: [HostTensor] {
        switch self {
        case .plain, .device: []
        case .tensor(let x): [x]
        case .tensors(let list): list
        case .optionalTensors(let list): list.compactMap(\.self)
        }
    }
}

extension HostValue {
    /// The argument with other tensors.
    func mapped(_ change: (HostTensor) -> HostTensor) -> HostValue {
        switch self {
        case .plain, .device: self
        case .tensor(let x): .tensor(change(x))
        case .tensors(let list): .tensors(list.map(change))
        case .optionalTensors(let list): .optionalTensors(list.map { $0.map(change) })
        }
    }

    /// Row-major on some device.
    var placed: CaseValue {
        switch self {
        case .plain(let x): .plain(x)
        case .tensor(let x): .tensor(Placed(x))
        case .tensors(let list): .tensors(list.map { Placed($0) })
        case .optionalTensors(let list): .optionalTensors(list.map { $0.map { Placed($0) } })
        case .device: .device
        }
    }
}

extension String {
    /// FNV-1a: the same in every process.
    package var stableHash: UInt64 {
        utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
