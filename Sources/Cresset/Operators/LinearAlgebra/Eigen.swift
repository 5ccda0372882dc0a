import BackendKit
import CLapack

/// Eigenvalues and eigenvectors of hermitian matrices.
extension LinearAlgebra {
    private static let eighName = OperatorName("aten::linalg_eigh")
    private static let valuesName = OperatorName("aten::linalg_eigvalsh")

    /// Eigenvalues, ascending, and with `vectors` the eigenvectors in columns.
    private static func hermitian(
        _ a: Tensor, upper: Bool, vectors: Bool, op: String
    ) throws(CressetError) -> [Tensor] {
        let type = try Lapack.type(of: a.dtype, op: op)
        let n = try Lapack.int(a.size(-1), op: op)
        let matrices = try HostMatrices(a.detach(), op: op)
        let values = HostMatrices(a.dtype.toReal, matrices.batch, count: Int(n))
        try matrices.each(with: [values]) { (i) throws(CressetError) in
            guard matrices.isFinite(type, i) else {
                // As in PyTorch; LAPACK's iterations do not all end.
                matrices.fillWithNaN(i)
                return values.fillWithNaN(i)
            }
            let info = clapack_heevd(type, vectors, upper, n, matrices[i], values[i])
            try Lapack.check(info, op: op)
            if info > 0 { throw notConverged(i, a, op: op, "\(info) off-diagonal elements did not become 0") }
        }
        let w = try values.tensor(on: a.runtime, op: op)
        return vectors ? [w, try matrices.tensor(on: a.runtime, op: op)] : [w]
    }

    /// Throws for infinities and NaN, with which iterations do not end well.
    static func checkFinite(
        _ matrices: HostMatrices, _ type: clapack_type, _ a: Tensor, op: String
    ) throws(CressetError) {
        for i in 0..<matrices.count where !matrices.isFinite(type, i) {
            throw CressetError(
                .argument, op: op,
                "\(element(i, of: a.batchShape))the matrix must not hold infinities or NaN; \(a.summary)")
        }
    }

    static func notConverged(_ i: Int, _ a: Tensor, op: String, _ why: String) -> CressetError {
        CressetError(
            .argument, op: op,
            "\(element(i, of: a.batchShape))the iteration did not converge: \(why); the matrix is ill-conditioned or has "
                + "too many equal values; \(a.summary)")
    }

    static func eigh(_ a: Tensor, upper: Bool, op: String = eighName.text) throws(CressetError) -> (
        eigenvalues: Tensor, eigenvectors: Tensor
    ) {
        try a.checkMatrices(op, square: true)
        let results = try Override.resolve(
            eighName, on: a, a.dtype, [.tensor(a), .string(upper ? "U" : "L")],
            types: [ResultType(Shape(a.shape.dropLast()), a.dtype.toReal), ResultType(a.shape, a.dtype)]
        ) { () throws(CressetError) in try hermitian(a, upper: upper, vectors: true, op: op) }
        let recorded = Tape.record(
            eighName.text, results, differentiable: [0, 1], inputs: [a], savingResults: [0, 1]
        ) { (gradients, saved) throws(CressetError) in
            let (values, v) = (saved[0], saved[1])
            // Giles 2008, 3.1: ∂A = V·(diag(∂λ) + F∘(Vᴴ·∂V))·Vᴴ with F = 1/(λⱼ − λᵢ) off the diagonal. Turning V
            // only turns it within the unitary matrices, so that the skew part of Vᴴ·∂V is all that counts.
            var inner = gradients[0].map { $0.diagonalMatrix() }
            if let gV = gradients[1] {
                let turned = v.adjoint.matmul(gV)
                let skew = (turned - turned.adjoint) * 0.5
                let one = Tensor.eye(v.size(-1), dtype: values.dtype, device: v.device)
                let vectors = skew / (values.unsqueeze(-2) - values.unsqueeze(-1) + one)
                inner = inner.map { $0 + vectors } ?? vectors
            }
            return [inner.map { v.matmul($0).matmul(v.adjoint) }]
        }
        return (recorded[0], recorded[1])
    }

