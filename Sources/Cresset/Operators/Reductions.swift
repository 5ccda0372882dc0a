import BackendKit
import CBackend

/// Sums, products, extrema and their positions.
enum Reductions {
    static let sumKernel = ReductionKernel("aten::sum.dim_IntList", [.sum], complex: .parts)
    static let meanKernel = ReductionKernel(
        "aten::mean.dim", [.sum], epilogue: { a, p in [a[0] / p[0]] }, complex: .parts)
    static let prodKernel = ReductionKernel("aten::prod", [.prod])
    static let maxKernel = ReductionKernel("aten::amax", [.max])
    static let minKernel = ReductionKernel("aten::amin", [.min])
    static let maxWithIndex = ReductionKernel("aten::max.dim", [.max, .argmax], prologue: { x, _ in [x[0], x[0]] })
    static let minWithIndex = ReductionKernel("aten::min.dim", [.min, .argmin], prologue: { x, _ in [x[0], x[0]] })
    static let argmaxKernel = ReductionKernel("aten::argmax", [.argmax])
    static let argminKernel = ReductionKernel("aten::argmin", [.argmin])
    static let anyKernel = ReductionKernel(
        "aten::any.dims", [.any], prologue: { x, _ in [x[0].cast(to: .bool)] },
        complex: .real { x, _ in [x[0].isNonzero] })
    static let allKernel = ReductionKernel(
        "aten::all.dims", [.all], prologue: { x, _ in [x[0].cast(to: .bool)] },
        complex: .real { x, _ in [x[0].isNonzero] })
    /// Σ (x - m)², with the mean m broadcast, over a divisor given as a param.
    static let varKernel = ReductionKernel(
        "aten::var.correction", [.sum],
        prologue: { x, _ in
            let d = x[0] - x[1]
            return [d * d]
        }, epilogue: { a, p in [a[0] / p[0]] },
        complex: .real { x, _ in
            let d = x[0] - x[1]
            return [d.re * d.re + d.im * d.im]
        })
    /// Σ exp(x - m)
    static let sumExpKernel = ReductionKernel("aten::logsumexp", [.sum], prologue: { x, _ in [exp(x[0] - x[1])] })

    /// Integers and bool add up in int64, as in PyTorch.
    static func sumDType(_ dtype: DType) -> DType { dtype.hasGradient ? dtype : .int64 }

    private static let sumAll = OperatorName("aten::sum")
    private static let meanAll = OperatorName("aten::mean")
    private static let prodDim = OperatorName("aten::prod.dim_int")

    /// What one reduction gives: an override's results, or the kernel's over `dims` of `inputs`.
    ///
    /// - Parameter outputs: dtypes of the results.
    private static func reduce(
        _ op: OperatorName, _ x: Tensor, _ dtype: DType, _ arguments: @autoclosure () -> [Value], dims: [Int],
        keepdim: Bool, outputs: [DType], composition: () throws(CressetError) -> [Tensor]
    ) throws(CressetError) -> [Tensor] {
        try Override.resolve(
            op, on: x, dtype, arguments(),
            types: outputs.map { ResultType(x.shape.reduced(dims, keepdim: keepdim), $0) }
        ) { () throws(CressetError) in
            let raw = try composition()
            return keepdim ? raw : raw.map { $0.dropping(dims) }
        }
    }

    private static func list(_ dims: [Int]?) -> Value { dims.map(Value.ints) ?? .none }

    /// - Parameter isAll: the overload without dims was called.
    static func sum(
        _ x: Tensor, dims: [Int]?, keepdim: Bool, dtype: DType? = nil, isAll: Bool = false
    ) throws(CressetError) -> Tensor {
        let name = isAll ? sumAll : sumKernel.name
        let op = name.text
        try x.checkValid(op)
        if dtype == nil, x.dtype.isFloatingPoint, let mask = mask(x, dims),
            let result = try sumKernel.quick(
                x.impl, mask: mask, keepdim: keepdim, scalar: nil, name)
        {
            return x.isTracked ? recordSum(Tensor(result), x, mask, op) : Tensor(result)
        }
        let output = dtype ?? sumDType(x.dtype)
        let x = try x.fitting(output)
        let wanted = dims
        // (An empty list is meant here: it comes from within, and reduces nothing.)
        let dims = dims?.isEmpty == true ? [] : try x.dims(dims, op: op)
        let last = dtype.map(Value.dtype) ?? .none
        let result = try reduce(
            name, x, output,
            isAll ? [.tensor(x), last] : [.tensor(x), list(wanted), .scalar(.bool(keepdim)), last], dims: dims,
            keepdim: keepdim, outputs: [output]
        ) { () throws(CressetError) in
            try sumKernel.run([x], dims: dims, accumulators: [output.arithmetic], outputs: [output])
        }[0]
        return recordSum(result, x, dims.reduce(0) { $0 | 1 << UInt32($1) }, op)
    }

