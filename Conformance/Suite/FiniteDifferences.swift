import Cresset

/// Gradients against central differences in float64 and complex128, on the reference device.
///
/// A complex number is two real ones: each part is moved, and both parts of a result count in the loss.
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
        for op in Operators.all where op.isDifferentiable && selection.matches(op.name) {
            for dtype in [DType.float64, .complex128] where op.dtypes.contains(dtype) {
                run(op, dtype, &report)
            }
        }
    }

    private func run(_ op: Operator, _ dtype: DType, _ report: inout Report) {
        var maker = SampleMaker(dtype: dtype, seed: selection.seed &+ op.name.stableHash)
        guard let samples = try? catching({ op.samples(&maker) }) else { return }
        for (i, sample) in samples.enumerated() where sample.checksGradient {
            let id = "\(op.name)/\(dtype)/\(i)/finite-differences"
            guard (selection.id ?? id) == id else { continue }
            do {
                guard let verdict = try check(op, sample.values, &maker) else { continue }
                report.add(verdict, id: id, op: op.name, dtype: dtype)
            } catch {
                report.add(.failed(error.told), id: id, op: op.name, dtype: dtype)
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
            guard !tracked.isEmpty, tracked.allSatisfy({ $0.element.dtype.toReal == .float64 }) else { return ([], []) }
            let weights = try tracked.map { try HostTensor(maker.tensor($0.element.shape, 0.5, 1.5, dtype: $0.element.dtype)) }
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
        let floats = placed.tensors.indices.filter { placed.tensors[$0].view.dtype.hasGradient }
        for (k, argument) in floats.enumerated() {
            let original = placed.tensors[argument].original
            let parts = original.parts
            var elements = Array(0..<parts.count)
            let name = placed.values.count == arguments.count ? op.name(of: argument, in: arguments) : nil
            if let name, op.judgement?.triangular.contains(name) == true {
                elements = elements.filter { parts.double($0) != 0 }
            }
            let isHermitian = name.map { op.judgement?.hermitian.contains($0) == true } ?? false
            while elements.count > Self.limit { elements.remove(at: maker.int(0..<elements.count)) }
            for i in elements {
                // One triangle of a hermitian matrix stands for both.
                let moving = isHermitian ? original.hermitian(i) : [(place: i, sign: 1)]
                func loss(_ delta: Double) throws -> Double {
                    try self.loss(op, arguments, moving: argument, elements: moving, by: delta, weights)
                }
                let difference = (try loss(Self.step) - loss(-Self.step)) / (2 * Self.step)
                let gradient = moving.reduce(0) { $0 + $1.sign * gradients[k].parts.double($1.place) }
                if (gradient - difference).magnitude <= Self.atol + Self.rtol * difference.magnitude { continue }
                return .failed(
                    "the gradient of argument \(argument) at \(parts.index(of: i)) is \(gradient), differences give "
                        + "\(difference)")
            }
        }
        return .passed
    }

    /// Σ weight·result with one element moved.
    private func loss(
        _ op: Operator, _ arguments: [CaseValue], moving argument: Int, elements: [(place: Int, sign: Double)], by delta: Double,
        _ weights: [HostTensor]
    ) throws -> Double {
        var position = 0
        func moved(_ x: Placed) -> Placed {
            defer { position += 1 }
            guard position == argument else { return x }
            var values = x.base
            for (place, sign) in elements {
                let changed = values.parts.double(place) + sign * delta
                withUnsafeBytes(of: changed) { values.bytes.replaceSubrange(place * 8..<place * 8 + 8, with: $0) }
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
            let isComplex = output.dtype.isComplex
            let (x, w) = (try HostTensor(output).parts.doubles, weight.parts.doubles)
            for i in x.indices { sum += isFree ? 0.5 * w[isComplex ? i & ~1 : i] * x[i] * x[i] : x[i] * w[i] }
        }
        return sum
    }
}

extension HostTensor {
    /// What moves with part `i` of a batch of hermitian matrices: the element opposite, by its conjugate.
    fileprivate func hermitian(_ i: Int) -> [(place: Int, sign: Double)] {
        let (n, width) = (shape.last ?? 1, dtype.isComplex ? 2 : 1)
        let (element, part) = (i / width, i % width)
        let (matrix, place) = (element / (n * n), element % (n * n))
        let opposite = width * (matrix * n * n + place % n * n + place / n) + part
        if opposite == i && part == 0 { return [(i, 1)] }
        return [(i, 1), (opposite, part == 0 ? 1 : -1)]
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
