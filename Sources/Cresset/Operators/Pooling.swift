import BackendKit

extension Tensor {
    private func maxPool(
        _ rank: Int, _ kernel: PerDim, _ stride: PerDim?, _ padding: PerDim, _ dilation: PerDim, _ ceilMode: Bool
    ) -> (values: Tensor, indices: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in
            let op = "aten::max_pool\(rank)d"
            let windows = try Pooling.windows(
                self, rank, kernel: kernel, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode,
                op: op)
            guard dtype != .bool else { throw CressetError(.dtype, op: op, "is not defined for bool: \(summary)") }
            return try Pooling.max(self, windows, ceilMode: ceilMode)
        }
    }

    private func avgPool(
        _ rank: Int, _ kernel: PerDim, _ stride: PerDim?, _ padding: PerDim, _ ceilMode: Bool, _ countsPadding: Bool,
        _ divisor: Int?
    ) -> Tensor {
        trapping { () throws(CressetError) in
            let windows = try Pooling.windows(
                self, rank, kernel: kernel, stride: stride, padding: padding, ceilMode: ceilMode,
                op: "aten::avg_pool\(rank)d")
            return try Pooling.average(
                self, windows, ceilMode: ceilMode, countsPadding: countsPadding, divisor: divisor)
        }
    }

    /// Maxima of windows over the last 1 dim.
    public func maxPool1d(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1, ceilMode: Bool = false
    ) -> Tensor {
        maxPool1dWithIndices(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
            .values
    }
    /// Maxima of windows over the last 1 dim, and their row-major indices within those.
    public func maxPool1dWithIndices(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1, ceilMode: Bool = false
    ) -> (values: Tensor, indices: Tensor) {
        maxPool(1, kernelSize, stride, padding, dilation, ceilMode)
    }
    /// Means of windows over the last dim.
    public func avgPool1d(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, ceilMode: Bool = false,
        countIncludePad: Bool = true
    ) -> Tensor { avgPool(1, kernelSize, stride, padding, ceilMode, countIncludePad, nil) }
    /// Means of as many windows over the last 1 dim as `outputSize` says.
    public func adaptiveAvgPool1d(_ outputSize: PerDim) -> Tensor {
        trapping { () throws(CressetError) in try Pooling.adaptiveAverage(self, 1, outputSize) }
    }
    /// Maxima of as many windows over the last 1 dim as `outputSize` says, and their indices within those.
    public func adaptiveMaxPool1d(_ outputSize: PerDim) -> (values: Tensor, indices: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in try Pooling.adaptiveMax(self, 1, outputSize) }
    }

    /// Maxima of windows over the last 2 dims.
    public func maxPool2d(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1, ceilMode: Bool = false
    ) -> Tensor {
        maxPool2dWithIndices(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
            .values
    }
    /// Maxima of windows over the last 2 dims, and their row-major indices within those.
    public func maxPool2dWithIndices(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1, ceilMode: Bool = false
    ) -> (values: Tensor, indices: Tensor) {
        maxPool(2, kernelSize, stride, padding, dilation, ceilMode)
    }
    /// Means of windows over the last 2 dims.
    public func avgPool2d(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, ceilMode: Bool = false,
        countIncludePad: Bool = true, divisorOverride: Int? = nil
    ) -> Tensor { avgPool(2, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride) }
    /// Means of as many windows over the last 2 dims as `outputSize` says.
    public func adaptiveAvgPool2d(_ outputSize: PerDim) -> Tensor {
        trapping { () throws(CressetError) in try Pooling.adaptiveAverage(self, 2, outputSize) }
    }
    /// Maxima of as many windows over the last 2 dims as `outputSize` says, and their indices within those.
    public func adaptiveMaxPool2d(_ outputSize: PerDim) -> (values: Tensor, indices: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in try Pooling.adaptiveMax(self, 2, outputSize) }
    }

    /// Maxima of windows over the last 3 dims.
    public func maxPool3d(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1, ceilMode: Bool = false
    ) -> Tensor {
        maxPool3dWithIndices(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
            .values
    }
    /// Maxima of windows over the last 3 dims, and their row-major indices within those.
    public func maxPool3dWithIndices(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, dilation: PerDim = 1, ceilMode: Bool = false
    ) -> (values: Tensor, indices: Tensor) {
        maxPool(3, kernelSize, stride, padding, dilation, ceilMode)
    }
    /// Means of windows over the last 3 dims.
    public func avgPool3d(
        _ kernelSize: PerDim, stride: PerDim? = nil, padding: PerDim = 0, ceilMode: Bool = false,
        countIncludePad: Bool = true, divisorOverride: Int? = nil
    ) -> Tensor { avgPool(3, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride) }
    /// Means of as many windows over the last 3 dims as `outputSize` says.
    public func adaptiveAvgPool3d(_ outputSize: PerDim) -> Tensor {
        trapping { () throws(CressetError) in try Pooling.adaptiveAverage(self, 3, outputSize) }
    }
    /// Maxima of as many windows over the last 3 dims as `outputSize` says, and their indices within those.
    public func adaptiveMaxPool3d(_ outputSize: PerDim) -> (values: Tensor, indices: Tensor) {
        trapping(default: (self, self)) { () throws(CressetError) in try Pooling.adaptiveMax(self, 3, outputSize) }
    }
}

