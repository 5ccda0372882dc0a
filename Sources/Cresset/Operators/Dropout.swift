import BackendKit

/// What is set to 0 or noise at random while a model is trained.
///
/// The mask is drawn with one number for each of its elements, so that it is the same on every device.
enum Dropout {
    private static func check(_ x: Tensor, _ p: Double, _ op: String) throws(CressetError) {
        try x.checkValid(op)
        try DrawChecks.probability(p, op)
        guard x.dtype.hasGradient else {
            throw CressetError(.dtype, op: op, "is for floating-point and complex tensors: \(x.summary)")
        }
    }

    /// One number for each element, or for each row of features: [batch, channels] of what has more dims.
    private static func maskShape(_ x: Tensor, features: Bool, _ op: String) throws(CressetError) -> Shape {
        guard features else { return x.shape }
        guard x.ndim >= 2 else {
            throw CressetError(.shape, op: op, "needs at least 2 dims, [batch, channels, …]: \(x.summary)")
        }
        return Shape(Array(x.shape.prefix(2)) + Array(repeating: 1, count: x.ndim - 2))
    }

    /// 1 with probability 1 - p, else 0, in the real dtype of x.
    private static func kept(
        _ x: Tensor, _ shape: Shape, _ p: Double, _ stream: RandomStream, _ op: String
    ) throws(CressetError) -> Tensor {
        let mask = try Tensor.empty(shape, x.dtype.toReal, on: x.runtime, op: op)
        return try noGrad { () throws(CressetError) in try Draw.fresh(Draw.bernoulli, mask, stream, [.double(1 - p)]) }
    }

    static func dropout(
        _ x: Tensor, _ p: Double, train: Bool, features: Bool = false, _ stream: RandomStream, op: String
    ) throws(CressetError) -> Tensor {
        try check(x, p, op)
        let shape = try maskShape(x, features: features, op)
        if p == 0 || !train || x.numel == 0 { return x }
        if p == 1 { return try Ops.mul(x, 0) }
        let mask = try kept(x, shape, p, stream, op)
        return try Ops.mul(x, try Ops.mul(mask, .double(1 / (1 - p))))
    }

    /// Dropped elements become -α' = -1.7580993408473766, selu's lower bound, and the result is scaled so that mean 0
    /// and variance 1 stay (Klambauer et al. 2017).
    static func alphaDropout(
        _ x: Tensor, _ p: Double, train: Bool, features: Bool = false, _ stream: RandomStream, op: String
    ) throws(CressetError) -> Tensor {
        try check(x, p, op)
        let shape = try maskShape(x, features: features, op)
        if p == 0 || !train || x.numel == 0 { return x }
        if p == 1 { return try Ops.mul(x, 0) }
        let bound = 1.7580993408473766
        let a = 1 / ((bound * bound * p + 1) * (1 - p)).squareRoot()
        let mask = try kept(x, shape, p, stream, op)
        // x·a where it is kept, and a·α'·p - α'·a where not.
        let noise = try noGrad { () throws(CressetError) in
            try Ops.add(try Ops.mul(try Ops.sub(mask, 1), .double(bound * a)), .double(bound * a * p))
        }
        return try Ops.add(try Ops.mul(x, try Ops.mul(mask, .double(a))), noise)
    }

    /// The result and the mask, true for what was kept.
    static func native(
        _ x: Tensor, _ p: Double, train: Bool, _ stream: RandomStream
    ) throws(CressetError) -> (Tensor, mask: Tensor) {
        let op = "aten::native_dropout"
        try check(x, p, op)
        if !train || x.numel == 0 {
            return (x.clone(), try .filled(x.shape, 1, dtype: .bool, on: x.runtime, op: op))
        }
        if p == 1 {
            return (try Ops.mul(x, 0), try .filled(x.shape, 0, dtype: .bool, on: x.runtime, op: op))
        }
        let mask = try kept(x, x.shape, p, stream, op)
        let result = try Ops.mul(x, try Ops.mul(mask, .double(1 / (1 - p))))
        return (result, try noGrad { () throws(CressetError) in try mask.converted(to: .bool) })
    }

