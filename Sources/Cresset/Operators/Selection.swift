import BackendKit

/// Choosing between tensors, clamping.
enum Selection {
    /// c ? x : y, where c keeps its own dtype.
    private static let whereKernel = Pointwise(
        "aten::where.self", .promote, promotes: { $0 > 0 }, complex: .value(chosen)
    ) { c in
        select(c.inputs[0].cast(to: .bool), c.inputs[1], c.inputs[2])
    }
    private static let chosen: @Sendable (ComplexMeaning.Context) -> ComplexExpr = { c in
        select(c.inputs[0].re.cast(to: .bool), c.inputs[1], c.inputs[2])
    }
    private static let maskedFill = Pointwise(
        "aten::masked_fill.Scalar", .promote, promotes: { $0 == 0 },
        complex: .value { c in select(c.inputs[1].re.cast(to: .bool), c.scalars[0], c.inputs[0]) }
    ) { c in
        select(c.inputs[1].cast(to: .bool), c.scalars[0], c.inputs[0])
    }
    static let clampKernel = Pointwise(
        "aten::clamp", .promote,
        // At an end all of the gradient passes, as in PyTorch; the symbolic one shares that of a tie.
        derivative: { _, c in
            select((c.scalars[0] .<= c.inputs[0]) & (c.inputs[0] .<= c.scalars[1]), c.grad, Expr(0, c.type))
        }
    ) { c in
        minimum(maximum(c.inputs[0], c.scalars[0]), c.scalars[1])
    }
    static let clampMin = Pointwise(
        "aten::clamp", .promote,
        // At an end all of the gradient passes, as in PyTorch; the symbolic one shares that of a tie.
        derivative: { _, c in
            select(c.scalars[0] .<= c.inputs[0], c.grad, Expr(0, c.type))
        }, schema: { x, s in [.tensor(x[0]), .scalar(s[0]), .none] }
    ) { maximum($0.inputs[0], $0.scalars[0]) }
    static let clampMax = Pointwise(
        "aten::clamp", .promote,
        // At an end all of the gradient passes, as in PyTorch; the symbolic one shares that of a tie.
        derivative: { _, c in
            select(c.inputs[0] .<= c.scalars[0], c.grad, Expr(0, c.type))
        }, schema: { x, s in [.tensor(x[0]), .none, .scalar(s[0])] }
    ) { minimum($0.inputs[0], $0.scalars[0]) }

    static func whereSelf(_ condition: Tensor, _ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor {
        // (uint8 was PyTorch's bool once, and is still taken.)
        guard condition.dtype == .bool || condition.dtype == .uint8 || condition.isInvalid else {
            throw CressetError(.dtype, op: "aten::where.self", "the condition must be bool, got \(condition.summary)")
        }
        return try whereKernel(condition, x, y)
    }

    static func fill(_ x: Tensor, _ mask: Tensor, _ value: Scalar) throws(CressetError) -> Tensor {
        guard mask.dtype == .bool || mask.isInvalid else {
            throw CressetError(.dtype, op: "aten::masked_fill.Scalar", "the mask must be bool, got \(mask.summary)")
        }
        return try maskedFill.run([x, mask], [value], promoting: [])
    }

    static func clamp(_ x: Tensor, _ low: Scalar?, _ high: Scalar?) throws(CressetError) -> Tensor {
        switch (low, high) {
        case (let low?, let high?): return try clampKernel.run([x], [low, high])
        case (let low?, nil): return try clampMin.run([x], [low])
        case (nil, let high?): return try clampMax.run([x], [high])
        case (nil, nil):
            throw CressetError(.argument, op: "aten::clamp", "at least one of min and max must be given")
        }
    }
}

extension Tensor {
    /// x where the condition is true, y elsewhere.
    public static func `where`(_ condition: Tensor, _ x: Tensor, _ y: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Selection.whereSelf(condition, x, y) }
    }
    /// A copy with `value` where the mask is true.
    public func maskedFill(_ mask: Tensor, _ value: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Selection.fill(self, mask, value) }
    }
    /// Limited to min … max; NaN stays NaN.
    public func clamp(min: Scalar? = nil, max: Scalar? = nil) -> Tensor {
        trapping { () throws(CressetError) in try Selection.clamp(self, min, max) }
    }
    /// Elements on and above a diagonal of the last two dims; 0 elsewhere.
    public func triu(_ diagonal: Int = 0) -> Tensor { banded("aten::triu", diagonal, keepsUpper: true) }
    /// Elements on and below a diagonal of the last two dims; 0 elsewhere.
    public func tril(_ diagonal: Int = 0) -> Tensor { banded("aten::tril", diagonal, keepsUpper: false) }

    private func banded(_ op: String, _ diagonal: Int, keepsUpper: Bool) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid(op)
            guard ndim >= 2 else { throw CressetError(.shape, op: op, "needs at least 2 dims, got \(summary)") }
            let columns = Scalar.int(Int64(Swift.max(size(-1), 1)))
            let rows = Scalar.int(Int64(Swift.max(size(-2), 1)))
            let kernel = keepsUpper ? Self.triuKernel : Self.trilKernel
            return try kernel.run([self], [columns, rows, .int(Int64(diagonal))], types: (dtype, dtype))
        }
    }

    private static func bandKernel(_ name: String, _ keeps: @escaping @Sendable (Expr, Expr) -> Expr) -> Pointwise {
        Pointwise(
            name, .promote, scalarType: { _, _ in .i64 }, complex: .parts,
            schema: { x, s in [.tensor(x[0]), .scalar(s[2])] }
        ) { c in
            let index = elementIndex()
            let (columns, rows, diagonal) = (c.scalars[0], c.scalars[1], c.scalars[2])
            let column = index % columns
            let row = (index / columns) % rows
            return Cresset.select(keeps(column - row, diagonal), c.inputs[0], Expr(0, c.type))
        }
    }
    private static let triuKernel = bandKernel("aten::triu") { $1 .<= $0 }
    private static let trilKernel = bandKernel("aten::tril") { $0 .<= $1 }
}
