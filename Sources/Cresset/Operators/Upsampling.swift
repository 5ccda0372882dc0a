import BackendKit

/// Resizing of [batch, channels, size…]: nearest, linear, cubic, with or without antialiasing.
///
/// Every mode is separable: along each dim an element of the result is a weighted sum of a few
/// elements, its taps, which are worked out on the host for the two sizes.
enum Upsampling {
    enum Mode {
        case nearest
        /// By the centres of the elements, as others do it; PyTorch's `nearest` is its older rule.
        case nearestExact
        case linear
        case cubic
    }

    struct Options: Sendable {
        var mode: Mode
        var alignCorners = false
        var antialias = false
        /// By dim: result size over input size, where it was given and the sizes are rounded; 0 or nil: by the sizes.
        var scales: [Double?] = []
    }

    /// The taps of one dim: `count` for each element of the result, with their weights.
    private struct Taps {
        var count: Int
        var indices: [Int]
        var weights: [Double]
    }

    /// - Parameter arguments: those of the operation's schema, for a kernel registered by its name.
    static func run(
        _ x: Tensor, _ sizes: [Int], _ options: Options, _ name: OperatorName, _ arguments: @autoclosure () -> [Value]
    ) throws(CressetError) -> Tensor {
        let op = name.text
        try x.checkValid(op)
        let rank = sizes.count
        guard x.ndim == rank + 2, sizes.allSatisfy({ $0 > 0 }), x.shape.dropFirst().allSatisfy({ $0 > 0 }) else {
            throw CressetError(
                .shape, op: op,
                "needs [batch, channels, \(rank) sizes], of which only the batch may be 0, and positive output sizes: "
                    + "\(x.summary), \(sizes)")
        }
        let isMovement = options.mode == .nearest || options.mode == .nearestExact
        let isWhole = options.antialias && x.dtype == .uint8
        if !isWhole { try x.checkDType(isMovement ? .number : .floating, op: op) }
        guard !options.antialias || !isMovement else {
            throw CressetError(.argument, op: op, "antialiasing is for linear and cubic modes")
        }
        let shape = Shape(Array(x.shape[..<2]) + sizes)
        // (The places are first listed on the host.)
        for size in sizes + [shape.reduce(1) { $0.multipliedReportingOverflow(by: $1).overflow ? .max : $0 * $1 }] {
            try Tensor.checkFits([size], .float64, on: x.runtime, op: op)
        }
        return try Override.resolve(name, inputs: [x], x.dtype, arguments(), type: ResultType(shape, x.dtype)) {
            (t) throws(CressetError) in
            let x = t[0]
            var result = isMovement ? x : try x.converted(to: x.dtype.arithmetic.dtype)
            // (The last dim first, as PyTorch: between the dims whole numbers are rounded.)
            for i in (0..<rank).reversed() {
                let (from, to) = (x.shape[i + 2], sizes[i])
                let scale = i < options.scales.count ? options.scales[i] : nil
                let taps = taps(from, to, scale, options)
                result =
                    isWhole
                    ? try resizedWhole(result, i + 2, taps, to, op: op) : try resized(result, i + 2, taps, to, op: op)
            }
            let narrow = isMovement ? result : try result.converted(to: x.dtype)
            return narrow.impl === x.impl ? x.clone() : narrow
        }
    }

    private static func resized(
        _ x: Tensor, _ d: Int, _ taps: Taps, _ size: Int, op: String
    ) throws(CressetError) -> Tensor {
        if taps.count == 1 && size == x.shape[d] && taps.indices == Array(0..<size) { return x }
        let picked = try picked(x, d, taps, op: op)
        return taps.count == 1 ? picked : try weightedSum(picked, d, taps.weights, taps.count, size, op: op)
    }

    /// Whole numbers from 0 to 255 with weights of 16 bits, as in PyTorch and Pillow: as many places behind the point
    /// as the largest weight leaves.
    private static func resizedWhole(
        _ x: Tensor, _ d: Int, _ taps: Taps, _ size: Int, op: String
    ) throws(CressetError) -> Tensor {
        let most = taps.weights.max() ?? 1
        var places = 1
        while places < 22 && Int(0.5 + most * Double(1 << (places + 1))) < 1 << 15 { places += 1 }
        let scale = Double(1 << places)
        let weights = taps.weights.map { ($0 * scale).rounded(.toNearestOrAwayFromZero) }
        let sum = try weightedSum(try picked(x, d, taps, op: op), d, weights, taps.count, size, op: op)
        let rounded = try Ops.rightShift(try Ops.add(sum, .int(1 << Int64(places - 1))), .int(Int64(places)))
        return try Selection.clamp(rounded, 0, 255)
    }

    /// The elements that the taps name, one after the other along the dim.
    private static func picked(_ x: Tensor, _ d: Int, _ taps: Taps, op: String) throws(CressetError) -> Tensor {
        try Indexing.select(
            x, d, try Tensor(taps.indices.map(Int64.init), device: .reference).moved(to: x.runtime, op: op))
    }

