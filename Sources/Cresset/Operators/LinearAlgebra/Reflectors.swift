import BackendKit
import CLapack

/// Products of Householder reflections Hᵢ = 1 − τᵢ·vᵢ·vᵢᴴ, as geqrf gives them.
extension LinearAlgebra {
    private static let productName = OperatorName("aten::linalg_householder_product")
    private static let multiplyName = OperatorName("aten::ormqr")

    /// vᵢ: 0 above place i, 1 there, and what the matrix has below.
    private static func reflector(_ v: Tensor, _ i: Int) -> Tensor {
        let places = Tensor.arange(.init(v.size(-2)), device: v.device)
        let column = v.select(-1, i)
        let zero = Tensor.zeros([], dtype: v.dtype, device: v.device)
        let one = Tensor.ones([], dtype: v.dtype, device: v.device)
        return Tensor.where(places .> .init(i), column, Tensor.where(places .== .init(i), one, zero)).unsqueeze(-1)
    }

    /// H₁·…·Hₖ·C, or its adjoint's product, one reflection after another: what derivatives are made of.
    private static func reflected(_ v: Tensor, _ tau: Tensor, _ c: Tensor, adjoint: Bool) -> Tensor {
        var c = c
        let order = Array(0..<tau.size(-1))
        for i in adjoint ? order : order.reversed() {
            let x = reflector(v, i)
            let factor = (adjoint ? tau.conj() : tau).select(-1, i).unsqueeze(-1).unsqueeze(-1)
            c = c - factor * x.matmul(x.adjoint.matmul(c))
        }
        return c
    }

    private static func check(_ v: Tensor, _ tau: Tensor, op: String) throws(CressetError) {
        try v.checkMatrices(op)
        try v.checkPartner(tau, op)
        guard tau.ndim == v.ndim - 1, Shape(tau.shape.dropLast()) == v.batchShape, tau.size(-1) <= v.size(-1) else {
            throw CressetError(
                .shape, op: op,
                "tau must have the batch dims of the reflectors and at most one factor a column: \(v.summary), \(tau.summary)"
            )
        }
    }

    /// The first columns, as many as `v` has, of the product of all reflections.
    static func householderProduct(_ v: Tensor, _ tau: Tensor, op: String) throws(CressetError) -> Tensor {
        try check(v, tau, op: op)
        let (m, n) = (v.size(-2), v.size(-1))
        guard m >= n else {
            throw CressetError(.shape, op: op, "needs at least as many rows as columns: \(v.summary)")
        }
        let result = try Override.resolve(
            productName, on: v, v.dtype, [.tensor(v), .tensor(tau)], types: [ResultType(v.shape, v.dtype)]
        ) { () throws(CressetError) in
            let type = try Lapack.type(of: v.dtype, op: op)
            let (rows, columns) = (try Lapack.int(m, op: op), try Lapack.int(n, op: op))
            let k = try Lapack.int(tau.size(-1), op: op)
            let q = try HostMatrices(v, op: op)
            let factors = try HostMatrices(tau, vectors: true, op: op)
            try q.each(with: [factors]) { (i) throws(CressetError) in
                try Lapack.check(clapack_orgqr(type, rows, columns, k, q[i], factors[i]), op: op)
            }
            return [try q.tensor(on: v.runtime, op: op)]
        }[0]
        let wanted = [v.isTracked, tau.isTracked]
        return Tape.record(op, result, inputs: [v, tau], saving: [v, tau]) { (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil, nil] }
            return try Engine.gradients(
                of: { (x) throws(CressetError) in
                    let one = Tensor.eye(m, n, dtype: x[0].dtype, device: x[0].device).expand(x[0].shape)
                    return reflected(x[0], x[1], one, adjoint: false)
                }, at: saved, wanted, g)
        }
    }

    /// Q·C, Qᴴ·C, C·Q or C·Qᴴ, where Q is the square product of the reflections.
    static func ormqr(
        _ v: Tensor, _ tau: Tensor, _ c: Tensor, left: Bool, transpose: Bool
    ) throws(CressetError) -> Tensor {
        let op = multiplyName.text
        try check(v, tau, op: op)
        try c.checkMatrices(op)
        try v.checkPartner(c, op)
        guard c.batchShape == v.batchShape, c.size(left ? -2 : -1) == v.size(-2) else {
            throw CressetError(
                .shape, op: op,
                "the matrix that is multiplied must have the batch dims of the reflectors and \(v.size(-2)) "
                    + "\(left ? "rows" : "columns"): \(v.summary), \(c.summary)")
        }
        guard tau.size(-1) == min(v.size(-2), v.size(-1)) else {
            throw CressetError(
                .shape, op: op,
                "there must be as many factors as reflectors, \(min(v.size(-2), v.size(-1))): \(v.summary), \(tau.summary)"
            )
        }
        let result = try Override.resolve(
            multiplyName, on: v, v.dtype,
            [.tensor(v), .tensor(tau), .tensor(c), .scalar(.bool(left)), .scalar(.bool(transpose))],
            types: [ResultType(c.shape, c.dtype)]
        ) { () throws(CressetError) in
            let type = try Lapack.type(of: v.dtype, op: op)
            let (m, n) = (try Lapack.int(c.size(-2), op: op), try Lapack.int(c.size(-1), op: op))
            let k = try Lapack.int(tau.size(-1), op: op)
            let products = try HostMatrices(c, op: op)
            let (matrices, factors) = (try HostMatrices(v, op: op), try HostMatrices(tau, vectors: true, op: op))
            try products.each(with: [matrices, factors]) { (i) throws(CressetError) in
                try Lapack.check(
                    clapack_ormqr(type, left, transpose, m, n, k, matrices[i], factors[i], products[i]), op: op)
            }
            return [try products.tensor(on: v.runtime, op: op)]
        }[0]
        let wanted = [v, tau, c].map(\.isTracked)
        return Tape.record(op, result, inputs: [v, tau, c], saving: [v, tau, c]) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil, nil, nil] }
            return try Engine.gradients(
                of: { (x) throws(CressetError) in
                    // C·Q is (Qᴴ·Cᴴ)ᴴ.
                    left
                        ? reflected(x[0], x[1], x[2], adjoint: transpose)
                        : reflected(x[0], x[1], x[2].adjoint, adjoint: !transpose).adjoint
                }, at: saved, wanted, g)
        }
    }
}

