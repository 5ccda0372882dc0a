import BackendKit
import CLapack

/// What of Q and R is wanted.
public enum QRMode: String, Sendable {
    /// min(m, n) columns of Q.
    case reduced
    /// All m columns of Q.
    case complete
    /// R alone; Q is empty.
    case r
}

/// A = Q·R by Householder reflections.
extension LinearAlgebra {
    private static let qrName = OperatorName("aten::linalg_qr")

    static func qr(_ a: Tensor, mode: QRMode, op: String = qrName.text) throws(CressetError) -> (q: Tensor, r: Tensor) {
        try a.checkMatrices(op)
        let (m, n) = (a.size(-2), a.size(-1))
        let k = min(m, n)
        let columns = mode == .complete ? m : k
        func shape(_ rows: Int, _ columns: Int) -> Shape { Shape(a.batchShape + [rows, columns]) }
        let results = try Override.resolve(
            qrName, on: a, a.dtype, [.tensor(a), .string(mode.rawValue)],
            types: [
                ResultType(mode == .r ? [0] : shape(m, columns), a.dtype), ResultType(shape(columns, n), a.dtype),
            ]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let (factors, tau, type) = try reflectors(a.detach(), op: op)
                let packed = try factors.tensor(on: a.runtime, op: op)
                let zeros = Tensor.zeros(shape(max(columns - m, 0), n), dtype: a.dtype, device: a.device)
                let r = Tensor.cat([packed.narrow(-2, 0, min(columns, m)), zeros], dim: -2).triu()
                guard mode != .r else { return [.zeros([0], dtype: a.dtype, device: a.device), r] }
                let q = HostMatrices(a.dtype, factors.batch, rows: m, columns: columns)
                let (rows, width, count) = (
                    try Lapack.int(m, op: op), try Lapack.int(columns, op: op), try Lapack.int(k, op: op)
                )
                try q.each(with: [factors, tau]) { (i) throws(CressetError) in
                    q.copy(k, columnsOf: factors, i)
                    try Lapack.check(clapack_orgqr(type, rows, width, count, q[i], tau[i]), op: op)
                }
                return [try q.tensor(on: a.runtime, op: op), r]
            }
        }
        let recorded = Tape.record(
            qrName.text, results, differentiable: mode == .r ? [1] : [0, 1], inputs: [a], savingResults: [0, 1]
        ) { (gradients, saved) throws(CressetError) in
            guard mode == .reduced || (mode == .complete && m <= n) else {
                throw CressetError(
                    .autograd, op: qrName.text,
                    mode == .r
                        ? "mode r has no derivative, as it does not give Q; use reduced"
                        : "mode complete has no derivative where there are more rows than columns (\(m) × \(n)), as the "
                            + "further columns of Q are not determined; use reduced")
            }
            return [qrGradient(gradients[0], gradients[1], q: saved[0], r: saved[1])]
        }
        return (recorded[0], recorded[1])
    }

    /// Seeger, Hetzel, Dai, Lawrence 2017: ∂A = [∂Q + Q·copyltu(R·∂Rᴴ − ∂Qᴴ·Q)]·R⁻ᴴ, where copyltu mirrors the lower
    /// triangle. A wide A = [X Y] is X = Q·U and Y = Q·V (Roberts, Roberts 2020), so that ∂Q gains Y·∂Vᴴ.
    private static func qrGradient(_ gQ: Tensor?, _ gR: Tensor?, q: Tensor, r: Tensor) -> Tensor? {
        let (k, n) = (r.size(-2), r.size(-1))
        var gQ = gQ ?? Tensor.zerosLike(q)
        let gR = gR ?? Tensor.zerosLike(r)
        let u = r.narrow(-1, 0, k)
        var gY: Tensor?
        if n > k {
            let gV = gR.narrow(-1, k, n - k)
            gQ = gQ + q.matmul(r.narrow(-1, k, n - k)).matmul(gV.adjoint)
            gY = q.matmul(gV)
        }
        let m = u.matmul(gR.narrow(-1, 0, k).adjoint) - gQ.adjoint.matmul(q)
        let lower = m.lowerHalf
        let inner = gQ + q.matmul(lower + lower.adjoint)
        let gX = linalg.solveTriangular(u.adjoint, inner, upper: false, left: false)
        return gY.map { .cat([gX, $0], dim: -1) } ?? gX
    }

    /// LAPACK's geqrf: R with the reflectors below it, and their factors.
    private static func reflectors(
        _ a: Tensor, op: String
    ) throws(CressetError) -> (HostMatrices, tau: HostMatrices, clapack_type) {
        let type = try Lapack.type(of: a.dtype, op: op)
        let (m, n) = (try Lapack.int(a.size(-2), op: op), try Lapack.int(a.size(-1), op: op))
        let factors = try HostMatrices(a, op: op)
        let tau = HostMatrices(a.dtype, factors.batch, count: Int(min(m, n)))
        try factors.each(with: [tau]) { (i) throws(CressetError) in
            try Lapack.check(clapack_geqrf(type, m, n, factors[i], tau[i]), op: op)
        }
        return (factors, tau, type)
    }

    // MARK: Reflectors

    private static let geqrfName = OperatorName("aten::geqrf")

    /// R with the reflectors below it, and their factors.
    static func geqrf(_ a: Tensor) throws(CressetError) -> (a: Tensor, tau: Tensor) {
        let op = geqrfName.text
        try a.checkMatrices(op)
        let results = try Override.resolve(
            geqrfName, on: a, a.dtype, [.tensor(a)],
            types: [
                ResultType(a.shape, a.dtype),
                ResultType(Shape(a.batchShape + [min(a.size(-1), a.size(-2))]), a.dtype),
            ]
        ) { () throws(CressetError) in
            let (factors, tau, _) = try reflectors(a.detach(), op: op)
            return [try factors.tensor(on: a.runtime, op: op), try tau.tensor(on: a.runtime, op: op)]
        }
        return (results[0], results[1])
    }
}

