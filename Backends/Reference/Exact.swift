import BackendKit
import CBackend

/// The semantics of the reference device: plain numbers of the stated types.
enum Exact: Semantics {
    typealias Lanes = Block

    static func repeating(_ scalar: CressetScalar, _ type: ArithmeticType, count: Int) -> Block {
        switch type {
        case .bool: .bool([Bool](repeating: Int32(truncatingIfNeeded: scalar.i) != 0, count: count))
        case .i32: .i32([Int32](repeating: Int32(truncatingIfNeeded: scalar.i), count: count))
        case .i64: .i64([Int64](repeating: scalar.i, count: count))
        case .f32: .f32([Float](repeating: scalar.f, count: count))
        case .f64: .f64([Double](repeating: scalar.d, count: count))
        }
    }

    static func integers(_ values: [Int]) -> Block { .i64(values.map { Int64($0) }) }

    static func joined(_ parts: [Block], _ type: ArithmeticType) -> Block {
        switch type {
        case .bool: .bool(parts.flatMap(Bool.values))
        case .i32: .i32(parts.flatMap(Int32.values))
        case .i64: .i64(parts.flatMap(Int64.values))
        case .f32: .f32(parts.flatMap(Float.values))
        case .f64: .f64(parts.flatMap(Double.values))
        }
    }

    static func evaluate(_ ins: Instruction, _ type: ArithmeticType, _ x: [Block]) -> Block {
        switch ins.opcode {
        case .cast: cast(x[0], to: ins.type)
        case .bitcast: bitcast(x[0], to: ins.type)
        case .narrow: narrow(x[0], to: ins.dtype)
        case .select: select(x[0], x[1], x[2])
        case .call: call(ins.function, x[0], x.count > 1 ? x[1] : x[0])
        case .fma: fma(x[0], x[1], x[2])
        case .philox: philox(Int(ins.integer), key: x[0], counter: x[1])
        case .eq, .ne, .lt, .le: compare(ins.opcode, x[0], x[1])
        default: x.count == 1 ? unary(ins.opcode, x[0]) : binary(ins.opcode, x[0], x[1])
        }
    }

    // MARK: One element at a time

    private static func map<A, R>(_ a: [A], _ f: (A) -> R) -> [R] { a.map(f) }
    private static func map<A, B, R>(_ a: [A], _ b: [B], _ f: (A, B) -> R) -> [R] { a.indices.map { f(a[$0], b[$0]) } }
    private static func map<A, B, C, R>(_ a: [A], _ b: [B], _ c: [C], _ f: (A, B, C) -> R) -> [R] {
        a.indices.map { f(a[$0], b[$0], c[$0]) }
    }

    private static func unary(_ opcode: Opcode, _ x: Block) -> Block {
        switch x {
        case .bool(let x): .bool(map(x, Instructions.unary(opcode)))
        case .i32(let x): .i32(map(x, Instructions.unary(opcode)))
        case .i64(let x): .i64(map(x, Instructions.unary(opcode)))
        case .f32(let x): .f32(map(x, Instructions.unary(opcode)))
        case .f64(let x): .f64(map(x, Instructions.unary(opcode)))
        }
    }

    static func binary(_ opcode: Opcode, _ x: Block, _ y: Block) -> Block {
        switch (x, y) {
        case (.bool(let x), .bool(let y)): .bool(map(x, y, Instructions.binary(opcode)))
        case (.i32(let x), .i32(let y)): .i32(map(x, y, Instructions.binary(opcode)))
        case (.i64(let x), .i64(let y)): .i64(map(x, y, Instructions.binary(opcode)))
        case (.f32(let x), .f32(let y)): .f32(map(x, y, Instructions.binary(opcode)))
        case (.f64(let x), .f64(let y)): .f64(map(x, y, Instructions.binary(opcode)))
        default: Instructions.undefined(opcode)
        }
    }

    private static func compare(_ opcode: Opcode, _ x: Block, _ y: Block) -> Block {
        switch (x, y) {
        case (.bool(let x), .bool(let y)):
            .bool(map(x.map { $0 ? 1 : 0 }, y.map { $0 ? 1 : 0 }, Instructions.compare(opcode) as (Int, Int) -> Bool))
        case (.i32(let x), .i32(let y)): .bool(map(x, y, Instructions.compare(opcode)))
        case (.i64(let x), .i64(let y)): .bool(map(x, y, Instructions.compare(opcode)))
        case (.f32(let x), .f32(let y)): .bool(map(x, y, Instructions.compare(opcode)))
        case (.f64(let x), .f64(let y)): .bool(map(x, y, Instructions.compare(opcode)))
        default: Instructions.undefined(opcode)
        }
    }

