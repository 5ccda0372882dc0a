import BackendKit
import CFFT

/// Discrete Fourier transforms: X[k] = Σⱼ x[j]·exp(∓2πi·jk/n).
///
/// All of them come down to the transform of complex numbers over some dims, which is computed on the
/// host where no backend has a kernel for it: in float64, and rounded once. It is linear, and its
/// derivative is the transform in the other direction.
enum Fourier {
    static let name = OperatorName("aten::_fft_c2c")
    /// Half of the spectrum of real numbers; its arguments are PyTorch's.
    static let real = OperatorName("aten::_fft_r2c")
    /// Where a transform has no kernel on its device.
    static let composition = ["fft"]

    /// What the sums are divided by; the numbers are PyTorch's.
    enum Normalization: Int {
        case none = 0
        case byRoot = 1
        case byCount = 2

        /// - Parameter norm: "backward" (divides the inverse), "forward", or "ortho" (both by the root).
        init(_ norm: String?, forward: Bool, op: String) throws(CressetError) {
            switch norm ?? "backward" {
            case "backward": self = forward ? .none : .byCount
            case "forward": self = forward ? .byCount : .none
            case "ortho": self = .byRoot
            case let other:
                throw CressetError(
                    .argument, op: op, "norm must be \"backward\", \"forward\" or \"ortho\", got \"\(other)\"")
            }
        }

        func divisor(_ count: Int) -> Double {
            switch self {
            case .none: 1
            case .byRoot: Double(count).squareRoot()
            case .byCount: Double(count)
            }
        }
    }

    /// The transform of a complex tensor over `dims`, which are counted from the front and distinct.
    static func c2c(
        _ x: Tensor, _ dims: [Int], _ normalization: Normalization, forward: Bool
    ) throws(CressetError) -> Tensor {
        let op = name.text
        try x.checkValid(op)
        guard x.dtype.isComplex else { throw CressetError(.dtype, op: op, "needs a complex tensor, got \(x.summary)") }
        if let empty = dims.first(where: { x.shape[$0] == 0 }) {
            throw CressetError(.shape, op: op, "there is nothing to transform along dim \(empty) of \(x.summary)")
        }
        if dims.isEmpty { return x.clone() }
        let result = try Override.resolve(
            name, on: x, x.dtype,
            [.tensor(x), .ints(dims), .scalar(Scalar(normalization.rawValue)), .scalar(.bool(forward))],
            types: [ResultType(x.shape, x.dtype)]
        ) { () throws(CressetError) in
            [try noGrad { () throws(CressetError) in try onHost(x.detach(), dims, normalization, forward: forward) }]
        }[0]
        return Tape.record(op, result, inputs: [x]) { (gradients, _) throws(CressetError) in
            [try gradients[0].map { (g) throws(CressetError) in try c2c(g, dims, normalization, forward: !forward) }]
        }
    }

    private static func onHost(
        _ x: Tensor, _ dims: [Int], _ normalization: Normalization, forward: Bool
    ) throws(CressetError) -> Tensor {
        let op = name.text
        if x.isMeta { return try Tensor.empty(x.shape, x.dtype, on: x.runtime, op: op) }
        // The transformed dims last.
        let order = (0..<x.ndim).filter { !dims.contains($0) } + dims
        let source = x.permute(order)
        let divisor = normalization.divisor(dims.reduce(1) { $0 * x.shape[$1] })
        let parts = source.viewAsReal()
        let isWide = x.dtype == .complex128
        var pairs = isWide ? try parts.elements(Double.self) : try parts.elements(Float.self).map(Double.init)
        guard transform(&pairs, sizes: Array(source.shape.dropFirst(x.ndim - dims.count)), forward: forward) else {
            throw CressetError(.memory, op: op, "no host memory for a transform of \(x.summary)")
        }
        if divisor != 1 { for i in pairs.indices { pairs[i] /= divisor } }
        let result = try Tensor.empty(source.shape, x.dtype, on: x.runtime, op: op)
        if isWide { try result.write(pairs, op: op) } else { try result.write(pairs.map(Float.init), op: op) }
        var back = [Int](repeating: 0, count: order.count)
        for (place, d) in order.enumerated() { back[d] = place }
        return result.permute(back)
    }

