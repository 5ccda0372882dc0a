import BackendKit

/// Rows of a table by number.
public enum Embeddings {
    private static func check(_ indices: Tensor, _ weight: Tensor, op: String) throws(CressetError) {
        try weight.checkValid(op)
        try indices.checkValid(op)
        guard weight.ndim == 2, indices.dtype == .int64 || indices.dtype == .int32 else {
            throw CressetError(
                .argument, op: op,
                "needs a matrix and int64 or int32 indices, got \(weight.summary) and \(indices.summary)")
        }
    }

    static func rows(
        _ weight: Tensor, _ indices: Tensor, paddingIndex: Int?, scalesByFrequency: Bool, op: String
    ) throws(CressetError) -> Tensor {
        try check(indices, weight, op: op)
        let flat = try indices.detach().reshaped([indices.numel], op: op)
        let width = weight.shape[1]
        let picked = try noGrad { () throws(CressetError) in try Indexing.select(weight.detach(), 0, flat, for: op) }
        let result = try picked.reshaped(Shape(Array(indices.shape) + [width]), op: op)
        let count = weight.shape[0]
        return Tape.record(op, result, inputs: [weight], saving: [flat]) { (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            var rows = try g.reshaped([saved[0].numel, width], op: op)
            if scalesByFrequency && saved[0].numel > 0 {
                // A row's gradient is shared by how often it was taken.
                let zeros = try Tensor.filled([count], 0, dtype: .int64, on: g.runtime, op: op)
                let ones = try Tensor.filled(saved[0].shape, 1, dtype: .int64, on: g.runtime, op: op)
                let often = try Indexing.gather(try Indexing.scatter(zeros, 0, saved[0], ones, .add), 0, saved[0])
                rows = try Ops.div(rows, often.unsqueeze(1))
            }
            if let paddingIndex {
                rows = try Selection.fill(rows, try Ops.eq(saved[0], Scalar(paddingIndex)).unsqueeze(1), 0)
            }
            let zeros = try Tensor.filled([count, width], 0, dtype: g.dtype, on: g.runtime, op: op)
            return [try Indexing.add(zeros, 0, saved[0], rows)]
        }
    }

    /// How the rows of a bag become one.
    public enum BagMode: Int, Sendable {
        case sum, mean, max
    }

    /// The combined rows, the bag of each index, the bags' sizes, and for `max` where each maximum came from.
    static func bag(
        _ weight: Tensor, _ indices: Tensor, _ offsets: Tensor?, mode: BagMode, scalesByFrequency: Bool,
        perSample: Tensor?, includeLastOffset: Bool, paddingIndex: Int?
    ) throws(CressetError) -> [Tensor] {
        let op = "aten::embedding_bag"
        try weight.checkDType(.floating, op: op)
        try check(indices, weight, op: op)
        guard (indices.ndim == 1) == (offsets != nil), indices.ndim <= 2, offsets?.ndim ?? 1 == 1 else {
            throw CressetError(
                .argument, op: op, "needs vectors of indices and offsets, or a matrix of indices: \(indices.summary)")
        }
        guard perSample == nil || (mode == .sum && perSample?.shape == indices.shape) else {
            throw CressetError(
                .argument, op: op, "per_sample_weights go with mode sum only and have the shape of the indices")
        }
        let flat = try indices.detach().reshaped([indices.numel], op: op)
        let places = try Tensor.empty([flat.numel], .int64, on: flat.runtime, op: op)
        try Generators.arange.generate([0, 1], into: places)
        let count: Int
        var bags: Tensor
        if let offsets {
            count = offsets.numel - (includeLastOffset ? 1 : 0)
            guard count >= 0 else { throw CressetError(.argument, op: op, "include_last_offset needs an offset") }
            bags = try Ops.sub(try Searching.search(offsets.narrow(0, 0, count), places, right: true, op: op), .int(1))
        } else {
            count = indices.shape[0]
            bags = try Ops.floorDivide(places, .int(Int64(Swift.max(1, indices.shape[1]))))
        }
        // Padding goes to a bag of its own behind all others.
        let offset2bag = bags
        if let paddingIndex { bags = try Selection.fill(bags, try Ops.eq(flat, Scalar(paddingIndex)), Scalar(count)) }
        let width = weight.shape[1]
        let along = try bags.unsqueeze(1).expanded([flat.numel, width], op: op)
        let zeros = try Tensor.filled([count + 1, width], 0, dtype: weight.dtype, on: weight.runtime, op: op)
        let ones = try Tensor.filled([flat.numel], 1, dtype: .int64, on: weight.runtime, op: op)
        let sizes = try Indexing.scatter(
            try .filled([count + 1], 0, dtype: .int64, on: weight.runtime, op: op), 0, bags, ones, .add)
        var rows = try self.rows(
            weight, flat, paddingIndex: paddingIndex, scalesByFrequency: scalesByFrequency, op: op)
        if let perSample { rows = try Ops.mul(rows, perSample.reshaped([flat.numel, 1], op: op)) }
        var result = try ScatterReductions.reduce(
            zeros, 0, along, rows, mode == .max ? .amax : .sum, includeSelf: mode != .max, op: op)
        var winners = try Tensor.filled([count], 0, dtype: .int64, on: weight.runtime, op: op)
        if mode == .mean {
            result = try Ops.div(result, sizes.clamp(min: 1).unsqueeze(1))
        } else if mode == .max {
            winners = try noGrad { () throws(CressetError) in
                try winner(of: result.detach(), rows.detach(), along, flat, count, op: op)
            }
        }
        return [result.narrow(0, 0, count), offset2bag, sizes.narrow(0, 0, count), winners]
    }

    /// The index of the first row of each bag that holds its maximum, 0 for bags without rows.
    private static func winner(
        of result: Tensor, _ rows: Tensor, _ along: Tensor, _ indices: Tensor, _ count: Int, op: String
    ) throws(CressetError) -> Tensor {
        let n = indices.numel
        if n == 0 { return try .filled([count, result.shape[1]], 0, dtype: .int64, on: rows.runtime, op: op) }
        let holds = try Ops.eq(rows, try Indexing.gather(result, 0, along))
        let places = try Tensor.empty([n], .int64, on: rows.runtime, op: op)
        try Generators.arange.generate([0, 1], into: places)
        let candidates = try Selection.fill(
            try places.unsqueeze(1).expanded(rows.shape, op: op), holds.logicalNot(), Scalar(n))
        let none = try Tensor.filled(result.shape, Scalar(n), dtype: .int64, on: rows.runtime, op: op)
        let first = try Indexing.scatter(none, 0, along, candidates, .min).narrow(0, 0, count)
        let isEmpty = try Ops.eq(first, Scalar(n))
        let found = try indices.converted(to: .int64).take(try Selection.fill(first, isEmpty, 0))
        return try Selection.fill(found, isEmpty, 0)
    }

    /// Rows of `weight` by number; the row `paddingIndex` gets no gradient.
    public static func embedding(
        _ weight: Tensor, _ indices: Tensor, paddingIndex: Int? = nil, scaleGradByFreq: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let padding = paddingIndex.map { $0 < 0 ? $0 + (weight.shape.first ?? 0) : $0 }
            return try rows(
                weight, indices, paddingIndex: padding, scalesByFrequency: scaleGradByFreq, op: "aten::embedding")
        }
    }

