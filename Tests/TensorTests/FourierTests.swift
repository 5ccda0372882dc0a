import Cresset
import Testing

@Suite struct FourierTests {
    /// Lengths of every kind: powers of two, mixed, prime, and primes too large for the library.
    @Test(arguments: [1, 2, 5, 8, 12, 61, 67, 101, 128, 202])
    func transformsAreTheirDefinition(_ n: Int) throws {
        let x = Tensor.randn([2, n], dtype: .float64, stream: RandomStream(seed: UInt64(n)))
        // exp(-2πi·jk/n), the angle reduced first.
        let places = Tensor.arange(.int(Int64(n)))
        let products = places.unsqueeze(1).mul(places).remainder(.int(Int64(n))).to(.float64)
        let turns = products * Scalar(-2 * Double.pi / Double(n))
        let matrix = Tensor.polar(Tensor.onesLike(turns), turns)
        let right = x.to(.complex128).matmul(matrix)
        #expect(difference(fft.fft(x), right) < 1e-12)
        #expect(difference(fft.rfft(x), right.narrow(1, 0, n / 2 + 1)) < 1e-12)
        #expect(difference(fft.ifft(right), x.to(.complex128)) < 1e-13)
        #expect(difference(fft.irfft(fft.rfft(x), n: n), x) < 1e-13)
        #expect(difference(fft.hfft(fft.ihfft(x), n: n), x) < 1e-13)
    }

    @Test func severalDimsAreOneAfterTheOther() {
        let x = Tensor.randn([3, 4, 6], dtype: .float64, stream: RandomStream(seed: 1))
        #expect(difference(fft.fft2(x), fft.fft(fft.fft(x, dim: -1), dim: -2)) < 1e-13)
        #expect(difference(fft.irfftn(fft.rfftn(x), s: [3, 4, 6]), x) < 1e-14)
        #expect(difference(fft.hfft2(fft.ihfft2(x)), x) < 1e-14)
    }

    @Test func freqsAreThoseOfTheBins() {
        #expect([Double](fft.fftfreq(5, d: 0.5, dtype: .float64)) == [0, 0.4, 0.8, -0.8, -0.4])
        #expect([Double](fft.rfftfreq(4, dtype: .float64)) == [0, 0.25, 0.5])
    }

    @Test func wrongCallsAreRefused() {
        func message(_ body: () -> Tensor) -> String {
            do {
                try catching { _ = body() }
                return "nothing"
            } catch { return "\(error)" }
        }
        let x = Tensor.ones([2, 3])
        #expect(message { fft.fft(x, n: 0) }.contains("needs at least one element, got size 0"))
        #expect(message { fft.fft(x, norm: "half") }.contains("got \"half\""))
        #expect(message { fft.rfft(x.to(.complex64)) }.contains("needs real numbers"))
        #expect(message { fft.fftn(x, dim: [1, -1]) }.contains("appears twice"))
        #expect(message { fft.fft(x.to(.float16)) }.contains("narrow floats"))
        #expect(message { fft.irfft(Tensor.ones([1])) }.contains("gives 0"))
    }

    private func difference(_ x: Tensor, _ y: Tensor) -> Double {
        precondition(x.shape == y.shape && x.dtype == y.dtype)
        return (x - y).abs().max().item()
    }
}
