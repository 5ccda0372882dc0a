import BackendKit
import CBackend

/// One pointwise launch with several results.
///
/// Results may be inputs themselves, with identical layout: every element is read before any is
/// written. Numbers that change from call to call are scalars, so they compile nothing new.
final class PointwiseGroup: Sendable {
    typealias Body = @Sendable (_ inputs: [Expr], _ scalars: [Expr]) -> [Expr]

    private let name: OperatorName
    private let scalarType: ArithmeticType
    private let body: Body
    private struct Key: Hashable {
        var inputs: [DType]
        var outputs: [DType]
        var scalars: Int
    }
    private let programs = Lock([Key: KernelProgram]())

    /// - Parameter body: the results from the inputs, each in its own arithmetic type, and the scalars.
    init(_ name: String, scalars: ArithmeticType = .i64, body: @escaping Body) {
        self.name = OperatorName(name)
        scalarType = scalars
        self.body = body
    }

    /// Computes into `targets`, which have one shape that the inputs broadcast to; nothing is recorded.
    func run(_ inputs: [Tensor], _ scalars: [Scalar] = [], into targets: [Tensor]) throws(CressetError) {
        guard let first = targets.first, first.numel > 0 else { return }
        let shape = first.shape
        let key = Key(inputs: inputs.map(\.dtype), outputs: targets.map(\.dtype), scalars: scalars.count)
        let program = programs.withLock { known in
            if let program = known[key] { return program }
            let loads = key.inputs.enumerated().map { Expr(.input($0, $1), $1.arithmetic) }
            let params = (0..<key.scalars).map { Expr(.param($0, scalarType), scalarType) }
            let values = zip(body(loads, params), key.outputs).map { ($0.cast(to: $1.arithmetic), $1) }
            let program = KernelProgram(Expr.program(values))
            known[key] = program
            return program
        }
        try Primitive(
            family: .pointwise, op: name, program: program, params: scalars.map { $0.param(scalarType) },
            inputs: inputs.map { Operand($0, broadcastTo: shape) }, outputs: targets.map { Operand($0) }
        ).run()
    }
}
