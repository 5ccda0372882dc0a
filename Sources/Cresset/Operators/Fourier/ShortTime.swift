import BackendKit

/// Short-time transforms: the spectrum of each of many overlapping windows of a signal.
enum ShortTime {
    struct Options {
        var size: Int
        var hop: Int?
        var windowSize: Int?
        var window: Tensor?
        var center = true
        var normalized = false
        var oneSided: Bool?
    }

    /// What a call comes to, checked.
    private struct Plan {
        var size: Int
        var hop: Int
        /// The window, filled up with zeros to the size of the transform.
        var window: Tensor?
    }

    private static func plan(_ x: Tensor, _ options: Options, op: String) throws(CressetError) -> Plan {
        let hop = options.hop ?? options.size / 4
        let length = options.windowSize ?? options.size
        guard options.size > 0, hop > 0, length > 0, length <= options.size else {
            throw CressetError(
                .argument, op: op,
                "n_fft, hop_length and win_length must be positive, and win_length at most n_fft: \(options.size), \(hop), "
                    + "\(length)")
        }
        var given = options.window
        if given == nil && length < options.size { given = try ones(length, like: x, op: op) }
        guard var window = given else { return Plan(size: options.size, hop: hop, window: nil) }
        try window.checkValid(op)
        guard window.ndim == 1, window.numel == length else {
            throw CressetError(.shape, op: op, "the window must have shape [\(length)], it is \(window.summary)")
        }
        if length < options.size {
            let left = (options.size - length) / 2
            window = try Padding.constant(window, [left, options.size - length - left], 0)
        }
        return Plan(size: options.size, hop: hop, window: window)
    }

    private static func ones(_ count: Int, like x: Tensor, op: String) throws(CressetError) -> Tensor {
        try .filled([count], 1, dtype: x.dtype.toReal, on: x.runtime, op: op)
    }

    /// [batch, length] or [length] to [..., frequencies, windows].
    ///
    /// - Parameter mode: how the signal is continued where windows are centred on its ends.
    static func stft(
        _ signal: Tensor, _ options: Options, mode: PaddingMode, returnsComplex: Bool?, op: String
    ) throws(CressetError) -> Tensor {
        try signal.checkValid(op)
        guard signal.ndim == 1 || signal.ndim == 2, signal.dtype.hasGradient else {
            throw CressetError(
                .shape, op: op, "needs a floating or complex signal [length] or [batch, length], got \(signal.summary)")
        }
        let plan = try plan(signal, options, op: op)
        var x = signal.ndim == 1 ? signal.unsqueeze(0) : signal
        if options.center {
            x = try Padding.pad(x.unsqueeze(1), [plan.size / 2, plan.size / 2], mode, nil).squeezed([1], op: op)
        }
        guard x.size(1) >= plan.size else {
            throw CressetError(
                .shape, op: op, "n_fft is \(plan.size), and the signal has \(x.size(1)) elements: \(signal.summary)")
        }
        var frames = x.unfold(1, plan.size, plan.hop)
        if let window = plan.window { frames = try Ops.mul(frames, window) }
        let isComplex = frames.dtype.isComplex
        let oneSided = options.oneSided ?? !isComplex
        guard !(oneSided && isComplex) else {
            throw CressetError(.argument, op: op, "the spectrum of a complex signal has no half to leave out")
        }
        let returnsComplex = returnsComplex ?? (isComplex || (options.window?.dtype.isComplex ?? false))
        let normalization: Fourier.Normalization = options.normalized ? .byRoot : .none
        let spectrum =
            isComplex
            ? try Fourier.c2c(frames, [2], normalization, forward: true)
            : try Fourier.r2c(frames, [2], normalization, forward: true, oneSided: oneSided)
        var result = spectrum.transpose(1, 2)
        if signal.ndim == 1 { result = result.squeezed([0], op: op) }
        return returnsComplex ? result : try ComplexNumbers.asReal(result.contiguousRecorded())
    }

