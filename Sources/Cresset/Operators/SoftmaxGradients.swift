import BackendKit

/// The backward operations of softmax and log_softmax, as PyTorch declares them.
extension Tensor {
    /// y·(g - Σ g·y): the gradient of softmax from its result y.
    public static func softmaxBackwardData(_ grad: Tensor, _ output: Tensor, dim: Int, inputDType: DType) -> Tensor {
        gradient("aten::_softmax_backward_data", grad, output, dim, inputDType) { (g, y, dims) throws(CressetError) in
            let product = try Ops.mul(g, y)
            return try Ops.sub(product, try Ops.mul(y, try Reductions.sum(product, dims: dims, keepdim: true)))
        }
    }
    /// g - eʸ·Σ g: the gradient of log_softmax from its result y.
    public static func logSoftmaxBackwardData(_ grad: Tensor, _ output: Tensor, dim: Int, inputDType: DType) -> Tensor {
        gradient("aten::_log_softmax_backward_data", grad, output, dim, inputDType) {
            (g, y, dims) throws(CressetError) in
            try Ops.sub(g, try Ops.mul(try Ops.exp(y), try Reductions.sum(g, dims: dims, keepdim: true)))
        }
    }

    private static func gradient(
        _ op: String, _ grad: Tensor, _ output: Tensor, _ dim: Int, _ dtype: DType,
        _ body: (Tensor, Tensor, [Int]) throws(CressetError) -> Tensor
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try grad.checkValid(op)
            try output.checkValid(op)
            guard grad.shape == output.shape, grad.dtype == output.dtype, grad.dtype.isFloatingPoint else {
                throw CressetError(
                    .argument, op: op,
                    "gradient and result must have one shape and floating dtype: \(grad.summary), \(output.summary)")
            }
            let d = try grad.dim(dim, op: op)
            // Narrow floats are computed in float32 and rounded once.
            let wide = grad.dtype.arithmetic.dtype
            return try body(try grad.converted(to: wide), try output.converted(to: wide), grad.ndim == 0 ? [] : [d])
                .converted(to: dtype)
        }
    }
}

// MARK: Declarations

extension Operators {
    private static func backward(
        _ name: String, _ body: @escaping @Sendable (Tensor, Tensor, Int, DType) -> Tensor
    ) -> Operator {
        .composed(
            "\(name)(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor", .floating,
            of: ["pointwise", "aten::sum.dim_IntList"],
            samples: { g in
                let cases: [(Shape, Int)] = [([3, 4], 1), ([2, 3, 2], -2), ([], 0), ([0, 3], 1)]
                return cases.map {
                    Sample([.tensor(g.tensor($0)), .tensor(g.tensor($0, 0, 1)), .scalar(Scalar($1)), .dtype(g.dtype)])
                }
            },
            call: { (a) throws(CressetError) in
                let output = try a.tensor("output")
                return [
                    .tensor(
                        body(
                            try a.tensor("grad_output"), output, try a.int("dim"),
                            try a.optionalDType("input_dtype") ?? output.dtype))
                ]
            })
    }

    static let softmaxGradients: [Operator] = [
        backward("_softmax_backward_data") { .softmaxBackwardData($0, $1, dim: $2, inputDType: $3) },
        backward("_log_softmax_backward_data") { .logSoftmaxBackwardData($0, $1, dim: $2, inputDType: $3) },
    ]
}
