import Cresset

/// The steps by which a case is made smaller.
///
/// They come in an order that depends on nothing but the case and on which of them were taken, so that
/// the numbers of those are a name for what they led to.
package struct Reduction {
    /// The arguments of a case, apart from how they lie in memory.
    struct State {
        var values: [HostValue]
        var layout: Layout
    }

    let original: Case

    package init(_ original: Case) { self.original = original }

    /// Tries one step after the other, from the case as it is.
    ///
    /// - Parameter takes: whether the step of this number, which leads to this case, is taken; nil to stop.
    package func walk(_ takes: (_ step: Int, Case) -> Bool?) {
        guard var state = State(original) else { return }
        var step = 0
        var changes = true
        while changes {
            changes = false
            for candidates in [Self.layouts, Self.lists, Self.sizes, Self.dims, Self.numbers, Self.elements] {
                var k = 0
                while true {
                    let next = candidates(state)
                    guard k < next.count else { break }
                    guard let candidate = next[k](), let smaller = original.with(candidate, step) else {
                        k += 1
                        continue
                    }
                    guard let isTaken = takes(step, smaller) else { return }
                    step += 1
                    if isTaken {
                        state = candidate
                        changes = true
                    } else {
                        k += 1
                    }
                }
            }
        }
    }

    /// What these steps lead to.
    package func apply(_ steps: [Int]) -> Case {
        var result = original
        walk { step, smaller in
            guard let last = steps.last, step <= last else { return nil }
            guard steps.contains(step) else { return false }
            result = smaller.reduced(by: result.reduction + [step])
            return true
        }
        return result
    }

    // MARK: Steps

    /// States that are worked out where they are wanted; nil for one that cannot be.
    private typealias Candidates = [() -> State?]

    /// All row-major.
    private static func layouts(_ state: State) -> Candidates {
        if [.contiguous, .special, .extreme, .zeroSize, .zeroDim].contains(state.layout) { return [] }
        return [{ State(values: state.values, layout: .contiguous) }]
    }

    /// Lists of tensors without one of them.
    private static func lists(_ state: State) -> Candidates {
        state.values.indices.flatMap { i -> Candidates in
            guard case .tensors(let list) = state.values[i], list.count > 1 else { return [] }
            return list.indices.map { j in
                {
                    var shorter = list
                    shorter.remove(at: j)
                    return state.replacing(i, .tensors(shorter))
                }
            }
        }
    }

    /// Every dim of one size made smaller together, then single dims.
    private static func sizes(_ state: State) -> Candidates {
        let shapes = state.values.flatMap(\.tensors).map(\.shape)
        let distinct = Set(shapes.flatMap { Array($0) }).filter { $0 > 1 }.sorted(by: >)
        var steps: Candidates = []
        for size in distinct {
            for smaller in smaller(than: size) {
                for atEnd in [false, true] {
                    for withNumbers in state.hasNumber(size) ? [false, true] : [false] {
                        steps.append {
                            state.mappingTensors { _, x in
                                x.shape.indices.filter { x.shape[$0] == size }.reduce(x) {
                                    $0.keeping(smaller, along: $1, atEnd: atEnd)
                                }
                            }.mappingInts { withNumbers && $0 == size ? smaller : $0 }
                        }
                    }
                }
            }
        }
        for (i, shape) in shapes.enumerated() {
            for d in shape.indices where shape[d] > 1 {
                for smaller in smaller(than: shape[d]) {
                    steps.append {
                        state.mappingTensors { $0 == i ? $1.keeping(smaller, along: d, atEnd: false) : $1 }
                    }
                }
            }
        }
        return steps
    }

    private static func smaller(than size: Int) -> [Int] {
        var sizes = [1]
        if size > 3 { sizes.append((size + 1) / 2) }
        if size > 2 { sizes.append(size - 1) }
        return sizes
    }

    /// Without dims of size 1: the first or the last of all tensors, then of single ones.
    private static func dims(_ state: State) -> Candidates {
        let shapes = state.values.flatMap(\.tensors).map(\.shape)
        let rank = shapes.map(\.count).max() ?? 0
        guard rank > 0 else { return [] }
        var steps: Candidates = []
        for atEnd in [false, true] {
            func isLoose(_ shape: Shape) -> Bool { (atEnd ? shape.last : shape.first) == 1 }
            steps.append {
                guard shapes.allSatisfy({ $0.count < rank || isLoose($0) }) else { return nil }
                return state.mappingTensors { $1.shape.count == rank ? $1.dropping(dimAtEnd: atEnd) : $1 }
            }
            for i in shapes.indices where isLoose(shapes[i]) {
                steps.append { state.mappingTensors { $0 == i ? $1.dropping(dimAtEnd: atEnd) : $1 } }
            }
        }
        return steps
    }

    /// Numbers among the arguments that are 1.
    private static func numbers(_ state: State) -> Candidates {
        state.values.indices.flatMap { i -> Candidates in
            switch state.values[i] {
            case .plain(.scalar(.double(let x))) where x != 1 && x != 0:
                return [{ state.replacing(i, .plain(.scalar(.double(1)))) }]
            case .plain(.scalar(.int(let x))) where x > 1:
                return [{ state.replacing(i, .plain(.scalar(.int(1)))) }]
            case .plain(.ints(let list)):
                return list.indices.filter { list[$0] > 1 }.map { j in
                    {
                        var simpler = list
                        simpler[j] = 1
                        return state.replacing(i, .plain(.ints(simpler)))
                    }
                }
            default: return []
            }
        }
    }

    /// Elements that are 1, all of a tensor, then of few each.
    private static func elements(_ state: State) -> Candidates {
        let tensors = state.values.flatMap(\.tensors)
        var steps: Candidates = []
        for (i, x) in tensors.enumerated() {
            let (one, places) = (x.dtype.bytesOfOne, 0..<x.count)
            guard let one else { continue }
            let other = places.filter { Array(x.element($0)) != one }
            if other.isEmpty { continue }
            steps.append { state.mappingTensors { $0 == i ? $1.setting(Array(places), to: one) : $1 } }
            if x.count > 1 && x.count <= MinimisedCase.shownElements {
                steps += other.map { place in
                    { state.mappingTensors { $0 == i ? $1.setting([place], to: one) : $1 } }
                }
            }
        }
        return steps
    }
}

