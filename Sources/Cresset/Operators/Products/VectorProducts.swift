import BackendKit

/// Products of vectors, and of matrices with vectors.
enum Products {
    /// Throws unless the tensors have these ranks.
    static func check(_ op: String, _ tensors: [(String, Tensor, rank: Int)]) throws(CressetError) {
        for (_, x, _) in tensors { try x.checkValid(op) }
        guard let (name, _, rank) = tensors.first(where: { $0.1.ndim != $0.rank }) else { return }
        let what = ["a number", "a vector", "a matrix", "a batch of matrices"][rank]
        throw CressetError(
            .shape, op: op, "\(name) must be \(what), got \(tensors.map(\.1.summary).joined(separator: ", "))")
    }

    static func dot(_ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor {
        try check(Matrix.dot.text, [("self", x, 1), ("tensor", y, 1)])
        return try Matrix.product(x, y, name: Matrix.dot)
    }

    static let vdotName = OperatorName("aten::vdot")

    /// x̄·y
    static func vdot(_ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor {
        try check(vdotName.text, [("self", x, 1), ("other", y, 1)])
        return try Override.resolve(
            vdotName, inputs: [x, y], x.dtype, [.tensor(x), .tensor(y)], type: ResultType([], x.dtype)
        ) { (t) throws(CressetError) in try Matrix.product(ComplexNumbers.conjugate(t[0]), t[1], name: Matrix.dot) }
    }

    static let mv = OperatorName("aten::mv")

    static func matrixVector(_ a: Tensor, _ x: Tensor) throws(CressetError) -> Tensor {
        try check(mv.text, [("self", a, 2), ("vec", x, 1)])
        return try Matrix.product(a, x, name: mv)
    }

    static let outerName = OperatorName("aten::outer")

    static func outer(_ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor {
        try check(outerName.text, [("self", x, 1), ("vec2", y, 1)])
        let dtype = Promotion.result([x, y])
        return try Override.resolve(
            outerName, inputs: [x, y], dtype, [.tensor(x), .tensor(y)],
            type: ResultType([x.numel, y.numel], dtype)
        ) { (t) throws(CressetError) in try Ops.mul(t[0].unsqueeze(1), t[1]) }
    }

    static let traceName = OperatorName("aten::trace")

    static func trace(_ a: Tensor) throws(CressetError) -> Tensor {
        try check(traceName.text, [("self", a, 2)])
        try a.checkDType(Operators.products, op: traceName.text)
        let dtype = Reductions.sumDType(a.dtype)
        return try Override.resolve(
            traceName, inputs: [a], dtype, [.tensor(a)], type: ResultType([], dtype)
        ) { (t) throws(CressetError) in t[0].diagonalVector().sum() }
    }
}

extension Tensor {
    /// The inner product of two vectors.
    public func dot(_ other: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Products.dot(self, other) }
    }

    /// The inner product of two vectors, the first of them conjugated.
    public func vdot(_ other: Tensor) -> Tensor {
        trapping(as: "aten::vdot") { try Products.vdot(self, other) }
    }

    /// The product of a matrix and a vector.
    public func mv(_ vector: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Products.matrixVector(self, vector) }
    }

    /// Every product of an element of this vector and one of the other.
    public func outer(_ other: Tensor) -> Tensor {
        trapping(as: "aten::outer") { try Products.outer(self, other) }
    }

    /// `outer` by its older name.
    public func ger(_ other: Tensor) -> Tensor { trapping(as: "aten::ger") { outer(other) } }

    /// The sum of a matrix's diagonal.
    public func trace() -> Tensor { trapping { () throws(CressetError) in try Products.trace(self) } }
}

// MARK: Declarations

extension Operators {
    static let products: Set<DType> = .numeric

    /// Samples of pairs of shapes.
    static func pairs(_ g: inout SampleMaker, _ shapes: [(Shape, Shape)], _ extra: [Value] = []) -> [Sample] {
        shapes.map { a, b in Sample([.tensor(g.tensor(a, -2, 2)), .tensor(g.tensor(b, -2, 2))] + extra) }
    }

    static let vectorProducts: [Operator] = [
        Operator(
            "dot(Tensor self, Tensor tensor) -> Tensor", dtypes: products, composition: ["matmul"],
            samples: { g in pairs(&g, [([9], [9]), ([1], [1]), ([0], [0])]) },
            call: { (a) throws(CressetError) in
                [.tensor(try Products.dot(try a.tensor("self"), try a.tensor("tensor")))]
            }),
        Operator(
            "vdot(Tensor self, Tensor other) -> Tensor", dtypes: products, composition: ["matmul", "pointwise"],
            samples: { g in pairs(&g, [([9], [9]), ([1], [1]), ([0], [0])]) },
            call: { (a) throws(CressetError) in
                [.tensor(try Products.vdot(try a.tensor("self"), try a.tensor("other")))]
            }),
        Operator(
            "mv(Tensor self, Tensor vec) -> Tensor", dtypes: products, composition: ["matmul"],
            samples: { g in pairs(&g, [([4, 6], [6]), ([1, 1], [1]), ([0, 3], [3]), ([3, 0], [0])]) },
            call: { (a) throws(CressetError) in
                [.tensor(try Products.matrixVector(try a.tensor("self"), try a.tensor("vec")))]
            }),
        Operator(
            "outer(Tensor self, Tensor vec2) -> Tensor", dtypes: .all, composition: ["pointwise"],
            samples: { g in pairs(&g, [([4], [6]), ([1], [1]), ([0], [3])]) },
            call: { (a) throws(CressetError) in
                [.tensor(try Products.outer(try a.tensor("self"), try a.tensor("vec2")))]
            }),
        Operator(
            "ger(Tensor self, Tensor vec2) -> Tensor", dtypes: .all, composition: ["aten::outer"],
            notOverridable: "it is aten::outer, which can be",
            samples: { g in pairs(&g, [([4], [6]), ([0], [3])]) },
            call: { (a) throws(CressetError) in
                [.tensor(try Products.outer(try a.tensor("self"), try a.tensor("vec2")))]
            }),
        Operator(
            "trace(Tensor self) -> Tensor", dtypes: products, composition: ["reduce"],
            samples: { g in [[4, 4], [3, 5], [5, 3], [1, 1], [0, 3]].map { Sample([.tensor(g.tensor($0))]) } },
            call: { (a) throws(CressetError) in [.tensor(try Products.trace(try a.tensor("self")))] }),
    ]
}
