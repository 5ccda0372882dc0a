import Cresset
import Testing

/// Every operation on tensors without data: results and gradients have the shapes and dtypes they have elsewhere.
@Suite(.serialized) struct MetaTests {
    /// Operations whose results, or the shapes of them, are values of their arguments.
    private static let dependent: Set<String> = [
        "aten::_unique2", "aten::argwhere", "aten::bincount", "aten::index.Tensor", "aten::index_put", "aten::item",
        "aten::masked_select", "aten::nonzero", "aten::nonzero_numpy", "aten::one_hot",
        "aten::repeat_interleave.Tensor",
        "aten::repeat_interleave.self_Tensor", "aten::tensor_split.tensor_indices_or_sections",
        "aten::unique_consecutive", "aten::unique_dim", "aten::where",
    ]

    private static func moved(_ value: Value, to device: Device) -> Value {
        func moved(_ x: Tensor) -> Tensor {
            let copy = x.detach().to(device)
            return x.requiresGrad && x.isLeaf ? copy.requiresGrad_() : copy
        }
        return switch value {
        case .tensor(let x): .tensor(moved(x))
        case .tensors(let list): .tensors(list.map(moved))
        case .optionalTensors(let list): .optionalTensors(list.map { $0.map(moved) })
        case .device: .device(device)
        default: value
        }
    }

    /// What the results look like, then the gradients of the floating arguments.
    private static func form(_ op: Operator, _ values: [Value], on device: Device) throws -> [String] {
        try catching {
            try withDevice(device) {
                let placed = values.map { moved($0, to: device) }
                var inputs: [Tensor] = []
                for case .tensor(let x) in placed where x.dtype.isFloatingPoint || x.dtype.isComplex {
                    if op.isDifferentiable { inputs.append(x.requiresGrad_()) }
                }
                let results = try Operators.call(op.name, placed)
                var lines: [String] = []
                var tracked: [Tensor] = []
                for result in results {
                    switch result {
                    case .tensor(let x):
                        lines.append("\(x.dtype) \(x.shape)")
                        if x.requiresGrad { tracked.append(x) }
                        if x.device != device { lines.append("on \(x.device)") }
                    case .tensors(let list):
                        lines += list.map { "\($0.dtype) \($0.shape)" }
                        tracked += list.filter(\.requiresGrad)
                    default: lines.append("a value")
                    }
                }
                if !tracked.isEmpty && !inputs.isEmpty {
                    let seeds = tracked.map { Tensor.ones($0.shape, dtype: $0.dtype, device: device) }
                    let gradients = try grad(tracked, inputs, gradOutputs: seeds, allowUnused: true)
                    lines += gradients.map { g in g.map { "gradient \($0.dtype) \($0.shape)" } ?? "no gradient" }
                }
                return lines
            }
        }
    }

    @Test func everyOperationHasTheSameShapesWithoutData() throws {
        var refused: [String: String] = [:]
        for op in Operators.all {
            for dtype in [DType.float32, .int64, .complex64, .bool] where op.dtypes.contains(dtype) {
                var maker = SampleMaker(dtype: dtype, seed: 1)
                for (i, sample) in op.samples(&maker).enumerated() {
                    guard let known = try? Self.form(op, sample.values, on: .reference) else { continue }
                    do {
                        let found = try Self.form(op, sample.values, on: .meta)
                        #expect(found == known, "\(op.name)/\(dtype)/\(i)")
                    } catch {
                        refused[op.name] = "\(error)"
                    }
                }
            }
        }
        // What cannot be known without data says so.
        #expect(Set(refused.keys) == Self.dependent, "\(refused.filter { !Self.dependent.contains($0.key) })")
        for (name, message) in refused { #expect(message.contains("meta device"), "\(name): \(message)") }
    }
}
