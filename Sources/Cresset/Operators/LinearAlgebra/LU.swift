import BackendKit
import CLapack

/// A = P·L·U.
extension LinearAlgebra {
    private static let factorName = OperatorName("aten::linalg_lu_factor_ex")
    private static let solveName = OperatorName("aten::linalg_lu_solve")

    /// L below the diagonal and U above it in one matrix, the row exchanges (from 1), and 0 or the place of
    /// the first 0 on U's diagonal.
    static func luFactorEx(
        _ a: Tensor, pivot: Bool, op: String = factorName.text
    ) throws(CressetError) -> (lu: Tensor, pivots: Tensor, info: Tensor) {
        try a.checkMatrices(op)
        let count = min(a.size(-1), a.size(-2))
        let results = try Override.resolve(
            factorName, on: a, a.dtype, [.tensor(a), .scalar(.bool(pivot)), false],
            types: [
                ResultType(a.shape, a.dtype), ResultType(Shape(a.batchShape + [count]), .int32),
                ResultType(a.batchShape, .int32),
            ]
        ) { () throws(CressetError) in
            guard pivot else {
                throw CressetError(.unsupported, op: op, "LAPACK has no LU without pivoting; \(a.summary)")
            }
            let type = try Lapack.type(of: a.dtype, op: op)
            let (m, n) = (try Lapack.int(a.size(-2), op: op), try Lapack.int(a.size(-1), op: op))
            let factors = try HostMatrices(a, op: op)
            let pivots = HostMatrices(.int32, factors.batch, count: count)
            let info = HostMatrices(.int32, factors.batch, count: 1)
            try factors.each(with: [pivots, info]) { (i) throws(CressetError) in
                info[integers: i][0] = clapack_getrf(type, m, n, factors[i], pivots[integers: i])
                try Lapack.check(info[integers: i][0], op: op)
            }
            return [
                try factors.tensor(on: a.runtime, op: op), try pivots.tensor(on: a.runtime, op: op),
                try info.tensor(on: a.runtime, op: op).squeeze(-1).contiguous(),
            ]
        }
        let recorded = Tape.record(
            factorName.text, results, differentiable: [0], inputs: [a], saving: [results[1]], savingResults: [0]
        ) { (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            return [try luGradient(g, saved[1], pivots: saved[0])]
        }
        return (recorded[0], recorded[1], recorded[2])
    }

    /// From dA = P·(dL·U + L·dU), with dL strictly lower: for square matrices
    /// ∂A = P·L⁻ᴴ·[tril(Lᴴ·∂L, −1) + triu(∂U·Uᴴ)]·U⁻ᴴ. What a wide or tall matrix has beyond a square,
    /// U₂ = L⁻¹·Pᵀ·A₂ and L₂ = A₂·U⁻¹, adds to ∂L and ∂U.
    private static func luGradient(_ g: Tensor, _ lu: Tensor, pivots: Tensor) throws(CressetError) -> Tensor {
        let (m, n) = (lu.size(-2), lu.size(-1))
        let k = min(m, n)
        let (p, l, u) = try luUnpack(lu, pivots, op: factorName.text)
        let (l1, u1) = (l.narrow(-2, 0, k), u.narrow(-1, 0, k))
        let (gL, gU) = (g.narrow(-1, 0, k).tril(-1), g.narrow(-2, 0, k).triu())
        var lower = l1.adjoint.matmul(gL.narrow(-2, 0, k))
        var upper = gU.narrow(-1, 0, k).matmul(u1.adjoint)
        var rest: Tensor?
        if m < n {
            let (gU2, u2) = (gU.narrow(-1, k, n - k), u.narrow(-1, k, n - k))
            lower = lower - gU2.matmul(u2.adjoint)
            rest = try solveTriangular(l1.adjoint, gU2, upper: true, unitriangular: true)
        } else if m > n {
            let (gL2, l2) = (gL.narrow(-2, k, m - k), l.narrow(-2, k, m - k))
            upper = upper - l2.adjoint.matmul(gL2)
            rest = try solveTriangular(u1.adjoint, gL2, upper: false, left: false)
        }
        let middle = try solveTriangular(
            l1.adjoint, lower.tril(-1) + upper.triu(), upper: true, unitriangular: true)
        let square = try solveTriangular(u1.adjoint, middle, upper: false, left: false)
        return p.matmul(rest.map { .cat([square, $0], dim: m < n ? -1 : -2) } ?? square)
    }

    /// P, L and U as matrices.
    static func luUnpack(
        _ lu: Tensor, _ pivots: Tensor, data: Bool = true, permutation: Bool = true, op: String
    ) throws(CressetError) -> (p: Tensor, l: Tensor, u: Tensor) {
        try lu.checkMatrices(op)
        let (m, n) = (lu.size(-2), lu.size(-1))
        let k = min(m, n)
        try checkPivots(pivots, of: lu, op: op)
        let nothing = Tensor.zeros([0], dtype: lu.dtype, device: lu.device)
        let p = permutation ? try permutationMatrix(pivots, rows: m, dtype: lu.dtype, op: op) : nothing
        guard data else { return (p, nothing, nothing) }
        let one = Tensor.eye(m, k, dtype: lu.dtype, device: lu.device)
        return (p, lu.narrow(-1, 0, k).tril(-1) + one, lu.narrow(-2, 0, k).triu())
    }

    private static func checkPivots(_ pivots: Tensor, of lu: Tensor, op: String) throws(CressetError) {
        try pivots.checkValid(op)
        guard pivots.dtype == .int32 else {
            throw CressetError(.dtype, op: op, "the pivots must be int32, as lu_factor gives them: \(pivots.summary)")
        }
        let shape = Shape(lu.batchShape + [min(lu.size(-1), lu.size(-2))])
        guard pivots.device == lu.device else {
            throw CressetError(
                .device, op: op, "the pivots must live on the device of the factors: \(lu.summary), \(pivots.summary)")
        }
        guard pivots.shape == shape else {
            throw CressetError(
                .shape, op: op, "the pivots of \(lu.summary) must have shape \(shape), not \(pivots.shape)")
        }
    }

    /// P of P·L·U, from the exchanges of rows, which are followed on the host.
    private static func permutationMatrix(
        _ pivots: Tensor, rows m: Int, dtype: DType, op: String
    ) throws(CressetError) -> Tensor {
        let (batch, k) = (Shape(pivots.shape.dropLast()), pivots.size(-1))
        if pivots.isMeta { return try Tensor.empty(Shape(batch + [m, m]), dtype, on: pivots.runtime, op: op) }
        let exchanges = try pivots.elements(Int32.self)
        var order: [Int64] = []
        for i in 0..<batch.elementCount {
            var places = Array(0..<Int64(m))
            for j in 0..<k {
                let other = Int(exchanges[i * k + j]) - 1
                guard other >= 0 && other < m else {
                    throw CressetError(
                        .argument, op: op,
                        "\(element(i, of: batch))pivot \(j) is \(other + 1); it must lie in 1 ... \(m)")
                }
                places.swapAt(j, other)
            }
            order += places
        }
        let made = Tensor(order, shape: Shape(batch + [m]), device: pivots.device)
        let rows = Tensor.arange(.init(m), device: pivots.device).unsqueeze(1)
        return (rows .== made.unsqueeze(-2)).to(dtype)
    }

    /// X of A·X = B by A's packed factors; of X·A = B unless `left`, of Aᴴ with `adjoint`.
    static func luSolve(
        _ lu: Tensor, _ pivots: Tensor, _ b: Tensor, left: Bool = true, adjoint: Bool = false,
        op: String = solveName.text
    ) throws(CressetError) -> Tensor {
        try lu.checkMatrices(op, square: true)
        try b.checkMatrices(op)
        try lu.checkPartner(b, op)
        try checkPivots(pivots, of: lu, op: op)
        let (shapeA, shapeB) = try broadcastBatches(lu, b, left: left, op: op)
        let result = try Override.resolve(
            solveName, on: lu, lu.dtype,
            [.tensor(lu), .tensor(pivots), .tensor(b), .scalar(.bool(left)), .scalar(.bool(adjoint))],
            types: [ResultType(shapeB, b.dtype)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let type = try Lapack.type(of: lu.dtype, op: op)
                // X·A = B is Aᴴ·Xᴴ = Bᴴ.
                let right = b.detach().expand(shapeB)
                let factors = try HostMatrices(lu.detach().expand(shapeA), op: op)
                let exchanges = try HostMatrices(
                    pivots.expand(Shape(shapeA.dropLast())), vectors: true, op: op)
                let solutions = try HostMatrices(left ? right : right.adjoint, op: op)
                let (n, count) = (
                    try Lapack.int(solutions.rows, op: op), try Lapack.int(solutions.columns, op: op)
                )
                let mode = CChar(UInt8(ascii: adjoint == left ? "C" : "N"))
                try solutions.each(with: [factors, exchanges]) { (i) throws(CressetError) in
                    try Lapack.check(
                        clapack_getrs(type, mode, n, count, factors[i], exchanges[integers: i], solutions[i]), op: op)
                }
                let x = try solutions.tensor(on: lu.runtime, op: op)
                return [left ? x : try Copy.clone(x.adjoint, op: op)]
            }
        }[0]
        let wanted = [lu.isTracked, b.isTracked]
        return Tape.record(solveName.text, result, inputs: [lu, b], saving: [lu, b, pivots]) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil, nil] }
            let pivots = saved[2]
            return try Engine.gradients(
                of: { (x) throws(CressetError) in
                    let (p, l, u) = try luUnpack(x[0], pivots, op: solveName.text)
                    let b = left ? x[1] : x[1].adjoint
                    let solution: Tensor
                    if adjoint == left {
                        let y = try solveTriangular(u.adjoint, b, upper: false)
                        solution = p.matmul(try solveTriangular(l.adjoint, y, upper: true, unitriangular: true))
                    } else {
                        let y = try solveTriangular(l, p.adjoint.matmul(b), upper: false, unitriangular: true)
                        solution = try solveTriangular(u, y, upper: true)
                    }
                    return left ? solution : solution.adjoint
                }, at: [saved[0], saved[1]], wanted, g)
        }
    }

    static func checkLU(_ info: Tensor, of a: Tensor, op: String) throws(CressetError) {
        try check(info, of: a, op: op) { "the matrix is singular: U's element (\($0), \($0)) is 0" }
    }
}

