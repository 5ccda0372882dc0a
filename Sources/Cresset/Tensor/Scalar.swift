import BackendKit
import CBackend

/// A number given to an operation: it takes part in type promotion as Python's numbers do.
public enum Scalar: Sendable, Hashable, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral
{
    case int(Int64)
    case double(Double)
    case bool(Bool)
    case complex(Complex<Double>)

    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(_ value: Int) { self = .int(Int64(value)) }
    public init(_ value: Double) { self = .double(value) }
    public init(_ value: Float) { self = .double(Double(value)) }
    public init(_ value: Complex<Double>) { self = .complex(value) }

    /// The real part where the number is complex.
    public var doubleValue: Double {
        switch self {
        case .int(let x): Double(x)
        case .double(let x): x
        case .bool(let x): x ? 1 : 0
        case .complex(let z): z.real
        }
    }

    /// The imaginary part: 0 for all but complex numbers.
    public var imaginaryValue: Double { if case .complex(let z) = self { z.imaginary } else { 0 } }

    public var isComplex: Bool { if case .complex = self { true } else { false } }

    /// Truncated; out of range saturates.
    public var intValue: Int64 {
        switch self {
        case .int(let x): x
        case .double(let x): x.isNaN ? 0 : Int64(exactly: x.rounded(.towardZero)) ?? (x < 0 ? .min : .max)
        case .bool(let x): x ? 1 : 0
        case .complex(let z): Scalar.double(z.real).intValue
        }
    }

    /// Throws where a number with an imaginary part is to become an element of a real tensor.
    func checkFits(_ dtype: DType, op: String) throws(CressetError) {
        guard imaginaryValue != 0 && !dtype.isComplex else { return }
        throw CressetError(.dtype, op: op, "the complex number \(self) cannot become an element of \(dtype)")
    }

    /// The dtype such a number promotes as.
    var dtype: DType {
        switch self {
        case .int: .int64
        case .double: .float32
        case .bool: .bool
        case .complex: .complex64
        }
    }

    var isOne: Bool { self == .int(1) || self == .double(1) || self == .complex(1) }

    /// As a launch parameter of an arithmetic type: of a complex number the real part.
    func param(_ type: ArithmeticType) -> CressetScalar {
        switch type {
        case .bool: CressetScalar(i: doubleValue != 0 || imaginaryValue != 0 ? 1 : 0)
        case .i32: CressetScalar(i: Int64(Int32(truncatingIfNeeded: intValue)))
        case .i64: CressetScalar(i: intValue)
        case .f32:
            switch self {
            case .int(let x): CressetScalar(f: Float(x))
            default: CressetScalar(f: Float(doubleValue))
            }
        case .f64: CressetScalar(d: doubleValue)
        }
    }
}

extension Scalar: CustomStringConvertible {
    /// As in source: "2", "2.5", "true".
    public var description: String {
        switch self {
        case .int(let x): "\(x)"
        case .double(let x): "\(x)"
        case .bool(let x): "\(x)"
        case .complex(let x): "\(x)"
        }
    }
}
