import BackendKit

/// One of PyTorch's families of transforms: fft, rfft, hfft and their inverses.
struct FourierTransform: Sendable {
    enum Kind: Sendable {
        /// Complex both ways.
        case complex
        /// Real numbers to half a spectrum: rfft, ihfft.
        case fromReal
        /// Half a spectrum to real numbers: irfft, hfft.
        case toReal
    }

    /// "rfft"
    let name: String
    let kind: Kind
    /// The direction of the transform itself: ihfft divides as an inverse does, and is conj(rfft).
    let forward: Bool

    private init(_ name: String, _ kind: Kind, forward: Bool) {
        (self.name, self.kind, self.forward) = (name, kind, forward)
    }

    static let fft = FourierTransform("fft", .complex, forward: true)
    static let ifft = FourierTransform("ifft", .complex, forward: false)
    static let rfft = FourierTransform("rfft", .fromReal, forward: true)
    static let irfft = FourierTransform("irfft", .toReal, forward: false)
    static let hfft = FourierTransform("hfft", .toReal, forward: true)
    static let ihfft = FourierTransform("ihfft", .fromReal, forward: false)
    static let all = [fft, ifft, rfft, irfft, hfft, ihfft]

    /// The transform over several dims, which are counted from the front; sizes are of the signal.
    func callAsFunction(
        _ x: Tensor, _ sizes: [Int]?, _ dims: [Int]?, _ norm: String?, op: String
    ) throws(CressetError) -> Tensor {
        let normalization = try Fourier.Normalization(norm, forward: forward, op: op)
        var x = try Fourier.prepared(x, real: kind == .fromReal, op: op)
        let (dims, wanted) = try Fourier.axes(x, sizes, dims, op: op)
        guard let last = dims.last else {
            if kind == .complex { return x.clone() }
            throw CressetError(.argument, op: op, "needs at least one dim to transform")
        }
        switch kind {
        case .complex:
            x = try Fourier.resized(x, dims, wanted, op: op)
            return try Fourier.c2c(x, dims, normalization, forward: forward)
        case .fromReal:
            // (The conjugate of a transform of real numbers is the transform in the other direction.)
            x = try Fourier.resized(x, dims, wanted, op: op)
            return try Fourier.r2c(x, dims, normalization, forward: forward)
        case .toReal:
            let size = (wanted.last ?? nil) ?? 2 * (x.shape[last] - 1)
            guard size >= 1 else {
                throw CressetError(
                    .argument, op: op,
                    "a transform needs at least one element, and dim \(last) gives \(size): \(x.summary)")
            }
            var spectrum = wanted
            spectrum[spectrum.count - 1] = size / 2 + 1
            x = try Fourier.resized(x, dims, spectrum, op: op)
            // (hfft: the transform of conj(x) in one direction is that of x's whole spectrum in the other.)
            return try Fourier.c2r(x, dims, normalization, size: size, forward: forward)
        }
    }
}

