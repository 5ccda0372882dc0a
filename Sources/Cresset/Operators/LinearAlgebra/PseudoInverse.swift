import BackendKit

/// Pseudo-inverses and least squares.
extension LinearAlgebra {
    private static let pinvName = OperatorName("aten::linalg_pinv.atol_rtol_tensor")

    /// V·diag(1/s)·Uᴴ of the singular values above max(atol, rtol·largest).
    static func pinv(
        _ a: Tensor, atol: Tensor?, rtol: Tensor?, hermitian: Bool, op: String = pinvName.text
    ) throws(CressetError) -> Tensor {
        try a.checkMatrices(op, square: hermitian)
        let result = try Override.resolve(
            pinvName, on: a, a.dtype,
            [
                .tensor(a), atol.map { .tensor($0) } ?? .none, rtol.map { .tensor($0) } ?? .none,
                .scalar(.bool(hermitian)),
            ],
            types: [ResultType(Shape(a.batchShape + [a.size(-1), a.size(-2)]), a.dtype)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let x = a.detach()
                guard a.numel > 0 else { return [Tensor.zerosLike(x.mT)] }
                func inverses(_ s: Tensor, _ size: Tensor) -> Tensor {
                    let zero = Tensor.zeros([], dtype: s.dtype, device: s.device)
                    let isKept = size .> rankTolerance(size, x, atol: atol, rtol: rtol)
                    return Tensor.where(isKept, s.reciprocal(), zero).unsqueeze(-2)
                }
                if hermitian {
                    let (w, v) = try eigh(x, upper: false, op: op)
                    return [(v * inverses(w, w.abs())).matmul(v.adjoint)]
                }
                let (u, s, vh) = try svd(x, fullMatrices: false, op: op)
                return [(vh.adjoint * inverses(s, s)).matmul(u.adjoint)]
            }
        }[0]
        return Tape.record(pinvName.text, result, inputs: [a], saving: [a], savingResult: true) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            // Golub, Pereyra 1973: dP = −P·dA·P + P·Pᴴ·dAᴴ·(1 − A·P) + (1 − P·A)·dAᴴ·Pᴴ·P.
            let (a, p, gH) = (saved[0], saved[1], g.adjoint)
            let pH = p.adjoint
            let left = gH.matmul(p)
            let right = p.matmul(gH)
            let whole = -pH.matmul(g).matmul(pH)
            return [
                whole + (left - a.matmul(p.matmul(left))).matmul(pH) + pH.matmul(right - right.matmul(p).matmul(a))
            ]
        }
    }
}

extension linalg {
    /// The pseudo-inverse; singular values at most max(atol, rtol·largest) count as 0.
    public static func pinv(
        _ a: Tensor, atol: Double? = nil, rtol: Double? = nil, hermitian: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.pinv(
                a, atol: a.number(atol), rtol: a.number(rtol), hermitian: hermitian, op: "aten::linalg_pinv")
        }
    }
}

extension Tensor {
    /// The pseudo-inverse; singular values at most rcond·largest count as 0.
    public func pinverse(rcond: Double = 1e-15) -> Tensor { linalg.pinv(self, atol: 0, rtol: rcond) }
}

// MARK: Declarations

extension Operators {
    private static let ofPinv = "it is made of aten::linalg_pinv.atol_rtol_tensor, which can be"

    private static func pinv(
        _ schema: String, overridable: Bool = false, _ extra: @escaping @Sendable (_ matrices: Tensor) -> [Value],
        _ tolerances: @escaping @Sendable (Tensor, Arguments) throws(CressetError) -> (atol: Tensor?, rtol: Tensor?)
    ) -> Operator {
        let takesHermitian = schema.contains("hermitian")
        return Operator(
            schema, dtypes: .factored, composition: ["aten::linalg_svd", "aten::linalg_eigh", "matmul", "pointwise"],
            notOverridable: overridable ? nil : ofPinv, judgement: FactorJudgement(),
            samples: { g in
                [[4, 4], [5, 3], [3, 5], [2, 3, 2], [0, 3], [0, 3, 2]].map { (shape: Shape) in
                    let x = g.regular(shape)
                    return Sample([.tensor(x)] + extra(x) + (takesHermitian ? [false] : []))
                }
            },
            call: { (a) throws(CressetError) in
                let x = try a.tensor("self")
                let (atol, rtol) = try tolerances(x, a)
                return [
                    .tensor(
                        try LinearAlgebra.pinv(
                            x, atol: atol, rtol: rtol, hermitian: takesHermitian ? try a.bool("hermitian") : false))
                ]
            })
    }

    static let pseudoInverses: [Operator] = [
        pinv("linalg_pinv(Tensor self, float rcond, bool hermitian=False) -> Tensor", { _ in [1e-5] }) {
            (x, a) throws(CressetError) in (x.number(0), x.number(try a.double("rcond")))
        },
        pinv(
            "linalg_pinv.rcond_tensor(Tensor self, Tensor rcond, bool hermitian=False) -> Tensor",
            { x in [.tensor(.full(x.batchShape, 1e-5, dtype: x.dtype.toReal, device: .reference))] }
        ) { (x, a) throws(CressetError) in (x.number(0), try a.tensor("rcond")) },
        pinv(
            "linalg_pinv.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor",
            { _ in [.none, .none] }
        ) { (x, a) throws(CressetError) in
            (x.number(try a.optionalScalar("atol")?.doubleValue), x.number(try a.optionalScalar("rtol")?.doubleValue))
        },
        pinv(
            "linalg_pinv.atol_rtol_tensor(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> Tensor",
            overridable: true,
            { x in [.tensor(.full(x.batchShape, 1e-5, dtype: x.dtype.toReal, device: .reference)), .none] }
        ) { (_, a) throws(CressetError) in (try a.optionalTensor("atol"), try a.optionalTensor("rtol")) },
        pinv("pinverse(Tensor self, float rcond=1.0000000000000001e-15) -> Tensor", { _ in [1e-15] }) {
            (x, a) throws(CressetError) in (x.number(0), x.number(try a.double("rcond")))
        },
    ]
}
