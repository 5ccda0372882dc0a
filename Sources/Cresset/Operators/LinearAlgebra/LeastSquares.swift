import BackendKit
import CLapack

/// LAPACK's ways to least squares.
public enum LeastSquaresDriver: String, Sendable, CaseIterable {
    /// QR, for matrices of full rank.
    case gels
    /// QR with exchanged columns.
    case gelsy
    /// Singular values, by dividing.
    case gelsd
    /// Singular values.
    case gelss
}

/// X with the smallest ‖A·X − B‖.
extension LinearAlgebra {
    private static let name = OperatorName("aten::linalg_lstsq")

    struct LeastSquares {
        var solution: Tensor
        /// Sums of squares by column; empty where the driver does not give them.
        var residuals: Tensor
        var rank: Tensor
        var singularValues: Tensor

        var all: [Tensor] { [solution, residuals, rank, singularValues] }
    }

    static func leastSquares(
        _ a: Tensor, _ b: Tensor, rcond: Double?, driver: LeastSquaresDriver
    ) throws(CressetError) -> LeastSquares {
        let op = name.text
        try a.checkMatrices(op)
        try a.checkPartner(b, op)
        let (m, n) = (a.size(-2), a.size(-1))
        let vectors = b.ndim == 1 || (b.ndim == a.ndim - 1 && b.shape == Shape(a.shape.dropLast()))
        let right = vectors ? b.unsqueeze(-1) : b
        guard right.ndim >= 2, right.size(-2) == m, let batch = a.batchShape.broadcast(with: right.batchShape) else {
            throw CressetError(
                .shape, op: op, "B must have as many rows as A, and their batches broadcast: \(a.summary), \(b.summary)"
            )
        }
        let count = right.size(-1)
        let hasRank = driver != .gels
        let hasValues = driver == .gelsd || driver == .gelss
        let hasResiduals = m > n && driver != .gelsy
        let real = a.dtype.toReal
        let solutionShape = Shape(batch + (vectors ? [n] : [n, count]))
        let residualShape: Shape = hasResiduals ? Shape(batch + (vectors ? [] : [count])) : [0]
        let results = try Override.resolve(
            name, on: a, a.dtype,
            [.tensor(a), .tensor(b), rcond.map { .scalar(.double($0)) } ?? .none, .string(driver.rawValue)],
            types: [
                ResultType(solutionShape, a.dtype), ResultType(residualShape, real),
                ResultType(hasRank ? batch : [0], .int64),
                ResultType(hasValues ? Shape(batch + [min(m, n)]) : [0], real),
            ]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let type = try Lapack.type(of: a.dtype, op: op)
                let (rows, columns) = (try Lapack.int(m, op: op), try Lapack.int(n, op: op))
                let width = try Lapack.int(count, op: op)
                let matrices = try HostMatrices(a.detach().expand(Shape(batch + [m, n])), op: op)
                // LAPACK overwrites B, in max(m, n) rows, with X.
                let below = Tensor.zeros(Shape(batch + [max(n - m, 0), count]), dtype: a.dtype, device: a.device)
                let sides = try HostMatrices(
                    .cat([right.detach().expand(Shape(batch + [m, count])), below], dim: -2), op: op)
                let values = HostMatrices(real, batch, count: min(m, n))
                let ranks = HostMatrices(.int32, batch, count: 1)
                let epsilon: Double = real == .float64 ? 0x1p-52 : 0x1p-23
                let limit = rcond ?? epsilon * Double(max(m, n))
                let call: clapack_driver =
                    switch driver {
                    case .gels: CLAPACK_GELS
                    case .gelsy: CLAPACK_GELSY
                    case .gelsd: CLAPACK_GELSD
                    case .gelss: CLAPACK_GELSS
                    }
                if m > 0 && n > 0 && count > 0 {
                    try sides.each(with: [matrices, values, ranks]) { (i) throws(CressetError) in
                        let info = clapack_lstsq(
                            type, call, rows, columns, width, matrices[i], sides[i], limit, values[i],
                            ranks[integers: i])
                        try Lapack.check(info, op: op)
                        guard info > 0 else { return }
                        throw CressetError(
                            .argument, op: op,
                            "\(element(i, of: batch))the matrix does not have full rank or its singular values did not "
                                + "converge (LAPACK's info is \(info)); \(a.summary)")
                    }
                }
                let all = try sides.tensor(on: a.runtime, op: op)
                let x = all.narrow(-2, 0, n)
                let nothing = Tensor.zeros([0], dtype: real, device: a.device)
                let squares = hasResiduals ? all.narrow(-2, n, m - n).abs().square().sum(dim: -2) : nothing
                let rank = try ranks.tensor(on: a.runtime, op: op).squeeze(-1).to(.int64)
                return [
                    try Copy.clone(vectors ? x.squeeze(-1) : x, op: op),
                    vectors && hasResiduals ? squares.squeeze(-1) : squares,
                    hasRank ? rank : .zeros([0], dtype: .int64, device: a.device),
                    hasValues ? try values.tensor(on: a.runtime, op: op) : nothing,
                ].map { $0.detach() }
            }
        }
        let wanted = [a.isTracked, b.isTracked]
        let recorded = Tape.record(
            op, results, differentiable: [0, 1], inputs: [a, b], saving: [a, b]
        ) { (gradients, saved) throws(CressetError) in
            // The derivative is that of A⁺·B (Golub, Pereyra 1973), and of ‖A·A⁺·B − B‖².
            @Sendable func solution(_ x: [Tensor]) throws(CressetError) -> Tensor {
                let inverse = try pinv(x[0], atol: nil, rtol: nil, hermitian: false, op: op)
                return try Matrix.product(inverse, vectors ? x[1].unsqueeze(-1) : x[1])
            }
            var sum: [Tensor?] = [nil, nil]
            func add(_ more: [Tensor?]) {
                sum = zip(sum, more).map { x, y in x.map { x in y.map { x + $0 } ?? x } ?? y }
            }
            if let g = gradients[0] {
                add(
                    try Engine.gradients(
                        of: { (x) throws(CressetError) in vectors ? try solution(x).squeeze(-1) : try solution(x) },
                        at: saved, wanted, g))
            }
            if hasResiduals, let g = gradients[1] {
                add(
                    try Engine.gradients(
                        of: { (x) throws(CressetError) in
                            let side = vectors ? x[1].unsqueeze(-1) : x[1]
                            let rest = try Matrix.product(x[0], try solution(x)) - side
                            let sums = (rest * rest.conj()).real.sum(dim: -2)
                            return vectors ? sums.squeeze(-1) : sums
                        }, at: saved, wanted, g))
            }
            return sum
        }
        return LeastSquares(
            solution: recorded[0], residuals: recorded[1], rank: recorded[2], singularValues: recorded[3])
    }
}

