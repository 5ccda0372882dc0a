import Cresset
import CressetNN
import CressetOptim

/// Optimizer steps and whole models.
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
            return { try optimizer.step() }
        }
    }

    static let optimizers: [Workload] = [
        step("sgd") { SGD($0, lr: 1e-3) },
        step("adam") { Adam($0, lr: 1e-3) },
        step("adamw") { AdamW($0, lr: 1e-3) },
    ]

    static let models: [Workload] = [
        Workload("model/mlp_train_b128_784_512_10") {
            let model = Sequential(Linear(784, 512), ReLU(), Linear(512, 10))
            let optimizer = AdamW(model.parameters, lr: 1e-3)
            let (x, target) = (normal(128, 784), integers(below: 10, 128))
            return {
                optimizer.zeroGrad()
                Losses.crossEntropy(model(x), target).backward()
                try optimizer.step()
            }
        },
        Workload("model/lenet_train_b64", missing: "conv2d, max_pool2d"),
        Workload("model/gpt_4x256_train_b8_t128", missing: "scaled_dot_product_attention"),
        Workload("model/gpt_4x256_infer_b1_t128", missing: "scaled_dot_product_attention"),
        Workload("model/lstm_train_b32_t64_h128", missing: "LSTM"),
        Workload("model/resnet18_infer_b1", missing: "conv2d, batch_norm, max_pool2d"),
        Workload("model/resnet18_train_b4", missing: "conv2d, batch_norm, max_pool2d"),
    ]
}
