import Cresset

/// Probes of tier deep: sizes round those at which kernels change their ways, all the ways in which
/// shapes broadcast, ranks up to the limit, more work-groups than 16 bits count.
extension Probes {
    static let large: [Operator] = tiles + broadcasts + ranks + crowds

    private static let numbers: Set<DType> = [.float64, .float32, .float16, .bfloat16, .int32, .int64, .uint8]
    private static let few: Set<DType> = [.float32, .int32]

    /// Nothing, one, each power of two and its neighbours, and primes that no tile divides.
    static let sizes: [Int] =
        [0, 1, 2, 3, 7, 37, 97, 211, 509] + [16, 32, 64, 128, 256].flatMap { [$0 - 1, $0, $0 + 1] }

    // MARK: Tiles

    private static let tiles: [Operator] =
        [
            probe(
                "sizes", numbers, arguments: ["self", "other"],
                samples: { g in sizes.map { [g.tensor([$0]), g.tensor([$0])] } }
            ) { (x) throws(CressetError) in x[0] + x[1] },
            probe("rows_and_columns", few, samples: { g in planes(&g) }) { (x) throws(CressetError) in
                x[0] + x[0].transpose(0, 1).contiguous().transpose(0, 1)
            },
            probe("sums_of_sizes", numbers, ["reduce"], samples: { g in planes(&g) }) {
                (x) throws(CressetError) in Tensor.cat([x[0].sum(dim: 0), x[0].sum(dim: 1), x[0].sum().reshape([1])])
            },
            probe("largest_of_sizes", few, ["reduce"], samples: { g in planes(&g, empty: false) }) {
                (x) throws(CressetError) in Tensor.cat([x[0].argmax(dim: 0), x[0].argmin(dim: 1)])
            },
            probe("scans_of_sizes", [.float32, .int64], ["reduce"], samples: { g in planes(&g) }) {
                (x) throws(CressetError) in Tensor.cat([x[0].cumsum(dim: 0), x[0].cumsum(dim: 1)])
            },
            probe("sorts_of_sizes", few, ["pointwise"], samples: { g in planes(&g, empty: false) }) {
                (x) throws(CressetError) in
                let (first, second) = (x[0].sort(dim: 0), x[0].sort(dim: 1, descending: true))
                return Tensor.cat([first.indices, second.indices])
            },
            probe("softmax_of_sizes", [.float32], ["reduce"], samples: { g in planes(&g, empty: false) }) {
                (x) throws(CressetError) in Tensor.cat([x[0].softmax(dim: 0), x[0].softmax(dim: 1)])
            },
            probe(
                "gather_of_sizes", few, ["gather"], arguments: ["self", "index"],
                samples: { g in
                    sizes.filter { $0 > 0 }.map { n in [g.tensor([n, 3]), g.indices([2 * n + 1], below: n)] }
                }
            ) { (x) throws(CressetError) in x[0].indexSelect(dim: 0, index: x[1]) },
            probe(
                "scatter_of_sizes", few, ["scatter"], arguments: ["self", "index", "source"],
                samples: { g in
                    sizes.filter { $0 > 0 }.map { n in
                        // Many meet at one place.
                        [g.tensor([3, n]), g.indices([3, 2 * n], below: max(n / 3, 1)), g.tensor([3, 2 * n])]
                    }
                }
            ) { (x) throws(CressetError) in x[0].scatterAdd(1, x[1], x[2]) },
            probe(
                "products_of_sizes", [.float32, .float64, .float16, .bfloat16, .int32], ["matmul"],
                arguments: ["self", "mat2"], samples: { g in products(&g) }
            ) { (x) throws(CressetError) in x[0].matmul(x[1]) },
            probe(
                "products_of_turned", few, ["matmul"], arguments: ["self", "mat2"], samples: { g in products(&g) }
            ) { (x) throws(CressetError) in x[1].transpose(-1, -2).matmul(x[0].transpose(-1, -2)) },
        ]

