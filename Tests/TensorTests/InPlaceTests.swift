import Cresset
import Testing

/// Operations that write into the tensor they are called on.
@Suite struct InPlaceTests {
    @Test func theyWriteIntoTheTarget() {
        let x = make([1, 2, 3, 4], [2, 2])
        let row = x[1]
        let version = x.version
        x.add_(make([10, 20, 30, 40], [2, 2]))
        #expect(elements(x) == [11, 22, 33, 44] && elements(row) == [33, 44])
        #expect(x.version == version + 1 && row.version == x.version)
        row.mul_(2).sub_(make([1, 1])).neg_().relu_()
        x[0].add_(make([1, 2]), alpha: 10)
        #expect(elements(x) == [21, 42, 0, 0])
        x.t().copy_(make([1, 2, 3, 4], [2, 2]))
        #expect(elements(x) == [1, 3, 2, 4])
        // A transposed target and a broadcast source.
        x.t().div_(make([2, 4]))
        #expect(elements(x) == [0.5, 1.5, 0.5, 1])
        #expect(elements(x.clamp_(min: 0.75)) == [0.75, 1.5, 0.75, 1])
    }

    @Test func operandsMayBeTheTargetOrAPartOfIt() {
        let x = make([1, 2, 3, 4])
        x.add_(x)
        #expect(elements(x) == [2, 4, 6, 8])
        // What is read is what was there before the call.
        x[1...].add_(x[0..<3])
        #expect(elements(x) == [2, 6, 10, 14])
        x[0..<3].copy_(x[1...])
        #expect(elements(x) == [6, 10, 14, 14])
        let m = make([1, 2, 3, 4], [2, 2])
        m.add_(m.t())
        #expect(elements(m) == [2, 5, 5, 8])
    }

    @Test func resultsFitTheTarget() throws {
        let float = make([1, 2])
        #expect(elements(float.add_(Tensor([1, 2], device: .reference))) == [2, 4])
        #expect(elements(float.add_(Tensor([0.5, 0.25], device: .reference))) == [2.5, 4.25])
        let integers = Tensor([1, 2] as [Int32], device: .reference)
        let cast = try #require(refusal { _ = try catching { integers.add_(1.5) } })
        #expect(cast.kind == .dtype && cast.message.contains("float32 cannot be written into int32"))
        #expect([Int32](integers) == [1, 2])
        #expect([Int32](integers.add_(Tensor([10, 20], device: .reference))) == [11, 22])
        let shape = try #require(refusal { _ = try catching { float.add_(make([1, 2, 3, 4], [2, 2])) } })
        #expect(shape.kind == .shape)
        let expanded = make([1, 2], [2, 1]).expand([2, 3])
        let overlap = try #require(refusal { _ = try catching { expanded.add_(1) } })
        #expect(overlap.message.contains("share one place"))
        #expect(refusal { _ = try catching { expanded.fill_(1) } }?.kind == .shape)
        #expect(refusal { _ = try catching { expanded.copy_(make([1])) } }?.kind == .shape)
    }

    @Test func leavesAreNotChangedUnderTheTape() throws {
        let x = leaf([1, 2])
        for change: (Tensor) -> Tensor in [
            { $0.add_(1) }, { $0.fill_(1) }, { $0.copy_(make([1, 2])) }, { $0.exp_() }, { $0.mul_(leaf([1, 2])) },
        ] {
            #expect(refusal { _ = try catching { change(x) } }?.kind == .autograd)
            #expect(refusal { _ = try catching { change(x[0...]) } }?.kind == .autograd, "a view of it")
        }
        #expect(elements(x) == [1, 2])
        noGrad { _ = x.add_(1) }
        #expect(elements(x) == [2, 3] && x.isLeaf && x.requiresGrad)
    }

    /// Gradients by hand: the derivative at the old element, which is no longer there.
    @Test func derivativesSeeTheOldElements() throws {
        let x = leaf([2, 3])
        let w = leaf([5, 7])
        let y = x * 1
        y.mul_(w).sum().backward()
        #expect(gradient(x) == [5, 7] && gradient(w) == [2, 3])
        let z = leaf([2, 3])
        let square = z * 1
        square.mul_(square).sum().backward()
        #expect(gradient(z) == [4, 6])
        // As PyTorch 2.15: exp_ and tanh_ from their results.
        let e = leaf([0.5, 1])
        let through = (e * 1).exp_() + 1
        through.tanh_().sum().backward()
        let got = try #require(gradient(e))
        for (a, b) in zip(got, [0.032675452530384064, 0.006399994716048241] as [Float]) { #expect(abs(a - b) < 1e-6) }
        let (a, b) = (leaf([1, 2]), leaf([3, 4]))
        (a * 1).div_(b).sum().backward()
        #expect(gradient(a)?.elementsEqual([1.0 / 3, 0.25]) == true)
        let right: [Float] = [-1.0 / 9, -0.125]
        for (x, y) in zip(try #require(gradient(b)), right) { #expect(abs(x - y) < 1e-7) }
    }

    @Test func gradientsAreTheLeafsOwn() {
        let (a, b) = (leaf([1, 2]), leaf([3, 4]))
        let seed = make([1, 10])
        (a + b).backward(gradient: seed)
        a.grad?.mul_(2)
        #expect(gradient(a) == [2, 20] && gradient(b) == [1, 10] && elements(seed) == [1, 10])
        let c = leaf([1, 2])
        c.sum().backward()
        c.grad?.mul_(3)
        #expect(gradient(c) == [3, 3])
    }

    @Test func aChangeOfWhatWasSavedIsAnError() throws {
        let x = leaf([1, 2])
        let y = x * 1
        let z = (y * y).sum()
        y[0].add_(1)
        let error = try #require(refusal { try catching { z.backward() } })
        #expect(error.kind == .autograd && error.message.contains("changed in place"))
    }
}
