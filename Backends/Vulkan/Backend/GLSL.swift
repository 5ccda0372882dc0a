import BackendKit
import CBackend
import CVulkan

/// The text that all kernels share.
///
/// A kernel is pushed the address of its launch data, an array of 64-bit words, `W(0)`, `W(1)`, …, where it
/// finds sizes, strides, params and addresses. The first words are pushed too, `H(0)`, `H(1)`, …, which are
/// faster to read. Elements are reached through buffer references, one type of reference for each dtype:
/// `M_float32(address).v`.
enum GLSL {
    static let dialect = Dialect.glsl

    /// Invocations in a workgroup, unless a kernel says otherwise.
    static let groupSize = 256

    /// Words that are pushed.
    static let hotWords = Int(CVK_PUSH_BYTES) / 8 - 1

    /// Word `i` of the launch data, for a literal `i`.
    static func word(_ i: Int) -> String { i < hotWords ? "H(\(i))" : "W(\(i))" }

    /// Type of an element in memory.
    static func memory(_ dtype: DType) -> String {
        switch dtype {
        case .bool, .uint8: "uint8_t"
        case .int8: "int8_t"
        case .int16: "int16_t"
        case .float16, .bfloat16: "uint16_t"
        case .int32: "int"
        case .int64: "int64_t"
        case .float32: "float"
        case .float64: "double"
        case .complex64: "uvec2"
        case .complex128: "uvec4"
        }
    }

    /// The element at an address, a signed 64-bit expression.
    static func element(_ dtype: DType, _ address: String) -> String { "M_\(dtype)(uint64_t(\(address))).v" }

    static func load(_ dtype: DType, _ address: String) -> String { dialect.widened(element(dtype, address), dtype) }

    static func store(_ dtype: DType, _ address: String, _ value: String) -> String {
        "\(element(dtype, address)) = \(dialect.narrowed(value, dtype));"
    }

    /// Launch parameter in word `word`.
    static func param(_ word: Int, _ type: ArithmeticType) -> String {
        switch type {
        case .bool: "(\(Self.word(word)) != 0L)"
        case .i32: "int(\(Self.word(word)))"
        case .i64: Self.word(word)
        case .f32: "FROM_BITS_F32(uint(\(Self.word(word))))"
        case .f64: "FROM_BITS_F64(uint64_t(\(Self.word(word))))"
        }
    }

    /// An arithmetic value as a 64-bit word, and back.
    static func word(_ value: String, _ type: ArithmeticType) -> String {
        switch type {
        case .bool: "(\(value) ? 1L : 0L)"
        case .i32, .i64: "int64_t(\(value))"
        case .f32: "int64_t(BITS_F32(\(value)))"
        case .f64: "int64_t(BITS_F64(\(value)))"
        }
    }

    static func value(_ word: String, _ type: ArithmeticType) -> String {
        switch type {
        case .bool: "(\(word) != 0L)"
        case .i32: "int(\(word))"
        case .i64: "int64_t(\(word))"
        case .f32: "FROM_BITS_F32(uint(\(word)))"
        case .f64: "FROM_BITS_F64(uint64_t(\(word)))"
        }
    }

    static func zero(_ type: ArithmeticType) -> String { dialect.literal(0, type) }

    /// The number of the workgroup in a grid of two dimensions.
    static let group = "(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x)"

    /// A sum of two values as SUM and ADD mean it; integers wrap.
    static func sum(_ a: String, _ b: String, _ type: ArithmeticType) -> String {
        switch type {
        case .bool: "(\(a) || \(b))"
        case .i32: "int(uint(\(a)) + uint(\(b)))"
        case .i64: "int64_t(uint64_t(\(a)) + uint64_t(\(b)))"
        case .f32, .f64: "(\(a) + \(b))"
        }
    }

    static func product(_ a: String, _ b: String, _ type: ArithmeticType) -> String {
        switch type {
        case .bool: "(\(a) && \(b))"
        case .i32: "int(uint(\(a)) * uint(\(b)))"
        case .i64: "int64_t(uint64_t(\(a)) * uint64_t(\(b)))"
        case .f32, .f64: "(\(a) * \(b))"
        }
    }

    /// The larger or the smaller; NaN wins.
    static func extremum(_ a: String, _ b: String, _ type: ArithmeticType, isMin: Bool) -> String {
        switch type {
        case .bool: isMin ? "(\(a) && \(b))" : "(\(a) || \(b))"
        case .i32, .i64: "(\(a) \(isMin ? "<" : ">") \(b) ? \(a) : \(b))"
        case .f32, .f64: "cresset_\(isMin ? "min" : "max")_\(type)(\(a), \(b))"
        }
    }

    /// A whole shader: what the kernel `text` needs, and the kernel.
    static func complete(_ text: String, _ maths: MathsSource, _ physical: PhysicalDevice) -> String {
        var head = """
            #version 460
            #extension GL_EXT_buffer_reference : require
            #extension GL_EXT_scalar_block_layout : require

            """
        for (bits, used) in [(8, ["bool", "uint8", "int8"]), (16, ["int16", "float16", "bfloat16"])]
        where used.contains(where: { text.contains("M_\($0)(") }) {
            head += """
                #extension GL_EXT_shader_\(bits)bit_storage : require
                #extension GL_EXT_shader_explicit_arithmetic_types_int\(bits) : require

                """
        }
        var blocks = """
            layout(buffer_reference, scalar, buffer_reference_align = 8) readonly buffer Words { int64_t w[]; };
            layout(push_constant, scalar) uniform Push { uint64_t launch_data; int64_t launch_words[\(hotWords)]; };
            #define W(i) Words(launch_data).w[i]
            #define H(i) launch_words[i]
            layout(constant_id = 0) const int shape = 0;

            """
        for dtype in DType.allCases where text.contains("M_\(dtype)(") {
            blocks += """
                layout(buffer_reference, scalar, buffer_reference_align = \(dtype.size)) \
                buffer M_\(dtype) { \(memory(dtype)) v; };

                """
        }
        return head + maths.complete(blocks + text, hasF64: physical.raw.float64)
    }
}
