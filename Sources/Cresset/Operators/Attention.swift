import BackendKit

/// Scaled dot-product attention: softmax(q·kᵀ·scale + mask)·v (Vaswani et al. 2017).
///
/// Queries are taken in blocks, so that the matrix of all scores is never in memory; the backward pass
/// computes the scores of a block again (Rabe, Staats 2021). Narrow floats are computed in float32 and
/// rounded once.
enum Attention {
    private static let name = OperatorName("aten::scaled_dot_product_attention")
    /// Scores that are in memory at a time, in elements.
    private static let blockScores = 1 << 22

    struct Options {
        var isCausal = false
        var scale: Double?
        var dropout = 0.0
        var sharesHeads = false
    }

    static func run(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, mask: Tensor?, _ options: Options
    ) throws(CressetError) -> Tensor {
        let op = name.text
        try check(q, k, v, mask, options)
        let inputs = try Tensor.onOneDevice([q, k, v] + (mask.map { [$0] } ?? []), op: op)
        let hasMask = mask != nil
        var keys = Shape(k.shape.dropLast(2))
        if options.sharesHeads { keys[keys.count - 1] = q.size(-3) }
        guard let batch = Shape(q.shape.dropLast(2)).broadcast(with: keys) else {
            throw CressetError(
                .shape, op: op, "the batch dims do not broadcast: \(q.summary), \(k.summary), \(v.summary)")
        }
        let result = Array(batch) + [q.size(-2), v.size(-1)]
        return try Override.resolve(
            name, inputs: inputs, q.dtype,
            [
                .tensor(q), .tensor(k), .tensor(v), .init(mask), .scalar(.double(options.dropout)),
                .scalar(.bool(options.isCausal)), options.scale.map { .scalar(.double($0)) } ?? .none,
                .scalar(.bool(options.sharesHeads)),
            ], type: ResultType(Shape(result), q.dtype), savingResult: true
        ) { (t) throws(CressetError) in
            try composed(t[0], t[1], t[2], mask: hasMask ? t[3] : nil, options)
        }
    }

    private static func check(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, _ mask: Tensor?, _ options: Options
    ) throws(CressetError) {
        let op = name.text
        for tensor in [q, k, v] + (mask.map { [$0] } ?? []) { try tensor.checkValid(op) }
        let all = "query \(q.summary), key \(k.summary), value \(v.summary)"
        guard q.dtype.isFloatingPoint, k.dtype == q.dtype, v.dtype == q.dtype else {
            throw CressetError(.dtype, op: op, "query, key and value must have one floating dtype: \(all)")
        }
        guard q.ndim >= 2, k.ndim >= 2, v.ndim >= 2, q.size(-1) == k.size(-1), k.size(-2) == v.size(-2) else {
            throw CressetError(
                .shape, op: op,
                "needs [..., queries, features], [..., keys, features] and [..., keys, values]: \(all)")
        }
        if let mask {
            guard !options.isCausal else {
                throw CressetError(
                    .argument, op: op, "a mask and is_causal exclude each other: the mask is \(mask.summary)")
            }
            guard mask.dtype == .bool || mask.dtype == q.dtype else {
                throw CressetError(.dtype, op: op, "the mask must be bool or \(q.dtype), got \(mask.summary)")
            }
        }
        guard options.dropout >= 0, options.dropout <= 1 else {
            throw CressetError(.argument, op: op, "dropout_p must be in 0 ... 1, got \(options.dropout)")
        }
        if options.sharesHeads {
            guard q.ndim >= 3, k.ndim >= 3, v.ndim >= 3, k.size(-3) == v.size(-3), k.size(-3) > 0,
                q.size(-3) % k.size(-3) == 0
            else {
                throw CressetError(
                    .shape, op: op, "with enable_gqa the heads of keys and values must divide those of queries: \(all)")
            }
        }
    }

    private static func composed(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, mask: Tensor?, _ options: Options
    ) throws(CressetError) -> Tensor {
        let op = name.text
        let wide = q.dtype.arithmetic.dtype
        var (k, v) = (try k.converted(to: wide), try v.converted(to: wide))
        if options.sharesHeads {
            let times = q.size(-3) / k.size(-3)
            (k, v) = (try repeated(k, times, op: op), try repeated(v, times, op: op))
        }
        let scale = options.scale ?? 1 / Double(Swift.max(q.size(-1), 1)).squareRoot()
        let scaled = try Ops.mul(try q.converted(to: wide), .double(scale))
        let maskShape = mask?.shape
        let bias = mask?.dtype == .bool ? mask : try mask?.converted(to: wide)

        let queries = q.size(-2)
        let batch = q.shape.dropLast(2).reduce(1, *)
        let rows = Swift.max(1, blockScores / Swift.max(1, batch * k.size(-2)))
        if queries <= rows { return try block(scaled, k, v, bias, first: 0, options).converted(to: q.dtype) }
        var blocks: [Tensor] = []
        for first in Swift.stride(from: 0, to: queries, by: rows) {
            let count = Swift.min(rows, queries - first)
            let part = scaled.narrow(-2, first, count)
            let perRow = (maskShape?.count ?? 0) >= 2 && maskShape?.dropLast().last != 1
            let biasPart = perRow ? bias?.narrow(-2, first, count) : bias
            blocks.append(try recomputed(part, k, v, biasPart, first: first, options))
        }
        return try Joining.cat(blocks, dim: -2).converted(to: q.dtype)
    }

