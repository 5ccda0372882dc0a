import Cresset

/// Gradients against central differences in float64, computed by the device itself.
package struct FiniteDifferences {
    /// Which derivatives are compared.
    package enum Order: String, CaseIterable, Sendable {
        case first = "finite-differences"
        /// The gradients of gradients, by the arguments and by what is handed to backward.
        case second = "second-differences"
    }

    /// As PyTorch's gradcheck: step, and |gradient - difference| <= atol + rtol·|difference|.
    private static let step = 1e-6
    private static let atol = 1e-5
    private static let rtol = 1e-3
    /// Elements of a variable that are tried.
    private static let limit = 16

    private let selection: Selection
    private let device: Device
    private let orders: [Order]

    package init(_ selection: Selection, on device: Device = .reference, orders: [Order] = [.first]) {
        self.selection = selection
        self.device = device
        self.orders = orders
    }

    /// One sample and the derivatives that are looked at.
    struct Item {
        var id: String
        var order: Order
        fileprivate var call: VariableCall
        fileprivate var seed: UInt64
    }

    /// What there is to compare.
    func items() -> [Item] {
        var items: [Item] = []
        for op in Operators.all
        where op.isDifferentiable && op.dtypes.contains(.float64) && selection.matches(op.name) {
            let seed = selection.seed &+ op.name.stableHash
            var maker = SampleMaker(dtype: .float64, seed: seed)
            guard let samples = try? catching({ op.samples(&maker) }) else { continue }
            for (i, sample) in samples.enumerated() where sample.checksGradient {
                for order in orders {
                    let id = "\(op.name)/float64/\(i)/\(order.rawValue)"
                    guard (selection.id ?? id) == id,
                        let call = try? VariableCall(op, sample.values, on: device), !call.variables.isEmpty
                    else { continue }
                    items.append(Item(id: id, order: order, call: call, seed: seed &+ UInt64(i)))
                }
            }
        }
        return items
    }

    package func run(_ report: inout Report) {
        for item in items() {
            guard let verdict = verdict(on: item) else { continue }
            report.add(verdict, id: item.id, op: item.call.op.name, dtype: .float64)
        }
    }

    /// The same as a part of a run whose first `before` steps were others.
    func run(_ report: inout Report, after before: Int, _ context: RunContext) {
        let items = items()
        let total = before + items.count
        context.events?(.preparing(total: total))
        for (i, item) in items.enumerated() where before + i >= context.resumption.done {
            let command =
                "cresset conformance \(context.spelling ?? "--device \(device)") --mode grad --op "
                + "'^\(item.call.op.name.escapedPattern)$' --seed \(selection.seed) --case \(item.id)"
            let name = item.call.op.name
            context.events?(
                .starting(
                    index: before + i,
                    RunEvent.Entry(id: item.id, op: name, dtype: .float64, command: command)))
            if let verdict = verdict(on: item) {
                report.add(
                    verdict, id: item.id, op: name, dtype: .float64, command: verdict == .passed ? nil : command)
            }
            context.progress(before + i + 1, total)
            if context.stopsAtFirstFailure && report.failed > 0 { return }
        }
    }

    /// nil where there is nothing to differentiate in float64.
    private func verdict(on item: Item) -> Verdict? {
        do {
            return try check(item)
        } catch {
            return .failed(error.told)
        }
    }

    private func check(_ item: Item) throws -> Verdict? {
        let call = item.call
        var maker = SampleMaker(dtype: .float64, seed: item.seed)
        // Weights of the results, and of the gradients where those are differentiated once more.
        guard let shapes = try call.resultShapes() else { return nil }
        let weights = try shapes.map { try HostTensor(maker.tensor($0, 0.5, 1.5)) }
        var variables = call.variables
        let value: ([HostTensor]) throws -> Double
        let gradients: [HostTensor]
        switch item.order {
        case .first:
            value = { try call.weightedSum($0, weights) }
            gradients = try call.gradients(variables, weights)
        case .second:
            let others = try variables.map { try HostTensor(maker.tensor($0.shape, 0.5, 1.5)) }
            variables += weights
            value = { try call.weightedGradient($0, others) }
            gradients = try call.secondGradients(variables, others)
        }
        for (k, variable) in variables.enumerated() {
            var elements = Array(0..<variable.count)
            while elements.count > Self.limit { elements.remove(at: maker.int(0..<elements.count)) }
            for i in elements {
                func moved(_ delta: Double) throws -> Double {
                    var changed = variables
                    changed[k].add(delta, at: i)
                    return try value(changed)
                }
                let difference = (try moved(Self.step) - moved(-Self.step)) / (2 * Self.step)
                let gradient = gradients[k].double(i)
                if (gradient - difference).magnitude <= Self.atol + Self.rtol * difference.magnitude { continue }
                let what = k < call.variables.count ? "argument \(k)" : "the gradient of result \(k - call.variables.count)"
                return .failed(
                    "the \(item.order == .first ? "gradient" : "second gradient") by \(what) at "
                        + "\(variable.index(of: i)) is \(gradient), differences give \(difference)")
            }
        }
        return .passed
    }
}

