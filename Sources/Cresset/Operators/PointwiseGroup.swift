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
    private let actsOnParts: Bool
    private struct Key: Hashable {
        var inputs: [DType]
        var outputs: [DType]
        var scalars: Int
    }
    private let programs = Lock([Key: KernelProgram]())

    /// - Parameters:
    ///   - actsOnParts: means the same for the real and for the imaginary parts of complex numbers; else it
    ///     means nothing for them.
    ///   - body: the results from the inputs, each in its own arithmetic type, and the scalars.
    init(_ name: String, scalars: ArithmeticType = .i64, actsOnParts: Bool = false, body: @escaping Body) {
        self.name = OperatorName(name)
        self.actsOnParts = actsOnParts
        scalarType = scalars
        self.body = body
    }

    /// Computes into `targets`, which have one shape that the inputs broadcast to; nothing is recorded.
    func run(_ inputs: [Tensor], _ scalars: [Scalar] = [], into targets: [Tensor]) throws(CressetError) {
        guard let first = targets.first, first.numel > 0 else { return }
        let isComplex = (inputs + targets).contains(where: \.dtype.isComplex)
        guard !isComplex || actsOnParts && (inputs + targets).allSatisfy(\.dtype.isComplex) else {
            throw CressetError(
                .dtype, op: name.text,
                "is not defined for complex numbers: \(inputs.map(\.summary).joined(separator: ", "))")
        }
        let shape = first.shape
        let key = Key(inputs: inputs.map(\.dtype), outputs: targets.map(\.dtype), scalars: scalars.count)
        let program = programs.withLock { known in
            if let program = known[key] { return program }
            let params = (0..<key.scalars).map { Expr(.param($0, scalarType), scalarType) }
            func values(_ place: (Int) -> Int) -> [(Expr, DType)] {
                let loads = key.inputs.enumerated().map { Expr(.input(place($0), $1.toReal), $1.arithmetic) }
                return zip(body(loads, params), key.outputs).map { ($0.cast(to: $1.arithmetic), $1.toReal) }
            }
            let program = KernelProgram(
                Expr.program(
                    isComplex
                        ? zip(values { 2 * $0 }, values { 2 * $0 + 1 }).flatMap { [$0, $1] } : values { $0 }))
            known[key] = program
            return program
        }
        try Primitive(
            family: .pointwise, op: name, program: program, params: scalars.map { $0.param(scalarType) },
            inputs: inputs.map { Operand($0, broadcastTo: shape) }.asParts, outputs: targets.map { Operand($0) }.asParts
        ).run()
    }
}
