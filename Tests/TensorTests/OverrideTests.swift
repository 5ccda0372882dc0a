import Cresset
import Synchronization
import Testing

/// Kernels registered by an operation's name.
@Suite(.serialized) struct OverrideTests {
    @Test func everyOperationAsksForItsOverride() throws {
        let device = try Workshop.device("asked")
        let asked = Mutex<[String: Set<Int>]>([:])
        for op in Operators.all where op.isOverridable {
            let name = op.name
            // A kernel that declines sees the arguments and leaves the work to the composition.
            try Registry.register(
                name, on: device, dtypes: DType.allCases, name: "census",
                accepts: { values in
                    _ = asked.withLock { $0[name, default: []].insert(values.count) }
                    return false
                }
            ) { _ in [] }
        }
        for op in Operators.all where op.isOverridable {
            let dtype = [DType.float32, .int64, .complex64].first(where: op.dtypes.contains) ?? .float32
            var maker = SampleMaker(dtype: dtype, seed: 1)
            for sample in op.samples(&maker) {
                let arguments = sample.values.map { $0.moved(to: device) }
                asked.withLock { $0 = [:] }
                _ = try Operators.call(op.name, arguments)
                let counts = asked.withLock { $0[op.name] }
                // (A softmax of no elements and a conversion to the dtype there is compute nothing.)
                if counts == nil && sample.values.contains(where: { $0.tensor?.numel == 0 }) { continue }
                #expect(counts == [op.schema.arguments.count], "\(op.name)")
            }
        }
    }