extension linalg {
    /// X with the smallest ‖A·X − B‖, and what the driver tells beside it.
    public static func lstsq(
        _ a: Tensor, _ b: Tensor, rcond: Double? = nil, driver: LeastSquaresDriver = .gelsy
    ) -> (solution: Tensor, residuals: Tensor, rank: Tensor, singularValues: Tensor) {
        trapping(default: (.invalid, .invalid, .invalid, .invalid)) { () throws(CressetError) in
            let x = try LinearAlgebra.leastSquares(a, b, rcond: rcond, driver: driver)
            return (x.solution, x.residuals, x.rank, x.singularValues)
        }
    }
}

// MARK: Declarations

extension Operators {
    static let leastSquares: [Operator] = [
        Operator(
            "linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None) -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)",
            dtypes: .factored, composition: ["factor"], judgement: FactorJudgement(constant: [3]),
            samples: { g in
                let cases: [(Shape, Shape, Value)] = [
                    ([5, 3], [5, 2], "gels"), ([5, 3], [5, 2], "gelsy"), ([5, 3], [5], "gelsd"),
                    ([3, 5], [3, 2], "gelss"),
                    ([2, 4, 3], [2, 4, 1], .none), ([4, 4], [4, 1], "gels"), ([0, 3, 2], [0, 3, 1], "gelsd"),
                ]
                return cases.map { a, b, driver in
                    Sample([.tensor(g.regular(a)), .tensor(g.tensor(b)), .none, driver])
                }
            },
            call: { (a) throws(CressetError) in
                let name = try a.optionalString("driver") ?? LeastSquaresDriver.gelsy.rawValue
                guard let driver = LeastSquaresDriver(rawValue: name) else {
                    let all = LeastSquaresDriver.allCases.map(\.rawValue).joined(separator: ", ")
                    throw CressetError(
                        .argument, op: "aten::linalg_lstsq", "driver must be one of \(all), not \"\(name)\"")
                }
                return try LinearAlgebra.leastSquares(
                    try a.tensor("self"), try a.tensor("b"), rcond: try a.optionalScalar("rcond")?.doubleValue,
                    driver: driver
                ).all.map { .tensor($0) }
            })
    ]
}