// MARK: Declarations

extension Operators {
    /// A case by sizes: the input, then the arguments behind it.
    private typealias Layout = (x: Shape, rest: [Value])

    static let pooling: [Operator] =
        (1...3).flatMap { [maxPool($0, indices: false), maxPool($0, indices: true)] }
        + (1...3).map(avgPool) + (1...3).map(adaptiveAverage) + (1...3).map(adaptiveMax)

    private static func maxPool(_ d: Int, indices: Bool) -> Operator {
        // kernel, stride, padding, dilation, ceil_mode
        let layouts: [[Layout]] = [
            [
                ([2, 3, 9], [3, [], 0, 1, false]), ([3, 8], [2, 3, 1, 2, true]), ([2, 1, 7], [3, 1, 1, 1, false]),
                ([0, 3, 9], [3, [], 0, 1, false]),
            ],
            [
                ([2, 2, 6, 7], [[2, 3], [], 0, 1, false]), ([3, 7, 6], [3, 2, 1, 1, true]),
                ([1, 2, 7, 8], [[2, 3], [1, 2], [0, 1], [3, 2], false]), ([0, 2, 6, 7], [2, [], 0, 1, false]),
            ],
            [
                ([1, 2, 4, 5, 4], [2, [], 0, 1, false]),
                ([2, 4, 5, 6], [[2, 3, 2], [1, 2, 3], [1, 1, 0], 1, true]),
                ([1, 1, 5, 4, 5], [2, 1, 1, [2, 1, 2], false]), ([0, 2, 4, 5, 4], [2, [], 0, 1, false]),
            ],
        ]
        let name = "max_pool\(d)d" + (indices ? "_with_indices" : "")
        let defaults = d == 1 ? ("[0]", "[1]") : ("0", "1")
        return Operator(
            "\(name)(Tensor self, int[\(d)] kernel_size, int[\(d)] stride=[], int[\(d)] padding=\(defaults.0), int[\(d)] dilation=\(defaults.1), bool ceil_mode=False) -> "
                + (indices ? "(Tensor, Tensor)" : "Tensor"),
            dtypes: .number, composition: indices ? ["reduce", "pointwise"] : ["aten::\(name)_with_indices"],
            notOverridable: indices ? nil : "it is made of aten::\(name)_with_indices, which can be",
            samples: { g in layouts[d - 1].map { Sample([.tensor(g.distinct($0.x))] + $0.rest) } },
            call: { (a) throws(CressetError) in
                let x = try a.tensor("self")
                let windows = try Pooling.windows(
                    x, d, kernel: PerDim(try a.ints("kernel_size")), stride: PerDim(try a.ints("stride")),
                    padding: PerDim(try a.ints("padding")), dilation: PerDim(try a.ints("dilation")),
                    ceilMode: try a.bool("ceil_mode"), op: "aten::" + name)
                guard x.dtype != .bool else {
                    throw CressetError(.dtype, op: "aten::" + name, "is not defined for bool: \(x.summary)")
                }
                let (values, places) = try Pooling.max(x, windows, ceilMode: try a.bool("ceil_mode"))
                return indices ? [.tensor(values), .tensor(places)] : [.tensor(values)]
            })
    }