    /// x where it is not below 0; elsewhere x times a slope that is drawn from lower … upper, or their mean.
    static func rrelu(
        _ x: Tensor, _ lower: Double, _ upper: Double, train: Bool, _ stream: RandomStream
    ) throws(CressetError) -> (Tensor, noise: Tensor?) {
        let op = "aten::rrelu"
        try x.checkValid(op)
        guard lower <= upper, lower.isFinite, upper.isFinite else {
            throw CressetError(
                .argument, op: op, "lower (\(lower)) must not be above upper (\(upper)), and both finite")
        }
        guard x.dtype.isFloatingPoint else {
            throw CressetError(.dtype, op: op, "is for floating-point tensors: \(x.summary)")
        }
        guard train else { return (x.leakyRelu((lower + upper) / 2), nil) }
        let noise = try noGrad { () throws(CressetError) -> Tensor in
            let slopes = try Tensor.empty(x.shape, x.dtype, on: x.runtime, op: op)
            try Draw.fill(Draw.uniform, slopes, stream, [.double(lower), .double(upper)])
            return try Selection.whereSelf(
                try Ops.gt(x.detach(), 0), try .filled(x.shape, 1, dtype: x.dtype, on: x.runtime, op: op), slopes)
        }
        return (try Ops.mul(x, noise), noise)
    }

    // MARK: Declarations

    static func operators() -> [Operator] {
        [
            dropping("dropout") { (x, p, train, op) throws(CressetError) in
                try dropout(x, p, train: train, .default, op: op)
            },
            dropping("feature_dropout", features: true) { (x, p, train, op) throws(CressetError) in
                try dropout(x, p, train: train, features: true, .default, op: op)
            },
            dropping("alpha_dropout") { (x, p, train, op) throws(CressetError) in
                try alphaDropout(x, p, train: train, .default, op: op)
            },
            dropping("feature_alpha_dropout", features: true) { (x, p, train, op) throws(CressetError) in
                try alphaDropout(x, p, train: train, features: true, .default, op: op)
            },
            native, backward, rectifier,
        ]
    }

    private static let why = "it draws random numbers, whose bits are the same on every device"

    private static func errors(_ g: inout SampleMaker, _ train: Value) -> [ErrorSample] {
        [
            ErrorSample([.tensor(g.tensor([2, 3])), 1.5, train], "p must be in 0 ... 1", "1.5"),
            ErrorSample([.tensor(g.tensor([2], dtype: .int64)), 0.5, train], "is for floating-point", "int64"),
        ]
    }

    private static func dropping(
        _ name: String, features: Bool = false,
        _ body: @escaping @Sendable (Tensor, Double, Bool, String) throws(CressetError) -> Tensor
    ) -> Operator {
        Operator(
            "\(name)(Tensor input, float p, bool train) -> Tensor", dtypes: .floating,
            composition: ["pointwise"], notOverridable: why,
            samples: { g in
                let shapes: [Shape] = features ? [[3, 4], [2, 3, 4], [0, 3]] : [[5, 7], [], [0, 3]]
                return shapes.map { Sample([.tensor(g.tensor($0)), 0.3, true]) }
                    + [0.0, 1.0].map { Sample([.tensor(g.tensor(shapes[0])), Value($0), true]) }
                    + [Sample([.tensor(g.tensor(shapes[0])), 0.5, false])]
            },
            errors: { g in
                errors(&g, true)
                    + (features ? [ErrorSample([.tensor(g.tensor([3])), 0.5, true], "at least 2 dims", "[3]")] : [])
            },
            call: { (a) throws(CressetError) in
                [.tensor(try body(try a.tensor("input"), try a.double("p"), try a.bool("train"), a.op))]
            })
    }

    private static let native = Operator(
        "native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)", dtypes: .floating,
        composition: ["pointwise"], notOverridable: why,
        samples: { g in
            [
                Sample([.tensor(g.tensor([5, 7])), 0.3, true]), Sample([.tensor(g.tensor([])), 0.5, .none]),
                Sample([.tensor(g.tensor([4, 2])), 0.5, false]), Sample([.tensor(g.tensor([4, 2])), 1.0, true]),
                Sample([.tensor(g.tensor([0, 3])), 0.5, true]),
            ]
        },
        errors: { g in errors(&g, true) },
        call: { (a) throws(CressetError) in
            let (result, mask) = try native(
                try a.tensor("input"), try a.double("p"), train: try a.optionalBool("train") ?? true, .default)
            return [.tensor(result), .tensor(mask)]
        })

