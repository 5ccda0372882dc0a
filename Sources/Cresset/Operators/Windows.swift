import BackendKit

/// Windows that slide over the last dims of a tensor: what convolution, pooling and unfolding share.
///
/// Element k of window o lies at o·stride + k·dilation - padding of its dim. The sizes of input and
/// output are both given, so that a map and its adjoint are described by the same windows.
struct Windows: Sendable {
    var input: [Int]
    var kernel: [Int]
    var output: [Int]
    var stride: [Int]
    var padding: [Int]
    var dilation: [Int]

    var rank: Int { kernel.count }
    /// Elements of one window.
    var kernelCount: Int { kernel.reduce(1, *) }
    /// Windows.
    var outputCount: Int { output.reduce(1, *) }

    /// What lies between the first and behind the last element of a window.
    static func extent(_ kernel: Int, _ dilation: Int) -> Int { (kernel - 1) * dilation + 1 }

    /// Elements that must be added behind the last one of a dim so that all windows lie within.
    private func tail(_ i: Int) -> Int {
        Swift.max(0, (output[i] - 1) * stride[i] + Self.extent(kernel[i], dilation[i]) - padding[i] - input[i])
    }

    private var isPadded: Bool { (0..<rank).contains { padding[$0] > 0 || tail($0) > 0 } }

    /// Each window is one element, and they are in order.
    private var isIdentity: Bool {
        input == output && !isPadded
            && (0..<rank).allSatisfy { kernel[$0] == 1 && (stride[$0] == 1 || output[$0] == 1) }
    }

    private func paddedShape(_ lead: some Collection<Int>) -> Shape {
        var shape = Shape(lead)
        for i in 0..<rank { shape.append(padding[i] + input[i] + tail(i)) }
        return shape
    }

    /// Throws where an integer cannot count the elements of the padded input or of all windows.
    func checkSizes(_ lead: [Int], op: String) throws(CressetError) {
        guard paddedShape(lead).extent(8) != nil, Shape(lead + kernel + output).extent(8) != nil else {
            throw CressetError(
                .shape, op: op,
                "the windows have too many elements: input \(input), kernel \(kernel), padding \(padding), dilation "
                    + "\(dilation)")
        }
    }

    /// The part of a padded tensor that is the tensor itself.
    private func inner(_ padded: Tensor) -> Tensor {
        let lead = padded.ndim - rank
        var shape = padded.shape
        var offset = padded.impl.offset
        for i in 0..<rank {
            shape[lead + i] = input[i]
            offset += padding[i] * padded.strides[lead + i]
        }
        return Tensor(
            storage: padded.impl.storage, shape: shape, strides: padded.strides, offset: offset, dtype: padded.dtype)
    }

    /// `x` with `value` around it as far as the windows reach; nothing is recorded.
    func padded(_ x: Tensor, _ value: Scalar, op: String) throws(CressetError) -> Tensor {
        guard isPadded else { return x }
        let result = try Tensor.filled(
            paddedShape(x.shape.dropLast(rank)), value, dtype: x.dtype, on: x.runtime, op: op)
        if x.numel > 0 { try Copy.run(from: x, to: inner(result), op: OperatorName(op)) }
        return result
    }

    /// The elements of all windows over a padded tensor, [lead…, kernel…, output…], without copying.
    func columns(of padded: Tensor) -> Tensor { windows(padded, kernelFirst: true) }

    /// The same as [lead…, output…, kernel…].
    func rows(of padded: Tensor) -> Tensor { windows(padded, kernelFirst: false) }

    private func windows(_ padded: Tensor, kernelFirst: Bool) -> Tensor {
        let lead = padded.ndim - rank
        var shape = Shape(padded.shape.prefix(lead))
        var strides = Shape(padded.strides.prefix(lead))
        for isKernel in [kernelFirst, !kernelFirst] {
            for i in 0..<rank {
                shape.append(isKernel ? kernel[i] : output[i])
                strides.append(padded.strides[lead + i] * (isKernel ? dilation[i] : stride[i]))
            }
        }
        return Tensor(
            storage: padded.impl.storage, shape: shape, strides: strides, offset: padded.impl.offset,
            dtype: padded.dtype)
    }

