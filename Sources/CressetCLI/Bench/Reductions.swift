import Cresset
import CressetNN

/// Sums, extrema, softmax and losses.
extension Workload {
    static let reductions: [Workload] = [
        unary("reduce/sum_all_16m", normal(1 << 24)) { $0.sum() },
        unary("reduce/sum_rows_4kx4k", normal(4096, 4096)) { $0.sum(dim: 1) },
        unary("reduce/sum_cols_4kx4k", normal(4096, 4096)) { $0.sum(dim: 0) },
        // One call in PyTorch, two here.
        Workload("reduce/mean_var_4kx1k") {
            let a = normal(4096, 1024)
            return { _ = (a.var(dim: [1]), a.mean(dim: 1)) }
        },
        Workload("reduce/max_rows_4kx1k") {
            let a = normal(4096, 1024)
            return { _ = a.max(dim: 1) }
        },
        unary("reduce/argmax_rows_4kx1k", normal(4096, 1024)) { $0.argmax(dim: 1) },
        unary("reduce/softmax_4kx1k", normal(4096, 1024)) { $0.softmax(dim: -1) },
        unary("reduce/log_softmax_64x50k", normal(64, 50257)) { $0.logSoftmax(dim: -1) },
        Workload("reduce/layer_norm_4kx1k") {
            let (x, norm) = (normal(4096, 1024), LayerNorm([1024]))
            return { _ = noGrad { norm(x) } }
        },
        Workload("reduce/rms_norm_4kx1k", missing: "rms_norm"),
        Workload("reduce/group_norm_8x64x56x56", missing: "group_norm"),
        Workload("reduce/batch_norm_train_16x64x56x56", missing: "batch_norm"),
        Workload("reduce/cumsum_4kx1k", missing: "cumsum"),
        Workload("reduce/sort_1m", missing: "sort"),
        Workload("reduce/topk50_64x50k", missing: "topk"),
        Workload("reduce/cross_entropy_fwd_bwd_512x50k") {
            let (a, target) = (normal(512, 50257).requiresGrad_(), integers(below: 50257, 512))
            return { Losses.crossEntropy(a, target).backward() }
        },
    ]

    static let indexing: [Workload] = [
        binary("index/gather_1m", (normal(1 << 20), integers(below: 1 << 20, 1 << 20))) { $0.gather(0, $1) },
        binary("index/index_select_rows", (normal(50257, 768), integers(below: 50257, 4096))) {
            $0.indexSelect(dim: 0, index: $1)
        },
        Workload("index/embedding_fwd_bwd") {
            let table = Embedding(50257, 256)
            let index = integers(below: 50257, 4096)
            return { table(index).sum().backward() }
        },
        Workload("index/scatter_add_1m") {
            let (a, index) = (normal(1 << 16), integers(below: 1 << 16, 1 << 20))
            let source = normal(1 << 20)
            return { _ = a.scatterAdd(0, index, source) }
        },
        Workload("index/masked_select_1m", missing: "masked_select"),
        Workload("index/cat_8x1m") {
            let parts = (0..<8).map { _ in normal(1 << 17) }
            return { _ = Tensor.cat(parts) }
        },
    ]
}
