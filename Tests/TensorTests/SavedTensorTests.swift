import Cresset
import Synchronization
import Testing

private func vector(_ values: [Double]) -> Tensor { Tensor(values, device: .reference) }

/// What is kept for backward, by whom, and for how long.
@Suite struct SavedTensorTests {
    @Test func hooksKeepWhatIsSaved() throws {
        let x = vector([1, 2]).requiresGrad_()
        let packed = Mutex([Shape]())
        let y = withSavedTensorHooks(
            pack: { tensor -> [Double] in
                packed.withLock { $0.append(tensor.shape) }
                return (try? tensor.doubles()) ?? []
            }, unpack: { vector($0) * 10 }
        ) { x.exp() }
        #expect(packed.withLock { $0 } == [[2]])
        y.sum().backward()
        let e = try y.doubles()
        #expect(try x.grad?.doubles() == e.map { $0 * 10 })
        // Outside nothing is packed.
        x.exp().sum().backward()
        #expect(packed.withLock { $0.count } == 1)
    }

    @Test func unpackedTensorsHaveTheirPlaceInTheGraph() throws {
        let x = vector([0.5, 2]).requiresGrad_()
        func f(_ inputs: [Tensor]) -> [Tensor] {
            withSavedTensorHooks(pack: { $0.clone() }, unpack: { $0 }) {
                [(inputs[0] * inputs[0]).exp(), inputs[0].sin() / inputs[0]]
            }
        }
        try gradcheck(f, [x])
        try gradgradcheck(f, [x])
    }

    @Test func aWrongUnpackIsNamed() throws {
        let x = vector([1, 2]).requiresGrad_()
        let y = withSavedTensorHooks(pack: { $0 }, unpack: { $0.sum() }) { x.exp() }
        let error = #expect(throws: CressetError.self) { try catching { y.sum().backward() } }
        #expect(error?.op == "aten::exp")
        #expect(error?.message.contains("float64 [2]") == true && error?.message.contains("float64 []") == true)
    }

    @Test func tensorsMayBeSavedElsewhere() throws {
        let x = Tensor([1.0, 2, 3] as [Float], device: .cpu).requiresGrad_()
        let y = saveTensors(on: .reference) { (x * x).exp().sum() }
        y.backward()
        let plain = Tensor([1.0, 2, 3] as [Float], device: .cpu).requiresGrad_()
        (plain * plain).exp().sum().backward()
        #expect(try x.grad?.doubles() == plain.grad?.doubles())
        #expect(x.grad?.device == .cpu)
    }
}

@Suite(.serialized) struct CheckpointTests {
    private func block(_ w: Tensor) -> (Tensor) -> Tensor { { ($0.matmul(w)).tanh() * 2 } }
    private func numbers(_ shape: Shape, _ seed: Int) -> Tensor {
        Tensor(
            (0..<shape.elementCount).map { 0.1 * Double(($0 * 7 + seed * 13) % 19) - 0.9 }, shape: shape,
            device: .reference)
    }

    @Test func gradientsAreThoseOfThePlainCall() throws {
        let weights = (0..<4).map { numbers([3, 3], $0).requiresGrad_() }
        func gradients(_ run: (Tensor) -> Tensor) throws -> [[Double]] {
            let x = numbers([2, 3], 9).requiresGrad_()
            for w in weights { w.grad = nil }
            run(x).sum().backward()
            return try ([x] + weights).map { try #require(try $0.grad?.doubles()) }
        }
        let chain = weights.map(block)
        let plain = try gradients { x in chain.reduce(x) { $1($0) } }
        #expect(try gradients { x in checkpoint(x) { x in chain.reduce(x) { $1($0) } } } == plain)
        #expect(try gradients { checkpoint(chain: chain, segments: 2, $0) } == plain)
        // A checkpoint within one.
        #expect(
            try gradients { x in
                checkpoint(x) { x in checkpoint(chain[0](x)) { chain[2](chain[1]($0)) } }.matmul(weights[3]).tanh() * 2
            } == plain)
    }