/// PyTorch's `torch.fft`.
///
/// `n` and `s` are the sizes of the signal: it is cut, or filled up with zeros. `norm` says what is
/// divided by the number of elements: "backward" the inverse, "forward" the other, "ortho" both, by its root.
public enum fft {
    private static func one(
        _ transform: FourierTransform, _ x: Tensor, _ n: Int?, _ dim: Int, _ norm: String?
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try transform(x, n.map { [$0] }, [dim], norm, op: "aten::fft_\(transform.name)")
        }
    }
    private static func several(
        _ transform: FourierTransform, _ x: Tensor, _ s: [Int]?, _ dim: [Int]?, _ norm: String?, _ suffix: String
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try transform(x, s, dim, norm, op: "aten::fft_\(transform.name)\(suffix)")
        }
    }

    /// The transform of complex numbers along a dim.
    public static func fft(_ x: Tensor, n: Int? = nil, dim: Int = -1, norm: String? = nil) -> Tensor {
        one(.fft, x, n, dim, norm)
    }
    /// The inverse of `fft`.
    public static func ifft(_ x: Tensor, n: Int? = nil, dim: Int = -1, norm: String? = nil) -> Tensor {
        one(.ifft, x, n, dim, norm)
    }
    /// The half of the transform of real numbers that the rest is conjugate to.
    public static func rfft(_ x: Tensor, n: Int? = nil, dim: Int = -1, norm: String? = nil) -> Tensor {
        one(.rfft, x, n, dim, norm)
    }
    /// The inverse of `rfft`; `n` elements, by default 2·(size - 1).
    public static func irfft(_ x: Tensor, n: Int? = nil, dim: Int = -1, norm: String? = nil) -> Tensor {
        one(.irfft, x, n, dim, norm)
    }
    /// The transform, which is real, of a signal of which half is given, the rest being conjugate to it.
    public static func hfft(_ x: Tensor, n: Int? = nil, dim: Int = -1, norm: String? = nil) -> Tensor {
        one(.hfft, x, n, dim, norm)
    }
    /// The inverse of `hfft`.
    public static func ihfft(_ x: Tensor, n: Int? = nil, dim: Int = -1, norm: String? = nil) -> Tensor {
        one(.ihfft, x, n, dim, norm)
    }

    /// The frequency of each bin of a transform of `n` elements that lie `d` apart: 0, 1, … -2, -1 over n·d.
    public static func fftfreq(_ n: Int, d: Double = 1, dtype: DType = .float32, device: Device? = nil) -> Tensor {
        freq(n, d, "aten::fft_fftfreq", dtype, device) { (0..<n).map { $0 < (n + 1) / 2 ? $0 : $0 - n } }
    }
    /// The frequency of each bin of `rfft`: 0, 1, … n/2 over n·d.
    public static func rfftfreq(_ n: Int, d: Double = 1, dtype: DType = .float32, device: Device? = nil) -> Tensor {
        freq(n, d, "aten::fft_rfftfreq", dtype, device) { Array(0...(n / 2)) }
    }
    private static func freq(
        _ n: Int, _ d: Double, _ op: String, _ dtype: DType, _ device: Device?, _ bins: () -> [Int]
    ) -> Tensor {
        trapping { () throws(CressetError) in
            guard n >= 1, d != 0 else {
                throw CressetError(.argument, op: op, "needs at least one element and a distance, got \(n) and \(d)")
            }
            return Tensor(bins().map { Double($0) / (Double(n) * d) }, dtype: dtype, device: device)
        }
    }

    /// `fft` over two dims.
    public static func fft2(_ x: Tensor, s: [Int]? = nil, dim: [Int] = [-2, -1], norm: String? = nil) -> Tensor {
        several(.fft, x, s, dim, norm, "2")
    }
    /// `ifft` over two dims.
    public static func ifft2(_ x: Tensor, s: [Int]? = nil, dim: [Int] = [-2, -1], norm: String? = nil) -> Tensor {
        several(.ifft, x, s, dim, norm, "2")
    }
    /// `rfft` over the last of two dims, `fft` over the other.
    public static func rfft2(_ x: Tensor, s: [Int]? = nil, dim: [Int] = [-2, -1], norm: String? = nil) -> Tensor {
        several(.rfft, x, s, dim, norm, "2")
    }
    /// The inverse of `rfft2`.
    public static func irfft2(_ x: Tensor, s: [Int]? = nil, dim: [Int] = [-2, -1], norm: String? = nil) -> Tensor {
        several(.irfft, x, s, dim, norm, "2")
    }
    /// `hfft` over the last of two dims, `fft` over the other.
    public static func hfft2(_ x: Tensor, s: [Int]? = nil, dim: [Int] = [-2, -1], norm: String? = nil) -> Tensor {
        several(.hfft, x, s, dim, norm, "2")
    }
    /// The inverse of `hfft2`.
    public static func ihfft2(_ x: Tensor, s: [Int]? = nil, dim: [Int] = [-2, -1], norm: String? = nil) -> Tensor {
        several(.ihfft, x, s, dim, norm, "2")
    }

    /// `fft` over all dims, or the given ones.
    public static func fftn(_ x: Tensor, s: [Int]? = nil, dim: [Int]? = nil, norm: String? = nil) -> Tensor {
        several(.fft, x, s, dim, norm, "n")
    }
    /// `ifft` over all dims, or the given ones.
    public static func ifftn(_ x: Tensor, s: [Int]? = nil, dim: [Int]? = nil, norm: String? = nil) -> Tensor {
        several(.ifft, x, s, dim, norm, "n")
    }
    /// `rfft` over the last dim, `fft` over the others.
    public static func rfftn(_ x: Tensor, s: [Int]? = nil, dim: [Int]? = nil, norm: String? = nil) -> Tensor {
        several(.rfft, x, s, dim, norm, "n")
    }
    /// The inverse of `rfftn`.
    public static func irfftn(_ x: Tensor, s: [Int]? = nil, dim: [Int]? = nil, norm: String? = nil) -> Tensor {
        several(.irfft, x, s, dim, norm, "n")
    }
    /// `hfft` over the last dim, `fft` over the others.
    public static func hfftn(_ x: Tensor, s: [Int]? = nil, dim: [Int]? = nil, norm: String? = nil) -> Tensor {
        several(.hfft, x, s, dim, norm, "n")
    }
    /// The inverse of `hfftn`.
    public static func ihfftn(_ x: Tensor, s: [Int]? = nil, dim: [Int]? = nil, norm: String? = nil) -> Tensor {
        several(.ihfft, x, s, dim, norm, "n")
    }
}

