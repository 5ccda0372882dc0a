import BackendKit

/// The values one instruction has for some elements.
enum Block {
    case bool([Bool])
    case i32([Int32])
    case i64([Int64])
    case f32([Float])
    case f64([Double])

    var type: ArithmeticType {
        switch self {
        case .bool: .bool
        case .i32: .i32
        case .i64: .i64
        case .f32: .f32
        case .f64: .f64
        }
    }
}

/// A type that programs compute in.
protocol Arithmetic: BitwiseCopyable {
    static func block(_ values: [Self]) -> Block
    /// The values of a block that is known to be of this type.
    static func values(of block: Block) -> [Self]

    /// The two-operand instruction.
    static func combine(_ opcode: Opcode) -> (Self, Self) -> Self
    static var zero: Self { get }
    static var one: Self { get }
    /// Not greater than any other value (but NaN).
    static var least: Self { get }
    /// Not less than any other value (but NaN).
    static var greatest: Self { get }
}

/// Programs are checked before they run, so a block of another type is a mistake in this module.
private func mismatch(_ block: Block) -> Never { preconditionFailure("a block of \(block.type) was not expected") }

extension Bool: Arithmetic {
    static func block(_ values: [Bool]) -> Block { .bool(values) }
    static func values(of block: Block) -> [Bool] {
        if case .bool(let values) = block { values } else { mismatch(block) }
    }
    static func combine(_ opcode: Opcode) -> (Bool, Bool) -> Bool { Instructions.binary(opcode) }
    static var zero: Bool { false }
    static var one: Bool { true }
    static var least: Bool { false }
    static var greatest: Bool { true }
}

extension Int32: Arithmetic {
    static func block(_ values: [Int32]) -> Block { .i32(values) }
    static func values(of block: Block) -> [Int32] {
        if case .i32(let values) = block { values } else { mismatch(block) }
    }
    static func combine(_ opcode: Opcode) -> (Int32, Int32) -> Int32 { Instructions.binary(opcode) }
    static var one: Int32 { 1 }
    static var least: Int32 { .min }
    static var greatest: Int32 { .max }
}

extension Int64: Arithmetic {
    static func block(_ values: [Int64]) -> Block { .i64(values) }
    static func values(of block: Block) -> [Int64] {
        if case .i64(let values) = block { values } else { mismatch(block) }
    }
    static func combine(_ opcode: Opcode) -> (Int64, Int64) -> Int64 { Instructions.binary(opcode) }
    static var one: Int64 { 1 }
    static var least: Int64 { .min }
    static var greatest: Int64 { .max }
}

extension Float: Arithmetic {
    static func block(_ values: [Float]) -> Block { .f32(values) }
    static func values(of block: Block) -> [Float] {
        if case .f32(let values) = block { values } else { mismatch(block) }
    }
    static func combine(_ opcode: Opcode) -> (Float, Float) -> Float { Instructions.binary(opcode) }
    static var one: Float { 1 }
    static var least: Float { -.infinity }
    static var greatest: Float { .infinity }
}

extension Double: Arithmetic {
    static func block(_ values: [Double]) -> Block { .f64(values) }
    static func values(of block: Block) -> [Double] {
        if case .f64(let values) = block { values } else { mismatch(block) }
    }
    static func combine(_ opcode: Opcode) -> (Double, Double) -> Double { Instructions.binary(opcode) }
    static var one: Double { 1 }
    static var least: Double { -.infinity }
    static var greatest: Double { .infinity }
}
