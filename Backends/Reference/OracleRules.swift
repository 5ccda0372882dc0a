import BackendKit

/// The result of one instruction of which an operand is not exact, or of a function.
struct Rules {
    let ins: Instruction
    /// Of the operands.
    let type: ArithmeticType
    let x: [Bounded]
    /// What the reference device gets from the operands' nearest numbers: its value stands in where
    /// nothing is certain.
    let rounded: Bounded

    private var a: Bounded { x[0] }
    private var b: Bounded { x[1] }
    private var anything: Bounded { Bounded(real: rounded.real, integer: rounded.integer, flags: .uncertain) }

    var result: Bounded {
        if let decided { return decided }
        if ins.opcode == .select && a.isUncertain { return hull(x[1], x[2]) }
        if x.contains(where: \.isUncertain) { return anything }
        if x.contains(where: { $0.flags.contains(.maybeInfinite) }) && !isMove { return anything }
        return type.isFloat ? floats : integers
    }

    /// Instructions that leave "perhaps infinite" as it is.
    private var isMove: Bool {
        switch ins.opcode {
        case .neg, .abs, .select, .narrow: true
        case .cast: ins.type.isFloat
        default: false
        }
    }

    /// Results that do not depend on the operand that is uncertain.
    private var decided: Bounded? {
        func has(_ value: Int64) -> Bool { x.contains { $0.isExact && $0.integer == value } }
        if type == .bool {
            switch ins.opcode {
            case .and, .mul, .min: return has(0) ? Bounded(integer: 0) : nil
            case .or, .add, .max: return has(1) ? Bounded(integer: 1) : nil
            default: break
            }
        }
        if ins.opcode == .select, a.isExact { return a.integer != 0 ? x[1] : x[2] }
        if type.isFloat && !ins.opcode.isComparison && ins.opcode != .cast && ins.opcode != .call
            && x.contains(where: { $0.isExact && $0.real.isNaN })
        {
            return Bounded(real: .nan)
        }
        return nil
    }

    /// What a SELECT by an uncertain condition gives: the branch that is likely, with a bound that
    /// reaches over the other one.
    private func hull(_ yes: Bounded, _ no: Bounded) -> Bounded {
        guard yes.flags.isEmpty && no.flags.isEmpty else { return anything }
        let (likely, other) = a.integer != 0 ? (yes, no) : (no, yes)
        if type.isFloat {
            if yes.real.isNaN && no.real.isNaN || yes.real == no.real && !yes.real.isFinite { return yes }
            guard yes.real.isFinite && no.real.isFinite else { return anything }
            let reach = (likely.real - other.real).magnitude + other.bound
            return Bounded(real: likely.real, bound: max(likely.bound, reach))
        }
        let reach = (Wide(likely.integer) - Wide(other.integer)).magnitude + other.bound
        if type == .bool && reach > 0 { return anything }
        return Bounded(integer: likely.integer, bound: max(likely.bound, reach))
    }

    // MARK: Integers

    private var integers: Bounded {
        // Only casts of floats make integers with a bound, and only sums, products and casts keep one.
        let (p, e) = (a, x.map(\.bound))
        let wide = { (i: Int) in Wide(x[i].integer).magnitude }
        switch ins.opcode {
        case .neg: return within(e[0])
        case .add, .sub: return within(e[0] + e[1])
        case .mul: return within(wide(0) * e[1] + wide(1) * e[0] + e[0] * e[1])
        case .floor, .ceil, .trunc, .round, .abs: return within(e[0])
        case .min, .max: return within(max(e[0], e[1]))
        case .cast where ins.type.isFloat:
            return FloatFormat(ins.type).settle(
                Wide(p.integer), spread: e[0], ulps: Tolerances.ulps(.cast))
        case .cast where ins.type == .bool: return wide(0) > e[0] ? Bounded(integer: 1) : anything
        case .cast, .narrow: return within(e[0])
        case .eq, .ne, .lt, .le:
            let distance = (Wide(x[0].integer) - Wide(x[1].integer)).magnitude
            return distance > e[0] + e[1] ? rounded : anything
        default: return anything
        }
    }

