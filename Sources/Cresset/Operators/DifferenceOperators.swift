import BackendKit

/// What is declared of `Differences.swift`.
extension Operators {
    static let differences: [Operator] =
        [
            .composed(
                "diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor", .all,
                of: ["aten::sub.Tensor", "aten::cat"],
                samples: { g in
                    [
                        Sample([.tensor(g.tensor([3, 5])), 1, -1, .none, .none]),
                        Sample([
                            .tensor(g.tensor([4, 2])), 2, 0, .tensor(g.tensor([1, 2])), .tensor(g.tensor([2, 2])),
                        ]),
                        Sample([.tensor(g.tensor([3])), 7, 0, .none, .none]),
                        Sample([.tensor(g.tensor([0, 3])), 1, 1, .none, .none]),
                    ]
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensor(
                            try a.tensor("self").diff(
                                n: try a.int("n"), dim: try a.int("dim"), prepend: try a.optionalTensor("prepend"),
                                append: try a.optionalTensor("append")))
                    ]
                }),
            .composed(
                "renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor", .continuous,
                of: ["pointwise", "aten::sum.dim_IntList"],
                samples: { g in
                    [
                        Sample([.tensor(g.tensor([4, 3])), 2, 0, 1.5]),
                        Sample([.tensor(g.tensor([2, 3, 2])), 1, -2, 4]),
                        Sample([.tensor(g.tensor([4, 3])), 3, 1, 2]), Sample([.tensor(g.tensor([0, 3])), 2, 0, 1]),
                    ]
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensor(
                            try a.tensor("self").renorm(
                                p: try a.double("p"), dim: try a.int("dim"), maxnorm: try a.double("maxnorm")))
                    ]
                }),
        ]
        + ["trapezoid", "trapz"].flatMap {
            areas($0, { $0.trapezoid(dx: $1, dim: $2) }, { $0.trapezoid($1, dim: $2) })
        }
        + areas(
            "cumulative_trapezoid", { $0.cumulativeTrapezoid(dx: $1, dim: $2) },
            { $0.cumulativeTrapezoid($1, dim: $2) }) + gradients

    private static func areas(
        _ name: String, _ steps: @escaping @Sendable (Tensor, Double, Int) -> Tensor,
        _ places: @escaping @Sendable (Tensor, Tensor, Int) -> Tensor
    ) -> [Operator] {
        let parts = ["pointwise", name == "cumulative_trapezoid" ? "aten::cumsum" : "aten::sum.dim_IntList"]
        return [
            .composed(
                "\(name).dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor", .number, of: parts,
                samples: {
                    $0.samples([([3, 5], [2, -1]), ([4, 2], [0.5, 0]), ([1], [1, 0]), ([0, 3], [1, 0])])
                },
                call: { (a) throws(CressetError) in
                    [.tensor(steps(try a.tensor("y"), try a.double("dx"), try a.int("dim")))]
                }),
            .composed(
                "\(name).x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", .number, of: parts,
                samples: { g in
                    let cases: [(Shape, Shape, Int)] = [
                        ([3, 5], [3, 5], -1), ([4, 2], [4], 0), ([2, 3, 2], [3, 1], 1), ([0, 3], [3], -1),
                        ([0], [0], 0),
                    ]
                    return cases.map { Sample([.tensor(g.tensor($0)), .tensor(g.tensor($1)), .scalar(Scalar($2))]) }
                },
                call: { (a) throws(CressetError) in
                    [.tensor(places(try a.tensor("y"), try a.tensor("x"), try a.int("dim")))]
                }),
        ]
    }

    /// The overloads of gradient: how the spacing and the dims are given.
    private static let gradients: [Operator] = [
        slopes("scalarint", "Scalar? spacing=None, int? dim=None", [[.none, .none], [2, 0], [0.5, -1]]),
        slopes("scalararray", "Scalar spacing, int[] dim", [[2, [1, 0]], [2, [1]]]),
        slopes("array", "int[] dim", [[[1]], [[1]]]),
        slopes(
            "scalarrayint", "Scalar[] spacing, int? dim=None", [[.doubles([2, 0.5]), .none], [.doubles([2]), 1]]),
        slopes(
            "scalarrayarray", "Scalar[] spacing, int[] dim", [[.doubles([2, 0.5]), [1, 0]], [.doubles([2]), [1]]]),
        slopes("tensorarrayint", "Tensor[] spacing, int? dim=None", [[.none, 1], [.none, 1]]),
        slopes("tensorarray", "Tensor[] spacing, int[] dim", [[.none, [1]], [.none, [1]]]),
    ]

    private static func slopes(_ overload: String, _ arguments: String, _ cases: [[Value]]) -> Operator {
        let takesTensors = arguments.hasPrefix("Tensor")
        return .composed(
            "gradient.\(overload)(Tensor self, *, \(arguments), int edge_order=1) -> Tensor[]", .number,
            of: ["pointwise", "aten::cat"],
            samples: { g in
                let dtype = g.dtype.isFloatingPoint ? g.dtype : .float32
                // (The last, along the last dim alone, also without rows.)
                let all = cases.map { (Shape([4, 5]), $0) } + cases.suffix(1).map { (Shape([0, 5]), $0) }
                return all.enumerated().map { i, sample in
                    var values = sample.1
                    if takesTensors {
                        values[0] = .tensors([Tensor([0, 1, 2.5, 3, 5], dtype: dtype, device: .reference)])
                    }
                    return Sample(
                        [.tensor(g.tensor(sample.0))] + values + [.scalar(Scalar(i % 2 + 1))], keeping: ["spacing"])
                }
            },
            call: { (a) throws(CressetError) in
                let x = try a.tensor("self")
                let dims = try a["dim"].map { (_) throws(CressetError) in try a.optionalInts("dim") } ?? nil
                let order = try a.int("edge_order")
                if takesTensors {
                    return [.tensors(x.gradient(spacing: try a.tensors("spacing"), dim: dims, edgeOrder: order))]
                }
                let spacing =
                    try a["spacing"].map { (_) throws(CressetError) in try a.optionalDoubles("spacing") } ?? nil
                return [.tensors(x.gradient(spacing: spacing ?? [1], dim: dims, edgeOrder: order))]
            })
    }
}
