import BackendKit

/// Views of all parts along one dim.
extension Tensor {
    /// Pieces of at most `size` along one dim.
    public func split(_ size: Int, dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let op = "aten::split.Tensor"
            let (d, n) = try splitDim(dim, op: op)
            guard size > 0 || (size == 0 && n == 0) else {
                throw CressetError(
                    .argument, op: op, "the size of the pieces must be positive, got \(size): \(summary)")
            }
            let count = size == 0 ? 1 : Swift.max(1, n / size + (n % size == 0 ? 0 : 1))
            return (0..<count).map { narrow(d, $0 * size, Swift.min(size, n - $0 * size)) }
        }
    }

    /// Pieces of the given sizes along one dim, which they make up.
    public func split(_ sizes: [Int], dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let op = "aten::split_with_sizes"
            let (d, n) = try splitDim(dim, op: op)
            guard sizes.allSatisfy({ (0...n).contains($0) }), sizes.reduce(0, +) == n else {
                throw CressetError(.shape, op: op, "the sizes \(sizes) do not make up the \(n) of dim \(d): \(summary)")
            }
            var start = 0
            return sizes.map { size in
                defer { start += size }
                return narrow(d, start, size)
            }
        }
    }

    /// At most `count` pieces of equal size (the last may be smaller) along one dim.
    public func chunk(_ count: Int, dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let op = "aten::chunk"
            let (d, n) = try splitDim(dim, op: op)
            guard count > 0 else {
                throw CressetError(.argument, op: op, "the number of chunks must be positive, got \(count)")
            }
            if n == 0 { return (0..<count).map { _ in narrow(d, 0, 0) } }
            return split(n / count + (n % count == 0 ? 0 : 1), dim: d)
        }
    }

    /// Exactly `sections` pieces along one dim, of sizes that differ by at most 1, the larger ones first.
    public func tensorSplit(_ sections: Int, dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let op = "aten::tensor_split.sections"
            let (d, n) = try splitDim(dim, op: op)
            guard sections > 0 else {
                throw CressetError(.argument, op: op, "the number of sections must be positive, got \(sections)")
            }
            let (size, larger) = n.quotientAndRemainder(dividingBy: sections)
            return split((0..<sections).map { size + ($0 < larger ? 1 : 0) }, dim: d)
        }
    }

    /// The pieces between the given places along one dim; Python's rules for slices.
    public func tensorSplit(_ indices: [Int], dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let (d, _) = try splitDim(dim, op: "aten::tensor_split.indices")
            return zip([0] + indices, indices + [.max]).map { slice(d, from: $0, to: $1) }
        }
    }

    /// The same by a tensor on the cpu: one number of sections, or a vector of places.
    public func tensorSplit(_ indicesOrSections: Tensor, dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let op = "aten::tensor_split.tensor_indices_or_sections"
            try indicesOrSections.checkValid(op)
            guard indicesOrSections.dtype == .int64, indicesOrSections.ndim <= 1 else {
                throw CressetError(
                    .argument, op: op, "needs a 0-d or 1-d int64 tensor, got \(indicesOrSections.summary)")
            }
            return indicesOrSections.ndim == 0
                ? tensorSplit(indicesOrSections.itemInt(), dim: dim) : tensorSplit([Int](indicesOrSections), dim: dim)
        }
    }

    /// The dim for hsplit, vsplit and dsplit, which tell the ranks they are for.
    private func splitDim(_ op: String, _ dim: Int, least: Int, sections: Int?) throws(CressetError) -> Int {
        try checkValid(op)
        guard ndim >= least else {
            throw CressetError(.shape, op: op, "needs at least \(least) dims, got \(summary)")
        }
        let d = dim == 1 && ndim == 1 ? 0 : dim
        guard let sections else { return d }
        guard sections > 0, shape[d] % sections == 0 else {
            throw CressetError(
                .shape, op: op, "dim \(d) of \(summary) cannot be divided into \(sections) equal sections")
        }
        return d
    }

    /// Equal pieces along the second dim (of a vector along its only one).
    public func hsplit(_ sections: Int) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            tensorSplit(sections, dim: try splitDim("aten::hsplit.int", 1, least: 1, sections: sections))
        }
    }
    /// Pieces between the given places along the second dim (of a vector along its only one).
    public func hsplit(_ indices: [Int]) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            tensorSplit(indices, dim: try splitDim("aten::hsplit.array", 1, least: 1, sections: nil))
        }
    }
    /// Equal pieces along the first dim.
    public func vsplit(_ sections: Int) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            tensorSplit(sections, dim: try splitDim("aten::vsplit.int", 0, least: 2, sections: sections))
        }
    }
    /// Pieces between the given places along the first dim.
    public func vsplit(_ indices: [Int]) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            tensorSplit(indices, dim: try splitDim("aten::vsplit.array", 0, least: 2, sections: nil))
        }
    }
    /// Equal pieces along the third dim.
    public func dsplit(_ sections: Int) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            tensorSplit(sections, dim: try splitDim("aten::dsplit.int", 2, least: 3, sections: sections))
        }
    }
    /// Pieces between the given places along the third dim.
    public func dsplit(_ indices: [Int]) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            tensorSplit(indices, dim: try splitDim("aten::dsplit.array", 2, least: 3, sections: nil))
        }
    }

    /// Every slice along one dim, without the dim.
    public func unbind(dim: Int = 0) -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let (d, n) = try splitDim(dim, op: "aten::unbind.int")
            return (0..<n).map { select(d, $0) }
        }
    }

    private func splitDim(_ dim: Int, op: String) throws(CressetError) -> (dim: Int, size: Int) {
        try checkValid(op)
        let d = try self.dim(dim, op: op)
        guard ndim > 0 else { throw CressetError(.shape, op: op, "a tensor without dims cannot be split: \(summary)") }
        return (d, shape[d])
    }
}

