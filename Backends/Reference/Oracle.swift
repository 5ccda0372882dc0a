import BackendKit
import CBackend

/// The type the oracle computes in: wider than float64 where the processor has such a type.
#if arch(x86_64) && !os(Windows) && !os(Android)
    typealias Wide = Float80
#else
    typealias Wide = Double
#endif

/// A number with what is known about it: every right device has a result within ± bound of it.
///
/// Floats are in `real`, unrounded; bools and integers in `integer`. NaN and infinities have bound 0
/// and must be met exactly.
struct Bounded {
    struct Flags: OptionSet {
        let rawValue: UInt8
        /// Any value is acceptable: a branch was decided by rounding.
        static let uncertain = Flags(rawValue: 1)
        /// ± infinity of the value's sign is acceptable too: it is at the edge of overflow.
        static let maybeInfinite = Flags(rawValue: 2)
    }

    var real: Wide = 0
    var integer: Int64 = 0
    var bound: Wide = 0
    var flags: Flags = []

    static let anything = Bounded(flags: .uncertain)

    var isExact: Bool { bound == 0 && flags.isEmpty }
    var isUncertain: Bool { flags.contains(.uncertain) }

    /// The least and the greatest it may be.
    var low: Wide { real - bound }
    var high: Wide { real + bound }
}

/// The semantics of the oracle: values with error bounds.
///
/// Where all operands are exact the reference device's own arithmetic says what right devices get,
/// but for functions, which have some freedom. Elsewhere the result is computed in `Wide` and its
/// bound is what the operands' bounds can make of it and the instruction's own rounding.
enum Oracle: Semantics {
    typealias Lanes = [Bounded]

    static func repeating(_ scalar: CressetScalar, _ type: ArithmeticType, count: Int) -> [Bounded] {
        exact(Exact.repeating(scalar, type, count: count))
    }

    static func integers(_ values: [Int]) -> [Bounded] { values.map { Bounded(integer: Int64($0)) } }

    static func joined(_ parts: [[Bounded]], _ type: ArithmeticType) -> [Bounded] { parts.flatMap { $0 } }

    static func evaluate(_ ins: Instruction, _ type: ArithmeticType, _ operands: [[Bounded]]) -> [Bounded] {
        let rounded = exact(Exact.evaluate(ins, type, operands.zip(typesOf(ins, type)).map(block)))
        return rounded.indices.map { i in
            let x = operands.map { $0[i] }
            // Which NaN a device has is its own affair, and BITCAST would show it.
            let showsNaN = ins.opcode == .bitcast && type.isFloat && x[0].real.isNaN
            if ins.opcode != .call && !showsNaN && x.allSatisfy(\.isExact) { return rounded[i] }
            return Rules(ins: ins, type: type, x: x, rounded: rounded[i]).result
        }
    }

    /// The types of an instruction's operands.
    private static func typesOf(_ ins: Instruction, _ type: ArithmeticType) -> [ArithmeticType] {
        ins.opcode == .select ? [.bool, type, type] : ins.operands.map { _ in type }
    }

    // MARK: Between plain and bounded values

    /// Plain values, known exactly.
    static func exact(_ block: Block) -> [Bounded] {
        switch block {
        case .bool(let x): x.map { Bounded(integer: $0 ? 1 : 0) }
        case .i32(let x): x.map { Bounded(integer: Int64($0)) }
        case .i64(let x): x.map { Bounded(integer: $0) }
        case .f32(let x): x.map { Bounded(real: Wide($0)) }
        case .f64(let x): x.map { Bounded(real: Wide($0)) }
        }
    }

    /// The values rounded to their type.
    static func block(_ lanes: [Bounded], _ type: ArithmeticType) -> Block {
        switch type {
        case .bool: .bool(lanes.map { $0.integer != 0 })
        case .i32: .i32(lanes.map { Int32(truncatingIfNeeded: $0.integer) })
        case .i64: .i64(lanes.map(\.integer))
        case .f32: .f32(lanes.map { Float($0.real) })
        case .f64: .f64(lanes.map { Double($0.real) })
        }
    }
}

extension Array {
    fileprivate func zip<T>(_ other: [T]) -> [(Element, T)] { [(Element, T)](Swift.zip(self, other)) }
}
