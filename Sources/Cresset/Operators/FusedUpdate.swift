import BackendKit

/// One launch that updates several tensors in place: what an optimizer step is made of.
///
/// Outputs are the targets themselves, with identical layout, which the ABI allows; numbers that
/// change from step to step are parameters, so no step compiles anything new.
package final class FusedUpdate: Sendable {
    package typealias Body = @Sendable (_ targets: [Expr], _ reading: [Expr], _ scalars: [Expr]) -> [Expr]

    private let name: OperatorName
    private let body: Body
    private struct Key: Hashable {
        var targets: [DType]
        var reading: [DType]
        var scalars: Int
    }
    private let programs = Lock([Key: KernelProgram]())

    /// - Parameter body: new values of the targets from their old ones, the tensors read and the
    ///   scalars; computed in float64 if the first target is, else in float32.
    package init(_ name: String, body: @escaping Body) {
        self.name = OperatorName(name)
        self.body = body
    }

    /// Updates `targets`, which have one shape and layout; nothing is recorded, versions are bumped.
    package func run(targets: [Tensor], reading: [Tensor], scalars: [Double]) throws(CressetError) {
        let shape = targets[0].shape
        for tensor in targets + reading where tensor.shape != shape {
            throw CressetError(.shape, op: name.text, "shapes differ: \(shape), \(tensor.shape)")
        }
        let type: ArithmeticType = targets[0].dtype == .float64 ? .f64 : .f32
        let program = programs.withLock { known in
            let key = Key(targets: targets.map(\.dtype), reading: reading.map(\.dtype), scalars: scalars.count)
            if let program = known[key] { return program }
            let inputs = (targets + reading).enumerated().map { i, tensor in
                Expr(.input(i, tensor.dtype), tensor.dtype.arithmetic).cast(to: type)
            }
            let parameters = (0..<scalars.count).map { Expr(.param($0, type), type) }
            let values = body(Array(inputs.prefix(targets.count)), Array(inputs.dropFirst(targets.count)), parameters)
            let program = KernelProgram(
                Expr.program(zip(values, targets).map { ($0.cast(to: $1.dtype.arithmetic), $1.dtype) }))
            known[key] = program
            return program
        }
        guard targets[0].numel > 0 else { return }
        try Primitive(
            family: .pointwise, op: name, program: program, params: scalars.map { Scalar.double($0).param(type) },
            inputs: (targets + reading).map { Operand($0) }, outputs: targets.map { Operand($0) }
        ).run()
        for target in targets { target.impl.storage.version += 1 }
    }
}
