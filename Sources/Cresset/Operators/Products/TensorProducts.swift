import BackendKit

/// Products over chosen dims: tensordot, inner, kron, chains, and the layers' linear and bilinear.
extension Products {
    /// Σ over the paired dims.
    static func tensordot(
        _ x: Tensor, _ y: Tensor, _ dimsX: [Int], _ dimsY: [Int], op: String = "aten::tensordot"
    ) throws(CressetError) -> Tensor {
        try x.checkValid(op)
        try y.checkValid(op)
        guard dimsX.count == dimsY.count else {
            throw CressetError(.argument, op: op, "the lists of dims differ in length: \(dimsX), \(dimsY)")
        }
        // (In the order given, so not by `dims`, which sorts.)
        let (dx, dy) = (
            try dimsX.map { (d) throws(CressetError) in try x.dim(d, op: op) },
            try dimsY.map { (d) throws(CressetError) in try y.dim(d, op: op) }
        )
        for (list, tensor) in [(dx, x), (dy, y)] where Set(list).count != list.count {
            throw CressetError(.argument, op: op, "a dim appears twice in \(list) for \(tensor.summary)")
        }
        var (a, b) = (x, y)
        for (i, j) in zip(dx, dy) where x.shape[i] != y.shape[j] {
            guard x.shape[i] == 1 || y.shape[j] == 1 else {
                throw CressetError(
                    .shape, op: op,
                    "dim \(i) of the first and dim \(j) of the second differ: \(x.summary), \(y.summary)")
            }
            // What is 1 here is met by the sum of the other.
            if x.shape[i] == 1 { b = b.sum(dim: j, keepdim: true) } else { a = a.sum(dim: i, keepdim: true) }
        }
        let (freeX, freeY) = (
            (0..<x.ndim).filter { !dx.contains($0) }, (0..<y.ndim).filter { !dy.contains($0) }
        )
        let inner = dx.reduce(1) { $0 * a.shape[$1] }
        let (rows, columns) = (freeX.map { x.shape[$0] }, freeY.map { y.shape[$0] })
        let left = a.permute(freeX + dx).reshape([rows.reduce(1, *), inner])
        let right = b.permute(dy + freeY).reshape([inner, columns.reduce(1, *)])
        return try Matrix.product(left, right).reshaped(Shape(rows + columns), op: op)
    }