    /// y = Σx: the gradient of every element is that of its sum.
    private static func recordSum(_ result: Tensor, _ x: Tensor, _ mask: UInt32, _ op: String) -> Tensor {
        let shape = x.shape
        return Tape.record(op, result, inputs: [x]) { (gradients, _) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            return [try g.reshaped(shape.reduced(mask), op: op).expanded(shape, op: op)]
        }
    }

    /// The dims as bits, all of them for a missing list; nil where a dim is not in range, or is named twice.
    private static func mask(_ x: Tensor, _ dims: [Int]?) -> UInt32? {
        let rank = x.ndim
        guard let dims else { return (1 << UInt32(rank)) - 1 }
        var mask: UInt32 = 0
        for d in dims {
            let k = d < 0 ? d + rank : d
            guard k >= 0, k < rank, mask & 1 << UInt32(k) == 0 else { return nil }
            mask |= 1 << UInt32(k)
        }
        return mask
    }

    static func mean(_ x: Tensor, dims: [Int]?, keepdim: Bool, dtype: DType? = nil) throws(CressetError) -> Tensor {
        let isAll = dims == nil && !keepdim
        let name = isAll ? meanAll : meanKernel.name
        let op = name.text
        try x.checkValid(op)
        if dtype == nil, x.dtype.isFloatingPoint, dims?.isEmpty != true, let mask = mask(x, dims) {
            let count = (0..<x.ndim).reduce(1) { mask & 1 << UInt32($1) == 0 ? $0 : $0 * x.shape[$1] }
            if let result = try meanKernel.quick(
                x.impl, mask: mask, keepdim: keepdim, scalar: .int(Int64(count)), name)
            {
                return x.isTracked ? recordMean(Tensor(result), x, mask, count, op) : Tensor(result)
            }
        }
        let output = dtype ?? x.dtype
        guard output.hasGradient else {
            throw CressetError(
                .dtype, op: op,
                "is not defined for \(x.summary): integers have no mean; give a floating dtype or convert first")
        }
        let x = try x.fitting(output)
        let wanted = dims
        let dims = try x.dims(dims, op: op)
        let count = dims.reduce(1) { $0 * x.shape[$1] }
        let last = dtype.map(Value.dtype) ?? .none
        let result = try reduce(
            name, x, output,
            isAll ? [.tensor(x), last] : [.tensor(x), list(wanted), .scalar(.bool(keepdim)), last], dims: dims,
            keepdim: keepdim, outputs: [output]
        ) { () throws(CressetError) in
            try meanKernel.run(
                [x], dims: dims, accumulators: [output.arithmetic], outputs: [output], scalars: [.int(Int64(count))])
        }[0]
        return recordMean(result, x, dims.reduce(0) { $0 | 1 << UInt32($1) }, count, op)
    }

    private static func recordMean(
        _ result: Tensor, _ x: Tensor, _ mask: UInt32, _ count: Int, _ op: String
    ) -> Tensor {
        let shape = x.shape
        return Tape.record(op, result, inputs: [x]) { (gradients, _) throws(CressetError) in
            guard let g = gradients[0] else { return [nil] }
            // (Of no elements there is no gradient to scale, and its own gradient is not 0 · ∞.)
            return [
                try Ops.div(g.reshaped(shape.reduced(mask), op: op), .int(Int64(max(count, 1)))).expanded(shape, op: op)
            ]
        }
    }

