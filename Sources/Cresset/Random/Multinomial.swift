import BackendKit

/// Indices drawn with given weights.
enum Multinomial {
    /// Weights as integers below 2^bits that are proportional to them: all of a row are scaled by one power of two.
    ///
    /// Sums of integers are exact, so that the same index is drawn on every device whatever the order it adds in.
    private static let weights = Pointwise(
        "aten::multinomial", .explicit, scalarType: { _, dtype in dtype.arithmetic }
    ) { c in
        let (weight, most) = (c.inputs[0], c.inputs[1])
        // 2^-e for a largest weight of 2^e and more, made of the bits of its exponent.
        let scale: Expr
        if c.dtype == .float64 {
            let field = (.binary(.ushr, most.bitcast(to: .i64), Expr(integer: 52, .i64))) & Expr(integer: 2047, .i64)
            scale = Expr.binary(
                .shl, maximum(Expr(integer: 2045, .i64) - field, Expr(integer: 1, .i64)), Expr(integer: 52, .i64)
            ).bitcast(to: .f64)
        } else {
            let field = (.binary(.ushr, most.bitcast(to: .i32), Expr(integer: 23, .i32))) & Expr(integer: 255, .i32)
            scale = Expr.binary(
                .shl, maximum(Expr(integer: 253, .i32) - field, Expr(integer: 1, .i32)), Expr(integer: 23, .i32)
            ).bitcast(to: .f32)
        }
        return weight * scale * c.scalars[0]
    }

    /// k·total/2⁶² for a 62-bit random k, by halves of 31 bits: no place differs by more than 2⁻⁶² from its due.
    private static let places = Pointwise("aten::multinomial", .explicit, scalarType: { _, _ in .i64 }) { c in
        let (bits, mask) = (Expr(integer: 31, .i64), Expr(integer: 0x7FFF_FFFF, .i64))
        func down(_ x: Expr) -> Expr { .binary(.ushr, x, bits) }
        let (high, low) = (Draw.top(Draw.words(c, 0), 31).cast(to: .i64), Draw.top(Draw.words(c, 1), 31).cast(to: .i64))
        let (top, rest) = (down(c.inputs[0]), c.inputs[0] & mask)
        return high * top + down(high * rest + low * top + down(low * rest))
    }

    /// A weight over a number drawn from e^-x: the largest belong to a draw without replacement (Efraimidis and
    /// Spirakis 2006).
    private static let keys = Draw.wrapped("aten::multinomial") { c in
        c.inputs[0] / -log(Draw.inside(c))
    }

    static func draw(
        _ x: Tensor, _ count: Int, replacement: Bool, _ stream: RandomStream
    ) throws(CressetError) -> Tensor {
        let op = "aten::multinomial"
        try DrawChecks.floating(x, op)
        guard x.ndim == 1 || x.ndim == 2, x.size(-1) > 0, x.size(-1) < 1 << 24 else {
            throw CressetError(
                .shape, op: op, "needs a vector or a matrix of weights, 1 to 2²⁴ - 1 in a row: \(x.summary)")
        }
        guard count > 0, replacement || count <= x.size(-1) else {
            throw CressetError(
                .argument, op: op,
                "num_samples must be above 0 and, without replacement, at most the \(x.size(-1)) weights of a row, "
                    + "got \(count)")
        }
        return try noGrad { () throws(CressetError) -> Tensor in
            let rows = try x.detach().converted(to: x.dtype.arithmetic.dtype)
                .reshaped([x.ndim == 2 ? x.shape[0] : 1, x.size(-1)], op: op)
            let shape: Shape = x.ndim == 2 ? [x.shape[0], count] : [count]
            if rows.numel == 0 { return try Tensor.empty(shape, .int64, on: x.runtime, op: op) }
            let most = rows.amax(dim: [1], keepdim: true)
            if !rows.isMeta {
                let (least, largest, lowest) = (rows.min().item(), most.max().item(), most.min().item())
                guard least >= 0, largest < .infinity, lowest > 0 else {
                    throw CressetError(
                        .argument, op: op,
                        "weights must be finite and not below 0, and one of each row above it; they go from \(least) to "
                            + "\(largest), and the largest of a row is as small as \(lowest)")
                }
            }
            if !replacement {
                let drawn = try Draw.draw(keys, [rows], rows.shape, rows.dtype, stream)
                return try drawn.topk(count, dim: 1).indices.reshaped(shape, op: op)
            }
            // (Each below 1 before, so that their sum stays below 2⁶¹.)
            let bits = 61 - (Int.bitWidth - rows.shape[1].leadingZeroBitCount)
            let whole = try Tensor.empty(rows.shape, .int64, on: x.runtime, op: op)
            try weights.run([rows, most], [.double(Double(Int64(1) << bits))], compute: rows.dtype, into: whole)
            let sums = try Scans.cumsum(whole, dim: 1)
            let total = sums.narrow(1, rows.shape[1] - 1, 1)
            let place = try Draw.draw(places, [total], [rows.shape[0], count], .int64, stream)
            return try Searching.search(sums, place, right: true, op: op).reshaped(shape, op: op)
        }
    }

    static let operators: [Operator] = [
        Operator(
            "multinomial(Tensor self, SymInt num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor",
            dtypes: .floating, composition: ["pointwise", "scan", "sort", "gather", "reduce"], isDifferentiable: false,
            notOverridable: "it draws random numbers, whose bits are the same on every device",
            samples: { g in
                let cases: [(Shape, Int)] = [([3, 6], 4), ([9], 5), ([0, 4], 2), ([2, 1], 1)]
                return cases.flatMap { shape, count in
                    [true, false].map {
                        Sample(
                            [.tensor(g.tensor(shape, 0.1, 2)), Value(count), .scalar(.bool($0))],
                            takesOtherValues: false)
                    }
                }
            },
            errors: { g in
                [
                    ErrorSample([.tensor(g.tensor([3], 1, 2)), 4, false], "num_samples must be above 0", "4"),
                    ErrorSample([.tensor(g.tensor([3], -2, -1)), 2, true], "weights must be finite and not below 0"),
                    ErrorSample([.tensor(g.tensor([2, 2, 2], 1, 2)), 1, true], "needs a vector or a matrix"),
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try draw(
                            try a.tensor("self"), try a.int("num_samples"), replacement: try a.bool("replacement"),
                            try a.stream()))
                ]
            })
    ]
}

extension Tensor {
    /// Indices of a vector of weights, or of each row of a matrix, drawn with probabilities proportional to them.
    public func multinomial(_ numSamples: Int, replacement: Bool = false, stream: RandomStream = .default) -> Tensor {
        trapping { () throws(CressetError) in
            try Multinomial.draw(self, numSamples, replacement: replacement, stream)
        }
    }
}
