import BackendKit

/// Places in sorted sequences, and membership.
enum Searching {
    /// The middle of low … high that exists.
    private static let middle = PointwiseGroup("aten::searchsorted") { x, s in
        [minimum((x[0] + x[1]) / Expr(integer: 2, .i64), s[0])]
    }
    /// One step of the search: inputs are low, high, the middle, the element there, the value.
    private static func step(right: Bool) -> PointwiseGroup {
        PointwiseGroup("aten::searchsorted") { x, _ in
            let (low, high, mid) = (x[0], x[1], x[2])
            let (here, value) = x[3].type == .bool ? (x[3].cast(to: .i32), x[4].cast(to: .i32)) : (x[3], x[4])
            // (As PyTorch's: a comparison with NaN fails, so the value goes behind it.)
            var goesOn = right ? here .<= value : here .< value
            if here.isFloat { goesOn = goesOn | isNaN(here) | isNaN(value) }
            let isOpen = low .< high
            return [
                select(isOpen & goesOn, mid + Expr(integer: 1, .i64), low), select(isOpen & !goesOn, mid, high),
            ]
        }
    }
    private static let leftStep = step(right: false)
    private static let rightStep = step(right: true)

    /// For each value the first place of its row where it could be inserted (the last, if `right`).
    static func search(
        _ sequence: Tensor, _ values: Tensor, right: Bool, sorter: Tensor? = nil, op: String
    ) throws(CressetError) -> Tensor {
        try sequence.checkValid(op)
        try values.checkValid(op)
        let tensors = try Tensor.onOneDevice([sequence, values], op: op)
        guard sequence.ndim > 0 else {
            throw CressetError(.shape, op: op, "the sequence needs at least 1 dim, got \(sequence.summary)")
        }
        let fits =
            sequence.ndim == 1
            || (values.ndim == sequence.ndim && values.shape.dropLast().elementsEqual(sequence.shape.dropLast()))
        guard fits else {
            throw CressetError(
                .shape, op: op,
                "the sequence must be a vector or have the sizes of the values but for the last: \(sequence.summary), "
                    + values.summary)
        }
        return try noGrad { () throws(CressetError) -> Tensor in
            let dtype = Promotion.result([sequence, values])
            var rows = tensors[0].detach()
            if let sorter {
                guard sorter.shape == sequence.shape, sorter.dtype == .int64 else {
                    throw CressetError(
                        .argument, op: op, "the sorter must be int64 of the sequence's shape, got \(sorter.summary)")
                }
                if sequence.numel > 0 { rows = try Indexing.gather(rows, -1, sorter) }
            }
            rows = try rows.converted(to: dtype)
            let wanted = try tensors[1].detach().converted(to: dtype)
            let flat = sequence.ndim == 1 ? try wanted.reshaped([wanted.numel], op: op) : wanted
            let n = sequence.size(-1)
            var low = try Tensor.filled(flat.shape, 0, dtype: .int64, on: flat.runtime, op: op)
            if n == 0 || flat.numel == 0 { return try low.reshaped(values.shape, op: op) }
            var high = try Tensor.filled(flat.shape, .int(Int64(n)), dtype: .int64, on: flat.runtime, op: op)
            let mid = try Tensor.empty(flat.shape, .int64, on: flat.runtime, op: op)
            var span = n
            while span > 0 {
                try middle.run([low, high], [.int(Int64(n - 1))], into: [mid])
                let here = try Indexing.gather(rows, rows.ndim - 1, mid)
                let next = [
                    try Tensor.empty(flat.shape, .int64, on: flat.runtime, op: op),
                    try Tensor.empty(flat.shape, .int64, on: flat.runtime, op: op),
                ]
                try (right ? rightStep : leftStep).run([low, high, mid, here, flat], into: next)
                (low, high) = (next[0], next[1])
                span /= 2
            }
            return try low.reshaped(values.shape, op: op)
        }
    }