extension linalg {
    /// P, L and U of A = P·L·U.
    public static func lu(_ a: Tensor, pivot: Bool = true) -> (p: Tensor, l: Tensor, u: Tensor) {
        trapping(default: (.invalid, .invalid, .invalid)) { () throws(CressetError) in
            let op = "aten::linalg_lu"
            let (lu, pivots, _) = try LinearAlgebra.luFactorEx(a, pivot: pivot, op: op)
            return try LinearAlgebra.luUnpack(lu, pivots, op: op)
        }
    }

    /// L and U packed into one matrix, and the exchanges of rows; singular matrices are an error.
    public static func luFactor(_ a: Tensor, pivot: Bool = true) -> (lu: Tensor, pivots: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in
            let op = "aten::linalg_lu_factor"
            let (lu, pivots, info) = try LinearAlgebra.luFactorEx(a, pivot: pivot, op: op)
            try LinearAlgebra.checkLU(info, of: a, op: op)
            return (lu, pivots)
        }
    }

    /// `luFactor`, and for each matrix 0 or the place of the first 0 on U's diagonal.
    public static func luFactorEx(
        _ a: Tensor, pivot: Bool = true, checkErrors: Bool = false
    ) -> (lu: Tensor, pivots: Tensor, info: Tensor) {
        trapping(default: (.invalid, .invalid, .invalid)) { () throws(CressetError) in
            let (lu, pivots, info) = try LinearAlgebra.luFactorEx(a, pivot: pivot)
            if checkErrors { try LinearAlgebra.checkLU(info, of: a, op: "aten::linalg_lu_factor_ex") }
            return (lu, pivots, info)
        }
    }

    /// X of A·X = B by the factors of `luFactor(A)`.
    public static func luSolve(
        _ lu: Tensor, _ pivots: Tensor, _ b: Tensor, left: Bool = true, adjoint: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.luSolve(lu, pivots, b, left: left, adjoint: adjoint)
        }
    }
}

extension Tensor {
    /// X of A·X = this by the factors of `linalg.luFactor(A)`.
    public func luSolve(_ lu: Tensor, _ pivots: Tensor) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.luSolve(lu, pivots, self, op: "aten::lu_solve")
        }
    }

    /// P, L and U of packed factors; what is not asked for is empty.
    public static func luUnpack(
        _ lu: Tensor, _ pivots: Tensor, unpackData: Bool = true, unpackPivots: Bool = true
    ) -> (p: Tensor, l: Tensor, u: Tensor) {
        trapping(default: (.invalid, .invalid, .invalid)) { () throws(CressetError) in
            try LinearAlgebra.luUnpack(
                lu, pivots, data: unpackData, permutation: unpackPivots, op: "aten::lu_unpack")
        }
    }
}
