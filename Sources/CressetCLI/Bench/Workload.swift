import Cresset

/// Something to time, under the name it has in the table for PyTorch.
struct Workload: Sendable {
    /// One timed run; what it returns is compared with the reference's.
    typealias Run = () throws -> [Tensor]
    /// Makes the inputs and returns what is timed.
    typealias Setup = @Sendable () -> Run

    let name: String
    let setup: Setup
    /// Bytes that must be read and written at least, and operations that must be done: its roofs. 0: not told.
    var bytes = 0.0
    var flops = 0.0

    init(_ name: String, _ setup: @escaping Setup) {
        self.name = name
        self.setup = setup
    }

    /// The same, which moves so many bytes at least.
    func moving(_ bytes: Int) -> Workload {
        var result = self
        result.bytes = Double(bytes)
        return result
    }

    /// The same, which does so many floating-point operations at least.
    func computing(_ flops: Int) -> Workload {
        var result = self
        result.flops = Double(flops)
        return result
    }

    /// Every workload of the table, in its order.
    static let table =
        dispatch + pointwise + random + reductions + indexing + products + linearAlgebra + convolutions + attention
        + optimizers + models

    // MARK: Inputs

    /// Normal numbers on the device under test.
    static func normal(_ shape: Int..., dtype: DType = .float32) -> Tensor { Tensor.randn(Shape(shape)).to(dtype) }

    /// Integers below `bound`.
    static func integers(below bound: Int, _ shape: Int...) -> Tensor { Tensor.randint(bound, Shape(shape)) }

    // MARK: Shapes of a workload

    static func unary(
        _ name: String, _ input: @autoclosure @escaping @Sendable () -> Tensor,
        _ body: @escaping @Sendable (Tensor) -> Tensor
    )
        -> Workload
    {
        Workload(name) {
            let x = input()
            return { [body(x)] }
        }
    }

    static func binary(
        _ name: String, _ inputs: @autoclosure @escaping @Sendable () -> (Tensor, Tensor),
        _ body: @escaping @Sendable (Tensor, Tensor) -> Tensor
    ) -> Workload {
        Workload(name) {
            let (x, y) = inputs()
            return { [body(x, y)] }
        }
    }
}
