import BackendKit

/// How the conformance suite judges what comes of a factorisation.
///
/// The oracle follows the roundings of programs, sums and products; an algorithm of LAPACK's or of a
/// vendor's makes others. What all of them promise is backward stability: the results are exact for
/// inputs that differ by a small multiple of a rounding. So each result is compared with what float64
/// gives, within what such a change of the inputs does to it; results that mathematics leaves free are
/// held to their residuals, as A − U·S·Vᴴ.
package struct FactorJudgement: Sendable {
    /// What mathematics leaves open in a result.
    package enum Freedom: Sendable {
        /// Each slice of dim −1 (a column) or −2 (a row) may be multiplied by a sign or phase; so many of them are
        /// determined otherwise, by the shapes of all results, and those behind only by residuals.
        case phases(dim: Int, count: @Sendable ([Shape]) -> Int)
        /// Only the residuals say what is right.
        case residuals
    }

    /// By the place of the result; those that are not named are unique.
    package var freedom: [Int: Freedom]
    /// Results of a floating dtype that are constant wherever they are differentiable, as a permutation is.
    package var constant: Set<Int>
    /// Arguments that stand for hermitian matrices: one triangle of them is read.
    package var hermitian: Set<String>
    /// Arguments that stand for triangular matrices: their gradient is as if nothing in them were known to be 0.
    package var triangular: Set<String>
    /// Differences that are 0 but for rounding, from the arguments and results; all of them in float64.
    package var residuals: @Sendable (_ arguments: [Value], _ results: [Tensor]) -> [Residual]

    package init(
        free freedom: [Int: Freedom] = [:], constant: Set<Int> = [], hermitian: Set<String> = [],
        triangular: Set<String> = [],
        residuals: @escaping @Sendable (_ arguments: [Value], _ results: [Tensor]) -> [Residual] = { _, _ in [] }
    ) {
        (self.freedom, self.hermitian, self.triangular) = (freedom, hermitian, triangular)
        (self.constant, self.residuals) = (constant, residuals)
    }
}

/// A difference that would be 0 without rounding.
package struct Residual: Sendable {
    /// "A - L·Lᴴ"
    package var name: String
    package var difference: Tensor
    /// What the difference is measured against; nil where it must be 0 exactly.
    package var size: Tensor?

    package init(_ name: String, _ difference: Tensor, size: Tensor? = nil) {
        (self.name, self.difference, self.size) = (name, difference, size)
    }

    /// Qᴴ·Q − 1, of columns that are orthonormal.
    package static func orthonormal(_ name: String, _ q: Tensor) -> Residual {
        let one = Tensor.eye(q.size(-1), dtype: q.dtype, device: q.device)
        return Residual("\(name) is orthonormal", q.adjoint.matmul(q) - one, size: one)
    }
}

/// Matrices that suit factorisations.
extension SampleMaker {
    private func shaped(_ x: Tensor) -> Tensor { x.to(dtype) }
    private var wide: DType { dtype.isComplex ? .complex128 : .float64 }

    /// Entries in −1 … 1, and 2 more on the diagonal.
    mutating func regular(_ shape: Shape) -> Tensor {
        let x = tensor(shape, -1, 1, dtype: wide)
        return shaped(x + 2 * Tensor.eye(x.size(-2), x.size(-1), dtype: .float64, device: .reference))
    }

    /// B·Bᴴ + 1.
    mutating func positiveDefinite(_ shape: Shape) -> Tensor {
        let b = tensor(shape, -1, 1, dtype: wide)
        return shaped(b.matmul(b.mH) + Tensor.eye(b.size(-1), dtype: .float64, device: .reference))
    }

    /// (B + Bᴴ)/2 with a diagonal that keeps eigenvalues apart.
    mutating func symmetric(_ shape: Shape) -> Tensor {
        let b = tensor(shape, -1, 1, dtype: wide)
        let steps = Tensor.arange(.init(b.size(-1)), dtype: .float64, device: .reference) * 2
        return shaped((b + b.mH) * 0.5 + steps.diagonalMatrix())
    }

    /// Of rank `rank`.
    mutating func singular(_ shape: Shape, rank: Int) -> Tensor {
        var (left, right) = (shape, shape)
        left[shape.count - 1] = rank
        right[shape.count - 2] = rank
        return shaped(tensor(left, -1, 1, dtype: wide).matmul(tensor(right, -1, 1, dtype: wide)))
    }

    /// Triangular with a diagonal that is far from 0.
    mutating func triangular(_ shape: Shape, upper: Bool) -> Tensor {
        let x = regular(shape)
        return upper ? x.triu() : x.tril()
    }
}