    static func isRight(_ right: Bool, _ side: String?, op: String) throws(CressetError) -> Bool {
        guard let side else { return right }
        guard side == "left" || side == "right", side == "right" || !right else {
            throw CressetError(
                .argument, op: op, "side must be left or right and agree with right: \"\(side)\", \(right)")
        }
        return side == "right"
    }

    /// For each element whether it is among others.
    static func isIn(_ x: Tensor, _ others: Tensor, invert: Bool) throws(CressetError) -> Tensor {
        let op = "aten::isin"
        try x.checkValid(op)
        try others.checkValid(op)
        for tensor in [x, others] { try tensor.checkDType(.number, op: op) }
        return try noGrad { () throws(CressetError) -> Tensor in
            let tensors = try Tensor.onOneDevice([x, others], op: op)
            if others.numel == 0 || x.numel == 0 {
                return try .filled(x.shape, .bool(invert), dtype: .bool, on: tensors[0].runtime, op: op)
            }
            let dtype = Promotion.result([x, others])
            let wanted = try tensors[0].detach().converted(to: dtype)
            let flat = try tensors[1].detach().converted(to: dtype).reshaped([others.numel], op: op)
            let sorted = try Sorting.sort(flat, dim: 0, descending: false).values
            let places = try search(sorted, wanted, right: false, op: op).clamp(max: .int(Int64(others.numel - 1)))
            let found = try Ops.eq(sorted.take(places), wanted)
            return invert ? found.logicalNot() : found
        }
    }
}

extension Tensor {
    /// For each value the place where it could be inserted in this sorted sequence: before equal ones, or behind them.
    public func searchsorted(
        _ values: Tensor, outInt32: Bool = false, right: Bool = false, side: String? = nil, sorter: Tensor? = nil
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::searchsorted.Tensor"
            let isRight = try Searching.isRight(right, side, op: op)
            return try Searching.search(self, values, right: isRight, sorter: sorter, op: op)
                .converted(to: outInt32 ? .int32 : .int64)
        }
    }
    /// The place where a number could be inserted in this sorted vector.
    public func searchsorted(
        _ value: Scalar, outInt32: Bool = false, right: Bool = false, side: String? = nil, sorter: Tensor? = nil
    ) -> Tensor {
        let dtype = Promotion.result([self], [value])
        return searchsorted(
            .full([], value, dtype: dtype, device: device), outInt32: outInt32, right: right, side: side, sorter: sorter
        )
    }
    /// For each element the number of its bucket between sorted boundaries.
    public func bucketize(_ boundaries: Tensor, outInt32: Bool = false, right: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::bucketize.Tensor"
            guard boundaries.ndim == 1 || boundaries.isInvalid else {
                throw CressetError(.shape, op: op, "the boundaries must be a vector, got \(boundaries.summary)")
            }
            return try Searching.search(boundaries, self, right: right, op: op)
                .converted(to: outInt32 ? .int32 : .int64)
        }
    }
    /// For each element whether it is among `others` (or, inverted, is not).
    public func isin(_ others: Tensor, assumeUnique: Bool = false, invert: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in try Searching.isIn(self, others, invert: invert) }
    }
}

// MARK: Declarations

extension Operators {
    private static let searchParts = ["pointwise", "aten::gather"]
    private static let sides =
        "*, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None"

    private static func sorted(_ g: inout SampleMaker, _ shape: Shape) -> Tensor {
        g.tensor(shape).sort(dim: -1).values
    }
    private static func search(_ x: Tensor, _ values: Tensor, _ a: Arguments) throws(CressetError) -> [Value] {
        [
            .tensor(
                x.searchsorted(
                    values, outInt32: try a.bool("out_int32"), right: try a.bool("right"),
                    side: try a.optionalString("side"), sorter: try a.optionalTensor("sorter")))
        ]
    }

