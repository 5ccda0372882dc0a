import BackendKit

/// Tensors one after another: cat, stack and what is made of them.
enum Joining {
    private static func joined(
        _ parts: [Tensor], _ d: Int, _ shape: Shape, _ dtype: DType, op: String
    ) throws(CressetError) -> Tensor {
        let result = try Tensor.empty(shape, dtype, on: parts[0].runtime, op: op)
        var offset = 0
        try noGrad { () throws(CressetError) in
            for part in try Tensor.onOneDevice(parts, op: op) {
                if part.numel > 0 {
                    try Copy.run(
                        from: part.detach(), to: result.narrow(d, offset, part.shape[d]), op: OperatorName(op))
                }
                offset += part.shape[d]
            }
        }
        return result
    }

    static func cat(_ tensors: [Tensor], dim: Int) throws(CressetError) -> Tensor {
        let op = "aten::cat"
        for tensor in tensors { try tensor.checkValid(op) }
        // PyTorch's legacy: one-dimensional empty tensors join with anything.
        let parts = tensors.filter { !($0.ndim == 1 && $0.numel == 0) }
        guard let first = parts.first else {
            guard let any = tensors.first else { throw CressetError(.argument, op: op, "needs at least one tensor") }
            return try any.converted(to: Promotion.result(tensors))
        }
        let d = try first.dim(dim, op: op)
        var shape = first.shape
        guard first.ndim > 0 else {
            throw CressetError(.shape, op: op, "tensors without dims cannot be joined: \(first.summary); use stack")
        }
        for part in parts.dropFirst() {
            guard part.ndim == first.ndim, (0..<first.ndim).allSatisfy({ $0 == d || part.shape[$0] == first.shape[$0] })
            else {
                throw CressetError(
                    .shape, op: op,
                    "sizes must be equal but for dim \(d): \(parts.map { "\($0.shape)" }.joined(separator: ", "))")
            }
            shape[d] += part.shape[d]
        }
        let dtype = Promotion.result(tensors)
        let result = try Override.resolve(
            OperatorName(op), on: first, dtype, [.tensors(parts), .scalar(Scalar(d))],
            types: [ResultType(shape, dtype)]
        ) { () throws(CressetError) in [try joined(parts, d, shape, dtype, op: op)] }[0]
        let sizes = parts.map { $0.shape[d] }
        return Tape.record(op, result, inputs: parts) { (gradients, _) in
            var start = 0
            return sizes.map { size in
                defer { start += size }
                return gradients[0]?.narrow(d, start, size)
            }
        }
    }

    static func stack(_ tensors: [Tensor], dim: Int) throws(CressetError) -> Tensor {
        let op = "aten::stack"
        guard let first = tensors.first else { throw CressetError(.argument, op: op, "needs at least one tensor") }
        for tensor in tensors { try tensor.checkValid(op) }
        guard tensors.allSatisfy({ $0.shape == first.shape }) else {
            throw CressetError(
                .shape, op: op, "shapes must be equal: \(tensors.map { "\($0.shape)" }.joined(separator: ", "))")
        }
        let d = try first.dim(dim, op: op, rank: first.ndim + 1)
        let dtype = Promotion.result(tensors)
        return try Override.resolve(
            OperatorName(op), inputs: tensors, dtype, [.tensors(tensors), .scalar(Scalar(d))],
            type: ResultType(first.shape.inserting(tensors.count, at: d), dtype)
        ) { (x) throws(CressetError) in try cat(x.map { $0.unsqueeze(d) }, dim: d) }
    }

    /// Each tensor is cut into `count` chunks along `dim`, the last filled up with zeros; chunk i of all are
    /// joined, flat, to row i of the result.
    static func chunkCat(_ tensors: [Tensor], dim: Int, count: Int) throws(CressetError) -> Tensor {
        let op = "aten::_chunk_cat"
        guard let first = tensors.first, count > 0 else {
            throw CressetError(
                .argument, op: op,
                "needs at least one tensor and one chunk, got \(tensors.count) tensors and \(count) chunks")
        }
        let d = try first.dim(dim, op: op)
        return try cat(
            try tensors.map { (x) throws(CressetError) in
                try x.checkValid(op)
                guard x.ndim > d, x.shape.prefix(d).elementsEqual(first.shape.prefix(d)), x.numel > 0 else {
                    throw CressetError(
                        .shape, op: op,
                        "the tensors must have elements and equal sizes before dim \(d): "
                            + tensors.map { "\($0.shape)" }.joined(separator: ", "))
                }
                let size = x.shape[d] / count + (x.shape[d] % count == 0 ? 0 : 1)
                let missing = size * count - x.shape[d]
                let behind = [Int](repeating: 0, count: 2 * (x.ndim - 1 - d)) + [0, missing]
                let full = missing == 0 ? x : try Padding.constant(x, behind, 0)
                return full.reshape(Shape(Array(x.shape.prefix(d)) + [count, -1]))
            }, dim: d + 1)
    }
}

