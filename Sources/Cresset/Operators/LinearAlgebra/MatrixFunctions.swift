import BackendKit

/// Functions of square matrices: powers, the exponential, square roots, the polar decomposition.
extension LinearAlgebra {
    // MARK: Powers

    /// Aⁿ by squaring; of the inverse for negative n.
    static func power(_ a: Tensor, _ n: Int, op: String) throws(CressetError) -> Tensor {
        try a.checkValid(op)
        guard a.ndim >= 2, a.size(-1) == a.size(-2) else {
            throw CressetError(.shape, op: op, "needs square matrices, got \(a.summary)")
        }
        if n == 0 {
            let one = Tensor.eye(a.size(-1), dtype: a.dtype, device: a.device).expand(a.shape).clone()
            return Tape.record(op, one, inputs: [a], saving: [a]) { (_, saved) in [Tensor.zerosLike(saved[0])] }
        }
        var square = n < 0 ? try inverse(a, op: op) : a
        var rest = n.magnitude
        var result: Tensor?
        while true {
            if rest & 1 == 1 {
                result = try result.map { (x) throws(CressetError) in try Matrix.product(x, square) } ?? square
            }
            rest >>= 1
            if rest == 0 { break }
            square = try Matrix.product(square, square)
        }
        guard let result else { return a }
        return n == 1 ? result.clone() : result
    }

    // MARK: The exponential

    private static let expName = OperatorName("aten::linalg_matrix_exp")