// MARK: Declarations

extension Operators {
    private static let ofTransform = "it is made of aten::_fft_c2c and aten::_fft_r2c, which can be"

    static let fourier: [Operator] =
        [
            Operator(
                "_fft_c2c(Tensor self, SymInt[] dim, int normalization, bool forward) -> Tensor",
                dtypes: [.complex64, .complex128], composition: Fourier.composition,
                samples: { g in
                    let cases: [(Shape, [Int], Int, Bool)] = [
                        ([8], [0], 0, true), ([3, 7], [1], 1, false), ([4, 3, 5], [0, 2], 2, true),
                        ([2, 67], [1], 2, false), ([5, 6], [1, 0], 0, false), ([0, 4], [1], 0, true),
                        ([1], [0], 2, true),
                    ]
                    return cases.map { shape, dims, normalization, forward in
                        Sample([
                            .tensor(g.tensor(shape)), .ints(dims), .scalar(Scalar(normalization)),
                            .scalar(.bool(forward)),
                        ])
                    }
                },
                call: { (a) throws(CressetError) in
                    let x = try a.tensor("self")
                    let dims = try Fourier.axes(x, nil, try a.ints("dim"), op: "aten::_fft_c2c").dims
                    guard let normalization = Fourier.Normalization(rawValue: try a.int("normalization")) else {
                        throw CressetError(.argument, op: "aten::_fft_c2c", "normalization must be 0, 1 or 2")
                    }
                    return [.tensor(try Fourier.c2c(x, dims, normalization, forward: try a.bool("forward")))]
                }),
            Operator(
                "_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor",
                dtypes: [.float32, .float64], composition: ["aten::_fft_c2c", "pointwise"],
                samples: { g in
                    // (Kernels take other ways from some hundred elements on.)
                    let cases: [(Shape, [Int], Int, Bool)] = [
                        ([8], [0], 0, true), ([3, 7], [1], 1, true), ([4, 3, 5], [0, 2], 2, true),
                        ([3, 4], [1], 0, false), ([2, 512], [1], 2, true), ([1024, 2], [0], 0, true),
                        ([0, 4], [1], 0, true), ([1], [0], 2, true),
                    ]
                    return cases.map { shape, dims, normalization, isOneSided in
                        Sample([
                            .tensor(g.tensor(shape)), .ints(dims), .scalar(Scalar(normalization)),
                            .scalar(.bool(isOneSided)),
                        ])
                    }
                },
                call: { (a) throws(CressetError) in
                    let op = "aten::_fft_r2c"
                    let x = try a.tensor("self")
                    guard x.dtype == .float32 || x.dtype == .float64 else {
                        throw CressetError(.dtype, op: op, "needs float32 or float64, got \(x.summary)")
                    }
                    let dims = try Fourier.axes(x, nil, try a.ints("dim"), op: op).dims
                    for d in dims where x.shape[d] == 0 {
                        throw CressetError(
                            .shape, op: op, "there is nothing to transform along dim \(d) of \(x.summary)")
                    }
                    guard let normalization = Fourier.Normalization(rawValue: try a.int("normalization")) else {
                        throw CressetError(.argument, op: op, "normalization must be 0, 1 or 2")
                    }
                    let isOneSided = try a.bool("onesided")
                    return [.tensor(try Fourier.r2c(x, dims, normalization, forward: true, oneSided: isOneSided))]
                }),
        ]
        + FourierTransform.all.flatMap { [transform1($0), transformN($0, "2"), transformN($0, "n")] }

