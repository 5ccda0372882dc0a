import BackendKit

/// Sums of products, and ways between two tensors.
extension Ops {
    /// a + w·(b - a), from the nearer end, so that w = 1 gives b exactly.
    static let lerpScalar = Parametric(
        "lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor", .promote,
        numbers: [[.double(0.25)], [.double(0.75)]],
        complex: .value { interpolated($0.inputs[0], $0.inputs[1], $0.scalars[0]) }
    ) { interpolated($0.inputs[0], $0.inputs[1], $0.scalars[0]) }
    static let lerpTensor = Parametric(
        "lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor", .promote, samples: [-4...4, -4...4, 0...1],
        complex: .value { interpolated($0.inputs[0], $0.inputs[1], $0.inputs[2]) }
    ) { interpolated($0.inputs[0], $0.inputs[1], $0.inputs[2]) }

    private static func interpolated(_ a: Expr, _ b: Expr, _ w: Expr) -> Expr {
        let d = b - a
        return select(Cresset.abs(w) .< 0.5, a + w * d, b - d * (1 - w))
    }
    private static func interpolated(_ a: ComplexExpr, _ b: ComplexExpr, _ w: ComplexExpr) -> ComplexExpr {
        let d = b - a
        return select(w.re * w.re + w.im * w.im .< 0.25, a + w * d, b - d * (1 - w))
    }

    /// self + value·t₁·t₂
    static let addcmul = Parametric(
        "addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", .promote, .number,
        numbers: [[1], [3]], complex: .value { $0.inputs[0] + $0.scalars[0] * $0.inputs[1] * $0.inputs[2] }
    ) { $0.inputs[0] + $0.scalars[0] * $0.inputs[1] * $0.inputs[2] }
    /// self + value·t₁/t₂
    static let addcdiv = Parametric(
        "addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", .promote,
        samples: [-4...4, -4...4, 0.5...4], numbers: [[1], [.double(2.5)]],
        complex: .value { $0.inputs[0] + $0.scalars[0] * $0.inputs[1] / $0.inputs[2] }
    ) { $0.inputs[0] + $0.scalars[0] * $0.inputs[1] / $0.inputs[2] }

    static let blending: [Operator] = [lerpScalar, lerpTensor, addcmul, addcdiv].map(\.declaration)
}

extension Tensor {
    /// self + weight·(end - self) (`torch.lerp`).
    public func lerp(_ end: Tensor, _ weight: Scalar) -> Tensor {
        trapping { () throws(CressetError) in try Ops.lerpScalar(self, end, numbers: weight) }
    }
    /// The same with a weight for each element.
    public func lerp(_ end: Tensor, _ weight: Tensor) -> Tensor {
        trapping { () throws(CressetError) in try Ops.lerpTensor(self, end, weight) }
    }
    /// The same as `lerp`, in place; with a number.
    @discardableResult public func lerp_(_ end: Tensor, _ weight: Scalar) -> Tensor {
        inPlace(Ops.lerpScalar, end, numbers: weight)
    }
    /// The same as `lerp`, in place.
    @discardableResult public func lerp_(_ end: Tensor, _ weight: Tensor) -> Tensor {
        inPlace(Ops.lerpTensor, end, weight)
    }
    /// self + value·tensor1·tensor2 (`torch.addcmul`).
    public func addcmul(_ tensor1: Tensor, _ tensor2: Tensor, value: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in try Ops.addcmul(self, tensor1, tensor2, numbers: value) }
    }
    /// The same as `addcmul`, in place; with a number.
    @discardableResult public func addcmul_(_ tensor1: Tensor, _ tensor2: Tensor, value: Scalar = 1) -> Tensor {
        inPlace(Ops.addcmul, tensor1, tensor2, numbers: value)
    }
    /// self + value·tensor1/tensor2 (`torch.addcdiv`).
    public func addcdiv(_ tensor1: Tensor, _ tensor2: Tensor, value: Scalar = 1) -> Tensor {
        trapping { () throws(CressetError) in try Ops.addcdiv(self, tensor1, tensor2, numbers: value) }
    }
    /// The same as `addcdiv`, in place; with a number.
    @discardableResult public func addcdiv_(_ tensor1: Tensor, _ tensor2: Tensor, value: Scalar = 1) -> Tensor {
        inPlace(Ops.addcdiv, tensor1, tensor2, numbers: value)
    }
}