    static func prod(_ x: Tensor, dims: [Int]?, keepdim: Bool, dtype: DType? = nil) throws(CressetError) -> Tensor {
        // One dim has an overload, several are no operation of PyTorch's and come from within.
        let name = dims?.count == 1 ? prodDim : prodKernel.name
        let op = name.text
        try x.checkValid(op)
        let output = dtype ?? sumDType(x.dtype)
        let x = try x.fitting(output)
        let wanted = dims
        let dims = try x.dims(dims, op: op)
        func composition() throws(CressetError) -> [Tensor] {
            if output.isComplex { return [try complexProduct(x, dims, output)] }
            return try prodKernel.run([x], dims: dims, accumulators: [output.arithmetic], outputs: [output])
        }
        let last = dtype.map(Value.dtype) ?? .none
        let result: Tensor
        if let wanted, wanted.count == 1 {
            result = try reduce(
                name, x, output, [.tensor(x), .scalar(Scalar(wanted[0])), .scalar(.bool(keepdim)), last], dims: dims,
                keepdim: keepdim, outputs: [output], composition: composition)[0]
        } else if wanted == nil && !keepdim {
            result = try reduce(
                name, x, output, [.tensor(x), last], dims: dims, keepdim: keepdim, outputs: [output],
                composition: composition)[0]
        } else {
            let raw = try composition()[0]
            result = keepdim ? raw : raw.dropping(dims)
        }
        let (shape, kept) = (x.shape, x.shape.reduced(dims, keepdim: true))
        return Tape.record(op, result, inputs: [x], saving: [x]) {
            (gradients, saved) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    try prodGradient(saved[0], g.reshaped(kept, op: op).expanded(shape, op: op), dims: dims)
                }
            ]
        }
    }

    /// ∂Πx/∂xᵢ = Π of the others, also where an element is 0: with one zero only its own gradient is
    /// not 0, and it is the product of the rest.
    private static func prodGradient(_ x: Tensor, _ g: Tensor, dims: [Int]) throws(CressetError) -> Tensor {
        // Quotients are faster, and know nothing of how the others change where an element is 0.
        if Tape.isOn([x]) { return try Ops.mul(g, try ComplexNumbers.conjugate(try others(x, dims: dims))) }
        let isZero = try Ops.eq(x, .int(0))
        let zeros = try sum(isZero, dims: dims, keepdim: true)
        let ones = try Tensor.filled([], 1, dtype: x.dtype, on: x.runtime, op: "aten::prod")
        let rest = try prod(try Selection.whereSelf(isZero, ones, x), dims: dims, keepdim: true)
        let none = try Ops.eq(zeros, .int(0))
        let one = try Ops.eq(zeros, .int(1))
        let nothing = try Tensor.filled([], 0, dtype: x.dtype, on: x.runtime, op: "aten::prod")
        // No zero: Π/xᵢ; one zero: the rest at it, 0 elsewhere; more: 0.
        let safe = try Selection.whereSelf(isZero, ones, x)
        let regular = try Selection.whereSelf(none, try Ops.div(rest, safe), nothing)
        let atZero = try Selection.whereSelf(try Ops.logicalAnd(one, isZero), rest, nothing)
        return try Ops.mul(g, try ComplexNumbers.conjugate(try Ops.add(regular, atZero)))
    }

    /// For each element the product of the others: of those before it and of those behind it.
    private static func others(_ x: Tensor, dims: [Int]) throws(CressetError) -> Tensor {
        let kept = (0..<x.ndim).filter { !dims.contains($0) }
        let count = dims.reduce(1) { $0 * x.shape[$1] }
        if count <= 1 || x.numel == 0 { return Tensor.onesLike(x) }
        let (op, d) = (prodKernel.name.text, kept.count)
        let moved = x.permute(kept + dims)
        let runs = try moved.reshaped(Shape(moved.shape.dropLast(dims.count) + [count]), op: op)
        func before(_ runs: Tensor) throws(CressetError) -> Tensor {
            let products = try Scans.cumprod(runs.narrow(d, 0, count - 1), dim: d)
            return try Joining.cat([Tensor.onesLike(runs.narrow(d, 0, 1)), products], dim: d)
        }
        let both = try Ops.mul(try before(runs), try before(runs.flip([d])).flip([d]))
        let places = (kept + dims).enumerated().sorted { $0.element < $1.element }.map(\.offset)
        return try both.reshaped(moved.shape, op: op).permute(places)
    }

    /// The product of complex numbers, which no backend accumulates: halves are multiplied until one is left.
    private static func complexProduct(_ x: Tensor, _ dims: [Int], _ dtype: DType) throws(CressetError) -> Tensor {
        try noGrad { () throws(CressetError) in
            let kept = (0..<x.ndim).filter { !dims.contains($0) }
            let count = dims.reduce(1) { $0 * x.shape[$1] }
            let op = prodKernel.name.text
            var rest = try x.detach().permute(dims + kept).reshaped([count, x.numel / Swift.max(count, 1)], op: op)
                .converted(to: dtype)
            let shape = x.shape.reduced(dims, keepdim: true)
            guard count > 0 else { return try .filled(shape, 1, dtype: dtype, on: x.runtime, op: op) }
            while rest.shape[0] > 1 {
                let (n, half) = (rest.shape[0], rest.shape[0] / 2)
                let products = try Ops.mul(rest.narrow(0, 0, half), rest.narrow(0, half, half))
                rest = n % 2 == 0 ? products : try Joining.cat([products, rest.narrow(0, n - 1, 1)], dim: 0)
            }
            let result = try rest.reshaped(shape, op: op)
            return result.impl.storage === x.impl.storage || !result.isContiguous
                ? try Copy.clone(result, op: op) : result
        }
    }

    /// amax and amin: gradients are shared evenly among ties, as in PyTorch.
    static func extremum(_ kernel: ReductionKernel, _ x: Tensor, dims: [Int]?, keepdim: Bool) throws(CressetError)
        -> Tensor
    {
        let op = kernel.name.text
        try x.checkValid(op)
        let dims = try x.dims(dims, op: op)
        try checkNotEmpty(x, dims, op: op)
        let result = try reduce(
            kernel.name, x, x.dtype, [.tensor(x), .ints(dims), .scalar(.bool(keepdim))], dims: dims,
            keepdim: keepdim, outputs: [x.dtype]
        ) { () throws(CressetError) in
            try kernel.run([x], dims: dims, accumulators: [x.dtype.arithmetic], outputs: [x.dtype])
        }[0]
        let kept = x.shape.reduced(dims, keepdim: true)
        return Tape.record(op, result, inputs: [x], saving: [x], savingResult: true) {
            (gradients, saved) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    let extremes = try saved[1].reshaped(kept, op: op)
                    let mask = try Ops.eq(saved[0], extremes).converted(to: g.dtype)
                    let count = try sum(mask, dims: dims, keepdim: true)
                    return try Ops.div(try Ops.mul(mask, try g.reshaped(kept, op: op)), count)
                }
            ]
        }
    }

    /// max and min along one dim, with the first index where it is.
    static func extremumWithIndex(
        _ kernel: ReductionKernel, _ x: Tensor, dim: Int, keepdim: Bool
    ) throws(CressetError) -> (values: Tensor, indices: Tensor) {
        let op = kernel.name.text
        try x.checkValid(op)
        let d = try x.dim(dim, op: op)
        let dims = x.ndim == 0 ? [] : [d]
        try checkNotEmpty(x, dims, op: op)
        let type = x.dtype.arithmetic
        let results = try reduce(
            kernel.name, x, x.dtype, [.tensor(x), .scalar(Scalar(dim)), .scalar(.bool(keepdim))], dims: dims,
            keepdim: keepdim, outputs: [x.dtype, .int64]
        ) { () throws(CressetError) in
            try kernel.run([x], dims: dims, accumulators: [type, type], outputs: [x.dtype, .int64])
        }
        let (shape, kept) = (x.shape, x.shape.reduced(dims, keepdim: true))
        let values = Tape.record(op, results[0], inputs: [x], saving: [results[1]]) {
            (gradients, saved) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    if shape.count == 0 { return g }
                    let zeros = try Tensor.filled(shape, 0, dtype: g.dtype, on: g.runtime, op: op)
                    return try Indexing.scatter(
                        zeros, d, saved[0].reshaped(kept, op: op), try g.reshaped(kept, op: op), .add)
                }
            ]
        }
        return (values, results[1])
    }

    static func argument(_ kernel: ReductionKernel, _ x: Tensor, dim: Int?, keepdim: Bool) throws(CressetError)
        -> Tensor
    {
        let op = kernel.name.text
        try x.checkValid(op)
        try x.checkDType(.number, op: op)
        let dims =
            try dim.map { (d) throws(CressetError) in x.ndim == 0 ? [] : [try x.dim(d, op: op)] } ?? Array(0..<x.ndim)
        try checkNotEmpty(x, dims, op: op)
        return try reduce(
            kernel.name, x, x.dtype,
            [.tensor(x), dim.map { .scalar(Scalar($0)) } ?? .none, .scalar(.bool(keepdim))], dims: dims,
            keepdim: keepdim, outputs: [.int64]
        ) { () throws(CressetError) in
            try kernel.run([x], dims: dims, accumulators: [x.dtype.arithmetic], outputs: [.int64])
        }[0]
    }

    static func truth(_ kernel: ReductionKernel, _ x: Tensor, dims: [Int]?, keepdim: Bool) throws(CressetError)
        -> Tensor
    {
        let op = kernel.name.text
        try x.checkValid(op)
        let wanted = dims
        let dims = try x.dims(dims, op: op)
        // PyTorch's oddity: uint8, which was its bool once, stays uint8.
        let output: DType = x.dtype == .uint8 ? .uint8 : .bool
        return try reduce(
            kernel.name, x, x.dtype, [.tensor(x), list(wanted), .scalar(.bool(keepdim))], dims: dims,
            keepdim: keepdim, outputs: [output]
        ) { () throws(CressetError) in
            try kernel.run([x], dims: dims, accumulators: [.bool], outputs: [output])
        }[0]
    }

    static func variance(_ x: Tensor, dims: [Int]?, correction: Double, keepdim: Bool) throws(CressetError) -> Tensor {
        let op = varKernel.name.text
        try x.checkValid(op)
        guard x.dtype.hasGradient else {
            throw CressetError(.dtype, op: op, "the variance of \(x.dtype) is not defined; convert to a floating dtype")
        }
        let wanted = dims
        let dims = try x.dims(dims, op: op)
        let count = dims.reduce(1) { $0 * x.shape[$1] }
        let divisor = Scalar.double(Swift.max(0, Double(count) - correction))
        let type = x.dtype.arithmetic
        let output = x.dtype.toReal
        let result = try reduce(
            varKernel.name, x, x.dtype,
            [.tensor(x), list(wanted), .scalar(.double(correction)), .scalar(.bool(keepdim))], dims: dims,
            keepdim: keepdim, outputs: [output]
        ) { () throws(CressetError) in
            // The mean is kept in the accumulation type: rounding it to a narrow dtype would bias the result.
            let mean = try meanKernel.run(
                [x.detach()], dims: dims, accumulators: [type],
                outputs: [x.dtype.isComplex ? x.dtype : type.dtype], scalars: [.int(Int64(count))])[0]
            return try varKernel.run(
                [x, try mean.expanded(x.shape, op: op)], dims: dims, accumulators: [type], outputs: [output],
                scalars: [divisor])
        }[0]
        let kept = x.shape.reduced(dims, keepdim: true)
        return Tape.record(op, result, inputs: [x], saving: [x]) {
            (gradients, saved) throws(CressetError) in
            [
                try gradients[0].map { (g) throws(CressetError) in
                    let centred = try Ops.sub(saved[0], try Reductions.mean(saved[0], dims: dims, keepdim: true))
                    let scale = try Ops.div(try Ops.mul(g.reshaped(kept, op: op), .int(2)), divisor)
                    return try Ops.mul(centred, scale)
                }
            ]
        }
    }

    private static func checkNotEmpty(_ x: Tensor, _ dims: [Int], op: String) throws(CressetError) {
        guard let d = dims.first(where: { x.shape[$0] == 0 }) else { return }
        throw CressetError(.shape, op: op, "\(x.summary) has no elements along dim \(d), so there is no extremum")
    }
}

