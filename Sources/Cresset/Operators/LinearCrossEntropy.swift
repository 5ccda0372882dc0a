import BackendKit

/// The cross entropy of a linear map's results, without the results in memory.
///
/// A language model's logits are its largest tensor: 512 tokens of 50,257 classes are 103 MB, as is their gradient.
/// Here classes are taken in blocks: a first pass adds up ln Σ eᶻ block by block, and the backward pass computes each
/// block again and turns it into its share of the gradients.
enum LinearCrossEntropy {
    static let op = "linear_cross_entropy"
    /// A block of logits has at most so many bytes, and there are two at a time.
    private static let blockBytes = 4 << 20

    /// True where blocks save memory: class indices, no smoothing, and more logits than one block.
    static func applies(_ x: Tensor, _ weight: Tensor, _ target: Tensor, _ bias: Tensor?, smoothing: Double) -> Bool {
        guard x.ndim >= 1, weight.ndim == 2, x.size(-1) == weight.size(1), x.dtype.isFloatingPoint,
            weight.dtype == x.dtype, target.dtype == .int64, target.shape == Shape(x.shape.dropLast()),
            bias.map({ $0.shape == [weight.size(0)] && $0.dtype == x.dtype }) ?? true, smoothing == 0,
            x.size(-1) > 0
        else { return false }
        return x.numel / x.size(-1) * weight.size(0) * x.dtype.arithmetic.dtype.size > blockBytes
    }

    /// What all blocks have in common.
    private struct Call: Sendable {
        /// [rows, features]
        let x: Tensor
        /// [classes, features]
        let weight: Tensor
        let bias: Tensor?
        /// int64 [rows]
        let target: Tensor

        var classes: Int { weight.size(0) }
        var step: Int {
            let row = Swift.max(1, x.size(0)) * x.dtype.arithmetic.dtype.size
            return Swift.min(classes, Swift.max(16, LinearCrossEntropy.blockBytes / row))
        }

        /// Calls `body` with each block's first class, its logits in the type computed in, and the places of the
        /// targets among its classes, with whether they are there.
        func blocks(
            _ body: (_ first: Int, _ logits: Tensor, _ places: Tensor, _ isHere: Tensor) throws -> Void
        ) rethrows {
            for first in Swift.stride(from: 0, to: classes, by: step) {
                let count = Swift.min(step, classes - first)
                let logits = x.linear(weight.narrow(0, first, count), bias: bias?.narrow(0, first, count))
                    .to(x.dtype.arithmetic.dtype)
                let places = target - Scalar(first)
                let isHere = (places .>= 0) & (places .< Scalar(count))
                try body(first, logits, places.clamp(min: 0, max: Scalar(count - 1)), isHere)
            }
        }
    }

    /// - Parameter rowWeights: how much each row counts: [rows], zero where it is ignored.
    private static func losses(_ call: Call, _ rowWeights: Tensor) -> (losses: Tensor, logSums: Tensor) {
        var logSums: Tensor?
        var picked = Tensor.zeros([call.x.size(0)], dtype: call.x.dtype.arithmetic.dtype, device: call.x.device)
        call.blocks { _, logits, places, isHere in
            let sums = logits.logsumexp(dim: [1])
            logSums = logSums.map { $0.logaddexp(sums) } ?? sums
            picked = Tensor.where(isHere, logits.gather(1, places.unsqueeze(1)).squeeze(1), picked)
        }
        let sums = logSums ?? picked
        // where, not a product: what is ignored may be infinite.
        return (Tensor.where(rowWeights .!= 0, (sums - picked) * rowWeights, Tensor.zerosLike(picked)), sums)
    }

    /// ∂z = (eᶻ⁻ˡˢᵉ - 1[target])·g of each row; ∂x = ∂z·W, ∂W = ∂zᵀ·x and ∂b = Σ ∂z, block by block.
    private static func gradients(
        _ call: Call, logSums: Tensor, g: Tensor, wanted: [Bool]
    ) -> [Tensor?] {
        let dx = wanted[0] ? Tensor.zeros(call.x.shape, dtype: logSums.dtype, device: call.x.device) : nil
        let dw = wanted[1] ? Tensor.emptyLike(call.weight) : nil
        let db = wanted.count > 2 && wanted[2] ? call.bias.map { Tensor.emptyLike($0) } : nil
        let column = g.unsqueeze(1)
        call.blocks { first, logits, places, isHere in
            let count = logits.size(1)
            let dz = logits.sub_(logSums.unsqueeze(1)).exp_().mul_(column)
            _ = dz.scatterAdd_(
                1, places.unsqueeze(1), Tensor.where(isHere, -g, Tensor.zerosLike(g)).unsqueeze(1))
            let narrow = dz.to(call.x.dtype)
            if let dx { _ = dx.add_(narrow.matmul(call.weight.narrow(0, first, count)).to(dx.dtype)) }
            if let dw { _ = dw.narrow(0, first, count).copy_(narrow.t().matmul(call.x)) }
            if let db { _ = db.narrow(0, first, count).copy_(dz.sum(dim: 0)) }
        }
        return [dx?.to(call.x.dtype), dw] + (call.bias == nil ? [] : [db])
    }

