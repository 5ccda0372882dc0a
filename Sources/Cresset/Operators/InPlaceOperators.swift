/// In-place operations by name: `Operators.call("aten::add_.Tensor", [.tensor(x), .tensor(y)])`.
///
/// One rule makes all: the operation without the underscore computes, and what it gave is written into the first
/// argument, as `Tensor.inPlace` does for the methods: it must fit in shape and dtype, the version is bumped, and
/// the history goes on from the result.
extension Operators {
    /// Operations that PyTorch has in place, in all their overloads.
    private static let writable = Set(
        """
        abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr alpha_dropout arccos arccosh arcsin arcsinh
        arctan arctan2 arctanh asin asinh atan atan2 atanh baddbmm bernoulli bitwise_and bitwise_left_shift bitwise_not
        bitwise_or bitwise_right_shift bitwise_xor cauchy ceil celu clamp clamp_max clamp_min clip conj_physical copy
        copysign cos cosh cumprod cumsum deg2rad digamma div divide dropout elu eq erf erfc erfinv exp exp2 expm1
        exponential feature_alpha_dropout feature_dropout fill fix float_power floor floor_divide fmod frac gcd ge gelu
        geometric greater greater_equal gt hardsigmoid hardswish hardtanh heaviside hypot i0 igamma igammac index_add
        index_copy index_fill index_put index_reduce lcm le leaky_relu lerp less less_equal lgamma log log10 log1p log2
        log_normal logical_and logical_not logical_or logical_xor logit lt masked_fill masked_scatter mish mul multiply
        mvlgamma nan_to_num ne neg negative nextafter not_equal polygamma pow put rad2deg random reciprocal relu relu6
        remainder renorm round rrelu rsqrt scatter scatter_add scatter_reduce selu sgn sigmoid sign silu sin sinc sinh
        sqrt square sub subtract tan tanh threshold tril triu true_divide trunc uniform xlogy __and__ __or__ __xor__
        __lshift__ __rshift__
        """.split { $0 == " " || $0 == "\n" }.map(String.init))

    /// The in-place operations that follow from those declared, without "aten::".
    package static var inPlaceNames: [String] {
        all.compactMap { op in
            let bare = op.name.dropFirst("aten::".count)
            let base = bare.prefix { $0 != "." }
            return writable.contains(String(base)) ? base + "_" + bare.dropFirst(base.count) : nil
        } + renamed.keys.sorted()
    }

    /// Those whose operation has another name than theirs without the underscore.
    private static let renamed = [
        "bernoulli_.float": "bernoulli.p", "float_power_.Tensor": "float_power.Tensor_Tensor",
        "floor_divide_.Tensor": "floor_divide", "ldexp_": "ldexp.Tensor", "normal_": "normal_functional",
        "pow_.Tensor": "pow.Tensor_Tensor",
    ]

    /// What changes the shape of the tensor itself, and by what the same is had.
    private static let reshaping = [
        "as_strided_": "asStrided", "resize_": "reshape", "resize_as_": "reshape", "set_": "copy_",
        "squeeze_": "squeeze", "swapaxes_": "swapaxes", "swapdims_": "swapdims", "t_": "t", "transpose_": "transpose",
        "unsqueeze_": "unsqueeze",
    ]

    private static let made = Lock([String: Operator]())

    /// The in-place operation of that name ("aten::add_.Tensor"), nil if there is none.
    static func inPlace(_ name: String) -> Operator? {
        if let op = made.withLock({ $0[name] }) { return op }
        // (Outside the lock, as it looks for others.)
        guard let op = make(name) else { return nil }
        return made.withLock { known in
            let first = known[name] ?? op
            known[name] = first
            return first
        }
    }

    /// "aten::add_.Tensor" as "add_", ".Tensor"
    private static func parts(_ name: String) -> (base: String, overload: String)? {
        let bare = name.hasPrefix("aten::") ? String(name.dropFirst(6)) : name
        let base = String(bare.prefix { $0 != "." })
        guard base.hasSuffix("_"), base.count > 1 else { return nil }
        return (base, String(bare.dropFirst(base.count)))
    }

