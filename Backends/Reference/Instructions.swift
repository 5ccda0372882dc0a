import BackendKit
import CBackend

/// What each instruction does to numbers: the executable form of the header's table.
///
/// An instruction is looked up once and the function it gives is applied to every element.
enum Instructions {
    // MARK: Floats

    static func unary<T: BinaryFloatingPoint>(_ opcode: Opcode) -> (T) -> T {
        switch opcode {
        case .neg: { -$0 }
        case .abs: { $0.magnitude }
        case .sqrt: { $0.squareRoot() }
        case .floor: { $0.rounded(.down) }
        case .ceil: { $0.rounded(.up) }
        case .trunc: { $0.rounded(.towardZero) }
        case .round: { $0.rounded(.toNearestOrEven) }
        default: undefined(opcode)
        }
    }

    static func binary<T: BinaryFloatingPoint>(_ opcode: Opcode) -> (T, T) -> T {
        switch opcode {
        case .add: { $0 + $1 }
        case .sub: { $0 - $1 }
        case .mul: { $0 * $1 }
        case .div: { $0 / $1 }
        case .rem: { $0.truncatingRemainder(dividingBy: $1) }
        case .min: { a, b in a.isNaN || a < b ? a : b }  // if b is NaN, a < b is false
        case .max: { a, b in a.isNaN || a > b ? a : b }
        default: undefined(opcode)
        }
    }

    /// a · b + c, rounded once.
    static func fma<T: BinaryFloatingPoint>(_ a: T, _ b: T, _ c: T) -> T { c.addingProduct(a, b) }

    // MARK: Integers

    static func unary<T: FixedWidthInteger>(_ opcode: Opcode) -> (T) -> T {
        switch opcode {
        case .neg: { 0 &- $0 }
        case .abs: { $0 < 0 ? 0 &- $0 : $0 }
        case .not: { ~$0 }
        case .floor, .ceil, .trunc, .round: { $0 }
        default: undefined(opcode)
        }
    }

    static func binary<T: FixedWidthInteger>(_ opcode: Opcode) -> (T, T) -> T {
        switch opcode {
        case .add: { $0 &+ $1 }
        case .sub: { $0 &- $1 }
        case .mul: { $0 &* $1 }
        case .div: { a, b in b == 0 ? 0 : a.dividedReportingOverflow(by: b).partialValue }
        case .rem: { a, b in b == 0 ? 0 : a.remainderReportingOverflow(dividingBy: b).partialValue }
        case .min: { $0 < $1 ? $0 : $1 }
        case .max: { $0 > $1 ? $0 : $1 }
        case .and: { $0 & $1 }
        case .or: { $0 | $1 }
        case .xor: { $0 ^ $1 }
        case .shl: { a, n in isShift(n) ? a &<< n : 0 }
        case .shr: { a, n in isShift(n) ? a &>> n : a < 0 ? -1 : 0 }
        case .ushr:
            { a, n in
                isShift(n) ? T(truncatingIfNeeded: T.Magnitude(truncatingIfNeeded: a) >> T.Magnitude(n)) : 0
            }
        default: undefined(opcode)
        }
    }

    private static func isShift<T: FixedWidthInteger>(_ count: T) -> Bool { 0 <= count && count < T.bitWidth }

    // MARK: Bools

    static func unary(_ opcode: Opcode) -> (Bool) -> Bool {
        switch opcode {
        case .not: { !$0 }
        case .neg, .abs, .floor, .ceil, .trunc, .round: { $0 }
        default: undefined(opcode)
        }
    }

    /// Sums are "or" and products "and", as in SCATTER.
    static func binary(_ opcode: Opcode) -> (Bool, Bool) -> Bool {
        switch opcode {
        case .or, .add, .max: { $0 || $1 }
        case .and, .mul, .min: { $0 && $1 }
        case .xor, .sub: { $0 != $1 }
        default: undefined(opcode)
        }
    }

    // MARK: Comparisons

    static func compare<T: Comparable>(_ opcode: Opcode) -> (T, T) -> Bool {
        switch opcode {
        case .eq: { $0 == $1 }
        case .ne: { $0 != $1 }
        case .lt: { $0 < $1 }
        case .le: { $0 <= $1 }
        default: undefined(opcode)
        }
    }

    // MARK: Conversions

    /// Truncates; the least integer stands for NaN and for whatever does not fit.
    static func integer<F: BinaryFloatingPoint, I: FixedWidthInteger>(_ x: F, _: I.Type) -> I {
        I(exactly: x.rounded(.towardZero)) ?? .min
    }

    /// The programs were checked, so this is a mistake in this module.
    static func undefined(_ opcode: Opcode) -> Never { preconditionFailure("\(opcode) is not defined here") }
}
