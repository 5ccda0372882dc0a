import Cresset
import Testing

/// In-place operations by name are the operations of the same name, written into their first argument.
@Suite struct InPlaceOperatorTests {
    /// Every one with every sample that fits in place.
    @Test(arguments: [DType.float64, .int64, .bool])
    func eachWritesWhatTheOperationGives(_ dtype: DType) throws {
        var tried: Set<String> = []
        for name in Operators.inPlaceNames {
            let op = try #require(Operators.find("aten::" + name), "\(name)")
            #expect(op.name == "aten::" + name)
            let plain = try #require(op.composition.first.flatMap { Operators.find($0) })
            guard op.dtypes.contains(dtype) else { continue }
            var maker = SampleMaker(dtype: dtype, seed: 7)
            for sample in op.samples(&maker) {
                guard case .tensor(let x)? = sample.values.first else { continue }
                let right = try withRandomStream(RandomStream(seed: 5)) {
                    try plain.run(sample.values).first?.tensor
                }
                guard let right, right.shape == x.shape, right.dtype.canCast(to: x.dtype) else { continue }
                let target = x.clone()
                let version = target.version
                let got = try withRandomStream(RandomStream(seed: 5)) {
                    try op.run([.tensor(target)] + sample.values.dropFirst()).first?.tensor
                }
                #expect(got?.sharesStorage(with: target) == true && target.version == version + 1, "\(name)")
                #expect(try target.rawBytes() == right.to(x.dtype).contiguous().rawBytes(), "\(name) of \(x.shape)")
                tried.insert(name)
            }
        }
        #expect(tried.count > (dtype == .float64 ? 160 : 30), "\(tried.count)")
    }

    @Test func historyGoesOn() throws {
        let x = leaf([1, 2, 3])
        let y = x * 2
        let z = try #require(try Operators.call("aten::cumsum_", [.tensor(y), 0])[0].tensor)
        #expect(elements(y) == [2, 6, 12] && z.gradFn != nil)
        y.sum().backward()
        #expect(gradient(x) == [6, 4, 2])
        let refused = try #require(refusal { _ = try Operators.call("aten::exp_", [.tensor(leaf([1]))]) })
        #expect(refused.kind == .autograd)
    }

    @Test func whatDoesNotFitIsRefused() throws {
        let n = Tensor([1, 2] as [Int64], device: .reference)
        let wrong = try #require(refusal { _ = try Operators.call("aten::div_.Tensor", [.tensor(n), .tensor(n)]) })
        #expect(wrong.kind == .dtype && wrong.message.contains("cannot be written into int64"))
        let x = make([1, 2, 3, 4], [2, 2])
        for name in ["squeeze_", "t_", "transpose_", "unsqueeze_.dim", "as_strided_", "resize_", "set_.source_Tensor"] {
            let refused = try #require(refusal { _ = try Operators.call("aten::" + name, [.tensor(x)]) }, "\(name)")
            #expect(refused.kind == .unsupported && refused.message.contains("rebind"), "\(name)")
        }
        #expect(Operators.find("aten::matmul_") == nil && Operators.find("aten::_") == nil)
    }

    @Test func methodsWriteInPlace() {
        let x = make([1, 2, 3, 4], [2, 2])
        #expect(elements(x.addmm_(make([1, 0, 0, 1], [2, 2]), make([1, 1, 1, 1], [2, 2]))) == [2, 3, 4, 5])
        #expect(elements(x.tril_()) == [2, 0, 4, 5])
        #expect(elements(x.cumsum_(dim: 1)) == [2, 2, 4, 9])
        #expect(elements(x.gt_(3)) == [0, 0, 1, 1])
        #expect(elements(x.negative_().absolute_().multiply_(3)) == [0, 0, 3, 3])
        #expect(elements(make([1, 4]).eq(make([1, 2])).float()) == [1, 0])
        let tall = Tensor.zeros([7, 2], device: .reference)
        #expect(elements(tall.fillDiagonal_(1, wrap: true)) == [1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0])
        #expect(
            elements(Tensor.ones([5, 2], device: .reference).fillDiagonal_(0, wrap: true)) == [
                0, 1, 1, 0, 1, 1, 0, 1, 1, 0,
            ])
        #expect(elements(Tensor.zeros([2, 2, 2], device: .reference).fillDiagonal_(3)) == [3, 0, 0, 0, 0, 0, 0, 3])
    }

    @Test func tensorsAreCutOff() throws {
        let x = leaf([1, 2])
        let y = x * 3
        #expect(!y.detach_().requiresGrad && y.isLeaf && elements(y) == [3, 6])
        #expect(refusal { _ = try catching { (x * 2)[0].detach_() } }?.message.contains("detach()") == true)
    }
}
