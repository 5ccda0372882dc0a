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