    /// Transforms the last dims, of these sizes, of complex numbers in row-major order; false without memory.
    private static func transform(_ pairs: inout [Double], sizes: [Int], forward: Bool) -> Bool {
        let inverse: Int32 = forward ? 0 : 1
        var inner = 1
        for size in sizes.reversed() {
            let block = size * inner
            let total = pairs.count / 2
            // Every row below lies in the array: there are total = outer·size·inner complex numbers.
            let isDone = pairs.withUnsafeMutableBufferPointer { pairs -> Bool in
                guard let start = pairs.baseAddress else { return true }
                if inner == 1 { return cfft_transform(start, Int64(size), Int64(total / size), inverse) == 0 }
                var rows = [Double](repeating: 0, count: 2 * block)
                for outer in 0..<(total / block) {
                    let base = start + 2 * outer * block
                    for j in 0..<size {
                        for i in 0..<inner {
                            rows[2 * (i * size + j)] = base[2 * (j * inner + i)]
                            rows[2 * (i * size + j) + 1] = base[2 * (j * inner + i) + 1]
                        }
                    }
                    guard cfft_transform(&rows, Int64(size), Int64(inner), inverse) == 0 else { return false }
                    for j in 0..<size {
                        for i in 0..<inner {
                            base[2 * (j * inner + i)] = rows[2 * (i * size + j)]
                            base[2 * (j * inner + i) + 1] = rows[2 * (i * size + j) + 1]
                        }
                    }
                }
                return true
            }
            guard isDone else { return false }
            inner = block
        }
        return true
    }

    // MARK: Real on one side

    /// The transform of real numbers: of the last of `dims` half of the result, as the rest is conjugate to it.
    static func r2c(
        _ x: Tensor, _ dims: [Int], _ normalization: Normalization, forward: Bool, oneSided: Bool = true
    ) throws(CressetError) -> Tensor {
        guard forward, let last = dims.last, x.shape[last] > 0 else {
            return try halved(x, dims, normalization, forward: forward, oneSided: oneSided)
        }
        var shape = x.shape
        if oneSided { shape[last] = x.shape[last] / 2 + 1 }
        return try Override.resolve(
            real, inputs: [x], x.dtype,
            [.tensor(x), .ints(dims), .scalar(Scalar(normalization.rawValue)), .scalar(.bool(oneSided))],
            type: ResultType(shape, x.dtype.toComplex)
        ) { (t) throws(CressetError) in try halved(t[0], dims, normalization, forward: true, oneSided: oneSided) }
    }

    private static func halved(
        _ x: Tensor, _ dims: [Int], _ normalization: Normalization, forward: Bool, oneSided: Bool
    ) throws(CressetError) -> Tensor {
        let full = try c2c(try x.converted(to: x.dtype.toComplex), dims, normalization, forward: forward)
        guard oneSided, let last = dims.last else { return full }
        return full.narrow(last, 0, x.shape[last] / 2 + 1)
    }

