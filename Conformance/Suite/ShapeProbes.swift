import Cresset

extension Probes {
    // MARK: Sizes and ranks

    private static let few: Set<DType> = [.float32, .int32]

    /// Beyond a 16-bit count, ranks that do not merge, sizes around tiles.
    static let shapes: [Operator] = [
        probe("many_elements", [.float32], samples: { g in [[g.tensor([3, 22_000])]] }) {
            (x) throws(CressetError) in x[0] + x[0]
        },
        probe("many_indices", [.int32], samples: { g in [[g.tensor([1])]] }) { (x) throws(CressetError) in
            Tensor.arange(70_001, dtype: x[0].dtype, device: x[0].device)
        },
        probe("many_reduced", [.float32], ["reduce"], samples: { g in [[g.tensor([70_001])]] }) {
            (x) throws(CressetError) in x[0].sum()
        },
        probe("many_results", [.float32], ["reduce"], samples: { g in [[g.tensor([66_000, 2])]] }) {
            (x) throws(CressetError) in x[0].sum(dim: 1)
        },
        probe(
            "high_rank", few, arguments: ["self", "other"],
            samples: { g in
                [
                    [g.tensor([2, 3, 2, 3, 2, 3]), g.tensor([3, 2, 3, 2, 3, 2])],
                    [g.tensor([2, 3, 2]), g.tensor([3, 2])],
                ]
            }
        ) { (x) throws(CressetError) in
            if x[0].ndim == 6 { return x[0] + x[1].permute([5, 4, 3, 2, 1, 0]) }
            return x[0].permute([2, 1, 0]) * x[1].transpose(0, 1).unsqueeze(2)
        },
        probe("high_rank_sum", few, ["reduce"], samples: { g in [[g.tensor([2, 3, 4, 2, 3, 2])]] }) {
            (x) throws(CressetError) in x[0].permute([3, 0, 5, 1, 4, 2]).sum(dim: [0, 2, 4])
        },
        probe("bytes", [.int8, .uint8, .bool], samples: { g in [1, 2, 3, 5, 7, 13].map { [g.tensor([$0])] } }) {
            (x) throws(CressetError) in x[0].bitwiseNot()
        },
        // Accumulated in the narrow type itself, these would stop growing.
        probe("long_sum", [.float16, .bfloat16], ["reduce"], samples: { g in [[g.tensor([3000], 0.5, 1)]] }) {
            (x) throws(CressetError) in x[0].sum()
        },
        probe(
            "of_infinities", [.float32, .float64], ["reduce"],
            samples: { g in
                [[Tensor.full([3, 4], .double(-.infinity), dtype: g.dtype, device: .reference)]]
            }
        ) { (x) throws(CressetError) in x[0].amax(dim: [1]) },
        probe("ties", [.float32, .int32, .uint8], ["reduce"], samples: { g in [[g.tensor([5, 40], 0, 3)]] }) {
            (x) throws(CressetError) in Tensor.stack([x[0].trunc().argmax(dim: 1), x[0].trunc().argmin(dim: 1)])
        },
        probe("literals", few, samples: { g in [[g.tensor([20])]] }) { (x) throws(CressetError) in
            Tensor.cat([try Probe.times(x[0], literal: 3), try Probe.times(x[0], literal: 5)])
        },
        // Programs that are equal but for what they reduce by.
        probe("kinds", few, ["reduce"], samples: { g in [[g.tensor([4, 9])]] }) { (x) throws(CressetError) in
            Tensor.stack([x[0].amax(dim: [1]), x[0].amin(dim: [1]), x[0].amax(dim: [1])])
        },
        probe("params", few, samples: { g in [[g.tensor([9])]] }) { (x) throws(CressetError) in
            Tensor.cat([x[0] * 2, x[0] * 3, x[0] * 5])
        },
        // A tenth is no float32.
        probe("wide_params", [.float64], samples: { g in [[g.tensor([9])]] }) { (x) throws(CressetError) in
            x[0] + 0.1
        },
        probe(
            "tiles", [.float32, .float16, .int32], ["matmul"], arguments: ["self", "mat2"],
            samples: { g in
                [
                    (1, 1, 1), (5, 7, 3), (17, 31, 9), (33, 65, 34), (2, 300, 2), (1, 40, 41), (41, 40, 1),
                    (6, 5, 530), (530, 5, 6), (2, 4100, 2),
                ].map { m, k, n in
                    [g.tensor([m, k]), g.tensor([k, n])]
                }
            }
        ) { (x) throws(CressetError) in x[0].matmul(x[1]) },
        probe(
            "large_products", [.int32, .int64], ["matmul"], arguments: ["self", "mat2"],
            samples: { g in
                [[g.tensor([3, 4], -1e9, 1e9), g.tensor([4, 5], -1e9, 1e9)]]
            }
        ) { (x) throws(CressetError) in x[0].matmul(x[1]) },
        probe(
            "no_products", [.float32, .int32], ["matmul"], arguments: ["self", "mat2"],
            samples: { g in
                [[g.tensor([3, 0]), g.tensor([0, 5])]]
            }
        ) { (x) throws(CressetError) in x[0].matmul(x[1]) },
        probe(
            "matmul_plus", [.float32, .float16, .int32], ["matmul"], arguments: ["self", "mat2", "plus"],
            samples: { g in
                [
                    [g.tensor([6, 5]), g.tensor([5, 7]), g.tensor([6, 7])],
                    [g.tensor([30, 31]), g.tensor([31, 29]), g.tensor([30, 29])],
                ]
            }
        ) { (x) throws(CressetError) in try Probe.matmul(x[0], x[1], plus: x[2]) },
        probe(
            "batches", [.float32, .int32], ["matmul"], arguments: ["self", "mat2"],
            samples: { g in
                [[g.tensor([3, 2, 4]), g.tensor([3, 5, 4])], [g.tensor([2, 2, 3, 4]), g.tensor([2, 2, 5, 4])]]
            }
        ) { (x) throws(CressetError) in x[0].matmul(x[1].transpose(-1, -2)) },
        probe(
            "large_batches", [.float32], ["matmul"], arguments: ["self", "mat2"],
            samples: { g in [[g.tensor([2, 97, 98]), g.tensor([2, 98, 99])]] }
        ) { (x) throws(CressetError) in x[0].matmul(x[1]) },
        probe("after_matmul", [.float32], ["matmul", "pointwise"], samples: { g in [[g.tensor([6, 6])]] }) {
            (x) throws(CressetError) in x[0].matmul(x[0]) * 2
        },
    ]

