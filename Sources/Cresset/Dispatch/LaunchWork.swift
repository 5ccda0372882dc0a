import BackendKit

/// What launches of primitives come to, for rates. Overrides are not seen.
package struct LaunchWork: Sendable {
    package private(set) var launches = 0
    /// Arithmetic instructions on all elements: a function counts as one, a fused multiplication and
    /// addition as two.
    package private(set) var flops = 0.0

    mutating func add(_ primitive: Primitive) {
        launches += 1
        let results = Double(primitive.outputs.first?.shape.elementCount ?? 0)
        switch primitive.family {
        case .pointwise: flops += Self.instructions(primitive.program) * results
        case .reduce:
            let inputs = Double(primitive.inputs.first?.shape.elementCount ?? 0)
            // One step of each accumulator.
            var accumulators = 1.0
            if case .reduce(let attributes) = primitive.attributes {
                accumulators = Double(attributes.accumulator_count)
            }
            flops += (Self.instructions(primitive.program) + accumulators) * inputs
        case .matmul:
            let terms = Double(primitive.inputs[0].shape.last ?? 0)
            flops += 2 * terms * results + Self.instructions(primitive.program) * results
        default: break
        }
    }

    private static func instructions(_ program: KernelProgram?) -> Double {
        guard let program = program?.program else { return 0 }
        return (0..<program.count).reduce(0) { sum, i in
            switch program[i].opcode {
            case .load, .store, .param, .const, .index, .narrow, .cast, .bitcast: sum
            case .fma: sum + 2
            default: sum + 1
            }
        }
    }
}
