import BackendKit

/// β·self + α·(a product): addmm and its family.
extension Products {
    /// β·x + α·product(x, y); with β = 0 not even NaN of x has a part in it.
    ///
    /// - Parameters:
    ///   - ranks: of the two factors.
    ///   - shape: of the result.
    private static func scaled(
        _ op: OperatorName, _ x: Tensor, _ a: Tensor, _ b: Tensor, _ beta: Scalar, _ alpha: Scalar, dtype: DType,
        shape: Shape, product: @escaping @Sendable (Tensor, Tensor) throws(CressetError) -> Tensor
    ) throws(CressetError) -> Tensor {
        for (name, number) in [("beta", beta), ("alpha", alpha)] where !dtype.hasGradient {
            // (PyTorch's rule: the outer product refuses, matrix products round to zero.)
            if case .double = number, op.text == addrName.text {
                throw CressetError(
                    .dtype, op: op.text, "\(name) must be an integer for tensors of \(dtype), got \(number)")
            }
        }
        let (beta, alpha) =
            dtype.hasGradient || dtype == .bool ? (beta, alpha) : (.int(beta.intValue), .int(alpha.intValue))
        guard x.shape.broadcast(with: shape) == shape else {
            throw CressetError(
                .shape, op: op.text,
                "\(x.summary) does not broadcast to the product's shape \(shape): \(a.summary), \(b.summary)")
        }
        return try Override.resolve(
            op, inputs: [x, a, b], dtype,
            [.tensor(x), .tensor(a), .tensor(b), .scalar(beta), .scalar(alpha)], type: ResultType(shape, dtype)
        ) { (t) throws(CressetError) in
            if dtype == .float16 || dtype == .bfloat16 {
                // In float32 to the end, and rounded once.
                let wide = try t.map { (x) throws(CressetError) in try x.converted(to: .float32) }
                let sum = try combined(wide[0], try product(wide[1], wide[2]), beta, alpha, .float32)
                return try sum.converted(to: dtype)
            }
            return try combined(t[0], try product(t[1], t[2]), beta, alpha, dtype)
        }
    }

    private static func combined(
        _ x: Tensor, _ product: Tensor, _ beta: Scalar, _ alpha: Scalar, _ dtype: DType
    ) throws(CressetError) -> Tensor {
        let isAlone = beta.doubleValue == 0 && beta.imaginaryValue == 0
        if dtype == .bool {
            // Sums are "or" and products "and".
            let right = alpha.doubleValue != 0 ? product : Tensor.zerosLike(product)
            return isAlone ? right : try Ops.logicalOr(right, x)
        }
        if isAlone { return alpha.isOne ? product : product * alpha }
        return (beta.isOne ? x : x * beta).add(product, alpha: alpha)
    }

    private static func oneDType(_ op: OperatorName, _ tensors: [Tensor]) throws(CressetError) {
        guard let first = tensors.first, tensors.contains(where: { $0.dtype != first.dtype }) else { return }
        throw CressetError(
            .dtype, op: op.text,
            "all tensors must have one dtype: \(tensors.map(\.summary).joined(separator: ", ")); convert with to(_:)")
    }

    /// The inner sizes agree, and for batches the numbers of matrices.
    private static func checkSizes(_ op: OperatorName, _ a: Tensor, _ b: Tensor) throws(CressetError) {
        let inner = b.ndim == 1 ? b.size(0) : b.size(-2)
        guard a.size(-1) == inner, a.ndim < 3 || a.size(0) == b.size(0) else {
            throw CressetError(
                .shape, op: op.text,
                a.size(-1) == inner
                    ? "the batches have \(a.size(0)) and \(b.size(0)) matrices: \(a.summary), \(b.summary)"
                    : "inner sizes differ: \(a.summary) × \(b.summary)")
        }
    }

    private static let addmmName = OperatorName("aten::addmm")
    private static let addmvName = OperatorName("aten::addmv")
    private static let addbmmName = OperatorName("aten::addbmm")
    private static let baddbmmName = OperatorName("aten::baddbmm")
    private static let addrName = OperatorName("aten::addr")

    static func addmm(
        _ x: Tensor, _ a: Tensor, _ b: Tensor, _ beta: Scalar, _ alpha: Scalar
    ) throws(CressetError) -> Tensor {
        try ofOneDType(addmmName, [("mat1", a, 2), ("mat2", b, 2)], x, a, b, beta, alpha)
    }

    static func addmv(
        _ x: Tensor, _ a: Tensor, _ b: Tensor, _ beta: Scalar, _ alpha: Scalar
    ) throws(CressetError) -> Tensor {
        try ofOneDType(addmvName, [("mat", a, 2), ("vec", b, 1)], x, a, b, beta, alpha)
    }

    static func baddbmm(
        _ x: Tensor, _ a: Tensor, _ b: Tensor, _ beta: Scalar, _ alpha: Scalar
    ) throws(CressetError) -> Tensor {
        try ofOneDType(baddbmmName, [("batch1", a, 3), ("batch2", b, 3)], x, a, b, beta, alpha)
    }

    static func addbmm(
        _ x: Tensor, _ a: Tensor, _ b: Tensor, _ beta: Scalar, _ alpha: Scalar
    ) throws(CressetError) -> Tensor {
        try ofOneDType(addbmmName, [("batch1", a, 3), ("batch2", b, 3)], x, a, b, beta, alpha, sumsBatch: true)
    }

