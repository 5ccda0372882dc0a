import Cresset
import CressetNN

/// Sums, extrema, softmax and losses.
extension Workload {
    static let reductions: [Workload] = [
        unary("reduce/sum_all_16m", normal(1 << 24)) { $0.sum() }.moving(4 << 24),
        unary("reduce/sum_rows_4kx4k", normal(4096, 4096)) { $0.sum(dim: 1) }.moving(4 << 24),
        unary("reduce/sum_cols_4kx4k", normal(4096, 4096)) { $0.sum(dim: 0) }.moving(4 << 24),
        Workload("reduce/mean_var_4kx1k") {
            let a = normal(4096, 1024)
            return {
                let (variance, mean) = a.varMean(dim: [1])
                return [variance, mean]
            }
        }.moving(4 << 22),
        Workload("reduce/max_rows_4kx1k") {
            let a = normal(4096, 1024)
            return {
                let (values, indices) = a.max(dim: 1)
                return [values, indices]
            }
        }.moving(4 << 22),
        unary("reduce/argmax_rows_4kx1k", normal(4096, 1024)) { $0.argmax(dim: 1) }.moving(4 << 22),
        unary("reduce/softmax_4kx1k", normal(4096, 1024)) { $0.softmax(dim: -1) }.moving(8 << 22),
        unary("reduce/log_softmax_64x50k", normal(64, 50257)) { $0.logSoftmax(dim: -1) }.moving(8 * 64 * 50257),
        Workload("reduce/layer_norm_4kx1k") {
            let (x, weight, bias) = (normal(4096, 1024), normal(1024), normal(1024))
            return { [x.layerNorm([1024], weight: weight, bias: bias)] }
        }.moving(8 << 22),
        binary("reduce/rms_norm_4kx1k", (normal(4096, 1024), normal(1024))) { $0.rmsNorm([1024], weight: $1) }
            .moving(8 << 22),
        unary("reduce/group_norm_8x64x56x56", normal(8, 64, 56, 56)) { $0.groupNorm(8) }.moving(8 * 8 * 64 * 56 * 56),
        Workload("reduce/batch_norm_train_16x64x56x56") {
            let (x, mean, variance) = (normal(16, 64, 56, 56), normal(64), normal(64).abs())
            return { [x.batchNorm(runningMean: mean, runningVar: variance, training: true)] }
        }.moving(8 * 16 * 64 * 56 * 56),
        unary("reduce/cumsum_4kx1k", normal(4096, 1024)) { $0.cumsum(dim: 1) }.moving(8 << 22),
        Workload("reduce/sort_1m") {
            let a = normal(1 << 20)
            return {
                let (values, indices) = a.sort()
                return [values, indices]
            }
        },
        Workload("reduce/topk50_64x50k") {
            let a = normal(64, 50257)
            return {
                let (values, indices) = a.topk(50)
                return [values, indices]
            }
        }.moving(4 * 64 * 50257),
        Workload("reduce/cross_entropy_fwd_bwd_512x50k") {
            let (a, target) = (normal(512, 50257).requiresGrad_(), integers(below: 50257, 512))
            return {
                let loss = Losses.crossEntropy(a, target)
                loss.backward()
                return [loss.detach()]
            }
        }.moving(12 * 512 * 50257),
    ]

    static let indexing: [Workload] = [
        binary("index/gather_1m", (normal(1 << 20), integers(below: 1 << 20, 1 << 20))) { $0.gather(0, $1) }
            .moving(16 << 20),
        binary("index/index_select_rows", (normal(50257, 768), integers(below: 50257, 4096))) {
            $0.indexSelect(dim: 0, index: $1)
        }.moving(8 * 4096 * 768),
        Workload("index/embedding_fwd_bwd") {
            let (table, index) = (normal(50257, 256).requiresGrad_(), integers(below: 50257, 4096))
            return {
                let sum = F.embedding(index, table).sum()
                sum.backward()
                return [sum.detach()]
            }
        }.moving(4 * 50257 * 256 + 12 * 4096 * 256),
        Workload("index/scatter_add_1m") {
            let (a, index) = (normal(1 << 16), integers(below: 1 << 16, 1 << 20))
            let source = normal(1 << 20)
            return { [a.scatterAdd(0, index, source)] }
        }.moving(12 << 20),
        unary("index/masked_select_1m", normal(1 << 20)) { $0.maskedSelect($0 .> 0) }.moving(6 << 20),
        Workload("index/cat_8x1m") {
            let parts = (0..<8).map { _ in normal(1 << 17) }
            return { [Tensor.cat(parts)] }
        }.moving(8 << 20),
    ]
}