    /// The losses of all rows, recorded.
    static func run(
        _ x: Tensor, _ weight: Tensor, _ target: Tensor, _ bias: Tensor?, classWeight: Tensor?, ignoreIndex: Int,
        composition: @escaping @Sendable ([Tensor]) throws(CressetError) -> Tensor
    ) throws(CressetError) -> (losses: Tensor, rowWeights: Tensor) {
        let hasBias = bias != nil
        let (losses, logSums, rowWeights) = try naming(op) {
            noGrad { () -> (Tensor, Tensor, Tensor) in
                let call = Self.call(x, weight, target, bias)
                let keep = call.target .!= Scalar(ignoreIndex)
                var rowWeights = keep.to(x.dtype.arithmetic.dtype)
                if let classWeight {
                    let safe = Tensor.where(keep, call.target, Tensor.zerosLike(call.target))
                    rowWeights = rowWeights * classWeight.detach().indexSelect(dim: 0, index: safe)
                }
                let (losses, logSums) = Self.losses(call, rowWeights)
                return (losses, logSums, rowWeights)
            }
        }
        let inputs = [x, weight] + (bias.map { [$0] } ?? [])
        let wanted = inputs.map(\.isTracked)
        let target = target.detach()
        let recorded = Tape.record(op, losses, inputs: inputs, saving: inputs + [logSums, rowWeights]) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return wanted.map { _ in nil } }
            let inputs = Array(saved.prefix(wanted.count))
            if isGradEnabled { return try Engine.gradients(of: composition, at: inputs, wanted, g) }
            return try naming(op) {
                let call = Self.call(inputs[0], inputs[1], target, hasBias ? inputs[2] : nil)
                let (logSums, rowWeights) = (saved[wanted.count], saved[wanted.count + 1])
                let scaled = g.reshape([-1]).to(logSums.dtype) * rowWeights
                let found = Self.gradients(call, logSums: logSums, g: scaled, wanted: wanted)
                return [found[0]?.reshape(inputs[0].shape)] + found.dropFirst()
            }
        }
        return (recorded.reshape(target.shape), rowWeights)
    }

    private static func call(_ x: Tensor, _ weight: Tensor, _ target: Tensor, _ bias: Tensor?) -> Call {
        Call(
            x: x.detach().reshape([-1, x.size(-1)]), weight: weight.detach(), bias: bias?.detach(),
            target: target.detach().reshape([-1]))
    }
}

extension Losses {
    /// The cross entropy of the logits x·Wᵀ + b (`linear_cross_entropy`).
    ///
    /// Of class indices without smoothing the logits are never in memory whole: some 16 MB are enough for any number of
    /// rows and classes.
    ///
    /// - Parameters:
    ///   - weight: [classes, features] of the linear map.
    ///   - classWeight: how much each class counts.
    public static func linearCrossEntropy(
        _ x: Tensor, _ weight: Tensor, _ target: Tensor, bias: Tensor? = nil, classWeight: Tensor? = nil,
        ignoreIndex: Int = -100, reduction: LossReduction = .mean, labelSmoothing: Double = 0
    ) -> Tensor {
        let hasBias = bias != nil
        guard LinearCrossEntropy.applies(x, weight, target, bias, smoothing: labelSmoothing),
            classWeight?.isTracked != true
        else {
            return wholeLinearCrossEntropy(
                x, weight, target, bias, classWeight, ignoreIndex, reduction, labelSmoothing)
        }
        return trapping { () throws(CressetError) in
            for tensor in [x, weight, target] { try tensor.checkValid(LinearCrossEntropy.op) }
            let (losses, rowWeights) = try LinearCrossEntropy.run(
                x, weight, target, bias, classWeight: classWeight, ignoreIndex: ignoreIndex
            ) { (t) throws(CressetError) in
                wholeLinearCrossEntropy(
                    t[0], t[1], target, hasBias ? t[2] : nil, classWeight, ignoreIndex, .none, 0)
            }
            switch reduction {
            case .none: return losses.to(x.dtype)
            case .sum: return losses.sum().to(x.dtype)
            case .mean: return (losses.sum() / rowWeights.sum()).to(x.dtype)
            }
        }
    }

    private static func wholeLinearCrossEntropy(
        _ x: Tensor, _ weight: Tensor, _ target: Tensor, _ bias: Tensor?, _ classWeight: Tensor?, _ ignoreIndex: Int,
        _ reduction: LossReduction, _ labelSmoothing: Double
    ) -> Tensor {
        let logits = x.linear(weight, bias: bias)
        // (Classes come second in crossEntropy, and last here.)
        let moved = logits.ndim > 2 ? logits.movedim([-1], [1]) : logits
        return crossEntropy(
            moved, target, weight: classWeight, ignoreIndex: ignoreIndex, reduction: reduction,
            labelSmoothing: labelSmoothing)
    }
}
