import BackendKit

/// The weights of attention with several heads.
public struct AttentionProjections: Sendable {
    /// [3·embedding, embedding], of queries, keys and values in this order.
    public var inProjWeight: Tensor?
    /// [3·embedding]
    public var inProjBias: Tensor?
    /// Three weights in place of `inProjWeight`, where keys and values have other sizes than queries.
    public var separate: (q: Tensor, k: Tensor, v: Tensor)?
    /// [embedding, embedding]
    public var outProjWeight: Tensor
    public var outProjBias: Tensor?
    /// One more key and one more value for all, [1, 1, embedding].
    public var bias: (k: Tensor, v: Tensor)?

    public init(
        inProjWeight: Tensor? = nil, inProjBias: Tensor? = nil, separate: (q: Tensor, k: Tensor, v: Tensor)? = nil,
        outProjWeight: Tensor, outProjBias: Tensor? = nil, bias: (k: Tensor, v: Tensor)? = nil
    ) {
        (self.inProjWeight, self.inProjBias, self.separate) = (inProjWeight, inProjBias, separate)
        (self.outProjWeight, self.outProjBias, self.bias) = (outProjWeight, outProjBias, bias)
    }
}

/// What attention with several heads is like beside its weights.
public struct AttentionOptions: Sendable {
    /// One more key and value of zeros.
    public var addZeroAttn = false
    public var dropoutP = 0.0
    public var training = true
    /// The weights are given back, too.
    public var needWeights = true
    /// They are the means over heads.
    public var averageAttnWeights = true

    public init(
        addZeroAttn: Bool = false, dropoutP: Double = 0, training: Bool = true, needWeights: Bool = true,
        averageAttnWeights: Bool = true
    ) {
        (self.addZeroAttn, self.dropoutP, self.training) = (addZeroAttn, dropoutP, training)
        (self.needWeights, self.averageAttnWeights) = (needWeights, averageAttnWeights)
    }
}

/// Attention with several heads, each over its own part of the embedding (Vaswani et al. 2017).
private enum MultiHeadAttention {
    static let op = "multi_head_attention_forward"

    static func linear(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?) throws(CressetError) -> Tensor {
        let product = x.matmul(weight.t())
        return try bias.map { (b) throws(CressetError) in try Ops.add(product, b) } ?? product
    }

    /// Queries, keys and values by their weights.
    static func projected(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, _ w: AttentionProjections
    ) throws(CressetError) -> [Tensor] {
        let e = q.size(-1)
        let weights: [Tensor]
        if let own = w.separate {
            weights = [own.q, own.k, own.v]
        } else if let all = w.inProjWeight, all.shape == [3 * e, e] {
            weights = (0..<3).map { all.narrow(0, $0 * e, e) }
        } else {
            throw CressetError(
                .shape, op: op,
                "needs inProjWeight of [\(3 * e), \(e)] or three separate weights, got "
                    + (w.inProjWeight?.summary ?? "neither"))
        }
        guard w.inProjBias == nil || w.inProjBias?.shape == [3 * e] else {
            throw CressetError(.shape, op: op, "needs inProjBias of [\(3 * e)], got \(w.inProjBias?.summary ?? "")")
        }
        var results: [Tensor] = []
        for (i, (x, weight)) in zip([q, k, v], weights).enumerated() {
            guard weight.shape == [e, x.size(-1)] else {
                throw CressetError(
                    .shape, op: op, "needs a weight of [\(e), \(x.size(-1))] for \(x.summary), got \(weight.summary)")
            }
            results.append(try linear(x, weight, w.inProjBias.map { $0.narrow(0, i * e, e) }))
        }
        return results
    }

    /// What is added to scores: a mask of bools hides where it is true.
    static func additive(_ mask: Tensor, _ dtype: DType) throws(CressetError) -> Tensor {
        guard mask.dtype == .bool else { return try mask.converted(to: dtype) }
        let zeros = try Tensor.filled(mask.shape, 0, dtype: dtype, on: mask.runtime, op: op)
        return try Selection.fill(zeros, mask, .double(-.infinity))
    }

    /// [time, batch, embedding] as [batch, heads, time, embedding/heads].
    static func heads(_ x: Tensor, _ count: Int) throws(CressetError) -> Tensor {
        try x.reshaped([x.shape[0], x.shape[1], count, x.shape[2] / count], op: op).permute([1, 2, 0, 3])
    }

