import BackendKit

/// Maxima and means of windows: the family's default, reductions of a view of all windows.
enum Pooling {
    /// The windows of a call, or what is wrong with it.
    static func windows(
        _ x: Tensor, _ rank: Int, kernel: PerDim, stride: PerDim?, padding: PerDim, dilation: PerDim = 1,
        ceilMode: Bool, op: String
    ) throws(CressetError) -> Windows {
        try x.checkValid(op)
        guard x.ndim == rank + 1 || x.ndim == rank + 2,
            x.shape.dropFirst(x.ndim - rank - 1).allSatisfy({ $0 > 0 && $0 < 1 << 40 })
        else {
            throw CressetError(
                .shape, op: op,
                "needs \(rank + 2) dims, or \(rank + 1) without a batch, of which only the batch may have no elements: "
                    + x.summary)
        }
        let kernel = try kernel.list(rank, "kernel_size", atLeast: 1, op: op)
        // (An empty list means the kernel's size.)
        let own = stride.flatMap { $0.values.isEmpty ? nil : $0 } ?? PerDim(kernel)
        let stride = try own.list(rank, "stride", atLeast: 1, op: op)
        let padding = try padding.list(rank, "padding", atLeast: 0, op: op)
        let dilation = try dilation.list(rank, "dilation", atLeast: 1, op: op)
        let input = Array(x.shape.suffix(rank))
        var output: [Int] = []
        for i in 0..<rank {
            let extent = Windows.extent(kernel[i], dilation[i])
            guard padding[i] <= extent / 2 else {
                throw CressetError(
                    .argument, op: op,
                    "padding must be at most half of what the kernel reaches over (\(extent)), got \(padding)")
            }
            let space = input[i] + 2 * padding[i] - extent + (ceilMode ? stride[i] - 1 : 0)
            var count = space < 0 ? 0 : space / stride[i] + 1
            // The last window must begin within the input or the padding before it.
            if ceilMode && (count - 1) * stride[i] >= input[i] + padding[i] { count -= 1 }
            guard count > 0 else {
                throw CressetError(
                    .shape, op: op,
                    "the kernel reaches over \(extent) elements, and with padding \(padding) there are fewer: \(x.summary)"
                )
            }
            output.append(count)
        }
        let windows = Windows(
            input: input, kernel: kernel, output: output, stride: stride, padding: padding, dilation: dilation)
        try windows.checkSizes(Array(x.shape.dropLast(rank)), op: op)
        return windows
    }

    private static func resultShape(_ x: Tensor, _ output: [Int]) -> Shape {
        Shape(x.shape.dropLast(output.count) + output)
    }

    /// "aten::max_pool2d_with_indices"
    private static func op(_ kind: String, _ rank: Int, _ rest: String = "") -> OperatorName {
        OperatorName("aten::\(kind)_pool\(rank)d\(rest)")
    }

    // MARK: Maxima

    private static let maxKernel = ReductionKernel(
        "aten::max_pool2d_with_indices", [.max, .argmax], prologue: { x, _ in [x[0], x[0]] })

    /// The index within the plane from the place within the window, by rank.
    ///
    /// Scalars are six for each dim: output, kernel, stride, padding, dilation, input. Where nothing is
    /// above the padding, the place may be in it: then the window's first element within the input is meant.
    private static let places = (1...3).map { rank in
        PointwiseGroup("aten::max_pool2d_with_indices") { x, s in
            let zero = Expr(integer: 0, .i64)
            let one = Expr(integer: 1, .i64)
            var (place, element) = (x[0], elementIndex())
            var (found, first) = (zero, zero)
            var step = one
            var isInside: Expr?
            for i in (0..<rank).reversed() {
                let (output, kernel, stride) = (s[6 * i], s[6 * i + 1], s[6 * i + 2])
                let (padding, dilation, input) = (s[6 * i + 3], s[6 * i + 4], s[6 * i + 5])
                let start = (element % output) * stride - padding
                let position = start + (place % kernel) * dilation
                (place, element) = (place / kernel, element / output)
                let inside = (zero .<= position) & (position .< input)
                isInside = isInside.map { $0 & inside } ?? inside
                let skipped = maximum((dilation - one - start) / dilation, zero)
                found = found + position * step
                first = first + (start + skipped * dilation) * step
                step = step * input
            }
            return [isInside.map { select($0, found, first) } ?? found]
        }
    }

