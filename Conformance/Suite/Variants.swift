import Cresset

extension Layout {
    /// True for what differs from the sample in its values, not only in where they lie.
    var isVariant: Bool { self == .aliased || self == .special || self == .extreme }

    /// True for a sample as it is.
    var isPlain: Bool { self == .contiguous || self == .zeroSize || self == .zeroDim }

    /// True for a sample that lies in memory in another way.
    var isMoved: Bool { !isPlain && !isVariant }
}

/// Other values in the place of a sample's own: those that go wrong first.
enum SpecialValues {
    /// Numbers that are exact or nearly so in every float type.
    private static let common: [Double] = [
        0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3, -7, 100.5, -1e-3, 1e-30, -1e-30, 1e15, -1e15, 12345,
    ]

    private static func largest(_ dtype: DType) -> Double {
        switch dtype {
        case .float16: 65504
        case .bfloat16: 0x1.FEp127
        case .float32: Double(Float.greatestFiniteMagnitude)
        default: .greatestFiniteMagnitude
        }
    }

    private static func denormals(_ dtype: DType) -> [Double] {
        switch dtype {
        case .float16: [0x1p-24, -0x1.8p-16]
        case .bfloat16, .float32: [0x1p-133, -0x1.8p-130]
        default: [.leastNonzeroMagnitude, -0x1.8p-1040]
        }
    }

    /// - Parameter overflowing: with numbers whose products leave the dtype. In a matrix product, terms of
    ///   both signs that do may sum to anything.
    static func floats(_ dtype: DType, finite: Bool, overflowing: Bool = true) -> [Double] {
        let most = largest(dtype)
        let edge = common + denormals(dtype)
        if finite && !overflowing { return edge }
        // Not both: where finite terms overflow, an infinity beside them may as well become NaN.
        return edge + (finite ? [most, -most, 1e30, -1e30] : [.infinity, -.infinity, .nan])
    }

    static func integers(_ dtype: DType) -> [Int64] {
        let bits = dtype.size * 8
        let (least, most): (Int64, Int64) =
            dtype == .uint8 ? (0, 255) : (-1 << Int64(bits - 1), (1 << Int64(bits - 2)) - 1 + (1 << Int64(bits - 2)))
        let all: [Int64] = [
            0, 1, 2, 3, 5, 7, -1, -2, -3, -8, 31, 32, 33, 63, 64, 127, -128, 200, 255, 1 << 15, 1 << 24 + 1, 1 << 31,
            1 << 32 + 1, 1 << 53 + 1, -(1 << 40), least, least &+ 1, most, most - 1,
        ]
        return all.filter { $0 >= least && $0 <= most }
    }

    /// A tensor of values drawn from those.
    static func tensor(
        _ shape: Shape, _ dtype: DType, finite: Bool, overflowing: Bool, _ maker: inout SampleMaker
    ) throws -> HostTensor {
        let count = shape.elementCount
        if dtype.isComplex {
            let pairs = Shape(Array(shape) + [2])
            let parts = try tensor(pairs, dtype.toReal, finite: finite, overflowing: overflowing, &maker)
            return HostTensor(dtype: dtype, shape: shape, bytes: parts.bytes)
        }
        if dtype == .bool {
            return try HostTensor(maker.tensor(shape, dtype: .bool))
        }
        if dtype.isFloatingPoint {
            let pool = floats(dtype, finite: finite, overflowing: overflowing)
            let values = (0..<count).map { _ in pool[maker.int(0..<pool.count)] }
            return try HostTensor(Tensor(values, shape: shape, dtype: dtype, device: .reference))
        }
        let pool = integers(dtype)
        let values = (0..<count).map { _ in pool[maker.int(0..<pool.count)] }
        return HostTensor(dtype: dtype, shape: shape, bytes: bytes(values, dtype))
    }

    static func bytes(_ values: [Int64], _ dtype: DType) -> [UInt8] {
        values.flatMap { x in (0..<dtype.size).map { UInt8(truncatingIfNeeded: x >> Int64(8 * $0)) } }
    }
}