extension Tensor {
    /// The tensors one after another along a dim.
    public static func cat(_ tensors: [Tensor], dim: Int = 0) -> Tensor {
        trapping { () throws(CressetError) in try Joining.cat(tensors, dim: dim) }
    }
    /// The tensors one after another along a dim, as `cat`.
    public static func concat(_ tensors: [Tensor], dim: Int = 0) -> Tensor {
        trapping(as: "aten::concat") { cat(tensors, dim: dim) }
    }
    /// The tensors one after another along a dim, as `cat`.
    public static func concatenate(_ tensors: [Tensor], dim: Int = 0) -> Tensor {
        trapping(as: "aten::concatenate") { cat(tensors, dim: dim) }
    }
    /// The tensors, which have one shape, along a new dim.
    public static func stack(_ tensors: [Tensor], dim: Int = 0) -> Tensor {
        trapping { () throws(CressetError) in try Joining.stack(tensors, dim: dim) }
    }
    /// The tensors beside each other: along the second dim, vectors along their only one.
    public static func hstack(_ tensors: [Tensor]) -> Tensor {
        let parts = tensors.map { $0.atleast1d() }
        return cat(parts, dim: parts.first?.ndim == 1 ? 0 : 1)
    }
    /// The tensors below each other: along the first dim, vectors as rows.
    public static func vstack(_ tensors: [Tensor]) -> Tensor { cat(tensors.map { $0.atleast2d() }) }
    /// The tensors below each other, as `vstack`.
    public static func rowStack(_ tensors: [Tensor]) -> Tensor { vstack(tensors) }
    /// The tensors behind each other: along the third dim.
    public static func dstack(_ tensors: [Tensor]) -> Tensor { cat(tensors.map { $0.atleast3d() }, dim: 2) }
    /// The tensors beside each other, vectors and numbers as columns.
    public static func columnStack(_ tensors: [Tensor]) -> Tensor {
        hstack(tensors.map { $0.ndim <= 1 ? $0.reshape([$0.numel, 1]) : $0 })
    }
    /// Chunk i of every tensor along `dim`, flat and joined, as row i.
    public static func chunkCat(_ tensors: [Tensor], dim: Int, numChunks: Int) -> Tensor {
        trapping { () throws(CressetError) in try Joining.chunkCat(tensors, dim: dim, count: numChunks) }
    }

    /// A matrix with the tensors as blocks on its diagonal, zeros elsewhere.
    public static func blockDiag(_ tensors: [Tensor]) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::block_diag"
            for tensor in tensors {
                try tensor.checkValid(op)
                guard tensor.ndim <= 2 else {
                    throw CressetError(.shape, op: op, "blocks must have at most 2 dims, got \(tensor.summary)")
                }
            }
            if tensors.isEmpty { return .empty([1, 0]) }
            let blocks = tensors.map { $0.atleast2d() }
            let columns = blocks.reduce(0) { $0 + $1.shape[1] }
            var before = 0
            return cat(
                try blocks.map { (block) throws(CressetError) in
                    defer { before += block.shape[1] }
                    return try Padding.constant(block, [before, columns - before - block.shape[1]], 0)
                })
        }
    }

    /// Grids of coordinates: tensor i varies along dim i of the result (indexing "ij"), the first two
    /// exchanged for "xy".
    public static func meshgrid(_ tensors: [Tensor], indexing: String = "ij") -> [Tensor] {
        trapping(default: []) { () throws(CressetError) in
            let op = "aten::meshgrid.indexing"
            guard indexing == "ij" || indexing == "xy" else {
                throw CressetError(.argument, op: op, "indexing must be ij or xy, got \"\(indexing)\"")
            }
            for tensor in tensors {
                try tensor.checkValid(op)
                guard tensor.ndim <= 1 else {
                    throw CressetError(.shape, op: op, "needs vectors or numbers, got \(tensor.summary)")
                }
            }
            guard !tensors.isEmpty, tensors.count <= maxRank else {
                throw CressetError(.argument, op: op, "needs 1 to \(maxRank) tensors, got \(tensors.count)")
            }
            let swaps = indexing == "xy" && tensors.count > 1
            let shape = Shape(tensors.map(\.numel))
            let grids = try tensors.enumerated().map { (pair) throws(CressetError) in
                var column = Shape(repeating: 1, count: tensors.count)
                column[pair.offset] = pair.element.numel
                return try pair.element.reshaped(column, op: op).expanded(shape, op: op)
            }
            return swaps ? grids.map { $0.transpose(0, 1) } : grids
        }
    }

    /// Every combination of an element of each vector, one a row.
    public static func cartesianProd(_ tensors: [Tensor]) -> Tensor {
        trapping { () throws(CressetError) in
            for tensor in tensors where tensor.ndim != 1 {
                try tensor.checkValid("aten::cartesian_prod")
                throw CressetError(.shape, op: "aten::cartesian_prod", "needs vectors, got \(tensor.summary)")
            }
            if tensors.count == 1 { return tensors[0] }
            return stack(meshgrid(tensors).map { $0.flatten() }, dim: 1)
        }
    }

    /// The subsets of `r` elements of a vector, in the order of places, one a row.
    public func combinations(r: Int = 2, withReplacement: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::combinations"
            try checkValid(op)
            guard ndim == 1, r >= 0, r <= maxRank else {
                throw CressetError(
                    .argument, op: op, "needs a vector and 0 <= r <= \(maxRank), got \(summary) and r = \(r)")
            }
            if r == 0 { return try .empty([0], dtype, on: runtime, op: op) }
            let places = try Tensor.empty([numel], .int64, on: runtime, op: op)
            try Generators.arange.generate([0, 1], into: places)
            let grids = Tensor.meshgrid([Tensor](repeating: places, count: r))
            let rows = Tensor.stack(grids.map { $0.flatten() }, dim: 1)
            if r == 1 { return reshape([-1, 1]).clone() }
            let (left, right) = (rows.narrow(1, 0, r - 1), rows.narrow(1, 1, r - 1))
            let ascends = (withReplacement ? left .<= right : left .< right).all(dim: [1])
            // C(n, r), or C(n + r − 1, r): each partial product is a binomial coefficient too.
            let n = withReplacement ? numel + r - 1 : numel
            let count = (0..<r).reduce(1) { $0 * Swift.max(n - $1, 0) / ($1 + 1) }
            let chosen = rows.indexSelect(
                dim: 0, index: try Compaction.nonzero(ascends, count: numel == 0 ? 0 : count).squeeze(1))
            return indexSelect(dim: 0, index: chosen.flatten()).reshape([-1, r])
        }
    }
}

