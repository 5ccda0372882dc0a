import BackendKit

/// Convolutions.
///
/// The family's default, over copies and matrix products: the windows of the input are laid out as
/// columns, and weight times columns is the result. Three maps, each linear in both arguments, are
/// closed under differentiation, so gradients of gradients come of themselves: the convolution of x
/// and w; its adjoint in x, which is the transposed convolution; and its adjoint in w.
enum Convolution {
    static let name = OperatorName("aten::convolution")
    private static let backwardName = OperatorName("aten::convolution_backward")
    /// Columns are made for as many samples at once as stay below this.
    private static let columnBytes = 128 << 20

    /// Between x [N, C, input…] and y [N, O, output…] by weights [O, C / groups, kernel…].
    struct Plan: Sendable {
        var windows: Windows
        var groups: Int
        var inputChannels: Int
        var outputChannels: Int

        /// Rows of the columns in one group.
        var depth: Int { inputChannels / groups * windows.kernelCount }
        var weightShape: Shape { Shape([outputChannels, inputChannels / groups] + windows.kernel) }
        func inputShape(_ n: Int) -> Shape { Shape([n, inputChannels] + windows.input) }
        func outputShape(_ n: Int) -> Shape { Shape([n, outputChannels] + windows.output) }

        /// What the input has more than the windows need, by dim: the transposed convolution's
        /// output_padding.
        var excess: [Int] {
            let w = windows
            return (0..<w.rank).map {
                w.input[$0] + 2 * w.padding[$0] - (w.output[$0] - 1) * w.stride[$0]
                    - Windows.extent(w.kernel[$0], w.dilation[$0])
            }
        }

        /// True if the arguments of a convolution say these sizes.
        var isForward: Bool { zip(excess, windows.stride).allSatisfy { $0 >= 0 && $0 < $1 } }
        /// True if those of a transposed one do.
        var isTransposed: Bool {
            (0..<windows.rank).allSatisfy {
                excess[$0] >= 0 && excess[$0] < Swift.max(windows.stride[$0], windows.dilation[$0])
            }
        }

        func arguments(_ x: Tensor, _ w: Tensor, _ bias: Tensor?, transposed: Bool) -> [Value] {
            [
                .tensor(x), .tensor(w), bias.map(Value.tensor) ?? .none, .ints(windows.stride),
                .ints(windows.padding), .ints(windows.dilation), .scalar(.bool(transposed)),
                .ints(transposed ? excess : windows.stride.map { _ in 0 }), .scalar(Scalar(groups)),
            ]
        }
    }

    // MARK: The three maps

    /// y = w * x + b
    static func convolve(_ x: Tensor, _ w: Tensor, _ bias: Tensor?, _ plan: Plan) throws(CressetError) -> Tensor {
        func composition() throws(CressetError) -> [Tensor] {
            [try noGrad { () throws(CressetError) in try multiplied(x.detach(), w.detach(), bias?.detach(), plan) }]
        }
        let result =
            plan.isForward
            ? try Override.resolve(
                name, on: x, x.dtype, plan.arguments(x, w, bias, transposed: false),
                types: [ResultType(plan.outputShape(x.shape[0]), x.dtype)], composition: composition)[0]
            : try composition()[0]
        return record(result, x, w, bias) { (g, other, isOfInput) throws(CressetError) in
            isOfInput ? try spread(g, other, nil, plan) : try weight(other, g, plan)
        }
    }

    /// The adjoint in x: every element of u goes to the places its window came from.
    static func spread(_ u: Tensor, _ w: Tensor, _ bias: Tensor?, _ plan: Plan) throws(CressetError) -> Tensor {
        func composition() throws(CressetError) -> [Tensor] {
            [try noGrad { () throws(CressetError) in try transposed(u.detach(), w.detach(), bias?.detach(), plan) }]
        }
        let result =
            plan.isTransposed
            ? try Override.resolve(
                name, on: u, u.dtype, plan.arguments(u, w, bias, transposed: true),
                types: [ResultType(plan.inputShape(u.shape[0]), u.dtype)], composition: composition)[0]
            : try composition()[0]
        return record(result, u, w, bias) { (g, other, isOfInput) throws(CressetError) in
            isOfInput ? try convolve(g, other, nil, plan) : try weight(g, other, plan)
        }
    }

