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
        },
        binary("conv/transpose_4x64x28_k4s2", (normal(4, 64, 28, 28), normal(64, 32, 4, 4))) {
            $0.convTranspose2d($1, stride: 2, padding: 1)
        },
        unary("conv/maxpool_16x64x112_k3s2", normal(16, 64, 112, 112)) { $0.maxPool2d(3, stride: 2, padding: 1) },
        unary("conv/avgpool_16x64x56_k2", normal(16, 64, 56, 56)) { $0.avgPool2d(2) },
        unary("conv/upsample_bilinear_8x64x56_x2", normal(8, 64, 56, 56)) {
            $0.interpolate(scaleFactor: [2, 2], mode: .linear)
        },
    ]

    private static func attention(
        _ name: String, _ batch: Int, _ heads: Int, _ queries: Int, _ keys: Int, _ width: Int, isCausal: Bool
    ) -> Workload {
        Workload("attention/\(name)") {
            let q = normal(batch, heads, queries, width)
            let (k, v) = (normal(batch, heads, keys, width), normal(batch, heads, keys, width))
            return { [F.scaledDotProductAttention(q, k, v, isCausal: isCausal)] }
        }
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
        },
    ]
}