    /// What no element is below.
    private static func least(_ dtype: DType) -> Scalar {
        switch dtype {
        case .uint8, .bool: 0
        case .int8: .int(Int64(Int8.min))
        case .int16: .int(Int64(Int16.min))
        case .int32: .int(Int64(Int32.min))
        case .int64: .int(.min)
        default: .double(-.infinity)
        }
    }

    /// The maxima of all windows and their row-major indices within the plane; nothing is recorded.
    private static func maxima(_ x: Tensor, _ w: Windows, op: String) throws(CressetError) -> [Tensor] {
        try noGrad { () throws(CressetError) in
            let rows = w.rows(of: try w.padded(x.detach(), least(x.dtype), op: op))
            let type = x.dtype.arithmetic
            let shape = resultShape(x, w.output)
            let raw = try maxKernel.run(
                [rows], dims: Array((rows.ndim - w.rank)..<rows.ndim), accumulators: [type, type],
                outputs: [x.dtype, .int64])
            let indices = try Tensor.empty(shape, .int64, on: x.runtime, op: op)
            var scalars: [Int] = []
            for i in 0..<w.rank {
                scalars += [w.output[i], w.kernel[i], w.stride[i], w.padding[i], w.dilation[i], w.input[i]]
            }
            try places[w.rank - 1].run(
                [try raw[1].reshaped(shape, op: op)], scalars.map { Scalar($0) }, into: [indices])
            return [Tensor(raw[0], shape), indices]
        }
    }

    static func max(_ x: Tensor, _ w: Windows, ceilMode: Bool) throws(CressetError) -> (Tensor, Tensor) {
        let name = op("max", w.rank, "_with_indices")
        let shape = resultShape(x, w.output)
        let arguments: [Value] = [
            .tensor(x), .ints(w.kernel), .ints(w.stride), .ints(w.padding), .ints(w.dilation),
            .scalar(.bool(ceilMode)),
        ]
        let results = try Override.resolve(
            name, on: x, x.dtype, arguments, types: [ResultType(shape, x.dtype), ResultType(shape, .int64)]
        ) { () throws(CressetError) in try maxima(x, w, op: name.text) }
        return recorded(results, of: x, w.rank, arguments, name)
    }

