import Cresset

/// What the boundary promises and no declared sample asks for, as operations of the suite's own: each
/// is run on the oracle and on the device like any other, in every layout.
enum Probes {
    static let all: [Operator] = instructions + casts + narrowings + powers + shapes + memory + queues

    /// Those that take long, besides.
    static func all(of tier: Tier) -> [Operator] { tier == .deep ? all + large : all }

    typealias Call = @Sendable ([Tensor]) throws(CressetError) -> Tensor

    /// An operation on tensors alone.
    static func probe(
        _ name: String, _ dtypes: Set<DType>, _ composition: [String] = ["pointwise"], arguments: [String] = ["self"],
        samples: @escaping @Sendable (inout SampleMaker) -> [[Tensor]], call: @escaping Call
    ) -> Operator {
        Operator(
            "probe::\(name)(\(arguments.map { "Tensor \($0)" }.joined(separator: ", "))) -> Tensor", dtypes: dtypes,
            composition: composition, isDifferentiable: false,
            samples: { g in samples(&g).map { Sample($0.map { .tensor($0) }) } },
            call: { (values) throws(CressetError) in
                var tensors: [Tensor] = []
                for name in arguments { tensors.append(try values.tensor(name)) }
                return [.tensor(try call(tensors))]
            })
    }

    // MARK: Every instruction

    private static let computed: Set<DType> = [.float64, .float32, .int64, .int32]
    private static let whole: Set<DType> = [.int64, .int32]
    private static let real: Set<DType> = [.float64, .float32]

    private static let instructions: [Operator] = {
        let unary: [(String, Set<DType>)] = [
            ("neg", computed), ("abs", computed), ("not", whole.union([.bool])), ("sqrt", real), ("floor", real),
            ("ceil", real), ("trunc", real), ("round", real),
        ]
        let binary: [(String, Set<DType>)] = [
            ("add", computed), ("sub", computed), ("mul", computed), ("div", computed), ("rem", computed),
            ("min", computed), ("max", computed), ("and", whole.union([.bool])), ("or", whole.union([.bool])),
            ("xor", whole.union([.bool])), ("shl", whole), ("shr", whole), ("ushr", whole),
        ]
        let comparisons = ["eq", "ne", "lt", "le"]
        return unary.map { name, dtypes in
            probe(name, dtypes, samples: { [[line(&$0)]] }) { (x) throws(CressetError) in
                try Probe.instruction(name, x, to: x[0].dtype)
            }
        }
            + binary.map { name, dtypes in
                probe(name, dtypes, arguments: ["self", "other"], samples: { pairs(&$0) }) { (x) throws(CressetError) in
                    try Probe.instruction(name, x, to: x[0].dtype)
                }
            }
            + comparisons.map { name in
                probe(name, computed, arguments: ["self", "other"], samples: { pairs(&$0) }) {
                    (x) throws(CressetError) in
                    try Probe.instruction(name, x, to: .bool)
                }
            } + [
                probe(
                    "select", computed, arguments: ["condition", "self", "other"],
                    samples: { g in
                        pairs(&g).map { [g.tensor($0[0].shape, dtype: .bool)] + $0 }
                    }
                ) { (x) throws(CressetError) in try Probe.instruction("select", x, to: x[1].dtype) },
                // Products and sums that one rounding and two tell apart.
                probe(
                    "fma", real, arguments: ["a", "b", "c"],
                    samples: { g in
                        let (a, b) = (g.tensor([64]), g.tensor([64]))
                        return [[a, b, -(a * b)], [g.tensor([6, 7]), g.tensor([6, 7]), g.tensor([6, 7])]]
                    }
                ) { (x) throws(CressetError) in try Probe.instruction("fma", x, to: x[0].dtype) },
                probe(
                    "multiply_add", real, arguments: ["a", "b", "c"],
                    samples: { g in
                        let (a, b) = (g.tensor([64]), g.tensor([64]))
                        return [[a, b, -(a * b)]]
                    }
                ) { (x) throws(CressetError) in x[0] * x[1] + x[2] },
            ]
            + (0..<4).map { word in
                probe("philox\(word)", [.int64], arguments: ["key", "counter"], samples: { pairs(&$0) }) {
                    (x) throws(CressetError) in try Probe.instruction("philox", x, to: .int32, word: word)
                }
            }
    }()

    /// Every special value once.
    private static func line(_ g: inout SampleMaker) -> Tensor {
        g.dtype == .bool ? g.tensor([8]) : special(g.dtype)
    }

    private static func special(_ dtype: DType) -> Tensor {
        if dtype.isFloatingPoint {
            let values = SpecialValues.floats(dtype, finite: false)
            return Tensor(values, shape: [values.count], dtype: dtype, device: .reference)
        }
        return Tensor(SpecialValues.integers(.int64), device: .reference).to(dtype)
    }

    /// Each special value with each, and some in a matrix for the layouts.
    private static func pairs(_ g: inout SampleMaker) -> [[Tensor]] {
        let x = line(&g)
        let n = x.numel
        let first = x.unsqueeze(1).expand([n, n]).reshape([-1])
        let second = x.unsqueeze(0).expand([n, n]).reshape([-1])
        return [[first, second], [g.tensor([5, 6]), g.tensor([5, 6])]]
    }

