import BackendKit

/// Norms of vectors: (Σ|x|ᵖ)^(1/p) over any dims.
extension LinearAlgebra {
    private static let vectorName = OperatorName("aten::linalg_vector_norm")
    private static let count = ReductionKernel(
        "aten::linalg_vector_norm", [.sum], prologue: { x, _ in [select(x[0] .!= 0, 1, 0)] })
    private static let absolute = ReductionKernel("aten::linalg_vector_norm", [.sum], prologue: { x, _ in [abs(x[0])] })
    private static let square = ReductionKernel(
        "aten::linalg_vector_norm", [.sum], prologue: { x, _ in [x[0] * x[0]] }, epilogue: { a, _ in [sqrt(a[0])] })
    private static let largest = ReductionKernel("aten::linalg_vector_norm", [.max], prologue: { x, _ in [abs(x[0])] })
    private static let smallest = ReductionKernel("aten::linalg_vector_norm", [.min], prologue: { x, _ in [abs(x[0])] })
    /// Params are p and 1/p.
    private static let power = ReductionKernel(
        "aten::linalg_vector_norm", [.sum], prologue: { x, p in [pow(abs(x[0]), p[0])] },
        epilogue: { a, p in [pow(a[0], p[1])] })

    private static func kernel(_ p: Double) -> (ReductionKernel, [Scalar]) {
        switch p {
        case 0: (count, [])
        case 1: (absolute, [])
        case 2: (square, [])
        case .infinity: (largest, [])
        case -.infinity: (smallest, [])
        default: (power, [.double(p), .double(1 / p)])
        }
    }

    /// - Parameter dims: all, if there are none.
    static func vectorNorm(
        _ x: Tensor, _ p: Double, dims: [Int]?, keepdim: Bool, dtype: DType? = nil, op: String = vectorName.text
    ) throws(CressetError) -> Tensor {
        try x.checkValid(op)
        guard x.dtype.hasGradient else {
            throw CressetError(.dtype, op: op, "needs a floating-point or complex tensor, got \(x.summary)")
        }
        if let dtype {
            guard dtype.hasGradient, dtype.isComplex == x.dtype.isComplex else {
                throw CressetError(
                    .dtype, op: op, "dtype must be as real or complex as the tensor: \(dtype) for \(x.summary)")
            }
        }
        let list = try x.dims(dims, op: op)
        if let empty = list.first(where: { x.shape[$0] == 0 }), p < 0 || p == .infinity {
            throw CressetError(
                .shape, op: op,
                "the norm of order \(p) of no elements is not defined: dim \(empty) of \(x.summary) has size 0")
        }
        let wide = try x.converted(to: dtype ?? x.dtype)
        let output = wide.dtype.toReal
        let result = try Override.resolve(
            vectorName, on: x, output,
            [
                .tensor(x), .scalar(.double(p)), dims.map(Value.ints) ?? .none, .scalar(.bool(keepdim)),
                dtype.map(Value.dtype) ?? .none,
            ], types: [ResultType(x.shape.reduced(list, keepdim: keepdim), output)]
        ) { () throws(CressetError) in
            try noGrad { () throws(CressetError) in
                let (kernel, scalars) = kernel(p)
                let kept = try kernel.run(
                    [wide.isComplex ? wide.detach().abs() : wide.detach()], dims: list,
                    accumulators: [output.arithmetic], outputs: [output], scalars: scalars)[0]
                return [try kept.reshaped(x.shape.reduced(list, keepdim: keepdim), op: op).detach()]
            }
        }[0]
        let kept = x.shape.reduced(list, keepdim: true)
        return Tape.record(vectorName.text, result, inputs: [wide], saving: [wide], savingResult: true) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            return [
                vectorGradient(
                    try g.reshaped(kept, op: op), saved[0], norm: try saved[1].reshaped(kept, op: op), p, list)
            ]
        }
    }

    /// ∂x = g·sgn(x)·|x|^(p−1)·norm^(1−p), and 0 where x or the norm is 0; of extremes shared among equals.
    private static func vectorGradient(_ g: Tensor, _ x: Tensor, norm: Tensor, _ p: Double, _ dims: [Int]) -> Tensor {
        let zero = Tensor.zeros([], dtype: x.dtype, device: x.device)
        if p == 0 { return Tensor.zerosLike(x) }
        if p == 1 { return x.sgn() * g }
        if p.isInfinite {
            let isExtreme = (x.abs() .== norm).to(norm.dtype)
            return x.sgn() * isExtreme * (g / isExtreme.sum(dim: dims.isEmpty ? nil : dims, keepdim: !dims.isEmpty))
        }
        let one = Tensor.ones([], dtype: norm.dtype, device: x.device)
        // (Nothing is divided by 0 even where it is not chosen: the gradient of the quotient would be NaN.)
        if p == 2 { return Tensor.where(norm .== 0, zero, x * (g / Tensor.where(norm .== 0, one, norm))) }
        let size = x.abs()
        let isZero = size .== 0
        let slope = x.sgn() * Tensor.where(isZero, one, size).pow(.double(p - 1))
        let scale = g * Tensor.where(norm .== 0, one, norm).pow(.double(1 - p))
        return Tensor.where(isZero, zero, slope * scale)
    }
}