/// A call on a device as a function of its float64 arguments.
private struct VariableCall {
    let op: Operator
    let variables: [HostTensor]
    private let arguments: [HostValue]
    private let device: Device

    init(_ op: Operator, _ values: [Value], on device: Device) throws {
        self.op = op
        self.device = device
        arguments = try values.map(HostValue.init)
        variables = arguments.flatMap(\.tensors).filter { $0.dtype == .float64 }
    }

    /// The arguments with other values of the variables, and the tensors of those.
    private func placed(_ variables: [HostTensor]) throws -> (values: [Value], inputs: [Tensor]) {
        var inputs: [Tensor] = []
        func place(_ x: HostTensor) throws -> Tensor {
            guard x.dtype == .float64 else { return try x.tensor(on: device) }
            let tensor = try variables[inputs.count].tensor(on: device)
            inputs.append(tensor)
            return tensor
        }
        let values = try arguments.map { argument -> Value in
            switch argument {
            case .plain(let x): x
            case .tensor(let x): .tensor(try place(x))
            case .tensors(let list): .tensors(try list.map(place))
            }
        }
        return (values, inputs)
    }

    private func results(_ values: [Value]) throws -> [Tensor] {
        try op.call(values).flatMap { try $0.tensors(of: op.name) }.filter(\.dtype.isFloatingPoint)
    }

    /// nil where a result is rounded to less than float64, as differences of it are noise.
    func resultShapes() throws -> [Shape]? {
        let found = try catching { try results(placed(variables).values) }
        guard !found.isEmpty, found.allSatisfy({ $0.dtype == .float64 }) else { return nil }
        return found.map(\.shape)
    }

    /// Σ weight·result.
    func weightedSum(_ variables: [HostTensor], _ weights: [HostTensor]) throws -> Double {
        let found = try catching { try results(placed(variables).values) }
        return try Self.sum(found, weights)
    }

    /// The gradients of that.
    func gradients(_ variables: [HostTensor], _ weights: [HostTensor]) throws -> [HostTensor] {
        try Self.hosted(try catching { try gradients(of: placed(variables), weights, createGraph: false).found })
    }

    /// Σ other·gradient, of the variables and then the weights of the results.
    func weightedGradient(_ variables: [HostTensor], _ others: [HostTensor]) throws -> Double {
        let weights = Array(variables[self.variables.count...])
        let found = try catching { try gradients(of: placed(variables), weights, createGraph: false).found }
        return try Self.sum(found.map { $0.detach() }, others)
    }

    /// The gradients of that by both.
    func secondGradients(_ variables: [HostTensor], _ others: [HostTensor]) throws -> [HostTensor] {
        let weights = Array(variables[self.variables.count...])
        let found = try catching { () -> [Tensor] in
            let arguments = try placed(variables)
            let (first, seeds) = try gradients(of: arguments, weights, createGraph: true)
            let places = arguments.inputs + seeds
            // What no gradient flows to is constant.
            let flowing = first.indices.filter { first[$0].requiresGrad }
            if flowing.isEmpty { return places.map { Tensor.zerosLike($0) } }
            let second = try grad(
                flowing.map { first[$0] }, places, gradOutputs: flowing.map { try others[$0].tensor(on: device) },
                allowUnused: true)
            return zip(second, places).map { $0 ?? Tensor.zerosLike($1) }
        }
        return try Self.hosted(found)
    }

    private func gradients(
        of arguments: (values: [Value], inputs: [Tensor]), _ weights: [HostTensor], createGraph: Bool
    ) throws -> (found: [Tensor], seeds: [Tensor]) {
        for input in arguments.inputs { input.requiresGrad_() }
        let seeds = try weights.map { try $0.tensor(on: device) }
        if createGraph { for seed in seeds { seed.requiresGrad_() } }
        let found = try grad(
            results(arguments.values), arguments.inputs, gradOutputs: seeds, createGraph: createGraph,
            allowUnused: true)
        return (zip(found, arguments.inputs).map { $0 ?? Tensor.zerosLike($1) }, seeds)
    }

    private static func hosted(_ tensors: [Tensor]) throws -> [HostTensor] {
        try tensors.map { try HostTensor($0.detach().contiguous()) }
    }

    private static func sum(_ tensors: [Tensor], _ weights: [HostTensor]) throws -> Double {
        var sum = 0.0
        for (x, weight) in zip(try hosted(tensors), weights) {
            for (a, b) in zip(x.doubles, weight.doubles) { sum += a * b }
        }
        return sum
    }
}

extension HostTensor {
    /// Adds to an element of a float64 tensor.
    fileprivate mutating func add(_ delta: Double, at i: Int) {
        let changed = double(i) + delta
        withUnsafeBytes(of: changed) { bytes.replaceSubrange(i * 8..<i * 8 + 8, with: $0) }
    }
}

extension String {
    /// As a regular expression that matches just this.
    var escapedPattern: String { map { $0 == "." ? "\\." : "\($0)" }.joined() }
}
