import Cresset
import CressetNN
import Testing

/// `F` has the names and defaults of torch.nn.functional.
@Suite struct FunctionalTests {
    private let x = Tensor([-2, -0.5, 0, 1, 3, 0.25] as [Float], shape: [2, 3], device: .reference)

    private func same(_ a: Tensor, _ b: Tensor) throws -> Bool {
        try a.shape == b.shape && a.doubles() == b.doubles()
    }

    @Test func theFormsAreTheMethods() throws {
        #expect(try same(F.relu(x), x.relu()))
        #expect(try same(F.softmax(x, dim: -1), x.softmax(dim: -1)))
        #expect(try same(F.gelu(x, approximate: "tanh"), x.gelu(approximate: "tanh")))
        #expect(try same(F.layerNorm(x, [3]), x.layerNorm([3])))
        let target = Tensor([2, 0] as [Int64], device: .reference)
        #expect(
            try same(
                F.crossEntropy(x, target, labelSmoothing: 0.1), Losses.crossEntropy(x, target, labelSmoothing: 0.1)))
        let weight = Tensor.ones([4, 3], device: .reference)
        #expect(try same(F.linear(x, weight), x.matmul(weight.t())))
        #expect(F.embedding(target.clamp(max: 1), weight).shape == [2, 3])
        let image = Tensor.ones([1, 1, 4, 4], device: .reference)
        #expect(F.conv2d(image, .ones([2, 1, 3, 3], device: .reference), padding: 1).shape == [1, 2, 4, 4])
        #expect(F.maxPool2d(image, 2).shape == [1, 1, 2, 2])
        #expect(F.unfold(image, 2).shape == [1, 4, 9])
        #expect(F.interpolate(image, scaleFactor: [2, 2]).shape == [1, 1, 8, 8])
        #expect(F.scaledDotProductAttention(image, image, image).shape == image.shape)
    }
}