    /// Every head of [..., heads, n, e] as many times as heads of queries share it.
    private static func repeated(_ x: Tensor, _ times: Int, op: String) throws(CressetError) -> Tensor {
        var shape = x.shape
        shape.insert(times, at: x.ndim - 2)
        var joined = x.shape
        joined[x.ndim - 3] *= times
        return try x.unsqueeze(x.ndim - 2).expanded(shape, op: op).reshaped(joined, op: op)
    }

    /// A block whose scores the backward pass computes anew.
    private static func recomputed(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, _ bias: Tensor?, first: Int, _ options: Options
    ) throws(CressetError) -> Tensor {
        // What dropout drew would be lost.
        if options.dropout > 0 { return try block(q, k, v, bias, first: first, options) }
        let inputs = [q, k, v] + (bias.map { [$0] } ?? [])
        let hasBias = bias != nil
        let body: @Sendable ([Tensor]) throws(CressetError) -> Tensor = { (t) throws(CressetError) in
            try block(t[0], t[1], t[2], hasBias ? t[3] : nil, first: first, options)
        }
        let result = try noGrad { () throws(CressetError) in try body(inputs.map { $0.detach() }) }
        let wanted = inputs.map(\.isTracked)
        return Tape.record(name.text, result, inputs: inputs, saving: inputs) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return wanted.map { _ in nil } }
            return try Engine.gradients(of: body, at: saved, wanted, g)
        }
    }

    /// The result of scaled queries, the first of which is the `first` of all.
    private static func block(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, _ bias: Tensor?, first: Int, _ options: Options
    ) throws(CressetError) -> Tensor {
        let op = name.text
        var scores = try Matrix.product(q, k.mT)
        var isMasked = false
        if options.isCausal {
            let ones = try Tensor.filled([q.size(-2), k.size(-2)], 1, dtype: .bool, on: q.runtime, op: op)
            // Query i sees keys up to i.
            scores = try Selection.fill(scores, try Ops.logicalNot(ones.tril(first)), .double(-.infinity))
        }
        if let bias {
            isMasked = true
            scores =
                bias.dtype == .bool
                ? try Selection.fill(scores, try Ops.logicalNot(bias), .double(-.infinity)) : try Ops.add(scores, bias)
        }
        var weights: Tensor
        if isMasked && k.size(-2) > 0 {
            // A query that sees nothing has no weights, not 0/0.
            let largest = try Reductions.extremum(Reductions.maxKernel, scores.detach(), dims: [-1], keepdim: true)
            let isBlind = try Ops.eq(largest, .double(-.infinity))
            weights = try Softmax.softmax(try Selection.fill(scores, isBlind, 0), dim: -1)
            weights = try Selection.fill(weights, isBlind, 0)
        } else {
            weights = try Softmax.softmax(scores, dim: -1)
        }
        if options.dropout > 0 { weights = weights.dropout(options.dropout) }
        return try Matrix.product(weights, v)
    }
}

extension Tensor {
    /// softmax(q·kᵀ·scale + mask)·v, for queries [..., L, E], keys [..., S, E] and values [..., S, V].
    ///
    /// - Parameters:
    ///   - attnMask: bool (true: takes part) or of the queries' dtype (added); broadcasts to [..., L, S].
    ///   - dropoutP: share of the weights that are dropped.
    ///   - isCausal: query i sees keys up to i; instead of a mask.
    ///   - scale: 1/√E if none is given.
    ///   - enableGQA: several heads (dim -3) of queries share one of keys and values.
    public static func scaledDotProductAttention(
        _ query: Tensor, _ key: Tensor, _ value: Tensor, attnMask: Tensor? = nil, dropoutP: Double = 0,
        isCausal: Bool = false, scale: Double? = nil, enableGQA: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try Attention.run(
                query, key, value, mask: attnMask,
                Attention.Options(isCausal: isCausal, scale: scale, dropout: dropoutP, sharesHeads: enableGQA))
        }
    }
}

// MARK: Declarations

extension Operators {
    static let attention: [Operator] = [
        Operator(
            "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
            dtypes: .floating, composition: ["aten::matmul", "aten::softmax.int", "pointwise"],
            samples: { g in
                func sample(_ q: Shape, _ k: Shape, _ v: Int, _ rest: [Value]) -> Sample {
                    var values = k
                    values[k.count - 1] = v
                    let qkv = [g.tensor(q, -2, 2), g.tensor(k, -2, 2), g.tensor(values, -2, 2)]
                    return Sample(qkv.map(Value.tensor) + rest)
                }
                let mask = Tensor(
                    (0..<20).map { Float($0 % 3 == 0 || $0 < 5 ? 0 : 1) }, shape: [4, 5], device: .reference
                ).to(.bool)
                return [
                    sample([2, 3, 4, 8], [2, 3, 5, 8], 6, []),
                    sample([3, 4, 5], [3, 4, 5], 5, [.none, 0.0, true]),
                    // A row that sees nothing.
                    sample([2, 4, 3], [2, 5, 3], 2, [.tensor(mask), 0.0, false, 0.5]),
                    sample([2, 4, 3], [2, 5, 3], 2, [.tensor(g.tensor([1, 1, 5])), 0.0, false]),
                    sample([2, 4, 3, 6], [2, 2, 5, 6], 6, [.none, 0.0, true, .none, true]),
                    sample([0, 4, 3], [0, 5, 3], 2, []),
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try Attention.run(
                            try a.tensor("query"), try a.tensor("key"), try a.tensor("value"),
                            mask: try a.optionalTensor("attn_mask"),
                            Attention.Options(
                                isCausal: try a.bool("is_causal"), scale: try a.optionalScalar("scale")?.doubleValue,
                                dropout: try a.double("dropout_p"), sharesHeads: try a.bool("enable_gqa"))))
                ]
            })
    ]
}
