import BackendKit

/// Convolution of sequences that have time first, [time, batch, channels].
enum TimeConvolution {
    static let declaration = Composed(
        "conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor", of: ["aten::conv1d"],
        samples: { g in
            [([7, 2, 3], [3, 3, 4], 0), ([5, 1, 2], [2, 2, 3], 2), ([4, 0, 2], [2, 2, 3], 0)].map {
                (x: Shape, weight: Shape, pad: Int) in
                Sample([
                    .tensor(g.tensor(x, -2, 2)), .tensor(g.tensor(weight, -2, 2)),
                    .tensor(g.tensor([weight[2]], -2, 2)), Value(pad),
                ])
            }
        },
        errors: { g in
            let (x, bias) = (Value.tensor(g.tensor([5, 2, 3])), Value.tensor(g.tensor([4])))
            return [
                ErrorSample([x, .tensor(g.tensor([2, 4, 4])), bias], "needs [time, batch, channels]"),
                ErrorSample([x, .tensor(g.tensor([2, 3, 4])), .tensor(g.tensor([3]))], "a bias of [4]"),
                ErrorSample([x, .tensor(g.tensor([2, 3, 4])), bias, -1], "pad must not be negative"),
                ErrorSample([x, .tensor(g.tensor([9, 3, 4])), bias], "9 steps"),
            ]
        },
        type: { (a) throws(CressetError) in
            let (x, weight, bias) = (try a.tensor("self"), try a.tensor("weight"), try a.tensor("bias"))
            let pad = try a.int("pad")
            guard pad >= 0, pad < 1 << 40 else { throw a.wrong("pad must not be negative, got \(pad)") }
            guard x.ndim == 3, weight.ndim == 3, weight.shape[1] == x.shape[2], weight.shape[0] > 0 else {
                throw CressetError(
                    .shape, op: a.op,
                    "needs [time, batch, channels] and a weight of [kernel, channels, results]: \(x.summary), "
                        + weight.summary)
            }
            guard bias.shape == [weight.shape[2]] else {
                throw CressetError(.shape, op: a.op, "needs a bias of [\(weight.shape[2])], got \(bias.summary)")
            }
            guard x.dtype == weight.dtype, x.dtype == bias.dtype else {
                throw CressetError(
                    .dtype, op: a.op, "all must have one dtype: \(x.summary), \(weight.summary), \(bias.summary)")
            }
            let count = x.shape[0] + 2 * pad - weight.shape[0] + 1
            guard count > 0 else {
                throw a.wrong(
                    "the kernel of \(weight.shape[0]) steps is longer than \(x.shape[0] + 2 * pad): \(x.summary)")
            }
            return ResultType([count, x.shape[1], weight.shape[2]], x.dtype)
        },
        body: { (a) throws(CressetError) in
            // [batch, channels, time] and [results, channels, kernel].
            let x = try a.tensor("self").permute([1, 2, 0])
            let weight = try a.tensor("weight").permute([2, 1, 0])
            return x.conv1d(weight, bias: try a.tensor("bias"), padding: .sizes(PerDim(try a.int("pad")))).permute([
                2, 0, 1,
            ])
            .contiguous()
        })
}

extension Operators {
    static let timeConvolution: [Operator] = [TimeConvolution.declaration.declaration]
}

extension Tensor {
    /// The convolution of [time, batch, channels] with a weight of [kernel, channels, results].
    public func convTbc(_ weight: Tensor, _ bias: Tensor, pad: Int = 0) -> Tensor {
        trapping { () throws(CressetError) in
            try TimeConvolution.declaration(.tensor(self), .tensor(weight), .tensor(bias), Value(pad))
        }
    }
}