    /// What the gradient kernel, if there is one, makes of the adjoint in w. It is handed neither weight nor bias.
    private static func weightsByKernel(
        _ x: Tensor, _ u: Tensor, _ plan: Plan
    ) throws(CressetError) -> Tensor? {
        guard GradientKernel.isRegistered(name, x.dtype, on: x.runtime) else { return nil }
        var arguments = plan.arguments(x, x, nil, transposed: false)
        arguments[1] = .none
        let types = [ResultType(x.shape, x.dtype), ResultType(plan.weightShape, x.dtype)]
        return try GradientKernel(name, x.dtype, arguments).run(
            u, result: nil, saved: [x], types: types, wanted: [false, true])?[1]
    }

    /// The adjoint in w.
    private static func weight(_ x: Tensor, _ u: Tensor, _ plan: Plan) throws(CressetError) -> Tensor {
        let result =
            if let own = try weightsByKernel(x, u, plan) { own } else {
                try noGrad { () throws(CressetError) in try weights(x.detach(), u.detach(), plan) }
            }
        let (wantsX, wantsU) = (x.isTracked, u.isTracked)
        return Tape.record(backwardName.text, result, inputs: [x, u], saving: [x, u]) {
            (gradients, saved) throws(CressetError) in
            guard let g = gradients[0] else { return [nil, nil] }
            return [
                wantsX ? try spread(try ComplexNumbers.conjugate(saved[1]), g, nil, plan) : nil,
                wantsU ? try convolve(try ComplexNumbers.conjugate(saved[0]), g, nil, plan) : nil,
            ]
        }
    }

    /// Records a result of `x`, `w` and a bias; `gradient` computes the first one's or the second one's from
    /// the conjugate of the other.
    private static func record(
        _ result: Tensor, _ x: Tensor, _ w: Tensor, _ bias: Tensor?,
        _ gradient:
            @escaping @Sendable (_ g: Tensor, _ other: Tensor, _ isOfInput: Bool) throws(CressetError) -> Tensor
    ) -> Tensor {
        let (wantsX, wantsW, wantsBias) = (x.isTracked, w.isTracked, bias?.isTracked ?? false)
        let hasBias = bias != nil
        return Tape.record(name.text, result, inputs: [x, w] + (bias.map { [$0] } ?? []), saving: [x, w]) {
            (received, saved) throws(CressetError) in
            guard let g = received[0] else { return hasBias ? [nil, nil, nil] : [nil, nil] }
            let first: [Tensor?] = [
                wantsX ? try gradient(g, try ComplexNumbers.conjugate(saved[1]), true) : nil,
                wantsW ? try gradient(g, try ComplexNumbers.conjugate(saved[0]), false) : nil,
            ]
            if !hasBias { return first }
            // The bias was added to every element of its channel.
            let dims = (0..<g.ndim).filter { $0 != 1 }
            return first + [wantsBias ? try Reductions.sum(g, dims: dims, keepdim: false, dtype: g.dtype) : nil]
        }
    }

    // MARK: Their composition; nothing is recorded

    /// Samples [from, from + count) of all, so that the columns of each part stay below the limit.
    private static func parts(_ n: Int, _ plan: Plan, _ dtype: DType) -> [(from: Int, count: Int)] {
        let bytes = plan.inputChannels * plan.windows.kernelCount * plan.windows.outputCount * dtype.size
        let step = Swift.max(1, columnBytes / Swift.max(bytes, 1))
        return Swift.stride(from: 0, to: n, by: step).map { ($0, Swift.min(step, n - $0)) }
    }

    private static func columns(_ x: Tensor, _ plan: Plan) throws(CressetError) -> Tensor {
        plan.windows.columns(of: try plan.windows.padded(x, 0, op: name.text))
    }

    private static func joined(_ parts: [Tensor], _ shape: Shape, like x: Tensor) throws(CressetError) -> Tensor {
        switch parts.count {
        case 0: try Tensor.filled(shape, 0, dtype: x.dtype, on: x.runtime, op: name.text)
        case 1: try parts[0].reshaped(shape, op: name.text)
        default: try Joining.cat(parts, dim: 0).reshaped(shape, op: name.text)
        }
    }

    private static let addBias = PointwiseGroup("aten::convolution", actsOnParts: true) { x, _ in [x[0] + x[1]] }

