import BackendKit

extension Oracle {
    static func reduce(_ kind: Reduction, _ type: ArithmeticType, _ lanes: [Bounded]) -> [Bounded] {
        let rounded = exact(Exact.reduce(kind, type, block(lanes, type)))[0]
        if kind.isArgument { return [argument(kind, type, lanes, rounded)] }
        let anything = Bounded(real: rounded.real, integer: rounded.integer, flags: .uncertain)
        if type == .bool { return [either(kind, lanes, rounded)] }
        if !type.isFloat && lanes.allSatisfy(\.isExact) { return [rounded] }
        if lanes.contains(where: { !$0.flags.isEmpty }) { return [anything] }
        if type.isFloat && lanes.contains(where: \.real.isNaN) { return [Bounded(real: .nan)] }
        switch kind {
        case .max, .min: return [extreme(kind, type, lanes, rounded)]
        case .sum where type.isFloat:
            return [FloatSum(lanes.map(FloatSum.Term.init)).result(FloatFormat(type), roundings: lanes.count - 1)]
        case .prod where type.isFloat: return [product(lanes, FloatFormat(type)) ?? anything]
        case .sum:
            let reach = lanes.reduce(0) { $0 + Wide($1.integer).magnitude + $1.bound }
            let isInRange = reach < (type == .i32 ? 0x1p31 : 0x1p63)
            return [isInRange ? Bounded(integer: rounded.integer, bound: lanes.reduce(0) { $0 + $1.bound }) : anything]
        default: return [anything]
        }
    }

    static func dot(_ type: ArithmeticType, _ x: [Bounded], _ y: [Bounded]) -> [Bounded] {
        let rounded = exact(Exact.dot(type, block(x, type), block(y, type)))[0]
        let anything = Bounded(real: rounded.real, integer: rounded.integer, flags: .uncertain)
        let lanes = x + y
        if lanes.contains(where: { !$0.flags.isEmpty }) { return [anything] }
        if type.isFloat {
            // A product rounds, and so does every addition but the first.
            return [FloatSum(zip(x, y).map(FloatSum.Term.init)).result(FloatFormat(type), roundings: x.count)]
        }
        return [lanes.allSatisfy(\.isExact) ? rounded : anything]
    }

    /// Bools: "or" is decided by one true, "and" by one false.
    private static func either(_ kind: Reduction, _ lanes: [Bounded], _ rounded: Bounded) -> Bounded {
        let deciding: Int64 =
            switch kind {
            case .sum, .max, .any: 1
            default: 0
            }
        if lanes.contains(where: { $0.isExact && $0.integer == deciding }) { return Bounded(integer: deciding) }
        return lanes.allSatisfy(\.isExact) ? rounded : Bounded(integer: rounded.integer, flags: .uncertain)
    }

    private static func extreme(
        _ kind: Reduction, _ type: ArithmeticType, _ lanes: [Bounded], _ rounded: Bounded
    ) -> Bounded {
        guard !lanes.isEmpty && !lanes.allSatisfy(\.isExact) else { return rounded }
        let of: ([Wide]) -> Wide = { (kind == .max ? $0.max() : $0.min()) ?? 0 }
        let values = lanes.map { type.isFloat ? $0.real : Wide($0.integer) }
        let value = of(values)
        if !value.isFinite { return rounded }
        let low = of(zip(values, lanes).map { $0 - $1.bound })
        let high = of(zip(values, lanes).map { $0 + $1.bound })
        let bound = max(high - value, value - low)
        return type.isFloat ? Bounded(real: value, bound: bound) : Bounded(integer: rounded.integer, bound: bound)
    }

    /// Uncertain when another element may be the greatest (least) or equal to it.
    private static func argument(
        _ kind: Reduction, _ type: ArithmeticType, _ lanes: [Bounded], _ rounded: Bounded
    ) -> Bounded {
        let anything = Bounded(integer: rounded.integer, flags: .uncertain)
        if lanes.allSatisfy(\.isExact) { return rounded }
        if lanes.contains(where: { !$0.flags.isEmpty }) { return anything }
        let sign: Wide = kind == .argmax ? 1 : -1
        let values = lanes.map { sign * (type.isFloat ? $0.real : Wide($0.integer)) }
        let best = Int(rounded.integer)
        if values[best].isNaN { return rounded }
        let isContested = lanes.indices.contains { i in
            i != best && lanes[i].bound + lanes[best].bound > 0
                && values[i] + lanes[i].bound >= values[best] - lanes[best].bound
        }
        return isContested ? anything : rounded
    }

