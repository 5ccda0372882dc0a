import Cresset
import Testing

/// Gradients of gradients of the operations on windows, against central differences in float64.
@Suite struct SecondOrderTests {
    private func numbers(_ shape: Shape, _ seed: Int) -> Tensor {
        // A low-discrepancy sequence: no ties, nothing symmetric.
        let values = (0..<shape.elementCount).map { i -> Double in
            let x = Double(i + seed * 101 + 1) * 0.618_033_988_749_894_9
            return 4 * (x - x.rounded(.down)) - 2
        }
        return Tensor(values, shape: shape, device: .reference)
    }

    /// Σ weightᵢ·∂(Σ u·f(inputs)²)/∂inputᵢ, which is not linear in any argument.
    private func outer(_ inputs: [Tensor], _ f: ([Tensor]) -> Tensor, createGraph: Bool) throws -> Tensor {
        let y = f(inputs)
        let loss = (y * y * numbers(y.shape, 7)).sum()
        let gradients = try grad([loss], inputs, createGraph: createGraph)
        var total = Tensor(0.0, dtype: .float64, device: .reference)
        for (i, gradient) in gradients.enumerated() {
            let gradient = try #require(gradient)
            total = total + (gradient * numbers(gradient.shape, 20 + i)).sum()
        }
        return total
    }

    private func check(_ name: String, _ shapes: [Shape], _ f: ([Tensor]) -> Tensor) throws {
        let inputs = shapes.enumerated().map { numbers($1, $0).requiresGrad_() }
        let found = try grad([outer(inputs, f, createGraph: true)], inputs)
        let step = 1e-5
        for (k, input) in inputs.enumerated() {
            let gradient = [Double](try #require(found[k]).contiguous())
            let values = [Double](input.detach())
            for i in Swift.stride(from: 0, to: values.count, by: Swift.max(1, values.count / 12)) {
                func at(_ delta: Double) throws -> Double {
                    var moved = values
                    moved[i] += delta
                    var changed = inputs.map { $0.detach().requiresGrad_() }
                    changed[k] = Tensor(moved, shape: input.shape, device: .reference).requiresGrad_()
                    return try outer(changed, f, createGraph: false).item()
                }
                let difference = (try at(step) - at(-step)) / (2 * step)
                #expect(
                    (gradient[i] - difference).magnitude <= 1e-5 + 1e-5 * difference.magnitude,
                    "\(name), argument \(k), element \(i): \(gradient[i]), differences give \(difference)")
            }
        }
    }

    @Test func convolutions() throws {
        try check("conv2d", [[2, 4, 5, 6], [6, 2, 3, 2], [6]]) {
            $0[0].conv2d($0[1], bias: $0[2], stride: [2, 1], padding: 1, dilation: [1, 2], groups: 2)
        }
        try check("conv1d, few windows", [[3, 2, 3], [5, 2, 3]]) { $0[0].conv1d($0[1]) }
        try check("conv2d, same", [[1, 2, 4, 3], [2, 2, 2, 4]]) { $0[0].conv2d($0[1], padding: .same) }
        try check("conv3d", [[1, 2, 3, 4, 3], [2, 2, 2, 2, 2]]) { $0[0].conv3d($0[1], padding: 1) }
        try check("conv_transpose2d", [[2, 4, 3, 2], [4, 2, 2, 3], [4]]) {
            $0[0].convTranspose2d(
                $0[1], bias: $0[2], stride: [2, 1], padding: 1, outputPadding: [1, 0], groups: 2, dilation: [1, 2])
        }
        // The output padding exceeds the stride: backward sees more windows than there are elements.
        try check("conv_transpose1d", [[1, 2, 4], [2, 3, 2]]) {
            $0[0].convTranspose1d($0[1], stride: 1, outputPadding: 2, dilation: 3)
        }
    }

