import Cresset
import CressetNN
import CressetOptim
import Testing

/// Modules, losses and optimizers against what PyTorch computes.
@Suite struct TorchTests {
    @Test(arguments: Values.modules, devices)
    func modules(_ example: ModuleCase, on device: Device) throws {
        try catching {
            let module = withDevice(device) { example.module() }
            let parameters = module.parameters
            #expect(parameters.count == example.parameters.count)
            noGrad {
                for (parameter, values) in zip(parameters, example.parameters) {
                    parameter.copy_(Tensor(values, shape: parameter.shape, device: device))
                }
            }
            let x = Tensor(example.input, shape: example.shape, device: device).requiresGrad_()
            let y = module(x)
            #expect(difference([Double](y), example.output) < accuracy)
            y.backward(gradient: Tensor(example.seed, shape: y.shape, device: device))
            let gradients = try ([x] + parameters).map { [Double](try #require($0.grad)) }
            for (found, right) in zip(gradients, example.gradients) { #expect(difference(found, right) < accuracy) }
            let buffers = module.namedTensors.map(\.tensor).filter { !$0.requiresGrad }
            #expect(buffers.count == example.buffers.count)
            for (found, right) in zip(buffers, example.buffers) {
                #expect(difference([Double](found.to(.float64)), right) < accuracy)
            }
            module.eval()
            #expect(difference([Double](module(x)), example.evaluated) < accuracy)
        }
    }

    @Test(arguments: devices) func crossEntropy(on device: Device) throws {
        for (i, example) in Values.losses.enumerated() {
            try catching {
                let x = Tensor(example.input, shape: example.shape, device: device).requiresGrad_()
                var classless = example.shape
                classless.remove(at: classless.count > 1 ? 1 : 0)
                let target =
                    example.soft.isEmpty
                    ? Tensor(example.hard, shape: classless, device: device)
                    : Tensor(example.soft, shape: example.shape, device: device)
                let loss = Losses.crossEntropy(
                    x, target, weight: example.weight.isEmpty ? nil : Tensor(example.weight, device: device),
                    ignoreIndex: example.ignore, reduction: example.reduction, labelSmoothing: example.smoothing)
                #expect(difference([Double](loss), example.loss) < accuracy, "case \(i): \(example)")
                loss.backward(gradient: Tensor(example.seed, shape: loss.shape, device: device))
                let gradient = [Double](try #require(x.grad))
                #expect(difference(gradient, example.gradient) < accuracy, "case \(i): \(example), got \(gradient)")
            }
        }
    }

    /// The loss, learning rates and missing gradient of make_values.py.
    private func steps(_ example: OptimizerCase, _ dtype: DType, on device: Device) throws -> [[Double]] {
        try catching {
            let p = Tensor(Values.first, dtype: dtype, device: device).requiresGrad_()
            let q = Tensor(Values.second, shape: [2, 2], dtype: dtype, device: device).requiresGrad_()
            let optimizer = example.optimizer([p, q], lr: 0.1)
            return try example.values.indices.map { step in
                if step == 4 { optimizer.lr = 0.025 }
                optimizer.zeroGrad()
                var loss = ((p - 1).square() * p).sum()
                if step != 2 { loss = loss + (q * q * q).sum() + p.sum() * q.sum() }
                loss.backward()
                try optimizer.step()
                return try p.detach().doubles() + q.detach().doubles()
            }
        }
    }

    @Test(arguments: Values.optimizers, devices)
    func optimizers(_ example: OptimizerCase, on device: Device) throws {
        #expect(example.values.count == 6)
        for (found, right) in zip(try steps(example, .float64, on: device), example.values) {
            #expect(difference(found, right) < accuracy)
        }
        // In float32 six steps of some ten roundings each, on numbers about 1; Adam's quotient m/√v doubles them.
        for (found, right) in zip(try steps(example, .float32, on: device), example.values) {
            #expect(difference(found, right) < 128 * 0x1p-24)
        }
    }
}
