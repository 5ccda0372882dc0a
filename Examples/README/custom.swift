// Examples/README/custom.swift
import Cresset
import Glibc

// A faster kernel for one operation, on a device that is already there.
let x = Tensor.randn([100_000], device: .reference)
let before = ContinuousClock().measure { _ = x.silu() }
try Registry.register("aten::silu", on: .reference, dtypes: [.float32], name: "mine") { arguments in
    guard let x = arguments.first?.tensor else { return [] }
    let y = [Float](x).map { $0 / (1 + exp(-$0)) }
    return [Tensor(y, shape: x.shape, device: x.device)]
}
let after = ContinuousClock().measure { _ = x.silu() }
print("silu took \(before), with the kernel of \(try Registry.entries(on: .reference).last?.owner ?? "") \(after)")

// A whole device, from a shared library that somebody else built.
let naive = try Device(Registry.load(path: "./libcresset_backend_naive.so"))
let a = Tensor.rand([3, 3], device: naive).requiresGrad_()
(a.matmul(a) + a).softmax(dim: -1).square().sum().backward()
print("\(try naive.properties.name) says\n\(a.grad ?? a)")
