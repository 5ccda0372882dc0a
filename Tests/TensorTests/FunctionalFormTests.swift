import Cresset
import Testing

/// What is made of other operations and has no declaration of its own; the numbers are PyTorch's.
@Suite struct FunctionalFormTests {
    /// Numbers that look like none in particular: ((7·i mod 11) - 5)/4.
    private static func numbers(_ shape: Shape) -> Tensor {
        make((0..<shape.reduce(1, *)).map { Float($0 * 7 % 11 - 5) / 4 }, shape)
    }
    private static func numbers(_ count: Int, _ factor: Int, _ mod: Int, _ less: Int, _ over: Float) -> [Float] {
        (0..<count).map { Float($0 * factor % mod - less) / over }
    }
    private func close(_ x: Tensor, _ right: [Float], _ tolerance: Float = 2e-5) -> Bool {
        let got = elements(x)
        return got.count == right.count
            && zip(got, right).allSatisfy { abs($0 - $1) <= tolerance || $0.isNaN && $1.isNaN }
    }

    @Test func powerPoolingIsPyTorchs() {
        let x = Self.numbers([1, 2, 12])
        let right: [Float] = [
            1.436141, 1.369306, 1.274755, 1.414214, 1.274755, 1.561249, 1.436141, 1.47902, 1.25, 1.25, 1.47902,
            1.648863,
        ]
        #expect(close(x.lpPool1d(2, 3, stride: 2, ceilMode: true), right))
        let image = x.reshape([1, 2, 3, 4])
        #expect(close(image.lpPool2d(3, 2), [.nan, 1.414163, 0.833055, 0.989473]))
        #expect(close(image.lpPool2d(1, [2, 3], stride: 1), [-0.75, 1.5, 0, -0.5, 1.5, 1, -0.5, -1]))
        #expect(refusal { _ = try catching { x.lpPool1d(0, 3) } }?.message.contains("must not be 0") == true)
    }

    @Test func activationsArePyTorchs() {
        let x = Self.numbers([24]).reshape([4, 6]).narrow(0, 0, 2)
        let rows: [Float] = [
            -0.606339, 0.242536, -0.242536, 0.606339, 0.121268, -0.363803, 0.488678, 0, -0.488678, 0.366508, -0.122169,
            -0.610847,
        ]
        #expect(close(x.normalize(dim: 1), rows))
        let columns: [Float] = [
            -0.555556, 1, -0.333333, 0.625, 0.5, -0.375, 0.444444, 0, -0.666667, 0.375, -0.5, -0.625,
        ]
        #expect(close(x.normalize(p: 1, dim: 0), columns))
        let z = Self.numbers([4])
        #expect(close(z.softmin(dim: 0), [0.578628, 0.100551, 0.273325, 0.047497]))
        #expect(close(z.softsign(), [-0.555556, 0.333333, -0.333333, 0.555556]))
        #expect(close(z.tanhshrink(), [-0.401716, 0.037883, -0.037883, 0.401716]))
    }

    @Test func lossesArePyTorchs() {
        let rows = Self.numbers([6, 4])
        let (a, b, c) = (rows.narrow(0, 0, 2), rows.narrow(0, 2, 2), rows.narrow(0, 4, 2))
        let plain = Losses.tripletMarginWithDistanceLoss(anchor: a, positive: b, negative: c, reduction: .none)
        #expect(close(plain, [1.126311, 0]))
        let own = Losses.tripletMarginWithDistanceLoss(
            anchor: a, positive: b, negative: c, distance: { ($0 - $1).abs().sum(dim: [-1]) }, margin: 2, swap: true,
            reduction: .none)
        #expect(close(own, [4.25, 0]))
        let target = Tensor([1, 4] as [Int64], device: .reference)
        #expect(close(Losses.linearCrossEntropy(a, rows.narrow(0, 0, 5), target), [4.150959]))
        let biased = Losses.linearCrossEntropy(
            a, rows.narrow(0, 0, 5), target, bias: make([0, 0.2, 0.4, 0.6, 0.8]), reduction: .sum, labelSmoothing: 0.1)
        #expect(close(biased, [7.56727]))
    }

    @Test func maximaGoBackToTheirPlaces() {
        let x = Self.numbers([1, 2, 12])
        let (values, indices) = x.maxPool1dWithIndices(3, stride: 2)
        #expect(values.maxUnpool1d(indices, 3, stride: 2).shape == [1, 2, 11])
        let right: [Float] = [
            0, 0.5, 0, 1.25, 0, 0, 1, 0, 0, 0.75, 0, 0, 0, 0, 1.25, 0, 0, 1, 0, 0, 0.75, 0, 0, 0,
        ]
        #expect(elements(values.maxUnpool1d(indices, 3, stride: 2, outputSize: [12])) == right)
        let wrong = refusal { _ = try catching { values.maxUnpool1d(indices, 3, stride: 2, outputSize: [13]) } }
        #expect(wrong?.message.contains("less than the stride") == true)
    }