    static func inner(_ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor {
        let op = "aten::inner"
        try x.checkValid(op)
        try y.checkValid(op)
        if x.ndim == 0 || y.ndim == 0 { return try Ops.mul(x, y) }
        guard x.size(-1) == y.size(-1) else {
            throw CressetError(.shape, op: op, "the last sizes differ: \(x.summary), \(y.summary)")
        }
        return try tensordot(x, y, [-1], [-1], op: op)
    }

    /// Every element of x times all of y, in blocks.
    static func kron(_ x: Tensor, _ y: Tensor) throws(CressetError) -> Tensor {
        let op = "aten::kron"
        try x.checkValid(op)
        try y.checkValid(op)
        let rank = max(x.ndim, y.ndim)
        guard 2 * rank <= maxRank else {
            throw CressetError(
                .shape, op: op, "ranks above \(maxRank / 2) have no room for blocks: \(x.summary), \(y.summary)")
        }
        let (a, b) = (
            Array(repeating: 1, count: rank - x.ndim) + x.shape, Array(repeating: 1, count: rank - y.ndim) + y.shape
        )
        let left = x.reshape(Shape(a.flatMap { [$0, 1] }))
        let right = y.reshape(Shape(b.flatMap { [1, $0] }))
        return try Ops.mul(left, right).reshaped(Shape(zip(a, b).map(*)), op: op)
    }

    /// x·Wᵀ + bias
    static func linear(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?) throws(CressetError) -> Tensor {
        let op = linearName
        // (A bias that is a column, or of one number for all, is added by itself.)
        let isPlain =
            weight.ndim == 2 && x.ndim >= 1 && bias.map { $0.ndim == 1 && $0.numel == weight.shape[0] } ?? true
        if isPlain, !x.runtime.kernels.has(.override(op), x.dtype),
            let result = try Matrix.quickLinear(x.impl, weight.impl, bias?.impl, op)
        {
            return recordLinear(Tensor(result), x, weight, bias)
        }
        for t in [x, weight] + (bias.map { [$0] } ?? []) { try t.checkValid(op.text) }
        guard x.ndim >= 1, weight.ndim == 1 || weight.ndim == 2, x.size(-1) == weight.size(-1) else {
            throw CressetError(
                .shape, op: op.text,
                "the last size of the input must be that of the weight: \(x.summary), \(weight.summary)")
        }
        var shape = Shape(x.shape.dropLast())
        if weight.ndim == 2 { shape.append(weight.size(0)) }
        if let bias, bias.shape.broadcast(with: shape) != shape {
            throw CressetError(.shape, op: op.text, "the bias \(bias.summary) does not fit the result's shape \(shape)")
        }
        return try Override.resolve(
            op, inputs: [x, weight] + (bias.map { [$0] } ?? []), x.dtype,
            [.tensor(x), .tensor(weight), bias.map { .tensor($0) } ?? .none], type: ResultType(shape, x.dtype)
        ) { (t) throws(CressetError) in
            let product = try Matrix.product(t[0], t[1].ndim == 2 ? t[1].mT : t[1])
            return t.count == 3 ? try Ops.add(product, t[2]) : product
        }
    }

    /// y = x·Wᵀ + b: ∂x = g·W, ∂W = gᵀ·x and ∂b = Σ g over all rows.
    private static func recordLinear(_ result: Tensor, _ x: Tensor, _ weight: Tensor, _ bias: Tensor?) -> Tensor {
        let (wantsX, wantsW, wantsB) = (x.isTracked, weight.isTracked, bias?.isTracked ?? false)
        guard wantsX || wantsW || wantsB else { return result }
        let op = linearName.text
        let hasBias = bias != nil
        return Tape.record(op, result, inputs: [x, weight] + (bias.map { [$0] } ?? []), saving: [x, weight]) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return hasBias ? [nil, nil, nil] : [nil, nil] }
            let (x, weight) = (saved[0], saved[1])
            let (n, k) = (weight.shape[0], weight.shape[1])
            let rows = g.ndim == 2 ? g : try g.reshaped([-1, n], op: op)
            let first: [Tensor?] = [
                wantsX ? try Matrix.product(g, weight) : nil,
                wantsW ? try Matrix.product(rows.t(), x.ndim == 2 ? x : x.reshaped([-1, k], op: op)) : nil,
            ]
            return hasBias ? first + [wantsB ? try Reductions.sum(rows, dims: [0], keepdim: false) : nil] : first
        }
    }
    private static let linearName = OperatorName("aten::linear")

    /// yₒ = x₁ᵀ·Wₒ·x₂ + biasₒ
    static func bilinear(
        _ x: Tensor, _ y: Tensor, _ weight: Tensor, _ bias: Tensor?
    ) throws(CressetError) -> Tensor {
        let op = bilinearName
        for t in [x, y, weight] + (bias.map { [$0] } ?? []) { try t.checkValid(op.text) }
        guard weight.ndim == 3, x.ndim >= 1, x.ndim == y.ndim, x.shape.dropLast().elementsEqual(y.shape.dropLast()),
            weight.size(1) == x.size(-1), weight.size(2) == y.size(-1),
            bias.map({ $0.shape == [weight.size(0)] }) ?? true
        else {
            throw CressetError(
                .shape, op: op.text,
                "the inputs must be alike but for their last sizes, and the weight [out, in1, in2], the bias [out]: "
                    + "\(x.summary), \(y.summary), \(weight.summary)" + (bias.map { ", \($0.summary)" } ?? ""))
        }
        let shape = Shape(x.shape.dropLast() + [weight.size(0)])
        return try Override.resolve(
            op, inputs: [x, y, weight] + (bias.map { [$0] } ?? []), x.dtype,
            [.tensor(x), .tensor(y), .tensor(weight), bias.map { .tensor($0) } ?? .none],
            type: ResultType(shape, x.dtype)
        ) { (t) throws(CressetError) in
            let (x, y, w) = (t[0], t[1], t[2])
            let rows = Shape(x.shape.dropLast()).elementCount
            let (out, n1, n2) = (w.size(0), w.size(1), w.size(2))
            let first = try Matrix.product(x.reshape([rows, n1]), w.permute([1, 0, 2]).reshape([n1, out * n2]))
            let sums = try Matrix.product(first.reshape([rows, out, n2]), y.reshape([rows, n2, 1]))
            let result = sums.reshape(shape)
            return t.count == 4 ? try Ops.add(result, t[3]) : result
        }
    }
    private static let bilinearName = OperatorName("aten::bilinear")

    // MARK: Chains

    /// The product of matrices, the first and the last of which may be vectors, in the order of fewest multiplications.
    static func chain(_ tensors: [Tensor], op: String) throws(CressetError) -> Tensor {
        for t in tensors { try t.checkValid(op) }
        guard tensors.count >= 2 || op != "aten::linalg_multi_dot", let first = tensors.first, let last = tensors.last
        else {
            throw CressetError(.argument, op: op, "needs at least two tensors, got \(tensors.count)")
        }
        let summaries = tensors.map(\.summary).joined(separator: ", ")
        for (i, t) in tensors.enumerated() {
            let isEnd = i == 0 || i == tensors.count - 1
            guard t.ndim == 2 || (isEnd && t.ndim == 1 && op == "aten::linalg_multi_dot") else {
                throw CressetError(.shape, op: op, "tensor \(i) must be a matrix: \(summaries)")
            }
        }
        if tensors.count == 1 { return first }
        var matrices = tensors
        if first.ndim == 1 { matrices[0] = first.unsqueeze(0) }
        if last.ndim == 1 { matrices[matrices.count - 1] = last.unsqueeze(1) }
        for i in 1..<matrices.count where matrices[i - 1].size(1) != matrices[i].size(0) {
            throw CressetError(.shape, op: op, "tensors \(i - 1) and \(i) do not fit: \(summaries)")
        }
        let sizes = matrices.map { $0.size(0) } + [matrices[matrices.count - 1].size(1)]
        let splits = order(sizes)
        func product(_ i: Int, _ j: Int) throws(CressetError) -> Tensor {
            if i == j { return matrices[i] }
            let k = splits[i][j]
            return try Matrix.product(try product(i, k), try product(k + 1, j))
        }
        var result = try product(0, matrices.count - 1)
        if last.ndim == 1 { result = result.squeeze(-1) }
        return first.ndim == 1 ? result.squeeze(0) : result
    }

    /// Where each partial chain is cut best (Cormen, Leiserson, Rivest, Stein, 15.2).
    private static func order(_ sizes: [Int]) -> [[Int]] {
        let n = sizes.count - 1
        var costs = [[Double]](repeating: .init(repeating: 0, count: n), count: n)
        var splits = [[Int]](repeating: .init(repeating: 0, count: n), count: n)
        for length in 1..<n {
            for i in 0..<(n - length) {
                let j = i + length
                costs[i][j] = .infinity
                for k in i..<j {
                    let own = Double(sizes[i]) * Double(sizes[k + 1]) * Double(sizes[j + 1])
                    let cost = costs[i][k] + costs[k + 1][j] + own
                    if cost < costs[i][j] { (costs[i][j], splits[i][j]) = (cost, k) }
                }
            }
        }
        return splits
    }
}

