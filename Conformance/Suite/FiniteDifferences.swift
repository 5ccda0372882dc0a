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
            let tracked = outputs.filter(\.dtype.hasGradient)
            // Differences of a result that is rounded to less are noise.
            guard !tracked.isEmpty, tracked.allSatisfy({ $0.dtype.toReal == .float64 }) else { return ([], []) }
            let weights = try tracked.map { try HostTensor(maker.tensor($0.shape, 0.5, 1.5, dtype: $0.dtype)) }
            let seeds = try weights.map { try $0.tensor(on: .reference) }
            let found = try grad(tracked, inputs, gradOutputs: seeds, allowUnused: true)
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
            while elements.count > Self.limit { elements.remove(at: maker.int(0..<elements.count)) }
            for i in elements {
                func loss(_ delta: Double) throws -> Double {
                    try self.loss(op, arguments, moving: argument, element: i, by: delta, weights)
                }
                let difference = (try loss(Self.step) - loss(-Self.step)) / (2 * Self.step)
                let gradient = gradients[k].parts.double(i)
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
        _ op: Operator, _ arguments: [CaseValue], moving argument: Int, element: Int, by delta: Double,
        _ weights: [HostTensor]
    ) throws -> Double {
        var position = 0
        func moved(_ x: Placed) -> Placed {
            defer { position += 1 }
            guard position == argument else { return x }
            var values = x.base
            let changed = values.parts.double(element) + delta
            withUnsafeBytes(of: changed) { values.bytes.replaceSubrange(element * 8..<element * 8 + 8, with: $0) }
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
        for (output, weight) in zip(outputs.filter(\.dtype.hasGradient), weights) {
            for (x, w) in zip(try HostTensor(output).parts.doubles, weight.parts.doubles) { sum += x * w }
        }
        return sum
    }
}