    /// Σ Aᵏ/k! to degree 18 of A/2ˢ, squared s times. The series' backward error is below a rounding of float64 for
    /// norms up to 1.09, of float32 for norms up to 3.01 (Bader, Blanes, Casas 2019).
    static func exp(_ a: Tensor, op: String = expName.text) throws(CressetError) -> Tensor {
        try a.checkValid(op)
        guard a.dtype.hasGradient, a.ndim >= 2, a.size(-1) == a.size(-2) else {
            throw CressetError(
                a.dtype.hasGradient ? .shape : .dtype, op: op,
                "needs square matrices of a floating or complex dtype, got \(a.summary)")
        }
        let result = try Override.resolve(
            expName, on: a, a.dtype, [.tensor(a)], types: [ResultType(a.shape, a.dtype)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let isNarrow = a.dtype == .float16 || a.dtype == .bfloat16
                let x = try a.detach().converted(to: isNarrow ? .float32 : a.dtype)
                return [try series(x).converted(to: a.dtype).detach()]
            }
        }[0]
        let n = a.size(-1)
        return Tape.record(expName.text, result, inputs: [a], saving: [a]) { (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            // Mathias 1996: exp of ((Aᴴ, G), (0, Aᴴ)) has the derivative in its corner.
            let aH = saved[0].adjoint
            let top = Tensor.cat([aH, try g.converted(to: aH.dtype)], dim: -1)
            let bottom = Tensor.cat([Tensor.zerosLike(aH), aH], dim: -1)
            return [try exp(.cat([top, bottom], dim: -2)).narrow(-2, 0, n).narrow(-1, n, n)]
        }
    }

    private static func series(_ a: Tensor) throws(CressetError) -> Tensor {
        guard a.numel > 0 else { return a.clone() }
        // Each matrix of a batch is scaled by its own norm.
        let norms =
            try a.isMeta
            ? [Double](repeating: 0, count: a.batchShape.elementCount)
            : a.abs().sum(dim: -2).amax(dim: [-1]).doubles()
        let limit = a.dtype.toReal == .float64 ? 1.09 : 3.01
        let counts = norms.map { $0.isFinite && $0 > limit ? Int(($0 / limit).exponent) + 1 : 0 }
        func perMatrix(_ values: [Double]) -> Tensor {
            Tensor(values, shape: a.batchShape, dtype: a.dtype.toReal, device: a.device).unsqueeze(-1).unsqueeze(-1)
        }
        let x = a * perMatrix(counts.map { Double(sign: .plus, exponent: -$0, significand: 1) })
        var factorial = 1.0
        var coefficients = [1.0]
        for k in 1...18 {
            factorial *= Double(k)
            coefficients.append(1 / factorial)
        }
        // Paterson, Stockmeyer 1973: three blocks of six in A⁶.
        var powers = [Tensor.eye(a.size(-1), dtype: a.dtype, device: a.device), x]
        for k in 2...6 { powers.append(powers[k / 2].matmul(powers[k - k / 2])) }
        func block(_ from: Int, _ count: Int) -> Tensor {
            (1..<count).reduce(powers[0] * .double(coefficients[from])) {
                $0 + powers[$1] * .double(coefficients[from + $1])
            }
        }
        var result = block(12, 7)
        for from in [6, 0] { result = block(from, 6) + powers[6].matmul(result) }
        for round in 0..<(counts.max() ?? 0) {
            let squared = result.matmul(result)
            if counts.allSatisfy({ $0 > round }) {
                result = squared
            } else {
                result = Tensor.where(perMatrix(counts.map { $0 > round ? 1 : 0 }) .> 0.5, squared, result)
            }
        }
        return result
    }

    // MARK: Square roots

    private static let rootName = OperatorName("aten::linalg_matrix_sqrth")

    /// V·diag(√λ)·Vᴴ of hermitian, positive semidefinite matrices.
    static func squareRoot(_ a: Tensor) throws(CressetError) -> Tensor {
        let op = rootName.text
        try a.checkMatrices(op, square: true)
        let result = try Override.resolve(
            rootName, on: a, a.dtype, [.tensor(a)], types: [ResultType(a.shape, a.dtype)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let (w, v) = try eigh(a.detach(), upper: false, op: op)
                return [(v * w.clamp(min: 0).sqrt().unsqueeze(-2)).matmul(v.adjoint)]
            }
        }[0]
        return Tape.record(op, result, inputs: [a], saving: [a]) { (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            // S·dS + dS·S = dA (Higham 2008, 6.1): in the eigenvectors' basis a division by √λᵢ + √λⱼ.
            let (w, v) = try eigh(saved[0], upper: false, op: op)
            let root = w.clamp(min: 0).sqrt()
            let turned = v.adjoint.matmul((g + g.adjoint) * 0.5).matmul(v)
            let inner = turned / (root.unsqueeze(-1) + root.unsqueeze(-2))
            return [v.matmul(inner).matmul(v.adjoint)]
        }
    }

    private static let polarName = OperatorName("aten::linalg_polar")

    /// A = U·H with orthonormal columns of U and positive semidefinite H.
    static func polar(_ a: Tensor) throws(CressetError) -> (u: Tensor, h: Tensor) {
        let op = polarName.text
        try a.checkMatrices(op)
        let n = a.size(-1)
        let results = try Override.resolve(
            polarName, on: a, a.dtype, [.tensor(a)],
            types: [ResultType(a.shape, a.dtype), ResultType(Shape(a.batchShape + [n, n]), a.dtype)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let (w, s, vh) = try svd(a.detach(), fullMatrices: false, op: op)
                return [w.matmul(vh), (vh.adjoint * s.unsqueeze(-2)).matmul(vh)]
            }
        }
        let recorded = Tape.record(
            op, results, differentiable: [0, 1], inputs: [a], saving: [a]
        ) { (gradients, saved) throws(CressetError) in
            let (w, s, vh) = try svd(saved[0], fullMatrices: false, op: op)
            let (u, v) = (w.matmul(vh), vh.adjoint)
            // H = Uᴴ·A (its hermitian part): ∂H is a gradient of U and of A.
            let half = gradients[1].map { ($0 + $0.adjoint) * 0.5 }
            var direct = half.map { u.matmul($0) }
            var gU = gradients[0]
            if let half {
                let more = saved[0].matmul(half)
                gU = gU.map { $0 + more } ?? more
            }
            if let gU {
                // Kenney, Laub 1991: with M = Wᴴ·dA·V, dU = W·[(M − Mᴴ)/(sᵢ + sⱼ)]·Vᴴ + (1 − W·Wᴴ)·dA·V·S⁻¹·Vᴴ,
                // and the same on the other side of a wide matrix.
                let turned = w.adjoint.matmul(gU).matmul(v)
                let inner = (turned - turned.adjoint) / (s.unsqueeze(-1) + s.unsqueeze(-2))
                var sum = w.matmul(inner).matmul(vh)
                let inverse = s.reciprocal().unsqueeze(-2)
                if w.size(-2) > s.size(-1) {
                    let right = gU.matmul(v)
                    sum = sum + ((right - w.matmul(turned)) * inverse).matmul(vh)
                }
                if vh.size(-1) > s.size(-1) {
                    let left = w.adjoint.matmul(gU)
                    sum = sum + (w * inverse).matmul(left - turned.matmul(vh))
                }
                direct = direct.map { $0 + sum } ?? sum
            }
            return [direct]
        }
        return (recorded[0], recorded[1])
    }
}

extension linalg {
    /// Aⁿ; of the inverse for negative n.
    public static func matrixPower(_ a: Tensor, _ n: Int) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.power(a, n, op: "aten::linalg_matrix_power") }
    }

