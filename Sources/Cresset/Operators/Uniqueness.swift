import BackendKit

/// Different values, where each went, and how many there are.
enum Uniqueness {
    typealias Result = (values: Tensor, inverse: Tensor, counts: Tensor)

    /// Of rows that are known to differ from the one before: which are kept, and the number of each.
    private static func number(_ differs: Tensor, op: String) throws(CressetError) -> (kept: Tensor, inverse: Tensor) {
        let first = try Tensor.filled([1], true, dtype: .bool, on: differs.runtime, op: op)
        let begins = try Joining.cat([first, differs], dim: 0)
        let inverse = try Ops.sub(try Scans.cumsum(begins, dim: 0, dtype: .int64), .int(1))
        return (try Compaction.flatIndices(begins, op: op), inverse)
    }

    private static func counts(_ inverse: Tensor, _ count: Int, op: String) throws(CressetError) -> Tensor {
        let zeros = try Tensor.filled([count], 0, dtype: .int64, on: inverse.runtime, op: op)
        let ones = try Tensor.filled(inverse.shape, 1, dtype: .int64, on: inverse.runtime, op: op)
        return try Indexing.scatter(zeros, 0, inverse, ones, .add)
    }

    /// Values that differ from the one before.
    static func consecutive(_ x: Tensor, op: String) throws(CressetError) -> Result {
        try x.checkValid(op)
        try x.checkDType(.real, op: op)
        let n = x.numel
        let flat = try x.detach().reshaped([n], op: op)
        if n == 0 { return try nothing(flat, x.shape, op: op) }
        let (kept, inverse) = try number(try Ops.ne(flat.narrow(0, 1, n - 1), flat.narrow(0, 0, n - 1)), op: op)
        return (
            try Indexing.select(flat, 0, kept), try inverse.reshaped(x.shape, op: op),
            try counts(inverse, kept.numel, op: op)
        )
    }

    private static func nothing(_ values: Tensor, _ inverse: Shape, op: String) throws(CressetError) -> Result {
        (
            try Copy.clone(values, op: op), try .filled(inverse, 0, dtype: .int64, on: values.runtime, op: op),
            try .filled([0], 0, dtype: .int64, on: values.runtime, op: op)
        )
    }

    /// All different values, in order.
    static func all(_ x: Tensor, op: String) throws(CressetError) -> Result {
        try x.checkValid(op)
        let flat = try x.detach().reshaped([x.numel], op: op)
        if x.numel == 0 { return try nothing(flat, x.shape, op: op) }
        let (sorted, order) = try Sorting.sort(flat, dim: 0, descending: false)
        let (values, inSorted, counts) = try consecutive(sorted, op: op)
        let inverse = try Indexing.scatter(inSorted, 0, order, inSorted, .set)
        return (values, try inverse.reshaped(x.shape, op: op), counts)
    }

    /// Slices along a dim that differ from the one before, or, sorted, all different ones.
    static func slices(_ x: Tensor, dim: Int, sorts: Bool, op: String) throws(CressetError) -> Result {
        try x.checkValid(op)
        try x.checkDType(.real, op: op)
        let d = try x.dim(dim, op: op)
        guard x.ndim > 0, x.shape.indices.allSatisfy({ $0 == d || x.shape[$0] > 0 }) else {
            throw CressetError(
                .shape, op: op, "slices along dim \(d) need elements to be told apart by, got \(x.summary)")
        }
        let n = x.shape[d]
        let front = x.detach().movedim(d, 0)
        if n == 0 { return try nothing(x.detach(), [0], op: op) }
        let width = x.numel / n
        var rows = try front.reshaped([n, width], op: op)
        var order: Tensor?
        if sorts {
            // A stable sort by the last column, then by the one before it, …: lexicographic in the end.
            var places = try Tensor.empty([n], .int64, on: x.runtime, op: op)
            try Generators.arange.generate([0, 1], into: places)
            for column in (0..<width).reversed() {
                let keys = try Indexing.select(rows.select(1, column), 0, places)
                places = try Indexing.select(places, 0, try Sorting.sort(keys, dim: 0, descending: false).indices)
            }
            order = places
            rows = try Indexing.select(rows, 0, places)
        }
        let differs = try Ops.ne(rows.narrow(0, 1, n - 1), rows.narrow(0, 0, n - 1))
        let anyDiffers = try Reductions.truth(Reductions.anyKernel, differs, dims: [1], keepdim: false)
        let (kept, numbers) = try number(anyDiffers, op: op)
        let source = try order.map { (o) throws(CressetError) in try Indexing.select(o, 0, kept) } ?? kept
        let inverse = try order.map { (o) throws(CressetError) in try Indexing.scatter(numbers, 0, o, numbers, .set) }
        return (
            try Indexing.select(x.detach(), d, source), inverse ?? numbers, try counts(numbers, kept.numel, op: op)
        )
    }
}

