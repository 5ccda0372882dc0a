/// A complex number, as the elements of complex64 (`Complex<Float>`) and complex128 (`Complex<Double>`) tensors.
///
/// Reads as mathematics: `1 + 2 * .i`.
@frozen
public struct Complex<Part: BinaryFloatingPoint & BitwiseCopyable & Sendable & ExpressibleByFloatLiteral>:
    BitwiseCopyable, Sendable, Hashable
{
    public var real: Part
    public var imaginary: Part

    public init(_ real: Part, _ imaginary: Part = 0) {
        self.real = real
        self.imaginary = imaginary
    }

    /// The imaginary unit.
    public static var i: Complex { Complex(0, 1) }

    public var conjugate: Complex { Complex(real, -imaginary) }

    public static func + (x: Complex, y: Complex) -> Complex {
        Complex(x.real + y.real, x.imaginary + y.imaginary)
    }
    public static func - (x: Complex, y: Complex) -> Complex {
        Complex(x.real - y.real, x.imaginary - y.imaginary)
    }
    public static func * (x: Complex, y: Complex) -> Complex {
        Complex(x.real * y.real - x.imaginary * y.imaginary, x.real * y.imaginary + x.imaginary * y.real)
    }
    public static prefix func - (x: Complex) -> Complex { Complex(-x.real, -x.imaginary) }
}

extension Complex: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
    public init(integerLiteral value: Part.IntegerLiteralType) { self.init(Part(integerLiteral: value)) }
    public init(floatLiteral value: Part.FloatLiteralType) { self.init(Part(floatLiteral: value)) }
}

extension Complex: CustomStringConvertible {
    public var description: String { "\(real)\(imaginary.sign == .minus ? "-" : "+")\(imaginary.magnitude)j" }
}

extension Complex: TensorElement where Part: ComplexPart {
    public static var dtype: DType { Part.dtype.toComplex }
}

/// What the parts of a tensor's complex elements can be: Float and Double.
public protocol ComplexPart: TensorElement {}
extension Float: ComplexPart {}
extension Double: ComplexPart {}