    // MARK: Indices, memory, random numbers

    private static func index(_ values: [Int], _ shape: Shape, _ dtype: DType) -> Tensor {
        Tensor(values.map { Int64($0) }, shape: shape, device: .reference).to(dtype)
    }

    /// Indices of every kind, memory that is written in place, random numbers.
    static let memory: [Operator] =
        [DType.int64, .int32].flatMap { dtype in
            [
                probe(
                    "gather_by_\(dtype)", few, ["gather"], arguments: ["self", "index"],
                    samples: { g in
                        [
                            [g.tensor([4, 6]), index([0, -1, 5, -6, 2, 2, 3, -3, 1, 4, -2, 0], [4, 3], dtype)],
                            [g.tensor([2, 6]), index((0..<2200).map { $0 % 11 - 5 }, [2, 1100], dtype)],
                        ]
                    }
                ) { (x) throws(CressetError) in x[0].gather(1, x[1]) },
                probe(
                    "scatter_by_\(dtype)", few, ["scatter"], arguments: ["self", "index", "source"],
                    samples: { g in
                        [
                            [
                                g.tensor([4, 6]), index([0, -1, 5, -6, 2, 2, 3, -3, 1, 1, 1, 0], [4, 3], dtype),
                                g.tensor([4, 3]),
                            ],
                            [
                                g.tensor([2, 6]), index((0..<2200).map { $0 % 11 - 5 }, [2, 1100], dtype),
                                g.tensor([2, 1100]),
                            ],
                        ]
                    }
                ) { (x) throws(CressetError) in x[0].scatterAdd(1, x[1], x[2]) },
                probe(
                    "two_indices_\(dtype)", few, ["gather"], arguments: ["self", "index", "indices"],
                    samples: { g in
                        [
                            [
                                g.tensor([4, 6]), index([0, -1, 3, 2, 2, 1], [2, 3], dtype),
                                index([5, 0, -6, 2, 4, 1], [2, 3], dtype),
                            ]
                        ]
                    }
                ) { (x) throws(CressetError) in try Probe.gather(x[0], x[1], x[2]) },
                probe("bad_index_\(dtype)", [.float32], ["gather", "scatter"], samples: { g in [[g.tensor([5])]] }) {
                    (x) throws(CressetError) in try badIndices(x[0], dtype)
                },
                // Beside a bad index the good ones count.
                probe("skipped_index_\(dtype)", few, ["scatter"], samples: { g in [[g.tensor([5])]] }) {
                    (x) throws(CressetError) in
                    let sums = x[0].clone()
                    let index = try HostTensor(Probes.index([1, 5, -6, 2], [4], dtype)).tensor(on: sums.device)
                    let values = sums.slice(0, from: 1, to: 5).clone()
                    _ = IndexErrors.launch { sums.scatterAdd_(0, index, values) }
                    _ = IndexErrors.told { () throws(CressetError) in try sums.device.synchronize() }
                    return sums
                },
            ]
        }
        + ["set", "add", "mul", "max", "min"].map { reduce in
            probe(
                "scatter_\(reduce)", [.float32, .bfloat16, .int32, .uint8, .bool], ["scatter"],
                arguments: [
                    "self", "index", "indices", "source",
                ],
                samples: { g in
                    [
                        [
                            g.tensor([3, 4]), index([0, 1, 1, 1, 2, 0, 1], [7], .int64),
                            index([3, 2, 2, 2, 0, 3, -2], [7], .int64), g.tensor([7]),
                        ]
                    ]
                }
            ) { (x) throws(CressetError) in try Probe.scatter(x[0], x[1], x[2], x[3], reduce) }
        } + [
            probe("in_place", few, samples: { g in [[g.tensor([5, 7])]] }) { (x) throws(CressetError) in
                let copy = x[0].clone()
                try Probe.doubleInPlace(copy)
                return copy
            },
            // Written through views: permuted, stepped, not from the start.
            probe(
                "into_view", few, arguments: ["self", "source"],
                samples: { g in [[g.tensor([6, 8]), g.tensor([4, 3])]] }
            ) {
                (x) throws(CressetError) in
                let copy = x[0].clone()
                copy.slice(0, from: 1, to: 6, step: 2).slice(1, from: 2, to: 6).transpose(0, 1).copy_(x[1])
                return copy
            },
            probe(
                "into_transposed", few.union([.bfloat16]), arguments: ["self", "source"],
                samples: { g in [[g.tensor([40, 35]), g.tensor([35, 40])]] }
            ) {
                (x) throws(CressetError) in
                let copy = x[0].clone()
                copy.transpose(0, 1).copy_(x[1])
                return copy
            },
            probe("uniform", .floating, samples: { g in [[g.tensor([300])]] }) { (x) throws(CressetError) in
                let stream = RandomStream(seed: 0x1234_5678_9ABC_DEF0, from: 1 << 32 - 100)
                let first = Tensor.rand(x[0].shape, dtype: x[0].dtype, device: x[0].device, stream: stream)
                let second = Tensor.rand(x[0].shape, dtype: x[0].dtype, device: x[0].device, stream: stream)
                return Tensor.stack([first, second])
            },
            probe("normal", .floating, samples: { g in [[g.tensor([300])]] }) { (x) throws(CressetError) in
                let stream = RandomStream(seed: 7, from: 41)
                return Tensor.randn(x[0].shape, dtype: x[0].dtype, device: x[0].device, stream: stream)
            },
            probe("random_integers", [.int64, .int32, .uint8], samples: { g in [[g.tensor([300])]] }) {
                (x) throws(CressetError) in
                let stream = RandomStream(seed: 7, from: 41)
                return Tensor.randint(-5, 100, x[0].shape, dtype: .int64, device: x[0].device, stream: stream)
                    .to(x[0].dtype)
            },
        ]

