import Cresset
import Testing

private func vector(_ values: [Double]) -> Tensor { Tensor(values, device: .reference) }

@Suite struct FunctionDerivativeTests {
    private let x = vector([1, 2, 3])
    private let w = vector([0.5, -1])

    @Test func jacobians() throws {
        let square = try jacobian({ ($0 * $0) }, x)
        #expect(square.shape == [3, 3])
        #expect(try square.doubles() == [2, 0, 0, 0, 4, 0, 0, 0, 6])
        let both = try jacobian({ [$0[0].sum() * $0[1], $0[0]] }, [x, w])
        #expect(both.map { $0.map(\.shape) } == [[[2, 3], [2, 2]], [[3, 3], [3, 2]]])
        #expect(try both[0][0].doubles() == [0.5, 0.5, 0.5, -1, -1, -1])
        #expect(try both[0][1].doubles() == [6, 0, 0, 6])
        #expect(try both[1][1].doubles() == [0, 0, 0, 0, 0, 0])
        #expect(throws: CressetError.self) { try jacobian({ [$0[0]] }, [x, w], strict: true) }
    }

    @Test func productsWithVectors() throws {
        let f: ([Tensor]) -> [Tensor] = { [$0[0] * $0[0] * $0[1][0], $0[1].exp()] }
        let v = [vector([1, 10, 100]), vector([1, 1])]
        let pulled = try vjp(f, [x, w], v)
        #expect(try pulled.outputs[0].doubles() == [0.5, 2, 4.5])
        #expect(try pulled.vjp[0].doubles() == [1, 20, 300])
        let e = try w.exp().doubles()
        #expect(try pulled.vjp[1].doubles() == [941 + e[0], e[1]])
        let pushed = try jvp(f, [x, w], v)
        #expect(try pushed.jvp[0].doubles() == [1 + 1, 20 + 4, 300 + 9])
        #expect(try pushed.jvp[1].doubles() == e)
        #expect(!pushed.jvp[0].requiresGrad && !pulled.vjp[0].requiresGrad)
        // vᵀ·(J·u) = (vᵀ·J)·u
        let u = [vector([0.3, -2, 1]), vector([4, 0.25])]
        let a = try zip(v, jvp(f, [x, w], u).jvp).map { ($0 * $1).sum().item() }.reduce(0, +)
        let b = try zip(vjp(f, [x, w], v).vjp, u).map { ($0 * $1).sum().item() }.reduce(0, +)
        #expect((a - b).magnitude < 1e-12 * a.magnitude)
        let error = #expect(throws: CressetError.self) { try vjp(f, [x, w], [v[0]]) }
        #expect(error?.message.contains("[[3]]") == true)
    }

    @Test func hessians() throws {
        let h = try hessian({ ($0 * $0 * $0).sum() + $0[0] * $0[2] }, x)
        #expect(try h.doubles() == [6, 0, 1, 0, 12, 0, 1, 0, 18])
        let blocks = try hessian({ ($0[0].sum() * $0[1] * $0[1]).sum() }, [x, w])
        #expect(blocks.map { $0.map(\.shape) } == [[[3, 3], [3, 2]], [[2, 3], [2, 2]]])
        #expect(try blocks[0][1].doubles() == [1, -2, 1, -2, 1, -2])
        #expect(try blocks[1][1].doubles() == [12, 0, 0, 12])
        let v = vector([1, 2, 3])
        let product = try hvp({ ($0[0] * $0[0] * $0[0]).sum() }, [x], [v])
        #expect(product.output.item() == 36)
        #expect(try product.hvp[0].doubles() == [6, 24, 54])
        #expect(throws: CressetError.self) { try hessian({ $0 * $0 }, x) }
    }

    @Test func resultsThatCanBeDifferentiated() throws {
        let y = vector([1, 2]).requiresGrad_()
        let j = try jacobian({ $0 * $0 * $0 }, y, createGraph: true)
        // Σ 3y² on the diagonal: 6y.
        j.sum().backward()
        #expect(try y.grad?.doubles() == [6, 12])
        #expect(!(try jacobian({ $0 * $0 * $0 }, y)).requiresGrad)
    }
}

@Suite struct GradCheckTests {
    @Test func rightGradientsPass() throws {
        let x = vector([0.5, -1.5, 2]).requiresGrad_()
        let w = Tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], shape: [3, 2], dtype: .float64, device: .reference)
            .requiresGrad_()
        try gradcheck({ [$0[0].tanh().matmul($0[1]), $0[1].sum(dim: 0)] }, [x, w])
        try gradgradcheck({ [$0[0].tanh().matmul($0[1])] }, [x, w])
        let z = Tensor([Complex(0.5, 1), Complex(-1, 0.25)], device: .reference).requiresGrad_()
        try gradcheck({ [$0[0].exp() * $0[0], $0[0].abs()] }, [z])
        try gradgradcheck({ [$0[0].sin()] }, [z])
    }

    @Test func wrongOnesAreNamed() throws {
        let wrong = AutogradFunction("wrong") { context, inputs in
            context.save(inputs[0])
            return [inputs[0] * inputs[0]]
        } backward: { context, gradients in
            // Right but for the element at 1.
            [gradients[0] * context.saved[0] * vector([2, 3])]
        }
        let x = vector([1, 2]).requiresGrad_()
        let error = #expect(throws: CressetError.self) { try gradcheck({ [$0[0] * 2, wrong($0[0])] }, [x]) }
        #expect(
            error?.message.contains("output 1 at [1] by input 0 at [1] is 6.0 by backward, 4.0") == true,
            "\(error?.message ?? "")")
        // First derivatives are right here, second ones are not, as the saved tensor is cut off.
        let flat = AutogradFunction("flat") { context, inputs in
            context.save(inputs[0])
            return [inputs[0] * inputs[0]]
        } backward: { context, gradients in
            [gradients[0] * context.saved[0].detach() * 2]
        }
        try gradcheck({ [flat($0[0])] }, [x])
        #expect(throws: CressetError.self) { try gradgradcheck({ [flat($0[0])] }, [x]) }
        #expect(throws: CressetError.self) { try gradcheck({ [$0[0] * 2] }, [vector([1])]) }
    }
}