extension Tensor {
    /// The sum of products over pairs of dims.
    public func tensordot(_ other: Tensor, dims: ([Int], [Int])) -> Tensor {
        trapping(as: "aten::tensordot") { try Products.tensordot(self, other, dims.0, dims.1) }
    }

    /// The sum of products over the last `count` dims of this and the first of the other.
    public func tensordot(_ other: Tensor, dims count: Int = 2) -> Tensor {
        trapping { () throws(CressetError) in
            guard count >= 0, count <= ndim, count <= other.ndim else {
                throw CressetError(
                    .argument, op: "aten::tensordot",
                    "there are not \(count) dims to pair: \(summary), \(other.summary)")
            }
            return try Products.tensordot(self, other, Array((ndim - count)..<ndim), Array(0..<count))
        }
    }

    /// The sum of products over the last dims.
    public func inner(_ other: Tensor) -> Tensor {
        trapping(as: "aten::inner") { try Products.inner(self, other) }
    }

    /// The Kronecker product: every element of this times all of the other, in blocks.
    public func kron(_ other: Tensor) -> Tensor {
        trapping(as: "aten::kron") { try Products.kron(self, other) }
    }

    /// This times a weight of [out, in], transposed, plus a bias.
    public func linear(_ weight: Tensor, bias: Tensor? = nil) -> Tensor {
        trapping { () throws(CressetError) in try Products.linear(self, weight, bias) }
    }