extension linalg {
    /// Q with orthonormal columns and upper triangular R, with A = Q·R.
    public static func qr(_ a: Tensor, mode: QRMode = .reduced) -> (q: Tensor, r: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in try LinearAlgebra.qr(a, mode: mode) }
    }
}

extension Tensor {
    /// R with the Householder reflectors of Q below it, and their factors.
    public func geqrf() -> (a: Tensor, tau: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in try LinearAlgebra.geqrf(self) }
    }
}

// MARK: Declarations

extension Operators {
    private static let shapes: [Shape] = [
        [4, 4], [5, 3], [3, 5], [2, 4, 3], [1, 1], [0, 3, 2], [0, 0], [3, 0], [0, 3],
    ]

    static let qr: [Operator] = [
        Operator(
            "linalg_qr(Tensor A, str mode=\"reduced\") -> (Tensor Q, Tensor R)", dtypes: .factored,
            composition: ["factor", "pointwise"],
            judgement: FactorJudgement(free: [
                0: .phases(dim: -1) { min($0[1][$0[1].count - 2], $0[1][$0[1].count - 1]) },
                1: .phases(dim: -2) { min($0[1][$0[1].count - 2], $0[1][$0[1].count - 1]) },
            ]) { values, results in
                guard let a = values[0].tensor else { return [] }
                let (q, r) = (results[0], results[1])
                let triangle = Residual("R below its diagonal", r.tril(-1))
                if q.ndim == 1 {
                    // AᴴA = RᴴR
                    let square = a.adjoint.matmul(a)
                    return [Residual("Aᴴ·A - Rᴴ·R", square - r.adjoint.matmul(r), size: square), triangle]
                }
                return [Residual("A - Q·R", a - q.matmul(r), size: a), .orthonormal("Q", q), triangle]
            },
            samples: { g in
                shapes.map { Sample([.tensor(g.regular($0)), "reduced"]) }
                    + [Sample([.tensor(g.regular([3, 4])), "complete"])]
            },
            call: { (a) throws(CressetError) in
                let name = try a.string("mode")
                guard let mode = QRMode(rawValue: name) else {
                    throw CressetError(
                        .argument, op: "aten::linalg_qr", "mode must be reduced, complete or r, not \"\(name)\"")
                }
                let (q, r) = linalg.qr(try a.tensor("A"), mode: mode)
                return [.tensor(q), .tensor(r)]
            }),
        Operator(
            "geqrf(Tensor self) -> (Tensor a, Tensor tau)", dtypes: .factored, composition: ["factor"],
            isDifferentiable: false,
            // (Reflectors depend on a choice of signs; products with them are judged with householder_product.)
            judgement: FactorJudgement(free: [0: .residuals, 1: .residuals]) { values, results in
                guard let a = values[0].tensor else { return [] }
                let k = min(a.size(-1), a.size(-2))
                let q = linalg.householderProduct(results[0].narrow(-1, 0, k), results[1])
                let r = results[0].narrow(-2, 0, k).triu()
                return [Residual("A - Q·R", a - q.matmul(r), size: a), .orthonormal("Q", q)]
            },
            samples: { g in shapes.map { Sample([.tensor(g.regular($0))]) } },
            call: { (a) throws(CressetError) in
                let (r, tau) = try a.tensor("self").geqrf()
                return [.tensor(r), .tensor(tau)]
            }),
    ]
}
