import BackendKit

/// Type promotion, by PyTorch's rules.
enum Promotion {
    /// The smallest dtype that both promote to.
    static func promote(_ a: DType, _ b: DType) -> DType {
        if a == b { return a }
        let (x, y) = a.rank < b.rank ? (a, b) : (b, a)
        if x == .bool { return y }
        switch (x, y) {
        case (.uint8, .int8): return .int16
        case (.float16, .bfloat16): return .float32
        // A complex type takes the wider of the parts.
        case (.float64, .complex64): return .complex128
        default: return y
        }
    }

    /// bool < integers < floating point < complex.
    static func category(_ dtype: DType) -> Int {
        if dtype == .bool { return 0 }
        if dtype.isComplex { return 3 }
        return dtype.isFloatingPoint ? 2 : 1
    }

    /// The result type of tensors and numbers: tensors with dims decide within their category, 0-d
    /// tensors and then numbers only raise the category.
    static func result(_ tensors: [Tensor], _ scalars: [Scalar] = []) -> DType {
        var dimensioned: DType?
        var zeroDim: DType?
        var number: DType?
        for tensor in tensors {
            let dtype = tensor.dtype
            if tensor.ndim > 0 {
                dimensioned = dimensioned.map { promote($0, dtype) } ?? dtype
            } else {
                zeroDim = zeroDim.map { promote($0, dtype) } ?? dtype
            }
        }
        for scalar in scalars { number = number.map { promote($0, scalar.dtype) } ?? scalar.dtype }
        return combine(dimensioned, combine(zeroDim, number)) ?? .float32
    }

    private static func combine(_ high: DType?, _ low: DType?) -> DType? {
        guard let high else { return low }
        guard let low else { return high }
        return category(low) > category(high) ? promote(high, low) : high
    }

    /// What a function to floating point computes in: float32 for bool and integers.
    static func float(_ dtype: DType) -> DType { category(dtype) < 2 ? .float32 : dtype }
}

extension DType {
    /// Order in which promotion prefers: a later type holds an earlier one of its category.
    fileprivate var rank: Int { Int(rawValue) }
}
