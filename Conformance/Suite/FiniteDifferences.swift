import Cresset

/// Gradients against central differences in float64, on the reference device.
package struct FiniteDifferences {
    /// As PyTorch's gradcheck: step, and |gradient - difference| <= atol + rtol·|difference|.
    private static let step = 1e-6
    private static let atol = 1e-5
    private static let rtol = 1e-3
    /// Elements of an argument that are tried.
    private static let limit = 16

    private let selection: Selection

    package init(_ selection: Selection) { self.selection = selection }

    package func run(_ report: inout Report) {
        for op in Operators.all
        where op.isDifferentiable && op.dtypes.contains(.float64) && selection.matches(op.name) {
            var maker = SampleMaker(dtype: .float64, seed: selection.seed &+ op.name.stableHash)
            guard let samples = try? catching({ op.samples(&maker) }) else { continue }
            for (i, sample) in samples.enumerated() where sample.checksGradient {
                let id = "\(op.name)/float64/\(i)/finite-differences"
                guard (selection.id ?? id) == id else { continue }
                do {
                    guard let verdict = try check(op, sample.values, &maker) else { continue }
                    report.add(verdict, id: id, op: op.name, dtype: .float64)
                } catch {
                    report.add(.failed(error.told), id: id, op: op.name, dtype: .float64)
                }
            }
        }
    }

    /// nil where there is nothing to differentiate in float64.
    private func check(_ op: Operator, _ values: [Value], _ maker: inout SampleMaker) throws -> Verdict? {
        let arguments = try values.map { value -> CaseValue in
            switch value {
            case .tensor(let x): .tensor(Placed(try HostTensor(x)))
            case .tensors(let list): .tensors(try list.map { Placed(try HostTensor($0)) })
            default: .plain(value)
            }
        }
        let placed = try PlacedArguments(arguments, on: .reference)
        let inputs = placed.differentiable
        let (weights, gradients) = try catching { () -> ([HostTensor], [HostTensor]) in
            for input in inputs { input.requiresGrad_() }
            let outputs = try op.call(placed.values).flatMap { try $0.tensors(of: op.name) }
            let tracked = op.differentiable(outputs)
            // Differences of a result that is rounded to less are noise.
            guard !tracked.isEmpty, tracked.allSatisfy({ $0.element.dtype == .float64 }) else { return ([], []) }
            let weights = try tracked.map { try HostTensor(maker.tensor($0.element.shape, 0.5, 1.5)) }
            let seeds = try zip(weights, tracked).map { weight, output in
                FactorJudgement.seed(op.judgement, output.offset, try weight.tensor(on: .reference), output.element)
            }
            let found = try grad(tracked.map(\.element), inputs, gradOutputs: seeds, allowUnused: true)
            return (weights, try zip(found, inputs).map { try HostTensor(($0 ?? Tensor.zerosLike($1)).detach()) })
        }
        if weights.isEmpty { return nil }
        return try compare(op, arguments, placed, weights, gradients, &maker)
    }

    private func compare(
        _ op: Operator, _ arguments: [CaseValue], _ placed: PlacedArguments, _ weights: [HostTensor],
        _ gradients: [HostTensor], _ maker: inout SampleMaker
    ) throws -> Verdict {
        let floats = placed.tensors.indices.filter { placed.tensors[$0].view.dtype.isFloatingPoint }
        for (k, argument) in floats.enumerated() {
            let original = placed.tensors[argument].original
            var elements = Array(0..<original.count)
            let name = placed.values.count == arguments.count ? op.name(of: argument, in: arguments) : nil
            if let name, op.judgement?.triangular.contains(name) == true {
                elements = elements.filter { original.double($0) != 0 }
            }
            let isHermitian = name.map { op.judgement?.hermitian.contains($0) == true } ?? false
            while elements.count > Self.limit { elements.remove(at: maker.int(0..<elements.count)) }
            for i in elements {
                // One triangle of a hermitian matrix stands for both.
                let mirrored = isHermitian ? original.mirrored(i) : i
                let moving = mirrored == i ? [i] : [i, mirrored]
                func loss(_ delta: Double) throws -> Double {
                    try self.loss(op, arguments, moving: argument, elements: moving, by: delta, weights)
                }
                let difference = (try loss(Self.step) - loss(-Self.step)) / (2 * Self.step)
                let gradient = moving.reduce(0) { $0 + gradients[k].double($1) }
                if (gradient - difference).magnitude <= Self.atol + Self.rtol * difference.magnitude { continue }
                return .failed(
                    "the gradient of argument \(argument) at \(original.index(of: i)) is \(gradient), differences give "
                        + "\(difference)")
            }
        }
        return .passed
    }

    /// Σ weight·result with one element moved.
    private func loss(
        _ op: Operator, _ arguments: [CaseValue], moving argument: Int, elements: [Int], by delta: Double,
        _ weights: [HostTensor]
    ) throws -> Double {
        var position = 0
        func moved(_ x: Placed) -> Placed {
            defer { position += 1 }
            guard position == argument else { return x }
            var values = x.base
            for element in elements {
                let changed = values.double(element) + delta
                withUnsafeBytes(of: changed) { values.bytes.replaceSubrange(element * 8..<element * 8 + 8, with: $0) }
            }
            return Placed(values)
        }
        let changed = arguments.map { value -> CaseValue in
            switch value {
            case .plain: value
            case .tensor(let x): .tensor(moved(x))
            case .tensors(let list): .tensors(list.map(moved))
            }
        }
        let placed = try PlacedArguments(changed, on: .reference)
        let outputs = try catching { try op.call(placed.values).flatMap { try $0.tensors(of: op.name) } }
        var sum = 0.0
        for ((i, output), weight) in zip(op.differentiable(outputs), weights) {
            // (The loss that `FactorJudgement.seed` is the gradient of.)
            let isFree = op.judgement?.freedom[i] != nil
            for (x, w) in zip(try HostTensor(output).doubles, weight.doubles) {
                sum += isFree ? 0.5 * w * x * x : x * w
            }
        }
        return sum
    }
}

extension HostTensor {
    /// The place of the element that a transposition brings to place `i` of a batch of square matrices.
    fileprivate func mirrored(_ i: Int) -> Int {
        let n = shape.last ?? 1
        let (matrix, place) = (i / (n * n), i % (n * n))
        return matrix * n * n + place % n * n + place / n
    }
}

extension Operator {
    /// The name of the argument that holds tensor `i` of a call.
    fileprivate func name(of i: Int, in arguments: [CaseValue]) -> String? {
        var count = 0
        for (k, argument) in arguments.enumerated() {
            count += argument.placed.count
            if i < count { return k < schema.arguments.count ? schema.arguments[k].name : nil }
        }
        return nil
    }
}
