import Cresset
import Testing

/// complex64 and complex128: pairs of real numbers that behave as numbers.
@Suite struct ComplexTests {
    private func c(_ re: Double, _ im: Double) -> Complex<Double> { Complex(re, im) }

    private func tensor(_ z: [Complex<Double>], _ shape: Shape? = nil, dtype: DType = .complex128) -> Tensor {
        Tensor(z, shape: shape, dtype: dtype, device: .reference)
    }

    // MARK: Making and reading

    @Test func elementsGoInAndOut() throws {
        let z: [Complex<Float>] = [Complex(1, 2), Complex(-0.5, 3)]
        let x = Tensor(z, device: .reference)
        #expect(x.dtype == .complex64 && x.shape == [2] && x.isComplex && !x.isFloatingPoint)
        #expect([Complex<Float>](x) == z)
        #expect([Complex<Double>](x) == [c(1, 2), c(-0.5, 3)])
        #expect(x.select(0, 0).itemComplex() == c(1, 2))
        let error = refusal { _ = try catching { x.select(0, 0).item() } }
        #expect(error?.message.contains("itemComplex") == true)
        #expect([Complex<Double>](Tensor.full([2], .complex(c(1, -1)), device: .reference)) == [c(1, -1), c(1, -1)])
        #expect(Tensor(.complex(.i), device: .reference).dtype == .complex64)
        #expect([Float](Tensor.zeros([2, 3], dtype: .complex128, device: .reference).real) == [0, 0, 0, 0, 0, 0])
        #expect([Complex<Double>](Tensor.eye(2, dtype: .complex64, device: .reference)) == [1, 0, 0, 1])
    }

    @Test func aRealTensorTakesNoImaginaryPart() {
        let x = Tensor.zeros([2], device: .reference)
        for error in [
            refusal { _ = try catching { x.fill_(.complex(.i)) } },
            refusal { _ = try catching { Tensor.full([2], .complex(.i), dtype: .float32, device: .reference) } },
        ] {
            #expect(error?.kind == .dtype && error?.message.contains("float32") == true)
        }
    }