    private static func make(_ name: String) -> Operator? {
        guard let (base, overload) = parts(name) else { return nil }
        if let own = special[base + overload] { return own }
        // __and__ is written in place as __iand__.
        var plain = String(base.dropLast())
        if base.hasPrefix("__i"), base.hasSuffix("__") { plain = "__" + base.dropFirst(3) }
        if let other = reshaping[base] { return refused(base + overload, instead: other) }
        if let other = renamed[base + overload] { return find(other).map { writing($0, as: base + overload) } }
        guard writable.contains(plain), let op = find(plain + overload) else { return nil }
        return writing(op, as: base + overload)
    }

    /// The operation whose result is written into its first argument.
    private static func writing(_ op: Operator, as name: String) -> Operator {
        let arguments = op.schema.text.drop { $0 != "(" }.dropFirst()
        // The first is "Tensor self", or "Tensor input" and the like.
        let rest = arguments.drop { $0 != "," && $0 != ")" }
        let opening = "\(name)(Tensor(a!) self" + (name == "bernoulli_.float" ? withDefault(rest) : String(rest))
        let end = opening.range(of: ") -> ")?.lowerBound ?? opening.endIndex
        let full = "aten::" + name
        return Operator(
            String(opening[..<end]) + ") -> Tensor(a!)", dtypes: op.dtypes, composition: [op.name],
            isDifferentiable: op.isDifferentiable, notOverridable: "it is made of \(op.name), which can be",
            samples: op.samples, errors: op.errors,
            call: { (a) throws(CressetError) in
                let target = try a.tensor("self")
                let result = target.inPlace(full) { (before) throws(CressetError) in
                    let values = [.tensor(before)] + a.values.dropFirst()
                    let results = try op.call(Arguments(op: full, schema: op.schema, values: values))
                    guard case .tensor(let result)? = results.first else {
                        throw CressetError(.internal, op: full, "\(op.name) gives no tensor")
                    }
                    return result
                }
                return [.tensor(result)]
            })
    }

    /// (PyTorch's p has a default in place alone.)
    private static func withDefault(_ text: Substring) -> String {
        var result = String(text)
        if let p = result.range(of: "float p") { result.replaceSubrange(p, with: "float p=0.5") }
        return result
    }

    /// A handle's shape never changes, so that what was checked once stays true for all who hold it.
    private static func refused(_ name: String, instead: String) -> Operator {
        Operator(
            "\(name)(Tensor(a!) self) -> Tensor(a!)", dtypes: .all, composition: ["aten::clone"],
            isDifferentiable: false, notOverridable: "it is always refused", samples: { _ in [] },
            call: { (a) throws(CressetError) in
                throw CressetError(
                    .unsupported, op: a.op,
                    "would change the shape of a tensor that others may hold, which never changes here; rebind the "
                        + "name instead, x = x.\(instead)(…)")
            })
    }

    // MARK: Those of their own

    private static func own(
        _ schema: String, _ body: @escaping @Sendable (Tensor, Arguments) throws(CressetError) -> Tensor
    ) -> Operator {
        Operator(
            "\(schema) -> Tensor(a!)", dtypes: .all, composition: ["pointwise"],
            notOverridable: "it writes into its argument", samples: { _ in [] },
            call: { (a) throws(CressetError) in [.tensor(try body(try a.tensor("self"), a))] })
    }

    private static let special: [String: Operator] = [
        "zero_": own("zero_(Tensor(a!) self)") { (x, _) throws(CressetError) in x.zero_() },
        "fill_diagonal_": own("fill_diagonal_(Tensor(a!) self, Scalar fill_value, bool wrap=False)") {
            (x, a) throws(CressetError) in x.fillDiagonal_(try a.scalar("fill_value"), wrap: try a.bool("wrap"))
        },
        "detach_": own("detach_(Tensor(a!) self)") { (x, _) throws(CressetError) in x.detach_() },
        "requires_grad_": own("requires_grad_(Tensor(a!) self, bool requires_grad=True)") {
            (x, a) throws(CressetError) in x.requiresGrad_(try a.bool("requires_grad"))
        },
    ]
}
