/// Makes the arguments of conformance cases, the same for the same seed everywhere.
///
/// Tensors are made on the reference device from integers of a counter-based generator; the suite
/// lays them out in other ways and copies them to the device under test.
public struct SampleMaker: Sendable {
    public let dtype: DType
    private var state: UInt64

    public init(dtype: DType, seed: UInt64) {
        self.dtype = dtype
        state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678
    }

    /// The next 64 bits: SplitMix64 (Steele, Lea, Flood 2014).
    public mutating func bits() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    public mutating func unit() -> Double { Double(bits() >> 11) * 0x1p-53 }

    public mutating func int(_ range: Range<Int>) -> Int { range.lowerBound + Int(bits() % UInt64(range.count)) }

    /// A tensor of values that suit the dtype: floats in `low` … `high`, integers within it too (not
    /// below 0 for unsigned), bools at random, both parts of complex numbers.
    public mutating func tensor(_ shape: Shape, _ low: Double = -4, _ high: Double = 4, dtype: DType? = nil) -> Tensor {
        let dtype = dtype ?? self.dtype
        if dtype.isComplex {
            // Both parts from the range.
            let parts = (0..<2 * shape.elementCount).map { _ in low + (high - low) * unit() }
            return Tensor(parts, shape: Shape(Array(shape) + [2]), dtype: dtype.toReal, device: .reference)
                .viewAsComplex()
        }
        let values = (0..<shape.elementCount).map { _ -> Double in
            let x = low + (high - low) * unit()
            switch dtype {
            case .bool: return unit() < 0.5 ? 0 : 1
            case .uint8: return x.magnitude.rounded(.down)
            case _ where dtype.isInteger: return x.rounded(.down)
            default: return x
            }
        }
        return Tensor(values, shape: shape, dtype: dtype, device: .reference)
    }

    /// A sample for each shape, of a tensor of that shape and the other arguments.
    public mutating func samples(_ cases: [(Shape, [Value])]) -> [Sample] {
        cases.map { Sample([.tensor(tensor($0))] + $1) }
    }

    /// An int64 tensor of indices below `size`.
    public mutating func indices(_ shape: Shape, below size: Int) -> Tensor {
        let values = (0..<shape.elementCount).map { _ in int(0..<Swift.max(size, 1)) }
        return Tensor(values, shape: shape, device: .reference)
    }

    /// Values that are all different, in random order: for max, sort and the like, where ties would
    /// make the gradient ambiguous.
    public mutating func distinct(_ shape: Shape) -> Tensor {
        var values = (0..<shape.elementCount).map { Double($0) - Double(shape.elementCount / 2) }
        for i in values.indices.reversed() where i > 0 { values.swapAt(i, int(0..<(i + 1))) }
        if dtype == .uint8 || dtype == .bool { values = values.map(\.magnitude) }
        return Tensor(values, shape: shape, dtype: dtype, device: .reference)
    }
}

/// One call the conformance suite makes.
public struct Sample: Sendable {
    public var values: [Value]
    /// False where the result is not a smooth function of the inputs at this point.
    public var checksGradient = true
    /// False where other values in its tensors would make no valid call.
    public var takesOtherValues = true
    /// Arguments of which that is so while others take any: a place, a probability, edges in order.
    public var keeping: Set<String> = []

    public init(
        _ values: [Value], checksGradient: Bool = true, takesOtherValues: Bool = true, keeping: Set<String> = []
    ) {
        self.values = values
        self.checksGradient = checksGradient
        self.takesOtherValues = takesOtherValues
        self.keeping = keeping
    }
}

/// A call that must be refused.
public struct ErrorSample: Sendable {
    public var values: [Value]
    /// What the message must say: each of these occurs in it.
    public var words: [String]
    /// The argument, counted from 0, that lies on another device than the others; nil where all are on one.
    public var elsewhere: Int?

    public init(_ values: [Value], _ words: String...) { self.init(values, words: words) }

    public init(_ values: [Value], words: [String]) {
        self.values = values
        self.words = words
    }
}