// MARK: Declarations

extension Operators {
    private static func join(
        _ schema: String, of parts: [String] = ["aten::cat"], _ shapes: [[Shape]],
        _ body: @escaping @Sendable ([Tensor]) -> Tensor
    ) -> Operator {
        .composed(
            schema, of: parts,
            samples: { g in shapes.map { list in Sample([.tensors(list.map { g.tensor($0) })]) } },
            call: { (a) throws(CressetError) in [.tensor(body(try a.tensors("tensors")))] })
    }

    private static func cat(_ name: String) -> Operator {
        let isCat = name == "cat"
        return Operator(
            "\(name)(Tensor[] tensors, int dim=0) -> Tensor", dtypes: .all,
            composition: [isCat ? "pointwise" : "aten::cat"],
            notOverridable: isCat ? nil : "it is aten::cat, which can be",
            samples: { g in
                [
                    Sample([.tensors([g.tensor([2, 3]), g.tensor([4, 3])]), 0]),
                    Sample([.tensors([g.tensor([2, 3]), g.tensor([2, 0]), g.tensor([2, 2])]), -1]),
                    Sample([.tensors([g.tensor([3]), g.tensor([2], dtype: .uint8)]), 0]),
                ]
            },
            call: { (a) throws(CressetError) in
                [.tensor(Tensor.cat(try a.tensors("tensors"), dim: try a.int("dim")))]
            }
        ).refusing(lists: [
            ([[2, 3], [2, 4]], [0], ["dim 0", "[2, 3]", "[2, 4]"]), ([], [0], ["at least one tensor"]),
            ([[2, 3], [2]], [0], ["[2, 3]", "[2]"]), ([[], [2]], [0], ["[]"]),
        ])
    }

    private static let rows: [([Shape], [Value], [String])] = [
        ([[2, 3], [2, 4]], [], ["[2, 3]", "[2, 4]"]), ([], [], ["at least one"]),
    ]