    private static func adding(_ bias: Tensor?, to y: Tensor) throws(CressetError) -> Tensor {
        guard let bias else { return y }
        var shape = Shape(repeating: 1, count: y.ndim)
        shape[1] = bias.numel
        try addBias.run([y, try bias.reshaped(shape, op: name.text)], into: [y])
        return y
    }

    private static func multiplied(
        _ x: Tensor, _ w: Tensor, _ bias: Tensor?, _ plan: Plan
    ) throws(CressetError) -> Tensor {
        let (n, g) = (x.shape[0], plan.groups)
        let matrix = try w.reshaped([1, g, plan.outputChannels / g, plan.depth], op: name.text)
        let products = try parts(n, plan, x.dtype).map { (part) throws(CressetError) in
            let columns = try columns(x.narrow(0, part.from, part.count), plan)
                .reshaped([part.count, g, plan.depth, plan.windows.outputCount], op: name.text)
            return try Matrix.product(matrix, columns)
        }
        return try adding(bias, to: try joined(products, plan.outputShape(n), like: x))
    }

    private static func transposed(
        _ u: Tensor, _ w: Tensor, _ bias: Tensor?, _ plan: Plan
    ) throws(CressetError) -> Tensor {
        if u.dtype.isFloatingPoint, case let wide = u.dtype.arithmetic.dtype, wide != u.dtype {
            // float16 and bfloat16 add up in float32 and round once.
            let (u32, w32) = (try u.converted(to: wide), try w.converted(to: wide))
            return try transposed(u32, w32, try bias?.converted(to: wide), plan).converted(to: u.dtype)
        }
        let (n, g) = (u.shape[0], plan.groups)
        let matrix = try w.reshaped([1, g, plan.outputChannels / g, plan.depth], op: name.text).mT
        let folded = try parts(n, plan, u.dtype).map { (part) throws(CressetError) in
            let rows = try u.narrow(0, part.from, part.count)
                .reshaped([part.count, g, plan.outputChannels / g, plan.windows.outputCount], op: name.text)
            let columns = try Matrix.product(matrix, rows).reshaped(
                Shape([part.count, plan.inputChannels] + plan.windows.kernel + plan.windows.output), op: name.text)
            return try plan.windows.folded(columns, op: name.text)
        }
        return try adding(bias, to: try joined(folded, plan.inputShape(n), like: u))
    }

    private static func weights(_ x: Tensor, _ u: Tensor, _ plan: Plan) throws(CressetError) -> Tensor {
        let op = backwardName.text
        if x.dtype.isFloatingPoint, case let wide = x.dtype.arithmetic.dtype, wide != x.dtype {
            // As above: the products of all samples are added up before they are rounded.
            return try weights(try x.converted(to: wide), try u.converted(to: wide), plan).converted(to: x.dtype)
        }
        let (n, g, p) = (x.shape[0], plan.groups, plan.windows.outputCount)
        let rows = plan.outputChannels / g
        let result = try Tensor.filled(
            [g, rows, plan.depth], 0, dtype: x.dtype, on: x.runtime, op: op)
        for part in parts(n, plan, x.dtype) {
            var columns = try columns(x.narrow(0, part.from, part.count), plan)
            let grad = u.narrow(0, part.from, part.count)
            let product: Tensor
            if rows <= p {
                // A product for each sample: together they are no larger than the columns.
                let left = try grad.reshaped([part.count, g, rows, p], op: op)
                let right = try columns.reshaped([part.count, g, plan.depth, p], op: op)
                product = try Reductions.sum(
                    try Matrix.product(left, right.mT), dims: [0], keepdim: false, dtype: result.dtype)
            } else {
                // Few windows a sample: one product over those of all samples.
                let order = Array(1..<columns.ndim - plan.windows.rank)
                let last = Array((columns.ndim - plan.windows.rank)..<columns.ndim)
                columns = columns.permute(order + [0] + last)
                let left = try grad.transpose(0, 1).reshaped([g, rows, part.count * p], op: op)
                let right = try columns.reshaped([g, plan.depth, part.count * p], op: op)
                product = try Matrix.product(left, right.mT)
            }
            try addBias.run([result, product], into: [result])
        }
        return try result.reshaped(plan.weightShape, op: op)
    }
}
