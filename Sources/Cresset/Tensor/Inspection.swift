import BackendKit

/// What can be asked of tensors, dtypes and shapes without computing anything.
extension Tensor {
    /// The number of elements.
    public var nelement: Int { numel }
    /// The number of dims.
    public var ndimension: Int { ndim }
    /// Bytes of one element.
    public var elementSize: Int { dtype.size }
    /// True for dtypes that hold numbers below 0.
    public var isSigned: Bool { dtype != .bool && dtype != .uint8 }
    /// True where both have the same sizes.
    public func isSameSize(_ other: Tensor) -> Bool { shape == other.shape }

    /// The dtype that an operation on both computes in.
    public static func resultType(_ x: Tensor, _ y: Tensor) -> DType { Promotion.result([x, y]) }
    /// The dtype that an operation on a tensor and a number computes in.
    public static func resultType(_ x: Tensor, _ y: Scalar) -> DType { Promotion.result([x], [y]) }
    /// The dtype that an operation on a number and a tensor computes in.
    public static func resultType(_ x: Scalar, _ y: Tensor) -> DType { Promotion.result([y], [x]) }
    /// The dtype that an operation on two numbers computes in.
    public static func resultType(_ x: Scalar, _ y: Scalar) -> DType { Promotion.result([], [x, y]) }

    /// A tensor of these elements, with this one's dtype and device where nothing else is said.
    public func newTensor<Element: TensorElement>(
        _ elements: [Element], shape: Shape? = nil, dtype: DType? = nil, device: Device? = nil
    ) -> Tensor { Tensor(elements, shape: shape, dtype: dtype ?? self.dtype, device: device ?? self.device) }

    /// The elements as lists of lists, as deep as the tensor has dims.
    public func tolist() -> NestedList {
        trapping(default: .list([])) { () throws(CressetError) in
            try checkValid("tolist")
            let numbers: [Scalar]
            switch dtype {
            case _ where dtype.isComplex: numbers = try complexElements().map(Scalar.complex)
            case _ where dtype.isFloatingPoint: numbers = try doubles().map(Scalar.double)
            case .bool: numbers = try doubles().map { .bool($0 != 0) }
            default: numbers = try elements(Int64.self).map(Scalar.int)
            }
            var rest = numbers[...]
            func level(_ d: Int) -> NestedList {
                if d == ndim { return .number(rest.popFirst() ?? 0) }
                return .list((0..<shape[d]).map { _ in level(d + 1) })
            }
            return level(0)
        }
    }

    /// The places of row-major indices within `shape`, one tensor for each dim.
    public static func unravelIndex(_ indices: Tensor, _ shape: Shape) -> [Tensor] {
        let zero = shape.map { _ in indices }
        return trapping(default: zero) { () throws(CressetError) in
            let op = "unravel_index"
            try indices.checkValid(op)
            guard indices.dtype.isInteger, shape.allSatisfy({ $0 >= 0 }) else {
                throw CressetError(
                    .argument, op: op, "needs integers and sizes not below 0: \(indices.summary), \(shape)")
            }
            return try noGrad { () throws(CressetError) in
                var (places, step): ([Tensor], Int64) = ([], 1)
                for size in shape.reversed() {
                    let whole = indices.div(.int(step), roundingMode: .floor)
                    places.append(try Ops.remainder(whole, .int(Int64(Swift.max(size, 1)))))
                    step = step &* Int64(Swift.max(size, 1))
                }
                return places.reversed()
            }
        }
    }
}

/// Numbers in lists of lists.
public indirect enum NestedList: Sendable, Hashable {
    case number(Scalar)
    case list([NestedList])
}

extension DType {
    /// The smallest dtype that both promote to (`torch.promote_types`).
    public static func promote(_ a: DType, _ b: DType) -> DType { Promotion.promote(a, b) }

    /// True where PyTorch's promotion rules let values of this dtype be written into one of another (`torch.can_cast`):
    /// its category must not be lower.
    public func canCast(to other: DType) -> Bool { Promotion.category(self) <= Promotion.category(other) }
}

extension Shape {
    /// The shape that all broadcast to (`torch.broadcast_shapes`).
    public static func broadcast(_ shapes: Shape...) throws(CressetError) -> Shape {
        var common: Shape = []
        for shape in shapes {
            guard let next = common.broadcast(with: shape) else {
                throw CressetError(
                    .shape, op: "broadcast_shapes",
                    "the shapes do not broadcast: \(shapes.map(\.description).joined(separator: ", ")); counted from "
                        + "the last dim, sizes must be equal or one of them 1")
            }
            common = next
        }
        return common
    }
}
