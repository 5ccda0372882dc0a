import BackendKit

/// How `gridSample` computes values between the elements of its input.
public enum GridSampleMode: Int, Sendable, CaseIterable {
    /// From the nearest 4 elements, of volumes from 8.
    case bilinear
    case nearest
    /// From 16 elements by cubic convolution; of images only.
    case bicubic
}

/// What `gridSample` takes for elements that lie outside its input.
public enum GridSamplePadding: Int, Sendable, CaseIterable {
    case zeros
    /// The nearest element of the border.
    case border
    /// The input mirrored at its borders as often as needed.
    case reflection
}

/// Values of an image or a volume at places that a grid names.
///
/// For each dim a place gives a few elements and their weights; a value is the sum over all their
/// combinations, each one gather. Gradients go to the input through the gathers and to the grid through the
/// weights.
enum GridSampling {
    typealias Options = (mode: GridSampleMode, padding: GridSamplePadding, alignCorners: Bool)

    // MARK: Places of one dim

    private static func kernel(_ rule: TypeRule = .promote, _ body: @escaping Pointwise.Body) -> Pointwise {
        Pointwise("aten::grid_sampler", rule, schema: nil, body: body)
    }

    /// -1 … 1 as a place among the elements.
    private static let place = kernel { c in (c.inputs[0] + 1) * c.scalars[0] - c.scalars[1] }
    /// 0 … last; what is no number is 0.
    private static let clipped = kernel { c in clip(c.inputs[0], c.scalars[0]) }
    /// Mirrored at `low` and at `span` behind it; then clipped, as half an element may be left over.
    private static let mirrored = kernel { c in
        let (low, span) = (c.scalars[1], c.scalars[2])
        let behind = c.inputs[0] - low
        let distance = select(behind .< 0, -behind, behind)
        let rest = distance % span
        let turns = floor(distance / span)
        let isForth = turns .== 2 * floor(turns * 0.5)
        return clip(select(isForth, rest + low, span - rest + low), c.scalars[0])
    }
    private static func clip(_ x: Expr, _ last: Expr) -> Expr {
        select(0 .< x, select(last .<= x, last, x), Expr(0, x.type ?? .f32))
    }

    /// The element k behind the one before the place, and the nearest.
    private static let neighbour = kernel { c in floor(c.inputs[0]) + c.scalars[0] }
    private static let nearest = kernel { c in round(c.inputs[0]) }

    /// 1 for elements of the input, 0 for others.
    private static let mask = kernel { c in isInside(c).cast(to: c.type) }
    private static let index = kernel(.explicit) { c in select(isInside(c), c.inputs[0], Expr(0, c.type)) }
    private static func isInside(_ c: Pointwise.Context) -> Expr {
        (0 .<= c.inputs[0]) & (c.inputs[0] .<= c.scalars[0])
    }

    private static let linearWeight = kernel { c in
        let part = c.inputs[0] - floor(c.inputs[0])
        return select(c.scalars[0] .== 0, 1 - part, part)
    }
    /// The convolution kernel of Keys (1981) with a = -3/4.
    private static let cubicWeight = kernel { c in
        let k = c.scalars[0]
        let part = c.inputs[0] - floor(c.inputs[0])
        let x = select(k .<= 0, part - k, k - part)
        let near = (1.25 * x - 2.25) * x * x + 1
        let far = (((x - 5) * x + 8) * x - 4) * -0.75
        return select((0 .<= k) & (k .<= 1), near, far)
    }

    // MARK: Taps

    /// An element of one dim, [N, 1, points], and its weight; no weight is 1.
    private typealias Tap = (index: Tensor, weight: Tensor)

    private static func run(_ kernel: Pointwise, _ x: Tensor, _ scalars: [Double]) throws(CressetError) -> Tensor {
        try kernel.run([x], scalars.map(Scalar.double), promoting: [])
    }

    private static func padded(_ x: Tensor, _ size: Int, _ options: Options) throws(CressetError) -> Tensor {
        let last = Double(size - 1)
        switch options.padding {
        case .zeros: return x
        case .border: return try run(clipped, x, [last])
        case .reflection:
            if options.alignCorners && size == 1 { return try run(clipped, x, [last]) }
            return try options.alignCorners
                ? run(mirrored, x, [last, 0, last]) : run(mirrored, x, [last, -0.5, Double(size)])
        }
    }

