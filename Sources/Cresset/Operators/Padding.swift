import BackendKit

/// What lies around a tensor's elements after padding.
public enum PaddingMode: String, Sendable {
    /// One value.
    case constant
    /// The elements in reverse order, without the one at the border.
    case reflect
    /// The element at the border.
    case replicate
    /// The elements of the other end.
    case circular
}

/// Filling tensors up at the ends of their dims, and cutting them where a padding is negative.
///
/// Paddings are listed from the last dim, before and behind: [left, right, top, bottom, …].
enum Padding {
    static let constantName = OperatorName("aten::constant_pad_nd")

    static func constant(_ x: Tensor, _ pad: [Int], _ value: Scalar) throws(CressetError) -> Tensor {
        let op = constantName.text
        try x.checkValid(op)
        guard pad.count % 2 == 0, pad.count <= 2 * x.ndim else {
            throw CressetError(
                .argument, op: op,
                "the list \(pad) must have two numbers for each of at most \(x.ndim) dims of \(x.summary)")
        }
        guard pad.allSatisfy({ $0.magnitude < 1 << 40 }), x.shape.allSatisfy({ $0 < 1 << 60 }) else {
            throw CressetError(.argument, op: op, "paddings must be below 2⁴⁰, got \(pad)")
        }
        var shape = x.shape
        // The part of each that the other shows.
        var from = x.impl.offset
        var common = x.shape
        for i in 0..<pad.count / 2 {
            let (d, before, behind) = (x.ndim - 1 - i, pad[2 * i], pad[2 * i + 1])
            shape[d] += before + behind
            guard shape[d] >= 0 else {
                throw CressetError(
                    .shape, op: op, "dim \(d) of \(x.summary) would have \(shape[d]) elements after padding by \(pad)")
            }
            common[d] = Swift.max(0, x.shape[d] + Swift.min(before, 0) + Swift.min(behind, 0))
            from += Swift.max(0, -before) * x.strides[d]
        }
        let result = try Override.resolve(
            constantName, on: x, x.dtype, [.tensor(x), .ints(pad), .scalar(value)],
            types: [ResultType(shape, x.dtype)]
        ) { () throws(CressetError) in
            let result = try Tensor.filled(shape, value, dtype: x.dtype, on: x.runtime, op: op)
            guard common.elementCount > 0 else { return [result] }
            var to = result.impl.offset
            for i in 0..<pad.count / 2 { to += Swift.max(0, pad[2 * i]) * result.strides[x.ndim - 1 - i] }
            let source = Tensor(
                storage: x.impl.storage, shape: common, strides: x.strides, offset: from, dtype: x.dtype)
            let target = Tensor(
                storage: result.impl.storage, shape: common, strides: result.strides, offset: to, dtype: x.dtype)
            try noGrad { () throws(CressetError) in try Copy.run(from: source, to: target, op: constantName) }
            return [result]
        }[0]
        return Tape.record(op, result, inputs: [x]) { (gradients, _) throws(CressetError) in
            [try gradients[0].map { (g) throws(CressetError) in try constant(g, pad.map { -$0 }, 0) }]
        }
    }
}

extension Padding {
    private static let reflected = PointwiseGroup("aten::reflection_pad2d") { _, s in
        let last = s[1] - Expr(integer: 1, .i64)
        return [last - abs(last - abs(elementIndex() - s[0]))]
    }
    private static let replicated = PointwiseGroup("aten::replication_pad2d") { _, s in
        [maximum(minimum(elementIndex() - s[0], s[1] - Expr(integer: 1, .i64)), Expr(integer: 0, .i64))]
    }
    private static let wrapped = PointwiseGroup("aten::_pad_circular") { _, s in
        [((elementIndex() - s[0]) % s[1] + s[1]) % s[1]]
    }

