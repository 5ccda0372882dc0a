import Cresset

/// Something to time, under the name it has in the table for PyTorch.
struct Workload: Sendable {
    typealias Run = () throws -> Void
    /// Makes the inputs and returns what is timed.
    typealias Setup = @Sendable () -> Run

    enum Body: Sendable {
        case setup(Setup)
        /// What it waits for.
        case missing(String)
    }

    let name: String
    let body: Body

    init(_ name: String, _ setup: @escaping Setup) {
        self.name = name
        body = .setup(setup)
    }

    init(_ name: String, missing: String) {
        self.name = name
        body = .missing(missing)
    }

    /// Every workload of the table, in its order.
    static let table = dispatch + pointwise + random + reductions + indexing + products + later + optimizers + models

    // MARK: Inputs

    /// Normal numbers on the device under test.
    static func normal(_ shape: Int..., dtype: DType = .float32) -> Tensor { Tensor.randn(Shape(shape)).to(dtype) }

    /// Integers below `bound`.
    static func integers(below bound: Int, _ count: Int) -> Tensor { Tensor.randint(bound, [count]) }

    // MARK: Shapes of a workload

    static func unary(
        _ name: String, _ input: @autoclosure @escaping @Sendable () -> Tensor,
        _ body: @escaping @Sendable (Tensor) -> Tensor
    )
        -> Workload
    {
        Workload(name) {
            let x = input()
            return { _ = body(x) }
        }
    }

    static func binary(
        _ name: String, _ inputs: @autoclosure @escaping @Sendable () -> (Tensor, Tensor),
        _ body: @escaping @Sendable (Tensor, Tensor) -> Tensor
    ) -> Workload {
        Workload(name) {
            let (x, y) = inputs()
            return { _ = body(x, y) }
        }
    }
}
