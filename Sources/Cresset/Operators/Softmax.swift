import BackendKit

/// Softmax and the losses built on it.
enum Softmax {
    private static let softmaxName = OperatorName("aten::softmax.int")
    private static let logSoftmaxName = OperatorName("aten::log_softmax.int")
    private static let logSumExpName = OperatorName("aten::logsumexp")

    private static let normalize = Pointwise("aten::_log_softmax", .promote) {
        $0.inputs[0] - $0.inputs[1] - log($0.inputs[2])
    }
    private static let divide = Pointwise("aten::_softmax", .promote) {
        exp($0.inputs[0] - $0.inputs[1]) / $0.inputs[2]
    }
    private static let logBackward = Pointwise("aten::_log_softmax_backward_data", .promote) { c in
        c.inputs[0] - exp(c.inputs[1]) * c.inputs[2]
    }

    /// Maximum and Σ exp(x - max) over one dim, in the accumulation type.
    private static func statistics(_ x: Tensor, _ d: Int) throws(CressetError) -> (Tensor, Tensor) {
        let type = x.dtype.arithmetic
        let dims = x.ndim == 0 ? [] : [d]
        let largest = try Reductions.maxKernel.run([x], dims: dims, accumulators: [type], outputs: [x.dtype])[0]
        let sum = try Reductions.sumExpKernel.run(
            [x, try largest.expanded(x.shape, op: "aten::softmax.int")], dims: dims, accumulators: [type],
            outputs: [type.dtype])[0]
        return (largest, sum)
    }

    private static func prepare(_ x: Tensor, _ dim: Int, _ dtype: DType?, op: String) throws(CressetError) -> (
        Tensor, Int
    ) {
        try x.checkValid(op)
        let x = try x.converted(to: dtype ?? x.dtype)
        guard x.dtype.isFloatingPoint else {
            throw CressetError(.dtype, op: op, "is defined for floating dtypes, got \(x.summary); give a dtype")
        }
        return (x, try x.dim(dim, op: op))
    }

    static func softmax(_ x: Tensor, dim: Int, dtype: DType? = nil) throws(CressetError) -> Tensor {
        let op = "aten::softmax.int"
        let (x, d) = try prepare(x, dim, dtype, op: op)
        if x.numel == 0 { return x.clone() }
        let arguments: [Value] = [.tensor(x), .scalar(Scalar(d)), .none]
        let type = ResultType(x.shape, x.dtype)
        let result = try Override.resolve(
            softmaxName, on: x, x.dtype, arguments, types: [type]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let (largest, sum) = try statistics(x.detach(), d)
                return [try divide.run([x.detach(), largest, sum], [], types: (x.dtype, x.dtype))]
            }
        }[0]
        let kernel = GradientKernel(softmaxName, x.dtype, arguments, savesTensors: false)
        // y = softmax(x): ∂x = y·(g - Σ g·y)
        return Tape.record(op, result, inputs: [x], savingResult: true) { (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            let y = saved[0]
            if let own = try kernel.run(g, result: y, saved: [], types: [type], wanted: [true]) { return own }
            let gy = try Ops.mul(g, y)
            let sum = try Reductions.sum(gy, dims: g.ndim == 0 ? [] : [d], keepdim: true)
            return [try Ops.sub(gy, try Ops.mul(y, sum))]
        }
    }

    static func logSoftmax(_ x: Tensor, dim: Int, dtype: DType? = nil) throws(CressetError) -> Tensor {
        let op = "aten::log_softmax.int"
        let (x, d) = try prepare(x, dim, dtype, op: op)
        if x.numel == 0 { return x.clone() }
        let arguments: [Value] = [.tensor(x), .scalar(Scalar(d)), .none]
        let type = ResultType(x.shape, x.dtype)
        let result = try Override.resolve(
            logSoftmaxName, on: x, x.dtype, arguments, types: [type]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let (largest, sum) = try statistics(x.detach(), d)
                return [try normalize.run([x.detach(), largest, sum], [], types: (x.dtype, x.dtype))]
            }
        }[0]
        let kernel = GradientKernel(logSoftmaxName, x.dtype, arguments, savesTensors: false)
        // y = x - ln Σ eˣ: ∂x = g - eʸ·Σ g
        return Tape.record(op, result, inputs: [x], savingResult: true) { (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            if let own = try kernel.run(g, result: saved[0], saved: [], types: [type], wanted: [true]) { return own }
            let sum = try Reductions.sum(g, dims: g.ndim == 0 ? [] : [d], keepdim: true)
            return [try logBackward(g, saved[0], sum)]
        }
    }

    static func logSumExp(_ x: Tensor, dims: [Int]?, keepdim: Bool) throws(CressetError) -> Tensor {
        let op = "aten::logsumexp"
        try x.checkValid(op)
        // Bool and integers give float32.
        let x = try x.converted(to: Promotion.float(x.dtype))
        let dims = try x.dims(dims, op: op)
        return try Override.resolve(
            logSumExpName, inputs: [x], x.dtype, [.tensor(x), .ints(dims), .scalar(.bool(keepdim))],
            type: ResultType(x.shape.reduced(dims, keepdim: keepdim), x.dtype)
        ) { (x) throws(CressetError) in try logSumExp(x[0], dims, keepdim, op: op) }
    }

