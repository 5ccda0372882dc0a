import Cresset
import CressetData
import CressetIO
import CressetNN
import CressetOptim
import Glibc
import Testing

/// A small model as a whole: its gradient, its state, its batches.
@Suite struct ModelTests {
    /// Two hidden layers, with weights that the stream gives.
    final class Perceptron: Module {
        let body: Sequential
        let norm: LayerNorm
        let head: Linear
        let scale: Tensor

        init(_ stream: RandomStream, dtype: DType = .float64, device: Device) {
            (body, norm, head, scale) = withDevice(device) {
                (
                    Sequential(Linear(4, 6, dtype: dtype), Tanh(), Linear(6, 5, dtype: dtype), GELU()),
                    LayerNorm([5], dtype: dtype), Linear(5, 3, bias: false, dtype: dtype),
                    // A buffer: stored, not learned.
                    Tensor.full([1], 1.5, dtype: dtype)
                )
            }
            super.init()
            noGrad { for parameter in parameters { parameter.uniform_(-1, 1, stream: stream) } }
        }

        override func forward(_ x: Tensor) -> Tensor { head(norm(body(x))) * scale }
    }

    @Test(arguments: devices) func gradientsAreDifferences(on device: Device) throws {
        try catching {
            let stream = RandomStream(seed: 11)
            let model = Perceptron(stream, device: device)
            let x = Tensor.randn([5, 4], dtype: .float64, device: device, stream: stream).requiresGrad_()
            let target = Tensor([2, 0, 1, 1, 0] as [Int64], device: device)
            func loss() -> Tensor { Losses.crossEntropy(model(x), target, labelSmoothing: 0.1) }
            loss().backward()
            let leaves = model.namedParameters + [("x", x)]
            #expect(
                leaves.map(\.name) == [
                    "body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias", "norm.weight", "norm.bias",
                    "head.weight", "x",
                ])
            // Central differences: h²/6·f‴ ≈ 1e-10 from the formula, u/h ≈ 1e-11 from rounding.
            let h = 1e-5
            try noGrad {
                for (name, leaf) in leaves {
                    let gradient = [Double](try #require(leaf.grad))
                    let values = [Double](leaf)
                    var differences: [Double] = []
                    for i in values.indices {
                        func moved(_ by: Double) -> Double {
                            var changed = values
                            changed[i] += by
                            leaf.copy_(Tensor(changed, shape: leaf.shape, device: device))
                            return loss().item()
                        }
                        differences.append((moved(h) - moved(-h)) / (2 * h))
                    }
                    leaf.copy_(Tensor(values, shape: leaf.shape, device: device))
                    #expect(difference(gradient, differences) < 2e-9, "\(name)")
                    #expect(gradient.contains { abs($0) > 1e-4 }, "\(name): nothing to compare")
                }
            }
        }
    }