    private static let backward = Operator(
        "native_dropout_backward(Tensor grad_output, Tensor mask, float scale) -> Tensor",
        dtypes: .all, composition: ["pointwise"],
        notOverridable: "it is made of aten::mul.Tensor, which can be",
        samples: { g in
            let cases: [(Shape, Double)] = [([5, 7], 2), ([], 1.5), ([0, 3], 2)]
            return cases.map { shape, scale in
                Sample([.tensor(g.tensor(shape)), .tensor(g.tensor(shape, dtype: .bool)), Value(scale)])
            }
        },
        errors: { g in
            [
                ErrorSample(
                    [.tensor(g.tensor([2, 3])), .tensor(g.tensor([2, 3], dtype: .int64)), 2.0],
                    "the mask must be bool"),
                ErrorSample(
                    [.tensor(g.tensor([2, 3])), .tensor(g.tensor([4], dtype: .bool)), 2.0], "do not broadcast"),
            ]
        },
        call: { (a) throws(CressetError) in
            let (g, mask) = (try a.tensor("grad_output"), try a.tensor("mask"))
            try mask.checkValid(a.op)
            guard mask.dtype == .bool else {
                throw CressetError(.dtype, op: a.op, "the mask must be bool, got \(mask.summary)")
            }
            // (Of integers the factors make floats, as any number does.)
            let type = g.dtype.hasGradient ? g.dtype : .float32
            let factors = try Ops.mul(try mask.converted(to: type), .double(try a.double("scale")))
            return [.tensor(try Ops.mul(g, factors))]
        })

    private static let rectifier = Operator(
        "rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? generator=None) -> Tensor",
        dtypes: .floating, composition: ["pointwise"], notOverridable: why,
        samples: { g in
            let shapes: [Shape] = [[5, 7], [], [0, 3]]
            return shapes.flatMap { shape in
                [true, false].map { Sample([.tensor(g.tensor(shape)), 0.125, 0.5, .scalar(.bool($0))]) }
            }
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([2])), 2, 1, true], "lower (2.0) must not be above upper (1.0)"),
                ErrorSample([.tensor(g.tensor([2], dtype: .int64)), 0, 1, true], "is for floating-point", "int64"),
            ]
        },
        call: { (a) throws(CressetError) in
            [
                .tensor(
                    try rrelu(
                        try a.tensor("self"), try a.double("lower"), try a.double("upper"),
                        train: try a.bool("training"), try a.stream()
                    ).0)
            ]
        })
}

extension Tensor {
    /// Elements zeroed with probability p and the rest scaled by 1/(1 - p).
    public func dropout(_ p: Double = 0.5, training: Bool = true, stream: RandomStream = .default) -> Tensor {
        trapping { () throws(CressetError) in
            try Dropout.dropout(self, p, train: training, stream, op: "aten::dropout")
        }
    }
    /// Whole features, [batch, channels], zeroed with probability p and the rest scaled; PyTorch's dropout1d to dropout3d.
    public func featureDropout(_ p: Double = 0.5, training: Bool = true, stream: RandomStream = .default) -> Tensor {
        trapping { () throws(CressetError) in
            try Dropout.dropout(self, p, train: training, features: true, stream, op: "aten::feature_dropout")
        }
    }
    /// Elements set to selu's lower bound with probability p, and all scaled so that mean 0 and variance 1 stay.
    public func alphaDropout(_ p: Double = 0.5, training: Bool = true, stream: RandomStream = .default) -> Tensor {
        trapping { () throws(CressetError) in
            try Dropout.alphaDropout(self, p, train: training, stream, op: "aten::alpha_dropout")
        }
    }
    /// `alphaDropout` of whole features, [batch, channels].
    public func featureAlphaDropout(_ p: Double = 0.5, training: Bool = true, stream: RandomStream = .default)
        -> Tensor
    {
        trapping { () throws(CressetError) in
            try Dropout.alphaDropout(
                self, p, train: training, features: true, stream, op: "aten::feature_alpha_dropout")
        }
    }
    /// The result of dropout, and true where an element was kept.
    public func nativeDropout(_ p: Double, train: Bool = true, stream: RandomStream = .default) -> (Tensor, Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in
            try Dropout.native(self, p, train: train, stream)
        }
    }
    /// max(x, 0) + slope·min(x, 0) with slopes drawn from lower … upper while training, else of their mean.
    public func rrelu(
        lower: Double = 1.0 / 8, upper: Double = 1.0 / 3, training: Bool = false, stream: RandomStream = .default
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try Dropout.rrelu(self, lower, upper, train: training, stream).0
        }
    }
}