    private static func select(_ condition: Block, _ x: Block, _ y: Block) -> Block {
        let condition = Bool.values(of: condition)
        func pick<T>(_ x: [T], _ y: [T]) -> [T] { map(condition, x, y) { $0 ? $1 : $2 } }
        return switch (x, y) {
        case (.bool(let x), .bool(let y)): .bool(pick(x, y))
        case (.i32(let x), .i32(let y)): .i32(pick(x, y))
        case (.i64(let x), .i64(let y)): .i64(pick(x, y))
        case (.f32(let x), .f32(let y)): .f32(pick(x, y))
        case (.f64(let x), .f64(let y)): .f64(pick(x, y))
        default: Instructions.undefined(.select)
        }
    }

    private static func fma(_ x: Block, _ y: Block, _ z: Block) -> Block {
        switch (x, y, z) {
        case (.f32(let x), .f32(let y), .f32(let z)): .f32(map(x, y, z, Instructions.fma))
        case (.f64(let x), .f64(let y), .f64(let z)): .f64(map(x, y, z, Instructions.fma))
        default: Instructions.undefined(.fma)
        }
    }

    private static func call(_ function: Function, _ x: Block, _ y: Block) -> Block {
        switch (x, y) {
        case (.f32(let x), .f32(let y)): .f32(map(x, y) { PortableFunctions.call(function, $0, $1) })
        case (.f64(let x), .f64(let y)): .f64(map(x, y) { PortableFunctions.call(function, $0, $1) })
        default: Instructions.undefined(.call)
        }
    }

    private static func philox(_ word: Int, key: Block, counter: Block) -> Block {
        .i32(
            map(Int64.values(of: key), Int64.values(of: counter)) { Philox.word(word, key: $0, counter: $1) })
    }

    // MARK: Conversions

    static func cast(_ x: Block, to type: ArithmeticType) -> Block {
        switch x {
        case .bool(let x): cast(integers: x.map { $0 ? 1 : 0 } as [Int32], to: type)
        case .i32(let x): cast(integers: x, to: type)
        case .i64(let x): cast(integers: x, to: type)
        case .f32(let x): cast(floats: x, to: type)
        case .f64(let x): cast(floats: x, to: type)
        }
    }

    private static func cast<T: FixedWidthInteger>(integers x: [T], to type: ArithmeticType) -> Block {
        switch type {
        case .bool: .bool(x.map { $0 != 0 })
        case .i32: .i32(x.map { Int32(truncatingIfNeeded: $0) })
        case .i64: .i64(x.map { Int64(truncatingIfNeeded: $0) })
        case .f32: .f32(x.map { Float($0) })
        case .f64: .f64(x.map { Double($0) })
        }
    }

    private static func cast<T: BinaryFloatingPoint>(floats x: [T], to type: ArithmeticType) -> Block {
        switch type {
        case .bool: .bool(x.map { $0 != 0 })
        case .i32: .i32(x.map { Instructions.integer($0, Int32.self) })
        case .i64: .i64(x.map { Instructions.integer($0, Int64.self) })
        case .f32: .f32(x.map { Float($0) })
        case .f64: .f64(x.map { Double($0) })
        }
    }

    private static func bitcast(_ x: Block, to type: ArithmeticType) -> Block {
        switch (x, type) {
        case (.i32(let x), .f32): .f32(x.map { Float(bitPattern: UInt32(bitPattern: $0)) })
        case (.f32(let x), .i32): .i32(x.map { Int32(bitPattern: $0.bitPattern) })
        case (.i64(let x), .f64): .f64(x.map { Double(bitPattern: UInt64(bitPattern: $0)) })
        case (.f64(let x), .i64): .i64(x.map { Int64(bitPattern: $0.bitPattern) })
        default: x
        }
    }

    private static func narrow(_ x: Block, to dtype: DType) -> Block { dtype.accept(Narrow(x: x)) }
}

private struct Narrow: ElementVisitor {
    var x: Block
    func visit<E: Element>(_: E.Type) -> Block {
        E.Value.block(E.Value.values(of: x).map { E(narrowing: $0).widened })
    }
}