    @Test(arguments: devices) func stateSurvivesAFile(on device: Device) throws {
        var template = Array("/tmp/cresset-nn-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        let path = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        close(descriptor)
        defer { unlink(path) }
        try catching {
            let model = Perceptron(RandomStream(seed: 1), device: device)
            let other = Perceptron(RandomStream(seed: 2), device: .reference)
            let x = Tensor.randn([3, 4], dtype: .float64, device: .reference, stream: RandomStream(seed: 3))
            noGrad { _ = model.scale.fill_(0.75) }
            let right = [Double](model(x.to(device)))
            #expect(difference([Double](other(x)), right) > 0.01)
            try Safetensors.save(model.stateDict(), to: path, metadata: ["format": "pt"])
            let loaded = try Safetensors.load(path, device: .reference)
            #expect(loaded.keys.sorted() == model.namedTensors.map(\.name).sorted())
            for (name, tensor) in model.stateDict() {
                #expect(try loaded[name]?.rawBytes() == tensor.rawBytes(), "\(name)")
            }
            try other.loadStateDict(loaded)
            #expect(difference([Double](other(x)), right) < accuracy)
            #expect(other.parameters.allSatisfy { $0.requiresGrad }, "loading leaves parameters learnable")
        }
    }

    @Test func aStateThatDoesNotFitChangesNothing() throws {
        let model = Perceptron(RandomStream(seed: 1), device: .reference)
        func bytes() throws -> [[UInt8]] { try model.namedTensors.map { try $0.tensor.rawBytes() } }
        let before = try bytes()
        var state = Perceptron(RandomStream(seed: 2), device: .reference).stateDict()
        state["head.weight"] = Tensor.zeros([3, 4], dtype: .float64, device: .reference)
        state["norm.bias"] = nil
        state["tail.weight"] = Tensor.zeros([1], device: .reference)
        let error = #expect(throws: CressetError.self) { try model.loadStateDict(state) }
        let message = error?.message ?? ""
        for part in ["missing: norm.bias", "unexpected: tail.weight", "head.weight is [3, 4], not [3, 5]"] {
            #expect(message.contains(part), "\(message)")
        }
        #expect(try bytes() == before)
        state["head.weight"] = nil
        try model.loadStateDict(state, strict: false)
        #expect(try bytes() != before)
    }

    /// The same seed, on any device and in any run: the same batches, and the same training.
    @Test func batchesAndTrainingRepeat() throws {
        func run(on device: Device, seed: UInt64) throws -> (batches: [[Int64]], losses: [Double], state: [[UInt8]]) {
            try catching {
                let n = 37
                let inputs = Tensor.randn([n, 4], dtype: .float64, device: device, stream: RandomStream(seed: 5))
                let targets = Tensor((0..<n).map { Int64($0) }, device: device)
                let model = Perceptron(RandomStream(seed: 6), device: device)
                let optimizer = Adam(model.parameters, lr: 0.01)
                let loader = DataLoader(
                    try TensorDataset(inputs: inputs, targets: targets), batchSize: 8, shuffle: true, seed: seed)
                var batches: [[Int64]] = []
                var losses: [Double] = []
                for _ in 0..<3 {
                    for (x, y) in loader {
                        batches.append([Int64](y))
                        let loss = Losses.crossEntropy(model(x), y.remainder(3))
                        optimizer.zeroGrad()
                        loss.backward()
                        try optimizer.step()
                        losses.append(loss.item())
                    }
                }
                return (batches, losses, try model.namedTensors.map { try $0.tensor.rawBytes() })
            }
        }
        let first = try run(on: .cpu, seed: 9)
        let again = try run(on: .cpu, seed: 9)
        #expect(first.batches.count == 15 && first.batches.map(\.count).prefix(5) == [8, 8, 8, 8, 5])
        for epoch in 0..<3 { #expect(first.batches[epoch * 5..<epoch * 5 + 5].joined().sorted() == Array(0..<37)) }
        #expect(first.batches == again.batches)
        #expect(first.losses == again.losses && first.state == again.state, "the same bits")
        let elsewhere = try run(on: .reference, seed: 9)
        #expect(elsewhere.batches == first.batches)
        #expect(difference(elsewhere.losses, first.losses) < 1e-10)
        #expect(try run(on: .cpu, seed: 10).batches != first.batches)
    }

    @Test func dropoutOnlyWhileTraining() throws {
        try catching {
            let model = Sequential(Dropout(0.25), Identity())
            let x = Tensor.ones([10000], dtype: .float64, device: .reference)
            let y = [Double](model(x))
            #expect(y.allSatisfy { $0 == 0 || abs($0 - 1 / 0.75) < 1e-15 })
            // Five standard deviations of 10,000 draws with p = 1/4.
            #expect(abs(y.count { $0 == 0 } - 2500) < 217)
            model.eval()
            #expect([Double](model(x)) == [Double](x))
            model.train()
            #expect([Double](model(x)) != [Double](x))
        }
    }
}
