import Cresset
import Testing

/// Views by strides, and what is written through them. The numbers are PyTorch 2.15's where no formula says them.
@Suite struct ViewTests {
    @Test func stridedViewsAlias() throws {
        let x = Tensor.arange(12, dtype: .float32, device: .reference).reshape([3, 4])
        let windows = x.unfold(1, 2, 1)
        #expect(windows.shape == [3, 3, 2] && windows.sharesStorage(with: x))
        x.diagonal(offset: 1).fill_(-1)
        #expect(elements(x) == [0, -1, 2, 3, 4, 5, -1, 7, 8, 9, 10, -1])
        x.asStrided([2, 2], [5, 1], storageOffset: 2).zero_()
        #expect(elements(x) == [0, -1, 0, 0, 4, 5, -1, 0, 0, 9, 10, -1])
        // From where a view begins, unless an offset is said, which counts from the start of the storage.
        let tail = x.slice(0, from: 1)
        #expect(elements(tail.asStrided([2], [1])) == [4, 5])
        #expect(elements(tail.detach().asStrided([2], [1], storageOffset: 0)) == [0, -1])
        for part in x.split([1, 3], dim: 1) + x.unbind() + x.tensorSplit(2) { #expect(part.sharesStorage(with: x)) }
        #expect(!x.alias().t().contiguous().sharesStorage(with: x))
    }

    @Test func stridedViewsStayWithinTheirStorage() {
        let x = Tensor.zeros([4], device: .reference)
        for wrong in [
            { x.asStrided([2], [4]) }, { x.asStrided([1], [1], storageOffset: 4) }, { x.asStrided([2], [-1]) },
            { x.asStrided([2, 2], [1]) }, { x.asStrided([1], [1], storageOffset: -1) },
            { x.asStrided([1 << 40, 1 << 40], [1 << 40, 1 << 40]) },
        ] {
            let error = refusal { _ = try catching { wrong() } }
            #expect(error?.op == "aten::as_strided", "\(String(describing: error))")
        }
        let overlapping = refusal { _ = try catching { x.unfold(0, 2, 1).add_(1) } }
        #expect(overlapping?.message.contains("share one place") == true)
    }

    @Test func gradientsOfOverlappingViews() throws {
        let x = leaf([1, 2, 3, 4])
        (x.unfold(0, 2, 1) * make([1, 10, 100, 1000, 1e4, 1e5], [3, 2])).sum().backward()
        #expect(gradient(x) == [1, 110, 11000, 100000])

        let y = leaf([1, 2, 3, 4])
        (y.asStrided([3, 3], [1, 0]) * make([1, 1, 1, 2, 2, 2, 3, 3, 3], [3, 3])).sum().backward()
        #expect(gradient(y) == [3, 6, 9, 0])

        // An expanded tensor's elements are one place: as_strided shares its gradient among them.
        let z = leaf([5], [1])
        let wide = z.expand([3])
        let g = try #require(try grad([wide.asStrided([2], [0]).sum()], [wide])[0])
        for share in elements(g) { #expect(abs(share - 2.0 / 3) < 1e-6) }
        // A diagonal belongs to its indices, wherever they lie.
        let square = leaf([1, 2], [1, 2]).expand([2, 2])
        let d = try #require(try grad([square.diagonal().sum()], [square])[0])
        #expect(elements(d) == [1, 0, 0, 1])
    }

    /// A change through a view reaches its base's history, and through that other views.
    @Test func changesThroughDiagonals() {
        let x = leaf([1, 2, 3, 4], [2, 2])
        let y = x * 2
        let windows = y.reshape([4]).unfold(0, 3, 1)
        y.diagonal().mul_(make([10, 100]))
        #expect(elements(windows) == [20, 4, 6, 4, 6, 800])
        (windows * windows).sum().backward()
        // windows = [[20a, 2b, 2c], [2b, 2c, 200d]]: Σ squares = 400a² + 8b² + 8c² + 40000d².
        #expect(gradient(x) == [800, 32, 48, 320_000])
    }

    @Test func scatteredViewsLeaveTheTensor() {
        let x = leaf([1, 2, 3, 4], [2, 2])
        let v = leaf([10, 20])
        let y = x.diagonalScatter(v)
        #expect(elements(y) == [10, 2, 3, 20] && elements(x) == [1, 2, 3, 4])
        (y * make([1, 2, 3, 4], [2, 2])).sum().backward()
        #expect(gradient(x) == [0, 2, 3, 0] && gradient(v) == [1, 4])

        // PyTorch 2.15's own gradient here is that of the places that were written; ours is that of the rest.
        let a = leaf([1, 2, 3, 4])
        let b = leaf([7, 8])
        (a.asStridedScatter(b, [2], [2], storageOffset: 1) * make([1, 2, 3, 4])).sum().backward()
        #expect(gradient(a) == [1, 0, 3, 0] && gradient(b) == [2, 4])
    }

    @Test func severalIndices() {
        let x = Tensor.arange(24, dtype: .float32, device: .reference).reshape([2, 3, 4])
        let (i, j) = (Tensor([1, 0], device: .reference), Tensor([2, -1], device: .reference))
        #expect(elements(x.index([i, j])) == [20, 21, 22, 23, 8, 9, 10, 11])
        // Apart from each other the indices come first.
        let apart = x.index([i, nil, j])
        #expect(apart.shape == [2, 3] && elements(apart) == [14, 18, 22, 3, 7, 11])
        let mask = x.sum(dim: [2]) .> 50
        #expect(x.index([mask]).shape == [3, 4])
        let y = Tensor.zeros([3], device: .reference)
        y.indexPut_([Tensor([0, 2, 0], device: .reference)], make([1, 2, 3]), accumulate: true)
        #expect(elements(y) == [4, 0, 2])
        y.indexPut_([Tensor([1, 1], device: .reference)], make([5, 6]))
        #expect(elements(y) == [4, 6, 2], "of duplicates the last wins")
        let error = refusal { _ = try catching { x.index([Tensor([2], device: .reference)]) } }
        #expect(error?.kind == .index)
        let shape = refusal {
            _ = try catching { x.index([Tensor([0, 1], device: .reference), Tensor([0, 1, 2], device: .reference)]) }
        }
        #expect(shape?.message.contains("do not broadcast") == true)
    }

    @Test func productsWithZerosHaveGradients() {
        // Places: {2·3·0}, {5·0·0}, {4}: each factor's gradient is the product of the others.
        let x = leaf([2, 5, 4])
        let source = leaf([3, 0, 0, 0])
        let index = Tensor([0, 0, 1, 1], device: .reference)
        x.scatterReduce(0, index, source, .prod).sum().backward()
        #expect(gradient(x) == [0, 0, 1] && gradient(source) == [0, 6, 0, 0])
    }
}