    private static func avgPool(_ d: Int) -> Operator {
        // kernel, stride, padding, ceil_mode, count_include_pad, and from 2 dims on divisor_override
        let layouts: [[Layout]] = [
            [
                ([2, 3, 9], [3, [], 0, false, true]), ([3, 8], [4, 3, 2, true, true]),
                ([2, 1, 8], [3, 2, 1, true, false]), ([0, 3, 9], [3, [], 0, false, true]),
            ],
            [
                ([2, 2, 6, 7], [[2, 3], [], 0, false, true, .none]), ([3, 7, 6], [3, 2, 1, true, true, .none]),
                ([2, 2, 5, 6], [[3, 2], [1, 3], 1, true, false, .none]), ([1, 2, 5, 5], [2, 2, 1, true, true, -3]),
                ([0, 2, 6, 7], [2, [], 0, false, true, .none]),
            ],
            [
                ([1, 2, 4, 5, 4], [2, [], 0, false, true, .none]),
                ([2, 4, 5, 6], [[2, 3, 2], [1, 2, 3], [1, 1, 0], true, false, .none]),
                ([1, 1, 4, 4, 5], [3, 2, 1, true, true, 5]), ([0, 2, 4, 5, 4], [2, [], 0, false, true, .none]),
            ],
        ]
        let name = "avg_pool\(d)d"
        let last = d == 1 ? "" : ", int? divisor_override=None"
        return Operator(
            "\(name)(Tensor self, int[\(d)] kernel_size, int[\(d)] stride=[], int[\(d)] padding=\(d == 1 ? "[0]" : "0"), bool ceil_mode=False, bool count_include_pad=True\(last)) -> Tensor",
            dtypes: Set<DType>.floating.union([.int64]), composition: ["reduce", "pointwise"],
            samples: { g in layouts[d - 1].map { Sample([.tensor(g.tensor($0.x, -9, 9))] + $0.rest) } },
            call: { (a) throws(CressetError) in
                let x = try a.tensor("self")
                let ceilMode = try a.bool("ceil_mode")
                let windows = try Pooling.windows(
                    x, d, kernel: PerDim(try a.ints("kernel_size")), stride: PerDim(try a.ints("stride")),
                    padding: PerDim(try a.ints("padding")), ceilMode: ceilMode, op: "aten::" + name)
                return [
                    .tensor(
                        try Pooling.average(
                            x, windows, ceilMode: ceilMode, countsPadding: try a.bool("count_include_pad"),
                            divisor: d == 1 ? nil : try a.optionalInt("divisor_override")))
                ]
            })
    }

    /// Inputs and sizes: even windows, uneven ones, more windows than elements, none.
    private static func adaptiveLayouts(_ d: Int) -> [Layout] {
        switch d {
        case 1: [([2, 3, 8], [4]), ([3, 7], [3]), ([2, 1, 3], [5]), ([2, 3, 4], [0]), ([0, 3, 8], [4])]
        case 2:
            [
                ([2, 2, 6, 4], [[3, 2]]), ([3, 7, 5], [[3, 2]]), ([1, 2, 3, 6], [[5, 4]]), ([2, 3, 4, 4], [[0, 2]]),
                ([0, 2, 6, 5], [[3, 2]]),
            ]
        default:
            [
                ([1, 2, 4, 2, 6], [2]), ([2, 5, 3, 4], [[2, 3, 3]]), ([1, 2, 2, 5, 3], [[3, 2, 3]]),
                ([0, 2, 4, 5, 6], [2]),
            ]
        }
    }

    private static func adaptiveAverage(_ d: Int) -> Operator {
        Operator(
            "adaptive_avg_pool\(d)d(Tensor self, \(d == 1 ? "int" : "SymInt")[\(d)] output_size) -> Tensor",
            dtypes: .floating,
            composition: ["gather", "reduce", "pointwise"],
            samples: { g in adaptiveLayouts(d).map { Sample([.tensor(g.tensor($0.x))] + $0.rest) } },
            call: { (a) throws(CressetError) in
                [.tensor(try Pooling.adaptiveAverage(try a.tensor("self"), d, PerDim(try a.ints("output_size"))))]
            })
    }

    private static func adaptiveMax(_ d: Int) -> Operator {
        Operator(
            "adaptive_max_pool\(d)d(Tensor self, int[\(d)] output_size) -> (Tensor, Tensor)", dtypes: .number,
            composition: ["gather", "reduce", "pointwise"],
            samples: { g in adaptiveLayouts(d).map { Sample([.tensor(g.distinct($0.x))] + $0.rest) } },
            call: { (a) throws(CressetError) in
                let (values, indices) = try Pooling.adaptiveMax(
                    try a.tensor("self"), d, PerDim(try a.ints("output_size")))
                return [.tensor(values), .tensor(indices)]
            })
    }
}
