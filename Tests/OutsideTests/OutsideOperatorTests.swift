import ConformanceSuite
import Cresset
import Testing

/// Adding an operation touches one file, Softcap.swift, outside of the library: everything else follows from it.
@Suite struct OutsideOperatorTests {
    @Test func itIsCalledAsAnyOther() throws {
        let x = Tensor([-100, -1, 0, 0.5, 100] as [Float], device: .reference)
        let expected = [-2.5, -0.94987, 0, 0.49344, 2.5]
        for (found, right) in zip(try x.softcap(2.5).doubles(), expected) { #expect((found - right).magnitude < 1e-5) }
        // By name, in other dtypes, and on tensors without data.
        #expect(
            try Operators.call("outside::softcap", [.tensor(x), 2.5])[0].tensor?.doubles() == x.softcap(2.5).doubles())
        #expect(x.bfloat16().softcap(2.5).dtype == .bfloat16)
        #expect(throws: CressetError.self) { try catching { x.long().softcap(2.5) } }
        #expect(Tensor.empty([4, 1 << 40], device: .meta).softcap(30).shape == [4, 1 << 40])
        #expect(Operators.all.contains { $0.name == "outside::softcap" })
    }

    @Test func wrongArgumentsAreTold() throws {
        let x = Tensor([1] as [Float], device: .reference)
        let error = #expect(throws: CressetError.self) { try catching { x.softcap(-1) } }
        #expect(error?.op == "outside::softcap" && error?.message.contains("cap must be positive, got -1") == true)
    }

    @Test func itsDerivativesAreFound() throws {
        let x = Tensor([-2, -0.3, 0, 1.5], device: .reference).requiresGrad_()
        try gradcheck({ [$0[0].softcap(2.5)] }, [x])
        try gradgradcheck({ [$0[0].softcap(2.5)] }, [x])
    }

    @Test(arguments: [Device.reference, .cpu, .opencl, .vulkan])
    func theSuiteProvesItOnEveryDevice(_ device: Device) throws {
        guard (try? device.properties) != nil else { return }
        _ = softcapOperator.declaration
        let outcome = try Conformance.run("outside::softcap", on: device)
        #expect(outcome.failures.isEmpty)
        #expect(outcome.passed > 100)
    }

    @Test func whatCannotBeDeclaredSaysWhy() throws {
        func why(_ schema: String) -> String {
            let wrong = DeclaredOperator(pointwise: schema) { $0.inputs[0] }
            #expect(wrong.declaration == nil)
            let error = #expect(throws: CressetError.self) { try catching { wrong(.tensor(Tensor([1.0]))) } }
            return error?.message ?? ""
        }
        _ = softcapOperator.declaration
        #expect(why("softcap(Tensor self) -> Tensor").contains("\"mylibrary::name\""))
        #expect(why("aten::softcap(Tensor self) -> Tensor").contains("PyTorch's"))
        #expect(why("outside::softcap(Tensor self) -> Tensor").contains("declared before"))
        #expect(why("outside::other(Tensor self, Scalar x) -> Tensor").contains("must have 1"))
        #expect(why("nonsense").contains("a schema reads"))
        #expect(why("outside::none() -> Tensor").contains("1 to 3 tensors"))
    }
}
