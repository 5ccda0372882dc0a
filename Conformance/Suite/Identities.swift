import Cresset

/// Equations that hold whoever computes them.
package enum Identities {
    /// One equation of tensors.
    struct Identity: Sendable {
        var name: String
        var dtypes: [DType]
        /// Units of the last place by which the sides may differ, times the size of what went into
        /// them; 0 is exact.
        var ulps: Double
        /// The two sides, and where it is not 1 the size that the errors are relative to.
        var sides:
            @Sendable (_ maker: inout SampleMaker, _ place: (Tensor) -> Tensor) -> (Tensor, Tensor, scale: Double)
    }

    package static func run(on device: Device, _ report: inout Report) {
        for identity in all {
            for dtype in identity.dtypes {
                let id = "identity/\(identity.name)/\(dtype)"
                let verdict: Verdict
                do {
                    verdict = try check(identity, dtype, on: device)
                } catch {
                    verdict = .failed(error.told)
                }
                report.add(verdict, id: id, op: "identity/\(identity.name)", dtype: dtype)
            }
        }
    }

    private static func check(_ identity: Identity, _ dtype: DType, on device: Device) throws -> Verdict {
        var maker = SampleMaker(dtype: dtype, seed: 11)
        let (left, right, scale) = try catching { identity.sides(&maker) { $0.to(device) } }
        let (x, y) = (try HostTensor(left), try HostTensor(right))
        let tolerance = identity.ulps == 0 ? 0 : identity.ulps * scale * 1.0.ulp(of: x.dtype)
        return Judgement.compare(x, y, rtol: 0, atol: tolerance).map { .failed($0.text) } ?? .passed
    }

    private static let exact: [DType] = [
        .float64, .float32, .float16, .bfloat16, .int64, .int32, .int16, .int8, .uint8,
    ]
    private static let wide: [DType] = [.float64, .float32]
    private static let whole: [DType] = [.float64, .float32, .int64, .int32]

    static let all: [Identity] = [
        Identity(name: "transpose twice", dtypes: exact, ulps: 0) { g, place in
            let x = place(g.tensor([3, 4, 5]))
            return (x.transpose(0, 2).contiguous().transpose(0, 2), x, 1)
        },
        Identity(name: "cat of split", dtypes: exact, ulps: 0) { g, place in
            let x = place(g.tensor([3, 7]))
            return (Tensor.cat(x.split(3, dim: 1), dim: 1), x, 1)
        },
        Identity(name: "gather of scatter", dtypes: exact, ulps: 0) { g, place in
            let x = place(g.tensor([2, 3]))
            let index = place(Tensor([4, 0, 2, 1, 3, 0] as [Int64], shape: [2, 3], device: .reference))
            let target = place(g.tensor([2, 5]))
            return (target.scatter(1, index, x).gather(1, index), x, 1)
        },
        Identity(name: "sum of ones", dtypes: whole, ulps: 0) { g, place in
            let ones = place(Tensor.ones([37, 11], dtype: g.dtype, device: .reference))
            return (ones.sum(dtype: .float64), Tensor(407, dtype: .float64, device: ones.device), 1)
        },
        Identity(name: "product with eye", dtypes: whole, ulps: 0) { g, place in
            let x = place(g.tensor([5, 6]))
            return (x.matmul(place(Tensor.eye(6, dtype: g.dtype, device: .reference))), x, 1)
        },
        Identity(name: "transposed product", dtypes: [.int64, .int32], ulps: 0) { g, place in
            let (a, b) = (place(g.tensor([4, 6])), place(g.tensor([6, 3])))
            return (a.matmul(b).t().contiguous(), b.t().matmul(a.t()), 1)
        },
        Identity(name: "product of sums", dtypes: [.int64, .int32], ulps: 0) { g, place in
            let (a, b, c) = (place(g.tensor([4, 6])), place(g.tensor([6, 3])), place(g.tensor([6, 3])))
            return (a.matmul(b + c), a.matmul(b) + a.matmul(c), 1)
        },
        Identity(name: "largest at argmax", dtypes: exact, ulps: 0) { g, place in
            let x = place(g.tensor([6, 9]))
            return (x.gather(1, x.argmax(dim: 1, keepdim: true)), x.amax(dim: [1], keepdim: true), 1)
        },
        Identity(name: "any is not all of not", dtypes: [.bool], ulps: 0) { g, place in
            let x = place(g.tensor([6, 3]))
            return (x.any(dim: [1]), x.logicalNot().all(dim: [1]).logicalNot(), 1)
        },
        Identity(name: "quotient and remainder", dtypes: [.int64, .int32, .int16, .int8, .uint8], ulps: 0) { g, place in
            let (a, b) = (place(g.tensor([40], -60, 60)), place(g.tensor([40], 1, 9)))
            return (a.floorDivide(b) * b + a.remainder(b), a, 1)
        },
        Identity(name: "xor twice", dtypes: [.int64, .int32, .int16, .int8, .uint8, .bool], ulps: 0) { g, place in
            let (a, b) = (place(g.tensor([40], 0, 100)), place(g.tensor([40], 0, 100)))
            return ((a ^ b) ^ b, a, 1)
        },
        Identity(name: "there and back", dtypes: [.int32, .int16, .int8, .uint8], ulps: 0) { g, place in
            let x = place(g.tensor([40], -100, 100))
            return (x.to(.float64).to(g.dtype), x, 1)
        },
        Identity(name: "relu and its mirror", dtypes: [.float64, .float32, .float16, .bfloat16], ulps: 0) { g, place in
            let x = place(g.tensor([40]))
            return (x.relu() - (-x).relu(), x, 1)
        },
        // exp is wrong by 1 ulp, log by 1 ulp of its result, which exp turns into as many times |log x|.
        Identity(name: "exp of log", dtypes: wide, ulps: 4) { g, place in
            let x = place(g.tensor([64], 0.1, 9))
            return (x.log().exp(), x, scale: 9)
        },
        // Two functions of 1 ulp each, squared and added.
        Identity(name: "sin and cos", dtypes: wide, ulps: 4) { g, place in
            let x = place(g.tensor([64], -20, 20))
            return (x.sin().square() + x.cos().square(), Tensor.onesLike(x), 1)
        },
        // Each of 12 quotients is wrong by some 3 units at most, all of them together by as much of 1.
        Identity(name: "softmax sums to 1", dtypes: wide, ulps: 8) { g, place in
            let sums = place(g.tensor([7, 12])).softmax(dim: 1).sum(dim: 1)
            return (sums, Tensor.onesLike(sums), 1)
        },
        // Results up to 10, each side wrong by a few units of its own size.
        Identity(name: "log_softmax is log of softmax", dtypes: wide, ulps: 6) { g, place in
            let x = place(g.tensor([7, 12]))
            return (x.logSoftmax(dim: 1), x.softmax(dim: 1).log(), scale: 10)
        },
        Identity(name: "sigmoid and its mirror", dtypes: wide, ulps: 4) { g, place in
            let x = place(g.tensor([64], -8, 8))
            return (x.sigmoid() + (-x).sigmoid(), Tensor.onesLike(x), 1)
        },
        Identity(name: "erf and erfc", dtypes: wide, ulps: 4) { g, place in
            let x = place(g.tensor([64], -3, 3))
            return (x.erf() + x.erfc(), Tensor.onesLike(x), scale: 2)
        },
        // Γ(x + 1) = x·Γ(x); values up to 20.
        Identity(name: "lgamma's recurrence", dtypes: wide, ulps: 6) { g, place in
            let x = place(g.tensor([64], 0.5, 9))
            return ((x + 1).lgamma() - x.lgamma(), x.log(), scale: 20)
        },
        // 60 terms up to 4.
        Identity(name: "mean is sum over count", dtypes: wide, ulps: 2) { g, place in
            let x = place(g.tensor([60]))
            return (x.mean() * 60, x.sum(), scale: 240)
        },
    ]
}
