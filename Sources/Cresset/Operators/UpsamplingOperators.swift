import BackendKit

/// How `interpolate` computes elements that lie between those it has.
public enum InterpolationMode: String, Sendable {
    case nearest
    /// The nearest by the elements' centres; PyTorch's `nearest` is its older rule.
    case nearestExact = "nearest-exact"
    /// Linear, bilinear or trilinear, by the number of dims.
    case linear
    case bicubic
    /// Means over the elements that one of the result stands for.
    case area
}

/// The resizing operations of PyTorch, one for each mode and number of dims.
struct Upsample: Sendable {
    /// Without "aten::": "upsample_bilinear2d".
    let name: String
    let rank: Int
    let mode: Upsampling.Mode
    let antialias: Bool
    private let op: OperatorName

    private init(_ name: String, _ rank: Int, _ mode: Upsampling.Mode, antialias: Bool = false) {
        self.name = name
        self.rank = rank
        self.mode = mode
        self.antialias = antialias
        op = OperatorName("aten::" + name)
    }

    static let all: [Upsample] =
        (1...3).map { Upsample("upsample_nearest\($0)d", $0, .nearest) }
        + (1...3).map { Upsample("_upsample_nearest_exact\($0)d", $0, .nearestExact) }
        + [
            Upsample("upsample_linear1d", 1, .linear), Upsample("upsample_bilinear2d", 2, .linear),
            Upsample("upsample_trilinear3d", 3, .linear), Upsample("upsample_bicubic2d", 2, .cubic),
            Upsample("_upsample_bilinear2d_aa", 2, .linear, antialias: true),
            Upsample("_upsample_bicubic2d_aa", 2, .cubic, antialias: true),
        ]

    var takesCorners: Bool { mode == .linear || mode == .cubic }
    /// (uint8 images are resized with antialiasing in whole numbers.)
    var dtypes: Set<DType> {
        takesCorners ? antialias ? Set<DType>.floating.union([.uint8]) : .floating : .number
    }

    /// - Parameter scales: by dim, result over input; empty: by the sizes.
    func callAsFunction(
        _ x: Tensor, _ sizes: [Int], alignCorners: Bool = false, scales: [Double?] = []
    ) throws(CressetError) -> Tensor {
        guard sizes.count == rank, scales.isEmpty || scales.count == rank else {
            throw CressetError(.argument, op: op.text, "needs \(rank) output sizes, got \(sizes)")
        }
        return try Upsampling.run(
            x, sizes,
            Upsampling.Options(mode: mode, alignCorners: alignCorners, antialias: antialias, scales: scales), op,
            [.tensor(x), .ints(sizes)] + (takesCorners ? [.scalar(.bool(alignCorners))] : [])
                + (0..<rank).map { i in
                    (i < scales.count ? scales[i] : nil).map { .scalar(.double($0)) } ?? .none
                })
    }

    /// Either sizes or factors, which give the sizes, rounded down.
    func callAsFunction(
        _ x: Tensor, sizes: [Int]?, factors: [Double]?, alignCorners: Bool = false
    ) throws(CressetError) -> Tensor {
        guard (sizes == nil) != (factors == nil), x.ndim == rank + 2 else {
            throw CressetError(
                .argument, op: op.text,
                "needs output sizes or scale factors, not both, for [batch, channels, \(rank) sizes]: \(x.summary)")
        }
        if let sizes { return try self(x, sizes, alignCorners: alignCorners) }
        guard let factors, factors.count == rank, factors.allSatisfy({ $0 > 0 && $0.isFinite }) else {
            throw CressetError(.argument, op: op.text, "needs \(rank) positive scale factors, got \(factors ?? [])")
        }
        var rounded: [Int] = []
        for (size, factor) in zip(x.shape.dropFirst(2), factors) {
            guard Double(size) * factor < 0x1p40 else {
                throw CressetError(.argument, op: op.text, "\(size) elements times \(factor) are too many")
            }
            rounded.append(Int(Double(size) * factor))
        }
        return try self(x, rounded, alignCorners: alignCorners, scales: factors)
    }
}

