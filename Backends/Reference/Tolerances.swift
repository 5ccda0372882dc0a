import BackendKit
import CBackend

/// How far a right device may be from the mathematics: the one table.
///
/// An ulp is the distance of neighbouring numbers of the format at the result, never less than the
/// smallest denormal.
enum Tolerances {
    /// c in c·√k·u·Σ|aᵢ|, u half an ulp of 1: sums in any order stay within it with a chance beyond
    /// doubt, and within (k - 1)·u·Σ|aᵢ| with certainty, so the smaller of the two is used. Measured
    /// products of honest devices reach 1.2 to 3.3.
    static let accumulation = 4.0

    /// Ulps of an instruction's own rounding. Half an ulp means "correctly rounded": then exact
    /// operands give exactly one right result.
    static func ulps(_ opcode: Opcode) -> Double {
        switch opcode {
        case .add, .sub, .mul: 0.5  // IEEE; nothing is contracted
        case .fma: 0.5  // rounds once by definition
        case .div: 0.5  // the header says IEEE
        case .sqrt: 0.5  // correctly rounded where the device can; a device that cannot must say so
        case .cast: 0.5  // to nearest even, both from integers and from float64
        case .narrow, .store: 0.5  // to nearest even
        default: 0  // signs, choices, comparisons, integers, moves: exact
        }
    }

    /// Bound of a portable function, from the measured table beside its source: `ulps` ulps of the
    /// result and `absolute` beside them. Ours keep it on every device, and a native function may
    /// take its place only where it keeps it too.
    static func bound(_ function: Function, _ format: FloatFormat) -> (ulps: Double, absolute: Wide) {
        let row = cresset_ulp_bound(Int32(function.rawValue), format.precision == 53 ? 1 : 0)
        return (row.ulps, Wide(row.units) * format.unitRoundoff)
    }

    /// Ulps of `Wide` by which the C library's extended functions, and ours built on them, may be
    /// wrong. Theirs is 1 to 5 in its own tables; a few instructions of ours come on top.
    static let wideFunctionUlps: Wide = 32

    /// What first-order bounds leave out.
    static let slack: Wide = 1 + 0x1p-10

    /// Ulps of `Wide` for a plain operation in it.
    static let wideUlps: Wide = 2
}
