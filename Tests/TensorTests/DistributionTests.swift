import Cresset
import Testing

/// That what is drawn has the distribution it should; that the bits are equal everywhere says the suite.
@Suite struct DistributionTests {
    private static func values(_ x: Tensor) -> [Double] { (try? x.doubles()) ?? [] }

    /// Mean and variance within five standard deviations of what `count` draws have.
    private static func has(
        _ x: [Double], mean: Double, variance: Double, kurtosis: Double = 3
    ) -> Bool {
        let n = Double(x.count)
        let m = x.reduce(0, +) / n
        let v = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
        return abs(m - mean) < 5 * (variance / n).squareRoot()
            && abs(v - variance) < 5 * variance * ((kurtosis - 1) / n).squareRoot()
    }
    private static func filled(_ count: Int, _ fill: (Tensor, RandomStream) -> Tensor) -> [Double] {
        values(fill(Tensor.empty([count], device: .reference), RandomStream(seed: 11)))
    }

    @Test func distributionsHaveTheirMoments() {
        let n = 20_000
        #expect(Self.has(Self.filled(n) { $0.bernoulli_(0.3, stream: $1) }, mean: 0.3, variance: 0.21, kurtosis: 1.77))
        #expect(Self.has(Self.filled(n) { $0.exponential_(2, stream: $1) }, mean: 0.5, variance: 0.25, kurtosis: 9))
        #expect(Self.has(Self.filled(n) { $0.geometric_(0.4, stream: $1) }, mean: 2.5, variance: 3.75, kurtosis: 9.27))
        #expect(
            Self.has(
                Self.filled(n) { $0.logNormal_(0, 0.25, stream: $1) }, mean: 1.0317, variance: 0.06864, kurtosis: 4.1))
        #expect(Self.has(Self.filled(n) { $0.random_(-3, 7, stream: $1) }, mean: 1.5, variance: 8.25, kurtosis: 1.8))
        let cauchy = Self.filled(n) { $0.cauchy_(1, 2, stream: $1) }.sorted()
        // Its quartiles lie σ from the median; they are normal with deviation 1/(2·f·√n) and more.
        #expect(abs(cauchy[n / 2] - 1) < 0.12 && abs(cauchy[n / 4] + 1) < 0.25 && abs(cauchy[3 * n / 4] - 3) < 0.25)
        let tensors = Self.values(
            .normal(
                .full([n], 3.0, device: .reference), .full([n], 2.0, device: .reference), stream: RandomStream(seed: 2))
        )
        #expect(Self.has(tensors, mean: 3, variance: 4))
    }

    @Test(arguments: [0.0, 0.7, 6.0, 11.0, 300.0])
    func countsOfEventsHaveTheirMoments(_ rate: Double) {
        let x = Self.values(
            Tensor.full([3000], .double(rate), dtype: .float64, device: .reference).poisson(
                stream: RandomStream(seed: 4)))
        #expect(x.allSatisfy { $0 >= 0 && $0 == $0.rounded() })
        #expect(rate == 0 ? x.allSatisfy { $0 == 0 } : Self.has(x, mean: rate, variance: rate, kurtosis: 3 + 1 / rate))
    }

    @Test(arguments: [(12.0, 0.25), (12.0, 0.9), (100.0, 0.4), (400.0, 0.97), (5.0, 0.0), (5.0, 1.0)])
    func successesHaveTheirMoments(_ n: Double, _ p: Double) {
        let x = Self.values(
            .binomial(
                .full([3000], .double(n), dtype: .float64, device: .reference),
                .full([3000], .double(p), dtype: .float64, device: .reference), stream: RandomStream(seed: 5)))
        let variance = n * p * (1 - p)
        #expect(x.allSatisfy { $0 >= 0 && $0 <= n && $0 == $0.rounded() })
        let kurtosis = variance == 0 ? 3 : 3 + (1 - 6 * p * (1 - p)) / variance
        #expect(
            variance == 0
                ? x.allSatisfy { $0 == n * p } : Self.has(x, mean: n * p, variance: variance, kurtosis: kurtosis))
    }

    @Test func indicesFollowTheirWeights() throws {
        let weights = Tensor([0.0, 1, 3, 1e-30, 4], device: .reference).to(.float32)
        let drawn = [Int64](weights.multinomial(8000, replacement: true, stream: RandomStream(seed: 6)))
        for (i, share) in [0.0, 0.125, 0.375, 0, 0.5].enumerated() {
            let got = Double(drawn.filter { $0 == i }.count) / 8000
            #expect(abs(got - share) <= 5 * (share * (1 - share) / 8000).squareRoot(), "\(i)")
        }
        // Without replacement each row names each index once, the heavy ones first.
        let rows = weights.expand([500, 5]).multinomial(3, stream: RandomStream(seed: 7))
        let first = [Int64](rows.select(1, 0))
        let share = Double(first.filter { $0 == 4 }.count) / 500
        #expect(abs(share - 0.5) < 5 * (0.25 / 500).squareRoot())
        let all = [Int64](rows)
        #expect((0..<500).allSatisfy { Set(all[3 * $0..<3 * $0 + 3]) == [1, 2, 4] })
    }

    @Test func dropoutKeepsTheMoments() {
        let x = Tensor.randn([20_000], device: .reference, stream: RandomStream(seed: 8))
        let dropped = Self.values((x * 0 + 1).dropout(0.25, stream: RandomStream(seed: 9)))
        #expect(Self.has(dropped, mean: 1, variance: 1.0 / 3, kurtosis: 2.3))
        #expect(
            Self.has(Self.values(x.alphaDropout(0.3, stream: RandomStream(seed: 9))), mean: 0, variance: 1, kurtosis: 4)
        )
        let features = Tensor.ones([50, 40, 3], device: .reference).featureDropout(0.5, stream: RandomStream(seed: 1))
        let sums = Self.values(features.sum(dim: [2]))
        #expect(sums.allSatisfy { $0 == 0 || $0 == 6 } && sums.contains(0) && sums.contains(6))
        let (result, mask) = (x * 0 + 1).nativeDropout(0.5, stream: RandomStream(seed: 3))
        #expect(elements(result) == elements(mask.float() * 2))
        let slopes = Self.values((x * 0 - 1).rrelu(lower: 0.1, upper: 0.3, training: true))
        #expect(slopes.allSatisfy { -0.3 <= $0 && $0 <= -0.1 })
        let hard = Self.values(x.reshape([2000, 10]).gumbelSoftmax(hard: true))
        #expect(hard.allSatisfy { abs($0) < 1e-6 || abs($0 - 1) < 1e-6 } && abs(hard.reduce(0, +) - 2000) < 1e-2)
    }

    @Test func aThreadHasItsOwnStream() {
        let once = withRandomStream(RandomStream(seed: 21)) { [Float](Tensor.rand([5], device: .reference)) }
        let again = withRandomStream(RandomStream(seed: 21)) {
            withRandomStream(RandomStream(seed: 1)) { _ = Tensor.rand([3], device: .reference) }
            return [Float](Tensor.rand([5], device: .reference))
        }
        #expect(once == again)
        #expect(once == [Float](Tensor.rand([5], device: .reference, stream: RandomStream(seed: 21))))
    }

    @Test func boundsOfIntegersAreKept() throws {
        let bytes = Tensor.empty([4000], dtype: .uint8, device: .reference).random_(stream: RandomStream(seed: 1))
        let values = Self.values(bytes)
        #expect(values.min() == 0 && values.max() == 255)
        let long = Tensor.empty([2000], dtype: .int64, device: .reference)
        #expect([Int64](long.random_(stream: RandomStream(seed: 2))).allSatisfy { $0 >= 0 })
        #expect([Int64](long.random_(.min, nil, stream: RandomStream(seed: 2))).contains { $0 < 0 })
        #expect(
            refusal { _ = try catching { bytes.random_(0, 300) } }?.message.contains("beyond what uint8 holds") == true)
        #expect(refusal { _ = try catching { bytes.uniform_() } }?.kind == .dtype)
        #expect(refusal { _ = try catching { make([1]).normal_(0, -1) } }?.kind == .argument)
    }
}
