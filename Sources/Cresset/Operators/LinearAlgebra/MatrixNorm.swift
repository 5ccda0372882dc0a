import BackendKit

/// The order of a matrix norm.
public enum MatrixNorm: Sendable, Equatable {
    /// The root of the sum of squares.
    case frobenius
    /// The sum of singular values.
    case nuclear
    /// ±1 and ±∞ are extreme sums of columns and rows, ±2 extreme singular values.
    case order(Double)

    /// PyTorch's "fro" and "nuc".
    init(name: String, op: String) throws(CressetError) {
        switch name {
        case "fro": self = .frobenius
        case "nuc": self = .nuclear
        default: throw CressetError(.argument, op: op, "ord must be \"fro\", \"nuc\" or a number, not \"\(name)\"")
        }
    }
}

/// Norms of matrices, and what is made of singular values: condition numbers and ranks.
extension LinearAlgebra {
    static func matrixNorm(
        _ a: Tensor, _ order: MatrixNorm, dims: [Int], keepdim: Bool, dtype: DType? = nil, op: String
    ) throws(CressetError) -> Tensor {
        try a.checkValid(op)
        guard a.dtype.hasGradient, a.ndim >= 2, dims.count == 2 else {
            throw CressetError(
                a.dtype.hasGradient ? .shape : .dtype, op: op,
                "needs two dims of a floating-point or complex tensor, got dims \(dims) of \(a.summary)")
        }
        let front = try a.distinct(dims, op: op)
        let (row, column) = (front[0], front[1])
        if order == .frobenius {
            return try vectorNorm(a, 2, dims: dims, keepdim: keepdim, dtype: dtype, op: op)
        }
        let x = try a.converted(to: dtype ?? a.dtype)
        let rest = (0..<a.ndim).filter { $0 != row && $0 != column }
        let matrices = x.permute(rest + [row, column])
        var result = try matrixNorm(matrices, order, op: op)
        if keepdim { for d in [row, column].sorted() { result = result.unsqueeze(d) } }
        return result
    }

    /// Of the last two dims.
    private static func matrixNorm(_ a: Tensor, _ order: MatrixNorm, op: String) throws(CressetError) -> Tensor {
        func extreme(_ x: Tensor, isLargest: Bool) throws(CressetError) -> Tensor {
            guard x.size(-1) > 0 else {
                // (The largest of no magnitudes is 0; there is no smallest.)
                if isLargest { return x.sum(dim: -1) }
                throw CressetError(.shape, op: op, "a matrix without elements has no such norm: \(a.summary)")
            }
            return isLargest ? x.amax(dim: [-1]) : x.amin(dim: [-1])
        }
        switch order {
        case .frobenius: return try vectorNorm(a, 2, dims: [-2, -1], keepdim: false, op: op)
        case .nuclear: return try svdvals(a, op: op).sum(dim: -1)
        case .order(let p) where p.magnitude == 2: return try extreme(try svdvals(a, op: op), isLargest: p > 0)
        case .order(let p) where p.magnitude == 1 || p.isInfinite:
            return try extreme(a.abs().sum(dim: p.magnitude == 1 ? -2 : -1), isLargest: p > 0)
        case .order(let p):
            throw CressetError(.argument, op: op, "the order of a matrix norm is ±1, ±2, ±∞, fro or nuc, not \(p)")
        }
    }

    /// `torch.linalg.norm`: of vectors or matrices, by the number of dims.
    static func norm(
        _ x: Tensor, _ order: MatrixNorm?, dims: [Int]?, keepdim: Bool, dtype: DType?, op: String
    ) throws(CressetError) -> Tensor {
        guard let order else { return try vectorNorm(x, 2, dims: dims, keepdim: keepdim, dtype: dtype, op: op) }
        let list = dims ?? Array(0..<x.ndim)
        guard list.count == 1 || list.count == 2 else {
            throw CressetError(
                .shape, op: op,
                "with an order, one dim is a vector's and two are a matrix's; these are \(list) of \(x.summary)")
        }
        if list.count == 1 {
            guard case .order(let p) = order else {
                throw CressetError(.argument, op: op, "\(order) is a norm of matrices: \(x.summary), dims \(list)")
            }
            return try vectorNorm(x, p, dims: list, keepdim: keepdim, dtype: dtype, op: op)
        }
        return try matrixNorm(x, order, dims: list, keepdim: keepdim, dtype: dtype, op: op)
    }

