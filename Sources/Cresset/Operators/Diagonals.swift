import BackendKit

/// Matrices made of vectors and the other way round.
extension Tensor {
    /// The elements on a diagonal of two new dims, zeros elsewhere.
    public func diagEmbed(offset: Int = 0, dim1: Int = -2, dim2: Int = -1) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::diag_embed"
            try checkValid(op)
            guard ndim >= 1, ndim < maxRank else {
                throw CressetError(.shape, op: op, "needs 1 to \(maxRank - 1) dims, got \(summary)")
            }
            let (a, b) = (try dim(dim1, op: op, rank: ndim + 1), try dim(dim2, op: op, rank: ndim + 1))
            guard a != b else {
                throw CressetError(.index, op: op, "the two dims must differ, got \(dim1) and \(dim2)")
            }
            guard offset.magnitude < 1 << 48 else {
                throw CressetError(.argument, op: op, "the offset \(offset) is too large for \(summary)")
            }
            let n = shape[ndim - 1] + Int(offset.magnitude)
            var target = Shape(shape.dropLast())
            for d in [Swift.min(a, b), Swift.max(a, b)] { target.insert(n, at: d) }
            let zeros = try Tensor.filled(target, 0, dtype: dtype, on: runtime, op: op)
            return zeros.diagonalScatter(self, offset: offset, dim1: a, dim2: b)
        }
    }

    /// A matrix with the vector on a diagonal, or the diagonal of a matrix as a copy.
    public func diag(_ diagonal: Int = 0) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::diag"
            try checkValid(op)
            guard ndim == 1 || ndim == 2 else {
                throw CressetError(.shape, op: op, "needs a vector or a matrix, got \(summary)")
            }
            return ndim == 1 ? diagEmbed(offset: diagonal) : self.diagonal(offset: diagonal).clone()
        }
    }

    /// A matrix with all elements on a diagonal.
    public func diagflat(offset: Int = 0) -> Tensor { flatten().diag(offset) }

    /// Row and column of the elements on and below a diagonal of a matrix: shape [2, count].
    public static func trilIndices(
        _ row: Int, _ col: Int, offset: Int = 0, dtype: DType = .int64, device: Device? = nil
    ) -> Tensor {
        triangle("aten::tril_indices", row, col, dtype, device) {
            (0, $0 + bounded(offset) + 1)
        } keep: {
            $0.tril(offset)
        }
    }
    /// Row and column of the elements on and above a diagonal of a matrix: shape [2, count].
    public static func triuIndices(
        _ row: Int, _ col: Int, offset: Int = 0, dtype: DType = .int64, device: Device? = nil
    ) -> Tensor {
        triangle("aten::triu_indices", row, col, dtype, device) {
            ($0 + bounded(offset), col)
        } keep: {
            $0.triu(offset)
        }
    }

    /// An offset that can be added to a row; beyond it are no elements either way.
    private static func bounded(_ offset: Int) -> Int { Swift.max(-1 << 48, Swift.min(offset, 1 << 48)) }

    /// - Parameter kept: the columns of a row that are kept, which may lie beyond the matrix.
    private static func triangle(
        _ op: String, _ rows: Int, _ columns: Int, _ dtype: DType, _ device: Device?,
        _ kept: (Int) -> (from: Int, to: Int), keep: (Tensor) -> Tensor
    ) -> Tensor {
        trapping { () throws(CressetError) in
            guard rows >= 0, columns >= 0 else {
                throw CressetError(.argument, op: op, "sizes must not be negative, got \(rows) and \(columns)")
            }
            guard dtype == .int64 || dtype == .int32 else {
                throw CressetError(.dtype, op: op, "the dtype must be int64 or int32, got \(dtype)")
            }
            // (The rows are counted one by one on the host.)
            try Tensor.checkFits([rows, columns], .bool, on: (device ?? .default).runtime(for: op), op: op)
            let count = (0..<rows).reduce(0) { count, row in
                let (from, to) = kept(row)
                return count + Swift.max(0, Swift.min(to, columns) - Swift.max(from, 0))
            }
            let chosen = keep(.ones([rows, columns], dtype: .bool, device: device))
            return try Compaction.nonzero(chosen, count: count).t().to(dtype).contiguous()
        }
    }
}

// MARK: Declarations

extension Operators {
    private static func diagonal(
        _ schema: String, _ dtypes: Set<DType> = .all, of parts: [String], _ cases: [(Shape, [Value])],
        _ body: @escaping @Sendable (Tensor, Arguments) throws(CressetError) -> Tensor
    ) -> Operator {
        .composed(
            schema, dtypes, of: parts, samples: { $0.samples(cases) },
            call: { (a) throws(CressetError) in [.tensor(try body(try a.tensor("self"), a))] })
    }

    private static func triangle(
        _ name: String, _ body: @escaping @Sendable (Int, Int, Int, DType, Device?) -> Tensor
    ) -> Operator {
        .composed(
            "\(name)(int row, int col, int offset=0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
            [.int64], of: ["aten::nonzero"], isDifferentiable: false,
            samples: { _ in
                let cases: [[Value]] = [[4, 3, 0], [3, 5, -1], [2, 2, 3], [0, 3, 0]]
                return cases.map { Sample($0 + [.none, .none, .device(.reference), .none]) }
            },
            errors: { _ in
                [
                    ErrorSample([3, -2], "must not be negative", "-2"),
                    ErrorSample([-1, 3], "must not be negative", "-1"),
                    ErrorSample([3, 3, 0, .dtype(.float32)], "int64 or int32", "float32"),
                ]
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        body(
                            try a.int("row"), try a.int("col"), try a.int("offset"),
                            try a.optionalDType("dtype") ?? .int64, try a.optionalDevice("device")))
                ]
            })
    }

    static let diagonals: [Operator] = [
        diagonal(
            "diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
            of: ["aten::diagonal_scatter"],
            [([2, 3], [0, -2, -1]), ([3], [-1, 0, 1]), ([2, 2], [1, 0, 2]), ([0], [1, -2, -1])]
        ) { (x, a) throws(CressetError) in
            x.diagEmbed(offset: try a.int("offset"), dim1: try a.int("dim1"), dim2: try a.int("dim2"))
        }.refusing([([3], [0, 1, -1], ["1", "-1"]), ([3], [0, 0, 4], ["dim 4 is out of range"])]),
        diagonal(
            "diag(Tensor self, int diagonal=0) -> Tensor", of: ["aten::diagonal_scatter", "aten::clone"],
            [([3], [1]), ([3, 4], [-1]), ([2, 2], [5]), ([0], [0])]
        ) { (x, a) throws(CressetError) in x.diag(try a.int("diagonal")) }
        .refusing([([2, 3, 4], [0], ["[2, 3, 4]"]), ([], [0], ["[]"])]),
        diagonal(
            "diagflat(Tensor self, int offset=0) -> Tensor", of: ["aten::diag"],
            [([2, 2], [0]), ([], [-2]), ([0], [1])]
        ) { (x, a) throws(CressetError) in x.diagflat(offset: try a.int("offset")) },
        triangle("tril_indices") { .trilIndices($0, $1, offset: $2, dtype: $3, device: $4) },
        triangle("triu_indices") { .triuIndices($0, $1, offset: $2, dtype: $3, device: $4) },
    ]
}