    private static func dtypes(_ transform: FourierTransform) -> Set<DType> {
        let real: Set<DType> = [.float32, .float64, .uint8, .int8, .int16, .int32, .int64, .bool]
        return transform.kind == .fromReal ? real : real.union([.complex64, .complex128])
    }

    private static func transform1(_ transform: FourierTransform) -> Operator {
        let op = "aten::fft_\(transform.name)"
        return Operator(
            "fft_\(transform.name)(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor",
            dtypes: dtypes(transform), composition: ["aten::_fft_c2c", "pointwise"], notOverridable: ofTransform,
            samples: { g in
                let cases: [(Shape, Int?, Int, String?)] = [
                    ([3, 8], nil, -1, nil), ([5, 4], 7, 0, "ortho"), ([9], 5, -1, "forward"), ([2, 3, 4], 4, 1, nil),
                    ([0, 5], nil, 1, nil),
                ]
                return cases.map { shape, n, dim, norm in
                    Sample([
                        .tensor(g.tensor(shape)), n.map { .scalar(Scalar($0)) } ?? .none, .scalar(Scalar(dim)),
                        norm.map { .string($0) } ?? .none,
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try transform(
                            try a.tensor("self"), try a.optionalInt("n").map { [$0] }, [try a.int("dim")],
                            try a.optionalString("norm"), op: op))
                ]
            })
    }

    private static func transformN(_ transform: FourierTransform, _ suffix: String) -> Operator {
        let op = "aten::fft_\(transform.name)\(suffix)"
        let dims = suffix == "2" ? "int[1] dim=[-2,-1]" : "int[1]? dim=None"
        return Operator(
            "fft_\(transform.name)\(suffix)(Tensor self, SymInt[1]? s=None, \(dims), str? norm=None) -> Tensor",
            dtypes: dtypes(transform), composition: ["aten::_fft_c2c", "pointwise"], notOverridable: ofTransform,
            samples: { g in
                let cases: [(Shape, [Int]?, [Int], String?)] = [
                    ([4, 5], nil, [-2, -1], nil), ([3, 4, 2], [5, 3], [0, 2], "ortho"),
                    ([4, 3], [-1, 4], [1, 0], "forward"),
                    ([0, 3, 4], nil, [1, 2], nil),
                ]
                return cases.map { shape, s, dims, norm in
                    Sample([
                        .tensor(g.tensor(shape)), s.map { .ints($0) } ?? .none, .ints(dims),
                        norm.map { .string($0) } ?? .none,
                    ])
                }
            },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try transform(
                            try a.tensor("self"), try a.optionalInts("s"), try a.optionalInts("dim"),
                            try a.optionalString("norm"), op: op))
                ]
            })
    }
}
