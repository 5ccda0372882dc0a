import BackendKit

/// A storage type: how an element becomes a value of its arithmetic type, and how it is made from one.
protocol Element: BitwiseCopyable {
    associatedtype Value: Arithmetic
    /// The same number in the arithmetic type: always exact.
    var widened: Value { get }
    /// Floats round to nearest even, integers wrap.
    init(narrowing value: Value)
}

/// A bool in memory: one byte, written as 0 or 1, read as "not 0".
struct StoredBool: Element {
    var byte: UInt8
    var widened: Bool { byte != 0 }
    init(narrowing value: Bool) { byte = value ? 1 : 0 }
}

extension UInt8: Element {
    var widened: Int32 { Int32(self) }
    init(narrowing value: Int32) { self.init(truncatingIfNeeded: value) }
}

extension Int8: Element {
    var widened: Int32 { Int32(self) }
    init(narrowing value: Int32) { self.init(truncatingIfNeeded: value) }
}

extension Int16: Element {
    var widened: Int32 { Int32(self) }
    init(narrowing value: Int32) { self.init(truncatingIfNeeded: value) }
}

extension Int32: Element {
    var widened: Int32 { self }
    init(narrowing value: Int32) { self = value }
}

extension Int64: Element {
    var widened: Int64 { self }
    init(narrowing value: Int64) { self = value }
}

extension Float16: Element {
    var widened: Float { Float(self) }
    init(narrowing value: Float) { self.init(value) }
}

/// The upper half of a float32.
struct BFloat16: Element {
    var bits: UInt16

    var widened: Float { Float(bitPattern: UInt32(bits) << 16) }

    init(narrowing value: Float) {
        let pattern = value.bitPattern
        if value.isNaN {
            // Rounding could carry a NaN's fraction away and leave an infinity: keep it, made quiet.
            bits = UInt16(pattern >> 16) | 0x0040
        } else {
            // Half a unit of what is dropped, less the bit that lets ties go to even. Carries into
            // the exponent are right: past the largest number they give infinity.
            let half = 0x7fff + (pattern >> 16 & 1)
            bits = UInt16((pattern + half) >> 16)
        }
    }
}

extension Float: Element {
    var widened: Float { self }
    init(narrowing value: Float) { self = value }
}

extension Double: Element {
    var widened: Double { self }
    init(narrowing value: Double) { self = value }
}

/// Something to do with the storage type of a dtype.
protocol ElementVisitor {
    associatedtype Result
    func visit<E: Element>(_: E.Type) -> Result
}

extension DType {
    /// The dtypes that have elements a program can read.
    static let computable: Set<DType> = Set(allCases.filter { !$0.isComplex })

    /// Calls the visitor with this dtype's storage type: the one place where a dtype becomes a type.
    func accept<V: ElementVisitor>(_ visitor: V) -> V.Result {
        switch self {
        case .bool: visitor.visit(StoredBool.self)
        case .uint8: visitor.visit(UInt8.self)
        case .int8: visitor.visit(Int8.self)
        case .int16: visitor.visit(Int16.self)
        case .int32: visitor.visit(Int32.self)
        case .int64: visitor.visit(Int64.self)
        case .float16: visitor.visit(Float16.self)
        case .bfloat16: visitor.visit(BFloat16.self)
        case .float32: visitor.visit(Float.self)
        case .float64: visitor.visit(Double.self)
        case .complex64, .complex128: preconditionFailure("programs see complex numbers as pairs")
        }
    }
}