extension Tensor {
    /// [batch, channels, sizes…] resized, as `torch.nn.functional.interpolate` does it.
    ///
    /// - Parameters:
    ///   - size: the sizes of the result, one number for each of 1 to 3 dims; or else
    ///   - scaleFactor: what the sizes are multiplied by.
    ///   - alignCorners: the first and last elements of both lie on each other (linear, bicubic).
    ///   - recomputeScaleFactor: scale by the rounded sizes, not by the given factors.
    ///   - antialias: count every element of the input where the result is smaller (linear, bicubic; 2 dims).
    public func interpolate(
        size: [Int]? = nil, scaleFactor: [Double]? = nil, mode: InterpolationMode = .nearest,
        alignCorners: Bool = false, recomputeScaleFactor: Bool = false, antialias: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "interpolate"
            try checkValid(op)
            let rank = ndim - 2
            var (sizes, factors) = (size, scaleFactor)
            if let given = factors, recomputeScaleFactor || mode == .area, given.count == rank {
                sizes = zip(shape.dropFirst(2), given).map { Int(Double($0) * $1) }
                factors = nil
            }
            if mode == .area {
                guard let sizes, sizes.count == rank, (1...3).contains(rank) else {
                    throw CressetError(
                        .argument, op: op, "needs sizes or factors for the 1 to 3 last dims of \(summary)")
                }
                switch rank {
                case 1: return adaptiveAvgPool1d(PerDim(sizes))
                case 2: return adaptiveAvgPool2d(PerDim(sizes))
                default: return adaptiveAvgPool3d(PerDim(sizes))
                }
            }
            let wanted: Upsampling.Mode =
                switch mode {
                case .nearest: .nearest
                case .nearestExact: .nearestExact
                case .linear: .linear
                default: .cubic
                }
            guard
                let resize = Upsample.all.first(where: {
                    $0.rank == rank && $0.mode == wanted && $0.antialias == antialias
                })
            else {
                throw CressetError(
                    .argument, op: op,
                    "mode \(mode.rawValue)\(antialias ? " with antialiasing" : "") is not defined for \(summary)")
            }
            return try resize(self, sizes: sizes, factors: factors, alignCorners: alignCorners)
        }
    }
}

// MARK: Declarations

extension Operators {
    static let upsampling: [Operator] = Upsample.all.map(upsample) + Upsample.all.map(upsampleByFactors)

    private static let axes = [["scales"], ["scales_h", "scales_w"], ["scales_d", "scales_h", "scales_w"]]

    private static func upsample(_ resize: Upsample) -> Operator {
        let names = axes[resize.rank - 1]
        let scales = names.map { "float? \($0)=None" }.joined(separator: ", ")
        let corners = resize.takesCorners ? "bool align_corners, " : ""
        return Operator(
            "\(resize.name)(Tensor self, SymInt[\(resize.rank)] output_size, \(corners)\(scales)) -> Tensor",
            dtypes: resize.dtypes,
            composition: resize.takesCorners ? ["gather", "pointwise", "reduce"] : ["gather"],
            samples: { g in upsampleSamples(&g, resize) },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try resize(
                            try a.tensor("self"), try a.ints("output_size"),
                            alignCorners: resize.takesCorners ? try a.bool("align_corners") : false,
                            scales: try names.map { (name) throws(CressetError) in
                                try a.optionalScalar(name)?.doubleValue
                            }))
                ]
            })
    }

    /// The overload that takes sizes or factors, each as a list.
    private static func upsampleByFactors(_ resize: Upsample) -> Operator {
        let corners = resize.takesCorners ? "bool align_corners, " : ""
        return .composed(
            "\(resize.name).vec(Tensor input, SymInt[]? output_size, \(corners)float[]? scale_factors) -> Tensor",
            resize.dtypes, of: ["aten::\(resize.name)"],
            samples: { g in
                let cases: [(from: [Int], sizes: [Int]?, factors: [Double]?)] = [
                    ([3, 5, 4], [7, 4, 9], nil), ([4, 3, 5], nil, [1.7, 2, 0.6]), ([2, 2, 2], nil, [1, 0.5, 1]),
                ]
                let rank = resize.rank
                return cases.enumerated().map { i, c in
                    let tensor = g.tensor(Shape([i == 2 ? 0 : 2, 3] + c.from[..<rank]))
                    let sizes = c.sizes.map { Value.ints(Array($0[..<rank])) } ?? .none
                    let factors = c.factors.map { Value.doubles(Array($0[..<rank])) } ?? .none
                    return Sample([.tensor(tensor), sizes] + (resize.takesCorners ? [false] : []) + [factors])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try resize(
                            try a.tensor("input"), sizes: try a.optionalInts("output_size"),
                            factors: try a.optionalDoubles("scale_factors"),
                            alignCorners: resize.takesCorners ? try a.bool("align_corners") : false))
                ]
            })
    }

    private static func upsampleSamples(_ g: inout SampleMaker, _ resize: Upsample) -> [Sample] {
        let cases: [(from: [Int], to: [Int], corners: Bool, scales: [Double]?)] = [
            ([3, 5, 4], [7, 4, 9], false, nil), ([4, 3, 2], [4, 6, 1], true, nil),
            ([5, 4, 3], [8, 7, 5], false, [1.7, 1.8, 1.9]), ([6, 7, 5], [2, 3, 2], false, nil),
        ]
        return cases.map { c in
            let r = resize.rank
            let corners: [Value] = resize.takesCorners ? [.scalar(.bool(c.corners && !resize.antialias))] : []
            let scales: [Value] = (0..<r).map { i in c.scales.map { .scalar(.double($0[i])) } ?? .none }
            return Sample(
                [.tensor(g.tensor(Shape([2, 3] + c.from[..<r]))), .ints(Array(c.to[..<r]))] + corners + scales)
        }
            + [
                Sample(
                    [
                        .tensor(g.tensor(Shape([0, 2] + cases[0].from[..<resize.rank]))),
                        .ints(Array(cases[0].to[..<resize.rank])),
                    ]
                        + (resize.takesCorners ? [false] : []))
            ]
    }
}