    /// As PyTorch prints them.
    @Test func printing() {
        func text(_ z: [Complex<Double>], dtype: DType = .complex64) -> String { "\(tensor(z, dtype: dtype))" }
        #expect(text([c(1, 2), c(3, -1)]) == "tensor([1.+2.j, 3.-1.j], dtype: complex64, device: reference:0)")
        #expect(
            text([c(0, 0), c(100, 1.5)], dtype: .complex128)
                == "tensor([  0.+0.0000j, 100.+1.5000j], dtype: complex128, device: reference:0)")
    }

    @Test func promotion() {
        let (i64, f32, f64) = (DType.int64, DType.float32, DType.float64)
        func ones(_ dtype: DType) -> Tensor { Tensor.ones([2], dtype: dtype, device: .reference) }
        for (x, y, result) in [
            (i64, DType.complex64, DType.complex64), (f32, .complex64, .complex64), (f64, .complex64, .complex128),
            (.complex64, .complex128, .complex128), (.float16, .complex64, .complex64),
        ] {
            #expect((ones(x) + ones(y)).dtype == result, "\(x) + \(y)")
        }
        #expect((ones(f64) * .complex(.i)).dtype == .complex128)
        #expect((ones(i64) * .complex(.i)).dtype == .complex64)
        #expect((ones(.complex64) * 2.5).dtype == .complex64)
        #expect([Complex<Double>](ones(f32) + .complex(c(0, 2))) == [c(1, 2), c(1, 2)])
    }

    @Test func conversions() {
        let z = tensor([c(1.75, -2), c(0, 3), 0])
        #expect([Double](z) == [1.75, 0, 0])
        #expect([Int64](z) == [1, 0, 0])
        // Not only the real part says whether a number is 0.
        #expect([Bool](z) == [true, true, false])
        #expect(z.to(.complex64).dtype == .complex64)
        let x = make([1, -2])
        #expect([Complex<Double>](x.to(.complex64)) == [1, -2])
    }

    // MARK: Views

    @Test func partsAreViews() {
        let z = tensor([c(1, 2), c(3, 4), c(5, 6), c(7, 8)], [2, 2])
        #expect([Double](z.real) == [1, 3, 5, 7] && [Double](z.imag) == [2, 4, 6, 8])
        #expect([Double](z.t().imag) == [2, 6, 4, 8])
        let pairs = z.viewAsReal()
        #expect(pairs.shape == [2, 2, 2] && pairs.strides == [4, 2, 1] && pairs.dtype == .float64)
        #expect(pairs.sharesStorage(with: z) && pairs.viewAsComplex().sharesStorage(with: z))
        z.imag.select(0, 1).fill_(-1)
        #expect([Complex<Double>](z) == [c(1, 2), c(3, 4), c(5, -1), c(7, -1)])
        pairs.add_(1)
        #expect([Complex<Double>](z.slice(1, from: 1)) == [c(4, 5), 8])
        #expect(z.version == 2)
        let x = make([1, 2])
        #expect(x.real.sharesStorage(with: x) && x.conj().sharesStorage(with: x))
    }

    @Test func viewsThatCannotBe() {
        let x = Tensor.zeros([4, 6], device: .reference)
        for (body, word): (() -> Tensor, String) in [
            ({ x.viewAsComplex() }, "size 2"), ({ x.slice(1, to: 2, step: 1).t().viewAsComplex() }, "size 2"),
            ({ x.slice(1, from: 1, to: 3).viewAsComplex() }, "even"),
            ({ x.slice(1, from: 0, to: 4, step: 2).viewAsComplex() }, "neighbours"),
            ({ Tensor.zeros([3, 2], device: .reference).expand([3, 2]).to(.int64).viewAsComplex() }, "float32"),
            ({ x.viewAsReal() }, "complex"), ({ x.imag }, "imaginary"),
        ] {
            let error = refusal { _ = try catching { body() } }
            #expect(error?.message.contains(word) == true, "\(word): \(error.map { "\($0)" } ?? "nothing was thrown")")
        }
    }

    @Test func gradientsGoThroughViewsThatAreWrittenTo() {
        let z = tensor([c(1, 2), c(3, 4)])
        z.requiresGrad = true
        let y = z * 1
        y.imag.mul_(10)
        y.abs().square().sum().backward()
        // L = x² + 100·y²
        #expect(z.grad.map { [Complex<Double>]($0) } == [c(2, 400), c(6, 800)])

        let x = Tensor([1, 2, 3, 4] as [Double], shape: [2, 2], device: .reference)
        x.requiresGrad = true
        let w = x * 1
        w.viewAsComplex().mul_(.complex(.i))
        (w * Tensor([1, 10, 100, 1000] as [Double], shape: [2, 2], device: .reference)).sum().backward()
        // (a, b) becomes (-b, a).
        #expect(x.grad.map { [Double]($0) } == [10, -1, 1000, -100])
    }

    // MARK: Gradients

    /// PyTorch's gradient of a complex number: ∂L/∂re + i·∂L/∂im.
    @Test func gradients() {
        let (a, b) = (tensor([c(1, 2)]), tensor([c(3, -1)]))
        a.requiresGrad = true
        b.requiresGrad = true
        (a * b).real.sum().backward()
        // L = Re(ab): conj(b), conj(a)
        #expect(a.grad.map { [Complex<Double>]($0) } == [c(3, 1)])
        #expect(b.grad.map { [Complex<Double>]($0) } == [c(1, -2)])
    }

    @Test func realInputsHaveRealGradients() {
        let x = Tensor([2, 3] as [Double], device: .reference)
        x.requiresGrad = true
        (x * tensor([c(1, 2), c(3, -1)])).imag.sum().backward()
        #expect(x.grad?.dtype == .float64 && x.grad.map { [Double]($0) } == [2, -1])
    }

    @Test func gradientsOfGradients() throws {
        let z = tensor([c(0.5, 0.25)])
        z.requiresGrad = true
        // L = |z|⁴: the gradient is 4|z|²·z.
        let loss = (z * z.conj()).real.square().sum()
        let first = try #require(try grad([loss], [z], createGraph: true)[0])
        let (x, y) = (0.5, 0.25)
        let size = x * x + y * y
        #expect([Complex<Double>](first.detach()) == [c(4 * size * x, 4 * size * y)])
        // ∂/∂x of 4(x² + y²)x is 12x² + 4y², ∂/∂y is 8xy.
        let second = try #require(try grad([first.real.sum()], [z])[0])
        #expect([Complex<Double>](second) == [c(12 * x * x + 4 * y * y, 8 * x * y)])
    }

    @Test func productsOfMatricesAreOfConjugates() {
        let a = tensor([c(1, 1), 2, c(3, -1), c(0, 4)], [2, 2])
        let b = tensor([c(0, 1), 1, 2, c(1, -1)], [2, 2])
        #expect([Complex<Double>](a.matmul(b)) == [c(3, 1), c(3, -1), c(1, 11), c(7, 3)])
        a.requiresGrad = true
        a.matmul(b).real.sum().backward()
        // ∂A = 1·Bᴴ
        #expect(a.grad.map { [Complex<Double>]($0) } == [c(1, -1), c(3, 1), c(1, -1), c(3, 1)])
    }

    // MARK: Refusals

    @Test func whatHasNoOrderSaysSo() {
        let z = tensor([1, 2])
        for (name, body): (String, () -> Tensor) in [
            ("lt", { z .< z }), ("maximum", { z.maximum(z) }), ("floor", { z.floor() }), ("relu", { z.relu() }),
            ("amax", { z.amax() }), ("sort", { z.sort(dim: 0).values }), ("clamp", { z.clamp(min: 0) }),
            ("argmax", { z.argmax() }), ("cummax", { z.cummax(dim: 0).values }), ("sign", { z.sign() }),
        ] {
            let error = refusal { _ = try catching { body() } }
            #expect(
                error?.kind == .dtype && error?.description.contains(name) == true
                    && error?.description.contains("complex") == true,
                "\(name): \(error.map { "\($0)" } ?? "nothing was thrown")")
        }
    }
}
