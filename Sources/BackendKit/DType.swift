import CBackend

/// The storage type of a tensor's elements.
public enum DType: UInt8, CaseIterable, Sendable, Hashable {
    case bool = 0
    case uint8, int8, int16, int32, int64
    case float16, bfloat16, float32, float64
    case complex64, complex128

    /// Bytes of one element.
    @inlinable
    public var size: Int {
        switch self {
        case .bool, .uint8, .int8: 1
        case .int16, .float16, .bfloat16: 2
        case .int32, .float32: 4
        case .int64, .float64, .complex64: 8
        case .complex128: 16
        }
    }

    /// The type programs compute in after loading such an element; complex types have none.
    @inlinable
    public var arithmetic: ArithmeticType {
        switch self {
        case .bool: .bool
        case .uint8, .int8, .int16, .int32: .i32
        case .int64: .i64
        case .float16, .bfloat16, .float32, .complex64: .f32
        case .float64, .complex128: .f64
        }
    }

    @inlinable
    public var isFloatingPoint: Bool {
        switch self {
        case .float16, .bfloat16, .float32, .float64: true
        default: false
        }
    }

    @inlinable public var isComplex: Bool { self == .complex64 || self == .complex128 }

    /// True for what gradients are made of: floating-point and complex types.
    @inlinable public var hasGradient: Bool { isFloatingPoint || isComplex }

    /// The type of a complex number's parts; the type itself for all others.
    @inlinable
    public var toReal: DType {
        switch self {
        case .complex64: .float32
        case .complex128: .float64
        default: self
        }
    }

    /// The complex type whose parts hold numbers of this type: complex128 for float64, else complex64.
    @inlinable
    public var toComplex: DType {
        switch self {
        case .float64, .complex128: .complex128
        default: .complex64
        }
    }

    /// True for bool's neighbours: the integer types, without bool.
    @inlinable
    public var isInteger: Bool {
        switch self {
        case .uint8, .int8, .int16, .int32, .int64: true
        default: false
        }
    }

    /// PyTorch's name: "float32".
    public var name: String { "\(self)" }

    /// The dtype of that name, with PyTorch's aliases ("float", "half", "long", …).
    public init?(name: String) {
        switch name {
        case "float": self = .float32
        case "double": self = .float64
        case "half": self = .float16
        case "long": self = .int64
        case "int": self = .int32
        case "short": self = .int16
        case "byte": self = .uint8
        case "char": self = .int8
        default:
            guard let found = DType.allCases.first(where: { $0.name == name }) else { return nil }
            self = found
        }
    }

    /// DLPack's spelling of this type.
    @inlinable
    package var dlpack: CressetDLDataType {
        let code: UInt8 =
            switch self {
            case .bool: 6
            case .uint8: 1
            case .int8, .int16, .int32, .int64: 0
            case .float16, .float32, .float64: 2
            case .bfloat16: 4
            case .complex64, .complex128: 5
            }
        return CressetDLDataType(code: code, bits: UInt8(size * 8), lanes: 1)
    }
}

/// A type that programs compute in.
public enum ArithmeticType: UInt8, CaseIterable, Sendable, Hashable {
    case bool = 0
    case i32, i64, f32, f64

    @inlinable public var isFloat: Bool { self == .f32 || self == .f64 }
    @inlinable public var isInteger: Bool { self == .i32 || self == .i64 }

    /// The dtype that stores such a value unchanged: what an accumulator is stored as.
    @inlinable
    public var dtype: DType {
        switch self {
        case .bool: .bool
        case .i32: .int32
        case .i64: .int64
        case .f32: .float32
        case .f64: .float64
        }
    }
}