    private static func tap(_ element: Tensor, _ size: Int, _ weight: Tensor?) throws(CressetError) -> Tap {
        let last = Double(size - 1)
        let mask = try run(mask, element, [last])
        let index = try index.run(
            [element.detach()], [.double(last)], types: (element.dtype, .int64), promoting: [])
        return (index, try weight.map { (w) throws(CressetError) in try Ops.mul(w, mask) } ?? mask)
    }

    /// The elements that the coordinates, -1 … 1, need of a dim.
    private static func taps(_ coordinate: Tensor, _ size: Int, _ options: Options) throws(CressetError) -> [Tap] {
        let half = Double(options.alignCorners ? size - 1 : size) / 2
        let raw = try run(place, coordinate, [half, options.alignCorners ? 0 : 0.5])
        switch options.mode {
        case .nearest: return [try tap(try run(nearest, try padded(raw, size, options), []), size, nil)]
        case .bilinear:
            let x = try padded(raw, size, options)
            return try [0, 1].map { (k) throws(CressetError) in
                try tap(try run(neighbour, x.detach(), [k]), size, try run(linearWeight, x, [k]))
            }
        case .bicubic:
            return try [-1, 0, 1, 2].map { (k) throws(CressetError) in
                let element = try padded(try run(neighbour, raw.detach(), [k]), size, options)
                return try tap(element, size, try run(cubicWeight, raw, [k]))
            }
        }
    }

    /// [N, C, sizes…] at [N, points…, rank] as [N, C, points…].
    fileprivate static func sample(_ input: Tensor, _ grid: Tensor, _ options: Options, op: String)
        throws(CressetError) -> Tensor
    {
        let rank = input.ndim - 2
        let wide = input.dtype.arithmetic.dtype
        let (n, channels, sizes) = (input.shape[0], input.shape[1], Array(input.shape.dropFirst(2)))
        let points = grid.shape.dropFirst().dropLast().reduce(1, *)
        let flat = try input.converted(to: wide).reshaped([n, channels, sizes.reduce(1, *)], op: op)
        let places = try grid.converted(to: wide).reshaped([n, 1, points, rank], op: op)
        // All combinations of the dims' elements; a grid names the last dim first.
        var taps: [Tap] = []
        for d in 0..<rank {
            let own = try self.taps(places.select(-1, rank - 1 - d), sizes[d], options)
            if d == 0 {
                taps = own
                continue
            }
            var combined: [Tap] = []
            for outer in taps {
                for inner in own {
                    let index = try Ops.add(try Ops.mul(outer.index, Scalar(sizes[d])), inner.index)
                    combined.append((index, try Ops.mul(outer.weight, inner.weight)))
                }
            }
            taps = combined
        }
        var sum: Tensor?
        for tap in taps {
            let index = try tap.index.expanded([n, channels, points], op: op)
            let term = try Ops.mul(try Indexing.gather(flat, 2, index), tap.weight)
            if let before = sum { sum = try Ops.add(before, term) } else { sum = term }
        }
        guard let sum else { throw CressetError(.internal, op: op, "a grid without dims") }
        let shape = Shape([n, channels] + grid.shape.dropFirst().dropLast())
        return try sum.converted(to: input.dtype).reshaped(shape, op: op)
    }

    // MARK: Declarations

    private static func options(_ a: Arguments) throws(CressetError) -> Options {
        let (mode, padding) = (try a.int("interpolation_mode"), try a.int("padding_mode"))
        guard let mode = GridSampleMode(rawValue: mode), let padding = GridSamplePadding(rawValue: padding) else {
            throw a.wrong(
                "interpolation_mode must be 0 (bilinear), 1 (nearest) or 2 (bicubic) and padding_mode 0 (zeros), "
                    + "1 (border) or 2 (reflection), got \(mode) and \(padding)")
        }
        return (mode, padding, try a.bool("align_corners"))
    }

