/// How operations are spelled in Swift.
extension Operator {
    /// The Swift name of what one calls for it: "Tensor.logSoftmax", "linalg.solve", "fft.rfft", ".==" or "einsum".
    ///
    /// PyTorch's name in camel case, a method or a static function of `Tensor`; `linalg_` and `fft_` are namespaces, and
    /// `special_` falls away. Where that is not so it says `Spellings`.
    public var spelling: String {
        let base = String(name.dropFirst("aten::".count).prefix { $0 != "." })
        if let other = Spellings.others[base] { return other }
        for space in ["linalg", "fft"] where base.hasPrefix(space + "_") {
            return space + "." + Spellings.camel(base.dropFirst(space.count + 1))
        }
        return "Tensor." + Spellings.camel(base.hasPrefix("special_") ? base.dropFirst("special_".count) : base[...])
    }
}

enum Spellings {
    /// PyTorch's name without overload, and what it is called here.
    static let others: [String: String] = {
        var table: [String: String] = [
            "eq": ".==", "ne": ".!=", "lt": ".<", "le": ".<=", "gt": ".>", "ge": ".>=",
            "einsum": "einsum", "embedding": "Embeddings.embedding", "embedding_bag": "Embeddings.embeddingBag",
            "fft_fftshift": "Tensor.fftshift", "fft_ifftshift": "Tensor.ifftshift",
            "matrix_H": "Tensor.H", "numpy_T": "Tensor.T",
            "frobenius_norm": "linalg.norm", "nuclear_norm": "linalg.matrixNorm", "nonzero_numpy": "Tensor.nonzero",
            "split_with_sizes": "Tensor.split", "unique_dim": "Tensor.unique", "convolution": "Tensor.conv2d",
            "cross_entropy_loss": "Losses.crossEntropy", "gaussian_nll_loss": "Losses.gaussianNLLLoss",
            "poisson_nll_loss": "Losses.poissonNLLLoss", "nll_loss2d": "Losses.nllLoss",
            "nll_loss_nd": "Losses.nllLoss",
            // What PyTorch keeps to itself, or for code that it generates, is spelled as what leads there.
            "_fft_c2c": "fft.fftn", "_fft_r2c": "fft.rfftn", "_native_batch_norm_legit": "Tensor.batchNorm",
            "native_batch_norm": "Tensor.batchNorm", "native_group_norm": "Tensor.groupNorm",
            "native_layer_norm": "Tensor.layerNorm", "_pad_circular": "Tensor.pad", "_to_copy": "Tensor.to",
            "_unique2": "Tensor.unique", "_unsafe_view": "Tensor.view", "unsafe_chunk": "Tensor.chunk",
            "unsafe_split": "Tensor.split", "unsafe_split_with_sizes": "Tensor.split",
            "split_with_sizes_copy": "Tensor.splitCopy", "_ctc_loss": "Losses.ctcLoss",
            "native_dropout_backward": "Tensor.nativeDropout",
            "ctc_loss": "Losses.ctcLoss", "grid_sampler": "Tensor.gridSample", "grid_sampler_2d": "Tensor.gridSample",
            "grid_sampler_3d": "Tensor.gridSample", "affine_grid_generator": "Tensor.affineGrid", "dim": "Tensor.ndim",
            "promote_types": "DType.promote", "can_cast": "DType.canCast", "normal_functional": "Tensor.normal_",
        ]
        // What PyTorch's users have in place alone.
        for distribution in ["uniform", "exponential", "cauchy", "log_normal", "geometric", "random"] {
            table[distribution] = "Tensor." + camel(distribution[...]) + "_"
        }
        for loss in [
            "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "hinge_embedding_loss",
            "huber_loss", "kl_div", "l1_loss", "margin_ranking_loss", "mse_loss", "multi_margin_loss",
            "multilabel_margin_loss", "nll_loss", "smooth_l1_loss", "soft_margin_loss", "triplet_margin_loss",
        ] {
            table[loss] = "Losses." + camel(loss[...])
        }
        for way in [
            "nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "trilinear3d", "bicubic2d",
        ] {
            table["upsample_" + way] = "Tensor.interpolate"
        }
        for way in ["nearest_exact1d", "nearest_exact2d", "nearest_exact3d", "bilinear2d_aa", "bicubic2d_aa"] {
            table["_upsample_" + way] = "Tensor.interpolate"
        }
        for way in ["reflection", "replication"] {
            for rank in 1...3 { table["\(way)_pad\(rank)d"] = "Tensor.pad" }
        }
        return table
    }()

    /// "log_softmax" as "logSoftmax".
    static func camel(_ name: Substring) -> String {
        let words = name.split(separator: "_")
        return words.prefix(1).joined() + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }
}
