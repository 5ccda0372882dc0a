import Cresset

/// Gradients against central differences in float64 and complex128, computed by the device itself.
///
/// A complex number is two real ones: each part is moved, and both parts of a result count in the loss.
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
    package struct Item {
        var id: String
        var dtype: DType
        var order: Order
        fileprivate var call: VariableCall
        fileprivate var seed: UInt64
    }

    /// What there is to compare.
    func items() throws -> [Item] {
        let held = try device.properties.dtypes
        var items: [Item] = []
        for op in Operators.all where op.isDifferentiable && selection.matches(op.name) {
            for dtype in [DType.float64, .complex128]
            where op.dtypes.contains(dtype) && held.contains(dtype) && (selection.dtype ?? dtype) == dtype {
                items += self.items(op, dtype)
            }
        }
        return items
    }

    private func items(_ op: Operator, _ dtype: DType) -> [Item] {
        let seed = selection.seed &+ op.name.stableHash
        var maker = SampleMaker(dtype: dtype, seed: seed)
        guard let samples = try? catching({ op.samples(&maker) }) else { return [] }
        return samples.enumerated().filter(\.element.checksGradient).flatMap { i, sample in
            orders.compactMap { order in
                let id = "\(op.name)/\(dtype)/\(i)/\(order.rawValue)"
                guard (selection.id ?? id) == id, let call = try? VariableCall(op, sample.values, on: device),
                    !call.variables.isEmpty
                else { return nil }
                return Item(id: id, dtype: dtype, order: order, call: call, seed: seed &+ UInt64(i))
            }
        }
    }

    package func run(_ report: inout Report) throws {
        for item in try items() {
            guard let verdict = verdict(on: item) else { continue }
            report.add(verdict, id: item.id, op: item.call.op.name, dtype: item.dtype)
        }
    }

    /// The same as a part of a run whose first `before` steps were others.
    func run(_ report: inout Report, after before: Int, _ context: RunContext) throws {
        let items = try items()
        let total = before + items.count
        context.events?(.preparing(total: total))
        for (i, item) in items.enumerated() where before + i >= context.resumption.done {
            let name = item.call.op.name
            let command =
                "cresset conformance \(context.spelling ?? "--device \(device)") --mode grad "
                + "--op '^\(name.escapedPattern)$' --seed \(selection.seed) --case \(item.id)"
            context.events?(
                .starting(
                    index: before + i,
                    RunEvent.Entry(id: item.id, op: name, dtype: item.dtype, command: command)))
            if let verdict = verdict(on: item) {
                report.add(
                    verdict, id: item.id, op: name, dtype: item.dtype, command: verdict == .passed ? nil : command)
            }
            context.progress(before + i + 1, total)
            if context.stopsAtFirstFailure && report.failed > 0 { return }
        }
    }

    package func item(_ call: VariableCall, _ order: Order) -> Item {
        Item(id: "\(call.op.name)/\(order.rawValue)", dtype: .float64, order: order, call: call, seed: 1)
    }

    /// nil where there is nothing to differentiate in float64.
    package func verdict(on item: Item) -> Verdict? {
        do {
            return try check(item)
        } catch {
            return .failed(error.told)
        }
    }

    private func check(_ item: Item) throws -> Verdict? {
        let call = item.call
        var maker = SampleMaker(dtype: item.dtype, seed: item.seed)
        guard let weights = try call.weights(&maker) else { return nil }
        var variables = call.variables
        let value: ([HostTensor]) throws -> Double
        let gradients: [HostTensor]
        switch item.order {
        case .first:
            value = { try call.loss($0, weights) }
            gradients = try call.gradients(variables, weights)
        case .second:
            let others = try variables.map { try HostTensor(maker.tensor($0.shape, 0.5, 1.5, dtype: $0.dtype)) }
            variables += weights
            value = { try call.gradientLoss($0, others) }
            gradients = try call.secondGradients(variables, others)
        }
        for (k, variable) in variables.enumerated() {
            let parts = variable.parts
            for i in elements(of: variable, k, call, &maker) {
                // One triangle of a hermitian matrix stands for both.
                let isHermitian = k < call.names.count && call.op.judgement?.hermitian.contains(call.names[k]) == true
                let moving = isHermitian ? variable.hermitian(i) : [(part: i, sign: 1)]
                func moved(_ delta: Double) throws -> Double {
                    var changed = variables
                    for (part, sign) in moving { changed[k].add(sign * delta, to: part) }
                    return try value(changed)
                }
                let difference = (try moved(Self.step) - moved(-Self.step)) / (2 * Self.step)
                let gradient = moving.reduce(0) { $0 + $1.sign * gradients[k].parts.double($1.part) }
                if (gradient - difference).magnitude <= Self.atol + Self.rtol * difference.magnitude { continue }
                let isArgument = k < call.variables.count
                return .failed(
                    "the \(item.order == .first ? "gradient" : "second gradient") by "
                        + (isArgument ? "argument \(k)" : "the gradient of result \(k - call.variables.count)")
                        + " at \(parts.index(of: i)) is \(gradient), differences give \(difference)")
            }
        }
        return .passed
    }

    /// The parts of a variable that are moved.
    private func elements(
        of variable: HostTensor, _ k: Int, _ call: VariableCall, _ maker: inout SampleMaker
    ) -> [Int] {
        let parts = variable.parts
        var elements = Array(0..<parts.count)
        if k < call.names.count, call.op.judgement?.triangular.contains(call.names[k]) == true {
            elements = elements.filter { parts.double($0) != 0 }
        }
        while elements.count > Self.limit { elements.remove(at: maker.int(0..<elements.count)) }
        return elements
    }
}

extension String {
    /// As a regular expression that matches just this.
    package var escapedPattern: String { map { $0 == "." ? "\\." : "\($0)" }.joined() }
}
