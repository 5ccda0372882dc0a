import BackendKit

/// The same elements in another order, or several times.
extension Tensor {
    /// The elements in reverse order along the dims.
    public func flip(_ dims: [Int]) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::flip"
            try checkValid(op)
            if dims.isEmpty { return clone() }
            // (A backward stride cannot be told: each dim is picked in reverse.)
            var result = self
            for d in try self.dims(dims, op: op) {
                result = try Indexing.select(result, d, try reversedPlaces(shape[d], on: runtime, op: op))
            }
            return result.impl === impl ? clone() : result
        }
    }

    private func reversedPlaces(_ n: Int, on runtime: DeviceRuntime, op: String) throws(CressetError) -> Tensor {
        let places = try Tensor.empty([n], .int64, on: runtime, op: op)
        try Generators.arange.generate([.int(Int64(n - 1)), -1], into: places)
        return places
    }

    /// The columns in reverse order.
    public func fliplr() -> Tensor { flipped("aten::fliplr", 1) }
    /// The rows in reverse order.
    public func flipud() -> Tensor { flipped("aten::flipud", 0) }

    private func flipped(_ op: String, _ dim: Int) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid(op)
            guard ndim > dim else {
                throw CressetError(.shape, op: op, "needs at least \(dim + 1) dims, got \(summary)")
            }
            return flip([dim])
        }
    }

    /// The elements moved on by `shifts` places along `dims`, those that leave come in at the other end;
    /// without dims all elements in one row are moved.
    public func roll(_ shifts: [Int], _ dims: [Int] = []) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::roll"
            try checkValid(op)
            if dims.isEmpty {
                guard shifts.count == 1 else {
                    throw CressetError(.argument, op: op, "without dims one shift is needed, got \(shifts)")
                }
                return numel == 0 ? clone() : flatten().roll(shifts, [0]).reshape(shape)
            }
            guard shifts.count == dims.count else {
                throw CressetError(.argument, op: op, "\(shifts) and \(dims) must have one length")
            }
            var result = self
            for (shift, dim) in zip(shifts, dims) {
                let d = try self.dim(dim, op: op)
                guard ndim > 0, numel > 0 else { continue }
                let n = shape[d]
                let start = (n - shift % n) % n
                if start == 0 { continue }
                result = try Joining.cat(
                    [result.slice(d, from: start), result.slice(d, from: 0, to: start)], dim: d)
            }
            return result.impl === impl ? clone() : result
        }
    }

    /// Turned by `k` right angles in the plane of two dims, from the first towards the second.
    public func rot90(k: Int = 1, dims: [Int] = [0, 1]) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::rot90"
            try checkValid(op)
            guard dims.count == 2, ndim >= 2 else {
                throw CressetError(
                    .argument, op: op, "needs two dims of a tensor with at least 2, got \(dims): \(summary)")
            }
            let front = try distinct(dims, op: op)
            let (a, b) = (front[0], front[1])
            switch ((k % 4) + 4) % 4 {
            case 1: return flip([b]).transpose(a, b)
            case 2: return flip([a, b])
            case 3: return flip([a]).transpose(a, b)
            default: return clone()
            }
        }
    }

    /// The tensor set side by side `repeats` times along each dim; leading dims may be new.
    public func `repeat`(_ repeats: [Int]) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::repeat"
            try checkValid(op)
            guard repeats.count >= ndim, repeats.count <= maxRank, repeats.allSatisfy({ $0 >= 0 }) else {
                throw CressetError(
                    .argument, op: op,
                    "needs a number that is not negative for each of at least \(ndim) dims, got \(repeats) for \(summary)"
                )
            }
            let padded = Shape([Int](repeating: 1, count: repeats.count - ndim) + Array(shape))
            let sizes = zip(padded, repeats).map { $0.multipliedReportingOverflow(by: $1) }
            guard !sizes.contains(where: \.overflow), Shape(sizes.map(\.partialValue)).extent(dtype.size) != nil else {
                throw CressetError(.shape, op: op, "\(repeats) times \(summary) are too many elements")
            }
            var result = try reshaped(padded, op: op)
            // One dim at a time, so that no rank grows beyond what there is.
            for (d, count) in repeats.enumerated() where count != 1 {
                var target = result.shape
                target[d] *= count
                if target.count < maxRank {
                    let wide = result.shape.inserting(count, at: d)
                    result = try result.unsqueeze(d).expanded(wide, op: op).reshaped(target, op: op)
                } else {
                    result =
                        count == 0 ? result.narrow(d, 0, 0) : .cat([Tensor](repeating: result, count: count), dim: d)
                }
            }
            return result.impl.storage === impl.storage ? result.clone() : result
        }
    }

    /// The same, where missing numbers are 1.
    public func tile(_ dims: [Int]) -> Tensor {
        `repeat`([Int](repeating: 1, count: Swift.max(0, ndim - dims.count)) + dims)
    }

    /// Channels of an image spread over `factor` × `factor` pixels: (…, c·f², h, w) to (…, c, h·f, w·f).
    public func pixelShuffle(_ factor: Int) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::pixel_shuffle"
            try checkValid(op)
            guard ndim >= 3, factor > 0, factor < 1 << 31, size(-3) % (factor * factor) == 0 else {
                throw CressetError(
                    .shape, op: op,
                    "needs at least 3 dims and channels that \(factor)² divides, got \(summary)")
            }
            let (lead, h, w) = (Array(shape.dropLast(3)), size(-2), size(-1))
            let c = size(-3) / (factor * factor)
            let n = lead.count
            return reshape(Shape(lead + [c, factor, factor, h, w]))
                .permute(Array(0..<n) + [n, n + 3, n + 1, n + 4, n + 2]).reshape(
                    Shape(lead + [c, h * factor, w * factor]))
        }
    }

    /// The reverse of `pixelShuffle`.
    public func pixelUnshuffle(_ factor: Int) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::pixel_unshuffle"
            try checkValid(op)
            guard ndim >= 3, factor > 0, size(-2) % factor == 0, size(-1) % factor == 0 else {
                throw CressetError(
                    .shape, op: op,
                    "needs at least 3 dims, the last two of which \(factor) divides, got \(summary)")
            }
            let (lead, c, h, w) = (Array(shape.dropLast(3)), size(-3), size(-2) / factor, size(-1) / factor)
            let n = lead.count
            return reshape(Shape(lead + [c, h, factor, w, factor]))
                .permute(Array(0..<n) + [n, n + 2, n + 4, n + 1, n + 3])
                .reshape(Shape(lead + [c * factor * factor, h, w]))
        }
    }

    /// The channels (dim 1) of all groups by turns.
    public func channelShuffle(_ groups: Int) -> Tensor {
        trapping { () throws(CressetError) in
            let op = "aten::channel_shuffle"
            try checkValid(op)
            guard ndim > 2, groups > 0, shape[1] % groups == 0 else {
                throw CressetError(
                    .shape, op: op, "needs more than 2 dims and channels that \(groups) groups divide, got \(summary)")
            }
            if numel == 0 { return clone() }
            return reshape([shape[0], groups, shape[1] / groups, -1]).transpose(1, 2).reshape(shape)
        }
    }

    /// The zero frequency moved to the middle of the dims.
    public func fftshift(dim: [Int]? = nil) -> Tensor { shifted("aten::fft_fftshift", dim) { $0 / 2 } }
    /// The reverse of `fftshift`.
    public func ifftshift(dim: [Int]? = nil) -> Tensor { shifted("aten::fft_ifftshift", dim) { ($0 + 1) / 2 } }

    private func shifted(_ op: String, _ dims: [Int]?, _ by: (Int) -> Int) -> Tensor {
        trapping { () throws(CressetError) in
            try checkValid(op)
            let dims = try self.dims(dims, op: op)
            return dims.isEmpty ? clone() : roll(dims.map { by(shape[$0]) }, dims)
        }
    }
}

