import Cresset
import CressetNN
import CressetOptim

/// What one small call costs: a timed run makes many.
extension Workload {
    /// `body`, a thousand times in each run.
    private static func calls(
        _ name: String, _ inputs: @autoclosure @escaping @Sendable () -> (Tensor, Tensor),
        _ body: @escaping @Sendable (Tensor, Tensor) -> Tensor
    ) -> Workload {
        Workload(name) {
            let (a, b) = inputs()
            return {
                for _ in 1..<1000 { _ = body(a, b) }
                return [body(a, b)]
            }
        }
    }

    private static func calls(
        _ name: String, _ input: @autoclosure @escaping @Sendable () -> Tensor,
        _ body: @escaping @Sendable (Tensor) -> Tensor
    ) -> Workload {
        Workload(name) {
            let a = input()
            return {
                for _ in 1..<1000 { _ = body(a) }
                return [body(a)]
            }
        }
    }

    static let dispatch: [Workload] = [
        calls("dispatch/add_1", (normal(1), normal(1))) { $0 + $1 },
        calls("dispatch/add_64", (normal(64), normal(64))) { $0 + $1 },
        calls("dispatch/add_inplace_64", (normal(64), normal(64))) { $0.add_($1) },
        calls("dispatch/broadcast_add_8x8", (normal(8, 8), normal(8))) { $0 + $1 },
        calls("dispatch/view_transpose", normal(8, 8)) { $0.transpose(0, 1) },
        calls("dispatch/slice", normal(8, 8)) { $0[2..<5] },
        calls("dispatch/matmul_4x4", (normal(4, 4), normal(4, 4))) { $0.matmul($1) },
        calls("dispatch/sum_64", normal(64)) { $0.sum() },
        Workload("dispatch/autograd_chain_16") {
            let x = normal(16).requiresGrad_()
            return {
                var y = x
                for _ in 0..<100 { y = y * 1.01 + 0.5 }
                let sum = y.sum()
                sum.backward()
                let gradient = x.grad
                x.grad = nil
                return [sum.detach()] + (gradient.map { [$0] } ?? [])
            }
        },
        Workload("dispatch/mlp_step_b1_h16") {
            let model = Sequential(Linear(16, 16), Tanh(), Linear(16, 4))
            let optimizer = SGD(model.parameters, lr: 1e-3)
            let (x, target) = (normal(1, 16), normal(1, 4))
            return {
                var last: [Tensor] = []
                for _ in 0..<50 {
                    optimizer.zeroGrad()
                    let loss = Losses.mseLoss(model(x), target)
                    loss.backward()
                    try optimizer.step()
                    last = [loss.detach()]
                }
                return last
            }
        },
    ]
}