// MARK: Declarations

extension Operators {
    static let splittings: [Operator] = {
        func split(_ name: String) -> Operator {
            .view(
                "\(name)(Tensor self, SymInt split_size, int dim=0) -> Tensor[]",
                [([5, 3], [2, 0]), ([2, 6], [3, -1]), ([0, 3], [2, 0])]
            ) { (x, a) throws(CressetError) in x.split(try a.int("split_size"), dim: try a.int("dim")) }
            .refusing([
                ([5], [-2], ["-2"]), ([5], [0], ["got 0", "[5]"]), ([], [1], ["without dims", "[]"]),
            ])
        }
        func sizes(_ name: String, _ argument: String) -> Operator {
            .view(
                "\(name)(Tensor self, SymInt[] \(argument), int dim=0) -> Tensor[]",
                [([5, 3], [[2, 0, 3], 0]), ([2, 4], [[1, 3], -1]), ([0, 3], [[0, 0], 0])]
            ) { (x, a) throws(CressetError) in x.split(try a.ints(argument), dim: try a.int("dim")) }
            .refusing([
                ([5], [[2, 2]], ["[2, 2]", "5"]), ([5], [[6, -1]], ["[6, -1]"]),
                ([5], [[1 << 62, 1 << 62]], ["\(1 << 62)"]),
            ])
        }
        func chunk(_ name: String) -> Operator {
            .view(
                "\(name)(Tensor self, int chunks, int dim=0) -> Tensor[]",
                [([5, 3], [2, 0]), ([2, 5], [4, -1]), ([0, 3], [2, 0])]
            ) { (x, a) throws(CressetError) in x.chunk(try a.int("chunks"), dim: try a.int("dim")) }
            .refusing([([5], [0], ["0"]), ([5], [-3], ["-3"])])
        }
        /// hsplit and its like.
        func along(
            _ name: String, _ shapes: [Shape], _ equal: @escaping @Sendable (Tensor, Int) -> [Tensor],
            _ between: @escaping @Sendable (Tensor, [Int]) -> [Tensor]
        ) -> [Operator] {
            [
                .view("\(name).int(Tensor self, int sections) -> Tensor[]", shapes.map { ($0, [2]) }) {
                    (x, a) throws(CressetError) in equal(x, try a.int("sections"))
                }.refusing([(shapes[0], [0], ["0"]), (shapes[0], [5], ["5"]), ([], [2], ["[]"])]),
                .view("\(name).array(Tensor self, int[] indices) -> Tensor[]", shapes.map { ($0, [[1, 3]]) }) {
                    (x, a) throws(CressetError) in between(x, try a.ints("indices"))
                }.refusing([([], [[1]], ["[]"])]),
            ]
        }
        let plain = split("split.Tensor")
        let withSizes = sizes("split_with_sizes", "split_sizes")
        let unbind = Operator.view(
            "unbind.int(Tensor self, int dim=0) -> Tensor[]", [([3, 4], [0]), ([4, 3], [-1]), ([2, 0], [0])]
        ) { (x, a) throws(CressetError) in x.unbind(dim: try a.int("dim")) }
        return [
            plain, plain.copied, withSizes, withSizes.copied, sizes("split.sizes", "split_size"), chunk("chunk"),
            chunk("unsafe_chunk"), split("unsafe_split.Tensor"), sizes("unsafe_split_with_sizes", "split_sizes"),
            unbind, unbind.copied,
            .view(
                "tensor_split.sections(Tensor self, SymInt sections, int dim=0) -> Tensor[]",
                [([5, 3], [2, 0]), ([2, 5], [7, -1]), ([0, 3], [2, 0])]
            ) { (x, a) throws(CressetError) in x.tensorSplit(try a.int("sections"), dim: try a.int("dim")) }
            .refusing([([5], [0], ["0"]), ([5], [-2], ["-2"]), ([], [2], ["[]"])]),
            .view(
                "tensor_split.indices(Tensor self, SymInt[] indices, int dim=0) -> Tensor[]",
                [([5, 3], [[1, 1, -1, 9], 0]), ([2, 5], [[3], -1]), ([0, 3], [[1], 0])]
            ) { (x, a) throws(CressetError) in x.tensorSplit(try a.ints("indices"), dim: try a.int("dim")) },
            Operator(
                "tensor_split.tensor_indices_or_sections(Tensor self, Tensor tensor_indices_or_sections, int dim=0) -> Tensor[]",
                dtypes: .all, composition: [],
                samples: { g in
                    let cases: [(Shape, Tensor)] = [
                        ([5, 3], Tensor([3], shape: [], device: .reference)),
                        ([5, 3], Tensor([1, 4], device: .reference)),
                        ([0, 3], Tensor([2], shape: [], device: .reference)),
                    ]
                    return cases.map {
                        Sample(
                            [.tensor(g.tensor($0)), .tensor($1), 0], keeping: ["tensor_indices_or_sections"])
                    }
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensors(
                            try a.tensor("self").tensorSplit(
                                try a.tensor("tensor_indices_or_sections"), dim: try a.int("dim")))
                    ]
                }),
        ]
            + along("hsplit", [[6], [2, 4], [2, 0]], { $0.hsplit($1) }, { $0.hsplit($1) })
            + along("vsplit", [[4, 3], [0, 2]], { $0.vsplit($1) }, { $0.vsplit($1) })
            + along("dsplit", [[2, 3, 4], [2, 3, 0]], { $0.dsplit($1) }, { $0.dsplit($1) })
    }()
}