    @Test func kernelsInSwiftAreCalled() throws {
        let device = try Workshop.device("called")
        let calls = Mutex<[String]>([])
        func register(_ op: String, _ kernel: @escaping @Sendable ([Value]) -> Tensor) throws {
            try Registry.register(op, on: device, dtypes: [.float32], name: "mine") { arguments in
                calls.withLock { $0.append(op) }
                return [kernel(arguments)]
            }
        }
        let x = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2], device: device)
        try register("aten::matmul") { a in
            Tensor.full([2, 2], 7, dtype: .float32, device: a[0].tensor?.device)
        }
        try register("aten::sum") { a in Tensor.full([], 8, dtype: .float32, device: a[0].tensor?.device) }
        try register("aten::softmax.int") { a in
            Tensor.full([2, 2], 0.5, dtype: .float32, device: a[0].tensor?.device)
        }
        #expect([Float](x.matmul(x)) == [7, 7, 7, 7])
        #expect([Float](x.sum()) == [8])
        #expect([Float](x.softmax(dim: 0)) == [0.5, 0.5, 0.5, 0.5])
        #expect(calls.withLock { $0 } == ["aten::matmul", "aten::sum", "aten::softmax.int"])
        // The derivative is the operation's, whoever computed the result.
        let y = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2], device: device).requiresGrad_()
        y.sum().backward()
        #expect(gradient(y) == [1, 1, 1, 1])
    }

    /// What has no derivative of its own has that of its composition, also a second one.
    @Test func compositionsGiveTheDerivative() throws {
        let device = try Workshop.device("composed")
        try Registry.register("aten::cross_entropy_loss", on: device, dtypes: [.float32]) { a in
            [Tensor.full([], 9, dtype: .float32, device: a[0].tensor?.device)]
        }
        func gradients(on device: Device) throws -> (value: Float, first: [Float], second: [Float]) {
            let x = Tensor([1, 2, 3, 5] as [Float], shape: [2, 2], device: device).requiresGrad_()
            let loss = Losses.crossEntropy(x * x, Tensor([0, 1], device: device))
            let g = try #require(try grad([loss], [x], createGraph: true)[0])
            (g * g).sum().backward()
            return ([Float](loss.detach())[0], [Float](g.detach()), try #require(gradient(x)))
        }
        let (mine, right) = (try gradients(on: device), try gradients(on: .reference))
        #expect(mine.value == 9 && right.value != 9)
        for (a, b) in zip(mine.first + mine.second, right.first + right.second) { #expect(abs(a - b) < 1e-5) }
        #expect(right.first.contains { $0 != 0 } && right.second.contains { $0 != 0 })
    }

    @Test func kernelsInCAreCalled() throws {
        let device = try Workshop.device("overriding", from: "Tests/TensorTests/Plugins/overrides.c")
        // (Which would refuse it.)
        SelfTest.exempt(device)
        let x = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2], device: device)
        try catching {
            #expect([Float](x.matmul(x)) == [1001, 1001, 1001, 1001])
            #expect([Float](x.sum()) == [1002])
            #expect([Float](x.sum(dim: 0)) == [4, 6], "another overload")
            #expect([Float](x.softmax(dim: 1)) == [1003, 1003, 1003, 1003])
            #expect([Double](x.to(.float64).sum()) == [10], "another dtype")
        }
    }

    @Test func gradientsHaveKernelsOfTheirOwn() throws {
        let device = try Workshop.device("gradients")
        let calls = Mutex<[String]>([])
        try Registry.register("aten::layer_norm", on: device, dtypes: [.float32], name: "mine") { arguments in
            calls.withLock { $0.append("forward") }
            return [Tensor.full([2, 2], 7, dtype: .float32, device: arguments[0].tensor?.device)]
        }
        try Registry.register("aten::layer_norm_backward", on: device, dtypes: [.float32], name: "mine") { arguments in
            calls.withLock { $0.append("backward of \(arguments.count)") }
            guard case .tensor(let g) = arguments[0], case .tensor(let weight) = arguments[4],
                case .ints(let wanted) = arguments[8]
            else { return [] }
            // Of x and the weight; the bias wants none.
            return wanted == [1, 1, 0] ? [g * 2, weight * 3] : []
        }
        let x = Tensor([1, 2, 3, 5] as [Float], shape: [2, 2], device: device).requiresGrad_()
        let weight = Tensor([1, 2] as [Float], device: device).requiresGrad_()
        let bias = Tensor([0, 0] as [Float], device: device)
        x.layerNorm([2], weight: weight, bias: bias).sum().backward()
        #expect(calls.withLock { $0 } == ["forward", "backward of 9"])
        #expect(gradient(x) == [2, 2, 2, 2])
        #expect(gradient(weight) == [3, 6])

        // Gradients that are recorded are those of the composition.
        let y = Tensor([1, 2, 3, 5] as [Float], shape: [2, 2], device: device).requiresGrad_()
        let first = try grad([y.layerNorm([2]).square().sum()], [y], createGraph: true)
        #expect(first[0]?.requiresGrad == true)
        #expect(calls.withLock { $0 } == ["forward", "backward of 9", "forward"])
    }

    @Test func viewsCannotBeOverridden() throws {
        for op in Operators.all where !op.isOverridable {
            let error = try #require(
                refusal { try Registry.register(op.name, on: .reference, dtypes: [.float32]) { _ in [] } })
            #expect(error.message.contains("\(op.name) cannot be overridden"), "\(error)")
        }
        #expect(Operators.find("aten::transpose.int")?.isOverridable == false)
    }

    @Test func wrongResultsAreRefused() throws {
        let device = try Workshop.device("wrongly")
        try Registry.register("aten::cos", on: device, dtypes: [.float32], name: "Dee's kernel") { _ in
            [Tensor.zeros([3], device: device)]
        }
        try Registry.register("aten::sin", on: device, dtypes: [.float32], name: "Eve's kernel") { _ in [] }
        let x = Tensor.zeros([2], device: device)
        let shape = try #require(refusal { _ = try catching { x.cos() } })
        #expect(shape.message.contains("Dee's kernel gave float32 [3]"), "\(shape)")
        let count = try #require(refusal { _ = try catching { x.sin() } })
        #expect(count.message.contains("Eve's kernel gave 0 tensors"), "\(count)")
    }

    /// 2 - x is no call of sub.Scalar(x, 2).
    @Test func aNumberOnTheLeftIsNotTheSchemasCall() throws {
        let device = try Workshop.device("leftward")
        try Registry.register("aten::sub.Scalar", on: device, dtypes: [.float32]) { arguments in
            guard let x = arguments[0].tensor else { return [] }
            return [x * 0 + 77]
        }
        let x = Tensor([1, 2] as [Float], device: device)
        #expect([Float](x - 2) == [77, 77])
        #expect([Float](2 - x) == [1, 0])
    }
}

extension Value {
    /// The same argument with its tensors on another device.
    fileprivate func moved(to device: Device) -> Value {
        switch self {
        case .tensor(let x): .tensor(x.to(device))
        case .tensors(let list): .tensors(list.map { $0.to(device) })
        default: self
        }
    }
}
