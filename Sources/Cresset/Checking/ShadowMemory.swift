/// The bytes that the operands of a launch lie in, as they were before it.
///
/// Operands that overlap in memory do so in a copy too, so a launch into one of its inputs stays one.
struct ShadowMemory {
    /// One run of bytes of a storage.
    struct Region {
        let storage: Storage
        var range: Range<Int>
        var before: [UInt8] = []

        /// The bytes as they are now.
        func read() throws(CressetError) -> [UInt8] { try storage.bytes(in: range, op: "withShadow") }

        /// Where a copy begins: it keeps the alignment that allocations have.
        var base: Int { range.lowerBound / 256 * 256 }
    }
    private(set) var regions: [Region] = []

    init(_ operands: [(Operand, addressed: [Operand.Addressed])]) throws(CressetError) {
        for (operand, addressed) in operands {
            guard let bytes = operand.extent(addressed) else { continue }
            var region = Region(storage: operand.storage, range: bytes)
            // Those that it joins become one.
            regions.removeAll { other in
                guard other.storage === region.storage, other.range.overlaps(region.range) else { return false }
                region.range =
                    min(
                        other.range.lowerBound, region.range.lowerBound)..<max(
                        other.range.upperBound, region.range.upperBound)
                return true
            }
            regions.append(region)
        }
        for i in regions.indices { regions[i].before = try regions[i].read() }
    }

    /// Which region an operand lies in; nil for one of no elements.
    func region(of operand: Operand, _ addressed: [Operand.Addressed]) -> Int? {
        guard let bytes = operand.extent(addressed) else { return nil }
        return regions.firstIndex { $0.storage === operand.storage && $0.range.overlaps(bytes) }
    }

    /// Copies on another device of what the regions held before the launch.
    func copies(on runtime: DeviceRuntime) throws(CressetError) -> [Storage] {
        try regions.map { (region) throws(CressetError) in
            let copy = try Storage(runtime, bytes: region.range.upperBound - region.base, op: "withShadow")
            try copy.write(region.before, at: region.range.lowerBound - region.base, op: "withShadow")
            return copy
        }
    }
}

extension Operand {
    /// A dim along which only indices lead.
    struct Addressed {
        var size: Int
        var stride: Int
    }

    /// The bytes from the first to the last element; nil if there are none.
    func extent(_ addressed: [Addressed]) -> Range<Int>? {
        var (first, last) = (offset, offset)
        let dims = Array(zip(shape, strides)) + addressed.map { ($0.size, $0.stride) }
        for (size, stride) in dims {
            if size <= 0 { return nil }
            if stride < 0 { first += (size - 1) * stride } else { last += (size - 1) * stride }
        }
        return first * dtype.size..<(last + 1) * dtype.size
    }

    /// The elements that a launch writes, each once: dims of stride 0 have one index, and what only indices
    /// lead to has dims of its own, in the order of the strides.
    func written(_ addressed: [Addressed]) -> Operand {
        var view = self
        for d in shape.indices where strides[d] == 0 { view.shape[d] = min(1, shape[d]) }
        guard !addressed.isEmpty else { return view }
        let dims = (zip(view.shape, strides).filter { $0.1 != 0 } + addressed.map { ($0.size, $0.stride) })
            .sorted { $0.1 > $1.1 }
        view.shape = Shape(dims.map(\.0))
        view.strides = Shape(dims.map(\.1))
        return view
    }

    /// The place of each element, in row-major order, counted in elements from the start of the storage.
    var places: [Int] { HostTensor.places(shape, strides, from: offset) }

    /// Element by row-major index: its place.
    func place(_ i: Int) -> Int {
        var (rest, place) = (i, offset)
        for d in shape.indices.reversed() {
            place += rest % max(shape[d], 1) * strides[d]
            rest /= max(shape[d], 1)
        }
        return place
    }
}