    @Test func nothingButInputsIsKept() throws {
        let count = Mutex(0)
        let x = numbers([2, 3], 1).requiresGrad_()
        let before = try Device.reference.memoryStatistics.liveBytes
        // Each of the 64 steps saves a result of 2 MB unless it is computed anew.
        let big = numbers([1, 256 * 1024], 2).requiresGrad_()
        let y = checkpoint(big) { big in
            count.withLock { $0 += 1 }
            return (0..<16).reduce(big) { y, _ in y.sin() }.sum()
        }
        let held = try Device.reference.memoryStatistics.liveBytes - before
        #expect(held < 6 << 20, "\(held) bytes are held: the input alone has 2 MiB")
        #expect(count.withLock { $0 } == 1)
        y.backward()
        #expect(count.withLock { $0 } == 2)
        #expect(x.grad == nil && big.grad != nil)
    }

    @Test func randomNumbersAreDrawnAgain() throws {
        manualSeed(3)
        let x = vector([Double](repeating: 1, count: 100)).requiresGrad_()
        let y = checkpoint(x) { $0 * Tensor.rand([100], dtype: .float64, device: .reference) * $0 }
        let next = Tensor.rand([4], device: .reference)
        y.sum().backward()
        let after = Tensor.rand([4], device: .reference)
        // y = x²·u at x = 1, so the gradient is 2·y; and the stream goes on where it was.
        #expect(try x.grad?.doubles() == y.doubles().map { 2 * $0 })
        #expect(try next.doubles() != after.doubles())
        manualSeed(3)
        _ = Tensor.rand([100], dtype: .float64, device: .reference)
        #expect(try Tensor.rand([4], device: .reference).doubles() == next.doubles())
        #expect(try Tensor.rand([4], device: .reference).doubles() == after.doubles())
    }

    @Test func secondDerivativesAndSecondPasses() throws {
        let x = vector([0.5, 1.5]).requiresGrad_()
        func f(_ inputs: [Tensor]) -> [Tensor] { [checkpoint(inputs[0]) { ($0 * $0).sin().exp() }] }
        try gradcheck(f, [x])
        try gradgradcheck(f, [x])
        let y = f([x])[0].sum()
        y.backward(retainGraph: true)
        y.backward()
        let once = try #require(try grad([f([x])[0].sum()], [x])[0])
        #expect(try x.grad?.doubles() == (once * 2).doubles())
    }

    @Test func aFunctionThatDoesSomethingElseIsFound() throws {
        let calls = Mutex(0)
        let x = vector([1, 2]).requiresGrad_()
        let y = checkpoint(x) { x in
            calls.withLock { $0 += 1 }
            return calls.withLock { $0 } == 1 ? x.exp() : x.exp().sin()
        }
        let error = #expect(throws: CressetError.self) { try catching { y.sum().backward() } }
        #expect(error?.message.contains("1 tensors were saved, and 2 are") == true)
    }
}

@Suite struct AnomalyTests {
    @Test func theLineOfTheOperationWhoseBackwardMadeNaN() throws {
        let x = vector([0, 4]).requiresGrad_()
        var line = 0
        func run() {
            let y = x * 1
            line = #line + 1
            let square = y * y
            (square.sqrt() * 2).sum().backward()
        }
        let error = #expect(throws: CressetError.self) { try catching { detectAnomaly { run() } } }
        // ∂√u/∂u is infinite at u = 0, and 0·∞ is no number.
        #expect(error?.op == "aten::mul.Tensor")
        #expect(error?.message.contains("NaN in the gradient of input 0") == true)
        #expect(error?.message.contains("SavedTensorTests.swift:\(line)") == true, "\(error?.message ?? "")")
        // Without it nothing is said.
        (x * x).sqrt().sum().backward()
        #expect(try x.grad?.doubles()[0].isNaN == true)
    }

    @Test func errorsOfBackwardTellTheLine() throws {
        let x = vector([1, 4]).requiresGrad_()
        var line = 0
        var location: String?
        func run() {
            line = #line + 1
            let y = x.exp()
            location = y.gradFn?.location
            y.add_(1)
            y.sum().backward()
        }
        let error = #expect(throws: CressetError.self) { try catching { detectAnomaly(checkNaN: false) { run() } } }
        #expect(location == "SavedTensorTests.swift:\(line)")
        #expect(error?.message.contains("SavedTensorTests.swift:\(line)") == true, "\(error?.message ?? "")")
        #expect((x * 2).gradFn?.location == nil)
    }
}