    /// β·x + α·(a · b), or the sum of the products of a batch, of tensors that have one dtype and these many dims.
    private static func ofOneDType(
        _ op: OperatorName, _ dims: [(String, Tensor, Int)], _ x: Tensor, _ a: Tensor, _ b: Tensor, _ beta: Scalar,
        _ alpha: Scalar, sumsBatch: Bool = false
    ) throws(CressetError) -> Tensor {
        try x.checkValid(op.text)
        try check(op.text, dims)
        try oneDType(op, [x, a, b])
        try checkSizes(op, a, b)
        let rows = a.shape.dropLast(), columns = b.shape.dropFirst(b.ndim - 1)
        let shape = Shape(Array(sumsBatch ? rows.dropFirst() : rows) + (b.ndim > 1 ? Array(columns) : []))
        return try scaled(op, x, a, b, beta, alpha, dtype: x.dtype, shape: shape) { (a, b) throws(CressetError) in
            guard sumsBatch else { return try Matrix.product(a, b) }
            // The sum of the products is one product of longer rows.
            let rows = a.permute([1, 0, 2]).reshape([a.size(1), a.size(0) * a.size(2)])
            return try Matrix.product(rows, b.reshape([b.size(0) * b.size(1), b.size(2)]))
        }
    }

    static func addr(
        _ x: Tensor, _ a: Tensor, _ b: Tensor, _ beta: Scalar, _ alpha: Scalar
    ) throws(CressetError) -> Tensor {
        let op = addrName
        try x.checkValid(op.text)
        try check(op.text, [("vec1", a, 1), ("vec2", b, 1)])
        let dtype = Promotion.result([x, a, b])
        return try scaled(op, x, a, b, beta, alpha, dtype: dtype, shape: [a.size(0), b.size(0)]) {
            (a, b) throws(CressetError) in try Ops.mul(a.unsqueeze(1), b)
        }
    }
}

extension Tensor {
    /// β·self + α·(mat1 · mat2)
    public func addmm(_ mat1: Tensor, _ mat2: Tensor, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in try Products.addmm(self, mat1, mat2, beta, alpha) }
    }

    /// β·self + α·(mat · vec)
    public func addmv(_ mat: Tensor, _ vec: Tensor, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in try Products.addmv(self, mat, vec, beta, alpha) }
    }

    /// β·self + α·(batch1 · batch2), matrix by matrix.
    public func baddbmm(_ batch1: Tensor, _ batch2: Tensor, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in try Products.baddbmm(self, batch1, batch2, beta, alpha) }
    }

    /// β·self + α·Σ(batch1 · batch2)
    public func addbmm(_ batch1: Tensor, _ batch2: Tensor, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in try Products.addbmm(self, batch1, batch2, beta, alpha) }
    }

    /// β·self + α·(vec1 ⊗ vec2)
    public func addr(_ vec1: Tensor, _ vec2: Tensor, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in try Products.addr(self, vec1, vec2, beta, alpha) }
    }
}

// MARK: Declarations

extension Operators {
    private typealias Call =
        @Sendable (Tensor, Tensor, Tensor, Scalar, Scalar) throws(CressetError) -> Tensor

    private static func scaled(
        _ name: String, _ first: String, _ second: String, dtypes: Set<DType>, composition: [String],
        _ shapes: [(Shape, Shape, Shape)], _ call: @escaping Call
    ) -> Operator {
        Operator(
            "\(name)(Tensor self, Tensor \(first), Tensor \(second), *, Scalar beta=1, Scalar alpha=1) -> Tensor",
            dtypes: dtypes, composition: composition,
            samples: { g in
                shapes.enumerated().map { i, shapes in
                    let numbers: [Value] = i == 0 ? [1, 1] : i % 2 == 1 ? [2, 3] : [0, 2]
                    return Sample(
                        [shapes.0, shapes.1, shapes.2].map { .tensor(g.tensor($0, -2, 2)) } + numbers)
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try call(
                            try a.tensor("self"), try a.tensor(first), try a.tensor(second), try a.scalar("beta"),
                            try a.scalar("alpha")))
                ]
            })
    }

    static let scaledProducts: [Operator] = [
        scaled(
            "addmm", "mat1", "mat2", dtypes: products, composition: ["matmul", "pointwise"],
            [
                ([4, 3], [4, 5], [5, 3]), ([3], [4, 5], [5, 3]), ([4, 1], [4, 5], [5, 3]), ([], [2, 2], [2, 2]),
                ([0, 3], [0, 5], [5, 3]), ([4, 3], [4, 0], [0, 3]),
            ], Products.addmm),
        scaled(
            "addmv", "mat", "vec", dtypes: products, composition: ["matmul", "pointwise"],
            [([4], [4, 5], [5]), ([1], [4, 5], [5]), ([], [4, 5], [5]), ([0], [0, 5], [5])], Products.addmv),
        scaled(
            "baddbmm", "batch1", "batch2", dtypes: products, composition: ["matmul", "pointwise"],
            [
                ([2, 4, 3], [2, 4, 5], [2, 5, 3]), ([3], [2, 4, 5], [2, 5, 3]), ([4, 3], [2, 4, 5], [2, 5, 3]),
                ([0, 4, 3], [0, 4, 5], [0, 5, 3]),
            ], Products.baddbmm),
        scaled(
            "addbmm", "batch1", "batch2", dtypes: products, composition: ["matmul", "pointwise"],
            [
                ([4, 3], [2, 4, 5], [2, 5, 3]), ([3], [2, 4, 5], [2, 5, 3]), ([], [2, 4, 5], [2, 5, 3]),
                ([4, 3], [0, 4, 5], [0, 5, 3]),
            ], Products.addbmm),
        scaled(
            "addr", "vec1", "vec2", dtypes: .all, composition: ["pointwise"],
            [([4, 3], [4], [3]), ([3], [4], [3]), ([], [4], [3]), ([0, 3], [0], [3])], Products.addr),
    ]
}
