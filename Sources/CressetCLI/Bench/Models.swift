import Cresset
import CressetNN
import CressetOptim

/// A block of a transformer: attention, then a perceptron, each after a norm and beside what it adds to.
private final class Block: Module {
    let heads: Int
    let (n1, n2): (LayerNorm, LayerNorm)
    let (qkv, o): (Linear, Linear)
    let (u, d): (Linear, Linear)

    init(_ width: Int, _ heads: Int) {
        self.heads = heads
        (n1, n2) = (LayerNorm([width]), LayerNorm([width]))
        (qkv, o) = (Linear(width, 3 * width), Linear(width, width))
        (u, d) = (Linear(width, 4 * width), Linear(4 * width, width))
        super.init()
    }

    override func forward(_ x: Tensor) -> Tensor {
        let (b, t, width) = (x.size(0), x.size(1), x.size(2))
        let parts = qkv(n1(x)).split(width, dim: -1).map { $0.view([b, t, heads, width / heads]).transpose(1, 2) }
        let attended = F.scaledDotProductAttention(parts[0], parts[1], parts[2], isCausal: true)
        let y = x + o(attended.transpose(1, 2).reshape([b, t, width]))
        return y + d(F.gelu(u(n2(y))))
    }
}

/// A small language model over bytes.
private final class GPT: Module {
    let (e, p): (Embedding, Embedding)
    let b: Sequential
    let n: LayerNorm
    let o: Linear

    init(vocabulary: Int = 256, length: Int = 128, width: Int = 256, layers: Int = 4, heads: Int = 8) {
        (e, p) = (Embedding(vocabulary, width), Embedding(length, width))
        b = Sequential((0..<layers).map { _ in Block(width, heads) })
        n = LayerNorm([width])
        o = Linear(width, vocabulary)
        super.init()
    }

    override func forward(_ i: Tensor) -> Tensor { o(n(b(e(i) + p(Tensor.arange(Scalar(i.size(1))))))) }
}

/// Two convolutions and the way around them (He, Zhang, Ren and Sun 2015).
private final class Basic: Module {
    let (c1, b1): (Conv2d, BatchNorm2d)
    let (c2, b2): (Conv2d, BatchNorm2d)
    let s: Module

    init(_ channels: Int, _ out: Int, _ stride: Int) {
        (c1, b1) = (Conv2d(channels, out, 3, stride: PerDim(stride), padding: 1, bias: false), BatchNorm2d(out))
        (c2, b2) = (Conv2d(out, out, 3, padding: 1, bias: false), BatchNorm2d(out))
        s =
            stride > 1 || channels != out
            ? Sequential(Conv2d(channels, out, 1, stride: PerDim(stride), bias: false), BatchNorm2d(out)) : Identity()
        super.init()
    }

    override func forward(_ x: Tensor) -> Tensor { F.relu(b2(c2(F.relu(b1(c1(x))))) + s(x)) }
}

private func resnet18() -> Sequential {
    var layers: [Module] = [
        Conv2d(3, 64, 7, stride: 2, padding: 3, bias: false), BatchNorm2d(64), ReLU(),
        MaxPool2d(3, stride: 2, padding: 1),
    ]
    var channels = 64
    for (out, stride) in [(64, 1), (128, 2), (256, 2), (512, 2)] {
        layers += [Basic(channels, out, stride), Basic(out, out, 1)]
        channels = out
    }
    return Sequential(layers + [AdaptiveAvgPool2d(1), Flatten(), Linear(512, 1000)])
}

/// Whole models: steps of training with AdamW, and inference.
extension Workload {
    /// What is compared is the loss before the step: that after it is as sensitive as the sign of a gradient
    /// near zero.
    private static func training(
        _ name: String,
        _ make: @escaping @Sendable () -> (model: Module, x: Tensor, loss: (Tensor) -> Tensor)
    ) -> Workload {
        Workload("model/\(name)") {
            let (model, x, loss) = make()
            let optimizer = AdamW(model.parameters, lr: 1e-3)
            return {
                optimizer.zeroGrad()
                let value = loss(model(x))
                value.backward()
                try optimizer.step()
                return [value.detach()]
            }
        }
    }

    private static func inference(
        _ name: String, _ make: @escaping @Sendable () -> (model: Module, x: Tensor)
    ) -> Workload {
        Workload("model/\(name)") {
            let (model, x) = make()
            model.eval()
            return { [noGrad { model(x) }] }
        }
    }

    private static func lenet() -> Sequential {
        Sequential(
            Conv2d(1, 32, 5), ReLU(), MaxPool2d(2), Conv2d(32, 64, 5), ReLU(), MaxPool2d(2), Flatten(),
            Linear(1024, 128), ReLU(), Linear(128, 10))
    }

    static let models: [Workload] = [
        training("mlp_train_b128_784_512_10") {
            let target = integers(below: 10, 128)
            return (
                Sequential(Linear(784, 512), ReLU(), Linear(512, 10)), normal(128, 784),
                { Losses.crossEntropy($0, target) }
            )
        },
        training("lenet_train_b64") {
            let target = integers(below: 10, 64)
            return (lenet(), normal(64, 1, 28, 28), { Losses.crossEntropy($0, target) })
        },
        training("gpt_4x256_train_b8_t128") {
            let target = integers(below: 256, 1024)
            return (GPT(), integers(below: 256, 8, 128), { Losses.crossEntropy($0.view([-1, 256]), target) })
        },
        inference("gpt_4x256_infer_b1_t128") { (GPT(), integers(below: 256, 1, 128)) },
        training("lstm_train_b32_t64_h128") {
            (LSTM(64, 128, batchFirst: true), normal(32, 64, 64), { $0.square().mean() })
        },
        inference("resnet18_infer_b1") { (resnet18(), normal(1, 3, 224, 224)) },
        training("resnet18_train_b4") {
            let target = integers(below: 1000, 4)
            return (resnet18(), normal(4, 3, 224, 224), { Losses.crossEntropy($0, target) })
        },
    ]
}