extension Tensor {
    /// The different values in order, where each element went, and how often each occurs.
    public func unique(
        sorted: Bool = true, returnInverse: Bool = false, returnCounts: Bool = false
    ) -> (values: Tensor, inverse: Tensor, counts: Tensor) {
        trapping(default: (self, self, self)) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in try Uniqueness.all(self, op: "aten::_unique2") }
        }
    }
    /// The different slices along `dim` in order, where each went, and how often each occurs.
    public func unique(dim: Int, sorted: Bool = true) -> (values: Tensor, inverse: Tensor, counts: Tensor) {
        trapping(default: (self, self, self)) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                try Uniqueness.slices(self, dim: dim, sorts: true, op: "aten::unique_dim")
            }
        }
    }
    /// The values (or slices along a dim) that differ from the one before, where each went, and the length of the runs.
    public func uniqueConsecutive(dim: Int? = nil) -> (values: Tensor, inverse: Tensor, counts: Tensor) {
        trapping(default: (self, self, self)) { () throws(CressetError) in
            let op = "aten::unique_consecutive"
            return try noGrad { () throws(CressetError) -> Uniqueness.Result in
                guard let dim else { return try Uniqueness.consecutive(self, op: op) }
                return try Uniqueness.slices(self, dim: dim, sorts: false, op: op)
            }
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let returned = "bool return_inverse=False, bool return_counts=False"
    private static let results = "(Tensor, Tensor, Tensor)"

    /// What was not asked for is empty.
    private static func asked(
        _ result: Uniqueness.Result, _ a: Arguments, always: Bool
    ) throws(CressetError) -> [Value] {
        let none = result.inverse.reshape([-1]).narrow(0, 0, 0)
        let inverse = try a.bool("return_inverse")
        let counts = try a.bool("return_counts")
        return [
            .tensor(result.values), .tensor(always || inverse ? result.inverse : none),
            .tensor(always || counts ? result.counts : none),
        ]
    }

    static let uniqueness: [Operator] = [
        .composed(
            "_unique2(Tensor self, bool sorted=True, \(returned)) -> \(results)", .real,
            of: ["aten::sort.stable", "aten::unique_consecutive"], isDifferentiable: false,
            samples: { g in
                let shapes: [Shape] = [[12], [2, 5], [], [0]]
                return shapes.map { Sample([.tensor(g.tensor($0, 0, 4).floorIfFloat()), true, true, true]) }
            },
            call: { (a) throws(CressetError) in try asked(try a.tensor("self").unique(), a, always: false) }),
        .composed(
            "unique_dim(Tensor self, int dim, bool sorted=True, \(returned)) -> \(results)", .real,
            of: ["aten::sort.stable", "aten::unique_consecutive"], isDifferentiable: false,
            samples: { g in
                [([6, 2], 0), ([2, 5], -1), ([3, 1], 1), ([0, 3], 0)].map { (shape: Shape, dim: Int) in
                    Sample([.tensor(g.tensor(shape, 0, 2).floorIfFloat()), .scalar(Scalar(dim)), true, true, true])
                }
            },
            call: { (a) throws(CressetError) in
                try asked(try a.tensor("self").unique(dim: try a.int("dim")), a, always: true)
            }),
        .composed(
            "unique_consecutive(Tensor self, \(returned), int? dim=None) -> \(results)", .real,
            of: ["aten::cumsum", "aten::nonzero", "aten::index_select", "aten::scatter_add"], isDifferentiable: false,
            samples: { g in
                let cases: [(Shape, Int?)] = [
                    ([12], nil), ([2, 5], nil), ([6, 2], 0), ([2, 5], -1), ([], nil), ([0], nil),
                ]
                return cases.map { shape, dim in
                    Sample([
                        .tensor(g.tensor(shape, 0, 2).floorIfFloat()), true, true,
                        dim.map { .scalar(Scalar($0)) } ?? .none,
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                let dim = try a.optionalInt("dim")
                return try asked(try a.tensor("self").uniqueConsecutive(dim: dim), a, always: dim != nil)
            }),
    ]
}

extension Tensor {
    /// Whole numbers, for samples with many equal ones.
    fileprivate func floorIfFloat() -> Tensor { dtype.isFloatingPoint ? floor() : self }
}