    static let searching: [Operator] = [
        .composed(
            "searchsorted.Tensor(Tensor sorted_sequence, Tensor self, \(sides)) -> Tensor", .real, of: searchParts,
            isDifferentiable: false,
            samples: { g in
                [
                    Sample([.tensor(sorted(&g, [9])), .tensor(g.tensor([3, 5])), false, false, .none, .none]),
                    Sample([.tensor(sorted(&g, [2, 7])), .tensor(g.tensor([2, 4])), true, true, .none, .none]),
                    Sample([.tensor(sorted(&g, [0])), .tensor(g.tensor([3])), false, false, "left", .none]),
                    Sample([.tensor(sorted(&g, [1])), .tensor(g.tensor([])), false, false, "right", .none]),
                    Sample([
                        .tensor(g.tensor([4])), .tensor(g.tensor([3])), false, false, .none,
                        .tensor(Tensor([2, 0, 3, 1], device: .reference)),
                    ]),
                ]
            },
            call: { (a) throws(CressetError) in
                try search(try a.tensor("sorted_sequence"), try a.tensor("self"), a)
            }),
        .composed(
            "searchsorted.Scalar(Tensor sorted_sequence, Scalar self, \(sides)) -> Tensor", .real, of: searchParts,
            isDifferentiable: false,
            samples: { g in [[9], [0]].map { Sample([.tensor(sorted(&g, $0)), 1, false, true, .none, .none]) } },
            call: { (a) throws(CressetError) in
                let (x, value) = (try a.tensor("sorted_sequence"), try a.scalar("self"))
                return try search(
                    x, .full([], value, dtype: Promotion.result([x], [value]), device: x.device), a)
            }),
        .composed(
            "bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
            .real, of: searchParts, isDifferentiable: false,
            samples: { g in
                let shapes: [Shape] = [[3, 4], [], [0]]
                return shapes.map { Sample([.tensor(g.tensor($0)), .tensor(sorted(&g, [5])), true, false]) }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").bucketize(
                            try a.tensor("boundaries"), outInt32: try a.bool("out_int32"), right: try a.bool("right")))
                ]
            }),
        .composed(
            "bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
            .real, of: searchParts, isDifferentiable: false,
            samples: { g in [[5], [0]].map { Sample([1, .tensor(sorted(&g, $0)), false, true]) } },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("boundaries").searchsorted(
                            try a.scalar("self"), outInt32: try a.bool("out_int32"), right: try a.bool("right")))
                ]
            }),
        membership("isin.Tensor_Tensor(Tensor elements, Tensor test_elements"),
        membership("isin.Tensor_Scalar(Tensor elements, Scalar test_element"),
        membership("isin.Scalar_Tensor(Scalar element, Tensor test_elements"),
    ]

    private static func membership(_ head: String) -> Operator {
        .composed(
            "\(head), *, bool assume_unique=False, bool invert=False) -> Tensor", .number,
            of: ["aten::sort.stable", "aten::searchsorted.Tensor"], isDifferentiable: false,
            samples: { g in
                let parts = head.split(separator: "(")[1].split(separator: ",")
                return [
                    ([3, 4], [5], false), ([6], [2, 2], true), ([3], [0], false), ([0, 2], [3], true), ([], [], false),
                ].map {
                    (x: Shape, y: Shape, invert: Bool) in
                    let values = zip(parts, [x, y]).map { part, shape -> Value in
                        part.contains("Scalar") ? 2 : .tensor(g.tensor(shape, 0, 4).floor())
                    }
                    return Sample(values + [false, .scalar(.bool(invert))])
                }
            },
            call: { (a) throws(CressetError) in
                let tensors = a.values.prefix(2).compactMap(\.tensor)
                let operands = a.values.prefix(2).map { value -> Tensor in
                    if let tensor = value.tensor { return tensor }
                    guard case .scalar(let number) = value else { return tensors[0] }
                    return .full([], number, dtype: Promotion.result(tensors, [number]), device: tensors[0].device)
                }
                return [.tensor(operands[0].isin(operands[1], invert: try a.bool("invert")))]
            })
    }
}