    /// The gradient goes to where each maximum was; a kernel for it is handed the places in the input's stead.
    private static func recorded(
        _ results: [Tensor], of x: Tensor, _ rank: Int, _ arguments: [Value], _ name: OperatorName
    ) -> (Tensor, Tensor) {
        let (shape, op) = (x.shape, name.text)
        let type = ResultType(shape, x.dtype)
        let kernel = GradientKernel(name, x.dtype, arguments)
        let values = Tape.record(op, results[0], inputs: [x], saving: [results[1]]) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            if let own = try kernel.run(g, result: nil, saved: saved, types: [type], wanted: [true]) { return own }
            let lead = shape.dropLast(rank).reduce(1, *)
            let plane = shape.suffix(rank).reduce(1, *)
            let count = g.shape.suffix(rank).reduce(1, *)
            let zeros = try Tensor.filled([lead, plane], 0, dtype: g.dtype, on: g.runtime, op: op)
            return [
                try Indexing.scatter(
                    zeros, 1, try saved[0].reshaped([lead, count], op: op), try g.reshaped([lead, count], op: op),
                    .add
                ).reshaped(shape, op: op)
            ]
        }
        return (values, results[1])
    }

    // MARK: Means

    private static let sumKernel = ReductionKernel("aten::avg_pool2d", [.sum])
    private static let meanKernel = ReductionKernel("aten::avg_pool2d", [.sum], epilogue: { a, p in [a[0] / p[0]] })
    private static let divide = PointwiseGroup("aten::avg_pool2d") { x, _ in
        [x[0] / x[1].cast(to: x[0].type ?? .f32)]
    }

    /// Elements of each window by rank. Scalars are whether the padding counts, then five for each dim:
    /// output, kernel, stride, padding, input.
    private static let counts = (1...3).map { rank in
        PointwiseGroup("aten::avg_pool2d") { _, s in
            let zero = Expr(integer: 0, .i64)
            var element = elementIndex()
            var (all, real) = (Expr(integer: 1, .i64), Expr(integer: 1, .i64))
            for i in (0..<rank).reversed() {
                let (output, kernel, stride) = (s[5 * i + 1], s[5 * i + 2], s[5 * i + 3])
                let (padding, input) = (s[5 * i + 4], s[5 * i + 5])
                let start = (element % output) * stride - padding
                element = element / output
                // What lies behind the padding, as the last window may with ceil_mode, never counts.
                let end = minimum(start + kernel, input + padding)
                all = all * (end - start)
                let (low, high) = (maximum(start, zero), minimum(end, input))
                real = real * (high - low)
            }
            return [select(s[0] .== zero, real, all)]
        }
    }

    /// What the sum of each window is divided by.
    private enum Divisor {
        case all(Int)
        /// int64, of the shape of the windows.
        case each(Tensor)
    }

    private static func divisor(
        _ x: Tensor, _ w: Windows, countsPadding: Bool, override: Int?, op: String
    ) throws(CressetError) -> Divisor {
        if let override { return .all(override) }
        var isEven = true
        for i in 0..<w.rank {
            let reached = (w.output[i] - 1) * w.stride[i] + w.kernel[i]
            if reached > w.input[i] + 2 * w.padding[i] || (!countsPadding && w.padding[i] > 0) { isEven = false }
        }
        if isEven { return .all(w.kernelCount) }
        let result = try Tensor.empty(Shape(w.output), .int64, on: x.runtime, op: op)
        var scalars = [countsPadding ? 1 : 0]
        for i in 0..<w.rank { scalars += [w.output[i], w.kernel[i], w.stride[i], w.padding[i], w.input[i]] }
        try counts[w.rank - 1].run([], scalars.map { Scalar($0) }, into: [result])
        return .each(result)
    }

    private static func means(_ x: Tensor, _ w: Windows, _ divisor: Divisor, op: String) throws(CressetError) -> Tensor
    {
        try noGrad { () throws(CressetError) in
            let rows = w.rows(of: try w.padded(x.detach(), 0, op: op))
            let dims = Array((rows.ndim - w.rank)..<rows.ndim)
            let type = x.dtype.arithmetic
            let shape = resultShape(x, w.output)
            switch divisor {
            case .all(let n):
                return Tensor(
                    try meanKernel.run(
                        [rows], dims: dims, accumulators: [type], outputs: [x.dtype], scalars: [Scalar(n)])[
                            0], shape)
            case .each(let counts):
                let sums = try sumKernel.run([rows], dims: dims, accumulators: [type], outputs: [type.dtype])[0]
                let result = try Tensor.empty(shape, x.dtype, on: x.runtime, op: op)
                try divide.run([Tensor(sums, shape), counts], into: [result])
                return result
            }
        }
    }

    static func average(
        _ x: Tensor, _ w: Windows, ceilMode: Bool, countsPadding: Bool, divisor override: Int?
    ) throws(CressetError) -> Tensor {
        let name = op("avg", w.rank)
        guard x.dtype.isFloatingPoint || x.dtype == .int64 else {
            throw CressetError(.dtype, op: name.text, "is defined for floating dtypes and int64, got \(x.summary)")
        }
        guard override != 0 else { throw CressetError(.argument, op: name.text, "divisor_override must not be 0") }
        let divisor = try divisor(x, w, countsPadding: countsPadding, override: override, op: name.text)
        let last: [Value] = w.rank == 1 ? [] : [override.map { .scalar(Scalar($0)) } ?? .none]
        let arguments: [Value] =
            [
                .tensor(x), .ints(w.kernel), .ints(w.stride), .ints(w.padding), .scalar(.bool(ceilMode)),
                .scalar(.bool(countsPadding)),
            ] + last
        let result = try Override.resolve(
            name, on: x, x.dtype, arguments, types: [ResultType(resultShape(x, w.output), x.dtype)]
        ) { () throws(CressetError) in [try means(x, w, divisor, op: name.text)] }[0]
        let kernel = GradientKernel(name, x.dtype, arguments, savesTensors: false)
        let type = ResultType(x.shape, x.dtype)
        return Tape.record(name.text, result, inputs: [x]) { (gradients, _) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            if let own = try kernel.run(g, result: nil, saved: [], types: [type], wanted: [true]) { return own }
            let share: Tensor
            switch divisor {
            case .all(let n): share = try Ops.div(g, .int(Int64(n)))
            case .each(let counts):
                share = try Ops.div(g, try counts.converted(to: g.dtype.arithmetic.dtype))
            }
            // Every element of a window gets the same.
            let lead = Array(g.shape.dropLast(w.rank))
            let ones = w.kernel.map { _ in 1 }
            let columns = try share.reshaped(Shape(lead + ones + w.output), op: name.text)
                .expanded(Shape(lead + w.kernel + w.output), op: name.text)
            return [try w.fold(columns, op: name.text)]
        }
    }

    // MARK: Adaptive

    /// The windows along one dim, from ⌊o·input / output⌋ to ⌈(o + 1)·input / output⌉.
    private struct Uneven {
        var starts: [Int] = []
        var counts: [Int] = []
        let width: Int

        init(_ input: Int, _ output: Int) {
            for o in 0..<output {
                // (In quotient and remainder, so that nothing overflows.)
                let (q, r) = input.quotientAndRemainder(dividingBy: output)
                let start = o * q + o * r / output
                let end = (o + 1) * q + ((o + 1) * r + output - 1) / output
                starts.append(start)
                counts.append(end - start)
            }
            width = counts.max() ?? 1
        }

        /// Places of the windows' elements, `width` for each; `filler` gives those a window lacks.
        func places(_ filler: (Int) -> Int) -> [Int] {
            starts.indices.flatMap { o in (0..<width).map { $0 < counts[o] ? starts[o] + $0 : filler(o) } }
        }
    }

    /// The sizes asked for, each dim checked.
    private static func adaptive(_ x: Tensor, _ rank: Int, _ output: PerDim, op: String) throws(CressetError) -> [Int] {
        try x.checkValid(op)
        let output = try output.list(rank, "output_size", atLeast: 0, op: op)
        guard x.ndim == rank + 1 || x.ndim == rank + 2, x.shape.suffix(rank).allSatisfy({ $0 > 0 && $0 < 1 << 40 })
        else {
            throw CressetError(
                .shape, op: op,
                "needs \(rank + 2) dims, or \(rank + 1) without a batch, of which the last \(rank) have elements: "
                    + x.summary)
        }
        return output
    }

    /// Equal windows side by side, if that is what the sizes lead to.
    private static func even(_ x: Tensor, _ output: [Int]) -> Windows? {
        let input = Array(x.shape.suffix(output.count))
        guard zip(input, output).allSatisfy({ $1 > 0 && $0 % $1 == 0 }) else { return nil }
        let kernel = zip(input, output).map { $0 / $1 }
        return Windows(
            input: input, kernel: kernel, output: output, stride: kernel, padding: kernel.map { _ in 0 },
            dilation: kernel.map { _ in 1 })
    }

    /// The elements of windows along dim `d`, as [… output, width …].
    private static func spread(
        _ x: Tensor, _ d: Int, _ u: Uneven, _ places: [Int], op: String
    ) throws(CressetError) -> Tensor {
        var shape = x.shape
        shape[d] = u.starts.count
        return try Indexing.select(x, d, Tensor(places, device: x.device))
            .reshaped(shape.inserting(u.width, at: d + 1), op: op)
    }

    /// One number for each window along dim `d`, to broadcast with the results.
    private static func along(_ numbers: [Int], _ d: Int, _ x: Tensor, op: String) throws(CressetError) -> Tensor {
        var shape = Shape(repeating: 1, count: x.ndim - d)
        shape[0] = numbers.count
        return try Tensor(numbers, device: x.device).reshaped(shape, op: op)
    }

    static func adaptiveAverage(_ x: Tensor, _ rank: Int, _ output: PerDim) throws(CressetError) -> Tensor {
        let name = op("adaptive_avg", rank)
        let op = name.text
        let output = try adaptive(x, rank, output, op: op)
        guard x.dtype.isFloatingPoint else {
            throw CressetError(.dtype, op: op, "is defined for floating dtypes, got \(x.summary)")
        }
        return try Override.resolve(
            name, inputs: [x], x.dtype, [.tensor(x), .ints(output)], type: ResultType(resultShape(x, output), x.dtype)
        ) { (inputs) throws(CressetError) in
            let x = inputs[0]
            if let w = even(x, output) {
                return try average(x, w, ceilMode: false, countsPadding: true, divisor: nil)
            }
            // A mean over a box is a mean of means: one dim after the other, unrounded in between.
            var y = try x.converted(to: x.dtype.arithmetic.dtype)
            for i in 0..<rank {
                let d = x.ndim - rank + i
                let u = Uneven(x.shape[d], output[i])
                // What a window lacks is read from a zero behind the last element, so nothing of the
                // neighbours, which may be infinite, leaks in.
                var pad = Array(repeating: 0, count: 2 * (rank - i))
                pad[2 * (rank - i) - 1] = 1
                let rows = try spread(
                    try Padding.constant(y, pad, 0), d, u, u.places { _ in x.shape[d] }, op: op)
                let sums = try Reductions.sum(rows, dims: [d + 1], keepdim: false)
                y = try Ops.div(sums, try along(u.counts, d, sums, op: op).converted(to: y.dtype))
            }
            return try y.converted(to: x.dtype)
        }
    }

    static func adaptiveMax(_ x: Tensor, _ rank: Int, _ output: PerDim) throws(CressetError) -> (Tensor, Tensor) {
        let name = op("adaptive_max", rank)
        let op = name.text
        try x.checkDType(.number, op: op)
        let output = try adaptive(x, rank, output, op: op)
        let shape = resultShape(x, output)
        let results = try Override.resolve(
            name, on: x, x.dtype, [.tensor(x), .ints(output)],
            types: [ResultType(shape, x.dtype), ResultType(shape, .int64)]
        ) { () throws(CressetError) in
            if let w = even(x, output) { return try maxima(x, w, op: op) }
            return try noGrad { () throws(CressetError) in try unevenMaxima(x.detach(), output, op: op) }
        }
        return recorded(results, of: x, rank, [.tensor(x), .ints(output)], name)
    }

    /// Maxima along the last dim, then maxima of those along the one before: the first of equals wins in
    /// each, which is the first in row-major order.
    private static func unevenMaxima(_ x: Tensor, _ output: [Int], op: String) throws(CressetError) -> [Tensor] {
        let type = x.dtype.arithmetic
        let shape = resultShape(x, output)
        if shape.elementCount == 0 {
            return [
                try .empty(shape, x.dtype, on: x.runtime, op: op), try .empty(shape, .int64, on: x.runtime, op: op),
            ]
        }
        var values = x
        var indices: Tensor?
        var step = 1
        for i in output.indices.reversed() {
            let d = x.ndim - output.count + i
            let u = Uneven(x.shape[d], output[i])
            // What a window lacks is its last element again, which is no first.
            let rows = try spread(values, d, u, u.places { u.starts[$0] + u.counts[$0] - 1 }, op: op)
            let raw = try maxKernel.run(
                [rows], dims: [d + 1], accumulators: [type, type], outputs: [x.dtype, .int64])
            var reduced = rows.shape
            reduced.remove(at: d + 1)
            values = Tensor(raw[0], reduced)
            let places = try Ops.add(Tensor(raw[1], reduced), try along(u.starts, d, values, op: op))
            if let before = indices {
                indices = try Ops.add(try Indexing.gather(before, d, places), try Ops.mul(places, .int(Int64(step))))
            } else {
                indices = places
            }
            step *= x.shape[d]
        }
        return [values, indices ?? values]
    }
}

extension Tensor {
    /// A fresh, contiguous tensor's elements in another shape, as a tensor of its own.
    fileprivate init(_ x: Tensor, _ shape: Shape) {
        self.init(
            storage: x.impl.storage, shape: shape, strides: shape.contiguousStrides, offset: x.impl.offset,
            dtype: x.dtype)
    }
}