    /// Σ xᵢ·wₖᵢⱼ·yⱼ over the last dims of this and another tensor, for a weight of [out, in1, in2], plus a bias.
    public func bilinear(_ other: Tensor, _ weight: Tensor, bias: Tensor? = nil) -> Tensor {
        trapping { () throws(CressetError) in try Products.bilinear(self, other, weight, bias) }
    }

    /// The product of several matrices, in the order that takes the fewest multiplications.
    public static func chainMatmul(_ matrices: [Tensor]) -> Tensor {
        trapping { () throws(CressetError) in try Products.chain(matrices, op: "aten::chain_matmul") }
    }
}

extension linalg {
    /// The product of several matrices (vectors at the ends), in the order that takes the fewest multiplications.
    public static func multiDot(_ tensors: [Tensor]) -> Tensor {
        trapping { () throws(CressetError) in try Products.chain(tensors, op: "aten::linalg_multi_dot") }
    }

    /// The matrix product.
    public static func matmul(_ a: Tensor, _ b: Tensor) -> Tensor { a.matmul(b) }
}

// MARK: Declarations

extension Operators {
    private static let ofMatmul = "it is made of aten::matmul, which can be"

    private static func chainSamples(_ g: inout SampleMaker, _ lists: [[Shape]]) -> [Sample] {
        lists.map { list in Sample([.tensors(list.map { g.tensor($0, -1, 1) })]) }
    }