    /// The signal of [batch, frequencies, windows] or [frequencies, windows]: windows are added where they
    /// overlap, and divided by what the squares of the window add up to there (Griffin, Lim 1984).
    static func istft(
        _ spectrum: Tensor, _ options: Options, length: Int?, returnsComplex: Bool, op: String
    ) throws(CressetError) -> Tensor {
        try spectrum.checkValid(op)
        guard spectrum.dtype.isComplex, spectrum.ndim == 2 || spectrum.ndim == 3, spectrum.numel > 0 else {
            throw CressetError(
                .shape, op: op,
                "needs a complex spectrum [frequencies, windows] or [batch, frequencies, windows], got \(spectrum.summary)"
            )
        }
        let plan = try plan(spectrum, options, op: op)
        let x = spectrum.ndim == 2 ? spectrum.unsqueeze(0) : spectrum
        let (n, hop, count) = (plan.size, plan.hop, x.size(2))
        let oneSided = options.oneSided ?? (x.size(1) != n)
        guard x.size(1) == (oneSided ? n / 2 + 1 : n) else {
            throw CressetError(
                .shape, op: op,
                "n_fft is \(n), so the spectrum must have \(oneSided ? n / 2 + 1 : n) frequencies: \(spectrum.summary)")
        }
        guard !(returnsComplex && oneSided) else {
            throw CressetError(.argument, op: op, "half a spectrum stands for a real signal; onesided must be false")
        }
        let normalization: Fourier.Normalization = options.normalized ? .byRoot : .byCount
        let columns = x.transpose(1, 2)
        var frames: Tensor
        if returnsComplex {
            frames = try Fourier.c2c(columns, [2], normalization, forward: false)
        } else {
            frames = try Fourier.c2r(
                oneSided ? columns : columns.narrow(2, 0, n / 2 + 1), [2], normalization, size: n)
        }
        let rectangle = try ones(n, like: spectrum, op: op)
        let window = plan.window ?? rectangle
        frames = try Ops.mul(frames, window)

        guard hop < 1 << 31, count < 1 << 31 else {
            throw CressetError(.argument, op: op, "hop_length \(hop) is too large for \(spectrum.summary)")
        }
        let total = n + hop * (count - 1)
        let places = (0..<count).flatMap { t in (0..<n).map { Int64(t * hop + $0) } }
        let index = try Tensor(places, device: .reference).moved(to: x.runtime, op: op)
        func overlapAdded(_ frames: Tensor) throws(CressetError) -> Tensor {
            let rows = frames.size(0)
            let start = try Tensor.filled([rows, total], 0, dtype: frames.dtype, on: x.runtime, op: op)
            return try Indexing.add(start, 1, index, try frames.reshaped([rows, count * n], op: op))
        }
        let signal = try overlapAdded(frames)
        let squares = try Ops.mul(window, window).unsqueeze(0).expanded([count, n], op: op).unsqueeze(0)
        let envelope = try overlapAdded(try squares.reshaped([1, count, n], op: op))

        let first = options.center ? n / 2 : 0
        guard length ?? 0 >= 0, length ?? 0 < 1 << 48 else {
            throw CressetError(.argument, op: op, "length must not be negative or above 2⁴⁸, got \(length ?? 0)")
        }
        let end = length.map { first + $0 } ?? (options.center ? total - n / 2 : total)
        let available = Swift.min(end, total)
        guard first < available else {
            throw CressetError(.argument, op: op, "nothing is left of \(total) elements between \(first) and \(end)")
        }
        let kept = envelope.narrow(1, first, available - first)
        let smallest = try kept.isMeta ? 1 : kept.detach().abs().elements(Double.self, through: .float64).min() ?? 0
        guard smallest > 1e-11 else {
            throw CressetError(
                .argument, op: op, "the windows' squares add up to \(smallest) somewhere, so the signal there is lost")
        }
        var result = try Ops.div(signal.narrow(1, first, available - first), kept)
        if end > total { result = try Padding.constant(result, [0, end - total], 0) }
        return spectrum.ndim == 2 ? result.squeezed([0], op: op) : result
    }
}

extension Tensor {
    /// A copy in row-major order if it is not, on the tape.
    fileprivate func contiguousRecorded() -> Tensor { isContiguous ? self : clone() }

    /// The spectra of overlapping windows of a signal [length] or [batch, length]: [..., frequencies, windows].
    ///
    /// - Parameters:
    ///   - nFFT: elements of a window's transform.
    ///   - hopLength: elements from one window to the next; a quarter of `nFFT` if none is given.
    ///   - window: `winLength` factors, in the middle of `nFFT`.
    ///   - center: windows are centred on the elements; the signal is continued by `padMode`.
    ///   - onesided: half of the spectrum; the default for a real signal.
    ///   - returnComplex: false: the parts are a last dim.
    public func stft(
        _ nFFT: Int, hopLength: Int? = nil, winLength: Int? = nil, window: Tensor? = nil, center: Bool = true,
        padMode: PaddingMode = .reflect, normalized: Bool = false, onesided: Bool? = nil, returnComplex: Bool = true
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try ShortTime.stft(
                self,
                ShortTime.Options(
                    size: nFFT, hop: hopLength, windowSize: winLength, window: window, center: center,
                    normalized: normalized, oneSided: onesided), mode: padMode, returnsComplex: returnComplex,
                op: "aten::stft.center")
        }
    }

    /// The signal of the spectra that `stft` gives.
    public func istft(
        _ nFFT: Int, hopLength: Int? = nil, winLength: Int? = nil, window: Tensor? = nil, center: Bool = true,
        normalized: Bool = false, onesided: Bool? = nil, length: Int? = nil, returnComplex: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try ShortTime.istft(
                self,
                ShortTime.Options(
                    size: nFFT, hop: hopLength, windowSize: winLength, window: window, center: center,
                    normalized: normalized, oneSided: onesided), length: length, returnsComplex: returnComplex,
                op: "aten::istft")
        }
    }
}