    /// Σ Aᵏ/k!
    public static func matrixExp(_ a: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.exp(a) }
    }

    /// The square root of hermitian, positive semidefinite matrices.
    public static func matrixSqrth(_ a: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.squareRoot(a) }
    }

    /// U with orthonormal columns and positive semidefinite H, with A = U·H.
    public static func polar(_ a: Tensor) -> (u: Tensor, h: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in try LinearAlgebra.polar(a) }
    }
}

extension Tensor {
    /// Aⁿ; of the inverse for negative n.
    public func matrixPower(_ n: Int) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.power(self, n, op: "aten::matrix_power") }
    }

    /// Σ Aᵏ/k!
    public func matrixExp() -> Tensor { trapping { () throws(CressetError) in try LinearAlgebra.exp(self) } }
}

// MARK: Declarations

extension Operators {
    private static let squares: [Shape] = [[4, 4], [2, 3, 3], [1, 1], [0, 3, 3], [0, 0]]

    static let matrixFunctions: [Operator] =
        ["linalg_matrix_power(Tensor self, int n) -> Tensor", "matrix_power(Tensor self, int n) -> Tensor"].map {
            schema in
            Operator(
                schema, dtypes: .factored, composition: ["matmul", "aten::linalg_solve_ex"],
                notOverridable: "it is made of aten::matmul and aten::linalg_solve_ex, which can be",
                judgement: FactorJudgement(),
                samples: { g in
                    [3, 0, -2, 1, -1, 5, 2].enumerated().map { i, n in
                        Sample([.tensor(g.regular(squares[i % squares.count])), .scalar(Scalar(n))])
                    }
                },
                call: { (a) throws(CressetError) in
                    let op = schema.hasPrefix("linalg") ? "aten::linalg_matrix_power" : "aten::matrix_power"
                    return [.tensor(try LinearAlgebra.power(try a.tensor("self"), try a.int("n"), op: op))]
                }
            ).refusing([([2, 3], [2], ["square", "[2, 3]"]), ([3], [2], ["[3]"])])
        }
        + ["linalg_matrix_exp(Tensor self) -> Tensor", "matrix_exp(Tensor self) -> Tensor"].map { schema in
            Operator(
                schema, dtypes: .continuous, composition: ["matmul", "pointwise", "reduce"],
                notOverridable: schema.hasPrefix("matrix") ? "it is aten::linalg_matrix_exp, which can be" : nil,
                judgement: FactorJudgement(),
                samples: { g in
                    (squares + [[3, 3]]).enumerated().map { i, shape in
                        Sample([.tensor(i == squares.count ? g.tensor(shape, -6, 6) : g.tensor(shape, -1, 1))])
                    }
                },
                call: { (a) throws(CressetError) in [.tensor(try LinearAlgebra.exp(try a.tensor("self")))] })
        }
        + [
            Operator(
                "linalg_matrix_sqrth(Tensor self) -> Tensor", dtypes: .factored,
                composition: ["aten::linalg_eigh", "matmul", "pointwise"],
                judgement: FactorJudgement(hermitian: ["self"]) { values, results in
                    guard let a = values[0].tensor else { return [] }
                    return [Residual("A - S·S", a.hermitian(upper: false) - results[0].matmul(results[0]), size: a)]
                }, samples: { g in squares.map { Sample([.tensor(g.positiveDefinite($0))]) } },
                call: { (a) throws(CressetError) in [.tensor(linalg.matrixSqrth(try a.tensor("self")))] }),
            Operator(
                "linalg_polar(Tensor A) -> (Tensor U, Tensor H)", dtypes: .factored,
                composition: ["aten::linalg_svd", "matmul", "pointwise"],
                judgement: FactorJudgement { values, results in
                    guard let a = values[0].tensor else { return [] }
                    return [Residual("A - U·H", a - results[0].matmul(results[1]), size: a)]
                }, samples: { g in (squares + [[5, 3], [3, 5]]).map { Sample([.tensor(g.regular($0))]) } },
                call: { (a) throws(CressetError) in
                    let (u, h) = linalg.polar(try a.tensor("A"))
                    return [.tensor(u), .tensor(h)]
                }),
        ]
}