    /// Each size beside a few others, as rows and as columns.
    private static func planes(_ g: inout SampleMaker, empty: Bool = true) -> [[Tensor]] {
        sizes.filter { empty || $0 > 0 }.flatMap { n in
            [1, 5, n == 0 ? 2 : 33].flatMap { m in [[g.tensor([n, m])], [g.tensor([m, n])]] }
        }
    }

    /// Each size as the rows, the columns and the terms, and the tiles' neighbours as all three.
    private static func products(_ g: inout SampleMaker) -> [[Tensor]] {
        var shapes: [(Int, Int, Int)] = sizes.flatMap { n in [(n, 3, 5), (4, n, 3), (2, 5, n)] }
        for tile in [16, 32, 64] { for n in [tile - 1, tile, tile + 1] { shapes.append((n, n, n)) } }
        shapes += [(129, 65, 33), (33, 257, 131), (1, 509, 1)]
        return shapes.map { m, k, n in [g.tensor([m, k]), g.tensor([k, n])] }
    }

    // MARK: Broadcasting

    private static let broadcasts: [Operator] = [
        probe(
            "broadcast", numbers, arguments: ["self", "other"],
            samples: { g in
                pairsOfShapes.map { [g.tensor($0), g.tensor($1)] }
            }
        ) { (x) throws(CressetError) in x[0] * x[1] - x[1] },
        probe(
            "broadcast_three", few, arguments: ["condition", "self", "other"],
            samples: { g in
                pairsOfShapes.enumerated().map { i, pair in
                    let third = pairsOfShapes[(i * 7 + 3) % pairsOfShapes.count].0
                    let shape = agree(agree(pair.0, pair.1) ?? [], third) == nil ? pair.0 : third
                    return [g.tensor(shape, dtype: .bool), g.tensor(pair.0), g.tensor(pair.1)]
                }
            }
        ) { (x) throws(CressetError) in Tensor.where(x[0], x[1], x[2]) },
        probe(
            "broadcast_batches", few, ["matmul"], arguments: ["self", "mat2"],
            samples: { g in
                let batches: [Shape] = [[], [1], [3], [2, 1], [2, 3], [1, 3], [0], [2, 1, 3]]
                return batches.flatMap { a in
                    batches.compactMap { b in
                        agree(a, b) == nil ? nil : [g.tensor(Shape(a + [2, 5])), g.tensor(Shape(b + [5, 3]))]
                    }
                }
            }
        ) { (x) throws(CressetError) in x[0].matmul(x[1]) },
    ]

    /// Every two of these that broadcast.
    private static let pairsOfShapes: [(Shape, Shape)] = {
        let shapes: [Shape] = [
            [], [1], [5], [0], [1, 1], [1, 5], [4, 1], [4, 5], [0, 5], [4, 0], [1, 0], [3, 1, 1], [3, 1, 5], [3, 4, 1],
            [1, 4, 5], [3, 4, 5], [2, 1, 4, 1], [2, 3, 1, 5], [1, 1, 1, 1],
        ]
        return shapes.flatMap { a in shapes.compactMap { b in agree(a, b) == nil ? nil : (a, b) } }
    }()

    /// What two shapes broadcast to; nil if they do not.
    private static func agree(_ a: Shape, _ b: Shape) -> Shape? {
        let rank = max(a.count, b.count)
        var result = Shape(repeating: 1, count: rank)
        for d in 0..<rank {
            let x = d < rank - a.count ? 1 : a[d - (rank - a.count)]
            let y = d < rank - b.count ? 1 : b[d - (rank - b.count)]
            guard x == y || x == 1 || y == 1 else { return nil }
            result[d] = x == 1 ? y : x
        }
        return result
    }

    // MARK: Ranks

    /// Dims in an order in which no two can be merged.
    private static func shuffled(_ rank: Int) -> [Int] {
        let even = Array(stride(from: 0, to: rank, by: 2))
        let odd = Array(stride(from: 1, to: rank, by: 2))
        return Array(odd.reversed()) + even
    }

