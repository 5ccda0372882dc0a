import BackendKit

/// Where the elements of a strided view lie, in row-major order of its shape.
struct Layout {
    var shape: [Int]
    /// From one element to the next along each dim; bytes, unless the owner says otherwise.
    var steps: [Int]
    /// Of element [0, ..., 0].
    var origin: Int

    var count: Int { shape.reduce(1, *) }

    init(shape: [Int], steps: [Int], origin: Int = 0) {
        self.shape = shape
        self.steps = steps
        self.origin = origin
    }

    init(_ view: TensorView) {
        let size = view.dtype.size
        self.init(shape: view.shape, steps: view.strides.map { $0 * size }, origin: view.byteOffset)
    }

    /// The layout whose places are the row-major linear indices 0, 1, 2, …
    static func rowMajor(_ shape: [Int]) -> Layout {
        var steps = [Int](repeating: 1, count: shape.count)
        for d in shape.indices.dropLast().reversed() { steps[d] = steps[d + 1] * shape[d + 1] }
        return Layout(shape: shape, steps: steps)
    }

    /// The part that varies along the dims for which `keep` is true.
    func along(_ keep: (Int) -> Bool) -> Layout {
        let dims = shape.indices.filter(keep)
        return Layout(shape: dims.map { shape[$0] }, steps: dims.map { steps[$0] }, origin: origin)
    }

    /// The places of the elements `range`, in order.
    func places(_ range: Range<Int>) -> [Int] {
        var position = [Int](repeating: 0, count: shape.count)
        var place = origin
        var rest = range.lowerBound
        for d in shape.indices.reversed() {
            position[d] = rest % max(shape[d], 1)
            rest /= max(shape[d], 1)
            place += position[d] * steps[d]
        }
        var places: [Int] = []
        places.reserveCapacity(range.count)
        for _ in range {
            places.append(place)
            // The next element: the last dim that has one more, and those after it from the start.
            var d = shape.count - 1
            while d >= 0 {
                position[d] += 1
                place += steps[d]
                if position[d] < shape[d] { break }
                place -= shape[d] * steps[d]
                position[d] = 0
                d -= 1
            }
        }
        return places
    }

    /// The places of all elements.
    var places: [Int] { places(0..<count) }
}

/// Ranges of at most `size` that make up 0 ..< count: how many elements are computed at a time, so
/// that an instruction is looked up once for all of them.
func blocks(of count: Int, size: Int = 256) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
}