    private static func logSumExp(
        _ x: Tensor, _ dims: [Int], _ keepdim: Bool, op: String
    ) throws(CressetError) -> Tensor {
        // (Of complex numbers, the size of the exponential is that of the real part's.)
        let sizes = try ComplexNumbers.part(x.detach(), 0)
        let largest = try Reductions.extremum(Reductions.maxKernel, sizes, dims: dims, keepdim: true)
        // An infinite maximum would give inf - inf.
        let finite = try Selection.whereSelf(
            try Ops.isfinite(largest), largest, try .filled([], 0, dtype: largest.dtype, on: x.runtime, op: op))
        let sum = try Reductions.sum(try Ops.exp(try Ops.sub(x, finite)), dims: dims, keepdim: true)
        let result = try Ops.add(try Ops.log(sum), finite)
        return keepdim ? result : result.squeezed(dims, op: op)
    }
}

/// How a loss over many elements becomes one number.
public enum LossReduction: String, Sendable {
    case none, mean, sum

    /// PyTorch's number for it, in schemas.
    var value: Value {
        switch self {
        case .none: 0
        case .mean: 1
        case .sum: 2
        }
    }
}

/// Losses, as `torch.nn.functional` has them.
public enum Losses {
    private static let crossEntropyName = OperatorName("aten::cross_entropy_loss")
    private static let mseName = OperatorName("aten::mse_loss")
    private static let squaredDifference = Pointwise("aten::mse_loss", .promote, schema: nil) { c in
        let d = c.inputs[0] - c.inputs[1]
        return d * d
    }

    static func reduce(_ losses: Tensor, _ reduction: LossReduction) -> Tensor {
        switch reduction {
        case .none: losses
        case .mean: losses.mean()
        case .sum: losses.sum()
        }
    }

    /// -log p of the target class; `input` holds log-probabilities [N, C] or [C] or [N, C, d…].
    public static func nllLoss(
        _ input: Tensor, _ target: Tensor, weight: Tensor? = nil, ignoreIndex: Int = -100,
        reduction: LossReduction = .mean
    ) -> Tensor {
        nllLoss("aten::nll_loss_nd", input, target, weight, ignoreIndex, reduction)
    }

