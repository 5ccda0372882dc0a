import Cresset
import Testing

@Suite struct ExpectTests {
    private let x = Tensor.zeros([2, 5, 12], device: .reference)

    @Test func namesAreBoundAndChecked() throws {
        let s = x.expect("b t c")
        #expect(s == ["b": 2, "t": 5, "c": 12] && s["c"] == 12)
        #expect("\(s)" == "b = 2, t = 5, c = 12")
        #expect(x.expect("_ t 3*d", s)["d"] == 4)
        #expect(x.expect("b t heads*d", ["heads": 4])["d"] == 3)
        #expect(x.expect("b ...", s) == s)
        #expect(x.expect("... c") == ["c": 12])
        #expect(x.expect("b ... c", s) == s)
        #expect(x.expect("2 5 12 ...") == [:])
        x.sum(dim: 2).expect("b t", s)
        Tensor.zeros([], device: .reference).expect("")
    }

    @Test func errorsTellTheNames() throws {
        func message(_ pattern: String, _ sizes: Sizes = [:]) -> String {
            let error = #expect(throws: CressetError.self) { try catching { x.expect(pattern, sizes) } }
            return error?.message ?? ""
        }
        #expect(
            message("b t c", ["t": 4]) == "float32 [2, 5, 12] on reference:0 is not \"b t c\": dim 1 is 5, and t is 4; "
                + "bound before: t = 4")
        #expect(message("b t").contains("it has 3 dims, not 2"))
        #expect(message("a ... b c d").contains("it has 3 dims, not at least 4"))
        #expect(message("2 6 c").contains("dim 1 is 5, not 6"))
        #expect(message("a b 5*c").contains("dim 2 is 12, no multiple of 5, so there is no 5*c"))
        #expect(message("a b c*d").contains("both c and d are new"))
        #expect(message("n n c").contains("dim 1 is 5, and n is 2"))
        #expect(message("a... b").contains("\"a...\" is neither"))
        #expect(message("... a ...").contains("once"))
        #expect(throws: CressetError.self) { try catching { Sizes()["q"] } }
    }
}

@Suite struct MetaTensorTests {
    @Test func shapesOfWhatNoMachineHolds() throws {
        let x = Tensor.randn([1 << 20, 1 << 20], device: .meta)
        let y = x.matmul(x).relu().sum(dim: 0)
        #expect(y.shape == [1 << 20] && y.isMeta && y.device == .meta && y.dtype == .float32)
        x.requiresGrad_()
        (x * x).sum().backward()
        #expect(x.grad?.shape == [1 << 20, 1 << 20])
        #expect(Tensor([1, 2, 3] as [Float], device: .reference).to(.meta).shape == [3])
    }

    @Test func whatNeedsDataSaysSo() throws {
        let x = Tensor.ones([3], device: .meta)
        for body: () -> Void in [
            { _ = x.sum().item() }, { _ = x.to(.reference) }, { _ = x.nonzero() }, { _ = [Float](x) },
        ] {
            let error = #expect(throws: CressetError.self) { try catching { body() } }
            #expect(error?.message.contains("meta device") == true, "\(error?.message ?? "")")
        }
        // Wrong shapes are wrong without data too.
        let error = #expect(throws: CressetError.self) { try catching { x + Tensor.ones([4], device: .meta) } }
        #expect(error?.message.contains("[4]") == true)
        #expect(!Device.all.contains(.meta))
    }
}