    static let tensorProducts: [Operator] = [
        Operator(
            "tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor", dtypes: products,
            composition: ["matmul"], notOverridable: ofMatmul,
            samples: { g in
                let cases: [(Shape, Shape, [Int], [Int])] = [
                    ([3, 4, 5], [4, 3, 2], [1, 0], [0, 1]), ([3, 4], [2, 4], [-1], [-1]), ([3], [4], [], []),
                    ([3, 4], [3, 4], [0, 1], [0, 1]), ([0, 3], [3, 2], [1], [0]), ([], [], [], []),
                ]
                return cases.map { a, b, da, db in
                    Sample([.tensor(g.tensor(a, -2, 2)), .tensor(g.tensor(b, -2, 2)), .ints(da), .ints(db)])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try Products.tensordot(
                            try a.tensor("self"), try a.tensor("other"), try a.ints("dims_self"),
                            try a.ints("dims_other")))
                ]
            }),
        Operator(
            "inner(Tensor self, Tensor other) -> Tensor", dtypes: products, composition: ["matmul"],
            notOverridable: ofMatmul,
            samples: { g in
                pairs(&g, [([3, 4], [2, 4]), ([4], [4]), ([], [3]), ([2, 3, 4], [4]), ([0, 3], [2, 3])])
            },
            call: { (a) throws(CressetError) in
                [.tensor(try Products.inner(try a.tensor("self"), try a.tensor("other")))]
            }),
        Operator(
            "kron(Tensor self, Tensor other) -> Tensor", dtypes: .all, composition: ["pointwise"],
            notOverridable: "it is made of aten::mul.Tensor, which can be",
            samples: { g in pairs(&g, [([2, 3], [3, 2]), ([3], [2, 2]), ([], [2]), ([0, 2], [2, 2])]) },
            call: { (a) throws(CressetError) in
                [.tensor(try Products.kron(try a.tensor("self"), try a.tensor("other")))]
            }),
        Operator(
            "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", dtypes: products,
            composition: ["matmul", "pointwise"],
            samples: { g in
                let cases: [(Shape, Shape, Shape?)] = [
                    ([4, 5], [3, 5], [3]), ([5], [3, 5], nil), ([2, 4, 5], [3, 5], [3]), ([4, 5], [5], nil),
                    ([0, 5], [3, 5], [3]),
                ]
                return cases.map { x, w, b in
                    Sample([
                        .tensor(g.tensor(x, -2, 2)), .tensor(g.tensor(w, -2, 2)),
                        b.map { .tensor(g.tensor($0)) } ?? .none,
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try Products.linear(
                            try a.tensor("input"), try a.tensor("weight"), try a.optionalTensor("bias")))
                ]
            }),
        Operator(
            "bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor", dtypes: products,
            composition: ["matmul", "pointwise"],
            samples: { g in
                let cases: [(Shape, Shape, Shape, Shape?)] = [
                    ([4, 2], [4, 3], [5, 2, 3], [5]), ([2, 2, 2], [2, 2, 3], [1, 2, 3], nil),
                    ([2], [3], [5, 2, 3], [5]),
                    ([0, 2], [0, 3], [5, 2, 3], [5]),
                ]
                return cases.map { x, y, w, b in
                    Sample(
                        [x, y, w].map { .tensor(g.tensor($0, -2, 2)) } + [b.map { .tensor(g.tensor($0)) } ?? .none])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try Products.bilinear(
                            try a.tensor("input1"), try a.tensor("input2"), try a.tensor("weight"),
                            try a.optionalTensor("bias")))
                ]
            }),
        Operator(
            "linalg_multi_dot(Tensor[] tensors) -> Tensor", dtypes: products, composition: ["matmul"],
            notOverridable: ofMatmul,
            samples: { g in
                chainSamples(
                    &g,
                    [[[3, 4], [4, 5], [5, 2]], [[4], [4, 3], [3]], [[2, 3], [3, 4], [4]], [[0, 3], [3, 2]]])
            },
            call: { (a) throws(CressetError) in
                [.tensor(try Products.chain(try a.tensors("tensors"), op: "aten::linalg_multi_dot"))]
            }),
        Operator(
            "chain_matmul(Tensor[] matrices) -> Tensor", dtypes: products, composition: ["matmul"],
            notOverridable: ofMatmul,
            samples: { g in chainSamples(&g, [[[3, 4], [4, 5], [5, 2]], [[2, 3]], [[0, 3], [3, 2]]]) },
            call: { (a) throws(CressetError) in
                [.tensor(try Products.chain(try a.tensors("matrices"), op: "aten::chain_matmul"))]
            }),
        Operator(
            "linalg_matmul(Tensor self, Tensor other) -> Tensor", dtypes: products, composition: ["matmul"],
            notOverridable: "it is aten::matmul, which can be",
            samples: { g in pairs(&g, [([4, 6], [6, 5]), ([0, 4], [4, 3])]) },
            call: { (a) throws(CressetError) in
                [.tensor(linalg.matmul(try a.tensor("self"), try a.tensor("other")))]
            }),
    ]
}