// MARK: Declarations

extension Operators {
    private static let ofTransform = "it is made of aten::_fft_c2c, which can be"
    private static let start = "Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None"
    private static let floats: Set<DType> = [.float32, .float64, .complex64, .complex128]

    private static func options(_ a: Arguments) throws(CressetError) -> ShortTime.Options {
        ShortTime.Options(
            size: try a.int("n_fft"), hop: try a.optionalInt("hop_length"), windowSize: try a.optionalInt("win_length"),
            window: try a.optionalTensor("window"), center: false, normalized: try a.bool("normalized"),
            oneSided: try a.optionalBool("onesided"))
    }

    static let shortTime: [Operator] = [
        Operator(
            "stft(\(start), bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor",
            dtypes: floats, composition: ["aten::_fft_c2c", "pointwise", "gather"], notOverridable: ofTransform,
            samples: { g in stftSamples(&g).map { Sample($0 + [$1, .none, true]) } },
            call: { (a) throws(CressetError) in
                [
                    .tensor(
                        try ShortTime.stft(
                            try a.tensor("self"), try options(a), mode: .constant,
                            returnsComplex: try a.optionalBool("return_complex"), op: "aten::stft"))
                ]
            }),
        Operator(
            "stft.center(\(start), bool center=True, str pad_mode=\"reflect\", bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor",
            dtypes: floats, composition: ["aten::_fft_c2c", "pointwise", "gather"], notOverridable: ofTransform,
            samples: { g in
                stftSamples(&g).map { Sample($0 + [true, $1.isTrue ? "constant" : "reflect", $1, .none, true]) }
            },
            call: { (a) throws(CressetError) in
                var options = try options(a)
                options.center = try a.bool("center")
                let text = try a.string("pad_mode")
                guard let mode = PaddingMode(rawValue: text) else {
                    throw CressetError(.argument, op: "aten::stft.center", "there is no pad_mode \"\(text)\"")
                }
                return [
                    .tensor(
                        try ShortTime.stft(
                            try a.tensor("self"), options, mode: mode,
                            returnsComplex: try a.optionalBool("return_complex"), op: "aten::stft.center"))
                ]
            }),
        Operator(
            "istft(\(start), bool center=True, bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False) -> Tensor",
            dtypes: [.complex64, .complex128], composition: ["aten::_fft_c2c", "pointwise", "scatter"],
            notOverridable: ofTransform,
            samples: { g in
                // (No window of its own: one of extreme values would leave nothing of the signal.)
                let half = Value.tensor(g.tensor([2, 5, 4]))
                let whole = Value.tensor(g.tensor([8, 3]))
                return [
                    Sample([half, 8, 2, .none, .none, true, true]), Sample([half, 8, .none, 6, .none]),
                    Sample([whole, 8, 4, .none, .none, false, false, false, 20, true]),
                ]
            },
            call: { (a) throws(CressetError) in
                var options = try options(a)
                options.center = try a.bool("center")
                return [
                    .tensor(
                        try ShortTime.istft(
                            try a.tensor("self"), options, length: try a.optionalInt("length"),
                            returnsComplex: try a.bool("return_complex"), op: "aten::istft"))
                ]
            }),
    ]

    /// Everything up to the window, and whether to normalise.
    private static func stftSamples(_ g: inout SampleMaker) -> [([Value], Value)] {
        [
            ([.tensor(g.tensor([2, 30])), 8, 3, .none, .tensor(g.tensor([8], 0.5, 1, dtype: g.dtype.toReal))], false),
            ([.tensor(g.tensor([20])), 7, .none, 4, .none], true),
            ([.tensor(g.tensor([0, 20])), 8, 4, .none, .none], true),
        ]
    }
}

extension Value {
    fileprivate var isTrue: Bool { if case .scalar(.bool(true)) = self { true } else { false } }
}
