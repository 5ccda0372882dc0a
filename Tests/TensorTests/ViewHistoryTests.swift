import Cresset
import Testing

/// In-place changes of views that take part in autograd. The numbers are PyTorch 2.15's.
@Suite struct ViewHistoryTests {
    @Test func aChangedViewChangesItsBase() {
        let x = leaf([1, 2, 3, 4, 5, 6], [2, 3])
        let w = leaf([10, 20, 30])
        let y = x * 2
        y[0].mul_(w)
        #expect(elements(y) == [20, 80, 180, 8, 10, 12])
        (y * y).sum().backward()
        #expect(gradient(x) == [800, 6400, 21600, 32, 40, 48])
        #expect(gradient(w) == [80, 640, 2160])
    }

    @Test func slicesAreAssigned() {
        let x = leaf([1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3])
        let v = leaf([10, 20])
        let z = x * 1
        z[1..., 0] = v
        #expect(elements(z) == [1, 2, 3, 10, 5, 6, 20, 8, 9])
        (z * z * z).sum().backward()
        #expect(gradient(x) == [3, 12, 27, 0, 75, 108, 0, 192, 243])
        #expect(gradient(v) == [300, 1200])
    }

    @Test func assignmentBroadcastsConvertsAndReachesEveryHolder() {
        let x = Tensor.zeros([2, 3], device: .reference)
        let other = x
        x[0...1, 1...2] = Tensor([7, 8], device: .reference)
        x[IndexItem.newAxis, 0, 0] = Tensor([5], shape: [1, 1], device: .reference)
        #expect(elements(other) == [5, 7, 8, 0, 7, 8])
        x[..., -1] = make([1])
        #expect(elements(other) == [5, 7, 1, 0, 7, 1])
        x[1] += 1
        #expect(elements(other) == [5, 7, 1, 1, 8, 2])
        let error = refusal { try catching { x[0] = make([1, 2]) } }
        #expect(error?.kind == .shape)
    }

    @Test func aBaseWithoutHistoryGetsOne() {
        let b = Tensor.zeros([2, 3], device: .reference)
        let w = leaf([1, 2, 3])
        let row = b[1]
        b[0].add_(w)
        b[1].copy_(w * w)
        #expect(elements(b) == [1, 2, 3, 1, 4, 9])
        #expect(b.requiresGrad && row.requiresGrad && !b.isLeaf && !row.isLeaf)
        #expect(b.gradFn?.name == "CopySlices" && row.gradFn?.name == "aten::as_strided")
        (b * make([1, 2, 3, 4, 5, 6], [2, 3])).sum().backward()
        #expect(gradient(w) == [9, 22, 39])
    }

    @Test func otherViewsFollow() {
        let x = leaf([1, 2, 3, 4])
        let y = x * 3
        let (first, second) = (y[..<2], y[1...])
        first.mul_(2)
        #expect(elements(second) == [12, 9, 12])
        (second * second).sum().backward()
        #expect(gradient(x) == [0, 144, 54, 72])

        let column = leaf([1, 2], [2, 1])
        let doubled = column * 2
        let expanded = doubled.expand([2, 3])
        doubled.mul_(3)
        #expect(elements(expanded) == [6, 6, 6, 12, 12, 12])
        (expanded * make([1, 2, 3, 4, 5, 6], [2, 3])).sum().backward()
        #expect(gradient(column) == [36, 90])
    }

    @Test func viewsOfViews() {
        let x = leaf([1, 2, 3, 4], [2, 2])
        let y = x * 3
        y.t()[0][1...].mul_(5)
        #expect(elements(y) == [3, 6, 45, 12])
        (y * y * make([1, 2, 3, 4], [2, 2])).sum().backward()
        #expect(gradient(x) == [18, 72, 4050, 288])
    }

    @Test func filledElementsHaveNoGradient() {
        let x = leaf([1, 2, 3])
        let y = x * 2
        y[1].fill_(7)
        (y * y).sum().backward()
        #expect(gradient(x) == [8, 0, 24])
        let z = leaf([1, 2, 3])
        (z * 2).zero_().sum().backward()
        #expect(gradient(z) == [0, 0, 0])
    }

    @Test func gradientsOfGradients() throws {
        let x = Tensor([1, 2, 3] as [Double], device: .reference).requiresGrad_()
        let y = x * x
        y[1...].mul_(x[..<2])
        let g = try #require(try grad([(y * y).sum()], [x], createGraph: true)[0])
        #expect([Double](g.detach()) == [36, 356, 432])
        g.sum().backward()
        #expect(x.grad.map { [Double]($0) } == [108, 706, 864])
    }

    @Test func copiesConvertAndBroadcast() {
        let w = leaf([1, 2])
        let b = Tensor.zeros([3, 2], dtype: .float64, device: .reference)
        b.copy_(w)
        b.mul_(2)
        (b * b).sum().backward()
        #expect(gradient(w) == [24, 48] && w.grad?.dtype == .float32)
    }

    @Test func elementsOfOneTensorOneAfterAnother() {
        let x = leaf([1, 2, 3])
        let y = x * 2
        y[0] += x[2]
        (y * y).sum().backward()
        #expect(elements(y) == [5, 4, 6] && gradient(x) == [20, 16, 34])
        let b = Tensor.zeros([3], device: .reference)
        let w = leaf([2], [])
        b[0] = w
        b[1] = w * w
        b[2] = w
        b.sum().backward()
        #expect(elements(b) == [2, 4, 2] && gradient(w) == [6])
    }

    @Test func viewsMadeWithoutTheTape() throws {
        let y = leaf([1, 2]) * 1
        let view = noGrad { y[0] }
        let error = try #require(refusal { _ = try catching { view.add_(1) } })
        #expect(error.kind == .autograd && error.message.contains("noGrad"))
        noGrad { _ = view.add_(1) }
        #expect(elements(y) == [2, 2])
        // Nothing to record, nothing to refuse.
        let plain = make([1, 2])
        #expect(elements(noGrad { plain[0] }.add_(1)) == [2])
    }

    @Test func detachedTensorsShareElementsAndVersionAlone() {
        let x = leaf([1, 2, 3])
        let y = x * 2
        let detached = y.detach()
        detached[0].mul_(leaf([3], []))
        #expect(detached.requiresGrad && elements(y) == [6, 4, 6] && y.version == detached.version)
        y.sum().backward()
        #expect(gradient(x) == [2, 2, 2])
    }
}