extension linalg {
    /// The first columns of the product of Householder reflections, as `geqrf` gives them.
    public static func householderProduct(_ input: Tensor, _ tau: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.householderProduct(input, tau, op: "aten::linalg_householder_product")
        }
    }
}

extension Tensor {
    /// The first columns of the product of the Householder reflections that are stored here.
    public func orgqr(_ tau: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.householderProduct(self, tau, op: "aten::orgqr")
        }
    }

    /// The product of `other` with the square Q of the reflections that are stored here.
    public func ormqr(_ tau: Tensor, _ other: Tensor, left: Bool = true, transpose: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.ormqr(self, tau, other, left: left, transpose: transpose)
        }
    }
}

// MARK: Declarations

extension Operators {
    private static func reflections(_ g: inout SampleMaker, _ shape: Shape) -> [Value] {
        let (v, tau) = g.regular(shape).geqrf()
        return [.tensor(v.contiguous()), .tensor(tau)]
    }

    private static let shapes: [Shape] = [[4, 4], [5, 3], [2, 4, 3], [1, 1], [0, 3, 2], [0, 0], [3, 0]]

    static let reflectors: [Operator] =
        [
            "linalg_householder_product(Tensor input, Tensor tau) -> Tensor",
            "orgqr(Tensor self, Tensor input2) -> Tensor",
        ]
        .map { schema in
            Operator(
                schema, dtypes: .factored, composition: ["factor"],
                notOverridable: schema.hasPrefix("orgqr")
                    ? "it is aten::linalg_householder_product, which can be" : nil,
                judgement: FactorJudgement(), samples: { g in shapes.map { Sample(reflections(&g, $0)) } },
                call: { (a) throws(CressetError) in
                    let (v, tau) = (try a.tensor(a.schema.arguments[0].name), try a.tensor(a.schema.arguments[1].name))
                    return [.tensor(schema.hasPrefix("orgqr") ? v.orgqr(tau) : linalg.householderProduct(v, tau))]
                })
        }
        + [
            Operator(
                "ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor",
                dtypes: .factored, composition: ["factor"], judgement: FactorJudgement(),
                samples: { g in
                    let cases: [(Shape, Shape, left: Bool, transpose: Bool)] = [
                        ([4, 3], [4, 2], true, false), ([4, 3], [4, 2], true, true), ([4, 4], [2, 4], false, false),
                        ([2, 3, 2], [2, 1, 3], false, true), ([0, 0], [0, 2], true, false),
                        ([0, 3, 2], [0, 3, 1], true, false),
                    ]
                    return cases.map { v, c, left, transpose in
                        Sample(
                            reflections(&g, v) + [
                                .tensor(g.tensor(c)), .scalar(.bool(left)), .scalar(.bool(transpose)),
                            ])
                    }
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensor(
                            try a.tensor("self").ormqr(
                                try a.tensor("input2"), try a.tensor("input3"), left: try a.bool("left"),
                                transpose: try a.bool("transpose")))
                    ]
                })
        ]
}
