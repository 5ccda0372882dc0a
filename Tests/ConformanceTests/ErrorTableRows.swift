import Cresset

/// A wrong call, here and in PyTorch. The Swift code of the page is read from this file.
struct ErrorRow: Sendable {
    var rule: String
    var torch: String
    var line: Int
    var body: @Sendable () throws -> Any

    init(_ rule: String, torch: String, line: Int = #line, _ body: @escaping @Sendable () throws -> Any) {
        (self.rule, self.torch, self.line, self.body) = (rule, torch, line, body)
    }
}

extension ErrorRow {
    static let all: [ErrorRow] = [
        // MARK: Shapes
        ErrorRow("Shapes broadcast", torch: "torch.ones(2, 3) + torch.ones(4)") {
            Tensor.ones([2, 3]) + Tensor.ones([4])
        },
        ErrorRow("Inner sizes agree", torch: "torch.ones(2, 3) @ torch.ones(4, 5)") {
            Tensor.ones([2, 3]).matmul(Tensor.ones([4, 5]))
        },
        ErrorRow("Rank of a matrix", torch: "torch.ones(3).mm(torch.ones(3, 2))") {
            Tensor.ones([3]).mm(Tensor.ones([3, 2]))
        },
        ErrorRow("Batches agree", torch: "torch.ones(2, 3, 4).bmm(torch.ones(5, 4, 6))") {
            Tensor.ones([2, 3, 4]).bmm(Tensor.ones([5, 4, 6]))
        },
        ErrorRow("As many elements", torch: "torch.ones(2, 3).reshape(4, 2)") {
            Tensor.ones([2, 3]).reshape([4, 2])
        },
        ErrorRow("One size is inferred", torch: "torch.ones(6).reshape(-1, -1)") {
            Tensor.ones([6]).reshape([-1, -1])
        },
        ErrorRow("A view needs its strides", torch: "torch.ones(2, 3).t().view(6)") {
            Tensor.ones([2, 3]).t().view([6])
        },
        ErrorRow("Only size 1 expands", torch: "torch.ones(2, 3).expand(2, 4)") {
            Tensor.ones([2, 3]).expand([2, 4])
        },
        ErrorRow("Negative size", torch: "torch.zeros(2, -3)") {
            Tensor.zeros([2, -3])
        },
        ErrorRow("Sizes agree but for dim", torch: "torch.cat([torch.ones(2, 3), torch.ones(2, 4)])") {
            Tensor.cat([Tensor.ones([2, 3]), Tensor.ones([2, 4])])
        },
        ErrorRow("One shape", torch: "torch.stack([torch.ones(2), torch.ones(3)])") {
            Tensor.stack([Tensor.ones([2]), Tensor.ones([3])])
        },
        ErrorRow("Nothing to join", torch: "torch.cat([])") {
            Tensor.cat([])
        },
        ErrorRow("Sizes add up", torch: "torch.ones(5).split([2, 2])") {
            Tensor.ones([5]).split([2, 2])
        },
        ErrorRow("One element", torch: "torch.ones(3).item()") {
            Tensor.ones([3]).item()
        },
        // MARK: Dims
        ErrorRow("Dim out of range", torch: "torch.ones(2, 3).sum(dim=2)") {
            Tensor.ones([2, 3]).sum(dim: 2)
        },
        ErrorRow("Dim twice", torch: "torch.ones(2, 3).sum(dim=[0, -2])") {
            Tensor.ones([2, 3]).sum(dim: [0, -2])
        },
        ErrorRow("Every dim once", torch: "torch.ones(2, 3).permute(0, 0)") {
            Tensor.ones([2, 3]).permute([0, 0])
        },
        ErrorRow("No extreme of nothing", torch: "torch.ones(0, 3).max(dim=0)") {
            Tensor.ones([0, 3]).max(dim: 0)
        },
        ErrorRow("No place in nothing", torch: "torch.ones(0).argmax()") {
            Tensor.ones([0]).argmax()
        },
        ErrorRow("k is in the dim", torch: "torch.ones(3).topk(5)") {
            Tensor.ones([3]).topk(5)
        },
        ErrorRow("Range lies in the dim", torch: "torch.ones(5).narrow(0, 3, 4)") {
            Tensor.ones([5]).narrow(0, 3, 4)
        },
        // MARK: Dtypes and devices
        ErrorRow("Integers have no mean", torch: "torch.arange(3).mean()") {
            Tensor.arange(3).mean()
        },
        ErrorRow("Operands of a product have one dtype", torch: "torch.ones(2, 2) @ torch.ones(2, 2).double()") {
            Tensor.ones([2, 2]).matmul(Tensor.ones([2, 2]).double())
        },
        ErrorRow("Bools are not subtracted", torch: "torch.tensor([True]) - torch.tensor([False])") {
            Tensor([true]) - Tensor([false])
        },
        ErrorRow("Bits are integers'", torch: "torch.ones(2) & torch.ones(2)") {
            Tensor.ones([2]) & Tensor.ones([2])
        },
        ErrorRow("Result fits in place", torch: "torch.arange(3).add_(0.5)") {
            Tensor.arange(3).add_(0.5)
        },
        ErrorRow("Complex numbers have no order", torch: "torch.ones(2, dtype=torch.complex64).sort()") {
            Tensor.ones([2], dtype: .complex64).sort()
        },
        ErrorRow("One device", torch: "torch.ones(2) + torch.ones(2, device='meta')") {
            Tensor.ones([2]) + Tensor.ones([2], device: try Device("reference:1"))
        },
        // MARK: Indices
        ErrorRow("Index out of range", torch: "torch.ones(3)[5]") {
            Tensor.ones([3])[5]
        },
        ErrorRow("Too many indices", torch: "torch.ones(3)[0, 0]") {
            Tensor.ones([3])[0, 0]
        },
        ErrorRow("Index out of range, on the device", torch: "torch.ones(3).index_select(0, torch.tensor([1, 7]))") {
            Tensor.ones([3]).indexSelect(dim: 0, index: Tensor([1, 7]))
        },
        ErrorRow("No such row", torch: "torch.nn.functional.embedding(torch.tensor([4]), torch.ones(3, 2))") {
            Embeddings.embedding(Tensor.ones([3, 2]), Tensor([4]))
        },
        ErrorRow("No such class", torch: "torch.nn.functional.nll_loss(torch.ones(1, 3), torch.tensor([3]))") {
            Losses.nllLoss(Tensor.ones([1, 3]), Tensor([3]))
        },
        ErrorRow("Places are integers", torch: "torch.ones(3).gather(0, torch.ones(1))") {
            Tensor.ones([3]).gather(0, Tensor.ones([1]))
        },
        // MARK: Layers
        ErrorRow("Channels of a convolution", torch: "torch.conv2d(torch.ones(1, 3, 8, 8), torch.ones(4, 2, 3, 3))") {
            Tensor.ones([1, 3, 8, 8]).conv2d(Tensor.ones([4, 2, 3, 3]))
        },
        ErrorRow("The kernel fits", torch: "torch.conv2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 3, 3))") {
            Tensor.ones([1, 1, 2, 2]).conv2d(Tensor.ones([1, 1, 3, 3]))
        },
        ErrorRow("Padding of a pool", torch: "torch.nn.functional.max_pool2d(torch.ones(1, 1, 4, 4), 2, padding=2)") {
            Tensor.ones([1, 1, 4, 4]).maxPool2d(2, padding: 2)
        },
        ErrorRow("Normalised shape", torch: "torch.nn.functional.layer_norm(torch.ones(2, 3), [4])") {
            Tensor.ones([2, 3]).layerNorm([4])
        },
        ErrorRow("Targets of a loss", torch: "torch.nn.functional.cross_entropy(torch.ones(2, 3), torch.tensor([1]))") {
            Losses.crossEntropy(Tensor.ones([2, 3]), Tensor([1]))
        },
        ErrorRow("A label is named twice", torch: "torch.einsum('ij,jk->iik', torch.ones(2, 2), torch.ones(2, 2))") {
            einsum("ij,jk->iik", Tensor.ones([2, 2]), Tensor.ones([2, 2]))
        },
        ErrorRow("A probability", torch: "torch.nn.functional.dropout(torch.ones(2), 1.5)") {
            Tensor.ones([2]).dropout(1.5)
        },
        // MARK: Linear algebra
        ErrorRow("A square matrix", torch: "torch.linalg.inv(torch.ones(2, 3))") {
            linalg.inv(Tensor.ones([2, 3]))
        },
        ErrorRow("A matrix with an inverse", torch: "torch.linalg.inv(torch.ones(2, 2))") {
            linalg.inv(Tensor.ones([2, 2]))
        },
        ErrorRow("A positive definite matrix", torch: "torch.linalg.cholesky(-torch.eye(2))") {
            linalg.cholesky(-Tensor.eye(2))
        },
        // MARK: Autograd
        ErrorRow("A leaf keeps its elements", torch: "torch.ones(2, requires_grad=True).add_(1)") {
            Tensor.ones([2]).requiresGrad_().add_(1)
        },
        ErrorRow(
            "Backward runs once",
            torch: "y = (torch.ones(2, requires_grad=True) ** 2).sum(); y.backward(); y.backward()"
        ) {
            let y = Tensor.ones([2]).requiresGrad_().square().sum()
            y.backward()
            y.backward()
            return y
        },
        ErrorRow(
            "A saved tensor stays as it was",
            torch: "y = torch.ones(2, requires_grad=True).exp(); y.add_(1); y.sum().backward()"
        ) {
            let y = Tensor.ones([2]).requiresGrad_().exp()
            y.add_(1)
            y.sum().backward()
            return y
        },
        ErrorRow("Backward begins at a number", torch: "(torch.ones(2, requires_grad=True) * 2).backward()") {
            let y = Tensor.ones([2]).requiresGrad_() * 2
            y.backward()
            return y
        },
        ErrorRow("Something requires grad", torch: "torch.ones(2).sum().backward()") {
            let y = Tensor.ones([2]).sum()
            y.backward()
            return y
        },
        ErrorRow("Integers have no gradient", torch: "torch.arange(3).requires_grad_()") {
            Tensor.arange(3).requiresGrad_()
        },
        ErrorRow(
            "No write where elements share memory", torch: "torch.ones(1).expand(3).add_(1)"
        ) {
            Tensor.ones([1]).expand([3]).add_(1)
        },
    ]
}