extension linalg {
    /// (Σ|x|ᵖ)^(1/p) over `dim`, or all dims; 0 counts, ±∞ are the extremes.
    public static func vectorNorm(
        _ x: Tensor, ord: Double = 2, dim: [Int]? = nil, keepdim: Bool = false, dtype: DType? = nil
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.vectorNorm(x, ord, dims: dim, keepdim: keepdim, dtype: dtype)
        }
    }
}

extension Tensor {
    /// (Σ|x|ᵖ)^(1/p) over `dim`, or all dims.
    public func norm(p: Double = 2, dim: [Int]? = nil, keepdim: Bool = false, dtype: DType? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            try LinearAlgebra.vectorNorm(self, p, dims: dim, keepdim: keepdim, dtype: dtype, op: "aten::norm")
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let ofNorm = "it is made of aten::linalg_vector_norm, which can be"
    private static let parts = ["aten::linalg_vector_norm"]

    private static let cases: [(Shape, Double, [Int]?, Bool)] = [
        ([4, 5], 2, nil, false), ([4, 5], 1, [1], true), ([3, 4, 5], 3, [0, 2], false),
        ([4, 5], .infinity, [0], false),
        ([4, 5], -.infinity, [1], false), ([4, 5], 0, [0], false), ([4, 5], 0.5, nil, false), ([], 2, nil, false),
        ([0, 3], 2, [0], false),
    ]

    private static func optional(_ dims: [Int]?) -> Value { dims.map(Value.ints) ?? .none }

    static let vectorNorms: [Operator] = [
        Operator(
            "linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
            dtypes: .continuous, composition: ["reduce"],
            samples: { g in
                cases.map { shape, p, dims, keep in
                    Sample(
                        [
                            .tensor(g.tensor(shape, 0.5, 3)), .scalar(.double(p)), optional(dims), .scalar(.bool(keep)),
                            .none,
                        ])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        linalg.vectorNorm(
                            try a.tensor("self"), ord: try a.double("ord"), dim: try a.optionalInts("dim"),
                            keepdim: try a.bool("keepdim"), dtype: try a.optionalDType("dtype")))
                ]
            }),
        Operator(
            "norm.Scalar(Tensor self, Scalar p=2) -> Tensor", dtypes: .continuous, composition: parts,
            notOverridable: ofNorm,
            samples: { g in
                let cases: [(Shape, Double)] = [([4, 5], 2), ([4, 5], 1), ([4, 5], 3.5), ([], 2), ([0, 3], 2)]
                return cases.map { shape, p in Sample([.tensor(g.tensor(shape, 0.5, 3)), .scalar(.double(p))]) }
            },
            call: { (a) throws(CressetError) in [.tensor(try a.tensor("self").norm(p: try a.double("p")))] }),
        norm("norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor", dims: true),
        norm(
            "norm.ScalarOpt_dim_dtype(Tensor self, Scalar? p, int[1] dim, bool keepdim, *, ScalarType dtype) -> Tensor",
            dims: true, dtype: true),
        norm("norm.ScalarOpt_dtype(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor", dims: false, dtype: true),
        Operator(
            "frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", dtypes: .continuous,
            composition: parts, notOverridable: ofNorm,
            samples: { g in
                let cases: [(Shape, [Int])] = [([4, 5], [0]), ([4, 5], [0, 1]), ([], [0]), ([0, 3], [1])]
                return cases.map { shape, dims in Sample([.tensor(g.tensor(shape, 0.5, 3)), .ints(dims), true]) }
            },
            call: { (a) throws(CressetError) in
                [.tensor(try a.tensor("self").norm(dim: try a.ints("dim"), keepdim: try a.bool("keepdim")))]
            }),
    ]

    private static func norm(_ schema: String, dims: Bool, dtype: Bool = false) -> Operator {
        Operator(
            schema, dtypes: .continuous, composition: parts, notOverridable: ofNorm,
            samples: { g in
                let last: [Value] = dtype ? [.dtype(g.dtype.isComplex ? .complex128 : .float64)] : []
                let cases: [(Shape, Value)] =
                    [([4, 5], .none), ([4, 5], 3), ([0, 3], 2)] + (dims ? [] : [([], .none)])
                return cases.map { shape, p in
                    Sample([.tensor(g.tensor(shape, 0.5, 3)), p] + (dims ? [.ints([1]), false] : []) + last)
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try a.tensor("self").norm(
                            p: try a.optionalScalar("p")?.doubleValue ?? 2, dim: dims ? try a.ints("dim") : nil,
                            keepdim: dims ? try a.bool("keepdim") : false,
                            dtype: dtype ? try a.optionalDType("dtype") : nil))
                ]
            })
    }
}
