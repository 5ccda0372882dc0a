import Cresset

/// How much of a device is looked at.
package enum Tier: String, CaseIterable, Sendable {
    /// A choice in which each operation, dtype and direction still occurs, as does each kernel.
    case smoke
    /// Every sample, and every layout that makes a difference, a few times an operation.
    case full
    /// Several seeds, every layout of every sample, and sizes round those at which kernels change their ways.
    case deep

    /// Seconds for a device on two cores, compiled kernels at hand.
    package var budget: Double? {
        switch self {
        case .smoke: 60
        case .full: 600
        case .deep: nil
        }
    }

    /// Samples of an operation and dtype that are laid out in the same other way at most.
    var layoutLimit: Int { self == .deep ? .max : 3 }

    /// Samples of an operation and dtype that are given other values, of each kind, at most.
    var variantLimit: Int { self == .deep ? .max : 2 }

    /// What the samples' numbers are drawn from, one after another.
    func seeds(from seed: UInt64) -> [UInt64] { self == .deep ? [seed, seed &+ 1, seed &+ 2] : [seed] }
}

/// A choice of cases that is the same in every process.
struct SmokeChoice {
    /// Where the choice begins: another place for each operation and dtype, so that together they have
    /// every layout.
    private var turn: UInt64

    init(_ op: String, _ dtype: DType, seed: UInt64) {
        turn = (op.stableHash >> 7) &+ UInt64(dtype.rawValue) &+ seed
    }

    /// Of each direction the sample as it is, one that lies in memory in another way, and one with other values.
    mutating func choose(_ cases: [Case], isProbe: Bool) -> [Case] {
        var chosen: [Case] = []
        for direction in Direction.allCases {
            let all = cases.filter { $0.cell.direction == direction }
            let plain = all.filter { $0.cell.layout.isPlain }
            // Each sample of a probe is there for a reason of its own.
            chosen += isProbe ? plain : one(of: plain).map { [$0] } ?? []
            if let moved = one(of: all.filter { $0.cell.layout.isMoved }) { chosen.append(moved) }
            if let variant = one(of: all.filter { $0.cell.layout.isVariant }) { chosen.append(variant) }
        }
        return chosen
    }

    /// The layouts take turns, and so do the samples of each.
    private mutating func one(of cases: [Case]) -> Case? {
        var layouts: [Layout] = []
        for item in cases where !layouts.contains(item.cell.layout) { layouts.append(item.cell.layout) }
        guard !layouts.isEmpty else { return nil }
        let layout = layouts[Int(turn % UInt64(layouts.count))]
        turn &+= 1
        let candidates = cases.filter { $0.cell.layout == layout }
        return candidates[Int(turn % UInt64(candidates.count))]
    }
}