    /// The declaration for inputs of these numbers of dims behind batch and channels.
    private static func sampler(_ name: String, ranks: [Int]) -> Composed {
        @Sendable func check(_ a: Arguments) throws(CressetError) -> ResultType {
            let (x, grid) = (try a.tensor("input"), try a.tensor("grid"))
            let options = try options(a)
            let rank = x.ndim - 2
            guard ranks.contains(rank), x.shape.dropFirst(2).allSatisfy({ $0 > 0 }) else {
                throw CressetError(
                    .shape, op: a.op,
                    "needs an input of [batch, channels] and \(ranks.map(String.init).joined(separator: " or ")) sizes above 0: \(x.summary)"
                )
            }
            guard grid.ndim == x.ndim, grid.shape[0] == x.shape[0], grid.shape[rank + 1] == rank else {
                throw CressetError(
                    .shape, op: a.op,
                    "needs a grid of [\(x.shape[0]), sizes of the result, \(rank)], the batch's size first and a place's numbers last: \(grid.summary)"
                )
            }
            guard grid.dtype == x.dtype else {
                throw CressetError(
                    .dtype, op: a.op, "input and grid must have one dtype: \(x.summary), \(grid.summary)")
            }
            guard options.mode != .bicubic || rank == 2 else {
                throw a.wrong("bicubic interpolation is for images, [batch, channels, height, width]: \(x.summary)")
            }
            return ResultType(Shape(Array(x.shape.prefix(2)) + grid.shape.dropFirst().dropLast()), x.dtype)
        }
        return Composed(
            "\(name)(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor",
            of: ["gather", "pointwise"],
            samples: { g in ranks.flatMap { samples(&g, $0) } },
            errors: { g in
                let rank = ranks[0]
                let x = Value.tensor(g.tensor(Shape([2, 3] + Array(repeating: 4, count: rank))))
                func grid(_ n: Int, _ last: Int) -> Value {
                    .tensor(g.tensor(Shape([n] + Array(repeating: 2, count: rank) + [last])))
                }
                return [
                    ErrorSample([x, grid(2, rank + 1), 0, 0, false], "needs a grid of", "\(rank)"),
                    ErrorSample([x, grid(1, rank), 0, 0, false], "needs a grid of [2"),
                    ErrorSample([x, grid(2, rank), 7, 0, false], "interpolation_mode must be", "7"),
                    ErrorSample(
                        [.tensor(g.tensor([2, 3])), grid(2, rank), 0, 0, false], "needs an input of", "[2, 3]"),
                ]
            },
            type: check,
            body: { (a) throws(CressetError) in
                try sample(try a.tensor("input"), try a.tensor("grid"), try options(a), op: a.op)
            })
    }

    private static func samples(_ g: inout SampleMaker, _ rank: Int) -> [Sample] {
        let modes: [GridSampleMode] = rank == 2 ? [.bilinear, .nearest, .bicubic] : [.bilinear, .nearest]
        let (input, grid): (Shape, Shape) =
            rank == 2 ? ([2, 3, 4, 5], [2, 3, 2, 2]) : ([1, 2, 3, 4, 2], [1, 2, 3, 2, 3])
        var samples: [Sample] = []
        for mode in modes {
            for padding in GridSamplePadding.allCases {
                for corners in [false, true] {
                    samples.append(
                        Sample(
                            [
                                .tensor(g.tensor(input)), .tensor(g.tensor(grid, -1.7, 1.7)), Value(mode.rawValue),
                                Value(padding.rawValue), .scalar(.bool(corners)),
                            ], keeping: ["grid"]))
                }
            }
        }
        let one = Shape([1, 1] + Array(repeating: 1, count: rank))
        let none = Shape([0] + grid.dropFirst())
        return samples + [
            // One element, and no batch.
            Sample(
                [.tensor(g.tensor(one)), .tensor(g.tensor(Shape([1] + grid.dropFirst()), -1.7, 1.7)), 0, 2, true],
                keeping: ["grid"]),
            Sample([.tensor(g.tensor(Shape([0] + input.dropFirst()))), .tensor(g.tensor(none)), 0, 0, false]),
        ]
    }

    static let images = sampler("grid_sampler_2d", ranks: [2])
    static let volumes = sampler("grid_sampler_3d", ranks: [3])
    static let either = sampler("grid_sampler", ranks: [2, 3])

    // MARK: Grids

    /// -1 … 1 in so many steps: to the middles of the outermost elements, or to their outer borders.
    private static func steps(_ count: Int, _ alignCorners: Bool) -> [Double] {
        if count == 1 { return [0] }
        let scale = alignCorners ? 1 : Double(count - 1) / Double(count)
        return (0..<count).map { (-1 + 2 * Double($0) / Double(count - 1)) * scale }
    }

