import Cresset
import CressetOptim

/// Optimizer steps.
extension Workload {
    /// One step over 4 M parameters in 64 tensors.
    ///
    /// - Parameter streams: tensors of that size that are read or written.
    private static func step(_ name: String, streams: Int, _ make: @escaping @Sendable ([Tensor]) -> Optimizer)
        -> Workload
    {
        Workload("optim/\(name)_4m") {
            let parameters = (0..<64).map { _ in
                let parameter = normal(256, 256).requiresGrad_()
                parameter.grad = normal(256, 256)
                return parameter
            }
            let optimizer = make(parameters)
            return {
                try optimizer.step()
                return [parameters[0].detach()]
            }
        }.moving(streams * 4 << 22)
    }

    static let optimizers: [Workload] = [
        step("sgd", streams: 3) { SGD($0, lr: 1e-3) },
        step("adam", streams: 7) { Adam($0, lr: 1e-3) },
        step("adamw", streams: 7) { AdamW($0, lr: 1e-3) },
    ]
}
