import BackendKit

/// Matrix products.
enum Matrix {
    private static let name = OperatorName("aten::matmul")

    /// [..., m, k] × [..., k, n] with broadcast batch dims.
    static func product(_ a: Tensor, _ b: Tensor, op: String = "aten::matmul") throws(CressetError) -> Tensor {
        try a.checkValid(op)
        try b.checkValid(op)
        let operands = try Tensor.onOneDevice([a, b], op: op)
        let (a, b) = (operands[0], operands[1])
        guard a.dtype == b.dtype else {
            throw CressetError(
                .dtype, op: op, "both matrices must have one dtype: \(a.summary), \(b.summary); convert with to(_:)")
        }
        guard a.dtype != .bool else {
            throw CressetError(.dtype, op: op, "matrix products of bool are not defined: \(a.summary)")
        }
        guard a.ndim >= 1, b.ndim >= 1 else {
            throw CressetError(.shape, op: op, "both arguments need at least 1 dim: \(a.summary), \(b.summary)")
        }
        // A vector on the left is a row, on the right a column; the added dim is dropped at the end.
        let left = a.ndim == 1 ? a.unsqueeze(0) : a
        let right = b.ndim == 1 ? b.unsqueeze(1) : b
        let (m, k, n) = (left.size(-2), left.size(-1), right.size(-1))
        guard right.size(-2) == k else {
            throw CressetError(
                .shape, op: op,
                "inner sizes differ: \(a.summary) × \(b.summary); the last size of the first (\(k)) must be the "
                    + "\(b.ndim == 1 ? "" : "second to ")last of the second (\(right.size(-2)))")
        }
        var result: Tensor
        if right.ndim == 2 && left.ndim > 2 {
            // One matrix for the whole batch: a single product of folded rows.
            let folded = try left.reshaped([-1, k], op: op)
            let rows = left.shape.dropLast(2).reduce(1, *)
            result = try core(left.numel == 0 ? left.expandedRows(rows * m, k) : folded, right)
            var shape = Shape(left.shape.dropLast())
            shape.append(n)
            result = try result.reshaped(shape, op: op)
        } else {
            result = try core(left, right)
        }
        if a.ndim == 1 { result = result.squeezed([result.ndim - 2], op: op) }
        if b.ndim == 1 { result = result.squeezed([result.ndim - 1], op: op) }
        return result
    }

    /// The product of tensors of at least two dims, recorded.
    private static func core(_ a: Tensor, _ b: Tensor) throws(CressetError) -> Tensor {
        let batch = Shape(a.shape.dropLast(2))
        let otherBatch = Shape(b.shape.dropLast(2))
        guard let common = batch.broadcast(with: otherBatch) else {
            throw CressetError(
                .shape, op: name.text,
                "batch sizes \(batch) and \(otherBatch) do not broadcast: \(a.summary), \(b.summary)")
        }
        let (m, k, n) = (a.size(-2), a.size(-1), b.size(-1))
        func full(_ rows: Int, _ columns: Int) -> Shape {
            var shape = common
            shape.append(rows)
            shape.append(columns)
            return shape
        }
        let result = try Tensor.empty(full(m, n), a.dtype, on: a.runtime, op: name.text)
        if result.numel > 0 {
            try Primitive(
                family: .matmul, op: name,
                inputs: [Operand(a, broadcastTo: full(m, k)), Operand(b, broadcastTo: full(k, n))],
                outputs: [Operand(result)]
            ).run()
        }
        let (wantsA, wantsB) = (a.isTracked, b.isTracked)
        return Tape.record(name.text, result, inputs: [a, b], saving: [a, b]) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil, nil] }
            // C = A·B: ∂A = ∂C·Bᵀ, ∂B = Aᵀ·∂C; batch dims that were broadcast are summed by the tape.
            return [
                wantsA ? try core(g, saved[1].mT) : nil,
                wantsB ? try core(saved[0].mT, g) : nil,
            ]
        }
    }
}

extension Tensor {
    /// A zero-row stand-in where -1 cannot be inferred.
    fileprivate func expandedRows(_ rows: Int, _ columns: Int) throws(CressetError) -> Tensor {
        try reshaped([rows, columns], op: "aten::matmul")
    }

    /// The matrix product, PyTorch's rules: vectors, matrices, batches that broadcast.
    public func matmul(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Matrix.product(self, other) }
    }

    /// The product of two matrices.
    public func mm(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            guard ndim == 2, other.ndim == 2 else {
                throw CressetError(.shape, op: "aten::mm", "needs two matrices, got \(summary), \(other.summary)")
            }
            return try Matrix.product(self, other, op: "aten::mm")
        }
    }

    /// The products of two batches of matrices.
    public func bmm(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            guard ndim == 3, other.ndim == 3, shape[0] == other.shape[0] else {
                throw CressetError(
                    .shape, op: "aten::bmm",
                    "needs two batches of equally many matrices, got \(summary), \(other.summary)")
            }
            return try Matrix.product(self, other, op: "aten::bmm")
        }
    }

    /// The inner product of two vectors.
    public func dot(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            guard ndim == 1, other.ndim == 1 else {
                throw CressetError(.shape, op: "aten::dot", "needs two vectors, got \(summary), \(other.summary)")
            }
            return try Matrix.product(self, other, op: "aten::dot")
        }
    }
}

infix operator • : MultiplicationPrecedence

extension Tensor {
    /// The matrix product: PyTorch's `@`.
    public static func • (x: Tensor, y: Tensor) -> Tensor { x.matmul(y) }
}