    static let joinings: [Operator] =
        [
            cat("cat"), cat("concat"), cat("concatenate"),
            Operator(
                "stack(Tensor[] tensors, int dim=0) -> Tensor", dtypes: .all, composition: ["pointwise"],
                samples: { g in
                    let shapes: [Shape] = [[2, 3], [], [0, 3]]
                    return shapes.map { Sample([.tensors([g.tensor($0), g.tensor($0)]), 0]) }
                        + [Sample([.tensors([g.tensor([2, 3]), g.tensor([2, 3])]), 1])]
                },
                call: { (a) throws(CressetError) in
                    [.tensor(Tensor.stack(try a.tensors("tensors"), dim: try a.int("dim")))]
                }
            ).refusing(lists: [
                ([[2], [3]], [0], ["equal", "[2]", "[3]"]), ([], [0], ["at least one tensor"]),
            ]),
            join("hstack(Tensor[] tensors) -> Tensor", [[[2, 3], [2, 1]], [[], [2]], [[0], [3]]]) { .hstack($0) }
                .refusing(lists: [([[2, 3], [3, 3]], [], ["[2, 3]", "[3, 3]"]), ([], [], ["at least one"])]),
            join("vstack(Tensor[] tensors) -> Tensor", [[[2, 3], [3]], [[], [1]], [[0, 3], [1, 3]]]) { .vstack($0) }
                .refusing(lists: rows),
            join("row_stack(Tensor[] tensors) -> Tensor", [[[2, 3], [3]], [[], [1]], [[0, 3], [1, 3]]]) {
                .rowStack($0)
            }.refusing(lists: rows),
            join(
                "dstack(Tensor[] tensors) -> Tensor",
                [[[2, 3, 1], [2, 3]], [[2], [2]], [[], []], [[0, 2], [0, 2]]]
            ) {
                .dstack($0)
            }.refusing(lists: [([[2, 3], [2, 4]], [], ["[2, 3, 1]", "[2, 4, 1]"]), ([], [], ["at least one"])]),
            join("column_stack(Tensor[] tensors) -> Tensor", [[[3], [3, 2]], [[], [1]], [[0], [0]]]) {
                .columnStack($0)
            }.refusing(lists: [([[2], [3]], [], ["[2, 1]", "[3, 1]"]), ([], [], ["at least one"])]),
            join(
                "block_diag(Tensor[] tensors) -> Tensor", of: ["aten::cat", "aten::constant_pad_nd"],
                [[[2, 3], [2], []], [[0, 2], [1]], [[], [2]]]
            ) { .blockDiag($0) }
            .refusing(lists: [([[2, 3, 4], [2]], [], ["[2, 3, 4]"])]),
            join(
                "cartesian_prod(Tensor[] tensors) -> Tensor", of: ["aten::stack"],
                [[[2], [3], [2]], [[4]], [[0], [2]]]
            ) { .cartesianProd($0) }
            .refusing(lists: [([[2, 3], [2]], [], ["[2, 3]"]), ([], [], ["1 to", "got 0"])]),
            .composed(
                "_chunk_cat(Tensor[] tensors, int dim, int num_chunks) -> Tensor",
                of: ["aten::cat", "aten::constant_pad_nd"],
                samples: { g in
                    [
                        Sample([.tensors([g.tensor([5, 2]), g.tensor([4])]), 0, 3]),
                        Sample([.tensors([g.tensor([2, 3]), g.tensor([2, 2, 3])]), 1, 2]),
                    ]
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensor(
                            .chunkCat(
                                try a.tensors("tensors"), dim: try a.int("dim"), numChunks: try a.int("num_chunks")))
                    ]
                }
            ).refusing(lists: [([[5, 2]], [0, 0], ["0"]), ([], [0, 2], ["at least one"])]),
            .composed(
                "combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor",
                of: ["aten::nonzero", "aten::index_select"],
                samples: {
                    $0.samples([([4], [2, false]), ([3], [3, true]), ([3], [1, false]), ([0], [2, false])])
                },
                call: { (a) throws(CressetError) in
                    [
                        .tensor(
                            try a.tensor("self").combinations(
                                r: try a.int("r"), withReplacement: try a.bool("with_replacement")))
                    ]
                }
            ).refusing([([2, 3], [2], ["[2, 3]"]), ([3], [-1], ["-1"])]),
            meshgrid("meshgrid(Tensor[] tensors) -> Tensor[]")
                .refusing(lists: [([[2, 3]], [], ["[2, 3]"]), ([], [], ["1 to", "got 0"])]),
            meshgrid("meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]")
                .refusing(lists: [([[2], [2, 3]], ["ij"], ["[2, 3]"]), ([[2]], ["yx"], ["ij or xy", "yx"])]),
        ]

    private static func meshgrid(_ schema: String) -> Operator {
        let takesIndexing = schema.contains("indexing")
        return Operator(
            schema, dtypes: .all, composition: [],
            samples: { g in
                let lists: [([Shape], Value)] = [
                    ([[], [2], [3]], "ij"), ([[2], [3], [2]], "xy"), ([[0], [2]], "xy"),
                ]
                return lists.map { shapes, indexing in
                    Sample([.tensors(shapes.map { g.tensor($0) })] + (takesIndexing ? [indexing] : []))
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensors(
                        .meshgrid(try a.tensors("tensors"), indexing: takesIndexing ? try a.string("indexing") : "ij"))
                ]
            })
    }
}

extension [Tensor] {
    fileprivate static func meshgrid(_ tensors: [Tensor], indexing: String) -> [Tensor] {
        Tensor.meshgrid(tensors, indexing: indexing)
    }
}