    /// ‖A‖·‖A⁻¹‖; of the 2-norm the quotient of extreme singular values. ∞ of singular matrices.
    static func cond(_ a: Tensor, _ order: MatrixNorm?) throws(CressetError) -> Tensor {
        let op = "aten::linalg_cond"
        try a.checkMatrices(op)
        if order == nil || order == .order(2) || order == .order(-2) {
            guard a.numel > 0 else { return a.abs().sum(dim: [-2, -1]) }
            let s = try svdvals(a, op: op)
            let (first, last) = (s.select(-1, 0), s.select(-1, s.size(-1) - 1))
            return order == .order(-2) ? last / first : first / last
        }
        try a.checkMatrices(op, square: true)
        guard let order, a.numel > 0 else { return a.abs().sum(dim: [-2, -1]) }
        let (inverse, info) = try inverseEx(a, op: op)
        let product = try matrixNorm(a, order, op: op) * matrixNorm(inverse, order, op: op)
        let infinity = Tensor.full([], .double(.infinity), dtype: product.dtype, device: product.device)
        return Tensor.where(info .== 0, product, infinity)
    }

    /// The singular values that are larger than max(atol, rtol·largest), as a mask, and the values (eigenvalues'
    /// magnitudes of hermitian matrices).
    static func rankTolerance(
        _ s: Tensor, _ a: Tensor, atol: Tensor?, rtol: Tensor?
    ) -> Tensor {
        let epsilon: Double = a.dtype.toReal == .float64 ? 0x1p-52 : 0x1p-23
        let standard = Tensor.full(
            [], .double(epsilon * Double(max(a.size(-1), a.size(-2)))), dtype: s.dtype, device: s.device)
        let zero = Tensor.zeros([], dtype: s.dtype, device: s.device)
        // PyTorch: the relative tolerance is given, or 0 where an absolute one above 0 is, or the usual.
        let absolute = atol?.to(s.dtype) ?? zero
        let relative = rtol?.to(s.dtype) ?? (atol == nil ? standard : Tensor.where(absolute .> 0, zero, standard))
        let largest = s.amax(dim: [-1], keepdim: true)
        return absolute.unsqueeze(-1).maximum(relative.unsqueeze(-1) * largest)
    }

    static func matrixRank(
        _ a: Tensor, atol: Tensor?, rtol: Tensor?, hermitian: Bool
    ) throws(CressetError) -> Tensor {
        let op = "aten::linalg_matrix_rank"
        try a.checkMatrices(op, square: hermitian)
        return try noGrad { () throws(CressetError) in
            guard a.numel > 0 else { return .zeros(a.batchShape, dtype: .int64, device: a.device) }
            let s = hermitian ? try eigvalsh(a, upper: false, op: op).abs() : try svdvals(a, op: op)
            return (s .> rankTolerance(s, a, atol: atol, rtol: rtol)).sum(dim: -1)
        }
    }
}

extension linalg {
    /// The norm of the matrices in two dims.
    public static func matrixNorm(
        _ a: Tensor, ord: MatrixNorm = .frobenius, dim: [Int] = [-2, -1], keepdim: Bool = false, dtype: DType? = nil
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.matrixNorm(
                a, ord, dims: dim, keepdim: keepdim, dtype: dtype, op: "aten::linalg_matrix_norm")
        }
    }

    /// The norm of vectors (one dim) or matrices (two); without an order the 2-norm of all elements.
    public static func norm(
        _ x: Tensor, ord: MatrixNorm? = nil, dim: [Int]? = nil, keepdim: Bool = false, dtype: DType? = nil
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.norm(x, ord, dims: dim, keepdim: keepdim, dtype: dtype, op: "aten::linalg_norm")
        }
    }

    /// ‖A‖·‖A⁻¹‖, by default in the 2-norm.
    public static func cond(_ a: Tensor, p: MatrixNorm? = nil) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.cond(a, p) }
    }

    /// The number of singular values above max(atol, rtol·largest).
    public static func matrixRank(
        _ a: Tensor, atol: Double? = nil, rtol: Double? = nil, hermitian: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.matrixRank(
                a, atol: a.number(atol), rtol: a.number(rtol), hermitian: hermitian)
        }
    }
}

extension Tensor {
    /// A number as a 0-d tensor beside this one.
    func number(_ x: Double?) -> Tensor? {
        x.map { Tensor.full([], .double($0), dtype: dtype.toReal, device: device) }
    }
}
