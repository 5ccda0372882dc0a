import BackendKit

/// The portable functions of numbers with bounds.
enum OracleFunctions {
    static func call(_ function: Function, _ format: FloatFormat, _ a: Bounded, _ b: Bounded?) -> Bounded {
        let value = WideFunctions.call(function, a.real, b?.real ?? 0)
        guard let spread = spread(function, value, a, b) else { return Bounded(real: value, flags: .uncertain) }
        let own = Tolerances.bound(function, format)
        return format.settle(
            value, spread: spread, ulps: own.ulps, absolute: own.absolute, wideUlps: Tolerances.wideFunctionUlps)
    }

    /// How far the function may be from `value` while its operands stay within their bounds; nil
    /// where a pole, a jump or the end of its domain is among them.
    private static func spread(_ function: Function, _ value: Wide, _ a: Bounded, _ b: Bounded?) -> Wide? {
        if a.bound == 0 && (b?.bound ?? 0) == 0 { return 0 }
        switch function {
        case .sin, .cos:
            // The slope is at most 1; extremes inside the bounds need no search.
            return value.isNaN ? 0 : min(a.bound, 2)
        case .tan:
            let period = { (x: Wide) in (x / Wide.pi + 0.5).rounded(.down) }
            if period(a.low) != period(a.high) { return nil }
        case .lgamma, .digamma:
            // Poles at 0, -1, -2, …
            if a.low <= 0 && (a.low.rounded(.up) <= a.high) { return nil }
        case .atan2:
            // The cut along the negative x axis: both sides of it are acceptable.
            if let b, b.low < 0, a.bound > 0, a.low <= 0, a.high >= 0 { return Wide.pi + value.magnitude }
        case .pow:
            let isWhole = b.map { $0.bound == 0 && $0.real == $0.real.rounded() } ?? false
            let isContinuous = isWhole && (b?.real ?? 0) >= 0
            if a.low <= 0 && !isContinuous && !(isWhole && a.high < 0) { return nil }
        default: break
        }
        return corners(function, value, a, b)
    }

    /// The greatest difference to `value` at the ends of the operands' ranges. The functions that get
    /// here are monotonic or convex in each operand, so that it is the greatest anywhere between.
    private static func corners(_ function: Function, _ value: Wide, _ a: Bounded, _ b: Bounded?) -> Wide? {
        var spread: Wide = 0
        for x in [a.low, a.high] {
            for y in b.map({ [$0.low, $0.high] }) ?? [0] {
                let corner = WideFunctions.call(function, x, y)
                if corner == value || corner.isNaN && value.isNaN { continue }
                guard corner.isFinite && value.isFinite else { return nil }
                spread = max(spread, (corner - value).magnitude)
            }
        }
        return spread
    }
}
