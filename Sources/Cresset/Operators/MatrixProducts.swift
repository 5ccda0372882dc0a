import BackendKit

/// Matrix products.
enum Matrix {
    static let name = OperatorName("aten::matmul")
    static let mm = OperatorName("aten::mm")
    static let bmm = OperatorName("aten::bmm")
    static let dot = OperatorName("aten::dot")

    /// [..., m, k] × [..., k, n] with broadcast batch dims.
    static func product(
        _ a: Tensor, _ b: Tensor, name: OperatorName = Matrix.name
    ) throws(CressetError) -> Tensor {
        if let result = try quick(a.impl, b.impl, name) { return record(Tensor(result), a, b, name) }
        let op = name.text
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
        let (rows, columns) = (a.ndim == 1, b.ndim == 1)
        let left = rows ? a.shape.inserting(1, at: 0) : a.shape
        let right = columns ? b.shape.inserting(1, at: 1) : b.shape
        let (k, other) = (left[left.count - 1], right[right.count - 2])
        guard other == k else {
            throw CressetError(
                .shape, op: op,
                "inner sizes differ: \(a.summary) × \(b.summary); the last size of the first (\(k)) must be the "
                    + "\(b.ndim == 1 ? "" : "second to ")last of the second (\(other))")
        }
        guard var shape = Shape(left.dropLast(2)).broadcast(with: Shape(right.dropLast(2))) else {
            throw CressetError(
                .shape, op: op,
                "batch sizes \(Shape(left.dropLast(2))) and \(Shape(right.dropLast(2))) do not broadcast: "
                    + "\(a.summary), \(b.summary)")
        }
        if !rows { shape.append(left[left.count - 2]) }
        if !columns { shape.append(right[right.count - 1]) }
        let result = try Override.resolve(
            name, on: a, a.dtype, [.tensor(a), .tensor(b)], types: [ResultType(shape, a.dtype)]
        ) { () throws(CressetError) in
            [try noGrad { () throws(CressetError) in try multiplied(a, b, shape, name) }]
        }[0]
        return record(result, a, b, name)
    }

    private static func record(_ result: Tensor, _ a: Tensor, _ b: Tensor, _ name: OperatorName) -> Tensor {
        let (wantsA, wantsB) = (a.isTracked, b.isTracked)
        guard wantsA || wantsB else { return result }
        return Tape.record(name.text, result, inputs: [a, b], saving: [a, b]) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil, nil] }
            return [
                wantsA ? try leftGradient(g, saved[0], saved[1]) : nil,
                wantsB ? try rightGradient(g, saved[0], saved[1]) : nil,
            ]
        }
    }

    // C = A·B: ∂A = ∂C·Bᴴ, ∂B = Aᴴ·∂C (transposed and, of complex numbers, conjugated); batch dims that were broadcast are summed by the tape.

    private static func leftGradient(_ g: Tensor, _ a: Tensor, _ b: Tensor) throws(CressetError) -> Tensor {
        var g = b.ndim == 1 ? g.unsqueeze(-1) : g
        if a.ndim == 1 { g = g.unsqueeze(-2) }
        let gradient = try product(g, try ComplexNumbers.conjugate((b.ndim == 1 ? b.unsqueeze(1) : b).mT))
        return a.ndim == 1 ? try gradient.summed(to: [1, a.numel]).reshaped(a.shape, op: name.text) : gradient
    }

    private static func rightGradient(_ g: Tensor, _ a: Tensor, _ b: Tensor) throws(CressetError) -> Tensor {
        var g = b.ndim == 1 ? g.unsqueeze(-1) : g
        if a.ndim == 1 { g = g.unsqueeze(-2) }
        var a = a.ndim == 1 ? a.unsqueeze(0) : a
        if b.ndim <= 2 && a.ndim > 2 {
            // One matrix for the whole batch: its gradient is one product of folded rows.
            let count = a.shape.dropLast().reduce(1, *)
            g = try g.reshaped([count, g.size(-1)], op: name.text)
            a = try a.reshaped([count, a.size(-1)], op: name.text)
        }
        let gradient = try product(try ComplexNumbers.conjugate(a.mT), g)
        return b.ndim == 1 ? try gradient.reshaped(b.shape, op: name.text) : gradient
    }

    /// The product of checked operands, in the result's shape; nothing is recorded.
    private static func multiplied(
        _ a: Tensor, _ b: Tensor, _ shape: Shape, _ op: OperatorName
    ) throws(CressetError) -> Tensor {
        let result = try Tensor.empty(shape, a.dtype, on: a.runtime, op: op.text)
        guard result.numel > 0 else { return result }
        var left = a.ndim == 1 ? a.unsqueeze(0) : a
        let right = b.ndim == 1 ? b.unsqueeze(1) : b
        let (k, n) = (left.size(-1), right.size(-1))
        if right.ndim == 2 && left.ndim > 2 && k > 0 {
            // One matrix for the whole batch: a single product of folded rows.
            left = try left.reshaped([-1, k], op: op.text)
        }
        let m = left.size(-2)
        var batch = Shape()
        if left.ndim > 2 || right.ndim > 2 {
            batch = Shape(left.shape.dropLast(2)).broadcast(with: Shape(right.shape.dropLast(2))) ?? []
        }
        func full(_ rows: Int, _ columns: Int) -> Shape {
            batch.inserting(rows, at: batch.count).inserting(columns, at: batch.count + 1)
        }
        // The result is contiguous, so the kernel's rows and columns are strides over the same elements.
        var output = Operand(result)
        output.shape = full(m, n)
        output.strides = output.shape.contiguousStrides
        var inputs = [Operand(left, broadcastTo: full(m, k))]
        if a.dtype.isComplex {
            // One real product of twice the inner size: rows of (re, im) times blocks ((re, im), (-im, re)).
            if left.strides[left.ndim - 1] != 1 {
                inputs = [Operand(try Copy.clone(left, op: op.text), broadcastTo: full(m, k))]
            }
            inputs = [inputs[0].pairedColumns, Operand(try blocks(right), broadcastTo: full(2 * k, 2 * n))]
            output = output.pairedColumns
        } else {
            inputs.append(Operand(right, broadcastTo: full(k, n)))
        }
        try Primitive(family: .matmul, op: op, inputs: inputs, outputs: [output]).run()
        return result
    }

    /// Of complex [..., k, n] the real [..., 2k, 2n] whose block at (i, j) is ((re, im), (-im, re)) of the element.
    private static func blocks(_ x: Tensor) throws(CressetError) -> Tensor {
        var shape = x.shape
        for d in [x.ndim - 2, x.ndim - 1] { shape[d] *= 2 }
        let result = try Tensor.empty(shape, x.dtype.toReal, on: x.runtime, op: name.text)
        let parts = Operand(x).parts.map(\.tensor)
        let places = [(0, 0), (0, 1), (1, 0), (1, 1)].map { row, column in
            result.slice(-2, from: row, step: 2).slice(-1, from: column, step: 2)
        }
        try blockKernel.run(parts, into: places)
        return result
    }

    private static let blockKernel = PointwiseGroup("aten::matmul") { x, _ in [x[0], x[1], -x[1], x[0]] }
}

extension Tensor {
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
            return try Matrix.product(self, other, name: Matrix.mm)
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
            return try Matrix.product(self, other, name: Matrix.bmm)
        }
    }
}

infix operator • : MultiplicationPrecedence

extension Tensor {
    /// The matrix product: PyTorch's `@`.
    public static func • (x: Tensor, y: Tensor) -> Tensor { x.matmul(y) }
}