    /// Π aᵢ: each of k - 1 roundings may move it by u, relatively; nil if an order of multiplication
    /// may overflow on the way.
    private static func product(_ lanes: [Bounded], _ format: FloatFormat) -> Bounded? {
        let roundings = max(lanes.count - 1, 0)
        let value = lanes.reduce(1) { $0 * $1.real }
        if !value.isFinite {
            guard lanes.allSatisfy(\.isExact) else { return nil }
            // Where a partial product of small factors becomes 0, it makes NaN of an infinity.
            let least = lanes.reduce(1) { $1.real.isFinite ? $0 * min($1.real.magnitude, 1) : $0 }
            return value.isNaN || least > 2 * format.leastDenormal ? Bounded(real: value) : nil
        }
        let magnitude = lanes.reduce(1) { $0 * $1.real.magnitude }
        let greatest = lanes.reduce(1) { $0 * ($1.real.magnitude + $1.bound) }
        let partial = lanes.reduce(1) { $0 * max($1.real.magnitude + $1.bound, 1) }
        if !(partial < format.overflow) { return nil }
        let growth = Wide(roundings) * format.unitRoundoff * Tolerances.slack
        // Where a partial product is denormal its error is absolute and the other factors enlarge it.
        let underflow = Wide(roundings) * format.leastDenormal / 2 * partial
        let spread = (greatest - magnitude) + greatest * growth + (growth > 0 ? underflow : 0)
        return format.settle(value, spread: spread, ulps: 0, wideUlps: Wide(lanes.count))
    }
}

/// A sum of floats with bounds, or of products of such.
private struct FloatSum {
    struct Term {
        var value: Wide
        var bound: Wide
        /// The value is a whole multiple of 2^this; nil for zero.
        var lowestBit: Int?
    }

    let terms: [Term]

    init(_ terms: [Term]) { self.terms = terms }

    func result(_ format: FloatFormat, roundings: Int) -> Bounded {
        let value = terms.reduce(0) { $0 + $1.value }
        let magnitude = terms.reduce(0) { $0 + $1.value.magnitude }
        let spread = terms.reduce(0) { $0 + $1.bound }
        let anything = Bounded(real: value, flags: .uncertain)
        if !value.isFinite {
            // ∞ or ∞ - ∞, if it is not the finite terms that make it.
            let finite = terms.reduce(0) { $0 + ($1.value.isFinite ? $1.value.magnitude + $1.bound : 0) }
            return finite < format.overflow ? Bounded(real: value) : anything
        }
        if spread == 0 && isExact(format, magnitude) { return Bounded(real: value) }
        // With terms of both signs a partial sum may overflow though the whole does not.
        if magnitude + spread >= format.overflow && value.magnitude < magnitude { return anything }
        let k = Wide(max(roundings, 0))
        let factor = min(k, Wide(Tolerances.accumulation) * k.squareRoot()) * Tolerances.slack
        let rounding = factor * format.unitRoundoff * (magnitude + spread) + k * format.leastDenormal / 2
        let wide = Wide(terms.count) * Wide.ulpOfOne * magnitude
        return format.settle(value, spread: spread + rounding + wide, ulps: 0)
    }

    /// Whether no addition can round, in whatever order: all terms are multiples of one power of two
    /// and even their absolute sum has no more digits than the format. Sums of whole numbers are such.
    private func isExact(_ format: FloatFormat, _ magnitude: Wide) -> Bool {
        guard let lowest = terms.compactMap(\.lowestBit).min() else { return true }
        let unit = Wide(sign: .plus, exponent: lowest, significand: 1)
        return unit >= format.leastDenormal
            && magnitude <= unit * Wide(sign: .plus, exponent: format.precision, significand: 1)
    }
}

extension FloatSum.Term {
    fileprivate init(_ x: Bounded) { self.init(value: x.real, bound: x.bound, lowestBit: x.real.lowestBit) }

    fileprivate init(_ factors: (Bounded, Bounded)) {
        let (a, b) = factors
        let bits = a.real.lowestBit.flatMap { p in b.real.lowestBit.map { p + $0 } }
        self.init(value: a.real * b.real, bound: a.productSpread(b), lowestBit: bits)
    }
}

extension Wide {
    /// The exponent of the lowest bit that is 1; nil for zero and what is not finite.
    fileprivate var lowestBit: Int? {
        isFinite && self != 0 ? Int(exponent) - significandWidth : nil
    }
}
