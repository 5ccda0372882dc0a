import CBackend

/// A C-like language that programs are rendered in.
///
/// What the languages spell differently is defined by macros in `preamble`, so that the rendered
/// statements and the helper functions are one text for all of them:
///
///     f32 v2 = v0 * v1;              // types: bool i32 u32 i64 u64 f32 f64
///     i32 v3 = TO_I32(v2);           // conversions, as the language has them
///     u32 v4 = BITS_F32(v2);         // the pattern of a float, and FROM_BITS_F32 back
///
/// BOOL is `bool` in statements and a byte of 0 or 1 in memory.
public struct Dialect: Sendable, Hashable {
    public enum Language: Sendable, Hashable { case openCL, glsl }

    public var language: Language
    /// The device's `/` and `sqrt` of f32 are not correctly rounded, but it has f64: compute there.
    public var widensDivision: Bool
    /// The device's `fma` may round twice: compute it exactly from other operations.
    public var emulatesFMA: Bool

    public init(_ language: Language, widensDivision: Bool = false, emulatesFMA: Bool? = nil) {
        self.language = language
        self.widensDivision = widensDivision
        self.emulatesFMA = emulatesFMA ?? (language == .glsl)
    }

    /// OpenCL C 1.2.
    public static let openCL = Dialect(.openCL)
    /// GLSL 4.60 with explicit arithmetic types.
    public static let glsl = Dialect(.glsl)

    /// Name of an arithmetic type.
    public func name(_ type: ArithmeticType) -> String {
        switch type {
        case .bool: "bool"
        case .i32: "i32"
        case .i64: "i64"
        case .f32: "f32"
        case .f64: "f64"
        }
    }

    /// Name of the type an element has in memory; half-width floats are their bit patterns.
    public func storage(_ dtype: DType) -> String {
        let cl = language == .openCL
        switch dtype {
        case .bool, .uint8: return cl ? "uchar" : "uint8_t"
        case .int8: return cl ? "char" : "int8_t"
        case .int16: return cl ? "short" : "int16_t"
        case .float16, .bfloat16: return cl ? "ushort" : "uint16_t"
        case .int32: return "i32"
        case .int64: return "i64"
        case .float32: return "f32"
        case .float64: return "f64"
        case .complex64: return cl ? "float2" : "vec2"
        case .complex128: return cl ? "double2" : "dvec2"
        }
    }

    /// The arithmetic value of a stored element.
    public func widened(_ element: String, _ dtype: DType) -> String {
        switch dtype {
        case .bool: "(TO_I32(\(element)) != 0)"
        case .uint8, .int8, .int16: "TO_I32(\(element))"
        case .float16: "cresset_from_f16(TO_U32(\(element)))"
        case .bfloat16: "cresset_from_bf16(TO_U32(\(element)))"
        default: element
        }
    }

    /// The element to store for an arithmetic value: rounded to nearest even, integers wrapped.
    public func narrowed(_ value: String, _ dtype: DType) -> String {
        switch dtype {
        case .bool: cast("\(value) ? 1 : 0", to: dtype)
        case .uint8, .int8, .int16: cast(value, to: dtype)
        case .float16: cast("cresset_to_f16(\(value))", to: dtype)
        case .bfloat16: cast("cresset_to_bf16(\(value))", to: dtype)
        default: value
        }
    }

    /// The value rounded or wrapped to `dtype` and widened again.
    public func rounded(_ value: String, _ dtype: DType) -> String {
        switch dtype {
        case .uint8: "(\(value) & 255)"
        case .int8: "(((\(value) & 255) ^ 128) - 128)"
        case .int16: "(((\(value) & 65535) ^ 32768) - 32768)"
        case .float16: "cresset_from_f16(cresset_to_f16(\(value)))"
        case .bfloat16: "cresset_from_bf16(cresset_to_bf16(\(value)))"
        default: value
        }
    }

    private func cast(_ value: String, to dtype: DType) -> String {
        language == .openCL ? "((\(storage(dtype)))(\(value)))" : "\(storage(dtype))(\(value))"
    }

    /// A literal, exact to the bit.
    public func literal(_ bits: UInt64, _ type: ArithmeticType) -> String {
        let low = UInt32(truncatingIfNeeded: bits)
        let high = UInt32(truncatingIfNeeded: bits >> 32)
        switch type {
        case .bool: return low != 0 ? "true" : "false"
        case .i32: return "TO_I32(\(hexadecimal(low)))"
        case .f32: return "FROM_BITS_F32(\(hexadecimal(low)))"
        case .i64: return "TO_I64(PACK_U64(\(hexadecimal(high)), \(hexadecimal(low))))"
        case .f64: return "FROM_BITS_F64(PACK_U64(\(hexadecimal(high)), \(hexadecimal(low))))"
        }
    }

    /// A constant of a program, exact to the bit.
    ///
    /// In GLSL a zero is read from a built-in that is 0 in every launch of one layer of workgroups: where llvmpipe
    /// (Mesa 22.3) sees a zero, it takes x * 0 for 0 and x + 0 for x, whatever the shader says of NaN and signed zeros.
    public func constant(_ bits: UInt64, _ type: ArithmeticType) -> String {
        let sign: UInt64 = type == .f64 ? 1 << 63 : 1 << 31
        guard language == .glsl, type.isFloat, bits & ~sign == 0 else { return literal(bits, type) }
        let high = bits == 0 ? "gl_WorkGroupID.z" : "(gl_WorkGroupID.z | 0x80000000u)"
        return type == .f64 ? "FROM_BITS_F64(PACK_U64(\(high), 0u))" : "FROM_BITS_F32(\(high))"
    }

    private func hexadecimal(_ x: UInt32) -> String { "0x" + String(x, radix: 16) + "u" }

    /// What goes before everything else in a source; after `#version` in GLSL.
    ///
    /// The macros of the portable maths and a few of the renderer's own. A device without f64 must be
    /// spared what it refuses: `CRESSET_WITHOUT_F64` is defined for it.
    public func preamble(hasF64: Bool = true) -> String {
        (hasF64 ? "" : "#define CRESSET_WITHOUT_F64\n")
            + (language == .openCL ? Self.mathsOpenCL + Self.ownOpenCL : Self.mathsGLSL + Self.ownGLSL)
    }

    private static let mathsOpenCL = String(cString: cresset_maths_opencl_preamble_text())
    private static let mathsGLSL = String(cString: cresset_maths_glsl_preamble_text())

    private static let ownOpenCL = """

        typedef uint4 u32x4;
        #define PACK_U64(high, low) (((u64)(high) << 32) | (u64)(low))
        #define MAKE_U32X4(x, y, z, w) ((uint4)((x), (y), (z), (w)))
        #define ROUND_EVEN(x) rint(x)

        """

    private static let ownGLSL = """

        #define u32x4 uvec4
        #define PACK_U64(high, low) ((uint64_t(high) << 32) | uint64_t(low))
        #define MAKE_U32X4(x, y, z, w) uvec4((x), (y), (z), (w))
        #define ROUND_EVEN(x) roundEven(x)

        """
}