    /// The integer result, give or take `bound`, unless that may wrap.
    private func within(_ bound: Wide) -> Bounded {
        let result = Bounded(integer: rounded.integer, bound: bound)
        let limit = ins.opcode == .narrow ? limit(of: ins.dtype) : limit(of: ins.type.dtype)
        let value = Wide(rounded.integer)
        return limit.lowerBound <= value - bound && value + bound <= limit.upperBound ? result : anything
    }

    private func limit(of dtype: DType) -> ClosedRange<Wide> {
        if dtype == .uint8 { return 0...255 }
        let half = Wide(sign: .plus, exponent: dtype.size * 8 - 1, significand: 1)
        return -half...half - 1
    }

    // MARK: Floats

    private var floats: Bounded {
        let format = FloatFormat(ins.opcode.isComparison || ins.opcode == .cast ? type : ins.type)
        switch ins.opcode {
        case .neg: return Bounded(real: -a.real, bound: a.bound, flags: a.flags)
        case .abs: return Bounded(real: a.real.magnitude, bound: a.bound, flags: a.flags)
        case .add: return arithmetic(format, a.real + b.real, a.bound + b.bound)
        case .sub: return arithmetic(format, a.real - b.real, a.bound + b.bound)
        case .mul: return arithmetic(format, a.real * b.real, a.productSpread(b))
        case .fma:
            let value = x[2].real.addingProduct(a.real, b.real)
            return arithmetic(format, value, a.productSpread(b) + x[2].bound)
        case .div: return division(format)
        case .sqrt: return squareRoot(format)
        case .rem: return remainder
        case .min, .max: return extreme
        case .floor: return step { $0.rounded(.down) }
        case .ceil: return step { $0.rounded(.up) }
        case .trunc: return step { $0.rounded(.towardZero) }
        case .round: return step { $0.rounded(.toNearestOrEven) }
        case .narrow: return narrowed(a, to: ins.dtype)
        case .cast: return cast
        case .eq, .ne, .lt, .le: return comparison
        case .call: return OracleFunctions.call(ins.function, format, a, ins.function.argumentCount > 1 ? b : nil)
        default: return anything  // BITCAST: the bits of an inexact number say nothing
        }
    }

    /// A sum or product. With an infinity among the operands only the sign of the others matters.
    private func arithmetic(_ format: FloatFormat, _ value: Wide, _ spread: Wide) -> Bounded {
        if x.allSatisfy(\.real.isFinite) {
            return format.settle(
                value, spread: spread, ulps: Tolerances.ulps(ins.opcode))
        }
        let isProduct = ins.opcode == .mul || ins.opcode == .fma
        if isProduct && [a, b].contains(where: { $0.bound > 0 && $0.bound >= $0.real.magnitude }) { return anything }
        return Bounded(real: value)
    }

    private func division(_ format: FloatFormat) -> Bounded {
        let quotient = a.real / b.real
        // A divisor that may be zero, or have either sign.
        if b.bound > 0 && b.real.magnitude <= b.bound { return anything }
        if !a.real.isFinite || !b.real.isFinite || b.real == 0 {
            // x/0 and 0/∞ and so on depend on the dividend's sign at most.
            let signIsSure = a.bound == 0 || a.real.magnitude > a.bound
            return signIsSure || b.real.isInfinite ? Bounded(real: quotient) : anything
        }
        let spread = (a.bound + quotient.magnitude * b.bound) / (b.real.magnitude - b.bound)
        return format.settle(
            quotient, spread: spread, ulps: Tolerances.ulps(.div))
    }

    private func squareRoot(_ format: FloatFormat) -> Bounded {
        if a.high < 0 { return Bounded(real: .nan) }
        if a.low < 0 { return anything }
        let root = a.real.squareRoot()
        let spread = max(a.high.squareRoot() - root, root - a.low.squareRoot())
        return format.settle(root, spread: spread, ulps: Tolerances.ulps(.sqrt))
    }