    private static let add = PointwiseGroup("aten::col2im", actsOnParts: true) { x, _ in [x[0] + x[1]] }

    /// [lead…, kernel…, output…] added up where the windows overlap, [lead…, input…]; nothing is recorded.
    ///
    /// One addition for each place in the window, in order: every element gets its terms in the same
    /// order on every device. Narrow floats add up in float32 and are rounded once.
    func folded(_ columns: Tensor, op: String) throws(CressetError) -> Tensor {
        let lead = columns.ndim - 2 * rank
        if isIdentity { return try columns.reshaped(Shape(columns.shape.prefix(lead) + input), op: op) }
        let dtype = columns.dtype.isFloatingPoint ? columns.dtype.arithmetic.dtype : columns.dtype
        let sums = try Tensor.filled(
            paddedShape(columns.shape.prefix(lead)), 0, dtype: dtype, on: columns.runtime, op: op)
        var shape = Shape(columns.shape.prefix(lead))
        var (from, to) = (Shape(columns.strides.prefix(lead)), Shape(sums.strides.prefix(lead)))
        for i in 0..<rank {
            shape.append(output[i])
            from.append(columns.strides[lead + rank + i])
            to.append(sums.strides[lead + i] * stride[i])
        }
        for place in 0..<kernelCount {
            var (rest, source, target) = (place, columns.impl.offset, sums.impl.offset)
            for i in (0..<rank).reversed() {
                let k = rest % kernel[i]
                rest /= kernel[i]
                source += k * columns.strides[lead + i]
                target += k * dilation[i] * sums.strides[lead + i]
            }
            let part = Tensor(
                storage: sums.impl.storage, shape: shape, strides: to, offset: target, dtype: sums.dtype)
            let term = Tensor(
                storage: columns.impl.storage, shape: shape, strides: from, offset: source, dtype: columns.dtype)
            try Self.add.run([part, term], into: [part])
        }
        let result = isPadded ? inner(sums) : sums
        if dtype != columns.dtype { return try result.converted(to: columns.dtype) }
        return isPadded ? try Copy.clone(result, op: op) : result
    }

    // MARK: Recorded, each the other's derivative

    /// The elements of all windows with zeros around `x`, copied: [lead…, kernel…, output…].
    func unfold(_ x: Tensor, op: String) throws(CressetError) -> Tensor {
        let result = try noGrad { () throws(CressetError) in
            try Copy.clone(columns(of: try padded(x.detach(), 0, op: op)), op: op)
        }
        return Tape.record(op, result, inputs: [x]) { (gradients, _) throws(CressetError) in
            [try gradients[0].map { (g) throws(CressetError) in try fold(g, op: op) }]
        }
    }

    /// The adjoint of `unfold`.
    func fold(_ columns: Tensor, op: String) throws(CressetError) -> Tensor {
        let result = try noGrad { () throws(CressetError) in try folded(columns.detach(), op: op) }
        return Tape.record(op, result, inputs: [columns]) { (gradients, _) throws(CressetError) in
            [try gradients[0].map { (g) throws(CressetError) in try unfold(g, op: op) }]
        }
    }
}

/// One number for all dims, or one for each: `stride: 2`, `padding: [1, 2]`.
public struct PerDim: Sendable, Hashable, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral {
    public var values: [Int]

    public init(_ value: Int) { values = [value] }
    public init(_ values: [Int]) { self.values = values }
    public init(integerLiteral value: Int) { values = [value] }
    public init(arrayLiteral elements: Int...) { values = elements }

    /// A number for each of `count` dims, within what sizes can be computed with.
    func list(_ count: Int, _ name: String, atLeast low: Int, op: String) throws(CressetError) -> [Int] {
        guard values.count == 1 || values.count == count else {
            throw CressetError(
                .argument, op: op, "\(name) must be one number or \(count), got \(values)")
        }
        guard values.allSatisfy({ $0 >= low && $0 <= Int(Int32.max) }) else {
            throw CressetError(.argument, op: op, "\(name) must be at least \(low) and below 2³¹, got \(values)")
        }
        return values.count == count ? values : Array(repeating: values[0], count: count)
    }
}