    /// Of complex numbers, as functions of their parts.
    @Test func complexNumbers() throws {
        func check(_ name: String, _ shapes: [Shape], _ f: ([Tensor]) -> Tensor) throws {
            try self.check(name, shapes.map { Shape(Array($0) + [2]) }) { pairs in
                let y = f(pairs.map { $0.viewAsComplex() })
                return y.isComplex ? y.viewAsReal() : y
            }
        }
        for (name, f): (String, (Tensor) -> Tensor) in [
            ("exp", { $0.exp() }), ("log", { $0.log() }), ("sqrt", { $0.sqrt() }), ("rsqrt", { $0.rsqrt() }),
            ("reciprocal", { $0.reciprocal() }), ("square", { $0.square() }), ("sin", { $0.sin() }),
            ("cosh", { $0.cosh() }), ("tan", { $0.tan() }), ("tanh", { $0.tanh() }), ("asin", { $0.asin() }),
            ("acosh", { $0.acosh() }), ("atan", { $0.atan() }), ("log1p", { $0.log1p() }), ("expm1", { $0.expm1() }),
            ("sigmoid", { $0.sigmoid() }), ("abs", { $0.abs() }), ("angle", { $0.angle() }), ("sgn", { $0.sgn() }),
            ("conj", { $0.conj() }), ("real", { $0.real }), ("imag", { $0.imag }),
        ] {
            try check(name, [[5]]) { f($0[0]) }
        }
        try check("mul", [[2, 3], [3]]) { $0[0] * $0[1] }
        try check("div", [[2, 3], [3]]) { $0[0] / $0[1] }
        try check("pow", [[4], [4]]) { $0[0].pow($0[1]) }
        try check("scalar", [[4]]) { Scalar.complex(1 - 2 * .i) / ($0[0] * .complex(.i) + 3) }
        try check("matmul", [[2, 3, 2], [2, 4]]) { $0[0].matmul($0[1]) }
        try check("prod", [[4, 3]]) { $0[0].prod(dim: 0) }
        try check("cumprod", [[4]]) { $0[0].cumprod(dim: 0) }
        try check("var", [[4, 3]]) { $0[0].var(dim: [0]) }
        try check("logsumexp", [[4, 3]]) { $0[0].logsumexp(dim: [0]) }
        try check("conv1d", [[2, 2, 5], [3, 2, 2], [3]]) { $0[0].conv1d($0[1], bias: $0[2], padding: 1) }
        try check("conv_transpose1d", [[1, 2, 4], [2, 2, 2]]) { $0[0].convTranspose1d($0[1], stride: 2) }
    }

    @Test func poolingAndPadding() throws {
        try check("avg_pool2d", [[2, 2, 5, 4]]) {
            $0[0].avgPool2d([3, 2], stride: 2, padding: 1, ceilMode: true, countIncludePad: false)
        }
        try check("max_pool2d", [[1, 2, 5, 4]]) { $0[0].maxPool2d(3, stride: 2, padding: 1) }
        try check("adaptive_avg_pool2d", [[1, 2, 5, 4]]) { $0[0].adaptiveAvgPool2d([3, 3]) }
        try check("adaptive_max_pool2d", [[1, 2, 5, 4]]) { $0[0].adaptiveMaxPool2d([3, 3]).values }
        try check("pad", [[1, 2, 5, 4]]) { $0[0].pad([2, 1, -1, 3], mode: .reflect).pad([1, -2], mode: .constant) }
        try check("im2col", [[1, 2, 5, 4]]) { $0[0].im2col([2, 3], padding: 1, stride: 2) }
        try check("col2im", [[1, 4, 6]]) { $0[0].col2im([3, 4], 2) }
        try check("unfold", [[2, 7, 2]]) { $0[0].unfold(1, size: 3, step: 2) }
    }

    /// A window next to an infinite element stays finite.
    @Test func nothingLeaksFromOutsideAWindow() {
        let x = Tensor([1, 2, .infinity, 4, 5, 6, .nan] as [Double], shape: [1, 1, 7], device: .reference)
        let means = [Double](x.adaptiveAvgPool1d(5).flatten())
        // Windows 0–1, 1–2, 2–4, 4–5, 5–6.
        #expect(means[0] == 1.5 && means[1] == .infinity && means[2] == .infinity && means[3] == 5.5)
        #expect(means[4].isNaN)
        #expect([Double](x.avgPool1d(2).flatten())[0] == 1.5)
    }
}