    static func run(
        _ query: Tensor, _ key: Tensor, _ value: Tensor, heads count: Int, _ w: AttentionProjections,
        keyPaddingMask: Tensor?, attnMask: Tensor?, _ options: AttentionOptions
    ) throws(CressetError) -> (Tensor, Tensor?) {
        for tensor in [query, key, value] { try tensor.checkValid(op) }
        let isBatched = query.ndim == 3
        guard query.ndim == 2 || isBatched, key.ndim == query.ndim, value.ndim == query.ndim,
            key.size(0) == value.size(0), count > 0, query.size(-1) % count == 0,
            !isBatched || key.size(1) == query.size(1) && value.size(1) == query.size(1)
        else {
            throw CressetError(
                .shape, op: op,
                "needs [time, batch, embedding], all with or without batch, as many values as keys, and an embedding "
                    + "that \(count) heads share: \(query.summary), \(key.summary), \(value.summary)")
        }
        let inputs = [query, key, value].map { isBatched ? $0 : $0.unsqueeze(1) }
        let (times, batch, e) = (inputs[0].shape[0], inputs[0].shape[1], inputs[0].shape[2])
        var parts = try projected(inputs[0], inputs[1], inputs[2], w)
        if let more = w.bias {
            for (i, extra) in [more.k, more.v].enumerated() {
                guard extra.numel == e else {
                    throw CressetError(.shape, op: op, "needs biases of [1, 1, \(e)], got \(extra.summary)")
                }
                let row = try extra.reshaped([1, 1, e], op: op).expanded([1, batch, e], op: op)
                parts[i + 1] = try Joining.cat([parts[i + 1], row], dim: 0)
            }
        }
        var (q, k, v) = (try heads(parts[0], count), try heads(parts[1], count), try heads(parts[2], count))
        if options.addZeroAttn {
            let zeros = try Tensor.filled(
                [batch, count, 1, e / count], 0, dtype: q.dtype, on: q.runtime, op: op)
            k = try Joining.cat([k, zeros], dim: 2)
            v = try Joining.cat([v, zeros], dim: 2)
        }
        let keys = k.shape[2]
        let added = keys - inputs[1].shape[0]
        // Masks say nothing of what was added.
        func widened(_ mask: Tensor) throws(CressetError) -> Tensor {
            if added == 0 { return mask }
            var shape = mask.shape
            shape[shape.count - 1] = added
            return try Joining.cat(
                [mask, try .filled(shape, 0, dtype: mask.dtype, on: mask.runtime, op: op)], dim: mask.ndim - 1)
        }
        var mask: Tensor?
        if let given = attnMask {
            try given.checkValid(op)
            let own = keys - added
            let full = try widened(try additive(given, q.dtype))
            switch given.shape {
            case [times, own]: mask = full
            case [batch * count, times, own]: mask = try full.reshaped([batch, count, times, keys], op: op)
            default:
                throw CressetError(
                    .shape, op: op,
                    "needs attnMask of [\(times), \(own)] or [\(batch * count), \(times), \(own)], got \(given.summary)"
                )
            }
        }
        if let padding = keyPaddingMask {
            try padding.checkValid(op)
            let own = isBatched ? padding : padding.unsqueeze(0)
            guard own.shape == [batch, keys - added] else {
                throw CressetError(
                    .shape, op: op, "needs keyPaddingMask of [\(batch), \(keys - added)], got \(padding.summary)")
            }
            let hidden = try widened(try additive(own, q.dtype)).reshaped([batch, 1, 1, keys], op: op)
            mask = try mask.map { (m) throws(CressetError) in try Ops.add(m, hidden) } ?? hidden
        }
        let dropout = options.training ? options.dropoutP : 0
        let (out, weights): (Tensor, Tensor?)
        if options.needWeights {
            let scaled = q * Scalar(1 / Double(e / count).squareRoot())
            var scores = scaled.matmul(k.transpose(-2, -1))
            if let mask { scores = try Ops.add(scores, mask) }
            let shares = scores.softmax(dim: -1)
            let used = dropout > 0 ? shares.dropout(dropout) : shares
            (out, weights) = (used.matmul(v), used)
        } else {
            let bias = try mask.map { (m) throws(CressetError) in
                m.ndim == 4 ? try m.expanded([batch, m.shape[1], times, keys], op: op) : m
            }
            (out, weights) = (try Attention.run(q, k, v, mask: bias, Attention.Options(dropout: dropout)), nil)
        }
        let joined = try out.permute([2, 0, 1, 3]).reshaped([times, batch, e], op: op)
        let result = try linear(joined, w.outProjWeight, w.outProjBias)
        let told = weights.map { options.averageAttnWeights ? $0.mean(dim: [1]) : $0 }
        return isBatched ? (result, told) : (result.squeeze(1), told?.squeeze(0))
    }
}

extension Tensor {
    /// Attention of this tensor's queries, [time, batch, embedding], to keys and values, by several heads
    /// (`torch.nn.functional.multi_head_attention_forward`).
    ///
    /// - Parameters:
    ///   - keyPaddingMask: [batch, keys], true (or -∞, to be added) where a key is not to be seen.
    ///   - attnMask: [queries, keys] or that for each head of each batch; true hides, numbers are added.
    /// - Returns: The result, and the weights of the keys, if they are asked for.
    public func multiHeadAttention(
        _ key: Tensor, _ value: Tensor, numHeads: Int, _ projections: AttentionProjections,
        keyPaddingMask: Tensor? = nil, attnMask: Tensor? = nil, options: AttentionOptions = AttentionOptions()
    ) -> (output: Tensor, weights: Tensor?) {
        trapping(default: (self, nil)) { () throws(CressetError) -> (output: Tensor, weights: Tensor?) in
            let (out, weights) = try MultiHeadAttention.run(
                self, key, value, heads: numHeads, projections, keyPaddingMask: keyPaddingMask, attnMask: attnMask,
                options)
            return (out, weights)
        }
    }
}