    /// Rows of `weight` by number, those of each bag combined: bags begin at `offsets`, or are rows of a matrix of indices.
    public static func embeddingBag(
        _ weight: Tensor, _ indices: Tensor, offsets: Tensor? = nil, mode: BagMode = .mean,
        scaleGradByFreq: Bool = false, perSampleWeights: Tensor? = nil, includeLastOffset: Bool = false,
        paddingIndex: Int? = nil
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let padding = paddingIndex.map { $0 < 0 ? $0 + (weight.shape.first ?? 0) : $0 }
            return try bag(
                weight, indices, offsets, mode: mode, scalesByFrequency: scaleGradByFreq, perSample: perSampleWeights,
                includeLastOffset: includeLastOffset, paddingIndex: padding)[0]
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let bagArguments =
        "Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False"

    private static func bag(_ schema: String, takesPadding: Bool) -> Operator {
        .composed(
            schema, .floating, of: ["aten::embedding", "aten::scatter_reduce.two"],
            samples: { g in
                let offsets = Tensor([0, 3, 3, 5] as [Int64], device: .reference)
                return [0, 1, 2].map { mode in
                    Sample(
                        [
                            .tensor(g.distinct([5, 3])), .tensor(g.indices([7], below: 5)), .tensor(offsets), false,
                            .scalar(Scalar(mode)), false, mode == 0 ? .tensor(g.tensor([7])) : .none,
                            .scalar(.bool(mode == 1)),
                        ] + (takesPadding ? [2] : []), checksGradient: !takesPadding)
                } + [
                    // (Bags without anything in them.)
                    Sample(
                        [
                            .tensor(g.distinct([5, 3])), .tensor(g.indices([0], below: 5)),
                            .tensor(g.indices([2], below: 1)),
                            false, 1, false, .none, false,
                        ] + (takesPadding ? [2] : []))
                ]
            },
            call: { (a) throws(CressetError) in
                guard let mode = Embeddings.BagMode(rawValue: try a.int("mode")) else {
                    throw CressetError(
                        .argument, op: a.op, "mode must be 0 (sum), 1 (mean) or 2 (max), got \(try a.int("mode"))")
                }
                return try Embeddings.bag(
                    try a.tensor("weight"), try a.tensor("indices"), try a.tensor("offsets"), mode: mode,
                    scalesByFrequency: try a.bool("scale_grad_by_freq"),
                    perSample: try a.optionalTensor("per_sample_weights"),
                    includeLastOffset: try a.bool("include_last_offset"),
                    paddingIndex: takesPadding ? try a.optionalInt("padding_idx") : nil
                ).map(Value.tensor)
            })
    }

    static let embeddings: [Operator] = [
        .composed(
            "embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
            .all, of: ["aten::index_select"],
            samples: { g in
                [
                    Sample([.tensor(g.tensor([5, 3])), .tensor(g.indices([2, 4], below: 5)), -1, false, false]),
                    // (Differences know nothing of a row whose gradient is left out or shared.)
                    Sample(
                        [.tensor(g.tensor([5, 3])), .tensor(g.indices([9], below: 5)), 2, true, false],
                        checksGradient: false),
                    Sample([.tensor(g.tensor([5, 3])), .tensor(g.indices([], below: 5)), -1, false, false]),
                    Sample([.tensor(g.tensor([5, 3])), .tensor(g.indices([0], below: 5)), -1, false, false]),
                ]
            },
            call: { (a) throws(CressetError) in
                let padding = try a.int("padding_idx")
                return [
                    .tensor(
                        Embeddings.embedding(
                            try a.tensor("weight"), try a.tensor("indices"),
                            paddingIndex: padding < 0 ? nil : padding,
                            scaleGradByFreq: try a.bool("scale_grad_by_freq")))
                ]
            }),
        bag("embedding_bag(\(bagArguments)) -> (Tensor, Tensor, Tensor, Tensor)", takesPadding: false),
        bag(
            "embedding_bag.padding_idx(\(bagArguments), int? padding_idx=None) -> (Tensor, Tensor, Tensor, Tensor)",
            takesPadding: true),
    ]
}
