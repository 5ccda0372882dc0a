import Cresset

/// Places of values along a dim, where it is free which of several equal values is named.
///
/// PyTorch's topk, kthvalue, mode and median name any of them, its unstable sort orders them as it likes. Such a
/// result is right if it names places, no place twice in a row, and what lies there is equal.
package struct FreeIndices {
    /// The values that are pointed at, and along which dim.
    private let values: Tensor
    private let dim: Int

    /// - Parameters:
    ///   - arguments: by position or by name, of a call of `op`, whose first is the values.
    package init(_ op: Operator, _ arguments: [Value], _ named: [String: Value]) throws {
        func argument(_ name: String) -> Value? {
            guard let i = op.schema.arguments.firstIndex(where: { $0.name == name }) else { return nil }
            return named[name] ?? (i < arguments.count ? arguments[i] : op.schema.arguments[i].defaultValue)
        }
        guard let x = argument(op.schema.arguments[0].name)?.tensor else {
            throw CressetError(.internal, op: op.name, "its first argument is no tensor")
        }
        values = x.detach()
        if case .scalar(.int(let d)) = argument("dim") { dim = Int(d) } else { dim = -1 }
    }

    /// True if both name equal values everywhere.
    package func agree(_ got: Tensor, _ right: Tensor) throws -> Bool {
        guard got.shape == right.shape, got.dtype == right.dtype else { return false }
        if values.ndim == 0 { return false }
        func placed(_ x: Tensor) -> Tensor { x.ndim < values.ndim ? x.unsqueeze(dim) : x }
        let size = values.size(dim)
        let (mine, others) = (placed(got), placed(right))
        guard try mine.doubles().allSatisfy({ $0 >= 0 && $0 < Double(size) }) else { return false }
        let named = try zip(values.gather(dim, mine).doubles(), values.gather(dim, others).doubles())
        guard named.allSatisfy({ $0 == $1 || $0.isNaN && $1.isNaN }) else { return false }
        let rows = try mine.transpose(dim, -1).contiguous().doubles()
        let length = mine.size(dim)
        return stride(from: 0, to: rows.count, by: Swift.max(length, 1)).allSatisfy {
            Set(rows[$0..<$0 + length]).count == length
        }
    }
}
