import BackendKit

/// PyTorch's `torch.linalg`.
public enum linalg {}

/// The operations behind `linalg` and the older names: a file a theme, with declarations beside them.
enum LinearAlgebra {
    /// How an element of a batch is named in errors; nothing for a single matrix.
    static func element(_ i: Int, of batch: Shape) -> String {
        batch.isEmpty ? "" : "batch element \(i): "
    }
}

extension Operators {
    static let linearAlgebra: [Operator] =
        cholesky + triangularSolves + lu + solves + determinants + qr + reflectors + eigen + singularValues
        + vectorNorms + matrixNorms + pseudoInverses + matrixFunctions + tensorSystems
        + leastSquares + ldl + generalEigen
}

extension Set<DType> {
    /// What LAPACK computes in.
    static let factored: Set<DType> = [.float32, .float64, .complex64, .complex128]
}

extension Tensor {
    /// Throws unless this is a matrix or a batch of matrices of a dtype that can be factored.
    func checkMatrices(_ op: String, square: Bool = false) throws(CressetError) {
        try checkFactored(op)
        guard ndim >= 2 else {
            throw CressetError(.shape, op: op, "needs a matrix or a batch of matrices, got \(summary)")
        }
        guard !square || size(-1) == size(-2) else {
            throw CressetError(.shape, op: op, "needs square matrices, got \(size(-2)) × \(size(-1)): \(summary)")
        }
    }

    /// Throws unless the dtype can be factored.
    func checkFactored(_ op: String) throws(CressetError) {
        try checkValid(op)
        guard !Set<DType>.factored.contains(dtype) else { return }
        throw CressetError(
            .dtype, op: op,
            dtype.isFloatingPoint
                ? "factorisations are not defined for narrow floats: \(summary); convert to float32"
                : "needs a floating-point or complex tensor, got \(summary); convert with to(_:)")
    }

    /// Throws unless `other` has this tensor's dtype and device.
    func checkPartner(_ other: Tensor, _ op: String) throws(CressetError) {
        try other.checkValid(op)
        guard other.dtype == dtype, other.runtime === runtime else {
            throw CressetError(
                other.dtype == dtype ? .device : .dtype, op: op,
                "both arguments must have one dtype and live on one device: \(summary), \(other.summary)")
        }
    }

    /// The batch dims of matrices.
    var batchShape: Shape { Shape(shape.dropLast(2)) }

    /// The hermitian matrices of which one triangle is given here; imaginary parts on the diagonal count as 0.
    func hermitian(upper: Bool) -> Tensor {
        let triangle = upper ? triu(1) : tril(-1)
        return triangle + triangle.adjoint + diagonalVector().real.diagonalMatrix()
    }

    /// The matrices with the diagonal halved, and 0 above it: Φ of Murray 2016.
    var lowerHalf: Tensor { tril() - diagonalVector().diagonalMatrix() * 0.5 }

    // MARK: Diagonals

    /// The diagonals of the matrices in the last two dims, as a view.
    func diagonalVector(_ offset: Int = 0) -> Tensor {
        let (m, n) = (size(-2), size(-1))
        let offset = Swift.max(-m, Swift.min(offset, n))
        let count = Swift.max(0, offset >= 0 ? Swift.min(m, n - offset) : Swift.min(m + offset, n))
        let (row, column) = (Swift.max(0, -offset), Swift.max(0, offset))
        var (shape, strides) = (batchShape, Shape(self.strides.dropLast(2)))
        let (down, right) = (self.strides[ndim - 2], self.strides[ndim - 1])
        shape.append(count)
        strides.append(down + right)
        let start = count == 0 ? impl.offset : impl.offset + row * down + column * right
        return view("aten::linalg_diagonal", shape, strides, offset: start) { g in
            g.diagonalMatrix(rows: m, columns: n, row: row, column: column)
        }
    }

    /// Matrices with these vectors on a diagonal that begins at (`row`, `column`), and 0 elsewhere.
    func diagonalMatrix(rows: Int? = nil, columns: Int? = nil, row: Int = 0, column: Int = 0) -> Tensor {
        let count = size(-1)
        let (m, n) = (rows ?? count, columns ?? count)
        let i = Tensor.arange(.init(count), device: device).unsqueeze(1)
        let j = Tensor.arange(.init(n), device: device).unsqueeze(0)
        let isDiagonal = (j - i) .== .init(column)
        let zero = Tensor.zeros([], dtype: dtype, device: device)
        let block = Tensor.where(isDiagonal, unsqueeze(-1), zero)
        if count == m { return block }
        func zeros(_ count: Int) -> Tensor {
            var shape = block.shape
            shape[shape.count - 2] = count
            return .zeros(shape, dtype: dtype, device: device)
        }
        return .cat([zeros(row), block, zeros(m - row - count)], dim: -2)
    }
}
