import Cresset
import CressetOptim

/// Optimizer steps.
extension Workload {
    /// One step over 4 M parameters in 64 tensors.
    private static func step(_ name: String, _ make: @escaping @Sendable ([Tensor]) -> Optimizer) -> Workload {
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
        }
    }

    static let optimizers: [Workload] = [
        step("sgd") { SGD($0, lr: 1e-3) },
        step("adam") { Adam($0, lr: 1e-3) },
        step("adamw") { AdamW($0, lr: 1e-3) },
    ]
}