    // MARK: Casts

    private static let casts: [Operator] =
        [DType.bool, .uint8, .int8, .int16, .int32, .int64, .float16, .bfloat16, .float32, .float64].map { target in
            probe(
                "to_\(target)", .real,
                samples: { g in
                    guard g.dtype.isFloatingPoint else { return [[line(&g)], [g.tensor([3, 5], -100, 100)]] }
                    // Beside the special values: ties and halves of the narrower types, ends of the integers.
                    let values: [Double] = [
                        0.4, 0.6, -0.4, 2.5, 3.5, 127.5, 128, 255, 256, 257, -129, 300.7, 65519, 65520, 65536, 1e6,
                        0x1p31,
                        -0x1p31, 0x1p32, 0x1.1p33, 0x1p63, -0x1p63, 1.00390625, 1.01171875, 1.00048828125, 2049, 2051,
                        0x1p-25, 0x1.8p-25, 3.3e38, 3.4e38,
                    ]
                    return [
                        [line(&g)], [Tensor(values, dtype: g.dtype, device: .reference)],
                        [g.tensor([3, 5], -100, 100)],
                    ]
                }
            ) { (x) throws(CressetError) in x[0].to(target) }
        }

    /// NARROW where nothing is stored at once: a device that leaves it out is as good as one that does not, but for
    /// whoever reads the value next.
    private static let narrowings: [Operator] =
        [(DType.float32, DType.float16), (.float32, .bfloat16), (.int32, .int8), (.int32, .uint8), (.int32, .int16)]
        .map { wide, target in
            probe("narrow_\(target)", [wide], samples: { g in [[line(&g)], [g.tensor([3, 5], -70_000, 70_000)]] }) {
                (x) throws(CressetError) in try Probe.narrow(x[0], to: target)
            }
        }

    /// Exponents with bits set all the way up.
    private static let powers: [Operator] = [
        probe(
            "integer_powers", [.int8, .int16, .int32, .int64], arguments: ["self", "exponent"],
            samples: { g in
                let bits = (0..<g.dtype.size * 8 - 1).map { Int64(1) << Int64($0) }
                let exponents = Tensor(bits + bits.map { $0 | 5 }, device: .reference).to(g.dtype)
                return [[exponents * 0 + 3, exponents], [exponents * 0 - 5, exponents]]
            }
        ) { (x) throws(CressetError) in x[0].pow(x[1]) }
    ]

    // MARK: Queues

    private static let queues: [Operator] = [
        // The same programs on both queues with other numbers, nothing waited for in between.
        probe("two_queues", [.float32, .int32], samples: { g in [[g.tensor([40])]] }) { (x) throws(CressetError) in
            let here = x[0]
            let there = try HostTensor(here).tensor(on: try here.device.twin())
            var (a, b) = (here, there)
            for step in 1...4 {
                a = a * Scalar(step + 1)
                b = b * Scalar(-step)
                a = a + Scalar(3 * step)
                b = b - Scalar(step)
            }
            let other = try HostTensor(b).tensor(on: here.device)
            return Tensor.stack([a, other])
        },
        // An error of one queue is told to nobody who waits for the other.
        probe("error_of_other_queue", [.float32], ["gather"], samples: { g in [[g.tensor([5])]] }) {
            (x) throws(CressetError) in
            let twin = try x[0].device.twin()
            let there = try HostTensor(x[0]).tensor(on: twin)
            let index = try HostTensor(Tensor([7] as [Int64], device: .reference)).tensor(on: twin)
            let failing = IndexErrors.launch { there.gather(0, index) }
            let here = IndexErrors.told { () throws(CressetError) in try x[0].device.synchronize() }
            let other = IndexErrors.told { () throws(CressetError) in try twin.synchronize() }
            return IndexErrors.tensor([failing ?? other, here], on: x[0].device)
        },
    ]
}

extension Operator {
    /// True for an operation of the suite's own.
    var isProbe: Bool { name.hasPrefix("probe::") }
}

/// Errors as numbers, which the oracle's can be compared with.
enum IndexErrors {
    /// 0: none; 1: an index error that names an operation of gather's or scatter's; 2: another.
    static func told(_ body: () throws(CressetError) -> Void) -> Int? {
        do throws(CressetError) {
            try body()
            return nil
        } catch {
            let names = ["gather", "scatter", "index_select", "index_add"]
            return error.kind == .index && names.contains(where: { error.op.contains($0) }) ? 1 : 2
        }
    }

    /// Launches without waiting; backends that find out at once may say so at once.
    static func launch(_ body: () -> Tensor) -> Int? {
        told { () throws(CressetError) in
            do {
                _ = try catchingNow(body)
            } catch {
                throw error as? CressetError ?? CressetError(.internal, op: "launch", "\(error)")
            }
        }
    }

    static func tensor(_ codes: [Int?], on device: Device) -> Tensor {
        Tensor(codes.map { Int64($0 ?? 0) }, device: device)
    }
}