extension Shape {
    /// The shape with size 1 for every dim whose bit is set.
    func reduced(_ mask: UInt32) -> Shape {
        var result = self
        for d in 0..<count where mask & 1 << UInt32(d) != 0 { result[d] = 1 }
        return result
    }

    /// The shape after a reduction of `dims`, which are counted from the front.
    func reduced(_ dims: [Int], keepdim: Bool) -> Shape {
        var result = Shape()
        for d in 0..<count {
            if !dims.contains(d) { result.append(self[d]) } else if keepdim { result.append(1) }
        }
        return result
    }
}

extension Tensor {
    /// The tensor itself if it and `output` are both complex or both real, else converted to it.
    fileprivate func fitting(_ output: DType) throws(CressetError) -> Tensor {
        dtype.isComplex == output.isComplex ? self : try converted(to: output)
    }

    /// This fresh, contiguous tensor without the given dims, which are of size 1.
    fileprivate func dropping(_ dims: [Int]) -> Tensor {
        if dims.isEmpty { return self }
        let shape = shape.reduced(dims, keepdim: false)
        return Tensor(
            storage: impl.storage, shape: shape, strides: shape.contiguousStrides, offset: impl.offset, dtype: dtype)
    }

    /// The sum over all dims, or the given ones. Integers and bool give int64.
    public func sum(dim: [Int]? = nil, keepdim: Bool = false, dtype: DType? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            try Reductions.sum(
                self, dims: dim.flatMap { $0.isEmpty ? nil : $0 }, keepdim: keepdim, dtype: dtype,
                isAll: dim == nil && !keepdim)
        }
    }
    /// The `sum` along one dim.
    public func sum(dim: Int, keepdim: Bool = false, dtype: DType? = nil) -> Tensor {
        sum(dim: [dim], keepdim: keepdim, dtype: dtype)
    }
    /// The mean over all dims, or the given ones.
    public func mean(dim: [Int]? = nil, keepdim: Bool = false, dtype: DType? = nil) -> Tensor {
        trapping { () throws(CressetError) in try Reductions.mean(self, dims: dim, keepdim: keepdim, dtype: dtype) }
    }
    /// The `mean` along one dim.
    public func mean(dim: Int, keepdim: Bool = false) -> Tensor { mean(dim: [dim], keepdim: keepdim) }
    /// The product of all elements, or along one dim.
    public func prod(dim: Int? = nil, keepdim: Bool = false, dtype: DType? = nil) -> Tensor {
        trapping { () throws(CressetError) in
            try Reductions.prod(self, dims: dim.map { [$0] }, keepdim: keepdim, dtype: dtype)
        }
    }
    /// The largest elements over the dims; NaN wins.
    public func amax(dim: [Int]? = nil, keepdim: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try Reductions.extremum(Reductions.maxKernel, self, dims: dim, keepdim: keepdim)
        }
    }
    /// The smallest elements along dims; NaN wins.
    public func amin(dim: [Int]? = nil, keepdim: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try Reductions.extremum(Reductions.minKernel, self, dims: dim, keepdim: keepdim)
        }
    }
    /// The largest element.
    public func max() -> Tensor { amax() }
    /// The smallest element.
    public func min() -> Tensor { amin() }
    /// The largest elements along a dim and where they are (the first of equals).
    public func max(dim: Int, keepdim: Bool = false) -> (values: Tensor, indices: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in
            try Reductions.extremumWithIndex(Reductions.maxWithIndex, self, dim: dim, keepdim: keepdim)
        }
    }
    /// The smallest elements along one dim, and where they are; NaN wins.
    public func min(dim: Int, keepdim: Bool = false) -> (values: Tensor, indices: Tensor) {
        trapping(default: (.invalid, .invalid)) { () throws(CressetError) in
            try Reductions.extremumWithIndex(Reductions.minWithIndex, self, dim: dim, keepdim: keepdim)
        }
    }
    /// Index of the largest element, over all or along a dim; the first of equals, NaN wins.
    public func argmax(dim: Int? = nil, keepdim: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try Reductions.argument(Reductions.argmaxKernel, self, dim: dim, keepdim: keepdim)
        }
    }
    /// The index of the smallest element along a dim, or in row-major order; the first of several.
    public func argmin(dim: Int? = nil, keepdim: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try Reductions.argument(Reductions.argminKernel, self, dim: dim, keepdim: keepdim)
        }
    }
    /// True if any element is not 0.
    public func any(dim: [Int]? = nil, keepdim: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try Reductions.truth(Reductions.anyKernel, self, dims: dim, keepdim: keepdim)
        }
    }
    /// True if no element is 0.
    public func all(dim: [Int]? = nil, keepdim: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try Reductions.truth(Reductions.allKernel, self, dims: dim, keepdim: keepdim)
        }
    }
    /// Variance, divided by N - correction.
    public func `var`(dim: [Int]? = nil, correction: Double = 1, keepdim: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try Reductions.variance(self, dims: dim, correction: correction, keepdim: keepdim)
        }
    }
}