// MARK: Declarations

extension Operators {
    private static func rearranging(
        _ schema: String, of parts: [String], _ cases: [(Shape, [Value])],
        _ body: @escaping @Sendable (Tensor, Arguments) throws(CressetError) -> Tensor
    ) -> Operator {
        .composed(
            schema, of: parts, samples: { $0.samples(cases) },
            call: { (a) throws(CressetError) in [.tensor(try body(try a.tensor("self"), a))] })
    }

    static let rearrangings: [Operator] = [
        rearranging(
            "flip(Tensor self, int[] dims) -> Tensor", of: ["aten::index_select"],
            [([3, 4], [[0, -1]]), ([2, 3, 2], [[1]]), ([], [[]]), ([0, 3], [[1]])]
        ) { (x, a) throws(CressetError) in x.flip(try a.ints("dims")) },
        rearranging("fliplr(Tensor self) -> Tensor", of: ["aten::flip"], [([3, 4], []), ([0, 3], [])]) { x, _ in
            x.fliplr()
        }.refusing([([3], [], ["2 dims", "[3]"])]),
        rearranging("flipud(Tensor self) -> Tensor", of: ["aten::flip"], [([3, 4], []), ([4], []), ([0, 3], [])]) {
            x, _ in
            x.flipud()
        }.refusing([([], [], ["1 dim", "[]"])]),
        rearranging(
            "roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor", of: ["aten::cat"],
            [
                ([3, 4], [[1, -3], [0, -1]]), ([3, 2], [2, .ints([])]), ([5], [[7], [0]]), ([], [1, .ints([])]),
                ([0, 3], [1, 1]),
            ]
        ) { (x, a) throws(CressetError) in x.roll(try a.ints("shifts"), try a.ints("dims")) }
        .refusing([
            ([3, 4], [[1, 2], [0]], ["[1, 2]", "[0]"]), ([3, 4], [[1, 2], .ints([])], ["[1, 2]"]),
        ]),
        rearranging(
            "rot90(Tensor self, int k=1, int[] dims=[0, 1]) -> Tensor", of: ["aten::flip"],
            [
                ([3, 4], [1, [0, 1]]), ([2, 3, 2], [-1, [0, -1]]), ([2, 2], [2, [0, 1]]), ([3, 2], [4, [1, 0]]),
                ([0, 3], [1, [0, 1]]),
            ]
        ) { (x, a) throws(CressetError) in x.rot90(k: try a.int("k"), dims: try a.ints("dims")) }
        .refusing([([3, 4], [1, [0]], ["two dims", "[0]"]), ([3], [1, [0, 1]], ["[3]"])]),
        rearranging(
            "repeat(Tensor self, SymInt[] repeats) -> Tensor", of: ["aten::clone"],
            [([3, 2], [[2, 3]]), ([2], [[2, 1, 3]]), ([], [[2]]), ([2, 2], [[1, 0]]), ([0, 3], [[2, 1]])]
        ) { (x, a) throws(CressetError) in x.repeat(try a.ints("repeats")) }
        .refusing([
            ([3, 2], [[2]], ["[2]", "[3, 2]"]), ([3], [[-2]], ["-2"]), ([3], [[1 << 62]], ["\(1 << 62)"]),
        ]),
        rearranging(
            "tile(Tensor self, SymInt[] dims) -> Tensor", of: ["aten::repeat"],
            [([3, 2], [[2]]), ([2], [[2, 2]]), ([], [[]]), ([0, 3], [[2]])]
        ) { (x, a) throws(CressetError) in x.tile(try a.ints("dims")) }
        .refusing([([3], [[-2]], ["-2"]), ([3], [[1 << 62]], ["\(1 << 62)"])]),
        rearranging(
            "pixel_shuffle(Tensor self, int upscale_factor) -> Tensor", of: ["aten::clone"],
            [([2, 8, 2, 3], [2]), ([9, 1, 2], [3]), ([0, 4, 2, 2], [2])]
        ) { (x, a) throws(CressetError) in x.pixelShuffle(try a.int("upscale_factor")) }
        .refusing([
            ([1, 6, 2, 2], [2], ["2", "[1, 6, 2, 2]"]), ([4, 2], [2], ["[4, 2]"]), ([4, 2, 2], [0], ["0"]),
            ([4, 2, 2], [-2], ["-2"]),
        ]),
        rearranging(
            "pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor", of: ["aten::clone"],
            [([2, 2, 4, 6], [2]), ([1, 3, 3], [3]), ([0, 1, 2, 2], [2])]
        ) { (x, a) throws(CressetError) in x.pixelUnshuffle(try a.int("downscale_factor")) }
        .refusing([
            ([1, 2, 3, 2], [2], ["2", "[1, 2, 3, 2]"]), ([2, 2], [2], ["[2, 2]"]), ([4, 2, 2], [0], ["0"]),
        ]),
        rearranging(
            "channel_shuffle(Tensor self, SymInt groups) -> Tensor", of: ["aten::clone"],
            [([2, 6, 2, 2], [3]), ([1, 4, 3], [2]), ([0, 4, 3], [2])]
        ) { (x, a) throws(CressetError) in x.channelShuffle(try a.int("groups")) }
        .refusing([
            ([1, 5, 2], [2], ["2", "[1, 5, 2]"]), ([4, 2], [2], ["[4, 2]"]), ([1, 4, 2], [0], ["0"]),
        ]),
        rearranging(
            "fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor", of: ["aten::roll"],
            [([5, 4], [.none]), ([5, 4], [[0]]), ([0], [.none]), ([], [.none])]
        ) { (x, a) throws(CressetError) in x.fftshift(dim: try a.optionalInts("dim")) },
        rearranging(
            "fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor", of: ["aten::roll"],
            [([5, 4], [.none]), ([5, 4], [[-2]]), ([0], [.none]), ([], [.none])]
        ) { (x, a) throws(CressetError) in x.ifftshift(dim: try a.optionalInts("dim")) },
    ]
}