    /// Sums of `count` neighbours along the dim, each times its weight.
    private static func weightedSum(
        _ picked: Tensor, _ d: Int, _ weights: [Double], _ count: Int, _ size: Int, op: String
    ) throws(CressetError) -> Tensor {
        // [..., size, taps, ...]
        var shape = picked.shape
        shape[d] = size
        shape.insert(count, at: d + 1)
        var weightShape = Shape(repeating: 1, count: shape.count)
        weightShape[d] = size
        weightShape[d + 1] = count
        let weights = try Tensor(weights, shape: weightShape, dtype: picked.dtype, device: .reference)
            .moved(to: picked.runtime, op: op)
        let weighted = try Ops.mul(try picked.reshaped(shape, op: op), weights)
        return try Reductions.sum(weighted, dims: [d + 1], keepdim: false, dtype: picked.dtype)
    }

    // MARK: Taps

    private static func taps(
        _ from: Int, _ to: Int, _ scale: Double?, _ options: Options
    ) -> Taps {
        let given = scale.flatMap { $0 > 0 ? $0 : nil }
        // Elements of the input for one of the result.
        let step: Double
        if options.alignCorners {
            step = to > 1 ? Double(from - 1) / Double(to - 1) : 0
        } else {
            step = given.map { 1 / $0 } ?? Double(from) / Double(to)
        }
        switch options.mode {
        case .nearest, .nearestExact: return nearest(from, to, step, isExact: options.mode == .nearestExact)
        case .linear where options.antialias:
            return antialiased(from, to, step, reach: 1) { Swift.max(0, 1 - Swift.abs($0)) }
        case .cubic where options.antialias: return antialiased(from, to, step, reach: 2) { cubic($0, -0.5) }
        case .linear: return linear(from, to, step, options.alignCorners)
        case .cubic: return cubic(from, to, step, options.alignCorners)
        }
    }

    private static func nearest(_ from: Int, _ to: Int, _ step: Double, isExact: Bool) -> Taps {
        // In float32, as PyTorch: where a product lies near a whole number its rounding decides.
        let step32 = Float(step)
        let indices = (0..<to).map { i -> Int in
            if from == to && !isExact { return i }
            let place = isExact ? (Float(i) + 0.5) * step32 : Float(i) * step32
            return Swift.min(Swift.max(Int(place.rounded(.down)), 0), from - 1)
        }
        return Taps(count: 1, indices: indices, weights: [])
    }

    /// Where element i of the result lies in the input.
    private static func source(_ i: Int, _ step: Double, _ alignCorners: Bool) -> Double {
        alignCorners ? step * Double(i) : step * (Double(i) + 0.5) - 0.5
    }

    private static func linear(_ from: Int, _ to: Int, _ step: Double, _ alignCorners: Bool) -> Taps {
        var taps = Taps(count: 2, indices: [], weights: [])
        for i in 0..<to {
            let place = Swift.max(0, source(i, step, alignCorners))
            let first = Swift.min(Int(place), from - 1)
            let part = Swift.min(Swift.max(place - Double(first), 0), 1)
            taps.indices += [first, Swift.min(first + 1, from - 1)]
            taps.weights += [1 - part, part]
        }
        return taps
    }

    private static func cubic(_ from: Int, _ to: Int, _ step: Double, _ alignCorners: Bool) -> Taps {
        var taps = Taps(count: 4, indices: [], weights: [])
        for i in 0..<to {
            let place = source(i, step, alignCorners)
            let first = Int(place.rounded(.down))
            let part = place - Double(first)
            for k in -1...2 {
                taps.indices.append(Swift.min(Swift.max(first + k, 0), from - 1))
                taps.weights.append(cubic(part - Double(k), -0.75))
            }
        }
        return taps
    }

    /// The convolution kernel of Keys (1981) with parameter a.
    static func cubic(_ x: Double, _ a: Double) -> Double {
        let x = Swift.abs(x)
        if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
        return 0
    }

    /// A filter that is widened to the step, so that each element of the input counts.
    private static func antialiased(
        _ from: Int, _ to: Int, _ step: Double, reach: Double, _ filter: (Double) -> Double
    ) -> Taps {
        let widening = Swift.max(step, 1)
        let support = reach * widening
        let rows = (0..<to).map { i -> (first: Int, weights: [Double]) in
            let centre = step * (Double(i) + 0.5)
            let first = Swift.max(Int(centre - support + 0.5), 0)
            let end = Swift.min(Int(centre + support + 0.5), from)
            let weights = (first..<Swift.max(end, first + 1)).map { j in
                filter((Double(j) - centre + 0.5) / widening)
            }
            let total = weights.reduce(0, +)
            return (first, total == 0 ? weights : weights.map { $0 / total })
        }
        let count = rows.map(\.weights.count).max() ?? 1
        var taps = Taps(count: count, indices: [], weights: [])
        for row in rows {
            for k in 0..<count {
                taps.indices.append(Swift.min(row.first + k, from - 1))
                taps.weights.append(k < row.weights.count ? row.weights[k] : 0)
            }
        }
        return taps
    }
}