    /// Padding by elements of the tensor itself, over as many of the last dims as the list has pairs.
    static func around(_ x: Tensor, _ pad: [Int], _ mode: PaddingMode, op: String) throws(CressetError) -> Tensor {
        try x.checkValid(op)
        let rank = pad.count / 2
        guard pad.count % 2 == 0, (1...3).contains(rank), x.ndim == rank + 1 || x.ndim == rank + 2 else {
            throw CressetError(
                .shape, op: op,
                "a list of 2, 4 or 6 numbers pads the last 1, 2 or 3 dims of a tensor that has one or two more, got "
                    + "\(pad) for \(x.summary)")
        }
        guard x.shape.dropFirst(x.ndim - rank - 1).allSatisfy({ $0 > 0 && $0 < 1 << 40 }),
            pad.allSatisfy({ $0.magnitude < 1 << 40 })
        else {
            throw CressetError(.shape, op: op, "only the batch may have no elements: \(x.summary)")
        }
        var shape = x.shape
        for i in 0..<rank {
            let (d, before, behind) = (x.ndim - 1 - i, pad[2 * i], pad[2 * i + 1])
            let n = x.shape[d]
            let limit = mode == .reflect ? n - 1 : mode == .circular ? n : Int.max
            guard before <= limit, behind <= limit else {
                throw CressetError(
                    .argument, op: op,
                    "\(mode.rawValue) padding of dim \(d) can be at most \(limit), got \(before) and \(behind): \(x.summary)"
                )
            }
            shape[d] = n + before + behind
            guard shape[d] > 0, mode != .circular || n + Swift.min(before, 0) + Swift.min(behind, 0) > 0 else {
                throw CressetError(
                    .shape, op: op, "dim \(d) of \(x.summary) would have \(shape[d]) elements after padding by \(pad)")
            }
        }
        let target = shape
        return try Override.resolve(
            OperatorName(op), inputs: [x], x.dtype, [.tensor(x), .ints(pad)], type: ResultType(target, x.dtype)
        ) { (inputs) throws(CressetError) in
            var y = inputs[0]
            for i in 0..<rank where pad[2 * i] != 0 || pad[2 * i + 1] != 0 {
                let d = y.ndim - 1 - i
                let index = try Tensor.empty([target[d]], .int64, on: y.runtime, op: op)
                var before = pad[2 * i]
                if mode == .circular {
                    // What is cut is cut first: the rest is what goes round.
                    let cut = (Swift.max(-before, 0), Swift.max(-pad[2 * i + 1], 0))
                    y = y.narrow(d, cut.0, y.shape[d] - cut.0 - cut.1)
                    before = Swift.max(before, 0)
                }
                let scalars = [Scalar(before), Scalar(y.shape[d])]
                switch mode {
                case .reflect: try reflected.run([], scalars, into: [index])
                case .replicate: try replicated.run([], scalars, into: [index])
                case .circular, .constant: try wrapped.run([], scalars, into: [index])
                }
                y = try Indexing.select(y, d, index)
            }
            return y.impl.storage === inputs[0].impl.storage ? y.clone() : y
        }
    }

    static func pad(
        _ x: Tensor, _ pad: [Int], _ mode: PaddingMode, _ value: Double?
    ) throws(CressetError) -> Tensor {
        let op = "aten::pad"
        try x.checkValid(op)
        if mode == .constant { return try constant(x, pad, .double(value ?? 0)) }
        guard value == nil || value == 0 else {
            throw CressetError(.argument, op: op, "padding mode \(mode.rawValue) takes no value")
        }
        switch mode {
        case .reflect: return try around(x, pad, mode, op: "aten::reflection_pad\(pad.count / 2)d")
        case .replicate: return try around(x, pad, mode, op: "aten::replication_pad\(pad.count / 2)d")
        case .circular, .constant: return try around(x, pad, mode, op: "aten::_pad_circular")
        }
    }
}

extension Tensor {
    /// Filled up at the ends of the last dims: [left, right, top, bottom, …]; negative numbers cut.
    public func pad(_ pad: [Int], mode: PaddingMode = .constant, value: Double? = nil) -> Tensor {
        trapping { () throws(CressetError) in try Padding.pad(self, pad, mode, value) }
    }
    /// Filled up with one value at the ends of the last dims: [left, right, top, bottom, …].
    public func constantPadNd(_ pad: [Int], value: Scalar = 0) -> Tensor {
        trapping { () throws(CressetError) in try Padding.constant(self, pad, value) }
    }
}

// MARK: Declarations

