import Cresset
import Testing

@Suite struct AttentionTests {
    /// More scores than are in memory at a time: blocks, whose scores the backward pass computes again.
    @Test func blocksGiveWhatTheWholeGives() throws {
        let (queries, keys) = (2050, 2100)
        let stream = RandomStream(seed: 3)
        let q = Tensor.randn([queries, 2], dtype: .float64, stream: stream).requiresGrad_()
        let k = Tensor.randn([keys, 2], dtype: .float64, stream: stream).requiresGrad_()
        let v = Tensor.randn([keys, 3], dtype: .float64, stream: stream).requiresGrad_()
        let g = Tensor.randn([queries, 3], dtype: .float64, stream: stream)
        for isCausal in [false, true] {
            let blocks = Tensor.scaledDotProductAttention(q, k, v, isCausal: isCausal, scale: 0.5)
            var scores = q.matmul(k.mT) * 0.5
            if isCausal {
                let isSeen = Tensor.ones([queries, keys], dtype: .bool).tril()
                scores = scores.maskedFill(isSeen.logicalNot(), .double(-.infinity))
            }
            let whole = scores.softmax(dim: -1).matmul(v)
            #expect(largest(blocks - whole) < 1e-12)
            let found = try grad([blocks], [q, k, v], gradOutputs: [g])
            let right = try grad([whole], [q, k, v], gradOutputs: [g])
            for (a, b) in zip(found, right) {
                let (a, b) = (try #require(a), try #require(b))
                #expect(largest(a - b) < 1e-11)
            }
        }
    }

    private func largest(_ x: Tensor) -> Double { x.detach().abs().max().item() }

    @Test func aMaskAndCausalExcludeEachOther() {
        let x = Tensor.ones([2, 3, 4])
        let mask = Tensor.ones([3, 3], dtype: .bool)
        #expect {
            try catching { _ = Tensor.scaledDotProductAttention(x, x, x, attnMask: mask, isCausal: true) }
        } throws: { error in
            "\(error)".contains("a mask and is_causal exclude each other")
        }
    }
}