    static func eigvalsh(_ a: Tensor, upper: Bool, op: String = valuesName.text) throws(CressetError) -> Tensor {
        try a.checkMatrices(op, square: true)
        let result = try Override.resolve(
            valuesName, on: a, a.dtype, [.tensor(a), .string(upper ? "U" : "L")],
            types: [ResultType(Shape(a.shape.dropLast()), a.dtype.toReal)]
        ) { () throws(CressetError) in try hermitian(a, upper: upper, vectors: false, op: op) }[0]
        return Tape.record(valuesName.text, result, inputs: [a], saving: [a]) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            let v = try eigh(saved[0], upper: upper, op: op).eigenvectors
            return [(v * g.unsqueeze(-2)).matmul(v.adjoint)]
        }
    }
}

/// Which triangle of a hermitian matrix is read.
public enum Triangle: String, Sendable {
    case lower = "L"
    case upper = "U"

    /// PyTorch's UPLO, in either case.
    init(uplo: String, op: String) throws(CressetError) {
        guard let triangle = Triangle(rawValue: uplo.uppercased()) else {
            throw CressetError(.argument, op: op, "UPLO must be \"L\" or \"U\", not \"\(uplo)\"")
        }
        self = triangle
    }
}

extension linalg {
    /// Eigenvalues, ascending, and eigenvectors, in columns, of hermitian matrices, of which one triangle is read.
    public static func eigh(
        _ a: Tensor, uplo: Triangle = .lower
    ) -> (eigenvalues: Tensor, eigenvectors: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in
            try LinearAlgebra.eigh(a, upper: uplo == .upper)
        }
    }

    /// Eigenvalues of hermitian matrices, ascending.
    public static func eigvalsh(_ a: Tensor, uplo: Triangle = .lower) -> Tensor {
        trapping { () throws(CressetError) in try LinearAlgebra.eigvalsh(a, upper: uplo == .upper) }
    }
}

// MARK: Declarations

extension Operators {
    private static let shapes: [Shape] = [[4, 4], [2, 3, 3], [1, 1], [0, 3, 3], [0, 0], [2, 0, 0]]

    private static func samples(_ g: inout SampleMaker) -> [Sample] {
        shapes.enumerated().map { i, shape in Sample([.tensor(g.symmetric(shape)), i % 2 == 0 ? "L" : "U"]) }
    }

    static let eigen: [Operator] = [
        Operator(
            "linalg_eigh(Tensor self, str UPLO=\"L\") -> (Tensor eigenvalues, Tensor eigenvectors)", dtypes: .factored,
            composition: ["factor"],
            judgement: FactorJudgement(
                free: [1: .phases(dim: -1) { $0[1].last ?? 0 }], hermitian: ["self"]
            ) { values, results in
                guard let a = values[0].tensor, case .string(let uplo) = values[1] else { return [] }
                let whole = a.hermitian(upper: uplo == "U")
                let (w, v) = (results[0], results[1])
                return [
                    Residual("A·V - V·Λ", whole.matmul(v) - v * w.unsqueeze(-2), size: a), .orthonormal("V", v),
                ]
            },
            samples: { g in samples(&g) },
            call: { (a) throws(CressetError) in
                let (w, v) = linalg.eigh(
                    try a.tensor("self"), uplo: try Triangle(uplo: try a.string("UPLO"), op: "aten::linalg_eigh"))
                return [.tensor(w), .tensor(v)]
            }),
        Operator(
            "linalg_eigvalsh(Tensor self, str UPLO=\"L\") -> Tensor", dtypes: .factored, composition: ["factor"],
            judgement: FactorJudgement(hermitian: ["self"]), samples: { g in samples(&g) },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        linalg.eigvalsh(
                            try a.tensor("self"),
                            uplo: try Triangle(uplo: try a.string("UPLO"), op: "aten::linalg_eigvalsh")))
                ]
            }),
    ]
}
