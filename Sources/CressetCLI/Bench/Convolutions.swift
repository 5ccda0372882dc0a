import Cresset
import CressetNN

/// Convolutions, pooling and resizing of images, channels before sizes.
extension Workload {
    private static func convolution(
        _ name: String, _ n: Int, _ channels: Int, _ size: Int, _ out: Int, _ kernel: Int, stride: Int = 1,
        groups: Int = 1
    ) -> Workload {
        binary(
            "conv/\(name)", (normal(n, channels, size, size), normal(out, channels / groups, kernel, kernel))
        ) { $0.conv2d($1, stride: PerDim(stride), padding: .sizes(PerDim(kernel / 2)), groups: groups) }
        .computing(2 * n * out * (size / stride) * (size / stride) * channels / groups * kernel * kernel)
    }

    static let convolutions: [Workload] = [
        convolution("resnet_stem_4x3x224_64k7s2", 4, 3, 224, 64, 7, stride: 2),
        convolution("3x3_8x64x56", 8, 64, 56, 64, 3),
        convolution("3x3_8x256x14", 8, 256, 14, 256, 3),
        convolution("1x1_8x256x14_1024", 8, 256, 14, 1024, 1),
        convolution("depthwise_8x96x56_k3", 8, 96, 56, 96, 3, groups: 96),
        convolution("lenet_64x1x28_32k5", 64, 1, 28, 32, 5),
        Workload("conv/3x3_8x64x56_fwd_bwd") {
            let x = normal(8, 64, 56, 56).requiresGrad_()
            let w = normal(64, 64, 3, 3).requiresGrad_()
            return {
                x.conv2d(w, padding: 1).sum().backward()
                return [x, w].compactMap(\.grad)
            }
        }.computing(3 * 2 * 8 * 64 * 56 * 56 * 64 * 9),
        binary("conv/transpose_4x64x28_k4s2", (normal(4, 64, 28, 28), normal(64, 32, 4, 4))) {
            $0.convTranspose2d($1, stride: 2, padding: 1)
        }.computing(2 * 4 * 64 * 28 * 28 * 32 * 16),
        unary("conv/maxpool_16x64x112_k3s2", normal(16, 64, 112, 112)) { $0.maxPool2d(3, stride: 2, padding: 1) }
            .moving(4 * 16 * 64 * (112 * 112 + 56 * 56)),
        unary("conv/avgpool_16x64x56_k2", normal(16, 64, 56, 56)) { $0.avgPool2d(2) }
            .moving(4 * 16 * 64 * (56 * 56 + 28 * 28)),
        unary("conv/upsample_bilinear_8x64x56_x2", normal(8, 64, 56, 56)) {
            $0.interpolate(scaleFactor: [2, 2], mode: .linear)
        }.moving(4 * 8 * 64 * 5 * 56 * 56),
    ]

    private static func attention(
        _ name: String, _ batch: Int, _ heads: Int, _ queries: Int, _ keys: Int, _ width: Int, isCausal: Bool
    ) -> Workload {
        Workload("attention/\(name)") {
            let q = normal(batch, heads, queries, width)
            let (k, v) = (normal(batch, heads, keys, width), normal(batch, heads, keys, width))
            return { [F.scaledDotProductAttention(q, k, v, isCausal: isCausal)] }
        }
        // (Two products; of causal ones half.)
        .computing(4 * batch * heads * queries * keys * width / (isCausal ? 2 : 1))
        .moving(queries == 1 ? 8 * batch * heads * keys * width : 0)
    }

    static let attention: [Workload] = [
        attention("prefill_1x12x512x64_causal", 1, 12, 512, 512, 64, isCausal: true),
        attention("prefill_1x8x2048x64_causal", 1, 8, 2048, 2048, 64, isCausal: true),
        attention("decode_1x32x1x2048x128", 1, 32, 1, 2048, 128, isCausal: false),
        Workload("attention/train_4x8x256x64_causal") {
            let inputs = (0..<3).map { _ in normal(4, 8, 256, 64).requiresGrad_() }
            return {
                F.scaledDotProductAttention(inputs[0], inputs[1], inputs[2], isCausal: true).sum().backward()
                return inputs.compactMap(\.grad)
            }
        }.computing(7 * 2 * 32 * 256 * 256 * 64 / 2),
    ]
}