    @Test func headsAttendAsPyTorchs() throws {
        let q = make(Self.numbers(12, 5, 7, 3, 3), [3, 1, 4])
        let k = make(Self.numbers(16, 3, 5, 2, 2), [4, 1, 4])
        var w = AttentionProjections(
            inProjWeight: make(Self.numbers(48, 11, 13, 6, 10), [12, 4]),
            inProjBias: make(Self.numbers(12, 1, 5, 2, 5)),
            outProjWeight: make(Self.numbers(16, 3, 7, 3, 5), [4, 4]), outProjBias: make([0, 0.1, 0.2, 0.3]))
        let hidden = Tensor([false, true, false, false], device: .reference)
        let mask = Tensor(
            [false, true, false, false, false, false, false, true, true, false, false, false], shape: [3, 4],
            device: .reference)
        let (plain, none) = q.select(1, 0).multiHeadAttention(
            k.select(1, 0), k.select(1, 0), numHeads: 2, w, attnMask: mask,
            options: AttentionOptions(needWeights: false))
        #expect(none == nil)
        let right: [Float] = [
            -0.398062, 0.452064, 0.251976, 0.416645, -0.511166, 0.131023, 0.385751, 0.570429, -0.044883, 0.041647,
            0.458185, 0.635292,
        ]
        #expect(close(plain, right))
        w.bias = (make([0.1, 0.2, -0.3, 0.4], [1, 1, 4]), make([0.5, -0.2, 0.3, 0], [1, 1, 4]))
        let added = make([0, 0, 0, -1, 0, 0.5, 0, 0, 0, 0, -2, 0], [3, 4])
        let (out, weights) = q.multiHeadAttention(
            k, k, numHeads: 2, w, keyPaddingMask: hidden.unsqueeze(0), attnMask: added,
            options: AttentionOptions(addZeroAttn: true))
        let outRight: [Float] = [
            -0.235116, 0.326154, 0.193228, 0.289699, -0.418891, 0.370949, 0.205298, 0.317577, -0.369534, 0.37937,
            0.176653, 0.253771,
        ]
        let weightsRight: [Float] = [
            0.254423, 0, 0.225973, 0.099248, 0.208757, 0.211599, 0.359829, 0, 0.171163, 0.121525, 0.149291, 0.198191,
            0.233736, 0, 0.030756, 0.194473, 0.270297, 0.270739,
        ]
        #expect(close(out, outRight))
        #expect(close(try #require(weights), weightsRight))
    }

    /// Behind a log_softmax the gradient is that of the loss, whatever sees the logarithms themselves.
    @Test func gradientsOfCTCAreRightBehindLogSoftmax() throws {
        let targets = Tensor([1, 2, 2, 3, 1, 0, 0, 0] as [Int64], shape: [2, 4], device: .reference)
        func loss(_ x: Tensor) -> Tensor {
            Losses.ctcLoss(
                x.logSoftmax(dim: 2), targets, inputLengths: [5, 4], targetLengths: [3, 1], reduction: .sum)
        }
        let values = (0..<40).map { Double($0 * 7 % 11 - 5) / 4 }
        let x = Tensor(values, shape: [5, 2, 4], device: .reference).requiresGrad_()
        loss(x).backward()
        let gradient = try #require(x.grad).doubles()
        for i in [0, 7, 13, 22, 29, 38] {
            func at(_ step: Double) -> Double {
                var moved = values
                moved[i] += step
                return loss(Tensor(moved, shape: [5, 2, 4], device: .reference)).item()
            }
            #expect(abs(gradient[i] - (at(1e-5) - at(-1e-5)) / 2e-5) < 1e-7)
        }
    }

    @Test func lowRanksAreFound() {
        let a = Self.numbers([6, 2]).matmul(Self.numbers([2, 5]))
        let (u, s, v) = linalg.svdLowrank(a, q: 3, stream: RandomStream(seed: 3))
        #expect(u.shape == [6, 3] && s.shape == [3] && v.shape == [5, 3])
        #expect((u * s).matmul(v.t()).allclose(a, rtol: 1e-4, atol: 1e-4))
        let (_, wide, _) = linalg.svdLowrank(a.t(), q: 2)
        #expect(wide.allclose(s.narrow(0, 0, 2), rtol: 1e-4))
        let (_, principal, _) = linalg.pcaLowrank(a, q: 2)
        let centred = linalg.svdvals(a - a.mean(dim: [0], keepdim: true))
        #expect(principal.allclose(centred.narrow(0, 0, 2), rtol: 1e-3))
    }

    @Test func questionsAreAnswered() throws {
        let x = make([1, 2, 3, 4], [2, 2])
        #expect(Tensor.resultType(Tensor([1] as [Int64], device: .reference), 1.5) == .float32)
        #expect(DType.promote(.uint8, .int8) == .int16 && DType.promote(.float16, .bfloat16) == .float32)
        #expect(
            DType.int64.canCast(to: .float16) && !DType.float32.canCast(to: .int64) && DType.bool.canCast(to: .bool))
        #expect(try Shape.broadcast([3, 1], [4], []) == [3, 4])
        #expect(refusal { _ = try Shape.broadcast([3], [4]) }?.message.contains("do not broadcast") == true)
        #expect(x.tolist() == .list([.list([.number(1.0), .number(2.0)]), .list([.number(3.0), .number(4.0)])]))
        let places = Tensor.unravelIndex(Tensor([5, 23, 0] as [Int64], device: .reference), [2, 3, 4])
        #expect(places.map { [Int64]($0) } == [[0, 1, 0], [1, 2, 0], [1, 3, 0]])
        #expect(x.elementSize == 4 && x.isSigned && !x.to(.uint8).isSigned && x.nelement == 4 && x.ndimension == 2)
        #expect(Tensor.emptyPermuted([2, 3, 4], [2, 0, 1], device: .reference).strides == [3, 1, 6])
        #expect([Float](Tensor.range(1, 2, step: 0.5, device: .reference)) == [1, 1.5, 2])
    }
}