extension Operators {
    static let padding: [Operator] =
        [
            Operator(
                "constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor", dtypes: .all,
                composition: ["pointwise"],
                samples: { g in
                    let cases: [(Shape, [Int])] = [
                        ([4, 5], [1, 2]), ([2, 3, 4], [1, 0, 2, 1, 0, 1]), ([3, 6], [-2, 1, 1, -1]),
                        ([3, 4], [-2, -2]),
                        ([3], []), ([], []), ([0, 3], [1, 1]), ([0, 3], [1, 1, 2, 0]),
                    ]
                    return cases.map { Sample([.tensor(g.tensor($0)), .ints($1), 1]) }
                },
                call: { (a) throws(CressetError) in
                    [.tensor(try Padding.constant(try a.tensor("self"), try a.ints("pad"), try a.scalar("value")))]
                }
            ).refusing([
                ([3], [[1, 1, 1, 1]], ["[1, 1, 1, 1]", "[3]"]), ([3], [[1]], ["[1]"]), ([3], [[-2, -2]], ["[-2, -2]"]),
                ([3], [[1 << 62, 1 << 62]], ["\(1 << 62)"]),
            ]),
            Operator(
                "pad(Tensor self, SymInt[] pad, str mode=\"constant\", float? value=None) -> Tensor", dtypes: .all,
                composition: ["aten::constant_pad_nd", "gather"],
                notOverridable:
                    "it is made of aten::constant_pad_nd, aten::reflection_pad2d and their like, which can be",
                samples: { g in
                    let cases: [(Shape, [Int], Value, Value)] = [
                        ([4, 5], [1, 2], "constant", 3), ([2, 3, 4], [1, 2], "reflect", .none),
                        ([2, 3, 4], [3, 5, 1, 0], "replicate", .none), ([2, 3, 4], [4, -1, 2, 3], "circular", .none),
                        ([0, 3, 4], [1, 2], "reflect", .none), ([], [], "constant", .none),
                    ]
                    return cases.map { Sample([.tensor(g.tensor($0)), .ints($1), $2, $3]) }
                },
                call: { (a) throws(CressetError) in
                    let text = try a.string("mode")
                    guard let mode = PaddingMode(rawValue: text) else {
                        throw CressetError(
                            .argument, op: "aten::pad",
                            "mode must be constant, reflect, replicate or circular, got \"\(text)\"")
                    }
                    return [
                        .tensor(
                            try Padding.pad(
                                try a.tensor("self"), try a.ints("pad"), mode,
                                try a.optionalScalar("value")?.doubleValue))
                    ]
                }
            ).refusing([
                ([2, 3], [[1, 1], "mirror"], ["mode", "mirror"]), ([3], [[1, 1, 1, 1]], ["[1, 1, 1, 1]"]),
                ([2, 3], [[3, 0], "reflect"], ["3"]), ([2, 3], [[1, 1], "reflect", 2.0], ["value"]),
            ]),
            around("_pad_circular", "SymInt[] pad", .circular, 1...3),
        ]
        + (1...3).flatMap {
            [
                around("reflection_pad\($0)d", "SymInt[\(2 * $0)] padding", .reflect, $0...$0),
                around("replication_pad\($0)d", "SymInt[\(2 * $0)] padding", .replicate, $0...$0),
            ]
        }

    private static func around(
        _ name: String, _ argument: String, _ mode: PaddingMode, _ ranks: ClosedRange<Int>
    ) -> Operator {
        let cases: [(Shape, [Int])] = [
            ([2, 3, 5], [2, 4]), ([3, 4], [3, -1]), ([0, 3, 4], [1, 1]), ([2, 3, 4], [0, 0]),
            ([2, 3, 4, 5], [2, 1, 0, 3]), ([2, 4, 3], [-1, 2, 3, -2]), ([0, 2, 3, 4], [1, 1, 1, 1]),
            ([1, 2, 3, 4, 2], [1, 0, 3, 2, 1, 2]), ([2, 3, 3, 4], [1, 1, -1, 2, 2, 0]),
            ([0, 2, 3, 4, 2], [1, 0, 1, 1, 0, 1]),
        ]
        return Operator(
            "\(name)(Tensor self, \(argument)) -> Tensor", dtypes: .all, composition: ["pointwise", "gather"],
            samples: { g in
                cases.filter { ranks.contains($0.1.count / 2) }.map { Sample([.tensor(g.tensor($0)), .ints($1)]) }
            },
            call: { (a) throws(CressetError) in
                let pad = try a.ints(mode == .circular ? "pad" : "padding")
                guard ranks.contains(pad.count / 2) else {
                    throw CressetError(
                        .argument, op: "aten::" + name, "needs \(2 * ranks.upperBound) numbers, got \(pad)")
                }
                return [.tensor(try Padding.around(try a.tensor("self"), pad, mode, op: "aten::" + name))]
            }
        ).refusing { g in
            let (rank, x) = (ranks.lowerBound, g.tensor(Shape(repeating: 3, count: ranks.lowerBound + 1)))
            let wide = [Int](repeating: mode == .reflect ? 3 : mode == .circular ? 4 : 1, count: 2 * rank)
            let cut = [Int](repeating: -2, count: 2 * rank)
            return [
                ErrorSample([.tensor(x), .ints([1])], "[1]"), ErrorSample([.tensor(x), .ints(cut)], "-2"),
                ErrorSample([.tensor(g.tensor([])), .ints(wide)], "[]"),
            ] + (mode == .replicate ? [] : [ErrorSample([.tensor(x), .ints(wide)], "\(wide[0])")])
        }
    }
}