    /// a - b·trunc(a/b), which is exact, so the bounds of a and b are all there is, unless the
    /// quotient may be on either side of an integer.
    private var remainder: Bounded {
        if !a.real.isFinite || !b.real.isFinite || b.real.magnitude <= b.bound { return anything }
        let quotients = [a.low, a.high].flatMap { n in [b.low, b.high].map { (n / $0).rounded(.towardZero) } }
        let quotient = (a.real / b.real).rounded(.towardZero)
        let value = a.real.truncatingRemainder(dividingBy: b.real)
        if quotients.allSatisfy({ $0 == quotient }) {
            let spread = a.bound + quotient.magnitude * b.bound
            return Bounded(real: value, bound: spread + 2 * Wide.ulpOfOne * a.real.magnitude)
        }
        let crossesZero = a.low < 0 && a.high > 0
        return Bounded(real: value, bound: (crossesZero ? 2 : 1) * (b.real.magnitude + b.bound))
    }

    private var extreme: Bounded {
        let isMax = ins.opcode == .max
        if a.low > b.high { return isMax ? a : b }
        if b.low > a.high { return isMax ? b : a }
        return Bounded(real: isMax ? max(a.real, b.real) : min(a.real, b.real), bound: max(a.bound, b.bound))
    }

    /// A function that goes up in steps: the bound reaches as far as the steps that may be taken.
    private func step(_ f: (Wide) -> Wide) -> Bounded {
        if !a.real.isFinite { return Bounded(real: a.real) }
        let value = f(a.real)
        return Bounded(real: value, bound: max(f(a.high) - value, value - f(a.low)))
    }

    private var cast: Bounded {
        switch ins.type {
        case .f32, .f64:
            // To a type that holds every value of the other: nothing happens.
            return type == .f32 || ins.type == .f64 ? a : narrowed(a, to: .float32)
        case .bool:
            return a.real.magnitude > a.bound ? Bounded(integer: 1) : anything
        case .i32, .i64:
            if !a.real.isFinite { return rounded }
            let limit = limit(of: ins.type.dtype)
            let (low, high) = (a.low.rounded(.towardZero), a.high.rounded(.towardZero))
            if high < limit.lowerBound || low > limit.upperBound { return rounded }
            if low < limit.lowerBound || high > limit.upperBound { return anything }
            let value = a.real.rounded(.towardZero)
            return Int64(exactly: value).map { Bounded(integer: $0, bound: max(high - value, value - low)) } ?? anything
        }
    }

    private var comparison: Bounded {
        if a.real.isNaN || b.real.isNaN { return Bounded(integer: ins.opcode == .ne ? 1 : 0) }
        if !a.real.isFinite || !b.real.isFinite { return rounded }
        return (a.real - b.real).magnitude > a.bound + b.bound ? Bounded(integer: decision ? 1 : 0) : anything
    }

    /// What the comparison says of the values as they are, unrounded.
    private var decision: Bool { Instructions.compare(ins.opcode)(a.real, b.real) }
}

extension Bounded {
    /// How far a · b may be from the product of the values.
    func productSpread(_ b: Bounded) -> Wide {
        real.magnitude * b.bound + b.real.magnitude * bound + bound * b.bound
    }
}

/// `x` rounded to a float dtype.
func narrowed(_ x: Bounded, to dtype: DType) -> Bounded {
    guard let format = FloatFormat(dtype) else { return x }
    if x.isUncertain || !x.real.isFinite { return x }
    if x.isExact { return Bounded(real: format.rounded(x.real)) }
    var result = format.settle(
        x.real, spread: x.bound, ulps: Tolerances.ulps(.narrow))
    if x.flags.contains(.maybeInfinite) && result.real.isFinite { result.flags.insert(.maybeInfinite) }
    return result
}