    /// Errors of indices just outside and far outside, each told once, and the device goes on.
    private static func badIndices(_ x: Tensor, _ dtype: DType) throws(CressetError) -> Tensor {
        let device = x.device
        var codes: [Int?] = []
        for bad in [5, -6, 1 << 30] {
            let index = try HostTensor(Probes.index([1, bad, 2], [3], dtype)).tensor(on: device)
            let steps: [() -> Tensor] = [
                { x.gather(0, index) }, { x.scatterAdd(0, index, x.slice(0, from: 0, to: 3)) },
            ]
            for step in steps {
                let atOnce = IndexErrors.launch(step)
                let later = IndexErrors.told { () throws(CressetError) in try device.synchronize() }
                codes.append(atOnce ?? later)
                codes.append(IndexErrors.told { () throws(CressetError) in try device.synchronize() })
                codes.append(IndexErrors.told { () throws(CressetError) in _ = try x.rawBytes() })
            }
        }
        // Of two errors the first is told, once.
        let index = try HostTensor(Probes.index([7], [1], dtype)).tensor(on: device)
        let first = IndexErrors.launch { x.gather(0, index) }
        let second = IndexErrors.launch { x.scatterAdd(0, index, x.slice(0, from: 0, to: 1)) }
        var told = first ?? second
        do throws(CressetError) { try device.synchronize() } catch { told = error.op.contains("gather") ? 1 : 2 }
        codes.append(told)
        codes.append(IndexErrors.told { () throws(CressetError) in try device.synchronize() })
        return IndexErrors.tensor(codes, on: device)
    }
}