extension CaseGroup {
    /// Arguments that say where something is, not what; and a polynomial's degree, which says how often.
    static let positions: Set<String> = [
        "index", "target", "indices", "repeats", "lengths", "offsets", "sorter", "n",
    ]
    /// The sample with special values, with extreme ones, and with arguments that share memory.
    static func variants(
        of values: [HostValue], _ op: Operator, keeping kept: Set<String>, _ maker: inout SampleMaker,
        _ used: inout [Layout: Int], limit: Int
    ) -> [(Layout, [CaseValue])] {
        guard values.flatMap(\.tensors).contains(where: { $0.count > 1 }) else { return [] }
        var made: [(Layout, [CaseValue])] = []
        for layout in [Layout.extreme, .special, .aliased] where used[layout, default: 0] < limit {
            guard let arguments = try? variant(layout, of: values, op, keeping: kept, &maker) else { continue }
            used[layout, default: 0] += 1
            made.append((layout, arguments))
        }
        return made
    }

    private static func variant(
        _ layout: Layout, of values: [HostValue], _ op: Operator, keeping kept: Set<String>, _ maker: inout SampleMaker
    ) throws -> [CaseValue]? {
        if layout == .aliased { return aliased(values, op, keeping: kept) }
        let overflowing = !op.multipliesMatrices
        var changes = false
        func other(_ x: HostTensor, _ name: String) throws -> Placed {
            if positions.contains(name) || kept.contains(name) || layout == .special && !x.dtype.hasGradient {
                return Placed(x)
            }
            changes = true
            return Placed(
                try SpecialValues.tensor(
                    x.shape, x.dtype, finite: layout == .extreme, overflowing: overflowing, &maker))
        }
        let arguments = try values.enumerated().map { i, value -> CaseValue in
            let name = i < op.schema.arguments.count ? op.schema.arguments[i].name : ""
            switch value {
            case .plain(let x): return .plain(x)
            case .tensor(let x): return .tensor(try other(x, name))
            case .tensors(let list): return .tensors(try list.map { try other($0, name) })
            case .optionalTensors(let list):
                return .optionalTensors(try list.map { x in try x.map { try other($0, name) } })
            case .device: return .device
            }
        }
        return changes ? arguments : nil
    }

    /// The first two arguments of one shape and dtype in one memory.
    static func aliased(_ values: [HostValue], _ op: Operator, keeping kept: Set<String>) -> [CaseValue]? {
        let tensors = values.indices.compactMap { i -> (Int, HostTensor)? in
            let name = op.schema.arguments[i].name
            guard case .tensor(let x) = values[i], !positions.contains(name), !kept.contains(name) else { return nil }
            return x.count > 1 ? (i, x) : nil
        }
        for (n, (i, x)) in tensors.enumerated() {
            guard let (j, _) = tensors[(n + 1)...].first(where: { $0.1.shape == x.shape && $0.1.dtype == x.dtype })
            else { continue }
            let (first, second) = Placed.aliased(x)
            return values.enumerated().map { k, value in
                switch value {
                case .plain(let x): .plain(x)
                case .tensor(let x): .tensor(k == i ? first : k == j ? second : Placed(x))
                case .tensors(let list): .tensors(list.map { Placed($0) })
                case .optionalTensors(let list): .optionalTensors(list.map { $0.map { Placed($0) } })
                case .device: .device
                }
            }
        }
        return nil
    }
}

extension Case {
    /// Bytes in front of the tensors of this case: none as mostly, so many that nothing is aligned,
    /// or so many that all is and nothing begins its buffer. A smaller case has as many as the whole.
    var guardBytes: Int { [0, 80, 0, 256][Int(wholeID.stableHash % 4)] }
}

extension Operator {
    /// True if a matrix product is among what it is made of, or what that is made of.
    fileprivate var multipliesMatrices: Bool {
        // (A family may have the name of an operation, which is made of it: "gather".)
        composition.contains {
            $0 == "matmul" || ($0.contains("::") && $0 != name && Operators.find($0)?.multipliesMatrices == true)
        }
    }
}