    private static func many(_ g: inout SampleMaker) -> [[Tensor]] {
        [5, 6, 7, 8, 9, 10, 11, 12].map { rank in
            [g.tensor(Shape((0..<rank).map { $0 % 3 == 2 && $0 < 9 ? 3 : $0 < 10 ? 2 : 1 }))]
        }
    }

    private static let ranks: [Operator] = [
        probe("ranks", few, samples: { g in many(&g) }) { (x) throws(CressetError) in
            x[0].permute(shuffled(x[0].ndim)) + 1
        },
        probe("ranks_copied", numbers, samples: { g in many(&g) }) { (x) throws(CressetError) in
            x[0].permute(shuffled(x[0].ndim)).contiguous()
        },
        probe("ranks_reduced", few, ["reduce"], samples: { g in many(&g) }) { (x) throws(CressetError) in
            x[0].permute(shuffled(x[0].ndim)).sum(dim: Array(stride(from: 0, to: x[0].ndim, by: 2)))
        },
        probe("ranks_multiplied", few, ["matmul"], samples: { g in many(&g) }) { (x) throws(CressetError) in
            let turned = x[0].permute(shuffled(x[0].ndim))
            return turned.matmul(turned.transpose(-1, -2))
        },
        probe("ranks_gathered", few, ["gather"], samples: { g in many(&g) }) { (x) throws(CressetError) in
            let turned = x[0].permute(shuffled(x[0].ndim))
            return turned.gather(2, turned.argsort(dim: 2))
        },
    ]

    // MARK: More work-groups than 16 bits count

    /// With one work-group for a row, or for 256 elements.
    private static let crowds: [Operator] = [
        probe("crowd", [.int32, .uint8, .float32], samples: { g in [[g.tensor([1])]] }) { (x) throws(CressetError) in
            Tensor.arange(.int(65_600 * 256 + 3), dtype: .int32, device: x[0].device).remainder(128).to(x[0].dtype)
        },
        probe("crowd_of_rows", few, ["reduce"], samples: { g in [[g.tensor([70_000, 3])]] }) {
            (x) throws(CressetError) in Tensor.cat([x[0].sum(dim: 1), x[0].amax(dim: [1])])
        },
        probe("crowd_reduced", [.int32], ["reduce"], samples: { g in [[g.tensor([1])]] }) { (x) throws(CressetError) in
            Tensor.arange(.int(65_600 * 256 + 3), dtype: .int32, device: x[0].device).sum()
        },
        probe("crowd_of_products", few, ["matmul"], samples: { g in [[g.tensor([66_000, 2, 2])]] }) {
            (x) throws(CressetError) in x[0].matmul(x[0])
        },
        probe(
            "tall_product", few, ["matmul"], arguments: ["self", "mat2"],
            samples: { g in
                [[g.tensor([140_000, 3]), g.tensor([3, 2])], [g.tensor([2, 3]), g.tensor([3, 140_000])]]
            }
        ) { (x) throws(CressetError) in x[0].matmul(x[1]) },
        probe(
            "crowd_gathered", few, ["gather"], arguments: ["self", "index"],
            samples: { g in [[g.tensor([66_000, 3]), g.indices([70_000], below: 66_000)]] }
        ) { (x) throws(CressetError) in x[0].indexSelect(dim: 0, index: x[1]) },
        probe(
            "crowd_scattered", few, ["scatter"], arguments: ["self", "index", "source"],
            samples: { g in [[g.tensor([66_000]), g.indices([150_000], below: 66_000), g.tensor([150_000])]] }
        ) { (x) throws(CressetError) in x[0].scatterAdd(0, x[1], x[2]) },
        probe("crowd_sorted", [.int32], ["pointwise"], samples: { g in [[g.tensor([66_000, 2])]] }) {
            (x) throws(CressetError) in x[0].sort(dim: 1).indices
        },
    ]
}
