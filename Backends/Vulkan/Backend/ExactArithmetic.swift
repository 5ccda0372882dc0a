import CVulkan

/// Rewrites SPIR-V so that floating-point arithmetic means what it says.
///
/// Every arithmetic result is decorated NoContraction, and the entry point asks for denormals, signed
/// zeros, infinities, NaN and rounding to nearest even where the device can promise them (core in SPIR-V
/// 1.4 and later, the property queries of VK_KHR_float_controls say where).
struct ExactArithmetic {
    /// Bit 0: 16, bit 1: 32, bit 2: 64 bits.
    var preserveDenormals: UInt32
    var preserveSpecials: UInt32
    var roundToEven: UInt32

    init(_ description: CvkDescription) {
        preserveDenormals = description.preserve_denormals
        preserveSpecials = description.preserve_specials
        roundToEven = description.round_to_even
    }

    private enum Op {
        static let entryPoint: UInt32 = 15
        static let capability: UInt32 = 17
        static let decorate: UInt32 = 71
        static let executionMode: UInt32 = 16
        /// FNegate, FAdd, FSub, FMul, FDiv, FRem, FMod, VectorTimesScalar, Dot.
        static let arithmetic: Set<UInt32> = [127, 129, 131, 133, 136, 140, 141, 142, 148]
        /// Everything that may come before types and constants: capabilities to annotations.
        static let header: Set<UInt32> = [
            17, 10, 11, 14, 15, 16, 331, 7, 3, 2, 4, 5, 6, 330, 71, 72, 73, 74, 75, 332, 5632, 5633,
        ]
    }
    private static let float64: UInt32 = 10
    private static let noContraction: UInt32 = 42

    /// The module rewritten, or nil if it is not well formed.
    func apply(to module: [UInt32]) -> [UInt32]? {
        guard module.count > 5, module[0] == 0x0723_0203 else { return nil }
        var decorated = Set<UInt32>()
        var results: [UInt32] = []
        var entry: UInt32?
        var hasFloat64 = false
        var lastCapability = 5
        var lastMode: Int?
        var annotationsEnd: Int?
        var i = 5
        while i < module.count {
            let length = Int(module[i] >> 16)
            let op = module[i] & 0xffff
            guard length > 0, i + length <= module.count else { return nil }
            switch op {
            case Op.capability where length > 1:
                lastCapability = i + length
                if module[i + 1] == Self.float64 { hasFloat64 = true }
            case Op.entryPoint where length > 2:
                entry = module[i + 2]
                lastMode = i + length
            case Op.executionMode: lastMode = i + length
            case Op.decorate where length > 2 && module[i + 2] == Self.noContraction: decorated.insert(module[i + 1])
            case let op where Op.arithmetic.contains(op) && length > 2: results.append(module[i + 2])
            default: break
            }
            if annotationsEnd == nil && !Op.header.contains(op) { annotationsEnd = i }
            i += length
        }
        guard let entry, let lastMode, let annotationsEnd else { return nil }

        var capabilities: [UInt32] = []
        var modes: [UInt32] = []
        for (capability, mode, widths) in [
            (UInt32(4464), UInt32(4459), preserveDenormals), (4466, 4461, preserveSpecials), (4467, 4462, roundToEven),
        ] {
            let wanted = widths & (hasFloat64 ? 6 : 2)
            if wanted == 0 { continue }
            capabilities += [2 << 16 | Op.capability, capability]
            for (bit, width) in [(UInt32(2), UInt32(32)), (4, 64)] where wanted & bit != 0 {
                modes += [4 << 16 | Op.executionMode, entry, mode, width]
            }
        }
        var result: [UInt32] = []
        result.reserveCapacity(module.count + capabilities.count + modes.count + results.count * 3)
        result += module[..<lastCapability]
        result += capabilities
        result += module[lastCapability..<lastMode]
        result += modes
        result += module[lastMode..<annotationsEnd]
        for id in results where !decorated.contains(id) {
            result += [3 << 16 | Op.decorate, id, Self.noContraction]
        }
        result += module[annotationsEnd...]
        return result
    }
}
