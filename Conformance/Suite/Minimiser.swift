import Cresset
import CressetIO

/// The smallest case that was found to fail as another did.
package struct MinimisedCase: Sendable, Equatable {
    /// "aten::add.Tensor(self: float32 [2], strides [2], offset 1 = [1.0, NaN], …)"
    package var call: String
    /// How it fails.
    package var message: String
    /// Shows it again.
    package var command: String

    package init(call: String, message: String, command: String) {
        self.call = call
        self.message = message
        self.command = command
    }

    /// Values of tensors with more are not told.
    static let shownElements = 16

    package var text: String {
        (call.isEmpty ? "" : "minimised: \(call)\n") + message + (command.isEmpty ? "" : "\n\(command)")
    }

    package var json: JSON { ["call": .string(call), "message": .string(message), "command": .string(command)] }

    package init?(_ json: JSON?) {
        guard let call = json?["call"]?.stringValue, let message = json?["message"]?.stringValue,
            let command = json?["command"]?.stringValue
        else { return nil }
        self.init(call: call, message: message, command: command)
    }
}

/// Makes a failing case smaller for as long as it fails in the same way.
struct Minimiser {
    private let runner: DeviceRunner
    private let clock = ContinuousClock()

    /// Cases that are tried for one failure, and how long that may take.
    static let tries = 200
    private static let patience = Duration.seconds(4)

    init(_ runner: DeviceRunner) { self.runner = runner }

    func run(_ item: Case, _ kind: FailureKind) -> MinimisedCase {
        let end = clock.now + Self.patience
        guard var message = failure(item, kind) else {
            return MinimisedCase(
                call: item.description,
                message: "it did not fail again on its own: it depends on what ran before, or on chance", command: "")
        }
        var smallest = item
        Reduction(item).walk { step, candidate in
            if step >= Self.tries || clock.now > end { return nil }
            guard let failed = failure(candidate, kind) else { return false }
            smallest = candidate.reduced(by: smallest.reduction + [step])
            message = failed
            return true
        }
        return MinimisedCase(call: smallest.description, message: message, command: runner.command(smallest))
    }

    /// How the case fails in this way; nil if it does not, or the operation does not take its arguments.
    private func failure(_ item: Case, _ kind: FailureKind) -> String? {
        guard let (verdict, evidence) = runner.trial(item), evidence.kind == kind, case .failed(let text) = verdict
        else { return nil }
        return text
    }
}

// MARK: - Telling a case

extension Case: CustomStringConvertible {
    /// The call with its arguments, tensors with shape, strides, offset and the values of few.
    package var description: String {
        var shared: [Int: Tensor] = [:]
        func told(_ x: Placed) -> String {
            let memory = x.sharing.flatMap { shared[$0] }
            guard let (base, view) = try? x.place(on: .reference, in: memory), let values = try? HostTensor(view) else {
                return "a tensor"
            }
            if let group = x.sharing { shared[group] = base }
            var text = "\(values.dtype) \(values.shape)"
            if !view.isContiguous || view.storageOffset > 0 {
                text += ", strides \(Shape(view.strides)), offset \(view.storageOffset)"
            }
            if values.count <= MinimisedCase.shownElements { text += " = \(values.listed)" }
            return text
        }
        let arguments = zip(declaration.schema.arguments, arguments).map { argument, value in
            switch value {
            case .plain(let x): "\(argument.name): \(x.told)"
            case .tensor(let x): "\(argument.name): \(told(x))"
            case .tensors(let list): "\(argument.name): [\(list.map(told).joined(separator: "; "))]"
            case .optionalTensors(let list):
                "\(argument.name): [\(list.map { $0.map(told) ?? "none" }.joined(separator: "; "))]"
            case .device: "\(argument.name): the device"
            }
        }
        let call = "\(cell.op)(\(arguments.joined(separator: ", ")))"
        return cell.direction == .gradient ? "the gradient of \(call)" : call
    }
}

extension HostTensor {
    /// "[1.0, 2.0]", in row-major order.
    var listed: String { "[" + (0..<count).map(told).joined(separator: ", ") + "]" }

    /// Element `i`, with enough digits to tell it from its neighbours.
    package func told(_ i: Int) -> String {
        switch dtype {
        case .bool: integer(i) == 0 ? "false" : "true"
        case _ where dtype.isFloatingPoint: double(i).short(dtype)
        case _ where dtype.isComplex: "\(parts.told(2 * i)) + \(parts.told(2 * i + 1))i"
        default: "\(integer(i))"
        }
    }
}

extension Value {
    fileprivate var told: String {
        switch self {
        case .none: "None"
        case .tensor, .tensors, .optionalTensors: "a tensor"
        case .scalar(.int(let x)): "\(x)"
        case .scalar(.double(let x)): "\(x)"
        case .scalar(.bool(let x)): "\(x)"
        case .scalar(.complex(let x)): "\(x)"
        case .ints(let x): "\(x)"
        case .doubles(let x): "\(x)"
        case .device(let x): "\(x)"
        case .dtype(let x): "\(x)"
        case .string(let x): "\"\(x)\""
        case .stream: "a stream of random numbers"
        }
    }
}
