/// Which device memory the commands since the last barrier have used, to tell when the next needs one.
struct Hazards {
    private struct Range {
        var low: UInt64
        var high: UInt64
        var writes: Bool
    }

    private var ranges: [Range] = []
    /// Ranges before this belong to commands that are recorded, the rest to the one about to be.
    private var recorded = 0
    private var conflict = false
    /// Comparing longer lists costs more than the barrier it may save.
    private static let limit = 96

    init() { ranges.reserveCapacity(2 * Self.limit) }

    mutating func add(_ low: UInt64, _ bytes: UInt64, writes: Bool) {
        let new = Range(low: low, high: low &+ bytes, writes: writes)
        if !conflict {
            for old in ranges[..<recorded]
            where (old.writes || writes) && old.low < new.high && new.low < old.high {
                conflict = true
                break
            }
        }
        ranges.append(new)
    }

    /// Says whether the command about to be recorded needs a barrier, and counts it as recorded.
    mutating func settle() -> Bool {
        let barrier = conflict || ranges.count > Self.limit
        if barrier { ranges.removeFirst(recorded) }
        conflict = false
        recorded = ranges.count
        return barrier
    }

    /// After a barrier.
    mutating func clear() {
        ranges.removeAll(keepingCapacity: true)
        recorded = 0
        conflict = false
    }
}
