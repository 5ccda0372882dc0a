import Cresset
import CressetIO

/// The calls that are refused, with what they are refused with, for comparison with PyTorch: Tests/errors/refused.py.
package enum RefusedCalls {
    /// One object a call, of the operations that are `wanted`: `op`, `args` in the schema's order, `message` (null where
    /// the call is not refused).
    package static func json(_ wanted: (String) -> Bool) throws -> JSON {
        var calls: [JSON] = []
        for op in Operators.all where wanted(op.name) {
            let dtype = Coverage.dtypes.first { op.dtypes.contains($0) && $0 == .float32 }
            guard let dtype = dtype ?? Coverage.dtypes.first(where: op.dtypes.contains) else { continue }
            var maker = SampleMaker(dtype: dtype, seed: op.name.stableHash)
            for sample in DerivedErrors.all(of: op, &maker) {
                let values = try ErrorCases.values(of: sample, on: .reference)
                var message = JSON.null
                do {
                    _ = try catching { try Operators.call(op.name, values) }
                } catch {
                    message = .string((error as? CressetError)?.told ?? "\(error)")
                }
                calls.append(["op": .string(op.name), "args": .array(values.map(argument)), "message": message])
            }
        }
        return .array(calls)
    }

    private static func argument(_ value: Value) -> JSON {
        switch value {
        case .none, .stream: .null
        case .tensor(let x): tensor(x)
        case .tensors(let list): ["tensors": .array(list.map(tensor))]
        case .optionalTensors(let list): ["tensors": .array(list.map { $0.map(tensor) ?? .null })]
        case .scalar(.bool(let x)): .bool(x)
        case .scalar(.int(let x)): .integer(Int(x))
        case .scalar(let x): ["number": .string("\(x.doubleValue)")]
        case .ints(let list): .array(list.map(JSON.integer))
        case .doubles(let list): .array(list.map(JSON.number))
        case .device(let device): ["device": .string("\(device)")]
        case .dtype(let dtype): ["dtype": .string(dtype.name)]
        case .string(let text): .string(text)
        }
    }

    private static func tensor(_ x: Tensor) -> JSON {
        let numbers = (try? (x.dtype.isComplex ? x.viewAsReal() : x).to(.float64).doubles()) ?? []
        return [
            "dtype": .string(x.dtype.name), "shape": .array(Array(x.shape).map(JSON.integer)),
            "data": .array(numbers.map { .string("\($0)") }), "device": .string("\(x.device)"),
        ]
    }
}