    /// - Parameter op: whose errors its errors are.
    static func nllLoss(
        _ op: String, _ input: Tensor, _ target: Tensor, _ weight: Tensor?, _ ignoreIndex: Int,
        _ reduction: LossReduction
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try input.checkValid(op)
            try target.checkValid(op)
            guard input.ndim >= 1, target.ndim == input.ndim - 1 else {
                throw CressetError(
                    .shape, op: op,
                    "the target \(target.shape) must have the shape of the input \(input.shape) without "
                        + "its class dim")
            }
            let classDim = input.ndim == 1 ? 0 : 1
            var expected = input.shape
            expected.remove(at: classDim)
            guard target.shape == expected else {
                throw CressetError(.shape, op: op, "the target has shape \(target.shape), the input wants \(expected)")
            }
            guard target.dtype == .int64 || target.dtype == .int32 || target.dtype == .uint8 else {
                throw CressetError(.dtype, op: op, "the target must hold class indices, got \(target.summary)")
            }
            let target = try target.converted(to: .int64)
            let keep = target .!= Scalar(ignoreIndex)
            let zero = Tensor.zerosLike(target)
            let safe = Tensor.where(keep, target, zero)
            var weights = try keep.converted(to: input.dtype)
            if let weight {
                weights = weights * (try Indexing.select(weight, 0, safe.flatten(), for: op)).reshape(safe.shape)
            }
            let picked = try Indexing.gather(input, classDim, safe.unsqueeze(classDim), for: op).squeeze(classDim)
            // where, not a product: an ignored -inf must not become NaN.
            let losses = Tensor.where(keep, -(picked * weights), Tensor.zerosLike(picked))
            switch reduction {
            case .none: return losses
            case .sum: return losses.sum()
            case .mean: return losses.sum() / weights.sum()
            }
        }
    }

    /// The cross entropy of logits and class indices, or of logits and class probabilities.
    public static func crossEntropy(
        _ input: Tensor, _ target: Tensor, weight: Tensor? = nil, ignoreIndex: Int = -100,
        reduction: LossReduction = .mean, labelSmoothing: Double = 0
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try input.checkValid(crossEntropyName.text)
            try target.checkValid(crossEntropyName.text)
            guard input.ndim > 0 else {
                throw CressetError(
                    .shape, op: crossEntropyName.text, "needs [classes] or [batch, classes, …], got \(input.summary)")
            }
            let classDim = input.ndim == 1 ? 0 : 1
            if let weight, weight.shape != [input.shape[classDim]] {
                throw CressetError(
                    .shape, op: crossEntropyName.text,
                    "there must be one weight for each of \(input.shape[classDim]) classes, got \(weight.summary)")
            }
            guard labelSmoothing >= 0 && labelSmoothing <= 1 else {
                throw CressetError(
                    .argument, op: crossEntropyName.text, "label_smoothing must lie in 0 ... 1, got \(labelSmoothing)")
            }
            let inputs = [input, target] + (weight.map { [$0] } ?? [])
            var losses = Shape()
            if reduction == .none {
                losses = input.shape
                losses.remove(at: classDim)
            }
            return try Override.resolve(
                crossEntropyName, inputs: inputs, input.dtype,
                [
                    .tensor(input), .tensor(target), weight.map(Value.tensor) ?? .none, reduction.value,
                    .scalar(Scalar(ignoreIndex)), .scalar(.double(labelSmoothing)),
                ], type: ResultType(losses, input.dtype)
            ) { (x) in
                crossEntropy(
                    x[0], x[1], x.count > 2 ? x[2] : nil, ignoreIndex, reduction, labelSmoothing: labelSmoothing)
            }
        }
    }

    private static func crossEntropy(
        _ input: Tensor, _ target: Tensor, _ weight: Tensor?, _ ignoreIndex: Int, _ reduction: LossReduction,
        labelSmoothing: Double
    ) -> Tensor {
        let classDim = input.ndim == 1 ? 0 : 1
        let logs = input.logSoftmax(dim: classDim)
        if target.shape == input.shape && target.dtype.isFloatingPoint {
            let classes = Double(input.size(classDim))
            let soft =
                labelSmoothing > 0 ? target * Scalar(1 - labelSmoothing) + Scalar(labelSmoothing / classes) : target
            var scaled = logs * soft
            if let weight {
                var shape = Shape(repeating: 1, count: input.ndim)
                shape[classDim] = weight.numel
                scaled = scaled * weight.reshape(shape)
            }
            let losses = -scaled.sum(dim: classDim)
            if reduction == .mean {
                // (The mean of no samples is NaN.)
                return losses.sum() / Scalar(input.numel / Swift.max(1, input.size(classDim)))
            }
            return reduce(losses, reduction)
        }
        let hard = nllLoss(crossEntropyName.text, logs, target, weight, ignoreIndex, reduction)
        guard labelSmoothing > 0 else { return hard }
        let keep = (target .!= Scalar(ignoreIndex)).to(input.dtype)
        var each = logs
        var weights = keep
        if let weight {
            var shape = Shape(repeating: 1, count: input.ndim)
            shape[classDim] = weight.numel
            each = each * weight.reshape(shape)
            let safe = Tensor.where(target .!= Scalar(ignoreIndex), target, Tensor.zerosLike(target))
            weights = keep * weight.indexSelect(dim: 0, index: safe.flatten()).reshape(safe.shape)
        }
        let smooth = -each.sum(dim: classDim) * keep
        let uniform = reduction == .mean ? smooth.sum() / weights.sum() : reduce(smooth, reduction)
        return hard * Scalar(1 - labelSmoothing) + uniform * Scalar(labelSmoothing / Double(input.size(classDim)))
    }

    /// (x - y)²
    public static func mseLoss(_ x: Tensor, _ y: Tensor, reduction: LossReduction = .mean) -> Tensor {
        trapping { () throws(CressetError) in
            try x.checkValid(mseName.text)
            try y.checkValid(mseName.text)
            let losses = reduction == .none ? x.shape.broadcast(with: y.shape) ?? x.shape : []
            let dtype = Promotion.result([x, y])
            return try Override.resolve(
                mseName, inputs: [x, y], dtype, [.tensor(x), .tensor(y), reduction.value],
                type: ResultType(losses, dtype)
            ) { (x) throws(CressetError) in
                // (What cannot be subtracted is refused by the subtraction.)
                if x[0].dtype == .bool || x[1].dtype == .bool { return reduce((x[0] - x[1]).square(), reduction) }
                return reduce(try squaredDifference(x[0], x[1]), reduction)
            }
        }
    }
}

extension Tensor {
    /// exp(x) over its sum along a dim.
    public func softmax(dim: Int, dtype: DType? = nil) -> Tensor {
        trapping { () throws(CressetError) in try Softmax.softmax(self, dim: dim, dtype: dtype) }
    }
    /// ln softmax(x), without overflow or cancellation.
    public func logSoftmax(dim: Int, dtype: DType? = nil) -> Tensor {
        trapping { () throws(CressetError) in try Softmax.logSoftmax(self, dim: dim, dtype: dtype) }
    }
    /// ln Σ exp(x) over the dims, without overflow.
    public func logsumexp(dim: [Int], keepdim: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in try Softmax.logSumExp(self, dims: dim, keepdim: keepdim) }
    }
}