    /// The transform of a spectrum of which half of the last of `dims` is given, and whose result, of
    /// `size` elements along it, is real.
    static func c2r(
        _ x: Tensor, _ dims: [Int], _ normalization: Normalization, size: Int, forward: Bool = false
    ) throws(CressetError) -> Tensor {
        let op = "aten::_fft_c2r"
        guard let last = dims.last else { return x.real }
        guard size >= 1, x.shape[last] >= size / 2 + 1 else {
            throw CressetError(
                .shape, op: op,
                "a real result of \(size) elements along dim \(last) needs \(size / 2 + 1) of the spectrum, and at least "
                    + "1: \(x.summary)")
        }
        // The dims of which all is given come first: together they would need each other's conjugates.
        let others = Array(dims.dropLast())
        let count = dims.reduce(1) { $0 * ($1 == last ? size : x.shape[$1]) }
        let half = try c2c(x, others, .none, forward: forward).narrow(last, 0, size / 2 + 1)
        // x[n - k] = conj(x[k])
        let mirrored = (0..<(size - size / 2 - 1)).map { Int64(size - size / 2 - 1 - $0) }
        var full = half
        if !mirrored.isEmpty {
            let index = try Tensor(mirrored, device: .reference).moved(to: x.runtime, op: op)
            full = try Joining.cat(
                [half, try ComplexNumbers.conjugate(try Indexing.select(half, last, index))], dim: last)
        }
        let result = try c2c(full, [last], .none, forward: forward).real
        let divisor = normalization.divisor(count)
        return divisor == 1 ? result : try Ops.div(result, .double(divisor))
    }

    // MARK: Arguments

    /// The tensor as a complex one, or as it is where `real` numbers are wanted; integers become float32.
    static func prepared(_ x: Tensor, real: Bool, op: String) throws(CressetError) -> Tensor {
        try x.checkValid(op)
        if real && x.dtype.isComplex {
            throw CressetError(.dtype, op: op, "needs real numbers, got \(x.summary)")
        }
        guard x.dtype != .float16 && x.dtype != .bfloat16 else {
            throw CressetError(.dtype, op: op, "is not defined for narrow floats: \(x.summary); convert to float32")
        }
        let float = x.dtype.hasGradient ? x : try x.converted(to: .float32)
        return real ? float : try float.converted(to: float.dtype.toComplex)
    }

    /// The dims and the sizes they are cut or filled up to: all dims, or as many of the last as there are sizes.
    static func axes(
        _ x: Tensor, _ sizes: [Int]?, _ dims: [Int]?, op: String
    ) throws(CressetError) -> (dims: [Int], sizes: [Int?]) {
        let wanted: [Int]
        if let dims {
            wanted = dims
        } else if let sizes {
            guard sizes.count <= x.ndim else {
                throw CressetError(.shape, op: op, "\(sizes.count) sizes are more than the dims of \(x.summary)")
            }
            wanted = Array((x.ndim - sizes.count)..<x.ndim)
        } else {
            wanted = Array(0..<x.ndim)
        }
        var found: [Int] = []
        for d in wanted {
            guard x.ndim > 0 else { throw CressetError(.shape, op: op, "a tensor without dims has none to transform") }
            let dim = try x.dim(d, op: op)
            guard !found.contains(dim) else {
                throw CressetError(.index, op: op, "dim \(d) appears twice in \(wanted) for \(x.summary)")
            }
            found.append(dim)
        }
        guard let sizes else { return (found, found.map { _ in nil }) }
        guard sizes.count == found.count else {
            throw CressetError(.argument, op: op, "there are \(sizes.count) sizes for \(found.count) dims")
        }
        // (-1 leaves a size as it is.)
        return (found, sizes.map { $0 == -1 ? nil : $0 })
    }

    /// The tensor cut, or filled up with zeros, to these sizes.
    static func resized(
        _ x: Tensor, _ dims: [Int], _ sizes: [Int?], op: String
    ) throws(CressetError) -> Tensor {
        var result = x
        for (d, size) in zip(dims, sizes) {
            guard let size, size != result.shape[d] else { continue }
            guard size >= 1 else {
                throw CressetError(.argument, op: op, "a transform needs at least one element, got size \(size)")
            }
            if size < result.shape[d] {
                result = result.narrow(d, 0, size)
            } else {
                var padding = [Int](repeating: 0, count: 2 * (result.ndim - d))
                padding[2 * (result.ndim - d) - 1] = size - result.shape[d]
                result = try Padding.constant(result, padding, 0)
            }
        }
        return result
    }
}
