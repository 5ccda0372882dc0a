import Cresset
import CressetNN
import CressetOptim
import Testing

extension EveryDevice {
    /// Of 1,000 steps of Adam, whose scalars change at each, none after the second compiles a kernel.
    @Test(arguments: [Device.opencl, .vulkan])
    func stepsCompileNothing(on device: Device) throws {
        try catching {
            let stream = RandomStream(seed: 3)
            let model = withDevice(device) { Sequential(Linear(7, 11), Tanh(), Linear(11, 3)) }
            let x = Tensor.randn([13, 7], device: device, stream: stream)
            let y = Tensor.randint(0, 3, [13], device: device, stream: stream)
            // Numbers of this run alone: were they in the kernels' text, no cache on disk would have it.
            let lr = Double.random(in: 0.9e-3...1.1e-3)
            let optimizer = Adam(model.parameters, lr: lr, weightDecay: lr / 10)
            var counts: [Int] = []
            var losses: [Double] = []
            for step in 0..<1000 {
                optimizer.lr = lr * (1 - Double(step) / 1000)
                let loss = Losses.crossEntropy(model(x), y)
                optimizer.zeroGrad()
                loss.backward()
                try optimizer.step()
                if step % 100 == 0 { losses.append(loss.item()) }
                counts.append(try device.compileCount)
            }
            #expect(counts.count == 1000 && counts[1] == counts[999], "\(counts[999] - counts[1]) kernels compiled")
            #expect(losses.last ?? .nan < (losses.first ?? .nan) * 0.9, "it learns: \(losses)")
        }
    }

    /// A program that reads no input is one kernel, whichever way its call takes: the short one, or the general one
    /// that strides of 0 take.
    @Test(arguments: [Device.cpu, .opencl, .vulkan])
    func unreadInputs(on device: Device) throws {
        try catching {
            let x = Tensor([1, -2, 3, -4, 5, -6] as [Float], shape: [2, 3], device: device)
            let sign = Tensor.ones([2, 3], device: device).requiresGrad_()
            let result = x.copysign(sign)
            let ones = Tensor.ones([2, 3], device: device)
            for seed in [ones, Tensor.ones([], device: device).expand([2, 3]), ones] {
                let gradient = try grad([result], [sign], gradOutputs: [seed], retainGraph: true)[0]
                #expect(gradient.map { [Float]($0) } == [0, 0, 0, 0, 0, 0])
            }
        }
    }

    /// Nor does a new size, stride, seed or scalar compile anything.
    @Test(arguments: [Device.opencl, .vulkan])
    func onlyProgramsCompile(on device: Device) throws {
        func run(_ rows: Int, _ columns: Int, _ scale: Double, _ seed: UInt64) throws {
            try catching {
                let x = Tensor.rand([rows, columns], device: device, stream: RandomStream(seed: seed))
                let y = x * Scalar(scale) + x
                _ = [y.t().contiguous(), y.sum(), y.sum(dim: 0), y.matmul(x.t()), y[1..., ..<2].contiguous()]
                try device.synchronize()
            }
        }
        // Each class of layout and size has its kernel once.
        for (i, size) in [(3, 5), (100, 64), (600, 700)].enumerated() { try run(size.0, size.1, 0.5, UInt64(i)) }
        let before = try device.compileCount
        // Numbers of this run alone: were they in the kernels' text, no cache on disk would have it.
        for size in [(4, 7), (111, 65), (650, 701)] {
            try run(
                size.0 + .random(in: 0..<8), size.1 + .random(in: 0..<8), .random(in: 0..<1), .random(in: 0...(.max)))
        }
        #expect(try device.compileCount == before)
    }
}