    static let affine = Composed(
        "affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor", of: ["matmul"],
        samples: { g in
            let cases: [(Shape, [Int])] = [
                ([2, 2, 3], [2, 1, 4, 5]), ([1, 3, 4], [1, 2, 2, 3, 4]), ([1, 2, 3], [1, 1, 1, 3]),
                ([0, 2, 3], [0, 1, 2, 2]),
            ]
            return cases.flatMap { theta, size in
                [false, true].map {
                    Sample([.tensor(g.tensor(theta, -2, 2)), .ints(size), .scalar(.bool($0))])
                }
            }
        },
        errors: { g in
            [
                ErrorSample([.tensor(g.tensor([2, 2, 3])), [2, 3, 4], false], "size must be", "[2, 3, 4]"),
                ErrorSample([.tensor(g.tensor([2, 3, 4])), [2, 3, 4, 5], false], "needs matrices of [2, 2, 3]"),
                ErrorSample([.tensor(g.tensor([2, 2, 3])), [2, 3, 0, 5], false], "size must be"),
            ]
        },
        type: { (a) throws(CressetError) in
            let (theta, size) = (try a.tensor("theta"), try a.ints("size"))
            // (Places are made on the host.)
            guard size.count == 4 || size.count == 5, size.dropFirst().allSatisfy({ $0 > 0 }), size[0] >= 0,
                Shape(size.dropFirst(2)).extent(1).map({ $0 <= 1 << 28 }) ?? false
            else {
                throw a.wrong(
                    "size must be [batch, channels] and 2 or 3 sizes above 0, of at most 2²⁸ places, got \(size)")
            }
            let rank = size.count - 2
            guard theta.shape == [size[0], rank, rank + 1] else {
                throw CressetError(
                    .shape, op: a.op, "needs matrices of [\(size[0]), \(rank), \(rank + 1)], got \(theta.summary)")
            }
            let shape = Shape([size[0]] + size.dropFirst(2) + [rank])
            // (The steps are first listed on the host.)
            try Tensor.checkFits(shape, theta.dtype, on: theta.runtime, op: a.op)
            return ResultType(shape, theta.dtype)
        },
        body: { (a) throws(CressetError) in
            let (theta, size) = (try a.tensor("theta"), try a.ints("size"))
            let (sizes, corners) = (Array(size.dropFirst(2)), try a.bool("align_corners"))
            let axes = sizes.map { steps($0, corners) }
            let count = sizes.reduce(1, *)
            // Rows (…, x, 1) of all places, the last dim first.
            var rows: [Double] = []
            rows.reserveCapacity(count * (sizes.count + 1))
            for place in 0..<count {
                var rest = place
                for d in sizes.indices.reversed() {
                    rows.append(axes[d][rest % sizes[d]])
                    rest /= sizes[d]
                }
                rows.append(1)
            }
            let base = try Tensor(rows, shape: [1, count, sizes.count + 1], dtype: theta.dtype, device: .reference)
                .moved(to: theta.runtime, op: a.op)
            let shape = Shape([size[0]] + sizes + [sizes.count])
            return try base.matmul(theta.transpose(1, 2)).reshaped(shape, op: a.op)
        })
}

extension Operators {
    static let gridSampling: [Operator] = [
        GridSampling.images, GridSampling.volumes, GridSampling.either, GridSampling.affine,
    ].map(\.declaration)
}

extension Tensor {
    /// The values of an image, [N, C, H, W], or a volume at the places of a grid of numbers in -1 … 1, the last dim's first.
    ///
    /// - Parameter alignCorners: -1 and 1 are the middles of the outermost elements, not their outer borders.
    public func gridSample(
        _ grid: Tensor, mode: GridSampleMode = .bilinear, paddingMode: GridSamplePadding = .zeros,
        alignCorners: Bool = false
    ) -> Tensor {
        trapping { () throws(CressetError) in
            try GridSampling.either(
                .tensor(self), .tensor(grid), Value(mode.rawValue), Value(paddingMode.rawValue),
                .scalar(.bool(alignCorners)))
        }
    }

    /// The grid that `gridSample` takes, of the places where matrices [N, 2, 3] or [N, 3, 4] put those of a result of `size`.
    public static func affineGrid(_ theta: Tensor, size: [Int], alignCorners: Bool = false) -> Tensor {
        trapping { () throws(CressetError) in
            try GridSampling.affine(.tensor(theta), .ints(size), .scalar(.bool(alignCorners)))
        }
    }
}
