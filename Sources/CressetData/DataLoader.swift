import Synchronization

/// Cuts a dataset into batches.
///
/// Each `for` loop over it is an epoch with an order of its own, which depends on the seed and the epoch alone: the same
/// on every device and in every run.
public final class DataLoader<Data: Dataset>: Sequence {
    public let dataset: Data
    public let batchSize: Int
    public let shuffle: Bool
    public let seed: UInt64
    public let dropLast: Bool
    private let epochs: Atomic<Int>

    /// Batches of `batchSize` samples; the last one has what remains, unless `dropLast` leaves it out.
    public init(
        _ dataset: Data, batchSize: Int = 1, shuffle: Bool = false, seed: UInt64 = 0, dropLast: Bool = false
    ) {
        precondition(batchSize > 0, "DataLoader: batchSize \(batchSize) should be positive")
        self.dataset = dataset
        self.batchSize = batchSize
        self.shuffle = shuffle
        self.seed = seed
        self.dropLast = dropLast
        epochs = Atomic(0)
    }

    /// Number of the epoch that the next loop runs; set it to take up a training where it stopped.
    public var epoch: Int {
        get { epochs.load(ordering: .relaxed) }
        set { epochs.store(newValue, ordering: .relaxed) }
    }

    /// Batches in an epoch.
    public var count: Int {
        dropLast ? dataset.count / batchSize : (dataset.count + batchSize - 1) / batchSize
    }

    /// The order of the samples in that epoch.
    public func order(epoch: Int) -> [Int64] {
        let range = 0..<Int64(dataset.count)
        return shuffle ? SplitMix64(seed: seed, stream: UInt64(bitPattern: Int64(epoch))).shuffled(range) : Array(range)
    }

    public var underestimatedCount: Int { count }

    public func makeIterator() -> Iterator {
        let epoch = epochs.wrappingAdd(1, ordering: .relaxed).oldValue
        return Iterator(dataset: dataset, order: order(epoch: epoch), batchSize: batchSize, remaining: count)
    }

    /// The batches of one epoch.
    public struct Iterator: IteratorProtocol {
        let dataset: Data
        let order: [Int64]
        let batchSize: Int
        var position = 0
        var remaining: Int

        init(dataset: Data, order: [Int64], batchSize: Int, remaining: Int) {
            self.dataset = dataset
            self.order = order
            self.batchSize = batchSize
            self.remaining = remaining
        }

        public mutating func next() -> Data.Batch? {
            guard remaining > 0 else { return nil }
            remaining -= 1
            let end = Swift.min(position + batchSize, order.count)
            defer { position = end }
            return dataset.batch(order[position..<end])
        }
    }
}

extension DataLoader: Sendable where Data: Sendable {}

/// Steele, Lea and Flood's generator: small, and the same everywhere.
struct SplitMix64 {
    private var state: UInt64

    /// The sequence of that seed and stream.
    init(seed: UInt64, stream: UInt64) {
        // Mixing the seed first keeps (seed, stream + 1) away from (seed + 1, stream).
        var seeding = SplitMix64(state: seed)
        state = seeding.next() &+ stream &* 0xD1B5_4A32_D192_ED03
    }

    private init(state: UInt64) { self.state = state }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number below `bound`, each as likely as another.
    mutating func next(below bound: UInt64) -> UInt64 {
        // Of 2⁶⁴ draws the first 2⁶⁴ mod bound would make some results likelier: they are drawn again.
        let unfair = (0 &- bound) % bound
        while true {
            let product = next().multipliedFullWidth(by: bound)
            if product.low >= unfair { return product.high }
        }
    }

    /// Fisher and Yates.
    consuming func shuffled(_ range: Range<Int64>) -> [Int64] {
        var order = Array(range)
        for i in stride(from: order.count - 1, to: 0, by: -1) {
            order.swapAt(i, Int(next(below: UInt64(i + 1))))
        }
        return order
    }
}
