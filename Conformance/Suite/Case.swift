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
}

/// One call, with everything that makes it the same on every device.
package struct Case: Sendable {
    package let cell: Cell
    let declaration: Operator
    /// Which of the declaration's samples it is.
    let sample: Int
    let arguments: [CaseValue]
    /// For the gradients handed to backward.
    let seed: UInt64

    /// "aten::add.Tensor/float32/2/sliced/gradient"
    package var id: String {
        "\(cell.op)/\(cell.dtype)/\(sample)/\(cell.layout.rawValue)/\(cell.direction.rawValue)"
    }
}

/// What is to be run.
package struct Selection: Sendable {
    /// True for the operations that are wanted.
    package var matches: @Sendable (String) -> Bool
    package var dtype: DType?
    package var id: String?
    package var seed: UInt64
    /// False where only a part was asked for: then nothing can be said of what was not run.
    package var isWhole: Bool

    package init(
        op: (@Sendable (String) -> Bool)? = nil, dtype: DType? = nil, id: String? = nil, seed: UInt64 = 0
    ) {
        matches = op ?? { _ in true }
        self.dtype = dtype
        self.id = id
        self.seed = seed
        isWhole = op == nil && dtype == nil && id == nil
    }

    func contains(_ id: String, op: String, dtype: DType) -> Bool {
        matches(op) && (self.dtype ?? dtype) == dtype && (self.id ?? id) == id
    }
}

/// The cases of one operation for one dtype, in order.
package struct CaseGroup {
    package let cases: [Case]
    /// Samples that the declaration could not make.
    var failure: CressetError?

    /// Samples are laid out in other ways at most this often.
    private static let layoutLimit = 3

    package init(_ op: Operator, _ dtype: DType, _ selection: Selection) {
        var maker = SampleMaker(dtype: dtype, seed: selection.seed &+ op.name.stableHash)
        let samples: [Sample]
        do {
            samples = try catching { op.samples(&maker) }
        } catch {
            cases = []
            failure = error as? CressetError ?? CressetError(.internal, op: op.name, "\(error)")
            return
        }
        var made: [Case] = []
        var used: [Layout: Int] = [:]
        for (i, sample) in samples.enumerated() {
            guard let hosted = try? sample.values.map(HostValue.init) else { continue }
            for (layout, arguments) in Self.layouts(of: hosted) + Self.variants(of: hosted, op, &maker, &used) {
                // (Repeated rows or extremes would make another matrix: a singular one, for which nothing is declared.)
                if op.judgement != nil && ![.contiguous, .transposed, .sliced, .zeroSize, .zeroDim].contains(layout) {
                    continue
                }
                if [.transposed, .sliced, .expanded, .overlapping].contains(layout) {
                    if used[layout, default: 0] == Self.layoutLimit { continue }
                    used[layout, default: 0] += 1
                }
                for direction in Direction.allCases {
                    if direction == .gradient {
                        guard !layout.isVariant else { continue }
                        guard op.isDifferentiable && dtype.hasGradient else { continue }
                    }
                    let cell = Cell(op: op.name, dtype: dtype, layout: layout, direction: direction)
                    let new = Case(
                        cell: cell, declaration: op, sample: i, arguments: arguments,
                        seed: selection.seed &+ UInt64(i))
                    if selection.contains(new.id, op: op.name, dtype: dtype) { made.append(new) }
                }
            }
        }
        cases = made
    }

    /// The sample as it is, and in every layout that makes a difference to it.
    private static func layouts(of values: [HostValue]) -> [(Layout, [CaseValue])] {
        let tensors = values.flatMap(\.tensors)
        func placed(_ layout: Layout) -> [CaseValue]? {
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
                }
            }
            return changes || tensors.isEmpty ? arguments : nil
        }
        let special: Layout? =
            tensors.contains { $0.count == 0 } ? .zeroSize : tensors.contains { $0.shape.isEmpty } ? .zeroDim : nil
        if special == .zeroSize { return [(.zeroSize, placed(.zeroSize) ?? [])] }
        var result: [(Layout, [CaseValue])] = [(special ?? .contiguous, placed(.contiguous) ?? [])]
        for layout in [Layout.transposed, .sliced, .expanded, .overlapping] {
            if let arguments = placed(layout) { result.append((layout, arguments)) }
        }
        return result
    }
}

/// An argument of a sample, on the host.
enum HostValue {
    case plain(Value)
    case tensor(HostTensor)
    case tensors([HostTensor])

    init(_ value: Value) throws {
        switch value {
        case .tensor(let x): self = .tensor(try HostTensor(x))
        case .tensors(let list): self = .tensors(try list.map { try HostTensor($0) })
        default: self = .plain(value)
        }
    }

    var tensors: [HostTensor] {
        switch self {
        case .plain: []
        case .tensor(let x): [x]
        case .tensors(let list): list
        }
    }
}

extension String {
    /// FNV-1a: the same in every process.
    var stableHash: UInt64 {
        utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