// MARK: - States

extension Reduction.State {
    /// What a case's operation sees; nil where that cannot be told.
    fileprivate init?(_ item: Case) {
        func seen(_ x: Placed) -> HostTensor? {
            guard let view = try? x.place(on: .reference).view else { return nil }
            return try? HostTensor(view)
        }
        var values: [HostValue] = []
        // Tensors that share memory hold the same values where each has memory of its own.
        for argument in item.arguments {
            switch argument {
            case .plain(let x): values.append(.plain(x))
            case .tensor(let x):
                guard let x = seen(x) else { return nil }
                values.append(.tensor(x))
            case .tensors(let list):
                let found = list.compactMap(seen)
                guard found.count == list.count else { return nil }
                values.append(.tensors(found))
            case .optionalTensors(let list):
                let found = list.map { x in x.map(seen) }
                if found.contains(where: { $0 == .some(nil) }) { return nil }
                values.append(.optionalTensors(found.map { $0 ?? nil }))
            case .device: values.append(.device)
            }
        }
        self.init(values: values, layout: item.cell.layout)
    }

    fileprivate func replacing(_ i: Int, _ value: HostValue) -> Self {
        var state = self
        state.values[i] = value
        return state
    }

    /// Tensors are numbered through all arguments.
    fileprivate func mappingTensors(_ change: (Int, HostTensor) -> HostTensor) -> Self {
        var (state, position) = (self, -1)
        func next(_ x: HostTensor) -> HostTensor {
            position += 1
            return change(position, x)
        }
        state.values = values.map { value in
            switch value {
            case .plain, .device: value
            case .tensor(let x): .tensor(next(x))
            case .tensors(let list): .tensors(list.map(next))
            case .optionalTensors(let list): .optionalTensors(list.map { $0.map(next) })
            }
        }
        return state
    }

    fileprivate func mappingInts(_ change: (Int) -> Int) -> Self {
        var state = self
        state.values = values.map { value in
            if case .plain(.ints(let list)) = value { .plain(.ints(list.map(change))) } else { value }
        }
        return state
    }

    fileprivate func hasNumber(_ size: Int) -> Bool {
        values.contains { if case .plain(.ints(let list)) = $0 { list.contains(size) } else { false } }
    }
}

extension Case {
    /// The same call with other arguments; nil where they cannot lie so.
    fileprivate func with(_ state: Reduction.State, _ step: Int) -> Case? {
        let placed =
            state.layout == .aliased
            ? CaseGroup.aliased(state.values, declaration, keeping: keeping)
            : CaseGroup.placed(state.values, state.layout)
        guard let placed else { return nil }
        return Case(
            cell: cell, declaration: declaration, sample: sample, arguments: placed, seed: seed,
            keeping: keeping, reduction: reduction + [step])
    }

    func reduced(by steps: [Int]) -> Case {
        Case(
            cell: cell, declaration: declaration, sample: sample, arguments: arguments, seed: seed,
            keeping: keeping, reduction: steps)
    }
}

// MARK: - Tensors

extension HostTensor {
    /// The first or last elements of a dim.
    fileprivate func keeping(_ count: Int, along dim: Int, atEnd: Bool) -> HostTensor {
        let outer = shape.prefix(dim).reduce(1, *)
        let row = shape.suffix(from: dim + 1).reduce(dtype.size, *)
        let first = atEnd ? (shape[dim] - count) * row : 0
        var smaller = shape
        smaller[dim] = count
        var kept: [UInt8] = []
        for o in 0..<outer {
            let start = o * shape[dim] * row + first
            kept += bytes[start..<(start + count * row)]
        }
        return HostTensor(dtype: dtype, shape: smaller, bytes: kept)
    }

    fileprivate func dropping(dimAtEnd atEnd: Bool) -> HostTensor {
        HostTensor(dtype: dtype, shape: Shape(atEnd ? Array(shape.dropLast()) : Array(shape.dropFirst())), bytes: bytes)
    }

    fileprivate func element(_ i: Int) -> ArraySlice<UInt8> { bytes[(i * dtype.size)..<((i + 1) * dtype.size)] }

    fileprivate func setting(_ places: [Int], to element: [UInt8]) -> HostTensor {
        var other = self
        for i in places { other.bytes.replaceSubrange((i * dtype.size)..<((i + 1) * dtype.size), with: element) }
        return other
    }
}
