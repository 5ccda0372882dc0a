import Cresset
import Testing

/// Pointwise operations as methods: in place, on numbers, on the host; and what the suite cannot ask.
@Suite struct ElementwiseTests {
    private func doubles(_ values: [Double]) -> Tensor { Tensor(values, dtype: .float64, device: .reference) }

    @Test func operationsWithNumbersWorkInPlace() {
        let x = make([-3, -0.25, 0.25, 3])
        x.hardtanh_(minVal: -1, maxVal: 2)
        #expect(elements(x) == [-1, -0.25, 0.25, 2])
        x.lerp_(make([1, 1, 1, 1]), 0.5)
        #expect(elements(x) == [0, 0.375, 0.625, 1.5])
        x.clampMin_(0.5).clamp_(max: make([1, 1, 1, 1]))
        #expect(elements(x) == [0.5, 0.5, 0.625, 1])
        x.addcmul_(make([1, 2, 3, 4]), make([1, 1, 1, 1]), value: 2)
        #expect(elements(x) == [2.5, 4.5, 6.625, 9])
        x.div_(2, roundingMode: .floor)
        #expect(elements(x) == [1, 2, 3, 4])
        x.round_(decimals: -1)
        #expect(elements(x) == [0, 0, 0, 0])
        let n = Tensor([6, -7] as [Int64], device: .reference)
        n.gcd_(Tensor([4, 21] as [Int64], device: .reference)).bitwiseLeftShift_(2)
        #expect([Int64](n) == [8, 28])
    }

    @Test func inPlaceKeepsTheHistory() {
        let x = leaf([-1, 0.5, 2])
        let y = x * 3
        y.elu_(alpha: 2)
        y.sum().backward()
        let expected = [6 * Float(-3).exponential, 3, 3]
        for (a, b) in zip(gradient(x) ?? [], expected) { #expect(abs(a - b) < 1e-5) }
    }

    /// The branch that is not chosen must not spoil the gradient by 0·∞.
    @Test func gradientsOfLargeNumbersAreFinite() {
        for f in [{ $0.elu() }, { $0.celu() }, { $0.selu() }] as [@Sendable (Tensor) -> Tensor] {
            let x = leaf([200, -200])
            f(x).sum().backward()
            #expect(gradient(x)?.allSatisfy(\.isFinite) == true)
        }
    }

    @Test func aliasesAreTheOperations() throws {
        for (alias, name) in [
            ("aten::arccos", "aten::acos"), ("aten::max.other", "aten::maximum"), ("clip", "aten::clamp"),
        ] {
            #expect(Operators.find(alias)?.name == name)
        }
        let x = make([0.5])
        let value = try #require(try Operators.call("aten::special_gammaln", [.tensor(x)])[0].tensor)
        #expect(elements(value) == elements(x.lgamma()))
    }

    @Test func equalityIsAnswered() {
        let x = make([1, .nan])
        #expect(!x.equal(x) && !x.allclose(x) && x.allclose(x, equalNaN: true))
        #expect(make([1, 2]).equal(make([1, 2])) && !make([1, 2]).equal(make([1, 2], [2, 1])))
        #expect(make([1, 2]).allclose(make([1, 2.00001]), rtol: 1e-4))
    }

    @Test func numbersComeApartAndTogether() {
        let x = doubles([0.75, -3, 0, .leastNonzeroMagnitude, .infinity])
        let (mantissa, exponent) = x.frexp()
        #expect([Double](mantissa) == [0.75, -0.75, 0, 0.5, .infinity])
        #expect([Int64](exponent.to(.int64)) == [0, 2, 0, -1073, 0])
        let next = Tensor([1, 65504, 0] as [Float], device: .reference).to(.float16).nextafter(
            Tensor([2, .infinity, -1] as [Float], device: .reference).to(.float16))
        #expect([Float](next.to(.float32)) == [1.0009765625, .infinity, -0x1p-24])
        #expect([Float](make([1, -2]).copysign(-0.0)) == [-1, -2])
    }

    // MARK: The incomplete gamma functions, whose first argument has no derivative

    @Test func incompleteGammaHasOneDerivative() throws {
        let a = doubles([0.3, 2, 15, 40])
        let x = doubles([0.5, 3, 14, 55])
        for f in [{ $0.igamma($1) }, { $0.igammac($1) }] as [@Sendable (Tensor, Tensor) -> Tensor] {
            let input = x.clone().requiresGrad_()
            f(a, input).sum().backward()
            let found = [Double](try #require(input.grad))
            let difference = [Double]((f(a, x + 1e-5) - f(a, x - 1e-5)) / 2e-5)
            for (g, d) in zip(found, difference) { #expect(abs(g - d) < 1e-8) }
            let error = try #require(
                refusal { try catching { f(a.clone().requiresGrad_(), x).sum().backward() } })
            #expect(error.message.contains("first argument"))
        }
        // P + Q = 1, and P(a + 1, x) = P(a, x) - xᵃe⁻ˣ/Γ(a + 1).
        let sum = [Double](a.igamma(x) + a.igammac(x))
        for s in sum { #expect(abs(s - 1) < 1e-14) }
        let step = [Double](a.igamma(x) - (a + 1).igamma(x) - (a * x.log() - x - (a + 1).lgamma()).exp())
        for s in step { #expect(abs(s) < 1e-12) }
        #expect(
            [Double](doubles([0, 1, 0, -1]).igamma(doubles([1, 0, 0, 1]))).map { $0.isNaN ? -1 : $0 } == [1, 0, -1, -1])
    }

    @Test func polynomialsGoToAnyDegree() throws {
        // P₂₀₀(1/2) and H₃₀(1/2) by mpmath; T₁₀₀(cos t) = cos 100t.
        #expect(abs(doubles([0.5]).legendrePolynomialP(200).item() - -0.015_650_531_003_771_745) < 1e-13)
        let h = doubles([0.5]).hermitePolynomialH(30).item()
        #expect(abs(h / 1.665_969_449_994_395_9e20 - 1) < 1e-13, "\(h)")
        #expect(abs(doubles([Double(0.3)]).cos().chebyshevPolynomialT(100).item() - doubles([30]).cos().item()) < 1e-12)
        let error = try #require(refusal { _ = try catching { doubles([0.5]).laguerrePolynomialL(1e12) } })
        #expect(error.message.contains("degree"))
        // Beyond PyTorch's highest degree there is no value.
        #expect(doubles([0.5]).hermitePolynomialHe(600).item().isNaN)
    }

    @Test func wrongCallsNameTheRule() throws {
        let x = make([1, 2])
        func message(_ body: @escaping () -> Tensor) -> String { refusal { _ = try catching(body) }?.message ?? "" }
        #expect(message { x.gcd(x) }.contains("is not defined for float32"))
        #expect(message { x.softshrink(-1) }.contains("must not be negative"))
        #expect(message { x.isclose(x.to(.float64)) }.contains("dtypes must be equal"))
        #expect(message { Losses.huberLoss(x, x, delta: 0) }.contains("delta must be positive"))
        #expect(message { make([1, 2, 3]).glu() }.contains("must be even"))
        #expect(message { (x .< 2) - (x .< 2) }.contains("is not defined for bool"))
    }
}

extension Float {
    fileprivate var exponential: Float { [Float](make([self]).exp())[0] }
}
